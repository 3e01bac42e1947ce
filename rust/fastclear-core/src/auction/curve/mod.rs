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

mod large;
mod small;

use super::book::{Book, Number, Priority};
use super::rationing::Rationing;
use crate::simd::Welfare;

/// Candidates at which sorting beats another pass of binning.
const SORTED_DIRECTLY: usize = 512;
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

/// Memory that a run of markets shares, so that no market allocates.
#[derive(Debug, Default)]
pub struct Scratch {
    candidates: Vec<u32>,
    keys: Vec<u64>,
    level: Vec<u32>,
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

/// Crosses the book and writes every fill.
///
/// `None` where a column holds a value that no order may carry; fills then mean nothing. The crossing is `None`, and every
/// fill zero, where nothing can trade. The number of bids stands beside it.
pub fn cross<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    terms: &Terms<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Option<(u32, Option<Crossing>)> {
    let filled = &mut filled[..book.len()];
    if book.len() <= SMALL {
        small::cross(book, terms, filled, scratch)
    } else {
        large::cross(book, terms, filled, scratch)
    }
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

/// Finds the level among the candidates, fills it, and reports the crossing.
fn finish<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    bid_quantity: i64,
    outside: Outside,
    terms: &Terms<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Option<Crossing> {
    let &Terms { zero_surplus, rationing, priority } = terms;
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
