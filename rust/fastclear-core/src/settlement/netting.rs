//! Netting: many obligations become few payments, with every participant's position unchanged (L-I11).
//!
//! A position is what a participant receives less what it owes. Bilateral netting leaves one payment a pair,
//! multilateral netting at most `n - 1` payments an asset for `n` participants with a position other than zero: the
//! lowest debtor pays the lowest creditor until one of them is done, so each payment but the last settles one of them
//! and the last settles two. The result depends on the obligations alone, never on their order.
//!
//! Positions are summed in one array by participant id, as far as ids are small for the number of rows, and in a map
//! beyond. The array is of 64-bit sums: what has moved since it was last emptied into 128-bit ones is known, and a large
//! amount goes to the wide sums at once, so that no sum can overflow.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;

use super::transfers::AccountId;
use crate::simd::prefetch_place;

/// Obligations as columns of one length. An obligation to oneself is allowed and changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Obligations<'a, A> {
    /// Who owes.
    pub debit: &'a [A],
    /// Who is owed.
    pub credit: &'a [A],
    /// How much, above zero.
    pub amount: &'a [i64],
    /// Unit of the amount: positions of different assets never mix. Left out: 0 for all.
    pub asset: Option<&'a [u16]>,
}

/// What a participant receives, or owes where it is below zero; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Unit of the amount.
    pub asset: u16,
    /// Whose.
    pub participant: u64,
    /// How much.
    pub amount: i128,
}

/// A payment that netting leaves, in 128 bits because it is a sum of obligations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Unit of the amount.
    pub asset: u16,
    /// Who pays.
    pub debit: u64,
    /// Who receives.
    pub credit: u64,
    /// How much, above zero.
    pub amount: i128,
}

/// Columns that are no obligations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadObligation {
    /// An amount that is not above zero.
    Amount {
        /// Its row.
        row: usize,
        /// The amount.
        amount: i64,
    },
    /// A column that is not as long as `debit`.
    Length {
        /// Its name.
        column: &'static str,
        /// Its length.
        length: usize,
        /// That of `debit`.
        rows: usize,
    },
}

impl fmt::Display for BadObligation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Amount { row, amount } => {
                write!(f, "column 'amount', row {row} is {amount}, not above 0; exchange debit and credit instead")
            }
            Self::Length { column, length, rows } => {
                write!(f, "column '{column}' has {length} rows and 'debit' has {rows}; give one value an obligation")
            }
        }
    }
}

impl std::error::Error for BadObligation {}

/// How many rows ahead a sum is asked for.
const AHEAD: usize = 24;
/// Sums up to which they are not, since the second cache holds them: to ask takes as long as the rest of a row.
const NEAR: usize = 1 << 17;
/// Rows after which what has moved is counted.
const BLOCK: usize = 1 << 12;
/// From here on an amount is added to a wide sum at once.
const LARGE: u64 = 1 << 48;
/// When the narrow sums are emptied; with one block more they stay below 2⁶².
const MOVED_MOST: u64 = 1 << 61;
/// Sums by id that are kept in an array however few rows there are.
const IDS_MIN: u64 = 1 << 16;

/// Sums of one asset by participant.
#[derive(Default)]
struct Sums {
    narrow: Vec<i64>,
    /// Most ids that `narrow` may grow to.
    ids_max: u64,
    /// Total of the amounts in `narrow`.
    moved: u64,
    /// Emptied sums, large amounts, and ids too large for the array. Walked only to be sorted.
    wide: HashMap<u64, i128>,
}

impl Sums {
    fn new(rows: usize) -> Self {
        Self { ids_max: IDS_MIN.max(8 * rows as u64), ..Self::default() }
    }

    fn add_wide(&mut self, debit: u64, credit: u64, amount: i64) {
        *self.wide.entry(debit).or_insert(0) -= i128::from(amount);
        *self.wide.entry(credit).or_insert(0) += i128::from(amount);
    }

    /// Makes room for an id, if it may have any.
    #[cold]
    fn grow(&mut self, id: u64) -> bool {
        let fits = id < self.ids_max;
        if fits {
            let len = (id + 1).next_power_of_two().max(1 << 10);
            self.narrow.resize(len as usize, 0);
        }
        fits
    }

    /// One row that is not of two ids in the array and a small amount.
    #[cold]
    fn add_slowly(&mut self, debit: u64, credit: u64, amount: i64) {
        let largest = debit.max(credit);
        let has_room = largest < self.narrow.len() as u64 || self.grow(largest);
        if amount as u64 >= LARGE || !has_room {
            self.add_wide(debit, credit, amount);
            return;
        }
        self.narrow[debit as usize] -= amount;
        self.narrow[credit as usize] += amount;
        self.moved += amount as u64;
    }

