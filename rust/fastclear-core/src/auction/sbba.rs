//! SBBA (Segal-Halevi, Hassidim & Aumann 2016): truthful, exactly budget balanced, one price, loses at most one deal.

use super::deal::{Branch, Deal, Outcome};
use super::ranked::{Market, Ranked, sweep};

/// Strongly budget-balanced double auction for orders of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sbba {
    /// Seed of the lottery among sellers.
    pub seed: u64,
    /// Lots that every order trades.
    pub unit: i64,
}

impl Sbba {
    /// Clears one market.
    pub fn clear(self, book: &Ranked, market: &Market<'_>, out: &mut Outcome) {
        let Ranked { bids, asks } = book;
        let Some(meeting) = sweep(bids, asks, |_, _, _| {}) else {
            return;
        };
        out.crossed(&meeting);
        let last = meeting.last_bid;
        let price = bids[last].price;
        match asks.get(last + 1) {
            Some(next) if next.price <= price => {
                out.branch = Branch::SellerSetsPrice;
                out.trade_pairs(bids, asks, last + 1, next.price, next.price);
            }
            _ => {
                out.branch = Branch::BuyerSetsPrice;
                let stays_out = market.lottery(self.seed).below(last + 1);
                let sellers = asks[..=last].iter().enumerate().filter(|&(rank, _)| rank != stays_out);
                for (bid, (_, ask)) in bids.iter().zip(sellers) {
                    let (bid, ask, quantity) = (bid.order, ask.order, bid.quantity);
                    out.deals.push(Deal { bid, ask, quantity, buy: price, sell: price });
                }
                out.price = (last > 0).then_some((price, price));
            }
        }
    }
}
