//! Market data of an order book: columns of its levels, and a book that is followed by its events.

use fastclear_core::book::{
    Depths, Event, Followed, Kind, Level, MarketState, NO_GATE, NO_PRICE, NO_SIDE, NOWHERE, NULL, Quotes, Replica,
    Snapshot,
};
use fastclear_core::book::{ReplicaError, Update};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::events::PyEvents;
use crate::errors::Exception;

/// Best prices as columns.
pub fn quotes(py: Python<'_>, rows: Quotes) -> PyResult<Bound<'_, PyDict>> {
    let columns = PyDict::new(py);
    let ([ask, bid], [ask_quantity, bid_quantity]) = (rows.price, rows.quantity);
    columns.set_item("market", rows.market.into_pyarray(py))?;
    columns.set_item("bid", bid.into_pyarray(py))?;
    columns.set_item("bid_quantity", bid_quantity.into_pyarray(py))?;
    columns.set_item("ask", ask.into_pyarray(py))?;
    columns.set_item("ask_quantity", ask_quantity.into_pyarray(py))?;
    Ok(columns)
}

/// Prices with their lots as columns.
pub fn depths(py: Python<'_>, rows: Depths) -> PyResult<Bound<'_, PyDict>> {
    let columns = PyDict::new(py);
    columns.set_item("market", rows.market.into_pyarray(py))?;
    columns.set_item("side", rows.side.into_pyarray(py))?;
    columns.set_item("level", rows.level.into_pyarray(py))?;
    columns.set_item("price", rows.price.into_pyarray(py))?;
    columns.set_item("quantity", rows.quantity.into_pyarray(py))?;
    columns.set_item("orders", rows.orders.into_pyarray(py))?;
    Ok(columns)
}

/// Price, lots and orders, column by column.
pub type Levels<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

/// Prices of a side as columns.
pub fn levels<'py>(py: Python<'py>, levels: &[Level]) -> Levels<'py> {
    let column = |value: fn(&Level) -> i64| levels.iter().map(value).collect::<Vec<_>>().into_pyarray(py);
    (column(|level| level.price), column(|level| level.quantity as i64), column(|level| level.orders as i64))
}

