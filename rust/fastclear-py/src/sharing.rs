//! Pools without bids: loads in, what each shares and pays out.
//!
//! Columns are borrowed and read attached, or detached where nobody can write them, as in `clearing.rs`.

use fastclear_core::sharing::{self, CostKey, GridPrice, Key, Loads, MarketShare, Rule, Unusable};
use fastclear_core::units::{PRICE_MAX, price_in_range};
use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::clearing::{ROWS_DETACHED, threads_for};
use crate::columns::{borrow, borrow_any};
use crate::errors::Exception;

/// Largest fixed cost of a pool in nano-currency: with it no payment leaves 64 bits.
const FIXED_COST_MAX: i64 = 1 << 61;

/// Adds this file's classes and functions to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyRule>()?;
    m.add_function(wrap_pyfunction!(share, m)?)?;
    m.add("FIXED_COST_MAX", FIXED_COST_MAX)?;
    Ok(())
}

/// A checked rule of community pricing.
#[pyclass(name = "SharingRule", frozen, module = "fastclear._core")]
pub struct PyRule(Rule);

#[pymethods]
impl PyRule {
    #[staticmethod]
    fn bill_sharing(fixed_cost: i64, equally: bool) -> PyResult<Self> {
        if !(-FIXED_COST_MAX..=FIXED_COST_MAX).contains(&fixed_cost) {
            return Err(Exception::Mechanism.with(format!("fixed_cost={fixed_cost} is beyond ±2**61")));
        }
        let by = if equally { CostKey::Equal } else { CostKey::Bought };
        Ok(Self(Rule::BillSharing { fixed_cost, by }))
    }

    #[staticmethod]
    fn mid_market_rate(fee: i64) -> PyResult<Self> {
        Ok(Self(Rule::MidMarketRate { fee: ticks("fee", fee)? }))
    }

    #[staticmethod]
    fn supply_demand_ratio(compensation: i64, fee: i64) -> PyResult<Self> {
        let (compensation, fee) = (ticks("compensation", compensation)?, ticks("fee", fee)?);
        Ok(Self(Rule::SupplyDemandRatio { compensation, fee }))
    }

    #[staticmethod]
    fn fixed_price(price: i64, fee: i64, key: &str) -> PyResult<Self> {
        let key = match key {
            "dynamic" => Key::Dynamic,
            "static" => Key::Static,
            "hybrid" => Key::Hybrid,
            _ => return Err(Exception::Mechanism.with(format!("key='{key}' is unknown"))),
        };
        if !price_in_range(price) {
            return Err(Exception::Mechanism.with(format!("price={price} is outside ±{PRICE_MAX} ticks")));
        }
        Ok(Self(Rule::FixedPrice { price, fee: ticks("fee", fee)?, key }))
    }
}

fn ticks(name: &str, value: i64) -> PyResult<i64> {
    if (0..=PRICE_MAX).contains(&value) {
        return Ok(value);
    }
    Err(Exception::Mechanism.with(format!("{name}={value} is outside 0 to {PRICE_MAX} ticks")))
}

/// A price of the grid: a number, or a column.
enum Price<'py> {
    All(i64),
    Each(PyReadonlyArray1<'py, i64>),
}

impl<'py> Price<'py> {
    fn of(value: &Bound<'py, PyAny>, rows: usize) -> PyResult<Self> {
        if let Ok(column) = value.cast::<PyArray1<i64>>() {
            return Ok(Self::Each(checked(borrow(column)?, rows)?));
        }
        let price: i64 = value.extract()?;
        if !price_in_range(price) {
            return Err(Exception::Mechanism.with(format!("a price of {price} is outside ±{PRICE_MAX} ticks")));
        }
        Ok(Self::All(price))
    }

    fn as_core(&self) -> PyResult<GridPrice<'_>> {
        Ok(match self {
            Self::All(price) => GridPrice::All(*price),
            Self::Each(column) => GridPrice::Each(column.as_slice()?),
        })
    }
}

