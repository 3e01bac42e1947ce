//! Whose each order is and what it said: what settling, sealing and covering need, and the book itself does not.
//!
//! The book tells its door of every order and event ([`Admission`](super::Admission)); from that alone the register keeps
//! one [`Card`] an order for as long as the order is there, and writes down for each call which orders it was about and who
//! dealt with whom.

use std::collections::HashMap;

use super::command::NULL;
use super::cover::{Cover, Whose};
use super::event::{Event, Kind};
use super::ids::Ids;
use super::rules::Request;
use crate::order::BUY;
use crate::simd;

/// Orders from which on memory is worth looking after.
const WORTH: usize = 1 << 16;
/// So many notes ahead memory is asked for: of places, of orders, and of cards, one after the other.
const STEP: usize = 8;

/// [`Live::row`] of an order whose card is not in the record.
const NO_ROW: u32 = u32::MAX;

/// What stands where no card is kept.
const NOBODYS: Card = Card {
    number: 0,
    market: NULL,
    order: NULL,
    participant: NULL,
    side: 0,
    price: NULL,
    quantity: 0,
    traded: 0,
    command: 0,
    time: 0,
};

/// The order that comes in, and the one that it met, among those that events were about last.
const INCOMING: usize = 0;
const MET: usize = 1;

/// [`Card::time`] of an order of the call that is under way, whose times are not known yet.
const NEW: i64 = NULL;

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

/// Who hears what becomes of orders, by the places that they have in the register for as long as they are there.
pub(super) trait Heard {
    /// An order that was let in has this place and this limit.
    fn stands(&mut self, place: u32, whose: Whose, side: u8, limit: i64);
    /// An order that had some lots open has others, and another limit.
    fn changes(&mut self, place: u32, side: u8, lots: [u32; 2], limit: i64);
    /// So many lots of an order are no longer open.
    fn loses(&mut self, place: u32, side: u8, lots: i64);
    /// Two orders traded: the bid and the ask.
    fn dealt(&mut self, buy: u32, sell: u32, price: i64, lots: i64);
    /// What is kept of the order of a place will be asked for.
    fn fetch_stake(&self, place: usize);
    /// As [`Self::fetch_stake`], and whatever that leads to.
    fn fetch(&self, place: usize);
}

/// What an event asks of an order that is there; the rest is on its card.
#[derive(Clone, Copy, Debug)]
struct Live {
    order: i64,
    limit: i64,
    open: u32,
    /// The row of its card in the record of the call that is under way, or [`NO_ROW`].
    row: u32,
    side: u8,
    is_there: bool,
}

/// What a [`Request`] said.
#[derive(Clone, Copy, Debug)]
struct Asked {
    market: i64,
    order: i64,
    participant: i64,
    limit: Option<i64>,
    quantity: i64,
    side: u8,
    replaces: bool,
}

/// What an event says to the register. It may be written down later: other notes do not depend on that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    /// The order that it is about; of a trade, the one that rested.
    order: i64,
    what: What,
}

impl Note {
    /// Whether it is to be written down at once: an order may have more at stake than before.
    pub fn is_urgent(&self) -> bool {
        matches!(self.what, What::Replaced { .. })
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// It came, with the number that is next.
    Came { market: i64, participant: i64, limit: i64, quantity: i64, open: u32, command: u32, side: u8, whose: Whose },
    /// It has as many lots open, and perhaps another limit.
    Replaced { limit: Option<i64>, open: u32 },
    /// Another one came in, on a side, and traded with it.
    Traded { incoming: i64, price: i32, quantity: u32, side: u8 },
    /// It has only so many lots open; without any it is gone.
    Keeps { open: u32 },
}

/// Every order that is there.
#[derive(Clone, Debug, Default)]
pub struct Register {
    places: Ids,
    lives: Vec<Live>,
    /// The card of each life, but of one that the record has.
    cards: Vec<Card>,
    free: Vec<u32>,
    /// What the door let in last, until the book says that it took it.
    asked: Option<Asked>,
    /// Places of the two orders that events were about last.
    last: [u32; 2],
    /// Markets that have traded, and the prices of their last trades.
    prices: Vec<(i64, i64)>,
    places_of_prices: Ids,
    /// The market that traded last, and its place among those.
    last_market: Option<(i64, u32)>,
    next: u64,
    record: Record,
    /// The place of each order in the record, where it had its place when it was written down.
    places_of_rows: Vec<u32>,
    /// Rows of the record whose times are known.
    stamped: usize,
}

impl Register {
    /// The orders that are there and their places, in no order that means anything.
    pub(super) fn standings(&self) -> impl Iterator<Item = (u32, Standing)> + '_ {
        (0..self.lives.len() as u32)
            .filter(|&place| self.lives[place as usize].is_there)
            .map(|place| (place, self.standing_at(place)))
    }

