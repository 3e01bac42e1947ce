//! Clears one seeded book, for an instruction counter: `instructions CASE ORDERS`. `benches/instructions.py` runs it under
//! callgrind, which counts inside [`measured`] alone; without arguments every case runs once, small.

use std::hint::black_box;

use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound, Share};
use fastclear_core::auction::{Discriminatory, Mechanism, Uniform};
use fastclear_core::batch::{self, Want};
use fastclear_core::order::{Columns, Integers};
use fastclear_core::simd::{self, Path};

/// Markets of this many orders, where a case has many.
const SMALL: usize = 50;
const CASES: [&str; 7] =
    ["uniform_narrow", "uniform_wide", "one_price", "trades_narrow", "trades_wide", "many_narrow", "many_wide"];

/// `SplitMix64`: the same book on every machine.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % end
    }
}

/// What is counted: one call, all its work.
#[inline(never)]
fn measured(columns: &Columns<'_>, mechanism: &Mechanism, want: Want, filled: &mut [i64]) -> i64 {
    let cleared = batch::clear(black_box(columns), mechanism, want, 1, filled);
    cleared.map_or(-1, |cleared| cleared.outcomes.iter().map(|market| market.volume).sum())
}

fn run(case: &str, n: usize) {
    let mut draw = Draw(1);
    let mut price_of = || match case.rsplit_once('_').map(|(_, prices)| prices) {
        Some("wide") => draw.below((1 << 31) - 1) as i32,
        Some("price") => 1_000,
        // Nearly normal, 100 ticks either way: few levels, all with many orders.
        _ => (0..4).map(|_| draw.below(174) as i32).sum(),
    };
    let price: Vec<i32> = (0..n).map(|_| price_of()).collect();
    let side: Vec<u8> = (0..n).map(|_| draw.below(2) as u8).collect();
    let quantity: Vec<i64> = (0..n).map(|_| 1 + draw.below(1000) as i64).collect();
    let market: Vec<i64> = (0..n).map(|row| (row / SMALL) as i64).collect();
    let columns = Columns {
        side: &side,
        price: Integers::Narrow(&price),
        quantity: Integers::Wide(&quantity),
        market: case.starts_with("many").then_some(&market[..]),
        ..Columns::default()
    };
    let trades = case.starts_with("trades");
    let mechanism = if trades {
        let rule = PairRule { price: PairPrice::Share(Share::HALF), price_round: PriceRound::Floor };
        Mechanism::from(Discriminatory { rule, fee: 0, reserve: None })
    } else {
        Mechanism::from(Uniform::default())
    };
    let want = Want { trades, ..Want::default() };
    let mut filled = vec![0; n];
    let volume = measured(&columns, &mechanism, want, &mut filled);
    assert_eq!(filled.iter().sum::<i64>(), 2 * volume, "what is counted includes the fills");
    println!("{case} {n}: {volume} lots traded");
}

fn main() {
    simd::allow(Path::Avx2); // an instruction counter knows no AVX-512
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [case, n] if CASES.contains(&case.as_str()) => run(case, n.parse().unwrap_or(1_000)),
        _ => CASES.iter().for_each(|case| run(case, 1_000)),
    }
}
