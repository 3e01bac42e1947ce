//! The whole state as bytes, and back. Little-endian, no byte without a meaning but zeros.
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | u64 | engine time |
//! | 8 | u64 | accounts, n |
//! | 16 | u64 | records, m |
//! | 24 | n × 72 | accounts in the order in which they were opened |
//! | | m × 64 | records in the order in which they were made |
//!
//! Account: id u64, limit i64, posted, pending out, pending in i128, asset u16, flags u8 (1 unlimited, 2 closed), five
//! zeros. Record: id u128, amount i64, timeout and expiry u64, places of debit, credit and the resolved record u32,
//! code u16, kind u8, fate u8, flags u8 (1 linked, 2 debit named, 4 credit named), seven zeros.

use super::records::{Fate, NONE, Record};
use super::store::LARGEST;
use super::{Terms, TransferKind, Transfers};
use crate::machine::LoadError;

const HEAD: usize = 24;
const ACCOUNT: usize = 72;
const RECORD: usize = 64;
const FATES: [Fate; 6] = [Fate::Moved, Fate::Open, Fate::Posted, Fate::Voided, Fate::Expired, Fate::Failed];

/// Bytes that are read from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let (front, rest) = self.0.split_at(N);
        out.copy_from_slice(front);
        self.0 = rest;
        out
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn i128(&mut self) -> i128 {
        i128::from_le_bytes(self.take())
    }

    fn byte(&mut self) -> u8 {
        self.take::<1>()[0]
    }
}

/// One account as it is saved.
#[derive(Clone, Copy)]
struct Saved {
    id: u64,
    limit: i64,
    terms: Terms,
    posted: i128,
    pending: (i128, i128),
}

impl Transfers {
    /// Appends the whole state: equal states give equal bytes. O(accounts + ids).
    pub fn save(&self, out: &mut Vec<u8>) {
        let (accounts, records) = (self.store.len(), self.records.rows());
        out.reserve(HEAD + accounts * ACCOUNT + records.len() * RECORD);
        for field in [self.now_ns, accounts as u64, records.len() as u64] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for place in 0..accounts {
            let b = self.store.balance(place);
            out.extend_from_slice(&b.account.to_le_bytes());
            out.extend_from_slice(&b.limit.to_le_bytes());
            for money in [b.posted, b.pending_out, b.pending_in] {
                out.extend_from_slice(&money.to_le_bytes());
            }
            out.extend_from_slice(&b.terms.asset.to_le_bytes());
            let flags = u8::from(b.terms.unlimited) | u8::from(b.terms.closed) << 1;
            out.extend_from_slice(&[flags, 0, 0, 0, 0, 0]);
        }
        for r in records {
            out.extend_from_slice(&r.id.to_le_bytes());
            out.extend_from_slice(&r.amount.to_le_bytes());
            for field in [r.timeout_ns, r.expires_ns] {
                out.extend_from_slice(&field.to_le_bytes());
            }
            for place in [r.debit, r.credit, r.reference] {
                out.extend_from_slice(&place.to_le_bytes());
            }
            out.extend_from_slice(&r.code.to_le_bytes());
            let flags = u8::from(r.linked) | u8::from(r.named.0) << 1 | u8::from(r.named.1) << 2;
            let fate = FATES.iter().position(|&fate| fate == r.fate).unwrap_or_default();
            out.extend_from_slice(&[r.kind as u8, fate as u8, flags, 0, 0, 0, 0, 0, 0, 0]);
        }
    }

