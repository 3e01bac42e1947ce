//! Replays a ledger from its bytes and names the first bad block, what is wrong with it and where.
//!
//! Every block is checked for: its place in the chain (height, chain id, hash of the header before, header time),
//! the parameters' hash, both roots over the leaf entries, each leaf's strict form, the order of order leaves, dense
//! `seq` and rising time of records, trade amounts, the gross sum, and the state root after folding every record
//! with the same function that settlement uses. The head covers the last header.

use core::mem::replace;

use sha2::{Digest, Sha256};

use super::Header;
use super::account_leaf::state_root;
use super::bytes::take;
use super::chain::{self, Chain, Position};
use super::consortium::next_validators;
use super::erased;
use super::head::Head;
use super::header::{HEADER_LEN, PREV_OFFSET};
use super::merkle::{self, Hash};
use super::order_leaf::{ORDER_ENTRY_LEN, ORDER_LEN, OrderLeaf};
use super::record::{self, RECORD_ENTRY_LEN, RECORD_LEN};
use super::salt::SaltKey;

mod fault;

pub use fault::{Fault, Part, Reason};

/// The five files of a ledger, whole.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    /// `params.json`.
    pub params: &'a [u8],
    /// `headers.bin`.
    pub headers: &'a [u8],
    /// `records.bin`.
    pub records: &'a [u8],
    /// `orders.bin`.
    pub orders: &'a [u8],
    /// `head`.
    pub head: &'a [u8],
}

/// A verified history, block by block.
#[derive(Clone, Debug)]
pub struct Replay {
    params_hash: Hash,
    headers: Vec<Header>,
    hashes: Vec<Hash>,
    position: Position,
    /// Validators hash of the next header; `None` before block 0, which sets it.
    validators: Option<Hash>,
    records_len: usize,
    orders_len: usize,
}

/// Checks a whole ledger.
///
/// # Errors
/// The [`Fault`] of the first bad block; height 0 where there is no block yet.
pub fn verify(files: &Files<'_>) -> Result<Replay, Fault> {
    let mut replay = Replay::new(files.params);
    let head = Head::decode(files.head);
    let available = (files.headers.len() / HEADER_LEN) as u64;
    let sealed = head.map_or(available, |head| head.height.min(available));
    for height in 0..sealed {
        let link = link(files.headers, head, height);
        let at = |height: u64, part, offset, reason| Fault { height, record: None, part, offset, reason };
        let start = height * HEADER_LEN as u64;
        match link {
            Link::Altered => return Err(at(height, Part::Headers, start, Reason::HeaderAltered)),
            Link::HeadDiffers => return Err(at(height, Part::Head, 0, Reason::HeadDiffers)),
            Link::Holds | Link::Unknown | Link::NextAltered => {}
        }
        replay.block(header_at(files.headers, height), files.records, files.orders)?;
        if matches!(link, Link::NextAltered) {
            let next = start + (HEADER_LEN + PREV_OFFSET) as u64;
            return Err(at(height + 1, Part::Headers, next, Reason::HeaderAltered));
        }
    }
    replay.end(files, head, sealed)?;
    Ok(replay)
}

/// How the header at one height hangs together with what comes after it.
#[derive(Clone, Copy, Debug)]
enum Link {
    Holds,
    /// Nothing names its hash: the head cannot be read, or headers are missing.
    Unknown,
    /// It does not have the hash that a later, intact header names.
    Altered,
    /// The next header names another hash, and is itself not what its successor names.
    NextAltered,
    /// It is the last one and the head names another.
    HeadDiffers,
}

fn link(headers: &[u8], head: Option<Head>, height: u64) -> Link {
    let named = |height: u64| named_hash(headers, head, height);
    let hash = |height: u64| merkle::leaf_hash(header_at(headers, height));
    let Some(name) = named(height) else {
        return Link::Unknown;
    };
    if hash(height) == name {
        return Link::Holds;
    }
    if head.is_some_and(|head| head.height == height + 1) {
        return Link::HeadDiffers;
    }
    match named(height + 1) {
        Some(next) if hash(height + 1) != next => Link::NextAltered,
        _ => Link::Altered,
    }
}

/// The hash under which the head or the next header knows the header at `height`.
fn named_hash(headers: &[u8], head: Option<Head>, height: u64) -> Option<Hash> {
    if let Some(head) = head.filter(|head| head.height == height + 1) {
        return Some(head.header);
    }
    let next = (height as usize + 1) * HEADER_LEN;
    (next + HEADER_LEN <= headers.len()).then(|| take(headers, next + PREV_OFFSET))
}

fn header_at(headers: &[u8], height: u64) -> &[u8] {
    let start = height as usize * HEADER_LEN;
    &headers[start..start + HEADER_LEN]
}

impl Replay {
    /// Before the first block.
    pub fn new(params: &[u8]) -> Self {
        Self {
            params_hash: Sha256::digest(params).into(),
            headers: Vec::new(),
            hashes: Vec::new(),
            position: Position::default(),
            validators: None,
            records_len: 0,
            orders_len: 0,
        }
    }

