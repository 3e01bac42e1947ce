//! Richer orders in markets with phases, collars and breakers: worked examples, whole lists of events.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use fastclear_core::book::{
    ALL_OR_NONE, Commands, Events, Everybody, Kind, NO_PRICE, NULL, OrderBook, POST_ONLY, Phase, Rules, SLIDE,
    SMALL_MAX, SelfTrade, SessionError, Want,
};
use fastclear_core::order::Integers;
use fastclear_core::reject::RejectReason;

/// One command; what it does not ask for is null.
#[derive(Clone, Copy)]
struct Command {
    op: u8,
    order: i64,
    participant: i64,
    side: u8,
    is_market: u8,
    tif: u8,
    price: i64,
    quantity: i64,
    expires: i64,
    flags: u8,
    display: i64,
    minimum: i64,
    stop: i64,
    peg: u8,
    offset: i64,
    phase: u8,
    time: i64,
}

const NONE: Command = Command {
    op: 0,
    order: 0,
    participant: NULL,
    side: 255,
    is_market: 0,
    tif: 0,
    price: NULL,
    quantity: NULL,
    expires: NULL,
    flags: 0,
    display: NULL,
    minimum: NULL,
    stop: NULL,
    peg: 0,
    offset: NULL,
    phase: 255,
    time: 0,
};

const BUY: u8 = 1;
const SELL: u8 = 0;
const IOC: u8 = 1;
const FOK: u8 = 2;
const BEST: u8 = 1;
const MID: u8 = 2;

fn bid(order: i64, price: i64, quantity: i64) -> Command {
    Command { order, side: BUY, price, quantity, ..NONE }
}

fn ask(order: i64, price: i64, quantity: i64) -> Command {
    Command { order, side: SELL, price, quantity, ..NONE }
}

fn phase(phase: Phase) -> Command {
    Command { op: 7, phase: phase as u8, ..NONE }
}

const PRE_OPEN: Command = Command { op: 7, phase: 0, ..NONE };
const CONTINUOUS: Command = Command { op: 7, phase: 1, ..NONE };

fn told(events: &Events) -> Vec<String> {
    let cell = |price: i32| if price == NO_PRICE { String::new() } else { format!(" @{price}") };
    let reason = |code: u16| RejectReason::ALL.into_iter().find(|reason| reason.code() == code);
    let tell = |event: &fastclear_core::book::Event| {
        let id = |before: &str, id: i64| if id == NULL { String::new() } else { format!("{before}{id}") };
        let has_rest = event.kind != Kind::Phase && event.kind != Kind::Rejected;
        let rest = if has_rest { format!(">{}", event.remaining) } else { String::new() };
        let (order, counter, price) = (id(" ", event.order), id("/", event.counter), cell(event.price));
        let line = format!("{}{order}{counter}{price} {}{rest}", event.kind.name(), event.quantity);
        reason(event.reject).map_or_else(|| line.clone(), |reason| format!("{line} {}", reason.name()))
    };
    events.rows.iter().map(tell).collect()
}

fn apply(book: &mut OrderBook, command: &Command) -> Vec<String> {
    use std::slice::from_ref;
    let c = command;
    let commands = Commands {
        rows: 1,
        op: Some(from_ref(&c.op)),
        order: Some(from_ref(&c.order)),
        participant: (c.participant != NULL).then(|| from_ref(&c.participant)),
        side: Some(from_ref(&c.side)),
        is_market_order: Some(from_ref(&c.is_market)),
        tif: Some(from_ref(&c.tif)),
        price: Some(Integers::Wide(from_ref(&c.price))),
        quantity: Some(Integers::Wide(from_ref(&c.quantity))),
        expires: Some(from_ref(&c.expires)),
        flags: Some(from_ref(&c.flags)),
        display: Some(Integers::Wide(from_ref(&c.display))),
        min_quantity: Some(Integers::Wide(from_ref(&c.minimum))),
        stop: Some(Integers::Wide(from_ref(&c.stop))),
        peg: Some(from_ref(&c.peg)),
        offset: Some(Integers::Wide(from_ref(&c.offset))),
        phase: Some(from_ref(&c.phase)),
        time: Some(from_ref(&c.time)),
        ..Commands::default()
    };
    told(&book.apply(&commands, Want::Events).unwrap())
}

/// A book of every layout, which must tell the same.
struct Books(Vec<OrderBook>);

