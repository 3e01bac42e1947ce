//! Columns that grow by blocks, past the caches where they are large.

/// Appends to a column; `streams` says that it will not be read soon. Call [`settle`] before anybody else reads it.
pub fn append(to: &mut Vec<i64>, from: &[i64], streams: bool) {
    #[cfg(target_arch = "x86_64")]
    if streams && from.len().is_multiple_of(2) {
        use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
        to.reserve(from.len());
        let room = &mut to.spare_capacity_mut()[..from.len()];
        #[allow(clippy::cast_ptr_alignment, reason = "looked at in the line after")]
        let start = room.as_mut_ptr().cast::<__m128i>();
        if start.is_aligned() {
            // SAFETY: every x86-64 processor has these. Pairs of `from` go to as many pairs of the room, whose first place is
            // aligned to a pair; all of it is written before the column is said to be longer.
            #[allow(unsafe_code, reason = "see SAFETY")]
            unsafe {
                for (nth, pair) in from.as_chunks::<2>().0.iter().enumerate() {
                    _mm_stream_si128(start.add(nth), _mm_loadu_si128(pair.as_ptr().cast()));
                }
                to.set_len(to.len() + from.len());
            }
            return;
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = streams;
    to.extend_from_slice(from);
}

/// Waits for what was written past the caches to be seen by all.
pub fn settle() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has it.
    #[allow(unsafe_code, reason = "see SAFETY")]
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_what_it_is_given() {
        for streams in [false, true] {
            let (mut column, mut expected) = (Vec::new(), Vec::new());
            for len in [0, 2, 256, 1, 256, 3, 4, 512] {
                let block: Vec<i64> = (0..len).map(|i| i * 7 - 3 + expected.len() as i64).collect();
                append(&mut column, &block, streams);
                expected.extend_from_slice(&block);
            }
            settle();
            assert_eq!(column, expected);
        }
    }
}
