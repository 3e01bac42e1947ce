//! What participants may have at stake: money in bids, energy on offer, a position in a market.
//!
//! A bid is covered at its limit and an ask below zero at its limit, each with what the trade costs beside the price; what has
//! traded is covered at the price of the trade. So a fill at a better price, a cancel, an expiry give back exactly what is
//! no longer needed, and money that was received counts only when somebody says so ([`Cover::settle`]).

use std::collections::HashMap;

use super::command::NULL;
use super::register::{Deal, Standing};
use super::rules::Request;
use crate::order::BUY;
use crate::reject::RejectReason;
use crate::units;

/// What a lot costs beside its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Charges {
    /// Fees in ticks, which the buyer pays.
    pub fee: i64,
    /// Tax on price and fees, in parts per million.
    pub tax_ppm: u32,
}

impl Charges {
    /// The most that a lot can cost at a price; the tax on each lot is rounded up, which covers every way of splitting it.
    fn lot(self, side: u8, price: i64) -> i128 {
        if side != BUY {
            return -i128::from(price).min(0);
        }
        let base = i128::from(price) + i128::from(self.fee);
        let tax = -(-base * i128::from(self.tax_ppm)).div_euclid(1_000_000);
        (base + tax).max(0)
    }
}

/// How much a participant may have. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// Money at stake and paid, in all markets together.
    pub money: Option<i64>,
    /// Lots on offer and sold, in each market.
    pub energy: Option<i64>,
    /// Lots bought less sold that it could come to, and sold less bought, in each market.
    pub position: Option<i64>,
}

/// What a participant has in one market, in lots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Position {
    /// Open bids.
    pub buying: i128,
    /// Open asks.
    pub selling: i128,
    /// Traded and not settled.
    pub bought: i128,
    /// Traded and not settled.
    pub sold: i128,
}

/// What a participant's money is bound for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Bound {
    /// In open orders.
    pub at_stake: i128,
    /// For what it traded and is not settled.
    pub paid: i128,
}

/// Who may have what, and has what.
#[derive(Clone, Debug, Default)]
pub struct Cover {
    charges: Charges,
    limits: HashMap<i64, Limits>,
    /// Energy and position of one market, before those of all.
    market_limits: HashMap<(i64, i64), Limits>,
    bound: HashMap<i64, Bound>,
    positions: HashMap<(i64, i64), Position>,
}

/// The worst price of an order that takes any: as far out as prices go.
fn worst(side: u8, limit: i64) -> i64 {
    match (limit, side) {
        (NULL, BUY) => units::PRICE_MAX,
        (NULL, _) => -units::PRICE_MAX,
        _ => limit,
    }
}

impl Cover {
    /// A cover in which nobody may have anything, over the orders that there are.
    pub(super) fn over(charges: Charges, standings: impl Iterator<Item = Standing>) -> Self {
        let mut cover = Self { charges, ..Self::default() };
        standings.for_each(|standing| cover.stand(&standing, 1));
        cover
    }

    /// Sets what lots cost beside their price, for orders that are there too: `standings` are all of them.
    pub(super) fn set_charges(&mut self, charges: Charges, standings: impl Iterator<Item = Standing>) {
        let fresh = Self::over(charges, standings);
        self.charges = charges;
        self.bound.values_mut().for_each(|bound| bound.at_stake = 0);
        for (participant, bound) in fresh.bound {
            self.bound.entry(participant).or_default().at_stake = bound.at_stake;
        }
    }

    /// Sets how much a participant may have; in one market, if one is named.
    pub fn set(&mut self, participant: i64, market: Option<i64>, limits: Limits) {
        match market {
            None => self.limits.insert(participant, limits),
            Some(market) => self.market_limits.insert((participant, market), limits),
        };
    }

    /// What traded so far is settled, and counts no more.
    pub fn settle(&mut self) {
        self.bound.values_mut().for_each(|bound| bound.paid = 0);
        for position in self.positions.values_mut() {
            (position.bought, position.sold) = (0, 0);
        }
        self.positions.retain(|_, position| *position != Position::default());
    }

    pub(super) fn charges(&self) -> Charges {
        self.charges
    }

    /// Every limit, by participant, and by participant and market; ascending.
    #[expect(clippy::type_complexity, reason = "two lists of keys and limits")]
    pub(super) fn every_limit(&self) -> (Vec<(i64, Limits)>, Vec<((i64, i64), Limits)>) {
        let mut limits: Vec<_> = self.limits.iter().map(|(&key, &limits)| (key, limits)).collect();
        let mut market_limits: Vec<_> = self.market_limits.iter().map(|(&key, &limits)| (key, limits)).collect();
        limits.sort_unstable_by_key(|&(key, _)| key);
        market_limits.sort_unstable_by_key(|&(key, _)| key);
        (limits, market_limits)
    }

