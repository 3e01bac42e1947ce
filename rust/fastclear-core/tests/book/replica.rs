//! A snapshot and the events since are the book.

use std::collections::BTreeMap;

use fastclear_core::book::{
    Depths, Event, Events, Followed, Kind, NO_PRICE, NULL, OrderBook, Replica, ReplicaError, Rules, SMALL_MAX,
    SelfTrade, Snapshot, Update, Want,
};

use crate::flow::{Columns, Law, Mixed, command, resting};
use crate::saved::{phased, set_day};
use crate::twin::Command;

fn followed(book: &OrderBook, events: &Events) -> Vec<Followed> {
    let markets: Vec<i64> = book.market_ids().collect();
    let one =
        |event: &Event| Followed { market: markets.get(event.market as usize).copied().unwrap_or(NULL), event: *event };
    events.rows.iter().map(one).collect()
}

fn replica_of(book: &mut OrderBook) -> Replica {
    let markets: Vec<i64> = book.market_ids().collect();
    Replica::new(&book.snapshot(None), &markets, book.next_seq()).unwrap()
}

/// A snapshot without what events do not tell.
fn public(mut rows: Snapshot) -> Snapshot {
    rows.participant.fill(NULL);
    rows.expires.fill(NULL);
    rows.tif.fill(0); // a good-till-time order looks like one without an end
    rows
}

type Prices = BTreeMap<(i64, u8, i64), (u64, u64)>;

fn prices(depths: &Depths) -> Prices {
    (0..depths.market.len())
        .map(|row| {
            let key = (depths.market[row], depths.side[row], depths.price[row]);
            (key, (depths.quantity[row] as u64, depths.orders[row] as u64))
        })
        .collect()
}

/// Takes in updates, number by number; but in calls, best bids are below best asks between any two.
fn update(prices: &mut Prices, updates: &[Update], may_cross: bool) {
    for (place, update) in updates.iter().enumerate() {
        let key = (update.market, update.side, update.price);
        if update.quantity == 0 && update.orders == 0 {
            prices.remove(&key);
        } else {
            prices.insert(key, (update.quantity, update.orders));
        }
        if may_cross || updates.get(place + 1).is_some_and(|next| next.seq == update.seq) {
            continue;
        }
        let side = |side: u8| prices.range((update.market, side, i64::MIN)..=(update.market, side, i64::MAX));
        let (bid, ask) = (side(1).next_back(), side(0).next());
        if let (Some((bid, _)), Some((ask, _))) = (bid, ask) {
            assert!(bid.2 < ask.2, "{bid:?} {ask:?} after event {}", update.seq);
        }
    }
}

/// Random flows, in calls of some commands each, against the live book after every call.
#[test]
fn a_snapshot_and_the_events_since_are_the_book() {
    let mut moved = 0;
    for seed in 0..400_u64 {
        let mut random = Mixed(seed ^ 0xF011);
        let law = Law::draw(&mut random);
        let rules = Rules {
            self_trade: random.of(&SelfTrade::ALL),
            erase_after_trade: random.one_in(8),
            small_max: random.of(&[0, 3, SMALL_MAX]),
        };
        let mut book = OrderBook::new(rules);
        if random.one_in(2) {
            book.set_gate(0, 30).unwrap();
        }
        let has_days = random.one_in(2);
        for market in 0..if has_days { law.markets as i64 } else { 0 } {
            set_day(&mut random, &law, market * 1_000_000_007, 0, &mut book);
        }
        let (mut replica, mut told) = (replica_of(&mut book), Prices::new());
        let from_the_start = replica.clone();
        let (mut all, mut nth) = (Vec::new(), 0);
        while nth < 150 {
            let commands: Vec<Command> = (0..=random.below(4))
                .map(|_| {
                    nth += 1;
                    if has_days {
                        phased(&mut random, &law, nth, &mut book)
                    } else {
                        command(&mut random, &law, nth, &resting(&mut book))
                    }
                })
                .collect();
            let events = book.apply(&Columns::of(&commands, true).commands(), Want::Events).unwrap();
            let list = followed(&book, &events);
            let updates = replica.follow(events.first_seq, list.iter().copied()).unwrap();
            moved += updates.len();
            update(&mut told, &updates, has_days);
            let depths = book.depths(usize::MAX);
            assert_eq!(prices(&depths), told, "seed {seed}: updates of levels");
            assert_eq!(replica.depths(usize::MAX), depths, "seed {seed}");
            assert_eq!(replica.depths(2), book.depths(2), "seed {seed}");
            assert_eq!(replica.snapshot(), public(book.snapshot(None)), "seed {seed}: {commands:?}");
            assert_eq!((replica.len(), replica.next_seq()), (book.len(), book.next_seq()));
            let named: Vec<i64> = replica.quotes().market;
            let mut quotes = book.quotes();
            if quotes.market.len() != named.len() {
                // A market that was only ever named by what was refused is in no event.
                let keep: Vec<bool> = quotes.market.iter().map(|market| named.contains(market)).collect();
                let kept =
                    |column: &[i64]| column.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(&v, _)| v).collect();
                let only = |pair: [Vec<i64>; 2]| pair.map(|column| kept(&column));
                assert!(quotes.market.iter().zip(&keep).all(|(&id, &keep)| keep || book.best(id, 0).is_none()));
                quotes.market = kept(&quotes.market);
                quotes.price = only(quotes.price);
                quotes.quantity = only(quotes.quantity);
            }
            assert_eq!(replica.quotes(), quotes, "seed {seed}");
            all.extend(list);
        }
        // All at once, one by one, and with some of them twice.
        let mut other = from_the_start.clone();
        other.follow(0, all.iter().copied()).unwrap();
        assert_eq!(other.snapshot(), replica.snapshot(), "seed {seed}, at once");
        let mut other = from_the_start;
        for (seq, &event) in all.iter().enumerate() {
            other.follow(seq as u64, std::iter::once(event)).unwrap();
        }
        assert_eq!(other.snapshot(), replica.snapshot(), "seed {seed}, one by one");
        assert_eq!(other.depths(usize::MAX), replica.depths(usize::MAX), "seed {seed}, one by one");
        let before = other.clone();
        let again = all.len() / 2;
        assert!(other.follow(again as u64, all[again..].iter().copied()).unwrap().is_empty());
        assert_eq!(other.snapshot(), before.snapshot());
    }
    assert!(moved > 20_000, "{moved}");
}

