//! The order book beside the one of the textbook, on the seeded workloads, in turns and by CPU time.
//!
//! Purpose: the ratios that the book promises. Cost: W1 and W2 a second each, W3 about forty (`W3=1`), most of it to make
//! the flows. With `THREADS=1` one thread beside several. `cargo bench -p fastclear-core --bench order_book -- [rounds]`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on stops")]
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "draws of the workloads, and ratios")]
#![allow(dead_code, reason = "the tests use the rest")]

#[path = "../tests/book/workloads.rs"]
mod workloads;

use fastclear_core::book::{OrderBook, Rules, SelfTrade, Threads, Want};
use workloads::{Columns, Orders, Tally, Textbook, Trade, W1, W2, W3, Workload, obey, steps};

/// As where columns cross to Python: large columns lie on large pages, for both books.
#[global_allocator]
static POOL: fastclear_core::memory::Pool = fastclear_core::memory::Pool;

/// Time that this thread has run for, in seconds.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Time that all threads of this process have run for, in seconds: in steps of a hundredth.
fn cpu_of_all() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = text.rsplit(')').next().unwrap();
    behind_name.split(' ').skip(12).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// One thread and several on the same calls: by the clock on the wall, which others who work here slow down, and by the time
/// of all processors.
fn measure_threads(loaded: &OrderBook, columns: &Columns, rounds: usize, chunks: &[usize], made: (Tally, Tally)) {
    for &rows in chunks {
        for want in [Want::Trades, Want::Events] {
            let kinds = [1, 2].map(Threads::most);
            let mut times = [[0.0; 2]; 2];
            for round in 0..rounds {
                for nth in 0..kinds.len() {
                    let nth = (nth + round) % kinds.len();
                    let mut book = loaded.clone();
                    book.set_threads(kinds[nth]);
                    let mut tally = made.0;
                    for from in (0..columns.len()).step_by(rows) {
                        let part = columns.part(from, columns.len().min(from + rows));
                        let (start, cpu) = (std::time::Instant::now(), cpu_of_all());
                        let events = book.apply(&part, want).unwrap();
                        times[nth][0] += start.elapsed().as_secs_f64();
                        times[nth][1] += cpu_of_all() - cpu;
                        tally.of(events.trades());
                    }
                    assert_eq!(tally, made.1);
                }
            }
            let each = |time: f64| time / rounds as f64 / columns.len() as f64 * 1e9;
            for (threads, time) in kinds.iter().zip(times) {
                let [wall, cpu] = time.map(each);
                let ratio = times[0][0] / time[0];
                let most = threads.most;
                println!(
                    "    {want:?} kept, {rows} rows a call, {most} threads: {wall:.1} ns, {ratio:.2} x, CPU {cpu:.1} ns"
                );
            }
        }
    }
}

/// Rows a call.
const CHUNK: usize = 16_384;

fn measure(workload: &Workload, books: usize, rounds: usize, chunks: &[usize]) {
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
    if std::env::var_os("THREADS").is_some() {
        println!("{}:", workload.name);
        return measure_threads(&loaded, &columns, rounds, chunks, (tally_before, made));
    }
    let kinds: Vec<(Want, usize)> =
        chunks.iter().flat_map(|&rows| [(Want::Trades, rows), (Want::Events, rows)]).collect();
    let (mut times, mut textbook) = (vec![0.0; kinds.len()], 0.0);
    for round in 0..rounds {
        for nth in 0..kinds.len() {
            // Another one is first in every round, and finds memory that is new.
            let nth = (nth + round) % kinds.len();
            let (want, rows) = kinds[nth];
            let mut book = loaded.clone();
            let mut tally = tally_before;
            for from in (0..columns.len()).step_by(rows) {
                let part = columns.part(from, columns.len().min(from + rows));
                let start = cpu();
                let events = book.apply(&part, want).unwrap();
                times[nth] += cpu() - start;
                tally.of(events.trades());
            }
            assert_eq!(tally, made, "{}", workload.name);
        }
        if std::env::var_os("OWN").is_some() {
            textbook = f64::NAN;
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
        textbook += cpu() - start;
        let mut tally = Tally::default();
        for &(maker, taker, price, lots) in &trades {
            tally.add(u64::from(maker), u64::from(taker), price, lots);
        }
        assert_eq!(tally, made, "{}", workload.name);
    }
    // The clock goes in steps of some milliseconds, which a mean evens out.
    let each = |time: f64| time / rounds as f64 / timed.len() as f64 * 1e9;
    println!("{}: textbook {:.1} ns a command", workload.name, each(textbook));
    for ((want, rows), &time) in kinds.iter().zip(&times) {
        println!("    {want:?} kept, {rows} rows a call: {:.1} ns, {:.1} x", each(time), textbook / time);
    }
}

fn main() {
    let rounds = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(3);
    if std::env::args().any(|text| text == "--test") {
        return measure(&W2, 1, 1, &[CHUNK]);
    }
    if std::env::var_os("W3").is_some() {
        return measure(&W3, 100_000, 2, &[CHUNK, 1_000_000]);
    }
    measure(&W1, 1, rounds, &[CHUNK]);
    measure(&W2, 1, rounds, &[CHUNK]);
}
