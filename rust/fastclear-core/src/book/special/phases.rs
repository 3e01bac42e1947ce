//! The phases of a market: calls, continuous trading, halts, and the schedule that changes them.
//!
//! In a call orders rest and none match, so the book may be crossed. The call ends when the market goes on, or at its gate
//! if it is in a call then: all that crosses trades at one price ([`super::call`]), the best bid with the best ask until
//! they no longer meet, of one price by time. Orders that are more than plain stand in no market that has a session: they are
//! refused there, and where they stand none begins.
//!
//! A halt lies over the phase that there is: a market that is resumed is where it was. Whatever changes the phase ends the
//! pause of a breaker.

use std::collections::{BTreeMap, VecDeque};

use crate::order::BUY;
use crate::reject::RejectReason;

use super::super::command::{NULL, Phase, Row};
use super::super::desk::Out;
use super::super::engine::{CLOSED, HALTED, NO_SIDE, OrderBook};
use super::super::event::{Kind, NO_PRICE};
use super::super::layout::{Layout, Level, NOBODY, Resting};
use super::super::matching::cancel;
use super::super::obey::Turn;
use super::super::rules::{Admission, SelfTrade};
use super::super::store::{Kept, Store, kept};
use super::call::{Call, Lots, call_of};

/// What of a market's day is its own.
#[derive(Clone, Debug, Default)]
pub(in crate::book) struct Session {
    /// Whether orders rest and none match.
    pub in_call: bool,
    /// How its asks are kept meanwhile.
    pub asks: Kept,
    /// When a pause of its breaker is over.
    pub pause_ends: Option<i64>,
    /// Changes yet to come, the next one first.
    pub schedule: VecDeque<(i64, Phase)>,
}

impl Session {
    /// Whether the market is in a call or a pause, or is to change its phase.
    pub fn is_under_way(&self) -> bool {
        self.in_call || self.pause_ends.is_some() || !self.schedule.is_empty()
    }
}

/// What the clock changes, the earliest first.
#[derive(Clone, Debug, Default)]
pub(in crate::book) struct Timetable {
    /// Time, market id, and whether it is the end of a pause; the market's place.
    due: BTreeMap<(i64, i64, bool), u32>,
}

impl Timetable {
    /// Time and market id of the next change.
    #[inline]
    pub fn first(&self) -> Option<(i64, i64)> {
        self.due.first_key_value().map(|(&(at, market, _), _)| (at, market))
    }
}

/// Why what a market is to do cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// A time is not after the book's clock.
    Passed {
        /// Which one.
        at: i64,
        /// The clock.
        clock: i64,
    },
    /// A time is not after the one before it.
    Unordered {
        /// Which one.
        at: i64,
    },
    /// The market has closed.
    Closed,
    /// [`NULL`] is no market.
    NoMarket,
    /// A collar has no price between its ends, or an end that is none.
    NoCollar,
    /// An order that is there could trade outside of a collar.
    Outside {
        /// Which one.
        order: i64,
    },
    /// A breaker has no width of 0 ticks or more, or no pause of 1 ns or more.
    NoBreaker,
    /// Orders stand in the market that are more than plain.
    RichOrders,
}

impl std::fmt::Display for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Passed { at, clock } => write!(f, "{at} is not after the book's clock, {clock}; give later times"),
            Self::Unordered { at } => write!(f, "{at} is not after the time before it; give rising times"),
            Self::Closed => write!(f, "the market's gate has closed; name another market"),
            Self::NoMarket => write!(f, "null is no market; name one"),
            Self::NoCollar => {
                write!(f, "a collar has a low end, and a high end that is not below; give ticks below 2^31")
            }
            Self::Outside { order } => {
                write!(f, "order {order} could trade outside of it; cancel or replace it first, or give a wider one")
            }
            Self::RichOrders => {
                write!(
                    f,
                    "orders stand there that are more than plain (icebergs, stops, pegs, minimums); cancel them first"
                )
            }
            Self::NoBreaker => write!(f, "a breaker has ticks from 0 below 2^31 and a pause_ns of 1 or more"),
        }
    }
}