impl Books {
    fn of(self_trade: SelfTrade, erase_after_trade: bool) -> Self {
        let book = |small_max| OrderBook::new(Rules { self_trade, erase_after_trade, small_max });
        Self([0, 1, SMALL_MAX].map(book).into())
    }

    fn new() -> Self {
        Self::of(SelfTrade::Off, false)
    }

    fn each<T: PartialEq + std::fmt::Debug>(&mut self, mut does: impl FnMut(&mut OrderBook) -> T) -> T {
        let mut got: Vec<T> = self.0.iter_mut().map(&mut does).collect();
        let first = got.remove(0);
        assert!(got.iter().all(|other| *other == first), "{first:?} and {got:?}");
        first
    }

    /// Commands that the example begins with.
    fn given(mut self, commands: &[Command]) -> Self {
        for command in commands {
            self.each(|book| apply(book, command));
        }
        self
    }

    fn tells(&mut self, command: &Command, expected: &[&str]) {
        assert_eq!(self.each(|book| apply(book, command)), expected);
    }

    fn advances(&mut self, time: i64, expected: &[&str]) {
        assert_eq!(self.each(|book| told(&book.advance(time, &mut Everybody))), expected);
    }

    /// Bids then asks: order, shown and open lots.
    fn rests(&mut self, expected: &[(i64, i64, i64)]) {
        let rows = self.each(|book| {
            let rows = book.snapshot(None);
            (0..rows.order.len()).map(|row| (rows.order[row], rows.shown[row], rows.quantity[row])).collect::<Vec<_>>()
        });
        assert_eq!(rows, expected);
    }

    fn indicates(&mut self, price: i64, volume: u64, imbalance: i64) {
        let call = self.each(|book| book.indicative(0)).unwrap();
        assert_eq!((call.price, call.volume, call.imbalance), (price, volume, imbalance));
    }
}

/// Rule 1: an iceberg takes part with all that it has, in its place, by one trade with each; what is left stays first.
#[test]
fn an_iceberg_takes_part_in_a_call_with_all_that_it_has() {
    let iceberg = Command { display: 3, ..bid(1, 30, 10) };
    let mut books = Books::new().given(&[PRE_OPEN, iceberg, bid(2, 30, 5), ask(3, 20, 4)]);
    books.rests(&[(1, 3, 10), (2, 5, 5), (3, 4, 4)]);
    books.indicates(30, 4, 11);
    books.tells(&ask(4, 25, 3), &["accepted 4 @25 3>3"]);
    let expected = [
        "phase @30 1",
        "trade 1/3 @30 4>6",
        "filled 3/1 @30 4>0",
        "trade 1/4 @30 3>3",
        "filled 4/1 @30 3>0",
        "replaced 1/4 @30 3>3",
    ];
    books.tells(&CONTINUOUS, &expected);
    books.rests(&[(1, 3, 3), (2, 5, 5)]);
    books.tells(
        &ask(5, 30, 4),
        &["accepted 5 @30 4>4", "trade 5/1 @30 3>1", "filled 1/5 @30 3>0", "trade 5/2 @30 1>0", "filled 5/2 @30 1>0"],
    );
}

/// Where less was shown than may be, what a call leaves shows more again and is still first, on either side.
#[test]
fn what_a_call_leaves_of_an_iceberg_keeps_its_place_and_shows_as_much_as_it_may() {
    for side in [BUY, SELL] {
        let own = |order, quantity| Command { side, ..bid(order, 30, quantity) };
        let other = |order, quantity| Command { side: 1 - side, ..bid(order, 30, quantity) };
        let mut books = Books::new().given(&[Command { display: 4, ..own(1, 12) }, own(2, 5), other(3, 3), PRE_OPEN]);
        books.each(|book| assert_eq!(book.best(0, side).unwrap().quantity, 1 + 5));
        books.tells(&other(4, 2), &["accepted 4 @30 2>2"]);
        let (bid, ask) = if side == BUY { (1, 4) } else { (4, 1) };
        books.tells(
            &CONTINUOUS,
            &[
                "phase @30 1",
                &format!("trade {bid}/{ask} @30 2>{}", if side == BUY { 7 } else { 0 }),
                "filled 4/1 @30 2>0",
                "replaced 1/4 @30 4>7",
            ],
        );
        books.rests(&[(1, 4, 7), (2, 5, 5)]);
    }
}

