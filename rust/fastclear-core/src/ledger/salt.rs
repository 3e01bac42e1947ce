//! Salts: 16 bytes a leaf, so that nobody can guess a record or order from its hash.
//!
//! One `ChaCha8` stream a block and tree: stream = height for records, height + 2⁶³ for orders. The key is never
//! written anywhere. In a simulation it comes from the run's seed, which makes salts repeatable and therefore not
//! secret; else the caller gives 32 bytes of the operating system's randomness, and behind every block the key is
//! replaced by its hash, so that nobody who finds the key can make the salts of earlier blocks again.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::merkle::Hash;

/// The 32 bytes that all salts of one ledger come from.
#[derive(Clone)]
pub struct SaltKey {
    key: [u8; 32],
    /// Whether salts have to be the same in every run.
    is_repeatable: bool,
}

/// Heights stay below this, so that the streams of records and orders never meet.
pub const ORDERS_STREAM: u64 = 1 << 63;
const CHAIN_STREAM: u64 = u64::MAX;

impl SaltKey {
    /// From 32 random bytes.
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key, is_repeatable: false }
    }

    /// From a run's seed: SHA-256(`0x04` ‖ seed, 8 bytes little-endian).
    pub fn from_seed(seed: u64) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0x04]);
        hasher.update(seed.to_le_bytes());
        Self { key: hasher.finalize().into(), is_repeatable: true }
    }

    /// Forgets the key of the block that has been sealed: SHA-256(`0x05` ‖ key) takes its place. That of a simulation
    /// stays.
    pub fn advance(&mut self) {
        if !self.is_repeatable {
            let mut hasher = Sha256::new();
            hasher.update([0x05]);
            hasher.update(self.key);
            self.key = hasher.finalize().into();
        }
    }

    /// The 32 bytes.
    pub const fn bytes(&self) -> [u8; 32] {
        self.key
    }

    /// The generator of the salts of a block's records.
    pub fn records(&self, height: u64) -> Salts {
        self.stream(height)
    }

    /// The generator of the salts of a block's orders.
    pub fn orders(&self, height: u64) -> Salts {
        self.stream(height ^ ORDERS_STREAM)
    }

    /// The id of a chain begun with this key: SHA-256(`0x03` ‖ params hash ‖ 32 bytes of the last stream).
    pub fn chain_id(&self, params_hash: &Hash) -> Hash {
        let Salts(mut generator) = self.stream(CHAIN_STREAM);
        let mut nonce = [0_u8; 32];
        generator.fill_bytes(&mut nonce);
        let mut hasher = Sha256::new();
        hasher.update([0x03]);
        hasher.update(params_hash);
        hasher.update(nonce);
        hasher.finalize().into()
    }

    fn stream(&self, stream: u64) -> Salts {
        let mut generator = ChaCha8Rng::from_seed(self.key);
        generator.set_stream(stream);
        Salts(generator)
    }
}

/// An endless run of salts.
pub struct Salts(ChaCha8Rng);

impl Salts {
    /// Fills the next salt, or the next ones side by side.
    pub fn fill(&mut self, salts: &mut [u8]) {
        self.0.fill_bytes(salts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(mut salts: Salts) -> [u8; 16] {
        let mut salt = [0; 16];
        salts.fill(&mut salt);
        salt
    }

    #[test]
    fn one_seed_gives_the_same_salts_and_another_seed_others() {
        assert_eq!(first(SaltKey::from_seed(1).records(5)), first(SaltKey::from_seed(1).records(5)));
        assert_ne!(first(SaltKey::from_seed(1).records(5)), first(SaltKey::from_seed(2).records(5)));
    }

    #[test]
    fn the_key_of_a_sealed_block_is_forgotten_unless_it_comes_from_a_seed() {
        let (mut random, mut seeded) = (SaltKey::new([7; 32]), SaltKey::from_seed(1));
        let (before, repeatable) = (first(random.records(5)), first(seeded.records(5)));
        random.advance();
        seeded.advance();
        assert_ne!(first(random.records(5)), before);
        assert_eq!(first(seeded.records(5)), repeatable);
    }

    #[test]
    fn salts_filled_together_are_those_filled_one_by_one() {
        for count in (0..40).chain([63, 64, 65, 200]) {
            let (mut alone, mut together) = (vec![0; 16 * count], vec![0; 16 * count]);
            let mut salts = SaltKey::from_seed(1).records(5);
            alone.chunks_exact_mut(16).for_each(|salt| salts.fill(salt));
            let mut salts = SaltKey::from_seed(1).records(5);
            together.chunks_mut(16 * 7).for_each(|some| salts.fill(some));
            assert_eq!(alone, together, "{count} salts");
        }
    }

    #[test]
    fn blocks_and_trees_never_share_a_stream() {
        let key = SaltKey::from_seed(1);
        let mut seen: Vec<_> = (0..50).flat_map(|h| [first(key.records(h)), first(key.orders(h))]).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100);
    }

    #[test]
    fn the_chain_id_depends_on_seed_and_parameters() {
        let id = |seed, params: u8| SaltKey::from_seed(seed).chain_id(&[params; 32]);
        assert_eq!(id(1, 1), id(1, 1));
        assert_ne!(id(1, 1), id(2, 1));
        assert_ne!(id(1, 1), id(1, 2));
    }
}
