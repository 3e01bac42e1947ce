//! What an exchange answers: a status, events as rows of one width, postings, and what a block or a cycle adds.
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | u8 | version 1 |
//! | 1 | u8 | flags: 1 repeated, 2 digest, 4 header, 8 leaves |
//! | 2 | u16 | status, 0 = done |
//! | 4 | u32 × 6 | bytes of the message, events, postings, cycle lines, records, order leaves |
//! | 28 | | message (UTF-8), events, postings (as records of the ledger), cycle lines, digest, header, records, orders |
//!
//! An event is 72 bytes: u8 kind, u8 detail, u16 code, u32 row, u64 market, order, counter order, account, then i64
//! price, counter price, quantity, amount. A cycle line is u64 account and four i128.

use super::command::VERSION;
use crate::bytes::{Malformed, Reader, put_count};
use crate::ledger::header::HEADER_LEN;
use crate::ledger::order_leaf::ORDER_ENTRY_LEN;
use crate::ledger::record::{self, RECORD_ENTRY_LEN, RECORD_LEN};
use crate::ledger::{Hash, Header};
use crate::settlement::bank::CycleLine;
use crate::settlement::posting::Posting;

/// Bytes of an event.
pub const EVENT_LEN: usize = 72;
const CYCLE_LINE_LEN: usize = 72;
const REPEATED: u8 = 1;
const DIGEST: u8 = 2;
const HEADER: u8 = 4;
const LEAVES: u8 = 8;

/// Why a command was refused; the numbers are a public contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[non_exhaustive]
pub enum Status {
    /// It was done.
    Done = 0,
    /// The bytes are no command.
    Malformed = 1,
    /// Its idempotency key was used for something else.
    KeyReused = 2,
    /// The engine time is past 2⁶³ ns.
    TimeOutOfRange = 3,
    /// A name is open already, or given twice.
    NameTaken = 4,
    /// No slot starts there.
    NotASlot = 5,
    /// The gate has not come to its end yet.
    GateOpen = 6,
    /// The gate is closed already.
    GateClosed = 7,
    /// The gate must be closed first.
    GateNotClosed = 8,
    /// The slot is settled already.
    SlotSettled = 9,
    /// The slot must be settled first.
    SlotNotSettled = 10,
    /// The slot is sealed already.
    SlotSealed = 11,
    /// A reading is out of range.
    ReadingOutOfRange = 12,
    /// The bank refuses.
    Settlement = 13,
    /// The ledger refuses.
    Ledger = 14,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 15] = [
        Self::Done,
        Self::Malformed,
        Self::KeyReused,
        Self::TimeOutOfRange,
        Self::NameTaken,
        Self::NotASlot,
        Self::GateOpen,
        Self::GateClosed,
        Self::GateNotClosed,
        Self::SlotSettled,
        Self::SlotNotSettled,
        Self::SlotSealed,
        Self::ReadingOutOfRange,
        Self::Settlement,
        Self::Ledger,
    ];

    /// The stable name of the status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Malformed => "malformed",
            Self::KeyReused => "key_reused",
            Self::TimeOutOfRange => "time_out_of_range",
            Self::NameTaken => "name_taken",
            Self::NotASlot => "not_a_slot",
            Self::GateOpen => "gate_open",
            Self::GateClosed => "gate_closed",
            Self::GateNotClosed => "gate_not_closed",
            Self::SlotSettled => "slot_settled",
            Self::SlotNotSettled => "slot_not_settled",
            Self::SlotSealed => "slot_sealed",
            Self::ReadingOutOfRange => "reading_out_of_range",
            Self::Settlement => "settlement",
            Self::Ledger => "ledger",
        }
    }
}

