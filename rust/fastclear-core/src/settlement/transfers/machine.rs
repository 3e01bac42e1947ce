//! Transfers as a machine that a store can keep: commands as bytes, and a Merkle root over every batch.
//!
//! # Commands
//! Eight bytes (operation, version 1, u16 of flags, u32 rows), then columns, each one whole, little-endian:
//!
//! | operation | flags | columns |
//! |---|---|---|
//! | 1 submit | 1: accounts are u32, else u64; 2 to 256: a column is there | amount i64, debit, credit, id, id high, reference, reference high, timeout u64, code u16, kind u8, linked u8 |
//! | 2 open | | account u64, limit i64, asset u16, unlimited u8 |
//! | 3 set limits | | account u64, limit i64 |
//! | 4 close, reopen | 1: close | account u64 |
//! | 5 advance | | time u64, one row |
//! | 6 settle net | 1: an operator stands in | amount i64, debit u64, credit u64, asset u16; then first id u128, operator u64, code u16 |
//!
//! # Replies
//! A byte 1 and why, in words, where the call was refused and nothing has happened. Else a byte 0, then of a submit
//! the root and a code a row; of an advance the expired ids, 16 bytes each; of a netting the root, codes, payers u64
//! and payees u64.
//!
//! # Seal
//! Each submit and each netting is sealed: an RFC 9162 tree over its rows, in their order, refused ones too. The leaf
//! of a row, 96 bytes:
//!
//! | offset | type | field | offset | type | field |
//! |---|---|---|---|---|---|
//! | 0 | 4 bytes | tag `FCT1` | 40 | u128 | reference |
//! | 4 | u16 | the caller's reason | 56 | u64 | debit, as given |
//! | 6 | u8 | kind | 64 | u64 | credit, as given |
//! | 7 | u8 | what became of it, a [`super::Code`] | 72 | i64 | amount |
//! | 8 | u64 | number over the whole history | 80 | u64 | timeout |
//! | 16 | u64 | engine time of the batch | 88 | u8 | linked |
//! | 24 | u128 | id | 89 | 7 | zero |
//!
//! The roots form a chain: SHA-256(chain before ‖ root ‖ u64 number of the batch, from 1), from 32 zeros. The state
//! root is SHA-256("fastclear transfers 1" ‖ root over the account leaves of the ledger, ascending ‖ SHA-256 of the
//! saved state); a balance can be shown with the middle part alone.

use std::fmt::Display;

use sha2::{Digest, Sha256};

use super::{AccountId, Columns, Leg, OnFailure, Terms, Transfer, TransferKind, Transfers};
use crate::ledger::account_leaf;
use crate::ledger::merkle::{self, Hash};
use crate::machine::{LoadError, Machine};
use crate::settlement::accounts::Account;

/// Name and version of the saved state and of the commands.
pub const MACHINE: &str = "transfers/1";
/// Bytes of a sealed row.
pub const LEAF_LEN: usize = 96;
const VERSION: u8 = 1;
const LEAF_TAG: [u8; 4] = *b"FCT1";

/// What the last batch was sealed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seal {
    /// Batches sealed so far.
    pub batch: u64,
    /// Transfers sealed so far, refused ones too.
    pub transfers: u64,
    /// Root over the rows of the last batch.
    pub root: Hash,
    /// Hash over all roots.
    pub chain: Hash,
}

/// [`Transfers`] with a seal.
#[derive(Clone, Debug, Default)]
pub struct TransferMachine {
    transfers: Transfers,
    seal: Seal,
    /// The rows of the batch that is being sealed; kept for its memory alone.
    leaves: Vec<u8>,
}

impl TransferMachine {
    /// The accounts, to be read.
    pub const fn transfers(&self) -> &Transfers {
        &self.transfers
    }

    /// What the last batch was sealed with.
    pub const fn seal(&self) -> &Seal {
        &self.seal
    }

