//! What each member paid and received, line by line, read off postings.

use std::collections::BTreeMap;

use super::accounts::{CLEARING, FIRST_MEMBER};
use super::delivery::{IMBALANCE_FEED_IN, IMBALANCE_RESIDUAL};
use super::pool::{FEE_POOL, TRADE_POOL_PAID, TRADE_POOL_RECEIVED};
use super::posting::{Kind, Posting};
use super::resettlement::corrected;
use super::rules::{FEE_DSO_PROCEEDS, FEE_PLATFORM_PROCEEDS, TRADE_ESCROWED, TRADE_RELEASED, TRADE_RETURNED};
use super::slot::{FEE_NETWORK, FEE_NETWORK_SHARE, FEE_PLATFORM, FEE_PLATFORM_SHARE, FEE_SUBSCRIPTION, TRADE_BUYER};

/// The lines of one member in nano-currency: + the member pays, − the member receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Traded energy, at the price of the buyer or of the seller.
    pub energy: i128,
    /// Platform fee.
    pub platform: i128,
    /// Network fee.
    pub network: i128,
    /// Consumption beyond what was traded, at retail or at the price of a pool.
    pub residual: i128,
    /// Generation beyond what was traded, at feed-in or at the price of a pool.
    pub feed_in: i128,
    /// Energy sold and not delivered, or bought and not consumed; penalties; shares of what is left over.
    pub imbalance: i128,
    /// Fixed charges for days of membership.
    pub subscription: i128,
    /// Other corrections: a slot taken back, a ruling, cents.
    pub correction: i128,
    /// Tax on energy, fees, residual and fixed charges.
    pub tax: i128,
}

impl Bill {
    /// The sum of the lines.
    pub const fn net(&self) -> i128 {
        let fees = self.platform + self.network + self.subscription;
        self.energy + fees + self.residual + self.feed_in + self.imbalance + self.correction + self.tax
    }
}

/// The bill of every member that `postings` touch, in ascending account.
///
/// `postings` is a run of the history without gaps that holds whole slots; a fee or tax whose trade lies outside it
/// is left out. The buyer of a trade is the account that its Post debits: trade → post → account.
pub fn bills(postings: &[Posting]) -> BTreeMap<u64, Bill> {
    let mut bills: BTreeMap<u64, Bill> = BTreeMap::new();
    let first = postings.first().map_or(0, |p| p.seq);
    let at = |seq: u64| seq.checked_sub(first).and_then(|i| postings.get(usize::try_from(i).ok()?));
    for p in postings {
        let amount = i128::from(p.amount);
        match p.kind {
            // The buyer pays into escrow; seller and buyer are paid out of it.
            Kind::Trade if p.code == TRADE_ESCROWED => {
                if let Some(post) = at(p.group) {
                    bills.entry(post.debit).or_default().energy += amount;
                }
            }
            Kind::Trade if matches!(p.code, TRADE_RELEASED | TRADE_RETURNED) => {
                bills.entry(p.credit).or_default().energy -= amount;
            }
            Kind::Trade if matches!(p.code, TRADE_POOL_PAID | TRADE_POOL_RECEIVED) => {
                let (member, paid) = if p.credit == CLEARING { (p.debit, amount) } else { (p.credit, -amount) };
                bills.entry(member).or_default().energy += paid;
            }
            Kind::Trade if p.code != TRADE_BUYER => {
                // Negative prices exchange debit and credit; then the seller pays.
                let (seller, received) = if p.debit == CLEARING { (p.credit, amount) } else { (p.debit, -amount) };
                bills.entry(seller).or_default().energy -= received;
                if let Some(post) = at(p.group) {
                    bills.entry(post.debit).or_default().energy += received;
                }
            }
            // The operator's part of what loads of a pool paid already.
            Kind::Fee if p.code == FEE_POOL => {}
            Kind::Fee | Kind::Tax if p.debit < FIRST_MEMBER && p.credit < FIRST_MEMBER => {
                let paid = if p.debit == CLEARING { amount } else { -amount };
                let Some(post) = at(p.group).and_then(|trade| at(trade.group)) else {
                    continue;
                };
                let bill = bills.entry(post.debit).or_default();
                match (p.kind, p.code) {
                    (Kind::Tax, _) => bill.tax += paid,
                    (_, FEE_PLATFORM | FEE_PLATFORM_SHARE) => bill.platform += paid,
                    (_, FEE_NETWORK | FEE_NETWORK_SHARE) => bill.network += paid,
                    _ => bill.energy += paid, // spread and rounding are part of what the buyer pays for the energy
                }
            }
            Kind::Imbalance | Kind::Tax | Kind::Correction => {
                let line = if p.kind == Kind::Correction { corrected(p.code) } else { Some((p.kind, p.code)) };
                for (account, paid) in [(p.debit, amount), (p.credit, -amount)] {
                    if account < FIRST_MEMBER {
                        continue;
                    }
                    let bill = bills.entry(account).or_default();
                    match line {
                        None => bill.correction += paid,
                        Some((Kind::Tax, _)) => bill.tax += paid,
                        Some((_, IMBALANCE_RESIDUAL)) => bill.residual += paid,
                        Some((_, IMBALANCE_FEED_IN)) => bill.feed_in += paid,
                        Some(_) => bill.imbalance += paid,
                    }
                }
            }
            // Of a load of a pool: between its member and who receives it. At a negative rate the member is paid.
            Kind::Fee if matches!(p.code, FEE_PLATFORM | FEE_PLATFORM_SHARE | FEE_NETWORK | FEE_NETWORK_SHARE) => {
                let (member, paid) = if p.debit >= FIRST_MEMBER { (p.debit, amount) } else { (p.credit, -amount) };
                let bill = bills.entry(member).or_default();
                match p.code {
                    FEE_PLATFORM | FEE_PLATFORM_SHARE => bill.platform += paid,
                    _ => bill.network += paid,
                }
            }
            Kind::Fee if p.code == FEE_PLATFORM_PROCEEDS => bills.entry(p.debit).or_default().platform += amount,
            Kind::Fee if p.code == FEE_DSO_PROCEEDS => bills.entry(p.debit).or_default().network += amount,
            Kind::Fee if p.code == FEE_SUBSCRIPTION => bills.entry(p.debit).or_default().subscription += amount,
            Kind::Meter => {
                bills.entry(p.debit).or_default();
            }
            _ => {}
        }
    }
    bills
}
