//! The rule of an exchange as sixteen integers and as canonical JSON text.

use std::fmt::Write;

use crate::auction::maximal_volume::Walk;
use crate::auction::muda::Variant;
use crate::auction::price::{PairPrice, PairRule, PriceRound, Share};
use crate::auction::rationing::Rationing;
use crate::auction::uniform::PriceRule;
use crate::auction::{
    Average, Discriminatory, Huang, MaximalVolume, Mechanism, Muda, MultiRound, RandomMatching, RankedRule, Rule, Sbba,
    TradeReduction, Uniform, Vickrey,
};
use crate::bytes::{Malformed, Reader};
use crate::units::{PRICE_MAX, price_in_range, quantity_in_range};

/// Names of the rules; a rule's number is its place here.
const RULES: [&str; 11] = [
    "uniform",
    "discriminatory",
    "maximal_volume",
    "random_matching",
    "vickrey",
    "trade_reduction",
    "huang",
    "sbba",
    "muda",
    "average",
    "multi_round",
];
const RATIONINGS: [&str; 5] = ["pro_rata", "time", "equal", "quantity", "lottery"];
const PRICE_RULES: [&str; 7] =
    ["interval", "marginal_ask", "marginal_bid", "last_pair_midpoint", "scarce_side", "cut_order", "capped_midpoint"];
const PAIR_RULES: [&str; 3] = ["k", "earlier", "apart"];
const ROUNDS: [&str; 4] = ["floor", "ceil", "half_up", "exact"];
const WALKS: [&str; 2] = ["ascending", "descending"];
const VARIANTS: [&str; 2] = ["lottery", "vickrey"];

/// What a field of a mechanism is written as.
#[derive(Clone, Copy)]
enum Shown {
    Word(&'static [&'static str]),
    Number,
    YesNo,
    /// `i64::MIN` is none.
    Price,
    /// A seed, in two's complement.
    Seed,
}

