//! Memory for large columns: on large pages, and used again.
//!
//! To touch fresh memory for the first time costs more than to clear the orders whose trades it will hold: the system
//! has to find each page and clear it. [`Pool`] is an allocator that gives a large piece pages of its own, of the larger
//! kind where it fills one, and keeps what is given back for the next piece of that size. One that grows takes its huge
//! pages along, unless a longer piece is kept. Whoever asks for a piece gets it as any allocator hands it out, for values
//! that are yet to be written; one that is to be zero is. What is kept is bounded, and of all but the smallest pieces the
//! system may take the pages where it runs short of memory.
//!
//! A library installs no allocator; a program or an extension module does:
//!
//! ```
//! use fastclear_core::memory::Pool;
//!
//! #[global_allocator]
//! static POOL: Pool = Pool;
//!
//! assert_eq!(vec![0_u8; 10_000_000].iter().max(), Some(&0));
//! ```
#![allow(unsafe_code, reason = "an allocator hands out addresses; each block says why it is sound")]

use std::alloc::{GlobalAlloc, Layout, System};

/// An allocator that keeps large pieces where the system is Linux, and is the system's own elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pool;

// SAFETY: a piece comes from `pages` or from `System`, and which of them it goes back to follows from its layout alone;
// both are asked with the caller's layout, so that a piece is as long and as aligned as it says.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match pages::length(layout) {
            Some(length) => pages::take(length).0,
            // SAFETY: the caller's layout, which has a size.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(length) = pages::length(layout) else {
            // SAFETY: the caller's layout, which has a size.
            return unsafe { System.alloc_zeroed(layout) };
        };
        let (piece, was_used) = pages::take(length);
        if was_used {
            // SAFETY: `length` bytes, at least as many as the layout has, which are nobody else's.
            unsafe { piece.write_bytes(0, layout.size()) };
        }
        piece
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match pages::length(layout) {
            // SAFETY: a piece of this layout came from `take` with this length, and the caller gives it up.
            Some(length) => unsafe { pages::give_back(piece, length) },
            // SAFETY: a piece of this layout came from `System`, and the caller gives it up.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller answers for a size that a layout of this alignment may have.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let (before, after) = (pages::length(layout), pages::length(wanted));
        if let (Some(before), Some(after)) = (before, after)
            && after > before
            // SAFETY: a piece of this layout came from `take` with the shorter length, and the caller gives it up.
            && let Some(moved) = unsafe { pages::lengthen(piece, before, after) }
        {
            return moved;
        }
        match (before, after) {
            // SAFETY: a piece of this layout came from `System`, and the caller answers for the size.
            (None, None) => unsafe { System.realloc(piece, layout, size) },
            (before, after) if before == after => piece,
            _ => {
                // SAFETY: the caller answers for a size that is not zero.
                let moved = unsafe { self.alloc(wanted) };
                if !moved.is_null() {
                    // SAFETY: two pieces, each as long as its layout, of which the caller gives up the first.
                    unsafe {
                        moved.copy_from_nonoverlapping(piece, size.min(layout.size()));
                        self.dealloc(piece, layout);
                    }
                }
                moved
            }
        }
    }
}

/// Pieces that have pages of their own.
#[cfg(target_os = "linux")]
mod pages {
    use std::alloc::Layout;
    use std::ptr;
    use std::sync::Mutex;

    /// From here on a piece has pages of its own.
    pub const LARGE: usize = 128 << 10;
    /// From here on they are huge.
    pub const HUGE: usize = 3 << 20;
    /// A huge page.
    const HUGE_PAGE: usize = 2 << 20;
    /// No page but a huge one is larger, on any machine.
    const PAGE: usize = 64 << 10;

    /// Most pieces of either kind that are kept.
    const PIECES: usize = 64;
    /// Most bytes of kept pieces on huge pages, which the system may take; and of the others, which it may not, since to
    /// tell it costs more than they do.
    const HUGE_MOST: usize = 1 << 30;
    const SMALL_MOST: usize = 32 << 20;

    /// Pieces that nobody uses: address and length, or zero and zero.
    type Kept = Mutex<[(usize, usize); PIECES]>;
    /// Those on huge pages have a list of their own, in which there is a place however many small ones are kept.
    static KEPT_HUGE: Kept = Mutex::new([(0, 0); PIECES]);
    static KEPT_SMALL: Kept = Mutex::new([(0, 0); PIECES]);

    /// The list of pieces of such a length, and how many bytes it may hold.
    fn kept(length: usize) -> (&'static Kept, usize) {
        if length >= HUGE { (&KEPT_HUGE, HUGE_MOST) } else { (&KEPT_SMALL, SMALL_MOST) }
    }

