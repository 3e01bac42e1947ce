//! The two pointers.

use std::hint::select_unpredictable;

use crate::simd::Winner;

/// Trades made at a time.
pub const CHUNK: usize = 256;

/// Trades: places among the winners of either side, and what they trade.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    pub bid: Vec<u32>,
    pub ask: Vec<u32>,
    pub quantity: Vec<u32>,
}

impl Matches {
    /// Makes room for a chunk.
    pub fn resize(&mut self) {
        for column in [&mut self.bid, &mut self.ask, &mut self.quantity] {
            column.resize(CHUNK, 0);
        }
    }
}

/// How far the winners of both sides are used up.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    bid: usize,
    ask: usize,
    bid_left: i64,
    ask_left: i64,
}

impl Walk {
    /// At the first of each side.
    pub const fn start(bids: &[Winner], asks: &[Winner]) -> Self {
        Self { bid: 0, ask: 0, bid_left: bids[0].quantity as i64, ask_left: asks[0].quantity as i64 }
    }

    /// Makes the next trades, at most a chunk, and says how many; none when a side is used up. Behind the winners of each
    /// side stand two of nothing.
    pub fn advance(&mut self, bids: &[Winner], asks: &[Winner], matches: &mut Matches) -> usize {
        let mut made = 0;
        loop {
            // A step uses up one winner of a side at most: so many steps need not look for the end.
            let (bids_ahead, asks_ahead) = (bids.len() - 2 - self.bid, asks.len() - 2 - self.ask);
            let steps = (CHUNK - made).min(bids_ahead).min(asks_ahead);
            if steps == 0 {
                return made;
            }
            let range = made..made + steps;
            let Matches { bid, ask, quantity } = &mut *matches;
            self.steps(bids, asks, (&mut bid[range.clone()], &mut ask[range.clone()], &mut quantity[range]));
            made += steps;
        }
    }

    /// Makes as many trades as there is room for.
    ///
    /// A step waits for no more than what the last one left of the two: lots of the next winner are at hand, and those of
    /// the one after that are read meanwhile, for a read takes longer than a step. This is a function of its own for all it
    /// holds to stay in registers.
    #[inline(never)]
    fn steps(
        &mut self,
        bids: &[Winner],
        asks: &[Winner],
        (to_bid, to_ask, to_lots): (&mut [u32], &mut [u32], &mut [u32]),
    ) {
        let Self { mut bid, mut ask, mut bid_left, mut ask_left } = *self;
        let (mut next_bid, mut next_ask) = (i64::from(bids[bid + 1].quantity), i64::from(asks[ask + 1].quantity));
        for ((to_bid, to_ask), to_lots) in to_bid.iter_mut().zip(to_ask).zip(to_lots) {
            let (later_bid, later_ask) = (i64::from(bids[bid + 2].quantity), i64::from(asks[ask + 2].quantity));
            (*to_bid, *to_ask, *to_lots) = (bid as u32, ask as u32, bid_left.min(ask_left) as u32);
            // Lots are below 2³¹.
            let more = bid_left.wrapping_sub(ask_left);
            bid = bid.wrapping_add(usize::from(more <= 0));
            ask = ask.wrapping_add(usize::from(more >= 0));
            bid_left = select_unpredictable(more <= 0, next_bid, more);
            ask_left = select_unpredictable(more >= 0, next_ask, more.wrapping_neg());
            next_bid = select_unpredictable(more <= 0, later_bid, next_bid);
            next_ask = select_unpredictable(more >= 0, later_ask, next_ask);
        }
        *self = Self { bid, ask, bid_left, ask_left };
    }

    /// Whether both sides are used up.
    pub const fn is_over(&self, bids: &[Winner], asks: &[Winner]) -> bool {
        self.bid == bids.len() - 2 && self.ask == asks.len() - 2
    }
}
