//! Many markets in one call, in any order of rows: what is said of each row must be what is said of it where the rows are
//! sorted by market, and where its market is cleared alone; with ids near each other and far apart, markets of all sizes,
//! every mechanism, any number of threads.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeMap;

use common::{Mixed, mechanisms, uniform};
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::{Mechanism, RankedRule, Rule, Uniform};
use fastclear_core::batch::{self, Clearing, Want};
use fastclear_core::order::{Columns, Integers};
use fastclear_core::simd;
use fastclear_core::units::{PRICE_MAX, QUANTITY_MAX};

/// A number below `bound`.
fn below(draw: &mut Mixed, bound: i64) -> i64 {
    draw.below(bound as u64) as i64
}

/// `0..len` in any order.
fn shuffled(draw: &mut Mixed, len: usize) -> Vec<usize> {
    let mut keyed: Vec<(u64, usize)> = (0..len).map(|i| (draw.below(u64::MAX), i)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, i)| i).collect()
}

/// Orders in rows.
#[derive(Clone, Default)]
struct Rows {
    market: Vec<i64>,
    side: Vec<u8>,
    price: Vec<i64>,
    quantity: Vec<i64>,
    time: Vec<i64>,
    order: Vec<i64>,
    participant: Vec<i64>,
    half: Vec<u8>,
    turn: Vec<i64>,
}

/// Which columns a call has beside side, price, quantity and market, and how wide price and quantity are.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says of a column whether it is there")]
struct Given {
    narrow: bool,
    time: bool,
    order: bool,
    participant: bool,
    halves: bool,
}

impl Rows {
    /// Orders of the given markets: (id, number of orders). `prices` and `lots` are most ticks and lots.
    fn of(markets: &[(i64, usize)], prices: i64, lots: i64, seed: u64) -> Self {
        let mut draw = Mixed(seed);
        let mut rows = Self::default();
        for &(id, orders) in markets {
            let ids = shuffled(&mut draw, orders);
            for nth in ids {
                rows.market.push(id);
                rows.side.push(below(&mut draw, 2) as u8);
                rows.price.push(below(&mut draw, 2 * prices + 1) - prices);
                rows.quantity.push(1 + below(&mut draw, lots));
                rows.time.push(below(&mut draw, 3));
                rows.order.push(nth as i64 * 11 - 40);
                rows.participant.push(below(&mut draw, 1 << 40));
                rows.half.push(below(&mut draw, 2) as u8);
                rows.turn.push(below(&mut draw, 50));
            }
        }
        rows
    }

    /// These rows, in this order.
    fn picked(&self, rows: &[usize]) -> Self {
        fn pick<T: Copy>(column: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&row| column[row]).collect()
        }
        Self {
            market: pick(&self.market, rows),
            side: pick(&self.side, rows),
            price: pick(&self.price, rows),
            quantity: pick(&self.quantity, rows),
            time: pick(&self.time, rows),
            order: pick(&self.order, rows),
            participant: pick(&self.participant, rows),
            half: pick(&self.half, rows),
            turn: pick(&self.turn, rows),
        }
    }

    fn clear(&self, mechanism: &Mechanism, given: Given, want: Want, threads: usize) -> (Clearing, Vec<i64>) {
        let narrow = |column: &[i64]| column.iter().map(|&value| value as i32).collect::<Vec<i32>>();
        let (price, quantity) = (narrow(&self.price), narrow(&self.quantity));
        let columns = Columns {
            side: &self.side,
            price: if given.narrow { Integers::Narrow(&price) } else { Integers::Wide(&self.price) },
            quantity: if given.narrow { Integers::Narrow(&quantity) } else { Integers::Wide(&self.quantity) },
            market: Some(&self.market),
            time: given.time.then_some(&self.time[..]),
            order: given.order.then_some(&self.order[..]),
            participant: given.participant.then_some(&self.participant[..]),
            half: given.halves.then_some(&self.half[..]),
            turn: given.halves.then_some(&self.turn[..]),
            ..Columns::default()
        };
        let mut filled = vec![-1; self.side.len()];
        let clearing = batch::clear(&columns, mechanism, want, threads, &mut filled).unwrap();
        (clearing, filled)
    }
}

