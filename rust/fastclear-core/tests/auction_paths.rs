//! Large books on every path (scalar, AVX2, AVX-512), every width of column and every kind of book, against a twin that
//! sorts, at sizes around every switch between algorithms; and many small books in one call, against the same twin.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::{Mechanism, Uniform};
use fastclear_core::batch::{self, Want};
use fastclear_core::order::{Columns, Integers};
use fastclear_core::simd;
use fastclear_core::trade::MarketOutcome;
use fastclear_core::units::{PRICE_MAX, QUANTITY_MAX};

struct Book {
    side: Vec<u8>,
    price: Vec<i64>,
    quantity: Vec<i64>,
    time: Option<Vec<i64>>,
}

/// What a clearing must say: interval, volume, welfare, fills.
#[derive(Debug, PartialEq)]
struct Expected {
    interval: Option<(i64, i64)>,
    volume: i64,
    welfare: i128,
    bids: u32,
    filled: Vec<i64>,
}

struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) % bound as u64) as i64
    }
}

const KINDS: [&str; 19] = [
    "narrow",
    "wide",
    "sorted",
    "descending",
    "concatenated",
    "periodic",
    "one price",
    "two prices",
    "apart",
    "bids only",
    "asks only",
    "pareto",
    "whale",
    "extremes",
    "outliers",
    "heavy",
    "tails",
    "far apart",
    "half at one price",
];

fn book(kind: &str, n: usize, seed: u64) -> Book {
    let mut draw = Draw(seed);
    let mut book = Book { side: Vec::new(), price: Vec::new(), quantity: Vec::new(), time: None };
    for i in 0..n {
        let side = match kind {
            "bids only" => 1,
            "asks only" => 0,
            "concatenated" => u8::from(i < n / 2),
            "periodic" => (i % 8 < 4).into(),
            _ => draw.below(2) as u8,
        };
        let wide = draw.below(2 * PRICE_MAX + 1) - PRICE_MAX;
        let price = match kind {
            "narrow" => 1000 + (0..8).map(|_| draw.below(60)).sum::<i64>(),
            "sorted" => i as i64 * 3 - n as i64,
            "descending" => n as i64 - i as i64 / 5,
            "periodic" => (i % 64) as i64 * 1_000_003,
            "one price" => -7,
            "two prices" => 1000 * draw.below(2),
            "far apart" => PRICE_MAX * (draw.below(3) - 1),
            "half at one price" if draw.below(2) == 0 => 77,
            "apart" => draw.below(1000) + if side == 1 { 0 } else { 5000 },
            "extremes" => [-PRICE_MAX, PRICE_MAX, 0, wide][draw.below(4) as usize],
            "outliers" => {
                if draw.below(500) == 0 {
                    wide
                } else {
                    draw.below(40)
                }
            }
            _ => wide,
        };
        let quantity = match kind {
            "pareto" => (1 << 31) / (1 + draw.below(1 << 31)),
            // As heavy a tail, and no order too large for any pass.
            "tails" => ((1 << 31) / (1 + draw.below(1 << 31))).min(200_000),
            "whale" if i == n / 3 => QUANTITY_MAX,
            "extremes" => [1, QUANTITY_MAX][draw.below(2) as usize],
            "outliers" => 1 + draw.below(QUANTITY_MAX),
            // The largest that a sweep adds up in 32 bits, and a few above it.
            "heavy" => (1 << 22) - 1 + i64::from(i % 3_001 == 3_000),
            _ => 1 + draw.below(1000),
        };
        book.side.push(side);
        book.price.push(price);
        book.quantity.push(quantity.clamp(1, QUANTITY_MAX));
    }
    book
}

