//! Whether a block was cleared right, from the block alone: its header, orders, records and parameters.
//!
//! Nothing is cleared again. The fills are summed off the trades; where the last order that trades and the best one left
//! stand says whether a price is right, and only the orders at the margin are ranked. `docs/4d_privacy_and_proofs.md`
//! gives the rules; `python/fastclear/clearing_proof.py` checks the same by clearing again, and shares no code.

mod market;
mod shares;

use core::fmt;

use sha2::{Digest, Sha256};

use super::merkle::root_of_entries;
use super::order_leaf::{ORDER_ENTRY_LEN, ORDER_LEN};
use super::record::{self, RECORD_ENTRY_LEN, RECORD_LEN};
use super::{Header, LedgerError, OrderLeaf};
use crate::auction::price::{PriceRound, Share};
use crate::settlement::posting::{Kind, Posting};
use crate::settlement::slot::{FEE_DEFICIT, FEE_ROUNDING, FEE_SPREAD, TRADE_SELLER};
use market::{Deal, Market};

/// How orders at the margin share what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// In proportion to quantity, left-over lots to the largest remainders.
    ProRata,
    /// Earlier first.
    Time,
    /// The same to each, as far as they ask for it.
    Equal,
    /// Larger first.
    Quantity,
    /// One after the other as drawn by lot.
    Lottery {
        /// Seed of the lottery.
        seed: u64,
    },
}

/// How trades are priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pricing {
    /// One price a market, at `k` of the clearing interval.
    Uniform {
        /// How orders at the margin share what is left.
        sharing: Sharing,
        /// Whether units whose bid equals their ask trade.
        zero_surplus: bool,
    },
    /// One price a pair, at `k` from ask to bid; the best bid meets the cheapest ask.
    Pairs,
    /// One price a pair: the limit of the order that came first.
    PairsEarlier,
    /// The buyer of a pair pays its bid, the seller receives its ask.
    PairsApart,
}

/// The rule that the parameters state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How trades are priced.
    pub pricing: Pricing,
    /// The share of an interval that goes to sellers.
    pub k: Share,
    /// How a price between two ticks is rounded.
    pub round: PriceRound,
    /// Ticks a unit that the buyer pays on top.
    pub fee: i64,
    /// Lowest price that sellers may receive.
    pub reserve: Option<i64>,
    /// Lowest and highest limit that takes part; market orders compete at the far one.
    pub caps: (Option<i64>, Option<i64>),
}

