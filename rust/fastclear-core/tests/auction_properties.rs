//! The fast path against a slow, obvious twin: sort both sides, walk two pointers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use fastclear_core::auction::discriminatory::{PairPrice, PairRule};
use fastclear_core::auction::maximal_volume::Walk;
use fastclear_core::auction::muda::Variant;
use fastclear_core::auction::price::PriceRound;
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::uniform::PriceRule;
use fastclear_core::auction::{
    Average, Discriminatory, Huang, MaximalVolume, Mechanism, Muda, MultiRound, RandomMatching, RankedRule, Rule, Sbba,
    TradeReduction, Uniform, Vickrey,
};
use fastclear_core::batch::{Clearing, Want, clear};
use fastclear_core::order::{Columns, Integers};
use fastclear_core::simd;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Order {
    market: i64,
    buy: bool,
    price: i64,
    quantity: i64,
    time: i64,
}

#[derive(Debug)]
struct Frame {
    side: Vec<u8>,
    price: Vec<i64>,
    quantity: Vec<i64>,
    market: Vec<i64>,
    time: Vec<i64>,
}

impl Frame {
    fn of(orders: &[Order]) -> Self {
        Self {
            side: orders.iter().map(|order| u8::from(order.buy)).collect(),
            price: orders.iter().map(|order| order.price).collect(),
            quantity: orders.iter().map(|order| order.quantity).collect(),
            market: orders.iter().map(|order| order.market).collect(),
            time: orders.iter().map(|order| order.time).collect(),
        }
    }

    fn columns<'a>(&'a self, ids: &'a [i64]) -> Columns<'a> {
        Columns {
            side: &self.side,
            price: Integers::Wide(&self.price),
            quantity: Integers::Wide(&self.quantity),
            market: Some(&self.market),
            order: Some(ids),
            time: Some(&self.time),
            ..Columns::default()
        }
    }

    fn clear(&self, ids: &[i64], mechanism: &Mechanism, threads: usize) -> (Clearing, Vec<i64>) {
        let mut filled = vec![-1; self.side.len()];
        let want = Want { payment: true, trades: true };
        let clearing = clear(&self.columns(ids), mechanism, want, threads, &mut filled).unwrap();
        (clearing, filled)
    }
}

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
    let bound = (1_i64 << 31) - 1;
    let price = prop_oneof![8 => 0..12_i64, 2 => -3..3_i64, 1 => Just(bound), 1 => Just(-bound), 1 => -bound..=bound];
    let quantity = prop_oneof![6 => 1..9_i64, 1 => Just(1), 1 => Just(bound), 1 => 1..=bound];
    let order = (0..3_i64, any::<bool>(), price, quantity, 0..3_i64)
        .prop_map(|(market, buy, price, quantity, time)| Order { market, buy, price, quantity, time });
    prop::collection::vec(order, 1..most)
}

fn uniform(rationing: Rationing, zero_surplus: bool, fee: i64) -> Mechanism {
    Uniform { rationing, zero_surplus, fee, ..Uniform::default() }.into()
}

fn mechanisms() -> Vec<Mechanism> {
    let rule = PairRule { price: PairPrice::Earlier, price_round: PriceRound::Ceil };
    let mut all = vec![Mechanism::from(Discriminatory { rule, fee: 1, reserve: Some(3) })];
    let (seed, unit) = (7, 1);
    for rule in [
        RankedRule::MaximalVolume(MaximalVolume { rule, walk: Walk::Ascending }),
        RankedRule::MaximalVolume(MaximalVolume { rule, walk: Walk::Descending }),
        RankedRule::RandomMatching(RandomMatching { rule, seed }),
        RankedRule::Vickrey(Vickrey),
        RankedRule::TradeReduction(TradeReduction { use_p0: true, cap_low: None, cap_high: None, unit }),
        RankedRule::Huang(Huang),
        RankedRule::Sbba(Sbba { seed, unit }),
        RankedRule::Muda(Muda { variant: Variant::Lottery, seed }),
        RankedRule::Muda(Muda { variant: Variant::Vickrey, seed }),
        RankedRule::Average(Average { unit }),
        RankedRule::MultiRound(MultiRound { buyer_step: 1, seller_step: 2, max_rounds: 9 }),
    ] {
        all.push(Rule::Ranked(rule).into());
    }
    for price_rule in [PriceRule::LastPairMidpoint, PriceRule::ScarceSide, PriceRule::CutOrder] {
        all.push(Uniform { price_rule, rationing: Rationing::Lottery { seed }, ..Uniform::default() }.into());
    }
    let price_rule = PriceRule::MarginalBid;
    all.push(Uniform { price_rule, whole_levels: true, rationing: Rationing::Quantity, ..Uniform::default() }.into());
    for rationing in [Rationing::Time, Rationing::ProRata, Rationing::Equal] {
        all.push(uniform(rationing, true, 0));
        all.push(uniform(rationing, false, 2));
    }
    all
}

