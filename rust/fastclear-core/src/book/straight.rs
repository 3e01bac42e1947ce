//! Rows of one ladder, one after the other.
//!
//! Of what a row of a deep market touches everything is where it was for the row before, so that it is borrowed once for as
//! many rows as follow each other, and stays in the processor's registers. Here orders come in, trade and rest, go, and are
//! replaced. What needs more is left to whoever asks: a row before anything of it was done, or the rest of an order that has
//! traded (it meets one of its own, its price or its id is far from all others, memory has to grow). Who is at the door is
//! asked and told as if rows went one by one.

use crate::order::BUY;
use crate::reject::RejectReason;

use super::block::{Block, CANCEL, Plain, REPLACE};
use super::command::NULL;
use super::desk::Owners;
use super::engine::OrderBook;
use super::event::{Event, Kind};
use super::expiry::{Expiries, NEVER};
use super::layout::{NOBODY, Resting};
use super::matching::Incoming;
use super::obey::{Stay, Turn};
use super::rules::{Admission, Request, SelfTrade};
use super::store::Kept;
use super::{ids, ladder};

/// The class of an order that is filled at once or not at all; below it are those that trade as far as they can.
const FOK: u8 = 4;

/// What an order is that comes in.
#[derive(Clone, Copy, Debug)]
enum Is {
    New {
        rests: bool,
    },
    /// One that was taken out, and its expiry.
    Replaced {
        place: u32,
        expiry: u32,
    },
}

/// How much of a row was done.
enum Done {
    All,
    /// All but what is left of an order.
    Part(Incoming, Is),
}

/// What rows of one ladder touch.
struct Run<'a, A, const ALL: bool> {
    hand: ladder::AtHand<'a>,
    ids: ids::AtHand<'a>,
    expiries: &'a mut Expiries,
    events: &'a mut Vec<Event>,
    admission: &'a mut A,
    /// Events, kept or not, beyond one a row.
    count: u64,
    /// Handle of what is in the ladder's first place.
    handle: u64,
    market: u32,
    bars_own: bool,
}

impl OrderBook {
    /// Obeys the rows of a block from one on while they are of one ladder and need nothing else; gives the first that is not
    /// obeyed. While nothing ends of itself.
    #[inline(never)]
    pub(super) fn go_straight<A: Admission, const ALL: bool>(
        &mut self,
        block: &Block,
        from: usize,
        turn: &mut Turn<'_, A, ALL>,
    ) -> usize {
        let (id, market) = self.last_market;
        let Some(state) = self.markets.get(market as usize) else { return from };
        let Kept::Ladder(index) = state.kept else { return from };
        if state.attention != 0 || self.specials > 0 || self.rules.erase_after_trade {
            return from;
        }
        let Some(ids) = self.desk.ids.at_hand() else { return from };
        self.store.pool.make_room();
        let ladder = &mut self.store.ladders[index as usize];
        let owners = &self.desk.owners;
        let mut run = Run::<A, ALL> {
            hand: ladder::OnLadder { ladder, pool: &mut self.store.pool }.into_hand(),
            ids,
            expiries: &mut self.desk.expiries,
            events: &mut turn.events.rows,
            admission: turn.admission,
            count: 0,
            handle: Kept::Ladder(index).handle(0),
            market,
            bars_own: self.rules.self_trade != SelfTrade::Off,
        };
        let mut next_order = self.next_order;
        let mut row = from;
        let same = || block.markets()[from..].iter().take_while(|&&market| market == id).count();
        let end = if turn.given.market || id != 0 { from + same() } else { block.n };
        let (classes, first_command) = (&block.classes()[..end], block.from as u32);
        let mut done = Done::All;
        while row < classes.len() {
            let class = classes[row];
            let Plain { order, price, quantity, owner, side, .. } = block.row(row);
            let command = first_command.wrapping_add(row as u32);
            done = if class < FOK {
                let order = if turn.given.order { order } else { next_order };
                // One that may be there already needs a look.
                if order < next_order || order == i64::MAX {
                    break;
                }
                next_order = order + 1;
                if A::HAS_A_WORD {
                    let request = Request {
                        market: id,
                        order,
                        participant: owners.participant(owner),
                        side,
                        price: Some(i64::from(price)),
                        quantity: i64::from(quantity),
                        replaces: None,
                    };
                    if let Err(reason) = run.admission.admit(&request) {
                        run.tell(command, Kind::Rejected, order, price, quantity, 0, reason.code(), side);
                        row += 1;
                        continue;
                    }
                }
                run.tell(command, Kind::Accepted, order, price, quantity, quantity, 0, side);
                let rests = class <= BUY;
                if rests && !run.hand.meets(side, price) && run.rest(order, side, price, quantity, owner) {
                    row += 1;
                    continue;
                }
                let incoming = Incoming { id: order, side, limit: price, open: quantity, owner };
                run.come_in(command, incoming, Is::New { rests })
            } else if class == CANCEL {
                if !run.cancel(command, order, owner) {
                    break;
                }
                row += 1;
                continue;
            } else if class == REPLACE
                && let Some(place) = run.find(order, owner)
                && run.may_replace(place, id, price, quantity, owners)
            {
                run.replace(command, place, price, quantity)
            } else {
                break;
            };
            row += 1;
            if let Done::Part(..) = done {
                turn.command = command;
                break;
            }
        }
        let Run { ids, count, .. } = run;
        ids.done();
        turn.events.count += count + (row - from) as u64;
        self.next_order = next_order;
        if let Done::Part(incoming, is) = done {
            self.finish(market, incoming, is, turn);
        }
        row
    }

