//! A book of up to 64 orders in AVX-512 registers, crossed without a branch on what it holds.
//!
//! Bisection waits for each round's sum before the next begins, and nobody can guess how many rounds there are. Here the
//! weight at or below sixteen prices of the book is added up at once, one price a lane; then, the same way, the weight at or
//! below each of the few orders between the two of these prices that enclose the quantile. While one book waits for a
//! sum, the processor is at work on the next.
#![allow(
    unsafe_code,
    reason = "loads and stores masked to the rows there are, or of whole arrays; each says why it is sound"
)]

use std::arch::x86_64::{
    __m512i, __mmask8, __mmask16, _mm_add_epi32, _mm_cvtsi128_si32, _mm_extract_epi32, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm512_add_epi32, _mm512_add_epi64, _mm512_castsi512_si128,
    _mm512_castsi512_si256, _mm512_cmpeq_epi8_mask, _mm512_cmpge_epi32_mask, _mm512_cmpgt_epu8_mask,
    _mm512_cmple_epi32_mask, _mm512_cvtepi32_epi64, _mm512_extracti64x4_epi64, _mm512_mask_add_epi32,
    _mm512_mask_cmpeq_epi32_mask, _mm512_mask_cmpge_epi32_mask, _mm512_mask_cmpgt_epi32_mask,
    _mm512_mask_cmplt_epi32_mask, _mm512_mask_expand_epi32, _mm512_mask_min_epi32, _mm512_mask_mov_epi32,
    _mm512_mask_storeu_epi64, _mm512_mask_sub_epi32, _mm512_maskz_compress_epi32, _mm512_maskz_loadu_epi8,
    _mm512_maskz_loadu_epi32, _mm512_maskz_loadu_epi64, _mm512_maskz_mov_epi32, _mm512_max_epi32, _mm512_min_epi32,
    _mm512_mul_epi32, _mm512_permutex2var_epi32, _mm512_reduce_add_epi32, _mm512_reduce_add_epi64,
    _mm512_reduce_min_epi32, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_setr_epi32, _mm512_setzero_si512,
    _mm512_shuffle_epi32, _mm512_shuffle_i64x2, _mm512_srli_epi64, _mm512_storeu_si512, _mm512_ternarylogic_epi32,
    _mm512_ternarylogic_epi64, _mm512_test_epi32_mask, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::fill::{Around, OneSide};
use super::{Crossed, left};
use crate::auction::book::{Book, Number};
use crate::simd::prefetch::prefetch_ahead;

/// Rows of one register.
const LANES: usize = 16;
/// Rows of one register of 64-bit numbers.
const WIDE: usize = 8;
/// Most orders of a book.
const ROWS: usize = 64;
/// Sums added up side by side, for one would wait for itself.
const AT_ONCE: usize = 2;
/// Rows ahead that are asked for: books of this size are over before the processor sees that columns are read on.
const AHEAD: usize = 512;
/// Bytes of a cache line.
const LINE: usize = 64;
/// All bits of the lots that an order may have here: of 64 orders together they are below 2³¹.
const LOTS: i32 = (1 << 25) - 1;

/// Numbers in memory, to be read one by one into all lanes of a register.
#[repr(align(64))]
struct Spilled([i32; ROWS]);

/// The lanes of the `nth` register that hold rows of a set.
#[inline(always)]
const fn lanes(set: u64, nth: usize) -> __mmask16 {
    (set >> (LANES * nth)) as __mmask16
}

/// The greatest (or least) of all lanes, in every lane.
macro_rules! in_every_lane {
    ($greatest:ident, $of:expr) => {{
        let all = $of;
        let all = $greatest(all, _mm512_shuffle_i64x2::<0b01_00_11_10>(all, all));
        let all = $greatest(all, _mm512_shuffle_i64x2::<0b10_11_00_01>(all, all));
        let all = $greatest(all, _mm512_shuffle_epi32::<0b01_00_11_10>(all));
        $greatest(all, _mm512_shuffle_epi32::<0b10_11_00_01>(all))
    }};
}

/// The sums of four registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn sums([a, b, c, d]: [__m512i; 4]) -> [i32; 4] {
    let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    let all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    let half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
    let all = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
    [_mm_extract_epi32::<0>(all), _mm_extract_epi32::<1>(all), _mm_extract_epi32::<2>(all), _mm_extract_epi32::<3>(all)]
}

