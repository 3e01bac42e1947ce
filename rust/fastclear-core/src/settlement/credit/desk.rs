//! The calls of a bank that deal in credit: its profile, the treasury, repayments, standing, the end of a cycle.

use std::collections::{BTreeMap, BTreeSet};

use super::super::accounts::{BOUNDARY, CREDIT_HOUSE, FIRST_MEMBER, MEMBERSHIP_CLOSED, MONEY, TREASURY, is_member};
use super::super::bank::{Bank, CycleLine};
use super::super::draft::{Draft, Line, Position};
use super::super::error::SettleError;
use super::super::netting::{Payment, pay_off};
use super::super::posting::{Kind, Posting};
use super::super::purses::holds_purse;
use super::super::slot::check_member;
use super::loan::Loan;
use super::terms::LoanTerms;
use super::{Book, Cover, Credit, DAY_NS, NET_COLLECTED, NET_NOVATION, NET_PAID_OUT, OPERATOR};

/// How a bank gives credit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// A member bids for what it has and its limit covers; every slot is final.
    #[default]
    Prepaid,
    /// A treasury lends what a member lacks, up to its limit.
    CreditBank(LoanTerms),
    /// Members run up to their limits; what they owe is netted and collected when a cycle is closed. A payment that
    /// fails becomes a loan of the operator's on these terms.
    PostpaidNetting(LoanTerms),
}

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// May do everything.
    Active,
    /// Exposed above its limit: only what reduces the exposure is accepted.
    Restricted,
    /// A loan is due and not paid: only what reduces the exposure is accepted.
    Overdue,
    /// A debt was written off; no bids until somebody gives a limit again.
    Defaulted,
    /// Closed for good.
    Closed,
}

impl Status {
    /// The stable name of the status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Restricted => "restricted",
            Self::Overdue => "overdue",
            Self::Defaulted => "defaulted",
            Self::Closed => "closed",
        }
    }
}

impl Bank {
    /// The same bank under another profile; call it on a new bank.
    ///
    /// # Errors
    /// A profile was given before.
    pub fn with_profile(mut self, profile: Profile) -> Result<Self, SettleError> {
        let credit = match profile {
            Profile::Prepaid => return Ok(self),
            Profile::CreditBank(terms) => Credit::new(terms, true),
            Profile::PostpaidNetting(terms) => Credit::new(terms, false),
        };
        let mut draft = Draft::new(&mut self.accounts, self.next);
        for (id, _, asset) in CREDIT_HOUSE {
            draft.push(Line { asset, ..Line::new(Kind::AccountOpened, id, 0, 0) })?;
        }
        let (postings, next) = draft.commit();
        self.keep(postings, next);
        self.credit = Some(credit);
        Ok(self)
    }

    /// What the member may still take on: money and credit less what is reserved and owed. Below zero it is restricted.
    pub fn available(&self, account: u64) -> i128 {
        Cover::of_one(self.credit.as_ref()).available(&self.accounts, account)
    }

    /// Where the member stands.
    pub fn status(&self, account: u64) -> Status {
        let day = self.today();
        if self.accounts.get(account).is_some_and(|held| held.closed) {
            return Status::Closed;
        }
        match &self.credit {
            Some(credit) if credit.is_defaulted(account) => Status::Defaulted,
            Some(credit) if credit.is_overdue(account, day) => Status::Overdue,
            _ if self.available(account) < 0 => Status::Restricted,
            _ => Status::Active,
        }
    }

    /// The day that the engine clock shows, counted from 1970 UTC.
    pub const fn today(&self) -> u64 {
        self.next.time_ns / DAY_NS
    }

    /// Every open loan, with its member and the seq of its draw.
    pub fn loans(&self) -> impl Iterator<Item = ((u64, u64), &Loan)> {
        self.credit.iter().flat_map(Credit::loans)
    }

    /// Sums over the loans of the treasury; `None` without credit.
    pub fn book(&self) -> Option<&Book> {
        self.credit.as_ref().map(Credit::book)
    }

