//! The lines of a pool without bids: what each load pays, what the community deals with the grid, what is the operator's.
//!
//! Nobody bids in a pool, so nothing is reserved before it: it divides energy that has flowed, and its lines are forced,
//! as all metering is. What loads pay in all is what the grid and the operator get, to the last unit; the clearing
//! account, which every line but taxes and fees passes through, is empty afterwards or the slot is refused.

use super::accounts::{BACKSTOP, CLEARING, DSO, PLATFORM, TAX};
use super::draft::{Draft, Line};
use super::error::{SettleError, TradeFault};
use super::posting::Kind;
use super::rules::Rules;
use super::slot::{FEE_NETWORK, FEE_NETWORK_SHARE, FEE_PLATFORM, FEE_PLATFORM_SHARE, check_member, quantity_of};
use super::terms::{FeeShare, Terms};
use crate::units::{QUANTITY_MAX, price_in_range};

/// `code` of a [`Kind::Trade`]: what a member pays a pool for a load; the quantity is its net energy, + imports.
pub const TRADE_POOL_PAID: u16 = 4;
/// `code` of a [`Kind::Trade`]: what a member receives from a pool for a load; the quantity as above.
pub const TRADE_POOL_RECEIVED: u16 = 5;
/// `code` of a [`Kind::Fee`]: the operator's fees and fixed cost of a pool.
pub const FEE_POOL: u16 = 13;
/// `code` of a [`Kind::Imbalance`]: what a pool draws from the grid, at retail.
pub const IMBALANCE_GRID_IMPORT: u16 = 10;
/// `code` of a [`Kind::Imbalance`]: what a pool gives the grid, at feed-in.
pub const IMBALANCE_GRID_EXPORT: u16 = 11;

/// Every line of a pool that `code` tells apart within a kind, with its stable name.
pub const LINES: [(Kind, u16, &str); 5] = [
    (Kind::Trade, TRADE_POOL_PAID, "pool_paid"),
    (Kind::Trade, TRADE_POOL_RECEIVED, "pool_received"),
    (Kind::Fee, FEE_POOL, "pool"),
    (Kind::Imbalance, IMBALANCE_GRID_IMPORT, "grid_import"),
    (Kind::Imbalance, IMBALANCE_GRID_EXPORT, "grid_export"),
];

/// One pool or batch of pools of a slot: what each load pays, and what the community pays others, as columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct PooledSlot<'a> {
    /// Member account a load.
    pub account: &'a [u64],
    /// Market a load.
    pub market: &'a [u64],
    /// Id a load.
    pub order: &'a [u64],
    /// Net energy in lots a load: + imports, − exports.
    pub net: &'a [i64],
    /// Lots of it that stay in the community, a load.
    pub local: &'a [i64],
    /// Nano-currency a load: + pays, − receives.
    pub payment: &'a [i64],
    /// Market, a row of the grid.
    pub grid_market: &'a [u64],
    /// Lots, a row of the grid: + from it, − to it.
    pub grid_quantity: &'a [i64],
    /// Ticks a lot, a row of the grid.
    pub grid_price: &'a [i64],
    /// Market, a row of the operator's.
    pub operator_market: &'a [u64],
    /// Lots that it is for, a row of the operator's.
    pub operator_quantity: &'a [i64],
    /// Ticks a lot, a row of the operator's; 0 where it is a sum.
    pub operator_price: &'a [i64],
    /// Nano-currency, a row of the operator's: + receives.
    pub operator_amount: &'a [i64],
}

