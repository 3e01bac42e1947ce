//! The kernel for AVX-512: sixteen rows a step, no branch.
#![allow(unsafe_code, reason = "loads and stores through arrays of known length; each block says why it is sound")]

use std::arch::x86_64::{
    __m512i, __mmask8, _MM_HINT_T0, _mm_loadu_si128, _mm_or_si128, _mm_prefetch, _mm_setzero_si128, _mm_storeu_si128,
    _mm_test_epi8_mask, _mm256_loadu_si256, _mm512_add_epi32, _mm512_add_epi64, _mm512_castsi512_si256,
    _mm512_cmplt_epi32_mask, _mm512_cvtepi32_epi64, _mm512_cvtepu32_epi64, _mm512_extracti64x4_epi64,
    _mm512_loadu_si512, _mm512_mask_add_epi32, _mm512_mask_cmpgt_epi32_mask, _mm512_mask_cmple_epi32_mask,
    _mm512_mask_cmplt_epi32_mask, _mm512_mask_sub_epi32, _mm512_maskz_compress_epi32, _mm512_maskz_mov_epi32,
    _mm512_maskz_mov_epi64, _mm512_min_epi32, _mm512_min_epu32, _mm512_mul_epi32, _mm512_permutex2var_epi32,
    _mm512_reduce_add_epi64, _mm512_reduce_min_epi32, _mm512_reduce_min_epu32, _mm512_reduce_or_epi64,
    _mm512_set1_epi32, _mm512_setr_epi32, _mm512_setzero_si512, _mm512_srli_epi64, _mm512_storeu_si512,
    _mm512_stream_si512, _mm512_ternarylogic_epi64,
};

use super::{AHEAD, Inside, LINE, NearCut, Rows, SMALL_QUANTITY, Sums, Weight, add_wide_sums, scalar};
use crate::auction::book::Number;

/// Rows of one step.
const STEP: usize = 16;
/// Rows of one vector of 64-bit numbers.
const LANES: usize = 8;

/// Eight quantities as 64-bit lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn quantities<Q: Number>(rows: &[Q; LANES]) -> __m512i {
    let address = rows.as_ptr();
    if size_of::<Q>() == size_of::<i32>() {
        // SAFETY: `Number` is sealed: a type of this size is `i32`, and `rows` holds eight of them.
        _mm512_cvtepi32_epi64(unsafe { _mm256_loadu_si256(address.cast()) })
    } else {
        // SAFETY: `Number` is sealed: the other type is `i64`, and `rows` holds eight of them.
        unsafe { _mm512_loadu_si512(address.cast()) }
    }
}

/// The sum of sixteen numbers of 32 bits, as they are or with their sign.
#[inline]
#[target_feature(enable = "avx512f")]
fn sum<const SIGNED: bool>(words: __m512i) -> i64 {
    let (low, high) = (_mm512_castsi512_si256(words), _mm512_extracti64x4_epi64::<1>(words));
    _mm512_reduce_add_epi64(if SIGNED {
        _mm512_add_epi64(_mm512_cvtepi32_epi64(low), _mm512_cvtepi32_epi64(high))
    } else {
        _mm512_add_epi64(_mm512_cvtepu32_epi64(low), _mm512_cvtepu32_epi64(high))
    })
}