/// An iceberg and its participant's order of the other side are cancelled in the lots in which they meet, hidden ones too.
#[test]
fn an_iceberg_meets_its_own_in_a_call_with_all_that_it_has() {
    let own = |command: Command| Command { participant: 7, ..command };
    let mut books = Books::of(SelfTrade::CancelIncoming, false).given(&[
        PRE_OPEN,
        own(Command { display: 2, ..bid(1, 30, 10) }),
        own(ask(2, 30, 6)),
        ask(3, 30, 1),
    ]);
    books.tells(
        &CONTINUOUS,
        &[
            "phase @30 1",
            "cancelled 1/2 @30 6>4 self_trade",
            "cancelled 2/1 @30 6>0 self_trade",
            "trade 1/3 @30 1>3",
            "filled 3/1 @30 1>0",
            "replaced 1/3 @30 2>3",
        ],
    );
}

/// Rules 2 and 9: an order with a minimum takes no part in a call, and is tried when the market is continuous again.
#[test]
fn a_minimum_waits_beside_a_call() {
    let block = Command { flags: ALL_OR_NONE, ..bid(1, 30, 5) };
    let mut books = Books::new().given(&[PRE_OPEN, block, ask(2, 20, 3), bid(3, 22, 1), ask(4, 28, 4)]);
    books.indicates(20, 1, -2);
    let now = Command { tif: IOC, minimum: 2, ..bid(5, 30, 5) };
    books.tells(&now, &["rejected 5 @30 5 not_in_phase"]);
    books.tells(
        &CONTINUOUS,
        &[
            "phase @20 1",
            "trade 3/2 @20 1>0",
            "filled 3/2 @20 1>0",
            "trade 1/2 @20 2>3",
            "filled 2/1 @20 2>0",
            "trade 1/4 @28 3>0",
            "filled 1/4 @28 3>0",
        ],
    );
    books.rests(&[(4, 1, 1)]);
}

/// Two minimums that came in a call meet each other when it is over.
#[test]
fn minimums_that_came_in_a_call_meet_when_it_is_over() {
    let all = |command: Command| Command { flags: ALL_OR_NONE, ..command };
    let mut books = Books::new().given(&[PRE_OPEN, all(ask(1, 20, 4)), all(bid(2, 21, 4))]);
    books.tells(&CONTINUOUS, &["phase 1", "trade 2/1 @20 4>0", "filled 1/2 @20 4>0", "filled 2/1 @20 4>0"]);
}

/// Rule 3: no stop goes off in a call; what its trades set off, and what the last price did, comes in when it is over.
#[test]
fn a_stop_waits_for_the_end_of_a_call() {
    let mut books = Books::new().given(&[
        Command { stop: 5, ..ask(1, 4, 1) },
        bid(2, 10, 2),
        ask(3, 10, 2),
        PRE_OPEN,
        bid(4, 30, 2),
        ask(5, 25, 1),
        ask(6, 29, 4),
    ]);
    let reached = Command { stop: 9, tif: IOC, ..bid(7, 29, 1) };
    books.tells(&reached, &["accepted 7 @29 1>1", "replaced 7 @29 0>1"]);
    let market = Command { stop: 28, is_market: 1, ..bid(8, NULL, 1) };
    books.tells(&market, &["accepted 8 1>1", "replaced 8 0>1"]);
    books.tells(
        &CONTINUOUS,
        &[
            "phase @29 1",
            "trade 4/5 @29 1>1",
            "filled 5/4 @29 1>0",
            "trade 4/6 @29 1>0",
            "filled 4/6 @29 1>0",
            "triggered 7 @29 1>1",
            "trade 7/6 @29 1>0",
            "filled 7/6 @29 1>0",
            "triggered 8 1>1",
            "trade 8/6 @29 1>0",
            "filled 8/6 @29 1>0",
        ],
    );
    books.rests(&[(6, 1, 1), (1, 0, 1)]);
}

