//! Many markets at once: lay them out side by side, clear each, put the results back in input order.
//!
//! Where the input is sorted by market and every order is sound, the columns are used as they stand. Otherwise the
//! accepted orders are gathered once, market by market, and fills are scattered back. Each market is cleared on its own,
//! so the number of threads cannot change a byte.

use crate::auction::Mechanism;
use crate::auction::book::{Book, Number, Priority};
use crate::auction::curve::{self, Bracket, Crossing, Scratch};
use crate::auction::pairing::{self, Place};
use crate::auction::rationing::Rationing;
use crate::order::{BUY, Columns, ColumnsError, Integers};
use crate::reject::RejectReason;
use crate::simd;
use crate::trade::{MarketOutcome, Trades};

/// Rows below which a second thread costs more than it brings.
const ROWS_A_THREAD: usize = 1 << 15;

/// The result of clearing one set of orders.
#[derive(Clone, Debug)]
pub struct Clearing {
    /// One outcome a market, ascending ids.
    pub outcomes: Vec<MarketOutcome>,
    /// Reject code of each input row; `None` where all are accepted.
    pub reject: Option<Vec<u16>>,
    /// Payment of each input row, + pays, − receives.
    pub payment: Option<Vec<i64>>,
    /// The trades.
    pub trades: Option<Trades>,
}

/// What to compute beside outcomes and fills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Payments by order.
    pub payment: bool,
    /// The list of trades.
    pub trades: bool,
}

/// Clears every market of `columns`, writing each order's filled quantity to `filled` in input order.
///
/// Uses up to `threads` threads where there are several markets and rows enough; no result depends on it.
///
/// # Errors
/// [`ColumnsError`] where the columns, or `filled`, do not fit together.
pub fn clear(
    columns: &Columns<'_>,
    mechanism: &Mechanism,
    want: Want,
    threads: usize,
    filled: &mut [i64],
) -> Result<Clearing, ColumnsError> {
    columns.check()?;
    if filled.len() != columns.len() {
        return Err(ColumnsError::LengthDiffers { column: "out", len: filled.len(), expected: columns.len() });
    }
    if columns.is_empty() {
        let (payment, trades) = (want.payment.then(Vec::new), want.trades.then(Trades::default));
        return Ok(Clearing { outcomes: Vec::new(), reject: None, payment, trades });
    }
    let job = Job { mechanism, want, threads };
    let as_they_stand = Markets::as_they_stand(columns).and_then(|markets| {
        let orders =
            Orders { side: columns.side, order: columns.order, time: columns.time, rows: None, markets: &markets };
        match (columns.price, columns.quantity) {
            (Integers::Narrow(price), Integers::Narrow(quantity)) => job.run(&orders, price, quantity, filled),
            (Integers::Narrow(price), Integers::Wide(quantity)) => job.run(&orders, price, quantity, filled),
            (Integers::Wide(price), Integers::Narrow(quantity)) => job.run(&orders, price, quantity, filled),
            (Integers::Wide(price), Integers::Wide(quantity)) => job.run(&orders, price, quantity, filled),
        }
    });
    Ok(match as_they_stand {
        Some(done) => Clearing { outcomes: done.outcomes, reject: None, payment: done.payment, trades: done.trades },
        None => clear_gathered(columns, &job, filled),
    })
}

/// Market ids, ascending, and where each market's orders start; one more start closes the last.
#[derive(Debug)]
struct Markets {
    ids: Vec<i64>,
    starts: Vec<usize>,
}

impl Markets {
    /// The markets of columns that need no gathering, unless a value turns out to be out of range: sorted by market,
    /// all limit orders, none refused, no id twice.
    fn as_they_stand(columns: &Columns<'_>) -> Option<Self> {
        if columns.is_market_order.is_some() || columns.refused.is_some_and(|codes| codes.iter().any(|&code| code != 0))
        {
            return None;
        }
        let markets = match columns.market {
            None => Self { ids: vec![0], starts: vec![0, columns.len()] },
            Some(ids) if ids.is_sorted() => Self::of_sorted(ids.iter().copied()),
            Some(_) => return None,
        };
        let unique = |ids: &[i64]| {
            markets.starts.windows(2).all(|range| {
                let ids = &ids[range[0]..range[1]];
                ids.is_sorted_by(|a, b| a < b) || {
                    let mut sorted = ids.to_vec();
                    sorted.sort_unstable();
                    sorted.is_sorted_by(|a, b| a < b)
                }
            })
        };
        columns.order.is_none_or(unique).then_some(markets)
    }

