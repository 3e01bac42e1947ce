//! Staged matching by preference: contracts, named sources, wanted types, the community; each stage takes from what the
//! one before it left.
//!
//! A stage says who may meet whom ([`Links`]), who goes first ([`Sharing`]) and at what price ([`StagePrice`]). Orders
//! of many markets come in as columns; deals go out in the order in which they were made, market by market.
//!
//! | file | what |
//! |---|---|
//! | [`pairs`](self) | who named whom: rows by buyer and rank, with caps and validity |
//! | `market` | one market: its orders in merit order, and the stages one after the other |
//! | `in_turn` | bids by price, time and id, each takes what it likes best of what is left |
//! | `equal` | rounds that give every bid one lot more, rank by rank, as long as the sources can |
//! | `flow` | the network flow behind rounds in which bids name several sources |
//! | `transport` | fees from zone to zone: the pairs with the largest net welfare ([`clear_with_fees`]) |
//! | [`bilateral`] | offers between two parties: offered, countered, accepted, expired |
//!
//! Price, in every stage: a deal is made only where `ask ≤ price` and `price + fee ≤ limit`, the limit being the lower of
//! the bid's own and the cap of the pair. So nobody pays more than the limit or receives less than the ask, whatever the
//! stages are.

pub mod bilateral;
mod equal;
mod flow;
mod in_turn;
mod market;
#[cfg(test)]
mod tests;
mod transport;

use crate::auction::price::PairRule;
use crate::batch::threads::{at_once, ranges, worth};
use crate::order::ROWS_MAX;

/// Most source types in a call: a bid's wishes are bits of a word.
pub const TYPES_MAX: usize = 64;

/// [`Orders::flags`]: the bid trades in stages of pairs and of wanted types only.
pub const STRICT: u8 = 1;

/// [`Orders::flags`]: the bid is an essential load, which [`Stage::essential`] serves and nobody else.
pub const ESSENTIAL: u8 = 2;

/// No cap, no limit, no end.
pub const NO_CAP: i64 = i64::MAX;

/// No price: the stage's rule says it.
pub const NO_PRICE: i64 = i64::MIN;

/// Orders of many markets, one row an order. A row without lots left takes no part.
#[derive(Clone, Copy, Debug, Default)]
pub struct Orders<'a> {
    /// 1 = bid, 0 = ask.
    pub side: &'a [u8],
    /// Limit in ticks.
    pub limit: &'a [i64],
    /// Lots not yet traded.
    pub left: &'a [i64],
    /// Rank of the market.
    pub market: &'a [u32],
    /// Submission time; without it all are of one time.
    pub time: Option<&'a [i64]>,
    /// Order id; without it the row.
    pub order: Option<&'a [i64]>,
    /// Rank of the participant; without it every order is its own.
    pub participant: Option<&'a [u32]>,
    /// Rank of the zone; without it all are in one.
    pub zone: Option<&'a [u32]>,
    /// Number of an ask's source type, below [`TYPES_MAX`].
    pub source: Option<&'a [u8]>,
    /// Source types that a bid wants, one bit each.
    pub wants: Option<&'a [u64]>,
    /// [`STRICT`], [`ESSENTIAL`].
    pub flags: Option<&'a [u8]>,
    /// Farthest that a bid buys.
    pub reach: Option<&'a [i64]>,
    /// Begin of delivery of each market, by rank; pairs are valid at it.
    pub slot: Option<&'a [i64]>,
}

/// What lies between zones, row by the buyer's, column by the seller's.
#[derive(Clone, Copy, Debug)]
pub struct Zones<'a> {
    /// Number of zones.
    pub count: usize,
    /// Distance from zone to zone.
    pub distance: &'a [i64],
    /// Fee a unit that the buyer pays on top, in ticks.
    pub fee: Option<&'a [i64]>,
}

/// Who named whom, one row a pair, sorted by (buyer, rank).
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'a> {
    /// Of each participant rank, where its rows begin; one more at the end.
    pub begins: &'a [usize],
    /// Participant named.
    pub source: &'a [u32],
    /// Place in the buyer's list, lowest first.
    pub rank: &'a [i64],
    /// Most that the buyer pays this source a unit, [`NO_CAP`] = its limit.
    pub cap_price: &'a [i64],
    /// Most lots that one bid takes from this source, [`NO_CAP`] = any.
    pub cap_quantity: &'a [i64],
    /// Most parts per million that one bid takes of what this source asks in the market, [`WHOLE_PPM`](bilateral::WHOLE_PPM)
    /// = any; of a lot, the part is left out.
    pub share: &'a [i64],
    /// Price agreed on, [`NO_PRICE`] = by the rule of the stage.
    pub price: &'a [i64],
    /// First instant of delivery for which the row stands.
    pub from: &'a [i64],
    /// First instant for which it no longer does.
    pub to: &'a [i64],
}

