//! What markets have beyond plain orders.
//!
//! A market of plain orders has nothing of this, and its commands never come here: its `attention` is 0. Any other keeps what
//! it has in one [`Special`], and every command on it takes the thorough path.

mod apart;
mod call;
mod collar;
mod coming;
mod conditional;
mod enter;
mod fields;
mod floor;
mod pegs;
mod phases;
mod posted;
mod replace;
mod rich;
mod saved;
mod stops;
mod terms;
mod walk;

pub use call::Call;
pub(super) use coming::Met;
pub use phases::SessionError;
pub(super) use phases::Timetable;

use collar::{Breaker, Collar};
use phases::Session;

use super::command::NULL;
use super::engine::{CLOSED, HALTED, OrderBook, SPECIAL};
use super::event::Kind;
use super::obey::Turn;
use super::rules::Admission;
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
    /// Lowest and highest price of trades since stops were looked at.
    span: Option<(i32, i32)>,
    /// Keenest price at which an order of each side came to rest since orders with a minimum were last tried.
    entered: [Option<i32>; 2],
    /// Orders that are more than plain.
    pub rich: RichOrders,
    turns: u64,
}

impl Special {
    /// Whether it has phases, a collar or a breaker, which are for plain orders.
    pub fn has_session(&self) -> bool {
        self.session.is_under_way() || self.collar != Collar::default() || self.breaker.is_some()
    }

    /// Takes note of the price of a trade.
    pub fn traded(&mut self, price: i32) {
        self.last_price = Some(price);
        let (low, high) = self.span.unwrap_or((price, price));
        self.span = Some((low.min(price), high.max(price)));
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
    /// Whether a market has phases, a collar or a breaker, by its id.
    pub(super) fn has_session(&self, market: i64) -> bool {
        self.specials > 0
            && self.market_places.get(market).is_some_and(|place| self.markets[place as usize].has_session())
    }

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
    /// each time one of these moved, all is looked at from the first. A halted market waits until it goes on.
    ///
    /// This ends. Nothing here adds an order or a lot: each stop goes off once, so that there are finitely many turns of the
    /// first kind; each of the third kind trades at least one lot. Between two of those the orders that pegs follow stay as
    /// they are, for none of them is pegged, and a pegged order meets none of them: it is priced between them, or less keen
    /// than its own side. So of two turns of the second kind in a row the other finds all pegged orders where they belong.
    pub(super) fn after<A: Admission, const ALL: bool>(&mut self, market: u32, turn: &mut Turn<'_, A, ALL>) {
        let state = &self.markets[market as usize];
        if state.is(CLOSED | HALTED) || !state.is_rich() {
            return;
        }
        let mut floor = self.floor(market, turn);
        while floor.trigger() || floor.follow() || floor.retry() {}
    }
}
