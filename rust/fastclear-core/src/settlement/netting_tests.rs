use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

type Row = (u16, u64, u64, i64);

/// The obvious way to sum positions; zeros are dropped at the end.
fn positions_by_map(rows: &[Row]) -> Vec<Position> {
    let mut net: BTreeMap<(u16, u64), i128> = BTreeMap::new();
    for &(asset, debit, credit, amount) in rows {
        *net.entry((asset, debit)).or_insert(0) -= i128::from(amount);
        *net.entry((asset, credit)).or_insert(0) += i128::from(amount);
    }
    let position = |((asset, participant), amount)| Position { asset, participant, amount };
    net.into_iter().filter(|&(_, amount)| amount != 0).map(position).collect()
}

/// The obvious way to sum pairs.
fn bilateral_by_map(rows: &[Row]) -> Vec<Payment> {
    let mut pairs: BTreeMap<(u16, u64, u64), i128> = BTreeMap::new();
    for &(asset, debit, credit, amount) in rows.iter().filter(|row| row.1 != row.2) {
        let sign = if debit < credit { 1 } else { -1 };
        *pairs.entry((asset, debit.min(credit), debit.max(credit))).or_insert(0) += sign * i128::from(amount);
    }
    let payment = |((asset, low, high), owed): ((u16, u64, u64), i128)| {
        let (debit, credit) = if owed > 0 { (low, high) } else { (high, low) };
        Payment { asset, debit, credit, amount: owed.abs() }
    };
    pairs.into_iter().filter(|&(_, owed)| owed != 0).map(payment).collect()
}

/// Positions and bilateral payments of rows, each compared with its twin, as 64-bit and as 32-bit ids.
fn net(rows: &[Row]) -> (Vec<Position>, Vec<Payment>, Vec<Payment>) {
    let debit: Vec<u64> = rows.iter().map(|row| row.1).collect();
    let credit: Vec<u64> = rows.iter().map(|row| row.2).collect();
    let amount: Vec<i64> = rows.iter().map(|row| row.3).collect();
    let asset: Vec<u16> = rows.iter().map(|row| row.0).collect();
    let columns = Obligations { debit: &debit, credit: &credit, amount: &amount, asset: Some(&asset) };
    let (summed, pairs) = (positions(&columns).unwrap(), bilateral(&columns).unwrap());
    let found: Vec<Position> = summed.iter().collect();
    assert_eq!(found, positions_by_map(rows));
    assert_eq!(pairs, bilateral_by_map(rows));
    if asset.iter().all(|&asset| asset == 0) {
        assert!(positions(&Obligations { asset: None, ..columns }).unwrap().iter().eq(found.iter().copied()));
        if debit.iter().chain(&credit).all(|&id| u32::try_from(id).is_ok()) {
            let narrow = |ids: &[u64]| ids.iter().map(|&id| id as u32).collect::<Vec<_>>();
            let (debit, credit) = (&narrow(&debit), &narrow(&credit));
            let columns = Obligations { debit: &debit[..], credit, amount: &amount, asset: None };
            assert!(positions(&columns).unwrap().iter().eq(found.iter().copied()));
            assert_eq!(bilateral(&columns).unwrap(), pairs);
        }
    }
    let few = multilateral(&summed);
    (found, pairs, few)
}

fn total(payments: &[Payment]) -> i128 {
    payments.iter().map(|p| p.amount).sum()
}

/// Four participants whose netting is worked out by hand: gross 36, bilateral 30, multilateral 6.
#[test]
fn gross_36_bilateral_30_multilateral_6() {
    let [a, b, c, d] = [1, 2, 3, 4];
    let gross = [(0, a, b, 10), (0, b, c, 8), (0, c, a, 6), (0, a, c, 3), (0, d, a, 4), (0, b, d, 5)];
    assert_eq!(gross.iter().map(|row| row.3).sum::<i64>(), 36);
    let (found, pairs, few) = net(&gross);
    assert_eq!(total(&pairs), 30);
    assert_eq!(found.iter().map(|p| (p.participant, p.amount)).collect::<Vec<_>>(), [(a, -3), (b, -3), (c, 5), (d, 1)]);
    let rows: Vec<_> = few.iter().map(|p| (p.debit, p.credit, p.amount)).collect();
    assert_eq!(rows, [(a, c, 3), (b, c, 2), (b, d, 1)]);
}

