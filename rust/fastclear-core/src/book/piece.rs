//! Rows of a call dealt to groups of small markets.

use std::ops::Range;

use super::block::CANCEL;
use super::event::NOWHERE;

/// [`Piece::group_of`] of a row that the book obeys after the shards.
pub(super) const LATE: u16 = u16::MAX;
/// [`Item::of_market`] of a cancel that names no market.
pub(super) const ANYWHERE: u32 = NOWHERE;
/// [`Item::small`] of a row whose market or order is in no small one, as far as can be seen before the piece.
pub(super) const NOT_SMALL: u32 = u32::MAX;
/// [`Item::rested`] of a cancel of an order that was there before the piece.
pub(super) const RESTED: u32 = u32::MAX;
/// Rows of a group: the more groups, the sooner the markets of each fit into the cache of a core.
const GROUP_ROWS: usize = 1 << 11;
/// Fewest and most groups, where there are markets enough.
const GROUPS: Range<usize> = 16..1 << 12;

/// A row that a shard obeys: a sound new order, or a cancel by id, which has other cells in the place of price, quantity
/// and owner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub id: i64,
    pub row: u32,
    /// Place of its market among the small ones, or [`NOT_SMALL`] while that is not known.
    pub small: u32,
    pub price: i32,
    pub quantity: u32,
    pub owner: u32,
    /// As in `block.rs`.
    pub class: u8,
}

impl Item {
    #[inline(always)]
    pub fn is_cancel(&self) -> bool {
        self.class == CANCEL
    }

    /// Of a cancel: where the order is, if it was there before the piece.
    #[inline(always)]
    pub fn place(&self) -> u32 {
        self.price as u32
    }

    /// Of a cancel: place of the market that it names, or [`ANYWHERE`].
    #[inline(always)]
    pub fn of_market(&self) -> u32 {
        self.quantity
    }

    /// Of a cancel: which row of its group brought the order, or [`RESTED`].
    #[inline(always)]
    pub fn rested(&self) -> u32 {
        self.owner
    }
}

/// A row that the book itself obeys after the shards, and the number that a new order gets then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    pub row: u32,
    pub next_order: i64,
}

/// Where the row went that brought an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub small: u32,
    pub nth: u32,
}

/// An id that no row of the piece brought, or one that the book obeys late.
pub(super) const NOT_DEALT: Came = Came { small: NOT_SMALL, nth: 0 };

/// Rows dealt to groups of small markets that lie side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    /// Its first row, and the first one behind it.
    pub from: usize,
    pub end: usize,
    /// Rows of each group, in order.
    pub groups: Vec<Vec<Item>>,
    /// The group of each row, or [`LATE`].
    pub group_of: Vec<u16>,
    /// Rows that are no shard's.
    pub late: Vec<Late>,
    /// Number of the next order after the last row.
    pub next_order: i64,
    /// Small markets a group, as a power of two.
    bits: u32,
    /// The least id that an order of the piece has, and where each from there on was dealt to.
    pub first_id: i64,
    pub came: Vec<Came>,
    /// Markets whose rows from now on are no shard's: small ones by their place, others by that among all.
    left_smalls: Vec<bool>,
    pub left_markets: Vec<bool>,
}

impl Piece {
    pub fn rows(&self) -> usize {
        self.end - self.from
    }

    /// Groups cut into so many ranges of about as many rows each.
    pub fn parts(&self, parts: usize) -> Vec<Range<usize>> {
        let rows: usize = self.groups.iter().map(Vec::len).sum();
        let (mut ranges, mut start, mut seen) = (Vec::new(), 0, 0);
        for (nth, group) in self.groups.iter().enumerate() {
            seen += group.len();
            if seen * parts >= rows * (ranges.len() + 1) && ranges.len() + 1 < parts {
                ranges.push(start..nth + 1);
                start = nth + 1;
            }
        }
        ranges.push(start..self.groups.len());
        ranges
    }

    /// Place of the first small market of a group.
    pub fn first_small_of(&self, group: usize) -> usize {
        group << self.bits
    }

    /// New orders that were dealt, by ascending id: group, row of the group, and small market.
    pub fn dealt_orders(&self) -> impl Iterator<Item = (i64, usize, usize, u32)> {
        // In this order: one more id than there are orders may be one too many.
        let orders = self.came.iter().zip(self.first_id..).filter(|(came, _)| came.small != NOT_DEALT.small);
        orders.map(|(came, id)| (id, (came.small >> self.bits) as usize, came.nth as usize, came.small))
    }

    /// Forgets all but the room that it has.
    pub fn clear(&mut self) {
        for group in &mut self.groups {
            group.clear();
        }
        self.group_of.clear();
        self.late.clear();
        self.came.clear();
        self.left_smalls.clear();
        self.left_markets.clear();
    }

    pub fn begin(&mut self, from: usize, smalls: usize, markets: usize, rows: usize, next_order: i64) {
        (self.from, self.end, self.first_id, self.next_order) = (from, from, next_order, next_order);
        self.left_smalls.resize(smalls, false);
        self.left_markets.resize(markets, false);
        // As many groups as have rows enough each; of markets that are new there may be as many as rows.
        let groups = (rows / GROUP_ROWS).clamp(GROUPS.start, GROUPS.end);
        let power = |markets: usize| markets.next_power_of_two().ilog2();
        self.bits = power(smalls / groups).max(power((smalls + rows) / usize::from(LATE / 2)));
        let groups = (smalls >> self.bits) + 1;
        if groups > self.groups.len() {
            self.groups.resize_with(groups, Vec::new);
        }
        for group in &mut self.groups[..groups] {
            group.reserve(rows / groups + rows / groups / 8);
        }
    }

    /// Where the row went that brought an order.
    #[inline(always)]
    pub fn came(&self, id: i64) -> Came {
        self.came.get((id - self.first_id) as usize).copied().unwrap_or(NOT_DEALT)
    }

    /// Remembers where the row of a new order goes; its id is not below the next one.
    #[inline(always)]
    pub fn note(&mut self, id: i64, came: Came) {
        let nth = (id - self.first_id) as usize;
        if nth > self.came.len() {
            self.came.resize(nth, NOT_DEALT);
        }
        self.came.push(came);
        self.next_order = id + 1;
    }

    /// The place of a row's item in its group, once it is put there.
    #[inline(always)]
    pub fn next_of(&self, small: u32) -> u32 {
        self.groups.get((small >> self.bits) as usize).map_or(0, |group| group.len() as u32)
    }

    #[inline(always)]
    pub fn deal(&mut self, item: Item) {
        let group = (item.small >> self.bits) as usize;
        if group >= self.groups.len() {
            self.groups.resize_with(group + 1, Vec::new);
        }
        self.groups[group].push(item);
        self.group_of.push(group as u16);
    }

    #[inline(always)]
    pub fn is_left(&self, small: u32) -> bool {
        self.left_smalls.get(small as usize).is_some_and(|&left| left)
    }

    pub fn leave_small(&mut self, small: u32) {
        let small = small as usize;
        if small >= self.left_smalls.len() {
            self.left_smalls.resize(small + 1, false);
        }
        self.left_smalls[small] = true;
    }
}
