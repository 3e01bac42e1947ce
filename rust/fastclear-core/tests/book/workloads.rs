//! The seeded flows that order books are measured by: W1 one book of ten thousand orders, W2 one book like a feed of an
//! exchange, W3 a hundred thousand small books, W4 ten thousand. A textbook order book inside makes them, and is the baseline
//! beside which a book is measured.

use std::collections::{BTreeMap, HashMap, VecDeque};

use fastclear_core::book::{Commands, Event, NULL};
use fastclear_core::order::Integers;

/// A flow and what it is known to do.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub name: &'static str,
    mid: i64,
    books: u64,
    preload: usize,
    commands: usize,
    ioc_reach: i64,
    pub trades: u64,
    pub hash: u64,
}

pub const W1: Workload = Workload {
    name: "W1",
    mid: 10_000,
    books: 1,
    preload: 10_000,
    commands: 1_000_000,
    ioc_reach: 200,
    trades: 397_708,
    hash: 0x8ca3_376f_5397_7fa0,
};
pub const W2: Workload = Workload {
    name: "W2",
    mid: 100_000,
    books: 1,
    preload: 5_000,
    commands: 1_000_000,
    ioc_reach: 50,
    trades: 121_815,
    hash: 0x7650_5601_a219_4e34,
};
pub const W3: Workload = Workload {
    name: "W3",
    mid: 500,
    books: 100_000,
    preload: 5_000_000,
    commands: 4_000_000,
    ioc_reach: 200,
    trades: 1_180_395,
    hash: 0x65b6_008a_12e1_ffd7,
};

pub const W4: Workload = Workload {
    name: "W4",
    mid: 500,
    books: 10_000,
    preload: 500_000,
    commands: 1_000_000,
    ioc_reach: 200,
    trades: 327_085,
    hash: 0xea70_ebc3_0ef1_eac1,
};

/// What a command of a workload asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Add,
    Cancel,
    Replace,
    Ioc,
}

/// One command. Side 1 = buy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub ask: Ask,
    pub side: u8,
    pub price: i32,
    pub quantity: u32,
    pub id: u32,
    pub book: u32,
    /// Of a replacement: whether it would keep its place, which the workload does not let it.
    pub would_stay: bool,
}

/// FNV-1a over the trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    pub trades: u64,
    pub volume: u64,
    pub hash: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { trades: 0, volume: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Tally {
    #[inline]
    pub fn add(&mut self, maker: u64, taker: u64, price: i32, quantity: u32) {
        for value in [maker, taker, u64::from(price as u32), u64::from(quantity)] {
            self.hash = (self.hash ^ value).wrapping_mul(0x0100_0000_01b3);
        }
        self.trades += 1;
        self.volume += u64::from(quantity);
    }

    pub fn of<'a>(&mut self, trades: impl Iterator<Item = &'a Event>) {
        for event in trades {
            self.add(event.counter as u64, event.order as u64, event.price, event.quantity);
        }
    }
}

/// A trade: maker, taker, price, quantity.
pub type Trade = (u32, u32, i32, u32);

/// The order book of the textbook: a tree of prices, a queue at each, and a hash map of orders.
#[derive(Default)]
pub struct Textbook {
    bids: BTreeMap<i32, VecDeque<u32>>,
    asks: BTreeMap<i32, VecDeque<u32>>,
}

/// An order of the textbook.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    pub side: u8,
    pub price: i32,
    pub quantity: u32,
    pub owner: u32,
    pub book: u32,
}

/// All orders of all books of the textbook.
pub type Orders = HashMap<u32, Placed>;

impl Textbook {
    /// Trades an order, and lets what is left rest if it may. Nobody trades with himself: what rests goes.
    pub fn submit(
        &mut self,
        id: u32,
        mut order: Placed,
        rests: bool,
        orders: &mut Orders,
        mut trade: impl FnMut(Trade),
    ) {
        let other = if order.side == 1 { &mut self.asks } else { &mut self.bids };
        while order.quantity > 0 {
            let best = if order.side == 1 { other.first_entry() } else { other.last_entry() };
            let Some(mut level) = best else { break };
            let price = *level.key();
            if if order.side == 1 { price > order.price } else { price < order.price } {
                break;
            }
            let Some(&maker) = level.get().front() else { break };
            let Some(resting) = orders.get_mut(&maker) else { break };
            let mut is_gone = resting.owner == order.owner;
            if !is_gone {
                let lots = order.quantity.min(resting.quantity);
                trade((maker, id, price, lots));
                order.quantity -= lots;
                resting.quantity -= lots;
                is_gone = resting.quantity == 0;
            }
            if is_gone {
                orders.remove(&maker);
                level.get_mut().pop_front();
                if level.get().is_empty() {
                    level.remove();
                }
            }
        }
        if rests && order.quantity > 0 {
            let own = if order.side == 1 { &mut self.bids } else { &mut self.asks };
            own.entry(order.price).or_default().push_back(id);
            orders.insert(id, order);
        }
    }

