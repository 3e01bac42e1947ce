//! What a profile adds to every bid and every trade: money to be kept, escrow and bonds, fees from sellers' proceeds.

use std::collections::BTreeMap;

use super::accounts::{Accounts, DSO, PLATFORM};
use super::bank::Bank;
use super::credit::Cover;
use super::draft::{Draft, Line};
use super::error::SettleError;
use super::posting::Kind;
use crate::units::PRICE_MAX;

/// `code` of a [`Kind::Parameter`]: money that whoever bids or withdraws must keep.
pub const PARAMETER_MINIMUM_HOLDING: u16 = 1;
/// `code` of a [`Kind::Trade`]: the payment for a trade goes into escrow instead of to the seller.
pub const TRADE_ESCROWED: u16 = 20;
/// `code` of a [`Kind::Trade`]: the seller is paid out of escrow for what it delivered.
pub const TRADE_RELEASED: u16 = 21;
/// `code` of a [`Kind::Trade`]: the buyer gets back what was not delivered.
pub const TRADE_RETURNED: u16 = 22;
/// `code` of a [`Kind::Net`]: the bond of a buyer goes into escrow.
pub const NET_BUYER_BOND: u16 = 20;
/// `code` of a [`Kind::Net`]: the bond of a seller goes into escrow.
pub const NET_SELLER_BOND: u16 = 21;
/// `code` of a [`Kind::Net`]: a bond goes back to whose it is.
pub const NET_BOND_RETURNED: u16 = 22;
/// `code` of a [`Kind::Net`]: access tokens are bonded.
pub const NET_BONDED: u16 = 23;
/// `code` of a [`Kind::Net`]: access tokens are given back.
pub const NET_UNBONDED: u16 = 24;
/// `code` of a [`Kind::Imbalance`]: a seller pays the buyer for what it did not deliver, at most its bond.
pub const IMBALANCE_DELIVERY_PENALTY: u16 = 20;
/// `code` of a [`Kind::Fee`]: the platform's part of what a seller receives.
pub const FEE_PLATFORM_PROCEEDS: u16 = 20;
/// `code` of a [`Kind::Fee`]: the network's part of what a seller receives.
pub const FEE_DSO_PROCEEDS: u16 = 21;

/// Every line of these profiles that `code` tells apart within a kind, with its stable name.
pub const LINES: [(Kind, u16, &str); 12] = [
    (Kind::Parameter, PARAMETER_MINIMUM_HOLDING, "minimum_holding"),
    (Kind::Trade, TRADE_ESCROWED, "escrowed"),
    (Kind::Trade, TRADE_RELEASED, "released"),
    (Kind::Trade, TRADE_RETURNED, "returned"),
    (Kind::Net, NET_BUYER_BOND, "buyer_bond"),
    (Kind::Net, NET_SELLER_BOND, "seller_bond"),
    (Kind::Net, NET_BOND_RETURNED, "bond_returned"),
    (Kind::Net, NET_BONDED, "bonded"),
    (Kind::Net, NET_UNBONDED, "unbonded"),
    (Kind::Imbalance, IMBALANCE_DELIVERY_PENALTY, "delivery_penalty"),
    (Kind::Fee, FEE_PLATFORM_PROCEEDS, "platform_proceeds"),
    (Kind::Fee, FEE_DSO_PROCEEDS, "dso_proceeds"),
];

/// Rules of a profile beside credit. Rates are in parts per million, and what they come to is rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Money that must be left when all that is reserved is paid, nano-currency; 0: none.
    pub minimum_holding: i64,
    /// `Some` where payments wait in escrow: the bond of each side, of what it pays or is to receive.
    pub bond_ppm: Option<u32>,
    /// Of what a seller receives, to the platform and to the network.
    pub proceeds_ppm: [u32; 2],
}

impl Rules {
    /// The bond for `amount`: rounded down, so that the bonds of the parts of an order never sum to more than its own.
    pub fn bond(&self, amount: i128) -> i128 {
        match self.bond_ppm {
            Some(ppm) => amount.max(0) * i128::from(ppm) / 1_000_000,
            None => 0,
        }
    }

    /// Whether the member of an ask has its bond at the price it asks, beside those of its asks before it in the call. A
    /// market order names no price; its bond is asked for when it has traded.
    pub(super) fn can_bond(
        &self,
        on_hand: &Cover<'_>,
        accounts: &Accounts,
        (account, price, quantity): (u64, i64, i64),
        asked: &mut BTreeMap<u64, i128>,
    ) -> bool {
        if self.bond_ppm.is_none() {
            return true;
        }
        let price = if price < PRICE_MAX { price } else { 0 };
        let bond = self.bond(i128::from(price) * i128::from(quantity));
        let before = asked.entry(account).or_insert(0);
        let can = bond == 0 || *before + bond <= on_hand.available(accounts, account);
        *before += if can { bond } else { 0 };
        can
    }

    /// Whether the payment of a trade waits in escrow: where a seller has to pay, nothing is owed to it.
    pub const fn escrows(&self, to_seller: i128) -> bool {
        self.bond_ppm.is_some() && to_seller >= 0
    }

    /// What the house takes of `proceeds`: code, account, amount of each line. The seller keeps what is rounded off.
    pub fn of_proceeds(&self, proceeds: i128) -> [(u16, u64, i128); 2] {
        let part = |ppm: u32| if ppm == 0 { 0 } else { proceeds.max(0) * i128::from(ppm) / 1_000_000 };
        let [platform, dso] = self.proceeds_ppm;
        [(FEE_PLATFORM_PROCEEDS, PLATFORM, part(platform)), (FEE_DSO_PROCEEDS, DSO, part(dso))]
    }
}

impl Bank {
    /// The same bank under other rules; call it on a new bank. A minimum holding is a record of the history.
    ///
    /// # Errors
    /// A negative minimum holding, a bond above ten times the payment, or proceeds of which nothing is left.
    pub fn with_rules(mut self, rules: Rules) -> Result<Self, SettleError> {
        let [platform, dso] = rules.proceeds_ppm;
        if rules.minimum_holding < 0
            || rules.bond_ppm.unwrap_or(0) > 10_000_000
            || u64::from(platform) + u64::from(dso) > 1_000_000
        {
            return Err(SettleError::BadRules);
        }
        if rules.minimum_holding > 0 {
            let mut draft = Draft::new(&mut self.accounts, self.next);
            draft.push(Line {
                code: PARAMETER_MINIMUM_HOLDING,
                ..Line::new(Kind::Parameter, 0, 0, i128::from(rules.minimum_holding))
            })?;
            let (postings, next) = draft.commit();
            self.keep(postings, next);
        }
        self.rules = rules;
        Ok(self)
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
