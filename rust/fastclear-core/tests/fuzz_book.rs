//! The corpus of the fuzzer of the order book, and many inputs more, through its own decoder and checks.
//!
//! `FASTCLEAR_WRITE_CORPUS=1 cargo test --test fuzz_book` writes `rust/fuzz/corpus/book` anew;
//! `FASTCLEAR_FUZZ_INPUTS=1000000` looks at so many inputs a kind of order instead of 1,500.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

#[path = "../../fuzz/src/book.rs"]
#[allow(clippy::expect_used, reason = "a check that cannot go on fails")]
mod book;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/book")
}

fn check(name: &str, bytes: &[u8]) -> usize {
    catch_unwind(|| book::check(bytes))
        .unwrap_or_else(|_| panic!("{name} fails: {bytes:?}\n{:?}", book::Case::decode(bytes)))
}

#[test]
fn the_corpus_is_what_its_generator_makes() {
    for (name, bytes) in book::corpus() {
        let path = folder().join(&name);
        if std::env::var_os("FASTCLEAR_WRITE_CORPUS").is_some() {
            fs::create_dir_all(folder()).unwrap();
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
    assert!(seen >= book::corpus().len());
}

#[test]
fn random_inputs_hold() {
    let inputs = std::env::var("FASTCLEAR_FUZZ_INPUTS").map_or(1_500, |inputs| inputs.parse().unwrap());
    for kind in 0..book::KINDS {
        let mut random = book::Random(u64::from(kind) + 100);
        let mut trades = 0;
        for nth in 0..inputs {
            let bytes = random.input(kind, if nth % 40 == 0 { 400 } else { 30 });
            trades += check(&format!("kind {kind}, input {nth}"), &bytes);
        }
        assert!(trades > inputs, "kind {kind}: only {trades} trades were looked at");
    }
}
