//! The marginal level: found among the candidates, and every fill that the guess had wrong.

use super::scratch::{Parts, Tables, tables_in};
use super::{Crossing, Scratch, Terms, next_price_above};
use crate::auction::book::{Book, Number};
use crate::auction::rationing::Portion;
use crate::simd::{self, BINS, Cut, Swept};

/// Bins as a power of two.
pub(super) const BIN_BITS: u32 = BINS.trailing_zeros();

/// Candidates looked at before those to change among them are listed.
const CHUNK: usize = 256;
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
    /// Narrows the bin to one of as many as `tables` holds, by the weights of candidates, which may lie outside of it.
    ///
    /// `None` where W does not reach `target` in it.
    fn narrow(
        self,
        candidates: impl Iterator<Item = (i32, i32)>,
        count: usize,
        target: i64,
        tables: &mut Tables,
    ) -> Option<Self> {
        // A table much longer than the list costs more to clear than it saves.
        let bits = (usize::BITS - count.leading_zeros()).clamp(4, BIN_BITS);
        let Self { first, last, below } = self;
        let span = last.wrapping_sub(first) as u32;
        let shift = shift_for(span, bits);
        let [bins, odd_bins] = tables;
        bins[..1 << bits].fill(0);
        odd_bins[..1 << bits].fill(0);
        // Two tables in turn, so that neighbours of one price do not wait for each other's store.
        let (mut now, mut then) = (&mut *bins, &mut *odd_bins);
        for (price, quantity) in candidates {
            let above = price.wrapping_sub(first) as u32; // of a price below `first`: more than any span
            let counts = i64::from(above <= span).wrapping_neg();
            now[(above >> shift) as usize % BINS] += i64::from(quantity.unsigned_abs()) & counts;
            std::mem::swap(&mut now, &mut then);
        }
        for (bin, odd) in bins[..1 << bits].iter_mut().zip(odd_bins.iter()) {
            *bin += odd;
        }
        let (bin, below) = bin_reaching(&bins[..1 << bits], below, target)?;
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
    let Parts { candidates, tables, near, bids, asks, sharing } = scratch.parts();
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
    let all = candidates.price.iter().copied().zip(candidates.quantity.iter().copied());
    bin = bin.narrow(all, candidates.len(), bid_quantity, tables).ok_or(Missed)?;
    list_between(&candidates.price, bin.first.min(guess), bin.last.max(guess), near);
    while bin.first < bin.last {
        let listed = near.iter().map(|&nth| (candidates.price[nth as usize], candidates.quantity[nth as usize]));
        bin = bin.narrow(listed, near.len(), bid_quantity, tables).ok_or(Missed)?;
    }
    let price = bin.first;
    let low = base + i64::from(price);
    let (low_bid, low_ask) = (low + book.fee, low); // limits of those who compete at it
    let (mut level_bids, mut level_asks) = (0, 0);
    let fills = !filled.is_empty();
    bids.resize(near.len(), 0);
    asks.resize(near.len(), 0);
    let (mut bids_at, mut asks_at) = (0, 0);
    for (k, &nth) in near.iter().enumerate() {
        if let Some(&later) = near.get(k + AHEAD) {
            simd::prefetch_place(filled, candidates.position[later as usize] as usize);
        }
        let nth = nth as usize;
        let (position, at, signed) = (candidates.position[nth], candidates.price[nth], candidates.quantity[nth]);
        // Written in any case and counted where it belongs: no branch on a side or a price, which no processor could foresee.
        let quantity = i64::from(signed.unsigned_abs());
        #[expect(clippy::needless_bitwise_bool, reason = "a branch that no processor could foresee")]
        let (is_bid, is_ask) = ((at == price) & (signed > 0), (at == price) & (signed < 0));
        bids[bids_at] = position;
        asks[asks_at] = position;
        bids_at += usize::from(is_bid);
        asks_at += usize::from(is_ask);
        level_bids += if is_bid { quantity } else { 0 };
        level_asks += if is_ask { quantity } else { 0 };
        // What the guess and what the level give.
        let (bid, ask) = (i64::from(signed.max(0)), i64::from(signed.min(0)));
        let by_level = if at > price { bid } else { 0 } - if at < price { ask } else { 0 };
        let by_guess = if at > guess { bid } else { 0 } - if at < guess { ask } else { 0 };
        if fills {
            filled[position as usize] = by_level;
        }
        let change = by_level - by_guess;
        let (bids_change, asks_change) = if signed > 0 { (change, 0) } else { (0, change) };
        bids_filled += bids_change;
        asks_filled += asks_change;
        let competing = base + i64::from(at);
        welfare += i128::from((competing + book.fee) * bids_change - competing * asks_change);
    }
    bids.truncate(bids_at);
    asks.truncate(asks_at);
    let (demand, supply) = (bids_filled + level_bids, asks_filled + level_asks);
    let volume = if terms.zero_surplus { demand.min(supply) } else { bids_filled.max(asks_filled) };
    if volume == 0 {
        return Ok(None); // no bid above the level and no ask below it: no fill was written, or it was taken back
    }
    let (bids_left, asks_left) = (volume - bids_filled, volume - asks_filled);
    welfare += i128::from(low_bid) * i128::from(bids_left) - i128::from(low_ask) * i128::from(asks_left);
    if fills {
        let &Terms { rationing, priority, .. } = terms;
        for (orders, left, total) in [(bids, bids_left, level_bids), (asks, asks_left, level_asks)] {
            rationing.share(book, orders, Portion { left, total }, priority, filled, sharing);
        }
    }
    let high = if bin.below + level_bids + level_asks > bid_quantity {
        low
    } else {
        let next = candidates.price.iter().copied().filter(|&at| at > price).min();
        next.map_or_else(|| next_price_above(book, low), |next| base + i64::from(next))
    };
    Ok(Some(Crossing { low, high, volume, welfare }))
}

/// Lists the places of the prices `first..=last`.
fn list_between(prices: &[i32], first: i32, last: i32, near: &mut Vec<u32>) {
    let span = last.wrapping_sub(first) as u32;
    near.clear();
    let mut some = [0_u32; CHUNK];
    for (start, prices) in (0..).step_by(CHUNK).zip(prices.chunks(CHUNK)) {
        // Written, and counted where it is one: no branch to guess wrong.
        let mut found = 0;
        for (i, &at) in (start..).zip(prices) {
            some[found % CHUNK] = i;
            found += usize::from(at.wrapping_sub(first) as u32 <= span);
        }
        near.extend_from_slice(&some[..found]);
    }
}
