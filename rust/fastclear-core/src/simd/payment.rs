//! What orders pay that trade at one price a side, from what they were filled.

use super::on_every_path;
#[cfg(target_arch = "x86_64")]
use super::{Path, path};
use crate::order::BUY;

/// Rows from which payments are written past the caches: nobody reads them before they are gone from there.
#[cfg(target_arch = "x86_64")]
const STREAMED: usize = 400_000;

/// What was paid for: sums that tell whether fills and sides are those that were cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Paid {
    /// Filled quantity of bids.
    pub bought: i64,
    /// Filled quantity of all orders.
    pub all: i64,
}

impl Paid {
    fn add(&mut self, other: Self) {
        self.bought = self.bought.wrapping_add(other.bought);
        self.all = self.all.wrapping_add(other.all);
    }
}

/// Writes what each order pays (+) or receives (−): its filled quantity at the price of its side, `(buy, sell)`.
///
/// Nobody says that the columns are still those that were cleared: what does not fit wraps, and the sums tell.
pub fn pay(side: &[u8], filled: &[i64], prices: (i64, i64), payment: &mut [i64]) -> Paid {
    #[cfg(target_arch = "x86_64")]
    if payment.len() >= STREAMED
        && path() >= Path::Avx2
        && let (Ok(buy), Ok(sell)) = (i32::try_from(prices.0), i32::try_from(prices.1.wrapping_neg()))
    {
        let lead = payment.as_ptr().align_offset(32).min(payment.len());
        let end = lead + (payment.len() - lead) / avx2::LANES * avx2::LANES;
        let mut paid = pay_rows(&side[..lead], &filled[..lead], prices, &mut payment[..lead]);
        let (sides, fills) = (&side[lead..end], &filled[lead..end]);
        // SAFETY: `path` asked the machine for AVX2, and the rows begin where a vector may be stored.
        #[allow(unsafe_code, reason = "see SAFETY")]
        paid.add(unsafe { avx2::stream(sides, fills, (buy, sell), &mut payment[lead..end]) });
        paid.add(pay_rows(&side[end..], &filled[end..], prices, &mut payment[end..]));
        return paid;
    }
    pay_rows(side, filled, prices, payment)
}

#[inline(always)]
fn pay_body(side: &[u8], filled: &[i64], prices: (i64, i64), payment: &mut [i64]) -> Paid {
    let (buy, sell) = (prices.0, prices.1.wrapping_neg());
    let mut paid = Paid::default();
    for ((payment, &filled), &side) in payment.iter_mut().zip(filled).zip(side) {
        let is_bid = i64::from(side == BUY).wrapping_neg();
        *payment = filled.wrapping_mul((buy & is_bid) | (sell & !is_bid));
        paid.bought = paid.bought.wrapping_add(filled & is_bid);
        paid.all = paid.all.wrapping_add(filled);
    }
    paid
}

on_every_path! {
    /// The scalar twin.
    pub fn pay_rows<>(side: &[u8], filled: &[i64], prices: (i64, i64), payment: &mut [i64]) -> Paid = pay_body
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    #![allow(unsafe_code, reason = "loads and stores through arrays of known length; each block says why it is sound")]

    use std::arch::x86_64::{
        __m256i, _mm_cvtsi32_si128, _mm_sfence, _mm256_add_epi64, _mm256_and_si256, _mm256_blendv_epi8,
        _mm256_cmpeq_epi64, _mm256_cvtepu8_epi64, _mm256_loadu_si256, _mm256_mul_epi32, _mm256_set1_epi64x,
        _mm256_setzero_si256, _mm256_storeu_si256, _mm256_stream_si256,
    };

    use super::{BUY, Paid};

    /// Rows of one vector.
    pub const LANES: usize = 4;

    #[target_feature(enable = "avx2")]
    fn sum(vector: __m256i) -> i64 {
        let mut lanes = [0_i64; LANES];
        // SAFETY: `lanes` is 32 bytes long.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), vector) };
        lanes.iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
    }

    /// Whole vectors of rows at prices of 32 bits: what a bid pays, and what an ask does, less than nothing.
    ///
    /// # Safety
    /// `payment` begins at a multiple of 32 bytes.
    #[target_feature(enable = "avx2")]
    pub unsafe fn stream(side: &[u8], filled: &[i64], (buy, sell): (i32, i32), payment: &mut [i64]) -> Paid {
        let (buy, sell) = (_mm256_set1_epi64x(buy.into()), _mm256_set1_epi64x(sell.into()));
        let (mut bought, mut all) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        let buys = _mm256_set1_epi64x(BUY.into());
        let rows = side.as_chunks::<LANES>().0.iter().zip(filled.as_chunks::<LANES>().0);
        for ((side, filled), payment) in rows.zip(payment.as_chunks_mut::<LANES>().0) {
            let side = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(i32::from_le_bytes(*side)));
            // SAFETY: `filled` holds four 64-bit numbers.
            let filled = unsafe { _mm256_loadu_si256(filled.as_ptr().cast()) };
            let is_bid = _mm256_cmpeq_epi64(side, buys);
            bought = _mm256_add_epi64(bought, _mm256_and_si256(filled, is_bid));
            all = _mm256_add_epi64(all, filled);
            // A quantity has 31 bits.
            let money = _mm256_mul_epi32(filled, _mm256_blendv_epi8(sell, buy, is_bid));
            // SAFETY: `payment` has place for four 64-bit numbers, and the caller aligned the first of them.
            unsafe { _mm256_stream_si256(payment.as_mut_ptr().cast(), money) };
        }
        _mm_sfence(); // makes the stores visible in the order in which other threads expect them
        Paid { bought: sum(bought), all: sum(all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streamed_payments_are_those_of_the_twin() {
        let rows = (1 << 20) + 7;
        let side: Vec<u8> = (0..rows).map(|row| [0, 1, 1, 0, 0, 255][row % 6]).collect();
        let filled: Vec<i64> =
            (0..rows as i64).map(|row| if row % 6 == 5 { 0 } else { row * 2_654_435_761 % (1 << 31) }).collect();
        let top = (1 << 31) - 1;
        for prices in [(7, 5), (-7, -9), (top, -top), (0, 0), (2 * top, top), (1, 1 - top)] {
            for skipped in 0..5 {
                let (side, filled) = (&side[skipped..], &filled[skipped..]);
                let (mut fast, mut slow) = (vec![1; filled.len()], vec![2; filled.len()]);
                assert_eq!(pay(side, filled, prices, &mut fast), pay_body(side, filled, prices, &mut slow));
                assert!(fast == slow);
            }
        }
    }

    #[test]
    fn what_does_not_fit_shows_in_the_sums() {
        let (side, filled) = (vec![1; 1 << 20], vec![i64::MAX; 1 << 20]);
        let paid = pay(&side, &filled, (i64::from(i32::MAX), 0), &mut vec![0; 1 << 20]);
        assert_eq!(paid.bought, paid.all);
        assert!(paid.all < 0);
    }
}
