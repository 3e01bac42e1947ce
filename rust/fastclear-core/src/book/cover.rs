//! What participants may have at stake: money in bids, energy on offer, a position in a market.
//!
//! A bid is covered at its limit and an ask below zero at its limit, each with what the trade costs beside the price; what has
//! traded is covered at the price of the trade. So a fill at a better price, a cancel, an expiry give back exactly what is
//! no longer needed, and money that was received counts only when somebody says so ([`Cover::settle`]).

use std::collections::HashMap;

use super::command::NULL;
use super::ids::Ids;
use super::register::{Heard, Standing};
use super::rules::Request;
use crate::order::BUY;
use crate::reject::RejectReason;
use crate::{simd, units};

/// Parts of a whole, of a tax.
const MILLION: i64 = 1_000_000;

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
        // As 64-bit numbers while they fit, for those are divided several times faster.
        let narrow = price.checked_add(self.fee).and_then(|base| Some((base, base.checked_mul(self.tax_ppm.into())?)));
        narrow.map_or_else(
            || self.wide_bid(price),
            |(base, tax)| {
                let tax = tax.div_euclid(MILLION) + i64::from(tax.rem_euclid(MILLION) > 0);
                (i128::from(base) + i128::from(tax)).max(0)
            },
        )
    }

    #[cold]
    fn wide_bid(self, price: i64) -> i128 {
        let base = i128::from(price) + i128::from(self.fee);
        let tax = -(-base * i128::from(self.tax_ppm)).div_euclid(MILLION.into());
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

/// A participant.
#[derive(Clone, Copy, Debug)]
struct Account {
    participant: i64,
    limits: Option<Limits>,
    bound: Bound,
    /// Whether it ever had an order or paid.
    has_acted: bool,
    /// A market in which it has a position, and where that is: most often it is asked for again.
    last: Option<(u32, u32)>,
}

/// A participant in one market.
#[derive(Clone, Copy, Debug)]
struct Held {
    account: u32,
    market: u32,
    position: Position,
    /// Which of the limits of single markets it has, or [`NONE`].
    limits: u32,
}

const NONE: u32 = u32::MAX;

/// Places of an account and of what it has in a market.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whose {
    account: u32,
    held: u32,
}

/// What an order that stands binds, and whose.
#[derive(Clone, Copy, Debug, Default)]
struct Stake {
    whose: Whose,
    /// Money that each of its lots may cost.
    lot: i128,
}

/// Who may have what, and has what.
#[derive(Clone, Debug, Default)]
pub struct Cover {
    charges: Charges,
    accounts: Vec<Account>,
    places_of_accounts: Ids,
    markets: Vec<i64>,
    places_of_markets: Ids,
    held: Vec<Held>,
    /// Energy and position of one market, before those of all.
    market_limits: Vec<Limits>,
    /// By account and market.
    places_of_held: HashMap<(u32, u32), u32>,
    /// Places among those held that nothing is in.
    free: Vec<u32>,
    /// By the places that orders have in the register.
    stakes: Vec<Stake>,
}

/// The worst price of an order that takes any: as far out as prices go.
fn worst(side: u8, limit: i64) -> i64 {
    match (limit, side) {
        (NULL, BUY) => units::PRICE_MAX,
        (NULL, _) => -units::PRICE_MAX,
        _ => limit,
    }
}

/// Where an id is that may be new, and `add` it then.
fn place_of(id: i64, places: &mut Ids, add: impl FnOnce() -> usize) -> u32 {
    if let Some(place) = places.get(id) {
        return place as u32;
    }
    let place = add();
    places.insert(id, place as u64);
    place as u32
}

impl Cover {
    /// A cover in which nobody may have anything, over the orders that there are.
    pub(super) fn over(charges: Charges, standings: impl Iterator<Item = (u32, Standing)>) -> Self {
        let mut cover = Self { charges, ..Self::default() };
        for (place, standing) in standings {
            let Standing { market, participant, side, limit, open } = standing;
            let whose = cover.reserve(participant, market, side, limit, open);
            cover.stands(place, whose, side, limit);
        }
        cover
    }

    /// Sets what lots cost beside their price, for orders that are there too: `standings` are all of them.
    pub(super) fn set_charges(&mut self, charges: Charges, standings: impl Iterator<Item = (u32, Standing)>) {
        self.charges = charges;
        self.accounts.iter_mut().for_each(|account| account.bound.at_stake = 0);
        for (place, standing) in standings {
            let lot = self.lot(standing.side, standing.limit);
            let stake = &mut self.stakes[place as usize];
            stake.lot = lot;
            self.accounts[stake.whose.account as usize].bound.at_stake += lot * i128::from(standing.open);
        }
    }

