//! The one pass of a large book: every fill as if a guessed price were the price, every total, every check, and a copy
//! of the few orders that the guess may have wrong.

mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use super::candidates::Candidates;
use super::near::{BLOCK, Near};
use super::{Path, on_every_path, path};
use crate::auction::book::{Book, Number};

/// Below this quantity a lane's sums over a block stay within 32 bits, and its welfare within 64: less than 2²² × 1024, and
/// that × 2³¹.
pub const SMALL_QUANTITY: u64 = 1 << 22;
/// Fills from which on they are written past the caches: they would only push out what is still to be read.
const STREAMED: usize = 400_000;
/// Rows between one that is read and one that is asked for meanwhile.
const AHEAD: usize = 256;
/// Bytes of a line of the caches, and of the widest store.
const LINE: usize = 64;

/// Where a sweep cuts a book, in competing prices: `first ≤ guess ≤ last`, less than 2³⁰ apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Lowest price of the bracket.
    pub first: i64,
    /// Fills are those of this price.
    pub guess: i64,
    /// Highest price of the bracket.
    pub last: i64,
}

/// What a sweep adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Swept {
    /// Number of bids.
    pub bids: u32,
    /// Quantity of all bids.
    pub bid_quantity: i64,
    /// Quantity of all orders priced below the bracket.
    pub below: i64,
    /// Quantity of bids above the guess.
    pub bids_filled: i64,
    /// Quantity of asks below the guess.
    pub asks_filled: i64,
    /// Welfare of both.
    pub welfare: i128,
    /// Whether all quantities are below [`SMALL_QUANTITY`].
    pub has_small_quantities: bool,
}

/// Rows of one block as kernels read them.
struct Rows<'a, Q> {
    side: &'a [u8],
    /// Limits, which welfare counts in.
    limit: &'a [i32],
    /// Competing prices less the base, at the ends of `i32` where they lie further away.
    price: &'a [i32],
    quantity: &'a [Q],
}

/// A cut in the numbers of [`Rows::price`].
#[derive(Clone, Copy)]
struct NearCut {
    first: i32,
    guess: i32,
    last: i32,
}

/// What some orders weigh.
#[derive(Clone, Copy, Default)]
struct Weight {
    /// Quantity of bids.
    bids: i64,
    /// Quantity of orders priced below the bracket.
    below: i64,
    /// Quantity of bids above the guess.
    bids_filled: i64,
    /// The same less the quantity of asks below the guess.
    net_filled: i64,
    /// Welfare of both.
    welfare: i128,
}

/// What a kernel adds to, block by block. Sums wrap where columns hold what no order may carry; the flaws tell.
#[derive(Clone, Copy, Default)]
struct Sums {
    bids: u32,
    weight: Weight,
    /// All sides, combined by or.
    side_bits: u8,
    /// All quantities, combined by or: bit 31 or one above it shows one that is negative or too large.
    quantity_bits: u64,
    /// Whether some quantity may be zero: 32 bits of it are.
    has_no_quantity: bool,
    /// Whether some price is none that a limit may be.
    has_bad_price: bool,
}

impl Sums {
    fn add(&mut self, more: Weight) {
        let sum = &mut self.weight;
        sum.bids = sum.bids.wrapping_add(more.bids);
        sum.below = sum.below.wrapping_add(more.below);
        sum.bids_filled = sum.bids_filled.wrapping_add(more.bids_filled);
        sum.net_filled = sum.net_filled.wrapping_add(more.net_filled);
        sum.welfare = sum.welfare.wrapping_add(more.welfare);
    }

    const fn is_sound(&self) -> bool {
        self.side_bits <= 1 && self.quantity_bits >> 31 == 0 && !self.has_no_quantity && !self.has_bad_price
    }
}

/// Positions within a block of the orders inside the bracket; room for a vector more than a block has rows.
type Inside = [u32; BLOCK + 16];

/// Fills each order as if `cut.guess` were the price (bids above it whole, asks below it whole, the others nothing), and
/// copies out the orders inside the bracket.
///
/// `filled` has one place an order, or none where only the sums are asked for. `None` where a side, price or quantity is
/// none that an order may carry; what was written then means nothing.
pub fn sweep<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    cut: Cut,
    filled: &mut [i64],
    candidates: &mut Candidates,
) -> Option<Swept> {
    let path = path();
    match (filled.is_empty(), filled.len() >= STREAMED) {
        (true, _) => sweep_blocks::<P, Q, false, false>(path, book, cut, filled, candidates),
        (false, false) => sweep_blocks::<P, Q, true, false>(path, book, cut, filled, candidates),
        (false, true) => sweep_blocks::<P, Q, true, true>(path, book, cut, filled, candidates),
    }
}

