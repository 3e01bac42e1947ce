//! After delivery: each meter reading is compared with what its member traded, and the difference is priced.
//!
//! First the members in ascending account: the reading, then what its deviation costs, line by line. Then those who
//! traded and have no reading, then what is left over, where its owner is not who has it already. All of it is forced:
//! the energy has flowed, whatever an account holds.

use std::collections::BTreeMap;

use super::accounts::{BACKSTOP, CLEARING, ROUNDING, TAX};
use super::allocation::{Gaps, curtail, gaps, lost, netted, pooled};
use super::amount::{owed, received, whole_price};
use super::draft::{Draft, Line};
use super::error::SettleError;
use super::imbalance::{Imbalance, Owner, Shortfall};
use super::posting::Kind;
use super::slot::{Meter, check_member, quantity_of};
use super::terms::Terms;
use crate::auction::deal::split;

/// `code` of a [`Kind::Meter`]: no reading where one was due; the quantity is what its member contracted.
pub const METER_MISSING: u16 = 1;
/// `code` of a [`Kind::Meter`]: a member's share of what the network lost.
pub const METER_LOSSES: u16 = 3;
/// `code` of a [`Kind::Tax`]: on residual energy.
pub const TAX_RESIDUAL: u16 = 2;
/// `code` of a [`Kind::Tax`]: on a trade, given back as far as it was not delivered.
pub const TAX_UNDELIVERED: u16 = 3;
/// `code` of a [`Kind::Imbalance`]: consumption beyond the contract, at retail, taxed.
pub const IMBALANCE_RESIDUAL: u16 = 1;
/// `code` of a [`Kind::Imbalance`]: energy sold and not delivered, at retail, untaxed.
pub const IMBALANCE_SHORTFALL: u16 = 2;
/// `code` of a [`Kind::Imbalance`]: generation beyond the contract, at feed-in.
pub const IMBALANCE_FEED_IN: u16 = 3;
/// `code` of a [`Kind::Imbalance`]: energy bought and not consumed, at feed-in.
pub const IMBALANCE_OVER_BOUGHT: u16 = 4;
/// `code` of a [`Kind::Imbalance`]: the penalty on a deviation beyond the dead band.
pub const IMBALANCE_PENALTY: u16 = 5;
/// `code` of a [`Kind::Imbalance`]: the price of energy that was not delivered, given back to its buyer.
pub const IMBALANCE_UNDELIVERED: u16 = 6;
/// `code` of a [`Kind::Imbalance`]: what the backstop earned on energy that members could have netted.
pub const IMBALANCE_NETTING: u16 = 7;
/// `code` of a [`Kind::Imbalance`]: a member's share of the penalties.
pub const IMBALANCE_PENALTY_SHARE: u16 = 8;
/// `code` of a [`Kind::Imbalance`]: what rounding the halves of a pool leaves.
pub const IMBALANCE_ROUNDING: u16 = 9;

/// Every line after delivery that `code` tells apart within a kind, with its stable name.
pub const LINES: [(Kind, u16, &str); 13] = [
    (Kind::Tax, TAX_RESIDUAL, "residual"),
    (Kind::Tax, TAX_UNDELIVERED, "undelivered"),
    (Kind::Meter, METER_MISSING, "missing"),
    (Kind::Meter, METER_LOSSES, "losses"),
    (Kind::Imbalance, IMBALANCE_RESIDUAL, "residual"),
    (Kind::Imbalance, IMBALANCE_SHORTFALL, "shortfall"),
    (Kind::Imbalance, IMBALANCE_FEED_IN, "feed_in"),
    (Kind::Imbalance, IMBALANCE_OVER_BOUGHT, "over_bought"),
    (Kind::Imbalance, IMBALANCE_PENALTY, "penalty"),
    (Kind::Imbalance, IMBALANCE_UNDELIVERED, "undelivered"),
    (Kind::Imbalance, IMBALANCE_NETTING, "netting"),
    (Kind::Imbalance, IMBALANCE_PENALTY_SHARE, "penalty_share"),
    (Kind::Imbalance, IMBALANCE_ROUNDING, "rounding"),
];

/// One trade as its delivery is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sale {
    pub market: u64,
    pub buy_order: u64,
    pub sell_order: u64,
    pub buyer: u64,
    pub seller: u64,
    pub quantity: i64,
    /// What the seller received, and its price a unit where that is a whole number of ticks.
    pub revenue: i128,
    pub price: Option<i64>,
    /// What the buyer's tax on the energy was taken on.
    pub taxed: i128,
}

/// A reading beside what its member traded.
pub(super) struct Reading {
    pub account: u64,
    pub metered: i64,
    /// Its share of what the network lost, as if its meter had read so much more.
    losses: i64,
    /// Metered and lost less contracted: + energy lacking, − energy left over.
    pub deviation: i128,
    /// `seq` of its posting.
    seq: u64,
}