/// Rows in any order, but those of one market in the order in which they were.
fn mixed(market: &[i64], draw: &mut Mixed) -> Vec<usize> {
    let mut of: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (row, &id) in market.iter().enumerate().rev() {
        of.entry(id).or_default().push(row);
    }
    shuffled(draw, market.len()).into_iter().map(|row| of.get_mut(&market[row]).unwrap().pop().unwrap()).collect()
}

/// Checks that a clearing of rows `order` of some rows says of them what that of all rows in order says.
fn check_same(
    (sorted, sorted_filled): &(Clearing, Vec<i64>),
    (other, filled): &(Clearing, Vec<i64>),
    order: &[usize],
    told: &str,
) {
    assert_eq!(sorted.outcomes.len(), other.outcomes.len(), "{told}");
    for (sorted, other) in sorted.outcomes.iter().zip(&other.outcomes) {
        assert_eq!(sorted, other, "{told}");
    }
    assert_eq!(sorted.details, other.details, "{told}");
    assert_eq!(sorted.den, other.den, "{told}");
    let back = |column: &[i64]| order.iter().map(|&row| column[row]).collect::<Vec<i64>>();
    assert!(back(sorted_filled) == *filled, "fills, {told}");
    assert!(sorted.payment.as_deref().map(back) == other.payment, "payments, {told}");
    let codes = |codes: &Vec<u16>| order.iter().map(|&row| codes[row]).collect::<Vec<u16>>();
    assert!(sorted.reject.as_ref().map(codes) == other.reject, "codes, {told}");
    assert_eq!(sorted.trades.is_some(), other.trades.is_some(), "{told}");
    if let (Some(sorted), Some(trades)) = (&sorted.trades, &other.trades) {
        let mut named = trades.clone();
        for row in named.buy_row.iter_mut().chain(&mut named.sell_row) {
            *row = order[*row as usize] as i64;
        }
        assert!(*sorted == named, "trades, {told}");
    }
}

fn draws_lots(mechanism: &Mechanism) -> bool {
    match mechanism.rule {
        Rule::Uniform(uniform) => matches!(uniform.rationing, Rationing::Lottery { .. }),
        Rule::Discriminatory(_) => false,
        Rule::Ranked(rule) => {
            matches!(rule, RankedRule::RandomMatching(_) | RankedRule::Sbba(_) | RankedRule::Muda(_))
        }
    }
}

/// Checks some markets of a clearing of sorted rows against each cleared alone.
fn check_alone(rows: &Rows, sorted: &(Clearing, Vec<i64>), mechanism: &Mechanism, given: Given, want: Want) {
    let mut start = 0;
    for (nth, outcome) in sorted.0.outcomes.iter().enumerate() {
        let orders = rows.market[start..].iter().take_while(|&&id| id == outcome.market).count();
        let range: Vec<usize> = (start..start + orders).collect();
        start += orders;
        if !nth.is_multiple_of(7) {
            continue;
        }
        let (alone, filled) = rows.picked(&range).clear(mechanism, given, want, 1);
        // A price between two ticks in another market doubles the numbers of all.
        let of_den = |volume, welfare| (volume, welfare / i128::from(alone.den));
        let told = (outcome.volume, outcome.welfare / i128::from(sorted.0.den));
        assert_eq!(told, of_den(alone.outcomes[0].volume, alone.outcomes[0].welfare), "{mechanism:?}");
        assert!(filled == sorted.1[range[0]..=range[orders - 1]], "market {}, {mechanism:?}", outcome.market);
    }
    assert_eq!(start, rows.market.len());
}

/// Markets of up to `most` orders.
fn markets(ids: impl IntoIterator<Item = i64>, most: i64, seed: u64) -> Vec<(i64, usize)> {
    let mut draw = Mixed(seed);
    let mut ids: Vec<i64> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(|id| (id, 1 + below(&mut draw, most) as usize)).collect()
}

