//! The settlement of one slot: trades, meter readings and a tariff become postings.
//!
//! The order of the lines is part of the format, because the ledger hashes them: reservations are drawn or released,
//! then every trade is paid out line by line, then every meter reading is compared with what was traded.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::{BACKSTOP, CLEARING, DSO, FIRST_MEMBER, PLATFORM, ROUNDING, TAX};
use super::amount::{DENOMINATORS, owed, received, whole_price};
use super::draft::{Draft, Line};
use super::error::{SettleError, TradeFault};
use super::imbalance::Imbalance;
use super::posting::Kind;
use super::tariff::Tariff;
use crate::units::{PRICE_MAX, quantity_in_range};

/// `code` of a [`Kind::Trade`]: the payment to a seller.
pub const TRADE_SELLER: u16 = 0;
/// `code` of a [`Kind::Trade`]: what a buyer receives whose total is negative.
pub const TRADE_BUYER: u16 = 1;
/// `code` of a [`Kind::Trade`]: the payment to a seller, where it has no price a unit in whole ticks.
pub const TRADE_SUM: u16 = 2;
/// `code` of a [`Kind::Trade`]: the same where it is the seller who pays.
pub const TRADE_SUM_PAID: u16 = 3;
/// `code` of a [`Kind::Fee`]: the platform's, on each unit traded.
pub const FEE_PLATFORM: u16 = 1;
/// `code` of a [`Kind::Fee`]: the network's, on each unit traded.
pub const FEE_NETWORK: u16 = 2;
/// `code` of a [`Kind::Fee`]: the spread between the buyer's and the seller's price.
pub const FEE_SPREAD: u16 = 3;
/// `code` of a [`Kind::Fee`]: what rounding half units leaves.
pub const FEE_ROUNDING: u16 = 4;
/// `code` of a [`Kind::Fee`]: what a seller receives beyond what the buyer pays, where it has no price a unit.
pub const FEE_DEFICIT: u16 = 5;
/// `code` of a [`Kind::Tax`]: on a buyer's energy and fees.
pub const TAX_TRADE: u16 = 1;
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

/// Every line that `code` tells apart within a kind, with its stable name.
pub const LINES: [(Kind, u16, &str); 16] = [
    (Kind::Trade, TRADE_SELLER, "seller"),
    (Kind::Trade, TRADE_BUYER, "buyer"),
    (Kind::Trade, TRADE_SUM, "sum"),
    (Kind::Trade, TRADE_SUM_PAID, "sum_paid"),
    (Kind::Fee, FEE_PLATFORM, "platform"),
    (Kind::Fee, FEE_NETWORK, "network"),
    (Kind::Fee, FEE_SPREAD, "spread"),
    (Kind::Fee, FEE_ROUNDING, "rounding"),
    (Kind::Fee, FEE_DEFICIT, "deficit"),
    (Kind::Tax, TAX_TRADE, "trade"),
    (Kind::Tax, TAX_RESIDUAL, "residual"),
    (Kind::Imbalance, IMBALANCE_RESIDUAL, "residual"),
    (Kind::Imbalance, IMBALANCE_SHORTFALL, "shortfall"),
    (Kind::Imbalance, IMBALANCE_FEED_IN, "feed_in"),
    (Kind::Imbalance, IMBALANCE_OVER_BOUGHT, "over_bought"),
    (Kind::Imbalance, IMBALANCE_PENALTY, "penalty"),
];

/// An order as the bank knows it: account, market, order id.
pub(super) type OrderKey = (u64, u64, u64);
/// Open reservations by order, oldest first.
pub(super) type OpenOrders = BTreeSet<(OrderKey, u64)>;

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
            den: 1,
            per_unit: true,
            deficit_to: PLATFORM,
        }
    }
}

/// Net meter readings of one slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter<'a> {
    /// Member account a reading.
    pub account: &'a [u64],
    /// Net energy in Wh: + consumption, − generation.
    pub energy: &'a [i64],
}

/// One buy order of the slot with what it owes.
struct Claim {
    key: OrderKey,
    reservation: Option<u64>,
    due: i128,
    quantity: i128,
    /// `seq` of its Post.
    post: u64,
}

