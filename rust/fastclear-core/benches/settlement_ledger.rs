//! What happens to a posting: it is folded into accounts and hashed into a tree. `cargo bench --bench settlement_ledger`.
#![allow(missing_docs, reason = "made by criterion's macros")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fastclear_core::ledger::merkle;
use fastclear_core::settlement::accounts::Accounts;
use fastclear_core::settlement::posting::{Kind, Posting};

const LEAVES: usize = 10_000;

/// Two compressions of SHA-256 a leaf of 112 bytes, and two a node.
fn merkle_root(c: &mut Criterion) {
    let entries = vec![7; LEAVES * 112];
    let mut group = c.benchmark_group("merkle");
    group.throughput(Throughput::Elements(LEAVES as u64));
    group.bench_function("root of records", |b| b.iter(|| merkle::root(merkle::leaf_hashes(black_box(&entries), 112))));
    group.finish();
}

fn posting(seq: u64, kind: Kind, debit: u64, credit: u64, amount: i64) -> Posting {
    Posting {
        kind,
        flags: 0,
        code: 0,
        asset: 0,
        seq,
        time_ns: seq + 1,
        market: 0,
        buy_order: 0,
        sell_order: 0,
        debit,
        credit,
        quantity: 0,
        price: 0,
        amount,
        group: seq,
    }
}

/// Deposits to 1000 members in turn: two look-ups of an account and three sums a posting.
fn fold(c: &mut Criterion) {
    let members = 1_000_u64;
    let mut opened = Accounts::new();
    let mut seq = 0;
    for account in (1..=7).chain(1_000..1_000 + members) {
        let done = opened.apply(&posting(seq, Kind::AccountOpened, account, 0, 0));
        assert!(done.is_ok(), "account {account}: {done:?}");
        seq += 1;
    }
    let deposits: Vec<Posting> =
        (0..10_000).map(|i| posting(seq + i, Kind::Deposit, 1, 1_000 + i * 7 % members, 5)).collect();
    let mut group = c.benchmark_group("accounts");
    group.throughput(Throughput::Elements(deposits.len() as u64));
    group.bench_function("fold", |b| {
        b.iter_batched(
            || opened.clone(),
            |mut accounts| {
                for deposit in &deposits {
                    let done = accounts.apply(deposit);
                    assert!(done.is_ok(), "{done:?}");
                }
                accounts
            },
            criterion::BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, merkle_root, fold);
criterion_main!(benches);
