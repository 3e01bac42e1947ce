//! Rows of a call dealt to shards of the markets, which several threads obey at the same time.
//!
//! A shard is a range of small markets (`small.rs`): it owns the memory in which they are kept for as long as rows are
//! obeyed, so that nothing is locked and nothing is waited for. Which shard a row belongs to is found out beforehand
//! (`route.rs`); what a shard does is in `shard.rs`; what all shards told is put in the order of commands (`gather.rs`).
//! Rows of one market stay in their order. Rows of two markets that come one after the other may change places, since
//! neither can see what the other one does.
//!
//! Whatever the shards have no answer for (a ladder, a richer order, a replacement, a halt) is obeyed after them by the book
//! itself, together with all that comes later for the same market. A row that more than one market may depend on ends the
//! piece: the clock comes to something that is due, an id may be another order's. The book obeys that row, and as many
//! after it as it takes to try again with little to lose.

use super::command::{Commands, NULL};
use super::desk::Leaving;
use super::engine::OrderBook;
use super::event::Events;
use super::gather::gather;
use super::obey::{Given, Turn};
use super::piece::{Late, Piece};
use super::rules::Admission;
use super::shard::{NO_PLACE, Obeyed, Shard};
use super::store::Kept;
use crate::batch::threads::at_once;

/// On how many threads a book may work. No result depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// Most threads, at least 1.
    pub most: usize,
    /// Rows that a call must have at least for its rows to be dealt.
    pub least_rows: usize,
}

impl Threads {
    /// At most so many threads.
    pub fn most(most: usize) -> Self {
        Self { most: most.max(1), ..Self::default() }
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self { most: 1, least_rows: 1 << 13 }
    }
}

/// Most rows that are dealt at a time: what is known of each while it is under way has a bound.
const PIECE: usize = 1 << 20;

impl OrderBook {
    /// Sets on how many threads it may work.
    pub fn set_threads(&mut self, threads: Threads) {
        self.threads = Threads { most: threads.most.max(1), ..threads };
    }

    /// On how many threads it may work.
    pub fn threads(&self) -> Threads {
        self.threads
    }

    /// Whether rows of a call are worth dealing, which depends on nothing that a result shows.
    fn is_worth_dealing(&self, rows: usize) -> bool {
        let Threads { most, least_rows } = self.threads;
        most > 1 && rows >= least_rows && self.store.smalls.len() * 8 >= least_rows
    }

    /// Obeys commands, those that can be dealt by shards.
    pub(super) fn run_dealt<A: Admission, const ALL: bool>(
        &mut self,
        commands: &Commands<'_>,
        admission: &mut A,
        events: &mut Events,
    ) {
        let may_deal = !A::HAS_A_WORD
            && commands.market.is_some()
            && !self.rules.erase_after_trade
            && commands.rows >= self.threads.least_rows;
        let mut from = 0;
        let mut alone = self.threads.least_rows.max(1);
        while may_deal && from < commands.rows {
            let rows = (commands.rows - from).min(PIECE);
            // A breaker that fires makes something that will be due, and nobody can say in advance when.
            let has_clock = self.specials > 0 && commands.time.is_some();
            let is_worth = !has_clock && self.is_worth_dealing(rows);
            if is_worth && self.is_promising(commands, &(from..from + rows)) {
                let end = self.obey_piece::<A, ALL>(commands, from, from + rows, admission, events);
                if end == from + rows {
                    from = end;
                    continue;
                }
                alone = if end - from > 4 * alone { self.threads.least_rows.max(1) } else { alone * 2 };
                from = end;
            }
            let to = commands.rows.min(from + alone);
            self.run_rows::<A, ALL>(&Commands { rows: to, ..*commands }, from, admission, events);
            from = to;
        }
        self.run_rows::<A, ALL>(commands, from, admission, events);
    }

