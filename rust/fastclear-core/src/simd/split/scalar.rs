//! The twin of the vector kernels, and their last few rows.

use super::{Picks, Rows};

/// Appends the rows of a class from `start` on.
pub fn rows(rows: &Rows<'_>, start: usize, class: u8, picks: &mut Picks) {
    for i in start..rows.class.len() {
        // Written in any case and counted where it belongs: no branch to guess wrong.
        picks.price[picks.len] = rows.price[i];
        picks.quantity[picks.len] = rows.quantity[i];
        picks.position[picks.len] = rows.first + i as u32;
        picks.len += usize::from(rows.class[i] == class);
    }
}
