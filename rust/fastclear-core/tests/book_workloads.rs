//! The seeded flows that order books are measured by come out as they are known to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "the draws of the workloads are floating-point numbers"
)]
#![allow(dead_code, reason = "the benchmark uses the rest")]

#[path = "book/workloads.rs"]
mod workloads;

use fastclear_core::book::{OrderBook, Rules, SMALL_MAX, SelfTrade, Want};
use workloads::{Ask, Columns, Step, Tally, W1, W2, W3, Workload, steps};

fn line(ask: Ask, side: u8, price: i32, quantity: u32, id: u32) -> Step {
    Step { ask, side, price, quantity, id, book: 0, would_stay: false }
}

fn check(workload: &Workload, first_preload: &[Step], first: &[Step]) {
    let (preload, timed, made) = steps(workload);
    assert_eq!(&preload[..first_preload.len()], first_preload);
    assert_eq!(&timed[..first.len()], first);
    assert_eq!((made.trades, made.hash), (workload.trades, workload.hash), "{}: the flow itself", workload.name);
    let columns = Columns::of(&[preload, timed].concat(), workload);
    for small_max in if workload.name == "W3" { vec![SMALL_MAX] } else { vec![0, SMALL_MAX] } {
        let rules = Rules { self_trade: SelfTrade::CancelResting, small_max, ..Rules::default() };
        let mut book = OrderBook::new(rules);
        let mut tally = Tally::default();
        for from in (0..columns.len()).step_by(50_000) {
            let part = columns.part(from, columns.len().min(from + 50_000));
            tally.of(book.apply(&part, Want::Trades).unwrap().trades());
        }
        assert_eq!(tally, made, "{} with small books up to {small_max}", workload.name);
    }
}

#[test]
fn one_book_of_ten_thousand_orders() {
    let preload = [line(Ask::Add, 0, 10_007, 65, 0), line(Ask::Add, 1, 9997, 9, 1), line(Ask::Add, 1, 9994, 47, 2)];
    let first = [
        line(Ask::Add, 1, 9985, 5, 10_000),
        line(Ask::Add, 0, 10_024, 15, 10_001),
        line(Ask::Cancel, 1, 9989, 0, 8684),
        line(Ask::Ioc, 1, 10_200, 316, 10_002),
        line(Ask::Cancel, 0, 10_022, 0, 8527),
        line(Ask::Add, 1, 9988, 48, 10_003),
        line(Ask::Cancel, 1, 9964, 0, 9800),
        line(Ask::Add, 1, 9990, 62, 10_004),
        line(Ask::Add, 1, 9998, 79, 10_005),
        line(Ask::Ioc, 0, 9800, 103, 10_006),
    ];
    check(&W1, &preload, &first);
}

#[test]
fn one_book_like_a_feed() {
    let preload =
        [line(Ask::Add, 0, 100_004, 59, 0), line(Ask::Add, 1, 99_986, 63, 1), line(Ask::Add, 1, 99_999, 6, 2)];
    let first = [
        line(Ask::Cancel, 0, 100_003, 0, 4773),
        line(Ask::Cancel, 1, 99_997, 0, 3839),
        line(Ask::Cancel, 0, 100_004, 0, 3972),
        line(Ask::Add, 0, 100_004, 17, 5000),
        line(Ask::Cancel, 0, 100_001, 0, 4097),
        line(Ask::Add, 1, 99_999, 98, 5001),
    ];
    check(&W2, &preload, &first);
}

#[test]
#[ignore = "nine million commands: cargo test --test book_workloads -- --ignored"]
fn a_hundred_thousand_small_books() {
    check(&W3, &[], &[]);
}
