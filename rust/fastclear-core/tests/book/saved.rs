//! A book that is saved and loaded goes on as it would have, and nothing but what was saved is loaded.

use fastclear_core::book::{
    Caller, Commands, Events, Everybody, IdTexts, OrderBook, Phase, Rules, SMALL_MAX, SelfTrade, Want,
};
use fastclear_core::order::Integers;
use sha2::{Digest, Sha256};

use crate::flow::{Columns, Law, Mixed, command, resting};
use crate::twin::Command;

const LAYOUTS: [usize; 3] = [0, 3, SMALL_MAX];

fn obey(book: &mut OrderBook, next: &Command) -> Events {
    book.apply(&Columns::of(std::slice::from_ref(next), true).commands(), Want::Events).unwrap()
}

/// A market's day: phases, a breaker, a collar, as far as the book takes them.
pub fn set_day(random: &mut Mixed, law: &Law, market: i64, from: i64, book: &mut OrderBook) {
    if random.one_in(2) {
        let mut at = from;
        let mut next = || {
            at += 1 + random.below(20) as i64;
            (at, random.of(&[Phase::PreOpen, Phase::PreOpen, Phase::Continuous, Phase::Continuous, Phase::Halted]))
        };
        let schedule: Vec<_> = (0..5).map(|_| next()).collect();
        _ = book.set_phases(market, &schedule);
    }
    if random.one_in(2) {
        let ticks = random.below(1 + law.width) as i64 * law.step / 2;
        _ = book.set_breaker(market, Some((ticks, 1 + random.below(12) as i64)));
    }
    if random.one_in(3) {
        let away = (1 + law.width) as i64 * law.step;
        let end = |at: i64| Some(at.clamp(1 - (1 << 31), (1 << 31) - 1));
        _ = book.set_collar(market, end(law.mid - away), end(law.mid + away).filter(|_| random.one_in(2)));
    }
}

/// A command, now and then one that takes a market into another phase.
pub fn phased(random: &mut Mixed, law: &Law, nth: i64, book: &mut OrderBook) -> Command {
    let next = command(random, law, nth, &resting(book));
    if !random.one_in(14) {
        return next;
    }
    let market = Some(random.below(law.markets) as i64 * 1_000_000_007);
    Command { op: 7, phase: random.of(&[0, 0, 1, 1, 1, 2]), market, order: None, ..next }
}

/// Puts the hash right that bytes carry.
fn rehashed(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= 38 {
        let hash = Sha256::new().chain_update(&bytes[..6]).chain_update(&bytes[38..]).finalize();
        bytes[6..38].copy_from_slice(&hash);
    }
    bytes
}

/// Random flows cut at a random place: whatever layout the book had and gets, all that follows is the same to the last
/// field, and so are the bytes at the end.
#[test]
fn a_loaded_book_goes_on_as_the_one_that_was_saved() {
    let (mut rested, mut in_calls) = (0, 0);
    for seed in 0..1500_u64 {
        let mut random = Mixed(seed ^ 0x5A7E);
        let law = Law::draw(&mut random);
        let length = random.of(&[10, 60, 150]);
        let cut = random.below(length as u64 + 1) as i64;
        let rules = Rules {
            self_trade: random.of(&SelfTrade::ALL),
            erase_after_trade: random.one_in(8),
            small_max: random.of(&LAYOUTS),
        };
        let mut book = OrderBook::new(rules);
        if random.one_in(2) {
            for market in (0..law.markets.min(4) as i64).rev() {
                book.set_gate(market * 1_000_000_007, 5 + random.below(length as u64 + 60) as i64).unwrap();
            }
        }
        let has_days = random.one_in(2);
        let caller = Caller { ids: [IdTexts::Integers, IdTexts::Integers, IdTexts::Unknown], ..Caller::default() };
        let mut others: Vec<OrderBook> = Vec::new();
        for nth in 0..=length {
            if has_days && (nth == 0 || (nth < cut && random.one_in(20))) {
                let market = random.below(law.markets) as i64 * 1_000_000_007;
                set_day(&mut random, &law, market, book.clock().max(0), &mut book);
            }
            if nth == cut {
                in_calls += book.market_ids().filter(|&id| book.phase(id) == Some(Phase::PreOpen)).count();
                let bytes = book.save(&caller);
                rested += book.len();
                for small_max in LAYOUTS {
                    let (mut other, known) = OrderBook::load(&bytes, small_max).unwrap();
                    assert_eq!(known, caller);
                    assert_eq!(other.save(&caller), bytes, "seed {seed}: of all layouts the bytes are the same");
                    assert_eq!(resting(&mut other), resting(&mut book), "seed {seed}");
                    assert_eq!(other.market_states(), book.market_states(), "seed {seed}");
                    others.push(other);
                }
            }
            let next = if has_days {
                phased(&mut random, &law, nth, &mut book)
            } else {
                command(&mut random, &law, nth, &resting(&mut book))
            };
            let events = obey(&mut book, &next);
            for other in &mut others {
                assert_eq!(obey(other, &next), events, "seed {seed}, command {nth}: {next:?}");
            }
        }
        let counted = Commands {
            rows: 2,
            side: Some(&[1, 0]),
            price: Some(Integers::Wide(&[law.mid; 2])),
            quantity: Some(Integers::Wide(&[3; 2])),
            ..Commands::default()
        };
        let events = book.apply(&counted, Want::Events).unwrap();
        let expired = book.advance(i64::MAX, &mut Everybody);
        let last = book.save(&caller);
        for other in &mut others {
            assert_eq!(other.apply(&counted, Want::Events).unwrap(), events, "seed {seed}: ids that the book gives");
            assert_eq!(other.advance(i64::MAX, &mut Everybody), expired, "seed {seed}: all that expires");
            assert_eq!(other.save(&caller), last, "seed {seed}");
        }
    }
    assert!(rested > 4_000 && in_calls > 100, "{rested} orders were saved in all, and {in_calls} markets in calls");
}

