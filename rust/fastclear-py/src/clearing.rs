//! Columns in, columns out: `clear` and what it returns.
//!
//! Columns are borrowed. Where the Python layer says that nobody can write them (`frozen`), the work runs detached;
//! otherwise it runs attached, so that no Python thread can change them meanwhile.

use fastclear_core::auction::maximal_volume::Walk;
use fastclear_core::auction::muda::Variant;
use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound, Share};
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::uniform::PriceRule;
use fastclear_core::auction::{
    Average, Discriminatory, Huang, MaximalVolume, Mechanism, Muda, MultiRound, RandomMatching, RankedRule, Rule, Sbba,
    TradeReduction, Uniform, Vickrey,
};
use fastclear_core::batch::{self, Want};
use fastclear_core::order::{Columns, Integers};
use fastclear_core::reject::RejectReason;
use fastclear_core::trade::{MarketDetail, MarketOutcome, Trades};
use fastclear_core::units::{PRICE_MAX, price_in_range, quantity_in_range};
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
    #[pyo3(signature = (k, rationing, price_rule, seed, price_round, zero_surplus, whole_levels, fee, reserve, cap_low, cap_high))]
    #[expect(clippy::too_many_arguments, reason = "one argument a parameter")]
    fn uniform(
        k: (i64, i64),
        rationing: &str,
        price_rule: &str,
        seed: Option<u64>,
        price_round: Option<&str>,
        zero_surplus: bool,
        whole_levels: bool,
        fee: i64,
        reserve: Option<i64>,
        cap_low: Option<i64>,
        cap_high: Option<i64>,
    ) -> PyResult<Self> {
        let rationing = match (rationing, seed) {
            ("time", None) => Rationing::Time,
            ("pro_rata", None) => Rationing::ProRata,
            ("equal", None) => Rationing::Equal,
            ("quantity", None) => Rationing::Quantity,
            ("lottery", Some(seed)) => Rationing::Lottery { seed },
            ("lottery", None) => {
                return Err(Exception::Mechanism.with("rationing=\"lottery\" needs a seed; give seed=…".to_owned()));
            }
            ("time" | "pro_rata" | "equal" | "quantity", Some(seed)) => {
                let message = format!("seed={seed} is for rationing=\"lottery\"; leave it out");
                return Err(Exception::Mechanism.with(message));
            }
            (other, _) => {
                return Err(unknown("rationing", other, "'time', 'pro_rata', 'equal', 'quantity' or 'lottery'"));
            }
        };
        let price_rule = match price_rule {
            "interval" => PriceRule::Interval,
            "marginal_ask" => PriceRule::MarginalAsk,
            "marginal_bid" => PriceRule::MarginalBid,
            "last_pair_midpoint" => PriceRule::LastPairMidpoint,
            "scarce_side" => PriceRule::ScarceSide,
            "cut_order" => PriceRule::CutOrder,
            "capped_midpoint" => PriceRule::CappedMidpoint,
            other => {
                let choices = "'interval', 'marginal_ask', 'marginal_bid', 'last_pair_midpoint', 'scarce_side', \
                               'cut_order' or 'capped_midpoint'";
                return Err(unknown("price_rule", other, choices));
            }
        };
        if whole_levels && (price_rule != PriceRule::MarginalBid || !zero_surplus) {
            let message = "whole_levels=True clears at the price of the last bids; use it with \
                           price_rule=\"marginal_bid\" and zero_surplus=True";
            return Err(Exception::Mechanism.with(message.to_owned()));
        }
        let uniform = Uniform {
            k: share(k)?,
            rationing,
            price_rule,
            price_round: price_round.map(round).transpose()?,
            zero_surplus,
            whole_levels,
            fee: checked_fee(fee)?,
            reserve: checked_price("reserve", reserve)?,
        };
        capped(Rule::Uniform(uniform), cap_low, cap_high)
    }

    #[staticmethod]
    #[pyo3(signature = (k, rule, price_round, fee, reserve, cap_low, cap_high))]
    fn discriminatory(
        k: (i64, i64),
        rule: &str,
        price_round: &str,
        fee: i64,
        reserve: Option<i64>,
        cap_low: Option<i64>,
        cap_high: Option<i64>,
    ) -> PyResult<Self> {
        let rule = pair_rule(k, rule, price_round)?;
        let (fee, reserve) = (checked_fee(fee)?, checked_price("reserve", reserve)?);
        capped(Rule::Discriminatory(Discriminatory { rule, fee, reserve }), cap_low, cap_high)
    }

    #[staticmethod]
    fn maximal_volume(k: (i64, i64), rule: &str, price_round: &str, ascending: bool) -> PyResult<Self> {
        let rule = pair_rule(k, rule, price_round)?;
        let walk = if ascending { Walk::Ascending } else { Walk::Descending };
        Ok(Self::ranked(RankedRule::MaximalVolume(MaximalVolume { rule, walk })))
    }

    #[staticmethod]
    fn random_matching(k: (i64, i64), rule: &str, price_round: &str, seed: u64) -> PyResult<Self> {
        let rule = pair_rule(k, rule, price_round)?;
        Ok(Self::ranked(RankedRule::RandomMatching(RandomMatching { rule, seed })))
    }

    #[staticmethod]
    fn vickrey() -> Self {
        Self::ranked(RankedRule::Vickrey(Vickrey))
    }

    #[staticmethod]
    #[pyo3(signature = (use_p0, unit, cap_low, cap_high))]
    fn trade_reduction(use_p0: bool, unit: i64, cap_low: Option<i64>, cap_high: Option<i64>) -> PyResult<Self> {
        let unit = checked_unit(unit)?;
        let rule = TradeReduction { use_p0, cap_low, cap_high, unit };
        capped(Rule::Ranked(RankedRule::TradeReduction(rule)), cap_low, cap_high)
    }

    #[staticmethod]
    fn huang() -> Self {
        Self::ranked(RankedRule::Huang(Huang))
    }

    #[staticmethod]
    fn sbba(seed: u64, unit: i64) -> PyResult<Self> {
        Ok(Self::ranked(RankedRule::Sbba(Sbba { seed, unit: checked_unit(unit)? })))
    }

    #[staticmethod]
    fn muda(vickrey: bool, seed: u64) -> Self {
        let variant = if vickrey { Variant::Vickrey } else { Variant::Lottery };
        Self::ranked(RankedRule::Muda(Muda { variant, seed }))
    }

    #[staticmethod]
    fn average(unit: i64) -> PyResult<Self> {
        Ok(Self::ranked(RankedRule::Average(Average { unit: checked_unit(unit)? })))
    }

    #[staticmethod]
    fn multi_round(buyer_step: i64, seller_step: i64, max_rounds: u32) -> PyResult<Self> {
        for (name, step) in [("buyer_step", buyer_step), ("seller_step", seller_step)] {
            if !(0..=PRICE_MAX).contains(&step) {
                return Err(Exception::Mechanism.with(format!("{name}={step} ticks; use 0 to {PRICE_MAX}")));
            }
        }
        Ok(Self::ranked(RankedRule::MultiRound(MultiRound { buyer_step, seller_step, max_rounds })))
    }

    /// Whether what an order pays is a sum, not a price a unit.
    #[getter]
    fn pays_sums(&self) -> bool {
        self.0.pays_sums()
    }

    /// Whether orders may name the least quantity that they accept.
    #[getter]
    fn takes_minimums(&self) -> bool {
        self.0.takes_minimums()
    }

    /// Whether orders may open with a quote other than their limit.
    #[getter]
    fn takes_start_prices(&self) -> bool {
        self.0.takes_start_prices()
    }

    /// Whether payments follow from the trades, which are then worth keeping.
    #[getter]
    fn prices_by_trade(&self) -> bool {
        self.0.prices_by_trade()
    }
}