/// A stop that the last price set off when it came stays set off, wherever the call then trades; one that has another stop
/// since is looked at anew.
#[test]
fn what_was_set_off_in_a_call_stays_so() {
    let stop = |order, stop| Command { stop, ..bid(order, 40, 1) };
    let mut books = Books::new().given(&[
        PRE_OPEN,
        bid(1, 10, 1),
        ask(2, 10, 1),
        CONTINUOUS,
        PRE_OPEN,
        stop(3, 10),
        stop(4, 10),
        bid(5, 8, 1),
        ask(6, 8, 1),
    ]);
    let later = Command { op: 3, order: 4, stop: 11, ..NONE };
    books.tells(&later, &["replaced 4 @40 0>1"]);
    books.tells(
        &CONTINUOUS,
        &["phase @8 1", "trade 5/6 @8 1>0", "filled 6/5 @8 1>0", "filled 5/6 @8 1>0", "triggered 3 @40 1>1"],
    );
    books.rests(&[(3, 1, 1), (4, 0, 1)]);
}

/// Rule 4: pegged orders leave when a call begins, and are back when it is over.
#[test]
fn pegs_leave_for_a_call() {
    let mut books = Books::new().given(&[
        bid(1, 10, 1),
        ask(2, 20, 1),
        Command { peg: MID, ..bid(3, 14, 2) },
        Command { peg: BEST, offset: 1, ..ask(4, NULL, 2) },
    ]);
    books.rests(&[(3, 2, 2), (1, 1, 1), (2, 1, 1), (4, 2, 2)]);
    books.tells(&PRE_OPEN, &["phase 2", "replaced 3 @14 0>2", "replaced 4 0>2"]);
    let more = Command { peg: MID, display: 1, ..ask(5, NULL, 3) };
    books.tells(&more, &["accepted 5 3>3", "replaced 5 0>3"]);
    books.tells(&bid(6, 12, 1), &["accepted 6 @12 1>1"]);
    books.tells(
        &CONTINUOUS,
        &["phase 1", "replaced 3 @14 2>2", "replaced 4 @21 2>2", "replaced 5 @16 3>3", "replaced 5 @16 1>3"],
    );
    books.rests(&[(3, 2, 2), (6, 1, 1), (1, 1, 1), (5, 1, 3), (2, 1, 1), (4, 2, 2)]);
}

/// Rule 5: in a call an order that must rest stays at its own price.
#[test]
fn slide_and_post_only_say_nothing_in_a_call() {
    let mut books = Books::new().given(&[PRE_OPEN, ask(1, 20, 1)]);
    books.tells(&Command { flags: SLIDE, ..bid(2, 25, 1) }, &["accepted 2 @25 1>1"]);
    books.tells(&Command { flags: POST_ONLY, ..bid(3, 24, 1) }, &["accepted 3 @24 1>1"]);
    books.tells(&Command { op: 3, flags: SLIDE, ..ask(1, 22, 1) }, &["replaced 1 @22 1>1"]);
    books.tells(&CONTINUOUS, &["phase @25 1", "trade 2/1 @25 1>0", "filled 1/2 @25 1>0", "filled 2/1 @25 1>0"]);
    books.tells(&Command { flags: SLIDE, ..ask(4, 20, 1) }, &["accepted 4 @25 1>1"]);
}

/// Rule 6: fewer lots at the same price keep the place in a call; all else goes last and trades with nobody.
#[test]
fn replacing_in_a_call_keeps_or_loses_the_place_and_does_not_trade() {
    let mut books = Books::new().given(&[
        PRE_OPEN,
        Command { display: 2, ..ask(1, 20, 6) },
        ask(2, 20, 2),
        Command { flags: ALL_OR_NONE, ..ask(3, 20, 2) },
        Command { stop: 30, ..bid(4, 25, 1) },
        bid(5, 25, 3),
    ]);
    let replace = |order, price, quantity| Command { op: 3, order, price, quantity, ..NONE };
    books.tells(&replace(1, NULL, 5), &["replaced 1 @20 2>5"]);
    books.rests(&[(5, 3, 3), (4, 0, 1), (1, 2, 5), (2, 2, 2), (3, 0, 2)]);
    books.tells(&replace(1, NULL, 7), &["replaced 1 @20 7>7", "replaced 1 @20 2>7"]);
    books.rests(&[(5, 3, 3), (4, 0, 1), (2, 2, 2), (1, 2, 7), (3, 0, 2)]);
    books.tells(&replace(3, 19, NULL), &["replaced 3 @19 2>2", "replaced 3 @19 0>2"]);
    books.tells(&replace(4, 26, NULL), &["replaced 4 @26 0>1"]);
    books.tells(&replace(5, 24, 4), &["replaced 5 @24 4>4"]);
    books.rests(&[(5, 4, 4), (4, 0, 1), (3, 0, 2), (2, 2, 2), (1, 2, 7)]);
    books.tells(
        &CONTINUOUS,
        &[
            "phase @20 1",
            "trade 5/2 @20 2>2",
            "filled 2/5 @20 2>0",
            "trade 5/1 @20 2>0",
            "filled 5/1 @20 2>0",
            "replaced 1/5 @20 2>5",
        ],
    );
}

