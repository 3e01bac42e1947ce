//! The state machine: commands in, events out.

use std::collections::BTreeMap;

use crate::order::ColumnsError;
use crate::reject::RejectReason;

use super::ahead::STAGES;
use super::block::{BLOCK, Block, CANCEL};
use super::command::{Commands, NULL};
use super::desk::Desk;
use super::event::{Events, Kind, NOWHERE, Want};
use super::ids::Ids;
use super::layout::Layout;
use super::obey::{Given, Turn};
use super::rules::{Admission, Everybody, Rules};
use super::special::{Special, Timetable};
use super::store::{Kept, Store, kept};

/// A gate that never closes.
pub const NO_GATE: i64 = i64::MAX;
/// Side of an event that is about no order, or of an order that named none.
pub const NO_SIDE: u8 = 255;

/// One market: a line of the cache, so that to fetch one is to fetch all of it.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Market {
    pub id: i64,
    pub gate: i64,
    pub kept: Kept,
    /// What sends its commands to the thorough path, as bits; 0 of a plain market that is open.
    pub attention: u8,
    /// What it has beyond plain orders.
    pub special: Option<Box<Special>>,
}

/// Its gate has closed.
pub(super) const CLOSED: u8 = 1;
/// It takes cancels and reductions alone.
pub(super) const HALTED: u8 = 2;
/// It has a [`Special`].
pub(super) const SPECIAL: u8 = 4;

impl Market {
    #[inline]
    pub fn is(&self, attention: u8) -> bool {
        self.attention & attention != 0
    }
}

/// A continuous double auction in any number of markets: see the [module](super).
#[derive(Clone, Debug)]
pub struct OrderBook {
    pub(super) rules: Rules,
    pub(super) store: Store,
    pub(super) desk: Desk,
    /// In the order in which they were first named.
    pub(super) markets: Vec<Market>,
    /// How many of them are special.
    pub(super) specials: usize,
    pub(super) market_places: Ids,
    /// Gates yet to close, and the markets' places.
    gates: BTreeMap<(i64, i64), u32>,
    /// Changes of phases that the clock makes.
    pub(super) timetable: Timetable,
    /// Markets whose collar or breaker was set since the last call, where that may move orders.
    pub(super) unsettled: Vec<u32>,
    /// Rows of the call that is under way; nothing between calls, but for the room.
    ring: Vec<Block>,
    /// Id and place of the market that was named last.
    pub(super) last_market: (i64, u32),
    pub(super) clock: i64,
    pub(super) next_order: i64,
    pub(super) next_seq: u64,
}

/// Why a gate cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateError {
    /// It would not be after the book's clock, which is given.
    Passed {
        /// The clock.
        clock: i64,
    },
    /// The market has closed.
    Closed,
    /// [`NULL`] is no market.
    NoMarket,
}

impl std::fmt::Display for GateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Passed { clock } => write!(f, "the gate is not after the book's clock, {clock}; set a later one"),
            Self::Closed => write!(f, "the market's gate has closed; name another market"),
            Self::NoMarket => write!(f, "null is no market; name one"),
        }
    }
}

impl std::error::Error for GateError {}

