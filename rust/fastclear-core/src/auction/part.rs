//! Some of a market's orders, as a book of their own.

use super::book::{Book, Number, Priority};
use super::pairing::Place;
use crate::simd::{self, Picks, PicksMut};

/// Orders picked out of a market, in the order in which they stand there.
#[derive(Debug, Default)]
pub struct Part {
    picks: Picks,
    time: Option<Vec<i64>>,
    order: Option<Vec<i64>>,
    market_rank: u32,
}

impl Part {
    /// Deals the orders of `book`, whose values are in range, to `parts` by class: those of class 0 to the first, and so on,
    /// and those of other classes to none.
    pub fn split<P: Number, Q: Number, const PARTS: usize>(
        book: &Book<'_, P, Q>,
        priority: &Priority<'_>,
        class: &[u8],
        mut parts: [&mut Self; PARTS],
    ) {
        simd::split(book, class, &mut parts.each_mut().map(|part| &mut part.picks));
        for part in parts {
            part.market_rank = priority.market_rank;
            let positions = part.picks.positions();
            for (to, from) in [(&mut part.time, priority.time), (&mut part.order, priority.order)] {
                match from {
                    None => *to = None,
                    Some(from) => {
                        let to = to.get_or_insert_default();
                        to.clear();
                        to.extend(positions.iter().map(|&i| from[i as usize]));
                    }
                }
            }
        }
    }

    /// Takes fills off the quantities, and drops the orders that have nothing left.
    pub fn take_off(&mut self, fills: &[i64]) {
        let PicksMut { side, price, quantity, position } = self.picks.columns_mut();
        let mut len = 0;
        for (i, &fill) in fills.iter().enumerate() {
            let left = quantity[i] - fill as i32;
            // Written in any case and counted where it belongs: no branch to guess wrong.
            (side[len], price[len], quantity[len], position[len]) = (side[i], price[i], left, position[i]);
            for column in [&mut self.time, &mut self.order].into_iter().flatten() {
                column[len] = column[i];
            }
            len += usize::from(left > 0);
        }
        self.picks.truncate(len);
        for column in [&mut self.time, &mut self.order].into_iter().flatten() {
            column.truncate(len);
        }
    }

    /// Sides, prices, to be changed, and positions.
    pub fn quotes_mut(&mut self) -> (&[u8], &mut [i32], &[u32]) {
        let PicksMut { side, price, position, .. } = self.picks.columns_mut();
        (side, price, position)
    }

    /// Number of orders.
    pub const fn len(&self) -> usize {
        self.picks.len()
    }

    /// The orders as a book without a fee.
    pub fn book(&self) -> Book<'_, i32, i32> {
        self.picks.book()
    }

    /// Who comes first among them.
    pub fn priority(&self) -> Priority<'_> {
        Priority { time: self.time.as_deref(), order: self.order.as_deref(), market_rank: self.market_rank }
    }

    /// Position of each order in the market.
    pub fn positions(&self) -> &[u32] {
        self.picks.positions()
    }

    /// Where the orders of this part of a market stand in the input, by way of `rows`.
    pub fn place<'a>(&self, market: &Place<'_>, rows: &'a mut Vec<u32>) -> Place<'a> {
        rows.clear();
        rows.extend(self.positions().iter().map(|&i| market.row(i as usize)));
        Place { rows: Some(rows), first_row: 0, market_index: market.market_index }
    }
}
