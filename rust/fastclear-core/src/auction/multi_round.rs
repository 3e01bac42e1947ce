//! Multi-round double auction (after Haggi & Sun 2021): quotes meet, trade at the midpoint of the last pair, and those
//! left over concede until nobody can.
//!
//! Rounds in which the best quotes are still too far apart to meet pass at once, so that small steps cost nothing.

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
            // Rounds until everyone stands at their limit, and those in which quotes cannot meet yet: they pass at once.
            let to_limit = |side: &[Quote], step: i64| {
                let gap = |quote: &Quote| (limits[quote.order as usize] - quote.price).abs();
                if step == 0 { 0 } else { side.iter().map(gap).max().map_or(0, |gap| (gap + step - 1) / step) }
            };
            let movable = to_limit(bids, self.buyer_step).max(to_limit(asks, self.seller_step));
            if meeting.is_none() && movable == 0 {
                return;
            }
            let mut concessions = movable.min(1);
            if meeting.is_none() {
                let apart = (asks[0].price - bids[0].price - 1) / (self.buyer_step + self.seller_step);
                let left = i64::from(self.max_rounds - out.rounds) + 1;
                concessions = apart.min(movable).min(left).max(1);
                out.rounds += (concessions - 1) as u32;
            }
            for (side, step) in [(&mut *bids, self.buyer_step), (&mut *asks, self.seller_step)] {
                for quote in side.iter_mut() {
                    let gap = limits[quote.order as usize] - quote.price;
                    quote.price += gap.clamp(-step * concessions, step * concessions);
                }
            }
        }
    }
}