/// A block as it is handed to whoever checks it.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The 280 bytes of a header that the verifier trusts.
    pub header: &'a [u8],
    /// The text of the parameters.
    pub params: &'a [u8],
    /// Every order entry, salts included.
    pub orders: &'a [u8],
    /// Every record entry, salts included.
    pub records: &'a [u8],
}

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Something that this cannot judge: no word on whether the block is right.
    Unsupported(&'static str),
    /// A leaf or header that is malformed.
    Malformed(LedgerError),
    /// Bytes that the header does not commit to.
    Digest(&'static str),
    /// A record out of its place in the history.
    Sequence {
        /// Record in the block.
        record: usize,
    },
    /// The trades do not sum to the header's gross.
    Gross,
    /// A trade whose amount is not |price × quantity|, or of no energy.
    Amount {
        /// Its seq.
        seq: u64,
    },
    /// A trade of an order that is not in the block, was refused, or stands on the other side.
    Stranger {
        /// The trade's seq.
        seq: u64,
        /// The order.
        order: u64,
    },
    /// An accepted order that no mechanism may accept.
    Inadmissible {
        /// The order.
        order: u64,
    },
    /// An order that trades more than it asks for.
    Overfilled {
        /// The order.
        order: u64,
    },
    /// An order outside the money that traded.
    OutsideMoney {
        /// The order.
        order: u64,
    },
    /// An order inside the money that was left out, or cut.
    LeftOut {
        /// The order.
        order: u64,
    },
    /// An order at the margin that got another share than the rule gives it.
    Rationing {
        /// The order.
        order: u64,
        /// What the rule gives it.
        expected: i64,
        /// What it got.
        got: i64,
    },
    /// A trade between others than the rule pairs.
    Pairing {
        /// The market.
        market: u64,
    },
    /// A price that the rule does not give.
    Price {
        /// The trade's seq.
        seq: u64,
        /// The rule's price.
        expected: i64,
        /// The price found.
        got: i64,
    },
    /// What the buyer pays beyond the seller's price is not what the rule says.
    Spread {
        /// The trade's seq.
        seq: u64,
    },
}

impl Flaw {
    /// A stable word for it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsupported(_) => "unsupported",
            Self::Malformed(_) => "malformed",
            Self::Digest(_) => "digest",
            Self::Sequence { .. } => "sequence",
            Self::Gross => "gross",
            Self::Amount { .. } => "amount",
            Self::Stranger { .. } => "stranger",
            Self::Inadmissible { .. } => "inadmissible",
            Self::Overfilled { .. } => "overfilled",
            Self::OutsideMoney { .. } => "outside_money",
            Self::LeftOut { .. } => "left_out",
            Self::Rationing { .. } => "rationing",
            Self::Pairing { .. } => "pairing",
            Self::Price { .. } => "price",
            Self::Spread { .. } => "spread",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => write!(f, "no certificate for {what}"),
            Self::Malformed(error) => error.fmt(f),
            Self::Digest(what) => write!(f, "the header commits to other {what}"),
            Self::Sequence { record } => write!(f, "record {record} does not stand at its place of the history"),
            Self::Gross => f.write_str("the trades do not sum to the header's gross"),
            Self::Amount { seq } => write!(f, "trade {seq} has an amount that is not |price × quantity|, or no energy"),
            Self::Stranger { seq, order } => {
                write!(
                    f,
                    "trade {seq} names order {order}, which is not in the block, was refused, or is on the other side"
                )
            }
            Self::Inadmissible { order } => {
                write!(f, "order {order} was accepted, with a price or quantity out of range")
            }
            Self::Overfilled { order } => write!(f, "order {order} trades more than it asks for"),
            Self::OutsideMoney { order } => write!(f, "order {order} is outside the money and traded"),
            Self::LeftOut { order } => write!(f, "order {order} is inside the money and was left out or cut"),
            Self::Rationing { order, expected, got } => {
                write!(f, "order {order} got {got} lots at the margin; the rule gives it {expected}")
            }
            Self::Pairing { market } => {
                write!(f, "market {market} pairs others than the best bid with the cheapest ask")
            }
            Self::Price { seq, expected, got } => write!(f, "trade {seq} is at {got} ticks; the rule gives {expected}"),
            Self::Spread { seq } => {
                write!(f, "what the buyer of trade {seq} pays beyond the seller's price is not what the rule says")
            }
        }
    }
}

impl core::error::Error for Flaw {}

impl From<LedgerError> for Flaw {
    fn from(error: LedgerError) -> Self {
        Self::Malformed(error)
    }
}

/// One market of a certified block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified {
    /// Its id.
    pub market: u64,
    /// What sellers receive, ticks; `None` where nothing traded or each pair has its own price.
    pub price: Option<i64>,
    /// Lots traded.
    pub volume: i64,
    /// Orders that took part, and that were refused.
    pub orders: (u32, u32),
}

/// Checks that the block was cleared by this rule. Costs a pass over orders and records, a search for each trade's orders
/// and a sort of the orders at the margin (of all that trade, where each pair has its price).
///
/// # Errors
/// The first [`Flaw`]. `Unsupported` says nothing about the block.
pub fn certify(block: &Evidence<'_>, rule: &Rule) -> Result<Vec<Certified>, Flaw> {
    let header = Header::decode(block.header)?;
    if Sha256::digest(block.params)[..] != header.params_hash {
        return Err(Flaw::Digest("parameters"));
    }
    let committed = [
        ("orders", block.orders, ORDER_ENTRY_LEN, header.orders, header.orders_root),
        ("records", block.records, RECORD_ENTRY_LEN, header.records, header.records_root),
    ];
    for (what, entries, len, count, root) in committed {
        if entries.len() != count as usize * len || root_of_entries(entries, len) != root {
            return Err(Flaw::Digest(what));
        }
    }
    let orders = orders(block.orders)?;
    let deals = deals(&header, block.records)?;
    let is_lost = |deal: &&Deal| orders.binary_search_by_key(&deal.market, |leaf| leaf.market).is_err();
    if let Some(deal) = deals.iter().find(is_lost) {
        return Err(Flaw::Stranger { seq: deal.seq, order: sortable(deal.buy_order) });
    }
    let mut markets = Vec::new();
    let (mut orders, mut deals) = (orders.as_slice(), deals.as_slice());
    while let Some(first) = orders.first() {
        let market = first.market;
        let (leaves, others) = orders.split_at(orders.partition_point(|leaf| leaf.market == market));
        let (trades, later) = deals.split_at(deals.partition_point(|deal| deal.market == market));
        let rank = u32::try_from(markets.len()).map_err(|_| Flaw::Unsupported("so many markets"))?;
        markets.push(Market::new(rule, leaves, trades)?.check(rank)?);
        (orders, deals) = (others, later);
    }
    Ok(markets)
}

