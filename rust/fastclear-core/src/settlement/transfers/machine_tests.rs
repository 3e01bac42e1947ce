//! The machine against the engine that it wraps, call by call; its bytes.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

/// Random columns over few accounts and few ids, so that everything that can go wrong does.
struct Rows {
    debit: Vec<u64>,
    credit: Vec<u64>,
    amount: Vec<i64>,
    id: Vec<u64>,
    reference: Vec<u64>,
    timeout: Vec<u64>,
    code: Vec<u16>,
    kind: Vec<u8>,
    linked: Vec<u8>,
}

impl Rows {
    fn random(rng: &mut ChaCha8Rng) -> Self {
        let rows = rng.next_u32() as usize % 12;
        let mut below = |most: u32| (0..rows).map(|_| rng.next_u32() % most).collect::<Vec<_>>();
        let wide = |column: Vec<u32>| column.into_iter().map(u64::from).collect::<Vec<_>>();
        let kind: Vec<u8> = below(4).into_iter().map(|kind| kind as u8).collect();
        let resolves: Vec<bool> = kind.iter().map(|&kind| kind >= 2).collect();
        let known = |column: Vec<u32>| {
            column.into_iter().map(|place| [1, 2, 3, 5, 1, 2, 4][place as usize]).collect::<Vec<u64>>()
        };
        let keep = |column: Vec<u64>, where_resolves: bool| -> Vec<u64> {
            column.into_iter().zip(&resolves).map(|(value, &is)| if is == where_resolves { value } else { 0 }).collect()
        };
        Self {
            debit: keep(known(below(7)), false),
            credit: keep(known(below(7)), false),
            amount: below(60).into_iter().map(i64::from).collect(),
            id: wide(below(300)),
            reference: keep(wide(below(300)), true),
            timeout: wide(below(9)).into_iter().zip(&kind).map(|(t, &kind)| if kind == 1 { t } else { 0 }).collect(),
            code: below(3).into_iter().map(|code| code as u16).collect(),
            linked: below(4).into_iter().map(|linked| u8::from(linked == 0)).collect(),
            kind,
        }
    }

    fn columns(&self, ids: bool) -> Columns<'_, u64> {
        Columns {
            debit: &self.debit,
            credit: &self.credit,
            amount: &self.amount,
            id: ids.then_some(&self.id[..]),
            reference: ids.then_some(&self.reference[..]),
            timeout_ns: ids.then_some(&self.timeout[..]),
            code: Some(&self.code),
            kind: ids.then_some(&self.kind[..]),
            linked: ids.then_some(&self.linked[..]),
            ..Columns::default()
        }
    }
}

fn apply(machine: &mut TransferMachine, time_ns: u64, command: &[u8]) -> Vec<u8> {
    let mut reply = vec![77]; // what is there already stays
    machine.apply(time_ns, command, &mut reply);
    assert_eq!(reply.remove(0), 77);
    reply
}

fn begun() -> (TransferMachine, Transfers) {
    let (mut machine, mut engine) = (TransferMachine::default(), Transfers::new());
    let terms = |unlimited| Terms { asset: 0, unlimited, closed: false };
    for rows in [vec![(5, 100, terms(false)), (1, 0, terms(true))], vec![(2, 40, terms(false)), (3, 0, terms(false))]] {
        engine.open(&rows).unwrap();
        assert_eq!(apply(&mut machine, 1, &open_command(&rows)), [0]);
    }
    (machine, engine)
}

