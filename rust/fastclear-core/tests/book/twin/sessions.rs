//! Phases, schedules, gates, collars and breakers of the slow book.

use super::{Market, Rests, Told, Twin};

/// A market that moves farther than `ticks` from `reference` pauses.
#[derive(Clone, Copy, Debug)]
pub struct Breaker {
    pub ticks: i64,
    pub pause_ns: i64,
    pub reference: Option<i64>,
}

impl Market {
    /// When its phase changes next, and whether that is the end of a pause. Of one time the schedule comes first.
    pub fn next_change(&self) -> Option<(i64, bool)> {
        let scheduled = self.schedule.iter().map(|&(at, _)| (at, false));
        scheduled.chain(self.pause_ends.map(|at| (at, true))).min()
    }
}

impl Twin {
    pub(super) fn tell_phase(&mut self, market: i64, phase: &'static str, price: Option<i64>) {
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

    pub(super) fn halt(&mut self, market: i64, halts: bool) {
        let state = self.market(market);
        state.is_halted = halts;
        if halts {
            state.pause_ends = None;
        }
        let now = match (halts, state.in_call) {
            (true, _) => "halted",
            (false, true) => "pre_open",
            (false, false) => "continuous",
        };
        self.tell_phase(market, now, None);
    }

    pub(super) fn change_phase(&mut self, market: i64, phase: &'static str) {
        let state = self.market(market);
        let was_in_call = state.in_call;
        (state.is_watched, state.pause_ends, state.is_halted) = (true, None, phase == "halted");
        if phase == "continuous" && was_in_call {
            self.end_call(market);
            self.market(market).in_call = false;
            // All with a minimum are tried, as if all that is there had come to rest just now.
            let here = |order: &&Rests| order.market == market;
            let rests = self.orders.iter().filter(here).map(|order| (order.buys, order.price)).collect();
            self.market(market).entered = rests;
            return;
        }
        self.tell_phase(market, phase, None);
        if phase == "pre_open" {
            self.market(market).in_call = true;
            self.take_pegs_out(market);
        }
    }

    /// The earliest change of a schedule, or the end of a pause.
    pub(super) fn change_by_clock(&mut self, market: i64) {
        let state = self.market(market);
        let (at, ends_pause) = state.next_change().unwrap();
        let mut phase = "continuous";
        if !ends_pause {
            let place = state.schedule.iter().position(|change| change.0 == at).unwrap();
            phase = state.schedule.remove(place).1;
        }
        self.change_phase(market, phase);
        self.after(market);
    }

    pub fn set_phases(&mut self, market: i64, phases: &[(i64, &'static str)]) {
        let market = self.market(market);
        market.is_watched = true;
        market.schedule = phases.to_vec();
    }

    /// A market whose gate closes in a call trades first; then all that is there expires.
    pub(super) fn close(&mut self, market: i64) {
        let state = self.market(market);
        (state.gate, state.pause_ends) = (None, None);
        state.schedule.clear();
        if state.in_call && !state.is_halted {
            self.end_call(market);
        }
        self.market(market).is_closed = true;
        self.clear(market, None, "expired", "market_closed");
    }

    /// Sets a collar; else the orders that could trade outside of it.
    pub fn set_collar(&mut self, market: i64, low: Option<i64>, high: Option<i64>) -> Vec<i64> {
        let could_trade_outside = |order: &&Rests| {
            let reaches = |worst: i64| {
                if order.buys { high.is_some_and(|high| worst > high) } else { low.is_some_and(|low| worst < low) }
            };
            order.market == market && order.worst().is_some_and(reaches)
        };
        let outside: Vec<i64> = self.orders.iter().filter(could_trade_outside).map(|order| order.order).collect();
        if outside.is_empty() {
            let state = self.market(market);
            (state.is_watched, state.collar) = (true, (low, high));
            self.unsettled.push(market);
        }
        outside
    }

    pub(super) fn is_in_collar(&self, market: i64, price: i64) -> bool {
        let (low, high) = self.markets.get(&market).map_or((None, None), |market| market.collar);
        low.is_none_or(|low| low <= price) && high.is_none_or(|high| price <= high)
    }

    /// The worst price that an order takes which names none.
    pub(super) fn collar_end(&self, market: i64, buys: bool) -> Option<i64> {
        let (low, high) = self.markets[&market].collar;
        if buys { high } else { low }
    }

    pub fn set_breaker(&mut self, market: i64, breaker: Option<(i64, i64)>) {
        let state = self.market(market);
        state.is_watched = true;
        state.breaker = breaker.map(|(ticks, pause_ns)| Breaker { ticks, pause_ns, reference: None });
        self.unsettled.push(market);
    }

    /// Whether the breaker lets orders trade at this price.
    pub(super) fn is_near(&self, market: i64, price: i64) -> bool {
        let breaker = self.markets[&market].breaker;
        breaker.is_none_or(|breaker| breaker.reference.is_none_or(|from| (from - price).abs() <= breaker.ticks))
    }

    /// Takes note of the price of a trade.
    pub(super) fn traded_at(&mut self, market: i64, price: i64) {
        let state = self.market(market);
        if !state.is_watched {
            return;
        }
        state.last_price = Some(price);
        if let Some(breaker) = &mut state.breaker {
            breaker.reference = breaker.reference.or(Some(price));
        }
        self.set_off(market, price);
    }

    pub(super) fn pause_if_fired(&mut self, market: i64) {
        if std::mem::take(&mut self.market(market).fired) {
            self.change_phase(market, "pre_open");
            let now = self.clock.unwrap_or(0).max(0);
            let state = self.market(market);
            state.pause_ends = state.breaker.map(|breaker| now + breaker.pause_ns);
        }
    }
}