    /// Where an order is and how it stands.
    pub(super) fn standing(&self, order: i64) -> Option<(u32, Standing)> {
        self.look_for(order).map(|place| (place, self.standing_at(place)))
    }

    fn standing_at(&self, place: u32) -> Standing {
        let Card { market, participant, side, .. } = *self.card(place);
        let Live { limit, open, .. } = self.lives[place as usize];
        Standing { market, participant, side, limit, open: i64::from(open) }
    }

    fn card(&self, place: u32) -> &Card {
        match self.lives[place as usize].row {
            NO_ROW => &self.cards[place as usize],
            row => &self.record.cards[row as usize],
        }
    }

    /// Cards and standings of the orders that are there, by number.
    pub(super) fn cards(&self) -> Vec<(Card, Standing)> {
        let mut cards: Vec<_> = self.standings().map(|(place, standing)| (*self.card(place), standing)).collect();
        cards.sort_unstable_by_key(|(card, _)| card.number);
        cards
    }

    /// What is written down and not taken.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Every market that has traded, ascending, and the price of its last trade.
    pub(super) fn last_prices(&self) -> Vec<(i64, i64)> {
        let mut prices = self.prices.clone();
        prices.sort_unstable();
        prices
    }

    /// A register of cards with the limits and open lots of their orders; `None` where an order or a number is there twice, or
    /// the record has another card of it.
    pub(super) fn of(next: u64, lives: Vec<(Card, i64, u32)>, record: Record, prices: &[(i64, i64)]) -> Option<Self> {
        let rows: HashMap<u64, u32> =
            record.cards.iter().enumerate().map(|(row, card)| (card.number, row as u32)).collect();
        let mut numbers = std::collections::HashSet::new();
        if rows.len() != record.cards.len() {
            return None;
        }
        // Of an order that is gone no life has the row.
        let places_of_rows = vec![u32::MAX; rows.len()];
        let mut register = Self { next, record, places_of_rows, ..Self::default() };
        for &(market, price) in prices {
            register.set_price(market, price);
        }
        for (card, limit, open) in lives {
            if register.look_for(card.order).is_some() || !numbers.insert(card.number) {
                return None;
            }
            let row = rows.get(&card.number).copied().unwrap_or(NO_ROW);
            if register.record.cards.get(row as usize).is_some_and(|known| *known != card) {
                return None;
            }
            let place = register.lives.len() as u32;
            if let Some(known) = register.places_of_rows.get_mut(row as usize) {
                *known = place;
            }
            register.places.insert(card.order, u64::from(place));
            register.lives.push(Live { order: card.order, limit, open, row, side: card.side, is_there: true });
            register.cards.push(card);
        }
        Some(register)
    }

    /// Price of the last trade of a market.
    pub fn last_price(&self, market: i64) -> Option<i64> {
        self.places_of_prices.get(market).map(|place| self.prices[place as usize].1)
    }

    fn set_price(&mut self, market: i64, price: i64) {
        if let Some((last, place)) = self.last_market
            && last == market
        {
            self.prices[place as usize].1 = price;
            return;
        }
        let place = self.places_of_prices.get(market).map_or(self.prices.len(), |place| place as usize);
        if let Some(known) = self.prices.get_mut(place) {
            known.1 = price;
        } else {
            self.places_of_prices.insert(market, place as u64);
            self.prices.push((market, price));
        }
        self.last_market = Some((market, place as u32));
    }

    /// Number that the next order will have.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// What was there to write down since this was last asked, by the end of a call whose commands had these times.
    pub fn take_record(&mut self, times: Option<&[i64]>) -> Record {
        self.stamp(times);
        self.cards.resize(self.lives.len(), NOBODYS);
        for (row, (card, &place)) in self.record.cards.iter().zip(&self.places_of_rows).enumerate() {
            let next = self.places_of_rows.get(row + STEP).map_or(usize::MAX, |&place| place as usize);
            simd::prefetch_place(&self.lives, next);
            simd::prefetch_place(&self.cards, next);
            // Who is gone has given its place back, and may have left it to another.
            if let Some(live) = self.lives.get_mut(place as usize).filter(|live| live.row == row as u32) {
                live.row = NO_ROW;
                self.cards[place as usize] = *card;
            }
        }
        self.places_of_rows.clear();
        self.stamped = 0;
        std::mem::take(&mut self.record)
    }

