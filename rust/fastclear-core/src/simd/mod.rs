//! The passes over whole columns, compiled for every machine, and for x86-64 with AVX2 and with AVX-512.
//!
//! This is the one room with `unsafe`: it calls code compiled for more than the least machine after asking the
//! machine what it has, and loads and stores vectors. Passes are one source for all, written so that the compiler can
//! vectorise them: chunks that stay in the first cache, no branch a row, no overflow check.
//!
//! # Why sums wrap
//! A quantity is below 2³¹ and a call has fewer than 2³⁰ rows, so every sum of quantities is below 2⁶¹ and no addition
//! below can overflow. `wrapping_add` says so to the compiler, which cannot vectorise a checked sum.

#![expect(
    clippy::inline_always,
    reason = "a body must be inlined into both of its compilations to be compiled for each"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
mod small;

pub use small::{Quantile, quantile};

use std::sync::atomic::{AtomicU8, Ordering};

use crate::auction::book::{Book, Number};
use crate::order::BUY;

/// Rows at a time: their columns and buffers stay in the first-level cache.
const CHUNK: usize = 1024;
/// Bins of [`weigh`].
pub const BINS: usize = 2048;

/// Which compilation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Path {
    /// The portable one.
    Scalar = 0,
    /// x86-64 with AVX2.
    Avx2 = 1,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512 = 2,
}

