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
    /// block was obeyed: cells of ids; markets, and orders that are named; what is in books.
    pub(super) fn look_ahead<const ALL: bool>(&self, block: &mut Block, stage: usize, many: bool) {
        match stage {
            0 => {
                // The cells of new orders are most often side by side.
                for (_, order) in block.named() {
                    self.desk.ids.prefetch(order);
                }
                if many {
                    for &market in block.markets() {
                        self.market_places.prefetch(market);
                    }
                }
            }
            1 => {
                let mut far = 0;
                for (row, order) in block.named() {
                    match places(self.desk.ids.glance(order)) {
                        (Kept::Small(small), place) => {
                            // At what price an order stood that is cancelled is read for its event alone.
                            let is_priced = ALL || block.classes()[row] != CANCEL;
                            far |= u64::from(self.store.smalls.fetch_place(small, place, is_priced)) << row;
                        }
                        (_, place) => self.store.pool.prefetch(place),
                    }
                }
                block.far = far;
                if many {
                    self.find_markets(block);
                }
            }
            _ if many => {
                for (_, order) in block.orders(block.far) {
                    if let (Kept::Small(small), place) = places(self.desk.ids.glance(order)) {
                        self.store.smalls.fetch_far(small, place);
                    }
                }
                for (&class, &place) in block.classes().iter().zip(&block.places) {
                    if class < CANCEL
                        && let Some(market) = self.markets.get(place as usize)
                        && let Kept::Small(small) = market.kept
                    {
                        self.store.smalls.fetch_side(small, class & BUY, class > BUY);
                    }
                }
            }
            _ => {}
        }
    }

    /// Writes down the places of the markets that the rows name, and fetches the markets of new orders.
    fn find_markets(&self, block: &mut Block) {
        for row in 0..block.n {
            let Some(place) = self.market_places.get(block.markets()[row]) else { continue };
            block.places[row] = place as u32;
            if block.classes()[row] < CANCEL {
                simd::prefetch_place(&self.markets, place as usize);
                // Most markets are kept in the order in which they were named.
                self.store.smalls.fetch_head(place as u32);
            }
        }
    }
}
