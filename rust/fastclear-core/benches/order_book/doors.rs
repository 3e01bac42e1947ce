//! Our book with a door: what it costs to know whose each order is, and to let in what is covered.

use fastclear_core::book::{Charges, Door, Limits, OrderBook, Rules, SelfTrade, Want};

use crate::flow::{Contestant, Flow, cpu};
use crate::workloads::{Tally, owner};

/// What each participant may have at stake, which is more than any comes to.
const LOOSE: i64 = i64::MAX;

/// What the door does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// It knows whose each order is.
    Register,
    /// It lets in who is covered, too, which everybody is.
    Cover,
}

/// A door before anything was handed in.
fn door(flow: &Flow, keeps: Keeps) -> Door {
    let mut door = Door::default();
    if keeps == Keeps::Cover {
        let most = flow.preload.iter().chain(&flow.timed).map(owner).max().unwrap_or(0);
        let cover = door.cover_with(Charges { fee: 3, tax_ppm: 190_000 });
        for participant in 0..=i64::from(most) {
            cover.set(participant, None, Limits { money: Some(LOOSE), energy: Some(LOOSE), position: Some(LOOSE) });
        }
    }
    door
}

/// Calls of so many rows by a book with a door, whose records are taken.
pub fn columns(flow: &Flow, keeps: Keeps, want: Want, rows: usize) -> Contestant<'_> {
    let mut book = OrderBook::new(Rules { self_trade: SelfTrade::CancelResting, ..Rules::default() });
    let (mut door, mut before) = (door(flow, keeps), Tally::default());
    for from in (0..flow.before.len()).step_by(crate::CHUNK) {
        let part = flow.before.part(from, flow.before.len().min(from + crate::CHUNK));
        before.of(book.apply_admitted(&part, Want::Trades, &mut door).unwrap().trades());
        door.take_record(None);
    }
    let run = move || {
        let (mut book, mut door, mut tally, mut seconds) = (book.clone(), door.clone(), before, 0.0);
        for from in (0..flow.columns.len()).step_by(rows) {
            let part = flow.columns.part(from, flow.columns.len().min(from + rows));
            let start = cpu();
            let events = book.apply_admitted(&part, want, &mut door).unwrap();
            let record = door.take_record(part.time);
            seconds += cpu() - start;
            assert_eq!(record.deals.len(), events.trades().count());
            tally.of(events.trades());
        }
        (seconds, tally)
    };
    Contestant { name: format!("{keeps:?}, {want:?} of {rows} rows"), run: Box::new(run) }
}
