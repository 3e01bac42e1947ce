//! Loads as columns: which are refused, which terms cannot be used, and pools side by side.

use std::ops::Range;

use super::Rule;
use super::keys::WHOLE;
use super::price::Balance;
use crate::batch::rows_by_market;
use crate::reject::RejectReason;
use crate::units::{QUANTITY_MAX, price_in_range};

/// A price of the grid: one for all markets, or one a load, the same for all loads of a market.
#[derive(Clone, Copy, Debug)]
pub enum GridPrice<'a> {
    /// One for all.
    All(i64),
    /// By load.
    Each(&'a [i64]),
}

impl GridPrice<'_> {
    fn of(&self, row: usize) -> i64 {
        match *self {
            Self::All(price) => price,
            Self::Each(prices) => prices[row],
        }
    }
}

/// Net loads, one a row: columns of one length.
#[derive(Clone, Copy, Debug)]
pub struct Loads<'a> {
    /// Lots, + imports, − exports.
    pub net: &'a [i64],
    /// Community and slot; all of one where there is none.
    pub market: Option<&'a [i64]>,
    /// Id of the load, which breaks ties; the row where there is none.
    pub order: Option<&'a [i64]>,
    /// Period whose markets are one pool; each market is one where there is none.
    pub period: Option<&'a [i64]>,
    /// Agreed shares of local energy, parts per million.
    pub share: Option<&'a [i64]>,
    /// Ticks a lot from the grid.
    pub retail: GridPrice<'a>,
    /// Ticks a lot to the grid.
    pub feed_in: GridPrice<'a>,
    /// Reject codes that the columns themselves showed; 0 for none.
    pub refused: Option<&'a [u16]>,
}

/// What is wrong with the terms of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Loads of the market name several retail prices: two of them.
    RetailDiffers,
    /// Loads of the market name several feed-in prices: two of them.
    FeedInDiffers,
    /// Loads of the market name several periods: two of them.
    PeriodDiffers,
    /// The grid pays more than it asks: feed-in and retail price.
    FeedInAboveRetail,
    /// The supply–demand ratio divides prices, which must not be negative: feed-in and retail price.
    NegativeFeedIn,
    /// The feed-in price with the compensation is above the retail price: both prices.
    CompensationTooLarge,
    /// Agreed shares come to more than the whole: their sum, and the whole.
    SharesAboveWhole,
    /// A share is outside 0 to the whole: the share, and the whole.
    ShareOutOfRange,
    /// A side of the market, or of its period, has 2⁶¹ lots or more.
    TooMuch,
}

impl Flaw {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RetailDiffers => "retail_differs",
            Self::FeedInDiffers => "feed_in_differs",
            Self::PeriodDiffers => "period_differs",
            Self::FeedInAboveRetail => "feed_in_above_retail",
            Self::NegativeFeedIn => "negative_feed_in",
            Self::CompensationTooLarge => "compensation_too_large",
            Self::SharesAboveWhole => "shares_above_whole",
            Self::ShareOutOfRange => "share_out_of_range",
            Self::TooMuch => "too_much",
        }
    }
}

/// Terms of a market that no rule can work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Id of the market.
    pub market: i64,
    /// What is wrong.
    pub flaw: Flaw,
    /// The two numbers that do not go together, 0 where there are none.
    pub numbers: (i64, i64),
}

impl Flaw {
    /// This flaw of a market.
    pub(super) const fn at(self, market: i64, one: i64, other: i64) -> Unusable {
        Unusable { market, flaw: self, numbers: (one, other) }
    }
}

/// Accepted loads side by side: markets in the order of pools, loads of a market by id.
#[derive(Debug)]
pub(super) struct Layout {
    /// Input row of each place; `None` where rows stand as they should.
    pub rows: Option<Vec<u32>>,
    /// Market ids.
    pub markets: Vec<i64>,
    /// Where the loads of each market start; one more closes the last.
    pub starts: Vec<usize>,
    /// Period of each market, where periods make pools.
    pub period: Option<Vec<i64>>,
    /// Reject code of each row; `None` where all are accepted.
    pub reject: Option<Vec<u16>>,
}

