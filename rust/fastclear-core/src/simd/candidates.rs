//! The orders that a sweep copies out of a book, and the passes over them.

use super::nearest::{CHUNK, bits, places};
use super::on_every_path;
use super::weigh::BINS;
use crate::auction::book::Number;

/// Orders of a book in row order, column by column.
#[derive(Debug, Default)]
pub struct Candidates {
    position: Vec<u32>,
    price: Vec<i32>,
    quantity: Vec<i32>,
    /// Number of orders: columns may be longer.
    len: usize,
    /// What [`Self::price`] counts from.
    pub base: i64,
}

impl Candidates {
    /// Number of orders.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Row of each.
    pub fn position(&self) -> &[u32] {
        &self.position[..self.len]
    }

    /// Competing price of each, less [`Self::base`].
    pub fn price(&self) -> &[i32] {
        &self.price[..self.len]
    }

    /// Quantity of each, an ask's negative.
    pub fn quantity(&self) -> &[i32] {
        &self.quantity[..self.len]
    }

    /// Bytes that the columns hold.
    pub fn bytes(&self) -> usize {
        12 * self.position.capacity()
    }

    /// Forgets all, from a base of its own on.
    pub(super) const fn restart(&mut self, base: i64) {
        self.len = 0;
        self.base = base;
    }

    /// Places for so many more behind those that there are.
    fn room(&mut self, more: usize) -> (&mut [u32], &mut [i32], &mut [i32]) {
        let (from, to) = (self.len, self.len + more);
        if self.position.len() < to {
            // Doubled, so that columns are seldom moved.
            let room = to.max(2 * self.position.len());
            self.position.resize(room, 0);
            self.price.resize(room, 0);
            self.quantity.resize(room, 0);
        }
        (&mut self.position[from..to], &mut self.price[from..to], &mut self.quantity[from..to])
    }

    /// Appends orders of the block that begins at row `start`.
    pub(super) fn append<Q: Number>(&mut self, start: u32, inside: &[u32], side: &[u8], price: &[i32], quantity: &[Q]) {
        let (to_positions, to_prices, to_quantities) = self.room(inside.len());
        let places = to_positions.iter_mut().zip(to_prices).zip(to_quantities);
        for (((to_position, to_price), to_quantity), &i) in places.zip(inside) {
            *to_position = start.wrapping_add(i);
            *to_price = price[i as usize];
            let quantity: i64 = quantity[i as usize].into();
            let ask = i32::from(side[i as usize]).wrapping_sub(1); // all bits of an ask
            *to_quantity = (quantity as i32 ^ ask).wrapping_sub(ask); // in range, or the book is refused
        }
        self.len += inside.len();
    }

    /// Takes over the orders of `from` priced `first..=last`, and forgets its own.
    pub fn pick(&mut self, from: &Self, first: i32, last: i32) {
        self.restart(from.base);
        pick(self, from.position(), from.price(), from.quantity(), first, last);
    }

    /// Weighs the orders priced `first` to `span` above it into the first of two tables, of which there are `2^bits` bins,
    /// each `2^shift` ticks wide.
    pub fn weigh(&self, first: i32, span: u32, shift: u32, tables: &mut [[i64; BINS]; 2], bits: u32) {
        weigh_prices(self.price(), self.quantity(), first, span, shift, tables, bits);
    }

    /// Writes into `fills` what each gets where `level` is the price, and says how that differs from what `guess` gave.
    pub fn regrade(&self, guess: i32, level: i32, fills: &mut Vec<u32>) -> Regraded {
        if fills.len() < self.len {
            fills.resize(self.len, 0);
        }
        regrade(self.price(), self.quantity(), guess, level, &mut fills[..self.len])
    }
}

#[inline(always)]
fn pick_body(to: &mut Candidates, position: &[u32], price: &[i32], quantity: &[i32], first: i32, last: i32) {
    let span = last.wrapping_sub(first) as u32;
    for start in (0..price.len()).step_by(CHUNK) {
        let end = (start + CHUNK).min(price.len());
        let mut hits = [0; CHUNK];
        for (hit, &price) in hits.iter_mut().zip(&price[start..end]) {
            *hit = u8::from(price.wrapping_sub(first) as u32 <= span);
        }
        let bits = bits(&hits);
        let (to_positions, to_prices, to_quantities) = to.room(bits.count_ones() as usize);
        let room = to_positions.iter_mut().zip(to_prices).zip(to_quantities);
        for (((to_position, to_price), to_quantity), place) in room.zip(places(bits)) {
            let i = start + place;
            (*to_position, *to_price, *to_quantity) = (position[i], price[i], quantity[i]);
        }
        to.len += bits.count_ones() as usize;
    }
}

