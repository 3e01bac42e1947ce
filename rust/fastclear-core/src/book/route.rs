//! Which shard each row of a call is for.
//!
//! What has to be looked up far away, where an id or a market is, is looked up for all rows by as many threads as there are
//! (`resolve`); what depends on the rows before is seen by one of them, which looks at nothing else (`deal`).
//!
//! What this says has to hold whatever the rows before do. An order that came before the call is where its id says, or
//! nowhere; one of the call is where the row was dealt that brought it in. Ids that are larger than all that were seen are
//! no other order's. Where that is not enough the piece ends: see `shards.rs`.

use std::ops::Range;

use super::block::{BLOCK, Block, CANCEL};
use super::command::{Commands, NULL};
use super::engine::OrderBook;
use super::piece::{ANYWHERE, Came, Item, LATE, Late, NOT_DEALT, NOT_SMALL, Piece, RESTED};
use super::store::{Kept, places};
use crate::batch::threads::{at_once, ranges};
use crate::order::BUY;
use crate::simd;

/// Rows after which it is asked whether it pays to deal more of them.
const TRIAL: usize = 1 << 10;
/// Ids that may be left out, a row.
const GAPS: usize = 4;
/// Rows that are asked about ahead, in blocks.
const STAGES: usize = 3;
/// [`Item::of_market`] of a cancel that names a market that was not known before the piece.
const UNKNOWN: u32 = u32::MAX - 1;
/// Rows of a call that are looked at to see whether it pays to deal them.
const SAMPLE: usize = 64;

/// What becomes of a row.
enum Goes {
    /// To a shard.
    Dealt(Item),
    Late,
    /// Nowhere: the piece ends before it.
    Ends,
}

/// What of the columns of a call is the same for every row.
struct Columns<'a> {
    commands: &'a Commands<'a>,
    gives_ids: bool,
    /// Most ids from the first of the piece to its last.
    ids: usize,
}

impl OrderBook {
    /// Whether most of some rows look like a shard's.
    pub(super) fn is_promising(&self, commands: &Commands<'_>, rows: &Range<usize>) -> bool {
        let is_shards = |row: usize| {
            let (op, row) = (commands.op(row), commands.row(row));
            let kept = match op {
                0 => {
                    self.market_places.get(row.market).map_or(Kept::Nowhere, |place| self.markets[place as usize].kept)
                }
                1 => self.desk.ids.get(row.order).map_or(Kept::Nowhere, |handle| places(handle).0),
                _ => return false,
            };
            !matches!(kept, Kept::Ladder(_))
        };
        let step = (rows.len() / SAMPLE).max(1);
        let seen = rows.clone().step_by(step);
        let all = seen.len();
        seen.filter(|&row| is_shards(row)).count() * 8 >= all * 7
    }

    /// Deals rows, the first of them with the first, until one cannot be.
    pub(super) fn route(&mut self, commands: &Commands<'_>, from: usize, to: usize, piece: &mut Piece) {
        piece.begin(from, self.store.smalls.len(), self.markets.len(), to - from, self.next_order);
        let parts = ranges(to - from, self.threads.most.min((to - from) / BLOCK + 1));
        let book = &*self;
        let resolved = at_once(parts.into_iter().map(|rows| {
            let rows = from + rows.start..from + rows.end;
            move || book.resolve(commands, rows)
        }));
        self.deal(commands, to, resolved.iter().flatten(), piece);
    }

    /// Looks up where the markets and orders are that rows name. Nothing is changed, and no row depends on one before.
    fn resolve(&self, commands: &Commands<'_>, rows: Range<usize>) -> Vec<Item> {
        let until = Commands { rows: rows.end, ..*commands };
        let blocks = rows.len().div_ceil(BLOCK);
        let mut items = Vec::with_capacity(rows.len());
        let mut ring = [(); STAGES].map(|()| Block::new());
        for step in 0..blocks + STAGES - 1 {
            if step < blocks {
                ring[step % STAGES].read(&until, rows.start + step * BLOCK);
                self.look_ahead(&ring[step % STAGES], 0, true);
            }
            if step > 0 && step <= blocks {
                self.look_for_markets(&ring[(step - 1) % STAGES]);
            }
            if step + 1 >= STAGES {
                let block = &ring[(step + 1) % STAGES];
                items.extend((0..block.n).map(|row| self.resolve_row(block, row)));
            }
        }
        items
    }

