//! Orders of many markets in any order of rows, dealt to bins of markets and cleared bin by bin.
//!
//! To go to each market's rows where they stand would take a cache line a value and row. So orders are moved, and no more
//! of them than it takes: price, quantity and side become one word, and every row's word goes to the bin of its market, a
//! few hundred markets that fit the cache together. There the words are put in order of markets, which is cheap, and
//! cleared. Fills come back the same way: the rows of a call, walked again, find their fills in their bins one after the
//! other, so that nobody has to remember where a row went.
//!
//! The idea of partitioning by ranges of the key that caches and address translation can follow is that of Manegold, Boncz
//! and Kersten's radix join (2000). Every thread deals its own rows to bins of its own; a bin is then cleared by one thread,
//! the rows of the first thread first. So rows of one market keep their order.

use std::ops::Range;

use crate::auction::book::Number;
use crate::order::Columns;
use crate::simd::deal::{self, DEAL_BLOCK};

use super::codes::Codes;
use super::job::{Done, Job, Part};
use super::layout::{Markets, Orders, are_unique};
use super::threads::{at_once, pieces, ranges, worth};

/// Rows of a bin, up to twice as many: their words and places stay in the second-level cache.
const BIN_ROWS: usize = 1 << 15;
/// Rows of markets that are cleared in one go: their columns stay in the first-level cache.
const GROUP_ROWS: usize = 1 << 11;
/// Bins that rows can be dealt to at a time at the speed of memory.
const BINS_MOST: usize = 1 << 10;
/// Most bits of a code that tell the markets of a bin apart: what is kept of it a row.
const BITS_MOST: u32 = 16;

/// Who deals what where.
struct Deal<'a> {
    codes: &'a Codes<'a>,
    /// Bits of a code that tell the markets of a bin apart.
    bits: u32,
    bins: usize,
    /// Rows of each thread.
    rows: Vec<Range<usize>>,
    /// Where each of a thread's bins starts among its rows, and one more start that closes the last.
    starts: Vec<Vec<u32>>,
}

impl<'a> Deal<'a> {
    fn of(codes: &'a Codes<'a>, rows: usize, threads: usize) -> Self {
        let highest = codes.count as u32 - 1;
        let wanted = (rows / BIN_ROWS).clamp(1, BINS_MOST);
        let bits = (0..BITS_MOST).find(|bits| ((highest >> bits) as usize) < wanted).unwrap_or(BITS_MOST);
        let bins = (highest >> bits) as usize + 1;
        let mut deal = Self { codes, bits, bins, rows: ranges(rows, worth(rows, threads)), starts: Vec::new() };
        deal.starts = at_once(deal.rows.iter().map(|rows| {
            let deal = &deal;
            move || {
                let mut starts = vec![0; deal.bins + 1];
                deal.blocks(rows, |_, codes| deal::count(codes, &mut starts[1..]));
                for bin in 1..starts.len() {
                    starts[bin] += starts[bin - 1];
                }
                starts
            }
        }));
        deal
    }

