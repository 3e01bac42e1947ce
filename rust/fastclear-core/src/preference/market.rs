//! One market: its orders in merit order, and the stages one after the other.

use super::bilateral::WHOLE_PPM;
use super::{Deals, ESSENTIAL, Links, NO_PRICE, Orders, Pairs, STRICT, Sharing, Stage, StagePrice, Zones};
use crate::order::BUY;

/// No ask.
pub(super) const NOBODY: u32 = u32::MAX;

/// What may pass between a bid and an ask, and at what price.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// What the seller receives a unit.
    pub price: i64,
    /// What the buyer pays on top.
    pub fee: i64,
}

/// The orders of one market, and what is left of them. Bids and asks are named by their place in merit order.
pub(super) struct Desk<'a> {
    pub orders: &'a Orders<'a>,
    pub zones: &'a Zones<'a>,
    /// Rows of bids by (price descending, time, id, row) and of asks by (price, time, id, row).
    pub bids: Vec<u32>,
    pub asks: Vec<u32>,
    pub bid_left: Vec<i64>,
    pub ask_left: Vec<i64>,
    /// Of each participant, the best of its asks, and of each ask the next of the same participant.
    first: Vec<u32>,
    next: Vec<u32>,
    pub slot: i64,
    rank: u32,
}

impl<'a> Desk<'a> {
    pub fn new(orders: &'a Orders<'a>, zones: &'a Zones<'a>, participants: usize) -> Self {
        Self {
            orders,
            zones,
            bids: Vec::new(),
            asks: Vec::new(),
            bid_left: Vec::new(),
            ask_left: Vec::new(),
            first: vec![NOBODY; participants],
            next: Vec::new(),
            slot: 0,
            rank: 0,
        }
    }

    /// Takes in the orders of a market.
    pub fn take_in(&mut self, rank: usize, rows: &[u32]) {
        let orders = self.orders;
        let turn = |row: u32| {
            let row = row as usize;
            (orders.time.map_or(0, |time| time[row]), orders.order.map_or(0, |order| order[row]), row)
        };
        self.rank = rank as u32;
        self.slot = orders.slot.map_or(0, |slot| slot[rank]);
        let (mut bids, mut asks) = (std::mem::take(&mut self.bids), std::mem::take(&mut self.asks));
        bids.clear();
        asks.clear();
        for &row in rows {
            if orders.side[row as usize] == BUY { bids.push(row) } else { asks.push(row) }
        }
        bids.sort_unstable_by_key(|&row| (-orders.limit[row as usize], turn(row)));
        asks.sort_unstable_by_key(|&row| (orders.limit[row as usize], turn(row)));
        self.bid_left.clear();
        self.bid_left.extend(bids.iter().map(|&row| orders.left[row as usize]));
        self.ask_left.clear();
        self.ask_left.extend(asks.iter().map(|&row| orders.left[row as usize]));
        self.next.clear();
        self.next.resize(asks.len(), NOBODY);
        if let Some(participant) = orders.participant {
            for (place, &row) in asks.iter().enumerate().rev() {
                let first = &mut self.first[participant[row as usize] as usize];
                self.next[place] = std::mem::replace(first, place as u32);
            }
        }
        (self.bids, self.asks) = (bids, asks);
    }

    /// Takes in the orders of a market and runs all stages over them.
    pub fn run(&mut self, rank: usize, rows: &[u32], stages: &[Stage<'_>], deals: &mut Deals) {
        self.take_in(rank, rows);
        for (place, stage) in stages.iter().enumerate() {
            let mut book = Booking { rank: self.rank, stage: place as u8, deals };
            match stage.sharing {
                Sharing::InTurn => self.in_turn(stage, &mut book),
                Sharing::Equal => self.in_equal_rounds(stage, &mut book),
            }
        }
        if let Some(participant) = self.orders.participant {
            for &row in &self.asks {
                self.first[participant[row as usize] as usize] = NOBODY;
            }
        }
    }

    /// The bids that a stage serves, first to last: by price, time and id, essential loads by time and id.
    pub fn served(&self, stage: &Stage<'_>) -> Vec<u32> {
        let orders = self.orders;
        let flags = |place: &u32| orders.flags.map_or(0, |flags| flags[self.bids[*place as usize] as usize]);
        let mut places: Vec<u32> = (0..self.bids.len() as u32)
            .filter(|place| {
                let flags = flags(place);
                self.bid_left[*place as usize] > 0
                    && (flags & ESSENTIAL != 0) == stage.essential
                    && !(stage.skips_strict && flags & STRICT != 0)
            })
            .collect();
        if stage.essential {
            places.sort_by_key(|&place| self.turn_of_bid(place as usize));
        }
        places
    }

    /// Asks of a participant, cheapest first.
    pub fn asks_of(&self, participant: u32) -> impl Iterator<Item = usize> + '_ {
        let mut here = self.first[participant as usize];
        std::iter::from_fn(move || {
            let place = here;
            (place != NOBODY).then(|| {
                here = self.next[place as usize];
                place as usize
            })
        })
    }

    /// The rows of pairs that stand for a bid in this slot.
    pub fn named<'p>(&self, pairs: &'p Pairs<'_>, bid: usize) -> impl Iterator<Item = usize> + use<'p> {
        let who = self.orders.participant.map_or(0, |participant| participant[self.bids[bid] as usize] as usize);
        let (slot, from, to) = (self.slot, pairs.from, pairs.to);
        (pairs.begins[who]..pairs.begins[who + 1]).filter(move |&row| from[row] <= slot && slot < to[row])
    }