    fn run(&mut self, time_ns: u64, command: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
        let mut input = Input::new(command)?;
        match input.operation {
            1 if input.flags & 1 != 0 => self.submit::<u32>(time_ns, input, reply),
            1 => self.submit::<u64>(time_ns, input, reply),
            2 => {
                let (account, limit) = (input.column::<8, _>(u64::from_le_bytes)?, input.column(i64::from_le_bytes)?);
                let (asset, unlimited) = (input.column(u16::from_le_bytes)?, input.column(u8::from_le_bytes)?);
                input.end()?;
                let terms = asset.iter().zip(&unlimited).map(|(&asset, &unlimited)| Terms {
                    asset,
                    unlimited: unlimited != 0,
                    closed: false,
                });
                let rows: Vec<_> =
                    account.iter().zip(&limit).zip(terms).map(|((&id, &limit), terms)| (id, limit, terms)).collect();
                self.transfers.open(&rows).map_err(words)
            }
            3 => {
                let (account, limit) = (input.column(u64::from_le_bytes)?, input.column(i64::from_le_bytes)?);
                input.end()?;
                let rows: Vec<_> = account.into_iter().zip(limit).collect();
                self.transfers.set_limits(&rows).map_err(words)
            }
            4 => {
                let account = input.column(u64::from_le_bytes)?;
                input.end()?;
                self.transfers.set_closed(&account, input.flags & 1 != 0).map_err(words)
            }
            5 => {
                let time = input.column(u64::from_le_bytes)?;
                input.end()?;
                let &[time] = &time[..] else { return Err("advance: give one time".to_owned()) };
                for id in self.transfers.advance(time).map_err(words)? {
                    reply.extend_from_slice(&id.to_le_bytes());
                }
                Ok(())
            }
            6 => self.settle_net(time_ns, input, reply),
            other => Err(format!("operation {other} is none of 1 to 6")),
        }
    }

