//! The settlement of one slot: trades, meter readings and a tariff become postings.
//!
//! The order of the lines is part of the format, because the ledger hashes them: reservations are drawn or released,
//! then every trade is paid out line by line, then every meter reading is compared with what was traded.

use std::collections::HashMap;

use super::accounts::{CLEARING, DSO, FIRST_MEMBER, PLATFORM, ROUNDING, TAX, is_member};
use super::claims::{Claim, Drawn, claim_orders, draw_reservations, rises};
pub use super::cleared::ClearedSlot;
use super::cleared::{AHEAD, Checked, Costs, bonds, check};
use super::credit::{Cover, Credit};
use super::delivery::{Sale, settle_meter};
use super::draft::{Draft, Line};
use super::error::SettleError;
use super::imbalance::Imbalance;
use super::open_orders::{OpenOrders, OrderKey};
use super::pool::{self, PooledSlot};
use super::posting::Kind;
use super::purses::{self, ESCROW};
use super::rules::{NET_BUYER_BOND, NET_SELLER_BOND, Rules, TRADE_ESCROWED};
use super::terms::{FeeShare, Terms};
use crate::simd;

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
/// `code` of a [`Kind::Fee`]: the part of the platform's fee that another house account receives.
pub const FEE_PLATFORM_SHARE: u16 = 10;
/// `code` of a [`Kind::Fee`]: the part of the network's fee that another house account receives.
pub const FEE_NETWORK_SHARE: u16 = 11;
/// `code` of a [`Kind::Fee`]: a fixed charge for days of membership.
pub const FEE_SUBSCRIPTION: u16 = 12;
/// `code` of a [`Kind::Tax`]: on a buyer's energy, and on each fee of the same rate.
pub const TAX_TRADE: u16 = 1;
/// `code` of a [`Kind::Tax`]: on the platform's fee, where its rate is not that of the energy.
pub const TAX_PLATFORM: u16 = 10;
/// `code` of a [`Kind::Tax`]: on the network's fee, where its rate is not that of the energy.
pub const TAX_NETWORK: u16 = 11;
/// `code` of a [`Kind::Tax`]: on a fixed charge.
pub const TAX_SUBSCRIPTION: u16 = 12;

/// Every line of a trade, and of a fixed charge, that `code` tells apart within a kind, with its stable name.
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
    (Kind::Fee, FEE_PLATFORM_SHARE, "platform_share"),
    (Kind::Fee, FEE_NETWORK_SHARE, "network_share"),
    (Kind::Fee, FEE_SUBSCRIPTION, "subscription"),
    (Kind::Tax, TAX_TRADE, "trade"),
    (Kind::Tax, TAX_PLATFORM, "platform"),
    (Kind::Tax, TAX_NETWORK, "network"),
    (Kind::Tax, TAX_SUBSCRIPTION, "subscription"),
];

/// Net meter readings of one slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter<'a> {
    /// Member account a reading.
    pub account: &'a [u64],
    /// Net energy in Wh: + consumption, − generation.
    pub energy: &'a [i64],
    /// Whether whoever traded should have a reading; those who have none are then noted as missing.
    pub due: bool,
    /// Wh that the network lost, 0 or more; who traded shares them.
    pub losses: i64,
}

/// What holds for every trade and reading of a slot.
pub(super) struct House<'a> {
    pub terms: &'a Terms,
    pub policy: Imbalance,
    pub credit: Option<&'a Credit>,
    pub rules: &'a Rules,
}

/// What a slot leaves behind beside its postings.
pub(super) struct Outcome {
    /// Reservations that it drew or released.
    pub closed: Vec<(OrderKey, u64)>,
    /// What each of them covered.
    pub covers: Vec<i64>,
    /// Bought less sold, ascending account.
    pub contract: Vec<(u64, i128)>,
    /// Its trades, where the policy looks at them one by one.
    pub sales: Vec<Sale>,
    /// `seq` of the first line after delivery.
    pub delivery_seq: u64,
}

