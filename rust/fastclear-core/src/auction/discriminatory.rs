//! Discriminatory price: the same trades as at a uniform price, each at a price of its own.
//!
//! The best bid is paired with the cheapest ask; Chatterjee & Samuelson (1983) price each pair by k, Nicolaisen, Petrov
//! & Tesfatsion (2001) at the midpoint, Federico & Rahman (2003) as bid. Efficient as reported, budget balanced,
//! individually rational, not truthful.

use super::price::{PriceRound, Share};

/// Which price a pair trades at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairPrice {
    /// `ask + k × (bid − ask)`: 1 is pay as bid, 0 pay as ask.
    Share(Share),
    /// The limit of the order that came first.
    Earlier,
}

/// Discriminatory call auction with price priority, then time, then id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discriminatory {
    /// Which price a pair trades at.
    pub price: PairPrice,
    /// Rounding of the price to a tick.
    pub price_round: PriceRound,
    /// Fee a unit, paid by the buyer on top of the price; no trade with bid − ask below it.
    pub fee: i64,
}

impl Discriminatory {
    /// The seller's price of a pair whose orders compete at `bid` and `ask`.
    pub fn pair_price(&self, bid: i64, ask: i64, bid_came_first: bool) -> i64 {
        match self.price {
            PairPrice::Share(k) => k.of(ask, bid, self.price_round),
            PairPrice::Earlier if bid_came_first => bid,
            PairPrice::Earlier => ask,
        }
    }
}
