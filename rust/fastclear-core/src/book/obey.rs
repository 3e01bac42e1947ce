//! What each command does.

use crate::order::BUY;
use crate::reject::RejectReason;
use crate::units;

use super::block::Plain;
use super::command::{NULL, Op, POST_ONLY, Row, SLIDE, Tif, price_fault, quantity_fault};
use super::desk::{Desk, Out};
use super::engine::{CLOSED, HALTED, NO_SIDE, OrderBook, SPECIAL};
use super::event::{Events, Kind, NO_PRICE, NOWHERE};
use super::expiry::NEVER;
use super::layout::{Layout, NOBODY, Resting};
use super::matching::{Incoming, cancel, clear};
use super::rules::{Admission, Request};
use super::special::{Rich, Seen, Stands, Terms};
use super::store::{Kept, kept};

/// Which id columns a call has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub market: bool,
    pub order: bool,
    pub participant: bool,
}

/// Whether an order rests, is to be filled at once or not at all, and until when it is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    pub rests: bool,
    pub is_fok: bool,
    pub until: i64,
}

/// One command's turn.
pub(super) struct Turn<'a, A, const ALL: bool> {
    pub events: &'a mut Events,
    pub admission: &'a mut A,
    pub command: u32,
    pub given: Given,
    pub has_time: bool,
}

impl<'a, A: Admission, const ALL: bool> Turn<'a, A, ALL> {
    /// The turn of what the clock does before a command is obeyed.
    pub fn of_clock(command: u32, admission: &'a mut A, events: &'a mut Events) -> Self {
        let given = Given { market: false, order: false, participant: false };
        Self { events, admission, command, given, has_time: true }
    }

    #[inline(always)]
    pub fn out<'b>(&'b mut self, desk: &'b mut Desk, market: u32) -> Out<'b, A, ALL> {
        Out { desk, events: self.events, admission: self.admission, command: self.command, market }
    }
}

impl OrderBook {
    #[cold]
    fn refuse<A: Admission, const ALL: bool>(&mut self, row: &Row, reason: RejectReason, turn: &mut Turn<'_, A, ALL>) {
        let market = self.market_places.get(row.market).map_or(NOWHERE, |place| place as u32);
        let mut out = turn.out(&mut self.desk, market);
        let price = if units::price_in_range(row.price) { row.price as i32 } else { NO_PRICE };
        let quantity = if units::quantity_in_range(row.quantity) { row.quantity as u32 } else { 0 };
        let side = if row.side > BUY { NO_SIDE } else { row.side };
        out.emit(Kind::Rejected, row.order, NULL, price, quantity, 0, reason.code(), side);
    }

    /// A new order that has no fault of its own, in the market at a place, or [`NOWHERE`] if that was not looked for; says
    /// whether it needed no closer look.
    #[inline(always)]
    pub(super) fn plain_order<A: Admission, const ALL: bool>(
        &mut self,
        row: &Plain,
        place: u32,
        turn: &mut Turn<'_, A, ALL>,
    ) -> bool {
        let market = if place == NOWHERE { self.market_place(row.market) } else { place };
        self.last_market = (row.market, market);
        let id = if turn.given.order { row.order } else { self.next_order };
        let state = &self.markets[market as usize];
        // An id larger than all that were seen names no order yet, and needs no look; the largest of all may.
        let is_taken = (id < self.next_order || id == i64::MAX) && self.store.find(&self.desk, id).is_some();
        if state.attention != 0 || is_taken {
            return false;
        }
        let request = Request {
            market: row.market,
            order: id,
            participant: self.desk.owners.participant(row.owner),
            side: row.side,
            price: Some(i64::from(row.price)),
            quantity: i64::from(row.quantity),
            replaces: None,
        };
        if let Err(reason) = turn.admission.admit(&request) {
            self.turn_away(&request, reason, turn);
        } else {
            let Plain { side, price, quantity, owner, tif, .. } = *row;
            let incoming = Incoming { id, side, limit: price, open: quantity, owner };
            self.enter(
                market,
                incoming,
                price,
                Stay { rests: tif == 0, is_fok: tif == Tif::Fok as u8, until: NULL },
                turn,
            );
        }
        self.next_order = self.next_order.max(id.saturating_add(1));
        true
    }

