//! Our book: columns in, event columns out; and one order at a time.

use fastclear_core::book::{OrderBook, Placed, Rules, SelfTrade, Single, Tif, Want};

use crate::flow::{Contestant, Flow, cpu, said};
use crate::workloads::{Ask, Tally, owner};

/// Commands of W1 of which single orders are taken: so many that the book stays of a size.
const SINGLES: usize = 100_000;

/// A book with what it has before the clock runs, and the trades so far.
fn loaded(flow: &Flow) -> (OrderBook, Tally) {
    let mut book = OrderBook::new(Rules { self_trade: SelfTrade::CancelResting, ..Rules::default() });
    let mut tally = Tally::default();
    for from in (0..flow.before.len()).step_by(crate::CHUNK) {
        let part = flow.before.part(from, flow.before.len().min(from + crate::CHUNK));
        tally.of(book.apply(&part, Want::Trades).unwrap().trades());
    }
    (book, tally)
}

/// Calls of so many rows.
pub fn columns(flow: &Flow, want: Want, rows: usize) -> Contestant<'_> {
    let (book, before) = loaded(flow);
    let run = move || {
        let (mut book, mut tally, mut seconds) = (book.clone(), before, 0.0);
        for from in (0..flow.columns.len()).step_by(rows) {
            let part = flow.columns.part(from, flow.columns.len().min(from + rows));
            let start = cpu();
            let events = book.apply(&part, want).unwrap();
            seconds += cpu() - start;
            tally.of(events.trades());
        }
        (seconds, tally)
    };
    Contestant { name: format!("{want:?} of {rows} rows a call"), run: Box::new(run) }
}

/// Nanoseconds of one order handed in by itself, its result kept.
pub fn singles(flow: &Flow, rounds: usize, json: bool) {
    let orders: Vec<Single> = flow.timed[..SINGLES]
        .iter()
        .filter(|step| matches!(step.ask, Ask::Add | Ask::Ioc))
        .map(|step| Single {
            market: 0,
            order: Some(i64::from(step.id)),
            participant: Some(i64::from(owner(step))),
            side: step.side,
            price: Some(i64::from(step.price)),
            quantity: i64::from(step.quantity),
            tif: if step.ask == Ask::Ioc { Tif::Ioc } else { Tif::Gtc },
        })
        .collect();
    let (book, _) = loaded(flow);
    let (mut seconds, mut placed) = (0.0, vec![Placed::default(); orders.len()]);
    for _ in 0..rounds {
        let mut book = book.clone();
        let start = cpu();
        for (order, placed) in orders.iter().zip(&mut placed) {
            *placed = book.place(order);
        }
        seconds += cpu() - start;
    }
    let traded: u64 = placed.iter().map(|placed| placed.traded).sum();
    assert!(traded > 0 && placed.iter().all(|placed| placed.reject == 0 || placed.open == 0));
    said(flow, "one order a call", seconds / rounds as f64 / orders.len() as f64 * 1e9, f64::NAN, json);
}
