//! The trades of a clearing, as numpy arrays over the memory that the core wrote them to.

use fastclear_core::trade::{TradeColumns, Trades};
use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Columns that were moved to Python, which nobody can write.
pub struct TradeArrays {
    market_index: Vec<u32>,
    /// By the names of [`NAMES`].
    columns: [Py<PyArray1<i64>>; 5],
    are_sums: bool,
}

/// Names of columns where money is by unit.
const NAMES: [&str; 5] = ["buy_row", "sell_row", "quantity", "buy_price", "sell_price"];
/// Names of columns where it is by trade.
const NAMES_OF_SUMS: [&str; 5] = ["buy_row", "sell_row", "quantity", "buy_amount", "sell_amount"];

impl TradeArrays {
    /// Moves the columns, copying none.
    pub fn of(py: Python<'_>, trades: Trades) -> Self {
        let Trades { market_index, buy_row, sell_row, quantity, buy_price, sell_price, are_sums } = trades;
        let columns = [buy_row, sell_row, quantity, buy_price, sell_price].map(|column| {
            let array = column.into_pyarray(py);
            array.readwrite().make_nonwriteable();
            array.unbind()
        });
        Self { market_index, columns, are_sums }
    }

    /// The arrays by name.
    pub fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        for (name, column) in if self.are_sums { NAMES_OF_SUMS } else { NAMES }.iter().zip(&self.columns) {
            named.set_item(name, column.bind(py))?;
        }
        Ok(named)
    }

    /// What `market` says of the market of each trade, of which it is given the place among the outcomes.
    pub fn markets(&self, market: impl Fn(u32) -> i64) -> Vec<i64> {
        self.market_index.iter().map(|&index| market(index)).collect()
    }

    /// What each of `orders` input rows pays (+) or receives (−) over all trades.
    pub fn payments(&self, py: Python<'_>, orders: usize) -> PyResult<Vec<i64>> {
        let [buy_row, sell_row, quantity, buy_price, sell_price] =
            self.columns.each_ref().map(|column| column.bind(py).readonly());
        let columns = TradeColumns {
            buy_row: buy_row.as_slice()?,
            sell_row: sell_row.as_slice()?,
            quantity: quantity.as_slice()?,
            buy_price: buy_price.as_slice()?,
            sell_price: sell_price.as_slice()?,
            are_sums: self.are_sums,
        };
        Ok(columns.payments(orders))
    }
}
