//! Maximal matching (Niu & Parsons 2013): the most lots that any pairing can trade, at the cost of welfare.

use super::book::{Book, Number};
use super::deal::{Deal, Outcome, Results};
use super::price::PairRule;
use super::ranked::{Market, Scratch, sort_words};
use super::sort;
use crate::simd;

/// From which end both sides are walked. Both trade the same volume, between other pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Walk {
    /// From the cheapest bid and ask up: a bid that no ask left is cheap enough for is passed over.
    #[default]
    Ascending,
    /// From the dearest bid and ask down: an ask that no bid left is dear enough for is passed over.
    Descending,
}

/// Maximal-volume matching, each pair at a price of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaximalVolume {
    /// Price of a pair.
    pub rule: PairRule,
    /// From which end both sides are walked.
    pub walk: Walk,
}

impl MaximalVolume {
    /// Clears one market: nearly every order trades, so that both sides are sorted whole. `None` where a value is one that
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
        results.filled.fill(0);
        let Scratch { words: [bids, asks], more_words: [other, _], .. } = scratch;
        // The side that can be passed over is `first`; walking down is walking up in negative prices.
        let sign = if self.walk == Walk::Ascending { 1 } else { -1 };
        words_by_side(book, sign, bids, asks);
        let mut outcome = Outcome { bids: bids.len() as u32, ..Outcome::default() };
        for words in [&mut *bids, &mut *asks] {
            sort_words(words, other, &market.priority);
        }
        let (mut b, mut a) = (0, 0);
        let (mut bid_left, mut ask_left) = (0, 0);
        while b < bids.len() && a < asks.len() {
            let (bid, ask) = (sort::position(bids[b]), sort::position(asks[a]));
            let (bid_price, ask_price) = (sign * sort::price(bids[b]), sign * sort::price(asks[a]));
            if bid_price < ask_price {
                // An order that is passed over leaves with what it has left.
                if sign > 0 {
                    (b, bid_left) = (b + 1, 0);
                } else {
                    (a, ask_left) = (a + 1, 0);
                }
                continue;
            }
            if bid_left == 0 {
                bid_left = book.quantity(bid);
            }
            if ask_left == 0 {
                ask_left = book.quantity(ask);
            }
            let quantity = bid_left.min(ask_left);
            let (buy, sell) = self.rule.prices(bid_price, ask_price, || market.comes_first(bid as u32, ask as u32));
            let deal = Deal { bid: bid as u32, ask: ask as u32, quantity, buy, sell };
            results.trade(&deal, bid_price - ask_price, &mut outcome);
            bid_left -= quantity;
            ask_left -= quantity;
            b += usize::from(bid_left == 0);
            a += usize::from(ask_left == 0);
        }
        Some(outcome)
    }
}

/// The orders of each side as words of their price times `sign`.
fn words_by_side<P: Number, Q: Number>(book: &Book<'_, P, Q>, sign: i64, bids: &mut Vec<u64>, asks: &mut Vec<u64>) {
    for words in [&mut *bids, &mut *asks] {
        words.clear();
        words.resize(book.len(), 0);
    }
    // Written to both sides and counted where it belongs: no branch to guess wrong.
    let (mut b, mut a) = (0, 0);
    for i in 0..book.len() {
        let word = sort::word(sign * book.competing_price(i), i);
        (bids[b], asks[a]) = (word, word);
        b += usize::from(book.is_bid(i));
        a += usize::from(!book.is_bid(i));
    }
    bids.truncate(b);
    asks.truncate(a);
}
