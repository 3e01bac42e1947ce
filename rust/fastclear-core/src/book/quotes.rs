//! Best prices and depth of all markets at once, as columns.

use super::command::NULL;
use super::engine::OrderBook;
use super::layout::Level;

/// The best prices, a row a market, ascending by id; [`NULL`] where a side is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotes {
    /// Market id.
    pub market: Vec<i64>,
    /// Ticks of the best ask and of the best bid: by code of the side.
    pub price: [Vec<i64>; 2],
    /// Lots of all orders there.
    pub quantity: [Vec<i64>; 2],
}

impl Quotes {
    /// Appends a market: its best ask and its best bid.
    pub(super) fn push(&mut self, market: i64, best: [Option<Level>; 2]) {
        self.market.push(market);
        for (side, level) in best.into_iter().enumerate() {
            self.price[side].push(level.map_or(NULL, |level| level.price));
            self.quantity[side].push(level.map_or(NULL, |level| level.quantity as i64));
        }
    }
}

/// Prices with their lots: markets ascending by id, bids first, each side best price first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    /// Market id.
    pub market: Vec<i64>,
    /// 1 = buy, 0 = sell.
    pub side: Vec<u8>,
    /// Place on its side, 0 = best.
    pub level: Vec<i64>,
    /// Ticks.
    pub price: Vec<i64>,
    /// Lots of all orders there.
    pub quantity: Vec<i64>,
    /// How many they are.
    pub orders: Vec<i64>,
}

impl Depths {
    /// Appends the prices of a side of a market.
    pub(super) fn extend(&mut self, market: i64, side: u8, levels: impl IntoIterator<Item = Level>) {
        for (nth, level) in (0_i64..).zip(levels) {
            self.market.push(market);
            self.side.push(side);
            self.level.push(nth);
            self.price.push(level.price);
            self.quantity.push(level.quantity as i64);
            self.orders.push(level.orders as i64);
        }
    }
}

impl OrderBook {
    /// Best prices of every market that was ever named.
    pub fn quotes(&mut self) -> Quotes {
        let mut quotes = Quotes::default();
        for market in self.sorted_markets() {
            quotes.push(market, [0, 1].map(|side| self.best(market, side)));
        }
        quotes
    }

    /// At most so many prices a side of every market.
    pub fn depths(&mut self, most: usize) -> Depths {
        let mut depths = Depths::default();
        for market in self.sorted_markets() {
            for side in [1, 0] {
                depths.extend(market, side, self.depth(market, side, most));
            }
        }
        depths
    }

    fn sorted_markets(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.market_ids().collect();
        ids.sort_unstable();
        ids
    }
}
