//! What each event does to what is known of a book.

use super::super::command::NULL;
use super::super::event::{Event, Kind, NO_PRICE};
use super::{Followed, Order, Replica, Steps};
use crate::order::BUY;

impl Replica {
    fn order(&self, id: i64) -> Result<Order, &'static str> {
        self.orders.get(&id).copied().ok_or("its order does not rest; the snapshot is of another time or book")
    }

    fn is_incoming(&self, id: i64) -> bool {
        self.incoming.is_some_and(|(incoming, _)| incoming == id)
    }

    /// Whether its level counts an order.
    fn is_counted(&self, id: i64, order: &Order) -> bool {
        !order.is_aside && !self.is_incoming(id)
    }

    /// Leaves an order so many lots, of which so many are shown, or takes it out of the book if it is to go.
    fn leave(
        &mut self,
        seq: u64,
        id: i64,
        order: Order,
        (open, shown): (u32, u32),
        goes: bool,
        steps: &mut Steps,
    ) -> Result<(), &'static str> {
        if goes && open > 0 {
            return Err("its order goes, and has lots left");
        }
        if self.is_counted(id, &order) && (shown != order.shown || goes) {
            let more = i64::from(shown) - i64::from(order.shown);
            self.change(seq, order.level(), more, -i64::from(goes), steps)?;
        }
        self.put(id, (!goes).then_some(Order { open, shown, ..order }), steps);
        Ok(())
    }

    /// Takes lots out of an order that traded, shown ones first; gives what it has left.
    fn trade(&mut self, seq: u64, id: i64, lots: u32, steps: &mut Steps) -> Result<u32, &'static str> {
        let order = self.order(id)?;
        let open = order.open.checked_sub(lots).ok_or("it takes more lots than its order has")?;
        self.leave(seq, id, order, (open, order.shown.saturating_sub(lots)), false, steps)?;
        Ok(open)
    }

    /// Takes lots out of an order, hidden ones first, and the order out of the book if it is to go.
    fn reduce(&mut self, seq: u64, id: i64, lots: u32, goes: bool, steps: &mut Steps) -> Result<u32, &'static str> {
        let order = self.order(id)?;
        let open = order.open.checked_sub(lots).ok_or("it takes more lots than its order has")?;
        self.leave(seq, id, order, (open, order.shown.min(open)), goes, steps)?;
        Ok(open)
    }

    /// Gives an order what an event says: in its place, or behind all others of its price.
    fn replace(&mut self, seq: u64, event: &Event, steps: &mut Steps) -> Result<(), &'static str> {
        let Event { order: id, counter, price, quantity: shown, remaining: open, command, .. } = *event;
        let order = self.order(id)?;
        if open == 0 || shown > open || (shown > 0 && price == NO_PRICE) {
            return Err("it replaces an order by one that cannot be");
        }
        let stays = price == order.price && !self.is_incoming(id) && (shown == 0) == order.is_aside;
        if stays && (open < order.open || counter != NULL) {
            return self.leave(seq, id, order, (open, shown), false, steps);
        }
        if is_shown_anew(&order, event) {
            return self.leave(seq, id, Order { place: seq as i64, ..order }, (open, shown), false, steps);
        }
        if self.is_counted(id, &order) {
            self.change(seq, order.level(), -i64::from(order.shown), -1, steps)?;
        }
        let is_aside = shown == 0;
        self.put(id, Some(Order { price, open, shown, is_aside, place: seq as i64, ..order }), steps);
        self.incoming = (!is_aside).then_some((id, command));
        Ok(())
    }

    /// Whether an event is about the order that comes in, or what that order met.
    fn is_of_the_turn(&self, event: &Event) -> bool {
        let Some((incoming, row)) = self.incoming else { return false };
        let is_about = |id: i64| id == incoming && row == event.command;
        match event.kind {
            Kind::Trade | Kind::Filled | Kind::Cancelled => is_about(event.order) || is_about(event.counter),
            Kind::Replaced => self.orders.get(&event.order).is_some_and(|order| {
                is_shown_anew(order, event) || (is_about(event.order) && order.open == event.remaining)
            }),
            _ => false,
        }
    }

    /// Takes in an event.
    pub(super) fn step(&mut self, seq: u64, followed: &Followed, steps: &mut Steps) -> Result<(), &'static str> {
        let Event { order: id, counter, price, quantity, remaining, command, kind, side, .. } = followed.event;
        if !self.is_of_the_turn(&followed.event) {
            // Before this event, and after all others: it is so from the one before on.
            self.settle(seq.saturating_sub(1), steps)?;
        }
        match kind {
            Kind::Rejected | Kind::Phase => {}
            Kind::Accepted => {
                if id == NULL || followed.market == NULL || side > BUY || quantity == 0 || remaining != quantity {
                    return Err("it accepts no order that could be");
                }
                if self.orders.contains_key(&id) {
                    return Err("its order rests already; the snapshot is of another time or book");
                }
                let (open, shown, place) = (quantity, quantity, seq as i64);
                let order = Order { market: followed.market, side, price, open, shown, is_aside: false, place };
                self.put(id, Some(order), steps);
                self.incoming = Some((id, command));
            }
            Kind::Trade => {
                let (order, rested) = (self.order(id)?, self.order(counter)?);
                if order.side == rested.side || order.market != rested.market || quantity == 0 {
                    return Err("its two orders cannot trade");
                }
                self.trade(seq, counter, quantity, steps)?;
                if self.trade(seq, id, quantity, steps)? != remaining {
                    return Err("its order has other lots left");
                }
            }
            Kind::Filled => _ = self.reduce(seq, id, 0, true, steps)?,
            Kind::Cancelled | Kind::Expired => {
                if self.reduce(seq, id, quantity, remaining == 0, steps)? != remaining {
                    return Err("its order has other lots left");
                }
            }
            Kind::Replaced => self.replace(seq, &followed.event, steps)?,
            Kind::Triggered => {
                let order = self.order(id)?;
                if !order.is_aside || remaining != order.open {
                    return Err("a stop order goes off that does not wait; the snapshot is of another time or book");
                }
                let place = seq as i64;
                self.put(id, Some(Order { price, shown: order.open, is_aside: false, place, ..order }), steps);
                self.incoming = Some((id, command));
            }
        }
        Ok(())
    }
}

/// Whether an event says what an iceberg shows next, all that it showed having traded.
fn is_shown_anew(order: &Order, event: &Event) -> bool {
    let is_bare = !order.is_aside && order.shown == 0;
    is_bare && event.quantity > 0 && (event.price, event.remaining) == (order.price, order.open)
}
