//! The kernel for AVX-512: sixteen rows a step, no branch.
#![allow(unsafe_code, reason = "loads and stores through arrays of known length; each block says why it is sound")]

use std::arch::x86_64::{
    __m512i, __mmask8, _MM_HINT_T0, _mm_loadu_si128, _mm_or_si128, _mm_prefetch, _mm_set1_epi8, _mm_setzero_si128,
    _mm_storeu_si128, _mm_test_epi8_mask, _mm256_loadu_si256, _mm512_add_epi32, _mm512_add_epi64,
    _mm512_castsi512_si256, _mm512_cmpeq_epi32_mask, _mm512_cmpgt_epi32_mask, _mm512_cmplt_epi32_mask,
    _mm512_cvtepi32_epi64, _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_mask_add_epi64, _mm512_mask_sub_epi64,
    _mm512_maskz_compress_epi32, _mm512_maskz_mov_epi64, _mm512_mul_epi32, _mm512_reduce_add_epi64,
    _mm512_reduce_or_epi64, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setr_epi32, _mm512_setzero_si512,
    _mm512_storeu_si512, _mm512_stream_si512, _mm512_sub_epi64, _mm512_ternarylogic_epi64,
};

use super::{AHEAD, Inside, LINE, NearCut, Rows, SMALL_QUANTITY, Sums, add_wide_welfare, scalar};
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
    let one = _mm512_set1_epi64(1);
    let no_limit = _mm512_set1_epi32(i32::MIN);
    let (mut bid_quantity, mut below_quantity, mut filled, mut bids_filled) = (zero, zero, zero, zero);
    let (mut welfare, mut quantity_bits) = (zero, zero);
    let mut side_bits = _mm_setzero_si128();
    let (mut bids, mut bad_prices) = (0_u32, 0_u16);
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
        let bid = _mm_test_epi8_mask(side, _mm_set1_epi8(-1));
        side_bits = _mm_or_si128(side_bits, side);
        bids += bid.count_ones();
        bad_prices |= _mm512_cmpeq_epi32_mask(limit, no_limit);
        let below = _mm512_cmplt_epi32_mask(price, first);
        let outside = below | _mm512_cmpgt_epi32_mask(price, last);
        let fill = bid & _mm512_cmpgt_epi32_mask(price, guess) | !bid & _mm512_cmplt_epi32_mask(price, guess);
        let limits = [_mm512_castsi512_si256(limit), _mm512_extracti64x4_epi64::<1>(limit)];
        let (halves, _) = amount.as_chunks::<LANES>();
        let mut lines = [zero; 2];
        for half in 0..2 {
            let part = |mask: u16| (mask >> (LANES * half)) as __mmask8;
            let quantity = quantities(&halves[half]);
            let line = _mm512_maskz_mov_epi64(part(fill), quantity);
            bid_quantity = _mm512_mask_add_epi64(bid_quantity, part(bid), bid_quantity, quantity);
            below_quantity = _mm512_mask_add_epi64(below_quantity, part(below), below_quantity, quantity);
            filled = _mm512_add_epi64(filled, line);
            bids_filled = _mm512_mask_add_epi64(bids_filled, part(bid), bids_filled, line);
            // `a | b | c`
            quantity_bits = _mm512_ternarylogic_epi64::<0xFE>(quantity_bits, quantity, _mm512_sub_epi64(quantity, one));
            // A limit and a fill both fit 32 bits with their sign.
            let value = _mm512_mul_epi32(_mm512_cvtepi32_epi64(limits[half]), line);
            welfare = _mm512_mask_add_epi64(welfare, part(bid), welfare, value);
            welfare = _mm512_mask_sub_epi64(welfare, part(!bid), welfare, value);
            lines[half] = line;
        }
        if FILLS && let Some(out) = out.next() {
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
        let packed = _mm512_maskz_compress_epi32(!outside, position);
        position = _mm512_add_epi32(position, sixteen);
        let room: &mut [u32] = &mut inside[found..found + STEP];
        // SAFETY: `room` holds sixteen 32-bit integers.
        unsafe { _mm512_storeu_si512(room.as_mut_ptr().cast(), packed) };
        found += outside.count_zeros() as usize;
    }
    let mut sides = [0_u8; STEP];
    // SAFETY: `sides` is sixteen bytes long.
    unsafe { _mm_storeu_si128(sides.as_mut_ptr().cast(), side_bits) };
    sums.side_bits |= sides.iter().fold(0, |bits, side| bits | side);
    sums.has_bad_price |= bad_prices != 0;
    sums.bids = sums.bids.wrapping_add(bids);
    sums.bid_quantity = sums.bid_quantity.wrapping_add(_mm512_reduce_add_epi64(bid_quantity));
    sums.below = sums.below.wrapping_add(_mm512_reduce_add_epi64(below_quantity));
    sums.filled = sums.filled.wrapping_add(_mm512_reduce_add_epi64(filled));
    sums.bids_filled = sums.bids_filled.wrapping_add(_mm512_reduce_add_epi64(bids_filled));
    let quantity_bits = _mm512_reduce_or_epi64(quantity_bits) as u64;
    sums.quantity_bits |= quantity_bits;
    let swept = sides_swept(rows.side.len());
    if quantity_bits < SMALL_QUANTITY {
        sums.welfare = sums.welfare.wrapping_add(_mm512_reduce_add_epi64(welfare).into());
    } else {
        add_wide_welfare(rows, swept, cut, sums);
    }
    scalar::rows::<Q, FILLS>(rows, swept, cut, fills, sums, inside, found)
}

/// Rows that whole steps cover.
const fn sides_swept(rows: usize) -> usize {
    rows - rows % STEP
}
