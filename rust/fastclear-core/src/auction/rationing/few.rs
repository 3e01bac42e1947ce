//! Sharing among few orders: sorted, and walked in order.

use std::cmp::Reverse;

use super::{Portion, Rationing, Scratch, by_lot};
use crate::auction::book::{Book, Number, Priority};
use crate::simd::sharing::Rate;

impl Rationing {
    /// Shares a portion among `orders`.
    pub(super) fn share_few<P: Number, Q: Number>(
        self,
        book: &Book<'_, P, Q>,
        orders: &[u32],
        portion: Portion,
        priority: &Priority<'_>,
        filled: &mut [i64],
        scratch: &mut Scratch,
    ) {
        let quantity = |i: usize| book.quantity(i);
        if !portion.is_cut() {
            for &i in orders {
                filled[i as usize] = if portion.is_whole() { quantity(i as usize) } else { 0 };
            }
            return;
        }
        let Scratch { line, remainders } = scratch;
        line.clear();
        line.extend_from_slice(orders);
        match (self, line.as_mut_slice()) {
            (_, &mut [i]) => filled[i as usize] = portion.left,
            (Self::Time, line) => {
                priority.sort(line);
                in_turn(portion.left, line, quantity, filled);
            }
            (Self::Quantity, line) => {
                line.sort_unstable_by_key(|&i| (Reverse(quantity(i as usize)), priority.key(i as usize)));
                in_turn(portion.left, line, quantity, filled);
            }
            (Self::Lottery { seed }, line) => by_lot::serve(portion, line, seed, priority, quantity, filled),
            (Self::ProRata, line) => pro_rata(portion, line, quantity, priority, filled, remainders),
            (Self::Equal, line) => equal(portion.left, line, quantity, priority, filled),
        }
    }
}

fn in_turn(mut left: i64, orders: &[u32], quantity: impl Fn(usize) -> i64, filled: &mut [i64]) {
    for &i in orders {
        let share = left.min(quantity(i as usize));
        filled[i as usize] = share;
        left -= share;
    }
}

/// Largest remainder: `left × q / total` each, rounded down; what is left over goes one lot each to the largest
/// remainders, ties in priority order. Fewer lots are left over than orders have a remainder, so that no order gets
/// more than it asked for.
fn pro_rata(
    portion: Portion,
    orders: &[u32],
    quantity: impl Fn(usize) -> i64,
    priority: &Priority<'_>,
    filled: &mut [i64],
    remainders: &mut Vec<(u64, u32)>,
) {
    let rate = Rate::new(portion.left, portion.total);
    let mut left_over = portion.left;
    remainders.clear();
    for &i in orders {
        let (share, remainder) = rate.quota(quantity(i as usize) as u32);
        filled[i as usize] = i64::from(share);
        left_over -= i64::from(share);
        remainders.push((remainder, i));
    }
    if left_over == 0 {
        return;
    }
    let left_over = left_over as usize;
    remainders
        .select_nth_unstable_by_key(left_over - 1, |&(remainder, i)| (Reverse(remainder), priority.key(i as usize)));
    for &(_, i) in &remainders[..left_over] {
        filled[i as usize] += 1;
    }
}

/// Water filling: each order gets the same, as far as it asks for it; the last few lots one each in priority order.
fn equal(
    mut left: i64,
    orders: &mut [u32],
    quantity: impl Fn(usize) -> i64,
    priority: &Priority<'_>,
    filled: &mut [i64],
) {
    // From the smallest order up: one that asks for no more than an equal share of what is left is served whole.
    orders.sort_unstable_by_key(|&i| quantity(i as usize));
    let mut served = 0;
    while served < orders.len() {
        let i = orders[served] as usize;
        let level = left / (orders.len() - served) as i64;
        if quantity(i) > level {
            break;
        }
        filled[i] = quantity(i);
        left -= filled[i];
        served += 1;
    }
    let rest = &mut orders[served..];
    let level = left / rest.len() as i64;
    let extra = (left % rest.len() as i64) as usize;
    priority.sort(rest);
    for (rank, &i) in rest.iter().enumerate() {
        filled[i as usize] = level + i64::from(rank < extra);
    }
}
