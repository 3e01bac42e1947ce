//! The credit bank and netting by hand: the worked ledger, and the cases that a random history reaches rarely.

use super::super::accounts::{BOUNDARY, TAX};
use super::super::bank::Orders;
use super::super::slot::{ClearedSlot, Meter};
use super::super::{Bank, Profile, Status, Tariff};
use super::*;
use crate::reject::RejectReason;

const EUR: i64 = 1_000_000_000;
const CENT: i128 = 10_000_000;
const BUYER: u64 = 1000;
const SELLER: u64 = 1001;
const OTHER: u64 = 1002;
const NO_METER: Meter<'static> = Meter { account: &[], energy: &[], due: false, losses: 0 };

fn terms() -> LoanTerms {
    // 4.7 % every 30 days, due after 30; 0.1 % a day on what is overdue.
    LoanTerms::new(47_000, 30, 30, 1_000).expect("in range")
}

/// Buyer 40, seller 10, other 60, treasury 500; limit of the buyer 78; 2 % on what is traded.
fn bank() -> Result<Bank, SettleError> {
    let tariff = Tariff::new(300_000, 50_000, 0, 0, 20_000).unwrap_or_default();
    let mut bank = Bank::new(tariff)?.with_profile(Profile::CreditBank(terms()))?;
    bank.open(3, 0)?;
    bank.deposit(&[BUYER, SELLER, OTHER], &[40 * EUR, 10 * EUR, 60 * EUR])?;
    bank.fund(500 * EUR)?;
    bank.set_limit(BUYER, 78 * EUR)?;
    Ok(bank)
}

fn bid(account: u64, price: i64, quantity: i64) -> (Orders<'static>, [i64; 2]) {
    let orders = Orders {
        side: &[1, 0],
        price: Vec::leak(vec![price, 0]),
        quantity: Vec::leak(vec![quantity, quantity]),
        account: Vec::leak(vec![account, if account == BUYER { SELLER } else { BUYER }]),
        market: &[7, 7],
        order: &[0, 1],
        network_fee: None,
    };
    (orders, [0, 1])
}

/// Reserves, and settles the whole order at `paid` ticks.
fn trade(bank: &mut Bank, buyer: u64, limit: i64, paid: i64, quantity: i64) -> Result<(), SettleError> {
    let (orders, _) = bid(buyer, limit, quantity);
    let mut codes = [0; 2];
    bank.reserve(&orders, &mut codes)?;
    assert_eq!(codes, [0, 0]);
    settle(bank, &orders, paid, quantity)
}

fn settle(bank: &mut Bank, orders: &Orders<'_>, paid: i64, quantity: i64) -> Result<(), SettleError> {
    let amount = [paid * quantity];
    let clearing = ClearedSlot {
        side: orders.side,
        account: orders.account,
        market: orders.market,
        order: orders.order,
        buy_row: &[0],
        sell_row: &[1],
        quantity: &[quantity],
        buy_price: &[paid],
        sell_price: &[paid],
        buy_amount: &amount,
        sell_amount: &amount,
        ..ClearedSlot::default()
    };
    bank.settle(&[clearing], &NO_METER)
}

fn posted(bank: &Bank, account: u64) -> i128 {
    bank.accounts().get(account).map_or(0, |held| held.posted)
}

/// Cents of buyer, seller, treasury, tax, other, principal; down to the last whole cent.
fn row(bank: &Bank) -> [i128; 6] {
    let principal: i128 = bank.loans().map(|(_, loan)| i128::from(loan.principal)).sum();
    let money = [posted(bank, BUYER), posted(bank, SELLER), posted(bank, TREASURY), posted(bank, TAX)];
    let all = money.into_iter().chain([posted(bank, OTHER)]).sum::<i128>();
    assert_eq!(all, -posted(bank, BOUNDARY), "coins are conserved at every step");
    assert_eq!(all, i128::from(610 * EUR));
    [money[0], money[1], money[2], money[3], posted(bank, OTHER), principal].map(|nano| nano / CENT)
}

fn day(bank: &mut Bank, day: u64) -> Result<(), SettleError> {
    bank.advance(day * DAY_NS)
}

