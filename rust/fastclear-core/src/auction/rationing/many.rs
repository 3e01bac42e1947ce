//! Sharing among many orders: passes over them in chunks, and no sort.

use super::{Portion, Rationing, Scratch, by_lot, in_line};
use crate::auction::book::{Book, Number, Priority};
use crate::simd::sharing::{self, Rate, Sharers};
use crate::units::QUANTITY_MAX;

impl Rationing {
    /// Shares among orders of a book that come in chunks.
    pub(super) fn share_many<S: Sharers, P: Number, Q: Number>(
        self,
        book: &Book<'_, P, Q>,
        sharers: &S,
        portion: Portion,
        priority: &Priority<'_>,
        filled: &mut [i64],
        scratch: &mut Scratch,
    ) {
        let quantity = |i: usize| book.quantity(i);
        let line = &mut scratch.line;
        line.clear();
        if !portion.is_cut() || matches!(self, Self::Time) && priority.is_position() {
            sharing::write_in_turn(sharers, portion.left, filled);
            return;
        }
        match self {
            Self::ProRata => {
                let rate = Rate::new(portion.left, portion.total);
                let cutoff = sharing::cutoff(sharers, rate);
                let lots = sharing::write_quotas(sharers, rate, cutoff, filled, line);
                if lots > 0 {
                    let remainder = |i: usize| rate.quota(quantity(i) as u32).1;
                    in_line::serve(lots, line, |i| !remainder(i), priority, |_| 1, |i, one| filled[i] += one);
                }
                return;
            }
            Self::Equal => {
                let (level, lots) = sharing::water_level(sharers, portion.left);
                sharing::write_water(sharers, level, filled, line);
                if lots > 0 {
                    in_line::serve(lots, line, |_| 0, priority, |_| 1, |i, one| filled[i] += one);
                }
                return;
            }
            Self::Time | Self::Quantity | Self::Lottery { .. } => {}
        }
        // In turn: only the place in line counts.
        sharing::write_in_turn(sharers, 0, filled);
        sharing::list(sharers, line);
        let give = |i: usize, lots| filled[i] = lots;
        match self {
            Self::Lottery { seed } => by_lot::serve(portion, line, seed, priority, quantity, filled),
            Self::Quantity => {
                let largest_first = |i| (QUANTITY_MAX - quantity(i)) as u64;
                in_line::serve(portion.left, line, largest_first, priority, quantity, give);
            }
            _ => in_line::serve(portion.left, line, |_| 0, priority, quantity, give),
        }
    }
}
