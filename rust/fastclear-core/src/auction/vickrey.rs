//! VCG double auction (Vickrey 1961, Clarke 1971, Groves 1973): the efficient trades, each participant at what its presence
//! costs the others. Truthful and efficient, hence in deficit (Myerson & Satterthwaite 1983).
//!
//! With the crossing at hand, a buyer of x units keeps out the x best of two lists: units of accepted asks (dearest first),
//! which nobody would have had to produce, and units of bids left over of others (best first). Its payment is their
//! value. Sellers likewise. Both lists lie next to the crossing, so that a few orders price all others: O(N) in all where
//! no participant has a large part of the market.

use super::book::{Book, Number};
use super::charge::Charge;
use super::deal::{Outcome, Results, pair_for_sums};
use super::displaced::Listing;
use super::ranked::{Market, Scratch};
use crate::order::{BUY, SELL};
use crate::simd::Units;

/// Multi-unit Vickrey–Clarke–Groves double auction over participants with any number of orders on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vickrey;

impl Vickrey {
    /// Clears one market; what buyers pay and sellers receive are sums. `None` where a value is one that no order may
    /// carry.
    pub fn clear<P: Number, Q: Number>(
        self,
        book: &Book<'_, P, Q>,
        market: &Market<'_>,
        results: &mut Results<'_>,
        scratch: &mut Scratch,
    ) -> Option<Outcome> {
        let priority = &market.priority;
        let mut outcome = results.serve_by_merit(book, priority, scratch.curve.get())?;
        if outcome.volume == 0 {
            return Some(outcome);
        }
        let Scratch { displaced, agents, amounts, positions, .. } = scratch;
        agents.clear();
        if let Some(ids) = market.participant {
            agents.group(ids);
        }
        let level = outcome.interval.map_or(0, |(low, _)| low);
        // The other side's units that are served, and this side's that are not.
        let listings = [SELL, BUY].map(|side| {
            let units = Units { side, with_others: true, highest_first: side == BUY };
            Ok(Listing { units, price_factor: 1, due_for_none: 0 })
        });
        let charge = Charge { book, priority, filled: results.filled, level, listings, agents, grain: 1 };
        amounts.resize(book.len(), 0);
        let money = results.payment.as_deref_mut().unwrap_or(amounts);
        [outcome.seller_revenue, outcome.buyer_payment] = charge.charge(displaced, positions, money);
        if let Some(trades) = results.trades.as_deref_mut() {
            pair_for_sums(book, results.filled, priority, &results.place, (money, 1), trades, results.pairing);
        }
        Some(outcome)
    }
}