    /// Puts capital into the treasury (`amount` > 0) or takes it out (< 0).
    ///
    /// # Errors
    /// A bank without a treasury, or more than would be left of it if every reservation were drawn as a loan.
    pub fn fund(&mut self, amount: i64) -> Result<(), SettleError> {
        let money = i128::from(amount);
        let committed = Cover::new(self.credit.as_ref(), &self.accounts).committed;
        let free = self.accounts.get(TREASURY).map_or(0, |treasury| treasury.posted) - committed;
        self.with_credit(|draft, credit| {
            if !credit.lends {
                return Err(SettleError::NoTreasury);
            }
            let line = match amount {
                0 => return Ok(()),
                1.. => Line::new(Kind::Deposit, BOUNDARY, TREASURY, money),
                _ if -money > free => return Err(SettleError::TreasuryTooLow { amount, free }),
                _ => Line::new(Kind::Withdrawal, TREASURY, BOUNDARY, -money),
            };
            credit.put_in(money);
            draft.push(line).map(drop)
        })
    }

    /// Pays `amount` towards what a member owes, due or not; `None` is all it can. Returns what was paid.
    ///
    /// # Errors
    /// A stranger, a negative amount, or more than the member owes or has free.
    pub fn repay(&mut self, account: u64, amount: Option<i64>) -> Result<i128, SettleError> {
        self.with_credit(|draft, credit| {
            check_member(draft, account)?;
            credit.charge(draft)?;
            let free = draft.accounts().get(account).map_or(0, |held| held.posted - held.pending_out).max(0);
            let asked = match amount {
                Some(amount) if amount < 0 => return Err(SettleError::NegativeAmount { account, amount }),
                Some(amount) if i128::from(amount) > free => {
                    return Err(SettleError::RepaymentTooLarge { account, amount, most: free });
                }
                Some(amount) => i128::from(amount),
                None => free,
            };
            let paid = credit.pay(draft, account, asked, false)?;
            match amount {
                Some(amount) if paid < asked => Err(SettleError::RepaymentTooLarge { account, amount, most: paid }),
                _ => Ok(paid),
            }
        })
    }

    /// Gives up what a member owes; it is `defaulted` from then on, with no limit.
    ///
    /// # Errors
    /// A stranger, or a member with nothing overdue.
    pub fn write_off(&mut self, account: u64) -> Result<(), SettleError> {
        self.with_credit(|draft, credit| {
            check_member(draft, account)?;
            credit.charge(draft)?;
            credit.collect(draft)?;
            credit.write_off(draft, account)?;
            draft.push(Line::new(Kind::Limit, account, 0, 0)).map(drop)
        })
    }

    /// Closes a member's account for good.
    ///
    /// # Errors
    /// A stranger, or a member that still holds, owes or has reserved something.
    pub fn close(&mut self, account: u64) -> Result<(), SettleError> {
        let owes = self.credit.as_ref().is_some_and(|credit| credit.owes(account));
        let mut draft = Draft::new(&mut self.accounts, self.next);
        check_member(&draft, account)?;
        let held = draft.accounts().get(account).copied().unwrap_or_default();
        let owes = owes || holds_purse(draft.accounts(), account);
        if owes || (held.posted, held.pending_out, held.pending_in) != (0, 0, 0) {
            return Err(SettleError::NotEmpty { account, posted: held.posted, reserved: held.pending_out, owes });
        }
        draft.push(Line { code: MEMBERSHIP_CLOSED, ..Line::new(Kind::Membership, account, 0, 0) })?;
        let (postings, next) = draft.commit();
        self.keep(postings, next);
        Ok(())
    }

    /// The payments, fewer than there are parties, that would settle this cycle if it were closed now: every member's
    /// balance, what the house accounts gained, and the boundary for the rest.
    ///
    /// # Errors
    /// Another profile than netting, or a member in `failed` that owes nothing or is none.
    pub fn net_payments(&self, failed: &[u64]) -> Result<Vec<Payment>, SettleError> {
        self.check_netting(failed)?;
        let mut positions: BTreeMap<u64, i128> = BTreeMap::new();
        for line in self.cycle_lines() {
            let account = line.account;
            let (party, amount) = match account {
                BOUNDARY => continue,
                _ if failed.contains(&account) => (OPERATOR, line.closing),
                FIRST_MEMBER.. => (account, line.closing),
                _ => (account, line.closing - line.opening),
            };
            *positions.entry(party).or_insert(0) += amount;
        }
        let rest: i128 = positions.values().sum();
        positions.insert(BOUNDARY, -rest);
        let mut payments = Vec::new();
        pay_off(MONEY, positions.iter().map(|(&party, &amount)| (party, amount)), &mut payments);
        Ok(payments)
    }

