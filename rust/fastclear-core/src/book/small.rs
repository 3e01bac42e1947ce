//! A market of a few dozen orders in a few pieces of memory.
//!
//! Orders stand where there was room. Each has a key, which is larger the sooner it is to trade, so that the first of a
//! side is the largest of [`ROOM`] numbers that lie side by side: no order ever moves, and nothing is linked. A key is half
//! a price and half an arrival: prices are counted from a base that moves where they go, and a market whose prices lie
//! farther apart than 65,536 ticks is a ladder.
//!
//! What every command looks at is a line of the cache, the head. Each side has one room for its orders behind it, and
//! a second one elsewhere while more rest than one holds.

use crate::order::BUY;
use crate::simd;

use super::expiry::NEVER;
use super::layout::{Layout, Met, Resting, crosses};
use super::smalls::Far;

/// Orders a room.
pub(super) const ROOM: usize = simd::KEYS;
/// Orders a side that fit.
pub(super) const SLOTS: usize = 2 * ROOM;
/// Prices that a key can tell apart.
const WINDOW: u32 = 1 << 16;
/// Arrivals from which on they are numbered anew; one less than would make a key 0.
const ARRIVALS_MAX: u16 = 0xFFFE;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Body {
    pub id: i64,
    quantity: u32,
    owner: u32,
}

/// Orders of one side: what their turn is told by, then what is read of the one whose turn it is.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Room {
    /// How good the price is, then how early the order came; 0 where there is none.
    keys: [u32; ROOM],
    pub bodies: [Body; ROOM],
    /// Handles of expiries, of those that expire.
    expiries: [u32; ROOM],
}

impl Room {
    pub const EMPTY: Self =
        Self { keys: [0; ROOM], bodies: [Body { id: 0, quantity: 0, owner: 0 }; ROOM], expiries: [0; ROOM] };

    /// Asks for what is known of a slot to be fetched.
    #[inline(always)]
    pub fn fetch(&self, slot: usize) {
        simd::prefetch_place(&self.keys, slot);
        simd::prefetch_place(&self.bodies, slot);
    }

