//! An order that comes in against those that rest: the same for every layout.

use crate::reject::RejectReason;

use super::command::NULL;
use super::desk::Out;
use super::event::Kind;
use super::layout::{Layout, Met, NOBODY, Resting, crosses};
use super::rules::{Admission, Rules, SelfTrade};
use super::store::places;

/// An order that has come in and may trade.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming {
    pub id: i64,
    pub side: u8,
    /// The worst price that it takes.
    pub limit: i32,
    /// Lots that it still wants.
    pub open: u32,
    pub owner: u32,
}

impl Incoming {
    #[inline]
    pub fn other_side(&self) -> u8 {
        1 - self.side
    }

    /// Whether the two would be one participant's trade with himself, and the rules forbid it.
    #[inline]
    pub fn is_own(&self, resting: &Resting, rules: &Rules) -> bool {
        rules.self_trade != SelfTrade::Off && self.owner != NOBODY && self.owner == resting.owner
    }

    /// Whether any of it would trade, or meet an order of its own participant, at once.
    #[inline(always)]
    pub fn meets(&self, layout: &impl Layout) -> bool {
        layout.best(self.other_side()).is_some_and(|(price, _)| crosses(self.side, self.limit, price))
    }

    /// Whether all of it would trade at once.
    pub fn can_fill(&self, layout: &impl Layout, rules: &Rules) -> bool {
        let mut found = 0_u64;
        let wanted = u64::from(self.open);
        layout.walk(self.other_side(), |resting| {
            if !crosses(self.side, self.limit, resting.price) {
                return false;
            }
            if self.is_own(resting, rules) {
                // An order that is cancelled makes room for those behind it; any other rule takes lots from this one.
                return rules.self_trade == SelfTrade::CancelResting;
            }
            found += u64::from(resting.quantity);
            found < wanted && !rules.erase_after_trade
        });
        found >= wanted
    }

    /// Trades until nothing crosses any more, or nothing is left of it. Says whether the book is to be erased.
    #[inline(always)]
    pub fn trade<L: Layout, A: Admission, const ALL: bool>(
        &mut self,
        layout: &mut L,
        rules: &Rules,
        out: &mut Out<'_, A, ALL>,
    ) -> bool {
        // By value: an order in memory would be read anew after every event.
        let (open, erases) = if rules.erase_after_trade {
            self.trade_once(layout, rules, out)
        } else {
            (self.trade_on(layout, rules, out), false)
        };
        self.open = open;
        erases
    }

    /// Trades for as long as anything crosses; gives what is left.
    #[inline(never)]
    fn trade_on<L: Layout, A: Admission, const ALL: bool>(
        self,
        layout: &mut L,
        rules: &Rules,
        out: &mut Out<'_, A, ALL>,
    ) -> u32 {
        let Self { id, side, limit, mut open, owner } = self;
        let other = self.other_side();
        let barred = (rules.self_trade != SelfTrade::Off && owner != NOBODY).then_some(owner);
        loop {
            open = layout.sweep(other, limit, open, barred, |met| {
                let Met { price, lots, open, .. } = met;
                out.emit(Kind::Trade, id, met.id, price, lots, open, 0, side);
                if met.is_gone {
                    out.gone(met.id, met.expiry);
                    out.emit(Kind::Filled, met.id, id, price, lots, 0, 0, other);
                }
                if open == 0 {
                    out.emit(Kind::Filled, id, met.id, price, lots, 0, 0, side);
                }
            });
            let own = layout.best(other).filter(|&(price, _)| open > 0 && crosses(side, limit, price));
            let Some((_, place)) = own else { return open };
            open = Self { open, ..self }.meet_own(layout, place, rules, out);
        }
    }

