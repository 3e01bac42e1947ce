//! What all markets of a book share: who is where, what expires when, and what is told.

use std::collections::HashMap;

use super::command::NULL;
use super::event::{Event, Events, Kind};
use super::expiry::Expiries;
use super::ids::Ids;
use super::layout::NOBODY;
use super::rules::Admission;

/// Participants as codes of 32 bits: small ids are their own code.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners {
    codes: HashMap<i64, u32>,
    others: Vec<i64>,
}

const OTHERS: u32 = 1 << 31;

impl Owners {
    /// The code of a participant, [`NOBODY`] of [`NULL`].
    #[inline]
    pub fn code(&mut self, participant: i64) -> u32 {
        if (0..i64::from(OTHERS)).contains(&participant) { participant as u32 } else { self.other(participant) }
    }

    fn other(&mut self, participant: i64) -> u32 {
        if participant == NULL {
            return NOBODY;
        }
        let next = OTHERS + self.others.len() as u32;
        *self.codes.entry(participant).or_insert_with(|| {
            self.others.push(participant);
            next
        })
    }

    /// The participant of a code, [`NULL`] of [`NOBODY`].
    pub fn participant(&self, code: u32) -> i64 {
        match code {
            NOBODY => NULL,
            0..OTHERS => i64::from(code),
            _ => self.others.get((code - OTHERS) as usize).copied().unwrap_or(NULL),
        }
    }
}

/// What all markets share.
#[derive(Clone, Debug, Default)]
pub(super) struct Desk {
    pub ids: Ids,
    pub expiries: Expiries,
    pub owners: Owners,
}

/// Where what happens to one command is told.
pub(super) struct Out<'a, A, const ALL: bool> {
    pub desk: &'a mut Desk,
    pub events: &'a mut Events,
    pub admission: &'a mut A,
    pub command: u32,
    pub market: u32,
}

impl<A: Admission, const ALL: bool> Out<'_, A, ALL> {
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    pub fn emit(
        &mut self,
        kind: Kind,
        order: i64,
        counter: i64,
        price: i32,
        quantity: u32,
        remaining: u32,
        reject: u16,
        side: u8,
    ) {
        let (command, market) = (self.command, self.market);
        let event = Event { order, counter, price, quantity, remaining, command, market, reject, kind, side };
        self.admission.seen(&event);
        self.events.push::<ALL>(event);
    }

    /// Forgets an order that rested, and is out of its layout.
    #[inline(always)]
    pub fn gone(&mut self, id: i64, expiry: u32) {
        self.desk.ids.remove(id);
        self.desk.expiries.remove(expiry);
    }
}
