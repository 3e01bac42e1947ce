//! A book as bytes: equal states give equal bytes, and only what was saved is loaded. Little-endian.
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | 4 bytes | `FCOB` |
//! | 4 | u16 | version |
//! | 6 | 32 bytes | SHA-256 of all other bytes |
//! | 38 | u8, u8 | rule against trades with oneself; 1 = erased after a trade |
//! | 40 | i64, i64, u64 | clock; number of the next order without an id; number of the next event |
//! | 64 | | what the caller knows: units and ids that were text |
//! | | | markets in the order in which they were first named, column by column |
//! | | | orders that rest, market by market, bids first, each side first to last, column by column |
//!
//! A text is its length (u32) and UTF-8. Units are a flag and, if it is 1, three texts. Ids of each kind (markets, orders,
//! participants) are a byte (0 = none came yet, 1 = integers, 2 = text) and of text a count (u32) and the texts in the
//! order of their numbers. Markets are a count (u32) and the columns id i64, gate i64, flags u8 (1 = closed, 2 = halted,
//! 4 = special), bids u32, asks u32, and then what each special market has beyond orders. Orders are the columns id i64, price
//! i32, quantity u32 (what is shown), and participant and expiry, i64 each, which are a flag and, if any order has one, the
//! column, [`NULL`] for the others.
//!
//! How a market is kept is not saved: no result depends on it.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::command::NULL;
use super::engine::{CLOSED, HALTED, NO_GATE, OrderBook, SPECIAL};
use super::expiry::NEVER;
use super::layout::{Layout, Resting};
use super::rules::{Rules, SelfTrade};
use super::store::kept;
use crate::bytes::{Malformed, Reader, put_column, put_count};
use crate::order::BUY;
use crate::units;

const TAG: [u8; 4] = *b"FCOB";
/// Version of the bytes that are written, and the only one that is read.
const VERSION: u16 = 2;
/// Tag and version, then the hash.
const BEFORE_HASH: usize = 6;
const HEAD: usize = BEFORE_HASH + 32;
/// Events that a book may have told: so many that nobody reaches it, so few that no count of them can overflow.
const SEQ_MAX: u64 = 1 << 63;

/// How a caller writes ids of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IdTexts {
    /// None came yet.
    #[default]
    Unknown,
    /// As integers.
    Integers,
    /// As text, whose place in this list is the id.
    Texts(Vec<String>),
}

/// What the caller of a book knows and the book itself does not, saved beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Units of prices and of quantities, and what becomes of a value between two; none where they are ticks and lots.
    pub units: Option<[String; 3]>,
    /// Ids of markets, of orders, and of participants.
    pub ids: [IdTexts; 3],
}

/// Orders column by column.
#[derive(Default)]
struct Orders {
    id: Vec<i64>,
    price: Vec<i32>,
    quantity: Vec<u32>,
    participant: Vec<i64>,
    expires: Vec<i64>,
}

impl OrderBook {
    /// The whole state as bytes, and what the caller knows beside it. The clock, all numbers to come, rules, markets and
    /// every order in its place: a book that is loaded from them goes on as this one does.
    pub fn save(&mut self, caller: &Caller) -> Vec<u8> {
        let mut out = TAG.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend([0; HEAD - BEFORE_HASH]);
        out.extend([self.rules.self_trade as u8, u8::from(self.rules.erase_after_trade)]);
        out.extend(self.clock.to_le_bytes());
        out.extend(self.next_order.to_le_bytes());
        out.extend(self.next_seq().to_le_bytes());
        put_caller(&mut out, caller);
        let mut orders = Orders::default();
        let counts: Vec<[u32; 2]> =
            (0..self.markets.len()).map(|market| [1, 0].map(|side| self.collect(market, side, &mut orders))).collect();
        put_count(&mut out, self.markets.len());
        let ids: Vec<i64> = self.markets.iter().map(|market| market.id).collect();
        put_column(&mut out, &ids, i64::to_le_bytes);
        let gates: Vec<i64> = self.markets.iter().map(|market| market.gate).collect();
        put_column(&mut out, &gates, i64::to_le_bytes);
        out.extend(self.markets.iter().map(|market| market.attention));
        for side in 0..2 {
            let column: Vec<u32> = counts.iter().map(|count| count[side]).collect();
            put_column(&mut out, &column, u32::to_le_bytes);
        }
        self.put_specials(&mut out);
        put_column(&mut out, &orders.id, i64::to_le_bytes);
        put_column(&mut out, &orders.price, i32::to_le_bytes);
        put_column(&mut out, &orders.quantity, u32::to_le_bytes);
        put_optional(&mut out, &orders.participant);
        put_optional(&mut out, &orders.expires);
        self.put_rich_orders(&mut out);
        let hash = hash(&out);
        out[BEFORE_HASH..HEAD].copy_from_slice(&hash);
        out
    }

