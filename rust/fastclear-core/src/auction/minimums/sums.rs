//! Running sums of numbers that change: Fenwick's tree.

/// Numbers, none negative, with their sums.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    values: Vec<i64>,
    /// Entry i, counted from 1, is the sum of the values from i less its lowest bit up to i.
    tree: Vec<i64>,
    total: i64,
}

impl Sums {
    pub fn of(values: Vec<i64>) -> Self {
        let mut tree = vec![0; values.len() + 1];
        for i in 1..tree.len() {
            tree[i] += values[i - 1];
            let parent = i + (i & i.wrapping_neg());
            if parent < tree.len() {
                tree[parent] += tree[i];
            }
        }
        let total = values.iter().sum();
        Self { values, tree, total }
    }

    pub const fn total(&self) -> i64 {
        self.total
    }

    pub fn at(&self, place: usize) -> i64 {
        self.values[place]
    }

    pub fn add(&mut self, place: usize, change: i64) {
        self.values[place] += change;
        self.total += change;
        let mut i = place + 1;
        while i < self.tree.len() {
            self.tree[i] += change;
            i += i & i.wrapping_neg();
        }
    }

    /// Sum of the first `count` values.
    pub fn before(&self, count: usize) -> i64 {
        let (mut i, mut sum) = (count, 0);
        while i > 0 {
            sum += self.tree[i];
            i &= i - 1;
        }
        sum
    }

    /// The first place up to which the sum reaches `target`, which is positive.
    pub fn first_reaching(&self, target: i64) -> Option<usize> {
        if self.total < target {
            return None;
        }
        Some(self.longest(|_, sum| sum < target))
    }

    /// The longest prefix of which `holds` (its length and its sum), which holds of every shorter one. It may be empty.
    pub fn longest(&self, mut holds: impl FnMut(usize, i64) -> bool) -> usize {
        let (mut count, mut sum) = (0, 0);
        let mut step = self.tree.len().next_power_of_two() / 2;
        while step > 0 {
            let further = count + step;
            if further < self.tree.len() && holds(further, sum + self.tree[further]) {
                count = further;
                sum += self.tree[further];
            }
            step /= 2;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_a_loop() {
        for n in 0..40 {
            let mut values: Vec<i64> = (0..n).map(|i| i * 7 % 5).collect();
            let mut sums = Sums::of(values.clone());
            for change in 0..10 {
                for count in 0..=values.len() {
                    assert_eq!(sums.before(count), values[..count].iter().sum::<i64>());
                }
                let total = values.iter().sum::<i64>();
                assert_eq!(sums.total(), total);
                for target in 1..=total + 1 {
                    let expected = (0..values.len()).find(|&i| values[..=i].iter().sum::<i64>() >= target);
                    assert_eq!(sums.first_reaching(target), expected);
                }
                if n > 0 {
                    let place = (change * 11 % n) as usize;
                    sums.add(place, 3 - values[place]);
                    values[place] = 3;
                    assert_eq!(sums.at(place), 3);
                }
            }
        }
    }
}