    /// A call is over whose commands had these times; what it was about stays to be taken later.
    pub fn stamp(&mut self, times: Option<&[i64]>) {
        for card in self.record.cards[self.stamped..].iter_mut().filter(|card| card.time == NEW) {
            let time = times.and_then(|times| times.get(card.command as usize).copied());
            card.time = time.filter(|&time| time != NULL).unwrap_or(0);
        }
        self.stamped = self.record.cards.len();
    }

    /// Where an order is that is there.
    fn look_for(&self, order: i64) -> Option<u32> {
        let place = self.places.get(order)?;
        let live = self.lives.get(place as usize)?;
        (live.is_there && live.order == order).then_some(place as u32)
    }

    /// As [`Self::look_for`], and remembers it as the `nth` of the orders that events were about last.
    #[inline]
    fn find(&mut self, order: i64, nth: usize) -> Option<u32> {
        let last = self.last[nth];
        if self.lives.get(last as usize).is_some_and(|live| live.is_there && live.order == order) {
            return Some(last);
        }
        let place = self.look_for(order)?;
        self.last[nth] = place;
        Some(place)
    }

    /// Takes note of an order that the book will take now.
    #[inline(always)]
    pub(super) fn ask(&mut self, request: &Request) {
        let Request { market, order, participant, side, price: limit, quantity, replaces } = *request;
        self.asked = Some(Asked { market, order, participant, limit, quantity, side, replaces: replaces.is_some() });
    }

    /// What is to be written down of an event. What an order needs is bound at once, for others may ask before that: what is
    /// yet to be written down then only gives back.
    ///
    /// A replacement that was asked for has another limit; one that the book made by itself (what an iceberg shows next, a
    /// peg that follows its market) is within the limit that the order came with.
    #[inline(always)]
    pub(super) fn note(&mut self, event: &Event, cover: Option<&mut Cover>) -> Option<Note> {
        let Event { order, counter, price, quantity, remaining: open, command, side, .. } = *event;
        let what = match event.kind {
            Kind::Accepted => {
                let asked = self.asked.take().filter(|asked| asked.order == order)?;
                let Asked { market, participant, limit, quantity, side, .. } = asked;
                let limit = limit.unwrap_or(NULL);
                let whose = cover.map(|cover| cover.reserve(participant, market, side, limit, open.into()));
                let whose = whose.unwrap_or_default();
                What::Came { market, participant, limit, quantity, open, command, side, whose }
            }
            Kind::Replaced => {
                let asked = self.asked.take_if(|asked| asked.order == order && asked.replaces);
                What::Replaced { limit: asked.and_then(|asked| asked.limit), open }
            }
            Kind::Trade => {
                return Some(Note { order: counter, what: What::Traded { incoming: order, price, quantity, side } });
            }
            Kind::Cancelled => What::Keeps { open },
            Kind::Filled | Kind::Expired => What::Keeps { open: 0 },
            Kind::Rejected | Kind::Triggered | Kind::Phase => return None,
        };
        Some(Note { order, what })
    }

    /// Whether there are orders enough that memory matters.
    pub(super) fn looks_ahead(&self) -> bool {
        self.lives.len() >= WORTH
    }

    /// Writes many things down, one after the other, and asks for the memory of those that follow: for the place of an order,
    /// then for the order, then for its card.
    pub(super) fn write_all(&mut self, notes: &[Note], heard: &mut impl Heard) {
        let ahead = |row: usize, steps: usize| notes.get(row + steps * STEP).map_or(NULL, |note| note.order);
        for (row, note) in notes.iter().enumerate() {
            self.places.prefetch(ahead(row, 3));
            let place = self.places.glance(ahead(row, 2)) as usize;
            simd::prefetch_place(&self.lives, place);
            heard.fetch_stake(place);
            let place = self.places.glance(ahead(row, 1)) as usize;
            simd::prefetch_place(&self.cards, place);
            simd::prefetch_place(&self.cards, place.wrapping_add(1));
            heard.fetch(place);
            self.write(note, heard);
        }
    }

