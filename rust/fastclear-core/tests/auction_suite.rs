//! The mechanisms beyond the plain crossing against twins that are slow and obvious: lists, searched from the start
//! again and again, written from the rules and not from the code. Fills, payments and refusals must be the same on every
//! book: few prices, so that ties abound, one side empty, prices and quantities at their ends, participants with several
//! orders.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use common::{BOUND, Frame, Order, mechanisms, prices, quantities};
use fastclear_core::auction::deal::Branch;
use fastclear_core::auction::lottery::Lottery;
use fastclear_core::auction::maximal_volume::Walk;
use fastclear_core::auction::muda::Variant;
use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound, Share};
use fastclear_core::auction::{
    Average, Huang, MaximalVolume, Mechanism, Muda, MultiRound, RandomMatching, RankedRule, Rule, Sbba, TradeReduction,
    Vickrey,
};
use fastclear_core::reject::RejectReason;
use proptest::prelude::*;

/// What a twin says of one market: by order, in the order of its input. Prices and money are over 2.
#[derive(Debug, Default)]
struct Twin {
    filled: Vec<i64>,
    payment: Vec<i128>,
    /// Prices that were paid a unit, or stated.
    prices: Vec<i64>,
    /// Lowest and highest market-clearing price in ticks, where the mechanism states them.
    interval: Option<(i64, i64)>,
    half_prices: [Option<i64>; 2],
    branch: Branch,
    rounds: u32,
}

impl Twin {
    fn of(orders: &[Order]) -> Self {
        Self { filled: vec![0; orders.len()], payment: vec![0; orders.len()], ..Self::default() }
    }

    /// Serves a bid and an ask, who pay later.
    fn serve(&mut self, (bid, ask, lots): Deal) {
        self.filled[bid] += lots;
        self.filled[ask] += lots;
    }

    /// Serves a bid and an ask at unit prices over 2.
    fn trade(&mut self, deal: Deal, buy: i64, sell: i64) {
        let (bid, ask, lots) = deal;
        self.serve(deal);
        self.payment[bid] += i128::from(buy) * i128::from(lots);
        self.payment[ask] -= i128::from(sell) * i128::from(lots);
        self.prices.extend([buy, sell]);
    }
}

/// Places of a bid and an ask in the list of orders, lots.
type Deal = (usize, usize, i64);

/// Places of one side's orders, best first: price, time, id.
fn by_merit(orders: &[Order], buy: bool) -> Vec<usize> {
    let mut places: Vec<usize> = (0..orders.len()).filter(|&i| orders[i].buy == buy).collect();
    places.sort_by_key(|&i| (if buy { -orders[i].price } else { orders[i].price }, orders[i].time, orders[i].id));
    places
}

/// Every bid in turn takes what it can of every ask in turn.
fn take(orders: &[Order], bids: &[usize], asks: &[usize]) -> Vec<Deal> {
    let mut left: Vec<i64> = orders.iter().map(|order| order.quantity).collect();
    let mut deals = Vec::new();
    for &bid in bids {
        for &ask in asks {
            let lots = left[bid].min(left[ask]);
            if lots > 0 && orders[bid].price >= orders[ask].price {
                left[bid] -= lots;
                left[ask] -= lots;
                deals.push((bid, ask, lots));
            }
        }
    }
    deals
}

/// The efficient trades.
fn efficient(orders: &[Order]) -> Vec<Deal> {
    take(orders, &by_merit(orders, true), &by_merit(orders, false))
}

fn welfare(orders: &[Order]) -> i128 {
    let value = |&(bid, ask, lots): &Deal| i128::from(orders[bid].price - orders[ask].price) * i128::from(lots);
    efficient(orders).iter().map(value).sum()
}

/// Lots that the orders of one side ask for or offer among those that `wanted` names.
fn lots(orders: &[Order], buy: bool, wanted: impl Fn(i64) -> bool) -> i64 {
    orders.iter().filter(|order| order.buy == buy && wanted(order.price)).map(|order| order.quantity).sum()
}

/// Ends of the prices at which nobody who gains goes short, where anything trades. Ends are limits of orders.
fn interval(orders: &[Order]) -> Option<(i64, i64)> {
    let clears = |&p: &i64| {
        let (must_buy, may_buy) = (lots(orders, true, |price| price > p), lots(orders, true, |price| price >= p));
        let (must_sell, may_sell) = (lots(orders, false, |price| price < p), lots(orders, false, |price| price <= p));
        must_buy <= may_sell && must_sell <= may_buy
    };
    let clearing = || orders.iter().map(|order| order.price).filter(clears);
    (!efficient(orders).is_empty()).then(|| (clearing().min().unwrap(), clearing().max().unwrap()))
}

