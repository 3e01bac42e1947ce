//! Allocation keys: who of the importers gets local energy.

use super::Key;
use super::divide::{Scratch, divide};
use crate::auction::deal::split;

/// All agreed shares of a market together: parts per million.
pub const WHOLE: i64 = 1_000_000;

/// Divides local energy among the importers of `net`, writing lots to their places in `filled`; gives what they get.
///
/// `shares` are parts per million of `supply`, at most [`WHOLE`] together; what no share claims is left to the grid under
/// a static key. Left-over lots go to the largest remainders, ties to the first place.
pub fn allocate(
    key: Key,
    net: &[i64],
    shares: &[i64],
    (supply, demand): (i64, i64),
    filled: &mut [i64],
    scratch: &mut Scratch,
) -> i64 {
    if key == Key::Dynamic {
        let volume = supply.min(demand);
        divide(net, true, demand, volume.into(), 1, filled, scratch);
        return volume;
    }
    let claimed: i64 = shares.iter().sum();
    let mut used = 0;
    if claimed > 0 {
        let mut parts = Vec::new();
        split(i128::from(supply) * i128::from(claimed) / i128::from(WHOLE), shares, &mut parts);
        for ((fill, &part), &net) in filled.iter_mut().zip(&parts).zip(net) {
            if net > 0 {
                *fill = part.min(net);
                used += *fill;
            }
        }
    }
    if key == Key::Static {
        return used;
    }
    let left = (supply - used).min(demand - used);
    if left > 0 {
        let lacking: Vec<i64> =
            net.iter().zip(&*filled).map(|(&net, &fill)| if net > 0 { net - fill } else { 0 }).collect();
        let mut more = vec![0; net.len()];
        divide(&lacking, true, demand - used, left.into(), 1, &mut more, scratch);
        for (fill, more) in filled.iter_mut().zip(more) {
            *fill += more;
        }
    }
    used + left.max(0)
}
