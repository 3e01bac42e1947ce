//! Where the orders of each market are kept, and when they move.

use super::desk::Desk;
use super::ladder::{Ladder, OnLadder, Pool};
use super::layout::{Layout, Resting};
use super::smalls::Smalls;

/// How the orders of a market are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Kept {
    /// None came yet.
    #[default]
    Nowhere,
    Small(u32),
    Ladder(u32),
}

/// The bit of a handle that says that the market is a ladder.
const LADDER: u64 = 1 << 63;
/// With the place of a market: the handle of an order that is not in the layout of that market.
pub(super) const ASIDE: u64 = LADDER - (1 << 32);
/// The handle of an order that is nowhere any more.
pub(super) const GONE: u64 = LADDER - 1;

/// Where an order is that is in no layout.
#[cold]
fn aside(market: u32) -> Option<(Kept, u32, u32)> {
    (market != GONE as u32).then_some((Kept::Nowhere, market, 0))
}

impl Kept {
    /// Where an order is: how its market is kept, and its place there.
    #[inline]
    pub fn handle(self, place: u32) -> u64 {
        match self {
            Self::Nowhere => GONE,
            Self::Small(small) => u64::from(small) << 32 | u64::from(place),
            Self::Ladder(ladder) => LADDER | u64::from(ladder) << 32 | u64::from(place),
        }
    }
}

/// What a handle says.
#[inline]
pub(super) fn places(handle: u64) -> (Kept, u32) {
    let index = (handle >> 32) as u32 & !(1 << 31);
    (if handle & LADDER == 0 { Kept::Small(index) } else { Kept::Ladder(index) }, handle as u32)
}

/// The orders of all markets.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    pub smalls: Smalls,
    pub ladders: Vec<Ladder>,
    pub pool: Pool,
}

/// Does something with the orders of a market, however they are kept; `$nowhere` where there are none.
macro_rules! kept {
    ($store:expr, $kept:expr, |$layout:ident| $body:expr, $nowhere:expr) => {
        match $kept {
            $crate::book::store::Kept::Nowhere => $nowhere,
            $crate::book::store::Kept::Small(place) => {
                let $layout = &mut $store.smalls.at(place);
                $body
            }
            $crate::book::store::Kept::Ladder(place) => {
                let $layout = &mut $crate::book::ladder::OnLadder {
                    ladder: &mut $store.ladders[place as usize],
                    pool: &mut $store.pool,
                };
                $body
            }
        }
    };
}
pub(super) use kept;

impl Store {
    /// Where an order is: how its market is kept, the market, and its place there.
    #[inline(always)]
    pub fn find(&self, desk: &Desk, id: i64) -> Option<(Kept, u32, u32)> {
        let (kept, place) = places(desk.ids.get(id)?);
        match kept {
            Kept::Small(index) => {
                let Some(head) = self.smalls.head(index) else { return aside(place) };
                self.smalls.has(index, head, place, id).then_some((kept, head.market, place))
            }
            Kept::Ladder(index) => {
                let ladder = self.ladders.get(index as usize)?;
                self.pool.has(place, id).then_some((kept, ladder.market, place))
            }
            Kept::Nowhere => None,
        }
    }

    /// Puts an order of a market in, behind all others of its side and price; gives its handle.
    #[inline(always)]
    pub fn rest(
        &mut self,
        kept: &mut Kept,
        most: usize,
        market: u32,
        side: u8,
        resting: &Resting,
        desk: &mut Desk,
    ) -> u64 {
        if let Kept::Ladder(index) = *kept {
            let ladder = &mut self.ladders[index as usize];
            return kept.handle(OnLadder { ladder, pool: &mut self.pool }.insert(side, resting));
        }
        if let Kept::Small(index) = *kept {
            let mut small = self.smalls.at(index);
            if small.has_room(side, resting.price) {
                return kept.handle(small.insert(side, resting));
            }
        }
        self.move_on(kept, most, market, resting.price, desk);
        kept.handle(kept!(self, *kept, |layout| layout.insert(side, resting), 0))
    }

    /// Gives a market a place, or one with more room, for an order at a price.
    #[cold]
    fn move_on(&mut self, kept: &mut Kept, most: usize, market: u32, price: i32, desk: &mut Desk) {
        if *kept == Kept::Nowhere && most > 0 {
            let index = self.smalls.open(most);
            let mut small = self.smalls.at(index);
            small.head.market = market;
            small.reach(price);
            *kept = Kept::Small(index);
            return;
        }
        self.ladders.push(Ladder::new(market));
        let ladder = self.ladders.len() - 1;
        if let Kept::Small(index) = *kept {
            let mut to = OnLadder { ladder: &mut self.ladders[ladder], pool: &mut self.pool };
            for side in [1, 0] {
                self.smalls.at(index).walk(side, |resting| {
                    let place = to.insert(side, resting);
                    desk.ids.set(resting.id, Kept::Ladder(ladder as u32).handle(place));
                    true
                });
            }
            self.smalls.close(index);
        }
        *kept = Kept::Ladder(ladder as u32);
    }

    /// Gives the place of a market back that has no orders and will have none.
    pub fn leave(&mut self, kept: &mut Kept) {
        match std::mem::take(kept) {
            Kept::Small(index) => self.smalls.close(index),
            Kept::Ladder(place) => self.ladders[place as usize].clear(),
            Kept::Nowhere => {}
        }
    }
}
