//! Orders of the slow book that wait: for a stop, for a price to follow, for their minimum.

use super::{MOST, NO_PRICE, Rests, Stands, Twin};

impl Twin {
    /// A trade at this price sets off what waits for it.
    pub(super) fn set_off(&mut self, market: i64, price: i64) {
        for order in self.orders.iter_mut().filter(|order| order.market == market) {
            order.off |= order.stop.is_some_and(|stop| if order.buys { price >= stop } else { price <= stop });
        }
    }

    pub(super) fn wait(&mut self, mut order: Rests) {
        order.stands = Stands::Waiting;
        order.shown = 0;
        let last = self.market(order.market).last_price;
        let is_there = |last: i64| order.stop.is_some_and(|stop| if order.buys { last >= stop } else { last <= stop });
        order.off = last.is_some_and(is_there);
        self.tell("replaced", &order, None, 0, "");
        self.orders.push(order);
    }

    /// Where a pegged order belongs.
    pub(super) fn target(&self, order: &Rests) -> Option<i64> {
        if self.markets[&order.market].in_call {
            return None;
        }
        let best = |buys: bool| {
            let leads = |other: &&Rests| {
                other.market == order.market && other.buys == buys && other.stands == Stands::Book && other.peg == 0
            };
            self.orders.iter().filter(leads).min_by_key(|other| other.place()).map(|other| other.price)
        };
        let reference = if order.peg == 1 {
            best(order.buys)?
        } else {
            let (bid, ask) = (best(true)?, best(false)?);
            let below = (bid + ask).div_euclid(2);
            if order.buys { below } else { bid + ask - below }
        };
        let price = if order.buys { reference - order.offset } else { reference + order.offset };
        let price = match order.limit {
            Some(limit) if order.buys => price.min(limit),
            Some(limit) => price.max(limit),
            None => price,
        };
        let may_be = price.abs() <= MOST && self.is_in_collar(order.market, price) && self.is_near(order.market, price);
        may_be.then_some(price)
    }

    pub(super) fn put_peg(&mut self, mut order: Rests) {
        if let Some(price) = self.target(&order) {
            order.price = price;
            self.tell("replaced", &order, None, order.open, "");
            self.come_in(order);
        } else {
            order.take_outside();
            self.tell("replaced", &order, None, 0, "");
            self.orders.push(order);
        }
    }

    /// Pegged orders leave a book in which nothing trades.
    pub(super) fn take_pegs_out(&mut self, market: i64) {
        for id in self.ids(|order| order.market == market && order.peg > 0 && order.stands == Stands::Book) {
            let at = self.find(id).unwrap();
            self.orders[at].take_outside();
            let order = self.orders[at];
            self.tell("replaced", &order, None, 0, "");
        }
    }

    /// What follows, until nothing moves.
    pub(super) fn after(&mut self, market: i64) {
        if !self.market(market).is_watched {
            return;
        }
        while self.trades(market) {
            if !self.trigger(market) && !self.follow(market) && !self.retry(market) {
                self.market(market).entered.clear();
                return;
            }
        }
    }

    fn trades(&mut self, market: i64) -> bool {
        let market = self.market(market);
        !market.is_halted && !market.is_closed && !market.in_call
    }

    /// Ids in the order in which orders were taken.
    fn ids(&self, which: impl Fn(&Rests) -> bool) -> Vec<i64> {
        let mut found: Vec<&Rests> = self.orders.iter().filter(|order| which(order)).collect();
        found.sort_by_key(|order| order.taken);
        found.iter().map(|order| order.order).collect()
    }

    /// Stops that were set off come in, until the breaker fires.
    fn trigger(&mut self, market: i64) -> bool {
        let due = self.ids(|order| order.market == market && order.off);
        for &id in &due {
            if !self.trades(market) {
                break;
            }
            let at = self.find(id).unwrap();
            let mut order = self.orders.remove(at);
            (order.stop, order.off) = (None, false);
            self.tell("triggered", &order, None, order.open, "");
            self.come_in(order);
        }
        !due.is_empty()
    }

    /// Pegged orders go where they belong; all of them leave first.
    fn follow(&mut self, market: i64) -> bool {
        let moves = |order: &Rests| {
            let here = (order.stands == Stands::Book).then_some(order.price);
            order.market == market && order.peg > 0 && self.target(order) != here
        };
        let moved = self.ids(moves);
        for &id in &moved {
            let at = self.find(id).unwrap();
            self.orders[at].take_outside();
        }
        for &id in &moved {
            // It may be gone: the market may have been erased by one before it.
            if let Some(at) = self.find(id) {
                let order = self.orders.remove(at);
                self.put_peg(order);
            }
        }
        !moved.is_empty()
    }

    /// The first order trades that can have its minimum now and crosses what came to rest.
    fn retry(&mut self, market: i64) -> bool {
        let sides = [self.side(market, true), self.side(market, false)].concat();
        for order in sides.iter().filter(|order| order.stands == Stands::Beside) {
            let crosses = |&(buys, price): &(bool, i64)| {
                buys != order.buys && if order.buys { price <= order.price } else { price >= order.price }
            };
            if !self.markets[&market].entered.iter().any(crosses) || !self.reaches(order, true) {
                continue;
            }
            let mut now = *order;
            let erases = self.trade(&mut now);
            let at = self.find(order.order).unwrap();
            if now.open > 0 {
                self.orders[at].open = now.open;
            } else {
                self.orders.remove(at);
            }
            if erases {
                self.erase(market);
            }
            self.pause_if_fired(market);
            return true;
        }
        false
    }
}

impl Rests {
    /// A pegged order stands outside, until there is a price to follow.
    fn take_outside(&mut self) {
        self.stands = Stands::Unpriced;
        self.shown = 0;
        self.price = self.limit.unwrap_or(NO_PRICE);
    }
}
