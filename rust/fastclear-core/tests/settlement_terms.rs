//! The terms of a slot in the bank: fees that trades carry, reservations of their slot, shares, fixed charges.

#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use fastclear_core::settlement::accounts::{BACKSTOP, DSO, PLATFORM, TAX};
use fastclear_core::settlement::error::TradeFault;
use fastclear_core::settlement::slot::{
    FEE_NETWORK, FEE_NETWORK_SHARE, FEE_PLATFORM, FEE_SUBSCRIPTION, TAX_NETWORK, TAX_SUBSCRIPTION, TAX_TRADE,
};
use fastclear_core::settlement::{
    Account, Bank, ClearedSlot, FeeShare, Kind, Meter, Orders, SettleError, Tariff, TariffError, TaxRates, Terms, bills,
};

const NO_METER: Meter<'static> = Meter { account: &[], energy: &[], due: false, losses: 0 };
const EARLY: i64 = 1_000;
const LATE: i64 = 2_000;

/// Platform fee 1; network fee 2, a fifth of it the backstop's; tax 20 % on energy and platform, 50 % on the network.
fn terms(slot: i64, platform_fee: i64) -> Result<Terms, TariffError> {
    let tariff = Tariff::new(30, 5, platform_fee, 2, 0)?;
    let taxes = TaxRates { energy: 200_000, platform: 200_000, network: 500_000, residual: 0 };
    Terms::new(&tariff, slot, taxes, [FeeShare::default(), FeeShare { ppm: 200_000, to: BACKSTOP }])
}

fn bank(deposit: i64) -> Result<Bank, SettleError> {
    let mut bank = Bank::new(Tariff::default())?;
    bank.open(2, 0)?;
    bank.deposit(&[1000], &[deposit])?;
    bank.take();
    Ok(bank)
}

fn under(bank: &mut Bank, slot: i64, platform_fee: i64) {
    bank.set_terms(terms(slot, platform_fee).unwrap_or_default());
}

/// Member 1000 bids 20 for 10 lots, member 1001 asks.
fn orders(network_fee: Option<&[i64]>) -> Orders<'_> {
    Orders {
        side: &[1, 0],
        price: &[20, 15],
        quantity: &[10, 10],
        account: &[1000, 1001],
        market: &[7, 7],
        order: &[3, 4],
        network_fee,
    }
}

fn cleared(network_fee: Option<&[i64]>) -> ClearedSlot<'_> {
    ClearedSlot {
        side: &[1, 0],
        account: &[1000, 1001],
        market: &[7, 7],
        order: &[3, 4],
        buy_row: &[0, 0],
        sell_row: &[1, 1],
        quantity: &[4, 6],
        buy_price: &[18, 18],
        sell_price: &[18, 18],
        buy_amount: &[72, 108],
        sell_amount: &[72, 108],
        network_fee,
        ..ClearedSlot::default()
    }
}

fn posted(bank: &Bank, account: u64) -> i128 {
    bank.accounts().get(account).map_or(0, |held| held.posted)
}

fn available(bank: &Bank) -> i128 {
    bank.accounts().get(1000).map_or(0, Account::available)
}

#[test]
fn a_trade_pays_the_network_fee_that_it_carries() -> Result<(), SettleError> {
    let mut bank = bank(1_000)?;
    under(&mut bank, EARLY, 1);
    let mut codes = [0, 0];
    bank.reserve(&orders(Some(&[9, 0])), &mut codes)?;
    // (20 + 1) with 4.2 -> 5 of tax, 9 with 4.5 -> 5: 40 a unit.
    assert_eq!((codes, available(&bank)), ([0, 0], 600));
    bank.settle(&[cleared(Some(&[9, -5]))], &NO_METER)?;
    let lines: Vec<(Kind, u16, u64, i64, i64)> = bank
        .take()
        .iter()
        .filter(|p| matches!(p.kind, Kind::Fee | Kind::Tax))
        .map(|p| (p.kind, p.code, if p.debit == 2 { p.credit } else { p.debit }, p.price, p.amount))
        .collect();
    let expected = [
        (Kind::Fee, FEE_PLATFORM, PLATFORM, 1, 4),
        (Kind::Fee, FEE_NETWORK, DSO, 0, 36 - 7), // a fifth of 36 is 7.2
        (Kind::Fee, FEE_NETWORK_SHARE, BACKSTOP, 0, 7),
        (Kind::Tax, TAX_TRADE, TAX, 0, 15), // a fifth of 72 + 4
        (Kind::Tax, TAX_NETWORK, TAX, 0, 18),
        (Kind::Fee, FEE_PLATFORM, PLATFORM, 1, 6),
        (Kind::Fee, FEE_NETWORK, DSO, 0, 24), // paid back: -30 and its share of -6
        (Kind::Fee, FEE_NETWORK_SHARE, BACKSTOP, 0, 6),
        (Kind::Tax, TAX_TRADE, TAX, 0, 23), // a fifth of 108 + 6 is 22.8
        (Kind::Tax, TAX_NETWORK, TAX, 0, 15),
    ];
    assert_eq!(lines, expected);
    assert_eq!((posted(&bank, DSO), posted(&bank, BACKSTOP), posted(&bank, TAX)), (29 - 24, 7 - 6, 15 + 18 + 23 - 15));
    Ok(())
}

