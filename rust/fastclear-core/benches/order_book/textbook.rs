//! The order book of the textbook.

use crate::flow::{Contestant, Flow, cpu};
use crate::workloads::{Orders, Tally, Textbook, Trade, obey};

/// It cannot be cloned cheaply: it is loaded anew in every round.
pub fn contestant(flow: &Flow) -> Contestant<'_> {
    let books = flow.preload.iter().map(|step| step.book).max().unwrap_or(0) as usize + 1;
    let run = move || {
        let mut textbooks: Vec<Textbook> = (0..books).map(|_| Textbook::default()).collect();
        let mut orders = Orders::new();
        let mut trades: Vec<Trade> = vec![(0, 0, 0, 0); flow.made.trades as usize];
        trades.clear();
        for step in &flow.preload {
            obey(&mut textbooks, &mut orders, step, |trade| trades.push(trade));
        }
        let start = cpu();
        for step in &flow.timed {
            obey(&mut textbooks, &mut orders, step, |trade| trades.push(trade));
        }
        let seconds = cpu() - start;
        let mut tally = Tally::default();
        for &(maker, taker, price, lots) in &trades {
            tally.add(u64::from(maker), u64::from(taker), price, lots);
        }
        (seconds, tally)
    };
    Contestant { name: "textbook".into(), run: Box::new(run) }
}
