//! Where supply meets demand: the exact clearing interval and every fill, without sorting the book.
//!
//! With W(p) = quantity of *all* orders, bids and asks, priced at or below p, and B = total quantity of bids, excess
//! demand just above p is B − W(p). So the interval of market-clearing prices is
//! `low = min {p : W(p) ≥ B}`, `high = min {p : W(p) > B}`: a weighted quantile of the merged book, the M-th and
//! (M+1)-th price of Wurman, Walsh & Wellman (1998). Bids above `low` and asks below it are filled whole, and of the
//! level at `low` one side is rationed.
//!
//! Nothing is sorted. A large book is sampled: the sample says between which two prices the quantile all but surely lies.
//! One pass then fills every order as if the sample's own quantile were the price, adds up what lies below the bracket,
//! and copies out the few orders inside ([`crate::simd::sweep`]). Among those the level is found by radix selection, and
//! the fills between guess and level are put right. The sums show whether the bracket holds the quantile; where it does
//! not, and in books of middling size, the bracket is a bin of a book weighed into bins ([`crate::simd::weigh`]). So no
//! result depends on the sample. Cost: O(N), one pass over the columns, rarely three.

mod large;
mod level;
mod long_level;
mod sample;
mod scratch;
mod small;

pub use scratch::{Lent, Scratch};

use super::book::{Book, Number, Priority};
use super::rationing::Rationing;
use crate::simd;

/// Orders up to which bisection beats bins.
const SMALL: usize = 512;

/// Where the curves of one market cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Lowest market-clearing price, in the prices at which orders compete.
    pub low: i64,
    /// Highest market-clearing price.
    pub high: i64,
    /// Traded quantity.
    pub volume: i64,
    /// Σ bid × fill − Σ ask × fill.
    pub welfare: i128,
}

/// What a clearing of one book asks for.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Whether units whose bid equals their ask trade.
    pub zero_surplus: bool,
    /// How orders at the marginal price share what is left.
    pub rationing: Rationing,
    /// Who comes first among equals.
    pub priority: &'a Priority<'a>,
}

impl<'a> Terms<'a> {
    /// The efficient trades, the last order of the marginal level in part.
    pub const fn by_merit(priority: &'a Priority<'a>) -> Self {
        Self { zero_surplus: true, rationing: Rationing::Time, priority }
    }
}

/// Crosses the book and writes every fill, where `filled` has a place for each; it may be empty.
///
/// `None` where a column holds a value that no order may carry; fills then mean nothing. The crossing is `None`, and every
/// fill zero, where nothing can trade. The number of bids stands beside it.
pub fn cross<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    terms: &Terms<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Option<(u32, Option<Crossing>)> {
    if book.len() <= SMALL {
        small::cross(book, terms, filled, scratch)
    } else {
        large::cross(book, terms, filled, scratch)
    }
}

/// The lowest competing price above `low`: needed only where W meets the bids' total exactly.
fn next_price_above<P: Number, Q: Number>(book: &Book<'_, P, Q>, low: i64) -> i64 {
    let next = simd::next_above(book, low);
    if next == i64::MAX { low } else { next }
}