/// Reads the order leaves, which must ascend; by market as signed numbers, as lotteries count them.
fn orders(entries: &[u8]) -> Result<Vec<OrderLeaf>, Flaw> {
    let mut leaves = Vec::with_capacity(entries.len() / ORDER_ENTRY_LEN);
    for entry in entries.chunks_exact(ORDER_ENTRY_LEN) {
        leaves.push(OrderLeaf::decode(&entry[..ORDER_LEN])?);
    }
    leaves.sort_by_key(|leaf| (leaf.market.cast_signed(), leaf.order.cast_signed()));
    for leaf in &mut leaves {
        (leaf.market, leaf.order) = (sortable(leaf.market), sortable(leaf.order));
    }
    Ok(leaves)
}

/// An id in two's complement as an unsigned number of the same order.
const fn sortable(id: u64) -> u64 {
    id ^ (1 << 63)
}

/// Reads the records: the trades, each with what the buyer pays beyond the seller's price, by market.
fn deals(header: &Header, entries: &[u8]) -> Result<Vec<Deal>, Flaw> {
    let mut deals: Vec<Deal> = Vec::new();
    let mut gross = 0_i128;
    let mut lines = Vec::new();
    for (index, entry) in entries.chunks_exact(RECORD_ENTRY_LEN).enumerate() {
        let line = record::decode(&entry[..RECORD_LEN])?;
        if header.first_seq.checked_add(index as u64) != Some(line.seq) {
            return Err(Flaw::Sequence { record: index });
        }
        match line.kind {
            Kind::Trade => {
                gross += i128::from(line.amount);
                deals.push(deal(&line)?);
            }
            Kind::Fee if line.code == FEE_SPREAD => lines.push(line),
            Kind::Fee if [FEE_DEFICIT, FEE_ROUNDING].contains(&line.code) => {
                return Err(Flaw::Unsupported("deficits and halves"));
            }
            _ => {}
        }
    }
    if gross != i128::from(header.gross) {
        return Err(Flaw::Gross);
    }
    for line in lines {
        spread(&line, &mut deals)?;
    }
    deals.sort_by_key(|deal| deal.market);
    Ok(deals)
}

fn deal(line: &Posting) -> Result<Deal, Flaw> {
    if line.flags != 0 || line.code != TRADE_SELLER || line.asset != 0 {
        return Err(Flaw::Unsupported("trades that are sums, corrections or held in escrow"));
    }
    if !record::trade_amount_holds(line) || line.quantity < 1 {
        return Err(Flaw::Amount { seq: line.seq });
    }
    Ok(Deal {
        seq: line.seq,
        market: sortable(line.market),
        buy_order: sortable(line.buy_order),
        sell_order: sortable(line.sell_order),
        quantity: line.quantity,
        price: line.price,
        spread: 0,
    })
}

/// Adds a spread to its trade, which is the record of its group and comes before it.
fn spread(line: &Posting, deals: &mut [Deal]) -> Result<(), Flaw> {
    let flaw = Flaw::Spread { seq: line.group };
    let Some(deal) = deals.binary_search_by_key(&line.group, |deal| deal.seq).ok().and_then(|at| deals.get_mut(at))
    else {
        return Err(flaw);
    };
    let same = (deal.market, deal.buy_order, deal.sell_order, deal.quantity)
        == (sortable(line.market), sortable(line.buy_order), sortable(line.sell_order), line.quantity);
    let amount = i128::from(line.price) * i128::from(line.quantity);
    if !same || line.price == 0 || deal.spread != 0 || amount.unsigned_abs() != u128::from(line.amount.unsigned_abs()) {
        return Err(flaw);
    }
    deal.spread = line.price;
    Ok(())
}
