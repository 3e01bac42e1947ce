//! One order at a time: what a call of columns costs beyond its rows, a single order does not pay.

use crate::order::Integers;
use crate::reject::RejectReason;

use super::command::{Commands, NULL, Tif};
use super::engine::OrderBook;
use super::event::{Event, Events, Kind};
use super::obey::{Given, Turn};
use super::rules::{Admission, Everybody, Request};

/// A new order, not of a column.
#[derive(Clone, Copy, Debug)]
pub struct Single {
    /// Market id.
    pub market: i64,
    /// Its id; without one it gets the number after the largest that the book has seen.
    pub order: Option<i64>,
    /// Participant id.
    pub participant: Option<i64>,
    /// 1 = buy, 0 = sell.
    pub side: u8,
    /// Limit in ticks; `None` takes any price.
    pub price: Option<i64>,
    /// Lots.
    pub quantity: i64,
    /// How long it stays; [`Tif::Gtt`] is not for orders without an expiry.
    pub tif: Tif,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Placed {
    /// Its id.
    pub order: i64,
    /// Code of the reason for which it was refused, or 0.
    pub reject: u16,
    /// Lots that it traded.
    pub traded: u64,
    /// Lots that rest.
    pub open: u32,
}

/// Follows the order that the first event is about, for somebody else at the door.
struct Follower<'a, A> {
    admission: &'a mut A,
    placed: Option<Placed>,
}

impl<A: Admission> Admission for Follower<'_, A> {
    #[inline]
    fn admit(&mut self, request: &Request) -> Result<(), RejectReason> {
        self.admission.admit(request)
    }

    #[inline]
    fn seen(&mut self, event: &Event) {
        self.admission.seen(event);
        let placed = self.placed.get_or_insert(Placed { order: event.order, ..Placed::default() });
        if event.order != placed.order {
            return;
        }
        placed.open = event.remaining;
        match event.kind {
            Kind::Trade => placed.traded += u64::from(event.quantity),
            Kind::Rejected => placed.reject = event.reject,
            _ => {}
        }
    }
}

impl OrderBook {
    /// Hands in one order. Its events are numbered as those of [`Self::apply`], and not kept.
    pub fn place(&mut self, order: &Single) -> Placed {
        self.place_admitted(order, &mut Everybody)
    }

    /// As [`Self::place`]; `admission` has the last word.
    pub fn place_admitted<A: Admission>(&mut self, order: &Single, admission: &mut A) -> Placed {
        let Single { market, side, quantity, tif, .. } = *order;
        let row = Commands {
            rows: 1,
            market: Some(&[market]),
            order: order.order.as_ref().map(std::slice::from_ref),
            participant: order.participant.as_ref().map(std::slice::from_ref),
            side: Some(&[side]),
            is_market_order: Some(&[u8::from(order.price.is_none())]),
            tif: Some(&[tif as u8]),
            price: Some(Integers::Wide(&[order.price.unwrap_or(NULL)])),
            quantity: Some(Integers::Wide(&[quantity])),
            ..Commands::default()
        }
        .row(0);
        let given = Given { market: true, order: order.order.is_some(), participant: order.participant.is_some() };
        let mut events = Events::default();
        if !self.unsettled.is_empty() {
            self.settle_bounds::<A, false>(0, admission, &mut events);
        }
        let mut follower = Follower { admission, placed: None };
        let mut turn =
            Turn::<_, false> { events: &mut events, admission: &mut follower, command: 0, given, has_time: true };
        self.obey(0, row, &mut turn);
        self.count_on(events.count);
        follower.placed.unwrap_or_default()
    }
}
