//! The rows of a range of small markets, obeyed apart from all others.

use super::command::{NULL, Tif};
use super::desk::{Leaving, Out};
use super::engine::{Market, SPECIAL};
use super::event::{Event, Events, Kind};
use super::expiry::NEVER;
use super::layout::{Layout, Resting};
use super::matching::{Incoming, cancel};
use super::piece::{ANYWHERE, Item, Late, RESTED};
use super::rules::{Everybody, Rules};
use super::small::Small;
use crate::order::BUY;
use crate::reject::RejectReason;

/// A place of an order that does not rest.
pub(super) const NO_PLACE: u32 = u32::MAX;
/// How many rows ahead memory is asked for: first what a market begins with, then what is known by that.
const FAR: usize = 16;
const NEAR: usize = 8;

/// A range of small markets.
pub(super) struct Shard<'a> {
    smalls: &'a mut [Small],
    /// Place of the first among all.
    first: u32,
    markets: &'a [Market],
    /// Whether any market is special.
    any_special: bool,
    rules: Rules,
    /// Which of its markets are left to the book from now on.
    left: Vec<bool>,
}

/// What a shard did.
#[derive(Debug, Default)]
pub(super) struct Obeyed {
    pub events: Events,
    /// Where the events of each group end.
    ends: Vec<usize>,
    /// Places of the orders that came to rest, by row of each group.
    rested: Vec<u32>,
    rested_ends: Vec<usize>,
    /// Orders that rested and are gone, with the handles of their expiries.
    pub gone: Vec<(i64, u32)>,
    /// Rows that are left to the book.
    pub late: Vec<Late>,
    everybody: Everybody,
}

impl Obeyed {
    /// The events of each group.
    pub fn streams(&self) -> impl Iterator<Item = &[Event]> {
        cut(&self.events.rows, &self.ends)
    }

    /// Of each group where the orders of its rows rest.
    pub fn rested(&self) -> impl Iterator<Item = &[u32]> {
        cut(&self.rested, &self.rested_ends)
    }
}

impl Obeyed {
    #[inline(always)]
    fn out<const ALL: bool>(&mut self, item: &Item, market: u32) -> Out<'_, Everybody, ALL, Vec<(i64, u32)>> {
        let Self { gone, events, everybody, .. } = self;
        Out { desk: gone, events, admission: everybody, command: item.row, market }
    }
}

/// What ends at each of these, from where the one before ends.
fn cut<'a, T>(all: &'a [T], ends: &'a [usize]) -> impl Iterator<Item = &'a [T]> {
    let mut from = 0;
    ends.iter().map(move |&end| &all[std::mem::replace(&mut from, end)..end])
}

impl Leaving for Vec<(i64, u32)> {
    #[inline(always)]
    fn gone(&mut self, id: i64, expiry: u32) {
        self.push((id, expiry));
    }
}

impl<'a> Shard<'a> {
    pub fn new(smalls: &'a mut [Small], first: u32, markets: &'a [Market], any_special: bool, rules: &Rules) -> Self {
        let left = vec![false; smalls.len()];
        Self { smalls, first, markets, any_special, rules: *rules, left }
    }

    /// Obeys the rows of its groups, one group after the other.
    pub fn obey<const ALL: bool>(mut self, groups: &[Vec<Item>]) -> Obeyed {
        let mut done = Obeyed::default();
        let rows: usize = groups.iter().map(Vec::len).sum();
        done.events.rows.reserve(if ALL { rows * 2 } else { rows / 2 });
        done.rested.reserve(rows);
        done.gone.reserve(rows / 2);
        for items in groups {
            let from = done.rested.len();
            done.rested.resize(from + items.len(), NO_PLACE);
            for nth in 0..items.len() {
                self.look_ahead(items, nth);
                let item = &items[nth];
                let is_done = if item.is_cancel() {
                    self.cancel::<ALL>(item, from, &mut done)
                } else {
                    self.enter::<ALL>(item, from + nth, &mut done)
                };
                if !is_done {
                    done.late.push(Late { row: item.row, next_order: item.id });
                }
            }
            done.ends.push(done.events.rows.len());
            done.rested_ends.push(done.rested.len());
        }
        done
    }

    #[inline(always)]
    fn look_ahead(&self, items: &[Item], nth: usize) {
        if let Some(item) = items.get(nth + FAR) {
            let small = (item.small - self.first) as usize;
            crate::simd::prefetch_place(self.smalls, small);
            if item.is_cancel() && item.rested() == RESTED {
                self.smalls[small].prefetch_place(item.place());
            }
        }
        if let Some(item) = items.get(nth + NEAR)
            && !item.is_cancel()
        {
            let small = (item.small - self.first) as usize;
            self.smalls[small].prefetch_side(item.class & BUY, item.class > BUY);
        }
    }

    /// A cancel by id, in a group whose rows begin with one; says whether this is a matter for a shard.
    #[inline(always)]
    fn cancel<const ALL: bool>(&mut self, item: &Item, from: usize, done: &mut Obeyed) -> bool {
        let index = (item.small - self.first) as usize;
        let small = &mut self.smalls[index];
        let place = if item.rested() == RESTED { item.place() } else { done.rested[from + item.rested() as usize] };
        let is_there = place != NO_PLACE && small.has(place, item.id);
        let is_elsewhere = item.of_market() != ANYWHERE && item.of_market() != small.market;
        if self.left[index] || !is_there || is_elsewhere {
            return false;
        }
        if self.any_special && self.markets[small.market as usize].is(SPECIAL) {
            self.left[index] = true;
            return false;
        }
        let mut out: Out<'_, _, ALL, _> = done.out(item, small.market);
        let resting = small.resting(place);
        cancel(small, place, &resting, resting.quantity, 0, NULL, &mut out);
        true
    }

    /// A sound new order, which is a row of all groups; says whether this is a matter for a shard.
    #[inline(always)]
    fn enter<const ALL: bool>(&mut self, item: &Item, nth: usize, done: &mut Obeyed) -> bool {
        let index = (item.small - self.first) as usize;
        let small = &mut self.smalls[index];
        let Item { id, price, quantity, owner, class, .. } = *item;
        let (side, tif) = (class & BUY, class >> 1);
        let rests = tif == Tif::Gtc as u8;
        // A market that may need more room than it has is none of a shard's.
        if self.left[index] || (rests && !small.has_room(side, price)) {
            self.left[index] = true;
            return false;
        }
        let mut out: Out<'_, _, ALL, _> = done.out(item, small.market);
        out.emit(Kind::Accepted, id, NULL, price, quantity, quantity, 0, side);
        let mut incoming = Incoming { id, side, limit: price, open: quantity, owner };
        if incoming.meets(small) && (tif != Tif::Fok as u8 || incoming.can_fill(small, &self.rules)) {
            incoming.trade(small, &self.rules, &mut out);
        }
        if incoming.open == 0 {
            return true;
        }
        if rests {
            let resting = Resting { id, price, quantity: incoming.open, owner, expiry: NEVER };
            let place = small.insert(side, &resting);
            done.rested[nth] = place;
        } else {
            incoming.give_up(price, RejectReason::NotFilled, &mut out);
        }
        true
    }
}
