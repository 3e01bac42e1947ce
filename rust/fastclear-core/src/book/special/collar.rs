//! What keeps prices in bounds: a collar, outside of which no order is taken, and a breaker, which stops a market that
//! moves too far and lets it go on with a call.

use super::super::engine::OrderBook;
use super::super::layout::{Layout, Resting};
use super::super::store::kept;
use super::session::SessionError;
use crate::order::BUY;
use crate::units;

/// Prices at which orders are taken; no end, no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::book) struct Collar {
    pub low: Option<i32>,
    pub high: Option<i32>,
}

impl Collar {
    pub fn holds(self, price: i32) -> bool {
        self.low.is_none_or(|low| low <= price) && self.high.is_none_or(|high| price <= high)
    }

    /// Whether no trade of an order with this limit is beyond its far end.
    pub fn bounds(self, side: u8, limit: i32) -> bool {
        self.worst(side).is_none_or(|end| if side == BUY { limit <= end } else { limit >= end })
    }

    /// The worst price that an order of a side takes which names none.
    pub fn worst(self, side: u8) -> Option<i32> {
        if side == BUY { self.high } else { self.low }
    }
}

/// A market that moves farther than `ticks` pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::book) struct Breaker {
    pub ticks: u32,
    pub pause_ns: i64,
    /// The price of the last call, or of the first trade since, from which it counts.
    pub reference: Option<i32>,
}

impl Breaker {
    /// Whether a trade at a price is near enough.
    pub fn allows(self, price: i32) -> bool {
        self.reference.is_none_or(|reference| reference.abs_diff(price) <= self.ticks)
    }
}

impl OrderBook {
    /// Sets the prices at which orders of a market are taken, from now on; `None` is no bound.
    ///
    /// # Errors
    /// [`SessionError`] where an end is no price or the low one above the high one, where an order that is there could trade
    /// outside of it, or the market has closed.
    pub fn set_collar(&mut self, market: i64, low: Option<i64>, high: Option<i64>) -> Result<(), SessionError> {
        self.check_open(market)?;
        let is_price = |end: Option<i64>| end.is_none_or(units::price_in_range);
        if !is_price(low) || !is_price(high) || low.zip(high).is_some_and(|(low, high)| low > high) {
            return Err(SessionError::NoCollar);
        }
        let collar = Collar { low: low.map(|low| low as i32), high: high.map(|high| high as i32) };
        let place = self.market_place(market);
        for side in [BUY, 1 - BUY] {
            if let Some(order) = self.outside(place, side, collar) {
                return Err(SessionError::Outside { order });
            }
        }
        self.special(place).collar = collar;
        self.unsettle(place);
        Ok(())
    }

    /// Sees that the next call of the book begins with what a collar or a breaker moves that was set.
    fn unsettle(&mut self, market: u32) {
        if self.special(market).rich.has_pegs() && !self.unsettled.contains(&market) {
            self.unsettled.push(market);
        }
    }

    /// An order of a side of a market, wherever it stands, that could trade outside of a collar. One without a limit of its
    /// own could not: the collar bounds it when it comes in, and moves it where it is pegged.
    fn outside(&mut self, market: u32, side: u8, collar: Collar) -> Option<i64> {
        let state = &self.markets[market as usize];
        let rich = state.special.as_ref().map(|special| &special.rich);
        let is_plain = |resting: &Resting| rich.is_none_or(|rich| rich.get(resting.id).is_none());
        let mut first = None;
        // Best first: where the first order of a side does not reach beyond the far end, none does.
        let mut look = |resting: &Resting| {
            if is_plain(resting) {
                first = Some(*resting);
            }
            first.is_none()
        };
        kept!(self.store, state.kept_of(side), |layout| layout.walk(side, &mut look), {});
        let first = first.filter(|first| !collar.bounds(side, first.price)).map(|first| first.id);
        first.or_else(|| rich?.with_limit(side, |limit| !collar.bounds(side, limit)))
    }

    /// Sets how far from its reference a market may trade, and how long it pauses where it would trade farther; `None` never
    /// pauses. The first trade from now on is the reference, until there is a call.
    ///
    /// # Errors
    /// [`SessionError`] where `ticks` is negative or no pause is long, or the market has closed.
    pub fn set_breaker(&mut self, market: i64, breaker: Option<(i64, i64)>) -> Result<(), SessionError> {
        self.check_open(market)?;
        let breaker = match breaker {
            None => None,
            Some((ticks, pause_ns)) if (0..=units::PRICE_MAX).contains(&ticks) && pause_ns > 0 => {
                Some(Breaker { ticks: ticks as u32, pause_ns, reference: None })
            }
            Some(_) => return Err(SessionError::NoBreaker),
        };
        let place = self.market_place(market);
        self.special(place).breaker = breaker;
        self.unsettle(place);
        Ok(())
    }

    /// The collar of a market by its id.
    #[inline]
    pub(in crate::book) fn collar_of(&self, market: i64) -> Collar {
        if self.specials == 0 {
            return Collar::default();
        }
        self.market_places.get(market).map_or_else(Collar::default, |place| self.collar_at(place as u32))
    }

    #[inline]
    pub(in crate::book) fn collar_at(&self, market: u32) -> Collar {
        self.markets[market as usize].special.as_ref().map_or_else(Collar::default, |special| special.collar)
    }
}
