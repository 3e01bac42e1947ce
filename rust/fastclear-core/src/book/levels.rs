//! The prices of a market that have orders, over the whole range of prices.
//!
//! Sixty-four ticks that follow each other are a leaf, with a bit a tick; a leaf is there while one of its ticks has
//! orders. Which leaf a price is in is remembered for the leaves that were last asked for, so that the tree of leaves is
//! looked into only where a leaf comes, goes, or is left for the next one. Both sides stand in one ladder: every bid is
//! below every ask, so that the next price of a side is the next one that has orders at all.

use std::collections::BTreeMap;

use crate::order::BUY;

use super::ladder::NO_NODE;

/// A level that is none.
pub(super) const NO_LEVEL: u32 = u32::MAX;
/// Ticks a leaf.
const TICKS: usize = 64;
/// Leaves that are remembered.
const REMEMBERED: usize = 64;
/// The number of a leaf that is none: there are 2²⁶.
const NO_LEAF: u32 = u32::MAX;

/// The orders of one price.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    pub first: u32,
    pub last: u32,
    /// Their open lots.
    pub lots: u64,
}

const EMPTY: Chain = Chain { first: NO_NODE, last: NO_NODE, lots: 0 };

#[derive(Clone, Copy, Debug)]
struct Leaf {
    /// Ticks that have orders.
    used: u64,
    /// Its ticks, without the last six bits.
    number: u32,
}

/// Levels by price. A level is the place of a leaf times 64 and the tick inside it.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    leaves: Vec<Leaf>,
    /// Of all leaves, side by side.
    chains: Vec<Chain>,
    free: Vec<u32>,
    /// Place of every leaf that has orders, by number.
    by_number: BTreeMap<u32, u32>,
    /// Number and place of a leaf, by the last bits of its number.
    remembered: Box<[(u32, u32); REMEMBERED]>,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            leaves: Vec::new(),
            chains: Vec::new(),
            free: Vec::new(),
            by_number: BTreeMap::new(),
            remembered: Box::new([(NO_LEAF, 0); REMEMBERED]),
        }
    }
}

/// Prices as numbers that ascend from 0.
#[inline]
fn ascending(price: i32) -> u32 {
    price as u32 ^ (1 << 31)
}

/// Number of the leaf of a price, and its tick there.
#[inline(always)]
fn split(price: i32) -> (u32, u32) {
    let ascending = ascending(price);
    (ascending >> 6, ascending % TICKS as u32)
}

#[inline(always)]
fn price_in(leaf: &Leaf, tick: u32) -> i32 {
    (((leaf.number << 6) | tick) ^ (1 << 31)) as i32
}

#[inline(always)]
fn price_of(leaves: &[Leaf], level: u32) -> i32 {
    price_in(&leaves[level as usize / TICKS], level % TICKS as u32)
}

impl Levels {
    /// What there is, to be worked on: no leaf comes.
    #[inline(always)]
    pub fn at_hand(&mut self) -> LevelsAtHand<'_> {
        let Self { leaves, chains, free, by_number, remembered } = self;
        LevelsAtHand { leaves, chains, free, by_number, remembered }
    }

    #[inline(always)]
    pub fn chain(&self, level: u32) -> &Chain {
        &self.chains[level as usize]
    }

    /// The price of a level.
    #[inline(always)]
    pub fn price(&self, level: u32) -> i32 {
        price_of(&self.leaves, level)
    }

    /// The level of a price to which an order is about to be put.
    #[inline(always)]
    pub fn at(&mut self, price: i32) -> u32 {
        let (number, tick) = split(price);
        let (known, mut place) = self.remembered[number as usize % REMEMBERED];
        if known != number {
            place = self.leaf(number);
        }
        self.leaves[place as usize].used |= 1 << tick;
        place * TICKS as u32 + tick
    }

    #[cold]
    #[inline(never)]
    fn leaf(&mut self, number: u32) -> u32 {
        let place = if let Some(&place) = self.by_number.get(&number) {
            place
        } else {
            let place = if let Some(place) = self.free.pop() {
                self.leaves[place as usize].number = number;
                place
            } else {
                self.leaves.push(Leaf { used: 0, number });
                self.chains.resize(self.leaves.len() * TICKS, EMPTY);
                self.leaves.len() as u32 - 1
            };
            self.by_number.insert(number, place);
            place
        };
        self.remembered[number as usize % REMEMBERED] = (number, place);
        place
    }

    /// The next worse price of a side that has orders, and its level.
    #[inline(always)]
    pub fn next(&self, side: u8, level: u32) -> Option<(i32, u32)> {
        next(&self.leaves, &self.by_number, side, level)
    }
}