    /// Writes something down, and tells `heard` what comes of it.
    #[inline(always)]
    pub(super) fn write(&mut self, note: &Note, heard: &mut impl Heard) {
        let order = note.order;
        match note.what {
            What::Came { market, participant, limit, quantity, open, command, side, whose } => {
                let (number, price) = (self.next, limit);
                let (traded, time) = (0, NEW);
                let card = Card { number, market, order, participant, side, price, quantity, traded, command, time };
                self.come(&card, open, whose, heard);
            }
            What::Replaced { limit, open } => self.replace(order, limit, open, heard),
            What::Traded { incoming, price, quantity, side } => {
                self.deal([incoming, order], price, quantity, side, heard);
            }
            What::Keeps { open } => self.keep(order, open, heard),
        }
    }

    #[inline(never)]
    fn come(&mut self, card: &Card, open: u32, whose: Whose, heard: &mut impl Heard) {
        let Card { order, side, price: limit, .. } = *card;
        let row = self.record.cards.len() as u32;
        self.record.cards.push(*card);
        self.next += 1;
        let live = Live { order, limit, open, row, side, is_there: true };
        let place = if let Some(place) = self.free.pop() {
            self.lives[place as usize] = live;
            place
        } else {
            self.lives.push(live);
            self.lives.len() as u32 - 1
        };
        self.places_of_rows.push(place);
        self.places.insert(order, u64::from(place));
        self.last[INCOMING] = place;
        heard.stands(place, whose, side, limit);
    }

    #[inline(never)]
    fn replace(&mut self, order: i64, limit: Option<i64>, open: u32, heard: &mut impl Heard) {
        let Some(place) = self.find(order, INCOMING) else { return };
        let row = self.write_down(place);
        let (live, card) = (&mut self.lives[place as usize], &mut self.record.cards[row]);
        if let Some(limit) = limit {
            live.limit = limit;
            let is_keener = card.price != NULL && (limit > card.price) == (card.side == BUY);
            card.price = if is_keener { limit } else { card.price };
        }
        heard.changes(place, live.side, [live.open, open], live.limit);
        live.open = open;
        card.quantity = card.quantity.max(card.traded + i64::from(open));
    }

    #[inline(never)]
    fn deal(&mut self, orders: [i64; 2], price: i32, quantity: u32, side: u8, heard: &mut impl Heard) {
        let Some(incoming) = self.find(orders[0], INCOMING) else { return };
        let Some(met) = self.find(orders[1], MET) else { return };
        let one = self.trade(incoming, quantity, heard);
        let other = self.trade(met, quantity, heard);
        let ((bid, buy), (ask, sell)) =
            if side == BUY { ((incoming, one), (met, other)) } else { ((met, other), (incoming, one)) };
        let cards = &self.record.cards;
        let (buy, sell) = (&cards[buy], &cards[sell]);
        let (market, price, quantity) = (buy.market, i64::from(price), i64::from(quantity));
        let (buyer, seller) = (buy.participant, sell.participant);
        self.record.deals.push(Deal { market, buy: buy.number, sell: sell.number, buyer, seller, price, quantity });
        self.set_price(market, price);
        heard.dealt(bid, ask, price, quantity);
    }

    /// Counts lots of an order that traded; gives the row of its card.
    #[inline(always)]
    fn trade(&mut self, place: u32, lots: u32, heard: &mut impl Heard) -> usize {
        let live = &mut self.lives[place as usize];
        let less = lots.min(live.open);
        live.open -= less;
        heard.loses(place, live.side, i64::from(less));
        let row = self.write_down(place);
        self.record.cards[row].traded += i64::from(lots);
        row
    }

    /// An order that has nothing open is gone.
    #[inline(never)]
    fn keep(&mut self, order: i64, open: u32, heard: &mut impl Heard) {
        let is_met = self.lives.get(self.last[MET] as usize).is_some_and(|live| live.order == order);
        let Some(place) = self.find(order, if is_met { MET } else { INCOMING }) else { return };
        let live = &mut self.lives[place as usize];
        if live.open != open {
            heard.loses(place, live.side, i64::from(live.open) - i64::from(open));
            live.open = open;
        }
        if open == 0 {
            live.is_there = false;
            self.places.remove(order);
            self.free.push(place);
        }
    }

    /// Sees that the record of the call has the card of an order; gives its row.
    #[inline]
    fn write_down(&mut self, place: u32) -> usize {
        let live = &mut self.lives[place as usize];
        if live.row == NO_ROW {
            live.row = self.record.cards.len() as u32;
            self.record.cards.push(self.cards[place as usize]);
            self.places_of_rows.push(place);
        }
        live.row as usize
    }
}
