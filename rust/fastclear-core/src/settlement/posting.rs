//! One posting: the unit of account of the whole house, and the only thing that changes an account.

/// What a posting is. The numbers are the record kinds of the ledger format (`docs/4_ledger.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// The energy payment of one trade.
    Trade = 1,
    /// Cover set aside for an order (pending, not posted).
    Reserve = 2,
    /// A reservation drawn: `amount` is posted, the rest released. `group` names the reserve record.
    Post = 3,
    /// A reservation released whole. `group` names the reserve record.
    Void = 4,
    /// Money enters from the boundary account.
    Deposit = 5,
    /// Money leaves to the boundary account.
    Withdrawal = 6,
    /// A credit limit is set to `amount`.
    Limit = 7,
    /// The net of a settlement cycle.
    Net = 8,
    /// A meter reading (`quantity`; no money).
    Meter = 9,
    /// Energy between metered and traded, priced by the imbalance policy.
    Imbalance = 10,
    /// A fee line.
    Fee = 11,
    /// A tax line.
    Tax = 12,
    /// An origin certificate.
    Certificate = 13,
    /// A correction of an earlier record.
    Correction = 14,
    /// A market opened.
    MarketOpened = 15,
    /// An account opened.
    AccountOpened = 16,
    /// A change of membership.
    Membership = 17,
    /// A change of parameters.
    Parameter = 18,
    /// A dispute.
    Dispute = 19,
}

impl Kind {
    /// Every kind, by number.
    pub const ALL: [Self; 19] = [
        Self::Trade,
        Self::Reserve,
        Self::Post,
        Self::Void,
        Self::Deposit,
        Self::Withdrawal,
        Self::Limit,
        Self::Net,
        Self::Meter,
        Self::Imbalance,
        Self::Fee,
        Self::Tax,
        Self::Certificate,
        Self::Correction,
        Self::MarketOpened,
        Self::AccountOpened,
        Self::Membership,
        Self::Parameter,
        Self::Dispute,
    ];

    /// The stable name of the kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trade => "trade",
            Self::Reserve => "reserve",
            Self::Post => "post",
            Self::Void => "void",
            Self::Deposit => "deposit",
            Self::Withdrawal => "withdrawal",
            Self::Limit => "limit",
            Self::Net => "net",
            Self::Meter => "meter",
            Self::Imbalance => "imbalance",
            Self::Fee => "fee",
            Self::Tax => "tax",
            Self::Certificate => "certificate",
            Self::Correction => "correction",
            Self::MarketOpened => "market_opened",
            Self::AccountOpened => "account_opened",
            Self::Membership => "membership",
            Self::Parameter => "parameter",
            Self::Dispute => "dispute",
        }
    }

    /// The kind with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Trade,
            2 => Self::Reserve,
            3 => Self::Post,
            4 => Self::Void,
            5 => Self::Deposit,
            6 => Self::Withdrawal,
            7 => Self::Limit,
            8 => Self::Net,
            9 => Self::Meter,
            10 => Self::Imbalance,
            11 => Self::Fee,
            12 => Self::Tax,
            13 => Self::Certificate,
            14 => Self::Correction,
            15 => Self::MarketOpened,
            16 => Self::AccountOpened,
            17 => Self::Membership,
            18 => Self::Parameter,
            19 => Self::Dispute,
            _ => return None,
        })
    }
}

/// One posting with its place in the history. Fields a kind does not use are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// What it is.
    pub kind: Kind,
    /// Flag bits; see the ledger format.
    pub flags: u8,
    /// Reason, fee or tax line.
    pub code: u16,
    /// Asset: 0 is money in nano-currency.
    pub asset: u16,
    /// Position in the whole history, dense from 0.
    pub seq: u64,
    /// Engine time in ns, strictly rising with `seq`.
    pub time_ns: u64,
    /// Market of the trade or order.
    pub market: u64,
    /// Buy order.
    pub buy_order: u64,
    /// Sell order.
    pub sell_order: u64,
    /// Account that pays.
    pub debit: u64,
    /// Account that receives.
    pub credit: u64,
    /// Energy in lots (Wh).
    pub quantity: i64,
    /// Price in ticks.
    pub price: i64,
    /// Money in nano-currency, never negative.
    pub amount: i64,
    /// `seq` of the posting this one belongs to, posts, voids or corrects; its own `seq` where it stands alone.
    pub group: u64,
}
