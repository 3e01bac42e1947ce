//! What energy costs outside the auction: prices and fees in ticks, tax in parts per million.

use std::fmt;

use crate::units::price_in_range;

/// 10⁶: a tax of this many ppm doubles the price. The largest tax a tariff may carry.
pub const TAX_PPM_MAX: u32 = 1_000_000;

/// Prices and fees of a community, all in ticks (10⁻⁶ currency per kWh by default). Any of them may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tariff {
    retail: i64,
    feed_in: i64,
    platform_fee: i64,
    network_fee: i64,
    tax_ppm: u32,
}

/// Why a tariff cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TariffError {
    /// A price or fee outside −2³¹ < ticks < 2³¹.
    OutOfRange {
        /// Which one.
        field: &'static str,
        /// Its value.
        ticks: i64,
    },
    /// A tax above 100 %.
    TaxTooHigh {
        /// Its value.
        ppm: u32,
    },
    /// A share of a fee above the whole of it.
    ShareTooHigh {
        /// Its value.
        ppm: u32,
    },
}

impl fmt::Display for TariffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { field, ticks } => {
                write!(f, "tariff: {field} = {ticks} ticks; keep it between -2^31 and 2^31, both excluded")
            }
            Self::TaxTooHigh { ppm } => write!(f, "tariff: tax_ppm = {ppm}; keep it between 0 and {TAX_PPM_MAX}"),
            Self::ShareTooHigh { ppm } => write!(f, "tariff: a fee share of {ppm} ppm; keep it between 0 and 1000000"),
        }
    }
}

impl std::error::Error for TariffError {}

impl Tariff {
    /// A tariff with every value in its range.
    ///
    /// # Errors
    /// A [`TariffError`] names the value that is out of range.
    pub fn new(
        retail: i64,
        feed_in: i64,
        platform_fee: i64,
        network_fee: i64,
        tax_ppm: u32,
    ) -> Result<Self, TariffError> {
        for (field, ticks) in
            [("retail", retail), ("feed_in", feed_in), ("platform_fee", platform_fee), ("network_fee", network_fee)]
        {
            if !price_in_range(ticks) {
                return Err(TariffError::OutOfRange { field, ticks });
            }
        }
        if tax_ppm > TAX_PPM_MAX {
            return Err(TariffError::TaxTooHigh { ppm: tax_ppm });
        }
        Ok(Self { retail, feed_in, platform_fee, network_fee, tax_ppm })
    }

    /// Price of energy that the retail supplier sells.
    pub const fn retail(&self) -> i64 {
        self.retail
    }

    /// Price of energy that the retail supplier buys.
    pub const fn feed_in(&self) -> i64 {
        self.feed_in
    }

    /// Fee of the platform on each unit a buyer trades, after the clearing.
    pub const fn platform_fee(&self) -> i64 {
        self.platform_fee
    }

    /// Fee of the network on each unit a buyer trades, after the clearing.
    pub const fn network_fee(&self) -> i64 {
        self.network_fee
    }

    /// Tax in parts per million of its base.
    pub const fn tax_ppm(&self) -> u32 {
        self.tax_ppm
    }

    /// Tax on `base` nano-currency, rounded half-even to the nano. Negative on a negative base.
    ///
    /// `base` may be any product of a price or a sum of three with a quantity: |base| < 2⁹⁰ leaves room to spare.
    pub fn tax(&self, base: i128) -> i128 {
        tax(base, self.tax_ppm)
    }
}

/// Tax of `ppm` on `base` nano-currency, rounded half-even to the nano: the one rule for every tax line.
#[inline]
pub(super) fn tax(base: i128, ppm: u32) -> i128 {
    if base == 0 || ppm == 0 {
        return 0; // most lines of most slots; a division of 128 bits is worth avoiding
    }
    div_half_even(base * i128::from(ppm), 1_000_000)
}

/// `numerator / denominator` to the nearest integer, ties to the even one. `denominator` is positive and even.
fn div_half_even(numerator: i128, denominator: i128) -> i128 {
    let (floor, rest) = match i64::try_from(numerator) {
        // what nearly every line comes to, many times cheaper
        Ok(numerator) => {
            let denominator = denominator as i64;
            (i128::from(numerator.div_euclid(denominator)), i128::from(numerator.rem_euclid(denominator)))
        }
        Err(_) => (numerator.div_euclid(denominator), numerator.rem_euclid(denominator)),
    };
    let up = match rest.cmp(&(denominator / 2)) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => floor.rem_euclid(2),
        std::cmp::Ordering::Greater => 1,
    };
    floor + up
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_even_nano_on_both_sides_of_zero() -> Result<(), TariffError> {
        let tariff = Tariff::new(0, 0, 0, 0, 500_000)?;
        for (base, tax) in [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (-5, -2)] {
            assert_eq!(tariff.tax(base), tax, "half of {base}");
        }
        let third = Tariff::new(0, 0, 0, 0, 333_333)?;
        assert_eq!((third.tax(3), third.tax(-3), third.tax(1)), (1, -1, 0));
        Ok(())
    }

    #[test]
    fn values_out_of_range_are_named() {
        let high = 1 << 31;
        assert_eq!(Tariff::new(0, high, 0, 0, 0), Err(TariffError::OutOfRange { field: "feed_in", ticks: high }));
        assert_eq!(Tariff::new(0, 0, 0, 0, 1_000_001), Err(TariffError::TaxTooHigh { ppm: 1_000_001 }));
    }
}
