//! A book, and who may stop an order at its door.

use fastclear_core::book::{Commands, Door, Events, Everybody, OrderBook, Placed, Record, Single, Step, Want};
use fastclear_core::order::ColumnsError;

/// A book with its door, if it has one. Nothing here needs Python.
#[derive(Clone)]
pub struct State {
    pub book: OrderBook,
    /// Of a book whose trades are settled, or whose participants are covered; any other lets everybody in.
    pub door: Option<Box<Door>>,
}

impl State {
    /// Obeys commands; gives what the call was about, too, of a book that knows whose its orders are.
    pub fn obey(&mut self, commands: &Commands<'_>, want: Want) -> Result<(Events, Option<Record>), ColumnsError> {
        match &mut self.door {
            None => self.book.apply(commands, want).map(|events| (events, None)),
            Some(door) => self
                .book
                .apply_admitted(commands, want, door.as_mut())
                .map(|events| (events, Some(door.take_record(commands.time)))),
        }
    }

    /// Lets agents act.
    pub fn step(&mut self, actions: &Commands<'_>, seed: u64, replaces: bool) -> Result<Step, String> {
        self.door()?;
        let Self { book, door } = self;
        book.step(actions, seed, replaces, door.get_or_insert_default()).map_err(|error| error.to_string())
    }

    /// Takes one order. Its record comes with that of the next call that returns events.
    pub fn place(&mut self, order: &Single) -> Placed {
        match &mut self.door {
            None => self.book.place(order),
            Some(door) => {
                let placed = self.book.place_admitted(order, door.as_mut());
                door.stamp(None);
                placed
            }
        }
    }

    /// As [`Self::place`], of the only row of its columns.
    pub fn place_row(&mut self, order: &Commands<'_>) -> Result<Placed, ColumnsError> {
        match &mut self.door {
            None => self.book.place_row(order, &mut Everybody),
            Some(door) => {
                let placed = self.book.place_row(order, door.as_mut());
                door.stamp(None);
                placed
            }
        }
    }

    /// Lets time go by.
    pub fn advance(&mut self, now: i64) -> (Events, Option<Record>) {
        match &mut self.door {
            None => (self.book.advance(now, &mut Everybody), None),
            Some(door) => {
                let events = self.book.advance(now, door.as_mut());
                (events, Some(door.take_record(None)))
            }
        }
    }

    /// The door, which a book gets only while it has seen no order.
    pub fn door(&mut self) -> Result<&mut Door, &'static str> {
        if self.door.is_none() && (!self.book.is_empty() || self.book.next_seq() > 0) {
            return Err("this book does not know whose its orders are; make it with fc.OrderBook(settles=True)");
        }
        Ok(self.door.get_or_insert_default())
    }
}