/// A state of everything: gates, a market that has closed, one that is halted, expiries, ids of all kinds.
fn state() -> (OrderBook, Caller) {
    let mut book = OrderBook::new(Rules::default());
    book.set_gate(7, 90).unwrap();
    book.set_gate(2, 40).unwrap();
    let order = |market: i64, id: i64, side: u8, price: i64| Command {
        market: Some(market),
        order: Some(id),
        participant: Some(-id),
        side,
        price: Some(price),
        quantity: Some(4),
        time: Some(20),
        ..Command::default()
    };
    let timed = |command: Command, expires: i64| Command { tif: 3, expires: Some(expires), ..command };
    for next in [
        order(7, 5, 1, 10),
        order(7, -3, 1, 10),
        timed(order(7, i64::MAX - 1, 0, 11), 60),
        order(2, 1, 1, 3),
        order(-9, 2, 0, 8),
        Command { op: 5, market: Some(-9), time: Some(41), ..Command::default() },
    ] {
        obey(&mut book, &next);
    }
    book.set_phases(-9, &[(50, Phase::PreOpen), (70, Phase::Continuous)]).unwrap();
    book.set_collar(-9, Some(2), Some(500)).unwrap();
    book.set_breaker(7, Some((0, 30))).unwrap();
    for (nth, price) in [(20, 10), (21, 11)] {
        // The breaker takes the market into a call, in which it is crossed.
        obey(&mut book, &order(7, nth, 0, price));
        obey(&mut book, &order(7, 10 + nth, 1, 12));
    }
    assert_eq!(book.phase(7), Some(Phase::PreOpen));
    let caller = Caller {
        units: Some(["ct/kWh", "kWh", "refuse"].map(str::to_owned)),
        ids: [IdTexts::Integers, IdTexts::Unknown, IdTexts::Integers],
    };
    assert!(book.len() >= 4 && book.market_ids().count() == 3);
    (book, caller)
}

#[test]
fn no_other_bytes_are_loaded() {
    let (mut book, caller) = state();
    let bytes = book.save(&caller);
    assert!(bytes.len() < 500, "{}", bytes.len());
    for len in 0..bytes.len() {
        assert!(OrderBook::load(&bytes[..len], 3).is_err());
        assert!(OrderBook::load(&rehashed(bytes[..len].to_vec()), 3).is_err(), "cut at {len}, hash put right");
    }
    let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
    assert!(OrderBook::load(&longer, 3).is_err());
    assert!(OrderBook::load(&rehashed(longer), 3).is_err());
    let (mut loaded, mut refused) = (0, 0);
    for bit in 0..bytes.len() * 8 {
        let mut wrong = bytes.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(OrderBook::load(&wrong, 3).is_err(), "bit {bit}");
        // With the hash put right some are states of another book: then it is that book to the last byte, and works.
        let wrong = rehashed(wrong);
        match OrderBook::load(&wrong, 3) {
            Err(_) => refused += 1,
            Ok((mut other, known)) => {
                loaded += usize::from(wrong != bytes);
                assert_eq!(other.save(&known), wrong, "bit {bit}");
                for next in [
                    Command { op: 1, order: Some(5), ..Command::default() },
                    Command { order: Some(77), side: 0, price: Some(-50), quantity: Some(9), ..Command::default() },
                ] {
                    obey(&mut other, &Command { market: Some(7), time: Some(55), ..next });
                }
                other.advance(i64::MAX, &mut Everybody);
            }
        }
    }
    assert!(loaded > 200 && refused > 400, "{loaded} loaded, {refused} refused");
}

