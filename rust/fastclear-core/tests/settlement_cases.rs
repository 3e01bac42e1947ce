//! The worked examples of `tests/cases/settlement`, the same files that pytest reads, through the bank.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::Path;

use fastclear_core::settlement::accounts::BACKSTOP;
use fastclear_core::settlement::delivery::{IMBALANCE_SHORTFALL, IMBALANCE_UNDELIVERED};
use fastclear_core::settlement::{Bank, ClearedSlot, Imbalance, Kind, Meter, Owner, Posting, Shortfall, Tariff, bills};
use serde_json::{Value, json};

/// Buyer, seller, quantity, price.
type Trade = (String, String, i64, i64);

/// Members of a case by name, and their postings after one slot.
struct Settled {
    bank: Bank,
    accounts: BTreeMap<String, u64>,
    postings: Vec<Posting>,
}

impl Settled {
    fn name(&self, account: u64) -> &str {
        self.accounts.iter().find(|&(_, &id)| id == account).unwrap().0
    }

    fn net(&self) -> Value {
        bills(&self.postings)
            .iter()
            .map(|(&account, bill)| (self.name(account).to_owned(), bill.net() as i64))
            .collect()
    }

    fn posted(&self, account: u64) -> i128 {
        self.bank.accounts().get(account).unwrap().posted
    }
}