/// Sixteen numbers of a column from row `first` on, those of `rows` alone, in 32 bits. Bits of `beyond` show numbers that
/// do not fit.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn load<T: Number>(column: &[T], first: usize, rows: __mmask16, beyond: &mut __m512i) -> __m512i {
    let address = column.as_ptr().wrapping_add(first);
    if size_of::<T>() == size_of::<i32>() {
        // SAFETY: `Number` is sealed: a type of this size is `i32`. The caller masks rows that the column does not have.
        return unsafe { _mm512_maskz_loadu_epi32(rows, address.cast()) };
    }
    // SAFETY: the other type is `i64`; rows are masked.
    let (low, high) = unsafe {
        (
            _mm512_maskz_loadu_epi64(rows as __mmask8, address.cast()),
            _mm512_maskz_loadu_epi64((rows >> WIDE) as __mmask8, address.wrapping_add(WIDE).cast()),
        )
    };
    let low_words = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let words = _mm512_permutex2var_epi32(low, low_words, high);
    let again_low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(words));
    let again_high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64::<1>(words));
    // `a | (b ^ c)`
    *beyond = _mm512_ternarylogic_epi64::<0xF6>(*beyond, low, again_low);
    *beyond = _mm512_ternarylogic_epi64::<0xF6>(*beyond, high, again_high);
    words
}

/// Asks for what a book some way behind this one has in a register's rows, where books lie side by side.
#[inline(always)]
fn ask_for<T>(column: &[T], first: usize) {
    for line in 0..(LANES * size_of::<T>()).div_ceil(LINE) {
        prefetch_ahead(column, first + AHEAD + line * (LINE / size_of::<T>()));
    }
}

/// What lies at or below each of sixteen prices, of these rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn weights(at: __m512i, prices: &[i32], quantities: &[i32]) -> __m512i {
    let mut weights = [_mm512_setzero_si512(); AT_ONCE];
    for (price, quantity) in prices.as_chunks::<AT_ONCE>().0.iter().zip(quantities.as_chunks::<AT_ONCE>().0) {
        for nth in 0..AT_ONCE {
            let is_in = _mm512_cmpge_epi32_mask(at, _mm512_set1_epi32(price[nth]));
            weights[nth] = _mm512_mask_add_epi32(weights[nth], is_in, weights[nth], _mm512_set1_epi32(quantity[nth]));
        }
    }
    let [a, b] = weights;
    _mm512_add_epi32(a, b)
}

