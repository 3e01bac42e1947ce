//! SBBA (Segal-Halevi, Hassidim & Aumann 2016): truthful, exactly budget balanced, one price, loses at most one deal.

use super::book::{Book, Number, Priority};
use super::deal::{Branch, Outcome, Results};
use super::ranked::{Market, Scratch};
use super::sort;
use crate::order::{BUY, SELL};
use crate::simd;

/// Strongly budget-balanced double auction for orders of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sbba {
    /// Seed of the lottery among sellers.
    pub seed: u64,
    /// Lots that every order trades.
    pub unit: i64,
}

impl Sbba {
    /// Clears one market of orders of one unit. `None` where a value is one that no order may carry.
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
        let simd::Margin { last_bid, next_ask, .. } = results.margin(book, &outcome);
        let mut price = last_bid;
        if next_ask <= last_bid {
            outcome.branch = Branch::SellerSetsPrice;
            price = next_ask;
        } else {
            outcome.branch = Branch::BuyerSetsPrice;
            let pairs = (outcome.volume / self.unit) as usize;
            let stays_out = market.lottery(self.seed).below(pairs);
            let seller = served_ask(book, results.filled, priority, stays_out, &mut scratch.words[0]);
            results.leave_out(book, seller, &mut outcome);
            outcome.volume -= results.leave_out_last(book, priority, BUY, last_bid, &mut outcome);
        }
        results.trade_at(book, priority, (price, price), &mut outcome);
        Some(outcome)
    }
}

/// The served ask of a rank, the cheapest being of rank 0.
fn served_ask<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    filled: &[i64],
    priority: &Priority<'_>,
    rank: usize,
    words: &mut Vec<u64>,
) -> usize {
    words.clear();
    let served = (0..book.len()).filter(|&i| book.side[i] == SELL && filled[i] > 0);
    words.extend(served.map(|i| sort::word(book.competing_price(i), i)));
    let (cheaper, &mut found, _) = words.select_nth_unstable(rank);
    if priority.is_position() {
        return sort::position(found);
    }
    // Words put equal prices in the order of positions; here time and id decide.
    let price = sort::price(found);
    let rank = rank - cheaper.iter().filter(|&&word| sort::price(word) < price).count();
    words.retain(|&word| sort::price(word) == price);
    let key = |word: &u64| priority.key(sort::position(*word));
    sort::position(*words.select_nth_unstable_by_key(rank, key).1)
}
