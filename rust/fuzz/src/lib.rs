//! Bytes as orders and a mechanism, and what must hold of every clearing.
//!
//! The fuzz target and the ordinary test `fuzz_corpus` of `fastclear-core` share this file. Any bytes decode: what is
//! missing at their end reads as zero. Cells lean to what breaks auctions: few levels, ties, both ends of every range.

use std::collections::BTreeMap;

use fastclear_core::auction::maximal_volume::Walk;
use fastclear_core::auction::muda::Variant;
use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound, Share};
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::uniform::PriceRule;
use fastclear_core::auction::{
    Average, Discriminatory, Huang, MaximalVolume, Mechanism, Muda, MultiRound, RandomMatching, RankedRule, Rule, Sbba,
    TradeReduction, Uniform, Vickrey,
};
use fastclear_core::batch::{self, Clearing, Want};
use fastclear_core::order::{Columns, Integers};
use fastclear_core::reject::RejectReason;

const TOP: i64 = (1 << 31) - 1;
const ROWS_MAX: usize = 512;
/// Number of rules that the first byte chooses from.
pub const RULES: u8 = 11;

struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A price: mostly one of a few levels, else the ends of the range and beyond it, or any 32 bits.
    fn price(&mut self) -> i64 {
        match self.byte() {
            level @ 0..=199 => i64::from(level % 24) - 4,
            200..=209 => TOP,
            210..=219 => -TOP,
            220..=224 => TOP - 1,
            225..=227 => TOP + 1,
            228..=229 => i64::MIN,
            230..=231 => i64::MAX,
            _ => i64::from(i32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])),
        }
    }

    fn quantity(&mut self) -> i64 {
        match self.byte() {
            lots @ 0..=209 => i64::from(lots % 7),
            210..=229 => TOP,
            230..=234 => TOP - 1,
            235 => TOP + 1,
            236 => -1,
            237 => i64::MIN,
            238 => i64::MAX,
            _ => i64::from(u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()]) >> 1),
        }
    }

    /// An id or a time: small, or an end of 64 bits.
    fn id(&mut self) -> i64 {
        match self.byte() {
            id @ 0..=247 => i64::from(id % 32),
            248..=251 => i64::MAX,
            _ => i64::MIN,
        }
    }

    /// A price that a parameter may be.
    fn tick(&mut self) -> Option<i64> {
        (self.byte() % 4 == 3).then(|| self.price().clamp(-TOP, TOP))
    }

    fn fee(&mut self) -> i64 {
        match self.byte() {
            fee @ 0..=127 => i64::from(fee % 4),
            128..=249 => 0,
            _ => TOP,
        }
    }

    fn seed(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            seed => u64::from(seed),
        }
    }

    fn share(&mut self) -> Share {
        let (numerator, denominator) = (i64::from(self.byte()), i64::from(self.byte()).max(1));
        Share::new(numerator.min(denominator), denominator).unwrap_or(Share::HALF)
    }

    fn round(&mut self) -> PriceRound {
        [PriceRound::Floor, PriceRound::Ceil, PriceRound::HalfUp][usize::from(self.byte() % 3)]
    }

    fn pair_rule(&mut self) -> PairRule {
        let share = self.share();
        let price = match self.byte() % 4 {
            0 => PairPrice::Share(share),
            1 => PairPrice::Earlier,
            2 => PairPrice::Apart,
            _ => PairPrice::Share(Share::HALF),
        };
        PairRule { price, price_round: self.round() }
    }

    fn unit(&mut self) -> i64 {
        [1, 1, 1, 2, 3, TOP][usize::from(self.byte() % 6)]
    }

    fn caps(&mut self) -> (Option<i64>, Option<i64>) {
        match (self.tick(), self.tick()) {
            (Some(one), Some(two)) => (Some(one.min(two)), Some(one.max(two))),
            caps => caps,
        }
    }

    fn mechanism(&mut self) -> Mechanism {
        let ranked = match self.byte() % RULES {
            0 => return self.uniform(),
            1 => {
                let rule = Discriminatory { rule: self.pair_rule(), fee: self.fee(), reserve: self.tick() };
                let (cap_low, cap_high) = self.caps();
                return Mechanism { rule: Rule::Discriminatory(rule), cap_low, cap_high };
            }
            2 => {
                let walk = if self.flag() { Walk::Ascending } else { Walk::Descending };
                RankedRule::MaximalVolume(MaximalVolume { rule: self.pair_rule(), walk })
            }
            3 => RankedRule::RandomMatching(RandomMatching { rule: self.pair_rule(), seed: self.seed() }),
            4 => RankedRule::Vickrey(Vickrey),
            5 => {
                let ((cap_low, cap_high), use_p0, unit) = (self.caps(), self.flag(), self.unit());
                let rule = TradeReduction { use_p0, cap_low, cap_high, unit };
                return Mechanism { rule: Rule::Ranked(RankedRule::TradeReduction(rule)), cap_low, cap_high };
            }
            6 => RankedRule::Huang(Huang),
            7 => RankedRule::Sbba(Sbba { seed: self.seed(), unit: self.unit() }),
            8 => {
                let variant = if self.flag() { Variant::Lottery } else { Variant::Vickrey };
                RankedRule::Muda(Muda { variant, seed: self.seed() })
            }
            9 => RankedRule::Average(Average { unit: self.unit() }),
            _ => RankedRule::MultiRound(MultiRound {
                buyer_step: [0, 1, 2, 5, TOP][usize::from(self.byte() % 5)],
                seller_step: [0, 1, 3, 7, TOP][usize::from(self.byte() % 5)],
                max_rounds: u32::from(self.byte()),
            }),
        };
        Rule::Ranked(ranked).into()
    }

    fn uniform(&mut self) -> Mechanism {
        use PriceRule::{CappedMidpoint, CutOrder, Interval, LastPairMidpoint, MarginalAsk, MarginalBid, ScarceSide};
        let rules =
            [Interval, MarginalAsk, MarginalBid, LastPairMidpoint, ScarceSide, CutOrder, CappedMidpoint, Interval];
        let (choice, round) = (self.byte(), self.byte());
        let price_rule = rules[usize::from(choice % 8)];
        let zero_surplus = choice & 8 == 0;
        let rationing = match self.byte() % 5 {
            0 => Rationing::Time,
            1 => Rationing::ProRata,
            2 => Rationing::Equal,
            3 => Rationing::Quantity,
            _ => Rationing::Lottery { seed: self.seed() },
        };
        let rule = Uniform {
            k: self.share(),
            rationing,
            price_rule,
            price_round: (round & 4 == 0).then(|| self.round()),
            zero_surplus,
            whole_levels: choice & 16 != 0 && zero_surplus && price_rule == MarginalBid,
            fee: self.fee(),
            reserve: self.tick(),
        };
        let (cap_low, cap_high) = self.caps();
        Mechanism { rule: Rule::Uniform(rule), cap_low, cap_high }
    }
}

