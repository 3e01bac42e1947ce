//! Escrow, bonds, proceeds and money to be kept, by hand: the cases around a slot. Deals are followed in Python.

use super::super::accounts::{CLEARING, FIRST_MEMBER};
use super::super::bank::Orders;
use super::super::bill::bills;
use super::super::purses::ESCROW;
use super::super::slot::{ClearedSlot, Meter};
use super::super::tariff::Tariff;
use super::*;
use crate::reject::RejectReason;

const ADA: u64 = FIRST_MEMBER;
const BO: u64 = FIRST_MEMBER + 1;
const TENTH: Rules = Rules { minimum_holding: 0, bond_ppm: Some(100_000), proceeds_ppm: [0, 0] };

/// Ada has `money.0` and Bo `money.1`; the buyer pays 1 a unit to the platform.
fn bank(rules: Rules, money: (i64, i64)) -> Bank {
    let bank = Bank::new(Tariff::new(30, 5, 1, 0, 0).unwrap()).unwrap();
    let mut bank = bank.with_rules(rules).unwrap();
    bank.open(2, 0).unwrap();
    bank.deposit(&[ADA, BO], &[money.0, money.1]).unwrap();
    bank
}

fn reserve(bank: &mut Bank, side: &[u8], price: &[i64], account: &[u64]) -> Vec<u16> {
    let n = side.len();
    let order: Vec<u64> = (0..n as u64).collect();
    let mut codes = vec![0; n];
    let orders =
        Orders { side, price, quantity: &vec![10; n], account, market: &vec![0; n], order: &order, network_fee: None };
    bank.reserve(&orders, &mut codes).unwrap();
    codes
}

/// Ada buys 10 from Bo.
fn settle(bank: &mut Bank, price: i64) -> Result<(), SettleError> {
    let amount = [price * 10];
    let clearing = ClearedSlot {
        side: &[1, 0],
        account: &[ADA, BO],
        market: &[0, 0],
        order: &[0, 1],
        buy_row: &[0],
        sell_row: &[1],
        quantity: &[10],
        buy_price: &[price],
        sell_price: &[price],
        buy_amount: &amount,
        sell_amount: &amount,
        ..ClearedSlot::default()
    };
    bank.settle(&[clearing], &Meter::default())
}

fn posted(bank: &Bank) -> [i128; 4] {
    [ADA, BO, ESCROW, CLEARING].map(|id| bank.accounts().get(id).map_or(0, |held| held.posted))
}

#[test]
fn a_payment_waits_in_escrow_with_both_bonds() {
    let mut bank = bank(TENTH, (240, 20));
    assert_eq!(reserve(&mut bank, &[1, 0], &[20, 15], &[ADA, BO]), [0, 0]);
    assert_eq!(bank.available(ADA), 10, "200 of energy, 10 of fees, 20 of bond");
    settle(&mut bank, 18).unwrap();
    assert_eq!(posted(&bank), [240 - 190 - 18, 2, 180 + 36, 0]);
    let bills = bills(&bank.take());
    assert_eq!((bills[&ADA].net(), bills[&ADA].energy, bills.get(&BO)), (190, 180, None));
}

#[test]
fn a_bond_that_is_not_there_is_asked_for_before_the_market_and_after_it() {
    let mut bank = bank(TENTH, (600, 17));
    let codes = reserve(&mut bank, &[0, 0, 0, 1, 1], &[17, 1, -5, 20, 5], &[BO, BO, BO, ADA, ADA]);
    let refused = RejectReason::CreditExceeded.code();
    assert_eq!(codes, [0, refused, 0, 0, 0], "17 of bond, then 1 more than there is; who pays needs none");
    let before = bank.accounts().clone();
    assert_eq!(settle(&mut bank, 18), Err(SettleError::NoBond { account: BO, lacks: 1 }));
    assert_eq!(bank.accounts(), &before);
    settle(&mut bank, 17).unwrap();
}

#[test]
fn a_spot_buyer_needs_its_bond_too() {
    for (money, covered) in [(207, false), (208, true)] {
        let mut bank = bank(TENTH, (money, 100));
        let result = settle(&mut bank, 18);
        assert_eq!(result.is_ok(), covered, "{result:?}");
    }
}

#[test]
fn a_bond_that_a_post_has_released_is_not_spent_on_another_order() {
    // Two orders of 180, 10 of fees and 18 of bond each; the first may have a reservation of just that.
    for (reserved, money, covered) in [(false, 415, false), (false, 416, true), (true, 415, false), (true, 416, true)] {
        let mut bank = bank(TENTH, (money, 100));
        if reserved {
            assert_eq!(reserve(&mut bank, &[1], &[18], &[ADA]), [0]);
        }
        let clearing = ClearedSlot {
            side: &[1, 1, 0],
            account: &[ADA, ADA, BO],
            market: &[0, 0, 0],
            order: &[0, 1, 2],
            buy_row: &[0, 1],
            sell_row: &[2, 2],
            quantity: &[10, 10],
            buy_price: &[18, 18],
            sell_price: &[18, 18],
            buy_amount: &[180, 180],
            sell_amount: &[180, 180],
            ..ClearedSlot::default()
        };
        let result = bank.settle(&[clearing], &Meter::default());
        assert_eq!(result.is_ok(), covered, "{reserved} {money}: {result:?}");
        assert_eq!(bank.available(ADA), if covered { 0 } else { i128::from(money) - 208 * i128::from(reserved) });
    }
}

#[test]
fn a_seller_that_pays_has_nothing_in_escrow() {
    let mut bank = bank(TENTH, (300, 100));
    settle(&mut bank, -5).unwrap();
    assert_eq!(posted(&bank), [300 + 50 - 10, 50, 0, 0]);
}

#[test]
fn parts_of_the_proceeds_are_rounded_down_and_the_seller_keeps_the_rest() {
    let rules = Rules { proceeds_ppm: [40_000, 333_333], ..Rules::default() };
    let mut bank = bank(rules, (300, 0));
    settle(&mut bank, 17).unwrap();
    assert_eq!(posted(&bank), [300 - 180, 170 - 6 - 56, 0, 0]);
    let bills = bills(&bank.take());
    assert_eq!((bills[&BO].net(), bills[&BO].platform, bills[&BO].network), (-108, 6, 56));
}

#[test]
fn money_to_be_kept_is_no_cover_and_a_limit_does_not_help() {
    let mut bank = bank(Rules { minimum_holding: 100, ..Rules::default() }, (150, 0));
    bank.set_limit(ADA, 1000).unwrap();
    let refused = RejectReason::CreditExceeded.code();
    let bids = reserve(&mut bank, &[1, 1, 1, 0], &[4, 4, -1, 4], &[ADA, ADA, BO, BO]);
    assert_eq!(bids, [0, refused, refused, 0], "who is below the minimum makes no bid, be it free");
    assert!(bank.withdraw(&[ADA], &[1]).is_err());
    bank.deposit(&[ADA], &[1]).unwrap();
    bank.withdraw(&[ADA], &[1]).unwrap();
}

#[test]
fn rules_that_cannot_be_are_refused() {
    for rules in [
        Rules { minimum_holding: -1, ..Rules::default() },
        Rules { bond_ppm: Some(10_000_001), ..Rules::default() },
        Rules { proceeds_ppm: [500_000, 500_001], ..Rules::default() },
    ] {
        let bank = Bank::new(Tariff::default()).unwrap();
        assert_eq!(bank.with_rules(rules).err(), Some(SettleError::BadRules));
    }
}
