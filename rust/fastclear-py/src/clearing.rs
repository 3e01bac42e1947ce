//! Columns in, columns out: `clear` and what it returns.
//!
//! Columns are borrowed. Where the Python layer says that nobody can write them (`frozen`), the work runs detached;
//! otherwise it runs attached, so that no Python thread can change them meanwhile.

use fastclear_core::auction::discriminatory::PairPrice;
use fastclear_core::auction::price::{PriceRound, Share};
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::{Discriminatory, Mechanism, Uniform};
use fastclear_core::batch::{self, Want};
use fastclear_core::order::{Columns, Integers};
use fastclear_core::reject::RejectReason;
use fastclear_core::trade::{MarketOutcome, Trades};
use fastclear_core::units::PRICE_MAX;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadwriteArray1};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::errors::Exception;

/// Adds this file's classes and functions to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyMechanism>()?;
    m.add_class::<Cleared>()?;
    m.add_function(wrap_pyfunction!(clear, m)?)?;
    m.add_function(wrap_pyfunction!(reject_reasons, m)?)?;
    m.add_function(wrap_pyfunction!(text_id, m)?)?;
    Ok(())
}

/// `(name, code, remedy)` of every reject reason, in precedence.
#[pyfunction]
fn reject_reasons() -> Vec<(&'static str, u16, &'static str)> {
    RejectReason::ALL.iter().map(|reason| (reason.name(), reason.code(), reason.remedy())).collect()
}

/// The 64-bit id under which text enters the ledger.
#[pyfunction]
fn text_id(text: &str) -> u64 {
    fastclear_core::ids::text_id(text)
}

/// A checked mechanism.
#[pyclass(name = "Mechanism", frozen, module = "fastclear._core")]
pub struct PyMechanism(Mechanism);

#[pymethods]
impl PyMechanism {
    #[staticmethod]
    fn uniform(k: (i64, i64), rationing: &str, price_round: &str, zero_surplus: bool, fee: i64) -> PyResult<Self> {
        let rationing = match rationing {
            "time" => Rationing::Time,
            "pro_rata" => Rationing::ProRata,
            "equal" => Rationing::Equal,
            other => return Err(unknown("rationing", other, "'time', 'pro_rata' or 'equal'")),
        };
        Ok(Self(Mechanism::Uniform(Uniform {
            k: share(k)?,
            rationing,
            price_round: round(price_round)?,
            zero_surplus,
            fee: checked_fee(fee)?,
        })))
    }

    #[staticmethod]
    fn discriminatory(k: (i64, i64), rule: &str, price_round: &str, fee: i64) -> PyResult<Self> {
        let price = match rule {
            "k" => PairPrice::Share(share(k)?),
            "bid" => PairPrice::Share(share((1, 1))?),
            "ask" => PairPrice::Share(share((0, 1))?),
            "earlier" => PairPrice::Earlier,
            other => return Err(unknown("rule", other, "'k', 'bid', 'ask' or 'earlier'")),
        };
        let (price_round, fee) = (round(price_round)?, checked_fee(fee)?);
        Ok(Self(Mechanism::Discriminatory(Discriminatory { price, price_round, fee })))
    }
}

fn unknown(parameter: &str, value: &str, choices: &str) -> PyErr {
    Exception::Mechanism.with(format!("{parameter}={value:?} is unknown; use {choices}"))
}

fn share((numerator, denominator): (i64, i64)) -> PyResult<Share> {
    Share::new(numerator, denominator).ok_or_else(|| {
        Exception::Mechanism.with(format!("k={numerator}/{denominator} is no share; use a fraction from 0 to 1"))
    })
}

fn round(name: &str) -> PyResult<PriceRound> {
    Ok(match name {
        "floor" => PriceRound::Floor,
        "ceil" => PriceRound::Ceil,
        "half_up" => PriceRound::HalfUp,
        other => {
            return Err(unknown("price_round", other, "'floor', 'ceil' or 'half_up'"));
        }
    })
}

fn checked_fee(fee: i64) -> PyResult<i64> {
    if (0..=PRICE_MAX).contains(&fee) {
        Ok(fee)
    } else {
        Err(Exception::Mechanism.with(format!("fee={fee} ticks; use 0 to {PRICE_MAX}")))
    }
}

/// An int32 or int64 column.
#[derive(FromPyObject)]
enum IntegerColumn<'py> {
    Wide(PyReadonlyArray1<'py, i64>),
    Narrow(PyReadonlyArray1<'py, i32>),
}

impl IntegerColumn<'_> {
    fn integers(&self) -> PyResult<Integers<'_>> {
        Ok(match self {
            Self::Wide(column) => Integers::Wide(column.as_slice()?),
            Self::Narrow(column) => Integers::Narrow(column.as_slice()?),
        })
    }
}

/// A total of money of a market.
type Money = fn(&MarketOutcome) -> i128;

/// What `clear` computed, kept as Rust columns until asked for.
#[pyclass(frozen, module = "fastclear._core")]
pub struct Cleared {
    outcomes: Vec<MarketOutcome>,
    reject: Option<Vec<u16>>,
    payment: Option<Vec<i64>>,
    trades: Option<Trades>,
    orders: usize,
}

