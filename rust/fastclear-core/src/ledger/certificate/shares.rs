//! What each order at the margin gets, by the rule's own words. Orders come by time, then id.

use super::Sharing;
use crate::auction::lottery::Lottery;

/// An order at the margin.
#[derive(Clone, Copy, Debug)]
pub struct Claimant {
    /// Its id, in an order that lotteries keep to.
    pub id: u64,
    /// Lots that it asks for.
    pub quantity: i64,
}

/// Shares `lots`, no more than all ask for, among those at the margin.
pub fn shares(sharing: Sharing, lots: i64, claimants: &[Claimant], market_rank: u32) -> Vec<i64> {
    let mut line: Vec<usize> = (0..claimants.len()).collect();
    match sharing {
        Sharing::ProRata => return pro_rata(lots, claimants),
        Sharing::Equal => return equal(lots, claimants),
        Sharing::Time => {}
        Sharing::Quantity => line.sort_by_key(|&i| -claimants[i].quantity),
        Sharing::Lottery { seed } => {
            line.sort_by_key(|&i| claimants[i].id);
            Lottery::new(seed, market_rank).shuffle(&mut line);
        }
    }
    let (mut out, mut left) = (vec![0; claimants.len()], lots);
    for i in line {
        out[i] = claimants[i].quantity.min(left);
        left -= out[i];
    }
    out
}

/// Hamilton: the exact share rounded down, then one lot each to the largest remainders, the earlier first.
fn pro_rata(lots: i64, claimants: &[Claimant]) -> Vec<i64> {
    let total: i128 = claimants.iter().map(|claimant| i128::from(claimant.quantity)).sum();
    let exact = claimants.iter().map(|claimant| i128::from(claimant.quantity) * i128::from(lots));
    let (mut out, remainders): (Vec<i64>, Vec<i128>) =
        exact.map(|exact| ((exact / total.max(1)) as i64, exact % total.max(1))).unzip();
    let left = lots - out.iter().sum::<i64>();
    let mut line: Vec<usize> = (0..claimants.len()).collect();
    line.sort_by_key(|&i| -remainders[i]);
    for i in line.into_iter().take(left as usize) {
        out[i] += 1;
    }
    out
}

/// Water filling: the highest level that all can be served to, and one lot more to the first that still want some.
fn equal(lots: i64, claimants: &[Claimant]) -> Vec<i64> {
    let mut ascending: Vec<i64> = claimants.iter().map(|claimant| claimant.quantity).collect();
    ascending.sort_unstable();
    let (mut left, mut level) = (lots, 0);
    for (served, &quantity) in ascending.iter().enumerate() {
        let active = (ascending.len() - served) as i64;
        let step = (quantity - level).min(left / active);
        level += step;
        left -= step * active;
        if level < quantity {
            break;
        }
    }
    let mut out: Vec<i64> = claimants.iter().map(|claimant| claimant.quantity.min(level)).collect();
    let wanting = out.iter_mut().zip(claimants).filter(|(out, claimant)| **out < claimant.quantity);
    for (out, _) in wanting.take(left as usize) {
        *out += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sharing: Sharing, lots: i64, quantities: &[i64]) -> Vec<i64> {
        let claimants: Vec<Claimant> =
            quantities.iter().zip(0..).map(|(&quantity, id)| Claimant { id, quantity }).collect();
        shares(sharing, lots, &claimants, 0)
    }

    #[test]
    fn the_rules_share_as_the_chapter_on_mechanisms_says() {
        assert_eq!(of(Sharing::ProRata, 11, &[3, 5, 9]), [2, 3, 6]);
        assert_eq!(of(Sharing::Time, 11, &[3, 5, 9]), [3, 5, 3]);
        assert_eq!(of(Sharing::Equal, 11, &[3, 5, 9]), [3, 4, 4]);
        assert_eq!(of(Sharing::Equal, 2, &[9, 9, 9]), [1, 1, 0]);
        assert_eq!(of(Sharing::Equal, 13, &[2, 8, 9]), [2, 6, 5]);
        assert_eq!(of(Sharing::Quantity, 11, &[3, 5, 9]), [0, 2, 9]);
        let drawn = of(Sharing::Lottery { seed: 3 }, 11, &[3, 5, 9]);
        assert_eq!(drawn.iter().sum::<i64>(), 11);
    }

    #[test]
    fn the_largest_quantities_share_exactly() {
        let most = (1_i64 << 31) - 1;
        for sharing in [Sharing::ProRata, Sharing::Time, Sharing::Equal, Sharing::Quantity] {
            let shares = of(sharing, 3 * most - 1, &[most; 5]);
            assert_eq!(shares.iter().sum::<i64>(), 3 * most - 1, "{sharing:?}");
            assert!(shares.iter().all(|&share| (0..=most).contains(&share)), "{sharing:?}");
        }
    }
}