    /// Appends the orders of a side of a market, and counts them.
    fn collect(&mut self, market: usize, side: u8, orders: &mut Orders) -> u32 {
        let desk = &self.desk;
        let mut show = |resting: &Resting| {
            orders.id.push(resting.id);
            orders.price.push(resting.price);
            orders.quantity.push(resting.quantity);
            orders.participant.push(desk.owners.participant(resting.owner));
            orders.expires.push(desk.expiries.at(resting.expiry).unwrap_or(NULL));
            true
        };
        let mut count = 0;
        kept!(
            self.store,
            self.markets[market].kept_of(side),
            |layout| layout.walk(side, |resting| {
                count += 1;
                show(resting)
            }),
            {}
        );
        count
    }

    /// The book that [`Self::save`] wrote, and what its caller knew. `small_max` as in [`Rules`].
    ///
    /// # Errors
    /// [`Malformed`] of anything that `save` does not write, down to orders that cross or have one id.
    pub fn load(bytes: &[u8], small_max: usize) -> Result<(Self, Caller), Malformed> {
        let r = &mut Reader::new(bytes);
        if r.array()? != TAG {
            return Err(Malformed { at: 0, reason: "this is no saved order book" });
        }
        if r.u16()? != VERSION {
            return Err(Malformed { at: TAG.len(), reason: "this release reads version 2 of a saved order book" });
        }
        if r.array()? != hash(bytes) {
            return Err(Malformed { at: BEFORE_HASH, reason: "the hash is not that of the bytes" });
        }
        let at = r.at();
        let self_trade = SelfTrade::ALL.get(usize::from(r.u8()?)).copied();
        let self_trade = self_trade.ok_or(Malformed { at, reason: "this is no rule against trades with oneself" })?;
        let mut book = Self::new(Rules { self_trade, erase_after_trade: r.flag()?, small_max });
        book.clock = r.i64()?;
        book.next_order = r.i64()?;
        if book.next_order < 0 {
            return Err(r.fault("the number of the next order is negative"));
        }
        book.next_seq = r.u64()?;
        if book.next_seq > SEQ_MAX {
            return Err(r.fault("the number of the next event is too large"));
        }
        let caller = take_caller(r)?;
        book.take_markets(r, &caller)?;
        book.take_rich_orders(r, &caller)?;
        if book.next_seq < book.len() as u64 {
            return Err(r.fault("there are more orders than events"));
        }
        r.end()?;
        Ok((book, caller))
    }

    fn take_markets(&mut self, r: &mut Reader<'_>, caller: &Caller) -> Result<(), Malformed> {
        let at = r.at();
        let fault = |reason| Err(Malformed { at, reason });
        let n = r.count(8 + 8 + 1 + 4 + 4)?;
        let ids = r.column(n, i64::from_le_bytes)?;
        let gates = r.column(n, i64::from_le_bytes)?;
        let flags = r.column(n, u8::from_le_bytes)?;
        let bids = r.column(n, u32::from_le_bytes)?;
        let asks = r.column(n, u32::from_le_bytes)?;
        if !are_known(&ids, &caller.ids[0]) {
            return fault("a market's id is not one of the texts");
        }
        for (row, (&id, &gate)) in ids.iter().zip(&gates).enumerate() {
            if id == NULL || self.market_places.get(id).is_some() {
                return fault("a market is null, or there twice");
            }
            let place = self.market_place(id) as usize;
            let is_closed = gate != NO_GATE && gate <= self.clock;
            if flags[row] > (HALTED | CLOSED | SPECIAL) || (flags[row] & CLOSED != 0) != is_closed {
                return fault("a market's flags are none, or not those of its gate");
            }
            if is_closed {
                if bids[row] != 0 || asks[row] != 0 {
                    return fault("a market that has closed has orders");
                }
                self.markets[place].gate = gate;
            } else if self.set_gate(id, gate).is_err() && gate != NO_GATE {
                return fault("a market's gate is not after the clock");
            }
            self.markets[place].attention = flags[row] & !SPECIAL;
        }
        for (place, _) in flags.iter().enumerate().filter(|(_, flags)| *flags & SPECIAL != 0) {
            self.take_special(place as u32, r)?;
        }
        self.take_orders(r, caller, bids.iter().zip(&asks).map(|(&bids, &asks)| [bids, asks]))
    }

    fn take_orders(
        &mut self,
        r: &mut Reader<'_>,
        caller: &Caller,
        counts: impl Iterator<Item = [u32; 2]> + Clone,
    ) -> Result<(), Malformed> {
        let at = r.at();
        let fault = |reason| Err(Malformed { at, reason });
        let n = counts.clone().flatten().try_fold(0_usize, |sum, count| sum.checked_add(count as usize));
        let n = n.ok_or(Malformed { at, reason: "there are too many orders" })?;
        let orders = Orders {
            id: r.column(n, i64::from_le_bytes)?,
            price: r.column(n, i32::from_le_bytes)?,
            quantity: r.column(n, u32::from_le_bytes)?,
            participant: take_optional(r, n)?,
            expires: take_optional(r, n)?,
        };
        let mut row = 0;
        for (market, count) in counts.enumerate() {
            let mut best: [Option<i32>; 2] = [None; 2];
            for (side, count) in [1, 0].into_iter().zip(count) {
                let mut last: Option<i32> = None;
                for row in row..row + count as usize {
                    let price = orders.price[row];
                    if last.is_some_and(|last| if side == BUY { price > last } else { price < last }) {
                        return fault("orders are not best price first");
                    }
                    best[usize::from(side)].get_or_insert(price);
                    last = Some(price);
                    self.take_order(market as u32, side, &orders, row, caller)
                        .map_err(|reason| Malformed { at, reason })?;
                }
                row += count as usize;
            }
            if let [Some(ask), Some(bid)] = best
                && bid >= ask
                && !self.in_call(market as u32)
            {
                return fault("a bid and an ask cross");
            }
        }
        Ok(())
    }