/// One trade with its parties and lines.
struct Deal {
    claim: usize,
    market: u64,
    buy_order: u64,
    sell_order: u64,
    seller: u64,
    quantity: i64,
    money: Money,
    /// Who has the surplus of this market, or makes up what it lacks.
    surplus_to: u64,
    tax: i128,
}

/// What a trade moves, in whole nano-currency.
struct Money {
    /// To the seller, and its price a unit where that is a whole number of ticks.
    seller: i128,
    sell_price: Option<i64>,
    /// Between what the buyer pays and the seller receives, rounded down, and its price a unit likewise.
    spread: i128,
    spread_price: Option<i64>,
    /// What rounding leaves.
    rounding: i128,
}

/// Writes the postings of one slot into `draft` and returns the reservations it closed.
pub(super) fn settle(
    draft: &mut Draft<'_>,
    open: &OpenOrders,
    (tariff, policy): (&Tariff, Imbalance),
    clearings: &[ClearedSlot<'_>],
    meter: &Meter<'_>,
) -> Result<Vec<(OrderKey, u64)>, SettleError> {
    let mut claims = Vec::new();
    let mut deals = Vec::new();
    let mut contract = BTreeMap::new();
    let mut by_key = BTreeMap::new();
    for (index, clearing) in clearings.iter().enumerate() {
        let claim_of = claim_orders(clearing, open, &mut by_key, &mut claims)?;
        price_trades(draft, tariff, (index, clearing), &claim_of, &mut claims, &mut deals, &mut contract)?;
    }
    let closed = draw_reservations(draft, &mut claims)?;
    pay_out(draft, tariff, &claims, &deals)?;
    let left = draft.accounts().get(CLEARING).map_or(0, |account| account.posted);
    if left != 0 {
        return Err(SettleError::ClearingNotEmpty { posted: left });
    }
    settle_meter(draft, (tariff, policy), meter, &contract)?;
    Ok(closed)
}

/// Gives each buy row its claim. A row takes the oldest reservation of its order that no earlier row took; when none
/// is left it shares the claim of an earlier row, so that one order may stand in several clearings of a slot.
fn claim_orders(
    clearing: &ClearedSlot<'_>,
    open: &OpenOrders,
    by_key: &mut BTreeMap<OrderKey, (u64, usize)>,
    claims: &mut Vec<Claim>,
) -> Result<Vec<usize>, SettleError> {
    let n = clearing.side.len();
    for (column, len) in
        [("account", clearing.account.len()), ("market", clearing.market.len()), ("order", clearing.order.len())]
    {
        if len != n {
            return Err(SettleError::Length { column, len, expected: n });
        }
    }
    let mut claim_of = vec![usize::MAX; n];
    for (row, slot) in claim_of.iter_mut().enumerate() {
        if clearing.side[row] != 1 {
            continue;
        }
        let key = (clearing.account[row], clearing.market[row], clearing.order[row]);
        // The first reservation that is not taken: `after` is one past the last taken seq of this order.
        let earlier = by_key.get(&key).copied();
        let after = earlier.map_or(0, |(after, _)| after);
        let reservation = open.range((key, after)..=(key, u64::MAX)).next().map(|&(_, seq)| seq);
        if let (None, Some((_, claim))) = (reservation, earlier) {
            *slot = claim;
            continue;
        }
        *slot = claims.len();
        by_key.insert(key, (reservation.map_or(after, |seq| seq + 1), claims.len()));
        claims.push(Claim { key, reservation, due: 0, quantity: 0, post: 0 });
    }
    Ok(claim_of)
}

/// Checks every trade, adds what it costs to its buyer's claim, and notes what each side contracted.
fn price_trades(
    draft: &Draft<'_>,
    tariff: &Tariff,
    (index, clearing): (usize, &ClearedSlot<'_>),
    claim_of: &[usize],
    claims: &mut [Claim],
    deals: &mut Vec<Deal>,
    contract: &mut BTreeMap<u64, i128>,
) -> Result<(), SettleError> {
    check_columns(index, clearing)?;
    let deficits = deficits(clearing);
    for trade in 0..clearing.buy_row.len() {
        let (buy, sell) =
            check_trade(clearing, trade).map_err(|fault| SettleError::BadTrade { clearing: index, trade, fault })?;
        let (buyer, seller) = (clearing.account[buy], clearing.account[sell]);
        check_member(draft, buyer)?;
        check_member(draft, seller)?;
        let (market, quantity) = (clearing.market[buy], clearing.quantity[trade]);
        let owes = owed(i128::from(clearing.buy_amount[trade]), clearing.den);
        let fees = i128::from(tariff.platform_fee()) + i128::from(tariff.network_fee());
        let base = owes + fees * i128::from(quantity);
        let tax = tariff.tax(base);
        let claim = claim_of[buy];
        claims[claim].due += base + tax;
        claims[claim].quantity += i128::from(quantity);
        *contract.entry(buyer).or_insert(0) += i128::from(quantity);
        *contract.entry(seller).or_insert(0) -= i128::from(quantity);
        deals.push(Deal {
            claim,
            market,
            buy_order: clearing.order[buy],
            sell_order: clearing.order[sell],
            seller,
            quantity,
            money: money(clearing, trade, owes),
            surplus_to: if deficits.contains(&market) { clearing.deficit_to } else { PLATFORM },
            tax,
        });
    }
    Ok(())
}

/// Whether the columns of a clearing belong together.
fn check_columns(index: usize, clearing: &ClearedSlot<'_>) -> Result<(), SettleError> {
    let expected = clearing.buy_row.len();
    for (column, len) in [
        ("sell_row", clearing.sell_row.len()),
        ("quantity", clearing.quantity.len()),
        ("buy_price", clearing.buy_price.len()),
        ("sell_price", clearing.sell_price.len()),
        ("buy_amount", clearing.buy_amount.len()),
        ("sell_amount", clearing.sell_amount.len()),
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
fn check_trade(clearing: &ClearedSlot<'_>, trade: usize) -> Result<(usize, usize), TradeFault> {
    let row = |row: i64, buy: bool| {
        usize::try_from(row).ok().filter(|&row| clearing.side.get(row).is_some_and(|&side| (side == 1) == buy))
    };
    let buy = row(clearing.buy_row[trade], true).ok_or(TradeFault::BuyRow)?;
    let sell = row(clearing.sell_row[trade], false).ok_or(TradeFault::SellRow)?;
    let quantity = clearing.quantity[trade];
    if !quantity_in_range(quantity) {
        return Err(TradeFault::Quantity);
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
fn deficits(clearing: &ClearedSlot<'_>) -> BTreeSet<u64> {
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
fn money(clearing: &ClearedSlot<'_>, trade: usize, owes: i128) -> Money {
    let whole = |price: i64| whole_price(price, clearing.den).filter(|_| clearing.per_unit);
    let sell_price = whole(clearing.sell_price[trade]);
    let sell_amount = i128::from(clearing.sell_amount[trade]);
    let seller = received(sell_amount, clearing.den);
    let spread = received(i128::from(clearing.buy_amount[trade]) - sell_amount, clearing.den);
    let spread_price = sell_price.and_then(|sell| Some(whole(clearing.buy_price[trade])? - sell));
    Money { seller, sell_price, spread, spread_price, rounding: owes - seller - spread }
}

/// Whether `account` is an open member's.
pub(super) fn check_member(draft: &Draft<'_>, account: u64) -> Result<(), SettleError> {
    if account < FIRST_MEMBER || draft.accounts().get(account).is_none() {
        return Err(SettleError::UnknownMember { account });
    }
    Ok(())
}

/// Posts what each buyer owes to the clearing house and releases what did not trade: first the orders with a
/// reservation in order of its seq, then those that pay on the spot.
fn draw_reservations(draft: &mut Draft<'_>, claims: &mut [Claim]) -> Result<Vec<(OrderKey, u64)>, SettleError> {
    let mut reserved: Vec<(u64, usize)> =
        claims.iter().enumerate().filter_map(|(i, claim)| claim.reservation.map(|seq| (seq, i))).collect();
    reserved.sort_unstable();
    let mut closed = Vec::with_capacity(reserved.len());
    for (seq, i) in reserved {
        let claim = &mut claims[i];
        let cover = draft.accounts().reservation(seq).map_or(0, |held| held.amount);
        if claim.quantity > 0 {
            post(draft, claim, seq, cover)?;
        } else {
            let (account, market, order) = claim.key;
            draft.push(Line {
                market,
                buy_order: order,
                group: Some(seq),
                ..Line::new(Kind::Void, account, CLEARING, i128::from(cover))
            })?;
        }
        closed.push((claim.key, seq));
    }
    for claim in claims.iter_mut().filter(|claim| claim.reservation.is_none() && claim.quantity > 0) {
        let (account, market, order) = claim.key;
        let available = draft.accounts().get(account).map_or(0, super::Account::available);
        let cover = claim.due.max(0);
        if available < cover && cover > 0 {
            return Err(SettleError::NotCovered { account, order, due: claim.due, available });
        }
        let seq = draft.push(Line {
            market,
            buy_order: order,
            quantity: quantity_of(account, claim.quantity)?,
            ..Line::new(Kind::Reserve, account, CLEARING, cover)
        })?;
        let cover = draft.accounts().reservation(seq).map_or(0, |held| held.amount);
        post(draft, claim, seq, cover)?;
    }
    Ok(closed)
}

/// Draws the reservation `seq` of `claim`; a buyer whose total is negative draws nothing and is paid instead.
fn post(draft: &mut Draft<'_>, claim: &mut Claim, seq: u64, reserved: i64) -> Result<(), SettleError> {
    let (account, market, order) = claim.key;
    if claim.due > i128::from(reserved) {
        return Err(SettleError::ExceedsCover { account, order, due: claim.due, reserved });
    }
    let quantity = quantity_of(account, claim.quantity)?;
    claim.post = draft.push(Line {
        market,
        buy_order: order,
        quantity,
        group: Some(seq),
        ..Line::new(Kind::Post, account, CLEARING, claim.due.max(0))
    })?;
    if claim.due < 0 {
        draft.push(Line {
            code: TRADE_BUYER,
            market,
            buy_order: order,
            quantity,
            group: Some(claim.post),
            ..Line::new(Kind::Trade, CLEARING, account, -claim.due)
        })?;
    }
    Ok(())
}

/// Pays each trade out of the clearing house: seller, fees, tax, spread, rounding. Lines of nothing are left out.
fn pay_out(draft: &mut Draft<'_>, tariff: &Tariff, claims: &[Claim], deals: &[Deal]) -> Result<(), SettleError> {
    for deal in deals {
        let line = |kind, code, to, price: i64, amount| Line {
            code,
            market: deal.market,
            buy_order: deal.buy_order,
            sell_order: deal.sell_order,
            quantity: deal.quantity,
            price,
            ..Line::new(kind, CLEARING, to, amount)
        };
        let times = |ticks: i64| i128::from(ticks) * i128::from(deal.quantity);
        let money = &deal.money;
        let (code, price) = match money.sell_price {
            Some(price) => (TRADE_SELLER, price),
            None if money.seller < 0 => (TRADE_SUM_PAID, 0),
            None => (TRADE_SUM, 0),
        };
        // The trade stands even at price 0: it is the record of the energy, and the lines below belong to it.
        let trade = draft.push(Line {
            group: Some(claims[deal.claim].post),
            ..line(Kind::Trade, code, deal.seller, price, money.seller)
        })?;
        let spread = if money.spread_price.is_none() && money.spread < 0 { FEE_DEFICIT } else { FEE_SPREAD };
        for (kind, code, to, price, amount) in [
            (Kind::Fee, FEE_PLATFORM, PLATFORM, tariff.platform_fee(), times(tariff.platform_fee())),
            (Kind::Fee, FEE_NETWORK, DSO, tariff.network_fee(), times(tariff.network_fee())),
            (Kind::Tax, TAX_TRADE, TAX, 0, deal.tax),
            (Kind::Fee, spread, deal.surplus_to, money.spread_price.unwrap_or(0), money.spread),
            (Kind::Fee, FEE_ROUNDING, ROUNDING, 0, money.rounding),
        ] {
            if amount != 0 {
                draft.push(Line { group: Some(trade), ..line(kind, code, to, price, amount) })?;
            }
        }
    }
    Ok(())
}

/// Compares each reading with the contract and prices the difference. These postings are forced: the energy has
/// flowed, whatever the account holds.
fn settle_meter(
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

/// `quantity` as a posting carries it.
fn quantity_of(account: u64, quantity: i128) -> Result<i64, SettleError> {
    i64::try_from(quantity).map_err(|_| SettleError::AmountOutOfRange { account })
}
