//! How orders come in to a special market, and come to rest there.

use super::super::command::NULL;
use super::super::event::{Kind, NO_PRICE};
use super::super::expiry::NEVER;
use super::super::layout::Resting;
use super::super::matching::Incoming;
use super::super::rules::Admission;
use super::floor::Floor;
use super::rich::{Rich, Stands};
use super::terms::Terms;
use super::walk::Met;
use crate::reject::RejectReason;

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    /// A new order that is taken: it waits for its stop, or comes in.
    pub fn take_in(&mut self, id: i64, mut rich: Rich, until: i64) {
        let (price, open) = (rich.price(), rich.open);
        self.out.emit(Kind::Accepted, id, NULL, price, open, open, 0, rich.side);
        rich.turn = self.special.next_turn();
        if rich.terms.stop.is_some() {
            self.expires(id, &mut rich, until);
            self.wait(id, rich);
        } else if rich.terms.peg.is_some() {
            self.expires(id, &mut rich, until);
            self.put_peg(id, rich);
        } else {
            self.come_in(id, rich, rich.terms.limit, until);
        }
    }

    /// Gives an order that is to stay its time, if it has none yet.
    fn expires(&mut self, id: i64, rich: &mut Rich, until: i64) {
        if until != NULL && rich.expiry == NEVER {
            rich.expiry = self.out.desk.expiries.insert(until, id);
        }
    }

    /// An order that is nowhere in the market trades, then rests at its limit, if there is anything left that may.
    pub fn come_in(&mut self, id: i64, mut rich: Rich, limit: Option<i32>, until: i64) {
        let (side, owner, terms) = (rich.side, rich.owner, rich.terms);
        // Of an order without a limit the collar is the protection.
        let limit_now = limit.or(self.special.collar.worst(side));
        let worst = limit_now.unwrap_or(terms.worst(side));
        let mut incoming = Incoming { id, side, limit: worst, open: rich.open, owner };
        let Met { erases, fires } = self.meet_others(&mut incoming, &terms);
        rich.open = incoming.open;
        if fires {
            self.set_in_call(true); // before what is left of it rests, which crosses the book
        }
        if rich.open > 0 && terms.peg.is_some() && !erases && !self.special.allows(worst) {
            // Its own first trade was the breaker's reference, from which its price is too far.
            self.put_peg(id, rich);
        } else if rich.open > 0 && terms.rests && !erases {
            self.expires(id, &mut rich, until);
            self.rest(id, rich, worst);
        } else {
            if rich.open > 0 {
                let reason = if erases { RejectReason::BookErased } else { RejectReason::NotFilled };
                incoming.give_up(limit.unwrap_or(NO_PRICE), reason, &mut self.out);
            }
            if self.knows(id) {
                self.forget(id, rich.expiry);
            } else {
                self.out.desk.expiries.remove(rich.expiry);
            }
        }
        if erases {
            self.erase();
        }
        if fires {
            self.pause();
        }
    }

    /// Trades an order that comes in, as far as the phase, the breaker and what it asks for let it: nothing in a call, and
    /// nothing where it would not get its minimum. The breaker fires where only it keeps the order from that.
    fn meet_others(&mut self, incoming: &mut Incoming, terms: &Terms) -> Met {
        if self.is_in_call() {
            return Met::default();
        }
        if terms.is_fok || terms.is_conditional() {
            let wanted = if terms.is_fok { incoming.open } else { terms.least(incoming.open) };
            if !self.reaches(incoming, wanted, None) {
                return Met::default();
            }
            if !self.reaches(incoming, wanted, self.special.breaker) {
                return Met { erases: false, fires: true };
            }
        }
        self.trade(incoming, terms.peg.is_some())
    }

    /// Comes to rest, shown as far as it is to be.
    fn rest(&mut self, id: i64, mut rich: Rich, price: i32) {
        let (open, side, known) = (rich.open, rich.side, self.knows(id));
        let shown = if rich.terms.is_conditional() {
            rich.turn = self.special.next_turn();
            rich.stands = Stands::Conditional;
            self.stands_at(id, self.aside(), known);
            0
        } else {
            let shown = rich.terms.display.min(open);
            rich.stands = Stands::Shown;
            let handle = self.insert(side, &Resting { quantity: shown, ..rich.resting(id, price) });
            self.stands_at(id, handle, known);
            shown
        };
        if !rich.terms.rests_plain() {
            self.special.rich.insert(id, rich);
        }
        self.special.entered(side, price);
        if shown < open {
            self.out.emit(Kind::Replaced, id, NULL, price, shown, open, 0, side);
        }
    }

    /// Erases the market but for what waits for its stop.
    pub fn erase(&mut self) {
        let code = RejectReason::BookErased.code();
        self.clear(Kind::Cancelled, code, |order| order.stands != Stands::Waiting);
    }
}
