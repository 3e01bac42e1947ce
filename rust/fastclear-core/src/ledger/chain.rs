//! The chain: the only place that makes a header.
//!
//! [`Chain::draft`] computes the next block without changing anything, [`Chain::push`] accepts it. Between the two
//! the store writes the block to disk, so that a full disk or a refused posting leaves the chain as it was.

mod kept;

use super::account_leaf::state_root;
use super::consortium::next_validators;
use super::erased::{self, Erased};
use super::merkle::{self, Hash};
use super::order_leaf::{ORDER_ENTRY_LEN, ORDER_LEN, OrderLeaf};
use super::record::{self, RECORD_ENTRY_LEN, RECORD_LEN, SALT_LEN};
use super::salt::{SaltKey, Salts};
use super::{Header, LedgerError};
use crate::settlement::accounts::Accounts;
use crate::settlement::posting::{Kind, Posting};

/// What the next block is to hold.
#[derive(Clone, Debug, Default)]
pub struct Draft<'a> {
    /// Every order of the gate, in any order.
    pub orders: Vec<OrderLeaf>,
    /// The postings since the last block, in order.
    pub postings: &'a [Posting],
    /// Whether the postings are folded into account states.
    pub with_state: bool,
    /// Start of the delivery slot in ns.
    pub slot: u64,
    /// Earliest engine time of sealing in ns. The header's time is the latest of this, the last record's time, and
    /// 1 ns after the header before.
    pub not_before: u64,
}

/// A block with its leaf entries.
#[derive(Clone, Debug)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// Its hash.
    pub hash: Hash,
    /// Record entries, [`RECORD_ENTRY_LEN`] bytes each.
    pub records: Vec<u8>,
    /// Order entries, [`ORDER_ENTRY_LEN`] bytes each.
    pub orders: Vec<u8>,
    after: Position,
    validators_after: Hash,
}

/// Where a history stands: what the next record is checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    accounts: Accounts,
    next_seq: u64,
    last_time: Option<u64>,
}

impl Position {
    /// The account states.
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// `seq` of the next record.
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Engine time of the last record in ns.
    pub const fn last_time(&self) -> Option<u64> {
        self.last_time
    }

    /// Accepts the next record of the history: record `index` of its block.
    ///
    /// # Errors
    /// [`LedgerError::Field`], `Sequence`, `Time`, `TradeAmount` or `Fold`; the position is then as before.
    pub fn admit(&mut self, index: u64, posting: &Posting, with_state: bool) -> Result<(), LedgerError> {
        record::check(posting)?;
        // The last seq stays unused, so that the next one always has a number.
        if posting.seq != self.next_seq || posting.seq == u64::MAX {
            return Err(LedgerError::Sequence { record: index, expected: self.next_seq, got: posting.seq });
        }
        if let Some(previous) = self.last_time.filter(|&previous| posting.time_ns <= previous) {
            return Err(LedgerError::Time { record: index, previous, got: posting.time_ns });
        }
        if !record::trade_amount_holds(posting) {
            return Err(LedgerError::TradeAmount { record: index });
        }
        if with_state {
            self.accounts.apply(posting).map_err(|error| LedgerError::Fold { record: index, error })?;
        }
        self.next_seq += 1;
        self.last_time = Some(posting.time_ns);
        Ok(())
    }

    /// Accepts the next record where only its leaf hash is left: it moved nothing, and its time is not known any more.
    ///
    /// # Errors
    /// [`LedgerError::Sequence`].
    pub fn admit_erased(&mut self, index: u64, erased: &Erased) -> Result<(), LedgerError> {
        if erased.seq != self.next_seq || erased.seq == u64::MAX {
            return Err(LedgerError::Sequence { record: index, expected: self.next_seq, got: erased.seq });
        }
        self.next_seq += 1;
        Ok(())
    }

    /// Accepts the next records of a history that has been verified, folding them into account states.
    ///
    /// # Errors
    /// Those of [`Position::admit`], or of a malformed record.
    pub fn admit_entries(&mut self, entries: &[u8]) -> Result<(), LedgerError> {
        for (index, entry) in entries.chunks_exact(RECORD_ENTRY_LEN).enumerate() {
            if erased::is_erased(entry) {
                self.admit_erased(index as u64, &erased::decode(entry)?)?;
            } else {
                self.admit(index as u64, &record::decode(&entry[..RECORD_LEN])?, true)?;
            }
        }
        Ok(())
    }
}

/// Headers of a ledger and where its history stands.
#[derive(Clone)]
pub struct Chain {
    params_hash: Hash,
    id: Hash,
    key: SaltKey,
    headers: Vec<Header>,
    hashes: Vec<Hash>,
    position: Position,
    validators: Hash,
}

impl Chain {
    /// A chain without blocks.
    pub fn new(params_hash: Hash, key: SaltKey) -> Self {
        let id = key.chain_id(&params_hash);
        Self {
            params_hash,
            id,
            key,
            headers: Vec::new(),
            hashes: Vec::new(),
            position: Position::default(),
            validators: Hash::default(),
        }
    }

    /// A chain whose blocks [`super::verify`] has replayed.
    pub(super) fn resume(
        params_hash: Hash,
        key: SaltKey,
        headers: Vec<Header>,
        hashes: Vec<Hash>,
        position: Position,
        validators: Hash,
    ) -> Self {
        let id = headers.first().map_or_else(|| key.chain_id(&params_hash), |first| first.chain_id);
        Self { params_hash, id, key, headers, hashes, position, validators }
    }

