//! What the slow book does with a command, and with the clock.

use super::{Command, MOST, Rests, Told, Twin};

impl Twin {
    /// Obeys one command, the `row`th of its call.
    pub fn obey(&mut self, row: usize, command: &Command) {
        self.command = Some(row);
        for market in std::mem::take(&mut self.unsettled) {
            self.after(market);
        }
        if let Some(time) = command.time {
            self.tick(time);
        }
        match self.act(command) {
            Ok(market) => self.after(market),
            Err(reason) => self.refuse(command, reason),
        }
    }

    fn refuse(&mut self, command: &Command, reason: &'static str) {
        let fits = |number: Option<i64>, least: i64| number.filter(|&number| least <= number && number <= MOST);
        self.told.push(Told {
            kind: "rejected",
            command: self.command,
            market: command.market.filter(|market| self.markets.contains_key(market)),
            order: command.order,
            counter: None,
            price: fits(command.price, -MOST),
            quantity: fits(command.quantity, 1).unwrap_or(0),
            remaining: 0,
            reject: reason,
            side: [Some(false), Some(true)].get(usize::from(command.side)).copied().flatten(),
        });
    }

    /// Moves the clock and does what is due, the earliest first: of one time orders expire, then phases change, then gates
    /// close.
    fn tick(&mut self, now: i64) {
        if self.clock.is_some_and(|clock| now <= clock) {
            return;
        }
        loop {
            let orders = self.orders.iter().filter_map(|order| order.expires.map(|at| (at, 0, order.order)));
            let sessions = self.markets.iter().flat_map(|(&id, market)| {
                let change = market.next_change().map(|(at, _)| (at, 1, id));
                [change, market.gate.map(|at| (at, 2, id))].into_iter().flatten()
            });
            let first = orders.chain(sessions).filter(|&(at, ..)| at <= now).min();
            self.clock = Some(first.map_or(now, |(at, ..)| at));
            match first {
                None => return,
                Some((_, 0, id)) => {
                    let lots = self.orders[self.find(id).unwrap()].open;
                    let gone = self.shrink(id, lots);
                    self.tell("expired", &gone, None, lots, "");
                    self.after(gone.market);
                }
                Some((_, 1, market)) => self.change_by_clock(market),
                Some((_, _, market)) => self.close(market),
            }
        }
    }

    fn act(&mut self, command: &Command) -> Result<i64, &'static str> {
        match command.op {
            0 => self.new_order(command),
            1 | 2 => self.cancel(command),
            3 => self.replace(command),
            4 => {
                let market = self.name_market(command)?;
                self.clear(market, command.participant, "cancelled", "");
                Ok(market)
            }
            5 | 6 => {
                let market = self.name_market(command)?;
                self.halt(market, command.op == 5);
                Ok(market)
            }
            7 => {
                let phases = ["pre_open", "continuous", "halted"];
                let phase = *phases.get(usize::from(command.phase)).ok_or("unknown_phase")?;
                let market = self.name_market(command)?;
                self.change_phase(market, phase);
                Ok(market)
            }
            _ => Err("unknown_op"),
        }
    }

    fn name_market(&mut self, command: &Command) -> Result<i64, &'static str> {
        let market = command.market.ok_or("id_missing")?;
        command.time.ok_or("time_missing")?;
        if self.market(market).is_closed { Err("market_closed") } else { Ok(market) }
    }

    pub(super) fn named_order(&self, command: &Command) -> Result<Rests, &'static str> {
        let id = command.order.ok_or("id_missing")?;
        command.time.ok_or("time_missing")?;
        let order = *self.orders.iter().find(|order| order.order == id).ok_or("unknown_order")?;
        let elsewhere = command.market.is_some_and(|market| market != order.market);
        let anothers = command.participant.is_some() && command.participant != order.participant;
        if elsewhere || anothers { Err("unknown_order") } else { Ok(order) }
    }

    fn cancel(&mut self, command: &Command) -> Result<i64, &'static str> {
        let reduced = if command.op == 2 { Some(Self::quantity(command.quantity)?) } else { None };
        let order = self.named_order(command)?;
        let lots = reduced.unwrap_or(order.open).min(order.open);
        let after = self.shrink(order.order, lots);
        self.tell("cancelled", &after, None, lots, "");
        Ok(order.market)
    }
}
