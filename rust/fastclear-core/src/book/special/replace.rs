//! Another price, stop or quantity for an order of a special market.

use super::super::command::{NULL, Row};
use super::super::engine::{HALTED, OrderBook};
use super::super::event::Kind;
use super::super::matching::Incoming;
use super::super::obey::Turn;
use super::super::rules::{Admission, Request};
use super::floor::{Floor, Seen};
use super::rich::{Rich, Stands};
use super::terms::Terms;
use crate::reject::RejectReason;

impl OrderBook {
    /// A replacement, sound in itself, of an order of a special market.
    #[cold]
    pub(in crate::book) fn replace_special<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        row: &Row,
        turn: &mut Turn<'_, A, ALL>,
    ) -> Result<u32, RejectReason> {
        let mut floor = self.floor(market, turn);
        let order = floor.seen(row.order).ok_or(RejectReason::UnknownOrder)?;
        let old = floor.as_rich(&order);
        if row.quantity != NULL && old.terms.show_too_few(row.quantity as u32) {
            return Err(RejectReason::DisplayInvalid);
        }
        let is_posted = order.stands == Stands::Shown && old.terms.peg.is_none();
        if (row.stop != NULL && order.stands != Stands::Waiting) || (row.flags != 0 && !is_posted) {
            return Err(RejectReason::InstructionsInvalid);
        }
        let state = &self.markets[market as usize];
        if state.is(HALTED) {
            return Err(RejectReason::MarketHalted);
        }
        let market_id = state.id;
        let quantity = if row.quantity == NULL { order.open } else { row.quantity as u32 };
        let limit = if row.price == NULL { old.terms.limit } else { Some(row.price as i32) };
        let stop = if row.stop == NULL { old.terms.stop } else { Some(row.stop as i32) };
        let terms = Terms { limit, stop, ..old.terms };
        let Seen { id, side, owner, .. } = order;
        let mut incoming = Incoming { id, side, limit: terms.worst(side), open: quantity, owner };
        let terms = Terms { limit: self.unmet(market, &mut incoming, limit, row.flags, turn)?, ..terms };
        turn.admission.admit(&Request {
            market: market_id,
            order: id,
            participant: self.desk.owners.participant(owner),
            side,
            price: terms.limit.map(i64::from),
            quantity: i64::from(quantity),
            replaces: Some((old.terms.limit.map_or(NULL, i64::from), i64::from(order.open))),
        })?;
        self.floor(market, turn).replace(&order, terms, quantity);
        Ok(market)
    }
}

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    /// An order as one that is more than plain, whether it is or not.
    pub fn as_rich(&self, order: &Seen) -> Rich {
        let &Seen { id, side, price, open, owner, expiry, stands, .. } = order;
        let plain = Rich { terms: Terms::plain(price), stands, turn: 0, side, owner, expiry, open };
        self.special.rich.get(id).copied().unwrap_or(plain)
    }

    /// Gives an order other terms or another quantity: fewer lots alone keep its place, anything else goes to the back, and
    /// first trades like an order that comes in.
    pub fn replace(&mut self, order: &Seen, terms: Terms, quantity: u32) {
        let mut rich = self.as_rich(order);
        let (id, side) = (order.id, order.side);
        // The limit of a pegged order may change without moving it.
        let stays = if terms.peg.is_some() && order.place.is_some() {
            self.belongs(&Rich { terms, ..rich }) == Some(order.price)
        } else {
            rich.terms == terms
        };
        if stays && quantity < order.open {
            let shown = self.leave(order, quantity);
            if let Some(rich) = self.special.rich.get_mut(id) {
                rich.terms = terms;
            }
            self.out.emit(Kind::Replaced, id, NULL, order.price, shown, quantity, 0, side);
            return;
        }
        self.special.rich.remove(id);
        if let Some(place) = order.place {
            self.remove(side, place);
            self.out.desk.ids.set(id, self.aside());
        }
        rich.terms = terms;
        rich.open = quantity;
        rich.turn = self.special.next_turn();
        if order.stands == Stands::Waiting {
            self.wait(id, rich);
        } else if terms.peg.is_some() {
            self.put_peg(id, rich);
        } else {
            self.out.emit(Kind::Replaced, id, NULL, rich.price(), quantity, quantity, 0, side);
            self.come_in(id, rich, terms.limit, NULL);
        }
    }
}
