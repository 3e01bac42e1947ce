//! A few dozen commands read from their columns at once.
//!
//! Which columns there are is asked once a block. What most rows are, a sound new order or a cancel by id, is seen in one
//! pass without a branch; such a row then needs no look at its faults.

#![expect(clippy::needless_bitwise_bool, reason = "a lazy operator is a branch, and rows differ at random")]

use crate::order::{BUY, Integers};
use crate::units;

use super::command::{Commands, NULL, Op, Tif};
use super::layout::NOBODY;

/// Rows a block.
pub(super) const BLOCK: usize = 64;
/// [`Plain::op`] of a row that needs a closer look.
pub(super) const CLOSER: u8 = 255;

/// A row, as far as most rows go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub order: i64,
    pub market: i64,
    pub price: i32,
    pub quantity: u32,
    /// Code of the participant.
    pub owner: u32,
    /// The code of a new order or of a cancel, or [`CLOSER`].
    pub op: u8,
    pub side: u8,
    pub tif: u8,
}

const NO_ROW: Plain =
    Plain { order: NULL, market: NULL, price: 0, quantity: 0, owner: NOBODY, op: CLOSER, side: 0, tif: 0 };

static NULLS: [i64; BLOCK] = [NULL; BLOCK];
static MARKET_0: [i64; BLOCK] = [0; BLOCK];
static NOTHING: [u8; BLOCK] = [0; BLOCK];
static NO_SIDES: [u8; BLOCK] = [255; BLOCK];

/// Rows of a call, some at a time.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Number of the first row of the call that was read, and how many were.
    pub from: usize,
    n: usize,
    rows: [Plain; BLOCK],
    wide: [[i64; BLOCK]; 2],
}

impl Block {
    pub fn new() -> Self {
        Self { from: 0, n: 0, rows: [NO_ROW; BLOCK], wide: [[0; BLOCK]; 2] }
    }

    /// The rows that were read.
    pub fn rows(&self) -> &[Plain] {
        &self.rows[..self.n]
    }

    /// Reads at most [`BLOCK`] rows from `from` on.
    pub fn read(&mut self, commands: &Commands<'_>, from: usize) {
        let n = BLOCK.min(commands.rows - from);
        (self.from, self.n) = (from, n);
        let bytes = |column: Option<&'_ [u8]>, none: &'static [u8; BLOCK]| -> [u8; BLOCK] {
            let mut cells = *none;
            if let Some(column) = column {
                cells[..n].copy_from_slice(&column[from..from + n]);
            }
            cells
        };
        let [price, quantity] = &mut self.wide;
        let price = whole(commands.price, from, n, price);
        let quantity = whole(commands.quantity, from, n, quantity);
        let market = commands.market.map_or(&MARKET_0[..n], |column| &column[from..from + n]);
        let order = commands.order.map_or(&NULLS[..n], |column| &column[from..from + n]);
        let participant = commands.participant.map_or(&NULLS[..n], |column| &column[from..from + n]);
        let expires = commands.expires.map_or(&NULLS[..n], |column| &column[from..from + n]);
        let op = bytes(commands.op, &NOTHING);
        let side = bytes(commands.side, &NO_SIDES);
        let kind = bytes(commands.is_market_order, &NOTHING);
        let tif = bytes(commands.tif, &NOTHING);
        let flags = bytes(commands.flags, &NOTHING);
        let (has_participants, names_no_order) = (commands.participant.is_some(), commands.order.is_none());
        for (row, plain) in self.rows[..n].iter_mut().enumerate() {
            let (participant, order, market) = (participant[row], order[row], market[row]);
            let (price, quantity) = (price[row], quantity[row]);
            let is_small = (0..i64::from(NOBODY >> 1)).contains(&participant);
            let is_anybodys = participant == NULL;
            let is_new = (op[row] == Op::New as u8)
                & (side[row] <= BUY)
                & (tif[row] <= Tif::Fok as u8)
                & (kind[row] == 0)
                & (flags[row] == 0)
                & (expires[row] == NULL)
                & units::price_in_range(price)
                & units::quantity_in_range(quantity)
                & ((order != NULL) | names_no_order)
                & (market != NULL)
                & (is_small | (is_anybodys & !has_participants));
            let is_cancel = (op[row] == Op::Cancel as u8) & (order != NULL) & is_anybodys;
            *plain = Plain {
                order,
                market,
                price: price as i32,
                quantity: quantity as u32,
                owner: if is_small { participant as u32 } else { NOBODY },
                op: if is_new {
                    Op::New as u8
                } else if is_cancel {
                    Op::Cancel as u8
                } else {
                    CLOSER
                },
                side: side[row],
                tif: tif[row],
            };
        }
        if commands.may_ask_more() {
            for (index, plain) in (from..).zip(&mut self.rows[..n]) {
                if commands.row(index).asks_more() {
                    plain.op = CLOSER;
                }
            }
        }
    }
}

/// Cells of an integer column of any width, or of none.
fn whole<'a>(column: Option<Integers<'a>>, from: usize, n: usize, room: &'a mut [i64; BLOCK]) -> &'a [i64] {
    match column {
        None => &NULLS[..n],
        Some(Integers::Wide(column)) => &column[from..from + n],
        Some(Integers::Narrow(column)) => {
            for (cell, &value) in room.iter_mut().zip(&column[from..from + n]) {
                *cell = i64::from(value);
            }
            &room[..n]
        }
    }
}
