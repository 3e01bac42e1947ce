//! A small book: crossed as a whole in 32 bits; where its numbers are too large for that, the price is found by bisection,
//! one pass over vectors a round, and the book is filled around it.

use super::level::finish;
use super::{Crossing, Scratch, Terms};
use crate::auction::book::{Book, Number};
use crate::auction::rationing::Portion;
use crate::simd::{self, Crossed, Cut, Shared};

/// See [`super::cross`].
pub fn cross<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    terms: &Terms<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Option<(u32, Option<Crossing>)> {
    if filled.len() != book.len() {
        return cross_wide(book, terms, filled, scratch);
    }
    let Some(crossed) = simd::cross_narrow(book, terms.zero_surplus, filled, &mut scratch.room) else {
        return cross_wide(book, terms, filled, scratch);
    };
    let Crossed { bids, low, high, volume, welfare, shared } = crossed;
    if volume == 0 {
        return Some((bids, None));
    }
    if let Some(Shared { side, left, total, level: mut listed }) = shared {
        let (level, sharing) = scratch.level();
        level.clear();
        let is_of_side = |i: u32| book.side[i as usize] == side;
        if listed == 0 {
            let at_low = |i: u32| book.competing_price(i as usize) == low;
            level.extend((0..book.len() as u32).filter(|&i| is_of_side(i) && at_low(i)));
        }
        while listed != 0 {
            let i = listed.trailing_zeros();
            level.extend(is_of_side(i).then_some(i));
            listed &= listed - 1;
        }
        terms.rationing.share(book, level, Portion { left, total }, terms.priority, filled, sharing);
    }
    Some((bids, Some(Crossing { low, high, volume, welfare: welfare.into() })))
}

/// Crosses a book whose numbers are too large for 32 bits, or none that an order may carry.
fn cross_wide<P: Number, Q: Number>(
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
