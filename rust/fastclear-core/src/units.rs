//! Ranges of the three numbers: price, quantity, money.
//!
//! Prices are ticks (10⁻⁶ currency per kWh by default), quantities are lots (Wh), money is ticks × lots exactly
//! (nano-currency). With the two ranges below no payment can leave 64 bits and no total 128, by construction:
//! the product of the two is below 2³¹ · 2³¹ = 2⁶².

/// Largest price in ticks; the smallest is its negative. ±2,147 currency per kWh.
pub const PRICE_MAX: i64 = (1 << 31) - 1;

/// Largest quantity of one order in lots: 2.1 gigawatt-hours.
pub const QUANTITY_MAX: i64 = (1 << 31) - 1;

/// Whether `ticks` is a price that an order may carry.
#[inline]
pub const fn price_in_range(ticks: i64) -> bool {
    -PRICE_MAX <= ticks && ticks <= PRICE_MAX
}

/// Whether `lots` is a quantity that an order may carry.
#[inline]
pub const fn quantity_in_range(lots: i64) -> bool {
    1 <= lots && lots <= QUANTITY_MAX
}