impl OrderBook {
    /// A book without markets, whose clock has not begun.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            store: Store::default(),
            desk: Desk::default(),
            markets: Vec::new(),
            specials: 0,
            market_places: Ids::default(),
            gates: BTreeMap::new(),
            timetable: Timetable::default(),
            unsettled: Vec::new(),
            ring: Vec::new(),
            last_market: (NULL, 0),
            clock: i64::MIN,
            next_order: 0,
            next_seq: 0,
        }
    }

    /// Obeys commands one after the other, which nobody stops.
    ///
    /// # Errors
    /// [`ColumnsError`] where the columns do not fit together: nothing has happened then.
    pub fn apply(&mut self, commands: &Commands<'_>, want: Want) -> Result<Events, ColumnsError> {
        self.apply_admitted(commands, want, &mut Everybody)
    }

    /// Obeys commands one after the other; `admission` has the last word on orders.
    ///
    /// # Errors
    /// [`ColumnsError`] where the columns do not fit together: nothing has happened then.
    pub fn apply_admitted<A: Admission>(
        &mut self,
        commands: &Commands<'_>,
        want: Want,
        admission: &mut A,
    ) -> Result<Events, ColumnsError> {
        commands.check()?;
        let mut events = Events { first_seq: self.next_seq, ..Events::default() };
        // Room for what most flows make, so that columns are rarely moved while they grow.
        events.rows.reserve(if want == Want::Events { commands.rows * 2 } else { commands.rows / 2 });
        admission.begin();
        match want {
            Want::Events => self.run::<A, true>(commands, admission, &mut events),
            Want::Trades => self.run::<A, false>(commands, admission, &mut events),
        }
        admission.end();
        self.next_seq += events.count;
        Ok(events)
    }

    /// Lets time go by: what expires until `now`, which is past, is gone. A time before the clock changes nothing.
    pub fn advance<A: Admission>(&mut self, now: i64, admission: &mut A) -> Events {
        let mut events = Events { first_seq: self.next_seq, ..Events::default() };
        self.settle_bounds::<A, true>(NOWHERE, admission, &mut events);
        self.tick::<A, true>(now, NOWHERE, admission, &mut events);
        self.next_seq += events.count;
        events
    }

    /// Sets when a market closes: what rests then expires, and what comes later is refused.
    ///
    /// # Errors
    /// [`GateError`] where the gate is not after the clock, or has closed.
    pub fn set_gate(&mut self, market: i64, gate: i64) -> Result<(), GateError> {
        self.check_gate(market, gate)?;
        let place = self.market_place(market);
        let known = &mut self.markets[place as usize];
        self.gates.remove(&(known.gate, market));
        known.gate = gate;
        if gate != NO_GATE {
            self.gates.insert((gate, market), place);
        }
        Ok(())
    }

    /// Whether [`Self::set_gate`] would take a gate.
    ///
    /// # Errors
    /// [`GateError`] where it would not.
    pub fn check_gate(&self, market: i64, gate: i64) -> Result<(), GateError> {
        if market == NULL {
            return Err(GateError::NoMarket);
        }
        if gate <= self.clock {
            return Err(GateError::Passed { clock: self.clock });
        }
        match self.market_places.get(market) {
            Some(place) if self.markets[place as usize].is(CLOSED) => Err(GateError::Closed),
            _ => Ok(()),
        }
    }

    /// The latest time that the book has seen; `i64::MIN` before the first.
    pub fn clock(&self) -> i64 {
        self.clock
    }

    /// How many orders rest.
    pub fn len(&self) -> usize {
        self.desk.ids.len()
    }

    /// Whether no order rests.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number that the next event will have.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Numbers so many events.
    pub(super) fn count_on(&mut self, events: u64) {
        self.next_seq += events;
    }

    /// The rules.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Ids of all markets that were ever named, in that order: what [`super::Event::market`] counts.
    pub fn market_ids(&self) -> impl ExactSizeIterator<Item = i64> + '_ {
        self.markets.iter().map(|market| market.id)
    }

    /// Id of the market at a place, as [`super::Event::market`] counts.
    #[inline]
    pub fn market_id(&self, place: u32) -> Option<i64> {
        self.markets.get(place as usize).map(|market| market.id)
    }

    /// The place of a market, which gets one if it has none.
    #[inline]
    pub(super) fn market_place(&mut self, id: i64) -> u32 {
        if id != self.last_market.0 {
            let place = self.market_places.get(id).map_or_else(|| self.open_market(id), |place| place as u32);
            self.last_market = (id, place);
        }
        self.last_market.1
    }

    #[cold]
    fn open_market(&mut self, id: i64) -> u32 {
        let place = self.markets.len() as u32;
        self.markets.push(Market { id, gate: NO_GATE, kept: Kept::Nowhere, attention: 0, special: None });
        self.market_places.insert(id, u64::from(place));
        place
    }

    fn run<A: Admission, const ALL: bool>(&mut self, commands: &Commands<'_>, admission: &mut A, events: &mut Events) {
        // An id column that is there has to name something; without one there is nothing to name.
        let given = Given {
            market: commands.market.is_some(),
            order: commands.order.is_some(),
            participant: commands.participant.is_some(),
        };
        if commands.rows > 0 && !self.unsettled.is_empty() {
            self.settle_bounds::<A, ALL>(0, admission, events);
        }
        let looks_ahead = self.looks_ahead();
        // Made once: what is stored anew for every row would be waited for until all stores before it are done.
        let mut turn = Turn::<A, ALL> { events, admission, command: 0, given, has_time: true };
        let blocks = commands.rows.div_ceil(BLOCK);
        let mut ring = std::mem::take(&mut self.ring);
        ring.resize_with(STAGES, Block::new);
        for step in 0..blocks + STAGES - 1 {
            if step < blocks {
                ring[step % STAGES].read(commands, step * BLOCK);
            }
            if looks_ahead {
                for (stage, back) in (0..STAGES - 1).zip([0, 1, 2]) {
                    if back <= step && step - back < blocks {
                        self.look_ahead::<ALL>(&mut ring[(step - back) % STAGES], stage, given.market);
                    }
                }
            }
            if step + 1 >= STAGES {
                self.obey_block(commands, &ring[(step + 1) % STAGES], &mut turn);
            }
        }
        self.ring = ring;
    }

    fn obey_block<A: Admission, const ALL: bool>(
        &mut self,
        commands: &Commands<'_>,
        block: &Block,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        let mut row = 0;
        // Short runs cost more than they save; a block that has many of them is left alone.
        let mut tries = if A::GOES_STRAIGHT { BLOCK / 4 } else { 0 };
        let times = commands.time.map(|times| &times[block.from..block.from + block.n]);
        let latest = times.map(last_of);
        while row < block.n {
            if tries > 0 && latest.is_none_or(|latest| latest < self.next_end()) {
                tries -= 1;
                let from = row;
                row = self.go_straight(block, row, turn);
                if let Some(times) = times {
                    self.clock = times[from..row].iter().copied().fold(self.clock, i64::max);
                }
                if row == block.n {
                    return;
                }
            }
            let (index, class) = (block.from + row, block.classes()[row]);
            turn.command = index as u32;
            if let Some(times) = commands.time {
                turn.has_time = times[index] != NULL;
                self.tick::<A, ALL>(times[index], index as u32, turn.admission, turn.events);
            }
            let is_done = class <= CANCEL
                && turn.has_time
                && if class < CANCEL {
                    self.plain_order(&block.row(row), block.places[row], turn)
                } else {
                    self.plain_cancel(&block.row(row), block.places[row], turn)
                };
            if !is_done {
                self.obey(commands.op(index), commands.row(index), turn);
            }
            row += 1;
        }
    }

    /// Moves the clock on and takes out what is past.
    #[inline]
    fn tick<A: Admission, const ALL: bool>(&mut self, now: i64, command: u32, admission: &mut A, events: &mut Events) {
        if now <= self.clock {
            return;
        }
        self.let_go::<A, ALL>(now, command, admission, events);
        self.clock = now;
    }

    /// When something next ends or changes by itself.
    #[inline]
    fn next_end(&self) -> i64 {
        let order = self.desk.expiries.first().map_or(i64::MAX, |(at, _)| at);
        let change = self.timetable.first().map_or(i64::MAX, |(at, _)| at);
        let gate = self.gates.first_key_value().map_or(i64::MAX, |(&(at, _), _)| at);
        order.min(change).min(gate)
    }

    /// What is past, the earliest first, each at its own time: of one time orders, then phases, then gates.
    fn let_go<A: Admission, const ALL: bool>(
        &mut self,
        now: i64,
        command: u32,
        admission: &mut A,
        events: &mut Events,
    ) {
        loop {
            let order = self.desk.expiries.first().map(|(at, id)| (at, 0, id));
            let change = self.timetable.first().map(|(at, market)| (at, 1, market));
            let gate = self.gates.first_key_value().map(|(&(at, market), _)| (at, 2, market));
            let first = [order, change, gate].into_iter().flatten().min();
            let Some((at, what, id)) = first.filter(|&(at, ..)| at <= now) else { return };
            self.clock = self.clock.max(at);
            let mut turn = Turn::<A, ALL>::of_clock(command, admission, events);
            match what {
                0 => self.expire(id, &mut turn),
                1 => self.change_by_clock(&mut turn),
                _ => {
                    if let Some((_, place)) = self.gates.pop_first() {
                        self.close(place, &mut turn);
                    }
                }
            }
        }
    }

    #[cold]
    fn expire<A: Admission, const ALL: bool>(&mut self, id: i64, turn: &mut Turn<'_, A, ALL>) {
        let Some((kept, market, place)) = self.store.find(&self.desk, id) else { return };
        if self.markets[market as usize].is(SPECIAL) {
            self.expire_special(id, market, turn);
            return;
        }
        let mut out = turn.out(&mut self.desk, market);
        kept!(
            self.store,
            kept,
            |layout| {
                let (resting, side) = (layout.resting(place), layout.side(place));
                layout.remove(place);
                out.gone(id, resting.expiry);
                out.emit(Kind::Expired, id, NULL, resting.price, resting.quantity, 0, 0, side);
            },
            {}
        );
    }

    #[cold]
    fn close<A: Admission, const ALL: bool>(&mut self, market: u32, turn: &mut Turn<'_, A, ALL>) {
        if self.markets[market as usize].is(SPECIAL) {
            self.floor(market, turn).close();
        } else {
            self.clear_plain(market, Kind::Expired, RejectReason::MarketClosed.code(), |_| true, turn);
        }
        let market = &mut self.markets[market as usize];
        market.attention |= CLOSED;
        self.store.leave(&mut market.kept);
    }
}

/// The last of some times; later than all where one is missing.
fn last_of(times: &[i64]) -> i64 {
    // Missing is the least number: one less than that is the largest of all.
    times.iter().fold(i64::MIN, |latest, &time| latest.max(time.wrapping_sub(1))).saturating_add(1)
}
