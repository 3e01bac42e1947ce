//! Accepted orders of many markets, side by side: as they stand in the input, or gathered from it.

use crate::auction::Mechanism;
use crate::order::{BUY, Columns, Integers};
use crate::reject::RejectReason;
use crate::simd;

use super::threads::{at_once, ranges, worth};

/// Rows that are looked at before the work of finding markets is shared out.
const EARLY: usize = 1024;

/// Market ids, ascending, and where each market's orders start; one more start closes the last.
#[derive(Debug)]
pub(super) struct Markets {
    pub ids: Vec<i64>,
    pub starts: Vec<usize>,
    /// What each market leaves out; empty where nothing can be left out.
    pub left_out: Vec<LeftOut>,
}

/// Bids below the reserve: accepted, but no part of the market.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftOut {
    pub bids: u32,
    pub best_bid: i64,
}

impl Markets {
    /// The markets of columns that may be used as they stand; `None` where they are not sorted by market, or an id occurs
    /// twice in one.
    pub fn as_they_stand(columns: &Columns<'_>, threads: usize) -> Option<Self> {
        let markets = match columns.market {
            None => Self { ids: vec![0], starts: vec![0, columns.len()], left_out: Vec::new() },
            Some(ids) => Self::of_sorted(ids, threads)?,
        };
        let unique = |ids: &[i64]| markets.starts.windows(2).all(|range| are_unique(&ids[range[0]..range[1]]));
        columns.order.is_none_or(unique).then_some(markets)
    }

    fn of_sorted(ids: &[i64], threads: usize) -> Option<Self> {
        // Whether ids descend shows early in nearly all columns in which they do.
        if !ids[..ids.len().min(EARLY)].is_sorted() {
            return None;
        }
        let found = at_once(ranges(ids.len(), worth(ids.len(), threads)).into_iter().map(|rows| {
            move || {
                let (mut starts, mut begun) = (Vec::new(), Vec::new());
                if rows.start == 0 {
                    starts.push(0);
                    begun.push(ids[0]);
                }
                let with_one_before = rows.start.saturating_sub(1)..rows.end;
                simd::run_starts(&ids[with_one_before], rows.start.max(1), &mut starts, &mut begun)
                    .then_some((starts, begun))
            }
        }));
        let (mut starts, begun) = found.into_iter().reduce(|all, more| {
            let ((mut starts, mut begun), (more_starts, more_begun)) = (all?, more?);
            starts.extend(more_starts);
            begun.extend(more_begun);
            Some((starts, begun))
        })??;
        starts.push(ids.len());
        Some(Self { ids: begun, starts, left_out: Vec::new() })
    }

    pub const fn len(&self) -> usize {
        self.ids.len()
    }
}

/// Whether no order can be refused or left out but for a value out of range or an id that occurs twice, and none competes
/// at another price than its limit.
pub(super) fn need_no_gathering(columns: &Columns<'_>, mechanism: &Mechanism) -> bool {
    columns.is_market_order.is_none()
        && columns.refused.is_none_or(|codes| codes.iter().all(|&code| code == 0))
        && mechanism.may_admit_all()
        && !(mechanism.takes_participants() && columns.participant.is_some())
        && !(mechanism.takes_minimums() && columns.min_quantity.is_some())
        && !(mechanism.takes_start_prices() && columns.start_price.is_some())
}

/// Whether no id occurs twice.
pub(super) fn are_unique(ids: &[i64]) -> bool {
    ids.is_sorted_by(|a, b| a < b) || {
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        sorted.is_sorted_by(|a, b| a < b)
    }
}

