//! What markets have beyond plain orders.
//!
//! A market of plain orders has nothing of this, and its commands never come here: its `attention` is 0. Any other keeps what
//! it has in one [`Special`], and every command on it takes the thorough path.

mod apart;
mod call;
mod collar;
mod coming;
mod phases;
mod saved;

pub use call::Call;
pub(super) use coming::Met;
pub use phases::SessionError;
pub(super) use phases::Timetable;

use collar::{Breaker, Collar};
use phases::Session;

use super::engine::{CLOSED, HALTED, OrderBook, SPECIAL};
use super::obey::Turn;
use super::rules::Admission;

/// What a market has beyond plain orders.
#[derive(Clone, Debug, Default)]
pub(super) struct Special {
    /// Price of the last trade since the market has this.
    pub last_price: Option<i32>,
    pub session: Session,
    pub collar: Collar,
    pub breaker: Option<Breaker>,
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

    /// What follows from a command on a special market when it is done, until nothing moves.
    pub(super) fn after<A: Admission, const ALL: bool>(&mut self, market: u32, _turn: &mut Turn<'_, A, ALL>) {
        let state = &mut self.markets[market as usize];
        if state.is(CLOSED | HALTED) {
            return;
        }
    }
}
