//! SBBA (Segal-Halevi, Hassidim & Aumann 2016): truthful, exactly budget balanced, one price, loses at most one deal.

use super::book::{Book, Number, Priority};
use super::deal::{Branch, Outcome, Results};
use super::ranked::{Market, Scratch};
use super::sort;
use crate::order::{BUY, SELL};
use crate::simd;
use crate::units::PRICE_MAX;

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
        let mut outcome = results.serve_by_merit(book, priority, scratch.curve.get())?;
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
            let low = outcome.interval.map_or(PRICE_MAX, |(low, _)| low);
            let seller = served_ask(book, results.filled, priority, (stays_out, low), scratch);
            results.leave_out(book, seller, &mut outcome);
            outcome.volume -= results.leave_out_last(book, priority, BUY, last_bid, &mut outcome);
        }
        results.trade_at(book, priority, (price, price), &mut outcome);
        Some(outcome)
    }
}

/// Orders from which on a sample tells near which price a rank lies.
const SAMPLED_FROM: usize = 1 << 12;
/// Orders in a sample.
const SAMPLE: usize = 1 << 10;
/// Sampled asks on either side of the likely price: more than four standard deviations of a rank.
const SLACK: usize = 64;

/// The served ask of a rank, the cheapest being of rank 0; asks below `low` are served, those above are not.
fn served_ask<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    filled: &[i64],
    priority: &Priority<'_>,
    (rank, low): (usize, i64),
    Scratch { words: [words, _], positions, .. }: &mut Scratch,
) -> usize {
    let is_served = |i: usize| book.side[i] == SELL && filled[i] > 0;
    let range = sampled_range(book, (rank, low), words);
    let mut rank_among = |(first, last): (i64, i64)| {
        positions.clear();
        simd::within(book, first, last, positions);
        words.clear();
        let served = positions.iter().map(|&i| i as usize).filter(|&i| is_served(i));
        words.extend(served.map(|i| sort::word(book.competing_price(i), i)));
        let cheaper = if first == -PRICE_MAX { 0 } else { simd::count_below(book.side, book.price, SELL, first) };
        rank.checked_sub(cheaper).filter(|&rank| rank < words.len())
    };
    // Where the sample was wrong, the rank is looked for among all.
    let rank = rank_among(range).or_else(|| rank_among((-PRICE_MAX, low))).unwrap_or(0);
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

/// Prices between which the served ask of a rank likely lies.
fn sampled_range<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    (rank, low): (usize, i64),
    words: &mut Vec<u64>,
) -> (i64, i64) {
    if book.len() < SAMPLED_FROM {
        return (-PRICE_MAX, low);
    }
    let stride = book.len() / SAMPLE;
    words.clear();
    let sampled = (0..book.len()).step_by(stride).filter(|&i| book.side[i] == SELL);
    words.extend(sampled.map(|i| sort::word(book.competing_price(i), i)));
    words.sort_unstable();
    let price = |place: usize| words.get(place).map(|&word| sort::price(word));
    let place = rank / stride;
    let first = place.checked_sub(SLACK).and_then(price).unwrap_or(-PRICE_MAX);
    (first, price(place + SLACK).unwrap_or(low).min(low))
}
