//! Pools without bids against a naive twin, the worked examples of `tests/cases/sharing`, and the theorems.

use std::collections::BTreeMap;
use std::path::Path;

use fastclear_core::reject::RejectReason;
use fastclear_core::sharing::{CostKey, Flaw, GridPrice, Key, Loads, Rule, Shared, Unusable, share};
use fastclear_core::units::{PRICE_MAX, QUANTITY_MAX};
use proptest::prelude::*;
use serde_json::Value;

/// Fills and payments of a call.
fn settled(loads: &Loads<'_>, rule: &Rule, threads: usize) -> Result<(Shared, Vec<i64>, Vec<i64>), Unusable> {
    let (mut filled, mut payment) = (vec![7; loads.net.len()], vec![7; loads.net.len()]);
    let shared = share(loads, rule, threads, &mut filled, &mut payment)?;
    Ok((shared, filled, payment))
}

fn loads<'a>(net: &'a [i64], retail: i64, feed_in: i64) -> Loads<'a> {
    Loads {
        net,
        market: None,
        order: None,
        period: None,
        share: None,
        retail: GridPrice::All(retail),
        feed_in: GridPrice::All(feed_in),
        refused: None,
    }
}

/// Largest remainder, one left-over unit after the other.
fn hamilton(total: i128, weights: &[i64]) -> Vec<i64> {
    let whole: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
    if whole == 0 {
        return vec![0; weights.len()];
    }
    let mut parts: Vec<i128> = weights.iter().map(|&weight| (total * i128::from(weight)).div_euclid(whole)).collect();
    let mut given = vec![false; weights.len()];
    while parts.iter().sum::<i128>() < total {
        let rest = |at: usize| (total * i128::from(weights[at])).rem_euclid(whole);
        let mut best = None;
        for at in (0..weights.len()).filter(|&at| !given[at]) {
            if best.is_none_or(|best| rest(at) > rest(best)) {
                best = Some(at);
            }
        }
        let best = best.unwrap();
        given[best] = true;
        parts[best] += 1;
    }
    parts.into_iter().map(|part| i64::try_from(part).unwrap()).collect()
}

fn sides(net: &[i64]) -> (Vec<i64>, Vec<i64>) {
    (net.iter().map(|&net| net.max(0)).collect(), net.iter().map(|&net| (-net).max(0)).collect())
}

/// Money by load: importers' shares of `cost` less exporters' shares of `revenue`.
fn divided(net: &[i64], cost: i128, revenue: i128) -> Vec<i64> {
    let (imports, exports) = sides(net);
    hamilton(cost, &imports).iter().zip(hamilton(revenue, &exports)).map(|(paid, earned)| paid - earned).collect()
}

/// One market of the twin.
fn twin(net: &[i64], retail: i64, feed_in: i64, rule: &Rule, shares: &[i64]) -> (Vec<i64>, Vec<i64>) {
    let (imports, exports) = sides(net);
    let (demand, supply): (i64, i64) = (imports.iter().sum(), exports.iter().sum());
    let mut got = hamilton(supply.min(demand).into(), &imports);
    if let Rule::FixedPrice { key: key @ (Key::Static | Key::Hybrid), .. } = *rule {
        let sum: i64 = shares.iter().sum();
        let claims = hamilton(i128::from(supply) * i128::from(sum) / 1_000_000, shares);
        got = claims.iter().zip(&imports).map(|(&claim, &wanted)| claim.min(wanted)).collect();
        if key == Key::Hybrid {
            let lacking: Vec<i64> = imports.iter().zip(&got).map(|(wanted, got)| wanted - got).collect();
            let left = (supply - got.iter().sum::<i64>()).min(lacking.iter().sum());
            got = got.iter().zip(hamilton(left.into(), &lacking)).map(|(got, more)| got + more).collect();
        }
    }
    let volume: i64 = got.iter().sum();
    let given = hamilton(volume.into(), &exports);
    let filled: Vec<i64> = got.iter().zip(&given).map(|(got, given)| got + given).collect();
    let (wide_volume, from_grid, to_grid) = (
        i128::from(volume),
        i128::from(retail) * i128::from(demand - volume),
        i128::from(feed_in) * i128::from(supply - volume),
    );
    let paid = match *rule {
        Rule::FixedPrice { price, fee, .. } => net
            .iter()
            .zip(&filled)
            .map(|(&net, &fill)| {
                let rest = net.abs() - fill;
                if net > 0 { fill * (price + fee) + rest * retail } else { -fill * price - rest * feed_in }
            })
            .collect(),
        Rule::BillSharing { fixed_cost, by } => {
            let equally = by == CostKey::Equal || demand == 0;
            let cost = from_grid + if equally { 0 } else { i128::from(fixed_cost) };
            let mut paid = divided(net, cost, to_grid);
            if equally {
                let parts = hamilton(fixed_cost.into(), &vec![1; net.len()]);
                paid = paid.iter().zip(parts).map(|(paid, part)| paid + part).collect();
            }
            paid
        }
        Rule::MidMarketRate { fee } | Rule::SupplyDemandRatio { fee, .. } => {
            // What local energy is worth, as a fraction.
            let (value, over) = match *rule {
                Rule::SupplyDemandRatio { compensation, .. } if supply <= demand => {
                    let least = i128::from(feed_in + compensation);
                    let over = (i128::from(retail) - least) * i128::from(supply) + least * i128::from(demand);
                    let each = least * i128::from(retail) * i128::from(demand);
                    if over == 0 { (0, 1) } else { (each * wide_volume, over) }
                }
                Rule::SupplyDemandRatio { compensation, .. } => (i128::from(feed_in + compensation) * wide_volume, 1),
                _ => (i128::from(retail + feed_in) * wide_volume, 2),
            };
            let value = (2 * value + over).div_euclid(2 * over);
            divided(net, value + from_grid + i128::from(fee) * wide_volume, value + to_grid)
        }
    };
    (filled, paid)
}

