//! Orders with a minimum that rest: tried again when there is more to trade with.

use super::super::layout::crosses;
use super::super::matching::Incoming;
use super::super::rules::Admission;
use super::floor::Floor;

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
                if self.reaches(&incoming, rich.terms.least(rich.open)) {
                    let erases = self.trade(&mut incoming);
                    self.settle(id, incoming.open);
                    if erases {
                        self.erase();
                    }
                    return true;
                }
            }
        }
        self.special.entered = [None; 2];
        false
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