/// Orders of all markets, side by side, beside their price and quantity columns.
#[derive(Clone, Copy)]
pub(super) struct Orders<'a> {
    pub side: &'a [u8],
    pub order: Option<&'a [i64]>,
    pub time: Option<&'a [i64]>,
    pub participant: Option<&'a [i64]>,
    pub min_quantity: Option<&'a [i64]>,
    pub start_price: Option<&'a [i64]>,
    pub half: Option<&'a [u8]>,
    pub turn: Option<&'a [i64]>,
    pub rows: Option<&'a [u32]>,
    pub markets: &'a Markets,
    /// Which of all orders stands in the first row of the columns: the starts of markets count from the first of all.
    pub first: usize,
    /// Rank of the first of these markets among those of the call.
    pub first_rank: usize,
}

impl<'a> Orders<'a> {
    /// The columns as they stand.
    pub fn of(columns: &Columns<'a>, mechanism: &Mechanism, markets: &'a Markets) -> Self {
        Self {
            side: columns.side,
            order: columns.order,
            time: columns.time,
            participant: columns.participant,
            min_quantity: columns.min_quantity.filter(|_| mechanism.takes_minimums()),
            start_price: columns.start_price.filter(|_| mechanism.takes_start_prices()),
            half: columns.half,
            turn: columns.turn,
            rows: None,
            markets,
            first: 0,
            first_rank: 0,
        }
    }
}

/// Accepted orders side by side, market by market.
#[derive(Debug)]
pub(super) struct Gathered {
    side: Vec<u8>,
    pub price: Vec<i32>,    // a limit is checked to lie within ±(2³¹ − 1)
    pub quantity: Vec<i32>, // a quantity within 1..2³¹
    order: Option<Vec<i64>>,
    time: Option<Vec<i64>>,
    participant: Option<Vec<i64>>,
    min_quantity: Option<Vec<i64>>,
    start_price: Option<Vec<i64>>,
    half: Option<Vec<u8>>,
    turn: Option<Vec<i64>>,
    /// Input row of each order.
    pub rows: Vec<u32>,
    pub markets: Markets,
    /// Reject code of each input row.
    pub reject: Vec<u16>,
}

impl Gathered {
    /// Refuses what must be refused and gathers the rest.
    pub fn of(columns: &Columns<'_>, mechanism: &Mechanism) -> Self {
        let sound = mechanism.admits_all()
            && (columns.min_quantity.is_none() || !mechanism.takes_minimums())
            && (columns.start_price.is_none() || !mechanism.takes_start_prices())
            && columns.all_sound();
        let reject = if sound {
            vec![0; columns.len()]
        } else {
            (0..columns.len()).map(|row| columns.refuse(row, mechanism)).collect()
        };
        let mut gathered = Self {
            side: Vec::new(),
            price: Vec::new(),
            quantity: Vec::new(),
            order: columns.order.map(|_| Vec::new()),
            time: columns.time.map(|_| Vec::new()),
            participant: columns.participant.map(|_| Vec::new()),
            min_quantity: columns.min_quantity.filter(|_| mechanism.takes_minimums()).map(|_| Vec::new()),
            start_price: columns.start_price.filter(|_| mechanism.takes_start_prices()).map(|_| Vec::new()),
            half: columns.half.map(|_| Vec::new()),
            turn: columns.turn.map(|_| Vec::new()),
            rows: Vec::new(),
            markets: Markets { ids: Vec::new(), starts: vec![0], left_out: Vec::new() },
            reject,
        };
        let rows = rows_by_market(columns.market, columns.len());
        let market_of = |row: u32| columns.market.map_or(0, |ids| ids[row as usize]);
        let markets = rows.chunk_by(|&a, &b| market_of(a) == market_of(b));
        let none_depends_on_others = columns.order.is_none()
            && columns.is_market_order.is_none()
            && mechanism.reserve().is_none()
            && !(mechanism.takes_participants() && columns.participant.is_some());
        if none_depends_on_others && gathered.reject.iter().all(|&code| code == 0) {
            for group in markets {
                gathered.markets.ids.push(market_of(group[0]));
                gathered.markets.starts.push(gathered.markets.starts.last().map_or(0, |start| start + group.len()));
            }
            gathered.take(columns, &rows, None);
            return gathered;
        }
        for group in markets {
            gathered.gather(columns, mechanism, group);
            gathered.markets.ids.push(market_of(group[0]));
            gathered.markets.starts.push(gathered.rows.len());
        }
        gathered
    }