    /// Asks for all slots before one to be fetched: an order may take several, which stand anywhere.
    #[inline(always)]
    pub fn fetch_until(&self, end: usize) {
        for slot in (0..ROOM).step_by(16) {
            simd::prefetch_place(&self.keys, slot);
        }
        for slot in (0..end).step_by(4) {
            simd::prefetch_place(&self.bodies, slot);
        }
    }
}

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
                let far = self.head.far[side];
                self.far.rooms[far as usize].keys = [0; ROOM];
                self.far.give_back(far);
            }
            self.near[side].keys = [0; ROOM];
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
        let (mut key, mut slot) = simd::largest_key(&self.near[side].keys);
        if self.head.has_far(side) {
            let (other, place) = simd::largest_key(&self.far_room(side).keys);
            if other > key {
                (key, slot) = (other, ROOM as u32 + place);
            }
        }
        (self.head.best[side], self.head.first[side]) = (key, slot as u8);
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
                let arrivals = u32::from(self.head.arrivals);
                let key = &mut self.room_mut(side, slot as usize).keys[slot as usize % ROOM];
                *key = (*key >> 16 << 16) | (0xFFFF - arrivals);
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
        self.room_mut(side, slot).keys[slot % ROOM] = 0;
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
        if self.head.arrivals >= ARRIVALS_MAX {
            self.renumber();
        }
        let index = usize::from(side & 1);
        let slot = (!self.head.used[index]).trailing_zeros() as usize % SLOTS;
        if slot >= ROOM && !self.head.has_far(index) {
            self.head.far[index] = self.far.take();
        }
        let above = self.head.above(order.price) % WINDOW;
        let key = rank(side, above) << 16 | (0xFFFF - u32::from(self.head.arrivals));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::layout::NOBODY;
    use crate::book::smalls::Smalls;

    fn open(smalls: &mut Smalls) -> OnSmall<'_> {
        let index = smalls.open(SLOTS);
        smalls.at(index)
    }

    fn ids(book: &OnSmall<'_>, side: u8) -> Vec<i64> {
        let mut ids = Vec::new();
        book.walk(side, |order| {
            ids.push(order.id);
            true
        });
        ids
    }

    #[test]
    fn a_head_is_a_line_and_a_book_less_than_two_kilobytes() {
        assert_eq!((size_of::<Small>(), size_of::<Room>()), (64, 768));
    }

    /// Orders of one price keep their turn when their numbers run out.
    #[test]
    fn numbers_begin_anew_where_they_end() {
        for side in [0, 1] {
            let mut smalls = Smalls::default();
            let mut book = open(&mut smalls);
            book.head.arrivals = ARRIVALS_MAX - 20;
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
            assert!(book.head.arrivals < 100, "numbered anew");
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
            let mut smalls = Smalls::default();
            let mut book = open(&mut smalls);
            let mut twin: Vec<(u8, i64, i64, u32)> = Vec::new();
            let mut mid = ends[round % ends.len()];
            for id in 0..300_i64 {
                mid += draw(30_000) as i64 - 15_000;
                mid = mid.clamp(ends[0], ends[2]);
                let side = draw(2) as u8;
                let count = twin.iter().filter(|order| order.0 == side).count();
                if count > draw(8) as usize {
                    let gone = twin.remove(draw(twin.len() as u64) as usize);
                    assert_eq!(book.resting(gone.3).id, gone.2);
                    book.remove(gone.3);
                    assert_eq!(book.head.find(gone.3), None);
                }
                let (low, high) =
                    twin.iter().fold((mid, mid), |(low, high), order| (low.min(order.1), high.max(order.1)));
                let before = book.head.base;
                let fits = book.has_room(side, mid as i32);
                assert_eq!(fits, high - low < i64::from(WINDOW), "{low} {high}");
                refused += u32::from(!fits);
                moved += u32::from(book.head.base != before);
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

    /// Sides that fill up and empty again and again, taken out one by one or swept, against a sorted list.
    #[test]
    fn a_second_room_comes_and_goes() {
        let mut state = 11_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            (state >> 33) % below
        };
        let mut smalls = Smalls::default();
        let mut book = open(&mut smalls);
        let mut twin: [Vec<(i64, i64, u32)>; 2] = [Vec::new(), Vec::new()];
        let (mut id, mut taken) = (0, 0);
        for round in 0..1_000_usize {
            let side = round % 2;
            let wanted = [0, ROOM - 1, ROOM, ROOM + 1, SLOTS][draw(5) as usize];
            while twin[side].len() < wanted {
                let price = draw(40) as i64;
                assert!(book.has_room(side as u8, price as i32));
                let order = Resting { id, price: price as i32, quantity: 1, owner: NOBODY, expiry: id as u32 * 7 };
                let place = book.insert(side as u8, &order);
                assert_eq!(book.resting(place), order);
                twin[side].push((if side == 1 { -price } else { price }, id, place));
                id += 1;
            }
            twin[side].sort_unstable();
            let is_swept = draw(2) == 0;
            while twin[side].len() > wanted {
                let nth = if is_swept { 0 } else { draw(twin[side].len() as u64) as usize };
                let gone = twin[side].remove(nth);
                if is_swept {
                    let mut met = Vec::new();
                    let limit = if side == 1 { i32::MIN } else { i32::MAX };
                    assert_eq!(book.sweep(side as u8, limit, 1, None, |one| met.push((one.id, one.expiry))), 0);
                    assert_eq!(met, [(gone.1, gone.1 as u32 * 7)]);
                } else {
                    book.remove(gone.2);
                }
                assert_eq!(book.head.find(gone.2), None);
                taken += 1;
            }
            assert_eq!(book.has_room(side as u8, 0), wanted < SLOTS);
            for side in [0, 1] {
                assert_eq!(ids(&book, side), twin[usize::from(side)].iter().map(|order| order.1).collect::<Vec<_>>());
                let first = twin[usize::from(side)].first().map(|order| order.2);
                assert_eq!(book.best(side).map(|(_, place)| place), first);
            }
            let second = twin.iter().filter(|side| side.iter().any(|order| slot(order.2).1 >= ROOM)).count();
            assert_eq!(book.far.rooms_in_use(), second);
        }
        assert!(taken > 5_000, "{taken}");
        book.clear();
        assert_eq!((book.far.rooms_in_use(), book.best(0), book.best(1)), (0, None, None));
    }
}
