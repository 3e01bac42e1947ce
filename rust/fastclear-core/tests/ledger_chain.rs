//! A small ledger, sealed, replayed, and tampered with at every bit and length.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

use fastclear_core::ledger::header::HEADER_LEN;
use fastclear_core::ledger::order_leaf::ORDER_ENTRY_LEN;
use fastclear_core::ledger::record::RECORD_ENTRY_LEN;
use fastclear_core::ledger::salt::SaltKey;
use fastclear_core::ledger::verify::{Files, Part, Reason, Replay};
use fastclear_core::ledger::{Chain, Draft, Fault, Header, LedgerError, OrderLeaf, merkle, verify};
use fastclear_core::settlement::posting::{Kind, Posting};

const PARAMS: &[u8] = b"{\"tariff\":1}";

/// What the files of a ledger directory hold.
#[derive(Clone, Default)]
struct Bytes([Vec<u8>; 5]);

impl Bytes {
    fn files(&self) -> Files<'_> {
        let [params, headers, records, orders, head] = &self.0;
        Files { params, headers, records, orders, head }
    }
}

fn posting(seq: u64, kind: Kind, debit: u64, credit: u64, amount: i64) -> Posting {
    Posting {
        kind,
        flags: 0,
        code: 0,
        asset: 0,
        seq,
        time_ns: 10 * seq + 5,
        market: 0,
        buy_order: 0,
        sell_order: 0,
        debit,
        credit,
        quantity: 0,
        price: 0,
        amount,
        group: seq,
    }
}

fn trade(seq: u64, price: i64, quantity: i64) -> Posting {
    let amount = price * quantity;
    Posting { price, quantity, ..posting(seq, Kind::Trade, 1000, 1001, amount) }
}

fn order(order: u64, side: u8) -> OrderLeaf {
    OrderLeaf {
        side,
        kind: 0,
        reject: 0,
        order,
        participant: 1000 + order,
        market: 1,
        price: 9,
        quantity: 4,
        time_ns: 0,
    }
}

/// Three blocks: accounts and money, a trade, nothing.
fn history() -> [(Vec<OrderLeaf>, Vec<Posting>); 3] {
    let genesis = vec![
        posting(0, Kind::AccountOpened, 1, 0, 0),
        posting(1, Kind::AccountOpened, 1000, 0, 0),
        posting(2, Kind::AccountOpened, 1001, 0, 0),
        posting(3, Kind::Deposit, 1, 1000, 500),
    ];
    [
        (Vec::new(), genesis),
        (vec![order(2, 0), order(0, 1), order(1, 1)], vec![trade(4, 7, 9), trade(5, 2, 3)]),
        (Vec::new(), Vec::new()),
    ]
}

fn sealed(seed: u64) -> (Chain, Bytes) {
    let mut chain = Replay::new(PARAMS).into_chain(SaltKey::from_seed(seed));
    let mut bytes = Bytes::default();
    bytes.0[0] = PARAMS.to_vec();
    for (orders, postings) in history() {
        let draft = Draft { orders, postings: &postings, with_state: true, slot: 3, not_before: 0 };
        let block = chain.draft(draft).unwrap();
        chain.push(&block).unwrap();
        bytes.0[1].extend(block.header.encode());
        bytes.0[2].extend(&block.records);
        bytes.0[3].extend(&block.orders);
    }
    bytes.0[4] = replayed(&bytes).head().encode().into_bytes();
    (chain, bytes)
}

/// Replays block by block, without a head.
fn replayed(bytes: &Bytes) -> Replay {
    let mut replay = Replay::new(&bytes.0[0]);
    for header in bytes.0[1].chunks_exact(HEADER_LEN) {
        replay.block(header, &bytes.0[2], &bytes.0[3]).unwrap();
    }
    replay
}

/// Replaces the header of one block and re-links everything behind it, as an operator with every key could.
fn relink(bytes: &mut Bytes, height: usize, change: impl Fn(&mut Header)) {
    let mut headers: Vec<Header> =
        bytes.0[1].chunks_exact(HEADER_LEN).map(|header| Header::decode(header).unwrap()).collect();
    change(&mut headers[height]);
    for next in height + 1..headers.len() {
        headers[next].prev = headers[next - 1].hash();
    }
    bytes.0[1] = headers.iter().flat_map(Header::encode).collect();
    let mut head = Replay::new(&bytes.0[0]).head();
    (head.height, head.header) = (headers.len() as u64, headers[headers.len() - 1].hash());
    bytes.0[4] = head.encode().into_bytes();
}

fn refused(bytes: &Bytes) -> Fault {
    verify(&bytes.files()).unwrap_err()
}

