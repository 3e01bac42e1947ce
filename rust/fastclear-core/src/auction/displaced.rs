//! Whom a winner keeps out: the best units of others that would trade in its place, by prefix sums over price levels.
//!
//! A winner of x lots keeps out x lots at most, so that only so many of the best are ever looked at: they are collected
//! in one pass, which a sample tells how far to reach, and only they are sorted.

use super::sort;
use crate::units::PRICE_MAX;

/// Which prices come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Best {
    /// The highest, as among bids.
    Highest,
    /// The lowest, as among asks.
    Lowest,
}

impl Best {
    /// How far a price is from the best that there can be: less than 2³².
    const fn distance(self, price: i64) -> u64 {
        (match self {
            Self::Highest => PRICE_MAX - price,
            Self::Lowest => PRICE_MAX + price,
        }) as u64
    }

    const fn price(self, distance: u64) -> i64 {
        match self {
            Self::Highest => PRICE_MAX - distance as i64,
            Self::Lowest => distance as i64 - PRICE_MAX,
        }
    }
}

/// Orders from which on it pays to ask a sample how far to reach.
const SAMPLED_FROM: usize = 1 << 12;
/// Orders in a sample.
const SAMPLE: usize = 1 << 10;

/// Units of one price.
#[derive(Clone, Copy, Debug)]
struct Level {
    distance: u64,
    price: i64,
    /// Quantity before this level.
    lots_before: i64,
    /// Value of what is before it.
    value_before: i128,
}

/// Units in order of how much they are displaced, best first.
#[derive(Debug, Default)]
pub struct Displaced {
    /// An order in one word: its distance from the best price above its lots.
    entries: Vec<u64>,
    other: Vec<u64>,
    levels: Vec<Level>,
    lots: i64,
    value: i128,
    /// Whether all units are in the list, and not just the best.
    is_whole: bool,
}

const LOTS_BITS: u32 = 31;

impl Displaced {
    /// Lists at least the `depth` best units of `rows` orders, of which `order(row)` gives price and lots (0 where an order
    /// is not to be listed), or all if there are fewer.
    pub fn list(&mut self, best: Best, rows: usize, depth: i64, order: impl Fn(usize) -> (i64, i64)) {
        let entry = |row: usize| {
            let (price, lots) = order(row);
            best.distance(price) << LOTS_BITS | lots as u64
        };
        let has_lots = |entry: u64| entry & ((1 << LOTS_BITS) - 1) > 0;
        let mut bound = u64::MAX;
        if rows >= SAMPLED_FROM {
            let stride = rows / SAMPLE;
            self.entries.clear();
            self.entries.extend((0..rows).step_by(stride).map(entry).filter(|&entry| has_lots(entry)));
            self.entries.sort_unstable();
            // Four times what is needed, so that the sample rarely falls short.
            let enough = i128::from(depth) * 4 / stride as i128;
            let mut lots = 0;
            let reached = self.entries.iter().position(|&entry| {
                lots += i128::from(entry & ((1 << LOTS_BITS) - 1));
                lots > enough
            });
            // A whole level more or less makes no difference to what a list says.
            bound = reached.map_or(u64::MAX, |place| self.entries[place] | ((1 << LOTS_BITS) - 1));
        }
        loop {
            self.entries.clear();
            self.entries.extend((0..rows).map(entry).filter(|&entry| entry <= bound && has_lots(entry)));
            self.add_up(best);
            self.is_whole = bound == u64::MAX;
            if self.is_whole || self.lots >= depth {
                return;
            }
            bound = u64::MAX;
        }
    }

    fn add_up(&mut self, best: Best) {
        sort::by_price(&mut self.entries, &mut self.other);
        self.levels.clear();
        (self.lots, self.value) = (0, 0);
        for level in self.entries.chunk_by(|a, b| a >> LOTS_BITS == b >> LOTS_BITS) {
            let distance = level[0] >> LOTS_BITS;
            let price = best.price(distance);
            self.levels.push(Level { distance, price, lots_before: self.lots, value_before: self.value });
            let lots: i64 = level.iter().map(|entry| (entry & ((1 << LOTS_BITS) - 1)) as i64).sum();
            self.lots += lots;
            self.value += i128::from(price) * i128::from(lots);
        }
    }

    /// Value of the first `lots` units, passing over one's `own` (price and lots, best first): of as many as there are,
    /// and how many that is. `None` where that takes more units than are listed.
    pub fn first(&self, best: Best, lots: i64, own: &[(i64, i64)]) -> Option<(i128, i64)> {
        let (mut reach, mut own_lots, mut own_value) = (lots, 0, 0);
        // One's own units of a level are passed over together: as if they were its first.
        for mine in own.chunk_by(|a, b| a.0 == b.0) {
            let price = mine[0].0;
            let distance = best.distance(price);
            let Ok(place) = self.levels.binary_search_by_key(&distance, |level| level.distance) else {
                break; // beyond what is listed
            };
            if self.levels[place].lots_before >= reach {
                break;
            }
            let here: i64 = mine.iter().map(|&(_, lots)| lots).sum();
            reach += here;
            own_lots += here;
            own_value += i128::from(price) * i128::from(here);
        }
        if reach >= self.lots {
            let is_enough = self.is_whole || reach == self.lots;
            return is_enough.then_some((self.value - own_value, self.lots - own_lots));
        }
        let next = self.levels.partition_point(|level| level.lots_before <= reach);
        let level = self.levels[next - 1];
        let part = i128::from(level.price) * i128::from(reach - level.lots_before);
        Some((level.value_before + part - own_value, lots))
    }
}

#[cfg(test)]
mod tests {
    use super::{Best, Displaced, SAMPLED_FROM};

    #[test]
    fn passes_over_ones_own() {
        let mut list = Displaced::default();
        let orders = [(7, 3), (9, 2), (4, 10), (5, 1), (8, 0)];
        list.list(Best::Highest, orders.len(), 0, |row| orders[row]);
        let first = |lots, own: &[(i64, i64)]| list.first(Best::Highest, lots, own).unwrap();
        assert_eq!(first(4, &[]), (18 + 14, 4));
        assert_eq!(first(4, &[(7, 3)]), (18 + 5 + 4, 4));
        assert_eq!(first(2, &[(7, 3)]), (18, 2));
        assert_eq!(first(0, &[(9, 2)]), (0, 0));
        assert_eq!(first(99, &[(4, 10)]), (18 + 21 + 5, 6));
        assert_eq!(first(3, &[(9, 1), (7, 1), (7, 1)]), (9 + 7 + 5, 3));
    }

    #[test]
    fn lists_no_more_than_it_must_and_says_so() {
        let orders = |row: usize| (row as i64 * 7919 % 10_007, 1);
        let rows = 2 * SAMPLED_FROM;
        let mut list = Displaced::default();
        list.list(Best::Lowest, rows, 5, orders);
        assert!(!list.is_whole && list.lots >= 5 && list.lots < rows as i64 / 2);
        let mut prices: Vec<i64> = (0..rows).map(|row| orders(row).0).collect();
        prices.sort_unstable();
        let value: i64 = prices[..5].iter().sum();
        assert_eq!(list.first(Best::Lowest, 5, &[]), Some((value.into(), 5)));
        assert_eq!(list.first(Best::Lowest, rows as i64 - 1, &[]), None);
        list.list(Best::Lowest, rows, i64::MAX, orders);
        assert_eq!(list.first(Best::Lowest, rows as i64 + 1, &[]).unwrap().1, rows as i64);
    }
}