/// Splits `total` by weight: everybody the share rounded down, then one each to who is furthest below it, ties to the
/// first.
fn split(total: i128, weights: &[i64]) -> Vec<i128> {
    let sum: i128 = weights.iter().copied().map(i128::from).sum();
    let mut parts: Vec<i128> = weights.iter().map(|&weight| (total * i128::from(weight)).div_euclid(sum)).collect();
    let mut served = BTreeSet::new();
    while parts.iter().sum::<i128>() < total {
        let below = |i: usize| total * i128::from(weights[i]) - parts[i] * sum;
        let next = (0..weights.len()).filter(|i| !served.contains(i)).max_by_key(|&i| (below(i), Reverse(i))).unwrap();
        parts[next] += 1;
        served.insert(next);
    }
    parts
}

/// Participants of a list of orders, ascending.
fn agents(orders: &[Order]) -> BTreeSet<i64> {
    orders.iter().map(|order| order.participant).collect()
}

/// Places of the served orders of a participant, by time, then id.
fn served(orders: &[Order], filled: &[i64], agent: i64) -> Vec<usize> {
    let mut mine: Vec<usize> = (0..orders.len()).filter(|&i| orders[i].participant == agent && filled[i] > 0).collect();
    mine.sort_by_key(|&i| (orders[i].time, orders[i].id));
    mine
}

/// All that each participant's trades are worth less what the others would have without it.
fn vickrey(orders: &[Order]) -> Twin {
    let mut twin = Twin::of(orders);
    for deal in efficient(orders) {
        twin.serve(deal);
    }
    twin.interval = interval(orders);
    let all = welfare(orders);
    for agent in agents(orders) {
        let others: Vec<Order> = orders.iter().filter(|order| order.participant != agent).cloned().collect();
        let mine = served(orders, &twin.filled, agent);
        let fills: Vec<i64> = mine.iter().map(|&i| twin.filled[i]).collect();
        let sign = if mine.iter().any(|&i| orders[i].buy) { 1 } else { -1 };
        let value = |&i: &usize| sign * i128::from(orders[i].price) * i128::from(twin.filled[i]);
        let own: i128 = mine.iter().map(value).sum();
        let due = welfare(&others) - (all - own);
        if mine.is_empty() {
            assert_eq!(due, 0, "who does not trade costs the others nothing");
            continue;
        }
        for (i, part) in mine.into_iter().zip(split(sign * due, &fills)) {
            twin.payment[i] = 2 * sign * part;
        }
    }
    twin
}

/// Number of efficient pairs of orders of one unit, with both sides by merit.
fn efficient_pairs(orders: &[Order]) -> (usize, Vec<usize>, Vec<usize>) {
    let (bids, asks) = (by_merit(orders, true), by_merit(orders, false));
    let mut k = 0;
    while k < bids.len() && k < asks.len() && orders[bids[k]].price >= orders[asks[k]].price {
        k += 1;
    }
    (k, bids, asks)
}

fn trade_reduction(orders: &[Order], rule: TradeReduction) -> Twin {
    let mut twin = Twin::of(orders);
    let (k, bids, asks) = efficient_pairs(orders);
    if k == 0 {
        return twin;
    }
    twin.interval = interval(orders);
    let price = |i: usize| orders[i].price;
    let next_bid = bids.get(k).map_or(rule.cap_low, |&i| Some(price(i)));
    let next_ask = asks.get(k).map_or(rule.cap_high, |&i| Some(price(i)));
    let (bid, ask) = (price(bids[k - 1]), price(asks[k - 1]));
    let middle = next_bid.zip(next_ask).map(|(bid, ask)| bid + ask);
    let middle = middle.filter(|middle| rule.use_p0 && (2 * ask..=2 * bid).contains(middle));
    let (pairs, buy, sell) = middle.map_or((k - 1, 2 * bid, 2 * ask), |middle| (k, middle, middle));
    twin.branch = if middle.is_some() { Branch::AllTrade } else { Branch::Reduced };
    for i in 0..pairs {
        twin.trade((bids[i], asks[i], rule.unit), buy, sell);
    }
    twin
}

