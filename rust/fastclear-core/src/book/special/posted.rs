//! Orders that must rest: refused where they would meet another at once, or moved away from it.

use super::super::command::{POST_ONLY, SLIDE};
use super::super::engine::{OrderBook, SPECIAL};
use super::super::layout::{Layout, crosses};
use super::super::matching::Incoming;
use super::super::obey::Turn;
use super::super::rules::Admission;
use super::super::store::kept;
use crate::order::BUY;
use crate::reject::RejectReason;
use crate::units;

impl OrderBook {
    /// The limit of an order that, where its flags say so, must not meet another at once, or moves away from it.
    pub(in crate::book) fn unmet<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        incoming: &mut Incoming,
        limit: Option<i32>,
        flags: u8,
        turn: &mut Turn<'_, A, ALL>,
    ) -> Result<Option<i32>, RejectReason> {
        // In a call nothing rests before anything else.
        if flags & (POST_ONLY | SLIDE) == 0 || self.in_call(market) {
            return Ok(limit);
        }
        let state = &self.markets[market as usize];
        let met = if state.is(SPECIAL) {
            self.floor(market, turn).first_met(incoming)
        } else {
            let best = kept!(self.store, state.kept, |layout| layout.best(incoming.other_side()), None);
            best.map(|(price, _)| price).filter(|&price| crosses(incoming.side, incoming.limit, price))
        };
        let Some(met) = met else { return Ok(limit) };
        let slid = if flags & SLIDE == 0 { None } else { short_of(incoming.side, met) };
        let slid = slid.filter(|&price| self.collar_at(market).holds(price));
        incoming.limit = slid.ok_or(RejectReason::WouldTrade)?;
        Ok(slid)
    }
}

/// One tick short of a price that an order would meet, if there is such a price.
fn short_of(side: u8, met: i32) -> Option<i32> {
    let price = i64::from(met) + if side == BUY { -1 } else { 1 };
    units::price_in_range(price).then_some(price as i32)
}
