//! A book's prices in 32 bits, block by block: as they are where they can be, else counted from a base.

use super::columns::narrow;
use crate::auction::book::{Book, Number};

/// Rows at a time: what a pass reads stays in the first-level cache for those who come after it.
pub const BLOCK: usize = 1024;

/// The prices of a book in 32 bits.
pub struct Near<'a, P, Q> {
    book: &'a Book<'a, P, Q>,
    plain: Option<&'a [i32]>,
    /// What prices are counted from.
    pub base: i64,
    limits: Vec<i32>,
    prices: Vec<i32>,
    /// Whether a limit was met that no order may carry, or that 32 bits hold and no order may carry is still to be looked for.
    pub has_bad_price: bool,
}

impl<'a, P: Number, Q: Number> Near<'a, P, Q> {
    /// Prices counted from `base`, or from zero where they are 32 bits wide and compete as they are.
    pub fn new(book: &'a Book<'a, P, Q>, base: i64) -> Self {
        let plain = if book.fee == 0 { P::as_narrow(book.price) } else { None };
        let (base, room) = if plain.is_some() { (0, 0) } else { (base, BLOCK.min(book.len())) };
        Self { book, plain, base, limits: vec![0; room], prices: vec![0; room], has_bad_price: false }
    }

    /// A competing price counted from the base; one that is further off than 32 bits reach is at their end.
    pub fn of(&self, price: i64) -> i32 {
        (price - self.base).clamp(-i64::from(i32::MAX), i64::from(i32::MAX)) as i32
    }

    /// Limits and competing prices of the rows `start..end`, at most a block.
    pub fn rows(&mut self, start: usize, end: usize) -> (&[i32], &[i32]) {
        if let Some(plain) = self.plain {
            return (&plain[start..end], &plain[start..end]);
        }
        let (limits, prices) = (&mut self.limits[..end - start], &mut self.prices[..end - start]);
        let book = self.book;
        self.has_bad_price |=
            !narrow(&book.side[start..end], &book.price[start..end], book.fee, self.base, limits, prices);
        (limits, prices)
    }
}
