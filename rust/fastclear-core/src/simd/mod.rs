//! The passes over whole columns, compiled for every machine, and for x86-64 with AVX2 and with AVX-512.
//!
//! This is the one room with `unsafe`: it calls code compiled for more than the least machine after asking the
//! machine what it has, and loads and stores vectors. Passes are one source for all, written so that the compiler can
//! vectorise them: chunks that stay in the first cache, no branch a row, no overflow check.
//!
//! # Why sums wrap
//! A quantity is below 2³¹ and a call has fewer than 2³⁰ rows, so every sum of quantities is below 2⁶¹ and no addition
//! below can overflow. `wrapping_add` says so to the compiler, which cannot vectorise a checked sum.

#![expect(clippy::inline_always, reason = "a body must be inlined into each of its compilations to be compiled for it")]
#![expect(clippy::needless_bitwise_bool, reason = "a lazy operator is a branch, which vectors do not take")]

mod append;
mod bytes;
mod candidates;
mod columns;
pub mod deal;
mod draw;
mod free;
mod largest;
mod margin;
mod near;
mod nearest;
mod pairs;
mod payment;
mod pivots;
mod prefetch;
mod rows;
mod runs;
mod sha256;
pub mod sharing;
mod small;
mod split;
mod spread;
mod sweep;
mod weigh;

pub use append::{append, settle};
pub use bytes::unsigned;
pub use candidates::{Candidates, Regraded};
pub use columns::{all_in_range, all_units, best_limits};
pub use draw::{SAMPLE_BLOCK, draw};
pub use free::{Free, line_up, meet};
pub use largest::{KEYS, largest_key};
pub use margin::{Margin, count_below, cut, find_last, margin, margin_at, served_at_most, served_below, welfare};
pub use nearest::{Units, largest_served, nearest_levels, next_above, within};
pub use pairs::{PairColumns, Places, Winner, amounts, between, read_pairs};
pub use payment::{Paid, pay};
pub use pivots::{PIVOTS, Reached, weigh_at};
pub use prefetch::{prefetch_ahead, prefetch_place};
pub use rows::{CANCEL, CLOSER, Cells, REPLACE, ROWS, Rows};
pub use runs::{range, run_starts};
pub use sha256::sha256_each;
pub use small::{Crossed, Room, Shared, cross_narrow, quantile};
pub use split::{Picks, PicksMut, bounds, pick_filled, split, willing};
pub use spread::{Spread, scatter, spread};
pub use sweep::{Cut, SMALL_QUANTITY, Swept, sweep};
pub use weigh::{BINS, weigh};

use std::sync::atomic::{AtomicU8, Ordering};

/// Which compilation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Path {
    /// The portable one.
    Scalar = 0,
    /// x86-64 with AVX2, POPCNT and BMI1.
    Avx2 = 1,
    /// The same with AVX-512 F, BW, DQ and VL.
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

/// The path that runs; more than any path has while nobody has asked yet.
static CHOSEN: AtomicU8 = AtomicU8::new(u8::MAX);

/// Allows no better path than this one, for the whole process; results are the same on every path.
pub fn allow(best: Path) {
    CHOSEN.store(best.min(machine()) as u8, Ordering::Relaxed);
}

/// The path that runs: the best that the machine has and that is allowed.
#[inline]
pub fn path() -> Path {
    match CHOSEN.load(Ordering::Relaxed) {
        0 => Path::Scalar,
        1 => Path::Avx2,
        2 => Path::Avx512,
        _ => choose(),
    }
}

#[cold]
fn choose() -> Path {
    let path = machine();
    CHOSEN.store(path as u8, Ordering::Relaxed);
    path
}

/// The best path that the machine has.
fn machine() -> Path {
    #[cfg(target_arch = "x86_64")]
    {
        let counts_bits = std::is_x86_feature_detected!("popcnt") && std::is_x86_feature_detected!("bmi1");
        let has_avx512 = std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512dq")
            && std::is_x86_feature_detected!("avx512vl");
        if counts_bits && has_avx512 {
            return Path::Avx512;
        }
        if counts_bits && std::is_x86_feature_detected!("avx2") {
            return Path::Avx2;
        }
    }
    Path::Scalar
}

/// Compiles a pass once a path and calls the best that the machine can run.
macro_rules! on_every_path {
    ($(#[$doc:meta])* $vis:vis fn $name:ident<$($type:ident: $bound:ident),*>($($arg:ident: $of:ty),* $(,)?) -> $out:ty = $body:ident) => {
        $(#[$doc])*
        $vis fn $name<$($type: $bound),*>($($arg: $of),*) -> $out {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,popcnt,bmi1")]
                fn avx2<$($type: $bound),*>($($arg: $of),*) -> $out {
                    $body($($arg),*)
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt,bmi1")]
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
