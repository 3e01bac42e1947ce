//! What each agent pays or receives in all for what its orders are served, split over these orders.

use super::book::{Book, Number, Priority};
use super::deal::split;
use super::displaced::{Best, Displaced};
use super::sort;
use crate::order::BUY;
use crate::simd;

/// Fills up to which it pays to look the answer for every quantity up once.
const TABLE_MAX: i64 = 1 << 12;

/// Groups orders by agent: (agent, position), by agent, then position.
pub fn by_agent(ids: &[i64], agents: &mut Vec<(i64, u32)>, [words, other]: &mut [Vec<u64>; 2]) {
    agents.clear();
    let (least, most) = ids.iter().fold((i64::MAX, i64::MIN), |(least, most), &id| (least.min(id), most.max(id)));
    if most.checked_sub(least).is_some_and(|span| span < 1 << 33) {
        // Ids close together, as numbers of members are, fit into one word beside a position.
        words.clear();
        words.extend(ids.iter().enumerate().map(|(i, &id)| sort::word(id - least, i)));
        sort::by_price(words, other);
        agents.extend(words.iter().map(|&word| (least + sort::price(word), sort::position(word) as u32)));
    } else {
        agents.extend(ids.iter().copied().zip(0..));
        agents.sort_unstable();
    }
}

/// One side of a book that is served, and whom its winners keep out.
pub struct Charge<'a, P, Q> {
    pub book: &'a Book<'a, P, Q>,
    pub priority: &'a Priority<'a>,
    pub filled: &'a [i64],
    /// The side that is charged.
    pub side: u8,
    /// Orders grouped by agent; empty where each is its own.
    pub agents: &'a [(i64, u32)],
    /// Unit in which an agent's sum is split over its orders.
    pub grain: i64,
}

impl<P: Number, Q: Number> Charge<'_, P, Q> {
    /// Most lots that one agent of the side is served.
    pub fn most_lots(&self) -> i64 {
        if self.agents.is_empty() {
            return simd::largest_fills(self.book.side, self.filled)[usize::from(self.side)];
        }
        let lots = |mine: &[(i64, u32)]| mine.iter().map(|&(_, i)| self.fill(i)).sum();
        self.agents.chunk_by(|a, b| a.0 == b.0).map(lots).max().unwrap_or(0)
    }

    /// Fill of an order of the side; none of another's.
    fn fill(&self, i: u32) -> i64 {
        if self.book.side[i as usize] == self.side { self.filled[i as usize] } else { 0 }
    }

    /// Writes what each served order of the side is due to `amounts`: `due(value of whom the agent keeps out, their lots,
    /// the agent's lots)`, of which `list(depth)` lists at least the best `depth` lots.
    pub fn charge(
        &self,
        displaced: &mut Displaced,
        list: impl Fn(&mut Displaced, i64),
        due: impl Fn(i128, i64, i64) -> i128,
        amounts: &mut [i64],
    ) {
        let best = if self.side == BUY { Best::Highest } else { Best::Lowest };
        let most = self.most_lots();
        // An agent that passes over units of its own needs more than it is served; most have none near the margin.
        for depth in [most.saturating_mul(2), i64::MAX] {
            list(displaced, depth);
            let ask = |lots, own: &[(i64, i64)]| {
                displaced.first(best, lots, own).map(|(value, kept_out)| due(value, kept_out, lots))
            };
            let all_known = if self.agents.is_empty() {
                self.charge_orders(most, ask, amounts)
            } else {
                self.charge_agents(ask, amounts)
            };
            if all_known {
                return;
            }
        }
    }

    /// Every order is its own agent.
    fn charge_orders(&self, most: i64, ask: impl Fn(i64, &[(i64, i64)]) -> Option<i128>, amounts: &mut [i64]) -> bool {
        let own = |i: usize| (self.book.competing_price(i), self.book.quantity(i) - self.filled[i]);
        let rows = self.book.side.iter().zip(self.filled).zip(amounts.iter_mut()).enumerate();
        let served = rows.filter(|&(_, ((&side, &fill), _))| side == self.side && fill > 0);
        if most <= TABLE_MAX && most <= self.filled.len() as i64 {
            let mut table = [0; TABLE_MAX as usize + 1];
            for lots in 1..=most {
                let Some(due) = ask(lots, &[]) else {
                    return false;
                };
                table[lots as usize] = due as i64;
            }
            let mut cut = None;
            for (i, ((_, &fill), amount)) in served {
                *amount = table[fill as usize];
                if fill < self.book.quantity(i) {
                    cut = Some(i);
                }
            }
            // Of orders served in merit order one is served in part.
            return cut.is_none_or(|i| ask(self.filled[i], &[own(i)]).map(|due| amounts[i] = due as i64).is_some());
        }
        for (i, ((_, &fill), amount)) in served {
            let own = own(i);
            let Some(due) = ask(fill, if own.1 > 0 { std::slice::from_ref(&own) } else { &[] }) else {
                return false;
            };
            *amount = due as i64;
        }
        true
    }

    fn charge_agents(&self, ask: impl Fn(i64, &[(i64, i64)]) -> Option<i128>, amounts: &mut [i64]) -> bool {
        let (mut own, mut served, mut weights, mut parts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for mine in self.agents.chunk_by(|a, b| a.0 == b.0) {
            served.clear();
            served.extend(mine.iter().map(|&(_, i)| i as usize).filter(|&i| self.fill(i as u32) > 0));
            if served.is_empty() {
                continue;
            }
            own.clear();
            for i in mine.iter().map(|&(_, i)| i as usize).filter(|&i| self.book.side[i] == self.side) {
                let left = self.book.quantity(i) - self.filled[i];
                if left > 0 {
                    own.push((self.book.competing_price(i), left));
                }
            }
            own.sort_unstable_by_key(|&(price, _)| if self.side == BUY { -price } else { price });
            let lots = served.iter().map(|&i| self.filled[i]).sum();
            let Some(total) = ask(lots, &own) else {
                return false;
            };
            if let [i] = served[..] {
                amounts[i] = total as i64;
                continue;
            }
            served.sort_unstable_by_key(|&i| self.priority.key(i));
            weights.clear();
            weights.extend(served.iter().map(|&i| self.filled[i]));
            split(total / i128::from(self.grain), &weights, &mut parts);
            for (&i, part) in served.iter().zip(&parts) {
                amounts[i] = part * self.grain;
            }
        }
        true
    }
}