    /// Empties the narrow sums.
    #[cold]
    fn spill(&mut self) {
        for (id, sum) in (0..).zip(&mut self.narrow) {
            if *sum != 0 {
                *self.wide.entry(id).or_insert(0) += i128::from(std::mem::take(sum));
            }
        }
        self.moved = 0;
    }

    /// Adds rows of small amounts between ids in the array, and returns the first that is no such row, or the end.
    fn add_rows<A: AccountId, const FAR: bool>(
        &mut self,
        (debit, credit, amount): (&[A], &[A], &[i64]),
        rows: Range<usize>,
    ) -> usize {
        let (narrow, mut moved) = (&mut self.narrow[..], 0_u64);
        let (debit, credit) = (&debit[..amount.len()], &credit[..amount.len()]);
        let near_end = amount.len().saturating_sub(AHEAD);
        let mut first_other = rows.end.min(amount.len());
        for row in rows.start..first_other {
            if FAR && row < near_end {
                prefetch_place(narrow, debit[row + AHEAD].wide() as usize);
                prefetch_place(narrow, credit[row + AHEAD].wide() as usize);
            }
            let (from, to, amount) = (debit[row].wide() as usize, credit[row].wide() as usize, amount[row]);
            // 0 and below wrap to above every bound.
            let is_small = (amount.wrapping_sub(1) as u64) < LARGE - 1;
            if !is_small || from >= narrow.len() || to >= narrow.len() {
                first_other = row;
                break;
            }
            // No sum leaves 64 bits: at most 2^61 has moved before this block of 2^12 rows below 2^48.
            narrow[from] = narrow[from].wrapping_sub(amount);
            narrow[to] = narrow[to].wrapping_add(amount);
            moved = moved.wrapping_add(amount as u64);
        }
        self.moved += moved;
        first_other
    }

    /// Adds rows of one asset; every amount is above zero, or the first row where it is not is returned.
    fn add<A: AccountId>(&mut self, debit: &[A], credit: &[A], amount: &[i64]) -> Result<(), usize> {
        let n = amount.len();
        let (debit, credit) = (&debit[..n], &credit[..n]);
        for start in (0..n).step_by(BLOCK) {
            if self.moved > MOVED_MOST {
                self.spill();
            }
            let end = n.min(start + BLOCK);
            let mut row = start;
            while row < end {
                row = if self.narrow.len() <= NEAR {
                    self.add_rows::<A, false>((debit, credit, amount), row..end)
                } else {
                    self.add_rows::<A, true>((debit, credit, amount), row..end)
                };
                if row < end {
                    if amount[row] <= 0 {
                        return Err(row);
                    }
                    self.add_slowly(debit[row].wide(), credit[row].wide(), amount[row]);
                    row += 1;
                }
            }
        }
        Ok(())
    }

    fn found(mut self) -> Found {
        if self.wide.is_empty() {
            return Found::Dense(self.narrow);
        }
        self.spill();
        let sorted: BTreeMap<u64, i128> = self.wide.into_iter().collect();
        Found::Sorted(sorted.into_iter().filter(|&(_, amount)| amount != 0).collect())
    }
}

/// Positions of one asset.
#[derive(Clone, Debug)]
enum Found {
    /// By participant, with zeros.
    Dense(Vec<i64>),
    /// In ascending participant, without.
    Sorted(Vec<(u64, i128)>),
}

impl Found {
    fn iter(&self) -> impl Iterator<Item = (u64, i128)> + Clone {
        let (dense, sorted): (&[i64], &[(u64, i128)]) = match self {
            Self::Dense(sums) => (sums.as_slice(), &[]),
            Self::Sorted(rows) => (&[], rows.as_slice()),
        };
        let named = (0..).zip(dense).filter(|&(_, &amount)| amount != 0);
        named.map(|(participant, &amount)| (participant, i128::from(amount))).chain(sorted.iter().copied())
    }
}

/// Every position other than zero, by asset and participant; each asset sums to zero. Listed when they are asked for:
/// a list of all takes longer than their sums.
#[derive(Clone, Debug)]
pub struct Positions {
    by_asset: Vec<(u16, Found)>,
}

impl Positions {
    /// In ascending asset, then participant. O(largest participant), or O(positions) where participants are sparse.
    pub fn iter(&self) -> impl Iterator<Item = Position> {
        self.by_asset.iter().flat_map(|(asset, found)| {
            found.iter().map(move |(participant, amount)| Position { asset: *asset, participant, amount })
        })
    }
}

fn check<A>(o: &Obligations<'_, A>) -> Result<(), BadObligation> {
    let rows = o.debit.len();
    let asset = o.asset.map_or(rows, <[u16]>::len);
    for (column, length) in [("credit", o.credit.len()), ("amount", o.amount.len()), ("asset", asset)] {
        if length != rows {
            return Err(BadObligation::Length { column, length, rows });
        }
    }
    Ok(())
}

