//! Trade reduction (`McAfee` 1992): truthful, never in deficit, gives up at most the least valuable trade.

use super::book::{Book, Number};
use super::deal::{Branch, Outcome, Results};
use super::ranked::{Market, Scratch};
use crate::order::{BUY, SELL};
use crate::simd;

/// `McAfee`'s double auction for orders of one unit, or its pure form without the middle price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeReduction {
    /// Whether all efficient pairs trade where the midpoint of the pair behind them lies between the last pair.
    pub use_p0: bool,
    /// Stands in for a bid behind the efficient ones where there is none.
    pub cap_low: Option<i64>,
    /// Stands in for an ask behind the efficient ones where there is none.
    pub cap_high: Option<i64>,
    /// Lots that every order trades.
    pub unit: i64,
}

impl TradeReduction {
    /// Clears one market of orders of one unit; prices over 2. `None` where a value is one that no order may carry.
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
        // Orders of one unit are served whole or not at all: the margin is the last pair and the one behind it.
        let simd::Margin { last_bid, last_ask, next_bid, next_ask } = results.margin(book, &outcome);
        let next_bid = if next_bid == i64::MIN { self.cap_low } else { Some(next_bid) };
        let next_ask = if next_ask == i64::MAX { self.cap_high } else { Some(next_ask) };
        let midpoint = next_bid.zip(next_ask).map(|(bid, ask)| bid + ask).filter(|_| self.use_p0);
        let serves_all = midpoint.filter(|midpoint| (2 * last_ask..=2 * last_bid).contains(midpoint));
        let prices = if let Some(midpoint) = serves_all {
            outcome.branch = Branch::AllTrade;
            (midpoint, midpoint)
        } else {
            outcome.branch = Branch::Reduced;
            results.leave_out_last(book, priority, BUY, last_bid, &mut outcome);
            outcome.volume -= results.leave_out_last(book, priority, SELL, last_ask, &mut outcome);
            (2 * last_bid, 2 * last_ask)
        };
        results.trade_at(book, priority, prices, &mut outcome);
        Some(outcome)
    }
}
