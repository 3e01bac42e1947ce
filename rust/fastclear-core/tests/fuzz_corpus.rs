//! The fuzzer's corpus and a few ten thousand more inputs, through the fuzzer's own decoder and checks.
//!
//! `FASTCLEAR_WRITE_CORPUS=1 cargo test --test fuzz_corpus` writes `rust/fuzz/corpus/clear` anew;
//! `FASTCLEAR_FUZZ_INPUTS=1000000` looks at so many inputs a rule instead of 5,000.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/clear")
}

fn check(name: &str, bytes: &[u8]) -> usize {
    catch_unwind(|| fuzz::check(bytes))
        .unwrap_or_else(|_| panic!("{name} fails: {bytes:?}\n{:?}", fuzz::Case::decode(bytes)))
}

#[test]
fn the_corpus_is_what_its_generator_makes() {
    for (name, bytes) in fuzz::corpus() {
        let path = folder().join(&name);
        if std::env::var_os("FASTCLEAR_WRITE_CORPUS").is_some() {
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}: FASTCLEAR_WRITE_CORPUS=1 writes it anew");
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
    assert!(seen >= fuzz::corpus().len());
}

#[test]
fn random_inputs_hold() {
    let inputs = std::env::var("FASTCLEAR_FUZZ_INPUTS").map_or(5_000, |inputs| inputs.parse().unwrap());
    for rule in 0..fuzz::RULES {
        let mut random = fuzz::Random(u64::from(rule) + 1);
        let mut trades = 0;
        for i in 0..inputs {
            let len = if i % 50 == 0 { 3_000 } else { 150 };
            let bytes = random.input(rule, len);
            trades += check(&format!("rule {rule}, input {i}"), &bytes);
        }
        assert!(5 * trades > inputs, "rule {rule}: only {trades} trades were looked at");
    }
}
