//! The corpus of the fuzzer of the order book, and many inputs more, through its own decoder and checks.
//!
//! `FASTCLEAR_WRITE_CORPUS=1 cargo test --test fuzz_book` writes `rust/fuzz/corpus/book` anew;
//! `FASTCLEAR_FUZZ_INPUTS=1000000` looks at so many inputs a kind of order instead of 1,500.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../../fuzz/src/book.rs"]
#[allow(clippy::expect_used, reason = "a check that cannot go on fails")]
mod book;
#[path = "common/corpus.rs"]
mod corpus;

fn check(name: &str, bytes: &[u8]) -> usize {
    corpus::told(name, bytes, |bytes| format!("{:?}", book::Case::decode(bytes)), book::check)
}

#[test]
fn the_corpus_is_what_its_generator_makes() {
    corpus::is_as_made("book", &book::corpus());
}

#[test]
fn the_corpus_replays() {
    corpus::replay("book", book::corpus().len(), |file, bytes| _ = check(file, bytes));
}

#[test]
fn random_inputs_hold() {
    let inputs = corpus::inputs(1_500);
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
