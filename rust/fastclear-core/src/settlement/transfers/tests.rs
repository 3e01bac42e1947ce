//! Transfers by example, and in lockstep with their twin: same codes, same balances, after every call.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::TransferKind::{Pending, Post, Single, Void};
use super::twin::Twin;
use super::*;
use crate::settlement::netting::{self, Obligations};

const MONEY: Terms = Terms { asset: 0, unlimited: false, closed: false };

/// Transfers and their twin; every call goes to both, and both must say the same.
#[derive(Clone, Default)]
struct Both {
    fast: Transfers,
    slow: Twin,
}

impl Both {
    fn open(&mut self, rows: &[(u64, i64, Terms)]) {
        self.fast.open(rows).unwrap();
        for &(id, limit, terms) in rows {
            self.slow.open(id, limit, terms);
        }
    }

    fn set_limit(&mut self, id: u64, limit: i64) {
        self.fast.set_limits(&[(id, limit)]).unwrap();
        self.slow.set_limit(id, limit);
    }

    fn set_closed(&mut self, id: u64, closed: bool) {
        self.fast.set_closed(&[id], closed).unwrap();
        self.slow.set_closed(id, closed);
    }

    fn submit(&mut self, batch: &[Transfer]) -> Vec<Code> {
        let codes = submit(&mut self.fast, batch);
        assert_eq!(codes, self.slow.submit(batch));
        self.compare();
        codes
    }

    fn one(&mut self, t: Transfer) -> Code {
        self.submit(&[t])[0]
    }

    fn plain(&mut self, rows: &[(u64, u64, i64)]) {
        let batch: Vec<_> = rows.iter().map(|&(debit, credit, amount)| transfer(0, debit, credit, amount)).collect();
        let (debit, credit): (Vec<u64>, Vec<u64>) = rows.iter().map(|row| (row.0, row.1)).unzip();
        let amount: Vec<i64> = rows.iter().map(|row| row.2).collect();
        let columns = Columns { debit: &debit, credit: &credit, amount: &amount, ..Columns::default() };
        let codes = self.fast.submit(&columns).unwrap();
        let expected: Vec<u8> = self.slow.submit(&batch).into_iter().map(|code| code as u8).collect();
        assert_eq!(codes, expected);
        self.compare();
    }

    fn advance(&mut self, time_ns: u64) -> Vec<u128> {
        let expired = self.fast.advance(time_ns).unwrap();
        assert_eq!(expired, self.slow.advance(time_ns));
        self.compare();
        expired
    }

    /// Every account, the audits of both, and what is reserved.
    fn compare(&self) {
        let counted = self.fast.audit().unwrap();
        assert!(self.slow.audit());
        assert_eq!(counted.reserved, self.slow.accounts().totals().reserved);
        assert_eq!(counted.open, self.slow.accounts().reservations().len());
        let balances = self.fast.balances();
        assert_eq!(balances.len(), self.slow.accounts().len());
        for (balance, (id, account)) in balances.iter().zip(self.slow.accounts().iter()) {
            let b = balance;
            assert_eq!((b.account, Some(&b.terms)), (id, self.slow.terms(id)));
            let fast = (b.posted, b.pending_out, b.pending_in, i128::from(b.limit), b.available());
            let slow = (account.posted, account.pending_out, account.pending_in, account.limit, account.available());
            assert_eq!(fast, slow, "account {id}");
        }
    }

    fn money(&self, id: u64) -> (i128, i128, i128) {
        let account = self.fast.get(id).unwrap();
        (account.posted, account.pending_out, account.pending_in)
    }
}

/// Rows as columns.
fn submit(house: &mut Transfers, batch: &[Transfer]) -> Vec<Code> {
    let column = |of: fn(&Transfer) -> u64| batch.iter().map(of).collect::<Vec<u64>>();
    let columns = Columns {
        debit: &column(|t| t.debit),
        credit: &column(|t| t.credit),
        amount: &batch.iter().map(|t| t.amount).collect::<Vec<_>>(),
        id: Some(&column(|t| t.id as u64)),
        id_high: Some(&column(|t| (t.id >> 64) as u64)),
        kind: Some(&batch.iter().map(|t| t.kind as u8).collect::<Vec<_>>()),
        reference: Some(&column(|t| t.reference as u64)),
        reference_high: Some(&column(|t| (t.reference >> 64) as u64)),
        timeout_ns: Some(&column(|t| t.timeout_ns)),
        code: Some(&batch.iter().map(|t| t.code).collect::<Vec<_>>()),
        linked: Some(&batch.iter().map(|t| u8::from(t.linked)).collect::<Vec<_>>()),
    };
    let codes = house.submit(&columns).unwrap();
    codes.into_iter().map(|code| Code::ALL[usize::from(code)]).collect()
}

