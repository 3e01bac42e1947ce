//! The fuzzer's corpus and a few ten thousand more inputs, through the fuzzer's own decoder and checks.
//!
//! `FASTCLEAR_WRITE_CORPUS=1 cargo test --test fuzz_corpus` writes `rust/fuzz/corpus/clear` anew;
//! `FASTCLEAR_FUZZ_INPUTS=1000000` looks at so many inputs a rule instead of 5,000.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "common/corpus.rs"]
mod corpus;
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

fn check(name: &str, bytes: &[u8]) -> usize {
    corpus::told(name, bytes, |bytes| format!("{:?}", fuzz::Case::decode(bytes)), fuzz::check)
}

#[test]
fn the_corpus_is_what_its_generator_makes() {
    corpus::is_as_made("clear", &fuzz::corpus());
}

#[test]
fn the_corpus_replays() {
    corpus::replay("clear", fuzz::corpus().len(), |file, bytes| _ = check(file, bytes));
}

#[test]
fn random_inputs_hold() {
    let inputs = corpus::inputs(5_000);
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
