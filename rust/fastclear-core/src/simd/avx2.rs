//! Kernels written for AVX2, where the compiler does not find the vectors by itself. Each has a scalar twin beside it.
#![allow(unsafe_code, reason = "loads and stores through arrays of known length; each block says why it is sound")]

use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm256_add_epi64, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_castsi256_pd, _mm256_cmpgt_epi64, _mm256_cvtepi32_epi64, _mm256_cvtepu8_epi64, _mm256_loadu_si256,
    _mm256_movemask_pd, _mm256_mul_epi32, _mm256_or_si256, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_srli_epi64,
    _mm256_storeu_si256, _mm256_sub_epi64,
};

use super::{Swept, Welfare};
use crate::auction::book::{Book, Number};

/// Rows of one vector.
const LANES: usize = 4;
/// Rows between two looks at who lies inside the bracket: one bit each in a word.
const BLOCK: usize = 32;

/// Four numbers of a column as 64-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn load<T: Number>(rows: &[T; LANES]) -> __m256i {
    let address = rows.as_ptr();
    if size_of::<T>() == size_of::<i32>() {
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
    lanes(vector).iter().sum()
}

/// Sweeps whole vectors of rows and returns how many rows that were.
///
/// `SMALL`: whether the sum of all values fits one word, so that it need not be kept in two halves.
#[target_feature(enable = "avx2")]
pub fn sweep<P: Number, Q: Number, const SMALL: bool>(
    book: &Book<'_, P, Q>,
    (first, last): (i64, i64),
    filled: &mut [i64],
    inside: &mut Vec<u32>,
    swept: &mut Swept,
) -> usize {
    let zero = _mm256_setzero_si256();
    let (first, last, fee) = (_mm256_set1_epi64x(first), _mm256_set1_epi64x(last), _mm256_set1_epi64x(book.fee));
    let (mut bids_above, mut all_filled) = (zero, zero);
    let (mut high, mut low) = (zero, zero);
    let low_half = _mm256_set1_epi64x(0xFFFF_FFFF);
    let bias = _mm256_set1_epi64x(i64::MIN); // moves a signed number to an unsigned one
    let (sides, prices) = (book.side.as_chunks::<LANES>().0, book.price.as_chunks::<LANES>().0);
    let (quantities, fills) = (book.quantity.as_chunks::<LANES>().0, filled.as_chunks_mut::<LANES>().0);
    let vectors = fills.len();
    for first_vector in (0..vectors).step_by(BLOCK / LANES) {
        let mut outside_bits = 0_u32;
        let range = first_vector..(first_vector + BLOCK / LANES).min(vectors);
        let looked_at = u32::MAX >> (BLOCK - range.len() * LANES);
        let rows = sides[range.clone()].iter().zip(&prices[range.clone()]).zip(&quantities[range.clone()]);
        for (nth, (((side, price), quantity), fill)) in rows.zip(&mut fills[range]).enumerate() {
            let side = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(i32::from_le_bytes(*side)));
            let is_bid = _mm256_sub_epi64(zero, side); // all bits of a bid
            let (limit, quantity) = (load(price), load(quantity));
            let price = _mm256_sub_epi64(limit, _mm256_and_si256(fee, is_bid));
            let above = _mm256_cmpgt_epi64(price, last);
            let below = _mm256_cmpgt_epi64(first, price);
            let bid_fill = _mm256_and_si256(quantity, _mm256_and_si256(is_bid, above));
            let ask_fill = _mm256_and_si256(quantity, _mm256_andnot_si256(is_bid, below));
            let both = _mm256_or_si256(bid_fill, ask_fill);
            // SAFETY: `fill` is an array of four 64-bit integers.
            unsafe { _mm256_storeu_si256(fill.as_mut_ptr().cast(), both) };
            bids_above = _mm256_add_epi64(bids_above, bid_fill);
            all_filled = _mm256_add_epi64(all_filled, both);
            // Limit and fill both fit 32 bits, signed; an ask's value counts negative.
            let value = _mm256_sub_epi64(_mm256_mul_epi32(limit, bid_fill), _mm256_mul_epi32(limit, ask_fill));
            if SMALL {
                low = _mm256_add_epi64(low, value);
            } else {
                // The high half with its sign: AVX2 shifts 64 bits only without one, so values are biased.
                high = _mm256_add_epi64(high, _mm256_srli_epi64::<32>(_mm256_add_epi64(value, bias)));
                low = _mm256_add_epi64(low, _mm256_and_si256(value, low_half));
            }
            let outside = _mm256_castsi256_pd(_mm256_or_si256(above, below));
            outside_bits |= (_mm256_movemask_pd(outside) as u32) << (nth * LANES);
        }
        let mut inside_bits = !outside_bits & looked_at;
        while inside_bits != 0 {
            inside.push((first_vector * LANES) as u32 + inside_bits.trailing_zeros());
            inside_bits &= inside_bits - 1;
        }
    }
    let rows = (vectors * LANES) as i64;
    let welfare =
        if SMALL { Welfare::of_small(sum(low)) } else { Welfare { high: sum(high) - (rows << 31), low: sum(low) } };
    let bids_above = sum(bids_above);
    *swept = Swept { bids_above, asks_below: sum(all_filled) - bids_above, welfare };
    vectors * LANES
}
