//! The kernel for AVX2: eight rows a step.
#![allow(unsafe_code, reason = "loads and stores through arrays of known length; each block says why it is sound")]

use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_cvtsi64_si128, _mm_loadu_si128, _mm_prefetch, _mm256_add_epi32, _mm256_add_epi64,
    _mm256_and_si256, _mm256_andnot_si256, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_castsi256_si128,
    _mm256_cmpgt_epi32, _mm256_cvtepi32_epi64, _mm256_cvtepu8_epi32, _mm256_cvtepu32_epi64, _mm256_extracti128_si256,
    _mm256_loadu_si256, _mm256_min_epi32, _mm256_min_epu32, _mm256_movemask_ps, _mm256_mul_epi32, _mm256_or_si256,
    _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_shuffle_ps, _mm256_srli_epi64,
    _mm256_storeu_si256, _mm256_stream_si256, _mm256_sub_epi32,
};

use super::{AHEAD, Inside, NearCut, Rows, SMALL_QUANTITY, Sums, Weight, add_wide_sums, scalar};
use crate::auction::book::Number;

/// Rows of one step.
const STEP: usize = 8;
/// Rows of one vector of 64-bit numbers.
const LANES: usize = 4;
/// Rows between two looks at who lies inside the bracket: one bit each in a word.
const WORD: usize = 64;