    /// Sets how much a participant may have; in one market, if one is named.
    pub fn set(&mut self, participant: i64, market: Option<i64>, limits: Limits) {
        let account = self.account(participant);
        match market {
            None => self.accounts[account as usize].limits = Some(limits),
            Some(market) => {
                let held = self.held(account, market);
                let known = &mut self.held[held as usize].limits;
                if let Some(known) = self.market_limits.get_mut(*known as usize) {
                    *known = limits;
                } else {
                    *known = self.market_limits.len() as u32;
                    self.market_limits.push(limits);
                }
            }
        }
    }

    /// What traded so far is settled, and counts no more.
    pub fn settle(&mut self) {
        for account in &mut self.accounts {
            (account.bound.paid, account.last) = (0, None);
        }
        for (place, held) in self.held.iter_mut().enumerate() {
            (held.position.bought, held.position.sold) = (0, 0);
            let is_empty = held.position == Position::default() && held.limits == NONE;
            let (key, place) = ((held.account, held.market), place as u32);
            // One that is free already may have the key of another.
            if is_empty && self.places_of_held.get(&key) == Some(&place) {
                self.places_of_held.remove(&key);
                self.free.push(place);
            }
        }
    }

    pub(super) fn charges(&self) -> Charges {
        self.charges
    }

    /// Every limit, by participant, and by participant and market; ascending.
    #[expect(clippy::type_complexity, reason = "two lists of keys and limits")]
    pub(super) fn every_limit(&self) -> (Vec<(i64, Limits)>, Vec<((i64, i64), Limits)>) {
        let limits = self.accounts.iter().filter_map(|account| Some((account.participant, account.limits?)));
        let market_limits = self.held.iter().filter_map(|held| Some((self.key(held), self.limits_of(held)?)));
        let (mut limits, mut market_limits): (Vec<_>, Vec<_>) = (limits.collect(), market_limits.collect());
        limits.sort_unstable_by_key(|&(key, _)| key);
        market_limits.sort_unstable_by_key(|&(key, _)| key);
        (limits, market_limits)
    }

    pub(super) fn add_paid(&mut self, participant: i64, paid: i128) {
        let account = self.account(participant);
        let account = &mut self.accounts[account as usize];
        account.has_acted = true;
        account.bound.paid += paid;
    }

    pub(super) fn add_traded(&mut self, participant: i64, market: i64, bought: i128, sold: i128) {
        let account = self.account(participant);
        let held = self.held(account, market);
        let position = &mut self.held[held as usize].position;
        position.bought += bought;
        position.sold += sold;
    }

    /// What a participant may have; `None` of one that may have nothing.
    pub fn limits(&self, participant: i64) -> Option<Limits> {
        self.accounts[self.places_of_accounts.get(participant)? as usize].limits
    }

    /// Every participant with limits or anything bound, ascending.
    pub fn participants(&self) -> Vec<i64> {
        let counts = self.accounts.iter().filter(|account| account.has_acted || account.limits.is_some());
        let mut all: Vec<i64> = counts.map(|account| account.participant).collect();
        all.sort_unstable();
        all
    }

    /// What a participant's money is bound for.
    pub fn bound(&self, participant: i64) -> Bound {
        let place = self.places_of_accounts.get(participant);
        place.map_or_else(Bound::default, |place| self.accounts[place as usize].bound)
    }

    /// What participants have, by participant and market, ascending.
    pub fn positions(&self) -> Vec<((i64, i64), Position)> {
        let has_any = self.held.iter().filter(|held| held.position != Position::default());
        let mut all: Vec<_> = has_any.map(|held| (self.key(held), held.position)).collect();
        all.sort_unstable_by_key(|&(key, _)| key);
        all
    }

    /// Participant and market.
    fn key(&self, held: &Held) -> (i64, i64) {
        (self.accounts[held.account as usize].participant, self.markets[held.market as usize])
    }

    fn limits_of(&self, held: &Held) -> Option<Limits> {
        self.market_limits.get(held.limits as usize).copied()
    }

    fn account(&mut self, participant: i64) -> u32 {
        let Self { accounts, places_of_accounts, .. } = self;
        place_of(participant, places_of_accounts, || {
            let bound = Bound::default();
            accounts.push(Account { participant, limits: None, bound, has_acted: false, last: None });
            accounts.len() - 1
        })
    }

    /// Where an account has what it has in a market.
    fn held(&mut self, account: u32, market: i64) -> u32 {
        let Self { markets, places_of_markets, places_of_held, held, free, .. } = self;
        let market = place_of(market, places_of_markets, || {
            markets.push(market);
            markets.len() - 1
        });
        let last = &mut self.accounts[account as usize].last;
        if let Some((of, place)) = *last
            && of == market
        {
            return place;
        }
        let place = *places_of_held.entry((account, market)).or_insert_with(|| {
            let fresh = Held { account, market, position: Position::default(), limits: NONE };
            if let Some(place) = free.pop() {
                held[place as usize] = fresh;
                place
            } else {
                held.push(fresh);
                held.len() as u32 - 1
            }
        });
        *last = Some((market, place));
        place
    }