impl Path {
    /// All paths, slowest first.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// The best path that may run.
static ALLOWED: AtomicU8 = AtomicU8::new(Path::Avx512 as u8);

/// Allows no better path than this one, for the whole process; results are the same on every path.
pub fn allow(best: Path) {
    ALLOWED.store(best as u8, Ordering::Relaxed);
}

/// The path that runs: the best that the machine has and that is allowed.
#[inline]
pub fn path() -> Path {
    #[cfg(target_arch = "x86_64")]
    {
        let allowed = ALLOWED.load(Ordering::Relaxed);
        let has_avx512 = std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512dq")
            && std::is_x86_feature_detected!("avx512vl");
        if allowed >= Path::Avx512 as u8 && has_avx512 {
            return Path::Avx512;
        }
        if allowed >= Path::Avx2 as u8 && std::is_x86_feature_detected!("avx2") {
            return Path::Avx2;
        }
    }
    Path::Scalar
}

/// Compiles a pass once a path and calls the best that the machine can run.
macro_rules! on_every_path {
    ($(#[$doc:meta])* pub fn $name:ident<$($type:ident: $bound:ident),*>($($arg:ident: $of:ty),* $(,)?) -> $out:ty = $body:ident) => {
        $(#[$doc])*
        pub fn $name<$($type: $bound),*>($($arg: $of),*) -> $out {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2<$($type: $bound),*>($($arg: $of),*) -> $out {
                    $body($($arg),*)
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512<$($type: $bound),*>($($arg: $of),*) -> $out {
                    $body($($arg),*)
                }
                // SAFETY: `path` asked the machine for the features that each of these was compiled with.
                #[allow(unsafe_code, reason = "see SAFETY")]
                match $crate::simd::path() {
                    $crate::simd::Path::Scalar => {}
                    $crate::simd::Path::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::simd::Path::Avx512 => return unsafe { avx512($($arg),*) },
                }
            }
            $body($($arg),*)
        }
    };
}
use on_every_path;

/// What a book adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// Quantity of all bids.
    pub bid_quantity: i64,
    /// Quantity of all asks.
    pub ask_quantity: i64,
    /// Number of bids.
    pub bids: u32,
}

/// A book weighed into bins.
#[derive(Debug)]
pub struct Weighed {
    /// Totals.
    pub totals: Totals,
    /// Quantity in each bin.
    pub bins: [i64; BINS],
    /// A bound that no |price| exceeds.
    pub price_bound: u64,
}

#[inline(always)]
fn weigh_body<P: Number, Q: Number>(book: &Book<'_, P, Q>, base: i64, shift: u32) -> Option<Weighed> {
    let mut bin_of = [0_u32; CHUNK];
    // Two tables, so that neighbours of one price do not wait for each other's store.
    let (mut bins, mut odd_bins) = ([0_i64; BINS], [0_i64; BINS]);
    let (mut bid_quantity, mut bids, mut sound) = (0_i64, 0_u32, Sound::default());
    let top = ((BINS as i64) << shift) - 1;
    for start in (0..book.len()).step_by(CHUNK) {
        let end = (start + CHUNK).min(book.len());
        let (side, price, quantity) = (&book.side[start..end], &book.price[start..end], &book.quantity[start..end]);
        sound.look(side, price, quantity);
        for (&side, &quantity) in side.iter().zip(quantity) {
            let quantity: i64 = quantity.into();
            bid_quantity = bid_quantity.wrapping_add(quantity & i64::from(side).wrapping_neg());
        }
        bids = bids.wrapping_add(side.iter().fold(0, |bids, &side| bids.wrapping_add(u32::from(side))));
        for ((bin, &side), &price) in bin_of.iter_mut().zip(side).zip(price) {
            let price: i64 = price.into();
            let above = price.wrapping_sub(book.fee & i64::from(side).wrapping_neg()).wrapping_sub(base);
            // Clamped before the shift, so that the place of a bin fits any width.
            let above = if above < 0 { 0 } else { above };
            let above = if above > top { top } else { above };
            *bin = (above as u64 >> shift) as u32;
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
    if !sound.is_sound() {
        return None;
    }
    let all: i64 = bins.iter().sum();
    let totals = Totals { bid_quantity, ask_quantity: all - bid_quantity, bids };
    Some(Weighed { totals, bins, price_bound: sound.price_bound() })
}

on_every_path! {
    /// Weighs a book by competing price, and checks its columns in the same pass: `None` where a side, price or
    /// quantity is none that an order may carry.
    ///
    /// Bins are `2^shift` ticks wide from `base` up; what lies below goes to the first bin, above to the last.
    pub fn weigh<P: Number, Q: Number>(book: &Book<'_, P, Q>, base: i64, shift: u32) -> Option<Weighed> = weigh_body
}

/// What [`sweep`] filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Swept {
    /// Quantity of bids above the bracket.
    pub bids_above: i64,
    /// Quantity of asks below the bracket.
    pub asks_below: i64,
    /// Welfare of both.
    pub welfare: Welfare,
}

/// Fills every order outside the bracket `first..=last` of competing prices (bids above whole, asks below whole, the
/// others nothing) and appends the positions of those inside.
///
/// `small_welfare`: whether price × quantity of all orders together stays below 2⁶³.
pub fn sweep<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    bracket: (i64, i64),
    small_welfare: bool,
    filled: &mut [i64],
    inside: &mut Vec<u32>,
) -> Swept {
    let mut swept = Swept::default();
    #[cfg(target_arch = "x86_64")]
    let done = if path() >= Path::Avx2 {
        // SAFETY: `path` asked the machine for the one feature that the kernel needs.
        #[allow(unsafe_code, reason = "see SAFETY")]
        unsafe {
            if small_welfare {
                avx2::sweep::<P, Q, true>(book, bracket, filled, inside, &mut swept)
            } else {
                avx2::sweep::<P, Q, false>(book, bracket, filled, inside, &mut swept)
            }
        }
    } else {
        0
    };
    #[cfg(not(target_arch = "x86_64"))]
    let done = 0;
    sweep_rows(book, bracket, done, filled, inside, &mut swept);
    swept
}

/// The scalar twin, and the last rows of the other: sweeps from row `start` on.
fn sweep_rows<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    (first, last): (i64, i64),
    start: usize,
    filled: &mut [i64],
    inside: &mut Vec<u32>,
    swept: &mut Swept,
) {
    for (i, fill) in filled.iter_mut().enumerate().skip(start) {
        let (price, quantity, is_bid) = (book.competing_price(i), book.quantity(i), book.is_bid(i));
        *fill = 0;
        if price < first {
            if !is_bid {
                swept.asks_below += quantity;
                swept.welfare.add(false, book.limit(i), quantity);
                *fill = quantity;
            }
        } else if price > last {
            if is_bid {
                swept.bids_above += quantity;
                swept.welfare.add(true, book.limit(i), quantity);
                *fill = quantity;
            }
        } else {
            inside.push(i as u32);
        }
    }
}

/// Bits that show a value out of range, over any number of rows.
#[derive(Default)]
struct Sound {
    side: u8,
    price: u64,
    magnitude: u64,
    quantity: u64,
}

impl Sound {
    #[inline(always)]
    fn look<P: Number, Q: Number>(&mut self, side: &[u8], price: &[P], quantity: &[Q]) {
        for &side in side {
            self.side |= side;
        }
        // As unsigned, a number of 1..2³¹ has no high bit, and neither has its predecessor; any other number has.
        for &quantity in quantity {
            let quantity: i64 = quantity.into();
            self.quantity |= (quantity | quantity.wrapping_sub(1)) as u64;
        }
        // The same for −2³¹ < price < 2³¹, moved up by 2³¹.
        for &price in price {
            let price: i64 = price.into();
            let up = price.wrapping_add(1 << 31);
            self.price |= (up | up.wrapping_sub(1)) as u64;
            self.magnitude |= (price ^ (price >> 63)) as u64;
        }
    }

    /// All bits up to the highest that some |price| has; −2ᵏ counts as one less, hence the one more.
    fn price_bound(&self) -> u64 {
        (1 << (u64::BITS - self.magnitude.leading_zeros()).min(62)) | 1
    }

    fn is_sound(&self) -> bool {
        self.side <= BUY && self.price >> 32 == 0 && self.quantity >> 31 == 0
    }
}

#[inline(always)]
fn all_in_range_body<P: Number, Q: Number>(side: &[u8], price: &[P], quantity: &[Q]) -> bool {
    let mut sound = Sound::default();
    sound.look(side, price, quantity);
    sound.is_sound()
}

on_every_path! {
    /// Whether every side is 0 or 1 and every price and quantity is one that an order may carry.
    pub fn all_in_range<P: Number, Q: Number>(side: &[u8], price: &[P], quantity: &[Q]) -> bool = all_in_range_body
}

#[inline(always)]
fn best_limits_body<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> (i64, i64) {
    let (mut best_bid, mut best_ask) = (i64::MIN, i64::MAX);
    for (&side, &price) in book.side.iter().zip(book.price) {
        let price: i64 = price.into();
        let as_bid = if side != 0 { price } else { i64::MIN };
        let as_ask = if side != 0 { i64::MAX } else { price };
        best_bid = if as_bid > best_bid { as_bid } else { best_bid };
        best_ask = if as_ask < best_ask { as_ask } else { best_ask };
    }
    (best_bid, best_ask)
}

on_every_path! {
    /// Highest bid and lowest ask; the far ends of the integers where a side is empty.
    pub fn best_limits<P: Number, Q: Number>(book: &Book<'_, P, Q>) -> (i64, i64) = best_limits_body
}

/// Σ bid × fill − Σ ask × fill, as two sums that cannot overflow.
///
/// A price × quantity lies within ±2⁶², so neither half of it can overflow its sum over 2³⁰ rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Welfare {
    high: i64,
    low: i64,
}

impl Welfare {
    /// Welfare whose sum is known to fit.
    #[cfg(target_arch = "x86_64")]
    const fn of_small(sum: i64) -> Self {
        Self { high: 0, low: sum }
    }

    /// Adds one order's value: its limit × fill, less for an ask.
    #[inline]
    pub fn add(&mut self, is_bid: bool, price: i64, fill: i64) {
        let value = if is_bid { price * fill } else { -(price * fill) };
        self.high += value >> 32;
        self.low += value & 0xFFFF_FFFF;
    }

    /// The sum.
    pub fn total(self) -> i128 {
        (i128::from(self.high) << 32) + i128::from(self.low)
    }
}
