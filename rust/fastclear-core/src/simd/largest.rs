//! The largest of a few dozen keys that lie side by side.

use super::on_every_path;

/// How many keys.
pub const KEYS: usize = 48;

on_every_path! {
    /// Place of the largest key.
    pub fn largest_key<>(keys: &[u64; KEYS]) -> usize = largest_body
}

#[inline(always)]
fn largest_body(keys: &[u64; KEYS]) -> usize {
    let mut lanes = [0_u64; 8];
    for row in keys.chunks_exact(8) {
        for (most, &key) in lanes.iter_mut().zip(row) {
            *most = (*most).max(key);
        }
    }
    let mut most = 0;
    for lane in lanes {
        most = most.max(lane);
    }
    let mut places = 0_u64;
    for (place, &key) in keys.iter().enumerate() {
        places |= u64::from(key == most) << place;
    }
    places.trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_can_have_the_largest() {
        for at in 0..KEYS {
            for most in [1, u64::MAX, 1 << 63, 1 << 32] {
                let mut keys = [most - 1; KEYS];
                keys[at] = most;
                assert_eq!(largest_key(&keys), at, "{most}");
                assert_eq!(largest_body(&keys), at, "{most}");
            }
        }
    }
}
