//! A price inside an interval: `low + k × (high − low)` with a rational `k`, rounded by a named rule; and the price of a
//! pair, whose interval is ask to bid.

use crate::simd;

/// How a price that falls between two ticks is rounded. Every rule stays inside the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PriceRound {
    /// Toward minus infinity.
    #[default]
    Floor,
    /// Toward plus infinity.
    Ceil,
    /// To the nearest tick, a half upward.
    HalfUp,
}

/// The share of the interval that goes to sellers: a fraction in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    numerator: i64,
    denominator: i64,
}

impl Share {
    /// One half.
    pub const HALF: Self = Self { numerator: 1, denominator: 2 };

    /// One twentieth.
    pub const TWENTIETH: Self = Self { numerator: 1, denominator: 20 };

    /// The share `numerator / denominator`; `None` outside [0, 1] or with a denominator outside 1..=10⁹.
    pub const fn new(numerator: i64, denominator: i64) -> Option<Self> {
        if denominator >= 1 && denominator <= 1_000_000_000 && 0 <= numerator && numerator <= denominator {
            Some(Self { numerator, denominator })
        } else {
            None
        }
    }

    /// Numerator and denominator, as they were given.
    pub const fn parts(self) -> (i64, i64) {
        (self.numerator, self.denominator)
    }

    /// `low + share × (high − low)`, rounded; `low ≤ high`, less than 2³³ apart, as competing prices are.
    pub fn of(self, low: i64, high: i64, round: PriceRound) -> i64 {
        debug_assert!(low <= high, "Invariant: an interval is not empty");
        // numerator ≤ denominator ≤ 10⁹ < 2³⁰ and the interval is narrower than 2³³: the product fits, unsigned.
        let scaled = self.numerator as u64 * (high - low) as u64;
        let denominator = self.denominator as u64;
        let (whole, rest) = if denominator.is_power_of_two() {
            (scaled >> denominator.trailing_zeros(), scaled & (denominator - 1)) // a division costs as much as ten trades
        } else {
            (scaled / denominator, scaled % denominator)
        };
        let steps = match round {
            PriceRound::Floor => whole,
            PriceRound::Ceil => whole + u64::from(rest > 0),
            PriceRound::HalfUp => whole + u64::from(2 * rest >= denominator),
        };
        low + steps as i64
    }

    /// The same of many intervals.
    pub fn of_all(self, low: &[i64], high: &[i64], round: PriceRound, to: &mut [i64]) {
        if !self.denominator.unsigned_abs().is_power_of_two() {
            for (to, (&low, &high)) in to.iter_mut().zip(low.iter().zip(high)) {
                *to = self.of(low, high, round);
            }
            return;
        }
        let (numerator, denominator) = (self.numerator as u64, self.denominator as u64);
        let up = match round {
            PriceRound::Floor => 0,
            PriceRound::Ceil => denominator - 1,
            PriceRound::HalfUp => denominator / 2,
        };
        // As in `of`: no more than 2⁶³ with what rounds up.
        simd::between(low, high, numerator, (up, denominator.trailing_zeros()), to);
    }
}

/// Which price a pair trades at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairPrice {
    /// `ask + k × (bid − ask)`: 1 is pay as bid, 0 pay as ask.
    Share(Share),
    /// The limit of the order that came first.
    Earlier,
    /// The buyer pays its bid, the seller receives its ask, and the spread is the operator's.
    Apart,
}

/// Price of a pair, with its rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairRule {
    /// Which price a pair trades at.
    pub price: PairPrice,
    /// Rounding of the price to a tick.
    pub price_round: PriceRound,
}

impl PairRule {
    /// What the buyer pays and the seller receives a unit, fee apart, of a pair whose orders compete at `bid` and `ask`.
    pub fn prices(&self, bid: i64, ask: i64, bid_came_first: impl FnOnce() -> bool) -> (i64, i64) {
        let price = match self.price {
            PairPrice::Share(k) => k.of(ask, bid, self.price_round),
            PairPrice::Earlier if bid_came_first() => bid,
            PairPrice::Earlier => ask,
            PairPrice::Apart => return (bid, ask),
        };
        (price, price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_inside_the_interval_also_below_zero() {
        let half = Share::HALF;
        assert_eq!(half.of(12, 19, PriceRound::Floor), 15);
        assert_eq!(half.of(12, 19, PriceRound::Ceil), 16);
        assert_eq!(half.of(12, 19, PriceRound::HalfUp), 16);
        assert_eq!(half.of(-19, -12, PriceRound::Floor), -16);
        assert_eq!(half.of(-19, -12, PriceRound::HalfUp), -15);
        let extreme = (1_i64 << 32, PriceRound::Ceil);
        assert_eq!(Share::new(1, 1).unwrap().of(-extreme.0, extreme.0, extreme.1), extreme.0);
    }

    #[test]
    fn prices_many_intervals_as_it_does_one() {
        let low: Vec<i64> = (0..300).map(|i| i * i % 97 - 40).chain([-(1 << 32), i64::from(i32::MIN)]).collect();
        let high: Vec<i64> = low.iter().zip(0..).map(|(&low, i)| low + i * 31 % 64).collect();
        let high: Vec<i64> = high.iter().take(300).copied().chain([1 << 32, i64::from(i32::MAX)]).collect();
        for share in [(0, 1), (1, 1), (1, 2), (3, 8), (1, 3), (1 << 29, 1 << 29), (999_999_999, 1_000_000_000)] {
            let share = Share::new(share.0, share.1).unwrap();
            for round in [PriceRound::Floor, PriceRound::Ceil, PriceRound::HalfUp] {
                let mut found = vec![0; low.len()];
                share.of_all(&low, &high, round, &mut found);
                let expected: Vec<i64> =
                    low.iter().zip(&high).map(|(&low, &high)| share.of(low, high, round)).collect();
                assert_eq!(found, expected, "{share:?}, {round:?}");
            }
        }
    }

    #[test]
    fn refuses_what_is_no_share() {
        assert!(Share::new(-1, 2).is_none());
        assert!(Share::new(3, 2).is_none());
        assert!(Share::new(0, 0).is_none());
        assert!(Share::new(0, 1).is_some());
    }
}
