//! One sequence of commands through the twin and through every layout of the book.

use std::collections::BTreeMap;
use std::thread;

use fastclear_core::book::{Call, Events, OrderBook, Phase, Rules, SMALL_MAX, SelfTrade, Want};

use crate::flow::{Columns, Law, Mixed, changed, command, phased, resting, set_day, set_gates, told};
use crate::followed::Followed;
use crate::invariants::{check_call, check_quotes};
use crate::twin::{Command, Rests, Told, Twin};

/// What a sequence is made of beside plain orders.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Icebergs, stops, minimums, orders that slide, pegs.
    pub rich: [bool; 5],
    /// Phases, schedules, collars and breakers.
    pub has_days: bool,
}

/// How often each kind of event was there with each reason.
pub type Counts = BTreeMap<(&'static str, &'static str), u64>;

/// Books of every layout, beside the twin of them.
struct Run {
    seed: u64,
    twin: Twin,
    books: Vec<OrderBook>,
    followed: Followed,
    next_seq: u64,
}

/// Compares one sequence, and counts what it showed.
pub fn compare(seed: u64, length: i64, flow: Flow, counts: &mut Counts) {
    let mut random = Mixed(seed);
    let mut law = Law { rich: flow.rich, ..Law::draw(&mut random) };
    if length > 200 {
        (law.markets, law.passive, law.hostile) = (1, 97, 1 << 40);
    }
    if flow.has_days {
        law.markets = law.markets.min(3);
        if flow.rich.contains(&true) && !random.one_in(4) {
            law.draw_close(&mut random);
        }
    }
    let mut run = Run::new(seed, &mut random);
    let has_participants = run.twin.has_participants;
    if random.one_in(3) {
        set_gates(&mut random, &law, &mut run.twin, &mut run.books);
    }
    if flow.has_days {
        set_day(&mut random, &law, None, &mut run.twin, &mut run.books);
    }
    let before = run.books.clone();
    let (mut commands, mut is_one_call) = (Vec::new(), true);
    for nth in 0..length {
        let mut next = command(&mut random, &law, nth, &run.twin.orders);
        if flow.has_days {
            next = phased(&mut random, &law, next);
            is_one_call &= !changed(&mut random, &law, &mut run.twin, &mut run.books);
        }
        if !has_participants {
            next.participant = None;
        }
        if next.op == 3 && run.twin.erases && length > 200 {
            next.op = 1;
        }
        run.obey(nth, &next, counts);
        commands.push(next);
    }
    if is_one_call {
        run.check_one_call(before, &commands);
    }
}

impl Run {
    fn new(seed: u64, random: &mut Mixed) -> Self {
        let self_trade = random.of(&SelfTrade::ALL);
        let erase_after_trade = random.one_in(12);
        let twin = Twin {
            self_trade: self_trade.name(),
            erases: erase_after_trade,
            has_participants: !random.one_in(6),
            ..Twin::default()
        };
        let new_book = |small_max| OrderBook::new(Rules { self_trade, erase_after_trade, small_max });
        let books = [0, 3, SMALL_MAX].map(new_book).into();
        Self { seed, twin, books, followed: Followed::default(), next_seq: 0 }
    }

    /// Lets the twin and every book obey a command: events, all that rests, phases and indicative prices are the same.
    fn obey(&mut self, nth: i64, next: &Command, counts: &mut Counts) {
        let (seed, looked_at) = (self.seed, nth as usize % 3);
        let ends_call = (next.op == 7 && next.phase == 1).then(|| self.books[0].clone());
        let from = self.twin.told.len();
        self.twin.obey(0, next);
        let expected = &self.twin.told[from..];
        let rests: Vec<Rests> = self.twin.snapshot().iter().map(Rests::told).collect();
        let columns = Columns::of(std::slice::from_ref(next), self.twin.has_participants);
        for (place, book) in self.books.iter_mut().enumerate() {
            let events = book.apply(&columns.commands(), Want::Events).unwrap();
            assert_eq!(told(book, &events), expected, "seed {seed}, command {nth}, layout {place}: {next:?}");
            assert_eq!(resting(book), rests, "seed {seed}, command {nth}, layout {place}: {next:?}");
            assert_eq!(events.first_seq, self.next_seq, "numbers are dense");
            if place == 0 {
                expected.iter().zip(&events.rows).for_each(|(told, raw)| self.followed.follow(told, raw));
            }
        }
        self.next_seq += expected.len() as u64;
        count(expected, counts);
        let book = &mut self.books[looked_at];
        check_sessions(&self.twin, book);
        check_quotes(book, &rests);
        if let Some(before) = ends_call {
            check_call(before, next, expected, counts);
        }
        self.followed.check(&rests);
    }

