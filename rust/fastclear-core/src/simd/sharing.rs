//! The passes over the orders of one level that share what is left.
//!
//! The longest part is quotas: `quantity × left / total` of each order, rounded down, and the remainder that decides who
//! gets one lot more. One division a level, three multiplications an order.

use super::on_every_path;
use crate::auction::book::{Book, Number};

/// Places in line looked at together: their quantities and shares stay in the first-level cache.
pub const CHUNK: usize = 1024;
/// Bins of remainders.
const REMAINDER_BINS: usize = 2048;

/// Orders looked at together for a remainder that is tied.
const GROUP: usize = 64;

/// The share of a level that is served, ready for exact quotas.
///
/// # Why one step corrects the estimate
/// Let ρ = left / total < 1 and v = ⌊2³² ρ⌋, so that 2³² ρ − 1 < v ≤ 2³² ρ. For a quantity q < 2³¹ then
/// q ρ − ½ < q v / 2³² ≤ q ρ: its floor f is ⌊q ρ⌋ or one less. So q × left − f × total lies in [0, 2 total), below 2⁶²,
/// and 64-bit products, which wrap, give it exactly. Where it reaches `total`, f was one short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    left: u64,
    total: u64,
    per_lot: u32,
}

impl Rate {
    /// The rate `left / total`; `0 <= left < total < 2⁶¹`.
    pub fn new(left: i64, total: i64) -> Self {
        debug_assert!(0 <= left && left < total && total < 1 << 61, "Invariant: less is left than asked for");
        let (left, total) = (left as u64, total as u64);
        let per_lot =
            if left < 1 << 32 { (left << 32) / total } else { ((u128::from(left) << 32) / u128::from(total)) as u64 };
        Self { left, total, per_lot: per_lot as u32 }
    }

    /// Whether products of two 32-bit numbers do.
    const fn is_narrow(&self) -> bool {
        self.total < 1 << 32
    }

    /// Quota and remainder of `quantity`, which is below 2³¹.
    #[inline(always)]
    pub fn quota(&self, quantity: u32) -> (u32, u64) {
        self.split::<false>(quantity)
    }

    #[inline(always)]
    fn split<const NARROW: bool>(&self, quantity: u32) -> (u32, u64) {
        // Masked, so that the compiler knows what it multiplies.
        let mask = if NARROW { u64::from(u32::MAX) } else { u64::MAX };
        let (left, total, quantity) = (self.left & mask, self.total & mask, u64::from(quantity));
        let estimate = quantity.wrapping_mul(u64::from(self.per_lot)) >> 32;
        let rest = quantity.wrapping_mul(left).wrapping_sub(estimate.wrapping_mul(total));
        let is_short = rest as i64 >= total as i64; // signed, which AVX2 can compare
        let correction = if is_short { total } else { 0 };
        ((estimate as u32).wrapping_add(u32::from(is_short)), rest.wrapping_sub(correction))
    }

    /// Bits by which a remainder is moved to find its bin.
    const fn bin_shift(&self) -> u32 {
        (u64::BITS - self.total.leading_zeros()).saturating_sub(REMAINDER_BINS.trailing_zeros())
    }
}

/// The orders that share, in chunks of their quantities.
pub trait Sharers {
    /// Whether all that are met share; else [`Self::load`] gives zeros in between.
    const ALL: bool;
    /// How many places there are.
    fn places(&self) -> usize;
    /// Quantities from place `start` on, zero where nothing is shared out; fewer than [`CHUNK`] only at the end.
    fn load(&self, start: usize, quantities: &mut [u32; CHUNK]);
    /// Writes what the orders from place `start` on get.
    fn store(&self, start: usize, shares: &[u32], filled: &mut [i64]);
    /// Position in the book of the order at a place.
    fn position(&self, place: usize) -> u32;
}

/// All orders of a book: those of one side share, those of the other get all they ask for or nothing.
#[derive(Clone, Copy, Debug)]
pub struct OneSide<'a, Q> {
    /// Side of each order.
    pub side: &'a [u8],
    /// Quantity of each order.
    pub quantity: &'a [Q],
    /// The side that shares.
    pub sharing: u8,
    /// Whether the other side gets all that it asks for.
    pub others_whole: bool,
}

