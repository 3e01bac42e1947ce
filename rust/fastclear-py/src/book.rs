//! The order book: commands in as borrowed columns, events out as fresh ones. Calls hold the interpreter.

use fastclear_core::book::Everybody;
use fastclear_core::book::{
    ALL_OR_NONE, Caller, Charges, Commands, Door, Event, Events, GateError, IdTexts, Kind, Level, NO_GATE, NO_PRICE,
    NO_SIDE, NOWHERE, NULL, OFF_GRID, Op, OrderBook, POST_ONLY, Peg, Phase, Record, Rules, SLIDE, SMALL_MAX, SelfTrade,
    SessionError, Single, Tif, Want, has_door,
};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt};

use crate::book_door::{self, LimitColumns};
use crate::columns::IntegerColumn;
use crate::errors::Exception;

/// Adds this file's classes and constants to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyOrderBook>()?;
    m.add_class::<PyEvents>()?;
    m.add("BOOK_NULL", NULL)?;
    m.add("BOOK_OFF_GRID", OFF_GRID)?;
    m.add("BOOK_FLAGS", vec![("post_only", POST_ONLY), ("slide", SLIDE), ("all_or_none", ALL_OR_NONE)])?;
    m.add("BOOK_PEGS", Peg::ALL.map(|peg| (peg as u8, peg.name())).to_vec())?;
    m.add("BOOK_PHASES", Phase::ALL.map(Phase::name).to_vec())?;
    m.add("BOOK_OPS", Op::ALL.map(Op::name).to_vec())?;
    m.add("BOOK_TIFS", Tif::ALL.map(Tif::name).to_vec())?;
    m.add("BOOK_KINDS", Kind::ALL.map(|kind| (kind as u8, kind.name())).to_vec())?;
    m.add("BOOK_SELF_TRADE", SelfTrade::ALL.map(SelfTrade::name).to_vec())?;
    Ok(())
}

type Bytes<'py> = Option<PyReadonlyArray1<'py, u8>>;
type Wide<'py> = Option<PyReadonlyArray1<'py, i64>>;

fn bytes<'a>(column: &'a Bytes<'_>) -> PyResult<Option<&'a [u8]>> {
    column.as_ref().map(|column| Ok(column.as_slice()?)).transpose()
}

fn wide<'a>(column: &'a Wide<'_>) -> PyResult<Option<&'a [i64]>> {
    column.as_ref().map(|column| Ok(column.as_slice()?)).transpose()
}

/// An integer that is no truth value, and not what stands for a null.
#[derive(Clone, Copy, Debug)]
struct Whole(i64);

impl<'py> FromPyObject<'_, 'py> for Whole {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if !object.is_exact_instance_of::<PyInt>() && object.is_instance_of::<PyBool>() {
            return Err(PyTypeError::new_err("a truth value is no integer"));
        }
        match object.extract() {
            Ok(NULL | OFF_GRID) => Err(PyTypeError::new_err("the least integers of 64 bits stand for something else")),
            other => other.map(Self),
        }
    }
}

/// See `fastclear.OrderBook`.
#[pyclass(module = "fastclear._core", name = "OrderBook")]
pub struct PyOrderBook {
    book: OrderBook,
    /// Of a book whose trades are settled, or whose participants are covered; any other lets everybody in.
    door: Option<Box<Door>>,
}

impl PyOrderBook {
    fn obey(&mut self, commands: &Commands<'_>, want: Want) -> PyResult<(Events, Option<Record>)> {
        let obeyed = match &mut self.door {
            None => self.book.apply(commands, want).map(|events| (events, None)),
            Some(door) => self
                .book
                .apply_admitted(commands, want, door.as_mut())
                .map(|events| (events, Some(door.take_record(commands.time)))),
        };
        obeyed.map_err(|error| Exception::Schema.with(error.to_string()))
    }

    /// The door, which a book gets only while it has seen no order.
    fn door(&mut self) -> PyResult<&mut Door> {
        if self.door.is_none() && (!self.book.is_empty() || self.book.next_seq() > 0) {
            return Err(Exception::Schema
                .with("this book does not know whose its orders are; make it with fc.OrderBook(settles=True)"));
        }
        Ok(self.door.get_or_insert_default())
    }
}

