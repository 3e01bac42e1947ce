//! Columns in, columns out: `clear` and what it returns.
//!
//! Columns are borrowed. Where nobody can write them the work runs detached; otherwise, and where it is over in no time,
//! it runs attached, so that no Python thread can change them meanwhile.

use fastclear_core::auction::{Mechanism, RankedRule, Rule};
use fastclear_core::batch::{self, Want};
use fastclear_core::order::Columns;
use fastclear_core::reject::RejectReason;
use fastclear_core::trade::{MarketDetail, MarketOutcome};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyInt, PyList};

use crate::columns::{IntegerColumn, Orders, SideColumn, borrow, borrow_any, share_memory};
use crate::errors::Exception;
use crate::mechanism::PyMechanism;
use crate::trades::TradeArrays;

/// Most threads that anybody gets.
const THREADS_MAX: usize = 1024;
/// Rows from which a second thread may be started: below, nobody asks how many there are.
const ROWS_THREADED: usize = 1 << 15;
/// Rows from which other Python threads are let run meanwhile, where the columns allow it.
pub const ROWS_DETACHED: usize = 1 << 12;
/// Rows up to which an array of zeros costs no more than one that is not cleared.
const ROWS_ZEROED: usize = 512;

/// Adds this file's classes and functions to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyMechanism>()?;
    m.add_class::<Cleared>()?;
    m.add_function(wrap_pyfunction!(clear, m)?)?;
    m.add_function(wrap_pyfunction!(clear_columns, m)?)?;
    m.add_function(wrap_pyfunction!(equal, m)?)?;
    m.add("MARKET_VALUES", MARKET_VALUES)?;
    m.add("MARKET_COUNTS", MARKET_COUNTS)?;
    m.add_function(wrap_pyfunction!(reject_reasons, m)?)?;
    m.add_function(wrap_pyfunction!(text_id, m)?)?;
    Ok(())
}

/// Whether two columns hold the same.
#[pyfunction]
fn equal(one: &Bound<'_, PyArray1<i64>>, other: &Bound<'_, PyArray1<i64>>) -> PyResult<bool> {
    Ok(borrow(one)?.as_slice()? == borrow(other)?.as_slice()?)
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

/// Names of the rows of int64 values of markets: those that may mean nothing come first, money last.
const MARKET_VALUES: [&str; SHOWN + 2 + MONEY.len()] = [
    "price",
    "price_low",
    "price_high",
    "price_buy",
    "price_sell",
    "best_bid",
    "best_ask",
    "market",
    "volume",
    "welfare",
    "buyer_payment",
    "seller_revenue",
    "surplus",
];

/// How many of them may mean nothing.
const SHOWN: usize = 7;

/// Names of the rows of uint32 counts of markets.
const MARKET_COUNTS: [&str; 2] = ["buy_orders", "sell_orders"];

/// Totals of money of a market, in the order of their names.
const MONEY: [fn(&MarketOutcome) -> i128; 4] = [
    |market| market.welfare,
    |market| market.buyer_payment,
    |market| market.seller_revenue,
    |market| market.buyer_payment - market.seller_revenue,
];

/// What `Cleared::markets` returns.
type MarketColumns<'py> = (
    Bound<'py, PyArray2<i64>>,
    Bound<'py, PyArray2<bool>>,
    Bound<'py, PyArray2<u32>>,
    Bound<'py, PyDict>,
    Bound<'py, PyDict>,
);

/// What `clear` computed, kept as Rust columns until asked for.
#[pyclass(frozen, module = "fastclear._core")]
pub struct Cleared {
    outcomes: Vec<MarketOutcome>,
    reject: Option<Vec<u16>>,
    payment: Option<Vec<i64>>,
    trades: Option<TradeArrays>,
    details: Vec<MarketDetail>,
    den: u8,
    rule: Rule,
    orders: usize,
}

