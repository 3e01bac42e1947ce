//! What of a market's day is set: its schedule, and what the clock changes.

use std::collections::{BTreeMap, VecDeque};

use super::super::command::{NULL, Phase};
use super::super::engine::{CLOSED, OrderBook};
use super::super::store::Kept;

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

    /// The next change: the market's place, and whether it is the end of a pause.
    pub fn pop(&mut self) -> Option<(u32, bool)> {
        self.due.pop_first().map(|((_, _, ends_pause), market)| (market, ends_pause))
    }

    /// Awaits the next change of a market's schedule, if there is one.
    pub fn await_next(&mut self, id: i64, market: u32, session: &Session) {
        if let Some(&(at, _)) = session.schedule.front() {
            self.due.insert((at, id, false), market);
        }
    }

    /// Awaits the end of a market's pause, if it is in one.
    pub fn await_pause(&mut self, id: i64, market: u32, session: &Session) {
        if let Some(ends) = session.pause_ends {
            self.due.insert((ends, id, true), market);
        }
    }

    /// The pause of a market is over, if it was in one.
    pub fn end_pause(&mut self, id: i64, session: &mut Session) {
        if let Some(ends) = session.pause_ends.take() {
            self.due.remove(&(ends, id, true));
        }
    }

    /// Nothing of a market's schedule is to come any more.
    pub fn forget_schedule(&mut self, id: i64, session: &mut Session) {
        if let Some(&(at, _)) = session.schedule.front() {
            self.due.remove(&(at, id, false));
        }
        session.schedule.clear();
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
            Self::NoBreaker => write!(f, "a breaker has ticks from 0 below 2^31 and a pause_ns of 1 or more"),
        }
    }
}

impl std::error::Error for SessionError {}

impl OrderBook {
    /// Sets when a market changes its phase, instead of what was set before.
    ///
    /// # Errors
    /// [`SessionError`] where a time is not after the clock and those before it, or the market has closed.
    pub fn set_phases(&mut self, market: i64, phases: &[(i64, Phase)]) -> Result<(), SessionError> {
        self.check_phases(market, phases)?;
        let place = self.market_place(market);
        self.special(place);
        if let Some(special) = &mut self.markets[place as usize].special {
            self.timetable.forget_schedule(market, &mut special.session);
            special.session.schedule = phases.iter().copied().collect();
            self.timetable.await_next(market, place, &special.session);
        }
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
        match self.market_places.get(market) {
            _ if market == NULL => Err(SessionError::NoMarket),
            Some(place) if self.markets[place as usize].is(CLOSED) => Err(SessionError::Closed),
            _ => Ok(()),
        }
    }

    pub(super) fn await_next(&mut self, market: u32) {
        let state = &self.markets[market as usize];
        if let Some(special) = &state.special {
            self.timetable.await_next(state.id, market, &special.session);
        }
    }

    pub(super) fn await_pause(&mut self, market: u32) {
        let state = &self.markets[market as usize];
        if let Some(special) = &state.special {
            self.timetable.await_pause(state.id, market, &special.session);
        }
    }
}
