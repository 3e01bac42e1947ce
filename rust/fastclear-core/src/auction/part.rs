//! Some of a market's orders, as a book of their own.

use super::book::{Book, Number, Priority};
use super::pairing::Place;

/// Orders picked out of a market, in the order in which they stand there.
#[derive(Debug, Default)]
pub struct Part {
    /// Orders picked; columns may be longer, so that they need not be cleared for each market.
    len: usize,
    side: Vec<u8>,
    price: Vec<i32>,
    quantity: Vec<i32>,
    position: Vec<u32>,
    time: Option<Vec<i64>>,
    order: Option<Vec<i64>>,
    market_rank: u32,
}

impl Part {
    /// Takes the orders of `book` that `keep(whether it is a bid, its limit, its position)` names. The book's values are
    /// in range, so that they fit 32 bits.
    pub fn take<P: Number, Q: Number>(
        &mut self,
        book: &Book<'_, P, Q>,
        priority: &Priority<'_>,
        keep: impl Fn(bool, i64, usize) -> bool,
    ) {
        self.reserve(book.len());
        let rows = book.side.iter().zip(book.price).zip(book.quantity);
        let mut len = 0;
        for (i, ((&side, &price), &quantity)) in rows.enumerate() {
            let (price, quantity): (i64, i64) = (price.into(), quantity.into());
            // Written in any case and counted where it belongs: no branch to guess wrong.
            self.side[len] = side;
            self.price[len] = price as i32;
            self.quantity[len] = quantity as i32;
            self.position[len] = i as u32;
            len += usize::from(keep(side != 0, price, i));
        }
        self.len = len;
        self.market_rank = priority.market_rank;
        let positions = &self.position[..len];
        for (to, from) in [(&mut self.time, priority.time), (&mut self.order, priority.order)] {
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

    fn reserve(&mut self, rows: usize) {
        if self.side.len() < rows {
            self.side.resize(rows, 0);
            self.price.resize(rows, 0);
            self.quantity.resize(rows, 0);
            self.position.resize(rows, 0);
        }
    }

    /// Takes fills off the quantities, and drops the orders that have nothing left.
    pub fn take_off(&mut self, fills: &[i64]) {
        let mut len = 0;
        for (i, &fill) in fills.iter().enumerate() {
            let left = self.quantity[i] - fill as i32;
            self.side[len] = self.side[i];
            self.price[len] = self.price[i];
            self.quantity[len] = left;
            self.position[len] = self.position[i];
            for column in [&mut self.time, &mut self.order].into_iter().flatten() {
                column[len] = column[i];
            }
            len += usize::from(left > 0);
        }
        self.len = len;
        for column in [&mut self.time, &mut self.order].into_iter().flatten() {
            column.truncate(len);
        }
    }

    /// Takes positions, which are places in `whole`, to be those in the market of which that is a part.
    pub fn reach_through(&mut self, whole: &Self) {
        for position in &mut self.position[..self.len] {
            *position = whole.position[*position as usize];
        }
    }

    /// Sides, prices, to be changed, and positions.
    pub fn quotes_mut(&mut self) -> (&[u8], &mut [i32], &[u32]) {
        (&self.side[..self.len], &mut self.price[..self.len], &self.position[..self.len])
    }

    /// Number of orders.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The orders as a book without a fee.
    pub fn book(&self) -> Book<'_, i32, i32> {
        let (side, price, quantity) = (&self.side[..self.len], &self.price[..self.len], &self.quantity[..self.len]);
        Book { side, price, quantity, fee: 0 }
    }

    /// Who comes first among them.
    pub fn priority(&self) -> Priority<'_> {
        Priority { time: self.time.as_deref(), order: self.order.as_deref(), market_rank: self.market_rank }
    }

    /// Position of each order in the market.
    pub fn positions(&self) -> &[u32] {
        &self.position[..self.len]
    }

    /// Where the orders of this part of a market stand in the input, by way of `rows`.
    pub fn place<'a>(&self, market: &Place<'_>, rows: &'a mut Vec<u32>) -> Place<'a> {
        rows.clear();
        rows.extend(self.positions().iter().map(|&i| market.row(i as usize)));
        Place { rows: Some(rows), first_row: 0, market_index: market.market_index }
    }
}
