//! Money of a trade in whole nano-currency, where the auction gives it over a denominator.
//!
//! An exact midpoint of two ticks lies at a half: the auction then reports integers over 2. Nobody can hold half a
//! nano-currency, so a buyer owes the next whole one, a seller receives the last, and the rest is kept on one account.
//! Rounding is towards +∞ and −∞, so that the rule is the same where prices are negative: the rest is never below 0.

/// Denominators that the money of a clearing may have.
pub const DENOMINATORS: [i64; 2] = [1, 2];

/// What a buyer owes for `amount` over `den`: rounded up.
pub const fn owed(amount: i128, den: i64) -> i128 {
    // Nearly all money is whole; a division of 128 bits is worth avoiding.
    if den == 1 { amount } else { -(-amount).div_euclid(den as i128) }
}

/// What a seller receives for `amount` over `den`, or a spread of it comes to: rounded down.
pub const fn received(amount: i128, den: i64) -> i128 {
    if den == 1 { amount } else { amount.div_euclid(den as i128) }
}

/// A price over `den` in whole ticks, where it is one.
pub const fn whole_price(price: i64, den: i64) -> Option<i64> {
    if price % den == 0 { Some(price / den) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rounded_adds_up_to_one_unit_or_nothing() {
        for buy in -9..=9_i128 {
            for sell in -9..=9_i128 {
                let rest = owed(buy, 2) - received(sell, 2) - received(buy - sell, 2);
                assert_eq!(rest, i128::from(buy % 2 != 0 || sell % 2 != 0), "{buy}/2 for {sell}/2");
                assert_eq!(owed(buy, 1) - received(sell, 1) - received(buy - sell, 1), 0);
            }
        }
        assert_eq!((owed(-3, 2), received(-3, 2), owed(3, 2), received(3, 2)), (-1, -2, 2, 1));
        assert_eq!((whole_price(-4, 2), whole_price(-3, 2), whole_price(-3, 1)), (Some(-2), None, Some(-3)));
    }
}
