//! One market's orders, best first, and where they cross: the ground that every mechanism beyond the plain crossing
//! stands on. Cost: a sort of the market's orders.

use super::book::{Book, Number, Priority};
use super::lottery::Lottery;

/// One order in its place: price at which it competes, quantity, position in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Competing price in ticks.
    pub price: i64,
    /// Quantity in lots.
    pub quantity: i64,
    /// Position in the book.
    pub order: u32,
}

/// What one market's orders carry beside side, price and quantity.
#[derive(Clone, Copy, Debug)]
pub struct Market<'a> {
    /// Who comes first among equals.
    pub priority: Priority<'a>,
    /// Participant of each order; without it every order is its own.
    pub participant: Option<&'a [i64]>,
    /// Opening quote of each order; without it the limit.
    pub start_price: Option<&'a [i64]>,
    /// Half of each order's participant, 1 = right; without it a coin decides.
    pub half: Option<&'a [u8]>,
    /// Turn of each order's participant in a lottery; without it the lottery decides.
    pub turn: Option<&'a [i64]>,
}

impl Market<'_> {
    /// Who stands behind order `i`: its participant, else its own id.
    pub fn agent(&self, i: u32) -> i64 {
        let i = i as usize;
        self.participant.or(self.priority.order).map_or(i as i64, |ids| ids[i])
    }

    /// The generator of this market for `seed`.
    pub fn lottery(&self, seed: u64) -> Lottery {
        Lottery::new(seed, self.priority.market_rank)
    }

    /// Whether order `a` comes before order `b`, price apart.
    pub fn comes_first(&self, a: u32, b: u32) -> bool {
        self.priority.key(a as usize) < self.priority.key(b as usize)
    }
}

/// Bids from the dearest, asks from the cheapest, ties by time, then id.
#[derive(Debug, Default)]
pub struct Ranked {
    /// Bids, best first.
    pub bids: Vec<Quote>,
    /// Asks, best first.
    pub asks: Vec<Quote>,
}

impl Ranked {
    /// Ranks the orders of `book`, in the memory that is there.
    pub fn rank<P: Number, Q: Number>(&mut self, book: &Book<'_, P, Q>, priority: &Priority<'_>) {
        self.bids.clear();
        self.asks.clear();
        for i in 0..book.len() {
            let quote = Quote { price: book.competing_price(i), quantity: book.quantity(i), order: i as u32 };
            if book.is_bid(i) { self.bids.push(quote) } else { self.asks.push(quote) }
        }
        sort(&mut self.bids, priority, |quote| -quote.price);
        sort(&mut self.asks, priority, |quote| quote.price);
    }
}

/// Sorts by `key` of the price, then priority.
pub fn sort(quotes: &mut [Quote], priority: &Priority<'_>, key: impl Fn(&Quote) -> i64) {
    if priority.is_position() {
        quotes.sort_unstable_by_key(|quote| (key(quote), quote.order));
    } else {
        quotes.sort_unstable_by(|a, b| {
            key(a).cmp(&key(b)).then_with(|| priority.key(a.order as usize).cmp(&priority.key(b.order as usize)))
        });
    }
}

/// Where two ranked sides cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// Matched quantity.
    pub volume: i64,
    /// Rank of the last bid that is served.
    pub last_bid: usize,
    /// Rank of the last ask that is served.
    pub last_ask: usize,
    /// What the last bid is not served.
    pub bid_left: i64,
    /// What the last ask is not served.
    pub ask_left: i64,
    /// Lowest market-clearing price.
    pub low: i64,
    /// Highest market-clearing price.
    pub high: i64,
}

impl Meeting {
    /// Quantity of the bid of rank `rank` that is served in merit order.
    pub fn bid_fill(&self, bids: &[Quote], rank: usize) -> i64 {
        fill(bids, rank, self.last_bid, self.bid_left)
    }

    /// Quantity of the ask of rank `rank` that is served in merit order.
    pub fn ask_fill(&self, asks: &[Quote], rank: usize) -> i64 {
        fill(asks, rank, self.last_ask, self.ask_left)
    }
}

fn fill(side: &[Quote], rank: usize, last: usize, left: i64) -> i64 {
    match rank.cmp(&last) {
        std::cmp::Ordering::Less => side[rank].quantity,
        std::cmp::Ordering::Equal => side[rank].quantity - left,
        std::cmp::Ordering::Greater => 0,
    }
}

/// Matches best with best while a bid reaches an ask, handing each step to `step(bid rank, ask rank, quantity)`.
/// `None` where the best of each side do not meet.
pub fn sweep(bids: &[Quote], asks: &[Quote], mut step: impl FnMut(usize, usize, i64)) -> Option<Meeting> {
    let (mut b, mut a, mut volume) = (0, 0, 0);
    let (mut last_bid, mut last_ask) = (0, 0);
    let mut bid_left = bids.first()?.quantity;
    let mut ask_left = asks.first()?.quantity;
    while b < bids.len() && a < asks.len() && bids[b].price >= asks[a].price {
        let quantity = bid_left.min(ask_left);
        step(b, a, quantity);
        volume += quantity;
        (last_bid, last_ask) = (b, a);
        bid_left -= quantity;
        ask_left -= quantity;
        if bid_left == 0 {
            b += 1;
            bid_left = bids.get(b).map_or(0, |quote| quote.quantity);
        }
        if ask_left == 0 {
            a += 1;
            ask_left = asks.get(a).map_or(0, |quote| quote.quantity);
        }
    }
    if volume == 0 {
        return None;
    }
    // `b` and `a` are the first of each side with a remainder: the last served, cut, or the one behind it.
    let low = bids.get(b).map_or(asks[last_ask].price, |left| left.price.max(asks[last_ask].price));
    let high = asks.get(a).map_or(bids[last_bid].price, |left| left.price.min(bids[last_bid].price));
    Some(Meeting {
        volume,
        last_bid,
        last_ask,
        bid_left: if b == last_bid { bid_left } else { 0 },
        ask_left: if a == last_ask { ask_left } else { 0 },
        low,
        high,
    })
}

/// Pairs fills of two ranked sides by two pointers: `step(bid, ask, quantity)`.
///
/// `bids` and `asks` yield (position, fill) in rank order; fills of both sides have the same sum.
pub fn pair(
    bids: impl IntoIterator<Item = (u32, i64)>,
    asks: impl IntoIterator<Item = (u32, i64)>,
    mut step: impl FnMut(u32, u32, i64),
) {
    let mut bids = bids.into_iter().filter(|&(_, fill)| fill > 0);
    let mut asks = asks.into_iter().filter(|&(_, fill)| fill > 0);
    let (mut bid, mut ask) = (bids.next(), asks.next());
    while let (Some((buyer, wants)), Some((seller, has))) = (bid, ask) {
        let quantity = wants.min(has);
        step(buyer, seller, quantity);
        bid = if wants == quantity { bids.next() } else { Some((buyer, wants - quantity)) };
        ask = if has == quantity { asks.next() } else { Some((seller, has - quantity)) };
    }
    debug_assert!(bid.is_none() && ask.is_none(), "Invariant: what is sold is what is bought");
}
