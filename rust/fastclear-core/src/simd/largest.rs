//! The largest of a few dozen keys that lie side by side.

use super::on_every_path;

/// How many keys.
pub const KEYS: usize = 32;
/// How many are looked at at once.
const LANES: usize = KEYS / 2;

on_every_path! {
    /// The largest key of those that are used, a bit a key; 0 where none is.
    pub fn largest_key<>(keys: &[u32; KEYS], used: u32) -> u32 = largest_body
}

#[inline(always)]
fn largest_body(keys: &[u32; KEYS], used: u32) -> u32 {
    let mut live = [0; KEYS];
    for (place, (live, key)) in (0..).zip(live.iter_mut().zip(keys)) {
        *live = key & 0_u32.wrapping_sub(used >> place & 1);
    }
    let mut lanes = [0_u32; LANES];
    for row in live.as_chunks::<LANES>().0 {
        for (most, &key) in lanes.iter_mut().zip(row) {
            *most = (*most).max(key);
        }
    }
    let mut most = 0;
    for lane in lanes {
        most = most.max(lane);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_can_have_the_largest() {
        for at in 0..KEYS {
            for most in [1, u32::MAX, 1 << 31, 1 << 16] {
                let mut keys = [most - 1; KEYS];
                keys[at] = most;
                assert_eq!(largest_key(&keys, u32::MAX), most, "{at}");
                assert_eq!(largest_body(&keys, u32::MAX), most, "{at}");
            }
        }
    }

    /// What stands where no key is used may be larger.
    #[test]
    fn keys_that_are_not_used_are_not_looked_at() {
        let mut used = 1_u32;
        for round in 0..2_000_u32 {
            used = used.wrapping_mul(0x9E37_79B9).rotate_left(7) ^ round;
            let keys: [u32; KEYS] = std::array::from_fn(|place| (place as u32 + round).wrapping_mul(0x85EB_CA6B));
            let twin = (0..KEYS).filter(|place| used >> place & 1 == 1).map(|place| keys[place]).max().unwrap_or(0);
            assert_eq!((largest_key(&keys, used), largest_body(&keys, used)), (twin, twin), "{used:b}");
        }
        assert_eq!(largest_key(&[7; KEYS], 0), 0);
    }
}