/// Rule 7: the trades of a call, then erasure, then what it set off.
#[test]
fn a_call_that_erases_the_book_leaves_what_waits_for_its_stop() {
    let mut books = Books::of(SelfTrade::Off, true).given(&[
        PRE_OPEN,
        Command { stop: 20, ..bid(1, 30, 2) },
        Command { flags: ALL_OR_NONE, ..bid(2, 30, 9) },
        Command { peg: BEST, ..bid(3, NULL, 1) },
        bid(4, 20, 2),
        Command { display: 1, ..ask(5, 20, 5) },
    ]);
    books.tells(
        &CONTINUOUS,
        &[
            "phase @20 1",
            "trade 4/5 @20 2>0",
            "filled 4/5 @20 2>0",
            "replaced 5/4 @20 1>3",
            "cancelled 2 @30 9>0 book_erased",
            "cancelled 3 1>0 book_erased",
            "cancelled 5 @20 3>0 book_erased",
            "triggered 1 @30 2>2",
        ],
    );
    books.rests(&[(1, 2, 2)]);
}

/// Rule 8: a gate that closes in a call lets it trade, then all expires; a halted market trades nothing.
#[test]
fn a_gate_closes_on_all_kinds() {
    let orders = [
        PRE_OPEN,
        Command { stop: 20, ..bid(1, 30, 2) },
        Command { flags: ALL_OR_NONE, ..bid(2, 30, 9) },
        Command { peg: BEST, ..bid(3, NULL, 1) },
        bid(4, 20, 2),
        Command { display: 1, ..ask(5, 20, 5) },
    ];
    let mut books = Books::new().given(&orders);
    books.each(|book| book.set_gate(0, 100).unwrap());
    books.advances(
        100,
        &[
            "phase @20 1",
            "trade 4/5 @20 2>0",
            "filled 4/5 @20 2>0",
            "replaced 5/4 @20 1>3",
            "expired 2 @30 9>0 market_closed",
            "expired 1 @30 2>0 market_closed",
            "expired 3 1>0 market_closed",
            "expired 5 @20 3>0 market_closed",
        ],
    );
    books.rests(&[]);
    let mut books = Books::new().given(&orders).given(&[phase(Phase::Halted)]);
    books.each(|book| book.set_gate(0, 100).unwrap());
    books.advances(
        100,
        &[
            "expired 2 @30 9>0 market_closed",
            "expired 4 @20 2>0 market_closed",
            "expired 1 @30 2>0 market_closed",
            "expired 3 1>0 market_closed",
            "expired 5 @20 5>0 market_closed",
        ],
    );
}

/// Rule 10: the collar holds every limit; an order without one takes none outside, whenever it comes in.
#[test]
fn a_collar_holds_limits_of_every_kind_and_not_the_stop() {
    let mut books = Books::new();
    books.each(|book| book.set_collar(0, Some(10), Some(20)).unwrap());
    let kinds = [
        Command { display: 1, ..bid(1, 21, 2) },
        Command { minimum: 2, ..bid(1, 21, 2) },
        Command { stop: 15, ..bid(1, 21, 2) },
        Command { peg: BEST, ..bid(1, 21, 2) },
    ];
    for kind in &kinds {
        books.tells(kind, &["rejected 1 @21 2 price_outside_caps"]);
    }
    books.tells(&Command { stop: 16, is_market: 1, ..bid(1, NULL, 4) }, &["accepted 1 4>4", "replaced 1 0>4"]);
    books.tells(&Command { stop: 90, ..ask(2, 20, 1) }, &["accepted 2 @20 1>1", "replaced 2 @20 0>1"]);
    books = books.given(&[ask(3, 16, 1), ask(4, 19, 1), ask(5, 20, 1)]);
    books.each(|book| book.set_collar(0, Some(10), Some(19)).unwrap());
    books.tells(
        &bid(6, 16, 1),
        &[
            "accepted 6 @16 1>1",
            "trade 6/3 @16 1>0",
            "filled 3/6 @16 1>0",
            "filled 6/3 @16 1>0",
            "triggered 1 4>4",
            "trade 1/4 @19 1>3",
            "filled 4/1 @19 1>0",
            "cancelled 1 3>0 not_filled",
            "triggered 2 @20 1>1",
        ],
    );
}

