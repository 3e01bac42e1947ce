//! Why an order was refused: one stable code an order, in fixed precedence.

/// The reason why an order takes no part in its market.
///
/// The numbers are a public contract: they never change meaning and never move. An order with several faults gets
/// the one that stands first here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum RejectReason {
    /// `side` is null or names neither side.
    UnknownSide = 1,
    /// `type` is null or is neither `limit` nor `market`.
    UnknownType = 2,
    /// `price` is null or NaN and the order is no market order.
    PriceMissing = 3,
    /// `price` is no whole number of ticks in the declared units.
    PriceOffGrid = 4,
    /// `price` is outside −2³¹ < price < 2³¹ ticks.
    PriceOutOfRange = 5,
    /// `quantity` is null or NaN.
    QuantityMissing = 6,
    /// `quantity` is no whole number of lots in the declared units.
    QuantityOffGrid = 7,
    /// `quantity` is outside 1 ≤ quantity < 2³¹ lots.
    QuantityOutOfRange = 8,
    /// `market`, `order` or `participant` is null.
    IdMissing = 9,
    /// `time` is null.
    TimeMissing = 10,
    /// Another order of the same market carries the same id; all of them are refused, so that no row order matters.
    DuplicateOrder = 11,
    /// A market order in a market without any limit order: nothing says what it is worth.
    NoReferencePrice = 12,
    /// The participant's cover does not reach the order's worst case (settlement).
    CreditExceeded = 13,
    /// A limit order's `price` is outside the caps of the mechanism.
    PriceOutsideCaps = 14,
    /// `min_quantity` is outside 0 ≤ `min_quantity` ≤ quantity, or no whole number of lots.
    MinQuantityOutOfRange = 15,
    /// The participant stands on both sides of the market; all its orders there are refused.
    BothSides = 16,
    /// The participant has more than one order in the market; all of them are refused.
    SeveralOrders = 17,
    /// `quantity` is not the unit that every order of this mechanism trades.
    NotOneUnit = 18,
    /// `start_price` is beyond the order's limit, out of range, or no whole number of ticks.
    StartBeyondLimit = 19,
    /// The block that the order is a part of cannot be read as one.
    BlockInvalid = 20,
    /// The participant's account is closed, or owes what is overdue or was written off (settlement).
    AccountBlocked = 21,
    /// `op` is null or no command of an order book.
    UnknownOp = 22,
    /// `tif` is null or none of `gtc`, `ioc`, `fok`, `gtt`.
    UnknownTif = 23,
    /// `flags`, `type`, `tif` and `expires` contradict each other, or a flag is unknown.
    InstructionsInvalid = 24,
    /// `expires` is missing from a good-till-time order, or is not after the book's clock.
    ExpiryInvalid = 25,
    /// No order of this id rests, or not in the market or for the participant that the command names.
    UnknownOrder = 26,
    /// The market's gate has closed.
    MarketClosed = 27,
    /// The market is halted.
    MarketHalted = 28,
    /// The order is post-only and would trade at once.
    WouldTrade = 29,
    /// What is left of an order that does not rest, or a fill-or-kill order that cannot be filled.
    NotFilled = 30,
    /// Bid and ask are of one participant, and the book's rule takes lots out instead of trading them.
    SelfTrade = 31,
    /// The book is erased after every trade, as its rules say.
    BookErased = 32,
    /// The gate of the slot has not opened yet (exchange).
    GateNotOpen = 33,
    /// The participant has no account (exchange).
    UnknownParticipant = 34,
    /// Its participant took the order back before the gate closed (exchange).
    Cancelled = 35,
    /// The network operator does not allow the order.
    NetworkVeto = 36,
    /// `display` is outside 1 ≤ `display` ≤ quantity, less than a thousandth of it, or no whole number of lots.
    DisplayInvalid = 37,
    /// `stop` is no price: no whole number of ticks, or out of range.
    StopInvalid = 38,
    /// `peg` is none of `best` and `mid`, or `offset` is no whole number of ticks from 0 on.
    PegInvalid = 39,
    /// `phase` is none of the phases of a market.
    UnknownPhase = 40,
    /// The market is in a call, and the order is there to trade at once.
    NotInPhase = 41,
}

impl RejectReason {
    /// Every reason, in precedence.
    pub const ALL: [Self; 41] = [
        Self::UnknownOp,
        Self::UnknownSide,
        Self::UnknownType,
        Self::UnknownTif,
        Self::UnknownPhase,
        Self::PriceMissing,
        Self::PriceOffGrid,
        Self::PriceOutOfRange,
        Self::QuantityMissing,
        Self::QuantityOffGrid,
        Self::QuantityOutOfRange,
        Self::IdMissing,
        Self::TimeMissing,
        Self::PriceOutsideCaps,
        Self::MinQuantityOutOfRange,
        Self::DisplayInvalid,
        Self::StopInvalid,
        Self::PegInvalid,
        Self::NotOneUnit,
        Self::StartBeyondLimit,
        Self::InstructionsInvalid,
        Self::ExpiryInvalid,
        Self::GateNotOpen,
        Self::MarketClosed,
        Self::UnknownParticipant,
        Self::DuplicateOrder,
        Self::UnknownOrder,
        Self::MarketHalted,
        Self::NotInPhase,
        Self::NoReferencePrice,
        Self::BothSides,
        Self::SeveralOrders,
        Self::BlockInvalid,
        Self::WouldTrade,
        Self::NetworkVeto,
        Self::AccountBlocked,
        Self::CreditExceeded,
        Self::NotFilled,
        Self::SelfTrade,
        Self::BookErased,
        Self::Cancelled,
    ];

