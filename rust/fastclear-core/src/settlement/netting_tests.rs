use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

fn owes(debtor: u64, creditor: u64, amount: i64) -> Obligation {
    Obligation { asset: 0, debtor, creditor, amount }
}

fn total(payments: &[Payment]) -> i128 {
    payments.iter().map(|p| p.amount).sum()
}

/// Four participants whose netting is worked out by hand: gross 36, bilateral 30, multilateral 6.
#[test]
fn gross_36_bilateral_30_multilateral_6() {
    let [a, b, c, d] = [1, 2, 3, 4];
    let gross = [owes(a, b, 10), owes(b, c, 8), owes(c, a, 6), owes(a, c, 3), owes(d, a, 4), owes(b, d, 5)];
    assert_eq!(gross.iter().map(|o| o.amount).sum::<i64>(), 36);
    assert_eq!(total(&bilateral(&gross).unwrap()), 30);
    let net: Vec<_> = positions(&gross).unwrap().into_values().collect();
    assert_eq!(net, [-3, -3, 5, 1]);
    let payments = multilateral(&gross).unwrap();
    let rows: Vec<_> = payments.iter().map(|p| (p.debtor, p.creditor, p.amount)).collect();
    assert_eq!(rows, [(a, c, 3), (b, c, 2), (b, d, 1)]);
}

#[test]
fn nothing_self_and_extremes() {
    assert_eq!(multilateral(&[]), Ok(vec![]));
    assert_eq!(multilateral(&[owes(1, 1, 5)]), Ok(vec![]));
    assert_eq!(bilateral(&[owes(1, 1, 5), owes(1, 2, 3), owes(2, 1, 3)]), Ok(vec![]));
    let most = [owes(1, 2, i64::MAX); 3];
    assert_eq!(total(&multilateral(&most).unwrap()), 3 * i128::from(i64::MAX));
    for bad in [0, -1, i64::MIN] {
        let fault = BadObligation { row: 1, amount: bad };
        assert_eq!(multilateral(&[owes(1, 2, 1), owes(1, 2, bad)]), Err(fault));
        assert_eq!(bilateral(&[owes(1, 2, 1), owes(1, 2, bad)]), Err(fault));
    }
}

#[test]
fn positions_survive_netting_in_any_row_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..500 {
        let people = 2 + rng.next_u64() % 12;
        let mut rows: Vec<Obligation> = (0..rng.next_u64() % 60)
            .map(|_| Obligation {
                asset: (rng.next_u64() % 3) as u16,
                debtor: rng.next_u64() % people,
                creditor: rng.next_u64() % people,
                amount: 1 + (rng.next_u64() % 9) as i64,
            })
            .collect();
        let gross = positions(&rows).unwrap();
        let (pairs, few) = (bilateral(&rows).unwrap(), multilateral(&rows).unwrap());
        for payments in [&pairs, &few] {
            let mut left = gross.clone();
            for p in payments {
                assert!(p.amount > 0);
                *left.get_mut(&(p.asset, p.debtor)).unwrap() += p.amount;
                *left.get_mut(&(p.asset, p.creditor)).unwrap() -= p.amount;
            }
            assert!(left.values().all(|&p| p == 0), "{payments:?}");
        }
        for asset in 0..3 {
            let moving = gross.iter().filter(|&(&(of, _), &p)| of == asset && p != 0).count();
            assert!(few.iter().filter(|p| p.asset == asset).count() <= moving.saturating_sub(1));
        }
        rows.reverse();
        assert_eq!((pairs, few), (bilateral(&rows).unwrap(), multilateral(&rows).unwrap()));
    }
}