/// Each fault by itself, the hash put right, and what is said of it.
#[test]
fn every_fault_has_its_name() {
    // Units and ids are four bytes; the only market follows its count at 68, and its orders that.
    const MARKET: usize = 68;
    const ORDERS: usize = MARKET + 4 + 8 + 8 + 1 + 8;
    const PRICES: usize = ORDERS + 24;
    const QUANTITIES: usize = PRICES + 12;
    let mut book = OrderBook::new(Rules::default());
    for (id, side, price) in [(1, 1, 10), (2, 1, 9), (3, 0, 12)] {
        let order = Command {
            market: Some(0),
            order: Some(id),
            participant: Some(0),
            side,
            price: Some(price),
            quantity: Some(4),
            time: Some(5),
            ..Command::default()
        };
        obey(&mut book, &order);
    }
    let bytes = book.save(&Caller::default());
    let cases: [(usize, &[u8], &str); 20] = [
        (0, b"FCOC", "no saved order book"),
        (4, &[1, 0], "reads version 2"),
        (38, &[5], "no rule"),
        (39, &[2], "flag"),
        (48, &[255; 8], "negative"),
        (56, &[255; 8], "too large"),
        (56, &[1, 0], "more orders than events"),
        (48, &[3, 0], "yet to be given"),
        (64, &[2], "flag"),
        (65, &[3], "neither integers nor text"),
        (66, &[2, 255, 255, 255, 255], "count exceeds"),
        (MARKET, &[255; 4], "count exceeds"),
        (MARKET + 4, &[0, 0, 0, 0, 0, 0, 0, 128], "market is null"),
        (MARKET + 12, &[5, 0, 0, 0, 0, 0, 0, 0], "flags"),
        (MARKET + 21, &[255; 4], "ends too early"),
        (ORDERS, &[2, 0], "there twice"),
        (PRICES, &[8, 0], "best price first"),
        (PRICES + 8, &[10, 0], "cross"),
        (PRICES, &[0, 0, 0, 128], "out of range"),
        (QUANTITIES, &[0], "out of range"),
    ];
    for (at, edit, said) in cases {
        let mut wrong = bytes.clone();
        wrong[at..at + edit.len()].copy_from_slice(edit);
        let fault = OrderBook::load(&rehashed(wrong), SMALL_MAX).unwrap_err();
        assert!(fault.to_string().contains(said), "{said}: {fault}");
    }
    let mut unhashed = bytes;
    unhashed[60] ^= 1;
    assert!(OrderBook::load(&unhashed, SMALL_MAX).unwrap_err().to_string().contains("hash"));
}

/// Texts come back as they were, and an id that is none of them is refused.
#[test]
fn texts_come_back() {
    let (mut book, _) = state();
    let texts = |list: &[&str]| IdTexts::Texts(list.iter().map(|&text| text.to_owned()).collect());
    let known = Caller { ids: [IdTexts::Unknown, IdTexts::Unknown, texts(&["", "Zoë", "a\0b"])], units: None };
    let bytes = book.save(&known);
    assert!(OrderBook::load(&bytes, 3).unwrap_err().to_string().contains("one of the texts"));
    let mut small = OrderBook::new(Rules::default());
    obey(
        &mut small,
        &Command {
            market: Some(1),
            order: Some(0),
            participant: Some(2),
            side: 1,
            price: Some(5),
            quantity: Some(1),
            time: Some(1),
            ..Command::default()
        },
    );
    let all = |list: &[&str]| Caller { ids: [texts(&["x", "y"]), texts(&["o"]), texts(list)], units: None };
    let bytes = small.save(&all(&["", "Zoë", "a\0b"]));
    let (_, known) = OrderBook::load(&bytes, 3).unwrap();
    assert_eq!(known, all(&["", "Zoë", "a\0b"]));
    let twice = small.save(&all(&["p", "q", "p"]));
    assert!(OrderBook::load(&twice, 3).unwrap_err().to_string().contains("twice"));
    let few = small.save(&all(&["p", "q"]));
    assert!(OrderBook::load(&few, 3).is_err());
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] = 255;
        _ = OrderBook::load(&rehashed(wrong), 3);
    }
}
