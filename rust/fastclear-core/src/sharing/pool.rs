//! Pools settled: what each load trades locally, and what it pays.

use std::ops::Range;

use super::divide::{Scratch, divide};
use super::keys::allocate;
use super::loads::{Flaw, Layout, Loads, Unusable};
use super::price::Balance;
use super::{CostKey, Key, Rule};
use crate::auction::deal::split;
use crate::batch::threads::{at_once, pieces, worth};

/// One market of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketShare {
    /// Its id.
    pub market: i64,
    /// Its period, where periods make pools.
    pub period: i64,
    /// Energy and prices of the grid.
    pub balance: Balance,
    /// Lots shared.
    pub volume: i64,
    /// Accepted loads, also those without energy.
    pub loads: u32,
    /// Loads that import.
    pub buyers: u32,
    /// Loads that export.
    pub sellers: u32,
    /// What importers pay; with fixed costs, all payments above 0.
    pub paid: i128,
    /// What exporters receive.
    pub received: i128,
}

impl MarketShare {
    /// What the community pays the grid: imports at retail less exports at feed-in.
    pub fn grid_payment(&self) -> i128 {
        let Balance { supply, demand, retail, feed_in } = self.balance;
        i128::from(retail) * i128::from(demand - self.volume) - i128::from(feed_in) * i128::from(supply - self.volume)
    }
}

/// The result beside fills and payments.
#[derive(Debug)]
pub struct Shared {
    /// One a market, ascending ids.
    pub markets: Vec<MarketShare>,
    /// Reject code of each row; `None` where all are accepted.
    pub reject: Option<Vec<u16>>,
}

/// Settles every pool of `loads`: lots traded locally to `filled`, money to `payment` (+ pays, − receives), by row.
///
/// # Errors
/// Terms of a market that the rule cannot work with, of the first pool that has some; then nothing written means anything.
///
/// # Panics
/// Where columns or results differ in length.
pub fn share(
    loads: &Loads<'_>,
    rule: &Rule,
    threads: usize,
    filled: &mut [i64],
    payment: &mut [i64],
) -> Result<Shared, Unusable> {
    let n = loads.net.len();
    assert!(filled.len() == n && payment.len() == n, "Invariant: a place a row");
    let mut layout = Layout::of(loads, rule)?;
    let (laid_net, laid_share) = (layout.lay(loads.net), loads.share.and_then(|share| layout.lay(share)));
    let net = laid_net.as_deref().unwrap_or(loads.net);
    let shares = laid_share.as_deref().or(loads.share).unwrap_or(&[]);
    let kept = net.len();
    let mut markets = if layout.rows.is_some() {
        let (mut fills, mut payments) = (vec![0; kept], vec![0; kept]);
        let markets = run(loads, rule, &layout, (net, shares), (&mut fills, &mut payments), threads)?;
        if layout.reject.is_some() {
            filled.fill(0);
            payment.fill(0);
        }
        for (place, (&fill, &money)) in fills.iter().zip(&payments).enumerate() {
            let row = layout.row(place);
            (filled[row], payment[row]) = (fill, money);
        }
        markets
    } else {
        filled.fill(0);
        payment.fill(0);
        run(loads, rule, &layout, (net, shares), (filled, payment), threads)?
    };
    if layout.period.is_some() {
        markets.sort_unstable_by_key(|market| market.market);
    }
    Ok(Shared { markets, reject: layout.reject.take() })
}

/// Settles all pools, some threads a run of pools each.
fn run(
    loads: &Loads<'_>,
    rule: &Rule,
    layout: &Layout,
    (net, shares): (&[i64], &[i64]),
    (filled, payment): (&mut [i64], &mut [i64]),
    threads: usize,
) -> Result<Vec<MarketShare>, Unusable> {
    let pools = layout.pools();
    let tasks = worth(net.len(), threads);
    let place = |pool: usize| pools.get(pool).map_or(net.len(), |pool| layout.starts[pool.start]);
    // Runs of pools of about as many loads each.
    let mut cuts: Vec<usize> = (0..tasks)
        .map(|task| {
            let target = (net.len() as u128 * task as u128 / tasks as u128) as usize;
            pools.partition_point(|pool| layout.starts[pool.start] < target)
        })
        .collect();
    cuts[0] = 0;
    cuts.push(pools.len());
    cuts.dedup();
    if cuts.len() < 2 {
        return Ok(Vec::new());
    }
    let lengths = || cuts.windows(2).map(|cut| place(cut[1]) - place(cut[0]));
    let work = cuts.windows(2).zip(pieces(filled, lengths())).zip(pieces(payment, lengths()));
    let found = at_once(work.map(|((cut, filled), payment)| {
        let (pools, first) = (&pools[cut[0]..cut[1]], place(cut[0]));
        move || {
            let mut scratch = Scratch::default();
            let mut markets = Vec::with_capacity(pools.len());
            for pool in pools {
                let (start, end) = (layout.starts[pool.start], layout.starts[pool.end]);
                let mine = Pool {
                    rule,
                    net: &net[start..end],
                    shares: shares.get(start..end).unwrap_or(&[]),
                    filled: &mut filled[start - first..end - first],
                    payment: &mut payment[start - first..end - first],
                    scratch: &mut scratch,
                };
                mine.settle(loads, layout, pool.clone(), &mut markets)?;
            }
            Ok(markets)
        }
    }));
    let mut markets = Vec::with_capacity(layout.markets.len());
    for found in found {
        markets.extend(found?);
    }
    Ok(markets)
}

/// One pool: its loads side by side, and where its results go.
struct Pool<'a> {
    rule: &'a Rule,
    net: &'a [i64],
    shares: &'a [i64],
    filled: &'a mut [i64],
    payment: &'a mut [i64],
    scratch: &'a mut Scratch,
}

