//! What the mechanisms beyond the plain crossing hand back: fills, payments, trades, and the prices that they followed.

use super::book::{Book, Number, Priority};
use super::curve::{self, Crossing, Terms};
use super::pairing::{self, Place};
use super::part::Part;
use super::ranked::last_served;
use crate::order::BUY;
use crate::simd;
use crate::trade::Trades;

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

/// What one market adds up to. Prices and money are over 2 where the mechanism needs midpoints.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Bids of the market.
    pub bids: u32,
    /// Traded quantity in lots.
    pub volume: i64,
    /// Σ bid × fill − Σ ask × fill, in limits.
    pub welfare: i128,
    /// Money that buyers pay.
    pub buyer_payment: i128,
    /// Money that sellers receive.
    pub seller_revenue: i128,
    /// One price a side, buyers' and sellers', where there is one.
    pub price: Option<(i64, i64)>,
    /// Whether some price paid a unit is odd.
    pub is_odd: bool,
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
    /// Takes back `lots` of an order's fill from the welfare.
    pub fn withdraw(&mut self, is_bid: bool, limit: i64, lots: i64) {
        let value = i128::from(limit) * i128::from(lots);
        self.welfare -= if is_bid { value } else { -value };
    }
}

/// Where one market's results go.
pub struct Results<'a> {
    /// Fill of each order.
    pub filled: &'a mut [i64],
    /// Payment of each order, all zero before, where it is wanted.
    pub payment: Option<&'a mut [i64]>,
    /// The trades, where they are wanted.
    pub trades: Option<&'a mut Trades>,
    /// Where the orders stand in the input.
    pub place: Place<'a>,
    /// Memory of the pairing.
    pub pairing: &'a mut pairing::Scratch,
}

impl Results<'_> {
    /// Fills the efficient trades: every unit of surplus, the last order of the marginal level in part. `None` where a value
    /// is one that no order may carry.
    pub fn serve_by_merit<P: Number, Q: Number>(
        &mut self,
        book: &Book<'_, P, Q>,
        priority: &Priority<'_>,
        scratch: &mut curve::Scratch,
    ) -> Option<Outcome> {
        let (bids, crossing) = curve::cross(book, &Terms::by_merit(priority), self.filled, scratch)?;
        let mut outcome = Outcome { bids, ..Outcome::default() };
        if let Some(Crossing { low, high, volume, welfare }) = crossing {
            outcome = Outcome { volume, welfare, interval: Some((low, high)), ..outcome };
        }
        Some(outcome)
    }

    /// The orders on either side of the crossing that [`Self::serve_by_merit`] found.
    pub fn margin<P: Number, Q: Number>(&self, book: &Book<'_, P, Q>, outcome: &Outcome) -> simd::Margin {
        let low = outcome.interval.map_or(i64::MAX, |(low, _)| low);
        simd::margin_at(book, low, self.filled)
    }

    /// Takes its fill from the order of `side` that is served last of those served at `price`; gives the lots it had.
    pub fn leave_out_last<P: Number, Q: Number>(
        &mut self,
        book: &Book<'_, P, Q>,
        priority: &Priority<'_>,
        side: u8,
        price: i64,
        outcome: &mut Outcome,
    ) -> i64 {
        let last = last_served(book, self.filled, priority, side, price);
        self.leave_out(book, last, outcome)
    }

    /// Takes its fill from an order; gives the lots it had.
    pub fn leave_out<P: Number, Q: Number>(
        &mut self,
        book: &Book<'_, P, Q>,
        order: usize,
        outcome: &mut Outcome,
    ) -> i64 {
        let lots = std::mem::take(&mut self.filled[order]);
        outcome.withdraw(book.is_bid(order), book.limit(order), lots);
        lots
    }

    /// All that is filled trades at one price a side.
    pub fn trade_at<P: Number, Q: Number>(
        &mut self,
        book: &Book<'_, P, Q>,
        priority: &Priority<'_>,
        (buy, sell): (i64, i64),
        outcome: &mut Outcome,
    ) {
        if outcome.volume == 0 {
            return;
        }
        outcome.price = Some((buy, sell));
        outcome.is_odd = buy % 2 != 0;
        outcome.buyer_payment = i128::from(buy) * i128::from(outcome.volume);
        outcome.seller_revenue = i128::from(sell) * i128::from(outcome.volume);
        if let Some(payment) = self.payment.as_deref_mut() {
            for ((paid, &fill), &side) in payment.iter_mut().zip(&*self.filled).zip(book.side) {
                *paid = if side == BUY { buy * fill } else { -sell * fill };
            }
        }
        if let Some(trades) = self.trades.as_deref_mut() {
            pairing::pair(
                book,
                self.filled,
                priority,
                &self.place,
                |_, prices| prices.fill((buy, sell)),
                trades,
                self.pairing,
            );
        }
    }

    /// One trade; `surplus` is what a lot is worth more to the buyer than to the seller.
    #[inline]
    pub fn trade(&mut self, deal: &Deal, surplus: i64, outcome: &mut Outcome) {
        self.filled[deal.bid as usize] += deal.quantity;
        self.filled[deal.ask as usize] += deal.quantity;
        self.pay(deal, surplus, outcome);
    }

    /// Money and trade of one trade whose fills stand elsewhere.
    #[inline]
    pub fn pay(&mut self, deal: &Deal, surplus: i64, outcome: &mut Outcome) {
        let &Deal { bid, ask, quantity, buy, sell } = deal;
        let (paid, received) = (buy * quantity, sell * quantity);
        outcome.volume += quantity;
        outcome.welfare += i128::from(surplus * quantity); // below 2³² · 2³¹
        outcome.buyer_payment += i128::from(paid);
        outcome.seller_revenue += i128::from(received);
        if let Some(payment) = self.payment.as_deref_mut() {
            payment[bid as usize] += paid;
            payment[ask as usize] -= received;
        }
        if let Some(trades) = self.trades.as_deref_mut() {
            let (buy_row, sell_row) = (self.place.row(bid as usize), self.place.row(ask as usize));
            trades.push(self.place.market_index, buy_row.into(), sell_row.into(), deal);
        }
    }

    /// What is filled of a part of the market trades at one price.
    pub fn trade_part_at(&mut self, part: &Part, fills: &[i64], price: i64, rows: &mut Vec<u32>) {
        let book = part.book();
        for ((&i, &fill), &side) in part.positions().iter().zip(fills).zip(book.side) {
            self.filled[i as usize] += fill;
            if let Some(payment) = self.payment.as_deref_mut() {
                payment[i as usize] += if side == BUY { price * fill } else { -price * fill };
            }
        }
        if let Some(trades) = self.trades.as_deref_mut() {
            let place = part.place(&self.place, rows);
            pairing::pair(
                &book,
                fills,
                &part.priority(),
                &place,
                |_, prices| prices.fill((price, price)),
                trades,
                self.pairing,
            );
        }
    }

    /// Each order of a part of the market pays (+) or receives (−) `money` in all for what it is filled.
    pub fn trade_part_for(&mut self, part: &Part, fills: &[i64], (money, grain): (&[i64], i64), rows: &mut Vec<u32>) {
        for ((&i, &fill), &money) in part.positions().iter().zip(fills).zip(money) {
            self.filled[i as usize] += fill;
            if let Some(payment) = self.payment.as_deref_mut() {
                payment[i as usize] += money;
            }
        }
        if let Some(trades) = self.trades.as_deref_mut() {
            let place = part.place(&self.place, rows);
            pair_for_sums(&part.book(), fills, &part.priority(), &place, (money, grain), trades, self.pairing);
        }
    }
}

