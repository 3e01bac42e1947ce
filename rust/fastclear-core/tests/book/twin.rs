//! The order book as a list of orders that is searched from end to end for everything: what `fastclear_core::book` must do.

use std::collections::BTreeMap;

use crate::twin_phases::Sessions;

/// A command with every cell that a row may have; `None` is a null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub op: u8,
    pub market: Option<i64>,
    pub order: Option<i64>,
    pub participant: Option<i64>,
    pub side: u8,
    pub is_market_order: u8,
    pub tif: u8,
    pub price: Option<i64>,
    pub quantity: Option<i64>,
    pub expires: Option<i64>,
    pub flags: u8,
    pub phase: u8,
    pub time: Option<i64>,
}

impl Default for Command {
    fn default() -> Self {
        Self {
            op: 0,
            market: Some(0),
            order: None,
            participant: None,
            side: 255,
            is_market_order: 0,
            tif: 0,
            price: None,
            quantity: None,
            expires: None,
            flags: 0,
            phase: 255,
            time: Some(0),
        }
    }
}

/// An event, markets by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub kind: &'static str,
    pub command: Option<usize>,
    pub market: Option<i64>,
    pub order: Option<i64>,
    pub counter: Option<i64>,
    pub price: Option<i64>,
    pub quantity: i64,
    pub remaining: i64,
    pub reject: &'static str,
    pub side: Option<bool>,
}

/// An order that rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rests {
    pub market: i64,
    pub order: i64,
    pub participant: Option<i64>,
    pub buys: bool,
    pub price: i64,
    pub open: i64,
    pub expires: Option<i64>,
    /// When it came to where it stands.
    pub turn: u64,
}

/// The slow book.
#[derive(Clone, Debug, Default)]
pub struct Twin {
    /// `off`, `cancel_resting`, `cancel_incoming`, `cancel_both`, `decrement`.
    pub self_trade: &'static str,
    pub erases: bool,
    /// Whether the calls have a participant column.
    pub has_participants: bool,
    pub orders: Vec<Rests>,
    pub gates: BTreeMap<i64, i64>,
    pub closed: Vec<i64>,
    pub halted: Vec<i64>,
    pub named: Vec<i64>,
    pub clock: Option<i64>,
    pub told: Vec<Told>,
    pub turns: u64,
    pub command: Option<usize>,
    pub sessions: Sessions,
}

pub const MOST: i64 = (1 << 31) - 1;

impl Twin {
    pub fn tell(
        &mut self,
        kind: &'static str,
        order: &Rests,
        counter: Option<i64>,
        quantity: i64,
        reject: &'static str,
    ) {
        self.told.push(Told {
            kind,
            command: self.command,
            market: Some(order.market),
            order: Some(order.order),
            counter,
            price: Some(order.price),
            quantity,
            remaining: order.open,
            reject,
            side: Some(order.buys),
        });
    }

    /// Orders of one side of a market, first to last.
    pub fn queue(&self, market: i64, buys: bool) -> Vec<Rests> {
        let mut side: Vec<Rests> =
            self.orders.iter().filter(|order| order.market == market && order.buys == buys).cloned().collect();
        side.sort_by_key(|order| (if buys { -order.price } else { order.price }, order.turn));
        side
    }

    /// Everything that rests, in the order of a snapshot.
    pub fn snapshot(&self) -> Vec<Rests> {
        let mut markets: Vec<i64> = self.orders.iter().map(|order| order.market).collect();
        markets.sort_unstable();
        markets.dedup();
        let sides = |&market: &i64| [self.queue(market, true), self.queue(market, false)].concat();
        markets.iter().flat_map(sides).collect()
    }

    fn find(&self, id: i64) -> Option<usize> {
        self.orders.iter().position(|order| order.order == id)
    }

    /// Takes lots out of an order that rests.
    pub fn shrink(&mut self, id: i64, lots: i64) -> Rests {
        let at = self.find(id).unwrap();
        self.orders[at].open -= lots;
        let after = self.orders[at].clone();
        if after.open == 0 {
            self.orders.remove(at);
        }
        after
    }

