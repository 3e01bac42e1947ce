//! Whom a winner keeps out: the best units of others that would trade in its place, by prefix sums over a ranked list.

/// Units in order of how much they are displaced, best first, and whose they are.
#[derive(Debug, Default)]
pub struct Displaced {
    /// Quantity before each entry; one more closes the last.
    lots_before: Vec<i64>,
    /// Value before each entry; one more closes the last.
    value_before: Vec<i128>,
    unit_value: Vec<i64>,
}

impl Displaced {
    /// An empty list.
    pub fn new() -> Self {
        Self { lots_before: vec![0], value_before: vec![0], unit_value: Vec::new() }
    }

    /// Appends `lots` units worth `value` each, and gives their place in the list.
    pub fn push(&mut self, value: i64, lots: i64) -> usize {
        let last = self.unit_value.len();
        self.lots_before.push(self.lots_before[last] + lots);
        self.value_before.push(self.value_before[last] + i128::from(value) * i128::from(lots));
        self.unit_value.push(value);
        last
    }

    /// Value of the first `lots` units, passing over the entries `own` (ascending places): of as many as there are, and
    /// how many that is.
    pub fn first(&self, lots: i64, own: &[usize]) -> (i128, i64) {
        let (mut reach, mut own_lots, mut own_value) = (lots, 0, 0);
        for &place in own {
            if self.lots_before[place] >= reach {
                break;
            }
            let (here, value) = (
                self.lots_before[place + 1] - self.lots_before[place],
                self.value_before[place + 1] - self.value_before[place],
            );
            reach += here;
            own_lots += here;
            own_value += value;
        }
        let entries = self.unit_value.len();
        if reach >= self.lots_before[entries] {
            return (self.value_before[entries] - own_value, self.lots_before[entries] - own_lots);
        }
        let entry = self.lots_before.partition_point(|&before| before <= reach) - 1;
        let part = i128::from(self.unit_value[entry]) * i128::from(reach - self.lots_before[entry]);
        (self.value_before[entry] + part - own_value, lots)
    }
}

#[cfg(test)]
mod tests {
    use super::Displaced;

    #[test]
    fn passes_over_ones_own() {
        let mut list = Displaced::new();
        for (value, lots) in [(9, 2), (7, 3), (5, 1), (4, 10)] {
            list.push(value, lots);
        }
        assert_eq!(list.first(4, &[]), (18 + 14, 4));
        assert_eq!(list.first(4, &[1]), (18 + 5 + 4, 4));
        assert_eq!(list.first(2, &[1]), (18, 2));
        assert_eq!(list.first(0, &[0]), (0, 0));
        assert_eq!(list.first(99, &[3]), (18 + 21 + 5, 6));
    }
}
