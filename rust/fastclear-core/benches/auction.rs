//! The passes of a call auction over one book, each with what its cost should follow. `cargo bench --bench auction`.
#![allow(missing_docs, reason = "made by criterion's macros")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fastclear_core::auction::book::{Book, Priority};
use fastclear_core::auction::curve::{Scratch, Terms, cross};
use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound, Share};
use fastclear_core::auction::rationing::{self, Portion, Rationing};
use fastclear_core::auction::{Discriminatory, Mechanism, Uniform};
use fastclear_core::batch::{self, Want};
use fastclear_core::order::{Columns, Integers};
use fastclear_core::simd::{self, Path};

const POSITION: Priority<'static> = Priority { time: None, order: None, market_rank: 0 };

struct Orders {
    side: Vec<u8>,
    price: Vec<i32>,
    quantity: Vec<i64>,
    market: Vec<i64>,
}

/// `SplitMix64`: the same book on every machine.
fn mixed(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut x = *state;
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn orders(n: usize, levels: u64, per_market: usize) -> Orders {
    let mut state = 1;
    let mut draw = |below: u64| mixed(&mut state) % below;
    Orders {
        side: (0..n).map(|_| draw(2) as u8).collect(),
        price: (0..n).map(|_| draw(levels) as i32).collect(),
        quantity: (0..n).map(|_| 1 + draw(1000) as i64).collect(),
        market: (0..n).map(|row| (row / per_market) as i64).collect(),
    }
}

impl Orders {
    fn book(&self) -> Book<'_, i32, i64> {
        Book { side: &self.side, price: &self.price, quantity: &self.quantity, fee: 0 }
    }

    fn columns(&self, many: bool) -> Columns<'_> {
        Columns {
            side: &self.side,
            price: Integers::Narrow(&self.price),
            quantity: Integers::Wide(&self.quantity),
            market: many.then_some(&self.market),
            ..Columns::default()
        }
    }
}

const LAWS: [(&str, u64); 2] = [("narrow", 200), ("wide", (1 << 31) - 1)];

/// The least that clearing one market takes: every order read (13 B) and a fill written (8 B), in one loop that does
/// nothing else; beside it what `np.copyto` does, a copy of one column, which stands for it in the ratios.
fn limit(c: &mut Criterion) {
    let mut group = c.benchmark_group("limit");
    for n in [10_000, 1_000_000, 10_000_000] {
        let orders = orders(n, 1 << 30, 1);
        let mut filled = vec![0_i64; n];
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("read 13 B, write 8 B", n), |b| {
            b.iter(|| {
                let rows = orders.side.iter().zip(&orders.price).zip(&orders.quantity);
                for (fill, ((&side, &price), &quantity)) in filled.iter_mut().zip(rows) {
                    *fill = quantity & -i64::from((price > 1 << 29) == (side == 1));
                }
                black_box(&mut filled);
            });
        });
        group.bench_function(BenchmarkId::new("copy 8 B", n), |b| {
            b.iter(|| black_box(&mut filled).copy_from_slice(black_box(&orders.quantity)));
        });
    }
    group.finish();
}

