//! Both sides of a small book around the price found, and the fills that follow.

use super::Shared;
use super::rows::{Rows, STEP, mask};

/// One side of a book around a price.
#[derive(Clone, Copy)]
pub struct OneSide {
    /// Quantity that competes at a better price.
    pub better: i64,
    /// Quantity that competes at the price.
    pub level: i64,
    /// Orders that do.
    pub orders: i32,
}

/// Both sides of a book around a price.
pub struct Around {
    pub bids: OneSide,
    pub asks: OneSide,
    /// Σ competing price × quantity of the bids above less that of the asks below.
    pub value: i64,
}

/// What an order at the price gets at once: all of it, else so many lots.
#[derive(Clone, Copy)]
pub struct AtPrice {
    pub whole: bool,
    pub lots: i32,
}

impl OneSide {
    /// What those at the price get of what is left for them: one alone gets it, several have it shared out later.
    #[inline(always)]
    pub const fn at_price(self, left: i64) -> AtPrice {
        let whole = left == self.level;
        AtPrice { whole, lots: if !whole && self.orders == 1 { left as i32 } else { 0 } }
    }

    /// What they are to share.
    #[inline(always)]
    pub fn shared(self, side: u8, left: i64, level: u64) -> Option<Shared> {
        let is_cut = 0 < left && left < self.level && self.orders > 1;
        is_cut.then_some(Shared { side, left, total: self.level, level })
    }
}

/// Looks at both sides around a price.
#[inline(always)]
pub fn around(rows: &Rows<'_>, price: i32) -> Around {
    const ASK: i32 = 1 << 16; // counts of both sides in one number: there are fewer rows
    let (mut bids_better, mut asks_better, mut bids_level, mut asks_level) = (0_i32, 0_i32, 0_i32, 0_i32);
    let (mut orders, mut value) = (0_i32, 0_i64);
    for ((&at, &quantity), &is_bid) in rows.prices.iter().zip(rows.quantities.iter()).zip(rows.sides.iter()) {
        let (bid, ask) = (quantity & is_bid, quantity & !is_bid);
        let (bid_better, ask_better) = (bid & mask(at > price), ask & mask(at < price));
        let is_there = mask(at == price) & mask(quantity != 0); // what fills up the last step asks for nothing
        bids_better = bids_better.wrapping_add(bid_better);
        asks_better = asks_better.wrapping_add(ask_better);
        bids_level = bids_level.wrapping_add(bid & is_there);
        asks_level = asks_level.wrapping_add(ask & is_there);
        orders = orders.wrapping_add(is_there & ((is_bid & 1) | (!is_bid & ASK)));
        let signed = bid_better.wrapping_sub(ask_better);
        value = value.wrapping_add(i64::from(at).wrapping_mul(i64::from(signed)));
    }
    Around {
        bids: OneSide { better: bids_better.into(), level: bids_level.into(), orders: orders % ASK },
        asks: OneSide { better: asks_better.into(), level: asks_level.into(), orders: orders / ASK },
        value,
    }
}

/// Fills the bids above the price and the asks below it whole, and those at it as told.
#[inline(always)]
pub fn write(rows: &Rows<'_>, price: i32, (bid, ask): (AtPrice, AtPrice), filled: &mut [i64]) {
    let (bids_whole, asks_whole) = (mask(bid.whole), mask(ask.whole));
    let fill = |at: i32, quantity: i32, is_bid: i32| {
        let is_there = mask(at == price);
        let as_bid = (quantity & (mask(at > price) | is_there & bids_whole)) | (bid.lots & is_there);
        let as_ask = (quantity & (mask(at < price) | is_there & asks_whole)) | (ask.lots & is_there);
        i64::from((as_bid & is_bid) | (as_ask & !is_bid))
    };
    let whole = rows.prices.len() - STEP;
    let (filled, rest) = filled.split_at_mut(whole);
    let (prices, last_prices) = rows.prices.split_at(whole);
    let (quantities, last_quantities) = rows.quantities.split_at(whole);
    let (sides, last_sides) = rows.sides.split_at(whole);
    for (((to, &at), &quantity), &is_bid) in filled.iter_mut().zip(prices).zip(quantities).zip(sides) {
        *to = fill(at, quantity, is_bid);
    }
    let mut last = [0; STEP];
    for (((to, &at), &quantity), &is_bid) in last.iter_mut().zip(last_prices).zip(last_quantities).zip(last_sides) {
        *to = fill(at, quantity, is_bid);
    }
    rest.copy_from_slice(&last[..rest.len()]);
}
