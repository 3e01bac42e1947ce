//! A call that is over: what crosses trades at one price, the best bid with the best ask, until they no longer meet, of one
//! price by time.
//!
//! An iceberg takes part with all that it has open, where it stands; what is left of it keeps its place, and shows as many
//! lots as it may. Orders that stand beside or outside the layout take no part.

use super::super::command::Phase;
use super::super::desk::Desk;
use super::super::engine::OrderBook;
use super::super::event::{Kind, NO_PRICE};
use super::super::layout::{Layout, Level, NOBODY, Resting};
use super::super::rules::{Admission, SelfTrade};
use super::super::store::{Kept, Store, kept};
use super::Special;
use super::call::{Call, Lots, call_of};
use super::floor::Floor;
use super::rich::keenness;
use crate::order::BUY;
use crate::reject::RejectReason;

/// The first order of a side, with all that it has open.
#[derive(Clone, Copy)]
struct Head {
    side: u8,
    place: u32,
    resting: Resting,
    open: u32,
}

impl OrderBook {
    /// What a market would trade if its call were over now; `None` where nothing crosses.
    pub fn indicative(&mut self, market: i64) -> Option<Call> {
        let state = &self.markets[self.market_places.get(market)? as usize];
        let kept = [0, 1].map(|side| state.kept_of(side));
        call(&mut self.store, &self.desk, kept, state.special.as_deref()?)
    }
}

/// The call of what is in the layout, the hidden lots of icebergs too.
fn call(store: &mut Store, desk: &Desk, kept: [Kept; 2], special: &Special) -> Option<Call> {
    let [asks, bids] = [0, 1].map(|side| {
        let mut levels: Vec<Lots> = Vec::new();
        let mut show = |level: Level| {
            levels.push(Lots { price: level.price, lots: level.quantity });
            true
        };
        kept!(store, kept[usize::from(side)], |layout| layout.levels(side, &mut show), {});
        for (id, rich) in special.rich.icebergs(side) {
            let Some((kept, _, place)) = store.find(desk, id) else { continue };
            let shown = kept!(store, kept, |layout| layout.resting(place), continue);
            let key = keenness(side, shown.price);
            if let Ok(at) = levels.binary_search_by_key(&key, |level| keenness(side, level.price as i32)) {
                levels[at].lots += u64::from(rich.open - shown.quantity);
            }
        }
        levels
    });
    call_of(&bids, &asks, special.last_price.map(i64::from))
}

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    /// Ends a call: the market goes on, and trades what crosses at the price of the call.
    ///
    /// Neither of two orders came in, so where both are one participant's and the rules forbid that they trade, the lots in
    /// which they meet are cancelled in both, whatever the rule: all others trade what they would trade anyway.
    pub fn uncross(&mut self) {
        let kept = [0, 1].map(|side| self.kept_of(side));
        let call = call(self.store, self.out.desk, kept, self.special);
        self.tell_phase(Phase::Continuous, call);
        let price = call.map_or(NO_PRICE, |call| call.price as i32);
        let mut left = call.map_or(0, |call| call.volume);
        let (mut traded, mut last) = (false, None);
        while left > 0
            && let (Some(buys), Some(sells)) = (self.head(BUY), self.head(1 - BUY))
        {
            let lots = buys.open.min(sells.open);
            left = left.saturating_sub(u64::from(lots));
            last = Some((buys, sells, lots));
            let owner = buys.resting.owner;
            if self.rules.self_trade != SelfTrade::Off && owner != NOBODY && owner == sells.resting.owner {
                self.cancel_own(&buys, &sells, lots);
                self.cancel_own(&sells, &buys, lots);
                continue;
            }
            traded = true;
            let (buyer, seller) = (buys.resting.id, sells.resting.id);
            self.out.emit(Kind::Trade, buyer, seller, price, lots, buys.open - lots, 0, BUY);
            for (one, counter) in [(&sells, buyer), (&buys, seller)] {
                if self.shrink(one, lots) == 0 {
                    self.out.emit(Kind::Filled, one.resting.id, counter, price, lots, 0, 0, one.side);
                }
            }
        }
        // Of each pair one is gone, so that only of the last one anything can be left in part.
        if let Some((buys, sells, lots)) = last {
            self.show_again(&buys, lots, sells.resting.id);
            self.show_again(&sells, lots, buys.resting.id);
        }
        self.special.called_at(traded.then_some(price));
        if traded && self.rules.erase_after_trade {
            self.erase();
        }
    }

    fn head(&mut self, side: u8) -> Option<Head> {
        let kept = self.kept_of(side);
        let (_, place) = self.best(side)?;
        let resting = kept!(self.store, kept, |layout| layout.resting(place), return None);
        let open = self.special.rich.get(resting.id).map_or(resting.quantity, |rich| rich.open);
        Some(Head { side, place, resting, open })
    }

    /// Takes lots out of an order, and the order if none remain; says how many do. What is shown of an iceberg stays as it is.
    fn shrink(&mut self, head: &Head, lots: u32) -> u32 {
        let left = head.open - lots;
        if left == 0 {
            self.special.rich.remove(head.resting.id);
            self.remove(head.side, head.place);
            self.forget(head.resting.id, head.resting.expiry);
        } else if let Some(rich) = self.special.rich.get_mut(head.resting.id) {
            rich.open = left;
        } else {
            self.hide(head.side, head.place, lots);
        }
        left
    }

    fn cancel_own(&mut self, one: &Head, other: &Head, lots: u32) {
        let left = self.shrink(one, lots);
        let (id, counter, price) = (one.resting.id, other.resting.id, one.resting.price);
        self.out.emit(Kind::Cancelled, id, counter, price, lots, left, RejectReason::SelfTrade.code(), one.side);
    }

    /// Lets an iceberg of which a call left something show what it may, where it stands.
    fn show_again(&mut self, head: &Head, lots: u32, counter: i64) {
        let (side, id, left) = (head.side, head.resting.id, head.open - lots);
        let Some(rich) = self.special.rich.get(id).filter(|_| left > 0) else { return };
        let shown = rich.terms.display.min(left);
        if shown < head.resting.quantity {
            self.hide(side, head.place, head.resting.quantity - shown);
        } else if shown > head.resting.quantity {
            self.show_more(head, shown);
        }
        self.out.emit(Kind::Replaced, id, counter, head.resting.price, shown, left, 0, side);
    }

    /// Lets the first order of a side show more lots. A layout gives none to an order that is there, so all of its price are
    /// put in anew.
    fn show_more(&mut self, head: &Head, shown: u32) {
        let mut level: Vec<Resting> = Vec::new();
        kept!(
            self.store,
            self.kept_of(head.side),
            |layout| layout.walk(head.side, |resting| {
                let is_here = resting.price == head.resting.price;
                if is_here {
                    level.push(*resting);
                }
                is_here
            }),
            {}
        );
        if let Some(first) = level.first_mut() {
            first.quantity = shown;
        }
        self.put_again(head.side, &level);
    }
}
