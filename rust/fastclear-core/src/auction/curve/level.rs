//! The marginal level: found among the candidates, and every fill that the guess had wrong.

use super::scratch::{Parts, Tables, tables_in};
use super::{Crossing, Scratch, Terms, next_price_above};
use crate::auction::book::{Book, Number};
use crate::auction::rationing::Portion;
use crate::simd::{self, BINS, Candidates, Cut, Regraded, Swept};

/// Bins as a power of two.
pub(super) const BIN_BITS: u32 = BINS.trailing_zeros();

/// Fills between one that is put right and one that is asked for meanwhile.
const AHEAD: usize = 16;

/// Prices of candidates among which W reaches its target.
#[derive(Clone, Copy, Debug)]
struct Bin {
    first: i32,
    last: i32,
    /// W just below it.
    below: i64,
}

impl Bin {
    /// Narrows the bin to one of as many as pay for these candidates, some of which may lie outside of it.
    ///
    /// `None` where W does not reach `target` in it.
    fn narrow(self, candidates: &Candidates, target: i64, tables: &mut Tables) -> Option<Self> {
        // A table longer than a good part of the list costs more to clear than it saves.
        let bits = (usize::BITS - (candidates.len() / 4).leading_zeros()).clamp(6, BIN_BITS);
        let Self { first, last, below } = self;
        let span = last.wrapping_sub(first) as u32;
        let shift = shift_for(span, bits);
        candidates.weigh(first, span, shift, tables, bits);
        let (bin, below) = bin_reaching(&tables[0][..1 << bits], below, target)?;
        let first = first.wrapping_add((bin << shift) as i32);
        let width = (1_u32 << shift) - 1;
        let last = if (last.wrapping_sub(first) as u32) < width { last } else { first.wrapping_add(width as i32) };
        Some(Self { first, last, below })
    }
}

/// The level lies outside the cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missed;

/// The bin in which the running sum, starting from `below`, first reaches `target`; and the sum before it.
pub(super) fn bin_reaching(bins: &[i64], mut below: i64, target: i64) -> Option<(usize, i64)> {
    for (bin, &weight) in bins.iter().enumerate() {
        let reached = below.wrapping_add(weight); // of columns yet unchecked, any number
        if reached >= target {
            return Some((bin, below));
        }
        below = reached;
    }
    None
}

/// Width of a bin, as a power of two, so that prices `span` apart fit into `2^bits` bins.
pub(super) const fn shift_for(span: u32, bits: u32) -> u32 {
    (u32::BITS - span.leading_zeros()).saturating_sub(bits)
}

/// Finds the level, puts right the fills that were those of another price, shares out the level, and reports.
///
/// # Errors
/// [`Missed`] where the level lies outside the cut; fills are then still those of the guess.
pub(super) fn finish<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    cut: Cut,
    swept: Swept,
    terms: &Terms<'_>,
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> Result<Option<Crossing>, Missed> {
    let Parts { candidates, tables, near, narrower, fills, bids, asks, sharing } = scratch.parts();
    let Swept { bid_quantity, below, mut bids_filled, mut asks_filled, mut welfare, .. } = swept;
    if bid_quantity == 0 {
        filled.fill(0);
        return Ok(None);
    }
    if below >= bid_quantity {
        return Err(Missed);
    }
    let base = candidates.base;
    let relative = |price: i64| (price - base).clamp(i64::from(i32::MIN) + 1, i64::from(i32::MAX)) as i32;
    let mut bin = Bin { first: relative(cut.first), last: relative(cut.last), below };
    let guess = relative(cut.guess);
    let tables = tables_in(tables);
    bin = bin.narrow(candidates, bid_quantity, tables).ok_or(Missed)?;
    near.pick(candidates, bin.first.min(guess), bin.last.max(guess));
    while bin.first < bin.last {
        narrower.pick(near, bin.first, bin.last);
        bin = bin.narrow(narrower, bid_quantity, tables).ok_or(Missed)?;
    }
    let price = bin.first;
    let low = base + i64::from(price);
    let (low_bid, low_ask) = (low + book.fee, low); // limits of those who compete at it
    let Regraded { bids_at: level_bids, asks_at: level_asks, bids_more, asks_more, value_more } =
        near.regrade(guess, price, fills);
    bids_filled += bids_more;
    asks_filled += asks_more;
    welfare += value_more + i128::from(base) * i128::from(bids_more - asks_more);
    welfare += i128::from(book.fee) * i128::from(bids_more);
    if !filled.is_empty() {
        write(near.position(), fills, filled);
    }
    let (demand, supply) = (bids_filled + level_bids, asks_filled + level_asks);
    let volume = if terms.zero_surplus { demand.min(supply) } else { bids_filled.max(asks_filled) };
    if volume == 0 {
        return Ok(None); // no bid above the level and no ask below it: no fill was written, or it was taken back
    }
    let (bids_left, asks_left) = (volume - bids_filled, volume - asks_filled);
    welfare += i128::from(low_bid) * i128::from(bids_left) - i128::from(low_ask) * i128::from(asks_left);
    if !filled.is_empty() {
        list_level(near, price, bids, asks);
        let &Terms { rationing, priority, .. } = terms;
        for (orders, left, total) in [(bids, bids_left, level_bids), (asks, asks_left, level_asks)] {
            rationing.share(book, orders, Portion { left, total }, priority, filled, sharing);
        }
    }
    let high = if bin.below + level_bids + level_asks > bid_quantity {
        low
    } else {
        let next = candidates.price().iter().copied().filter(|&at| at > price).min();
        next.map_or_else(|| next_price_above(book, low), |next| base + i64::from(next))
    };
    Ok(Some(Crossing { low, high, volume, welfare }))
}

/// Writes fills to their places.
fn write(positions: &[u32], fills: &[u32], filled: &mut [i64]) {
    for (nth, (&position, &fill)) in positions.iter().zip(fills).enumerate() {
        if let Some(&later) = positions.get(nth + AHEAD) {
            simd::prefetch_place(filled, later as usize);
        }
        filled[position as usize] = fill.into();
    }
}

/// Lists the bids and the asks at a price.
fn list_level(near: &Candidates, price: i32, bids: &mut Vec<u32>, asks: &mut Vec<u32>) {
    bids.resize(near.len(), 0);
    asks.resize(near.len(), 0);
    let (mut bids_at, mut asks_at) = (0, 0);
    for ((&position, &at), &signed) in near.position().iter().zip(near.price()).zip(near.quantity()) {
        // Written in any case and counted where it belongs: no branch on a side or a price, which no processor could foresee.
        bids[bids_at] = position;
        asks[asks_at] = position;
        #[expect(clippy::needless_bitwise_bool, reason = "a branch that no processor could foresee")]
        let (is_bid, is_ask) = ((at == price) & (signed > 0), (at == price) & (signed < 0));
        bids_at += usize::from(is_bid);
        asks_at += usize::from(is_ask);
    }
    bids.truncate(bids_at);
    asks.truncate(asks_at);
}
