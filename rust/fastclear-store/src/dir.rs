//! A ledger in a directory.

use std::fs::{self, TryLockError};
use std::path::{Path, PathBuf};

use fastclear_core::ledger::head::Head;
use fastclear_core::ledger::header::HEADER_LEN;
use fastclear_core::ledger::order_leaf::ORDER_ENTRY_LEN;
use fastclear_core::ledger::record::RECORD_ENTRY_LEN;
use fastclear_core::ledger::salt::SaltKey;
use fastclear_core::ledger::verify::{Fault, Files, Part, Reason, Replay};
use fastclear_core::ledger::{Block, Chain, Checkpoint, Draft, Hash, Header, LedgerError, verify};

use crate::erasing;
use crate::files::{self, Named};
use crate::signed;
use crate::{Durability, StoreError};

/// A ledger directory, open for writing by this object alone.
pub struct LedgerDir {
    path: PathBuf,
    headers: Named,
    records: Named,
    orders: Named,
    /// Where each block's orders begin in `orders.bin`, and where the last ones end.
    order_starts: Vec<u64>,
    params: Vec<u8>,
    chain: Chain,
    signed: Option<Checkpoint>,
    durability: Durability,
    poisoned: bool,
}

impl LedgerDir {
    /// Opens the ledger in `path`, or begins one if the directory is missing or empty.
    ///
    /// `params` is the parameters' text; `None` takes what the ledger was begun with (`{}` for a new one).
    ///
    /// # Errors
    /// [`StoreError::Locked`], `NotALedger`, `OtherParams`, `Corrupt` or `Io`. A refused directory is unchanged.
    pub fn open(path: &Path, params: Option<&[u8]>, key: SaltKey, durability: Durability) -> Result<Self, StoreError> {
        let new = is_new(path)?;
        if new {
            fs::create_dir_all(path).map_err(|source| files::failed("create", path, source))?;
        }
        // The lock comes before the first byte, so that two processes cannot begin one ledger.
        let headers = Named::open(path.join(Part::Headers.file()), new)?;
        match headers.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(files::failed("lock", path, source)),
        }
        if new && is_new(path)? {
            begin(path, params.unwrap_or(b"{}"), durability)?;
        }
        erasing::finish(path)?;
        let bytes = Bytes::read(path)?;
        if params.is_some_and(|params| params != bytes.params) {
            return Err(StoreError::OtherParams { path: path.to_owned() });
        }
        let corrupt = |fault| StoreError::Corrupt { path: path.to_owned(), fault };
        let replay = recover(&bytes).map_err(corrupt)?;

        let signed = bytes.signed(&replay).map_err(corrupt)?;

