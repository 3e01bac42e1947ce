//! The twin of the vector kernels, and their last few rows.

use super::{Inside, NearCut, Rows, Sums, Weight};
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
        sums.add(Weight {
            bids: if is_bid { quantity } else { 0 },
            below: if price < cut.first { quantity } else { 0 },
            bids_filled: if is_bid { fill } else { 0 },
            net_filled: if is_bid { fill } else { fill.wrapping_neg() },
            welfare: i128::from(rows.limit[i]) * i128::from(if is_bid { fill } else { fill.wrapping_neg() }),
        });
        sums.side_bits |= side;
        sums.quantity_bits |= quantity as u64;
        sums.has_no_quantity |= quantity == 0;
        sums.has_bad_price |= rows.limit[i] == i32::MIN;
        inside[found] = i as u32;
        found += usize::from((cut.first..=cut.last).contains(&price));
    }
    found
}
