//! A ledger, wherever it is kept.

use std::ops::Range;
use std::path::Path;

use fastclear_core::ledger::header::HEADER_LEN;
use fastclear_core::ledger::salt::SaltKey;
use fastclear_core::ledger::verify::Replay;
use fastclear_core::ledger::{Block, Chain, Checkpoint, Draft, Hash, Header, LedgerError};

use crate::{Durability, LedgerDir, StoreError, erasing, signed};

/// A ledger in memory or in a directory: the same blocks either way.
pub struct Ledger(Place);

enum Place {
    Memory(Box<Memory>),
    Dir(Box<LedgerDir>),
}

struct Memory {
    params: Vec<u8>,
    chain: Chain,
    signed: Option<Checkpoint>,
    records: Vec<u8>,
    orders: Vec<u8>,
    /// Where each block's records and orders stand.
    ranges: Vec<(Range<usize>, Range<usize>)>,
}

impl Ledger {
    /// A ledger that lives as long as this object.
    pub fn in_memory(params: Option<&[u8]>, key: SaltKey) -> Self {
        let params = params.unwrap_or(b"{}").to_vec();
        Self(Place::Memory(Box::new(Memory {
            chain: Replay::new(&params).into_chain(key),
            signed: None,
            params,
            records: Vec::new(),
            orders: Vec::new(),
            ranges: Vec::new(),
        })))
    }

    /// The ledger in memory whose files these are, every block of it verified.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first bad block.
    pub fn restore(
        params: &[u8],
        headers: &[u8],
        records: &[u8],
        orders: &[u8],
        key: SaltKey,
    ) -> Result<Self, StoreError> {
        let mut replay = Replay::new(params);
        let mut ranges = Vec::new();
        for header in headers.chunks(HEADER_LEN) {
            let (record, order) = replay.lengths();
            replay
                .block(header, records, orders)
                .map_err(|fault| StoreError::Corrupt { path: "a ledger in memory".into(), fault })?;
            ranges.push((record..replay.lengths().0, order..replay.lengths().1));
        }
        let (records_len, orders_len) = replay.lengths();
        Ok(Self(Place::Memory(Box::new(Memory {
            params: params.to_vec(),
            chain: replay.into_chain(key),
            signed: None,
            records: records[..records_len].to_vec(),
            orders: orders[..orders_len].to_vec(),
            ranges,
        }))))
    }

    /// Parameters, headers, records and orders as a directory holds them: what [`Ledger::restore`] takes.
    ///
    /// # Errors
    /// `Io`.
    pub fn contents(&mut self) -> Result<[Vec<u8>; 4], StoreError> {
        let params = self.params().to_vec();
        let headers: Vec<u8> = self.chain().headers().iter().flat_map(Header::encode).collect();
        let (mut records, mut orders) = (Vec::new(), Vec::new());
        for height in 0..self.chain().height() {
            records.append(&mut self.records(height)?);
            orders.append(&mut self.orders(height)?);
        }
        Ok([params, headers, records, orders])
    }

    /// See [`LedgerDir::open`].
    ///
    /// # Errors
    /// Those of [`LedgerDir::open`].
    pub fn open(path: &Path, params: Option<&[u8]>, key: SaltKey, durability: Durability) -> Result<Self, StoreError> {
        let dir = LedgerDir::open(path, params, key, durability)?;
        Ok(Self(Place::Dir(Box::new(dir))))
    }

    /// The chain as it stands.
    pub const fn chain(&self) -> &Chain {
        match &self.0 {
            Place::Memory(memory) => &memory.chain,
            Place::Dir(dir) => dir.chain(),
        }
    }

    /// See [`Chain::found`].
    ///
    /// # Errors
    /// Those of [`Chain::found`].
    pub fn found(&mut self, validators: Hash) -> Result<(), LedgerError> {
        match &mut self.0 {
            Place::Memory(memory) => memory.chain.found(validators),
            Place::Dir(dir) => dir.found(validators),
        }
    }

    /// See [`LedgerDir::release`].
    ///
    /// # Errors
    /// Those of [`LedgerDir::release`].
    pub fn release(&mut self, origin: &str) -> Result<Checkpoint, StoreError> {
        match &mut self.0 {
            Place::Memory(memory) => {
                let checkpoint = signed::next(origin, memory.chain.hashes(), memory.signed.as_ref())?;
                memory.signed = Some(checkpoint.clone());
                Ok(checkpoint)
            }
            Place::Dir(dir) => dir.release(origin),
        }
    }

    /// What the log signed last.
    pub const fn signed(&self) -> Option<&Checkpoint> {
        match &self.0 {
            Place::Memory(memory) => memory.signed.as_ref(),
            Place::Dir(dir) => dir.signed(),
        }
    }

