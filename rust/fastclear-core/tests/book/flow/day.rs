//! What markets do by the clock and by rule, the same for the twin and every book.

use fastclear_core::book::{OrderBook, Phase, SessionError};

use super::{Law, Mixed};
use crate::twin::{Command, Twin};

/// Ids of the markets of a flow.
fn markets(law: &Law) -> impl Iterator<Item = i64> + use<> {
    (0..law.markets as i64).map(|market| market * 1_000_000_007)
}

/// Gates of some markets.
pub fn set_gates(random: &mut Mixed, law: &Law, twin: &mut Twin, books: &mut [OrderBook]) {
    for market in markets(law).take(3) {
        let gate = 10 + random.below(50) as i64;
        twin.market(market).gate = Some(gate);
        for book in books.iter_mut() {
            book.set_gate(market, gate).unwrap();
        }
    }
}

/// Rules of all markets, or of one.
pub fn set_day(random: &mut Mixed, law: &Law, only: Option<i64>, twin: &mut Twin, books: &mut [OrderBook]) {
    for market in markets(law).filter(|&market| only.is_none_or(|only| only == market)) {
        if twin.markets.get(&market).is_some_and(|market| market.is_closed) {
            continue;
        }
        if random.one_in(2) {
            set_schedule(random, market, twin, books);
        }
        if random.one_in(2) {
            let ticks = random.below(1 + law.width) as i64 * law.step / 2;
            let breaker = Some((ticks, 1 + random.below(12) as i64)).filter(|_| !random.one_in(10));
            twin.set_breaker(market, breaker);
            for book in books.iter_mut() {
                book.set_breaker(market, breaker).unwrap();
            }
        }
        if random.one_in(3) {
            set_collar(random, law, market, twin, books);
        }
    }
}

fn set_schedule(random: &mut Mixed, market: i64, twin: &mut Twin, books: &mut [OrderBook]) {
    let mut at = twin.clock.unwrap_or(0);
    let names = ["pre_open", "pre_open", "pre_open", "continuous", "continuous", "continuous", "continuous", "halted"];
    let longest = random.of(&[4, 10, 20]);
    let schedule: Vec<(i64, &'static str)> = (0..random.below(6))
        .map(|_| {
            at += 1 + random.below(longest) as i64;
            (at, random.of(&names))
        })
        .collect();
    twin.set_phases(market, &schedule);
    let phase = |name: &str| Phase::ALL.into_iter().find(|phase| phase.name() == name).unwrap();
    let schedule: Vec<(i64, Phase)> = schedule.iter().map(|&(at, name)| (at, phase(name))).collect();
    for book in books {
        book.set_phases(market, &schedule).unwrap();
    }
}

fn set_collar(random: &mut Mixed, law: &Law, market: i64, twin: &mut Twin, books: &mut [OrderBook]) {
    let mut end = |sign: i64| {
        let away = random.below(2 + law.width) as i64 * law.step;
        Some((law.mid + sign * away).clamp(1 - (1 << 31), (1 << 31) - 1)).filter(|_| !random.one_in(3))
    };
    let (low, high) = (end(-1), end(1));
    let outside = twin.set_collar(market, low, high);
    for book in books {
        match book.set_collar(market, low, high) {
            Ok(()) => assert!(outside.is_empty(), "{outside:?}"),
            Err(SessionError::Outside { order }) => assert!(outside.contains(&order), "{order} of {outside:?}"),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Now and then a command that takes a market into another phase.
pub fn phased(random: &mut Mixed, law: &Law, next: Command) -> Command {
    if !random.one_in(14) {
        return next;
    }
    let phase = if random.one_in(20) { 3 } else { random.of(&[0, 0, 0, 1, 1, 1, 1, 1, 2]) };
    let market = Some(random.below(law.markets) as i64 * 1_000_000_007);
    Command { op: 7, phase, market, order: None, ..next }
}

/// Now and then other rules for a market in the middle of its day; says whether there are.
pub fn changed(random: &mut Mixed, law: &Law, twin: &mut Twin, books: &mut [OrderBook]) -> bool {
    let changes = random.one_in(40);
    if changes {
        let market = random.below(law.markets) as i64 * 1_000_000_007;
        set_day(random, law, Some(market), twin, books);
    }
    changes
}
