//! Whom a winner keeps out: the best units of others that would trade in its place, and what it is due for them.
//!
//! A winner of x lots keeps out x lots at most, so that only the best few units are ever looked at: the levels nearest to
//! the crossing. In a large book a sample tells how far to reach. What is due is linear in lots within a level, so that a
//! table of steps answers for every order at once.

use super::book::{Book, Number};
use super::sort;
use crate::simd::{self, Units};
use crate::units::{PRICE_MAX, QUANTITY_MAX};

/// Orders from which on it pays to ask a sample how far to reach.
pub const SAMPLED_FROM: usize = 1 << 12;
/// Orders in a sample.
pub const SAMPLE: usize = 1 << 10;
/// Levels that are looked for one by one in a smaller book.
const LEVELS: usize = 16;
/// Buckets of quantities that point to a step.
const BUCKETS: usize = 1 << 10;

/// Units of one price.
#[derive(Clone, Copy, Debug)]
struct Level {
    price: i64,
    /// What is due for one of its units.
    unit_due: i64,
    /// Lots before this level.
    lots_before: i64,
    /// What is due for these.
    due_before: i128,
}

/// A level as orders of one agent look it up: none wins more than [`QUANTITY_MAX`] lots, so that 64 bits are enough.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Lots up to the end of the level.
    end: i64,
    lots_before: i64,
    unit_due: i64,
    due_before: i64,
}

/// Units in order of how much they are displaced, best first.
#[derive(Debug, Default)]
pub struct Displaced {
    words: Vec<u64>,
    other: Vec<u64>,
    levels: Vec<Level>,
    /// Lots that are listed, and what is due for all of them.
    lots: i64,
    due: i128,
    /// What is due for a unit where there is nobody to keep out.
    due_for_none: i64,
    /// Whether all units are in the list, and not just the best.
    is_whole: bool,
    highest_first: bool,
    steps: Vec<Step>,
    /// The step of the first lot in a bucket of `2^shift` lots.
    buckets: Vec<u32>,
    shift: u32,
}

/// Price above lots in one word, the best first.
const LOTS_BITS: u32 = 31;
const LOTS: u64 = (1 << LOTS_BITS) - 1;

/// Which units are listed, and what is due for one.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    pub units: Units,
    /// What is due for a unit, over its price.
    pub price_factor: i64,
    /// What is due for a unit where there is nobody to keep out.
    pub due_for_none: i64,
}

impl Displaced {
    /// Lists nobody: every unit is due the same.
    pub fn list_none(&mut self, due_for_none: i64) {
        self.restart(due_for_none, true);
        self.is_whole = true;
        self.make_steps();
    }

    fn restart(&mut self, due_for_none: i64, highest_first: bool) {
        (self.lots, self.due, self.due_for_none) = (0, 0, due_for_none);
        self.highest_first = highest_first;
        self.levels.clear();
    }

    /// Lists at least the `depth` best units of a small book, one level after the other, or all.
    pub fn list_levels<P: Number, Q: Number>(
        &mut self,
        book: &Book<'_, P, Q>,
        filled: &[i64],
        listing: &Listing,
        depth: i64,
    ) {
        self.restart(listing.due_for_none, listing.units.highest_first);
        let mut levels = [(0, 0); LEVELS];
        let found = simd::nearest_levels(book, filled, listing.units, depth, &mut levels);
        for &(price, lots) in &levels[..found] {
            self.push(price, listing.price_factor * price, lots);
        }
        if self.lots < depth && found == LEVELS {
            self.list_of(book, filled, listing, 0..book.len(), depth);
            return;
        }
        self.is_whole = self.lots < depth;
        self.make_steps();
    }

    /// Lists at least the `depth` best units of a large book, if they are among those of `orders`; all if these are all.
    pub fn list_of<P: Number, Q: Number>(
        &mut self,
        book: &Book<'_, P, Q>,
        filled: &[i64],
        listing: &Listing,
        orders: impl ExactSizeIterator<Item = usize>,
        depth: i64,
    ) {
        self.restart(listing.due_for_none, listing.units.highest_first);
        self.is_whole = orders.len() == book.len();
        self.collect(orders, book, filled, listing.units);
        let mut words = std::mem::take(&mut self.words);
        sort::by_price(&mut words, &mut self.other);
        for level in words.chunk_by(|a, b| a >> LOTS_BITS == b >> LOTS_BITS) {
            if self.lots >= depth {
                self.is_whole = false;
                break;
            }
            let price = self.price(level[0] >> LOTS_BITS);
            self.push(price, listing.price_factor * price, level.iter().map(|word| (word & LOTS) as i64).sum());
        }
        self.words = words;
        self.make_steps();
    }