/// Rule 11: a peg waits outside while its price is outside of the collar; a slide that would have to rest there is refused.
#[test]
fn pegs_and_slides_stay_inside_a_collar() {
    let mut books = Books::new().given(&[bid(1, 8, 1), ask(2, 30, 1), ask(3, 10, 1)]);
    books.each(|book| book.set_collar(0, Some(10), Some(20)).unwrap());
    books.tells(&Command { flags: SLIDE, ..bid(4, 15, 1) }, &["rejected 4 @15 1 would_trade"]);
    books.tells(&Command { peg: BEST, ..bid(5, NULL, 1) }, &["accepted 5 1>1", "replaced 5 0>1"]);
    books = books.given(&[Command { op: 1, order: 3, ..NONE }]);
    books.tells(&bid(6, 12, 1), &["accepted 6 @12 1>1", "replaced 5 @12 1>1"]);
    books.tells(&Command { op: 1, order: 6, ..NONE }, &["cancelled 6 @12 1>0", "replaced 5 0>1"]);
}

/// Rule 12: a collar is refused where an order with a limit could trade outside of it; what has none is bounded, and moved
/// before anything else happens.
#[test]
fn a_collar_asks_those_who_wait_and_moves_pegs() {
    let mut books = Books::new().given(&[
        Command { stop: 50, ..bid(1, 40, 1) },
        Command { flags: ALL_OR_NONE, ..ask(2, 5, 2) },
        Command { stop: 60, is_market: 1, ..bid(3, NULL, 1) },
        bid(4, 2, 1),
        ask(5, 99, 1),
        Command { peg: MID, ..bid(6, NULL, 1) },
    ]);
    books.rests(&[(6, 1, 1), (4, 1, 1), (1, 0, 1), (3, 0, 1), (2, 0, 2), (5, 1, 1)]);
    let set = |low, high| move |book: &mut OrderBook| book.set_collar(0, low, high);
    assert_eq!(books.each(set(None, Some(39))), Err(SessionError::Outside { order: 1 }));
    assert_eq!(books.each(set(Some(6), None)), Err(SessionError::Outside { order: 2 }));
    assert_eq!(books.each(set(None, Some(40))), Ok(()));
    // The peg stands at 50: it leaves before the ask, which would have met it there, comes in.
    books.tells(&ask(7, 30, 1), &["replaced 6 0>1", "accepted 7 @30 1>1", "replaced 6 @16 1>1"]);
    assert_eq!(books.each(set(None, Some(45))), Ok(()));
    books.advances(1, &[]);
}

/// Rule 13: stops that went off, replacements and minimums that are tried again are bound as orders that come in are.
#[test]
fn a_breaker_bounds_every_trade() {
    let breaker = |book: &mut OrderBook| book.set_breaker(0, Some((5, 1_000))).unwrap();
    let mut books = Books::new();
    books.each(breaker);
    books = books.given(&[ask(1, 20, 1), ask(2, 26, 1), Command { stop: 20, ..bid(3, 30, 2) }]);
    books.tells(
        &Command { time: 50, ..bid(4, 20, 1) },
        &[
            "accepted 4 @20 1>1",
            "trade 4/1 @20 1>0",
            "filled 1/4 @20 1>0",
            "filled 4/1 @20 1>0",
            "triggered 3 @30 2>2",
            "phase 2",
        ],
    );
    books.advances(1_050, &["phase @30 1", "trade 3/2 @30 1>1", "filled 2/3 @30 1>0"]);
    // A minimum that is tried again gets what it must have within the band, and fires on its way on.
    books = books.given(&[
        Command { op: 1, order: 3, ..NONE },
        ask(5, 28, 1),
        Command { minimum: 2, ..bid(7, 36, 3) },
        ask(6, 36, 1),
    ]);
    books.rests(&[(7, 0, 3), (5, 1, 1), (6, 1, 1)]);
    books.tells(
        &ask(8, 29, 1),
        &[
            "accepted 8 @29 1>1",
            "trade 7/5 @28 1>2",
            "filled 5/7 @28 1>0",
            "trade 7/8 @29 1>1",
            "filled 8/7 @29 1>0",
            "phase 2",
        ],
    );
    books.rests(&[(7, 0, 1), (6, 1, 1)]);
}