/// Changed, missing and repeated events are refused and change nothing, or are those of another book; nothing panics.
#[test]
fn events_that_do_not_fit_change_nothing() {
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..300_u64 {
        let mut random = Mixed(seed ^ 0xBAD);
        let law = Law {
            markets: 2,
            participants: 2,
            mid: 10,
            width: 4,
            step: 1,
            passive: 50,
            hostile: 1 << 40,
            ids: [1, 0],
            rich: [false; 5],
        };
        let mut book = OrderBook::new(Rules::default());
        let commands: Vec<Command> = (0..30).map(|nth| command(&mut random, &law, nth, &[])).collect();
        book.apply(&Columns::of(&commands, true).commands(), Want::Events).unwrap();
        let mut replica = replica_of(&mut book);
        let (before, depths) = (replica.snapshot(), replica.depths(usize::MAX));
        let rows = resting(&mut book);
        let more: Vec<Command> = (30..60).map(|nth| command(&mut random, &law, nth, &rows)).collect();
        let events = book.apply(&Columns::of(&more, true).commands(), Want::Events).unwrap();
        let list = followed(&book, &events);
        let first = events.first_seq;
        let gap = replica.follow(first + 3, list[3..].iter().copied());
        assert_eq!(gap, Err(ReplicaError::Gap { first, last: first + 2 }));
        assert!(gap.unwrap_err().to_string().contains(&format!("events {first} to {} are missing", first + 2)));
        let mut wrong = list.clone();
        let place = random.below(wrong.len() as u64) as usize;
        match random.below(9) {
            0 => _ = wrong.remove(place),
            1 => wrong.insert(place, wrong[place]),
            2 => wrong[place].event.order = random.of(&[NULL, 1, 5, i64::MAX]),
            3 => wrong[place].event.counter = random.of(&[NULL, 1, 5]),
            4 => wrong[place].event.quantity = random.of(&[0, 1, u32::MAX]),
            5 => wrong[place].event.remaining = random.of(&[0, 1, u32::MAX]),
            6 => wrong[place].event.kind = random.of(&Kind::ALL),
            7 => (wrong[place].event.price, wrong[place].event.side) = (NO_PRICE, 255),
            _ => wrong[place].market = random.of(&[NULL, 77, 0]),
        }
        match replica.follow(first, wrong.into_iter()) {
            Ok(_) => taken += 1,
            Err(error) => {
                refused += 1;
                assert!(matches!(error, ReplicaError::Event { seq, .. } if seq >= first), "{error}");
                assert_eq!((replica.snapshot(), replica.depths(usize::MAX)), (before, depths), "seed {seed}: {error}");
                assert_eq!(replica.next_seq(), first);
                replica.follow(first, list.into_iter()).unwrap();
                assert_eq!(replica.snapshot(), public(book.snapshot(None)), "seed {seed}: and it goes on");
            }
        }
    }
    assert!(refused > 100 && taken > 5, "{refused} refused, {taken} taken");
}

/// Rows that cannot rest are named.
#[test]
fn a_snapshot_that_is_none_is_refused() {
    let rows = Snapshot {
        market: vec![0, 0],
        order: vec![1, 2],
        participant: vec![NULL; 2],
        side: vec![1, 0],
        price: vec![5, 6],
        quantity: vec![1, 1],
        expires: vec![NULL; 2],
        shown: vec![1, 1],
        display: vec![NULL; 2],
        min_quantity: vec![NULL; 2],
        stop: vec![NULL; 2],
        peg: vec![0; 2],
        offset: vec![NULL; 2],
        limit: vec![NULL; 2],
        tif: vec![0; 2],
        is_market_order: vec![0; 2],
    };
    assert_eq!(Replica::new(&rows, &[], 0).unwrap().snapshot(), rows);
    for edit in [
        |rows: &mut Snapshot| rows.order[1] = 1,
        |rows: &mut Snapshot| rows.order[1] = NULL,
        |rows: &mut Snapshot| rows.market[1] = NULL,
        |rows: &mut Snapshot| rows.side[1] = 2,
        |rows: &mut Snapshot| rows.price[1] = i64::MAX,
        |rows: &mut Snapshot| rows.quantity[1] = 0,
    ] {
        let mut wrong = rows.clone();
        edit(&mut wrong);
        assert!(matches!(Replica::new(&wrong, &[], 0), Err(ReplicaError::Row { row: 1, .. })));
    }
}
