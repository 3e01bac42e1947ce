//! A naive twin, one lot at a time, against the stages; whole lists of deals are compared.

use proptest::prelude::*;

use super::*;
use crate::auction::price::{PairPrice, PriceRound, Share};

/// One order, as loose as it comes.
#[derive(Clone, Debug)]
struct Order {
    buy: bool,
    limit: i64,
    lots: i64,
    market: u32,
    time: i64,
    who: u32,
    zone: u32,
    kind: u8,
    wants: u64,
    flags: u8,
    reach: i64,
}

/// One row of pairs.
#[derive(Clone, Debug)]
struct Pair {
    buyer: u32,
    source: u32,
    rank: i64,
    cap_price: i64,
    cap_quantity: i64,
    share: i64,
    price: i64,
    from: i64,
    to: i64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Pairs,
    Open { nearest: bool, wanted: bool },
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    kind: Kind,
    sharing: Sharing,
    price: StagePrice,
    essential: bool,
    skips_strict: bool,
}

const PEOPLE: u32 = 6;
const MARKETS: usize = 2;
const SLOTS: [i64; MARKETS] = [10, 20];
const DISTANCE: [i64; 9] = [0, 2, 5, 2, 0, 1, 4, 1, 0];
const FEE: [i64; 9] = [0, 1, 3, 1, 0, 2, 2, 2, 1];

/// Rank, ask, row of pairs, most lots by way of it.
type Way = (i64, usize, usize, i64);

type Deal = (u32, u8, u32, u32, i64, i64, i64);

/// The rule in its plainest form.
struct Naive<'a> {
    orders: &'a [Order],
    pairs: &'a [Pair],
    fees: bool,
    left: Vec<i64>,
    deals: Vec<Deal>,
}

