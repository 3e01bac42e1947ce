//! A market of a few dozen orders in a few pieces of memory.
//!
//! Orders stand where there was room. Each has a key, which is larger the sooner it is to trade, so that the first of a
//! side is the largest of [`ROOM`] numbers that lie side by side: no order ever moves, and nothing is linked. A key is half
//! a price, then an arrival, and says at its end where it stands: prices are counted from a base that moves where they go,
//! and a market whose prices lie farther apart than 65,536 ticks is a ladder.
//!
//! What every command looks at is a line of the cache, the head. Each side has one room for its orders behind it, and
//! a second one elsewhere while more rest than one holds.

use crate::order::BUY;
use crate::simd;

use super::expiry::NEVER;
use super::layout::{Layout, Met, Resting, crosses};
use super::smalls::Far;

mod room;
#[cfg(test)]
mod tests;

use room::Body;
pub(super) use room::{ROOM, Room};

/// Orders a side that fit.
pub(super) const SLOTS: usize = 2 * ROOM;
/// Prices that a key can tell apart.
const WINDOW: u32 = 1 << 16;
/// Arrivals that a key can tell apart: when there have been so many, they are numbered anew.
const ARRIVALS: u16 = u16::MAX / ROOM as u16;

/// The head of a market of at most [`SLOTS`] orders a side, whose prices lie in one window.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Small {
    /// Slots that have an order, by side: those of the first room, then those of the second.
    used: [u64; 2],
    /// Those whose order expires; of all others the expiry is never looked at.
    timed: [u64; 2],
    /// The key of the first order of each side, 0 where there is none.
    best: [u32; 2],
    /// The second room of each side, while a slot of it is used.
    far: [u32; 2],
    /// Whose it is.
    pub market: u32,
    /// The lowest price that a key can have.
    base: i32,
    /// Orders that came so far.
    arrivals: u16,
    /// The slot of the first order of each side.
    first: [u8; 2],
    /// Orders a side that are let in, at most [`SLOTS`].
    most: u8,
}

/// Turns what a price has above the base into a number that grows as the price gets better for the other side, and back.
#[inline(always)]
fn rank(side: u8, above: u32) -> u32 {
    if side == BUY { above } else { WINDOW - 1 - above }
}

/// The lower half of a key: larger the sooner an order came, never 0, and at its end its slot of the room.
#[inline(always)]
fn turn(arrivals: u16, slot: usize) -> u32 {
    u32::from(ARRIVALS - arrivals) * ROOM as u32 + (slot % ROOM) as u32
}

#[inline(always)]
pub(super) fn slot(place: u32) -> (usize, usize) {
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

/// Where a market's orders of a side are in memory: in its own room, or in one of those that lie elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Near(usize),
    Far(u32),
}

impl Small {
    pub fn new(most: usize) -> Self {
        Self {
            used: [0; 2],
            timed: [0; 2],
            best: [0; 2],
            far: [0; 2],
            market: 0,
            base: 0,
            arrivals: 0,
            first: [0; 2],
            most: most.min(SLOTS) as u8,
        }
    }

    /// Where an order is that is in a place: room, and slot of the room; nothing if none is there.
    #[inline(always)]
    pub fn find(&self, place: u32) -> Option<(At, usize)> {
        let (side, slot) = slot(place);
        (self.used[side] >> slot & 1 == 1).then(|| (self.at(side, slot), slot % ROOM))
    }

    /// Where the next order of a side will be: room, and slot of the room; nothing if that is not known yet.
    #[inline(always)]
    pub fn next(&self, side: u8) -> Option<(At, usize)> {
        let side = usize::from(side & 1);
        let slot = (!self.used[side]).trailing_zeros() as usize;
        (slot < ROOM || (slot < SLOTS && self.has_far(side))).then(|| (self.at(side, slot), slot % ROOM))
    }

    /// Rooms of a side that have orders, and behind the last of them the end.
    #[inline(always)]
    pub fn rooms(&self, side: u8) -> impl Iterator<Item = (At, usize)> {
        let side = usize::from(side & 1);
        let end = |used: u32| ROOM - used.leading_zeros() as usize;
        let (near, far) = (self.used[side] as u32, (self.used[side] >> ROOM) as u32);
        [(At::Near(side), end(near)), (At::Far(self.far[side]), end(far))].into_iter().filter(|&(_, end)| end > 0)
    }

