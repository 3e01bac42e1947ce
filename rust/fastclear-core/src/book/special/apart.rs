//! Where the orders of a market are in a call: bids where they always are, asks apart from them.
//!
//! A layout keeps both sides over one range of prices, of which each belongs to one side. In a call the book may be crossed.

use super::super::engine::{Market, OrderBook, SPECIAL};
use super::super::event::Kind;
use super::super::layout::{Layout, Resting};
use super::super::matching::{Incoming, clear};
use super::super::obey::Turn;
use super::super::rules::Admission;
use super::super::store::{Kept, kept, places};
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
    /// Puts what is left of an order into a special market, behind all others of its price; gives its handle.
    pub(in crate::book) fn rest_special(&mut self, market: u32, incoming: &Incoming, price: i32, expiry: u32) -> u64 {
        let resting = Resting { id: incoming.id, price, quantity: incoming.open, owner: incoming.owner, expiry };
        self.put(market, incoming.side, &resting)
    }

    /// Puts an order into a market, behind all others of its price; gives its handle.
    pub(in crate::book) fn put(&mut self, market: u32, side: u8, resting: &Resting) -> u64 {
        let state = &mut self.markets[market as usize];
        let kept = match &mut state.special {
            Some(special) if side == SELL && special.session.in_call => &mut special.session.asks,
            _ => &mut state.kept,
        };
        self.store.rest(kept, self.rules.small_max, market, side, resting, &mut self.desk)
    }

    /// Says whether a market is in a call from now on, and moves its asks to where they are to be.
    pub(in crate::book) fn set_in_call(&mut self, market: u32, in_call: bool) {
        if self.in_call(market) == in_call {
            return;
        }
        let from = self.markets[market as usize].kept_of(SELL);
        let mut asks = Vec::new();
        kept!(
            self.store,
            from,
            |layout| layout.walk(SELL, |resting| {
                asks.push(*resting);
                true
            }),
            {}
        );
        for resting in &asks {
            if let Some(handle) = self.desk.ids.get(resting.id) {
                kept!(self.store, from, |layout| layout.remove(places(handle).1), {});
            }
        }
        self.special(market).session.in_call = in_call;
        for resting in &asks {
            let handle = self.put(market, SELL, resting);
            self.desk.ids.set(resting.id, handle);
        }
        if !in_call {
            let mut left = std::mem::take(&mut self.special(market).session.asks);
            self.store.leave(&mut left);
        }
    }

    /// Takes every order out of a market that `takes` says, bids first, each side first to last.
    pub(in crate::book) fn clear_market<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        kind: Kind,
        code: u16,
        takes: impl Fn(&Resting) -> bool,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        let state = &self.markets[market as usize];
        let apart = if state.is(SPECIAL) && self.in_call(market) { state.kept_of(SELL) } else { Kept::Nowhere };
        for kept in [state.kept, apart] {
            let mut out = turn.out(&mut self.desk, market);
            kept!(self.store, kept, |layout| clear(layout, kind, code, &takes, &mut out), {});
        }
    }
}
