//! What the commands of a block will touch is fetched before the first of them is obeyed: with many orders, or many
//! markets, nothing else costs as much as to wait for memory. Nothing here changes anything.

use super::block::{CLOSER, Plain};
use super::command::{NULL, Op};
use super::engine::OrderBook;
use super::store::{Kept, places};
use crate::simd;

/// Orders from which on memory is worth looking after.
const WORTH: usize = 1 << 12;

impl OrderBook {
    /// Whether there are orders enough that memory matters.
    pub(super) fn looks_ahead(&self) -> bool {
        self.len() >= WORTH
    }

    /// Fetches what these rows will touch, in passes, each of which goes by what the one before has fetched.
    pub(super) fn look_ahead(&self, rows: &[Plain], many: bool) {
        for row in rows {
            self.desk.ids.prefetch(row.order);
        }
        if many {
            self.look_at_markets(rows);
        }
        for row in rows.iter().filter(|row| row.op == Op::Cancel as u8) {
            let Some(found) = self.desk.ids.get(row.order) else { continue };
            match places(found) {
                (Kept::Small(small), place) => {
                    simd::prefetch_place(&self.store.smalls, small as usize);
                    if let Some(book) = self.store.smalls.get(small as usize) {
                        book.prefetch_place(place);
                    }
                }
                (_, place) => self.store.pool.prefetch(place),
            }
        }
        if many {
            for row in rows.iter().filter(|row| row.op == Op::New as u8) {
                if let Some(small) = self.small_of(row.market) {
                    self.store.smalls[small].prefetch_side(row.side, row.tif != 0);
                }
            }
        }
    }

    fn look_at_markets(&self, rows: &[Plain]) {
        let named = || rows.iter().filter(|row| row.op != CLOSER && row.market != NULL);
        for row in named() {
            self.market_places.prefetch(row.market);
        }
        for row in named() {
            if let Some(place) = self.market_places.get(row.market) {
                simd::prefetch_place(&self.markets, place as usize);
            }
        }
        for row in named().filter(|row| row.op == Op::New as u8) {
            if let Some(small) = self.small_of(row.market) {
                simd::prefetch_place(&self.store.smalls, small);
            }
        }
    }

    #[inline]
    fn small_of(&self, market: i64) -> Option<usize> {
        match self.markets[self.market_places.get(market)? as usize].kept {
            Kept::Small(small) => Some(small as usize),
            _ => None,
        }
    }
}
