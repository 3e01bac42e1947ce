//! What was cleared for a slot, as columns: orders and trades, looked at before anything is posted.
#![expect(clippy::inline_always, reason = "a line of a slot stays in registers from its trade to its posting")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::accounts::{FIRST_MEMBER, PLATFORM};
use super::amount::{DENOMINATORS, owed, received, whole_price};
use super::claims::Claim;
use super::delivery::Sale;
use super::draft::Draft;
use super::error::{SettleError, TradeFault};
use super::rules::Rules;
use super::slot::check_member;
use super::terms::Terms;
use crate::simd;
use crate::units::{PRICE_MAX, price_in_range, quantity_in_range};

/// One cleared market or batch of markets: the orders that went in and the trades that came out, as columns.
#[derive(Clone, Copy, Debug)]
pub struct ClearedSlot<'a> {
    /// 1 = buy.
    pub side: &'a [u8],
    /// Member account an order; anything else where the order did not trade.
    pub account: &'a [u64],
    /// Market an order.
    pub market: &'a [u64],
    /// Id an order.
    pub order: &'a [u64],
    /// Row of the buy order, a trade.
    pub buy_row: &'a [i64],
    /// Row of the sell order, a trade.
    pub sell_row: &'a [i64],
    /// Lots, a trade.
    pub quantity: &'a [i64],
    /// What the buyer pays a unit, in ticks over `den`, a trade; not read where the money is no price a unit.
    pub buy_price: &'a [i64],
    /// What the seller gets a unit, in ticks over `den`, a trade; not read where the money is no price a unit.
    pub sell_price: &'a [i64],
    /// What the buyer pays, nano-currency over `den`, a trade.
    pub buy_amount: &'a [i64],
    /// What the seller gets, nano-currency over `den`, a trade.
    pub sell_amount: &'a [i64],
    /// What the buyer pays the network a unit, in ticks, a trade; none: what the terms say for all.
    pub network_fee: Option<&'a [i64]>,
    /// Denominator of prices and amounts: 1, or 2 where some price is a midpoint between two ticks.
    pub den: i64,
    /// Whether every amount is a price a unit times the quantity. If not, amounts are shares of what an account pays
    /// for all it bought in a market.
    pub per_unit: bool,
    /// Who pays where the sellers of a market receive more than its buyers pay.
    pub deficit_to: u64,
}

impl Default for ClearedSlot<'_> {
    /// No order and no trade, in whole ticks; a deficit would be the platform's.
    fn default() -> Self {
        Self {
            side: &[],
            account: &[],
            market: &[],
            order: &[],
            buy_row: &[],
            sell_row: &[],
            quantity: &[],
            buy_price: &[],
            sell_price: &[],
            buy_amount: &[],
            sell_amount: &[],
            network_fee: None,
            den: 1,
            per_unit: true,
            deficit_to: PLATFORM,
        }
    }
}

/// A clearing whose columns and trades were looked at.
pub(super) struct Checked<'a> {
    pub columns: &'a ClearedSlot<'a>,
    /// Place in the claims of each buy row that has one.
    pub claim_of: Vec<usize>,
    /// Markets whose sellers receive more than their buyers pay.
    pub deficits: BTreeSet<u64>,
}

/// Trades between one that is looked at and one whose accounts are asked for meanwhile: there are more accounts than the
/// second cache holds, and trades name them in no order.
pub(super) const AHEAD: usize = 16;

/// Trades between one that is looked at and one whose rows are asked for: before what these rows name can be.
const FAR_AHEAD: usize = 32;

/// In `claim_of`: a row without a claim.
pub(super) const NO_CLAIM: usize = usize::MAX;

/// In `claim_of`: a row that traded and whose claim is still to come.
pub(super) const TRADED: usize = usize::MAX - 1;

/// One trade with its parties and lines.
pub(super) struct Deal {
    pub claim: usize,
    pub market: u64,
    pub buy_order: u64,
    pub sell_order: u64,
    pub seller: u64,
    pub quantity: i64,
    pub money: Money,
    /// Who has the surplus of this market, or makes up what it lacks.
    pub surplus_to: u64,
    pub costs: Costs,
}

/// What a trade costs its buyer.
pub(super) struct Costs {
    pub energy: i128,
    pub platform: i128,
    /// Ticks a unit.
    pub network_fee: i64,
    pub network: i128,
    /// Tax lines, each with its code.
    pub taxes: [(u16, i128); 3],
}

impl Costs {
    #[inline(always)]
    pub fn new(terms: &Terms, clearing: &ClearedSlot<'_>, trade: usize) -> Self {
        let quantity = i128::from(clearing.quantity[trade]);
        let energy = owed(i128::from(clearing.buy_amount[trade]), clearing.den);
        let network_fee = clearing.network_fee.map_or(terms.tariff().network_fee(), |fees| fees[trade]);
        let platform = i128::from(terms.tariff().platform_fee()) * quantity;
        let network = i128::from(network_fee) * quantity;
        Self { energy, platform, network_fee, network, taxes: terms.taxes(energy, platform, network) }
    }

