//! A few dozen commands read from their columns at once.
//!
//! Which columns there are is asked once a block. What most rows are, a sound new order or a cancel by id, is told by one
//! pass over the columns (`simd/rows.rs`); such a row then needs no look at its faults.

use crate::order::{BUY, Integers};
use crate::simd::{self, Cells, ROWS, Rows};

use super::command::{Commands, NULL};
use super::event::NOWHERE;
use super::layout::NOBODY;

/// Rows a block.
pub(super) const BLOCK: usize = ROWS;
/// [`Plain::class`] of a cancel; below it are new orders, by `tif` and side.
pub(super) const CANCEL: u8 = simd::CANCEL;
/// That of a replacement of price and quantity.
pub(super) const REPLACE: u8 = simd::REPLACE;

/// Bytes a line of the cache.
const LINE: usize = 64;

/// A row, as far as most rows go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub order: i64,
    pub market: i64,
    pub price: i32,
    pub quantity: u32,
    /// Code of the participant.
    pub owner: u32,
    /// Of a new order.
    pub side: u8,
    pub tif: u8,
}

static NULLS: [i64; BLOCK] = [NULL; BLOCK];
static MARKET_0: [i64; BLOCK] = [0; BLOCK];
static NOTHING: [u8; BLOCK] = [0; BLOCK];
static NO_SIDES: [u8; BLOCK] = [255; BLOCK];

/// Rows of a call, some at a time.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Number of the first row of the call that was read, and how many were.
    pub from: usize,
    pub n: usize,
    /// Rows that name an order that is to be there, a bit a row.
    named: u64,
    rows: Rows,
    order: [i64; BLOCK],
    market: [i64; BLOCK],
    /// What was found out ahead: places of the markets that are named, [`NOWHERE`] where nobody looked or there is none.
    pub places: [u32; BLOCK],
    /// Rows whose order is in a room that only the head of its market leads to, a bit a row.
    pub far: u64,
}

impl Block {
    pub fn new() -> Self {
        Self {
            from: 0,
            n: 0,
            named: 0,
            rows: Rows::new(),
            order: NULLS,
            market: MARKET_0,
            places: [NOWHERE; BLOCK],
            far: 0,
        }
    }

    /// What each row is.
    #[inline(always)]
    pub fn classes(&self) -> &[u8] {
        &self.rows.class[..self.n]
    }

    /// Rows that name an order which is to be there already, and its id.
    #[inline(always)]
    pub fn named(&self) -> impl Iterator<Item = (usize, i64)> {
        self.orders(self.named)
    }

    /// Those of some rows, a bit a row, and the ids of their orders.
    #[inline(always)]
    pub fn orders(&self, mut rows: u64) -> impl Iterator<Item = (usize, i64)> {
        std::iter::from_fn(move || {
            let row = rows.trailing_zeros() as usize;
            rows &= rows.wrapping_sub(1);
            self.order.get(row).map(|&order| (row, order))
        })
    }

    /// Ids of the markets that the rows name.
    #[inline(always)]
    pub fn markets(&self) -> &[i64] {
        &self.market[..self.n]
    }

    /// A row that is a sound new order, a cancel, or a replacement.
    #[inline(always)]
    pub fn row(&self, row: usize) -> Plain {
        let row = row % BLOCK;
        let class = self.rows.class[row];
        Plain {
            order: self.order[row],
            market: self.market[row],
            price: self.rows.price[row],
            quantity: self.rows.quantity[row],
            owner: self.rows.owner[row],
            side: class & BUY,
            tif: class >> 1,
        }
    }

