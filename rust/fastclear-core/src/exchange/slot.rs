//! One slot on its way: orders come in, the gate closes and clears them, readings come in, it is settled and sealed.

use std::collections::BTreeMap;

use super::genesis::Genesis;
use super::mechanism;
use super::reply::{Event, EventKind};
use crate::auction::Mechanism;
use crate::batch::{self, Clearing, Want};
use crate::bytes::{Malformed, Reader, put_count};
use crate::ledger::Hash;
use crate::ledger::merkle;
use crate::ledger::order_leaf::{ORDER_LEN, OrderLeaf, UNKNOWN};
use crate::order::{Columns, Integers};
use crate::reject::RejectReason;

/// How far a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Orders are taken.
    Open = 0,
    /// The gate is closed and cleared.
    Cleared = 1,
    /// Trades are paid, readings priced.
    Settled = 2,
}

impl Phase {
    /// The stable name of the phase.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Cleared => "cleared",
            Self::Settled => "settled",
        }
    }
}

/// An order of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "see OrderBatch")]
pub struct SlotOrder {
    pub side: u8,
    /// 1 = market order.
    pub kind: u8,
    /// Why it takes no part: 0, refused at the gate, or taken back.
    pub reject: u16,
    pub market: u64,
    pub order: u64,
    pub account: u64,
    pub price: i64,
    pub quantity: i64,
    pub time: i64,
    pub min_quantity: i64,
}

impl SlotOrder {
    /// The leaf of the order in its block.
    pub fn leaf(&self) -> OrderLeaf {
        let known = |value: u8| if value <= 1 { value } else { UNKNOWN };
        OrderLeaf {
            side: known(self.side),
            kind: known(self.kind),
            reject: self.reject,
            order: self.order,
            participant: self.account,
            market: self.market,
            price: self.price,
            quantity: self.quantity,
            time_ns: self.time,
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        out.extend([self.side, self.kind]);
        out.extend(self.reject.to_le_bytes());
        for id in [self.market, self.order, self.account] {
            out.extend(id.to_le_bytes());
        }
        for value in [self.price, self.quantity, self.time, self.min_quantity] {
            out.extend(value.to_le_bytes());
        }
    }

    fn load(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            side: r.u8()?,
            kind: r.u8()?,
            reject: r.u16()?,
            market: r.u64()?,
            order: r.u64()?,
            account: r.u64()?,
            price: r.i64()?,
            quantity: r.i64()?,
            time: r.i64()?,
            min_quantity: r.i64()?,
        })
    }
}
const ORDER_SAVED: usize = 60;

/// What a gate came to.
#[derive(Clone, Debug)]
pub struct Gated {
    /// Rows of the book that took part, ascending.
    pub rows: Vec<usize>,
    /// What each of them was filled.
    pub filled: Vec<i64>,
    /// The clearing of those rows.
    pub clearing: Clearing,
}

/// A slot that is not sealed yet.
#[derive(Clone, Debug)]
pub struct Slot {
    phase: Phase,
    /// Accepted orders in the order of their coming.
    orders: Vec<SlotOrder>,
    /// Row of each order that stands, by market and id.
    rows: BTreeMap<(u64, u64), usize>,
    /// Orders that came while the gate was open and were refused.
    refused: Vec<SlotOrder>,
    /// Readings by account; `None` before any came.
    readings: Option<BTreeMap<u64, i64>>,
    digest: Option<Hash>,
    gated: Option<Gated>,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            phase: Phase::Open,
            orders: Vec::new(),
            rows: BTreeMap::new(),
            refused: Vec::new(),
            readings: None,
            digest: None,
            gated: None,
        }
    }
}

impl Slot {
    /// How far it is.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Orders that were accepted, in the order of their coming; those that were taken back have a reject code.
    pub fn orders(&self) -> &[SlotOrder] {
        &self.orders
    }

    /// Orders that were refused while the gate was open.
    pub fn refused(&self) -> &[SlotOrder] {
        &self.refused
    }

    /// Readings by account; `None` before any came.
    pub const fn readings(&self) -> Option<&BTreeMap<u64, i64>> {
        self.readings.as_ref()
    }

    /// What its gate came to.
    pub const fn gated(&self) -> Option<&Gated> {
        self.gated.as_ref()
    }

    /// Row of an order that stands.
    pub(super) fn row(&self, market: u64, order: u64) -> Option<usize> {
        self.rows.get(&(market, order)).copied()
    }

    pub(super) fn accept(&mut self, order: SlotOrder) {
        self.rows.insert((order.market, order.order), self.orders.len());
        self.orders.push(order);
    }

    pub(super) fn refuse(&mut self, order: SlotOrder) {
        self.refused.push(order);
    }

    pub(super) fn cancel(&mut self, row: usize) {
        let order = &mut self.orders[row];
        order.reject = RejectReason::Cancelled.code();
        self.rows.remove(&(order.market, order.order));
    }

