//! VCG double auction (Vickrey 1961, Clarke 1971, Groves 1973): the efficient trades, each participant at what its presence
//! costs the others. Truthful and efficient, hence in deficit (Myerson & Satterthwaite 1983).
//!
//! With the crossing at hand, a buyer of x units keeps out the x best of two lists: units of accepted asks (dearest first),
//! which nobody would have had to produce, and units of bids left over of others (best first). Its payment is their
//! value. Sellers likewise. Both lists lie next to the crossing, so that a few orders price all others: O(N) in all where
//! no participant has a large part of the market.

use super::book::{Book, Number};
use super::charge::{Charge, by_agent};
use super::deal::{Outcome, Results};
use super::displaced::{Best, Displaced};
use super::ranked::{Market, Scratch};
use crate::order::{BUY, SELL};

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
        let mut outcome = results.serve_by_merit(book, priority, &mut scratch.curve)?;
        if outcome.volume == 0 {
            return Some(outcome);
        }
        let Scratch { displaced, amounts, agents, words, .. } = scratch;
        agents.clear();
        if let Some(ids) = market.participant {
            by_agent(ids, agents, words);
        }
        amounts.clear();
        amounts.resize(book.len(), 0);
        let filled = &*results.filled;
        for (side, best) in [(BUY, Best::Highest), (SELL, Best::Lowest)] {
            // The other side's units that are served, and this side's that are not.
            let list = |displaced: &mut Displaced, depth| {
                displaced.list(best, book.len(), depth, |i| {
                    let lots = if book.side[i] == side { book.quantity(i) - filled[i] } else { filled[i] };
                    (book.competing_price(i), lots)
                });
            };
            let charge = Charge { book, priority, filled, side, agents, grain: 1 };
            charge.charge(displaced, list, |value, _, _| value, amounts);
        }
        results.trade_for(book, priority, amounts, &mut outcome);
        Some(outcome)
    }
}
