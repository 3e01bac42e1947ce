//! What commands a few rows ahead will touch is fetched in time: with many orders, or many markets, nothing else costs as
//! much as to wait for memory. Nothing here changes anything.

use super::command::{Commands, NULL, Op};
use super::engine::OrderBook;
use super::store::{Kept, places};
use crate::simd;

/// Orders from which on memory is worth looking after.
const WORTH: usize = 1 << 12;
/// Rows ahead at which cells of ids are fetched, then markets, books, and what is in them.
const IDS: usize = 20;
const MARKETS: usize = 16;
const BOOKS: usize = 12;
const ORDERS: usize = 8;

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
        }
        if row + BOOKS < orders.len() && commands.op(row + BOOKS) != Op::New as u8 {
            self.fetch_order(orders[row + BOOKS]);
        }
        if let (Some(markets), Some(sides)) = (commands.market, commands.side) {
            self.look_ahead_in(commands, markets, sides, row);
        }
    }

    /// The order that a row names.
    #[inline]
    fn fetch_order(&self, order: i64) {
        let Some(found) = self.desk.ids.get(order) else { return };
        match places(found) {
            (Kept::Small(small), place) => {
                if let Some(book) = self.store.smalls.get(small as usize) {
                    simd::prefetch_place(&self.store.smalls, small as usize);
                    book.prefetch_place(place);
                }
            }
            (_, place) => self.store.pool.prefetch(place),
        }
    }

    /// What an order that comes in will touch, where there are several markets.
    #[inline]
    fn look_ahead_in(&self, commands: &Commands<'_>, markets: &[i64], sides: &[u8], row: usize) {
        let is_new = |row: usize| row < markets.len() && commands.op(row) == Op::New as u8;
        if is_new(row + IDS) {
            self.market_places.prefetch(markets[row + IDS]);
        }
        if is_new(row + MARKETS)
            && let Some(place) = self.place_of(markets[row + MARKETS])
        {
            simd::prefetch_place(&self.markets, place);
        }
        let kept = |row: usize| match self.place_of(markets[row]).map(|place| self.markets[place].kept) {
            Some(Kept::Small(small)) => Some(small as usize),
            _ => None,
        };
        if is_new(row + BOOKS)
            && let Some(small) = kept(row + BOOKS)
        {
            simd::prefetch_place(&self.store.smalls, small);
        }
        if is_new(row + ORDERS)
            && let Some(small) = kept(row + ORDERS)
        {
            self.store.smalls[small].prefetch_side(sides[row + ORDERS], takes(commands, row + ORDERS));
        }
    }

    #[inline]
    fn place_of(&self, market: i64) -> Option<usize> {
        if market == NULL { None } else { self.market_places.get(market).map(|place| place as usize) }
    }
}

/// Whether an order is there to trade at once.
#[inline]
fn takes(commands: &Commands<'_>, row: usize) -> bool {
    commands.tif.is_some_and(|tifs| tifs[row] != 0)
}
