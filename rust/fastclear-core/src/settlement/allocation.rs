//! Energy after delivery, divided by largest remainder: what a seller delivered over its trades, what the network lost
//! over who traded, and what members can net among themselves over their deviations.

use std::collections::BTreeMap;

use super::delivery::{Reading, Sale};
use super::error::SettleError;
use super::slot::quantity_of;
use crate::auction::deal::split;

/// By seller, each of its sales that was not delivered whole, and what it lacks in Wh.
pub(super) type Gaps = BTreeMap<u64, Vec<(usize, i64)>>;

/// What sales lack: a metered seller's delivered energy is divided over its sales, ties in their order.
///
/// A seller has delivered what it sold but for its shortfall; what it bought in the slot it can pass on.
pub(super) fn gaps(readings: &[Reading], sales: &[Sale]) -> Result<Gaps, SettleError> {
    let mut of_seller: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, sale) in sales.iter().enumerate() {
        of_seller.entry(sale.seller).or_default().push(index);
    }
    let mut gaps = Gaps::new();
    let mut parts = Vec::new();
    for reading in readings.iter().filter(|reading| reading.deviation > 0) {
        let (own, lacking) = reading.deviation_parts();
        let Some(indices) = of_seller.get(&reading.account) else { continue };
        let sold: Vec<i64> = indices.iter().map(|&index| sales[index].quantity).collect();
        let total: i128 = sold.iter().map(|&quantity| i128::from(quantity)).sum();
        let delivered = quantity_of(reading.account, (total - (lacking - own)).max(0))?; // losses may exceed what was sold
        split(delivered.into(), &sold, &mut parts);
        let lacks = indices.iter().zip(&sold).zip(&parts).map(|((&index, quantity), part)| (index, quantity - part));
        gaps.insert(reading.account, lacks.filter(|&(_, gap)| gap > 0).collect());
    }
    Ok(gaps)
}

/// Cuts contracts to what was delivered: a seller owes that much less, its buyer has that much less.
pub(super) fn curtail(readings: &mut [Reading], sales: &[Sale], gaps: &Gaps) {
    for &(index, gap) in gaps.values().flatten() {
        let sale = &sales[index];
        for (account, more) in [(sale.seller, -i128::from(gap)), (sale.buyer, i128::from(gap))] {
            if let Ok(at) = readings.binary_search_by_key(&account, |reading| reading.account) {
                readings[at].deviation += more;
            }
        }
    }
}

/// What the network lost, by account of those who traded: in proportion to what each bought and sold, ties by account.
pub(super) fn lost(losses: i64, sales: &[Sale]) -> Result<BTreeMap<u64, i64>, SettleError> {
    if losses == 0 {
        return Ok(BTreeMap::new());
    }
    if losses < 0 || sales.is_empty() {
        return Err(SettleError::Losses { losses });
    }
    let mut volumes: BTreeMap<u64, i128> = BTreeMap::new();
    for sale in sales {
        for account in [sale.buyer, sale.seller] {
            *volumes.entry(account).or_default() += i128::from(sale.quantity);
        }
    }
    let weights: Vec<i64> =
        volumes.iter().map(|(&account, &volume)| quantity_of(account, volume)).collect::<Result<_, _>>()?;
    let mut parts = Vec::new();
    split(losses.into(), &weights, &mut parts);
    Ok(volumes.into_keys().zip(parts).collect())
}

/// What each reading's deviation nets against the others', in Wh: the shorter side whole, the longer one in proportion
/// to its deviations, ties by account.
pub(super) fn pooled(readings: &[Reading]) -> Result<Vec<i64>, SettleError> {
    let mut shares = vec![0; readings.len()];
    let netted = netted(readings);
    for sign in [1, -1] {
        let mut rows = Vec::new();
        let mut weights = Vec::new();
        for (row, reading) in readings.iter().enumerate().filter(|(_, reading)| reading.deviation * sign > 0) {
            rows.push(row);
            weights.push(quantity_of(reading.account, reading.deviation * sign)?);
        }
        let Some(&first) = rows.first() else { break };
        let mut parts = Vec::new();
        split(i128::from(quantity_of(readings[first].account, netted)?), &weights, &mut parts);
        for (row, part) in rows.into_iter().zip(parts) {
            shares[row] = part;
        }
    }
    Ok(shares)
}

/// The lesser of all that is lacking and all that is left over.
pub(super) fn netted(readings: &[Reading]) -> i128 {
    let side = |sign: i128| -> i128 { readings.iter().map(|reading| (reading.deviation * sign).max(0)).sum() };
    side(1).min(side(-1))
}
