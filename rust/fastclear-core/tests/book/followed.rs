//! The book, followed by its events alone.

use fastclear_core::book::{Event, Kind, NULL};

use crate::twin::{NO_PRICE, Rests, Told};

/// An order as its events tell of it.
#[derive(Clone, Copy, Debug)]
struct Known {
    id: i64,
    market: i64,
    buys: bool,
    price: i64,
    open: i64,
    shown: i64,
}

/// Market, whether it buys, price, id, what is open and what is shown.
type Row = (i64, bool, i64, i64, i64, i64);

/// Orders; of one price they stand as they are here.
#[derive(Default)]
pub struct Followed {
    orders: Vec<Known>,
    /// The market whose call trades, at whose one price.
    call: Option<(i64, i64)>,
}

impl Followed {
    fn at(&self, id: i64) -> usize {
        self.orders.iter().position(|order| order.id == id).unwrap()
    }

    /// Takes what an event says.
    pub fn follow(&mut self, event: &Told, raw: &Event) {
        let id = event.order.unwrap_or(NULL);
        let price = event.price.unwrap_or(NO_PRICE);
        match raw.kind {
            Kind::Accepted => {
                assert!(self.orders.iter().all(|order| order.id != id), "one order an id");
                let (market, buys) = (event.market.unwrap(), event.side.unwrap());
                let (open, shown) = (event.quantity, event.quantity);
                self.orders.push(Known { id, market, buys, price, open, shown });
            }
            Kind::Replaced | Kind::Triggered => {
                let place = self.at(id);
                let old = self.orders[place];
                let new = Known { price, open: event.remaining, shown: event.quantity, ..old };
                // Of all that are replaced, only one that a call left in part names another order.
                if price == old.price && (new.open < old.open || event.counter.is_some()) {
                    self.orders[place] = new;
                } else {
                    self.orders.remove(place);
                    self.orders.push(new);
                }
            }
            Kind::Trade => self.trade(event),
            Kind::Filled => {
                let place = self.at(id);
                assert_eq!((self.orders[place].open, event.remaining), (0, 0));
                self.orders.remove(place);
            }
            Kind::Cancelled | Kind::Expired => {
                let place = self.at(id);
                let order = &mut self.orders[place];
                order.open -= event.quantity;
                order.shown = order.shown.min(order.open);
                assert_eq!(order.open, event.remaining);
                if event.remaining == 0 {
                    self.orders.remove(place);
                }
            }
            Kind::Phase => self.call = event.market.zip(event.price),
            Kind::Rejected => {}
        }
    }

    fn trade(&mut self, event: &Told) {
        let [incoming, rested] = [event.order, event.counter].map(|id| self.at(id.unwrap()));
        let (price, theirs) = (event.price.unwrap(), self.orders[rested]);
        assert_ne!(self.orders[incoming].buys, theirs.buys, "a bid and an ask");
        // What follows from a call in the same command trades at prices of orders that rest.
        let is_calls = self.call == event.market.zip(event.price);
        let takes = if theirs.buys { price <= theirs.price } else { price >= theirs.price };
        assert!(price == theirs.price || (is_calls && takes), "the price is that of the order that rested: {event:?}");
        for place in [incoming, rested] {
            self.orders[place].open -= event.quantity;
            assert!(self.orders[place].open >= 0 && event.quantity > 0);
        }
        self.orders[rested].shown = (theirs.shown - event.quantity).max(0);
        self.orders[incoming].shown = self.orders[incoming].shown.min(event.remaining);
        assert_eq!(self.orders[incoming].open, event.remaining);
    }

    /// Holds these rows of a snapshot to be what was followed: what is shown in its order, the rest in any.
    pub fn check(&self, rests: &[Rests]) {
        let mut rows: Vec<(usize, &Known)> = self.orders.iter().enumerate().collect();
        rows.sort_by_key(|&(turn, order)| {
            (order.market, !order.buys, if order.buys { order.price.saturating_neg() } else { order.price }, turn)
        });
        let row = |order: &Known| (order.market, order.buys, order.price, order.id, order.open, order.shown);
        let seen = |row: &Rests| (row.market, row.buys, row.price, row.order, row.open, row.shown);
        let known = rows.iter().map(|&(_, order)| row(order)).collect();
        assert_eq!(parted(known), parted(rests.iter().map(seen).collect()), "the events rebuild the book");
    }
}

/// What is shown, in its order; the rest by id.
fn parted(rows: Vec<Row>) -> [Vec<Row>; 2] {
    let (shown, mut others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.5 > 0);
    others.sort_by_key(|row| row.3);
    [shown, others]
}