impl std::error::Error for SessionError {}

/// The number by which an event says a phase.
fn number(phase: Phase) -> u32 {
    match phase {
        Phase::Halted => 0,
        Phase::Continuous => 1,
        Phase::PreOpen => 2,
    }
}

impl OrderBook {
    /// What a market does now; `None` if it has closed. One that nobody named trades as orders come in.
    pub fn phase(&self, market: i64) -> Option<Phase> {
        let Some(place) = self.market_places.get(market) else { return Some(Phase::Continuous) };
        let state = &self.markets[place as usize];
        if state.is(CLOSED) {
            None
        } else if state.is(HALTED) {
            Some(Phase::Halted)
        } else {
            Some(self.underlying(place as u32))
        }
    }

    /// What a market does when it is not halted.
    fn underlying(&self, market: u32) -> Phase {
        if self.in_call(market) { Phase::PreOpen } else { Phase::Continuous }
    }

    /// Whether orders of a market rest and none match.
    #[inline]
    pub(in crate::book) fn in_call(&self, market: u32) -> bool {
        self.markets[market as usize].special.as_ref().is_some_and(|special| special.session.in_call)
    }

    /// Sets when a market changes its phase, instead of what was set before.
    ///
    /// # Errors
    /// [`SessionError`] where a time is not after the clock and those before it, or the market has closed.
    pub fn set_phases(&mut self, market: i64, phases: &[(i64, Phase)]) -> Result<(), SessionError> {
        self.check_phases(market, phases)?;
        let place = self.market_place(market);
        self.forget_schedule(place);
        self.special(place).session.schedule = phases.iter().copied().collect();
        self.await_next(place);
        Ok(())
    }

    /// Whether [`Self::set_phases`] would take a schedule.
    ///
    /// # Errors
    /// [`SessionError`] where it would not.
    pub fn check_phases(&self, market: i64, phases: &[(i64, Phase)]) -> Result<(), SessionError> {
        self.check_open(market)?;
        if let Some(&(at, _)) = phases.first()
            && at <= self.clock
        {
            return Err(SessionError::Passed { at, clock: self.clock });
        }
        match phases.windows(2).find(|pair| pair[1].0 <= pair[0].0) {
            Some(pair) => Err(SessionError::Unordered { at: pair[1].0 }),
            None => Ok(()),
        }
    }

    pub(super) fn check_open(&self, market: i64) -> Result<(), SessionError> {
        if market == NULL {
            return Err(SessionError::NoMarket);
        }
        match self.market_places.get(market) {
            _ if market == NULL => Err(SessionError::NoMarket),
            Some(place) if self.markets[place as usize].is(CLOSED) => Err(SessionError::Closed),
            Some(place) if self.has_rich_orders(place as u32) => Err(SessionError::RichOrders),
            _ => Ok(()),
        }
    }

    fn has_rich_orders(&self, market: u32) -> bool {
        self.markets[market as usize].special.as_ref().is_some_and(|special| !special.rich.is_empty())
    }

    /// What a market would trade if its call were over now; `None` where nothing crosses.
    pub fn indicative(&mut self, market: i64) -> Option<Call> {
        let place = self.market_places.get(market)?;
        self.call(place as u32)
    }

    fn call(&mut self, market: u32) -> Option<Call> {
        let state = &self.markets[market as usize];
        let reference = state.special.as_ref().and_then(|special| special.last_price).map(i64::from);
        let kept = [0, 1].map(|side| state.kept_of(side));
        let mut side = |side: u8| {
            let mut lots = Vec::new();
            let mut show = |level: Level| {
                lots.push(Lots { price: level.price, lots: level.quantity });
                true
            };
            kept!(self.store, kept[usize::from(side)], |layout| layout.levels(side, &mut show), {});
            lots
        };
        call_of(&side(BUY), &side(1 - BUY), reference)
    }

