//! Any bytes as commands to an order book, and what must hold after every one of them.
//!
//! The fuzz target and the ordinary test `book_fuzz` of `fastclear-core` share this file. Any bytes decode: what is missing
//! at their end reads as zero. Cells lean to what breaks books: few ids, few levels, both ends of every range, orders of
//! every kind in one market, and that market in calls, collars and pauses.

use std::collections::BTreeMap;

use fastclear_core::book::{
    Commands, Event, Events, Kind, NO_GATE, NULL, OFF_GRID, OrderBook, Phase, Rules, SMALL_MAX, SelfTrade,
    SessionError, Want,
};
use fastclear_core::order::Integers;

const TOP: i64 = (1 << 31) - 1;
const ROWS_MAX: usize = 400;
/// Bytes that one command takes.
pub const ROW: usize = 8;
/// Bytes before the first command.
pub const HEAD: usize = 8;

/// Rules of a market's day.
#[derive(Clone, Copy, Debug)]
struct Rule {
    collar: Option<i64>,
    breaker: Option<(i64, i64)>,
}

impl Rule {
    fn decode(byte: u8) -> Self {
        Self {
            collar: (byte & 0b11 == 1).then(|| i64::from(byte % 7)),
            breaker: (byte & 0b1100 == 0b0100).then(|| (i64::from(byte % 3) + 1, i64::from(byte % 5) + 1)),
        }
    }
}

/// A book and the commands to it.
#[derive(Clone, Debug)]
pub struct Case {
    rules: Rules,
    gate: Option<i64>,
    /// From the first command on.
    rule: Rule,
    /// Another rule, and the command before which it is set.
    change: Option<(usize, Rule)>,
    schedule: Vec<(i64, Phase)>,
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
    display: Vec<i64>,
    min_quantity: Vec<i64>,
    stop: Vec<i64>,
    peg: Vec<u8>,
    offset: Vec<i64>,
    phase: Vec<u8>,
    time: Vec<i64>,
}

/// A price: mostly one of a few levels, else an end of the range, or what is none.
fn price(byte: u8) -> i64 {
    match byte {
        0..=219 => i64::from(byte % 12) - 2,
        220..=226 => NULL,
        227..=232 => TOP,
        233..=238 => -TOP,
        239..=241 => OFF_GRID,
        242..=244 => TOP + 1,
        245..=247 => i64::MAX,
        _ => i64::from(byte) << 20,
    }
}

fn lots(byte: u8) -> i64 {
    match byte {
        0..=229 => i64::from(byte % 9) + 1,
        230..=235 => TOP,
        236..=240 => NULL,
        241 => 0,
        242 => -1,
        243 => TOP + 1,
        244 => OFF_GRID,
        _ => i64::from(byte),
    }
}

/// A cell that most orders leave empty.
fn rarely(byte: u8, cell: impl Fn(u8) -> i64) -> i64 {
    if byte < 176 { NULL } else { cell(byte.wrapping_mul(37)) }
}