fn average(orders: &[Order], unit: i64) -> Twin {
    let mut twin = Twin::of(orders);
    let (k, bids, asks) = efficient_pairs(orders);
    twin.interval = interval(orders);
    for i in 0..k {
        let middle = orders[bids[k - 1]].price + orders[asks[k - 1]].price;
        twin.trade((bids[i], asks[i], unit), middle, middle);
    }
    twin
}

fn sbba(orders: &[Order], rule: Sbba, market_rank: u32) -> Twin {
    let mut twin = Twin::of(orders);
    let (k, bids, mut asks) = efficient_pairs(orders);
    if k == 0 {
        return twin;
    }
    twin.interval = interval(orders);
    let last = orders[bids[k - 1]].price;
    let next = asks.get(k).map(|&i| orders[i].price).filter(|&price| price <= last);
    let (pairs, price) = next.map_or((k - 1, last), |price| (k, price));
    twin.branch = if next.is_some() { Branch::SellerSetsPrice } else { Branch::BuyerSetsPrice };
    if next.is_none() {
        asks.remove(Lottery::new(rule.seed, market_rank).below(k));
    }
    for i in 0..pairs {
        twin.trade((bids[i], asks[i], rule.unit), 2 * price, 2 * price);
    }
    twin
}

/// Takes `burden` lots in equal parts off a list of orders and what they have.
fn carry(orders: &[Order], has: &mut [(usize, i64)], mut burden: i64) {
    let latest = |i: usize| (orders[i].time, orders[i].id);
    let mut active: Vec<usize> = (0..has.len()).collect();
    loop {
        let too_small = |&&n: &&usize| has[n].1 * (active.len() as i64) < burden;
        let smallest = active.iter().filter(too_small).min_by_key(|&&n| (has[n].1, Reverse(latest(has[n].0)))).copied();
        let Some(smallest) = smallest else {
            break;
        };
        burden -= has[smallest].1;
        has[smallest].1 = 0;
        active.retain(|&n| n != smallest);
    }
    let part = burden / active.len() as i64;
    let mut extra = burden % active.len() as i64;
    active.sort_by_key(|&n| Reverse(latest(has[n].0)));
    for n in active {
        has[n].1 -= part + extra.min(1);
        extra -= extra.min(1);
    }
}

fn huang(orders: &[Order]) -> Twin {
    let mut twin = Twin::of(orders);
    let deals = efficient(orders);
    let Some(&(last_bid, last_ask, _)) = deals.last() else {
        return twin;
    };
    twin.interval = interval(orders);
    let before = |side: Vec<usize>, last: usize| {
        side.into_iter().take_while(|&i| i != last).map(|i| (i, orders[i].quantity)).collect::<Vec<_>>()
    };
    let mut buyers = before(by_merit(orders, true), last_bid);
    let mut sellers = before(by_merit(orders, false), last_ask);
    let total = |side: &[(usize, i64)]| side.iter().map(|&(_, lots)| lots).sum::<i64>();
    let (demand, supply) = (total(&buyers), total(&sellers));
    if demand == 0 || supply == 0 {
        return twin;
    }
    carry(orders, &mut buyers, (demand - supply).max(0));
    carry(orders, &mut sellers, (supply - demand).max(0));
    let (buy, sell) = (2 * orders[last_bid].price, 2 * orders[last_ask].price);
    for (side, sign, price) in [(buyers, 1, buy), (sellers, -1, sell)] {
        for (i, lots) in side {
            twin.filled[i] = lots;
            twin.payment[i] = sign * i128::from(price) * i128::from(lots);
        }
    }
    twin
}

/// `low + numerator / denominator × (high − low)`, rounded.
fn between(low: i64, high: i64, (numerator, denominator): (i64, i64), round: PriceRound) -> i64 {
    let scaled = i128::from(low) * i128::from(denominator) + i128::from(numerator) * i128::from(high - low);
    let denominator = i128::from(denominator);
    let price = match round {
        PriceRound::Floor => scaled.div_euclid(denominator),
        PriceRound::Ceil => -(-scaled).div_euclid(denominator),
        PriceRound::HalfUp => (2 * scaled + denominator).div_euclid(2 * denominator),
    };
    price as i64
}

/// How the price of a pair is stated to the twin: `None` is the limit of whom came first.
type Pricing = (Option<(i64, i64)>, PriceRound);

fn pair_price(orders: &[Order], bid: usize, ask: usize, (k, round): Pricing) -> i64 {
    let (bid, ask) = (&orders[bid], &orders[ask]);
    let first = if (bid.time, bid.id) < (ask.time, ask.id) { bid } else { ask };
    k.map_or(first.price, |k| between(ask.price, bid.price, k, round))
}