    /// The command `phase`.
    #[cold]
    pub(in crate::book) fn command_phase<A: Admission, const ALL: bool>(
        &mut self,
        row: &Row,
        turn: &mut Turn<'_, A, ALL>,
    ) -> Result<u32, RejectReason> {
        let phase = Phase::ALL.get(usize::from(row.phase)).copied().ok_or(RejectReason::UnknownPhase)?;
        let market = self.find_market(row, turn)?;
        if phase == Phase::PreOpen && self.has_rich_orders(market) {
            return Err(RejectReason::NotInPhase);
        }
        self.change_phase(market, phase, turn);
        Ok(market)
    }

    /// The commands `halt` and `resume`.
    #[cold]
    pub(in crate::book) fn set_halted<A: Admission, const ALL: bool>(
        &mut self,
        row: &Row,
        halted: bool,
        turn: &mut Turn<'_, A, ALL>,
    ) -> Result<u32, RejectReason> {
        let market = self.find_market(row, turn)?;
        let attention = &mut self.markets[market as usize].attention;
        *attention = if halted { *attention | HALTED } else { *attention & !HALTED };
        let phase = if halted {
            self.end_pause(market);
            Phase::Halted
        } else {
            self.underlying(market)
        };
        self.tell_phase(market, phase, None, turn);
        Ok(market)
    }

