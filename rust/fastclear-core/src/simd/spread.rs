//! Sums over a sample: small columns of 32 bits, prices beside quantities of which an ask's is negative.

use super::draw::SAMPLE_BLOCK;
use super::on_every_path;

/// What a sample spans and adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Lowest price.
    pub least: i32,
    /// Highest price.
    pub most: i32,
    /// Quantity of all bids.
    pub bid_quantity: i64,
    /// Quantity of all orders.
    pub quantity: i64,
    /// The largest of an order.
    pub largest: i64,
}

#[inline(always)]
fn spread_body(price: &[i32], quantity: &[i32]) -> Spread {
    let mut spread = Spread { least: i32::MAX, most: i32::MIN, bid_quantity: 0, quantity: 0, largest: 0 };
    for &price in price {
        spread.least = if price < spread.least { price } else { spread.least };
        spread.most = if price > spread.most { price } else { spread.most };
    }
    for &quantity in quantity {
        let quantity = i64::from(quantity);
        spread.bid_quantity = spread.bid_quantity.wrapping_add(if quantity > 0 { quantity } else { 0 });
        let amount = if quantity > 0 { quantity } else { -quantity };
        spread.quantity = spread.quantity.wrapping_add(amount);
        spread.largest = if amount > spread.largest { amount } else { spread.largest };
    }
    spread
}

on_every_path! {
    /// Range and sums of a sample.
    pub fn spread<>(price: &[i32], quantity: &[i32]) -> Spread = spread_body
}

#[inline(always)]
fn scatter_body(price: &[i32], quantity: &[i32], guess: i32) -> (i128, i128) {
    let (mut sum, mut squares) = (0_i128, 0_i128);
    for (price, quantity) in price.as_chunks::<SAMPLE_BLOCK>().0.iter().zip(quantity.as_chunks::<SAMPLE_BLOCK>().0) {
        let mut excess = 0_i64;
        for (&price, &quantity) in price.iter().zip(quantity) {
            let quantity = i64::from(quantity);
            let (amount, bid) = if quantity > 0 { (quantity, quantity) } else { (-quantity, 0) };
            excess = excess.wrapping_add((if price <= guess { amount } else { 0 }) - bid);
        }
        sum += i128::from(excess);
        squares += i128::from(excess) * i128::from(excess);
    }
    (sum, squares)
}

on_every_path! {
    /// Over the blocks of a sample: the sum of (quantity at or below `guess` less quantity of bids), and of its square.
    pub fn scatter<>(price: &[i32], quantity: &[i32], guess: i32) -> (i128, i128) = scatter_body
}