/// What everybody receives or owes in the end. O(rows + largest participant).
///
/// # Errors
/// [`BadObligation`] names the first amount that is not above zero, or a column of another length.
pub fn positions<A: AccountId>(obligations: &Obligations<'_, A>) -> Result<Positions, BadObligation> {
    check(obligations)?;
    let Obligations { debit, credit, amount, asset } = *obligations;
    let bad = |row: usize| BadObligation::Amount { row, amount: amount[row] };
    let Some(assets) = asset else {
        let mut sums = Sums::new(amount.len());
        sums.add(debit, credit, amount).map_err(bad)?;
        return Ok(Positions { by_asset: vec![(0, sums.found())] });
    };
    let mut by_asset: BTreeMap<u16, Sums> = BTreeMap::new();
    let mut start = 0;
    // Runs of rows of one asset.
    for run in assets.chunk_by(|one, next| one == next) {
        let rows = start..start + run.len();
        let sums = by_asset.entry(run[0]).or_insert_with(|| Sums::new(amount.len()));
        let added = sums.add(&debit[rows.clone()], &credit[rows.clone()], &amount[rows.clone()]);
        added.map_err(|row| bad(start + row))?;
        start = rows.end;
    }
    Ok(Positions { by_asset: by_asset.into_iter().map(|(asset, sums)| (asset, sums.found())).collect() })
}

/// One payment for each pair that does not owe each other the same, in ascending asset and pair. O(rows log rows).
///
/// # Errors
/// [`BadObligation`] names the first amount that is not above zero, or a column of another length.
pub fn bilateral<A: AccountId>(obligations: &Obligations<'_, A>) -> Result<Vec<Payment>, BadObligation> {
    check(obligations)?;
    let Obligations { debit, credit, amount, asset } = *obligations;
    let mut owed = Vec::with_capacity(amount.len());
    for (row, &amount) in amount.iter().enumerate() {
        if amount <= 0 {
            return Err(BadObligation::Amount { row, amount });
        }
        let (debit, credit) = (debit[row].wide(), credit[row].wide());
        let asset = asset.map_or(0, |asset| asset[row]);
        if debit != credit {
            let owes = if debit < credit { i128::from(amount) } else { -i128::from(amount) };
            owed.push((asset, debit.min(credit), debit.max(credit), owes));
        }
    }
    // Only the sum of a pair is used, so that the order of its rows does not matter.
    owed.sort_unstable_by_key(|&(asset, low, high, _)| (asset, low, high));
    let pairs = owed.chunk_by(|one, next| (one.0, one.1, one.2) == (next.0, next.1, next.2));
    let payment = |pair: &[(u16, u64, u64, i128)]| {
        let (asset, low, high, _) = pair[0];
        let owes: i128 = pair.iter().map(|row| row.3).sum();
        let (debit, credit) = if owes > 0 { (low, high) } else { (high, low) };
        Payment { asset, debit, credit, amount: owes.abs() }
    };
    Ok(pairs.map(payment).filter(|payment| payment.amount != 0).collect())
}

/// At most `n - 1` payments an asset that leave every participant with its position. Costs what [`Positions::iter`] does.
pub fn multilateral(positions: &Positions) -> Vec<Payment> {
    let mut payments = Vec::new();
    for (asset, found) in &positions.by_asset {
        pay_off(*asset, found.iter(), &mut payments);
    }
    payments
}

/// Payments that bring the positions of one asset, in ascending participant, to zero: the lowest debtor pays the lowest
/// creditor until one of them is done.
pub(super) fn pay_off(asset: u16, found: impl Iterator<Item = (u64, i128)> + Clone, payments: &mut Vec<Payment>) {
    let mut debtors = found.clone().filter(|p| p.1 < 0).map(|(participant, amount)| (participant, -amount));
    let mut creditors = found.filter(|p| p.1 > 0);
    let (mut from, mut to) = (debtors.next(), creditors.next());
    while let (Some((debit, owes)), Some((credit, is_owed))) = (from, to) {
        let amount = owes.min(is_owed);
        payments.push(Payment { asset, debit, credit, amount });
        from = if owes == amount { debtors.next() } else { Some((debit, owes - amount)) };
        to = if is_owed == amount { creditors.next() } else { Some((credit, is_owed - amount)) };
    }
}

/// Payments as transfers of 64 bits: what is larger is split into several, the full ones first.
pub fn split(payments: &[Payment]) -> Vec<super::transfers::Leg> {
    let most = i128::from(i64::MAX);
    let mut legs = Vec::with_capacity(payments.len());
    for &Payment { asset, debit, credit, amount } in payments {
        let mut left = amount;
        while left > 0 {
            let part = left.min(most);
            legs.push(super::transfers::Leg { asset, debit, credit, amount: part as i64 });
            left -= part;
        }
    }
    legs
}

#[cfg(test)]
#[path = "netting_tests.rs"]
mod tests;