    /// Shows all rows of a range, block by block.
    fn blocks(&self, rows: &Range<usize>, mut look: impl FnMut(Range<usize>, deal::Codes<'_>)) {
        let mut room = [0; DEAL_BLOCK];
        for start in rows.clone().step_by(DEAL_BLOCK) {
            let block = start..rows.end.min(start + DEAL_BLOCK);
            let codes = self.codes.block(block.clone(), &mut room);
            look(block, deal::Codes { codes, bits: self.bits });
        }
    }

    /// A column cut into the rows of each thread.
    fn by_thread<'b, T>(&self, column: &'b mut [T]) -> Vec<&'b mut [T]> {
        pieces(column, self.rows.iter().map(Range::len))
    }

    /// A dealt column cut into the rows of each range of bins: for each of them, a piece a thread.
    fn by_bins<'b, T>(&self, column: &'b mut [T], bins: &[Range<usize>]) -> Vec<Vec<&'b mut [T]>> {
        let lengths =
            self.starts.iter().flat_map(|starts| bins.iter().map(|bins| starts[bins.end] - starts[bins.start]));
        let mut pieces_of: Vec<Vec<&mut [T]>> = bins.iter().map(|_| Vec::with_capacity(self.rows.len())).collect();
        for (nth, piece) in pieces(column, lengths.map(|length| length as usize)).into_iter().enumerate() {
            pieces_of[nth % bins.len()].push(piece);
        }
        pieces_of
    }

    /// The bins cut into ranges of about as many rows.
    fn shares(&self) -> Vec<Range<usize>> {
        let parts = self.rows.len();
        let before = |bin: usize| self.starts.iter().map(|starts| starts[bin] as usize).sum::<usize>();
        let rows = before(self.bins);
        let mut cuts = vec![0];
        for part in 1..parts {
            let mut cut = cuts[part - 1];
            while cut < self.bins && before(cut) < rows * part / parts {
                cut += 1;
            }
            cuts.push(cut);
        }
        cuts.push(self.bins);
        cuts.windows(2).map(|cut| cut[0]..cut[1]).collect()
    }

    /// Where the rows of a bin lie in a dealt column, a range a thread.
    fn rows_of(&self, bin: usize) -> impl Iterator<Item = Range<usize>> {
        self.rows
            .iter()
            .zip(&self.starts)
            .map(move |(rows, starts)| rows.start + starts[bin] as usize..rows.start + starts[bin + 1] as usize)
    }

    /// A column dealt to bins, of which `values` says what a range of rows has.
    fn deal<T: Copy + Default + Send, V: AsRef<[T]>>(&self, values: impl Fn(Range<usize>) -> V + Sync) -> Vec<T> {
        let mut dealt = vec![T::default(); self.rows.iter().map(Range::len).sum()];
        at_once(self.by_thread(&mut dealt).into_iter().zip(self.rows.iter().zip(&self.starts)).map(
            |(to, (rows, starts))| {
                let values = &values;
                move || {
                    let mut next = starts.clone();
                    self.blocks(rows, |block, codes| deal::deal(codes, &mut next, values(block).as_ref(), to));
                }
            },
        ));
        dealt
    }

    /// Takes a dealt column back to the order of rows.
    fn deal_back<T: Copy + Into<i64> + Sync>(&self, dealt: &[T], column: &mut [i64]) {
        at_once(self.by_thread(column).into_iter().zip(self.rows.iter().zip(&self.starts)).map(
            |(to, (rows, starts))| {
                move || {
                    let mut next = starts.clone();
                    let from = &dealt[rows.clone()];
                    self.blocks(rows, |block, codes| {
                        let to = &mut to[block.start - rows.start..block.end - rows.start];
                        deal::deal_back(codes, &mut next, from, to);
                    });
                }
            },
        ));
    }
}

/// What the orders of a call carry, dealt to bins.
struct Dealt<'a> {
    words: &'a [i64],
    /// The low bits of each order's market code.
    markets: Vec<u16>,
    more: More,
}

/// What some calls have and others do not.
#[derive(Default)]
struct More {
    order: Option<Vec<i64>>,
    time: Option<Vec<i64>>,
    participant: Option<Vec<i64>>,
    turn: Option<Vec<i64>>,
    half: Option<Vec<u8>>,
    rows: Option<Vec<u32>>,
}

/// Clears columns that are not sorted by market; `None` where a value is out of range or an id occurs twice in a market.
pub(super) fn clear<P: Number, Q: Number>(
    columns: &Columns<'_>,
    job: &Job<'_>,
    price: &[P],
    quantity: &[Q],
    filled: &mut [i64],
) -> Option<Done> {
    let codes = Codes::of(columns.market?, job.threads);
    let deal = Deal::of(&codes, columns.len(), job.threads);
    // Words lie where fills will, so that they need no memory of their own.
    let mut markets = vec![0; columns.len()];
    let lots = deal.by_thread(filled).into_iter().zip(deal.by_thread(&mut markets));
    let sound = at_once(lots.zip(deal.rows.iter().zip(&deal.starts)).map(|((words, markets), (rows, starts))| {
        let deal = &deal;
        move || {
            let (mut next, mut sound) = (starts.clone(), true);
            deal.blocks(rows, |block, codes| {
                let orders = (&columns.side[block.clone()], &price[block.clone()], &quantity[block]);
                sound &= deal::deal_orders(codes, &mut next, orders, words, markets);
            });
            sound
        }
    }));
    if sound.contains(&false) {
        return None;
    }
    let wide = |column: Option<&[i64]>| column.map(|column| deal.deal(|rows| &column[rows]));
    let more = More {
        order: wide(columns.order),
        time: wide(columns.time),
        participant: wide(columns.participant),
        turn: wide(columns.turn),
        half: columns.half.map(|half| deal.deal(|rows| &half[rows])),
        rows: job.want.trades.then(|| deal.deal(|rows| (rows.start as u32..rows.end as u32).collect::<Vec<u32>>())),
    };
    let dealt = Dealt { words: filled, markets, more };
    let shares = deal.shares();
    let listed = at_once(shares.iter().map(|bins| || deal.list(bins, &dealt.markets)));
    let ranks = listed.iter().scan(0, |rank, share| {
        let first = *rank;
        *rank += share.markets.len();
        Some(first)
    });
    let all_markets: usize = listed.iter().map(|share| share.markets.len()).sum();
    let mut fills = vec![0_u32; columns.len()];
    let mut paid = job.want.payment.then(|| vec![0_i64; columns.len()]);
    let mut payments = paid.as_deref_mut().map(|paid| deal.by_bins(paid, &shares).into_iter());
    let tasks: Vec<_> = deal
        .by_bins(&mut fills, &shares)
        .into_iter()
        .zip(listed.iter().zip(ranks))
        .map(|(fills, (share, first_rank))| {
            let paid = payments.as_mut().and_then(Iterator::next);
            let (deal, dealt) = (&deal, &dealt);
            move || {
                let room = if first_rank == 0 { all_markets } else { share.markets.len() };
                let mut part = Part::new(job.mechanism, room);
                share.clear(deal, dealt, job, first_rank, fills, paid, &mut part).map(|()| part)
            }
        })
        .collect();
    let parts: Option<Vec<Part>> = at_once(tasks).into_iter().collect();
    let part = Part::joined(parts?)?;
    deal.deal_back(&fills, filled);
    let payment = paid.map(|paid| {
        let mut payment = vec![0; columns.len()];
        deal.deal_back(&paid, &mut payment);
        payment
    });
    Some(part.done(payment, job.want))
}

