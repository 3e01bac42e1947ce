//! The order book as a list of orders that is searched from end to end for everything: what `fastclear_core::book` must do.

use std::collections::BTreeMap;

/// A command with every cell that a row may have; `None` is a null.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// An order that rests, or waits outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Where it stands: `book`, `conditional`, `waiting`, `unpriced`.
    pub stands: &'static str,
    /// Whether a trade has set it off.
    pub off: bool,
    /// When it came to where it stands, and when it was taken.
    pub turn: u64,
    pub taken: u64,
}

impl Rests {
    /// As a snapshot shows it.
    pub fn told(&self) -> Self {
        Self { turn: 0, taken: 0, stands: "", off: false, ..self.clone() }
    }
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
    pub gates: BTreeMap<i64, i64>,
    pub closed: Vec<i64>,
    pub halted: Vec<i64>,
    pub named: Vec<i64>,
    pub clock: Option<i64>,
    pub told: Vec<Told>,
    pub turns: u64,
    pub command: Option<usize>,
    /// Markets that have seen more than plain orders, and the last price since.
    pub special: BTreeMap<i64, Option<i64>>,
    /// Market, side and price of what came to rest since orders with a minimum were last tried in vain.
    pub entered: Vec<(i64, bool, i64)>,
}

pub const MOST: i64 = (1 << 31) - 1;

impl Twin {
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

    /// Orders of the book of one side of a market, first to last.
    pub fn queue(&self, market: i64, buys: bool) -> Vec<Rests> {
        let here = |order: &&Rests| order.market == market && order.buys == buys;
        let in_book = |order: &&Rests| order.stands == "book" || order.stands == "conditional";
        let mut side: Vec<Rests> = self.orders.iter().filter(here).filter(in_book).cloned().collect();
        let keenness = |order: &Rests| if buys { -order.price } else { order.price };
        side.sort_by_key(|order| (keenness(order), order.stands == "conditional", order.turn));
        side
    }

    /// All orders of one side of a market, those outside last.
    fn side(&self, market: i64, buys: bool) -> Vec<Rests> {
        let outside = |order: &&Rests| order.stands == "waiting" || order.stands == "unpriced";
        let here = |order: &&Rests| order.market == market && order.buys == buys;
        let mut outside: Vec<Rests> = self.orders.iter().filter(here).filter(outside).cloned().collect();
        outside.sort_by_key(|order| order.taken);
        [self.queue(market, buys), outside].concat()
    }

    /// Everything that rests, in the order of a snapshot.
    pub fn snapshot(&self) -> Vec<Rests> {
        let mut markets: Vec<i64> = self.orders.iter().map(|order| order.market).collect();
        markets.sort_unstable();
        markets.dedup();
        let sides = |&market: &i64| [self.side(market, true), self.side(market, false)].concat();
        markets.iter().flat_map(sides).collect()
    }

    pub fn find(&self, id: i64) -> Option<usize> {
        self.orders.iter().position(|order| order.order == id)
    }

    /// Takes lots out of an order that rests, hidden ones first.
    pub fn shrink(&mut self, id: i64, lots: i64) -> Rests {
        let at = self.find(id).unwrap();
        self.orders[at].open -= lots;
        self.orders[at].shown = self.orders[at].shown.min(self.orders[at].open);
        let after = self.orders[at].clone();
        if after.open == 0 {
            self.orders.remove(at);
        }
        after
    }

    /// Moves the clock and lets go what is past, the earliest first.
    pub fn tick(&mut self, now: i64) {
        if self.clock.is_some_and(|clock| now <= clock) {
            return;
        }
        self.clock = Some(now);
        loop {
            let orders = self.orders.iter().filter_map(|order| order.expires.map(|at| (at, 0, order.order)));
            let gates = self.gates.iter().map(|(&market, &at)| (at, 1, market));
            match orders.chain(gates).filter(|&(at, ..)| at <= now).min() {
                None => return,
                Some((_, 0, id)) => {
                    let at = self.find(id).unwrap();
                    let lots = self.orders[at].open;
                    let gone = self.shrink(id, lots);
                    self.tell("expired", &gone, None, lots, "");
                    self.after(gone.market);
                }
                Some((_, _, market)) => {
                    self.gates.remove(&market);
                    self.closed.push(market);
                    self.clear(market, None, "expired", "market_closed");
                }
            }
        }
    }

