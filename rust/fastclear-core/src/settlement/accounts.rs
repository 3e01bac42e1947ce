//! Accounts, and the one function that changes them.
//!
//! State is a fold over postings: [`Accounts::apply`] is the only door. The bank that makes the postings and the
//! verifier that replays a ledger directory call the same function, so they cannot disagree.
//!
//! # Invariants, checked at every posting, in release builds too
//! - I1 the sum of `posted` over all accounts is 0: money moves, it never appears.
//! - I2 the sum of `pending_out`, the sum of `pending_in` and the sum of open reservations are equal.
//!
//! The three totals are kept from the accounts' own before and after values, never from the amount of the posting,
//! so a fold that forgot one side would be caught.
#![expect(clippy::inline_always, reason = "a line of a slot stays in registers from its trade to its posting")]

use std::collections::BTreeMap;
use std::fmt;

mod kept;

use super::by_id::ById;
use super::posting::{Kind, Posting};

/// External money: debited by deposits, credited by withdrawals. Unlimited.
pub const BOUNDARY: u64 = 1;
/// The clearing house between a buyer and its payees; zero after every slot.
pub const CLEARING: u64 = 2;
/// Receives platform fees and spreads.
pub const PLATFORM: u64 = 3;
/// Receives network fees.
pub const DSO: u64 = 4;
/// Receives taxes.
pub const TAX: u64 = 5;
/// The retail supplier: sells residual energy, buys surplus.
pub const BACKSTOP: u64 = 6;
/// Receives what rounding leaves over.
pub const ROUNDING: u64 = 7;
/// Every house account with its name, in the order in which genesis opens them.
pub const HOUSE: [(u64, &str); 7] = [
    (BOUNDARY, "boundary"),
    (CLEARING, "clearing"),
    (PLATFORM, "platform"),
    (DSO, "dso"),
    (TAX, "tax"),
    (BACKSTOP, "backstop"),
    (ROUNDING, "rounding"),
];
/// Money that a credit bank may lend.
pub const TREASURY: u64 = 8;
/// What all members owe out of loans, interest and penalties: the other side of their debt accounts.
pub const LOANS: u64 = 9;
/// The house accounts that a bank with credit opens beside those of [`HOUSE`], with name and asset.
pub const CREDIT_HOUSE: [(u64, &str, u16); 2] = [(TREASURY, "treasury", MONEY), (LOANS, "loans", DEBT)];
/// The id of the first member; members count up from here in the order of opening.
pub const FIRST_MEMBER: u64 = 1000;
/// The debt account of a member is this much above its own: far beyond any number of members.
pub const DEBT_OFFSET: u64 = 1 << 40;
/// Asset of an account that holds money.
pub const MONEY: u16 = 0;
/// Asset of an account that holds claims on members: what they owe, not money.
pub const DEBT: u16 = 1;

/// Whether this is the id of a member's account (its debt account is another one).
pub const fn is_member(id: u64) -> bool {
    id >= FIRST_MEMBER && id < DEBT_OFFSET
}

/// One account. All money in nano-currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What it holds: [`MONEY`], or claims ([`DEBT`]). A posting stays inside one asset.
    pub asset: u16,
    /// Closed for good: nothing moves any more.
    pub closed: bool,
    /// Credits minus debits.
    pub posted: i128,
    /// Reserved to be paid.
    pub pending_out: i128,
    /// Reserved to be received; never spendable.
    pub pending_in: i128,
    /// Credit allowed below zero, never negative.
    pub limit: i128,
    /// How many postings opened or changed it.
    pub version: u64,
}

impl Account {
    /// What may still be reserved or spent: `posted + limit - pending_out`. Negative after a forced posting.
    pub const fn available(&self) -> i128 {
        // The fold keeps each term inside 2^126 (see `LARGEST`), so the sum cannot leave 128 bits.
        self.posted + self.limit - self.pending_out
    }
}

/// An open reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Account that would pay.
    pub debit: u64,
    /// Account that would receive.
    pub credit: u64,
    /// Cover set aside, nano-currency.
    pub amount: i64,
}

