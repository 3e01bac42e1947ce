//! The worked examples of `tests/cases/uniform` and `tests/cases/discriminatory`, the same files that pytest reads.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use fastclear_core::auction::discriminatory::{PairPrice, PairRule};
use fastclear_core::auction::price::{PriceRound, Share};
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::{Discriminatory, Mechanism, Uniform};
use fastclear_core::batch::{Want, clear};
use fastclear_core::order::{Columns, Integers};
use serde_json::Value;

fn round(name: &str) -> PriceRound {
    match name {
        "floor" => PriceRound::Floor,
        "ceil" => PriceRound::Ceil,
        "half_up" => PriceRound::HalfUp,
        other => panic!("price_round {other}"),
    }
}

fn mechanism(case: &Value) -> Mechanism {
    let k = Share::new(case["k"][0].as_i64().unwrap(), case["k"][1].as_i64().unwrap()).unwrap();
    let price_round = round(case["price_round"].as_str().unwrap());
    match case["name"].as_str().unwrap() {
        "uniform" => Mechanism::from(Uniform {
            k,
            rationing: match case["rationing"].as_str().unwrap() {
                "time" => Rationing::Time,
                "pro_rata" => Rationing::ProRata,
                "equal" => Rationing::Equal,
                other => panic!("rationing {other}"),
            },
            price_round: Some(price_round),
            zero_surplus: case["zero_surplus"].as_bool().unwrap(),
            ..Uniform::default()
        }),
        "discriminatory" => Mechanism::from(Discriminatory {
            rule: PairRule {
                price: PairPrice::Share(match case["rule"].as_str().unwrap() {
                    "k" => k,
                    "bid" => Share::new(1, 1).unwrap(),
                    "ask" => Share::new(0, 1).unwrap(),
                    other => panic!("rule {other}"),
                }),
                price_round,
            },
            fee: 0,
            reserve: None,
        }),
        other => panic!("mechanism {other}"),
    }
}

fn check(case: &Value) {
    let id = case["id"].as_str().unwrap();
    let orders = case["orders"].as_array().unwrap();
    let number = |name: &str| orders.iter().map(|order| order[name].as_i64().unwrap()).collect::<Vec<i64>>();
    let (price, quantity, time) = (number("price"), number("quantity"), number("time"));
    let side: Vec<u8> = orders.iter().map(|order| u8::from(order["side"] == "buy")).collect();
    // Text ids enter the core as ranks of their bytes.
    let names: Vec<&str> = orders.iter().map(|order| order["order"].as_str().unwrap()).collect();
    let mut ranked = names.clone();
    ranked.sort_unstable();
    let ids: Vec<i64> = names.iter().map(|name| ranked.binary_search(name).unwrap() as i64).collect();
    let columns = Columns {
        side: &side,
        price: Integers::Wide(&price),
        quantity: Integers::Wide(&quantity),
        order: Some(&ids),
        time: Some(&time),
        ..Columns::default()
    };
    let mut filled = vec![-1; orders.len()];
    let want = Want { payment: true, trades: true };
    let result = clear(&columns, &mechanism(&case["mechanism"]), want, 1, &mut filled).unwrap();
    assert!(result.reject.is_none(), "{id}");
    let (outcome, expected) = (result.outcomes[0], &case["expected"]);
    let stated = |name: &str| expected.get(name).filter(|value| !value.is_null());
    assert_eq!(outcome.volume, expected["volume"].as_i64().unwrap(), "{id}: volume");
    for (name, value) in [
        ("price", outcome.price_sell),
        ("price_low", outcome.price_low),
        ("price_high", outcome.price_high),
        ("welfare", outcome.welfare as i64),
    ] {
        if let Some(expected) = stated(name) {
            assert_eq!(value, expected.as_i64().unwrap(), "{id}: {name}");
        }
    }
    let payment = result.payment.unwrap();
    for (column, values) in [("fills", &filled), ("payments", &payment)] {
        for (name, expected) in stated(column).and_then(Value::as_object).into_iter().flatten() {
            let row = names.iter().position(|known| known == name).unwrap();
            assert_eq!(values[row], expected.as_i64().unwrap(), "{id}: {column} of {name}");
        }
    }
    if let Some(trades) = stated("trades").and_then(Value::as_array) {
        let made = result.trades.unwrap();
        assert_eq!(made.len(), trades.len(), "{id}: number of trades");
        for (t, trade) in trades.iter().enumerate() {
            assert_eq!(names[made.buy_row[t] as usize], trade[0].as_str().unwrap(), "{id}: buyer of trade {t}");
            assert_eq!(names[made.sell_row[t] as usize], trade[1].as_str().unwrap(), "{id}: seller of trade {t}");
            assert_eq!(made.quantity[t], trade[2].as_i64().unwrap(), "{id}: quantity of trade {t}");
            assert_eq!(made.buy_price[t], trade[3].as_i64().unwrap(), "{id}: price of trade {t}");
            assert_eq!(made.sell_price[t], trade[3].as_i64().unwrap(), "{id}: price of trade {t}");
        }
    }
}

#[test]
fn every_case_comes_out() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
    let mut checked = 0;
    for family in ["uniform", "discriminatory"] {
        for folder in std::fs::read_dir(root.join(family)).unwrap() {
            let text = std::fs::read_to_string(folder.unwrap().path().join("case.json")).unwrap();
            check(&serde_json::from_str(&text).unwrap());
            checked += 1;
        }
    }
    assert!(checked >= 20, "only {checked} cases were found");
}
