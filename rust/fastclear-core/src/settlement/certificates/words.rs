//! The words of certificates: codes, states, rows, errors.

use std::fmt;

/// Where a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Can be handed on, split and cancelled.
    Active = 0,
    /// Claimed, once and for all.
    Cancelled = 1,
    /// Too old to be claimed.
    Expired = 2,
    /// Taken back, since less was generated.
    Revoked = 3,
}

impl State {
    /// Every state, in the order of its number.
    pub const ALL: [Self; 4] = [Self::Active, Self::Cancelled, Self::Expired, Self::Revoked];

    /// Its word in columns.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// What happened to certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EventKind {
    /// A reading brought new ones.
    Issue = 0,
    /// Another holder has some.
    Transfer = 1,
    /// Some were claimed.
    Cancel = 2,
    /// Some made up for what a device owed.
    Compensate = 3,
    /// Some became too old.
    Expire = 4,
    /// A lower reading took some back.
    Revoke = 5,
}

impl EventKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 6] =
        [Self::Issue, Self::Transfer, Self::Cancel, Self::Compensate, Self::Expire, Self::Revoke];

    /// Its word in columns.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Transfer => "transfer",
            Self::Cancel => "cancel",
            Self::Compensate => "compensate",
            Self::Expire => "expire",
            Self::Revoke => "revoke",
        }
    }
}

/// One thing that happened to one certificate, whole: what was split off has its own id by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Engine time, if it was set.
    pub time_ns: Option<i64>,
    /// What.
    pub kind: EventKind,
    /// To which certificate.
    pub id: u64,
    /// Wh.
    pub energy: i64,
    /// Whose it was; [`super::NOBODY`] when it is issued.
    pub from: u32,
    /// Who has it, or claims it; else [`super::NOBODY`].
    pub to: u32,
}

/// What became of a row. The first four say what a reading came to; of several faults, which are the others, the one
/// with the lowest number is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "`told` says it, in words that a user sees too")]
pub enum CertificateCode {
    Ok = 0,
    Unchanged = 1,
    Revoked = 2,
    Owed = 3,
    UnknownDevice = 4,
    UnknownHolder = 5,
    UnknownCertificate = 6,
    EnergyOutOfRange = 7,
    AlreadyCancelled = 8,
    Expired = 9,
    AlreadyRevoked = 10,
    NotOwner = 11,
    OwnersMustDiffer = 12,
    ExceedsCertificate = 13,
    ExceedsOwed = 14,
    SourceDiffers = 15,
    TermIsOver = 16,
}

impl CertificateCode {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Unchanged,
        Self::Revoked,
        Self::Owed,
        Self::UnknownDevice,
        Self::UnknownHolder,
        Self::UnknownCertificate,
        Self::EnergyOutOfRange,
        Self::AlreadyCancelled,
        Self::Expired,
        Self::AlreadyRevoked,
        Self::NotOwner,
        Self::OwnersMustDiffer,
        Self::ExceedsCertificate,
        Self::ExceedsOwed,
        Self::SourceDiffers,
        Self::TermIsOver,
    ];

    /// Its stable name, and what it means.
    pub const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Ok => ("ok", "carried out; of a reading: certificates were issued"),
            Self::Unchanged => ("unchanged", "the reading brings nothing new"),
            Self::Revoked => ("revoked", "the reading is lower: what is beyond it was taken back"),
            Self::Owed => ("owed", "more is cancelled than the reading says; make up for it with compensate()"),
            Self::UnknownDevice => ("unknown_device", "no device is named, or none that has a reading in that slot"),
            Self::UnknownHolder => ("unknown_holder", "no holder is named"),
            Self::UnknownCertificate => ("unknown_certificate", "no certificate has this id"),
            Self::EnergyOutOfRange => {
                ("energy_out_of_range", "give more than 0 Wh, less than 2^40; a reading may be 0")
            }
            Self::AlreadyCancelled => ("already_cancelled", "the certificate is cancelled, which happens once"),
            Self::Expired => ("expired", "the certificate has expired"),
            Self::AlreadyRevoked => ("already_revoked", "the certificate was taken back"),
            Self::NotOwner => ("not_owner", "the certificate is somebody else's"),
            Self::OwnersMustDiffer => ("owners_must_differ", "who receives has the certificate already"),
            Self::ExceedsCertificate => ("exceeds_certificate", "the certificate is for less"),
            Self::ExceedsOwed => ("exceeds_owed", "the device owes less in that slot"),
            Self::SourceDiffers => ("source_differs", "the device had another source in that slot"),
            Self::TermIsOver => ("term_is_over", "certificates of that slot would have expired"),
        }
    }
}

/// What a device generated in a slot, by its latest reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which one.
    pub device: u32,
    /// Start of the slot, ns since 1970 UTC.
    pub slot: i64,
    /// Whole Wh.
    pub generated: i64,
    /// Who gets the certificates.
    pub owner: u32,
    /// Of which kind the energy is.
    pub source: u32,
    /// What else is to be said of it.
    pub attributes: u32,
}

/// What becomes of a certificate that is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Another holder has it.
    Transfer {
        /// Who.
        to: u32,
    },
    /// It is claimed.
    Cancel {
        /// By whom; [`super::NOBODY`]: by its owner.
        beneficiary: u32,
        /// For consumption in which slot; none: in its own.
        slot: Option<i64>,
    },
    /// It makes up for what a device generated less than was cancelled.
    Compensate {
        /// Which device.
        device: u32,
        /// In which slot.
        slot: i64,
    },
}

/// What a row says of an active certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which certificate.
    pub id: u64,
    /// Wh of it; none: all.
    pub energy: Option<i64>,
    /// Whose it should be; none: whoever's.
    pub owner: Option<u32>,
    /// What becomes of it.
    pub then: Use,
}

/// Why a call makes no sense. Nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// A term of 0 or less.
    BadTerm {
        /// The term.
        term_ns: i64,
    },
    /// A time before the present one.
    TimeBackwards {
        /// The time.
        time_ns: i64,
        /// The present one.
        now_ns: i64,
    },
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BadTerm { term_ns } => write!(f, "term = {term_ns} ns; give more than 0, or none for ever"),
            Self::TimeBackwards { time_ns, now_ns } => {
                write!(f, "time {time_ns} is before {now_ns}, which never goes back; give a later one")
            }
        }
    }
}

impl std::error::Error for CertificateError {}
