//! A market of a few dozen orders in one piece of memory.
//!
//! Orders stand where there was room. Each has a key, which is larger the sooner it is to trade, so that the first of a
//! side is the largest of [`SLOTS`] numbers that lie side by side: no order ever moves, and nothing is linked. A key is half
//! a price and half an arrival: prices are counted from a base that moves where they go, and a market whose prices lie
//! farther apart than 65,536 ticks is a ladder.

use crate::order::BUY;
use crate::simd;

use super::expiry::NEVER;
use super::layout::{Layout, Met, Resting, crosses};

/// Orders a side that fit.
pub(super) const SLOTS: usize = simd::KEYS;
/// Prices that a key can tell apart.
const WINDOW: u32 = 1 << 16;
/// Arrivals from which on they are numbered anew; one less than would make a key 0.
const ARRIVALS_MAX: u32 = 0xFFFE;

#[derive(Clone, Copy, Debug, Default)]
struct Body {
    id: i64,
    quantity: u32,
    owner: u32,
}

/// The orders of a market of at most [`SLOTS`] a side, whose prices lie in one window.
///
/// What every command looks at is in the first line of the cache, and a side's keys are whole lines.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Small {
    /// Slots that have an order, by side.
    used: [u64; 2],
    /// Those whose order expires; of all others the expiry is never looked at.
    timed: [u64; 2],
    /// The key of the first order of each side, 0 where there is none.
    best: [u32; 2],
    /// Handles of expiries, once an order has one.
    expiries: Option<Box<[[u32; SLOTS]; 2]>>,
    /// Whose it is.
    pub market: u32,
    /// The lowest price that a key can have.
    base: i32,
    /// Orders that came so far.
    arrivals: u32,
    /// The slot of the first order of each side.
    first: [u8; 2],
    /// Orders a side that are let in, at most [`SLOTS`].
    most: u8,
    rest_of_line: u8,
    /// How good the price is, then how early the order came; 0 where there is none.
    keys: [[u32; SLOTS]; 2],
    bodies: [[Body; SLOTS]; 2],
}

/// Turns what a price has above the base into a number that grows as the price gets better for the other side, and back.
#[inline(always)]
fn rank(side: u8, above: u32) -> u32 {
    if side == BUY { above } else { WINDOW - 1 - above }
}

#[inline(always)]
fn slot(place: u32) -> (usize, usize) {
    ((place as usize / SLOTS) & 1, place as usize % SLOTS)
}

#[inline(always)]
fn place(side: usize, slot: usize) -> u32 {
    (side * SLOTS + slot) as u32
}

/// The base of a window with a price in its middle.
fn base_around(price: i64) -> i32 {
    let half = i64::from(WINDOW / 2);
    (price - half).clamp(i64::from(i32::MIN), i64::from(i32::MAX) - i64::from(WINDOW - 1)) as i32
}

impl Small {
    pub fn new(most: usize) -> Self {
        Self {
            used: [0; 2],
            timed: [0; 2],
            best: [0; 2],
            expiries: None,
            market: 0,
            base: 0,
            arrivals: 0,
            first: [0; 2],
            most: most.min(SLOTS) as u8,
            rest_of_line: 0,
            keys: [[0; SLOTS]; 2],
            bodies: [[Body::default(); SLOTS]; 2],
        }
    }

    pub fn clear(&mut self) {
        self.used = [0; 2];
        self.best = [0; 2];
        self.arrivals = 0;
        self.keys = [[0; SLOTS]; 2];
    }

    /// Asks for what a command about this place will touch to be fetched.
    #[inline(always)]
    pub fn prefetch_place(&self, place: u32) {
        let (side, slot) = slot(place);
        simd::prefetch_place(&self.keys[side], slot);
        simd::prefetch_place(&self.bodies[side], slot);
    }

    /// Asks for what an order that comes in will touch to be fetched; `takes` says that it is there to trade.
    #[inline(always)]
    pub fn prefetch_side(&self, side: u8, takes: bool) {
        let (side, other) = (usize::from(side & 1), usize::from(!side & 1));
        if takes {
            for line in 0..SLOTS / 16 {
                simd::prefetch_place(&self.keys[other], line * 16);
            }
            // It may take several, which stand anywhere: four of them a line.
            let end = SLOTS - self.used[other].leading_zeros() as usize;
            for slot in (0..end).step_by(4) {
                simd::prefetch_place(&self.bodies[other], slot);
            }
        } else {
            let free = (!self.used[side]).trailing_zeros() as usize;
            simd::prefetch_place(&self.keys[side], free);
            simd::prefetch_place(&self.bodies[side], free);
        }
    }

    /// Whether an order of this id is in a place.
    #[inline(always)]
    pub fn has(&self, place: u32, id: i64) -> bool {
        let (side, slot) = slot(place);
        self.used[side] >> slot & 1 == 1 && self.bodies[side][slot].id == id
    }