    /// Lines of a trade beside its own: each fee, each share of one, each tax.
    pub fn lines(&self, terms: &Terms) -> usize {
        let fees = [(self.platform, terms.platform_share()), (self.network, terms.network_share())];
        let fee_lines = fees.map(|(fee, share)| usize::from(fee != 0) * (1 + usize::from(share.ppm > 0)));
        let taxes = self.taxes.iter().filter(|&&(_, tax)| tax != 0).count();
        fee_lines.iter().sum::<usize>() + taxes
    }

    pub fn sum(&self) -> i128 {
        self.energy + self.platform + self.network + self.taxes.iter().map(|&(_, tax)| tax).sum::<i128>()
    }
}

impl Checked<'_> {
    /// The rows of a trade, which were looked at.
    pub fn rows(&self, trade: usize) -> (usize, usize) {
        (self.columns.buy_row[trade] as usize, self.columns.sell_row[trade] as usize)
    }

    pub fn trades(&self) -> Range<usize> {
        0..self.columns.buy_row.len()
    }

    /// Asks for the rows of a trade some way ahead: trades of a market name its rows in the order of their prices.
    #[inline]
    pub fn prefetch_rows(&self, trade: usize) {
        let columns = self.columns;
        if let (Some(&buy), Some(&sell)) =
            (columns.buy_row.get(trade + FAR_AHEAD), columns.sell_row.get(trade + FAR_AHEAD))
        {
            simd::prefetch_place(&self.claim_of, buy as usize);
            simd::prefetch_place(columns.market, buy as usize);
            simd::prefetch_place(columns.order, buy as usize);
            simd::prefetch_place(columns.order, sell as usize);
            simd::prefetch_place(columns.account, sell as usize);
        }
    }

    #[inline(always)]
    pub fn deal(&self, terms: &Terms, trade: usize) -> Deal {
        let (columns, (buy, sell)) = (self.columns, self.rows(trade));
        let costs = Costs::new(terms, columns, trade);
        let market = columns.market[buy];
        Deal {
            claim: self.claim_of[buy],
            market,
            buy_order: columns.order[buy],
            sell_order: columns.order[sell],
            seller: columns.account[sell],
            quantity: columns.quantity[trade],
            money: money(columns, trade, costs.energy),
            surplus_to: if self.deficits.contains(&market) { columns.deficit_to } else { PLATFORM },
            costs,
        }
    }
}

impl Deal {
    /// The trade as its delivery is looked at.
    pub fn sale(&self, terms: &Terms, claims: &[Claim]) -> Sale {
        Sale {
            market: self.market,
            buy_order: self.buy_order,
            sell_order: self.sell_order,
            buyer: claims[self.claim].key.0,
            seller: self.seller,
            quantity: self.quantity,
            revenue: self.money.seller,
            price: self.money.sell_price,
            taxed: terms.trade_base(self.costs.energy, self.costs.platform, self.costs.network),
        }
    }
}

/// What a trade moves, in whole nano-currency.
pub(super) struct Money {
    /// To the seller, and its price a unit where that is a whole number of ticks.
    pub seller: i128,
    pub sell_price: Option<i64>,
    /// Between what the buyer pays and the seller receives, rounded down, and its price a unit likewise.
    pub spread: i128,
    pub spread_price: Option<i64>,
    /// What rounding leaves.
    pub rounding: i128,
}

/// Looks at every column and trade of a clearing, and marks the buy rows that traded.
///
/// `net` has a place for each member from the first on, for what it bought less what it sold; members' accounts count up
/// without a gap.
pub(super) fn check<'a>(
    draft: &Draft<'_>,
    index: usize,
    clearing: &'a ClearedSlot<'a>,
    net: &mut [Option<i128>],
) -> Result<Checked<'a>, SettleError> {
    let n = clearing.side.len();
    for (column, len) in
        [("account", clearing.account.len()), ("market", clearing.market.len()), ("order", clearing.order.len())]
    {
        if len != n {
            return Err(SettleError::Length { column, len, expected: n });
        }
    }
    check_columns(index, clearing)?;
    let mut claim_of = vec![NO_CLAIM; n];
    for trade in 0..clearing.buy_row.len() {
        for rows in [clearing.buy_row, clearing.sell_row] {
            // A row that is no order is refused when its trade is looked at.
            let later = rows.get(trade + AHEAD).and_then(|&row| clearing.account.get(usize::try_from(row).ok()?));
            later.inspect(|&&account| draft.accounts().prefetch(account));
        }
        let (buy, sell) =
            check_trade(clearing, trade).map_err(|fault| SettleError::BadTrade { clearing: index, trade, fault })?;
        let quantity = i128::from(clearing.quantity[trade]);
        for (row, bought) in [(buy, quantity), (sell, -quantity)] {
            let account = clearing.account[row];
            check_member(draft, account)?;
            *net[(account - FIRST_MEMBER) as usize].get_or_insert(0) += bought;
        }
        claim_of[buy] = TRADED;
    }
    Ok(Checked { columns: clearing, claim_of, deficits: deficits(clearing) })
}

