//! Orders of a sample, copied out of a book block by block.

use super::on_every_path;
use super::prefetch::prefetch;
use crate::auction::book::{Book, Number};
use crate::units::{PRICE_MAX, QUANTITY_MAX};

/// Orders of a block of a sample: those whose prices one line of the caches brings, and quantities two.
pub const SAMPLE_BLOCK: usize = 16;
/// Blocks between a place's being asked for and its being read: time for its cache lines to come.
const AHEAD: usize = 16;

#[inline(always)]
fn draw_body<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    starts: &[u32],
    base: i64,
    prices: &mut [i32],
    quantities: &mut [i32],
) {
    let plain = if book.fee == 0 && base == 0 { P::as_narrow(book.price) } else { None };
    let blocks = prices.as_chunks_mut::<SAMPLE_BLOCK>().0.iter_mut().zip(quantities.as_chunks_mut::<SAMPLE_BLOCK>().0);
    for (nth, (&start, (prices, quantities))) in starts.iter().zip(blocks).enumerate() {
        if let Some(&later) = starts.get(nth + AHEAD) {
            let (first, last) = (later as usize, later as usize + SAMPLE_BLOCK - 1);
            prefetch(book, first);
            // A block of quantities lies in two lines at least, one of prices often.
            prefetch(book, last);
        }
        let rows = start as usize..start as usize + SAMPLE_BLOCK;
        let (side, quantity) = (&book.side[rows.clone()], &book.quantity[rows.clone()]);
        // Clamped, since this looks at columns that are yet to be checked; by masks, since no processor foresees a side.
        if let Some(plain) = plain {
            for (to, &price) in prices.iter_mut().zip(&plain[rows]) {
                *to = if price < i32::MIN + 1 { i32::MIN + 1 } else { price };
            }
        } else {
            for ((to, &side), &price) in prices.iter_mut().zip(side).zip(&book.price[rows]) {
                let price: i64 = price.into();
                let fee = book.fee & i64::from(side != 0).wrapping_neg();
                let competing = price.clamp(-PRICE_MAX, PRICE_MAX).wrapping_sub(fee).wrapping_sub(base);
                *to = competing.clamp(-PRICE_MAX, PRICE_MAX) as i32;
            }
        }
        for ((to, &side), &quantity) in quantities.iter_mut().zip(side).zip(quantity) {
            let quantity: i64 = quantity.into();
            let quantity = quantity.clamp(0, QUANTITY_MAX) as i32;
            let ask = i32::from(side != 0).wrapping_sub(1); // all bits of an ask
            *to = (quantity ^ ask).wrapping_sub(ask);
        }
    }
}

on_every_path! {
    /// Copies the blocks of a book that begin at `starts`: competing prices less `base`, at the ends of 32 bits where they
    /// are further off, and quantities, an ask's negative. Columns have room for that many blocks.
    pub fn draw<P: Number, Q: Number>(
        book: &Book<'_, P, Q>,
        starts: &[u32],
        base: i64,
        prices: &mut [i32],
        quantities: &mut [i32],
    ) -> () = draw_body
}
