//! Transfers: accounts of several assets, and one result code a transfer.
//!
//! [`Transfers`] keeps balances in arrays and answers columns of transfers with a column of [`Code`]s. It knows assets,
//! closed accounts, the credit check (L-I3), ids that may be sent again, reservations that are resolved once (L-I4,
//! L-I5) or expire by engine time, and linked chains that are all or nothing (L-I9).
//!
//! | file | holds |
//! |---|---|
//! | `code` | what became of a transfer |
//! | `directory` | account ids to places |
//! | `store` | balances by place |
//! | `records` | ids, their fate, what expires when |
//! | `engine` | one transfer: judged, carried out, taken back |
//! | `plain` | transfers of nothing but two accounts and an amount, which most are: a few nanoseconds each |
//! | `nets` | the payments of a netting as one chain |
//! | `saved` | the whole state as bytes |
//! | `machine` | commands as bytes, a Merkle root over every batch: what a store keeps |
//! | `audit` | the invariants, recomputed from scratch |
//! | `twin` | in tests: the same rules over the fold of the bank, [`super::Accounts`], and maps |
//!
//! The model follows that of the `TigerBeetle` database, with these differences: an account has a credit limit, a
//! balance is signed, a transfer without an id (0) is allowed and then never recognised again, time advances only
//! through [`Transfers::advance`], a post names its amount, and there are no balancing transfers.

mod audit;
mod code;
mod directory;
mod engine;
pub mod machine;
mod nets;
mod plain;
mod records;
mod saved;
mod store;
#[cfg(test)]
mod twin;

use std::fmt;

pub use audit::{Audit, Broken};
pub use code::Code;
pub use nets::{Leg, OnFailure, Paid};
pub use plain::AccountId;
pub use store::{Balance, Terms};

use records::Records;
use store::{Saved, Store};

/// What a transfer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TransferKind {
    /// Moves money now.
    Single = 0,
    /// Reserves it; needs an id.
    Pending = 1,
    /// Moves all or part of what `reference` reserved and releases the rest.
    Post = 2,
    /// Releases what `reference` reserved.
    Void = 3,
}

impl TransferKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 4] = [Self::Single, Self::Pending, Self::Post, Self::Void];

    /// Its word in columns.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Pending => "pending",
            Self::Post => "post",
            Self::Void => "void",
        }
    }
}

/// One transfer. Money in the account's smallest unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Unique name, or 0 for none.
    pub id: u128,
    /// Who pays. 0 in a post or void: as reserved.
    pub debit: u64,
    /// Who receives. 0 in a post or void: as reserved.
    pub credit: u64,
    /// Above zero; 0 in a void: as reserved.
    pub amount: i64,
    /// What it does.
    pub kind: TransferKind,
    /// The reservation that a post or void resolves, else 0.
    pub reference: u128,
    /// How long a reservation holds, ns of engine time; 0 is for ever.
    pub timeout_ns: u64,
    /// The caller's own reason; compared when an id comes again.
    pub code: u16,
    /// Whether the next transfer shares its fate.
    pub linked: bool,
}

/// Transfers as columns of one length. What is left out is 0 in every row: no id, `Single`, no reference, …
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a, A> {
    /// Who pays.
    pub debit: &'a [A],
    /// Who receives.
    pub credit: &'a [A],
    /// How much.
    pub amount: &'a [i64],
    /// Low half of the id.
    pub id: Option<&'a [u64]>,
    /// High half of the id.
    pub id_high: Option<&'a [u64]>,
    /// Numbers of [`TransferKind`].
    pub kind: Option<&'a [u8]>,
    /// Low half of the reference.
    pub reference: Option<&'a [u64]>,
    /// High half of the reference.
    pub reference_high: Option<&'a [u64]>,
    /// How long a reservation holds.
    pub timeout_ns: Option<&'a [u64]>,
    /// The caller's own reason.
    pub code: Option<&'a [u16]>,
    /// Not 0: shares the fate of the next row.
    pub linked: Option<&'a [u8]>,
}

impl<A> Default for Columns<'_, A> {
    fn default() -> Self {
        Self {
            debit: &[],
            credit: &[],
            amount: &[],
            id: None,
            id_high: None,
            kind: None,
            reference: None,
            reference_high: None,
            timeout_ns: None,
            code: None,
            linked: None,
        }
    }
}

/// Why accounts cannot be opened or changed, time not advanced, or a call not read. Nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// Account 0 means "as reserved".
    ZeroAccount {
        /// Its row.
        row: usize,
    },
    /// A limit below zero.
    NegativeLimit {
        /// Its row.
        row: usize,
        /// The limit.
        limit: i64,
    },
    /// An account that is open already, or given twice.
    AccountExists {
        /// Its row.
        row: usize,
        /// The account.
        account: u64,
    },
    /// An account that was never opened.
    UnknownAccount {
        /// Its row.
        row: usize,
        /// The account.
        account: u64,
    },
    /// Engine time before the present one.
    TimeBackwards {
        /// The time.
        time_ns: u64,
        /// The present one.
        now_ns: u64,
    },
    /// A column that is not as long as `debit`.
    Length {
        /// Its name.
        column: &'static str,
        /// Its length.
        length: usize,
        /// That of `debit`.
        rows: usize,
    },
    /// A number that is no kind.
    UnknownKind {
        /// Its row.
        row: usize,
        /// The number.
        kind: u8,
    },
    /// More ids than can be kept, 2³² - 1.
    TooManyIds,
    /// Ids that count up past 2¹²⁸.
    IdsOutOfRange {
        /// The first one.
        first_id: u128,
        /// How many.
        rows: usize,
    },
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroAccount { row } => {
                write!(f, "account, row {row} is 0, which stands for none; number them from 1")
            }
            Self::NegativeLimit { row, limit } => {
                write!(f, "limit, row {row} is {limit}; give the credit below zero as a number of 0 or more")
            }
            Self::AccountExists { row, account } => {
                write!(f, "account, row {row}: {account} is open already or given twice; open each one once")
            }
            Self::UnknownAccount { row, account } => {
                write!(f, "account, row {row}: {account} is not open; open it first")
            }
            Self::TimeBackwards { time_ns, now_ns } => {
                write!(f, "time {time_ns} is before engine time {now_ns}, which never goes back; give a later one")
            }
            Self::Length { column, length, rows } => {
                write!(f, "column '{column}' has {length} rows and 'debit' has {rows}; give one value a transfer")
            }
            Self::UnknownKind { row, kind } => {
                write!(f, "column 'kind', row {row} is {kind}; give single (0), pending (1), post (2) or void (3)")
            }
            Self::TooManyIds => write!(f, "2^32 ids are kept already; go on with new accounts"),
            Self::IdsOutOfRange { first_id, rows } => {
                write!(f, "first_id {first_id}: the ids of {rows} legs leave 128 bits; give a smaller one")
            }
        }
    }
}

