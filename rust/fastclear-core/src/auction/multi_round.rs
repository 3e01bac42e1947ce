//! Multi-round double auction (after Haggi & Sun 2021): quotes meet, trade at the midpoint of the last pair, and those
//! left over concede until nobody can.
//!
//! A round crosses the quotes as they stand and sorts only those that trade. Rounds in which the best quotes are still too
//! far apart to meet pass at once, so that small steps cost nothing.

use super::book::{Book, Number};
use super::curve::{self, Crossing, Terms};
use super::deal::{Outcome, Results};
use super::part::Part;
use super::ranked::{Market, Scratch};
use crate::order::BUY;
use crate::simd;

/// Rounds of concession between opening quotes and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiRound {
    /// Ticks by which a bid left over rises from round to round.
    pub buyer_step: i64,
    /// Ticks by which an ask left over falls.
    pub seller_step: i64,
    /// Most rounds.
    pub max_rounds: u32,
}

impl MultiRound {
    /// Clears one market; prices over 2. `None` where a value is one that no order may carry.
    pub fn clear<P: Number, Q: Number>(
        self,
        book: &Book<'_, P, Q>,
        market: &Market<'_>,
        results: &mut Results<'_>,
        scratch: &mut Scratch,
    ) -> Option<Outcome> {
        let Some(start_price) = market.start_price else {
            return self.clear_at_limits(book, market, results, scratch);
        };
        if !simd::all_in_range(book.side, book.price, book.quantity) {
            return None;
        }
        results.filled.fill(0);
        let bids = book.side.iter().map(|&side| u32::from(side)).sum();
        let mut outcome = Outcome { bids, ..Outcome::default() };
        let Scratch { curve, parts: [quotes, _], class, fills, positions: rows, .. } = scratch;
        class.clear();
        class.resize(book.len(), 0);
        Part::split(book, &market.priority, class, [quotes]);
        for (quote, &start) in quotes.quotes_mut().1.iter_mut().zip(start_price) {
            *quote = start as i32; // within the range of prices, as a limit is
        }
        let limit = |i: u32| book.limit(i as usize);
        let mut waiting = Waiting::of(quotes, limit);
        while outcome.rounds < self.max_rounds && waiting.bids > 0 && waiting.asks > 0 {
            outcome.rounds += 1;
            let meet = waiting.best_bid >= waiting.best_ask;
            if meet {
                fills.clear();
                fills.resize(quotes.len(), 0);
                let priority = quotes.priority();
                let terms = Terms::by_merit(&priority);
                let Crossing { low, volume, .. } = curve::cross(&quotes.book(), &terms, fills, curve.get())?.1?;
                let simd::Margin { last_bid, last_ask, .. } = simd::margin_at(&quotes.book(), low, fills);
                let midpoint = last_bid + last_ask;
                results.trade_part_at(quotes, fills, midpoint, rows);
                outcome.volume += volume;
                outcome.buyer_payment += i128::from(midpoint) * i128::from(volume);
                outcome.is_odd |= midpoint % 2 != 0;
                quotes.take_off(fills);
                waiting = Waiting::of(quotes, limit);
            }
            // Rounds until everyone stands at their limit, and those in which quotes cannot meet yet: they pass at once.
            let rounds = |gap: i64, step: i64| if step == 0 { 0 } else { (gap + step - 1) / step };
            let movable = rounds(waiting.bid_gap, self.buyer_step).max(rounds(waiting.ask_gap, self.seller_step));
            let mut concessions = movable.min(1);
            if !meet {
                if movable == 0 {
                    break;
                }
                let apart = (waiting.best_ask - waiting.best_bid - 1) / (self.buyer_step + self.seller_step);
                let left = i64::from(self.max_rounds - outcome.rounds) + 1;
                concessions = apart.min(movable).min(left).max(1);
                outcome.rounds += (concessions - 1) as u32;
            }
            if concessions > 0 {
                concede(quotes, (self.buyer_step * concessions, self.seller_step * concessions), limit);
                waiting = Waiting::of(quotes, limit);
            }
        }
        outcome.seller_revenue = outcome.buyer_payment;
        outcome.welfare = simd::welfare(book, results.filled);
        Some(outcome)
    }

    /// Everyone opens at its limit, and nobody can concede: what trades does so in the first round.
    fn clear_at_limits<P: Number, Q: Number>(
        self,
        book: &Book<'_, P, Q>,
        market: &Market<'_>,
        results: &mut Results<'_>,
        scratch: &mut Scratch,
    ) -> Option<Outcome> {
        let priority = &market.priority;
        let mut outcome = results.serve_by_merit(book, priority, scratch.curve.get())?;
        let bids = outcome.bids as usize;
        if self.max_rounds == 0 || bids == 0 || bids == book.len() {
            results.filled.fill(0);
            return Some(Outcome { bids: outcome.bids, ..Outcome::default() });
        }
        outcome.rounds = 1;
        if outcome.volume > 0 {
            let simd::Margin { last_bid, last_ask, next_bid, next_ask } = results.margin(book, &outcome);
            let midpoint = last_bid + last_ask;
            results.trade_at(book, priority, (midpoint, midpoint), &mut outcome);
            // A second round, in which nobody meets, where there are bids and asks left.
            let some_are_left = next_bid > i64::MIN && next_ask < i64::MAX;
            outcome.rounds += u32::from(some_are_left && self.max_rounds > 1);
        }
        // Prices are those of rounds, and not of the market.
        (outcome.price, outcome.interval) = (None, None);
        Some(outcome)
    }
}

/// Moves every quote toward its limit, bids and asks by their step at most.
fn concede(quotes: &mut Part, (buyer_step, seller_step): (i64, i64), limit: impl Fn(u32) -> i64) {
    let (side, price, position) = quotes.quotes_mut();
    for ((&side, quote), &position) in side.iter().zip(price).zip(position) {
        let step = if side == BUY { buyer_step } else { seller_step };
        let from = i64::from(*quote);
        *quote = (from + (limit(position) - from).clamp(-step, step)) as i32; // between the two, which both fit
    }
}

/// Quotes that wait for a partner.
struct Waiting {
    bids: usize,
    asks: usize,
    best_bid: i64,
    best_ask: i64,
    /// Farthest that a bid is from its limit.
    bid_gap: i64,
    /// Farthest that an ask is from its limit.
    ask_gap: i64,
}

impl Waiting {
    fn of(quotes: &Part, limit: impl Fn(u32) -> i64) -> Self {
        let mut waiting = Self { bids: 0, asks: 0, best_bid: i64::MIN, best_ask: i64::MAX, bid_gap: 0, ask_gap: 0 };
        let book = quotes.book();
        for ((&side, &quote), &position) in book.side.iter().zip(book.price).zip(quotes.positions()) {
            let quote = i64::from(quote);
            let gap = (limit(position) - quote).abs();
            if side == BUY {
                waiting.bids += 1;
                waiting.best_bid = waiting.best_bid.max(quote);
                waiting.bid_gap = waiting.bid_gap.max(gap);
            } else {
                waiting.asks += 1;
                waiting.best_ask = waiting.best_ask.min(quote);
                waiting.ask_gap = waiting.ask_gap.max(gap);
            }
        }
        waiting
    }
}
