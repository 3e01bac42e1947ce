//! Maximal matching (Niu & Parsons 2013): the most lots that any pairing can trade, at the cost of welfare.

use super::deal::{Deal, Outcome};
use super::price::PairRule;
use super::ranked::{Market, Ranked, sort};

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
    /// Clears one market.
    pub fn clear(self, book: &mut Ranked, market: &Market<'_>, out: &mut Outcome) {
        let ascending = self.walk == Walk::Ascending;
        let Ranked { bids, asks } = book;
        if ascending {
            sort(bids, &market.priority, |quote| quote.price);
        } else {
            sort(asks, &market.priority, |quote| -quote.price);
        }
        let (mut b, mut a) = (0, 0);
        while b < bids.len() && a < asks.len() {
            let (bid, ask) = (bids[b], asks[a]);
            if bid.price < ask.price {
                if ascending {
                    b += 1;
                } else {
                    a += 1;
                }
                continue;
            }
            let quantity = bid.quantity.min(ask.quantity);
            let (buy, sell) = self.rule.prices(bid.price, ask.price, || market.comes_first(bid.order, ask.order));
            out.deals.push(Deal { bid: bid.order, ask: ask.order, quantity, buy, sell });
            bids[b].quantity -= quantity;
            asks[a].quantity -= quantity;
            b += usize::from(bids[b].quantity == 0);
            a += usize::from(asks[a].quantity == 0);
        }
    }
}
