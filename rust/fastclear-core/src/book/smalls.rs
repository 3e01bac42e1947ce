//! The memory of all small markets.

use crate::simd;

use super::small::{At, OnSmall, ROOM, Room, Small, slot};

/// Rooms of sides that have more orders than one room holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Far {
    pub rooms: Vec<Room>,
    free: Vec<u32>,
}

impl Far {
    /// A room without orders.
    #[cold]
    pub fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.rooms.push(Room::EMPTY);
            self.rooms.len() as u32 - 1
        })
    }

    /// Gives a room back that has no orders.
    #[cold]
    pub fn give_back(&mut self, room: u32) {
        self.free.push(room);
    }

    #[cfg(test)]
    pub fn rooms_in_use(&self) -> usize {
        self.rooms.len() - self.free.len()
    }
}

/// A market: head, and a room a side, so close together that most lie on one page of memory. To find a page is dear.
#[derive(Clone, Debug)]
#[repr(C)]
struct Whole {
    head: Small,
    near: [Room; 2],
}

/// Small markets, by the number that a handle has.
#[derive(Clone, Debug, Default)]
pub(super) struct Smalls {
    books: Vec<Whole>,
    far: Far,
    free: Vec<u32>,
}

impl Smalls {
    /// A market, to be worked on.
    #[inline(always)]
    pub fn at(&mut self, index: u32) -> OnSmall<'_> {
        let Whole { head, near } = &mut self.books[index as usize];
        OnSmall { head, near, far: &mut self.far }
    }

    #[inline(always)]
    pub fn head(&self, index: u32) -> Option<&Small> {
        Some(&self.books.get(index as usize)?.head)
    }

    /// Whether an order of this id is in a place of a market, whose head is known.
    #[inline(always)]
    pub fn has(&self, index: u32, head: &Small, place: u32, id: i64) -> bool {
        let Some((at, slot)) = head.find(place) else { return false };
        self.room(index, at).is_some_and(|room| room.bodies[slot].id == id)
    }

    #[inline(always)]
    fn room(&self, index: u32, at: At) -> Option<&Room> {
        match at {
            At::Near(side) => self.books.get(index as usize)?.near.get(side),
            At::Far(far) => self.far.rooms.get(far as usize),
        }
    }

    /// Asks for a head to be fetched.
    #[inline(always)]
    pub fn fetch_head(&self, index: u32) {
        simd::prefetch_place(&self.books, index as usize);
    }

    /// Asks for what a command about a place will touch to be fetched, its price only where that is asked for; says whether
    /// the rest of it is known only once the head has been.
    #[inline(always)]
    pub fn fetch_place(&self, index: u32, place: u32, is_priced: bool) -> bool {
        let Some(Whole { near, .. }) = self.books.get(index as usize) else { return false };
        self.fetch_head(index);
        let (side, slot) = slot(place);
        if slot < ROOM {
            near[side].fetch_body(slot);
            if is_priced {
                near[side].fetch_key(slot);
            }
        }
        slot >= ROOM
    }

    /// Asks for the rest of it, once the head has been fetched.
    #[inline(always)]
    pub fn fetch_far(&self, index: u32, place: u32) {
        if let Some((at, slot)) = self.head(index).and_then(|head| head.find(place))
            && let Some(room) = self.room(index, at)
        {
            room.fetch_key(slot);
            room.fetch_body(slot);
        }
    }

    /// Asks for what an order that comes in will touch to be fetched, once the head has been; `takes` says that it is there
    /// to trade.
    #[inline(always)]
    pub fn fetch_side(&self, index: u32, side: u8, takes: bool) {
        let Some(head) = self.head(index) else { return };
        if takes {
            for (at, end) in head.rooms(!side) {
                if let Some(room) = self.room(index, at) {
                    room.fetch_until(end);
                }
            }
        } else if let Some((at, slot)) = head.next(side)
            && let Some(room) = self.room(index, at)
        {
            room.fetch_key(slot);
            room.fetch_body(slot);
        }
    }

    /// Number of a market without orders, which lets so many a side in.
    pub fn open(&mut self, most: usize) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.books.push(Whole { head: Small::new(most), near: [Room::EMPTY; 2] });
            self.books.len() as u32 - 1
        })
    }

    /// Gives a market's memory back.
    pub fn close(&mut self, index: u32) {
        self.at(index).clear();
        self.free.push(index);
    }
}