impl Case {
    /// Whatever the bytes say.
    pub fn decode(bytes: &[u8]) -> Self {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let self_trade = SelfTrade::ALL[usize::from(byte(0)) % SelfTrade::ALL.len()];
        let rules = Rules { self_trade, erase_after_trade: byte(1) > 230, small_max: SMALL_MAX };
        let rows = bytes.len().saturating_sub(HEAD).div_ceil(ROW).min(ROWS_MAX);
        let mut case = Self {
            rules,
            gate: (byte(2) > 128).then(|| i64::from(byte(2)) - 100),
            rule: Rule::decode(byte(3)),
            change: (byte(4) & 1 == 1).then(|| (usize::from(byte(4) / 2) % rows.max(1), Rule::decode(byte(5)))),
            schedule: if byte(3) & 0b11_0000 == 0b01_0000 {
                vec![(3, Phase::Continuous), (9, Phase::PreOpen), (15, Phase::Continuous), (40, Phase::Halted)]
            } else {
                Vec::new()
            },
            op: Vec::new(),
            market: Vec::new(),
            order: Vec::new(),
            participant: Vec::new(),
            side: Vec::new(),
            is_market_order: Vec::new(),
            tif: Vec::new(),
            price: Vec::new(),
            quantity: Vec::new(),
            expires: Vec::new(),
            flags: Vec::new(),
            display: Vec::new(),
            min_quantity: Vec::new(),
            stop: Vec::new(),
            peg: Vec::new(),
            offset: Vec::new(),
            phase: Vec::new(),
            time: Vec::new(),
        };
        let mut now = 0_i64;
        for nth in 0..rows {
            let cell = |at: usize| byte(HEAD + nth * ROW + at);
            let what = cell(0);
            let is_new = what < 150;
            case.op.push(match what {
                0..150 => 0,
                150..180 => 1,
                180..195 => 2,
                195..230 => 3,
                230..232 => 4,
                232..234 => 5,
                234..238 => 6,
                238..248 => 7,
                _ => what,
            });
            case.market.push(if !is_new && cell(1) & 4 == 4 { NULL } else { i64::from(cell(1) % 2) });
            case.order.push(match cell(2) {
                at @ 0..=249 if is_new => nth as i64 * 3 + i64::from(at > 240),
                at @ 0..=249 => i64::from(at) % (nth as i64 + 1) * 3,
                250 => i64::MAX,
                251 => i64::MIN + 2,
                _ => NULL,
            });
            case.participant.push(if cell(1) & 8 == 8 { NULL } else { i64::from(cell(1) >> 4) % 4 });
            case.side.push(if cell(3) == 255 { 2 } else { cell(3) & 1 });
            case.is_market_order.push(u8::from(cell(3) > 230));
            let tif = [0, 0, 0, 0, 0, 1, 2, 3][usize::from(cell(3) >> 1) % 8];
            case.tif.push(if cell(3) == 254 { 9 } else { tif });
            case.price.push(price(cell(4)));
            case.quantity.push(lots(cell(5)));
            case.expires.push(if tif == 3 { now + i64::from(cell(6) % 20) } else { NULL });
            let kind = cell(7);
            case.flags.push(if kind & 15 == 1 { [1, 2, 4, 8, 5][usize::from(cell(6)) % 5] } else { 0 });
            case.display.push(if matches!(kind & 15, 2 | 6) { lots(cell(6) % 240) } else { NULL });
            case.min_quantity.push(if matches!(kind & 15, 3 | 7) { lots(cell(6)) } else { NULL });
            case.stop.push(if matches!(kind & 15, 4 | 6 | 7) { price(cell(6)) } else { NULL });
            case.peg.push(if kind & 15 == 5 { 1 + cell(6) % 3 } else { 0 });
            case.offset.push(if kind & 15 == 5 { rarely(cell(6), price) } else { NULL });
            case.phase.push(kind % 5);
            now += [0, 0, 0, 1, 3][usize::from(kind >> 4) % 5];
            case.time.push(if kind == 255 { NULL } else { now });
        }
        case
    }