fn rules(compensation: i64) -> Vec<Rule> {
    let mut rules = vec![
        Rule::MidMarketRate { fee: 0 },
        Rule::MidMarketRate { fee: 3 },
        Rule::SupplyDemandRatio { compensation: 0, fee: 0 },
        Rule::SupplyDemandRatio { compensation, fee: 1 },
        Rule::BillSharing { fixed_cost: 1001, by: CostKey::Bought },
        Rule::BillSharing { fixed_cost: -7, by: CostKey::Equal },
    ];
    rules.extend([Key::Dynamic, Key::Static, Key::Hybrid].map(|key| Rule::FixedPrice { price: 15, fee: 2, key }));
    rules
}

fn quantity() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -9_i64..10, 4 => -5000_i64..5000, 1 => Just(0)]
}

/// Markets of a call: net loads by market.
fn markets() -> impl Strategy<Value = Vec<Vec<i64>>> {
    prop::collection::vec(prop::collection::vec(quantity(), 0..12), 1..5)
}

fn grid() -> impl Strategy<Value = (i64, i64, i64)> {
    (0_i64..50, 0_i64..60, 0_i64..=100).prop_map(|(feed_in, gap, part)| (feed_in + gap, feed_in, gap * part / 100))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_is_its_twin(markets in markets(), (retail, feed_in, compensation) in grid(), seed in 0_usize..1000) {
        let mut rows: Vec<(i64, i64, i64, i64)> = Vec::new(); // market, order, net, share
        for (market, net) in markets.iter().enumerate() {
            let each = if net.is_empty() { 0 } else { 1_000_000 / net.len() as i64 };
            rows.extend(net.iter().enumerate().map(|(at, &net)| (market as i64 - 2, at as i64, net, each - at as i64)));
        }
        // Any order of rows: turned round, then every so many of them.
        let n = rows.len().max(1);
        rows.rotate_left(seed % n);
        if seed % 3 == 0 {
            rows.reverse();
        }
        let column = |of: fn(&(i64, i64, i64, i64)) -> i64| rows.iter().map(of).collect::<Vec<i64>>();
        let (market, order, net, share) = (column(|row| row.0), column(|row| row.1), column(|row| row.2), column(|row| row.3));
        let given = Loads { market: Some(&market), order: Some(&order), share: Some(&share), ..loads(&net, retail, feed_in) };
        for rule in rules(compensation) {
            let (shared, filled, payment) = settled(&given, &rule, 1 + seed % 3).unwrap();
            prop_assert!(shared.reject.is_none());
            let mut expected = BTreeMap::new();
            for (index, net) in markets.iter().enumerate() {
                let shares: Vec<i64> = (0..net.len()).map(|at| 1_000_000 / net.len() as i64 - at as i64).collect();
                let (fills, paid) = twin(net, retail, feed_in, &rule, &shares);
                for (at, (fill, paid)) in fills.into_iter().zip(paid).enumerate() {
                    expected.insert((index as i64 - 2, at as i64), (fill, paid));
                }
            }
            for at in 0..net.len() {
                prop_assert_eq!((filled[at], payment[at]), expected[&(market[at], order[at])], "{:?}", rule);
            }
            let balance = shared.markets.iter().map(|market| market.grid_payment()).sum::<i128>();
            let local: i128 = shared.markets.iter().map(|market| i128::from(market.volume)).sum();
            let on_top = match rule {
                Rule::BillSharing { fixed_cost, .. } => i128::from(fixed_cost) * shared.markets.len() as i128,
                _ => i128::from(rule.fee()) * local,
            };
            let paid: i128 = payment.iter().map(|&paid| i128::from(paid)).sum();
            prop_assert_eq!(paid, balance + on_top);
            for found in &shared.markets {
                let mine = (0..net.len()).filter(|&at| market[at] == found.market);
                let (mut paid, mut received) = (0_i128, 0_i128);
                for at in mine {
                    if net[at] < 0 { received -= i128::from(payment[at]) } else { paid += i128::from(payment[at]) }
                }
                prop_assert_eq!((found.paid, found.received), (paid, received));
            }
            let fee_free = rule.fee() == 0 && !matches!(rule, Rule::BillSharing { .. } | Rule::FixedPrice { .. });
            for at in 0..net.len() {
                let alone = net[at] * if net[at] > 0 { retail } else { feed_in };
                prop_assert!(!fee_free || payment[at] <= alone);
            }
        }
    }

    #[test]
    fn extremes_balance_and_leave_nobody_worse_off(
        net in prop::collection::vec(
            prop_oneof![Just(QUANTITY_MAX), Just(-QUANTITY_MAX), Just(QUANTITY_MAX - 1), Just(1), Just(-1), quantity()],
            1..200,
        ),
        retail in prop_oneof![Just(PRICE_MAX), Just(PRICE_MAX - 1), Just(0), 1..PRICE_MAX],
        part in 0_i64..=100,
        feed in 0_i64..=100,
    ) {
        let feed_in = retail / 100 * feed;
        let compensation = (retail - feed_in) / 100 * part;
        for rule in [Rule::MidMarketRate { fee: 0 }, Rule::SupplyDemandRatio { compensation, fee: 0 }] {
            let (shared, _, payment) = settled(&loads(&net, retail, feed_in), &rule, 1).unwrap();
            let paid: i128 = payment.iter().map(|&paid| i128::from(paid)).sum();
            prop_assert_eq!(paid, shared.markets[0].grid_payment());
            for (&net, &paid) in net.iter().zip(&payment) {
                let alone = net * if net > 0 { retail } else { feed_in };
                prop_assert!(paid <= alone);
            }
        }
    }
}