impl PyMechanism {
    fn ranked(rule: RankedRule) -> Self {
        Self(Rule::Ranked(rule).into())
    }
}

fn capped(rule: Rule, cap_low: Option<i64>, cap_high: Option<i64>) -> PyResult<PyMechanism> {
    let (cap_low, cap_high) = (checked_price("cap_low", cap_low)?, checked_price("cap_high", cap_high)?);
    if let (Some(low), Some(high)) = (cap_low, cap_high)
        && low > high
    {
        return Err(Exception::Mechanism.with(format!("cap_low={low} is above cap_high={high}; exchange them")));
    }
    Ok(PyMechanism(Mechanism { rule, cap_low, cap_high }))
}

fn pair_rule(k: (i64, i64), rule: &str, price_round: &str) -> PyResult<PairRule> {
    let price = match rule {
        "k" => PairPrice::Share(share(k)?),
        "bid" => PairPrice::Share(share((1, 1))?),
        "ask" => PairPrice::Share(share((0, 1))?),
        "earlier" => PairPrice::Earlier,
        "apart" => PairPrice::Apart,
        other => return Err(unknown("rule", other, "'k', 'bid', 'ask' or 'earlier'")),
    };
    Ok(PairRule { price, price_round: round(price_round)? })
}

fn checked_price(name: &str, price: Option<i64>) -> PyResult<Option<i64>> {
    match price {
        Some(ticks) if !price_in_range(ticks) => {
            Err(Exception::Mechanism.with(format!("{name}={ticks} ticks; use -{PRICE_MAX} to {PRICE_MAX}")))
        }
        price => Ok(price),
    }
}

