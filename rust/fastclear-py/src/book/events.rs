//! The events of one call: kept as rows, given out as fresh columns.

use fastclear_core::book::{Event, Events, Kind, NO_PRICE, NO_SIDE, NOWHERE, NULL, Record};
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
    /// What the call was about, of a book that knows whose its orders are.
    pub(super) record: Option<Record>,
}

impl PyEvents {
    /// Market ids by the places that events name.
    pub(super) fn markets(&self, py: Python<'_>) -> PyResult<Vec<i64>> {
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
