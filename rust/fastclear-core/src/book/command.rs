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
/// The flag of an order that must rest, and whose price moves so far that it can.
pub const SLIDE: u8 = 2;
/// The flag of an order that trades with all of its quantity at once, or waits.
pub const ALL_OR_NONE: u8 = 4;

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
    /// Takes a market into another phase.
    Phase = 7,
}

impl Op {
    /// Every command, by code.
    pub const ALL: [Self; 8] =
        [Self::New, Self::Cancel, Self::Reduce, Self::Replace, Self::MassCancel, Self::Halt, Self::Resume, Self::Phase];

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
            Self::Phase => "phase",
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

/// What a pegged order follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Peg {
    /// The best price of its own side.
    Best = 1,
    /// The middle between the best prices of both sides.
    Mid = 2,
}

impl Peg {
    /// Every one, by code from 1 on.
    pub const ALL: [Self; 2] = [Self::Best, Self::Mid];

    /// Its name in the `peg` column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Mid => "mid",
        }
    }
}

/// What a market does with its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Orders rest, and none match.
    PreOpen = 0,
    /// Orders trade as they come in.
    Continuous = 1,
    /// Orders are refused, cancels and reductions are taken.
    Halted = 2,
}

impl Phase {
    /// Every one, by code.
    pub const ALL: [Self; 3] = [Self::PreOpen, Self::Continuous, Self::Halted];

    /// Its name in the `phase` column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreOpen => "pre_open",
            Self::Continuous => "continuous",
            Self::Halted => "halted",
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
    /// [`POST_ONLY`], [`SLIDE`], [`ALL_OR_NONE`], as bits.
    pub flags: Option<&'a [u8]>,
    /// Lots of an order that are shown at a time; [`NULL`]: all.
    pub display: Option<Integers<'a>>,
    /// Lots that an order trades at one moment at least; [`NULL`]: any.
    pub min_quantity: Option<Integers<'a>>,
    /// Price of the market's last trade at which an order comes in; [`NULL`]: at once. In a replacement: as before.
    pub stop: Option<Integers<'a>>,
    /// Codes of [`Peg`]; 0: the price is the order's own.
    pub peg: Option<&'a [u8]>,
    /// Ticks by which a pegged order is less keen than what it follows; [`NULL`]: none.
    pub offset: Option<Integers<'a>>,
    /// Codes of [`Phase`], of a command that changes it.
    pub phase: Option<&'a [u8]>,
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
    pub display: i64,
    pub min_quantity: i64,
    pub stop: i64,
    pub peg: u8,
    pub offset: i64,
    pub phase: u8,
}

impl Row {
    /// Whether it asks for more than a plain order has, its flags aside.
    #[inline]
    pub fn asks_more(&self) -> bool {
        let cells = [self.display, self.min_quantity, self.stop, self.offset];
        self.peg != 0 || cells.iter().any(|&cell| cell != NULL)
    }
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
            ("display", number(self.display)),
            ("min_quantity", number(self.min_quantity)),
            ("stop", number(self.stop)),
            ("peg", bytes(self.peg)),
            ("offset", number(self.offset)),
            ("phase", bytes(self.phase)),
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

    /// Whether there is a column that no plain order has a cell in.
    #[inline]
    pub(super) fn may_ask_more(&self) -> bool {
        let numbers = [self.display, self.min_quantity, self.stop, self.offset];
        self.peg.is_some() || numbers.iter().any(Option::is_some)
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
            display: number(self.display),
            min_quantity: number(self.min_quantity),
            stop: number(self.stop),
            peg: byte(self.peg, 0),
            offset: number(self.offset),
            phase: byte(self.phase, 255),
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
