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

/// Candidates at which sorting beats another pass of binning.
const SORTED_DIRECTLY: usize = 512;
const BINS: usize = 2048;
const BIN_BITS: u32 = BINS.trailing_zeros();
/// Orders written at a time to the list of candidates.
const CHUNK: usize = 1024;

/// Where the curves of one market cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Lowest market-clearing price, in the prices at which orders compete.
    pub low: i64,
    /// Highest market-clearing price.
    pub high: i64,
    /// Traded quantity.
    pub volume: i64,
}

/// Sums over one book, from one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Quantity of all bids.
    pub bid_quantity: i64,
    /// Quantity of all asks.
    pub ask_quantity: i64,
    /// Number of bids.
    pub bids: u32,
    /// Highest limit of a bid; `i64::MIN` without bids.
    pub best_bid: i64,
    /// Lowest limit of an ask; `i64::MAX` without asks.
    pub best_ask: i64,
}

/// Memory that a run of markets shares, so that no market allocates.
#[derive(Debug, Default)]
pub struct Scratch {
    candidates: Vec<u32>,
    keys: Vec<u64>,
    level: Vec<u32>,
}

/// Sums, extremes and weights of a book in one pass.
///
/// Weights go to bins of `2^shift` ticks from `base` up; what lies below goes to the first bin, above to the last.
#[inline]
fn weigh<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    base: i64,
    shift: u32,
    bins: &mut [i64; BINS],
) -> Totals {
    let mut totals = Totals {
        bid_quantity: 0,
        ask_quantity: 0,
        bids: 0,
        best_bid: i64::MIN,
        best_ask: i64::MAX,
    };
    let mut all = 0;
    for ((&side, &price), &quantity) in book.side.iter().zip(book.price).zip(book.quantity) {
        let (price, quantity): (i64, i64) = (price.into(), quantity.into());
        let is_bid = i64::from(side);
        all += quantity;
        totals.bid_quantity += quantity & -is_bid;
        totals.bids += u32::from(side);
        totals.best_bid = totals
            .best_bid
            .max(if side != 0 { price } else { i64::MIN });
        totals.best_ask = totals
            .best_ask
            .min(if side == 0 { price } else { i64::MAX });
        let bin = ((price - book.fee * is_bid - base) >> shift).clamp(0, BINS as i64 - 1);
        bins[bin as usize] += quantity;
    }
    totals.ask_quantity = all - totals.bid_quantity;
    totals
}

