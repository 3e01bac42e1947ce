//! Credit: what members owe, and what they may still take on.
//!
//! Two kinds of account belong to a member with credit. Its own holds money. Its debt account holds what it owes, as a
//! negative number of the asset [`DEBT`]; the other side of all debt accounts is [`LOANS`]. So a loan is two postings:
//! money from the lender to the member, and a claim from the member's debt to [`LOANS`]; interest is a claim alone, and
//! a repayment is both the other way round.
//!
//! | file | what lives there |
//! |---|---|
//! | [`terms`] | interest, term, penalty |
//! | [`loan`] | one loan and what has grown on it |
//! | this one | all loans of a bank; exposure; the postings of draws, charges, payments |
//! | [`desk`] | the calls of a bank that deal in credit |

pub mod desk;
pub mod loan;
pub mod terms;

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::{Account, Accounts, DEBT, DEBT_OFFSET, LOANS, MEMBERSHIP_CLOSED, PLATFORM, TREASURY, is_member};
use super::draft::{Draft, Line};
use super::error::SettleError;
use super::posting::Kind;
use loan::{Loan, Part};
use terms::LoanTerms;

/// Nanoseconds of a day. Days are those of UTC, so that a loan of Monday evening is a day old on Tuesday morning.
pub const DAY_NS: u64 = 86_400 * 1_000_000_000;

/// `code` of a [`Kind::Net`]: the treasury lends.
pub const NET_DRAW: u16 = 1;
/// `code` of a [`Kind::Net`]: the operator pays for a member whose payment failed.
pub const NET_NOVATION: u16 = 2;
/// `code` of a [`Kind::Net`]: interest is claimed.
pub const NET_INTEREST: u16 = 3;
/// `code` of a [`Kind::Net`]: a penalty is claimed.
pub const NET_PENALTY: u16 = 4;
/// `code` of a [`Kind::Net`]: a penalty is paid.
pub const NET_PENALTY_PAID: u16 = 5;
/// `code` of a [`Kind::Net`]: interest is paid.
pub const NET_INTEREST_PAID: u16 = 6;
/// `code` of a [`Kind::Net`]: principal is repaid.
pub const NET_REPAID: u16 = 7;
/// `code` of a [`Kind::Net`]: a claim is given up.
pub const NET_WRITTEN_OFF: u16 = 8;
/// `code` of a [`Kind::Net`]: a member pays what it owes for a cycle.
pub const NET_COLLECTED: u16 = 9;
/// `code` of a [`Kind::Net`]: a member is paid what it is owed for a cycle.
pub const NET_PAID_OUT: u16 = 10;

/// Every line of credit that `code` tells apart within a kind, with its stable name.
pub const LINES: [(Kind, u16, &str); 11] = [
    (Kind::Net, NET_DRAW, "draw"),
    (Kind::Net, NET_NOVATION, "novation"),
    (Kind::Net, NET_INTEREST, "interest"),
    (Kind::Net, NET_PENALTY, "penalty"),
    (Kind::Net, NET_PENALTY_PAID, "penalty_paid"),
    (Kind::Net, NET_INTEREST_PAID, "interest_paid"),
    (Kind::Net, NET_REPAID, "repaid"),
    (Kind::Net, NET_WRITTEN_OFF, "written_off"),
    (Kind::Net, NET_COLLECTED, "collected"),
    (Kind::Net, NET_PAID_OUT, "paid_out"),
    (Kind::Membership, MEMBERSHIP_CLOSED, "closed"),
];

impl Part {
    const fn code(self) -> u16 {
        match self {
            Self::Penalty => NET_PENALTY_PAID,
            Self::Interest => NET_INTEREST_PAID,
            Self::Principal => NET_REPAID,
        }
    }
}

/// Sums over the loans of the treasury since the beginning, nano-currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Capital put in less capital taken out.
    pub capital: i128,
    /// Interest received.
    pub interest: i128,
    /// Penalties received.
    pub penalty: i128,
    /// Principal given up.
    pub written_off: i128,
}

