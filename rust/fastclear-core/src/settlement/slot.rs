//! The settlement of one slot: trades, meter readings and a tariff become postings.
//!
//! The order of the lines is part of the format, because the ledger hashes them: reservations are drawn or released,
//! then every trade is paid out line by line, then every meter reading is compared with what was traded.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::accounts::{CLEARING, DSO, FIRST_MEMBER, PLATFORM, ROUNDING, TAX, is_member};
use super::amount::{DENOMINATORS, owed, received, whole_price};
use super::credit::{Cover, Credit};
use super::delivery::{Sale, settle_meter};
use super::draft::{Draft, Line};
use super::error::{SettleError, TradeFault};
use super::imbalance::Imbalance;
use super::open_orders::{OpenOrders, OrderKey};
use super::posting::Kind;
use super::purses::{self, ESCROW};
use super::rules::{NET_BUYER_BOND, NET_SELLER_BOND, Rules, TRADE_ESCROWED};
use super::terms::{FeeShare, Terms};
use crate::units::{PRICE_MAX, price_in_range, quantity_in_range};

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

/// One buy order of the slot with what it owes.
struct Claim {
    key: OrderKey,
    reservation: Option<u64>,
    due: i128,
    /// What goes into escrow beside what is due.
    bond: i128,
    quantity: i128,
    /// `seq` of its Post.
    post: u64,
}

/// A clearing whose columns and trades were looked at.
struct Checked<'a> {
    columns: &'a ClearedSlot<'a>,
    /// Place in the claims of each buy row that has one.
    claim_of: Vec<usize>,
    /// Markets whose sellers receive more than their buyers pay.
    deficits: BTreeSet<u64>,
}

/// In `claim_of`: a row without a claim.
const NO_CLAIM: usize = usize::MAX;
/// In `claim_of`: a row that traded and whose claim is still to come.
const TRADED: usize = usize::MAX - 1;

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
    costs: Costs,
}

/// What a trade costs its buyer.
struct Costs {
    energy: i128,
    platform: i128,
    /// Ticks a unit.
    network_fee: i64,
    network: i128,
    /// Tax lines, each with its code.
    taxes: [(u16, i128); 3],
}

impl Costs {
    fn new(terms: &Terms, clearing: &ClearedSlot<'_>, trade: usize) -> Self {
        let quantity = i128::from(clearing.quantity[trade]);
        let energy = owed(i128::from(clearing.buy_amount[trade]), clearing.den);
        let network_fee = clearing.network_fee.map_or(terms.tariff().network_fee(), |fees| fees[trade]);
        let platform = i128::from(terms.tariff().platform_fee()) * quantity;
        let network = i128::from(network_fee) * quantity;
        Self { energy, platform, network_fee, network, taxes: terms.taxes(energy, platform, network) }
    }

    fn sum(&self) -> i128 {
        self.energy + self.platform + self.network + self.taxes.iter().map(|&(_, tax)| tax).sum::<i128>()
    }
}

impl Checked<'_> {
    /// The rows of a trade, which were looked at.
    fn rows(&self, trade: usize) -> (usize, usize) {
        (self.columns.buy_row[trade] as usize, self.columns.sell_row[trade] as usize)
    }

    fn trades(&self) -> std::ops::Range<usize> {
        0..self.columns.buy_row.len()
    }

    fn deal(&self, terms: &Terms, trade: usize) -> Deal {
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
    fn sale(&self, terms: &Terms, claims: &[Claim]) -> Sale {
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

/// Reservations with their orders, and what each of them covered.
type Drawn = (Vec<(OrderKey, u64)>, Vec<i64>);

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
    meter: &Meter<'_>,
) -> Result<Outcome, SettleError> {
    let &House { terms, policy, credit, rules } = house;
    let mut claims = Vec::new();
    let mut by_key = HashMap::new();
    let mut checked = Vec::with_capacity(clearings.len());
    for (index, clearing) in clearings.iter().enumerate() {
        let mut clearing = check(draft, index, clearing)?;
        let alone = clearings.len() == 1 && rises(clearing.columns);
        claim_orders(&mut clearing, open, terms.slot(), (!alone).then_some(&mut by_key), &mut claims)?;
        for trade in clearing.trades() {
            let claim = &mut claims[clearing.claim_of[clearing.rows(trade).0]];
            claim.due += Costs::new(terms, clearing.columns, trade).sum();
            claim.bond += bonds(rules, clearing.columns, trade).map_or(0, |[buyer, _]| buyer);
            claim.quantity += i128::from(clearing.columns.quantity[trade]);
        }
        checked.push(clearing);
    }
    let trades: usize = checked.iter().map(|clearing| clearing.trades().len()).sum();
    draft.expect(2 * claims.len() + trades);
    let on_hand = Cover::new(credit, draft.accounts()).keeping(rules.minimum_holding);
    let (closed, covers) = draw_reservations(draft, on_hand, &mut claims)?;
    for clearing in &checked {
        pay_out(draft, (terms, rules), &claims, clearing)?;
    }
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
    let contract = contracts(draft, &checked);
    // Where nobody is read, and nobody should be, nothing is looked up in it.
    let unread = meter.account.is_empty() && !meter.due && meter.losses == 0;
    let by_member = if unread { &[] } else { &contract[..] };
    settle_meter(draft, (terms, policy), meter, (&by_member.iter().copied().collect(), &sales))?;
    Ok(Outcome { closed, covers, contract, sales, delivery_seq })
}

/// Looks at every column and trade of a clearing, and marks the buy rows that traded.
fn check<'a>(draft: &Draft<'_>, index: usize, clearing: &'a ClearedSlot<'a>) -> Result<Checked<'a>, SettleError> {
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
        let (buy, sell) =
            check_trade(clearing, trade).map_err(|fault| SettleError::BadTrade { clearing: index, trade, fault })?;
        check_member(draft, clearing.account[buy])?;
        check_member(draft, clearing.account[sell])?;
        claim_of[buy] = TRADED;
    }
    Ok(Checked { columns: clearing, claim_of, deficits: deficits(clearing) })
}

