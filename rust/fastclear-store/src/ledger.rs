//! A ledger, wherever it is kept.

use std::ops::Range;
use std::path::Path;

use fastclear_core::ledger::salt::SaltKey;
use fastclear_core::ledger::verify::Replay;
use fastclear_core::ledger::{Block, Chain, Draft};

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
        let (records, orders) = (self.records.len(), self.orders.len());
        self.records.extend_from_slice(&block.records);
        self.orders.extend_from_slice(&block.orders);
        self.ranges.push((records..self.records.len(), orders..self.orders.len()));
        Ok(block)
    }

    fn ranges(&self, height: u64) -> Result<(Range<usize>, Range<usize>), StoreError> {
        let blocks = self.chain.height();
        self.ranges.get(height as usize).cloned().ok_or(StoreError::NoBlock { height, blocks })
    }
}