fn sweep_blocks<P: Number, Q: Number, const FILLS: bool, const STREAM: bool>(
    path: Path,
    book: &Book<'_, P, Q>,
    cut: Cut,
    filled: &mut [i64],
    candidates: &mut Candidates,
) -> Option<Swept> {
    let mut prices = Near::new(book, cut.guess);
    let cut = NearCut { first: prices.of(cut.first), guess: prices.of(cut.guess), last: prices.of(cut.last) };
    candidates.restart(prices.base);
    let mut sums = Sums::default();
    let mut inside: Inside = [0; BLOCK + 16];
    // The first block ends where fills reach a line of their own.
    let lead = if STREAM { filled.as_ptr().align_offset(LINE).min(book.len()) } else { 0 };
    let mut start = 0;
    while start < book.len() {
        let end = (if start < lead { lead } else { start + BLOCK }).min(book.len());
        let (side, quantity) = (&book.side[start..end], &book.quantity[start..end]);
        let (limit, price) = prices.rows(start, end);
        let rows = Rows { side, limit, price, quantity };
        let fills = if FILLS { &mut filled[start..end] } else { &mut [] };
        let found = match path {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `path` asked the machine for the features that the kernel needs.
            #[allow(unsafe_code, reason = "see SAFETY")]
            Path::Avx512 => unsafe { avx512::block::<Q, FILLS, STREAM>(&rows, cut, fills, &mut sums, &mut inside) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `path` asked the machine for the features that the kernel needs.
            #[allow(unsafe_code, reason = "see SAFETY")]
            Path::Avx2 => unsafe { avx2::block::<Q, FILLS, STREAM>(&rows, cut, fills, &mut sums, &mut inside) },
            _ => scalar::rows::<Q, FILLS>(&rows, 0, cut, fills, &mut sums, &mut inside, 0),
        };
        candidates.append(start as u32, &inside[..found], side, price, quantity);
        start = end;
    }
    fence::<STREAM>();
    sums.has_bad_price |= prices.has_bad_price;
    let Weight { bids: bid_quantity, below, bids_filled, net_filled, welfare } = sums.weight;
    sums.is_sound().then_some(Swept {
        bids: sums.bids,
        bid_quantity,
        below,
        bids_filled,
        asks_filled: bids_filled.wrapping_sub(net_filled),
        welfare,
        has_small_quantities: sums.quantity_bits < SMALL_QUANTITY,
    })
}

/// Makes streamed stores visible in the order in which other threads expect them.
fn fence<const STREAM: bool>() {
    #[cfg(target_arch = "x86_64")]
    if STREAM {
        // SAFETY: every x86-64 processor has it.
        #[allow(unsafe_code, reason = "see SAFETY")]
        unsafe {
            std::arch::x86_64::_mm_sfence();
        }
    }
}

#[inline(always)]
fn wide_body<Q: Number>(side: &[u8], limit: &[i32], price: &[i32], quantity: &[Q], cut: NearCut) -> Weight {
    let mut sum = Weight::default();
    let (mut high, mut low) = (0_i64, 0_i64);
    for (((&side, &limit), &price), &quantity) in side.iter().zip(limit).zip(price).zip(quantity) {
        let (limit, quantity): (i64, i64) = (limit.into(), quantity.into());
        let bid_fill = if side != 0 && price > cut.guess { quantity } else { 0 };
        let ask_fill = if side == 0 && price < cut.guess { quantity } else { 0 };
        let net_fill = bid_fill.wrapping_sub(ask_fill);
        sum.bids = sum.bids.wrapping_add(if side != 0 { quantity } else { 0 });
        sum.below = sum.below.wrapping_add(if price < cut.first { quantity } else { 0 });
        sum.bids_filled = sum.bids_filled.wrapping_add(bid_fill);
        sum.net_filled = sum.net_filled.wrapping_add(net_fill);
        let value = limit.wrapping_mul(net_fill); // below 2⁶² where both are in range
        high = high.wrapping_add(value >> 32);
        low = low.wrapping_add(value & 0xFFFF_FFFF);
    }
    sum.welfare = (i128::from(high) << 32) + i128::from(low);
    sum
}

on_every_path! {
    /// Weighs rows that a kernel could not add up in 32 and 64 bits.
    fn wide<Q: Number>(side: &[u8], limit: &[i32], price: &[i32], quantity: &[Q], cut: NearCut) -> Weight = wide_body
}

/// Adds the weight of the first `end` rows.
fn add_wide_sums<Q: Number>(rows: &Rows<'_, Q>, end: usize, cut: NearCut, sums: &mut Sums) {
    let Rows { side, limit, price, quantity } = rows;
    sums.add(wide(&side[..end], &limit[..end], &price[..end], &quantity[..end], cut));
}