/// Account 1 is the boundary; 2, 3 and 4 are members with limits 10, 0, 0; 5 is closed; 6 holds another asset.
fn house() -> Both {
    let mut house = Both::default();
    house.open(&[
        (1, 0, Terms { unlimited: true, ..MONEY }),
        (2, 10, MONEY),
        (3, 0, MONEY),
        (4, 0, MONEY),
        (5, 0, Terms { closed: true, ..MONEY }),
        (6, 0, Terms { asset: 1, ..MONEY }),
    ]);
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

#[test]
fn a_reservation_is_posted_in_part_voided_or_expires() {
    let mut house = house();
    assert_eq!(house.one(transfer(1, 1, 3, 100)), Code::Ok);
    assert_eq!(house.one(pending(2, 3, 4, 60)), Code::Ok);
    assert_eq!((house.money(3), house.money(4)), ((100, 60, 0), (0, 0, 60)));
    assert_eq!(house.one(pending(3, 3, 4, 41)), Code::ExceedsAvailable);
    assert_eq!(house.one(resolve(Post, 4, 2, 50)), Code::Ok);
    assert_eq!((house.money(3), house.money(4)), ((50, 0, 0), (50, 0, 0)));
    assert_eq!(house.one(resolve(Void, 5, 2, 0)), Code::ReservationAlreadyPosted);
    assert_eq!(house.one(pending(6, 3, 4, 20)), Code::Ok);
    assert_eq!(house.one(resolve(Void, 7, 6, 0)), Code::Ok);
    assert_eq!(house.one(resolve(Post, 8, 6, 1)), Code::ReservationAlreadyVoided);
    for (id, timeout_ns) in [(11, 7), (10, 5), (9, 5)] {
        assert_eq!(house.one(Transfer { timeout_ns, ..pending(id, 3, 4, 1) }), Code::Ok);
    }
    assert_eq!(house.advance(4), Vec::<u128>::new());
    assert_eq!(house.advance(5), vec![10, 9]);
    assert_eq!(house.fast.advance(4), Err(TransferError::TimeBackwards { time_ns: 4, now_ns: 5 }));
    assert_eq!(house.advance(u64::MAX), vec![11]);
    assert_eq!(house.one(resolve(Post, 12, 9, 1)), Code::ReservationExpired);
    assert_eq!(house.money(3), (50, 0, 0));
    assert_eq!(house.one(Transfer { timeout_ns: 1, ..pending(13, 3, 4, 1) }), Code::TimeoutOutOfRange);
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
        (Transfer { reference: 9, timeout_ns: 9, ..first }, Code::ExistsWithDifferentReference),
        (Transfer { timeout_ns: 9, code: 9, ..first }, Code::ExistsWithDifferentTimeout),
        (Transfer { code: 9, ..first }, Code::ExistsWithDifferentCode),
        (first, Code::Exists),
        (transfer(20, 9, 9, 0), Code::AmountMustBePositive),
        (transfer(20, 9, 9, i64::MIN), Code::AmountMustBePositive),
        (resolve(Void, 20, 2, -1), Code::AmountMustBePositive),
        (resolve(Post, 20, 2, 0), Code::AmountMustBePositive),
        (Transfer { reference: 2, timeout_ns: 1, ..transfer(20, 9, 9, 1) }, Code::ReferenceMustBeZero),
        (resolve(Post, 20, 0, 1), Code::ReferenceMustNotBeZero),
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
        assert_eq!(house.one(t), code, "{t:?}");
    }
    // A limit cut under a reservation refuses new debits; the reservation can still be posted.
    assert_eq!(house.submit(&[transfer(30, 1, 2, 10), pending(31, 2, 4, 10)]), [Code::Ok; 2]);
    house.set_limit(2, 0);
    assert_eq!(house.one(transfer(0, 2, 4, 1)), Code::ExceedsAvailable);
    house.set_closed(2, true);
    assert_eq!(house.one(resolve(Post, 0, 31, 10)), Code::DebitClosed);
    assert_eq!(house.one(resolve(Void, 0, 31, 10)), Code::Ok);
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
    assert_eq!(house.fast.balances(), before.fast.balances());
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
    assert_eq!(house.one(transfer(6, 1, 3, 5)), Ok);
}

