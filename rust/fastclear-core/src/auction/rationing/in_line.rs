//! Serving orders in line until nothing is left, without putting the whole line in order.
//!
//! Whoever stands before the place where supply ends gets all, whoever stands behind it nothing, and only the bin around
//! that place is looked at again: radix selection, by weight. O(n), where a sort is O(n log n).

use crate::auction::book::Priority;

/// Orders at which sorting beats another pass of binning.
const SORTED_DIRECTLY: usize = 128;
const BINS: usize = 2048;

/// Serves `left` lots to `orders` from the front of the line: by `first`, lowest first, then in priority order.
///
/// Each order takes `weight` lots, all together at least `left`. What each takes, maybe nothing, goes to `give`. Leaves
/// `orders` in no order, and fewer of them.
pub fn serve(
    left: i64,
    orders: &mut Vec<u32>,
    first: impl Fn(usize) -> u64,
    priority: &Priority<'_>,
    weight: impl Fn(usize) -> i64,
    give: impl FnMut(usize, i64),
) {
    let unsigned = |id: i64| (id as u64) ^ (1 << 63); // in the same order
    let mut line = Line { left, orders, weight, give };
    line.narrow(&first);
    if let Some(time) = priority.time {
        line.narrow(|i| unsigned(time[i]));
    }
    if let Some(order) = priority.order {
        line.narrow(|i| unsigned(order[i]));
    }
    if line.orders.len() <= SORTED_DIRECTLY {
        line.orders.sort_unstable_by_key(|&i| (first(i as usize), priority.key(i as usize)));
    } else {
        line.orders.sort_unstable(); // of one key: positions decide, which ascend already unless a caller was free to sort
    }
    let Line { mut left, orders, weight, mut give } = line;
    for &i in orders.iter() {
        let share = left.min(weight(i as usize));
        give(i as usize, share);
        left -= share;
    }
}

/// The part of a line in which supply ends.
struct Line<'a, W, G> {
    left: i64,
    orders: &'a mut Vec<u32>,
    weight: W,
    give: G,
}

impl<W: Fn(usize) -> i64, G: FnMut(usize, i64)> Line<'_, W, G> {
    /// Serves and drops the orders that `key` puts before or behind the end, until few are left or all have one key.
    fn narrow(&mut self, key: impl Fn(usize) -> u64) {
        while self.orders.len() > SORTED_DIRECTLY {
            let (least, most) = self.orders.iter().fold((u64::MAX, 0), |(least, most), &i| {
                let key = key(i as usize);
                (least.min(key), most.max(key))
            });
            if least == most {
                return;
            }
            // At least two bins are in use: every round drops an order.
            let shift = (u64::BITS - (most - least).leading_zeros()).saturating_sub(BINS.trailing_zeros());
            let bin_of = |i: u32| ((key(i as usize) - least) >> shift) as usize;
            let mut lots = [0; BINS];
            for &i in self.orders.iter() {
                lots[bin_of(i)] += (self.weight)(i as usize);
            }
            let mut end = 0;
            while self.left > lots[end] {
                self.left -= lots[end];
                end += 1;
            }
            let mut kept = 0;
            for j in 0..self.orders.len() {
                // Each is served and written, and counted where it is kept: no branch to guess wrong.
                let i = self.orders[j];
                let bin = bin_of(i);
                let lots = if bin < end { (self.weight)(i as usize) } else { 0 };
                (self.give)(i as usize, lots);
                self.orders[kept] = i;
                kept += usize::from(bin == end);
            }
            self.orders.truncate(kept);
        }
    }
}