/// Rule 14: what only the breaker keeps from its minimum fires it, if it comes in; one that is tried again is passed over.
#[test]
fn a_minimum_that_comes_in_fires_and_one_that_rests_does_not() {
    let open = |books: Books| {
        let mut books = books.given(&[ask(1, 20, 1), bid(2, 20, 1), ask(3, 24, 1), ask(4, 26, 1)]);
        books.each(|book| book.set_breaker(0, Some((5, 1_000))).unwrap());
        books.given(&[ask(5, 20, 1), bid(6, 20, 1)])
    };
    let all = |command: Command| Command { flags: ALL_OR_NONE, ..command };
    let mut books = open(Books::new());
    books.tells(&all(bid(7, 30, 2)), &["accepted 7 @30 2>2", "replaced 7 @30 0>2", "phase 2"]);
    books.advances(
        1_000,
        &[
            "phase 1",
            "trade 7/3 @24 1>1",
            "filled 3/7 @24 1>0",
            "trade 7/4 @26 1>0",
            "filled 4/7 @26 1>0",
            "filled 7/4 @26 1>0",
        ],
    );
    // With too few lots even without the breaker it waits, and so it does when they are there, but too far away.
    let mut books = open(Books::new());
    books.tells(&all(bid(7, 30, 3)), &["accepted 7 @30 3>3", "replaced 7 @30 0>3"]);
    books.tells(&ask(8, 27, 1), &["accepted 8 @27 1>1"]);
    books.tells(
        &ask(9, 25, 2),
        &[
            "accepted 9 @25 2>2",
            "trade 7/3 @24 1>2",
            "filled 3/7 @24 1>0",
            "trade 7/9 @25 2>0",
            "filled 9/7 @25 2>0",
            "filled 7/9 @25 2>0",
        ],
    );
    let mut books = open(Books::new());
    let fok = Command { tif: FOK, ..bid(7, 30, 2) };
    books.tells(&fok, &["accepted 7 @30 2>2", "cancelled 7 @30 2>0 not_filled", "phase 2"]);
}

/// Rule 15: a breaker that a stop fires leaves the stops behind it waiting, and sends pegs out.
#[test]
fn what_a_breaker_interrupts_waits() {
    let mut books = Books::new();
    books.each(|book| book.set_breaker(0, Some((5, 1_000))).unwrap());
    books = books.given(&[
        Command { stop: 20, ..bid(1, 30, 1) },
        Command { stop: 20, is_market: 1, ..bid(2, NULL, 1) },
        ask(3, 20, 1),
        ask(4, 26, 3),
        bid(5, 10, 1),
        Command { peg: BEST, ..ask(6, NULL, 1) },
        Command { peg: BEST, ..bid(7, 24, 1) },
    ]);
    books.rests(&[(5, 1, 1), (7, 1, 1), (1, 0, 1), (2, 0, 1), (3, 1, 1), (6, 1, 1), (4, 3, 3)]);
    books.tells(
        &Command { tif: IOC, ..bid(8, 20, 1) },
        &[
            "accepted 8 @20 1>1",
            "trade 8/3 @20 1>0",
            "filled 3/8 @20 1>0",
            "filled 8/3 @20 1>0",
            "triggered 1 @30 1>1",
            "trade 1/6 @20 1>0",
            "filled 6/1 @20 1>0",
            "filled 1/6 @20 1>0",
            "triggered 2 1>1",
            "cancelled 2 1>0 not_filled",
            "phase 2",
            "replaced 7 @24 0>1",
        ],
    );
    let mut books = books.given(&[bid(9, 27, 1), bid(10, 22, 1)]);
    books.advances(1_000, &["phase @26 1", "trade 9/4 @26 1>0", "filled 9/4 @26 1>0", "replaced 7 @22 1>1"]);
    // One that has not come in yet when another one fires does so after the pause.
    let mut books = Books::new();
    books.each(|book| book.set_breaker(0, Some((5, 1_000))).unwrap());
    books = books.given(&[
        Command { stop: 20, ..bid(1, 30, 1) },
        Command { stop: 20, ..bid(2, 30, 1) },
        ask(3, 20, 1),
        ask(4, 26, 3),
    ]);
    books.tells(
        &bid(5, 20, 1),
        &[
            "accepted 5 @20 1>1",
            "trade 5/3 @20 1>0",
            "filled 3/5 @20 1>0",
            "filled 5/3 @20 1>0",
            "triggered 1 @30 1>1",
            "phase 2",
        ],
    );
    books.rests(&[(1, 1, 1), (2, 0, 1), (4, 3, 3)]);
    books.advances(
        1_000,
        &[
            "phase @26 1",
            "trade 1/4 @26 1>0",
            "filled 1/4 @26 1>0",
            "triggered 2 @30 1>1",
            "trade 2/4 @26 1>0",
            "filled 2/4 @26 1>0",
        ],
    );
}