/// What happened to one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum EventKind {
    /// An account was opened: `account`.
    Opened = 1,
    /// An order stands in the book of its slot.
    Accepted = 2,
    /// An order, or taking one back, was refused: `code` is the reject code.
    Rejected = 3,
    /// An order was taken back.
    Cancelled = 4,
    /// A market was cleared: `price` what sellers receive, `counter_price` what buyers pay (meaningful where `code` is
    /// 1), over `detail`; `quantity` its volume.
    Cleared = 5,
    /// What an order came to: `quantity` filled, `amount` paid (− received), over the same; `code` its reject code.
    Filled = 6,
    /// A trade: buy `order`, sell `counter_order`, `price` of the buyer, `counter_price` of the seller (what they pay and
    /// receive in all where `code` is 1), `quantity`; `account` and `amount` of the buyer.
    Trade = 7,
    /// A gate was closed: `quantity` orders stood in its book.
    GateClosed = 8,
    /// A reading was taken: `account`, `quantity`.
    Metered = 9,
    /// A slot was settled.
    Settled = 10,
    /// A cycle was closed.
    CycleClosed = 11,
    /// A block was sealed: `quantity` its height.
    Sealed = 12,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Opened,
        Self::Accepted,
        Self::Rejected,
        Self::Cancelled,
        Self::Cleared,
        Self::Filled,
        Self::Trade,
        Self::GateClosed,
        Self::Metered,
        Self::Settled,
        Self::CycleClosed,
        Self::Sealed,
    ];

    /// The stable name of the kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Cleared => "cleared",
            Self::Filled => "filled",
            Self::Trade => "trade",
            Self::GateClosed => "gate_closed",
            Self::Metered => "metered",
            Self::Settled => "settled",
            Self::CycleClosed => "cycle_closed",
            Self::Sealed => "sealed",
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as u8 == number)
    }
}

/// One row of the answer; what a kind does not use is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "see EventKind")]
pub struct Event {
    pub kind: EventKind,
    pub detail: u8,
    pub code: u16,
    /// Row of the command, of the book for what a gate came to.
    pub row: u32,
    pub market: u64,
    pub order: u64,
    pub counter_order: u64,
    pub account: u64,
    pub price: i64,
    pub counter_price: i64,
    pub quantity: i64,
    pub amount: i64,
}

impl Event {
    /// An event that says nothing but its kind.
    pub const fn new(kind: EventKind) -> Self {
        Self {
            kind,
            detail: 0,
            code: 0,
            row: 0,
            market: 0,
            order: 0,
            counter_order: 0,
            account: 0,
            price: 0,
            counter_price: 0,
            quantity: 0,
            amount: 0,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.kind as u8, self.detail]);
        out.extend(self.code.to_le_bytes());
        out.extend(self.row.to_le_bytes());
        for id in [self.market, self.order, self.counter_order, self.account] {
            out.extend(id.to_le_bytes());
        }
        for value in [self.price, self.counter_price, self.quantity, self.amount] {
            out.extend(value.to_le_bytes());
        }
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let kind = EventKind::from_number(r.u8()?).ok_or(r.fault("the kind of an event is unknown"))?;
        Ok(Self {
            kind,
            detail: r.u8()?,
            code: r.u16()?,
            row: r.u32()?,
            market: r.u64()?,
            order: r.u64()?,
            counter_order: r.u64()?,
            account: r.u64()?,
            price: r.i64()?,
            counter_price: r.i64()?,
            quantity: r.i64()?,
            amount: r.i64()?,
        })
    }
}

/// The leaf entries of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaves {
    /// Records with their salts.
    pub records: Vec<u8>,
    /// Order leaves with their salts.
    pub orders: Vec<u8>,
}

/// What an exchange answers to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whether the same command was answered before under the same key: this is that answer, without the leaves.
    pub repeated: bool,
    /// What came of it.
    pub status: Status,
    /// Why it was refused and what to do.
    pub message: String,
    /// What happened.
    pub events: Vec<Event>,
    /// The postings that were made.
    pub postings: Vec<Posting>,
    /// The accounts over a cycle that was closed.
    pub cycle: Vec<CycleLine>,
    /// Of a gate that was closed: Merkle root over its orders without salts.
    pub digest: Option<Hash>,
    /// Of a block that was sealed.
    pub header: Option<Header>,
    /// Of a block that was sealed just now.
    pub leaves: Option<Leaves>,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            repeated: false,
            status: Status::Done,
            message: String::new(),
            events: Vec::new(),
            postings: Vec::new(),
            cycle: Vec::new(),
            digest: None,
            header: None,
            leaves: None,
        }
    }
}

