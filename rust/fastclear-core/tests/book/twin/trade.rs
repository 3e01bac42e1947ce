//! What an order does that comes in to the slow book: it trades, then rests if there is anything left that may.

use super::{NO_PRICE, Rests, Stands, Twin};

impl Rests {
    /// Whether what does not trade stays.
    pub fn may_rest(&self) -> bool {
        !self.is_market && (self.tif == 0 || self.tif == 3)
    }
}

impl Twin {
    /// What an order meets first: at its limit or better, of its collar's end where it has none. It passes over those that
    /// cannot have their minimum from it; and a pegged one over those that are too far for the breaker.
    pub(super) fn first_met(&self, order: &Rests) -> Option<Rests> {
        let limit = Some(order.price).filter(|&price| price != NO_PRICE);
        let limit = limit.or(self.collar_end(order.market, order.buys));
        let meets = |other: &&Rests| {
            let is_other_side = other.market == order.market && other.buys != order.buys;
            let is_there = other.stands == Stands::Book || other.stands == Stands::Beside;
            let crosses = |limit: i64| if order.buys { other.price <= limit } else { other.price >= limit };
            is_other_side
                && is_there
                && limit.is_none_or(crosses)
                && order.open.min(other.open) >= other.minimum.min(other.open)
                && (order.peg == 0 || self.is_near(order.market, other.price))
        };
        self.orders.iter().filter(meets).min_by_key(|other| other.place()).copied()
    }

    /// Trades an order that came in, until it meets one that is too far for the breaker. Says whether the market is to be
    /// erased.
    pub(super) fn trade(&mut self, order: &mut Rests) -> bool {
        while order.open > 0 {
            let Some(met) = self.first_met(order) else { return false };
            if !self.is_near(order.market, met.price) {
                self.market(order.market).fired = true;
                return false;
            }
            if self.is_own(order.participant, met.participant) {
                self.meet_own(order, &met);
                continue;
            }
            let there = if met.stands == Stands::Book { met.shown } else { met.open };
            let lots = order.open.min(there);
            assert!(lots > 0, "no order rests without lots: {met:?}");
            order.open -= lots;
            let shown = Rests { price: met.price, ..*order };
            self.tell("trade", &shown, Some(met.order), lots, "");
            self.traded_at(order.market, met.price);
            self.fill(&met, lots, order.order);
            if order.open == 0 {
                self.tell("filled", &shown, Some(met.order), lots, "");
            }
            if self.erases {
                return true;
            }
        }
        false
    }

    /// Takes lots out of what must not trade with itself.
    fn meet_own(&mut self, order: &mut Rests, met: &Rests) {
        let both = order.open.min(met.open);
        let (theirs, ours) = match self.self_trade {
            "cancel_resting" => (met.open, 0),
            "cancel_incoming" => (0, order.open),
            "cancel_both" => (met.open, order.open),
            "decrement" => (both, both),
            other => panic!("{other}"),
        };
        if theirs > 0 {
            let after = self.shrink(met.order, theirs);
            self.tell("cancelled", &after, Some(order.order), theirs, "self_trade");
        }
        if ours > 0 {
            order.open -= ours;
            let shown = Rests { price: met.price, ..*order };
            self.tell("cancelled", &shown, Some(met.order), ours, "self_trade");
        }
    }

    /// Takes lots that traded out of an order that rested, and shows what it hides where all that it showed is gone.
    fn fill(&mut self, met: &Rests, lots: i64, by: i64) {
        let at = self.find(met.order).unwrap();
        let order = &mut self.orders[at];
        order.open -= lots;
        if order.stands == Stands::Book {
            order.shown -= lots;
        }
        if order.open == 0 {
            let gone = self.orders.remove(at);
            self.tell("filled", &gone, Some(by), lots, "");
        } else if order.stands == Stands::Book && order.shown == 0 {
            self.turns += 1;
            order.turn = self.turns;
            order.shown = order.display.unwrap().min(order.open);
            let now = *order;
            self.tell("replaced", &now, None, now.shown, "");
        }
    }

    /// Lots that an order must trade at one moment.
    fn least(order: &Rests) -> i64 {
        if order.tif == 2 { order.open } else { order.minimum.min(order.open) }
    }

    /// Whether so many lots as it must would trade before the order meets one of its own: tried out on a copy.
    pub(super) fn reaches(&self, order: &Rests, heeds_breaker: bool) -> bool {
        let mut market = self.markets[&order.market].clone();
        if !heeds_breaker {
            market.breaker = None;
        }
        let here = |other: &&Rests| other.market == order.market;
        let mut copy = Self {
            self_trade: self.self_trade,
            erases: self.erases,
            orders: self.orders.iter().filter(here).copied().collect(),
            markets: [(order.market, market)].into(),
            turns: self.turns,
            ..Self::default()
        };
        let mut tried = *order;
        copy.trade(&mut tried);
        let passes = self.self_trade == "cancel_resting";
        let until_own = copy.told.iter().take_while(|told| passes || told.reject != "self_trade");
        let traded = until_own.filter(|told| told.kind == "trade").map(|told| told.quantity);
        traded.sum::<i64>() >= Self::least(order)
    }

    /// Whether an order trades at all. One that only the breaker keeps from so many lots as it must trade fires it.
    fn goes(&mut self, order: &Rests) -> bool {
        if self.market(order.market).in_call {
            return false;
        }
        if Self::least(order) == 0 || self.reaches(order, true) {
            return true;
        }
        self.market(order.market).fired = self.reaches(order, false);
        false
    }

    pub(super) fn come_in(&mut self, mut order: Rests) {
        let erases = self.goes(&order) && self.trade(&mut order);
        let market = order.market;
        if order.open > 0 {
            if order.peg > 0 && !erases && !self.is_near(market, order.price) {
                // Its own first trade was the breaker's reference.
                self.put_peg(order);
            } else if order.may_rest() && !erases {
                self.rest(order);
            } else {
                let lots = std::mem::take(&mut order.open);
                self.tell("cancelled", &order, None, lots, if erases { "book_erased" } else { "not_filled" });
            }
        }
        if erases {
            self.erase(market);
        }
        self.pause_if_fired(market);
    }

    fn rest(&mut self, mut order: Rests) {
        self.turns += 1;
        order.turn = self.turns;
        order.stands = if order.minimum > 0 { Stands::Beside } else { Stands::Book };
        order.shown = if order.minimum > 0 { 0 } else { order.display.unwrap_or(order.open).min(order.open) };
        if order.shown < order.open {
            self.tell("replaced", &order, None, order.shown, "");
        }
        self.market(order.market).entered.push((order.buys, order.price));
        self.orders.push(order);
    }
}
