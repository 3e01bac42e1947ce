//! The largest of a few dozen keys that lie side by side.

use super::on_every_path;

/// How many keys.
pub const KEYS: usize = 32;

on_every_path! {
    /// The largest key, and the first place that has it.
    pub fn largest_key<>(keys: &[u32; KEYS]) -> (u32, u32) = largest_body
}

#[inline(always)]
fn largest_body(keys: &[u32; KEYS]) -> (u32, u32) {
    let mut lanes = [0_u32; 16];
    for row in keys.as_chunks::<16>().0 {
        for (most, &key) in lanes.iter_mut().zip(row) {
            *most = (*most).max(key);
        }
    }
    let mut most = 0;
    for lane in lanes {
        most = most.max(lane);
    }
    let mut places = [KEYS as u32; 16];
    for (nth, row) in keys.as_chunks::<16>().0.iter().enumerate() {
        for (lane, &key) in row.iter().enumerate() {
            let place = if key == most { (nth * 16 + lane) as u32 } else { KEYS as u32 };
            places[lane] = places[lane].min(place);
        }
    }
    let mut first = KEYS as u32;
    for place in places {
        first = first.min(place);
    }
    (most, first)
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
                assert_eq!(largest_key(&keys), (most, at as u32), "{most}");
                assert_eq!(largest_body(&keys), (most, at as u32), "{most}");
            }
        }
        assert_eq!(largest_key(&[0; KEYS]), (0, 0));
    }
}