impl<Q: Number> Sharers for OneSide<'_, Q> {
    const ALL: bool = false;

    #[inline(always)]
    fn places(&self) -> usize {
        self.side.len()
    }

    #[inline(always)]
    fn load(&self, start: usize, quantities: &mut [u32; CHUNK]) {
        let rows = self.side[start..].iter().zip(&self.quantity[start..]);
        for (to, (&side, &quantity)) in quantities.iter_mut().zip(rows) {
            let quantity: i64 = quantity.into();
            *to = if side == self.sharing { quantity as u32 } else { 0 };
        }
    }

    #[inline(always)]
    fn store(&self, start: usize, shares: &[u32], filled: &mut [i64]) {
        let rows = self.side[start..].iter().zip(&self.quantity[start..]);
        let whole = if self.others_whole { -1 } else { 0 };
        for ((fill, &share), (&side, &quantity)) in filled[start..].iter_mut().zip(shares).zip(rows) {
            let quantity: i64 = quantity.into();
            *fill = if side == self.sharing { i64::from(share) } else { quantity & whole };
        }
    }

    #[inline(always)]
    fn position(&self, place: usize) -> u32 {
        place as u32
    }
}

/// All orders of a book, of which those at one competing price are meant: as in [`OneSide`]. Of the others, bids above it and
/// asks below it get all they ask for.
#[derive(Clone, Copy, Debug)]
pub struct AtPrice<'a, P, Q> {
    /// The book.
    pub book: &'a Book<'a, P, Q>,
    /// The price.
    pub price: i64,
    /// The side that shares.
    pub sharing: u8,
    /// Whether the other side gets all that it asks for.
    pub others_whole: bool,
}

impl<P: Number, Q: Number> AtPrice<'_, P, Q> {
    /// Whether an order competes at the price.
    #[inline(always)]
    fn is_at(&self, side: u8, price: P) -> bool {
        let price: i64 = price.into();
        price.wrapping_sub(self.book.fee & i64::from(side).wrapping_neg()) == self.price
    }
}

impl<P: Number, Q: Number> Sharers for AtPrice<'_, P, Q> {
    const ALL: bool = false;

    #[inline(always)]
    fn places(&self) -> usize {
        self.book.side.len()
    }

    #[inline(always)]
    fn load(&self, start: usize, quantities: &mut [u32; CHUNK]) {
        let Book { side, price, quantity, .. } = *self.book;
        let rows = side[start..].iter().zip(&price[start..]).zip(&quantity[start..]);
        for (to, ((&side, &price), &quantity)) in quantities.iter_mut().zip(rows) {
            let quantity: i64 = quantity.into();
            *to = if (side == self.sharing) & self.is_at(side, price) { quantity as u32 } else { 0 };
        }
    }

    #[inline(always)]
    fn store(&self, start: usize, shares: &[u32], filled: &mut [i64]) {
        let Book { side, price, quantity, fee } = *self.book;
        let rows = side[start..].iter().zip(&price[start..]).zip(&quantity[start..]);
        let whole = if self.others_whole { -1 } else { 0 };
        for ((fill, &share), ((&side, &price), &quantity)) in filled[start..].iter_mut().zip(shares).zip(rows) {
            let (price, quantity): (i64, i64) = (price.into(), quantity.into());
            let above = price.wrapping_sub(fee & i64::from(side).wrapping_neg()).wrapping_sub(self.price);
            let at = if side == self.sharing { i64::from(share) } else { quantity & whole };
            let elsewhere = if (side != 0) == (above > 0) { quantity } else { 0 };
            *fill = if above == 0 { at } else { elsewhere };
        }
    }

    #[inline(always)]
    fn position(&self, place: usize) -> u32 {
        place as u32
    }
}

