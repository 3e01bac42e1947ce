//! A small book: the price is found by bisection, one pass over vectors a round, then the book is filled around it.

use super::{Crossing, Outside, Scratch, Terms, finish};
use crate::auction::book::{Book, Number};
use crate::simd::{self, Quantile, Swept, Totals};

/// See [`super::cross`].
pub fn cross<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    terms: &Terms<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Option<(u32, Option<Crossing>)> {
    let Quantile { totals, price, below } = simd::quantile(book)?;
    let Totals { bid_quantity, ask_quantity, bids } = totals;
    if bid_quantity == 0 || ask_quantity == 0 {
        filled.fill(0);
        return Some((bids, None));
    }
    scratch.candidates.clear();
    let Swept { bids_above, asks_below, welfare } =
        simd::sweep(book, (price, price), false, filled, &mut scratch.candidates);
    let outside = Outside { below, bids_above, asks_below, welfare };
    Some((bids, finish(book, bid_quantity, outside, terms, filled, scratch)))
}