fn checked<T: numpy::Element>(column: PyReadonlyArray1<'_, T>, rows: usize) -> PyResult<PyReadonlyArray1<'_, T>> {
    if column.as_slice()?.len() != rows {
        return Err(Exception::Schema.with("columns differ in length"));
    }
    Ok(column)
}

/// Settles every pool of the loads, writing lots to `filled` and money to `payment`. Gives columns of the markets with
/// the reject codes, or what is wrong: name of the flaw, market, two numbers.
#[pyfunction]
#[pyo3(signature = (net, market, order, period, share, retail, feed_in, refused, rule, filled, payment, threads, frozen))]
#[expect(clippy::too_many_arguments, reason = "one argument a column")]
fn share<'py>(
    py: Python<'py>,
    net: &Bound<'py, PyArray1<i64>>,
    market: Option<&Bound<'py, PyArray1<i64>>>,
    order: Option<&Bound<'py, PyArray1<i64>>>,
    period: Option<&Bound<'py, PyArray1<i64>>>,
    share: Option<&Bound<'py, PyArray1<i64>>>,
    retail: &Bound<'py, PyAny>,
    feed_in: &Bound<'py, PyAny>,
    refused: Option<&Bound<'py, PyArray1<u16>>>,
    rule: &PyRule,
    filled: &Bound<'py, PyArray1<i64>>,
    payment: &Bound<'py, PyArray1<i64>>,
    threads: Option<usize>,
    frozen: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let net = borrow(net)?;
    let n = net.as_slice()?.len();
    if u32::try_from(n).is_err() {
        return Err(Exception::Schema.with("there are 2**32 loads or more; clear them in several calls"));
    }
    let ids = [market, order, period, share];
    let [market, order, period, share] = ids.map(borrow_any);
    let [market, order, period, share] = [market?, order?, period?, share?];
    for column in [&market, &order, &period, &share].into_iter().flatten() {
        if column.as_slice()?.len() != n {
            return Err(Exception::Schema.with("columns differ in length"));
        }
    }
    let refused = borrow_any(refused)?.map(|column| checked(column, n)).transpose()?;
    let (retail, feed_in) = (Price::of(retail, n)?, Price::of(feed_in, n)?);
    let in_use = |_| Exception::Schema.with("out shares memory with a column, or is in use; give an array of its own");
    let mut filled = filled.try_readwrite().map_err(in_use)?;
    let mut payment = payment.try_readwrite().map_err(in_use)?;
    let loads = Loads {
        net: net.as_slice()?,
        market: market.as_ref().map(|column| column.as_slice()).transpose()?,
        order: order.as_ref().map(|column| column.as_slice()).transpose()?,
        period: period.as_ref().map(|column| column.as_slice()).transpose()?,
        share: share.as_ref().map(|column| column.as_slice()).transpose()?,
        retail: retail.as_core()?,
        feed_in: feed_in.as_core()?,
        refused: refused.as_ref().map(|column| column.as_slice()).transpose()?,
    };
    let (filled, payment) = (filled.as_slice_mut()?, payment.as_slice_mut()?);
    if filled.len() != n || payment.len() != n {
        return Err(Exception::Schema.with("out is not as long as the columns"));
    }
    let threads = threads_for(py, n, threads)?;
    let mut run = || sharing::share(&loads, &rule.0, threads, filled, payment);
    let done = if frozen && n >= ROWS_DETACHED { py.detach(&mut run) } else { run() };
    match done {
        Ok(shared) => {
            let columns = columns(py, &shared.markets)?;
            columns.set_item("reject", shared.reject.map(|codes| codes.into_pyarray(py)))?;
            Ok(columns.into_any())
        }
        Err(Unusable { market, flaw, numbers }) => Ok((flaw.name(), market, numbers).into_pyobject(py)?.into_any()),
    }
}

/// A column of the markets: its name, and where it stands.
type Figure<T> = (&'static str, fn(&MarketShare) -> T);

/// The markets by column; money that leaves 64 bits as a list of integers.
fn columns<'py>(py: Python<'py>, markets: &[MarketShare]) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    let values: [Figure<i64>; 7] = [
        ("market", |market| market.market),
        ("period", |market| market.period),
        ("supply", |market| market.balance.supply),
        ("demand", |market| market.balance.demand),
        ("volume", |market| market.volume),
        ("retail", |market| market.balance.retail),
        ("feed_in", |market| market.balance.feed_in),
    ];
    for (name, of) in values {
        columns.set_item(name, markets.iter().map(of).collect::<Vec<_>>().into_pyarray(py))?;
    }
    let counts: [Figure<u32>; 3] =
        [("loads", |market| market.loads), ("buyers", |market| market.buyers), ("sellers", |market| market.sellers)];
    for (name, of) in counts {
        columns.set_item(name, markets.iter().map(of).collect::<Vec<_>>().into_pyarray(py))?;
    }
    let money: [Figure<i128>; 3] = [
        ("buyer_payment", |market| market.paid),
        ("seller_revenue", |market| market.received),
        ("grid_payment", MarketShare::grid_payment),
    ];
    for (name, of) in money {
        let narrow: Result<Vec<i64>, _> = markets.iter().map(|market| i64::try_from(of(market))).collect();
        match narrow {
            Ok(amounts) => columns.set_item(name, amounts.into_pyarray(py))?,
            Err(_) => columns.set_item(name, PyList::new(py, markets.iter().map(of))?)?,
        }
    }
    Ok(columns)
}
