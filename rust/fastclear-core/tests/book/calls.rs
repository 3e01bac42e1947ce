//! Markets with phases, calls, collars and breakers against the naive twin; and their calls against the auction core.

use std::collections::BTreeMap;

use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::{Mechanism, Uniform};
use fastclear_core::batch::{Want as Wanted, clear};
use fastclear_core::book::{Call, Kind, OrderBook, Phase, Rules, SMALL_MAX, SelfTrade, SessionError, Want};
use fastclear_core::order::{Columns as Orders, Integers};

use crate::flow::{Columns, Followed, Law, Mixed, command, resting, told};
use crate::twin::{Command, Twin};

fn phase(name: &str) -> Phase {
    Phase::ALL.into_iter().find(|phase| phase.name() == name).unwrap()
}

/// Rules of a market's day, the same for the twin and every book.
fn set_day(random: &mut Mixed, law: &Law, market: i64, twin: &mut Twin, books: &mut [OrderBook]) {
    let from = twin.clock.unwrap_or(0);
    if random.one_in(2) {
        let mut at = from;
        let schedule: Vec<(i64, &'static str)> = (0..random.below(6))
            .map(|_| {
                at += 1 + random.below(20) as i64;
                (at, random.of(&["pre_open", "pre_open", "continuous", "continuous", "continuous", "halted"]))
            })
            .collect();
        twin.set_phases(market, &schedule);
        let schedule: Vec<_> = schedule.iter().map(|&(at, name)| (at, phase(name))).collect();
        for book in books.iter_mut() {
            book.set_phases(market, &schedule).unwrap();
        }
    }
    if random.one_in(2) {
        let (ticks, pause_ns) = (random.below(1 + law.width) as i64 * law.step / 2, 1 + random.below(12) as i64);
        twin.set_breaker(market, ticks, pause_ns);
        for book in books.iter_mut() {
            book.set_breaker(market, Some((ticks, pause_ns))).unwrap();
        }
    }
    if random.one_in(3) {
        let mut end = |sign: i64| {
            let away = random.below(1 + law.width) as i64 * law.step;
            Some((law.mid + sign * away).clamp(1 - (1 << 31), (1 << 31) - 1)).filter(|_| !random.one_in(3))
        };
        let (low, high) = (end(-1), end(1));
        let is_set = twin.set_collar(market, low, high);
        for book in books {
            let result = book.set_collar(market, low, high);
            assert!(is_set == result.is_ok() && (is_set || matches!(result, Err(SessionError::Outside { .. }))));
        }
    }
}

/// One sequence through the twin and through every layout; counts what it showed.
fn compare(seed: u64, counts: &mut BTreeMap<String, u64>) {
    let mut random = Mixed(seed);
    let law = Law { markets: random.of(&[1, 1, 2, 3]), ..Law::draw(&mut random) };
    let self_trade = random.of(&SelfTrade::ALL);
    let erase_after_trade = random.one_in(12);
    let mut twin =
        Twin { self_trade: self_trade.name(), erases: erase_after_trade, has_participants: true, ..Twin::default() };
    let rules = Rules { self_trade, erase_after_trade, small_max: SMALL_MAX };
    let mut books: Vec<OrderBook> =
        [0, 3, SMALL_MAX].map(|small_max| OrderBook::new(Rules { small_max, ..rules })).into();
    let markets: Vec<i64> = (0..law.markets as i64).map(|market| market * 1_000_000_007).collect();
    for &market in &markets {
        set_day(&mut random, &law, market, &mut twin, &mut books);
        if random.one_in(4) {
            let gate = 20 + random.below(40) as i64;
            twin.gates.insert(market, gate);
            twin.name(market);
            for book in &mut books {
                book.set_gate(market, gate).unwrap();
            }
        }
    }
    let before = books.clone();
    let (mut commands, mut followed) = (Vec::new(), Followed { calls: true, ..Followed::default() });
    let mut is_one_call = true;
    for nth in 0..60 {
        let mut next = command(&mut random, &law, nth, &twin.orders);
        if random.one_in(14) {
            let (op, phase) = (7, if random.one_in(20) { 3 } else { random.of(&[0, 0, 1, 1, 1, 2]) });
            next = Command { op, phase, market: Some(random.of(&markets)), order: None, ..next };
        }
        if random.one_in(60) {
            let market = random.of(&markets);
            if !twin.closed.contains(&market) {
                set_day(&mut random, &law, market, &mut twin, &mut books);
                is_one_call = false;
            }
        }
        let from = twin.told.len();
        let before = books[0].clone();
        twin.obey(0, &next);
        let expected = &twin.told[from..];
        let mut rests = twin.snapshot();
        for row in &mut rests {
            row.turn = 0;
        }
        let columns = Columns::of(std::slice::from_ref(&next), true);
        for (place, book) in books.iter_mut().enumerate() {
            let events = book.apply(&columns.commands(), Want::Events).unwrap();
            let got = told(book, &events);
            assert_eq!(got, expected, "seed {seed}, command {nth}, layout {place}: {next:?}");
            assert_eq!(resting(book), rests, "seed {seed}, command {nth}, layout {place}: {next:?}");
            if place == 0 {
                got.iter().zip(&events.rows).for_each(|(told, raw)| followed.follow(told, raw));
                for event in &got {
                    *counts.entry(format!("{}/{}", event.kind, event.reject)).or_default() += 1;
                }
            }
            for &market in &markets {
                let called = twin.call(market).map(|(price, volume, imbalance)| Call {
                    price,
                    volume: volume as u64,
                    imbalance,
                });
                assert_eq!(book.indicative(market), called, "seed {seed}, command {nth}, layout {place}");
                let now = book.phase(market);
                assert_eq!(now.is_none(), twin.closed.contains(&market));
                if now == Some(Phase::Continuous) {
                    assert_eq!(called, None, "a market that trades is not crossed");
                }
            }
        }
        check_call(before, &next, expected, counts);
        let seen: Vec<_> = rests.iter().map(|row| (row.market, row.buys, row.price, row.order, row.open)).collect();
        assert_eq!(followed.snapshot(), seen, "the events rebuild the book");
        commands.push(next);
    }
    if is_one_call {
        let columns = Columns::of(&commands, true);
        for (place, mut one) in before.into_iter().enumerate() {
            let mut other = one.clone();
            let events = one.apply(&columns.commands(), Want::Events).unwrap();
            let mut at_once = told(&one, &events);
            for told in &mut at_once {
                told.command = Some(0);
            }
            assert_eq!(at_once, twin.told, "seed {seed}, layout {place}, in one call");
            let trades = other.apply(&columns.commands(), Want::Trades).unwrap();
            assert!(trades.rows.iter().eq(events.trades()), "seed {seed}, layout {place}, trades alone");
            assert_eq!(resting(&mut other), resting(&mut books[place]), "seed {seed}, layout {place}");
        }
    }
}

/// A call that a command ends trades at the price that was indicated, and at one price alone.
fn check_call(
    mut before: OrderBook,
    command: &Command,
    told: &[crate::twin::Told],
    counts: &mut BTreeMap<String, u64>,
) {
    let (Some(market), Some(time), 7) = (command.market, command.time, command.op) else { return };
    before.advance(time, &mut fastclear_core::book::Everybody);
    if before.phase(market) != Some(Phase::PreOpen) || command.phase != 1 {
        return;
    }
    let indicated = before.indicative(market);
    let own = told.iter().rposition(|event| event.kind == "phase").unwrap();
    assert_eq!(told[own].price, indicated.map(|call| call.price));
    let trades: Vec<_> = told[own..].iter().filter(|event| event.kind == "trade").collect();
    assert!(trades.iter().all(|trade| trade.price == told[own].price && trade.side == Some(true)));
    let cancelled = told[own..].iter().filter(|event| event.reject == "self_trade").map(|event| event.quantity);
    let lots = trades.iter().map(|trade| trade.quantity).sum::<i64>() + cancelled.sum::<i64>() / 2;
    assert_eq!(lots as u64, indicated.map_or(0, |call| call.volume));
    *counts.entry(format!("call/{}", if lots > 0 { "trades" } else { "nothing" })).or_default() += 1;
}

fn sequences() -> u64 {
    std::env::var("BOOK_SEQUENCES").ok().and_then(|text| text.parse().ok()).unwrap_or(6_000)
}

#[test]
fn days_of_phases_are_the_twins() {
    let mut counts = BTreeMap::new();
    for seed in 0..sequences() {
        compare(seed ^ 0xCA11_0000, &mut counts);
    }
    let least = sequences() / 30;
    for shown in ["call/trades", "call/nothing", "phase/", "expired/market_closed", "cancelled/self_trade"] {
        assert!(counts[shown] > least, "{shown}: {counts:?}");
    }
    for reason in ["not_in_phase", "unknown_phase", "price_outside_caps", "market_halted", "would_trade"] {
        assert!(counts[&format!("rejected/{reason}")] > least, "{reason}: {counts:?}");
    }
}

/// What orders that rest in a call get is what the auction core gives them, served by time.
#[test]
fn a_call_is_the_auction_of_its_orders() {
    let uniform = Mechanism::from(Uniform { rationing: Rationing::Time, ..Uniform::default() });
    let mut traded = 0;
    for seed in 0..2_000 {
        let mut random = Mixed(seed ^ 0x0AC_1E00);
        let (width, most) = (1 + random.below(12), random.of(&[1, 3, 40]));
        let mut book = OrderBook::new(Rules { small_max: random.of(&[0, 2, SMALL_MAX]), ..Rules::default() });
        let mut rows = vec![Command { op: 7, phase: 0, ..Command::default() }];
        let count = 1 + random.below(if seed % 50 == 0 { 600 } else { 20 }) as i64;
        rows.extend((0..count).map(|order| Command {
            order: Some(order),
            side: random.below(2) as u8,
            price: Some(random.below(width) as i64 - 5),
            quantity: Some(1 + random.below(most) as i64),
            ..Command::default()
        }));
        rows.push(Command { op: 7, phase: 1, ..Command::default() });
        let events = book.apply(&Columns::of(&rows, false).commands(), Want::Events).unwrap();
        let orders = &rows[1..=count as usize];
        let column = |cell: fn(&Command) -> i64| orders.iter().map(cell).collect::<Vec<i64>>();
        let (price, quantity) = (column(|row| row.price.unwrap()), column(|row| row.quantity.unwrap()));
        let (side, time): (Vec<u8>, Vec<i64>) = (orders.iter().map(|row| row.side).collect(), (0..count).collect());
        let columns = Orders {
            side: &side,
            price: Integers::Wide(&price),
            quantity: Integers::Wide(&quantity),
            time: Some(&time),
            ..Orders::default()
        };
        let mut filled = vec![0; orders.len()];
        let clearing = clear(&columns, &uniform, Wanted::default(), 1, &mut filled).unwrap();
        let mut got = vec![0; orders.len()];
        for trade in events.trades() {
            for order in [trade.order, trade.counter] {
                got[order as usize] += i64::from(trade.quantity);
            }
        }
        assert_eq!(got, filled, "seed {seed}");
        let outcome = clearing.outcomes[0];
        let called = events.rows.iter().rev().find(|event| event.kind == Kind::Phase).unwrap();
        if outcome.volume > 0 {
            traded += 1;
            assert!((outcome.price_low..=outcome.price_high).contains(&i64::from(called.price)), "seed {seed}");
        } else {
            assert_eq!(events.trades().count(), 0);
        }
    }
    assert!(traded > 1_000, "{traded}");
}

fn order(id: i64, side: u8, price: i64, quantity: i64, time: i64) -> Command {
    Command {
        order: Some(id),
        side,
        price: Some(price),
        quantity: Some(quantity),
        time: Some(time),
        ..Command::default()
    }
}

fn kinds(book: &mut OrderBook, rows: &[Command]) -> Vec<(&'static str, Option<i64>, Option<i64>, i64)> {
    let events = book.apply(&Columns::of(rows, false).commands(), Want::Events).unwrap();
    told(book, &events).iter().map(|event| (event.kind, event.order, event.price, event.quantity)).collect()
}

/// A breaker that fires in the middle of an order, pauses, trades in a call, and fires again.
#[test]
fn a_breaker_pauses_into_a_call_and_the_market_goes_on() {
    let mut book = OrderBook::new(Rules::default());
    book.set_breaker(0, Some((5, 100))).unwrap();
    let asks = [(1, 20, 2), (2, 24, 2), (3, 26, 2), (4, 40, 9)];
    let rows: Vec<_> = asks.iter().map(|&(id, price, lots)| order(id, 0, price, lots, 10)).collect();
    kinds(&mut book, &rows);
    // 20 is the first trade: up to 25 it may trade, and 26 it meets.
    let walked = kinds(&mut book, &[order(5, 1, 30, 7, 10)]);
    let trade = |id: i64, price: i64, lots: i64| ("trade", Some(id), Some(price), lots);
    assert_eq!(walked[1], trade(5, 20, 2));
    assert_eq!(walked[3], trade(5, 24, 2));
    assert_eq!(walked.last(), Some(&("phase", None, None, 2)), "{walked:?}");
    assert_eq!(book.phase(0), Some(Phase::PreOpen));
    assert_eq!(book.indicative(0), Some(Call { price: 30, volume: 2, imbalance: 1 }));
    // At 109 it still pauses, at 110 no more; the call's price is the new reference.
    assert_eq!(kinds(&mut book, &[order(6, 0, 28, 1, 109)]), [("accepted", Some(6), Some(28), 1)]);
    let resumed = book.advance(110, &mut fastclear_core::book::Everybody);
    let prices: Vec<i32> = resumed.trades().map(|event| event.price).collect();
    assert_eq!(prices, [28, 28]);
    assert_eq!(book.phase(0), Some(Phase::Continuous));
    // 40 is too far from 28 again.
    let again = kinds(&mut book, &[order(7, 1, 40, 1, 120)]);
    assert_eq!(again, [("accepted", Some(7), Some(40), 1), ("phase", None, None, 2)]);
    let resumed = book.advance(220, &mut fastclear_core::book::Everybody);
    assert_eq!(resumed.trades().map(|event| event.price).collect::<Vec<_>>(), [40]);
}

/// However the clock is moved, what is past happens at its own time.
#[test]
fn a_schedule_does_not_depend_on_how_time_is_cut() {
    let mut book = OrderBook::new(Rules::default());
    book.set_phases(0, &[(10, Phase::PreOpen), (20, Phase::Continuous), (30, Phase::PreOpen)]).unwrap();
    book.set_gate(0, 40).unwrap();
    let mut expiring = order(1, 1, 9, 4, 11);
    (expiring.tif, expiring.expires) = (3, Some(20));
    let rows = [expiring, order(2, 1, 8, 4, 12), order(3, 0, 7, 3, 12), order(4, 0, 8, 2, 12)];
    kinds(&mut book, &rows);
    let mut other = book.clone();
    let at_once = told(&book, &book.clone().advance(50, &mut fastclear_core::book::Everybody));
    let steps: Vec<_> = (13..=50)
        .flat_map(|now| {
            let events = other.advance(now, &mut fastclear_core::book::Everybody);
            told(&other, &events)
        })
        .collect();
    assert_eq!(at_once, steps);
    // The bid that expires as the call ends takes no part in it.
    let shown: Vec<_> = at_once.iter().map(|event| (event.kind, event.order)).collect();
    let opened = [("expired", Some(1)), ("phase", None), ("trade", Some(2)), ("filled", Some(3)), ("trade", Some(2))];
    assert_eq!(shown[..5], opened);
    assert_eq!(shown[5..], [("filled", Some(2)), ("phase", None), ("phase", None), ("expired", Some(4))]);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let mut book = OrderBook::new(Rules::default());
    kinds(&mut book, &[order(1, 1, 9, 4, 10), order(2, 0, 12, 4, 10)]);
    let (before, phases) = (format!("{book:?}"), [(11, Phase::PreOpen), (11, Phase::Halted)]);
    assert_eq!(book.set_phases(0, &phases[1..]).map(|()| book.clone().phase(0)), Ok(Some(Phase::Continuous)));
    let mut book = OrderBook::new(Rules::default());
    kinds(&mut book, &[order(1, 1, 9, 4, 10), order(2, 0, 12, 4, 10)]);
    assert_eq!(book.set_phases(0, &phases), Err(SessionError::Unordered { at: 11 }));
    assert_eq!(book.set_phases(0, &[(10, Phase::Halted)]), Err(SessionError::Passed { at: 10, clock: 10 }));
    assert_eq!(book.set_collar(0, Some(5), Some(4)), Err(SessionError::NoCollar));
    assert_eq!(book.set_collar(0, Some(1 << 31), None), Err(SessionError::NoCollar));
    assert_eq!(book.set_collar(0, None, Some(8)), Err(SessionError::Outside { order: 1 }));
    assert_eq!(book.set_collar(0, Some(13), None), Err(SessionError::Outside { order: 2 }));
    for breaker in [(-1, 5), (5, 0), (1 << 31, 5)] {
        assert_eq!(book.set_breaker(0, Some(breaker)), Err(SessionError::NoBreaker));
    }
    assert_eq!(format!("{book:?}"), before);
    book.set_gate(0, 20).unwrap();
    book.advance(20, &mut fastclear_core::book::Everybody);
    assert_eq!(book.phase(0), None);
    assert_eq!(book.set_phases(0, &[]), Err(SessionError::Closed));
    assert_eq!(book.set_collar(0, None, None), Err(SessionError::Closed));
    assert_eq!(book.set_breaker(0, None), Err(SessionError::Closed));
}
