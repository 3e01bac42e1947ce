//! Where supply meets demand: the exact clearing interval and every fill, without sorting the book.
//!
//! With W(p) = quantity of *all* orders, bids and asks, priced at or below p, and B = total quantity of bids, excess
//! demand just above p is B − W(p). So the interval of market-clearing prices is
//! `low = min {p : W(p) ≥ B}`, `high = min {p : W(p) > B}`: a weighted quantile of the merged book, the M-th and
//! (M+1)-th price of Wurman, Walsh & Wellman (1998). Bids above `low` and asks below it are filled whole, and of the
//! level at `low` one side is rationed.
//!
//! The quantile is found by radix selection: one pass weighs the book into bins, a second writes the fill of every
//! order outside the bin that holds the quantile and collects the few inside. Cost: two passes over the columns and a
//! sort of a few hundred candidates; O(N) in all.

use super::book::{Book, Number, Priority};
use super::rationing::Rationing;
use crate::simd::{self, BINS, Quantile, Swept, Totals, Weighed, Welfare};
use crate::units::PRICE_MAX;

/// Candidates at which sorting beats another pass of binning.
const SORTED_DIRECTLY: usize = 512;
/// Orders up to which bisection beats two tables of bins.
const BISECTED: usize = 512;
const BIN_BITS: u32 = BINS.trailing_zeros();

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

