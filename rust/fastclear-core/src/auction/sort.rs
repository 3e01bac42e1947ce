//! Orders by price: radix sort of one word an order.
//!
//! A word holds the price at which an order competes above its position in the book, so that one comparison of words is
//! price priority with ties by position. Positions ascend in what is handed in, as they do where a pass over the book
//! made the words: a stable sort by price alone is then the whole order.

/// Bits of a word that hold the position.
pub const POSITION_BITS: u32 = 30;
/// What moves a price up to be positive. Limits lie within ±2³¹ and fees below 2³¹, so that competing prices, and their
/// negatives, lie within ±2³³.
const PRICE_OFFSET: i64 = 1 << 33;

/// Bits of a price sorted in one pass: its counters take 8 KB.
const DIGIT: u32 = 11;
/// Passes that a spread of 34 bits needs.
const PASSES: usize = 4;
/// Words up to which a comparison sort beats counting, for each pass that counting would take.
const FEW_A_PASS: usize = 256;
const FEWER: usize = 1024;
/// Words above which sorting starts from the top: what falls into one bucket then stays in the second-level cache.
const CACHED: usize = 1 << 18;

/// The word of an order, lowest price first. For the highest first, give the negative price.
#[inline]
pub const fn word(price: i64, position: usize) -> u64 {
    ((price + PRICE_OFFSET) as u64) << POSITION_BITS | position as u64
}

/// The position in a word.
#[inline]
pub const fn position(word: u64) -> usize {
    (word & ((1 << POSITION_BITS) - 1)) as usize
}

/// The price in a word, negative where it was given so.
#[inline]
pub const fn price(word: u64) -> i64 {
    (word >> POSITION_BITS) as i64 - PRICE_OFFSET
}

/// Sorts words made by [`word`] whose positions ascend by price, then position, in the memory of `scratch`.
pub fn by_price(words: &mut [u64], scratch: &mut Vec<u64>) {
    if words.len() <= FEW_A_PASS {
        words.sort_unstable();
        return;
    }
    if scratch.len() < words.len() {
        scratch.resize(words.len(), 0);
    }
    let len = words.len();
    sort(words, &mut scratch[..len], false);
}

/// Sorts `words`, leaving them in `other` if `to_other`.
fn sort(words: &mut [u64], other: &mut [u64], to_other: bool) {
    let prices = words.iter().map(|word| word >> POSITION_BITS);
    let (least, most) = prices.fold((u64::MAX, 0), |(least, most), price| (least.min(price), most.max(price)));
    let bits = u64::BITS - most.saturating_sub(least).leading_zeros();
    let passes = bits.div_ceil(DIGIT) as usize;
    let few = if passes <= 1 { FEW_A_PASS } else { FEWER * passes };
    if words.len() <= few {
        words.sort_unstable();
        if to_other {
            other.copy_from_slice(words);
        }
    } else if words.len() > CACHED && passes > 2 {
        from_the_top(words, other, to_other, least, bits - DIGIT);
    } else {
        from_the_bottom(words, other, to_other, least, (passes, bits));
    }
}

/// Scatters by the highest digit, then sorts each bucket by the rest of the price.
fn from_the_top(words: &mut [u64], other: &mut [u64], to_other: bool, least: u64, shift: u32) {
    let digit = |word: u64| (((word >> POSITION_BITS) - least) >> shift) as usize & ((1 << DIGIT) - 1);
    let mut next = [0_u32; 1 << DIGIT];
    for &word in &*words {
        next[digit(word)] += 1;
    }
    starts(&mut next);
    for &word in &*words {
        let slot = &mut next[digit(word)];
        other[*slot as usize] = word;
        *slot += 1;
    }
    // Each slot has moved on to where its bucket ends.
    let mut start = 0;
    for end in next.map(|end| end as usize) {
        if end > start {
            sort(&mut other[start..end], &mut words[start..end], !to_other);
        }
        start = end;
    }
}

/// Sorts by the lowest digit first, as many passes as the spread of prices needs.
#[expect(clippy::large_stack_arrays, reason = "32 KB, once a call: no call of this one is nested in another")]
fn from_the_bottom(words: &mut [u64], other: &mut [u64], to_other: bool, least: u64, (passes, bits): (usize, u32)) {
    let width = bits.div_ceil(passes.max(1) as u32);
    let mask = (1_usize << width) - 1;
    let mut counts = [[0_u32; 1 << DIGIT]; PASSES];
    for &word in &*words {
        let mut rest = (word >> POSITION_BITS) - least;
        for count in &mut counts[..passes] {
            count[rest as usize & mask] += 1;
            rest >>= width;
        }
    }
    let (mut from, mut to) = (words, other);
    for (pass, next) in counts[..passes].iter_mut().enumerate() {
        starts(&mut next[..=mask]);
        for &word in &*from {
            let slot = &mut next[(((word >> POSITION_BITS) - least) >> (pass as u32 * width)) as usize & mask];
            to[*slot as usize] = word;
            *slot += 1;
        }
        (from, to) = (to, from);
    }
    let in_other = passes % 2 == 1;
    if in_other != to_other {
        to.copy_from_slice(from);
    }
}

/// Turns counts into the places where their runs start.
fn starts(counts: &mut [u32]) {
    let mut start = 0;
    for count in counts {
        start += std::mem::replace(count, start);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(prices: impl IntoIterator<Item = i64>) {
        let mut words: Vec<u64> = prices.into_iter().enumerate().map(|(i, price)| word(price, i)).collect();
        let mut expected = words.clone();
        expected.sort_unstable();
        by_price(&mut words, &mut vec![7; 3]);
        assert!(words == expected, "{} words", words.len());
    }

    /// Numbers that look random, from a seed.
    fn drawn(len: usize, span: u64, seed: u64) -> impl Iterator<Item = i64> {
        let mut state = seed;
        (0..len).map(move |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 29) % span) as i64 - (span / 2) as i64
        })
    }

    #[test]
    fn gives_price_and_position_back() {
        for price in [-(1_i64 << 33), -(1 << 32), -1, 0, 1, (1 << 33) - 1] {
            let word = word(price, (1 << POSITION_BITS) - 1);
            assert_eq!((super::price(word), position(word)), (price, (1 << POSITION_BITS) - 1));
        }
    }

    #[test]
    fn sorts_at_every_switch_over() {
        for len in [0, 1, 2, FEW_A_PASS, FEW_A_PASS + 1, 2 * FEWER, 2 * FEWER + 1, 4 * FEWER + 1, CACHED, CACHED + 1] {
            for bits in [0, 1, DIGIT - 1, DIGIT, DIGIT + 1, 2 * DIGIT, 2 * DIGIT + 1, 31, 34] {
                check(drawn(len, 1 << bits, len as u64));
            }
        }
    }

    #[test]
    fn sorts_what_falls_into_one_bucket_again_and_again() {
        let nested =
            (0..3 * CACHED as i64).map(|i| if i == 5 { (1 << 33) - 1 } else { (i * 7919 % (1 << 18)) << (i % 3) });
        check(nested);
        check((0..2 * CACHED as i64).map(|i| if i == 0 { -(1 << 33) } else { 12 }));
        check((0..2 * CACHED as i64).rev());
    }

    proptest! {
        #[test]
        fn sorts_like_the_standard_library(
            prices in prop::collection::vec(-(1_i64 << 33)..1 << 33, 0..2000), low in 0_u32..34, copies in 1_usize..4,
        ) {
            check(prices.iter().cycle().take(copies * prices.len()).map(|price| price >> low));
        }
    }
}