    /// Ends a cycle: recounts every account and returns what each one gained since the cycle began, in ascending id.
    /// Under netting every member's balance is then collected or paid out; for those in `failed` the operator pays, and
    /// they owe it to the operator, overdue at once.
    ///
    /// # Errors
    /// `failed` under another profile, or with a member that owes nothing; and a recount that disagrees with the
    /// totals, a fault of this library.
    pub fn close_cycle(&mut self, failed: &[u64]) -> Result<Vec<CycleLine>, SettleError> {
        let netting = self.credit.as_ref().is_some_and(|credit| !credit.lends);
        if netting || !failed.is_empty() {
            self.check_netting(failed)?;
        }
        let lines = self.cycle_lines();
        let sums_to_zero = lines.iter().map(|line| line.net).sum::<i128>() == 0;
        let credit_agrees = self.credit.as_ref().is_none_or(|credit| credit.audit(&self.accounts));
        if !(sums_to_zero && credit_agrees && self.accounts.audit()) {
            return Err(SettleError::AuditFailed);
        }
        if netting {
            self.with_credit(|draft, credit| {
                for line in lines.iter().filter(|line| is_member(line.account) && line.closing != 0) {
                    let (account, owed) = (line.account, -line.closing);
                    if failed.contains(&account) {
                        let amount = i64::try_from(owed).map_err(|_| SettleError::AmountOutOfRange { account })?;
                        credit.lend(draft, (NET_NOVATION, OPERATOR, account), amount)?;
                    } else {
                        let (code, from, to) = if owed > 0 {
                            (NET_COLLECTED, BOUNDARY, account)
                        } else {
                            (NET_PAID_OUT, account, BOUNDARY)
                        };
                        draft.push(Line { code, ..Line::new(Kind::Net, from, to, owed.abs()) })?;
                    }
                }
                Ok(())
            })?;
        }
        self.begin_cycle();
        Ok(lines)
    }

    /// Runs `change` on copies and keeps them if it succeeds.
    pub(in super::super) fn with_credit<T>(
        &mut self,
        change: impl FnOnce(&mut Draft<'_>, &mut Credit) -> Result<T, SettleError>,
    ) -> Result<T, SettleError> {
        let mut credit = self.credit.clone().ok_or(SettleError::NoCredit)?;
        let mut draft = Draft::new(&mut self.accounts, self.next);
        let result = change(&mut draft, &mut credit)?;
        let (postings, next) = draft.commit();
        self.credit = Some(credit);
        self.keep(postings, next);
        Ok(result)
    }

    fn check_netting(&self, failed: &[u64]) -> Result<(), SettleError> {
        if self.credit.as_ref().is_none_or(|credit| credit.lends) {
            return Err(SettleError::NoNetting);
        }
        let mut seen = BTreeSet::new();
        for &account in failed {
            let held = self.accounts.get(account).filter(|_| is_member(account));
            let held = held.ok_or(SettleError::UnknownMember { account })?;
            if held.posted >= 0 || !seen.insert(account) {
                return Err(SettleError::OwesNothing { account });
            }
        }
        Ok(())
    }
}

/// Keeps the postings of a call. First members that it leaves below zero are lent what they lack, and what is due is
/// collected from those that have money.
pub(in super::super) fn commit(
    mut draft: Draft<'_>,
    credit: &mut Option<Credit>,
) -> Result<(Vec<Posting>, Position), SettleError> {
    if let Some(changed) = follow_up(&mut draft, credit.as_ref())? {
        *credit = Some(changed);
    }
    Ok(draft.commit())
}

/// `None` where no loan changes.
fn follow_up(draft: &mut Draft<'_>, credit: Option<&Credit>) -> Result<Option<Credit>, SettleError> {
    let Some(credit) = credit else { return Ok(None) };
    let touched: BTreeSet<u64> =
        draft.postings().iter().flat_map(|p| [p.debit, p.credit]).filter(|&id| is_member(id)).collect();
    let posted = |id| draft.accounts().get(id).map_or(0, |held| held.posted);
    let day = draft.time_ns() / DAY_NS;
    let short = credit.lends && touched.iter().any(|&account| posted(account) < 0);
    let due = touched.iter().any(|&account| credit.is_overdue(account, day) && posted(account) > 0);
    if !short && !due {
        return Ok(None);
    }
    let mut credit = credit.clone();
    credit.charge(draft)?;
    if short {
        credit.lend_shortfalls(draft, &touched)?;
    }
    credit.collect(draft)?;
    Ok(Some(credit))
}
