//! The events of one call: kept as rows, given out as fresh columns.

use std::sync::OnceLock;

use fastclear_core::book::{Event, Events, NO_PRICE, NO_SIDE, NOWHERE, NULL, Record};
use numpy::IntoPyArray;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{PyOrderBook, door};

/// The events of one call, which become columns when they are asked for.
#[pyclass(frozen, module = "fastclear._core", name = "Events")]
pub struct PyEvents {
    /// Whose list of markets the events count in; it only ever grows.
    pub(super) book: Py<PyOrderBook>,
    pub(super) events: Events,
    /// The trades among them, once somebody asked for a column of theirs.
    trades: OnceLock<Vec<Event>>,
    /// What the call was about, of a book that knows whose its orders are.
    record: Option<Record>,
}

/// A fresh column.
fn column<'py, T: numpy::Element>(py: Python<'py>, rows: &[Event], value: impl Fn(&Event) -> T) -> Bound<'py, PyAny> {
    rows.iter().map(value).collect::<Vec<T>>().into_pyarray(py).into_any()
}

impl PyEvents {
    pub fn new(book: Py<PyOrderBook>, events: Events, record: Option<Record>) -> Self {
        Self { book, events, trades: OnceLock::new(), record }
    }

    /// What is kept, or the trades alone.
    fn rows(&self, trades: bool) -> &[Event] {
        let Events { rows, count, .. } = &self.events;
        let are_trades_alone = (rows.len() as u64) < *count;
        if !trades || are_trades_alone {
            rows
        } else {
            self.trades.get_or_init(|| self.events.trades().copied().collect())
        }
    }

    /// The book, whose list of markets the events count in.
    pub(super) fn book<'a>(&'a self, py: Python<'a>) -> PyResult<PyRef<'a, PyOrderBook>> {
        Ok(self.book.try_borrow(py)?)
    }
}

#[pymethods]
impl PyEvents {
    /// A fresh column, of the trades alone if they are asked for.
    fn get<'py>(&self, py: Python<'py>, name: &str, trades: bool) -> PyResult<Bound<'py, PyAny>> {
        let rows = self.rows(trades);
        Ok(match name {
            "command" => {
                column(py, rows, |event| if event.command == NOWHERE { NULL } else { i64::from(event.command) })
            }
            "market" => {
                let markets = self.book(py)?;
                column(py, rows, |event| markets.book.market_id(event.market).unwrap_or(NULL))
            }
            "order" => column(py, rows, |event| event.order),
            "counter_order" => column(py, rows, |event| event.counter),
            "buy_order" => column(py, rows, |event| if event.side == 1 { event.order } else { event.counter }),
            "sell_order" => column(py, rows, |event| if event.side == 1 { event.counter } else { event.order }),
            "price" => column(py, rows, |event| if event.price == NO_PRICE { NULL } else { i64::from(event.price) }),
            "quantity" => column(py, rows, |event| i64::from(event.quantity)),
            "remaining" => column(py, rows, |event| i64::from(event.remaining)),
            "kind" => column(py, rows, |event| event.kind as u8),
            "reject" => column(py, rows, |event| event.reject),
            "side" => column(py, rows, |event| if event.side == NO_SIDE { 255 } else { event.side }),
            _ => return Err(PyKeyError::new_err(name.to_owned())),
        })
    }

    /// Orders and trades, for who settles; None of a book that does not know whose its orders are.
    fn record<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyDict>, Bound<'py, PyDict>)>> {
        self.record.as_ref().map(|record| door::record(py, record)).transpose()
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
