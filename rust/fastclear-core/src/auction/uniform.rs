//! Uniform price: everyone in a market trades at one price inside the exact clearing interval.
//!
//! The k-double auction of Satterthwaite & Williams (1989) for step curves: efficient, budget balanced, individually
//! rational, not truthful.

use super::price::{PriceRound, Share};
use super::rationing::Rationing;

/// Uniform-price call auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uniform {
    /// Where in the interval the price lies: 0 leaves it to buyers, 1 to sellers.
    pub k: Share,
    /// How orders at the marginal price share what is left.
    pub rationing: Rationing,
    /// Rounding of the price to a tick.
    pub price_round: PriceRound,
    /// Whether units whose bid equals their ask trade.
    pub zero_surplus: bool,
    /// Fee a unit, paid by the buyer on top of the price; no trade with bid − ask below it.
    pub fee: i64,
}

impl Default for Uniform {
    fn default() -> Self {
        Self {
            k: Share::HALF,
            rationing: Rationing::default(),
            price_round: PriceRound::default(),
            zero_surplus: true,
            fee: 0,
        }
    }
}
