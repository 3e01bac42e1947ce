//! What the tests of the auctions share: orders as rows, columns made of them, a list of mechanisms, and what must hold
//! whatever the mechanism.
#![allow(dead_code, reason = "every test file is a crate of its own and uses a part of this")]

use std::collections::BTreeMap;

use fastclear_core::auction::maximal_volume::Walk;
use fastclear_core::auction::muda::Variant;
use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound};
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::uniform::PriceRule;
use fastclear_core::auction::{
    Average, Discriminatory, Huang, MaximalVolume, Mechanism, Muda, MultiRound, RandomMatching, RankedRule, Rule, Sbba,
    TradeReduction, Uniform, Vickrey,
};
use fastclear_core::batch::{Clearing, Want, clear};
use fastclear_core::order::{BUY, Columns, Integers};
use fastclear_core::trade::Trades;
use proptest::prelude::*;

/// Largest price and quantity that an order may carry.
pub const BOUND: i64 = (1 << 31) - 1;

/// `SplitMix64`: the same numbers on every machine.
pub struct Mixed(pub u64);

impl Mixed {
    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % n
    }
}

/// One order.
#[derive(Clone, Debug)]
pub struct Order {
    pub market: i64,
    pub id: i64,
    pub participant: i64,
    pub buy: bool,
    pub price: i64,
    pub quantity: i64,
    pub time: i64,
    /// Opening quote.
    pub start: i64,
}

/// Orders as columns. Those that a mechanism may do without are `None` until a test sets them.
#[derive(Clone, Debug)]
pub struct Frame {
    pub side: Vec<u8>,
    pub price: Vec<i64>,
    pub quantity: Vec<i64>,
    pub market: Vec<i64>,
    pub order: Vec<i64>,
    pub time: Vec<i64>,
    pub participant: Option<Vec<i64>>,
    pub start_price: Option<Vec<i64>>,
    pub half: Option<Vec<u8>>,
    pub turn: Option<Vec<i64>>,
}

/// What a clearing says.
#[derive(Clone, Debug)]
pub struct Cleared {
    pub clearing: Clearing,
    pub filled: Vec<i64>,
}

impl Cleared {
    pub fn payment(&self) -> &[i64] {
        self.clearing.payment.as_deref().unwrap()
    }

    pub fn trades(&self) -> &Trades {
        self.clearing.trades.as_ref().unwrap()
    }

    /// Reject code of a row, 0 if it is accepted.
    pub fn reject(&self, row: usize) -> u16 {
        self.clearing.reject.as_ref().map_or(0, |codes| codes[row])
    }
}

impl Frame {
    pub fn of(orders: &[Order]) -> Self {
        let column = |value: fn(&Order) -> i64| orders.iter().map(value).collect::<Vec<i64>>();
        Self {
            side: orders.iter().map(|order| u8::from(order.buy)).collect(),
            price: column(|order| order.price),
            quantity: column(|order| order.quantity),
            market: column(|order| order.market),
            order: column(|order| order.id),
            time: column(|order| order.time),
            participant: None,
            start_price: None,
            half: None,
            turn: None,
        }
    }

    pub fn clear(&self, mechanism: &Mechanism, threads: usize) -> Cleared {
        let columns = Columns {
            side: &self.side,
            price: Integers::Wide(&self.price),
            quantity: Integers::Wide(&self.quantity),
            market: Some(&self.market),
            order: Some(&self.order),
            time: Some(&self.time),
            participant: self.participant.as_deref(),
            start_price: self.start_price.as_deref(),
            half: self.half.as_deref(),
            turn: self.turn.as_deref(),
            ..Columns::default()
        };
        let mut filled = vec![-1; self.side.len()];
        let clearing =
            clear(&columns, mechanism, Want { payment: true, trades: true, ..Want::default() }, threads, &mut filled)
                .unwrap();
        Cleared { clearing, filled }
    }

