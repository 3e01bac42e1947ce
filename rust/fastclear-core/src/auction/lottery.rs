//! Draws by lot: `ChaCha8`, the key from a seed, one stream a market, so that no draw depends on another market.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The generator of one market.
#[derive(Clone, Debug)]
pub struct Lottery(ChaCha8Rng);

impl Lottery {
    /// Key: `seed` in 8 bytes, little-endian, then 24 zeros. Stream: rank of the market in ascending id.
    pub fn new(seed: u64, market_rank: u32) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(u64::from(market_rank));
        Self(generator)
    }

    /// A whole number below `n`, each equally likely: numbers that would favour some are drawn again.
    pub fn below(&mut self, n: usize) -> usize {
        if n <= 1 {
            return 0;
        }
        let n = n as u64;
        loop {
            let drawn = self.0.next_u64();
            // The last 2⁶⁴ mod n numbers are unfair: fewer than n, so that no other number need ask how many.
            if drawn <= u64::MAX - n || drawn <= u64::MAX - (u64::MAX % n + 1) % n {
                return (drawn % n) as usize;
            }
        }
    }

    /// A fair coin.
    pub fn coin(&mut self) -> bool {
        self.0.next_u64() >> 63 == 1
    }

    /// Every order of `items` equally likely (Fisher & Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i + 1);
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_repeats_and_differs_from_others() {
        let drawn = |seed, rank| {
            let mut lottery = Lottery::new(seed, rank);
            (0..8).map(|_| lottery.below(1 << 40)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(7, 3), drawn(7, 3));
        assert_ne!(drawn(7, 3), drawn(7, 4));
        assert_ne!(drawn(7, 3), drawn(8, 3));
    }

    #[test]
    fn every_permutation_of_three_turns_up_as_often() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            let mut items = [0, 1, 2];
            Lottery::new(seed, 0).shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|&count| (850..1150).contains(&count)), "{counts:?}");
    }
}
