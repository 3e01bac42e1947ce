//! A book's orders dealt to others, by class.

mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use std::ops::Range;

use super::{Path, on_every_path, path};
use crate::auction::book::{Book, Number};

/// Rows at a time: what is narrowed stays in the first-level cache.
const BLOCK: usize = 512;
/// Room for a vector more than there are rows: vectors are stored whole.
const ROOM: usize = 16;

/// Orders picked out of a book, in the order in which they stand there, in 32 bits.
#[derive(Debug, Default)]
pub struct Picks {
    /// Orders picked; columns are longer.
    len: usize,
    side: Vec<u8>,
    price: Vec<i32>,
    quantity: Vec<i32>,
    position: Vec<u32>,
}

/// The columns of [`Picks`], to be changed.
#[derive(Debug)]
#[expect(missing_docs, reason = "see Picks")]
pub struct PicksMut<'a> {
    pub side: &'a mut [u8],
    pub price: &'a mut [i32],
    pub quantity: &'a mut [i32],
    pub position: &'a mut [u32],
}

impl Picks {
    /// Number of orders.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The orders as a book without a fee.
    pub fn book(&self) -> Book<'_, i32, i32> {
        let (side, price, quantity) = (&self.side[..self.len], &self.price[..self.len], &self.quantity[..self.len]);
        Book { side, price, quantity, fee: 0 }
    }

    /// Position of each in the book it was picked from.
    pub fn positions(&self) -> &[u32] {
        &self.position[..self.len]
    }

    /// The columns, to be changed.
    pub fn columns_mut(&mut self) -> PicksMut<'_> {
        let len = self.len;
        PicksMut {
            side: &mut self.side[..len],
            price: &mut self.price[..len],
            quantity: &mut self.quantity[..len],
            position: &mut self.position[..len],
        }
    }

    /// Forgets all but the first.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Bytes that they were written to, about: what was only reserved takes no memory.
    pub const fn bytes(&self) -> usize {
        13 * self.price.len()
    }

    /// Forgets all and reserves room for so many: pages that are not written to cost nothing.
    fn restart(&mut self, most: usize) {
        self.len = 0;
        let room = most + BLOCK + ROOM;
        self.side.reserve(room.saturating_sub(self.side.len()));
        self.price.reserve(room.saturating_sub(self.price.len()));
        self.quantity.reserve(room.saturating_sub(self.quantity.len()));
        self.position.reserve(room.saturating_sub(self.position.len()));
    }

    /// Makes room for as many more as a block has rows.
    fn reserve_block(&mut self) {
        let room = self.len + BLOCK + ROOM;
        if self.price.len() < room {
            self.side.resize(room, 0);
            self.price.resize(room, 0);
            self.quantity.resize(room, 0);
            self.position.resize(room, 0);
        }
    }
}

/// Rows of one block as kernels read them.
struct Rows<'a> {
    class: &'a [u8],
    price: &'a [i32],
    /// An ask's negative.
    quantity: &'a [i32],
    /// Position of the first.
    first: u32,
}

#[inline(always)]
fn narrow_body<P: Number, Q: Number>(
    side: &[u8],
    price: &[P],
    quantity: &[Q],
    prices: &mut [i32],
    quantities: &mut [i32],
) {
    for (to, &price) in prices.iter_mut().zip(price) {
        let price: i64 = price.into();
        *to = price as i32;
    }
    for ((to, &side), &quantity) in quantities.iter_mut().zip(side).zip(quantity) {
        let quantity: i64 = quantity.into();
        let quantity = quantity as i32;
        *to = if side != 0 { quantity } else { quantity.wrapping_neg() };
    }
}

on_every_path! {
    /// Prices, and quantities (an ask's negative), in the 32 bits that they fit.
    pub fn narrow_signed<P: Number, Q: Number>(
        side: &[u8],
        price: &[P],
        quantity: &[Q],
        prices: &mut [i32],
        quantities: &mut [i32],
    ) -> () = narrow_body
}

#[inline(always)]
fn widen_body(side: &mut [u8], quantity: &mut [i32]) {
    for (side, quantity) in side.iter_mut().zip(quantity) {
        *side = u8::from(*quantity > 0);
        *quantity = quantity.wrapping_abs();
    }
}

on_every_path! {
    /// Sides and quantities of quantities of which an ask's is negative.
    pub fn part_signs<>(side: &mut [u8], quantity: &mut [i32]) -> () = widen_body
}

