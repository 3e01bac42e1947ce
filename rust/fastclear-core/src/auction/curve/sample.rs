//! A few orders out of many, and what they say of the quantile.

use super::level::{BIN_BITS, bin_reaching, shift_for};
use super::scratch::Tables;
use crate::auction::book::{Book, Number};
use crate::simd::{self, BINS, Cut, PIVOTS, SAMPLE_BLOCK, SMALL_QUANTITY, Spread};

/// Tenths of a standard deviation between the sample's quantile and either end of the bracket: one in a hundred misses,
/// and costs less than more candidates in all the others would.
const DEVIATION_TENTHS: i128 = 26;
/// Tenths of a standard deviation between the sample's quantile and each of the pivots: close where it most often lies, and
/// so far out at the ends that next to nothing misses.
const PIVOT_TENTHS: [i64; PIVOTS] = [-38, -24, -13, -4, 4, 13, 24, 38];
/// How far pivots lie from the sample's quantile where nobody knows how far off that is: parts in 64 of all that is asked
/// and offered, ever wider.
const WIDE_PIVOT_PARTS: [i64; PIVOTS] = [-26, -10, -4, -1, 1, 4, 10, 26];
/// A bracket that holds more than one part in so many of the sample is no help, unless it is one price.
const INSIDE_MOST: i64 = 4;
/// The same of a sample whose quantities are heavy-tailed, which says less of how far off it is.
const INSIDE_MOST_HEAVY: i64 = 8;
/// Quantities are heavy-tailed where the square of the largest is more than one part in so many of what squares of so many
/// orders add up to at least.
const LEAD: i128 = 4;
/// One order in so many is among the large ones that a sample of heavy-tailed quantities cuts down.
const LARGE: usize = 128;
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
    /// Quantities without their sides, when the large ones are looked for.
    by_size: Vec<u32>,
    /// About the largest quantity of the book.
    largest: i64,
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

    /// The bracket in which the quantile of a book of `orders` all but surely lies; `None` where too much of the sample does,
    /// too.
    pub fn cut(&mut self, orders: usize, tables: &mut Tables) -> Option<Cut> {
        let mut spread = simd::spread(&self.price, &self.quantity);
        let drawn_of = (orders / self.price.len()).isqrt();
        self.largest = spread.largest * drawn_of as i64;
        let (mut inside_most, mut tail) = (INSIDE_MOST, 0);
        if i128::from(spread.largest).pow(2) * LEAD * self.price.len() as i128 > i128::from(spread.quantity).pow(2) {
            // What is cut off the few that would decide adds to the book's spread, more than in proportion to its length:
            // the longer the list, the further its tail reaches.
            tail = self.cut_down() / drawn_of as i128;
            if self.has_small_quantities() {
                inside_most = INSIDE_MOST_HEAVY;
            }
            spread = simd::spread(&self.price, &self.quantity);
        }
        let mut quantiles = Quantiles::new(self, spread, tables);
        let Spread { bid_quantity: bids, quantity: all, .. } = spread;
        let middle = quantiles.reaching(bids)?;
        let guess = i32::midpoint(middle.first, middle.last);
        let margin = ((self.variance(guess) + tail).isqrt() * DEVIATION_TENTHS / 10) as i64 + 1;
        if bids <= margin || bids + margin >= all {
            return None; // an end that no order of the sample marks
        }
        let (low, high) = (quantiles.reaching(bids - margin)?, quantiles.reaching(bids + margin)?);
        let price = |at: i32| self.base + i64::from(at);
        let cut = Cut { first: price(low.first), guess: price(guess), last: price(high.last) };
        let is_help = high.reached - low.below <= all / inside_most || cut.first == cut.last;
        let is_exact = low.first > i32::MIN + 1 && high.last < i32::MAX; // there, prices further off would be counted
        (is_help && is_exact && cut.last - cut.first <= SPAN_MOST).then_some(cut)
    }

    /// Whether a book of such quantities can be weighed at a few prices, as far as a sample tells.
    const fn has_small_quantities(&self) -> bool {
        self.largest < SMALL_QUANTITY as i64
    }

    /// Prices, in ascending order, that lie around the book's quantile however far off the sample's is. A price at which
    /// several of them would lie is marked off on either side. `None` where it does not pay to weigh the book at them.
    ///
    /// To be asked for after [`Self::cut`].
    pub fn wide_pivots(&self, tables: &mut Tables) -> Option<[i64; PIVOTS]> {
        let spread = simd::spread(&self.price, &self.quantity);
        let Spread { bid_quantity: bids, quantity: all, .. } = spread;
        if bids == 0 || bids == all || !self.has_small_quantities() {
            return None;
        }
        let mut quantiles = Quantiles::new(self, spread, tables);
        let mut pivots = [0; PIVOTS];
        let mut before = None;
        for (nth, parts) in WIDE_PIVOT_PARTS.into_iter().enumerate() {
            let Bin { first, last, .. } = quantiles.reaching((bids + (all >> 6) * parts).clamp(1, all))?;
            if before == Some((first, last)) && (nth == 1 || pivots[nth - 2] < pivots[nth - 1]) {
                pivots[nth - 1] = self.base + i64::from(first) - 1;
            }
            pivots[nth] = self.base + i64::from(last);
            before = Some((first, last));
        }
        Some(pivots)
    }

    /// Prices, in ascending order, between which the book's quantile all but surely lies.
    pub fn pivots(&self, tables: &mut Tables) -> [i64; PIVOTS] {
        let Spread { least, most, bid_quantity: bids, .. } = simd::spread(&self.price, &self.quantity);
        let bins = &mut tables[0];
        let bits = self.price.len().ilog2().min(BIN_BITS);
        let shift = self.weigh(least, most, bins, bits);
        let last_of = |bin: usize| Bin::of(least, most, bin, shift, 0, 0).last;
        let end = (1 << bits) - 1;
        let guess = last_of(bin_reaching(&bins[..=end], 0, bids).map_or(end, |(bin, _)| bin));
        let deviation = self.variance(guess).isqrt();
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

    /// Variance of W at `guess`, less the bids' total: from the spread of blocks, so that it is honest about books whose
    /// neighbours are alike.
    fn variance(&self, guess: i32) -> i128 {
        let (sum, squares) = simd::scatter(&self.price, &self.quantity, guess);
        (squares - sum * sum / self.starts.len() as i128).max(0)
    }

    /// Cuts the largest quantities down to that of the least of them, and says how much that takes off the variance.
    fn cut_down(&mut self) -> i128 {
        let Self { quantity, by_size, .. } = self;
        by_size.clear();
        by_size.extend(quantity.iter().map(|signed| signed.unsigned_abs()));
        let large = by_size.len() / LARGE;
        let (larger, &mut most, _) = by_size.select_nth_unstable_by(large, |a, b| b.cmp(a));
        // Of an order, half the time the quantity counts at or below the quantile or for a bid, and not both.
        let off = larger.iter().map(|&size| i128::from(size - most).pow(2)).sum::<i128>() / 2;
        for signed in quantity {
            *signed = (*signed).clamp(-(most as i32), most as i32);
        }
        off
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

/// Looks up at which prices a sample reaches a weight.
struct Quantiles<'a> {
    sample: &'a Sample,
    spread: Spread,
    tables: &'a mut Tables,
    /// Number of bins as a power of two, and their width.
    bits: u32,
    shift: u32,
}

impl<'a> Quantiles<'a> {
    fn new(sample: &'a Sample, spread: Spread, tables: &'a mut Tables) -> Self {
        // As fine as the sample is, and no finer: bins are cleared and looked through.
        let bits = (sample.price.len().ilog2() - 2).min(BIN_BITS);
        let shift = sample.weigh(spread.least, spread.most, &mut tables[0], bits);
        Self { sample, spread, tables, bits, shift }
    }

    /// The range of prices in which the sample first weighs as much as `target`.
    fn reaching(&mut self, target: i64) -> Option<Bin> {
        let Self { sample, spread: Spread { least, most, quantity, .. }, bits, shift, .. } = *self;
        let [bins, finer_bins] = &mut *self.tables;
        let narrow = quantity >> (bits / 2 + 2);
        let (bin, below) = bin_reaching(&bins[..1 << bits], 0, target)?;
        let mut found = Bin::of(least, most, bin, shift, below, bins[bin]);
        // Among ever narrower bins, until one weighs little.
        while found.reached - found.below > narrow && found.first < found.last {
            let (first, last) = (found.first, found.last);
            let shift = sample.weigh(first, last, finer_bins, bits);
            let (bin, below) = bin_reaching(&finer_bins[..1 << bits], found.below, target)?;
            found = Bin::of(first, last, bin, shift, below, finer_bins[bin]);
        }
        Some(found)
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