    fn commands(&self, from: usize, to: usize) -> Commands<'_> {
        Commands {
            rows: to - from,
            op: Some(&self.op[from..to]),
            market: Some(&self.market[from..to]),
            order: Some(&self.order[from..to]),
            participant: Some(&self.participant[from..to]),
            side: Some(&self.side[from..to]),
            is_market_order: Some(&self.is_market_order[from..to]),
            tif: Some(&self.tif[from..to]),
            price: Some(Integers::Wide(&self.price[from..to])),
            quantity: Some(Integers::Wide(&self.quantity[from..to])),
            expires: Some(&self.expires[from..to]),
            flags: Some(&self.flags[from..to]),
            display: Some(Integers::Wide(&self.display[from..to])),
            min_quantity: Some(Integers::Wide(&self.min_quantity[from..to])),
            stop: Some(Integers::Wide(&self.stop[from..to])),
            peg: Some(&self.peg[from..to]),
            offset: Some(Integers::Wide(&self.offset[from..to])),
            phase: Some(&self.phase[from..to]),
            time: Some(&self.time[from..to]),
        }
    }

    fn book(&self, small_max: usize) -> OrderBook {
        let mut book = OrderBook::new(Rules { small_max, ..self.rules });
        if let Some(gate) = self.gate {
            book.set_gate(0, gate).expect("a new book takes any gate");
        }
        assert!(Self::set_rule(&mut book, self.rule), "nothing is there that a collar would bind");
        if !self.schedule.is_empty() {
            book.set_phases(0, &self.schedule).expect("times that rise and are to come");
        }
        book
    }

    /// Says whether the market has that collar now: it has not where an order could trade outside of it, or if it has closed.
    fn set_rule(book: &mut OrderBook, rule: Rule) -> bool {
        let breaker = book.set_breaker(0, rule.breaker);
        assert!(matches!(breaker, Ok(()) | Err(SessionError::Closed)), "{breaker:?}");
        let ends = rule.collar.map_or((None, None), |collar| (Some(-collar), Some(collar)));
        let collar = book.set_collar(0, ends.0, ends.1);
        let may_be = matches!(collar, Ok(()) | Err(SessionError::Closed | SessionError::Outside { .. }));
        assert!(may_be, "{collar:?}");
        collar.is_ok()
    }

    /// Obeys commands in as few calls as may be.
    fn obey(&self, book: &mut OrderBook, from: usize, to: usize) -> Events {
        let apply = |book: &mut OrderBook, from: usize, to: usize| {
            book.apply(&self.commands(from, to), Want::Events).expect("columns of one length")
        };
        let Some((row, rule)) = self.change.filter(|&(row, _)| (from..to).contains(&row)) else {
            return apply(book, from, to);
        };
        let mut events = apply(book, from, row);
        Self::set_rule(book, rule);
        let rest = apply(book, row, to);
        events.count += rest.count;
        events.rows.extend(later(&rest.rows, row - from));
        events
    }
}

/// Events of a call whose first command is the `row`th.
fn later(events: &[Event], row: usize) -> impl Iterator<Item = Event> + '_ {
    events.iter().map(move |event| {
        let is_command = event.command != u32::MAX;
        Event { command: if is_command { event.command + row as u32 } else { event.command }, ..*event }
    })
}

/// What is open of every order that its events tell of, whether it rests, waits or is hidden.
#[derive(Default)]
struct Told(BTreeMap<i64, i64>);

impl Told {
    fn hear(&mut self, event: &Event) {
        let open = i64::from(event.remaining);
        match event.kind {
            Kind::Accepted => assert!(self.0.insert(event.order, open).is_none(), "one order an id: {event:?}"),
            Kind::Rejected | Kind::Phase => {}
            Kind::Trade => {
                for (id, left) in [(event.order, Some(open)), (event.counter, None)] {
                    let known = self.0.get_mut(&id).unwrap_or_else(|| panic!("nobody knows {id}: {event:?}"));
                    *known -= i64::from(event.quantity);
                    assert!(*known >= 0 && event.quantity > 0, "{event:?}");
                    assert_eq!(left.unwrap_or(*known), *known, "{event:?}");
                }
            }
            Kind::Filled => assert_eq!(self.0.remove(&event.order), Some(0), "{event:?}"),
            Kind::Cancelled | Kind::Expired => {
                let known = self.0.get_mut(&event.order).unwrap_or_else(|| panic!("{event:?}"));
                *known -= i64::from(event.quantity);
                assert_eq!(*known, open, "{event:?}");
                if open == 0 {
                    self.0.remove(&event.order);
                }
            }
            _ => {
                let known = self.0.get_mut(&event.order).unwrap_or_else(|| panic!("{event:?}"));
                *known = open;
            }
        }
    }
}