/// Clears columns that were read and checked; writes each order's filled quantity to `out`, if there is one.
#[pyfunction]
#[pyo3(signature = (side, price, quantity, market, order, time, is_market_order, participant, min_quantity, start_price, half, turn, refused, mechanism, out, payment, trades, threads, frozen))]
#[expect(clippy::too_many_arguments, reason = "one argument a column")]
fn clear<'py>(
    py: Python<'py>,
    side: &Bound<'py, PyArray1<u8>>,
    price: IntegerColumn<'py>,
    quantity: IntegerColumn<'py>,
    market: Option<&Bound<'py, PyArray1<i64>>>,
    order: Option<&Bound<'py, PyArray1<i64>>>,
    time: Option<&Bound<'py, PyArray1<i64>>>,
    is_market_order: Option<&Bound<'py, PyArray1<u8>>>,
    participant: Option<&Bound<'py, PyArray1<i64>>>,
    min_quantity: Option<&Bound<'py, PyArray1<i64>>>,
    start_price: Option<&Bound<'py, PyArray1<i64>>>,
    half: Option<&Bound<'py, PyArray1<u8>>>,
    turn: Option<&Bound<'py, PyArray1<i64>>>,
    refused: Option<&Bound<'py, PyArray1<u16>>>,
    mechanism: &PyMechanism,
    out: Option<&Bound<'py, PyArray1<i64>>>,
    payment: bool,
    trades: bool,
    threads: Option<usize>,
    frozen: bool,
) -> PyResult<Cleared> {
    let orders = Orders {
        side: SideColumn::Unsigned(borrow(side)?),
        price,
        quantity,
        market: borrow_any(market)?,
        order: borrow_any(order)?,
        time: borrow_any(time)?,
        is_market_order: borrow_any(is_market_order)?,
        participant: borrow_any(participant)?,
        min_quantity: borrow_any(min_quantity)?,
        start_price: borrow_any(start_price)?,
        half: borrow_any(half)?,
        turn: borrow_any(turn)?,
        refused: borrow_any(refused)?,
    };
    let mut out = out.map(|out| out.try_readwrite().map_err(|_| out_in_use())).transpose()?;
    let filled = out.as_mut().map(|out| out.as_slice_mut()).transpose()?;
    let want = Want { payment, trades, prices_only: filled.is_none() };
    run(py, &orders.columns()?, &mechanism.0, want, threads, filled, frozen)
}

/// A result, and what each order was filled.
type ClearedAndFilled<'py> = (Cleared, Option<Bound<'py, PyArray1<i64>>>);

/// Clears a mapping of plain arrays, and returns what it computed beside the array of filled quantities (none without
/// `fills`): `out`, or a new one that nobody can write. `None` where anything needs a closer look than that, be it an
/// argument, a column or a mechanism; nothing was written then.
#[pyfunction]
fn clear_columns<'py>(
    orders: &Bound<'py, PyDict>,
    mechanism: &PyMechanism,
    threads: Option<&Bound<'py, PyAny>>,
    out: Option<&Bound<'py, PyAny>>,
    fills: bool,
) -> PyResult<Option<ClearedAndFilled<'py>>> {
    let py = orders.py();
    let mechanism = &mechanism.0;
    let threads = match threads {
        None => None,
        Some(threads) => match threads.cast_exact::<PyInt>().ok().and_then(|threads| threads.extract().ok()) {
            None | Some(0) => return Ok(None),
            threads => threads,
        },
    };
    let Some(borrowed) = Orders::plain(orders) else {
        return Ok(None);
    };
    // Muda may name participants, and an unused column is worth a warning.
    if matches!(mechanism.rule, Rule::Ranked(RankedRule::Muda(_)))
        || borrowed.min_quantity.is_some() && !mechanism.takes_minimums()
        || borrowed.start_price.is_some() && !mechanism.takes_start_prices()
    {
        return Ok(None);
    }
    let Ok(columns) = borrowed.columns() else {
        return Ok(None);
    };
    if columns.check().is_err() {
        return Ok(None);
    }
    let rows = columns.len();
    let want = Want { payment: false, trades: fills && mechanism.prices_by_trade(), prices_only: !fills };
    let frozen = rows >= ROWS_DETACHED && borrowed.nobody_writes()?;
    let filled = match out {
        None if !fills => {
            return Ok(Some((run(py, &columns, mechanism, want, threads, None, frozen)?, None)));
        }
        None => new_array(py, rows)?,
        Some(out) => match out.cast_exact() {
            Ok(out) if fills => out.clone(),
            _ => return Ok(None),
        },
    };
    let Ok(mut writer) = filled.try_readwrite() else {
        return Ok(None);
    };
    match writer.as_slice_mut() {
        Ok(slice) if slice.len() == rows && !share_memory(&columns, slice) => {
            let cleared = run(py, &columns, mechanism, want, threads, Some(slice), frozen)?;
            if out.is_none() {
                writer.make_nonwriteable();
            }
            Ok(Some((cleared, Some(filled))))
        }
        _ => Ok(None),
    }
}

fn out_in_use() -> PyErr {
    Exception::Schema.with("out is in use by another call that is still running; give each call an array of its own")
}