#[test]
fn nothing_self_and_extremes() {
    assert_eq!(net(&[]), (vec![], vec![], vec![]));
    assert_eq!(net(&[(0, 1, 1, 5)]), (vec![], vec![], vec![]));
    assert_eq!(net(&[(0, 1, 1, 5), (0, 1, 2, 3), (0, 2, 1, 3)]), (vec![], vec![], vec![]));
    let most = i128::from(i64::MAX);
    for (debit, credit) in [(1, 2), (2, 1), (0, u64::MAX), (u64::MAX, 7)] {
        let (_, pairs, few) = net(&[(0, debit, credit, i64::MAX); 3]);
        assert_eq!((total(&pairs), total(&few)), (3 * most, 3 * most));
        let legs = split(&few);
        assert_eq!(legs.iter().map(|leg| i128::from(leg.amount)).sum::<i128>(), 3 * most);
        assert_eq!(legs.len(), 3);
    }
    let columns = Obligations { debit: &[1_u64, 1], credit: &[2, 2], amount: &[1, 1], asset: None };
    for amount in [0, -1, i64::MIN] {
        let fault = BadObligation::Amount { row: 1, amount };
        let bad = Obligations { amount: &[1, amount], ..columns };
        assert_eq!((positions(&bad).err(), bilateral(&bad)), (Some(fault), Err(fault)));
        assert_eq!(positions(&Obligations { asset: Some(&[0, 1]), ..bad }).err(), Some(fault));
    }
    let short = BadObligation::Length { column: "asset", length: 1, rows: 2 };
    assert_eq!(positions(&Obligations { asset: Some(&[1]), ..columns }).err(), Some(short));
}

/// Sums that must be emptied again and again, since each row alone moves nearly as much as a narrow sum holds.
#[test]
fn large_amounts_never_overflow() {
    for amount in [LARGE as i64 - 1, LARGE as i64, LARGE as i64 + 1] {
        let rows: Vec<Row> = (0..3 * BLOCK as u64 * 8).map(|row| (0, row % 2, 2, amount)).collect();
        let (found, ..) = net(&rows);
        assert_eq!(found[2].amount, rows.len() as i128 * i128::from(amount));
    }
}

#[test]
fn positions_survive_netting_in_any_row_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for round in 0..600_u64 {
        let people = 2 + rng.next_u64() % 12;
        let spread = [1, 1, 9_000, u64::MAX / 20][(round % 4) as usize];
        let assets = 1 + 2 * (round / 4 % 2);
        let mut rows: Vec<Row> = (0..rng.next_u64() % 60)
            .map(|_| {
                let mut draw = |n: u64| rng.next_u64() % n;
                (draw(assets) as u16, spread * draw(people), spread * draw(people), 1 + draw(9) as i64)
            })
            .collect();
        let (gross, pairs, few) = net(&rows);
        for payments in [&pairs, &few] {
            let paid: Vec<Row> = payments.iter().map(|p| (p.asset, p.debit, p.credit, p.amount as i64)).collect();
            assert!(paid.iter().all(|row| row.3 > 0));
            assert_eq!(positions_by_map(&paid), gross);
        }
        for asset in 0..3 {
            let moving = gross.iter().filter(|p| p.asset == asset).count();
            assert!(few.iter().filter(|p| p.asset == asset).count() <= moving.saturating_sub(1));
        }
        rows.reverse();
        assert_eq!(net(&rows), (gross, pairs, few));
    }
}
