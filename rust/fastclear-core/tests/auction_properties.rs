//! The fast path against a slow, obvious twin: sort both sides, walk two pointers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use common::{BOUND, Cleared, Frame, Mixed, Order, mechanisms, prices, quantities, uniform};
use fastclear_core::auction::Mechanism;
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::simd;
use proptest::prelude::*;

/// Volume, interval and fills (by time) of one market: rows of `orders` in, everything by sorting.
fn naive(orders: &[Order], rows: &[usize], fee: i64, zero_surplus: bool) -> (i64, (i64, i64), Vec<(usize, i64)>) {
    let key = |row: usize| orders[row].price - if orders[row].buy { fee } else { 0 };
    let mut bids: Vec<usize> = rows.iter().copied().filter(|&row| orders[row].buy).collect();
    let mut asks: Vec<usize> = rows.iter().copied().filter(|&row| !orders[row].buy).collect();
    bids.sort_by_key(|&row| (-key(row), orders[row].time, row));
    asks.sort_by_key(|&row| (key(row), orders[row].time, row));
    let mut left: Vec<i64> = orders.iter().map(|order| order.quantity).collect();
    let (mut b, mut a, mut volume) = (0, 0, 0);
    while b < bids.len() && a < asks.len() {
        let (bid, ask) = (bids[b], asks[a]);
        if key(bid) < key(ask) || (!zero_surplus && key(bid) == key(ask)) {
            break;
        }
        let quantity = left[bid].min(left[ask]);
        volume += quantity;
        left[bid] -= quantity;
        left[ask] -= quantity;
        b += usize::from(left[bid] == 0);
        a += usize::from(left[ask] == 0);
    }
    let taken = |row: usize| orders[row].quantity - left[row];
    let low = asks.iter().filter(|&&row| taken(row) > 0).chain(bids.iter().filter(|&&row| left[row] > 0));
    let high = bids.iter().filter(|&&row| taken(row) > 0).chain(asks.iter().filter(|&&row| left[row] > 0));
    let interval = (low.map(|&row| key(row)).max().unwrap_or(0), high.map(|&row| key(row)).min().unwrap_or(0));
    (volume, interval, rows.iter().map(|&row| (row, taken(row))).collect())
}

fn orders(most: usize) -> impl Strategy<Value = Vec<Order>> {
    let order = (0..3_i64, any::<bool>(), prices(), quantities(), 0..3_i64);
    prop::collection::vec(order, 1..most)
        .prop_map(|rows| rows.into_iter().zip(0..).map(|(row, place)| order_of(row, place)).collect())
}

fn order_of((market, buy, price, quantity, time): (i64, bool, i64, i64, i64), place: i64) -> Order {
    let id = place * 7 - 3;
    Order { market, id, participant: id, buy, price, quantity, time, start: price }
}

fn check_against_twin(orders: &[Order], zero_surplus: bool, fee: i64) {
    let Cleared { clearing, filled } = Frame::of(orders).clear(&uniform(Rationing::Time, zero_surplus, fee), 1);
    for outcome in &clearing.outcomes {
        let rows: Vec<usize> = (0..orders.len()).filter(|&row| orders[row].market == outcome.market).collect();
        let (volume, interval, fills) = naive(orders, &rows, fee, zero_surplus);
        assert_eq!(outcome.volume, volume, "volume of market {}", outcome.market);
        if volume > 0 {
            assert_eq!((outcome.price_low, outcome.price_high), interval, "interval of market {}", outcome.market);
        }
        for (row, fill) in fills {
            assert_eq!(filled[row], fill, "fill of row {row}");
        }
    }
}