/// Sums and extremes of a book that is too small for bins.
#[inline]
fn total<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> Totals {
    let mut totals = Totals {
        bid_quantity: 0,
        ask_quantity: 0,
        bids: 0,
        best_bid: i64::MIN,
        best_ask: i64::MAX,
    };
    for ((&side, &price), &quantity) in book.side.iter().zip(book.price).zip(book.quantity) {
        let (price, quantity): (i64, i64) = (price.into(), quantity.into());
        if side == 0 {
            totals.ask_quantity += quantity;
            totals.best_ask = totals.best_ask.min(price);
        } else {
            totals.bid_quantity += quantity;
            totals.bids += 1;
            totals.best_bid = totals.best_bid.max(price);
        }
    }
    totals
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

/// Lowest and highest competing price among a few orders spread over the book: a guess where the bins should lie.
fn sampled_range<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> (i64, i64) {
    let stride = (book.len() / 256).max(1);
    let mut range = (i64::MAX, i64::MIN);
    for i in (0..book.len()).step_by(stride) {
        let price = book.competing_price(i);
        range = (range.0.min(price), range.1.max(price));
    }
    range
}

/// Width of a bin, as a power of two, so that `range` fits into the bins between the first and the last.
fn shift_for(range: (i64, i64)) -> u32 {
    let span = (range.1 - range.0) as u64;
    (u64::BITS - span.leading_zeros()).saturating_sub(BIN_BITS - 1)
}

/// Crosses the book and writes every fill.
///
/// `zero_surplus`: whether units whose bid equals their ask trade. Returns `None` and writes zeros where nothing can
/// trade. The result does not depend on where the sample falls.
pub fn cross<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    zero_surplus: bool,
    rationing: Rationing,
    priority: &Priority<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> (Totals, Option<Crossing>) {
    let filled = &mut filled[..book.len()];
    if book.len() <= SORTED_DIRECTLY {
        let totals = total(book);
        if !crosses(&totals, book.fee) {
            filled.fill(0);
            return (totals, None);
        }
        scratch.candidates.clear();
        scratch.candidates.extend(0..book.len() as u32);
        let outside = Outside {
            below: 0,
            bids_above: 0,
            asks_below: 0,
        };
        return (
            totals,
            finish(
                book,
                &totals,
                outside,
                zero_surplus,
                rationing,
                priority,
                filled,
                scratch,
            ),
        );
    }

    let range = sampled_range(book);
    let shift = shift_for(range);
    // Half of the bins' width is spare at most; centre the sample, so that either end has a little room.
    let base = range.0 - (((BINS as i64) << shift) - (range.1 - range.0)) / 2;
    let mut bins = [0; BINS];
    let totals = weigh(book, base, shift, &mut bins);
    if !crosses(&totals, book.fee) {
        filled.fill(0);
        return (totals, None);
    }
    let (bin, below) = bin_reaching(&bins, 0, totals.bid_quantity);
    let first = if bin == 0 {
        i64::MIN
    } else {
        base + ((bin as i64) << shift)
    };
    let last = if bin == BINS - 1 {
        i64::MAX
    } else {
        base + ((bin as i64 + 1) << shift) - 1
    };
    let outside = fill_outside(book, first, last, below, filled, &mut scratch.candidates);
    let outside = narrow(book, &totals, outside, filled, &mut scratch.candidates);
    (
        totals,
        finish(
            book,
            &totals,
            outside,
            zero_surplus,
            rationing,
            priority,
            filled,
            scratch,
        ),
    )
}

/// Whether some bid reaches some ask.
const fn crosses(totals: &Totals, fee: i64) -> bool {
    totals.best_bid != i64::MIN
        && totals.best_ask != i64::MAX
        && totals.best_bid - fee >= totals.best_ask
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
}

/// Fills everything outside `first..=last` and lists what is inside.
fn fill_outside<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    first: i64,
    last: i64,
    below: i64,
    filled: &mut [i64],
    candidates: &mut Vec<u32>,
) -> Outside {
    candidates.clear();
    let mut outside = Outside {
        below,
        bids_above: 0,
        asks_below: 0,
    };
    let mut inside = [0_u32; CHUNK];
    let mut start = 0;
    while start < book.len() {
        let end = (start + CHUNK).min(book.len());
        let columns = book.side[start..end]
            .iter()
            .zip(&book.price[start..end])
            .zip(&book.quantity[start..end]);
        let mut count = 0;
        for (offset, (((&side, &price), &quantity), fill)) in
            columns.zip(&mut filled[start..end]).enumerate()
        {
            let (price, quantity): (i64, i64) = (price.into(), quantity.into());
            let is_bid = side != 0;
            let price = price - book.fee * i64::from(side);
            let bid_fill = if is_bid & (price > last) { quantity } else { 0 };
            let ask_fill = if !is_bid & (price < first) {
                quantity
            } else {
                0
            };
            outside.bids_above += bid_fill;
            outside.asks_below += ask_fill;
            *fill = bid_fill + ask_fill;
            inside[count] = (start + offset) as u32;
            count += usize::from((first <= price) & (price <= last));
        }
        candidates.extend_from_slice(&inside[..count]);
        start = end;
    }
    outside
}