/// Who may meet whom.
#[derive(Clone, Copy, Debug)]
pub enum Links<'a> {
    /// Those whom a buyer named.
    Pairs(Pairs<'a>),
    /// Everyone; in turn, the nearest or the cheapest first; of the types that the bid wants, or of any.
    Open {
        /// By distance, then price; else by price, then distance.
        nearest: bool,
        /// Only types that the bid wants.
        wanted: bool,
    },
}

/// Who gets what of a source that is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Bids by (price, time, id), each takes all it can from what it likes best.
    InTurn,
    /// Rounds of one lot a bid, rank by rank.
    Equal,
}

/// Price of a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagePrice {
    /// Between ask and limit, where the pair names none.
    Rule(PairRule),
    /// One rate.
    Rate(i64),
}

/// One stage.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// Who may meet whom.
    pub links: Links<'a>,
    /// Who gets what.
    pub sharing: Sharing,
    /// At what price.
    pub price: StagePrice,
    /// Serves essential loads, and nobody else.
    pub essential: bool,
    /// Strict bids sit it out.
    pub skips_strict: bool,
}

/// Deals, one a row, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deals {
    /// Rank of the market.
    pub market: Vec<u32>,
    /// Place of the stage.
    pub stage: Vec<u8>,
    /// Row of the bid.
    pub buy_row: Vec<u32>,
    /// Row of the ask.
    pub sell_row: Vec<u32>,
    /// Lots.
    pub quantity: Vec<i64>,
    /// What the seller receives a unit.
    pub price: Vec<i64>,
    /// What the buyer pays on top a unit.
    pub fee: Vec<i64>,
}

impl Deals {
    fn append(&mut self, later: &mut Self) {
        self.market.append(&mut later.market);
        self.stage.append(&mut later.stage);
        self.buy_row.append(&mut later.buy_row);
        self.sell_row.append(&mut later.sell_row);
        self.quantity.append(&mut later.quantity);
        self.price.append(&mut later.price);
        self.fee.append(&mut later.fee);
    }
}

/// Why columns, pairs or zones cannot be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreferenceError {
    /// A column's length differs from what it goes with.
    Length {
        /// Name of the column.
        column: &'static str,
        /// Its length.
        len: usize,
        /// What it must be.
        expected: usize,
    },
    /// A value that names nothing, or is out of its range.
    Value {
        /// Name of the column.
        column: &'static str,
        /// Its first row.
        row: usize,
    },
    /// Pairs need to know whose the orders are.
    NoParticipants,
    /// Rows of pairs are not sorted by buyer and rank.
    Unsorted {
        /// The first row that is out of order.
        row: usize,
    },
    /// More rows or stages than can be numbered.
    TooMany,
}

impl std::fmt::Display for PreferenceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length { column, len, expected } => {
                write!(f, "column '{column}' has {len} rows where {expected} are due; give columns of one length")
            }
            Self::Value { column, row } => write!(f, "column '{column}', row {row}: the value is out of range"),
            Self::NoParticipants => {
                f.write_str("stages of pairs need to know whose the orders are; give a column 'participant'")
            }
            Self::Unsorted { row } => write!(f, "pairs, row {row}: not sorted by buyer and rank"),
            Self::TooMany => f.write_str("too many rows or stages in one call; split it"),
        }
    }
}

impl std::error::Error for PreferenceError {}

