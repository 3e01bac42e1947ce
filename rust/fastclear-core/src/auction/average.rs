//! Average mechanism: every efficient pair trades at the midpoint of the last one.

use super::deal::Outcome;
use super::ranked::{Ranked, sweep};

/// Average (midpoint) mechanism for orders of one unit; `McAfee` (1992) discusses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Average {
    /// Lots that every order trades.
    pub unit: i64,
}

impl Average {
    /// Clears one market; prices over 2.
    pub fn clear(self, book: &Ranked, out: &mut Outcome) {
        let Some(meeting) = sweep(&book.bids, &book.asks, |_, _, _| {}) else {
            return;
        };
        out.crossed(&meeting);
        let k = meeting.last_bid;
        let midpoint = book.bids[k].price + book.asks[k].price;
        out.trade_pairs(&book.bids, &book.asks, k + 1, midpoint, midpoint);
    }
}
