//! Balances in arrays, by the place of the account.
//!
//! # The spendable part
//! What an account may spend, `posted + limit - pending_out`, is `hot + excess`: eight bytes that nearly every transfer
//! reads and writes, and a rest that nearly none does. The rest is 0 unless the account is without a limit, or has
//! more than 2⁶² in either direction:
//!
//! | account | `hot` | `excess` |
//! |---|---|---|
//! | within ±2⁶² | all of it | 0 |
//! | beyond | around ±2⁶² | the rest, of the same sign |
//! | unlimited | around 2⁶² | the rest |
//!
//! So `hot` alone says whether an amount up to [`PLAIN_MOST`] may be spent, as long as it stays in the zone where it
//! was put; see [`zone_differs`]. Whatever would leave the zone goes through [`Store::set_spendable`], which sorts the
//! two parts anew.

use super::directory::Directory;

/// Bound of every balance and of the sum of reservations, so that no sum of three of them overflows.
pub(super) const LARGEST: i128 = 1 << 126;
/// Where the hot part of an unlimited or very rich account is put.
const FAR: i64 = 1 << 62;
/// Most that the hot part alone decides about: less than the width of a zone.
pub(super) const PLAIN_MOST: i64 = 1 << 60;
/// Closed, in a tag; the rest of it is the asset.
const CLOSED: u32 = 1 << 16;

/// Whether a hot part leaves its zone: under -2⁶¹, up to 2⁶¹, above, or past ±3 × 2⁶¹, where none is ever put.
#[inline]
pub(super) const fn zone_differs(old: i64, new: i64) -> bool {
    const HALF: i64 = 1 << 61;
    (old.wrapping_add(HALF) ^ new.wrapping_add(HALF)) as u64 >> 62 != 0
}

/// What an account is beside its balances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Unit of its money; a transfer stays inside one.
    pub asset: u16,
    /// Not held to its limit: a boundary through which money enters.
    pub unlimited: bool,
    /// Takes part in nothing but voids and expiries.
    pub closed: bool,
}

/// One account, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Its id.
    pub account: u64,
    /// Its terms.
    pub terms: Terms,
    /// Credits minus debits.
    pub posted: i128,
    /// Reserved to be paid.
    pub pending_out: i128,
    /// Reserved to be received; never spendable.
    pub pending_in: i128,
    /// Credit allowed below zero, never negative.
    pub limit: i64,
}

impl Balance {
    /// What may still be spent or reserved: `posted + limit - pending_out`; below zero after a limit was cut.
    pub const fn available(&self) -> i128 {
        self.posted + self.limit as i128 - self.pending_out
    }
}

/// What few transfers read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cold {
    excess: i128,
    pub pending_out: i128,
    pub pending_in: i128,
    pub limit: i64,
    pub unlimited: bool,
}

/// An account as it was, to be put back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saved {
    place: usize,
    hot: i64,
    cold: Cold,
}

/// Every account.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    directory: Directory,
    ids: Vec<u64>,
    hot: Vec<i64>,
    tags: Vec<u32>,
    cold: Vec<Cold>,
    closed: usize,
    several_assets: bool,
    /// Whether a balance was ever past half of [`LARGEST`]: from then on every transfer looks at whole balances.
    huge: bool,
    /// Sum of all reservations.
    pub reserved: i128,
}

