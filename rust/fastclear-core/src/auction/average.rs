//! Average mechanism: every efficient pair trades at the midpoint of the last one.

use super::book::{Book, Number};
use super::deal::{Outcome, Results};
use super::ranked::{Market, Scratch};

/// Average (midpoint) mechanism for orders of one unit; `McAfee` (1992) discusses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Average {
    /// Lots that every order trades.
    pub unit: i64,
}

impl Average {
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
        let margin = results.margin(book, &outcome);
        let midpoint = margin.last_bid + margin.last_ask;
        results.trade_at(book, priority, (midpoint, midpoint), &mut outcome);
        Some(outcome)
    }
}
