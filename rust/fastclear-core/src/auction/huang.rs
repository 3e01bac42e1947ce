//! The multi-unit double auction of Huang, Scheller-Wolf & Sycara (2002): the marginal bid and ask set the prices and do
//! not trade; the long side bears its excess in equal parts.

use super::book::{Book, Number, Priority};
use super::deal::{Outcome, Results};
use super::ranked::{Market, Scratch};
use crate::order::{BUY, SELL};
use crate::simd;

/// Huang's mechanism: one order a participant, truthful in price, never in deficit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Huang;

impl Huang {
    /// Clears one market. `None` where a value is one that no order may carry.
    pub fn clear<P: Number, Q: Number>(
        self,
        book: &Book<'_, P, Q>,
        market: &Market<'_>,
        results: &mut Results<'_>,
        scratch: &mut Scratch,
    ) -> Option<Outcome> {
        let priority = &market.priority;
        let mut outcome = results.serve_by_merit(book, priority, scratch.curve.get())?;
        if outcome.volume == 0 {
            return Some(outcome);
        }
        let simd::Margin { last_bid, last_ask, .. } = results.margin(book, &outcome);
        // All before the last are served whole: their demand and supply are what is left of the volume.
        let demand = outcome.volume - results.leave_out_last(book, priority, BUY, last_bid, &mut outcome);
        let supply = outcome.volume - results.leave_out_last(book, priority, SELL, last_ask, &mut outcome);
        outcome.volume = demand.min(supply);
        if outcome.volume == 0 {
            results.filled.fill(0);
            outcome.welfare = 0;
            return Some(outcome);
        }
        if demand > supply {
            carry(book, BUY, demand - supply, priority, results.filled, &mut scratch.positions);
        } else if supply > demand {
            carry(book, SELL, supply - demand, priority, results.filled, &mut scratch.positions);
        }
        outcome.welfare = simd::welfare(book, results.filled);
        results.trade_at(book, priority, (last_bid, last_ask), &mut outcome);
        Some(outcome)
    }
}

/// Takes `burden` lots in equal parts from the served orders of `side`, which have more; one that has less than its part
/// gives up all it has. Lots that do not divide come one each from the latest.
fn carry<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    side: u8,
    mut burden: i64,
    priority: &Priority<'_>,
    filled: &mut [i64],
    latest: &mut Vec<u32>,
) {
    let given_up = |filled: &[i64], most: i64| simd::served_at_most(book.side, filled, side, most);
    let mut active = given_up(filled, 1); // one lot of each
    // The least number that makes the burden where each gives up as much, or all it has. Who has less drops out.
    let mut enough = (burden + active - 1) / active;
    if enough > 1 && given_up(filled, enough) < burden {
        let mut short = enough;
        enough = burden;
        while enough - short > 1 {
            let middle = short + (enough - short) / 2;
            if given_up(filled, middle) < burden {
                short = middle;
            } else {
                enough = middle;
            }
        }
    }
    if enough > 1 {
        let (orders, lots) = simd::served_below(book.side, filled, side, enough);
        active -= orders;
        burden -= lots;
    }
    // Who is left gives up the part and, where lots are left over, one more.
    let (part, extra) = (burden / active, (burden % active) as usize);
    if enough > 1 || part > 0 {
        simd::cut(book.side, filled, side, enough, part);
    }
    if extra > 0 {
        latest.clear();
        let served = (0..book.len()).rev().filter(|&i| book.side[i] == side && filled[i] > 0).map(|i| i as u32);
        if priority.is_position() {
            latest.extend(served.take(extra));
        } else {
            latest.extend(served);
            latest.select_nth_unstable_by_key(extra - 1, |&i| std::cmp::Reverse(priority.key(i as usize)));
        }
        for &i in &latest[..extra] {
            filled[i as usize] -= 1;
        }
    }
}
