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
    bill_list(postings).into_iter().collect()
}

/// [`bills`] as a list.
pub fn bill_list(postings: &[Posting]) -> Vec<(u64, Bill)> {
    let mut bills = Bills::of(postings.len());
    let first = postings.first().map_or(0, |p| p.seq);
    let at = |seq: u64| seq.checked_sub(first).and_then(|i| postings.get(usize::try_from(i).ok()?));
    for p in postings {
        let amount = i128::from(p.amount);
        match p.kind {
            // The buyer pays into escrow; seller and buyer are paid out of it.
            Kind::Trade if p.code == TRADE_ESCROWED => {
                if let Some(post) = at(p.group) {
                    bills.of_account(post.debit).energy += amount;
                }
            }
            Kind::Trade if matches!(p.code, TRADE_RELEASED | TRADE_RETURNED) => {
                bills.of_account(p.credit).energy -= amount;
            }
            Kind::Trade if matches!(p.code, TRADE_POOL_PAID | TRADE_POOL_RECEIVED) => {
                let (member, paid) = if p.credit == CLEARING { (p.debit, amount) } else { (p.credit, -amount) };
                bills.of_account(member).energy += paid;
            }
            Kind::Trade if p.code != TRADE_BUYER => {
                // Negative prices exchange debit and credit; then the seller pays.
                let (seller, received) = if p.debit == CLEARING { (p.credit, amount) } else { (p.debit, -amount) };
                bills.of_account(seller).energy -= received;
                if let Some(post) = at(p.group) {
                    bills.of_account(post.debit).energy += received;
                }
            }
            // The operator's part of what loads of a pool paid already.
            Kind::Fee if p.code == FEE_POOL => {}
            Kind::Fee | Kind::Tax if p.debit < FIRST_MEMBER && p.credit < FIRST_MEMBER => {
                let paid = if p.debit == CLEARING { amount } else { -amount };
                let Some(post) = at(p.group).and_then(|trade| at(trade.group)) else {
                    continue;
                };
                let bill = bills.of_account(post.debit);
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
                    let bill = bills.of_account(account);
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
                let bill = bills.of_account(member);
                match p.code {
                    FEE_PLATFORM | FEE_PLATFORM_SHARE => bill.platform += paid,
                    _ => bill.network += paid,
                }
            }
            Kind::Fee if p.code == FEE_PLATFORM_PROCEEDS => bills.of_account(p.debit).platform += amount,
            Kind::Fee if p.code == FEE_DSO_PROCEEDS => bills.of_account(p.debit).network += amount,
            Kind::Fee if p.code == FEE_SUBSCRIPTION => bills.of_account(p.debit).subscription += amount,
            Kind::Meter => {
                bills.of_account(p.debit);
            }
            _ => {}
        }
    }
    bills.by_account()
}

/// Bills by account. Members are numbered one after the other, so that most have a place of their own.
struct Bills {
    members: Vec<Option<Bill>>,
    /// Accounts beyond the places that so many postings are worth.
    others: BTreeMap<u64, Bill>,
    places: usize,
}

impl Bills {
    /// No bill yet; there will be some postings.
    const fn of(postings: usize) -> Self {
        Self { members: Vec::new(), others: BTreeMap::new(), places: postings.saturating_mul(4) }
    }

    /// The bill of an account, empty at first.
    fn of_account(&mut self, account: u64) -> &mut Bill {
        let place = account.checked_sub(FIRST_MEMBER).and_then(|place| usize::try_from(place).ok());
        match place.filter(|&place| place < self.places) {
            Some(place) => {
                if place >= self.members.len() {
                    self.members.resize(place + 1, None);
                }
                self.members[place].get_or_insert_default()
            }
            None => self.others.entry(account).or_default(),
        }
    }

    /// All of them, ascending account.
    fn by_account(mut self) -> Vec<(u64, Bill)> {
        let count = self.members.iter().flatten().count() + self.others.len();
        let beyond = self.others.split_off(&FIRST_MEMBER);
        let members = (FIRST_MEMBER..).zip(self.members).filter_map(|(account, bill)| Some((account, bill?)));
        let mut all = Vec::with_capacity(count);
        all.extend(self.others);
        all.extend(members);
        all.extend(beyond); // which have no place: they lie beyond those that do
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bills with places of their own are those of a tree, whichever accounts are touched in whichever order.
    #[test]
    fn any_account_has_one_bill() {
        let accounts = [1000, 1003, 999, 1, 0, 1 << 40, (1 << 40) + 1000, 1001, 1040, 1039, 1003, u64::MAX, 1000];
        for postings in [0, 1, 10, 1_000_000] {
            let (mut bills, mut twin) = (Bills::of(postings), BTreeMap::<u64, Bill>::new());
            for (nth, &account) in accounts.iter().enumerate() {
                bills.of_account(account).tax += nth as i128;
                twin.entry(account).or_default().tax += nth as i128;
            }
            assert_eq!(bills.by_account(), twin.into_iter().collect::<Vec<_>>(), "{postings} postings");
        }
    }
}