    pub fn cancel(&mut self, id: u32, orders: &mut Orders) -> Option<Placed> {
        let order = orders.remove(&id)?;
        let own = if order.side == 1 { &mut self.bids } else { &mut self.asks };
        if let Some(queue) = own.get_mut(&order.price) {
            if let Some(place) = queue.iter().position(|&other| other == id) {
                queue.remove(place);
            }
            if queue.is_empty() {
                own.remove(&order.price);
            }
        }
        Some(order)
    }
}

/// The participant of an order: of many, and none on both sides, so that nobody meets himself.
pub fn owner(step: &Step) -> u32 {
    step.id % 500 * 2 + u32::from(step.side)
}

/// Obeys a step in the textbook.
pub fn obey(books: &mut [Textbook], orders: &mut Orders, step: &Step, trade: impl FnMut(Trade)) {
    let book = &mut books[step.book as usize];
    let Step { side, price, quantity, id, .. } = *step;
    let placed = Placed { side, price, quantity, owner: owner(step), book: step.book };
    match step.ask {
        Ask::Add => book.submit(id, placed, true, orders, trade),
        Ask::Ioc => book.submit(id, placed, false, orders, trade),
        Ask::Cancel => {
            book.cancel(id, orders);
        }
        Ask::Replace => {
            if let Some(old) = book.cancel(id, orders) {
                book.submit(id, Placed { owner: old.owner, ..placed }, true, orders, trade);
            }
        }
    }
}

/// `SplitMix64`, and the draws that the workloads make.
struct Draws(u64);

