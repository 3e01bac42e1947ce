//! The two pointers.

use super::rank::Winner;

/// Trades made at a time.
pub const CHUNK: usize = 256;

/// One trade: places among the winners of either side, and what they trade.
#[derive(Clone, Copy, Debug, Default)]
pub struct Match {
    pub bid: u32,
    pub ask: u32,
    pub quantity: u32,
}

/// How far the winners of both sides are used up.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    bid: usize,
    ask: usize,
    bid_left: u32,
    ask_left: u32,
}

impl Walk {
    /// At the first of each side.
    pub const fn start(bids: &[Winner], asks: &[Winner]) -> Self {
        Self { bid: 0, ask: 0, bid_left: bids[0].quantity, ask_left: asks[0].quantity }
    }

    /// Makes the next trades, at most a chunk, and says how many; none when a side is used up. Behind the winners of each
    /// side stand two of nothing.
    ///
    /// Which winner comes next is known a step before it is needed, so that no step waits for it to be read. This is a
    /// function of its own for all it holds to stay in registers.
    #[inline(never)]
    pub fn advance(&mut self, bids: &[Winner], asks: &[Winner], matches: &mut [Match]) -> usize {
        let Self { mut bid, mut ask, mut bid_left, mut ask_left } = *self;
        let (bid_count, ask_count) = (bids.len() - 2, asks.len() - 2);
        let (mut next_bid, mut next_ask) = (bids[bid + 1].quantity, asks[ask + 1].quantity);
        let mut made = 0;
        for to in matches {
            if bid >= bid_count || ask >= ask_count {
                break;
            }
            let quantity = bid_left.min(ask_left);
            *to = Match { bid: bid as u32, ask: ask as u32, quantity };
            made += 1;
            // Not below zero, since the quantity is the lesser; what is used up makes room for all of the next.
            bid_left = bid_left.wrapping_sub(quantity);
            ask_left = ask_left.wrapping_sub(quantity);
            let (bid_ends, ask_ends) = (u32::from(bid_left == 0), u32::from(ask_left == 0));
            bid_left |= next_bid & bid_ends.wrapping_neg();
            ask_left |= next_ask & ask_ends.wrapping_neg();
            bid += bid_ends as usize;
            ask += ask_ends as usize;
            (next_bid, next_ask) = (bids[bid + 1].quantity, asks[ask + 1].quantity);
        }
        *self = Self { bid, ask, bid_left, ask_left };
        made
    }

    /// Whether both sides are used up.
    pub const fn is_over(&self, bids: &[Winner], asks: &[Winner]) -> bool {
        self.bid == bids.len() - 2 && self.ask == asks.len() - 2
    }
}
