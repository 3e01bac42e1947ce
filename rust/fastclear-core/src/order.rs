//! Orders as columns, and the one door through which an order enters: [`Columns::refuse`].

use crate::auction::Mechanism;
use crate::reject::RejectReason;
use crate::{simd, units};

/// Most rows a call may carry: sums of quantities then stay below 2⁶¹ and row numbers below 2³⁰.
pub const ROWS_MAX: usize = (1 << 30) - 1;

/// The side code of a bid.
pub const BUY: u8 = 1;

/// The side code of an ask.
pub const SELL: u8 = 0;

/// An integer column of either width, borrowed from the caller without a copy.
#[derive(Clone, Copy, Debug)]
pub enum Integers<'a> {
    /// 32-bit column.
    Narrow(&'a [i32]),
    /// 64-bit column.
    Wide(&'a [i64]),
}

impl Default for Integers<'_> {
    fn default() -> Self {
        Self::Wide(&[])
    }
}

impl Integers<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Narrow(column) => column.len(),
            Self::Wide(column) => column.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value in `row`.
    #[inline]
    pub fn get(&self, row: usize) -> i64 {
        match self {
            Self::Narrow(column) => i64::from(column[row]),
            Self::Wide(column) => column[row],
        }
    }
}

/// What the caller hands over: one row an order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Columns<'a> {
    /// 1 = buy, 0 = sell.
    pub side: &'a [u8],
    /// Limit price in ticks.
    pub price: Integers<'a>,
    /// Quantity in lots.
    pub quantity: Integers<'a>,
    /// Market of each row, ascending ids first in the result; without it all rows are market 0.
    pub market: Option<&'a [i64]>,
    /// Order id; without it the row index.
    pub order: Option<&'a [i64]>,
    /// Submission time in ns; without it all orders are of one time.
    pub time: Option<&'a [i64]>,
    /// 1 = market order (its price is ignored), 0 = limit order; without it all are limit orders.
    pub is_market_order: Option<&'a [u8]>,
    /// Participant of each row; without it every order is its own.
    pub participant: Option<&'a [i64]>,
    /// Least quantity that an order accepts, 0 = any (mechanisms that take it).
    pub min_quantity: Option<&'a [i64]>,
    /// Opening quote in ticks (mechanisms that take it); without it the limit.
    pub start_price: Option<&'a [i64]>,
    /// Half of a MUDA market in which the participant stands, 1 = right; without it a coin decides.
    pub half: Option<&'a [u8]>,
    /// Turn of the participant in MUDA's lottery; without it the lottery decides.
    pub turn: Option<&'a [i64]>,
    /// Codes of rows that the border has refused already (nulls, values off the grid), 0 = none.
    pub refused: Option<&'a [u16]>,
}

/// Why a set of columns is no set of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnsError {
    /// A column's length differs from that of `side`.
    LengthDiffers {
        /// Name of the column.
        column: &'static str,
        /// Its length.
        len: usize,
        /// Length of `side`.
        expected: usize,
    },
    /// More rows than [`ROWS_MAX`].
    TooManyRows {
        /// Number of rows.
        rows: usize,
    },
}

impl std::fmt::Display for ColumnsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LengthDiffers { column, len, expected } => {
                write!(f, "column '{column}' has {len} rows and 'side' has {expected}; give columns of one length")
            }
            Self::TooManyRows { rows } => {
                write!(f, "{rows} orders in one call; clear at most {ROWS_MAX} at once")
            }
        }
    }
}

impl std::error::Error for ColumnsError {}

