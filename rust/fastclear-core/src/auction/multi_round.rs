//! Multi-round double auction (after Haggi & Sun 2021): quotes meet, trade at the midpoint of the last pair, and those
//! left over concede until nobody can.

use super::deal::{Deal, Outcome};
use super::ranked::{Market, Quote, Ranked, sort, sweep};

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
    /// Clears one market; prices over 2.
    pub fn clear(self, book: &mut Ranked, market: &Market<'_>, out: &mut Outcome) {
        let Ranked { bids, asks } = book;
        // `limits[order]` beside the quotes, which move.
        let mut limits = vec![0; bids.len() + asks.len()];
        for quote in bids.iter_mut().chain(asks.iter_mut()) {
            limits[quote.order as usize] = quote.price;
            quote.price = market.start_price.map_or(quote.price, |start| start[quote.order as usize]);
        }
        while out.rounds < self.max_rounds && !bids.is_empty() && !asks.is_empty() {
            sort(bids, &market.priority, |quote| -quote.price);
            sort(asks, &market.priority, |quote| quote.price);
            out.rounds += 1;
            let first = out.deals.len();
            let meeting = sweep(bids, asks, |bid, ask, quantity| {
                let (bid, ask) = (bids[bid].order, asks[ask].order);
                out.deals.push(Deal { bid, ask, quantity, buy: 0, sell: 0 });
            });
            if let Some(meeting) = meeting {
                let midpoint = bids[meeting.last_bid].price + asks[meeting.last_ask].price;
                for deal in &mut out.deals[first..] {
                    (deal.buy, deal.sell) = (midpoint, midpoint);
                }
                bids[meeting.last_bid].quantity = meeting.bid_left;
                asks[meeting.last_ask].quantity = meeting.ask_left;
                bids.drain(..meeting.last_bid + usize::from(meeting.bid_left == 0));
                asks.drain(..meeting.last_ask + usize::from(meeting.ask_left == 0));
            }
            let concede = |side: &mut [Quote], step: i64| {
                let mut moved = false;
                for quote in side {
                    let gap = limits[quote.order as usize] - quote.price;
                    let change = gap.clamp(-step, step);
                    moved |= change != 0;
                    quote.price += change;
                }
                moved
            };
            let moved = concede(bids, self.buyer_step) | concede(asks, self.seller_step);
            if meeting.is_none() && !moved {
                return;
            }
        }
    }
}
