//! A market of a few dozen orders in one piece of memory.
//!
//! Orders stand where there was room. Each has a key, which is larger the sooner it is to trade, so that the first of a
//! side is the largest of [`SLOTS`] numbers that lie side by side: no order ever moves, and nothing is linked.

use crate::order::BUY;
use crate::simd;

use super::expiry::NEVER;
use super::layout::{Layout, Resting};

/// Orders a side that fit.
pub(super) const SLOTS: usize = simd::KEYS;
/// A side's slots as bits.
const ALL: u64 = (1 << SLOTS) - 1;
/// Arrivals from which on they are numbered anew.
const ARRIVALS_MAX: u32 = u32::MAX - 1;

#[derive(Clone, Copy, Debug, Default)]
struct Body {
    id: i64,
    quantity: u32,
    owner: u32,
}

/// The orders of a market of at most [`SLOTS`] a side.
///
/// What every command looks at is in the first line of the cache, and a side's keys are whole lines.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Small {
    /// Slots that have an order, by side.
    used: [u64; 2],
    /// Those whose order expires; of all others the expiry is never looked at.
    timed: [u64; 2],
    /// The first order of each side; meaningless where there is none.
    first: [u32; 2],
    /// Orders a side that are let in, at most [`SLOTS`].
    most: u32,
    /// Orders that came so far.
    arrivals: u32,
    /// Whose it is.
    pub market: u32,
    rest_of_line: [u32; 3],
    /// How good the price is, then how early the order came; 0 where there is none.
    keys: [[u64; SLOTS]; 2],
    bodies: [[Body; SLOTS]; 2],
    expiries: [[u32; SLOTS]; 2],
}

/// Turns a price into a number that grows as the price gets better for the other side, and back.
#[inline]
fn rank(side: u8, price: i32) -> u32 {
    let ascending = price as u32 ^ (1 << 31);
    if side == BUY { ascending } else { !ascending }
}

#[inline]
fn price(side: u8, key: u64) -> i32 {
    let rank = (key >> 32) as u32;
    ((if side == BUY { rank } else { !rank }) ^ (1 << 31)) as i32
}

#[inline]
fn slot(place: u32) -> (usize, usize) {
    ((place as usize / 64) & 1, place as usize % 64)
}

#[inline]
fn place(side: usize, slot: usize) -> u32 {
    (side * 64 + slot) as u32
}

impl Small {
    pub fn new(most: usize) -> Self {
        Self {
            used: [0; 2],
            timed: [0; 2],
            first: [0; 2],
            most: most.min(SLOTS) as u32,
            arrivals: 0,
            market: 0,
            rest_of_line: [0; 3],
            keys: [[0; SLOTS]; 2],
            bodies: [[Body::default(); SLOTS]; 2],
            expiries: [[0; SLOTS]; 2],
        }
    }

    pub fn clear(&mut self) {
        self.used = [0; 2];
        self.arrivals = 0;
        self.keys = [[0; SLOTS]; 2];
    }

    /// Asks for what a command about this place will touch to be fetched.
    #[inline]
    pub fn prefetch_place(&self, place: u32) {
        let (side, slot) = slot(place);
        simd::prefetch_place(&self.keys[side], slot);
        simd::prefetch_place(&self.bodies[side], slot);
    }

    /// Asks for what an order that comes in will touch to be fetched; `takes` says that it is there to trade.
    #[inline]
    pub fn prefetch_side(&self, side: u8, takes: bool) {
        let (side, other) = (usize::from(side & 1), usize::from(!side & 1));
        let first = self.first[other] as usize;
        simd::prefetch_place(&self.keys[other], first);
        if takes {
            simd::prefetch_place(&self.bodies[other], first);
            for line in 0..SLOTS / 8 {
                simd::prefetch_place(&self.keys[other], line * 8);
            }
        } else {
            let free = (!self.used[side] & ALL).trailing_zeros() as usize;
            simd::prefetch_place(&self.keys[side], free);
            simd::prefetch_place(&self.bodies[side], free);
            simd::prefetch_place(&self.keys[side], self.first[side] as usize);
        }
    }

    /// Whether an order of this id is in a place.
    #[inline]
    pub fn has(&self, place: u32, id: i64) -> bool {
        let (side, slot) = slot(place);
        slot < SLOTS && self.used[side] >> slot & 1 == 1 && self.bodies[side][slot].id == id
    }

    fn find_first(&mut self, side: usize) {
        self.first[side] = simd::largest_key(&self.keys[side]) as u32;
    }

    /// Slots of a side, first order to last.
    fn sorted(&self, side: usize) -> ([u64; SLOTS], usize) {
        let mut keys = [0; SLOTS];
        let mut n = 0;
        let mut left = self.used[side];
        while left != 0 {
            keys[n] = self.keys[side][left.trailing_zeros() as usize];
            left &= left - 1;
            n += 1;
        }
        keys[..n].sort_unstable_by(|one, other| other.cmp(one));
        (keys, n)
    }

