//! Small books of numbers of any size: their quantile in a few passes over vectors.

use crate::auction::book::{Book, Number};
use crate::simd::columns::all_in_range_body;
use crate::simd::on_every_path;

#[inline(always)]
fn quantile_body<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> Option<i64> {
    if !all_in_range_body(book.side, book.price, book.quantity) {
        return None;
    }
    let mut bid_quantity = 0_i64;
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    let rows = || {
        book.side.iter().zip(book.price).zip(book.quantity).map(|((&side, &price), &quantity)| {
            let (is_bid, price, quantity): (i64, i64, i64) = (side.into(), price.into(), quantity.into());
            (is_bid, price.wrapping_sub(book.fee & is_bid.wrapping_neg()), quantity)
        })
    };
    for (is_bid, price, quantity) in rows() {
        bid_quantity = bid_quantity.wrapping_add(quantity & is_bid.wrapping_neg());
        least = if price < least { price } else { least };
        most = if price > most { price } else { most };
    }
    // Bisection, with either bound moved on to a price that occurs: about as many rounds as a sorted book has halvings.
    while least < most {
        let middle = least + (most - least) / 2;
        let (mut weight, mut last_in, mut first_out) = (0_i64, i64::MIN, i64::MAX);
        for (_, price, quantity) in rows() {
            let is_in = price <= middle;
            weight = weight.wrapping_add(if is_in { quantity } else { 0 });
            let as_in = if is_in { price } else { i64::MIN };
            let as_out = if is_in { i64::MAX } else { price };
            last_in = if as_in > last_in { as_in } else { last_in };
            first_out = if as_out < first_out { as_out } else { first_out };
        }
        if weight >= bid_quantity {
            most = last_in;
        } else {
            least = first_out;
        }
    }
    Some(least)
}

on_every_path! {
    /// The lowest competing price at or below which lies at least the quantity of all bids, of a book that is too small
    /// for bins; `None` where a value is none that an order may carry.
    pub fn quantile<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> Option<i64> = quantile_body
}