on_every_path! {
    /// Appends the orders priced `first..=last`.
    fn pick<>(to: &mut Candidates, position: &[u32], price: &[i32], quantity: &[i32], first: i32, last: i32) -> () = pick_body
}

#[inline(always)]
fn weigh_prices_body(
    price: &[i32],
    quantity: &[i32],
    first: i32,
    span: u32,
    shift: u32,
    tables: &mut [[i64; BINS]; 2],
    bits: u32,
) {
    let (mut bin_of, mut lots_of) = ([0_u32; CHUNK], [0_u32; CHUNK]);
    // Two tables, so that neighbours of one price do not wait for each other's store.
    let [bins, odd_bins] = tables;
    bins[..1 << bits].fill(0);
    odd_bins[..1 << bits].fill(0);
    for (price, quantity) in price.chunks(CHUNK).zip(quantity.chunks(CHUNK)) {
        for (((bin, lots), &price), &quantity) in bin_of.iter_mut().zip(&mut lots_of).zip(price).zip(quantity) {
            let above = price.wrapping_sub(first) as u32; // of a price below `first`: more than any span
            *bin = (above >> shift) & ((1 << bits) - 1);
            *lots = if above <= span { quantity.unsigned_abs() } else { 0 };
        }
        for (bin, lots) in bin_of[..price.len()].chunks(2).zip(lots_of.chunks(2)) {
            let even = bin[0] as usize % BINS;
            bins[even] = bins[even].wrapping_add(lots[0].into());
            if let Some(&odd) = bin.get(1) {
                let odd = odd as usize % BINS;
                odd_bins[odd] = odd_bins[odd].wrapping_add(lots[1].into());
            }
        }
    }
    for (bin, odd) in bins[..1 << bits].iter_mut().zip(odd_bins) {
        *bin = bin.wrapping_add(*odd);
    }
}

on_every_path! {
    /// See [`Candidates::weigh`].
    fn weigh_prices<>(
        price: &[i32],
        quantity: &[i32],
        first: i32,
        span: u32,
        shift: u32,
        tables: &mut [[i64; BINS]; 2],
        bits: u32,
    ) -> () = weigh_prices_body
}

/// What a level makes of orders that were filled as if another price were the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Regraded {
    /// Quantity of the bids at the level.
    pub bids_at: i64,
    /// Quantity of the asks at the level.
    pub asks_at: i64,
    /// What bids get more.
    pub bids_more: i64,
    /// What asks get more.
    pub asks_more: i64,
    /// Σ price × what a bid gets more, less the same of asks.
    pub value_more: i128,
}

#[inline(always)]
fn regrade_body(price: &[i32], quantity: &[i32], guess: i32, level: i32, fills: &mut [u32]) -> Regraded {
    let mut sum = Regraded::default();
    let (mut high, mut low) = (0_i64, 0_i64);
    for ((&at, &signed), fill) in price.iter().zip(quantity).zip(fills) {
        let (bid, ask) = (if signed > 0 { signed } else { 0 }, if signed < 0 { signed } else { 0 });
        let by_level = (if at > level { bid } else { 0 }) | (if at < level { ask } else { 0 });
        let by_guess = (if at > guess { bid } else { 0 }) | (if at < guess { ask } else { 0 });
        *fill = by_level.unsigned_abs();
        sum.bids_at = sum.bids_at.wrapping_add(if at == level { bid.into() } else { 0 });
        sum.asks_at = sum.asks_at.wrapping_sub(if at == level { ask.into() } else { 0 });
        let more = by_level.wrapping_sub(by_guess); // one of the two is the order's quantity or both are nothing
        sum.bids_more = sum.bids_more.wrapping_add(if signed > 0 { more.into() } else { 0 });
        sum.asks_more = sum.asks_more.wrapping_sub(if signed < 0 { more.into() } else { 0 });
        let value = i64::from(at).wrapping_mul(more.into()); // below 2⁶²
        high = high.wrapping_add(value >> 32);
        low = low.wrapping_add(value & 0xFFFF_FFFF);
    }
    sum.value_more = (i128::from(high) << 32) + i128::from(low);
    sum
}