fn pair_rule((k, price_round): Pricing) -> PairRule {
    let price = k.map_or(PairPrice::Earlier, |(n, d)| PairPrice::Share(Share::new(n, d).unwrap()));
    PairRule { price, price_round }
}

fn maximal_volume(orders: &[Order], walk: Walk, pricing: Pricing) -> Twin {
    let mut twin = Twin::of(orders);
    let side = |buy: bool| {
        let mut places = by_merit(orders, buy);
        let sign = if walk == Walk::Ascending { 1 } else { -1 };
        places.sort_by_key(|&i| (sign * orders[i].price, orders[i].time, orders[i].id));
        places
    };
    let deals = match walk {
        Walk::Ascending => take(orders, &side(true), &side(false)),
        // From the dearest ask down, each taking what it can of the dearest bids.
        Walk::Descending => {
            let mirrored: Vec<Order> =
                orders.iter().map(|order| Order { price: -order.price, ..order.clone() }).collect();
            take(&mirrored, &side(false), &side(true)).into_iter().map(|(ask, bid, lots)| (bid, ask, lots)).collect()
        }
    };
    for deal in deals {
        let price = 2 * pair_price(orders, deal.0, deal.1, pricing);
        twin.trade(deal, price, price);
    }
    if let Some(volume) = max_volume(orders) {
        assert_eq!(twin.filled.iter().sum::<i64>(), 2 * volume, "{walk:?} of {orders:?}");
    }
    twin
}

/// The most lots that can change hands: over every set of bids, what the others want and what that set can reach, the
/// least of these (max-flow min-cut; Ford & Fulkerson 1956). None where there are too many sets.
fn max_volume(orders: &[Order]) -> Option<i64> {
    let bids: Vec<&Order> = orders.iter().filter(|order| order.buy).collect();
    let cut = |set: u32| {
        let within = |i: usize| set >> i & 1 == 1;
        let others = (0..bids.len()).filter(|&i| !within(i)).map(|i| bids[i].quantity).sum::<i64>();
        let reach = (0..bids.len()).filter(|&i| within(i)).map(|i| bids[i].price).max();
        others + reach.map_or(0, |reach| lots(orders, false, |price| price <= reach))
    };
    (bids.len() <= 10).then(|| (0..1 << bids.len()).map(cut).min().unwrap())
}

fn random_matching(orders: &[Order], seed: u64, market_rank: u32, pricing: Pricing) -> Twin {
    let mut twin = Twin::of(orders);
    let mut lottery = Lottery::new(seed, market_rank);
    loop {
        let active = |twin: &Twin, buy: bool| {
            let mut places: Vec<usize> =
                (0..orders.len()).filter(|&i| orders[i].buy == buy && twin.filled[i] < orders[i].quantity).collect();
            places.sort_by_key(|&i| orders[i].id);
            places
        };
        let (mut buyers, mut sellers) = (active(&twin, true), active(&twin, false));
        lottery.shuffle(&mut buyers);
        lottery.shuffle(&mut sellers);
        let mut traded = false;
        twin.rounds += 1;
        for bid in buyers {
            if let Some(place) = sellers.iter().position(|&ask| orders[ask].price <= orders[bid].price) {
                let ask = sellers.remove(place);
                let left = |i: usize| orders[i].quantity - twin.filled[i];
                let price = 2 * pair_price(orders, bid, ask, pricing);
                twin.trade((bid, ask, left(bid).min(left(ask))), price, price);
                traded = true;
            }
        }
        if !traded {
            return twin;
        }
    }
}

/// How a twin of MUDA is told the halves (right?) and turns: by participant, or by lot.
type Placing = Option<(fn(i64, u64) -> bool, fn(i64) -> i64)>;

/// The long side's orders, participant by participant in the turns given or drawn, best first within one.
fn agent_by_agent(orders: &[Order], side: &[usize], placing: Placing, lottery: &mut Lottery) -> Vec<usize> {
    let agents: BTreeSet<i64> = side.iter().map(|&i| orders[i].participant).collect();
    let mut turns: Vec<i64> = agents.into_iter().collect();
    match placing {
        None => lottery.shuffle(&mut turns),
        Some((_, turn)) => turns.sort_by_key(|&agent| (turn(agent), agent)),
    }
    let mut queue = Vec::new();
    for agent in turns {
        queue.extend(side.iter().filter(|&&i| orders[i].participant == agent));
    }
    queue
}

