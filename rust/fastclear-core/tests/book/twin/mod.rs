//! The order book as a list of orders that is searched from end to end for everything: what `fastclear_core::book` must do.
//!
//! It shares no code with the book, not even the names of rules and reasons. Plain orders, richer ones and the sessions of
//! markets are one thing here: no order and no market is special.

mod call;
mod obey;
mod orders;
mod outside;
mod sessions;
mod trade;

use std::collections::BTreeMap;

pub use sessions::Breaker;

/// A command with every cell that a row may have; `None` is a null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    pub op: u8,
    pub market: Option<i64>,
    pub order: Option<i64>,
    pub participant: Option<i64>,
    pub side: u8,
    pub is_market_order: u8,
    pub tif: u8,
    pub price: Option<i64>,
    pub quantity: Option<i64>,
    pub expires: Option<i64>,
    pub flags: u8,
    pub display: Option<i64>,
    pub min_quantity: Option<i64>,
    pub stop: Option<i64>,
    pub peg: u8,
    pub offset: Option<i64>,
    pub phase: u8,
    pub time: Option<i64>,
}

impl Default for Command {
    fn default() -> Self {
        Self {
            op: 0,
            market: Some(0),
            order: None,
            participant: None,
            side: 255,
            is_market_order: 0,
            tif: 0,
            price: None,
            quantity: None,
            expires: None,
            flags: 0,
            display: None,
            min_quantity: None,
            stop: None,
            peg: 0,
            offset: None,
            phase: 255,
            time: Some(0),
        }
    }
}

impl Command {
    /// Whether it has a cell that no plain order has.
    pub fn is_rich(&self) -> bool {
        let cells = [self.display, self.min_quantity, self.stop, self.offset];
        self.peg > 0 || cells.iter().any(Option::is_some)
    }
}

/// An event, markets by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub kind: &'static str,
    pub command: Option<usize>,
    pub market: Option<i64>,
    pub order: Option<i64>,
    pub counter: Option<i64>,
    pub price: Option<i64>,
    pub quantity: i64,
    pub remaining: i64,
    pub reject: &'static str,
    pub side: Option<bool>,
}

/// Stands for the price of an order that has none.
pub const NO_PRICE: i64 = i64::MIN;

pub const MOST: i64 = (1 << 31) - 1;

/// Where an order is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stands {
    #[default]
    Book,
    /// Beside the book, behind all others of its price, until it can have its minimum.
    Beside,
    /// Outside, until its stop is reached.
    Waiting,
    /// Outside, until there is a price to follow.
    Unpriced,
}

/// An order that rests, or waits outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rests {
    pub market: i64,
    pub order: i64,
    pub participant: Option<i64>,
    pub buys: bool,
    pub price: i64,
    pub open: i64,
    pub shown: i64,
    pub expires: Option<i64>,
    pub display: Option<i64>,
    /// 0: any, `i64::MAX`: all.
    pub minimum: i64,
    pub stop: Option<i64>,
    pub peg: u8,
    pub offset: i64,
    /// Worst price of a pegged order.
    pub limit: Option<i64>,
    pub tif: u8,
    pub is_market: bool,
    pub stands: Stands,
    /// Whether a trade has set it off.
    pub off: bool,
    /// When it came to where it stands, and when it was taken.
    pub turn: u64,
    pub taken: u64,
}

impl Rests {
    /// As a snapshot shows it.
    pub fn told(&self) -> Self {
        Self { turn: 0, taken: 0, stands: Stands::Book, off: false, ..*self }
    }

    /// The worst price that it names.
    pub fn worst(&self) -> Option<i64> {
        if self.peg > 0 { self.limit } else { Some(self.price).filter(|&price| price != NO_PRICE) }
    }

    /// What grows as the price gets worse for the other side.
    fn keenness(&self) -> i64 {
        if self.buys { -self.price } else { self.price }
    }

    /// Where it is in its side: by price, then those with a minimum last, then by time; outside of the book last of all.
    fn place(&self) -> (bool, i64, Stands, u64) {
        match self.stands {
            Stands::Book | Stands::Beside => (false, self.keenness(), self.stands, self.turn),
            Stands::Waiting | Stands::Unpriced => (true, 0, Stands::Waiting, self.taken),
        }
    }
}