impl Reading {
    /// What of the deviation the member consumed or generated itself, and all of it; both 0 or more.
    ///
    /// Lacking energy that it did not consume was sold and not delivered; left-over energy that it did not generate was
    /// bought and not consumed.
    pub fn deviation_parts(&self) -> (i128, i128) {
        let (size, flow) = (self.deviation.abs(), i128::from(self.metered) * self.deviation.signum());
        (size.min(flow.max(0)), size)
    }
}

/// Compares each reading with the contract and prices the difference. `sales` are the trades of the slot, where the
/// policy or losses make them count one by one.
pub(super) fn settle_meter(
    draft: &mut Draft<'_>,
    (terms, policy): (&Terms, Imbalance),
    meter: &Meter<'_>,
    (contract, sales): (&BTreeMap<u64, i128>, &[Sale]),
) -> Result<(), SettleError> {
    let lost = lost(meter.losses, sales)?;
    let mut readings = compare(draft, meter, contract, &lost)?;
    let gaps = match policy {
        Imbalance::ShortfallAllocation { .. } => gaps(&readings, sales)?,
        _ => Gaps::new(),
    };
    if let Imbalance::ShortfallAllocation { rule: Shortfall::BuyerPaysRetail, .. } = policy {
        curtail(&mut readings, sales, &gaps);
    }
    let netted = match policy {
        Imbalance::Pooled => pooled(&readings)?,
        _ => vec![0; readings.len()],
    };
    let prices = policy.prices(terms.tariff(), readings.iter().map(|reading| reading.deviation).sum());
    for (reading, netted) in readings.iter_mut().zip(netted) {
        let metered = Line { quantity: reading.metered, ..Line::new(Kind::Meter, reading.account, 0, 0) };
        reading.seq = draft.push(metered)?;
        note_losses(draft, reading.account, reading.seq, reading.losses)?;
        let mut slip = Slip { draft, terms, reading };
        let mut told = 0;
        if let (Imbalance::ShortfallAllocation { rule, .. }, Some(gaps)) = (policy, gaps.get(&slip.reading.account)) {
            told = slip.undelivered(rule, sales, gaps)?;
        }
        slip.deviation(prices, netted.into(), told)?;
        if let Imbalance::DualPrice { penalty, dead_band, to } = policy {
            slip.penalty(penalty, dead_band, to)?;
        }
    }
    if meter.due || meter.losses > 0 {
        note_missing(draft, &readings, contract, &lost)?;
    }
    pass_on(draft, (terms, policy), &readings)
}

/// Every reading in ascending account, each a member's, none twice.
fn compare(
    draft: &Draft<'_>,
    meter: &Meter<'_>,
    contract: &BTreeMap<u64, i128>,
    lost: &BTreeMap<u64, i64>,
) -> Result<Vec<Reading>, SettleError> {
    let expected = meter.account.len();
    if meter.energy.len() != expected {
        return Err(SettleError::Length { column: "energy_wh", len: meter.energy.len(), expected });
    }
    let mut readings = Vec::with_capacity(expected);
    for (&account, &metered) in meter.account.iter().zip(meter.energy) {
        check_member(draft, account)?;
        let traded = contract.get(&account).copied().unwrap_or(0);
        let losses = lost.get(&account).copied().unwrap_or(0);
        let deviation = i128::from(metered) + i128::from(losses) - traded;
        readings.push(Reading { account, metered, losses, deviation, seq: 0 });
    }
    readings.sort_unstable_by_key(|reading| reading.account);
    match readings.windows(2).find(|pair| pair[0].account == pair[1].account) {
        Some(pair) => Err(SettleError::DuplicateMeter { account: pair[0].account }),
        None => Ok(readings),
    }
}

/// The lines that belong to one reading.
struct Slip<'a, 'd> {
    draft: &'a mut Draft<'d>,
    terms: &'a Terms,
    reading: &'a Reading,
}

/// A price a unit over a denominator of 1 or 2.
type Price = (i64, i64);

