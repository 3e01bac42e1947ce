//! Call auctions: all orders of a market at once, at a gate.
//!
//! [`curve`] finds where supply meets demand, [`rationing`] shares the level that does not fit, [`pairing`] makes
//! trades of fills, [`uniform`] and [`discriminatory`] set prices; they read a market's columns as they lie
//! ([`book::Book`]). The other mechanisms, one a file, stand on a market whose orders are [`ranked`] and hand back deals
//! ([`deal`]). [`crate::batch`] lays markets out and runs one mechanism over all of them.

pub mod average;
pub mod book;
mod charge;
pub mod curve;
pub mod deal;
pub mod discriminatory;
mod displaced;
pub mod huang;
pub mod lent;
pub mod lottery;
pub mod maximal_volume;
pub mod minimums;
pub mod muda;
pub mod multi_round;
pub mod pairing;
mod part;
pub mod price;
pub mod random_matching;
pub mod ranked;
pub mod rationing;
pub mod sbba;
pub mod sort;
pub mod trade_reduction;
pub mod uniform;
pub mod vickrey;

pub use average::Average;
pub use discriminatory::Discriminatory;
pub use huang::Huang;
pub use maximal_volume::MaximalVolume;
pub use muda::Muda;
pub use multi_round::MultiRound;
pub use random_matching::RandomMatching;
pub use sbba::Sbba;
pub use trade_reduction::TradeReduction;
pub use uniform::Uniform;
pub use vickrey::Vickrey;

use book::{Book, Number};
use deal::{Outcome, Results};
use ranked::{Market, Scratch};

/// The rule by which a market is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One price a market.
    Uniform(Uniform),
    /// One price a trade.
    Discriminatory(Discriminatory),
    /// Any of those that rank a market first.
    Ranked(RankedRule),
}

/// A rule that ranks a market first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankedRule {
    /// The most lots that any pairing can trade.
    MaximalVolume(MaximalVolume),
    /// Pairs by lot.
    RandomMatching(RandomMatching),
    /// VCG payments.
    Vickrey(Vickrey),
    /// `McAfee`'s trade reduction.
    TradeReduction(TradeReduction),
    /// The marginal orders set the prices and do not trade.
    Huang(Huang),
    /// Trade reduction at one price, with a lottery among sellers.
    Sbba(Sbba),
    /// Two halves, each at the other's price.
    Muda(Muda),
    /// The midpoint of the last pair for all.
    Average(Average),
    /// Rounds of concession.
    MultiRound(MultiRound),
}

impl RankedRule {
    /// Clears one market. `None` where a value is one that no order may carry; results then mean nothing.
    pub fn clear<P: Number, Q: Number>(
        self,
        book: &Book<'_, P, Q>,
        market: &Market<'_>,
        results: &mut Results<'_>,
        scratch: &mut Scratch,
    ) -> Option<Outcome> {
        match self {
            Self::MaximalVolume(rule) => rule.clear(book, market, results, scratch),
            Self::RandomMatching(rule) => rule.clear(book, market, results, scratch),
            Self::Vickrey(rule) => rule.clear(book, market, results, scratch),
            Self::TradeReduction(rule) => rule.clear(book, market, results, scratch),
            Self::Huang(rule) => rule.clear(book, market, results, scratch),
            Self::Sbba(rule) => rule.clear(book, market, results, scratch),
            Self::Muda(rule) => rule.clear(book, market, results, scratch),
            Self::Average(rule) => rule.clear(book, market, results, scratch),
            Self::MultiRound(rule) => rule.clear(book, market, results, scratch),
        }
    }
}

/// A mechanism of [`crate::batch::clear`]: whom it admits, and how it clears them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mechanism {
    /// How a market is cleared.
    pub rule: Rule,
    /// Lowest price that a limit order may carry; a market ask competes at it.
    pub cap_low: Option<i64>,
    /// Highest price that a limit order may carry; a market bid competes at it.
    pub cap_high: Option<i64>,
}

impl From<Uniform> for Mechanism {
    fn from(uniform: Uniform) -> Self {
        Rule::Uniform(uniform).into()
    }
}

impl From<Discriminatory> for Mechanism {
    fn from(discriminatory: Discriminatory) -> Self {
        Rule::Discriminatory(discriminatory).into()
    }
}

impl From<Rule> for Mechanism {
    fn from(rule: Rule) -> Self {
        Self { rule, cap_low: None, cap_high: None }
    }
}

