//! What the local energy of a pool is worth.

use super::Rule;

/// Energy of a pool's market and what the grid pays and asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Lots that exporters have.
    pub supply: i64,
    /// Lots that importers want.
    pub demand: i64,
    /// Ticks a lot from the grid.
    pub retail: i64,
    /// Ticks a lot to the grid.
    pub feed_in: i64,
}

impl Balance {
    /// What the volume is worth in all, to the nearest whole unit of money, a half rounded up: to the sellers.
    ///
    /// Only of rules that price local energy as a whole. `volume` is the shorter side.
    pub fn local_value(&self, rule: &Rule, volume: i64) -> i128 {
        let Self { supply, demand, retail, feed_in } = *self;
        match *rule {
            Rule::MidMarketRate { .. } => (i128::from(retail + feed_in) * i128::from(volume) + 1).div_euclid(2),
            Rule::SupplyDemandRatio { compensation, .. } => {
                let least = feed_in + compensation;
                if supply > demand {
                    return i128::from(least) * i128::from(volume);
                }
                // least × retail / ((retail − least) × supply / demand + least) a lot, of which there are `supply`.
                let (wide_demand, wide_supply) = (demand as u128, supply as u128);
                let over = (retail - least) as u128 * wide_supply + least as u128 * wide_demand;
                if over == 0 {
                    return 0; // all prices are 0, or nobody is there
                }
                nearest(supply as u64, (least * retail) as u128 * wide_demand, over) as i128
            }
            Rule::FixedPrice { price, .. } => i128::from(price) * i128::from(volume),
            Rule::BillSharing { .. } => 0,
        }
    }
}

/// `factor × of / over`, to the nearest whole number, a half rounded up; factor < 2⁶¹, of < 2¹²³, over < 2⁹³.
///
/// Exact although the product may take 184 bits: a long division in two digits of the factor, each of 32 bits.
fn nearest(factor: u64, of: u128, over: u128) -> u128 {
    let wide_factor = u128::from(factor);
    let (whole, rest) = if let Some(product) = of.checked_mul(wide_factor) {
        (product / over, product % over)
    } else {
        let (each, rest) = (of / over, of % over);
        let (high, low) = (u128::from(factor >> 32), u128::from(factor & 0xFFFF_FFFF));
        let first = high * rest; // below 2²⁹ · 2⁹³
        let second = ((first % over) << 32) + low * rest; // below 2¹²⁵ + 2¹²⁵
        (wide_factor * each + ((first / over) << 32) + second / over, second % over)
    };
    whole + u128::from(2 * rest >= over)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    /// `factor × of / over`, bit by bit: quotient and remainder, doubled and topped up.
    fn slow(factor: u64, of: u128, over: u128) -> u128 {
        let (mut quotient, mut rest) = (0_u128, 0_u128);
        for bit in (0..64).rev() {
            let more = if factor >> bit & 1 == 1 { of } else { 0 };
            quotient = 2 * quotient + more / over;
            rest = 2 * rest + more % over;
            quotient += rest / over;
            rest %= over;
        }
        quotient + u128::from(2 * rest >= over)
    }

    #[test]
    fn long_division_is_exact() {
        let factors = [0, 1, 2, 3, (1 << 32) - 1, 1 << 32, (1 << 61) - 1, 0x1234_5678_9ABC_DEF0 >> 3];
        let overs = [1, 2, 3, 7, (1 << 64) - 1, (1 << 92) + 12_345, (1 << 93) - 1];
        for factor in factors {
            for over in overs {
                for of in [0, 1, over / 3, over - 1, over, over + 1, 5 * over - 1, (1 << 60) + 7] {
                    if of < 1 << 96 && of / over < 1 << 40 {
                        assert_eq!(nearest(factor, of, over), slow(factor, of, over), "{factor} {of} {over}");
                    }
                }
            }
        }
        assert_eq!((nearest(1, 1, 2), nearest(1, 1, 3), nearest(1, 2, 3)), (1, 0, 1));
    }
}
