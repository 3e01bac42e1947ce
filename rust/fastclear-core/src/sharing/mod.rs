//! Community pricing: members of a pool share what they have, without bids.
//!
//! A load is the metered net energy of one member in one market (a community in a slot). [`loads`] checks and lays
//! loads out, [`price`] says what local energy is worth, [`keys`] who gets it, [`divide`] divides sums of money and of
//! energy by largest remainder, [`pool`] puts them together for one pool. Pools are independent of each other, and no
//! result depends on the number of threads or on the order of rows.
//!
//! # Money
//! What a pool's sellers earn is rounded once, to the nearest whole unit; its buyers pay that, the bill of the grid
//! connection, and the fees. Each of the two sums is divided over the side in proportion to energy. So payments add up to
//! the bill exactly, each is within one and a half units of its exact fraction, and since what a member would pay or earn
//! alone is a whole number, rounding makes nobody worse off.

pub mod divide;
pub mod keys;
pub mod loads;
pub mod pool;
pub mod price;

pub use loads::{Flaw, GridPrice, Loads, Unusable};
pub use pool::{MarketShare, Shared, share};

/// How the fixed cost of a pool is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostKey {
    /// In proportion to imports; equally where there are none.
    Bought,
    /// Equally over the loads of the pool: a member pays for each slot in which it is one.
    Equal,
}

/// Who gets local energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// In proportion to consumption.
    Dynamic,
    /// By agreed shares; what a member does not use is lost to the others.
    Static,
    /// By agreed shares first; what is not used goes to the others in proportion to what they still lack.
    Hybrid,
}

/// The rule by which pools are settled. Prices and fees are ticks, money is ticks × lots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Importers share the pool's import bill and exporters its export revenue; a pool is a period.
    BillSharing {
        /// What the pool costs beside energy.
        fixed_cost: i64,
        /// Who pays it.
        by: CostKey,
    },
    /// Local energy is worth half way between retail and feed-in price.
    MidMarketRate {
        /// Paid by buyers for each lot of local energy.
        fee: i64,
    },
    /// Local energy is worth less the more of it there is.
    SupplyDemandRatio {
        /// What is added to the feed-in price for local energy; the least that it is worth.
        compensation: i64,
        /// Paid by buyers for each lot of local energy.
        fee: i64,
    },
    /// Local energy has one price; each member has lots of it, and deals with the grid for the rest.
    FixedPrice {
        /// That price.
        price: i64,
        /// Paid by buyers for each lot of local energy.
        fee: i64,
        /// Who gets it.
        key: Key,
    },
}

impl Rule {
    /// Paid by buyers for each lot of local energy.
    pub const fn fee(&self) -> i64 {
        match *self {
            Self::BillSharing { .. } => 0,
            Self::MidMarketRate { fee } | Self::SupplyDemandRatio { fee, .. } | Self::FixedPrice { fee, .. } => fee,
        }
    }

    /// Whether pools are periods of several markets.
    pub const fn takes_periods(&self) -> bool {
        matches!(self, Self::BillSharing { .. })
    }

    /// Whether agreed shares say who gets local energy.
    pub const fn takes_shares(&self) -> bool {
        matches!(self, Self::FixedPrice { key: Key::Static | Key::Hybrid, .. })
    }
}