/// Whether buy orders have rising ids, so that none stands in two rows.
fn rises(columns: &ClearedSlot<'_>) -> bool {
    let mut last = None;
    let mut bids = columns.side.iter().zip(columns.order).filter(|&(&side, _)| side == 1);
    bids.all(|(_, &order)| last.replace(order) < Some(order))
}

/// Gives each buy row its claim: rows that traded, and rows with a reservation. A row takes the oldest reservation of
/// its order for `slot` that no earlier row took; when none is left it shares the claim of an earlier row, so that one
/// order may stand in several clearings of a slot. `by_key` has the earlier rows of each order; without it, no order
/// stands in two rows.
fn claim_orders(
    clearing: &mut Checked<'_>,
    open: &OpenOrders,
    slot: Option<i64>,
    mut by_key: Option<&mut HashMap<OrderKey, (u64, usize)>>,
    claims: &mut Vec<Claim>,
) -> Result<(), SettleError> {
    let columns = clearing.columns;
    claims.reserve(clearing.claim_of.iter().filter(|&&claim| claim == TRADED).count());
    for row in 0..clearing.claim_of.len() {
        let chosen = &mut clearing.claim_of[row];
        // An order that may stand in another row takes its place at its first one, whether or not that traded.
        let passed_over = *chosen != TRADED && open.is_empty() && by_key.is_none();
        if columns.side[row] != 1 || passed_over {
            continue;
        }
        let key = (columns.account[row], columns.market[row], columns.order[row]);
        // The first reservation that is not taken: `after` is one past the last taken seq of this order.
        let earlier = by_key.as_ref().and_then(|by_key| by_key.get(&key).copied());
        let after = earlier.map_or(0, |(after, _)| after);
        let mut left = open.of(key, after).peekable();
        let first = left.peek().copied();
        let reservation = left.find(|&seq| open.slot(seq) == slot);
        match (reservation, earlier, first) {
            (None, Some((_, claim)), _) => {
                *chosen = claim;
                continue;
            }
            (None, None, Some(seq)) => {
                let (account, _, order) = key;
                return Err(SettleError::OtherSlot { account, order, reserved_for: open.slot(seq) });
            }
            (None, None, None) if *chosen != TRADED && by_key.is_none() => continue,
            _ => *chosen = claims.len(),
        }
        if let Some(by_key) = &mut by_key {
            by_key.insert(key, (reservation.map_or(after, |seq| seq + 1), claims.len()));
        }
        claims.push(Claim { key, reservation, due: 0, bond: 0, quantity: 0, post: 0 });
    }
    Ok(())
}