impl Naive<'_> {
    fn turn(&self, row: usize) -> (i64, usize) {
        (self.orders[row].time, row)
    }

    fn terms(&self, plan: &Plan, pair: Option<&Pair>, bid: usize, ask: usize) -> Option<(i64, i64)> {
        let (b, a) = (&self.orders[bid], &self.orders[ask]);
        let place = (b.zone * 3 + a.zone) as usize;
        let fee = if self.fees { FEE[place] } else { 0 };
        let top = b.limit.min(pair.map_or(i64::MAX, |pair| pair.cap_price)) - fee;
        if b.who == a.who || DISTANCE[place] > b.reach || a.limit > top {
            return None;
        }
        let price = match (plan.price, pair) {
            (StagePrice::Rate(rate), _) => rate,
            (_, Some(pair)) if pair.price != NO_PRICE => pair.price,
            (StagePrice::Rule(rule), _) => rule.prices(top, a.limit, || self.turn(bid) < self.turn(ask)).0,
        };
        (a.limit <= price && price <= top).then_some((price, fee))
    }

    /// Every way from a bid to an ask: (rank, ask, row of pairs, most lots).
    fn ways(&self, plan: &Plan, bid: usize) -> Vec<Way> {
        let b = &self.orders[bid];
        let asks = (0..self.orders.len()).filter(|&ask| !self.orders[ask].buy && self.orders[ask].market == b.market);
        let mut ways = Vec::new();
        for ask in asks {
            let a = &self.orders[ask];
            match plan.kind {
                Kind::Pairs => {
                    for (row, pair) in self.pairs.iter().enumerate() {
                        let slot = SLOTS[b.market as usize];
                        let named = pair.buyer == b.who && pair.source == a.who;
                        if named && pair.from <= slot && slot < pair.to {
                            let of_source =
                                self.orders.iter().filter(|o| (o.buy, o.market, o.who) == (false, b.market, a.who));
                            let part = of_source.map(|o| o.lots).sum::<i64>() * pair.share / 1_000_000;
                            let most = if pair.share == 1_000_000 { i64::MAX } else { part };
                            ways.push((pair.rank, ask, row, pair.cap_quantity.min(most)));
                        }
                    }
                }
                Kind::Open { wanted, .. } => {
                    if !wanted || b.wants >> a.kind & 1 == 1 {
                        ways.push((0, ask, 0, i64::MAX));
                    }
                }
            }
        }
        ways.retain(|&(_, ask, row, _)| {
            let pair = matches!(plan.kind, Kind::Pairs).then(|| &self.pairs[row]);
            self.terms(plan, pair, bid, ask).is_some()
        });
        ways
    }

    fn bids(&self, plan: &Plan, market: u32) -> Vec<usize> {
        let mut bids: Vec<usize> = (0..self.orders.len())
            .filter(|&row| {
                let order = &self.orders[row];
                order.buy
                    && order.market == market
                    && (order.flags & ESSENTIAL != 0) == plan.essential
                    && !(plan.skips_strict && order.flags & STRICT != 0)
            })
            .collect();
        bids.sort_by_key(|&row| (if plan.essential { 0 } else { -self.orders[row].limit }, self.turn(row)));
        bids
    }

    fn book(&mut self, stage: u8, plan: &Plan, bid: usize, way: Way, lots: i64) {
        let pair = matches!(plan.kind, Kind::Pairs).then(|| &self.pairs[way.2]);
        let (price, fee) = self.terms(plan, pair, bid, way.1).unwrap();
        self.left[bid] -= lots;
        self.left[way.1] -= lots;
        let deal = (self.orders[bid].market, stage, bid as u32, way.1 as u32, lots, price, fee);
        match self.deals.last_mut() {
            Some(last) if (last.0, last.1, last.2, last.3, last.5) == (deal.0, deal.1, deal.2, deal.3, deal.5) => {
                last.4 += lots;
            }
            _ => self.deals.push(deal),
        }
    }

    fn in_turn(&mut self, stage: u8, plan: &Plan, market: u32) {
        for bid in self.bids(plan, market) {
            let mut taken = vec![0; self.pairs.len().max(1)];
            while self.left[bid] > 0 {
                let b = &self.orders[bid];
                let best = self
                    .ways(plan, bid)
                    .into_iter()
                    .filter(|&(_, ask, row, most)| self.left[ask] > 0 && taken[row] < most)
                    .min_by_key(|&(rank, ask, row, _)| {
                        let a = &self.orders[ask];
                        let place = (b.zone * 3 + a.zone) as usize;
                        let (far, cost) = (DISTANCE[place], a.limit + if self.fees { FEE[place] } else { 0 });
                        let liked = match plan.kind {
                            Kind::Pairs => (a.limit, 0),
                            Kind::Open { nearest: true, .. } => (far, cost),
                            Kind::Open { nearest: false, .. } => (cost, far),
                        };
                        (rank, liked, self.turn(ask), row)
                    });
                let Some(way) = best else { break };
                if !matches!(plan.kind, Kind::Open { .. }) {
                    taken[way.2] += 1;
                }
                self.book(stage, plan, bid, way, 1);
            }
        }
    }

    /// Fills in what links carry, the first as much as it can, so that every bid has its due; or says that there is no way.
    fn complete(
        links: &[(usize, Way)],
        due: &mut [i64],
        left: &mut [i64],
        used: &mut [i64],
        people: usize,
    ) -> Option<Vec<i64>> {
        let Some((&(bid, way), rest)) = links.split_first() else {
            return due.iter().all(|&lots| lots == 0).then(Vec::new);
        };
        let key = bid * people + way.2;
        for lots in (0..=due[bid].min(left[way.1]).min(way.3 - used[key])).rev() {
            due[bid] -= lots;
            left[way.1] -= lots;
            used[key] += lots;
            let found = Self::complete(rest, due, left, used, people);
            due[bid] += lots;
            left[way.1] += lots;
            used[key] -= lots;
            if let Some(mut tail) = found {
                tail.insert(0, lots);
                return Some(tail);
            }
        }
        None
    }

    fn in_equal_rounds(&mut self, stage: u8, plan: &Plan, market: u32) {
        let bids = self.bids(plan, market);
        let mut ranks: Vec<i64> = match plan.kind {
            Kind::Pairs => self.pairs.iter().map(|pair| pair.rank).collect(),
            Kind::Open { .. } => vec![0],
        };
        ranks.sort_unstable();
        ranks.dedup();
        for rank in ranks {
            let mut links = Vec::new();
            for &bid in &bids {
                let mut ways = self.ways(plan, bid);
                ways.retain(|way| way.0 == rank && self.left[way.1] > 0 && self.left[bid] > 0);
                ways.sort_by_key(|&(_, ask, row, _)| (self.orders[ask].limit, self.turn(ask), row));
                links.extend(ways.into_iter().map(|way| (bid, way)));
            }
            let people = self.pairs.len().max(1);
            let mut due = vec![0; self.orders.len()];
            let solve = |due: &mut Vec<i64>| {
                let mut used = vec![0; self.orders.len() * people];
                Self::complete(&links, due, &mut self.left.clone(), &mut used, people)
            };
            let mut active = bids.clone();
            while !active.is_empty() {
                active.retain(|&bid| {
                    due[bid] += 1;
                    let served = due[bid] <= self.left[bid] && solve(&mut due).is_some();
                    due[bid] -= i64::from(!served);
                    served
                });
            }
            let carried = solve(&mut due).unwrap();
            for (&(bid, way), lots) in links.clone().iter().zip(carried) {
                if lots > 0 {
                    self.book(stage, plan, bid, way, lots);
                }
            }
        }
    }
}

