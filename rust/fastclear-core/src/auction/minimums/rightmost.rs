//! The last of a row that fulfils a condition, where one that ranks higher fulfils it all the more: a tree of maxima.

/// Keys in a row, some removed.
#[derive(Clone, Debug)]
pub(super) struct Rightmost<K> {
    /// The root is entry 1, children of i are 2 i and 2 i + 1, leaves are in the second half.
    tree: Vec<Option<K>>,
}

/// A key with an order of its own.
pub(super) trait Rank: Copy {
    fn outranks(self, other: Self) -> bool;
}

impl<K: Rank> Rightmost<K> {
    pub fn of(keys: impl ExactSizeIterator<Item = Option<K>>) -> Self {
        let leaves = keys.len().next_power_of_two();
        let mut tree = vec![None; 2 * leaves];
        for (leaf, key) in tree[leaves..].iter_mut().zip(keys) {
            *leaf = key;
        }
        for i in (1..leaves).rev() {
            tree[i] = higher(tree[2 * i], tree[2 * i + 1]);
        }
        Self { tree }
    }

    pub fn remove(&mut self, place: usize) {
        let mut i = self.tree.len() / 2 + place;
        self.tree[i] = None;
        while i > 1 {
            i /= 2;
            self.tree[i] = higher(self.tree[2 * i], self.tree[2 * i + 1]);
        }
    }

    /// The last of the first `count` whose key is `wanted`.
    pub fn last(&self, count: usize, wanted: impl Fn(K) -> bool) -> Option<usize> {
        let leaves = self.tree.len() / 2;
        let is_wanted = |i: usize| self.tree[i].is_some_and(&wanted);
        // The subtrees that make up the first places, from the last to the first; then down into one that holds some.
        let (mut first, mut end) = (leaves, leaves + count);
        let mut i = loop {
            if first >= end {
                return None;
            }
            if end % 2 == 1 {
                end -= 1;
                if is_wanted(end) {
                    break end;
                }
            } else if first == 1 {
                if is_wanted(1) {
                    break 1;
                }
                return None;
            }
            (first, end) = (first / 2, end / 2);
        };
        while i < leaves {
            i = if is_wanted(2 * i + 1) { 2 * i + 1 } else { 2 * i };
        }
        Some(i - leaves)
    }
}

fn higher<K: Rank>(left: Option<K>, right: Option<K>) -> Option<K> {
    match (left, right) {
        (Some(left), Some(right)) => Some(if right.outranks(left) { right } else { left }),
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Rank for i64 {
        fn outranks(self, other: Self) -> bool {
            self > other
        }
    }

    #[test]
    fn the_last_is_that_of_a_loop() {
        for n in 0..35_usize {
            let mut keys: Vec<Option<i64>> = (0..n as i64).map(|i| (i % 3 > 0).then_some(i * 7 % 5)).collect();
            let mut tree = Rightmost::of(keys.iter().copied());
            for removed in 0..n {
                for count in 0..=n {
                    for least in 0..6 {
                        let expected = (0..count).rev().find(|&i| keys[i].is_some_and(|key| key >= least));
                        assert_eq!(tree.last(count, |key| key >= least), expected);
                    }
                }
                let removed = removed * 3 % n;
                keys[removed] = None;
                tree.remove(removed);
            }
        }
    }
}
