//! Orders by the time at which they expire: a binary heap whose members know their place, so that any can be taken out.

/// Handle of an order that does not expire.
pub(super) const NEVER: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: i64,
    order: i64,
    /// Its place in the heap.
    place: u32,
}

/// Expiries, earliest first; of one time the smallest order id first.
#[derive(Clone, Debug, Default)]
pub(super) struct Expiries {
    entries: Vec<Entry>,
    free: Vec<u32>,
    heap: Vec<u32>,
}

impl Expiries {
    /// The earliest: time and order.
    pub fn first(&self) -> Option<(i64, i64)> {
        self.heap.first().map(|&handle| self.key(handle))
    }

    /// When the order of a handle expires.
    pub fn at(&self, handle: u32) -> Option<i64> {
        self.entries.get(handle as usize).map(|entry| entry.at)
    }

    fn key(&self, handle: u32) -> (i64, i64) {
        let entry = &self.entries[handle as usize];
        (entry.at, entry.order)
    }

    pub fn insert(&mut self, at: i64, order: i64) -> u32 {
        let entry = Entry { at, order, place: self.heap.len() as u32 };
        let handle = if let Some(handle) = self.free.pop() {
            self.entries[handle as usize] = entry;
            handle
        } else {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        };
        self.heap.push(handle);
        self.up(self.heap.len() - 1);
        handle
    }

    /// Takes an order out, unless it never expires.
    #[inline]
    pub fn remove(&mut self, handle: u32) {
        if handle != NEVER {
            self.remove_entry(handle);
        }
    }

    fn remove_entry(&mut self, handle: u32) {
        let place = self.entries[handle as usize].place as usize;
        self.heap.swap_remove(place);
        self.free.push(handle);
        if place < self.heap.len() {
            self.settle(place);
            self.down(place);
            self.up(place);
        }
    }

    fn settle(&mut self, place: usize) {
        let handle = self.heap[place];
        self.entries[handle as usize].place = place as u32;
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.settle(one);
        self.settle(other);
    }

    fn before(&self, one: usize, other: usize) -> bool {
        self.key(self.heap[one]) < self.key(self.heap[other])
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
    }
}