/// Why a posting cannot be folded. The state is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FoldError {
    /// `amount` is below zero.
    NegativeAmount {
        /// Place of the posting.
        seq: u64,
        /// What it carries.
        amount: i64,
    },
    /// An account that was never opened.
    UnknownAccount {
        /// Place of the posting.
        seq: u64,
        /// The id.
        account: u64,
    },
    /// An account opened twice.
    AccountExists {
        /// Place of the posting.
        seq: u64,
        /// The id.
        account: u64,
    },
    /// A reserve under a `seq` that already carries an open reservation.
    ReservationExists {
        /// Place of the posting.
        seq: u64,
    },
    /// A post or void of a reservation that is not open.
    NoReservation {
        /// Place of the posting.
        seq: u64,
        /// The reservation it names.
        group: u64,
    },
    /// A post or void whose accounts, or a void whose amount, are not those of the reservation.
    ReservationMismatch {
        /// Place of the posting.
        seq: u64,
        /// The reservation it names.
        group: u64,
    },
    /// A post of more than was reserved.
    ExceedsReservation {
        /// Place of the posting.
        seq: u64,
        /// The reservation it names.
        group: u64,
        /// What it posts.
        amount: i64,
        /// What is reserved.
        reserved: i64,
    },
    /// An account of another asset than the posting's.
    AssetDiffers {
        /// Place of the posting.
        seq: u64,
        /// The account.
        account: u64,
    },
    /// An account that is closed.
    Closed {
        /// Place of the posting.
        seq: u64,
        /// The account.
        account: u64,
    },
    /// An account to be closed that still holds or owes something.
    NotEmpty {
        /// Place of the posting.
        seq: u64,
        /// The account.
        account: u64,
    },
    /// A balance or total past 2^126, which 2^63 postings of the largest amount reach.
    OutOfRange {
        /// Place of the posting.
        seq: u64,
    },
    /// The posting would break I1 or I2: a fault of this library.
    BrokenInvariant {
        /// Place of the posting.
        seq: u64,
    },
}

impl fmt::Display for FoldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NegativeAmount { seq, amount } => {
                write!(f, "posting {seq}: amount {amount} is negative; exchange debit and credit instead")
            }
            Self::UnknownAccount { seq, account } => {
                write!(f, "posting {seq}: account {account} was never opened")
            }
            Self::AccountExists { seq, account } => {
                write!(f, "posting {seq}: account {account} is already open")
            }
            Self::ReservationExists { seq } => {
                write!(f, "posting {seq}: this seq already holds a reservation")
            }
            Self::NoReservation { seq, group } => {
                write!(f, "posting {seq}: reservation {group} is not open")
            }
            Self::ReservationMismatch { seq, group } => {
                write!(f, "posting {seq}: accounts or amount are not those of reservation {group}")
            }
            Self::ExceedsReservation { seq, group, amount, reserved } => {
                write!(f, "posting {seq}: {amount} exceeds the {reserved} of reservation {group}")
            }
            Self::AssetDiffers { seq, account } => {
                write!(f, "posting {seq}: account {account} holds another asset")
            }
            Self::Closed { seq, account } => write!(f, "posting {seq}: account {account} is closed"),
            Self::NotEmpty { seq, account } => {
                write!(f, "posting {seq}: account {account} still holds, owes or has reserved something")
            }
            Self::OutOfRange { seq } => write!(f, "posting {seq}: a balance would leave its range"),
            Self::BrokenInvariant { seq } => {
                write!(f, "posting {seq}: totals would no longer balance")
            }
        }
    }
}

impl std::error::Error for FoldError {}

/// Sums over all accounts, kept at every posting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sum of `posted`; always 0.
    pub posted: i128,
    /// Sum of `pending_out`.
    pub pending_out: i128,
    /// Sum of `pending_in`.
    pub pending_in: i128,
    /// Sum of open reservations.
    pub reserved: i128,
}

impl Totals {
    /// Whether I1 and I2 hold.
    pub const fn balanced(&self) -> bool {
        self.posted == 0 && self.pending_out == self.pending_in && self.pending_out == self.reserved
    }
}

/// `code` of a [`Kind::Membership`]: the account is closed.
pub const MEMBERSHIP_CLOSED: u16 = 1;

/// Bound of every balance, so that no sum of three of them can overflow.
const LARGEST: i128 = 1 << 126;

/// Every account and open reservation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    by_id: ById,
    reservations: BTreeMap<u64, Reservation>,
    totals: Totals,
}

impl Accounts {
    /// No account at all; genesis opens the house accounts by postings of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// The account with this id.
    #[inline]
    pub fn get(&self, id: u64) -> Option<&Account> {
        self.by_id.get(id)
    }

    /// Asks for an account to be fetched that will be looked at soon.
    pub(super) fn prefetch(&self, id: u64) {
        self.by_id.prefetch(id);
    }

