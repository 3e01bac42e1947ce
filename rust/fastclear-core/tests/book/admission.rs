//! Who may stop an order at the door: asked last, told everything.

use std::collections::HashMap;

use fastclear_core::book::{Admission, Event, Kind, OrderBook, Request, Rules, Want};
use fastclear_core::reject::RejectReason;

use crate::flow::{Columns, Law, Mixed, command, resting, told};
use crate::twin::Command;

/// Lets a participant have so many lots open, of which it is told by events alone.
#[derive(Default)]
struct Limit {
    most: i64,
    owner: HashMap<i64, i64>,
    open: HashMap<i64, i64>,
    asked: Vec<Request>,
    seen: Vec<Event>,
}

impl Limit {
    fn held(&self, participant: i64) -> i64 {
        self.open.iter().filter(|(order, _)| self.owner[order] == participant).map(|(_, lots)| lots).sum()
    }
}

impl Admission for Limit {
    fn admit(&mut self, request: &Request) -> Result<(), RejectReason> {
        self.asked.push(*request);
        let replaced = request.replaces.map_or(0, |(_, lots)| lots);
        if self.held(request.participant) - replaced + request.quantity > self.most {
            return Err(RejectReason::CreditExceeded);
        }
        self.owner.insert(request.order, request.participant);
        Ok(())
    }

    fn seen(&mut self, event: &Event) {
        self.seen.push(*event);
        match event.kind {
            Kind::Accepted | Kind::Replaced | Kind::Cancelled | Kind::Expired | Kind::Filled => {
                self.open.insert(event.order, i64::from(event.remaining));
            }
            Kind::Trade => {
                self.open.insert(event.order, i64::from(event.remaining));
                *self.open.get_mut(&event.counter).unwrap() -= i64::from(event.quantity);
            }
            _ => {}
        }
    }
}

#[test]
fn a_limit_on_open_lots_holds_after_every_command() {
    let mut refused = 0;
    for seed in 0..300 {
        let mut random = Mixed(seed ^ 0xAD_0000);
        let law = Law { hostile: 1 << 40, ..Law::draw(&mut random) };
        for want in [Want::Events, Want::Trades] {
            let mut book = OrderBook::new(Rules::default());
            let mut limit = Limit { most: 12, ..Limit::default() };
            for nth in 0..60 {
                let next = command(&mut random, &law, nth, &resting(&mut book));
                let columns = Columns::of(&[next], true);
                let before = (resting(&mut book), limit.seen.len());
                let events = book.apply_admitted(&columns.commands(), want, &mut limit).unwrap();
                assert_eq!(limit.seen.len() - before.1, events.count as usize, "every event is told");
                if want == Want::Events {
                    assert_eq!(limit.seen[before.1..], events.rows);
                    if told(&book, &events).iter().any(|event| event.reject == "credit_exceeded") {
                        refused += 1;
                        if events.count == 1 {
                            assert_eq!(resting(&mut book), before.0, "a refused order changes nothing");
                        }
                    }
                }
                let rests = resting(&mut book);
                for row in &rests {
                    assert_eq!(limit.open[&row.order], row.open, "events tell what is open");
                    assert!(limit.held(row.participant.unwrap()) <= 12);
                }
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

/// What the book would refuse by itself is never asked about.
#[test]
fn only_what_would_be_taken_is_asked_about() {
    let order = |id: i64, quantity: i64| Command {
        order: Some(id),
        participant: Some(4),
        side: 1,
        price: Some(7),
        quantity: Some(quantity),
        ..Command::default()
    };
    let replace = |price: i64| Command { op: 3, side: 255, price: Some(price), quantity: None, ..order(1, 1) };
    let rows = [order(1, 5), order(1, 5), order(2, 0), order(3, 5), replace(1 << 40), replace(8)];
    let mut book = OrderBook::new(Rules::default());
    let mut limit = Limit { most: 9, ..Limit::default() };
    let columns = Columns::of(&rows, true);
    let events = book.apply_admitted(&columns.commands(), Want::Events, &mut limit).unwrap();
    let reasons: Vec<_> = told(&book, &events).iter().map(|event| event.reject).collect();
    assert_eq!(reasons, ["", "duplicate_order", "quantity_out_of_range", "credit_exceeded", "price_out_of_range", ""]);
    let one = |order, price, quantity, replaces| Request {
        market: 0,
        order,
        participant: 4,
        side: 1,
        price: Some(price),
        quantity,
        replaces,
    };
    assert_eq!(limit.asked, [one(1, 7, 5, None), one(3, 7, 5, None), one(1, 8, 5, Some((7, 5)))]);
}
