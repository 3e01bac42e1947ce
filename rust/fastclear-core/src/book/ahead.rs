//! What the commands of a block will touch is fetched blocks before they are obeyed: with many orders, or many markets,
//! nothing else costs as much as to wait for memory. Nothing here changes anything.

use crate::order::BUY;
use crate::simd;

use super::block::{Block, CANCEL};
use super::engine::OrderBook;
use super::store::{Kept, places};

/// Blocks under way: one is obeyed, and memory is asked for for the others.
pub(super) const STAGES: usize = 4;
/// Orders from which on memory is worth looking after.
const WORTH: usize = 1 << 13;

impl OrderBook {
    /// Whether there are orders enough that memory matters.
    pub(super) fn looks_ahead(&self) -> bool {
        self.len() >= WORTH
    }

    /// Fetches what these rows will touch, in stages, each of which goes by what the one before has fetched while another
    /// block was obeyed: cells of ids; markets, and orders that are named; books, and what is in them.
    pub(super) fn look_ahead(&self, block: &Block, stage: usize, many: bool) {
        match stage {
            0 => {
                // The cells of new orders are most often side by side.
                for order in block.named() {
                    self.desk.ids.prefetch(order);
                }
                if many {
                    for &market in block.markets() {
                        self.market_places.prefetch(market);
                    }
                }
            }
            1 => {
                for order in block.named() {
                    self.fetch_order(order);
                }
                if many {
                    for (row, &class) in block.classes().iter().enumerate() {
                        if class < CANCEL
                            && let Some(place) = self.market_places.get(block.markets()[row])
                        {
                            simd::prefetch_place(&self.markets, place as usize);
                            // Most markets are kept in the order in which they were named.
                            simd::prefetch_place(&self.store.smalls, place as usize);
                        }
                    }
                }
            }
            _ if many => {
                for (row, &class) in block.classes().iter().enumerate() {
                    if class < CANCEL
                        && let Some(small) = self.small_of(block.markets()[row])
                    {
                        self.store.smalls[small].prefetch_side(class & BUY, class > BUY);
                    }
                }
            }
            _ => {}
        }
    }

    /// The order that a row names.
    #[inline(always)]
    fn fetch_order(&self, order: i64) {
        match places(self.desk.ids.glance(order)) {
            (Kept::Small(small), place) => {
                simd::prefetch_place(&self.store.smalls, small as usize);
                if let Some(book) = self.store.smalls.get(small as usize) {
                    book.prefetch_place(place);
                }
            }
            (_, place) => self.store.pool.prefetch(place),
        }
    }

    #[inline]
    fn small_of(&self, market: i64) -> Option<usize> {
        match self.markets[self.market_places.get(market)? as usize].kept {
            Kept::Small(small) => Some(small as usize),
            _ => None,
        }
    }
}
