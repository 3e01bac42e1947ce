//! The worked examples of `tests/cases/book`, the same files that pytest reads.

use std::path::Path;

use fastclear_core::book::{Kind, OrderBook, Rules, SMALL_MAX, SelfTrade, Tif, Want};
use fastclear_core::reject::RejectReason;
use serde_json::{Value, json};

use crate::flow::{Columns, resting};
use crate::twin::Command;

#[test]
fn worked_examples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/book");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path().join("case.json")).unwrap();
        let case: Value = serde_json::from_str(&text).unwrap();
        for small_max in [0, 1, SMALL_MAX] {
            check(&case, small_max);
        }
        seen += 1;
    }
    assert!(seen >= 4, "{seen} cases");
}

fn check(case: &Value, small_max: usize) {
    let commands = case["commands"].as_array().unwrap();
    let names: Vec<&str> = commands.iter().map(|row| row["order"].as_str().unwrap()).collect();
    let agents: Vec<&str> = commands.iter().map(|row| row["participant"].as_str().unwrap()).collect();
    let place = |list: &[&str], name: &Value| list.iter().position(|&other| other == name).unwrap() as i64;
    let rows: Vec<Command> = commands
        .iter()
        .map(|row| {
            assert_eq!(row["op"], "new");
            Command {
                order: Some(place(&names, &row["order"])),
                participant: Some(place(&agents, &row["participant"])),
                side: u8::from(row["side"] == "buy"),
                tif: Tif::ALL.iter().find(|tif| tif.name() == row["tif"]).map_or(255, |&tif| tif as u8),
                price: row["price"].as_i64(),
                quantity: row["quantity"].as_i64(),
                ..Command::default()
            }
        })
        .collect();
    let rules = &case["rules"];
    let mut book = OrderBook::new(Rules {
        self_trade: *SelfTrade::ALL.iter().find(|rule| rule.name() == rules["self_trade"]).unwrap(),
        erase_after_trade: rules["erase_after_trade"].as_bool().unwrap(),
        small_max,
    });
    let events = book.apply(&Columns::of(&rows, true).commands(), Want::Events).unwrap();
    let name = |id: i64| names[id as usize];
    let trades: Vec<Value> = events
        .trades()
        .map(|event| {
            let (buy, sell) = if event.side == 1 { (event.order, event.counter) } else { (event.counter, event.order) };
            json!([name(buy), name(sell), event.quantity, event.price])
        })
        .collect();
    let expected = &case["expected"];
    assert_eq!(expected["trades"], json!(trades), "{}", case["id"]);
    let rests = resting(&mut book);
    for (side, buys) in [("bids", true), ("asks", false)] {
        let queue: Vec<Value> = rests
            .iter()
            .filter(|row| row.buys == buys)
            .map(|row| json!([name(row.order), row.price, row.open]))
            .collect();
        assert_eq!(expected[side], json!(queue), "{} {side}", case["id"]);
    }
    if let Some(stated) = expected.get("cancelled") {
        let reason = |code| RejectReason::ALL.iter().find(|reason| reason.code() == code).unwrap().name();
        let cancelled: Vec<Value> = events
            .rows
            .iter()
            .filter(|event| event.kind == Kind::Cancelled)
            .map(|event| json!([name(event.order), reason(event.reject), event.quantity]))
            .collect();
        assert_eq!(stated, &json!(cancelled), "{}", case["id"]);
    }
}
