//! What happened, one row an event.

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A new order was taken: it trades, then rests, if there is anything left that may.
    Accepted = 0,
    /// A command was refused and changed nothing.
    Rejected = 1,
    /// `order` came in and traded with `counter`, which rested, at `counter`'s price.
    Trade = 2,
    /// An order is gone because all of it traded.
    Filled = 3,
    /// `quantity` lots were taken out of an order, which is gone if none remain, and keeps its place if some do.
    Cancelled = 4,
    /// An order is gone because its time is over, or that of its market.
    Expired = 5,
    /// An order has another price or quantity, or shows other lots: `quantity` is what it shows, 0 where it stands beside or
    /// outside the book. At its price of before with fewer lots open it keeps its place, and where a call left it a part,
    /// `counter` being whom it met last; else it is last.
    Replaced = 6,
    /// A stop order went off, and comes in.
    Triggered = 7,
    /// A market was halted (`quantity` 0), goes on (1) or is in a call (2).
    Phase = 8,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Rejected,
        Self::Trade,
        Self::Filled,
        Self::Cancelled,
        Self::Expired,
        Self::Replaced,
        Self::Triggered,
        Self::Phase,
    ];

    /// Its name in the `kind` column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Trade => "trade",
            Self::Filled => "filled",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::Triggered => "triggered",
            Self::Phase => "phase",
        }
    }
}

/// [`Event::price`] where there is none.
pub const NO_PRICE: i32 = i32::MIN;
/// [`Event::command`] of what no command did, [`Event::market`] of an order that is nowhere.
pub const NOWHERE: u32 = u32::MAX;

/// One event. Its sequence number is its place in the list plus [`Events::first_seq`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The order that it is about; [`super::NULL`] where it is about none.
    pub order: i64,
    /// The order that rested, of a trade; the other one, of self-trade prevention, of fills and of what a call leaves; else
    /// [`super::NULL`].
    pub counter: i64,
    /// Ticks, or [`NO_PRICE`].
    pub price: i32,
    /// Lots that were accepted, traded, cancelled, expired, or that an order shows from now on.
    pub quantity: u32,
    /// Lots that `order` has open afterwards.
    pub remaining: u32,
    /// Row of the command, or [`NOWHERE`].
    pub command: u32,
    /// Place of the market in the book's list of markets, or [`NOWHERE`].
    pub market: u32,
    /// Reject code; of a cancellation or expiry, why; 0 = because the command, or the order itself, says so.
    pub reject: u16,
    /// What happened.
    pub kind: Kind,
    /// Side of `order`, 1 = buy, 0 = sell, [`super::NO_SIDE`] where it is about none.
    pub side: u8,
}

/// Which events are kept. All of them are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Want {
    /// All.
    #[default]
    Events,
    /// Trades alone.
    Trades,
}

/// Events in the order in which they happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// What is kept.
    pub rows: Vec<Event>,
    /// Number of the first event of the call.
    pub first_seq: u64,
    /// How many events the call had, kept or not.
    pub count: u64,
}

impl Events {
    /// The trades: events of kind [`Kind::Trade`].
    pub fn trades(&self) -> impl Iterator<Item = &Event> {
        self.rows.iter().filter(|event| event.kind == Kind::Trade)
    }

    #[inline(always)]
    pub(super) fn push<const ALL: bool>(&mut self, event: Event) {
        self.count += 1;
        if ALL || event.kind == Kind::Trade {
            self.rows.push(event);
        }
    }
}
