//! Lines of pools by hand; whole communities are compared with a twin in Python.

use super::super::accounts::FIRST_MEMBER;
use super::super::bank::Bank;
use super::super::bill::bills;
use super::super::posting::Posting;
use super::super::slot::{Meter, TAX_TRADE};
use super::super::tariff::Tariff;
use super::*;

const ADA: u64 = FIRST_MEMBER;
const BO: u64 = FIRST_MEMBER + 1;

/// Ada imports 10 lots, Bo exports 6; retail 25, feed-in 5, mid-market rate with a fee of 1.
fn pool() -> PooledSlot<'static> {
    PooledSlot {
        account: &[ADA, BO],
        market: &[7, 7],
        order: &[70, 71],
        net: &[10, -6],
        local: &[6, 6],
        payment: &[6 * 16 + 4 * 25, -90],
        grid_market: &[7],
        grid_quantity: &[4],
        grid_price: &[25],
        operator_market: &[7],
        operator_quantity: &[6],
        operator_price: &[1],
        operator_amount: &[6],
    }
}

fn bank(network_fee: i64) -> Bank {
    let mut bank = Bank::new(Tariff::new(25, 5, 0, network_fee, 100_000).unwrap()).unwrap();
    bank.open(2, 0).unwrap();
    bank.take();
    bank
}

fn lines(postings: &[Posting]) -> Vec<(Kind, u16, u64, u64, i64, i64)> {
    postings.iter().map(|p| (p.kind, p.code, p.debit, p.credit, p.quantity, p.amount)).collect()
}

#[test]
fn every_line_of_a_pool_is_posted_in_its_order() {
    let mut bank = bank(2);
    let meter = Meter { account: &[ADA, BO], energy: &[10, -6], due: true, losses: 0 };
    bank.settle_with_pools(&[], &[pool()], &meter).unwrap();
    let postings = bank.take();
    assert_eq!(
        lines(&postings),
        [
            (Kind::Trade, TRADE_POOL_PAID, ADA, CLEARING, 10, 196),
            (Kind::Fee, FEE_NETWORK, ADA, DSO, 6, 12),
            (Kind::Tax, TAX_TRADE, ADA, TAX, 10, 21), // a tenth of 208, to the nearest
            (Kind::Trade, TRADE_POOL_RECEIVED, CLEARING, BO, -6, 90),
            (Kind::Imbalance, IMBALANCE_GRID_IMPORT, CLEARING, BACKSTOP, 4, 100),
            (Kind::Fee, FEE_POOL, CLEARING, PLATFORM, 6, 6),
            (Kind::Meter, 0, ADA, 0, 10, 0), // what was metered is what the pool divided: no deviation
            (Kind::Meter, 0, BO, 0, -6, 0),
        ]
    );
    assert_eq!((postings[1].group, postings[2].group), (postings[0].seq, postings[0].seq));
    assert_eq!([&postings[0], &postings[3]].map(|p| (p.buy_order, p.sell_order)), [(70, 0), (0, 71)]);
    let found = bills(&postings);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [ADA, BO], "members only");
    let of = |account| (found[&account].energy, found[&account].network, found[&account].tax, found[&account].net());
    assert_eq!((of(ADA), of(BO)), ((196, 12, 21, 229), (-90, 0, 0, -90)));
}

#[test]
fn a_later_reading_is_held_against_what_the_pool_divided() {
    let mut bank = bank(0);
    let meter = Meter { account: &[ADA, BO], energy: &[10, -6], due: true, losses: 0 };
    bank.settle_with_pools(&[], &[pool()], &meter).unwrap();
    bank.take();
    bank.resettle(0, &Meter { account: &[BO], energy: &[-8], due: false, losses: 0 }).unwrap();
    let moved: i64 = bank.take().iter().map(|p| p.amount).sum();
    assert_eq!(moved, 2 * 5);
}

#[test]
fn what_does_not_add_up_changes_nothing() {
    let good = pool();
    let long: &[i64] = &[10, -6, 1];
    for (bad, error) in [
        (PooledSlot { payment: &[197, -90], ..good }, SettleError::ClearingNotEmpty { posted: 1 }),
        (PooledSlot { operator_amount: &[5], ..good }, SettleError::ClearingNotEmpty { posted: 1 }),
        (PooledSlot { grid_quantity: &[3], ..good }, SettleError::ClearingNotEmpty { posted: 25 }),
        (PooledSlot { account: &[ADA, 3], ..good }, SettleError::UnknownMember { account: 3 }),
        (PooledSlot { net: long, ..good }, SettleError::Length { column: "account", len: 2, expected: 3 }),
        (
            PooledSlot { local: &[6, 7], ..good },
            SettleError::BadTrade { clearing: 0, trade: 1, fault: TradeFault::Quantity },
        ),
        (
            PooledSlot { local: &[-1, 6], ..good },
            SettleError::BadTrade { clearing: 0, trade: 0, fault: TradeFault::Quantity },
        ),
        (
            PooledSlot { net: &[i64::MIN, -6], ..good },
            SettleError::BadTrade { clearing: 0, trade: 0, fault: TradeFault::Quantity },
        ),
        (
            PooledSlot { grid_price: &[1 << 31], ..good },
            SettleError::BadTrade { clearing: 0, trade: 0, fault: TradeFault::Price },
        ),
    ] {
        let mut bank = bank(2);
        let before = bank.postings();
        assert_eq!(bank.settle_with_pools(&[], &[bad], &Meter::default()), Err(error));
        assert_eq!(bank.postings(), before);
    }
    let escrow = Rules { bond_ppm: Some(0), ..Rules::default() };
    let mut bank = bank(2).with_rules(escrow).unwrap();
    let refused = bank.settle_with_pools(&[], &[good], &Meter::default());
    assert_eq!(refused, Err(SettleError::PoolInEscrow));
}