    /// Bytes that a piece of this layout gets; `None` where it has no pages of its own. Lengths lie an eighth apart, so
    /// that columns of about one length fit into each other's pieces.
    pub const fn length(layout: Layout) -> Option<usize> {
        let size = layout.size();
        if size < LARGE || size > isize::MAX as usize / 2 || layout.align() > PAGE {
            return None;
        }
        let eighth = (1 << size.ilog2()) / 8;
        let page = if size < HUGE { PAGE } else { HUGE_PAGE };
        Some(size.next_multiple_of(if eighth < page { page } else { eighth }))
    }

    /// A piece of so many bytes, null where the system has none, and whether somebody used it before; else it is zero.
    pub fn take(length: usize) -> (*mut u8, bool) {
        // Nobody waits: a process that was forked while another thread held the lock would do so for ever.
        if let Ok(mut kept) = kept(length).0.try_lock()
            && let Some(piece) = kept.iter_mut().find(|piece| piece.1 == length)
        {
            let (address, _) = std::mem::take(piece);
            return (ptr::with_exposed_provenance_mut(address), true);
        }
        (map(length), false)
    }

    /// Keeps a piece, or gives it to the system.
    ///
    /// # Safety
    /// The piece came from [`take`] with this length, and nobody uses it any more.
    pub unsafe fn give_back(piece: *mut u8, length: usize) {
        let (kept, most) = kept(length);
        if let Ok(mut kept) = kept.try_lock() {
            let is_huge = length >= HUGE;
            if kept.iter().map(|piece| piece.1).sum::<usize>() + length <= most
                && let Some(free) = kept.iter_mut().find(|piece| piece.1 == 0)
                // SAFETY: whole pages of a mapping of ours that nobody uses; what they hold may go, the address stays.
                && (!is_huge || unsafe { libc::madvise(piece.cast(), length, libc::MADV_FREE) } == 0)
            {
                *free = (piece.expose_provenance(), length);
                return;
            }
        }
        // SAFETY: whole pages of a mapping of ours that nobody uses.
        unsafe { libc::munmap(piece.cast(), length) };
    }

    /// Moves the huge pages of a piece to where there is room for a longer one: nothing is copied. `None`, and the piece is as
    /// it was, where they are not huge or the system does not do it, and where a longer one is kept: to copy into memory that is
    /// there costs less than to have the system find and clear what is not.
    ///
    /// # Safety
    /// The piece came from [`take`] with the shorter length; if it is moved, nobody uses its old address any more.
    pub unsafe fn lengthen(piece: *mut u8, length: usize, longer: usize) -> Option<*mut u8> {
        let is_kept = |kept: &Kept| kept.try_lock().is_ok_and(|kept| kept.iter().any(|piece| piece.1 == longer));
        if length < HUGE || is_kept(&KEPT_HUGE) {
            return None;
        }
        let room = map(longer);
        if room.is_null() {
            return None;
        }
        let into_room = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: a mapping of ours that the caller gives up, put in the place of one that nobody knows yet. Where that fails
        // the place is let be, since it may be somebody else's by now; it has addresses and no memory.
        let moved = unsafe { libc::mremap(piece.cast(), length, longer, into_room, room) };
        (moved != libc::MAP_FAILED).then_some(room)
    }

    /// New pages, aligned to their kind.
    fn map(length: usize) -> *mut u8 {
        let page = if length < HUGE { PAGE } else { HUGE_PAGE };
        let (read_write, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: asks for pages wherever there is room, and so touches nobody's.
        let start = unsafe { libc::mmap(ptr::null_mut(), length + page, read_write, private, -1, 0) };
        if start == libc::MAP_FAILED {
            return ptr::null_mut();
        }
        let before = start.addr().wrapping_neg() % page;
        let piece = start.wrapping_byte_add(before);
        // SAFETY: all of it is the mapping of this call, which nobody else knows; what lies before and behind the piece are
        // whole pages.
        unsafe {
            if before > 0 {
                libc::munmap(start, before);
            }
            libc::munmap(piece.wrapping_byte_add(length), page - before);
            if length >= HUGE {
                libc::madvise(piece, length, libc::MADV_HUGEPAGE); // as far as the system has them
            }
        }
        piece.cast()
    }
}

/// No pieces that have pages of their own.
#[cfg(not(target_os = "linux"))]
mod pages {
    use std::alloc::Layout;
    use std::ptr;

    pub const fn length(_: Layout) -> Option<usize> {
        None
    }

    pub fn take(_: usize) -> (*mut u8, bool) {
        (ptr::null_mut(), false)
    }