    /// Most lots that a bid takes by way of a row of pairs.
    pub fn most_of(&self, pairs: &Pairs<'_>, row: usize) -> i64 {
        if pairs.share[row] == WHOLE_PPM {
            return pairs.cap_quantity[row];
        }
        let asked: i64 = self.asks_of(pairs.source[row]).map(|ask| self.orders.left[self.asks[ask] as usize]).sum();
        let part = i128::from(asked) * i128::from(pairs.share[row]) / i128::from(WHOLE_PPM);
        pairs.cap_quantity[row].min(part as i64) // no more than asked
    }

    pub fn zone_of_bid(&self, bid: usize) -> usize {
        self.orders.zone.map_or(0, |zone| zone[self.bids[bid] as usize] as usize)
    }

    pub fn zone_of_ask(&self, ask: usize) -> usize {
        self.orders.zone.map_or(0, |zone| zone[self.asks[ask] as usize] as usize)
    }

    pub fn limit_of_bid(&self, bid: usize) -> i64 {
        self.orders.limit[self.bids[bid] as usize]
    }

    pub fn limit_of_ask(&self, ask: usize) -> i64 {
        self.orders.limit[self.asks[ask] as usize]
    }

    pub fn turn_of_bid(&self, bid: usize) -> (i64, i64, usize) {
        self.turn(self.bids[bid])
    }

    pub fn turn_of_ask(&self, ask: usize) -> (i64, i64, usize) {
        self.turn(self.asks[ask])
    }

    /// Who comes first among equals: time, then id, then row.
    pub fn turn(&self, row: u32) -> (i64, i64, usize) {
        let row = row as usize;
        (self.orders.time.map_or(0, |time| time[row]), self.orders.order.map_or(0, |order| order[row]), row)
    }

    pub fn reach(&self, bid: usize) -> i64 {
        self.orders.reach.map_or(i64::MAX, |reach| reach[self.bids[bid] as usize])
    }

    /// Types that a bid wants.
    pub fn wants(&self, bid: usize) -> u64 {
        self.orders.wants.map_or(0, |wants| wants[self.bids[bid] as usize])
    }

    /// The type of an ask, as the bit that a bid wants it by.
    pub fn kind(&self, ask: usize) -> u64 {
        self.orders.source.map_or(0, |source| 1 << source[self.asks[ask] as usize])
    }

    /// Distance and fee between two zones, the buyer's first.
    pub fn between(&self, buyer: usize, seller: usize) -> (i64, i64) {
        let place = buyer * self.zones.count + seller;
        (self.zones.distance[place], self.zones.fee.map_or(0, |fee| fee[place]))
    }

    /// On what terms a bid and an ask may deal in a stage, by a row of pairs or without; `None` where they may not.
    pub fn terms(&self, stage: &Stage<'_>, pair: Option<(&Pairs<'_>, usize)>, bid: usize, ask: usize) -> Option<Terms> {
        let (buy, sell) = (self.bids[bid] as usize, self.asks[ask] as usize);
        if self.orders.participant.is_some_and(|participant| participant[buy] == participant[sell]) {
            return None; // nobody trades with itself
        }
        let (distance, fee) = self.between(self.zone_of_bid(bid), self.zone_of_ask(ask));
        if distance > self.reach(bid) {
            return None;
        }
        let cap = pair.map_or(i64::MAX, |(pairs, row)| pairs.cap_price[row]);
        let (low, high) = (self.limit_of_ask(ask), self.limit_of_bid(bid).min(cap) - fee);
        if low > high {
            return None;
        }
        let agreed = pair.map_or(NO_PRICE, |(pairs, row)| pairs.price[row]);
        let price = match stage.price {
            StagePrice::Rate(rate) => rate,
            StagePrice::Rule(_) if agreed != NO_PRICE => agreed,
            StagePrice::Rule(rule) => rule.prices(high, low, || self.turn_of_bid(bid) < self.turn_of_ask(ask)).0,
        };
        (low <= price && price <= high).then_some(Terms { price, fee })
    }

    /// Makes a deal of as many lots as both have left, and at most `most`; how many that were.
    pub fn deal(&mut self, bid: usize, ask: usize, most: i64, terms: Terms, book: &mut Booking<'_>) -> i64 {
        let lots = self.bid_left[bid].min(self.ask_left[ask]).min(most);
        if lots > 0 {
            self.bid_left[bid] -= lots;
            self.ask_left[ask] -= lots;
            book.note(self.bids[bid], self.asks[ask], lots, terms);
        }
        lots
    }

    fn in_turn(&mut self, stage: &Stage<'_>, book: &mut Booking<'_>) {
        match &stage.links {
            Links::Pairs(pairs) => self.pairs_in_turn(stage, pairs, book),
            Links::Open { nearest, wanted } => self.open_in_turn(stage, *nearest, *wanted, book),
        }
    }
}

/// Where deals are written.
pub(super) struct Booking<'a> {
    pub rank: u32,
    pub stage: u8,
    pub deals: &'a mut Deals,
}

impl Booking<'_> {
    fn note(&mut self, buy_row: u32, sell_row: u32, lots: i64, terms: Terms) {
        self.deals.market.push(self.rank);
        self.deals.stage.push(self.stage);
        self.deals.buy_row.push(buy_row);
        self.deals.sell_row.push(sell_row);
        self.deals.quantity.push(lots);
        self.deals.price.push(terms.price);
        self.deals.fee.push(terms.fee);
    }
}
