//! Discriminatory price: the same trades as at a uniform price, each at a price of its own.
//!
//! The best bid is paired with the cheapest ask; Chatterjee & Samuelson (1983) price each pair by k, Nicolaisen, Petrov
//! & Tesfatsion (2001) at the midpoint, Federico & Rahman (2003) as bid. Efficient as reported, budget balanced unless
//! the operator keeps the spread, individually rational, not truthful.

use super::pairing::{Pairs, Prices};
use super::price::{PairPrice, PairRule};

/// Discriminatory call auction with price priority, then time, then id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discriminatory {
    /// Price of a pair.
    pub rule: PairRule,
    /// Fee a unit, paid by the buyer on top of the price; no trade with bid − ask below it.
    pub fee: i64,
    /// Lowest price that a seller may receive; bids competing below it take no part.
    pub reserve: Option<i64>,
}

impl Discriminatory {
    /// What buyers pay and sellers receive a unit; `bid_came_first(bid, ask)` says who of a pair did.
    pub fn price(&self, pairs: &Pairs<'_>, prices: &mut Prices<'_>, bid_came_first: impl Fn(i64, i64) -> bool) {
        let Prices { buy, sell } = prices;
        match self.rule.price {
            PairPrice::Share(k) => k.of_all(pairs.ask_price, pairs.bid_price, self.rule.price_round, sell),
            PairPrice::Apart => sell.copy_from_slice(pairs.ask_price),
            PairPrice::Earlier => {
                for (t, sell) in sell.iter_mut().enumerate() {
                    let bid_first = bid_came_first(pairs.bid[t], pairs.ask[t]);
                    *sell = if bid_first { pairs.bid_price[t] } else { pairs.ask_price[t] };
                }
            }
        }
        let is_apart = matches!(self.rule.price, PairPrice::Apart);
        if self.reserve.is_none() && !is_apart {
            for (buy, &sell) in buy.iter_mut().zip(&**sell) {
                *buy = sell.wrapping_add(self.fee); // below 2³² and 2³¹
            }
            return;
        }
        let floor = self.reserve.unwrap_or(i64::MIN);
        for ((buy, sell), &bid_price) in buy.iter_mut().zip(&mut **sell).zip(pairs.bid_price) {
            *sell = floor.max(*sell);
            let before_fee = if is_apart { floor.max(bid_price) } else { *sell };
            *buy = before_fee.wrapping_add(self.fee);
        }
    }
}
