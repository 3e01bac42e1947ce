//! What commands a few rows ahead will touch is fetched in time: with many orders, or many markets, nothing else costs as
//! much as to wait for memory. Nothing here changes anything.

use super::command::{Commands, NULL, Op};
use super::desk::places;
use super::engine::OrderBook;
use super::store::Kept;
use crate::simd;

/// Orders from which on memory is worth looking after.
const WORTH: usize = 1 << 14;
/// Rows ahead at which ids are fetched, then books, then what is in them.
const IDS: usize = 16;
const BOOKS: usize = 10;
const ORDERS: usize = 5;

impl OrderBook {
    /// Whether there are orders enough that memory matters.
    pub(super) fn looks_ahead(&self) -> bool {
        self.len() >= WORTH
    }

    /// Fetches what rows behind `row` will touch.
    #[inline]
    pub(super) fn look_ahead(&self, commands: &Commands<'_>, row: usize) {
        let Some(orders) = commands.order else { return };
        if let Some(&order) = orders.get(row + IDS) {
            self.desk.ids.prefetch(order);
            if let Some(markets) = commands.market {
                self.market_places.prefetch(markets[row + IDS]);
            }
        }
        if row + BOOKS < orders.len() {
            self.fetch_book(commands, orders[row + BOOKS], row + BOOKS);
        }
        if row + ORDERS < orders.len() && commands.op(row + ORDERS) == Op::New as u8 {
            self.fetch_side(commands, row + ORDERS);
        }
    }

    /// The order that a row names, or the head of the book that an order comes into.
    #[inline]
    fn fetch_book(&self, commands: &Commands<'_>, order: i64, row: usize) {
        if commands.op(row) != Op::New as u8 {
            let Some(found) = self.desk.ids.get(order) else { return };
            let (market, place) = places(found);
            match self.markets[market as usize].kept {
                Kept::Small(small) => {
                    simd::prefetch_place(&self.store.smalls, small as usize);
                    self.store.smalls[small as usize].prefetch_place(place);
                }
                Kept::Ladder(_) => self.store.pool.prefetch(place),
                Kept::Nowhere => {}
            }
        } else if let Some(Kept::Small(small)) = self.kept_at(commands, row) {
            simd::prefetch_place(&self.store.smalls, small as usize);
        }
    }

    #[inline]
    fn fetch_side(&self, commands: &Commands<'_>, row: usize) {
        let Some(&side) = commands.side.and_then(|sides| sides.get(row)) else { return };
        if let Some(Kept::Small(small)) = self.kept_at(commands, row) {
            let small = &self.store.smalls[small as usize];
            small.prefetch_side(side, commands.tif.is_some_and(|tifs| tifs[row] != 0));
        }
    }

    #[inline]
    fn kept_at(&self, commands: &Commands<'_>, row: usize) -> Option<Kept> {
        let market = commands.market.map_or(0, |markets| markets[row]);
        if market == NULL {
            return None;
        }
        self.market_places.get(market).map(|place| self.markets[place as usize].kept)
    }
}