        let mut order_starts = vec![0];
        let mut end = 0;
        for header in replay.headers() {
            end += u64::from(header.orders) * ORDER_ENTRY_LEN as u64;
            order_starts.push(end);
        }
        let mut dir = Self {
            path: path.to_owned(),
            headers,
            records: Named::open(path.join(Part::Records.file()), false)?,
            orders: Named::open(path.join(Part::Orders.file()), false)?,
            order_starts,
            params: bytes.params.clone(),
            signed,
            durability,
            poisoned: false,
            chain: replay.clone().into_chain(key),
        };
        dir.settle(&bytes, &replay)?;
        Ok(dir)
    }

    /// Makes the files say what was recovered: cuts a broken append, writes the head of a finished one.
    fn settle(&mut self, bytes: &Bytes, replay: &Replay) -> Result<(), StoreError> {
        let (records, orders) = replay.lengths();
        let headers = replay.headers().len() * HEADER_LEN;
        let ends = [
            (&mut self.headers, bytes.headers.len(), headers),
            (&mut self.records, bytes.records.len(), records),
            (&mut self.orders, bytes.orders.len(), orders),
        ];
        let mut changed = false;
        for (file, len, used) in ends {
            if len != used {
                file.cut(used as u64)?;
                file.sync()?;
                changed = true;
            }
        }
        let head = replay.head().encode();
        if changed || head.as_bytes() != bytes.head {
            self.write_head(&head, true)?;
        }
        Ok(())
    }

    /// The chain as it stands.
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// See [`Chain::found`].
    ///
    /// # Errors
    /// Those of [`Chain::found`].
    pub fn found(&mut self, validators: Hash) -> Result<(), LedgerError> {
        self.chain.found(validators)
    }

    /// The checkpoint of all blocks, for the log to sign; it is on disk before this returns.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`], `NothingToSign`, `Origin`, `OtherOrigin`, `Inconsistent` or `Io`.
    pub fn release(&mut self, origin: &str) -> Result<Checkpoint, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned { path: self.path.clone() });
        }
        let checkpoint = signed::next(origin, self.chain.hashes(), self.signed.as_ref())?;
        if self.signed.as_ref() != Some(&checkpoint) {
            let sync = self.durability == Durability::Sync;
            files::replace(&self.path.join(Part::Signed.file()), checkpoint.encode().as_bytes(), sync)?;
            if sync {
                files::sync_dir(&self.path)?;
            }
            self.signed = Some(checkpoint.clone());
        }
        Ok(checkpoint)
    }

    /// What the log signed last.
    pub const fn signed(&self) -> Option<&Checkpoint> {
        self.signed.as_ref()
    }

    /// The parameters' text.
    pub fn params(&self) -> &[u8] {
        &self.params
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Seals the next block. A refused draft changes nothing; a failed write closes the ledger for writing.
    ///
    /// # Errors
    /// [`StoreError::Ledger`], `Io` or `Poisoned`.
    pub fn seal(&mut self, draft: Draft<'_>) -> Result<Block, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned { path: self.path.clone() });
        }
        let block = self.chain.draft(draft)?;
        // Whatever fails from here on leaves the disk in a state that only a fresh look can tell.
        self.poisoned = true;
        self.write(&block)?;
        self.chain.push(&block)?;
        self.order_starts.push(self.orders_end() + block.orders.len() as u64);
        self.poisoned = false;
        Ok(block)
    }

    /// Appends a block that was made elsewhere; one that does not follow, or does not fit its leaves, changes nothing.
    ///
    /// # Errors
    /// Those of [`LedgerDir::seal`].
    pub fn append(&mut self, header: &Header, records: Vec<u8>, orders: Vec<u8>) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned { path: self.path.clone() });
        }
        let block = self.chain.next_block(header, records, orders)?;
        self.poisoned = true;
        self.write(&block)?;
        self.chain.push_next(&block)?;
        self.order_starts.push(self.orders_end() + block.orders.len() as u64);
        self.poisoned = false;
        Ok(())
    }

    fn write(&mut self, block: &Block) -> Result<(), StoreError> {
        let sync = self.durability.syncs();
        let records_at = block.header.first_seq * RECORD_ENTRY_LEN as u64;
        self.records.write_at(records_at, &block.records)?;
        let orders_at = self.orders_end();
        self.orders.write_at(orders_at, &block.orders)?;
        if sync {
            self.records.sync()?;
            self.orders.sync()?;
        }
        self.headers.write_at(block.header.height * HEADER_LEN as u64, &block.header.encode())?;
        if sync {
            self.headers.sync()?;
        }
        let head = Head { height: block.header.height + 1, header: block.hash, params: *self.chain.params_hash() };
        self.write_head(&head.encode(), sync)
    }

    fn write_head(&self, text: &str, sync: bool) -> Result<(), StoreError> {
        files::replace(&self.path.join(Part::Head.file()), text.as_bytes(), sync)?;
        if sync { files::sync_dir(&self.path) } else { Ok(()) }
    }

    fn orders_end(&self) -> u64 {
        self.order_starts.last().copied().unwrap_or(0)
    }

    /// The record entries of one block.
    ///
    /// # Errors
    /// [`StoreError::NoBlock`] or `Io`.
    pub fn records(&mut self, height: u64) -> Result<Vec<u8>, StoreError> {
        let header = self.chain.headers().get(height as usize).ok_or(self.no_block(height))?;
        let len = header.records as usize * RECORD_ENTRY_LEN;
        self.records.read_at(header.first_seq * RECORD_ENTRY_LEN as u64, len)
    }

    /// The order entries of one block.
    ///
    /// # Errors
    /// [`StoreError::NoBlock`] or `Io`.
    pub fn orders(&mut self, height: u64) -> Result<Vec<u8>, StoreError> {
        let header = self.chain.headers().get(height as usize).ok_or(self.no_block(height))?;
        let len = header.orders as usize * ORDER_ENTRY_LEN;
        self.orders.read_at(self.order_starts[height as usize], len)
    }

    /// Puts other bytes in the place of one block's entries, as many as there are: all of them or none, whatever happens.
    /// The old bytes are overwritten where they stand.
    ///
    /// # Errors
    /// [`StoreError::NoBlock`], `Poisoned` or `Io`. After `Io` the ledger is closed for writing; opening it finishes what
    /// was begun.
    pub fn overwrite(&mut self, height: u64, orders: bool, entries: &[u8]) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned { path: self.path.clone() });
        }
        let header = self.chain.headers().get(height as usize).ok_or(self.no_block(height))?;
        let (part, offset) = if orders {
            (Part::Orders, self.order_starts[height as usize])
        } else {
            (Part::Records, header.first_seq * RECORD_ENTRY_LEN as u64)
        };
        self.poisoned = true;
        erasing::begin(&self.path, part, offset, entries)?;
        erasing::finish(&self.path)?;
        self.poisoned = false;
        Ok(())
    }

    fn no_block(&self, height: u64) -> StoreError {
        StoreError::NoBlock { height, blocks: self.chain.height() }
    }
}

