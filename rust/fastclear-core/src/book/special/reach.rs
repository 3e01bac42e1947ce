//! Whether an order that comes in would get the lots that it must have: tried without trading.

use super::super::event::NO_PRICE;
use super::super::layout::{Layout, Resting, crosses};
use super::super::matching::Incoming;
use super::super::rules::{Admission, SelfTrade};
use super::super::store::kept;
use super::collar::Breaker;
use super::floor::Floor;
use super::rich::keenness;

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    /// Whether so many lots of an order would trade at once: until it meets one of its own participant, which is passed
    /// over where the rules would cancel it, or one at which a breaker would fire. Where the breaker has no reference yet
    /// the first trade is it.
    pub fn reaches(&mut self, incoming: &Incoming, wanted: u32, mut breaker: Option<Breaker>) -> bool {
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
        kept!(
            self.store,
            self.kept_of(side),
            |layout| layout.walk(side, |resting| layout_rows(resting, hidden(resting))),
            {}
        );
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
                if breaker.is_some_and(|breaker| !breaker.allows(resting.price)) {
                    return false;
                }
                if incoming.is_own(&resting, &rules) {
                    if passes_own {
                        continue;
                    }
                    return found >= wanted;
                }
                found += u64::from(lots);
                counts_from(&mut breaker, resting.price);
            } else {
                // One price of the layout: what is shown up to an order of its own, or all.
                let price = row.map_or(NO_PRICE, |row| row.price);
                let mut later = 0;
                if breaker.is_some_and(|breaker| !breaker.allows(price)) {
                    return false;
                }
                while let Some(row) = rows.get(at).filter(|row| row.price == price) {
                    if !incoming.is_own(row, &rules) {
                        found += u64::from(row.quantity);
                        later += u64::from(hidden[at]);
                        counts_from(&mut breaker, price);
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
}

/// Takes note of the first trade, if a breaker has nothing else to count from.
fn counts_from(breaker: &mut Option<Breaker>, price: i32) {
    if let Some(breaker) = breaker {
        breaker.reference.get_or_insert(price);
    }
}
