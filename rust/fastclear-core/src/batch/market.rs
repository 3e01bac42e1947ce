//! One market: the mechanism's rule, and its result as fills, payments, trades and an outcome.

use crate::auction::book::{Book, Number, Priority};
use crate::auction::curve::{self, Crossing, Terms};
use crate::auction::deal::{Outcome, Results};
use crate::auction::minimums;
use crate::auction::pairing::{self, Pairs, Place, Prices};
use crate::auction::ranked::{self, Market};
use crate::auction::rationing::Rationing;
use crate::auction::uniform::Margin;
use crate::auction::{Discriminatory, Mechanism, RankedRule, Rule, Uniform};
use crate::order::BUY;
use crate::simd;
use crate::trade::{MarketDetail, MarketOutcome, Trades};

use super::Want;

/// Memory that a run of markets shares.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    curve: curve::Lent,
    /// What few mechanisms need.
    ranked: Option<Box<ranked::Scratch>>,
    pairing: pairing::Lent,
}

/// One market's orders beside its columns, and where its results go.
pub(super) struct OneMarket<'a> {
    pub mechanism: &'a Mechanism,
    pub want: Want,
    pub market: Market<'a>,
    pub place: Place<'a>,
    pub filled: &'a mut [i64],
    pub payment: Option<&'a mut [i64]>,
    pub trades: &'a mut Trades,
    pub details: &'a mut Vec<MarketDetail>,
    pub scratch: &'a mut Scratch,
}

