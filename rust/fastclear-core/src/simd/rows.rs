//! What the rows of a block of commands are: sound new orders, cancels and replacements by id, or something that needs a
//! closer look.
//!
//! One pass a column, each of which says of every row whether it is amiss; then one that makes a row's class of that.

use crate::units::{PRICE_MAX, QUANTITY_MAX};

use super::on_every_path;

/// Rows a block.
pub const ROWS: usize = 64;
/// Class of a cancel. A new order's is twice its `tif`, and its side.
pub const CANCEL: u8 = 8;
/// Class of a replacement of both price and quantity.
pub const REPLACE: u8 = 9;
/// Class of a row that needs a closer look.
pub const CLOSER: u8 = 255;

/// The cells of a block of commands, [`Cells::null`] where there are none.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a> {
    /// 0 = a new order, 1 = a cancel, 3 = a replacement.
    pub op: &'a [u8; ROWS],
    /// 0 or 1 in a sound order.
    pub side: &'a [u8; ROWS],
    /// 0 = a limit order.
    pub kind: &'a [u8; ROWS],
    /// 0, 1 or 2, where there is no expiry.
    pub tif: &'a [u8; ROWS],
    /// 0 where there are none.
    pub flags: &'a [u8; ROWS],
    /// Order ids.
    pub order: &'a [i64; ROWS],
    /// Market ids.
    pub market: &'a [i64; ROWS],
    /// Participant ids.
    pub participant: &'a [i64; ROWS],
    /// Times at which orders expire.
    pub expires: &'a [i64; ROWS],
    /// Ticks.
    pub price: &'a [i64; ROWS],
    /// Lots.
    pub quantity: &'a [i64; ROWS],
    /// Whether a new order has to have an id.
    pub has_orders: bool,
    /// Whether it has to have a participant.
    pub has_participants: bool,
    /// What stands for a null.
    pub null: i64,
    /// Code of a participant that is none, or whose code has to be looked up.
    pub nobody: u32,
}

/// What a block of rows is.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Below [`CANCEL`] a sound new order, [`CANCEL`], [`REPLACE`], or [`CLOSER`].
    pub class: [u8; ROWS],
    /// Ticks of a new order, or of a replacement.
    pub price: [i32; ROWS],
    /// Lots of a new order, or of a replacement.
    pub quantity: [u32; ROWS],
    /// Code of the participant that it names, or `nobody`.
    pub owner: [u32; ROWS],
}

impl Default for Rows {
    fn default() -> Self {
        Self::new()
    }
}

impl Rows {
    /// Rows that all need a closer look.
    pub fn new() -> Self {
        Self { class: [CLOSER; ROWS], price: [0; ROWS], quantity: [0; ROWS], owner: [0; ROWS] }
    }

    /// Reads a block.
    pub fn read(&mut self, cells: &Cells<'_>) {
        read(self, cells);
    }
}

