//! After delivery: each meter reading is compared with what its member traded, and the difference is priced.

use std::collections::BTreeMap;

use super::accounts::{BACKSTOP, TAX};
use super::draft::{Draft, Line};
use super::error::SettleError;
use super::imbalance::Imbalance;
use super::posting::Kind;
use super::slot::{Meter, check_member, quantity_of};
use super::tariff::Tariff;

/// `code` of a [`Kind::Tax`]: on residual energy.
pub const TAX_RESIDUAL: u16 = 2;
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

/// Every line after delivery that `code` tells apart within a kind, with its stable name.
pub const LINES: [(Kind, u16, &str); 6] = [
    (Kind::Tax, TAX_RESIDUAL, "residual"),
    (Kind::Imbalance, IMBALANCE_RESIDUAL, "residual"),
    (Kind::Imbalance, IMBALANCE_SHORTFALL, "shortfall"),
    (Kind::Imbalance, IMBALANCE_FEED_IN, "feed_in"),
    (Kind::Imbalance, IMBALANCE_OVER_BOUGHT, "over_bought"),
    (Kind::Imbalance, IMBALANCE_PENALTY, "penalty"),
];

/// Compares each reading with the contract and prices the difference. These postings are forced: the energy has
/// flowed, whatever the account holds.
pub(super) fn settle_meter(
    draft: &mut Draft<'_>,
    (tariff, policy): (&Tariff, Imbalance),
    meter: &Meter<'_>,
    contract: &BTreeMap<u64, i128>,
) -> Result<(), SettleError> {
    let expected = meter.account.len();
    if meter.energy.len() != expected {
        return Err(SettleError::Length { column: "energy_wh", len: meter.energy.len(), expected });
    }
    let mut readings: Vec<(u64, i64)> = meter.account.iter().copied().zip(meter.energy.iter().copied()).collect();
    readings.sort_unstable();
    let traded = |account: u64| contract.get(&account).copied().unwrap_or(0);
    let total = readings.iter().map(|&(account, metered)| i128::from(metered) - traded(account)).sum();
    let (lacking, left_over) = policy.prices(tariff, total);
    let mut last = None;
    for (account, metered) in readings {
        check_member(draft, account)?;
        if last == Some(account) {
            return Err(SettleError::DuplicateMeter { account });
        }
        last = Some(account);
        let reading = draft.push(Line { quantity: metered, ..Line::new(Kind::Meter, account, 0, 0) })?;
        let metered = i128::from(metered);
        let deviation = metered - traded(account);
        let mut imbalance = |code, (from, to), price: i64, energy: i128| -> Result<(), SettleError> {
            let amount = i128::from(price) * energy;
            if energy == 0 {
                return Ok(()); // energy at price 0 keeps its line: the records must account for every Wh
            }
            let quantity = quantity_of(account, energy)?;
            let line = draft.push(Line {
                code,
                quantity,
                price,
                group: Some(reading),
                ..Line::new(Kind::Imbalance, from, to, amount)
            })?;
            let tax = if code == IMBALANCE_RESIDUAL { tariff.tax(amount) } else { 0 };
            if tax != 0 {
                draft.push(Line {
                    code: TAX_RESIDUAL,
                    quantity,
                    group: Some(line),
                    ..Line::new(Kind::Tax, account, TAX, tax)
                })?;
            }
            Ok(())
        };
        if deviation > 0 {
            let taxed = deviation.min(metered.max(0));
            let buy = (account, BACKSTOP);
            imbalance(IMBALANCE_RESIDUAL, buy, lacking, taxed)?;
            imbalance(IMBALANCE_SHORTFALL, buy, lacking, deviation - taxed)?;
        } else {
            let export = (-deviation).min((-metered).max(0));
            let sell = (BACKSTOP, account);
            imbalance(IMBALANCE_FEED_IN, sell, left_over, export)?;
            imbalance(IMBALANCE_OVER_BOUGHT, sell, left_over, -deviation - export)?;
        }
        if let Imbalance::DualPrice { penalty, dead_band, to } = policy {
            let beyond = (deviation.abs() - i128::from(dead_band)).max(0);
            if penalty > 0 {
                imbalance(IMBALANCE_PENALTY, (account, to), penalty, beyond)?;
            }
        }
    }
    Ok(())
}
