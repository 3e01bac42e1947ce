//! The corpus of the fuzzer of the verifiers, and many inputs more that are nearly right, through its own checks.
//!
//! `FASTCLEAR_WRITE_CORPUS=1 cargo test --test fuzz_verifiers` writes `rust/fuzz/corpus/verifiers` anew;
//! `FASTCLEAR_FUZZ_INPUTS=1000000` looks at so many inputs a file of the corpus instead of 3,000.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

#[path = "common/corpus.rs"]
mod corpus;
#[path = "../../fuzz/src/verifiers.rs"]
mod verifiers;

fn check(name: &str, bytes: &[u8]) -> bool {
    corpus::told(name, bytes, |_| String::new(), verifiers::check)
}

#[test]
fn the_corpus_is_what_its_generator_makes_and_is_accepted() {
    let corpus = verifiers::corpus();
    assert_eq!(corpus.len(), 16);
    corpus::is_as_made("verifiers", &corpus);
    for (name, bytes) in corpus {
        assert!(check(&name, &bytes), "{name} is refused");
    }
}

#[test]
fn the_corpus_replays() {
    corpus::replay("verifiers", verifiers::corpus().len(), |file, bytes| _ = check(file, bytes));
}

#[test]
fn every_flipped_bit_and_cut_of_the_corpus_holds() {
    for (name, bytes) in verifiers::corpus() {
        for bit in 8..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            check(&name, &flipped);
        }
        (0..bytes.len()).for_each(|length| _ = check(&name, &bytes[..length]));
    }
}

#[test]
fn random_changes_hold() {
    let inputs = corpus::inputs(3_000);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut refused = 0;
    for (name, start) in verifiers::corpus() {
        for _ in 0..inputs {
            let mut bytes = start.clone();
            for _ in 0..=random.next_u32() % 4 {
                let at = 1 + random.next_u32() as usize % (bytes.len().max(2) - 1);
                match random.next_u32() % 5 {
                    0 if at < bytes.len() => bytes[at] = random.next_u32() as u8,
                    1 if at < bytes.len() => bytes[at] ^= 1 << (random.next_u32() % 8),
                    2 => bytes.truncate(at),
                    // Whole hashes are dropped and repeated: what a proof is made of.
                    3 if at + 32 <= bytes.len() => _ = bytes.drain(at..at + 32),
                    _ => {
                        let end = bytes.len().saturating_sub(32).max(1);
                        bytes.extend_from_within(end..);
                    }
                }
            }
            refused += usize::from(!check(&name, &bytes));
        }
    }
    assert!(refused > inputs);
}