    fn take_order(
        &mut self,
        market: u32,
        side: u8,
        orders: &Orders,
        row: usize,
        caller: &Caller,
    ) -> Result<(), &'static str> {
        let (id, price, quantity) = (orders.id[row], orders.price[row], orders.quantity[row]);
        let (participant, expires) = (orders.participant[row], Some(orders.expires[row]).filter(|&at| at != NULL));
        self.check_new(id, participant, expires, caller)?;
        if !units::price_in_range(i64::from(price)) || !units::quantity_in_range(i64::from(quantity)) {
            return Err("an order's price or quantity is out of range");
        }
        let expiry = expires.map_or(NEVER, |at| self.desk.expiries.insert(at, id));
        let resting = Resting { id, price, quantity, owner: self.desk.owners.code(participant), expiry };
        let handle = self.put(market, side, &resting);
        self.desk.ids.insert(id, handle);
        Ok(())
    }

    /// Whether an order may be there that was not yet.
    pub(super) fn check_new(
        &self,
        id: i64,
        participant: i64,
        expires: Option<i64>,
        caller: &Caller,
    ) -> Result<(), &'static str> {
        if !are_known(&[id], &caller.ids[1]) || !are_known(&[participant], &caller.ids[2]) {
            return Err("an id is not one of the texts");
        }
        if id == NULL || self.store.find(&self.desk, id).is_some() {
            return Err("an order's id is null, or there twice");
        }
        if expires.is_some_and(|at| at <= self.clock) {
            return Err("an order has expired");
        }
        if self.next_order < id.saturating_add(1) {
            return Err("an order's id is one that is yet to be given");
        }
        Ok(())
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(&bytes[..BEFORE_HASH]).chain_update(&bytes[HEAD..]).finalize().into()
}

/// Whether ids are places in a list of texts, if they are text; [`NULL`] is none.
fn are_known(ids: &[i64], texts: &IdTexts) -> bool {
    match texts {
        IdTexts::Texts(texts) => ids.iter().all(|&id| id == NULL || (0..texts.len() as i64).contains(&id)),
        _ => true,
    }
}

fn put_caller(out: &mut Vec<u8>, caller: &Caller) {
    out.push(u8::from(caller.units.is_some()));
    for text in caller.units.iter().flatten() {
        put_text(out, text);
    }
    for ids in &caller.ids {
        match ids {
            IdTexts::Unknown => out.push(0),
            IdTexts::Integers => out.push(1),
            IdTexts::Texts(texts) => {
                out.push(2);
                put_count(out, texts.len());
                for text in texts {
                    put_text(out, text);
                }
            }
        }
    }
}

fn take_caller(r: &mut Reader<'_>) -> Result<Caller, Malformed> {
    let mut caller = Caller::default();
    if r.flag()? {
        caller.units = Some([take_text(r)?, take_text(r)?, take_text(r)?]);
    }
    for ids in &mut caller.ids {
        *ids = match r.u8()? {
            0 => IdTexts::Unknown,
            1 => IdTexts::Integers,
            2 => {
                let n = r.count(4)?;
                let texts = (0..n).map(|_| take_text(r)).collect::<Result<Vec<_>, _>>()?;
                if texts.iter().collect::<HashSet<_>>().len() < texts.len() {
                    return Err(r.fault("a text is there twice"));
                }
                IdTexts::Texts(texts)
            }
            _ => return Err(r.fault("ids are neither integers nor text")),
        };
    }
    Ok(caller)
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend(text.as_bytes());
}

fn take_text(r: &mut Reader<'_>) -> Result<String, Malformed> {
    let len = r.count(1)?;
    let text = std::str::from_utf8(r.slice(len)?).map_err(|_| r.fault("a text is not UTF-8"))?;
    Ok(text.to_owned())
}

/// Appends a column that is left out where it says nothing.
fn put_optional(out: &mut Vec<u8>, column: &[i64]) {
    let is_there = column.iter().any(|&value| value != NULL);
    out.push(u8::from(is_there));
    if is_there {
        put_column(out, column, i64::to_le_bytes);
    }
}

fn take_optional(r: &mut Reader<'_>, n: usize) -> Result<Vec<i64>, Malformed> {
    if !r.flag()? {
        return Ok(vec![NULL; n]);
    }
    let column = r.column(n, i64::from_le_bytes)?;
    if column.iter().all(|&value| value == NULL) {
        return Err(r.fault("a column that says nothing is there"));
    }
    Ok(column)
}
