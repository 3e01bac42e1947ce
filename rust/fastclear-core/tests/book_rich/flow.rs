//! Commands at random, biased to what goes wrong: ties, crossed replacements, trades with oneself, ids used again.

use fastclear_core::book::{Commands, Event, Events, Kind, NO_PRICE, NO_SIDE, NOWHERE, NULL, OrderBook};
use fastclear_core::order::Integers;
use fastclear_core::reject::RejectReason;

use crate::twin::{Command, NO_PRICE as NO_PRICE_OF_TWIN, Rests, Told};

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
                command.price = Some(named.price).filter(|&price| price != NO_PRICE_OF_TWIN);
                command.quantity = Some((named.open - 1).max(1));
            }
            3 => {
                command.price = Some(named.price).filter(|&price| price != NO_PRICE_OF_TWIN);
                command.quantity = Some(named.open);
            }
            _ => {}
        }
        if random.one_in(30) {
            command.op = 0; // the same id twice
            command.market = Some(named.market);
        }
    }
    enrich(random, law, &mut command);
    match random.below(150) {
        0 => command.op = 4,
        1 => command.op = 5,
        2..=4 => command.op = 6,
        _ => {}
    }
    if random.one_in(law.hostile) {
        let wild = Some(random.of(&HOSTILE)).filter(|_| !random.one_in(4));
        match random.below(12) {
            0 => command.op = random.of(&[0, 1, 2, 3, 4, 5, 6, 8]),
            1 => command.market = wild,
            2 => command.order = wild,
            3 => command.participant = wild,
            4 => command.side = random.below(4) as u8,
            5 => command.is_market_order = random.below(4) as u8,
            6 => command.tif = random.below(6) as u8,
            7 => command.price = wild,
            8 => command.quantity = wild,
            9 => command.expires = wild,
            10 => command.flags = random.below(4) as u8,
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

/// Makes some commands those of richer orders.
fn enrich(random: &mut Mixed, law: &Law, command: &mut Command) {
    let [iceberg, stop, minimum, slide, peg] = law.rich;
    let quantity = command.quantity.unwrap_or(3).clamp(1, 1 << 20);
    let most = quantity as u64 + u64::from(random.one_in(20));
    let some = |random: &mut Mixed| 1 + random.below(most) as i64;
    if command.op == 3 {
        if stop && random.one_in(3) {
            command.stop = command.price;
        }
        if slide && random.one_in(3) {
            command.flags = 2;
        }
    }
    if command.op != 0 {
        return;
    }
    if (iceberg || minimum) && random.one_in(2) {
        command.quantity = command.quantity.map(|lots| if lots < 100 { lots * 3 } else { lots });
    }
    if iceberg && random.one_in(2) {
        command.display = Some(random.of(&[1, 1, 2, 3]).min(some(random)));
    }
    if iceberg && random.one_in(100) {
        (command.display, command.quantity) = (Some(1), Some(999 + random.below(3) as i64));
    }
    if slide && random.one_in(3) {
        command.flags = 2 + random.below(2) as u8;
    }
    if stop && random.one_in(3) {
        command.stop = command.price.map(|price| price + random.below(3) as i64 - 1);
        if random.one_in(3) {
            command.price = command.stop;
        }
    }
    if minimum && random.one_in(3) {
        command.flags = random.of(&[0, 0, 4]);
        command.display = command.display.filter(|_| random.one_in(10));
        command.min_quantity = Some(some(random)).filter(|_| command.flags == 0 || random.one_in(5));
    }
    if peg && random.one_in(3) {
        (command.tif, command.is_market_order, command.expires) = (0, 0, None);
        command.peg = 1 + random.below(2) as u8;
        command.offset = random.of(&[None, Some(0), Some(1), Some(2), Some(law.step)]);
        command.price = command.price.filter(|_| random.one_in(3));
        command.flags = 0;
        command.stop = command.stop.filter(|_| random.one_in(20));
        command.min_quantity = command.min_quantity.filter(|_| random.one_in(20));
    }
    if law.rich.contains(&true) && random.one_in(law.hostile) {
        let wild = Some(random.of(&HOSTILE));
        match random.below(5) {
            0 => command.display = wild,
            1 => command.min_quantity = wild,
            2 => command.stop = wild,
            3 => command.peg = random.below(5) as u8,
            _ => command.offset = wild,
        }
    }
}

/// Commands as columns.
#[derive(Default)]
pub struct Columns {
    op: Vec<u8>,
    market: Vec<i64>,
    order: Vec<i64>,
    participant: Vec<i64>,
    side: Vec<u8>,
    is_market_order: Vec<u8>,
    tif: Vec<u8>,
    price: Vec<i64>,
    quantity: Vec<i64>,
    expires: Vec<i64>,
    flags: Vec<u8>,
    time: Vec<i64>,
    display: Vec<i64>,
    min_quantity: Vec<i64>,
    stop: Vec<i64>,
    peg: Vec<u8>,
    offset: Vec<i64>,
    has_participants: bool,
    is_rich: bool,
}

impl Columns {
    pub fn of(commands: &[Command], has_participants: bool) -> Self {
        let wide = |cell: fn(&Command) -> Option<i64>| commands.iter().map(|row| cell(row).unwrap_or(NULL)).collect();
        let byte = |cell: fn(&Command) -> u8| commands.iter().map(cell).collect();
        Self {
            op: byte(|row| row.op),
            market: wide(|row| row.market),
            order: wide(|row| row.order),
            participant: wide(|row| row.participant),
            side: byte(|row| row.side),
            is_market_order: byte(|row| row.is_market_order),
            tif: byte(|row| row.tif),
            price: wide(|row| row.price),
            quantity: wide(|row| row.quantity),
            expires: wide(|row| row.expires),
            flags: byte(|row| row.flags),
            time: wide(|row| row.time),
            display: wide(|row| row.display),
            min_quantity: wide(|row| row.min_quantity),
            stop: wide(|row| row.stop),
            peg: byte(|row| row.peg),
            offset: wide(|row| row.offset),
            has_participants,
            is_rich: commands.iter().any(Command::is_rich),
        }
    }

    pub fn commands(&self) -> Commands<'_> {
        Commands {
            rows: self.op.len(),
            op: Some(&self.op),
            market: Some(&self.market),
            order: Some(&self.order),
            participant: self.has_participants.then_some(&self.participant),
            side: Some(&self.side),
            is_market_order: Some(&self.is_market_order),
            tif: Some(&self.tif),
            price: Some(Integers::Wide(&self.price)),
            quantity: Some(Integers::Wide(&self.quantity)),
            expires: Some(&self.expires),
            flags: Some(&self.flags),
            display: self.is_rich.then_some(Integers::Wide(&self.display)),
            min_quantity: self.is_rich.then_some(Integers::Wide(&self.min_quantity)),
            stop: self.is_rich.then_some(Integers::Wide(&self.stop)),
            peg: self.is_rich.then_some(&self.peg),
            offset: self.is_rich.then_some(Integers::Wide(&self.offset)),
            time: Some(&self.time),
            ..Commands::default()
        }
    }
}

/// Events of the book in the twin's words.
pub fn told(book: &OrderBook, events: &Events) -> Vec<Told> {
    let markets: Vec<i64> = book.market_ids().collect();
    let id = |id: i64| (id != NULL).then_some(id);
    let reason = |code: u16| RejectReason::ALL.iter().find(|reason| reason.code() == code).map_or("", |r| r.name());
    let one = |event: &Event| Told {
        kind: event.kind.name(),
        command: (event.command != NOWHERE).then_some(event.command as usize),
        market: (event.market != NOWHERE).then(|| markets[event.market as usize]),
        order: id(event.order),
        counter: id(event.counter),
        price: (event.price != NO_PRICE).then_some(i64::from(event.price)),
        quantity: i64::from(event.quantity),
        remaining: i64::from(event.remaining),
        reject: reason(event.reject),
        side: (event.side != NO_SIDE).then_some(event.side == 1),
    };
    assert_eq!(events.count, events.rows.len() as u64, "every event is kept, so that numbers are dense");
    events.rows.iter().map(one).collect()
}

/// What rests in the twin's words; `turn` says nothing.
pub fn resting(book: &mut OrderBook) -> Vec<Rests> {
    let rows = book.snapshot(None);
    let some = |cell: i64| Some(cell).filter(|&cell| cell != NULL);
    (0..rows.order.len())
        .map(|row| Rests {
            market: rows.market[row],
            order: rows.order[row],
            participant: Some(rows.participant[row]).filter(|&id| id != NULL),
            buys: rows.side[row] == 1,
            price: rows.price[row],
            open: rows.quantity[row],
            shown: rows.shown[row],
            expires: some(rows.expires[row]),
            display: some(rows.display[row]),
            minimum: some(rows.min_quantity[row]).unwrap_or(0),
            stop: some(rows.stop[row]),
            peg: rows.peg[row],
            offset: some(rows.offset[row]).unwrap_or(0),
            limit: some(rows.limit[row]),
            tif: rows.tif[row],
            is_market: rows.is_market_order[row] == 1,
            ..Rests::default()
        })
        .collect()
}

/// An order as its events tell of it.
#[derive(Clone, Debug)]
pub struct Known {
    id: i64,
    market: i64,
    buys: bool,
    price: i64,
    open: i64,
    shown: i64,
}

/// Market, whether it buys, price, id, what is open and what is shown.
pub type Row = (i64, bool, i64, i64, i64, i64);

/// The book, followed by its events alone; of one price the orders stand as they are here.
#[derive(Default)]
pub struct Followed {
    orders: Vec<Known>,
}

impl Followed {
    fn at(&self, id: i64) -> usize {
        self.orders.iter().position(|order| order.id == id).unwrap()
    }

    /// Takes what an event says.
    pub fn follow(&mut self, event: &Told, raw: &Event) {
        let id = event.order.unwrap_or(NULL);
        let price = event.price.unwrap_or(NO_PRICE_OF_TWIN);
        match raw.kind {
            Kind::Accepted => {
                assert!(self.orders.iter().all(|order| order.id != id), "one order an id");
                let (market, buys) = (event.market.unwrap(), event.side.unwrap());
                let (open, shown) = (event.quantity, event.quantity);
                self.orders.push(Known { id, market, buys, price, open, shown });
            }
            Kind::Replaced | Kind::Triggered => {
                let place = self.at(id);
                let old = self.orders[place].clone();
                let new = Known { price, open: event.remaining, shown: event.quantity, ..old };
                if price == old.price && new.open < old.open {
                    self.orders[place] = new;
                } else {
                    self.orders.remove(place);
                    self.orders.push(new);
                }
            }
            Kind::Trade => {
                let (incoming, rested) = (self.at(id), self.at(event.counter.unwrap()));
                assert_eq!(price, self.orders[rested].price, "the price is that of the order that rested");
                assert_ne!(self.orders[incoming].buys, self.orders[rested].buys, "a bid and an ask");
                for place in [incoming, rested] {
                    self.orders[place].open -= event.quantity;
                    assert!(self.orders[place].open >= 0 && event.quantity > 0);
                }
                self.orders[rested].shown = (self.orders[rested].shown - event.quantity).max(0);
                self.orders[incoming].shown = self.orders[incoming].shown.min(event.remaining);
                assert_eq!(self.orders[incoming].open, event.remaining);
            }
            Kind::Filled => {
                let place = self.at(id);
                assert_eq!((self.orders[place].open, event.remaining), (0, 0));
                self.orders.remove(place);
            }
            Kind::Cancelled | Kind::Expired => {
                let place = self.at(id);
                let order = &mut self.orders[place];
                order.open -= event.quantity;
                order.shown = order.shown.min(order.open);
                assert_eq!(order.open, event.remaining);
                if event.remaining == 0 {
                    self.orders.remove(place);
                }
            }
            Kind::Rejected | Kind::Phase => {}
        }
    }

    /// What rests: what is shown, in the order of a snapshot, and the rest by id.
    pub fn snapshot(&self) -> [Vec<Row>; 2] {
        let mut rows: Vec<_> = self.orders.iter().enumerate().collect();
        rows.sort_by_key(|&(turn, order)| {
            (order.market, !order.buys, if order.buys { order.price.saturating_neg() } else { order.price }, turn)
        });
        let row = |order: &Known| (order.market, order.buys, order.price, order.id, order.open, order.shown);
        let shown = rows.iter().filter(|(_, order)| order.shown > 0).map(|(_, order)| row(order)).collect();
        let mut others: Vec<_> = rows.iter().filter(|(_, order)| order.shown == 0).map(|(_, o)| row(o)).collect();
        others.sort_by_key(|row| row.3);
        [shown, others]
    }
}