impl Slip<'_, '_> {
    /// Prices the deviation, `netted` Wh of it in the pool, own energy first; `told` Wh of the shortfall have their
    /// lines already.
    fn deviation(&mut self, (lacking, left_over): (i64, i64), netted: i128, told: i128) -> Result<(), SettleError> {
        let (own, size) = self.reading.deviation_parts();
        let pool = (self.terms.tariff().retail() + self.terms.tariff().feed_in(), 2);
        let own_netted = own.min(netted);
        if self.reading.deviation > 0 {
            self.pays(IMBALANCE_RESIDUAL, CLEARING, pool, own_netted)?;
            self.pays(IMBALANCE_RESIDUAL, BACKSTOP, (lacking, 1), own - own_netted)?;
            self.pays(IMBALANCE_SHORTFALL, CLEARING, pool, netted - own_netted)?;
            self.pays(IMBALANCE_SHORTFALL, BACKSTOP, (lacking, 1), size - own - (netted - own_netted) - told)
        } else {
            self.receives(IMBALANCE_FEED_IN, CLEARING, pool, own_netted)?;
            self.receives(IMBALANCE_FEED_IN, BACKSTOP, (left_over, 1), own - own_netted)?;
            self.receives(IMBALANCE_OVER_BOUGHT, CLEARING, pool, netted - own_netted)?;
            self.receives(IMBALANCE_OVER_BOUGHT, BACKSTOP, (left_over, 1), size - own - (netted - own_netted))
        }
    }

    /// Charges what is beyond the dead band, losses apart; what the members are to have waits in the clearing house.
    fn penalty(&mut self, penalty: i64, dead_band: i64, to: Owner) -> Result<(), SettleError> {
        let to = match to {
            Owner::House(account) => account,
            Owner::Members => CLEARING,
        };
        let deviation = self.reading.deviation - i128::from(self.reading.losses);
        let beyond = (deviation.abs() - i128::from(dead_band)).max(0);
        if penalty > 0 { self.pays(IMBALANCE_PENALTY, to, (penalty, 1), beyond) } else { Ok(()) }
    }

    /// Tells the shortfall trade by trade, and says how much of it has its line then.
    fn undelivered(&mut self, rule: Shortfall, sales: &[Sale], gaps: &[(usize, i64)]) -> Result<i128, SettleError> {
        let mut told = 0;
        for &(index, gap) in gaps {
            let sale = &sales[index];
            if rule == Shortfall::BuyerPaysRetail {
                self.give_back(sale, gap)?;
            } else {
                let line = self.line(IMBALANCE_SHORTFALL, BACKSTOP, (self.terms.tariff().retail(), 1), gap.into())?;
                self.draft.push(sale.named(line))?;
                told += i128::from(gap);
            }
        }
        Ok(told)
    }

    /// The seller keeps its revenue for what it delivered, rounded down, and the buyer has back the rest with the tax on
    /// it. Fees and spread are for the trade, not for the energy, and stay.
    fn give_back(&mut self, sale: &Sale, gap: i64) -> Result<(), SettleError> {
        let kept = (sale.revenue * i128::from(sale.quantity - gap)).div_euclid(sale.quantity.into());
        let back = sale.revenue - kept;
        let line = self.draft.push(sale.named(Line {
            code: IMBALANCE_UNDELIVERED,
            quantity: gap,
            price: sale.price.unwrap_or(0),
            group: Some(self.reading.seq),
            ..Line::new(Kind::Imbalance, sale.seller, sale.buyer, back)
        }))?;
        let tax = self.terms.trade_tax(sale.taxed) - self.terms.trade_tax(sale.taxed - back);
        if tax != 0 {
            self.draft.push(sale.named(Line {
                code: TAX_UNDELIVERED,
                quantity: gap,
                group: Some(line),
                ..Line::new(Kind::Tax, TAX, sale.buyer, tax)
            }))?;
        }
        Ok(())
    }

    /// `energy` for which the member pays `to`; where it consumed it, with tax.
    fn pays(&mut self, code: u16, to: u64, price: Price, energy: i128) -> Result<(), SettleError> {
        if energy == 0 {
            return Ok(()); // energy at price 0 keeps its line: the records must account for every Wh
        }
        let line = self.line(code, to, price, energy)?;
        let group = Some(self.draft.push(line)?);
        let tax = if code == IMBALANCE_RESIDUAL { self.terms.tariff().tax(line.amount) } else { 0 };
        if tax != 0 {
            let to_tax = Line::new(Kind::Tax, self.reading.account, TAX, tax);
            self.draft.push(Line { code: TAX_RESIDUAL, quantity: line.quantity, group, ..to_tax })?;
        }
        Ok(())
    }

    /// `energy` that `from` pays the member for.
    fn receives(&mut self, code: u16, from: u64, (price, den): Price, energy: i128) -> Result<(), SettleError> {
        if energy == 0 {
            return Ok(());
        }
        let amount = received(i128::from(price) * energy, den);
        let line = self.line(code, from, (price, den), energy)?;
        self.draft.push(Line { debit: from, credit: self.reading.account, amount, ..line })?;
        Ok(())
    }

    /// The member pays `to` for `energy`, rounded up where the price has halves.
    fn line(&self, code: u16, to: u64, (price, den): Price, energy: i128) -> Result<Line, SettleError> {
        let account = self.reading.account;
        Ok(Line {
            code,
            quantity: quantity_of(account, energy)?,
            price: whole_price(price, den).unwrap_or(0),
            group: Some(self.reading.seq),
            ..Line::new(Kind::Imbalance, account, to, owed(i128::from(price) * energy, den))
        })
    }
}

