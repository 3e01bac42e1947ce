//! What a deviation between metered and traded energy costs, and who has what is left over.

use super::accounts::BACKSTOP;
use super::tariff::Tariff;

/// Who has what members pay beyond the bill of the grid connection, or makes up for what they do not pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A house account.
    House(u64),
    /// The metered members, in proportion to |metered|.
    Members,
}

/// Who pays for energy that was sold and not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// The seller, at retail; it keeps the price of the trade.
    BuyerMadeWhole,
    /// The buyer, at retail; the seller returns the price of the trade.
    BuyerPaysRetail,
}

/// The policy of a bank. In each of them a deviation is priced within its slot, never netted across slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imbalance {
    /// Energy lacking at retail, energy left over at feed-in, member by member.
    Backup {
        /// Who has (retail − feed-in) × what members could have netted among themselves.
        residual_to: Owner,
    },
    /// All of it at retail where the metered members together lack energy, else all of it at feed-in.
    SinglePrice,
    /// Backup, and a penalty on each Wh beyond a dead band on either side of the contract.
    DualPrice {
        /// Ticks, 0 or more.
        penalty: i64,
        /// Wh, 0 or more.
        dead_band: i64,
        /// Who receives it.
        to: Owner,
    },
    /// What the metered members can net among themselves at half of retail + feed-in, the rest as backup.
    Pooled,
    /// Backup, and what a seller did not deliver is told trade by trade.
    ShortfallAllocation {
        /// Who pays for it.
        rule: Shortfall,
        /// As in `Backup`.
        residual_to: Owner,
    },
}

impl Default for Imbalance {
    /// Backup, whose residual stays with the backstop.
    fn default() -> Self {
        Self::Backup { residual_to: Owner::House(BACKSTOP) }
    }
}

impl Imbalance {
    /// The price of energy lacking and of energy left over, where all deviations of the slot sum to `total`.
    pub(super) const fn prices(self, tariff: &Tariff, total: i128) -> (i64, i64) {
        match self {
            Self::SinglePrice if total > 0 => (tariff.retail(), tariff.retail()),
            Self::SinglePrice => (tariff.feed_in(), tariff.feed_in()),
            _ => (tariff.retail(), tariff.feed_in()),
        }
    }
}