/// What the `won` best units that others, best first, are not served would gain at a price; all over 2.
fn kept_out(orders: &[Order], filled: &[i64], others: impl Iterator<Item = usize>, won: i64, price: i64) -> i128 {
    let (mut left, mut gain) = (won, 0);
    for i in others {
        let lots = left.min(orders[i].quantity - filled[i]);
        gain += i128::from((2 * orders[i].price - price).abs()) * i128::from(lots);
        left -= lots;
    }
    gain
}

fn muda(orders: &[Order], rule: Muda, market_rank: u32, mask: u64, placing: Placing) -> Twin {
    let mut twin = Twin::of(orders);
    let mut lottery = Lottery::new(rule.seed, market_rank);
    let right: BTreeSet<i64> = agents(orders)
        .into_iter()
        .filter(|&agent| placing.map_or_else(|| lottery.coin(), |(is_right, _)| is_right(agent, mask)))
        .collect();
    let halves = [false, true].map(|wanted| {
        (0..orders.len()).filter(|&i| right.contains(&orders[i].participant) == wanted).collect::<Vec<usize>>()
    });
    twin.half_prices = [0, 1].map(|half: usize| {
        let own: Vec<Order> = halves[half].iter().map(|&i| orders[i].clone()).collect();
        let best_bid = own.iter().filter(|order| order.buy).map(|order| order.price).max()?;
        let best_ask = own.iter().filter(|order| !order.buy).map(|order| order.price).min()?;
        let (low, high) = interval(&own).unwrap_or((best_bid, best_ask));
        Some(low + high)
    });
    twin.prices.extend(twin.half_prices.iter().flatten());
    for (half, price) in halves.iter().zip([twin.half_prices[1], twin.half_prices[0]]) {
        let Some(price) = price else {
            continue;
        };
        let willing = |i: usize| {
            let gain = 2 * orders[i].price - price;
            if orders[i].buy { gain > 0 } else { gain < 0 }
        };
        let side = |buy: bool| -> Vec<usize> {
            by_merit(orders, buy).into_iter().filter(|&i| half.contains(&i) && willing(i)).collect()
        };
        let total = |side: &[usize]| side.iter().map(|&i| orders[i].quantity).sum::<i64>();
        let volume = total(&side(true)).min(total(&side(false)));
        for buy in [true, false] {
            let mut queue = side(buy);
            if rule.variant == Variant::Lottery && total(&queue) > volume {
                queue = agent_by_agent(orders, &queue, placing, &mut lottery);
            }
            let mut left = volume;
            for &i in &queue {
                twin.filled[i] = orders[i].quantity.min(left);
                left -= twin.filled[i];
            }
            for agent in agents(orders) {
                let mine: Vec<usize> =
                    served(orders, &twin.filled, agent).into_iter().filter(|i| queue.contains(i)).collect();
                if mine.is_empty() {
                    continue;
                }
                let fills: Vec<i64> = mine.iter().map(|&i| twin.filled[i]).collect();
                let won: i64 = fills.iter().sum();
                let fee = match rule.variant {
                    Variant::Lottery => 0,
                    Variant::Vickrey => {
                        let others = queue.iter().copied().filter(|&i| orders[i].participant != agent);
                        kept_out(orders, &twin.filled, others, won, price)
                    }
                };
                let at_price = i128::from(price) * i128::from(won);
                let due = if buy { at_price + fee } else { at_price - fee };
                let grain = if price % 2 == 0 { 2 } else { 1 };
                for (i, part) in mine.into_iter().zip(split(due / grain, &fills)) {
                    twin.payment[i] = if buy { part * grain } else { -part * grain };
                }
            }
        }
    }
    twin
}

fn multi_round(orders: &[Order], rule: MultiRound) -> Twin {
    let mut twin = Twin::of(orders);
    let mut quotes: Vec<Order> = orders.iter().map(|order| Order { price: order.start, ..order.clone() }).collect();
    let waits = |quotes: &[Order], buy: bool| quotes.iter().any(|order| order.buy == buy && order.quantity > 0);
    while twin.rounds < rule.max_rounds && waits(&quotes, true) && waits(&quotes, false) {
        twin.rounds += 1;
        let deals = efficient(&quotes);
        if let Some(&(last_bid, last_ask, _)) = deals.last() {
            let middle = quotes[last_bid].price + quotes[last_ask].price;
            for &deal in &deals {
                twin.trade(deal, middle, middle);
                quotes[deal.0].quantity -= deal.2;
                quotes[deal.1].quantity -= deal.2;
            }
        }
        let mut moved = false;
        for (quote, order) in quotes.iter_mut().zip(orders).filter(|(quote, _)| quote.quantity > 0) {
            let before = quote.price;
            quote.price = if quote.buy {
                order.price.min(before + rule.buyer_step)
            } else {
                order.price.max(before - rule.seller_step)
            };
            moved |= quote.price != before;
        }
        if deals.is_empty() && !moved {
            break;
        }
    }
    twin
}

