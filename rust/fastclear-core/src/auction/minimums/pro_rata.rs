//! Pro rata: everybody gets a quota, and the largest remainders a lot more.
//!
//! Who is short often follows from the quota alone. Where the lot of a remainder decides, all remainders are looked at: one
//! for each class of orders of the same quantity and minimum, since they share one.

use super::rightmost::{Rank, Rightmost};
use super::{Line, Member, partition_point};
use crate::simd::sharing::Rate;

/// A line in priority order.
pub(super) struct ProRata {
    members: Vec<Member>,
    /// Class of each member.
    class: Vec<u32>,
    classes: Vec<Class>,
    /// Minimums, of those who have one.
    least: Rightmost<Accepted>,
    /// Quota and remainder of each class, where they were asked for last.
    quotas: Vec<(u32, u64)>,
    /// Remainders and how many orders have them.
    remainders: Vec<(u64, i64)>,
}

/// Orders of one quantity and one minimum.
struct Class {
    quantity: u32,
    least: u32,
    /// Places in line of those who stay, ascending.
    places: Vec<u32>,
}

/// The part of its quantity that an order accepts at least.
#[derive(Clone, Copy, Debug)]
struct Accepted {
    least: u32,
    quantity: u32,
}

impl Rank for Accepted {
    fn outranks(self, other: Self) -> bool {
        u64::from(self.least) * u64::from(other.quantity) > u64::from(other.least) * u64::from(self.quantity)
    }
}

/// Who gets a lot more than the quota: whose remainder is larger than `remainder`, and of those of this remainder who
/// stand at `last_place` or before.
struct ToppedUp {
    remainder: u64,
    last_place: u32,
}

impl ProRata {
    pub fn of(members: Vec<Member>) -> Self {
        let mut by_class: Vec<u32> = (0..members.len() as u32).collect();
        let key = |place: u32| (members[place as usize].quantity, members[place as usize].least);
        by_class.sort_unstable_by_key(|&place| (key(place), place));
        let (mut class, mut classes) = (vec![0; members.len()], Vec::new());
        for places in by_class.chunk_by(|&a, &b| key(a) == key(b)) {
            for &place in places {
                class[place as usize] = classes.len() as u32;
            }
            let (quantity, least) = key(places[0]);
            classes.push(Class { quantity, least, places: places.to_vec() });
        }
        let accepted = |member: &Member| {
            let &Member { least, quantity, .. } = member;
            (least > 0).then_some(Accepted { least, quantity })
        };
        let least = Rightmost::of(members.iter().map(accepted));
        Self { members, class, classes, least, quotas: Vec::new(), remainders: Vec::new() }
    }

    /// The last short order, by all remainders.
    fn last_by_remainders(&mut self, left: i64, rate: Rate) -> Option<usize> {
        let topped_up = self.topped_up(left, rate);
        let short_in = |(class, &(quota, remainder)): (&Class, &(u32, u64))| {
            let &Class { least, ref places, .. } = class;
            if quota >= least {
                return None; // without a minimum, too
            }
            let (tied, all_more) = match &topped_up {
                None => (None, false),
                Some(line) => ((line.remainder == remainder).then_some(line.last_place), remainder > line.remainder),
            };
            // Those who get one more come first.
            let more = match tied {
                Some(last_place) => places.partition_point(|&place| place <= last_place),
                None if all_more => places.len(),
                None => 0,
            };
            let last_of = |places: &[u32]| places.last().copied();
            if quota == 0 {
                last_of(&places[..more]) // served one lot, where two are the least
            } else if quota + 1 < least {
                last_of(places)
            } else {
                last_of(&places[more..])
            }
        };
        self.classes.iter().zip(&self.quotas).filter_map(short_in).max().map(|place| place as usize)
    }

    /// Who is topped up; `None` where quotas hand out all.
    fn topped_up(&mut self, left: i64, rate: Rate) -> Option<ToppedUp> {
        let Self { classes, quotas, remainders, .. } = self;
        quotas.clear();
        remainders.clear();
        let mut lots = left;
        for Class { quantity, places, .. } in classes.iter() {
            let (quota, remainder) = rate.quota(*quantity);
            quotas.push((quota, remainder));
            let count = places.len() as i64;
            lots -= i64::from(quota) * count;
            remainders.push((remainder, count));
        }
        if lots == 0 {
            return None;
        }
        let (remainder, lots) = cutoff(remainders, lots);
        let tied = || classes.iter().zip(quotas.iter()).filter(|(_, quota)| quota.1 == remainder);
        let up_to = |place: u32| -> usize {
            tied().map(|(class, _)| class.places.partition_point(|&other| other <= place)).sum()
        };
        let mut few = tied();
        let last_place = match (few.next(), few.next()) {
            (Some((class, _)), None) => class.places[lots as usize - 1],
            _ => partition_point(self.members.len(), |place| up_to(place as u32) < lots as usize) as u32,
        };
        Some(ToppedUp { remainder, last_place })
    }
}

impl Line for ProRata {
    fn last_short(&mut self, left: i64, total: i64) -> Option<u32> {
        let rate = Rate::new(left, total);
        // The last whose quota is less than its minimum.
        let is_short_of = |accepted: Accepted| {
            u128::from(accepted.least) * total as u128 > u128::from(accepted.quantity) * left as u128
        };
        let last = self.least.last(self.members.len(), is_short_of)?;
        let Member { quantity, least, .. } = self.members[last];
        let (quota, remainder) = rate.quota(quantity);
        let most = quota + u32::from(remainder > 0);
        let place = if quota > 0 && most < least { last } else { self.last_by_remainders(left, rate)? };
        self.least.remove(place);
        let places = &mut self.classes[self.class[place] as usize].places;
        places.remove(places.partition_point(|&other| (other as usize) < place));
        Some(self.members[place].order)
    }
}

/// The remainder at which `lots` end that go to the largest, one to each order, and how many go to orders that have it.
/// There are more orders with a remainder than lots.
fn cutoff(remainders: &mut [(u64, i64)], mut lots: i64) -> (u64, i64) {
    let mut rest = remainders;
    loop {
        // Larger ones to the front, then those as large as a pivot.
        let pivot = rest[rest.len() / 2].0;
        let (mut larger, mut behind, mut i) = (0, rest.len(), 0);
        let (mut larger_count, mut equal_count) = (0, 0);
        while i < behind {
            let (remainder, count) = rest[i];
            match remainder.cmp(&pivot) {
                std::cmp::Ordering::Greater => {
                    rest.swap(i, larger);
                    larger_count += count;
                    larger += 1;
                    i += 1;
                }
                std::cmp::Ordering::Equal => {
                    equal_count += count;
                    i += 1;
                }
                std::cmp::Ordering::Less => {
                    behind -= 1;
                    rest.swap(i, behind);
                }
            }
        }
        if lots <= larger_count {
            rest = &mut rest[..larger];
        } else if lots <= larger_count + equal_count {
            return (pivot, lots - larger_count);
        } else {
            lots -= larger_count + equal_count;
            rest = &mut rest[behind..];
        }
    }
}
