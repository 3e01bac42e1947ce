//! A large book: weighed into bins in one pass, filled outside the bin of the quantile in a second.

use super::{Crossing, Outside, SORTED_DIRECTLY, Scratch, Terms, finish};
use crate::auction::book::{Book, Number};
use crate::simd::{self, BINS, Swept, Totals, Weighed};
use crate::units::PRICE_MAX;

const BIN_BITS: u32 = BINS.trailing_zeros();

/// A range of competing prices that holds the quantile, and what is known of the book around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bracket {
    first: i64,
    last: i64,
    /// Quantity of all orders below the range.
    below: i64,
    /// Whether price × quantity of all orders together stays below 2⁶³.
    small_welfare: bool,
    totals: Totals,
}

impl Bracket {
    /// Finds the bracket of a book, checking its columns in the same pass: the book is weighed into bins.
    ///
    /// `None` where a column holds a value that no order may carry.
    pub fn of<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> Option<Self> {
        let range = sampled_range(book);
        // Twice the sample's range, half of the room on either side.
        let shift = shift_for((range.0, 2 * range.1 - range.0));
        let base = range.0 - (((BINS as i64) << shift) - (range.1 - range.0)) / 2;
        let Weighed { totals, bins, price_bound } = simd::weigh(book, base, shift)?;
        let (bin, below) = bin_reaching(&bins, 0, totals.bid_quantity);
        let most = u128::from(price_bound) * (totals.bid_quantity + totals.ask_quantity) as u128;
        Some(Self {
            first: if bin == 0 { i64::MIN } else { base + ((bin as i64) << shift) },
            last: if bin == BINS - 1 { i64::MAX } else { base + ((bin as i64 + 1) << shift) - 1 },
            below,
            small_welfare: most < 1 << 63,
            totals,
        })
    }
}

/// See [`super::cross`].
pub fn cross<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    terms: &Terms<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Option<(u32, Option<Crossing>)> {
    let bracket = Bracket::of(book)?;
    let Totals { bid_quantity, ask_quantity, bids } = bracket.totals;
    if bid_quantity == 0 || ask_quantity == 0 {
        filled.fill(0);
        return Some((bids, None));
    }
    scratch.candidates.clear();
    let range = (bracket.first, bracket.last);
    let swept = simd::sweep(book, range, bracket.small_welfare, filled, &mut scratch.candidates);
    let Swept { bids_above, asks_below, welfare } = swept;
    let mut outside = Outside { below: bracket.below, bids_above, asks_below, welfare };
    narrow(book, bid_quantity, &mut outside, filled, &mut scratch.candidates);
    Some((bids, finish(book, bid_quantity, outside, terms, filled, scratch)))
}

/// Lowest and highest competing price among a few orders spread over the book: a guess where the bins should lie.
fn sampled_range<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> (i64, i64) {
    let stride = (book.len() / 256).max(1);
    let mut range = (PRICE_MAX, -PRICE_MAX);
    for i in (0..book.len()).step_by(stride) {
        // Clamped, since this looks at columns that are yet to be checked.
        let price = book.limit(i).clamp(-PRICE_MAX, PRICE_MAX) - if book.is_bid(i) { book.fee } else { 0 };
        range = (range.0.min(price), range.1.max(price));
    }
    range
}

/// The bin in which the running sum, starting from `below`, first reaches `target`; and the sum before it.
fn bin_reaching(bins: &[i64; BINS], mut below: i64, target: i64) -> (usize, i64) {
    for (bin, &weight) in bins.iter().enumerate() {
        if below + weight >= target {
            return (bin, below);
        }
        below += weight;
    }
    (BINS - 1, below) // not reached: the caller's target is at most the total
}

/// Width of a bin, as a power of two, so that `range` fits into the bins.
fn shift_for(range: (i64, i64)) -> u32 {
    let span = (range.1 - range.0) as u64;
    (u64::BITS - span.leading_zeros()).saturating_sub(BIN_BITS)
}

/// Narrows a long list of candidates, bin by bin, until it is short or of one price.
fn narrow<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    bid_quantity: i64,
    outside: &mut Outside,
    filled: &mut [i64],
    candidates: &mut Vec<u32>,
) {
    while candidates.len() > SORTED_DIRECTLY {
        let mut range = (i64::MAX, i64::MIN);
        for &i in candidates.iter() {
            let price = book.competing_price(i as usize);
            range = (range.0.min(price), range.1.max(price));
        }
        if range.0 == range.1 {
            break;
        }
        // Here the range is exact: every candidate has its bin, and the bracket shrinks by at least half each round.
        let shift = shift_for(range);
        let mut bins = [0; BINS];
        for &i in candidates.iter() {
            let bin = (book.competing_price(i as usize) - range.0) >> shift;
            bins[bin as usize] += book.quantity(i as usize);
        }
        let (bin, below) = bin_reaching(&bins, outside.below, bid_quantity);
        let first = range.0 + ((bin as i64) << shift);
        let last = first + (1 << shift) - 1;
        outside.below = below;
        candidates.retain(|&i| {
            let order = i as usize;
            let (price, quantity, is_bid) = (book.competing_price(order), book.quantity(order), book.is_bid(order));
            if price > last && is_bid {
                filled[order] = quantity;
                outside.bids_above += quantity;
                outside.welfare.add(true, book.limit(order), quantity);
            } else if price < first && !is_bid {
                filled[order] = quantity;
                outside.asks_below += quantity;
                outside.welfare.add(false, book.limit(order), quantity);
            }
            (first..=last).contains(&price)
        });
    }
}