#[inline(always)]
fn filled_body<P: Number>(side: &[u8], price: &[P], filled: &[i64], to: (&mut [u8], &mut [i32], &mut [i32])) {
    let (classes, prices, quantities) = to;
    for (to, &price) in prices.iter_mut().zip(price) {
        let price: i64 = price.into();
        *to = price as i32;
    }
    for (((class, quantity), &side), &fill) in classes.iter_mut().zip(quantities).zip(side).zip(filled) {
        *class = if fill > 0 { side } else { 2 };
        *quantity = fill as i32;
    }
}

on_every_path! {
    /// Limits and fills in 32 bits, and classes: the side of an order with a fill, 2 without.
    fn narrow_filled<P: Number>(
        side: &[u8], price: &[P], filled: &[i64], to: (&mut [u8], &mut [i32], &mut [i32]),
    ) -> () = filled_body
}

/// Picks the orders with a fill: asks and bids, their limits, and their fills as quantities.
pub fn pick_filled<P: Number, Q: Number>(book: &Book<'_, P, Q>, filled: &[i64], asks: &mut Picks, bids: &mut Picks) {
    let of_bids = count(book.side);
    asks.restart(book.len() - of_bids);
    bids.restart(of_bids);
    let (mut classes, mut prices, mut quantities) = ([0; BLOCK], [0; BLOCK], [0; BLOCK]);
    for start in (0..book.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(book.len());
        let rows = start + pick_vectors(book, start..end, filled, asks, bids)..end;
        if rows.is_empty() {
            continue;
        }
        let (class, price, quantity) =
            (&mut classes[..rows.len()], &mut prices[..rows.len()], &mut quantities[..rows.len()]);
        narrow_filled(
            &book.side[rows.clone()],
            &book.price[rows.clone()],
            &filled[rows.clone()],
            (&mut *class, &mut *price, &mut *quantity),
        );
        let rows = Rows { class, price, quantity, first: rows.start as u32 };
        append(&rows, 0, asks);
        append(&rows, 1, bids);
    }
}

/// Picks as many rows of a block as vectors take at once; says how many.
fn pick_vectors<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    rows: Range<usize>,
    filled: &[i64],
    asks: &mut Picks,
    bids: &mut Picks,
) -> usize {
    #[cfg(target_arch = "x86_64")]
    if path() == Path::Avx512 {
        asks.reserve_block();
        bids.reserve_block();
        let columns = (&book.side[rows.clone()], &book.price[rows.clone()], &filled[rows.clone()]);
        // SAFETY: `path` asked the machine for the features that the kernel needs.
        #[allow(unsafe_code, reason = "see SAFETY")]
        return unsafe { avx512::filled(columns, rows.start as u32, asks, bids) };
    }
    let _ = (book, rows, filled, asks, bids);
    0
}

/// Appends the rows of a class of one block.
fn append(rows: &Rows<'_>, class: u8, picks: &mut Picks) {
    picks.reserve_block();
    match path() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `path` asked the machine for the features that the kernel needs.
        #[allow(unsafe_code, reason = "see SAFETY")]
        Path::Avx512 => unsafe { avx512::block(rows, class, picks) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `path` asked the machine for the features that the kernel needs.
        #[allow(unsafe_code, reason = "see SAFETY")]
        Path::Avx2 => unsafe { avx2::block(rows, class, picks) },
        _ => scalar::rows(rows, 0, class, picks),
    }
}

#[inline(always)]
fn count_body(side: &[u8]) -> usize {
    side.iter().fold(0_usize, |bids, &side| bids.wrapping_add(side.into()))
}

on_every_path! {
    /// Number of bids.
    fn count<>(side: &[u8]) -> usize = count_body
}

#[inline(always)]
fn bounds_body(prices: &[i32]) -> (i32, i32) {
    prices.iter().fold((i32::MAX, i32::MIN), |(least, most), &price| (least.min(price), most.max(price)))
}

on_every_path! {
    /// Least and most of prices.
    pub fn bounds<>(prices: &[i32]) -> (i32, i32) = bounds_body
}

/// Deals the orders of a book whose values are in range to `picks` by class: those of class 0 to the first, and so on, and
/// those of other classes to none.
pub fn split<P: Number, Q: Number>(book: &Book<'_, P, Q>, class: &[u8], picks: &mut [&mut Picks]) {
    for picks in picks.iter_mut() {
        picks.len = 0;
    }
    let (mut prices, mut quantities) = ([0; BLOCK], [0; BLOCK]);
    for start in (0..book.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(book.len());
        let (price, quantity) = (&mut prices[..end - start], &mut quantities[..end - start]);
        narrow_signed(&book.side[start..end], &book.price[start..end], &book.quantity[start..end], price, quantity);
        let rows = Rows { class: &class[start..end], price, quantity, first: start as u32 };
        for (class, picks) in (0..).zip(&mut *picks) {
            append(&rows, class, picks);
        }
    }
    for picks in picks {
        let PicksMut { side, quantity, .. } = picks.columns_mut();
        part_signs(side, quantity);
    }
}

