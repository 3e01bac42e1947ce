//! What orders do that come in to the slow book: trades, icebergs, stops, minimums and pegs.

use crate::twin::{Command, MOST, NO_PRICE, Rests, Twin};

impl Twin {
    /// What an order of this side, limit and size meets first.
    fn first_met(&self, order: &Rests, limit: Option<i64>) -> Option<Rests> {
        let meets = |other: &Rests| {
            limit.is_none_or(|limit| if order.buys { other.price <= limit } else { other.price >= limit })
        };
        let suits = |other: &Rests| order.open.min(other.open) >= other.minimum.min(other.open);
        self.queue(order.market, !order.buys).into_iter().find(|other| meets(other) && suits(other))
    }

    /// Trades an order that came in. Says whether the market is to be erased.
    fn trade(&mut self, order: &mut Rests, limit: Option<i64>) -> bool {
        while order.open > 0 {
            let Some(met) = self.first_met(order, limit) else { return false };
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
            let there = if met.stands == "book" { met.shown } else { met.open };
            let lots = order.open.min(there);
            assert!(lots > 0, "no order rests without lots: {met:?}");
            order.open -= lots;
            let shown = Rests { price: met.price, ..order.clone() };
            self.tell("trade", &shown, Some(met.order), lots, "");
            self.set_off(order.market, met.price);
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

    fn fill(&mut self, met: &Rests, lots: i64, by: i64) {
        let at = self.find(met.order).unwrap();
        self.orders[at].open -= lots;
        if met.stands == "book" {
            self.orders[at].shown -= lots;
        }
        let now = self.orders[at].clone();
        if now.open == 0 {
            self.orders.remove(at);
            self.tell("filled", &now, Some(by), lots, "");
        } else if now.stands == "book" && now.shown == 0 {
            self.turns += 1;
            self.orders[at].turn = self.turns;
            self.orders[at].shown = now.display.unwrap().min(now.open);
            let now = self.orders[at].clone();
            self.tell("replaced", &now, None, now.shown, "");
        }
    }

    /// A trade at this price sets off what waits for it.
    fn set_off(&mut self, market: i64, price: i64) {
        let Some(last) = self.special.get_mut(&market) else { return };
        *last = Some(price);
        for order in self.orders.iter_mut().filter(|order| order.market == market) {
            order.off |= order.stop.is_some_and(|stop| if order.buys { price >= stop } else { price <= stop });
        }
    }

    /// Whether so many lots would trade before the order meets one of its own: tried out on a copy.
    fn reaches(&self, order: &Rests, limit: Option<i64>, wanted: i64) -> bool {
        let (mut copy, mut tried) = (self.clone(), order.clone());
        copy.told.clear();
        copy.trade(&mut tried, limit);
        let passes = self.self_trade == "cancel_resting";
        let until_own = copy.told.iter().take_while(|told| passes || told.reject != "self_trade");
        until_own.filter(|told| told.kind == "trade").map(|told| told.quantity).sum::<i64>() >= wanted
    }

    pub fn new_order(&mut self, command: &Command) -> Result<i64, &'static str> {
        if command.side > 1 {
            return Err("unknown_side");
        }
        if command.is_market_order > 1 {
            return Err("unknown_type");
        }
        if command.tif > 3 {
            return Err("unknown_tif");
        }
        let is_market = command.is_market_order == 1;
        let needs_price = !is_market && command.peg == 0;
        let limit = if needs_price || command.price.is_some() { Some(Self::price(command.price)?) } else { None };
        let quantity = Self::quantity(command.quantity)?;
        let (market, id) = (command.market.ok_or("id_missing")?, command.order.ok_or("id_missing")?);
        if self.has_participants {
            command.participant.ok_or("id_missing")?;
        }
        command.time.ok_or("time_missing")?;
        let outside = |cell: Option<i64>, least: i64, most: i64| cell.is_some_and(|n| n < least || n > most);
        if outside(command.min_quantity, 0, quantity) {
            return Err("min_quantity_out_of_range");
        }
        if outside(command.display, 1, quantity) || command.display.is_some_and(|lots| quantity > 1000 * lots) {
            return Err("display_invalid");
        }
        if outside(command.stop, -MOST, MOST) {
            return Err("stop_invalid");
        }
        if command.peg > 2 || (command.peg > 0 && outside(command.offset, 0, MOST)) {
            return Err("peg_invalid");
        }
        let (ioc, fok, gtt) = (command.tif == 1, command.tif == 2, command.tif == 3);
        let rests = !is_market && !ioc && !fok;
        let posts = command.flags & 3 != 0;
        let minimum = if command.flags & 4 != 0 { i64::MAX } else { command.min_quantity.unwrap_or(0) };
        let minimum = if minimum == 1 { 0 } else { minimum };
        let (pegged, waits) = (command.peg > 0, command.stop.is_some());
        let contradicts = [
            command.flags > 7,
            posts && (!rests || minimum > 0 || pegged || waits),
            command.display.is_some() && (!rests || minimum > 0),
            pegged && (!rests || minimum > 0 || waits),
            !pegged && command.offset.is_some(),
            gtt && is_market && !waits,
        ];
        if contradicts.contains(&true) {
            return Err("instructions_invalid");
        }
        if gtt {
            let expires = command.expires.ok_or("expiry_invalid")?;
            if self.clock.is_some_and(|clock| expires <= clock) {
                return Err("expiry_invalid");
            }
        } else if command.expires.is_some() {
            return Err("instructions_invalid");
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
        let mut order = Rests {
            market,
            order: id,
            participant: command.participant,
            buys: command.side == 1,
            price: limit.unwrap_or(NO_PRICE),
            open: quantity,
            expires: command.expires,
            display: command.display.filter(|&lots| lots < quantity),
            minimum,
            stop: command.stop,
            peg: command.peg,
            offset: if pegged { command.offset.unwrap_or(0) } else { 0 },
            limit: limit.filter(|_| pegged),
            tif: if gtt {
                3
            } else if fok {
                2
            } else {
                u8::from(!rests)
            },
            is_market,
            ..Rests::default()
        };
        let limit = self.unmet(&mut order, limit, command.flags)?;
        if order.display.is_some() || minimum > 0 || pegged || waits {
            self.special.entry(market).or_default();
        }
        self.tell("accepted", &order, None, quantity, "");
        self.turns += 1;
        order.taken = self.turns;
        if waits {
            self.wait(order);
        } else if pegged {
            self.put_peg(order);
        } else {
            self.come_in(order, limit);
        }
        Ok(market)
    }

    /// An order that must rest is refused where it would meet another, or slides.
    fn unmet(&self, order: &mut Rests, limit: Option<i64>, flags: u8) -> Result<Option<i64>, &'static str> {
        if flags & 3 != 0
            && let Some(met) = self.first_met(order, limit)
        {
            order.price = if order.buys { met.price - 1 } else { met.price + 1 };
            if flags & 2 == 0 || order.price.abs() > MOST {
                return Err("would_trade");
            }
            return Ok(Some(order.price));
        }
        Ok(limit)
    }

    fn wait(&mut self, mut order: Rests) {
        order.stands = "waiting";
        order.shown = 0;
        let last = self.special[&order.market];
        let is_there = |last: i64| order.stop.is_some_and(|stop| if order.buys { last >= stop } else { last <= stop });
        order.off = last.is_some_and(is_there);
        self.tell("replaced", &order, None, 0, "");
        self.orders.push(order);
    }

    fn come_in(&mut self, mut order: Rests, limit: Option<i64>) {
        let wanted = if order.tif == 2 { order.open } else { order.minimum.min(order.open) };
        let goes = wanted == 0 || self.reaches(&order, limit, wanted);
        let erased = goes && self.trade(&mut order, limit);
        let market = order.market;
        if order.open > 0 {
            if !order.is_market && (order.tif == 0 || order.tif == 3) && !erased {
                self.rest(order);
            } else {
                let lots = std::mem::take(&mut order.open);
                self.tell("cancelled", &order, None, lots, if erased { "book_erased" } else { "not_filled" });
            }
        }
        if erased {
            self.clear(market, None, "cancelled", "book_erased");
        }
    }

    fn rest(&mut self, mut order: Rests) {
        self.turns += 1;
        order.turn = self.turns;
        order.stands = if order.minimum > 0 { "conditional" } else { "book" };
        order.shown = if order.minimum > 0 { 0 } else { order.display.unwrap_or(order.open).min(order.open) };
        if order.shown < order.open {
            self.tell("replaced", &order, None, order.shown, "");
        }
        if self.special.contains_key(&order.market) {
            self.entered.push((order.market, order.buys, order.price));
        }
        self.orders.push(order);
    }

    /// Where a pegged order belongs.
    fn target(&self, order: &Rests) -> Option<i64> {
        let best = |buys: bool| {
            let free = |other: &Rests| other.stands == "book" && other.peg == 0;
            self.queue(order.market, buys).into_iter().find(free).map(|other| other.price)
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
        Some(price).filter(|price| price.abs() <= MOST)
    }

    fn put_peg(&mut self, mut order: Rests) {
        if let Some(price) = self.target(&order) {
            order.price = price;
            self.tell("replaced", &order, None, order.open, "");
            self.come_in(order, Some(price));
        } else {
            order.price = order.limit.unwrap_or(NO_PRICE);
            order.stands = "unpriced";
            order.shown = 0;
            self.tell("replaced", &order, None, 0, "");
            self.orders.push(order);
        }
    }

    /// What follows, until nothing moves.
    pub fn after(&mut self, market: i64) {
        if self.halted.contains(&market) || self.closed.contains(&market) || !self.special.contains_key(&market) {
            return;
        }
        while self.trigger(market) || self.follow(market) || self.retry(market) {}
        self.entered.retain(|&(other, ..)| other != market);
    }

    fn ids(&self, mut which: impl FnMut(&Rests) -> bool) -> Vec<i64> {
        let mut found: Vec<&Rests> = self.orders.iter().filter(|order| which(order)).collect();
        found.sort_by_key(|order| order.taken);
        found.iter().map(|order| order.order).collect()
    }

    fn trigger(&mut self, market: i64) -> bool {
        let due = self.ids(|order| order.market == market && order.off);
        for &id in &due {
            let at = self.find(id).unwrap();
            let mut order = self.orders.remove(at);
            (order.stop, order.off) = (None, false);
            self.tell("triggered", &order, None, order.open, "");
            let limit = Some(order.price).filter(|&price| price != NO_PRICE);
            self.come_in(order, limit);
        }
        !due.is_empty()
    }

    fn follow(&mut self, market: i64) -> bool {
        let moves = |order: &Rests| {
            let here = (order.stands == "book").then_some(order.price);
            order.market == market && order.peg > 0 && self.target(order) != here
        };
        let moved = self.ids(moves);
        for order in &mut self.orders {
            if moved.contains(&order.order) {
                order.stands = "unpriced";
                order.price = order.limit.unwrap_or(NO_PRICE);
            }
        }
        for &id in &moved {
            if let Some(at) = self.find(id) {
                let order = self.orders.remove(at);
                self.put_peg(order);
            }
        }
        !moved.is_empty()
    }

    fn retry(&mut self, market: i64) -> bool {
        for order in [self.queue(market, true), self.queue(market, false)].concat() {
            let crosses = |&(place, buys, price): &(i64, bool, i64)| {
                place == market
                    && buys != order.buys
                    && if order.buys { price <= order.price } else { price >= order.price }
            };
            let limit = Some(order.price);
            if order.stands == "conditional"
                && self.entered.iter().any(crosses)
                && self.reaches(&order, limit, order.minimum.min(order.open))
            {
                let mut now = order.clone();
                let erased = self.trade(&mut now, limit);
                let at = self.find(order.order).unwrap();
                if now.open > 0 {
                    self.orders[at].open = now.open;
                } else {
                    self.orders.remove(at);
                }
                if erased {
                    self.clear(market, None, "cancelled", "book_erased");
                }
                return true;
            }
        }
        false
    }

    pub fn replace(&mut self, command: &Command) -> Result<i64, &'static str> {
        let price = command.price.map(|price| Self::price(Some(price))).transpose()?;
        let quantity = command.quantity.map(|quantity| Self::quantity(Some(quantity))).transpose()?;
        command.order.ok_or("id_missing")?;
        command.time.ok_or("time_missing")?;
        if command.stop.is_some_and(|stop| stop.abs() > MOST) {
            return Err("stop_invalid");
        }
        let more = [command.display, command.min_quantity, command.offset];
        if command.flags > 3 || command.peg > 0 || more.iter().any(Option::is_some) {
            return Err("instructions_invalid");
        }
        let old = self.named_order(command)?;
        if quantity.zip(old.display).is_some_and(|(quantity, lots)| quantity > 1000 * lots) {
            return Err("display_invalid");
        }
        let is_posted = old.stands == "book" && old.peg == 0;
        if (command.stop.is_some() && old.stands != "waiting") || (command.flags > 0 && !is_posted) {
            return Err("instructions_invalid");
        }
        if self.halted.contains(&old.market) {
            return Err("market_halted");
        }
        let open = quantity.unwrap_or(old.open);
        let mut order = Rests { open, stop: command.stop.or(old.stop), ..old.clone() };
        if old.peg > 0 {
            order.limit = price.or(old.limit);
        } else {
            order.price = price.unwrap_or(old.price);
        }
        let limit = Some(order.price).filter(|&price| price != NO_PRICE);
        let limit = self.unmet(&mut order, limit, command.flags)?;
        let at = self.find(old.order).unwrap();
        let stays = if old.peg > 0 && old.stands == "book" {
            self.target(&order) == Some(old.price)
        } else {
            (order.price, order.limit, order.stop) == (old.price, old.limit, old.stop)
        };
        if stays && open < old.open {
            order.shown = old.shown.min(open);
            self.orders[at] = order.clone();
            self.tell("replaced", &order, None, order.shown, "");
            return Ok(old.market);
        }
        self.orders.remove(at);
        self.turns += 1;
        order.taken = self.turns;
        if old.stands == "waiting" {
            self.wait(order);
        } else if old.peg > 0 {
            self.put_peg(order);
        } else {
            self.tell("replaced", &order, None, order.open, "");
            self.come_in(order, limit);
        }
        Ok(old.market)
    }
}