    fn submit<A: AccountId + Word>(
        &mut self,
        time_ns: u64,
        mut input: Input<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<(), String> {
        let amount = input.column(i64::from_le_bytes)?;
        let (debit, credit) = (A::column(&mut input)?, A::column(&mut input)?);
        let (id, id_high) = (input.optional(1, u64::from_le_bytes)?, input.optional(2, u64::from_le_bytes)?);
        let (reference, reference_high) =
            (input.optional(3, u64::from_le_bytes)?, input.optional(4, u64::from_le_bytes)?);
        let timeout_ns = input.optional(5, u64::from_le_bytes)?;
        let code = input.optional(6, u16::from_le_bytes)?;
        let (kind, linked) = (input.optional(7, u8::from_le_bytes)?, input.optional(8, u8::from_le_bytes)?);
        input.end()?;
        let columns = Columns {
            debit: &debit,
            credit: &credit,
            amount: &amount,
            id: id.as_deref(),
            id_high: id_high.as_deref(),
            kind: kind.as_deref(),
            reference: reference.as_deref(),
            reference_high: reference_high.as_deref(),
            timeout_ns: timeout_ns.as_deref(),
            code: code.as_deref(),
            linked: linked.as_deref(),
        };
        let codes = self.transfers.submit(&columns).map_err(words)?;
        self.begin_leaves(codes.len());
        for (row, &code) in codes.iter().enumerate() {
            self.push_leaf(&columns.row(row), code, row, time_ns);
        }
        let root = self.close_seal(codes.len());
        reply.extend_from_slice(&root);
        reply.extend_from_slice(&codes);
        Ok(())
    }

    fn settle_net(&mut self, time_ns: u64, mut input: Input<'_>, reply: &mut Vec<u8>) -> Result<(), String> {
        let amount = input.column(i64::from_le_bytes)?;
        let (debit, credit) = (input.column(u64::from_le_bytes)?, input.column(u64::from_le_bytes)?);
        let asset = input.column(u16::from_le_bytes)?;
        let (first_id, operator, code) =
            (input.one(u128::from_le_bytes)?, input.one(u64::from_le_bytes)?, input.one(u16::from_le_bytes)?);
        input.end()?;
        let on_failure = if input.flags & 1 != 0 { OnFailure::Operator(operator) } else { OnFailure::Chain };
        let accounts = debit.iter().zip(&credit);
        let legs: Vec<Leg> = accounts
            .zip(amount.iter().zip(&asset))
            .map(|((&debit, &credit), (&amount, &asset))| Leg { asset, debit, credit, amount })
            .collect();
        let paid = self.transfers.settle_net(&legs, first_id, code, on_failure).map_err(words)?;
        self.begin_leaves(legs.len());
        for (row, leg) in legs.iter().enumerate() {
            let transfer = Transfer {
                id: if first_id == 0 { 0 } else { first_id + row as u128 },
                debit: paid.payers[row],
                credit: paid.payees[row],
                amount: leg.amount,
                kind: TransferKind::Single,
                reference: 0,
                timeout_ns: 0,
                code,
                linked: row + 1 < legs.len(),
            };
            self.push_leaf(&transfer, paid.codes[row], row, time_ns);
        }
        let root = self.close_seal(legs.len());
        reply.extend_from_slice(&root);
        reply.extend_from_slice(&paid.codes);
        for account in paid.payers.iter().chain(&paid.payees) {
            reply.extend_from_slice(&account.to_le_bytes());
        }
        Ok(())
    }

    fn begin_leaves(&mut self, rows: usize) {
        self.leaves.clear();
        self.leaves.reserve(rows * LEAF_LEN);
    }

    #[inline]
    fn push_leaf(&mut self, transfer: &Transfer, code: u8, row: usize, time_ns: u64) {
        self.leaves.extend_from_slice(&leaf(transfer, code, self.seal.transfers + row as u64, time_ns));
    }

    fn close_seal(&mut self, rows: usize) -> Hash {
        let root = merkle::root(merkle::leaf_hashes(&self.leaves, LEAF_LEN));
        let batch = self.seal.batch + 1;
        let link = Sha256::new().chain_update(self.seal.chain).chain_update(root).chain_update(batch.to_le_bytes());
        let transfers = self.seal.transfers + rows as u64;
        self.seal = Seal { batch, transfers, root, chain: link.finalize().into() };
        root
    }
}

/// The 96 bytes that a transfer is sealed as.
#[inline]
pub fn leaf(t: &Transfer, code: u8, number: u64, time_ns: u64) -> [u8; LEAF_LEN] {
    let mut out = [0; LEAF_LEN];
    out[..4].copy_from_slice(&LEAF_TAG);
    out[4..6].copy_from_slice(&t.code.to_le_bytes());
    (out[6], out[7]) = (t.kind as u8, code);
    out[8..16].copy_from_slice(&number.to_le_bytes());
    out[16..24].copy_from_slice(&time_ns.to_le_bytes());
    out[24..40].copy_from_slice(&t.id.to_le_bytes());
    out[40..56].copy_from_slice(&t.reference.to_le_bytes());
    out[56..64].copy_from_slice(&t.debit.to_le_bytes());
    out[64..72].copy_from_slice(&t.credit.to_le_bytes());
    out[72..80].copy_from_slice(&t.amount.to_le_bytes());
    out[80..88].copy_from_slice(&t.timeout_ns.to_le_bytes());
    out[88] = u8::from(t.linked);
    out
}

impl Machine for TransferMachine {
    fn apply(&mut self, time_ns: u64, command: &[u8], reply: &mut Vec<u8>) {
        let start = reply.len();
        reply.push(0);
        if let Err(why) = self.run(time_ns, command, reply) {
            reply.truncate(start);
            reply.push(1);
            reply.extend_from_slice(why.as_bytes());
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seal.batch.to_le_bytes());
        out.extend_from_slice(&self.seal.transfers.to_le_bytes());
        out.extend_from_slice(&self.seal.root);
        out.extend_from_slice(&self.seal.chain);
        self.transfers.save(out);
    }

    fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        const SEAL: usize = 80;
        let Some((seal, rest)) = bytes.split_first_chunk::<SEAL>() else {
            return Err(LoadError { at: bytes.len(), reason: "the state ends too early".to_owned() });
        };
        let mut input = Input { rest: seal, operation: 0, flags: 0, rows: 1 };
        let short = |reason| LoadError { at: 0, reason };
        let seal = Seal {
            batch: input.one(u64::from_le_bytes).map_err(short)?,
            transfers: input.one(u64::from_le_bytes).map_err(short)?,
            root: input.one(|bytes: [u8; 32]| bytes).map_err(short)?,
            chain: input.one(|bytes: [u8; 32]| bytes).map_err(short)?,
        };
        let transfers =
            Transfers::load(rest).map_err(|error| LoadError { at: SEAL + error.at, reason: error.reason })?;
        Ok(Self { transfers, seal, leaves: Vec::new() })
    }