/// When a market changes its phase, and when it closes.
struct Day {
    market: i64,
    phases: Vec<(i64, Phase)>,
    gate: Option<i64>,
}

fn session_error(market: i64, error: &dyn std::fmt::Display) -> PyErr {
    Exception::Schema.with(format!("market {market}: {error}"))
}

/// A saved book, its units, and of markets, orders and participants the texts of ids: none if they are not text.
type Restored = (PyOrderBook, Option<[String; 3]>, [Option<bool>; 3], [Vec<String>; 3]);

/// Price and lots.
type BestLevel = Option<(i64, u64)>;

/// Price, lots and orders, column by column.
type Levels<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

fn levels<'py>(py: Python<'py>, levels: &[Level]) -> Levels<'py> {
    let column = |value: fn(&Level) -> i64| levels.iter().map(value).collect::<Vec<_>>().into_pyarray(py);
    (column(|level| level.price), column(|level| level.quantity as i64), column(|level| level.orders as i64))
}

#[pymethods]
impl PyOrderBook {
    #[new]
    #[pyo3(signature = (self_trade, erase_after_trade, small_max=None, settles=false))]
    fn new(self_trade: &str, erase_after_trade: bool, small_max: Option<usize>, settles: bool) -> PyResult<Self> {
        let self_trade = SelfTrade::ALL
            .into_iter()
            .find(|rule| rule.name() == self_trade)
            .ok_or_else(|| PyValueError::new_err(format!("self_trade={self_trade:?} is no rule")))?;
        let rules = Rules { self_trade, erase_after_trade, ..Rules::default() };
        let small_max = small_max.unwrap_or(rules.small_max);
        let door = settles.then(Box::default);
        Ok(Self { book: OrderBook::new(Rules { small_max, ..rules }), door })
    }