/// The paths that this machine has, best first; the best is left allowed.
fn on_each_path(mut bench: impl FnMut(&'static str)) {
    for path in Path::ALL.into_iter().rev() {
        simd::allow(path);
        if simd::path() == path {
            bench(path.name());
        }
    }
    simd::allow(Path::Avx512);
}

/// The same books on each path: what vectors are worth.
fn paths(c: &mut Criterion) {
    let mut group = c.benchmark_group("path");
    group.sample_size(20);
    let uniform = Mechanism::from(Uniform::default());
    for (law, levels) in LAWS {
        for n in [50, 10_000, 1_000_000] {
            let orders = orders(n, levels, 1);
            let mut filled = vec![0; n];
            group.throughput(Throughput::Elements(n as u64));
            on_each_path(|path| {
                group.bench_function(BenchmarkId::new(format!("{law} {path}"), n), |b| {
                    b.iter(|| batch::clear(&orders.columns(false), &uniform, Want::default(), 1, &mut filled));
                });
            });
        }
        let orders = orders(1_000_000, levels, 50);
        let mut filled = vec![0; 1_000_000];
        on_each_path(|path| {
            group.bench_function(BenchmarkId::new(format!("{law} {path}"), "markets of 50"), |b| {
                b.iter(|| batch::clear(&orders.columns(true), &uniform, Want::default(), 1, &mut filled));
            });
        });
    }
    group.finish();
}

/// The pass that fills all but the candidates: reads 13 B an order and writes 8 B, which is the limit of memory.
fn sweeping(c: &mut Criterion) {
    let orders = orders(1_000_000, 1 << 30, 1);
    let (mut filled, mut candidates) = (vec![0; 1_000_000], simd::Candidates::default());
    let cut = simd::Cut { first: 1 << 29, guess: (1 << 29) + (1 << 19), last: (1 << 29) + (1 << 20) };
    let mut group = c.benchmark_group("sweep");
    group.throughput(Throughput::Elements(1_000_000));
    group.bench_function("wide", |b| {
        b.iter(|| simd::sweep(black_box(&orders.book()), cut, &mut filled, &mut candidates));
    });
    group.finish();
}

/// A whole book: linear in orders; small books are sorted, which costs n log n.
fn crossing(c: &mut Criterion) {
    let mut group = c.benchmark_group("cross");
    for (law, levels) in LAWS {
        for n in [50, 500, 10_000, 1_000_000] {
            let orders = orders(n, levels, 1);
            let (mut filled, mut scratch) = (vec![0; n], Scratch::default());
            group.throughput(Throughput::Elements(n as u64));
            group.bench_function(BenchmarkId::new(law, n), |b| {
                b.iter(|| {
                    let book = black_box(orders.book());
                    let terms = Terms { zero_surplus: true, rationing: Rationing::ProRata, priority: &POSITION };
                    cross(&book, &terms, &mut filled, &mut scratch)
                });
            });
        }
    }
    group.finish();
}

/// A marginal level of 10^5 orders: a few passes over them, linear for every rule.
fn rationing(c: &mut Criterion) {
    let quantities: Vec<i64> = orders(100_000, 2, 1).quantity;
    let total: i64 = quantities.iter().sum();
    let (mut filled, mut scratch) = (vec![0; quantities.len()], rationing::Scratch::default());
    let level: Vec<u32> = (0..100_000).collect();
    let (side, price) = (vec![1; level.len()], vec![0_i32; level.len()]);
    let book = Book { side: &side, price: &price, quantity: &quantities, fee: 0 };
    let mut group = c.benchmark_group("rationing");
    group.throughput(Throughput::Elements(100_000));
    for rule in
        [Rationing::ProRata, Rationing::Time, Rationing::Equal, Rationing::Quantity, Rationing::Lottery { seed: 1 }]
    {
        group.bench_function(format!("{rule:?}"), |b| {
            b.iter(|| {
                let portion = Portion { left: total / 3, total };
                rule.share(&book, &level, portion, &POSITION, &mut filled, &mut scratch);
            });
        });
    }
    group.finish();
}

/// Markets of 50 orders, and trades of one large market: what `batch` adds.
fn batches(c: &mut Criterion) {
    let mut group = c.benchmark_group("batch");
    group.sample_size(10);
    let n = 1_000_000;
    let mut filled = vec![0; n];
    let uniform = Mechanism::from(Uniform::default());
    let discriminatory = Mechanism::from(Discriminatory {
        rule: PairRule { price: PairPrice::Share(Share::HALF), price_round: PriceRound::Floor },
        fee: 0,
        reserve: None,
    });
    group.throughput(Throughput::Elements(n as u64));
    for (law, levels) in LAWS {
        let mut orders = orders(n, levels, 50);
        for (name, many, mechanism) in
            [("markets of 50", true, &uniform), ("one market", false, &uniform), ("trades", false, &discriminatory)]
        {
            let want = Want { trades: name == "trades", ..Want::default() };
            group.bench_function(BenchmarkId::new(name, law), |b| {
                b.iter(|| {
                    batch::clear(&orders.columns(many), mechanism, want, 1, &mut filled).map(|done| done.outcomes)
                });
            });
        }
        let mut state = 2;
        for market in &mut orders.market {
            *market = (mixed(&mut state) % (n as u64 / 50)) as i64;
        }
        group.bench_function(BenchmarkId::new("shuffled markets of 50", law), |b| {
            b.iter(|| {
                batch::clear(&orders.columns(true), &uniform, Want::default(), 1, &mut filled).map(|done| done.outcomes)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, limit, paths, sweeping, crossing, rationing, batches);
criterion_main!(benches);
