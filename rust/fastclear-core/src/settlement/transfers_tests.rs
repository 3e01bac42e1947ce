use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::TransferKind::{Pending, Post, Single, Void};
use super::*;

const MONEY: Terms = Terms { asset: 0, unlimited: false, closed: false };

/// Account 1 is the boundary; 2, 3 and 4 are members with limits 10, 0, 0; 5 is closed; 6 holds another asset.
fn house() -> Transfers {
    let mut house = Transfers::new();
    house.open(1, 0, Terms { unlimited: true, ..MONEY }).unwrap();
    house.open(2, 10, MONEY).unwrap();
    house.open(3, 0, MONEY).unwrap();
    house.open(4, 0, MONEY).unwrap();
    house.open(5, 0, Terms { closed: true, ..MONEY }).unwrap();
    house.open(6, 0, Terms { asset: 1, ..MONEY }).unwrap();
    house
}

fn transfer(id: u128, debit: u64, credit: u64, amount: i64) -> Transfer {
    Transfer { id, debit, credit, amount, kind: Single, reference: 0, timeout_ns: 0, code: 0, linked: false }
}

fn pending(id: u128, debit: u64, credit: u64, amount: i64) -> Transfer {
    Transfer { kind: Pending, ..transfer(id, debit, credit, amount) }
}

fn resolve(kind: TransferKind, id: u128, reference: u128, amount: i64) -> Transfer {
    Transfer { kind, reference, ..transfer(id, 0, 0, amount) }
}

fn linked(t: Transfer) -> Transfer {
    Transfer { linked: true, ..t }
}

fn one(house: &mut Transfers, t: Transfer) -> Code {
    let code = house.submit(&[t])[0];
    assert!(house.audit());
    code
}

fn money(house: &Transfers, id: u64) -> (i128, i128, i128) {
    let account = house.get(id).unwrap();
    (account.posted, account.pending_out, account.pending_in)
}

#[test]
fn a_reservation_is_posted_in_part_voided_or_expires() {
    let mut house = house();
    assert_eq!(one(&mut house, transfer(1, 1, 3, 100)), Code::Ok);
    assert_eq!(one(&mut house, pending(2, 3, 4, 60)), Code::Ok);
    assert_eq!((money(&house, 3), money(&house, 4)), ((100, 60, 0), (0, 0, 60)));
    assert_eq!(one(&mut house, pending(3, 3, 4, 41)), Code::ExceedsAvailable);
    assert_eq!(one(&mut house, resolve(Post, 4, 2, 50)), Code::Ok);
    assert_eq!((money(&house, 3), money(&house, 4)), ((50, 0, 0), (50, 0, 0)));
    assert_eq!(one(&mut house, resolve(Void, 5, 2, 0)), Code::ReservationAlreadyPosted);
    assert_eq!(one(&mut house, pending(6, 3, 4, 20)), Code::Ok);
    assert_eq!(one(&mut house, resolve(Void, 7, 6, 0)), Code::Ok);
    assert_eq!(one(&mut house, resolve(Post, 8, 6, 1)), Code::ReservationAlreadyVoided);
    for (id, timeout_ns) in [(11, 7), (10, 5), (9, 5)] {
        assert_eq!(one(&mut house, Transfer { timeout_ns, ..pending(id, 3, 4, 1) }), Code::Ok);
    }
    assert_eq!(house.advance(4), Ok(vec![]));
    assert_eq!(house.advance(5), Ok(vec![10, 9]));
    assert_eq!(house.advance(4), Err(TransferError::TimeBackwards { time_ns: 4, now_ns: 5 }));
    assert_eq!(house.advance(u64::MAX), Ok(vec![11]));
    assert_eq!(one(&mut house, resolve(Post, 12, 9, 1)), Code::ReservationExpired);
    assert_eq!(money(&house, 3), (50, 0, 0));
    assert_eq!(one(&mut house, Transfer { timeout_ns: 1, ..pending(13, 3, 4, 1) }), Code::TimeoutOutOfRange);
}

