//! A market of any number of orders: a ladder of prices, and at each a chain of orders.
//!
//! Orders are nodes of a pool that all ladders share. The last one that went gives its node to the next that comes, so
//! that few nodes are touched. Prices are kept by [`Levels`].

use crate::simd;

use super::layout::{Layout, Level, Met, NOBODY, Resting, crosses};
use super::levels::{Levels, LevelsAtHand, NO_LEVEL};

/// A link to no node. The pool has a node there that is no order's, so that a link is written whether it leads anywhere or not:
/// to ask would cost more, because nobody can guess the answer.
pub(super) const NO_NODE: u32 = 0;
/// Nodes by which a pool grows.
const GROWTH: u32 = 64;
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

/// What stands in a node that is free.
const EMPTY: Node = Node { id: 0, before: NO_NODE, behind: NO_NODE, quantity: 0, level: 0, owner: 0, expiry: 0 };

/// The orders of all ladders.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    nodes: Vec<Node>,
    /// First of the free nodes, which are chained by `behind`.
    free: u32,
}

impl Pool {
    /// Sees to it that there is a free node.
    #[inline(always)]
    pub fn make_room(&mut self) {
        if self.free == NO_NODE {
            self.grow();
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let from = self.nodes.len() as u32;
        self.nodes.extend((from..from + GROWTH).map(|place| Node { behind: place + 1, ..EMPTY }));
        if let Some(last) = self.nodes.last_mut() {
            last.behind = NO_NODE;
        }
        self.free = from.max(NO_NODE + 1);
    }

    /// Whether an order of this id is in a place.
    #[inline]
    pub fn has(&self, place: u32, id: i64) -> bool {
        self.nodes.get(place as usize).is_some_and(|node| node.id == id && node.quantity > 0)
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

impl<'a> OnLadder<'a> {
    /// What there is, to be worked on: neither nodes nor leaves come.
    #[inline(always)]
    pub fn into_hand(self) -> AtHand<'a> {
        let Self { ladder: Ladder { levels, best, .. }, pool: Pool { nodes, free } } = self;
        AtHand { best, levels: levels.at_hand(), nodes, free }
    }

    #[inline(always)]
    fn at_hand(&mut self) -> AtHand<'_> {
        OnLadder { ladder: self.ladder, pool: self.pool }.into_hand()
    }

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

/// A ladder piece by piece, so that no piece is looked for again while orders come and go.
pub(super) struct AtHand<'a> {
    best: &'a mut [Best; 2],
    pub levels: LevelsAtHand<'a>,
    nodes: &'a mut [Node],
    free: &'a mut u32,
}

impl AtHand<'_> {
    /// Whether an order of this id, and of an owner if one is named, is in a place.
    #[inline(always)]
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "all are in one line of the cache, and one branch is foreseen better"
    )]
    pub fn has(&self, place: u32, id: i64, owner: u32) -> bool {
        let is_it = |node: &Node| (node.id == id) & (node.quantity > 0) & ((owner == NOBODY) | (node.owner == owner));
        self.nodes.get(place as usize).is_some_and(is_it)
    }

    /// Side and order of a place.
    #[inline(always)]
    pub fn resting(&self, place: u32) -> (u8, Resting) {
        let Node { id, quantity, level, owner, expiry, .. } = self.nodes[place as usize];
        let price = self.levels.price(level & !SIDE);
        ((level >> 31) as u8, Resting { id, price, quantity, owner, expiry })
    }

    /// Whether an order that comes in would meet any of the other side.
    #[inline(always)]
    pub fn meets(&self, side: u8, limit: i32) -> bool {
        let best = self.best[usize::from(1 - side)];
        (best.level != NO_LEVEL) & crosses(side, limit, best.price)
    }

    /// Where the next order will be, if there is room for one.
    #[inline(always)]
    pub fn free(&self) -> Option<u32> {
        (*self.free != NO_NODE).then_some(*self.free)
    }

    /// Puts an order into a free node, behind all others of its level; gives its place.
    #[inline(always)]
    pub fn put(&mut self, side: u8, level: u32, order: &Resting) -> u32 {
        let place = *self.free;
        *self.free = self.nodes[place as usize].behind;
        self.link(place, side, level, order);
        place
    }

    /// Puts an order into a node, behind all others of its level.
    #[inline(always)]
    pub fn link(&mut self, place: u32, side: u8, level: u32, order: &Resting) {
        let Resting { id, price, quantity, owner, expiry } = *order;
        let chain = self.levels.chain_mut(level);
        let before = chain.last;
        chain.last = place;
        chain.lots = chain.lots.wrapping_add(u64::from(quantity));
        let level_and_side = level | u32::from(side) << 31;
        self.nodes[place as usize] =
            Node { id, before, behind: NO_NODE, quantity, level: level_and_side, owner, expiry };
        if before != NO_NODE {
            self.nodes[before as usize].behind = place;
            return;
        }
        chain.first = place;
        self.open(side, level, price);
    }

    /// Says that a level has its first order.
    #[inline(never)]
    fn open(&mut self, side: u8, level: u32, price: i32) {
        self.levels.fill(level);
        let best = &mut self.best[usize::from(side)];
        // No worse than the best of its own side: what the other side's best would have to be to be met by it.
        let is_best = (best.level == NO_LEVEL) | crosses(side, price, best.price);
        *best = if is_best { Best { price, level } } else { *best };
    }

    /// Takes an order out of its chain, and leaves its node as it is.
    #[inline(always)]
    pub fn unlink(&mut self, place: u32) {
        let Node { before, behind, quantity, level, .. } = self.nodes[place as usize];
        let (level, side) = (level & !SIDE, (level >> 31) as u8);
        let chain = self.levels.chain_mut(level);
        chain.lots = chain.lots.wrapping_sub(u64::from(quantity));
        chain.first = if before == NO_NODE { behind } else { chain.first };
        chain.last = if behind == NO_NODE { before } else { chain.last };
        self.nodes[before as usize].behind = behind;
        self.nodes[behind as usize].before = before;
        if before == behind {
            self.leave(side, level);
        }
    }

    /// Says that the last order of a level is gone. A call of its own, as [`Self::open`] is: most orders come to a level that has
    /// others and go from one, and have the processor's registers for themselves.
    #[inline(never)]
    fn leave(&mut self, side: u8, level: u32) {
        let best = &mut self.best[usize::from(side)];
        if best.level == level {
            let (price, level) = self.levels.next(side, level).unwrap_or((0, NO_LEVEL));
            *best = Best { price, level };
        }
        self.levels.empty(level);
    }

    /// Takes lots out of an order that has more.
    #[inline(always)]
    pub fn take(&mut self, place: u32, lots: u32) {
        let node = &mut self.nodes[place as usize];
        node.quantity -= lots;
        self.levels.chain_mut(node.level & !SIDE).lots -= u64::from(lots);
    }

    #[inline(always)]
    pub fn give_back(&mut self, place: u32) {
        let node = &mut self.nodes[place as usize];
        (node.behind, node.quantity) = (*self.free, 0);
        *self.free = place;
    }

    /// As [`Layout::sweep`].
    #[inline(always)]
    pub fn sweep(&mut self, side: u8, limit: i32, mut open: u32, barred: Option<u32>, mut met: impl FnMut(Met)) -> u32 {
        let mut best = self.best[usize::from(side)];
        while open > 0 && best.level != NO_LEVEL && crosses(1 - side, limit, best.price) {
            let first = self.levels.chain_mut(best.level).first;
            let (mut place, mut taken) = (first, 0);
            while place != NO_NODE && open > 0 {
                let Node { id, behind, quantity, owner, expiry, .. } = self.nodes[place as usize];
                if barred == Some(owner) {
                    break;
                }
                let lots = open.min(quantity);
                open -= lots;
                taken += u64::from(lots);
                let is_gone = lots == quantity;
                met(Met { id, price: best.price, lots, open, is_gone, expiry });
                if !is_gone {
                    self.nodes[place as usize].quantity = quantity - lots;
                    break;
                }
                self.give_back(place);
                place = behind;
            }
            let chain = self.levels.chain_mut(best.level);
            chain.first = place;
            chain.lots -= taken;
            self.nodes[place as usize].before = NO_NODE;
            if place != NO_NODE {
                return open;
            }
            chain.last = NO_NODE;
            self.leave(side, best.level);
            best = self.best[usize::from(side)];
        }
        open
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
        self.at_hand().take(place, lots);
    }

    #[inline(always)]
    fn remove(&mut self, place: u32) {
        let mut hand = self.at_hand();
        hand.unlink(place);
        hand.give_back(place);
    }

    #[inline(always)]
    fn sweep(&mut self, side: u8, limit: i32, open: u32, barred: Option<u32>, met: impl FnMut(Met)) -> u32 {
        self.at_hand().sweep(side, limit, open, barred, met)
    }

    #[inline(always)]
    fn insert(&mut self, side: u8, order: &Resting) -> u32 {
        let level = self.ladder.levels.at(order.price);
        self.pool.make_room();
        self.at_hand().put(side, level, order)
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
