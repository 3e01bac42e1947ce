//! Minimum quantities: who leaves because what is left for them is less than they accept.
//!
//! The rule is a loop. While some order is served, but less than its minimum, the last such by time, then id, leaves, and
//! its market is cleared again. To clear anew each time costs the square of the number of leavers; here a market is ranked
//! once, and each departure changes what it must:
//!
//! - Orders off the margin are served whole or not at all, and so is the shorter side of the marginal level. So whoever is
//!   short stands on the one side of the one level that is cut, and the price is a search over sums of levels
//!   (`sums::Sums`).
//! - Within that line, each rationing rule knows its last short order without sharing everything out anew: `in_turn`,
//!   `pro_rata`, `equal`. Only a lottery, which is drawn anew over those who stay, is drawn anew here as well
//!   (`by_lot`).
//!
//! Cost, for n orders of which k leave: O((n + k) log n) in turn (time, quantity) and, but for books whose margin swings
//! far to and fro, for equal shares; under pro rata O(k) steps more over the different quantities of the level, where
//! remainders decide; O(n k) by lot.

mod by_lot;
mod equal;
mod in_turn;
mod pro_rata;
mod rightmost;
mod sums;

use std::cmp::Reverse;

use super::book::{Book, Number, Priority};
use super::rationing::Rationing;
use by_lot::ByLot;
use equal::Equal;
use in_turn::InTurn;
use pro_rata::ProRata;
use sums::Sums;

/// How a book with minimum quantities is crossed.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// How the marginal level is shared out.
    pub rationing: Rationing,
    /// Which orders are served before the margin.
    pub crossing: Crossing,
    /// Who comes first among equals.
    pub priority: &'a Priority<'a>,
}

/// Which orders are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// The dearest bids and the cheapest asks, as many lots as can agree; those that gain nothing by it may be left out.
    Curves {
        /// Whether units whose bid equals their ask trade.
        zero_surplus: bool,
    },
    /// Bids of one price whole or not at all.
    WholeLevels,
}

/// Whether each order of the book stays, where `least` is the least that each accepts.
pub fn stay<P: Number, Q: Number>(book: &Book<'_, P, Q>, least: &[i64], rules: &Rules<'_>) -> Vec<bool> {
    let mut staying = vec![true; book.len()];
    let mut market = Market::of(book, rules.crossing);
    while let Some(margin) = market.margin() {
        let line = market.line(margin, book, least, rules);
        let Some(order) = line.last_short(margin.left, margin.total) else {
            break;
        };
        staying[order as usize] = false;
        market.remove(margin, book.quantity(order as usize));
    }
    staying
}

/// The side of a level that is cut.
#[derive(Clone, Copy, Debug)]
struct Margin {
    level: usize,
    is_bid: bool,
    /// What it gets: more than nothing and less than all.
    left: i64,
    /// What those of it who stay ask for.
    total: i64,
}

/// A market by price levels, cheapest first, and the lines that were cut so far.
struct Market {
    crossing: Crossing,
    /// Positions by level.
    orders: Vec<u32>,
    /// Where each level starts, and the end.
    starts: Vec<usize>,
    /// Quantities of asks and of bids by level, of those who stay.
    sums: [Sums; 2],
    /// Of both.
    all: Sums,
    /// Asks and bids of each level, once they were cut.
    lines: Vec<[Option<Box<dyn Line>>; 2]>,
}

/// One side of a level, which is cut.
trait Line {
    /// Of those who are served, but less than they accept, the last in priority: its position in the book. It leaves the
    /// line. More than nothing is `left`, and less than `total`, all that is asked for.
    fn last_short(&mut self, left: i64, total: i64) -> Option<u32>;
}

impl Market {
    fn of<P: Number, Q: Number>(book: &Book<'_, P, Q>, crossing: Crossing) -> Self {
        let mut keyed: Vec<(i64, u32)> = (0..book.len()).map(|i| (book.competing_price(i), i as u32)).collect();
        keyed.sort_unstable();
        let (mut starts, mut asks, mut bids) = (vec![0], Vec::new(), Vec::new());
        for level in keyed.chunk_by(|a, b| a.0 == b.0) {
            let quantity = |is_bid: bool| {
                let orders = level.iter().map(|&(_, i)| i as usize).filter(|&i| book.is_bid(i) == is_bid);
                orders.map(|i| book.quantity(i)).sum::<i64>()
            };
            asks.push(quantity(false));
            bids.push(quantity(true));
            starts.push(starts.last().map_or(0, |start| start + level.len()));
        }
        let all = Sums::of(asks.iter().zip(&bids).map(|(asks, bids)| asks + bids).collect());
        Self {
            crossing,
            orders: keyed.into_iter().map(|(_, i)| i).collect(),
            lines: asks.iter().map(|_| [None, None]).collect(),
            starts,
            sums: [Sums::of(asks), Sums::of(bids)],
            all,
        }
    }

