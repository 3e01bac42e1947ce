//! Mechanisms: parameters in, a checked rule of the core out.

use fastclear_core::auction::maximal_volume::Walk;
use fastclear_core::auction::muda::Variant;
use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound, Share};
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::uniform::PriceRule;
use fastclear_core::auction::{
    Average, Discriminatory, Huang, MaximalVolume, Mechanism, Muda, MultiRound, RandomMatching, RankedRule, Rule, Sbba,
    TradeReduction, Uniform, Vickrey,
};
use fastclear_core::units::{PRICE_MAX, price_in_range, quantity_in_range};
use pyo3::prelude::*;

use crate::errors::Exception;

/// A checked mechanism.
#[pyclass(name = "Mechanism", frozen, module = "fastclear._core")]
pub struct PyMechanism(pub Mechanism);

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
