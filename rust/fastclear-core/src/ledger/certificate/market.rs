//! One market of a block: its fills off the trades, and whether the rule gives them.

use super::shares::{Claimant, shares};
use super::{Certified, Flaw, Pricing, Rule, Sharing, sortable};
use crate::ledger::OrderLeaf;
use crate::order::BUY;

/// Limits and quantities in range are below this.
const BOUND: i64 = 1 << 31;

/// A trade, ids such that they sort as the numbers that they are.
#[derive(Clone, Copy, Debug)]
pub struct Deal {
    pub seq: u64,
    pub market: u64,
    pub buy_order: u64,
    pub sell_order: u64,
    pub quantity: i64,
    /// What the seller receives a unit.
    pub price: i64,
    /// What the buyer pays beyond it.
    pub spread: i64,
}

/// An order that takes part.
#[derive(Clone, Copy, Debug)]
struct Entrant {
    id: u64,
    is_bid: bool,
    /// The price at which it competes: a bid's limit less the fee.
    price: i64,
    quantity: i64,
    time_ns: i64,
    filled: i64,
    /// A bid below the reserve takes no part.
    is_below_reserve: bool,
}

impl Entrant {
    const fn rest(&self) -> i64 {
        if self.is_below_reserve { 0 } else { self.quantity - self.filled }
    }

    /// Who comes first of one price.
    const fn key(&self) -> (i64, u64) {
        (self.time_ns, self.id)
    }
}

/// One market of a block.
pub struct Market<'a> {
    rule: &'a Rule,
    id: u64,
    refused: u32,
    entrants: Vec<Entrant>,
    deals: &'a [Deal],
    /// Places of each deal's bid and ask among the entrants.
    parties: Vec<(usize, usize)>,
}

impl<'a> Market<'a> {
    /// Reads the market's orders, which ascend by id, and sums its fills.
    pub fn new(rule: &'a Rule, leaves: &[OrderLeaf], deals: &'a [Deal]) -> Result<Self, Flaw> {
        let id = leaves.first().map_or(0, |leaf| leaf.market);
        let mut entrants: Vec<Entrant> = Vec::with_capacity(leaves.len());
        let mut refused = 0;
        for leaf in leaves {
            if leaf.reject != 0 {
                refused += 1;
                continue;
            }
            let entrant = entrant(rule, leaf)?;
            if entrants.last().is_some_and(|last| last.id == entrant.id) {
                return Err(Flaw::Unsupported("two orders of one id in a market"));
            }
            entrants.push(entrant);
        }
        let mut market = Self { rule, id, refused, entrants, deals, parties: Vec::with_capacity(deals.len()) };
        for deal in deals {
            let stranger = |order| Flaw::Stranger { seq: deal.seq, order: sortable(order) };
            let buy = market.fill(deal.buy_order, true, deal.quantity).ok_or_else(|| stranger(deal.buy_order))??;
            let sell =
                market.fill(deal.sell_order, false, deal.quantity).ok_or_else(|| stranger(deal.sell_order))??;
            market.parties.push((buy, sell));
        }
        Ok(market)
    }

    /// Adds to what an order trades; `None` if there is no such order.
    fn fill(&mut self, order: u64, is_bid: bool, lots: i64) -> Option<Result<usize, Flaw>> {
        let place = self.entrants.binary_search_by_key(&order, |entrant| entrant.id).ok()?;
        let entrant = self.entrants.get_mut(place).filter(|entrant| entrant.is_bid == is_bid)?;
        if lots > entrant.quantity - entrant.filled {
            return Some(Err(Flaw::Overfilled { order: sortable(order) }));
        }
        entrant.filled += lots;
        Some(Ok(place))
    }

    /// Checks the fills and prices; `rank` counts the markets of the block.
    pub fn check(&self, rank: u32) -> Result<Certified, Flaw> {
        let margin = Margin::of(&self.entrants)?;
        let price = match self.rule.pricing {
            Pricing::Uniform { sharing, zero_surplus } => {
                margin.check(&self.entrants, zero_surplus)?;
                self.check_shares(&margin, sharing, rank)?;
                self.check_one_price(&margin)?
            }
            Pricing::Pairs | Pricing::PairsEarlier | Pricing::PairsApart => {
                margin.check(&self.entrants, true)?;
                self.check_shares(&margin, Sharing::Time, rank)?;
                self.check_pairs()?;
                None
            }
        };
        let volume = self.deals.iter().map(|deal| deal.quantity).sum();
        let took_part = u32::try_from(self.entrants.len()).unwrap_or(u32::MAX);
        Ok(Certified { market: sortable(self.id), price, volume, orders: (took_part, self.refused) })
    }

