//! The kernel for AVX-512: sixteen rows a step, packed in registers.
#![allow(unsafe_code, reason = "loads and stores through arrays of known length; each block says why it is sound")]

use std::arch::x86_64::{
    __m512i, __mmask16, _mm_cmpeq_epi8_mask, _mm_loadu_si128, _mm_set1_epi8, _mm512_add_epi32, _mm512_castsi256_si512,
    _mm512_cmpgt_epi64_mask, _mm512_cvtepi64_epi32, _mm512_inserti64x4, _mm512_loadu_si512,
    _mm512_maskz_compress_epi32, _mm512_set1_epi32, _mm512_setr_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::{Picks, Rows, scalar};
use crate::auction::book::Number;
use crate::simd::prefetch::prefetch_ahead;

/// Rows of one step.
const STEP: usize = 16;
/// Rows ahead that are asked for: columns of large books lie in memory, and no processor looks beyond a page.
const AHEAD: usize = 1024;
/// Bytes of a cache line.
const LINE: usize = 64;

/// Sixteen numbers cut to 32 bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn narrow([low, high]: [__m512i; 2]) -> __m512i {
    let low = _mm512_castsi256_si512(_mm512_cvtepi64_epi32(low));
    _mm512_inserti64x4::<1>(low, _mm512_cvtepi64_epi32(high))
}

/// Sixteen 64-bit integers.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_wide(values: &[i64; STEP]) -> [__m512i; 2] {
    let address = values.as_ptr();
    // SAFETY: two vectors of eight.
    unsafe { [_mm512_loadu_si512(address.cast()), _mm512_loadu_si512(address.add(STEP / 2).cast())] }
}

/// Sixteen prices, which fit 32 bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_prices<P: Number>(prices: &[P; STEP]) -> __m512i {
    let address = prices.as_ptr();
    if size_of::<P>() == size_of::<i32>() {
        // SAFETY: `Number` is sealed: a type of this size is `i32`.
        return unsafe { _mm512_loadu_si512(address.cast()) };
    }
    // SAFETY: the other type is `i64`.
    narrow(load_wide(unsafe { &*address.cast() }))
}

/// Asks for what a step has in a column, some way ahead of it.
#[inline(always)]
fn ask_for<T>(step: &[T; STEP]) {
    for line in 0..(STEP * size_of::<T>()).div_ceil(LINE) {
        prefetch_ahead(step, AHEAD + line * (LINE / size_of::<T>()));
    }
}

/// Appends the rows with a fill, of whole steps, to asks and bids, which have room for all; says how many rows those are.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
pub fn filled<P: Number>(
    (side, price, filled): (&[u8], &[P], &[i64]),
    first: u32,
    asks: &mut Picks,
    bids: &mut Picks,
) -> usize {
    let (ask, bid) = (_mm_set1_epi8(0), _mm_set1_epi8(1));
    let zero = _mm512_setzero_si512();
    let mut position = _mm512_add_epi32(
        _mm512_set1_epi32(first as i32),
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    );
    let steps = side.as_chunks::<STEP>().0.iter().zip(price.as_chunks::<STEP>().0).zip(filled.as_chunks::<STEP>().0);
    let mut rows = 0;
    for ((side, price), filled) in steps {
        ask_for(side);
        ask_for(price);
        ask_for(filled);
        // SAFETY: an array of sixteen bytes.
        let side = unsafe { _mm_loadu_si128(side.as_ptr().cast()) };
        let fills = load_wide(filled);
        let [low, high] = fills.map(|fills| __mmask16::from(_mm512_cmpgt_epi64_mask(fills, zero)));
        let has_fill = low | high << (STEP / 2);
        let values = (load_prices(price), narrow(fills), position);
        append(asks, _mm_cmpeq_epi8_mask(side, ask) & has_fill, values);
        append(bids, _mm_cmpeq_epi8_mask(side, bid) & has_fill, values);
        position = _mm512_add_epi32(position, _mm512_set1_epi32(STEP as i32));
        rows += STEP;
    }
    rows
}

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
