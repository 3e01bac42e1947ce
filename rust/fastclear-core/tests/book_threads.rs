//! A book on several threads against one that obeys row by row: every event, every order, and the saved bytes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use fastclear_core::book::{
    ALL_OR_NONE, Caller, Commands, Everybody, NULL, OFF_GRID, Op, OrderBook, POST_ONLY, Phase, Rules, SLIDE, SMALL_MAX,
    SelfTrade, Single, Threads, Tif, Want,
};
use fastclear_core::order::Integers;

/// `SplitMix64`: the same numbers on every machine.
struct Mixed(u64);

impl Mixed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

/// One in so many rows of a flow has this; 0 = none has.
#[derive(Clone, Copy, Debug)]
struct Law {
    markets: u64,
    participants: u64,
    width: u64,
    self_trade: SelfTrade,
    small_max: usize,
    /// Orders are cancels, of a hundred rows.
    cancels: u64,
    /// Any other command than a new order or a cancel.
    others: u64,
    /// Orders that expire, market orders, post-only.
    terms: u64,
    /// Icebergs, stops, pegs, minimums.
    rich: u64,
    /// Cells that make no sense, ids that are there already, and ids that nobody knows.
    hostile: u64,
    has_orders: bool,
    has_participants: bool,
    has_time: bool,
    /// Ids that are left out before each new one.
    gaps: i64,
}

impl Law {
    fn draw(random: &mut Mixed) -> Self {
        let rare = [0, 0, 300, 40];
        Self {
            markets: random.of(&[1, 3, 20, 20, 300]),
            participants: random.of(&[1, 4, 50]),
            width: random.of(&[4, 30, 60_000, 300_000]),
            self_trade: random.of(&SelfTrade::ALL),
            small_max: random.of(&[0, 3, SMALL_MAX, SMALL_MAX, SMALL_MAX]),
            cancels: random.of(&[5, 30, 48]),
            others: random.of(&rare),
            terms: random.of(&rare),
            rich: random.of(&[0, 0, 0, 200]),
            hostile: random.of(&rare),
            has_orders: random.one_in(2),
            has_participants: !random.one_in(4),
            has_time: random.one_in(3),
            gaps: random.of(&[0, 0, 1, 30]),
        }
    }
}

const HOSTILE: [i64; 10] = [NULL, OFF_GRID, i64::MAX, -1, 0, 1 << 31, 1 - (1 << 31), (1 << 31) - 1, -(1 << 31), 7];

/// The columns of a call.
#[derive(Clone, Debug, Default)]
struct Columns {
    bytes: [Vec<u8>; 7],
    wide: [Vec<i64>; 11],
    law: Option<Law>,
}

impl Columns {
    fn part(&self, from: usize, to: usize) -> Commands<'_> {
        let law = self.law.unwrap();
        let [op, side, kind, tif, flags, peg, phase] = self.bytes.each_ref().map(|column| Some(&column[from..to]));
        let [market, order, participant, price, quantity, expires, display, least, stop, offset, time] =
            self.wide.each_ref().map(|column| Some(&column[from..to]));
        let is_rich = law.rich > 0;
        Commands {
            rows: to - from,
            op,
            market,
            order: order.filter(|_| law.has_orders || law.cancels > 0),
            participant: participant.filter(|_| law.has_participants),
            side,
            is_market_order: kind,
            tif,
            price: price.map(Integers::Wide),
            quantity: quantity.map(Integers::Wide),
            expires,
            flags,
            display: display.filter(|_| is_rich).map(Integers::Wide),
            min_quantity: least.filter(|_| is_rich).map(Integers::Wide),
            stop: stop.filter(|_| is_rich).map(Integers::Wide),
            peg: peg.filter(|_| is_rich),
            offset: offset.filter(|_| is_rich).map(Integers::Wide),
            phase,
            time: time.filter(|_| law.has_time),
        }
    }
}