/// Writes the lines of every pool into `draft`.
pub(super) fn pay(
    draft: &mut Draft<'_>,
    (terms, rules): (&Terms, &Rules),
    pools: &[PooledSlot<'_>],
) -> Result<(), SettleError> {
    for (index, pool) in pools.iter().enumerate() {
        if rules.bond_ppm.is_some() {
            return Err(SettleError::PoolInEscrow);
        }
        check(index, pool)?;
        draft.expect(pool.net.len());
        for load in 0..pool.net.len() {
            check_member(draft, pool.account[load])?;
            let group = pay_load(draft, pool, load)?;
            pay_on_top(draft, (terms, rules), pool, load, group)?;
        }
        for row in 0..pool.grid_market.len() {
            deal_with_grid(draft, pool, row)?;
        }
        for row in 0..pool.operator_market.len() {
            draft.push(Line {
                code: FEE_POOL,
                market: pool.operator_market[row],
                quantity: pool.operator_quantity[row],
                price: pool.operator_price[row],
                ..Line::new(Kind::Fee, CLEARING, PLATFORM, pool.operator_amount[row].into())
            })?;
        }
    }
    Ok(())
}

/// What each member took from pools less what it gave, one row a load.
pub(super) fn contracts<'a>(pools: &'a [PooledSlot<'_>]) -> impl Iterator<Item = (u64, i128)> + 'a {
    pools.iter().flat_map(|pool| pool.account.iter().copied().zip(pool.net.iter().map(|&net| net.into())))
}

/// Whether the columns of a pool belong together, and hold what can be.
fn check(index: usize, pool: &PooledSlot<'_>) -> Result<(), SettleError> {
    let loads = pool.net.len();
    let grid = pool.grid_market.len();
    let operator = pool.operator_market.len();
    for (column, len, expected) in [
        ("account", pool.account.len(), loads),
        ("market", pool.market.len(), loads),
        ("order", pool.order.len(), loads),
        ("local", pool.local.len(), loads),
        ("payment", pool.payment.len(), loads),
        ("grid_quantity", pool.grid_quantity.len(), grid),
        ("grid_price", pool.grid_price.len(), grid),
        ("operator_quantity", pool.operator_quantity.len(), operator),
        ("operator_price", pool.operator_price.len(), operator),
        ("operator_amount", pool.operator_amount.len(), operator),
    ] {
        if len != expected {
            return Err(SettleError::Length { column, len, expected });
        }
    }
    let bad = |trade, fault| SettleError::BadTrade { clearing: index, trade, fault };
    for load in 0..loads {
        let (net, local) = (pool.net[load], pool.local[load]);
        if net.unsigned_abs() > QUANTITY_MAX.unsigned_abs() || local < 0 || local.unsigned_abs() > net.unsigned_abs() {
            return Err(bad(load, TradeFault::Quantity));
        }
    }
    match pool.grid_price.iter().position(|&price| !price_in_range(price)) {
        Some(row) => Err(bad(row, TradeFault::Price)),
        None => Ok(()),
    }
}

/// What a load pays or receives for all of its energy, shared or not. It stands at 0 too: it is the record of the energy.
fn pay_load(draft: &mut Draft<'_>, pool: &PooledSlot<'_>, load: usize) -> Result<u64, SettleError> {
    let (net, payment, order) = (pool.net[load], pool.payment[load], pool.order[load]);
    draft.push(Line {
        code: if payment < 0 { TRADE_POOL_RECEIVED } else { TRADE_POOL_PAID },
        market: pool.market[load],
        buy_order: if net < 0 { 0 } else { order },
        sell_order: if net < 0 { order } else { 0 },
        quantity: net,
        ..Line::new(Kind::Trade, pool.account[load], CLEARING, payment.into())
    })
}

/// What comes on top of a load: fees on the lots that its member takes from others, tax on what it imports, and what
/// others have of what it earns. It is between the member and its receiver.
fn pay_on_top(
    draft: &mut Draft<'_>,
    (terms, rules): (&Terms, &Rules),
    pool: &PooledSlot<'_>,
    load: usize,
    group: u64,
) -> Result<(), SettleError> {
    let (account, net, payment) = (pool.account[load], pool.net[load], i128::from(pool.payment[load]));
    let local = i128::from(pool.local[load]);
    let mut push = |kind, code, to, price, quantity, amount: i128| match amount {
        0 => Ok(()),
        _ => draft
            .push(Line {
                code,
                market: pool.market[load],
                buy_order: if net < 0 { 0 } else { pool.order[load] },
                sell_order: if net < 0 { pool.order[load] } else { 0 },
                quantity,
                price,
                group: Some(group),
                ..Line::new(kind, account, to, amount)
            })
            .map(drop),
    };
    if net < 0 {
        for (code, to, part) in rules.of_proceeds(-payment) {
            push(Kind::Fee, code, to, 0, -net, part)?;
        }
        return Ok(());
    }
    if net == 0 {
        return Ok(());
    }
    let tariff = terms.tariff();
    let mut fee = |own: (u16, u64), ticks: i64, share_code: u16, share: FeeShare| {
        let amount = i128::from(ticks) * local;
        let part = share.of(amount);
        // A fee that is shared has no price a unit: neither part is a whole number of ticks times the quantity.
        let price = if share.ppm == 0 { ticks } else { 0 };
        push(Kind::Fee, own.0, own.1, price, pool.local[load], amount - part)?;
        push(Kind::Fee, share_code, share.to, 0, pool.local[load], part)?;
        Ok::<_, SettleError>(amount)
    };
    let platform = fee((FEE_PLATFORM, PLATFORM), tariff.platform_fee(), FEE_PLATFORM_SHARE, terms.platform_share())?;
    let network = fee((FEE_NETWORK, DSO), tariff.network_fee(), FEE_NETWORK_SHARE, terms.network_share())?;
    // One price for all that a load takes, wherever it comes from: one rate, that of energy.
    for (code, tax) in terms.taxes(payment, platform, network) {
        push(Kind::Tax, code, TAX, 0, net, tax)?;
    }
    Ok(())
}

/// The grid is paid at retail for what the community draws, and pays feed-in for what it gives.
fn deal_with_grid(draft: &mut Draft<'_>, pool: &PooledSlot<'_>, row: usize) -> Result<(), SettleError> {
    let (quantity, price) = (pool.grid_quantity[row], pool.grid_price[row]);
    let (code, debit, credit) = if quantity < 0 {
        (IMBALANCE_GRID_EXPORT, BACKSTOP, CLEARING)
    } else {
        (IMBALANCE_GRID_IMPORT, CLEARING, BACKSTOP)
    };
    let size = i128::from(quantity).abs();
    draft
        .push(Line {
            code,
            market: pool.grid_market[row],
            quantity: quantity_of(BACKSTOP, size)?,
            price,
            ..Line::new(Kind::Imbalance, debit, credit, size * i128::from(price))
        })
        .map(drop)
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