    /// Sets the validators hash of block 0.
    ///
    /// # Errors
    /// [`LedgerError::NotNext`] once there is a block: from then on a membership record changes it.
    pub fn found(&mut self, validators: Hash) -> Result<(), LedgerError> {
        if !self.headers.is_empty() {
            return Err(LedgerError::NotNext);
        }
        self.validators = validators;
        Ok(())
    }

    /// The chain's id.
    pub const fn id(&self) -> &Hash {
        &self.id
    }

    /// Hash of the consortium that cosigns the next block; zero where there is none.
    pub const fn validators(&self) -> &Hash {
        &self.validators
    }

    /// SHA-256 of the parameters' text.
    pub const fn params_hash(&self) -> &Hash {
        &self.params_hash
    }

    /// The headers, by height.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// The header hashes, by height: the leaves of the header log.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Where the history stands.
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// Number of blocks.
    pub const fn height(&self) -> u64 {
        self.headers.len() as u64
    }

    /// Hash of the last header, zero before the first block.
    pub fn head(&self) -> Hash {
        self.hashes.last().copied().unwrap_or_default()
    }

    /// Computes the next block.
    ///
    /// # Errors
    /// Whatever [`Position::admit`] refuses, an order without a valid leaf, `StateChange`, `TooMany` or `Gross`.
    pub fn draft(&self, draft: Draft<'_>) -> Result<Block, LedgerError> {
        self.draft_salted(draft, &self.key)
    }

    /// [`Chain::draft`] with salts from a key of its own.
    ///
    /// # Errors
    /// Those of [`Chain::draft`].
    pub fn draft_salted(&self, draft: Draft<'_>, key: &SaltKey) -> Result<Block, LedgerError> {
        let Draft { mut orders, postings, with_state, slot, not_before } = draft;
        let last = self.headers.last();
        if let Some(last) = last.filter(|last| last.has_state != with_state) {
            return Err(LedgerError::StateChange { ledger_has_state: last.has_state });
        }
        let mut after = self.position.clone();
        for (index, posting) in postings.iter().enumerate() {
            after.admit(index as u64, posting, with_state)?;
        }
        orders.iter().try_for_each(OrderLeaf::check)?;
        orders.sort_unstable_by(OrderLeaf::order);

        let height = self.height();
        let earliest = last.map_or(Some(0), |last| last.time_ns.checked_add(1)).ok_or(LedgerError::NotNext)?;
        let last_record = postings.last().map_or(0, |posting| posting.time_ns);
        let records = entries::<RECORD_LEN, RECORD_ENTRY_LEN, _>(postings, key.records(height), record::encode);
        let orders_bytes = entries::<ORDER_LEN, ORDER_ENTRY_LEN, _>(&orders, key.orders(height), OrderLeaf::encode);
        let header = Header {
            has_state: with_state,
            height,
            chain_id: self.id,
            prev: self.head(),
            orders_root: merkle::root_of_entries(&orders_bytes, ORDER_ENTRY_LEN),
            records_root: merkle::root_of_entries(&records, RECORD_ENTRY_LEN),
            state_root: if with_state { state_root(&after.accounts) } else { Hash::default() },
            params_hash: self.params_hash,
            validators_hash: self.validators,
            orders: u32::try_from(orders.len()).map_err(|_| LedgerError::TooMany { what: "orders" })?,
            records: u32::try_from(postings.len()).map_err(|_| LedgerError::TooMany { what: "records" })?,
            first_seq: self.position.next_seq,
            time_ns: earliest.max(last_record).max(not_before),
            slot,
            gross: gross(postings)?,
        };
        let validators_after = next_validators(self.validators, postings)?;
        Ok(Block { hash: header.hash(), header, records, orders: orders_bytes, after, validators_after })
    }

    /// Accepts a block that [`Chain::draft`] made of this chain as it stands.
    ///
    /// # Errors
    /// [`LedgerError::NotNext`] for any other block.
    pub fn push(&mut self, block: &Block) -> Result<(), LedgerError> {
        let next = block.header.height == self.height()
            && block.header.prev == self.head()
            && block.header.chain_id == self.id
            && block.header.first_seq == self.position.next_seq;
        if !next {
            return Err(LedgerError::NotNext);
        }
        self.key.advance();
        self.headers.push(block.header);
        self.hashes.push(block.hash);
        self.position = block.after.clone();
        self.validators = block.validators_after;
        Ok(())
    }
}

/// Sum of the amounts of the trades.
///
/// # Errors
/// [`LedgerError::Gross`] if it leaves 64 bits.
pub(super) fn gross(postings: &[Posting]) -> Result<i64, LedgerError> {
    let trades = postings.iter().filter(|posting| posting.kind == Kind::Trade);
    let sum: i128 = trades.map(|posting| i128::from(posting.amount)).sum();
    i64::try_from(sum).map_err(|_| LedgerError::Gross)
}

/// Leaves that get their salts together.
const SALTED_AT_ONCE: usize = 64;

/// Leaves one after another, a salt behind each.
fn entries<const LEAF: usize, const ENTRY: usize, T>(
    items: &[T],
    mut salts: Salts,
    encode: impl Fn(&T) -> [u8; LEAF],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.len() * ENTRY);
    let mut salted = [0_u8; SALTED_AT_ONCE * SALT_LEN];
    for items in items.chunks(SALTED_AT_ONCE) {
        let salted = &mut salted[..items.len() * SALT_LEN];
        salts.fill(salted);
        for (item, salt) in items.iter().zip(salted.chunks_exact(SALT_LEN)) {
            out.extend_from_slice(&encode(item));
            out.extend_from_slice(salt);
        }
    }
    out
}