/// A mechanism and the orders it clears.
#[derive(Debug)]
pub struct Case {
    mechanism: Mechanism,
    side: Vec<u8>,
    price: Vec<i64>,
    quantity: Vec<i64>,
    market: Option<Vec<i64>>,
    order: Option<Vec<i64>>,
    time: Option<Vec<i64>>,
    is_market_order: Option<Vec<u8>>,
    participant: Option<Vec<i64>>,
    min_quantity: Option<Vec<i64>>,
    start_price: Option<Vec<i64>>,
    half: Option<Vec<u8>>,
    turn: Option<Vec<i64>>,
    refused: Option<Vec<u16>>,
}

impl Case {
    /// Any bytes as a case: mechanism, which optional columns there are, then row by row.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut bytes = Bytes(bytes.iter());
        let mechanism = bytes.mechanism();
        let has = u16::from_le_bytes([bytes.byte(), bytes.byte()]);
        let column = |bit: u16| (has & (1 << bit) != 0).then(Vec::new);
        let mut case = Self {
            mechanism,
            side: Vec::new(),
            price: Vec::new(),
            quantity: Vec::new(),
            market: column(0),
            order: column(1),
            time: column(2),
            is_market_order: (has & (1 << 3) != 0).then(Vec::new),
            participant: column(4),
            min_quantity: column(5),
            start_price: column(6),
            half: (has & (1 << 7) != 0).then(Vec::new),
            turn: column(8),
            refused: (has & (1 << 9) != 0).then(Vec::new),
        };
        let dense_ids = has & (1 << 10) != 0; // ids that rarely meet, else ids that often do
        let any_lots = has & (1 << 11) != 0;
        while !bytes.is_empty() && case.side.len() < ROWS_MAX {
            let row = case.side.len() as i64;
            let side = bytes.byte();
            case.side.push(if side > 250 { side } else { side & 1 });
            case.price.push(bytes.price());
            // Where all must be of one unit, ordinary quantities are.
            case.quantity.push(match (bytes.quantity(), mechanism.unit()) {
                (0..=6, Some(unit)) if !any_lots => unit,
                (lots, _) => lots,
            });
            if let Some(market) = &mut case.market {
                market.push(bytes.id() % 3);
            }
            if let Some(order) = &mut case.order {
                order.push(if dense_ids { bytes.id().wrapping_mul(1024).wrapping_add(row) } else { bytes.id() });
            }
            if let Some(time) = &mut case.time {
                time.push(bytes.id());
            }
            if let Some(kinds) = &mut case.is_market_order {
                kinds.push(u8::from(bytes.byte() > 199));
            }
            if let Some(participant) = &mut case.participant {
                participant.push(bytes.id());
            }
            if let Some(least) = &mut case.min_quantity {
                least.push(bytes.quantity());
            }
            if let Some(start) = &mut case.start_price {
                start.push(bytes.price());
            }
            if let Some(half) = &mut case.half {
                half.push(bytes.byte() & 1);
            }
            if let Some(turn) = &mut case.turn {
                turn.push(bytes.id());
            }
            if let Some(refused) = &mut case.refused {
                let code = bytes.byte();
                refused.push(if code > 220 { u16::from(code % 13) } else { 0 });
            }
        }
        case
    }

    /// The columns as the core takes them.
    pub fn columns(&self) -> Columns<'_> {
        Columns {
            side: &self.side,
            price: Integers::Wide(&self.price),
            quantity: Integers::Wide(&self.quantity),
            market: self.market.as_deref(),
            order: self.order.as_deref(),
            time: self.time.as_deref(),
            is_market_order: self.is_market_order.as_deref(),
            participant: self.participant.as_deref(),
            min_quantity: self.min_quantity.as_deref(),
            start_price: self.start_price.as_deref(),
            half: self.half.as_deref(),
            turn: self.turn.as_deref(),
            refused: self.refused.as_deref(),
        }
    }

    fn reversed(&self) -> Self {
        fn back<T: Copy>(column: &[T]) -> Vec<T> {
            column.iter().rev().copied().collect()
        }
        Self {
            mechanism: self.mechanism,
            side: back(&self.side),
            price: back(&self.price),
            quantity: back(&self.quantity),
            market: self.market.as_deref().map(back),
            order: self.order.as_deref().map(back),
            time: self.time.as_deref().map(back),
            is_market_order: self.is_market_order.as_deref().map(back),
            participant: self.participant.as_deref().map(back),
            min_quantity: self.min_quantity.as_deref().map(back),
            start_price: self.start_price.as_deref().map(back),
            half: self.half.as_deref().map(back),
            turn: self.turn.as_deref().map(back),
            refused: self.refused.as_deref().map(back),
        }
    }

    fn market_of(&self, row: usize) -> i64 {
        self.market.as_ref().map_or(0, |ids| ids[row])
    }

    fn clear(&self, columns: &Columns<'_>, want: Want) -> (Clearing, Vec<i64>) {
        let mut filled = vec![-7; self.side.len()];
        match batch::clear(columns, &self.mechanism, want, 2, &mut filled) {
            Ok(clearing) => (clearing, filled),
            Err(error) => panic!("columns of one length refused: {error}"),
        }
    }
}

