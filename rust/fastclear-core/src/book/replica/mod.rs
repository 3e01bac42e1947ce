//! A book that is followed from outside: a snapshot of what rests, and the events since.
//!
//! A replica knows what events tell: market, side, price, open and shown lots of every order, and the places of those that are
//! shown; not whose they are, nor what they wait for. An order that comes in is taken into its level when it has traded, so
//! that no price of the replica crosses but in calls, and between the moves of pegged orders in one command.

mod step;

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::command::NULL;
use super::event::{Event, NO_PRICE};
use super::layout::Level;
use super::quotes::{Depths, Quotes};
use super::view::Snapshot;
use crate::order::BUY;
use crate::units;

/// An event of the book that is followed, with the id of its market instead of its place, [`NULL`] if there is none.
#[derive(Clone, Copy, Debug)]
pub struct Followed {
    /// Market id.
    pub market: i64,
    /// The event.
    pub event: Event,
}

/// The lots at a price after something happened there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// Number of the event after which it is so.
    pub seq: u64,
    /// Market id.
    pub market: i64,
    /// 1 = buy, 0 = sell.
    pub side: u8,
    /// Ticks.
    pub price: i64,
    /// Lots of all orders there from now on, 0 where the price is gone.
    pub quantity: u64,
    /// How many orders they are.
    pub orders: u64,
}

/// Why a replica cannot be made or go on; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaError {
    /// Events between the ones that are known and those that were given are missing.
    Gap {
        /// Number of the first one.
        first: u64,
        /// Number of the last one.
        last: u64,
    },
    /// An event that does not fit what rests.
    Event {
        /// Its number.
        seq: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A row of the snapshot.
    Row {
        /// Its number.
        row: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

impl fmt::Display for ReplicaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap { first, last } if first == last => {
                write!(f, "event {first} is missing; hand in the events in order, or begin with a new snapshot")
            }
            Self::Gap { first, last } => write!(
                f,
                "events {first} to {last} are missing; hand in the events in order, or begin with a new snapshot"
            ),
            Self::Event { seq, reason } => write!(f, "event {seq}: {reason}"),
            Self::Row { row, reason } => write!(f, "row {row} of the snapshot: {reason}"),
        }
    }
}

impl std::error::Error for ReplicaError {}

/// Price of an order that takes any.
const ANY: i32 = NO_PRICE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    market: i64,
    side: u8,
    price: i32,
    /// All that it has open, and how much of it is shown.
    open: u32,
    shown: u32,
    /// Whether it stands beside or outside the book, where nothing of it is shown.
    is_aside: bool,
    /// Of one price the least is first.
    place: i64,
}

impl Order {
    const fn level(&self) -> Key {
        (self.market, self.side, self.price)
    }
}

type Key = (i64, u8, i32);

/// Lots and orders of a price.
type Held = (u64, u64);

/// What was there before, to be put back.
#[derive(Debug)]
enum Was {
    Order(i64, Option<Order>),
    Level(Key, Held),
}

/// What rests, by events.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    next_seq: u64,
    orders: HashMap<i64, Order>,
    levels: HashMap<Key, Held>,
    /// Markets that were seen, with orders or not.
    markets: BTreeSet<i64>,
    /// The order that is coming in.
    incoming: Option<(i64, u32)>,
}

/// What following some events did.
struct Steps {
    /// The order that was coming in before.
    incoming: Option<(i64, u32)>,
    was: Vec<Was>,
    updates: Vec<Update>,
}

