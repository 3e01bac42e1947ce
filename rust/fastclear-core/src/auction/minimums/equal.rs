//! Equal shares: up to a level of lots everybody is served whole, and all others get the level, the first of them a lot
//! more.

use super::rightmost::{Rank, Rightmost};
use super::sums::Sums;
use super::{Line, Member};

/// A line in priority order.
pub(super) struct Equal {
    members: Vec<Member>,
    /// Places in line by quantity, smallest first.
    by_quantity: Vec<u32>,
    /// Place of each in [`Self::by_quantity`].
    rank: Vec<u32>,
    /// Of those who stay, by rank: their quantities.
    quantity: Sums,
    /// By rank: one for each who stays.
    count: Sums,
    /// By place in line: one for each who stays and ranks from [`Self::first_above`] on.
    above: Sums,
    first_above: usize,
    /// Minimums, of those who have one.
    least: Rightmost<u32>,
}

impl Rank for u32 {
    fn outranks(self, other: Self) -> bool {
        self > other
    }
}

impl Equal {
    pub fn of(members: Vec<Member>) -> Self {
        let mut by_quantity: Vec<u32> = (0..members.len() as u32).collect();
        by_quantity.sort_unstable_by_key(|&place| members[place as usize].quantity);
        let mut rank = vec![0; members.len()];
        for (place, &member) in (0..).zip(&by_quantity) {
            rank[member as usize] = place;
        }
        let quantities = by_quantity.iter().map(|&place| i64::from(members[place as usize].quantity));
        Self {
            quantity: Sums::of(quantities.collect()),
            count: Sums::of(vec![1; members.len()]),
            above: Sums::of(vec![1; members.len()]),
            first_above: 0,
            least: Rightmost::of(members.iter().map(|member| (member.least > 0).then_some(member.least))),
            members,
            by_quantity,
            rank,
        }
    }

    /// The level of lots, and how many of those who ask for more get one more. Keeps account of who these are.
    fn level(&mut self, left: i64) -> (i64, i64) {
        // Served whole are those whose quantity, given to all as far as they ask for it, is no more than is left.
        let (mut served, mut served_count, everybody) = (0, 0, self.count.total());
        let first_above = self.quantity.longest(|ranks, lots| {
            let quantity = i64::from(self.members[self.by_quantity[ranks - 1] as usize].quantity);
            let count = self.count.before(ranks);
            let holds = lots + (everybody - count) * quantity <= left;
            if holds {
                (served, served_count) = (lots, count);
            }
            holds
        });
        for rank in self.first_above.min(first_above)..self.first_above.max(first_above) {
            let stays = self.count.at(rank);
            let change = if first_above < self.first_above { stays } else { -stays };
            self.above.add(self.by_quantity[rank] as usize, change);
        }
        self.first_above = first_above;
        let (rest, count) = (left - served, everybody - served_count);
        (rest / count, rest % count)
    }

    fn remove(&mut self, place: usize) -> u32 {
        let rank = self.rank[place] as usize;
        self.quantity.add(rank, -self.quantity.at(rank));
        self.count.add(rank, -1);
        self.above.add(place, -self.above.at(place));
        self.least.remove(place);
        self.members[place].order
    }
}

impl Line for Equal {
    fn last_short(&mut self, left: i64, _total: i64) -> Option<u32> {
        let (level, extra) = self.level(left);
        let accepts_more_than = |lots: i64| move |least: u32| i64::from(least) > lots;
        let everybody = self.members.len();
        let short = if level == 0 {
            // The first few get one lot, and nobody else any.
            let served = self.above.first_reaching(extra)? + 1;
            self.least.last(served, accepts_more_than(1))
        } else {
            // Who accepts no less than a lot more than the level is short if that lot goes to others.
            let last = self.least.last(everybody, accepts_more_than(level))?;
            let gets_more = self.above.before(last) < extra;
            let shares = level + i64::from(gets_more);
            if i64::from(self.members[last].least) > shares {
                Some(last)
            } else {
                self.least.last(everybody, accepts_more_than(level + 1))
            }
        };
        short.map(|place| self.remove(place))
    }
}