#[test]
fn the_worked_ledger() -> Result<(), SettleError> {
    let mut bank = bank()?;
    let (orders, _) = bid(BUYER, 200_000, 500_000);
    let mut codes = [0; 2];
    bank.reserve(&orders, &mut codes)?;
    assert_eq!(codes, [0, 0]);
    let held = *bank.accounts().get(BUYER).expect("open");
    assert_eq!(held.pending_out, i128::from(102 * EUR));
    // E = 62.00, and the interest that a loan of it would bear: 2.914.
    assert_eq!(bank.available(BUYER), i128::from(78 * EUR) - i128::from(62 * EUR) - 2_914_000_000);
    assert_eq!(row(&bank), [4000, 1000, 50000, 0, 6000, 0]);
    settle(&mut bank, &orders, 180_000, 500_000)?;
    assert_eq!(row(&bank), [0, 10000, 44820, 180, 6000, 5180]);
    day(&mut bank, 20)?;
    // The buyer sells for 60.00 to the other, who pays no tax here: a deposit and a withdrawal stand for it.
    bank.withdraw(&[OTHER], &[60 * EUR])?;
    bank.deposit(&[BUYER], &[60 * EUR])?;
    assert_eq!(row(&bank), [6000, 10000, 44820, 180, 0, 5180]);
    assert_eq!(bank.status(BUYER), Status::Active);
    day(&mut bank, 30)?;
    assert_eq!(row(&bank), [576, 10000, 50243, 180, 0, 0]);
    assert_eq!(posted(&bank, BUYER), 5_765_400_000, "60 - 51.80 - 2.4346");
    assert_eq!(bank.loans().count(), 0);
    let book = *bank.book().expect("credit");
    assert_eq!((book.capital, book.interest, book.penalty, book.written_off), (500 * CENT * 100, 2_434_600_000, 0, 0));
    bank.close_cycle(&[])?;
    Ok(())
}

#[test]
fn the_late_branch() -> Result<(), SettleError> {
    let mut bank = bank()?;
    trade(&mut bank, BUYER, 200_000, 180_000, 500_000)?;
    bank.withdraw(&[OTHER], &[30 * EUR])?;
    bank.deposit(&[BUYER], &[30 * EUR])?;
    day(&mut bank, 30)?;
    assert_eq!(row(&bank), [0, 10000, 47820, 180, 3000, 2423], "interest 2.43 first, then principal 27.57");
    assert_eq!(bank.status(BUYER), Status::Overdue);
    let (orders, _) = bid(BUYER, 1, 1);
    let mut codes = [0; 2];
    bank.reserve(&orders, &mut codes)?;
    assert_eq!(codes, [RejectReason::AccountBlocked.code(), 0], "and it may still sell");
    day(&mut bank, 40)?;
    let loan = *bank.loans().next().expect("open").1;
    assert_eq!(loan.owed(Part::Penalty), 242_346_000, "0.1 % a day on 24.2346");
    assert_eq!(loan.owed(Part::Interest), 379_675_400, "a third of 4.7 %");
    bank.close_cycle(&[])?;
    bank.write_off(BUYER)?;
    assert_eq!(row(&bank), [0, 10000, 47820, 180, 3000, 0]);
    assert_eq!(bank.book().expect("credit").written_off, 24_234_600_000);
    assert_eq!((bank.status(BUYER), posted(&bank, LOANS)), (Status::Defaulted, 0));
    bank.reserve(&orders, &mut codes)?;
    assert_eq!(codes[0], RejectReason::AccountBlocked.code());
    bank.close_cycle(&[])?;
    bank.set_limit(BUYER, 1)?;
    assert_eq!(bank.status(BUYER), Status::Active, "somebody trusts it again");
    Ok(())
}

#[test]
fn the_limit_holds_with_the_interest_to_come() -> Result<(), SettleError> {
    // 1 Wh at p and 2 %: exposure (1.02 p - 40) and 4.7 % of it.
    let mut codes = [0; 2];
    for (limit, code) in [(64_914_000_000, 0), (64_913_999_999, RejectReason::CreditExceeded.code())] {
        let mut bank = bank()?;
        bank.set_limit(BUYER, limit)?;
        codes = [0; 2];
        bank.reserve(&bid(BUYER, 200_000, 500_000).0, &mut codes)?;
        assert_eq!(codes[0], code, "{limit}");
    }
    assert_ne!(codes[0], 0);
    Ok(())
}

#[test]
fn the_treasury_promises_what_it_has() -> Result<(), SettleError> {
    let mut bank = bank()?;
    bank.set_limit(OTHER, 1_000 * EUR)?;
    bank.set_limit(BUYER, 1_000 * EUR)?;
    let (first, second) = (bid(BUYER, 200_000, 2_000_000).0, bid(OTHER, 200_000, 1_000_000).0);
    let mut codes = [0; 2];
    bank.reserve(&first, &mut codes)?; // 408 with the tax, 40 of its own: 368
    assert_eq!(codes[0], 0);
    assert_eq!(
        bank.fund(-133 * EUR).expect_err("132 are left"),
        SettleError::TreasuryTooLow { amount: -133 * EUR, free: i128::from(132 * EUR) }
    );
    bank.reserve(&second, &mut codes)?; // 204, 60 of its own: 144
    assert_eq!(codes[0], RejectReason::CreditExceeded.code(), "144 are more than 132");
    codes = [0; 2];
    bank.fund(12 * EUR)?;
    bank.reserve(&second, &mut codes)?;
    assert_eq!(codes[0], 0);
    settle(&mut bank, &first, 200_000, 2_000_000)?;
    assert_eq!(posted(&bank, TREASURY), i128::from(144 * EUR));
    bank.close_cycle(&[])?;
    Ok(())
}

