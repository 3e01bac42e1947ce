//! Random bilateral matching: buyers and sellers meet by lot until nobody can trade any more (Blouin & Serrano 2001).
//!
//! Only pairs that can trade are drawn; each exhausts one of its two, so that no pair needs to be remembered as tried.

use super::book::{Book, Number};
use super::deal::{Deal, Outcome, Results};
use super::price::PairRule;
use super::ranked::{Market, Scratch};
use crate::simd;

/// Random bilateral matching, each pair at a price of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomMatching {
    /// Price of a pair.
    pub rule: PairRule,
    /// Seed of the lottery.
    pub seed: u64,
}

/// An order in one word: its price above its position.
const fn word(price: i64, position: usize) -> u64 {
    (price as i32 as u32 as u64) << 32 | position as u64
}

const fn price(word: u64) -> i64 {
    ((word >> 32) as i32) as i64
}

const fn position(word: u64) -> usize {
    word as u32 as usize
}

impl RandomMatching {
    /// Clears one market. Every deal exhausts one of its two, so that there are fewer deals than orders. A round draws once
    /// for each order left and finds a seller in a few steps for each buyer that has one. `None` where a value is one that
    /// no order may carry.
    pub fn clear<P: Number, Q: Number>(
        self,
        book: &Book<'_, P, Q>,
        market: &Market<'_>,
        results: &mut Results<'_>,
        scratch: &mut Scratch,
    ) -> Option<Outcome> {
        if !simd::all_in_range(book.side, book.price, book.quantity) {
            return None;
        }
        let Scratch { words: [buyers, sellers], more_words, agents, free, pairs, .. } = scratch;
        buyers.clear();
        sellers.clear();
        let mut enter = |i: usize| {
            let side = if book.is_bid(i) { &mut *buyers } else { &mut *sellers };
            side.push(word(book.limit(i), i));
        };
        match market.priority.order.filter(|ids| !ids.is_sorted()) {
            None => (0..book.len()).for_each(enter),
            Some(ids) => {
                agents.sort(ids).iter().for_each(|&(_, i)| enter(i as usize));
            }
        }
        let mut outcome = Outcome { bids: buyers.len() as u32, ..Outcome::default() };
        let mut lottery = market.lottery(self.seed);
        // What is left of each order, in the place of its fill.
        for (left, &quantity) in results.filled.iter_mut().zip(book.quantity) {
            *left = quantity.into();
        }
        let [drawn_buyers, drawn_sellers] = more_words;
        loop {
            outcome.rounds += 1;
            let dearest = buyers.iter().map(|&word| price(word)).max();
            let cheapest = sellers.iter().map(|&word| price(word)).min();
            if dearest.zip(cheapest).is_none_or(|(bid, ask)| bid < ask) {
                break; // a last round without a trade, in which no lot matters
            }
            for (drawn, side) in [(&mut *drawn_buyers, &*buyers), (&mut *drawn_sellers, &*sellers)] {
                drawn.clear();
                drawn.extend_from_slice(side);
                lottery.shuffle(drawn);
            }
            pairs.clear();
            simd::line_up(free, drawn_sellers);
            simd::meet(free, drawn_buyers, pairs);
            for &(buyer, seller) in &*pairs {
                let (bid, ask) = (drawn_buyers[buyer as usize], drawn_sellers[seller as usize]);
                let (bid_price, ask_price) = (price(bid), price(ask));
                let (bid, ask) = (position(bid), position(ask));
                let quantity = results.filled[bid].min(results.filled[ask]);
                results.filled[bid] -= quantity;
                results.filled[ask] -= quantity;
                let came_first = || market.comes_first(bid as u32, ask as u32);
                let (buy, sell) = self.rule.prices(bid_price, ask_price, came_first);
                let deal = Deal { bid: bid as u32, ask: ask as u32, quantity, buy, sell };
                results.pay(&deal, bid_price - ask_price, &mut outcome);
            }
            for side in [&mut *buyers, &mut *sellers] {
                side.retain(|&word| results.filled[position(word)] > 0);
            }
        }
        for (fill, &quantity) in results.filled.iter_mut().zip(book.quantity) {
            *fill = quantity.into() - *fill;
        }
        Some(outcome)
    }
}