/// A range of bins, and the markets in them: each bin's are a range of the list.
struct Share {
    bins: Range<usize>,
    markets: Markets,
    /// The low bits of each market's code.
    codes: Vec<u16>,
    by_bin: Vec<Range<usize>>,
}

impl Deal<'_> {
    /// Lists the markets of a range of bins.
    fn list(&self, bins: &Range<usize>, low_bits: &[u16]) -> Share {
        let mut markets = Markets { ids: Vec::new(), starts: vec![0], left_out: Vec::new() };
        let (mut codes, mut by_bin) = (Vec::new(), Vec::with_capacity(bins.len()));
        let mut counts = vec![0_u32; 1 << self.bits];
        let mut start = 0;
        for bin in bins.clone() {
            let first = markets.ids.len();
            for rows in self.rows_of(bin) {
                deal::count_markets(&low_bits[rows], &mut counts);
            }
            for (market, count) in counts.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
                start += std::mem::take(count) as usize;
                markets.ids.push(self.codes.id(bin << self.bits | market));
                markets.starts.push(start);
                codes.push(market as u16);
            }
            by_bin.push(first..markets.ids.len());
        }
        Share { bins: bins.clone(), markets, codes, by_bin }
    }
}

/// One bin in order of markets.
#[derive(Default)]
struct Room {
    /// Orders, then their fills.
    words: Vec<i64>,
    paid: Vec<i64>,
    /// Where each row of the bin stands.
    places: Vec<u32>,
    more: More,
    group: Group,
}

/// Some markets of a bin.
#[derive(Default)]
struct Group {
    side: Vec<u8>,
    price: Vec<i32>,
    quantity: Vec<i32>,
}

impl Share {
    /// Clears its markets, of which the first has rank `first_rank`; `fills` and `paid` are its rows of every thread.
    #[expect(clippy::too_many_arguments, reason = "what is dealt in, what is to be taken back out")]
    fn clear(
        &self,
        deal: &Deal<'_>,
        dealt: &Dealt<'_>,
        job: &Job<'_>,
        first_rank: usize,
        mut fills: Vec<&mut [u32]>,
        mut paid: Option<Vec<&mut [i64]>>,
        part: &mut Part,
    ) -> Option<()> {
        let mut room = Room::default();
        let mut next = vec![0; 1 << deal.bits];
        for (bin, markets) in self.bins.clone().zip(&self.by_bin) {
            if markets.is_empty() {
                continue;
            }
            let starts = &self.markets.starts[markets.start..=markets.end];
            let (first, rows) = (starts[0], starts[markets.len()] - starts[0]);
            for (nth, start) in starts[..markets.len()].iter().enumerate() {
                next[self.codes[markets.start + nth] as usize] = (start - first) as u32;
            }
            room.resize(rows, paid.is_some());
            let mut placed = 0;
            for rows in deal.rows_of(bin) {
                let places = &mut room.places[placed..placed + rows.len()];
                placed += rows.len();
                let (words, markets) = (&dealt.words[rows.clone()], &dealt.markets[rows]);
                deal::place_orders(words, markets, &mut next, places, &mut room.words);
            }
            room.take_more(&dealt.more, deal, bin);
            let all_markets = &self.markets.starts;
            let mut market = markets.start;
            while market < markets.end {
                let start = all_markets[market];
                let more = all_markets[market + 1..=markets.end].partition_point(|&end| end - start <= GROUP_ROWS);
                let group = market..market + more.max(1);
                self.clear_group(job, first_rank, group.clone(), first, &mut room, paid.is_some(), part)?;
                market = group.end;
            }
            let mut places = &room.places[..];
            for (thread, rows) in deal.rows_of(bin).enumerate() {
                let (mine, rest) = places.split_at(rows.len());
                places = rest;
                let (to, rest) = std::mem::take(&mut fills[thread]).split_at_mut(rows.len());
                fills[thread] = rest;
                deal::collect_fills(&room.words, mine, to);
                if let Some(paid) = &mut paid {
                    let (to, rest) = std::mem::take(&mut paid[thread]).split_at_mut(rows.len());
                    paid[thread] = rest;
                    for (to, &place) in to.iter_mut().zip(mine) {
                        *to = room.paid[place as usize];
                    }
                }
            }
        }
        Some(())
    }

