use super::super::accounts::{BOUNDARY, CLEARING, PLATFORM};
use super::super::tariff::Tariff;
use super::*;

const ADA: u64 = FIRST_MEMBER;
const BO: u64 = FIRST_MEMBER + 1;

fn bank() -> Bank {
    let mut bank = Bank::new(Tariff::new(0, 0, 0, 0, 0).unwrap()).unwrap();
    bank.open(2, 0).unwrap();
    bank.deposit(&[ADA, BO], &[100, 10]).unwrap();
    bank
}

/// One line a row: kind, debit, credit, amount, group.
fn enter(bank: &mut Bank, lines: &[(Kind, u64, u64, i64, i64)], forced: bool) -> Result<Vec<u64>, SettleError> {
    let kind: Vec<u8> = lines.iter().map(|line| line.0 as u8).collect();
    let debit: Vec<u64> = lines.iter().map(|line| line.1).collect();
    let credit: Vec<u64> = lines.iter().map(|line| line.2).collect();
    let amount: Vec<i64> = lines.iter().map(|line| line.3).collect();
    let group: Vec<i64> = lines.iter().map(|line| line.4).collect();
    let code = vec![7; lines.len()];
    let entries = Entries {
        kind: &kind,
        code: &code,
        debit: &debit,
        credit: &credit,
        amount: &amount,
        group: Some(&group),
        ..Entries::default()
    };
    bank.enter(&entries, forced)
}

fn posted(bank: &Bank, account: u64) -> i128 {
    bank.accounts().get(account).map_or(0, |held| held.posted)
}

#[test]
fn a_purse_opens_itself_and_belongs_to_its_member() {
    let mut bank = bank();
    let margin = purse(MARGIN, ADA);
    let seqs = enter(&mut bank, &[(Kind::Net, ADA, margin, 60, -1), (Kind::Fee, ADA, PLATFORM, 5, -2)], false).unwrap();
    assert_eq!((posted(&bank, ADA), posted(&bank, margin)), (35, 60));
    assert_eq!((owner(margin), owner(ADA), owner(PLATFORM)), (Some((MARGIN, ADA)), Some((0, ADA)), None));
    let postings = bank.take();
    let opened = postings.iter().find(|p| p.kind == Kind::AccountOpened && p.debit == margin).unwrap();
    assert!(opened.seq < seqs[0]);
    assert_eq!(postings.last().unwrap().group, seqs[0], "the second line belongs to the first");
    assert!(bank.accounts().audit());
    assert!(matches!(bank.close(ADA), Err(SettleError::NotEmpty { .. })));
}

#[test]
fn nothing_is_taken_that_is_not_there() {
    let mut bank = bank();
    let margin = purse(MARGIN, ADA);
    let before = bank.clone();
    for (lines, forced, lacks) in [
        (vec![(Kind::Net, ADA, margin, 101, -1)], false, (ADA, 1)),
        (vec![(Kind::Net, margin, ADA, 1, -1)], true, (margin, 1)),
        (vec![(Kind::Net, ESCROW, BO, 3, -1)], true, (ESCROW, 3)),
        (vec![(Kind::Net, ADA, ESCROW, 50, -1), (Kind::Net, ESCROW, BO, 51, -1)], true, (ESCROW, 1)),
    ] {
        let (account, lacks) = lacks;
        assert_eq!(enter(&mut bank, &lines, forced), Err(SettleError::Lacks { account, lacks }));
        assert_eq!(bank.accounts(), before.accounts());
        assert_eq!(bank.postings(), before.postings());
    }
    enter(&mut bank, &[(Kind::Net, ADA, margin, 101, -1)], true).unwrap();
    assert_eq!(posted(&bank, ADA), -1, "a forced line may take a member below zero");
}

#[test]
fn lines_that_cannot_be_are_named() {
    let mut bank = bank();
    let before = bank.clone();
    let net = |debit, credit, amount, group| (Kind::Net, debit, credit, amount, group);
    for (line, column) in [
        ((Kind::AccountOpened, ADA, BO, 0, -1), "kind"),
        ((Kind::Limit, ADA, BO, 5, -1), "kind"),
        (net(ADA, BO, -1, -1), "amount"),
        (net(ADA, BO, 1, i64::MAX), "group"),
        (net(ADA, BO, 1, -3), "group"),
        (net(ADA, BO, 1, i64::MIN), "group"),
        (net(99, BO, 1, -1), "debit"),
        (net(ADA, FIRST_MEMBER + 2, 1, -1), "credit"),
        (net(ADA, purse(MARGIN, FIRST_MEMBER + 2), 1, -1), "credit"),
        (net(ADA, purse(1, ADA), 1, -1), "credit"),
        (net(ADA, purse(BOND, ADA), 1, -1), "credit"),
        (net(ADA, u64::MAX, 1, -1), "credit"),
        ((Kind::Post, ADA, CLEARING, 1, -1), "group"),
    ] {
        assert_eq!(enter(&mut bank, &[line], true), Err(SettleError::BadEntry { row: 0, column }), "{line:?}");
        assert_eq!(bank.accounts(), before.accounts());
    }
    let short = Entries { kind: &[8], ..Entries::default() };
    assert!(matches!(bank.enter(&short, false), Err(SettleError::Length { column: "code", .. })));
}

#[test]
fn a_hold_is_drawn_or_released_once_and_an_order_keeps_its_own() {
    let mut bank = bank();
    let hold = enter(&mut bank, &[(Kind::Reserve, ADA, ESCROW, 30, -1)], false).unwrap()[0] as i64;
    assert_eq!(bank.available(ADA), 70);
    assert!(matches!(enter(&mut bank, &[(Kind::Net, ADA, BO, 71, -1)], false), Err(SettleError::Lacks { .. })));
    enter(&mut bank, &[(Kind::Post, ADA, ESCROW, 20, hold)], false).unwrap();
    assert_eq!((bank.available(ADA), posted(&bank, ESCROW)), (80, 20));
    let again = enter(&mut bank, &[(Kind::Void, ADA, ESCROW, 30, hold)], false);
    assert_eq!(again, Err(SettleError::BadEntry { row: 0, column: "group" }));

    let orders = super::super::bank::Orders {
        side: &[1],
        price: &[1],
        quantity: &[10],
        account: &[ADA],
        market: &[0],
        order: &[0],
        network_fee: None,
    };
    let mut codes = [0];
    bank.reserve(&orders, &mut codes).unwrap();
    let of_order = bank.accounts().reservations().next().unwrap().0 as i64;
    let stolen = enter(&mut bank, &[(Kind::Void, ADA, CLEARING, 10, of_order)], true);
    assert_eq!(stolen, Err(SettleError::BadEntry { row: 0, column: "group" }));
}

#[test]
fn deposits_and_withdrawals_count_as_such() {
    let mut bank = bank();
    let margin = purse(MARGIN, BO);
    enter(&mut bank, &[(Kind::Deposit, BOUNDARY, margin, 9, -1), (Kind::Withdrawal, margin, BOUNDARY, 4, -1)], false)
        .unwrap();
    let lines = bank.close_cycle(&[]).unwrap();
    let line = lines.iter().find(|line| line.account == margin).unwrap();
    assert_eq!((line.deposited, line.net, line.closing), (5, 0, 5));
}