fn naive(orders: &[Order], pairs: &[Pair], plans: &[Plan], fees: bool) -> Vec<Deal> {
    let left = orders.iter().map(|order| order.lots).collect();
    let mut twin = Naive { orders, pairs, fees, left, deals: Vec::new() };
    for market in 0..MARKETS as u32 {
        for (stage, plan) in plans.iter().enumerate() {
            match plan.sharing {
                Sharing::InTurn => twin.in_turn(stage as u8, plan, market),
                Sharing::Equal => twin.in_equal_rounds(stage as u8, plan, market),
            }
        }
    }
    twin.deals
}

/// The same through the room, with rows in the order `rows`; deals name the orders by their place in `orders`.
fn fast(orders: &[Order], pairs: &[Pair], plans: &[Plan], fees: bool, rows: &[usize], threads: usize) -> Vec<Deal> {
    macro_rules! column {
        ($field:ident) => {
            rows.iter().map(|&row| orders[row].$field).collect::<Vec<_>>()
        };
    }
    let side: Vec<u8> = rows.iter().map(|&row| u8::from(orders[row].buy)).collect();
    let (limit, left, market, time) = (column!(limit), column!(lots), column!(market), column!(time));
    let (who, zone, kind, wants) = (column!(who), column!(zone), column!(kind), column!(wants));
    let (flags, reach) = (column!(flags), column!(reach));
    let ids: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let columns = Orders {
        side: &side,
        limit: &limit,
        left: &left,
        market: &market,
        time: Some(&time),
        order: Some(&ids),
        participant: Some(&who),
        zone: Some(&zone),
        source: Some(&kind),
        wants: Some(&wants),
        flags: Some(&flags),
        reach: Some(&reach),
        slot: Some(&SLOTS),
    };
    let mut sorted: Vec<&Pair> = pairs.iter().collect();
    sorted.sort_by_key(|pair| (pair.buyer, pair.rank));
    macro_rules! of_pairs {
        ($field:ident) => {
            sorted.iter().map(|pair| pair.$field).collect::<Vec<_>>()
        };
    }
    let begins: Vec<usize> = (0..=PEOPLE).map(|buyer| sorted.partition_point(|pair| pair.buyer < buyer)).collect();
    let (source, rank, cap_price) = (of_pairs!(source), of_pairs!(rank), of_pairs!(cap_price));
    let (cap_quantity, price, from, to) = (of_pairs!(cap_quantity), of_pairs!(price), of_pairs!(from), of_pairs!(to));
    let share = of_pairs!(share);
    let named = Pairs {
        begins: &begins,
        source: &source,
        rank: &rank,
        cap_price: &cap_price,
        cap_quantity: &cap_quantity,
        share: &share,
        price: &price,
        from: &from,
        to: &to,
    };
    let stages: Vec<Stage<'_>> = plans
        .iter()
        .map(|plan| Stage {
            links: match plan.kind {
                Kind::Pairs => Links::Pairs(named),
                Kind::Open { nearest, wanted } => Links::Open { nearest, wanted },
            },
            sharing: plan.sharing,
            price: plan.price,
            essential: plan.essential,
            skips_strict: plan.skips_strict,
        })
        .collect();
    let zones = Zones { count: 3, distance: &DISTANCE, fee: fees.then_some(&FEE) };
    let deals = match_stages(&columns, &zones, &stages, PEOPLE as usize, MARKETS, threads).unwrap();
    (0..deals.market.len())
        .map(|deal| {
            let row = |row: u32| rows[row as usize] as u32;
            let (buy, sell) = (row(deals.buy_row[deal]), row(deals.sell_row[deal]));
            let (lots, price, fee) = (deals.quantity[deal], deals.price[deal], deals.fee[deal]);
            (deals.market[deal], deals.stage[deal], buy, sell, lots, price, fee)
        })
        .collect()
}