    /// Whether one more order of a side can be put in at a price.
    #[inline(always)]
    pub fn has_room(&mut self, side: u8, price: i32) -> bool {
        let used = self.used[usize::from(side)];
        // Slots are given from the first on, so that a side of few orders is rarely counted.
        let is_full = used >> (u32::from(self.most) - 1) != 0 && used.count_ones() >= u32::from(self.most);
        !is_full && (self.above(price) < WINDOW || self.reach(price))
    }

    /// How far a price is above the base; too far, too, where it is below.
    #[inline(always)]
    fn above(&self, price: i32) -> u32 {
        (price as u32).wrapping_sub(self.base as u32)
    }

    #[inline(always)]
    fn price(&self, side: u8, key: u32) -> i32 {
        (self.base as u32).wrapping_add(rank(side, key >> 16)) as i32
    }

    /// Moves the window so that a price, too, lies in it; says whether there is such a window.
    #[cold]
    pub fn reach(&mut self, price: i32) -> bool {
        let (mut low, mut high) = (i64::from(price), i64::from(price));
        self.each(|small, side, slot| {
            let price = i64::from(small.price(side as u8, small.keys[side][slot]));
            (low, high) = (low.min(price), high.max(price));
        });
        if high - low >= i64::from(WINDOW) {
            return false;
        }
        let base = base_around(low.midpoint(high));
        let by = (self.base as u32).wrapping_sub(base as u32) << 16;
        self.each(|small, side, slot| {
            let key = &mut small.keys[side][slot];
            *key = if side == usize::from(BUY) { key.wrapping_add(by) } else { key.wrapping_sub(by) };
        });
        self.base = base;
        self.find_first(0);
        self.find_first(1);
        true
    }