    /// The number that result frames carry; 0 means accepted.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The stable name of the reason.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownSide => "unknown_side",
            Self::UnknownType => "unknown_type",
            Self::PriceMissing => "price_missing",
            Self::PriceOffGrid => "price_off_grid",
            Self::PriceOutOfRange => "price_out_of_range",
            Self::QuantityMissing => "quantity_missing",
            Self::QuantityOffGrid => "quantity_off_grid",
            Self::QuantityOutOfRange => "quantity_out_of_range",
            Self::IdMissing => "id_missing",
            Self::TimeMissing => "time_missing",
            Self::DuplicateOrder => "duplicate_order",
            Self::NoReferencePrice => "no_reference_price",
            Self::CreditExceeded => "credit_exceeded",
            Self::PriceOutsideCaps => "price_outside_caps",
            Self::MinQuantityOutOfRange => "min_quantity_out_of_range",
            Self::BothSides => "both_sides",
            Self::SeveralOrders => "several_orders",
            Self::NotOneUnit => "not_one_unit",
            Self::StartBeyondLimit => "start_beyond_limit",
            Self::BlockInvalid => "block_invalid",
            Self::AccountBlocked => "account_blocked",
            Self::UnknownOp => "unknown_op",
            Self::UnknownTif => "unknown_tif",
            Self::InstructionsInvalid => "instructions_invalid",
            Self::ExpiryInvalid => "expiry_invalid",
            Self::UnknownOrder => "unknown_order",
            Self::MarketClosed => "market_closed",
            Self::MarketHalted => "market_halted",
            Self::WouldTrade => "would_trade",
            Self::NotFilled => "not_filled",
            Self::SelfTrade => "self_trade",
            Self::BookErased => "book_erased",
            Self::GateNotOpen => "gate_not_open",
            Self::UnknownParticipant => "unknown_participant",
            Self::Cancelled => "cancelled",
            Self::NetworkVeto => "network_veto",
            Self::DisplayInvalid => "display_invalid",
            Self::StopInvalid => "stop_invalid",
            Self::PegInvalid => "peg_invalid",
            Self::UnknownPhase => "unknown_phase",
            Self::NotInPhase => "not_in_phase",
        }
    }

    /// What is wrong and what to do, in one line.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::UnknownSide => "side must be buy/sell, bid/ask/offer, true/false or 1/0",
            Self::UnknownType => "type must be limit or market",
            Self::PriceMissing => "give a price, or type=\"market\"",
            Self::PriceOffGrid => "round the price to a whole tick, or declare finer units",
            Self::PriceOutOfRange => "keep |price| below 2^31 ticks, or declare coarser units",
            Self::QuantityMissing => "give a quantity",
            Self::QuantityOffGrid => "round the quantity to a whole lot, or declare finer units",
            Self::QuantityOutOfRange => "keep quantity between 1 and 2^31-1 lots, or declare coarser units",
            Self::IdMissing => "give every order a market, order and participant id, or leave the column out",
            Self::TimeMissing => "give every order a time, or leave the column out",
            Self::DuplicateOrder => "give every order of a market its own id",
            Self::NoReferencePrice => "a market order needs at least one limit order in its market",
            Self::CreditExceeded => "deposit more, or order less",
            Self::AccountBlocked => "repay what is overdue first; a closed account takes no orders",
            Self::PriceOutsideCaps => "keep the price between cap_low and cap_high of the mechanism",
            Self::MinQuantityOutOfRange => "keep min_quantity between 0 (none) and the order's quantity, in whole lots",
            Self::BothSides => "give bids or asks of one participant in a market, not both, or net them first",
            Self::SeveralOrders => "give one order a participant and market; Vickrey and Muda take several",
            Self::NotOneUnit => {
                "give every order the quantity `unit` of the mechanism, 1 lot by default; Huang, Vickrey and Muda take any"
            }
            Self::StartBeyondLimit => "open a bid at or below its limit and an ask at or above it",
            Self::BlockInvalid => {
                "give a block one sound order a market at most, one parent and one exclusive group, and parents that exist"
            }
            Self::UnknownOp => "op must be new, cancel, reduce, replace, mass_cancel, halt, resume or phase",
            Self::UnknownTif => "tif must be gtc, ioc, fok or gtt",
            Self::InstructionsInvalid => {
                "post_only, slide, display and peg need a limit order that may rest and has no minimum, expires needs tif=\"gtt\""
            }
            Self::ExpiryInvalid => "give a good-till-time order an expires after the book's clock",
            Self::UnknownOrder => "name an order that rests, in its own market and by its own participant",
            Self::MarketClosed => "the gate of this market has closed; trade another product",
            Self::MarketHalted => "wait until the market resumes; cancels and reductions are taken meanwhile",
            Self::WouldTrade => "price a post-only order off the other side's best, or leave post_only out",
            Self::NotFilled => "the other side had no more at this price; nothing of the rest is kept",
            Self::SelfTrade => "the other side's order is the participant's own; see the book's self_trade rule",
            Self::BookErased => "the book starts anew after every trade; send the order again",
            Self::GateNotOpen => "the gate of this slot has not opened yet; send the order once it has",
            Self::UnknownParticipant => "open an account for the participant first",
            Self::Cancelled => "its participant took it back; send another one if that was a mistake",
            Self::NetworkVeto => {
                "the network operator does not allow this order; ask it, or trade in another slot or zone"
            }
            Self::DisplayInvalid => {
                "show from a thousandth of the order's quantity up to all of it, or leave display out"
            }
            Self::StopInvalid => "give stop as a price in whole ticks below 2^31",
            Self::UnknownPhase => "phase must be pre_open, continuous or halted",
            Self::NotInPhase => {
                "in a call orders wait: give a limit order that rests, or send it once the market trades"
            }
            Self::PegInvalid => "peg must be best or mid, and offset a whole number of ticks from 0 on",
        }
    }
}
