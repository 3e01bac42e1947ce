//! MUDA (Segal-Halevi, Hassidim & Aumann 2018): participants are split in two halves by lot, and each half trades at the
//! price that clears the other. Truthful given the split, and close to efficient in large markets.

use super::book::{Book, Number};
use super::charge::Charge;
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
        let mut halves = std::mem::take(&mut scratch.halves);
        for (right, (half, found)) in halves.iter_mut().zip(&mut outcome.half_prices).enumerate() {
            half.take(book, &market.priority, |_, _, i| usize::from(scratch.right[i]) == right);
            *found = price(half, &mut scratch.fills, &mut scratch.curve)?;
        }
        for (half, price) in halves.iter().zip([outcome.half_prices[1], outcome.half_prices[0]]) {
            if let Some(price) = price {
                self.trade(half, price, market, &mut lottery, results, scratch, &mut outcome)?;
            }
        }
        scratch.halves = halves;
        outcome.is_odd = outcome.half_prices.iter().flatten().any(|price| price % 2 != 0);
        outcome.welfare = simd::welfare(book, results.filled);
        Some(outcome)
    }

    /// Trades one half at the other's price (over 2).
    fn trade(
        self,
        half: &Part,
        price: i64,
        market: &Market<'_>,
        lottery: &mut Lottery,
        results: &mut Results<'_>,
        scratch: &mut Scratch,
        outcome: &mut Outcome,
    ) -> Option<()> {
        let Scratch { curve, part: willing, fills, prices, displaced, amounts, agents, positions, groups, .. } =
            scratch;
        willing.take(
            &half.book(),
            &half.priority(),
            |is_bid, limit, _| {
                if is_bid { 2 * limit > price } else { 2 * limit < price }
            },
        );
        willing.reach_through(half);
        let book = willing.book();
        let total = |side| {
            book.side
                .iter()
                .zip(book.quantity)
                .fold(0_i64, |sum, (&its_side, &quantity)| sum + if its_side == side { i64::from(quantity) } else { 0 })
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
                draw(willing, long, market, lottery, positions, groups);
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
                let eager = Book { price: &**prices, ..book };
                let crossing = curve::cross(&eager, &Terms::by_merit(&willing.priority()), fills, curve)?.1;
                level = crossing.map_or(level, |crossing| crossing.low);
            }
            _ => {}
        }
        if volume == 0 {
            return Some(());
        }
        outcome.volume += volume;
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
        right.extend(half.iter().map(|&half| half != 0));
        return;
    }
    match market.participant.or(market.priority.order).filter(|ids| !ids.is_sorted_by(|a, b| a < b)) {
        // One coin an order.
        None => right.extend((0..orders).map(|_| lottery.coin())),
        Some(ids) => {
            right.resize(orders, false);
            for mine in agents.sort(ids).chunk_by(|a, b| a.0 == b.0) {
                let coin = lottery.coin();
                for &(_, i) in mine {
                    right[i as usize] = coin;
                }
            }
        }
    }
}

/// Midpoint of the half's clearing interval over 2; without a match that of the best bid and ask; none with a side empty.
fn price(half: &Part, fills: &mut Vec<i64>, curve: &mut curve::Scratch) -> Option<Option<i64>> {
    fills.resize(half.len(), 0);
    let crossing = curve::cross(&half.book(), &Terms::by_merit(&half.priority()), fills, curve)?.1;
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
    groups: &mut Vec<(u32, u32)>,
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
    let turn = |i: u32| market.turn.map_or(0, |turn| turn[position(i) as usize]);
    let priority = willing.priority();
    let rank = |i: u32| {
        let price = i64::from(book.price[i as usize]);
        (if long == BUY { -price } else { price }, priority.key(i as usize))
    };
    queue.sort_unstable_by_key(|&i| (turn(i), agent(i), rank(i)));
    if market.turn.is_none() {
        groups.clear();
        let mut start = 0;
        for mine in queue.chunk_by(|&a, &b| agent(a) == agent(b)) {
            groups.push((start, start + mine.len() as u32));
            start += mine.len() as u32;
        }
        lottery.shuffle(groups);
        let sorted = std::mem::take(queue);
        for &(start, end) in &*groups {
            queue.extend_from_slice(&sorted[start as usize..end as usize]);
        }
    }
}