/// Narrows a long list of candidates, bin by bin, until it is short or of one price.
fn narrow<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    totals: &Totals,
    mut outside: Outside,
    filled: &mut [i64],
    candidates: &mut Vec<u32>,
) -> Outside {
    while candidates.len() > SORTED_DIRECTLY {
        let mut range = (i64::MAX, i64::MIN);
        for &i in candidates.iter() {
            let price = book.competing_price(i as usize);
            range = (range.0.min(price), range.1.max(price));
        }
        if range.0 == range.1 {
            break;
        }
        // Here the range is exact: every candidate has its bin, the bracket shrinks by at least half each round.
        let shift = shift_for(range);
        let mut bins = [0; BINS];
        for &i in candidates.iter() {
            let bin = (book.competing_price(i as usize) - range.0) >> shift;
            bins[bin as usize] += book.quantity(i as usize);
        }
        let (bin, below) = bin_reaching(&bins, outside.below, totals.bid_quantity);
        let first = range.0 + ((bin as i64) << shift);
        let last = first + (1 << shift) - 1;
        outside.below = below;
        candidates.retain(|&i| {
            let (price, quantity) = (book.competing_price(i as usize), book.quantity(i as usize));
            let is_bid = book.is_bid(i as usize);
            if price > last {
                filled[i as usize] = if is_bid { quantity } else { 0 };
                outside.bids_above += filled[i as usize];
            } else if price < first {
                filled[i as usize] = if is_bid { 0 } else { quantity };
                outside.asks_below += filled[i as usize];
            }
            (first..=last).contains(&price)
        });
    }
    outside
}

/// Finds the level among the candidates, fills it, and reports the crossing.
#[expect(
    clippy::too_many_arguments,
    reason = "the tail of `cross`, which has them at hand"
)]
fn finish<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    totals: &Totals,
    outside: Outside,
    zero_surplus: bool,
    rationing: Rationing,
    priority: &Priority<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Option<Crossing> {
    let Scratch {
        candidates,
        keys,
        level,
    } = scratch;
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
        bids_left += if book.is_bid(i as usize) {
            book.quantity(i as usize)
        } else {
            0
        };
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
        if reached + level_bids + level_asks >= totals.bid_quantity {
            break;
        }
        // The whole level lies below `low`: its asks are filled, its bids are not.
        for &i in &candidates[at..level_end] {
            filled[i as usize] = if book.is_bid(i as usize) {
                0
            } else {
                book.quantity(i as usize)
            };
        }
        reached += level_bids + level_asks;
        asks_below += level_asks;
        bids_left -= level_bids;
        at = level_end;
    }
    let demand_above = bids_left - level_bids;
    let (demand, supply) = (bids_left, asks_below + level_asks);
    let volume = if zero_surplus {
        demand.min(supply)
    } else {
        demand_above.max(asks_below)
    };

    for &i in &candidates[level_end..] {
        let order = i as usize;
        filled[order] = if book.is_bid(order) {
            book.quantity(order)
        } else {
            0
        };
    }
    for (is_bid, left, total) in [
        (true, volume - demand_above, level_bids),
        (false, volume - asks_below, level_asks),
    ] {
        level.clear();
        level.extend(
            candidates[at..level_end]
                .iter()
                .copied()
                .filter(|&i| book.is_bid(i as usize) == is_bid),
        );
        rationing.share(left, total, level, |i| book.quantity(i), priority, filled);
    }
    if volume == 0 {
        return None;
    }
    let high = if reached + level_bids + level_asks > totals.bid_quantity {
        low
    } else if level_end < candidates.len() {
        book.competing_price(candidates[level_end] as usize)
    } else {
        next_price_above(book, low)
    };
    Some(Crossing { low, high, volume })
}

/// Sorts positions by competing price, equal prices by position.
fn sort_by_price<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    orders: &mut [u32],
    keys: &mut Vec<u64>,
) {
    // Prices span less than 2³⁴ (limits below 2³¹, fees below 2³²) and positions 2³⁰: both fit into one word.
    const OFFSET: i64 = 1 << 33;
    keys.clear();
    keys.extend(
        orders
            .iter()
            .map(|&i| ((book.competing_price(i as usize) + OFFSET) as u64) << 30 | u64::from(i)),
    );
    keys.sort_unstable();
    for (slot, &key) in orders.iter_mut().zip(keys.iter()) {
        *slot = (key & ((1 << 30) - 1)) as u32;
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
