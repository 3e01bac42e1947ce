//! Commands of every kind at random, few prices and few participants, so that all of them meet.

use fastclear_core::book::{
    ALL_OR_NONE, Commands, Events, NULL, Op, OrderBook, POST_ONLY, Phase, Rules, SLIDE, SelfTrade, Snapshot, Tif, Want,
};
use fastclear_core::order::Integers;

/// `SplitMix64`: the same numbers on every machine.
pub struct Mixed(pub u64);

impl Mixed {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// A whole number from one to another.
    pub fn within(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }
}

pub const MARKETS: [i64; 3] = [7, -2, 1 << 40];
/// Around which prices lie.
pub const MID: i64 = 100;

/// One command; [`NULL`] and 0 say nothing.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    pub op: Op,
    pub market: i64,
    pub order: i64,
    pub participant: i64,
    pub side: u8,
    pub is_market_order: u8,
    pub tif: u8,
    pub price: i64,
    pub quantity: i64,
    pub expires: i64,
    pub flags: u8,
    pub display: i64,
    pub min_quantity: i64,
    pub stop: i64,
    pub peg: u8,
    pub offset: i64,
    pub phase: u8,
    pub time: i64,
}

impl Command {
    /// A limit order of four lots, of participant 5.
    pub fn order(market: i64, order: i64, side: u8, price: i64, time: i64) -> Self {
        Self {
            op: Op::New,
            market,
            order,
            participant: 5,
            side,
            is_market_order: 0,
            tif: 0,
            price,
            quantity: 4,
            expires: NULL,
            flags: 0,
            display: NULL,
            min_quantity: NULL,
            stop: NULL,
            peg: 0,
            offset: NULL,
            phase: 0,
            time,
        }
    }
}

/// The rules of a book at random.
pub fn rules(random: &mut Mixed, small_max: usize) -> Rules {
    Rules { self_trade: random.of(&SelfTrade::ALL), erase_after_trade: random.one_in(12), small_max }
}

/// The `nth` command, some of them about orders that are there.
pub fn command(random: &mut Mixed, nth: i64, there: &Snapshot) -> Command {
    let (market, side) = (random.of(&MARKETS), random.below(2) as u8);
    let mut next = Command::order(market, nth, side, MID + random.within(-3, 3), nth + random.within(-2, 1));
    next.participant = random.of(&[1, 2, -3, 4]);
    next.quantity = random.within(1, 12);
    let rows = there.order.len();
    match random.below(100) {
        0..60 => enrich(random, nth, &mut next),
        60..92 if rows > 0 => {
            let row = random.below(rows as u64) as usize;
            next.order = there.order[row];
            next.market = random.of(&[NULL, there.market[row]]);
            next.participant = random.of(&[NULL, there.participant[row]]);
            next.op = random.of(&[Op::Cancel, Op::Reduce, Op::Replace, Op::Replace, Op::Replace]);
            if next.op == Op::Replace {
                let (price, open) = (there.price[row], there.quantity[row]);
                (next.price, next.quantity) = random.of(&[
                    (next.price, next.quantity),
                    (NULL, (open - 1).max(1)),
                    (price, (open - 1).max(1)),
                    (price, open),
                    (next.price, NULL),
                ]);
                if there.stop[row] != NULL && random.one_in(2) {
                    next.stop = MID + random.within(-4, 4);
                }
                next.flags = random.of(&[0, 0, 0, POST_ONLY, SLIDE]);
            }
        }
        92..94 => next.op = Op::MassCancel,
        94..95 => next.op = Op::Halt,
        95..98 => next.op = Op::Resume,
        98..100 => (next.op, next.phase) = (Op::Phase, random.of(&Phase::ALL) as u8),
        _ => {}
    }
    next
}