#[test]
fn metering_may_pass_the_limit_and_the_treasury() -> Result<(), SettleError> {
    let mut bank = bank()?;
    bank.fund(-490 * EUR)?;
    // 500 kWh at 30 ct and 2 %: 153, of which 40 are there and 10 can be lent.
    bank.settle(&[], &Meter { account: &[BUYER], energy: &[500_000], due: true, losses: 0 })?;
    assert_eq!(posted(&bank, BUYER), -i128::from(103 * EUR));
    assert_eq!((posted(&bank, TREASURY), bank.loans().count()), (0, 1));
    assert_eq!(bank.status(BUYER), Status::Restricted);
    assert!(matches!(bank.withdraw(&[BUYER], &[1]), Err(SettleError::WithdrawalTooLarge { .. })));
    bank.close_cycle(&[])?;
    bank.fund(200 * EUR)?;
    bank.deposit(&[BUYER], &[3 * EUR])?;
    assert_eq!(posted(&bank, BUYER), 0, "what the treasury lacked it lends later");
    bank.deposit(&[BUYER], &[120 * EUR])?;
    assert_eq!(bank.repay(BUYER, None)?, i128::from(110 * EUR));
    assert_eq!((bank.loans().count(), posted(&bank, BUYER)), (0, i128::from(10 * EUR)));
    Ok(())
}

#[test]
fn repayments_are_exact_and_bounded() -> Result<(), SettleError> {
    let mut bank = bank()?;
    trade(&mut bank, BUYER, 200_000, 180_000, 500_000)?;
    day(&mut bank, 15)?;
    bank.deposit(&[BUYER], &[100 * EUR])?;
    let most = i128::from(51_800_000_000_i64 + 1_217_300_000);
    assert_eq!(
        bank.repay(BUYER, Some(60 * EUR)).expect_err("more than is owed"),
        SettleError::RepaymentTooLarge { account: BUYER, amount: 60 * EUR, most }
    );
    assert_eq!(posted(&bank, BUYER), i128::from(100 * EUR), "a call that fails leaves no trace");
    assert!(matches!(bank.repay(BUYER, Some(-1)), Err(SettleError::NegativeAmount { .. })));
    assert!(matches!(bank.repay(BUYER, Some(101 * EUR)), Err(SettleError::RepaymentTooLarge { .. })));
    assert_eq!(bank.repay(BUYER, Some(EUR))?, i128::from(EUR));
    let loan = *bank.loans().next().expect("open").1;
    assert_eq!((loan.owed(Part::Interest), loan.principal), (217_300_000, 51_800_000_000), "interest first");
    assert_eq!(bank.repay(BUYER, None)?, most - i128::from(EUR));
    assert!(matches!(bank.repay(BUYER, Some(1)), Err(SettleError::RepaymentTooLarge { most: 0, .. })));
    assert!(matches!(bank.write_off(BUYER), Err(SettleError::NothingOverdue { .. })));
    Ok(())
}

#[test]
fn an_account_closes_only_empty() -> Result<(), SettleError> {
    let mut bank = bank()?;
    trade(&mut bank, BUYER, 200_000, 180_000, 500_000)?;
    assert!(matches!(bank.close(BUYER), Err(SettleError::NotEmpty { owes: true, .. })));
    assert!(matches!(bank.close(SELLER), Err(SettleError::NotEmpty { owes: false, .. })));
    bank.withdraw(&[SELLER], &[100 * EUR])?;
    bank.close(SELLER)?;
    assert_eq!(bank.status(SELLER), Status::Closed);
    assert_eq!(bank.close(SELLER), Err(SettleError::ClosedMember { account: SELLER }));
    assert_eq!(bank.deposit(&[SELLER], &[1]), Err(SettleError::ClosedMember { account: SELLER }));
    assert!(matches!(
        bank.settle(&[], &Meter { account: &[SELLER], energy: &[1], due: true, losses: 0 }),
        Err(SettleError::ClosedMember { .. })
    ));
    let mut codes = [0; 2];
    bank.reserve(&bid(BUYER, 1, 1).0, &mut codes)?;
    assert_eq!(codes[1], RejectReason::AccountBlocked.code(), "an ask of a closed account");
    Ok(())
}

