//! Bytes that no book wrote: a typed error, or a book that is sound.

use fastclear_core::book::{Caller, Everybody, IdTexts, NULL, Op, OrderBook, Rules, SMALL_MAX};
use sha2::{Digest, Sha256};

use crate::flow::{Command, MARKETS, MID, Mixed, census, command, obey};

const HERE: i64 = MARKETS[0];
const THERE: i64 = MARKETS[1];
const HALTED: i64 = MARKETS[2];

/// Puts the hash right that bytes carry.
fn rehashed(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= 38 {
        let hash = Sha256::new().chain_update(&bytes[..6]).chain_update(&bytes[38..]).finalize();
        bytes[6..38].copy_from_slice(&hash);
    }
    bytes
}

/// One order of every kind, everywhere where it can stand, and a market of plain orders with a day.
fn state() -> (OrderBook, Caller) {
    let mut book = OrderBook::new(Rules::default());
    let order = |market: i64, id: i64, side: u8, price: i64| Command::order(market, id, side, price, 20);
    let commands = [
        order(HERE, 1, 1, MID - 4),
        order(HERE, 2, 0, MID + 6),
        Command { display: 1, participant: 9, ..order(HERE, 3, 1, MID - 4) },
        Command { min_quantity: 3, quantity: 9, ..order(HERE, 4, 1, MID - 5) },
        Command { stop: MID + 20, tif: 3, expires: 70, ..order(HERE, 5, 1, MID + 7) },
        Command { stop: MID - 20, is_market_order: 1, price: NULL, ..order(HERE, 6, 0, NULL) },
        Command { peg: 1, offset: 1, display: 2, ..order(HERE, 7, 1, NULL) },
        Command { peg: 2, participant: 8, tif: 3, expires: 90, ..order(HERE, 8, 0, MID - 2) },
        // Half of what was shown has traded.
        Command { display: 2, ..order(HERE, 9, 0, MID + 5) },
        Command { tif: 1, quantity: 1, ..order(HERE, 10, 1, MID + 5) },
        Command { peg: 1, ..order(HALTED, 11, 1, MID + 1) },
        order(HALTED, 12, 1, MID - 2),
        Command { op: Op::Halt, ..order(HALTED, 0, 0, 0) },
        Command { op: Op::Cancel, ..order(HALTED, 12, 0, 0) },
        order(THERE, 13, 1, MID),
    ];
    let events = obey(&mut book, &commands);
    assert!(events.rows.iter().all(|event| event.reject == 0 || event.order == 10), "{events:?}");
    book.set_collar(THERE, Some(MID - 9), Some(MID + 9)).unwrap();
    book.set_breaker(THERE, Some((5, 30))).unwrap();
    book.set_gate(HERE, 200).unwrap();
    assert_eq!(census(&book.snapshot(None)), [3, 1, 2, 3, 0]);
    (book, Caller { ids: [IdTexts::Integers, IdTexts::Integers, IdTexts::Integers], ..Caller::default() })
}

/// Whether a loaded book is one that could be, and goes on as one.
fn check_sound(book: &mut OrderBook, seed: u64) {
    let mut random = Mixed(seed);
    let from = book.clock().clamp(0, 1 << 40);
    for nth in 0..12 {
        let rows = book.snapshot(None);
        for row in 0..rows.order.len() {
            assert!((0..=rows.quantity[row]).contains(&rows.shown[row]) && rows.quantity[row] > 0);
        }
        for market in MARKETS {
            if let (Some(bid), Some(ask)) = (book.best(market, 1), book.best(market, 0)) {
                let crosses = bid.price >= ask.price;
                assert!(!crosses || book.phase(market) != Some(fastclear_core::book::Phase::Continuous));
            }
        }
        let mut next = command(&mut random, nth, &rows);
        next.time = from + nth;
        next.order = if next.op == Op::New { 1000 + nth } else { next.order };
        obey(book, &[next]);
    }
    book.advance(i64::MAX, &mut Everybody);
}

#[test]
fn no_other_bytes_are_loaded() {
    let (mut book, caller) = state();
    let bytes = book.save(&caller);
    assert!(bytes.len() < 1_000, "{}", bytes.len());
    for len in 0..bytes.len() {
        assert!(OrderBook::load(&bytes[..len], 3).is_err());
        assert!(OrderBook::load(&rehashed(bytes[..len].to_vec()), 3).is_err(), "cut at {len}, hash put right");
    }
    assert!(OrderBook::load(&rehashed([&bytes[..], &[0]].concat()), 3).is_err());
    let (mut loaded, mut refused) = (0, 0);
    for at in 0..bytes.len() * 8 + 20_000 {
        let mut random = Mixed(at as u64);
        let mut wrong = bytes.clone();
        if let Some(byte) = wrong.get_mut(at / 8) {
            *byte ^= 1 << (at % 8);
            assert!(OrderBook::load(&wrong, 3).is_err(), "bit {at}");
        } else {
            // Numbers that are far out, and bytes of elsewhere, which have a meaning more often than others.
            let place = random.within(38, bytes.len() as i64 - 9) as usize;
            let from = random.within(38, bytes.len() as i64 - 9) as usize;
            let len = random.within(1, 8) as usize;
            match random.below(3) {
                0 => wrong[place..place + len].fill(255),
                1 => wrong[place..place + len].fill(0),
                _ => wrong[place..place + len].copy_from_slice(&bytes[from..from + len]),
            }
        }
        let wrong = rehashed(wrong);
        match OrderBook::load(&wrong, random.of(&[0, 3, SMALL_MAX])) {
            Err(fault) => {
                refused += 1;
                assert!(fault.at <= wrong.len() && !fault.reason.is_empty());
            }
            Ok((mut other, known)) => {
                loaded += usize::from(wrong != bytes);
                assert_eq!(other.save(&known), wrong, "change {at}");
                check_sound(&mut other, at as u64);
            }
        }
    }
    assert!(loaded > 2_000 && refused > 5_000, "{loaded} loaded, {refused} refused");
}
