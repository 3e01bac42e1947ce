//! How orders come in to a special market: as far as its phase and its breaker let them.

use super::super::command::NULL;
use super::super::engine::OrderBook;
use super::super::event::Kind;
use super::super::expiry::NEVER;
use super::super::layout::{Layout, crosses};
use super::super::matching::Incoming;
use super::super::obey::{Stay, Turn};
use super::super::rules::Admission;
use super::super::store::kept;
use crate::reject::RejectReason;

/// What came of an order that met the other side.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::book) struct Met {
    /// The market is to be erased.
    pub erases: bool,
    /// The breaker fires.
    pub fires: bool,
}

impl OrderBook {
    /// An order that a special market takes: it trades, then rests, if there is anything left that may.
    pub(in crate::book) fn enter_special<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        mut incoming: Incoming,
        price: i32,
        stay: Stay,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        let mut out = turn.out(&mut self.desk, market);
        out.emit(Kind::Accepted, incoming.id, NULL, price, incoming.open, incoming.open, 0, incoming.side);
        let met = self.trade_special(market, &mut incoming, stay.is_fok, turn);
        if incoming.open > 0 {
            if stay.rests && !met.erases {
                let expiry =
                    if stay.until == NULL { NEVER } else { self.desk.expiries.insert(stay.until, incoming.id) };
                let handle = self.rest_special(market, &incoming, price, expiry);
                self.desk.ids.insert(incoming.id, handle);
            } else {
                let reason = if met.erases { RejectReason::BookErased } else { RejectReason::NotFilled };
                incoming.give_up(price, reason, &mut turn.out(&mut self.desk, market));
            }
        }
        if met.erases {
            self.erase(market, turn);
        }
        if met.fires {
            self.pause(market, turn);
        }
    }

    /// Trades an order that comes in until nothing crosses any more, nothing is left of it, or the breaker fires: where the
    /// next order that it meets is too far from the reference.
    pub(in crate::book) fn trade_special<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        incoming: &mut Incoming,
        is_fok: bool,
        turn: &mut Turn<'_, A, ALL>,
    ) -> Met {
        let mut met = Met::default();
        if self.in_call(market) || (is_fok && !self.can_fill(market, incoming)) {
            return met;
        }
        if is_fok && !self.can_fill_in_bounds(market, incoming) {
            return Met { fires: true, ..met };
        }
        let limit = incoming.limit;
        while incoming.open > 0 && !met.erases {
            incoming.limit = limit;
            let Some(best) = self.best_met(market, incoming) else { break };
            if let Some(breaker) = self.special(market).breaker {
                if !breaker.allows(best) {
                    met.fires = true;
                    break;
                }
                // The first trade is what all others count from: no farther than its price before it is known.
                incoming.limit = if breaker.reference.is_some() { breaker.bound(incoming.side, limit) } else { best };
            }
            met.erases = self.trade_on(market, incoming, turn);
        }
        incoming.limit = limit;
        if met.fires {
            self.set_in_call(market, true); // before what is left of it rests, which crosses the book
        }
        met
    }

    /// Trades an order that comes in, and takes note of the last price.
    fn trade_on<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        incoming: &mut Incoming,
        turn: &mut Turn<'_, A, ALL>,
    ) -> bool {
        let before = turn.events.rows.len();
        let (kept, rules) = (self.markets[market as usize].kept, &self.rules);
        let mut out = turn.out(&mut self.desk, market);
        let erases = kept!(self.store, kept, |layout| incoming.trade(layout, rules, &mut out), false);
        let mut trades = turn.events.rows[before..].iter().filter(|event| event.kind == Kind::Trade);
        if let Some(last) = trades.next_back() {
            self.traded_at(market, last.price);
        }
        erases
    }

    /// Price of the first order of the other side, if the order that comes in meets it.
    fn best_met(&mut self, market: u32, incoming: &Incoming) -> Option<i32> {
        let kept = self.markets[market as usize].kept;
        let best = kept!(self.store, kept, |layout| layout.best(1 - incoming.side), None);
        best.map(|(price, _)| price).filter(|&price| crosses(incoming.side, incoming.limit, price))
    }

    fn can_fill(&mut self, market: u32, incoming: &Incoming) -> bool {
        let (kept, rules) = (self.markets[market as usize].kept, &self.rules);
        kept!(self.store, kept, |layout| incoming.can_fill(layout, rules), false)
    }

    /// Whether an order that can be filled is where the breaker does not fire.
    fn can_fill_in_bounds(&mut self, market: u32, incoming: &Incoming) -> bool {
        let Some(mut breaker) = self.special(market).breaker else { return true };
        let Some(best) = self.best_met(market, incoming) else { return true };
        if !breaker.allows(best) {
            return false;
        }
        if breaker.reference.is_none() {
            let (kept, rules) = (self.markets[market as usize].kept, &self.rules);
            breaker.reference = kept!(self.store, kept, |layout| incoming.first_price(layout, rules), None);
        }
        let limit = breaker.bound(incoming.side, incoming.limit);
        self.can_fill(market, &Incoming { limit, ..*incoming })
    }
}
