//! What a deviation between metered and traded energy costs.

use super::tariff::Tariff;

/// The policy of a bank. In each of them a deviation is priced within its slot, never netted across slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Imbalance {
    /// Energy lacking at retail, energy left over at feed-in, member by member.
    #[default]
    Backup,
    /// All of it at retail where the metered members together lack energy, else all of it at feed-in.
    SinglePrice,
    /// Backup, and a penalty on each Wh beyond a dead band on either side of the contract.
    DualPrice {
        /// Ticks, 0 or more.
        penalty: i64,
        /// Wh, 0 or more.
        dead_band: i64,
        /// House account that receives it.
        to: u64,
    },
}

impl Imbalance {
    /// The price of energy lacking and of energy left over, where all deviations of the slot sum to `total`.
    pub(super) const fn prices(self, tariff: &Tariff, total: i128) -> (i64, i64) {
        match self {
            Self::SinglePrice if total > 0 => (tariff.retail(), tariff.retail()),
            Self::SinglePrice => (tariff.feed_in(), tariff.feed_in()),
            Self::Backup | Self::DualPrice { .. } => (tariff.retail(), tariff.feed_in()),
        }
    }
}
