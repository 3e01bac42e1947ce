//! A call of very many rows on very many markets, market by market.
//!
//! Obeyed row by row, every command goes to another market, which is nowhere near the processor. Markets do not know of each
//! other, so that a long call may be sorted into groups of markets that fit into a cache together, and obeyed group by
//! group; the events are then told in the order of rows. All of it is four passes, each over memory that lies side by side:
//! count the rows of each group, hand them out, obey them, and collect what happened.
//!
//! What happens is the same in either order where no row can see what a row of another market did, which is asked of every
//! call: each row names a market; new orders have ids above all that were ever seen, in ascending order; nothing goes by the
//! clock; and nobody has a word at the door. It is worth it where trades alone are kept. Markets get their places in the order of rows before anything is obeyed.

use crate::order::BUY;
use crate::simd;

use super::block::{BLOCK, Block, CANCEL, Plain};
use super::command::{Commands, NULL, Op};
use super::engine::OrderBook;
use super::event::{Event, Events};
use super::obey::{Given, Turn};
use super::rules::Admission;
use super::store::{Kept, places};

/// Markets a group, as a power of two.
const GROUP_BITS: u32 = 7;
/// Fewest rows and markets that are worth it, and fewest rows a market.
const ROWS_MIN: usize = 1 << 15;
const MARKETS_MIN: usize = 1 << 10;
const ROWS_A_MARKET: usize = 2;
/// Most rows that are sorted at once.
const ROWS_MAX: usize = 1 << 20;
/// How many rows ahead memory is asked for: what says where an order is, then what is there.
const FAR: usize = 32;
const NEAR: usize = 16;

/// A row on its way to its group: half a line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Sorted {
    order: i64,
    price: i32,
    quantity: u32,
    owner: u32,
    /// Place of its market.
    place: u32,
    row: u32,
    class: u8,
}

const NO_ROW: Sorted = Sorted { order: NULL, price: 0, quantity: 0, owner: 0, place: 0, row: 0, class: 0 };

/// Room that is used again by the next call.
#[derive(Clone, Debug, Default)]
pub(super) struct Sorting {
    /// Place of each row's market.
    places: Vec<u32>,
    /// Where the rows of each group begin, and where the last ends.
    starts: Vec<u32>,
    rows: Vec<Sorted>,
    events: Vec<Event>,
}

impl OrderBook {
    /// Obeys the rows of a call market by market, if that is worth it and makes no difference; says whether it did.
    pub(super) fn obey_by_market<A: Admission, const ALL: bool>(
        &mut self,
        commands: &Commands<'_>,
        given: Given,
        admission: &mut A,
        events: &mut Events,
    ) -> bool {
        let is_long = commands.rows >= ROWS_MIN && commands.rows >= ROWS_A_MARKET * self.markets.len();
        let is_plain = given.market && given.order && commands.time.is_none() && !commands.may_ask_more();
        // Of all events there are so many that to put them in order costs more than it saves.
        if ALL || A::HAS_A_WORD || !is_long || !is_plain || self.markets.len() < MARKETS_MIN || self.specials > 0 {
            return false;
        }
        let mut sorting = std::mem::take(&mut self.sorting);
        let mut from = 0;
        while from < commands.rows {
            let to = commands.rows.min(from + ROWS_MAX);
            if !self.count_rows(commands, from, to, &mut sorting) {
                break;
            }
            hand_out(commands, from, to, &mut sorting);
            let first_new = self.next_order;
            let told = std::mem::take(&mut sorting.events);
            let mut all = Events { rows: told, ..Events::default() };
            self.obey_groups::<A, ALL>(commands, given, admission, &sorting.rows, &mut all);
            if self.next_order > first_new {
                self.desk.ids.expect_no_more(first_new, self.next_order);
            }
            events.count += all.count;
            collect(&sorting, &all.rows, from, &mut events.rows);
            sorting.events = all.rows;
            sorting.events.clear();
            from = to;
        }
        self.sorting = sorting;
        if from < commands.rows {
            // What is left is obeyed as it comes.
            self.obey_rows::<A, ALL>(commands, from, given, admission, events);
        }
        true
    }