/// Sorts both sides and walks down the merged prices.
fn twin(book: &Book, uniform: &Uniform) -> Expected {
    let n = book.side.len();
    let key = |i: usize| book.price[i] - uniform.fee * i64::from(book.side[i]);
    let mut rows: Vec<usize> = (0..n).collect();
    rows.sort_by_key(|&i| key(i));
    let bid_quantity: i64 = (0..n).map(|i| book.quantity[i] * i64::from(book.side[i])).sum();
    let bids = book.side.iter().map(|&side| u32::from(side)).sum();
    let mut nothing = Expected { interval: None, volume: 0, welfare: 0, bids, filled: vec![0; n] };
    if bid_quantity == 0 || bids as usize == n {
        return nothing;
    }
    let (mut low, mut high, mut reached) = (None, None, 0);
    for &i in &rows {
        reached += book.quantity[i];
        low = low.or((reached >= bid_quantity).then(|| key(i)));
        high = high.or((reached > bid_quantity).then(|| key(i)));
    }
    let (low, high) = (low.unwrap(), high.unwrap());
    let sum = |is_of: &dyn Fn(usize) -> bool| (0..n).filter(|&i| is_of(i)).map(|i| book.quantity[i]).sum::<i64>();
    let bids_above = sum(&|i| book.side[i] == 1 && key(i) > low);
    let asks_below = sum(&|i| book.side[i] == 0 && key(i) < low);
    let bids_at = sum(&|i| book.side[i] == 1 && key(i) == low);
    let asks_at = sum(&|i| book.side[i] == 0 && key(i) == low);
    let volume = if uniform.zero_surplus {
        (bids_above + bids_at).min(asks_below + asks_at)
    } else {
        bids_above.max(asks_below)
    };
    if volume == 0 {
        return nothing;
    }
    for (side, left, total) in [(1, volume - bids_above, bids_at), (0, volume - asks_below, asks_at)] {
        for i in (0..n).filter(|&i| book.side[i] == side) {
            if if side == 1 { key(i) > low } else { key(i) < low } {
                nothing.filled[i] = book.quantity[i];
            }
        }
        let mut level: Vec<usize> = (0..n).filter(|&i| book.side[i] == side && key(i) == low).collect();
        let time = |i: usize| book.time.as_ref().map_or(0, |time| time[i]);
        level.sort_by_key(|&i| (time(i), i));
        let mut left = left;
        if uniform.rationing == Rationing::Time {
            for i in level {
                nothing.filled[i] = left.min(book.quantity[i]);
                left -= nothing.filled[i];
            }
            continue;
        }
        if total == 0 {
            continue;
        }
        let product = |i: usize| i128::from(left) * i128::from(book.quantity[i]);
        let shares: Vec<i64> = level.iter().map(|&i| (product(i) / i128::from(total)) as i64).collect();
        let over = left - shares.iter().sum::<i64>();
        let mut ranks: Vec<usize> = (0..level.len()).collect();
        ranks.sort_by_key(|&k| (-(product(level[k]) % i128::from(total)), k));
        for (k, &i) in level.iter().enumerate() {
            nothing.filled[i] = shares[k];
        }
        for &k in &ranks[..over as usize] {
            nothing.filled[level[k]] += 1;
        }
    }
    nothing.volume = volume;
    nothing.interval = Some((low, high));
    nothing.welfare = (0..n)
        .map(|i| {
            let value = i128::from(book.price[i]) * i128::from(nothing.filled[i]);
            if book.side[i] == 1 { value } else { -value }
        })
        .sum();
    nothing
}

/// Clears the columns in the given widths and checks everything against the twin's answer.
fn check(book: &Book, uniform: &Uniform, expected: &Expected, narrow: (bool, bool), told: &str) {
    let (price, quantity): (Vec<i32>, Vec<i32>) =
        (book.price.iter().map(|&p| p as i32).collect(), book.quantity.iter().map(|&q| q as i32).collect());
    let columns = Columns {
        side: &book.side,
        price: if narrow.0 { Integers::Narrow(&price) } else { Integers::Wide(&book.price) },
        quantity: if narrow.1 { Integers::Narrow(&quantity) } else { Integers::Wide(&book.quantity) },
        time: book.time.as_deref(),
        ..Columns::default()
    };
    let mut filled = vec![-1; book.side.len()];
    let cleared = batch::clear(&columns, &Mechanism::from(*uniform), Want::default(), 2, &mut filled).unwrap();
    assert!(cleared.reject.is_none(), "{told}");
    let market = cleared.outcomes[0];
    let interval = (market.volume > 0).then_some((market.price_low, market.price_high));
    let found = Expected { interval, volume: market.volume, welfare: market.welfare, bids: market.buy_orders, filled };
    assert!(found == *expected, "{told}: {:?}", (found.interval, found.volume, expected.interval, expected.volume));
    let want = Want { prices_only: true, ..Want::default() };
    let alone = batch::clear(&columns, &Mechanism::from(*uniform), want, 2, &mut []).unwrap();
    assert_eq!(alone.outcomes, cleared.outcomes, "without fills, {told}");
}

