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
}

impl RejectReason {
    /// Every reason, in precedence.
    pub const ALL: [Self; 13] = [
        Self::UnknownSide,
        Self::UnknownType,
        Self::PriceMissing,
        Self::PriceOffGrid,
        Self::PriceOutOfRange,
        Self::QuantityMissing,
        Self::QuantityOffGrid,
        Self::QuantityOutOfRange,
        Self::IdMissing,
        Self::TimeMissing,
        Self::DuplicateOrder,
        Self::NoReferencePrice,
        Self::CreditExceeded,
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
        }
    }
}