    fn root(&self) -> Hash {
        let leaf = |b: &super::Balance| {
            let account = Account {
                asset: b.terms.asset,
                closed: b.terms.closed,
                posted: b.posted,
                pending_out: b.pending_out,
                pending_in: b.pending_in,
                limit: i128::from(b.limit),
                version: 0,
            };
            merkle::leaf_hash(&account_leaf::encode(b.account, &account))
        };
        let accounts = merkle::root(self.transfers.balances().iter().map(leaf).collect());
        let mut saved = Vec::new();
        self.save(&mut saved);
        let root = Sha256::new().chain_update(b"fastclear transfers 1").chain_update(accounts);
        root.chain_update(Sha256::digest(&saved)).finalize().into()
    }
}

fn words(error: impl Display) -> String {
    error.to_string()
}

/// A command that is being read.
struct Input<'a> {
    rest: &'a [u8],
    operation: u8,
    flags: u16,
    rows: usize,
}

impl<'a> Input<'a> {
    fn new(command: &'a [u8]) -> Result<Self, String> {
        let Some((&[operation, version, low, high, a, b, c, d], rest)) = command.split_first_chunk::<8>() else {
            return Err(format!("a command of {} bytes is too short", command.len()));
        };
        if version != VERSION {
            return Err(format!("version {version} of a command; this is version {VERSION}"));
        }
        let (flags, rows) = (u16::from_le_bytes([low, high]), u32::from_le_bytes([a, b, c, d]) as usize);
        let known = [0, 0x1FF, 0, 0, 1, 0, 1].get(usize::from(operation)).copied().unwrap_or(0);
        if flags & !known != 0 {
            return Err(format!("flags {flags:#x} of operation {operation}"));
        }
        Ok(Self { rest, operation, flags, rows })
    }

    fn column<const N: usize, T>(&mut self, read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
        let bytes = self.rows.checked_mul(N).filter(|&bytes| bytes <= self.rest.len());
        let bytes = bytes.ok_or_else(|| format!("the command ends inside a column of {} rows", self.rows))?;
        let (column, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        Ok(column.as_chunks::<N>().0.iter().map(|&bytes| read(bytes)).collect())
    }

    fn optional<const N: usize, T>(&mut self, bit: u32, read: impl Fn([u8; N]) -> T) -> Result<Option<Vec<T>>, String> {
        if self.flags >> bit & 1 != 0 { self.column(read).map(Some) } else { Ok(None) }
    }

    fn one<const N: usize, T>(&mut self, read: impl Fn([u8; N]) -> T) -> Result<T, String> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or("the command ends too early")?;
        self.rest = rest;
        Ok(read(*bytes))
    }

    fn end(&self) -> Result<(), String> {
        if self.rest.is_empty() { Ok(()) } else { Err(format!("{} bytes are left over", self.rest.len())) }
    }
}

/// An account id as bytes.
pub trait Word: Sized {
    /// Whether it has 32 bits.
    const IS_NARROW: bool;
    /// Appends a column.
    fn append(out: &mut Vec<u8>, column: &[Self]);
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "read by this file alone")]
    fn column(input: &mut Input<'_>) -> Result<Vec<Self>, String>;
}

macro_rules! words {
    ($($type:ty: $narrow:expr),*) => { $(
        impl Word for $type {
            const IS_NARROW: bool = $narrow;
            fn append(out: &mut Vec<u8>, column: &[Self]) {
                append(out, column, |value| value.to_le_bytes());
            }
            #[allow(private_interfaces, reason = "read by this file alone")]
            fn column(input: &mut Input<'_>) -> Result<Vec<Self>, String> {
                input.column(Self::from_le_bytes)
            }
        }
    )* };
}
words!(u32: true, u64: false);

