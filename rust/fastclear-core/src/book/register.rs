//! Whose each order is and what it said: what settling, sealing and covering need, and the book itself does not.
//!
//! The book tells its door of every order and event ([`Admission`](super::Admission)); from that alone the register keeps
//! one [`Card`] an order for as long as the order is there, and writes down for each call which orders it was about and who
//! dealt with whom.

use std::collections::HashMap;

use super::command::NULL;
use super::event::{Event, Kind};
use super::ids::Ids;
use super::rules::Request;
use crate::order::BUY;

/// An order, as far as those who settle or seal its trades ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Card {
    /// Counts up by one an order that was taken, over the life of the register: ids may be used again, numbers are not.
    pub number: u64,
    /// Market id.
    pub market: i64,
    /// Order id.
    pub order: i64,
    /// Participant id, [`NULL`] of an order that is nobody's.
    pub participant: i64,
    /// 1 = buy, 0 = sell.
    pub side: u8,
    /// The keenest limit that it ever had, in ticks; [`NULL`] of one that takes any price.
    pub price: i64,
    /// The most lots that it ever stood for, traded ones among them.
    pub quantity: i64,
    /// Lots that traded.
    pub traded: i64,
    /// Row of the command that brought it, in its call.
    pub command: u32,
    /// Time of that command, 0 where there was none.
    pub time: i64,
}

/// A trade, by the [`Card::number`]s of the two orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deal {
    /// Market id.
    pub market: i64,
    /// The bid.
    pub buy: u64,
    /// The ask.
    pub sell: u64,
    /// Whose the bid is.
    pub buyer: i64,
    /// Whose the ask is.
    pub seller: i64,
    /// Ticks.
    pub price: i64,
    /// Lots.
    pub quantity: i64,
}

/// What one call was about: every order that it took, changed or traded, as it was afterwards, and every trade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Orders, in the order in which the call first touched them.
    pub cards: Vec<Card>,
    /// Trades, as they happened.
    pub deals: Vec<Deal>,
}

/// What an order may still do: the lots that it has open, and the worst price that it takes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub market: i64,
    pub participant: i64,
    pub side: u8,
    /// Ticks, [`NULL`] of an order that takes any price.
    pub limit: i64,
    pub open: i64,
}