#[test]
fn every_path_agrees_with_the_twin_on_every_kind_of_book() {
    let sizes = [
        1, 15, 16, 17, 63, 64, 65, 511, 512, 513, 1023, 1024, 1025, 3_999, 4_000, 4_001, 9_000, 39_999, 40_000, 40_001,
    ];
    for (seed, kind) in (1..).zip(KINDS) {
        for n in sizes {
            let book = book(kind, n, seed);
            for uniform in [Uniform::default(), Uniform { zero_surplus: false, fee: 13, ..Uniform::default() }] {
                let expected = twin(&book, &uniform);
                for path in simd::Path::ALL {
                    simd::allow(path);
                    for narrow in [(true, false), (false, true)] {
                        check(&book, &uniform, &expected, narrow, &format!("{kind}, {n} orders, {path:?}, {narrow:?}"));
                    }
                }
            }
        }
    }
}

#[test]
fn many_samples_of_one_law_agree_with_the_twin() {
    // So many that some bracket misses, and the second way is taken.
    for seed in 0..600 {
        let n = if seed < 300 { 40_000 } else { 5_000 };
        let book = book("wide", n + seed as usize, 1000 + seed);
        let uniform = Uniform::default();
        check(&book, &uniform, &twin(&book, &uniform), (true, false), &format!("seed {seed}"));
    }
}

#[test]
fn samples_that_tell_little_agree_with_the_twin() {
    // Of heavy tails some brackets miss, and some quantiles lie between no two pivots.
    for (nth, kind) in (0..).zip(["tails", "pareto", "far apart", "half at one price"]) {
        for seed in 0..60 {
            let book = book(kind, 40_000 + 777 * seed as usize, 5000 + 100 * nth + seed);
            let uniform = Uniform { fee: [0, 13][seed as usize % 2], ..Uniform::default() };
            check(&book, &uniform, &twin(&book, &uniform), (true, false), &format!("{kind}, seed {seed}"));
        }
    }
}

#[test]
fn fills_written_past_the_caches_agree_with_the_twin() {
    for (seed, kind) in (50..).zip(["narrow", "wide", "concatenated", "outliers"]) {
        let mut book = book(kind, 410_003, seed);
        let mut draw = Draw(seed);
        book.time = Some((0..410_003).map(|_| draw.below(1000)).collect());
        let uniform = Uniform { rationing: Rationing::Time, ..Uniform::default() };
        let expected = twin(&book, &uniform);
        for path in simd::Path::ALL {
            simd::allow(path);
            check(&book, &uniform, &expected, (true, false), &format!("{kind}, {path:?}"));
        }
    }
}

#[test]
fn the_largest_fees_and_prices_agree_with_the_twin() {
    for (seed, fee) in (70..).zip([1, PRICE_MAX / 2, PRICE_MAX]) {
        for kind in ["wide", "extremes", "narrow", "apart"] {
            for n in [40, 3_000, 25_000] {
                let book = book(kind, n, seed);
                let uniform = Uniform { fee, ..Uniform::default() };
                let expected = twin(&book, &uniform);
                for path in simd::Path::ALL {
                    simd::allow(path);
                    for narrow in [(true, true), (false, false)] {
                        check(&book, &uniform, &expected, narrow, &format!("{kind}, fee {fee}, {n}, {path:?}"));
                    }
                }
            }
        }
    }
}