impl Orders<'_> {
    fn len(&self) -> usize {
        self.side.len()
    }

    fn check(&self, markets: usize, zones: &Zones<'_>) -> Result<(), PreferenceError> {
        let rows = self.len();
        if rows > ROWS_MAX {
            return Err(PreferenceError::TooMany);
        }
        let lengths = [
            ("price", self.limit.len(), rows),
            ("quantity", self.left.len(), rows),
            ("market", self.market.len(), rows),
            ("time", self.time.map_or(rows, <[i64]>::len), rows),
            ("order", self.order.map_or(rows, <[i64]>::len), rows),
            ("participant", self.participant.map_or(rows, <[u32]>::len), rows),
            ("zone", self.zone.map_or(rows, <[u32]>::len), rows),
            ("source", self.source.map_or(rows, <[u8]>::len), rows),
            ("wants", self.wants.map_or(rows, <[u64]>::len), rows),
            ("flags", self.flags.map_or(rows, <[u8]>::len), rows),
            ("max_distance", self.reach.map_or(rows, <[i64]>::len), rows),
            ("slot", self.slot.map_or(markets, <[i64]>::len), markets),
            ("distance", zones.distance.len(), zones.count * zones.count),
            ("fee", zones.fee.map_or(zones.distance.len(), <[i64]>::len), zones.distance.len()),
        ];
        for (column, len, expected) in lengths {
            if len != expected {
                return Err(PreferenceError::Length { column, len, expected });
            }
        }
        let beyond = |limit: i64| !crate::units::price_in_range(limit);
        let faults = [
            ("side", self.side.iter().position(|&side| side > 1)),
            ("price", (0..rows).position(|row| self.left[row] != 0 && beyond(self.limit[row]))),
            ("quantity", self.left.iter().position(|&lots| lots != 0 && !crate::units::quantity_in_range(lots))),
            ("market", self.market.iter().position(|&market| market as usize >= markets)),
            ("zone", self.zone.and_then(|zone| zone.iter().position(|&zone| zone as usize >= zones.count))),
            ("source", self.source.and_then(|source| source.iter().position(|&kind| usize::from(kind) >= TYPES_MAX))),
            ("distance", zones.distance.iter().position(|&distance| distance < 0)),
            ("fee", zones.fee.and_then(|fee| fee.iter().position(|&ticks| !crate::units::price_in_range(ticks)))),
        ];
        for (column, row) in faults {
            if let Some(row) = row {
                return Err(PreferenceError::Value { column, row });
            }
        }
        if zones.count == 0 { Err(PreferenceError::Value { column: "zone", row: 0 }) } else { Ok(()) }
    }
}

impl Pairs<'_> {
    fn check(&self, participants: usize) -> Result<(), PreferenceError> {
        let rows = self.source.len();
        let lengths = [
            ("rank", self.rank.len()),
            ("cap_price", self.cap_price.len()),
            ("cap_quantity", self.cap_quantity.len()),
            ("share_ppm", self.share.len()),
            ("price", self.price.len()),
            ("valid_from", self.from.len()),
            ("valid_to", self.to.len()),
        ];
        for (column, len) in lengths {
            if len != rows {
                return Err(PreferenceError::Length { column, len, expected: rows });
            }
        }
        if self.begins.len() != participants + 1 || self.begins[participants] != rows || self.begins[0] != 0 {
            let (len, expected) = (self.begins.len(), participants + 1);
            return Err(PreferenceError::Length { column: "buyer", len, expected });
        }
        for (buyer, bounds) in self.begins.windows(2).enumerate() {
            let sorted = bounds[0] <= bounds[1] && self.rank[bounds[0]..bounds[1]].is_sorted();
            if !sorted {
                return Err(PreferenceError::Unsorted { row: buyer });
            }
        }
        if let Some(row) = self.source.iter().position(|&source| source as usize >= participants) {
            return Err(PreferenceError::Value { column: "source", row });
        }
        let far = |ticks: i64| ticks != NO_PRICE && !crate::units::price_in_range(ticks);
        if let Some(row) = self.price.iter().position(|&ticks| far(ticks)) {
            return Err(PreferenceError::Value { column: "price", row });
        }
        let far = |ticks: i64| ticks != NO_CAP && !crate::units::price_in_range(ticks);
        if let Some(row) = self.cap_price.iter().position(|&ticks| far(ticks)) {
            return Err(PreferenceError::Value { column: "cap_price", row });
        }
        let whole = 0..=bilateral::WHOLE_PPM;
        if let Some(row) = self.share.iter().position(|part| !whole.contains(part)) {
            return Err(PreferenceError::Value { column: "share_ppm", row });
        }
        match self.cap_quantity.iter().position(|&lots| lots < 0) {
            Some(row) => Err(PreferenceError::Value { column: "cap_quantity", row }),
            None => Ok(()),
        }
    }
}