    /// A cancel by id, of an owner if one is named, in the market at a place, or [`NOWHERE`] if that was not looked for; says
    /// whether it needed no closer look.
    #[inline(always)]
    pub(super) fn plain_cancel<A: Admission, const ALL: bool>(
        &mut self,
        row: &Plain,
        of_place: u32,
        turn: &mut Turn<'_, A, ALL>,
    ) -> bool {
        let Plain { order, market: of_market, owner, .. } = *row;
        let Some((kept, market, place)) = self.store.find(&self.desk, order) else { return false };
        // Where a market is has been fetched already; the market itself would be waited for.
        let is_elsewhere = turn.given.market
            && of_place != market
            && of_market != NULL
            && self.last_market != (of_market, market)
            && self.market_places.get(of_market) != Some(u64::from(market));
        if is_elsewhere {
            return false;
        }
        if self.specials > 0 && self.markets[market as usize].is(SPECIAL) {
            return false;
        }
        let mut out = turn.out(&mut self.desk, market);
        kept!(
            self.store,
            kept,
            |layout| {
                let resting = layout.resting(place);
                if owner != NOBODY && owner != resting.owner {
                    return false;
                }
                cancel(layout, place, &resting, resting.quantity, 0, NULL, &mut out);
            },
            {}
        );
        true
    }

    /// Any command.
    #[inline(never)]
    pub(super) fn obey<A: Admission, const ALL: bool>(&mut self, op: u8, mut row: Row, turn: &mut Turn<'_, A, ALL>) {
        let row = &mut row;
        let done = match op {
            0 => self.new_order(row, turn),
            1 => self.cancel_order(row, false, turn),
            2 => self.cancel_order(row, true, turn),
            3 => self.replace_order(row, turn),
            4 => self.mass_cancel(row, turn),
            5 | 6 => self.set_halted(row, op == Op::Halt as u8, turn),
            7 => self.command_phase(row, turn),
            _ => Err(RejectReason::UnknownOp),
        };
        match done {
            Ok(market) if self.markets[market as usize].is(SPECIAL) => self.after(market, turn),
            Ok(_) => {}
            Err(reason) => self.refuse(row, reason, turn),
        }
    }

    #[cold]
    fn turn_away<A: Admission, const ALL: bool>(
        &mut self,
        request: &Request,
        reason: RejectReason,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        let market = self.market_place(request.market);
        let price = request.price.map_or(NO_PRICE, |price| price as i32);
        let mut out = turn.out(&mut self.desk, market);
        let (quantity, code) = (request.quantity as u32, reason.code());
        out.emit(Kind::Rejected, request.order, NULL, price, quantity, 0, code, request.side);
    }