#[test]
fn calls_that_make_no_sense_change_nothing() {
    let mut house = house();
    let before = house.fast.balances();
    let fast = &mut house.fast;
    assert_eq!(fast.open(&[(9, 0, MONEY), (0, 0, MONEY)]), Err(TransferError::ZeroAccount { row: 1 }));
    assert_eq!(fast.open(&[(9, -1, MONEY)]), Err(TransferError::NegativeLimit { row: 0, limit: -1 }));
    assert_eq!(fast.open(&[(9, 0, MONEY), (2, 0, MONEY)]), Err(TransferError::AccountExists { row: 1, account: 2 }));
    let twice = [(9, 0, MONEY), (8, 0, MONEY), (9, 0, MONEY)];
    assert_eq!(fast.open(&twice), Err(TransferError::AccountExists { row: 2, account: 9 }));
    assert_eq!(fast.set_limits(&[(2, 5), (9, 0)]), Err(TransferError::UnknownAccount { row: 1, account: 9 }));
    assert_eq!(fast.set_limits(&[(2, 5), (3, -5)]), Err(TransferError::NegativeLimit { row: 1, limit: -5 }));
    assert_eq!(fast.set_closed(&[2, 9], true), Err(TransferError::UnknownAccount { row: 1, account: 9 }));
    let (debit, credit, amount) = ([1_u64, 1], [2, 2], [1, 1]);
    let columns = Columns { debit: &debit, credit: &credit, amount: &amount, ..Columns::default() };
    let short = Columns { linked: Some(&[0]), ..columns };
    assert_eq!(fast.submit(&short), Err(TransferError::Length { column: "linked", length: 1, rows: 2 }));
    let strange = Columns { kind: Some(&[0, 4]), ..columns };
    assert_eq!(fast.submit(&strange), Err(TransferError::UnknownKind { row: 1, kind: 4 }));
    assert_eq!(
        fast.settle_net(&[], 0, 0, OnFailure::Operator(9)),
        Err(TransferError::UnknownAccount { row: 0, account: 9 })
    );
    let past_end = Err(TransferError::IdsOutOfRange { first_id: u128::MAX, rows: 2 });
    assert_eq!(fast.settle_net(&[leg(1, 2, 1); 2], u128::MAX, 0, OnFailure::Chain), past_end);
    assert_eq!(fast.balances(), before);
}

#[test]
fn every_code_has_a_number_a_name_and_a_meaning() {
    for (number, code) in Code::ALL.into_iter().enumerate() {
        assert_eq!(code as usize, number);
        let (name, meaning) = code.meaning();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !meaning.is_empty());
    }
}

/// A transfer that is mostly in order, and in every way wrong now and then.
fn any_transfer(id_of: fn(u64) -> u64, sent: &[Transfer], step: u64, draw: &mut impl FnMut(u64) -> u64) -> Transfer {
    let kind = TransferKind::ALL[draw(4) as usize];
    let resolves = matches!(kind, Post | Void);
    let odd = draw(12) == 0;
    let reservations: Vec<u128> = sent.iter().filter(|t| t.kind == Pending).map(|t| t.id).collect();
    let reference = reservations.get(draw(reservations.len() as u64 + 2) as usize).copied().unwrap_or(99);
    Transfer {
        id: if draw(10) == 0 { 0 } else { u128::from(draw(2000)) << (60 * (step % 2)) },
        debit: if resolves && !odd { 0 } else { id_of(1 + draw(7)) },
        credit: if resolves && !odd { 0 } else { id_of(1 + draw(7)) },
        amount: if draw(40) == 0 { i64::MAX - draw(3) as i64 } else { draw(8) as i64 },
        kind,
        reference: if resolves == odd { 0 } else { reference },
        timeout_ns: if (kind == Pending) == odd { 0 } else { draw(9) },
        code: draw(10) as u16 / 9,
        linked: draw(6) == 0,
    }
}

/// The same transfer again, or one field of it another.
fn slightly_changed(t: Transfer, draw: &mut impl FnMut(u64) -> u64) -> Transfer {
    match draw(9) {
        0 => Transfer { kind: TransferKind::ALL[draw(4) as usize], ..t },
        1 => Transfer { debit: t.debit + 1, ..t },
        2 => Transfer { credit: t.credit + 1, ..t },
        3 => Transfer { amount: t.amount / 2 + 1, ..t },
        4 => Transfer { reference: t.reference + 1, ..t },
        5 => Transfer { timeout_ns: t.timeout_ns + 1, ..t },
        6 => Transfer { code: t.code + 1, ..t },
        7 => Transfer { linked: !t.linked, ..t },
        _ => t,
    }
}

