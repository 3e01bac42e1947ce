//! One market as the rules beyond the plain crossing see it.
//!
//! None of them needs the whole market in order. Where curves cross says who is served ([`curve::cross`], in merit order),
//! and what a rule asks beyond that lies at the margin: the last orders served, the first left out, whom a winner keeps
//! out. So a market is crossed first, and only what is left of it is sorted: the winners, where trades are wanted. The
//! two rules that pair orders by other orders than merit sort by themselves.

use super::book::{Book, Number, Priority};
use super::charge::Agents;
use super::curve;
use super::displaced::Displaced;
use super::lottery::Lottery;
use super::part::Part;
use super::sort;
use crate::order::BUY;
use crate::simd;

/// What one market's orders carry beside side, price and quantity.
#[derive(Clone, Copy, Debug)]
pub struct Market<'a> {
    /// Who comes first among equals.
    pub priority: Priority<'a>,
    /// Participant of each order; without it every order is its own.
    pub participant: Option<&'a [i64]>,
    /// Opening quote of each order; without it the limit.
    pub start_price: Option<&'a [i64]>,
    /// Half of each order's participant, 1 = right; without it a coin decides.
    pub half: Option<&'a [u8]>,
    /// Turn of each order's participant in a lottery; without it the lottery decides.
    pub turn: Option<&'a [i64]>,
}

impl Market<'_> {
    /// Who stands behind order `i`: its participant, else its own id.
    pub fn agent(&self, i: u32) -> i64 {
        let i = i as usize;
        self.participant.or(self.priority.order).map_or(i as i64, |ids| ids[i])
    }

    /// The generator of this market for `seed`.
    pub fn lottery(&self, seed: u64) -> Lottery {
        Lottery::new(seed, self.priority.market_rank)
    }

    /// Whether order `a` comes before order `b`, price apart.
    pub fn comes_first(&self, a: u32, b: u32) -> bool {
        self.priority.key(a as usize) < self.priority.key(b as usize)
    }
}

/// Memory that a run of markets shares, so that no market allocates.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) curve: curve::Lent,
    pub(super) parts: [Part; 2],
    pub(super) right: Vec<u8>,
    pub(super) class: Vec<u8>,
    pub(super) displaced: [Displaced; 2],
    pub(super) words: [Vec<u64>; 2],
    pub(super) more_words: [Vec<u64>; 2],
    pub(super) free: simd::Free,
    pub(super) pairs: Vec<(u32, u32)>,
    pub(super) fills: Vec<i64>,
    pub(super) amounts: Vec<i64>,
    pub(super) prices: Vec<i32>,
    pub(super) positions: Vec<u32>,
    pub(super) groups: Vec<(u32, u32)>,
    pub(super) agents: Agents,
}

/// The last in priority of the orders of `side` that are served at `price`, of which there is one.
pub fn last_served<P: Number, Q: Number>(
    book: &Book<'_, P, Q>,
    filled: &[i64],
    priority: &Priority<'_>,
    side: u8,
    price: i64,
) -> usize {
    let limit = price + if side == BUY { book.fee } else { 0 };
    let before = |end| simd::find_last(book.side, book.price, side, limit, end);
    let mut served = std::iter::successors(before(book.len()), |&i| before(i)).filter(|&i| filled[i] > 0);
    let last = served.next().unwrap_or(0); // there is one
    if priority.is_position() { last } else { served.chain([last]).max_by_key(|&i| priority.key(i)).unwrap_or(last) }
}

/// Sorts words by price, then priority.
pub fn sort_words(words: &mut [u64], other: &mut Vec<u64>, priority: &Priority<'_>) {
    sort::by_price(words, other);
    if !priority.is_position() {
        for level in words.chunk_by_mut(|&a, &b| sort::price(a) == sort::price(b)).filter(|level| level.len() > 1) {
            level.sort_unstable_by_key(|&word| priority.key(sort::position(word)));
        }
    }
}
