//! Where the orders of a market are in a call: bids where they always are, asks apart from them.
//!
//! A layout keeps both sides over one range of prices, of which each belongs to one side. In a call the book may be crossed.

use super::super::engine::{Market, OrderBook};
use super::super::layout::{Layout, Resting};
use super::super::rules::Admission;
use super::super::store::{Kept, kept, places};
use super::floor::Floor;
use crate::order::BUY;

const SELL: u8 = 1 - BUY;

impl Market {
    /// How the orders of a side are kept.
    #[inline]
    pub fn kept_of(&self, side: u8) -> Kept {
        match &self.special {
            Some(special) if side == SELL && special.session.in_call => special.session.asks,
            _ => self.kept,
        }
    }
}

impl OrderBook {
    /// Puts an order into a market, behind all others of its price; gives its handle.
    pub(in crate::book) fn put(&mut self, market: u32, side: u8, resting: &Resting) -> u64 {
        let state = &mut self.markets[market as usize];
        let kept = match &mut state.special {
            Some(special) if side == SELL && special.session.in_call => &mut special.session.asks,
            _ => &mut state.kept,
        };
        self.store.rest(kept, self.rules.small_max, market, side, resting, &mut self.desk)
    }
}

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    /// How the orders of a side are kept.
    pub fn kept_of(&self, side: u8) -> Kept {
        if side == SELL && self.is_in_call() { self.special.session.asks } else { *self.kept }
    }

    /// Puts an order into the layout, last of its price; gives its handle.
    pub fn insert(&mut self, side: u8, resting: &Resting) -> u64 {
        let is_apart = side == SELL && self.is_in_call();
        let kept = if is_apart { &mut self.special.session.asks } else { &mut *self.kept };
        self.store.rest(kept, self.rules.small_max, self.out.market, side, resting, self.out.desk)
    }

    /// Takes orders of a side out of the layout, and puts them in again behind all others.
    pub fn put_again(&mut self, side: u8, orders: &[Resting]) {
        self.take_out(side, orders);
        self.put_back(side, orders);
    }

    fn take_out(&mut self, side: u8, orders: &[Resting]) {
        let kept = self.kept_of(side);
        for resting in orders {
            if let Some(handle) = self.out.desk.ids.get(resting.id) {
                kept!(self.store, kept, |layout| layout.remove(places(handle).1), {});
            }
        }
    }

    fn put_back(&mut self, side: u8, orders: &[Resting]) {
        for resting in orders {
            let handle = self.insert(side, resting);
            self.out.desk.ids.set(resting.id, handle);
        }
    }

    /// Says whether the market is in a call from now on, and moves its asks to where they are to be.
    pub fn set_in_call(&mut self, in_call: bool) {
        if self.is_in_call() == in_call {
            return;
        }
        let mut asks = Vec::new();
        kept!(
            self.store,
            self.kept_of(SELL),
            |layout| layout.walk(SELL, |resting| {
                asks.push(*resting);
                true
            }),
            {}
        );
        self.take_out(SELL, &asks);
        self.special.session.in_call = in_call;
        self.put_back(SELL, &asks);
        if !in_call {
            self.store.leave(&mut self.special.session.asks);
        }
    }
}