/// All loans of a bank.
#[derive(Clone, Debug)]
pub(super) struct Credit {
    terms: LoanTerms,
    /// Whether a treasury lends what a member lacks; if not, members run up to their limits until the cycle is closed.
    pub lends: bool,
    /// By member and the seq of the draw: a member's oldest first.
    loans: BTreeMap<(u64, u64), Loan>,
    /// Members whose debt was written off and whom nobody has given credit since.
    defaulted: BTreeSet<u64>,
    book: Book,
}

impl Credit {
    pub const fn new(terms: LoanTerms, lends: bool) -> Self {
        let book = Book { capital: 0, interest: 0, penalty: 0, written_off: 0 };
        Self { terms, lends, loans: BTreeMap::new(), defaulted: BTreeSet::new(), book }
    }

    pub const fn book(&self) -> &Book {
        &self.book
    }

    pub fn put_in(&mut self, capital: i128) {
        self.book.capital += capital;
    }

    /// Every loan with its member and the seq of its draw.
    pub fn loans(&self) -> impl ExactSizeIterator<Item = ((u64, u64), &Loan)> {
        self.loans.iter().map(|(&key, loan)| (key, loan))
    }

    fn of(&self, account: u64) -> impl Iterator<Item = (u64, &Loan)> {
        self.loans.range((account, 0)..=(account, u64::MAX)).map(|(&(_, seq), loan)| (seq, loan))
    }

    pub fn owes(&self, account: u64) -> bool {
        self.of(account).next().is_some()
    }

    pub fn is_overdue(&self, account: u64, day: u64) -> bool {
        self.of(account).any(|(_, loan)| loan.is_due(day))
    }

    pub fn is_defaulted(&self, account: u64) -> bool {
        self.defaulted.contains(&account)
    }

    pub fn forgive(&mut self, account: u64) {
        self.defaulted.remove(&account);
    }

    /// What the member would owe at worst less the money it has, if `cover` more were reserved (P-I3, P-I12): what is
    /// reserved, what it owes out of loans with interest until they are due, and the interest of the loan that the
    /// reservations would draw. Below zero where money is left.
    pub fn exposure(&self, accounts: &Accounts, account: u64, cover: i128) -> i128 {
        let held = accounts.get(account).copied().unwrap_or_default();
        let lacking = held.pending_out + cover - held.posted;
        let owed: i128 =
            self.of(account).map(|(_, loan)| loan.owed_in_all() + loan.interest_to_come(&self.terms)).sum();
        let draw = if self.lends { i64::try_from(lacking.max(0)).unwrap_or(i64::MAX) } else { 0 };
        lacking + owed + self.terms.interest_to_maturity(draw)
    }

    /// Charges interest and penalties on every loan up to today.
    pub fn charge(&mut self, draft: &mut Draft<'_>) -> Result<(), SettleError> {
        let day = draft.time_ns() / DAY_NS;
        for (&(account, seq), loan) in &mut self.loans {
            let (interest, penalty) = loan.charge(&self.terms, day);
            for (code, amount) in [(NET_INTEREST, interest), (NET_PENALTY, penalty)] {
                if amount != 0 {
                    draft.push(claim(code, account, Some(seq), amount))?;
                }
            }
        }
        Ok(())
    }

    /// Whether some loan is due.
    pub fn any_due(&self, day: u64) -> bool {
        self.loans.values().any(|loan| loan.is_due(day))
    }

    /// Whether a day has passed that some loan is not charged for.
    pub fn is_behind(&self, day: u64) -> bool {
        self.loans.values().any(|loan| loan.is_behind(day))
    }

    /// Lends `amount` of `lender` to a member.
    pub fn lend(
        &mut self,
        draft: &mut Draft<'_>,
        (code, lender, account): (u16, u64, u64),
        amount: i64,
    ) -> Result<(), SettleError> {
        if draft.accounts().get(account + DEBT_OFFSET).is_none() {
            draft.push(Line { asset: DEBT, ..Line::new(Kind::AccountOpened, account + DEBT_OFFSET, 0, 0) })?;
        }
        let day = draft.time_ns() / DAY_NS;
        let seq = draft.push(Line { code, ..Line::new(Kind::Net, lender, account, i128::from(amount)) })?;
        draft.push(claim(code, account, Some(seq), i128::from(amount)))?;
        self.loans.insert((account, seq), Loan::new(lender, amount, day, u64::from(self.terms.term_days())));
        Ok(())
    }