/// Books of a few prices, whose marginal level is a good part of them, around the sizes at which other paths take over.
#[test]
fn long_levels_are_the_twins() {
    let mut draw = Mixed(5);
    for n in [511, 512, 513, 700, 3_999, 4_000, 4_001, 39_999, 40_000, 40_001] {
        for levels in [1, 1, 2, 3, 5] {
            // With a few lots and an even number of orders, W meets the quantity of all bids exactly now and then.
            let (largest, buyers) = ([1, 3, BOUND as u64][draw.below(3) as usize], 1 + draw.below(3));
            let base = [-BOUND, 0, BOUND - 9][draw.below(3) as usize];
            let mut orders: Vec<Order> = (0..n)
                .map(|place| {
                    let (price, quantity) = (base + draw.below(levels) as i64, 1 + draw.below(largest) as i64);
                    order_of((0, draw.below(4) < buyers, price, quantity, draw.below(3) as i64), place)
                })
                .collect();
            let fee = draw.below(3) as i64;
            for path in simd::Path::ALL {
                simd::allow(path);
                check_against_twin(&orders, draw.below(3) > 0, fee);
            }
            orders.sort_by_key(|order| order.price);
            check_against_twin(&orders, true, fee);
        }
    }
}

/// Order id, filled quantity, payment.
type Fill = (i64, i64, i64);

/// Everything that a clearing says, by order id instead of by row.
fn by_id(cleared: &Cleared, ids: &[i64]) -> (Vec<Fill>, Vec<[i64; 5]>, String) {
    let rows = ids.iter().zip(&cleared.filled).zip(cleared.payment());
    let mut fills: Vec<_> = rows.map(|((&id, &fill), &paid)| (id, fill, paid)).collect();
    fills.sort_unstable();
    let trades = cleared.trades();
    let trades = (0..trades.len())
        .map(|t| {
            let (buyer, seller) = (ids[trades.buy_row[t] as usize], ids[trades.sell_row[t] as usize]);
            [buyer, seller, trades.quantity[t], trades.buy_price[t], trades.sell_prices()[t]]
        })
        .collect();
    (fills, trades, format!("{:?}", cleared.clearing.outcomes))
}

fn check_determinism(orders: &[Order], turn: usize, mechanisms: &[Mechanism]) {
    let mut turned = orders.to_vec();
    turned.rotate_left(turn % orders.len());
    let (frame, turned) = (Frame::of(orders), Frame::of(&turned));
    for mechanism in mechanisms {
        let expected = by_id(&frame.clear(mechanism, 1), &frame.order);
        for threads in [2, 16] {
            let several = by_id(&frame.clear(mechanism, threads), &frame.order);
            assert_eq!(several, expected, "{threads} threads, {mechanism:?}");
        }
        let again = by_id(&turned.clear(mechanism, 1), &turned.order);
        assert_eq!(again, expected, "turned rows, {mechanism:?}");
        for path in simd::Path::ALL {
            simd::allow(path);
            let on_path = by_id(&frame.clear(mechanism, 1), &frame.order);
            assert_eq!(on_path, expected, "{path:?}, {mechanism:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn volume_interval_and_fills_are_the_twins(orders in orders(60), zero_surplus: bool, fee in 0..4_i64) {
        check_against_twin(&orders, zero_surplus, fee);
    }

    #[test]
    fn rows_threads_and_paths_change_nothing(orders in orders(60), turn in 1..50_usize) {
        check_determinism(&orders, turn, &mechanisms());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 14, failure_persistence: None, ..ProptestConfig::default() })]

    /// Large enough for bins, several rounds of them, vectors and a second thread.
    #[test]
    fn large_books_too(seed: u64, spread in prop_oneof![Just(1_u64), Just(40), Just(1 << 20), Just((1 << 32) - 1)]) {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let orders: Vec<Order> = (0..70_001)
            .map(|place| {
                let (market, buy) = ((next() % 7 / 3) as i64, next() % 2 == 0);
                let price = (next() % spread) as i64 - (spread / 2) as i64;
                order_of((market, buy, price, (next() % 1000) as i64 + 1, (next() % 5) as i64), place)
            })
            .collect();
        let mut sorted = orders.clone();
        sorted.sort_by_key(|order| order.market);
        for (order, place) in sorted.iter_mut().zip(0..) {
            order.id = place; // ids that ascend pass at a glance
        }
        check_against_twin(&orders, true, 0);
        check_against_twin(&sorted, false, 3);
        // A few of the mechanisms a book: a debug build takes its time.
        let some: Vec<Mechanism> = mechanisms().into_iter().skip(seed as usize % 7).step_by(7).collect();
        check_determinism(&sorted, seed as usize, &some);
    }
}