    /// Fetches the markets that rows name.
    fn look_for_markets(&self, block: &Block) {
        for (row, &class) in block.classes().iter().enumerate() {
            if class < CANCEL
                && let Some(place) = self.market_places.get(block.markets()[row])
            {
                simd::prefetch_place(&self.markets, place as usize);
            }
        }
    }

    #[inline(always)]
    fn resolve_row(&self, block: &Block, row: usize) -> Item {
        let (plain, class) = (block.row(row), block.classes()[row]);
        let place = || self.market_places.get(plain.market).map(|place| place as u32);
        let mut item = Item {
            id: plain.order,
            row: (block.from + row) as u32,
            small: NOT_SMALL,
            price: plain.price,
            quantity: plain.quantity,
            owner: plain.owner,
            class,
        };
        if class < CANCEL {
            let state = place().map(|place| &self.markets[place as usize]);
            if let Some(state) = state.filter(|state| state.attention == 0)
                && let Kept::Small(small) = state.kept
            {
                item.small = small;
            }
        } else if class == CANCEL {
            let of_market = if plain.market == NULL { ANYWHERE } else { place().unwrap_or(UNKNOWN) };
            let (small, place) = self.small_before(plain.order).unwrap_or((NOT_SMALL, 0));
            item = Item { small, price: place as i32, quantity: of_market, owner: RESTED, ..item };
        }
        item
    }

    /// Where an order is that came before the piece, if it is in a small market, or nowhere any more.
    #[inline(always)]
    fn small_before(&self, id: i64) -> Option<(u32, u32)> {
        match places(self.desk.ids.get(id)?) {
            (Kept::Small(small), place) if (small as usize) < self.store.smalls.len() => Some((small, place)),
            _ => None,
        }
    }

