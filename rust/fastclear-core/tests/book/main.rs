//! The order book against its naive twin, event by event and order by order.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod admission;
mod calls;
mod cases;
mod flow;
mod replica;
mod saved;
mod twin;
mod twin_phases;

use fastclear_core::book::{Admission, Commands, Event, Kind, OrderBook, Request, Rules, SMALL_MAX, SelfTrade, Want};
use fastclear_core::reject::RejectReason;
use flow::{Columns, Followed, Law, Mixed, command, resting, told};
use twin::Twin;

/// Best bid below best ask, no order without lots, one order an id, quantities that events tell.
fn check_invariants(book: &mut OrderBook, followed: &Followed) {
    let rows = resting(book);
    let mut ids: Vec<i64> = rows.iter().map(|row| row.order).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), rows.len(), "one order an id");
    assert_eq!(book.len(), rows.len());
    assert!(rows.iter().all(|row| row.open > 0), "no order rests without lots");
    let mut markets: Vec<i64> = rows.iter().map(|row| row.market).collect();
    markets.dedup();
    for market in markets {
        let (bid, ask) = (book.best(market, 1), book.best(market, 0));
        if let (Some(bid), Some(ask)) = (bid, ask) {
            assert!(bid.price < ask.price, "{bid:?} {ask:?}");
        }
        for buys in [false, true] {
            let depth = book.depth(market, u8::from(buys), usize::MAX);
            let side = |row: &&twin::Rests| row.market == market && row.buys == buys;
            let lots: i64 = rows.iter().filter(side).map(|row| row.open).sum();
            assert_eq!(depth.iter().map(|level| level.quantity).sum::<u64>(), lots as u64);
            assert_eq!(depth.iter().map(|level| level.orders).sum::<u64>(), rows.iter().filter(side).count() as u64);
            assert!(depth.windows(2).all(|pair| (pair[0].price > pair[1].price) == buys));
            assert_eq!(depth.first(), [ask, bid][usize::from(buys)].as_ref());
            assert_eq!(book.depth(market, u8::from(buys), 2), depth[..depth.len().min(2)]);
        }
    }
    let seen: Vec<_> = rows.iter().map(|row| (row.market, row.buys, row.price, row.order, row.open)).collect();
    assert_eq!(followed.snapshot(), seen, "the events rebuild the book");
}

/// One sequence through the twin and through every layout; returns what kinds and reasons it showed.
fn compare(seed: u64, length: i64) -> Vec<String> {
    let mut random = Mixed(seed);
    let mut law = Law::draw(&mut random);
    if length > 200 {
        (law.markets, law.passive, law.hostile) = (1, 97, 1 << 40);
    }
    let self_trade = random.of(&SelfTrade::ALL);
    let erase_after_trade = random.one_in(12);
    let has_participants = !random.one_in(6);
    let mut twin =
        Twin { self_trade: self_trade.name(), erases: erase_after_trade, has_participants, ..Twin::default() };
    let rules = Rules { self_trade, erase_after_trade, small_max: SMALL_MAX };
    let new_book = |small_max| OrderBook::new(Rules { small_max, ..rules });
    let mut books: Vec<OrderBook> = [0, 3, SMALL_MAX].map(new_book).into();
    let mut commands = Vec::new();
    let mut followed = Followed::default();
    if random.one_in(3) {
        for market in 0..law.markets.min(3) as i64 {
            let gate = 10 + random.below(60) as i64;
            twin.gates.insert(market * 1_000_000_007, gate);
            twin.named.push(market * 1_000_000_007);
            for book in &mut books {
                book.set_gate(market * 1_000_000_007, gate).unwrap();
            }
        }
    }
    let before = books.clone();
    let mut shown = Vec::new();
    let mut last_seq = 0;
    for nth in 0..length {
        let mut next = command(&mut random, &law, nth, &twin.orders);
        if !has_participants {
            next.participant = None;
        }
        if next.op == 3 && erase_after_trade && length > 200 {
            next.op = 1;
        }
        let from = twin.told.len();
        twin.obey(0, &next);
        let expected = &twin.told[from..];
        let mut expected_rows = twin.snapshot();
        for row in &mut expected_rows {
            row.turn = 0;
        }
        let columns = Columns::of(std::slice::from_ref(&next), has_participants);
        for (place, book) in books.iter_mut().enumerate() {
            let events = book.apply(&columns.commands(), Want::Events).unwrap();
            let got = told(book, &events);
            assert_eq!(got, expected, "seed {seed}, command {nth}, layout {place}: {next:?}");
            assert_eq!(resting(book), expected_rows, "seed {seed}, command {nth}, layout {place}: {next:?}");
            assert_eq!(events.first_seq, last_seq, "numbers are dense");
            if place == 0 {
                got.iter().zip(&events.rows).for_each(|(told, raw)| followed.follow(told, raw));
                shown.extend(got.iter().map(|told| format!("{}/{}", told.kind, told.reject)));
            }
            if place == 2 {
                last_seq += events.count;
            }
        }
        check_invariants(&mut books[nth as usize % 3], &followed);
        commands.push(next);
    }
    // The same commands in one call, and only the trades of them.
    let columns = Columns::of(&commands, has_participants);
    for (place, book) in before.iter().enumerate() {
        let mut one = book.clone();
        let events = one.apply(&columns.commands(), Want::Events).unwrap();
        let mut at_once = told(&one, &events);
        assert!(at_once.windows(2).all(|pair| pair[0].command <= pair[1].command));
        for told in &mut at_once {
            told.command = Some(0);
        }
        assert_eq!(at_once, twin.told, "seed {seed}, layout {place}, in one call");
        assert_eq!(resting(&mut one), resting(&mut books[place]), "seed {seed}, layout {place}, in one call");
        let mut other = book.clone();
        let trades = other.apply(&columns.commands(), Want::Trades).unwrap();
        assert!(trades.rows.iter().eq(events.trades()), "seed {seed}, layout {place}, trades alone");
        assert_eq!((trades.count, other.next_seq()), (events.count, one.next_seq()));
    }
    shown
}

