//! Orders dealt to bins of markets, from there to their markets, and fills the same way back.
//!
//! A market is known by its code, and a bin is the markets whose codes have the same high bits. Every pass walks the rows
//! of a call or of a bin in order, and a cursor a bin or a market says where the next of its rows goes; to walk the same
//! rows with the same cursors again is to find each row's result.

use super::columns::all_in_range_body;
use super::on_every_path;
use super::prefetch::prefetch_ahead;
use crate::auction::book::Number;

/// Rows whose codes or words are in the first-level cache at once.
pub const DEAL_BLOCK: usize = 1024;

/// Bytes of a bin that are asked for ahead of its next row: there are more bins than the processor watches by itself.
const AHEAD: usize = 128;

/// The codes of a block of rows, and how many of their low bits are no part of the bin.
#[derive(Clone, Copy)]
pub struct Codes<'a> {
    /// One a row.
    pub codes: &'a [u32],
    /// Bits of a code that tell the markets of a bin apart.
    pub bits: u32,
}

#[inline(always)]
fn near_codes_body(ids: &[i64], least: i64, codes: &mut [u32]) {
    for (code, &id) in codes.iter_mut().zip(ids) {
        *code = id.wrapping_sub(least) as u32;
    }
}

on_every_path! {
    /// Codes of ids which are less than 2³² above the least.
    pub fn near_codes<>(ids: &[i64], least: i64, codes: &mut [u32]) -> () = near_codes_body
}

#[inline(always)]
fn count_body(codes: Codes<'_>, counts: &mut [u32]) {
    for &code in codes.codes {
        let count = &mut counts[(code >> codes.bits) as usize];
        *count = count.wrapping_add(1); // there are fewer than 2³⁰ rows
    }
}

on_every_path! {
    /// Adds the rows of each bin to `counts`.
    pub fn count<>(codes: Codes<'_>, counts: &mut [u32]) -> () = count_body
}

#[inline(always)]
fn count_markets_body(markets: &[u16], counts: &mut [u32]) {
    for &market in markets {
        let count = &mut counts[market as usize];
        *count = count.wrapping_add(1);
    }
}

on_every_path! {
    /// Adds the rows of each market of a bin to `counts`.
    pub fn count_markets<>(markets: &[u16], counts: &mut [u32]) -> () = count_markets_body
}

/// An order in 64 bits: its price, its quantity, its side.
#[inline(always)]
fn word(side: u8, price: i64, quantity: i64) -> i64 {
    price << 32 | quantity << 1 | i64::from(side)
}

#[inline(always)]
fn deal_orders_body<P: Number, Q: Number>(
    codes: Codes<'_>,
    next: &mut [u32],
    (side, price, quantity): (&[u8], &[P], &[Q]),
    words: &mut [i64],
    markets: &mut [u16],
) -> bool {
    let mask = (1 << codes.bits) - 1;
    let mut packed = [0; DEAL_BLOCK];
    for (((to, &side), &price), &quantity) in packed.iter_mut().zip(side).zip(price).zip(quantity) {
        *to = word(side, price.into(), quantity.into());
    }
    for (&code, &word) in codes.codes.iter().zip(&packed) {
        let place = &mut next[(code >> codes.bits) as usize];
        let to = *place as usize;
        words[to] = word;
        markets[to] = (code & mask) as u16;
        prefetch_ahead(words, to + AHEAD / 8);
        prefetch_ahead(markets, to + AHEAD / 2);
        *place = place.wrapping_add(1);
    }
    all_in_range_body(side, price, quantity)
}

on_every_path! {
    /// Deals a block of orders to their bins: each becomes one word, beside the low bits of its market's code. Whether
    /// every value was one that an order may carry; words of others mean nothing.
    pub fn deal_orders<P: Number, Q: Number>(
        codes: Codes<'_>,
        next: &mut [u32],
        orders: (&[u8], &[P], &[Q]),
        words: &mut [i64],
        markets: &mut [u16],
    ) -> bool = deal_orders_body
}

/// Deals values of a block of rows to the same bins.
#[inline]
pub fn deal<T: Copy>(codes: Codes<'_>, next: &mut [u32], from: &[T], to: &mut [T]) {
    for (&code, &value) in codes.codes.iter().zip(from) {
        let place = &mut next[(code >> codes.bits) as usize];
        to[*place as usize] = value;
        prefetch_ahead(to, *place as usize + AHEAD / size_of::<T>());
        *place = place.wrapping_add(1);
    }
}

/// Takes the values of a block of rows back out of their bins.
#[inline]
pub fn deal_back<T: Copy + Into<i64>>(codes: Codes<'_>, next: &mut [u32], from: &[T], to: &mut [i64]) {
    for (&code, to) in codes.codes.iter().zip(to) {
        let place = &mut next[(code >> codes.bits) as usize];
        *to = from[*place as usize].into();
        prefetch_ahead(from, *place as usize + AHEAD / size_of::<T>());
        *place = place.wrapping_add(1);
    }
}

#[inline(always)]
fn place_orders_body(words: &[i64], markets: &[u16], next: &mut [u32], places: &mut [u32], sorted: &mut [i64]) {
    for ((&word, &market), place) in words.iter().zip(markets).zip(places) {
        let next = &mut next[market as usize];
        *place = *next;
        sorted[*next as usize] = word;
        *next = next.wrapping_add(1);
    }
}

on_every_path! {
    /// Puts the orders of a bin where `next` says that the next one of their market belongs, and says where that is.
    pub fn place_orders<>(
        words: &[i64],
        markets: &[u16],
        next: &mut [u32],
        places: &mut [u32],
        sorted: &mut [i64],
    ) -> () = place_orders_body
}

#[inline(always)]
fn unpack_body(words: &[i64], side: &mut [u8], price: &mut [i32], quantity: &mut [i32]) {
    for (((&word, side), price), quantity) in words.iter().zip(side).zip(price).zip(quantity) {
        *side = word as u8 & 1;
        *price = (word >> 32) as i32;
        *quantity = (word as u32 >> 1) as i32;
    }
}

on_every_path! {
    /// Words as columns.
    pub fn unpack<>(words: &[i64], side: &mut [u8], price: &mut [i32], quantity: &mut [i32]) -> () = unpack_body
}

#[inline(always)]
fn collect_fills_body(filled: &[i64], places: &[u32], to: &mut [u32]) {
    for (to, &place) in to.iter_mut().zip(places) {
        *to = filled[place as usize] as u32;
    }
}

on_every_path! {
    /// The fills, none of which is 2³¹ or more, of the orders in these places.
    pub fn collect_fills<>(filled: &[i64], places: &[u32], to: &mut [u32]) -> () = collect_fills_body
}
