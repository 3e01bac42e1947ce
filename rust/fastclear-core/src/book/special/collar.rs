//! What keeps prices in bounds: a collar, outside of which no order is taken, and a breaker, which stops a market that
//! moves too far and lets it go on with a call.

use super::super::engine::OrderBook;
use super::super::layout::Layout;
use super::super::store::kept;
use super::phases::SessionError;
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

    /// The limit with which an order may trade now, none better than `limit`.
    pub fn bound(self, side: u8, limit: i32) -> i32 {
        let Some(reference) = self.reference.map(i64::from) else { return limit };
        let (ticks, limit) = (i64::from(self.ticks), i64::from(limit));
        let bounded = if side == BUY { limit.min(reference + ticks) } else { limit.max(reference - ticks) };
        bounded.clamp(-units::PRICE_MAX, units::PRICE_MAX) as i32
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
        // Best first: where the first order of a side does not reach beyond the far end, none does.
        for (side, reaches) in [(BUY, collar.high), (1 - BUY, collar.low)] {
            let kept = self.markets[place as usize].kept_of(side);
            let first = kept!(self.store, kept, |layout| layout.best(side).map(|(_, at)| layout.resting(at)), None);
            if let Some(first) = first
                && reaches.is_some_and(|end| if side == BUY { first.price > end } else { first.price < end })
            {
                return Err(SessionError::Outside { order: first.id });
            }
        }
        self.special(place).collar = collar;
        Ok(())
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

    /// Takes note of the price at which an order traded that came in.
    pub(super) fn traded_at(&mut self, market: u32, price: i32) {
        let special = self.special(market);
        special.last_price = Some(price);
        if let Some(breaker) = &mut special.breaker {
            breaker.reference.get_or_insert(price);
        }
    }

    /// Takes note of a call, and of its price if there is one.
    pub(super) fn called_at(&mut self, market: u32, price: Option<i32>) {
        let special = self.special(market);
        special.last_price = price.or(special.last_price);
        if let Some(breaker) = &mut special.breaker {
            breaker.reference = price;
        }
    }
}