    /// Holds the orders of both marginal levels against what the rule gives them.
    fn check_shares(&self, margin: &Margin, sharing: Sharing, rank: u32) -> Result<(), Flaw> {
        for (is_bid, level) in [(true, margin.last_bid), (false, margin.last_ask)] {
            let at_level = |entrant: &&Entrant| entrant.is_bid == is_bid && Some(entrant.price) == level;
            let mut line: Vec<&Entrant> = self.entrants.iter().filter(at_level).collect();
            if line.iter().all(|entrant| entrant.filled == entrant.quantity) {
                continue;
            }
            line.sort_by_key(|entrant| entrant.key());
            let claimants: Vec<Claimant> =
                line.iter().map(|entrant| Claimant { id: entrant.id, quantity: entrant.quantity }).collect();
            let lots = line.iter().map(|entrant| entrant.filled).sum();
            let expected = shares(sharing, lots, &claimants, rank);
            if let Some((entrant, expected)) =
                line.iter().zip(expected).find(|(entrant, expected)| entrant.filled != *expected)
            {
                return Err(Flaw::Rationing { order: sortable(entrant.id), expected, got: entrant.filled });
            }
        }
        Ok(())
    }

    /// Every trade is at the price that `k` gives in the clearing interval.
    fn check_one_price(&self, margin: &Margin) -> Result<Option<i64>, Flaw> {
        let (Some(last_bid), Some(last_ask)) = (margin.last_bid, margin.last_ask) else {
            return Ok(None);
        };
        let low = margin.next_bid.map_or(last_ask, |next| next.max(last_ask));
        let high = margin.next_ask.map_or(last_bid, |next| next.min(last_bid));
        let floor = self.rule.reserve.unwrap_or(i64::MIN);
        let price = self.rule.k.of(low.max(floor), high.max(floor), self.rule.round);
        for deal in self.deals {
            price_is(deal, (price, price + self.rule.fee))?;
        }
        Ok(Some(price))
    }

    /// The best bid trades with the cheapest ask, each pair at its own price.
    fn check_pairs(&self) -> Result<(), Flaw> {
        let traded = |is_bid: bool| {
            let one = |entrant: &usize| self.entrants[*entrant].is_bid == is_bid && self.entrants[*entrant].filled > 0;
            let mut side: Vec<usize> = (0..self.entrants.len()).filter(one).collect();
            side.sort_by_key(|&i| {
                let entrant = &self.entrants[i];
                (if is_bid { -entrant.price } else { entrant.price }, entrant.key())
            });
            side
        };
        let mut found: Vec<_> = self.parties.iter().zip(self.deals).collect();
        found.sort_by_key(|(parties, _)| **parties);
        let mut expected = Vec::with_capacity(found.len());
        let (bids, asks) = (traded(true), traded(false));
        let (mut bids, mut asks) = (bids.iter(), asks.iter());
        let (mut bid, mut ask) = (bids.next(), asks.next());
        let rest = |place: Option<&usize>| place.map_or(0, |&i| self.entrants[i].filled);
        let (mut bid_rest, mut ask_rest) = (rest(bid), rest(ask));
        while let (Some(&buy), Some(&sell)) = (bid, ask) {
            let lots = bid_rest.min(ask_rest);
            expected.push(((buy, sell), lots));
            (bid_rest, ask_rest) = (bid_rest - lots, ask_rest - lots);
            if bid_rest == 0 {
                bid = bids.next();
                bid_rest = rest(bid);
            }
            if ask_rest == 0 {
                ask = asks.next();
                ask_rest = rest(ask);
            }
        }
        expected.sort_unstable();
        let same = expected.len() == found.len()
            && expected.iter().zip(&found).all(|(expected, (parties, deal))| *expected == (**parties, deal.quantity));
        if !same {
            return Err(Flaw::Pairing { market: sortable(self.id) });
        }
        for (&(buy, sell), deal) in found {
            price_is(deal, self.pair_prices(&self.entrants[buy], &self.entrants[sell]))?;
        }
        Ok(())
    }

    /// What the seller of a pair receives and its buyer pays a unit.
    fn pair_prices(&self, bid: &Entrant, ask: &Entrant) -> (i64, i64) {
        let floor = self.rule.reserve.unwrap_or(i64::MIN);
        let sell = match self.rule.pricing {
            Pricing::PairsEarlier if bid.key() < ask.key() => bid.price,
            Pricing::PairsEarlier | Pricing::PairsApart => ask.price,
            Pricing::Pairs | Pricing::Uniform { .. } => self.rule.k.of(ask.price, bid.price, self.rule.round),
        };
        let sell = sell.max(floor);
        let buy = if self.rule.pricing == Pricing::PairsApart { bid.price.max(floor) } else { sell };
        (sell, buy + self.rule.fee)
    }
}