fn an_order() -> impl Strategy<Value = Order> {
    let what = (any::<bool>(), -3..9_i64, 1..5_i64, 0..MARKETS as u32, 0..3_i64, 0..PEOPLE);
    let where_to = (0..3_u32, 0..3_u8, 0..8_u64, prop_oneof![4 => Just(0), 1 => Just(STRICT), 1 => Just(ESSENTIAL)]);
    (what, where_to, prop_oneof![3 => Just(i64::MAX), 1 => 0..4_i64]).prop_map(
        |((buy, limit, lots, market, time, who), (zone, kind, wants, flags), reach)| {
            let (limit, who) = if buy { (limit + 3, who % 3) } else { (limit, 1 + who % 5) }; // so that pairs meet
            let flags = if buy { flags } else { 0 };
            Order { buy, limit, lots, market, time, who, zone, kind, wants, flags, reach }
        },
    )
}

fn some_pairs() -> impl Strategy<Value = Vec<Pair>> {
    let parts = prop_oneof![3 => Just(1_000_000), 1 => 0..1_000_000_i64];
    let caps = (prop_oneof![2 => Just(NO_CAP), 1 => 0..9_i64], prop_oneof![2 => Just(NO_CAP), 1 => 0..4_i64], parts);
    let terms = (prop_oneof![3 => Just(NO_PRICE), 1 => 0..9_i64], prop_oneof![3 => Just(0), 1 => Just(15)]);
    let row = (0..3_u32, 1..PEOPLE, 0..3_i64, caps, terms, prop_oneof![3 => Just(99), 1 => Just(20)]);
    proptest::collection::vec(row, 0..14).prop_map(|rows| {
        let mut pairs: Vec<Pair> = Vec::new();
        for (buyer, source, rank, (cap_price, cap_quantity, share), (price, from), to) in rows {
            if !pairs.iter().any(|pair| (pair.buyer, pair.source) == (buyer, source)) {
                pairs.push(Pair { buyer, source, rank, cap_price, cap_quantity, share, price, from, to });
            }
        }
        pairs.sort_by_key(|pair| (pair.buyer, pair.rank)); // so that rows are numbered alike in both
        pairs
    })
}