    /// Obeys commands in the order of rows.
    #[pyo3(signature = (rows, op, market, order, participant, side, is_market_order, tif, price, quantity, expires, flags, display, min_quantity, stop, peg, offset, phase, time, trades_only))]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn apply(
        slf: &Bound<'_, Self>,
        rows: usize,
        op: Bytes<'_>,
        market: Wide<'_>,
        order: Wide<'_>,
        participant: Wide<'_>,
        side: Bytes<'_>,
        is_market_order: Bytes<'_>,
        tif: Bytes<'_>,
        price: Option<IntegerColumn<'_>>,
        quantity: Option<IntegerColumn<'_>>,
        expires: Wide<'_>,
        flags: Bytes<'_>,
        display: Option<IntegerColumn<'_>>,
        min_quantity: Option<IntegerColumn<'_>>,
        stop: Option<IntegerColumn<'_>>,
        peg: Bytes<'_>,
        offset: Option<IntegerColumn<'_>>,
        phase: Bytes<'_>,
        time: Wide<'_>,
        trades_only: bool,
    ) -> PyResult<PyEvents> {
        let commands = Commands {
            rows,
            op: bytes(&op)?,
            market: wide(&market)?,
            order: wide(&order)?,
            participant: wide(&participant)?,
            side: bytes(&side)?,
            is_market_order: bytes(&is_market_order)?,
            tif: bytes(&tif)?,
            price: price.as_ref().map(IntegerColumn::integers).transpose()?,
            quantity: quantity.as_ref().map(IntegerColumn::integers).transpose()?,
            expires: wide(&expires)?,
            flags: bytes(&flags)?,
            display: display.as_ref().map(IntegerColumn::integers).transpose()?,
            min_quantity: min_quantity.as_ref().map(IntegerColumn::integers).transpose()?,
            stop: stop.as_ref().map(IntegerColumn::integers).transpose()?,
            peg: bytes(&peg)?,
            offset: offset.as_ref().map(IntegerColumn::integers).transpose()?,
            phase: bytes(&phase)?,
            time: wide(&time)?,
        };
        let want = if trades_only { Want::Trades } else { Want::Events };
        let (events, record) = slf.try_borrow_mut()?.obey(&commands, want)?;
        Ok(PyEvents { book: slf.clone().unbind(), events, record })
    }

    /// Lets agents act, in an order drawn by lot: events, and what came of it by row, by market and by agent.
    #[pyo3(signature = (rows, market, participant, side, is_market_order, tif, price, quantity, expires, flags, seed, replaces))]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    #[expect(clippy::type_complexity, reason = "events and three mappings of columns")]
    fn step<'py>(
        slf: &Bound<'py, Self>,
        rows: usize,
        market: Wide<'_>,
        participant: Wide<'_>,
        side: Bytes<'_>,
        is_market_order: Bytes<'_>,
        tif: Bytes<'_>,
        price: Option<IntegerColumn<'_>>,
        quantity: Option<IntegerColumn<'_>>,
        expires: Wide<'_>,
        flags: Bytes<'_>,
        seed: u64,
        replaces: bool,
    ) -> PyResult<(PyEvents, Bound<'py, PyDict>, Bound<'py, PyDict>, Bound<'py, PyDict>)> {
        let actions = Commands {
            rows,
            market: wide(&market)?,
            participant: wide(&participant)?,
            side: bytes(&side)?,
            is_market_order: bytes(&is_market_order)?,
            tif: bytes(&tif)?,
            price: price.as_ref().map(IntegerColumn::integers).transpose()?,
            quantity: quantity.as_ref().map(IntegerColumn::integers).transpose()?,
            expires: wide(&expires)?,
            flags: bytes(&flags)?,
            ..Commands::default()
        };
        let mut own = slf.try_borrow_mut()?;
        own.door()?;
        let Self { book, door } = &mut *own;
        let door = door.get_or_insert_default();
        let mut step =
            book.step(&actions, seed, replaces, door).map_err(|error| Exception::Schema.with(error.to_string()))?;
        drop(own);
        let [acted, seen, agents] = book_door::stepped(slf.py(), &step)?;
        let (events, record) = (std::mem::take(&mut step.events), std::mem::take(&mut step.record));
        Ok((PyEvents { book: slf.clone().unbind(), events, record: Some(record) }, acted, seen, agents))
    }

    /// Sets what participants may have at stake, on offer and as a position; null is no limit.
    #[pyo3(signature = (participant, market, money, energy, position, fee, tax_ppm, settled))]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_cover(
        &mut self,
        participant: PyReadonlyArray1<'_, i64>,
        market: PyReadonlyArray1<'_, i64>,
        money: PyReadonlyArray1<'_, i64>,
        energy: PyReadonlyArray1<'_, i64>,
        position: PyReadonlyArray1<'_, i64>,
        fee: i64,
        tax_ppm: u32,
        settled: bool,
    ) -> PyResult<()> {
        let columns = LimitColumns {
            participant: participant.as_slice()?,
            market: market.as_slice()?,
            money: money.as_slice()?,
            energy: energy.as_slice()?,
            position: position.as_slice()?,
        };
        let rows = columns.participant.len();
        if [columns.market, columns.money, columns.energy, columns.position].iter().any(|column| column.len() != rows) {
            return Err(Exception::Schema.with("columns of a cover differ in length; give one cell a participant"));
        }
        book_door::set_cover(self.door()?, &columns, Charges { fee, tax_ppm }, settled);
        Ok(())
    }

    /// Money by participant and lots by participant and market; None without a cover.
    fn cover<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyDict>, Bound<'py, PyDict>)>> {
        let cover = self.door.as_ref().and_then(|door| door.cover());
        cover.map(|cover| book_door::cover(py, cover)).transpose()
    }

    /// Whether the book knows whose its orders are.
    #[getter]
    fn settles(&self) -> bool {
        self.door.is_some()
    }

    /// One new order: its id, its reject code, lots that traded, and lots that rest.
    #[pyo3(signature = (buys, price, quantity, market=Whole(0), participant=None, order=None, tif=0))]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    fn place(
        &mut self,
        buys: bool,
        price: Option<Whole>,
        quantity: Whole,
        market: Whole,
        participant: Option<Whole>,
        order: Option<Whole>,
        tif: u8,
    ) -> PyResult<(i64, u16, u64, u32)> {
        let [gtc, ioc, fok, _] = Tif::ALL;
        let tif = *[gtc, ioc, fok]
            .get(usize::from(tif))
            .ok_or_else(|| Exception::Schema.with(format!("tif={tif} is none; give 0 (gtc), 1 (ioc) or 2 (fok)")))?;
        let single = Single {
            market: market.0,
            order: order.map(|order| order.0),
            participant: participant.map(|participant| participant.0),
            side: u8::from(buys),
            price: price.map(|price| price.0),
            quantity: quantity.0,
            tif,
        };
        let placed = match &mut self.door {
            None => self.book.place(&single),
            Some(door) => {
                let placed = self.book.place_admitted(&single, door.as_mut());
                door.stamp(None); // its record comes with that of the next call that returns events
                placed
            }
        };
        Ok((placed.order, placed.reject, placed.traded, placed.open))
    }

    /// Lets time go by.
    fn advance(slf: &Bound<'_, Self>, now: i64) -> PyResult<PyEvents> {
        let mut own = slf.try_borrow_mut()?;
        let Self { book, door } = &mut *own;
        let (events, record) = match door {
            None => (book.advance(now, &mut Everybody), None),
            Some(door) => {
                let events = book.advance(now, door.as_mut());
                (events, Some(door.take_record(None)))
            }
        };
        drop(own);
        Ok(PyEvents { book: slf.clone().unbind(), events, record })
    }

    /// Sets when markets close: all of them or, where one cannot be set, none.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_gates(&mut self, market: PyReadonlyArray1<'_, i64>, gate: PyReadonlyArray1<'_, i64>) -> PyResult<()> {
        let (market, gate) = (market.as_slice()?, gate.as_slice()?);
        if market.len() != gate.len() {
            return Err(Exception::Schema.with("'market' and 'gate' have different lengths; give one gate a market"));
        }
        let refused = |row: usize, error: GateError| {
            Exception::Schema.with(format!("column 'gate', row {row}: market {}: {error}", market[row]))
        };
        for (row, (&market, &gate)) in market.iter().zip(gate).enumerate() {
            self.book.check_gate(market, gate).map_err(|error| refused(row, error))?;
        }
        for (row, (&market, &gate)) in market.iter().zip(gate).enumerate() {
            self.book.set_gate(market, gate).map_err(|error| refused(row, error))?;
        }
        Ok(())
    }

    /// Sets when markets change their phases, rows of one market side by side; the number behind the last phase closes
    /// it. All of them or, where one cannot be set, none.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_phases(
        &mut self,
        market: PyReadonlyArray1<'_, i64>,
        time: PyReadonlyArray1<'_, i64>,
        phase: PyReadonlyArray1<'_, u8>,
    ) -> PyResult<()> {
        let (market, time, phase) = (market.as_slice()?, time.as_slice()?, phase.as_slice()?);
        if market.len() != time.len() || market.len() != phase.len() {
            return Err(Exception::Schema.with("'market', 'time' and 'phase' have different lengths"));
        }
        let mut days: Vec<Day> = Vec::new();
        for (row, &id) in market.iter().enumerate() {
            if row == 0 || market[row - 1] != id {
                days.push(Day { market: id, phases: Vec::new(), gate: None });
            }
            let Some(day) = days.last_mut() else { continue };
            match Phase::ALL.get(usize::from(phase[row])) {
                _ if day.gate.is_some() => return Err(session_error(id, &"nothing comes after its end")),
                Some(&phase) => day.phases.push((time[row], phase)),
                None => day.gate = Some(time[row]),
            }
        }
        for day in &days {
            self.book.check_phases(day.market, &day.phases).map_err(|error| session_error(day.market, &error))?;
            let last = day.phases.last().map_or(i64::MIN, |&(at, _)| at);
            if let Some(gate) = day.gate {
                self.book.check_gate(day.market, gate).map_err(|error| session_error(day.market, &error))?;
                if gate <= last {
                    return Err(session_error(day.market, &SessionError::Unordered { at: gate }));
                }
            }
        }
        for day in &days {
            self.book.set_phases(day.market, &day.phases).map_err(|error| session_error(day.market, &error))?;
            if let Some(gate) = day.gate {
                self.book.set_gate(day.market, gate).map_err(|error| session_error(day.market, &error))?;
            }
        }
        Ok(())
    }

    /// Sets the prices at which orders of a market are taken.
    fn set_collar(&mut self, market: i64, low: Option<i64>, high: Option<i64>) -> PyResult<()> {
        self.book.set_collar(market, low, high).map_err(|error| session_error(market, &error))
    }

    /// Sets how far a market may trade from its reference, and how long it pauses.
    fn set_breaker(&mut self, market: i64, breaker: Option<(i64, i64)>) -> PyResult<()> {
        self.book.set_breaker(market, breaker).map_err(|error| session_error(market, &error))
    }

    /// Price, volume and imbalance of the call as it stands.
    fn indicative(&mut self, market: i64) -> Option<(i64, u64, i64)> {
        self.book.indicative(market).map(|call| (call.price, call.volume, call.imbalance))
    }

    /// What a market does now; None if it has closed.
    fn phase(&self, market: i64) -> Option<&'static str> {
        self.book.phase(market).map(Phase::name)
    }

    /// Prices of a side, best first.
    fn depth<'py>(&mut self, py: Python<'py>, market: i64, side: u8, most: usize) -> Levels<'py> {
        levels(py, &self.book.depth(market, side, most))
    }

    /// Best prices of all markets, one fresh column a field; null where a side is empty.
    fn level1<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        crate::book_data::quotes(py, self.book.quotes())
    }

    /// Prices of all markets with their lots, one fresh column a field.
    fn level2<'py>(&mut self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyDict>> {
        crate::book_data::depths(py, self.book.depths(most))
    }

    /// Price and lots of the best bid and of the best ask.
    fn best(&mut self, market: i64) -> (BestLevel, BestLevel) {
        let mut best = |side| self.book.best(market, side).map(|level| (level.price, level.quantity));
        (best(1), best(0))
    }

    /// What rests, one fresh column a field.
    fn snapshot<'py>(&mut self, py: Python<'py>, market: Option<i64>) -> PyResult<Bound<'py, PyDict>> {
        crate::book_data::snapshot(py, self.book.snapshot(market))
    }

    /// Market, gate, halted, closed, one fresh column each; no gate is null.
    fn markets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let states = self.book.market_states();
        let columns = PyDict::new(py);
        let gate = |gate: i64| if gate == NO_GATE { NULL } else { gate };
        columns.set_item("market", states.iter().map(|row| row.market).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("gate", states.iter().map(|row| gate(row.gate)).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("halted", states.iter().map(|row| row.halted).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("closed", states.iter().map(|row| row.closed).collect::<Vec<_>>().into_pyarray(py))?;
        Ok(columns)
    }

    /// The latest time that the book has seen; None before the first.
    #[getter]
    fn clock(&self) -> Option<i64> {
        Some(self.book.clock()).filter(|&clock| clock != i64::MIN)
    }

    #[getter]
    fn next_seq(&self) -> u64 {
        self.book.next_seq()
    }

    fn __len__(&self) -> usize {
        self.book.len()
    }

    /// A book of its own in the same state.
    fn copy(&self) -> Self {
        Self { book: self.book.clone(), door: self.door.clone() }
    }

    /// The whole state as bytes. `are_texts` says of ids of markets, orders and participants whether they are text, and
    /// `texts` which; None where none came yet.
    fn save<'py>(
        &mut self,
        py: Python<'py>,
        units: Option<[String; 3]>,
        are_texts: [Option<bool>; 3],
        texts: [Vec<String>; 3],
    ) -> Bound<'py, PyBytes> {
        let mut caller = Caller { units, ..Caller::default() };
        for ((ids, is_text), texts) in caller.ids.iter_mut().zip(are_texts).zip(texts) {
            *ids = match is_text {
                None => IdTexts::Unknown,
                Some(false) => IdTexts::Integers,
                Some(true) => IdTexts::Texts(texts),
            };
        }
        let mut state = self.book.save(&caller);
        if let Some(door) = &self.door {
            state = door.save(&state);
        }
        PyBytes::new(py, &state)
    }

    /// The book that `save` wrote, and what it was given beside it.
    #[staticmethod]
    #[pyo3(signature = (state, small_max=None))]
    fn restore(state: &[u8], small_max: Option<usize>) -> PyResult<Restored> {
        let small_max = small_max.unwrap_or(SMALL_MAX);
        let loaded = if has_door(state) {
            Door::load(state, small_max).map(|(book, caller, door)| (book, caller, Some(Box::new(door))))
        } else {
            OrderBook::load(state, small_max).map(|(book, caller)| (book, caller, None))
        };
        let (book, caller, door) = loaded
            .map_err(|fault| Exception::Schema.with(format!("this state of an order book cannot be read: {fault}")))?;
        let (mut are_texts, mut texts) = ([None; 3], [const { Vec::new() }; 3]);
        for ((ids, is_text), known) in caller.ids.into_iter().zip(&mut are_texts).zip(&mut texts) {
            *is_text = match ids {
                IdTexts::Unknown => None,
                IdTexts::Integers => Some(false),
                IdTexts::Texts(texts) => {
                    *known = texts;
                    Some(true)
                }
            };
        }
        Ok((Self { book, door }, caller.units, are_texts, texts))
    }
}