/// Writes the postings of one slot into `draft`.
///
/// Trades are walked three times (checked, added up, paid out) and nothing is kept of each in between: what does not
/// fit a cache costs more than the few sums.
pub(super) fn settle(
    draft: &mut Draft<'_>,
    open: &OpenOrders,
    house: &House<'_>,
    clearings: &[ClearedSlot<'_>],
    pools: &[PooledSlot<'_>],
    meter: &Meter<'_>,
) -> Result<Outcome, SettleError> {
    let &House { terms, policy, credit, rules } = house;
    let mut claims = Vec::new();
    let mut by_key = HashMap::new();
    let mut checked = Vec::with_capacity(clearings.len());
    // Of every trade: its own, those of two bonds, those that its proceeds pay.
    let lines_by_rule = 1 + 2 * usize::from(rules.bond_ppm.is_some()) + 2 * usize::from(rules.proceeds_ppm != [0, 0]);
    let mut lines = 0;
    let mut net: Vec<Option<i128>> = vec![None; draft.accounts().len()];
    for (index, clearing) in clearings.iter().enumerate() {
        let mut clearing = check(draft, index, clearing, &mut net)?;
        let alone = clearings.len() == 1 && rises(clearing.columns);
        claim_orders(&mut clearing, open, terms.slot(), (!alone).then_some(&mut by_key), &mut claims)?;
        for trade in clearing.trades() {
            let columns = clearing.columns;
            if let Some(&row) = columns.buy_row.get(trade + 2 * AHEAD) {
                simd::prefetch_place(&clearing.claim_of, row as usize);
            }
            if let Some(&row) = columns.buy_row.get(trade + AHEAD) {
                prefetch_claim(&claims, clearing.claim_of[row as usize]);
            }
            let claim = &mut claims[clearing.claim_of[clearing.rows(trade).0]];
            let costs = Costs::new(terms, columns, trade);
            claim.due += costs.sum();
            claim.bond += bonds(rules, columns, trade).map_or(0, |[buyer, _]| buyer);
            claim.quantity += i128::from(columns.quantity[trade]);
            let has_spread = columns.buy_amount[trade] != columns.sell_amount[trade];
            lines += lines_by_rule + costs.lines(terms) + usize::from(has_spread);
        }
        checked.push(clearing);
    }
    // A claim is reserved and posted, a trade has its lines, a reading its own, a deviation and its tax; a few more make the
    // room grow. Much more room than is needed would be too much for the pool to keep.
    draft.expect(2 * claims.len() + lines + 3 * meter.account.len());
    let on_hand = Cover::new(credit, draft.accounts()).keeping(rules.minimum_holding);
    let Drawn { closed, covers, posts } = draw_reservations(draft, on_hand, &claims)?;
    for clearing in &checked {
        pay_out(draft, (terms, rules), (&claims, &posts), clearing)?;
    }
    pool::pay(draft, (terms, rules), pools)?;
    if rules.bond_ppm.is_some() {
        let on_hand = Cover::of_one(credit).keeping(rules.minimum_holding);
        check_sellers(draft, &on_hand, rules, &checked)?;
    }
    let left = draft.accounts().get(CLEARING).map_or(0, |account| account.posted);
    if left != 0 {
        return Err(SettleError::ClearingNotEmpty { posted: left });
    }
    let trade_by_trade = meter.losses != 0 || matches!(policy, Imbalance::ShortfallAllocation { .. });
    let looked_at = checked.iter().filter(|_| trade_by_trade);
    let sales: Vec<Sale> = looked_at
        .flat_map(|clearing| clearing.trades().map(|trade| clearing.deal(terms, trade).sale(terms, &claims)))
        .collect();
    let delivery_seq = draft.next().seq;
    for (account, taken) in pool::contracts(pools) {
        *net[(account - FIRST_MEMBER) as usize].get_or_insert(0) += taken;
    }
    let contract: Vec<(u64, i128)> =
        (FIRST_MEMBER..).zip(net).filter_map(|(account, net)| Some((account, net?))).collect();
    // Where nobody is read, and nobody should be, nothing is looked up in it.
    let unread = meter.account.is_empty() && !meter.due && meter.losses == 0;
    let by_member = if unread { &[] } else { &contract[..] };
    settle_meter(draft, (terms, policy), meter, (&by_member.iter().copied().collect(), &sales))?;
    Ok(Outcome { closed, covers, contract, sales, delivery_seq })
}

/// Whether each seller had what its bonds took; those of buyers are part of their covers.
fn check_sellers(
    draft: &Draft<'_>,
    on_hand: &Cover<'_>,
    rules: &Rules,
    clearings: &[Checked<'_>],
) -> Result<(), SettleError> {
    for clearing in clearings {
        for trade in clearing.trades() {
            let account = clearing.columns.account[clearing.rows(trade).1];
            let bond = bonds(rules, clearing.columns, trade).map_or(0, |[_, seller]| seller);
            let left = on_hand.available(draft.accounts(), account);
            if bond > 0 && left < 0 {
                return Err(SettleError::NoBond { account, lacks: -left });
            }
        }
    }
    Ok(())
}

/// Asks for a claim to be fetched that will be looked at soon: its first byte and its last may lie in two lines.
#[inline]
fn prefetch_claim(claims: &[Claim], place: usize) {
    simd::prefetch_place(claims, place);
    simd::prefetch_place(claims, place + 1);
}

/// Whether `account` is a member's that is not closed.
#[inline]
pub(super) fn check_member(draft: &Draft<'_>, account: u64) -> Result<(), SettleError> {
    match draft.accounts().get(account).filter(|_| is_member(account)) {
        None => Err(SettleError::UnknownMember { account }),
        Some(held) if held.closed => Err(SettleError::ClosedMember { account }),
        Some(_) => Ok(()),
    }
}

/// Pays each trade out of the clearing house: seller, fees, tax, spread, rounding. Lines of nothing are left out.
fn pay_out(
    draft: &mut Draft<'_>,
    (terms, rules): (&Terms, &Rules),
    (claims, posts): (&[Claim], &[u64]),
    clearing: &Checked<'_>,
) -> Result<(), SettleError> {
    for trade in clearing.trades() {
        clearing.prefetch_rows(trade);
        if trade + AHEAD < clearing.trades().end {
            let (buy, sell) = clearing.rows(trade + AHEAD);
            draft.accounts().prefetch(clearing.columns.account[sell]);
            simd::prefetch_place(posts, clearing.claim_of[buy]);
        }
        let deal = clearing.deal(terms, trade);
        let bonds = bonds(rules, clearing.columns, trade);
        let line = |kind, code, to, price: i64, amount| Line {
            code,
            market: deal.market,
            buy_order: deal.buy_order,
            sell_order: deal.sell_order,
            quantity: deal.quantity,
            price,
            ..Line::new(kind, CLEARING, to, amount)
        };
        let money = &deal.money;
        let (code, price) = match money.sell_price {
            Some(price) => (TRADE_SELLER, price),
            None if money.seller < 0 => (TRADE_SUM_PAID, 0),
            None => (TRADE_SUM, 0),
        };
        let (code, payee) = if bonds.is_some() { (TRADE_ESCROWED, ESCROW) } else { (code, deal.seller) };
        if bonds.is_some() {
            purses::open(draft, ESCROW).transpose()?;
        }
        // The trade stands even at price 0: it is the record of the energy, and the lines below belong to it.
        let trade = draft.push_here(Line {
            group: Some(posts[deal.claim]),
            ..line(Kind::Trade, code, payee, price, money.seller)
        })?;
        let spread = if money.spread_price.is_none() && money.spread < 0 { FEE_DEFICIT } else { FEE_SPREAD };
        // A fee that is shared has no price a unit: neither part is a whole number of ticks times the quantity.
        let fee = |code, to, (ticks, fee): (i64, i128), (share_code, share): (u16, FeeShare)| {
            let part = share.of(fee);
            let price = if share.ppm == 0 { ticks } else { 0 };
            [(Kind::Fee, code, to, price, fee - part), (Kind::Fee, share_code, share.to, 0, part)]
        };
        let platform_fee = (terms.tariff().platform_fee(), deal.costs.platform);
        let network_fee = (deal.costs.network_fee, deal.costs.network);
        let [platform, platform_share] =
            fee(FEE_PLATFORM, PLATFORM, platform_fee, (FEE_PLATFORM_SHARE, terms.platform_share()));
        let [network, network_share] = fee(FEE_NETWORK, DSO, network_fee, (FEE_NETWORK_SHARE, terms.network_share()));
        let [trade_tax, platform_tax, network_tax] = deal.costs.taxes.map(|(code, tax)| (Kind::Tax, code, TAX, 0, tax));
        for (kind, code, to, price, amount) in [
            platform,
            platform_share,
            network,
            network_share,
            trade_tax,
            platform_tax,
            network_tax,
            (Kind::Fee, spread, deal.surplus_to, money.spread_price.unwrap_or(0), money.spread),
            (Kind::Fee, FEE_ROUNDING, ROUNDING, 0, money.rounding),
        ] {
            if amount != 0 {
                draft.push(Line { group: Some(trade), ..line(kind, code, to, price, amount) })?;
            }
        }
        // The lines of both bonds stand even at 0: they say whose the deal is.
        if let Some([buyer, seller]) = bonds {
            for (code, from, bond) in
                [(NET_BUYER_BOND, claims[deal.claim].key.0, buyer), (NET_SELLER_BOND, deal.seller, seller)]
            {
                let parties = Line { debit: from, credit: ESCROW, ..line(Kind::Net, code, ESCROW, 0, bond) };
                draft.push(Line { group: Some(trade), ..parties })?;
            }
        }
        if rules.proceeds_ppm != [0, 0] {
            for (code, to, part) in rules.of_proceeds(money.seller).into_iter().filter(|&(_, _, part)| part != 0) {
                let from_seller = Line { debit: deal.seller, ..line(Kind::Fee, code, to, 0, part) };
                draft.push(Line { group: Some(trade), ..from_seller })?;
            }
        }
    }
    Ok(())
}

/// `quantity` as a posting carries it.
pub(super) fn quantity_of(account: u64, quantity: i128) -> Result<i64, SettleError> {
    i64::try_from(quantity).map_err(|_| SettleError::AmountOutOfRange { account })
}
