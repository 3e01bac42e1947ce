//! Bids by price, time and id: each takes all it can of what it likes best.

use std::collections::HashMap;

use super::market::{Booking, Desk};
use super::{Pairs, Stage};

/// Asks in the order in which bids of one zone and one wish like them, with those that are sold out skipped.
struct Shelf {
    asks: Vec<u32>,
    /// Of each place, the first at or behind it that may have lots left; shortened as it is walked.
    alive: Vec<u32>,
}

impl Shelf {
    /// The first place at or behind `place` whose ask has lots left.
    fn seek(&mut self, place: usize, left: &[i64]) -> usize {
        let mut here = place;
        while here < self.asks.len() {
            let next = self.alive[here] as usize;
            if next == here {
                if left[self.asks[here] as usize] > 0 {
                    break;
                }
                self.alive[here] = here as u32 + 1;
                here += 1;
            } else {
                here = next;
            }
        }
        // Everything that was walked over points at what was found.
        let (found, mut walked) = (here, place);
        while walked < found {
            let next = self.alive[walked] as usize;
            self.alive[walked] = found as u32;
            walked = next;
        }
        found
    }
}

impl Desk<'_> {
    /// Each bid goes through its list; sources of one rank by the price of their asks, then time and id.
    pub(super) fn pairs_in_turn(&mut self, stage: &Stage<'_>, pairs: &Pairs<'_>, book: &mut Booking<'_>) {
        let mut named: Vec<usize> = Vec::new();
        let mut tied: Vec<(u32, usize)> = Vec::new();
        let mut taken: Vec<(usize, i64)> = Vec::new();
        for bid in self.served(stage).into_iter().map(|bid| bid as usize) {
            named.clear();
            named.extend(self.named(pairs, bid));
            for group in named.chunk_by(|&one, &other| pairs.rank[one] == pairs.rank[other]) {
                tied.clear();
                for &row in group {
                    tied.extend(self.asks_of(pairs.source[row]).map(|ask| (ask as u32, row)));
                }
                tied.sort_unstable();
                taken.clear();
                for &(ask, row) in &tied {
                    if self.bid_left[bid] == 0 {
                        break;
                    }
                    if self.ask_left[ask as usize] == 0 {
                        continue;
                    }
                    let Some(terms) = self.terms(stage, Some((pairs, row)), bid, ask as usize) else { continue };
                    let before: i64 = taken.iter().filter(|(of, _)| *of == row).map(|(_, lots)| lots).sum();
                    let lots = self.deal(bid, ask as usize, self.most_of(pairs, row) - before, terms, book);
                    taken.push((row, lots));
                }
                if self.bid_left[bid] == 0 {
                    break;
                }
            }
        }
    }

    /// Each bid goes along the asks, the cheapest or the nearest first.
    pub(super) fn open_in_turn(&mut self, stage: &Stage<'_>, nearest: bool, wanted: bool, book: &mut Booking<'_>) {
        let mut shelves: HashMap<(usize, u64), Shelf> = HashMap::new();
        for bid in self.served(stage).into_iter().map(|bid| bid as usize) {
            let zone = self.zone_of_bid(bid);
            let mask = if wanted { self.wants(bid) } else { u64::MAX };
            let shelf =
                shelves.entry((zone, mask)).or_insert_with(|| self.shelf(zone, nearest, wanted.then_some(mask)));
            let (limit, reach) = (self.limit_of_bid(bid), self.reach(bid));
            let mut place = 0;
            while self.bid_left[bid] > 0 {
                place = shelf.seek(place, &self.ask_left);
                let Some(&ask) = shelf.asks.get(place) else { break };
                let ask = ask as usize;
                let (distance, fee) = self.between(zone, self.zone_of_ask(ask));
                let beyond = if nearest { distance > reach } else { self.limit_of_ask(ask) + fee > limit };
                if beyond {
                    break; // and so is all that comes behind
                }
                if let Some(terms) = self.terms(stage, None, bid, ask) {
                    self.deal(bid, ask, i64::MAX, terms, book);
                }
                place += 1;
            }
        }
    }

    /// Asks as bids of a zone like them: by (price with fee, distance) or (distance, price with fee), then time and id.
    fn shelf(&self, zone: usize, nearest: bool, mask: Option<u64>) -> Shelf {
        let mut asks: Vec<u32> = (0..self.asks.len() as u32)
            .filter(|&ask| {
                self.ask_left[ask as usize] > 0 && mask.is_none_or(|mask| self.kind(ask as usize) & mask != 0)
            })
            .collect();
        asks.sort_by_cached_key(|&ask| {
            let (distance, fee) = self.between(zone, self.zone_of_ask(ask as usize));
            let price = self.limit_of_ask(ask as usize) + fee;
            (if nearest { (distance, price) } else { (price, distance) }, self.turn_of_ask(ask as usize))
        });
        let alive = (0..asks.len() as u32).collect();
        Shelf { asks, alive }
    }
}
