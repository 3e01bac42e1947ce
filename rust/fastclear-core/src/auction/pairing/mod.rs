//! Trades out of fills: winners in price priority, matched by two pointers.
//!
//! The best bid meets the cheapest ask; each step exhausts one of the two, so that a market of `b` winning bids and
//! `a` winning asks makes at most `a + b − 1` trades.
//!
//! Winners carry their quantities through the sort: to look them up afterwards, in an order that no cache foresees, would
//! cost more than all the rest. No branch depends on which side a step exhausts, since no processor could guess it.

mod rank;

use super::book::{Book, Number, Priority};
use crate::order::BUY;
use crate::simd::{self, Picks};
use crate::trade::Trades;
use rank::Side;

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

/// Two orders that trade: their positions, the prices at which they compete, and the lots.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pair {
    /// Position of the bid.
    pub bid: u32,
    /// Position of the ask.
    pub ask: u32,
    /// Price at which the bid competes.
    pub bid_price: i64,
    /// Price of the ask.
    pub ask_price: i64,
    /// Lots.
    pub quantity: i64,
}

/// One trade: places among the winners of either side, and what they trade.
#[derive(Clone, Copy, Debug, Default)]
struct Match {
    bid: u32,
    ask: u32,
    quantity: u32,
}

/// Trades made before they are written down.
const CHUNK: usize = 256;

/// Memory that one pairing after the other uses.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Winners as they stand in the book, asks and bids.
    picks: [Picks; 2],
    bids: Side,
    asks: Side,
    matches: Vec<Match>,
    /// Columns of a chunk of trades.
    columns: [Vec<i64>; 5],
}

impl Scratch {
    /// Finds winning bids (best first) and winning asks (cheapest first), ties in priority order.
    fn find<P: Number, Q: Number>(&mut self, book: &Book<'_, P, Q>, filled: &[i64], priority: &Priority<'_>) {
        let Self { picks: [picked_asks, picked_bids], bids, asks, .. } = self;
        simd::pick_filled(book, filled, picked_asks, picked_bids);
        bids.rank::<{ BUY == 1 }>(picked_bids, priority);
        asks.rank::<{ BUY != 1 }>(picked_asks, priority);
    }
}

/// Pairs the fills of one market.
///
/// `prices` gives what the buyer of a pair pays and its seller receives a unit; it is asked in trade order.
pub fn pair<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    filled: &[i64],
    priority: &Priority<'_>,
    place: &Place<'_>,
    mut prices: impl FnMut(&Pair) -> (i64, i64),
    trades: &mut Trades,
    scratch: &mut Scratch,
) {
    scratch.find(book, filled, priority);
    let Scratch { bids, asks, matches, columns, .. } = scratch;
    let (best_bid, best_ask) = (bids.best() - book.fee, asks.best());
    let (bids, asks) = (bids.ended(), asks.ended());
    let (bid_count, ask_count) = (bids.len() - 1, asks.len() - 1);
    trades.reserve((bid_count + ask_count).saturating_sub(1));
    matches.resize(CHUNK, Match::default());
    for column in columns.iter_mut() {
        column.resize(CHUNK, 0);
    }
    let (mut b, mut a) = (0, 0);
    let (mut bid_left, mut ask_left) = (bids[0].quantity, asks[0].quantity);
    while b < bid_count && a < ask_count {
        let mut made = 0;
        while made < CHUNK && b < bid_count && a < ask_count {
            let quantity = bid_left.min(ask_left);
            matches[made] = Match { bid: b as u32, ask: a as u32, quantity };
            made += 1;
            // Not below zero, since the quantity is the lesser.
            bid_left = bid_left.wrapping_sub(quantity);
            ask_left = ask_left.wrapping_sub(quantity);
            b += usize::from(bid_left == 0);
            a += usize::from(ask_left == 0);
            bid_left |= bids[b].quantity & u32::from(bid_left == 0).wrapping_neg();
            ask_left |= asks[a].quantity & u32::from(ask_left == 0).wrapping_neg();
        }
        let [buy_row, sell_row, lots, buy_price, sell_price] = columns.each_mut().map(|column| &mut column[..made]);
        for (t, made) in matches[..made].iter().enumerate() {
            let (bid, ask) = (bids[made.bid as usize], asks[made.ask as usize]);
            let pair = Pair {
                bid: bid.position,
                ask: ask.position,
                // Prices of orders and a distance of 32 bits: no sum leaves 64.
                bid_price: best_bid.wrapping_sub(bid.distance.into()),
                ask_price: best_ask.wrapping_add(ask.distance.into()),
                quantity: made.quantity.into(),
            };
            buy_row[t] = place.row(pair.bid as usize).into();
            sell_row[t] = place.row(pair.ask as usize).into();
            lots[t] = pair.quantity;
            (buy_price[t], sell_price[t]) = prices(&pair);
        }
        trades.market_index.extend(std::iter::repeat_n(place.market_index, made));
        trades.buy_row.extend_from_slice(buy_row);
        trades.sell_row.extend_from_slice(sell_row);
        trades.quantity.extend_from_slice(lots);
        trades.buy_price.extend_from_slice(buy_price);
        trades.sell_price.extend_from_slice(sell_price);
    }
    debug_assert!(b == bid_count && a == ask_count, "Invariant: what is sold is what is bought");
}