    /// Deals rows and obeys them; gives the first that was not dealt.
    fn obey_piece<A: Admission, const ALL: bool>(
        &mut self,
        commands: &Commands<'_>,
        from: usize,
        to: usize,
        admission: &mut A,
        events: &mut Events,
    ) -> usize {
        let mut piece = std::mem::take(&mut self.piece);
        self.route(commands, from, to, &mut piece);
        let obeyed = self.obey_shards::<ALL>(&piece);
        self.know(&piece, &obeyed);
        let mut late = std::mem::take(&mut piece.late);
        for shard in &obeyed {
            events.count += shard.events.count;
            late.extend(&shard.late);
        }
        late.sort_unstable_by_key(|late| late.row);
        let mut others = Events::default();
        self.obey_late::<A, ALL>(commands, &piece, &late, admission, &mut others);
        events.count += others.count;
        gather(&piece, &obeyed, &others.rows, self.threads.most, &mut events.rows);
        let end = piece.end;
        piece.late = late;
        piece.clear();
        self.piece = piece;
        end
    }

    /// Takes note of which orders came to rest, and which are gone.
    fn know(&mut self, piece: &Piece, obeyed: &[Obeyed]) {
        let rested: Vec<&[u32]> = obeyed.iter().flat_map(Obeyed::rested).collect();
        for (id, group, nth, small) in piece.dealt_orders() {
            let place = rested[group][nth];
            if place != NO_PLACE {
                self.desk.ids.insert(id, Kept::Small(small).handle(place));
            }
        }
        for &(id, expiry) in obeyed.iter().flat_map(|shard| &shard.gone) {
            self.desk.gone(id, expiry);
        }
    }

    /// Lets every shard obey its rows, as many at a time as there are threads.
    fn obey_shards<const ALL: bool>(&mut self, piece: &Piece) -> Vec<Obeyed> {
        let (markets, specials, rules) = (&self.markets[..], self.specials, self.rules);
        let mut smalls = &mut self.store.smalls[..];
        let mut first = 0;
        let parts = piece.parts(self.threads.most.min(piece.rows() / (self.threads.least_rows / 2).max(1)).max(1));
        let tasks: Vec<_> = parts
            .into_iter()
            .map(|groups| {
                let end = piece.first_small_of(groups.end).min(first + smalls.len());
                let (own, others) = std::mem::take(&mut smalls).split_at_mut(end - first);
                smalls = others;
                let shard = Shard::new(own, first as u32, markets, specials > 0, &rules);
                first = end;
                move || shard.obey::<ALL>(&piece.groups[groups])
            })
            .collect();
        at_once(tasks)
    }

    /// Obeys rows that no shard could, in their order, each as if it was its turn.
    fn obey_late<A: Admission, const ALL: bool>(
        &mut self,
        commands: &Commands<'_>,
        piece: &Piece,
        late: &[Late],
        admission: &mut A,
        events: &mut Events,
    ) {
        let given = Given {
            market: commands.market.is_some(),
            order: commands.order.is_some(),
            participant: commands.participant.is_some(),
        };
        let mut turn = Turn::<A, ALL> { events, admission, command: 0, given, has_time: true };
        let mut told = piece.from;
        let mut tell = |book: &mut Self, upto: usize| {
            // A null is the least of all times.
            let latest = commands.time.and_then(|times| times[told..upto].iter().copied().max());
            book.clock = book.clock.max(latest.unwrap_or(NULL));
            told = upto;
        };
        for &Late { row, next_order } in late {
            let index = row as usize;
            tell(self, index + 1);
            self.next_order = next_order;
            turn.command = row;
            turn.has_time = commands.time.is_none_or(|times| times[index] != NULL);
            self.obey(commands.op(index), commands.row(index), &mut turn);
        }
        tell(self, piece.end);
        self.next_order = piece.next_order;
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Want;
    use super::*;
    use crate::book::Rules;
    use crate::order::Integers;

    const ROWS: usize = 4_000;
    const MARKETS: usize = 300;

    struct Flow {
        op: Vec<u8>,
        market: Vec<i64>,
        order: Vec<i64>,
        side: Vec<u8>,
        price: Vec<i64>,
        quantity: Vec<i64>,
        time: Vec<i64>,
    }

    impl Flow {
        /// New orders that do not trade, and every third row a cancel of the order four rows before.
        fn new() -> Self {
            let rows = 0..ROWS as i64;
            let is_cancel = |row: i64| row % 3 == 2 && row > 4;
            Self {
                op: rows.clone().map(|row| u8::from(is_cancel(row))).collect(),
                market: rows.clone().map(|row| if is_cancel(row) { NULL } else { row % MARKETS as i64 }).collect(),
                order: rows.clone().map(|row| if is_cancel(row) { row - 4 } else { row }).collect(),
                side: rows.clone().map(|row| (row % 2) as u8).collect(),
                price: rows.clone().map(|row| 100 - 50 * (row % 2)).collect(),
                quantity: rows.clone().map(|_| 7).collect(),
                time: rows.collect(),
            }
        }

        fn commands(&self) -> Commands<'_> {
            Commands {
                rows: ROWS,
                op: Some(&self.op),
                market: Some(&self.market),
                order: Some(&self.order),
                side: Some(&self.side),
                price: Some(Integers::Wide(&self.price)),
                quantity: Some(Integers::Wide(&self.quantity)),
                time: Some(&self.time),
                ..Commands::default()
            }
        }

        fn routed(&self, book: &OrderBook) -> Piece {
            let mut piece = Piece::default();
            book.clone().route(&self.commands(), 0, ROWS, &mut piece);
            piece
        }
    }

