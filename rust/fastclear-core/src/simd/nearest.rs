//! Orders next to a price: those within a range, and the levels nearest to the crossing.

use super::on_every_path;
use crate::auction::book::{Book, Number};

/// Rows of which one word tells which are wanted.
pub(super) const CHUNK: usize = 64;

/// One bit a row of a chunk, from one byte (0 or 1) a row.
#[inline(always)]
pub(super) fn bits(hits: &[u8; CHUNK]) -> u64 {
    hits.as_chunks::<8>().0.iter().rev().fold(0, |bits, &eight| {
        // Moves the low bit of each of eight bytes to the top byte.
        bits << 8 | u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

/// Positions of the bits of a word, ascending.
#[inline(always)]
pub(super) fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        bits &= bits.wrapping_sub(1);
        (place < CHUNK).then_some(place)
    })
}

/// The competing price of an order.
#[inline(always)]
pub(super) fn competing<P: Number>(side: u8, price: P, fee: i64) -> i64 {
    let price: i64 = price.into();
    price.wrapping_sub(fee & i64::from(side).wrapping_neg())
}

#[inline(always)]
fn within_body<P: Number, Q: Number>(book: &Book<'_, P, Q>, first: i64, last: i64, found: &mut Vec<u32>) {
    // As one comparison, unsigned.
    let width = last.wrapping_sub(first) as u64;
    for start in (0..book.len()).step_by(CHUNK) {
        let end = (start + CHUNK).min(book.len());
        let (mut hits, mut any) = ([0; CHUNK], 0);
        for ((hit, &side), &price) in hits.iter_mut().zip(&book.side[start..end]).zip(&book.price[start..end]) {
            let off = competing(side, price, book.fee).wrapping_sub(first) as u64;
            *hit = u8::from(off <= width);
            any |= *hit;
        }
        if any != 0 {
            found.extend(places(bits(&hits)).map(|place| (start + place) as u32));
        }
    }
}

on_every_path! {
    /// Appends the positions of the orders that compete at `first..=last`.
    pub fn within<P: Number, Q: Number>(book: &Book<'_, P, Q>, first: i64, last: i64, found: &mut Vec<u32>) -> () = within_body
}

#[inline(always)]
fn next_above_body<P: Number, Q: Number>(book: &Book<'_, P, Q>, low: i64) -> i64 {
    let mut next = i64::MAX;
    for (&side, &price) in book.side.iter().zip(book.price) {
        let price = competing(side, price, book.fee);
        let above = if price > low { price } else { i64::MAX };
        next = if above < next { above } else { next };
    }
    next
}

on_every_path! {
    /// The lowest competing price above `low`; the far end of the integers where there is none.
    pub fn next_above<P: Number, Q: Number>(book: &Book<'_, P, Q>, low: i64) -> i64 = next_above_body
}

/// Which units of a filled book are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    /// The side of which what is not served is listed.
    pub side: u8,
    /// Whether what is served of the other side is listed, too.
    pub with_others: bool,
    /// Whether the highest price comes first.
    pub highest_first: bool,
}

impl Units {
    /// Lots of an order that are listed.
    #[inline(always)]
    pub const fn lots(self, side: u8, quantity: i64, fill: i64) -> i64 {
        let served = if self.with_others { fill } else { 0 };
        if side == self.side { quantity.wrapping_sub(fill) } else { served }
    }
}

#[inline(always)]
fn nearest_levels_body<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    filled: &[i64],
    units: Units,
    depth: i64,
    levels: &mut [(i64, i64)],
) -> usize {
    // In prices of which the lowest comes first. The first pass finds the first level, each other sums up one and finds the
    // next.
    let sign: i64 = if units.highest_first { -1 } else { 1 };
    let (mut level, mut listed) = (i64::MIN, 0_i64);
    let mut found = 0;
    loop {
        let (mut here, mut next) = (0_i64, i64::MAX);
        for (((&side, &price), &quantity), &fill) in book.side.iter().zip(book.price).zip(book.quantity).zip(filled) {
            let price = competing(side, price, book.fee).wrapping_mul(sign);
            let lots = units.lots(side, quantity.into(), fill);
            here = here.wrapping_add(if price == level { lots } else { 0 });
            let as_next = if (price > level) & (lots > 0) { price } else { i64::MAX };
            next = if as_next < next { as_next } else { next };
        }
        if level != i64::MIN {
            levels[found] = (level.wrapping_mul(sign), here);
            found += 1;
            listed = listed.wrapping_add(here);
            if found == levels.len() || listed >= depth {
                return found;
            }
        }
        if next == i64::MAX {
            return found;
        }
        level = next;
    }
}

on_every_path! {
    /// The best levels of the units that are listed: price and lots of each, as many as it takes to reach `depth` lots and
    /// there is room for. Gives their number.
    pub fn nearest_levels<P: Number, Q: Number>(
        book: &Book<'_, P, Q>,
        filled: &[i64],
        units: Units,
        depth: i64,
        levels: &mut [(i64, i64)],
    ) -> usize = nearest_levels_body
}

#[inline(always)]
fn largest_body<Q: Number>(side: &[u8], quantity: &[Q], filled: &[i64]) -> [i64; 2] {
    let (mut ask, mut bid) = (0_i64, 0_i64);
    for ((&side, &quantity), &fill) in side.iter().zip(quantity).zip(filled) {
        let quantity: i64 = quantity.into();
        let lots = if fill > 0 { quantity } else { 0 };
        let (as_ask, as_bid) = if side != 0 { (0, lots) } else { (lots, 0) };
        ask = if as_ask > ask { as_ask } else { ask };
        bid = if as_bid > bid { as_bid } else { bid };
    }
    [ask, bid]
}

on_every_path! {
    /// The largest quantity of an ask and of a bid that are served at all.
    pub fn largest_served<Q: Number>(side: &[u8], quantity: &[Q], filled: &[i64]) -> [i64; 2] = largest_body
}

#[cfg(test)]
mod tests {
    use super::super::{Path, allow};
    use super::*;

    #[test]
    fn every_path_finds_the_next_price_that_a_row_at_a_time_finds() {
        for path in Path::ALL {
            allow(path);
            for rows in [0, 1, 7, 16, 33, 1000] {
                let side: Vec<u8> = (0..rows).map(|i| (i % 3 == 0).into()).collect();
                let price: Vec<i32> = (0..rows as i32).map(|i| i.wrapping_mul(0x1E37_79B9) % 1000).collect();
                let wide: Vec<i64> = price.iter().map(|&price| price.into()).collect();
                let quantity = vec![1_i32; rows];
                for (fee, low) in [(0, -2000), (0, 0), (3, 17), (-5, 500), (i64::from(i32::MAX), -999), (0, 1000)] {
                    let (side, quantity) = (&side[..], &quantity[..]);
                    let book = Book { side, price: &price[..], quantity, fee };
                    let above = (0..rows).map(|i| book.competing_price(i)).filter(|&price| price > low);
                    let expected = above.min().unwrap_or(i64::MAX);
                    assert_eq!(next_above(&book, low), expected, "{rows} rows, fee {fee}, above {low}");
                    assert_eq!(next_above(&Book { side, price: &wide[..], quantity, fee }, low), expected);
                }
            }
        }
    }
}
