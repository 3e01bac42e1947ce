//! With nobody at the door, and while nothing ends of itself, many rows go at once.

use fastclear_core::book::{
    Admission, Commands, Event, NO_GATE, OrderBook, Request, Rules, SMALL_MAX, SelfTrade, Want,
};
use fastclear_core::reject::RejectReason;

use crate::flow::{Columns, Law, Mixed, command, resting};
use crate::twin::Rests;

/// Lets everybody in, and has to be asked: rows then go one by one.
struct InTurn;

impl Admission for InTurn {
    fn admit(&mut self, _: &Request) -> Result<(), RejectReason> {
        Ok(())
    }

    fn seen(&mut self, _: &Event) {}
}

/// Nothing is different from rows that go one by one.
#[test]
fn rows_that_go_at_once_do_what_they_do_one_by_one() {
    let mut rested = 0;
    for seed in 0..150 {
        let mut random = Mixed(seed ^ 0x57A1_6000);
        let mut law = Law::draw(&mut random);
        law.markets = random.of(&[1, 1, 2]);
        law.passive = random.of(&[40, 95, 99, 100]);
        law.participants = random.of(&[5, 50, 1000]);
        let has_participants = !random.one_in(3);
        let gate = random.of(&[NO_GATE, 300]);
        let rules = Rules { self_trade: random.of(&SelfTrade::ALL), erase_after_trade: false, small_max: SMALL_MAX };
        let mut named: Vec<Rests> = Vec::new();
        let mut commands = Vec::new();
        for nth in 0..700 {
            let mut next = command(&mut random, &law, nth, &named);
            if !random.one_in(8) {
                // Most rows are plain ones of few prices.
                (next.tif, next.expires, next.is_market_order, next.flags) = (next.tif & 1, None, 0, 0);
                next.time = next.time.or(Some(nth));
                next.participant = next.participant.map(|id| id % 1000);
                next.op = [0, 1, 1, 3][usize::from(next.op % 4)];
            }
            if matches!(next.op, 1 | 3) {
                next.participant = match random.below(8) {
                    0..4 => None,
                    4 => Some(random.below(law.participants) as i64),
                    _ => next.participant,
                };
            }
            if next.op == 0
                && let Some(order) = next.order
            {
                let (price, quantity) = (next.price.unwrap_or(0), next.quantity.unwrap_or(1));
                named.push(Rests {
                    market: next.market.unwrap_or(0),
                    order,
                    participant: next.participant,
                    buys: next.side == 1,
                    price,
                    open: quantity,
                    ..Rests::default()
                });
            }
            commands.push(next);
        }
        let columns = Columns::of(&commands, has_participants);
        let timed = columns.commands();
        let bare = Commands { time: None, ..timed };
        for (small_max, want, all) in [
            (0, Want::Events, bare),
            (0, Want::Events, timed),
            (0, Want::Trades, bare),
            (3, Want::Events, timed),
            (SMALL_MAX, Want::Events, bare),
        ] {
            let new_book = || {
                let mut book = OrderBook::new(Rules { small_max, ..rules });
                book.set_gate(0, gate).unwrap();
                book
            };
            let (mut one, mut other) = (new_book(), new_book());
            let at_once = one.apply(&all, want).unwrap();
            let one_by_one = other.apply_admitted(&all, want, &mut InTurn).unwrap();
            assert_eq!(at_once, one_by_one, "seed {seed}, {small_max} {want:?}");
            assert_eq!(resting(&mut one), resting(&mut other), "seed {seed}, {small_max} {want:?}");
            assert_eq!(one.clock(), other.clock(), "seed {seed}, {small_max} {want:?}");
            // Without an order column the book gives the ids, and without a market all is of one.
            let bare = Commands { order: None, market: None, ..all };
            let at_once = one.apply(&bare, want).unwrap();
            let one_by_one = other.apply_admitted(&bare, want, &mut InTurn).unwrap();
            assert_eq!(at_once, one_by_one, "seed {seed}, {small_max} {want:?}, bare");
            assert_eq!(resting(&mut one), resting(&mut other), "seed {seed}, {small_max} {want:?}, bare");
            rested += one.len();
        }
    }
    assert!(rested > 30_000, "{rested}");
}
