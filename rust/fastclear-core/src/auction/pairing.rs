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

/// A winner in one word: its competing price (an ask's as it is, a bid's negative, so that the best comes first), moved
/// up to be positive, above its position. Prices span less than 2³⁴, positions less than 2³⁰.
const OFFSET: i64 = 1 << 33;
const POSITION: u64 = (1 << 30) - 1;
/// Orders looked at before the winners among them are appended.
const CHUNK: usize = 256;

#[inline]
const fn position(key: u64) -> usize {
    (key & POSITION) as usize
}

#[inline]
const fn signed_price(key: u64) -> i64 {
    (key >> 30) as i64 - OFFSET
}

/// Winning bids (best first) and winning asks (cheapest first), ties in priority order.
fn winners<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    filled: &[i64],
    priority: &Priority<'_>,
) -> (Vec<u64>, Vec<u64>) {
    let (mut bids, mut asks) = (Vec::new(), Vec::new());
    let (mut some_bids, mut some_asks) = ([0_u64; CHUNK], [0_u64; CHUNK]);
    for start in (0..book.len()).step_by(CHUNK) {
        // Written to both sides and counted where it belongs: no branch to guess wrong.
        let (mut b, mut a) = (0, 0);
        for (i, &fill) in filled.iter().enumerate().skip(start).take(CHUNK) {
            let (price, is_bid, wins) = (book.competing_price(i), u64::from(book.is_bid(i)), u64::from(fill > 0));
            some_bids[b] = ((OFFSET - price) as u64) << 30 | i as u64;
            some_asks[a] = ((OFFSET + price) as u64) << 30 | i as u64;
            b += (wins & is_bid) as usize;
            a += (wins & !is_bid) as usize;
        }
        bids.extend_from_slice(&some_bids[..b]);
        asks.extend_from_slice(&some_asks[..a]);
    }
    for keys in [&mut bids, &mut asks] {
        sort_by_price(keys);
        if !priority.is_position() {
            for level in keys.chunk_by_mut(|a, b| a >> 30 == b >> 30) {
                level.sort_unstable_by_key(|&key| priority.key(position(key)));
            }
        }
    }
    (bids, asks)
}

/// Sorts keys whose low 30 bits ascend already by the bits above them: radix sort, 11 bits a pass, as many passes as the
/// spread of prices needs. A comparison sort is quicker for few.
fn sort_by_price(keys: &mut Vec<u64>) {
    const DIGIT: u32 = 11;
    if keys.len() < 1 << DIGIT {
        keys.sort_unstable();
        return;
    }
    let (least, most) =
        keys.iter().fold((u64::MAX, 0), |(least, most), &key| (least.min(key >> 30), most.max(key >> 30)));
    let mut other = vec![0; keys.len()];
    let mut done = 0;
    while (most - least) >> done > 0 {
        let digit = |key: u64| (((key >> 30) - least) >> done) as usize & ((1 << DIGIT) - 1);
        let mut next = [0_usize; 1 << DIGIT];
        for &key in keys.iter() {
            next[digit(key)] += 1;
        }
        let mut start = 0;
        for slot in &mut next {
            start += std::mem::replace(slot, start);
        }
        for &key in keys.iter() {
            let slot = &mut next[digit(key)];
            other[*slot] = key;
            *slot += 1;
        }
        std::mem::swap(keys, &mut other);
        done += DIGIT;
    }
}

/// Pairs the fills of one market.
///
/// `prices((bid, its competing price), (ask, its price))` gives what the buyer pays and the seller receives a unit.
pub fn pair<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    filled: &[i64],
    priority: &Priority<'_>,
    place: &Place<'_>,
    prices: impl Fn((usize, i64), (usize, i64)) -> (i64, i64),
    trades: &mut Trades,
) {
    let (bids, asks) = winners(book, filled, priority);
    trades.reserve(bids.len() + asks.len());
    let (mut b, mut a) = (0, 0);
    let (mut bid_left, mut ask_left) = (0, 0);
    while b < bids.len() && a < asks.len() {
        let (bid, ask) = (position(bids[b]), position(asks[a]));
        if bid_left == 0 {
            bid_left = filled[bid];
        }
        if ask_left == 0 {
            ask_left = filled[ask];
        }
        let quantity = bid_left.min(ask_left);
        let (buy_price, sell_price) = prices((bid, -signed_price(bids[b])), (ask, signed_price(asks[a])));
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