#[test]
fn the_machine_answers_as_the_engine_does_and_survives_being_saved() {
    let mut accepted = 0;
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut machine, mut engine) = begun();
        let mut chain = [0_u8; 32];
        let mut batch = 0_u64;
        for step in 0..30_u64 {
            let time = 10 + step;
            match rng.next_u32() % 8 {
                0 => {
                    let expired = engine.advance(step).unwrap();
                    let reply = apply(&mut machine, time, &advance_command(step));
                    assert_eq!(reply[1..], expired.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<_>>());
                }
                1 => {
                    let (account, closed) = (u64::from(1 + rng.next_u32() % 6), rng.next_u32().is_multiple_of(2));
                    let expected = engine.set_closed(&[account], closed).map_err(|error| error.to_string());
                    let reply = apply(&mut machine, time, &set_closed_command(&[account], closed));
                    assert_eq!(reply, expected.map_or_else(|why| [&[1], why.as_bytes()].concat(), |()| vec![0]));
                }
                2 => {
                    let limits = [(2, i64::from(rng.next_u32() % 80)), (3, 7)];
                    engine.set_limits(&limits).unwrap();
                    assert_eq!(apply(&mut machine, time, &set_limits_command(&limits)), [0]);
                }
                3 => {
                    let amount = i64::from(1 + rng.next_u32() % 50);
                    let legs =
                        [Leg { asset: 0, debit: 2, credit: 3, amount }, Leg { asset: 0, debit: 3, credit: 5, amount }];
                    let on_failure = OnFailure::Operator(1);
                    let first_id = u128::from(rng.next_u32()) << 70;
                    let paid = engine.settle_net(&legs, first_id, 4, on_failure).unwrap();
                    let reply = apply(&mut machine, time, &settle_net_command(&legs, first_id, 4, on_failure));
                    let accounts: Vec<u8> =
                        paid.payers.iter().chain(&paid.payees).flat_map(|account| account.to_le_bytes()).collect();
                    assert_eq!((&reply[33..35], &reply[35..]), (&paid.codes[..], &accounts[..]));
                    batch += 1;
                    chain = *machine.seal().chain.first_chunk().unwrap();
                }
                _ => {
                    let rows = Rows::random(&mut rng);
                    let columns = rows.columns(!rng.next_u32().is_multiple_of(4));
                    let codes = engine.submit(&columns).unwrap();
                    let first = machine.seal().transfers;
                    let reply = apply(&mut machine, time, &submit_command(&columns));
                    assert_eq!((reply[0], &reply[33..]), (0, &codes[..]));
                    accepted += codes.iter().map(|&code| usize::from(code == 0)).sum::<usize>();
                    // The root, leaf by leaf; and the chain.
                    let leaves = (0..codes.len())
                        .map(|row| merkle::leaf_hash(&leaf(&columns.row(row), codes[row], first + row as u64, time)));
                    let root = merkle::root(leaves.collect());
                    batch += 1;
                    let link = [&chain[..], &root, &batch.to_le_bytes()].concat();
                    chain = Sha256::digest(&link).into();
                    assert_eq!(*machine.seal(), Seal { batch, transfers: first + codes.len() as u64, root, chain });
                    assert_eq!(reply[1..33], root);
                }
            }
            assert_eq!(machine.transfers().balances(), engine.balances(), "seed {seed} step {step}");
            if step % 7 == 6 {
                let mut bytes = Vec::new();
                machine.save(&mut bytes);
                let loaded = TransferMachine::load(&bytes).unwrap();
                let mut again = Vec::new();
                loaded.save(&mut again);
                assert_eq!(bytes, again, "seed {seed} step {step}");
                assert_eq!((loaded.root(), loaded.seal()), (machine.root(), machine.seal()));
                loaded.transfers().audit().unwrap();
                machine = loaded; // and goes on
            }
        }
    }
    assert!(accepted > 400, "{accepted} accepted");
}

#[test]
fn narrow_accounts_give_the_same_state_and_root() {
    let (mut wide, _) = begun();
    let (mut narrow, _) = begun();
    let amount = [5, 7, 900];
    let (debit, credit) = ([1_u64, 5, 2], [5_u64, 2, 5]);
    let (short_debit, short_credit) = (debit.map(|id| id as u32), credit.map(|id| id as u32));
    let command = submit_command(&Columns { debit: &debit, credit: &credit, amount: &amount, ..Columns::default() });
    let short = Columns { debit: &short_debit[..], credit: &short_credit, amount: &amount, ..Columns::default() };
    let short = submit_command(&short);
    assert_eq!((command.len(), short.len()), (8 + 3 * 24, 8 + 3 * 16));
    assert_eq!(apply(&mut wide, 9, &command), apply(&mut narrow, 9, &short));
    assert_eq!(wide.root(), narrow.root());
}