    /// The state that [`Transfers::save`] wrote.
    ///
    /// # Errors
    /// Anything that `save` does not write, down to balances that do not sum to zero (L-I1) and accounts whose pending
    /// money is not that of the open reservations (L-I2).
    pub fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        let fault = |at: usize, reason: &str| LoadError { at, reason: reason.to_owned() };
        if bytes.len() < HEAD {
            return Err(fault(bytes.len(), "the state ends too early"));
        }
        let mut reader = Reader(bytes);
        let (now_ns, accounts, records) = (reader.u64(), reader.u64(), reader.u64());
        let length = (u128::from(accounts) * ACCOUNT as u128) + u128::from(records) * RECORD as u128 + HEAD as u128;
        if length != bytes.len() as u128 || records >= u64::from(NONE) || accounts >= u64::from(NONE) {
            return Err(fault(8, "the state is not as long as its numbers of accounts and records say"));
        }
        let mut found = Self { now_ns, ..Self::default() };
        let mut saved = Vec::with_capacity(accounts as usize);
        for place in 0..accounts as usize {
            saved.push(account(&mut reader).ok_or_else(|| fault(HEAD + place * ACCOUNT, "this is no account"))?);
        }
        for run in saved.chunk_by(|one, next| one.id < next.id) {
            let rows: Vec<_> = run.iter().map(|account| (account.id, account.limit, account.terms)).collect();
            found.open(&rows).map_err(|error| fault(HEAD, &error.to_string()))?;
        }
        let records_at = HEAD + saved.len() * ACCOUNT;
        found.records.reserve(records as usize);
        let mut pending = vec![(0_i128, 0_i128); saved.len()];
        let mut reserved = 0;
        for place in 0..records as usize {
            let at = records_at + place * RECORD;
            let record = record(&mut reader, saved.len(), place).ok_or_else(|| fault(at, "this is no record"))?;
            if found.records.find(record.id).is_some() {
                return Err(fault(at, "an id is there twice"));
            }
            if record.fate == Fate::Open {
                let amount = i128::from(record.amount);
                pending[record.debit as usize].0 += amount;
                pending[record.credit as usize].1 += amount;
                reserved += amount;
            }
            found.records.push(record);
        }
        let mut sums = std::collections::BTreeMap::<u16, i128>::new();
        for (place, account) in saved.iter().enumerate() {
            if pending[place] != account.pending {
                return Err(fault(HEAD + place * ACCOUNT, "what is pending is not what the open reservations say"));
            }
            let sum = sums.entry(account.terms.asset).or_default();
            *sum = sum.wrapping_add(account.posted);
            found.store.restore(place, account.posted, account.pending);
        }
        if sums.values().any(|&sum| sum != 0) {
            return Err(fault(HEAD, "the balances of an asset do not sum to zero"));
        }
        found.store.restore_reserved(reserved);
        Ok(found)
    }
}

fn account(reader: &mut Reader<'_>) -> Option<Saved> {
    let (id, limit) = (reader.u64(), reader.i64());
    let (posted, pending) = (reader.i128(), (reader.i128(), reader.i128()));
    let asset = u16::from_le_bytes(reader.take());
    let (flags, zeros) = (reader.byte(), reader.take::<5>());
    let terms = Terms { asset, unlimited: flags & 1 != 0, closed: flags & 2 != 0 };
    let in_range = [posted, pending.0, pending.1].iter().all(|money| (-LARGEST..=LARGEST).contains(money));
    let is_whole = flags < 4 && zeros == [0; 5] && limit >= 0 && id != 0;
    (is_whole && in_range).then_some(Saved { id, limit, terms, posted, pending })
}

fn record(reader: &mut Reader<'_>, accounts: usize, place: usize) -> Option<Record> {
    let id = u128::from_le_bytes(reader.take());
    let (amount, timeout_ns, expires_ns) = (reader.i64(), reader.u64(), reader.u64());
    let (debit, credit, reference) = (reader.u32(), reader.u32(), reader.u32());
    let code = u16::from_le_bytes(reader.take());
    let kind = TransferKind::ALL.get(usize::from(reader.byte())).copied()?;
    let fate = FATES.get(usize::from(reader.byte())).copied()?;
    let (flags, zeros) = (reader.byte(), reader.take::<7>());
    let named = (flags & 2 != 0, flags & 4 != 0);
    let record = Record {
        id,
        amount,
        timeout_ns,
        expires_ns,
        debit,
        credit,
        reference,
        code,
        kind,
        fate,
        linked: flags & 1 != 0,
        named,
    };
    let resolves = matches!(kind, TransferKind::Post | TransferKind::Void);
    let fits = if fate == Fate::Failed {
        (debit, credit, reference, amount) == (NONE, NONE, NONE, 0)
    } else {
        let is_pending = kind == TransferKind::Pending;
        let at_accounts = (debit as usize) < accounts && (credit as usize) < accounts && debit != credit;
        let resolved = if resolves { (reference as usize) < place } else { reference == NONE };
        let positive = amount > 0 || (amount == 0 && kind == TransferKind::Void);
        at_accounts && resolved && positive && is_pending != (fate == Fate::Moved)
    };
    (id != 0 && fits && flags < 8 && zeros == [0; 7]).then_some(record)
}
