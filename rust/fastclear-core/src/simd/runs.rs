//! Where a column of ids goes from one id to the next.

use super::on_every_path;

/// Rows of which one word says which begin a run.
const BITS: usize = 64;

/// One bit a row whose id is not that of the row before, and whether any is less.
#[inline(always)]
fn changes(before: &[i64; BITS], now: &[i64; BITS]) -> (u64, bool) {
    let (mut bits, mut descends) = (0, false);
    for row in 0..BITS {
        bits |= u64::from(before[row] != now[row]) << row;
        descends |= before[row] > now[row];
    }
    (bits, descends)
}

#[inline(always)]
fn run_starts_body(ids: &[i64], first: usize, starts: &mut Vec<usize>, begun: &mut Vec<i64>) -> bool {
    let [_, now @ ..] = ids else {
        return true;
    };
    let before = &ids[..now.len()];
    let (before_blocks, before_rest) = before.as_chunks::<BITS>();
    let (now_blocks, now_rest) = now.as_chunks::<BITS>();
    let mut row = first;
    for (before, now) in before_blocks.iter().zip(now_blocks) {
        let (mut bits, descends) = changes(before, now);
        if descends {
            return false;
        }
        while bits != 0 {
            let nth = bits.trailing_zeros() as usize % BITS;
            starts.push(row.wrapping_add(nth));
            begun.push(now[nth]);
            bits &= bits.wrapping_sub(1);
        }
        row = row.wrapping_add(BITS);
    }
    for (nth, (before, now)) in before_rest.iter().zip(now_rest).enumerate() {
        if before > now {
            return false;
        }
        if before != now {
            starts.push(row + nth);
            begun.push(*now);
        }
    }
    true
}

on_every_path! {
    /// Appends the rows whose id is not that of the row before to `starts`, and the ids themselves to `begun`; `false`
    /// where ids descend.
    ///
    /// `ids` begins with the id before the first row looked at, which is row `first`.
    pub fn run_starts<>(ids: &[i64], first: usize, starts: &mut Vec<usize>, begun: &mut Vec<i64>) -> bool = run_starts_body
}

#[inline(always)]
fn range_body(ids: &[i64]) -> (i64, i64) {
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for &id in ids {
        least = if id < least { id } else { least };
        most = if id > most { id } else { most };
    }
    (least, most)
}

on_every_path! {
    /// Least and greatest of some ids; without any, the ends of the integers, the other way round.
    pub fn range<>(ids: &[i64]) -> (i64, i64) = range_body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Path, allow};

    #[test]
    fn a_start_is_found_wherever_it_lies() {
        for path in Path::ALL {
            allow(path);
            for len in [1, 2, 63, 64, 65, 66, 128, 129, 130, 200] {
                for start in 1..len {
                    let ids: Vec<i64> = (0..len).map(|row| if row < start { i64::MIN } else { i64::MAX }).collect();
                    let (mut starts, mut begun) = (vec![7], vec![7]);
                    assert!(run_starts(&ids, 1, &mut starts, &mut begun));
                    assert_eq!((starts, begun), (vec![7, start], vec![7, i64::MAX]), "of {len}");
                    let mut backwards: Vec<i64> = ids.iter().map(|id| !id).collect();
                    assert!(!run_starts(&backwards, 1, &mut Vec::new(), &mut Vec::new()), "{start} of {len}");
                    backwards[start..].fill(i64::MAX);
                    assert!(run_starts(&backwards, 1, &mut Vec::new(), &mut Vec::new()));
                }
                let ids: Vec<i64> = (0..len as i64).collect();
                let (mut starts, mut begun) = (Vec::new(), Vec::new());
                assert!(run_starts(&ids, 1001, &mut starts, &mut begun));
                assert_eq!(starts, (1001..1000 + len).collect::<Vec<_>>());
                assert_eq!(begun, ids[1..]);
            }
            assert_eq!(range(&[3, -4, i64::MAX, 0]), (-4, i64::MAX));
            assert_eq!(range(&[]), (i64::MAX, i64::MIN));
        }
    }
}
