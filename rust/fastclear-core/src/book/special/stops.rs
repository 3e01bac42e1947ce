//! Orders that wait until the market's last price comes to their stop.

use super::super::command::NULL;
use super::super::event::Kind;
use super::super::rules::Admission;
use super::floor::Floor;
use super::rich::{Rich, Stands};

impl<A: Admission, const ALL: bool> Floor<'_, A, ALL> {
    /// Puts an order outside until its stop is reached, which it may be already.
    pub fn wait(&mut self, id: i64, mut rich: Rich) {
        rich.stands = Stands::Waiting;
        self.stands_at(id, self.aside(), self.knows(id));
        self.out.emit(Kind::Replaced, id, NULL, rich.price(), 0, rich.open, 0, rich.side);
        self.special.rich.insert(id, rich);
        // Whoever waits already was looked at when the last price came about; so this sets off the new one alone.
        if let Some(last) = self.special.last_price {
            self.special.rich.set_off(last);
        }
    }

    /// Lets in what was set off so far, in the order in which it was taken, until a call begins. Says whether it was any.
    pub fn trigger(&mut self) -> bool {
        let due = self.special.rich.due();
        for &id in &due {
            if self.is_in_call() {
                break;
            }
            if let Some(mut rich) = self.special.rich.remove(id) {
                rich.terms.stop = None;
                self.out.emit(Kind::Triggered, id, NULL, rich.price(), rich.open, rich.open, 0, rich.side);
                self.come_in(id, rich, rich.terms.limit, NULL);
            }
        }
        !due.is_empty()
    }
}
