//! Purses: accounts of a member for a purpose, and lines between any accounts.
//!
//! Beside its own account a member may have others: what it pledged, what it owes. The account of purpose `p` of member
//! `m` has the id `p × 2⁴⁰ + m`. Profiles that need them, and a few house accounts more, move money by
//! [`Bank::enter`]: any lines, all of them or none. What a line names and does not exist yet is opened before it.
//!
//! # Invariants
//! - Nothing is ever below zero but members' own accounts, the older house accounts, and claims ([`ARREARS`]) and the
//!   outside world ([`TOKENS`]).
//! - A line that is not forced never takes the member who pays below what it may spend.

use super::accounts::{Account, Accounts, DEBT, FIRST_MEMBER, HOUSE, MONEY, is_member};
use super::bank::{Bank, same_length};
use super::credit::{Cover, desk};
use super::draft::{Draft, Line};
use super::error::SettleError;
use super::posting::Kind;

/// The distance between the ids of a member's accounts.
pub const PURSE_STEP: u64 = 1 << 40;
/// Asset of an account that holds access tokens.
pub const TOKEN: u16 = 2;
/// Asset of an account that holds claims for charges that were put off.
pub const PUT_OFF: u16 = 3;
/// Purpose of a member's account: collateral for what it may come to owe.
pub const MARGIN: u64 = 2;
/// Purpose of a member's account: its part of the fund that covers the losses of others.
pub const DEFAULT_FUND: u64 = 3;
/// Purpose of a member's account: access tokens that it has bonded.
pub const BOND: u64 = 4;
/// Purpose of a member's account: charges that were put off, as a negative number.
pub const OWED_CHARGES: u64 = 5;
/// Every purpose with its name and asset.
pub const PURSES: [(u64, &str, u16); 5] = [
    (1, "debt", DEBT),
    (MARGIN, "margin", MONEY),
    (DEFAULT_FUND, "default_fund", MONEY),
    (BOND, "bond", TOKEN),
    (OWED_CHARGES, "owed_charges", PUT_OFF),
];

/// Money between a buyer and a seller until both say that it may go on.
pub const ESCROW: u64 = 10;
/// What the operator has put aside against losses.
pub const GUARANTEE: u64 = 11;
/// The outside world of access tokens.
pub const TOKENS: u64 = 12;
/// The other side of all charges that were put off.
pub const ARREARS: u64 = 13;
/// The house accounts that profiles open when they first use them, with name and asset.
pub const PROFILE_HOUSE: [(u64, &str, u16); 4] = [
    (ESCROW, "escrow", MONEY),
    (GUARANTEE, "guarantee", MONEY),
    (TOKENS, "tokens", TOKEN),
    (ARREARS, "arrears", PUT_OFF),
];

/// The account of a member for a purpose.
pub const fn purse(purpose: u64, member: u64) -> u64 {
    purpose * PURSE_STEP + member
}

/// Whose account this is, and for what: purpose 0 is a member's own, none a house account.
pub const fn owner(account: u64) -> Option<(u64, u64)> {
    let (purpose, member) = (account / PURSE_STEP, account % PURSE_STEP);
    if member < FIRST_MEMBER { None } else { Some((purpose, member)) }
}

/// Whether something besides a member's own account and debt is left under its name.
pub(super) fn holds_purse(accounts: &Accounts, member: u64) -> bool {
    PURSES[1..].iter().any(|&(purpose, ..)| {
        let held = accounts.get(purse(purpose, member)).copied().unwrap_or_default();
        (held.posted, held.pending_out, held.pending_in) != (0, 0, 0)
    })
}

/// Lines to enter, as columns of one length; a column that is not given is 0 in every row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entries<'a> {
    /// What each is: a [`Kind`] that moves money, or a record of a dispute or certificate.
    pub kind: &'a [u8],
    /// The line within the kind.
    pub code: &'a [u16],
    /// Account that pays.
    pub debit: &'a [u64],
    /// Account that receives.
    pub credit: &'a [u64],
    /// Nano-currency, or units of another asset; 0 or more.
    pub amount: &'a [i64],
    /// What it belongs to: the seq of a posting, −1 for nothing, −2 − k for row k of the same call.
    pub group: Option<&'a [i64]>,
    /// Lots.
    pub quantity: Option<&'a [i64]>,
    /// Ticks.
    pub price: Option<&'a [i64]>,
    /// Market.
    pub market: Option<&'a [u64]>,
    /// Buy order.
    pub buy_order: Option<&'a [u64]>,
    /// Sell order.
    pub sell_order: Option<&'a [u64]>,
}