    /// Lends to each member of `accounts` what brings it back to zero, in ascending id, as far as the treasury reaches.
    pub fn lend_shortfalls(&mut self, draft: &mut Draft<'_>, accounts: &BTreeSet<u64>) -> Result<(), SettleError> {
        for &account in accounts {
            let posted = |draft: &Draft<'_>, id| draft.accounts().get(id).map_or(0, |held| held.posted);
            let short = (-posted(draft, account)).min(posted(draft, TREASURY));
            if short > 0 {
                let amount = i64::try_from(short).map_err(|_| SettleError::AmountOutOfRange { account })?;
                self.lend(draft, (NET_DRAW, TREASURY, account), amount)?;
            }
        }
        Ok(())
    }

    /// Pays `amount` towards the loans of a member, all of them or those that are due: penalties first, then interest,
    /// then principal, the oldest loan first within each. Returns what was paid: all of `amount`, or all that is owed.
    pub fn pay(
        &mut self,
        draft: &mut Draft<'_>,
        account: u64,
        amount: i128,
        only_due: bool,
    ) -> Result<i128, SettleError> {
        let day = draft.time_ns() / DAY_NS;
        let mut left = amount;
        for part in Part::ORDER {
            for (&(_, seq), loan) in self.loans.range_mut((account, 0)..=(account, u64::MAX)) {
                if only_due && !loan.is_due(day) {
                    continue;
                }
                let paid = i64::try_from(left.min(loan.owed(part))).unwrap_or(i64::MAX);
                if paid <= 0 {
                    continue;
                }
                let code = part.code();
                let money = i128::from(paid);
                draft.push(Line { code, group: Some(seq), ..Line::new(Kind::Net, account, loan.lender, money) })?;
                draft.push(claim(code, account, Some(seq), -money))?;
                loan.pay(part, paid);
                left -= money;
                if loan.lender == TREASURY {
                    match part {
                        Part::Penalty => self.book.penalty += money,
                        Part::Interest => self.book.interest += money,
                        Part::Principal => {}
                    }
                }
            }
        }
        self.loans.retain(|&(member, _), loan| member != account || loan.owed_in_all() > 0);
        Ok(amount - left)
    }

    /// Takes what is due out of the money of each member that owes it and has some free.
    pub fn collect(&mut self, draft: &mut Draft<'_>) -> Result<(), SettleError> {
        let day = draft.time_ns() / DAY_NS;
        let due: BTreeSet<u64> =
            self.loans.iter().filter(|(_, loan)| loan.is_due(day)).map(|(&(account, _), _)| account).collect();
        for account in due {
            let free = draft.accounts().get(account).map_or(0, |held| held.posted - held.pending_out);
            if free > 0 {
                self.pay(draft, account, free, true)?;
            }
        }
        Ok(())
    }

    /// Gives up every claim on a member that has something overdue.
    pub fn write_off(&mut self, draft: &mut Draft<'_>, account: u64) -> Result<(), SettleError> {
        let day = draft.time_ns() / DAY_NS;
        if !self.is_overdue(account, day) {
            return Err(SettleError::NothingOverdue { account });
        }
        for (&(_, seq), loan) in self.loans.range((account, 0)..=(account, u64::MAX)) {
            draft.push(claim(NET_WRITTEN_OFF, account, Some(seq), -loan.owed_in_all()))?;
            if loan.lender == TREASURY {
                self.book.written_off += i128::from(loan.principal);
            }
        }
        self.loans.retain(|&(member, _), _| member != account);
        self.defaulted.insert(account);
        Ok(())
    }

