//! Sharing the quantity that is left among orders of one price.
//!
//! All rules are exact in integers, give nobody more than asked, and hand out the whole of what is left. Each costs a few
//! passes over the level: where it must know who comes first, it selects and does not sort (`in_line`).

mod by_lot;
mod few;
mod in_line;
mod many;

use super::book::{Book, Number, Priority};
use crate::order::BUY;
use crate::simd::sharing::{AtPrice, OneSide, Picked};

/// Orders up to which sorting beats bins.
const FEW: usize = 256;

/// The rule by which orders at the marginal price share what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rationing {
    /// Earlier first; the last one in part.
    Time,
    /// In proportion to quantity; left-over lots to the largest remainders (Hamilton).
    #[default]
    ProRata,
    /// The same quantity to each, as far as they ask for it (water filling).
    Equal,
    /// Larger orders first; the last one in part.
    Quantity,
    /// One order after the other as drawn by lot; the last one in part.
    Lottery {
        /// Seed of the lottery.
        seed: u64,
    },
}

/// What some orders get together, and what they ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Portion {
    /// Lots that they get: at least 0, at most `total`.
    pub left: i64,
    /// Sum of their quantities.
    pub total: i64,
}

impl Portion {
    /// Whether there is something to share and not enough for all.
    const fn is_cut(self) -> bool {
        0 < self.left && self.left < self.total
    }

    const fn is_whole(self) -> bool {
        self.left == self.total
    }
}

/// Memory that a run of markets shares, so that no market allocates.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Orders whose place in line decides.
    line: Vec<u32>,
    remainders: Vec<(u64, u32)>,
}

impl Scratch {
    /// Bytes that it holds, about.
    pub fn bytes(&self) -> usize {
        4 * self.line.capacity() + 16 * self.remainders.capacity()
    }
}

impl Rationing {
    /// Shares a portion among `orders`, one side of one price level. Positions ascend where they alone decide.
    pub fn share<P: Number, Q: Number>(
        self,
        book: &Book<'_, P, Q>,
        orders: &[u32],
        portion: Portion,
        priority: &Priority<'_>,
        filled: &mut [i64],
        scratch: &mut Scratch,
    ) {
        debug_assert!(0 <= portion.left && portion.left <= portion.total, "Invariant: nobody gets more than is asked");
        if orders.len() <= FEW {
            self.share_few(book, orders, portion, priority, filled, scratch);
        } else {
            let picked = Picked { orders, quantity: book.quantity };
            self.share_many(book, &picked, portion, priority, filled, scratch);
        }
    }

    /// Fills a book: its level of bids and asks, of which at most one side gets a part of what it asks for, without a list of
    /// the level's orders (all that compete at `price`, or without one the whole book), and bids above it and asks below it
    /// whole. Pays where the level is a good part of the book.
    pub fn share_in_place<P: Number, Q: Number>(
        self,
        book: &Book<'_, P, Q>,
        price: Option<i64>,
        (bids, asks): (Portion, Portion),
        priority: &Priority<'_>,
        filled: &mut [i64],
        scratch: &mut Scratch,
    ) {
        debug_assert!(!(bids.is_cut() && asks.is_cut()), "Invariant: the shorter side of a level is served whole");
        let (sharing, portion, others) = if bids.is_cut() { (BUY, bids, asks) } else { (1 - BUY, asks, bids) };
        let others_whole = others.is_whole();
        if let Some(price) = price {
            let level = AtPrice { book, price, sharing, others_whole };
            self.share_many(book, &level, portion, priority, filled, scratch);
        } else {
            let level = OneSide { side: book.side, quantity: book.quantity, sharing, others_whole };
            self.share_many(book, &level, portion, priority, filled, scratch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(rule: Rationing, left: i64, quantities: &[i64]) -> Vec<i64> {
        let mut filled = vec![-1; quantities.len()];
        let (side, price) = (vec![BUY; quantities.len()], vec![0; quantities.len()]);
        let book: Book<'_, i32, i64> = Book { side: &side, price: &price, quantity: quantities, fee: 0 };
        let priority = Priority { time: None, order: None, market_rank: 0 };
        let orders: Vec<u32> = (0..quantities.len() as u32).collect();
        let bids = Portion { left, total: quantities.iter().sum() };
        rule.share(&book, &orders, bids, &priority, &mut filled, &mut Scratch::default());
        filled
    }

    #[test]
    fn largest_remainder_of_case_a08() {
        assert_eq!(share(Rationing::ProRata, 11, &[3, 5, 9]), [2, 3, 6]);
    }

    #[test]
    fn water_filling_of_case_a11() {
        assert_eq!(share(Rationing::Equal, 12, &[2, 8, 9]), [2, 5, 5]);
        assert_eq!(share(Rationing::Equal, 2, &[9, 9, 9]), [1, 1, 0]);
    }

    #[test]
    fn time_serves_in_turn() {
        assert_eq!(share(Rationing::Time, 6, &[5, 5, 5]), [5, 1, 0]);
    }

    #[test]
    fn the_largest_quantities_share_exactly() {
        let most = (1_i64 << 31) - 1;
        for rule in [Rationing::Time, Rationing::ProRata, Rationing::Equal] {
            let shares = share(rule, 3 * most - 1, &[most; 5]);
            assert_eq!(shares.iter().sum::<i64>(), 3 * most - 1, "{rule:?}");
            assert!(shares.iter().all(|&share| (0..=most).contains(&share)), "{rule:?}");
        }
    }
}
