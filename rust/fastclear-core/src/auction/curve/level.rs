//! The marginal level: found among the candidates, and every fill that the guess had wrong.

use super::scratch::{Parts, tables_in};
use super::{Crossing, Scratch, Terms, next_price_above};
use crate::auction::book::{Book, Number};
use crate::simd::{BINS, Candidates, Cut, Swept};

/// Bins as a power of two.
pub(super) const BIN_BITS: u32 = BINS.trailing_zeros();

/// Candidates looked at before those to change among them are listed.
const CHUNK: usize = 256;

/// The level at which W reaches the bids' total.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// Its price, counted as candidates' are.
    price: i32,
    /// W just below it.
    below: i64,
}

impl Level {
    /// Finds the level by radix selection among candidates priced `first..=last`; `None` where W does not reach `target`.
    fn of(
        candidates: &Candidates,
        (first, last): (i32, i32),
        below: i64,
        target: i64,
        tables: &mut Vec<[i64; BINS]>,
        near: &mut Vec<u32>,
    ) -> Option<Self> {
        let (price, quantity) = (&candidates.price[..], &candidates.quantity[..]);
        if first == last {
            let all: i64 = quantity.iter().map(|quantity| i64::from(quantity.unsigned_abs())).sum();
            return (below + all >= target).then_some(Self { price: first, below });
        }
        // A table much longer than the list costs more to clear than it saves.
        let bits = (usize::BITS - price.len().leading_zeros()).clamp(4, BIN_BITS);
        let mut from = first;
        let mut shift = shift_for(last.wrapping_sub(first) as u32, bits);
        let [table, odd_table] = tables_in(tables);
        let (bins, odd_bins) = (&mut table[..1 << bits], &mut odd_table[..1 << bits]);
        bins.fill(0);
        odd_bins.fill(0);
        let mask = (1 << bits) - 1;
        let bin_of = |price: i32, from: i32, shift: u32| (price.wrapping_sub(from) as u32 >> shift) as usize & mask;
        let (price_pairs, price_rest) = price.as_chunks::<2>();
        let (quantity_pairs, quantity_rest) = quantity.as_chunks::<2>();
        // Two tables, so that neighbours of one price do not wait for each other's store.
        for (&[even, odd], &[even_quantity, odd_quantity]) in price_pairs.iter().zip(quantity_pairs) {
            bins[bin_of(even, from, shift)] += i64::from(even_quantity.unsigned_abs());
            odd_bins[bin_of(odd, from, shift)] += i64::from(odd_quantity.unsigned_abs());
        }
        for (&price, &quantity) in price_rest.iter().zip(quantity_rest) {
            bins[bin_of(price, from, shift)] += i64::from(quantity.unsigned_abs());
        }
        for (bin, odd) in bins.iter_mut().zip(odd_bins.iter()) {
            *bin += odd;
        }
        let (mut bin, mut below) = bin_reaching(bins, below, target)?;
        if shift > 0 {
            near.clear();
            near.extend((0..).zip(price).filter(|(_, price)| bin_of(**price, from, shift) == bin).map(|(nth, _)| nth));
        }
        while shift > 0 {
            from = from.wrapping_add((bin << shift) as i32);
            let wide = shift;
            shift = shift.saturating_sub(bits);
            let bins = &mut bins[..1 << (wide - shift)];
            bins.fill(0);
            for &nth in near.iter() {
                bins[bin_of(price[nth as usize], from, shift)] += i64::from(quantity[nth as usize].unsigned_abs());
            }
            (bin, below) = bin_reaching(bins, below, target)?;
            if shift > 0 {
                near.retain(|&nth| bin_of(price[nth as usize], from, shift) == bin);
            }
        }
        Some(Self { price: from.wrapping_add(bin as i32), below })
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
    let Parts { candidates, tables, near, bids, asks } = scratch.parts();
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
    let level = Level::of(candidates, (relative(cut.first), relative(cut.last)), below, bid_quantity, tables, near)
        .ok_or(Missed)?;
    let (price, guess) = (level.price, relative(cut.guess));
    let low = base + i64::from(price);
    let (low_bid, low_ask) = (low + book.fee, low); // limits of those who compete at it
    let between = price.min(guess)..=price.max(guess);
    let mut next = i32::MAX;
    near.clear();
    let mut some = [0_u32; CHUNK];
    for (nth, prices) in (0..).step_by(CHUNK).zip(candidates.price.chunks(CHUNK)) {
        // Written and counted where it is one: no branch to guess wrong.
        let mut found = 0;
        for (i, &at) in (nth..).zip(prices) {
            next = if at > price && at < next { at } else { next };
            some[found % CHUNK] = i;
            found += usize::from(between.contains(&at));
        }
        near.extend_from_slice(&some[..found]);
    }
    let (mut level_bids, mut level_asks) = (0, 0);
    let fills = !filled.is_empty();
    bids.clear();
    asks.clear();
    for &nth in near.iter() {
        let nth = nth as usize;
        let (position, at, signed) = (candidates.position[nth], candidates.price[nth], candidates.quantity[nth]);
        let (is_bid, quantity) = (signed > 0, i64::from(signed.unsigned_abs()));
        let was_filled = if is_bid { at > guess } else { at < guess };
        let is_filled = if is_bid { at > price } else { at < price };
        if at == price {
            if is_bid {
                level_bids += quantity;
                bids.push(position);
            } else {
                level_asks += quantity;
                asks.push(position);
            }
        }
        if was_filled == is_filled {
            continue;
        }
        if fills {
            filled[position as usize] = if is_filled { quantity } else { 0 };
        }
        let change = if is_filled { quantity } else { -quantity };
        let competing = base + i64::from(at);
        if is_bid {
            bids_filled += change;
            welfare += i128::from((competing + book.fee) * change);
        } else {
            asks_filled += change;
            welfare -= i128::from(competing * change);
        }
    }
    let (demand, supply) = (bids_filled + level_bids, asks_filled + level_asks);
    let volume = if terms.zero_surplus { demand.min(supply) } else { bids_filled.max(asks_filled) };
    if volume == 0 {
        return Ok(None); // no bid above the level and no ask below it: no fill was written, or it was taken back
    }
    let (bids_left, asks_left) = (volume - bids_filled, volume - asks_filled);
    welfare += i128::from(low_bid) * i128::from(bids_left) - i128::from(low_ask) * i128::from(asks_left);
    if fills {
        let quantity = |i: usize| book.quantity(i);
        terms.rationing.share(bids_left, level_bids, bids, quantity, terms.priority, filled);
        terms.rationing.share(asks_left, level_asks, asks, quantity, terms.priority, filled);
    }
    let high = if level.below + level_bids + level_asks > bid_quantity {
        low
    } else if next < i32::MAX {
        base + i64::from(next)
    } else {
        next_price_above(book, low)
    };
    Ok(Some(Crossing { low, high, volume, welfare }))
}
