//! Disputes: the codes of their records and holds. [`super::Bank::enter`] makes the postings, `disputes.py` the steps.

use super::posting::Kind;

/// `code` of a [`Kind::Dispute`]: opened, over `amount`.
pub const DISPUTE_OPENED: u16 = 1;
/// `code` of a [`Kind::Dispute`]: evidence was given.
pub const DISPUTE_EVIDENCE: u16 = 2;
/// `code` of a [`Kind::Dispute`]: ruled; `amount` is owed.
pub const DISPUTE_RULED: u16 = 3;
/// `code` of a [`Kind::Dispute`]: what was ruled is posted; the end.
pub const DISPUTE_POSTED: u16 = 4;
/// `code` of a [`Kind::Dispute`]: nothing is owed; the end.
pub const DISPUTE_REJECTED: u16 = 5;
/// `code` of a [`Kind::Reserve`]: held until a dispute ends.
pub const RESERVE_DISPUTED: u16 = 3;
/// `code` of a [`Kind::Void`]: held no more.
pub const VOID_DISPUTED: u16 = 3;

/// Every line of a dispute that `code` tells apart within a kind, with its stable name.
pub const LINES: [(Kind, u16, &str); 7] = [
    (Kind::Dispute, DISPUTE_OPENED, "opened"),
    (Kind::Dispute, DISPUTE_EVIDENCE, "evidence"),
    (Kind::Dispute, DISPUTE_RULED, "ruled"),
    (Kind::Dispute, DISPUTE_POSTED, "posted"),
    (Kind::Dispute, DISPUTE_REJECTED, "rejected"),
    (Kind::Reserve, RESERVE_DISPUTED, "disputed"),
    (Kind::Void, VOID_DISPUTED, "disputed"),
];