    /// What must hold whatever the mechanism: no fill beyond its order (U1), as much bought as sold (U2), money that
    /// adds up to the surplus that the mechanism promises (U3), nobody worse off than without trading (U4).
    pub fn check_universal(&self, mechanism: &Mechanism, cleared: &Cleared) {
        let Cleared { clearing, filled } = cleared;
        let (payment, trades, den) = (cleared.payment(), cleared.trades(), i128::from(clearing.den));
        let says = format!("{mechanism:?} of {self:?}");
        for (row, (&fill, &quantity)) in filled.iter().zip(&self.quantity).enumerate() {
            let most = if cleared.reject(row) == 0 { quantity } else { 0 };
            assert!((0..=most).contains(&fill), "U1: row {row} gets {fill}: {says}");
        }
        assert_eq!(trades.payments(filled.len()), payment, "U3: trades and payments: {says}");
        let mut traded = vec![0; filled.len()];
        for t in 0..trades.len() {
            traded[trades.buy_row[t] as usize] += trades.quantity[t];
            traded[trades.sell_row[t] as usize] += trades.quantity[t];
            assert!(trades.quantity[t] > 0, "trade {t} is empty: {says}");
        }
        assert_eq!(&traded, filled, "U2: trades and fills: {says}");
        for outcome in &clearing.outcomes {
            let (mut lots, mut money, mut welfare) = ([0; 2], [0; 2], 0);
            for row in (0..filled.len()).filter(|&row| self.market[row] == outcome.market) {
                let (side, sign) = (usize::from(self.side[row]), if self.side[row] == BUY { 1 } else { -1 });
                lots[side] += filled[row];
                money[side] += sign * i128::from(payment[row]);
                welfare += sign * i128::from(self.price[row]) * i128::from(filled[row]);
            }
            assert_eq!(lots, [outcome.volume; 2], "U2: {says}");
            assert_eq!(money, [outcome.seller_revenue, outcome.buyer_payment], "U3: {says}");
            assert_eq!(outcome.welfare, welfare * den, "welfare: {says}");
            let surplus = outcome.buyer_payment - outcome.seller_revenue;
            let kept = match budget(mechanism) {
                Budget::Balanced => surplus == 0,
                Budget::Surplus => surplus >= 0,
                Budget::Deficit => surplus <= 0,
            };
            assert!(kept, "U3: surplus {surplus} in market {}: {says}", outcome.market);
        }
        // Sums are a participant's: only over all its orders do they promise anything.
        let mut gains: BTreeMap<(i64, i64), i128> = BTreeMap::new();
        for row in 0..filled.len() {
            let agent = self.participant.as_ref().filter(|_| mechanism.pays_sums()).unwrap_or(&self.order)[row];
            let value = den * i128::from(self.price[row]) * i128::from(filled[row]);
            let value = if self.side[row] == BUY { value } else { -value };
            *gains.entry((self.market[row], agent)).or_default() += value - i128::from(payment[row]);
        }
        for ((market, agent), gain) in gains {
            assert!(gain >= 0, "U4: {agent} in market {market} gains {gain}: {says}");
        }
    }
}

/// What a mechanism promises of the money that buyers pay less that which sellers receive.
enum Budget {
    Balanced,
    Surplus,
    Deficit,
}

fn budget(mechanism: &Mechanism) -> Budget {
    let balanced = |balanced: bool| if balanced { Budget::Balanced } else { Budget::Surplus };
    match mechanism.rule {
        Rule::Uniform(rule) => balanced(rule.fee == 0),
        Rule::Discriminatory(rule) => balanced(rule.fee == 0 && rule.rule.price != PairPrice::Apart),
        Rule::Ranked(rule) => match rule {
            RankedRule::MaximalVolume(MaximalVolume { rule, .. })
            | RankedRule::RandomMatching(RandomMatching { rule, .. }) => balanced(rule.price != PairPrice::Apart),
            RankedRule::Muda(rule) => balanced(rule.variant == Variant::Lottery),
            RankedRule::Sbba(_) | RankedRule::Average(_) | RankedRule::MultiRound(_) => Budget::Balanced,
            RankedRule::TradeReduction(_) | RankedRule::Huang(_) => Budget::Surplus,
            RankedRule::Vickrey(_) => Budget::Deficit,
        },
    }
}

/// A few ticks around zero, and the ends of what an order may carry.
pub fn prices() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..12_i64, 2 => -3..3_i64, 1 => Just(BOUND), 1 => Just(-BOUND), 1 => -BOUND..=BOUND]
}

/// A few lots, and as many as an order may carry.
pub fn quantities() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 1..9_i64, 1 => Just(1), 1 => Just(BOUND), 1 => 1..=BOUND]
}

pub fn uniform(rationing: Rationing, zero_surplus: bool, fee: i64) -> Mechanism {
    Uniform { rationing, zero_surplus, fee, ..Uniform::default() }.into()
}

/// Every mechanism, some with several parameters.
pub fn mechanisms() -> Vec<Mechanism> {
    let rule = PairRule { price: PairPrice::Earlier, price_round: PriceRound::Ceil };
    let mut all = vec![Mechanism::from(Discriminatory { rule, fee: 1, reserve: Some(3) })];
    let (seed, unit) = (7, 1);
    for rule in [
        RankedRule::MaximalVolume(MaximalVolume { rule, walk: Walk::Ascending }),
        RankedRule::MaximalVolume(MaximalVolume { rule, walk: Walk::Descending }),
        RankedRule::RandomMatching(RandomMatching { rule, seed }),
        RankedRule::Vickrey(Vickrey),
        RankedRule::TradeReduction(TradeReduction { use_p0: true, cap_low: None, cap_high: None, unit }),
        RankedRule::Huang(Huang),
        RankedRule::Sbba(Sbba { seed, unit }),
        RankedRule::Muda(Muda { variant: Variant::Lottery, seed }),
        RankedRule::Muda(Muda { variant: Variant::Vickrey, seed }),
        RankedRule::Average(Average { unit }),
        RankedRule::MultiRound(MultiRound { buyer_step: 1, seller_step: 2, max_rounds: 9 }),
    ] {
        all.push(Rule::Ranked(rule).into());
    }
    for price_rule in [PriceRule::LastPairMidpoint, PriceRule::ScarceSide, PriceRule::CutOrder] {
        all.push(Uniform { price_rule, rationing: Rationing::Lottery { seed }, ..Uniform::default() }.into());
    }
    let price_rule = PriceRule::MarginalBid;
    all.push(Uniform { price_rule, whole_levels: true, rationing: Rationing::Quantity, ..Uniform::default() }.into());
    for rationing in [Rationing::Time, Rationing::ProRata, Rationing::Equal] {
        all.push(uniform(rationing, true, 0));
        all.push(uniform(rationing, false, 2));
    }
    all
}