    /// Moves the clock and lets go what is past, the earliest first.
    pub fn tick(&mut self, now: i64) {
        if self.clock.is_some_and(|clock| now <= clock) {
            return;
        }
        loop {
            let orders = self.orders.iter().filter_map(|order| order.expires.map(|at| (at, 0, order.order)));
            let changes = self.sessions.due.iter().map(|change| (change.at, 1, change.market));
            let gates = self.gates.iter().map(|(&market, &at)| (at, 2, market));
            let first = orders.chain(changes).chain(gates).filter(|&(at, ..)| at <= now).min();
            self.clock = Some(first.map_or(now, |(at, ..)| at));
            match first {
                None => return,
                Some((_, 1, _)) => self.change_by_clock(),
                Some((_, 0, id)) => {
                    let at = self.find(id).unwrap();
                    let lots = self.orders[at].open;
                    let gone = self.shrink(id, lots);
                    self.tell("expired", &gone, None, lots, "");
                }
                Some((_, _, market)) => {
                    self.gates.remove(&market);
                    self.end_session(market);
                    self.closed.push(market);
                    self.clear(market, None, "expired", "market_closed");
                }
            }
        }
    }

    pub fn clear(&mut self, market: i64, of: Option<i64>, kind: &'static str, why: &'static str) {
        for order in [self.queue(market, true), self.queue(market, false)].concat() {
            if of.is_none() || order.participant == of {
                let gone = self.shrink(order.order, order.open);
                self.tell(kind, &gone, None, order.open, why);
            }
        }
    }

    /// Obeys one command, the `row`th of its call.
    pub fn obey(&mut self, row: usize, command: &Command) {
        self.command = Some(row);
        if let Some(time) = command.time {
            self.tick(time);
        }
        if let Err(reason) = self.act(command) {
            let fits = |number: Option<i64>, least: i64| number.filter(|&number| least <= number && number <= MOST);
            self.told.push(Told {
                kind: "rejected",
                command: self.command,
                market: command.market.filter(|market| self.named.contains(market)),
                order: command.order,
                counter: None,
                price: fits(command.price, -MOST),
                quantity: fits(command.quantity, 1).unwrap_or(0),
                remaining: 0,
                reject: reason,
                side: [Some(false), Some(true)].get(usize::from(command.side)).copied().flatten(),
            });
        }
    }