fn case(id: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/settlement").join(id).join("case.json");
    let case: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(case["id"], id);
    case
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn table(value: &Value) -> BTreeMap<String, i64> {
    value.as_object().unwrap().iter().map(|(name, energy)| (name.clone(), number(energy))).collect()
}

/// Settles `trades`, each of two orders of its own, and the readings.
fn settle(inputs: &Value, policy: Imbalance, trades: &[Trade], metered: &BTreeMap<String, i64>) -> Settled {
    let tariff = Tariff::new(number(&inputs["retail"]), number(&inputs["feed_in"]), 0, 0, 0).unwrap();
    let mut bank = Bank::new(tariff).unwrap().with_imbalance(policy);
    let first = bank.open(metered.len(), 0).unwrap();
    let accounts: BTreeMap<String, u64> = metered.keys().cloned().zip(first..).collect();
    let ids: Vec<u64> = accounts.values().copied().collect();
    bank.deposit(&ids, &vec![1000; ids.len()]).unwrap();
    bank.take();
    let (mut side, mut account, mut amount, mut quantity, mut price) = (vec![], vec![], vec![], vec![], vec![]);
    for (buyer, seller, lots, ticks) in trades {
        side.extend([1, 0]);
        account.extend([accounts[buyer], accounts[seller]]);
        quantity.push(*lots);
        price.push(*ticks);
        amount.push(lots * ticks);
    }
    let order: Vec<u64> = (0..side.len() as u64).collect();
    let rows = |from: i64| (from..).step_by(2).take(trades.len()).collect::<Vec<i64>>();
    let slot = ClearedSlot {
        side: &side,
        account: &account,
        market: &vec![0; side.len()],
        order: &order,
        buy_row: &rows(0),
        sell_row: &rows(1),
        quantity: &quantity,
        buy_price: &price,
        sell_price: &price,
        buy_amount: &amount,
        sell_amount: &amount,
        ..ClearedSlot::default()
    };
    let energy: Vec<i64> = metered.values().copied().collect();
    bank.settle(&[slot], &Meter { account: &ids, energy: &energy, due: true, losses: 0 }).unwrap();
    let postings = bank.take();
    Settled { bank, accounts, postings }
}

/// Trades that give each member its position at one price: buyers with sellers, in order of their names.
fn trades_of(positions: &BTreeMap<String, i64>, price: i64) -> Vec<Trade> {
    let side =
        |sign: i64| positions.iter().filter(move |&(_, &p)| p * sign > 0).map(move |(n, p)| (n.clone(), p * sign));
    let (mut buyers, mut sellers) = (side(1).collect::<Vec<_>>(), side(-1).collect::<Vec<_>>());
    let mut trades = Vec::new();
    while let (Some(buyer), Some(seller)) = (buyers.first_mut(), sellers.first_mut()) {
        let quantity = buyer.1.min(seller.1);
        trades.push((buyer.0.clone(), seller.0.clone(), quantity, price));
        buyer.1 -= quantity;
        seller.1 -= quantity;
        buyers.retain(|(_, left)| *left > 0);
        sellers.retain(|(_, left)| *left > 0);
    }
    assert!(buyers.is_empty() && sellers.is_empty(), "positions sum to 0");
    trades
}

#[test]
fn positions_against_readings() {
    let backup = Imbalance::default();
    let to_members = Imbalance::Backup { residual_to: Owner::Members };
    // P01 divided over 8 + 3 + 5 + 3 Wh: 9, 3, 5 and 3 are the largest remainders of 22 × 8/19 …, on top of what is stated.
    for (id, policy, back) in [
        ("P01", backup, [0, 0, 0, 0]),
        ("P01", to_members, [9, 4, 6, 3]),
        ("P02", Imbalance::SinglePrice, [0, 0, 0, 0]),
    ] {
        let case = case(id);
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let trades = trades_of(&table(&inputs["contract_position"]), number(&inputs["market_price"]));
        let settled = settle(inputs, policy, &trades, &table(&inputs["metered"]));
        let net: Value = table(&expected["net_payment"])
            .into_iter()
            .zip(back)
            .map(|((name, net), back)| (name, net - back))
            .collect();
        assert_eq!(settled.net(), net, "{id}");
        let residual = number(&expected["operator_residual"]) - back.iter().sum::<i64>();
        assert_eq!(settled.posted(BACKSTOP), i128::from(number(&expected["grid_bill"]) + residual), "{id}");
    }
}

#[test]
fn a_shortfall_over_its_trades() {
    let case = case("P05");
    let (inputs, expected) = (&case["inputs"], &case["expected"]);
    let trades: Vec<Trade> = inputs["trades"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| {
            let name = |side: &str| t[side].as_str().unwrap().to_owned();
            (name("buy"), name("sell"), number(&t["qty"]), number(&t["price"]))
        })
        .collect();
    let mut metered: BTreeMap<String, i64> =
        table(&inputs["metered_generation"]).into_iter().map(|(name, energy)| (name, -energy)).collect();
    for (buyer, _, quantity, _) in &trades {
        *metered.entry(buyer.clone()).or_default() += quantity; // they consume what they bought
    }
    // By hand: A pays 17 × 3 + 30 × 2, B 19 × 2 + 30 + 15 × 4; P has 17 × 3 + 19 × 2, R 15 × 4 + 8 × 2.
    let at_retail = json!({"A": 111, "B": 128, "P": -89, "R": -76});
    for (rule, code, net) in [
        (Shortfall::BuyerMadeWhole, IMBALANCE_SHORTFALL, &expected["net_payment"]),
        (Shortfall::BuyerPaysRetail, IMBALANCE_UNDELIVERED, &at_retail),
    ] {
        let policy = Imbalance::ShortfallAllocation { rule, residual_to: Owner::House(BACKSTOP) };
        let settled = settle(inputs, policy, &trades, &metered);
        assert_eq!(&settled.net(), net);
        assert_eq!(settled.posted(BACKSTOP), i128::from(number(&expected["grid_bill"])));
        let told = |p: &&Posting| p.kind == Kind::Imbalance && p.code == code;
        let gaps: BTreeMap<u64, i64> =
            settled.postings.iter().filter(told).map(|p| (p.buy_order, p.quantity)).collect();
        let mut top_up: BTreeMap<&str, i64> = BTreeMap::new();
        let mut allocation = Vec::new();
        for (order, (buy, sell, contracted, _)) in (0..).step_by(2).zip(&trades) {
            let gap = gaps.get(&order).copied().unwrap_or(0);
            *top_up.entry(buy).or_default() += gap;
            allocation.push(json!({"buy": buy, "sell": sell, "contracted": contracted, "delivered": contracted - gap}));
        }
        assert_eq!(Value::from(allocation), expected["allocation"]);
        assert_eq!(json!(top_up), expected["topup_from_grid"]);
    }
}
