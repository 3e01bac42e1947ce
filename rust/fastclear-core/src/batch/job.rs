//! One mechanism over a range of markets, on as many threads as pay.

use std::ops::Range;

use crate::auction::Mechanism;
use crate::auction::book::{Book, Number, Priority};
use crate::auction::pairing::Place;
use crate::auction::ranked::Market;
use crate::trade::{MarketDetail, MarketOutcome, Trades};

use super::Want;
use super::layout::Orders;
use super::market::{OneMarket, Scratch};
use super::threads::{self, at_once, pieces};

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

/// What one thread has cleared so far, and the memory in which it does.
pub(super) struct Part {
    outcomes: Vec<MarketOutcome>,
    trades: Trades,
    details: Vec<MarketDetail>,
    scratch: Scratch,
}

impl Part {
    /// Room for so many markets.
    pub fn new(mechanism: &Mechanism, markets: usize) -> Self {
        let (one_price, are_sums) = (mechanism.one_price_a_trade(), mechanism.pays_sums());
        Self {
            outcomes: Vec::with_capacity(markets),
            trades: Trades { one_price, are_sums, ..Trades::default() },
            details: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// One after the other.
    pub fn joined(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        parts.into_iter().reduce(|mut all, mut part| {
            all.outcomes.append(&mut part.outcomes);
            all.trades.append(&mut part.trades);
            all.details.append(&mut part.details);
            all
        })
    }

    /// All there is, with what orders pay.
    pub fn done(self, payment: Option<Vec<i64>>, want: Want) -> Done {
        let Self { outcomes, trades, details, .. } = self;
        Done { outcomes, payment, trades: want.trades.then_some(trades), details }
    }
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
        let threads = threads::worth(filled.len(), self.threads).min(markets).max(1);
        if threads == 1 {
            let mut part = Part::new(self.mechanism, markets);
            self.run_range(orders, price, quantity, 0..markets, filled, payment.as_deref_mut(), &mut part)?;
            return Some(part.done(payment, self.want));
        }
        // Cut at whole markets, as evenly in rows as that allows.
        let starts = &orders.markets.starts;
        let cut = |part| starts.partition_point(|&start| start < filled.len() * part / threads).min(markets);
        let cuts: Vec<Range<usize>> = (0..threads)
            .map(
                |part| if part == 0 { 0 } else { cut(part) }..if part + 1 == threads { markets } else { cut(part + 1) },
            )
            .collect();
        // Without room for fills there is one market, and none are written.
        let rows = |range: &Range<usize>| if filled.is_empty() { 0 } else { starts[range.end] - starts[range.start] };
        let lengths: Vec<usize> = cuts.iter().map(rows).collect();
        let mut payments = payment.as_deref_mut().map(|payment| pieces(payment, lengths.iter().copied()).into_iter());
        let tasks: Vec<_> = pieces(filled, lengths.iter().copied())
            .into_iter()
            .zip(cuts)
            .map(|(filled, range)| {
                let payment = payments.as_mut().and_then(Iterator::next);
                // The first one's room is for all, so that the others' are added to it.
                let room = if range.start == 0 { markets } else { range.len() };
                move || {
                    let mut part = Part::new(self.mechanism, room);
                    self.run_range(orders, price, quantity, range, filled, payment, &mut part).map(|()| part)
                }
            })
            .collect();
        let parts: Option<Vec<Part>> = at_once(tasks).into_iter().collect();
        Some(Part::joined(parts?)?.done(payment, self.want))
    }

    /// Clears the markets of `range`, whose orders `filled` and `payment` cover.
    #[expect(clippy::too_many_arguments, reason = "columns in, columns out")]
    pub fn run_range<P: Number, Q: Number>(
        &self,
        orders: &Orders<'_>,
        price: &[P],
        quantity: &[Q],
        range: Range<usize>,
        filled: &mut [i64],
        mut payment: Option<&mut [i64]>,
        part: &mut Part,
    ) -> Option<()> {
        let Part { outcomes, trades, details, scratch } = part;
        let starts = &orders.markets.starts;
        let first = starts[range.start];
        for index in range {
            // The rows of the market in the columns, which need not begin with the first of all orders.
            let (start, end) = (starts[index] - orders.first, starts[index + 1] - orders.first);
            let book = Book {
                side: &orders.side[start..end],
                price: &price[start..end],
                quantity: &quantity[start..end],
                fee: self.mechanism.fee(),
            };
            // Without room for fills there is one market, and none are written.
            let mine = if filled.is_empty() { 0..0 } else { starts[index] - first..starts[index + 1] - first };
            let rank = (orders.first_rank + index) as u32;
            let mut market = OneMarket {
                mechanism: self.mechanism,
                want: self.want,
                market: Market {
                    priority: Priority {
                        time: orders.time.map(|time| &time[start..end]),
                        order: orders.order.map(|order| &order[start..end]),
                        market_rank: rank,
                    },
                    participant: orders.participant.map(|ids| &ids[start..end]),
                    start_price: orders.start_price.map(|start_price| &start_price[start..end]),
                    half: orders.half.map(|half| &half[start..end]),
                    turn: orders.turn.map(|turn| &turn[start..end]),
                },
                place: Place { rows: orders.rows.map(|rows| &rows[start..end]), first_row: start, market_index: rank },
                filled: &mut filled[mine.clone()],
                payment: payment.as_deref_mut().map(|payment| &mut payment[mine]),
                trades: &mut *trades,
                details: &mut *details,
                scratch: &mut *scratch,
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
            outcome.market = orders.markets.ids[index];
            outcomes.push(outcome);
        }
        Some(())
    }
}
