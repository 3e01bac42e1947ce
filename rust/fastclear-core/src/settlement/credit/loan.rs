//! One loan: its principal, and the interest and penalty that have grown on it.

use super::terms::LoanTerms;

/// A charge that grows by fractions of a nano-currency and is claimed in whole ones. What is left of a unit stays in
/// `numerator`, so that charging daily or all at once comes to the same (P-I8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    numerator: i128,
    /// Claimed so far, nano-currency.
    claimed: i128,
    /// Paid so far.
    paid: i128,
}

impl Charge {
    /// Claimed and not yet paid.
    pub const fn owed(&self) -> i128 {
        self.claimed - self.paid
    }

    /// Adds to the charge and returns what is to be claimed now.
    fn grow(&mut self, numerator: i128, unit: i128) -> i128 {
        self.numerator += numerator;
        let fresh = self.numerator / unit - self.claimed;
        self.claimed += fresh;
        fresh
    }
}

/// A part of what a loan costs, in the order in which a payment serves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// On what is overdue.
    Penalty,
    /// On the principal.
    Interest,
    /// What was lent.
    Principal,
}

impl Part {
    /// First to last.
    pub const ORDER: [Self; 3] = [Self::Penalty, Self::Interest, Self::Principal];
}

/// One loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loan {
    /// House account that lent.
    pub lender: u64,
    /// What was lent, nano-currency.
    pub drawn: i64,
    /// Day of the draw, counted from 1970 UTC.
    pub drawn_day: u64,
    /// Day on which it is due.
    pub due_day: u64,
    /// What is left of it.
    pub principal: i64,
    /// Interest.
    pub interest: Charge,
    /// Penalty.
    pub penalty: Charge,
    /// The day up to which interest and penalty are charged.
    charged_to: u64,
}

impl Loan {
    pub(super) const fn new(lender: u64, drawn: i64, day: u64, term_days: u64) -> Self {
        let none = Charge { numerator: 0, claimed: 0, paid: 0 };
        Self {
            lender,
            drawn,
            drawn_day: day,
            due_day: day + term_days,
            principal: drawn,
            interest: none,
            penalty: none,
            charged_to: day,
        }
    }

    /// Whether it has to be paid by now.
    pub const fn is_due(&self, day: u64) -> bool {
        self.due_day <= day
    }

    /// Whether days have passed that are not charged yet.
    pub(super) const fn is_behind(&self, day: u64) -> bool {
        self.charged_to < day
    }

    /// What is owed of one part.
    pub fn owed(&self, part: Part) -> i128 {
        match part {
            Part::Penalty => self.penalty.owed(),
            Part::Interest => self.interest.owed(),
            Part::Principal => i128::from(self.principal),
        }
    }

    /// What is owed of all parts.
    pub fn owed_in_all(&self) -> i128 {
        Part::ORDER.iter().map(|&part| self.owed(part)).sum()
    }

    /// Charges every day up to `day` and returns the interest and the penalty to be claimed now.
    pub(super) fn charge(&mut self, terms: &LoanTerms, day: u64) -> (i128, i128) {
        if !self.is_behind(day) {
            return (0, 0);
        }
        let days = day - self.charged_to;
        let late = day.saturating_sub(self.due_day.max(self.charged_to));
        self.charged_to = day;
        (
            self.interest.grow(terms.interest(self.principal, days), terms.interest_unit()),
            self.penalty.grow(terms.penalty(self.principal, late), LoanTerms::PENALTY_UNIT),
        )
    }

    /// The interest from today until it is due, in whole units rounded up.
    pub(super) fn interest_to_come(&self, terms: &LoanTerms) -> i128 {
        let days = self.due_day.saturating_sub(self.charged_to);
        let unit = terms.interest_unit();
        let all = self.interest.numerator + terms.interest(self.principal, days);
        (all + unit - 1) / unit - self.interest.claimed
    }

    /// Takes a payment of one part, at most what is owed of it.
    pub(super) fn pay(&mut self, part: Part, amount: i64) {
        match part {
            Part::Penalty => self.penalty.paid += i128::from(amount),
            Part::Interest => self.interest.paid += i128::from(amount),
            Part::Principal => self.principal -= amount,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::accounts::TREASURY;
    use super::super::terms::LoanTermsError;
    use super::*;

    #[test]
    fn daily_or_at_once_is_the_same() -> Result<(), LoanTermsError> {
        for (rate, per_days, penalty) in [(47_000, 30, 1_000), (1, 365, 1), (333_333, 7, 999_999), (0, 1, 0)] {
            let terms = LoanTerms::new(rate, per_days, 5, penalty)?;
            for principal in [1, 7, 999_999, 51_800_000_000, i64::MAX] {
                let mut daily = Loan::new(TREASURY, principal, 3, 5);
                let mut once = daily;
                let mut claimed = (0, 0);
                for day in 3..40 {
                    let (interest, penalty) = daily.charge(&terms, day);
                    assert!(interest >= 0 && penalty >= 0);
                    claimed = (claimed.0 + interest, claimed.1 + penalty);
                    assert_eq!(daily.charge(&terms, day), (0, 0), "a day is charged once");
                }
                assert_eq!(once.charge(&terms, 39), claimed);
                assert_eq!(once, daily);
                let exact = i128::from(principal) * i128::from(rate) * 36 / (1_000_000 * i128::from(per_days));
                assert_eq!(claimed.0, exact, "36 days of {rate} ppm every {per_days} days on {principal}");
                assert_eq!(claimed.1, i128::from(principal) * i128::from(penalty) * 31 / 1_000_000, "31 days late");
            }
        }
        Ok(())
    }

    #[test]
    fn what_is_to_come_comes() -> Result<(), LoanTermsError> {
        let terms = LoanTerms::new(47_000, 30, 30, 0)?;
        for principal in [1, 12_345, 51_800_000_000] {
            let mut loan = Loan::new(TREASURY, principal, 100, 30);
            assert_eq!(loan.interest_to_come(&terms), terms.interest_to_maturity(principal));
            for day in 100..=130 {
                let (before, owed) = (loan.interest_to_come(&terms), loan.owed(Part::Interest));
                loan.charge(&terms, day);
                // Rounded up as long as a fraction is open: at most one unit above what is claimed.
                let gap = before + owed - loan.interest_to_come(&terms) - loan.owed(Part::Interest);
                assert_eq!(gap, 0, "nothing appears and nothing is lost from one day to the next");
            }
            assert!(loan.interest_to_come(&terms) <= 1);
        }
        Ok(())
    }
}
