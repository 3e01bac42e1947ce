//! The words of a storage: kinds, codes, terms, errors.

use std::fmt;

/// What happened to stored energy. The first three are what a row can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum StorageKind {
    /// Energy goes into the battery.
    Charge = 0,
    /// Energy comes out of it.
    Discharge = 1,
    /// Stored energy goes to another member.
    Transfer = 2,
    /// Stored energy is lost with time.
    SelfDischarge = 3,
    /// What a reading of the battery says beyond the accounts.
    Difference = 4,
}

impl StorageKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 5] = [Self::Charge, Self::Discharge, Self::Transfer, Self::SelfDischarge, Self::Difference];

    /// Its word in columns.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Discharge => "discharge",
            Self::Transfer => "transfer",
            Self::SelfDischarge => "self_discharge",
            Self::Difference => "difference",
        }
    }
}

/// What became of a row. Of several faults the one with the lowest number is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "`told` says it, in words that a user sees too")]
pub enum StorageCode {
    Ok = 0,
    UnknownMember = 1,
    UnknownCounterparty = 2,
    MembersMustDiffer = 3,
    EnergyMustBePositive = 4,
    OverPower = 5,
    Empty = 6,
    OverShare = 7,
    OverCapacity = 8,
}

impl StorageCode {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::UnknownMember,
        Self::UnknownCounterparty,
        Self::MembersMustDiffer,
        Self::EnergyMustBePositive,
        Self::OverPower,
        Self::Empty,
        Self::OverShare,
        Self::OverCapacity,
    ];

    /// Its stable name, and what it means.
    pub const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Ok => ("ok", "carried out"),
            Self::UnknownMember => ("unknown_member", "'member' has no share of this storage"),
            Self::UnknownCounterparty => ("unknown_counterparty", "'to' has no share of this storage"),
            Self::MembersMustDiffer => ("members_must_differ", "a transfer is between two members"),
            Self::EnergyMustBePositive => ("energy_must_be_positive", "give more than 0 Wh"),
            Self::OverPower => ("over_power", "the member's part of the power limit is used in this slot"),
            Self::Empty => ("empty", "the member, or the battery as a whole, has less stored"),
            Self::OverShare => ("over_share", "who receives has less room in its share"),
            Self::OverCapacity => ("over_capacity", "the battery as a whole has less room"),
        }
    }
}

/// What the battery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageTerms {
    /// Wh that it can hold.
    pub capacity: i64,
    /// Wh that are divided into shares, `capacity` or more: more where not everybody fills its share at a time.
    pub shared: i64,
    /// Of a million Wh charged, how many are stored.
    pub charge_ppm: i64,
    /// Of a million Wh taken from what is stored, how many come out.
    pub discharge_ppm: i64,
    /// Wh a slot that can be charged, divided like the capacity.
    pub charge_limit: Option<i64>,
    /// Wh a slot that can be discharged, divided like the capacity.
    pub discharge_limit: Option<i64>,
    /// Of a million Wh stored, how many are lost at each UTC midnight.
    pub self_discharge_ppm: i64,
}

/// Why a storage cannot be, or a call not be read. Nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// A figure outside its range.
    OutOfRange {
        /// Its name.
        name: &'static str,
        /// The figure.
        value: i64,
        /// The least that it may be.
        least: i64,
        /// The most.
        most: i64,
    },
    /// Weights below zero, none, or all of them zero.
    BadShares,
    /// A column that is not as long as `kind`.
    Length {
        /// Its name.
        column: &'static str,
        /// Its length.
        length: usize,
        /// That of `kind`.
        rows: usize,
    },
    /// A number that is no kind of a row.
    UnknownKind {
        /// Its row.
        row: usize,
        /// The number.
        kind: u8,
    },
    /// A slot before the present one.
    SlotBackwards {
        /// The slot.
        slot: i64,
        /// The present one.
        now: i64,
    },
    /// No slot, where power is limited or energy is lost with time.
    NoSlot,
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutOfRange { name, value, least, most } => {
                write!(f, "{name} = {value}; give {least} to {most}")
            }
            Self::BadShares => write!(f, "shares: give each member a weight of 0 or more, and one of them more than 0"),
            Self::Length { column, length, rows } => {
                write!(f, "column '{column}' has {length} rows and 'kind' has {rows}; give one value a row")
            }
            Self::UnknownKind { row, kind } => {
                write!(f, "column 'kind', row {row} is {kind}; give charge (0), discharge (1) or transfer (2)")
            }
            Self::SlotBackwards { slot, now } => {
                write!(f, "slot {slot} is before {now}, in which the storage is; slots never go back")
            }
            Self::NoSlot => {
                write!(f, "slot is missing, and power is limited or energy lost with time; give the start of the slot")
            }
        }
    }
}

impl std::error::Error for StorageError {}