#[inline(always)]
fn asks_from_body<P: Number, Q: Number>(book: &Book<'_, P, Q>, price: i64) -> (i64, i64) {
    let (mut at, mut above) = (0_i64, 0_i64);
    for ((&side, &limit), &quantity) in book.side.iter().zip(book.price).zip(book.quantity) {
        let (limit, quantity): (i64, i64) = (limit.into(), quantity.into());
        let offered = if side == 0 { quantity } else { 0 };
        at = at.wrapping_add(if limit == price { offered } else { 0 });
        above = above.wrapping_add(if limit > price { offered } else { 0 });
    }
    (at, above)
}

on_every_path! {
    /// Quantity of the asks at `price`, and of those above it.
    pub fn asks_from<P: Number, Q: Number>(book: &Book<'_, P, Q>, price: i64) -> (i64, i64) = asks_from_body
}

/// Some orders of a book, all of which share.
#[derive(Clone, Copy, Debug)]
pub struct Picked<'a, Q> {
    /// Their positions.
    pub orders: &'a [u32],
    /// Quantities of the whole book.
    pub quantity: &'a [Q],
}

impl<Q: Number> Sharers for Picked<'_, Q> {
    const ALL: bool = true;

    #[inline(always)]
    fn places(&self) -> usize {
        self.orders.len()
    }

    #[inline(always)]
    fn load(&self, start: usize, quantities: &mut [u32; CHUNK]) {
        for (to, &i) in quantities.iter_mut().zip(&self.orders[start..]) {
            let quantity: i64 = self.quantity[i as usize].into();
            *to = quantity as u32;
        }
    }

    #[inline(always)]
    fn store(&self, start: usize, shares: &[u32], filled: &mut [i64]) {
        for (&i, &share) in self.orders[start..].iter().zip(shares) {
            filled[i as usize] = i64::from(share);
        }
    }

    #[inline(always)]
    fn position(&self, place: usize) -> u32 {
        self.orders[place]
    }
}

/// What the quotas of a level leave over, and where the last remainder that is topped up lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutoff {
    /// Remainders from here on are topped up.
    above: u64,
    /// Of those from here up to `above`, some are.
    from: u64,
    /// How many of them.
    pub tied_lots: i64,
}

#[inline(always)]
fn split_chunk<const NARROW: bool>(rate: Rate, quantities: &[u32], shares: &mut [u32], remainders: &mut [u64]) {
    for ((&quantity, share), remainder) in quantities.iter().zip(shares).zip(remainders) {
        (*share, *remainder) = rate.split::<NARROW>(quantity);
    }
}

/// Moves up what is not zero among the first `many`, and says how much that is.
#[inline(always)]
fn without_zeros(quantities: &mut [u32; CHUNK], many: usize) -> usize {
    let mut kept = 0;
    for i in 0..many.min(CHUNK) {
        // Written in any case and counted where it is to stay: no branch to guess wrong.
        let quantity = quantities[i];
        quantities[kept % CHUNK] = quantity;
        kept = kept.wrapping_add(usize::from(quantity != 0));
    }
    kept
}

#[inline(always)]
fn weigh_rows<S: Sharers, const NARROW: bool>(sharers: &S, rate: Rate, bins: &mut [[u32; REMAINDER_BINS]; 2]) -> u64 {
    let shift = rate.bin_shift();
    let (mut quantities, mut shares, mut remainders) = ([0; CHUNK], [0; CHUNK], [0; CHUNK]);
    let mut bin_of = [0_u32; CHUNK];
    let mut handed_out = 0_u64;
    for start in (0..sharers.places()).step_by(CHUNK) {
        let mut many = (sharers.places() - start).min(CHUNK);
        sharers.load(start, &mut quantities);
        if !S::ALL {
            // Those that do not share would all count in one bin, each after the other's store.
            many = without_zeros(&mut quantities, many);
        }
        split_chunk::<NARROW>(rate, &quantities[..many], &mut shares, &mut remainders);
        // 2¹⁰ quotas, each below 2³¹.
        handed_out =
            handed_out.wrapping_add(shares[..many].iter().fold(0, |sum, &share| u64::from(share).wrapping_add(sum)));
        for (bin, &remainder) in bin_of[..many].iter_mut().zip(&remainders) {
            *bin = (remainder >> shift) as u32;
        }
        let (pairs, rest) = bin_of[..many].as_chunks::<2>();
        let [even_bins, odd_bins] = bins;
        for &[even, odd] in pairs {
            let (even, odd) = (even as usize % REMAINDER_BINS, odd as usize % REMAINDER_BINS);
            even_bins[even] = even_bins[even].wrapping_add(1);
            odd_bins[odd] = odd_bins[odd].wrapping_add(1);
        }
        for &bin in rest {
            even_bins[bin as usize % REMAINDER_BINS] = even_bins[bin as usize % REMAINDER_BINS].wrapping_add(1);
        }
    }
    handed_out
}

