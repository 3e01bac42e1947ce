//! In turn: whoever stands where supply ends is served in part, and nobody else.

use super::sums::Sums;
use super::{Line, Member};

/// A line in the order in which it is served.
pub(super) struct InTurn {
    members: Vec<Member>,
    /// Quantities of those who stay.
    quantity: Sums,
}

impl InTurn {
    pub fn of(members: Vec<Member>) -> Self {
        let quantity = Sums::of(members.iter().map(|member| i64::from(member.quantity)).collect());
        Self { members, quantity }
    }
}

impl Line for InTurn {
    fn last_short(&mut self, left: i64, _total: i64) -> Option<u32> {
        let place = self.quantity.first_reaching(left)?;
        let share = left - self.quantity.before(place);
        let Member { order, least, .. } = self.members[place];
        // Where the share is all that the order asks for it is no less than it accepts.
        (share < i64::from(least)).then(|| {
            self.quantity.add(place, -self.quantity.at(place));
            order
        })
    }
}