/// Market, gate, halted, closed; no gate is null.
pub fn markets<'py>(py: Python<'py>, states: &[MarketState]) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    let gate = |gate: i64| if gate == NO_GATE { NULL } else { gate };
    columns.set_item("market", states.iter().map(|row| row.market).collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("gate", states.iter().map(|row| gate(row.gate)).collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("halted", states.iter().map(|row| row.halted).collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("closed", states.iter().map(|row| row.closed).collect::<Vec<_>>().into_pyarray(py))?;
    Ok(columns)
}

/// What rests as columns.
pub fn snapshot(py: Python<'_>, rows: Snapshot) -> PyResult<Bound<'_, PyDict>> {
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

fn updates<'py>(py: Python<'py>, rows: &[Update]) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    let wide = |value: fn(&Update) -> i64| rows.iter().map(value).collect::<Vec<_>>().into_pyarray(py);
    let seq: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    let side: Vec<u8> = rows.iter().map(|row| row.side).collect();
    columns.set_item("seq", seq.into_pyarray(py))?;
    columns.set_item("market", wide(|row| row.market))?;
    columns.set_item("side", side.into_pyarray(py))?;
    columns.set_item("price", wide(|row| row.price))?;
    columns.set_item("quantity", wide(|row| row.quantity as i64))?;
    columns.set_item("orders", wide(|row| row.orders as i64))?;
    Ok(columns)
}

fn refused(error: ReplicaError) -> PyErr {
    Exception::Schema.with(error.to_string())
}

type Wide<'py> = PyReadonlyArray1<'py, i64>;
type Narrow<'py> = PyReadonlyArray1<'py, u8>;

/// See `fastclear.BookView`.
#[pyclass(module = "fastclear._core", name = "BookView")]
pub struct PyBookView {
    replica: Replica,
}

#[pymethods]
impl PyBookView {
    /// What rests before the event `next_seq`, and markets, some of which may have no orders.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn new(
        next_seq: u64,
        markets: Wide<'_>,
        market: Wide<'_>,
        order: Wide<'_>,
        side: Narrow<'_>,
        price: Wide<'_>,
        quantity: Wide<'_>,
        shown: Wide<'_>,
    ) -> PyResult<Self> {
        let rows = Snapshot {
            market: market.as_slice()?.to_vec(),
            order: order.as_slice()?.to_vec(),
            side: side.as_slice()?.to_vec(),
            price: price.as_slice()?.to_vec(),
            quantity: quantity.as_slice()?.to_vec(),
            shown: shown.as_slice()?.to_vec(),
            ..Snapshot::default()
        };
        let n = rows.order.len();
        let lengths = [rows.market.len(), rows.side.len(), rows.price.len(), rows.quantity.len(), rows.shown.len()];
        if lengths != [n; 5] {
            return Err(Exception::Schema.with("the columns of the snapshot have different lengths"));
        }
        let replica = Replica::new(&rows, markets.as_slice()?, next_seq).map_err(refused)?;
        Ok(Self { replica })
    }

    /// Takes in the events of a call; gives the levels that changed.
    fn follow<'py>(&mut self, py: Python<'py>, events: &PyEvents) -> PyResult<Bound<'py, PyDict>> {
        let markets = events.book(py)?;
        let market = |event: &Event| markets.book.market_id(event.market).unwrap_or(NULL);
        let rows = events.events.rows.iter().map(|event| Followed { market: market(event), event: *event });
        updates(py, &self.replica.follow(events.events.first_seq, rows).map_err(refused)?)
    }

    /// Takes in events as columns; gives the levels that changed. What no event can say is read as what it cannot be.
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn follow_columns<'py>(
        &mut self,
        py: Python<'py>,
        first_seq: u64,
        command: Wide<'py>,
        kind: Narrow<'py>,
        market: Wide<'py>,
        order: Wide<'py>,
        counter_order: Wide<'py>,
        side: Narrow<'py>,
        price: Wide<'py>,
        quantity: Wide<'py>,
        remaining: Wide<'py>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (kind, side) = (kind.as_slice()?, side.as_slice()?);
        let [command, market, order, counter, price, quantity, remaining] = [
            command.as_slice()?,
            market.as_slice()?,
            order.as_slice()?,
            counter_order.as_slice()?,
            price.as_slice()?,
            quantity.as_slice()?,
            remaining.as_slice()?,
        ];
        let n = kind.len();
        let wide = [command, market, order, counter, price, quantity, remaining];
        if side.len() != n || wide.iter().any(|column| column.len() != n) {
            return Err(Exception::Schema.with("the columns of the events have different lengths"));
        }
        let kinds: Vec<Kind> = kind
            .iter()
            .map(|&code| Kind::ALL.into_iter().find(|kind| *kind as u8 == code))
            .collect::<Option<_>>()
            .ok_or_else(|| Exception::Schema.with("column 'kind' holds what is no kind of event"))?;
        let rows = (0..n).map(|row| Followed {
            market: market[row],
            event: Event {
                order: order[row],
                counter: counter[row],
                price: i32::try_from(price[row]).unwrap_or(NO_PRICE),
                quantity: u32::try_from(quantity[row]).unwrap_or(u32::MAX),
                remaining: u32::try_from(remaining[row]).unwrap_or(u32::MAX),
                command: u32::try_from(command[row]).unwrap_or(NOWHERE),
                market: NOWHERE,
                reject: 0,
                kind: kinds[row],
                side: if side[row] > 1 { NO_SIDE } else { side[row] },
            },
        });
        updates(py, &self.replica.follow(first_seq, rows).map_err(refused)?)
    }

    /// As of an order book.
    fn level1<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        quotes(py, self.replica.quotes())
    }

    /// As of an order book.
    fn level2<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyDict>> {
        depths(py, self.replica.depths(most))
    }

    /// As of an order book; participants and expiries are null.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        snapshot(py, self.replica.snapshot())
    }

    #[getter]
    fn next_seq(&self) -> u64 {
        self.replica.next_seq()
    }

    fn __len__(&self) -> usize {
        self.replica.len()
    }
}
