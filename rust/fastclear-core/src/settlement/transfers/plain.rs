//! Transfers of nothing but two accounts and an amount.
//!
//! Such a transfer reads and writes two hot parts, in any order over all accounts: beyond the caches each row waits for
//! two lines of memory. So balances are asked for [`AHEAD`] rows before they are needed, and whether an amount is
//! covered, which is as good as random, is no branch. Whatever is not plain (an unknown account, one that pays itself,
//! an amount that is not positive or very large, a hot part that would leave its zone, a closed account, another asset)
//! goes through the rules for all transfers, one row at a time and in its place, so that the codes are the same.

use super::directory::Directory;
use super::store::{PLAIN_MOST, zone_differs};
use super::{Code, Transfers};
use crate::simd::prefetch_place;

/// How many rows ahead balances are asked for.
const AHEAD: usize = 24;
/// Rows whose accounts are looked up at once, where ids are not places.
const BLOCK: usize = 1 << 9;

/// An account id in a column.
pub trait AccountId: Copy {
    /// The id.
    fn wide(self) -> u64;
}

impl AccountId for u64 {
    fn wide(self) -> u64 {
        self
    }
}

impl AccountId for u32 {
    fn wide(self) -> u64 {
        u64::from(self)
    }
}

/// Rows of a run as they come, or as far as they were looked up.
struct Rows<'a, A> {
    debit: &'a [A],
    credit: &'a [A],
    amount: &'a [i64],
    /// What to subtract from an id to get its place.
    first: u64,
}

impl<A: AccountId> Rows<'_, A> {
    #[inline]
    fn places(&self, row: usize) -> (usize, usize) {
        let place = |id: A| id.wide().wrapping_sub(self.first) as usize;
        (place(self.debit[row]), place(self.credit[row]))
    }
}

impl Transfers {
    /// Executes plain transfers; `codes` are as many as there are rows.
    pub(super) fn submit_plain<A: AccountId>(&mut self, debit: &[A], credit: &[A], amount: &[i64], codes: &mut [u8]) {
        if !self.store.plain() {
            self.submit_exactly(debit, credit, amount, codes);
            return;
        }
        if let Directory::Range { first, .. } = *self.store.directory() {
            self.submit_rows(&Rows { debit, credit, amount, first }, codes, |row| {
                (debit[row].wide(), credit[row].wide())
            });
            return;
        }
        let (mut from, mut to) = ([0_u32; BLOCK], [0_u32; BLOCK]);
        for start in (0..amount.len()).step_by(BLOCK) {
            let block = start..amount.len().min(start + BLOCK);
            let (debit, credit, amount) = (&debit[block.clone()], &credit[block.clone()], &amount[block.clone()]);
            // An account that is not open is at no place, and its row is not plain.
            let place = |id: &A| self.store.place(id.wide()).map_or(u32::MAX, |place| place as u32);
            for (place_of, id) in from.iter_mut().zip(debit).chain(to.iter_mut().zip(credit)) {
                *place_of = place(id);
            }
            let rows = Rows { debit: &from[..amount.len()], credit: &to[..amount.len()], amount, first: 0 };
            self.submit_rows(&rows, &mut codes[block], |row| (debit[row].wide(), credit[row].wide()));
        }
    }

    fn submit_rows<A: AccountId>(&mut self, rows: &Rows<'_, A>, codes: &mut [u8], ids: impl Fn(usize) -> (u64, u64)) {
        let mut done = 0;
        while done < codes.len() {
            let uniform = self.store.uniform();
            let (hot, tags) = self.store.columns();
            // Two compilations, so that the usual one reads no tags.
            done = if uniform {
                run::<A, false>(hot, tags, rows, done, codes)
            } else {
                run::<A, true>(hot, tags, rows, done, codes)
            };
            if done < codes.len() {
                let (debit, credit) = ids(done);
                codes[done] = self.submit_exact(debit, credit, rows.amount[done]) as u8;
                done += 1;
            }
        }
    }

    /// Every row by the rules for all.
    fn submit_exactly<A: AccountId>(&mut self, debit: &[A], credit: &[A], amount: &[i64], codes: &mut [u8]) {
        for (row, code) in codes.iter_mut().enumerate() {
            *code = self.submit_exact(debit[row].wide(), credit[row].wide(), amount[row]) as u8;
        }
    }
}

/// Executes rows from `start` on and returns the first that is not plain; none of what it would do is done.
fn run<A: AccountId, const TAGGED: bool>(
    hot: &mut [i64],
    tags: &[u32],
    rows: &Rows<'_, A>,
    start: usize,
    codes: &mut [u8],
) -> usize {
    let n = rows.amount.len().min(codes.len());
    let (debit, credit, amount, codes) = (&rows.debit[..n], &rows.credit[..n], &rows.amount[..n], &mut codes[..n]);
    let rows = Rows { debit, credit, amount, first: rows.first };
    let near_end = n.saturating_sub(AHEAD);
    for row in start..n {
        if row < near_end {
            let (debit, credit) = rows.places(row + AHEAD);
            prefetch_place(hot, debit);
            prefetch_place(hot, credit);
            if TAGGED {
                prefetch_place(tags, debit);
                prefetch_place(tags, credit);
            }
        }
        let (debit, credit) = rows.places(row);
        let Some(code) = step::<TAGGED>(hot, tags, debit, credit, amount[row]) else { return row };
        codes[row] = code;
    }
    n
}

/// One row, or `None` where it is not plain.
#[inline]
fn step<const TAGGED: bool>(hot: &mut [i64], tags: &[u32], debit: usize, credit: usize, amount: i64) -> Option<u8> {
    // 0 and below wrap to above every bound.
    let amount_is_plain = (amount.wrapping_sub(1) as u64) < PLAIN_MOST as u64;
    if debit >= hot.len() || credit >= hot.len() || debit == credit || !amount_is_plain {
        return None;
    }
    if TAGGED && !super::store::tags_agree(tags[debit], tags[credit]) {
        return None;
    }
    let (payer, payee) = (hot[debit], hot[credit]);
    let is_covered = payer >= amount;
    let moved = amount & -i64::from(is_covered);
    // Both stay inside 64 bits: a hot part is within ±3 × 2⁶¹ and an amount at most 2⁶⁰.
    let (paid, received) = (payer.wrapping_sub(moved), payee.wrapping_add(moved));
    if zone_differs(payer, paid) | zone_differs(payee, received) {
        return None;
    }
    hot[debit] = paid;
    hot[credit] = received;
    // ExceedsAvailable where it is not covered, Ok where it is.
    Some(Code::ExceedsAvailable as u8 & (i8::from(is_covered) - 1) as u8)
}