    fn of_sorted(ids: impl Iterator<Item = i64>) -> Self {
        let mut markets = Self { ids: Vec::new(), starts: Vec::new() };
        let mut rows = 0;
        for (row, id) in ids.enumerate() {
            if markets.ids.last() != Some(&id) {
                markets.ids.push(id);
                markets.starts.push(row);
            }
            rows = row + 1;
        }
        markets.starts.push(rows);
        markets
    }

    const fn len(&self) -> usize {
        self.ids.len()
    }
}

/// Accepted orders side by side, market by market.
#[derive(Debug, Default)]
struct Gathered {
    side: Vec<u8>,
    price: Vec<i32>,    // a limit is checked to lie within ±(2³¹ − 1)
    quantity: Vec<i32>, // a quantity within 1..2³¹
    order: Option<Vec<i64>>,
    time: Option<Vec<i64>>,
    rows: Vec<u32>,
}

/// Refuses what must be refused, gathers the rest, clears, and scatters the results back to input order.
fn clear_gathered(columns: &Columns<'_>, job: &Job<'_>, filled: &mut [i64]) -> Clearing {
    let mut reject: Vec<u16> = if columns.all_sound() {
        vec![0; columns.len()]
    } else {
        (0..columns.len()).map(|row| columns.refuse(row)).collect()
    };
    let rows = rows_by_market(columns);
    let mut gathered = Gathered {
        order: columns.order.map(|_| Vec::new()),
        time: columns.time.map(|_| Vec::new()),
        ..Gathered::default()
    };
    let mut markets = Markets { ids: Vec::new(), starts: vec![0] };
    let market_of = |row: u32| columns.market.map_or(0, |ids| ids[row as usize]);
    for group in rows.chunk_by(|&a, &b| market_of(a) == market_of(b)) {
        gather(columns, group, &mut reject, &mut gathered);
        markets.ids.push(market_of(group[0]));
        markets.starts.push(gathered.rows.len());
    }
    let orders = Orders {
        side: &gathered.side,
        order: gathered.order.as_deref(),
        time: gathered.time.as_deref(),
        rows: Some(&gathered.rows),
        markets: &markets,
    };
    let mut placed = vec![0; gathered.rows.len()];
    // What was gathered is in range, so that there is a result.
    let done = job.run(&orders, &gathered.price, &gathered.quantity, &mut placed).unwrap_or_default();
    let scatter = |from: &[i64], to: &mut [i64]| {
        to.fill(0);
        for (&row, &value) in gathered.rows.iter().zip(from) {
            to[row as usize] = value;
        }
    };
    scatter(&placed, filled);
    let payment = done.payment.map(|placed| {
        let mut payment = vec![0; columns.len()];
        scatter(&placed, &mut payment);
        payment
    });
    let reject = reject.iter().any(|&code| code != 0).then_some(reject);
    Clearing { outcomes: done.outcomes, reject, payment, trades: done.trades }
}

/// Every row, market by market in ascending id, in row order within a market.
fn rows_by_market(columns: &Columns<'_>) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..columns.len() as u32).collect();
    let Some(ids) = columns.market else {
        return rows;
    };
    if ids.is_sorted() {
        return rows;
    }
    let (least, most) = ids.iter().fold((i64::MAX, i64::MIN), |(least, most), &id| (least.min(id), most.max(id)));
    match most.checked_sub(least) {
        // Ids close together, as numbered zones and slots are: count, then place.
        Some(span) if (span as u64) < 4 * ids.len() as u64 => {
            let mut next = vec![0_u32; span as usize + 2];
            for &id in ids {
                next[(id - least) as usize + 1] += 1;
            }
            for slot in 1..next.len() {
                next[slot] += next[slot - 1];
            }
            for (row, &id) in ids.iter().enumerate() {
                let place = &mut next[(id - least) as usize];
                rows[*place as usize] = row as u32;
                *place += 1;
            }
        }
        _ => rows.sort_by_key(|&row| ids[row as usize]),
    }
    rows
}

