//! One special market with all that a command on it may touch.

use super::super::command::NULL;
use super::super::desk::Out;
use super::super::engine::OrderBook;
use super::super::event::Kind;
use super::super::layout::{Layout, Resting};
use super::super::obey::Turn;
use super::super::rules::{Admission, Rules};
use super::super::store::{ASIDE, GONE, Kept, Store, kept};
use super::rich::{Rich, Stands};
use super::{Special, Timetable};

/// A special market while it is at work.
pub(in crate::book) struct Floor<'a, A, const ALL: bool> {
    /// The market's id, and what sends its commands here.
    pub id: i64,
    pub attention: &'a mut u8,
    pub special: &'a mut Special,
    /// How its orders are kept, of a call the bids.
    pub kept: &'a mut Kept,
    pub store: &'a mut Store,
    pub rules: &'a Rules,
    pub timetable: &'a mut Timetable,
    pub clock: i64,
    pub out: Out<'a, A, ALL>,
}

/// An order, wherever it stands.
#[derive(Clone, Copy, Debug)]
pub(in crate::book) struct Seen {
    pub id: i64,
    pub side: u8,
    /// What events say of its price.
    pub price: i32,
    /// All that it has open, and how much of it is shown.
    pub open: u32,
    pub shown: u32,
    pub owner: u32,
    pub expiry: u32,
    pub stands: Stands,
    /// Its place in the layout.
    pub place: Option<u32>,
}

impl Seen {
    /// An order that is not in the layout.
    fn aside(id: i64, rich: &Rich) -> Self {
        let Rich { side, open, owner, expiry, stands, .. } = *rich;
        Self { id, side, price: rich.price(), open, shown: 0, owner, expiry, stands, place: None }
    }
}

impl OrderBook {
    /// A market that is special from now on, if it was not.
    pub(in crate::book) fn floor<'a, A: Admission, const ALL: bool>(
        &'a mut self,
        market: u32,
        turn: &'a mut Turn<'_, A, ALL>,
    ) -> Floor<'a, A, ALL> {
        self.special(market);
        let state = &mut self.markets[market as usize];
        Floor {
            id: state.id,
            attention: &mut state.attention,
            special: state.special.get_or_insert_default(),
            kept: &mut state.kept,
            store: &mut self.store,
            rules: &self.rules,
            timetable: &mut self.timetable,
            clock: self.clock,
            out: turn.out(&mut self.desk, market),
        }
    }
}

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    /// Price and place of the first order of a side of the layout.
    pub fn best(&mut self, side: u8) -> Option<(i32, u32)> {
        kept!(self.store, self.kept_of(side), |layout| layout.best(side), None)
    }

    /// Takes lots out of an order of the layout that shows more.
    pub fn hide(&mut self, side: u8, place: u32, lots: u32) {
        kept!(self.store, self.kept_of(side), |layout| layout.take(place, lots), {});
    }

    /// Takes an order out of the layout.
    pub fn remove(&mut self, side: u8, place: u32) {
        kept!(self.store, self.kept_of(side), |layout| layout.remove(place), {});
    }

    /// Whether an order is known by its id.
    pub fn knows(&self, id: i64) -> bool {
        self.store.find(self.out.desk, id).is_some()
    }

    /// Says where an order is, which may be new; whether it is `known` was asked before it came there.
    pub fn stands_at(&mut self, id: i64, handle: u64, known: bool) {
        if known {
            self.out.desk.ids.set(id, handle);
        } else {
            self.out.desk.ids.insert(id, handle);
        }
    }

    /// The handle of an order of this market that is not in its layout.
    pub fn aside(&self) -> u64 {
        ASIDE | u64::from(self.out.market)
    }

    /// Forgets an order that is out of layout and lists.
    pub fn forget(&mut self, id: i64, expiry: u32) {
        self.out.desk.ids.set(id, GONE);
        self.out.desk.ids.remove(id);
        self.out.desk.expiries.remove(expiry);
    }

    /// An order of this market.
    pub fn seen(&mut self, id: i64) -> Option<Seen> {
        let (kept, _, place) = self.store.find(self.out.desk, id)?;
        let rich = self.special.rich.get(id).copied();
        if kept == Kept::Nowhere {
            return rich.map(|rich| Seen::aside(id, &rich));
        }
        kept!(
            self.store,
            kept,
            |layout| {
                let Resting { price, quantity, owner, expiry, .. } = layout.resting(place);
                let (side, open) = (layout.side(place), rich.map_or(quantity, |rich| rich.open));
                let (stands, place) = (Stands::Shown, Some(place));
                Some(Seen { id, side, price, open, shown: quantity, owner, expiry, stands, place })
            },
            None
        )
    }

    /// Every order of a side: those of the book first to last, then those outside by time.
    pub fn all(&mut self, side: u8) -> Vec<Seen> {
        listed(self.store, self.kept_of(side), Some(self.special), side)
    }

    /// Takes lots out of an order, hidden ones first, and the order out if none remain.
    pub fn reduce(&mut self, order: &Seen, lots: u32, kind: Kind, code: u16, counter: i64) {
        let left = order.open - lots;
        if left == 0 {
            self.special.rich.remove(order.id);
            if let Some(place) = order.place {
                self.remove(order.side, place);
            }
            self.forget(order.id, order.expiry);
        } else {
            self.leave(order, left);
        }
        self.out.emit(kind, order.id, counter, order.price, lots, left, code, order.side);
    }

    /// Leaves an order so many lots of more, and its place; says how many are shown.
    pub fn leave(&mut self, order: &Seen, left: u32) -> u32 {
        if let Some(rich) = self.special.rich.get_mut(order.id) {
            rich.open = left;
        }
        if let Some(place) = order.place
            && order.shown > left
        {
            self.hide(order.side, place, order.shown - left);
        }
        order.shown.min(left)
    }

    /// Takes every order out that `takes` says, bids first.
    pub fn clear(&mut self, kind: Kind, code: u16, takes: impl Fn(&Seen) -> bool) {
        for side in [1, 0] {
            for order in self.all(side) {
                if takes(&order)
                    && let Some(order) = self.seen(order.id)
                {
                    self.reduce(&order, order.open, kind, code, NULL);
                }
            }
        }
    }
}

/// Every order of a side of a market: those of the book first to last, then those outside by time.
pub(in crate::book) fn listed(store: &mut Store, kept: Kept, special: Option<&Special>, side: u8) -> Vec<Seen> {
    let mut rows = Vec::new();
    kept!(
        store,
        kept,
        |layout| layout.walk(side, |resting| {
            let Resting { id, price, quantity, owner, expiry } = *resting;
            let stands = Stands::Shown;
            rows.push(Seen { id, side, price, open: quantity, shown: quantity, owner, expiry, stands, place: None });
            true
        }),
        {}
    );
    let Some(special) = special else { return rows };
    for row in &mut rows {
        if let Some(rich) = special.rich.get(row.id) {
            row.open = rich.open;
        }
    }
    let mut behind = None;
    while let Some((key, id)) = special.rich.next_conditional(side, behind) {
        rows.extend(special.rich.get(id).map(|rich| Seen::aside(id, rich)));
        behind = Some(key);
    }
    // Stable: at one price those that have a minimum come last, in their own order.
    rows.sort_by_key(|row| super::rich::keenness(side, row.price));
    let outside = special.rich.outside(side);
    rows.extend(outside.iter().map(|(id, rich)| Seen::aside(*id, rich)));
    rows
}