    fn tell_phase<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        phase: Phase,
        call: Option<Call>,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        let price = call.map_or(NO_PRICE, |call| call.price as i32);
        let mut out = turn.out(&mut self.desk, market);
        out.emit(Kind::Phase, NULL, NULL, price, number(phase), 0, 0, NO_SIDE);
    }

    /// Takes a market into a phase; a call that is over trades.
    fn change_phase<A: Admission, const ALL: bool>(&mut self, market: u32, phase: Phase, turn: &mut Turn<'_, A, ALL>) {
        self.end_pause(market);
        let was_in_call = self.in_call(market);
        let attention = &mut self.markets[market as usize].attention;
        *attention = if phase == Phase::Halted { *attention | HALTED } else { *attention & !HALTED };
        self.special(market);
        if phase == Phase::PreOpen {
            self.set_in_call(market, true);
        }
        if was_in_call && phase == Phase::Continuous {
            let call = self.call(market);
            self.tell_phase(market, phase, call, turn);
            self.uncross(market, call, turn);
            self.set_in_call(market, false);
        } else {
            self.tell_phase(market, phase, None, turn);
        }
    }

    /// Takes a market whose breaker fired into a call, which the book's clock ends.
    pub(in crate::book) fn pause<A: Admission, const ALL: bool>(&mut self, market: u32, turn: &mut Turn<'_, A, ALL>) {
        let pause_ns = self.special(market).breaker.map_or(1, |breaker| breaker.pause_ns);
        self.change_phase(market, Phase::PreOpen, turn);
        // Without any time so far the pause counts from 0.
        let ends = self.clock.max(0).saturating_add(pause_ns);
        self.special(market).session.pause_ends = Some(ends);
        self.await_pause(market);
    }

    fn end_pause(&mut self, market: u32) {
        let state = &mut self.markets[market as usize];
        if let Some(ends) = state.special.as_mut().and_then(|special| special.session.pause_ends.take()) {
            self.timetable.due.remove(&(ends, state.id, true));
        }
    }

    fn forget_schedule(&mut self, market: u32) {
        let state = &mut self.markets[market as usize];
        if let Some((at, _)) = state.special.as_mut().and_then(|special| special.session.schedule.pop_front()) {
            self.timetable.due.remove(&(at, state.id, false));
        }
    }

    pub(super) fn await_next(&mut self, market: u32) {
        let state = &self.markets[market as usize];
        if let Some(&(at, _)) = state.special.as_ref().and_then(|special| special.session.schedule.front()) {
            self.timetable.due.insert((at, state.id, false), market);
        }
    }

    pub(super) fn await_pause(&mut self, market: u32) {
        let state = &self.markets[market as usize];
        if let Some(ends) = state.special.as_ref().and_then(|special| special.session.pause_ends) {
            self.timetable.due.insert((ends, state.id, true), market);
        }
    }

    /// Does the next change that the clock makes.
    #[cold]
    pub(in crate::book) fn change_by_clock<A: Admission, const ALL: bool>(&mut self, turn: &mut Turn<'_, A, ALL>) {
        let Some(((_, _, ends_pause), market)) = self.timetable.due.pop_first() else { return };
        let phase = if ends_pause {
            Phase::Continuous
        } else {
            let next = self.special(market).session.schedule.pop_front();
            self.await_next(market);
            next.map_or(Phase::Continuous, |(_, phase)| phase)
        };
        self.change_phase(market, phase, turn);
        self.after(market, turn);
    }

    /// The closing call of a market whose gate closes in one, and the end of what was to come.
    pub(in crate::book) fn end_session<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        self.end_pause(market);
        self.forget_schedule(market);
        if self.in_call(market) && !self.markets[market as usize].is(HALTED) {
            let call = self.call(market);
            self.tell_phase(market, Phase::Continuous, call, turn);
            self.uncross(market, call, turn);
        }
    }

    /// Trades what crosses at the price of the call: the best bid with the best ask, until they no longer meet.
    ///
    /// Neither of two orders came in, so where both are one participant's and the rules forbid that they trade, the lots in
    /// which they meet are cancelled in both, whatever the rule: all others trade what they would trade anyway.
    fn uncross<A: Admission, const ALL: bool>(&mut self, market: u32, call: Option<Call>, turn: &mut Turn<'_, A, ALL>) {
        let price = call.map_or(NO_PRICE, |call| call.price as i32);
        let mut left = call.map_or(0, |call| call.volume);
        let mut traded = false;
        let kept = [0, 1].map(|side| self.markets[market as usize].kept_of(side));
        let mut out = turn.out(&mut self.desk, market);
        let best = |store: &mut Store, side: u8| {
            kept!(
                store,
                kept[usize::from(side)],
                |layout| layout.best(side).map(|(_, place)| Head { side, place, resting: layout.resting(place) }),
                None
            )
        };
        while left > 0
            && let (Some(buys), Some(sells)) = (best(&mut self.store, BUY), best(&mut self.store, 1 - BUY))
        {
            let lots = buys.resting.quantity.min(sells.resting.quantity);
            left = left.saturating_sub(u64::from(lots));
            let owner = buys.resting.owner;
            if self.rules.self_trade != SelfTrade::Off && owner != NOBODY && owner == sells.resting.owner {
                let code = RejectReason::SelfTrade.code();
                for (one, other) in [(&buys, &sells), (&sells, &buys)] {
                    let kept = kept[usize::from(one.side)];
                    let (place, resting, counter) = (one.place, &one.resting, other.resting.id);
                    kept!(self.store, kept, |layout| cancel(layout, place, resting, lots, code, counter, &mut out), {});
                }
                continue;
            }
            traded = true;
            let (buyer, seller) = (buys.resting.id, sells.resting.id);
            out.emit(Kind::Trade, buyer, seller, price, lots, buys.resting.quantity - lots, 0, BUY);
            for (one, counter) in [(&sells, buyer), (&buys, seller)] {
                let kept = kept[usize::from(one.side)];
                kept!(self.store, kept, |layout| one.fill(layout, lots, (price, counter), &mut out), {});
            }
        }
        self.called_at(market, traded.then_some(price));
        if traded && self.rules.erase_after_trade {
            self.erase(market, turn);
        }
    }
}

/// The first order of a side.
struct Head {
    side: u8,
    place: u32,
    resting: Resting,
}

impl Head {
    /// Takes traded lots out of it, and the order if none remain.
    fn fill<L: Layout, A: Admission, const ALL: bool>(
        &self,
        layout: &mut L,
        lots: u32,
        (price, counter): (i32, i64),
        out: &mut Out<'_, A, ALL>,
    ) {
        if lots < self.resting.quantity {
            layout.take(self.place, lots);
            return;
        }
        layout.remove(self.place);
        out.gone(self.resting.id, self.resting.expiry);
        out.emit(Kind::Filled, self.resting.id, counter, price, lots, 0, 0, self.side);
    }
}