/// Appends the accepted orders of one market, marking in `reject` those refused because of others.
fn gather(columns: &Columns<'_>, group: &[u32], reject: &mut [u16], gathered: &mut Gathered) {
    if let Some(ids) = columns.order {
        let mut sound: Vec<u32> = group.iter().copied().filter(|&row| reject[row as usize] == 0).collect();
        sound.sort_unstable_by_key(|&row| ids[row as usize]);
        for same in sound.chunk_by(|&a, &b| ids[a as usize] == ids[b as usize]).filter(|same| same.len() > 1) {
            for &row in same {
                reject[row as usize] = RejectReason::DuplicateOrder.code();
            }
        }
    }
    // A market order competes at the best limit of its market: enough to meet every ask or bid there is.
    let mut limits: Option<(i64, i64)> = None;
    if columns.is_market_order.is_some() {
        for &row in group {
            let row = row as usize;
            if reject[row] == 0 && !columns.is_market_order(row) {
                let price = columns.price.get(row);
                limits = Some(limits.map_or((price, price), |(low, high)| (low.min(price), high.max(price))));
            }
        }
    }
    for &row in group {
        let input = row as usize;
        if reject[input] != 0 {
            continue;
        }
        let price = if columns.is_market_order(input) {
            let Some((low, high)) = limits else {
                reject[input] = RejectReason::NoReferencePrice.code();
                continue;
            };
            if columns.side[input] == BUY { high } else { low }
        } else {
            columns.price.get(input)
        };
        gathered.side.push(columns.side[input]);
        gathered.price.push(price as i32);
        gathered.quantity.push(columns.quantity.get(input) as i32);
        if let Some(ids) = &mut gathered.order {
            ids.push(columns.order_id(input));
        }
        if let Some(times) = &mut gathered.time {
            times.push(columns.time_ns(input));
        }
        gathered.rows.push(row);
    }
}

/// Orders of all markets, side by side, beside their price and quantity columns.
#[derive(Clone, Copy)]
struct Orders<'a> {
    side: &'a [u8],
    order: Option<&'a [i64]>,
    time: Option<&'a [i64]>,
    rows: Option<&'a [u32]>,
    markets: &'a Markets,
}

#[derive(Clone, Copy)]
struct Job<'a> {
    mechanism: &'a Mechanism,
    want: Want,
    threads: usize,
}

/// Results in the order in which orders lie.
#[derive(Default)]
struct Done {
    outcomes: Vec<MarketOutcome>,
    payment: Option<Vec<i64>>,
    trades: Option<Trades>,
}

