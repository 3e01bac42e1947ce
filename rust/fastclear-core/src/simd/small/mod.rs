//! Small books, crossed as a whole: read once into 32 bits, searched by bisection, filled around the price found.
//!
//! A book of up to 64 orders is held in arrays of a length that the compiler knows; a longer one goes the same way through
//! memory that the caller lends. With AVX-512 the former is held in registers, and not searched but weighed at several
//! prices at once (`registers.rs`). What does not fit 32 bits is left to the passes for books of any size.

mod fill;
#[cfg(target_arch = "x86_64")]
mod registers;
mod rows;
mod search;
mod wide;

pub use rows::Room;
pub use wide::quantile;

use super::on_every_path;
use crate::auction::book::{Book, Number};
use fill::{Around, OneSide};
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
    /// One bit for each order at `low`, of either side; none where they were not listed.
    pub level: u64,
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
    let around = fill::around(rows, low);
    let (bids_left, asks_left) = left(around.bids, around.asks, zero_surplus);
    fill::write(rows, low, (around.bids.at_price(bids_left), around.asks.at_price(asks_left)), filled);
    Some(around.crossed((book.fee, bids), low, (bids_left, asks_left), 0, || search::next_above(rows, low)))
}

/// What is left at the price for bids and for asks.
#[inline(always)]
fn left(bid: OneSide, ask: OneSide, zero_surplus: bool) -> (i64, i64) {
    let (demand, supply) = (bid.better + bid.level, ask.better + ask.level);
    let volume = if zero_surplus { demand.min(supply) } else { bid.better.max(ask.better) };
    (volume - bid.better, volume - ask.better)
}

impl Around {
    /// What follows, of what was left at the price for bids and for asks.
    #[inline(always)]
    fn crossed(
        &self,
        (fee, bids): (i64, u32),
        low: i32,
        (bids_left, asks_left): (i64, i64),
        level: u64,
        next_above: impl FnOnce() -> i32,
    ) -> Crossed {
        let (bid, ask) = (self.bids, self.asks);
        let volume = bid.better + bids_left;
        if volume == 0 {
            return Crossed { bids, ..Crossed::default() };
        }
        let shared = bid.shared(1, bids_left, level).or(ask.shared(0, asks_left, level));
        // Where W meets the bids' total exactly, any price up to the next one clears.
        let high = if ask.better + ask.level == bid.better { next_above() } else { low };
        let (low, high) = (i64::from(low), i64::from(high));
        // All quantities together are below 2³¹: no sum of prices times lots leaves 64 bits.
        let welfare = self.value + low * (bids_left - asks_left) + fee * volume;
        Crossed { bids, low, high, volume, welfare, shared }
    }
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
    /// See [`cross_narrow`]; in loops that the compiler turns into vectors.
    fn cross_loops<P: Number, Q: Number>(
        book: &Book<'_, P, Q>,
        zero_surplus: bool,
        filled: &mut [i64],
        room: &mut Room,
    ) -> Option<Crossed> = cross_body
}