/// What a market has beside its orders.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each says one thing, and any of them may be so at once")]
pub struct Market {
    pub gate: Option<i64>,
    pub is_closed: bool,
    pub is_halted: bool,
    pub in_call: bool,
    /// Whether its last price is kept: since its first order that was more than plain, or the first rule of its sessions.
    pub is_watched: bool,
    pub last_price: Option<i64>,
    /// Changes of its phase yet to come.
    pub schedule: Vec<(i64, &'static str)>,
    pub pause_ends: Option<i64>,
    pub collar: (Option<i64>, Option<i64>),
    pub breaker: Option<Breaker>,
    /// Whether the order at hand met one that is too far away.
    pub fired: bool,
    /// Side and price of what came to rest since orders with a minimum were last tried in vain.
    pub entered: Vec<(bool, i64)>,
}

/// The slow book.
#[derive(Clone, Debug, Default)]
pub struct Twin {
    /// `off`, `cancel_resting`, `cancel_incoming`, `cancel_both`, `decrement`.
    pub self_trade: &'static str,
    pub erases: bool,
    /// Whether the calls have a participant column.
    pub has_participants: bool,
    pub orders: Vec<Rests>,
    /// All that were named.
    pub markets: BTreeMap<i64, Market>,
    /// Markets that have another collar or breaker since the last command, so that pegs may belong elsewhere.
    pub unsettled: Vec<i64>,
    pub clock: Option<i64>,
    pub told: Vec<Told>,
    pub turns: u64,
    pub command: Option<usize>,
}

impl Twin {
    /// A market, which is named from now on.
    pub fn market(&mut self, market: i64) -> &mut Market {
        self.markets.entry(market).or_default()
    }

    pub fn tell(
        &mut self,
        kind: &'static str,
        order: &Rests,
        counter: Option<i64>,
        quantity: i64,
        reject: &'static str,
    ) {
        self.told.push(Told {
            kind,
            command: self.command,
            market: Some(order.market),
            order: Some(order.order),
            counter,
            price: Some(order.price).filter(|&price| price != NO_PRICE),
            quantity,
            remaining: order.open,
            reject,
            side: Some(order.buys),
        });
    }

    /// All orders of one side of a market, those outside last.
    fn side(&self, market: i64, buys: bool) -> Vec<Rests> {
        let here = |order: &&Rests| order.market == market && order.buys == buys;
        let mut side: Vec<Rests> = self.orders.iter().filter(here).copied().collect();
        side.sort_by_key(Rests::place);
        side
    }

    /// Everything that rests or waits, in the order of a snapshot.
    pub fn snapshot(&self) -> Vec<Rests> {
        let mut all = self.orders.clone();
        all.sort_by_key(|order| (order.market, !order.buys, order.place()));
        all
    }

    fn find(&self, id: i64) -> Option<usize> {
        self.orders.iter().position(|order| order.order == id)
    }

    /// Takes lots out of an order, hidden ones first.
    fn shrink(&mut self, id: i64, lots: i64) -> Rests {
        let at = self.find(id).unwrap();
        let order = &mut self.orders[at];
        order.open -= lots;
        order.shown = order.shown.min(order.open);
        let after = *order;
        if after.open == 0 {
            self.orders.remove(at);
        }
        after
    }

    /// Takes out what is of a market, or of one participant there.
    fn clear(&mut self, market: i64, of: Option<i64>, kind: &'static str, why: &'static str) {
        for order in [self.side(market, true), self.side(market, false)].concat() {
            if of.is_none() || order.participant == of {
                let gone = self.shrink(order.order, order.open);
                self.tell(kind, &gone, None, order.open, why);
            }
        }
    }

    /// Takes out all but what waits for its stop.
    fn erase(&mut self, market: i64) {
        for order in [self.side(market, true), self.side(market, false)].concat() {
            if order.stands != Stands::Waiting {
                let gone = self.shrink(order.order, order.open);
                self.tell("cancelled", &gone, None, order.open, "book_erased");
            }
        }
    }

    fn is_own(&self, one: Option<i64>, other: Option<i64>) -> bool {
        self.self_trade != "off" && one.is_some() && one == other
    }
}
