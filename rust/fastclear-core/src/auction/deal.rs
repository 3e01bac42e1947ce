//! What the mechanisms on a ranked book hand back: deals, payments, and the prices that they followed.

use super::ranked::{Meeting, Quote, pair};

/// One trade between two orders of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deal {
    /// Position of the bid.
    pub bid: u32,
    /// Position of the ask.
    pub ask: u32,
    /// Lots.
    pub quantity: i64,
    /// What the buyer pays: a unit price, or a sum where the mechanism pays sums.
    pub buy: i64,
    /// What the seller receives, likewise.
    pub sell: i64,
}

/// Which way a mechanism with several went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Branch {
    /// Nothing traded, or there is only one way.
    #[default]
    None = 0,
    /// `TradeReduction`: all efficient pairs trade at the price of the pair behind them.
    AllTrade = 1,
    /// `TradeReduction`: the last efficient pair is given up and sets the prices.
    Reduced = 2,
    /// `Sbba`: the first seller left out sets the price.
    SellerSetsPrice = 3,
    /// `Sbba`: the last efficient buyer sets the price and stays out, and so does one seller by lot.
    BuyerSetsPrice = 4,
}

/// The result of one market. Prices and sums are over 2 where the mechanism needs midpoints.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The trades, in order.
    pub deals: Vec<Deal>,
    /// One price a side, buyers' and sellers', where there is one.
    pub price: Option<(i64, i64)>,
    /// Market-clearing interval of the book, in ticks.
    pub interval: Option<(i64, i64)>,
    /// MUDA: price at which the left and the right half's orders trade elsewhere.
    pub half_prices: [Option<i64>; 2],
    /// Which way the mechanism went.
    pub branch: Branch,
    /// Rounds run.
    pub rounds: u32,
}

impl Outcome {
    /// Forgets the last market, keeping the memory.
    pub fn clear(&mut self) {
        let mut deals = std::mem::take(&mut self.deals);
        deals.clear();
        *self = Self { deals, ..Self::default() };
    }

    /// Notes where the curves cross.
    pub const fn crossed(&mut self, meeting: &Meeting) {
        self.interval = Some((meeting.low, meeting.high));
    }

    /// The best `pairs` unit bids and asks trade, `unit` lots each, at one price a side.
    pub fn trade_pairs(&mut self, bids: &[Quote], asks: &[Quote], pairs: usize, buy: i64, sell: i64) {
        for (bid, ask) in bids.iter().zip(asks).take(pairs) {
            self.deals.push(Deal { bid: bid.order, ask: ask.order, quantity: bid.quantity, buy, sell });
        }
        self.price = (pairs > 0).then_some((buy, sell));
    }

    /// Pairs fills in rank order, every unit at one price a side.
    pub fn trade_at(
        &mut self,
        bids: impl IntoIterator<Item = (u32, i64)>,
        asks: impl IntoIterator<Item = (u32, i64)>,
        (buy, sell): (i64, i64),
    ) {
        pair(bids, asks, |bid, ask, quantity| self.deals.push(Deal { bid, ask, quantity, buy, sell }));
    }
}

/// Splits `total` in proportion to `weights` (not all zero): whole parts, left-over units one each to the largest
/// remainders, ties to the first. Nobody gets less than their share rounded down or more than it rounded up.
pub fn split(total: i128, weights: &[i64]) -> Vec<i64> {
    let sum: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
    let mut left = total;
    let mut remainders = Vec::with_capacity(weights.len());
    let mut parts: Vec<i64> = weights
        .iter()
        .enumerate()
        .map(|(i, &weight)| {
            let product = total * i128::from(weight);
            let part = product.div_euclid(sum);
            left -= part;
            remainders.push((std::cmp::Reverse(product.rem_euclid(sum)), i));
            part as i64
        })
        .collect();
    remainders.sort_unstable();
    for &(_, i) in &remainders[..left as usize] {
        parts[i] += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn parts_add_up_also_below_zero() {
        assert_eq!(split(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(split(-10, &[1, 1, 1]), [-3, -3, -4]);
        assert_eq!(split(7, &[5]), [7]);
        assert_eq!(split(0, &[2, 3]), [0, 0]);
        assert_eq!(split(11, &[3, 5, 9]), [2, 3, 6]);
    }
}