    /// Every account in ascending id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &Account)> {
        self.by_id.iter()
    }

    /// Number of accounts.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no account is open.
    pub fn is_empty(&self) -> bool {
        self.by_id.len() == 0
    }

    /// The open reservation that the posting `seq` made.
    pub fn reservation(&self, seq: u64) -> Option<&Reservation> {
        self.reservations.get(&seq)
    }

    /// Open reservations in ascending `seq`.
    pub fn reservations(&self) -> impl ExactSizeIterator<Item = (u64, &Reservation)> {
        self.reservations.iter().map(|(&seq, reservation)| (seq, reservation))
    }

    /// The running totals.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Whether the totals hold and agree with a sum over everything: the slow check, O(accounts).
    pub fn audit(&self) -> bool {
        let mut sums = Totals::default();
        for (_, account) in self.by_id.iter() {
            sums.posted += account.posted;
            sums.pending_out += account.pending_out;
            sums.pending_in += account.pending_in;
        }
        sums.reserved = self.reservations.values().map(|r| i128::from(r.amount)).sum();
        sums == self.totals && sums.balanced()
    }

    /// Folds one posting into the state: the only way to change an account.
    ///
    /// # Errors
    /// A [`FoldError`] names the posting and the fault; the state is then as before.
    pub fn apply(&mut self, p: &Posting) -> Result<(), FoldError> {
        self.apply_here(p)
    }

    /// [`Accounts::apply`] as code of the caller's own.
    #[inline(always)]
    pub(super) fn apply_here(&mut self, p: &Posting) -> Result<(), FoldError> {
        let seq = p.seq;
        if p.amount < 0 {
            return Err(FoldError::NegativeAmount { seq, amount: p.amount });
        }
        let amount = i128::from(p.amount);
        match p.kind {
            Kind::AccountOpened => {
                if self.by_id.get(p.debit).is_some() {
                    return Err(FoldError::AccountExists { seq, account: p.debit });
                }
                self.by_id.insert(p.debit, Account { version: 1, asset: p.asset, ..Account::default() });
                Ok(())
            }
            Kind::Limit => {
                let account = self.by_id.get_mut(p.debit).ok_or(FoldError::UnknownAccount { seq, account: p.debit })?;
                account.limit = amount;
                account.version += 1;
                Ok(())
            }
            Kind::Reserve => {
                if self.reservations.contains_key(&seq) {
                    return Err(FoldError::ReservationExists { seq });
                }
                self.move_money(p, Move { posted: 0, pending: amount })?;
                self.reservations.insert(seq, Reservation { debit: p.debit, credit: p.credit, amount: p.amount });
                Ok(())
            }
            Kind::Post | Kind::Void => {
                let held = *self.reservations.get(&p.group).ok_or(FoldError::NoReservation { seq, group: p.group })?;
                let whole = p.kind == Kind::Post || p.amount == held.amount;
                if held.debit != p.debit || held.credit != p.credit || !whole {
                    return Err(FoldError::ReservationMismatch { seq, group: p.group });
                }
                if p.amount > held.amount {
                    return Err(FoldError::ExceedsReservation {
                        seq,
                        group: p.group,
                        amount: p.amount,
                        reserved: held.amount,
                    });
                }
                let posted = if p.kind == Kind::Post { amount } else { 0 };
                self.move_money(p, Move { posted, pending: -i128::from(held.amount) })?;
                self.reservations.remove(&p.group);
                Ok(())
            }
            Kind::Trade
            | Kind::Deposit
            | Kind::Withdrawal
            | Kind::Net
            | Kind::Imbalance
            | Kind::Fee
            | Kind::Tax
            | Kind::Correction => self.move_money(p, Move { posted: amount, pending: 0 }),
            Kind::Meter => match self.by_id.get(p.debit) {
                Some(_) => Ok(()),
                None => Err(FoldError::UnknownAccount { seq, account: p.debit }),
            },
            Kind::Membership if p.code == MEMBERSHIP_CLOSED => self.close(p),
            Kind::Certificate | Kind::MarketOpened | Kind::Membership | Kind::Parameter | Kind::Dispute => Ok(()),
        }
    }

    /// Closes an account that holds nothing, owes nothing and has nothing reserved.
    fn close(&mut self, p: &Posting) -> Result<(), FoldError> {
        let (seq, account) = (p.seq, p.debit);
        let held = self.by_id.get_mut(account).ok_or(FoldError::UnknownAccount { seq, account })?;
        if held.closed {
            return Err(FoldError::Closed { seq, account });
        }
        if (held.posted, held.pending_out, held.pending_in) != (0, 0, 0) {
            return Err(FoldError::NotEmpty { seq, account });
        }
        held.closed = true;
        held.version += 1;
        Ok(())
    }

    /// Moves posted and pending money from debit to credit, or changes nothing.
    #[inline(always)]
    fn move_money(&mut self, p: &Posting, step: Move) -> Result<(), FoldError> {
        let seq = p.seq;
        let payer = sound(p, p.debit, self.by_id.get(p.debit))?;
        let payee = sound(p, p.credit, self.by_id.get(p.credit))?;
        let paid = (payer.posted - step.posted, payer.pending_out + step.pending);
        // An account that pays itself has paid before it receives.
        let same = p.debit == p.credit;
        let held = if same { paid.0 } else { payee.posted };
        let received = (held + step.posted, payee.pending_in + step.pending);
        let totals = Totals {
            posted: self.totals.posted + (paid.0 - payer.posted) + (received.0 - held),
            pending_out: self.totals.pending_out + (paid.1 - payer.pending_out),
            pending_in: self.totals.pending_in + (received.1 - payee.pending_in),
            reserved: self.totals.reserved + step.pending,
        };
        if !totals.balanced() {
            return Err(FoldError::BrokenInvariant { seq });
        }
        let small = |money: i128| (-LARGEST..=LARGEST).contains(&money);
        if !(small(paid.0) && small(received.0) && small(totals.reserved)) {
            return Err(FoldError::OutOfRange { seq });
        }
        if let Some(payer) = self.by_id.get_mut(p.debit) {
            (payer.posted, payer.pending_out) = paid;
            payer.version += 1;
        }
        if let Some(payee) = self.by_id.get_mut(p.credit) {
            (payee.posted, payee.pending_in) = received;
            payee.version += u64::from(!same);
        }
        self.totals = totals;
        Ok(())
    }

    /// What taking `p` back will need beside `p` itself, before it is applied.
    #[inline(always)]
    pub(super) fn replaced(&self, p: &Posting) -> Option<i128> {
        match p.kind {
            Kind::Limit => self.get(p.debit).map(|held| held.limit),
            Kind::Post | Kind::Void => self.reservation(p.group).map(|held| i128::from(held.amount)),
            _ => None,
        }
    }

    /// Takes back the posting that was applied last; `replaced` is what [`Accounts::replaced`] said before it.
    pub(super) fn take_back(&mut self, p: &Posting, replaced: Option<i128>) {
        let amount = i128::from(p.amount);
        let replaced = replaced.unwrap_or_default();
        match p.kind {
            Kind::AccountOpened => self.by_id.remove(p.debit),
            Kind::Limit => {
                if let Some(held) = self.by_id.get_mut(p.debit) {
                    held.limit = replaced;
                    held.version -= 1;
                }
            }
            Kind::Reserve => {
                self.reservations.remove(&p.seq);
                self.move_back(p, Move { posted: 0, pending: amount });
            }
            Kind::Post | Kind::Void => {
                let reserved = Reservation { debit: p.debit, credit: p.credit, amount: replaced as i64 };
                self.reservations.insert(p.group, reserved);
                let posted = if p.kind == Kind::Post { amount } else { 0 };
                self.move_back(p, Move { posted, pending: -replaced });
            }
            Kind::Trade
            | Kind::Deposit
            | Kind::Withdrawal
            | Kind::Net
            | Kind::Imbalance
            | Kind::Fee
            | Kind::Tax
            | Kind::Correction => self.move_back(p, Move { posted: amount, pending: 0 }),
            Kind::Membership if p.code == MEMBERSHIP_CLOSED => {
                if let Some(held) = self.by_id.get_mut(p.debit) {
                    held.closed = false;
                    held.version -= 1;
                }
            }
            Kind::Meter
            | Kind::Certificate
            | Kind::MarketOpened
            | Kind::Membership
            | Kind::Parameter
            | Kind::Dispute => {}
        }
    }

    fn move_back(&mut self, p: &Posting, step: Move) {
        if let Some(payer) = self.by_id.get_mut(p.debit) {
            payer.posted += step.posted;
            payer.pending_out -= step.pending;
            payer.version -= 1;
        }
        if let Some(payee) = self.by_id.get_mut(p.credit) {
            payee.posted -= step.posted;
            payee.pending_in -= step.pending;
            payee.version -= u64::from(p.debit != p.credit);
        }
        self.totals.pending_out -= step.pending;
        self.totals.pending_in -= step.pending;
        self.totals.reserved -= step.pending;
    }
}

/// An account that `p` may change.
#[inline(always)]
fn sound<'a>(p: &Posting, account: u64, held: Option<&'a Account>) -> Result<&'a Account, FoldError> {
    let seq = p.seq;
    match held {
        None => Err(FoldError::UnknownAccount { seq, account }),
        Some(held) if held.closed => Err(FoldError::Closed { seq, account }),
        Some(held) if held.asset != p.asset => Err(FoldError::AssetDiffers { seq, account }),
        Some(held) => Ok(held),
    }
}

/// What one posting moves from debit to credit.
#[derive(Clone, Copy)]
struct Move {
    posted: i128,
    pending: i128,
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
