//! The price of a call: what an uncross of the book as it stands would trade, and at which one price.
//!
//! Of all prices in whole ticks: those with the largest volume; of these, those with the smallest imbalance (bids at the
//! price or above less asks at the price or below); of these, where what is left over is bids alone the highest, and where
//! it is asks alone the lowest, since they would rather trade than wait; of these, the one nearest to the reference.
//!
//! What remains before the last step are the prices with the smallest imbalance in the clearing interval of
//! [`crate::auction::curve`]: at them nobody who is better than the price is left over. The middle of that interval, rounded
//! down as [`crate::auction::Uniform`] does, stands in for a reference that is not there.

use std::cmp::Ordering;

use crate::auction::price::{PriceRound, Share};

/// What a call trades, if it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The one price of all trades, ticks.
    pub price: i64,
    /// Lots that trade, those counted that a rule against trades with oneself takes out.
    pub volume: u64,
    /// Lots of bids at the price or above less lots of asks at the price or below: what is left over of them.
    pub imbalance: i64,
}

/// Lots at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::book) struct Lots {
    pub price: i64,
    pub lots: u64,
}

/// The call of two sides, each one entry a price, best first; `None` where nothing crosses.
pub(in crate::book) fn call_of(bids: &[Lots], asks: &[Lots], reference: Option<i64>) -> Option<Call> {
    let (mut bids, mut asks) = (bids.iter().copied(), asks.iter().copied());
    let (mut bid, mut ask) = (bids.next(), asks.next());
    let (mut volume, mut last) = (0, None);
    while let (Some(buys), Some(sells)) = (bid, ask) {
        if buys.price < sells.price {
            break;
        }
        let lots = buys.lots.min(sells.lots);
        volume += lots;
        last = Some((buys.price, sells.price));
        bid = if buys.lots > lots { Some(Lots { lots: buys.lots - lots, ..buys }) } else { bids.next() };
        ask = if sells.lots > lots { Some(Lots { lots: sells.lots - lots, ..sells }) } else { asks.next() };
    }
    let (last_bid, last_ask) = last?;
    // Below `low` somebody would be left over who bids more, above `high` somebody who asks less.
    let low = bid.map_or(last_ask, |bid| bid.price.max(last_ask));
    let high = ask.map_or(last_bid, |ask| ask.price.min(last_bid));
    let bids_left = bid.filter(|bid| bid.price == low).map_or(0, |bid| bid.lots);
    let asks_left = ask.filter(|ask| ask.price == high).map_or(0, |ask| ask.lots);
    // Between the two nobody is left over; at each those who quote it are, if the other end is not there, too.
    let inner = (low + i64::from(bids_left > 0), high - i64::from(asks_left > 0));
    let (least, most) = match (inner.0 <= inner.1, bids_left.cmp(&asks_left)) {
        (true, _) => inner,
        (false, Ordering::Less) => (low, low),
        (false, Ordering::Greater) => (high, high),
        (false, Ordering::Equal) => (low, high),
    };
    let (least, most) = if low == high { (low, high) } else { (least, most) };
    let price = reference.unwrap_or_else(|| Share::HALF.of(low, high, PriceRound::Floor)).clamp(least, most);
    let left = |at: i64, lots: u64| if price == at { lots.cast_signed() } else { 0 };
    Some(Call { price, volume, imbalance: left(low, bids_left) - left(high, asks_left) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auction::rationing::Rationing;
    use crate::auction::{Mechanism, Uniform};
    use crate::batch::{Want, clear};
    use crate::order::{BUY, Columns, Integers};

    type Order = (u8, i64, u64);

    fn mixed(state: &mut u64, below: u64) -> u64 {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % below
    }

    /// One entry a price, best first.
    fn side(orders: &[Order], of: u8) -> Vec<Lots> {
        let mut prices: Vec<i64> = orders.iter().filter(|order| order.0 == of).map(|order| order.1).collect();
        prices.sort_unstable();
        prices.dedup();
        if of == BUY {
            prices.reverse();
        }
        let lots =
            |price: i64| orders.iter().filter(|order| (order.0, order.1) == (of, price)).map(|order| order.2).sum();
        prices.into_iter().map(|price| Lots { price, lots: lots(price) }).collect()
    }

    /// Bids at a price or above, asks at a price or below.
    fn demand_and_supply(orders: &[Order], price: i64) -> (i64, i64) {
        let lots =
            |wants: &dyn Fn(&&Order) -> bool| orders.iter().filter(wants).map(|order| order.2.cast_signed()).sum();
        (lots(&|order| order.0 == BUY && order.1 >= price), lots(&|order| order.0 != BUY && order.1 <= price))
    }

    /// Tries every price, and keeps step by step those that are best.
    fn twin(orders: &[Order], reference: Option<i64>) -> Option<Call> {
        let first = orders.iter().map(|order| order.1).min()? - 2;
        let last = orders.iter().map(|order| order.1).max()? + 2;
        let at = |price: i64| {
            let (demand, supply) = demand_and_supply(orders, price);
            (demand.min(supply), demand - supply)
        };
        let mut prices: Vec<i64> = (first..=last).collect();
        let volume = prices.iter().map(|&price| at(price).0).max()?;
        if volume == 0 {
            return None;
        }
        prices.retain(|&price| at(price).0 == volume);
        // A price clears if just below it nobody wants to sell more than is bid for, and just above it nobody to buy.
        let balances = |price: i64| {
            let ((demand, supply), above, below) = (
                demand_and_supply(orders, price),
                demand_and_supply(orders, price + 1).0,
                demand_and_supply(orders, price - 1).1,
            );
            demand >= below && above <= supply
        };
        let clears: Vec<i64> = prices.iter().copied().filter(|&price| balances(price)).collect();
        let middle = (clears[0] + clears[clears.len() - 1]).div_euclid(2);
        let imbalance = prices.iter().map(|&price| at(price).1.abs()).min()?;
        prices.retain(|&price| at(price).1.abs() == imbalance);
        let (highest, lowest) = (prices[prices.len() - 1], prices[0]);
        if prices.iter().all(|&price| at(price).1 > 0) {
            prices = vec![highest];
        } else if prices.iter().all(|&price| at(price).1 < 0) {
            prices = vec![lowest];
        } else if imbalance > 0 {
            // Bids left over at the lower ones, asks at the higher ones: the two at which that turns.
            let turn = prices.iter().copied().filter(|&price| at(price).1 > 0).max()?;
            prices = vec![turn, turn + 1];
        }
        let reference = reference.unwrap_or(middle);
        let price = prices.into_iter().min_by_key(|price| (price - reference).abs())?;
        assert!(clears.contains(&price), "nobody who is better than the price is left over");
        Some(Call { price, volume: volume.cast_unsigned(), imbalance: at(price).1 })
    }

    fn draw(seed: u64) -> (Vec<Order>, Option<i64>) {
        let state = &mut seed.clone();
        let (width, most) = ([1, 2, 3, 6, 20][mixed(state, 5) as usize], [1, 2, 4, 30][mixed(state, 4) as usize]);
        let mid = mixed(state, 9).cast_signed() - 4;
        let orders = (0..mixed(state, 12))
            .map(|_| {
                let side = mixed(state, 2) as u8;
                (side, mid + mixed(state, width).cast_signed(), 1 + mixed(state, most))
            })
            .collect();
        let reference = (mixed(state, 3) > 0).then(|| mid + mixed(state, width + 6).cast_signed() - 3);
        (orders, reference)
    }

    #[test]
    fn the_price_is_that_of_trying_every_price() {
        let (mut called, mut turned, mut between) = (0, 0, 0);
        for seed in 0..40_000 {
            let (orders, reference) = draw(seed);
            let call = call_of(&side(&orders, BUY), &side(&orders, 0), reference);
            assert_eq!(call, twin(&orders, reference), "{orders:?}, reference {reference:?}");
            let Some(call) = call else { continue };
            called += 1;
            turned += u32::from(call.imbalance != 0);
            between += u32::from(reference == Some(call.price) && call.imbalance == 0);
        }
        assert!(called > 10_000 && turned > 3_000 && between > 300, "{called}, {turned}, {between}");
    }

    /// The same orders in an auction: its volume, and a price in its interval.
    #[test]
    fn an_auction_of_the_same_orders_agrees() {
        let uniform = Mechanism::from(Uniform { rationing: Rationing::Time, ..Uniform::default() });
        let (mut called, mut same) = (0, 0);
        for seed in 0..20_000 {
            let (orders, reference) = draw(seed ^ 0xCA11);
            let (sides, prices): (Vec<u8>, Vec<i64>) = orders.iter().map(|order| (order.0, order.1)).unzip();
            let quantities: Vec<i64> = orders.iter().map(|order| order.2.cast_signed()).collect();
            let columns = Columns {
                side: &sides,
                price: Integers::Wide(&prices),
                quantity: Integers::Wide(&quantities),
                ..Columns::default()
            };
            let clearing = clear(&columns, &uniform, Want::default(), 1, &mut vec![0; sides.len()]).unwrap();
            let call = call_of(&side(&orders, BUY), &side(&orders, 0), reference);
            let outcome = clearing.outcomes.first().filter(|outcome| outcome.volume > 0);
            assert_eq!(call.map(|call| call.volume.cast_signed()), outcome.map(|outcome| outcome.volume), "{orders:?}");
            let (Some(call), Some(outcome)) = (call, outcome) else { continue };
            assert!((outcome.price_low..=outcome.price_high).contains(&call.price), "{call:?} {outcome:?}");
            called += 1;
            if reference.is_none() && call.imbalance == 0 {
                let (low, high) = (outcome.price_low, outcome.price_high);
                same += u32::from(call.price == outcome.price_buy);
                assert!(call.price == outcome.price_buy || high - low <= 1, "{call:?} {outcome:?}");
            }
        }
        assert!(called > 5_000 && same > 500, "{called}, {same}");
    }

    #[test]
    fn extremes_fit() {
        let most = i64::from(i32::MAX);
        let lots = u64::from(u32::MAX) << 31;
        let (bids, asks) = ([Lots { price: most, lots }], [Lots { price: -most, lots: lots - 1 }]);
        let call = Call { price: most, volume: lots - 1, imbalance: 1 };
        assert_eq!(call_of(&bids, &asks, None), Some(call));
        assert_eq!(
            call_of(&bids, &asks, Some(i64::from(i32::MIN))),
            Some(call),
            "a bid is left over: it pays its limit"
        );
        let balanced = [Lots { price: -most, lots }];
        assert_eq!(call_of(&bids, &balanced, None).map(|call| call.price), Some(0));
        assert_eq!(call_of(&bids, &balanced, Some(5)).map(|call| call.price), Some(5));
        assert_eq!(call_of(&bids, &[], None), None);
        assert_eq!(call_of(&asks, &bids, None), None, "nothing crosses");
    }
}