/// Clears what the bytes say, checks what must hold whatever the mechanism, and returns the number of trades.
///
/// # Panics
/// An invariant does not hold.
pub fn check(bytes: &[u8]) -> usize {
    let case = Case::decode(bytes);
    let (clearing, filled) = case.clear(&case.columns(), Want { payment: true, trades: true, ..Want::default() });
    let payment = clearing.payment.clone().unwrap_or_default();
    assert_eq!(payment.len(), filled.len(), "payments are of every order");
    check_fills(&case, &clearing, &filled, &payment);
    check_trades(&case, &clearing, &filled, &payment);
    check_markets(&case, &clearing, &filled, &payment);
    check_rationality(&case, &clearing, &filled, &payment);
    check_other_ways(&case, &clearing, &filled, &payment);
    clearing.trades.map_or(0, |trades| trades.len())
}

fn code(clearing: &Clearing, row: usize) -> u16 {
    clearing.reject.as_ref().map_or(0, |codes| codes[row])
}

fn check_fills(case: &Case, clearing: &Clearing, filled: &[i64], payment: &[i64]) {
    let columns = case.columns();
    for (row, &fill) in filled.iter().enumerate() {
        let code = code(clearing, row);
        let own = columns.refuse(row, &case.mechanism);
        assert!(own == 0 || own == code, "row {row}: code {code} hides its own fault {own}");
        if code == 0 {
            assert!((0..=case.quantity[row]).contains(&fill), "row {row}: {fill} of {}", case.quantity[row]);
        } else {
            assert!(RejectReason::ALL.iter().any(|reason| reason.code() == code), "row {row}: code {code}");
            assert_eq!((fill, payment[row]), (0, 0), "row {row} was refused");
        }
        if fill == 0 {
            assert_eq!(payment[row], 0, "row {row} pays for nothing");
        }
        if case.mechanism.takes_minimums() && code == 0 {
            let least = case.min_quantity.as_ref().map_or(0, |least| least[row]);
            assert!(fill == 0 || fill >= least, "row {row}: {fill} is below the least {least}");
        }
    }
}