/// What the register noticed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Noticed<'a> {
    /// An order no longer stands like this.
    Left(&'a Standing),
    /// It stands like this.
    Stands(&'a Standing),
    /// Two orders traded.
    Dealt(&'a Deal),
}

#[derive(Clone, Copy, Debug)]
struct Live {
    card: Card,
    limit: i64,
    open: i64,
    is_there: bool,
    /// Its row in the record of the call that is under way, if that call is `call`.
    row: u32,
    call: u64,
}

impl Live {
    fn standing(&self) -> Standing {
        let Card { market, participant, side, .. } = self.card;
        Standing { market, participant, side, limit: self.limit, open: self.open }
    }
}

/// Every order that is there.
#[derive(Clone, Debug, Default)]
pub struct Register {
    places: Ids,
    lives: Vec<Live>,
    free: Vec<usize>,
    /// What the door let in last, until the book says that it took it.
    asked: Option<Request>,
    last_prices: HashMap<i64, i64>,
    next: u64,
    call: u64,
    record: Record,
}

impl Register {
    /// The orders that are there, in no order that means anything.
    pub(super) fn standings(&self) -> impl Iterator<Item = Standing> + '_ {
        self.lives.iter().filter(|live| live.is_there).map(Live::standing)
    }

    /// How an order stands.
    pub(super) fn standing(&self, order: i64) -> Option<Standing> {
        self.find(order).map(|place| self.lives[place].standing())
    }

    /// Cards and standings of the orders that are there, by number.
    pub(super) fn cards(&self) -> Vec<(Card, Standing)> {
        let there = self.lives.iter().filter(|live| live.is_there);
        let mut cards: Vec<_> = there.map(|live| (live.card, live.standing())).collect();
        cards.sort_unstable_by_key(|(card, _)| card.number);
        cards
    }

    /// What is written down and not taken.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Every market that has traded, ascending, and the price of its last trade.
    pub(super) fn last_prices(&self) -> Vec<(i64, i64)> {
        let mut prices: Vec<_> = self.last_prices.iter().map(|(&market, &price)| (market, price)).collect();
        prices.sort_unstable();
        prices
    }

    /// A register of cards with the limits and open lots of their orders; `None` where an order or a number is there twice.
    pub(super) fn of(next: u64, lives: Vec<(Card, i64, i64)>, record: Record, prices: Vec<(i64, i64)>) -> Option<Self> {
        let rows: HashMap<u64, u32> =
            record.cards.iter().enumerate().map(|(row, card)| (card.number, row as u32)).collect();
        let mut numbers = std::collections::HashSet::new();
        if rows.len() != record.cards.len() {
            return None;
        }
        let mut register = Self { next, record, last_prices: prices.into_iter().collect(), ..Self::default() };
        for (card, limit, open) in lives {
            if register.find(card.order).is_some() || !numbers.insert(card.number) {
                return None;
            }
            let row = rows.get(&card.number).copied();
            let call = if row.is_some() { register.call } else { u64::MAX };
            register.places.insert(card.order, register.lives.len() as u64);
            register.lives.push(Live { card, limit, open, is_there: true, row: row.unwrap_or(0), call });
        }
        Some(register)
    }

    /// Price of the last trade of a market.
    pub fn last_price(&self, market: i64) -> Option<i64> {
        self.last_prices.get(&market).copied()
    }

    /// Number that the next order will have.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// What was there to write down since this was last asked, by the end of a call whose commands had these times.
    pub fn take_record(&mut self, times: Option<&[i64]>) -> Record {
        self.stamp(times);
        self.call += 1;
        std::mem::take(&mut self.record)
    }

    /// A call is over whose commands had these times; what it was about stays to be taken later.
    pub fn stamp(&mut self, times: Option<&[i64]>) {
        let mut record = std::mem::take(&mut self.record);
        for card in record.cards.iter_mut().filter(|card| card.time == NEW) {
            let time = times.and_then(|times| times.get(card.command as usize).copied());
            card.time = time.filter(|&time| time != NULL).unwrap_or(0);
            if let Some(place) = self.find(card.order)
                && self.lives[place].card.number == card.number
            {
                self.lives[place].card.time = card.time;
            }
        }
        self.record = record;
    }

    /// Where an order is that is there.
    fn find(&self, order: i64) -> Option<usize> {
        let place = self.places.get(order)? as usize;
        self.lives.get(place).filter(|live| live.is_there && live.card.order == order).map(|_| place)
    }

    /// Takes note of an order that the book will take now.
    pub(super) fn ask(&mut self, request: &Request) {
        self.asked = Some(*request);
    }

    /// Follows an event, and says what it noticed.
    pub(super) fn follow(&mut self, event: &Event, mut notice: impl FnMut(Noticed<'_>)) {
        match event.kind {
            Kind::Accepted => self.accept(event, &mut notice),
            Kind::Replaced => self.replace(event, &mut notice),
            Kind::Trade => self.deal(event, &mut notice),
            Kind::Cancelled => self.set_open(event.order, i64::from(event.remaining), &mut notice),
            Kind::Filled | Kind::Expired => self.set_open(event.order, 0, &mut notice),
            _ => {}
        }
    }

    fn accept(&mut self, event: &Event, notice: &mut impl FnMut(Noticed<'_>)) {
        let Some(request) = self.asked.take().filter(|asked| asked.order == event.order) else { return };
        let limit = request.price.unwrap_or(NULL);
        let card = Card {
            number: self.next,
            market: request.market,
            order: request.order,
            participant: request.participant,
            side: request.side,
            price: limit,
            quantity: request.quantity,
            traded: 0,
            command: event.command,
            time: NEW,
        };
        self.next += 1;
        let live = Live { card, limit, open: i64::from(event.remaining), is_there: true, row: 0, call: u64::MAX };
        let place = if let Some(place) = self.free.pop() {
            self.lives[place] = live;
            place
        } else {
            self.lives.push(live);
            self.lives.len() - 1
        };
        self.places.insert(card.order, place as u64);
        notice(Noticed::Stands(&live.standing()));
        self.write_down(place);
    }

    /// A replacement that was asked for has another limit; one that the book made by itself (what an iceberg shows next, a
    /// peg that follows its market) is within the limit that the order came with.
    fn replace(&mut self, event: &Event, notice: &mut impl FnMut(Noticed<'_>)) {
        let asked = self.asked.filter(|asked| asked.order == event.order && asked.replaces.is_some());
        if asked.is_some() {
            self.asked = None;
        }
        let Some(place) = self.find(event.order) else { return };
        let live = &mut self.lives[place];
        notice(Noticed::Left(&live.standing()));
        if let Some(limit) = asked.and_then(|asked| asked.price) {
            live.limit = limit;
            let is_keener = live.card.price != NULL && (limit > live.card.price) == (live.card.side == BUY);
            live.card.price = if is_keener { limit } else { live.card.price };
        }
        live.open = i64::from(event.remaining);
        live.card.quantity = live.card.quantity.max(live.card.traded + live.open);
        notice(Noticed::Stands(&live.standing()));
        self.write_down(place);
    }

    fn deal(&mut self, event: &Event, notice: &mut impl FnMut(Noticed<'_>)) {
        let (Some(one), Some(other)) = (self.find(event.order), self.find(event.counter)) else { return };
        let lots = i64::from(event.quantity);
        for place in [one, other] {
            let live = &mut self.lives[place];
            notice(Noticed::Left(&live.standing()));
            live.open -= lots.min(live.open);
            live.card.traded += lots;
            notice(Noticed::Stands(&live.standing()));
            self.write_down(place);
        }
        let [one, other] = [one, other].map(|place| self.lives[place].card);
        let (buy, sell) = if event.side == BUY { (one, other) } else { (other, one) };
        let deal = Deal {
            market: buy.market,
            buy: buy.number,
            sell: sell.number,
            buyer: buy.participant,
            seller: sell.participant,
            price: i64::from(event.price),
            quantity: lots,
        };
        self.last_prices.insert(deal.market, deal.price);
        notice(Noticed::Dealt(&deal));
        self.record.deals.push(deal);
    }

    /// An order that has nothing open is gone.
    fn set_open(&mut self, order: i64, open: i64, notice: &mut impl FnMut(Noticed<'_>)) {
        let Some(place) = self.find(order) else { return };
        let live = &mut self.lives[place];
        notice(Noticed::Left(&live.standing()));
        live.open = open;
        notice(Noticed::Stands(&live.standing()));
        if open == 0 {
            live.is_there = false;
            self.places.remove(order);
            self.free.push(place);
        }
    }

    /// Sees that the record of the call has the order as it is now.
    fn write_down(&mut self, place: usize) {
        let live = &mut self.lives[place];
        if live.call == self.call {
            self.record.cards[live.row as usize] = live.card;
        } else {
            (live.call, live.row) = (self.call, self.record.cards.len() as u32);
            self.record.cards.push(live.card);
        }
    }
}

/// [`Card::time`] of an order of the call that is under way, whose times are not known yet.
const NEW: i64 = NULL;