#[inline(always)]
fn cutoff_body<S: Sharers>(sharers: &S, rate: Rate) -> Option<Cutoff> {
    // Two tables, so that neighbours of one remainder do not wait for each other's store.
    let mut bins = [[0_u32; REMAINDER_BINS]; 2];
    let handed_out = if rate.is_narrow() {
        weigh_rows::<S, true>(sharers, rate, &mut bins)
    } else {
        weigh_rows::<S, false>(sharers, rate, &mut bins)
    };
    let mut lots = rate.left.wrapping_sub(handed_out) as i64;
    if lots == 0 {
        return None;
    }
    let shift = rate.bin_shift();
    let [even, odd] = bins;
    for bin in (0..REMAINDER_BINS).rev() {
        let orders = i64::from(even[bin] + odd[bin]);
        let from = (bin as u64) << shift;
        if orders == lots && bin > 0 {
            return Some(Cutoff { above: from, from, tied_lots: 0 });
        }
        if orders >= lots {
            // Nothing is topped up that has no remainder: there are always more orders with one than lots to top up.
            return Some(Cutoff { above: (bin as u64 + 1) << shift, from: from.max(1), tied_lots: lots });
        }
        lots -= orders;
    }
    None
}

on_every_path! {
    /// Finds who of the orders gets one lot more than its quota; `None` where quotas hand out all.
    pub fn cutoff<S: Sharers>(sharers: &S, rate: Rate) -> Option<Cutoff> = cutoff_body
}

/// Appends the positions of the orders from place `first` on whose value is `wanted`.
#[inline(always)]
fn append<S: Sharers, T: Copy>(
    sharers: &S,
    first: usize,
    values: &[T],
    wanted: impl Fn(T) -> bool,
    positions: &mut Vec<u32>,
) {
    // Each is written, and counted where it is wanted: no branch to guess wrong.
    let (mut some, mut count) = ([0; GROUP], 0);
    for (place, &value) in values.iter().enumerate().take(GROUP) {
        some[count % GROUP] = sharers.position(first + place);
        count += usize::from(wanted(value));
    }
    positions.extend_from_slice(&some[..count]);
}

#[inline(always)]
fn write_rows<S: Sharers, const NARROW: bool>(
    sharers: &S,
    rate: Rate,
    cutoff: Cutoff,
    filled: &mut [i64],
    tied: &mut Vec<u32>,
) {
    let (mut quantities, mut shares, mut remainders) = ([0; CHUNK], [0; CHUNK], [0; CHUNK]);
    for start in (0..sharers.places()).step_by(CHUNK) {
        let many = (sharers.places() - start).min(CHUNK);
        sharers.load(start, &mut quantities);
        split_chunk::<NARROW>(rate, &quantities[..many], &mut shares, &mut remainders);
        for (share, &remainder) in shares[..many].iter_mut().zip(&remainders) {
            *share = share.wrapping_add(u32::from(remainder as i64 >= cutoff.above as i64));
        }
        sharers.store(start, &shares[..many], filled);
        // Negative where from ≤ remainder < above: all of them are below 2⁶³.
        let tie = |remainder: u64| remainder.wrapping_sub(cutoff.above) & !remainder.wrapping_sub(cutoff.from);
        let (groups, _) = remainders.as_chunks::<GROUP>();
        for (group, remainders) in groups[..many.div_ceil(GROUP)].iter().enumerate() {
            if (remainders.iter().fold(0, |any, &remainder| any | tie(remainder)) as i64) < 0 {
                let first = group * GROUP;
                let values = &remainders[..GROUP.min(many - first)];
                append(sharers, start + first, values, |remainder| (tie(remainder) as i64) < 0, tied);
            }
        }
    }
}