    /// Clears a few markets of the bin in `room`, whose first order is the one numbered `first`.
    #[expect(clippy::too_many_arguments, reason = "what to clear, where it lies, how")]
    fn clear_group(
        &self,
        job: &Job<'_>,
        first_rank: usize,
        markets: Range<usize>,
        first: usize,
        room: &mut Room,
        with_payment: bool,
        part: &mut Part,
    ) -> Option<()> {
        let starts = &self.markets.starts[markets.start..=markets.end];
        let rows = starts[0] - first..starts[markets.len()] - first;
        let Room { words, paid, more, group, .. } = room;
        group.unpack(&words[rows.clone()]);
        let orders = Orders {
            side: &group.side,
            order: part_of(more.order.as_deref(), &rows),
            time: part_of(more.time.as_deref(), &rows),
            participant: part_of(more.participant.as_deref(), &rows),
            min_quantity: None,
            start_price: None,
            half: part_of(more.half.as_deref(), &rows),
            turn: part_of(more.turn.as_deref(), &rows),
            rows: part_of(more.rows.as_deref(), &rows),
            markets: &self.markets,
            first: starts[0],
            first_rank,
        };
        if let Some(order) = orders.order
            && !starts.windows(2).all(|range| are_unique(&order[range[0] - starts[0]..range[1] - starts[0]]))
        {
            return None;
        }
        let payment = if with_payment { Some(&mut paid[rows.clone()]) } else { None };
        job.run_range(&orders, &group.price, &group.quantity, markets, &mut words[rows], payment, part)
    }
}

fn part_of<'a, T>(column: Option<&'a [T]>, rows: &Range<usize>) -> Option<&'a [T]> {
    column.map(|column| &column[rows.clone()])
}

impl Group {
    fn unpack(&mut self, words: &[i64]) {
        self.side.resize(words.len(), 0);
        self.price.resize(words.len(), 0);
        self.quantity.resize(words.len(), 0);
        deal::unpack(words, &mut self.side, &mut self.price, &mut self.quantity);
    }
}

impl Room {
    /// Makes room for so many rows.
    fn resize(&mut self, rows: usize, with_payment: bool) {
        self.words.resize(rows, 0);
        self.places.resize(rows, 0);
        if with_payment {
            self.paid.clear();
            self.paid.resize(rows, 0); // a market in which nothing trades writes none
        }
    }

    /// Puts what else orders carry where their words are.
    fn take_more(&mut self, dealt: &More, deal: &Deal<'_>, bin: usize) {
        fn take<T: Copy + Default>(
            to: &mut Option<Vec<T>>,
            from: Option<&Vec<T>>,
            places: &[u32],
            rows: impl Iterator<Item = Range<usize>>,
        ) {
            let Some(from) = from else {
                return;
            };
            let to = to.get_or_insert_default();
            to.resize(places.len(), T::default());
            for (value, &place) in rows.flat_map(|rows| &from[rows]).zip(places) {
                to[place as usize] = *value;
            }
        }
        let Self { more, places, .. } = self;
        take(&mut more.order, dealt.order.as_ref(), places, deal.rows_of(bin));
        take(&mut more.time, dealt.time.as_ref(), places, deal.rows_of(bin));
        take(&mut more.participant, dealt.participant.as_ref(), places, deal.rows_of(bin));
        take(&mut more.turn, dealt.turn.as_ref(), places, deal.rows_of(bin));
        take(&mut more.half, dealt.half.as_ref(), places, deal.rows_of(bin));
        take(&mut more.rows, dealt.rows.as_ref(), places, deal.rows_of(bin));
    }
}
