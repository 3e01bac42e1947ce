//! Orders that are more than plain, and where each stands.

use std::collections::BTreeMap;

use crate::order::BUY;

use super::super::event::NO_PRICE;
use super::super::layout::Resting;
use super::terms::Terms;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::book) enum Stands {
    /// In the layout, where its place has the lots that are shown.
    Shown,
    /// Beside the layout, behind all of its price that have no minimum.
    Conditional,
    /// Outside, until the market's last price is at its stop.
    Waiting,
    /// Outside, until there is a price to follow.
    Unpriced,
}

/// An order that is more than plain.
#[derive(Clone, Copy, Debug)]
pub(in crate::book) struct Rich {
    pub terms: Terms,
    pub stands: Stands,
    /// When it came to where it stands; of a pegged order, when it was taken.
    pub turn: u64,
    pub side: u8,
    /// Code of its participant.
    pub owner: u32,
    /// Handle of its expiry.
    pub expiry: u32,
    /// All that it has open, shown or not.
    pub open: u32,
}

impl Rich {
    /// What events say of its price where it is not in the layout.
    pub fn price(&self) -> i32 {
        self.terms.limit.unwrap_or(NO_PRICE)
    }

    /// As an order that rests with all that it has.
    pub fn resting(&self, id: i64, price: i32) -> Resting {
        Resting { id, price, quantity: self.open, owner: self.owner, expiry: self.expiry }
    }
}

/// Best price first, then by time.
pub(in crate::book) type Key = (i64, u64);

/// What grows as a price gets worse for the other side.
pub(in crate::book) fn keenness(side: u8, price: i32) -> i64 {
    if side == BUY { -i64::from(price) } else { i64::from(price) }
}

/// The orders of one market that are more than plain.
#[derive(Clone, Debug, Default)]
pub(in crate::book) struct RichOrders {
    by_id: BTreeMap<i64, Rich>,
    /// Those with a minimum, by side.
    conditional: [BTreeMap<Key, i64>; 2],
    /// Those that wait, by side, by stop and turn.
    waiting: [BTreeMap<(i32, u64), i64>; 2],
    /// Pegged ones, wherever they stand, in the order in which they were taken.
    pegged: BTreeMap<u64, i64>,
}

impl RichOrders {
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn get(&self, id: i64) -> Option<&Rich> {
        self.by_id.get(&id)
    }

    pub fn get_mut(&mut self, id: i64) -> Option<&mut Rich> {
        self.by_id.get_mut(&id)
    }

    pub fn insert(&mut self, id: i64, rich: Rich) {
        let side = usize::from(rich.side);
        match (rich.stands, rich.terms.stop) {
            (Stands::Conditional, _) => {
                self.conditional[side].insert(Self::key(&rich), id);
            }
            (Stands::Waiting, Some(stop)) => {
                self.waiting[side].insert((stop, rich.turn), id);
            }
            _ => {}
        }
        if rich.terms.peg.is_some() {
            self.pegged.insert(rich.turn, id);
        }
        self.by_id.insert(id, rich);
    }

    pub fn remove(&mut self, id: i64) -> Option<Rich> {
        let rich = self.by_id.remove(&id)?;
        let side = usize::from(rich.side);
        match (rich.stands, rich.terms.stop) {
            (Stands::Conditional, _) => {
                self.conditional[side].remove(&Self::key(&rich));
            }
            (Stands::Waiting, Some(stop)) => {
                self.waiting[side].remove(&(stop, rich.turn));
            }
            _ => {}
        }
        if rich.terms.peg.is_some() {
            self.pegged.remove(&rich.turn);
        }
        Some(rich)
    }

    fn key(rich: &Rich) -> Key {
        (keenness(rich.side, rich.terms.worst(rich.side)), rich.turn)
    }

    /// The first order of a side that has a minimum, or the first behind one.
    pub fn next_conditional(&self, side: u8, behind: Option<Key>) -> Option<(Key, i64)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = behind.map_or(Unbounded, Excluded);
        self.conditional[usize::from(side)].range((from, Unbounded)).next().map(|(&key, &id)| (key, id))
    }

    /// Those of a side that stand outside, by turn.
    pub fn outside(&self, side: u8) -> Vec<(i64, Rich)> {
        let is_outside = |rich: &Rich| matches!(rich.stands, Stands::Waiting | Stands::Unpriced) && rich.side == side;
        let mut rows: Vec<_> =
            self.by_id.iter().filter(|(_, r)| is_outside(r)).map(|(&id, &rich)| (id, rich)).collect();
        rows.sort_unstable_by_key(|&(_, rich)| rich.turn);
        rows
    }

    /// Those that wait for a last price from `low` to `high`, by turn.
    pub fn due(&self, low: i32, high: i32) -> Vec<i64> {
        let sells = self.waiting[0].range((low, 0)..);
        let buys = self.waiting[1].range(..=(high, u64::MAX));
        let mut due: Vec<_> = sells.chain(buys).map(|(&(_, turn), &id)| (turn, id)).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// All of them, by turn.
    pub fn by_turn(&self) -> Vec<(i64, &Rich)> {
        let mut rows: Vec<_> = self.by_id.iter().map(|(&id, rich)| (id, rich)).collect();
        rows.sort_unstable_by_key(|&(_, rich)| rich.turn);
        rows
    }

    /// Pegged orders in the order in which they were taken.
    pub fn pegged(&self) -> impl Iterator<Item = i64> + '_ {
        self.pegged.values().copied()
    }
}
