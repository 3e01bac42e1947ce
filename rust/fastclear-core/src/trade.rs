//! What an auction returns: per market, per order, per trade.

use crate::auction::deal::{Branch, Deal};

/// The outcome of one market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MarketOutcome {
    /// Market id.
    pub market: i64,
    /// Traded quantity in lots; 0 where nothing traded, and then no price has a meaning.
    pub volume: i64,
    /// Lowest market-clearing price in ticks, fee excluded.
    pub price_low: i64,
    /// Highest market-clearing price in ticks, fee excluded.
    pub price_high: i64,
    /// What every seller receives a unit, in ticks (mechanisms with one price a side).
    pub price_sell: i64,
    /// What every buyer pays a unit, in ticks (mechanisms with one price a side).
    pub price_buy: i64,
    /// Accepted bids.
    pub buy_orders: u32,
    /// Accepted asks.
    pub sell_orders: u32,
    /// Highest accepted limit of a bid, where nothing traded; `i64::MIN` without bids.
    pub best_bid: i64,
    /// Lowest accepted limit of an ask, where nothing traded; `i64::MAX` without asks.
    pub best_ask: i64,
    /// Σ bid × fill − Σ ask × fill.
    pub welfare: i128,
    /// Money that buyers pay.
    pub buyer_payment: i128,
    /// Money that sellers receive.
    pub seller_revenue: i128,
    /// Whether there is one price a side.
    pub has_price: bool,
    /// Whether a price lies between two ticks.
    pub is_odd: bool,
}

/// What some mechanisms say of a market beside its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MarketDetail {
    /// MUDA: the prices found in the left and in the right half.
    pub half_prices: [Option<i64>; 2],
    /// Which way a mechanism with several went.
    pub branch: Branch,
    /// Rounds run, of mechanisms that have rounds.
    pub rounds: u32,
}

/// Trades as columns, in the order in which the sweep makes them, markets ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trades {
    /// Markets that traded: index in the list of outcomes, and where the trades end. Ascending.
    pub markets: Vec<(u32, usize)>,
    /// Input row of the bid.
    pub buy_row: Vec<i64>,
    /// Input row of the ask.
    pub sell_row: Vec<i64>,
    /// Traded quantity in lots.
    pub quantity: Vec<i64>,
    /// What the buyer pays a unit, in ticks.
    pub buy_price: Vec<i64>,
    /// What the seller receives a unit, in ticks; empty where that is what the buyer pays: see [`Self::sell_prices`].
    pub sell_price: Vec<i64>,
    /// Whether buyer and seller of a trade have one price in every market, so that it is kept once.
    pub one_price: bool,
    /// Whether the two columns above hold the sum that the trade costs its buyer and brings its seller instead.
    pub are_sums: bool,
}

impl Trades {
    /// Number of trades.
    pub fn len(&self) -> usize {
        self.quantity.len()
    }

    /// Whether nothing traded.
    pub fn is_empty(&self) -> bool {
        self.quantity.is_empty()
    }

    /// Makes room for so many more trades.
    pub fn reserve(&mut self, more: usize) {
        self.buy_row.reserve(more);
        self.sell_row.reserve(more);
        self.quantity.reserve(more);
        self.buy_price.reserve(more);
        if !self.one_price {
            self.sell_price.reserve(more);
        }
    }

    /// What the seller receives a unit.
    pub fn sell_prices(&self) -> &[i64] {
        self.columns().sell_price
    }

    /// Index of the market of each trade.
    pub fn market_indices(&self) -> impl Iterator<Item = u32> + '_ {
        let starts = std::iter::once(0).chain(self.markets.iter().map(|&(_, end)| end));
        self.markets.iter().zip(starts).flat_map(|(&(market, end), start)| std::iter::repeat_n(market, end - start))
    }

    /// Says that the trades from `start` on are of one market.
    pub fn end_market(&mut self, market_index: u32, start: usize) {
        let end = self.len();
        match self.markets.last_mut() {
            _ if start == end => {}
            Some((market, last)) if *market == market_index => *last = end,
            _ => self.markets.push((market_index, end)),
        }
    }

    /// What each of `orders` input rows pays (+) or receives (−) over all trades.
    pub fn payments(&self, orders: usize) -> Vec<i64> {
        self.columns().payments(orders)
    }

    /// Money that the buyer of trade `t` pays and its seller receives.
    #[inline]
    pub fn amounts(&self, t: usize) -> (i64, i64) {
        self.columns().amounts(t)
    }

    /// The columns, borrowed.
    #[inline]
    pub fn columns(&self) -> TradeColumns<'_> {
        let Self { buy_row, sell_row, quantity, buy_price, one_price, are_sums, .. } = self;
        let sell_price = if *one_price { buy_price } else { &self.sell_price };
        TradeColumns { buy_row, sell_row, quantity, buy_price, sell_price, are_sums: *are_sums }
    }

    /// Appends one deal.
    pub fn push(&mut self, market_index: u32, buy_row: i64, sell_row: i64, deal: &Deal) {
        let start = self.len();
        self.buy_row.push(buy_row);
        self.sell_row.push(sell_row);
        self.quantity.push(deal.quantity);
        self.buy_price.push(deal.buy);
        if !self.one_price {
            self.sell_price.push(deal.sell);
        }
        self.end_market(market_index, start);
    }

    /// Forgets all trades but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        let mut before = 0;
        self.markets.retain_mut(|(_, end)| {
            let start = std::mem::replace(&mut before, *end);
            *end = len.min(*end);
            start < *end
        });
        self.buy_row.truncate(len);
        self.sell_row.truncate(len);
        self.quantity.truncate(len);
        self.buy_price.truncate(len);
        self.sell_price.truncate(len);
    }

    /// Moves the trades of `later` behind these.
    pub fn append(&mut self, later: &mut Self) {
        self.are_sums |= later.are_sums;
        debug_assert!(self.one_price == later.one_price || self.is_empty(), "Invariant: one mechanism a list");
        self.one_price = later.one_price;
        let before = self.len();
        self.markets.extend(later.markets.drain(..).map(|(market, end)| (market, before + end)));
        self.buy_row.append(&mut later.buy_row);
        self.sell_row.append(&mut later.sell_row);
        self.quantity.append(&mut later.quantity);
        self.buy_price.append(&mut later.buy_price);
        self.sell_price.append(&mut later.sell_price);
    }
}

/// Columns of [`Trades`], wherever they are kept now.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "see Trades")]
pub struct TradeColumns<'a> {
    pub buy_row: &'a [i64],
    pub sell_row: &'a [i64],
    pub quantity: &'a [i64],
    pub buy_price: &'a [i64],
    pub sell_price: &'a [i64],
    pub are_sums: bool,
}

impl TradeColumns<'_> {
    /// What each of `orders` input rows pays (+) or receives (−) over all trades.
    pub fn payments(&self, orders: usize) -> Vec<i64> {
        let mut payment = vec![0; orders];
        for t in 0..self.quantity.len() {
            let (paid, received) = self.amounts(t);
            payment[self.buy_row[t] as usize] += paid;
            payment[self.sell_row[t] as usize] -= received;
        }
        payment
    }

    /// Money that the buyer of trade `t` pays and its seller receives.
    #[inline]
    pub fn amounts(&self, t: usize) -> (i64, i64) {
        let lots = if self.are_sums { 1 } else { self.quantity[t] };
        (self.buy_price[t] * lots, self.sell_price[t] * lots)
    }
}
