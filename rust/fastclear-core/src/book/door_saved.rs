//! A book with its door as bytes: what `saved.rs` writes, then who came in and who is covered. Little-endian.
//!
//! | type | field |
//! |---|---|
//! | 4 bytes, u16 | `FCOD`, version |
//! | 32 bytes | SHA-256 of all other bytes |
//! | u32 and bytes | the book |
//! | u64 | number of the next order |
//! | u32 and rows | orders that are there, by number: card, limit i64, open lots i64 |
//! | u32 and rows, twice | what is to be told with the next call: cards; trades |
//! | u32 and rows | markets and the price of their last trade |
//! | u8 | 1 = there is a cover: fee i64, tax u32, and four lists of rows: limits, limits in one market, money paid, lots traded |
//!
//! A card is number u64, market, order and participant i64, side u8, price, quantity, traded lots and time i64. What is at
//! stake and on offer is not saved: it follows from the orders.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::command::NULL;
use super::cover::{Charges, Cover, Limits};
use super::door::Door;
use super::engine::OrderBook;
use super::register::{Card, Deal, Record, Register, Standing};
use super::saved::Caller;
use crate::bytes::{Malformed, Reader, put_count};
use crate::order::BUY;
use crate::units;

const TAG: [u8; 4] = *b"FCOD";
const VERSION: u16 = 1;
const BEFORE_HASH: usize = 6;
const HEAD: usize = BEFORE_HASH + 32;
const CARD_LEN: usize = 8 * 8 + 1;
/// Lots and money that a participant may have traded: more than anybody can, and so few that no sum of them overflows.
const SUM_MAX: i128 = 1 << 100;
const LOTS_MAX: i64 = 1 << 62;

/// Whether bytes are of a book with a door.
pub fn has_door(bytes: &[u8]) -> bool {
    bytes.starts_with(&TAG)
}

impl Door {
    /// The bytes of a book, and what its door knows.
    pub fn save(&self, book: &[u8]) -> Vec<u8> {
        let mut out = TAG.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend([0; HEAD - BEFORE_HASH]);
        put_count(&mut out, book.len());
        out.extend(book);
        self.register().put(&mut out);
        out.push(u8::from(self.cover().is_some()));
        if let Some(cover) = self.cover() {
            cover.put(&mut out);
        }
        let hash = hash(&out);
        out[BEFORE_HASH..HEAD].copy_from_slice(&hash);
        out
    }

    /// The book and the door that [`Self::save`] wrote, and what the book's caller knew.
    ///
    /// # Errors
    /// [`Malformed`] of anything else, down to a register that does not have the book's orders.
    pub fn load(bytes: &[u8], small_max: usize) -> Result<(OrderBook, Caller, Self), Malformed> {
        let r = &mut Reader::new(bytes);
        if r.array()? != TAG {
            return Err(Malformed { at: 0, reason: "this is no saved order book with a door" });
        }
        if r.u16()? != VERSION {
            return Err(Malformed { at: TAG.len(), reason: "this release does not read this version" });
        }
        if r.array()? != hash(bytes) {
            return Err(Malformed { at: BEFORE_HASH, reason: "the hash is not that of the bytes" });
        }
        let len = r.count(1)?;
        let (mut book, caller) = OrderBook::load(r.slice(len)?, small_max)?;
        let register = Register::take(r)?;
        if !register.has_orders_of(&mut book) {
            return Err(r.fault("the register's orders are not those of the book"));
        }
        let cover = if r.flag()? { Some(Cover::take(r, &register)?) } else { None };
        r.end()?;
        Ok((book, caller, Self::of(register, cover)))
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(&bytes[..BEFORE_HASH]).chain_update(&bytes[HEAD..]).finalize().into()
}

fn put(out: &mut Vec<u8>, values: &[i64]) {
    for value in values {
        out.extend(value.to_le_bytes());
    }
}

fn put_card(out: &mut Vec<u8>, card: &Card) {
    out.extend(card.number.to_le_bytes());
    put(out, &[card.market, card.order, card.participant]);
    out.push(card.side);
    put(out, &[card.price, card.quantity, card.traded, card.time]);
}

fn take_card(r: &mut Reader<'_>) -> Result<Card, Malformed> {
    let card = Card {
        number: r.u64()?,
        market: r.i64()?,
        order: r.i64()?,
        participant: r.i64()?,
        side: r.u8()?,
        price: r.i64()?,
        quantity: r.i64()?,
        traded: r.i64()?,
        command: 0,
        time: r.i64()?,
    };
    let is_sound = card.side <= BUY
        && (card.price == NULL || units::price_in_range(card.price))
        && (1..=LOTS_MAX).contains(&card.quantity)
        && (0..=LOTS_MAX).contains(&card.traded);
    if is_sound { Ok(card) } else { Err(r.fault("an order of the register is none")) }
}

fn take_sum(r: &mut Reader<'_>) -> Result<i128, Malformed> {
    let sum = r.i128()?;
    if (0..=SUM_MAX).contains(&sum) { Ok(sum) } else { Err(r.fault("a sum is out of range")) }
}

fn take_limit(r: &mut Reader<'_>) -> Result<Option<i64>, Malformed> {
    match r.i64()? {
        NULL => Ok(None),
        limit @ 0.. => Ok(Some(limit)),
        _ => Err(r.fault("a limit is below 0")),
    }
}

impl Register {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.next_number().to_le_bytes());
        let lives = self.cards();
        put_count(out, lives.len());
        for (card, standing) in &lives {
            put_card(out, card);
            put(out, &[standing.limit, standing.open]);
        }
        let record = self.record();
        put_count(out, record.cards.len());
        record.cards.iter().for_each(|card| put_card(out, card));
        put_count(out, record.deals.len());
        for deal in &record.deals {
            out.extend(deal.buy.to_le_bytes());
            out.extend(deal.sell.to_le_bytes());
            put(out, &[deal.market, deal.buyer, deal.seller, deal.price, deal.quantity]);
        }
        let prices = self.last_prices();
        put_count(out, prices.len());
        for (market, price) in prices {
            put(out, &[market, price]);
        }
    }

    fn take(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let next = r.u64()?;
        let n = r.count(CARD_LEN + 16)?;
        let mut lives = Vec::with_capacity(n);
        for _ in 0..n {
            let (card, limit, open) = (take_card(r)?, r.i64()?, r.i64()?);
            let is_sound = (limit == NULL || units::price_in_range(limit)) && units::quantity_in_range(open);
            if !is_sound || card.number >= next {
                return Err(r.fault("an order of the register is none"));
            }
            lives.push((card, limit, open as u32));
        }
        let mut record = Record::default();
        for _ in 0..r.count(CARD_LEN)? {
            let card = take_card(r)?;
            if card.number >= next {
                return Err(r.fault("an order of the register is none"));
            }
            record.cards.push(card);
        }
        let numbers: HashMap<u64, u8> = record.cards.iter().map(|card| (card.number, card.side)).collect();
        for _ in 0..r.count(56)? {
            let (buy, sell) = (r.u64()?, r.u64()?);
            let [market, buyer, seller, price, quantity] = [r.i64()?, r.i64()?, r.i64()?, r.i64()?, r.i64()?];
            let is_sound = numbers.get(&buy) == Some(&BUY)
                && numbers.get(&sell) == Some(&(1 - BUY))
                && units::price_in_range(price)
                && units::quantity_in_range(quantity);
            if !is_sound {
                return Err(r.fault("a trade of the register is none"));
            }
            record.deals.push(Deal { market, buy, sell, buyer, seller, price, quantity });
        }
        let mut prices = Vec::new();
        for _ in 0..r.count(16)? {
            let (market, price) = (r.i64()?, r.i64()?);
            if !units::price_in_range(price) {
                return Err(r.fault("a last price is out of range"));
            }
            prices.push((market, price));
        }
        Self::of(next, lives, record, &prices).ok_or(r.fault("an order of the register is there twice"))
    }

    /// Whether every order that rests is here as it is there, and nothing else.
    fn has_orders_of(&self, book: &mut OrderBook) -> bool {
        let rows = book.snapshot(None);
        rows.order.len() == self.standings().count()
            && (0..rows.order.len()).all(|row| {
                let of_book = Standing {
                    market: rows.market[row],
                    participant: rows.participant[row],
                    side: rows.side[row],
                    // A pegged order was let in with its worst price, wherever it stands.
                    limit: if rows.peg[row] == 0 { rows.price[row] } else { rows.limit[row] },
                    open: rows.quantity[row],
                };
                self.standing(rows.order[row]).map(|(_, standing)| standing) == Some(of_book)
            })
    }
}

