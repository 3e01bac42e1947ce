//! The phases of a market: calls, continuous trading, halts.
//!
//! In a call orders rest and none match, so the book may be crossed. The call ends when the market goes on, or at its gate
//! if it is in a call then: all that crosses trades at one price ([`super::uncross`]).
//!
//! A halt lies over the phase that there is: a market that is resumed is where it was. Whatever changes the phase ends the
//! pause of a breaker.

use super::super::command::{NULL, Phase, Row};
use super::super::engine::{CLOSED, HALTED, NO_SIDE, OrderBook};
use super::super::event::{Kind, NO_PRICE};
use super::super::obey::Turn;
use super::super::rules::Admission;
use super::call::Call;
use super::floor::Floor;
use crate::reject::RejectReason;

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
        } else if self.in_call(place as u32) {
            Some(Phase::PreOpen)
        } else {
            Some(Phase::Continuous)
        }
    }

    /// Whether orders of a market rest and none match.
    #[inline]
    pub(in crate::book) fn in_call(&self, market: u32) -> bool {
        self.markets[market as usize].special.as_ref().is_some_and(|special| special.session.in_call)
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
        self.floor(market, turn).change_phase(phase);
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
        let in_call = self.in_call(market);
        let state = &mut self.markets[market as usize];
        state.attention = if halted { state.attention | HALTED } else { state.attention & !HALTED };
        if halted && let Some(special) = &mut state.special {
            self.timetable.end_pause(state.id, &mut special.session);
        }
        let phase = match (halted, in_call) {
            (true, _) => Phase::Halted,
            (false, true) => Phase::PreOpen,
            (false, false) => Phase::Continuous,
        };
        turn.out(&mut self.desk, market).emit(Kind::Phase, NULL, NULL, NO_PRICE, number(phase), 0, 0, NO_SIDE);
        Ok(market)
    }

    /// Does the next change that the clock makes.
    #[cold]
    pub(in crate::book) fn change_by_clock<A: Admission, const ALL: bool>(&mut self, turn: &mut Turn<'_, A, ALL>) {
        let Some((market, ends_pause)) = self.timetable.pop() else { return };
        let phase = if ends_pause {
            Phase::Continuous
        } else {
            let next = self.special(market).session.schedule.pop_front();
            self.await_next(market);
            next.map_or(Phase::Continuous, |(_, phase)| phase)
        };
        self.floor(market, turn).change_phase(phase);
        self.after(market, turn);
    }
}

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    /// Whether orders rest and none match.
    pub fn is_in_call(&self) -> bool {
        self.special.session.in_call
    }

    pub(super) fn tell_phase(&mut self, phase: Phase, call: Option<Call>) {
        let price = call.map_or(NO_PRICE, |call| call.price as i32);
        self.out.emit(Kind::Phase, NULL, NULL, price, number(phase), 0, 0, NO_SIDE);
    }

    /// Takes the market into a phase; a call that is over trades.
    fn change_phase(&mut self, phase: Phase) {
        self.timetable.end_pause(self.id, &mut self.special.session);
        *self.attention = if phase == Phase::Halted { *self.attention | HALTED } else { *self.attention & !HALTED };
        if phase == Phase::Continuous && self.is_in_call() {
            self.uncross();
            self.set_in_call(false);
            self.all_entered();
        } else {
            if phase == Phase::PreOpen {
                self.set_in_call(true);
            }
            self.tell_phase(phase, None);
        }
    }

    /// Takes a market whose breaker fired into a call, which the book's clock ends.
    pub fn pause(&mut self) {
        let pause_ns = self.special.breaker.map_or(1, |breaker| breaker.pause_ns);
        self.change_phase(Phase::PreOpen);
        // Without any time so far the pause counts from 0.
        self.special.session.pause_ends = Some(self.clock.max(0).saturating_add(pause_ns));
        self.timetable.await_pause(self.id, self.out.market, &self.special.session);
    }

    /// The market's gate closes: a call that is under way trades, all that is left expires, and nothing is to come.
    pub fn close(&mut self) {
        self.timetable.end_pause(self.id, &mut self.special.session);
        self.timetable.forget_schedule(self.id, &mut self.special.session);
        if self.is_in_call() && *self.attention & HALTED == 0 {
            self.uncross();
        }
        self.clear(Kind::Expired, RejectReason::MarketClosed.code(), |_| true);
        self.set_in_call(false);
    }
}