#[test]
fn a_member_can_lose_by_bill_sharing() {
    // Alone the exporter has 10 × 8; the community exports nothing, and so it has nothing.
    let rule = Rule::BillSharing { fixed_cost: 0, by: CostKey::Bought };
    let (_, _, payment) = settled(&loads(&[-10, 12], 20, 8), &rule, 1).unwrap();
    assert_eq!(payment, [0, 40]);
}

#[test]
fn what_is_refused_takes_no_part() {
    let (net, order) = ([-4, 5, 9, 9, QUANTITY_MAX + 1, i64::MIN], [1, 2, 3, 3, 4, 5]);
    let refused = [0, 0, 0, 0, 0, RejectReason::IdMissing.code()];
    let given = Loads { order: Some(&order), refused: Some(&refused), ..loads(&net, 20, 8) };
    let (shared, filled, payment) = settled(&given, &Rule::MidMarketRate { fee: 0 }, 1).unwrap();
    let codes: Vec<u16> = [None, None, Some(RejectReason::DuplicateOrder), Some(RejectReason::DuplicateOrder)]
        .into_iter()
        .chain([Some(RejectReason::QuantityOutOfRange), Some(RejectReason::IdMissing)])
        .map(|reason| reason.map_or(0, RejectReason::code))
        .collect();
    assert_eq!(shared.reject, Some(codes));
    assert_eq!(filled, [4, 4, 0, 0, 0, 0]);
    assert_eq!(payment, [-56, 76, 0, 0, 0, 0]);
}