    /// The side of a level that is cut; `None` where nobody is.
    fn margin(&self) -> Option<Margin> {
        let [asks, bids] = &self.sums;
        let (demand, supply) = (bids.total(), asks.total());
        if demand == 0 || supply == 0 {
            return None;
        }
        match self.crossing {
            Crossing::Curves { zero_surplus } => {
                // The lowest price at or below which lies as much as all bids ask for.
                let level = self.all.first_reaching(demand)?;
                let (asks_below, bids_from) = (asks.before(level), demand - bids.before(level));
                let (asks_up_to, bids_above) = (asks_below + asks.at(level), bids_from - bids.at(level));
                let volume = if zero_surplus { bids_from.min(asks_up_to) } else { bids_above.max(asks_below) };
                self.cut(level, true, volume - bids_above).or_else(|| self.cut(level, false, volume - asks_below))
            }
            Crossing::WholeLevels => {
                // The lowest level of bids whose demand supply at that price covers; where none is, the best, cut.
                let covers = |level: usize| asks.before(level + 1) >= demand - bids.before(level);
                let first = partition_point(self.lines.len(), |level| !covers(level));
                let best_bid = bids.first_reaching(demand)?;
                if first > best_bid {
                    return self.cut(best_bid, true, asks.before(best_bid + 1));
                }
                let lowest = bids.first_reaching(bids.before(first) + 1)?;
                let volume = demand - bids.before(lowest);
                let dearest_ask = asks.first_reaching(volume)?;
                self.cut(dearest_ask, false, volume - asks.before(dearest_ask))
            }
        }
    }

    fn cut(&self, level: usize, is_bid: bool, left: i64) -> Option<Margin> {
        let total = self.sums[usize::from(is_bid)].at(level);
        (0 < left && left < total).then_some(Margin { level, is_bid, left, total })
    }

    /// The line at the margin.
    fn line<P: Number, Q: Number>(
        &mut self,
        margin: Margin,
        book: &Book<'_, P, Q>,
        least: &[i64],
        rules: &Rules<'_>,
    ) -> &mut dyn Line {
        let Self { orders, starts, lines, .. } = self;
        let level = &orders[starts[margin.level]..starts[margin.level + 1]];
        let line = lines[margin.level][usize::from(margin.is_bid)].get_or_insert_with(|| {
            let mut members: Vec<u32> =
                level.iter().copied().filter(|&i| book.is_bid(i as usize) == margin.is_bid).collect();
            rules.priority.sort(&mut members);
            let member = |&order: &u32| {
                let quantity = book.quantity(order as usize) as u32;
                // Who is served at all gets a lot: a minimum of one is none.
                let least = if least[order as usize] < 2 { 0 } else { least[order as usize] as u32 };
                Member { order, quantity, least }
            };
            let mut line: Vec<Member> = members.iter().map(member).collect();
            match rules.rationing {
                Rationing::Time => Box::new(InTurn::of(line)),
                Rationing::Quantity => {
                    line.sort_by_key(|member| Reverse(member.quantity));
                    Box::new(InTurn::of(line))
                }
                Rationing::ProRata => Box::new(ProRata::of(line)),
                Rationing::Equal => Box::new(Equal::of(line)),
                Rationing::Lottery { seed } => {
                    line.sort_by_key(|&Member { order, .. }| {
                        (rules.priority.order.map_or(0, |ids| ids[order as usize]), order)
                    });
                    Box::new(ByLot::of(line, seed, rules.priority.market_rank))
                }
            }
        });
        line.as_mut()
    }

    /// Takes a leaver's quantity out of its level.
    fn remove(&mut self, margin: Margin, quantity: i64) {
        self.sums[usize::from(margin.is_bid)].add(margin.level, -quantity);
        self.all.add(margin.level, -quantity);
    }
}

/// An order in a line.
#[derive(Clone, Copy, Debug)]
struct Member {
    /// Position in the book.
    order: u32,
    quantity: u32,
    /// The least that it accepts: none, or at least 2.
    least: u32,
}

/// The first of `0..end` of which `is_before` does not hold, where it holds of all before and of none after.
fn partition_point(end: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut first, mut end) = (0, end);
    while first < end {
        let middle = first.midpoint(end);
        if is_before(middle) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    first
}
