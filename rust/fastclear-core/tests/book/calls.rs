//! Calls against the auction core, and worked days of phases, collars and breakers.

use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::{Mechanism, Uniform};
use fastclear_core::batch::{Want as Wanted, clear};
use fastclear_core::book::{Call, Kind, OrderBook, Phase, Rules, SMALL_MAX, SessionError, Want};
use fastclear_core::order::{Columns as Orders, Integers};

use crate::flow::{Columns, Mixed, told};
use crate::twin::Command;

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
