//! A book weighed into bins of price.

use super::near::{BLOCK, Near};
use super::on_every_path;
use crate::auction::book::{Book, Number};

/// Bins of [`weigh`].
pub const BINS: usize = 2048;

/// A book weighed into bins.
#[derive(Debug)]
pub struct Weighed {
    /// Quantity of all bids.
    pub bid_quantity: i64,
    /// Quantity in each bin.
    pub bins: [i64; BINS],
}

#[inline(always)]
fn weigh_body<P: Number, Q: Number>(book: &Book<'_, P, Q>, first: i64, shift: u32) -> Weighed {
    let mut near = Near::new(book, first + i64::from(i32::MAX));
    let from = near.of(first);
    let mut bin_of = [0_u32; BLOCK];
    // Two tables, so that neighbours of one price do not wait for each other's store.
    let (mut bins, mut odd_bins) = ([0_i64; BINS], [0_i64; BINS]);
    let mut bid_quantity = 0_i64;
    for start in (0..book.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(book.len());
        let (side, quantity) = (&book.side[start..end], &book.quantity[start..end]);
        for (&side, &quantity) in side.iter().zip(quantity) {
            let quantity: i64 = quantity.into();
            bid_quantity = bid_quantity.wrapping_add(quantity & i64::from(side).wrapping_neg());
        }
        for (bin, &price) in bin_of.iter_mut().zip(near.rows(start, end).1) {
            // Never below `from`, so that the difference fits 32 bits without a sign.
            let price = if price < from { from } else { price };
            let above = price.wrapping_sub(from) as u32 >> shift;
            *bin = if above < BINS as u32 { above } else { BINS as u32 - 1 };
        }
        let (pairs, rest) = quantity.as_chunks::<2>();
        let (bin_pairs, bin_rest) = bin_of[..quantity.len()].as_chunks::<2>();
        for (&[even, odd], &[even_quantity, odd_quantity]) in bin_pairs.iter().zip(pairs) {
            let (even, odd) = (even as usize % BINS, odd as usize % BINS);
            bins[even] = bins[even].wrapping_add(even_quantity.into());
            odd_bins[odd] = odd_bins[odd].wrapping_add(odd_quantity.into());
        }
        for (&bin, &quantity) in bin_rest.iter().zip(rest) {
            bins[bin as usize % BINS] = bins[bin as usize % BINS].wrapping_add(quantity.into());
        }
    }
    for (bin, odd) in bins.iter_mut().zip(odd_bins) {
        *bin = bin.wrapping_add(odd);
    }
    Weighed { bid_quantity, bins }
}

on_every_path! {
    /// Weighs a book by competing price. Bins are `2^shift` ticks wide from `first` up, less than 2³² ticks in all; what
    /// lies below goes to the first bin, above to the last.
    ///
    /// Columns are not checked: where one holds what no order may carry, weights mean nothing.
    pub fn weigh<P: Number, Q: Number>(book: &Book<'_, P, Q>, first: i64, shift: u32) -> Weighed = weigh_body
}
