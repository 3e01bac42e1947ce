//! A word ahead to the caches.

use crate::auction::book::{Book, Number};

/// Asks for the row's side, price and quantity to be fetched. Rows that the book does not have are let be.
#[inline]
pub fn prefetch<P: Number, Q: Number>(book: &Book<'_, P, Q>, row: usize) {
    #[cfg(target_arch = "x86_64")]
    if row < book.len() {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has it, and the addresses lie inside the columns.
        #[allow(unsafe_code, reason = "see SAFETY")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(book.side.as_ptr().add(row).cast());
            _mm_prefetch::<_MM_HINT_T0>(book.price.as_ptr().add(row).cast());
            _mm_prefetch::<_MM_HINT_T0>(book.quantity.as_ptr().add(row).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (book, row);
}
