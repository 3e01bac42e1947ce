//! What markets have beyond plain orders: orders that ask for more, and days with phases, collars and breakers.
//!
//! A market of plain orders has nothing of this, and its commands never come here: its `attention` is 0. Any other keeps what
//! it has in one [`Special`], and every command on it takes the thorough path, one for all of it ([`floor`]).
//!
//! In a call orders of the layout rest and none trade; what stands beside or outside waits until the market is continuous
//! again: stops, pegs and orders with a minimum.

mod apart;
mod call;
mod collar;
mod conditional;
mod enter;
mod fields;
mod floor;
mod pegs;
mod phases;
mod posted;
mod reach;
mod replace;
mod rich;
mod saved;
mod session;
mod stops;
mod terms;
mod uncross;
mod walk;

pub use call::Call;
pub use session::SessionError;
pub(super) use session::Timetable;

use collar::{Breaker, Collar};
use session::Session;

use super::command::NULL;
use super::engine::{CLOSED, HALTED, OrderBook, SPECIAL};
use super::event::{Events, Kind};
use super::obey::Turn;
use super::rules::Admission;
use pegs::Followed;
use rich::{RichOrders, keenness};

pub(super) use floor::{Seen, listed};
pub(super) use rich::{Rich, Stands};
pub(super) use terms::{Terms, WHOLE};

/// What a market has beyond plain orders.
#[derive(Clone, Debug, Default)]
pub(super) struct Special {
    /// Price of the last trade since the market has this.
    pub last_price: Option<i32>,
    pub session: Session,
    pub collar: Collar,
    pub breaker: Option<Breaker>,
    /// Keenest price at which an order of each side came to rest since orders with a minimum were last tried; nothing
    /// between commands.
    entered: [Option<i32>; 2],
    /// Orders that are more than plain.
    pub rich: RichOrders,
    /// What pegged orders were last found to stand by.
    followed: Option<Followed>,
    turns: u64,
}

impl Special {
    /// Takes note of the price of a trade.
    fn traded(&mut self, price: i32) {
        self.last_price = Some(price);
        self.rich.set_off(price);
        if let Some(breaker) = &mut self.breaker {
            breaker.reference.get_or_insert(price);
        }
    }

    /// Takes note of a call, and of its price if anything traded: the breaker counts from that.
    fn called_at(&mut self, price: Option<i32>) {
        if let Some(breaker) = &mut self.breaker {
            breaker.reference = None;
        }
        if let Some(price) = price {
            self.traded(price);
        }
    }

    /// Whether the breaker lets a trade happen at a price.
    fn allows(&self, price: i32) -> bool {
        self.breaker.is_none_or(|breaker| breaker.allows(price))
    }

    /// Takes note of an order that came to rest.
    fn entered(&mut self, side: u8, price: i32) {
        let keenest = &mut self.entered[usize::from(side)];
        *keenest = Some(match *keenest {
            Some(other) if keenness(side, other) <= keenness(side, price) => other,
            _ => price,
        });
    }

    fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }
}

impl OrderBook {
    /// What a market has beyond plain orders, from now on if it had nothing.
    pub(super) fn special(&mut self, market: u32) -> &mut Special {
        let state = &mut self.markets[market as usize];
        if !state.is(SPECIAL) {
            state.attention |= SPECIAL;
            self.specials += 1;
        }
        state.special.get_or_insert_default()
    }

    /// The time of an order of a special market is over.
    pub(super) fn expire_special<A: Admission, const ALL: bool>(
        &mut self,
        id: i64,
        market: u32,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        let mut floor = self.floor(market, turn);
        if let Some(order) = floor.seen(id) {
            floor.reduce(&order, order.open, Kind::Expired, 0, NULL);
        }
        self.after(market, turn);
    }

    /// What follows from a command on a special market when it is done, or from time, until nothing moves: first all stops
    /// that were set off come in; then pegged orders go where they belong; then orders with a minimum are tried again, and
    /// each time one of these moved, all is looked at from the first. A halted market waits until it goes on. In a call,
    /// which may begin with one of these, pegged orders leave, and all else waits.
    ///
    /// This ends. Nothing here adds an order or a lot: each stop goes off once, so that there are finitely many turns of the
    /// first kind; each of the third kind trades at least one lot. Between two of those the orders that pegs follow stay as
    /// they are, for none of them is pegged, and a pegged order meets none of them: it is priced between them, or less keen
    /// than its own side. So of two turns of the second kind in a row the other finds all pegged orders where they belong.
    pub(super) fn after<A: Admission, const ALL: bool>(&mut self, market: u32, turn: &mut Turn<'_, A, ALL>) {
        if self.markets[market as usize].is(CLOSED | HALTED) {
            return;
        }
        let mut floor = self.floor(market, turn);
        while !floor.is_in_call() && (floor.trigger() || floor.follow() || floor.retry()) {}
        if floor.is_in_call() {
            floor.follow();
            floor.special.entered = [None; 2];
        }
    }

    /// Begins a call of the book with what collars and breakers move that were set since the last one.
    #[cold]
    pub(super) fn settle_bounds<A: Admission, const ALL: bool>(
        &mut self,
        command: u32,
        admission: &mut A,
        events: &mut Events,
    ) {
        for market in std::mem::take(&mut self.unsettled) {
            self.after(market, &mut Turn::<A, ALL>::of_clock(command, admission, events));
        }
    }
}