/// What each member bought less what it sold, in ascending account.
fn contracts(draft: &Draft<'_>, clearings: &[Checked<'_>]) -> Vec<(u64, i128)> {
    let mut net: Vec<Option<i128>> = vec![None; draft.accounts().len()];
    for clearing in clearings {
        for trade in clearing.trades() {
            let (buy, sell) = clearing.rows(trade);
            let quantity = i128::from(clearing.columns.quantity[trade]);
            for (row, bought) in [(buy, quantity), (sell, -quantity)] {
                // Members' accounts count up from the first without a gap, so there are never more than accounts.
                let place = (clearing.columns.account[row] - FIRST_MEMBER) as usize;
                *net[place].get_or_insert(0) += bought;
            }
        }
    }
    (FIRST_MEMBER..).zip(net).filter_map(|(account, net)| Some((account, net?))).collect()
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

/// The bonds of buyer and seller, where the payment of a trade waits in escrow.
fn bonds(rules: &Rules, clearing: &ClearedSlot<'_>, trade: usize) -> Option<[i128; 2]> {
    rules.bond_ppm?;
    let owes = owed(i128::from(clearing.buy_amount[trade]), clearing.den);
    let to_seller = received(i128::from(clearing.sell_amount[trade]), clearing.den);
    rules.escrows(to_seller).then(|| [rules.bond(owes), rules.bond(to_seller)])
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

/// Whether `account` is a member's that is not closed.
pub(super) fn check_member(draft: &Draft<'_>, account: u64) -> Result<(), SettleError> {
    match draft.accounts().get(account).filter(|_| is_member(account)) {
        None => Err(SettleError::UnknownMember { account }),
        Some(held) if held.closed => Err(SettleError::ClosedMember { account }),
        Some(_) => Ok(()),
    }
}

/// Posts what each buyer owes to the clearing house and releases what did not trade: first the orders with a
/// reservation in order of its seq, then those that pay on the spot.
fn draw_reservations(
    draft: &mut Draft<'_>,
    mut on_hand: Cover<'_>,
    claims: &mut [Claim],
) -> Result<Drawn, SettleError> {
    let mut reserved: Vec<(u64, usize)> =
        claims.iter().enumerate().filter_map(|(i, claim)| claim.reservation.map(|seq| (seq, i))).collect();
    reserved.sort_unstable();
    let mut closed = Vec::with_capacity(reserved.len());
    // Bonds that posts have released and that go into escrow once all is drawn.
    let mut bonds: BTreeMap<u64, i128> = BTreeMap::new();
    let mut covers = Vec::with_capacity(reserved.len());
    for (seq, i) in reserved {
        let claim = &mut claims[i];
        let cover = draft.accounts().reservation(seq).map_or(0, |held| held.amount);
        if claim.quantity > 0 {
            post(draft, claim, seq, cover)?;
            if claim.bond > 0 {
                *bonds.entry(claim.key.0).or_insert(0) += claim.bond;
            }
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
        covers.push(cover);
    }
    for claim in claims.iter_mut().filter(|claim| claim.reservation.is_none() && claim.quantity > 0) {
        let (account, market, order) = claim.key;
        let cover = claim.due.max(0) + claim.bond;
        let promised = if bonds.is_empty() { 0 } else { bonds.get(&account).copied().unwrap_or(0) };
        if cover > 0 && !on_hand.allows(draft.accounts(), account, cover + promised) {
            let available = on_hand.available(draft.accounts(), account) - promised;
            return Err(SettleError::NotCovered { account, order, due: claim.due + claim.bond, available });
        }
        if claim.bond > 0 {
            *bonds.entry(account).or_insert(0) += claim.bond;
        }
        on_hand.take(draft.accounts(), account, cover);
        let seq = draft.push(Line {
            market,
            buy_order: order,
            quantity: quantity_of(account, claim.quantity)?,
            ..Line::new(Kind::Reserve, account, CLEARING, cover)
        })?;
        let cover = draft.accounts().reservation(seq).map_or(0, |held| held.amount);
        post(draft, claim, seq, cover)?;
    }
    Ok((closed, covers))
}

/// Draws the reservation `seq` of `claim`; a buyer whose total is negative draws nothing and is paid instead.
fn post(draft: &mut Draft<'_>, claim: &mut Claim, seq: u64, reserved: i64) -> Result<(), SettleError> {
    let (account, market, order) = claim.key;
    if claim.due.max(0) + claim.bond > i128::from(reserved) {
        return Err(SettleError::ExceedsCover { account, order, due: claim.due + claim.bond, reserved });
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
fn pay_out(
    draft: &mut Draft<'_>,
    (terms, rules): (&Terms, &Rules),
    claims: &[Claim],
    clearing: &Checked<'_>,
) -> Result<(), SettleError> {
    for trade in clearing.trades() {
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
        let trade = draft.push(Line {
            group: Some(claims[deal.claim].post),
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