    pub(super) fn add_paid(&mut self, participant: i64, paid: i128) {
        self.bound.entry(participant).or_default().paid += paid;
    }

    pub(super) fn add_traded(&mut self, participant: i64, market: i64, bought: i128, sold: i128) {
        let position = self.positions.entry((participant, market)).or_default();
        position.bought += bought;
        position.sold += sold;
    }

    /// What a participant may have; `None` of one that may have nothing.
    pub fn limits(&self, participant: i64) -> Option<Limits> {
        self.limits.get(&participant).copied()
    }

    /// Every participant with limits or anything bound, ascending.
    pub fn participants(&self) -> Vec<i64> {
        let mut all: Vec<i64> = self.limits.keys().chain(self.bound.keys()).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What a participant's money is bound for.
    pub fn bound(&self, participant: i64) -> Bound {
        self.bound.get(&participant).copied().unwrap_or_default()
    }

    /// What participants have, by participant and market, ascending.
    pub fn positions(&self) -> Vec<((i64, i64), Position)> {
        let mut all: Vec<_> = self.positions.iter().map(|(&key, &position)| (key, position)).collect();
        all.retain(|(_, position)| *position != Position::default());
        all.sort_unstable_by_key(|&(key, _)| key);
        all
    }

    /// Whether an order may come in, or take the place of one that stands.
    ///
    /// # Errors
    /// [`RejectReason::CreditExceeded`] where it needs more of something than its participant has left. What needs no more
    /// is let in, however little is left: limits may have been lowered.
    pub(super) fn admit(&self, request: &Request, replaced: Option<Standing>) -> Result<(), RejectReason> {
        let &Request { market, participant, side, quantity, .. } = request;
        let Some(own) = self.limits.get(&participant).filter(|_| participant != NULL) else {
            return Err(RejectReason::CreditExceeded);
        };
        let lots = |standing: &Standing| i128::from(standing.open);
        let here = self.market_limits.get(&(participant, market)).copied().unwrap_or_default();
        let before = replaced.as_ref().map_or(0, |standing| self.stake(standing));
        let limit = request.price.unwrap_or(NULL);
        let after = self.stake(&Standing { market, participant, side, limit, open: quantity });
        let more_lots = i128::from(quantity) - replaced.as_ref().map_or(0, lots);
        let bound = self.bound(participant);
        let has = self.positions.get(&(participant, market)).copied().unwrap_or_default();
        let (offered, net) = if side == BUY {
            (0, has.buying + has.bought - has.sold)
        } else {
            (has.selling + has.sold, has.selling + has.sold - has.bought)
        };
        let is_over = |most: Option<i64>, now: i128, more: i128| {
            more > 0 && most.is_some_and(|most| now + more > i128::from(most))
        };
        let over = is_over(own.money, bound.at_stake + bound.paid, after - before)
            || (side != BUY && is_over(here.energy.or(own.energy), offered, more_lots))
            || is_over(here.position.or(own.position), net, more_lots);
        if over { Err(RejectReason::CreditExceeded) } else { Ok(()) }
    }

    fn stake(&self, standing: &Standing) -> i128 {
        self.charges.lot(standing.side, worst(standing.side, standing.limit)) * i128::from(standing.open)
    }

    /// Counts an order as it stands, or no longer does (`sign` -1).
    pub(super) fn stand(&mut self, standing: &Standing, sign: i128) {
        let stake = self.stake(standing);
        let lots = sign * i128::from(standing.open);
        self.bound.entry(standing.participant).or_default().at_stake += sign * stake;
        let position = self.positions.entry((standing.participant, standing.market)).or_default();
        *(if standing.side == BUY { &mut position.buying } else { &mut position.selling }) += lots;
    }

    /// Counts a trade.
    pub(super) fn deal(&mut self, deal: &Deal) {
        let lots = i128::from(deal.quantity);
        for (side, participant) in [(BUY, deal.buyer), (1 - BUY, deal.seller)] {
            self.bound.entry(participant).or_default().paid += self.charges.lot(side, deal.price) * lots;
            let position = self.positions.entry((participant, deal.market)).or_default();
            *(if side == BUY { &mut position.bought } else { &mut position.sold }) += lots;
        }
    }
}
