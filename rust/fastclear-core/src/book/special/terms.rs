//! What an order asks for beyond a plain one, and which of it makes no sense.

use crate::order::BUY;
use crate::reject::RejectReason;
use crate::units;

use super::super::command::{ALL_OR_NONE, NULL, POST_ONLY, Peg, Row, SLIDE, Tif};

/// How many times an iceberg may be shown: each is an event, and a lot shown at a time of billions would fill memory.
const SHOWN_MOST: u64 = 1_000;
/// Lots or a minimum that stand for all of an order.
pub(in crate::book) const WHOLE: u32 = u32::MAX;

/// What an order asks for beyond side, price and quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::book) struct Terms {
    /// Its worst price; any where there is none.
    pub limit: Option<i32>,
    /// Lots shown at a time.
    pub display: u32,
    /// Lots that it trades at one moment at least; up to 1: any.
    pub minimum: u32,
    /// Where it waits for the market's last price to come.
    pub stop: Option<i32>,
    /// What its price follows, and by how many ticks it is less keen.
    pub peg: Option<(Peg, u32)>,
    /// Whether what does not trade rests.
    pub rests: bool,
    /// Whether it is to trade all at once or nothing, and does not rest.
    pub is_fok: bool,
    /// Whether it is a market order.
    pub is_market: bool,
}

impl Terms {
    /// Those of a limit order that rests.
    pub fn plain(limit: i32) -> Self {
        Self {
            limit: Some(limit),
            display: WHOLE,
            minimum: 0,
            stop: None,
            peg: None,
            rests: true,
            is_fok: false,
            is_market: false,
        }
    }

    /// Whether an order that rests needs nothing remembered beside its place.
    pub fn rests_plain(&self) -> bool {
        self.display == WHOLE && self.minimum <= 1 && self.peg.is_none()
    }

    /// Whether a market needs more than its layout for an order.
    pub fn are_rich(&self) -> bool {
        !self.rests_plain() || self.stop.is_some()
    }

    /// Whether it stands beside the layout and trades only with its minimum.
    pub fn is_conditional(&self) -> bool {
        self.minimum > 1
    }

    /// Lots that it must trade at one moment, of so many that it has open.
    pub fn least(&self, open: u32) -> u32 {
        self.minimum.min(open).max(1)
    }

    /// The limit in matching: any price is the worst that there is.
    pub fn worst(&self, side: u8) -> i32 {
        self.limit.unwrap_or(if side == BUY { i32::MAX } else { i32::MIN })
    }

    /// Terms of a new order whose type, `tif`, price and quantity have no fault of their own.
    pub fn read(row: &Row) -> Result<Self, RejectReason> {
        let quantity = row.quantity;
        if row.min_quantity != NULL && !(0..=quantity).contains(&row.min_quantity) {
            return Err(RejectReason::MinQuantityOutOfRange);
        }
        if row.display != NULL && (!(1..=quantity).contains(&row.display) || is_shown_too_often(row.display, quantity))
        {
            return Err(RejectReason::DisplayInvalid);
        }
        let stop = Self::stop(row)?;
        let peg = match Peg::ALL.into_iter().find(|&peg| peg as u8 == row.peg) {
            Some(peg) => {
                let offset = if row.offset == NULL { 0 } else { row.offset };
                if offset < 0 || !units::price_in_range(offset) {
                    return Err(RejectReason::PegInvalid);
                }
                Some((peg, offset as u32))
            }
            None if row.peg == 0 => None,
            None => return Err(RejectReason::PegInvalid),
        };
        let minimum = match row.min_quantity {
            _ if row.flags & ALL_OR_NONE != 0 => WHOLE,
            NULL => 0,
            lots => lots as u32,
        };
        let is_limit = row.is_market_order == 0;
        let rests = is_limit && (row.tif == Tif::Gtc as u8 || row.tif == Tif::Gtt as u8);
        let terms = Self {
            limit: (row.price != NULL).then_some(row.price as i32),
            display: if row.display == NULL || row.display == quantity { WHOLE } else { row.display as u32 },
            minimum,
            stop,
            peg,
            rests,
            is_fok: row.tif == Tif::Fok as u8,
            is_market: !is_limit,
        };
        let (is_conditional, waits) = (terms.is_conditional(), stop.is_some());
        let only_posts = row.flags & (POST_ONLY | SLIDE) != 0;
        let contradicts = row.flags > POST_ONLY | SLIDE | ALL_OR_NONE
            || (only_posts && (!rests || is_conditional || waits || peg.is_some()))
            || (row.display != NULL && (!rests || is_conditional))
            || (peg.is_some() && (!rests || is_conditional || waits))
            || (peg.is_none() && row.offset != NULL)
            || (row.tif == Tif::Gtt as u8 && !is_limit && !waits);
        if contradicts { Err(RejectReason::InstructionsInvalid) } else { Ok(terms) }
    }

    /// Whether an order of so many lots would be shown too few of them at a time.
    pub fn show_too_few(&self, quantity: u32) -> bool {
        is_shown_too_often(self.display.into(), quantity.into())
    }

    /// The stop price of a row.
    pub fn stop(row: &Row) -> Result<Option<i32>, RejectReason> {
        match row.stop {
            NULL => Ok(None),
            stop if units::price_in_range(stop) => Ok(Some(stop as i32)),
            _ => Err(RejectReason::StopInvalid),
        }
    }
}

/// Whether so many lots shown at a time, which are at least one, are too few of a quantity in range.
fn is_shown_too_often(display: i64, quantity: i64) -> bool {
    (quantity as u64).div_ceil(display as u64) > SHOWN_MOST
}