impl Columns<'_> {
    /// Number of orders.
    pub fn len(&self) -> usize {
        self.side.len()
    }

    /// Whether there is no order.
    pub fn is_empty(&self) -> bool {
        self.side.is_empty()
    }

    /// Checks that the columns fit together.
    ///
    /// # Errors
    /// [`ColumnsError`] where lengths differ or there are too many rows.
    pub fn check(&self) -> Result<(), ColumnsError> {
        let expected = self.side.len();
        let lengths = [
            ("price", self.price.len()),
            ("quantity", self.quantity.len()),
            ("market", self.market.map_or(expected, <[i64]>::len)),
            ("order", self.order.map_or(expected, <[i64]>::len)),
            ("time", self.time.map_or(expected, <[i64]>::len)),
            ("type", self.is_market_order.map_or(expected, <[u8]>::len)),
            ("participant", self.participant.map_or(expected, <[i64]>::len)),
            ("min_quantity", self.min_quantity.map_or(expected, <[i64]>::len)),
            ("start_price", self.start_price.map_or(expected, <[i64]>::len)),
            ("half", self.half.map_or(expected, <[u8]>::len)),
            ("turn", self.turn.map_or(expected, <[i64]>::len)),
            ("refused", self.refused.map_or(expected, <[u16]>::len)),
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

    /// Whether `row` is a market order.
    #[inline]
    pub fn is_market_order(&self, row: usize) -> bool {
        self.is_market_order.is_some_and(|kinds| kinds[row] != 0)
    }

    /// The id of the order in `row`.
    #[inline]
    pub fn order_id(&self, row: usize) -> i64 {
        self.order.map_or(row as i64, |ids| ids[row])
    }

    /// The time of the order in `row`.
    #[inline]
    pub fn time_ns(&self, row: usize) -> i64 {
        self.time.map_or(0, |times| times[row])
    }

    /// Whether no order is refused by itself, from a pass without a branch a row; `false` may be wrong where market
    /// orders carry a price that means nothing.
    pub fn all_sound(&self) -> bool {
        let side = self.side;
        self.refused.is_none_or(|codes| codes.iter().all(|&code| code == 0))
            && match (self.price, self.quantity) {
                (Integers::Narrow(price), Integers::Narrow(quantity)) => simd::all_in_range(side, price, quantity),
                (Integers::Narrow(price), Integers::Wide(quantity)) => simd::all_in_range(side, price, quantity),
                (Integers::Wide(price), Integers::Narrow(quantity)) => simd::all_in_range(side, price, quantity),
                (Integers::Wide(price), Integers::Wide(quantity)) => simd::all_in_range(side, price, quantity),
            }
    }

    /// Why the order in `row` is refused by itself (not because of another), 0 if it is not.
    pub fn refuse(&self, row: usize, mechanism: &Mechanism) -> u16 {
        let border = self.refused.map_or(0, |codes| codes[row]);
        let (price, quantity, is_limit) = (self.price.get(row), self.quantity.get(row), !self.is_market_order(row));
        let capped = |price: i64| {
            mechanism.cap_low.is_some_and(|cap| price < cap) || mechanism.cap_high.is_some_and(|cap| price > cap)
        };
        let short = |least: &[i64]| mechanism.takes_minimums() && !(0..=quantity).contains(&least[row]);
        let own = if self.side[row] > BUY {
            RejectReason::UnknownSide.code()
        } else if is_limit && !units::price_in_range(price) {
            RejectReason::PriceOutOfRange.code()
        } else if !units::quantity_in_range(quantity) {
            RejectReason::QuantityOutOfRange.code()
        } else if is_limit && capped(price) {
            RejectReason::PriceOutsideCaps.code()
        } else if self.min_quantity.is_some_and(short) {
            RejectReason::MinQuantityOutOfRange.code()
        } else if mechanism.unit().is_some_and(|unit| unit != quantity) {
            RejectReason::NotOneUnit.code()
        } else if is_limit && mechanism.takes_start_prices() && self.starts_beyond_limit(row) {
            RejectReason::StartBeyondLimit.code()
        } else {
            0
        };
        match (border, own) {
            (0, code) | (code, 0) => code,
            (border, own) => border.min(own),
        }
    }

    fn starts_beyond_limit(&self, row: usize) -> bool {
        self.start_price.is_some_and(|start| {
            let (start, limit) = (start[row], self.price.get(row));
            !units::price_in_range(start) || if self.side[row] == BUY { start > limit } else { start < limit }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auction::Uniform;

    fn one(side: u8, price: i64, quantity: i64) -> (u16, bool) {
        let (side, price, quantity) = ([side], [price], [quantity]);
        let columns = Columns {
            side: &side,
            price: Integers::Wide(&price),
            quantity: Integers::Wide(&quantity),
            ..Columns::default()
        };
        (columns.refuse(0, &Mechanism::from(Uniform::default())), columns.all_sound())
    }

    #[test]
    fn the_pass_over_columns_and_the_door_agree_at_every_bound() {
        for side in [0, 1, 2, 255] {
            for price in [i64::MIN, -(1 << 31), 1 - (1 << 31), 0, (1 << 31) - 1, 1 << 31, i64::MAX] {
                for quantity in [i64::MIN, -1, 0, 1, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, i64::MAX] {
                    let (code, in_range) = one(side, price, quantity);
                    assert_eq!(code == 0, in_range, "side {side} price {price} quantity {quantity}");
                }
            }
        }
    }

    #[test]
    fn the_first_reason_in_precedence_wins() {
        assert_eq!(one(2, i64::MAX, 0).0, RejectReason::UnknownSide.code());
        assert_eq!(one(1, i64::MAX, 0).0, RejectReason::PriceOutOfRange.code());
        assert_eq!(one(1, 0, 0).0, RejectReason::QuantityOutOfRange.code());
    }
}