/// Ids of members: next to each other, close to each other, anywhere.
const LAYOUTS: [fn(u64) -> u64; 3] = [|n| n, |n| 1000 * n, |n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)];

#[test]
fn random_batches_agree_with_the_twin() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut seen = [0_u32; Code::ALL.len()];
    for round in 0..40 {
        let mut house = Both::default();
        let id_of = LAYOUTS[round % 3];
        let mut rows: Vec<_> = (1..=6).map(|n| (id_of(n), (n % 3) as i64 * 5, MONEY)).collect();
        rows[0].2.unlimited = true;
        rows[5].2.asset = 1;
        rows.reverse();
        house.open(&rows);
        house.submit(&[2, 3, 4].map(|member| transfer(0, id_of(1), id_of(member), 200)));
        let mut sent = Vec::new();
        for step in 0..60 {
            let mut draw = |n: u64| rng.next_u64() % n;
            let batch: Vec<Transfer> = (0..=draw(8))
                .map(|_| match sent.get(draw(1 + 3 * sent.len() as u64) as usize) {
                    Some(&t) => slightly_changed(t, &mut draw),
                    None => any_transfer(id_of, &sent, step, &mut draw),
                })
                .collect();
            sent.extend(&batch);
            for code in house.submit(&batch) {
                seen[code as usize] += 1;
            }
            match draw(12) {
                0 => house.set_limit(id_of(1 + draw(6)), draw(20) as i64),
                1 => house.set_closed(id_of(1 + draw(6)), draw(4) == 0),
                _ => {}
            }
            house.advance(step);
        }
    }
    let missing: Vec<Code> = Code::ALL.into_iter().filter(|&code| seen[code as usize] == 0).collect();
    assert_eq!(missing, [Code::TimeoutOutOfRange, Code::OutOfRange], "every other code is common");
    assert!(seen[0] > 300, "{} were accepted", seen[0]);
}

#[test]
fn plain_rows_agree_with_the_twin_whatever_the_ids_and_amounts() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for round in 0..60 {
        let id_of = LAYOUTS[round % 3];
        let mut house = Both::default();
        let asset = |n: u64| u16::from(round % 4 == 3 && n > 8);
        let rows: Vec<_> = (1..=16).map(|n| (id_of(n), n as i64, Terms { asset: asset(n), ..MONEY })).collect();
        house.open(&rows[..7]);
        house.open(&rows[7..]);
        house.open(&[(id_of(17), 0, Terms { unlimited: true, ..MONEY })]);
        house.open(&[(id_of(18), 0, Terms { unlimited: true, asset: asset(18), ..MONEY })]);
        // Every amount up to the largest, so that accounts go in and out of what 62 bits hold.
        let bits = 1 + rng.next_u64() % 63;
        for _ in 0..8 {
            let mut draw = |n: u64| rng.next_u64() % n;
            let batch: Vec<_> = (0..draw(200))
                .map(|_| {
                    let amount = (rng_bits(draw(u64::MAX), bits)).wrapping_sub(i64::from(draw(50) == 0));
                    let boundary = draw(3) == 0;
                    (id_of(if boundary { 17 } else { draw(19) }), id_of(draw(19)), amount)
                })
                .collect();
            house.plain(&batch);
            match draw(6) {
                0 => house.set_closed(id_of(1 + draw(17)), true),
                1 => house.set_closed(id_of(1 + draw(17)), false),
                2 => house.set_limit(id_of(1 + draw(17)), rng_bits(draw(u64::MAX), bits)),
                _ => {}
            }
        }
    }
}

/// A positive number of at most so many bits.
fn rng_bits(drawn: u64, bits: u64) -> i64 {
    (drawn >> (64 - bits)) as i64
}

