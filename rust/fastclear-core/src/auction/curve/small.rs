//! A small book: the price is found by bisection, one pass over vectors a round, then the book is filled around it.

use super::level::finish;
use super::{Crossing, Scratch, Terms};
use crate::auction::book::{Book, Number};
use crate::simd::{self, Cut};

/// See [`super::cross`].
pub fn cross<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    terms: &Terms<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Option<(u32, Option<Crossing>)> {
    let price = simd::quantile(book)?;
    let cut = Cut { first: price, guess: price, last: price };
    let swept = simd::sweep(book, cut, filled, &mut scratch.candidates)?;
    let crossing = finish(book, cut, swept, terms, filled, scratch).ok().flatten();
    Some((swept.bids, crossing))
}