    pub fn clear(&mut self, market: i64, of: Option<i64>, kind: &'static str, why: &'static str) {
        for order in [self.side(market, true), self.side(market, false)].concat() {
            if kind == "cancelled" && why == "book_erased" && order.stands == "waiting" {
                continue;
            }
            if of.is_none() || order.participant == of {
                let gone = self.shrink(order.order, order.open);
                self.tell(kind, &gone, None, order.open, why);
            }
        }
    }

    /// Obeys one command, the `row`th of its call.
    pub fn obey(&mut self, row: usize, command: &Command) {
        self.command = Some(row);
        if let Some(time) = command.time {
            self.tick(time);
        }
        let done = self.act(command);
        if let Ok(market) = done {
            self.after(market);
        }
        if let Err(reason) = done {
            let fits = |number: Option<i64>, least: i64| number.filter(|&number| least <= number && number <= MOST);
            self.told.push(Told {
                kind: "rejected",
                command: self.command,
                market: command.market.filter(|market| self.named.contains(market)),
                order: command.order,
                counter: None,
                price: fits(command.price, -MOST),
                quantity: fits(command.quantity, 1).unwrap_or(0),
                remaining: 0,
                reject: reason,
                side: [Some(false), Some(true)].get(usize::from(command.side)).copied().flatten(),
            });
        }
    }

    fn act(&mut self, command: &Command) -> Result<i64, &'static str> {
        match command.op {
            0 => self.new_order(command),
            1 | 2 => self.cancel(command),
            3 => self.replace(command),
            4 => {
                let market = self.name_market(command)?;
                self.clear(market, command.participant, "cancelled", "");
                Ok(market)
            }
            5 | 6 => {
                let market = self.name_market(command)?;
                self.halted.retain(|&other| other != market);
                if command.op == 5 {
                    self.halted.push(market);
                }
                self.told.push(Told {
                    kind: "phase",
                    command: self.command,
                    market: Some(market),
                    order: None,
                    counter: None,
                    price: None,
                    quantity: i64::from(command.op == 6),
                    remaining: 0,
                    reject: "",
                    side: None,
                });
                Ok(market)
            }
            7 => Err("instructions_invalid"),
            _ => Err("unknown_op"),
        }
    }

    pub fn name(&mut self, market: i64) {
        if !self.named.contains(&market) {
            self.named.push(market);
        }
    }

    fn name_market(&mut self, command: &Command) -> Result<i64, &'static str> {
        let market = command.market.ok_or("id_missing")?;
        command.time.ok_or("time_missing")?;
        self.name(market);
        if self.closed.contains(&market) { Err("market_closed") } else { Ok(market) }
    }

    pub fn price(price: Option<i64>) -> Result<i64, &'static str> {
        let price = price.ok_or("price_missing")?;
        if price.abs() > MOST { Err("price_out_of_range") } else { Ok(price) }
    }

    pub fn quantity(quantity: Option<i64>) -> Result<i64, &'static str> {
        let quantity = quantity.ok_or("quantity_missing")?;
        if (1..=MOST).contains(&quantity) { Ok(quantity) } else { Err("quantity_out_of_range") }
    }

    pub fn is_own(&self, one: Option<i64>, other: Option<i64>) -> bool {
        self.self_trade != "off" && one.is_some() && one == other
    }

    pub fn named_order(&self, command: &Command) -> Result<Rests, &'static str> {
        let id = command.order.ok_or("id_missing")?;
        command.time.ok_or("time_missing")?;
        let order = self.orders.iter().find(|order| order.order == id).ok_or("unknown_order")?;
        let elsewhere = command.market.is_some_and(|market| market != order.market);
        let anothers = command.participant.is_some() && command.participant != order.participant;
        if elsewhere || anothers { Err("unknown_order") } else { Ok(order.clone()) }
    }

    fn cancel(&mut self, command: &Command) -> Result<i64, &'static str> {
        let reduced = if command.op == 2 { Some(Self::quantity(command.quantity)?) } else { None };
        let order = self.named_order(command)?;
        let lots = reduced.unwrap_or(order.open).min(order.open);
        let after = self.shrink(order.order, lots);
        self.tell("cancelled", &after, None, lots, "");
        Ok(order.market)
    }
}