#[test]
fn a_reservation_is_drawn_in_its_slot_only() -> Result<(), SettleError> {
    let mut bank = bank(1_000)?;
    for (slot, fee) in [(LATE, 3), (EARLY, 1)] {
        under(&mut bank, slot, fee);
        bank.reserve(&orders(None), &mut [0, 0])?;
    }
    // network 2 with 1 of tax; 23 with 5, 21 with 5
    assert_eq!(available(&bank), 1_000 - 310 - 290);
    bank.settle(&[cleared(None)], &NO_METER)?;
    assert_eq!(available(&bank) + i128::from(310), posted(&bank, 1000), "the late one stays open");
    let mut third = bank.clone();
    under(&mut third, 3_000, 1);
    let other = SettleError::OtherSlot { account: 1000, order: 3, reserved_for: Some(LATE) };
    assert_eq!(third.settle(&[cleared(None)], &NO_METER), Err(other));
    under(&mut bank, LATE, 3);
    bank.settle(&[cleared(None)], &NO_METER)?;
    assert_eq!((available(&bank), bank.accounts().reservations().len()), (posted(&bank, 1000), 0));
    assert_eq!(posted(&bank, PLATFORM), 10 + 30);
    Ok(())
}

#[test]
fn an_order_without_a_slot_is_no_order_of_a_slot() -> Result<(), SettleError> {
    let mut bank = bank(1_000)?;
    bank.reserve(&orders(None), &mut [0, 0])?;
    under(&mut bank, EARLY, 1);
    let fault = SettleError::OtherSlot { account: 1000, order: 3, reserved_for: None };
    assert_eq!(bank.settle(&[cleared(None)], &NO_METER), Err(fault));
    assert!(fault.to_string().contains("reserved for no slot"));
    Ok(())
}

#[test]
fn fees_that_cannot_be() -> Result<(), SettleError> {
    let mut bank = bank(1_000)?;
    under(&mut bank, EARLY, 1);
    let length = |column, len, expected| Err(SettleError::Length { column, len, expected });
    assert_eq!(bank.reserve(&orders(Some(&[1])), &mut [0, 0]), length("network_fee", 1, 2));
    assert_eq!(bank.settle(&[cleared(Some(&[1]))], &NO_METER), length("network_fee", 1, 2));
    for fee in [1 << 31, -(1 << 31), i64::MIN, i64::MAX] {
        let bad = SettleError::BadTrade { clearing: 0, trade: 1, fault: TradeFault::NetworkFee };
        assert_eq!(bank.settle(&[cleared(Some(&[1, fee]))], &NO_METER), Err(bad));
    }
    let mut codes = [0, 0];
    bank.reserve(&orders(Some(&[i64::MAX, 0])), &mut codes)?;
    assert_eq!(codes, [13, 0], "nobody can cover it");
    assert_eq!(bank.take().len(), 0);
    Ok(())
}

#[test]
fn a_fixed_charge_is_forced_and_taxed() -> Result<(), SettleError> {
    let mut bank = bank(10)?;
    assert_eq!(
        bank.charge(&[1000, 9], &[1, 1], &[0, 0]),
        Err(SettleError::UnknownMember { account: 9 }),
        "a house account is charged nothing"
    );
    assert_eq!(bank.charge(&[1000], &[-1], &[0]), Err(SettleError::NegativeAmount { account: 1000, amount: -1 }));
    assert_eq!(bank.charge(&[1000], &[1], &[]), Err(SettleError::Length { column: "tax_ppm", len: 0, expected: 1 }));
    assert_eq!(bank.charge(&[1000], &[], &[0]), Err(SettleError::Length { column: "amount", len: 0, expected: 1 }));
    assert_eq!(bank.take().len(), 0);
    bank.charge(&[1000, 1001, 1000], &[15, 0, 5], &[100_000, 0, 0])?;
    let postings = bank.take();
    let lines: Vec<(Kind, u16, u64, i64)> = postings.iter().map(|p| (p.kind, p.code, p.credit, p.amount)).collect();
    let expected = [
        (Kind::Fee, FEE_SUBSCRIPTION, PLATFORM, 15),
        (Kind::Tax, TAX_SUBSCRIPTION, TAX, 2), // 1.5, to the even one
        (Kind::Fee, FEE_SUBSCRIPTION, PLATFORM, 5),
    ];
    assert_eq!(lines, expected);
    assert_eq!(postings[1].group, postings[0].seq);
    assert_eq!(posted(&bank, 1000), 10 - 22);
    let bill = bills(&postings)[&1000];
    assert_eq!((bill.subscription, bill.tax, bill.net()), (20, 2, 22));
    assert_eq!(bank.close_cycle(&[])?.iter().map(|line| line.net).sum::<i128>(), 0);
    Ok(())
}
