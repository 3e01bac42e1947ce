//! A large book: one pass around what a sample suggests, else around a bin of the weighed book.

use super::level::{BIN_BITS, Missed, bin_reaching, finish, shift_for};
use super::sample::{SPAN_MOST, blocks_for};
use super::scratch::Tables;
use super::{Crossing, Scratch, Terms, long_level};
use crate::auction::book::{Book, Number};
use crate::simd::{self, Cut, PIVOTS, Reached, Swept};
use crate::units::PRICE_MAX;

/// Orders from which on a sample finds the bracket more cheaply than bins do.
const SAMPLED: usize = 40_000;
/// Orders from which on a sample and a pass over a few prices find the bracket more cheaply than bins do.
const WEIGHED_TWICE: usize = 4_000;
/// Blocks of the sample that says at which prices.
const PIVOT_BLOCKS: usize = 16;
/// A bracket that holds more than one part in so many of what bids ask for is no help.
const INSIDE_MOST: i64 = 1;
/// Ticks that bins reach.
const REACH: i64 = u32::MAX as i64 - 1;

/// See [`super::cross`].
pub fn cross<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    terms: &Terms<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Option<(u32, Option<Crossing>)> {
    if book.len() >= WEIGHED_TWICE {
        let (sample, tables) = scratch.sampling();
        let is_sampled = book.len() >= SAMPLED;
        sample.draw(book, if is_sampled { blocks_for(book.len()) } else { PIVOT_BLOCKS });
        let mut is_weighable = true;
        if is_sampled && let Some(cut) = sample.cut(book.len(), tables) {
            match cross_at(book, cut, None, terms, filled, scratch)? {
                Ok(crossed) => return Some(crossed),
                Err(swept) => is_weighable = swept.has_small_quantities,
            }
        }
        if is_weighable
            && let Some((cut, reached)) = weighed_twice(book, is_sampled, scratch)
            && let Ok(crossed) = cross_at(book, cut, reached, terms, filled, scratch)?
        {
            return Some(crossed);
        }
    }
    let cut = weighed_cut(book, scratch.tables())?;
    cross_at(book, cut, None, terms, filled, scratch)?.ok()
}

/// Crosses the book if its level lies inside the cut; else says what it added up on the way. What the book weighs up to the
/// cut's end may be known. `None` where a column holds what no order may carry.
fn cross_at<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    cut: Cut,
    reached: Option<i64>,
    terms: &Terms<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Option<Result<(u32, Option<Crossing>), Swept>> {
    let (swept, crossing) = if cut.first == cut.last && long_level::is_long(book, cut.guess) {
        let swept = simd::sweep(book, long_level::cut_at(cut.guess), &mut [], &mut scratch.candidates)?;
        (swept, long_level::finish(book, cut.guess, reached, swept, terms, filled, scratch))
    } else {
        let swept = simd::sweep(book, cut, filled, &mut scratch.candidates)?;
        (swept, finish(book, cut, swept, terms, filled, scratch))
    };
    Some(crossing.map(|crossing| (swept.bids, crossing)).map_err(|Missed| swept))
}

/// The cut around the quantile of a book that was sampled, by what it weighs at a few prices; and its weight up to the cut's
/// end, where that is exact.
fn weighed_twice<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    is_sampled: bool,
    scratch: &mut Scratch,
) -> Option<(Cut, Option<i64>)> {
    let (sample, tables) = scratch.sampling();
    let pivots = if is_sampled { sample.wide_pivots(tables)? } else { sample.pivots(tables) };
    let Reached { bid_quantity, reached } = simd::weigh_at(book, &pivots)?;
    let nth = reached.iter().position(|&reached| reached >= bid_quantity)?;
    let before = nth.checked_sub(1)?;
    let (first, last) = (pivots[before] + 1, pivots[nth]);
    let (missing, inside) = (bid_quantity - reached[before], reached[nth] - reached[before]);
    // Where orders lie evenly in between, the quantile is as far on as what is missing is a share of what is inside.
    let guess = first + (i128::from(last - first) * i128::from(missing) / i128::from(inside)) as i64;
    let is_help = inside <= bid_quantity / INSIDE_MOST && last - first <= SPAN_MOST;
    let is_exact = (last - pivots[PIVOTS / 2]).abs() <= SPAN_MOST; // prices much further off are not told apart
    (is_help || first == last).then_some((Cut { first, guess, last }, is_exact.then_some(reached[nth])))
}

/// A range of prices that bins are laid over, and what is known of its ends.
#[derive(Clone, Copy)]
struct Range {
    first: i64,
    last: i64,
}

/// The bin that holds the quantile. `None` where a column holds what no order may carry.
fn weighed_cut<P: Number, Q: Number>(book: &Book<'_, P, Q>, tables: &mut Tables) -> Option<Cut> {
    // A table much longer than the book costs more to clear than it saves.
    let bits = book.len().ilog2().clamp(8, BIN_BITS + 3) - 3;
    // No competing price lies outside of these.
    let (least, most) = (-PRICE_MAX - book.fee, PRICE_MAX);
    let mut range = probed_range(book);
    // The sample's range, and half of it on either side.
    let margin = (range.last - range.first) / 2;
    range = Range { first: (range.first - margin).max(least), last: (range.last + margin).min(most) };
    let (mut holds_first, mut holds_last) = (false, false);
    loop {
        range.last = range.last.min(range.first + REACH);
        let shift = shift_for((range.last - range.first) as u32, bits);
        let bid_quantity = simd::weigh(book, range.first, shift, tables, bits);
        let bin = bin_reaching(&tables[0][..1 << bits], 0, bid_quantity)?.0;
        let (first, width) = (range.first + ((bin as i64) << shift), 1_i64 << shift);
        if bin == 0 && !holds_first && range.first > least {
            // The first bin holds all below it, too.
            range = Range { first: (first + width - 1 - REACH).max(least), last: first + width - 1 };
            holds_last = true;
        } else if bin == (1 << bits) - 1 && !holds_last && range.last < most {
            range = Range { first, last: most };
            holds_first = true;
        } else {
            let last = first + width - 1;
            return Some(Cut { first, guess: first + width / 2, last });
        }
    }
}

/// Lowest and highest competing price among a few orders spread over the book: a guess where the bins should lie.
fn probed_range<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> Range {
    let stride = (book.len() / 256).max(1);
    let mut range = Range { first: PRICE_MAX, last: -PRICE_MAX };
    for i in (0..book.len()).step_by(stride) {
        // Clamped, since this looks at columns that are yet to be checked.
        let price = book.limit(i).clamp(-PRICE_MAX, PRICE_MAX) - if book.is_bid(i) { book.fee } else { 0 };
        range = Range { first: range.first.min(price), last: range.last.max(price) };
    }
    range
}
