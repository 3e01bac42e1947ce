//! Serving orders one after the other as drawn by lot.

use super::Portion;
use crate::auction::book::Priority;
use crate::auction::lottery::Lottery;

/// Draws a line by lot, from the orders in ascending id, and serves it from the front, writing what each gets.
///
/// The draw settles the end of the line first. Those who get nothing stand there, and once all that is short has been
/// found among them, nobody else's place matters and drawing stops.
pub fn serve(
    portion: Portion,
    orders: &mut [u32],
    seed: u64,
    priority: &Priority<'_>,
    quantity: impl Fn(usize) -> i64,
    filled: &mut [i64],
) {
    let key = |&i: &u32| (priority.order.map_or(0, |ids| ids[i as usize]), i);
    if !orders.is_sorted_by_key(key) {
        orders.sort_unstable_by_key(key);
    }
    let mut short = portion.total - portion.left;
    let mut behind = 0;
    Lottery::new(seed, priority.market_rank).shuffle_until(orders, |&i| {
        let i = i as usize;
        let missed = short.min(quantity(i));
        filled[i] = quantity(i) - missed;
        short -= missed;
        behind += 1;
        short == 0
    });
    for &i in &orders[..orders.len() - behind] {
        filled[i as usize] = quantity(i as usize);
    }
}