#[inline(always)]
fn write_quotas_body<S: Sharers>(
    sharers: &S,
    rate: Rate,
    cutoff: Option<Cutoff>,
    filled: &mut [i64],
    tied: &mut Vec<u32>,
) -> i64 {
    let none = Cutoff { above: i64::MAX as u64, from: i64::MAX as u64, tied_lots: 0 };
    let cutoff = cutoff.unwrap_or(none);
    if rate.is_narrow() {
        write_rows::<S, true>(sharers, rate, cutoff, filled, tied);
    } else {
        write_rows::<S, false>(sharers, rate, cutoff, filled, tied);
    }
    cutoff.tied_lots
}

on_every_path! {
    /// Writes quotas, one lot more where the remainder is above the cutoff, and appends the positions of the orders that
    /// the cutoff leaves tied; gives the lots that go to some of these.
    pub fn write_quotas<S: Sharers>(
        sharers: &S,
        rate: Rate,
        cutoff: Option<Cutoff>,
        filled: &mut [i64],
        tied: &mut Vec<u32>,
    ) -> i64 = write_quotas_body
}

#[inline(always)]
fn write_in_turn_body<S: Sharers>(sharers: &S, left: i64, filled: &mut [i64]) -> i64 {
    let mut left = left;
    let mut quantities = [0; CHUNK];
    for start in (0..sharers.places()).step_by(CHUNK) {
        let many = (sharers.places() - start).min(CHUNK);
        sharers.load(start, &mut quantities);
        let wanted = quantities[..many].iter().fold(0_i64, |sum, &quantity| sum.wrapping_add(i64::from(quantity)));
        if wanted <= left {
            left = left.wrapping_sub(wanted);
        } else {
            for quantity in &mut quantities[..many] {
                let share = left.min(i64::from(*quantity));
                *quantity = share as u32;
                left = left.wrapping_sub(share);
            }
        }
        sharers.store(start, &quantities[..many], filled);
    }
    left
}

on_every_path! {
    /// Serves the orders as they come until nothing is left; gives what is left then.
    pub fn write_in_turn<S: Sharers>(sharers: &S, left: i64, filled: &mut [i64]) -> i64 = write_in_turn_body
}

/// Bits of a quantity that one round of [`water_level`] looks at.
const ROUND: u32 = 10;
const ELSEWHERE: usize = 1 << ROUND;