#[test]
fn every_other_code_and_its_place_in_the_order() {
    let mut house = house();
    house.submit(&[transfer(1, 1, 3, 100), pending(2, 3, 4, 10)]);
    let first = transfer(1, 1, 3, 100);
    let cases = [
        (pending(0, 9, 9, -1), Code::IdMustNotBeZero),
        (Transfer { kind: Pending, debit: 9, ..first }, Code::ExistsWithDifferentKind),
        (Transfer { debit: 9, credit: 9, ..first }, Code::ExistsWithDifferentDebit),
        (Transfer { credit: 9, amount: 9, ..first }, Code::ExistsWithDifferentCredit),
        (Transfer { amount: 9, reference: 9, ..first }, Code::ExistsWithDifferentAmount),
        (Transfer { reference: 9, timeout_ns: 9, ..first }, Code::ExistsWithDifferentRef),
        (Transfer { timeout_ns: 9, code: 9, ..first }, Code::ExistsWithDifferentTimeout),
        (Transfer { code: 9, ..first }, Code::ExistsWithDifferentCode),
        (first, Code::Exists),
        (transfer(20, 9, 9, 0), Code::AmountMustBePositive),
        (transfer(20, 9, 9, i64::MIN), Code::AmountMustBePositive),
        (resolve(Void, 20, 2, -1), Code::AmountMustBePositive),
        (resolve(Post, 20, 2, 0), Code::AmountMustBePositive),
        (Transfer { reference: 2, timeout_ns: 1, ..transfer(20, 9, 9, 1) }, Code::RefMustBeZero),
        (resolve(Post, 20, 0, 1), Code::RefMustNotBeZero),
        (Transfer { timeout_ns: 1, ..transfer(20, 9, 9, 1) }, Code::TimeoutMustBeZero),
        (resolve(Post, 21, 1, 1), Code::ReservationNotFound),
        (resolve(Post, 22, 99, 1), Code::ReservationNotFound),
        (resolve(Post, 22, 2, 1), Code::IdAlreadyFailed),
        (Transfer { credit: 3, ..resolve(Post, 23, 2, 11) }, Code::ReservationDiffers),
        (resolve(Void, 24, 2, 9), Code::ReservationDiffers),
        (resolve(Post, 25, 2, 11), Code::ExceedsReservation),
        (transfer(0, 9, 9, 1), Code::DebitNotFound),
        (transfer(0, 3, 9, 1), Code::CreditNotFound),
        (transfer(0, 5, 5, 1), Code::AccountsMustDiffer),
        (transfer(0, 5, 6, 1), Code::AssetsDiffer),
        (transfer(0, 5, 3, 1), Code::DebitClosed),
        (transfer(0, 3, 5, i64::MAX), Code::CreditClosed),
        (transfer(0, 3, 4, 91), Code::ExceedsAvailable),
        (transfer(0, 2, 4, 11), Code::ExceedsAvailable),
        (transfer(0, 2, 4, 10), Code::Ok),
        (transfer(0, 3, 4, 90), Code::Ok),
        (transfer(0, 1, 4, i64::MAX), Code::Ok),
    ];
    for (t, code) in cases {
        assert_eq!(one(&mut house, t), code, "{t:?}");
    }
    // A limit cut under a reservation refuses new debits; the reservation can still be posted.
    assert_eq!(house.submit(&[transfer(30, 1, 2, 10), pending(31, 2, 4, 10)]), [Code::Ok; 2]);
    house.set_limit(2, 0).unwrap();
    assert_eq!(one(&mut house, transfer(0, 2, 4, 1)), Code::ExceedsAvailable);
    house.set_closed(2, true).unwrap();
    assert_eq!(one(&mut house, resolve(Post, 0, 31, 10)), Code::DebitClosed);
    assert_eq!(one(&mut house, resolve(Void, 0, 31, 10)), Code::Ok);
}

#[test]
fn a_chain_is_all_or_nothing_and_only_the_fault_burns_its_id() {
    use Code::{ExceedsAvailable, IdAlreadyFailed, LinkedEventChainOpen, LinkedEventFailed, Ok};
    let mut house = house();
    let before = house.clone();
    let chain = [
        linked(transfer(1, 1, 3, 5)),
        linked(pending(2, 3, 4, 5)),
        linked(resolve(Post, 3, 2, 5)),
        transfer(4, 3, 4, 1),
    ];
    let codes = house.submit(&chain);
    assert_eq!(codes, [LinkedEventFailed, LinkedEventFailed, LinkedEventFailed, ExceedsAvailable]);
    assert_eq!(house.accounts, before.accounts);
    assert_eq!(house.submit(&[chain[3]]), [IdAlreadyFailed]);
    assert_eq!(house.submit(&[chain[0], chain[1], chain[2], transfer(5, 4, 3, 5)]), [Ok; 4]);
    assert_eq!(
        house.submit(&[linked(chain[0]), Transfer { linked: false, ..chain[1] }]),
        [Code::Exists, LinkedEventFailed]
    );
    assert_eq!(
        house.submit(&[linked(transfer(6, 1, 3, 5)), linked(transfer(7, 1, 3, 5))]),
        [LinkedEventFailed, LinkedEventChainOpen]
    );
    assert_eq!(one(&mut house, transfer(6, 1, 3, 5)), Ok);
}

