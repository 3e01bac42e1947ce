//! The kernel for AVX2: eight rows a step, packed in registers by a table of orders of lanes.
#![allow(unsafe_code, reason = "loads and stores through arrays of known length; each block says why it is sound")]

use std::arch::x86_64::{
    __m256i, _mm_cmpeq_epi8, _mm_loadl_epi64, _mm_movemask_epi8, _mm_set1_epi8, _mm256_add_epi32, _mm256_cvtepu8_epi32,
    _mm256_loadu_si256, _mm256_permutevar8x32_epi32, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_storeu_si256,
};

use super::{Picks, Rows, scalar};

/// Rows of one step.
const STEP: usize = 8;

/// For each set of lanes, their numbers in order; the rest does not matter.
const PACKED: [[u8; STEP]; 1 << STEP] = {
    let mut packed = [[0; STEP]; 1 << STEP];
    let mut set = 0;
    while set < packed.len() {
        let (mut lane, mut found) = (0, 0);
        while lane < STEP {
            if set >> lane & 1 == 1 {
                packed[set][found] = lane as u8;
                found += 1;
            }
            lane += 1;
        }
        set += 1;
    }
    packed
};

/// Appends the rows of a class of one block.
#[target_feature(enable = "avx2,popcnt")]
pub fn block(rows: &Rows<'_>, class: u8, picks: &mut Picks) {
    let wanted = _mm_set1_epi8(class as i8);
    let mut position =
        _mm256_add_epi32(_mm256_set1_epi32(rows.first as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    let step = _mm256_set1_epi32(STEP as i32);
    let (classes, prices, quantities) =
        (rows.class.as_chunks::<STEP>().0, rows.price.as_chunks::<STEP>().0, rows.quantity.as_chunks::<STEP>().0);
    let vectors = classes.len();
    for ((classes, price), quantity) in classes.iter().zip(prices).zip(quantities) {
        // SAFETY: arrays of eight bytes and of eight 32-bit integers.
        let (classes, price, quantity) = unsafe {
            (
                _mm_loadl_epi64(classes.as_ptr().cast()),
                _mm256_loadu_si256(price.as_ptr().cast()),
                _mm256_loadu_si256(quantity.as_ptr().cast()),
            )
        };
        // Of sixteen bytes the first eight are rows.
        let set = _mm_movemask_epi8(_mm_cmpeq_epi8(classes, wanted)) as usize % (1 << STEP);
        append(picks, set, (price, quantity, position));
        position = _mm256_add_epi32(position, step);
    }
    scalar::rows(rows, vectors * STEP, class, picks);
}

/// Appends the lanes of a set, all of them stored, those first.
#[inline]
#[target_feature(enable = "avx2,popcnt")]
fn append(to: &mut Picks, set: usize, (price, quantity, position): (__m256i, __m256i, __m256i)) {
    let range = to.len..to.len + STEP;
    let (prices, quantities) = (&mut to.price[range.clone()], &mut to.quantity[range.clone()]);
    let positions = &mut to.position[range];
    // SAFETY: an entry of the table holds eight bytes, and all three slices are eight long.
    unsafe {
        let order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(PACKED[set].as_ptr().cast()));
        _mm256_storeu_si256(prices.as_mut_ptr().cast(), _mm256_permutevar8x32_epi32(price, order));
        _mm256_storeu_si256(quantities.as_mut_ptr().cast(), _mm256_permutevar8x32_epi32(quantity, order));
        _mm256_storeu_si256(positions.as_mut_ptr().cast(), _mm256_permutevar8x32_epi32(position, order));
    }
    to.len += set.count_ones() as usize;
}
