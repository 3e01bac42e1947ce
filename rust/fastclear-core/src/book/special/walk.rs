//! An order that comes in walks the other side of a special market.
//!
//! Best price first; of one price those without a minimum by time, where the hidden part of an iceberg comes last each time
//! it is shown, then those with a minimum by time. One that cannot get its minimum from what the order that comes in has
//! left is passed over, and keeps its place.

use super::super::command::NULL;
use super::super::event::{Kind, NO_PRICE};
use super::super::layout::{Layout, Resting, crosses};
use super::super::matching::Incoming;
use super::super::rules::{Admission, SelfTrade};
use super::super::store::kept;
use super::floor::Floor;
use super::rich::{Key, keenness};
use crate::reject::RejectReason;

/// What an order meets next.
enum Met {
    /// An order of the layout in a place, with the lots that it shows.
    Shown(u32, Resting),
    /// One with a minimum, with all that it has open.
    Conditional(Key, Resting),
}

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    fn meet(&mut self, incoming: &Incoming, passed: Option<Key>) -> Option<Met> {
        let side = incoming.other_side();
        let shown = self.best(side).filter(|&(price, _)| crosses(incoming.side, incoming.limit, price));
        let conditional = self.crossing(incoming, passed);
        match (shown, conditional) {
            (Some((price, _)), Some((key, resting))) if key.0 < keenness(side, price) => {
                Some(Met::Conditional(key, resting))
            }
            (Some((price, place)), _) => {
                let resting = kept!(self.store, *self.kept, |layout| layout.resting(place), { return None });
                Some(Met::Shown(place, Resting { price, ..resting }))
            }
            (None, Some((key, resting))) => Some(Met::Conditional(key, resting)),
            (None, None) => None,
        }
    }

    /// The first order with a minimum that an order meets, or the first behind one.
    fn crossing(&self, incoming: &Incoming, behind: Option<Key>) -> Option<(Key, Resting)> {
        let (key, id) = self.special.rich.next_conditional(incoming.other_side(), behind)?;
        let rich = self.special.rich.get(id)?;
        let resting = rich.resting(id, rich.price());
        crosses(incoming.side, incoming.limit, resting.price).then_some((key, resting))
    }

    /// Whether an order with a minimum would get it from so many lots.
    fn suits(&self, resting: &Resting, lots: u32) -> bool {
        let least = self.special.rich.get(resting.id).map_or(1, |rich| rich.terms.least(rich.open));
        lots.min(resting.quantity) >= least
    }

    /// The best price at which an order would meet another at once.
    pub fn first_met(&mut self, incoming: &Incoming) -> Option<i32> {
        let mut passed = None;
        loop {
            match self.meet(incoming, passed)? {
                Met::Conditional(key, resting) if !self.suits(&resting, incoming.open) => passed = Some(key),
                Met::Conditional(_, resting) | Met::Shown(_, resting) => return Some(resting.price),
            }
        }
    }

    /// Whether so many lots of an order would trade at once: until it meets one of its own participant, which is passed
    /// over where the rules would cancel it.
    pub fn reaches(&mut self, incoming: &Incoming, wanted: u32) -> bool {
        let rules = *self.rules;
        let (side, wanted) = (incoming.other_side(), u64::from(wanted));
        let passes_own = rules.self_trade == SelfTrade::CancelResting;
        let mut rows: Vec<Resting> = Vec::new();
        let mut sum = 0_u64;
        let mut layout_rows = |resting: &Resting, hidden: u32| {
            let is_next_price = rows.last().is_some_and(|last| last.price != resting.price);
            if !crosses(incoming.side, incoming.limit, resting.price) || (is_next_price && sum >= wanted) {
                return false;
            }
            rows.push(*resting);
            if !incoming.is_own(resting, &rules) {
                sum += u64::from(resting.quantity) + u64::from(hidden);
            }
            true
        };
        let rich = &self.special.rich;
        let hidden = |resting: &Resting| rich.get(resting.id).map_or(0, |rich| rich.open - resting.quantity);
        kept!(self.store, *self.kept, |layout| layout.walk(side, |resting| layout_rows(resting, hidden(resting))), {});
        let hidden: Vec<u32> = rows.iter().map(hidden).collect();
        let (mut found, mut behind, mut at) = (0_u64, None, 0);
        loop {
            let next = self.crossing(incoming, behind);
            let row = rows.get(at).copied();
            let conditional_first = match (&next, &row) {
                (Some((key, _)), Some(row)) => key.0 < keenness(side, row.price),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => return found >= wanted,
            };
            if conditional_first {
                let Some((key, resting)) = next else { return false };
                behind = Some(key);
                let lots = u64::from(incoming.open).saturating_sub(found).min(u64::from(resting.quantity)) as u32;
                if lots == 0 || !self.suits(&resting, lots) {
                    continue;
                }
                if incoming.is_own(&resting, &rules) {
                    if passes_own {
                        continue;
                    }
                    return found >= wanted;
                }
                found += u64::from(lots);
            } else {
                // One price of the layout: what is shown up to an order of its own, or all.
                let price = row.map_or(NO_PRICE, |row| row.price);
                let mut later = 0;
                while let Some(row) = rows.get(at).filter(|row| row.price == price) {
                    if !incoming.is_own(row, &rules) {
                        found += u64::from(row.quantity);
                        later += u64::from(hidden[at]);
                        if rules.erase_after_trade {
                            return found >= wanted;
                        }
                    } else if !passes_own {
                        return found >= wanted;
                    }
                    at += 1;
                }
                found += later;
            }
            if found >= wanted || (rules.erase_after_trade && found > 0) {
                return found >= wanted;
            }
        }
    }

    /// Trades until nothing crosses any more, or nothing is left of it. Says whether the book is to be erased.
    pub fn trade(&mut self, incoming: &mut Incoming) -> bool {
        let mut passed = None;
        while incoming.open > 0 {
            let Some(met) = self.meet(incoming, passed) else { break };
            let (place, resting) = match met {
                Met::Shown(place, resting) => (Some(place), resting),
                Met::Conditional(key, resting) => {
                    if !self.suits(&resting, incoming.open) {
                        passed = Some(key);
                        continue;
                    }
                    (None, resting)
                }
            };
            if incoming.is_own(&resting, self.rules) {
                self.meet_own(incoming, &resting);
                continue;
            }
            let lots = incoming.open.min(resting.quantity);
            incoming.open -= lots;
            self.special.traded(resting.price);
            let (id, price, side) = (incoming.id, resting.price, incoming.side);
            self.out.emit(Kind::Trade, id, resting.id, price, lots, incoming.open, 0, side);
            self.fill(place, &resting, lots, incoming);
            if incoming.open == 0 {
                self.out.emit(Kind::Filled, id, resting.id, price, lots, 0, 0, side);
            }
            if self.rules.erase_after_trade {
                return true;
            }
        }
        false
    }

    /// Takes lots that traded out of the order that rested, and shows what it hides where all that it showed is gone.
    fn fill(&mut self, place: Option<u32>, resting: &Resting, lots: u32, incoming: &Incoming) {
        let (id, price, side) = (resting.id, resting.price, incoming.other_side());
        let rich = self.special.rich.get_mut(id).map(|rich| {
            rich.open -= lots;
            *rich
        });
        let left = rich.map_or(resting.quantity - lots, |rich| rich.open);
        if lots < resting.quantity {
            if let Some(place) = place {
                self.hide(place, lots);
            }
            return;
        }
        if let Some(place) = place {
            self.remove(place);
        }
        if left == 0 {
            self.special.rich.remove(id);
            self.forget(id, resting.expiry);
            self.out.emit(Kind::Filled, id, incoming.id, price, lots, 0, 0, side);
        } else {
            let shown = rich.map_or(left, |rich| rich.terms.display.min(left));
            let handle = self.insert(side, &Resting { quantity: shown, ..*resting });
            self.out.desk.ids.set(id, handle);
            self.out.emit(Kind::Replaced, id, NULL, price, shown, left, 0, side);
        }
    }

    /// Takes lots out of what must not trade with itself, shown or not.
    fn meet_own(&mut self, incoming: &mut Incoming, resting: &Resting) {
        let Some(order) = self.seen(resting.id) else { return };
        let code = RejectReason::SelfTrade.code();
        let (theirs, ours) = incoming.own_lots(order.open, self.rules);
        if theirs > 0 {
            self.reduce(&order, theirs, Kind::Cancelled, code, incoming.id);
        }
        if ours > 0 {
            incoming.open -= ours;
            let (id, side, left) = (incoming.id, incoming.side, incoming.open);
            self.out.emit(Kind::Cancelled, id, resting.id, resting.price, ours, left, code, side);
        }
    }
}
