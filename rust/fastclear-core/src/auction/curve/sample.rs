//! A few orders out of many, and what they say of the quantile.

use super::level::{BIN_BITS, bin_reaching, shift_for};
use super::scratch::Tables;
use crate::auction::book::{Book, Number};
use crate::simd::{self, BINS, Cut, PIVOTS, SAMPLE_BLOCK, Spread};

/// Tenths of a standard deviation between the sample's quantile and either end of the bracket: one in a hundred misses,
/// and costs less than more candidates in all the others would.
const DEVIATION_TENTHS: i128 = 26;
/// Tenths of a standard deviation between the sample's quantile and each of the pivots: close where it most often lies, and
/// so far out at the ends that next to nothing misses.
const PIVOT_TENTHS: [i64; PIVOTS] = [-38, -24, -13, -4, 4, 13, 24, 38];
/// A bracket that holds more than one part in so many of the sample is no help, unless it is one price.
const INSIDE_MOST: i64 = 4;
/// Bytes of a line of the caches, and rows of quantities in it.
const LINE: usize = 64;
const LINE_ROWS: usize = 8;
/// Furthest that the ends of a bracket may lie apart: what a sweep takes.
pub(super) const SPAN_MOST: i64 = 1 << 30;

/// A sample of a book, in blocks of neighbours: what one cache line of quantities brings, and whether neighbours are alike
/// shows in blocks.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// Where each block starts.
    starts: Vec<u32>,
    /// Competing prices less the base; at the end of 32 bits where they are further off.
    price: Vec<i32>,
    /// Quantities, an ask's negative.
    quantity: Vec<i32>,
    /// What prices are counted from.
    base: i64,
}

impl Sample {
    /// Draws so many blocks at random places, one out of each of equally long stretches of the book. The draw is the same
    /// whenever the number of orders is, and no result depends on it.
    pub fn draw<P: Number, Q: Number>(&mut self, book: &Book<'_, P, Q>, blocks: usize) {
        let n = book.len();
        let stretch = n / blocks;
        // Quantities, the longest column, are read in lines of the caches, as few as it takes.
        let lead = book.quantity.as_ptr().align_offset(LINE) % LINE_ROWS;
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        self.starts.clear();
        self.starts.extend((0..blocks).map(|nth| {
            // Marsaglia's xorshift: cheap, and all that is asked of it is to be out of step with the book.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let start = nth * stretch + (((state >> 32) * (stretch - SAMPLE_BLOCK + 1) as u64) >> 32) as usize;
            (start - start.saturating_sub(lead) % LINE_ROWS) as u32
        }));
        self.base = -book.fee / 2; // bids reach down further than asks by the fee
        self.price.resize(blocks * SAMPLE_BLOCK, 0);
        self.quantity.resize(blocks * SAMPLE_BLOCK, 0);
        simd::draw(book, &self.starts, self.base, &mut self.price, &mut self.quantity);
    }

    /// The bracket in which the book's quantile all but surely lies; `None` where too much of the sample does, too.
    pub fn cut(&self, tables: &mut Tables) -> Option<Cut> {
        let Spread { least, most, bid_quantity: bids, quantity: all } = simd::spread(&self.price, &self.quantity);
        let [bins, finer_bins] = tables;
        // As fine as the sample is, and no finer: bins are cleared and looked through.
        let bits = (self.price.len().ilog2() - 2).min(BIN_BITS);
        let narrow = all >> (bits / 2 + 2);
        let shift = self.weigh(least, most, bins, bits);
        let bin_of = |target: i64, finer_bins: &mut [i64; BINS]| {
            let (bin, below) = bin_reaching(&bins[..1 << bits], 0, target)?;
            let mut found = Bin::of(least, most, bin, shift, below, bins[bin]);
            // Among ever narrower bins, until one weighs little.
            while found.reached - found.below > narrow && found.first < found.last {
                let (first, last) = (found.first, found.last);
                let shift = self.weigh(first, last, finer_bins, bits);
                let (bin, below) = bin_reaching(&finer_bins[..1 << bits], found.below, target)?;
                found = Bin::of(first, last, bin, shift, below, finer_bins[bin]);
            }
            Some(found)
        };
        let middle = bin_of(bids, finer_bins)?;
        let guess = i32::midpoint(middle.first, middle.last);
        let margin = self.margin(guess);
        if bids <= margin || bids + margin >= all {
            return None; // an end that no order of the sample marks
        }
        let (low, high) = (bin_of(bids - margin, finer_bins)?, bin_of(bids + margin, finer_bins)?);
        let price = |at: i32| self.base + i64::from(at);
        let cut = Cut { first: price(low.first), guess: price(guess), last: price(high.last) };
        let is_help = high.reached - low.below <= all / INSIDE_MOST || cut.first == cut.last;
        let is_exact = low.first > i32::MIN + 1 && high.last < i32::MAX; // there, prices further off would be counted
        (is_help && is_exact && cut.last - cut.first <= SPAN_MOST).then_some(cut)
    }

