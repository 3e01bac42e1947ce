//! How a book trades, and who may stop an order at its door.

use crate::reject::RejectReason;

use super::event::Event;

/// What happens where bid and ask are of one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum SelfTrade {
    /// They trade.
    #[default]
    Off = 0,
    /// The order that rests is cancelled, and the one that comes in goes on.
    CancelResting = 1,
    /// What is left of the order that comes in is cancelled.
    CancelIncoming = 2,
    /// Both are cancelled, the one that rests first.
    CancelBoth = 3,
    /// The lots of the smaller one are taken out of both.
    Decrement = 4,
}

impl SelfTrade {
    /// Every rule, by code.
    pub const ALL: [Self; 5] =
        [Self::Off, Self::CancelResting, Self::CancelIncoming, Self::CancelBoth, Self::Decrement];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::CancelResting => "cancel_resting",
            Self::CancelIncoming => "cancel_incoming",
            Self::CancelBoth => "cancel_both",
            Self::Decrement => "decrement",
        }
    }
}

/// Most orders a side that the small layout holds.
pub const SMALL_MAX: usize = super::small::SLOTS;

/// The rules of all markets of an order book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What happens where bid and ask are of one participant.
    pub self_trade: SelfTrade,
    /// Whether both sides of a market are erased after every trade, as in the experiments of Gode and Sunder (1993).
    pub erase_after_trade: bool,
    /// Orders a side from which on a market is kept as a ladder, up to [`SMALL_MAX`]; 0 = always. No result depends on it.
    pub small_max: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self { self_trade: SelfTrade::Off, erase_after_trade: false, small_max: SMALL_MAX }
    }
}

/// A new order, or one that is to replace another, at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Market id.
    pub market: i64,
    /// Order id.
    pub order: i64,
    /// Participant id, [`super::NULL`] of an order that is nobody's.
    pub participant: i64,
    /// 1 = buy, 0 = sell.
    pub side: u8,
    /// Limit in ticks; `None` of a market order that takes any price.
    pub price: Option<i64>,
    /// Lots.
    pub quantity: i64,
    /// Price and open lots of the order that it replaces.
    pub replaces: Option<(i64, i64)>,
}

/// Who may stop an order: limits of positions, credit. The book knows nothing of money; whoever composes it with accounts
/// gives it one of these.
pub trait Admission {
    /// Whether it can refuse anything, or looks at what it is told. One that does neither need not be asked row by row.
    const HAS_A_WORD: bool = true;

    /// Whether plain rows of one market may go in one loop. It is asked and told the same, but may be asked twice about an order
    /// that it refuses.
    const GOES_STRAIGHT: bool = !Self::HAS_A_WORD;

    /// Asked last, of a command that the book itself would take.
    ///
    /// # Errors
    /// The reason for which the order is refused: nothing happens then.
    fn admit(&mut self, request: &Request) -> Result<(), RejectReason>;

    /// Told every event, as it happens, whether it is kept or not.
    fn seen(&mut self, event: &Event);

    /// A call begins.
    fn begin(&mut self) {}

    /// The call that began is over.
    fn end(&mut self) {}
}

/// Lets everybody in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everybody;

impl Admission for Everybody {
    const HAS_A_WORD: bool = false;

    #[inline]
    fn admit(&mut self, _: &Request) -> Result<(), RejectReason> {
        Ok(())
    }

    #[inline]
    fn seen(&mut self, _: &Event) {}
}