    /// Whether claims and loans agree, and the treasury has what it should (P-I5): capital, interest and penalties
    /// received, less what is lent and what was written off.
    pub fn audit(&self, accounts: &Accounts) -> bool {
        let mut owed: BTreeMap<u64, i128> = BTreeMap::new();
        let mut lent = 0;
        for (&(account, _), loan) in &self.loans {
            *owed.entry(account).or_insert(0) += loan.owed_in_all();
            if loan.lender == TREASURY {
                lent += i128::from(loan.principal);
            }
        }
        let mut claims_agree = true;
        let mut all = 0;
        for (id, held) in accounts.iter().filter(|&(id, held)| held.asset == DEBT && id != LOANS) {
            all += held.posted;
            claims_agree &= -held.posted == owed.remove(&(id - DEBT_OFFSET)).unwrap_or(0);
        }
        claims_agree &= owed.is_empty();
        let posted = |id| accounts.get(id).map_or(0, |held: &Account| held.posted);
        let treasury = self.book.capital + self.book.interest + self.book.penalty - self.book.written_off - lent;
        claims_agree && posted(LOANS) == -all && posted(TREASURY) == treasury
    }
}

/// A claim of `amount` on a member's debt account, or the end of one where it is negative.
const fn claim(code: u16, account: u64, group: Option<u64>, amount: i128) -> Line {
    Line { code, asset: DEBT, group, ..Line::new(Kind::Net, account + DEBT_OFFSET, LOANS, amount) }
}

/// What members may still reserve.
pub(super) struct Cover<'a> {
    credit: Option<&'a Credit>,
    /// What the treasury would lend if all that is reserved were drawn.
    committed: i128,
    /// Money that must be left when all that is reserved is paid; 0: none.
    minimum_holding: i128,
}

impl<'a> Cover<'a> {
    pub fn new(credit: Option<&'a Credit>, accounts: &Accounts) -> Self {
        let committed = match credit {
            Some(credit) if credit.lends => {
                accounts.iter().filter(|&(id, _)| is_member(id)).map(|(_, held)| draw(held, 0)).sum()
            }
            _ => 0,
        };
        Self { credit, committed, minimum_holding: 0 }
    }

    /// The same for members who must keep some of their money.
    pub fn keeping(self, minimum_holding: i64) -> Self {
        Self { minimum_holding: i128::from(minimum_holding), ..self }
    }

    /// For questions about what one member has, without regard to what the treasury has promised to all.
    pub const fn of_one(credit: Option<&'a Credit>) -> Self {
        Self { credit, committed: 0, minimum_holding: 0 }
    }

    /// What the account may still take on.
    pub fn available(&self, accounts: &Accounts, account: u64) -> i128 {
        let available = match self.credit {
            None => accounts.get(account).map_or(0, Account::available),
            Some(credit) => accounts.get(account).map_or(0, |held| held.limit - credit.exposure(accounts, account, 0)),
        };
        available.min(self.beyond_holding(accounts, account))
    }

    /// Money that is neither reserved nor to be kept. Where some is to be kept, a limit is nothing to bid with.
    fn beyond_holding(&self, accounts: &Accounts, account: u64) -> i128 {
        match accounts.get(account) {
            Some(held) if self.minimum_holding > 0 && is_member(account) => {
                held.posted - held.pending_out - self.minimum_holding
            }
            _ => i128::MAX,
        }
    }

    /// Whether `cover` more may be reserved.
    pub fn allows(&self, accounts: &Accounts, account: u64, cover: i128) -> bool {
        if cover > i128::from(i64::MAX) || cover > self.beyond_holding(accounts, account) {
            return false;
        }
        let Some(credit) = self.credit else {
            return cover <= self.available(accounts, account);
        };
        let held = accounts.get(account).copied().unwrap_or_default();
        let more = draw(&held, cover) - draw(&held, 0);
        let lent = !credit.lends
            || more == 0
            || self.committed + more <= accounts.get(TREASURY).map_or(0, |treasury| treasury.posted);
        lent && credit.exposure(accounts, account, cover) <= held.limit
    }

    /// Notes that `cover` is about to be reserved.
    pub fn take(&mut self, accounts: &Accounts, account: u64, cover: i128) {
        if self.credit.is_some_and(|credit| credit.lends)
            && let Some(held) = accounts.get(account)
        {
            self.committed += draw(held, cover) - draw(held, 0);
        }
    }
}

/// What a member would have to borrow if all it has reserved, and `cover` more, were drawn.
fn draw(held: &Account, cover: i128) -> i128 {
    (held.pending_out + cover - held.posted).max(0)
}

/// Who pays for a member whose payment failed.
pub(super) const OPERATOR: u64 = PLATFORM;

#[cfg(test)]
mod tests;