    /// A price, the farthest from the level of the listing, up to which likely lie several times `depth` lots; `None` where
    /// that takes all.
    pub fn sampled_end<P: Number, Q: Number>(
        &mut self,
        book: &Book<'_, P, Q>,
        filled: &[i64],
        listing: &Listing,
        depth: i64,
    ) -> Option<i64> {
        let stride = book.len() / SAMPLE;
        self.highest_first = listing.units.highest_first;
        self.collect((0..book.len()).step_by(stride), book, filled, listing.units);
        self.words.sort_unstable();
        let enough = i128::from(depth) * 4 / stride as i128;
        let mut lots = 0;
        let last = self.words.iter().find(|&word| {
            lots += i128::from(word & LOTS);
            lots > enough
        });
        last.map(|word| self.price(word >> LOTS_BITS))
    }

    const fn price(&self, distance: u64) -> i64 {
        if self.highest_first { PRICE_MAX - distance as i64 } else { distance as i64 - PRICE_MAX }
    }

    /// Distance of a price from the best that there can be: less than 2³².
    const fn distance(&self, price: i64) -> u64 {
        (PRICE_MAX + if self.highest_first { -price } else { price }) as u64
    }

    /// The orders with units to list, as words.
    fn collect<P: Number, Q: Number>(
        &mut self,
        orders: impl Iterator<Item = usize>,
        book: &Book<'_, P, Q>,
        filled: &[i64],
        units: Units,
    ) {
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        words.extend(orders.filter_map(|i| {
            let lots = units.lots(book.side[i], book.quantity(i), filled[i]);
            (lots > 0).then(|| self.distance(book.competing_price(i)) << LOTS_BITS | lots as u64)
        }));
        self.words = words;
    }

    fn push(&mut self, price: i64, unit_due: i64, lots: i64) {
        self.levels.push(Level { price, unit_due, lots_before: self.lots, due_before: self.due });
        self.lots += lots;
        self.due += i128::from(unit_due) * i128::from(lots);
    }

    /// Makes the table by which orders are looked up.
    fn make_steps(&mut self) {
        self.steps.clear();
        let ends = self.levels.iter().skip(1).map(|level| level.lots_before).chain([self.lots]);
        for (level, end) in self.levels.iter().zip(ends) {
            let Level { unit_due, lots_before, due_before, .. } = *level;
            if lots_before >= QUANTITY_MAX {
                break;
            }
            self.steps.push(Step { end, lots_before, unit_due, due_before: due_before as i64 });
        }
        if self.lots < QUANTITY_MAX {
            // Nobody is kept out beyond the list, if it is whole; else nobody may ask.
            let (lots_before, unit_due, due_before) = (self.lots, self.due_for_none, self.due as i64);
            self.steps.push(Step { end: i64::MAX, lots_before, unit_due, due_before });
        }
        // Several buckets a step, so that most of them lie within one.
        let buckets = (8 * self.steps.len()).next_power_of_two().min(BUCKETS);
        let reach = QUANTITY_MAX.min(self.lots) as u64 + 1;
        self.shift = reach.next_power_of_two().ilog2().saturating_sub(buckets.ilog2());
        self.buckets.clear();
        let (mut step, last) = (0, self.steps.len() - 1);
        for bucket in 0..=buckets as i64 {
            while step < last && self.steps[step].end <= bucket << self.shift {
                step += 1;
            }
            self.buckets.push(step as u32);
        }
        self.buckets.push(step as u32);
    }

    /// Whether so many lots, and no more, may be asked for.
    pub const fn reaches(&self, lots: i64) -> bool {
        self.is_whole || lots <= self.lots
    }

    /// What is due for the first `lots` units: at most [`QUANTITY_MAX`], and as many as the list reaches.
    #[inline]
    pub fn due_for(&self, lots: i64) -> i64 {
        let bucket = ((lots >> self.shift) as usize).min(self.buckets.len() - 2);
        let (mut step, mut last) = (self.buckets[bucket] as usize, self.buckets[bucket + 1] as usize);
        while step < last {
            let middle = usize::midpoint(step, last);
            if self.steps[middle].end <= lots {
                step = middle + 1;
            } else {
                last = middle;
            }
        }
        let Step { lots_before, unit_due, due_before, .. } = self.steps[step];
        due_before + unit_due * (lots - lots_before)
    }

