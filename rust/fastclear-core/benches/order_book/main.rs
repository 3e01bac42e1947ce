//! The order book beside the one of the textbook and the crate matchcore, on the seeded workloads, in turns and by CPU
//! time.
//!
//! Purpose: the ratios that the book promises. Cost: W1 and W2 some seconds a round, W3 about forty, most of it to make the
//! flows. `cargo bench -p fastclear-core --bench order_book -- [ROUNDS] [OPTIONS]`:
//!
//! - `--test`: W2 once, to see that all contestants agree;
//! - `--json`: every figure as a line of JSON;
//! - `--kernel`: fastclear alone, columns of 10,000 rows and single orders of W1, as Python is compared with;
//! - `--write=FOLDER`: the rows of W1 as 64-bit integers into a file, for contestants in other languages;
//! - variables: `W3=1` the hundred thousand small books instead, `OWN=1` without the others; `DOORS=1` books that settle, and
//!   books with a cover, beside bare ones, also in ten thousand small markets (W4).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on stops")]
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "draws of the workloads, and ratios")]
#![allow(dead_code, reason = "the tests use the rest")]

mod doors;
mod flow;
mod ours;
mod peer;
mod textbook;
#[path = "../../tests/book/workloads.rs"]
mod workloads;

use doors::Keeps;
use fastclear_core::book::Want;
use flow::{Contestant, Flow, race};
use workloads::{W1, W2, W3, W4};

/// As where columns cross to Python: large columns lie on large pages, for all books.
#[global_allocator]
static POOL: fastclear_core::memory::Pool = fastclear_core::memory::Pool;

/// Rows a call: as many as the core works on at a time.
const CHUNK: usize = 16_384;
/// Rows a call that Python's cost is judged by.
const PYTHON_CHUNK: usize = 10_000;

/// Everybody on one flow: our book with calls of so many rows, and the others.
fn everybody<'a>(flow: &'a Flow, rows: &[usize]) -> Vec<Contestant<'a>> {
    let mut all: Vec<Contestant<'a>> = Vec::new();
    for &rows in rows {
        all.push(ours::columns(flow, Want::Trades, rows));
        all.push(ours::columns(flow, Want::Events, rows));
    }
    if std::env::var_os("OWN").is_none() {
        all.push(textbook::contestant(flow));
        if !flow.has_many_books() {
            all.push(peer::contestant(flow));
        }
    }
    all
}

/// Our book without a door, and with one.
fn doors<'a>(flow: &'a Flow, rows: &[usize]) -> Vec<Contestant<'a>> {
    let mut all: Vec<Contestant<'a>> = Vec::new();
    for &rows in rows {
        for want in [Want::Events, Want::Trades] {
            all.push(ours::columns(flow, want, rows));
            for keeps in [Keeps::Register, Keeps::Cover] {
                all.push(doors::columns(flow, keeps, want, rows));
            }
        }
    }
    all
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let asked = |word: &str| words.iter().any(|other| other == word);
    let rounds = words.iter().find_map(|text| text.parse().ok()).unwrap_or(3);
    let json = asked("--json");
    if let Some(folder) = words.iter().find_map(|word| word.strip_prefix("--write=")) {
        return Flow::of(&W1).write(folder);
    }
    // `cargo test` gives no word at all, `cargo bench` gives `--bench`.
    if asked("--test") || words.len() == 1 {
        let flow = Flow::of(&W2);
        return race(&flow, everybody(&flow, &[CHUNK]), 1, json);
    }
    if asked("--kernel") {
        let flow = Flow::of(&W1);
        let alone =
            vec![ours::columns(&flow, Want::Events, PYTHON_CHUNK), ours::columns(&flow, Want::Trades, PYTHON_CHUNK)];
        race(&flow, alone, rounds, json);
        return ours::singles(&flow, rounds, json);
    }
    if std::env::var_os("DOORS").is_some() {
        for workload in [&W1, &W2, &W4] {
            let flow = Flow::of(workload);
            race(&flow, doors(&flow, &[PYTHON_CHUNK, 1_000_000]), rounds, json);
        }
        return;
    }
    if std::env::var_os("W3").is_some() {
        let flow = Flow::of(&W3);
        return race(&flow, everybody(&flow, &[CHUNK, 1_000_000]), 2, json);
    }
    for workload in [&W1, &W2] {
        let flow = Flow::of(workload);
        race(&flow, everybody(&flow, &[CHUNK]), rounds, json);
    }
}