    /// Reads at most [`BLOCK`] rows from `from` on.
    pub fn read(&mut self, commands: &Commands<'_>, from: usize) {
        fetch(commands, from + 2 * BLOCK);
        let n = BLOCK.min(commands.rows - from);
        (self.from, self.n) = (from, n);
        (self.places, self.far) = ([NOWHERE; BLOCK], 0);
        let mut room = [NULLS; 4];
        let [prices, quantities, participants, expiries] = &mut room;
        cells(commands.order, from, n, NULL, &mut self.order);
        cells(commands.market, from, n, 0, &mut self.market);
        let mut bytes = [NOTHING; 5];
        let [op, side, kind, tif, flags] = &mut bytes;
        self.rows.read(&Cells {
            op: window(commands.op, from, n, &NOTHING, op),
            side: window(commands.side, from, n, &NO_SIDES, side),
            kind: window(commands.is_market_order, from, n, &NOTHING, kind),
            tif: window(commands.tif, from, n, &NOTHING, tif),
            flags: window(commands.flags, from, n, &NOTHING, flags),
            order: &self.order,
            market: &self.market,
            participant: window(commands.participant, from, n, &NULLS, participants),
            expires: window(commands.expires, from, n, &NULLS, expiries),
            price: whole(commands.price, from, n, prices),
            quantity: whole(commands.quantity, from, n, quantities),
            has_orders: commands.order.is_some(),
            has_participants: commands.participant.is_some(),
            null: NULL,
            nobody: NOBODY,
        });
        if commands.may_ask_more() {
            for (index, class) in (from..).zip(&mut self.rows.class[..n]) {
                if commands.row(index).asks_more() {
                    *class = simd::CLOSER;
                }
            }
        }
        self.named = at_least_cancel(&self.rows.class) & (u64::MAX >> (BLOCK - n));
    }
}

/// Which classes are no new order's, a bit a row: what is asked of every row without a branch, for nobody can guess.
fn at_least_cancel(classes: &[u8; BLOCK]) -> u64 {
    // Of classes only those from `CANCEL` on have its bit. The product gathers the first bits of eight bytes in the last one.
    const FIRST_BITS: u64 = u64::MAX / 255;
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (eights, _) = classes.as_chunks::<8>();
    eights.iter().rev().fold(0, |bits, &eight| {
        let first = u64::from_le_bytes(eight) >> CANCEL.ilog2() & FIRST_BITS;
        bits << 8 | first.wrapping_mul(GATHER) >> 56
    })
}

/// Asks for the columns of a block that is yet to be read: nobody else sees in time that so many of them go on.
fn fetch(commands: &Commands<'_>, from: usize) {
    let wides = [commands.market, commands.order, commands.participant, commands.expires];
    for column in wides.into_iter().flatten() {
        fetch_column(column, from);
    }
    for column in [commands.price, commands.quantity].into_iter().flatten() {
        match column {
            Integers::Wide(column) => fetch_column(column, from),
            Integers::Narrow(column) => fetch_column(column, from),
        }
    }
    for column in
        [commands.op, commands.side, commands.is_market_order, commands.tif, commands.flags].into_iter().flatten()
    {
        fetch_column(column, from);
    }
}

/// Asks for as many cells of a column as a block has.
fn fetch_column<T>(column: &[T], from: usize) {
    for place in (0..BLOCK).step_by(LINE / size_of::<T>()) {
        simd::prefetch_ahead(column, from + place);
    }
}

/// Copies the cells of a column, or what stands for none.
fn cells(column: Option<&[i64]>, from: usize, n: usize, none: i64, to: &mut [i64; BLOCK]) {
    match column {
        Some(column) => to[..n].copy_from_slice(&column[from..from + n]),
        None => to.fill(none),
    }
}

/// As many cells of a column as a block has: where they stand, or in the room where the column ends before.
fn window<'a, T: Copy>(
    column: Option<&'a [T]>,
    from: usize,
    n: usize,
    none: &'static [T; BLOCK],
    room: &'a mut [T; BLOCK],
) -> &'a [T; BLOCK] {
    let Some(column) = column else { return none };
    let cells = &column[from..from + n];
    if let Some(whole) = cells.first_chunk() {
        return whole;
    }
    room[..n].copy_from_slice(cells);
    room
}

/// Cells of an integer column of any width, or of none.
fn whole<'a>(column: Option<Integers<'a>>, from: usize, n: usize, room: &'a mut [i64; BLOCK]) -> &'a [i64; BLOCK] {
    match column {
        None => &NULLS,
        Some(Integers::Wide(column)) => window(Some(column), from, n, &NULLS, room),
        Some(Integers::Narrow(column)) => {
            for (cell, &value) in room.iter_mut().zip(&column[from..from + n]) {
                *cell = i64::from(value);
            }
            room
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_name_an_order_are_told_from_those_that_bring_one() {
        let classes: [u8; BLOCK] = std::array::from_fn(|row| [0, 8, 5, 255, 1, 9, 4, 3, 2][row * row % 9]);
        for row in 0..BLOCK {
            assert_eq!(at_least_cancel(&classes) >> row & 1 == 1, classes[row] >= CANCEL, "row {row}");
        }
    }
}
