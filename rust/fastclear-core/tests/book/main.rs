//! The order book against its naive twin, event by event and order by order.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod admission;
mod calls;
mod cases;
mod compare;
mod doors;
mod flow;
mod followed;
mod invariants;
mod mixed;
mod replica;
mod rows;
mod saved;
mod straight;
mod twin;

use compare::{Counts, Flow, compare_all};
use fastclear_core::book::{Kind, OrderBook, Rules, SelfTrade, Want};
use fastclear_core::reject::RejectReason;
use flow::{Columns, resting, told};

/// How many sequences of a kind, of which there are four; `BOOK_SEQUENCES` asks for more.
fn sequences() -> u64 {
    std::env::var("BOOK_SEQUENCES").ok().and_then(|text| text.parse().ok()).unwrap_or(27_000)
}

/// Commands of the `nth` sequence: many short ones see more beginnings than few long ones.
fn length(nth: u64) -> i64 {
    [10, 15, 20, 25, 30, 60][nth as usize % 6]
}

/// Of iceberg, stop, minimum, slide and peg each kind alone, and any of them together.
fn rich(nth: u64) -> [bool; 5] {
    match nth % 12 {
        0..5 => std::array::from_fn(|kind| kind == nth as usize % 12),
        _ => std::array::from_fn(|kind| nth >> (kind + 4) & 1 == 1 || nth % 12 == 11),
    }
}

/// A comparison of sequences in which little happens says little.
fn assert_shown(counts: &Counts, least: u64, kind: &'static str, reasons: &[&'static str]) {
    for &reason in reasons {
        let seen = counts.get(&(kind, reason)).copied().unwrap_or(0);
        assert!(seen > least, "{kind} {reason}: {seen} times, {counts:?}");
    }
}

#[test]
fn plain_orders_are_the_twins() {
    let counts = compare_all(sequences(), |nth| (nth, length(nth), Flow { rich: [false; 5], has_days: false }));
    for kind in ["accepted", "trade", "filled", "cancelled", "expired", "replaced", "phase"] {
        assert_shown(&counts, sequences() / 10, kind, &[""]);
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
    assert_shown(&counts, sequences() / 2000, "rejected", &reasons.map(RejectReason::name));
    assert_shown(&counts, sequences() / 200, "cancelled", &["not_filled", "self_trade", "book_erased"]);
    assert_shown(&counts, sequences() / 200, "expired", &["market_closed"]);
}

/// Icebergs, stops, minimums, orders that slide and pegs.
#[test]
fn richer_orders_are_the_twins() {
    let flow_of = |nth| (nth ^ 0x51C4_0000, length(nth), Flow { rich: rich(nth), has_days: false });
    let counts = compare_all(sequences(), flow_of);
    assert_shown(&counts, sequences() / 10, "triggered", &[""]);
    let codes = ["display_invalid", "stop_invalid", "peg_invalid", "min_quantity_out_of_range", "would_trade"];
    assert_shown(&counts, sequences() / 1000, "rejected", &codes);
}

/// Markets with phases, calls, collars and breakers.
#[test]
fn days_of_phases_are_the_twins() {
    let flow_of = |nth| (nth ^ 0xCA11_0000, length(nth), Flow { rich: [false; 5], has_days: true });
    let counts = compare_all(sequences(), flow_of);
    let least = sequences() / 30;
    assert_shown(&counts, least, "call", &["trades", "nothing"]);
    assert_shown(&counts, least, "phase", &[""]);
    assert_shown(&counts, least, "expired", &["market_closed"]);
    assert_shown(&counts, least, "cancelled", &["self_trade"]);
    let codes = ["not_in_phase", "unknown_phase", "price_outside_caps", "market_halted", "would_trade"];
    assert_shown(&counts, least, "rejected", &codes);
}

/// Books that outgrow the small layout by themselves.
#[test]
fn long_sequences_are_the_twins() {
    compare_all(sequences() / 800, |nth| (nth ^ 0xB00C, 500, Flow { rich: [false; 5], has_days: false }));
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
