//! The order book: commands in as borrowed columns, events out as fresh ones. Calls hold the interpreter.

use fastclear_core::book::Everybody;
use fastclear_core::book::{
    ALL_OR_NONE, Commands, Event, Events, GateError, Kind, Level, NO_GATE, NO_PRICE, NO_SIDE, NOWHERE, NULL, OFF_GRID,
    Op, OrderBook, POST_ONLY, Peg, Phase, Rules, SLIDE, SelfTrade, Tif, Want,
};
use fastclear_core::order::Integers;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

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

    /// Prices of a side, best first.
    fn depth<'py>(&mut self, py: Python<'py>, market: i64, side: u8, most: usize) -> Levels<'py> {
        levels(py, &self.book.depth(market, side, most))
    }

    /// Price and lots of the best bid and of the best ask.
    fn best(&mut self, market: i64) -> (BestLevel, BestLevel) {
        let mut best = |side| self.book.best(market, side).map(|level| (level.price, level.quantity));
        (best(1), best(0))
    }

    /// What rests, one fresh column a field.
    fn snapshot<'py>(&mut self, py: Python<'py>, market: Option<i64>) -> PyResult<Bound<'py, PyDict>> {
        let rows = self.book.snapshot(market);
        let columns = PyDict::new(py);
        columns.set_item("market", rows.market.into_pyarray(py))?;
        columns.set_item("order", rows.order.into_pyarray(py))?;
        columns.set_item("participant", rows.participant.into_pyarray(py))?;
        columns.set_item("side", rows.side.into_pyarray(py))?;
        columns.set_item("price", rows.price.into_pyarray(py))?;
        columns.set_item("quantity", rows.quantity.into_pyarray(py))?;
        columns.set_item("shown", rows.shown.into_pyarray(py))?;
        columns.set_item("display", rows.display.into_pyarray(py))?;
        columns.set_item("min_quantity", rows.min_quantity.into_pyarray(py))?;
        columns.set_item("stop", rows.stop.into_pyarray(py))?;
        columns.set_item("peg", rows.peg.into_pyarray(py))?;
        columns.set_item("offset", rows.offset.into_pyarray(py))?;
        columns.set_item("limit", rows.limit.into_pyarray(py))?;
        columns.set_item("tif", rows.tif.into_pyarray(py))?;
        columns.set_item("is_market_order", rows.is_market_order.into_pyarray(py))?;
        columns.set_item("expires", rows.expires.into_pyarray(py))?;
        Ok(columns)
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
}

/// The events of one call, which become columns when they are asked for.
#[pyclass(frozen, module = "fastclear._core", name = "Events")]
pub struct PyEvents {
    /// Whose list of markets the events count in; it only ever grows.
    book: Py<PyOrderBook>,
    events: Events,
}

impl PyEvents {
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
                let book = self.book.try_borrow(py)?;
                let ids: Vec<i64> = book.book.market_ids().collect();
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