/// Sets of markets of every shape, some of so many rows that several threads share them.
fn shapes() -> Vec<(&'static str, Vec<(i64, usize)>)> {
    let mut draw = Mixed(99);
    let mut far = |ids: usize| (0..ids).map(|_| draw.below(u64::MAX) as i64).collect::<Vec<i64>>();
    let mut huge_one = markets(0..2_000, 6, 3);
    huge_one[1_234].1 = 40_000;
    let mut huge_last = markets(far(3_000), 4, 4);
    huge_last.last_mut().unwrap().1 = 60_000;
    vec![
        ("two", vec![(7, 1), (8, 2)]),
        ("near", markets(-700..2_300, 45, 1)),
        ("far apart", markets(far(3_000), 45, 2)),
        ("clusters", markets((0..1_500).map(|id| id % 3 * (1 << 50) + id).chain([i64::MIN, i64::MAX]), 40, 5)),
        ("multiples", markets((0..3_000).map(|id| -13 * id), 30, 6)),
        ("one huge", huge_one),
        ("one huge, far apart", huge_last),
        ("each its own", markets(0..40_000, 1, 7)),
        ("each its own, far apart", markets(far(40_000), 1, 8)),
    ]
}

#[test]
fn every_mechanism_says_the_same_in_any_order_of_rows() {
    let mut draw = Mixed(5);
    let all = Want { payment: true, trades: true, prices_only: false };
    for (nth, (name, markets)) in shapes().into_iter().enumerate() {
        for (seed, mechanism) in (nth as u64..).zip(mechanisms()) {
            let lots = if mechanism.unit().is_some() { 1 } else { 20 };
            let rows = Rows::of(&markets, 12, lots, seed);
            let order = mixed(&rows.market, &mut draw);
            let shuffled = rows.picked(&order);
            let given = Given {
                narrow: seed.is_multiple_of(2),
                time: !seed.is_multiple_of(3),
                order: seed % 5 == 1,
                participant: !mechanism.takes_participants(),
                halves: seed % 2 == 1,
            };
            let want = if seed.is_multiple_of(4) { Want::default() } else { all };
            let sorted = rows.clear(&mechanism, given, want, 1);
            let told = |threads| format!("{name}, {threads} threads, {given:?}, {mechanism:?}");
            for threads in [1, 2, 16] {
                check_same(&sorted, &shuffled.clear(&mechanism, given, want, threads), &order, &told(threads));
            }
            let as_it_was: Vec<usize> = (0..order.len()).collect();
            check_same(&sorted, &rows.clear(&mechanism, given, want, 3), &as_it_was, &told(3));
            if !draws_lots(&mechanism) && markets.len() < 5_000 {
                check_alone(&rows, &sorted, &mechanism, given, want);
            }
        }
    }
}

#[test]
fn any_number_of_threads_on_every_path_says_the_same() {
    // Enough rows for sixteen threads.
    let markets = markets(1_000..13_000, 90, 11);
    let rows = Rows::of(&markets, PRICE_MAX / 2, QUANTITY_MAX / 4, 12);
    let order = mixed(&rows.market, &mut Mixed(13));
    let shuffled = rows.picked(&order);
    let as_it_was: Vec<usize> = (0..order.len()).collect();
    for mechanism in [uniform(Rationing::ProRata, true, 0), uniform(Rationing::Time, false, 3)] {
        simd::allow(simd::Path::Scalar);
        let given = Given { time: true, ..Given::default() };
        let sorted = rows.clear(&mechanism, given, Want::default(), 1);
        for path in simd::Path::ALL {
            simd::allow(path);
            for threads in [1, 2, 5, 16] {
                let given = Given { narrow: threads == 5, ..given };
                let told = format!("{threads} threads, {path:?}");
                check_same(&sorted, &shuffled.clear(&mechanism, given, Want::default(), threads), &order, &told);
                check_same(&sorted, &rows.clear(&mechanism, given, Want::default(), threads), &as_it_was, &told);
            }
        }
    }
}

