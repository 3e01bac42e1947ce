//! The kernel for AVX-512: sixteen rows a step, a register for each pivot and one for its sum.
#![allow(unsafe_code, reason = "loads masked to the rows there are; each says why it is sound")]

use std::arch::x86_64::{
    __m512i, __mmask8, __mmask16, _mm_maskz_loadu_epi8, _mm_test_epi8_mask, _mm512_add_epi64, _mm512_castsi512_si256,
    _mm512_cmple_epi32_mask, _mm512_cvtepu32_epi64, _mm512_extracti64x4_epi64, _mm512_mask_add_epi32,
    _mm512_maskz_loadu_epi32, _mm512_maskz_loadu_epi64, _mm512_or_si512, _mm512_permutex2var_epi32,
    _mm512_reduce_add_epi64, _mm512_reduce_or_epi32, _mm512_reduce_or_epi64, _mm512_set1_epi32, _mm512_setr_epi32,
    _mm512_setzero_si512, _mm512_ternarylogic_epi64,
};

use super::{PIVOTS, Reached};
use crate::auction::book::{Book, Number};
use crate::simd::near::{BLOCK, Near};
use crate::simd::sweep::SMALL_QUANTITY;

/// Rows of one step.
const STEP: usize = 16;
/// Rows of one register of 64-bit numbers.
const LANES: usize = 8;
/// Sums: one for each pivot, and that of all bids.
const SUMS: usize = PIVOTS + 1;

/// Rows of a block, column by column.
struct Rows<'a, Q> {
    side: &'a [u8],
    price: &'a [i32],
    quantity: &'a [Q],
}

/// Sixteen quantities from row `first` on in 32 bits, nothing in place of those that `rows` leaves out. All that they hold is
/// combined in `bits` by or.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn quantities<Q: Number>(column: &[Q], first: usize, rows: __mmask16, bits: &mut __m512i) -> __m512i {
    let address = column.as_ptr().wrapping_add(first);
    if size_of::<Q>() == size_of::<i32>() {
        // SAFETY: `Number` is sealed: a type of this size is `i32`. The caller masks rows that the column does not have.
        let words = unsafe { _mm512_maskz_loadu_epi32(rows, address.cast()) };
        *bits = _mm512_or_si512(*bits, words);
        return words;
    }
    // SAFETY: the other type is `i64`; rows are masked.
    let (low, high) = unsafe {
        (
            _mm512_maskz_loadu_epi64(rows as __mmask8, address.cast()),
            _mm512_maskz_loadu_epi64((rows >> LANES) as __mmask8, address.wrapping_add(LANES).cast()),
        )
    };
    // `a | b | c`
    *bits = _mm512_ternarylogic_epi64::<0xFE>(*bits, low, high);
    let low_words = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    _mm512_permutex2var_epi32(low, low_words, high)
}

/// Adds sixteen rows from `first` on, but those that `mask` leaves out.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn add<Q: Number>(
    rows: &Rows<'_, Q>,
    first: usize,
    mask: __mmask16,
    pivots: &[__m512i; PIVOTS],
    sums: &mut [__m512i; SUMS],
    bits: &mut __m512i,
) {
    // SAFETY: the caller masks rows that the block does not have, and its columns are equally long.
    let (side, price) = unsafe {
        (
            _mm_maskz_loadu_epi8(mask, rows.side.as_ptr().wrapping_add(first).cast()),
            _mm512_maskz_loadu_epi32(mask, rows.price.as_ptr().wrapping_add(first)),
        )
    };
    let lots = quantities(rows.quantity, first, mask, bits);
    let [bids, reached @ ..] = sums;
    *bids = _mm512_mask_add_epi32(*bids, _mm_test_epi8_mask(side, side), *bids, lots);
    for (sum, &pivot) in reached.iter_mut().zip(pivots) {
        *sum = _mm512_mask_add_epi32(*sum, _mm512_cmple_epi32_mask(price, pivot), *sum, lots);
    }
}

/// Sums of sixteen lanes in eight.
#[inline]
#[target_feature(enable = "avx512f")]
fn widened(words: __m512i) -> __m512i {
    let (low, high) = (_mm512_castsi512_si256(words), _mm512_extracti64x4_epi64::<1>(words));
    _mm512_add_epi64(_mm512_cvtepu32_epi64(low), _mm512_cvtepu32_epi64(high))
}

/// See [`super::weigh_at`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt,bmi1")]
pub fn weigh<P: Number, Q: Number>(book: &Book<'_, P, Q>, pivots: &[i64; PIVOTS]) -> Option<Reached> {
    let zero = _mm512_setzero_si512();
    let mut near = Near::new(book, pivots[PIVOTS / 2]);
    let mut at = [zero; PIVOTS];
    for (at, &price) in at.iter_mut().zip(pivots) {
        *at = _mm512_set1_epi32(near.of(price));
    }
    let (mut sums, mut bits) = ([zero; SUMS], zero);
    for start in (0..book.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(book.len());
        let (_, price) = near.rows(start, end);
        let rows =
            Rows { side: &book.side[start..end], price: &price[..end - start], quantity: &book.quantity[start..end] };
        let whole = (end - start) / STEP * STEP;
        let mut here = [zero; SUMS];
        for first in (0..whole).step_by(STEP) {
            add(&rows, first, !0, &at, &mut here, &mut bits);
        }
        add(&rows, whole, (1 << (end - start - whole)) - 1, &at, &mut here, &mut bits);
        for (sum, here) in sums.iter_mut().zip(here) {
            *sum = _mm512_add_epi64(*sum, widened(here));
        }
    }
    let bits = if size_of::<Q>() == size_of::<i32>() {
        i64::from(_mm512_reduce_or_epi32(bits))
    } else {
        _mm512_reduce_or_epi64(bits)
    };
    let mut reached = [0; PIVOTS];
    for (to, &sum) in reached.iter_mut().zip(&sums[1..]) {
        *to = _mm512_reduce_add_epi64(sum);
    }
    // Sums of a lane over a block then stayed within 32 bits.
    ((bits as u64) < SMALL_QUANTITY).then_some(Reached { bid_quantity: _mm512_reduce_add_epi64(sums[0]), reached })
}
