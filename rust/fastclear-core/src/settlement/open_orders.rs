//! Which reservations each order has open.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An order as the bank knows it: account, market, order id.
pub(super) type OrderKey = (u64, u64, u64);

/// Open reservations by order, and the slot of each that was made for one. Looked up, never walked: the order of a hash
/// map reaches nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenOrders {
    /// The oldest of each order; nearly every order has one.
    oldest: HashMap<OrderKey, u64>,
    /// All further ones.
    later: BTreeSet<(OrderKey, u64)>,
    slot_of: BTreeMap<u64, i64>,
}

impl OpenOrders {
    pub fn is_empty(&self) -> bool {
        self.oldest.is_empty()
    }

    /// Notes the reservation `seq` of an order; it is later than all before.
    pub fn insert(&mut self, order: OrderKey, seq: u64, slot: Option<i64>) {
        if *self.oldest.entry(order).or_insert(seq) != seq {
            self.later.insert((order, seq));
        }
        if let Some(slot) = slot {
            self.slot_of.insert(seq, slot);
        }
    }

    /// Forgets these reservations, each of them open.
    pub fn close(&mut self, closed: &[(OrderKey, u64)]) {
        if closed.len() == self.oldest.len() + self.later.len() {
            self.oldest.clear(); // all there are, as after most slots
            self.later.clear();
            self.slot_of.clear();
            return;
        }
        for &(order, seq) in closed {
            self.remove(order, seq);
        }
    }

    /// Forgets a reservation.
    fn remove(&mut self, order: OrderKey, seq: u64) {
        self.slot_of.remove(&seq);
        if self.oldest.get(&order) != Some(&seq) {
            self.later.remove(&(order, seq));
            return;
        }
        let next = self.later.range((order, 0)..=(order, u64::MAX)).next().copied();
        match next {
            Some(next) => {
                self.later.remove(&next);
                self.oldest.insert(order, next.1);
            }
            None => {
                self.oldest.remove(&order);
            }
        }
    }

    /// The reservations of an order from the seq `from` on, oldest first.
    pub fn of(&self, order: OrderKey, from: u64) -> impl Iterator<Item = u64> {
        let oldest = self.oldest.get(&order).copied();
        let later = oldest.map(|_| self.later.range((order, 0)..=(order, u64::MAX)).map(|&(_, seq)| seq));
        oldest.into_iter().chain(later.into_iter().flatten()).filter(move |&seq| seq >= from)
    }

    /// Every reservation: account, market, order, seq, slot; ascending.
    pub fn sorted(&self) -> Vec<(u64, u64, u64, u64, Option<i64>)> {
        let all = self.oldest.iter().map(|(&order, &seq)| (order, seq)).chain(self.later.iter().copied());
        let mut sorted: Vec<_> =
            all.map(|((account, market, order), seq)| (account, market, order, seq, self.slot(seq))).collect();
        sorted.sort_unstable();
        sorted
    }

    /// The slot that a reservation was made for.
    pub fn slot(&self, seq: u64) -> Option<i64> {
        self.slot_of.get(&seq).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as one sorted set.
    #[test]
    fn any_history_is_that_of_a_sorted_set() {
        let mut open = OpenOrders::default();
        let mut twin: BTreeSet<(OrderKey, u64)> = BTreeSet::new();
        let mut state = 7_u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for seq in 0..20_000 {
            let order = (next(2), next(2), next(2));
            if next(2) == 0 {
                open.insert(order, seq, (seq % 3 == 0).then_some(seq as i64));
                twin.insert((order, seq));
            } else if let Some(&(order, seq)) = twin.iter().nth(next(twin.len().max(1) as u64) as usize) {
                open.close(&[(order, seq)]);
                twin.remove(&(order, seq));
                assert_eq!(open.slot(seq), None);
            }
            if next(500) == 0 {
                open.close(&twin.iter().copied().collect::<Vec<_>>());
                twin.clear();
            }
            let from = next(seq + 1);
            let expected: Vec<u64> = twin.range((order, from)..=(order, u64::MAX)).map(|&(_, seq)| seq).collect();
            assert_eq!(open.of(order, from).collect::<Vec<_>>(), expected);
            assert_eq!(open.is_empty(), twin.is_empty());
            for seq in expected {
                assert_eq!(open.slot(seq), (seq % 3 == 0).then_some(seq as i64));
            }
        }
    }
}