impl Job<'_> {
    /// Clears every market; `None` where a value is one that no order may carry.
    fn run<P: Number, Q: Number>(
        &self,
        orders: &Orders<'_>,
        price: &[P],
        quantity: &[Q],
        filled: &mut [i64],
    ) -> Option<Done> {
        let markets = orders.markets.len();
        let mut payment = self.want.payment.then(|| vec![0; filled.len()]);
        let threads = self.threads.min(filled.len() / ROWS_A_THREAD + 1).min(markets).max(1);
        if threads == 1 {
            let (outcomes, trades) =
                self.run_range(orders, price, quantity, 0..markets, filled, payment.as_deref_mut())?;
            return Some(Done { outcomes, payment, trades: self.want.trades.then_some(trades) });
        }
        // Cut at whole markets, as evenly in rows as that allows.
        let starts = &orders.markets.starts;
        let mut cuts: Vec<usize> =
            (0..threads).map(|t| starts.partition_point(|&start| start < filled.len() * t / threads)).collect();
        cuts.push(markets);
        cuts[0] = 0;
        let mut outcomes = Vec::with_capacity(markets);
        let mut trades = Trades::default();
        let mut sound = true;
        std::thread::scope(|scope| {
            let mut filled = filled;
            let mut payment = payment.as_deref_mut();
            let mut workers = Vec::with_capacity(threads);
            for cut in cuts.windows(2) {
                let range = cut[0]..cut[1].min(markets);
                let rows = starts[range.end] - starts[range.start];
                let (mine, rest) = filled.split_at_mut(rows);
                filled = rest;
                let my_payment = payment.take().map(|payment| {
                    let (mine, rest) = payment.split_at_mut(rows);
                    (mine, rest)
                });
                let my_payment = my_payment.map(|(mine, rest)| {
                    payment = Some(rest);
                    mine
                });
                workers.push(scope.spawn(move || self.run_range(orders, price, quantity, range, mine, my_payment)));
            }
            for worker in workers {
                match worker.join() {
                    Ok(Some((mut part, mut part_trades))) => {
                        outcomes.append(&mut part);
                        trades.append(&mut part_trades);
                    }
                    Ok(None) => sound = false,
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        sound.then(|| Done { outcomes, payment, trades: self.want.trades.then_some(trades) })
    }

    /// Clears the markets of `range`, whose orders `filled` and `payment` cover.
    fn run_range<P: Number, Q: Number>(
        &self,
        orders: &Orders<'_>,
        price: &[P],
        quantity: &[Q],
        range: std::ops::Range<usize>,
        filled: &mut [i64],
        mut payment: Option<&mut [i64]>,
    ) -> Option<(Vec<MarketOutcome>, Trades)> {
        let mut outcomes = Vec::with_capacity(range.len());
        let mut trades = Trades::default();
        let mut scratch = Scratch::default();
        let first = orders.markets.starts[range.start];
        for market in range {
            let (start, end) = (orders.markets.starts[market], orders.markets.starts[market + 1]);
            let book = Book {
                side: &orders.side[start..end],
                price: &price[start..end],
                quantity: &quantity[start..end],
                fee: self.mechanism.fee(),
            };
            let priority = Priority {
                time: orders.time.map(|time| &time[start..end]),
                order: orders.order.map(|order| &order[start..end]),
            };
            let place = Place {
                rows: orders.rows.map(|rows| &rows[start..end]),
                first_row: start,
                market_index: market as u32,
            };
            let mine = start - first..end - first;
            let bracket = Bracket::of(&book)?;
            let outcome = self.clear_market(
                &book,
                &bracket,
                &priority,
                &place,
                &mut filled[mine.clone()],
                payment.as_deref_mut().map(|payment| &mut payment[mine]),
                &mut trades,
                &mut scratch,
            );
            outcomes.push(MarketOutcome { market: orders.markets.ids[market], ..outcome });
        }
        Some((outcomes, trades))
    }

    #[expect(clippy::too_many_arguments, reason = "one market's columns, results and scratch, each of its own type")]
    fn clear_market<P: Number, Q: Number>(
        &self,
        book: &Book<'_, P, Q>,
        bracket: &Bracket,
        priority: &Priority<'_>,
        place: &Place<'_>,
        filled: &mut [i64],
        payment: Option<&mut [i64]>,
        trades: &mut Trades,
        scratch: &mut Scratch,
    ) -> MarketOutcome {
        let (zero_surplus, rationing) = match self.mechanism {
            Mechanism::Uniform(uniform) => (uniform.zero_surplus, uniform.rationing),
            Mechanism::Discriminatory(_) => (true, Rationing::Time),
        };
        let (bids, crossing) = curve::cross(book, bracket, zero_surplus, rationing, priority, filled, scratch);
        let sell_orders = book.len() as u32 - bids;
        let outcome = MarketOutcome { buy_orders: bids, sell_orders, ..MarketOutcome::default() };
        let Some(crossing) = crossing else {
            let (best_bid, best_ask) = simd::best_limits(book);
            return MarketOutcome { best_bid, best_ask, ..outcome };
        };
        let outcome = MarketOutcome { volume: crossing.volume, welfare: crossing.welfare, ..outcome };
        match self.mechanism {
            Mechanism::Uniform(uniform) => {
                let Crossing { low, high, volume, .. } = crossing;
                let price_sell = uniform.k.of(low, high, uniform.price_round);
                let price_buy = price_sell + uniform.fee;
                if let Some(payment) = payment {
                    for ((paid, &fill), &side) in payment.iter_mut().zip(filled.iter()).zip(book.side) {
                        *paid = if side == BUY { price_buy * fill } else { -price_sell * fill };
                    }
                }
                if self.want.trades {
                    pairing::pair(book, filled, priority, place, |_, _| (price_buy, price_sell), trades);
                }
                MarketOutcome {
                    price_low: low,
                    price_high: high,
                    price_sell,
                    price_buy,
                    buyer_payment: i128::from(price_buy) * i128::from(volume),
                    seller_revenue: i128::from(price_sell) * i128::from(volume),
                    ..outcome
                }
            }
            Mechanism::Discriminatory(discriminatory) => {
                let first = trades.len();
                let prices = |(bid, bid_price), (ask, ask_price)| {
                    let came_first = priority.key(bid) < priority.key(ask);
                    let price_sell = discriminatory.pair_price(bid_price, ask_price, came_first);
                    (price_sell + discriminatory.fee, price_sell)
                };
                let (mut buyer_payment, mut seller_revenue) = (0, 0);
                let mut local = Trades::default();
                let into = if self.want.trades { trades } else { &mut local };
                let first = if self.want.trades { first } else { 0 };
                let positions = Place { rows: None, first_row: 0, ..*place };
                pairing::pair(book, filled, priority, &positions, prices, into);
                let mut payment = payment;
                for t in first..into.len() {
                    let (bid, ask) = (into.buy_row[t] as usize, into.sell_row[t] as usize);
                    let (paid, received) =
                        (into.buy_price[t] * into.quantity[t], into.sell_price[t] * into.quantity[t]);
                    buyer_payment += i128::from(paid);
                    seller_revenue += i128::from(received);
                    if let Some(payment) = payment.as_deref_mut() {
                        payment[bid] += paid;
                        payment[ask] -= received;
                    }
                    into.buy_row[t] = place.row(bid);
                    into.sell_row[t] = place.row(ask);
                }
                MarketOutcome { buyer_payment, seller_revenue, ..outcome }
            }
        }
    }
}
