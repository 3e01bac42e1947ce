//! Accounts by id: members, who are opened one after the other, and the house in arrays; the others in a tree.

use std::collections::BTreeMap;

use super::accounts::{Account, FIRST_MEMBER};
use crate::simd;

/// Ids of the house have places of their own up to here: nearly every posting has one of them on one side.
const HOUSE_PLACES: usize = 16;

/// Every account, found by its id, walked in ascending id.
#[derive(Clone, Debug, Default)]
pub(super) struct ById {
    house: [Option<Account>; HOUSE_PLACES],
    /// Those numbered from [`FIRST_MEMBER`] on without a gap, in the order in which they were opened.
    members: Vec<Account>,
    /// All others. None has the id of a member above: a member is added only behind the last one, if its id is free.
    others: BTreeMap<u64, Account>,
}

impl ById {
    /// The place of a member, or the next free one.
    #[inline]
    fn place(&self, id: u64) -> Option<usize> {
        let place = usize::try_from(id.checked_sub(FIRST_MEMBER)?).ok()?;
        (place <= self.members.len()).then_some(place)
    }

    #[inline]
    pub fn get(&self, id: u64) -> Option<&Account> {
        if id < HOUSE_PLACES as u64 {
            return self.house[id as usize].as_ref();
        }
        match self.place(id).and_then(|place| self.members.get(place)) {
            Some(account) => Some(account),
            None => self.others.get(&id),
        }
    }

    /// Asks for an account of a member to be fetched: from its first byte to its last, which may lie in another line.
    pub fn prefetch(&self, id: u64) {
        if let Some(place) = self.place(id) {
            simd::prefetch_place(&self.members, place);
            simd::prefetch_place(&self.members, place + 1);
        }
    }

    #[inline]
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Account> {
        if id < HOUSE_PLACES as u64 {
            return self.house[id as usize].as_mut();
        }
        match self.place(id) {
            Some(place) if place < self.members.len() => self.members.get_mut(place),
            _ => self.others.get_mut(&id),
        }
    }

    pub fn insert(&mut self, id: u64, account: Account) {
        if id < HOUSE_PLACES as u64 {
            self.house[id as usize] = Some(account);
            return;
        }
        match self.place(id) {
            Some(place) if place < self.members.len() => self.members[place] = account,
            Some(_) if !self.others.contains_key(&id) => self.members.push(account),
            _ => {
                self.others.insert(id, account);
            }
        }
    }

    /// Takes back the opening of an account: of members, the last one only.
    pub fn remove(&mut self, id: u64) {
        if id < HOUSE_PLACES as u64 {
            self.house[id as usize] = None;
            return;
        }
        match self.place(id) {
            Some(place) if place < self.members.len() => {
                debug_assert_eq!(place + 1, self.members.len(), "what is taken back was opened last");
                self.members.truncate(place);
            }
            _ => {
                self.others.remove(&id);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.house.iter().flatten().count() + self.members.len() + self.others.len()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &Account)> {
        let house = (0..).zip(&self.house).filter_map(|(id, account)| Some((id, account.as_ref()?)));
        let before = self.others.range(..FIRST_MEMBER).map(|(&id, account)| (id, account));
        let members = (FIRST_MEMBER..).zip(&self.members);
        let after = self.others.range(FIRST_MEMBER..).map(|(&id, account)| (id, account));
        Sized { left: self.len(), walk: house.chain(before).chain(members).chain(after) }
    }
}

impl PartialEq for ById {
    /// The same accounts, in whatever order they were opened.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ById {}

/// An iterator whose length is known.
struct Sized<I> {
    left: usize,
    walk: I,
}

impl<I: Iterator> Iterator for Sized<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let next = self.walk.next()?;
        self.left -= 1;
        Some(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<I: Iterator> ExactSizeIterator for Sized<I> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(version: u64) -> Account {
        Account { version, ..Account::default() }
    }

    #[test]
    fn any_order_of_opening_is_walked_in_ascending_id() {
        let ids = [3, 1005, 1000, 1001, 1, 1 << 41, 1002, 1003, 1004, 1006, 1007, u64::MAX, 0, 999];
        let mut by_id = ById::default();
        let mut twin = BTreeMap::new();
        for (nth, &id) in ids.iter().enumerate() {
            by_id.insert(id, account(nth as u64));
            twin.insert(id, account(nth as u64));
            assert!(by_id.iter().eq(twin.iter().map(|(&id, account)| (id, account))), "after {id}");
            assert_eq!((by_id.len(), by_id.iter().len()), (twin.len(), twin.len()));
        }
        for id in ids.iter().rev() {
            by_id.insert(*id, account(id ^ 1));
            assert_eq!(by_id.get(*id), Some(&account(id ^ 1)));
            assert_eq!(by_id.get_mut(*id).copied(), by_id.get(*id).copied());
        }
        for id in [1008, 2, (1 << 41) + 1, 998] {
            assert_eq!(by_id.get(id), None);
            assert_eq!(by_id.get_mut(id), None);
        }
    }

    #[test]
    fn what_was_opened_last_can_be_taken_back() {
        let mut by_id = ById::default();
        for id in [1, 1000, 1001] {
            by_id.insert(id, account(id));
        }
        let before = by_id.clone();
        by_id.insert(1002, account(7));
        by_id.insert(2, account(7));
        assert_ne!(by_id, before);
        by_id.remove(2);
        by_id.remove(1002);
        assert_eq!(by_id, before);
    }
}