    /// Prices, in ascending order, between which the book's quantile all but surely lies.
    pub fn pivots(&self, tables: &mut Tables) -> [i64; PIVOTS] {
        let Spread { least, most, bid_quantity: bids, .. } = simd::spread(&self.price, &self.quantity);
        let bins = &mut tables[0];
        let bits = self.price.len().ilog2().min(BIN_BITS);
        let shift = self.weigh(least, most, bins, bits);
        let last_of = |bin: usize| Bin::of(least, most, bin, shift, 0, 0).last;
        let end = (1 << bits) - 1;
        let deviation = self.deviation(last_of(bin_reaching(&bins[..=end], 0, bids).map_or(end, |(bin, _)| bin)));
        let (mut bin, mut reached) = (0, bins[0]);
        PIVOT_TENTHS.map(|tenths| {
            let target = bids + (deviation * i128::from(tenths) / 10) as i64;
            while reached < target && bin < end {
                bin += 1;
                reached += bins[bin];
            }
            self.base + i64::from(last_of(bin))
        })
    }

    /// How far W at `guess`, less the bids' total, may be off.
    fn margin(&self, guess: i32) -> i64 {
        (self.deviation(guess) * DEVIATION_TENTHS / 10) as i64 + 1
    }

    /// Its standard deviation: from the spread of blocks, so that it is honest about books whose neighbours are alike.
    fn deviation(&self, guess: i32) -> i128 {
        let (sum, squares) = simd::scatter(&self.price, &self.quantity, guess);
        let variance = squares - sum * sum / self.starts.len() as i128;
        variance.max(0).isqrt()
    }

    /// Weighs the orders priced `first..=last` into `2^bits` bins, and returns how wide these are.
    fn weigh(&self, first: i32, last: i32, bins: &mut [i64; BINS], bits: u32) -> u32 {
        let span = last.wrapping_sub(first) as u32;
        let shift = shift_for(span, bits);
        bins[..1 << bits].fill(0);
        for (&price, &quantity) in self.price.iter().zip(&self.quantity) {
            let above = price.wrapping_sub(first) as u32; // of a price below `first`: more than any span
            let counts = i64::from(above <= span).wrapping_neg();
            let bin = &mut bins[(above >> shift) as usize % BINS];
            *bin = bin.wrapping_add(i64::from(quantity.unsigned_abs()) & counts);
        }
        shift
    }
}

/// A range of prices of the sample.
struct Bin {
    first: i32,
    last: i32,
    /// W of the sample just below it.
    below: i64,
    /// W of the sample at its last price.
    reached: i64,
}

impl Bin {
    /// The nth of the bins of a width that lie over `first..=last`.
    fn of(first: i32, last: i32, nth: usize, shift: u32, below: i64, weight: i64) -> Self {
        let first = first.wrapping_add((nth << shift) as i32);
        let width = (1_u32 << shift) - 1;
        let last = if (last.wrapping_sub(first) as u32) < width { last } else { first.wrapping_add(width as i32) };
        Self { first, last, below, reached: below + weight }
    }
}

/// Blocks that find the bracket of a book of so many orders. With m orders drawn, candidates number about 4 n ÷ √m, so
/// that what the next order drawn saves on them equals its own cost, much like a candidate's, where m is about 2 n^⅔.
pub(super) fn blocks_for(n: usize) -> usize {
    let log2 = (2 * n.ilog2() + 1) / 3 + 1;
    (1_usize << log2).clamp(512, n) / SAMPLE_BLOCK
}