fn check_trades(case: &Case, clearing: &Clearing, filled: &[i64], payment: &[i64]) {
    let Some(trades) = &clearing.trades else { panic!("trades were asked for") };
    let (mut lots, mut money) = (vec![0_i64; filled.len()], vec![0_i64; filled.len()]);
    for (t, market_index) in trades.market_indices().enumerate() {
        let (bid, ask) = (trades.buy_row[t] as usize, trades.sell_row[t] as usize);
        assert_eq!((case.side[bid], case.side[ask]), (1, 0), "trade {t} has a bid and an ask");
        let market = clearing.outcomes[market_index as usize].market;
        assert_eq!((case.market_of(bid), case.market_of(ask)), (market, market), "trade {t} is of one market");
        assert!(trades.quantity[t] > 0, "trade {t} trades something");
        let (paid, received) = trades.amounts(t);
        lots[bid] += trades.quantity[t];
        lots[ask] += trades.quantity[t];
        money[bid] += paid;
        money[ask] -= received;
        if let Some(reserve) = case.mechanism.reserve() {
            assert!(
                received >= reserve * i64::from(clearing.den) * trades.quantity[t],
                "trade {t} is below the reserve"
            );
        }
    }
    assert!(trades.markets.is_sorted(), "trades come market by market");
    assert_eq!(trades.market_indices().count(), trades.len(), "every trade is of a market");
    assert_eq!(lots, filled, "trades add up to fills");
    assert_eq!(money, payment, "trades add up to payments");
}

fn check_markets(case: &Case, clearing: &Clearing, filled: &[i64], payment: &[i64]) {
    #[derive(Default, PartialEq, Debug)]
    struct Total {
        volumes: [i64; 2],
        orders: [u32; 2],
        money: [i128; 2],
    }
    let mut totals: BTreeMap<i64, Total> = BTreeMap::new();
    for (row, &fill) in filled.iter().enumerate() {
        let total = totals.entry(case.market_of(row)).or_default();
        if code(clearing, row) == 0 {
            let side = usize::from(case.side[row]);
            total.volumes[side] += fill;
            total.orders[side] += 1;
            total.money[side] += i128::from(payment[row]);
        }
    }
    assert_eq!(clearing.outcomes.len(), totals.len(), "one outcome a market");
    let pays_in = !case.mechanism.pays_sums();
    for (outcome, (market, total)) in clearing.outcomes.iter().zip(totals) {
        let said = Total {
            volumes: [outcome.volume; 2],
            orders: [outcome.sell_orders, outcome.buy_orders],
            money: [-outcome.seller_revenue, outcome.buyer_payment],
        };
        assert_eq!((outcome.market, said), (market, total), "the outcome adds up");
        assert!(!pays_in || outcome.buyer_payment >= outcome.seller_revenue, "market {market} runs a deficit");
        assert!(!pays_in || outcome.welfare >= 0, "market {market} loses welfare");
    }
}

