//! The order book beside the one of the textbook, on the seeded workloads, in turns and by CPU time.
//!
//! Purpose: the ratios that the book promises. Cost: W1 and W2 a second each, W3 about twenty (`W3=1`), most of it to make
//! the flows. `cargo bench -p fastclear-core --bench order_book -- [rounds]`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on stops")]
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "draws of the workloads, and ratios")]
#![allow(dead_code, reason = "the tests use the rest")]

#[path = "../tests/book/workloads.rs"]
mod workloads;

use fastclear_core::book::{OrderBook, Rules, SelfTrade, Want};
use workloads::{Columns, Orders, Tally, Textbook, Trade, W1, W2, W3, Workload, obey, steps};

/// As where columns cross to Python: large columns lie on large pages, for both books.
#[global_allocator]
static POOL: fastclear_core::memory::Pool = fastclear_core::memory::Pool;

/// Time that this thread has run for, in seconds.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Rows a call.
const CHUNK: usize = 16_384;

fn measure(workload: &Workload, books: usize, rounds: usize) {
    let (preload, timed, made) = steps(workload);
    assert_eq!((made.trades, made.hash), (workload.trades, workload.hash));
    let before = Columns::of(&preload, workload);
    let columns = Columns::of(&timed, workload);
    let mut loaded = OrderBook::new(Rules { self_trade: SelfTrade::CancelResting, ..Rules::default() });
    let mut tally_before = Tally::default();
    for from in (0..before.len()).step_by(CHUNK) {
        let part = before.part(from, before.len().min(from + CHUNK));
        tally_before.of(loaded.apply(&part, Want::Trades).unwrap().trades());
    }
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (want, times) in [Want::Trades, Want::Events].into_iter().zip(&mut times) {
            let mut book = loaded.clone();
            let (mut tally, mut time) = (tally_before, 0.0);
            for from in (0..columns.len()).step_by(CHUNK) {
                let part = columns.part(from, columns.len().min(from + CHUNK));
                let start = cpu();
                let events = book.apply(&part, want).unwrap();
                time += cpu() - start;
                tally.of(events.trades());
            }
            times.push(time);
            assert_eq!(tally, made, "{}", workload.name);
        }
        if std::env::var_os("OWN").is_some() {
            times[2].push(f64::NAN);
            continue;
        }
        // The textbook cannot be cloned cheaply: it is loaded anew.
        let mut textbooks: Vec<Textbook> = (0..books).map(|_| Textbook::default()).collect();
        let mut orders = Orders::new();
        let mut trades: Vec<Trade> = vec![(0, 0, 0, 0); workload.trades as usize];
        trades.clear();
        for step in &preload {
            obey(&mut textbooks, &mut orders, step, |trade| trades.push(trade));
        }
        let start = cpu();
        for step in &timed {
            obey(&mut textbooks, &mut orders, step, |trade| trades.push(trade));
        }
        times[2].push(cpu() - start);
        let mut tally = Tally::default();
        for &(maker, taker, price, lots) in &trades {
            tally.add(u64::from(maker), u64::from(taker), price, lots);
        }
        assert_eq!(tally, made, "{}", workload.name);
    }
    let [trades, events, textbook] = times.map(|times| median(times) / timed.len() as f64 * 1e9);
    println!(
        "{}: {trades:.1} ns a command with trades, {events:.1} with all events, textbook {textbook:.1}: {:.1} x and {:.1} x",
        workload.name,
        textbook / trades,
        textbook / events,
    );
}

fn main() {
    let rounds = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(3);
    if std::env::args().any(|text| text == "--test") {
        return measure(&W2, 1, 1);
    }
    if std::env::var_os("W3").is_some() {
        return measure(&W3, 100_000, 1);
    }
    measure(&W1, 1, rounds);
    measure(&W2, 1, rounds);
}
