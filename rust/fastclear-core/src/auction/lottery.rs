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

    /// The generator of one market at one of many steps, none of which draws what another does: they begin 2²⁸ words apart.
    pub fn begun(seed: u64, market_rank: u32, step: u64) -> Self {
        let mut begun = Self::new(seed, market_rank);
        begun.0.set_word_pos(u128::from(step) << 28);
        begun
    }

    /// A whole number below `n`, each equally likely: numbers that would favour some are drawn again.
    pub fn below(&mut self, n: usize) -> usize {
        if n <= 1 {
            return 0;
        }
        let n = n as u64;
        loop {
            let drawn = self.0.next_u64();
            // 2⁶⁴ mod n numbers would favour some: fewer than n, so that it is worth a division only near the end.
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
        self.shuffle_until(items, |_| false);
    }

    /// Shuffles from the last place to the first, showing `settled` who stands there for good, until it has seen enough.
    pub fn shuffle_until<T>(&mut self, items: &mut [T], mut settled: impl FnMut(&T) -> bool) {
        for i in (0..items.len()).rev() {
            let j = self.below(i + 1);
            items.swap(i, j);
            if settled(&items[i]) {
                return;
            }
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