    fn act(&mut self, command: &Command) -> Result<(), &'static str> {
        match command.op {
            0 => self.new_order(command),
            1 | 2 => self.cancel(command),
            3 => self.replace(command),
            4 => {
                let market = self.name_market(command)?;
                self.clear(market, command.participant, "cancelled", "");
                Ok(())
            }
            5 | 6 => {
                let market = self.name_market(command)?;
                self.halt(market, command.op == 5);
                Ok(())
            }
            7 => self.command_phase(command),
            _ => Err("unknown_op"),
        }
    }

    pub fn name(&mut self, market: i64) {
        if !self.named.contains(&market) {
            self.named.push(market);
        }
    }

    pub fn name_market(&mut self, command: &Command) -> Result<i64, &'static str> {
        let market = command.market.ok_or("id_missing")?;
        command.time.ok_or("time_missing")?;
        self.name(market);
        if self.closed.contains(&market) { Err("market_closed") } else { Ok(market) }
    }

    fn price(price: Option<i64>) -> Result<i64, &'static str> {
        let price = price.ok_or("price_missing")?;
        if price.abs() > MOST { Err("price_out_of_range") } else { Ok(price) }
    }

    fn quantity(quantity: Option<i64>) -> Result<i64, &'static str> {
        let quantity = quantity.ok_or("quantity_missing")?;
        if (1..=MOST).contains(&quantity) { Ok(quantity) } else { Err("quantity_out_of_range") }
    }

    /// The first order of the other side, if it is at the limit or better.
    fn first_met(&self, market: i64, buys: bool, limit: Option<i64>) -> Option<Rests> {
        let first = self.queue(market, !buys).into_iter().next()?;
        let meets = limit.is_none_or(|limit| if buys { first.price <= limit } else { first.price >= limit });
        meets.then_some(first)
    }

    pub fn is_own(&self, one: Option<i64>, other: Option<i64>) -> bool {
        self.self_trade != "off" && one.is_some() && one == other
    }

    fn new_order(&mut self, command: &Command) -> Result<(), &'static str> {
        if command.side > 1 {
            return Err("unknown_side");
        }
        if command.is_market_order > 1 {
            return Err("unknown_type");
        }
        if command.tif > 3 {
            return Err("unknown_tif");
        }
        let is_limit = command.is_market_order == 0;
        let limit = if is_limit || command.price.is_some() { Some(Self::price(command.price)?) } else { None };
        let quantity = Self::quantity(command.quantity)?;
        let (market, id) = (command.market.ok_or("id_missing")?, command.order.ok_or("id_missing")?);
        if self.has_participants {
            command.participant.ok_or("id_missing")?;
        }
        command.time.ok_or("time_missing")?;
        self.check_collar(market, limit)?;
        let limit = limit.or(self.worst(market, command.side == 1));
        let (ioc, fok, gtt) = (command.tif == 1, command.tif == 2, command.tif == 3);
        let may_rest = is_limit && !ioc && !fok;
        let post_only = command.flags == 1;
        if command.flags > 1 || (post_only && !may_rest) || (gtt && !is_limit) || (!gtt && command.expires.is_some()) {
            return Err("instructions_invalid");
        }
        if gtt {
            let expires = command.expires.ok_or("expiry_invalid")?;
            if self.clock.is_some_and(|clock| expires <= clock) {
                return Err("expiry_invalid");
            }
        }
        self.name(market);
        if self.closed.contains(&market) {
            return Err("market_closed");
        }
        if self.find(id).is_some() {
            return Err("duplicate_order");
        }
        if self.halted.contains(&market) {
            return Err("market_halted");
        }
        let in_call = self.sessions.in_call.contains(&market);
        if in_call && !may_rest {
            return Err("not_in_phase");
        }
        let buys = command.side == 1;
        if post_only && !in_call && self.first_met(market, buys, limit).is_some() {
            return Err("would_trade");
        }
        let mut order = Rests {
            market,
            order: id,
            participant: command.participant,
            buys,
            price: command.price.unwrap_or(0),
            open: quantity,
            expires: command.expires,
            turn: 0,
        };
        self.tell("accepted", &order, None, quantity, "");
        if command.price.is_none() {
            self.told.last_mut().unwrap().price = None;
        }
        let erased = if fok && !self.fills(&order, limit) { false } else { self.trade(&mut order, limit) };
        if order.open > 0 {
            if may_rest && !erased {
                self.rest(&order);
            } else {
                let lots = std::mem::take(&mut order.open);
                self.tell("cancelled", &order, None, lots, if erased { "book_erased" } else { "not_filled" });
                if command.price.is_none() {
                    self.told.last_mut().unwrap().price = None;
                }
            }
        }
        if erased {
            self.clear(market, None, "cancelled", "book_erased");
        }
        self.pause_if_fired(market);
        Ok(())
    }

    fn rest(&mut self, order: &Rests) {
        self.turns += 1;
        self.orders.push(Rests { turn: self.turns, ..order.clone() });
    }

    /// Whether a fill-or-kill order is filled: tried out on a copy.
    fn fills(&mut self, order: &Rests, limit: Option<i64>) -> bool {
        let breaker = self.sessions.breakers.remove(&order.market);
        let would = self.would_fill(order, limit);
        if let Some(breaker) = breaker {
            self.sessions.breakers.insert(order.market, breaker);
            let does = would && self.would_fill(order, limit);
            self.sessions.fired = would && !does;
            return does;
        }
        would
    }

    fn would_fill(&self, order: &Rests, limit: Option<i64>) -> bool {
        let (mut copy, mut tried) = (self.clone(), order.clone());
        copy.told.clear();
        copy.trade(&mut tried, limit);
        let traded = |told: &&Told| told.kind == "trade";
        copy.told.iter().filter(traded).map(|told| told.quantity).sum::<i64>() == order.open
    }

    /// Trades an order that came in. Says whether the market is to be erased.
    pub fn trade(&mut self, order: &mut Rests, limit: Option<i64>) -> bool {
        while order.open > 0 && !self.sessions.in_call.contains(&order.market) {
            let Some(met) = self.first_met(order.market, order.buys, limit) else { return false };
            if !self.allows(order.market, met.price) {
                self.sessions.fired = true;
                return false;
            }
            if self.is_own(order.participant, met.participant) {
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
                    let shown = Rests { price: met.price, ..order.clone() };
                    self.tell("cancelled", &shown, Some(met.order), ours, "self_trade");
                }
                continue;
            }
            let lots = order.open.min(met.open);
            order.open -= lots;
            let shown = Rests { price: met.price, ..order.clone() };
            self.tell("trade", &shown, Some(met.order), lots, "");
            self.traded_at(order.market, met.price);
            let after = self.shrink(met.order, lots);
            if after.open == 0 {
                self.tell("filled", &after, Some(order.order), lots, "");
            }
            if order.open == 0 {
                self.tell("filled", &shown, Some(met.order), lots, "");
            }
            if self.erases {
                return true;
            }
        }
        false
    }

    fn named_order(&self, command: &Command) -> Result<Rests, &'static str> {
        let id = command.order.ok_or("id_missing")?;
        command.time.ok_or("time_missing")?;
        let order = self.orders.iter().find(|order| order.order == id).ok_or("unknown_order")?;
        let elsewhere = command.market.is_some_and(|market| market != order.market);
        let anothers = command.participant.is_some() && command.participant != order.participant;
        if elsewhere || anothers { Err("unknown_order") } else { Ok(order.clone()) }
    }

    fn cancel(&mut self, command: &Command) -> Result<(), &'static str> {
        let reduced = if command.op == 2 { Some(Self::quantity(command.quantity)?) } else { None };
        let order = self.named_order(command)?;
        let lots = reduced.unwrap_or(order.open).min(order.open);
        let after = self.shrink(order.order, lots);
        self.tell("cancelled", &after, None, lots, "");
        Ok(())
    }

    fn replace(&mut self, command: &Command) -> Result<(), &'static str> {
        let price = command.price.map(|price| Self::price(Some(price))).transpose()?;
        let quantity = command.quantity.map(|quantity| Self::quantity(Some(quantity))).transpose()?;
        command.order.ok_or("id_missing")?;
        command.time.ok_or("time_missing")?;
        if let Ok(order) = self.named_order(command) {
            self.check_collar(order.market, price)?;
        }
        if command.flags > 1 {
            return Err("instructions_invalid");
        }
        let old = self.named_order(command)?;
        if self.halted.contains(&old.market) {
            return Err("market_halted");
        }
        let mut order = Rests { price: price.unwrap_or(old.price), open: quantity.unwrap_or(old.open), ..old.clone() };
        let in_call = self.sessions.in_call.contains(&old.market);
        if command.flags == 1 && !in_call && self.first_met(old.market, old.buys, Some(order.price)).is_some() {
            return Err("would_trade");
        }
        self.tell("replaced", &order, None, order.open, "");
        let at = self.find(old.order).unwrap();
        if order.price == old.price && order.open < old.open {
            self.orders[at].open = order.open;
            return Ok(());
        }
        self.orders.remove(at);
        let limit = Some(order.price);
        let erased = self.trade(&mut order, limit);
        let market = order.market;
        if order.open > 0 && erased {
            let lots = std::mem::take(&mut order.open);
            self.tell("cancelled", &order, None, lots, "book_erased");
        } else if order.open > 0 {
            self.rest(&order);
        }
        if erased {
            self.clear(market, None, "cancelled", "book_erased");
        }
        self.pause_if_fired(market);
        Ok(())
    }
}
