//! The trades of a clearing, as numpy arrays over the memory that the core wrote them to.

use fastclear_core::trade::{TradeColumns, Trades};
use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Columns that were moved to Python, which nobody can write.
pub struct TradeArrays {
    markets: Vec<(u32, usize)>,
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
        let Trades { markets, buy_row, sell_row, quantity, buy_price, sell_price, one_price, are_sums } = trades;
        let array = |column: Vec<i64>| {
            let array = column.into_pyarray(py);
            array.readwrite().make_nonwriteable();
            array.unbind()
        };
        let [buy_row, sell_row, quantity, buy_price] = [buy_row, sell_row, quantity, buy_price].map(array);
        let sell_price = if one_price { buy_price.clone_ref(py) } else { array(sell_price) };
        Self { markets, columns: [buy_row, sell_row, quantity, buy_price, sell_price], are_sums }
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
        let mut markets = Vec::with_capacity(self.markets.last().map_or(0, |&(_, end)| end));
        for &(index, end) in &self.markets {
            markets.resize(end, market(index));
        }
        markets
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