#[test]
fn a_bad_order_anywhere_in_a_large_book_is_the_only_one_refused() {
    for path in simd::Path::ALL {
        simd::allow(path);
        for (seed, row) in (90..).zip([0, 1, 777, 24_998, 24_999]) {
            for flaw in 0..7 {
                let mut book = book("wide", 25_000, seed);
                match flaw {
                    0 => book.side[row] = 2,
                    1 => book.price[row] = -PRICE_MAX - 1,
                    2 => book.quantity[row] = 0,
                    3 => book.quantity[row] = 1 << 31,
                    4 => book.quantity[row] = 1 << 32,
                    5 => book.quantity[row] = -1,
                    _ => book.quantity[row] = i64::MIN,
                }
                let columns = Columns {
                    side: &book.side,
                    price: Integers::Wide(&book.price),
                    quantity: Integers::Wide(&book.quantity),
                    ..Columns::default()
                };
                let mut filled = vec![-1; 25_000];
                let uniform = Mechanism::from(Uniform::default());
                let cleared = batch::clear(&columns, &uniform, Want::default(), 1, &mut filled).unwrap();
                let refused: Vec<usize> = (0..25_000).filter(|&i| cleared.reject.as_ref().unwrap()[i] != 0).collect();
                assert_eq!(refused, [row]);
                let without = Book {
                    side: [&book.side[..row], &book.side[row + 1..]].concat(),
                    price: [&book.price[..row], &book.price[row + 1..]].concat(),
                    quantity: [&book.quantity[..row], &book.quantity[row + 1..]].concat(),
                    time: None,
                };
                let expected = twin(&without, &Uniform::default());
                assert_eq!(filled.remove(row), 0);
                assert!(filled == expected.filled, "{path:?} {row} {flaw}");
            }
        }
    }
}

/// One market of a call: its id, and rows of which the twin clears those that are not refused.
struct Market {
    id: i64,
    book: Book,
}

/// Books of every kind and of all small sizes, some of which hold a row that is to be refused.
fn small_markets(with_flaws: bool, seed: u64) -> Vec<Market> {
    let mut draw = Draw(seed);
    let sizes = || (1..=70).chain([127, 128, 129, 500, 512, 513]);
    let mut markets = Vec::new();
    for (nth, kind) in (0..).zip(KINDS) {
        for n in sizes() {
            let mut book = book(kind, n, seed + 1000 * nth + n as u64);
            book.time = Some((0..n).map(|_| draw.below(4)).collect());
            if with_flaws && draw.below(3) == 0 {
                let row = draw.below(n as i64) as usize;
                match draw.below(6) {
                    0 => book.side[row] = 2 + draw.below(254) as u8,
                    1 => book.price[row] = -PRICE_MAX - 1,
                    2 => book.price[row] = [i64::MIN, i64::MAX, 1 << 32][draw.below(3) as usize],
                    3 => book.quantity[row] = 0,
                    4 => book.quantity[row] = QUANTITY_MAX + 1,
                    _ => book.quantity[row] = [i64::MIN, i64::MAX, -1, 1 << 32][draw.below(4) as usize],
                }
            }
            markets.push(Market { id: markets.len() as i64 * 7 - 1000, book });
        }
    }
    markets
}

fn is_sound(book: &Book, row: usize) -> bool {
    book.side[row] < 2
        && (-PRICE_MAX..=PRICE_MAX).contains(&book.price[row])
        && (1..=QUANTITY_MAX).contains(&book.quantity[row])
}

/// What the twin says of a market, its fills in the order of all rows, refused ones too.
fn expected_of(book: &Book, uniform: &Uniform) -> Expected {
    let sound: Vec<usize> = (0..book.side.len()).filter(|&row| is_sound(book, row)).collect();
    let pick = |column: &[i64]| sound.iter().map(|&row| column[row]).collect::<Vec<i64>>();
    let rest = Book {
        side: sound.iter().map(|&row| book.side[row]).collect(),
        price: pick(&book.price),
        quantity: pick(&book.quantity),
        time: book.time.as_ref().map(|time| pick(time)),
    };
    let mut expected = twin(&rest, uniform);
    let mut filled = vec![0; book.side.len()];
    for (&row, &fill) in sound.iter().zip(&expected.filled) {
        filled[row] = fill;
    }
    expected.filled = filled;
    expected
}

fn told(market: &MarketOutcome, filled: Vec<i64>) -> Expected {
    let interval = (market.volume > 0).then_some((market.price_low, market.price_high));
    Expected { interval, volume: market.volume, welfare: market.welfare, bids: market.buy_orders, filled }
}

