//! Commands as columns, and one row of them.

use crate::order::{ColumnsError, Integers, ROWS_MAX};
use crate::reject::RejectReason;
use crate::units;

/// Stands for a null in an integer column.
pub const NULL: i64 = i64::MIN;
/// Stands for a price or quantity that is no whole number of ticks or lots.
pub const OFF_GRID: i64 = i64::MIN + 1;

/// The flag of an order that must rest or be refused.
pub const POST_ONLY: u8 = 1;

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// A new order.
    New = 0,
    /// Takes an order out.
    Cancel = 1,
    /// Takes `quantity` lots out of an order, which keeps its place; all that it has left, or more, takes it out.
    Reduce = 2,
    /// Gives an order another price, or another open quantity, or both.
    Replace = 3,
    /// Takes out all orders of a market, or those of one participant there.
    MassCancel = 4,
    /// Stops a market: orders are refused, cancels and reductions are taken.
    Halt = 5,
    /// Lets a halted market go on.
    Resume = 6,
}

impl Op {
    /// Every command, by code.
    pub const ALL: [Self; 7] =
        [Self::New, Self::Cancel, Self::Reduce, Self::Replace, Self::MassCancel, Self::Halt, Self::Resume];

    /// Its name in the `op` column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Cancel => "cancel",
            Self::Reduce => "reduce",
            Self::Replace => "replace",
            Self::MassCancel => "mass_cancel",
            Self::Halt => "halt",
            Self::Resume => "resume",
        }
    }
}

/// How long an order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tif {
    /// Until it is filled or cancelled.
    Gtc = 0,
    /// Now or not at all: what does not trade at once is cancelled.
    Ioc = 1,
    /// All of it now, or nothing.
    Fok = 2,
    /// Until `expires`.
    Gtt = 3,
}

impl Tif {
    /// Every one, by code.
    pub const ALL: [Self; 4] = [Self::Gtc, Self::Ioc, Self::Fok, Self::Gtt];

    /// Its name in the `tif` column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gtc => "gtc",
            Self::Ioc => "ioc",
            Self::Fok => "fok",
            Self::Gtt => "gtt",
        }
    }
}

/// Commands in the order in which they are obeyed, one row each. A column that is `None` has no cell for any row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Commands<'a> {
    /// Number of rows.
    pub rows: usize,
    /// Codes of [`Op`]; without it every row is a new order.
    pub op: Option<&'a [u8]>,
    /// Market of each row; without it every row is of market 0. [`NULL`] in a command that names an order: wherever it is.
    pub market: Option<&'a [i64]>,
    /// Order id; without it the book gives every new order the number after the largest that it has seen.
    pub order: Option<&'a [i64]>,
    /// Participant; without it every order is its own, and nobody trades with himself.
    pub participant: Option<&'a [i64]>,
    /// 1 = buy, 0 = sell.
    pub side: Option<&'a [u8]>,
    /// 1 = market order, whose price is the worst that it takes or [`NULL`]; 0 = limit order.
    pub is_market_order: Option<&'a [u8]>,
    /// Codes of [`Tif`]; without it an order with an expiry is good till then, and any other until cancelled.
    pub tif: Option<&'a [u8]>,
    /// Ticks. [`NULL`] in a replacement: as before.
    pub price: Option<Integers<'a>>,
    /// Lots. [`NULL`] in a replacement: what is open now.
    pub quantity: Option<Integers<'a>>,
    /// Time at which an order is no longer there, ns.
    pub expires: Option<&'a [i64]>,
    /// [`POST_ONLY`].
    pub flags: Option<&'a [u8]>,
    /// Time of each command, ns. The book's clock is the latest time that it has seen.
    pub time: Option<&'a [i64]>,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub market: i64,
    pub order: i64,
    pub participant: i64,
    pub side: u8,
    pub is_market_order: u8,
    pub tif: u8,
    pub price: i64,
    pub quantity: i64,
    pub expires: i64,
    pub flags: u8,
}

impl Commands<'_> {
    /// Checks that the columns fit together.
    ///
    /// # Errors
    /// [`ColumnsError`] where lengths differ or there are too many rows.
    pub fn check(&self) -> Result<(), ColumnsError> {
        let expected = self.rows;
        let bytes = |column: Option<&[u8]>| column.map_or(expected, <[u8]>::len);
        let wide = |column: Option<&[i64]>| column.map_or(expected, <[i64]>::len);
        let number = |column: Option<Integers<'_>>| column.map_or(expected, |column| column.len());
        let lengths = [
            ("op", bytes(self.op)),
            ("market", wide(self.market)),
            ("order", wide(self.order)),
            ("participant", wide(self.participant)),
            ("side", bytes(self.side)),
            ("type", bytes(self.is_market_order)),
            ("tif", bytes(self.tif)),
            ("price", number(self.price)),
            ("quantity", number(self.quantity)),
            ("expires", wide(self.expires)),
            ("flags", bytes(self.flags)),
            ("time", wide(self.time)),
        ];
        for (column, len) in lengths {
            if len != expected {
                return Err(ColumnsError::LengthDiffers { column, len, expected });
            }
        }
        if expected > ROWS_MAX {
            return Err(ColumnsError::TooManyRows { rows: expected });
        }
        Ok(())
    }

    #[inline]
    pub(super) fn op(&self, row: usize) -> u8 {
        self.op.map_or(Op::New as u8, |ops| ops[row])
    }

    pub(super) fn row(&self, row: usize) -> Row {
        let wide = |column: Option<&[i64]>, none: i64| column.map_or(none, |column| column[row]);
        let byte = |column: Option<&[u8]>, none: u8| column.map_or(none, |column| column[row]);
        let number = |column: Option<Integers<'_>>| column.map_or(NULL, |column| column.get(row));
        let expires = wide(self.expires, NULL);
        Row {
            market: wide(self.market, 0),
            order: wide(self.order, NULL),
            participant: wide(self.participant, NULL),
            side: byte(self.side, 255),
            is_market_order: byte(self.is_market_order, 0),
            tif: byte(self.tif, if expires == NULL { Tif::Gtc } else { Tif::Gtt } as u8),
            price: number(self.price),
            quantity: number(self.quantity),
            expires,
            flags: byte(self.flags, 0),
        }
    }
}

/// Why this is no price, or 0.
#[inline]
pub(super) fn price_fault(price: i64) -> Option<RejectReason> {
    if units::price_in_range(price) {
        return None;
    }
    Some(match price {
        NULL => RejectReason::PriceMissing,
        OFF_GRID => RejectReason::PriceOffGrid,
        _ => RejectReason::PriceOutOfRange,
    })
}

/// Why this is no quantity, or 0.
#[inline]
pub(super) fn quantity_fault(quantity: i64) -> Option<RejectReason> {
    if units::quantity_in_range(quantity) {
        return None;
    }
    Some(match quantity {
        NULL => RejectReason::QuantityMissing,
        OFF_GRID => RejectReason::QuantityOffGrid,
        _ => RejectReason::QuantityOutOfRange,
    })
}
