//! A level that is a good part of the book: its orders are met again in the columns, not copied out.

use super::level::Missed;
use super::{Crossing, Scratch, Terms, next_price_above};
use crate::auction::book::{Book, Number};
use crate::auction::rationing::Portion;
use crate::simd::{Cut, Swept, sharing};

/// Orders looked at to see how long a level is.
const PROBED: usize = 256;
/// A level is long that holds more than one in so many of them.
const LONG: usize = 4;

/// Whether a good part of the book competes at `price`: then its columns are read once more at less cost than orders are
/// copied out.
pub(super) fn is_long<P: Number, Q: Number>(book: &Book<'_, P, Q>, price: i64) -> bool {
    let stride = (book.len() / PROBED).max(1);
    // Wrapping, since this looks at columns that may be yet to be checked.
    let is_at = |&i: &usize| book.limit(i).wrapping_sub(if book.is_bid(i) { book.fee } else { 0 }) == price;
    let places = (0..book.len()).step_by(stride);
    LONG * places.clone().filter(is_at).count() > places.count()
}

/// The cut around a level at `price` that takes no order for a candidate.
pub(super) const fn cut_at(price: i64) -> Cut {
    Cut { first: price, guess: price, last: price - 1 }
}

/// Fills a book that was swept around [`cut_at`] the level at `price`, and reports. `reached` is the quantity of all orders
/// priced at or below it, where that is known.
///
/// # Errors
/// [`Missed`] where it is not the marginal level; no fill is then written.
pub(super) fn finish<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    price: i64,
    reached: Option<i64>,
    swept: Swept,
    terms: &Terms<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Result<Option<Crossing>, Missed> {
    let Swept { bid_quantity, below, bids_filled, asks_filled, welfare, .. } = swept;
    let level_bids = bid_quantity - bids_filled - (below - asks_filled);
    // Where a sweep does not know the asks of the level, a pass over the book says whether there are others above it, too.
    let (level_asks, is_whole_book) = reached.map_or_else(
        || {
            let (at, above) = sharing::asks_from(book, price);
            (at, below + bids_filled + above == 0)
        },
        |reached| (reached - below - level_bids, false),
    );
    let reached = below + level_bids + level_asks;
    if bid_quantity == 0 || below >= bid_quantity || reached < bid_quantity {
        return Err(Missed);
    }
    let (demand, supply) = (bids_filled + level_bids, asks_filled + level_asks);
    let volume = if terms.zero_surplus { demand.min(supply) } else { bids_filled.max(asks_filled) };
    if volume == 0 {
        filled.fill(0);
        return Ok(None);
    }
    let bids = Portion { left: volume - bids_filled, total: level_bids };
    let asks = Portion { left: volume - asks_filled, total: level_asks };
    if !filled.is_empty() {
        let at = if is_whole_book { None } else { Some(price) };
        terms.rationing.share_in_place(book, at, (bids, asks), terms.priority, filled, scratch.sharing());
    }
    let welfare =
        welfare + i128::from(price + book.fee) * i128::from(bids.left) - i128::from(price) * i128::from(asks.left);
    let high = if reached > bid_quantity { price } else { next_price_above(book, price) };
    Ok(Some(Crossing { low: price, high, volume, welfare }))
}