/// Whether the columns of a clearing belong together.
pub(super) fn check_columns(index: usize, clearing: &ClearedSlot<'_>) -> Result<(), SettleError> {
    let expected = clearing.buy_row.len();
    for (column, len) in [
        ("sell_row", clearing.sell_row.len()),
        ("quantity", clearing.quantity.len()),
        ("buy_price", clearing.buy_price.len()),
        ("sell_price", clearing.sell_price.len()),
        ("buy_amount", clearing.buy_amount.len()),
        ("sell_amount", clearing.sell_amount.len()),
        ("network_fee", clearing.network_fee.map_or(expected, <[i64]>::len)),
    ] {
        if len != expected {
            return Err(SettleError::Length { column, len, expected });
        }
    }
    if !DENOMINATORS.contains(&clearing.den) {
        return Err(SettleError::Denominator { clearing: index, den: clearing.den });
    }
    Ok(())
}

/// The rows of a trade that can be.
#[inline]
pub(super) fn check_trade(clearing: &ClearedSlot<'_>, trade: usize) -> Result<(usize, usize), TradeFault> {
    let row = |row: i64, buy: bool| {
        usize::try_from(row).ok().filter(|&row| clearing.side.get(row).is_some_and(|&side| (side == 1) == buy))
    };
    let buy = row(clearing.buy_row[trade], true).ok_or(TradeFault::BuyRow)?;
    let sell = row(clearing.sell_row[trade], false).ok_or(TradeFault::SellRow)?;
    let quantity = clearing.quantity[trade];
    if !quantity_in_range(quantity) {
        return Err(TradeFault::Quantity);
    }
    if !clearing.network_fee.is_none_or(|fees| price_in_range(fees[trade])) {
        return Err(TradeFault::NetworkFee);
    }
    if clearing.per_unit {
        let sides = [
            (clearing.buy_price[trade], clearing.buy_amount[trade]),
            (clearing.sell_price[trade], clearing.sell_amount[trade]),
        ];
        for (price, amount) in sides {
            if i128::from(price).abs() > i128::from(PRICE_MAX) * i128::from(clearing.den) {
                return Err(TradeFault::Price);
            }
            if i128::from(price) * i128::from(quantity) != i128::from(amount) {
                return Err(TradeFault::Amount);
            }
        }
    }
    Ok((buy, sell))
}

/// The markets whose sellers receive more than their buyers pay.
pub(super) fn deficits(clearing: &ClearedSlot<'_>) -> BTreeSet<u64> {
    let mut surplus = BTreeMap::new();
    if clearing.deficit_to != PLATFORM {
        for (trade, &row) in clearing.buy_row.iter().enumerate() {
            // A row that is no order is refused when its trade is looked at.
            let market = usize::try_from(row).ok().and_then(|row| clearing.market.get(row)).copied().unwrap_or(0);
            *surplus.entry(market).or_insert(0) +=
                i128::from(clearing.buy_amount[trade]) - i128::from(clearing.sell_amount[trade]);
        }
    }
    surplus.into_iter().filter(|&(_, left)| left < 0).map(|(market, _)| market).collect()
}

/// How what the buyer owes is divided.
#[inline(always)]
pub(super) fn money(clearing: &ClearedSlot<'_>, trade: usize, owes: i128) -> Money {
    let whole = |price: i64| whole_price(price, clearing.den).filter(|_| clearing.per_unit);
    let sell_price = whole(clearing.sell_price[trade]);
    let sell_amount = i128::from(clearing.sell_amount[trade]);
    let seller = received(sell_amount, clearing.den);
    let spread = received(i128::from(clearing.buy_amount[trade]) - sell_amount, clearing.den);
    let spread_price = sell_price.and_then(|sell| Some(whole(clearing.buy_price[trade])? - sell));
    Money { seller, sell_price, spread, spread_price, rounding: owes - seller - spread }
}

/// The bonds of buyer and seller, where the payment of a trade waits in escrow.
#[inline]
pub(super) fn bonds(rules: &Rules, clearing: &ClearedSlot<'_>, trade: usize) -> Option<[i128; 2]> {
    rules.bond_ppm?;
    let owes = owed(i128::from(clearing.buy_amount[trade]), clearing.den);
    let to_seller = received(i128::from(clearing.sell_amount[trade]), clearing.den);
    rules.escrows(to_seller).then(|| [rules.bond(owes), rules.bond(to_seller)])
}