#[inline(always)]
fn water_level_body<S: Sharers>(sharers: &S, left: i64) -> (u32, i64) {
    let (mut quantities, mut bin_of) = ([0; CHUNK], [0_u32; CHUNK]);
    let (mut sharing, mut most) = (0_i64, 0_u32);
    for start in (0..sharers.places()).step_by(CHUNK) {
        let many = (sharers.places() - start).min(CHUNK);
        sharers.load(start, &mut quantities);
        for &quantity in &quantities[..many] {
            sharing = sharing.wrapping_add(i64::from(quantity > 0));
            most = if quantity > most { quantity } else { most };
        }
    }
    // What the orders take at level λ, Σ min(q, λ), is that of the orders up to λ and λ for each of the others: below 2⁶¹.
    // The level is the largest λ at which they take no more than is left; each round finds its next bits.
    let (mut level, mut bits) = (0_u32, u32::BITS - most.leading_zeros());
    let (mut smaller, mut taken_by_smaller) = (0_i64, 0_i64);
    // In the first round those elsewhere are of the other side, here and there: no branch. Later they are nearly all.
    let mut skip_elsewhere = false;
    while bits > 0 {
        let shift = bits.saturating_sub(ROUND);
        // The last bin is for those that the round does not look at: they lie elsewhere, or ask for nothing.
        let (mut orders, mut lots) = ([0_u32; ELSEWHERE + 1], [0_i64; ELSEWHERE + 1]);
        for start in (0..sharers.places()).step_by(CHUNK) {
            let many = (sharers.places() - start).min(CHUNK);
            sharers.load(start, &mut quantities);
            for (bin, &quantity) in bin_of.iter_mut().zip(&quantities[..many]) {
                let above = if quantity > 0 { quantity.wrapping_sub(level) >> shift } else { ELSEWHERE as u32 };
                *bin = if above < ELSEWHERE as u32 { above } else { ELSEWHERE as u32 };
            }
            for (&bin, &quantity) in bin_of[..many].iter().zip(&quantities) {
                let bin = (bin as usize).min(ELSEWHERE);
                if bin == ELSEWHERE && skip_elsewhere {
                    continue;
                }
                orders[bin] = orders[bin].wrapping_add(1);
                lots[bin] = lots[bin].wrapping_add(i64::from(quantity));
            }
        }
        skip_elsewhere = true;
        let mut bin = 0;
        let last = (1_usize << (bits - shift)) - 1;
        while bin < last {
            let (next_smaller, next_taken) =
                (smaller.wrapping_add(i64::from(orders[bin])), taken_by_smaller.wrapping_add(lots[bin]));
            let next_level = i64::from(level) + ((bin as i64 + 1) << shift);
            if next_taken + sharing.wrapping_sub(next_smaller).wrapping_mul(next_level) > left {
                break;
            }
            (smaller, taken_by_smaller) = (next_smaller, next_taken);
            bin += 1;
        }
        level = level.wrapping_add((bin as u32) << shift);
        bits = shift;
    }
    let taken = taken_by_smaller.wrapping_add(sharing.wrapping_sub(smaller).wrapping_mul(i64::from(level)));
    (level, left.wrapping_sub(taken))
}

on_every_path! {
    /// The level to which `left` lots fill the orders, each as far as it asks, and the lots that are left over: fewer
    /// than there are orders that ask for more.
    pub fn water_level<S: Sharers>(sharers: &S, left: i64) -> (u32, i64) = water_level_body
}

#[inline(always)]
fn write_water_body<S: Sharers>(sharers: &S, level: u32, filled: &mut [i64], above: &mut Vec<u32>) -> u32 {
    let (mut quantities, mut shares) = ([0; CHUNK], [0; CHUNK]);
    for start in (0..sharers.places()).step_by(CHUNK) {
        let many = (sharers.places() - start).min(CHUNK);
        sharers.load(start, &mut quantities);
        for (share, &quantity) in shares[..many].iter_mut().zip(&quantities) {
            *share = if quantity < level { quantity } else { level };
        }
        sharers.store(start, &shares[..many], filled);
        for (group, quantities) in quantities[..many].chunks(GROUP).enumerate() {
            append(sharers, start + group * GROUP, quantities, |quantity| quantity > level, above);
        }
    }
    level
}

on_every_path! {
    /// Fills the orders to `level` and appends the positions of those that ask for more.
    pub fn write_water<S: Sharers>(sharers: &S, level: u32, filled: &mut [i64], above: &mut Vec<u32>) -> u32 = write_water_body
}

#[inline(always)]
fn list_body<S: Sharers>(sharers: &S, positions: &mut Vec<u32>) -> usize {
    let mut quantities = [0; CHUNK];
    for start in (0..sharers.places()).step_by(CHUNK) {
        let many = (sharers.places() - start).min(CHUNK);
        sharers.load(start, &mut quantities);
        for (group, quantities) in quantities[..many].chunks(GROUP).enumerate() {
            append(sharers, start + group * GROUP, quantities, |quantity| quantity > 0, positions);
        }
    }
    positions.len()
}

on_every_path! {
    /// Appends the positions of the orders that share.
    pub fn list<S: Sharers>(sharers: &S, positions: &mut Vec<u32>) -> usize = list_body
}
