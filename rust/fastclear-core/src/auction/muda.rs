//! MUDA (Segal-Halevi, Hassidim & Aumann 2018): participants are split in two halves by lot, and each half trades at the
//! price that clears the other. Truthful given the split, and close to efficient in large markets.

use super::deal::Outcome;
use super::displaced::Displaced;
use super::lottery::Lottery;
use super::ranked::{Market, Quote, Ranked, sweep};
use super::vickrey::{by_agent, trade_sums};

/// How the long side of a half is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Participants in random order, each with its best units first: exactly budget balanced.
    Lottery,
    /// The best units, each winner paying a fee for whom it keeps out: more welfare, a surplus of the fees.
    Vickrey,
}

/// Multi-unit double auction over participants with any number of orders on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Muda {
    /// How the long side is served.
    pub variant: Variant,
    /// Seed of the coins and of the lottery.
    pub seed: u64,
}

impl Muda {
    /// Clears one market; prices and sums over 2.
    pub fn clear(self, book: &Ranked, market: &Market<'_>, out: &mut Outcome) {
        let mut lottery = market.lottery(self.seed);
        let right = halves(book, market, &mut lottery);
        let half = |quotes: &[Quote], wanted: bool| -> Vec<Quote> {
            quotes.iter().copied().filter(|quote| right[quote.order as usize] == wanted).collect()
        };
        let halves =
            [false, true].map(|wanted| Ranked { bids: half(&book.bids, wanted), asks: half(&book.asks, wanted) });
        out.half_prices = [price(&halves[0]), price(&halves[1])];
        for (own, half) in halves.iter().enumerate() {
            if let Some(price) = out.half_prices[1 - own] {
                self.trade(half, price, market, &mut lottery, out);
            }
        }
    }

    /// Trades one half at the other's price (over 2).
    fn trade(self, half: &Ranked, price: i64, market: &Market<'_>, lottery: &mut Lottery, out: &mut Outcome) {
        // Ranked best first: the willing are a prefix of each side.
        let bids = &half.bids[..half.bids.partition_point(|quote| 2 * quote.price > price)];
        let asks = &half.asks[..half.asks.partition_point(|quote| 2 * quote.price < price)];
        let total = |side: &[Quote]| side.iter().map(|quote| quote.quantity).sum::<i64>();
        let volume = total(bids).min(total(asks));
        let serve = |side: &[Quote], lottery: &mut Lottery| {
            if total(side) == volume || self.variant == Variant::Vickrey {
                in_turn(side, 0..side.len(), volume)
            } else {
                in_turn(side, drawn(side, market, lottery), volume)
            }
        };
        let (bid_fills, ask_fills) = (serve(bids, lottery), serve(asks, lottery));
        match self.variant {
            Variant::Lottery => {
                let fills = |side: &[Quote], fills: Vec<i64>| {
                    side.iter().map(|quote| quote.order).zip(fills).collect::<Vec<(u32, i64)>>()
                };
                out.trade_at(fills(bids, bid_fills), fills(asks, ask_fills), (price, price));
            }
            Variant::Vickrey => {
                let paid = with_fees(bids, &bid_fills, price, market);
                let received = with_fees(asks, &ask_fills, price, market);
                trade_sums(out, (bids, &bid_fills, &paid), (asks, &ask_fills, &received), grain(price));
            }
        }
    }
}

/// Sums over 2 are split in whole ticks × lots where the price is a whole tick, so that no market's numbers depend on
/// whether another needs halves.
const fn grain(price: i64) -> i64 {
    if price % 2 == 0 { 2 } else { 1 }
}

/// Which orders belong to the right half.
fn halves(book: &Ranked, market: &Market<'_>, lottery: &mut Lottery) -> Vec<bool> {
    let orders = || book.bids.iter().chain(&book.asks).map(|quote| quote.order);
    let mut right = vec![false; book.bids.len() + book.asks.len()];
    if let Some(half) = market.half {
        orders().for_each(|order| right[order as usize] = half[order as usize] != 0);
        return right;
    }
    let mut by_agent: Vec<(i64, u32)> = orders().map(|order| (market.agent(order), order)).collect();
    by_agent.sort_unstable();
    for mine in by_agent.chunk_by(|a, b| a.0 == b.0) {
        let coin = lottery.coin();
        for &(_, order) in mine {
            right[order as usize] = coin;
        }
    }
    right
}

/// Midpoint of the half's clearing interval over 2; without a match that of the best bid and ask; none with a side empty.
fn price(half: &Ranked) -> Option<i64> {
    match sweep(&half.bids, &half.asks, |_, _, _| {}) {
        Some(meeting) => Some(meeting.low + meeting.high),
        None => Some(half.bids.first()?.price + half.asks.first()?.price),
    }
}

/// Serves the orders of `side` in the order of `ranks` until `volume` is used up.
fn in_turn(side: &[Quote], ranks: impl IntoIterator<Item = usize>, volume: i64) -> Vec<i64> {
    let mut fills = vec![0; side.len()];
    let mut left = volume;
    for rank in ranks {
        fills[rank] = side[rank].quantity.min(left);
        left -= fills[rank];
    }
    fills
}

/// Ranks of the orders of `side`, agent after agent as drawn (or in the turns given), best first within an agent.
fn drawn(side: &[Quote], market: &Market<'_>, lottery: &mut Lottery) -> Vec<usize> {
    let mut ranks: Vec<usize> = (0..side.len()).collect();
    let turn = |rank: usize| market.turn.map_or(0, |turn| turn[side[rank].order as usize]);
    ranks.sort_by_key(|&rank| (turn(rank), market.agent(side[rank].order)));
    let mut agents: Vec<&[usize]> =
        ranks.chunk_by(|&a, &b| market.agent(side[a].order) == market.agent(side[b].order)).collect();
    if market.turn.is_none() {
        lottery.shuffle(&mut agents);
    }
    agents.concat()
}

/// What each order pays or receives over 2: the price, and a fee that is the surplus of the best units of others kept out.
fn with_fees(side: &[Quote], fills: &[i64], price: i64, market: &Market<'_>) -> Vec<i64> {
    let mut list = Displaced::new();
    let mut place_of = vec![usize::MAX; side.len()];
    for (rank, quote) in side.iter().enumerate() {
        let left = quote.quantity - fills[rank];
        if left > 0 {
            place_of[rank] = list.push(quote.price, left);
        }
    }
    by_agent(side, fills, market, grain(price), |ranks, lots| {
        let own: Vec<usize> = ranks.iter().map(|&rank| place_of[rank]).filter(|&place| place != usize::MAX).collect();
        let (value, kept_out) = list.first(lots, &own);
        // Bids kept out are worth more than the price, asks less: the fee raises what a bid pays and lowers what an ask gets.
        i128::from(price) * i128::from(lots) + 2 * value - i128::from(price) * i128::from(kept_out)
    })
}