impl Mechanism {
    /// The fee a unit inside the clearing, in ticks.
    pub const fn fee(&self) -> i64 {
        match self.rule {
            Rule::Uniform(uniform) => uniform.fee,
            Rule::Discriminatory(discriminatory) => discriminatory.fee,
            Rule::Ranked(_) => 0,
        }
    }

    /// Bids competing below this price take no part.
    pub const fn reserve(&self) -> Option<i64> {
        match self.rule {
            Rule::Uniform(uniform) => uniform.reserve,
            Rule::Discriminatory(discriminatory) => discriminatory.reserve,
            Rule::Ranked(_) => None,
        }
    }

    /// Lots that every order must have, where the rule trades units.
    pub const fn unit(&self) -> Option<i64> {
        match self.rule {
            Rule::Ranked(RankedRule::TradeReduction(rule)) => Some(rule.unit),
            Rule::Ranked(RankedRule::Sbba(rule)) => Some(rule.unit),
            Rule::Ranked(RankedRule::Average(rule)) => Some(rule.unit),
            _ => None,
        }
    }

    /// Whether a participant may stand on one side of a market only.
    pub const fn one_side(&self) -> bool {
        matches!(
            self.rule,
            Rule::Ranked(
                RankedRule::Vickrey(_)
                    | RankedRule::TradeReduction(_)
                    | RankedRule::Huang(_)
                    | RankedRule::Sbba(_)
                    | RankedRule::Muda(_)
            )
        )
    }

    /// Whether a participant may have one order a market only.
    pub const fn one_order(&self) -> bool {
        matches!(
            self.rule,
            Rule::Ranked(
                RankedRule::TradeReduction(_) | RankedRule::Huang(_) | RankedRule::Sbba(_) | RankedRule::Average(_)
            )
        )
    }

    /// Whether orders may name the least quantity that they accept.
    pub const fn takes_minimums(&self) -> bool {
        !matches!(self.rule, Rule::Ranked(_))
    }

    /// Whether orders may open with a quote other than their limit.
    pub const fn takes_start_prices(&self) -> bool {
        matches!(self.rule, Rule::Ranked(RankedRule::MultiRound(_)))
    }

    /// Whether the rule looks at participants.
    pub const fn takes_participants(&self) -> bool {
        self.one_side() || self.one_order()
    }

    /// Whether prices and money come over 2: the rule needs exact midpoints.
    pub const fn is_halved(&self) -> bool {
        match self.rule {
            Rule::Uniform(uniform) => uniform.is_halved(),
            Rule::Discriminatory(_) => false,
            Rule::Ranked(rule) => matches!(
                rule,
                RankedRule::TradeReduction(_)
                    | RankedRule::Muda(_)
                    | RankedRule::Average(_)
                    | RankedRule::MultiRound(_)
            ),
        }
    }

    /// Whether what an order pays is a sum, not a price a unit.
    pub const fn pays_sums(&self) -> bool {
        matches!(
            self.rule,
            Rule::Ranked(RankedRule::Vickrey(_) | RankedRule::Muda(Muda { variant: muda::Variant::Vickrey, .. }))
        )
    }

    /// Whether the buyer of a trade pays what its seller receives, in every market.
    pub const fn one_price_a_trade(&self) -> bool {
        match self.rule {
            Rule::Uniform(uniform) => uniform.fee == 0,
            Rule::Discriminatory(discriminatory) => {
                discriminatory.fee == 0 && !matches!(discriminatory.rule.price, price::PairPrice::Apart)
            }
            Rule::Ranked(_) => false,
        }
    }

    /// Whether prices differ from trade to trade, so that payments need the trades.
    pub const fn prices_by_trade(&self) -> bool {
        !matches!(self.rule, Rule::Uniform(_))
    }

    /// Whether outcomes follow from the crossing, whatever each order's fill.
    pub const fn prices_need_no_fills(&self) -> bool {
        match self.rule {
            Rule::Uniform(uniform) => uniform.is_interval() && !uniform.whole_levels,
            _ => false,
        }
    }

    /// Whether columns may be tried as they stand: every order is admitted that is sound by itself, ids apart, or the rule
    /// looks at every order itself and clears no market of which one must be refused.
    pub const fn may_admit_all(&self) -> bool {
        self.admits_all() || self.unit().is_some()
    }

    /// Whether every order of any columns is admitted that is sound by itself, ids apart.
    pub const fn admits_all(&self) -> bool {
        self.cap_low.is_none() && self.cap_high.is_none() && self.reserve().is_none() && self.unit().is_none()
    }
}