/// Pairs fills and splits what each order pays (+) or receives (−) in all over its trades in proportion to quantity, in
/// units of `grain`, by largest remainder, ties in trade order.
pub fn pair_for_sums<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    filled: &[i64],
    priority: &Priority<'_>,
    place: &Place<'_>,
    (money, grain): (&[i64], i64),
    trades: &mut Trades,
    scratch: &mut pairing::Scratch,
) {
    let first = trades.len();
    let positions = Place { rows: None, first_row: 0, ..*place };
    pairing::pair(book, filled, priority, &positions, |_, _| (), trades, scratch);
    let quantities = &trades.quantity[first..];
    let mut parts = Vec::new();
    for (sign, orders, sums) in [
        (1, &mut trades.buy_row[first..], &mut trades.buy_price[first..]),
        (-1, &mut trades.sell_row[first..], &mut trades.sell_price[first..]),
    ] {
        // Both sides' fills are walked in merit order, so that an order's trades lie side by side.
        let mut start = 0;
        while start < orders.len() {
            let order = orders[start];
            let end = start + 1 + orders[start + 1..].iter().take_while(|&&next| next == order).count();
            let sum = sign * money[order as usize];
            if end - start == 1 {
                sums[start] = sum;
            } else {
                split(i128::from(sum / grain), &quantities[start..end], &mut parts);
                for (to, part) in sums[start..end].iter_mut().zip(&parts) {
                    *to = part * grain;
                }
            }
            orders[start..end].fill(place.row(order as usize).into());
            start = end;
        }
    }
}

/// Splits `total` in proportion to `weights` (not all zero) into `parts`: whole parts, left-over units one each to the
/// largest remainders, ties to the first. Nobody gets less than their share rounded down or more than it rounded up.
pub fn split(total: i128, weights: &[i64], parts: &mut Vec<i64>) {
    let sum: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
    let mut left = total;
    let mut remainders = Vec::with_capacity(weights.len());
    parts.clear();
    parts.extend(weights.iter().enumerate().map(|(i, &weight)| {
        let (part, remainder) = divided(total * i128::from(weight), sum);
        left -= part;
        remainders.push((std::cmp::Reverse(remainder), i));
        part as i64
    }));
    let left = left as usize;
    if left > 0 && left < remainders.len() {
        remainders.select_nth_unstable(left - 1);
    }
    for &(_, i) in &remainders[..left] {
        parts[i] += 1;
    }
}

/// Quotient rounded down and remainder; in 64 bits, which is quicker, where that is enough.
fn divided(product: i128, sum: i128) -> (i128, i128) {
    match (i64::try_from(product), i64::try_from(sum)) {
        (Ok(product), Ok(sum)) => (product.div_euclid(sum).into(), product.rem_euclid(sum).into()),
        _ => (product.div_euclid(sum), product.rem_euclid(sum)),
    }
}

#[cfg(test)]
mod tests {
    fn split(total: i128, weights: &[i64]) -> Vec<i64> {
        let mut parts = vec![7];
        super::split(total, weights, &mut parts);
        parts
    }

    #[test]
    fn parts_add_up_also_below_zero() {
        assert_eq!(split(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(split(-10, &[1, 1, 1]), [-3, -3, -4]);
        assert_eq!(split(7, &[5]), [7]);
        assert_eq!(split(0, &[2, 3]), [0, 0]);
        assert_eq!(split(11, &[3, 5, 9]), [2, 3, 6]);
        // Products beyond 64 bits.
        assert_eq!(split((1 << 62) + 1, &[1 << 30, 1 << 30]), [(1 << 61) + 1, 1 << 61]);
    }
}