fn run(
    py: Python<'_>,
    columns: &Columns<'_>,
    mechanism: &Mechanism,
    want: Want,
    threads: Option<usize>,
    filled: Option<&mut [i64]>,
    frozen: bool,
) -> PyResult<Cleared> {
    let threads = threads_for(py, columns.len(), threads)?;
    let filled = filled.unwrap_or_default();
    let mut run = || batch::clear(columns, mechanism, want, threads, filled);
    let done = if frozen && columns.len() >= ROWS_DETACHED { py.detach(&mut run) } else { run() };
    let clearing = done.map_err(|error| Exception::Schema.with(error.to_string()))?;
    Ok(Cleared {
        outcomes: clearing.outcomes,
        reject: clearing.reject,
        payment: clearing.payment,
        trades: clearing.trades.map(|trades| TradeArrays::of(py, trades)),
        details: clearing.details,
        den: clearing.den,
        rule: mechanism.rule,
        orders: columns.len(),
    })
}

/// How many threads a call over so many rows may use.
pub fn threads_for(py: Python<'_>, rows: usize, asked: Option<usize>) -> PyResult<usize> {
    Ok(match asked {
        Some(threads) => threads.min(THREADS_MAX),
        None if rows < ROWS_THREADED => 1,
        None => threads_available(py)?.clamp(1, THREADS_MAX),
    })
}

/// How many threads the process may use, as Python counts them.
fn threads_available(py: Python<'_>) -> PyResult<usize> {
    let os = py.import("os")?;
    match os.getattr_opt("sched_getaffinity")? {
        Some(affinity) => affinity.call1((0,))?.len(),
        None => Ok(os.call_method0("cpu_count")?.extract::<Option<usize>>()?.unwrap_or(1)), // not on every system
    }
}

