//! Orders by the time at which they expire.
//!
//! They stand in groups, in the order in which they came, and each group knows its earliest. A binary heap of the groups
//! says which is the earliest of all: an entry a group costs next to nothing beside its orders, and an order that is taken
//! out, as most are before they expire, is looked for nowhere.

use std::ops::{Index, IndexMut};

/// Handle of an order that does not expire: no group is that far.
pub(super) const NEVER: u32 = u32::MAX;

/// Orders a group.
const GROUP: usize = 64;
/// Groups a piece of memory.
const PIECE: usize = 256;

/// A time and an order: of one time the smallest order id is first.
type Key = (i64, i64);

#[derive(Clone, Debug)]
struct Group {
    /// Places that have an order.
    live: u64,
    /// The earliest's place; of a group without orders neither this nor the next is looked at.
    first: u32,
    /// The group's place in the heap.
    place: u32,
    keys: [Key; GROUP],
}

impl Group {
    const EMPTY: Self = Self { live: 0, first: 0, place: 0, keys: [(0, 0); GROUP] };

    /// Finds out which is the earliest.
    fn find_first(&mut self) -> Key {
        let mut least = (i64::MAX, i64::MAX);
        let mut left = self.live;
        while left != 0 {
            let place = left.trailing_zeros();
            let key = self.keys[place as usize];
            if key <= least {
                (least, self.first) = (key, place);
            }
            left &= left - 1;
        }
        least
    }
}

/// A group that has orders, and its earliest.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    group: u32,
}

/// All groups, by number, in pieces that stay where they are: one long list would be moved as it grows, and leave holes of
/// memory behind.
#[derive(Clone, Debug, Default)]
struct Groups {
    pieces: Vec<Vec<Group>>,
}

impl Groups {
    fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    fn push(&mut self, group: Group) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => last.push(group),
            _ => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(group);
                self.pieces.push(piece);
            }
        }
    }

    fn get(&self, index: usize) -> Option<&Group> {
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }
}

impl Index<usize> for Groups {
    type Output = Group;

    fn index(&self, index: usize) -> &Group {
        &self.pieces[index / PIECE][index % PIECE]
    }
}

impl IndexMut<usize> for Groups {
    fn index_mut(&mut self, index: usize) -> &mut Group {
        &mut self.pieces[index / PIECE][index % PIECE]
    }
}

/// Expiries, earliest first; of one time the smallest order id first.
#[derive(Clone, Debug, Default)]
pub(super) struct Expiries {
    groups: Groups,
    /// Groups that have room.
    open: Vec<u32>,
    heap: Vec<Entry>,
}

/// The group of a handle, and the place in it.
fn split(handle: u32) -> (usize, usize) {
    (handle as usize / GROUP, handle as usize % GROUP)
}

impl Expiries {
    /// The earliest: time and order.
    pub fn first(&self) -> Option<Key> {
        self.heap.first().map(|entry| entry.key)
    }

    /// When the order of a handle expires.
    pub fn at(&self, handle: u32) -> Option<i64> {
        let (group, place) = split(handle);
        self.groups.get(group).map(|group| group.keys[place].0)
    }

    pub fn insert(&mut self, at: i64, order: i64) -> u32 {
        let index = self.open.last().copied().unwrap_or_else(|| {
            self.groups.push(Group::EMPTY);
            self.open.push(self.groups.len() as u32 - 1);
            self.groups.len() as u32 - 1
        });
        let group = &mut self.groups[index as usize];
        let (place, key, was_empty) = ((!group.live).trailing_zeros(), (at, order), group.live == 0);
        group.live |= 1 << place;
        group.keys[place as usize] = key;
        if group.live == u64::MAX {
            self.open.pop();
        }
        if was_empty {
            (group.first, group.place) = (place, self.heap.len() as u32);
            self.heap.push(Entry { key, group: index });
            self.up(self.heap.len() - 1);
        } else if key < self.heap[group.place as usize].key {
            group.first = place;
            let at = group.place as usize;
            self.heap[at].key = key;
            self.up(at);
        }
        index * GROUP as u32 + place
    }

    /// Takes an order out, unless it never expires.
    #[inline]
    pub fn remove(&mut self, handle: u32) {
        if handle != NEVER {
            self.remove_key(handle);
        }
    }

    fn remove_key(&mut self, handle: u32) {
        let (index, place) = split(handle);
        let group = &mut self.groups[index];
        if group.live == u64::MAX {
            self.open.push(index as u32);
        }
        group.live &= !(1 << place);
        if group.first as usize != place {
            return;
        }
        let at = group.place as usize;
        if group.live != 0 {
            self.heap[at].key = group.find_first();
            self.down(at);
            return;
        }
        self.heap.swap_remove(at);
        if at < self.heap.len() {
            self.settle(at);
            self.down(at);
            self.up(at);
        }
    }

    fn settle(&mut self, place: usize) {
        let group = self.heap[place].group;
        self.groups[group as usize].place = place as u32;
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.settle(one);
        self.settle(other);
    }

    fn before(&self, one: usize, other: usize) -> bool {
        self.heap[one].key < self.heap[other].key
    }

    fn up(&mut self, mut place: usize) {
        while place > 0 && self.before(place, (place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
    }

    fn down(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let mut least = place;
            if left < self.heap.len() && self.before(left, least) {
                least = left;
            }
            if right < self.heap.len() && self.before(right, least) {
                least = right;
            }
            if least == place {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_earliest_is_first_whatever_was_taken_out() {
        let mut state = 3_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            (state >> 33) % below
        };
        let (mut expiries, mut twin) = (Expiries::default(), BTreeMap::new());
        for order in 0..20_000_i64 {
            let at = draw(50) as i64;
            let handle = expiries.insert(at, order);
            twin.insert((at, order), handle);
            assert_eq!(expiries.at(handle), Some(at));
            while draw(20) < 10 && !twin.is_empty() {
                let nth = draw(twin.len().min(30) as u64) as usize;
                let (&key, &handle) = twin.iter().nth(nth).unwrap();
                expiries.remove(handle);
                twin.remove(&key);
                assert_eq!(expiries.first(), twin.keys().next().copied());
            }
            assert_eq!(expiries.first(), twin.keys().next().copied());
        }
        expiries.remove(NEVER);
        assert_eq!(expiries.at(NEVER), None);
    }

    /// Orders that are taken out long before their time leave no more room behind than was ever needed at once.
    #[test]
    fn room_is_used_again() {
        let mut expiries = Expiries::default();
        let mut handles = std::collections::VecDeque::new();
        for order in 0..100_000_i64 {
            handles.push_back(expiries.insert(1_000_000 + order * 7919 % 1000, order));
            if handles.len() > 1000 {
                // From both ends, so that groups have gaps.
                let gone = if order % 3 == 0 { handles.pop_back() } else { handles.pop_front() };
                expiries.remove(gone.unwrap());
            }
        }
        assert!(expiries.groups.len() <= 17, "{} groups", expiries.groups.len());
        for handle in handles {
            expiries.remove(handle);
        }
        assert_eq!((expiries.first(), expiries.open.len()), (None, expiries.groups.len()));
    }
}
