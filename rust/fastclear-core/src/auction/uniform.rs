//! Uniform price: everyone in a market trades at one price, by default inside the exact clearing interval.
//!
//! The k-double auction of Satterthwaite & Williams (1989) for step curves: efficient, budget balanced, individually
//! rational, not truthful. Other price rules reproduce those of other engines on the same trades.

use super::book::{Book, Number, Priority};
use super::curve::{self, Crossing, Terms};
use super::part::Part;
use super::price::{PriceRound, Share};
use super::ranked::Scratch;
use super::rationing::Rationing;
use crate::simd;

/// How the price follows from the crossing. All but the first need the limits of the last orders served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PriceRule {
    /// `low + k × (high − low)` in the clearing interval.
    #[default]
    Interval,
    /// The highest accepted ask.
    MarginalAsk,
    /// The lowest accepted bid.
    MarginalBid,
    /// Midpoint of the two.
    LastPairMidpoint,
    /// The lowest accepted bid where every ask is sold out and some bid goes short, else the highest accepted ask.
    ScarceSide,
    /// The price of the order that is cut; where none is, the midpoint of the last pair, kept in the interval.
    CutOrder,
    /// Midpoint of the last pair, at most 5 % above the ask.
    CappedMidpoint,
}

/// Uniform-price call auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uniform {
    /// Where in the interval the price lies: 0 leaves it to buyers, 1 to sellers.
    pub k: Share,
    /// How orders at the marginal price share what is left.
    pub rationing: Rationing,
    /// How the price follows from the crossing.
    pub price_rule: PriceRule,
    /// Rounding of the price to a tick; without it the midpoint of the last pair is exact, over 2.
    pub price_round: Option<PriceRound>,
    /// Whether units whose bid equals their ask trade.
    pub zero_surplus: bool,
    /// Whether bids of one price trade whole or not at all (the price is then that of the last bids).
    pub whole_levels: bool,
    /// Fee a unit, paid by the buyer on top of the price; no trade with bid − ask below it.
    pub fee: i64,
    /// Lowest price that sellers may receive; bids competing below it take no part.
    pub reserve: Option<i64>,
}

impl Default for Uniform {
    fn default() -> Self {
        Self {
            k: Share::HALF,
            rationing: Rationing::default(),
            price_rule: PriceRule::default(),
            price_round: None,
            zero_surplus: true,
            whole_levels: false,
            fee: 0,
            reserve: None,
        }
    }
}

/// The crossing as a price rule sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margin {
    /// Lowest accepted bid.
    pub last_bid: i64,
    /// Highest accepted ask.
    pub last_ask: i64,
    /// Whether every ask of the market is sold out and some bid is not served whole.
    pub supply_is_scarce: bool,
}

impl Margin {
    /// Reads the margin off the fills.
    pub fn of<P: Number, Q: Number>(book: &Book<'_, P, Q>, filled: &[i64]) -> Self {
        let simd::Margin { last_bid, last_ask, next_bid, next_ask } = simd::margin(book, filled);
        Self { last_bid, last_ask, supply_is_scarce: next_bid > i64::MIN && next_ask == i64::MAX }
    }
}

impl Uniform {
    /// Whether prices are over 2: an exact midpoint was asked for.
    pub const fn is_halved(&self) -> bool {
        matches!((self.price_rule, self.price_round), (PriceRule::LastPairMidpoint, None))
    }

    /// Whether the price follows from the interval alone.
    pub const fn is_interval(&self) -> bool {
        matches!(self.price_rule, PriceRule::Interval)
    }

    /// The price, over 2 where [`Self::is_halved`], of a crossing with the given interval; `margin` is asked for only where
    /// the rule needs it.
    pub fn price(&self, (low, high): (i64, i64), margin: impl FnOnce() -> Margin) -> i64 {
        let round = self.price_round.unwrap_or_default();
        let price = match self.price_rule {
            PriceRule::Interval => self.k.of(low, high, round),
            rule => {
                let Margin { last_bid, last_ask, supply_is_scarce } = margin();
                match rule {
                    PriceRule::Interval | PriceRule::MarginalAsk => last_ask,
                    PriceRule::MarginalBid => last_bid,
                    PriceRule::LastPairMidpoint if self.is_halved() => {
                        let midpoint = last_bid + last_ask;
                        return self.reserve.map_or(midpoint, |reserve| midpoint.max(2 * reserve));
                    }
                    PriceRule::LastPairMidpoint => Share::HALF.of(last_ask, last_bid, round),
                    PriceRule::ScarceSide => {
                        if supply_is_scarce {
                            last_bid
                        } else {
                            last_ask
                        }
                    }
                    PriceRule::CutOrder => Share::HALF.of(last_ask, last_bid, round).clamp(low, high),
                    PriceRule::CappedMidpoint => {
                        // A twentieth above the ask, as far as that is above and not past the midpoint.
                        let twentieth = Share::of(Share::TWENTIETH, 0, last_ask.max(0), round);
                        Share::HALF.of(last_ask, last_bid, round).min(last_ask + twentieth)
                    }
                }
            }
        };
        self.reserve.map_or(price, |reserve| price.max(reserve))
    }

    /// Crosses a book whose bids trade by whole levels: the lowest bid price at which supply covers all demand, else the
    /// highest bid price that any ask reaches. Writes fills; gives the number of bids, price and volume. `None` where a
    /// value is one that no order may carry.
    ///
    /// Let `low` be the lowest clearing price. Any higher price has supply enough for all bids from it up; none lower has.
    /// So the plain crossing is the answer, unless it cuts the bids at `low` and there are bids above. Then the price is
    /// the lowest of these, and what they and the asks trade is the crossing without the bids up to `low`.
    pub fn cross_whole_levels<P: Number, Q: Number>(
        &self,
        book: &Book<'_, P, Q>,
        priority: &Priority<'_>,
        filled: &mut [i64],
        scratch: &mut Scratch,
    ) -> Option<(u32, Option<(i64, i64)>)> {
        let terms = Terms { zero_surplus: true, rationing: self.rationing, priority };
        let (bids, crossing) = curve::cross(book, &terms, filled, scratch.curve.get())?;
        let Some(Crossing { low, volume, .. }) = crossing else {
            return Some((bids, None));
        };
        let (mut cut, mut lowest_bid, mut next_bid) = (false, false, i64::MAX);
        for i in (0..book.len()).filter(|&i| book.is_bid(i)) {
            let price = book.competing_price(i);
            if price == low {
                (lowest_bid, cut) = (true, cut | (filled[i] < book.quantity(i)));
            } else if price > low {
                next_bid = next_bid.min(price);
            }
        }
        if !cut || next_bid == i64::MAX {
            // Bids at `low` trade whole, or there are none; or they are the dearest, which trade in part if they must.
            return Some((bids, Some((if lowest_bid { low } else { next_bid }, volume))));
        }
        let Scratch { curve, parts: [part, _], class, fills, .. } = scratch;
        class.clear();
        class.extend((0..book.len()).map(|i| u8::from(book.is_bid(i) && book.competing_price(i) <= low)));
        Part::split(book, priority, class, [part]);
        fills.clear();
        fills.resize(part.len(), 0);
        let part_priority = part.priority();
        let terms = Terms { priority: &part_priority, ..terms };
        let crossing = curve::cross(&Book { fee: book.fee, ..part.book() }, &terms, fills, curve.get())?.1;
        filled.fill(0);
        for (&i, &fill) in part.positions().iter().zip(&*fills) {
            filled[i as usize] = fill;
        }
        Some((bids, crossing.map(|crossing| (next_bid, crossing.volume))))
    }
}
