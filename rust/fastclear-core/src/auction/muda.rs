//! MUDA (Segal-Halevi, Hassidim & Aumann 2018): participants are split in two halves by lot, and each half trades at the
//! price that clears the other. Truthful given the split, and close to efficient in large markets.

use super::book::{Book, Number, Priority};
use super::charge::{Agents, Charge};
use super::curve::{self, Crossing, Terms};
use super::deal::{Outcome, Results};
use super::displaced::Listing;
use super::lottery::Lottery;
use super::part::Part;
use super::ranked::{Market, Scratch};
use crate::order::{BUY, SELL};
use crate::simd::{self, Units};
use crate::units::PRICE_MAX;

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
    /// Clears one market; prices and sums over 2. `None` where a value is one that no order may carry.
    pub fn clear<P: Number, Q: Number>(
        self,
        book: &Book<'_, P, Q>,
        market: &Market<'_>,
        results: &mut Results<'_>,
        scratch: &mut Scratch,
    ) -> Option<Outcome> {
        if !simd::all_in_range(book.side, book.price, book.quantity) {
            return None;
        }
        results.filled.fill(0);
        let bids = book.side.iter().map(|&side| u32::from(side)).sum();
        let mut outcome = Outcome { bids, ..Outcome::default() };
        let mut lottery = market.lottery(self.seed);
        toss(market, book.len(), &mut lottery, scratch);
        let Scratch { parts: [left, right], right: is_right, class, curve, .. } = scratch;
        // Prices come of nobody's priority.
        let unordered = Priority { time: None, order: None, ..market.priority };
        Part::split(book, &unordered, is_right, [left, right]);
        outcome.half_prices = [price(left, curve.get())?, price(right, curve.get())?];
        outcome.is_odd = outcome.half_prices.iter().flatten().any(|price| price % 2 != 0);
        // Each half trades at the other's price. Where there is none, the half's own orders are picked in vain.
        let [left_found, right_found] = outcome.half_prices;
        class.resize(book.len(), 0);
        let prices = (right_found.unwrap_or(0), left_found.unwrap_or(0));
        simd::willing((book.side, book.price), is_right, prices, class);
        Part::split(book, &market.priority, class, [left, right]);
        let parts = std::mem::take(&mut scratch.parts);
        for (willing, price) in parts.iter().zip([right_found, left_found]) {
            if let Some(price) = price {
                self.trade(willing, price, market, &mut lottery, results, scratch, &mut outcome)?;
            }
        }
        scratch.parts = parts;
        Some(outcome)
    }

    /// Trades the willing of one half at the other's price (over 2).
    #[expect(clippy::too_many_arguments, reason = "what a market carries, and where its results go")]
    fn trade(
        self,
        willing: &Part,
        price: i64,
        market: &Market<'_>,
        lottery: &mut Lottery,
        results: &mut Results<'_>,
        scratch: &mut Scratch,
        outcome: &mut Outcome,
    ) -> Option<()> {
        let Scratch { curve, fills, prices, displaced, amounts, agents, positions, groups, .. } = scratch;
        let book = willing.book();
        let total = |side| {
            let rows = book.side.iter().zip(book.quantity);
            rows.fold(0, |sum, (&its_side, &quantity)| sum + if its_side == side { i64::from(quantity) } else { 0 })
        };
        let (demand, supply) = (total(BUY), total(SELL));
        let volume = demand.min(supply);
        let long = if demand > supply { BUY } else { SELL };
        fills.clear();
        fills.resize(book.len(), 0);
        // Price at which an order may be served in part.
        let mut level = 0;
        match self.variant {
            Variant::Lottery if demand != supply => {
                draw(willing, long, market, lottery, positions, (agents, groups));
                let mut left = volume;
                for &i in &*positions {
                    let fill = left.min(book.quantity[i as usize].into());
                    fills[i as usize] = fill;
                    left -= fill;
                }
                for ((fill, &side), &quantity) in fills.iter_mut().zip(book.side).zip(book.quantity) {
                    *fill = if side == long { *fill } else { quantity.into() };
                }
            }
            _ if volume > 0 => {
                // The short side comes at a price that meets any: it is served whole, and the best of the long side.
                let extreme = if long == BUY { -PRICE_MAX } else { PRICE_MAX } as i32;
                prices.clear();
                prices.extend(book.side.iter().zip(book.price).map(
                    |(&side, &price)| {
                        if side == long { price } else { extreme }
                    },
                ));
                let eager = Book { price: prices, ..book };
                let crossing = curve::cross(&eager, &Terms::by_merit(&willing.priority()), fills, curve.get())?.1;
                level = crossing.map_or(level, |crossing| crossing.low);
            }
            _ => {}
        }
        if volume == 0 {
            return Some(());
        }
        outcome.volume += volume;
        outcome.welfare += simd::welfare(&book, fills);
        if self.variant == Variant::Lottery {
            outcome.buyer_payment += i128::from(price) * i128::from(volume);
            outcome.seller_revenue += i128::from(price) * i128::from(volume);
            results.trade_part_at(willing, fills, price, positions);
            return Some(());
        }
        agents.clear();
        if let (true, Some(ids)) = (demand != supply, market.participant) {
            // Of the long side; on the short side an agent's sum is that of its orders.
            let ids: Vec<i64> = willing.positions().iter().map(|&i| ids[i as usize]).collect();
            agents.group(&ids);
        }
        let grain = grain(price);
        let priority = &willing.priority();
        // Bids kept out are worth more than the price, asks less: the fee, which is what they are worth beyond it, raises what
        // a bid pays and lowers what an ask gets.
        let listings = [SELL, BUY].map(|side| {
            let units = Units { side, with_others: false, highest_first: side == BUY };
            let listing = Listing { units, price_factor: 2, due_for_none: price };
            if side == long && demand != supply { Ok(listing) } else { Err(price) }
        });
        let charge = Charge { book: &book, priority, filled: fills, level, listings, agents, grain };
        amounts.resize(book.len(), 0);
        let [received, paid] = charge.charge(displaced, positions, amounts);
        outcome.seller_revenue += received;
        outcome.buyer_payment += paid;
        results.trade_part_for(willing, fills, (&amounts[..book.len()], grain), positions);
        Some(())
    }
}