/// Whom a mechanism refuses, as its rule says it.
#[derive(Clone, Copy, Default)]
struct Admits {
    unit: Option<i64>,
    caps: (Option<i64>, Option<i64>),
    opening: bool,
    one_side: bool,
    one_order: bool,
}

fn refusals(orders: &[Order], admits: Admits) -> Vec<u16> {
    let own = |order: &Order| {
        let beyond = if order.buy { order.start > order.price } else { order.start < order.price };
        if admits.caps.0.is_some_and(|cap| order.price < cap) || admits.caps.1.is_some_and(|cap| order.price > cap) {
            RejectReason::PriceOutsideCaps.code()
        } else if admits.unit.is_some_and(|unit| order.quantity != unit) {
            RejectReason::NotOneUnit.code()
        } else if admits.opening && beyond {
            RejectReason::StartBeyondLimit.code()
        } else {
            0
        }
    };
    let sound: Vec<u16> = orders.iter().map(own).collect();
    let others = |order: &Order| {
        let same = |other: &Order| (other.market, other.participant) == (order.market, order.participant);
        orders
            .iter()
            .zip(&sound)
            .filter(|&(other, &code)| code == 0 && same(other))
            .map(|(other, _)| other)
            .collect::<Vec<_>>()
    };
    orders
        .iter()
        .zip(&sound)
        .map(|(order, &code)| {
            let mine = others(order);
            if code != 0 {
                code
            } else if admits.one_side && mine.iter().any(|other| other.buy != order.buy) {
                RejectReason::BothSides.code()
            } else if admits.one_order && mine.len() > 1 {
                RejectReason::SeveralOrders.code()
            } else {
                0
            }
        })
        .collect()
}

/// Orders, whether their participants are named, and bits for halves and the like.
#[derive(Clone, Debug)]
struct Book {
    orders: Vec<Order>,
    named: bool,
    opens: bool,
    bits: u64,
}

impl Book {
    fn frame(&self) -> Frame {
        let mut frame = Frame::of(&self.orders);
        frame.participant = self.named.then(|| self.orders.iter().map(|order| order.participant).collect());
        frame.start_price = self.opens.then(|| self.orders.iter().map(|order| order.start).collect());
        frame
    }

    /// The book with most orders of `unit` lots and most participants with one order.
    fn of_units(mut self, unit: i64) -> Self {
        for order in &mut self.orders {
            order.quantity = if order.quantity == 8 { 8 } else { unit };
        }
        self.of_single_orders()
    }

    fn of_single_orders(mut self) -> Self {
        for order in &mut self.orders {
            if self.named && order.id % 6 != 0 {
                order.participant = 100 + order.id;
            }
        }
        self
    }
}

/// Side, market, price, quantity, time, participant, whether it may stand on either side, opening concession.
type Row = (bool, bool, i64, i64, i64, i64, bool, i64);

fn books() -> impl Strategy<Value = Book> {
    let either_side = prop::bool::weighted(0.02);
    let concession = prop_oneof![8 => 0..10_i64, 1 => Just(-1), 1 => 0..=2 * BOUND];
    let participants = (0..4_i64, either_side);
    let row = (any::<bool>(), prop::bool::weighted(0.15), prices(), quantities(), 0..3_i64, participants, concession)
        .prop_map(|(buy, market, price, quantity, time, (participant, either), concession)| {
            (buy, market, price, quantity, time, participant, either, concession)
        });
    let only = prop_oneof![8 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))];
    let columns = (prop::bool::weighted(0.7), prop::bool::weighted(0.8), any::<u64>());
    // By how much bids are above what they would be.
    let lift = 0..8_i64;
    (prop::collection::vec(row, 1..26), columns, only, lift).prop_map(|(rows, (named, opens, bits), only, lift)| {
        let mut book = Book { orders: Vec::new(), named, opens, bits };
        for (row, place) in rows.into_iter().zip(0..) {
            book.orders.push(order_of(row, place, only, lift, &book));
        }
        book
    })
}

