//! Sums divided in proportion to energy, by largest remainder.
#![expect(clippy::inline_always, reason = "compiled into the passes of `simd`, once for each kind of machine")]

use std::cmp::Reverse;

use crate::simd::sharing::{self, CHUNK, Rate, Sharers};

/// Loads up to which remainders are sorted out one by one.
const FEW: usize = 96;
/// Loads up to which each is held against every other.
const TINY: usize = 16;

/// Memory that divisions share.
#[derive(Debug, Default)]
pub struct Scratch {
    remainders: Vec<(u64, u32)>,
    tied: Vec<u32>,
}

/// One side of a pool, ready to receive: each of its loads gets `per_lot` a lot and its part of what is left.
struct Side<'a> {
    net: &'a [i64],
    buys: bool,
    per_lot: i64,
    /// 1, or −1 where the results are written with the other sign.
    sign: i64,
}

/// Energy of a load on one side, 0 on the other.
#[inline(always)]
fn weight(net: i64, buys: bool) -> u32 {
    let flip = if buys { 0 } else { -1 };
    (net ^ flip).wrapping_sub(flip).max(0) as u32
}

impl Sharers for Side<'_> {
    const ALL: bool = false;

    #[inline(always)]
    fn places(&self) -> usize {
        self.net.len()
    }

    #[inline(always)]
    fn load(&self, start: usize, quantities: &mut [u32; CHUNK]) {
        for (to, &net) in quantities.iter_mut().zip(&self.net[start..]) {
            *to = weight(net, self.buys);
        }
    }

    #[inline(always)]
    fn store(&self, start: usize, shares: &[u32], parts: &mut [i64]) {
        for ((part, &share), &net) in parts[start..].iter_mut().zip(shares).zip(&self.net[start..]) {
            let weight = weight(net, self.buys);
            // Below 2⁶³ by the ranges of prices and quantities.
            let whole = i64::from(weight).wrapping_mul(self.per_lot).wrapping_add(i64::from(share));
            *part = if weight > 0 { whole.wrapping_mul(self.sign) } else { *part };
        }
    }

    #[inline(always)]
    fn position(&self, place: usize) -> u32 {
        place as u32
    }
}

/// Divides `total` over one side of `net`, whose energy is `energy`, and writes `sign` times each part to the side's
/// places in `parts`; the others stay as they are.
///
/// Whole parts, left-over units one each to the largest remainders, ties to the first place. Nothing is written where
/// `energy` is 0. `energy` is below 2⁶¹, and no part leaves 64 bits.
pub fn divide(net: &[i64], buys: bool, energy: i64, total: i128, sign: i64, parts: &mut [i64], scratch: &mut Scratch) {
    if energy == 0 {
        return;
    }
    let (per_lot, left) = quotient(total, energy);
    let side = Side { net, buys, per_lot, sign };
    if left == 0 {
        // Both factors are in range, so that no product leaves 64 bits; wrapping ones are multiplied side by side.
        let each = per_lot * sign;
        for (part, &net) in parts.iter_mut().zip(net) {
            let weight = weight(net, buys);
            let whole = i64::from(weight).wrapping_mul(each);
            *part = if weight > 0 { whole } else { *part };
        }
        return;
    }
    let rate = Rate::new(left, energy);
    if net.len() <= TINY {
        tiny(&side, rate, left, parts);
        return;
    }
    if net.len() <= FEW {
        few(&side, rate, left, parts, scratch);
        return;
    }
    let tied = &mut scratch.tied;
    tied.clear();
    let cutoff = sharing::cutoff(&side, rate);
    let lots = sharing::write_quotas(&side, rate, cutoff, parts, tied) as usize;
    if lots == 0 {
        return;
    }
    let key = |&at: &u32| (Reverse(rate.quota(weight(net[at as usize], buys)).1), at);
    if lots < tied.len() {
        tied.select_nth_unstable_by_key(lots - 1, key);
    }
    for &at in &tied[..lots] {
        parts[at as usize] += sign;
    }
}

/// Writes the quotas and hands each load's remainder on, 0 for those of the other side; gives what is left over.
///
/// No branch: which side a load is on is as good as random. There are more loads with a remainder than units left over, so
/// that no load of the other side is ever topped up.
#[inline(always)]
fn quotas(side: &Side<'_>, rate: Rate, left: i64, parts: &mut [i64], mut remainder: impl FnMut(usize, u64)) -> usize {
    let mut left_over = left;
    for (at, (part, &net)) in parts.iter_mut().zip(side.net).enumerate() {
        let weight = weight(net, side.buys);
        let (share, rest) = rate.quota(weight);
        left_over = left_over.wrapping_sub(i64::from(share));
        let whole = i64::from(weight).wrapping_mul(side.per_lot).wrapping_add(i64::from(share));
        *part = if weight > 0 { whole.wrapping_mul(side.sign) } else { *part };
        remainder(at, rest);
    }
    left_over as usize
}

/// Counts for each load how many come before it, which is quicker than to sort them.
fn tiny(side: &Side<'_>, rate: Rate, left: i64, parts: &mut [i64]) {
    let mut rests = [0; TINY];
    let left_over = quotas(side, rate, left, parts, |at, rest| rests[at % TINY] = rest);
    if left_over == 0 {
        return;
    }
    let rests = &rests[..parts.len()];
    for (at, part) in parts.iter_mut().enumerate() {
        let mine = rests[at];
        let ahead: usize = rests.iter().map(|&rest| usize::from(rest > mine)).sum();
        let ties: usize = rests[..at].iter().map(|&rest| usize::from(rest == mine)).sum();
        *part += if ahead + ties < left_over { side.sign } else { 0 };
    }
}

fn few(side: &Side<'_>, rate: Rate, left: i64, parts: &mut [i64], scratch: &mut Scratch) {
    let remainders = &mut scratch.remainders;
    remainders.clear();
    let left_over = quotas(side, rate, left, parts, |at, rest| remainders.push((!rest, at as u32)));
    if left_over == 0 {
        return;
    }
    remainders.select_nth_unstable(left_over - 1);
    for &(_, at) in &remainders[..left_over] {
        parts[at as usize] += side.sign;
    }
}

/// Quotient rounded down, and remainder; in 64 bits, which is quicker, where that is enough.
fn quotient(total: i128, energy: i64) -> (i64, i64) {
    if let Ok(total) = i64::try_from(total) {
        return (total.div_euclid(energy), total.rem_euclid(energy));
    }
    let energy = i128::from(energy);
    (total.div_euclid(energy) as i64, total.rem_euclid(energy) as i64)
}
