//! A list whose items never move: it grows by pieces, each as long as all before it and those of the first.
//!
//! A `Vec` that grows is copied, and for as long as that takes, or as long as the allocator keeps the room that was given
//! back, it takes memory twice.

use std::ops::{Index, IndexMut};

use crate::simd;

/// Items of the first piece.
const FIRST: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct Steady<T> {
    pieces: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Steady<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), len: 0 }
    }
}

/// The piece of an item, and its place there.
#[inline(always)]
fn split(index: usize) -> (usize, usize) {
    let nth = index.wrapping_add(FIRST);
    let bits = nth.ilog2();
    (bits.wrapping_sub(FIRST.ilog2()) as usize, nth ^ 1 << bits)
}

impl<T> Steady<T> {
    /// Puts an item at the end; gives its index.
    pub fn push(&mut self, item: T) -> usize {
        let index = self.len;
        let (piece, _) = split(index);
        if piece == self.pieces.len() {
            self.pieces.push(Vec::with_capacity(FIRST << piece));
        }
        self.pieces[piece].push(item);
        self.len += 1;
        index
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub fn get(&self, index: usize) -> Option<&T> {
        let (piece, place) = split(index);
        self.pieces.get(piece)?.get(place)
    }

    /// Asks for the start of an item to be fetched, if there is one.
    #[inline(always)]
    pub fn prefetch(&self, index: usize) {
        let (piece, place) = split(index);
        if let Some(items) = self.pieces.get(piece) {
            simd::prefetch_place(items, place);
        }
    }
}

impl<T> Index<usize> for Steady<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, index: usize) -> &T {
        let (piece, place) = split(index);
        &self.pieces[piece][place]
    }
}

impl<T> IndexMut<usize> for Steady<T> {
    #[inline(always)]
    fn index_mut(&mut self, index: usize) -> &mut T {
        let (piece, place) = split(index);
        &mut self.pieces[piece][place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_where_they_were_put() {
        let mut list = Steady::default();
        let mut addresses = Vec::new();
        for item in 0..1000_usize {
            assert_eq!((list.push(item), list.get(item + 1)), (item, None));
            addresses.push(&raw const list[item]);
        }
        for (item, address) in addresses.into_iter().enumerate() {
            list[item] += 1;
            assert_eq!((list[item], list.get(item), &raw const list[item]), (item + 1, Some(&(item + 1)), address));
        }
        assert_eq!(list.get(usize::MAX), None);
    }
}