on_every_path! {
    fn read<>(rows: &mut Rows, cells: &Cells<'_>) -> () = read_body
}

#[expect(clippy::needless_range_loop, reason = "one row of many columns")]
#[inline(always)]
fn read_body(rows: &mut Rows, cells: &Cells<'_>) {
    let Cells { null, nobody, .. } = *cells;
    let (needs_order, needs_participant) = (cells.has_orders, cells.has_participants);
    // Of every row: whether price or quantity are amiss, whether something else of an order is, and whether a cancel would be.
    let mut numbers = [0_u8; ROWS];
    let mut amiss = [0_u8; ROWS];
    let mut names = [0_u8; ROWS];
    for row in 0..ROWS {
        let price = cells.price[row];
        // One comparison: from below the range, too, it is a large number.
        numbers[row] = u8::from(price.wrapping_add(PRICE_MAX) as u64 > 2 * PRICE_MAX as u64);
        rows.price[row] = price as i32;
    }
    for row in 0..ROWS {
        let quantity = cells.quantity[row];
        numbers[row] |= u8::from(quantity.wrapping_sub(1) as u64 >= QUANTITY_MAX as u64);
        rows.quantity[row] = quantity as u32;
    }
    for row in 0..ROWS {
        let participant = cells.participant[row];
        let is_small = (participant as u64) < u64::from(nobody >> 1);
        let is_anybodys = participant == null;
        amiss[row] = u8::from(!(is_small | (is_anybodys & !needs_participant)));
        names[row] = u8::from(!(is_small | is_anybodys));
        rows.owner[row] = if is_small { participant as u32 } else { nobody };
    }
    for row in 0..ROWS {
        amiss[row] |= u8::from(cells.expires[row] != null) | u8::from(cells.market[row] == null);
    }
    for row in 0..ROWS {
        let is_unnamed = u8::from(cells.order[row] == null);
        amiss[row] |= is_unnamed & u8::from(needs_order);
        names[row] |= is_unnamed;
    }
    for row in 0..ROWS {
        let (op, side, tif) = (cells.op[row], cells.side[row], cells.tif[row]);
        let is_sound = (numbers[row] | cells.flags[row]) == 0;
        let is_new = (op == 0) & (side <= 1) & (tif <= 2) & is_sound & ((cells.kind[row] | amiss[row]) == 0);
        let is_cancel = (op == 1) & (names[row] == 0);
        let is_replace = (op == 3) & (names[row] == 0) & is_sound;
        rows.class[row] = if is_new {
            tif << 1 | side
        } else if is_cancel {
            CANCEL
        } else if is_replace {
            REPLACE
        } else {
            CLOSER
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row as its meaning has it.
    fn class(cells: &Cells<'_>, row: usize) -> u8 {
        let [op, side, kind, tif, flags] =
            [cells.op, cells.side, cells.kind, cells.tif, cells.flags].map(|column| column[row]);
        let participant = (cells.participant[row] != cells.null).then_some(cells.participant[row]);
        let has_order = cells.order[row] != cells.null;
        let is_small = |id| (0..(1 << 31) - 1).contains(&id);
        let may_name = has_order && participant.is_none_or(is_small);
        if op == 1 && may_name {
            return CANCEL;
        }
        let is_known = participant.map_or(!cells.has_participants, is_small);
        let is_priced =
            (-PRICE_MAX..=PRICE_MAX).contains(&cells.price[row]) && (1..=QUANTITY_MAX).contains(&cells.quantity[row]);
        if op == 3 && may_name && flags == 0 && is_priced {
            return REPLACE;
        }
        let is_sound = is_priced
            && cells.expires[row] == cells.null
            && cells.market[row] != cells.null
            && (has_order || !cells.has_orders)
            && is_known;
        if op == 0 && side < 2 && kind == 0 && tif < 3 && flags == 0 && is_sound { 2 * tif + side } else { CLOSER }
    }

    #[test]
    fn every_path_tells_rows_apart() {
        const NULL: i64 = i64::MIN;
        let mut state = 11_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            (state >> 33) % below
        };
        let wild = [NULL, NULL + 1, -1, 0, 1, 2, (1 << 31) - 2, (1 << 31) - 1, 1 << 31, 1 - (1 << 31), i64::MAX];
        let mut seen = [0; 256];
        for _ in 0..500 {
            let mut bytes = [[0_u8; ROWS]; 5];
            let mut wides = [[0_i64; ROWS]; 6];
            for row in 0..ROWS {
                let is_wild = draw(3) == 0;
                bytes = bytes.map(|mut column| {
                    column[row] = draw(if is_wild { 5 } else { 2 }) as u8;
                    column
                });
                wides = wides.map(|mut column| {
                    column[row] = if is_wild { wild[draw(11) as usize] } else { 1 + draw(9) as i64 };
                    column
                });
                if draw(4) > 0 {
                    (bytes[2][row], bytes[4][row], wides[3][row]) = (0, 0, NULL);
                }
                if draw(4) == 0 {
                    bytes[3][row] = 2;
                }
                if bytes[0][row] == 1 && draw(3) > 0 {
                    bytes[0][row] = [1, 3][draw(2) as usize];
                    wides[2][row] = [NULL, 7][draw(2) as usize];
                }
            }
            let [op, side, kind, tif, flags] = &bytes;
            let [order, market, participant, expires, price, quantity] = &wides;
            let (has_orders, has_participants) = (draw(2) == 0, draw(2) == 0);
            let cells = Cells {
                op,
                side,
                kind,
                tif,
                flags,
                order,
                market,
                participant,
                expires,
                price,
                quantity,
                has_orders,
                has_participants,
                null: NULL,
                nobody: u32::MAX,
            };
            let (mut rows, mut plain) = (Rows::new(), Rows::new());
            rows.read(&cells);
            read_body(&mut plain, &cells);
            for row in 0..ROWS {
                let expected = class(&cells, row);
                seen[usize::from(expected)] += 1;
                assert_eq!((rows.class[row], plain.class[row]), (expected, expected), "{cells:?} row {row}");
                if expected <= REPLACE && expected != CANCEL {
                    assert_eq!(i64::from(rows.price[row]), price[row]);
                    assert_eq!(i64::from(rows.quantity[row]), quantity[row]);
                }
                if expected <= REPLACE {
                    let owner = if participant[row] == NULL { u32::MAX } else { participant[row] as u32 };
                    assert_eq!(rows.owner[row], owner);
                }
            }
        }
        assert!(
            seen[..6].iter().all(|&n| n > 20)
                && [CANCEL, REPLACE].map(usize::from).iter().all(|&class| seen[class] > 100),
            "{seen:?}"
        );
    }
}
