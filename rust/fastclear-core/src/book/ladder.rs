//! A market of any number of orders: a ladder of prices, and at each a chain of orders.
//!
//! Orders are nodes of a pool that all ladders share. The last one that went gives its node to the next that comes, so
//! that few nodes are touched. Prices are kept by [`Levels`].

use crate::order::BUY;
use crate::simd;

use super::layout::{Layout, Level, Met, Resting, crosses};
use super::levels::{Levels, NO_LEVEL};

/// A link to no node.
pub(super) const NO_NODE: u32 = u32::MAX;
/// The bit of [`Node::level`] that says the side.
pub(super) const SIDE: u32 = 1 << 31;

/// An order of a ladder: half a line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(super) struct Node {
    pub id: i64,
    /// The orders before and behind it at its price.
    pub before: u32,
    pub behind: u32,
    pub quantity: u32,
    /// Its level, and its side above.
    pub level: u32,
    pub owner: u32,
    pub expiry: u32,
}

/// The orders of all ladders.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    nodes: Vec<Node>,
    /// First of the free nodes, which are chained by `behind`, plus one; 0 where there is none.
    free: u32,
}

impl Pool {
    #[inline(always)]
    fn put(&mut self, node: Node) -> u32 {
        if let Some(place) = self.free.checked_sub(1) {
            let free = &mut self.nodes[place as usize];
            self.free = free.behind;
            *free = node;
            return place;
        }
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    #[inline(always)]
    fn give_back(&mut self, place: u32) {
        let node = &mut self.nodes[place as usize];
        node.behind = self.free;
        node.quantity = 0;
        self.free = place + 1;
    }

    /// Whether an order of this id is in a place.
    #[inline]
    pub fn has(&self, place: u32, id: i64) -> bool {
        self.nodes.get(place as usize).is_some_and(|node| node.id == id && node.quantity > 0)
    }

    /// The nodes, and the first free one plus one, to be worked on.
    #[inline(always)]
    pub fn at_hand(&mut self) -> (&mut [Node], &mut u32) {
        (&mut self.nodes, &mut self.free)
    }

    #[inline]
    pub fn prefetch(&self, place: u32) {
        simd::prefetch_place(&self.nodes, place as usize);
    }
}

/// Prices and chains of one market.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    /// Whose it is.
    pub market: u32,
    pub levels: Levels,
    /// Price and level of the best of each side; the level is [`NO_LEVEL`] where there is none.
    pub best: [Best; 2],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Best {
    pub price: i32,
    pub level: u32,
}

impl Default for Best {
    fn default() -> Self {
        Self { price: 0, level: NO_LEVEL }
    }
}

impl Ladder {
    pub fn new(market: u32) -> Self {
        Self { market, ..Self::default() }
    }

    /// Gives up its memory; it has no orders.
    pub fn clear(&mut self) {
        *self = Self::new(self.market);
    }
}

/// A ladder with the pool that its orders are in.
pub(super) struct OnLadder<'a> {
    pub ladder: &'a mut Ladder,
    pub pool: &'a mut Pool,
}

impl OnLadder<'_> {
    fn each(&self, side: u8, mut go_on: impl FnMut(i32, u32) -> bool) {
        let Best { mut price, mut level } = self.ladder.best[usize::from(side)];
        while level != NO_LEVEL {
            if !go_on(price, level) {
                return;
            }
            (price, level) = self.ladder.levels.next(side, level).unwrap_or((0, NO_LEVEL));
        }
    }
}

