//! VCG double auction (Vickrey 1961, Clarke 1971, Groves 1973): the efficient trades, each participant at what its presence
//! costs the others. Truthful and efficient, hence in deficit (Myerson & Satterthwaite 1983).
//!
//! With the crossing at hand, a buyer of x units keeps out the x best of two lists: units of accepted asks (dearest first),
//! which nobody would have had to produce, and units of bids left over of others (best first). Its payment is their
//! value. Sellers likewise. Prefix sums over the merged lists make that O(log N) a winner.

use super::deal::{Outcome, split};
use super::displaced::Displaced;
use super::ranked::{Market, Quote, Ranked, sweep};

/// Multi-unit Vickrey–Clarke–Groves double auction over participants with any number of orders on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vickrey;

impl Vickrey {
    /// Clears one market; what buyers pay and sellers receive are sums.
    pub fn clear(self, book: &Ranked, market: &Market<'_>, out: &mut Outcome) {
        let Ranked { bids, asks } = book;
        let Some(meeting) = sweep(bids, asks, |_, _, _| {}) else {
            return;
        };
        out.crossed(&meeting);
        let bid_fills: Vec<i64> = (0..=meeting.last_bid).map(|rank| meeting.bid_fill(bids, rank)).collect();
        let ask_fills: Vec<i64> = (0..=meeting.last_ask).map(|rank| meeting.ask_fill(asks, rank)).collect();
        let paid = payments(bids, &bid_fills, asks, &ask_fills, market, true);
        let received = payments(asks, &ask_fills, bids, &bid_fills, market, false);
        trade_sums(out, (bids, &bid_fills, &paid), (asks, &ask_fills, &received), 1);
    }
}

/// What each served order of `side` pays (a bid) or receives (an ask), by rank.
fn payments(
    side: &[Quote],
    fills: &[i64],
    other: &[Quote],
    other_fills: &[i64],
    market: &Market<'_>,
    is_bid: bool,
) -> Vec<i64> {
    // Merge the other side's served units, last first, with this side's unserved ones, best first.
    let better = |a: i64, b: i64| if is_bid { a >= b } else { a <= b };
    let mut list = Displaced::new();
    let mut place_of = vec![usize::MAX; side.len()];
    let mut served = (0..other_fills.len()).rev().peekable();
    let unserved = |rank: usize| side[rank].quantity - fills.get(rank).copied().unwrap_or(0);
    for rank in fills.len() - 1..side.len() {
        let left = unserved(rank);
        if left == 0 {
            continue;
        }
        while let Some(&theirs) = served.peek() {
            if !better(other[theirs].price, side[rank].price) {
                break;
            }
            list.push(other[theirs].price, other_fills[theirs]);
            served.next();
        }
        place_of[rank] = list.push(side[rank].price, left);
    }
    for theirs in served {
        list.push(other[theirs].price, other_fills[theirs]);
    }
    by_agent(side, fills, market, 1, |ranks, lots| {
        let own: Vec<usize> = ranks.iter().map(|&rank| place_of[rank]).filter(|&place| place != usize::MAX).collect();
        list.first(lots, &own).0
    })
}

/// Asks `due(the agent's ranks, best first; its lots)` for every agent with a fill, and splits the answer over its served
/// orders in proportion to their fills, in units of `grain`, ties in priority order.
pub(super) fn by_agent(
    side: &[Quote],
    fills: &[i64],
    market: &Market<'_>,
    grain: i64,
    mut due: impl FnMut(&[usize], i64) -> i128,
) -> Vec<i64> {
    let mut amounts = vec![0; fills.len()];
    // Sorted by agent, best first within one.
    let mut by_agent: Vec<(i64, usize)> =
        side.iter().enumerate().map(|(rank, quote)| (market.agent(quote.order), rank)).collect();
    by_agent.sort_unstable();
    let (mut mine, mut served) = (Vec::new(), Vec::new());
    for agent in by_agent.chunk_by(|a, b| a.0 == b.0) {
        mine.clear();
        mine.extend(agent.iter().map(|&(_, rank)| rank));
        served.clear();
        served.extend(mine.iter().copied().filter(|&rank| fills.get(rank).is_some_and(|&fill| fill > 0)));
        if served.is_empty() {
            continue;
        }
        let lots = served.iter().map(|&rank| fills[rank]).sum();
        let total = due(&mine, lots);
        if let [rank] = served[..] {
            amounts[rank] = total as i64;
            continue;
        }
        served.sort_by_key(|&rank| market.priority.key(side[rank].order as usize));
        let weights: Vec<i64> = served.iter().map(|&rank| fills[rank]).collect();
        for (&rank, amount) in served.iter().zip(split(total / i128::from(grain), &weights)) {
            amounts[rank] = amount * grain;
        }
    }
    amounts
}

/// One side by rank: its orders, what each is served and what it pays or receives in all.
pub(super) type Sums<'a> = (&'a [Quote], &'a [i64], &'a [i64]);

/// Pairs fills and splits each order's sum over its trades in proportion to quantity, in units of `grain`, by largest
/// remainder, ties in trade order.
pub(super) fn trade_sums(out: &mut Outcome, bids: Sums<'_>, asks: Sums<'_>, grain: i64) {
    let first = out.deals.len();
    let fills = |(side, fills, _): Sums<'_>| -> Vec<(u32, i64)> {
        side.iter().map(|quote| quote.order).zip(fills.iter().copied()).collect()
    };
    out.trade_at(fills(bids), fills(asks), (0, 0));
    let mut sums: Vec<(u32, i64)> = Vec::new();
    for (is_bid, (side, _, amounts)) in [(true, bids), (false, asks)] {
        sums.clear();
        sums.extend(side.iter().map(|quote| quote.order).zip(amounts.iter().copied()));
        sums.sort_unstable();
        // Both sides' fills are walked in rank order, so that an order's trades lie side by side.
        let party = |deal: &super::deal::Deal| if is_bid { deal.bid } else { deal.ask };
        for deals in out.deals[first..].chunk_by_mut(|a, b| party(a) == party(b)) {
            let order = party(&deals[0]);
            let sum = sums.binary_search_by_key(&order, |&(order, _)| order).map_or(0, |place| sums[place].1);
            if let [deal] = deals {
                *(if is_bid { &mut deal.buy } else { &mut deal.sell }) = sum;
                continue;
            }
            let weights: Vec<i64> = deals.iter().map(|deal| deal.quantity).collect();
            for (deal, part) in deals.iter_mut().zip(split(i128::from(sum / grain), &weights)) {
                *(if is_bid { &mut deal.buy } else { &mut deal.sell }) = part * grain;
            }
        }
    }
}
