//! A few orders out of many, and what they say of the quantile.

use super::level::bin_reaching;
use crate::auction::book::{Book, Number};
use crate::simd::Cut;
use crate::units::{PRICE_MAX, QUANTITY_MAX};

/// Orders of one block: what one cache line of quantities brings, and whether neighbours are alike shows in blocks.
const BLOCK: usize = 8;
/// Tenths of a standard deviation between the sample's quantile and either end of the bracket: one in a thousand misses.
const DEVIATION_TENTHS: i128 = 33;
/// A bracket that holds more than one part in so many of the sample is no help, unless it is one price.
const INSIDE_MOST: i64 = 4;
/// A bin that holds less than one part in so many of the sample is narrow enough.
const NARROW: i64 = 256;
/// Furthest that the ends of a bracket may lie apart: what a sweep takes.
const SPAN_MOST: i64 = 1 << 30;
/// Bins, as a power of two.
const BIN_BITS: u32 = 10;

/// A sample of a book, in blocks of neighbours.
pub(super) struct Sample {
    /// Competing prices.
    price: Vec<i64>,
    /// Quantities, an ask's negative.
    quantity: Vec<i64>,
}

impl Sample {
    /// Draws blocks at random places, one out of each of equally long stretches of the book. The draw is the same
    /// whenever the number of orders is, and no result depends on it.
    pub fn of<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> Self {
        let n = book.len();
        let blocks = blocks_for(n);
        let stretch = n / blocks;
        let mut sample =
            Self { price: Vec::with_capacity(blocks * BLOCK), quantity: Vec::with_capacity(blocks * BLOCK) };
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for nth in 0..blocks {
            // Marsaglia's xorshift: cheap, and all that is asked of it is to be out of step with the book.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let start = nth * stretch + (((state >> 32) * (stretch - BLOCK + 1) as u64) >> 32) as usize;
            for i in start..start + BLOCK {
                // Clamped, since this looks at columns that are yet to be checked.
                let price = book.limit(i).clamp(-PRICE_MAX, PRICE_MAX);
                let quantity = book.quantity(i).clamp(0, QUANTITY_MAX);
                let is_bid = book.is_bid(i);
                sample.price.push(price - if is_bid { book.fee } else { 0 });
                sample.quantity.push(if is_bid { quantity } else { -quantity });
            }
        }
        sample
    }

    /// The bracket in which the book's quantile all but surely lies; `None` where too much of the sample does, too.
    pub fn cut(&self) -> Option<Cut> {
        let all: i64 = self.quantity.iter().map(|quantity| quantity.abs()).sum();
        let bids: i64 = self.quantity.iter().map(|&quantity| quantity.max(0)).sum();
        let range =
            self.price.iter().fold((i64::MAX, i64::MIN), |range, &price| (range.0.min(price), range.1.max(price)));
        let middle = self.bin_of(bids, range, all / NARROW);
        let guess = middle.first + (middle.last - middle.first) / 2;
        let margin = self.margin(guess);
        if bids <= margin || bids + margin >= all {
            return None; // an end that no order of the sample marks
        }
        let (low, high) =
            (self.bin_of(bids - margin, range, all / NARROW), self.bin_of(bids + margin, range, all / NARROW));
        let cut = Cut { first: low.first, guess, last: high.last };
        let is_help = high.reached - low.below <= all / INSIDE_MOST || cut.first == cut.last;
        (is_help && cut.last - cut.first <= SPAN_MOST).then_some(cut)
    }

    /// How far W at `guess`, less the bids' total, may be off: from the spread of blocks, so that it is honest about books
    /// whose neighbours are alike.
    fn margin(&self, guess: i64) -> i64 {
        let (mut sum, mut squares, mut blocks) = (0_i128, 0_i128, 0_i128);
        for (price, quantity) in self.price.chunks_exact(BLOCK).zip(self.quantity.chunks_exact(BLOCK)) {
            let excess: i64 = price
                .iter()
                .zip(quantity)
                .map(|(&price, &quantity)| (if price <= guess { quantity.abs() } else { 0 }) - quantity.max(0))
                .sum();
            sum += i128::from(excess);
            squares += i128::from(excess) * i128::from(excess);
            blocks += 1;
        }
        let variance = squares - sum * sum / blocks;
        (variance.max(0).isqrt() * DEVIATION_TENTHS / 10) as i64 + 1
    }

    /// The bin in which W of the sample reaches `target`: among ever narrower ones, until it weighs little.
    fn bin_of(&self, target: i64, range: (i64, i64), little: i64) -> Bin {
        let (mut first, mut last, mut below) = (range.0, range.1, 0);
        loop {
            let shift = (u64::BITS - ((last - first) as u64).leading_zeros()).saturating_sub(BIN_BITS);
            let mut bins = [0; 1 << BIN_BITS];
            for (&price, &quantity) in self.price.iter().zip(&self.quantity) {
                if (first..=last).contains(&price) {
                    bins[((price - first) >> shift) as usize] += quantity.abs();
                }
            }
            // The last bin reaches any target that the sample does.
            let (bin, before) = bin_reaching(&bins, below, target).unwrap_or((bins.len() - 1, below));
            first += (bin as i64) << shift;
            last = last.min(first + (1 << shift) - 1);
            below = before;
            if first == last || bins[bin] <= little {
                return Bin { first, last, below, reached: below + bins[bin] };
            }
        }
    }
}

/// A range of prices of the sample.
struct Bin {
    first: i64,
    last: i64,
    /// W of the sample just below it.
    below: i64,
    /// W of the sample at its last price.
    reached: i64,
}

/// Blocks for so many orders. With m orders drawn, candidates number in the order of n ÷ √m, so that what the next
/// order drawn saves on them equals its own cost where m is in the order of n^⅔: 32,768 for ten million.
fn blocks_for(n: usize) -> usize {
    let two_thirds_log2 = (2 * n.ilog2()).div_ceil(3);
    (1_usize << two_thirds_log2).clamp(512, n) / BLOCK
}
