//! The winners of one side in price priority.
//!
//! Winners come in row order, so that a stable sort by price alone puts ties in row order, too. Where prices are few they
//! are counted, and each winner is written to its place: one pass over the winners and one over the book's prices. Where
//! they are many, the same pass deals winners to ranges of prices, each of which then fits the first cache and is dealt
//! again, until hardly two winners share a range; what is left is put right by insertion.

use crate::auction::book::Priority;
use crate::simd::{Picks, Winner, bounds, prefetch_ahead};

/// Bits of a price dealt by at once, and the most levels counted at once.
const DIGIT: u32 = 11;
const LEVEL_BITS: u32 = 12;
/// Winners up to which a comparison sort beats counting.
const FEW: usize = 64;
/// Winners of a range up to which insertion beats dealing them again.
const HANDFUL: usize = 16;
/// Winners of a range whose memory is asked for ahead: no processor follows so many ranges by itself.
const AHEAD: usize = 16;

/// Where a winner stands in price priority.
const fn rank(winner: &Winner) -> u64 {
    (winner.distance as u64) << 32 | winner.position as u64
}

/// The winners of one side.
#[derive(Debug, Default)]
pub struct Side {
    best: i32,
    /// Best first, then two of nothing; what lies behind is of no meaning.
    winners: Vec<Winner>,
    count: usize,
    other: Vec<Winner>,
    counts: [Vec<u32>; 2],
}

impl Side {
    /// The best limit.
    pub fn best(&self) -> i64 {
        self.best.into()
    }

    /// Winners, and two more behind the last, of nothing, for who looks ahead.
    pub fn winners(&self) -> &[Winner] {
        &self.winners[..self.count + 2]
    }

    /// Bytes that it holds.
    pub const fn bytes(&self) -> usize {
        12 * (self.winners.capacity() + self.other.capacity())
    }

    /// Puts winners in price priority: highest limit first where they are bids, else lowest; ties by `priority`.
    pub fn rank<const BIDS: bool>(&mut self, picks: &Picks, priority: &Priority<'_>) {
        let book = picks.book();
        let (least, most) = bounds(book.price);
        self.best = if BIDS { most } else { least };
        self.count = picks.len();
        if self.winners.len() < self.count + 2 {
            self.winners.reserve_exact(self.count + 2 - self.winners.len());
            self.winners.resize(self.count + 2, Winner::default());
        }
        self.winners[self.count..self.count + 2].fill(Winner::default());
        if self.count == 0 {
            return;
        }
        let bits = u32::BITS - most.abs_diff(least).leading_zeros();
        self.deal::<BIDS>(picks, bits);
        if !priority.is_position() {
            let levels = self.winners[..self.count].chunk_by_mut(|a, b| a.distance == b.distance);
            for level in levels.filter(|level| level.len() > 1) {
                level.sort_unstable_by_key(|winner| priority.key(winner.position as usize));
            }
        }
    }

    /// Sorts winners whose distances have so many bits.
    fn deal<const BIDS: bool>(&mut self, picks: &Picks, bits: u32) {
        let Self { best, winners, count, other, counts: [counts, counts_within] } = self;
        let winners = &mut winners[..*count];
        let (book, positions) = (picks.book(), picks.positions());
        let distance = |price: i32| if BIDS { best.wrapping_sub(price) } else { price.wrapping_sub(*best) } as u32;
        let picked = || {
            book.price.iter().zip(book.quantity).zip(positions).map(|((&price, &quantity), &position)| Winner {
                distance: distance(price),
                position,
                quantity: quantity as u32,
            })
        };
        if picks.len() <= FEW {
            for (to, winner) in winners.iter_mut().zip(picked()) {
                *to = winner;
            }
            winners.sort_unstable_by_key(rank);
            return;
        }
        // More counters than that for so many winners cost more than a second pass.
        let log = picks.len().ilog2();
        let digit = if bits <= LEVEL_BITS.min(log + 3) { bits } else { DIGIT.min(log + 1) };
        let shift = bits - digit;
        counts.clear();
        counts.resize(1 << digit, 0);
        for &price in book.price {
            let count = &mut counts[(distance(price) >> shift) as usize];
            *count = count.wrapping_add(1); // fewer than 2³⁰ winners
        }
        starts(counts);
        for winner in picked() {
            let place = &mut counts[(winner.distance >> shift) as usize];
            winners[*place as usize] = winner;
            prefetch_ahead(winners, *place as usize + AHEAD);
            *place = place.wrapping_add(1);
        }
        if shift > 0 {
            let mut start = 0;
            for &end in &*counts {
                // Each place has moved on to where its range ends.
                sort(&mut winners[start..end as usize], shift, other, counts_within);
                start = end as usize;
            }
        }
    }
}

/// Sorts winners whose distances differ in the lowest `bits` alone, if at all.
fn sort(winners: &mut [Winner], bits: u32, other: &mut Vec<Winner>, counts: &mut Vec<u32>) {
    if winners.len() <= HANDFUL || bits == 0 {
        insert(winners, bits);
        return;
    }
    let digit = DIGIT.min(winners.len().ilog2() + 1).min(bits);
    let shift = bits - digit;
    let range = |winner: &Winner| (winner.distance >> shift) as usize & ((1 << digit) - 1);
    counts.clear();
    counts.resize(1 << digit, 0);
    for winner in &*winners {
        let count = &mut counts[range(winner)];
        *count = count.wrapping_add(1);
    }
    let most = starts(counts);
    if other.len() < winners.len() {
        other.resize(winners.len(), Winner::default());
    }
    let dealt = &mut other[..winners.len()];
    for winner in &*winners {
        let place = &mut counts[range(winner)];
        dealt[*place as usize] = *winner;
        *place = place.wrapping_add(1);
    }
    winners.copy_from_slice(dealt);
    if most as usize > HANDFUL {
        for range in winners.chunk_by_mut(|a, b| range(a) == range(b)) {
            sort(range, shift, other, counts);
        }
    } else {
        insert(winners, shift);
    }
}

/// Sorts winners of which none stands far from its place; they are sorted already where no bits differ.
fn insert(winners: &mut [Winner], bits: u32) {
    if bits == 0 {
        return;
    }
    for nth in 1..winners.len() {
        let winner = winners[nth];
        let mut place = nth;
        while place > 0 && winners[place - 1].distance > winner.distance {
            winners[place] = winners[place - 1];
            place -= 1;
        }
        winners[place] = winner;
    }
}

/// Turns counts into the places where their runs start; gives the largest count.
fn starts(counts: &mut [u32]) -> u32 {
    let (mut start, mut most) = (0_u32, 0);
    for count in counts {
        most = most.max(*count);
        start = start.wrapping_add(std::mem::replace(count, start)); // fewer than 2³⁰ winners
    }
    most
}