    fn slot_of(&self, side: usize, key: u64) -> usize {
        self.keys[side].iter().position(|&other| other == key).unwrap_or(0)
    }

    /// Numbers all orders anew, from 0.
    #[cold]
    fn renumber(&mut self) {
        let mut arrivals = 0;
        for side in 0..2 {
            let (keys, n) = self.sorted(side);
            for &key in &keys[..n] {
                let slot = self.slot_of(side, key);
                // First to last, and upwards: no key becomes that of an order whose turn is yet to come.
                self.keys[side][slot] = (key >> 32 << 32) | u64::from(u32::MAX - arrivals);
                arrivals += 1;
            }
        }
        self.arrivals = arrivals;
    }
}

impl Layout for Small {
    #[inline(always)]
    fn best(&self, side: u8) -> Option<(i32, u32)> {
        let index = usize::from(side);
        if self.used[index] == 0 {
            return None;
        }
        let slot = self.first[index] as usize;
        Some((price(side, self.keys[index][slot]), place(index, slot)))
    }

    #[inline(always)]
    fn resting(&self, place: u32) -> Resting {
        let (side, slot) = slot(place);
        let Body { id, quantity, owner } = self.bodies[side][slot];
        let price = price(side as u8, self.keys[side][slot]);
        let expiry = if (self.timed[side] >> slot) & 1 == 0 { NEVER } else { self.expiries[side][slot] };
        Resting { id, price, quantity, owner, expiry }
    }

    #[inline(always)]
    fn side(&self, place: u32) -> u8 {
        slot(place).0 as u8
    }

    #[inline(always)]
    fn take(&mut self, place: u32, lots: u32) {
        let (side, slot) = slot(place);
        self.bodies[side][slot].quantity -= lots;
    }

    #[inline(always)]
    fn remove(&mut self, place: u32) {
        let (side, slot) = slot(place);
        self.used[side] &= !(1 << slot);
        self.keys[side][slot] = 0;
        if self.first[side] == slot as u32 && self.used[side] != 0 {
            self.find_first(side);
        }
    }

    #[inline(always)]
    fn has_room(&self, side: u8) -> bool {
        self.used[usize::from(side)].count_ones() < self.most
    }

    #[inline(always)]
    fn insert(&mut self, side: u8, order: &Resting) -> u32 {
        if self.arrivals >= ARRIVALS_MAX {
            self.renumber();
        }
        let index = usize::from(side);
        let slot = (!self.used[index] & ALL).trailing_zeros() as usize;
        let key = u64::from(rank(side, order.price)) << 32 | u64::from(u32::MAX - self.arrivals);
        self.arrivals += 1;
        if self.used[index] == 0 || key > self.keys[index][self.first[index] as usize] {
            self.first[index] = slot as u32;
        }
        self.used[index] |= 1 << slot;
        self.keys[index][slot] = key;
        self.bodies[index][slot] = Body { id: order.id, quantity: order.quantity, owner: order.owner };
        if order.expiry == NEVER {
            self.timed[index] &= !(1 << slot);
        } else {
            self.timed[index] |= 1 << slot;
            self.expiries[index][slot] = order.expiry;
        }
        place(index, slot)
    }

    fn walk(&self, side: u8, mut go_on: impl FnMut(&Resting) -> bool) {
        let index = usize::from(side);
        let (keys, n) = self.sorted(index);
        for &key in &keys[..n] {
            if !go_on(&self.resting(place(index, self.slot_of(index, key)))) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::layout::NOBODY;

    fn ids(book: &Small, side: u8) -> Vec<i64> {
        let mut ids = Vec::new();
        book.walk(side, |order| {
            ids.push(order.id);
            true
        });
        ids
    }

    #[test]
    fn a_book_is_less_than_three_kilobytes() {
        assert!(size_of::<Small>() <= 3000, "{}", size_of::<Small>());
    }

    /// Orders of one price keep their turn when their numbers run out.
    #[test]
    fn numbers_begin_anew_where_they_end() {
        for side in [0, 1] {
            let mut book = Small::new(SLOTS);
            book.arrivals = ARRIVALS_MAX - 20;
            let mut twin = Vec::new();
            for id in 0..40_i64 {
                let price = [7, i32::MAX, -i32::MAX, 7][id as usize % 4];
                let order = Resting { id, price, quantity: 1, owner: NOBODY, expiry: 0 };
                let place = book.insert(side, &order);
                assert_eq!(book.resting(place), order);
                twin.push((if side == BUY { -i64::from(price) } else { i64::from(price) }, id));
            }
            twin.sort_unstable();
            assert_eq!(ids(&book, side), twin.iter().map(|&(_, id)| id).collect::<Vec<_>>());
            assert!(book.arrivals < 100, "numbered anew");
            let (_, place) = book.best(side).unwrap();
            assert_eq!(book.resting(place).id, twin[0].1);
        }
    }
}