/// Runs every stage over every market.
///
/// Each market is on its own, and goes through all stages in turn: a deal lowers what both orders have left for the
/// stages behind. Same orders in another order of rows give the same deals, as long as orders have ids; on any number of
/// threads they do anyway. Time, for a market of B bids, A asks and L pairs of its bidders: a sort of both sides, then
/// O(L) for pairs and O(B + A) for open stages in turn, where no limit or distance forbids most of the asks; equal
/// stages O(L) where a bid names one source a rank, and network flows where it names several.
///
/// # Errors
/// [`PreferenceError`] where columns do not fit together; nothing is matched then.
pub fn match_stages(
    orders: &Orders<'_>,
    zones: &Zones<'_>,
    stages: &[Stage<'_>],
    participants: usize,
    markets: usize,
    threads: usize,
) -> Result<Deals, PreferenceError> {
    orders.check(markets, zones)?;
    if stages.len() > usize::from(u8::MAX) || participants > ROWS_MAX {
        return Err(PreferenceError::TooMany);
    }
    if let Some(column) = orders.participant
        && let Some(row) = column.iter().position(|&rank| rank as usize >= participants)
    {
        return Err(PreferenceError::Value { column: "participant", row });
    }
    for stage in stages {
        if let Links::Pairs(pairs) = &stage.links {
            if orders.participant.is_none() {
                return Err(PreferenceError::NoParticipants);
            }
            pairs.check(participants)?;
        }
        if matches!(stage.price, StagePrice::Rate(rate) if !crate::units::price_in_range(rate)) {
            return Err(PreferenceError::Value { column: "rate", row: 0 });
        }
    }
    let (begins, rows) = by_market(orders, markets);
    let parts = worth(rows.len(), threads).min(markets.max(1));
    let done = at_once(ranges(markets, parts).into_iter().map(|part| {
        let (begins, rows) = (&begins, &rows);
        move || {
            let mut desk = market::Desk::new(orders, zones, participants);
            let mut deals = Deals::default();
            for rank in part {
                desk.run(rank, &rows[begins[rank]..begins[rank + 1]], stages, &mut deals);
            }
            deals
        }
    }));
    let mut deals = Deals::default();
    for mut part in done {
        deals.append(&mut part);
    }
    Ok(deals)
}

/// Clears every market at the largest sum of bid less ask less fee, over all pairs together, and of such allocations at one
/// of the largest volume. Deals by buyer's zone, then seller's, each dearest bid with cheapest ask.
///
/// Time, for a market of N orders in Z zones: O(N log N), and O(Z² × longest path) for each of the at most N + Z² paths
/// or so; memory O(N + Z²).
///
/// # Errors
/// [`PreferenceError`] where columns do not fit together; nothing is matched then.
pub fn clear_with_fees(
    orders: &Orders<'_>,
    zones: &Zones<'_>,
    rule: PairRule,
    markets: usize,
    threads: usize,
) -> Result<Deals, PreferenceError> {
    let orders = &Orders { participant: None, ..*orders };
    orders.check(markets, zones)?;
    let (begins, rows) = by_market(orders, markets);
    let parts = worth(rows.len(), threads).min(markets.max(1));
    let done = at_once(ranges(markets, parts).into_iter().map(|part| {
        let (begins, rows) = (&begins, &rows);
        move || {
            let mut desk = market::Desk::new(orders, zones, 0);
            let mut deals = Deals::default();
            for rank in part {
                desk.take_in(rank, &rows[begins[rank]..begins[rank + 1]]);
                desk.best_surplus(rule, rank as u32, &mut deals);
            }
            deals
        }
    }));
    let mut deals = Deals::default();
    for mut part in done {
        deals.append(&mut part);
    }
    Ok(deals)
}

/// Rows that have lots left, market by market, in row order; and where each market begins.
fn by_market(orders: &Orders<'_>, markets: usize) -> (Vec<usize>, Vec<u32>) {
    let mut begins = vec![0_usize; markets + 1];
    let live = |row: &usize| orders.left[*row] > 0;
    for row in (0..orders.len()).filter(live) {
        begins[orders.market[row] as usize + 1] += 1;
    }
    for market in 0..markets {
        begins[market + 1] += begins[market];
    }
    let mut next = begins.clone();
    let mut rows = vec![0_u32; begins[markets]];
    for row in (0..orders.len()).filter(live) {
        let place = &mut next[orders.market[row] as usize];
        rows[*place] = row as u32;
        *place += 1;
    }
    (begins, rows)
}