    fn new_order<A: Admission, const ALL: bool>(
        &mut self,
        row: &mut Row,
        turn: &mut Turn<'_, A, ALL>,
    ) -> Result<u32, RejectReason> {
        if !turn.given.order {
            row.order = self.next_order;
        }
        // Also the id of an order that is refused: whoever reads the events can tell the two apart.
        if row.order >= self.next_order {
            self.next_order = row.order.saturating_add(1);
        }
        if row.side > BUY {
            return Err(RejectReason::UnknownSide);
        }
        let is_limit = row.is_market_order == 0;
        if row.is_market_order > 1 {
            return Err(RejectReason::UnknownType);
        }
        if row.tif > Tif::Gtt as u8 {
            return Err(RejectReason::UnknownTif);
        }
        if let Some(reason) = price_fault(row.price)
            && ((is_limit && row.peg == 0) || row.price != NULL)
        {
            return Err(reason);
        }
        if let Some(reason) = quantity_fault(row.quantity) {
            return Err(reason);
        }
        let has_ids = row.market != NULL && row.order != NULL && (row.participant != NULL || !turn.given.participant);
        if !has_ids {
            return Err(RejectReason::IdMissing);
        }
        if !turn.has_time {
            return Err(RejectReason::TimeMissing);
        }
        let collar = self.collar_of(row.market);
        if row.price != NULL && !collar.holds(row.price as i32) {
            return Err(RejectReason::PriceOutsideCaps);
        }
        let terms = Terms::read(row)?;
        let is_timed = row.tif == Tif::Gtt as u8;
        if is_timed {
            if row.expires <= self.clock || row.expires == NULL {
                return Err(RejectReason::ExpiryInvalid);
            }
        } else if row.expires != NULL {
            return Err(RejectReason::InstructionsInvalid);
        }
        let market = self.market_place(row.market);
        let state = &self.markets[market as usize];
        if state.is(CLOSED) {
            return Err(RejectReason::MarketClosed);
        }
        if self.desk.ids.get(row.order).is_some() && self.store.find(&self.desk, row.order).is_some() {
            return Err(RejectReason::DuplicateOrder);
        }
        if state.is(HALTED) {
            return Err(RejectReason::MarketHalted);
        }
        // One that waits for its stop is not there to trade at once.
        if !terms.rests && terms.stop.is_none() && self.in_call(market) {
            return Err(RejectReason::NotInPhase);
        }
        let is_special = terms.are_rich() || state.is(SPECIAL);
        // Of a market order that trades now the collar is the protection.
        let protection = collar.worst(row.side).filter(|_| terms.is_market && terms.stop.is_none());
        let mut incoming = Incoming {
            id: row.order,
            side: row.side,
            limit: terms.worst(row.side),
            open: row.quantity as u32,
            owner: self.desk.owners.code(row.participant),
        };
        let terms = Terms { limit: self.unmet(market, &mut incoming, terms.limit, row.flags, turn)?, ..terms };
        turn.admission.admit(&Request {
            market: row.market,
            order: row.order,
            participant: row.participant,
            side: row.side,
            price: terms.limit.or(protection).map(i64::from),
            quantity: row.quantity,
            replaces: None,
        })?;
        if is_special {
            let Incoming { id, side, open, owner, .. } = incoming;
            let rich = Rich { terms, stands: Stands::Shown, turn: 0, side, owner, expiry: NEVER, open };
            self.floor(market, turn).take_in(id, rich, row.expires);
        } else {
            let stay = Stay { rests: terms.rests, is_fok: terms.is_fok, until: row.expires };
            self.enter(market, incoming, terms.limit.unwrap_or(NO_PRICE), stay, turn);
        }
        Ok(market)
    }