    /// Trades with the first order that is not its own.
    #[cold]
    fn trade_once<L: Layout, A: Admission, const ALL: bool>(
        mut self,
        layout: &mut L,
        rules: &Rules,
        out: &mut Out<'_, A, ALL>,
    ) -> (u32, bool) {
        while self.open > 0
            && let Some((price, place)) = layout.best(self.other_side())
            && crosses(self.side, self.limit, price)
        {
            let resting = layout.resting(place);
            if self.is_own(&resting, rules) {
                self.open = self.meet_own(layout, place, rules, out);
                continue;
            }
            let lots = self.open.min(resting.quantity);
            self.open -= lots;
            out.emit(Kind::Trade, self.id, resting.id, price, lots, self.open, 0, self.side);
            if lots == resting.quantity {
                layout.remove(place);
                out.gone(resting.id, resting.expiry);
                out.emit(Kind::Filled, resting.id, self.id, price, lots, 0, 0, self.other_side());
            } else {
                layout.take(place, lots);
            }
            if self.open == 0 {
                out.emit(Kind::Filled, self.id, resting.id, price, lots, 0, 0, self.side);
            }
            return (self.open, true);
        }
        (self.open, false)
    }

    /// Lots that are taken out of an order that rests with so many, and of this one, where the two must not trade.
    pub fn own_lots(&self, resting: u32, rules: &Rules) -> (u32, u32) {
        match rules.self_trade {
            SelfTrade::Off => (0, 0),
            SelfTrade::CancelResting => (resting, 0),
            SelfTrade::CancelIncoming => (0, self.open),
            SelfTrade::CancelBoth => (resting, self.open),
            SelfTrade::Decrement => {
                let lots = self.open.min(resting);
                (lots, lots)
            }
        }
    }

    /// Takes lots out of what must not trade with itself; gives what is left of this one.
    #[cold]
    fn meet_own<L: Layout, A: Admission, const ALL: bool>(
        mut self,
        layout: &mut L,
        place: u32,
        rules: &Rules,
        out: &mut Out<'_, A, ALL>,
    ) -> u32 {
        let resting = &layout.resting(place);
        let (from_resting, from_self) = self.own_lots(resting.quantity, rules);
        if from_resting > 0 {
            cancel(layout, place, resting, from_resting, RejectReason::SelfTrade.code(), self.id, out);
        }
        if from_self > 0 {
            self.open -= from_self;
            let code = RejectReason::SelfTrade.code();
            out.emit(Kind::Cancelled, self.id, resting.id, resting.price, from_self, self.open, code, self.side);
        }
        self.open
    }

    /// Gives up what is left of it.
    pub fn give_up<A: Admission, const ALL: bool>(
        &mut self,
        price: i32,
        reason: RejectReason,
        out: &mut Out<'_, A, ALL>,
    ) {
        let lots = std::mem::take(&mut self.open);
        out.emit(Kind::Cancelled, self.id, NULL, price, lots, 0, reason.code(), self.side);
    }
}

/// Takes lots out of an order that rests, and the order out if none remain.
#[inline(always)]
pub(super) fn cancel<L: Layout, A: Admission, const ALL: bool>(
    layout: &mut L,
    place: u32,
    resting: &Resting,
    lots: u32,
    code: u16,
    counter: i64,
    out: &mut Out<'_, A, ALL>,
) {
    let side = layout.side(place);
    let remaining = resting.quantity - lots;
    if remaining == 0 {
        layout.remove(place);
        out.gone(resting.id, resting.expiry);
    } else {
        layout.take(place, lots);
    }
    out.emit(Kind::Cancelled, resting.id, counter, resting.price, lots, remaining, code, side);
}

/// Takes every order out that `takes` says, bids first, each side first to last.
pub(super) fn clear<L: Layout, A: Admission, const ALL: bool>(
    layout: &mut L,
    kind: Kind,
    code: u16,
    takes: impl Fn(&Resting) -> bool,
    out: &mut Out<'_, A, ALL>,
) {
    let mut taken = Vec::new();
    for side in [1, 0] {
        layout.walk(side, |resting| {
            if takes(resting) {
                taken.push((side, *resting));
            }
            true
        });
    }
    for (side, resting) in taken {
        if let Some(found) = out.desk.ids.get(resting.id) {
            layout.remove(places(found).1);
            out.gone(resting.id, resting.expiry);
            out.emit(kind, resting.id, NULL, resting.price, resting.quantity, 0, code, side);
        }
    }
}