#[inline(always)]
fn willing_body<P: Number>(book: (&[u8], &[P]), right: &[u8], (left_price, right_price): (i64, i64), class: &mut [u8]) {
    for (((class, &side), &price), &right) in class.iter_mut().zip(book.0).zip(book.1).zip(right) {
        let price: i64 = price.into();
        let theirs = if right != 0 { right_price } else { left_price };
        let gain = price.wrapping_mul(2).wrapping_sub(theirs);
        let gain = if side != 0 { gain } else { gain.wrapping_neg() };
        *class = if gain > 0 { right } else { 2 };
    }
}

on_every_path! {
    /// Classes of orders, of which those of `right` 1 may trade at one price and those of 0 at another (over 2): as in
    /// `right` where they gain, else 2.
    pub fn willing<P: Number>(book: (&[u8], &[P]), right: &[u8], prices: (i64, i64), class: &mut [u8]) -> () = willing_body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::allow;

    #[test]
    fn deals_by_class_on_every_path() {
        let mut state = 1_u64;
        let mut drawn = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for rows in [0, 1, 7, 8, 15, 16, 17, 100, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let side: Vec<u8> = (0..rows).map(|_| drawn(2) as u8).collect();
            let price: Vec<i64> = (0..rows).map(|_| drawn(1 << 31) as i64 - (1 << 30)).collect();
            let quantity: Vec<i32> = (0..rows).map(|_| 1 + drawn((1 << 31) - 1) as i32).collect();
            let class: Vec<u8> = (0..rows).map(|_| drawn(3) as u8).collect();
            let book = Book { side: &side, price: &price, quantity: &quantity, fee: 3 };
            for path in Path::ALL {
                allow(path);
                let (mut first, mut second) = (Picks::default(), Picks::default());
                split(&book, &class, &mut [&mut first, &mut second]);
                for (wanted, picks) in [(0, &first), (1, &second)] {
                    let wanted: Vec<u32> = (0..rows as u32).filter(|&i| class[i as usize] == wanted).collect();
                    assert_eq!(picks.positions(), wanted);
                    for (place, &i) in wanted.iter().enumerate() {
                        let (book, i) = (picks.book(), i as usize);
                        assert_eq!((book.side[place], i64::from(book.price[place])), (side[i], price[i]));
                        assert_eq!(book.quantity[place], quantity[i]);
                    }
                }
                let filled: Vec<i64> =
                    class.iter().zip(&quantity).map(|(&c, &q)| i64::from(q) * i64::from(c / 2)).collect();
                let narrow: Vec<i32> = price.iter().map(|&price| price as i32).collect();
                let narrow = Book { side: &side, price: &narrow, quantity: &quantity, fee: 3 };
                let (mut asks, mut bids) = (Picks::default(), Picks::default());
                pick_filled(&narrow, &filled, &mut asks, &mut bids);
                pick_filled(&book, &filled, &mut first, &mut second);
                for (wide, narrow) in [(&first, &asks), (&second, &bids)] {
                    assert_eq!(wide.positions(), narrow.positions());
                    assert_eq!(wide.book().price, narrow.book().price);
                    assert_eq!(wide.book().quantity, narrow.book().quantity);
                }
                for (wanted, picks) in [(0, &first), (1, &second)] {
                    let wins = |&i: &u32| filled[i as usize] > 0 && side[i as usize] == wanted;
                    let wanted: Vec<u32> = (0..rows as u32).filter(wins).collect();
                    assert_eq!(picks.positions(), wanted);
                    for (place, &i) in wanted.iter().enumerate() {
                        let (book, i) = (picks.book(), i as usize);
                        assert_eq!((i64::from(book.price[place]), book.quantity[place]), (price[i], quantity[i]));
                    }
                    let prices = wanted.iter().map(|&i| price[i as usize] as i32);
                    let least_and_most = (prices.clone().min(), prices.max());
                    assert_eq!(bounds(picks.book().price).0, least_and_most.0.unwrap_or(i32::MAX));
                    assert_eq!(bounds(picks.book().price).1, least_and_most.1.unwrap_or(i32::MIN));
                }
            }
            allow(Path::Avx512);
        }
    }
}