    /// The gathered columns.
    pub fn orders(&self) -> Orders<'_> {
        Orders {
            side: &self.side,
            order: self.order.as_deref(),
            time: self.time.as_deref(),
            participant: self.participant.as_deref(),
            min_quantity: self.min_quantity.as_deref(),
            start_price: self.start_price.as_deref(),
            half: self.half.as_deref(),
            turn: self.turn.as_deref(),
            rows: Some(&self.rows),
            markets: &self.markets,
            first: 0,
            first_rank: 0,
        }
    }

    /// Appends the accepted orders of one market, refusing some because of others.
    fn gather(&mut self, columns: &Columns<'_>, mechanism: &Mechanism, group: &[u32]) {
        if let Some(ids) = columns.order {
            let mut sound: Vec<u32> = self.sound(group);
            sound.sort_unstable_by_key(|&row| ids[row as usize]);
            for same in sound.chunk_by(|&a, &b| ids[a as usize] == ids[b as usize]).filter(|same| same.len() > 1) {
                self.refuse(same, RejectReason::DuplicateOrder);
            }
        }
        let limits = columns.is_market_order.and_then(|_| self.limits(columns, group));
        let competing = |row: usize| {
            if !columns.is_market_order(row) {
                return Some(columns.price.get(row));
            }
            // Enough to meet every ask or bid there is: the cap, or the best limit of the market.
            if columns.side[row] == BUY {
                mechanism.cap_high.or(limits.map(|(_, high)| high))
            } else {
                mechanism.cap_low.or(limits.map(|(low, _)| low))
            }
        };
        if columns.is_market_order.is_some() {
            for &row in group {
                if self.reject[row as usize] == 0 && competing(row as usize).is_none() {
                    self.reject[row as usize] = RejectReason::NoReferencePrice.code();
                }
            }
        }
        if mechanism.takes_participants() {
            self.refuse_participants(columns, mechanism, group);
        }
        let reserve = mechanism.reserve().map(|reserve| reserve + mechanism.fee());
        let mut left_out = LeftOut { bids: 0, best_bid: i64::MIN };
        let (mut taken, mut prices) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
        for &row in group {
            let input = row as usize;
            let Some(price) = competing(input).filter(|_| self.reject[input] == 0) else {
                continue;
            };
            if columns.side[input] == BUY && reserve.is_some_and(|reserve| price < reserve) {
                left_out.bids += 1;
                left_out.best_bid = left_out.best_bid.max(price);
                continue;
            }
            taken.push(row);
            prices.push(price as i32);
        }
        self.take(columns, &taken, Some(&prices));
        if reserve.is_some() {
            self.markets.left_out.push(left_out);
        }
    }

    /// Appends accepted rows, column by column, at the prices at which they compete: their limits where none are given.
    fn take(&mut self, columns: &Columns<'_>, rows: &[u32], prices: Option<&[i32]>) {
        fn append<T: Copy, U>(to: &mut Vec<U>, from: &[T], rows: &[u32], convert: impl Fn(T) -> U) {
            to.extend(rows.iter().map(|&row| convert(from[row as usize])));
        }
        let first = self.price.len();
        append(&mut self.side, columns.side, rows, |side| side);
        match (prices, columns.price) {
            (Some(prices), _) => self.price.extend_from_slice(prices),
            (None, Integers::Narrow(price)) => append(&mut self.price, price, rows, |price| price),
            (None, Integers::Wide(price)) => append(&mut self.price, price, rows, |price| price as i32),
        }
        match columns.quantity {
            Integers::Narrow(quantity) => append(&mut self.quantity, quantity, rows, |quantity| quantity),
            Integers::Wide(quantity) => append(&mut self.quantity, quantity, rows, |quantity| quantity as i32),
        }
        for (to, from) in [
            (&mut self.order, columns.order),
            (&mut self.time, columns.time),
            (&mut self.participant, columns.participant),
            (&mut self.min_quantity, columns.min_quantity),
            (&mut self.start_price, columns.start_price),
            (&mut self.turn, columns.turn),
        ] {
            if let (Some(to), Some(from)) = (to, from) {
                append(to, from, rows, |value| value);
            }
        }
        if let (Some(to), Some(from)) = (&mut self.half, columns.half) {
            append(to, from, rows, |half| half);
        }
        if let (Some(start_price), Some(kinds)) = (&mut self.start_price, columns.is_market_order) {
            // A market order opens where it competes.
            for (i, _) in rows.iter().enumerate().filter(|&(_, &row)| kinds[row as usize] != 0) {
                start_price[first + i] = i64::from(self.price[first + i]);
            }
        }
        self.rows.extend_from_slice(rows);
    }

    fn sound(&self, group: &[u32]) -> Vec<u32> {
        group.iter().copied().filter(|&row| self.reject[row as usize] == 0).collect()
    }

    fn refuse(&mut self, rows: &[u32], reason: RejectReason) {
        for &row in rows {
            self.reject[row as usize] = reason.code();
        }
    }

    /// Lowest and highest limit of the limit orders of a market.
    fn limits(&self, columns: &Columns<'_>, group: &[u32]) -> Option<(i64, i64)> {
        let mut limits = None;
        for &row in group {
            let row = row as usize;
            if self.reject[row] == 0 && !columns.is_market_order(row) {
                let price = columns.price.get(row);
                limits =
                    Some(limits.map_or((price, price), |(low, high): (i64, i64)| (low.min(price), high.max(price))));
            }
        }
        limits
    }

    /// Refuses participants on both sides, then those with several orders, where the mechanism's proof needs it.
    fn refuse_participants(&mut self, columns: &Columns<'_>, mechanism: &Mechanism, group: &[u32]) {
        let Some(ids) = columns.participant else {
            return;
        };
        let mut sound = self.sound(group);
        sound.sort_unstable_by_key(|&row| ids[row as usize]);
        for mine in sound.chunk_by(|&a, &b| ids[a as usize] == ids[b as usize]).filter(|mine| mine.len() > 1) {
            let side = columns.side[mine[0] as usize];
            if mechanism.one_side() && mine.iter().any(|&row| columns.side[row as usize] != side) {
                self.refuse(mine, RejectReason::BothSides);
            } else if mechanism.one_order() {
                self.refuse(mine, RejectReason::SeveralOrders);
            }
        }
    }
}

/// Every row, market by market in ascending id, in row order within a market.
pub(crate) fn rows_by_market(ids: Option<&[i64]>, n: usize) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..n as u32).collect();
    let Some(ids) = ids else {
        return rows;
    };
    if ids.is_sorted() {
        return rows;
    }
    let (least, most) = ids.iter().fold((i64::MAX, i64::MIN), |(least, most), &id| (least.min(id), most.max(id)));
    match most.checked_sub(least) {
        // Ids close together, as numbered zones and slots are: count, then place.
        Some(span) if (span as u64) < 4 * ids.len() as u64 => {
            let mut next = vec![0_u32; span as usize + 2];
            for &id in ids {
                next[(id - least) as usize + 1] += 1;
            }
            for slot in 1..next.len() {
                next[slot] += next[slot - 1];
            }
            for (row, &id) in ids.iter().enumerate() {
                let place = &mut next[(id - least) as usize];
                rows[*place as usize] = row as u32;
                *place += 1;
            }
        }
        _ => rows.sort_by_key(|&row| ids[row as usize]),
    }
    rows
}