impl Layout {
    /// Refuses what must be refused and lays out the rest.
    pub fn of(loads: &Loads<'_>, rule: &Rule) -> Result<Self, Unusable> {
        let mut reject = loads.refused();
        if reject.is_none()
            && let Some(layout) = Self::as_it_stands(loads, rule)
        {
            return layout.check_periods(loads, rule);
        }
        let n = loads.net.len();
        let mut rows = rows_by_market(loads.market, n);
        let market_of = |row: u32| loads.market.map_or(0, |ids| ids[row as usize]);
        let (mut markets, mut starts) = (Vec::new(), vec![0]);
        let mut kept = 0;
        let mut from = 0;
        while from < n {
            let market = market_of(rows[from]);
            let to = from + rows[from..].iter().take_while(|&&row| market_of(row) == market).count();
            if let Some(ids) = loads.order {
                let group = &mut rows[from..to];
                if !group.is_sorted_by(|&a, &b| ids[a as usize] < ids[b as usize]) {
                    refuse_twins(group, ids, &mut reject);
                }
            }
            for at in from..to {
                let row = rows[at];
                if reject.as_ref().is_none_or(|codes| codes[row as usize] == 0) {
                    rows[kept] = row;
                    kept += 1;
                }
            }
            markets.push(market);
            starts.push(kept);
            from = to;
        }
        rows.truncate(kept);
        Self { rows: Some(rows), markets, starts, period: None, reject }.check_periods(loads, rule)
    }

    fn as_it_stands(loads: &Loads<'_>, rule: &Rule) -> Option<Self> {
        let n = loads.net.len();
        let (mut markets, mut starts) = (Vec::new(), Vec::new());
        match loads.market {
            None => {
                markets.push(0);
                starts.push(0);
            }
            Some(ids) => {
                for (row, &id) in ids.iter().enumerate() {
                    if markets.last() != Some(&id) {
                        if markets.last().is_some_and(|&last| last > id) {
                            return None;
                        }
                        markets.push(id);
                        starts.push(row);
                    }
                }
            }
        }
        starts.push(n);
        let ascending =
            |ids: &[i64]| starts.windows(2).all(|range| ids[range[0]..range[1]].is_sorted_by(|one, other| one < other));
        if loads.order.is_some_and(|ids| !ascending(ids)) {
            return None;
        }
        if rule.takes_periods() && loads.period.is_some_and(|periods| !periods.is_sorted()) {
            return None;
        }
        Some(Self { rows: None, markets, starts, period: None, reject: None })
    }

    /// Says which period each market is in, and puts markets of one period together.
    fn check_periods(mut self, loads: &Loads<'_>, rule: &Rule) -> Result<Self, Unusable> {
        let Some(periods) = loads.period.filter(|_| rule.takes_periods()) else {
            return Ok(self);
        };
        let mut of_market = Vec::with_capacity(self.markets.len());
        for (index, &market) in self.markets.iter().enumerate() {
            let mut rows = (self.starts[index]..self.starts[index + 1]).map(|at| periods[self.row(at)]);
            let one = rows.next();
            if let Some(other) = rows.find(|&other| Some(other) != one) {
                return Err(Flaw::PeriodDiffers.at(market, one.unwrap_or(other), other));
            }
            of_market.push(one.unwrap_or(i64::MIN)); // of a market that nobody is in
        }
        if !of_market.is_sorted() {
            self.reorder(&of_market);
            of_market.sort_unstable();
        }
        self.period = Some(of_market);
        Ok(self)
    }

    fn reorder(&mut self, period: &[i64]) {
        let mut order: Vec<u32> = (0..period.len() as u32).collect();
        order.sort_by_key(|&market| period[market as usize]);
        let mut rows = Vec::with_capacity(self.starts[self.starts.len() - 1]);
        let (mut markets, mut starts) = (Vec::with_capacity(order.len()), vec![0]);
        for market in order {
            let market = market as usize;
            rows.extend((self.starts[market]..self.starts[market + 1]).map(|at| self.row(at) as u32));
            markets.push(self.markets[market]);
            starts.push(rows.len());
        }
        (self.rows, self.markets, self.starts) = (Some(rows), markets, starts);
    }

    /// Input row of a place.
    pub fn row(&self, place: usize) -> usize {
        self.rows.as_ref().map_or(place, |rows| rows[place] as usize)
    }

    /// Ranges of markets that are one pool.
    pub fn pools(&self) -> Vec<Range<usize>> {
        let Some(period) = &self.period else {
            return (0..self.markets.len()).map(|market| market..market + 1).collect();
        };
        let mut pools = Vec::new();
        for (market, this) in period.iter().enumerate() {
            match pools.last_mut() {
                Some(Range { start, end }) if period[*start] == *this => *end = market + 1,
                _ => pools.push(market..market + 1),
            }
        }
        pools
    }

    /// A column in the order of places.
    pub fn lay(&self, column: &[i64]) -> Option<Vec<i64>> {
        self.rows.as_ref().map(|rows| rows.iter().map(|&row| column[row as usize]).collect())
    }
}

/// Sorts the loads of a market by id and refuses those of one id, unless refused already.
fn refuse_twins(group: &mut [u32], ids: &[i64], reject: &mut Option<Vec<u16>>) {
    group.sort_unstable_by_key(|&row| (ids[row as usize], row));
    let is_sound = |reject: &Option<Vec<u16>>, row: u32| reject.as_ref().is_none_or(|codes| codes[row as usize] == 0);
    for same in group.chunk_by(|&a, &b| ids[a as usize] == ids[b as usize]).filter(|same| same.len() > 1) {
        let twins: Vec<u32> = same.iter().copied().filter(|&row| is_sound(reject, row)).collect();
        if twins.len() > 1 {
            let codes = reject.get_or_insert_with(|| vec![0; ids.len()]);
            for row in twins {
                codes[row as usize] = RejectReason::DuplicateOrder.code();
            }
        }
    }
}