    /// Gives a ledger in memory what it had signed before it was copied.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if that is no checkpoint of these blocks.
    pub fn restore_signed(&mut self, text: &[u8]) -> Result<(), StoreError> {
        if let Place::Memory(memory) = &mut self.0 {
            let corrupt = |fault| StoreError::Corrupt { path: "a ledger in memory".into(), fault };
            memory.signed = Some(signed::check(text, memory.chain.hashes()).map_err(corrupt)?);
        }
        Ok(())
    }

    /// The parameters' text.
    pub fn params(&self) -> &[u8] {
        match &self.0 {
            Place::Memory(memory) => &memory.params,
            Place::Dir(dir) => dir.params(),
        }
    }

    /// Seals the next block; a refused draft changes nothing.
    ///
    /// # Errors
    /// Those of [`LedgerDir::seal`].
    pub fn seal(&mut self, draft: Draft<'_>) -> Result<Block, StoreError> {
        match &mut self.0 {
            Place::Memory(memory) => memory.seal(draft),
            Place::Dir(dir) => dir.seal(draft),
        }
    }

    /// Appends a block that was made elsewhere; one that does not follow, or does not fit its leaves, changes nothing.
    ///
    /// # Errors
    /// Those of [`LedgerDir::append`].
    pub fn append(&mut self, header: &Header, records: Vec<u8>, orders: Vec<u8>) -> Result<(), StoreError> {
        match &mut self.0 {
            Place::Memory(memory) => memory.append(header, records, orders),
            Place::Dir(dir) => dir.append(header, records, orders),
        }
    }

    /// The record entries of one block.
    ///
    /// # Errors
    /// [`StoreError::NoBlock`] or `Io`.
    pub fn records(&mut self, height: u64) -> Result<Vec<u8>, StoreError> {
        match &mut self.0 {
            Place::Memory(memory) => Ok(memory.records[memory.ranges(height)?.0].to_vec()),
            Place::Dir(dir) => dir.records(height),
        }
    }

    /// The order entries of one block.
    ///
    /// # Errors
    /// [`StoreError::NoBlock`] or `Io`.
    pub fn orders(&mut self, height: u64) -> Result<Vec<u8>, StoreError> {
        match &mut self.0 {
            Place::Memory(memory) => Ok(memory.orders[memory.ranges(height)?.1].to_vec()),
            Place::Dir(dir) => dir.orders(height),
        }
    }
}

impl Ledger {
    /// Takes the content of entries of one block out of every file; only their leaf hashes are left, which are given
    /// back.
    ///
    /// # Errors
    /// [`StoreError::NoBlock`], `Ledger` (no such entry, or one that is kept), `Poisoned` or `Io`. Where an error comes
    /// before the writing, nothing has changed.
    pub fn erase(&mut self, height: u64, orders: bool, indices: &[u64]) -> Result<Vec<Hash>, StoreError> {
        let entries = if orders { self.orders(height)? } else { self.records(height)? };
        let (erased, hashes) = erasing::erased_entries(entries, orders, indices)?;
        match &mut self.0 {
            Place::Memory(memory) => memory.overwrite(height, orders, &erased)?,
            Place::Dir(dir) => dir.overwrite(height, orders, &erased)?,
        }
        Ok(hashes)
    }
}

impl Memory {
    fn overwrite(&mut self, height: u64, orders: bool, entries: &[u8]) -> Result<(), StoreError> {
        let (records_at, orders_at) = self.ranges(height)?;
        let place = if orders { self.orders.get_mut(orders_at) } else { self.records.get_mut(records_at) };
        if let Some(place) = place.filter(|place| place.len() == entries.len()) {
            place.copy_from_slice(entries);
        }
        Ok(())
    }

    fn seal(&mut self, draft: Draft<'_>) -> Result<Block, StoreError> {
        let block = self.chain.draft(draft)?;
        self.chain.push(&block)?;
        self.keep(&block);
        Ok(block)
    }

    fn append(&mut self, header: &Header, records: Vec<u8>, orders: Vec<u8>) -> Result<(), StoreError> {
        let block = self.chain.next_block(header, records, orders)?;
        self.chain.push_next(&block)?;
        self.keep(&block);
        Ok(())
    }

    fn keep(&mut self, block: &Block) {
        let (records, orders) = (self.records.len(), self.orders.len());
        self.records.extend_from_slice(&block.records);
        self.orders.extend_from_slice(&block.orders);
        self.ranges.push((records..self.records.len(), orders..self.orders.len()));
    }

    fn ranges(&self, height: u64) -> Result<(Range<usize>, Range<usize>), StoreError> {
        let blocks = self.chain.height();
        self.ranges.get(height as usize).cloned().ok_or(StoreError::NoBlock { height, blocks })
    }
}