#[test]
fn accounts_that_make_no_sense() {
    let mut house = house();
    let before = house.clone();
    assert_eq!(house.open(0, 0, MONEY), Err(TransferError::ZeroAccount));
    assert_eq!(house.open(9, -1, MONEY), Err(TransferError::NegativeLimit(-1)));
    assert!(matches!(house.open(2, 0, MONEY), Err(TransferError::Fold(FoldError::AccountExists { account: 2, .. }))));
    assert!(matches!(house.set_limit(9, 0), Err(TransferError::Fold(FoldError::UnknownAccount { account: 9, .. }))));
    assert!(matches!(
        house.set_closed(9, true),
        Err(TransferError::Fold(FoldError::UnknownAccount { account: 9, .. }))
    ));
    assert_eq!(house, before);
}

/// The obvious way to make a chain atomic: try it on a copy, one transfer at a time, and keep the copy if all pass.
fn submit_by_copies(house: &mut Transfers, batch: &[Transfer]) -> Vec<bool> {
    let mut passed = Vec::new();
    while passed.len() < batch.len() {
        let rest = &batch[passed.len()..];
        let last = rest.iter().position(|t| !t.linked);
        let chain = &rest[..last.map_or(rest.len(), |last| last + 1)];
        let mut copy = house.clone();
        // The end of a chain that never ends is not tried.
        let tried = if last.is_none() { &chain[..chain.len() - 1] } else { chain };
        let fault = tried.iter().find_map(|t| {
            let code = copy.execute(t, &mut Vec::new());
            (code != Code::Ok).then_some((*t, code))
        });
        let ok = last.is_some() && fault.is_none();
        if ok {
            *house = copy;
        } else if let Some((transfer, _)) = fault.filter(|(t, code)| t.id != 0 && code.transient()) {
            house.records.insert(transfer.id, Record { transfer, seq: 0, expires_ns: 0, fate: Fate::Failed });
        }
        passed.extend(chain.iter().map(|_| ok));
    }
    passed
}

#[test]
fn random_batches_agree_with_the_copying_twin() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut accepted = [0_u32; 2];
    for _ in 0..40 {
        let mut fast = house();
        assert_eq!(fast.submit(&[2, 3, 4].map(|member| transfer(0, 1, member, 200))), [Code::Ok; 3]);
        let mut slow = fast.clone();
        for step in 0..60 {
            let mut draw = |n: u64| rng.next_u64() % n;
            let batch: Vec<Transfer> = (0..=draw(8))
                .map(|_| {
                    let kind = [Single, Pending, Post, Void][draw(4) as usize];
                    let resolves = matches!(kind, Post | Void);
                    Transfer {
                        id: u128::from(draw(300)),
                        debit: if resolves { 0 } else { 1 + draw(4) },
                        credit: if resolves { 0 } else { 1 + draw(5) },
                        amount: if draw(40) == 0 { i64::MAX } else { draw(8) as i64 },
                        kind,
                        reference: if resolves { u128::from(draw(300)) } else { 0 },
                        timeout_ns: if kind == Pending { draw(9) } else { 0 },
                        code: 0,
                        linked: draw(5) == 0,
                    }
                })
                .collect();
            let codes = fast.submit(&batch);
            let passed = submit_by_copies(&mut slow, &batch);
            assert_eq!(codes.iter().map(|&code| code == Code::Ok).collect::<Vec<_>>(), passed);
            assert_eq!(fast.advance(step), slow.advance(step));
            assert_eq!(fast, slow);
            assert!(fast.audit());
            for id in 2..=4 {
                assert!(fast.get(id).unwrap().available() >= 0, "L-I3");
            }
            for ok in passed {
                accepted[usize::from(ok)] += 1;
            }
        }
    }
    assert!(accepted.iter().all(|&n| n > 1000), "both outcomes are common: {accepted:?}");
}