fn order_of(row: Row, place: i64, only: Option<bool>, lift: i64, book: &Book) -> Order {
    let (buy, elsewhere, price, quantity, time, participant, either, concession) = row;
    let buy = only.unwrap_or(buy);
    let price = if buy { (price + lift).min(BOUND) } else { price };
    let id = place * 37 % 101 - 50; // neither in row order nor all above zero
    let start = (if buy { price - concession } else { price + concession }).clamp(-BOUND, BOUND);
    Order {
        market: if elsewhere { -5 } else { 9 },
        id,
        participant: if !book.named {
            id
        } else if either {
            participant
        } else {
            2 * participant + i64::from(buy)
        },
        buy,
        price,
        quantity,
        time,
        start: if book.opens { start } else { price },
    }
}

/// Clears a book and compares everything with the twin's answer, market by market.
fn compare(book: &Book, rule: RankedRule, admits: Admits, twin: impl Fn(&[Order], u32) -> Twin) {
    compare_frame(book, &book.frame(), rule, admits, twin);
}

fn compare_frame(book: &Book, frame: &Frame, rule: RankedRule, admits: Admits, twin: impl Fn(&[Order], u32) -> Twin) {
    let orders = &book.orders;
    let mechanism = Mechanism { cap_low: admits.caps.0, cap_high: admits.caps.1, ..Rule::Ranked(rule).into() };
    let cleared = frame.clear(&mechanism, 1);
    frame.check_universal(&mechanism, &cleared);
    let codes = refusals(orders, admits);
    for (row, &code) in codes.iter().enumerate() {
        assert_eq!(cleared.reject(row), code, "refusal of row {row}: {mechanism:?} of {book:?}");
    }
    let (den, mut odd) = (i64::from(cleared.clearing.den), false);
    let markets: BTreeSet<i64> = orders.iter().map(|order| order.market).collect();
    assert_eq!(cleared.clearing.outcomes.len(), markets.len());
    for ((market, outcome), rank) in markets.into_iter().zip(&cleared.clearing.outcomes).zip(0..) {
        let rows: Vec<usize> =
            (0..orders.len()).filter(|&row| orders[row].market == market && codes[row] == 0).collect();
        let accepted: Vec<Order> = rows.iter().map(|&row| orders[row].clone()).collect();
        let twin = twin(&accepted, rank);
        let says = format!("market {market}: {twin:?}, {mechanism:?} of {book:?}");
        let filled: Vec<i64> = rows.iter().map(|&row| cleared.filled[row]).collect();
        assert_eq!(filled, twin.filled, "fills of {says}");
        let twice = |value: i64| i128::from(value) * 2 / i128::from(den);
        let payment: Vec<i128> = rows.iter().map(|&row| twice(cleared.payment()[row])).collect();
        assert_eq!(payment, twin.payment, "payments of {says}");
        let detail = cleared.clearing.details[rank as usize];
        assert_eq!((detail.branch, detail.rounds), (twin.branch, twin.rounds), "{says}");
        assert_eq!(detail.half_prices.map(|price| price.map(|price| price * 2 / den)), twin.half_prices, "{says}");
        if outcome.volume > 0 {
            let (low, high) = twin.interval.unwrap_or_default();
            assert_eq!((outcome.price_low, outcome.price_high), (low * den, high * den), "interval of {says}");
        }
        odd |= twin.prices.iter().any(|price| price % 2 != 0);
    }
    assert_eq!(den, if odd { 2 } else { 1 }, "denominator: {mechanism:?} of {book:?}");
}

fn pricings() -> impl Strategy<Value = Pricing> {
    let k = prop_oneof![Just(None), Just(Some((1, 2))), Just(Some((0, 1))), Just(Some((1, 1))), Just(Some((2, 7)))];
    (k, prop_oneof![Just(PriceRound::Floor), Just(PriceRound::Ceil), Just(PriceRound::HalfUp)])
}

fn caps() -> impl Strategy<Value = (Option<i64>, Option<i64>)> {
    let wide = (Some(-BOUND), Some(BOUND));
    prop_oneof![Just((None, None)), Just((Some(0), Some(9))), Just((None, Some(8))), Just(wide)]
}

fn units() -> impl Strategy<Value = i64> {
    prop_oneof![3 => Just(1), 1 => Just(3), 1 => Just(BOUND)]
}

fn is_right(agent: i64, mask: u64) -> bool {
    mask >> agent.rem_euclid(64) & 1 == 1
}

