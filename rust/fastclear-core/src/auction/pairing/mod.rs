//! Trades out of fills: winners in price priority, matched by two pointers.
//!
//! The best bid meets the cheapest ask; each step exhausts one of the two, so that a market of `b` winning bids and
//! `a` winning asks makes at most `a + b − 1` trades.
//!
//! Winners carry their quantities through the sort: to look them up afterwards, in an order that no cache foresees, would
//! cost more than all the rest. No branch depends on which side a step exhausts, since no processor could guess it.
//! Trades are made chunk by chunk, each step of which is a loop over columns that stay in the first cache.

mod rank;
mod walk;

use std::sync::Mutex;

use super::book::{Book, Number, Priority};
use super::lent::{self, Lend};
use crate::simd::{self, PairColumns, Picks, Places};
use crate::trade::Trades;
use rank::Side;
use walk::{CHUNK, Matches, Walk};

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

    /// Input rows of orders, written to `to` where they are not their positions.
    fn rows<'b>(&self, positions: &'b [i64], to: &'b mut [i64]) -> &'b [i64] {
        match (self.rows, self.first_row as i64) {
            (None, 0) => return positions,
            (None, first_row) => {
                for (to, &position) in to.iter_mut().zip(positions) {
                    *to = position.wrapping_add(first_row); // fewer than 2³⁰ rows
                }
            }
            (Some(rows), _) => {
                for (to, &position) in to.iter_mut().zip(positions) {
                    *to = rows[position as usize].into();
                }
            }
        }
        to
    }
}

/// Pairs of orders that trade, in trade order: their positions, the prices at which they compete, and lots.
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'a> {
    /// Position of each bid.
    pub bid: &'a [i64],
    /// Position of each ask.
    pub ask: &'a [i64],
    /// Price at which each bid competes.
    pub bid_price: &'a [i64],
    /// Price of each ask.
    pub ask_price: &'a [i64],
    /// Lots.
    pub quantity: &'a [i64],
}

/// What the trades of some pairs cost a unit.
#[derive(Debug)]
pub struct Prices<'a> {
    /// What buyers pay.
    pub buy: &'a mut [i64],
    /// What sellers receive.
    pub sell: &'a mut [i64],
}

impl Prices<'_> {
    /// All trade at one price a side.
    pub fn fill(&mut self, (buy, sell): (i64, i64)) {
        self.buy.fill(buy);
        self.sell.fill(sell);
    }
}

/// Trades from which on their columns are written past the caches, which they would only push other things out of.
const STREAMED: usize = 1 << 17;

/// Memory that one pairing after the other uses.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Winners as they stand in the book, asks and bids.
    picks: [Picks; 2],
    bids: Side,
    asks: Side,
    /// What is known of a chunk of trades.
    matches: Matches,
    columns: [Vec<i64>; 8],
}

/// A scratch on loan.
pub type Lent = lent::Lent<Scratch>;

impl Lend for Scratch {
    fn idle() -> &'static Mutex<Vec<Box<Self>>> {
        #[expect(clippy::vec_box, reason = "a scratch changes hands without being moved")]
        static IDLE: Mutex<Vec<Box<Scratch>>> = Mutex::new(Vec::new());
        &IDLE
    }

    fn bytes(&self) -> usize {
        self.picks.iter().map(Picks::bytes).sum::<usize>() + self.bids.bytes() + self.asks.bytes()
    }
}

impl Scratch {
    /// Finds winning bids (best first) and winning asks (cheapest first), ties in priority order.
    fn find<P: Number, Q: Number>(&mut self, book: &Book<'_, P, Q>, filled: &[i64], priority: &Priority<'_>) {
        let Self { picks: [picked_asks, picked_bids], bids, asks, matches, columns } = self;
        simd::pick_filled(book, filled, picked_asks, picked_bids);
        bids.rank::<true>(picked_bids, priority);
        asks.rank::<false>(picked_asks, priority);
        matches.resize();
        for column in columns {
            column.resize(CHUNK, 0);
        }
    }
}

/// Pairs the fills of one market.
///
/// `price` says what the buyers of some pairs pay and their sellers receive a unit; it is asked in trade order.
pub fn pair<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    filled: &[i64],
    priority: &Priority<'_>,
    place: &Place<'_>,
    mut price: impl FnMut(&Pairs<'_>, &mut Prices<'_>),
    trades: &mut Trades,
    scratch: &mut Scratch,
) {
    scratch.find(book, filled, priority);
    let Scratch { bids, asks, matches, columns, .. } = scratch;
    let (best_bid, best_ask) = (bids.best() - book.fee, asks.best());
    let (bids, asks) = (bids.winners(), asks.winners());
    let most = (bids.len() + asks.len()).saturating_sub(5);
    trades.reserve(most);
    let streams = most >= STREAMED;
    let before = trades.quantity.len();
    let mut walk = Walk::start(bids, asks);
    loop {
        let made = walk.advance(bids, asks, matches);
        if made == 0 {
            break;
        }
        let [bid, ask, bid_price, ask_price, quantity, row, buy, sell] =
            columns.each_mut().map(|column| &mut column[..made]);
        for (to, &lots) in quantity.iter_mut().zip(&matches.quantity) {
            *to = lots.into();
        }
        let places = Places { bid: &matches.bid[..made], ask: &matches.ask[..made] };
        let to = PairColumns { bid: &mut *bid, ask: &mut *ask, bid_price: &mut *bid_price, ask_price: &mut *ask_price };
        simd::read_pairs(places, (bids, asks), (best_bid, best_ask), to);
        simd::append(&mut trades.buy_row, place.rows(bid, row), streams);
        simd::append(&mut trades.sell_row, place.rows(ask, row), streams);
        simd::append(&mut trades.quantity, quantity, streams);
        let mut prices = Prices { buy, sell };
        price(&Pairs { bid, ask, bid_price, ask_price, quantity }, &mut prices);
        simd::append(&mut trades.buy_price, prices.buy, streams);
        if !trades.one_price {
            simd::append(&mut trades.sell_price, prices.sell, streams);
        }
    }
    if streams {
        simd::settle();
    }
    trades.end_market(place.market_index, before);
    debug_assert!(walk.is_over(bids, asks), "Invariant: what is sold is what is bought");
}
