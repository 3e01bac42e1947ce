//! Orders whose price follows that of the others.
//!
//! What is followed are orders that follow none themselves, have no minimum, and are in the book. So where a pegged order
//! goes moves no other one. In a call nothing is followed, and pegged orders wait outside.

use super::super::command::{NULL, Peg};
use super::super::event::Kind;
use super::super::layout::{Layout, Resting};
use super::super::rules::Admission;
use super::super::store::kept;
use super::collar::{Breaker, Collar};
use super::floor::Floor;
use super::rich::{Rich, Stands};
use crate::order::BUY;
use crate::units;

/// Best prices of asks and of bids that follow none; there are none to follow in a call.
type References = [Option<i32>; 2];

/// All that says where pegged orders belong: as long as it stays, they stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Followed {
    references: References,
    collar: Collar,
    breaker: Option<Breaker>,
}

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    fn references(&mut self) -> References {
        if self.is_in_call() {
            return [None; 2];
        }
        let rich = &self.special.rich;
        [0, 1].map(|side| {
            let mut best = None;
            let mut look = |resting: &Resting| {
                if rich.get(resting.id).is_none_or(|rich| rich.terms.peg.is_none()) {
                    best = Some(resting.price);
                }
                best.is_none()
            };
            kept!(self.store, *self.kept, |layout| layout.walk(side, &mut look), {});
            best
        })
    }

    fn followed(&mut self) -> Followed {
        let references = self.references();
        Followed { references, collar: self.special.collar, breaker: self.special.breaker }
    }

    /// The price at which a pegged order belongs now, if there is one.
    pub fn belongs(&mut self, rich: &Rich) -> Option<i32> {
        let references = self.references();
        self.target(rich, references)
    }

    /// The price that an order follows where it may be: none is outside of the collar, or where the breaker would fire.
    fn target(&self, rich: &Rich, references: References) -> Option<i32> {
        let is_held = |&price: &i32| self.special.collar.holds(price) && self.special.allows(price);
        target(rich, references).filter(is_held)
    }

    /// Puts a pegged order that is nowhere in the market where it belongs now.
    pub fn put_peg(&mut self, id: i64, mut rich: Rich) {
        let followed = self.followed();
        if self.special.followed != Some(followed) {
            self.special.followed = None; // this one stands by what is now
        }
        if let Some(price) = self.target(&rich, followed.references) {
            self.out.emit(Kind::Replaced, id, NULL, price, rich.open, rich.open, 0, rich.side);
            self.come_in(id, rich, Some(price), NULL);
        } else {
            rich.stands = Stands::Unpriced;
            self.stands_at(id, self.aside(), self.knows(id));
            self.out.emit(Kind::Replaced, id, NULL, rich.price(), 0, rich.open, 0, rich.side);
            self.special.rich.insert(id, rich);
        }
    }

    /// Puts every pegged order at another price that is to be there, in the order in which they were taken. All of them
    /// leave first, so that none trades at a price that it no longer has. Says whether one moved.
    pub fn follow(&mut self) -> bool {
        if !self.special.rich.has_pegs() {
            return false;
        }
        let followed = self.followed();
        if self.special.followed == Some(followed) {
            return false;
        }
        let references = followed.references;
        let ids: Vec<i64> = self.special.rich.pegged().collect();
        let mut moved = Vec::new();
        for id in ids {
            let Some((rich, order)) = self.special.rich.get(id).copied().zip(self.seen(id)) else { continue };
            if self.target(&rich, references) != order.place.map(|_| order.price) {
                if let Some(place) = order.place {
                    self.remove(order.side, place);
                    let aside = self.aside();
                    self.out.desk.ids.set(id, aside);
                }
                moved.push(id);
            }
        }
        for &id in &moved {
            if let Some(rich) = self.special.rich.get_mut(id) {
                rich.stands = Stands::Unpriced;
            }
        }
        for &id in &moved {
            // It may be gone: the market may have been erased by one before it.
            if let Some(rich) = self.special.rich.remove(id) {
                self.put_peg(id, rich);
            }
        }
        self.special.followed = moved.is_empty().then_some(followed);
        !moved.is_empty()
    }
}

/// The price that a pegged order follows, if there is one.
fn target(rich: &Rich, [ask, bid]: References) -> Option<i32> {
    let (peg, offset) = rich.terms.peg?;
    let buys = rich.side == BUY;
    let reference = match peg {
        Peg::Best => i64::from(if buys { bid? } else { ask? }),
        Peg::Mid => {
            let sum = i64::from(bid?) + i64::from(ask?);
            if buys { sum.div_euclid(2) } else { -(-sum).div_euclid(2) }
        }
    };
    let limit = i64::from(rich.terms.worst(rich.side));
    let price =
        if buys { (reference - i64::from(offset)).min(limit) } else { (reference + i64::from(offset)).max(limit) };
    units::price_in_range(price).then_some(price as i32)
}