    /// The verified headers, by height.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Their hashes.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Where the history stands.
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// Bytes of `records.bin` and of `orders.bin` that the verified blocks use.
    pub const fn lengths(&self) -> (usize, usize) {
        (self.records_len, self.orders_len)
    }

    /// The head that belongs to the verified blocks.
    pub fn head(&self) -> Head {
        Head {
            height: self.headers.len() as u64,
            header: self.hashes.last().copied().unwrap_or_default(),
            params: self.params_hash,
        }
    }

    /// Hash of the consortium that cosigns the next block; `None` before block 0, which sets it.
    pub const fn validators(&self) -> Option<Hash> {
        self.validators
    }

    /// Checks the next block, given alone: header, then record entries, then order entries. A refused block changes
    /// nothing.
    ///
    /// # Errors
    /// The [`Fault`]; offsets count from the start of the header, the records or the orders.
    pub fn append(&mut self, block: &[u8]) -> Result<(), Fault> {
        let height = self.headers.len() as u64;
        let fault = |part, offset: usize, reason| Fault { height, record: None, part, offset: offset as u64, reason };
        let header = block.get(..HEADER_LEN).ok_or(fault(Part::Headers, block.len(), Reason::Truncated))?;
        let decoded = Header::decode(header).map_err(|error| fault(Part::Headers, 0, Reason::Malformed(error)))?;
        let entries = &block[HEADER_LEN..];
        let records_len = decoded.records as usize * RECORD_ENTRY_LEN;
        let used = records_len + decoded.orders as usize * ORDER_ENTRY_LEN;
        if entries.len() < used {
            return Err(fault(Part::Records, entries.len(), Reason::Truncated));
        }
        if entries.len() > used {
            return Err(fault(Part::Orders, used, Reason::Trailing { bytes: (entries.len() - used) as u64 }));
        }
        let (records, orders) = entries.split_at(records_len);
        let (position, validators) = (self.position.clone(), self.validators);
        let lengths = (replace(&mut self.records_len, 0), replace(&mut self.orders_len, 0));
        let checked = self.block(header, records, orders);
        if checked.is_err() {
            (self.position, self.validators) = (position, validators);
            (self.records_len, self.orders_len) = (0, 0);
        }
        self.records_len += lengths.0;
        self.orders_len += lengths.1;
        checked
    }

    /// The chain, ready for its next block.
    pub fn into_chain(self, key: SaltKey) -> Chain {
        let validators = self.validators.unwrap_or_default();
        Chain::resume(self.params_hash, key, self.headers, self.hashes, self.position, validators)
    }

