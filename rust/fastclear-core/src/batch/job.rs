//! One mechanism over a range of markets, on as many threads as pay.

use crate::auction::Mechanism;
use crate::auction::book::{Book, Number, Priority};
use crate::auction::pairing::Place;
use crate::auction::ranked::Market;
use crate::trade::{MarketDetail, MarketOutcome, Trades};

use super::Want;
use super::layout::Orders;
use super::market::{OneMarket, Scratch};

/// Rows below which a second thread costs more than it brings.
const ROWS_A_THREAD: usize = 1 << 15;

#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub mechanism: &'a Mechanism,
    pub want: Want,
    pub threads: usize,
}

/// Results in the order in which orders lie.
#[derive(Default)]
pub(super) struct Done {
    pub outcomes: Vec<MarketOutcome>,
    pub payment: Option<Vec<i64>>,
    pub trades: Option<Trades>,
    pub details: Vec<MarketDetail>,
}

/// Results of one thread.
struct Part {
    outcomes: Vec<MarketOutcome>,
    trades: Trades,
    details: Vec<MarketDetail>,
}

impl Job<'_> {
    /// Clears every market; `None` where a value is one that no order may carry.
    pub fn run<P: Number, Q: Number>(
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
            let Part { outcomes, trades, details } =
                self.run_range(orders, price, quantity, 0..markets, filled, payment.as_deref_mut())?;
            return Some(Done { outcomes, payment, trades: self.want.trades.then_some(trades), details });
        }
        // Cut at whole markets, as evenly in rows as that allows.
        let starts = &orders.markets.starts;
        let mut cuts: Vec<usize> =
            (0..threads).map(|t| starts.partition_point(|&start| start < filled.len() * t / threads)).collect();
        cuts.push(markets);
        cuts[0] = 0;
        let mut outcomes = Vec::with_capacity(markets);
        let (mut trades, mut details) = (Trades::default(), Vec::new());
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
                    Ok(Some(mut part)) => {
                        outcomes.append(&mut part.outcomes);
                        trades.append(&mut part.trades);
                        details.append(&mut part.details);
                    }
                    Ok(None) => sound = false,
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        sound.then(|| Done { outcomes, payment, trades: self.want.trades.then_some(trades), details })
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
    ) -> Option<Part> {
        let mut outcomes = Vec::with_capacity(range.len());
        let mut trades = Trades {
            are_sums: self.mechanism.pays_sums(),
            one_price: self.mechanism.one_price_a_trade(),
            ..Trades::default()
        };
        let (mut details, mut scratch) = (Vec::new(), Scratch::default());
        let first = orders.markets.starts[range.start];
        for index in range {
            let (start, end) = (orders.markets.starts[index], orders.markets.starts[index + 1]);
            let book = Book {
                side: &orders.side[start..end],
                price: &price[start..end],
                quantity: &quantity[start..end],
                fee: self.mechanism.fee(),
            };
            // Without room for fills there is one market, and none are written.
            let mine = if filled.is_empty() { 0..0 } else { start - first..end - first };
            let mut market = OneMarket {
                mechanism: self.mechanism,
                want: self.want,
                market: Market {
                    priority: Priority {
                        time: orders.time.map(|time| &time[start..end]),
                        order: orders.order.map(|order| &order[start..end]),
                        market_rank: index as u32,
                    },
                    participant: orders.participant.map(|ids| &ids[start..end]),
                    start_price: orders.start_price.map(|start_price| &start_price[start..end]),
                    half: orders.half.map(|half| &half[start..end]),
                    turn: orders.turn.map(|turn| &turn[start..end]),
                },
                place: Place {
                    rows: orders.rows.map(|rows| &rows[start..end]),
                    first_row: start,
                    market_index: index as u32,
                },
                filled: &mut filled[mine.clone()],
                payment: payment.as_deref_mut().map(|payment| &mut payment[mine]),
                trades: &mut trades,
                details: &mut details,
                scratch: &mut scratch,
            };
            let least = orders.min_quantity.map(|least| &least[start..end]);
            let mut outcome = match least.filter(|least| least.iter().any(|&lots| lots > 0)) {
                Some(least) => market.clear_with_minimums(&book, least)?,
                None => market.clear(&book)?,
            };
            if let Some(left_out) = orders.markets.left_out.get(index) {
                outcome.buy_orders += left_out.bids;
                if outcome.volume == 0 {
                    outcome.best_bid = outcome.best_bid.max(left_out.best_bid);
                }
            }
            outcomes.push(MarketOutcome { market: orders.markets.ids[index], ..outcome });
        }
        Some(Part { outcomes, trades, details })
    }
}