    fn book() -> OrderBook {
        let mut book = OrderBook::new(Rules::default());
        book.set_threads(Threads { most: 4, least_rows: 64 });
        book
    }

    #[test]
    fn plain_rows_of_small_markets_are_dealt_evenly() {
        let piece = Flow::new().routed(&book());
        assert_eq!((piece.end, piece.late.len()), (ROWS, 0));
        let parts = piece.parts(4);
        assert_eq!((parts[0].start, parts.len(), parts[3].end), (0, 4, piece.groups.len()));
        for part in parts {
            let rows: usize = piece.groups[part].iter().map(Vec::len).sum();
            assert!(rows.abs_diff(ROWS / 4) < ROWS / 16, "{rows}");
        }
    }

    /// What comes later of the market of a row that no shard obeys is not dealt; all else is.
    #[test]
    fn a_market_is_left_from_the_row_on_that_no_shard_obeys() {
        let mut flow = Flow::new();
        flow.op[901] = 5;
        let piece = flow.routed(&book());
        let late: Vec<usize> = piece.late.iter().map(|late| late.row as usize).collect();
        let of_market = |row: &usize| flow.op[*row] != 1 && flow.market[*row] == 901 % MARKETS as i64;
        let of_order = |row: &usize| flow.op[*row] == 1 && late.contains(&(flow.order[*row] as usize));
        let expected: Vec<usize> = (901..ROWS).filter(|row| of_market(row) || of_order(row)).collect();
        assert_eq!((piece.end, &late), (ROWS, &expected));
        assert!(late.len() > 10);
    }

    /// A row that several markets may depend on is the first that is not dealt.
    #[test]
    fn a_piece_ends_where_shards_would_have_to_know_of_each_other() {
        let mut gated = book();
        gated.set_gate(5, 1_200).unwrap();
        assert_eq!(Flow::new().routed(&gated).end, 1_200, "a gate closes");
        let cases: [(&str, fn(&mut Flow)); 4] = [
            ("an id that may be there", |flow| flow.order[1_000] = 7),
            ("the largest id", |flow| flow.order[1_000] = i64::MAX),
            ("a cancel of what may come", |flow| (flow.op[1_000], flow.order[1_000]) = (1, 1_001)),
            ("a market that may come", |flow| (flow.op[1_000], flow.market[1_000]) = (5, 1 << 40)),
        ];
        for (what, change) in cases {
            let mut flow = Flow::new();
            change(&mut flow);
            assert_eq!(flow.routed(&book()).end, 1_000, "{what}");
        }
    }

    /// All of it by way of shards, and by none.
    #[test]
    fn a_call_is_the_same_in_one_piece() {
        let flow = Flow::new();
        let (mut one, mut many) = (OrderBook::new(Rules::default()), book());
        let commands = flow.commands();
        for _ in 0..2 {
            let got = many.apply(&commands, Want::Events).unwrap();
            assert_eq!(got, one.apply(&commands, Want::Events).unwrap());
            assert_eq!(many.snapshot(None), one.snapshot(None));
        }
    }
}
