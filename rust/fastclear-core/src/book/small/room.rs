//! The orders of one side of a small market.

use crate::simd;

/// Orders a room.
pub const ROOM: usize = simd::KEYS;

#[derive(Clone, Copy, Debug, Default)]
pub struct Body {
    pub id: i64,
    pub quantity: u32,
    pub owner: u32,
}

/// Orders of one side: what their turn is told by, then what is read of the one whose turn it is.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Room {
    /// How good the price is, then how early the order came, then the slot. What stands where there is none is not looked
    /// at: of an order that goes nothing is written here.
    pub keys: [u32; ROOM],
    pub bodies: [Body; ROOM],
    /// Handles of expiries, of those that expire.
    pub expiries: [u32; ROOM],
}

impl Room {
    pub const EMPTY: Self =
        Self { keys: [0; ROOM], bodies: [Body { id: 0, quantity: 0, owner: 0 }; ROOM], expiries: [0; ROOM] };

    /// Asks for the key of a slot to be fetched.
    #[inline(always)]
    pub fn fetch_key(&self, slot: usize) {
        simd::prefetch_place(&self.keys, slot);
    }

    /// Asks for what else is known of a slot to be fetched.
    #[inline(always)]
    pub fn fetch_body(&self, slot: usize) {
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