    /// An order that is taken: it trades, then rests, if there is anything left that may.
    #[inline(always)]
    fn enter<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        incoming: Incoming,
        price: i32,
        stay: Stay,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        let mut out = turn.out(&mut self.desk, market);
        out.emit(Kind::Accepted, incoming.id, NULL, price, incoming.open, incoming.open, 0, incoming.side);
        self.go_on(market, incoming, price, stay, turn);
    }

    /// As [`Self::enter`], of an order that may have begun to trade.
    #[inline(always)]
    pub(super) fn go_on<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        mut incoming: Incoming,
        price: i32,
        stay: Stay,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        let kept = self.markets[market as usize].kept;
        let mut out = turn.out(&mut self.desk, market);
        let rules = &self.rules;
        let erases = kept!(
            self.store,
            kept,
            |layout| incoming.meets(layout)
                && (!stay.is_fok || incoming.can_fill(layout, rules))
                && incoming.trade(layout, rules, &mut out),
            false
        );
        if incoming.open > 0 {
            if stay.rests && !erases {
                let expiry =
                    if stay.until == NULL { NEVER } else { self.desk.expiries.insert(stay.until, incoming.id) };
                let handle = self.rest(market, &incoming, price, expiry);
                self.desk.ids.insert(incoming.id, handle);
            } else {
                let reason = if erases { RejectReason::BookErased } else { RejectReason::NotFilled };
                incoming.give_up(price, reason, &mut out);
            }
        }
        if erases {
            self.erase(market, turn);
        }
    }

    #[inline(always)]
    fn rest(&mut self, market: u32, incoming: &Incoming, price: i32, expiry: u32) -> u64 {
        let resting = Resting { id: incoming.id, price, quantity: incoming.open, owner: incoming.owner, expiry };
        let kept = &mut self.markets[market as usize].kept;
        self.store.rest(kept, self.rules.small_max, market, incoming.side, &resting, &mut self.desk)
    }

    #[cold]
    pub(super) fn erase<A: Admission, const ALL: bool>(&mut self, market: u32, turn: &mut Turn<'_, A, ALL>) {
        self.clear_plain(market, Kind::Cancelled, RejectReason::BookErased.code(), |_| true, turn);
    }

    /// Takes every order out of a plain market that `takes` says, bids first, each side first to last.
    pub(super) fn clear_plain<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        kind: Kind,
        code: u16,
        takes: impl Fn(&Resting) -> bool,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        let kept = self.markets[market as usize].kept;
        let mut out = turn.out(&mut self.desk, market);
        kept!(self.store, kept, |layout| clear(layout, kind, code, takes, &mut out), {});
    }

    /// How its market is kept, market and place of the order that a command names.
    fn find<A: Admission, const ALL: bool>(
        &mut self,
        row: &Row,
        turn: &Turn<'_, A, ALL>,
    ) -> Result<(Kept, u32, u32), RejectReason> {
        if row.order == NULL {
            return Err(RejectReason::IdMissing);
        }
        if !turn.has_time {
            return Err(RejectReason::TimeMissing);
        }
        let found = self.store.find(&self.desk, row.order).ok_or(RejectReason::UnknownOrder)?;
        let (kept, market, place) = found;
        let is_elsewhere = turn.given.market && row.market != NULL && row.market != self.markets[market as usize].id;
        let is_anothers = row.participant != NULL && {
            let owner = self.desk.owners.code(row.participant);
            let aside = self.markets[market as usize].special.as_ref().and_then(|special| special.rich.get(row.order));
            owner != kept!(self.store, kept, |layout| layout.resting(place).owner, aside.map_or(owner, |r| r.owner))
        };
        if is_elsewhere || is_anothers { Err(RejectReason::UnknownOrder) } else { Ok(found) }
    }

    fn cancel_order<A: Admission, const ALL: bool>(
        &mut self,
        row: &Row,
        reduces: bool,
        turn: &mut Turn<'_, A, ALL>,
    ) -> Result<u32, RejectReason> {
        if reduces && let Some(reason) = quantity_fault(row.quantity) {
            return Err(reason);
        }
        let (kept, market, place) = self.find(row, turn)?;
        if self.markets[market as usize].is(SPECIAL) {
            let mut floor = self.floor(market, turn);
            let order = floor.seen(row.order).ok_or(RejectReason::UnknownOrder)?;
            let lots = if reduces { order.open.min(row.quantity as u32) } else { order.open };
            floor.reduce(&order, lots, Kind::Cancelled, 0, NULL);
            return Ok(market);
        }
        let mut out = turn.out(&mut self.desk, market);
        kept!(
            self.store,
            kept,
            |layout| {
                let resting = layout.resting(place);
                let lots = if reduces { resting.quantity.min(row.quantity as u32) } else { resting.quantity };
                cancel(layout, place, &resting, lots, 0, NULL, &mut out);
            },
            {}
        );
        Ok(market)
    }

    fn replace_order<A: Admission, const ALL: bool>(
        &mut self,
        row: &Row,
        turn: &mut Turn<'_, A, ALL>,
    ) -> Result<u32, RejectReason> {
        if row.price != NULL
            && let Some(reason) = price_fault(row.price)
        {
            return Err(reason);
        }
        if row.quantity != NULL
            && let Some(reason) = quantity_fault(row.quantity)
        {
            return Err(reason);
        }
        if row.price != NULL
            && let Ok((_, market, _)) = self.find(row, turn)
            && !self.collar_at(market).holds(row.price as i32)
        {
            return Err(RejectReason::PriceOutsideCaps);
        }
        if row.order != NULL && turn.has_time {
            Terms::stop(row)?;
            if row.flags > POST_ONLY | SLIDE || (Row { stop: NULL, ..*row }).asks_more() {
                return Err(RejectReason::InstructionsInvalid);
            }
        }
        let (kept, market, place) = self.find(row, turn)?;
        let state = &self.markets[market as usize];
        if state.is(SPECIAL) {
            return self.replace_special(market, row, turn);
        }
        if row.stop != NULL {
            return Err(RejectReason::InstructionsInvalid);
        }
        if state.is(HALTED) {
            return Err(RejectReason::MarketHalted);
        }
        let market_id = state.id;
        let (side, old) = kept!(self.store, kept, |layout| (layout.side(place), layout.resting(place)), {
            return Err(RejectReason::UnknownOrder);
        });
        let price = if row.price == NULL { old.price } else { row.price as i32 };
        let quantity = if row.quantity == NULL { old.quantity } else { row.quantity as u32 };
        let mut incoming = Incoming { id: old.id, side, limit: price, open: quantity, owner: old.owner };
        self.unmet(market, &mut incoming, Some(price), row.flags, turn)?;
        let price = incoming.limit;
        turn.admission.admit(&Request {
            market: market_id,
            order: old.id,
            participant: self.desk.owners.participant(old.owner),
            side,
            price: Some(i64::from(price)),
            quantity: i64::from(quantity),
            replaces: Some((i64::from(old.price), i64::from(old.quantity))),
        })?;
        let mut out = turn.out(&mut self.desk, market);
        out.emit(Kind::Replaced, old.id, NULL, price, quantity, quantity, 0, side);
        if price == old.price && quantity < old.quantity {
            kept!(self.store, kept, |layout| layout.take(place, old.quantity - quantity), {});
            return Ok(market);
        }
        kept!(self.store, kept, |layout| layout.remove(place), {});
        let erases = self.trade(market, &mut incoming, turn);
        self.put_back(market, incoming, old.expiry, erases, turn);
        Ok(market)
    }

    /// Trades an order with those that rest in a plain market; says whether the book is to be erased.
    pub(super) fn trade<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        incoming: &mut Incoming,
        turn: &mut Turn<'_, A, ALL>,
    ) -> bool {
        let (kept, rules) = (self.markets[market as usize].kept, &self.rules);
        let mut out = turn.out(&mut self.desk, market);
        kept!(self.store, kept, |layout| incoming.trade(layout, rules, &mut out), false)
    }

    /// What is left of an order of a plain market that was taken out to be replaced, and has traded.
    pub(super) fn put_back<A: Admission, const ALL: bool>(
        &mut self,
        market: u32,
        mut incoming: Incoming,
        expiry: u32,
        erases: bool,
        turn: &mut Turn<'_, A, ALL>,
    ) {
        let Incoming { id, limit, .. } = incoming;
        let mut out = turn.out(&mut self.desk, market);
        if incoming.open > 0 && erases {
            incoming.give_up(limit, RejectReason::BookErased, &mut out);
        }
        if incoming.open > 0 {
            let handle = self.rest(market, &incoming, limit, expiry);
            self.desk.ids.set(id, handle);
        } else {
            out.gone(id, expiry);
        }
        if erases {
            self.erase(market, turn);
        }
    }

    #[cold]
    fn mass_cancel<A: Admission, const ALL: bool>(
        &mut self,
        row: &Row,
        turn: &mut Turn<'_, A, ALL>,
    ) -> Result<u32, RejectReason> {
        let market = self.find_market(row, turn)?;
        let owner = self.desk.owners.code(row.participant);
        if self.markets[market as usize].is(SPECIAL) {
            let takes = |order: &Seen| row.participant == NULL || order.owner == owner;
            self.floor(market, turn).clear(Kind::Cancelled, 0, takes);
            return Ok(market);
        }
        let takes = |resting: &Resting| row.participant == NULL || resting.owner == owner;
        self.clear_plain(market, Kind::Cancelled, 0, takes, turn);
        Ok(market)
    }

    pub(super) fn find_market<A: Admission, const ALL: bool>(
        &mut self,
        row: &Row,
        turn: &Turn<'_, A, ALL>,
    ) -> Result<u32, RejectReason> {
        if row.market == NULL {
            return Err(RejectReason::IdMissing);
        }
        if !turn.has_time {
            return Err(RejectReason::TimeMissing);
        }
        let market = self.market_place(row.market);
        if self.markets[market as usize].is(CLOSED) { Err(RejectReason::MarketClosed) } else { Ok(market) }
    }
}