#[test]
fn sizes_around_every_switch_say_the_same() {
    let mechanism = uniform(Rationing::ProRata, true, 0);
    let mut draw = Mixed(21);
    // Rows of a block, of a bin, of a thread; ids that are their own codes and ids that are not, around the limit.
    for rows in [2, 3, 1_023, 1_024, 1_025, 8_191, 8_192, 8_193, 16_384, 32_767, 32_768, 32_769, 65_536, 65_537] {
        for spread in [1, 3, 4, 5, 1 << 33] {
            let ids: Vec<i64> = (0..rows).map(|_| below(&mut draw, spread * rows) - rows).collect();
            let mut counts: BTreeMap<i64, usize> = BTreeMap::from([(-rows, 1), (spread * rows - rows - 1, 1)]);
            for &id in &ids[2..] {
                *counts.entry(id).or_default() += 1;
            }
            let rows = Rows::of(&counts.into_iter().collect::<Vec<_>>(), 30, 50, draw.below(u64::MAX));
            let order = mixed(&rows.market, &mut draw);
            let sorted = rows.clear(&mechanism, Given::default(), Want::default(), 1);
            for threads in [1, 3] {
                let other = rows.picked(&order).clear(&mechanism, Given::default(), Want::default(), threads);
                check_same(&sorted, &other, &order, &format!("{} rows, ids {spread} apart", order.len()));
            }
        }
    }
}

#[test]
fn one_descent_anywhere_is_seen() {
    let mechanism = uniform(Rationing::ProRata, true, 0);
    let rows = Rows::of(&markets(0..2_000, 79, 31), 30, 50, 32);
    let len = rows.market.len();
    let sorted = rows.clear(&mechanism, Given::default(), Want::default(), 1);
    let parts: Vec<usize> = (1..5).flat_map(|part| [2, 3, 5].map(|parts| (len * part / parts).min(len - 1))).collect();
    for end in [1, 63, 64, 65, 1_023, 1_024, 1_025, len - 1].into_iter().chain(parts) {
        // The first row of all behind the row `end`: its market is the first.
        let order: Vec<usize> = (1..=end).chain([0]).chain(end + 1..len).collect();
        if rows.market[end] == rows.market[0] {
            continue;
        }
        let twice_moved = rows.picked(&order);
        for threads in [1, 2, 3, 5] {
            let other = twice_moved.clear(&mechanism, Given::default(), Want::default(), threads);
            // The row that was first comes last of its market, so that the twin's rows are in that order, too.
            let mut as_cleared: Vec<usize> = order.clone();
            as_cleared.sort_by_key(|&row| rows.market[row]);
            let expected = rows.picked(&as_cleared).clear(&mechanism, Given::default(), Want::default(), 1);
            let mut place = vec![0; len];
            for (nth, &row) in as_cleared.iter().enumerate() {
                place[row] = nth;
            }
            let order: Vec<usize> = order.iter().map(|&row| place[row]).collect();
            check_same(&expected, &other, &order, &format!("row {end}, {threads} threads"));
        }
    }
    assert!(sorted.0.outcomes.iter().any(|outcome| outcome.volume > 0));
}

#[test]
fn a_row_to_refuse_is_refused_wherever_it_stands() {
    let mechanism = Mechanism::from(Uniform::default());
    let rows = Rows::of(&markets(-50..2_000, 60, 41), 30, 50, 42);
    let order = mixed(&rows.market, &mut Mixed(43));
    for flaw in 0..6 {
        for at in [0, rows.side.len() / 2, rows.side.len() - 1] {
            let has_next = |&&row: &&usize| rows.market.get(row + 1) == Some(&rows.market[row]);
            let row = *order[at..].iter().chain(&order).find(has_next).unwrap();
            let mut rows = rows.clone();
            match flaw {
                0 => rows.side[row] = 2,
                1 => rows.price[row] = PRICE_MAX + 1,
                2 => rows.price[row] = i64::MIN,
                3 => rows.quantity[row] = 0,
                4 => rows.quantity[row] = QUANTITY_MAX + 1,
                // The same id twice in a market: both rows go.
                _ => rows.order[row] = rows.order[row + 1],
            }
            let given = Given { order: true, ..Given::default() };
            let sorted = rows.clear(&mechanism, given, Want::default(), 1);
            let refused = sorted.0.reject.as_ref().unwrap().iter().filter(|&&code| code != 0).count();
            assert_eq!(refused, if flaw == 5 { 2 } else { 1 });
            for threads in [1, 2] {
                let other = rows.picked(&order).clear(&mechanism, given, Want::default(), threads);
                check_same(&sorted, &other, &order, &format!("flaw {flaw} in row {row}"));
            }
        }
    }
}
