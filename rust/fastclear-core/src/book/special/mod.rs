//! What markets have beyond plain orders.
//!
//! A market of plain orders has nothing of this, and its commands never come here: its `attention` is 0. Any other keeps what
//! it has in one [`Special`], and every command on it takes the thorough path.

use super::engine::{CLOSED, HALTED, OrderBook, SPECIAL};
use super::obey::Turn;
use super::rules::Admission;

/// What a market has beyond plain orders.
#[derive(Clone, Debug, Default)]
pub(super) struct Special {
    /// Price of the last trade since the market has this.
    pub last_price: Option<i32>,
}

impl OrderBook {
    /// What a market has beyond plain orders, from now on if it had nothing.
    #[allow(dead_code, reason = "for the order types that follow")]
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
        if let Some(special) = &mut state.special {
            special.last_price = special.last_price.take();
        }
    }
}
