//! What a loan costs, and for how long it is given.

use std::fmt;

/// Days of a hundred years: the longest term, and the longest period of an interest rate.
pub const DAYS_MAX: u32 = 36_500;
/// The highest rate: ten times the principal a period.
pub const RATE_PPM_MAX: u32 = 10_000_000;

/// Terms of every loan of a bank. Interest and penalty are simple: by whole days (UTC) on the principal outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoanTerms {
    interest_ppm: u32,
    per_days: u32,
    term_days: u32,
    penalty_ppm: u32,
}

/// A term that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoanTermsError {
    /// Which one.
    pub field: &'static str,
    /// Its value.
    pub value: u32,
    /// The least it may be.
    pub least: u32,
    /// The most it may be.
    pub most: u32,
}

impl fmt::Display for LoanTermsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}; keep it between {} and {}", self.field, self.value, self.least, self.most)
    }
}

impl std::error::Error for LoanTermsError {}

impl LoanTerms {
    /// Interest of `interest_ppm` parts per million every `per_days` days, due after `term_days`; `penalty_ppm` a day on
    /// what is overdue, on top of the interest.
    ///
    /// # Errors
    /// A [`LoanTermsError`] names the value that is out of range.
    pub const fn new(
        interest_ppm: u32,
        per_days: u32,
        term_days: u32,
        penalty_ppm: u32,
    ) -> Result<Self, LoanTermsError> {
        let (field, value, least, most) = if interest_ppm > RATE_PPM_MAX {
            ("interest_ppm", interest_ppm, 0, RATE_PPM_MAX)
        } else if per_days == 0 || per_days > DAYS_MAX {
            ("per_days", per_days, 1, DAYS_MAX)
        } else if term_days > DAYS_MAX {
            ("term_days", term_days, 0, DAYS_MAX)
        } else if penalty_ppm > RATE_PPM_MAX {
            ("penalty_ppm", penalty_ppm, 0, RATE_PPM_MAX)
        } else {
            return Ok(Self { interest_ppm, per_days, term_days, penalty_ppm });
        };
        Err(LoanTermsError { field, value, least, most })
    }

    /// Days from the draw of a loan until it is due.
    pub const fn term_days(&self) -> u32 {
        self.term_days
    }

    /// What `principal` earns in `days`, in millionths of a nano-currency and `per_days`: see [`LoanTerms::interest_unit`].
    pub(super) fn interest(&self, principal: i64, days: u64) -> i128 {
        // 2^63 * 2^24 * days, and days of u64 nanoseconds are below 2^18: far inside 127 bits.
        i128::from(principal) * i128::from(self.interest_ppm) * i128::from(days)
    }

    /// The divisor of [`LoanTerms::interest`].
    pub(super) fn interest_unit(&self) -> i128 {
        1_000_000 * i128::from(self.per_days)
    }

    /// The penalty on `principal` for `days`, over [`LoanTerms::PENALTY_UNIT`].
    pub(super) fn penalty(&self, principal: i64, days: u64) -> i128 {
        i128::from(principal) * i128::from(self.penalty_ppm) * i128::from(days)
    }

    /// The divisor of [`LoanTerms::penalty`].
    pub(super) const PENALTY_UNIT: i128 = 1_000_000;

    /// The interest on `principal` until it is due, rounded up.
    pub(super) fn interest_to_maturity(&self, principal: i64) -> i128 {
        let (interest, unit) = (self.interest(principal, u64::from(self.term_days)), self.interest_unit());
        (interest + unit - 1) / unit
    }
}
