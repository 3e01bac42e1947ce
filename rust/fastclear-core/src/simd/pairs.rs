//! What is known of pairs of winners, and what they pay, column by column.

use super::on_every_path;

/// An order that trades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[expect(missing_docs, reason = "an order's")]
pub struct Winner {
    /// Ticks from the best price of its side. It fits 32 bits, as every limit does.
    pub distance: u32,
    pub position: u32,
    pub quantity: u32,
}

/// Pairs that trade, in trade order: places among the winners of either side, none further than one behind the last.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "one of each side")]
pub struct Places<'a> {
    pub bid: &'a [u32],
    pub ask: &'a [u32],
}

/// Columns to be written, of one length with the places.
#[derive(Debug)]
#[expect(missing_docs, reason = "positions, then prices at which the orders compete")]
pub struct PairColumns<'a> {
    pub bid: &'a mut [i64],
    pub ask: &'a mut [i64],
    pub bid_price: &'a mut [i64],
    pub ask_price: &'a mut [i64],
}

/// Pairs from `first` on.
fn read_rows(
    first: usize,
    places: Places<'_>,
    (bids, asks): (&[Winner], &[Winner]),
    best: (i64, i64),
    to: &mut PairColumns<'_>,
) {
    for (t, (&bid, &ask)) in places.bid.iter().zip(places.ask).enumerate().skip(first) {
        let (buyer, seller) = (&bids[bid as usize], &asks[ask as usize]);
        (to.bid[t], to.ask[t]) = (buyer.position.into(), seller.position.into());
        // Prices of orders and a distance of 32 bits: no sum leaves 64.
        to.bid_price[t] = best.0.wrapping_sub(buyer.distance.into());
        to.ask_price[t] = best.1.wrapping_add(seller.distance.into());
    }
}

/// Reads positions, and the prices at which orders compete: as far below the best bid and above the cheapest ask, `best`,
/// as their distances say.
pub fn read_pairs(places: Places<'_>, winners: (&[Winner], &[Winner]), best: (i64, i64), mut to: PairColumns<'_>) {
    #[cfg(target_arch = "x86_64")]
    if super::path() == super::Path::Avx512 {
        // SAFETY: `path` asked the machine for AVX-512.
        #[allow(unsafe_code, reason = "see SAFETY")]
        let read = unsafe { avx512::read(places, winners, best, &mut to) };
        return read_rows(read, places, winners, best, &mut to);
    }
    read_rows(0, places, winners, best, &mut to);
}

#[inline(always)]
fn amounts_body(prices: &[i64], quantities: &[i64]) -> (i64, i64) {
    let (mut high, mut low) = (0_i64, 0_i64);
    for (&price, &quantity) in prices.iter().zip(quantities) {
        let amount = price.wrapping_mul(quantity);
        high = high.wrapping_add(amount >> 32);
        low = low.wrapping_add(amount & 0xFFFF_FFFF);
    }
    (high, low)
}

on_every_path! {
    /// The sum of prices × quantities, each below 2⁶³ and fewer than 2³¹ of them, in two halves: the first over 2³².
    pub fn amounts<>(prices: &[i64], quantities: &[i64]) -> (i64, i64) = amounts_body
}

#[inline(always)]
fn between_body(low: &[i64], high: &[i64], numerator: u64, (up, shift): (u64, u32), to: &mut [i64]) {
    for (to, (&low, &high)) in to.iter_mut().zip(low.iter().zip(high)) {
        let scaled = numerator.wrapping_mul(high.wrapping_sub(low) as u64).wrapping_add(up);
        *to = low.wrapping_add((scaled >> shift) as i64);
    }
}