/// Sums over 2 are split in whole ticks × lots where the price is a whole tick, so that no market's numbers depend on
/// whether another needs halves.
const fn grain(price: i64) -> i64 {
    if price % 2 == 0 { 2 } else { 1 }
}

/// Decides which orders belong to the right half: as told, or by one coin an agent, in the order of their ids.
fn toss(market: &Market<'_>, orders: usize, lottery: &mut Lottery, scratch: &mut Scratch) {
    let Scratch { right, agents, .. } = scratch;
    right.clear();
    if let Some(half) = market.half {
        right.extend(half.iter().map(|&half| u8::from(half != 0)));
        return;
    }
    match market.participant.or(market.priority.order).filter(|ids| !ids.is_sorted_by(|a, b| a < b)) {
        // One coin an order.
        None => right.extend((0..orders).map(|_| u8::from(lottery.coin()))),
        Some(ids) => {
            right.resize(orders, 0);
            for mine in agents.sort(ids).chunk_by(|a, b| a.0 == b.0) {
                let coin = u8::from(lottery.coin());
                for &(_, i) in mine {
                    right[i as usize] = coin;
                }
            }
        }
    }
}

/// Midpoint of the half's clearing interval over 2; without a match that of the best bid and ask; none with a side empty.
#[expect(
    clippy::option_option,
    reason = "the outer one ends every clearing of columns that hold what no order may carry"
)]
fn price(half: &Part, curve: &mut curve::Scratch) -> Option<Option<i64>> {
    let crossing = curve::cross(&half.book(), &Terms::by_merit(&half.priority()), &mut [], curve)?.1;
    Some(match crossing {
        Some(Crossing { low, high, .. }) => Some(low + high),
        None => match simd::best_limits(&half.book()) {
            (i64::MIN, _) | (_, i64::MAX) => None,
            (best_bid, best_ask) => Some(best_bid + best_ask),
        },
    })
}

/// The places in `willing` of the orders of the side `long`, agent after agent as drawn (or in the turns given), best first
/// within an agent.
fn draw(
    willing: &Part,
    long: u8,
    market: &Market<'_>,
    lottery: &mut Lottery,
    queue: &mut Vec<u32>,
    (agents, groups): (&mut Agents, &mut Vec<(u32, u32)>),
) {
    let book = willing.book();
    queue.clear();
    queue.extend((0..book.len() as u32).filter(|&i| book.side[i as usize] == long));
    let position = |i: u32| willing.positions()[i as usize];
    let agent = |i: u32| market.agent(position(i));
    if market.turn.is_none() && queue.is_sorted_by(|&a, &b| agent(a) < agent(b)) {
        // One order an agent, in the order of their ids already.
        lottery.shuffle(queue);
        return;
    }
    let priority = willing.priority();
    let rank = |i: u32| {
        let price = i64::from(book.price[i as usize]);
        (if long == BUY { -price } else { price }, priority.key(i as usize))
    };
    if let Some(turn) = market.turn {
        queue.sort_unstable_by_key(|&i| (turn[position(i) as usize], agent(i), rank(i)));
        return;
    }
    let ids: Vec<i64> = queue.iter().map(|&i| agent(i)).collect();
    let mut sorted: Vec<u32> = Vec::with_capacity(queue.len());
    groups.clear();
    for mine in agents.sort(&ids).chunk_by(|a, b| a.0 == b.0) {
        let start = sorted.len();
        sorted.extend(mine.iter().map(|&(_, place)| queue[place as usize]));
        if mine.len() > 1 {
            sorted[start..].sort_unstable_by_key(|&i| rank(i));
        }
        groups.push((start as u32, sorted.len() as u32));
    }
    lottery.shuffle(groups);
    queue.clear();
    for &(start, end) in &*groups {
        queue.extend_from_slice(&sorted[start as usize..end as usize]);
    }
}