/// Holds the book to what it promises whatever it is told; returns how many trades there were.
///
/// # Panics
/// Where it does not.
pub fn check(bytes: &[u8]) -> usize {
    let case = Case::decode(bytes);
    let rows = case.op.len();
    let mut whole = case.book(SMALL_MAX);
    let events = case.obey(&mut whole, 0, rows);
    let resting = whole.snapshot(None);
    // However orders are kept, and however commands are cut into calls.
    for (small_max, cut) in [(0, rows), (2, rows / 2), (SMALL_MAX, rows / 3)] {
        let mut other = case.book(small_max);
        let mut heard = case.obey(&mut other, 0, cut).rows;
        let rest = case.obey(&mut other, cut, rows);
        assert_eq!(rest.first_seq, heard.len() as u64);
        heard.extend(later(&rest.rows, cut));
        for (nth, pair) in heard.iter().zip(&events.rows).enumerate() {
            assert_eq!(pair.0, pair.1, "event {nth}, small_max {small_max}, cut at {cut}");
        }
        assert_eq!(heard.len(), events.rows.len());
        assert_eq!(other.snapshot(None), resting);
    }
    let mut book = case.book(2);
    let mut told = Told::default();
    let mut seq = 0;
    let mut collar = case.rule.collar;
    for row in 0..rows {
        // Set here as well, to know whether it was taken: a second time it changes nothing.
        if let Some((_, rule)) = case.change.filter(|&(at, rule)| at == row && Case::set_rule(&mut book, rule)) {
            collar = rule.collar;
        }
        let events = case.obey(&mut book, row, row + 1);
        for trade in events.trades().filter(|trade| book.market_ids().nth(trade.market as usize) == Some(0)) {
            let price = i64::from(trade.price).abs();
            assert!(collar.is_none_or(|collar| price <= collar), "row {row}: outside of {collar:?}: {trade:?}");
        }
        assert_eq!((events.first_seq, events.count), (seq, events.rows.len() as u64), "numbers are dense");
        seq += events.count;
        let refused = events.rows.iter().filter(|event| event.kind == Kind::Rejected).count();
        assert!(refused <= 1, "a command is refused once");
        events.rows.iter().for_each(|event| told.hear(event));
        let rests = book.snapshot(None);
        let mut open: Vec<(i64, i64)> = rests.order.iter().copied().zip(rests.quantity.iter().copied()).collect();
        open.sort_unstable();
        assert!(
            open.iter().map(|&(id, lots)| (id, lots)).eq(told.0.iter().map(|(&id, &lots)| (id, lots))),
            "row {row}"
        );
        assert_eq!(book.len(), open.len());
        assert!(rests.quantity.iter().all(|&lots| lots > 0), "nothing rests without lots");
        for state in book.market_states() {
            let (bid, ask) = (book.best(state.market, 1), book.best(state.market, 0));
            if let (Some(bid), Some(ask)) = (bid, ask) {
                let may_cross = book.phase(state.market) == Some(Phase::PreOpen) || state.halted;
                assert!(bid.price < ask.price || may_cross, "row {row}: {bid:?} {ask:?}");
            }
            assert!(!state.closed || !rests.market.contains(&state.market), "a closed market is empty");
            assert!(state.gate == NO_GATE || state.closed || book.clock() < state.gate);
        }
    }
    events.trades().count()
}

/// Numbers that are the same on every machine.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits: `SplitMix64`.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// So many commands of one kind of order among plain ones, of all kinds, or of all kinds in a market with a day of its own.
    pub fn input(&mut self, kind: u8, rows: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..HEAD + rows * ROW).map(|_| self.next() as u8).collect();
        bytes[1] %= 240;
        if kind == KINDS - 1 {
            // A schedule, a breaker, a collar, or more of them.
            bytes[3] = [0b1101_0101, 0b1001_1001, 0b0001_0000, 0b0001_0100, 0b0000_0101][usize::from(bytes[3]) % 5];
            bytes[4] |= 1;
        }
        for row in bytes[HEAD..].chunks_mut(ROW) {
            if kind < KINDS - 2 {
                // A plain order, or one of the kind.
                let is_of_kind = row[7] & 64 == 0;
                row[7] = (row[7] & 0xF0) | if is_of_kind { kind } else { 0 };
            }
            if !self.next().is_multiple_of(4) {
                row[0] %= 150;
                row[4] %= 220;
                row[5] %= 230;
            }
        }
        bytes
    }
}

/// Kinds of orders that an input may be made of: plain, flags, icebergs, least quantities, stops, pegs, all, and all in calls,
/// collars and pauses.
pub const KINDS: u8 = 8;

/// Inputs to begin with, by name.
pub fn corpus() -> Vec<(String, Vec<u8>)> {
    let names = ["plain", "flags", "iceberg", "minimum", "stop", "peg", "all", "mixture"];
    let inputs = (0..).zip(names).flat_map(|(kind, name)| {
        [("few", 6), ("some", 40), ("many", 200)]
            .map(|(size, rows)| (format!("{name}-{size}"), Random(u64::from(kind)).input(kind, rows)))
    });
    [("empty".to_owned(), Vec::new())].into_iter().chain(inputs).collect()
}
