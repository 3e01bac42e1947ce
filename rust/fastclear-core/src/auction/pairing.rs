//! Trades out of fills: winners in price priority, matched by two pointers.
//!
//! The best bid meets the cheapest ask; each step exhausts one of the two, so that a market of `b` winning bids and
//! `a` winning asks makes at most `a + b − 1` trades.

use super::book::{Book, Number, Priority};
use crate::trade::Trades;

/// Where one market's orders stand in the input, and its place in the list of outcomes.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Input rows of the market's orders, where they do not lie side by side in the input.
    pub rows: Option<&'a [u32]>,
    /// Input row of the first order, where they do.
    pub first_row: usize,
    /// Index in the list of outcomes.
    pub market_index: u32,
}

impl Place<'_> {
    /// Input row of order `i` of the market.
    #[inline]
    pub fn row(&self, i: usize) -> u32 {
        self.rows.map_or((self.first_row + i) as u32, |rows| rows[i])
    }
}

/// Winning bids (best first) and winning asks (cheapest first), ties in priority order.
fn winners<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    filled: &[i64],
    priority: &Priority<'_>,
) -> (Vec<u32>, Vec<u32>) {
    // A competing price spans less than 2³⁴ and a position less than 2³⁰: both fit into one word, price first.
    const OFFSET: i64 = 1 << 33;
    const POSITION: u64 = (1 << 30) - 1;
    let (mut bids, mut asks) = (Vec::new(), Vec::new());
    for (i, _) in filled.iter().enumerate().filter(|&(_, &fill)| fill > 0) {
        let price = book.competing_price(i);
        if book.is_bid(i) {
            bids.push(((OFFSET - price) as u64) << 30 | i as u64);
        } else {
            asks.push(((OFFSET + price) as u64) << 30 | i as u64);
        }
    }
    let ranked = |mut keys: Vec<u64>| {
        keys.sort_unstable();
        let mut orders: Vec<u32> = keys.iter().map(|key| (key & POSITION) as u32).collect();
        if !priority.is_position() {
            let mut start = 0;
            for level in keys.chunk_by(|a, b| a >> 30 == b >> 30) {
                priority.sort(&mut orders[start..start + level.len()]);
                start += level.len();
            }
        }
        orders
    };
    (ranked(bids), ranked(asks))
}

/// Pairs the fills of one market; `prices(bid, ask)` gives what the buyer pays and the seller receives a unit.
pub fn pair<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    filled: &[i64],
    priority: &Priority<'_>,
    place: &Place<'_>,
    prices: impl Fn(usize, usize) -> (i64, i64),
    trades: &mut Trades,
) {
    let (bids, asks) = winners(book, filled, priority);
    trades.reserve(bids.len() + asks.len());
    let (mut b, mut a) = (0, 0);
    let (mut bid_left, mut ask_left) = (0, 0);
    while b < bids.len() && a < asks.len() {
        let (bid, ask) = (bids[b] as usize, asks[a] as usize);
        if bid_left == 0 {
            bid_left = filled[bid];
        }
        if ask_left == 0 {
            ask_left = filled[ask];
        }
        let quantity = bid_left.min(ask_left);
        let (buy_price, sell_price) = prices(bid, ask);
        trades.market_index.push(place.market_index);
        trades.buy_row.push(place.row(bid));
        trades.sell_row.push(place.row(ask));
        trades.quantity.push(quantity);
        trades.buy_price.push(buy_price);
        trades.sell_price.push(sell_price);
        bid_left -= quantity;
        ask_left -= quantity;
        b += usize::from(bid_left == 0);
        a += usize::from(ask_left == 0);
    }
    debug_assert!(b == bids.len() && a == asks.len(), "Invariant: what is sold is what is bought");
}
