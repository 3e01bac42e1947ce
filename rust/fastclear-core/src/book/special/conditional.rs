//! Orders with a minimum that rest: tried again when there is more to trade with.

use super::super::layout::crosses;
use super::super::matching::Incoming;
use super::super::rules::Admission;
use super::floor::Floor;
use super::walk::Met;

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    /// Lets the first order that can have its minimum now trade as if it came in: bids, then asks, best price first, then
    /// by time. Only those are tried that cross what came to rest since nothing could be done any more. Says whether one
    /// traded.
    pub fn retry(&mut self) -> bool {
        for side in [1, 0] {
            let Some(keenest) = self.special.entered[usize::from(1 - side)] else { continue };
            let mut behind = None;
            while let Some((key, id)) = self.special.rich.next_conditional(side, behind) {
                behind = Some(key);
                let Some(rich) = self.special.rich.get(id).copied() else { break };
                let limit = rich.terms.worst(side);
                if !crosses(side, limit, keenest) {
                    break;
                }
                let mut incoming = Incoming { id, side, limit, open: rich.open, owner: rich.owner };
                if self.reaches(&incoming, rich.terms.least(rich.open), self.special.breaker) {
                    let Met { erases, fires } = self.trade(&mut incoming, false);
                    self.settle(id, incoming.open);
                    if erases {
                        self.erase();
                    }
                    if fires {
                        self.pause();
                    }
                    return true;
                }
            }
        }
        self.special.entered = [None; 2];
        false
    }

    /// Sees that all orders with a minimum are tried again.
    pub fn all_entered(&mut self) {
        for side in [1, 0] {
            let first = self.special.rich.next_conditional(side, None).and_then(|(_, id)| self.special.rich.get(id));
            let beside = first.map(|rich| rich.terms.worst(side));
            for price in self.best(side).map(|(price, _)| price).into_iter().chain(beside) {
                self.special.entered(side, price);
            }
        }
    }

    /// Leaves an order what a trade has left of it, and its place.
    fn settle(&mut self, id: i64, open: u32) {
        if open > 0 {
            if let Some(rich) = self.special.rich.get_mut(id) {
                rich.open = open;
            }
        } else if let Some(rich) = self.special.rich.remove(id) {
            self.forget(id, rich.expiry);
        }
    }
}