#[test]
fn accounts_beyond_62_bits_pay_what_they_have_and_no_more() {
    let mut house = Both::default();
    house.open(&[(1, 0, Terms { unlimited: true, ..MONEY }), (2, 0, MONEY), (3, 0, MONEY)]);
    let most = i64::MAX;
    house.plain(&[(1, 2, most); 5]);
    house.plain(&[(2, 3, most); 6]);
    assert_eq!((house.money(2).0, house.money(3).0), (0, 5 * i128::from(most)));
    // In steps that are small enough to be plain, down through every zone to exactly nothing.
    for amount in [1 << 60, (1 << 60) - 1, 1 << 59, 1] {
        house.plain(&[(3, 2, amount); 60]);
        house.plain(&[(2, 3, amount); 60]);
    }
    house.plain(&[(3, 1, 1 << 60); 60]);
    house.plain(&[(3, 1, 1); 10]);
    house.set_limit(3, most);
    house.plain(&[(3, 1, 1 << 60); 20]);
    house.set_limit(3, 0);
    house.plain(&[(3, 1, 1), (2, 1, 1), (1, 3, 1 << 60), (3, 1, 1)]);
    assert!(house.fast.get(3).unwrap().available() < 0);
}

#[test]
fn no_balance_leaves_its_range() {
    let mut house = house().fast;
    let edge = store::LARGEST - i128::from(i64::MAX);
    for (account, sign) in [(3, 1), (1, -1)] {
        let place = house.store.place(account).unwrap();
        house.store.set_spendable(place, sign * edge);
    }
    let plain = |house: &mut Transfers, amount| {
        house.submit(&Columns { debit: &[1_u64], credit: &[3], amount: &[amount], ..Columns::default() }).unwrap()[0]
    };
    assert_eq!(plain(&mut house, i64::MAX), Code::Ok as u8);
    assert_eq!(plain(&mut house, 1), Code::OutOfRange as u8);
    assert_eq!(
        submit(&mut house, &[transfer(7, 1, 3, 1), transfer(7, 1, 3, 1)]),
        [Code::OutOfRange, Code::IdAlreadyFailed]
    );
    assert_eq!(submit(&mut house, &[linked(transfer(8, 3, 1, 1)), transfer(9, 1, 3, 2)])[1], Code::OutOfRange);
    // A reservation counts when it is posted.
    assert_eq!(submit(&mut house, &[pending(10, 1, 3, 1), resolve(Post, 11, 10, 1)]), [Code::Ok, Code::OutOfRange]);
    assert_eq!(submit(&mut house, &[resolve(Void, 12, 10, 0)]), [Code::Ok]);
    assert_eq!(house.get(3).unwrap().posted, store::LARGEST);
    house.audit().unwrap();
    house.store.reserved = store::LARGEST;
    assert_eq!(submit(&mut house, &[pending(13, 1, 2, 1)]), [Code::OutOfRange]);
}

#[test]
fn an_audit_finds_what_is_broken() {
    let mut sound = house().fast;
    submit(&mut sound, &[transfer(1, 1, 3, 9), Transfer { timeout_ns: 5, ..pending(2, 3, 4, 4) }]);
    let counted = Audit { accounts: 6, assets: 2, ids: 2, open: 1, reserved: 4 };
    assert_eq!(sound.audit(), Ok(counted));
    let place = sound.store.place(3).unwrap();
    let mut broken = sound.clone();
    broken.store.set_spendable(place, 100);
    assert_eq!(broken.audit(), Err(Broken::Conservation { asset: 0, sum: 95 }));
    broken = sound.clone();
    broken.store.shift(place, place + 1, 0, 1);
    assert_eq!(broken.audit(), Err(Broken::Reserved { total: 5, sum: 4 }));
    broken.store.reserved = 4;
    assert_eq!(broken.audit(), Err(Broken::Pending { account: 3 }));
    broken = sound.clone();
    assert_eq!(broken.records.next_expired(5), Some(1));
    assert_eq!(broken.audit(), Err(Broken::Index));
}

fn leg(debit: u64, credit: u64, amount: i64) -> Leg {
    Leg { asset: 0, debit, credit, amount }
}