/// Levels piece by piece, so that no piece is looked for again while they are worked on.
pub(super) struct LevelsAtHand<'a> {
    leaves: &'a mut [Leaf],
    chains: &'a mut [Chain],
    free: &'a mut Vec<u32>,
    by_number: &'a mut BTreeMap<u32, u32>,
    remembered: &'a mut [(u32, u32); REMEMBERED],
}

impl LevelsAtHand<'_> {
    #[inline(always)]
    pub fn chain_mut(&mut self, level: u32) -> &mut Chain {
        &mut self.chains[level as usize]
    }

    /// The price of a level.
    #[inline(always)]
    pub fn price(&self, level: u32) -> i32 {
        price_of(self.leaves, level)
    }

    /// The level of a price, if its leaf is remembered.
    #[inline(always)]
    pub fn known(&self, price: i32) -> Option<u32> {
        let (number, tick) = split(price);
        let (known, place) = self.remembered[number as usize % REMEMBERED];
        (known == number).then_some(place << TICKS.ilog2() | tick)
    }

    /// Says that a level has orders.
    #[inline(always)]
    pub fn fill(&mut self, level: u32) {
        self.leaves[level as usize / TICKS].used |= 1 << (level % TICKS as u32);
    }

    /// The next worse price of a side that has orders, and its level.
    #[inline(always)]
    pub fn next(&self, side: u8, level: u32) -> Option<(i32, u32)> {
        next(self.leaves, self.by_number, side, level)
    }

    /// Says that the last order of a level is gone.
    #[inline(always)]
    pub fn empty(&mut self, level: u32) {
        let place = level as usize / TICKS;
        let leaf = &mut self.leaves[place];
        leaf.used &= !(1 << (level % TICKS as u32));
        if leaf.used == 0 {
            forget(self.by_number, self.free, self.remembered, leaf.number, place as u32);
        }
    }
}

#[cold]
#[inline(never)]
fn forget(
    by_number: &mut BTreeMap<u32, u32>,
    free: &mut Vec<u32>,
    remembered: &mut [(u32, u32); REMEMBERED],
    number: u32,
    place: u32,
) {
    by_number.remove(&number);
    free.push(place);
    let remembered = &mut remembered[number as usize % REMEMBERED];
    if remembered.0 == number {
        remembered.0 = NO_LEAF;
    }
}

#[inline(always)]
fn next(leaves: &[Leaf], by_number: &BTreeMap<u32, u32>, side: u8, level: u32) -> Option<(i32, u32)> {
    let (place, tick) = (level as usize / TICKS, level % TICKS as u32);
    let leaf = &leaves[place];
    let worse = leaf.used & if side == BUY { (1 << tick) - 1 } else { !1 << tick };
    if worse == 0 {
        return next_leaf(leaves, by_number, side, leaf.number);
    }
    let tick = nearest(side, worse);
    Some((price_in(leaf, tick), place as u32 * TICKS as u32 + tick))
}

#[cold]
#[inline(never)]
fn next_leaf(leaves: &[Leaf], by_number: &BTreeMap<u32, u32>, side: u8, number: u32) -> Option<(i32, u32)> {
    let (_, &place) =
        if side == BUY { by_number.range(..number).next_back()? } else { by_number.range(number + 1..).next()? };
    let leaf = &leaves[place as usize];
    let tick = nearest(side, leaf.used);
    Some((price_in(leaf, tick), place * TICKS as u32 + tick))
}

/// The best of the ticks of a side.
#[inline]
fn nearest(side: u8, ticks: u64) -> u32 {
    if side == BUY { ticks.ilog2() } else { ticks.trailing_zeros() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prices at both ends, on both sides of a leaf's end, and far apart.
    #[test]
    fn the_next_price_is_found_on_both_sides() {
        let prices = [-i32::MAX, -i32::MAX + 1, -65, -64, -63, -1, 0, 1, 63, 64, 4095, 4096, 1 << 20, i32::MAX];
        let mut levels = Levels::default();
        for &price in &prices {
            let level = levels.at(price);
            assert_eq!(levels.price(level), price);
        }
        for pair in prices.windows(2) {
            let (low, high) = (levels.at(pair[0]), levels.at(pair[1]));
            assert_eq!(levels.next(0, low), Some((pair[1], high)));
            assert_eq!(levels.next(1, high), Some((pair[0], low)));
        }
        let (first, last) = (levels.at(-i32::MAX), levels.at(i32::MAX));
        assert_eq!((levels.next(1, first), levels.next(0, last)), (None, None));
        for &price in &prices[1..prices.len() - 1] {
            let level = levels.at(price);
            levels.at_hand().empty(level);
        }
        let (first, last) = (levels.at(-i32::MAX), levels.at(i32::MAX));
        assert_eq!(levels.next(0, first), Some((i32::MAX, last)));
        assert_eq!((levels.by_number.len(), levels.leaves.len() - levels.free.len()), (2, 2));
    }
}