/// Some participants share a turn; ids then decide.
fn turn(agent: i64) -> i64 {
    (agent * 5).rem_euclid(7).min(4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn vickrey_is_what_others_lose(book in books()) {
        let admits = Admits { one_side: true, ..Admits::default() };
        compare(&book, RankedRule::Vickrey(Vickrey), admits, |orders, _| vickrey(orders));
    }

    #[test]
    fn trade_reduction_is_the_twins(
        book in books(),
        unit in units(),
        use_p0: bool,
        caps in caps(),
    ) {
        let rule = TradeReduction { use_p0, cap_low: caps.0, cap_high: caps.1, unit };
        let admits = Admits { unit: Some(unit), caps, one_side: true, one_order: true, ..Admits::default() };
        let twin = |orders: &[Order], _| trade_reduction(orders, rule);
        compare(&book.of_units(unit), RankedRule::TradeReduction(rule), admits, twin);
    }

    #[test]
    fn average_is_the_twins(book in books(), unit in units()) {
        let admits = Admits { unit: Some(unit), one_order: true, ..Admits::default() };
        let rule = RankedRule::Average(Average { unit });
        compare(&book.of_units(unit), rule, admits, |orders, _| average(orders, unit));
    }

    #[test]
    fn sbba_is_the_twins(book in books(), unit in units()) {
        let rule = Sbba { seed: book.bits, unit };
        let admits = Admits { unit: Some(unit), one_side: true, one_order: true, ..Admits::default() };
        compare(&book.of_units(unit), RankedRule::Sbba(rule), admits, |orders, rank| sbba(orders, rule, rank));
    }

    #[test]
    fn huang_is_the_twins(book in books()) {
        let admits = Admits { one_side: true, one_order: true, ..Admits::default() };
        compare(&book.of_single_orders(), RankedRule::Huang(Huang), admits, |orders, _| huang(orders));
    }

    #[test]
    fn maximal_volume_is_a_maximum_flow(book in books(), pricing in pricings(), ascending: bool) {
        let walk = if ascending { Walk::Ascending } else { Walk::Descending };
        let rule = RankedRule::MaximalVolume(MaximalVolume { rule: pair_rule(pricing), walk });
        compare(&book, rule, Admits::default(), |orders, _| maximal_volume(orders, walk, pricing));
    }

    #[test]
    fn random_matching_is_the_twins(book in books(), pricing in pricings()) {
        let rule = RankedRule::RandomMatching(RandomMatching { rule: pair_rule(pricing), seed: book.bits });
        let twin = |orders: &[Order], rank| random_matching(orders, book.bits, rank, pricing);
        compare(&book, rule, Admits::default(), twin);
    }

    #[test]
    fn muda_is_the_twins(book in books(), by_fees: bool, placed: bool) {
        let variant = if by_fees { Variant::Vickrey } else { Variant::Lottery };
        let rule = Muda { variant, seed: book.bits };
        let mut frame = book.frame();
        if placed {
            let places = |place: fn(i64) -> i64| book.orders.iter().map(|order| place(order.participant)).collect();
            frame.turn = Some(places(turn));
            let right = |order: &Order| u8::from(is_right(order.participant, book.bits));
            frame.half = Some(book.orders.iter().map(right).collect());
        }
        let placing: Placing = placed.then_some((is_right, turn));
        let admits = Admits { one_side: true, ..Admits::default() };
        let twin = |orders: &[Order], rank| muda(orders, rule, rank, book.bits, placing);
        compare_frame(&book, &frame, RankedRule::Muda(rule), admits, twin);
    }

    /// Round by round, with no round passed over.
    #[test]
    fn multi_round_is_the_twins(
        book in books(),
        buyer_step in prop_oneof![6 => 0..4_i64, 1 => Just(BOUND), 1 => 0..=BOUND / 8],
        seller_step in prop_oneof![6 => 0..4_i64, 1 => Just(BOUND), 1 => 0..=BOUND / 8],
        max_rounds in prop_oneof![1..30_u32, Just(1), Just(100)],
    ) {
        let rule = MultiRound { buyer_step, seller_step, max_rounds };
        let admits = Admits { opening: true, ..Admits::default() };
        let twin = |orders: &[Order], _| multi_round(orders, rule);
        compare(&book, RankedRule::MultiRound(rule), admits, twin);
    }

    #[test]
    fn what_holds_for_all_holds(book in books()) {
        let frame = book.frame();
        for mechanism in mechanisms() {
            frame.check_universal(&mechanism, &frame.clear(&mechanism, 1));
        }
    }
}
