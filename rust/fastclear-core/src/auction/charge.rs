//! What each agent pays or receives in all for what its orders are served, split over these orders.

use super::book::{Book, Number, Priority};
use super::deal::split;
use super::displaced::{Displaced, Listing, SAMPLE, SAMPLED_FROM};
use super::sort;
use crate::order::BUY;
use crate::simd;

/// Spans of ids up to which a bit an id tells most cheaply whether any stands twice, in ids a row.
const BITS_A_ROW: u64 = 64;

/// Orders of agents that have several, by agent, then position: (agent, position).
#[derive(Debug, Default)]
pub struct Agents {
    orders: Vec<(i64, u32)>,
    seen: Vec<u64>,
    words: Vec<u64>,
    other: Vec<u64>,
}

impl Agents {
    /// Groups the orders of whom `ids` names.
    pub fn group(&mut self, ids: &[i64]) {
        self.orders.clear();
        if !self.has_twice(ids) {
            return;
        }
        self.sort(ids);
        let mut kept = 0;
        for i in 0..self.orders.len() {
            // What is kept moves forward, so that the neighbours of this one still stand there.
            let agent = self.orders[i].0;
            let has_other = |other: usize| self.orders.get(other).is_some_and(|other| other.0 == agent);
            if has_other(i + 1) || has_other(i.wrapping_sub(1)) {
                self.orders[kept] = self.orders[i];
                kept += 1;
            }
        }
        self.orders.truncate(kept);
    }

    /// Every order is its own agent's only one.
    pub fn clear(&mut self) {
        self.orders.clear();
    }

    /// Puts all orders in the order of their agents, then positions.
    pub fn sort(&mut self, ids: &[i64]) -> &[(i64, u32)] {
        self.orders.clear();
        let (least, most) = range(ids);
        if most.checked_sub(least).is_some_and(|span| span < 1 << 33) {
            // Ids close together, as numbers of members are, fit into one word beside a position.
            self.words.clear();
            self.words.extend(ids.iter().enumerate().map(|(i, &id)| sort::word(id - least, i)));
            sort::by_price(&mut self.words, &mut self.other);
            let order = |&word: &u64| (least + sort::price(word), sort::position(word) as u32);
            self.orders.extend(self.words.iter().map(order));
        } else {
            self.orders.extend(ids.iter().copied().zip(0..));
            self.orders.sort_unstable();
        }
        &self.orders
    }

    /// Whether some id may stand twice.
    fn has_twice(&mut self, ids: &[i64]) -> bool {
        if ids.is_sorted_by(|a, b| a < b) {
            return false;
        }
        let (least, most) = range(ids);
        let span = most.wrapping_sub(least) as u64;
        if span >= BITS_A_ROW * ids.len() as u64 {
            return true;
        }
        self.seen.clear();
        self.seen.resize(span as usize / 64 + 1, 0);
        ids.iter().any(|&id| {
            let bit = (id - least) as u64;
            let word = &mut self.seen[(bit / 64) as usize];
            let was = *word >> (bit % 64) & 1;
            *word |= 1 << (bit % 64);
            was == 1
        })
    }

    /// The agents with several orders.
    fn each(&self) -> impl Iterator<Item = &[(i64, u32)]> {
        self.orders.chunk_by(|a, b| a.0 == b.0)
    }
}

fn range(ids: &[i64]) -> (i64, i64) {
    ids.iter().fold((i64::MAX, i64::MIN), |(least, most), &id| (least.min(id), most.max(id)))
}

/// A book that is served in merit order, and what its orders are due.
pub struct Charge<'a, P, Q> {
    pub book: &'a Book<'a, P, Q>,
    pub priority: &'a Priority<'a>,
    pub filled: &'a [i64],
    /// Price at which orders may be served in part: one of each side.
    pub level: i64,
    /// Whom asks and whom bids keep out, where they do; the others are due the same for each unit.
    pub listings: [Result<Listing, i64>; 2],
    /// Agents with several orders.
    pub agents: &'a Agents,
    /// Unit in which an agent's sum is split over its orders.
    pub grain: i64,
}

