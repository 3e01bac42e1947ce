//! The worst case of a bid against every way of filling it.

use super::*;

fn terms(rates: [u32; 3], platform_fee: i64) -> Result<Terms, TariffError> {
    let [energy, platform, network] = rates;
    let tariff = Tariff::new(0, 0, platform_fee, 0, 0)?;
    Terms::new(&tariff, 0, TaxRates { energy, platform, network, residual: 0 }, [FeeShare::default(); 2])
}

/// What a trade costs its buyer.
fn due(terms: &Terms, price: i64, network_fee: i64, quantity: i64) -> i128 {
    let [energy, platform, network] =
        [price, terms.tariff().platform_fee(), network_fee].map(|ticks| i128::from(ticks * quantity));
    energy + platform + network + terms.taxes(energy, platform, network).iter().map(|&(_, tax)| tax).sum::<i128>()
}

#[test]
fn the_cover_bounds_every_split_price_and_network_fee() -> Result<(), TariffError> {
    let rates = [0, 1, 190_000, 500_000, 1_000_000];
    for energy in rates {
        for platform in [0, 333_333, 500_000, 1_000_000] {
            for network in [energy, platform, 999_999] {
                let terms = terms([energy, platform, network], 3)?;
                for price in -6..20_i64 {
                    for quantity in 1..6_i64 {
                        let cover = terms.cover(price, quantity, 2);
                        for first in 0..=quantity {
                            for (paid, fees) in
                                [(price, [2, 2]), (price, [2, -1]), (price - 1, [1, 2]), (price - 5, [-3, 0])]
                            {
                                let parts = [first, quantity - first];
                                let owed: i128 =
                                    parts.iter().zip(fees).map(|(&part, fee)| due(&terms, paid, fee, part)).sum();
                                assert!(owed <= cover, "{energy} {platform} {network}: {quantity} at {price}, {first}");
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn one_rate_is_the_cover_of_a_flat_tariff() -> Result<(), TariffError> {
    for ppm in [0, 1, 190_000, 333_333, 1_000_000] {
        let flat = Terms::from(Tariff::new(0, 0, 3, -1, ppm)?);
        for price in -9..40_i64 {
            let unit = i128::from(price) + 2;
            let tax = (unit * i128::from(ppm) + 999_999).div_euclid(1_000_000);
            assert_eq!(flat.cover(price, 7, -1), if unit <= 0 { 0 } else { (unit + tax) * 7 });
            let joint = flat.tariff().tax(unit * 7);
            let energy = i128::from(price) * 7;
            assert_eq!(flat.taxes(energy, 21, -7), [(TAX_TRADE, joint), (TAX_PLATFORM, 0), (TAX_NETWORK, 0)]);
        }
    }
    Ok(())
}

#[test]
fn a_share_and_its_rest_are_the_fee() {
    for ppm in [0, 1, 333_333, 500_000, 999_999, 1_000_000] {
        let share = FeeShare { ppm, to: 4 };
        for fee in -30..=30_i128 {
            assert_eq!(share.of(fee), -share.of(-fee), "paid back as paid");
            assert!(share.of(fee).abs() <= fee.abs() && share.of(fee) * fee >= 0);
            assert!((share.of(fee) * 1_000_000 - fee * i128::from(ppm)).abs() < 1_000_000);
        }
    }
    assert_eq!(FeeShare { ppm: 333_333, to: 4 }.of(10), 3);
}

#[test]
fn rates_and_shares_above_the_whole_are_refused() {
    let tariff = Tariff::default();
    let much = 1_000_001;
    let rates = TaxRates { network: much, ..TaxRates::default() };
    let none = FeeShare::default();
    assert_eq!(Terms::new(&tariff, 0, rates, [none; 2]), Err(TariffError::TaxTooHigh { ppm: much }));
    let share = FeeShare { ppm: much, to: 4 };
    let shares = Terms::new(&tariff, 0, TaxRates::default(), [none, share]);
    assert_eq!(shares, Err(TariffError::ShareTooHigh { ppm: much }));
}
