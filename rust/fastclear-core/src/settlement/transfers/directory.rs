//! Account ids to places in the arrays of balances.

use std::collections::HashMap;

/// A table is kept while it has at most this many slots beside four an account.
const TABLE_SLOTS_MIN: u64 = 1 << 16;

/// Where the balance of an account is. Looked up, never walked.
#[derive(Clone, Debug)]
pub(super) enum Directory {
    /// Ids that follow each other: the place is a difference.
    Range {
        /// Id at place 0.
        first: u64,
        /// How many.
        len: u64,
    },
    /// Ids close to each other: place + 1 by id, 0 for none.
    Table(Vec<u32>),
    /// Any ids.
    Map(HashMap<u64, u32>),
}

impl Default for Directory {
    fn default() -> Self {
        Self::Range { first: 0, len: 0 }
    }
}

impl Directory {
    /// The place of an account, if it is open.
    #[inline]
    pub fn place(&self, id: u64) -> Option<usize> {
        match self {
            Self::Range { first, len } => Some(id.wrapping_sub(*first)).filter(|place| place < len).map(|p| p as usize),
            Self::Table(places) => {
                let place = places.get(usize::try_from(id).ok()?)?;
                place.checked_sub(1).map(|place| place as usize)
            }
            Self::Map(places) => places.get(&id).map(|&place| place as usize),
        }
    }

    /// Adds ids at the end of `ids`, of which those from `start` on are new, ascending and different from all others.
    pub fn extend(&mut self, ids: &[u64], start: usize) {
        let new = &ids[start..];
        let (Some(&low), Some(&high)) = (new.first(), new.last()) else { return };
        let runs_on = high - low == new.len() as u64 - 1;
        match self {
            Self::Range { first, len } if runs_on && (*len == 0 || first.checked_add(*len) == Some(low)) => {
                if *len == 0 {
                    *first = low;
                }
                *len += new.len() as u64;
            }
            Self::Table(places) if high < table_slots_max(ids.len()) => enter(places, new, start),
            Self::Map(places) => places.extend(new.iter().zip(start as u32..).map(|(&id, place)| (id, place))),
            // Once or twice in the life of a directory.
            Self::Range { .. } | Self::Table(_) => *self = Self::of(ids),
        }
    }

    fn of(ids: &[u64]) -> Self {
        if ids.iter().any(|&id| id >= table_slots_max(ids.len())) {
            return Self::Map(ids.iter().copied().zip(0..).collect());
        }
        let mut places = Vec::new();
        enter(&mut places, ids, 0);
        Self::Table(places)
    }
}

fn table_slots_max(accounts: usize) -> u64 {
    TABLE_SLOTS_MIN + 4 * accounts as u64
}

/// Enters ids whose places start at `start`; each is below [`table_slots_max`].
fn enter(places: &mut Vec<u32>, ids: &[u64], start: usize) {
    let slots = ids.iter().max().map_or(0, |&largest| largest as usize + 1);
    if slots > places.len() {
        places.resize(slots.next_power_of_two(), 0);
    }
    for (&id, place) in ids.iter().zip(start as u32 + 1..) {
        places[id as usize] = place;
    }
}
