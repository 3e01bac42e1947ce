//! The order book: commands in as borrowed columns, events out as fresh ones. Calls hold the interpreter.

use fastclear_core::book::Everybody;
use fastclear_core::book::{
    ALL_OR_NONE, Caller, Commands, Event, Events, GateError, IdTexts, Kind, Level, NO_GATE, NO_PRICE, NO_SIDE, NOWHERE,
    NULL, OFF_GRID, Op, OrderBook, POST_ONLY, Peg, Phase, Rules, SLIDE, SMALL_MAX, SelfTrade, SessionError, Tif, Want,
};
use fastclear_core::order::Integers;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

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

/// See `fastclear.OrderBook`.
#[pyclass(module = "fastclear._core", name = "OrderBook")]
pub struct PyOrderBook {
    book: OrderBook,
}

/// A saved book, its units, and of markets, orders and participants the texts of ids: none if they are not text.
type Restored = (PyOrderBook, Option<[String; 3]>, [Option<bool>; 3], [Vec<String>; 3]);

/// When a market changes its phase, and when it closes.
struct Day {
    market: i64,
    phases: Vec<(i64, Phase)>,
    gate: Option<i64>,
}

fn session_error(market: i64, error: &dyn std::fmt::Display) -> PyErr {
    Exception::Schema.with(format!("market {market}: {error}"))
}

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
    #[pyo3(signature = (self_trade, erase_after_trade, small_max=None))]
    fn new(self_trade: &str, erase_after_trade: bool, small_max: Option<usize>) -> PyResult<Self> {
        let self_trade = SelfTrade::ALL
            .into_iter()
            .find(|rule| rule.name() == self_trade)
            .ok_or_else(|| PyValueError::new_err(format!("self_trade={self_trade:?} is no rule")))?;
        let rules = Rules { self_trade, erase_after_trade, ..Rules::default() };
        let small_max = small_max.unwrap_or(rules.small_max);
        Ok(Self { book: OrderBook::new(Rules { small_max, ..rules }) })
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
        let events = slf
            .try_borrow_mut()?
            .book
            .apply(&commands, want)
            .map_err(|error| Exception::Schema.with(error.to_string()))?;
        Ok(PyEvents { book: slf.clone().unbind(), events })
    }

    /// One new order: its id, its reject code, lots that traded, and lots that rest.
    #[pyo3(signature = (buys, price, quantity, market, participant, order, tif))]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    fn place(
        &mut self,
        buys: bool,
        price: Option<i64>,
        quantity: i64,
        market: i64,
        participant: Option<i64>,
        order: Option<i64>,
        tif: u8,
    ) -> PyResult<(i64, u16, u64, u32)> {
        let commands = Commands {
            rows: 1,
            market: Some(&[market]),
            order: order.as_ref().map(std::slice::from_ref),
            participant: participant.as_ref().map(std::slice::from_ref),
            side: Some(&[u8::from(buys)]),
            is_market_order: Some(&[u8::from(price.is_none())]),
            tif: Some(&[tif]),
            price: Some(Integers::Wide(&[price.unwrap_or(NULL)])),
            quantity: Some(Integers::Wide(&[quantity])),
            ..Commands::default()
        };
        let events =
            self.book.apply(&commands, Want::Events).map_err(|error| Exception::Schema.with(error.to_string()))?;
        let first = events.rows.first().copied();
        let (order, reject) = first.map_or((NULL, 0), |event| (event.order, event.reject));
        let traded = events.trades().map(|event| u64::from(event.quantity)).sum();
        let own = events.rows.iter().rev().find(|event| event.order == order);
        Ok((order, reject, traded, own.map_or(0, |event| event.remaining)))
    }

    /// Lets time go by.
    fn advance(slf: &Bound<'_, Self>, now: i64) -> PyResult<PyEvents> {
        let events = slf.try_borrow_mut()?.book.advance(now, &mut Everybody);
        Ok(PyEvents { book: slf.clone().unbind(), events })
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
        Self { book: self.book.clone() }
    }

    /// The whole state as bytes. `are_texts` says of ids of markets, orders and participants whether they are text, and
    /// `texts` which; None where none came yet.
    fn save<'py>(
        &mut self,
        py: Python<'py>,
        units: Option<[String; 3]>,
        are_texts: [Option<bool>; 3],
        texts: [Vec<String>; 3],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut caller = Caller { units, ..Caller::default() };
        for ((ids, is_text), texts) in caller.ids.iter_mut().zip(are_texts).zip(texts) {
            *ids = match is_text {
                None => IdTexts::Unknown,
                Some(false) => IdTexts::Integers,
                Some(true) => IdTexts::Texts(texts),
            };
        }
        let state = self.book.save(&caller).map_err(|error| Exception::Schema.with(error.to_string()))?;
        Ok(PyBytes::new(py, &state))
    }

    /// The book that `save` wrote, and what it was given beside it.
    #[staticmethod]
    #[pyo3(signature = (state, small_max=None))]
    fn restore(state: &[u8], small_max: Option<usize>) -> PyResult<Restored> {
        let (book, caller) = OrderBook::load(state, small_max.unwrap_or(SMALL_MAX))
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
        Ok((Self { book }, caller.units, are_texts, texts))
    }
}

/// The events of one call, which become columns when they are asked for.
#[pyclass(frozen, module = "fastclear._core", name = "Events")]
pub struct PyEvents {
    /// Whose list of markets the events count in; it only ever grows.
    book: Py<PyOrderBook>,
    pub(crate) events: Events,
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