fn check_against_twin(orders: &[Order], zero_surplus: bool, fee: i64) {
    let frame = Frame::of(orders);
    let ids: Vec<i64> = (0..orders.len() as i64).collect();
    let (clearing, filled) = frame.clear(&ids, &uniform(Rationing::Time, zero_surplus, fee), 1);
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

/// Order id, filled quantity, payment.
type Fill = (i64, i64, i64);

/// Everything that a clearing says, by order id instead of by row.
fn by_id(clearing: &Clearing, filled: &[i64], ids: &[i64]) -> (Vec<Fill>, Vec<[i64; 5]>, String) {
    let payment = clearing.payment.as_ref().unwrap();
    let mut fills: Vec<_> = ids.iter().zip(filled).zip(payment).map(|((&id, &fill), &paid)| (id, fill, paid)).collect();
    fills.sort_unstable();
    let trades = clearing.trades.as_ref().unwrap();
    let trades = (0..trades.len())
        .map(|t| {
            let (buyer, seller) = (ids[trades.buy_row[t] as usize], ids[trades.sell_row[t] as usize]);
            [buyer, seller, trades.quantity[t], trades.buy_price[t], trades.sell_price[t]]
        })
        .collect();
    (fills, trades, format!("{:?}", clearing.outcomes))
}

fn check_determinism(orders: &[Order], turn: usize, mechanisms: &[Mechanism]) {
    let ids: Vec<i64> = (0..orders.len() as i64).map(|id| id * 7 - 3).collect();
    let (mut turned, mut turned_ids) = (orders.to_vec(), ids.clone());
    turned.rotate_left(turn % orders.len());
    turned_ids.rotate_left(turn % orders.len());
    let (frame, turned) = (Frame::of(orders), Frame::of(&turned));
    for mechanism in mechanisms {
        let (one, filled) = frame.clear(&ids, mechanism, 1);
        let expected = by_id(&one, &filled, &ids);
        for threads in [2, 16] {
            let (several, filled) = frame.clear(&ids, mechanism, threads);
            assert_eq!(by_id(&several, &filled, &ids), expected, "{threads} threads, {mechanism:?}");
        }
        let (again, filled) = turned.clear(&turned_ids, mechanism, 1);
        assert_eq!(by_id(&again, &filled, &turned_ids), expected, "turned rows, {mechanism:?}");
        simd::force(simd::Path::Scalar);
        let (scalar, filled) = frame.clear(&ids, mechanism, 1);
        simd::force(simd::Path::Best);
        assert_eq!(by_id(&scalar, &filled, &ids), expected, "scalar path, {mechanism:?}");
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
            .map(|_| Order {
                market: (next() % 7 / 3) as i64,
                buy: next() % 2 == 0,
                price: (next() % spread) as i64 - (spread / 2) as i64,
                quantity: (next() % 1000) as i64 + 1,
                time: (next() % 5) as i64,
            })
            .collect();
        let mut sorted = orders.clone();
        sorted.sort_by_key(|order| order.market);
        check_against_twin(&orders, true, 0);
        check_against_twin(&sorted, false, 3);
        // A few of the mechanisms a book: a debug build takes its time.
        let some: Vec<Mechanism> = mechanisms().into_iter().skip(seed as usize % 7).step_by(7).collect();
        check_determinism(&sorted, seed as usize, &some);
    }
}
