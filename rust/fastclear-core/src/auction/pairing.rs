//! Trades out of fills: winners in price priority, matched by two pointers.
//!
//! The best bid meets the cheapest ask; each step exhausts one of the two, so that a market of `b` winning bids and
//! `a` winning asks makes at most `a + b − 1` trades.
//!
//! Winners carry their quantities through the sort: to look them up afterwards, in an order that no cache foresees, would
//! cost more than all the rest. No branch depends on which side a step exhausts, since no processor could guess it.

use super::book::{Book, Number, Priority};
use super::sort::{self, Record};
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

/// An order that trades.
#[derive(Clone, Copy, Debug, Default)]
struct Winner {
    /// Ticks from the best price there could be: least first. A winner's competing price fits 32 bits, since a bid's lies
    /// at or above the limit of some ask, and an ask's at or below the limit of some bid.
    distance: u32,
    position: u32,
    quantity: u32,
}

impl Winner {
    const fn bid_price(self) -> i64 {
        i32::MAX as i64 - self.distance as i64
    }

    const fn ask_price(self) -> i64 {
        i32::MIN as i64 + self.distance as i64
    }
}

impl Record for Winner {
    #[inline]
    fn price(self) -> u64 {
        self.distance.into()
    }

    #[inline]
    fn rank(self) -> u64 {
        u64::from(self.distance) << 32 | u64::from(self.position)
    }
}

/// One trade: places among the winners of either side, and what they trade.
#[derive(Clone, Copy, Default)]
struct Match {
    bid: u32,
    ask: u32,
    quantity: u32,
}

/// Orders looked at before the winners among them are appended, and trades made before they are written down.
const CHUNK: usize = 256;

/// Memory that one pairing after the other uses.
#[derive(Debug, Default)]
pub struct Scratch {
    bids: Vec<Winner>,
    asks: Vec<Winner>,
    other: Vec<Winner>,
}

impl Scratch {
    /// Finds winning bids (best first) and winning asks (cheapest first), ties in priority order.
    fn find<P: Number, Q: Number>(&mut self, book: &Book<'_, P, Q>, filled: &[i64], priority: &Priority<'_>) {
        let Self { bids, asks, other } = self;
        bids.clear();
        asks.clear();
        let (mut some_bids, mut some_asks) = ([Winner::default(); CHUNK], [Winner::default(); CHUNK]);
        for start in (0..book.len()).step_by(CHUNK) {
            // Written to both sides and counted where it belongs: no branch to guess wrong.
            let (mut b, mut a) = (0, 0);
            let end = book.len().min(start + CHUNK);
            let rows = book.side[start..end].iter().zip(&book.price[start..end]).zip(&filled[start..end]);
            for (position, ((&side, &limit), &fill)) in (start as u32..).zip(rows) {
                let limit: i64 = limit.into();
                let price = limit - (book.fee & -i64::from(side));
                let (is_bid, wins) = (usize::from(side), usize::from(fill > 0));
                let winner = |ticks: i64| Winner { distance: ticks as u32, position, quantity: fill as u32 };
                some_bids[b % CHUNK] = winner(i64::from(i32::MAX) - price);
                some_asks[a % CHUNK] = winner(price - i64::from(i32::MIN));
                b += wins & is_bid;
                a += wins & (1 - is_bid);
            }
            bids.extend_from_slice(&some_bids[..b]);
            asks.extend_from_slice(&some_asks[..a]);
        }
        for winners in [bids, asks] {
            sort::by_price(winners, other);
            if !priority.is_position() {
                let levels = winners.chunk_by_mut(|a, b| a.distance == b.distance);
                for level in levels.filter(|level| level.len() > 1) {
                    level.sort_unstable_by_key(|winner| priority.key(winner.position as usize));
                }
            }
        }
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
    scratch: &mut Scratch,
) {
    scratch.find(book, filled, priority);
    let Scratch { bids, asks, .. } = scratch;
    let (bid_count, ask_count) = (bids.len(), asks.len());
    trades.reserve(bid_count + ask_count);
    // One more behind the last, of nothing, so that the step that exhausts the last has something to move on to.
    bids.push(Winner::default());
    asks.push(Winner::default());
    let (mut b, mut a) = (0, 0);
    let (mut bid_left, mut ask_left) = (bids[0].quantity, asks[0].quantity);
    let mut matches = [Match::default(); CHUNK];
    let mut paid = [(0, 0); CHUNK];
    while b < bid_count && a < ask_count {
        let mut made = 0;
        while made < CHUNK && b < bid_count && a < ask_count {
            let quantity = bid_left.min(ask_left);
            matches[made] = Match { bid: b as u32, ask: a as u32, quantity };
            made += 1;
            bid_left -= quantity;
            ask_left -= quantity;
            b += usize::from(bid_left == 0);
            a += usize::from(ask_left == 0);
            bid_left |= bids[b].quantity & u32::from(bid_left == 0).wrapping_neg();
            ask_left |= asks[a].quantity & u32::from(ask_left == 0).wrapping_neg();
        }
        let matches = &matches[..made];
        let bid = |made: &Match| bids[made.bid as usize];
        let ask = |made: &Match| asks[made.ask as usize];
        for (paid, made) in paid.iter_mut().zip(matches) {
            let (bid, ask) = (bid(made), ask(made));
            *paid = prices((bid.position as usize, bid.bid_price()), (ask.position as usize, ask.ask_price()));
        }
        trades.market_index.extend(std::iter::repeat_n(place.market_index, made));
        trades.buy_row.extend(matches.iter().map(|made| i64::from(place.row(bid(made).position as usize))));
        trades.sell_row.extend(matches.iter().map(|made| i64::from(place.row(ask(made).position as usize))));
        trades.quantity.extend(matches.iter().map(|made| i64::from(made.quantity)));
        trades.buy_price.extend(paid[..made].iter().map(|&(buy, _)| buy));
        trades.sell_price.extend(paid[..made].iter().map(|&(_, sell)| sell));
    }
    debug_assert!(b == bid_count && a == ask_count, "Invariant: what is sold is what is bought");
}
