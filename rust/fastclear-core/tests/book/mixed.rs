//! Richer orders in markets with phases, calls, collars and breakers.

use crate::compare::{Flow, compare_all};
use crate::{assert_shown, length, rich, sequences};

#[test]
fn richer_orders_in_sessions_are_the_twins() {
    let flow_of = |nth| (nth ^ 0x3A1D_0000, length(nth), Flow { rich: rich(nth), has_days: true });
    let counts = compare_all(sequences(), flow_of);
    let least = sequences() / 200;
    assert_shown(&counts, least, "triggered", &["", "behind a stop that traded", "behind a call"]);
    assert_shown(&counts, least, "breaker", &["an order fires it", "a stop fires it"]);
    assert_shown(&counts, least, "call", &["trades", "nothing", "an iceberg is left", "a peg leaves"]);
    assert_shown(&counts, least, "cancelled", &["self_trade", "book_erased", "not_filled"]);
    let codes = ["not_in_phase", "price_outside_caps", "would_trade", "instructions_invalid"];
    assert_shown(&counts, least, "rejected", &codes);
}
