//! Trade reduction (`McAfee` 1992): truthful, never in deficit, gives up at most the least valuable trade.

use super::deal::{Branch, Outcome};
use super::ranked::{Ranked, sweep};

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
    /// Clears one market; prices over 2.
    pub fn clear(self, book: &Ranked, out: &mut Outcome) {
        let Ranked { bids, asks } = book;
        let Some(meeting) = sweep(bids, asks, |_, _, _| {}) else {
            return;
        };
        let last = meeting.last_bid;
        out.crossed(&meeting);
        let next_bid = bids.get(last + 1).map(|quote| quote.price).or(self.cap_low);
        let next_ask = asks.get(last + 1).map(|quote| quote.price).or(self.cap_high);
        let (bid, ask) = (bids[last].price, asks[last].price);
        if let (true, Some(next_bid), Some(next_ask)) = (self.use_p0, next_bid, next_ask) {
            let midpoint = next_bid + next_ask;
            if 2 * ask <= midpoint && midpoint <= 2 * bid {
                out.branch = Branch::AllTrade;
                out.trade_pairs(bids, asks, last + 1, midpoint, midpoint);
                return;
            }
        }
        out.branch = Branch::Reduced;
        out.trade_pairs(bids, asks, last, 2 * bid, 2 * ask);
    }
}