impl Draws {
    fn u(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    fn n(&mut self, below: u64) -> u64 {
        self.u() % below
    }

    fn f(&mut self) -> f64 {
        ((self.u() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    fn normal(&mut self) -> f64 {
        let (a, b) = (self.f(), self.f());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    /// 1 = buy.
    fn side(&mut self) -> u8 {
        1 - (self.u() >> 63) as u8
    }
}

/// Orders that rest in one book, in the order that the draws count in.
#[derive(Default)]
struct Live {
    ids: Vec<u32>,
}

/// The steps of a workload: those before the clock runs, and the others.
pub fn steps(workload: &Workload) -> (Vec<Step>, Vec<Step>, Tally) {
    let is_feed = workload.name == "W2";
    let mut draws = Draws(42);
    let mut mid = workload.mid;
    let mut books: Vec<Textbook> = (0..workload.books).map(|_| Textbook::default()).collect();
    let mut orders = Orders::new();
    let mut live: Vec<Live> = (0..workload.books).map(|_| Live::default()).collect();
    let mut place_of: Vec<u32> = Vec::new();
    let mut tally = Tally::default();
    let (mut preload, mut steps) = (Vec::new(), Vec::new());
    let mut next_id = 0_u32;
    let distance = |draws: &mut Draws| -> i64 {
        if is_feed {
            draws.f().powf(-1.0 / 1.23).floor().min(799.0) as i64
        } else {
            1 + (20.0 * draws.normal().abs()).floor() as i64
        }
    };
    let away = |mid: i64, side: u8, distance: i64| (if side == 1 { mid - distance } else { mid + distance }) as i32;
    for index in 0..workload.preload + workload.commands {
        let timed = index >= workload.preload;
        let book = if workload.books == 1 {
            0
        } else if timed {
            draws.n(workload.books) as usize
        } else {
            index % workload.books as usize
        };
        let count = live[book].ids.len();
        let mut ask = Ask::Add;
        if timed {
            let r = draws.n(100);
            if is_feed {
                if draws.n(2000) == 0 {
                    mid += if draws.u() >> 63 == 0 { 1 } else { -1 };
                }
                ask = if r < 48 {
                    Ask::Add
                } else if r < 93 {
                    Ask::Cancel
                } else if r < 97 {
                    Ask::Replace
                } else {
                    Ask::Ioc
                };
                if count < 2000 && ask == Ask::Cancel {
                    ask = Ask::Add;
                } else if count > 8000 && ask == Ask::Add {
                    ask = Ask::Cancel;
                }
            } else {
                ask = if r < 60 {
                    Ask::Add
                } else if r < 90 {
                    Ask::Cancel
                } else {
                    Ask::Ioc
                };
                if workload.books > 1 && count >= 100 && ask == Ask::Add {
                    ask = Ask::Cancel;
                }
            }
            if count == 0 {
                ask = Ask::Add;
            }
        }
        let mut step = Step { ask, side: 0, price: 0, quantity: 0, id: next_id, book: book as u32, would_stay: false };
        let pick = |draws: &mut Draws| {
            if is_feed {
                count - 1 - ((-500.0 * draws.f().ln()).floor() as usize).min(count - 1)
            } else {
                draws.n(count as u64) as usize
            }
        };
        match ask {
            Ask::Add => {
                step.side = draws.side();
                step.price = away(mid, step.side, distance(&mut draws));
                step.quantity = 1 + draws.n(100) as u32;
            }
            Ask::Cancel => {
                step.id = live[book].ids[pick(&mut draws)];
                let order = orders[&step.id];
                (step.side, step.price) = (order.side, order.price);
            }
            Ask::Replace => {
                step.id = live[book].ids[pick(&mut draws)];
                let order = orders[&step.id];
                draws.side();
                distance(&mut draws);
                step.side = order.side;
                step.quantity = 1 + draws.n(100) as u32;
                step.price = away(mid, step.side, distance(&mut draws));
                step.would_stay = step.price == order.price && step.quantity < order.quantity;
            }
            Ask::Ioc => {
                step.side = draws.side();
                let most = match (is_feed, workload.books) {
                    (true, _) => 100,
                    (false, 1) => {
                        if count > 10_000 {
                            400
                        } else {
                            200
                        }
                    }
                    _ => {
                        if count > 60 {
                            400
                        } else if count > 25 {
                            200
                        } else {
                            60
                        }
                    }
                };
                step.quantity = 1 + draws.n(most) as u32;
                step.price = away(mid, step.side, -workload.ioc_reach);
            }
        }
        if matches!(ask, Ask::Add | Ask::Ioc) {
            next_id += 1;
            place_of.push(u32::MAX);
        }
        let live = &mut live[book].ids;
        let forget = |id: u32, live: &mut Vec<u32>, place_of: &mut Vec<u32>| {
            let place = place_of[id as usize] as usize;
            live.swap_remove(place);
            if let Some(&moved) = live.get(place) {
                place_of[moved as usize] = place as u32;
            }
            place_of[id as usize] = u32::MAX;
        };
        // One that is replaced is taken out and, if it rests again, is the last.
        if ask == Ask::Replace {
            forget(step.id, live, &mut place_of);
        }
        let mut made = Vec::new();
        obey(&mut books, &mut orders, &step, |trade| made.push(trade));
        for (maker, taker, price, quantity) in made {
            tally.add(u64::from(maker), u64::from(taker), price, quantity);
            if !orders.contains_key(&maker) && place_of[maker as usize] != u32::MAX {
                forget(maker, live, &mut place_of);
            }
        }
        let rests = orders.contains_key(&step.id);
        let is_listed = place_of[step.id as usize] != u32::MAX;
        if rests && !is_listed {
            place_of[step.id as usize] = live.len() as u32;
            live.push(step.id);
        } else if !rests && is_listed {
            forget(step.id, live, &mut place_of);
        }
        if timed { steps.push(step) } else { preload.push(step) }
    }
    (preload, steps, tally)
}

/// Steps as the columns of commands.
#[derive(Default)]
pub struct Columns {
    op: Vec<u8>,
    market: Vec<i64>,
    order: Vec<i64>,
    participant: Vec<i64>,
    side: Vec<u8>,
    tif: Vec<u8>,
    price: Vec<i64>,
    quantity: Vec<i64>,
    many: bool,
}

impl Columns {
    pub fn of(steps: &[Step], workload: &Workload) -> Self {
        let mut columns = Self { many: workload.books > 1, ..Self::default() };
        for step in steps {
            match step.ask {
                Ask::Add => columns.push(step, 0, 0),
                Ask::Ioc => columns.push(step, 0, 1),
                Ask::Cancel => columns.push(step, 1, 0),
                // One that the book would leave in its place is taken out and put in again, as the workload has it.
                Ask::Replace if step.would_stay => {
                    columns.push(step, 1, 0);
                    columns.push(step, 0, 0);
                }
                Ask::Replace => columns.push(step, 3, 0),
            }
        }
        columns
    }

    fn push(&mut self, step: &Step, op: u8, tif: u8) {
        self.op.push(op);
        self.market.push(i64::from(step.book));
        self.order.push(i64::from(step.id));
        self.participant.push(if op == 0 { i64::from(owner(step)) } else { NULL });
        self.side.push(step.side);
        self.tif.push(tif);
        self.price.push(i64::from(step.price));
        self.quantity.push(i64::from(step.quantity));
    }

    pub fn len(&self) -> usize {
        self.op.len()
    }

    /// Rows of a part.
    pub fn part(&self, from: usize, to: usize) -> Commands<'_> {
        Commands {
            rows: to - from,
            op: Some(&self.op[from..to]),
            market: self.many.then(|| &self.market[from..to]),
            order: Some(&self.order[from..to]),
            participant: Some(&self.participant[from..to]),
            side: Some(&self.side[from..to]),
            tif: Some(&self.tif[from..to]),
            price: Some(Integers::Wide(&self.price[from..to])),
            quantity: Some(Integers::Wide(&self.quantity[from..to])),
            ..Commands::default()
        }
    }
}