impl Replica {
    /// What rests before the event `next_seq`, first to last of each side of a market; and markets without orders.
    ///
    /// # Errors
    /// [`ReplicaError::Row`] of an order that cannot rest.
    pub fn new(rows: &Snapshot, markets: &[i64], next_seq: u64) -> Result<Self, ReplicaError> {
        let mut replica = Self { next_seq, ..Self::default() };
        let n = rows.order.len();
        for row in 0..n {
            let fault = |reason| Err(ReplicaError::Row { row, reason });
            let (price, quantity, shown) = (rows.price[row], rows.quantity[row], rows.shown[row]);
            let is_aside = shown == 0;
            if rows.order[row] == NULL || rows.market[row] == NULL || rows.side[row] > BUY {
                return fault("market, order or side is missing");
            }
            let has_price = units::price_in_range(price);
            if !(has_price || (is_aside && price == NULL)) || !units::quantity_in_range(quantity) {
                return fault("price or quantity is missing or out of range");
            }
            if !(0..=quantity).contains(&shown) {
                return fault("more lots are shown than are open, or less than none");
            }
            let order = Order {
                market: rows.market[row],
                side: rows.side[row],
                price: if has_price { price as i32 } else { ANY },
                open: quantity as u32,
                shown: shown as u32,
                is_aside,
                place: row as i64 - n as i64,
            };
            if replica.orders.insert(rows.order[row], order).is_some() {
                return fault("an order's id is there twice");
            }
            if !is_aside {
                let held = replica.levels.entry(order.level()).or_default();
                *held = (held.0 + u64::from(order.shown), held.1 + 1);
            }
            replica.markets.insert(order.market);
        }
        replica.markets.extend(markets);
        Ok(replica)
    }

    /// Number of the next event.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// How many orders rest or wait.
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether no order rests or waits.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// Takes in events that follow each other from `first_seq` on; those that are known already are passed over. Gives the
    /// levels that changed, each time they did.
    ///
    /// # Errors
    /// [`ReplicaError`] where events are missing, or one does not fit what rests: nothing has changed then.
    pub fn follow(
        &mut self,
        first_seq: u64,
        events: impl ExactSizeIterator<Item = Followed>,
    ) -> Result<Vec<Update>, ReplicaError> {
        if first_seq > self.next_seq {
            return Err(ReplicaError::Gap { first: self.next_seq, last: first_seq - 1 });
        }
        let known = self.next_seq - first_seq;
        let end = first_seq.saturating_add(events.len() as u64).max(self.next_seq);
        let mut steps = Steps { incoming: self.incoming, was: Vec::new(), updates: Vec::new() };
        let mut seen = Vec::new();
        for (seq, followed) in (first_seq..end).zip(events).skip(usize::try_from(known).unwrap_or(usize::MAX)) {
            if let Err(reason) = self.step(seq, &followed, &mut steps) {
                self.undo(steps);
                return Err(ReplicaError::Event { seq, reason });
            }
            if followed.market != NULL {
                seen.push(followed.market);
            }
        }
        // The list may end in the middle of a command. An order that takes any price waits for its end.
        if self.incoming.is_some_and(|(id, _)| self.orders.get(&id).is_none_or(|order| order.price != ANY))
            && let Err(reason) = self.settle(end.saturating_sub(1), &mut steps)
        {
            self.undo(steps);
            return Err(ReplicaError::Event { seq: end.saturating_sub(1), reason });
        }
        seen.dedup();
        self.markets.extend(seen);
        self.next_seq = end;
        Ok(steps.updates)
    }

    fn undo(&mut self, steps: Steps) {
        self.incoming = steps.incoming;
        for was in steps.was.into_iter().rev() {
            match was {
                Was::Order(id, Some(order)) => _ = self.orders.insert(id, order),
                Was::Order(id, None) => _ = self.orders.remove(&id),
                Was::Level(key, (0, 0)) => _ = self.levels.remove(&key),
                Was::Level(key, held) => _ = self.levels.insert(key, held),
            }
        }
    }

    fn put(&mut self, id: i64, order: Option<Order>, steps: &mut Steps) {
        let was = match order {
            Some(order) => self.orders.insert(id, order),
            None => self.orders.remove(&id),
        };
        steps.was.push(Was::Order(id, was));
    }