#[test]
fn a_state_differs_in_its_root_where_any_part_differs() {
    let (base, _) = begun();
    let changed: Vec<[u8; 32]> = [
        open_command(&[(9, 0, Terms::default())]),
        set_limits_command(&[(2, 41)]),
        set_closed_command(&[2], true),
        advance_command(1),
        submit_command(&Columns { debit: &[1_u64], credit: &[2], amount: &[1], ..Columns::default() }),
        submit_command(&Columns { debit: &[3_u64], credit: &[2], amount: &[1], id: Some(&[4]), ..Columns::default() }),
    ]
    .iter()
    .map(|command| {
        let mut machine = base.clone();
        assert_eq!(apply(&mut machine, 2, command)[0], 0);
        machine.root()
    })
    .chain([base.root()])
    .collect();
    let distinct: std::collections::BTreeSet<_> = changed.iter().collect();
    assert_eq!(distinct.len(), changed.len());
}

#[test]
fn commands_that_make_no_sense_are_refused_and_change_nothing() {
    let (machine, _) = begun();
    let good = submit_command(&Columns {
        debit: &[1_u64, 5],
        credit: &[2, 3],
        amount: &[4, 4],
        id: Some(&[1, 2]),
        kind: Some(&[0, 1]),
        ..Columns::default()
    });
    let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    bad.push([&good[..], &[0]].concat());
    bad.extend([(0, 9), (0, 0), (1, 2), (3, 2), (4, 200), (7, 255)].map(|(at, value)| {
        let mut command = good.clone();
        command[at] = value;
        command
    }));
    let mut kind = good.clone();
    *kind.last_mut().unwrap() = 4;
    bad.extend([kind, open_command(&[(0, 1, Terms::default())]), set_limits_command(&[(77, 1)])]);
    for command in bad {
        let mut tried = machine.clone();
        let reply = apply(&mut tried, 3, &command);
        assert!(reply[0] == 1 && std::str::from_utf8(&reply[1..]).is_ok_and(|why| !why.is_empty()), "{command:?}");
        assert_eq!(tried.root(), machine.root(), "{command:?}");
    }
    assert_eq!(apply(&mut machine.clone(), 3, &good)[0], 0);
}

#[test]
fn no_bytes_make_loading_panic_and_no_flip_goes_unnoticed_in_money() {
    let (mut machine, _) = begun();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for step in 0..20 {
        apply(&mut machine, 5 + step, &submit_command(&Rows::random(&mut rng).columns(true)));
    }
    let mut bytes = Vec::new();
    machine.save(&mut bytes);
    for length in 0..bytes.len() {
        assert!(TransferMachine::load(&bytes[..length]).is_err(), "{length}");
    }
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (rng.next_u32() % 8);
        match TransferMachine::load(&flipped) {
            Ok(loaded) => assert_ne!(loaded.root(), machine.root(), "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 1000, "{refused}");
    let mut extreme = bytes.clone();
    extreme[80 + 24 + 16..80 + 24 + 32].copy_from_slice(&i128::MIN.to_le_bytes());
    assert!(TransferMachine::load(&extreme).is_err());
}

#[test]
fn a_leaf_stands_as_it_is_written_down() {
    let t = Transfer {
        id: 0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10,
        debit: 0x11,
        credit: 0x12,
        amount: -2,
        kind: TransferKind::Void,
        reference: 0x13,
        timeout_ns: 0x14,
        code: 0x1516,
        linked: true,
    };
    let bytes = leaf(&t, 31, 0x17, 0x18);
    assert_eq!(bytes[..8], *b"FCT1\x16\x15\x03\x1f");
    assert_eq!((bytes[8], bytes[16], bytes[24], bytes[39], bytes[40]), (0x17, 0x18, 0x10, 1, 0x13));
    assert_eq!(
        (bytes[56], bytes[64], bytes[72], bytes[80], &bytes[88..]),
        (0x11, 0x12, 0xFE, 0x14, &[1, 0, 0, 0, 0, 0, 0, 0][..])
    );
}