    #[inline(always)]
    fn at(&self, side: usize, slot: usize) -> At {
        if slot < ROOM { At::Near(side) } else { At::Far(self.far[side]) }
    }

    #[inline(always)]
    fn has_far(&self, side: usize) -> bool {
        self.used[side] >> ROOM != 0
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
}

/// A small market to be worked on.
pub(super) struct OnSmall<'a> {
    pub head: &'a mut Small,
    pub near: &'a mut [Room; 2],
    pub far: &'a mut Far,
}

impl OnSmall<'_> {
    /// Takes all orders out, and gives back what is not the market's own.
    pub fn clear(&mut self) {
        for side in 0..2 {
            if self.head.has_far(side) {
                self.far.give_back(self.head.far[side]);
            }
        }
        (self.head.used, self.head.best, self.head.arrivals) = ([0; 2], [0; 2], 0);
    }

    #[inline(always)]
    fn room(&self, side: usize, slot: usize) -> &Room {
        if slot < ROOM { &self.near[side] } else { self.far_room(side) }
    }

    #[inline(always)]
    fn room_mut(&mut self, side: usize, slot: usize) -> &mut Room {
        if slot < ROOM { &mut self.near[side] } else { self.far_room_mut(side) }
    }

    #[cold]
    fn far_room(&self, side: usize) -> &Room {
        &self.far.rooms[self.head.far[side] as usize]
    }

    #[cold]
    fn far_room_mut(&mut self, side: usize) -> &mut Room {
        &mut self.far.rooms[self.head.far[side] as usize]
    }

    /// Whether one more order of a side can be put in at a price.
    #[inline(always)]
    pub fn has_room(&mut self, side: u8, price: i32) -> bool {
        let (used, most) = (self.head.used[usize::from(side & 1)], u32::from(self.head.most));
        // Slots are given from the first on, so that a side of few orders is rarely counted.
        let is_full = used >> (most - 1) != 0 && used.count_ones() >= most;
        !is_full && (self.head.above(price) < WINDOW || self.reach(price))
    }

    /// Moves the window so that a price, too, lies in it; says whether there is such a window.
    #[cold]
    pub fn reach(&mut self, price: i32) -> bool {
        let (mut low, mut high) = (i64::from(price), i64::from(price));
        self.each(|small, side, slot| {
            let price = i64::from(small.head.price(side as u8, small.room(side, slot).keys[slot % ROOM]));
            (low, high) = (low.min(price), high.max(price));
        });
        if high - low >= i64::from(WINDOW) {
            return false;
        }
        let base = base_around(low.midpoint(high));
        let by = (self.head.base as u32).wrapping_sub(base as u32) << 16;
        self.each(|small, side, slot| {
            let key = &mut small.room_mut(side, slot).keys[slot % ROOM];
            *key = if side == usize::from(BUY) { key.wrapping_add(by) } else { key.wrapping_sub(by) };
        });
        self.head.base = base;
        self.find_first(0);
        self.find_first(1);
        true
    }

    /// Does something with every slot that has an order.
    fn each(&mut self, mut does: impl FnMut(&mut Self, usize, usize)) {
        for side in 0..2 {
            let mut left = self.head.used[side];
            while left != 0 {
                does(self, side, left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }

    #[inline(always)]
    fn find_first(&mut self, side: usize) {
        let used = self.head.used[side];
        let (mut key, mut room) = (simd::largest_key(&self.near[side].keys, used as u32), 0);
        if self.head.has_far(side) {
            let other = simd::largest_key(&self.far_room(side).keys, (used >> ROOM) as u32);
            if other > key {
                (key, room) = (other, ROOM);
            }
        }
        (self.head.best[side], self.head.first[side]) = (key, (room + key as usize % ROOM) as u8);
    }

    /// Slots of a side, first order to last.
    fn sorted(&self, side: usize) -> ([u64; SLOTS], usize) {
        let mut keys = [0; SLOTS];
        let mut n = 0;
        let mut left = self.head.used[side];
        while left != 0 {
            let slot = left.trailing_zeros() as usize;
            keys[n] = u64::from(self.room(side, slot).keys[slot % ROOM]) << 8 | slot as u64;
            left &= left - 1;
            n += 1;
        }
        keys[..n].sort_unstable_by(|one, other| other.cmp(one));
        (keys.map(|key| key & 0xFF), n)
    }

    /// Numbers all orders anew, from 0.
    #[cold]
    fn renumber(&mut self) {
        self.head.arrivals = 0;
        for side in 0..2 {
            let (slots, n) = self.sorted(side);
            for &slot in &slots[..n] {
                let arrivals = self.head.arrivals;
                let key = &mut self.room_mut(side, slot as usize).keys[slot as usize % ROOM];
                *key = (*key >> 16 << 16) | turn(arrivals, slot as usize);
                self.head.arrivals += 1;
            }
            self.find_first(side);
        }
    }

    #[cold]
    fn put_expiry(&mut self, side: usize, slot: usize, expiry: u32) {
        self.head.timed[side] |= 1 << slot;
        self.room_mut(side, slot).expiries[slot % ROOM] = expiry;
    }

    #[inline(always)]
    fn expiry(&self, side: usize, slot: usize) -> u32 {
        if (self.head.timed[side] >> slot) & 1 == 0 { NEVER } else { self.room(side, slot).expiries[slot % ROOM] }
    }

    /// Takes the order of a slot out; the first of the side may be another one then.
    #[inline(always)]
    fn vacate(&mut self, side: usize, slot: usize) {
        self.head.used[side] &= !(1 << slot);
        if slot >= ROOM && !self.head.has_far(side) {
            self.far.give_back(self.head.far[side]);
        }
    }
}

impl Layout for OnSmall<'_> {
    #[inline(always)]
    fn best(&self, side: u8) -> Option<(i32, u32)> {
        let index = usize::from(side & 1);
        let key = self.head.best[index];
        (key != 0).then(|| (self.head.price(side, key), place(index, usize::from(self.head.first[index]))))
    }

    #[inline(always)]
    fn resting(&self, place: u32) -> Resting {
        let (side, slot) = slot(place);
        let room = self.room(side, slot);
        let Body { id, quantity, owner } = room.bodies[slot % ROOM];
        let price = self.head.price(side as u8, room.keys[slot % ROOM]);
        Resting { id, price, quantity, owner, expiry: self.expiry(side, slot) }
    }

    #[inline(always)]
    fn side(&self, place: u32) -> u8 {
        slot(place).0 as u8
    }

    #[inline(always)]
    fn take(&mut self, place: u32, lots: u32) {
        let (side, slot) = slot(place);
        self.room_mut(side, slot).bodies[slot % ROOM].quantity -= lots;
    }

    #[inline(always)]
    fn remove(&mut self, place: u32) {
        let (side, slot) = slot(place);
        self.vacate(side, slot);
        if usize::from(self.head.first[side]) == slot {
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
            let Body { id, quantity, owner } = self.room(index, slot).bodies[slot % ROOM];
            if barred == Some(owner) {
                break;
            }
            let expiry = self.expiry(index, slot);
            let lots = open.min(quantity);
            open -= lots;
            let is_gone = lots == quantity;
            if is_gone {
                self.vacate(index, slot);
                self.find_first(index);
            } else {
                self.room_mut(index, slot).bodies[slot % ROOM].quantity = quantity - lots;
            }
            met(Met { id, price, lots, open, is_gone, expiry });
        }
        open
    }

    #[inline(always)]
    fn insert(&mut self, side: u8, order: &Resting) -> u32 {
        if self.head.arrivals >= ARRIVALS {
            self.renumber();
        }
        let index = usize::from(side & 1);
        let slot = (!self.head.used[index]).trailing_zeros() as usize % SLOTS;
        if slot >= ROOM && !self.head.has_far(index) {
            self.head.far[index] = self.far.take();
        }
        let above = self.head.above(order.price) % WINDOW;
        let key = rank(side, above) << 16 | turn(self.head.arrivals, slot);
        self.head.arrivals += 1;
        if key > self.head.best[index] {
            (self.head.best[index], self.head.first[index]) = (key, slot as u8);
        }
        self.head.used[index] |= 1 << slot;
        self.head.timed[index] &= !(1 << slot);
        let room = self.room_mut(index, slot);
        room.keys[slot % ROOM] = key;
        room.bodies[slot % ROOM] = Body { id: order.id, quantity: order.quantity, owner: order.owner };
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