impl Store {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    #[inline]
    pub fn place(&self, id: u64) -> Option<usize> {
        self.directory.place(id)
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    pub fn id(&self, place: usize) -> u64 {
        self.ids[place]
    }

    /// Whether the hot parts alone decide about small amounts.
    pub fn plain(&self) -> bool {
        !self.huge
    }

    /// Whether every account is open and all are of one asset.
    pub fn uniform(&self) -> bool {
        self.closed == 0 && !self.several_assets
    }

    /// The hot parts and the tags by place.
    pub fn columns(&mut self) -> (&mut [i64], &[u32]) {
        (&mut self.hot, &self.tags)
    }

    /// What a transfer reads first, to be fetched ahead.
    pub fn prefetch(&self, id: u64) {
        if let Some(place) = self.place(id) {
            crate::simd::prefetch_place(&self.hot, place);
            crate::simd::prefetch_place(&self.tags, place);
            crate::simd::prefetch_place(&self.cold, place);
        }
    }

    /// Opens accounts: ascending ids, none of them open. One limit and one set of terms each.
    pub fn open(&mut self, rows: &[(u64, i64, Terms)]) {
        let start = self.ids.len();
        for &(id, limit, terms) in rows {
            self.ids.push(id);
            self.hot.push(0);
            self.tags.push(u32::from(terms.asset));
            self.cold.push(Cold { limit, unlimited: terms.unlimited, ..Cold::default() });
            let place = self.ids.len() - 1;
            self.several_assets |= self.tags[0] & !CLOSED != u32::from(terms.asset);
            self.set_spendable(place, i128::from(limit));
            self.set_closed(place, terms.closed);
        }
        self.directory.extend(&self.ids, start);
    }

    pub fn set_closed(&mut self, place: usize, closed: bool) {
        self.closed -= usize::from(self.is_closed(place));
        self.closed += usize::from(closed);
        self.tags[place] = (self.tags[place] & !CLOSED) | if closed { CLOSED } else { 0 };
    }

    /// Sets a limit and leaves the balance as it is.
    pub fn set_limit(&mut self, place: usize, limit: i64) {
        let spendable = self.spendable(place) - i128::from(self.cold[place].limit) + i128::from(limit);
        self.cold[place].limit = limit;
        self.set_spendable(place, spendable);
    }

    pub fn is_closed(&self, place: usize) -> bool {
        self.tags[place] & CLOSED != 0
    }

    pub fn same_asset(&self, one: usize, other: usize) -> bool {
        (self.tags[one] ^ self.tags[other]) & !CLOSED == 0
    }

    pub fn asset(&self, place: usize) -> u16 {
        self.tags[place] as u16
    }

    /// What the account may spend; without meaning where it is unlimited.
    #[inline]
    pub fn spendable(&self, place: usize) -> i128 {
        i128::from(self.hot[place]) + self.cold[place].excess
    }

    #[inline]
    pub fn covers(&self, place: usize, amount: i64) -> bool {
        self.cold[place].unlimited || i128::from(amount) <= self.spendable(place)
    }

    pub fn posted(&self, place: usize) -> i128 {
        let cold = &self.cold[place];
        self.spendable(place) - i128::from(cold.limit) + cold.pending_out
    }

    pub fn balance(&self, place: usize) -> Balance {
        let cold = &self.cold[place];
        let (asset, closed) = (self.asset(place), self.is_closed(place));
        Balance {
            account: self.ids[place],
            terms: Terms { asset, unlimited: cold.unlimited, closed },
            posted: self.posted(place),
            pending_out: cold.pending_out,
            pending_in: cold.pending_in,
            limit: cold.limit,
        }
    }

    /// Places in ascending id.
    pub fn places(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.len()).collect();
        if !self.ids.is_sorted() {
            places.sort_unstable_by_key(|&place| self.ids[place]);
        }
        places
    }

    /// Sorts what an account may spend into the hot part and the rest.
    #[inline]
    pub fn set_spendable(&mut self, place: usize, spendable: i128) {
        let cold = &mut self.cold[place];
        let far = i128::from(FAR);
        let hot = if cold.unlimited { FAR } else { spendable.clamp(-far, far) as i64 };
        self.hot[place] = hot;
        cold.excess = spendable - i128::from(hot);
        // Below a quarter of the bound each, this and the reservations leave room for one more transfer.
        self.huge |= cold.excess.unsigned_abs() > LARGEST.unsigned_abs() / 4;
    }

    /// Gives an account of a saved state what it had; all three are within [`LARGEST`].
    pub fn restore(&mut self, place: usize, posted: i128, (pending_out, pending_in): (i128, i128)) {
        let cold = &mut self.cold[place];
        (cold.pending_out, cold.pending_in) = (pending_out, pending_in);
        let spendable = posted + i128::from(cold.limit) - pending_out;
        self.set_spendable(place, spendable);
    }

    /// Sets the sum of the reservations of a saved state.
    pub fn restore_reserved(&mut self, reserved: i128) {
        self.reserved = reserved;
        self.huge |= reserved > LARGEST / 4;
    }

    #[inline]
    pub fn save(&self, place: usize) -> Saved {
        Saved { place, hot: self.hot[place], cold: self.cold[place] }
    }

    pub fn put_back(&mut self, saved: &Saved) {
        self.hot[saved.place] = saved.hot;
        self.cold[saved.place] = saved.cold;
    }

    /// Moves posted and pending money between two accounts, or says that a balance would leave its range.
    ///
    /// The debit's `pending_out` and the credit's `pending_in` change by `pending`; both may be 0 or below.
    #[inline]
    pub fn shift(&mut self, debit: usize, credit: usize, posted: i64, pending: i128) -> bool {
        let (posted, reserved) = (i128::from(posted), self.reserved + pending);
        let small = |money: i128| (-LARGEST..=LARGEST).contains(&money);
        // Without reservations and huge balances there is nothing that could leave its range.
        if (self.huge || pending != 0)
            && !(small(self.posted(debit) - posted) && small(self.posted(credit) + posted) && small(reserved))
        {
            return false;
        }
        self.reserved = reserved;
        self.huge |= reserved > LARGEST / 4;
        self.cold[debit].pending_out += pending;
        self.cold[credit].pending_in += pending;
        self.set_spendable(debit, self.spendable(debit) - posted - pending);
        self.set_spendable(credit, self.spendable(credit) + posted);
        true
    }
}

/// Whether two accounts are open and of one asset.
#[inline]
pub(super) const fn tags_agree(one: u32, other: u32) -> bool {
    ((one ^ other) | (one & CLOSED)) == 0
}