#[test]
fn unusable_terms_name_their_market_and_change_with_no_thread() {
    let (net, market) = ([1, 1, 1, 1], [1, 1, 2, 2]);
    let prices = [20, 20, 20, 21];
    let given = Loads { market: Some(&market), retail: GridPrice::Each(&prices), ..loads(&net, 0, 8) };
    let rule = Rule::MidMarketRate { fee: 0 };
    for threads in 1..4 {
        let found = settled(&given, &rule, threads).unwrap_err();
        assert_eq!((found.market, found.flaw, found.numbers), (2, Flaw::RetailDiffers, (20, 21)));
    }
    let found = settled(&loads(&net, 8, 20), &rule, 1).unwrap_err();
    assert_eq!((found.flaw, found.numbers), (Flaw::FeedInAboveRetail, (20, 8)));
    let rule = Rule::SupplyDemandRatio { compensation: 13, fee: 0 };
    assert_eq!(settled(&loads(&net, 20, 8), &rule, 1).unwrap_err().flaw, Flaw::CompensationTooLarge);
    assert_eq!(settled(&loads(&net, 20, -8), &rule, 1).unwrap_err().flaw, Flaw::NegativeFeedIn);
    let rule = Rule::FixedPrice { price: 9, fee: 0, key: Key::Static };
    for (share, flaw) in [([600_000; 4], Flaw::SharesAboveWhole), ([-1; 4], Flaw::ShareOutOfRange)] {
        let given = Loads { share: Some(&share), ..loads(&net, 20, 8) };
        assert_eq!(settled(&given, &rule, 1).unwrap_err().flaw, flaw);
    }
    let rule = Rule::BillSharing { fixed_cost: 0, by: CostKey::Bought };
    let given = Loads { market: Some(&market), period: Some(&[1, 2, 1, 1]), ..loads(&net, 20, 8) };
    assert_eq!(settled(&given, &rule, 1).unwrap_err().flaw, Flaw::PeriodDiffers);
}

#[test]
fn many_markets_on_several_threads_are_many_markets_on_one() {
    let n = 200_000_i64;
    let net: Vec<i64> = (0..n).map(|row| (row * 7919) % 4001 - 2000).collect();
    let market: Vec<i64> = (0..n).map(|row| row / 7).collect();
    let period: Vec<i64> = market.iter().map(|market| market % 13).collect();
    let given = Loads { market: Some(&market), period: Some(&period), ..loads(&net, 301, 80) };
    for rule in rules(5).into_iter().filter(|rule| !rule.takes_shares()) {
        let (one, filled, payment) = settled(&given, &rule, 1).unwrap();
        for threads in [2, 3, 8] {
            let (other, fills, paid) = settled(&given, &rule, threads).unwrap();
            assert!(filled == fills && payment == paid && one.markets == other.markets, "{rule:?}");
        }
    }
}

#[test]
fn every_case_comes_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/sharing");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path().join("case.json")).unwrap();
        check(&serde_json::from_str(&text).unwrap());
        seen += 1;
    }
    assert_eq!(seen, 11);
}

fn check(case: &Value) {
    let (mechanism, expected) = (&case["mechanism"], &case["expected"]);
    let number = |name: &str| mechanism[name].as_i64().unwrap_or(0);
    let rule = match mechanism["name"].as_str().unwrap() {
        "mid_market_rate" => Rule::MidMarketRate { fee: 0 },
        "supply_demand_ratio" => Rule::SupplyDemandRatio { compensation: number("compensation"), fee: 0 },
        "bill_sharing" => Rule::BillSharing { fixed_cost: 0, by: CostKey::Bought },
        _ => Rule::FixedPrice { price: number("price"), fee: number("fee"), key: Key::Dynamic },
    };
    let rows = case["loads"].as_array().unwrap();
    let column = |name: &str| rows.iter().map(|row| row[name].as_i64().unwrap_or(0)).collect::<Vec<i64>>();
    let (net, market, period) = (column("net_load"), column("market"), column("period"));
    let given =
        Loads { market: Some(&market), period: Some(&period), ..loads(&net, number("retail"), number("feed_in")) };
    let (shared, filled, payment) = settled(&given, &rule, 1).unwrap();
    let mut bills: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let bill = bills.entry(row["participant"].as_str().unwrap()).or_default();
        bill.0 += filled[at];
        bill.1 += payment[at];
    }
    for (name, stated) in expected["bills"].as_object().into_iter().flatten() {
        let (top, over) = stated
            .as_i64()
            .map_or_else(|| (stated[0].as_i64().unwrap(), stated[1].as_i64().unwrap()), |whole| (whole, 1));
        assert!((bills[name.as_str()].1 * over - top).abs() < 2 * over, "{}: {name}", case["id"]);
    }
    for (name, stated) in expected["payments"].as_object().into_iter().flatten() {
        assert_eq!(bills[name.as_str()].1, stated.as_i64().unwrap(), "{}: {name}", case["id"]);
    }
    for (name, stated) in expected["fills"].as_object().into_iter().flatten() {
        assert_eq!(bills[name.as_str()].0, stated.as_i64().unwrap(), "{}: {name}", case["id"]);
    }
    if let Some(stated) = expected["grid_bill"].as_i64() {
        assert_eq!(shared.markets.iter().map(|market| market.grid_payment()).sum::<i128>(), stated.into());
    }
    let saving: i128 = shared
        .markets
        .iter()
        .map(|market| i128::from(market.balance.retail - market.balance.feed_in) * i128::from(market.volume))
        .sum();
    if let Some(stated) = expected["saving"].as_i64() {
        assert_eq!(saving, stated.into());
    }
}
