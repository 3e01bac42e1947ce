//! Orders that are more than plain, and where each stands.

use std::collections::BTreeMap;

use crate::order::BUY;

use super::super::event::NO_PRICE;
use super::super::layout::Resting;
use super::terms::{Terms, WHOLE};

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
    /// Those that wait and were set off, by turn: they come in when the command is done, or the market is in a call no more.
    due: BTreeMap<u64, i64>,
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
                self.due.remove(&rich.turn);
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

    /// A trade at a price sets off what waits for it.
    pub fn set_off(&mut self, price: i32) {
        let [sells, buys] = &mut self.waiting;
        while let Some(entry) = sells.last_entry().filter(|entry| entry.key().0 >= price) {
            self.due.insert(entry.key().1, entry.remove());
        }
        while let Some(entry) = buys.first_entry().filter(|entry| entry.key().0 <= price) {
            self.due.insert(entry.key().1, entry.remove());
        }
    }

    /// Those that were set off, by turn.
    pub fn due(&self) -> Vec<i64> {
        self.due.values().copied().collect()
    }

    /// Whether any is pegged.
    pub fn has_pegs(&self) -> bool {
        !self.pegged.is_empty()
    }

    /// Icebergs of a side that are in the layout.
    pub fn icebergs(&self, side: u8) -> impl Iterator<Item = (i64, &Rich)> + '_ {
        let is_one =
            move |rich: &Rich| rich.side == side && rich.stands == Stands::Shown && rich.terms.display != WHOLE;
        self.by_id.iter().filter(move |(_, rich)| is_one(rich)).map(|(&id, rich)| (id, rich))
    }

    /// The first by id of a side whose limit is one of these.
    pub fn with_limit(&self, side: u8, is_one: impl Fn(i32) -> bool) -> Option<i64> {
        let has = |rich: &Rich| rich.side == side && rich.terms.limit.is_some_and(&is_one);
        self.by_id.iter().find(|(_, rich)| has(rich)).map(|(&id, _)| id)
    }

    /// Pegged orders in the order in which they were taken.
    pub fn pegged(&self) -> impl Iterator<Item = i64> + '_ {
        self.pegged.values().copied()
    }
}