/// One block; returns how many of its orders are inside the bracket, whose positions are then in `inside`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt,bmi1")]
pub fn block<Q: Number, const FILLS: bool, const STREAM: bool>(
    rows: &Rows<'_, Q>,
    cut: NearCut,
    fills: &mut [i64],
    sums: &mut Sums,
    inside: &mut Inside,
) -> usize {
    let zero = _mm512_setzero_si512();
    let (first, guess, last) =
        (_mm512_set1_epi32(cut.first), _mm512_set1_epi32(cut.guess), _mm512_set1_epi32(cut.last));
    let low_words = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let (mut bid_quantity, mut below_quantity, mut bids_filled, mut net_filled) = (zero, zero, zero, zero);
    let (mut even_welfare, mut odd_welfare, mut quantity_bits) = (zero, zero, zero);
    let (mut least_quantity, mut least_limit) = (_mm512_set1_epi32(-1), _mm512_set1_epi32(i32::MAX));
    let mut side_bits = _mm_setzero_si128();
    let mut bids = 0_u32;
    let mut position = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let sixteen = _mm512_set1_epi32(STEP as i32);
    let mut found = 0;
    let (sides, limits) = (rows.side.as_chunks::<STEP>().0, rows.limit.as_chunks::<STEP>().0);
    let (prices, amounts) = (rows.price.as_chunks::<STEP>().0, rows.quantity.as_chunks::<STEP>().0);
    let mut out = fills.as_chunks_mut::<STEP>().0.iter_mut();
    for (((side, limit), price), amount) in sides.iter().zip(limits).zip(prices).zip(amounts) {
        let later = amount.as_ptr().cast::<i8>();
        _mm_prefetch::<_MM_HINT_T0>(later.wrapping_add(AHEAD * size_of::<Q>()));
        _mm_prefetch::<_MM_HINT_T0>(later.wrapping_add(AHEAD * size_of::<Q>() + LINE));
        _mm_prefetch::<_MM_HINT_T0>(price.as_ptr().cast::<i8>().wrapping_add(AHEAD * size_of::<i32>()));
        _mm_prefetch::<_MM_HINT_T0>(side.as_ptr().cast::<i8>().wrapping_add(AHEAD));
        // SAFETY: these are arrays of sixteen bytes and of sixteen 32-bit integers.
        let (side, limit, price) = unsafe {
            (
                _mm_loadu_si128(side.as_ptr().cast()),
                _mm512_loadu_si512(limit.as_ptr().cast()),
                _mm512_loadu_si512(price.as_ptr().cast()),
            )
        };
        let (halves, _) = amount.as_chunks::<LANES>();
        let (low, high) = (quantities(&halves[0]), quantities(&halves[1]));
        let quantity = _mm512_permutex2var_epi32(low, low_words, high);
        // `a | b | c`
        quantity_bits = _mm512_ternarylogic_epi64::<0xFE>(quantity_bits, low, high);
        least_quantity = _mm512_min_epu32(least_quantity, quantity);
        least_limit = _mm512_min_epi32(least_limit, limit);
        side_bits = _mm_or_si128(side_bits, side);
        let bid = _mm_test_epi8_mask(side, side);
        bids += bid.count_ones();
        let below = _mm512_cmplt_epi32_mask(price, first);
        let inside_bits = _mm512_mask_cmple_epi32_mask(!below, price, last);
        let bid_wins = _mm512_mask_cmpgt_epi32_mask(bid, price, guess);
        let ask_wins = _mm512_mask_cmplt_epi32_mask(!bid, price, guess);
        bid_quantity = _mm512_mask_add_epi32(bid_quantity, bid, bid_quantity, quantity);
        below_quantity = _mm512_mask_add_epi32(below_quantity, below, below_quantity, quantity);
        let bid_fill = _mm512_maskz_mov_epi32(bid_wins, quantity);
        // An ask's counts negative.
        let net_fill = _mm512_mask_sub_epi32(bid_fill, ask_wins, zero, quantity);
        bids_filled = _mm512_add_epi32(bids_filled, bid_fill);
        net_filled = _mm512_add_epi32(net_filled, net_fill);
        // A limit and a fill both fit 32 bits with their sign.
        even_welfare = _mm512_add_epi64(even_welfare, _mm512_mul_epi32(limit, net_fill));
        let (odd_limit, odd_fill) = (_mm512_srli_epi64::<32>(limit), _mm512_srli_epi64::<32>(net_fill));
        odd_welfare = _mm512_add_epi64(odd_welfare, _mm512_mul_epi32(odd_limit, odd_fill));
        if FILLS && let Some(out) = out.next() {
            let wins = bid_wins | ask_wins;
            let lines = [
                _mm512_maskz_mov_epi64(wins as __mmask8, low),
                _mm512_maskz_mov_epi64((wins >> LANES) as __mmask8, high),
            ];
            let (out, _) = out.as_chunks_mut::<LANES>();
            for (out, line) in out.iter_mut().zip(lines) {
                // SAFETY: `out` is an array of eight 64-bit integers; where it is streamed to, the caller began its blocks
                // at a multiple of 64 bytes.
                unsafe {
                    if STREAM {
                        _mm512_stream_si512(out.as_mut_ptr().cast(), line);
                    } else {
                        _mm512_storeu_si512(out.as_mut_ptr().cast(), line);
                    }
                }
            }
        }
        // Packed in a register and stored whole: to store packed is slow on some processors.
        let packed = _mm512_maskz_compress_epi32(inside_bits, position);
        position = _mm512_add_epi32(position, sixteen);
        let room: &mut [u32] = &mut inside[found..found + STEP];
        // SAFETY: `room` holds sixteen 32-bit integers.
        unsafe { _mm512_storeu_si512(room.as_mut_ptr().cast(), packed) };
        found += inside_bits.count_ones() as usize;
    }
    let mut sides = [0_u8; STEP];
    // SAFETY: `sides` is sixteen bytes long.
    unsafe { _mm_storeu_si128(sides.as_mut_ptr().cast(), side_bits) };
    sums.side_bits |= sides.iter().fold(0, |bits, side| bits | side);
    sums.bids = sums.bids.wrapping_add(bids);
    sums.has_bad_price |= _mm512_reduce_min_epi32(least_limit) == i32::MIN;
    sums.has_no_quantity |= _mm512_reduce_min_epu32(least_quantity) == 0;
    let quantity_bits = _mm512_reduce_or_epi64(quantity_bits) as u64;
    sums.quantity_bits |= quantity_bits;
    let swept = rows.side.len() - rows.side.len() % STEP;
    if quantity_bits < SMALL_QUANTITY {
        let welfare = _mm512_add_epi64(even_welfare, odd_welfare);
        sums.add(Weight {
            bids: sum::<false>(bid_quantity),
            below: sum::<false>(below_quantity),
            bids_filled: sum::<false>(bids_filled),
            net_filled: sum::<true>(net_filled),
            welfare: _mm512_reduce_add_epi64(welfare).into(),
        });
    } else {
        add_wide_sums(rows, swept, cut, sums);
    }
    scalar::rows::<Q, FILLS>(rows, swept, cut, fills, sums, inside, found)
}
