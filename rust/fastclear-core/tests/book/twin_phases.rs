//! Phases, calls, collars and breakers of the naive book: every price is tried, every order looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::twin::{Command, Rests, Told, Twin};

/// A change that the clock makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub at: i64,
    pub market: i64,
    pub ends_pause: bool,
    pub phase: &'static str,
}

/// A market that moves farther than `ticks` from `reference` pauses.
#[derive(Clone, Copy, Debug)]
pub struct Breaker {
    pub ticks: i64,
    pub pause_ns: i64,
    pub reference: Option<i64>,
}

/// What markets have beside their orders.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// Markets whose last price is known from then on.
    pub watched: BTreeSet<i64>,
    pub in_call: BTreeSet<i64>,
    pub due: Vec<Change>,
    pub last_price: BTreeMap<i64, i64>,
    pub collars: BTreeMap<i64, (Option<i64>, Option<i64>)>,
    pub breakers: BTreeMap<i64, Breaker>,
    /// Whether the order at hand met one that is too far away.
    pub fired: bool,
}

/// Price, volume and imbalance of a call.
pub type Called = (i64, i64, i64);

impl Twin {
    pub fn command_phase(&mut self, command: &Command) -> Result<(), &'static str> {
        let phase = *["pre_open", "continuous", "halted"].get(usize::from(command.phase)).ok_or("unknown_phase")?;
        let market = self.name_market(command)?;
        self.change_phase(market, phase);
        Ok(())
    }

    pub fn halt(&mut self, market: i64, halts: bool) {
        self.halted.retain(|&other| other != market);
        if halts {
            self.halted.push(market);
            self.sessions.due.retain(|change| change.market != market || !change.ends_pause);
        }
        let now = if halts { "halted" } else { self.underlying(market) };
        self.tell_phase(market, now, None);
    }

    fn underlying(&self, market: i64) -> &'static str {
        if self.sessions.in_call.contains(&market) { "pre_open" } else { "continuous" }
    }

    fn tell_phase(&mut self, market: i64, phase: &'static str, price: Option<i64>) {
        self.told.push(Told {
            kind: "phase",
            command: self.command,
            market: Some(market),
            order: None,
            counter: None,
            price,
            quantity: ["halted", "continuous", "pre_open"].iter().position(|&name| name == phase).unwrap() as i64,
            remaining: 0,
            reject: "",
            side: None,
        });
    }

    pub fn change_phase(&mut self, market: i64, phase: &'static str) {
        self.sessions.watched.insert(market);
        self.sessions.due.retain(|change| change.market != market || !change.ends_pause);
        self.halted.retain(|&other| other != market);
        let was_in_call = self.sessions.in_call.contains(&market);
        match phase {
            "halted" => self.halted.push(market),
            "pre_open" => _ = self.sessions.in_call.insert(market),
            _ => _ = self.sessions.in_call.remove(&market),
        }
        if was_in_call && phase == "continuous" {
            self.end_call(market);
        } else {
            self.tell_phase(market, phase, None);
        }
    }

    /// The earliest change of a schedule, or the end of a pause.
    pub fn change_by_clock(&mut self) {
        let next = *self.sessions.due.iter().min().unwrap();
        self.sessions.due.retain(|&change| change != next);
        self.change_phase(next.market, next.phase);
    }

    pub fn set_phases(&mut self, market: i64, phases: &[(i64, &'static str)]) {
        self.name(market);
        self.sessions.watched.insert(market);
        self.sessions.due.retain(|change| change.market != market || change.ends_pause);
        for &(at, phase) in phases {
            self.sessions.due.push(Change { at, market, ends_pause: false, phase });
        }
    }

    pub fn end_session(&mut self, market: i64) {
        self.sessions.due.retain(|change| change.market != market);
        if self.sessions.in_call.contains(&market) && !self.halted.contains(&market) {
            self.end_call(market);
        }
    }

    /// Tries every price at which anything changes, and the reference.
    pub fn call(&self, market: i64) -> Option<Called> {
        let orders: Vec<&Rests> = self.orders.iter().filter(|order| order.market == market).collect();
        let lots = |wanted: &dyn Fn(&Rests) -> bool| -> i64 {
            orders.iter().filter(|order| wanted(order)).map(|order| order.open).sum()
        };
        let demand = |price: i64| lots(&|order| order.buys && order.price >= price);
        let supply = |price: i64| lots(&|order| !order.buys && order.price <= price);
        let mut prices: Vec<i64> =
            orders.iter().flat_map(|order| [order.price - 1, order.price, order.price + 1]).collect();
        prices.sort_unstable();
        let volume = prices.iter().map(|&price| demand(price).min(supply(price))).max()?;
        if volume == 0 {
            return None;
        }
        // Where nobody is left over who is better than the price.
        prices.retain(|&price| demand(price + 1) <= supply(price) && demand(price) >= supply(price - 1));
        let (low, high) = (prices[0], *prices.last().unwrap());
        let middle = (low + high).div_euclid(2);
        let reference = self.sessions.last_price.get(&market).copied().unwrap_or(middle);
        prices.extend([middle, reference.clamp(low, high)]);
        let left = |price: i64| demand(price) - supply(price);
        let price =
            prices.into_iter().min_by_key(|&price| (left(price).abs(), (price - reference).abs(), price)).unwrap();
        assert_eq!(demand(price).min(supply(price)), volume, "a clearing price has the largest volume");
        Some((price, volume, left(price)))
    }

    fn end_call(&mut self, market: i64) {
        let called = self.call(market);
        self.tell_phase(market, "continuous", called.map(|(price, ..)| price));
        let mut traded = None;
        let Some((price, volume, _)) = called else { return self.called_at(market, None) };
        let mut left = volume;
        while left > 0 {
            let (mut bid, mut ask) = (self.queue(market, true)[0].clone(), self.queue(market, false)[0].clone());
            let lots = bid.open.min(ask.open).min(left);
            left -= lots;
            if self.is_own(bid.participant, ask.participant) {
                for (one, other) in [(&bid, &ask), (&ask, &bid)] {
                    let after = self.shrink(one.order, lots);
                    self.tell("cancelled", &after, Some(other.order), lots, "self_trade");
                }
                continue;
            }
            traded = Some(price);
            let (buyer, seller) = (bid.order, ask.order);
            (bid, ask) = (self.shrink(buyer, lots), self.shrink(seller, lots));
            (bid.price, ask.price) = (price, price);
            self.tell("trade", &bid, Some(seller), lots, "");
            if ask.open == 0 {
                self.tell("filled", &ask, Some(buyer), lots, "");
            }
            if bid.open == 0 {
                self.tell("filled", &bid, Some(seller), lots, "");
            }
        }
        self.called_at(market, traded);
        if traded.is_some() && self.erases {
            self.clear(market, None, "cancelled", "book_erased");
        }
    }

    fn called_at(&mut self, market: i64, price: Option<i64>) {
        if let Some(price) = price {
            self.sessions.last_price.insert(market, price);
        }
        if let Some(breaker) = self.sessions.breakers.get_mut(&market) {
            breaker.reference = price;
        }
    }

    pub fn traded_at(&mut self, market: i64, price: i64) {
        if self.sessions.watched.contains(&market) {
            self.sessions.last_price.insert(market, price);
        }
        if let Some(breaker) = self.sessions.breakers.get_mut(&market) {
            breaker.reference = breaker.reference.or(Some(price));
        }
    }

    /// Whether the breaker lets an order meet one at this price.
    pub fn allows(&self, market: i64, price: i64) -> bool {
        let breaker = self.sessions.breakers.get(&market);
        breaker.is_none_or(|breaker| breaker.reference.is_none_or(|from| (from - price).abs() <= breaker.ticks))
    }

    pub fn pause_if_fired(&mut self, market: i64) {
        if std::mem::take(&mut self.sessions.fired) {
            self.change_phase(market, "pre_open");
            let at = self.clock.unwrap_or(0).max(0) + self.sessions.breakers[&market].pause_ns;
            self.sessions.due.push(Change { at, market, ends_pause: true, phase: "continuous" });
        }
    }

    /// Whether a collar is set; not where an order could trade outside of it.
    pub fn set_collar(&mut self, market: i64, low: Option<i64>, high: Option<i64>) -> bool {
        let outside = |order: &Rests| {
            if order.buys {
                high.is_some_and(|high| order.price > high)
            } else {
                low.is_some_and(|low| order.price < low)
            }
        };
        if self.orders.iter().any(|order| order.market == market && outside(order)) {
            return false;
        }
        self.name(market);
        self.sessions.watched.insert(market);
        self.sessions.collars.insert(market, (low, high));
        true
    }

    pub fn check_collar(&self, market: i64, price: Option<i64>) -> Result<(), &'static str> {
        let (low, high) = self.sessions.collars.get(&market).copied().unwrap_or((None, None));
        let outside = |price: i64| low.is_some_and(|low| price < low) || high.is_some_and(|high| price > high);
        if price.is_some_and(outside) { Err("price_outside_caps") } else { Ok(()) }
    }

    /// The worst price that an order without one takes.
    pub fn worst(&self, market: i64, buys: bool) -> Option<i64> {
        let (low, high) = self.sessions.collars.get(&market).copied().unwrap_or((None, None));
        if buys { high } else { low }
    }

    pub fn set_breaker(&mut self, market: i64, ticks: i64, pause_ns: i64) {
        self.name(market);
        self.sessions.watched.insert(market);
        self.sessions.breakers.insert(market, Breaker { ticks, pause_ns, reference: None });
    }
}