impl Loads<'_> {
    /// Reject codes of single rows; `None` where every row is sound.
    fn refused(&self) -> Option<Vec<u16>> {
        let given = self.refused.filter(|codes| codes.iter().any(|&code| code != 0));
        let in_range = |prices: GridPrice<'_>| match prices {
            GridPrice::All(_) => true,
            GridPrice::Each(prices) => prices.iter().all(|&price| price_in_range(price)),
        };
        let nets_sound = self.net.iter().all(|net| (-QUANTITY_MAX..=QUANTITY_MAX).contains(net));
        if given.is_none() && nets_sound && in_range(self.retail) && in_range(self.feed_in) {
            return None;
        }
        let code = |row: usize| {
            let given = given.map_or(0, |codes| codes[row]);
            if given != 0 {
                given
            } else if !price_in_range(self.retail.of(row)) || !price_in_range(self.feed_in.of(row)) {
                RejectReason::PriceOutOfRange.code()
            } else if !(-QUANTITY_MAX..=QUANTITY_MAX).contains(&self.net[row]) {
                RejectReason::QuantityOutOfRange.code()
            } else {
                0
            }
        };
        Some((0..self.net.len()).map(code).collect())
    }

    /// Prices and sums of a market whose loads are at the places `range` of `layout`.
    pub(super) fn balance(
        &self,
        layout: &Layout,
        index: usize,
        net: &[i64],
        rule: &Rule,
    ) -> Result<(Balance, u32, u32), Unusable> {
        let market = layout.markets[index];
        let range = layout.starts[index]..layout.starts[index + 1];
        let one = |prices: GridPrice<'_>| match prices {
            GridPrice::All(price) => Ok(price),
            GridPrice::Each(prices) => {
                let mut named = range.clone().map(|at| prices[layout.row(at)]);
                let one = named.next().unwrap_or(0);
                named.find(|&other| other != one).map_or(Ok(one), |other| Err((one, other)))
            }
        };
        let retail = one(self.retail).map_err(|(one, other)| Flaw::RetailDiffers.at(market, one, other))?;
        let feed_in = one(self.feed_in).map_err(|(one, other)| Flaw::FeedInDiffers.at(market, one, other))?;
        if feed_in > retail {
            return Err(Flaw::FeedInAboveRetail.at(market, feed_in, retail));
        }
        if let Rule::SupplyDemandRatio { compensation, .. } = *rule {
            if feed_in < 0 {
                return Err(Flaw::NegativeFeedIn.at(market, feed_in, retail));
            }
            // A market without loads has no prices to be wrong.
            if feed_in + compensation > retail && !range.is_empty() {
                return Err(Flaw::CompensationTooLarge.at(market, feed_in, retail));
            }
        }
        if rule.takes_shares() {
            self.check_shares(layout, market, range.clone())?;
        }
        // Fewer than 2³¹ loads, or the sums would be looked at one by one.
        let (mut demand, mut both, mut buyers, mut sellers) = (0_i64, 0_i64, 0_u32, 0_u32);
        for part in net.chunks(1 << 30) {
            let (mut wanted, mut all) = (0_i64, 0_i64);
            for &net in part {
                wanted = wanted.wrapping_add(net.max(0));
                all = all.wrapping_add(net);
                buyers = buyers.wrapping_add(u32::from(net > 0));
                sellers = sellers.wrapping_add(u32::from(net < 0));
            }
            demand = demand.checked_add(wanted).ok_or(Flaw::TooMuch.at(market, 0, 0))?;
            both = both.checked_add(all).ok_or(Flaw::TooMuch.at(market, 0, 0))?;
        }
        let supply = demand.checked_sub(both).filter(|&supply| supply.max(demand) < 1 << 61);
        let supply = supply.ok_or(Flaw::TooMuch.at(market, 0, 0))?;
        Ok((Balance { supply, demand, retail, feed_in }, buyers, sellers))
    }

    fn check_shares(&self, layout: &Layout, market: i64, range: Range<usize>) -> Result<(), Unusable> {
        let mut sum = 0_i64;
        for share in range.filter_map(|at| self.share.map(|shares| shares[layout.row(at)])) {
            if !(0..=WHOLE).contains(&share) {
                return Err(Flaw::ShareOutOfRange.at(market, share, WHOLE));
            }
            sum += share;
        }
        if sum > WHOLE { Err(Flaw::SharesAboveWhole.at(market, sum, WHOLE)) } else { Ok(()) }
    }
}