/// Asks for more than a plain order.
fn enrich(random: &mut Mixed, nth: i64, next: &mut Command) {
    if random.one_in(4) {
        (next.tif, next.expires) = (Tif::Gtt as u8, nth + random.within(2, 60));
    } else {
        next.tif = random.of(&[Tif::Gtc, Tif::Gtc, Tif::Gtc, Tif::Gtc, Tif::Ioc, Tif::Fok]) as u8;
    }
    match random.below(9) {
        0 => next.display = random.within(1, next.quantity),
        1 => next.min_quantity = random.within(1, next.quantity),
        2 => next.flags = ALL_OR_NONE,
        3 => next.stop = MID + random.within(-4, 4),
        4 => {
            next.stop = MID + random.within(-4, 4);
            next.min_quantity = random.of(&[NULL, next.quantity]);
            next.display = random.of(&[NULL, 1]);
            if random.one_in(2) {
                (next.is_market_order, next.tif, next.expires) = (1, 0, NULL);
                next.price = random.of(&[NULL, next.price]);
            }
        }
        5 | 6 => {
            next.tif = 0;
            next.expires = NULL;
            next.peg = random.of(&[1, 2]);
            next.offset = random.of(&[NULL, 0, 1, 2]);
            next.price = random.of(&[NULL, NULL, next.price]);
            next.display = random.of(&[NULL, 1]);
        }
        7 => next.flags = SLIDE,
        _ => next.is_market_order = u8::from(random.one_in(6)),
    }
}

/// A market's day, as far as the book takes it: phases, a breaker, a collar.
pub fn set_day(random: &mut Mixed, books: &mut [OrderBook]) {
    let market = random.of(&MARKETS);
    let from = books[0].clock().max(0);
    match random.below(3) {
        0 => {
            let mut at = from;
            let mut next = || {
                at += random.within(1, 20);
                (at, random.of(&Phase::ALL))
            };
            let phases: Vec<_> = (0..3).map(|_| next()).collect();
            let done: Vec<_> = books.iter_mut().map(|book| book.set_phases(market, &phases)).collect();
            assert!(done.windows(2).all(|pair| pair[0] == pair[1]), "{done:?}");
        }
        1 => {
            let breaker = Some((random.within(0, 3), random.within(1, 12))).filter(|_| !random.one_in(4));
            let done: Vec<_> = books.iter_mut().map(|book| book.set_breaker(market, breaker)).collect();
            assert!(done.windows(2).all(|pair| pair[0] == pair[1]), "{done:?}");
        }
        _ => {
            let (low, high) = (Some(MID - random.within(1, 6)), Some(MID + random.within(1, 6)));
            let [low, high] = [low, high].map(|end| end.filter(|_| !random.one_in(3)));
            let done: Vec<_> = books.iter_mut().map(|book| book.set_collar(market, low, high)).collect();
            assert!(done.windows(2).all(|pair| pair[0] == pair[1]), "{done:?}");
        }
    }
}

/// Obeys commands in one call.
pub fn obey(book: &mut OrderBook, commands: &[Command]) -> Events {
    fn column<T>(commands: &[Command], cell: fn(&Command) -> T) -> Vec<T> {
        commands.iter().map(cell).collect()
    }
    book.apply(
        &Commands {
            rows: commands.len(),
            op: Some(&column(commands, |row| row.op as u8)),
            market: Some(&column(commands, |row| row.market)),
            order: Some(&column(commands, |row| row.order)),
            participant: Some(&column(commands, |row| row.participant)),
            side: Some(&column(commands, |row| row.side)),
            is_market_order: Some(&column(commands, |row| row.is_market_order)),
            tif: Some(&column(commands, |row| row.tif)),
            price: Some(Integers::Wide(&column(commands, |row| row.price))),
            quantity: Some(Integers::Wide(&column(commands, |row| row.quantity))),
            expires: Some(&column(commands, |row| row.expires)),
            flags: Some(&column(commands, |row| row.flags)),
            display: Some(Integers::Wide(&column(commands, |row| row.display))),
            min_quantity: Some(Integers::Wide(&column(commands, |row| row.min_quantity))),
            stop: Some(Integers::Wide(&column(commands, |row| row.stop))),
            peg: Some(&column(commands, |row| row.peg)),
            offset: Some(Integers::Wide(&column(commands, |row| row.offset))),
            phase: Some(&column(commands, |row| row.phase)),
            time: Some(&column(commands, |row| row.time)),
        },
        Want::Events,
    )
    .unwrap()
}

/// How many orders of each kind there are: icebergs, minimums, stops that wait, pegs that are shown, pegs that wait.
pub fn census(rows: &Snapshot) -> [usize; 5] {
    let count = |is: &dyn Fn(usize) -> bool| (0..rows.order.len()).filter(|&row| is(row)).count();
    [
        count(&|row| rows.display[row] != NULL),
        count(&|row| rows.min_quantity[row] != NULL && rows.stop[row] == NULL),
        count(&|row| rows.stop[row] != NULL),
        count(&|row| rows.peg[row] != 0 && rows.shown[row] > 0),
        count(&|row| rows.peg[row] != 0 && rows.shown[row] == 0),
    ]
}
