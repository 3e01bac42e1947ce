//! The twin's commands as columns, and what the book says of them in the twin's words.

use fastclear_core::book::{Commands, Event, Events, NO_PRICE, NO_SIDE, NOWHERE, NULL, OrderBook};
use fastclear_core::order::Integers;
use fastclear_core::reject::RejectReason;

use crate::twin::{Command, Rests, Told};

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
    display: Vec<i64>,
    min_quantity: Vec<i64>,
    stop: Vec<i64>,
    peg: Vec<u8>,
    offset: Vec<i64>,
    phase: Vec<u8>,
    time: Vec<i64>,
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
            display: wide(|row| row.display),
            min_quantity: wide(|row| row.min_quantity),
            stop: wide(|row| row.stop),
            peg: byte(|row| row.peg),
            offset: wide(|row| row.offset),
            phase: byte(|row| row.phase),
            time: wide(|row| row.time),
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
            phase: Some(&self.phase),
            time: Some(&self.time),
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
        reject: if event.reject == 0 { "" } else { reason(event.reject) },
        side: (event.side != NO_SIDE).then_some(event.side == 1),
    };
    assert_eq!(events.count, events.rows.len() as u64, "every event is kept, so that numbers are dense");
    events.rows.iter().map(one).collect()
}

/// What rests in the twin's words, as [`Rests::told`].
pub fn resting(book: &mut OrderBook) -> Vec<Rests> {
    let rows = book.snapshot(None);
    let some = |cell: i64| Some(cell).filter(|&cell| cell != NULL);
    (0..rows.order.len())
        .map(|row| Rests {
            market: rows.market[row],
            order: rows.order[row],
            participant: some(rows.participant[row]),
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
