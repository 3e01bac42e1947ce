//! Fees from zone to zone inside the clearing: the pairs whose bids less asks less fees sum to the most.
//!
//! A transport problem (Baroche, Pinson, Le Goff Latimier & Ben Ahmed 2019, IEEE Trans. Power Systems 34, 2553-2564), solved
//! by successive best paths. What makes it small: the bids of a zone are served dearest first and its asks cheapest first,
//! whatever the other zones do, so that a path is a path between zones. It begins at the best bid left of a zone, goes to a
//! zone of sellers for the fee, perhaps back along an exchange between zones that gives way, and ends at the cheapest ask
//! left of a zone. Paths are taken as long as what they bring is not below zero, so of all allocations with the largest
//! net welfare it is one with the largest volume. At its end there are prices by zone that support it: every pair of an
//! exchange that is used has bid - ask at or above the fee, whoever is paired with whom.

use super::market::{Booking, Desk, Terms};
use super::{Deals, NO_CAP};
use crate::auction::price::PairRule;

const NONE: usize = usize::MAX;

/// Bids or asks of one zone in merit order, and how far they are served.
#[derive(Default)]
struct Queue {
    places: Vec<u32>,
    next: usize,
    /// Lots that the next one has left.
    left: i64,
}

impl Queue {
    fn begin(&mut self, lots: &[i64]) {
        self.next = 0;
        self.left = self.places.first().map_or(0, |&place| lots[place as usize]);
    }

    /// The place in merit order of who is next.
    fn head(&self) -> Option<usize> {
        self.places.get(self.next).map(|&place| place as usize)
    }

    fn take(&mut self, amount: i64, lots: &[i64]) {
        self.left -= amount;
        if self.left == 0 {
            self.next += 1;
            self.left = self.head().map_or(0, |place| lots[place]);
        }
    }
}

impl Desk<'_> {
    /// Matches the orders that were taken in, at prices that `rule` finds between ask and bid less fee.
    pub(super) fn best_surplus(&mut self, rule: PairRule, rank: u32, deals: &mut Deals) {
        let (bid_lots, ask_lots) = (self.bid_left.clone(), self.ask_left.clone());
        let mut zones: Vec<usize> = (0..self.bids.len()).map(|bid| self.zone_of_bid(bid)).collect();
        zones.extend((0..self.asks.len()).map(|ask| self.zone_of_ask(ask)));
        zones.sort_unstable();
        zones.dedup();
        let count = zones.len();
        let place = |zone: usize| zones.partition_point(|&other| other < zone);
        let mut bids: Vec<Queue> = (0..count).map(|_| Queue::default()).collect();
        let mut asks: Vec<Queue> = (0..count).map(|_| Queue::default()).collect();
        for bid in 0..self.bids.len() {
            bids[place(self.zone_of_bid(bid))].places.push(bid as u32);
        }
        for ask in 0..self.asks.len() {
            asks[place(self.zone_of_ask(ask))].places.push(ask as u32);
        }
        bids.iter_mut().for_each(|queue| queue.begin(&bid_lots));
        asks.iter_mut().for_each(|queue| queue.begin(&ask_lots));
        let mut fee = vec![0; count * count];
        for (i, &buyer) in zones.iter().enumerate() {
            for (j, &seller) in zones.iter().enumerate() {
                fee[i * count + j] = self.between(buyer, seller).1;
            }
        }
        let mut exchange = vec![0_i64; count * count];
        while let Some(path) = self.best_path(&bids, &asks, &fee, &exchange, count) {
            let (first, last) = (path[0], path[path.len() - 1]);
            let mut lots = bids[first].left.min(asks[last].left);
            for step in path[1..path.len() - 1].chunks_exact(2) {
                lots = lots.min(exchange[step[1] * count + step[0]]); // given way from buyers' zone step[1]
            }
            for (turn, step) in path.windows(2).enumerate() {
                if turn % 2 == 0 {
                    exchange[step[0] * count + step[1]] += lots;
                } else {
                    exchange[step[1] * count + step[0]] -= lots;
                }
            }
            bids[first].take(lots, &bid_lots);
            asks[last].take(lots, &ask_lots);
        }
        bids.iter_mut().for_each(|queue| queue.begin(&bid_lots));
        asks.iter_mut().for_each(|queue| queue.begin(&ask_lots));
        let mut book = Booking { rank, stage: 0, deals };
        for i in 0..count {
            for j in 0..count {
                let fee = fee[i * count + j];
                while exchange[i * count + j] > 0
                    && let (Some(bid), Some(ask)) = (bids[i].head(), asks[j].head())
                {
                    let lots = exchange[i * count + j].min(bids[i].left).min(asks[j].left);
                    exchange[i * count + j] -= lots;
                    bids[i].take(lots, &bid_lots);
                    asks[j].take(lots, &ask_lots);
                    let (high, low) = (self.limit_of_bid(bid) - fee, self.limit_of_ask(ask));
                    let first = self.turn_of_bid(bid) < self.turn_of_ask(ask);
                    let (price, _) = rule.prices(high, low, || first);
                    self.deal(bid, ask, lots.min(NO_CAP), Terms { price, fee }, &mut book);
                }
            }
        }
    }

    /// Zones of the path that brings the most, buyers' and sellers' in turn; `None` where none brings zero or more.
    fn best_path(
        &self,
        bids: &[Queue],
        asks: &[Queue],
        fee: &[i64],
        exchange: &[i64],
        count: usize,
    ) -> Option<Vec<usize>> {
        let mut at_buyer: Vec<Option<i64>> =
            bids.iter().map(|queue| queue.head().map(|bid| self.limit_of_bid(bid))).collect();
        let mut at_seller: Vec<Option<i64>> = vec![None; count];
        let (mut buyer_from, mut seller_from) = (vec![NONE; count], vec![NONE; count]);
        loop {
            let mut better = false;
            for i in 0..count {
                let Some(value) = at_buyer[i] else { continue };
                for j in 0..count {
                    let next = value - fee[i * count + j];
                    if at_seller[j].is_none_or(|known| known < next) {
                        (at_seller[j], seller_from[j], better) = (Some(next), i, true);
                    }
                }
            }
            for j in 0..count {
                let Some(value) = at_seller[j] else { continue };
                for i in (0..count).filter(|i| exchange[i * count + j] > 0) {
                    let next = value + fee[i * count + j];
                    if at_buyer[i].is_none_or(|known| known < next) {
                        (at_buyer[i], buyer_from[i], better) = (Some(next), j, true);
                    }
                }
            }
            if !better {
                break;
            }
        }
        let (mut best, mut end) = (-1, NONE);
        for (j, queue) in asks.iter().enumerate() {
            if let (Some(value), Some(ask)) = (at_seller[j], queue.head())
                && value - self.limit_of_ask(ask) > best
            {
                (best, end) = (value - self.limit_of_ask(ask), j);
            }
        }
        if end == NONE {
            return None;
        }
        let mut path = vec![end];
        let mut here = end;
        loop {
            let buyer = seller_from[here];
            path.push(buyer);
            here = buyer_from[buyer];
            if here == NONE {
                break;
            }
            path.push(here);
        }
        path.reverse();
        Some(path)
    }
}