/// Nobody pays more than the limit or earns less: order by order, or agent by agent where an agent pays a sum.
fn check_rationality(case: &Case, clearing: &Clearing, filled: &[i64], payment: &[i64]) {
    let den = i128::from(clearing.den);
    assert!(den == 1 || (den == 2 && case.mechanism.is_halved()), "den {den}");
    let mut gains: BTreeMap<(i64, i64), i128> = BTreeMap::new();
    for (row, &fill) in filled.iter().enumerate() {
        if fill == 0 {
            continue;
        }
        let is_bid = case.side[row] == 1;
        let is_market_order = case.is_market_order.as_ref().is_some_and(|kinds| kinds[row] != 0);
        let limit = match (is_market_order, is_bid) {
            (false, _) => case.price[row],
            // At least what any limit order names; with caps, the cap.
            (true, true) => case.mechanism.cap_high.unwrap_or(TOP),
            (true, false) => case.mechanism.cap_low.unwrap_or(-TOP),
        };
        let worth = i128::from(limit) * i128::from(fill) * den;
        let gain = if is_bid { worth } else { -worth } - i128::from(payment[row]);
        if case.mechanism.pays_sums() {
            let agent = case.participant.as_ref().map_or(row as i64, |ids| ids[row]);
            *gains.entry((case.market_of(row), agent)).or_default() += gain;
        } else {
            assert!(gain >= 0, "row {row} loses {}", -gain);
        }
    }
    for (agent, gain) in gains {
        assert!(gain >= 0, "agent {agent:?} loses {}", -gain);
    }
}

/// The same orders in the other row order, in 32 bits, and without payments and trades.
fn check_other_ways(case: &Case, clearing: &Clearing, filled: &[i64], payment: &[i64]) {
    let all = Want { payment: true, trades: true, ..Want::default() };
    let columns = case.columns();
    let (bare, bare_filled) = case.clear(&columns, Want::default());
    assert_eq!(bare_filled, filled, "fills do not depend on what is wanted");
    assert_eq!((bare.den, bare.outcomes, &bare.reject), (clearing.den, clearing.outcomes.clone(), &clearing.reject));

    let fits = |column: &[i64]| column.iter().map(|&value| i32::try_from(value).ok()).collect::<Option<Vec<i32>>>();
    if let (Some(price), Some(quantity)) = (fits(&case.price), fits(&case.quantity)) {
        let narrow = Columns { price: Integers::Narrow(&price), quantity: Integers::Narrow(&quantity), ..columns };
        let (again, again_filled) = case.clear(&narrow, all);
        assert_eq!((&again.outcomes, &again_filled[..]), (&clearing.outcomes, filled), "32 bits");
        assert_eq!(again.payment.as_deref(), Some(payment), "32 bits");
    }
    if case.order.is_some() {
        let back = case.reversed();
        let (other, mut other_filled) = back.clear(&back.columns(), all);
        let (mut other_payment, mut other_reject) =
            (other.payment.unwrap_or_default(), other.reject.unwrap_or_default());
        other_filled.reverse();
        other_payment.reverse();
        other_reject.reverse();
        assert_eq!(other_reject, clearing.reject.clone().unwrap_or_default(), "reversed rows");
        assert_eq!((&other_filled[..], &other_payment[..]), (filled, payment), "reversed rows");
        assert_eq!(other.outcomes, clearing.outcomes, "reversed rows");
    }
}

/// `SplitMix64`: bytes that are the same everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// A number below `n`.
    pub const fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// An input: a rule and up to `len` bytes of one of four laws.
    pub fn input(&mut self, rule: u8, len: usize) -> Vec<u8> {
        let law = self.next() % 4;
        let mut bytes: Vec<u8> = (0..=self.below(len))
            .map(|_| {
                let byte = self.next();
                match law {
                    0 => byte as u8,
                    1 => (byte % 200) as u8, // no ends of ranges
                    2 => (byte % if byte >> 60 == 0 { 256 } else { 200 }) as u8, // few
                    _ => 198 + (byte % 58) as u8, // hardly anything else
                }
            })
            .collect();
        bytes[0] = rule;
        bytes
    }
}

/// Name and bytes of every input that is kept in `corpus/clear`: four for each rule, from nothing to hundreds of orders.
pub fn corpus() -> Vec<(String, Vec<u8>)> {
    let mut random = Random(20_261_121);
    let mut corpus = vec![("empty".to_owned(), Vec::new())];
    for rule in 0..RULES {
        for (size, len) in [("few", 40), ("some", 160), ("many", 1_200), ("hundreds", 4_000)] {
            let mut bytes = vec![rule];
            while bytes.len() < len / 2 {
                bytes = random.input(rule, len);
            }
            corpus.push((format!("rule{rule:02}-{size}"), bytes));
        }
    }
    corpus
}