/// How many sequences; `BOOK_SEQUENCES` asks for more.
fn sequences() -> u64 {
    std::env::var("BOOK_SEQUENCES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

#[test]
fn every_event_and_every_order_is_the_twins() {
    let mut counts = std::collections::BTreeMap::<String, u64>::new();
    for seed in 0..sequences() {
        for shown in compare(seed, 60) {
            *counts.entry(shown).or_default() += 1;
        }
    }
    // A comparison of sequences in which little happens says little.
    for kind in ["accepted", "trade", "filled", "cancelled", "expired", "replaced", "phase"] {
        let seen: u64 = counts.iter().filter(|(shown, _)| shown.starts_with(kind)).map(|(_, &n)| n).sum();
        assert!(seen > sequences() / 10, "{kind}: {seen}");
    }
    let reasons = [
        RejectReason::UnknownOp,
        RejectReason::UnknownSide,
        RejectReason::UnknownType,
        RejectReason::UnknownTif,
        RejectReason::PriceMissing,
        RejectReason::PriceOutOfRange,
        RejectReason::QuantityMissing,
        RejectReason::QuantityOutOfRange,
        RejectReason::IdMissing,
        RejectReason::TimeMissing,
        RejectReason::InstructionsInvalid,
        RejectReason::ExpiryInvalid,
        RejectReason::MarketClosed,
        RejectReason::DuplicateOrder,
        RejectReason::UnknownOrder,
        RejectReason::MarketHalted,
        RejectReason::WouldTrade,
    ];
    for reason in reasons {
        assert!(counts[&format!("rejected/{}", reason.name())] > 10, "{reason:?}: {counts:?}");
    }
    for reason in [RejectReason::NotFilled, RejectReason::SelfTrade, RejectReason::BookErased] {
        assert!(counts[&format!("cancelled/{}", reason.name())] > 100, "{reason:?}: {counts:?}");
    }
    assert!(counts["expired/market_closed"] > 100);
}

/// Books that outgrow the small layout by themselves.
#[test]
fn long_sequences_are_the_twins() {
    for seed in 0..sequences() / 400 {
        compare(seed ^ 0xB00C, 500);
    }
}

/// A twin that differs in one rule is found out, so that the comparison compares.
#[test]
fn a_book_of_another_rule_is_found_out() {
    let columns = |commands: &[twin::Command]| Columns::of(commands, true);
    let order = |id: i64, side: u8, quantity: i64| twin::Command {
        order: Some(id),
        participant: Some(1),
        side,
        price: Some(5),
        quantity: Some(quantity),
        ..twin::Command::default()
    };
    let commands = [order(1, 1, 3), order(2, 0, 5)];
    let mut seen = Vec::new();
    for self_trade in SelfTrade::ALL {
        let mut book = OrderBook::new(Rules { self_trade, ..Rules::default() });
        let events = book.apply(&columns(&commands).commands(), Want::Events).unwrap();
        let now = (told(&book, &events), resting(&mut book));
        assert!(!seen.contains(&now), "{self_trade:?}");
        assert_eq!(events.trades().count(), usize::from(self_trade == SelfTrade::Off));
        assert_eq!(events.rows[0].kind, Kind::Accepted);
        seen.push(now);
    }
}

/// Lets everybody in, and has to be asked: rows then go one by one.
struct InTurn;

impl Admission for InTurn {
    fn admit(&mut self, _: &Request) -> Result<(), RejectReason> {
        Ok(())
    }

    fn seen(&mut self, _: &Event) {}
}

/// Without times, and with nobody at the door, many rows go at once: nothing is different from rows that go one by one.
#[test]
fn rows_that_go_at_once_do_what_they_do_one_by_one() {
    let mut rested = 0;
    for seed in 0..150 {
        let mut random = Mixed(seed ^ 0x57A1_6000);
        let mut law = Law::draw(&mut random);
        law.markets = random.of(&[1, 1, 2]);
        law.passive = random.of(&[40, 95, 99, 100]);
        law.participants = random.of(&[5, 50, 1000]);
        let has_participants = !random.one_in(3);
        let rules = Rules { self_trade: random.of(&SelfTrade::ALL), erase_after_trade: false, small_max: SMALL_MAX };
        let mut named: Vec<twin::Rests> = Vec::new();
        let mut commands = Vec::new();
        for nth in 0..700 {
            let mut next = command(&mut random, &law, nth, &named);
            if !random.one_in(8) {
                // Most rows are plain ones of few prices.
                (next.tif, next.expires, next.is_market_order, next.flags) = (next.tif & 1, None, 0, 0);
                next.participant = next.participant.map(|id| id % 1000);
                next.op = [0, 1, 1, 3][usize::from(next.op % 4)];
            }
            if matches!(next.op, 1 | 3) {
                next.participant = None;
            }
            if next.op == 0
                && let Some(order) = next.order
            {
                let (price, quantity) = (next.price.unwrap_or(0), next.quantity.unwrap_or(1));
                named.push(twin::Rests {
                    market: next.market.unwrap_or(0),
                    order,
                    participant: next.participant,
                    buys: next.side == 1,
                    price,
                    open: quantity,
                    expires: None,
                    turn: 0,
                });
            }
            commands.push(next);
        }
        let columns = Columns::of(&commands, has_participants);
        let all = Commands { time: None, ..columns.commands() };
        for (small_max, want) in [(0, Want::Events), (0, Want::Trades), (3, Want::Events), (SMALL_MAX, Want::Events)] {
            let new_book = || OrderBook::new(Rules { small_max, ..rules });
            let (mut one, mut other) = (new_book(), new_book());
            let at_once = one.apply(&all, want).unwrap();
            let one_by_one = other.apply_admitted(&all, want, &mut InTurn).unwrap();
            assert_eq!(at_once, one_by_one, "seed {seed}, {small_max} {want:?}");
            assert_eq!(resting(&mut one), resting(&mut other), "seed {seed}, {small_max} {want:?}");
            // Without an order column the book gives the ids, and without a market all is of one.
            let bare = Commands { order: None, market: None, ..all };
            let at_once = one.apply(&bare, want).unwrap();
            let one_by_one = other.apply_admitted(&bare, want, &mut InTurn).unwrap();
            assert_eq!(at_once, one_by_one, "seed {seed}, {small_max} {want:?}, bare");
            assert_eq!(resting(&mut one), resting(&mut other), "seed {seed}, {small_max} {want:?}, bare");
            rested += one.len();
        }
    }
    assert!(rested > 30_000, "{rested}");
}