    /// Does something with every slot that has an order.
    fn each(&mut self, mut does: impl FnMut(&mut Self, usize, usize)) {
        for side in 0..2 {
            let mut left = self.used[side];
            while left != 0 {
                does(self, side, left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }

    #[inline(always)]
    fn find_first(&mut self, side: usize) {
        let (key, slot) = simd::largest_key(&self.keys[side]);
        (self.best[side], self.first[side]) = (key, slot as u8);
    }

    /// Slots of a side, first order to last.
    fn sorted(&self, side: usize) -> ([u64; SLOTS], usize) {
        let mut keys = [0; SLOTS];
        let mut n = 0;
        let mut left = self.used[side];
        while left != 0 {
            let slot = left.trailing_zeros();
            keys[n] = u64::from(self.keys[side][slot as usize]) << 8 | u64::from(slot);
            left &= left - 1;
            n += 1;
        }
        keys[..n].sort_unstable_by(|one, other| other.cmp(one));
        (keys.map(|key| key & 0xFF), n)
    }

    /// Numbers all orders anew, from 0.
    #[cold]
    fn renumber(&mut self) {
        self.arrivals = 0;
        for side in 0..2 {
            let (slots, n) = self.sorted(side);
            for &slot in &slots[..n] {
                let key = &mut self.keys[side][slot as usize];
                *key = (*key >> 16 << 16) | (0xFFFF - self.arrivals);
                self.arrivals += 1;
            }
            self.find_first(side);
        }
    }

    #[cold]
    fn put_expiry(&mut self, side: usize, slot: usize, expiry: u32) {
        self.timed[side] |= 1 << slot;
        self.expiries.get_or_insert_with(|| Box::new([[0; SLOTS]; 2]))[side][slot] = expiry;
    }

    #[cold]
    fn expiry(&self, side: usize, slot: usize) -> u32 {
        self.expiries.as_ref().map_or(NEVER, |expiries| expiries[side][slot])
    }
}

impl Layout for Small {
    #[inline(always)]
    fn best(&self, side: u8) -> Option<(i32, u32)> {
        let index = usize::from(side & 1);
        let key = self.best[index];
        (key != 0).then(|| (self.price(side, key), place(index, usize::from(self.first[index]))))
    }

    #[inline(always)]
    fn resting(&self, place: u32) -> Resting {
        let (side, slot) = slot(place);
        let Body { id, quantity, owner } = self.bodies[side][slot];
        let price = self.price(side as u8, self.keys[side][slot]);
        let expiry = if (self.timed[side] >> slot) & 1 == 0 { NEVER } else { self.expiry(side, slot) };
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
        if usize::from(self.first[side]) == slot {
            self.find_first(side);
        }
    }

    #[inline(always)]
    fn sweep(&mut self, side: u8, limit: i32, mut open: u32, barred: Option<u32>, mut met: impl FnMut(Met)) -> u32 {
        while open > 0
            && let Some((price, place)) = self.best(side)
            && crosses(1 - side, limit, price)
        {
            let (index, slot) = slot(place);
            let Body { id, quantity, owner } = self.bodies[index][slot];
            if barred == Some(owner) {
                break;
            }
            let expiry = if (self.timed[index] >> slot) & 1 == 0 { NEVER } else { self.expiry(index, slot) };
            let lots = open.min(quantity);
            open -= lots;
            let is_gone = lots == quantity;
            if is_gone {
                self.used[index] &= !(1 << slot);
                self.keys[index][slot] = 0;
                self.find_first(index);
            } else {
                self.bodies[index][slot].quantity = quantity - lots;
            }
            met(Met { id, price, lots, open, is_gone, expiry });
        }
        open
    }

    #[inline(always)]
    fn insert(&mut self, side: u8, order: &Resting) -> u32 {
        if self.arrivals >= ARRIVALS_MAX {
            self.renumber();
        }
        let index = usize::from(side & 1);
        let slot = (!self.used[index]).trailing_zeros() as usize % SLOTS;
        let key = rank(side, self.above(order.price) % WINDOW) << 16 | (0xFFFF - self.arrivals);
        self.arrivals += 1;
        if key > self.best[index] {
            (self.best[index], self.first[index]) = (key, slot as u8);
        }
        self.used[index] |= 1 << slot;
        self.keys[index][slot] = key;
        self.bodies[index][slot] = Body { id: order.id, quantity: order.quantity, owner: order.owner };
        self.timed[index] &= !(1 << slot);
        if order.expiry != NEVER {
            self.put_expiry(index, slot, order.expiry);
        }
        place(index, slot)
    }

    fn walk(&self, side: u8, mut go_on: impl FnMut(&Resting) -> bool) {
        let index = usize::from(side);
        let (slots, n) = self.sorted(index);
        for &slot in &slots[..n] {
            if !go_on(&self.resting(place(index, slot as usize))) {
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
        assert!(size_of::<Small>() <= 2700, "{}", size_of::<Small>());
    }

    /// Orders of one price keep their turn when their numbers run out.
    #[test]
    fn numbers_begin_anew_where_they_end() {
        for side in [0, 1] {
            let mut book = Small::new(SLOTS);
            book.arrivals = ARRIVALS_MAX - 20;
            let mut twin = Vec::new();
            for id in 0..40_i64 {
                let price = [7, 32_000, -32_000, 7][id as usize % 4];
                let order = Resting { id, price, quantity: 1, owner: NOBODY, expiry: 0 };
                assert!(book.has_room(side, price));
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

    /// Prices that drift by far more than a window, and at both ends of all prices, against a sorted list.
    #[test]
    fn the_window_goes_where_the_prices_go() {
        let mut state = 5_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            (state >> 33) % below
        };
        let ends = [-i64::from(i32::MAX), 0, i64::from(i32::MAX), -40_000, 40_000];
        let (mut moved, mut refused) = (0, 0);
        for round in 0..200 {
            let mut book = Small::new(SLOTS);
            let mut twin: Vec<(u8, i64, i64, u32)> = Vec::new();
            let mut mid = ends[round % ends.len()];
            for id in 0..300_i64 {
                mid += draw(30_000) as i64 - 15_000;
                mid = mid.clamp(ends[0], ends[2]);
                let side = draw(2) as u8;
                let count = twin.iter().filter(|order| order.0 == side).count();
                if count > draw(8) as usize {
                    let gone = twin.remove(draw(twin.len() as u64) as usize);
                    assert!(book.has(gone.3, gone.2));
                    book.remove(gone.3);
                    assert!(!book.has(gone.3, gone.2));
                }
                let (low, high) =
                    twin.iter().fold((mid, mid), |(low, high), order| (low.min(order.1), high.max(order.1)));
                let before = book.base;
                let fits = book.has_room(side, mid as i32);
                assert_eq!(fits, high - low < i64::from(WINDOW), "{low} {high}");
                refused += u32::from(!fits);
                moved += u32::from(book.base != before);
                if fits {
                    let order = Resting { id, price: mid as i32, quantity: 1, owner: NOBODY, expiry: NEVER };
                    let place = book.insert(side, &order);
                    twin.push((side, mid, id, place));
                }
                for side in [0, 1] {
                    let mut rows: Vec<_> = twin.iter().filter(|order| order.0 == side).collect();
                    rows.sort_by_key(|order| (if side == BUY { -order.1 } else { order.1 }, order.2));
                    assert_eq!(ids(&book, side), rows.iter().map(|order| order.2).collect::<Vec<_>>());
                    let best = book.best(side).map(|(price, place)| (i64::from(price), book.resting(place).id));
                    assert_eq!(best, rows.first().map(|order| (order.1, order.2)));
                }
            }
        }
        assert!(moved > 500 && refused > 500, "{moved} {refused}");
    }
}
