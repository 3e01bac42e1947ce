//! A word ahead to the caches.

use crate::auction::book::{Book, Number};

/// Asks for the row's side, price and quantity to be fetched. Rows that the book does not have are let be.
#[inline]
pub fn prefetch<P: Number, Q: Number>(book: &Book<'_, P, Q>, row: usize) {
    prefetch_place(book.side, row);
    prefetch_place(book.price, row);
    prefetch_place(book.quantity, row);
}

/// Asks for a place in a column to be fetched; one that the column does not have is let be.
#[inline]
pub fn prefetch_place<T>(column: &[T], place: usize) {
    #[cfg(target_arch = "x86_64")]
    if place < column.len() {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has it, and the address lies inside the column.
        #[allow(unsafe_code, reason = "see SAFETY")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(column.as_ptr().add(place).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (column, place);
}

/// Asks for what lies at a place of a column, or behind its end, to be fetched.
#[inline(always)]
pub fn prefetch_ahead<T>(column: &[T], place: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has it, and it reads nothing: an address that is nobody's is let be.
        #[allow(unsafe_code, reason = "see SAFETY")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(column.as_ptr().wrapping_add(place).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (column, place);
}