    /// Does what was left of a row.
    #[inline(never)]
    fn finish<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        mut incoming: Incoming,
        is: Is,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        match is {
            Is::New { rests } => {
                self.go_on(market, incoming, incoming.limit, Stay { rests, is_fok: false, until: NULL }, turn);
            }
            Is::Replaced { expiry, .. } => {
                let erases = self.trade(market, &mut incoming, turn);
                self.put_back(market, incoming, expiry, erases, turn);
            }
        }
    }
}

/// Tells an event to whoever is at the door, and keeps it where it is wanted.
#[inline(always)]
fn pass_on<A: Admission, const ALL: bool>(admission: &mut A, events: &mut Vec<Event>, event: Event) {
    if A::HAS_A_WORD {
        admission.seen(&event);
    }
    if ALL || event.kind == Kind::Trade {
        events.push(event);
    }
}

impl<A: Admission, const ALL: bool> Run<'_, A, ALL> {
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    fn tell(
        &mut self,
        command: u32,
        kind: Kind,
        order: i64,
        price: i32,
        quantity: u32,
        remaining: u32,
        reject: u16,
        side: u8,
    ) {
        let (counter, market) = (NULL, self.market);
        let event = Event { order, counter, price, quantity, remaining, command, market, reject, kind, side };
        pass_on::<A, ALL>(self.admission, self.events, event);
    }

    /// Puts an order in that meets nobody; says whether it can.
    #[inline(always)]
    fn rest(&mut self, id: i64, side: u8, price: i32, quantity: u32, owner: u32) -> bool {
        let Some(level) = self.hand.levels.known(price) else { return false };
        let Some(place) = self.hand.free() else { return false };
        if !self.ids.put(id, self.handle | u64::from(place)) {
            return false;
        }
        self.hand.put(side, level, &Resting { id, price, quantity, owner, expiry: NEVER });
        true
    }

    /// Trades an order, and puts what is left of it in. A call of its own, so that rows that trade with nobody have the
    /// processor's registers for themselves.
    #[inline(never)]
    fn come_in(&mut self, command: u32, mut incoming: Incoming, is: Is) -> Done {
        let is_through = self.trade(command, &mut incoming);
        let Incoming { id, side, limit: price, open, owner } = incoming;
        match is {
            Is::Replaced { place, expiry } if open == 0 => self.forget(id, place, expiry),
            _ if open == 0 => {}
            Is::New { rests: false } if is_through => {
                self.count += 1;
                self.tell(command, Kind::Cancelled, id, price, open, 0, RejectReason::NotFilled.code(), side);
            }
            Is::New { rests: true } if is_through && self.rest(id, side, price, open, owner) => {}
            Is::New { .. } => return Done::Part(incoming, is),
            Is::Replaced { place, expiry } => {
                let Some(level) = self.hand.levels.known(price).filter(|_| is_through) else {
                    self.hand.give_back(place);
                    return Done::Part(incoming, is);
                };
                self.hand.link(place, side, level, &Resting { id, price, quantity: open, owner, expiry });
            }
        }
        Done::All
    }

    /// Trades until nothing crosses any more, which it says, or the next is of the same participant.
    #[inline(always)]
    fn trade(&mut self, command: u32, incoming: &mut Incoming) -> bool {
        let Incoming { id, side, limit, open, owner } = *incoming;
        if !self.hand.meets(side, limit) {
            return true;
        }
        let Self { hand, ids, expiries, events, admission, count, market, bars_own, .. } = self;
        let barred = (*bars_own && owner != NOBODY).then_some(owner);
        let other = 1 - side;
        let event = |kind, side, order, counter, price, quantity, remaining| {
            let market = *market;
            Event { order, counter, price, quantity, remaining, command, market, reject: 0, kind, side }
        };
        let open = hand.sweep(other, limit, open, barred, |met| {
            let super::layout::Met { price, lots, open, is_gone, expiry, .. } = met;
            pass_on::<A, ALL>(admission, events, event(Kind::Trade, side, id, met.id, price, lots, open));
            *count += 1 + u64::from(is_gone) + u64::from(open == 0);
            if is_gone {
                ids.leave(met.id);
                expiries.remove(expiry);
                pass_on::<A, ALL>(admission, events, event(Kind::Filled, other, met.id, id, price, lots, 0));
            }
            if open == 0 {
                pass_on::<A, ALL>(admission, events, event(Kind::Filled, side, id, met.id, price, lots, 0));
            }
        });
        incoming.open = open;
        open == 0 || !hand.meets(side, limit)
    }

    /// Where an order of this ladder is that is of an owner, if one is named.
    #[inline(always)]
    fn find(&self, id: i64, owner: u32) -> Option<u32> {
        let place = u32::try_from(self.ids.get(id)? ^ self.handle).ok()?;
        self.hand.has(place, id, owner).then_some(place)
    }

    /// Takes an order out; says whether it is there.
    #[inline(always)]
    fn cancel(&mut self, command: u32, id: i64, owner: u32) -> bool {
        let Some(place) = self.find(id, owner) else { return false };
        let (side, Resting { price, quantity, expiry, .. }) = self.hand.resting(place);
        self.tell(command, Kind::Cancelled, id, price, quantity, 0, 0, side);
        self.hand.unlink(place);
        self.forget(id, place, expiry);
        true
    }

    /// Forgets an order that is out of its chain.
    #[inline(always)]
    fn forget(&mut self, id: i64, place: u32, expiry: u32) {
        self.hand.give_back(place);
        self.ids.leave(id);
        self.expiries.remove(expiry);
    }

    /// Whether an order of a market may have another price and quantity.
    #[inline(always)]
    fn may_replace(&mut self, place: u32, market: i64, price: i32, quantity: u32, owners: &Owners) -> bool {
        if !A::HAS_A_WORD {
            return true;
        }
        let (side, old) = self.hand.resting(place);
        let request = Request {
            market,
            order: old.id,
            participant: owners.participant(old.owner),
            side,
            price: Some(i64::from(price)),
            quantity: i64::from(quantity),
            replaces: Some((i64::from(old.price), i64::from(old.quantity))),
        };
        self.admission.admit(&request).is_ok()
    }

    /// Gives an order another price and quantity.
    #[inline(never)]
    fn replace(&mut self, command: u32, place: u32, price: i32, quantity: u32) -> Done {
        let (side, old) = self.hand.resting(place);
        self.tell(command, Kind::Replaced, old.id, price, quantity, quantity, 0, side);
        if price == old.price && quantity < old.quantity {
            self.hand.take(place, old.quantity - quantity);
            return Done::All;
        }
        self.hand.unlink(place);
        let incoming = Incoming { id: old.id, side, limit: price, open: quantity, owner: old.owner };
        self.come_in(command, incoming, Is::Replaced { place, expiry: old.expiry })
    }
}