on_every_path! {
    /// `low + ((numerator × (high − low) + up) >> shift)` of each interval; no product with what is added leaves 64 bits.
    pub fn between<>(low: &[i64], high: &[i64], numerator: u64, up_and_shift: (u64, u32), to: &mut [i64]) -> ()
        = between_body
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    #![allow(unsafe_code, reason = "loads and stores through arrays of known length; each block says why it is sound")]

    use std::arch::x86_64::{
        __m512i, _mm512_add_epi32, _mm512_add_epi64, _mm512_castsi512_si256, _mm512_cmpge_epu32_mask,
        _mm512_cvtepu32_epi64, _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_mask_permutexvar_epi32,
        _mm512_permutex2var_epi32, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_slli_epi32, _mm512_storeu_si512,
        _mm512_sub_epi32, _mm512_sub_epi64,
    };

    use super::{PairColumns, Places, Winner};

    /// Pairs of one step. Places rise by one at most from pair to pair, so that the winners of a step stand in as many
    /// places.
    const STEP: usize = 16;

    /// Distances and positions of the winners at these places among sixteen.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn fields(winners: &[Winner; STEP], places: __m512i) -> [__m512i; 2] {
        let address = winners.as_ptr().cast::<u8>();
        // SAFETY: sixteen winners of twelve bytes are three vectors of 64.
        let [first, second, third] = [0, 64, 128].map(|byte| unsafe { _mm512_loadu_si512(address.add(byte).cast()) });
        let distances = _mm512_add_epi32(places, _mm512_slli_epi32::<1>(places)); // three words each
        [distances, _mm512_add_epi32(distances, _mm512_set1_epi32(1))].map(|words| {
            let of_first_two = _mm512_permutex2var_epi32(first, words, second);
            let of_third = _mm512_cmpge_epu32_mask(words, _mm512_set1_epi32(32));
            _mm512_mask_permutexvar_epi32(of_first_two, of_third, words, third)
        })
    }

    /// Sixteen numbers as 64-bit ones.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn wide(words: __m512i) -> [__m512i; 2] {
        [
            _mm512_cvtepu32_epi64(_mm512_castsi512_si256(words)),
            _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64::<1>(words)),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(to: &mut [i64; STEP], values: [__m512i; 2]) {
        let (halves, _) = to.as_chunks_mut::<8>();
        for (half, value) in halves.iter_mut().zip(values) {
            // SAFETY: an array of eight 64-bit integers.
            unsafe { _mm512_storeu_si512(half.as_mut_ptr().cast(), value) };
        }
    }

    /// Reads whole steps as far as sixteen winners follow on both sides; says how many pairs those are.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub fn read(
        places: Places<'_>,
        (bids, asks): (&[Winner], &[Winner]),
        best: (i64, i64),
        to: &mut PairColumns<'_>,
    ) -> usize {
        let (best_bid, best_ask) = (_mm512_set1_epi64(best.0), _mm512_set1_epi64(best.1));
        let columns = (to.bid.as_chunks_mut().0.iter_mut().zip(to.ask.as_chunks_mut().0))
            .zip(to.bid_price.as_chunks_mut().0.iter_mut().zip(to.ask_price.as_chunks_mut().0));
        let steps = places.bid.as_chunks::<STEP>().0.iter().zip(places.ask.as_chunks::<STEP>().0);
        let mut read = 0;
        for ((bid, ask), ((to_bid, to_ask), (to_bid_price, to_ask_price))) in steps.zip(columns) {
            let (Some(buyers), Some(sellers)) = (
                bids.get(bid[0] as usize..).and_then(<[Winner]>::first_chunk),
                asks.get(ask[0] as usize..).and_then(<[Winner]>::first_chunk),
            ) else {
                break;
            };
            // SAFETY: arrays of sixteen 32-bit integers.
            let (bid_places, ask_places) =
                unsafe { (_mm512_loadu_si512(bid.as_ptr().cast()), _mm512_loadu_si512(ask.as_ptr().cast())) };
            let [distances, positions] = fields(buyers, _mm512_sub_epi32(bid_places, _mm512_set1_epi32(bid[0] as i32)));
            store(to_bid, wide(positions));
            store(to_bid_price, wide(distances).map(|distances| _mm512_sub_epi64(best_bid, distances)));
            let [distances, positions] =
                fields(sellers, _mm512_sub_epi32(ask_places, _mm512_set1_epi32(ask[0] as i32)));
            store(to_ask, wide(positions));
            store(to_ask_price, wide(distances).map(|distances| _mm512_add_epi64(best_ask, distances)));
            read += STEP;
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Path, allow};

    #[test]
    fn reads_the_same_on_every_path() {
        let mut state = 3_u64;
        let mut below = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for pairs in [0, 1, 15, 16, 17, 31, 33, 64, 255, 256] {
            let mut side = |spare: usize| {
                let mut place = below(3) as u32;
                let places: Vec<u32> = (0..pairs)
                    .map(|_| {
                        place += below(2) as u32;
                        place
                    })
                    .collect();
                let winners: Vec<Winner> = (0..places.last().map_or(0, |&last| last as usize + 1) + spare)
                    .map(|_| Winner {
                        distance: below(1 << 31) as u32 * 2 + 1,
                        position: below(1 << 30) as u32,
                        quantity: 1,
                    })
                    .collect();
                (places, winners)
            };
            for spare in [0, 2, 40] {
                let ((bid, bids), (ask, asks)) = (side(spare), side(spare));
                let best = (i64::from(i32::MAX), i64::from(i32::MIN));
                let [mut expected, mut found] = [(); 2].map(|()| [(); 4].map(|()| vec![-1; pairs]));
                for (path, columns) in [(Path::Scalar, &mut expected), (Path::Avx512, &mut found)] {
                    allow(path);
                    let [bid_row, ask_row, bid_price, ask_price] = columns;
                    let to = PairColumns { bid: bid_row, ask: ask_row, bid_price, ask_price };
                    read_pairs(Places { bid: &bid, ask: &ask }, (&bids, &asks), best, to);
                }
                assert_eq!(expected, found, "{pairs} pairs, {spare} winners to spare");
                for (t, &place) in bid.iter().enumerate() {
                    let winner = bids[place as usize];
                    let known = (i64::from(winner.position), best.0 - i64::from(winner.distance));
                    assert_eq!((expected[0][t], expected[2][t]), known);
                }
            }
        }
    }
}
