//! Any bytes as commands to an order book: no panic, and every invariant of `check`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/book.rs"]
mod book;

fuzz_target!(|bytes: &[u8]| {
    book::check(bytes);
});