    /// As [`Self::held`], if there is any.
    fn look_for(&mut self, account: u32, market: i64) -> Option<u32> {
        let market = self.places_of_markets.get(market)? as u32;
        let last = &mut self.accounts[account as usize].last;
        if let Some((of, place)) = *last
            && of == market
        {
            return Some(place);
        }
        let place = *self.places_of_held.get(&(account, market))?;
        *last = Some((market, place));
        Some(place)
    }

    /// Whether an order may come in, or take the place of one that stands.
    ///
    /// # Errors
    /// [`RejectReason::CreditExceeded`] where it needs more of something than its participant has left. What needs no more
    /// is let in, however little is left: limits may have been lowered.
    pub(super) fn admit(&mut self, request: &Request, replaced: Option<Standing>) -> Result<(), RejectReason> {
        let &Request { market, participant, side, quantity, .. } = request;
        let account = self.places_of_accounts.get(participant).filter(|_| participant != NULL);
        let Some((account, own)) =
            account.and_then(|place| Some((place as u32, self.accounts[place as usize].limits?)))
        else {
            return Err(RejectReason::CreditExceeded);
        };
        let held = self.look_for(account, market).map(|held| &self.held[held as usize]);
        let (here, has) =
            held.map_or_else(Default::default, |held| (self.limits_of(held).unwrap_or_default(), held.position));
        let before = replaced.as_ref().map_or(0, |one| self.lot(one.side, one.limit) * i128::from(one.open));
        let after = self.lot(side, request.price.unwrap_or(NULL)) * i128::from(quantity);
        let more_lots = i128::from(quantity) - replaced.as_ref().map_or(0, |one| i128::from(one.open));
        let bound = self.accounts[account as usize].bound;
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

    /// The most that a lot of an order with this limit may cost.
    fn lot(&self, side: u8, limit: i64) -> i128 {
        self.charges.lot(side, worst(side, limit))
    }

    /// Binds what an order needs that is let in.
    #[inline]
    pub(super) fn reserve(&mut self, participant: i64, market: i64, side: u8, limit: i64, lots: i64) -> Whose {
        let account = self.account(participant);
        let held = self.held(account, market);
        let whose = Whose { account, held };
        self.accounts[account as usize].has_acted = true;
        self.bind(Stake { whose, lot: self.lot(side, limit) }, side, lots.into());
        whose
    }

    /// Binds what so many more lots of an order need, or fewer.
    #[inline(always)]
    fn bind(&mut self, stake: Stake, side: u8, lots: i128) {
        self.accounts[stake.whose.account as usize].bound.at_stake += stake.lot * lots;
        let position = &mut self.held[stake.whose.held as usize].position;
        *(if side == BUY { &mut position.buying } else { &mut position.selling }) += lots;
    }
}

impl Heard for Cover {
    #[inline]
    fn stands(&mut self, place: u32, whose: Whose, side: u8, limit: i64) {
        let stake = Stake { whose, lot: self.lot(side, limit) };
        if place as usize >= self.stakes.len() {
            self.stakes.resize(place as usize + 1, Stake::default());
        }
        self.stakes[place as usize] = stake;
    }

    fn changes(&mut self, place: u32, side: u8, lots: [u32; 2], limit: i64) {
        let stake = self.stakes[place as usize];
        self.bind(stake, side, -i128::from(lots[0]));
        self.stands(place, stake.whose, side, limit);
        self.bind(self.stakes[place as usize], side, lots[1].into());
    }

    #[inline]
    fn loses(&mut self, place: u32, side: u8, lots: i64) {
        self.bind(self.stakes[place as usize], side, -i128::from(lots));
    }

    #[inline]
    fn dealt(&mut self, buy: u32, sell: u32, price: i64, lots: i64) {
        let lots = i128::from(lots);
        for (side, place) in [(BUY, buy), (1 - BUY, sell)] {
            let Whose { account, held } = self.stakes[place as usize].whose;
            self.accounts[account as usize].bound.paid += self.charges.lot(side, price) * lots;
            let position = &mut self.held[held as usize].position;
            *(if side == BUY { &mut position.bought } else { &mut position.sold }) += lots;
        }
    }

    fn fetch(&self, place: usize) {
        if let Some(stake) = self.stakes.get(place) {
            simd::prefetch_place(&self.held, stake.whose.held as usize);
            simd::prefetch_place(&self.held, stake.whose.held as usize + 1);
        }
    }

    fn fetch_stake(&self, place: usize) {
        simd::prefetch_place(&self.stakes, place);
    }
}
