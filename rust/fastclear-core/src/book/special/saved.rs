//! What markets have beyond plain orders, as bytes, and what bytes may say.
//!
//! A struct is its fields in the order of its list below. A value that may be missing is a flag (u8) and, if it is 1, the value;
//! a list is a count (u32) and its values; a word is its code (u8).
//!
//! Special markets follow each other as [`Special`]s. The orders that are more than plain follow behind all orders of the
//! layouts: of each special market, in order of markets, a list of [`Saved`] by turn.

use super::super::engine::{CLOSED, OrderBook, SPECIAL};
use super::super::expiry::NEVER;
use super::super::layout::{Layout, Resting};
use super::super::saved::Caller;
use super::super::store::{ASIDE, kept};
use super::fields::{Field, fields};
use super::rich::{Rich, Stands};
use super::session::Session;
use super::terms::{Terms, WHOLE};
use super::{Breaker, Collar, Special};
use crate::bytes::{Malformed, Reader, put_count};
use crate::order::BUY;
use crate::units;

// Orders are saved by themselves, what a call keeps apart with all others.
fields!(Special { last_price, session, collar, breaker, entered, turns; anew rich, followed });
fields!(Session { in_call, pause_ends, schedule; anew asks });
fields!(Collar { low, high });
fields!(Breaker { ticks, pause_ns, reference });
fields!(Terms { limit, display, minimum, stop, peg, rests, is_fok, is_market });
fields!(Saved { id, terms, stands, is_due, turn, open, aside });
fields!(Aside { side, participant, expires });

/// Turns that a market may have had: so many that none reaches it, so few that no count of them can overflow.
const TURNS_MAX: u64 = 1 << 63;

/// An order that is more than plain. Of one that is shown, the rest is with the orders of its layout.
struct Saved {
    id: i64,
    terms: Terms,
    stands: Stands,
    /// Whether its stop was reached, and it waits for the end of a call.
    is_due: bool,
    turn: u64,
    open: u32,
    aside: Option<Aside>,
}

/// What else an order has that is in no layout; the participant is null of one that is nobody's.
struct Aside {
    side: u8,
    participant: i64,
    expires: Option<i64>,
}

impl Special {
    /// Whether it could have come about.
    fn check(&self) -> Result<(), &'static str> {
        let Self { session, collar, breaker, .. } = self;
        if collar.low.zip(collar.high).is_some_and(|(low, high)| low > high) {
            return Err("a collar has no price between its ends");
        }
        if breaker.is_some_and(|breaker| i64::from(breaker.ticks) > units::PRICE_MAX || breaker.pause_ns < 1) {
            return Err("a breaker has no width, or no pause");
        }
        if session.pause_ends.is_some() && !session.in_call {
            return Err("a market pauses outside of a call");
        }
        let times: Vec<i64> = session.schedule.iter().map(|&(at, _)| at).collect();
        if times.windows(2).any(|pair| pair[1] <= pair[0]) {
            return Err("phases are not in order of time");
        }
        if self.turns > TURNS_MAX {
            return Err("a market had too many turns");
        }
        Ok(())
    }
}

impl Rich {
    /// Whether it could stand where it does: in a layout as what is there, or in none.
    fn check(&self, place: Option<&Resting>) -> bool {
        let Self { terms, stands, turn: _, side, owner: _, expiry: _, open } = *self;
        let Terms { limit, display, minimum, stop, peg, rests, is_fok, is_market } = terms;
        let is_lots = |lots: u32| lots == WHOLE || units::quantity_in_range(lots.into());
        let hides = display != WHOLE;
        let is_order = side <= BUY
            && units::quantity_in_range(open.into())
            && is_lots(display)
            && (minimum == 0 || is_lots(minimum))
            && !terms.show_too_few(open)
            && (limit.is_some() || is_market || peg.is_some())
            && !(rests && (is_fok || is_market))
            && !(hides && (!rests || terms.is_conditional()))
            && peg.is_none_or(|(_, offset)| {
                units::price_in_range(offset.into()) && rests && stop.is_none() && !terms.is_conditional()
            });
        let is_there = match (stands, place) {
            (Stands::Shown, Some(at)) => {
                let is_at_limit = match limit {
                    Some(limit) if peg.is_none() => at.price == limit,
                    Some(limit) if side == BUY => at.price <= limit,
                    Some(limit) => at.price >= limit,
                    None => true,
                };
                let is_shown = if hides { at.quantity <= display.min(open) } else { at.quantity == open };
                stop.is_none() && !terms.is_conditional() && !terms.rests_plain() && is_at_limit && is_shown
            }
            (Stands::Conditional, None) => terms.is_conditional() && stop.is_none() && rests,
            (Stands::Waiting, None) => stop.is_some(),
            (Stands::Unpriced, None) => peg.is_some(),
            _ => false,
        };
        is_order && is_there
    }
}

impl OrderBook {
    /// Appends what every special market has, but for its orders.
    pub(in crate::book) fn put_specials(&self, out: &mut Vec<u8>) {
        self.markets.iter().filter_map(|market| market.special.as_ref()).for_each(|special| special.put(out));
    }

    /// Gives a market that has no orders yet what [`Self::put_specials`] wrote, and what the clock is to change there.
    pub(in crate::book) fn take_special(&mut self, market: u32, r: &mut Reader<'_>) -> Result<(), Malformed> {
        let special = Special::take(r)?;
        special.check().map_err(|reason| r.fault(reason))?;
        let is_closed = self.markets[market as usize].is(CLOSED);
        let pause = special.session.pause_ends;
        let next = special.session.schedule.front().map(|&(at, _)| at);
        if is_closed && special.session.in_call {
            return Err(r.fault("a market that has closed is in a call"));
        }
        if !is_closed && pause.into_iter().chain(next).any(|at| at <= self.clock) {
            return Err(r.fault("a change of phase is not after the clock"));
        }
        *self.special(market) = special;
        if !is_closed {
            self.await_next(market);
            self.await_pause(market);
        }
        Ok(())
    }

