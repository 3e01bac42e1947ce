//! The kernel for AVX-512: sixteen rows a step, packed in registers.
#![allow(unsafe_code, reason = "loads and stores through arrays of known length; each block says why it is sound")]

use std::arch::x86_64::{
    __m512i, __mmask16, _mm_cmpeq_epi8_mask, _mm_loadu_si128, _mm_set1_epi8, _mm512_add_epi32, _mm512_loadu_si512,
    _mm512_maskz_compress_epi32, _mm512_set1_epi32, _mm512_setr_epi32, _mm512_storeu_si512,
};

use super::{Picks, Rows, scalar};

/// Rows of one step.
const STEP: usize = 16;

/// Appends the rows of a class of one block.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
pub fn block(rows: &Rows<'_>, class: u8, picks: &mut Picks) {
    let wanted = _mm_set1_epi8(class as i8);
    let mut position = _mm512_add_epi32(
        _mm512_set1_epi32(rows.first as i32),
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    );
    let step = _mm512_set1_epi32(STEP as i32);
    let (classes, prices, quantities) =
        (rows.class.as_chunks::<STEP>().0, rows.price.as_chunks::<STEP>().0, rows.quantity.as_chunks::<STEP>().0);
    let vectors = classes.len();
    for ((classes, price), quantity) in classes.iter().zip(prices).zip(quantities) {
        // SAFETY: arrays of sixteen bytes and of sixteen 32-bit integers.
        let (classes, price, quantity) = unsafe {
            (
                _mm_loadu_si128(classes.as_ptr().cast()),
                _mm512_loadu_si512(price.as_ptr().cast()),
                _mm512_loadu_si512(quantity.as_ptr().cast()),
            )
        };
        append(picks, _mm_cmpeq_epi8_mask(classes, wanted), (price, quantity, position));
        position = _mm512_add_epi32(position, step);
    }
    scalar::rows(rows, vectors * STEP, class, picks);
}

/// Appends the lanes of a set. Packed in a register and stored whole: to store packed is slow on some processors.
#[inline]
#[target_feature(enable = "avx512f,popcnt")]
fn append(to: &mut Picks, set: __mmask16, (price, quantity, position): (__m512i, __m512i, __m512i)) {
    let range = to.len..to.len + STEP;
    let (prices, quantities) = (&mut to.price[range.clone()], &mut to.quantity[range.clone()]);
    let positions = &mut to.position[range];
    // SAFETY: all three are sixteen long.
    unsafe {
        _mm512_storeu_si512(prices.as_mut_ptr().cast(), _mm512_maskz_compress_epi32(set, price));
        _mm512_storeu_si512(quantities.as_mut_ptr().cast(), _mm512_maskz_compress_epi32(set, quantity));
        _mm512_storeu_si512(positions.as_mut_ptr().cast(), _mm512_maskz_compress_epi32(set, position));
    }
    to.len += set.count_ones() as usize;
}