/// The events of one call, which become columns when they are asked for.
#[pyclass(frozen, module = "fastclear._core", name = "Events")]
pub struct PyEvents {
    /// Whose list of markets the events count in; it only ever grows.
    book: Py<PyOrderBook>,
    pub(crate) events: Events,
    /// What the call was about, of a book that knows whose its orders are.
    record: Option<Record>,
}

impl PyEvents {
    /// Market ids by the places that events name.
    pub(crate) fn markets(&self, py: Python<'_>) -> PyResult<Vec<i64>> {
        Ok(self.book.try_borrow(py)?.book.market_ids().collect())
    }

    fn column<'py, T: numpy::Element>(
        &self,
        py: Python<'py>,
        trades: bool,
        value: impl Fn(&Event) -> T,
    ) -> Bound<'py, PyAny> {
        let rows = self.events.rows.iter().filter(|event| !trades || event.kind == Kind::Trade);
        rows.map(value).collect::<Vec<T>>().into_pyarray(py).into_any()
    }
}

#[pymethods]
impl PyEvents {
    /// A fresh column, of the trades alone if they are asked for.
    fn get<'py>(&self, py: Python<'py>, name: &str, trades: bool) -> PyResult<Bound<'py, PyAny>> {
        let wide = |value: fn(&Event) -> i64| self.column(py, trades, value);
        Ok(match name {
            "command" => wide(|event| if event.command == NOWHERE { NULL } else { i64::from(event.command) }),
            "market" => {
                let ids = self.markets(py)?;
                self.column(py, trades, |event| ids.get(event.market as usize).copied().unwrap_or(NULL))
            }
            "order" => wide(|event| event.order),
            "counter_order" => wide(|event| event.counter),
            "buy_order" => wide(|event| if event.side == 1 { event.order } else { event.counter }),
            "sell_order" => wide(|event| if event.side == 1 { event.counter } else { event.order }),
            "price" => wide(|event| if event.price == NO_PRICE { NULL } else { i64::from(event.price) }),
            "quantity" => wide(|event| i64::from(event.quantity)),
            "remaining" => wide(|event| i64::from(event.remaining)),
            "kind" => self.column(py, trades, |event| event.kind as u8),
            "reject" => self.column(py, trades, |event| event.reject),
            "side" => self.column(py, trades, |event| if event.side == NO_SIDE { 255 } else { event.side }),
            _ => return Err(PyKeyError::new_err(name.to_owned())),
        })
    }

    /// Orders and trades, for who settles; None of a book that does not know whose its orders are.
    fn record<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyDict>, Bound<'py, PyDict>)>> {
        self.record.as_ref().map(|record| book_door::record(py, record)).transpose()
    }

    /// Number of the first event of the call.
    #[getter]
    fn first_seq(&self) -> u64 {
        self.events.first_seq
    }

    /// How many events the call had, kept or not.
    #[getter]
    fn count(&self) -> u64 {
        self.events.count
    }

    /// How many trades.
    #[getter]
    fn trades(&self) -> usize {
        self.events.trades().count()
    }

    /// How many events are kept.
    fn __len__(&self) -> usize {
        self.events.rows.len()
    }
}
