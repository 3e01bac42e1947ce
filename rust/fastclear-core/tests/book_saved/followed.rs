//! A snapshot and the events since are the book, as far as it is shown, and what waits beside it.

use std::collections::BTreeMap;

use fastclear_core::book::{
    Depths, Event, Events, Followed, Kind, NULL, Op, OrderBook, Replica, Rules, SMALL_MAX, Snapshot, Update,
};

use crate::flow::{Command, MARKETS, MID, Mixed, census, command, obey, rules, set_day};

fn followed(book: &OrderBook, events: &Events) -> Vec<Followed> {
    let markets: Vec<i64> = book.market_ids().collect();
    let market = |event: &Event| markets.get(event.market as usize).copied().unwrap_or(NULL);
    events.rows.iter().map(|event| Followed { market: market(event), event: *event }).collect()
}

fn replica_of(book: &mut OrderBook) -> Replica {
    let markets: Vec<i64> = book.market_ids().collect();
    Replica::new(&book.snapshot(None), &markets, book.next_seq()).unwrap()
}

/// Market, side, price, order, open and shown lots.
type Row = (i64, u8, i64, i64, i64, i64);

/// What events tell of orders: those that are shown first to last, and the others by id.
fn public(rows: &Snapshot) -> [Vec<Row>; 2] {
    let row =
        |at: usize| (rows.market[at], rows.side[at], rows.price[at], rows.order[at], rows.quantity[at], rows.shown[at]);
    let (shown, mut others): (Vec<Row>, Vec<Row>) = (0..rows.order.len()).map(row).partition(|row| row.5 > 0);
    others.sort_unstable_by_key(|row| row.3);
    [shown, others]
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

fn take_in(told: &mut Prices, update: &Update) {
    let key = (update.market, update.side, update.price);
    if (update.quantity, update.orders) == (0, 0) {
        told.remove(&key);
    } else {
        told.insert(key, (update.quantity, update.orders));
    }
}

/// Random flows, in calls of some commands each. After every command the levels that were told are those of a book that
/// obeyed that many; after every call all else is.
#[test]
fn a_snapshot_and_the_events_since_are_the_book() {
    let (mut kinds, mut triggered, mut moved) = ([0; 5], 0, 0);
    for seed in 0..500_u64 {
        let mut random = Mixed(seed ^ 0xF0110);
        let rules = rules(&mut random, [0, 3, SMALL_MAX][seed as usize % 3]);
        let mut books = vec![OrderBook::new(rules)];
        if random.one_in(2) {
            books[0].set_gate(MARKETS[0], 50).unwrap();
        }
        let has_days = random.one_in(2);
        let mut nth = 0;
        let before: Vec<Command> = (0..random.within(0, 40))
            .map(|_| {
                nth += 1;
                command(&mut random, nth, &Snapshot::default())
            })
            .collect();
        obey(&mut books[0], &before);
        let (mut replica, mut told) = (replica_of(&mut books[0]), prices(&books[0].depths(usize::MAX)));
        let (first, from_the_start) = (books[0].next_seq(), replica.clone());
        let mut all = Vec::new();
        while nth < 140 {
            if has_days && random.one_in(10) {
                set_day(&mut random, &mut books);
            }
            let rows = books[0].snapshot(None);
            kinds.iter_mut().zip(census(&rows)).for_each(|(sum, more)| *sum += more);
            let commands: Vec<Command> = (0..=random.below(4))
                .map(|_| {
                    nth += 1;
                    command(&mut random, nth, &rows)
                })
                .collect();
            let mut one_by_one = books[0].clone();
            let events = obey(&mut books[0], &commands);
            triggered += events.rows.iter().filter(|event| event.kind == Kind::Triggered).count();
            let list = followed(&books[0], &events);
            let updates = replica.follow(events.first_seq, list.iter().copied()).unwrap();
            moved += updates.len();
            assert!(updates.is_sorted_by_key(|update| update.seq), "seed {seed}");
            let mut updates = updates.iter().peekable();
            for next in commands.chunks(1) {
                obey(&mut one_by_one, next);
                while let Some(update) = updates.next_if(|update| update.seq < one_by_one.next_seq()) {
                    take_in(&mut told, update);
                }
                assert_eq!(told, prices(&one_by_one.depths(usize::MAX)), "seed {seed}: {next:?} of {commands:?}");
            }
            assert!(updates.next().is_none());
            let depths = books[0].depths(usize::MAX);
            assert_eq!(replica.depths(usize::MAX), depths, "seed {seed}");
            assert_eq!(public(&replica.snapshot()), public(&books[0].snapshot(None)), "seed {seed}: {commands:?}");
            assert_eq!((replica.len(), replica.next_seq()), (books[0].len(), books[0].next_seq()));
            let (quotes, of_book) = (replica.quotes(), books[0].quotes());
            for (row, market) in of_book.market.iter().enumerate() {
                let own = quotes.market.iter().position(|id| id == market);
                let best = own.map_or([NULL; 4], |own| {
                    [quotes.price[0][own], quotes.price[1][own], quotes.quantity[0][own], quotes.quantity[1][own]]
                });
                let (price, quantity) = (&of_book.price, &of_book.quantity);
                assert_eq!(best, [price[0][row], price[1][row], quantity[0][row], quantity[1][row]], "seed {seed}");
            }
            all.extend(list);
        }
        // All at once, one by one, some of them twice, and from what the replica itself shows.
        let mut other = from_the_start.clone();
        other.follow(first, all.iter().copied()).unwrap();
        assert_eq!(other.snapshot(), replica.snapshot(), "seed {seed}, at once");
        let mut other = from_the_start;
        for (seq, &event) in (first..).zip(&all) {
            other.follow(seq, std::iter::once(event)).unwrap();
        }
        assert_eq!(other.snapshot(), replica.snapshot(), "seed {seed}, one by one");
        assert_eq!(other.depths(usize::MAX), replica.depths(usize::MAX), "seed {seed}, one by one");
        assert!(other.follow(first, all.iter().copied()).unwrap().is_empty());
        let again = Replica::new(&replica.snapshot(), &[], replica.next_seq()).unwrap();
        assert_eq!(again.snapshot(), replica.snapshot(), "seed {seed}, its own snapshot");
    }
    assert!(kinds.iter().all(|&sum| sum > 1_000), "{kinds:?}");
    assert!(triggered > 300 && moved > 20_000, "{triggered} stops went off, {moved} levels moved");
}

/// Where no pegged order moves and no market is in a call, no bid meets an ask after any event.
#[test]
fn no_price_crosses_between_events() {
    let mut looked = 0;
    for seed in 0..200_u64 {
        let mut random = Mixed(seed ^ 0xC205);
        let rules = rules(&mut random, SMALL_MAX);
        let mut book = OrderBook::new(rules);
        let mut replica = replica_of(&mut book);
        let mut told = Prices::new();
        for nth in (0..120).step_by(4) {
            let rows = book.snapshot(None);
            let commands: Vec<Command> = (nth..nth + 4)
                .map(|nth| command(&mut random, nth, &rows))
                .filter(|next| next.op != Op::Phase)
                .map(|next| Command { peg: 0, offset: NULL, ..next })
                .collect();
            let events = obey(&mut book, &commands);
            let list = followed(&book, &events);
            let updates = replica.follow(events.first_seq, list.into_iter()).unwrap();
            for (at, update) in updates.iter().enumerate() {
                take_in(&mut told, update);
                if updates.get(at + 1).is_some_and(|next| next.seq == update.seq) {
                    continue;
                }
                let side = |side: u8| told.range((update.market, side, i64::MIN)..=(update.market, side, i64::MAX));
                if let (Some((bid, _)), Some((ask, _))) = (side(1).next_back(), side(0).next()) {
                    assert!(bid.2 < ask.2, "seed {seed}: {bid:?} {ask:?} after event {}", update.seq);
                    looked += 1;
                }
            }
        }
    }
    assert!(looked > 3_000, "{looked}");
}

/// An iceberg of which a call leaves something keeps its place and shows more; one that has traded what it showed is last.
#[test]
fn what_a_call_leaves_of_an_iceberg_keeps_its_place() {
    for (counter, first) in [(1, 2), (NULL, 3)] {
        let mut book = OrderBook::new(Rules::default());
        let bid = |id: i64| Command::order(MARKETS[0], id, 1, MID, 1);
        obey(&mut book, &[Command::order(MARKETS[0], 1, 0, MID + 9, 1), bid(2), bid(3)]);
        let mut replica = replica_of(&mut book);
        let trade = Event {
            order: 2,
            counter: 1,
            price: MID as i32,
            quantity: 2,
            remaining: 2,
            command: 0,
            market: 0,
            reject: 0,
            kind: Kind::Trade,
            side: 1,
        };
        let left = Event { kind: Kind::Replaced, counter, quantity: 1, ..trade };
        let list = [trade, left].map(|event| Followed { market: MARKETS[0], event });
        replica.follow(book.next_seq(), list.into_iter()).unwrap();
        let rows = replica.snapshot();
        assert_eq!(rows.order[0], first, "{rows:?}");
        let at = rows.order.iter().position(|&id| id == 2).unwrap();
        assert_eq!((rows.quantity[at], rows.shown[at]), (2, 1));
    }
}

/// Changed events are refused and change nothing, or are those of another book; nothing panics.
#[test]
fn events_that_do_not_fit_change_nothing() {
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..600_u64 {
        let mut random = Mixed(seed ^ 0xBAD);
        let rules = rules(&mut random, 3);
        let mut book = OrderBook::new(rules);
        let first: Vec<Command> = (0..40).map(|nth| command(&mut random, nth, &Snapshot::default())).collect();
        obey(&mut book, &first);
        let mut replica = replica_of(&mut book);
        let (before, depths) = (replica.snapshot(), replica.depths(usize::MAX));
        let rows = book.snapshot(None);
        let more: Vec<Command> = (40..80).map(|nth| command(&mut random, nth, &rows)).collect();
        let events = obey(&mut book, &more);
        let list = followed(&book, &events);
        let mut wrong = list.clone();
        let place = random.below(wrong.len() as u64) as usize;
        let event = &mut wrong[place].event;
        match random.below(6) {
            0 => _ = wrong.remove(place),
            1 => event.order = random.of(&[NULL, 1, 5, i64::MAX]),
            2 => event.quantity = random.of(&[0, 1, u32::MAX]),
            3 => event.remaining = random.of(&[0, 1, u32::MAX]),
            4 => event.kind = random.of(&Kind::ALL),
            _ => event.counter = random.of(&[NULL, 1, 5]),
        }
        if replica.follow(events.first_seq, wrong.into_iter()).is_ok() {
            taken += 1;
        } else {
            refused += 1;
            assert_eq!((replica.snapshot(), replica.depths(usize::MAX)), (before, depths), "seed {seed}");
            replica.follow(events.first_seq, list.into_iter()).unwrap();
            assert_eq!(public(&replica.snapshot()), public(&book.snapshot(None)), "seed {seed}: and it goes on");
        }
    }
    assert!(refused > 200 && taken > 20, "{refused} refused, {taken} taken");
}
