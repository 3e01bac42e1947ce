//! Rows of one ladder that trade with nobody.
//!
//! Most rows of a deep market put an order in behind others of its price, or take one out from among them. Of what such a row
//! touches everything is where it was for the row before, so that it is borrowed once for as many rows as follow each other,
//! and stays in the processor's registers. A row that needs anything else (it trades, its price is new or its level the last
//! order's, memory has to grow) is left to whoever asks for the rest: here it is seen, not obeyed.

use crate::order::BUY;

use super::block::{Block, CANCEL, Plain};
use super::command::NULL;
use super::engine::OrderBook;
use super::event::{Event, Events, Kind};
use super::expiry::NEVER;
use super::ladder::{NO_NODE, Node, OnLadder, SIDE};
use super::layout::crosses;
use super::levels::{NO_LEVEL, price_of};
use super::obey::Given;
use super::store::{Kept, places};

impl OrderBook {
    /// Obeys the rows of a block from one on while they are of one ladder and trade with nobody; gives the first that is not
    /// obeyed. For calls without times, and nobody at the door.
    pub(super) fn go_straight<const ALL: bool>(
        &mut self,
        block: &Block,
        from: usize,
        given: Given,
        events: &mut Events,
    ) -> usize {
        let (id, market) = self.last_market;
        let Some(state) = self.markets.get(market as usize) else { return from };
        let Kept::Ladder(index) = state.kept else { return from };
        if state.attention != 0 || self.specials > 0 {
            return from;
        }
        let ladder = &mut self.store.ladders[index as usize];
        let OnLadder { ladder, pool } = OnLadder { ladder, pool: &mut self.store.pool };
        let best = ladder.best;
        let (leaves, chains, remembered) = ladder.levels.at_hand();
        let (nodes, free) = pool.at_hand();
        let Some(mut ids) = self.desk.ids.at_hand() else { return from };
        let mut next_order = self.next_order;
        let (mut free_node, mut count) = (*free, 0);
        let mut row = from;
        while row < block.n && block.markets()[row] == id {
            let class = block.classes()[row];
            let Plain { order, price, quantity, owner, side, .. } = block.row(row);
            let command = (block.from + row) as u32;
            if class <= BUY {
                let order = if given.order { order } else { next_order };
                let other = best[usize::from(1 - side)];
                let (number, tick) = super::levels::split(price);
                let (known, leaf) = remembered[number as usize % remembered.len()];
                let meets = other.level != NO_LEVEL && crosses(side, price, other.price);
                if meets || order < next_order || order == i64::MAX || known != number || free_node == 0 {
                    break;
                }
                let level = leaf * 64 + tick;
                let chain = &mut chains[level as usize];
                let before = chain.last;
                let Some(cell) = ids.cell(order) else { break };
                if before == NO_NODE {
                    break;
                }
                let place = free_node - 1;
                let node = &mut nodes[place as usize];
                free_node = node.behind;
                *node = Node {
                    id: order,
                    before,
                    behind: NO_NODE,
                    quantity,
                    level: level | u32::from(side) << 31,
                    owner,
                    expiry: NEVER,
                };
                nodes[before as usize].behind = place;
                chain.last = place;
                chain.lots = chain.lots.wrapping_add(u64::from(quantity));
                ids.put(order, cell, Kept::Ladder(index).handle(place));
                next_order = order + 1;
                if ALL {
                    let kind = Kind::Accepted;
                    events.rows.push(Event {
                        order,
                        counter: NULL,
                        price,
                        quantity,
                        remaining: quantity,
                        command,
                        market,
                        reject: 0,
                        kind,
                        side,
                    });
                }
            } else if class == CANCEL {
                let Some(cell) = ids.cell(order) else { break };
                let (kept, place) = places(ids.value(cell));
                let Some(&Node { id, before, behind, quantity, level, expiry, .. }) = nodes.get(place as usize) else {
                    break;
                };
                let is_here = kept == Kept::Ladder(index) && id == order && quantity > 0 && expiry == NEVER;
                if !is_here || before == behind || !ids.may_leave(order) {
                    break;
                }
                let chain = &mut chains[(level & !SIDE) as usize];
                chain.lots = chain.lots.wrapping_sub(u64::from(quantity));
                if before == NO_NODE {
                    chain.first = behind;
                } else {
                    nodes[before as usize].behind = behind;
                }
                if behind == NO_NODE {
                    chain.last = before;
                } else {
                    nodes[behind as usize].before = before;
                }
                let node = &mut nodes[place as usize];
                (node.behind, node.quantity) = (free_node, 0);
                free_node = place + 1;
                ids.leave(order);
                if ALL {
                    events.rows.push(Event {
                        order,
                        counter: NULL,
                        price: price_of(leaves, level & !SIDE),
                        quantity,
                        remaining: 0,
                        command,
                        market,
                        reject: 0,
                        kind: Kind::Cancelled,
                        side: (level >> 31) as u8,
                    });
                }
            } else {
                break;
            }
            count += 1;
            row += 1;
        }
        *free = free_node;
        ids.done();
        self.next_order = next_order;
        events.count += count;
        row
    }
}
