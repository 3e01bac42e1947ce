//! The invariants of transfers, recomputed from scratch. Numbers as in the design: L-I1 to L-I5.

use std::collections::BTreeMap;
use std::fmt;

use super::Transfers;
use super::records::Fate;

/// What an audit has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Accounts.
    pub accounts: usize,
    /// Assets.
    pub assets: usize,
    /// Ids that were used.
    pub ids: usize,
    /// Open reservations.
    pub open: usize,
    /// Sum of open reservations.
    pub reserved: i128,
}

/// An invariant that does not hold: a fault of this library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// L-I1: the balances of an asset do not sum to zero.
    Conservation {
        /// The asset.
        asset: u16,
        /// The sum.
        sum: i128,
    },
    /// L-I2, L-I4, L-I5: what an account has pending is not what its open reservations say.
    Pending {
        /// The account.
        account: u64,
    },
    /// L-I2: the running total of reservations is not their sum.
    Reserved {
        /// The running total.
        total: i128,
        /// The sum.
        sum: i128,
    },
    /// An id that is not found under its record, or an expiry or count that does not fit.
    Index,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Conservation { asset, sum } => write!(f, "L-I1: balances of asset {asset} sum to {sum}, not to 0"),
            Self::Pending { account } => {
                write!(f, "L-I2: what account {account} has pending is not the sum of its open reservations")
            }
            Self::Reserved { total, sum } => write!(f, "L-I2: {total} is said to be reserved, and {sum} is"),
            Self::Index => write!(f, "L-I5: ids, reservations and expiries do not fit each other"),
        }
    }
}

impl std::error::Error for Broken {}

impl Transfers {
    /// Recomputes everything: each asset's balances sum to zero (L-I1); what every account has pending is what the
    /// open reservations say (L-I2, L-I4, L-I5); ids and expiries are complete. O(accounts + ids log expiries).
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn audit(&self) -> Result<Audit, Broken> {
        let store = &self.store;
        let mut pending = vec![(0_i128, 0_i128); store.len()];
        let (mut open, mut expiring, mut reserved) = (0, 0, 0);
        for (place, record) in (0..).zip(self.records.rows()) {
            if self.records.find(record.id) != Some(place) {
                return Err(Broken::Index);
            }
            if record.fate == Fate::Open {
                let amount = i128::from(record.amount);
                pending[record.debit as usize].0 += amount;
                pending[record.credit as usize].1 += amount;
                open += 1;
                expiring += usize::from(record.expires_ns != 0);
                reserved += amount;
            }
        }
        if (open, expiring) != (self.records.open(), self.records.expiring()) || !self.records.expiries_complete() {
            return Err(Broken::Index);
        }
        if reserved != store.reserved {
            return Err(Broken::Reserved { total: store.reserved, sum: reserved });
        }
        let mut sums: BTreeMap<u16, i128> = BTreeMap::new();
        for (place, pending) in pending.into_iter().enumerate() {
            let balance = store.balance(place);
            if (balance.pending_out, balance.pending_in) != pending {
                return Err(Broken::Pending { account: balance.account });
            }
            *sums.entry(balance.terms.asset).or_insert(0) += balance.posted;
        }
        if let Some((&asset, &sum)) = sums.iter().find(|&(_, &sum)| sum != 0) {
            return Err(Broken::Conservation { asset, sum });
        }
        Ok(Audit { accounts: store.len(), assets: sums.len(), ids: self.records.len(), open, reserved })
    }
}