/// Verifies a ledger directory without changing or locking it.
///
/// # Errors
/// [`StoreError::Corrupt`] with the first bad block, `NotALedger` or `Io`.
pub fn verify_dir(path: &Path) -> Result<Replay, StoreError> {
    let is_ledger = [Part::Head, Part::Headers].iter().any(|part| path.join(part.file()).is_file());
    if !is_ledger {
        return Err(StoreError::NotALedger { path: path.to_owned() });
    }
    let bytes = Bytes::read(path)?;
    verify(&bytes.files())
        .and_then(|replay| bytes.signed(&replay).map(|_| replay))
        .map_err(|fault| StoreError::Corrupt { path: path.to_owned(), fault })
}

/// The five files in memory; a missing one is empty, which never verifies once a head names a block.
struct Bytes {
    params: Vec<u8>,
    headers: Vec<u8>,
    records: Vec<u8>,
    orders: Vec<u8>,
    head: Vec<u8>,
    signed: Option<Vec<u8>>,
}

impl Bytes {
    fn read(path: &Path) -> Result<Self, StoreError> {
        let read = |part: Part| files::read_if_there(&path.join(part.file())).map(Option::unwrap_or_default);
        let mut bytes = Self {
            // Before the head: what the log has signed was sealed.
            signed: files::read_if_there(&path.join(Part::Signed.file()))?,
            // The head first: a writer at work only ever adds bytes behind what it names.
            head: read(Part::Head)?,
            params: read(Part::Params)?,
            headers: read(Part::Headers)?,
            records: read(Part::Records)?,
            orders: read(Part::Orders)?,
        };
        if let Some(begun) = erasing::read(path)? {
            begun.lay_over(&mut bytes.records, &mut bytes.orders);
        }
        Ok(bytes)
    }

    /// The checkpoint signed last, which has to be one of these blocks.
    fn signed(&self, replay: &Replay) -> Result<Option<Checkpoint>, Fault> {
        self.signed.as_deref().map(|text| signed::check(text, replay.hashes())).transpose()
    }

    fn files(&self) -> Files<'_> {
        Files {
            params: &self.params,
            headers: &self.headers,
            records: &self.records,
            orders: &self.orders,
            head: &self.head,
        }
    }
}

/// Verifies everything the head names, then the one block that a crash can leave beyond it.
fn recover(bytes: &Bytes) -> Result<Replay, Fault> {
    let head = Head::decode(&bytes.head);
    let named = head.map_or(0, |head| head.height as usize).saturating_mul(HEADER_LEN);
    let beyond = bytes.headers.len().saturating_sub(named);
    let one_block_at_most = head.is_some() && beyond <= HEADER_LEN;
    let trailing = match verify(&bytes.files()) {
        Ok(replay) => return Ok(replay),
        Err(fault) if one_block_at_most && matches!(fault.reason, Reason::Trailing { .. }) => fault,
        Err(fault) => return Err(fault),
    };
    // Replay what the head names; `verify` has just accepted every block of it.
    let mut replay = Replay::new(&bytes.params);
    for header in bytes.headers[..named].chunks_exact(HEADER_LEN) {
        replay.block(header, &bytes.records, &bytes.orders)?;
    }
    if replay.headers().len() as u64 != trailing.height {
        return Err(trailing);
    }
    if beyond == HEADER_LEN {
        let mut longer = replay.clone();
        if longer.block(&bytes.headers[named..], &bytes.records, &bytes.orders).is_ok() {
            return Ok(longer);
        }
    }
    Ok(replay)
}

/// Whether a ledger is to be begun here: no directory, an empty one, or one whose making was broken off before the
/// first head was written.
fn is_new(path: &Path) -> Result<bool, StoreError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(source) => return Err(files::failed("read", path, source)),
    };
    let (mut empty, mut ours, mut head, mut blocks) = (true, false, false, false);
    for entry in entries {
        let entry = entry.map_err(|source| files::failed("read", path, source))?;
        let meta = entry.metadata().map_err(|source| files::failed("read", path, source))?;
        empty = false;
        match entry.file_name().to_str() {
            Some("head") => head = true,
            Some("headers.bin") => (ours, blocks) = (true, blocks || meta.len() > 0),
            Some("records.bin" | "orders.bin") => blocks |= meta.len() > 0,
            _ => {}
        }
    }
    if !(empty || head || ours) {
        return Err(StoreError::NotALedger { path: path.to_owned() });
    }
    // Blocks without a head are no broken start: opening goes on and refuses with file and reason.
    Ok(!head && !blocks)
}

/// Writes the files of a ledger without blocks. The head comes last: without it there is no ledger yet.
fn begin(path: &Path, params: &[u8], durability: Durability) -> Result<(), StoreError> {
    let sync = durability.syncs();
    files::replace(&path.join(Part::Params.file()), params, sync)?;
    for part in [Part::Records, Part::Orders] {
        Named::open(path.join(part.file()), true)?;
    }
    let head = Replay::new(params).head().encode();
    files::replace(&path.join(Part::Head.file()), head.as_bytes(), sync)?;
    if sync {
        files::sync_dir(path)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            files::sync_dir(parent)?;
        }
    }
    Ok(())
}
