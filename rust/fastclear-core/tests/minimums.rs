//! Minimum quantities against the rule as it is written: clear, send away the last that is short, clear again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use common::{BOUND, Mixed};
use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound};
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::{Discriminatory, Mechanism, Uniform};
use fastclear_core::batch::{Clearing, Want, clear};
use fastclear_core::order::{Columns, Integers};

const RULES: [Rationing; 5] =
    [Rationing::ProRata, Rationing::Time, Rationing::Equal, Rationing::Quantity, Rationing::Lottery { seed: 3 }];

/// The orders of one market, as columns.
#[derive(Clone, Debug, Default)]
struct Orders {
    side: Vec<u8>,
    price: Vec<i64>,
    quantity: Vec<i64>,
    least: Vec<i64>,
    time: Option<Vec<i64>>,
    order: Option<Vec<i64>>,
}

impl Orders {
    fn draw(draw: &mut Mixed, n: usize) -> Self {
        let largest = [2, 4, 9, 40, 1000, BOUND as u64][draw.below(6) as usize];
        let most = 1 + draw.below(6);
        let (levels, buyers) = (1 + draw.below(most), 1 + draw.below(3));
        let (law, equal) = (draw.below(6), 1 + draw.below(largest) as i64);
        let mut orders = Self::default();
        for _ in 0..n {
            let is_bid = draw.below(4) < buyers;
            orders.side.push(u8::from(is_bid));
            // Bids a little above asks, so that most books trade on several levels.
            orders.price.push(10 + draw.below(levels) as i64 + if is_bid { draw.below(2) as i64 } else { 0 });
            let quantity = if law == 1 { equal } else { 1 + draw.below(largest) as i64 };
            let part = 1 + draw.below(quantity as u64) as i64;
            orders.quantity.push(quantity);
            orders.least.push(match law {
                // 0 and 1: all or none
                2 => part,
                3 => quantity.div_euclid(2),
                4 if draw.below(3) > 0 => 0,
                5 => [0, 2.min(quantity), part, quantity][draw.below(4) as usize],
                _ => quantity,
            });
        }
        let span = [1, 3, 1 << 40][draw.below(3) as usize];
        orders.time = (draw.below(2) == 0).then(|| (0..n).map(|_| draw.below(span) as i64).collect());
        if draw.below(2) == 0 {
            let mut ids: Vec<i64> = (0..n as i64).map(|i| i * 3 - 7).collect();
            for i in (1..n).rev() {
                ids.swap(i, draw.below(i as u64 + 1) as usize);
            }
            orders.order = Some(ids);
        }
        orders
    }

    fn taken(&self, rows: &[usize]) -> Self {
        let column = |values: &[i64]| rows.iter().map(|&row| values[row]).collect::<Vec<i64>>();
        Self {
            side: rows.iter().map(|&row| self.side[row]).collect(),
            price: column(&self.price),
            quantity: column(&self.quantity),
            least: column(&self.least),
            time: self.time.as_deref().map(column),
            order: self.order.as_deref().map(column),
        }
    }

    fn clear(&self, mechanism: &Mechanism, with_minimums: bool) -> (Clearing, Vec<i64>) {
        let columns = Columns {
            side: &self.side,
            price: Integers::Wide(&self.price),
            quantity: Integers::Wide(&self.quantity),
            order: self.order.as_deref(),
            time: self.time.as_deref(),
            min_quantity: with_minimums.then_some(&self.least),
            ..Columns::default()
        };
        let mut filled = vec![-1; self.side.len()];
        let clearing =
            clear(&columns, mechanism, Want { payment: true, trades: true, ..Want::default() }, 1, &mut filled)
                .unwrap();
        (clearing, filled)
    }

