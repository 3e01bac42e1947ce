//! New orders and replacements of the slow book: which are refused, and where the others go.

use super::{Command, MOST, NO_PRICE, Rests, Stands, Twin};

impl Twin {
    fn price(price: Option<i64>) -> Result<i64, &'static str> {
        let price = price.ok_or("price_missing")?;
        if price.abs() > MOST { Err("price_out_of_range") } else { Ok(price) }
    }

    pub(super) fn quantity(quantity: Option<i64>) -> Result<i64, &'static str> {
        let quantity = quantity.ok_or("quantity_missing")?;
        if (1..=MOST).contains(&quantity) { Ok(quantity) } else { Err("quantity_out_of_range") }
    }

    pub(super) fn new_order(&mut self, command: &Command) -> Result<i64, &'static str> {
        let mut order = self.read(command)?;
        let market = order.market;
        if self.market(market).is_closed {
            return Err("market_closed");
        }
        if self.find(order.order).is_some() {
            return Err("duplicate_order");
        }
        if self.market(market).is_halted {
            return Err("market_halted");
        }
        let waits = order.stop.is_some();
        if self.market(market).in_call && !order.may_rest() && !waits {
            return Err("not_in_phase");
        }
        self.keep_unmet(&mut order, command.flags)?;
        if order.display.is_some() || order.minimum > 0 || order.peg > 0 || waits {
            self.market(market).is_watched = true;
        }
        self.tell("accepted", &order, None, order.open, "");
        self.turns += 1;
        order.taken = self.turns;
        if waits {
            self.wait(order);
        } else if order.peg > 0 {
            self.put_peg(order);
        } else {
            self.come_in(order);
        }
        Ok(market)
    }

    /// The order that a command asks for, if it makes sense by itself.
    fn read(&self, command: &Command) -> Result<Rests, &'static str> {
        if command.side > 1 {
            return Err("unknown_side");
        }
        if command.is_market_order > 1 {
            return Err("unknown_type");
        }
        if command.tif > 3 {
            return Err("unknown_tif");
        }
        let (is_market, gtt) = (command.is_market_order == 1, command.tif == 3);
        let needs_price = !is_market && command.peg == 0;
        let price = if needs_price || command.price.is_some() { Some(Self::price(command.price)?) } else { None };
        let quantity = Self::quantity(command.quantity)?;
        let (market, id) = (command.market.ok_or("id_missing")?, command.order.ok_or("id_missing")?);
        if self.has_participants {
            command.participant.ok_or("id_missing")?;
        }
        command.time.ok_or("time_missing")?;
        if price.is_some_and(|price| !self.is_in_collar(market, price)) {
            return Err("price_outside_caps");
        }
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
        let minimum = if command.flags & 4 != 0 { i64::MAX } else { command.min_quantity.unwrap_or(0) };
        let minimum = if minimum == 1 { 0 } else { minimum };
        let (pegged, waits, posts) = (command.peg > 0, command.stop.is_some(), command.flags & 3 != 0);
        let may_rest = !is_market && (command.tif == 0 || gtt);
        let contradicts = [
            command.flags > 7,
            posts && (!may_rest || minimum > 0 || pegged || waits),
            command.display.is_some() && (!may_rest || minimum > 0),
            pegged && (!may_rest || minimum > 0 || waits),
            !pegged && command.offset.is_some(),
            gtt && is_market && !waits,
            !gtt && command.expires.is_some(),
        ];
        if contradicts.contains(&true) {
            return Err("instructions_invalid");
        }
        if gtt {
            let expires = command.expires.ok_or("expiry_invalid")?;
            if self.clock.is_some_and(|clock| expires <= clock) {
                return Err("expiry_invalid");
            }
        }
        Ok(Rests {
            market,
            order: id,
            participant: command.participant,
            buys: command.side == 1,
            price: price.unwrap_or(NO_PRICE),
            open: quantity,
            expires: command.expires,
            display: command.display.filter(|&lots| lots < quantity),
            minimum,
            stop: command.stop,
            peg: command.peg,
            offset: if pegged { command.offset.unwrap_or(0) } else { 0 },
            limit: price.filter(|_| pegged),
            tif: if command.tif > 1 { command.tif } else { u8::from(!may_rest) },
            is_market,
            ..Rests::default()
        })
    }

    /// An order that must rest is refused where it would meet another at once, or slides. In a call none meets any.
    fn keep_unmet(&mut self, order: &mut Rests, flags: u8) -> Result<(), &'static str> {
        let posts = flags & 3 != 0;
        if !posts || self.market(order.market).in_call {
            return Ok(());
        }
        if let Some(met) = self.first_met(order) {
            let slid = if order.buys { met.price - 1 } else { met.price + 1 };
            if flags & 2 == 0 || slid.abs() > MOST || !self.is_in_collar(order.market, slid) {
                return Err("would_trade");
            }
            order.price = slid;
        }
        Ok(())
    }

    pub(super) fn replace(&mut self, command: &Command) -> Result<i64, &'static str> {
        let price = command.price.map(|price| Self::price(Some(price))).transpose()?;
        let quantity = command.quantity.map(|quantity| Self::quantity(Some(quantity))).transpose()?;
        command.order.ok_or("id_missing")?;
        command.time.ok_or("time_missing")?;
        if let (Some(price), Ok(order)) = (price, self.named_order(command))
            && !self.is_in_collar(order.market, price)
        {
            return Err("price_outside_caps");
        }
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
        let is_posted = old.stands == Stands::Book && old.peg == 0;
        if (command.stop.is_some() && old.stands != Stands::Waiting) || (command.flags > 0 && !is_posted) {
            return Err("instructions_invalid");
        }
        if self.market(old.market).is_halted {
            return Err("market_halted");
        }
        let open = quantity.unwrap_or(old.open);
        let mut order = Rests { open, stop: command.stop.or(old.stop), ..old };
        if old.peg > 0 {
            order.limit = price.or(old.limit);
        } else {
            order.price = price.unwrap_or(old.price);
        }
        self.keep_unmet(&mut order, command.flags)?;
        let stays = if old.peg > 0 && old.stands == Stands::Book {
            self.target(&order) == Some(old.price)
        } else {
            (order.price, order.limit, order.stop) == (old.price, old.limit, old.stop)
        };
        let at = self.find(old.order).unwrap();
        if stays && open < old.open {
            order.shown = old.shown.min(open);
            self.orders[at] = order;
            self.tell("replaced", &order, None, order.shown, "");
            return Ok(old.market);
        }
        self.orders.remove(at);
        self.turns += 1;
        order.taken = self.turns;
        if old.stands == Stands::Waiting {
            self.wait(order);
        } else if old.peg > 0 {
            self.put_peg(order);
        } else {
            self.tell("replaced", &order, None, order.open, "");
            self.come_in(order);
        }
        Ok(old.market)
    }
}