impl Bank {
    /// Enters lines, all of them or none, and returns the seq of each.
    ///
    /// `forced`: a member who pays may go below what it may spend, as for energy that has flowed.
    ///
    /// # Errors
    /// Columns of different lengths, a kind that is not entered this way, an account that cannot be, a group that is no
    /// posting, a member or a purse that lacks what it pays.
    pub fn enter(&mut self, entries: &Entries<'_>, forced: bool) -> Result<Vec<u64>, SettleError> {
        let n = entries.kind.len();
        let len_or = |column: Option<&[i64]>| column.map_or(n, <[i64]>::len);
        let ids_or = |column: Option<&[u64]>| column.map_or(n, <[u64]>::len);
        same_length(
            n,
            &[
                ("code", entries.code.len()),
                ("debit", entries.debit.len()),
                ("credit", entries.credit.len()),
                ("amount", entries.amount.len()),
                ("group", len_or(entries.group)),
                ("quantity", len_or(entries.quantity)),
                ("price", len_or(entries.price)),
                ("market", ids_or(entries.market)),
                ("buy_order", ids_or(entries.buy_order)),
                ("sell_order", ids_or(entries.sell_order)),
            ],
        )?;
        let first = self.next.seq;
        let on_hand = Cover::of_one(self.credit.as_ref());
        let mut draft = Draft::new(&mut self.accounts, self.next);
        let mut seqs = Vec::with_capacity(n);
        for row in 0..n {
            let (debit, credit, amount) = (entries.debit[row], entries.credit[row], entries.amount[row]);
            let kind = Kind::from_number(entries.kind[row]).filter(|&kind| may_enter(kind));
            let kind = kind.ok_or(SettleError::BadEntry { row, column: "kind" })?;
            if amount < 0 {
                return Err(SettleError::BadEntry { row, column: "amount" });
            }
            let group = match entries.group.map_or(-1, |group| group[row]) {
                -1 => None,
                // A posting that was made before this call, or a row before this one.
                seq @ 0.. if (seq as u64) < first => Some(seq as u64),
                seq if seq < -1 => {
                    let earlier = usize::try_from(-2 - i128::from(seq)).ok().and_then(|k| seqs.get(k).copied());
                    Some(earlier.ok_or(SettleError::BadEntry { row, column: "group" })?)
                }
                _ => return Err(SettleError::BadEntry { row, column: "group" }),
            };
            // What an order has set aside is drawn and released by the settlement of its slot.
            let resolves = matches!(kind, Kind::Post | Kind::Void);
            if resolves && !group.is_some_and(|seq| self.holds.contains(&seq) || seqs.contains(&seq)) {
                return Err(SettleError::BadEntry { row, column: "group" });
            }
            let asset = open(&mut draft, debit).ok_or(SettleError::BadEntry { row, column: "debit" })??;
            let other = open(&mut draft, credit).ok_or(SettleError::BadEntry { row, column: "credit" })??;
            if asset != other {
                return Err(SettleError::BadEntry { row, column: "credit" });
            }
            let at = |column: Option<&[i64]>| column.map_or(0, |column| column[row]);
            let id = |column: Option<&[u64]>| column.map_or(0, |column| column[row]);
            seqs.push(draft.push(Line {
                code: entries.code[row],
                asset,
                group,
                quantity: at(entries.quantity),
                price: at(entries.price),
                market: id(entries.market),
                buy_order: id(entries.buy_order),
                sell_order: id(entries.sell_order),
                ..Line::new(kind, debit, credit, i128::from(amount))
            })?);
        }
        for (&account, _) in entries.debit.iter().zip(entries.amount).filter(|&(_, &amount)| amount > 0) {
            let held = draft.accounts().get(account).copied().unwrap_or_default();
            let left = if is_member(account) {
                if forced { 0 } else { on_hand.available(draft.accounts(), account) }
            } else if stays_above_zero(account, &held) {
                held.available()
            } else {
                0
            };
            if left < 0 {
                return Err(SettleError::Lacks { account, lacks: -left });
            }
        }
        let (postings, next) = desk::commit(draft, &mut self.credit)?;
        for posting in &postings {
            match posting.kind {
                Kind::Reserve => self.holds.insert(posting.seq),
                Kind::Post | Kind::Void => self.holds.remove(&posting.group),
                _ => false,
            };
        }
        self.keep(postings, next);
        Ok(seqs)
    }
}

/// Whether lines of this kind are entered: those that open accounts and change terms have calls of their own.
const fn may_enter(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Limit | Kind::MarketOpened | Kind::AccountOpened | Kind::Membership | Kind::Parameter | Kind::Meter
    )
}

/// Whether an account may never be below zero. The older house accounts may: what they stand for is outside.
const fn stays_above_zero(account: u64, held: &Account) -> bool {
    (account >= ESCROW && account != TOKENS) && !matches!(held.asset, PUT_OFF | DEBT)
}

/// The asset of `account`, which is opened where it can be and is not; `None` where it cannot be.
fn open(draft: &mut Draft<'_>, account: u64) -> Option<Result<u16, SettleError>> {
    if let Some(held) = draft.accounts().get(account) {
        return Some(Ok(held.asset));
    }
    let asset = match owner(account) {
        None => PROFILE_HOUSE.iter().find(|&&(id, ..)| id == account)?.2,
        Some((purpose, member)) => {
            draft.accounts().get(member).filter(|held| !held.closed)?;
            // Debts are opened by the first loan.
            PURSES[1..].iter().find(|&&(id, ..)| id == purpose)?.2
        }
    };
    let opened = draft.push(Line { asset, ..Line::new(Kind::AccountOpened, account, 0, 0) });
    Some(opened.map(|_| asset))
}

/// Every house account that there can be, with its name.
pub fn house_names() -> impl Iterator<Item = (u64, &'static str)> {
    let later = super::accounts::CREDIT_HOUSE.into_iter().chain(PROFILE_HOUSE).map(|(id, name, _)| (id, name));
    HOUSE.into_iter().chain(later)
}

#[cfg(test)]
#[path = "purses_tests.rs"]
mod tests;