fn netting() -> Result<Bank, SettleError> {
    let tariff = Tariff::new(300_000, 50_000, 0, 0, 0).unwrap_or_default();
    let late = LoanTerms::new(0, 1, 0, 1_000).expect("in range");
    let mut bank = Bank::new(tariff)?.with_profile(Profile::PostpaidNetting(late))?;
    bank.open(3, 100 * EUR)?;
    Ok(bank)
}

#[test]
fn a_cycle_is_netted_and_paid() -> Result<(), SettleError> {
    let mut bank = netting()?;
    trade(&mut bank, BUYER, 200_000, 200_000, 100_000)?; // 20.00 to the seller
    trade(&mut bank, OTHER, 100_000, 100_000, 50_000)?; // 5.00 to the buyer
    assert_eq!([BUYER, SELLER, OTHER].map(|id| posted(&bank, id)), [-15, 20, -5].map(|eur| eur * i128::from(EUR)));
    let payments = bank.net_payments(&[])?;
    let eur = i128::from(EUR);
    let listed: Vec<_> = payments.iter().map(|p| (p.debit, p.credit, p.amount / eur)).collect();
    assert_eq!(listed, [(BUYER, SELLER, 15), (OTHER, SELLER, 5)]);
    let lines = bank.close_cycle(&[])?;
    assert_eq!(lines.iter().map(|line| line.net).sum::<i128>(), 0);
    assert_eq!([BUYER, SELLER, OTHER, BOUNDARY].map(|id| posted(&bank, id)), [0; 4]);
    assert!(bank.close_cycle(&[])?.iter().all(|line| (line.opening, line.net, line.closing) == (0, 0, 0)));
    Ok(())
}

#[test]
fn a_failed_payment_is_the_operators() -> Result<(), SettleError> {
    let mut bank = netting()?;
    trade(&mut bank, BUYER, 200_000, 200_000, 100_000)?;
    assert_eq!(bank.close_cycle(&[SELLER]), Err(SettleError::OwesNothing { account: SELLER }));
    assert_eq!(bank.close_cycle(&[BUYER, BUYER]), Err(SettleError::OwesNothing { account: BUYER }));
    let payments = bank.net_payments(&[BUYER])?;
    assert_eq!((payments[0].debit, payments[0].credit), (OPERATOR, SELLER));
    bank.close_cycle(&[BUYER])?;
    assert_eq!([BUYER, SELLER, OPERATOR].map(|id| posted(&bank, id) / i128::from(EUR)), [0, 0, -20]);
    assert_eq!(bank.status(BUYER), Status::Overdue);
    assert_eq!(bank.available(BUYER), i128::from(80 * EUR));
    day(&mut bank, 10)?;
    bank.deposit(&[BUYER], &[25 * EUR])?;
    // 0.1 % a day on 20.00 for ten days: 0.20.
    assert_eq!((posted(&bank, OPERATOR), posted(&bank, BUYER)), (200_000_000, 4_800_000_000));
    assert_eq!(bank.status(BUYER), Status::Active);
    bank.close_cycle(&[])?;
    Ok(())
}

#[test]
fn what_a_profile_has_not_is_refused() -> Result<(), SettleError> {
    let mut prepaid = Bank::new(Tariff::default())?;
    prepaid.open(1, 0)?;
    assert_eq!(prepaid.fund(1), Err(SettleError::NoCredit));
    assert_eq!(prepaid.repay(BUYER, None), Err(SettleError::NoCredit));
    assert_eq!(prepaid.write_off(BUYER), Err(SettleError::NoCredit));
    assert_eq!(prepaid.close_cycle(&[BUYER]), Err(SettleError::NoNetting));
    assert_eq!(prepaid.net_payments(&[]), Err(SettleError::NoNetting));
    assert_eq!(netting()?.fund(1), Err(SettleError::NoTreasury));
    let mut lender = bank()?;
    assert_eq!(lender.close_cycle(&[BUYER]), Err(SettleError::NoNetting));
    assert_eq!(lender.repay(7, None), Err(SettleError::UnknownMember { account: 7 }));
    assert_eq!(
        lender.repay(BUYER + DEBT_OFFSET, None),
        Err(SettleError::UnknownMember { account: BUYER + DEBT_OFFSET })
    );
    Ok(())
}

#[test]
fn terms_out_of_range_are_named() {
    for (values, field) in [
        ((10_000_001, 1, 0, 0), "interest_ppm"),
        ((0, 0, 0, 0), "per_days"),
        ((0, 36_501, 0, 0), "per_days"),
        ((0, 1, 36_501, 0), "term_days"),
        ((0, 1, 0, 10_000_001), "penalty_ppm"),
    ] {
        let (interest, per_days, term, penalty) = values;
        assert_eq!(LoanTerms::new(interest, per_days, term, penalty).expect_err(field).field, field);
    }
}