/// Rule 16: a peg fires no breaker: it waits outside where its price is too far, and passes over what it would meet there.
#[test]
fn a_peg_fires_no_breaker() {
    let mut books = Books::new().given(&[ask(1, 20, 1)]);
    books.each(|book| book.set_breaker(0, Some((5, 1_000))).unwrap());
    books = books.given(&[bid(2, 20, 1), bid(3, 10, 1), ask(4, 50, 1)]);
    books.tells(&Command { peg: MID, ..bid(5, NULL, 1) }, &["accepted 5 1>1", "replaced 5 0>1"]);
    books.tells(&Command { peg: MID, ..ask(6, NULL, 1) }, &["accepted 6 1>1", "replaced 6 0>1"]);
    // An ask with a minimum at 12, too far from 20: a peg at 20 passes it over, which then comes to the peg, at 20.
    books = books.given(&[Command { minimum: 2, ..ask(7, 12, 2) }]);
    let peg = Command { op: 3, order: 5, quantity: 2, ..NONE };
    books.tells(&peg, &["replaced 5 0>2"]);
    books.tells(
        &ask(8, 30, 1),
        &["accepted 8 @30 1>1", "replaced 6 @20 1>1", "replaced 5 @20 2>2", "trade 5/6 @20 1>1", "filled 6/5 @20 1>0"],
    );
    books.tells(
        &Command { op: 3, order: 5, quantity: 3, ..NONE },
        &["replaced 5 @20 3>3", "trade 7/5 @20 2>0", "filled 7/5 @20 2>0"],
    );
}

/// What a peg trades first is the reference: where its own price is too far from it, the rest of it goes outside.
#[test]
fn a_peg_whose_first_trade_is_the_reference_fires_no_breaker() {
    let mut books = Books::new();
    books.each(|book| book.set_breaker(0, Some((0, 10))).unwrap());
    books = books.given(&[
        bid(1, 1, 1),
        Command { minimum: 2, ..ask(2, 1, 5) },
        ask(3, 3, 1),
        Command { peg: MID, ..ask(4, NULL, 12) },
    ]);
    books.tells(
        &Command { peg: MID, ..bid(5, NULL, 12) },
        &[
            "accepted 5 12>12",
            "replaced 5 @2 12>12",
            "trade 5/2 @1 5>7",
            "filled 2/5 @1 5>0",
            "replaced 5 0>7",
            "replaced 4 0>12",
        ],
    );
    books.rests(&[(1, 1, 1), (5, 0, 7), (3, 1, 1), (4, 0, 12)]);
}

/// Sessions begin and change where richer orders stand, and schedules run over them.
#[test]
fn a_schedule_runs_over_orders_of_every_kind() {
    let mut books = Books::new().given(&[
        Command { display: 1, ..bid(1, 10, 3) },
        Command { stop: 9, ..ask(2, 8, 1) },
        Command { peg: BEST, ..bid(3, NULL, 1) },
    ]);
    let phases = [(10, Phase::PreOpen), (20, Phase::Continuous), (30, Phase::Halted)];
    books.each(|book| book.set_phases(0, &phases).unwrap());
    books.advances(10, &["phase 2", "replaced 3 0>1"]);
    books.tells(&Command { time: 11, ..ask(4, 9, 2) }, &["accepted 4 @9 2>2"]);
    books.advances(
        40,
        &[
            "phase @10 1",
            "trade 1/4 @10 2>1",
            "filled 4/1 @10 2>0",
            "replaced 1/4 @10 1>1",
            "replaced 3 @10 1>1",
            "phase 0",
        ],
    );
    books.tells(&Command { time: 41, ..ask(5, 9, 2) }, &["rejected 5 @9 2 market_halted"]);
}