/// Memory that a run of markets shares, so that no market allocates.
#[derive(Debug, Default)]
pub struct Scratch {
    candidates: Vec<u32>,
    keys: Vec<u64>,
    level: Vec<u32>,
}

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
    /// Finds the bracket of a book, checking its columns in the same pass: a large book is weighed into bins, in a small
    /// one the price itself is found by bisection.
    ///
    /// `None` where a column holds a value that no order may carry.
    pub fn of<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> Option<Self> {
        if book.len() <= BISECTED {
            let Quantile { totals, price, below } = simd::quantile(book)?;
            return Some(Self { first: price, last: price, below, small_welfare: false, totals });
        }
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

/// Crosses the book and writes every fill.
///
/// `bracket` is that of the book. `zero_surplus`: whether units whose bid equals their ask trade. The crossing is
/// `None`, and every fill zero, where nothing can trade. Returns the number of bids beside it.
pub fn cross<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    bracket: &Bracket,
    zero_surplus: bool,
    rationing: Rationing,
    priority: &Priority<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> (u32, Option<Crossing>) {
    let filled = &mut filled[..book.len()];
    let Totals { bid_quantity, ask_quantity, bids } = bracket.totals;
    if bid_quantity == 0 || ask_quantity == 0 {
        filled.fill(0);
        return (bids, None);
    }
    scratch.candidates.clear();
    let range = (bracket.first, bracket.last);
    let swept = simd::sweep(book, range, bracket.small_welfare, filled, &mut scratch.candidates);
    let Swept { bids_above, asks_below, welfare } = swept;
    let mut outside = Outside { below: bracket.below, bids_above, asks_below, welfare };
    narrow(book, bid_quantity, &mut outside, filled, &mut scratch.candidates);
    (bids, finish(book, bid_quantity, outside, zero_surplus, rationing, priority, filled, scratch))
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

/// What lies outside the bracket that still holds the quantile.
#[derive(Clone, Copy, Debug)]
struct Outside {
    /// W just below the bracket: quantity of all orders priced below it.
    below: i64,
    /// Quantity of bids above the bracket: all filled.
    bids_above: i64,
    /// Quantity of asks below the bracket: all filled.
    asks_below: i64,
    /// Welfare of what is filled outside the bracket.
    welfare: Welfare,
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

/// Finds the level among the candidates, fills it, and reports the crossing.
#[expect(clippy::too_many_arguments, reason = "the tail of `cross`, which has them at hand")]
fn finish<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    bid_quantity: i64,
    outside: Outside,
    zero_surplus: bool,
    rationing: Rationing,
    priority: &Priority<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Option<Crossing> {
    let Scratch { candidates, keys, level } = scratch;
    let one_level = candidates.len() > SORTED_DIRECTLY; // `narrow` stopped at a single price
    if !one_level {
        sort_by_price(book, candidates, keys);
    }
    // Walk up, level by level, until W reaches the bids' total: that level is `low`.
    let mut reached = outside.below;
    let mut asks_below = outside.asks_below;
    // Bids at or above the current level: those above the bracket and those inside it.
    let mut bids_left = outside.bids_above;
    for &i in candidates.iter() {
        bids_left += if book.is_bid(i as usize) { book.quantity(i as usize) } else { 0 };
    }
    let (mut at, mut level_end) = (0, 0);
    let (mut low, mut level_bids, mut level_asks) = (0, 0, 0);
    while at < candidates.len() {
        low = book.competing_price(candidates[at] as usize);
        let same_price = |i: &&u32| one_level || book.competing_price(**i as usize) == low;
        level_end = at + candidates[at..].iter().take_while(same_price).count();
        (level_bids, level_asks) = (0, 0);
        for &i in &candidates[at..level_end] {
            let quantity = book.quantity(i as usize);
            if book.is_bid(i as usize) {
                level_bids += quantity;
            } else {
                level_asks += quantity;
            }
        }
        if reached + level_bids + level_asks >= bid_quantity {
            break;
        }
        // The whole level lies below `low`: its asks are filled, its bids are not.
        for &i in &candidates[at..level_end] {
            filled[i as usize] = if book.is_bid(i as usize) { 0 } else { book.quantity(i as usize) };
        }
        reached += level_bids + level_asks;
        asks_below += level_asks;
        bids_left -= level_bids;
        at = level_end;
    }
    let demand_above = bids_left - level_bids;
    let (demand, supply) = (bids_left, asks_below + level_asks);
    let volume = if zero_surplus { demand.min(supply) } else { demand_above.max(asks_below) };

    for &i in &candidates[level_end..] {
        filled[i as usize] = if book.is_bid(i as usize) { book.quantity(i as usize) } else { 0 };
    }
    for (is_bid, left, total) in [(true, volume - demand_above, level_bids), (false, volume - asks_below, level_asks)] {
        level.clear();
        level.extend(candidates[at..level_end].iter().copied().filter(|&i| book.is_bid(i as usize) == is_bid));
        rationing.share(left, total, level, |i| book.quantity(i), priority, filled);
    }
    if volume == 0 {
        return None;
    }
    let mut welfare = outside.welfare;
    for &i in candidates.iter() {
        welfare.add(book.is_bid(i as usize), book.limit(i as usize), filled[i as usize]);
    }
    let high = if reached + level_bids + level_asks > bid_quantity {
        low
    } else if level_end < candidates.len() {
        book.competing_price(candidates[level_end] as usize)
    } else {
        next_price_above(book, low)
    };
    Some(Crossing { low, high, volume, welfare: welfare.total() })
}

/// One word that sorts by competing price, then by position. Prices span less than 2³⁴ (limits below 2³¹, fees below
/// 2³¹) and positions 2³⁰.
#[inline]
const fn sort_key(price: i64, position: usize) -> u64 {
    ((price + (1 << 33)) as u64) << 30 | position as u64
}

#[inline]
const fn position_of(key: u64) -> usize {
    (key & ((1 << 30) - 1)) as usize
}

/// Sorts positions by competing price, equal prices by position.
fn sort_by_price<P: Number, Q: Number>(book: &Book<'_, P, Q>, orders: &mut [u32], keys: &mut Vec<u64>) {
    keys.clear();
    keys.extend(orders.iter().map(|&i| sort_key(book.competing_price(i as usize), i as usize)));
    keys.sort_unstable();
    for (slot, &key) in orders.iter_mut().zip(keys.iter()) {
        *slot = position_of(key) as u32;
    }
}

/// The lowest competing price above `low`: needed only where W meets the bids' total exactly.
fn next_price_above<P: Number, Q: Number>(book: &Book<'_, P, Q>, low: i64) -> i64 {
    let mut next = i64::MAX;
    for i in 0..book.len() {
        let price = book.competing_price(i);
        next = next.min(if price > low { price } else { i64::MAX });
    }
    if next == i64::MAX { low } else { next }
}