/// L-I11: the gross postings and those of either netting give the same balances.
#[test]
fn gross_and_net_postings_give_the_same_balances() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for round in 0..100 {
        let mut gross = Transfers::new();
        let accounts: Vec<_> = (1..=9).map(|n| (n, i64::MAX, Terms { asset: (n > 5).into(), ..MONEY })).collect();
        gross.open(&accounts).unwrap();
        let (mut pairs, mut few) = (gross.clone(), gross.clone());
        let rows: Vec<(u64, u64, i64)> = (0..rng.next_u64() % 80)
            .map(|_| {
                let (base, n) = if rng.next_u64().is_multiple_of(2) { (1, 5) } else { (6, 4) };
                (base + rng.next_u64() % n, base + rng.next_u64() % n, 1 + rng_bits(rng.next_u64(), 50))
            })
            .filter(|row| row.0 != row.1)
            .collect();
        let debit: Vec<u64> = rows.iter().map(|row| row.0).collect();
        let credit: Vec<u64> = rows.iter().map(|row| row.1).collect();
        let amount: Vec<i64> = rows.iter().map(|row| row.2).collect();
        let asset: Vec<u16> = debit.iter().map(|&id| u16::from(id > 5)).collect();
        let codes = gross.submit(&Columns { debit: &debit, credit: &credit, amount: &amount, ..Columns::default() });
        assert!(codes.unwrap().iter().all(|&code| code == 0));
        let owed = Obligations { debit: &debit, credit: &credit, amount: &amount, asset: Some(&asset) };
        let positions = netting::positions(&owed).unwrap();
        let by_pair = netting::split(&netting::bilateral(&owed).unwrap());
        let by_all = netting::split(&netting::multilateral(&positions));
        assert!(pairs.settle_net(&by_pair, 0, 0, OnFailure::Chain).unwrap().codes.iter().all(|&code| code == 0));
        assert!(few.settle_net(&by_all, 1, 7, OnFailure::Operator(9)).unwrap().codes.iter().all(|&code| code == 0));
        assert_eq!((pairs.balances(), few.balances()), (gross.balances(), gross.balances()), "round {round}");
        assert_eq!((pairs.ids(), few.ids()), (0, by_all.len()));
    }
}

#[test]
fn a_failed_leg_fails_the_chain_or_falls_to_the_operator() {
    let (ok, failed) = (Code::Ok as u8, Code::LinkedEventFailed as u8);
    let mut house = house().fast;
    submit(&mut house, &[transfer(0, 1, 3, 5), transfer(0, 1, 4, 100)]);
    let before = house.balances();
    let legs = [leg(3, 2, 5), leg(3, 2, 1), leg(4, 3, 7)];
    let paid = house.settle_net(&legs, 50, 0, OnFailure::Chain).unwrap();
    assert_eq!(paid.codes, [failed, Code::ExceedsAvailable as u8, failed]);
    assert_eq!(house.balances(), before);
    // Only the leg at fault has burnt its id.
    let paid = house.settle_net(&legs, 50, 0, OnFailure::Operator(1)).unwrap();
    assert_eq!(paid.codes, [failed, Code::IdAlreadyFailed as u8, failed]);
    let paid = house.settle_net(&legs, 60, 0, OnFailure::Operator(1)).unwrap();
    assert_eq!((paid.codes, paid.payers, paid.payees), (vec![ok; 3], vec![3, 1, 4], vec![2, 2, 3]));
    let posted = |house: &Transfers| [1, 2, 3, 4].map(|id| house.get(id).unwrap().posted);
    assert_eq!(posted(&house), [-106, 6, 7, 93]);
    house.audit().unwrap();
    // A closed debtor and a closed creditor; both at once leave the operator to pay itself, which fails the chain.
    let paid = house.settle_net(&[leg(5, 2, 4), leg(4, 5, 3)], 0, 0, OnFailure::Operator(1)).unwrap();
    assert_eq!((paid.payers, paid.payees), (vec![1, 4], vec![2, 1]));
    house.set_closed(&[4], true).unwrap();
    let before = house.balances();
    let paid = house.settle_net(&[leg(1, 2, 4), leg(5, 4, 3)], 0, 0, OnFailure::Operator(1)).unwrap();
    assert_eq!(paid.codes, [failed, Code::AccountsMustDiffer as u8]);
    // A poor operator, a stranger, a wrong asset.
    let paid = house.settle_net(&[leg(1, 2, 4), leg(3, 2, 9)], 0, 0, OnFailure::Operator(3)).unwrap();
    assert_eq!(paid.codes, [failed, Code::ExceedsAvailable as u8]);
    let paid = house.settle_net(&[leg(1, 99, 4)], 0, 0, OnFailure::Operator(1)).unwrap();
    assert_eq!(paid.codes, [Code::CreditNotFound as u8]);
    let paid = house.settle_net(&[Leg { asset: 1, ..leg(1, 2, 4) }], 0, 0, OnFailure::Operator(1)).unwrap();
    assert_eq!(paid.codes, [Code::AssetsDiffer as u8]);
    assert_eq!(house.balances(), before);
}