fn a_plan() -> impl Strategy<Value = Plan> {
    let kind = prop_oneof![
        Just(Kind::Pairs),
        (any::<bool>(), any::<bool>()).prop_map(|(nearest, wanted)| Kind::Open { nearest, wanted }),
    ];
    let price = prop_oneof![
        3 => (0..3_i64, prop_oneof![Just(PriceRound::Floor), Just(PriceRound::Ceil)]).prop_map(|(k, price_round)| {
            StagePrice::Rule(PairRule { price: PairPrice::Share(Share::new(k, 2).unwrap()), price_round })
        }),
        1 => Just(StagePrice::Rule(PairRule { price: PairPrice::Earlier, price_round: PriceRound::Floor })),
        1 => (2..7_i64).prop_map(StagePrice::Rate),
    ];
    let sharing = prop_oneof![Just(Sharing::InTurn), Just(Sharing::Equal)];
    (kind, sharing, price, proptest::bool::weighted(0.2), any::<bool>()).prop_map(
        |(kind, sharing, price, essential, skips_strict)| Plan { kind, sharing, price, essential, skips_strict },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn the_stages_are_their_twin(
        orders in proptest::collection::vec(an_order(), 0..11),
        pairs in some_pairs(),
        plans in proptest::collection::vec(a_plan(), 1..4),
        fees in any::<bool>(),
        threads in 1..3_usize,
    ) {
        let rows: Vec<usize> = (0..orders.len()).collect();
        let twin = naive(&orders, &pairs, &plans, fees);
        prop_assert_eq!(&fast(&orders, &pairs, &plans, fees, &rows, threads), &twin);
        let backwards: Vec<usize> = rows.into_iter().rev().collect();
        prop_assert_eq!(&fast(&orders, &pairs, &plans, fees, &backwards, threads), &twin);
    }

    #[test]
    fn an_ask_shared_out_is_shared_one_lot_at_a_time(
        needs in proptest::collection::vec(1..30_i64, 1..9), caps in proptest::collection::vec(0..30_i64, 9), lots in 1..90_i64,
    ) {
        let mut orders = vec![order(false, 1, lots, 0)];
        let mut pairs = Vec::new();
        for (place, &need) in needs.iter().enumerate() {
            orders.push(order(true, 5, need, 1 + place as u32));
            pairs.push(pair(1 + place as u32, 0, 0, caps[place]));
        }
        let mut left: Vec<i64> = needs.iter().zip(&caps).map(|(need, cap)| *need.min(cap)).collect();
        let (mut rest, mut got) = (lots, vec![0; needs.len()]);
        while rest > 0 && left.iter().any(|&need| need > 0) {
            for (need, got) in left.iter_mut().zip(&mut got) {
                if *need > 0 && rest > 0 {
                    (*need, *got, rest) = (*need - 1, *got + 1, rest - 1);
                }
            }
        }
        prop_assert_eq!(shares(&orders, &pairs, needs.len()), got);
    }
}

fn order(buy: bool, limit: i64, lots: i64, who: u32) -> Order {
    Order { buy, limit, lots, market: 0, time: 0, who, zone: 0, kind: 0, wants: 0, flags: 0, reach: i64::MAX }
}

fn pair(buyer: u32, source: u32, rank: i64, cap_quantity: i64) -> Pair {
    Pair { buyer, source, rank, cap_price: NO_CAP, cap_quantity, share: 1_000_000, price: NO_PRICE, from: 0, to: 99 }
}

/// What bids that follow one ask, or several, get in equal rounds.
fn shares(orders: &[Order], pairs: &[Pair], bids: usize) -> Vec<i64> {
    let asks = orders.len() - bids;
    let people = orders.len();
    let side: Vec<u8> = orders.iter().map(|order| u8::from(order.buy)).collect();
    let limit: Vec<i64> = orders.iter().map(|order| order.limit).collect();
    let left: Vec<i64> = orders.iter().map(|order| order.lots).collect();
    let who: Vec<u32> = orders.iter().map(|order| order.who).collect();
    let market = vec![0; people];
    let begins: Vec<usize> =
        (0..=people).map(|buyer| pairs.partition_point(|pair| (pair.buyer as usize) < buyer)).collect();
    let source: Vec<u32> = pairs.iter().map(|pair| pair.source).collect();
    let cap_quantity: Vec<i64> = pairs.iter().map(|pair| pair.cap_quantity).collect();
    let (zero, cap) = (vec![0; pairs.len()], vec![NO_CAP; pairs.len()]);
    let (price, to) = (vec![NO_PRICE; pairs.len()], vec![1; pairs.len()]);
    let share = vec![1_000_000; pairs.len()];
    let named = Pairs {
        begins: &begins,
        source: &source,
        rank: &zero,
        cap_price: &cap,
        cap_quantity: &cap_quantity,
        share: &share,
        price: &price,
        from: &zero,
        to: &to,
    };
    let columns = Orders {
        side: &side,
        limit: &limit,
        left: &left,
        market: &market,
        participant: Some(&who),
        ..Orders::default()
    };
    let zones = Zones { count: 1, distance: &[0], fee: None };
    let rule = PairRule { price: PairPrice::Share(Share::HALF), price_round: PriceRound::Floor };
    let stage = Stage {
        links: Links::Pairs(named),
        sharing: Sharing::Equal,
        price: StagePrice::Rule(rule),
        essential: false,
        skips_strict: false,
    };
    let deals = match_stages(&columns, &zones, &[stage], people, 1, 1).unwrap();
    let mut got = vec![0; bids];
    for (&row, &lots) in deals.buy_row.iter().zip(&deals.quantity) {
        got[row as usize - asks] += lots;
    }
    got
}

#[test]
fn rounds_find_the_way_around_that_greedy_sharing_misses() {
    // Both want 10. The first can go to either source, the second to the first source only: 10 each, and not 5 + 15.
    let orders = [order(false, 1, 10, 0), order(false, 1, 10, 1), order(true, 5, 10, 2), order(true, 5, 10, 3)];
    let pairs = [pair(2, 0, 0, NO_CAP), pair(2, 1, 0, NO_CAP), pair(3, 0, 0, NO_CAP)];
    assert_eq!(shares(&orders, &pairs, 2), [10, 10]);
    // Quantities far beyond what could be counted out lot by lot.
    let orders = [
        order(false, 1, i64::from(i32::MAX), 0),
        order(false, 1, 7, 1),
        order(true, 5, i64::from(i32::MAX), 2),
        order(true, 5, i64::from(i32::MAX), 3),
    ];
    assert_eq!(shares(&orders, &pairs, 2), [(1 << 30) + 3, (1 << 30) + 3]);
}

#[test]
fn columns_that_do_not_fit_are_named() {
    let zones = Zones { count: 1, distance: &[0], fee: None };
    let good = Orders { side: &[1], limit: &[5], left: &[1], market: &[0], ..Orders::default() };
    let run = |orders: &Orders<'_>, zones: &Zones<'_>| match_stages(orders, zones, &[], 1, 1, 1).map(|_| ());
    assert_eq!(run(&good, &zones), Ok(()));
    let short = Orders { limit: &[], ..good };
    assert_eq!(run(&short, &zones), Err(PreferenceError::Length { column: "price", len: 0, expected: 1 }));
    for (bad, column) in [
        (Orders { side: &[2], ..good }, "side"),
        (Orders { limit: &[i64::MIN], ..good }, "price"),
        (Orders { left: &[-1], ..good }, "quantity"),
        (Orders { market: &[1], ..good }, "market"),
        (Orders { zone: Some(&[1]), ..good }, "zone"),
        (Orders { source: Some(&[64]), ..good }, "source"),
        (Orders { participant: Some(&[1]), ..good }, "participant"),
    ] {
        assert_eq!(run(&bad, &zones), Err(PreferenceError::Value { column, row: 0 }));
    }
    let far = Zones { distance: &[-1], ..zones };
    assert_eq!(run(&good, &far), Err(PreferenceError::Value { column: "distance", row: 0 }));
    let dear = Zones { fee: Some(&[1 << 40]), ..zones };
    assert_eq!(run(&good, &dear), Err(PreferenceError::Value { column: "fee", row: 0 }));
    for error in [PreferenceError::NoParticipants, PreferenceError::Unsorted { row: 3 }, PreferenceError::TooMany] {
        assert!(!error.to_string().is_empty());
    }
}

/// The largest sum of bid less ask less fee, and the largest volume that has it, by trying everything.
fn by_trying(bids: &[(i64, i64, usize)], asks: &[(i64, i64, usize)], pair: usize, left: &mut [i64]) -> (i64, i64) {
    let (b, a) = (pair / asks.len().max(1), pair % asks.len().max(1));
    if asks.is_empty() || b >= bids.len() {
        return (0, 0);
    }
    let gain = bids[b].0 - asks[a].0 - FEE[bids[b].2 * 3 + asks[a].2];
    let mut best = (0, 0);
    for lots in 0..=left[b].min(left[bids.len() + a]) {
        left[b] -= lots;
        left[bids.len() + a] -= lots;
        let (welfare, volume) = by_trying(bids, asks, pair + 1, left);
        left[b] += lots;
        left[bids.len() + a] += lots;
        best = best.max((welfare + gain * lots, volume + lots));
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn fees_inside_find_the_best_of_all_allocations(
        bids in proptest::collection::vec((0..12_i64, 1..4_i64, 0..3_usize), 0..4),
        asks in proptest::collection::vec((0..12_i64, 1..4_i64, 0..3_usize), 0..4),
    ) {
        let all: Vec<_> = bids.iter().chain(&asks).copied().collect();
        let side: Vec<u8> = (0..all.len()).map(|row| u8::from(row < bids.len())).collect();
        let limit: Vec<i64> = all.iter().map(|order| order.0).collect();
        let left: Vec<i64> = all.iter().map(|order| order.1).collect();
        let zone: Vec<u32> = all.iter().map(|order| order.2 as u32).collect();
        let market = vec![0; all.len()];
        let orders = Orders {
            side: &side, limit: &limit, left: &left, market: &market, zone: Some(&zone), ..Orders::default()
        };
        let zones = Zones { count: 3, distance: &DISTANCE, fee: Some(&FEE) };
        let rule = PairRule { price: PairPrice::Share(Share::HALF), price_round: PriceRound::Floor };
        let deals = clear_with_fees(&orders, &zones, rule, 1, 1).unwrap();
        let (mut welfare, mut volume, mut rest) = (0, 0, left.clone());
        for deal in 0..deals.market.len() {
            let (buy, sell) = (deals.buy_row[deal] as usize, deals.sell_row[deal] as usize);
            let fee = FEE[zone[buy] as usize * 3 + zone[sell] as usize];
            prop_assert_eq!(deals.fee[deal], fee);
            prop_assert!(limit[sell] <= deals.price[deal] && deals.price[deal] + fee <= limit[buy]);
            prop_assert_eq!(deals.price[deal], limit[sell] + (limit[buy] - limit[sell] - fee) / 2);
            rest[buy] -= deals.quantity[deal];
            rest[sell] -= deals.quantity[deal];
            welfare += (limit[buy] - limit[sell] - fee) * deals.quantity[deal];
            volume += deals.quantity[deal];
        }
        prop_assert!(rest.iter().all(|&lots| lots >= 0));
        prop_assert_eq!((welfare, volume), by_trying(&bids, &asks, 0, &mut left.clone()));
    }
}