/// Crosses a book that takes so many registers; `None` where another kernel has to look at it.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt,bmi1")]
pub fn cross<P: Number, Q: Number, const REGISTERS: usize>(
    book: &Book<'_, P, Q>,
    zero_surplus: bool,
    filled: &mut [i64],
) -> Option<Crossed> {
    let rows = book.len();
    let fits = rows.div_ceil(LANES) == REGISTERS && (1..=ROWS / LANES).contains(&REGISTERS);
    if !fits || book.price.len() != rows || book.quantity.len() != rows || filled.len() != rows {
        return None;
    }
    let fee = i32::try_from(book.fee).ok().filter(|&fee| fee >= 0)?;
    let all = u64::MAX >> (ROWS - rows);
    let (zero, one) = (_mm512_setzero_si512(), _mm512_set1_epi8(1));
    // SAFETY: masked to the rows that the book has.
    let side = unsafe { _mm512_maskz_loadu_epi8(all, book.side.as_ptr().cast()) };
    ask_for(book.side, 0);
    let bids = _mm512_cmpeq_epi8_mask(side, one);
    let asks = all & !bids;
    let mut flaws = _mm512_cmpgt_epu8_mask(side, one);
    let (mut prices, mut quantities) = (Spilled([0; ROWS]), Spilled([0; ROWS]));
    let (mut price, mut quantity) = ([zero; REGISTERS], [zero; REGISTERS]);
    let (mut beyond, mut lots, mut least, mut demanded) = (zero, zero, zero, zero);
    for nth in 0..REGISTERS {
        let there = lanes(all, nth);
        ask_for(book.price, LANES * nth);
        ask_for(book.quantity, LANES * nth);
        ask_for(filled, LANES * nth);
        let limit = load(book.price, LANES * nth, there, &mut beyond);
        let wanted = load(book.quantity, LANES * nth, there, &mut beyond);
        least = _mm512_min_epi32(least, limit);
        // Lots and their predecessors: the sign shows one below 1.
        let before = _mm512_mask_sub_epi32(zero, there, wanted, _mm512_set1_epi32(1));
        lots = _mm512_ternarylogic_epi32::<0xFE>(lots, wanted, before);
        let bid = lanes(bids, nth);
        demanded = _mm512_mask_add_epi32(demanded, bid, demanded, wanted);
        price[nth] = _mm512_mask_sub_epi32(limit, bid, limit, _mm512_set1_epi32(fee));
        quantity[nth] = wanted;
        let (to_price, to_quantity) =
            (&mut prices.0[LANES * nth..][..LANES], &mut quantities.0[LANES * nth..][..LANES]);
        // SAFETY: both are sixteen long.
        unsafe {
            _mm512_storeu_si512(to_price.as_mut_ptr().cast(), price[nth]);
            _mm512_storeu_si512(to_quantity.as_mut_ptr().cast(), wanted);
        }
    }
    // A bid less the fee has to stay above the least number.
    flaws |= u64::from(_mm512_cmple_epi32_mask(least, _mm512_set1_epi32(i32::MIN.wrapping_add(fee))));
    flaws |= u64::from(_mm512_test_epi32_mask(beyond, beyond));
    flaws |= u64::from(_mm512_test_epi32_mask(lots, _mm512_set1_epi32(!LOTS)));
    if flaws != 0 {
        return None;
    }
    let buyers = bids.count_ones();
    if bids == 0 || bids == all {
        filled.fill(0);
        return Some(Crossed { bids: buyers, ..Crossed::default() });
    }
    let target = _mm512_set1_epi32(_mm512_reduce_add_epi32(demanded));
    // Prices at which less, and at least as much, lies at or below; what lies between; and what lies at or below the first.
    let (mut upper, mut near, mut inside, mut below) = (_mm512_set1_epi32(i32::MAX), price[0], lanes(all, 0), zero);
    if REGISTERS > 1 {
        // Some of each register, lest a sorted book have none that are dear.
        let mut pivots = price[0];
        for (nth, &price) in price.iter().enumerate().skip(1) {
            pivots = _mm512_mask_mov_epi32(pivots, lanes(all, nth) & (0x1111 << nth), price);
        }
        let at_pivots = weights(pivots, &prices.0[..LANES * REGISTERS], &quantities.0[..LANES * REGISTERS]);
        let reached = _mm512_cmpge_epi32_mask(at_pivots, target);
        upper = in_every_lane!(_mm512_min_epi32, _mm512_mask_mov_epi32(upper, reached, pivots));
        let lower = _mm512_mask_mov_epi32(_mm512_set1_epi32(i32::MIN), !reached, pivots);
        let lower = in_every_lane!(_mm512_max_epi32, lower);
        below = in_every_lane!(_mm512_max_epi32, _mm512_maskz_mov_epi32(!reached, at_pivots));
        near = zero;
        let (mut near_lots, mut count) = (zero, 0);
        for nth in 0..REGISTERS {
            let is_above = _mm512_mask_cmpgt_epi32_mask(lanes(all, nth), price[nth], lower);
            let between = _mm512_mask_cmplt_epi32_mask(is_above, price[nth], upper);
            let places = (u64::from(u16::MAX) << count) as __mmask16;
            near = _mm512_mask_expand_epi32(near, places, _mm512_maskz_compress_epi32(between, price[nth]));
            near_lots =
                _mm512_mask_expand_epi32(near_lots, places, _mm512_maskz_compress_epi32(between, quantity[nth]));
            count += between.count_ones();
        }
        if count > LANES as u32 {
            return None;
        }
        inside = ((1_u32 << count).wrapping_sub(1)) as __mmask16;
        // SAFETY: both are longer than that.
        unsafe {
            _mm512_storeu_si512(prices.0.as_mut_ptr().cast(), near);
            _mm512_storeu_si512(quantities.0.as_mut_ptr().cast(), near_lots);
        }
    }
    let at_near = _mm512_add_epi32(below, weights(near, &prices.0[..LANES], &quantities.0[..LANES]));
    let reached = _mm512_mask_cmpge_epi32_mask(inside, at_near, target);
    let low = in_every_lane!(_mm512_min_epi32, _mm512_mask_mov_epi32(upper, reached, near));

    let (mut bids_above, mut asks_below, mut level) = (0, 0, 0);
    let [mut bid_better, mut bid_level, mut ask_better, mut ask_level] = [zero; 4];
    let (mut even_value, mut odd_value) = (zero, zero);
    for nth in 0..REGISTERS {
        let (price, quantity) = (price[nth], quantity[nth]);
        let above = _mm512_mask_cmpgt_epi32_mask(lanes(bids, nth), price, low);
        let under = _mm512_mask_cmplt_epi32_mask(lanes(asks, nth), price, low);
        let at = _mm512_mask_cmpeq_epi32_mask(lanes(all, nth), price, low);
        let bought = _mm512_maskz_mov_epi32(above, quantity);
        let signed = _mm512_mask_sub_epi32(bought, under, zero, quantity);
        bid_better = _mm512_add_epi32(bid_better, bought);
        ask_better = _mm512_mask_add_epi32(ask_better, under, ask_better, quantity);
        bid_level = _mm512_mask_add_epi32(bid_level, at & lanes(bids, nth), bid_level, quantity);
        ask_level = _mm512_mask_add_epi32(ask_level, at & lanes(asks, nth), ask_level, quantity);
        even_value = _mm512_add_epi64(even_value, _mm512_mul_epi32(price, signed));
        let (odd_price, odd_signed) = (_mm512_srli_epi64::<32>(price), _mm512_srli_epi64::<32>(signed));
        odd_value = _mm512_add_epi64(odd_value, _mm512_mul_epi32(odd_price, odd_signed));
        bids_above |= u64::from(above) << (LANES * nth);
        asks_below |= u64::from(under) << (LANES * nth);
        level |= u64::from(at) << (LANES * nth);
    }
    let value = _mm512_reduce_add_epi64(_mm512_add_epi64(even_value, odd_value));
    let [bid_better, bid_level, ask_better, ask_level] = sums([bid_better, bid_level, ask_better, ask_level]);
    let side = |better: i32, level: i32, orders: u64| OneSide {
        better: better.into(),
        level: level.into(),
        orders: orders.count_ones() as i32,
    };
    let (bid, ask) = (side(bid_better, bid_level, level & bids), side(ask_better, ask_level, level & asks));
    let (bids_left, asks_left) = left(bid, ask, zero_surplus);
    let mut whole = bids_above | asks_below;
    let (mut cut, mut cut_lots) = (0, 0);
    for (at_price, orders) in [(bid.at_price(bids_left), level & bids), (ask.at_price(asks_left), level & asks)] {
        whole |= if at_price.whole { orders } else { 0 };
        // One side at most has one.
        cut |= if at_price.lots > 0 { orders } else { 0 };
        cut_lots |= at_price.lots;
    }
    for (nth, quantity) in quantity.into_iter().enumerate() {
        let fill = _mm512_maskz_mov_epi32(lanes(whole, nth), quantity);
        let fill = _mm512_mask_mov_epi32(fill, lanes(cut, nth), _mm512_set1_epi32(cut_lots));
        let (low, high) = (_mm512_castsi512_si256(fill), _mm512_extracti64x4_epi64::<1>(fill));
        let (there, to) = (lanes(all, nth), filled.as_mut_ptr().wrapping_add(LANES * nth));
        // SAFETY: masked to the rows that `filled` has.
        unsafe {
            _mm512_mask_storeu_epi64(to, there as __mmask8, _mm512_cvtepi32_epi64(low));
            let to = to.wrapping_add(WIDE);
            _mm512_mask_storeu_epi64(to, (there >> WIDE) as __mmask8, _mm512_cvtepi32_epi64(high));
        }
    }
    let low = _mm_cvtsi128_si32(_mm512_castsi512_si128(low));
    let next_above = || {
        let mut next = _mm512_set1_epi32(i32::MAX);
        let mut is_any = 0;
        for (nth, price) in price.into_iter().enumerate() {
            let above = _mm512_mask_cmpgt_epi32_mask(lanes(all, nth), price, _mm512_set1_epi32(low));
            next = _mm512_mask_min_epi32(next, above, next, price);
            is_any |= above;
        }
        if is_any == 0 { low } else { _mm512_reduce_min_epi32(next) }
    };
    let around = Around { bids: bid, asks: ask, value };
    Some(around.crossed((book.fee, buyers), low, (bids_left, asks_left), level, next_above))
}