    /// What is due for the first `lots` units, passing over one's `own` (price and lots, best first). `None` where that takes
    /// more units than are listed.
    pub fn due_passing(&self, lots: i64, own: &[(i64, i64)]) -> Option<i128> {
        let (mut reach, mut own_lots, mut own_due) = (lots, 0, 0);
        // One's own units of a level are passed over together: as if they were its first.
        for mine in own.chunk_by(|a, b| a.0 == b.0) {
            let distance = self.distance(mine[0].0);
            let Ok(place) = self.levels.binary_search_by_key(&distance, |level| self.distance(level.price)) else {
                break; // beyond what is listed
            };
            let level = self.levels[place];
            if level.lots_before >= reach {
                break;
            }
            let here: i64 = mine.iter().map(|&(_, lots)| lots).sum();
            reach += here;
            own_lots += here;
            own_due += i128::from(level.unit_due) * i128::from(here);
        }
        if reach > self.lots {
            let none = lots - (self.lots - own_lots);
            return self.is_whole.then_some(self.due - own_due + i128::from(self.due_for_none) * i128::from(none));
        }
        let next = self.levels.partition_point(|level| level.lots_before < reach);
        let Some(level) = self.levels[..next].last() else {
            return Some(0); // nothing is asked for
        };
        Some(level.due_before + i128::from(level.unit_due) * i128::from(reach - level.lots_before) - own_due)
    }
}

#[cfg(test)]
mod tests {
    use super::{Displaced, LEVELS, Listing};
    use crate::auction::book::Book;
    use crate::simd::Units;

    /// Bids of which nothing is served.
    fn bids(list: &mut Displaced, orders: &[(i64, i64)], depth: i64) {
        let (price, quantity): (Vec<i64>, Vec<i64>) = orders.iter().copied().unzip();
        let book = Book { side: &vec![1; price.len()], price: &price, quantity: &quantity, fee: 0 };
        let units = Units { side: 1, with_others: true, highest_first: true };
        let listing = Listing { units, price_factor: 1, due_for_none: 1 };
        list.list_levels(&book, &vec![0; price.len()], &listing, depth);
    }

    #[test]
    fn passes_over_ones_own() {
        let mut list = Displaced::default();
        bids(&mut list, &[(7, 3), (9, 2), (4, 10), (5, 1)], i64::MAX);
        let due = |lots, own: &[(i64, i64)]| list.due_passing(lots, own).unwrap();
        assert_eq!(due(4, &[]), 18 + 14);
        assert_eq!(due(4, &[(7, 3)]), 18 + 5 + 4);
        assert_eq!(due(2, &[(7, 3)]), 18);
        assert_eq!(due(0, &[(9, 2)]), 0);
        assert_eq!(due(3, &[(9, 1), (7, 1), (7, 1)]), 9 + 7 + 5);
        assert_eq!(due(9, &[(4, 10)]), 18 + 21 + 5 + 3, "three units keep nobody out");
    }

    #[test]
    fn orders_and_agents_are_due_the_same() {
        let mut list = Displaced::default();
        for levels in [0, 1, 3, LEVELS - 1, LEVELS, LEVELS + 1, 500] {
            for lots in [1, 1000, (1 << 31) - 1] {
                let price = |i: usize| (i as i64 * 7919) % 10_007 - 5000;
                let orders: Vec<(i64, i64)> = (0..levels).map(|i| (price(i), 1 + (i as i64 * 31) % lots)).collect();
                for depth in [1, 5 * lots, i64::MAX] {
                    bids(&mut list, &orders, depth);
                    let all: i64 = orders.iter().map(|order| order.1).sum();
                    let steps = (0..64).map(|step| 1 + all / 64 * step).chain([1, 2, lots, all, all + 1]);
                    for asked in steps.filter(|&asked| asked < 1 << 31) {
                        assert_eq!(list.reaches(asked), list.due_passing(asked, &[]).is_some());
                        if asked <= depth {
                            assert_eq!(list.due_passing(asked, &[]), Some(list.due_for(asked).into()), "{asked}");
                        }
                    }
                }
            }
        }
    }
}