on_every_path! {
    /// See [`Candidates::regrade`].
    fn regrade<>(price: &[i32], quantity: &[i32], guess: i32, level: i32, fills: &mut [u32]) -> Regraded = regrade_body
}

#[cfg(test)]
mod tests {
    use super::super::{Path, allow};
    use super::*;

    /// Orders at the ends of 32 bits, at `middle`, and in between; of every quantity that an order may have.
    fn candidates(count: usize, middle: i32) -> Candidates {
        let (mut position, mut price, mut quantity) = (vec![], vec![], vec![]);
        for i in 0..count as i32 {
            position.push(7 + i.unsigned_abs());
            price.push(
                [-i32::MAX, i32::MAX, middle, middle + i, middle - i, i.wrapping_mul(0x9E37_79B9_u32 as i32)]
                    [i as usize % 6],
            );
            quantity.push([1, -1, i32::MAX, -i32::MAX, i + 1, -i - 1, 77][i as usize % 7]);
        }
        let side: Vec<u8> = quantity.iter().map(|&signed| u8::from(signed > 0)).collect();
        let lots: Vec<i64> = quantity.iter().map(|&signed: &i32| signed.unsigned_abs().into()).collect();
        let inside: Vec<u32> = (0..count as u32).collect();
        let mut all = Candidates::default();
        let half = count / 2;
        all.append(7, &inside[..half], &side, &price, &lots);
        all.append(7, &inside[half..], &side, &price, &lots);
        assert_eq!((all.position(), all.price(), all.quantity()), (&*position, &*price, &*quantity));
        all
    }

    #[test]
    fn every_path_agrees_with_a_row_at_a_time() {
        for path in Path::ALL {
            allow(path);
            for count in [0, 1, 63, 64, 65, 1000] {
                for (first, last) in [(-5, 5), (3, 3), (100, i32::MAX), (-i32::MAX, i32::MAX)] {
                    check(&candidates(count, 3), first, last);
                }
            }
        }
    }

    fn check(all: &Candidates, first: i32, last: i32) {
        let rows =
            || all.position().iter().zip(all.price()).zip(all.quantity()).map(|((&i, &at), &signed)| (i, at, signed));
        let inside: Vec<_> = rows().filter(|&(_, at, _)| (first..=last).contains(&at)).collect();
        let mut picked = candidates(9, 0); // to be forgotten
        picked.pick(all, first, last);
        let found = picked.position().iter().zip(picked.price()).zip(picked.quantity());
        assert!(found.map(|((&i, &at), &signed)| (i, at, signed)).eq(inside.iter().copied()));

        let span = last.wrapping_sub(first).cast_unsigned();
        let (bits, shift) = (4, 28);
        let mut tables = vec![[99; BINS]; 2];
        all.weigh(first, span, shift, &mut tables.as_chunks_mut().0[0], bits);
        let mut bins = [0; 1 << 4];
        for &(_, at, signed) in &inside {
            bins[(at.wrapping_sub(first).cast_unsigned() >> shift) as usize] += i64::from(signed).abs();
        }
        assert_eq!(tables[0][..1 << bits], bins);

        let mut fills = vec![];
        let net = |at: i32, signed: i32, price: i32| {
            if (signed > 0 && at > price) || (signed < 0 && at < price) { i64::from(signed) } else { 0 }
        };
        for (guess, level) in [(first, last), (last, first), (3, 3)] {
            let mut sum = Regraded::default();
            let regraded = all.regrade(guess, level, &mut fills);
            for ((_, at, signed), &fill) in rows().zip(&fills) {
                assert_eq!(i64::from(fill), net(at, signed, level).abs());
                let more = net(at, signed, level) - net(at, signed, guess);
                let lots = if at == level { i64::from(signed).abs() } else { 0 };
                if signed > 0 {
                    sum.bids_at += lots;
                    sum.bids_more += more;
                } else {
                    sum.asks_at += lots;
                    sum.asks_more -= more;
                }
                sum.value_more += i128::from(at) * i128::from(more);
            }
            assert_eq!(regraded, sum);
        }
    }
}
