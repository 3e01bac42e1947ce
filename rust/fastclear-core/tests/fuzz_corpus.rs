//! The fuzzer's corpus and a few ten thousand more inputs, through the fuzzer's own decoder and checks.
//!
//! `FASTCLEAR_WRITE_CORPUS=1 cargo test --test fuzz_corpus` writes `rust/fuzz/corpus/clear` anew.
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
    catch_unwind(|| fuzz::check(bytes)).unwrap_or_else(|_| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("{name} fails: {hex}\n{:?}", fuzz::Case::decode(bytes))
    })
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
    for rule in 0..fuzz::RULES {
        let mut random = fuzz::Random(u64::from(rule) + 1);
        let mut trades = 0;
        for i in 0..5_000 {
            let len = if i % 50 == 0 { 3_000 } else { 150 };
            let bytes = random.input(rule, len);
            trades += check(&format!("rule {rule}, input {i}"), &bytes);
        }
        assert!(trades > 5_000, "rule {rule}: only {trades} trades were looked at");
    }
}