#[test]
fn a_sealed_ledger_verifies_and_goes_on() {
    let (chain, bytes) = sealed(1);
    let replay = verify(&bytes.files()).unwrap();
    assert_eq!(replay.hashes(), chain.hashes());
    assert_eq!(replay.position(), chain.position());
    assert_eq!(replay.headers()[1].gross, 7 * 9 + 2 * 3);
    assert_eq!(replay.position().accounts().get(1001).unwrap().posted, 69);
    let postings = [trade(6, 1, 1)];
    let draft = || Draft { postings: &postings, with_state: true, ..Draft::default() };
    let key = SaltKey::from_seed(1);
    let resumed = replay.into_chain(key).draft(draft()).unwrap();
    assert_eq!(resumed.hash, chain.draft(draft()).unwrap().hash);
}

#[test]
fn one_seed_gives_one_history_and_another_seed_another() {
    assert_eq!(sealed(1).1.0, sealed(1).1.0);
    let (first, second) = (sealed(1).0, sealed(2).0);
    for (a, b) in first.headers().iter().zip(second.headers()).take(2) {
        assert_ne!(a.records_root, b.records_root);
        assert_eq!(a.state_root, b.state_root);
    }
}

/// The block that a byte of a file belongs to.
fn block_of(part: usize, byte: usize) -> u64 {
    match part {
        1 => (byte / HEADER_LEN) as u64,
        2 => u64::from(byte >= 4 * RECORD_ENTRY_LEN),
        3 => 1,
        _ => 0,
    }
}

#[test]
fn every_flipped_bit_is_caught_in_its_block() {
    let (_, bytes) = sealed(1);
    for part in 0..5 {
        for bit in 0..bytes.0[part].len() * 8 {
            let mut flipped = bytes.clone();
            flipped.0[part][bit / 8] ^= 1 << (bit % 8);
            let fault = refused(&flipped);
            if part != 4 {
                assert_eq!(fault.height, block_of(part, bit / 8), "bit {bit} of file {part}: {fault}");
            }
        }
    }
}

#[test]
fn every_cut_and_every_extra_byte_is_caught() {
    let (_, bytes) = sealed(1);
    for part in 0..5 {
        for len in 0..bytes.0[part].len() {
            let mut cut = bytes.clone();
            cut.0[part].truncate(len);
            let fault = refused(&cut);
            if part == 1 || part == 2 || part == 3 {
                assert_eq!((fault.height, fault.reason), (block_of(part, len), Reason::Truncated));
            }
        }
        let mut longer = bytes.clone();
        longer.0[part].push(0);
        refused(&longer);
    }
}

#[test]
fn dropped_repeated_swapped_and_moved_leaves_are_caught() {
    let (_, bytes) = sealed(1);
    for (part, len, first) in [(2, RECORD_ENTRY_LEN, 4), (3, ORDER_ENTRY_LEN, 0)] {
        let at = |index: usize| index * len..(index + 1) * len;
        let mut swapped = bytes.clone();
        let (a, b) = (bytes.0[part][at(first)].to_vec(), bytes.0[part][at(first + 1)].to_vec());
        swapped.0[part][at(first)].copy_from_slice(&b);
        swapped.0[part][at(first + 1)].copy_from_slice(&a);
        assert_eq!(refused(&swapped).height, 1);
        let mut repeated = bytes.clone();
        repeated.0[part][at(first + 1)].copy_from_slice(&a);
        assert_eq!(refused(&repeated).height, 1);
        let mut dropped = bytes.clone();
        dropped.0[part].drain(at(first));
        assert_eq!(refused(&dropped).height, 1);
    }
    // A record moved to the block before: the counts change, the files do not.
    let mut moved = bytes.clone();
    relink(&mut moved, 0, |header| header.records += 1);
    assert_eq!((refused(&moved).height, refused(&moved).part), (0, Part::Records));
}

#[test]
fn whoever_relinks_the_chain_is_still_caught_by_the_replay() {
    type Change = fn(&mut Header);
    let cases: [(usize, Change, Reason); 9] = [
        (1, |h| h.state_root = [9; 32], Reason::StateRoot),
        (1, |h| h.gross += 1, Reason::Gross),
        (1, |h| h.first_seq += 1, Reason::Place("first seq")),
        (1, |h| h.chain_id = [9; 32], Reason::Place("chain id")),
        (1, |h| h.height = 7, Reason::Place("height")),
        (1, |h| h.time_ns = 0, Reason::Place("engine time")),
        (1, |h| h.params_hash = [9; 32], Reason::Params),
        (2, |h| (h.has_state, h.state_root) = (false, [0; 32]), Reason::Place("state flag")),
        (2, |h| h.orders_root = [9; 32], Reason::OrdersRoot),
    ];
    for (height, change, reason) in cases {
        let (_, mut bytes) = sealed(1);
        relink(&mut bytes, height, change);
        let fault = refused(&bytes);
        assert_eq!((fault.height, fault.reason), (height as u64, reason));
    }
}

