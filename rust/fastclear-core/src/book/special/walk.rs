//! An order that comes in walks the other side of a special market.
//!
//! Best price first; of one price those without a minimum by time, where the hidden part of an iceberg comes last each time
//! it is shown, then those with a minimum by time. One that cannot get its minimum from what the order that comes in has
//! left is passed over, and keeps its place.

use super::super::command::NULL;
use super::super::event::Kind;
use super::super::layout::{Layout, Resting, crosses};
use super::super::matching::Incoming;
use super::super::rules::Admission;
use super::super::store::kept;
use super::floor::Floor;
use super::rich::{Key, keenness};
use crate::reject::RejectReason;

/// What came of an order that met the other side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Met {
    /// The market is to be erased.
    pub erases: bool,
    /// The breaker fires.
    pub fires: bool,
}

/// What an order meets next.
enum Next {
    /// An order of the layout in a place, with the lots that it shows.
    Shown(u32, Resting),
    /// One with a minimum, with all that it has open.
    Conditional(Key, Resting),
}

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    fn meet(&mut self, incoming: &Incoming, passed: Option<Key>) -> Option<Next> {
        let side = incoming.other_side();
        let shown = self.best(side).filter(|&(price, _)| crosses(incoming.side, incoming.limit, price));
        let conditional = self.crossing(incoming, passed);
        match (shown, conditional) {
            (Some((price, _)), Some((key, resting))) if key.0 < keenness(side, price) => {
                Some(Next::Conditional(key, resting))
            }
            (Some((price, place)), _) => {
                let resting = kept!(self.store, self.kept_of(side), |layout| layout.resting(place), return None);
                Some(Next::Shown(place, Resting { price, ..resting }))
            }
            (None, Some((key, resting))) => Some(Next::Conditional(key, resting)),
            (None, None) => None,
        }
    }

    /// The first order with a minimum that an order meets, or the first behind one.
    pub(super) fn crossing(&self, incoming: &Incoming, behind: Option<Key>) -> Option<(Key, Resting)> {
        let (key, id) = self.special.rich.next_conditional(incoming.other_side(), behind)?;
        let rich = self.special.rich.get(id)?;
        let resting = rich.resting(id, rich.price());
        crosses(incoming.side, incoming.limit, resting.price).then_some((key, resting))
    }

    /// Whether an order with a minimum would get it from so many lots.
    pub(super) fn suits(&self, resting: &Resting, lots: u32) -> bool {
        let least = self.special.rich.get(resting.id).map_or(1, |rich| rich.terms.least(rich.open));
        lots.min(resting.quantity) >= least
    }

    /// The best price at which an order would meet another at once.
    pub fn first_met(&mut self, incoming: &Incoming) -> Option<i32> {
        let mut passed = None;
        loop {
            match self.meet(incoming, passed)? {
                Next::Conditional(key, resting) if !self.suits(&resting, incoming.open) => passed = Some(key),
                Next::Conditional(_, resting) | Next::Shown(_, resting) => return Some(resting.price),
            }
        }
    }

    /// Trades until nothing crosses any more, nothing is left of it, or it meets an order that is too far from the
    /// breaker's reference. Where `is_pegged` it passes such an order over: a price that follows others fires no breaker.
    /// That order has a minimum, for a pegged one stands at no price that is too far; but its own first trade may make one
    /// of the layout so, and then all that follows is.
    pub fn trade(&mut self, incoming: &mut Incoming, is_pegged: bool) -> Met {
        let mut passed = None;
        while incoming.open > 0 {
            let Some(met) = self.meet(incoming, passed) else { break };
            let (place, resting) = match met {
                Next::Shown(place, resting) => (Some(place), resting),
                Next::Conditional(key, resting) => {
                    let is_too_far = is_pegged && !self.special.allows(resting.price);
                    if is_too_far || !self.suits(&resting, incoming.open) {
                        passed = Some(key);
                        continue;
                    }
                    (None, resting)
                }
            };
            if !self.special.allows(resting.price) {
                return Met { erases: false, fires: !is_pegged };
            }
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
                return Met { erases: true, fires: false };
            }
        }
        Met::default()
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
                self.hide(side, place, lots);
            }
            return;
        }
        if let Some(place) = place {
            self.remove(side, place);
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
