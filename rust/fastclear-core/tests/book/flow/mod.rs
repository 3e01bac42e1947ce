//! Commands at random, biased to what goes wrong: ties, crossed replacements, trades with oneself, ids used again.

mod day;
mod rich;

pub use crate::rows::{Columns, resting, told};
pub use day::{changed, phased, set_day, set_gates};

use crate::twin::{Command, NO_PRICE, Rests};

/// `SplitMix64`: the same numbers on every machine.
pub struct Mixed(pub u64);

impl Mixed {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

/// What a sequence is like.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    pub markets: u64,
    pub participants: u64,
    /// Ticks around which prices lie, and how many.
    pub mid: i64,
    pub width: u64,
    /// Distance between two ticks that are used.
    pub step: i64,
    /// Of a hundred commands that add, how many are priced not to cross.
    pub passive: u64,
    /// One in so many cells is hostile.
    pub hostile: u64,
    pub ids: [i64; 2],
    /// Which of iceberg, stop, minimum, slide and peg orders may be.
    pub rich: [bool; 5],
}

impl Law {
    pub fn draw(random: &mut Mixed) -> Self {
        let far = (1 << 31) - 1;
        let (mid, width, step) = random.of(&[
            (0, 3, 1),
            (64, 6, 1),
            (1000, 40, 1),
            (-5, 2, 1),
            (0, 5, 64),
            (100_000, 300, 997),
            (0, 3, far / 2),
            (far - 2, 3, 1),
            (2 - far, 3, 1),
        ]);
        Self {
            markets: random.of(&[1, 1, 2, 7]),
            participants: random.of(&[1, 2, 3, 50]),
            mid,
            width,
            step,
            passive: random.of(&[0, 50, 95]),
            hostile: random.of(&[20, 200, 1 << 40]),
            ids: random.of(&[[1, 0], [1, 1 << 50], [977, -5], [1 << 33, 0], [0, 7]]),
            rich: [false; 5],
        }
    }

    /// One market of many trades at few prices, so that what waits for each other comes about.
    pub fn draw_close(&mut self, random: &mut Mixed) {
        (self.mid, self.width, self.step) = random.of(&[(0, 3, 1), (64, 6, 1), (-5, 2, 1), (10, 5, 2)]);
        (self.markets, self.participants) = (1, random.of(&[2, 3, 50, 50]));
        (self.passive, self.hostile, self.ids) = (random.of(&[0, 50]), random.of(&[200, 1 << 40]), [1, 0]);
    }
}

const HOSTILE: [i64; 12] =
    [i64::MIN + 2, i64::MAX, -1, 0, 1, 1 << 31, -(1 << 31), (1 << 31) - 1, 1 - (1 << 31), 1 << 32, 5, -(1 << 62)];

/// The `nth` command of a sequence.
pub fn command(random: &mut Mixed, law: &Law, nth: i64, resting: &[Rests]) -> Command {
    let side = random.below(2) as u8;
    let is_passive = random.below(100) < law.passive;
    let ticks = random.below(law.width) as i64 * law.step;
    let away = if side == 1 { -ticks } else { ticks };
    let mut price = if is_passive { law.mid + away + i64::from(side == 0) } else { law.mid - away };
    price = price.clamp(1 - (1 << 31), (1 << 31) - 1);
    let mut command = Command {
        market: Some(random.below(law.markets) as i64 * 1_000_000_007),
        order: Some(law.ids[0] * nth + law.ids[1]),
        participant: Some(random.below(law.participants) as i64 * (1 << 40) / 3),
        side,
        price: Some(price),
        quantity: Some(if random.one_in(40) { (1 << 31) - 1 } else { 1 + random.below(6) as i64 }),
        time: Some(nth + random.below(4) as i64 - 2),
        ..Command::default()
    };
    if random.one_in(8) {
        command.tif = random.of(&[1, 2, 2, 3, 3, 3]);
    }
    if random.one_in(15) {
        command.is_market_order = 1;
        if random.one_in(2) {
            command.price = None;
        }
    }
    if random.one_in(10) {
        command.flags = 1;
    }
    if command.tif == 3 {
        command.expires = Some(nth + random.below(30) as i64);
    }
    let kind = random.below(100);
    if kind >= 62 && !resting.is_empty() {
        let named = &resting[random.below(resting.len() as u64) as usize];
        command.order = Some(named.order);
        command.market = if random.one_in(3) { None } else { Some(named.market) };
        command.participant = if random.one_in(2) { None } else { named.participant };
        command.tif = 0;
        command.expires = None;
        command.is_market_order = 0;
        command.op = if kind < 76 {
            1
        } else if kind < 82 {
            2
        } else {
            3
        };
        match random.below(6) {
            0 => command.price = None,
            1 => command.quantity = if command.op == 3 { None } else { command.quantity },
            2 => {
                command.price = Some(named.price).filter(|&price| price != NO_PRICE);
                command.quantity = Some((named.open - 1).max(1));
            }
            3 => {
                command.price = Some(named.price).filter(|&price| price != NO_PRICE);
                command.quantity = Some(named.open);
            }
            _ => {}
        }
        if random.one_in(30) {
            command.op = 0; // the same id twice
            command.market = Some(named.market);
        }
    }
    rich::enrich(random, law, &mut command);
    match random.below(150) {
        0 => command.op = 4,
        1 => command.op = 5,
        2..=4 => command.op = 6,
        _ => {}
    }
    if random.one_in(law.hostile) {
        let wild = Some(random.of(&HOSTILE)).filter(|_| !random.one_in(4));
        match random.below(12) {
            0 => command.op = random.below(9) as u8,
            1 => command.market = wild,
            2 => command.order = wild,
            3 => command.participant = wild,
            4 => command.side = random.below(4) as u8,
            5 => command.is_market_order = random.below(4) as u8,
            6 => command.tif = random.below(6) as u8,
            7 => command.price = wild,
            8 => command.quantity = wild,
            9 => command.expires = wild,
            10 if law.rich.contains(&true) => command.flags = random.below(16) as u8,
            10 => command.flags = random.of(&[0, 1, 8, 9]),
            // A time far ahead would end the sequence, for all that expires.
            _ => command.time = Some(nth - 5).filter(|_| random.one_in(2)),
        }
    }
    if law.rich[0] {
        // Two orders of billions of lots, of which one shows a lot at a time, would make billions of events.
        command.quantity = command.quantity.map(|lots| if (61..1 << 31).contains(&lots) { 60 } else { lots });
    }
    command
}