#[test]
fn a_changed_record_under_a_fresh_root_is_caught_by_what_it_says() {
    // (byte of record 1 of block 1, value, reason): the operator re-hashes everything but cannot re-do the money.
    let reseal = |bytes: &mut Bytes| {
        let records = bytes.0[2][4 * RECORD_ENTRY_LEN..].to_vec();
        let root = merkle::root(merkle::leaf_hashes(&records, RECORD_ENTRY_LEN));
        relink(bytes, 1, |header| header.records_root = root);
    };
    let start = 5 * RECORD_ENTRY_LEN;
    let (_, honest) = sealed(1);
    let mut amount = honest.clone();
    amount.0[2][start + 80] ^= 1;
    reseal(&mut amount);
    let fault = refused(&amount);
    assert_eq!(fault.record, Some(1));
    assert_eq!(fault.reason, Reason::Malformed(LedgerError::TradeAmount { record: 1 }));

    let mut payee = honest.clone();
    payee.0[2][start + 56] = 0;
    reseal(&mut payee);
    assert!(matches!(refused(&payee).reason, Reason::Malformed(LedgerError::Fold { record: 1, .. })));

    let mut back_in_time = honest;
    back_in_time.0[2][start + 16] = 0;
    reseal(&mut back_in_time);
    assert!(matches!(refused(&back_in_time).reason, Reason::Malformed(LedgerError::Time { record: 1, .. })));
}

#[test]
fn a_chain_refuses_what_does_not_continue_it_and_stays_as_it_was() {
    let (mut chain, _) = sealed(1);
    let before = chain.head();
    let refuse = |chain: &Chain, postings: &[Posting]| {
        chain.draft(Draft { postings, with_state: true, ..Draft::default() }).unwrap_err()
    };
    assert!(matches!(refuse(&chain, &[trade(7, 1, 1)]), LedgerError::Sequence { expected: 6, got: 7, .. }));
    assert!(matches!(refuse(&chain, &[trade(5, 1, 1)]), LedgerError::Sequence { .. }));
    let late = Posting { time_ns: 0, ..trade(6, 1, 1) };
    assert!(matches!(refuse(&chain, &[late]), LedgerError::Time { .. }));
    let strange = Posting { debit: 77, ..trade(6, 1, 1) };
    assert!(matches!(refuse(&chain, &[strange]), LedgerError::Fold { .. }));
    let wrong = Posting { amount: 2, ..trade(6, 1, 1) };
    assert_eq!(refuse(&chain, &[wrong]), LedgerError::TradeAmount { record: 0 });
    let flagged = Posting { flags: 0x80, ..trade(6, 1, 1) };
    assert!(matches!(refuse(&chain, &[flagged]), LedgerError::Field { .. }));
    let stateless = chain.draft(Draft::default()).unwrap_err();
    assert_eq!(stateless, LedgerError::StateChange { ledger_has_state: true });

    let block = chain.draft(Draft { with_state: true, ..Draft::default() }).unwrap();
    let other = sealed(2).0.draft(Draft { with_state: true, ..Draft::default() }).unwrap();
    assert_eq!(chain.push(&other), Err(LedgerError::NotNext));
    assert_eq!(chain.head(), before);
    chain.push(&block).unwrap();
    assert_eq!(chain.push(&block), Err(LedgerError::NotNext));
}

#[test]
fn order_leaves_do_not_depend_on_the_order_of_arrival() {
    let root = |orders: Vec<OrderLeaf>| {
        let chain = Replay::new(PARAMS).into_chain(SaltKey::from_seed(1));
        chain.draft(Draft { orders, ..Draft::default() }).unwrap().header.orders_root
    };
    let orders: Vec<OrderLeaf> = (0..20).map(|id| order(id * 7 % 20, (id % 2) as u8)).collect();
    let mut reversed = orders.clone();
    reversed.reverse();
    assert_eq!(root(orders), root(reversed));
}

#[test]
fn an_empty_ledger_verifies_and_its_parameters_are_covered() {
    let head = Replay::new(PARAMS).head().encode().into_bytes();
    let mut bytes = Bytes([PARAMS.to_vec(), Vec::new(), Vec::new(), Vec::new(), head]);
    assert!(verify(&bytes.files()).is_ok());
    bytes.0[0][3] ^= 1;
    assert_eq!((refused(&bytes).part, refused(&bytes).reason), (Part::Params, Reason::Params));
}