/// Appends a column; as fast as a copy.
fn append<const N: usize, T: Copy>(out: &mut Vec<u8>, column: &[T], bytes: impl Fn(T) -> [u8; N]) {
    let start = out.len();
    out.resize(start + column.len() * N, 0);
    for (place, &value) in out[start..].as_chunks_mut::<N>().0.iter_mut().zip(column) {
        *place = bytes(value);
    }
}

fn head(operation: u8, flags: u16, rows: usize) -> Vec<u8> {
    let mut out = vec![operation, VERSION];
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&(rows as u32).to_le_bytes());
    out
}

/// Transfers as a command. Columns of different lengths give a command that is refused.
pub fn submit_command<A: AccountId + Word>(columns: &Columns<'_, A>) -> Vec<u8> {
    let wide = [columns.id, columns.id_high, columns.reference, columns.reference_high, columns.timeout_ns];
    let mut flags = u16::from(A::IS_NARROW);
    for (bit, is_there) in (1..).zip(wide.iter().map(Option::is_some).chain([
        columns.code.is_some(),
        columns.kind.is_some(),
        columns.linked.is_some(),
    ])) {
        flags |= u16::from(is_there) << bit;
    }
    let mut out = head(1, flags, columns.debit.len());
    out.reserve(columns.debit.len() * 64);
    append(&mut out, columns.amount, i64::to_le_bytes);
    A::append(&mut out, columns.debit);
    A::append(&mut out, columns.credit);
    wide.iter().flatten().for_each(|column| append(&mut out, column, u64::to_le_bytes));
    append(&mut out, columns.code.unwrap_or_default(), u16::to_le_bytes);
    append(&mut out, columns.kind.unwrap_or_default(), u8::to_le_bytes);
    append(&mut out, columns.linked.unwrap_or_default(), u8::to_le_bytes);
    out
}

/// [`Transfers::open`] as a command.
pub fn open_command(rows: &[(u64, i64, Terms)]) -> Vec<u8> {
    let mut out = head(2, 0, rows.len());
    append(&mut out, rows, |(account, _, _)| account.to_le_bytes());
    append(&mut out, rows, |(_, limit, _)| limit.to_le_bytes());
    append(&mut out, rows, |(_, _, terms)| terms.asset.to_le_bytes());
    append(&mut out, rows, |(_, _, terms)| [u8::from(terms.unlimited)]);
    out
}

/// [`Transfers::set_limits`] as a command.
pub fn set_limits_command(rows: &[(u64, i64)]) -> Vec<u8> {
    let mut out = head(3, 0, rows.len());
    append(&mut out, rows, |(account, _)| account.to_le_bytes());
    append(&mut out, rows, |(_, limit)| limit.to_le_bytes());
    out
}

/// [`Transfers::set_closed`] as a command.
pub fn set_closed_command(accounts: &[u64], closed: bool) -> Vec<u8> {
    let mut out = head(4, u16::from(closed), accounts.len());
    append(&mut out, accounts, u64::to_le_bytes);
    out
}

/// [`Transfers::advance`] as a command.
pub fn advance_command(time_ns: u64) -> Vec<u8> {
    let mut out = head(5, 0, 1);
    out.extend_from_slice(&time_ns.to_le_bytes());
    out
}

/// [`Transfers::settle_net`] as a command.
pub fn settle_net_command(legs: &[Leg], first_id: u128, code: u16, on_failure: OnFailure) -> Vec<u8> {
    let (flag, operator) = match on_failure {
        OnFailure::Chain => (0, 0),
        OnFailure::Operator(operator) => (1, operator),
    };
    let mut out = head(6, flag, legs.len());
    append(&mut out, legs, |leg| leg.amount.to_le_bytes());
    append(&mut out, legs, |leg| leg.debit.to_le_bytes());
    append(&mut out, legs, |leg| leg.credit.to_le_bytes());
    append(&mut out, legs, |leg| leg.asset.to_le_bytes());
    out.extend_from_slice(&first_id.to_le_bytes());
    out.extend_from_slice(&operator.to_le_bytes());
    out.extend_from_slice(&code.to_le_bytes());
    out
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