impl<P: Number, Q: Number> Charge<'_, P, Q> {
    /// Writes what each order pays (+) or receives (−) in all to `money`, and gives what all asks receive and all bids pay.
    pub fn charge(&self, displaced: &mut [Displaced; 2], near: &mut Vec<u32>, money: &mut [i64]) -> [i128; 2] {
        let mut depth = self.likely_depth();
        let mut is_second = false;
        loop {
            self.list(displaced, near, depth);
            match self.try_charge(displaced, near, money) {
                Ok(totals) => return totals,
                // A sample may fall short of what it is asked for, but there is not more than all.
                Err(more) => depth = if is_second { [i64::MAX; 2] } else { more },
            }
            is_second = true;
        }
    }

    /// Lots to be listed for asks and bids that are enough for most books: as far as an agent reaches, past its own units to
    /// those that it keeps out.
    fn likely_depth(&self) -> [i64; 2] {
        let (book, filled) = (self.book, self.filled);
        let several = if self.agents.orders.is_empty() { 1 } else { 8 };
        if book.len() < SAMPLED_FROM {
            return simd::largest_served(book.side, book.quantity, filled).map(|lots| several * lots);
        }
        let most = (0..book.len()).step_by(book.len() / SAMPLE).map(|i| book.quantity(i)).max().unwrap_or(0);
        [2 * several * most; 2]
    }

    /// Lists at least `depth` lots for asks and for bids, or all; and orders near the level, among them all at it.
    fn list(&self, displaced: &mut [Displaced; 2], near: &mut Vec<u32>, depth: [i64; 2]) {
        let (book, filled) = (self.book, self.filled);
        let (mut first, mut last) = (self.level, self.level);
        let is_large = book.len() >= SAMPLED_FROM;
        let mut is_whole = [false; 2];
        for ((displaced, listing), (&depth, is_whole)) in
            displaced.iter_mut().zip(&self.listings).zip(depth.iter().zip(&mut is_whole))
        {
            match listing {
                Err(due) => displaced.list_none(*due),
                Ok(listing) if !is_large => displaced.list_levels(book, filled, listing, depth),
                Ok(listing) => match displaced.sampled_end(book, filled, listing, depth) {
                    Some(end) => (first, last) = (first.min(end), last.max(end)),
                    None => *is_whole = true,
                },
            }
        }
        near.clear();
        simd::within(book, first, last, near);
        if is_large {
            for ((displaced, listing), (depth, is_whole)) in
                displaced.iter_mut().zip(&self.listings).zip(depth.into_iter().zip(is_whole))
            {
                match listing {
                    Ok(listing) if is_whole => displaced.list_of(book, filled, listing, 0..book.len(), depth),
                    Ok(listing) => {
                        displaced.list_of(book, filled, listing, near.iter().map(|&i| i as usize), depth);
                    }
                    Err(_) => {}
                }
            }
        }
    }

    /// `Err` with the lots to be listed where that takes more than are listed.
    fn try_charge(&self, displaced: &[Displaced; 2], near: &[u32], money: &mut [i64]) -> Result<[i128; 2], [i64; 2]> {
        let (mut received, mut paid, mut most_sold, mut most_bought) = (0_i128, 0_i128, 0, 0);
        for ((&side, &fill), money) in self.book.side.iter().zip(self.filled).zip(money.iter_mut()) {
            // By arithmetic: which side comes next is not to be guessed.
            let is_bid = usize::from(side == BUY);
            let due = displaced[is_bid].due_for(fill);
            let [sold, bought] = [[fill, 0], [0, fill]][is_bid];
            let [as_sold, as_bought] = [[due, 0], [0, due]][is_bid];
            *money = as_bought - as_sold;
            received += i128::from(as_sold);
            paid += i128::from(as_bought);
            most_sold = sold.max(most_sold);
            most_bought = bought.max(most_bought);
        }
        if !displaced[0].reaches(most_sold) || !displaced[1].reaches(most_bought) {
            return Err([2 * most_sold, 2 * most_bought]);
        }
        let mut totals = [received, paid];
        let mut set = |i: usize, due: i64, money: &mut [i64]| {
            let (sign, total) = if self.book.is_bid(i) { (1, &mut totals[1]) } else { (-1, &mut totals[0]) };
            *total += i128::from(due - sign * money[i]);
            money[i] = sign * due;
        };
        let far = Err([i64::MAX; 2]);
        let own = |i: usize| (self.book.competing_price(i), self.book.quantity(i) - self.filled[i]);
        let at_level = near.iter().map(|&i| i as usize).filter(|&i| self.book.competing_price(i) == self.level);
        for i in at_level.filter(|&i| self.filled[i] > 0 && own(i).1 > 0) {
            let Some(due) = displaced[usize::from(self.book.is_bid(i))].due_passing(self.filled[i], &[own(i)]) else {
                return far;
            };
            set(i, due as i64, money);
        }
        let (mut units, mut weights, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for orders in self.agents.each() {
            let orders = || orders.iter().map(|&(_, i)| i as usize);
            let mut served: Vec<usize> = orders().filter(|&i| self.filled[i] > 0).collect();
            let Some(&first) = served.first() else {
                continue;
            };
            let is_bid = self.book.is_bid(first);
            units.clear();
            units.extend(orders().map(own).filter(|&(_, left)| left > 0));
            units.sort_unstable_by_key(|&(price, _)| if is_bid { -price } else { price });
            let lots = served.iter().map(|&i| self.filled[i]).sum();
            let Some(total) = displaced[usize::from(is_bid)].due_passing(lots, &units) else {
                return far;
            };
            if served.len() == 1 {
                set(first, total as i64, money);
                continue;
            }
            served.sort_unstable_by_key(|&i| self.priority.key(i));
            weights.clear();
            weights.extend(served.iter().map(|&i| self.filled[i]));
            split(total / i128::from(self.grain), &weights, &mut parts);
            for (&i, part) in served.iter().zip(&parts) {
                set(i, part * self.grain, money);
            }
        }
        Ok(totals)
    }
}