    /// Adds lots and orders to a level, or takes them out.
    fn change(&mut self, seq: u64, key: Key, lots: i64, orders: i64, steps: &mut Steps) -> Result<(), &'static str> {
        let was = self.levels.get(&key).copied().unwrap_or_default();
        let add = |was: u64, more: i64| was.checked_add_signed(more).ok_or("a level has fewer lots than its orders");
        let held = (add(was.0, lots)?, add(was.1, orders)?);
        steps.was.push(Was::Level(key, was));
        if held == (0, 0) {
            self.levels.remove(&key);
        } else {
            self.levels.insert(key, held);
        }
        let (market, side, price) = key;
        let price = i64::from(price);
        steps.updates.push(Update { seq, market, side, price, quantity: held.0, orders: held.1 });
        Ok(())
    }

    /// Lets the order that came in rest, its command being over.
    fn settle(&mut self, seq: u64, steps: &mut Steps) -> Result<(), &'static str> {
        let Some((id, _)) = self.incoming.take() else { return Ok(()) };
        let Some(&order) = self.orders.get(&id) else { return Ok(()) };
        if order.price == ANY {
            return Err("an order without a price is left over before this event; events are missing or changed");
        }
        self.change(seq, order.level(), i64::from(order.shown), 1, steps)
    }

    /// Best prices of every market that was seen.
    pub fn quotes(&self) -> Quotes {
        let mut quotes = Quotes::default();
        let mut best = [None; 2];
        let mut levels = self.sorted_levels().into_iter().peekable();
        for &market in &self.markets {
            while let Some((_, side, level)) = levels.next_if(|&(of, ..)| of == market) {
                best[usize::from(side)].get_or_insert(level);
            }
            quotes.push(market, std::mem::take(&mut best));
        }
        quotes
    }

    /// At most so many prices a side of every market.
    pub fn depths(&self, most: usize) -> Depths {
        let mut depths = Depths::default();
        for side in self.sorted_levels().chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
            depths.extend(side[0].0, side[0].1, side.iter().take(most).map(|&(_, _, level)| level));
        }
        depths
    }

    /// Markets ascending, bids first, best price first.
    fn sorted_levels(&self) -> Vec<(i64, u8, Level)> {
        let mut rows: Vec<_> = self.levels.iter().filter(|(_, held)| held.0 > 0).collect();
        rows.sort_unstable_by_key(|(key, _)| rank(key));
        let level = |&(&(market, side, price), &(quantity, orders)): &(&Key, &Held)| {
            (market, side, Level { price: i64::from(price), quantity, orders })
        };
        rows.iter().map(level).collect()
    }

    /// Every order as far as events tell of it: of each side those that are shown, in the order of
    /// [`super::OrderBook::snapshot`], then the others as they came to where they stand.
    pub fn snapshot(&self) -> Snapshot {
        let is_there = |order: &Order| order.open > 0 && (order.price != ANY || order.is_aside);
        let mut orders: Vec<_> = self.orders.iter().filter(|(_, order)| is_there(order)).collect();
        orders.sort_unstable_by_key(|(_, order)| {
            let (market, is_ask, price) = rank(&order.level());
            (market, is_ask, order.is_aside, if order.is_aside { 0 } else { price }, order.place)
        });
        let wide = |value: fn(&Order) -> i64| orders.iter().map(|&(_, order)| value(order)).collect();
        Snapshot {
            market: wide(|order| order.market),
            order: orders.iter().map(|&(&id, _)| id).collect(),
            side: orders.iter().map(|(_, order)| order.side).collect(),
            price: wide(|order| if order.price == ANY { NULL } else { i64::from(order.price) }),
            quantity: wide(|order| i64::from(order.open)),
            participant: wide(|_| NULL),
            expires: wide(|_| NULL),
            shown: wide(|order| i64::from(order.shown)),
            display: wide(|_| NULL),
            min_quantity: wide(|_| NULL),
            stop: wide(|_| NULL),
            peg: vec![0; orders.len()],
            offset: wide(|_| NULL),
            limit: wide(|_| NULL),
            tif: vec![0; orders.len()],
            is_market_order: vec![0; orders.len()],
        }
    }
}

/// Markets ascending, bids first, best price first.
fn rank(&(market, side, price): &Key) -> (i64, bool, i64) {
    let price = i64::from(price);
    (market, side != BUY, if side == BUY { -price } else { price })
}