/// Clears all markets at once, their rows in the order of `places` (market, row), and checks each of them.
fn check_markets(
    markets: &[Market],
    uniform: &Uniform,
    expected: &[Expected],
    places: &[(usize, usize)],
    told_of: &str,
) {
    let of = |column: fn(&Book) -> &[i64]| {
        places.iter().map(|&(market, row)| column(&markets[market].book)[row]).collect::<Vec<i64>>()
    };
    let side: Vec<u8> = places.iter().map(|&(market, row)| markets[market].book.side[row]).collect();
    let ids: Vec<i64> = places.iter().map(|&(market, _)| markets[market].id).collect();
    let (price, quantity) = (of(|book| &book.price), of(|book| &book.quantity));
    let time = of(|book| book.time.as_deref().unwrap());
    let (narrow_price, narrow_quantity): (Vec<i32>, Vec<i32>) =
        (price.iter().map(|&p| p as i32).collect(), quantity.iter().map(|&q| q as i32).collect());
    let is_narrow =
        |wide: &[i64], narrow: &[i32]| wide.iter().zip(narrow).all(|(&wide, &narrow)| wide == i64::from(narrow));
    let mut columns = Columns {
        side: &side,
        price: Integers::Wide(&price),
        quantity: Integers::Wide(&quantity),
        market: Some(&ids),
        time: Some(&time),
        ..Columns::default()
    };
    for narrow in [false, true] {
        if narrow && is_narrow(&price, &narrow_price) {
            columns.price = Integers::Narrow(&narrow_price);
        }
        if narrow && is_narrow(&quantity, &narrow_quantity) {
            columns.quantity = Integers::Narrow(&narrow_quantity);
        }
        for threads in [1, 2, 5] {
            let mut filled = vec![-1; places.len()];
            let mechanism = Mechanism::from(*uniform);
            let cleared = batch::clear(&columns, &mechanism, Want::default(), threads, &mut filled).unwrap();
            assert_eq!(cleared.outcomes.len(), markets.len());
            let mut fills: Vec<Vec<i64>> = markets.iter().map(|market| vec![-1; market.book.side.len()]).collect();
            for (&(market, row), fill) in places.iter().zip(filled) {
                fills[market][row] = fill;
            }
            for ((market, outcome), (fills, expected)) in
                markets.iter().zip(&cleared.outcomes).zip(fills.into_iter().zip(expected))
            {
                let n = fills.len();
                assert_eq!(outcome.market, market.id);
                let found = told(outcome, fills);
                assert!(found == *expected, "{told_of}, {threads} threads, {n} orders: {found:?} not {expected:?}");
            }
            let refused = cleared.reject.map_or(0, |codes| codes.iter().filter(|&&code| code != 0).count());
            let flaws = places.iter().filter(|&&(market, row)| !is_sound(&markets[market].book, row)).count();
            assert_eq!(refused, flaws, "{told_of}");
        }
    }
}

#[test]
fn many_small_markets_agree_with_the_twin_on_every_path() {
    let settings = [
        Uniform::default(),
        Uniform { zero_surplus: false, fee: 13, ..Uniform::default() },
        Uniform { rationing: Rationing::Time, fee: PRICE_MAX, ..Uniform::default() },
        Uniform { rationing: Rationing::Time, zero_surplus: false, ..Uniform::default() },
    ];
    for (with_flaws, seed) in [(false, 7), (true, 8)] {
        let markets = small_markets(with_flaws, seed);
        let sorted: Vec<(usize, usize)> = (0..)
            .zip(&markets)
            .flat_map(|(nth, market)| (0..market.book.side.len()).map(move |row| (nth, row)))
            .collect();
        // Shuffled between markets; the rows of one market stay in order, which decides between equals.
        let mut draw = Draw(seed);
        let mut keyed: Vec<(i64, (usize, usize))> = sorted.iter().map(|&place| (draw.below(1 << 40), place)).collect();
        keyed.sort_unstable();
        let mut next = vec![0; markets.len()];
        let shuffled: Vec<(usize, usize)> = keyed
            .iter()
            .map(|&(_, (market, _))| {
                next[market] += 1;
                (market, next[market] - 1)
            })
            .collect();
        for uniform in &settings {
            let expected: Vec<Expected> = markets.iter().map(|market| expected_of(&market.book, uniform)).collect();
            for path in simd::Path::ALL {
                simd::allow(path);
                for (order, places) in [("sorted", &sorted), ("shuffled", &shuffled)] {
                    check_markets(&markets, uniform, &expected, places, &format!("{order}, {path:?}, {uniform:?}"));
                }
            }
        }
    }
}