    /// Finds the market of each row and counts the rows of each group; says whether rows can be obeyed in another order.
    fn count_rows(&mut self, commands: &Commands<'_>, from: usize, to: usize, sorting: &mut Sorting) -> bool {
        let (Some(orders), Some(markets)) = (commands.order, commands.market) else { return false };
        let mut block = Block::new();
        let (mut next, mut news) = (self.next_order, 0_usize);
        sorting.places.clear();
        for start in (from..to).step_by(BLOCK) {
            block.read_until(commands, start, to);
            for (ahead, &market) in markets[start..to.min(start + 2 * BLOCK)].iter().enumerate() {
                if ahead >= BLOCK {
                    self.market_places.prefetch(market);
                }
            }
            for (row, &class) in block.classes().iter().enumerate() {
                let (order, market) = (orders[start + row], markets[start + row]);
                let is_new = class < CANCEL || (class > CANCEL && commands.op(start + row) == Op::New as u8);
                if is_new {
                    if order < next || order == i64::MAX {
                        return false;
                    }
                    next = order + 1;
                    news += 1;
                }
                let place = match self.market_places.get(market) {
                    Some(place) if market != NULL => place as u32,
                    // A sound new order opens its market, whatever becomes of it.
                    _ if class < CANCEL => self.market_place(market),
                    _ => return false,
                };
                sorting.places.push(place);
            }
        }
        if !self.desk.ids.expect(self.next_order, next, news) {
            return false;
        }
        let groups = (self.markets.len() >> GROUP_BITS) + 1;
        sorting.starts.clear();
        sorting.starts.resize(groups + 1, 0);
        for &place in &sorting.places {
            sorting.starts[(place >> GROUP_BITS) as usize + 1] += 1;
        }
        for group in 0..groups {
            sorting.starts[group + 1] += sorting.starts[group];
        }
        true
    }

    fn obey_groups<A: Admission, const ALL: bool>(
        &mut self,
        commands: &Commands<'_>,
        given: Given,
        admission: &mut A,
        rows: &[Sorted],
        events: &mut Events,
    ) {
        let mut turn = Turn::<A, ALL> { events, admission, command: 0, given, has_time: true };
        let mut group = usize::MAX;
        for (nth, sorted) in rows.iter().enumerate() {
            let next = (sorted.place >> GROUP_BITS) as usize + 1;
            if next != group {
                group = next;
                for place in group << GROUP_BITS..(group + 1) << GROUP_BITS {
                    simd::prefetch_place(&self.markets, place);
                }
            }
            if let Some(far) = rows.get(nth + FAR) {
                self.desk.ids.prefetch(far.order);
                if let Some(Kept::Small(small)) = self.markets.get(far.place as usize).map(|market| market.kept) {
                    simd::prefetch_place(&self.store.smalls, small as usize);
                }
            }
            if let Some(near) = rows.get(nth + NEAR) {
                self.look_near(near);
            }
            let Sorted { order, price, quantity, owner, place, row, class } = *sorted;
            let market = self.markets[place as usize].id;
            turn.command = row;
            self.last_market = (market, place);
            let is_done = if class < CANCEL {
                let plain = Plain { order, market, price, quantity, owner, side: class & BUY, tif: class >> 1 };
                self.plain_order(&plain, &mut turn)
            } else {
                class == CANCEL && self.plain_cancel(order, market, &mut turn)
            };
            if !is_done {
                self.obey(commands.op(row as usize), commands.row(row as usize), &mut turn);
            }
        }
    }

    #[inline(always)]
    fn look_near(&self, near: &Sorted) {
        if near.class == CANCEL {
            if let Some(found) = self.desk.ids.get(near.order)
                && let (Kept::Small(small), place) = places(found)
                && let Some(book) = self.store.smalls.get(small as usize)
            {
                book.prefetch_place(place);
            }
        } else if let Kept::Small(small) = self.markets[near.place as usize].kept {
            self.store.smalls[small as usize].prefetch_side(near.class & BUY, near.class > BUY);
        }
    }
}