    /// Checks the next block: `header` is its 280 bytes, `records` and `orders` are the whole files.
    ///
    /// # Errors
    /// The [`Fault`]; the replay must then not be used further.
    pub fn block(&mut self, header: &[u8], records: &[u8], orders: &[u8]) -> Result<(), Fault> {
        let height = self.headers.len() as u64;
        let start = height * HEADER_LEN as u64;
        let bad_header = |reason| Fault { height, record: None, part: Part::Headers, offset: start, reason };
        let malformed = |error| bad_header(Reason::Malformed(error));
        let decoded = Header::decode(header).map_err(malformed)?;
        self.place(&decoded).map_err(|reason| {
            let part = if reason == Reason::Params { Part::Params } else { Part::Headers };
            Fault { part, offset: if part == Part::Params { 0 } else { start }, ..bad_header(reason) }
        })?;

        let entries = |file: &'_ [u8], part, from: usize, count: u32, len: usize| {
            let to = from + count as usize * len;
            if file.len() < to {
                return Err(Fault { height, record: None, part, offset: file.len() as u64, reason: Reason::Truncated });
            }
            Ok(to)
        };
        let records_to = entries(records, Part::Records, self.records_len, decoded.records, RECORD_ENTRY_LEN)?;
        let orders_to = entries(orders, Part::Orders, self.orders_len, decoded.orders, ORDER_ENTRY_LEN)?;
        self.check_orders(&decoded, &orders[self.orders_len..orders_to])?;
        self.check_records(&decoded, &records[self.records_len..records_to])?;
        if decoded.has_state && state_root(self.position.accounts()) != decoded.state_root {
            return Err(bad_header(Reason::StateRoot));
        }
        (self.records_len, self.orders_len) = (records_to, orders_to);
        self.hashes.push(merkle::leaf_hash(header));
        self.headers.push(decoded);
        Ok(())
    }

    /// The header's place in the chain.
    fn place(&self, header: &Header) -> Result<(), Reason> {
        let last = self.headers.last();
        let checks = [
            (header.params_hash == self.params_hash, Reason::Params),
            (header.height == self.headers.len() as u64, Reason::Place("height")),
            (header.prev == self.head().header, Reason::Place("previous hash")),
            (last.is_none_or(|last| last.chain_id == header.chain_id), Reason::Place("chain id")),
            (last.is_none_or(|last| last.has_state == header.has_state), Reason::Place("state flag")),
            (last.is_none_or(|last| last.time_ns < header.time_ns), Reason::Place("engine time")),
            (header.first_seq == self.position.next_seq(), Reason::Place("first seq")),
            (self.validators.is_none_or(|hash| hash == header.validators_hash), Reason::Place("validators hash")),
        ];
        checks.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, reason)| Err(reason))
    }

    fn check_orders(&self, header: &Header, entries: &[u8]) -> Result<(), Fault> {
        let fault = |record: Option<usize>, reason| Fault {
            height: header.height,
            record: record.map(|record| record as u64),
            part: Part::Orders,
            offset: (self.orders_len + record.unwrap_or(0) * ORDER_ENTRY_LEN) as u64,
            reason,
        };
        let mut previous: Option<OrderLeaf> = None;
        let mut first_bad = None;
        for (index, entry) in entries.chunks_exact(ORDER_ENTRY_LEN).enumerate() {
            if erased::is_erased(entry) {
                if let Err(error) = erased::decode(entry) {
                    first_bad = Some((index, Reason::Malformed(error)));
                    break;
                }
                continue; // where it stood among the others only its hash tells
            }
            let problem = match OrderLeaf::decode(&entry[..ORDER_LEN]) {
                Err(error) => Some(Reason::Malformed(error)),
                Ok(leaf) => {
                    let sorted = previous.is_none_or(|previous| previous.order(&leaf).is_le());
                    previous = Some(leaf);
                    (!sorted).then_some(Reason::Unsorted)
                }
            };
            if let Some(reason) = problem {
                first_bad = Some((index, reason));
                break;
            }
        }
        let root = erased::root_of_entries(entries, ORDER_ENTRY_LEN);
        match (root == header.orders_root, first_bad) {
            (_, Some((index, reason))) => Err(fault(Some(index), reason)),
            (false, None) => Err(fault(None, Reason::OrdersRoot)),
            (true, None) => Ok(()),
        }
    }

    fn check_records(&mut self, header: &Header, entries: &[u8]) -> Result<(), Fault> {
        let start = self.records_len;
        let fault = |record: Option<usize>, reason| Fault {
            height: header.height,
            record: record.map(|record| record as u64),
            part: Part::Records,
            offset: (start + record.unwrap_or(0) * RECORD_ENTRY_LEN) as u64,
            reason,
        };
        let mut postings = Vec::with_capacity(header.records as usize);
        for (index, entry) in entries.chunks_exact(RECORD_ENTRY_LEN).enumerate() {
            let bad = |error| fault(Some(index), Reason::Malformed(error));
            if erased::is_erased(entry) {
                let erased = erased::decode(entry).map_err(bad)?;
                self.position.admit_erased(index as u64, &erased).map_err(bad)?;
                continue;
            }
            let posting = record::decode(&entry[..RECORD_LEN]).map_err(bad)?;
            self.position.admit(index as u64, &posting, header.has_state).map_err(bad)?;
            postings.push(posting);
        }
        if erased::root_of_entries(entries, RECORD_ENTRY_LEN) != header.records_root {
            return Err(fault(None, Reason::RecordsRoot));
        }
        if postings.last().is_some_and(|last| last.time_ns > header.time_ns) {
            return Err(Fault { part: Part::Headers, ..fault(None, Reason::Place("engine time")) });
        }
        match chain::gross(&postings) {
            Ok(sum) if sum == header.gross => {
                let next = next_validators(header.validators_hash, &postings);
                self.validators = Some(next.map_err(|error| fault(None, Reason::Malformed(error)))?);
                Ok(())
            }
            Ok(_) => Err(fault(None, Reason::Gross)),
            Err(error) => Err(fault(None, Reason::Malformed(error))),
        }
    }

    /// What stands behind the last sealed block, and the head.
    fn end(&self, files: &Files<'_>, head: Option<Head>, sealed: u64) -> Result<(), Fault> {
        let fault = |height, part, offset, reason| Fault { height, record: None, part, offset, reason };
        let last = sealed.saturating_sub(1);
        let Some(head) = head else {
            return Err(fault(last, Part::Head, 0, Reason::HeadMalformed));
        };
        if head.height > sealed {
            return Err(fault(sealed, Part::Headers, files.headers.len() as u64, Reason::Truncated));
        }
        if head.params != self.params_hash {
            let part = if sealed == 0 { Part::Params } else { Part::Head };
            return Err(fault(last, part, 0, Reason::Params));
        }
        if head != self.head() {
            return Err(fault(last, Part::Head, 0, Reason::HeadDiffers));
        }
        let ends = [
            (Part::Headers, files.headers.len(), sealed as usize * HEADER_LEN),
            (Part::Records, files.records.len(), self.records_len),
            (Part::Orders, files.orders.len(), self.orders_len),
        ];
        match ends.into_iter().find(|(_, len, used)| len != used) {
            Some((part, len, used)) => {
                Err(fault(sealed, part, used as u64, Reason::Trailing { bytes: (len - used) as u64 }))
            }
            None => Ok(()),
        }
    }
}