/// A new array of int64, of any content.
fn new_array(py: Python<'_>, rows: usize) -> PyResult<Bound<'_, PyArray1<i64>>> {
    static EMPTY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if rows <= ROWS_ZEROED {
        return Ok(PyArray1::zeros(py, rows, false));
    }
    Ok(EMPTY.import(py, "fastclear.buffers", "empty")?.call1((rows,))?.cast_into()?)
}

#[pymethods]
impl Cleared {
    /// Whether every order was accepted.
    #[getter]
    fn all_accepted(&self) -> bool {
        self.reject.is_none()
    }

    /// What all prices and money are over: 1 or 2.
    #[getter]
    const fn den(&self) -> u8 {
        self.den
    }

    /// Reject code of each order.
    fn reject<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u16>> {
        match &self.reject {
            Some(codes) => PyArray1::from_slice(py, codes),
            None => PyArray1::zeros(py, self.orders, false),
        }
    }

    /// Payment of each order, from the payments or from the trades, or `None` where neither was asked for.
    fn payment<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray1<i64>>>> {
        match (&self.payment, &self.trades) {
            (Some(payment), _) => Ok(Some(PyArray1::from_slice(py, payment))),
            (None, Some(trades)) => Ok(Some(trades.payments(py, self.orders)?.into_pyarray(py))),
            (None, None) => Ok(None),
        }
    }

    /// Columns of the trades as the core wrote them, or `None` where they were not asked for. Money is by unit
    /// (`buy_price`, `sell_price`) or where the mechanism pays sums by trade (`buy_amount`, `sell_amount`).
    fn trades<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.trades.as_ref().map(|trades| trades.columns(py)).transpose()
    }

    /// Market id of each trade, or `None` where there is no list of trades.
    fn trade_markets<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<i64>>> {
        let trades = self.trades.as_ref()?;
        Some(trades.markets(|index| self.outcomes[index as usize].market).into_pyarray(py))
    }

    /// Whether another run came to the same: the same outcome in every market, the same orders refused.
    fn agrees_with(&self, other: &Self) -> bool {
        (self.den, self.orders, self.rule) == (other.den, other.orders, other.rule)
            && self.outcomes == other.outcomes
            && self.details == other.details
            && self.reject == other.reject
    }

    /// Whether what an order pays follows from what it was filled and the prices of its market: see `pay`.
    #[getter]
    const fn pays_prices(&self) -> bool {
        matches!(self.rule, Rule::Uniform(_))
    }

    /// Whether `payment` has an answer.
    #[getter]
    const fn has_payment(&self) -> bool {
        self.payment.is_some() || self.trades.is_some()
    }

    /// Whether `trades` has an answer.
    #[getter]
    const fn has_trades(&self) -> bool {
        self.trades.is_some()
    }

    /// Writes each order's payment to `out`: what it was `filled`, at the prices of its market. False where `filled` is
    /// not what these markets traded.
    fn pay(
        &self,
        side: &Bound<'_, PyArray1<u8>>,
        market: Option<&Bound<'_, PyArray1<i64>>>,
        filled: &Bound<'_, PyArray1<i64>>,
        out: &Bound<'_, PyArray1<i64>>,
    ) -> PyResult<bool> {
        let (side, market, filled) = (borrow(side)?, borrow_any(market)?, borrow(filled)?);
        let mut out = out.try_readwrite().map_err(|_| out_in_use())?;
        let market = market.as_ref().map(|column| column.as_slice()).transpose()?;
        let columns = Columns { side: side.as_slice()?, market, ..Columns::default() };
        Ok(batch::payments(&self.outcomes, &columns, filled.as_slice()?, out.as_slice_mut()?))
    }

    /// Columns of the markets: int64 values and uint32 counts by row, named by [`MARKET_VALUES`] and [`MARKET_COUNTS`];
    /// of the first values, which mean something; columns of one mechanism; money that leaves 64 bits.
    fn markets<'py>(&self, py: Python<'py>) -> PyResult<MarketColumns<'py>> {
        let markets = self.outcomes.len();
        let mut values = vec![0_i64; MARKET_VALUES.len() * markets];
        let mut shown = vec![false; SHOWN * markets];
        let mut counts = vec![0_u32; MARKET_COUNTS.len() * markets];
        let mut too_wide = [false; MONEY.len()];
        for (nth, market) in self.outcomes.iter().enumerate() {
            let (traded, money) = (market.volume > 0, MONEY.map(|of| of(market)));
            let one_price = market.has_price && market.price_buy == market.price_sell;
            let seen = [
                (market.price_sell, one_price),
                (market.price_low, one_price),
                (market.price_high, one_price),
                (market.price_buy, market.has_price),
                (market.price_sell, market.has_price),
                (market.best_bid, market.buy_orders > 0 && !traded),
                (market.best_ask, market.sell_orders > 0 && !traded),
            ];
            for (row, (value, is_shown)) in seen.into_iter().enumerate() {
                values[row * markets + nth] = value;
                shown[row * markets + nth] = is_shown;
            }
            values[SHOWN * markets + nth] = market.market;
            values[(SHOWN + 1) * markets + nth] = market.volume;
            for (row, money) in money.into_iter().enumerate() {
                too_wide[row] |= i64::try_from(money).is_err();
                values[(SHOWN + 2 + row) * markets + nth] = money as i64;
            }
            for (row, count) in [market.buy_orders, market.sell_orders].into_iter().enumerate() {
                counts[row * markets + nth] = count;
            }
        }
        let wide = PyDict::new(py);
        for (row, of) in MONEY.iter().enumerate().filter(|&(row, _)| too_wide[row]) {
            let money: Vec<i128> = self.outcomes.iter().map(of).collect();
            wide.set_item(MARKET_VALUES[SHOWN + 2 + row], PyList::new(py, money)?)?;
        }
        Ok((
            values.into_pyarray(py).reshape([MARKET_VALUES.len(), markets])?,
            shown.into_pyarray(py).reshape([SHOWN, markets])?,
            counts.into_pyarray(py).reshape([MARKET_COUNTS.len(), markets])?,
            self.details(py)?,
            wide,
        ))
    }
}

impl Cleared {
    /// Columns that one mechanism adds to the markets.
    fn details<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        let Rule::Ranked(rule) = self.rule else {
            return Ok(columns);
        };
        match rule {
            RankedRule::TradeReduction(_) | RankedRule::Sbba(_) => {
                let branch: Vec<u8> = self.details.iter().map(|market| market.branch as u8).collect();
                columns.set_item("branch", branch.into_pyarray(py))?;
            }
            RankedRule::MultiRound(_) => {
                let rounds: Vec<u32> = self.details.iter().map(|market| market.rounds).collect();
                columns.set_item("rounds", rounds.into_pyarray(py))?;
            }
            RankedRule::Muda(_) => {
                for (half, (has, price)) in
                    [("has_left", "price_left"), ("has_right", "price_right")].iter().enumerate()
                {
                    let prices = self.details.iter().map(|market| market.half_prices[half]);
                    let found: Vec<bool> = prices.clone().map(|price| price.is_some()).collect();
                    let ticks: Vec<i64> = prices.map(Option::unwrap_or_default).collect();
                    columns.set_item(has, found.into_pyarray(py))?;
                    columns.set_item(price, ticks.into_pyarray(py))?;
                }
            }
            _ => {}
        }
        Ok(columns)
    }
}
