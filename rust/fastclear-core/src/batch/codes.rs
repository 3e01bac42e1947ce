//! Market ids as numbers from zero, in the order of ids.

use std::ops::Range;

use crate::simd::{self, deal};

use super::threads::{at_once, ranges, worth};

/// Ids may span so many numbers a row and still be their own codes, counted from the least.
const SPAN_A_ROW: u64 = 4;
/// The most that they may span in any case.
const SPAN_MOST: u64 = 1 << 26;
/// One row in so many tells the ids that there are, but for a few.
const SAMPLED: usize = 8;
/// Most bits of an id that a table of first places is entered by.
const TABLE_BITS_MOST: u32 = 20;

/// The code of each row's market: ascending with its id, below `count`. Not every code need occur.
pub(super) struct Codes<'a> {
    ids: &'a [i64],
    least: i64,
    listed: Option<Listed>,
    pub count: usize,
}

/// Ids far apart: a list of those that occur, and the place in it of each row's.
struct Listed {
    ids: Vec<i64>,
    codes: Vec<u32>,
}

impl<'a> Codes<'a> {
    /// The codes of a column of at least one id.
    pub fn of(ids: &'a [i64], threads: usize) -> Self {
        let parts = ranges(ids.len(), worth(ids.len(), threads));
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for (low, high) in at_once(parts.iter().map(|rows| || simd::range(&ids[rows.clone()]))) {
            (least, most) = (least.min(low), most.max(high));
        }
        let span = most.wrapping_sub(least) as u64;
        if span < (SPAN_A_ROW * ids.len() as u64).min(SPAN_MOST) {
            return Self { ids, least, listed: None, count: span as usize + 1 };
        }
        let listed = Listed::of(ids, &parts, (least, most));
        Self { ids, least, count: listed.ids.len(), listed: Some(listed) }
    }

    /// The codes of at most a block of rows, which may be written to `room`.
    #[inline]
    pub fn block<'b>(&'b self, rows: Range<usize>, room: &'b mut [u32; deal::DEAL_BLOCK]) -> &'b [u32] {
        if let Some(listed) = &self.listed {
            return &listed.codes[rows];
        }
        let room = &mut room[..rows.len()];
        deal::near_codes(&self.ids[rows], self.least, room);
        room
    }

    /// The id of a market.
    #[inline]
    pub fn id(&self, code: usize) -> i64 {
        self.listed.as_ref().map_or_else(|| self.least + code as i64, |listed| listed.ids[code])
    }
}

impl Listed {
    #[expect(clippy::stable_sort_primitive, reason = "it merges runs that are in order already")]
    fn of(ids: &[i64], parts: &[Range<usize>], range: (i64, i64)) -> Self {
        // Most ids occur many times, so that a few rows name nearly all of them; the others add what they know.
        let mut known: Vec<i64> = ids.iter().step_by(SAMPLED).copied().collect();
        known.sort_unstable();
        known.dedup();
        let list = List::of(&known, range);
        let missing = at_once(parts.iter().map(|rows| {
            let list = &list;
            move || {
                let mut missing: Vec<i64> =
                    ids[rows.clone()].iter().copied().filter(|&id| list.place(id).is_none()).collect();
                missing.sort_unstable();
                missing.dedup();
                missing
            }
        }));
        known.extend(missing.into_iter().flatten());
        known.sort();
        known.dedup();
        let list = List::of(&known, range);
        let mut codes = vec![0; ids.len()];
        let lengths = parts.iter().map(Range::len);
        at_once(super::threads::pieces(&mut codes, lengths).into_iter().zip(parts).map(|(codes, rows)| {
            let list = &list;
            move || {
                for (code, &id) in codes.iter_mut().zip(&ids[rows.clone()]) {
                    *code = list.place(id).unwrap_or_default();
                }
            }
        }));
        Self { ids: known, codes }
    }
}

/// Ascending ids, with a table of where those begin that have the same high bits.
struct List<'a> {
    ids: &'a [i64],
    least: i64,
    shift: u32,
    first: Vec<u32>,
}

impl<'a> List<'a> {
    fn of(ids: &'a [i64], (least, most): (i64, i64)) -> Self {
        let span = most.wrapping_sub(least) as u64;
        let bits = (ids.len().ilog2() + 2).min(TABLE_BITS_MOST);
        let shift = (u64::BITS - span.leading_zeros()).saturating_sub(bits);
        let mut first = vec![0; (span >> shift) as usize + 2];
        for &id in ids {
            first[(id.wrapping_sub(least) as u64 >> shift) as usize + 1] += 1;
        }
        for slot in 1..first.len() {
            first[slot] += first[slot - 1];
        }
        Self { ids, least, shift, first }
    }

    /// Where the id stands, if it does.
    #[inline]
    fn place(&self, id: i64) -> Option<u32> {
        let slot = (id.wrapping_sub(self.least) as u64 >> self.shift) as usize;
        let (start, end) = (self.first[slot], self.first[slot + 1]);
        let place = self.ids[start as usize..end as usize].binary_search(&id).ok()?;
        Some(start + place as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_the_order_of_ids() {
        let near = [5, -3, 5, 0, 7, -3, 2];
        let far = [i64::MAX, i64::MIN, 0, -1, i64::MAX, 1 << 40, -(1 << 40), 0];
        let clustered: Vec<i64> =
            (0..1000).map(|row| if row % 97 == 3 { i64::MAX - row } else { row * 7 % 50 }).collect();
        let each_its_own: Vec<i64> =
            (0..1000).map(|row: i64| row.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)).collect();
        let many: Vec<i64> = (0..100_000).map(|row: i64| (row * row % 1009) << 45).collect();
        for ids in [&near[..], &far, &clustered, &each_its_own, &many, &[i64::MIN], &[3, i64::MIN]] {
            for threads in [1, 3] {
                let codes = Codes::of(ids, threads);
                let mut room = [0; deal::DEAL_BLOCK];
                for start in (0..ids.len()).step_by(deal::DEAL_BLOCK) {
                    let rows = start..ids.len().min(start + deal::DEAL_BLOCK);
                    for (&code, &id) in codes.block(rows.clone(), &mut room).iter().zip(&ids[rows]) {
                        assert!((code as usize) < codes.count);
                        assert_eq!(codes.id(code as usize), id);
                    }
                }
                assert!((1..codes.count).all(|code| codes.id(code - 1) < codes.id(code)));
            }
        }
    }
}