impl Pool<'_> {
    fn settle(
        mut self,
        loads: &Loads<'_>,
        layout: &Layout,
        range: Range<usize>,
        markets: &mut Vec<MarketShare>,
    ) -> Result<(), Unusable> {
        let (first, first_market) = (layout.starts[range.start], markets.len());
        for index in range {
            let places = layout.starts[index] - first..layout.starts[index + 1] - first;
            let (balance, buyers, sellers) = loads.balance(layout, index, &self.net[places.clone()], self.rule)?;
            let volume = self.fill(places.clone(), &balance);
            let mut market = MarketShare {
                market: layout.markets[index],
                period: layout.period.as_ref().map_or(layout.markets[index], |period| period[index]),
                balance,
                volume,
                loads: places.len() as u32,
                buyers,
                sellers,
                ..MarketShare::default()
            };
            match *self.rule {
                Rule::BillSharing { .. } => {}
                Rule::FixedPrice { price, fee, .. } => self.pay_each(places, &mut market, price, fee),
                Rule::MidMarketRate { fee } | Rule::SupplyDemandRatio { fee, .. } => {
                    self.pay_sides(places, &mut market, fee);
                }
            }
            markets.push(market);
        }
        if let Rule::BillSharing { fixed_cost, by } = *self.rule {
            self.pay_bill(&mut markets[first_market..], fixed_cost, by)?;
        }
        Ok(())
    }

    /// Divides local energy; gives how much there is.
    fn fill(&mut self, places: Range<usize>, balance: &Balance) -> i64 {
        let Balance { supply, demand, .. } = *balance;
        let (net, filled) = (&self.net[places.clone()], &mut self.filled[places.clone()]);
        let key = if let Rule::FixedPrice { key, .. } = *self.rule { key } else { Key::Dynamic };
        let shares = if key == Key::Dynamic { &[][..] } else { self.shares.get(places).unwrap_or(&[]) };
        let volume = allocate(key, net, shares, (supply, demand), filled, self.scratch);
        divide(net, false, supply, volume.into(), 1, filled, self.scratch);
        volume
    }

    /// Each load pays for its own lots: local ones at the price, the others to the grid.
    fn pay_each(&mut self, places: Range<usize>, market: &mut MarketShare, price: i64, fee: i64) {
        let Balance { retail, feed_in, supply, demand } = market.balance;
        let rows = self.net[places.clone()].iter().zip(&self.filled[places.clone()]);
        for ((&net, &fill), paid) in rows.zip(&mut self.payment[places]) {
            *paid = if net > 0 {
                fill * (price + fee) + (net - fill) * retail
            } else {
                -(fill * price) + (net + fill) * feed_in
            };
        }
        let (volume, local) = (i128::from(market.volume), i128::from(price));
        market.paid = volume * (local + i128::from(fee)) + i128::from(retail) * (i128::from(demand) - volume);
        market.received = volume * local + i128::from(feed_in) * (i128::from(supply) - volume);
    }

    /// Sellers divide what local energy and the grid bring; buyers pay that, the grid's bill and the fees.
    fn pay_sides(&mut self, places: Range<usize>, market: &mut MarketShare, fee: i64) {
        let Balance { retail, feed_in, supply, demand } = market.balance;
        let value = market.balance.local_value(self.rule, market.volume);
        let volume = i128::from(market.volume);
        market.received = value + i128::from(feed_in) * (i128::from(supply) - volume);
        market.paid = value + i128::from(retail) * (i128::from(demand) - volume) + i128::from(fee) * volume;
        let (net, payment) = (&self.net[places.clone()], &mut self.payment[places]);
        divide(net, true, demand, market.paid, 1, payment, self.scratch);
        divide(net, false, supply, market.received, -1, payment, self.scratch);
    }

    /// Importers divide what the period's imports cost, exporters what its exports earn, and all the fixed cost.
    fn pay_bill(&mut self, markets: &mut [MarketShare], fixed_cost: i64, by: CostKey) -> Result<(), Unusable> {
        let (mut demand, mut supply, mut cost, mut revenue) = (0_i64, 0_i64, 0_i128, 0_i128);
        for MarketShare { market, balance, volume, .. } in &*markets {
            let sums = demand.checked_add(balance.demand).zip(supply.checked_add(balance.supply));
            let sums = sums.filter(|&(demand, supply)| demand.max(supply) < 1 << 61);
            (demand, supply) = sums.ok_or(Flaw::TooMuch.at(*market, 0, 0))?;
            cost += i128::from(balance.retail) * i128::from(balance.demand - volume);
            revenue += i128::from(balance.feed_in) * i128::from(balance.supply - volume);
        }
        let equally = by == CostKey::Equal || demand == 0;
        if !equally {
            cost += i128::from(fixed_cost);
        }
        divide(self.net, true, demand, cost, 1, self.payment, self.scratch);
        divide(self.net, false, supply, revenue, -1, self.payment, self.scratch);
        if equally && fixed_cost != 0 && !self.net.is_empty() {
            let mut parts = Vec::new();
            split(fixed_cost.into(), &vec![1; self.net.len()], &mut parts);
            for (paid, part) in self.payment.iter_mut().zip(parts) {
                *paid += part;
            }
        }
        let mut rows = self.net.iter().zip(&*self.payment);
        for market in markets {
            for (&net, &paid) in rows.by_ref().take(market.loads as usize) {
                if net < 0 {
                    market.received -= i128::from(paid);
                } else {
                    market.paid += i128::from(paid);
                }
            }
        }
        Ok(())
    }
}
