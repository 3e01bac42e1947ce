//! A ledger, wherever it is kept.

use std::ops::Range;
use std::path::Path;

use fastclear_core::ledger::header::HEADER_LEN;
use fastclear_core::ledger::salt::SaltKey;
use fastclear_core::ledger::verify::Replay;
use fastclear_core::ledger::{Block, Chain, Draft, Header};

use crate::{Durability, LedgerDir, StoreError};

/// A ledger in memory or in a directory: the same blocks either way.
pub struct Ledger(Place);

enum Place {
    Memory(Box<Memory>),
    Dir(Box<LedgerDir>),
}

struct Memory {
    params: Vec<u8>,
    chain: Chain,
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
    pub fn append(&mut self, header: Header, records: Vec<u8>, orders: Vec<u8>) -> Result<(), StoreError> {
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

impl Memory {
    fn seal(&mut self, draft: Draft<'_>) -> Result<Block, StoreError> {
        let block = self.chain.draft(draft)?;
        self.chain.push(&block)?;
        self.keep(&block);
        Ok(block)
    }

    fn append(&mut self, header: Header, records: Vec<u8>, orders: Vec<u8>) -> Result<(), StoreError> {
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