/// Four quantities as 64-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn quantities<Q: Number>(rows: &[Q; LANES]) -> __m256i {
    let address = rows.as_ptr();
    if size_of::<Q>() == size_of::<i32>() {
        // SAFETY: `Number` is sealed: a type of this size is `i32`, and `rows` holds four of them.
        _mm256_cvtepi32_epi64(unsafe { _mm_loadu_si128(address.cast()) })
    } else {
        // SAFETY: `Number` is sealed: the other type is `i64`, and `rows` holds four of them.
        unsafe { _mm256_loadu_si256(address.cast()) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn lanes(vector: __m256i) -> [i64; LANES] {
    let mut lanes = [0; LANES];
    // SAFETY: `lanes` is 32 bytes long.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), vector) };
    lanes
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum(vector: __m256i) -> i64 {
    lanes(vector).iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
}

/// Eight numbers of 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn words(vector: __m256i) -> [i32; STEP] {
    let mut words = [0; STEP];
    // SAFETY: `words` is 32 bytes long.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) };
    words
}

/// The sum of eight numbers of 32 bits without sign.
#[inline]
#[target_feature(enable = "avx2")]
fn sum_of_words(vector: __m256i) -> i64 {
    words(vector).iter().fold(0, |sum, word| sum.wrapping_add(word.cast_unsigned().into()))
}

/// One block; returns how many of its orders are inside the bracket, whose positions are then in `inside`.
#[target_feature(enable = "avx2,popcnt,bmi1")]
pub fn block<Q: Number, const FILLS: bool, const STREAM: bool>(
    rows: &Rows<'_, Q>,
    cut: NearCut,
    fills: &mut [i64],
    sums: &mut Sums,
    inside: &mut Inside,
) -> usize {
    let zero = _mm256_setzero_si256();
    let (first, guess, last) =
        (_mm256_set1_epi32(cut.first), _mm256_set1_epi32(cut.guess), _mm256_set1_epi32(cut.last));
    let (mut bid_quantity, mut below_quantity, mut bids_filled, mut net_filled) = (zero, zero, zero, zero);
    let (mut welfare, mut quantity_bits, mut bids) = (zero, zero, zero);
    let (mut least_quantity, mut least_limit) = (_mm256_set1_epi32(-1), _mm256_set1_epi32(i32::MAX));
    let mut side_bits = 0_u64;
    let mut found = 0;
    let (sides, limits) = (rows.side.as_chunks::<STEP>().0, rows.limit.as_chunks::<STEP>().0);
    let (prices, amounts) = (rows.price.as_chunks::<STEP>().0, rows.quantity.as_chunks::<STEP>().0);
    let out = fills.as_chunks_mut::<STEP>().0;
    let steps = sides.len();
    for word in (0..steps).step_by(WORD / STEP) {
        let mut inside_bits = 0_u64;
        for step in word..(word + WORD / STEP).min(steps) {
            let side = u64::from_le_bytes(sides[step]);
            side_bits |= side;
            let bid = _mm256_cmpgt_epi32(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(side as i64)), zero);
            _mm_prefetch::<_MM_HINT_T0>(amounts[step].as_ptr().cast::<i8>().wrapping_add(AHEAD * size_of::<Q>()));
            _mm_prefetch::<_MM_HINT_T0>(prices[step].as_ptr().cast::<i8>().wrapping_add(AHEAD * size_of::<i32>()));
            // SAFETY: these are arrays of eight 32-bit integers.
            let (limit, price) = unsafe {
                (_mm256_loadu_si256(limits[step].as_ptr().cast()), _mm256_loadu_si256(prices[step].as_ptr().cast()))
            };
            let (halves, _) = amounts[step].as_chunks::<LANES>();
            let (low, high) = (quantities(&halves[0]), quantities(&halves[1]));
            quantity_bits = _mm256_or_si256(quantity_bits, _mm256_or_si256(low, high));
            least_limit = _mm256_min_epi32(least_limit, limit);
            // The low words of eight quantities, in row order.
            let words = _mm256_shuffle_ps::<0b10_00_10_00>(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
            let quantity = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(words));
            least_quantity = _mm256_min_epu32(least_quantity, quantity);
            let below = _mm256_cmpgt_epi32(first, price);
            let outside = _mm256_or_si256(below, _mm256_cmpgt_epi32(price, last));
            let bid_fill = _mm256_and_si256(quantity, _mm256_and_si256(bid, _mm256_cmpgt_epi32(price, guess)));
            let ask_fill = _mm256_and_si256(quantity, _mm256_andnot_si256(bid, _mm256_cmpgt_epi32(guess, price)));
            bids = _mm256_sub_epi32(bids, bid);
            bid_quantity = _mm256_add_epi32(bid_quantity, _mm256_and_si256(quantity, bid));
            below_quantity = _mm256_add_epi32(below_quantity, _mm256_and_si256(quantity, below));
            // An ask's counts negative; a limit and a fill both fit 32 bits with their sign.
            let net_fill = _mm256_sub_epi32(bid_fill, ask_fill);
            bids_filled = _mm256_add_epi32(bids_filled, bid_fill);
            net_filled = _mm256_add_epi32(net_filled, net_fill);
            let even = _mm256_mul_epi32(limit, net_fill);
            let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(limit), _mm256_srli_epi64::<32>(net_fill));
            welfare = _mm256_add_epi64(welfare, _mm256_add_epi64(even, odd));
            if FILLS {
                let fill = _mm256_or_si256(bid_fill, ask_fill);
                let lines = [
                    _mm256_cvtepu32_epi64(_mm256_castsi256_si128(fill)),
                    _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(fill)),
                ];
                let (out, _) = out[step].as_chunks_mut::<LANES>();
                for (out, line) in out.iter_mut().zip(lines) {
                    // SAFETY: `out` is an array of four 64-bit integers; where it is streamed to, the caller began its
                    // blocks at a multiple of 64 bytes.
                    unsafe {
                        if STREAM {
                            _mm256_stream_si256(out.as_mut_ptr().cast(), line);
                        } else {
                            _mm256_storeu_si256(out.as_mut_ptr().cast(), line);
                        }
                    }
                }
            }
            let outside_bits = _mm256_movemask_ps(_mm256_castsi256_ps(outside)) as u8;
            inside_bits |= u64::from(!outside_bits) << ((step - word) * STEP);
        }
        while inside_bits != 0 {
            inside[found] = (word * STEP) as u32 + inside_bits.trailing_zeros();
            found += 1;
            inside_bits &= inside_bits - 1;
        }
    }
    sums.side_bits |= side_bits.to_le_bytes().iter().fold(0, |bits, side| bits | side);
    sums.bids = sums.bids.wrapping_add(sum_of_words(bids) as u32);
    sums.has_bad_price |= words(least_limit).contains(&i32::MIN);
    sums.has_no_quantity |= words(least_quantity).contains(&0);
    let quantity_bits = lanes(quantity_bits).iter().fold(0, |bits, &lane| bits | lane as u64);
    sums.quantity_bits |= quantity_bits;
    let swept = steps * STEP;
    if quantity_bits < SMALL_QUANTITY {
        sums.add(Weight {
            bids: sum_of_words(bid_quantity),
            below: sum_of_words(below_quantity),
            bids_filled: sum_of_words(bids_filled),
            net_filled: words(net_filled).iter().fold(0, |sum, &word| sum.wrapping_add(word.into())),
            welfare: sum(welfare).into(),
        });
    } else {
        add_wide_sums(rows, swept, cut, sums);
    }
    scalar::rows::<Q, FILLS>(rows, swept, cut, fills, sums, inside, found)
}