fn checked_unit(unit: i64) -> PyResult<i64> {
    if quantity_in_range(unit) {
        Ok(unit)
    } else {
        Err(Exception::Mechanism.with(format!("unit={unit} lots; use 1 to 2^31-1")))
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
enum IntegerColumn<'py> {
    Wide(PyReadonlyArray1<'py, i64>),
    Narrow(PyReadonlyArray1<'py, i32>),
}

impl<'py> FromPyObject<'_, 'py> for IntegerColumn<'py> {
    type Error = PyErr;

    /// By hand, since a derived one words an error for the type that a column is not, and then drops it: 4 µs a call.
    fn extract(column: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(if column.cast::<PyArray1<i32>>().is_ok() {
            Self::Narrow(column.extract()?)
        } else {
            Self::Wide(column.extract()?)
        })
    }
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
    details: Vec<MarketDetail>,
    den: u8,
    rule: Rule,
    orders: usize,
}

/// Clears the columns; writes each order's filled quantity to `out`.
#[pyfunction]
#[pyo3(signature = (side, price, quantity, market, order, time, is_market_order, participant, min_quantity, start_price, half, turn, refused, mechanism, out, payment, trades, threads, frozen))]
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
    participant: Option<PyReadonlyArray1<'_, i64>>,
    min_quantity: Option<PyReadonlyArray1<'_, i64>>,
    start_price: Option<PyReadonlyArray1<'_, i64>>,
    half: Option<PyReadonlyArray1<'_, u8>>,
    turn: Option<PyReadonlyArray1<'_, i64>>,
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
        participant: participant.as_ref().map(|column| column.as_slice()).transpose()?,
        min_quantity: min_quantity.as_ref().map(|column| column.as_slice()).transpose()?,
        start_price: start_price.as_ref().map(|column| column.as_slice()).transpose()?,
        half: half.as_ref().map(|column| column.as_slice()).transpose()?,
        turn: turn.as_ref().map(|column| column.as_slice()).transpose()?,
        refused: refused.as_ref().map(|column| column.as_slice()).transpose()?,
    };
    let want = Want { payment, trades, ..Want::default() };
    let filled = out.as_slice_mut()?;
    let mut run = || batch::clear(&columns, &mechanism.0, want, threads, filled);
    let clearing =
        if frozen { py.detach(&mut run) } else { run() }.map_err(|error| Exception::Schema.with(error.to_string()))?;
    Ok(Cleared {
        outcomes: clearing.outcomes,
        reject: clearing.reject,
        payment: clearing.payment,
        trades: clearing.trades,
        details: clearing.details,
        den: clearing.den,
        rule: mechanism.0.rule,
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
    fn payment<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<i64>>> {
        match (&self.payment, &self.trades) {
            (Some(payment), _) => Some(PyArray1::from_slice(py, payment)),
            (None, Some(trades)) => Some(trades.payments(self.orders).into_pyarray(py)),
            (None, None) => None,
        }
    }

    /// Columns of the trades, or `None` where they were not asked for. Money is by unit (`buy_price`, `sell_price`) or
    /// where the mechanism pays sums by trade (`buy_amount`, `sell_amount`).
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
        let (bought, sold) = if trades.are_sums { ("buy_amount", "sell_amount") } else { ("buy_price", "sell_price") };
        columns.set_item(bought, PyArray1::from_slice(py, &trades.buy_price))?;
        columns.set_item(sold, PyArray1::from_slice(py, &trades.sell_price))?;
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
        let flag = |of: fn(&MarketOutcome) -> bool| outcomes.iter().map(of).collect::<Vec<bool>>().into_pyarray(py);
        columns.set_item("has_price", flag(|market| market.has_price))?;
        if let Rule::Ranked(rule) = self.rule {
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
        }
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