impl Reply {
    pub(super) fn refusal(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), ..Self::default() }
    }

    /// Whether these are the bytes of a reply that has a block's leaves.
    pub fn has_leaves(bytes: &[u8]) -> bool {
        bytes.get(1).is_some_and(|flags| flags & LEAVES != 0)
    }

    /// Appends the bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_as(self.repeated, self.leaves.as_ref(), out);
    }

    /// Appends the bytes of the answer to the same command when it is asked again.
    pub(super) fn encode_again(&self, out: &mut Vec<u8>) {
        self.encode_as(true, None, out);
    }

    fn encode_as(&self, repeated: bool, leaves: Option<&Leaves>, out: &mut Vec<u8>) {
        let flag = |there: bool, bit: u8| if there { bit } else { 0 };
        out.push(VERSION);
        out.push(
            flag(repeated, REPEATED)
                | flag(self.digest.is_some(), DIGEST)
                | flag(self.header.is_some(), HEADER)
                | flag(leaves.is_some(), LEAVES),
        );
        out.extend((self.status as u16).to_le_bytes());
        let (records, orders) = leaves
            .map_or((0, 0), |leaves| (leaves.records.len() / RECORD_ENTRY_LEN, leaves.orders.len() / ORDER_ENTRY_LEN));
        for count in [self.message.len(), self.events.len(), self.postings.len(), self.cycle.len(), records, orders] {
            put_count(out, count);
        }
        out.extend(self.message.as_bytes());
        self.events.iter().for_each(|event| event.encode(out));
        for posting in &self.postings {
            out.extend(record::encode(posting));
        }
        for line in &self.cycle {
            out.extend(line.account.to_le_bytes());
            for money in [line.opening, line.deposited, line.net, line.closing] {
                out.extend(money.to_le_bytes());
            }
        }
        out.extend(self.digest.iter().flatten());
        out.extend(self.header.iter().flat_map(Header::encode));
        if let Some(leaves) = leaves {
            out.extend(&leaves.records);
            out.extend(&leaves.orders);
        }
    }

    /// The reply of these bytes, strictly.
    ///
    /// # Errors
    /// [`Malformed`] with the place and the reason.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        if r.u8()? != VERSION {
            return Err(Malformed { at: 0, reason: "another version of replies" });
        }
        let flags = r.u8()?;
        if flags >= 16 || (flags & LEAVES != 0 && flags & HEADER == 0) {
            return Err(r.fault("a flag of the reply is unknown"));
        }
        let number = r.u16()?;
        let status =
            Status::ALL.into_iter().find(|&status| status as u16 == number).ok_or(r.fault("the status is unknown"))?;
        let widths = [1, EVENT_LEN, RECORD_LEN, CYCLE_LINE_LEN, RECORD_ENTRY_LEN, ORDER_ENTRY_LEN];
        let mut counts = [0; 6];
        for (count, width) in counts.iter_mut().zip(widths) {
            *count = r.count(width)?;
        }
        let [message, events, postings, cycle, records, orders] = counts;
        let text = r.slice(message)?;
        let message = String::from_utf8(text.to_vec()).map_err(|_| r.fault("the message is no UTF-8"))?;
        let events = (0..events).map(|_| Event::decode(&mut r)).collect::<Result<_, _>>()?;
        let posting = |r: &mut Reader<'_>| record::decode(r.slice(RECORD_LEN)?).map_err(|_| r.fault("no record"));
        let postings = (0..postings).map(|_| posting(&mut r)).collect::<Result<_, _>>()?;
        let line = |r: &mut Reader<'_>| {
            let (account, opening, deposited) = (r.u64()?, r.i128()?, r.i128()?);
            Ok(CycleLine { account, opening, deposited, net: r.i128()?, closing: r.i128()? })
        };
        let cycle = (0..cycle).map(|_| line(&mut r)).collect::<Result<_, _>>()?;
        let digest = if flags & DIGEST == 0 { None } else { Some(r.array()?) };
        let header = if flags & HEADER == 0 {
            None
        } else {
            Some(Header::decode(r.slice(HEADER_LEN)?).map_err(|_| r.fault("no header"))?)
        };
        let leaves = if flags & LEAVES == 0 {
            if records + orders > 0 {
                return Err(r.fault("leaves are counted and not there"));
            }
            None
        } else {
            let (records, orders) = (r.slice(records * RECORD_ENTRY_LEN)?, r.slice(orders * ORDER_ENTRY_LEN)?);
            Some(Leaves { records: records.to_vec(), orders: orders.to_vec() })
        };
        r.end()?;
        Ok(Self { repeated: flags & REPEATED != 0, status, message, events, postings, cycle, digest, header, leaves })
    }
}
