//! What a market has beyond plain orders, as bytes.
//!
//! Bits of what there is (u8), then each of it: 1 it is in a call, 2 last price i32, 4 end of a pause i64, 8 and 16 the ends
//! of its collar i32, 32 breaker (ticks u32, pause i64), 64 the breaker's reference i32. Then a count (u32) and the changes of
//! phases yet to come: time i64, code u8.

use super::super::command::Phase;
use super::super::engine::{CLOSED, OrderBook};
use super::{Breaker, Collar, Special};
use crate::bytes::{Malformed, Reader, put_count};
use crate::units;

const IN_CALL: u8 = 1;
const LAST_PRICE: u8 = 2;
const PAUSE: u8 = 4;
const LOW: u8 = 8;
const HIGH: u8 = 16;
const BREAKER: u8 = 32;
const REFERENCE: u8 = 64;
const ALL: u8 = 127;

impl Special {
    /// Appends all of it; says whether there is nothing else. Every field is named, so that none is forgotten.
    pub(in crate::book) fn save(&self, out: &mut Vec<u8>) -> bool {
        let Self { last_price, session, collar, breaker, entered, rich, turns: _ } = self;
        let reference = breaker.and_then(|breaker| breaker.reference);
        let there = [
            (IN_CALL, session.in_call),
            (LAST_PRICE, last_price.is_some()),
            (PAUSE, session.pause_ends.is_some()),
            (LOW, collar.low.is_some()),
            (HIGH, collar.high.is_some()),
            (BREAKER, breaker.is_some()),
            (REFERENCE, reference.is_some()),
        ];
        out.push(there.iter().map(|&(bit, is_there)| if is_there { bit } else { 0 }).sum());
        let put =
            |out: &mut Vec<u8>, price: Option<i32>| price.iter().for_each(|price| out.extend(price.to_le_bytes()));
        put(out, *last_price);
        out.extend(session.pause_ends.map(i64::to_le_bytes).iter().flatten());
        put(out, collar.low);
        put(out, collar.high);
        if let Some(breaker) = breaker {
            out.extend(breaker.ticks.to_le_bytes());
            out.extend(breaker.pause_ns.to_le_bytes());
        }
        put(out, reference);
        put_count(out, session.schedule.len());
        for &(at, phase) in &session.schedule {
            out.extend(at.to_le_bytes());
            out.push(phase as u8);
        }
        rich.is_empty() && *entered == [None; 2]
    }

    fn load(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut special = Self::default();
        let bits = r.u8()?;
        if bits > ALL || (bits & REFERENCE != 0 && bits & BREAKER == 0) {
            return Err(r.fault("bits of a market are none"));
        }
        let price = |r: &mut Reader<'_>, bit: u8| -> Result<Option<i32>, Malformed> {
            if bits & bit == 0 {
                return Ok(None);
            }
            let price = i32::from_le_bytes(r.array()?);
            if units::price_in_range(i64::from(price)) {
                Ok(Some(price))
            } else {
                Err(r.fault("a price is out of range"))
            }
        };
        special.session.in_call = bits & IN_CALL != 0;
        special.last_price = price(r, LAST_PRICE)?;
        special.session.pause_ends = if bits & PAUSE == 0 { None } else { Some(r.i64()?) };
        special.collar = Collar { low: price(r, LOW)?, high: price(r, HIGH)? };
        if special.collar.low.zip(special.collar.high).is_some_and(|(low, high)| low > high) {
            return Err(r.fault("a collar has no price between its ends"));
        }
        if bits & BREAKER != 0 {
            let (ticks, pause_ns) = (r.u32()?, r.i64()?);
            if i64::from(ticks) > units::PRICE_MAX || pause_ns < 1 {
                return Err(r.fault("a breaker has no width, or no pause"));
            }
            special.breaker = Some(Breaker { ticks, pause_ns, reference: price(r, REFERENCE)? });
        }
        for _ in 0..r.count(9)? {
            let (at, code) = (r.i64()?, r.u8()?);
            let phase = Phase::ALL.get(usize::from(code)).ok_or(r.fault("a phase is none"))?;
            if special.session.schedule.back().is_some_and(|&(before, _)| at <= before) {
                return Err(r.fault("phases are not in order of time"));
            }
            special.session.schedule.push_back((at, *phase));
        }
        Ok(special)
    }
}

impl OrderBook {
    /// Gives a market that has no orders yet what [`Special::save`] wrote, and what the clock is to change there.
    pub(in crate::book) fn take_special(&mut self, market: u32, r: &mut Reader<'_>) -> Result<(), Malformed> {
        let special = Special::load(r)?;
        let is_closed = self.markets[market as usize].is(CLOSED);
        let pause = special.session.pause_ends;
        let next = special.session.schedule.front().map(|&(at, _)| at);
        if (is_closed && special.session.in_call) || (pause.is_some() && !special.session.in_call) {
            return Err(r.fault("a market is in no call that is, or pauses outside of one"));
        }
        if !is_closed && pause.into_iter().chain(next).any(|at| at <= self.clock) {
            return Err(r.fault("a change of phase is not after the clock"));
        }
        *self.special(market) = special;
        if !is_closed {
            self.await_next(market);
            self.await_pause(market);
        }
        Ok(())
    }

    /// Whether an order of a market is within its collar.
    pub(in crate::book) fn is_held(&self, market: u32, side: u8, price: i32) -> bool {
        self.collar_at(market).bounds(side, price)
    }
}
