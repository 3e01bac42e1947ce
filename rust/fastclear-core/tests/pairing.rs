//! The list of trades against pairing as it is written: winners sorted, best bid and cheapest ask, until nothing is left.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Mixed;
use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound, Share};
use fastclear_core::auction::{Discriminatory, Mechanism, Uniform};
use fastclear_core::batch::{Clearing, Want, clear};
use fastclear_core::order::{Columns, Integers};
use fastclear_core::trade::Trades;
use fastclear_core::units::{PRICE_MAX, QUANTITY_MAX};

struct Book {
    side: Vec<u8>,
    price: Vec<i64>,
    quantity: Vec<i64>,
    time: Option<Vec<i64>>,
    order: Option<Vec<i64>>,
}

const KINDS: [&str; 7] = ["few ticks", "wide", "one price", "extremes", "whale", "apart", "one side"];

fn book(kind: &str, n: usize, draw: &mut Mixed) -> Book {
    let mut book = Book { side: Vec::new(), price: Vec::new(), quantity: Vec::new(), time: None, order: None };
    for i in 0..n {
        let side = u8::from(kind == "one side" || draw.below(2) == 1);
        let (price, quantity) = match kind {
            "wide" => (draw.below(1 << 32) as i64 - (1 << 31), 1 + draw.below(1000) as i64),
            "one price" => (7, 1 + draw.below(3) as i64),
            "extremes" => {
                let price = [-PRICE_MAX, -1, 0, 1, PRICE_MAX][draw.below(5) as usize];
                (price, [1, QUANTITY_MAX][draw.below(2) as usize])
            }
            "whale" if i == n / 2 => (if side == 1 { 1000 } else { 0 }, 40 * n as i64),
            "apart" => (if side == 1 { 100 } else { 200 } + draw.below(5) as i64, 1),
            _ => (500 + draw.below(60) as i64, 1 + draw.below(50) as i64),
        };
        book.side.push(side);
        book.price.push(price.clamp(-PRICE_MAX, PRICE_MAX));
        book.quantity.push(quantity.min(QUANTITY_MAX));
    }
    if draw.below(2) == 1 {
        book.time = Some((0..n).map(|_| draw.below(4) as i64).collect());
    }
    if draw.below(2) == 1 {
        book.order = Some((0..n as i64).map(|i| n as i64 - i).collect());
    }
    book
}

impl Book {
    fn clear(&self, mechanism: &Mechanism, payment: bool) -> (Clearing, Vec<i64>) {
        let columns = Columns {
            side: &self.side,
            price: Integers::Wide(&self.price),
            quantity: Integers::Wide(&self.quantity),
            time: self.time.as_deref(),
            order: self.order.as_deref(),
            ..Columns::default()
        };
        let mut filled = vec![0; self.side.len()];
        let want = Want { payment, trades: true, prices_only: false };
        let clearing = clear(&columns, mechanism, want, 1, &mut filled).unwrap();
        (clearing, filled)
    }

    /// Pairs fills; `price(bid, ask)` is what both trade at, the fee apart.
    fn pair(&self, filled: &[i64], fee: i64, price: impl Fn(usize, usize) -> i64) -> Trades {
        let mut trades = Trades::default();
        let of_side = |side: u8| {
            let mut rows: Vec<usize> = (0..filled.len()).filter(|&i| self.side[i] == side && filled[i] > 0).collect();
            rows.sort_by_key(|&i| {
                let price = if side == 1 { -self.price[i] } else { self.price[i] };
                (price, self.time.as_ref().map(|time| time[i]), self.order.as_ref().map(|order| order[i]), i)
            });
            rows
        };
        let (bids, asks) = (of_side(1), of_side(0));
        let mut left = filled.to_vec();
        let mut asks = asks.into_iter().peekable();
        for bid in bids {
            while left[bid] > 0 {
                let ask = *asks.peek().unwrap();
                let quantity = left[bid].min(left[ask]);
                trades.buy_row.push(bid as i64);
                trades.sell_row.push(ask as i64);
                trades.quantity.push(quantity);
                trades.buy_price.push(price(bid, ask) + fee);
                trades.sell_price.push(price(bid, ask));
                left[bid] -= quantity;
                left[ask] -= quantity;
                if left[ask] == 0 {
                    asks.next();
                }
            }
        }
        assert!(asks.next().is_none(), "what is sold is what is bought");
        trades.end_market(0, 0);
        trades.one_price = fee == 0;
        if fee == 0 {
            assert_eq!(std::mem::take(&mut trades.sell_price), trades.buy_price);
        }
        trades
    }
}

/// Checks one book; gives how many trades it makes.
fn check(kind: &str, n: usize, fee: i64, draw: &mut Mixed) -> usize {
    let book = book(kind, n, draw);
    let (clearing, filled) = book.clear(&Mechanism::from(Uniform { fee, ..Uniform::default() }), true);
    let price = clearing.outcomes.first().map_or(0, |market| market.price_sell);
    let expected = book.pair(&filled, fee, |_, _| price);
    assert_eq!(clearing.trades.as_ref(), Some(&expected), "uniform, {kind}, {n} orders, fee {fee}");
    assert_eq!(clearing.payment, Some(expected.payments(n)), "uniform, {kind}, {n} orders, fee {fee}");

    // 1/3 divides, 1/2 shifts.
    let k = Share::new(1, 2 + draw.below(2) as i64).unwrap();
    let rule = PairRule { price: PairPrice::Share(k), price_round: PriceRound::Floor };
    let mechanism = Mechanism::from(Discriminatory { rule, fee, reserve: None });
    let (clearing, filled) = book.clear(&mechanism, draw.below(2) == 1);
    let price = |bid: usize, ask: usize| k.of(book.price[ask], book.price[bid] - fee, PriceRound::Floor);
    let expected = book.pair(&filled, fee, price);
    assert_eq!(clearing.trades.as_ref(), Some(&expected), "discriminatory, {kind}, {n} orders, fee {fee}");
    if let Some(payment) = clearing.payment {
        assert_eq!(payment, expected.payments(n), "discriminatory, {kind}, {n} orders, fee {fee}");
    }
    let paid: i128 = (0..expected.len()).map(|t| i128::from(expected.amounts(t).0)).sum();
    assert_eq!(clearing.outcomes.iter().map(|market| market.buyer_payment).sum::<i128>(), paid);
    expected.len()
}

#[test]
fn small_books_are_paired_as_written() {
    let mut draw = Mixed(41);
    let mut traded = 0;
    for n in (0..70).chain([255, 256, 257, 511, 513]) {
        for kind in KINDS {
            for fee in [0, 3] {
                traded += check(kind, n, fee, &mut draw);
            }
        }
    }
    assert!(traded > 10_000, "{traded} trades");
}

#[test]
fn large_books_are_paired_as_written() {
    let mut draw = Mixed(43);
    for n in [1000, 5000, 30_000] {
        for kind in KINDS {
            let fee = if kind == "one price" { 0 } else { 2 };
            let traded = check(kind, n, fee, &mut draw);
            assert!(["apart", "one side"].contains(&kind) || traded > n / 100, "{kind}: {traded} trades");
        }
    }
    // Enough winners for every way of sorting them.
    for kind in ["few ticks", "wide"] {
        assert!(check(kind, 1_200_000, 0, &mut draw) > 500_000);
    }
}