impl Sale {
    /// `line` with the names of the trade.
    fn named(&self, line: Line) -> Line {
        Line { market: self.market, buy_order: self.buy_order, sell_order: self.sell_order, ..line }
    }
}

/// Notes a member's share of what the network lost beside its reading.
fn note_losses(draft: &mut Draft<'_>, account: u64, reading: u64, quantity: i64) -> Result<(), SettleError> {
    if quantity > 0 {
        let line = Line::new(Kind::Meter, account, 0, 0);
        draft.push(Line { code: METER_LOSSES, quantity, group: Some(reading), ..line })?;
    }
    Ok(())
}

/// Notes who traded and has no reading: what it would cost is open, and zero is not assumed.
fn note_missing(
    draft: &mut Draft<'_>,
    readings: &[Reading],
    contract: &BTreeMap<u64, i128>,
    lost: &BTreeMap<u64, i64>,
) -> Result<(), SettleError> {
    for (&account, &traded) in contract {
        if readings.binary_search_by_key(&account, |reading| reading.account).is_err() {
            let quantity = quantity_of(account, traded)?;
            let line = Line { code: METER_MISSING, quantity, ..Line::new(Kind::Meter, account, 0, 0) };
            let seq = draft.push(line)?;
            note_losses(draft, account, seq, lost.get(&account).copied().unwrap_or(0))?;
        }
    }
    Ok(())
}

/// Moves what is left over to its owner, and leaves the clearing house empty.
fn pass_on(
    draft: &mut Draft<'_>,
    (terms, policy): (&Terms, Imbalance),
    readings: &[Reading],
) -> Result<(), SettleError> {
    let in_clearing = |draft: &Draft<'_>| draft.accounts().get(CLEARING).map_or(0, |account| account.posted);
    match policy {
        Imbalance::Backup { residual_to } | Imbalance::ShortfallAllocation { residual_to, .. } => {
            let (energy, price) = (netted(readings), terms.tariff().retail() - terms.tariff().feed_in());
            let amount = i128::from(price) * energy;
            match residual_to {
                Owner::Members => share(draft, IMBALANCE_NETTING, BACKSTOP, amount, readings)?,
                Owner::House(to) if to != BACKSTOP && amount != 0 => {
                    let quantity = quantity_of(BACKSTOP, energy)?;
                    let line = Line::new(Kind::Imbalance, BACKSTOP, to, amount);
                    draft.push(Line { code: IMBALANCE_NETTING, quantity, price, ..line })?;
                }
                Owner::House(_) => {}
            }
        }
        Imbalance::DualPrice { to: Owner::Members, .. } => {
            share(draft, IMBALANCE_PENALTY_SHARE, CLEARING, in_clearing(draft), readings)?;
        }
        Imbalance::Pooled => {
            let left = in_clearing(draft);
            // Each of a member's two lines leaves less than 1; more would be a fault of the shares.
            if (1..=2 * readings.len() as i128).contains(&left) {
                let line = Line::new(Kind::Imbalance, CLEARING, ROUNDING, left);
                draft.push(Line { code: IMBALANCE_ROUNDING, ..line })?;
            }
        }
        Imbalance::SinglePrice | Imbalance::DualPrice { .. } => {}
    }
    match in_clearing(draft) {
        0 => Ok(()),
        posted => Err(SettleError::ClearingNotEmpty { posted }),
    }
}

/// Divides `amount` over the metered members in proportion to |metered|, by largest remainder, ties by account; evenly
/// where nobody consumed or generated anything.
fn share(draft: &mut Draft<'_>, code: u16, from: u64, amount: i128, readings: &[Reading]) -> Result<(), SettleError> {
    if amount == 0 {
        return Ok(());
    }
    // 64 bits each: so no product of the two leaves 128.
    let amount = i64::try_from(amount).map_err(|_| SettleError::AmountOutOfRange { account: from })?;
    let still = readings.iter().all(|reading| reading.metered == 0);
    let weights: Vec<i64> = readings
        .iter()
        .map(|reading| if still { Ok(1) } else { quantity_of(reading.account, i128::from(reading.metered).abs()) })
        .collect::<Result<_, _>>()?;
    let mut parts = Vec::new();
    split(amount.into(), &weights, &mut parts);
    for (reading, part) in readings.iter().zip(parts) {
        if part != 0 {
            let line = Line::new(Kind::Imbalance, from, reading.account, part.into());
            draft.push(Line { code, group: Some(reading.seq), ..line })?;
        }
    }
    Ok(())
}