    /// The rule, word for word.
    fn twin(&self, mechanism: &Mechanism) -> (Vec<usize>, Clearing, Vec<i64>) {
        let mut rows: Vec<usize> = (0..self.side.len()).collect();
        loop {
            let staying = self.taken(&rows);
            let (clearing, filled) = staying.clear(mechanism, false);
            let short = (0..rows.len()).filter(|&i| 0 < filled[i] && filled[i] < staying.least[i]);
            let key = |&i: &usize| {
                (staying.time.as_ref().map_or(0, |time| time[i]), staying.order.as_ref().map_or(0, |ids| ids[i]), i)
            };
            match short.max_by_key(key) {
                Some(last) => drop(rows.remove(last)),
                None => return (rows, clearing, filled),
            }
        }
    }

    /// Everything that the clearing says is what the twin says; gives how many left.
    fn check(&self, mechanism: &Mechanism) -> usize {
        let (clearing, filled) = self.clear(mechanism, true);
        let (rows, expected, fills) = self.twin(mechanism);
        let says = || format!("{mechanism:?} of {self:?}");
        let (mut expected_filled, mut expected_payment) = (vec![0; filled.len()], vec![0; filled.len()]);
        for (i, &row) in rows.iter().enumerate() {
            expected_filled[row] = fills[i];
            expected_payment[row] = expected.payment.as_ref().unwrap()[i];
        }
        assert_eq!(filled, expected_filled, "{}", says());
        assert_eq!(clearing.payment.as_ref().unwrap(), &expected_payment, "{}", says());
        let (trades, mut expected_trades) = (clearing.trades.unwrap(), expected.trades.unwrap());
        for row in expected_trades.buy_row.iter_mut().chain(&mut expected_trades.sell_row) {
            *row = rows[*row as usize] as i64;
        }
        assert_eq!(trades, expected_trades, "{}", says());
        let bids: u32 = self.side.iter().map(|&side| u32::from(side)).sum();
        let outcome = clearing.outcomes[0];
        assert_eq!((outcome.buy_orders, outcome.sell_orders), (bids, filled.len() as u32 - bids), "{}", says());
        // Where everybody left the twin has no market.
        if let Some(&expected) = expected.outcomes.first() {
            let mut expected = expected;
            (expected.buy_orders, expected.sell_orders) = (outcome.buy_orders, outcome.sell_orders);
            if expected.volume == 0 {
                (expected.best_bid, expected.best_ask) = (outcome.best_bid, outcome.best_ask);
            }
            assert_eq!(outcome, expected, "{}", says());
        }
        filled.len() - rows.len()
    }
}

fn mechanism(draw: &mut Mixed, rationing: Rationing) -> Mechanism {
    let fee = draw.below(3) as i64;
    match draw.below(6) {
        0 => Uniform { rationing, whole_levels: true, fee, ..Uniform::default() }.into(),
        1 => {
            let rule = PairRule { price: PairPrice::Earlier, price_round: PriceRound::Floor };
            Discriminatory { rule, fee, reserve: None }.into()
        }
        2 => Uniform { rationing, zero_surplus: false, fee, ..Uniform::default() }.into(),
        _ => Uniform { rationing, fee, ..Uniform::default() }.into(),
    }
}

#[test]
fn small_books_equal_the_rule() {
    let (mut draw, mut leavers) = (Mixed(1), [0; RULES.len()]);
    for round in 0..100_000 {
        let n = 1 + draw.below([6, 16, 40][round % 3]) as usize;
        let orders = Orders::draw(&mut draw, n);
        let rule = round % RULES.len();
        leavers[rule] += orders.check(&mechanism(&mut draw, RULES[rule]));
    }
    assert!(leavers.iter().all(|&leavers| leavers > 10_000), "{leavers:?}");
}

#[test]
fn larger_books_equal_the_rule() {
    let mut draw = Mixed(2);
    for round in 0..150 {
        let n = 100 + draw.below(300) as usize;
        let orders = Orders::draw(&mut draw, n);
        orders.check(&mechanism(&mut draw, RULES[round % RULES.len()]));
    }
}
