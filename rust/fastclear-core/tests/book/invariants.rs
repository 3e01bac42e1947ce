//! What holds of every book after every command, whatever it was told.

use fastclear_core::book::{Everybody, OrderBook, Phase};

use crate::compare::Counts;
use crate::flow::resting;
use crate::twin::{Command, Rests, Told};

/// One order an id, none without lots; best prices and depth are those of the orders that rest.
pub fn check_quotes(book: &mut OrderBook, rests: &[Rests]) {
    let mut ids: Vec<i64> = rests.iter().map(|row| row.order).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), rests.len(), "one order an id");
    assert_eq!(book.len(), rests.len());
    assert!(rests.iter().all(|row| row.open > 0), "no order rests without lots");
    for rows in rests.chunk_by(|one, other| one.market == other.market) {
        let market = rows[0].market;
        let (bid, ask) = (book.best(market, 1), book.best(market, 0));
        if let (Some(bid), Some(ask)) = (bid, ask) {
            assert!(bid.price < ask.price || may_cross(book, market), "{bid:?} {ask:?}");
        }
        for buys in [false, true] {
            let side = || rows.iter().filter(|row| row.buys == buys && row.shown > 0);
            let depth = book.depth(market, u8::from(buys), usize::MAX);
            let mut levels: Vec<(i64, u64, u64)> = Vec::new();
            for row in side() {
                match levels.last_mut().filter(|level| level.0 == row.price) {
                    Some(level) => *level = (row.price, level.1 + row.shown as u64, level.2 + 1),
                    None => levels.push((row.price, row.shown as u64, 1)),
                }
            }
            assert!(depth.iter().map(|level| (level.price, level.quantity, level.orders)).eq(levels));
            assert!(depth.windows(2).all(|pair| (pair[0].price > pair[1].price) == buys));
            assert_eq!(depth.first(), [ask, bid][usize::from(buys)].as_ref());
            assert_eq!(book.depth(market, u8::from(buys), 2), depth[..depth.len().min(2)]);
        }
    }
}

/// Bids may be above asks in a call, and in a market that was halted in one.
fn may_cross(book: &OrderBook, market: i64) -> bool {
    matches!(book.phase(market), Some(Phase::PreOpen | Phase::Halted))
}

/// A call that a command ends trades at the price that was indicated, and at one price alone.
pub fn check_call(mut before: OrderBook, command: &Command, told: &[Told], counts: &mut Counts) {
    let (Some(market), Some(time)) = (command.market, command.time) else { return };
    before.advance(time, &mut Everybody);
    if before.phase(market) != Some(Phase::PreOpen) {
        return;
    }
    let indicated = before.indicative(market);
    let beside: Vec<i64> = resting(&mut before).iter().filter(|row| row.shown == 0).map(|row| row.order).collect();
    let call = told.iter().rposition(|event| event.kind == "phase" && event.quantity == 1).unwrap();
    assert_eq!(told[call].price, indicated.map(|call| call.price));
    // Behind it comes what the call set off, and what waited for its end.
    let is_of_call = |event: &&Told| {
        let is_beside = |id: Option<i64>| id.is_some_and(|id| beside.contains(&id));
        event.counter.is_some() && !is_beside(event.order) && !is_beside(event.counter)
    };
    let (mut lots, mut cancelled) = (0, 0);
    for event in told[call + 1..].iter().take_while(is_of_call) {
        if event.kind == "trade" {
            assert_eq!((event.price, event.side), (told[call].price, Some(true)));
            lots += event.quantity;
        } else if event.kind == "cancelled" {
            cancelled += event.quantity;
        }
    }
    assert_eq!((lots + cancelled / 2) as u64, indicated.map_or(0, |call| call.volume));
    *counts.entry(("call", if lots > 0 { "trades" } else { "nothing" })).or_default() += 1;
}
