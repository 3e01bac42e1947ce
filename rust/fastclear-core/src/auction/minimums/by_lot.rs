//! By lot: whoever stands where supply ends is served in part, in a line that is drawn anew each time.

use super::{Line, Member};
use crate::auction::lottery::Lottery;

/// Those who stay, by id.
pub(super) struct ByLot {
    members: Vec<Member>,
    /// Memory for their places as drawn.
    drawn: Vec<u32>,
    seed: u64,
    market_rank: u32,
}

impl ByLot {
    pub const fn of(members: Vec<Member>, seed: u64, market_rank: u32) -> Self {
        Self { members, drawn: Vec::new(), seed, market_rank }
    }
}

impl Line for ByLot {
    fn last_short(&mut self, left: i64, total: i64) -> Option<u32> {
        let Self { members, drawn, seed, market_rank } = self;
        drawn.clear();
        drawn.extend(0..members.len() as u32);
        let (mut missing, mut last_served) = (total - left, None);
        Lottery::new(*seed, *market_rank).shuffle_until(drawn, |&place| {
            let Member { quantity, least, .. } = members[place as usize];
            missing -= i64::from(quantity);
            if missing < 0 {
                last_served = Some((place as usize, -missing < i64::from(least)));
            }
            missing <= 0
        });
        let (place, _) = last_served.filter(|&(_, is_short)| is_short)?;
        Some(members.remove(place).order)
    }
}