impl Layout for OnLadder<'_> {
    #[inline(always)]
    fn best(&self, side: u8) -> Option<(i32, u32)> {
        let Best { price, level } = self.ladder.best[usize::from(side)];
        (level != NO_LEVEL).then(|| (price, self.ladder.levels.chain(level).first))
    }

    #[inline(always)]
    fn resting(&self, place: u32) -> Resting {
        let Node { id, quantity, level, owner, expiry, .. } = self.pool.nodes[place as usize];
        Resting { id, price: self.ladder.levels.price(level & !SIDE), quantity, owner, expiry }
    }

    #[inline(always)]
    fn side(&self, place: u32) -> u8 {
        (self.pool.nodes[place as usize].level >> 31) as u8
    }

    #[inline(always)]
    fn take(&mut self, place: u32, lots: u32) {
        let node = &mut self.pool.nodes[place as usize];
        node.quantity -= lots;
        self.ladder.levels.chain_mut(node.level & !SIDE).lots -= u64::from(lots);
    }

    #[inline(always)]
    fn remove(&mut self, place: u32) {
        let Node { before, behind, quantity, level, .. } = self.pool.nodes[place as usize];
        let (level, side) = (level & !SIDE, level >> 31);
        let chain = self.ladder.levels.chain_mut(level);
        chain.lots -= u64::from(quantity);
        if before == NO_NODE {
            chain.first = behind;
        }
        if behind == NO_NODE {
            chain.last = before;
        }
        if before != NO_NODE {
            self.pool.nodes[before as usize].behind = behind;
        }
        if behind != NO_NODE {
            self.pool.nodes[behind as usize].before = before;
        }
        self.pool.give_back(place);
        if before == NO_NODE && behind == NO_NODE {
            let best = &mut self.ladder.best[side as usize];
            if best.level == level {
                let (price, level) = self.ladder.levels.next(side as u8, level).unwrap_or((0, NO_LEVEL));
                *best = Best { price, level };
            }
            self.ladder.levels.empty(level);
        }
    }

    #[inline(always)]
    fn sweep(&mut self, side: u8, limit: i32, mut open: u32, barred: Option<u32>, mut met: impl FnMut(Met)) -> u32 {
        let Ladder { levels, best, .. } = &mut *self.ladder;
        let best = &mut best[usize::from(side)];
        while open > 0 && best.level != NO_LEVEL && crosses(1 - side, limit, best.price) {
            let chain = levels.chain_mut(best.level);
            let (mut place, mut taken) = (chain.first, 0);
            while place != NO_NODE && open > 0 {
                let Node { id, behind, quantity, owner, expiry, .. } = self.pool.nodes[place as usize];
                if barred == Some(owner) {
                    break;
                }
                self.pool.prefetch(behind);
                let lots = open.min(quantity);
                open -= lots;
                taken += u64::from(lots);
                let is_gone = lots == quantity;
                met(Met { id, price: best.price, lots, open, is_gone, expiry });
                if is_gone {
                    self.pool.give_back(place);
                    place = behind;
                } else {
                    self.pool.nodes[place as usize].quantity = quantity - lots;
                }
            }
            chain.first = place;
            chain.lots -= taken;
            if place != NO_NODE {
                self.pool.nodes[place as usize].before = NO_NODE;
                return open;
            }
            chain.last = NO_NODE;
            let level = best.level;
            let (price, next) = levels.next(side, level).unwrap_or((0, NO_LEVEL));
            *best = Best { price, level: next };
            levels.empty(level);
        }
        open
    }

    #[inline(always)]
    fn insert(&mut self, side: u8, order: &Resting) -> u32 {
        let level = self.ladder.levels.at(order.price);
        let chain = self.ladder.levels.chain_mut(level);
        let before = chain.last;
        let place = self.pool.put(Node {
            id: order.id,
            before,
            behind: NO_NODE,
            quantity: order.quantity,
            level: level | u32::from(side) << 31,
            owner: order.owner,
            expiry: order.expiry,
        });
        chain.last = place;
        chain.lots += u64::from(order.quantity);
        if before == NO_NODE {
            chain.first = place;
            let best = &mut self.ladder.best[usize::from(side)];
            let is_better = if side == BUY { order.price > best.price } else { order.price < best.price };
            if is_better || best.level == NO_LEVEL {
                *best = Best { price: order.price, level };
            }
        } else {
            self.pool.nodes[before as usize].behind = place;
        }
        place
    }

    fn walk(&self, side: u8, mut go_on: impl FnMut(&Resting) -> bool) {
        self.each(side, |_, level| {
            let mut place = self.ladder.levels.chain(level).first;
            while place != NO_NODE {
                if !go_on(&self.resting(place)) {
                    return false;
                }
                place = self.pool.nodes[place as usize].behind;
            }
            true
        });
    }

    fn levels(&self, side: u8, mut go_on: impl FnMut(Level) -> bool) {
        self.each(side, |price, level| {
            let chain = self.ladder.levels.chain(level);
            let (mut orders, mut place) = (0, chain.first);
            while place != NO_NODE {
                orders += 1;
                place = self.pool.nodes[place as usize].behind;
            }
            go_on(Level { price: i64::from(price), quantity: chain.lots, orders })
        });
    }
}
