//! Sharing the quantity that is left among orders of one price.
//!
//! All rules are exact in integers, give nobody more than asked, and hand out the whole of what is left.

use std::cmp::Reverse;

use super::book::Priority;
use super::lottery::Lottery;

/// The rule by which orders at the marginal price share what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rationing {
    /// Earlier first; the last one in part.
    Time,
    /// In proportion to quantity; left-over lots to the largest remainders (Hamilton).
    #[default]
    ProRata,
    /// The same quantity to each, as far as they ask for it (water filling).
    Equal,
    /// Larger orders first; the last one in part.
    Quantity,
    /// One order after the other as drawn by lot; the last one in part.
    Lottery {
        /// Seed of the lottery.
        seed: u64,
    },
}

impl Rationing {
    /// Shares `left` lots among `orders` (positions of one price level, any order) of the given quantities, writing
    /// each order's share to `filled[position]`. `total` is the sum of their quantities, at least `left`.
    pub fn share(
        self,
        left: i64,
        total: i64,
        orders: &mut [u32],
        quantity: impl Fn(usize) -> i64,
        priority: &Priority<'_>,
        filled: &mut [i64],
    ) {
        debug_assert!(0 <= left && left <= total, "Invariant: a level is not given more than it asks for");
        if left == total {
            for &i in orders.iter() {
                filled[i as usize] = quantity(i as usize);
            }
        } else if left == 0 {
            for &i in orders.iter() {
                filled[i as usize] = 0;
            }
        } else {
            match self {
                Self::Time => {
                    priority.sort(orders);
                    in_turn(left, orders, quantity, filled);
                }
                Self::Quantity => {
                    orders.sort_unstable_by_key(|&i| (Reverse(quantity(i as usize)), priority.key(i as usize)));
                    in_turn(left, orders, quantity, filled);
                }
                Self::Lottery { seed } => {
                    orders.sort_unstable_by_key(|&i| (priority.order.map_or(0, |ids| ids[i as usize]), i));
                    Lottery::new(seed, priority.market_rank).shuffle(orders);
                    in_turn(left, orders, quantity, filled);
                }
                Self::ProRata => pro_rata(left, total, orders, quantity, priority, filled),
                Self::Equal => equal(left, orders, quantity, priority, filled),
            }
        }
    }
}

fn in_turn(mut left: i64, orders: &[u32], quantity: impl Fn(usize) -> i64, filled: &mut [i64]) {
    for &i in orders {
        let share = left.min(quantity(i as usize));
        filled[i as usize] = share;
        left -= share;
    }
}

/// Largest remainder: `left × q / total` each, rounded down; what is left over goes one lot each to the largest
/// remainders, ties in priority order. Fewer lots are left over than orders have a remainder, so that no order gets
/// more than it asked for.
fn pro_rata(
    left: i64,
    total: i64,
    orders: &mut [u32],
    quantity: impl Fn(usize) -> i64,
    priority: &Priority<'_>,
    filled: &mut [i64],
) {
    let (left_wide, total_wide) = (left as u128, total as u128);
    let narrow = left < 1 << 32; // quantity < 2³¹, so the product stays in 64 bits
    let mut handed_out = 0_i64;
    let mut remainders: Vec<(u64, u32)> = Vec::with_capacity(orders.len());
    for &i in orders.iter() {
        let asked = quantity(i as usize);
        let (share, remainder) = if narrow {
            let product = left as u64 * asked as u64;
            (product / total as u64, product % total as u64)
        } else {
            let product = left_wide * asked as u128;
            ((product / total_wide) as u64, (product % total_wide) as u64)
        };
        filled[i as usize] = share as i64;
        handed_out += share as i64;
        remainders.push((remainder, i));
    }
    let left_over = (left - handed_out) as usize;
    if left_over == 0 {
        return;
    }
    let rank = |&(remainder, i): &(u64, u32)| (Reverse(remainder), priority.key(i as usize));
    if left_over < remainders.len() {
        remainders.select_nth_unstable_by_key(left_over - 1, rank);
    }
    for &(_, i) in &remainders[..left_over] {
        filled[i as usize] += 1;
    }
}

/// Water filling: each order gets the same, as far as it asks for it; the last few lots one each in priority order.
fn equal(
    mut left: i64,
    orders: &mut [u32],
    quantity: impl Fn(usize) -> i64,
    priority: &Priority<'_>,
    filled: &mut [i64],
) {
    // From the smallest order up: one that asks for no more than an equal share of what is left is served whole.
    orders.sort_unstable_by_key(|&i| quantity(i as usize));
    let mut served = 0;
    while served < orders.len() {
        let i = orders[served] as usize;
        let level = left / (orders.len() - served) as i64;
        if quantity(i) > level {
            break;
        }
        filled[i] = quantity(i);
        left -= filled[i];
        served += 1;
    }
    let rest = &mut orders[served..];
    if rest.is_empty() {
        return;
    }
    let level = left / rest.len() as i64;
    let extra = (left % rest.len() as i64) as usize;
    priority.sort(rest);
    for (rank, &i) in rest.iter().enumerate() {
        filled[i as usize] = level + i64::from(rank < extra);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(rule: Rationing, left: i64, quantities: &[i64]) -> Vec<i64> {
        let mut filled = vec![-1; quantities.len()];
        let mut orders: Vec<u32> = (0..quantities.len() as u32).collect();
        let priority = Priority { time: None, order: None, market_rank: 0 };
        rule.share(left, quantities.iter().sum(), &mut orders, |i| quantities[i], &priority, &mut filled);
        filled
    }

    #[test]
    fn largest_remainder_of_case_a08() {
        assert_eq!(share(Rationing::ProRata, 11, &[3, 5, 9]), [2, 3, 6]);
    }

    #[test]
    fn water_filling_of_case_a11() {
        assert_eq!(share(Rationing::Equal, 12, &[2, 8, 9]), [2, 5, 5]);
        assert_eq!(share(Rationing::Equal, 2, &[9, 9, 9]), [1, 1, 0]);
    }

    #[test]
    fn time_serves_in_turn() {
        assert_eq!(share(Rationing::Time, 6, &[5, 5, 5]), [5, 1, 0]);
    }

    #[test]
    fn the_largest_quantities_share_exactly() {
        let most = (1_i64 << 31) - 1;
        for rule in [Rationing::Time, Rationing::ProRata, Rationing::Equal] {
            let shares = share(rule, 3 * most - 1, &[most; 5]);
            assert_eq!(shares.iter().sum::<i64>(), 3 * most - 1, "{rule:?}");
            assert!(shares.iter().all(|&share| (0..=most).contains(&share)), "{rule:?}");
        }
    }
}