impl std::error::Error for TransferError {}

/// Accounts, what was transferred under which id, and engine time.
#[derive(Clone, Debug, Default)]
pub struct Transfers {
    store: Store,
    records: Records,
    now_ns: u64,
    /// What the present chain has changed, oldest first.
    undo: Undo,
}

/// What a chain has changed; kept between chains for its memory alone.
#[derive(Clone, Debug, Default)]
struct Undo {
    balances: Vec<Saved>,
    resolved: Vec<u32>,
}

impl Transfers {
    /// No account, at time 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Engine time.
    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Number of accounts.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether no account was opened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many reservations are open.
    pub fn open_reservations(&self) -> usize {
        self.records.open()
    }

    /// How many ids were used, failed ones too.
    pub fn ids(&self) -> usize {
        self.records.len()
    }

    /// One account.
    pub fn get(&self, account: u64) -> Option<Balance> {
        self.store.place(account).map(|place| self.store.balance(place))
    }

    /// Every account in ascending id.
    pub fn balances(&self) -> Vec<Balance> {
        self.store.places().into_iter().map(|place| self.store.balance(place)).collect()
    }

    /// Opens accounts, each with its credit limit and terms. O(rows log rows).
    ///
    /// # Errors
    /// Id 0, a negative limit, or an account that is open already or given twice: then no account is opened.
    pub fn open(&mut self, rows: &[(u64, i64, Terms)]) -> Result<(), TransferError> {
        for (row, &(account, limit, _)) in rows.iter().enumerate() {
            if account == 0 {
                return Err(TransferError::ZeroAccount { row });
            }
            if limit < 0 {
                return Err(TransferError::NegativeLimit { row, limit });
            }
            if self.store.place(account).is_some() {
                return Err(TransferError::AccountExists { row, account });
            }
        }
        let ascending = rows.is_sorted_by(|one, next| one.0 < next.0);
        if ascending {
            self.store.open(rows);
            return Ok(());
        }
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&row| rows[row].0); // stable, so that the later of two is at fault
        let twice = order.windows(2).filter(|pair| rows[pair[0]].0 == rows[pair[1]].0).map(|pair| pair[1]).min();
        if let Some(row) = twice {
            return Err(TransferError::AccountExists { row, account: rows[row].0 });
        }
        let sorted: Vec<_> = order.iter().map(|&row| rows[row]).collect();
        self.store.open(&sorted);
        Ok(())
    }

    /// Sets credit limits. Below what is used, a limit refuses further debits and takes nothing back.
    ///
    /// # Errors
    /// A negative limit or an account that was never opened: then no limit is changed.
    pub fn set_limits(&mut self, rows: &[(u64, i64)]) -> Result<(), TransferError> {
        if let Some(row) = rows.iter().position(|&(_, limit)| limit < 0) {
            return Err(TransferError::NegativeLimit { row, limit: rows[row].1 });
        }
        for (place, &(_, limit)) in self.find(rows.iter().map(|&(account, _)| account))?.into_iter().zip(rows) {
            self.store.set_limit(place, limit);
        }
        Ok(())
    }

    /// Closes accounts, or opens them again. What they have reserved stays reserved until it is voided or expires.
    ///
    /// # Errors
    /// An account that was never opened: then nothing is changed.
    pub fn set_closed(&mut self, accounts: &[u64], closed: bool) -> Result<(), TransferError> {
        for place in self.find(accounts.iter().copied())? {
            self.store.set_closed(place, closed);
        }
        Ok(())
    }

    fn find(&self, accounts: impl Iterator<Item = u64>) -> Result<Vec<usize>, TransferError> {
        let place = |(row, account)| self.store.place(account).ok_or(TransferError::UnknownAccount { row, account });
        accounts.enumerate().map(place).collect()
    }

    /// Advances engine time and releases what has expired by then, in order of expiry, then of reservation.
    ///
    /// # Errors
    /// Time never goes back.
    pub fn advance(&mut self, time_ns: u64) -> Result<Vec<u128>, TransferError> {
        if time_ns < self.now_ns {
            return Err(TransferError::TimeBackwards { time_ns, now_ns: self.now_ns });
        }
        self.now_ns = time_ns;
        let mut expired = Vec::new();
        while let Some(place) = self.records.next_expired(time_ns) {
            expired.push(self.expire(place));
        }
        Ok(expired)
    }
}

#[cfg(test)]
mod tests;