fn entrant(rule: &Rule, leaf: &OrderLeaf) -> Result<Entrant, Flaw> {
    let is_bid = leaf.side == BUY;
    let inadmissible = Flaw::Inadmissible { order: sortable(leaf.order) };
    let (cap_low, cap_high) = rule.caps;
    let limit = if leaf.kind == 1 {
        let far = if is_bid { cap_high } else { cap_low };
        far.ok_or(Flaw::Unsupported("market orders without a cap to compete at"))?
    } else {
        let capped = cap_low.is_some_and(|cap| leaf.price < cap) || cap_high.is_some_and(|cap| leaf.price > cap);
        if capped || leaf.price <= -BOUND || leaf.price >= BOUND {
            return Err(inadmissible);
        }
        leaf.price
    };
    if !(1..BOUND).contains(&leaf.quantity) {
        return Err(inadmissible);
    }
    let price = if is_bid { limit - rule.fee } else { limit };
    Ok(Entrant {
        id: leaf.order,
        is_bid,
        price,
        quantity: leaf.quantity,
        time_ns: leaf.time_ns,
        filled: 0,
        is_below_reserve: is_bid && rule.reserve.is_some_and(|reserve| price < reserve),
    })
}

fn price_is(deal: &Deal, (sell, buy): (i64, i64)) -> Result<(), Flaw> {
    if deal.price != sell {
        return Err(Flaw::Price { seq: deal.seq, expected: sell, got: deal.price });
    }
    if deal.spread == buy - sell { Ok(()) } else { Err(Flaw::Spread { seq: deal.seq }) }
}

/// The last orders that trade and the best ones left, competing prices.
struct Margin {
    last_bid: Option<i64>,
    last_ask: Option<i64>,
    next_bid: Option<i64>,
    next_ask: Option<i64>,
}

impl Margin {
    fn of(entrants: &[Entrant]) -> Result<Self, Flaw> {
        let mut margin = Self { last_bid: None, last_ask: None, next_bid: None, next_ask: None };
        for entrant in entrants {
            if entrant.is_below_reserve && entrant.filled > 0 {
                return Err(Flaw::OutsideMoney { order: sortable(entrant.id) });
            }
            let price = Some(entrant.price);
            if entrant.filled > 0 {
                if entrant.is_bid {
                    margin.last_bid = if margin.last_bid.is_none() { price } else { margin.last_bid.min(price) };
                } else {
                    margin.last_ask = margin.last_ask.max(price);
                }
            }
            if entrant.rest() > 0 {
                if entrant.is_bid {
                    margin.next_bid = margin.next_bid.max(price);
                } else {
                    margin.next_ask = if margin.next_ask.is_none() { price } else { margin.next_ask.min(price) };
                }
            }
        }
        Ok(margin)
    }

    /// The dearest bids and the cheapest asks trade, as many as can.
    fn check(&self, entrants: &[Entrant], zero_surplus: bool) -> Result<(), Flaw> {
        let left_out = |is_bid: bool, price: Option<i64>| {
            let one =
                |entrant: &&Entrant| entrant.is_bid == is_bid && Some(entrant.price) == price && entrant.rest() > 0;
            Flaw::LeftOut { order: entrants.iter().find(one).map_or(0, |entrant| sortable(entrant.id)) }
        };
        let outside = |is_bid: bool, price: Option<i64>| {
            let one =
                |entrant: &&Entrant| entrant.is_bid == is_bid && Some(entrant.price) == price && entrant.filled > 0;
            Flaw::OutsideMoney { order: entrants.iter().find(one).map_or(0, |entrant| sortable(entrant.id)) }
        };
        if let (Some(bid), Some(ask)) = (self.last_bid, self.last_ask)
            && (bid < ask || (bid == ask && !zero_surplus))
        {
            // One of the two is outside: the one that something better of its own side waits behind, else the bid.
            let ask_is = self.next_ask.is_some_and(|next| next < ask);
            return Err(if ask_is { outside(false, self.last_ask) } else { outside(true, self.last_bid) });
        }
        if self.next_bid.is_some() && self.last_bid.is_some() && self.next_bid > self.last_bid {
            return Err(left_out(true, self.next_bid));
        }
        if let (Some(next), Some(last)) = (self.next_ask, self.last_ask)
            && next < last
        {
            return Err(left_out(false, self.next_ask));
        }
        if let (Some(bid), Some(ask)) = (self.next_bid, self.next_ask)
            && (bid > ask || (bid == ask && zero_surplus))
        {
            return Err(left_out(true, self.next_bid));
        }
        Ok(())
    }
}