impl OneMarket<'_> {
    /// Clears the market; `None` where a value is one that no order may carry.
    pub fn clear<P: Number, Q: Number>(&mut self, book: &Book<'_, P, Q>) -> Option<MarketOutcome> {
        match &self.mechanism.rule {
            Rule::Uniform(uniform) => self.uniform(book, uniform),
            Rule::Discriminatory(discriminatory) => self.discriminatory(book, discriminatory),
            Rule::Ranked(rule) => self.ranked(book, *rule),
        }
    }

    /// Clears without those who leave because they would be served less than they accept ([`minimums`]).
    pub fn clear_with_minimums<P: Number, Q: Number>(
        &mut self,
        book: &Book<'_, P, Q>,
        least: &[i64],
    ) -> Option<MarketOutcome> {
        let first_trade = self.trades.len();
        let outcome = self.clear(book)?;
        let is_short = |(&fill, &least): (&i64, &i64)| 0 < fill && fill < least;
        if !self.filled.iter().zip(least).any(is_short) {
            return Some(outcome);
        }
        self.trades.truncate(first_trade);
        let staying = minimums::stay(book, least, &self.rules_for_minimums());
        let staying: Vec<u32> = (0..).zip(staying).filter(|&(_, stays)| stays).map(|(i, _)| i).collect();
        let pick = |column: Option<&[i64]>| column.map(|column| taken(column, &staying));
        let (side, price, quantity) =
            (taken(book.side, &staying), taken(book.price, &staying), taken(book.quantity, &staying));
        let (time, order) = (pick(self.market.priority.time), pick(self.market.priority.order));
        let rows: Vec<u32> = staying.iter().map(|&i| self.place.row(i as usize)).collect();
        let smaller = Book { side: &side, price: &price, quantity: &quantity, fee: book.fee };
        let mut filled = vec![0; staying.len()];
        let mut payment = self.payment.is_some().then(|| vec![0; staying.len()]);
        let priority = Priority { time: time.as_deref(), order: order.as_deref(), ..self.market.priority };
        let mut market = OneMarket {
            mechanism: self.mechanism,
            want: self.want,
            market: Market { priority, participant: None, start_price: None, half: None, turn: None },
            place: Place { rows: Some(&rows), first_row: 0, ..self.place },
            filled: &mut filled,
            payment: payment.as_deref_mut(),
            trades: &mut *self.trades,
            details: &mut *self.details,
            scratch: &mut *self.scratch,
        };
        let mut outcome = market.clear(&smaller)?;
        let mut fills = staying.iter().zip(&filled);
        debug_assert!(
            !fills.any(|(&i, fill)| is_short((fill, &least[i as usize]))),
            "Invariant: all who are short left"
        );
        self.filled.fill(0);
        for (&i, &fill) in staying.iter().zip(&filled) {
            self.filled[i as usize] = fill;
        }
        if let (Some(to), Some(from)) = (&mut self.payment, payment) {
            to.fill(0);
            for (&i, money) in staying.iter().zip(from) {
                to[i as usize] = money;
            }
        }
        outcome.buy_orders = book.side.iter().map(|&side| u32::from(side == BUY)).sum();
        outcome.sell_orders = book.len() as u32 - outcome.buy_orders;
        if outcome.volume == 0 {
            (outcome.best_bid, outcome.best_ask) = simd::best_limits(book);
        }
        Some(outcome)
    }

    /// How the market is crossed, as far as it decides who leaves.
    fn rules_for_minimums(&self) -> minimums::Rules<'_> {
        let (crossing, rationing) = match self.mechanism.rule {
            Rule::Uniform(Uniform { whole_levels: true, rationing, .. }) => {
                (minimums::Crossing::WholeLevels, rationing)
            }
            Rule::Uniform(Uniform { zero_surplus, rationing, .. }) => {
                (minimums::Crossing::Curves { zero_surplus }, rationing)
            }
            // Of those that rank a market first, none takes minimums.
            Rule::Discriminatory(_) | Rule::Ranked(_) => {
                (minimums::Crossing::Curves { zero_surplus: true }, Rationing::Time)
            }
        };
        minimums::Rules { rationing, crossing, priority: &self.market.priority }
    }

    fn uniform<P: Number, Q: Number>(&mut self, book: &Book<'_, P, Q>, uniform: &Uniform) -> Option<MarketOutcome> {
        let priority = &self.market.priority;
        let (bids, crossing) = if uniform.whole_levels {
            let scratch = self.scratch.ranked.get_or_insert_default();
            let (bids, crossed) = uniform.cross_whole_levels(book, priority, self.filled, scratch)?;
            let crossing = crossed.map(|(price, volume)| {
                let welfare = simd::welfare(book, self.filled);
                Crossing { low: price, high: price, volume, welfare }
            });
            (bids, crossing)
        } else {
            let terms = Terms { zero_surplus: uniform.zero_surplus, rationing: uniform.rationing, priority };
            curve::cross(book, &terms, self.filled, self.scratch.curve.get())?
        };
        let Some(Crossing { low, high, volume, welfare }) = crossing else {
            return Some(nothing_traded(book, bids));
        };
        let floor = uniform.reserve.unwrap_or(i64::MIN);
        let (low, high) = (low.max(floor), high.max(floor));
        let filled = &*self.filled;
        let price_sell = uniform.price((low, high), || Margin::of(book, filled));
        let price_buy = price_sell + if uniform.is_halved() { 2 * uniform.fee } else { uniform.fee };
        if let Some(payment) = self.payment.as_deref_mut() {
            for ((paid, &fill), &side) in payment.iter_mut().zip(filled).zip(book.side) {
                *paid = if side == BUY { price_buy * fill } else { -price_sell * fill };
            }
        }
        if self.want.trades {
            let prices = |_: &Pairs<'_>, prices: &mut Prices<'_>| prices.fill((price_buy, price_sell));
            pairing::pair(book, filled, priority, &self.place, prices, self.trades, self.scratch.pairing.get());
        }
        Some(MarketOutcome {
            volume,
            welfare,
            price_low: low,
            price_high: high,
            price_sell,
            price_buy,
            has_price: true,
            is_odd: uniform.is_halved() && price_sell % 2 != 0,
            buy_orders: bids,
            sell_orders: book.len() as u32 - bids,
            buyer_payment: i128::from(price_buy) * i128::from(volume),
            seller_revenue: i128::from(price_sell) * i128::from(volume),
            ..MarketOutcome::default()
        })
    }

    fn discriminatory<P: Number, Q: Number>(
        &mut self,
        book: &Book<'_, P, Q>,
        discriminatory: &Discriminatory,
    ) -> Option<MarketOutcome> {
        let priority = &self.market.priority;
        let terms = Terms { zero_surplus: true, rationing: Rationing::Time, priority };
        let (bids, crossing) = curve::cross(book, &terms, self.filled, self.scratch.curve.get())?;
        let Some(Crossing { volume, welfare, .. }) = crossing else {
            return Some(nothing_traded(book, bids));
        };
        let (mut bought, mut sold) = (Money::default(), Money::default());
        let mut payment = self.payment.as_deref_mut();
        let bid_came_first = |bid: i64, ask: i64| priority.key(bid as usize) < priority.key(ask as usize);
        let price = |pairs: &Pairs<'_>, prices: &mut Prices<'_>| {
            discriminatory.price(pairs, prices, bid_came_first);
            let Prices { buy, sell } = prices;
            bought.add(buy, pairs.quantity);
            sold.add(sell, pairs.quantity);
            if let Some(payment) = payment.as_deref_mut() {
                for (t, quantity) in pairs.quantity.iter().enumerate() {
                    payment[pairs.bid[t] as usize] += buy[t] * quantity;
                    payment[pairs.ask[t] as usize] -= sell[t] * quantity;
                }
            }
        };
        let mut local = Trades { one_price: self.trades.one_price, ..Trades::default() };
        let into = if self.want.trades { &mut *self.trades } else { &mut local };
        pairing::pair(book, self.filled, priority, &self.place, price, into, self.scratch.pairing.get());
        let (buyer_payment, seller_revenue) = (bought.total(), sold.total());
        Some(MarketOutcome {
            volume,
            welfare,
            buy_orders: bids,
            sell_orders: book.len() as u32 - bids,
            buyer_payment,
            seller_revenue,
            ..MarketOutcome::default()
        })
    }

    fn ranked<P: Number, Q: Number>(&mut self, book: &Book<'_, P, Q>, rule: RankedRule) -> Option<MarketOutcome> {
        let Mechanism { cap_low, cap_high, .. } = *self.mechanism;
        let caps = (cap_low.unwrap_or(i64::MIN), cap_high.unwrap_or(i64::MAX));
        if self.mechanism.unit().is_some_and(|unit| !simd::all_units(book.price, book.quantity, unit, caps)) {
            return None;
        }
        let mut results = Results {
            filled: &mut *self.filled,
            payment: self.payment.as_deref_mut(),
            trades: self.want.trades.then_some(&mut *self.trades),
            place: self.place,
            pairing: self.scratch.pairing.get(),
        };
        let found = rule.clear(book, &self.market, &mut results, self.scratch.ranked.get_or_insert_default())?;
        let Outcome { half_prices, branch, rounds, bids, volume, welfare, .. } = found;
        self.details.push(MarketDetail { half_prices, branch, rounds });
        let mut outcome = MarketOutcome {
            volume,
            welfare,
            buy_orders: bids,
            sell_orders: book.len() as u32 - bids,
            buyer_payment: found.buyer_payment,
            seller_revenue: found.seller_revenue,
            is_odd: self.mechanism.is_halved() && found.is_odd,
            ..MarketOutcome::default()
        };
        if volume == 0 {
            (outcome.best_bid, outcome.best_ask) = simd::best_limits(book);
            return Some(outcome);
        }
        if let Some((buy, sell)) = found.price {
            (outcome.has_price, outcome.price_buy, outcome.price_sell) = (true, buy, sell);
        }
        if let Some((low, high)) = found.interval {
            (outcome.price_low, outcome.price_high) = (low, high);
        }
        Some(outcome)
    }
}

/// A sum of amounts of money in two halves, neither of which overflows: there are fewer than 2³¹ of them.
#[derive(Clone, Copy, Default)]
struct Money {
    high: i64,
    low: i64,
}

impl Money {
    /// Adds prices × quantities, each of which is below 2⁶³ as limit × quantity of an order are.
    fn add(&mut self, prices: &[i64], quantities: &[i64]) {
        let (high, low) = simd::amounts(prices, quantities);
        self.high = self.high.wrapping_add(high);
        self.low = self.low.wrapping_add(low);
    }

    fn total(self) -> i128 {
        (i128::from(self.high) << 32) + i128::from(self.low)
    }
}

fn taken<T: Copy>(column: &[T], staying: &[u32]) -> Vec<T> {
    staying.iter().map(|&i| column[i as usize]).collect()
}

fn nothing_traded<P: Number, Q: Number>(book: &Book<'_, P, Q>, bids: u32) -> MarketOutcome {
    let (best_bid, best_ask) = simd::best_limits(book);
    MarketOutcome {
        best_bid,
        best_ask,
        buy_orders: bids,
        sell_orders: book.len() as u32 - bids,
        ..MarketOutcome::default()
    }
}