    /// Appends the orders of every special market that are more than plain.
    pub(in crate::book) fn put_rich_orders(&self, out: &mut Vec<u8>) {
        for special in self.markets.iter().filter_map(|market| market.special.as_ref()) {
            let orders = special.rich.by_turn();
            put_count(out, orders.len());
            for (id, rich) in orders {
                let Rich { terms, stands, turn, side, owner, expiry, open } = *rich;
                let aside = (stands != Stands::Shown).then(|| Aside {
                    side,
                    participant: self.desk.owners.participant(owner),
                    expires: self.desk.expiries.at(expiry),
                });
                Saved { id, terms, stands, is_due: special.rich.is_due(turn), turn, open, aside }.put(out);
            }
        }
        put_count(out, self.unsettled.len());
        self.unsettled.iter().for_each(|market| market.put(out));
    }

    /// Gives special markets what [`Self::put_rich_orders`] wrote; their layouts have what they show already.
    pub(in crate::book) fn take_rich_orders(&mut self, r: &mut Reader<'_>, caller: &Caller) -> Result<(), Malformed> {
        for market in 0..self.markets.len() {
            if !self.markets[market].is(SPECIAL) {
                continue;
            }
            let mut last_turn = 0;
            for _ in 0..r.count(1)? {
                let saved = Saved::take(r)?;
                if saved.turn <= last_turn || saved.turn > self.special(market as u32).turns {
                    return Err(r.fault("orders are not in order of turns"));
                }
                last_turn = saved.turn;
                self.take_rich(market as u32, saved, caller).map_err(|reason| r.fault(reason))?;
            }
            let collar = self.collar_at(market as u32);
            if [BUY, 1 - BUY].into_iter().any(|side| self.outside(market as u32, side, collar).is_some()) {
                return Err(r.fault("an order is outside of its market's collar"));
            }
        }
        for _ in 0..r.count(4)? {
            let market = r.u32()?;
            let is_special = self.markets.get(market as usize).is_some_and(|market| market.is(SPECIAL));
            if !is_special || self.unsettled.contains(&market) {
                return Err(r.fault("a market that is to be settled is none, or there twice"));
            }
            self.unsettled.push(market);
        }
        Ok(())
    }

    fn take_rich(&mut self, market: u32, saved: Saved, caller: &Caller) -> Result<(), &'static str> {
        let Saved { id, terms, stands, is_due, turn, open, aside } = saved;
        let found = self.store.find(&self.desk, id);
        let (rich, place) = match aside {
            None => {
                let unknown = "an order that is to be shown is not in its market, or there twice";
                let (kept, _, place) = found.filter(|&(_, of, _)| of == market).ok_or(unknown)?;
                if self.special(market).rich.get(id).is_some() {
                    return Err(unknown);
                }
                let (side, at) = kept!(self.store, kept, |layout| (layout.side(place), layout.resting(place)), {
                    return Err(unknown);
                });
                (Rich { terms, stands, turn, side, owner: at.owner, expiry: at.expiry, open }, Some(at))
            }
            Some(Aside { side, participant, expires }) => {
                if self.markets[market as usize].is(CLOSED) {
                    return Err("a market that has closed has orders");
                }
                self.check_new(id, participant, expires, caller)?;
                let expiry = expires.map_or(NEVER, |at| self.desk.expiries.insert(at, id));
                self.desk.ids.insert(id, ASIDE | u64::from(market));
                (Rich { terms, stands, turn, side, owner: self.desk.owners.code(participant), expiry, open }, None)
            }
        };
        if !rich.check(place.as_ref()) {
            return Err("an order could not stand where it does");
        }
        if is_due && stands != Stands::Waiting {
            return Err("an order was set off that does not wait");
        }
        let in_call = self.in_call(market);
        if in_call && stands == Stands::Shown && terms.peg.is_some() {
            return Err("a pegged order is in a call");
        }
        let rich_orders = &mut self.special(market).rich;
        rich_orders.insert(id, rich);
        if is_due {
            rich_orders.set_off_one(&rich);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::command::{Peg, Phase};
    use super::*;

    /// What was written is what is read, in every field: none has the value that it would have if it were left out.
    #[test]
    fn every_field_comes_back() {
        let session = Session {
            in_call: true,
            pause_ends: Some(-7),
            schedule: [(1, Phase::Halted), (2, Phase::PreOpen), (3, Phase::Continuous)].into(),
            ..Session::default()
        };
        let special = Special {
            last_price: Some(1),
            session,
            collar: Collar { low: Some(2), high: Some(3) },
            breaker: Some(Breaker { ticks: 4, pause_ns: 5, reference: Some(6) }),
            entered: [Some(9), Some(10)],
            turns: 11,
            ..Special::default()
        };
        let terms = Terms {
            limit: Some(12),
            display: 13,
            minimum: 14,
            stop: Some(15),
            peg: Some((Peg::Mid, 16)),
            rests: true,
            is_fok: true,
            is_market: true,
        };
        let mut bytes = Vec::new();
        special.put(&mut bytes);
        terms.put(&mut bytes);
        let r = &mut Reader::new(&bytes);
        let (again, same_terms) = (Special::take(r).unwrap(), Terms::take(r).unwrap());
        r.end().unwrap();
        assert_eq!(format!("{again:?}"), format!("{special:?}"));
        assert_eq!(same_terms, terms);
    }
}