    /// Gives rows to the groups, one after the other.
    fn deal<'a>(
        &mut self,
        commands: &Commands<'_>,
        to: usize,
        items: impl Iterator<Item = &'a Item>,
        piece: &mut Piece,
    ) {
        let rows = to - piece.from;
        let columns = Columns { commands, gives_ids: commands.order.is_some(), ids: rows.saturating_mul(GAPS) + BLOCK };
        let (mut due, mut clock) = (self.next_due(), self.clock);
        piece.group_of.reserve(rows);
        piece.came.reserve(rows);
        for item in items {
            let index = item.row as usize;
            let mut has_time = true;
            if let Some(times) = commands.time {
                has_time = times[index] != NULL;
                if times[index] > clock {
                    clock = times[index];
                    if clock >= due {
                        return;
                    }
                }
                let expires = commands.expires.map_or(NULL, |expires| expires[index]);
                if expires > clock {
                    due = due.min(expires);
                }
            }
            let goes = match item.class {
                CANCEL if has_time => self.deal_cancel(item, &columns, piece),
                class if class < CANCEL && has_time => self.deal_order(item, &columns, piece),
                _ => self.deal_other(index, &columns, piece),
            };
            match goes {
                Goes::Dealt(item) => piece.deal(item),
                Goes::Late => piece.group_of.push(LATE),
                Goes::Ends => return,
            }
            piece.end = index + 1;
            // Where many rows are the book's own, to deal the rest costs more than it brings.
            if piece.late.len() > TRIAL && piece.late.len() > piece.rows() / 4 {
                return;
            }
        }
    }

    /// A sound new order.
    #[inline(always)]
    fn deal_order(&mut self, item: &Item, columns: &Columns<'_>, piece: &mut Piece) -> Goes {
        let next = piece.next_order;
        let id = if columns.gives_ids { item.id } else { next };
        if id < next || id == i64::MAX || (id - piece.first_id) as u64 >= columns.ids as u64 {
            return Goes::Ends;
        }
        let mut small = item.small;
        if small == NOT_SMALL {
            small = self.open_for(item, columns, piece);
        }
        if small == NOT_SMALL || piece.is_left(small) {
            piece.late.push(Late { row: item.row, next_order: next });
            piece.note(id, NOT_DEALT);
            return Goes::Late;
        }
        piece.note(id, Came { small, nth: piece.next_of(small) });
        Goes::Dealt(Item { id, small, ..*item })
    }

    /// The small market of an order whose market had none before the piece; leaves the market to the book if there is none.
    #[cold]
    fn open_for(&mut self, item: &Item, columns: &Columns<'_>, piece: &mut Piece) -> u32 {
        let market = columns.commands.market.map_or(0, |markets| markets[item.row as usize]);
        let known = self.market_places.get(market).map(|place| place as u32);
        let place = known.unwrap_or_else(|| self.open_market(market));
        let is_left = piece.left_markets.get(place as usize).is_some_and(|&left| left);
        let (most, rests) = (self.rules.small_max, item.class <= BUY);
        let state = &mut self.markets[place as usize];
        if state.attention == 0 && state.kept == Kept::Nowhere && rests && most > 0 && !is_left {
            state.kept = Kept::Small(self.store.open_small(most, place, item.price));
        }
        match state.kept {
            Kept::Small(small) if state.attention == 0 => small,
            _ => {
                self.leave_market(place, piece);
                NOT_SMALL
            }
        }
    }

    /// A cancel by id.
    #[inline(always)]
    fn deal_cancel(&mut self, item: &Item, columns: &Columns<'_>, piece: &mut Piece) -> Goes {
        if item.id >= piece.next_order {
            return Goes::Ends;
        }
        let mut item = *item;
        if item.of_market() == UNKNOWN {
            let market = columns.commands.market.map_or(0, |markets| markets[item.row as usize]);
            // One of that name may come before the shards are done.
            let Some(place) = self.market_places.get(market) else { return Goes::Ends };
            item.quantity = place as u32;
        }
        if item.id >= piece.first_id {
            let Came { small, nth } = piece.came(item.id);
            item = Item { small, owner: nth, ..item };
        }
        if item.small == NOT_SMALL || piece.is_left(item.small) {
            piece.late.push(Late { row: item.row, next_order: piece.next_order });
            return Goes::Late;
        }
        Goes::Dealt(item)
    }

    /// Any other row: the book obeys it late, and what comes later of its market.
    #[cold]
    fn deal_other(&mut self, index: usize, columns: &Columns<'_>, piece: &mut Piece) -> Goes {
        let commands = columns.commands;
        let (op, row) = (commands.op(index), commands.row(index));
        let market = self.market_places.get(row.market).map(|place| place as u32);
        if market.is_none() && row.market != NULL {
            return Goes::Ends;
        }
        let late = Late { row: index as u32, next_order: piece.next_order };
        match op {
            0 => {
                let next = piece.next_order;
                let id = if columns.gives_ids { row.order } else { next };
                let is_far = id.wrapping_sub(piece.first_id) as u64 >= columns.ids as u64;
                if id != NULL && (id < next || id == i64::MAX || is_far) {
                    return Goes::Ends;
                }
                if id != NULL {
                    piece.note(id, NOT_DEALT);
                }
            }
            1..=3 if row.order != NULL => {
                if row.order >= piece.next_order {
                    return Goes::Ends;
                }
                let small = if row.order >= piece.first_id {
                    Some(piece.came(row.order).small).filter(|&small| small != NOT_SMALL)
                } else {
                    self.small_before(row.order).map(|(small, _)| small)
                };
                if let Some(small) = small {
                    piece.leave_small(small);
                }
            }
            _ => {}
        }
        if let Some(place) = market.filter(|_| matches!(op, 0 | 4..=7)) {
            self.leave_market(place, piece);
        }
        piece.late.push(late);
        Goes::Late
    }

    /// Leaves a market to the book from now on.
    fn leave_market(&self, place: u32, piece: &mut Piece) {
        match self.markets[place as usize].kept {
            Kept::Small(small) => piece.leave_small(small),
            Kept::Nowhere => {
                let place = place as usize;
                if place >= piece.left_markets.len() {
                    piece.left_markets.resize(place + 1, false);
                }
                piece.left_markets[place] = true;
            }
            Kept::Ladder(_) => {}
        }
    }
}
