//! Small books, crossed as a whole: read once into 32 bits, searched by bisection, filled around the price found.
//!
//! A book of up to 64 orders is held in arrays of a length that the compiler knows, which with AVX-512 are registers from
//! the first load to the last store; a longer one goes the same way through memory that the caller lends. What does not
//! fit 32 bits is left to the passes for books of any size.

mod fill;
mod rows;
mod search;
mod wide;

pub use rows::Room;
pub use wide::quantile;

use super::on_every_path;
use crate::auction::book::{Book, Number};
use fill::Around;
use rows::{Rows, STEP};

/// A small book, crossed; volume 0 where nothing trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Crossed {
    /// Number of bids.
    pub bids: u32,
    /// Lowest market-clearing price.
    pub low: i64,
    /// Highest market-clearing price.
    pub high: i64,
    /// Traded quantity.
    pub volume: i64,
    /// Σ bid × fill − Σ ask × fill.
    pub welfare: i64,
    /// What several orders at `low` are to share, whose fills are still zero.
    pub shared: Option<Shared>,
}

/// What is left for the orders of one side of the marginal level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Their side.
    pub side: u8,
    /// Quantity to share.
    pub left: i64,
    /// Quantity that they ask for, which is more.
    pub total: i64,
}

/// Crosses the book in rows of the given steps.
#[inline(always)]
fn cross_rows<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    zero_surplus: bool,
    filled: &mut [i64],
    rows: &mut Rows<'_>,
) -> Option<Crossed> {
    let totals = rows.read(book)?;
    let (bids, demanded) = (totals.bids as u32, totals.bid_quantity);
    if bids == 0 || bids as usize == book.len() {
        filled.fill(0);
        return Some(Crossed { bids, ..Crossed::default() });
    }
    let low = search::quantile(rows, demanded);
    let Around { bids: bid, asks: ask, value } = fill::around(rows, low);
    let (demand, supply) = (bid.better + bid.level, ask.better + ask.level);
    let volume = if zero_surplus { demand.min(supply) } else { bid.better.max(ask.better) };
    let (bids_left, asks_left) = (volume - bid.better, volume - ask.better);
    fill::write(rows, low, (bid.at_price(bids_left), ask.at_price(asks_left)), filled);
    if volume == 0 {
        return Some(Crossed { bids, ..Crossed::default() });
    }
    let shared = bid.shared(1, bids_left).or(ask.shared(0, asks_left));
    // Where W meets the bids' total exactly, any price up to the next one clears.
    let high = if supply == bid.better { search::next_above(rows, low) } else { low };
    let (low, high) = (i64::from(low), i64::from(high));
    // All quantities together are below 2³¹: no sum of prices times lots leaves 64 bits.
    let welfare = value + low * (bids_left - asks_left) + book.fee * volume;
    Some(Crossed { bids, low, high, volume, welfare, shared })
}

/// The same in arrays of a length known to the compiler.
#[inline(always)]
fn cross_few<P: Number, Q: Number, const ROWS: usize>(
    book: &Book<'_, P, Q>,
    zero_surplus: bool,
    filled: &mut [i64],
) -> Option<Crossed> {
    let (mut prices, mut quantities, mut sides) = ([0; ROWS], [0; ROWS], [0; ROWS]);
    let mut rows = Rows { prices: &mut prices, quantities: &mut quantities, sides: &mut sides };
    cross_rows(book, zero_surplus, filled, &mut rows)
}

#[inline(always)]
fn cross_body<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    zero_surplus: bool,
    filled: &mut [i64],
    room: &mut Room,
) -> Option<Crossed> {
    match book.len().div_ceil(STEP) {
        0 => None,
        1 => cross_few::<P, Q, STEP>(book, zero_surplus, filled),
        2 => cross_few::<P, Q, { 2 * STEP }>(book, zero_surplus, filled),
        3 => cross_few::<P, Q, { 3 * STEP }>(book, zero_surplus, filled),
        4 => cross_few::<P, Q, { 4 * STEP }>(book, zero_surplus, filled),
        steps => cross_rows(book, zero_surplus, filled, &mut room.rows(STEP * steps)),
    }
}

on_every_path! {
    /// Crosses a book and writes every fill but those of orders that share what is left, which are zero yet. `None` where
    /// a value does not fit 32 bits (and none that an order may not carry does), or quantities together do not.
    pub fn cross_narrow<P: Number, Q: Number>(
        book: &Book<'_, P, Q>,
        zero_surplus: bool,
        filled: &mut [i64],
        room: &mut Room,
    ) -> Option<Crossed> = cross_body
}
