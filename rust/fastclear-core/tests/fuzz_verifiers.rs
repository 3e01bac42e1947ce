//! The corpus of the fuzzer of the verifiers, and many inputs more that are nearly right, through its own checks.
//!
//! `FASTCLEAR_WRITE_CORPUS=1 cargo test --test fuzz_verifiers` writes `rust/fuzz/corpus/verifiers` anew;
//! `FASTCLEAR_FUZZ_INPUTS=1000000` looks at so many inputs a file of the corpus instead of 3,000.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

#[path = "../../fuzz/src/verifiers.rs"]
mod verifiers;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/verifiers")
}

fn check(name: &str, bytes: &[u8]) -> bool {
    catch_unwind(|| verifiers::check(bytes)).unwrap_or_else(|_| panic!("{name} fails: {bytes:?}"))
}

#[test]
fn the_corpus_is_what_its_generator_makes_and_is_accepted() {
    let corpus = verifiers::corpus();
    assert_eq!(corpus.len(), 16);
    for (name, bytes) in corpus {
        let path = folder().join(&name);
        if std::env::var_os("FASTCLEAR_WRITE_CORPUS").is_some() {
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}: FASTCLEAR_WRITE_CORPUS=1 writes it anew");
        assert!(check(&name, &bytes), "{name} is refused");
    }
}

#[test]
fn the_corpus_replays() {
    let mut seen = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        check(&path.display().to_string(), &fs::read(&path).unwrap());
        seen += 1;
    }
    assert!(seen >= verifiers::corpus().len());
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
    let inputs = std::env::var("FASTCLEAR_FUZZ_INPUTS").map_or(3_000, |inputs| inputs.parse().unwrap());
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