/// Puts the rows of each group side by side, in the order in which they came.
fn hand_out(commands: &Commands<'_>, from: usize, to: usize, sorting: &mut Sorting) {
    let Sorting { places, starts, rows, .. } = sorting;
    let mut next = starts.clone();
    rows.resize(to - from, NO_ROW);
    let mut block = Block::new();
    for start in (from..to).step_by(BLOCK) {
        block.read_until(commands, start, to);
        for (row, &class) in block.classes().iter().enumerate() {
            let place = places[start - from + row];
            let at = &mut next[(place >> GROUP_BITS) as usize];
            let Plain { order, price, quantity, owner, .. } = block.row(row);
            rows[*at as usize] = Sorted { order, price, quantity, owner, place, row: (start + row) as u32, class };
            *at += 1;
        }
    }
}

/// Appends the events of groups in the order of the rows that they belong to.
fn collect(sorting: &Sorting, told: &[Event], from: usize, events: &mut Vec<Event>) {
    let groups = sorting.starts.len() - 1;
    // Where the events of each group begin: they came in the order of groups, and of rows in each.
    let mut next = vec![told.len(); groups];
    for (at, event) in told.iter().enumerate().rev() {
        next[(sorting.places[event.command as usize - from] >> GROUP_BITS) as usize] = at;
    }
    events.reserve(told.len());
    for (row, &place) in (from..).zip(&sorting.places) {
        let at = &mut next[(place >> GROUP_BITS) as usize];
        while let Some(event) = told.get(*at)
            && event.command == row as u32
        {
            events.push(*event);
            *at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Want;
    use super::super::rules::{Request, Rules, SelfTrade};
    use super::*;
    use crate::order::Integers;
    use crate::reject::RejectReason;

    /// Lets everybody in, row by row.
    struct InTurn;

    impl Admission for InTurn {
        fn admit(&mut self, _: &Request) -> Result<(), RejectReason> {
            Ok(())
        }

        fn seen(&mut self, _: &Event) {}
    }

    #[derive(Default)]
    struct Columns {
        op: Vec<u8>,
        market: Vec<i64>,
        order: Vec<i64>,
        participant: Vec<i64>,
        side: Vec<u8>,
        tif: Vec<u8>,
        price: Vec<i64>,
        quantity: Vec<i64>,
        expires: Vec<i64>,
        flags: Vec<u8>,
    }

    impl Columns {
        #[expect(clippy::too_many_arguments, reason = "one argument a column")]
        fn push(
            &mut self,
            op: u8,
            market: i64,
            order: i64,
            participant: i64,
            side: u8,
            tif: u8,
            price: i64,
            quantity: i64,
            expires: i64,
            flags: u8,
        ) {
            self.op.push(op);
            self.market.push(market);
            self.order.push(order);
            self.participant.push(participant);
            self.side.push(side);
            self.tif.push(tif);
            self.price.push(price);
            self.quantity.push(quantity);
            self.expires.push(expires);
            self.flags.push(flags);
        }

        fn commands(&self) -> Commands<'_> {
            Commands {
                rows: self.op.len(),
                op: Some(&self.op),
                market: Some(&self.market),
                order: Some(&self.order),
                participant: Some(&self.participant),
                side: Some(&self.side),
                tif: Some(&self.tif),
                price: Some(Integers::Wide(&self.price)),
                quantity: Some(Integers::Wide(&self.quantity)),
                expires: Some(&self.expires),
                flags: Some(&self.flags),
                ..Commands::default()
            }
        }
    }

    fn drawn(state: &mut u64, below: u64) -> u64 {
        *state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (*state >> 33) % below
    }

    /// Commands of every kind on the markets before the last of `named`, those from its start on named by the first rows; one in
    /// `hostile` rows has a cell that makes no sense.
    fn flow(state: &mut u64, rows: usize, named: std::ops::Range<i64>, first: &mut i64, hostile: u64) -> Columns {
        let mut columns = Columns::default();
        let markets = named.end as u64;
        for market in named {
            columns.push(0, market, *first, 1, 0, 0, 100, 2, NULL, 0);
            *first += 1;
        }
        while columns.op.len() < rows {
            let op = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 6][drawn(state, 14) as usize];
            let op = if op > 3 && drawn(state, 20) > 0 { 6 } else { op };
            let is_new = op == 0;
            let named = (*first - drawn(state, 60_000) as i64).max(0);
            let market = if is_new { drawn(state, markets) as i64 } else { named * 7919 % markets as i64 };
            // The market of an order follows from its id, so that those which name it mostly find it.
            let market = if is_new { *first * 7919 % markets as i64 } else { market };
            let is_timed = is_new && drawn(state, 20) == 0;
            columns.push(
                op,
                market,
                if is_new { *first } else { named },
                if is_new { [0, 1, 2, 1 << 40][drawn(state, 4) as usize] } else { NULL },
                drawn(state, 2) as u8,
                if is_timed { 3 } else { [0, 0, 0, 0, 1, 2][drawn(state, 6) as usize] },
                if op == 1 { NULL } else { 100 + drawn(state, 9) as i64 },
                1 + drawn(state, 5) as i64,
                if is_timed { 5 } else { NULL },
                u8::from(is_new && drawn(state, 12) == 0),
            );
            if is_new {
                *first += 1 + i64::from(drawn(state, 50) == 0);
            }
            if drawn(state, hostile) == 0 {
                let row = columns.op.len() - 1;
                match drawn(state, 5) {
                    0 => columns.market[row] = NULL,
                    1 => columns.order[row] = [NULL, 3, i64::MAX][drawn(state, 3) as usize],
                    2 => columns.op[row] = 200,
                    3 => columns.market[row] = 1 << 50,
                    _ => columns.quantity[row] = 0,
                }
            }
        }
        columns
    }

    #[test]
    fn market_by_market_is_what_row_by_row_is() {
        let mut sorted = 0;
        for seed in 0..10_u64 {
            let mut state = seed;
            let rules = Rules {
                self_trade: SelfTrade::ALL[seed as usize % 5],
                erase_after_trade: seed == 7,
                small_max: [64, 3][seed as usize % 2],
            };
            let (mut one, mut other) = (OrderBook::new(rules), OrderBook::new(rules));
            let hostile = [1 << 40, 1 << 40, 30_000][seed as usize % 3];
            let (mut first, mut rows) = (0, 3000);
            for call in 0..3 {
                let want = if call == 1 && seed > 7 { Want::Events } else { Want::Trades };
                let named = if call == 0 { 0..1100 } else { 1060 + 40 * call..1100 + 40 * call };
                let columns = flow(&mut state, rows, named, &mut first, hostile);
                let in_turn = one.apply_admitted(&columns.commands(), want, &mut InTurn).unwrap();
                other.sorting.places.clear();
                let by_market = other.apply(&columns.commands(), want).unwrap();
                assert!(in_turn == by_market, "seed {seed}, call {call}");
                assert!(one.snapshot(None) == other.snapshot(None), "seed {seed}, call {call}");
                assert!(one.market_ids().eq(other.market_ids()), "seed {seed}, call {call}");
                assert_eq!((one.next_order, one.next_seq()), (other.next_order, other.next_seq()));
                rows = ROWS_MIN + 100;
                let is_sorted = other.sorting.places.len() == columns.op.len();
                let is_sound = call > 0 && want == Want::Trades && hostile > 1 << 30;
                assert!(is_sorted || !is_sound, "seed {seed}, call {call}");
                sorted += usize::from(is_sorted);
            }
            let (mut nobody, mut everybody) = (InTurn, super::super::rules::Everybody);
            assert!(one.advance(10, &mut nobody) == other.advance(10, &mut everybody));
        }
        assert!(sorted >= 12, "{sorted}");
    }
}