impl Cover {
    fn put(&self, out: &mut Vec<u8>) {
        let charges = self.charges();
        put(out, &[charges.fee]);
        out.extend(charges.tax_ppm.to_le_bytes());
        let all = |limits: Limits| [limits.money, limits.energy, limits.position].map(|limit| limit.unwrap_or(NULL));
        let (limits, market_limits) = self.every_limit();
        put_count(out, limits.len());
        for (participant, limits) in limits {
            put(out, &[participant]);
            put(out, &all(limits));
        }
        put_count(out, market_limits.len());
        for ((participant, market), limits) in market_limits {
            put(out, &[participant, market]);
            put(out, &all(limits));
        }
        let paid: Vec<_> = self
            .participants()
            .into_iter()
            .map(|who| (who, self.bound(who).paid))
            .filter(|&(_, paid)| paid != 0)
            .collect();
        put_count(out, paid.len());
        for (participant, paid) in paid {
            put(out, &[participant]);
            out.extend(paid.to_le_bytes());
        }
        let mut positions = self.positions();
        positions.retain(|(_, position)| position.bought != 0 || position.sold != 0);
        put_count(out, positions.len());
        for ((participant, market), position) in positions {
            put(out, &[participant, market]);
            out.extend(position.bought.to_le_bytes());
            out.extend(position.sold.to_le_bytes());
        }
    }

    fn take(r: &mut Reader<'_>, register: &Register) -> Result<Self, Malformed> {
        let charges = Charges { fee: r.i64()?, tax_ppm: r.u32()? };
        if charges.fee.unsigned_abs() > 1 << 40 {
            return Err(r.fault("a fee is out of range"));
        }
        let mut cover = Self::over(charges, register.standings());
        for _ in 0..r.count(32)? {
            let participant = r.i64()?;
            let limits = Limits { money: take_limit(r)?, energy: take_limit(r)?, position: take_limit(r)? };
            cover.set(participant, None, limits);
        }
        for _ in 0..r.count(40)? {
            let (participant, market) = (r.i64()?, r.i64()?);
            let limits = Limits { money: take_limit(r)?, energy: take_limit(r)?, position: take_limit(r)? };
            cover.set(participant, Some(market), limits);
        }
        for _ in 0..r.count(24)? {
            let (participant, paid) = (r.i64()?, take_sum(r)?);
            cover.add_paid(participant, paid);
        }
        for _ in 0..r.count(48)? {
            let (participant, market, bought, sold) = (r.i64()?, r.i64()?, take_sum(r)?, take_sum(r)?);
            cover.add_traded(participant, market, bought, sold);
        }
        Ok(cover)
    }
}