/// Crosses a book and writes every fill but those of orders that share what is left, which are zero yet. `None` where
/// a value does not fit 32 bits (and none that an order may not carry does), or quantities together do not.
#[inline]
pub fn cross_narrow<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    zero_surplus: bool,
    filled: &mut [i64],
    room: &mut Room,
) -> Option<Crossed> {
    #[cfg(target_arch = "x86_64")]
    if super::path() == super::Path::Avx512 {
        // SAFETY: `path` asked the machine for these features.
        #[allow(unsafe_code, reason = "see SAFETY")]
        let crossed = unsafe {
            match book.len().div_ceil(STEP) {
                1 => registers::cross::<P, Q, 1>(book, zero_surplus, filled),
                2 => registers::cross::<P, Q, 2>(book, zero_surplus, filled),
                3 => registers::cross::<P, Q, 3>(book, zero_surplus, filled),
                4 => registers::cross::<P, Q, 4>(book, zero_surplus, filled),
                _ => None,
            }
        };
        if crossed.is_some() {
            return crossed;
        }
    }
    cross_loops(book, zero_surplus, filled, room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Path, allow, path};

    /// A book of one column width, some of it flawed, crossed in registers and in loops.
    fn check<P: Number, Q: Number>(columns: (&[u8], &[P], &[Q]), fee: i64, zero_surplus: bool) -> bool {
        let (side, price, quantity) = columns;
        let book = Book { side, price, quantity, fee };
        let mut room = Room::default();
        let crossed = [Path::Scalar, Path::Avx512].map(|best| {
            allow(best);
            let mut filled = vec![-7; book.len()];
            let crossed = cross_narrow(&book, zero_surplus, &mut filled, &mut room);
            (crossed, crossed.map(|_| filled))
        });
        let [(slow, slow_filled), (mut fast, fast_filled)] = crossed;
        let listed =
            fast.as_mut().and_then(|fast| fast.shared.as_mut()).map(|shared| std::mem::take(&mut shared.level));
        assert_eq!((slow, slow_filled), (fast, fast_filled), "{} orders", book.len());
        if let (Some(listed @ 1..), Some(Crossed { low, .. })) = (listed, slow) {
            let at_low = (0..book.len()).filter(|&i| book.competing_price(i) == low);
            assert_eq!(listed, at_low.fold(0, |bits, i| bits | 1 << i));
        }
        listed.is_some_and(|listed| listed != 0)
    }

    #[test]
    fn registers_cross_as_loops_do() {
        let mut state = 1_u64;
        let mut below = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let mut listed = 0;
        for round in 0..20_000 {
            let rows = 1 + below(70) as usize;
            let ticks = [1, 2, 5, 40, 1 << 20, (1 << 31) - 1][below(6) as usize];
            let lots = [1, 3, 1000, 1 << 25, 1 << 26, (1 << 31) - 1][below(6) as usize];
            let lift = [0, 0, -(ticks as i64), -(ticks as i64) / 2][below(4) as usize];
            let fee = [0, 0, 1, 7, -1, i64::from(i32::MAX), 1 << 40][below(7) as usize];
            let mut price: Vec<i64> = (0..rows).map(|_| below(ticks) as i64 + lift).collect();
            match below(4) {
                0 => price.sort_unstable(),
                1 => price.sort_unstable_by(|a, b| b.cmp(a)),
                _ => {}
            }
            let bids = [0, 1, 2, 5, 9, 10][below(6) as usize];
            let mut side: Vec<u8> = (0..rows).map(|_| u8::from(below(10) < bids)).collect();
            let mut quantity: Vec<i64> = (0..rows).map(|_| 1 + below(lots) as i64).collect();
            let row = below(rows as u64) as usize;
            match below(20) {
                0 => quantity[row] = [0, -1, i64::MIN, 1 << 31, 1 << 32, i64::MAX][below(6) as usize],
                1 => price[row] = [i64::from(i32::MIN), i64::from(i32::MAX), 1 << 31, i64::MIN][below(4) as usize],
                2 => side[row] = [2, 3, 128, 255][below(4) as usize],
                _ => {}
            }
            let zero_surplus = round % 2 == 0;
            listed += usize::from(check((&side, &price, &quantity), fee, zero_surplus));
            let narrow = |column: &[i64]| column.iter().map(|&value| value as i32).collect::<Vec<i32>>();
            let (narrow_price, narrow_quantity) = (narrow(&price), narrow(&quantity));
            check((&side, &narrow_price, &narrow_quantity), fee, zero_surplus);
            check((&side, &narrow_price, &quantity), fee, zero_surplus);
            check((&side, &price, &narrow_quantity), fee, zero_surplus);
        }
        allow(Path::Avx512);
        assert!(path() != Path::Avx512 || listed > 100, "levels are shared in registers: {listed}");
    }
}