/// Fields by name, in the order of the text; those that a rule has not are left out.
#[derive(Default)]
struct Fields(Vec<(&'static str, Shown, i64)>);

impl Fields {
    fn put(&mut self, name: &'static str, shown: Shown, value: i64) {
        self.0.push((name, shown, value));
    }

    fn share(&mut self, share: Share) {
        let (numerator, denominator) = share.parts();
        self.put("k_numerator", Shown::Number, numerator);
        self.put("k_denominator", Shown::Number, denominator);
    }

    fn pair(&mut self, rule: PairRule) {
        let (number, k) = match rule.price {
            PairPrice::Share(k) => (0, k),
            PairPrice::Earlier => (1, Share::HALF),
            PairPrice::Apart => (2, Share::HALF),
        };
        self.put("price", Shown::Word(&PAIR_RULES), number);
        if number == 0 {
            self.share(k);
        }
        self.put("price_round", Shown::Word(&ROUNDS), round_number(Some(rule.price_round)));
    }
}

const fn round_number(round: Option<PriceRound>) -> i64 {
    match round {
        Some(PriceRound::Floor) => 0,
        Some(PriceRound::Ceil) => 1,
        Some(PriceRound::HalfUp) => 2,
        None => 3,
    }
}

const fn optional(price: Option<i64>) -> i64 {
    match price {
        Some(price) => price,
        None => i64::MIN,
    }
}

/// The number of the rule, and its fields.
fn fields(mechanism: &Mechanism) -> (i64, Fields) {
    let mut f = Fields::default();
    let number = match mechanism.rule {
        Rule::Uniform(rule) => {
            f.share(rule.k);
            let (rationing, seed) = match rule.rationing {
                Rationing::ProRata => (0, None),
                Rationing::Time => (1, None),
                Rationing::Equal => (2, None),
                Rationing::Quantity => (3, None),
                Rationing::Lottery { seed } => (4, Some(seed)),
            };
            f.put("rationing", Shown::Word(&RATIONINGS), rationing);
            if let Some(seed) = seed {
                f.put("seed", Shown::Seed, seed as i64);
            }
            let price_rule = match rule.price_rule {
                PriceRule::Interval => 0,
                PriceRule::MarginalAsk => 1,
                PriceRule::MarginalBid => 2,
                PriceRule::LastPairMidpoint => 3,
                PriceRule::ScarceSide => 4,
                PriceRule::CutOrder => 5,
                PriceRule::CappedMidpoint => 6,
            };
            f.put("price_rule", Shown::Word(&PRICE_RULES), price_rule);
            f.put("price_round", Shown::Word(&ROUNDS), round_number(rule.price_round));
            f.put("zero_surplus", Shown::YesNo, i64::from(rule.zero_surplus));
            f.put("whole_levels", Shown::YesNo, i64::from(rule.whole_levels));
            f.put("fee", Shown::Number, rule.fee);
            f.put("reserve", Shown::Price, optional(rule.reserve));
            0
        }
        Rule::Discriminatory(rule) => {
            f.pair(rule.rule);
            f.put("fee", Shown::Number, rule.fee);
            f.put("reserve", Shown::Price, optional(rule.reserve));
            1
        }
        Rule::Ranked(rule) => match rule {
            RankedRule::MaximalVolume(rule) => {
                f.pair(rule.rule);
                f.put("walk", Shown::Word(&WALKS), i64::from(rule.walk == Walk::Descending));
                2
            }
            RankedRule::RandomMatching(rule) => {
                f.pair(rule.rule);
                f.put("seed", Shown::Seed, rule.seed as i64);
                3
            }
            RankedRule::Vickrey(_) => 4,
            RankedRule::TradeReduction(rule) => {
                f.put("use_p0", Shown::YesNo, i64::from(rule.use_p0));
                f.put("unit", Shown::Number, rule.unit);
                5
            }
            RankedRule::Huang(_) => 6,
            RankedRule::Sbba(rule) => {
                f.put("seed", Shown::Seed, rule.seed as i64);
                f.put("unit", Shown::Number, rule.unit);
                7
            }
            RankedRule::Muda(rule) => {
                f.put("variant", Shown::Word(&VARIANTS), i64::from(rule.variant == Variant::Vickrey));
                f.put("seed", Shown::Seed, rule.seed as i64);
                8
            }
            RankedRule::Average(rule) => {
                f.put("unit", Shown::Number, rule.unit);
                9
            }
            RankedRule::MultiRound(rule) => {
                f.put("buyer_step", Shown::Number, rule.buyer_step);
                f.put("seller_step", Shown::Number, rule.seller_step);
                f.put("max_rounds", Shown::Number, i64::from(rule.max_rounds));
                10
            }
        },
    };
    f.put("cap_low", Shown::Price, optional(mechanism.cap_low));
    f.put("cap_high", Shown::Price, optional(mechanism.cap_high));
    (number, f)
}

/// The mechanism as JSON with sorted keys, ready to stand in a larger text.
pub(super) fn text(mechanism: &Mechanism) -> String {
    let (number, Fields(mut fields)) = fields(mechanism);
    fields.push(("rule", Shown::Word(&RULES), number));
    fields.sort_unstable_by_key(|&(name, ..)| name);
    let mut out = String::from("{");
    for (place, &(name, shown, value)) in fields.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = match shown {
            Shown::Word(words) => write!(out, "{comma}\"{name}\":\"{}\"", words[value as usize]),
            Shown::YesNo => write!(out, "{comma}\"{name}\":{}", value == 1),
            Shown::Price if value == i64::MIN => write!(out, "{comma}\"{name}\":null"),
            Shown::Number | Shown::Price => write!(out, "{comma}\"{name}\":{value}"),
            Shown::Seed => write!(out, "{comma}\"{name}\":{}", value as u64),
        };
    }
    out.push('}');
    out
}

/// Appends the number of the rule (one byte), how many fields follow (one byte), and the fields, 8 bytes each.
pub(super) fn encode(mechanism: &Mechanism, out: &mut Vec<u8>) {
    let (number, Fields(fields)) = fields(mechanism);
    out.push(number as u8);
    out.push(fields.len() as u8);
    for (_, _, value) in fields {
        out.extend(value.to_le_bytes());
    }
}

/// The next fields of a rule, one after another.
struct Values<'r, 'a>(&'r mut Reader<'a>);

impl Values<'_, '_> {
    fn number(&mut self) -> Result<i64, Malformed> {
        self.0.i64()
    }

    fn seed(&mut self) -> Result<u64, Malformed> {
        self.0.u64()
    }

    fn below(&mut self, end: usize) -> Result<usize, Malformed> {
        let value = self.number()?;
        usize::try_from(value)
            .ok()
            .filter(|&value| value < end)
            .ok_or(self.0.fault("a term of the mechanism is unknown"))
    }

    fn yes_no(&mut self) -> Result<bool, Malformed> {
        Ok(self.below(2)? == 1)
    }

    fn in_range(&mut self, is_in_range: fn(i64) -> bool) -> Result<i64, Malformed> {
        let value = self.number()?;
        if is_in_range(value) { Ok(value) } else { Err(self.0.fault("a term of the mechanism is out of range")) }
    }

    fn price(&mut self) -> Result<Option<i64>, Malformed> {
        let value = self.in_range(|value| value == i64::MIN || price_in_range(value))?;
        Ok((value != i64::MIN).then_some(value))
    }

    fn fee(&mut self) -> Result<i64, Malformed> {
        self.in_range(|fee| (0..=PRICE_MAX).contains(&fee))
    }

    fn share(&mut self) -> Result<Share, Malformed> {
        let (numerator, denominator) = (self.number()?, self.number()?);
        Share::new(numerator, denominator).ok_or(self.0.fault("k is no share"))
    }

    fn round(&mut self) -> Result<Option<PriceRound>, Malformed> {
        Ok(match self.below(4)? {
            0 => Some(PriceRound::Floor),
            1 => Some(PriceRound::Ceil),
            2 => Some(PriceRound::HalfUp),
            _ => None,
        })
    }

    fn pair(&mut self) -> Result<PairRule, Malformed> {
        let price = match self.below(3)? {
            0 => PairPrice::Share(self.share()?),
            1 => PairPrice::Earlier,
            _ => PairPrice::Apart,
        };
        let price_round = self.round()?.ok_or(self.0.fault("a price of pairs is rounded"))?;
        Ok(PairRule { price, price_round })
    }

    fn uniform(&mut self) -> Result<Uniform, Malformed> {
        let k = self.share()?;
        let rationing = match self.below(5)? {
            0 => Rationing::ProRata,
            1 => Rationing::Time,
            2 => Rationing::Equal,
            3 => Rationing::Quantity,
            _ => Rationing::Lottery { seed: self.seed()? },
        };
        let price_rule = match self.below(7)? {
            0 => PriceRule::Interval,
            1 => PriceRule::MarginalAsk,
            2 => PriceRule::MarginalBid,
            3 => PriceRule::LastPairMidpoint,
            4 => PriceRule::ScarceSide,
            5 => PriceRule::CutOrder,
            _ => PriceRule::CappedMidpoint,
        };
        let (price_round, zero_surplus, whole_levels) = (self.round()?, self.yes_no()?, self.yes_no()?);
        if whole_levels && (price_rule != PriceRule::MarginalBid || !zero_surplus) {
            return Err(self.0.fault("whole levels clear at the price of the last bids, with zero surplus"));
        }
        let (fee, reserve) = (self.fee()?, self.price()?);
        Ok(Uniform { k, rationing, price_rule, price_round, zero_surplus, whole_levels, fee, reserve })
    }
}

/// The mechanism that [`encode`] wrote.
pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Mechanism, Malformed> {
    let (number, count) = (reader.u8()?, reader.u8()?);
    let start = reader.at();
    let mut v = Values(reader);
    let rule = match number {
        0 => Rule::Uniform(v.uniform()?),
        1 => Rule::Discriminatory(Discriminatory { rule: v.pair()?, fee: v.fee()?, reserve: v.price()? }),
        2 => {
            let rule = v.pair()?;
            let walk = if v.yes_no()? { Walk::Descending } else { Walk::Ascending };
            Rule::Ranked(RankedRule::MaximalVolume(MaximalVolume { rule, walk }))
        }
        3 => Rule::Ranked(RankedRule::RandomMatching(RandomMatching { rule: v.pair()?, seed: v.seed()? })),
        4 => Rule::Ranked(RankedRule::Vickrey(Vickrey)),
        5 => {
            let (use_p0, unit) = (v.yes_no()?, v.in_range(quantity_in_range)?);
            // Its own caps are those of the mechanism, read below.
            Rule::Ranked(RankedRule::TradeReduction(TradeReduction { use_p0, cap_low: None, cap_high: None, unit }))
        }
        6 => Rule::Ranked(RankedRule::Huang(Huang)),
        7 => Rule::Ranked(RankedRule::Sbba(Sbba { seed: v.seed()?, unit: v.in_range(quantity_in_range)? })),
        8 => {
            let variant = if v.yes_no()? { Variant::Vickrey } else { Variant::Lottery };
            Rule::Ranked(RankedRule::Muda(Muda { variant, seed: v.seed()? }))
        }
        9 => Rule::Ranked(RankedRule::Average(Average { unit: v.in_range(quantity_in_range)? })),
        10 => {
            let (buyer_step, seller_step) = (v.fee()?, v.fee()?);
            let max_rounds = v.in_range(|rounds| u32::try_from(rounds).is_ok())? as u32;
            Rule::Ranked(RankedRule::MultiRound(MultiRound { buyer_step, seller_step, max_rounds }))
        }
        _ => return Err(reader.fault("the mechanism is unknown")),
    };
    let (cap_low, cap_high) = (v.price()?, v.price()?);
    if cap_low.zip(cap_high).is_some_and(|(low, high)| low > high) {
        return Err(reader.fault("cap_low is above cap_high"));
    }
    if reader.at() - start != usize::from(count) * 8 {
        return Err(reader.fault("the mechanism has another number of terms"));
    }
    Ok(with_caps(Mechanism { rule, cap_low, cap_high }))
}

/// The mechanism with its caps where its rule looks for them.
pub(super) fn with_caps(mut mechanism: Mechanism) -> Mechanism {
    if let Rule::Ranked(RankedRule::TradeReduction(rule)) = &mut mechanism.rule {
        (rule.cap_low, rule.cap_high) = (mechanism.cap_low, mechanism.cap_high);
    }
    mechanism
}

/// The mechanism of one gate: what draws lots draws other ones in every slot, from its seed + the slot, mod 2⁶⁴.
pub(super) fn of_slot(mut mechanism: Mechanism, slot: i64) -> Mechanism {
    let (Rule::Uniform(Uniform { rationing: Rationing::Lottery { seed }, .. })
    | Rule::Ranked(
        RankedRule::RandomMatching(RandomMatching { seed, .. })
        | RankedRule::Sbba(Sbba { seed, .. })
        | RankedRule::Muda(Muda { seed, .. }),
    )) = &mut mechanism.rule
    else {
        return mechanism;
    };
    *seed = seed.wrapping_add(slot as u64);
    mechanism
}
