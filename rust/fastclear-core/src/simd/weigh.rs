//! A book weighed into bins of price.

use super::near::{BLOCK, Near};
use super::on_every_path;
use crate::auction::book::{Book, Number};

/// Most bins of [`weigh`].
pub const BINS: usize = 2048;

#[inline(always)]
fn weigh_body<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    first: i64,
    shift: u32,
    tables: &mut [[i64; BINS]; 2],
    bits: u32,
) -> i64 {
    let mut near = Near::new(book, first + i64::from(i32::MAX));
    let from = near.of(first);
    let mut bin_of = [0_u32; BLOCK];
    // Two tables, so that neighbours of one price do not wait for each other's store.
    let [bins, odd_bins] = tables;
    let last = (1 << bits) - 1;
    bins[..=last as usize].fill(0);
    odd_bins[..=last as usize].fill(0);
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
            *bin = if above < last { above } else { last };
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
    for (bin, odd) in bins[..=last as usize].iter_mut().zip(odd_bins) {
        *bin = bin.wrapping_add(*odd);
    }
    bid_quantity
}

on_every_path! {
    /// Weighs a book by competing price into the first of two tables, and returns the quantity of all bids.
    ///
    /// There are `2^bits` bins, each `2^shift` ticks wide, from `first` up, less than 2³² ticks in all; what lies below goes
    /// to the first bin, above to the last.
    ///
    /// Columns are not checked: where one holds what no order may carry, weights mean nothing.
    pub fn weigh<P: Number, Q: Number>(
        book: &Book<'_, P, Q>,
        first: i64,
        shift: u32,
        tables: &mut [[i64; BINS]; 2],
        bits: u32,
    ) -> i64 = weigh_body
}
