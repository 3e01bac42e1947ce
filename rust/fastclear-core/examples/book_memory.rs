//! Bytes that a small order book takes: a hundred thousand books of fifty orders, each with an owner and an expiry.
//!
//! `cargo run --release --example book_memory [BOOKS]` prints what the resident memory grew by, a book. A program of its
//! own with the system's allocator, which keeps nothing of what is given back. Prints nothing where the system does not say.
#![allow(clippy::unwrap_used, reason = "an example that cannot go on stops")]
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a quotient for people")]

use fastclear_core::book::{Commands, OrderBook, Rules, SelfTrade, Tif, Want};
use fastclear_core::order::Integers;

const ORDERS: usize = 50;

/// Resident bytes of this process.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<usize>().ok().map(|kilobytes| kilobytes * 1024)
}

fn main() {
    let books = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(100_000_usize);
    let markets: Vec<i64> = (0..books as i64).collect();
    let [mut order, mut participant, mut price, mut quantity, mut expires] = [const { Vec::new() }; 5];
    for column in [&mut order, &mut participant, &mut price, &mut quantity, &mut expires] {
        column.resize(books, 0_i64);
    }
    let (mut side, tif) = (vec![0_u8; books], vec![Tif::Gtt as u8; books]);
    let mut book = OrderBook::new(Rules { self_trade: SelfTrade::CancelResting, ..Rules::default() });
    let before = resident();
    for nth in 0..ORDERS {
        for row in 0..books {
            let drawn = (row * ORDERS + nth).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
            // Bids below the middle and asks above, as far as twenty ticks: nothing trades, all rests.
            let (buys, away) = (drawn.is_multiple_of(2), 1 + (drawn / 2 % 20) as i64);
            (order[row], participant[row]) = ((nth * books + row) as i64, (drawn / 64 % 1_000) as i64);
            (price[row], side[row]) = (if buys { 500 - away } else { 500 + away }, u8::from(buys));
            (quantity[row], expires[row]) = (1 + (drawn / 128 % 100) as i64, 1_000 + (drawn / 256 % 96) as i64);
        }
        let rows = Commands {
            rows: books,
            market: Some(&markets),
            order: Some(&order),
            participant: Some(&participant),
            side: Some(&side),
            tif: Some(&tif),
            price: Some(Integers::Wide(&price)),
            quantity: Some(Integers::Wide(&quantity)),
            expires: Some(&expires),
            ..Commands::default()
        };
        let events = book.apply(&rows, Want::Trades).unwrap();
        assert_eq!(events.rows.len(), 0, "nothing trades");
    }
    assert_eq!(book.len(), books * ORDERS, "all rests");
    if let (Some(before), Some(after)) = (before, resident()) {
        println!("{:.0}", after.saturating_sub(before) as f64 / books as f64);
    }
}