    /// The same commands in one call, and only the trades of them.
    fn check_one_call(&mut self, before: Vec<OrderBook>, commands: &[Command]) {
        let columns = Columns::of(commands, self.twin.has_participants);
        for (place, mut one) in before.into_iter().enumerate() {
            let (seed, mut other) = (self.seed, one.clone());
            let events: Events = one.apply(&columns.commands(), Want::Events).unwrap();
            let mut at_once: Vec<Told> = told(&one, &events);
            assert!(at_once.windows(2).all(|pair| pair[0].command <= pair[1].command));
            for told in &mut at_once {
                told.command = Some(0);
            }
            assert_eq!(at_once, self.twin.told, "seed {seed}, layout {place}, in one call");
            assert_eq!(resting(&mut one), resting(&mut self.books[place]), "seed {seed}, layout {place}, in one call");
            let trades = other.apply(&columns.commands(), Want::Trades).unwrap();
            assert!(trades.rows.iter().eq(events.trades()), "seed {seed}, layout {place}, trades alone");
            assert_eq!((trades.count, other.next_seq()), (events.count, one.next_seq()));
            assert_eq!(resting(&mut other), resting(&mut one), "seed {seed}, layout {place}, trades alone");
        }
    }
}

/// Counts kinds of events with their reasons, and what the events of one command say together.
fn count(events: &[Told], counts: &mut Counts) {
    let mut add = |kind, reason| *counts.entry((kind, reason)).or_default() += 1;
    for (nth, told) in events.iter().enumerate() {
        add(told.kind, told.reject);
        let before = &events[..nth];
        let fires = told.kind == "phase" && told.quantity == 2 && before.iter().any(|other| other.kind == "accepted");
        let goes_off = |other: &Told| other.kind == "triggered" && other.market == told.market;
        match told.kind {
            "phase" if fires && before.iter().any(goes_off) => add("breaker", "a stop fires it"),
            "phase" if fires => add("breaker", "an order fires it"),
            "replaced" if told.counter.is_some() => add("call", "an iceberg is left"),
            "triggered" if before.iter().rposition(goes_off).is_some_and(|at| has_trade(&before[at..])) => {
                add("triggered", "behind a stop that traded");
            }
            "triggered" if before.iter().any(|other| other.kind == "phase") => add("triggered", "behind a call"),
            "replaced" if told.quantity == 0 && before.last().is_some_and(|other| other.kind == "phase") => {
                add("call", "a peg leaves");
            }
            _ => {}
        }
    }
}

fn has_trade(events: &[Told]) -> bool {
    events.iter().any(|event| event.kind == "trade")
}

/// Every market is in the twin's phase, with its indicative price.
fn check_sessions(twin: &Twin, book: &mut OrderBook) {
    for (&id, market) in &twin.markets {
        let phase = match market {
            _ if market.is_closed => None,
            _ if market.is_halted => Some(Phase::Halted),
            _ if market.in_call => Some(Phase::PreOpen),
            _ => Some(Phase::Continuous),
        };
        assert_eq!(book.phase(id), phase);
        let call = |(price, volume, imbalance)| Call { price, volume: volume as u64, imbalance };
        let called = twin.call(id).map(call);
        assert_eq!(book.indicative(id), called);
        assert!(market.in_call || called.is_none(), "a market that trades is not crossed");
    }
}

/// Compares so many sequences in two threads, each with the flow that is drawn for its number.
pub fn compare_all(sequences: u64, flow_of: impl Fn(u64) -> (u64, i64, Flow) + Sync) -> Counts {
    const THREADS: u64 = 2;
    let flow_of = &flow_of;
    let share = |thread: u64| {
        let mut counts = Counts::new();
        for number in (thread..sequences).step_by(THREADS as usize) {
            let (seed, length, flow) = flow_of(number);
            compare(seed, length, flow, &mut counts);
        }
        counts
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || share(thread))).collect();
        let mut all = Counts::new();
        for thread in threads {
            let counts = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            for (shown, count) in counts {
                *all.entry(shown).or_default() += count;
            }
        }
        all
    })
}
