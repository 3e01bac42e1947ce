//! Any bytes for the readers of proofs, notes, consortia, records, headers and blocks: no panic, and what they accept
//! has one spelling or is what a slow twin finds too.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/verifiers.rs"]
mod verifiers;

fuzz_target!(|bytes: &[u8]| {
    verifiers::check(bytes);
});
