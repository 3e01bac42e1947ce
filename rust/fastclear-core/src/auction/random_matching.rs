//! Random bilateral matching: buyers and sellers meet by lot until nobody can trade any more (Blouin & Serrano 2001).
//!
//! Only pairs that can trade are drawn; each exhausts one of its two, so that no pair needs to be remembered as tried.

use super::deal::{Deal, Outcome};
use super::price::PairRule;
use super::ranked::{Market, Quote, Ranked};

/// Random bilateral matching, each pair at a price of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomMatching {
    /// Price of a pair.
    pub rule: PairRule,
    /// Seed of the lottery.
    pub seed: u64,
}

impl RandomMatching {
    /// Clears one market. Every deal exhausts one of its two, so that there are fewer deals than orders; a round costs
    /// O(N log N).
    pub fn clear(self, book: &mut Ranked, market: &Market<'_>, out: &mut Outcome) {
        let mut lottery = market.lottery(self.seed);
        let id = |quote: &Quote| {
            let order = quote.order as usize;
            market.priority.order.map_or(order as i64, |ids| ids[order])
        };
        book.bids.sort_unstable_by_key(id);
        book.asks.sort_unstable_by_key(id);
        loop {
            out.rounds += 1;
            let (mut buyers, mut sellers) = (book.bids.clone(), book.asks.clone());
            lottery.shuffle(&mut buyers);
            lottery.shuffle(&mut sellers);
            let before = out.deals.len();
            let mut free = Cheapest::of(&sellers);
            for bid in &buyers {
                let Some(place) = free.take_first_at_most(bid.price) else {
                    continue;
                };
                let ask = sellers[place];
                let quantity = bid.quantity.min(ask.quantity);
                let (buy, sell) = self.rule.prices(bid.price, ask.price, || market.comes_first(bid.order, ask.order));
                out.deals.push(Deal { bid: bid.order, ask: ask.order, quantity, buy, sell });
            }
            if out.deals.len() == before {
                return;
            }
            let mut traded: Vec<(u32, i64)> = out.deals[before..]
                .iter()
                .flat_map(|deal| [(deal.bid, deal.quantity), (deal.ask, deal.quantity)])
                .collect();
            traded.sort_unstable();
            for side in [&mut book.bids, &mut book.asks] {
                side.retain_mut(|quote| {
                    if let Ok(place) = traded.binary_search_by_key(&quote.order, |&(order, _)| order) {
                        quote.quantity -= traded[place].1;
                    }
                    quote.quantity > 0
                });
            }
        }
    }
}

/// The lowest price in every stretch of a row of sellers: finds the first that is cheap enough without looking at all.
struct Cheapest {
    /// A binary tree in an array: node i holds the lower of nodes 2i and 2i + 1; leaves start at `leaves`.
    lowest: Vec<i64>,
    leaves: usize,
}

impl Cheapest {
    fn of(sellers: &[Quote]) -> Self {
        let leaves = sellers.len().next_power_of_two();
        let mut lowest = vec![i64::MAX; 2 * leaves];
        for (slot, seller) in lowest[leaves..].iter_mut().zip(sellers) {
            *slot = seller.price;
        }
        for node in (1..leaves).rev() {
            lowest[node] = lowest[2 * node].min(lowest[2 * node + 1]);
        }
        Self { lowest, leaves }
    }

    /// Takes the first seller whose price is at most `price`, if there is one.
    fn take_first_at_most(&mut self, price: i64) -> Option<usize> {
        if self.lowest[1] > price {
            return None;
        }
        let mut node = 1;
        while node < self.leaves {
            node = 2 * node + usize::from(self.lowest[2 * node] > price);
        }
        let place = node - self.leaves;
        self.lowest[node] = i64::MAX;
        while node > 1 {
            node /= 2;
            self.lowest[node] = self.lowest[2 * node].min(self.lowest[2 * node + 1]);
        }
        Some(place)
    }
}