    /// # Safety
    /// Nobody has a piece.
    pub unsafe fn give_back(_: *mut u8, _: usize) {}

    /// # Safety
    /// Nobody has a piece.
    pub unsafe fn lengthen(_: *mut u8, _: usize, _: usize) -> Option<*mut u8> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn lengths_fit_and_waste_little() {
        assert_eq!(pages::length(layout(pages::LARGE - 1)), None);
        assert_eq!(pages::length(Layout::from_size_align(1 << 20, 1 << 20).unwrap()), None);
        for size in [pages::LARGE, 999_999, pages::HUGE - 1, pages::HUGE, 4_000_001, 40_000_000, (1 << 40) + 1] {
            let length = pages::length(layout(size)).unwrap();
            let page = if size < pages::HUGE { 64 << 10 } else { 2 << 20 };
            assert!(
                length >= size && length.is_multiple_of(page) && length - size < page.max(size / 8 + 1),
                "{size}: {length}"
            );
        }
    }

    /// A piece filled with a byte, whose end another thread may be.
    struct Piece(*mut u8, Layout, u8);
    // SAFETY: the piece is the owner's alone.
    unsafe impl Send for Piece {}

    impl Piece {
        fn new(size: usize, byte: u8, zeroed: bool) -> Self {
            let layout = layout(size);
            // SAFETY: the layout has a size, and the piece is as long as it says.
            unsafe {
                let start = if zeroed { Pool.alloc_zeroed(layout) } else { Pool.alloc(layout) };
                assert!(!start.is_null() && start.align_offset(layout.align()) == 0);
                assert!(!zeroed || std::slice::from_raw_parts(start, size).iter().all(|&byte| byte == 0));
                start.write_bytes(byte, size);
                Self(start, layout, byte)
            }
        }

        fn holds(&self, size: usize) -> bool {
            // SAFETY: as long as its layout, and written by `new` or by `resize`.
            unsafe { std::slice::from_raw_parts(self.0, size) }.iter().all(|&byte| byte == self.2)
        }

        fn resize(&mut self, size: usize) {
            let before = self.1.size();
            // SAFETY: a piece of this layout, of which the new size is one, too.
            unsafe {
                self.0 = Pool.realloc(self.0, self.1, size);
                self.1 = layout(size);
                assert!(!self.0.is_null() && self.holds(before.min(size)));
                self.0.write_bytes(self.2, size);
            }
        }
    }

    impl Drop for Piece {
        fn drop(&mut self) {
            assert!(self.holds(self.1.size()), "nobody else wrote here");
            // SAFETY: a piece of this layout, which nobody uses after this.
            unsafe { Pool.dealloc(self.0, self.1) };
        }
    }

    /// Sizes around every limit; pieces alive together, grown, shrunk, and dropped by another thread.
    #[test]
    fn a_piece_is_nobody_elses() {
        let (sender, receiver) = mpsc::channel::<Piece>();
        let dropper = std::thread::spawn(move || receiver.into_iter().count());
        std::thread::scope(|scope| {
            for thread in 0..4_usize {
                let sender = sender.clone();
                scope.spawn(move || {
                    let sizes = [1, 1000, (128 << 10) - 1, 128 << 10, 1 << 20, (3 << 20) - 1, 3 << 20, 9_000_001];
                    for round in 0..12 {
                        let byte = (1 + thread * 50 + round) as u8;
                        let new = |&size: &usize| Piece::new(size + thread, byte, round % 3 == 0);
                        let mut pieces: Vec<Piece> = sizes.iter().map(new).collect();
                        for (nth, piece) in pieces.iter_mut().enumerate() {
                            piece.resize(sizes[(nth + round) % sizes.len()]);
                        }
                        pieces.drain(..4).for_each(|piece| sender.send(piece).unwrap());
                    }
                });
            }
        });
        drop(sender);
        assert_eq!(dropper.join().unwrap(), 4 * 12 * 4);
    }

    /// Of one that grows again and again all is there, and what was its first place can be used by others.
    #[test]
    fn a_huge_piece_grows_with_what_it_holds() {
        let mut piece = Piece::new(3 << 20, 7, false);
        for size in [5 << 20, 11 << 20, 23 << 20, 47 << 20] {
            piece.resize(size);
            drop(Piece::new(size, 9, false));
            drop(Piece::new(3 << 20, 8, true));
        }
        piece.resize(4 << 20);
    }

    /// What was used and is to be zero is zero.
    #[test]
    fn zeroed_pieces_are_zero() {
        for _ in 0..20 {
            drop(Piece::new(5_000_000, 0xFF, false));
            drop(Piece::new(5_000_000, 0xEE, true));
        }
    }
}