/// Clears the columns; writes each order's filled quantity to `out`.
#[pyfunction]
#[pyo3(signature = (side, price, quantity, market, order, time, is_market_order, refused, mechanism, out, payment, trades, threads, frozen))]
#[expect(clippy::too_many_arguments, reason = "one argument a column")]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands extracted arguments over by value")]
fn clear(
    py: Python<'_>,
    side: PyReadonlyArray1<'_, u8>,
    price: IntegerColumn<'_>,
    quantity: IntegerColumn<'_>,
    market: Option<PyReadonlyArray1<'_, i64>>,
    order: Option<PyReadonlyArray1<'_, i64>>,
    time: Option<PyReadonlyArray1<'_, i64>>,
    is_market_order: Option<PyReadonlyArray1<'_, u8>>,
    refused: Option<PyReadonlyArray1<'_, u16>>,
    mechanism: &PyMechanism,
    mut out: PyReadwriteArray1<'_, i64>,
    payment: bool,
    trades: bool,
    threads: usize,
    frozen: bool,
) -> PyResult<Cleared> {
    let columns = Columns {
        side: side.as_slice()?,
        price: price.integers()?,
        quantity: quantity.integers()?,
        market: market.as_ref().map(|column| column.as_slice()).transpose()?,
        order: order.as_ref().map(|column| column.as_slice()).transpose()?,
        time: time.as_ref().map(|column| column.as_slice()).transpose()?,
        is_market_order: is_market_order.as_ref().map(|column| column.as_slice()).transpose()?,
        refused: refused.as_ref().map(|column| column.as_slice()).transpose()?,
    };
    let want = Want { payment, trades };
    let filled = out.as_slice_mut()?;
    let mut run = || batch::clear(&columns, &mechanism.0, want, threads, filled);
    let clearing =
        if frozen { py.detach(&mut run) } else { run() }.map_err(|error| Exception::Schema.with(error.to_string()))?;
    Ok(Cleared {
        outcomes: clearing.outcomes,
        reject: clearing.reject,
        payment: clearing.payment,
        trades: clearing.trades,
        orders: columns.len(),
    })
}

#[pymethods]
impl Cleared {
    /// Whether every order was accepted.
    #[getter]
    fn all_accepted(&self) -> bool {
        self.reject.is_none()
    }

    /// Reject code of each order.
    fn reject<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u16>> {
        match &self.reject {
            Some(codes) => PyArray1::from_slice(py, codes),
            None => PyArray1::zeros(py, self.orders, false),
        }
    }

    /// Payment of each order, from the payments or from the trades, or `None` where neither was asked for.
    fn payment<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<i64>>> {
        match (&self.payment, &self.trades) {
            (Some(payment), _) => Some(PyArray1::from_slice(py, payment)),
            (None, Some(trades)) => Some(trades.payments(self.orders).into_pyarray(py)),
            (None, None) => None,
        }
    }

    /// Columns of the trades, or `None` where they were not asked for.
    fn trades<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(trades) = &self.trades else {
            return Ok(None);
        };
        let columns = PyDict::new(py);
        let market: Vec<i64> = trades.market_index.iter().map(|&index| self.outcomes[index as usize].market).collect();
        let wide = |rows: &[u32]| rows.iter().map(|&row| i64::from(row)).collect::<Vec<i64>>().into_pyarray(py);
        columns.set_item("market", market.into_pyarray(py))?;
        columns.set_item("trade", (0..trades.len() as u64).collect::<Vec<u64>>().into_pyarray(py))?;
        columns.set_item("buy_row", wide(&trades.buy_row))?;
        columns.set_item("sell_row", wide(&trades.sell_row))?;
        columns.set_item("quantity", PyArray1::from_slice(py, &trades.quantity))?;
        columns.set_item("buy_price", PyArray1::from_slice(py, &trades.buy_price))?;
        columns.set_item("sell_price", PyArray1::from_slice(py, &trades.sell_price))?;
        Ok(Some(columns))
    }

    /// Columns of the markets. Money columns are int64 arrays where every value fits, else lists of `int`.
    fn markets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        let outcomes = &self.outcomes;
        let wide = |of: fn(&MarketOutcome) -> i64| outcomes.iter().map(of).collect::<Vec<i64>>().into_pyarray(py);
        let count = |of: fn(&MarketOutcome) -> u32| outcomes.iter().map(of).collect::<Vec<u32>>().into_pyarray(py);
        columns.set_item("market", wide(|market| market.market))?;
        columns.set_item("price", wide(|market| market.price_sell))?;
        columns.set_item("price_low", wide(|market| market.price_low))?;
        columns.set_item("price_high", wide(|market| market.price_high))?;
        columns.set_item("price_buy", wide(|market| market.price_buy))?;
        columns.set_item("price_sell", wide(|market| market.price_sell))?;
        columns.set_item("volume", wide(|market| market.volume))?;
        columns.set_item("buy_orders", count(|market| market.buy_orders))?;
        columns.set_item("sell_orders", count(|market| market.sell_orders))?;
        columns.set_item("best_bid", wide(|market| market.best_bid))?;
        columns.set_item("best_ask", wide(|market| market.best_ask))?;
        let money: [(&str, Money); 4] = [
            ("welfare", |market| market.welfare),
            ("buyer_payment", |market| market.buyer_payment),
            ("seller_revenue", |market| market.seller_revenue),
            ("surplus", |market| market.buyer_payment - market.seller_revenue),
        ];
        for (name, of) in money {
            let values: Vec<i128> = outcomes.iter().map(of).collect();
            let narrow: Option<Vec<i64>> = values.iter().map(|&value| i64::try_from(value).ok()).collect();
            match narrow {
                Some(narrow) => columns.set_item(name, narrow.into_pyarray(py))?,
                None => columns.set_item(name, PyList::new(py, values)?)?,
            }
        }
        Ok(columns)
    }
}
