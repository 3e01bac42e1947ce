//! The twin of the vector kernels, and their last few rows.

use super::{Inside, NearCut, Rows, Sums};
use crate::auction::book::Number;

/// Sweeps the rows from `start` on; `found` orders of the block were inside the bracket before. Returns how many are now.
pub fn rows<Q: Number, const FILLS: bool>(
    rows: &Rows<'_, Q>,
    start: usize,
    cut: NearCut,
    fills: &mut [i64],
    sums: &mut Sums,
    inside: &mut Inside,
    mut found: usize,
) -> usize {
    #[expect(clippy::needless_range_loop, reason = "one place in five columns")]
    for i in start..rows.side.len() {
        let (side, price, quantity): (u8, i32, i64) = (rows.side[i], rows.price[i], rows.quantity[i].into());
        let is_bid = side != 0;
        let fill = if is_bid && price > cut.guess || !is_bid && price < cut.guess { quantity } else { 0 };
        if FILLS {
            fills[i] = fill;
        }
        sums.bids = sums.bids.wrapping_add(u32::from(is_bid));
        sums.bid_quantity = sums.bid_quantity.wrapping_add(if is_bid { quantity } else { 0 });
        sums.below = sums.below.wrapping_add(if price < cut.first { quantity } else { 0 });
        sums.filled = sums.filled.wrapping_add(fill);
        sums.bids_filled = sums.bids_filled.wrapping_add(if is_bid { fill } else { 0 });
        let value = i128::from(rows.limit[i]) * i128::from(fill);
        sums.welfare = if is_bid { sums.welfare.wrapping_add(value) } else { sums.welfare.wrapping_sub(value) };
        sums.side_bits |= side;
        sums.quantity_bits |= (quantity | quantity.wrapping_sub(1)) as u64;
        sums.has_bad_price |= rows.limit[i] == i32::MIN;
        inside[found] = i as u32;
        found += usize::from((cut.first..=cut.last).contains(&price));
    }
    found
}