    pub(super) fn read(&mut self, accounts: &[u64], energy: &[i64]) {
        self.readings.get_or_insert_default().extend(accounts.iter().copied().zip(energy.iter().copied()));
    }

    pub(super) const fn settled(&mut self) {
        self.phase = Phase::Settled;
    }

    /// Leaves of every order, for the block.
    pub(super) fn leaves(&self) -> Vec<OrderLeaf> {
        self.orders.iter().chain(&self.refused).map(SlotOrder::leaf).collect()
    }

    /// Closes the gate: the book is fixed, its digest taken, and every market of it cleared.
    pub(super) fn close(&mut self, slot: i64, genesis: &Genesis) -> (Hash, Vec<Event>) {
        let mut leaves = self.leaves();
        leaves.sort_unstable_by(OrderLeaf::order);
        let bytes: Vec<u8> = leaves.iter().flat_map(OrderLeaf::encode).collect();
        let digest = merkle::root(merkle::leaf_hashes(&bytes, ORDER_LEN));
        self.digest = Some(digest);
        self.phase = Phase::Cleared;
        let gated = self.clear(slot, genesis);
        if let Some(reject) = &gated.clearing.reject {
            for (&row, &code) in gated.rows.iter().zip(reject) {
                self.orders[row].reject = code;
            }
        }
        let events = self.events(&gated);
        self.gated = Some(gated);
        (digest, events)
    }

    /// Clears the orders that nobody took back.
    fn clear(&self, slot: i64, genesis: &Genesis) -> Gated {
        let cancelled = RejectReason::Cancelled.code();
        let rows: Vec<usize> = (0..self.orders.len()).filter(|&row| self.orders[row].reject != cancelled).collect();
        let book: Vec<&SlotOrder> = rows.iter().map(|&row| &self.orders[row]).collect();
        let mechanism = mechanism::of_slot(genesis.mechanism, slot);
        let side: Vec<u8> = book.iter().map(|order| order.side).collect();
        let kind: Vec<u8> = book.iter().map(|order| order.kind).collect();
        let column = |of: fn(&SlotOrder) -> i64| book.iter().map(|order| of(order)).collect::<Vec<i64>>();
        let (price, quantity) = (column(|order| order.price), column(|order| order.quantity));
        let (market, ids) = (column(|order| order.market as i64), column(|order| order.order as i64));
        let (time, participant) = (column(|order| order.time), column(|order| order.account as i64));
        let minimums = column(|order| order.min_quantity);
        let columns = Columns {
            side: &side,
            price: Integers::Wide(&price),
            quantity: Integers::Wide(&quantity),
            market: Some(&market),
            order: Some(&ids),
            time: Some(&time),
            is_market_order: kind.contains(&1).then_some(&kind),
            participant: mechanism.takes_participants().then_some(&participant),
            min_quantity: (mechanism.takes_minimums() && minimums.iter().any(|&least| least != 0)).then_some(&minimums),
            ..Columns::default()
        };
        let mut filled = vec![0; book.len()];
        let want = Want { payment: true, trades: true, prices_only: false };
        // The columns were made of one book just now, so that they fit each other; and a slot holds fewer rows than a
        // call may carry, because commands do.
        let clearing = batch::clear(&columns, &mechanism, want, 1, &mut filled).unwrap_or_else(|_| nothing());
        Gated { rows, filled, clearing }
    }

    /// What the gate came to, market by market, order by order, trade by trade.
    fn events(&self, gated: &Gated) -> Vec<Event> {
        let Gated { rows, filled, clearing } = gated;
        let den = clearing.den;
        let mut events = Vec::with_capacity(clearing.outcomes.len() + rows.len());
        for (nth, market) in clearing.outcomes.iter().enumerate() {
            events.push(Event {
                detail: den,
                code: u16::from(market.has_price),
                row: nth as u32,
                market: market.market as u64,
                price: if market.has_price { market.price_sell } else { 0 },
                counter_price: if market.has_price { market.price_buy } else { 0 },
                quantity: market.volume,
                ..Event::new(EventKind::Cleared)
            });
        }
        let payment = clearing.payment.as_deref().unwrap_or_default();
        for (nth, &row) in rows.iter().enumerate() {
            let order = &self.orders[row];
            events.push(Event {
                detail: order.side,
                code: order.reject,
                row: row as u32,
                market: order.market,
                order: order.order,
                account: order.account,
                price: order.price,
                quantity: filled[nth],
                amount: payment.get(nth).copied().unwrap_or(0),
                ..Event::new(EventKind::Filled)
            });
        }
        if let Some(trades) = &clearing.trades {
            for trade in 0..trades.len() {
                let of = |row: i64| &self.orders[rows[row as usize]];
                let (buy, sell) = (of(trades.buy_row[trade]), of(trades.sell_row[trade]));
                events.push(Event {
                    detail: den,
                    code: u16::from(trades.are_sums),
                    row: trade as u32,
                    market: buy.market,
                    order: buy.order,
                    counter_order: sell.order,
                    account: buy.account,
                    price: trades.buy_price[trade],
                    counter_price: trades.sell_prices()[trade],
                    quantity: trades.quantity[trade],
                    amount: trades.amounts(trade).0,
                    ..Event::new(EventKind::Trade)
                });
            }
        }
        events
    }