/// A flow: most rows are sound new orders and cancels of orders that may still rest.
fn flow(random: &mut Mixed, law: Law, rows: usize) -> Columns {
    let mut columns = Columns { law: Some(law), ..Columns::default() };
    let mut next_id = 0_i64;
    let mut known: Vec<(i64, i64)> = Vec::new();
    for row in 0..rows as i64 {
        let mut market = random.below(law.markets) as i64 * 97 - 5;
        let side = random.below(2) as u8;
        let away = random.below(law.width) as i64;
        let mut price = if random.one_in(3) { away / 2 } else { 1 + if side == 1 { -away } else { away } };
        let (mut op, mut order, mut quantity) = (Op::New as u8, NULL, 1 + random.below(9) as i64);
        let mut participant = random.below(law.participants) as i64;
        let (mut kind, mut flags, mut peg, mut expires) = (0, 0, 0, NULL);
        let mut tif = if random.one_in(6) { random.of(&[Tif::Ioc, Tif::Fok]) } else { Tif::Gtc } as u8;
        let mut rich = [NULL; 4];
        let is_named = random.below(100) < law.cancels || random.one_in(law.others);
        if is_named && !known.is_empty() {
            // Old ones and new ones, some of which are gone.
            let n = known.len() as u64;
            let nth = if random.one_in(2) { n - 1 - random.below(n.min(12)) } else { random.below(n) };
            (order, market) = known[nth as usize];
            op = if random.one_in(law.others) { 2 + random.below(2) as u8 } else { Op::Cancel as u8 };
            participant = if op == Op::Cancel as u8 || random.one_in(2) { NULL } else { participant };
            if random.one_in(3) {
                market = NULL;
            } else if random.one_in(30) {
                market += 97;
            }
        } else if random.one_in(law.others) {
            op = 4 + random.below(4) as u8;
            participant = if random.one_in(2) { NULL } else { participant };
        } else {
            next_id += 1 + random.below(1 + law.gaps as u64) as i64;
            order = next_id;
            known.push((order, market));
            if random.one_in(law.terms) {
                match random.below(3) {
                    0 => (tif, expires) = (Tif::Gtt as u8, row + random.below(40) as i64 - 2),
                    1 => (kind, price) = (1, if random.one_in(2) { NULL } else { price }),
                    _ => flags = random.of(&[POST_ONLY, SLIDE]),
                }
            }
            if random.one_in(law.rich) {
                match random.below(4) {
                    0 => rich[0] = 1 + random.below(3) as i64,
                    1 => (rich[1], flags) = (NULL, ALL_OR_NONE),
                    2 => rich[2] = price,
                    _ => peg = 1 + random.below(2) as u8,
                }
            }
        }
        if random.one_in(law.hostile) {
            let cell = random.of(&HOSTILE);
            match random.below(10) {
                0 => op = cell as u8,
                1 => market = cell,
                2 => order = cell,
                3 => price = cell,
                4 => quantity = cell,
                5 => participant = cell,
                6 => tif = cell as u8,
                7 => expires = cell,
                // The id of an order that is there, or was.
                8 => order = known.get(random.below(known.len().max(1) as u64) as usize).map_or(0, |known| known.0),
                _ => order = next_id + random.below(5) as i64,
            }
        }
        let phase = random.below(4) as u8;
        let time = if random.one_in(law.hostile) { random.of(&[NULL, row + 30]) } else { row - random.below(3) as i64 };
        let bytes = [op, side, kind, tif, flags, peg, phase];
        let [display, least, stop, offset] = rich;
        let wide = [market, order, participant, price, quantity, expires, display, least, stop, offset, time];
        columns.bytes.iter_mut().zip(bytes).for_each(|(column, cell)| column.push(cell));
        columns.wide.iter_mut().zip(wide).for_each(|(column, cell)| column.push(cell));
    }
    if !law.has_orders {
        // Numbers that the book would give, as long as nobody makes it count otherwise.
        let ranks: BTreeMap<i64, i64> = known.iter().zip(0..).map(|(&(id, _), rank)| (id, rank)).collect();
        let named: Vec<i64> = columns.wide[1].iter().map(|id| ranks.get(id).copied().unwrap_or(*id)).collect();
        columns.wide[1] = named;
    }
    columns
}

/// Whatever a book shows.
fn everything(book: &mut OrderBook) -> String {
    let saved = book.save(&Caller::default());
    let seen = (book.clock(), book.len(), book.next_seq(), book.market_ids().collect::<Vec<_>>());
    format!("{seen:?} {:?} {:?} {:?} {:?}", book.market_states(), book.snapshot(None), book.depths(3), saved)
}

fn threads_of(random: &mut Mixed) -> Vec<Threads> {
    let mut least_rows = || random.of(&[1, 2, 7, 64, 500]);
    [1, 2, 3, 16].map(|most| Threads { most, least_rows: least_rows() }).into()
}

/// One flow on one thread row by row, and on several in calls of many sizes.
fn compare(seed: u64, rows: usize) {
    let mut random = Mixed(seed);
    let law = Law::draw(&mut random);
    let rules = Rules { self_trade: law.self_trade, small_max: law.small_max, erase_after_trade: random.one_in(25) };
    let mut before = OrderBook::new(rules);
    if law.has_time && random.one_in(2) {
        for market in 0..3 {
            before.set_gate(market * 97 - 5, random.below(rows as u64) as i64 + 1).unwrap();
        }
    }
    if random.one_in(8) {
        _ = before.set_breaker(-5, Some((2, 20)));
        _ = before.set_phases(92, &[(rows as i64 / 3, Phase::PreOpen), (rows as i64 / 2, Phase::Continuous)]);
    }
    let columns = flow(&mut random, law, rows);
    for threads in threads_of(&mut random) {
        let (mut one, mut many) = (before.clone(), before.clone());
        one.set_threads(Threads { most: 1, least_rows: usize::MAX });
        many.set_threads(threads);
        let mut from = 0;
        while from < rows {
            let to = rows.min(from + random.of(&[1, 10, 64, 65, 300, rows]));
            let want = random.of(&[Want::Events, Want::Events, Want::Trades]);
            let part = columns.part(from, to);
            let (expected, got) = (one.apply(&part, want).unwrap(), many.apply(&part, want).unwrap());
            let differs = expected.rows.iter().zip(&got.rows).find(|(one, other)| one != other);
            assert_eq!(differs, None, "seed {seed}, {threads:?}, rows {from} to {to}, {law:?}");
            assert!(expected == got, "seed {seed}, {threads:?}, rows {from} to {to}, {law:?}");
            from = to;
            if random.one_in(4) {
                let now = one.clock().saturating_add(random.below(9) as i64);
                assert_eq!(one.advance(now, &mut Everybody), many.advance(now, &mut Everybody), "seed {seed}");
            }
            let order = Single {
                market: 92,
                order: None,
                participant: Some(1),
                side: random.below(2) as u8,
                price: Some(random.below(5) as i64),
                quantity: 3,
                tif: Tif::Gtc,
            };
            assert_eq!(one.place(&order), many.place(&order), "seed {seed}");
        }
        assert_eq!(everything(&mut one), everything(&mut many), "seed {seed}, {threads:?}, {law:?}");
    }
}

#[test]
fn any_flow_is_the_same_on_any_number_of_threads() {
    let flows = std::env::var("BOOK_FLOWS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    for seed in 0..flows {
        compare(seed, 400);
    }
    for seed in 0..flows / 20 {
        compare(seed ^ 0xF10E, 6_000);
    }
}
