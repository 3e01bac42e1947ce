//! Any bytes as orders and a mechanism: no panic, and every invariant of `fastclear_fuzz::check`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fastclear_fuzz::check(bytes);
});