    pub(super) fn save(&self, out: &mut Vec<u8>) {
        out.push(self.phase as u8);
        for orders in [&self.orders, &self.refused] {
            put_count(out, orders.len());
            for order in orders {
                order.save(out);
            }
        }
        out.push(u8::from(self.readings.is_some()));
        if let Some(readings) = &self.readings {
            put_count(out, readings.len());
            for (account, energy) in readings {
                out.extend(account.to_le_bytes());
                out.extend(energy.to_le_bytes());
            }
        }
        if let (Some(digest), Some(gated)) = (&self.digest, &self.gated) {
            out.extend(digest);
            out.extend(gated.digest());
        }
    }

    /// The slot that was saved; what its gate came to is found again, and held against its digest.
    pub(super) fn load(slot: i64, genesis: &Genesis, r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let phase = match r.u8()? {
            0 => Phase::Open,
            1 => Phase::Cleared,
            2 => Phase::Settled,
            _ => return Err(r.fault("the phase of a slot is unknown")),
        };
        let mut loaded = Self { phase, ..Self::default() };
        for _ in 0..r.count(ORDER_SAVED)? {
            let order = SlotOrder::load(r)?;
            let row = loaded.orders.len();
            let stands = order.reject != RejectReason::Cancelled.code();
            let columns = Columns {
                side: &[order.side],
                price: Integers::Wide(&[order.price]),
                quantity: Integers::Wide(&[order.quantity]),
                is_market_order: Some(&[order.kind]),
                ..Columns::default()
            };
            let sound = columns.refuse(0, &genesis.mechanism) == 0 && order.kind <= 1;
            let known = order.reject == 0 || order.leaf().check().is_ok();
            if !(sound && known) || (stands && loaded.rows.insert((order.market, order.order), row).is_some()) {
                return Err(r.fault("an order of a slot is unsound, or stands there twice"));
            }
            loaded.orders.push(order);
        }
        for _ in 0..r.count(ORDER_SAVED)? {
            let order = SlotOrder::load(r)?;
            if order.reject == 0 || order.leaf().check().is_err() {
                return Err(r.fault("an order that was refused says not why"));
            }
            loaded.refused.push(order);
        }
        if r.flag()? {
            let mut readings = BTreeMap::new();
            for _ in 0..r.count(16)? {
                let (account, energy) = (r.u64()?, r.i64()?);
                if readings.last_key_value().is_some_and(|(&last, _)| last >= account) {
                    return Err(r.fault("readings are not in ascending account"));
                }
                readings.insert(account, energy);
            }
            loaded.readings = Some(readings);
        }
        if phase != Phase::Open {
            loaded.digest = Some(r.array()?);
            let gated = loaded.clear(slot, genesis);
            if gated.digest() != r.array()? {
                return Err(r.fault("the gate of a slot cleared otherwise then"));
            }
            loaded.gated = Some(gated);
        }
        Ok(loaded)
    }
}

impl Gated {
    /// Hash over fills and trades.
    fn digest(&self) -> Hash {
        let mut bytes = Vec::new();
        let trades = self.clearing.trades.as_ref().map(crate::trade::Trades::columns);
        let trades = trades.iter().flat_map(|t| [t.buy_row, t.sell_row, t.quantity, t.buy_price, t.sell_price]);
        for column in std::iter::once(&self.filled[..]).chain(trades) {
            put_count(&mut bytes, column.len());
            for value in column {
                bytes.extend(value.to_le_bytes());
            }
        }
        bytes.push(self.clearing.den);
        merkle::leaf_hash(&bytes)
    }
}

fn nothing() -> Clearing {
    Clearing { outcomes: Vec::new(), reject: None, payment: None, trades: None, details: Vec::new(), den: 1 }
}

/// Why `order` is refused by itself under a mechanism, 0 if it is not; `border`: what the border refused it for.
pub(super) fn refuse(order: &SlotOrder, border: u16, mechanism: &Mechanism) -> u16 {
    let columns = Columns {
        side: &[order.side],
        price: Integers::Wide(&[order.price]),
        quantity: Integers::Wide(&[order.quantity]),
        is_market_order: Some(&[order.kind]),
        min_quantity: Some(&[order.min_quantity]),
        refused: Some(&[border]),
        ..Columns::default()
    };
    columns.refuse(0, mechanism)
}
