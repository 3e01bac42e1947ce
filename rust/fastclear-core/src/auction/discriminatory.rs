//! Discriminatory price: the same trades as at a uniform price, each at a price of its own.
//!
//! The best bid is paired with the cheapest ask; Chatterjee & Samuelson (1983) price each pair by k, Nicolaisen, Petrov
//! & Tesfatsion (2001) at the midpoint, Federico & Rahman (2003) as bid. Efficient as reported, budget balanced unless
//! the operator keeps the spread, individually rational, not truthful.

use super::price::PairRule;

/// Discriminatory call auction with price priority, then time, then id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discriminatory {
    /// Price of a pair.
    pub rule: PairRule,
    /// Fee a unit, paid by the buyer on top of the price; no trade with bid − ask below it.
    pub fee: i64,
    /// Lowest price that a seller may receive; bids competing below it take no part.
    pub reserve: Option<i64>,
}

impl Discriminatory {
    /// What the buyer pays and the seller receives a unit, fee apart.
    pub fn prices(&self, bid: i64, ask: i64, bid_came_first: impl FnOnce() -> bool) -> (i64, i64) {
        let (buy, sell) = self.rule.prices(bid, ask, bid_came_first);
        self.reserve.map_or((buy, sell), |reserve| (buy.max(reserve), sell.max(reserve)))
    }
}
