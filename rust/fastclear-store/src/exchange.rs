//! An exchange that is kept: its commands in a journal, its blocks in a ledger directory.
//!
//! | in the directory | what it is |
//! |---|---|
//! | `journal-N.fcj`, `snapshot-LSN.fcs`, `lock` | the store of the [`Exchange`], see [`crate::Host`] |
//! | `ledger/` | its blocks, as [`crate::verify_dir`] reads them |
//!
//! A command is journalled, applied, and where it sealed a block the block is written; only then is it answered. After a
//! crash the commands of the journal are applied again, which makes the same blocks again, byte for byte: those that are
//! in the ledger are passed over, those that are missing are written, and a ledger that says anything else is refused.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastclear_core::exchange::reply::Leaves;
use fastclear_core::exchange::{Exchange, Genesis, Malformed, Reply};
use fastclear_core::ledger::Header;
use fastclear_core::ledger::salt::SaltKey;
use fastclear_core::machine::Machine;

use crate::{Clock, Durability, Host, Ledger, Opened, Options, OsVfs, StoreError, WallClock};

/// Name of the machine and version of its state.
const MACHINE: &str = "fastclear exchange/1";
/// The directory of the blocks.
const LEDGER: &str = "ledger";

/// Where an exchange has the time from: the machine, or whoever runs a simulation.
#[derive(Clone, Debug, Default)]
pub enum ExchangeClock {
    /// The clocks of the machine.
    #[default]
    Wall,
    /// A time that is set by hand, ns since 1970 UTC.
    Manual(Arc<AtomicU64>),
}

/// An [`ExchangeClock`] that is running.
#[derive(Clone, Debug)]
struct Running(ExchangeClock, WallClock);

impl Clock for Running {
    fn wall_ns(&self) -> u64 {
        match &self.0 {
            ExchangeClock::Wall => self.1.wall_ns(),
            ExchangeClock::Manual(time) => time.load(Ordering::Relaxed),
        }
    }

    fn steady_ns(&self) -> u64 {
        match &self.0 {
            ExchangeClock::Wall => self.1.steady_ns(),
            // Time that is set by hand may go in any steps.
            ExchangeClock::Manual(time) => time.load(Ordering::Relaxed),
        }
    }
}

/// How an exchange is kept.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// When a command is safe.
    pub durability: Durability,
    /// Size of a journal segment; a command must fit in one, and a snapshot is taken when so much was written.
    pub segment_bytes: u64,
    /// Where time comes from.
    pub clock: ExchangeClock,
}

impl Default for Keeping {
    fn default() -> Self {
        let Options { durability, segment_bytes, .. } = Options::new(MACHINE);
        Self { durability, segment_bytes, clock: ExchangeClock::default() }
    }
}

enum Place {
    Memory { exchange: Box<Exchange>, clock: Running },
    Kept { host: Box<Host<Exchange, OsVfs, Running>>, path: PathBuf, segment_bytes: u64 },
}

/// An exchange with its blocks, in memory or in a directory.
pub struct House {
    place: Place,
    ledger: Arc<Mutex<Ledger>>,
    /// A block could not be written: the ledger is behind the exchange until it is opened again.
    behind: bool,
}

impl House {
    /// An exchange that lives as long as this object.
    ///
    /// # Errors
    /// Terms that cannot be.
    pub fn in_memory(genesis: Genesis, clock: ExchangeClock) -> Result<Self, Malformed> {
        let text = genesis.text();
        let exchange = Box::new(Exchange::new(genesis)?);
        let ledger = Ledger::in_memory(Some(text.as_bytes()), no_key());
        let place = Place::Memory { exchange, clock: Running(clock, WallClock::default()) };
        Ok(Self { place, ledger: Arc::new(Mutex::new(ledger)), behind: false })
    }

    /// Opens the exchange in a directory, or begins one under `genesis` where there is none.
    ///
    /// # Errors
    /// Those of [`Host::open`] and of [`crate::LedgerDir::open`]; `NoTerms` where there is nothing and no genesis, or one
    /// that cannot be; `OtherParams` for an exchange under other terms; `LedgerDiffers` where journal and ledger do not
    /// tell the same story.
    pub fn open(path: &Path, genesis: Option<&Genesis>, keeping: Keeping) -> Result<(Self, Opened), StoreError> {
        let Keeping { durability, segment_bytes, clock } = keeping;
        let no_terms = |reason: String| StoreError::NoTerms { path: path.to_owned(), reason };
        if genesis.is_none() && !has_snapshot(path) {
            return Err(no_terms("there is no exchange yet; say its platform or its terms".to_owned()));
        }
        // Where there is a snapshot nothing is begun.
        let first = Exchange::new(genesis.cloned().unwrap_or_default());
        let first = first.map_err(|fault| no_terms(fault.reason.to_owned()))?;
        let options = Options { durability, segment_bytes, ..Options::new(MACHINE) };
        let ledger_path = path.join(LEDGER);
        let open_ledger = |params: Option<&[u8]>| Ledger::open(&ledger_path, params, no_key(), durability);
        let mut ledger = if ledger_path.join("head").is_file() { Some(open_ledger(None)?) } else { None };
        let known: Vec<Header> = ledger.as_ref().map_or_else(Vec::new, |ledger| ledger.chain().headers().to_vec());
        let differs =
            |height: u64, reason: &'static str| StoreError::LedgerDiffers { path: ledger_path.clone(), height, reason };
        let mut missing: Vec<(Header, Leaves)> = Vec::new();
        let running = Running(clock, WallClock::default());
        let (host, opened) = Host::open(
            OsVfs,
            running,
            path,
            options,
            || first,
            |replayed| {
                if let Some((header, leaves)) = sealed(replayed.reply) {
                    match known.get(header.height as usize) {
                        Some(there) if *there == header => {}
                        Some(_) => return Err(differs(header.height, "the ledger has another block there")),
                        None => missing.push((header, leaves)),
                    }
                }
                Ok(())
            },
        )?;
        let exchange = host.machine();
        if genesis.is_some_and(|genesis| genesis != exchange.genesis()) {
            return Err(StoreError::OtherParams { path: path.to_owned() });
        }
        let text = exchange.genesis().text();
        let mut ledger = match ledger.take() {
            Some(ledger) if ledger.params() != text.as_bytes() => {
                return Err(StoreError::OtherParams { path: ledger_path });
            }
            Some(ledger) => ledger,
            None => open_ledger(Some(text.as_bytes()))?,
        };
        let made = exchange.chain().map_or(&[][..], |chain| chain.headers());
        if let Some(height) = (0..known.len()).find(|&height| made.get(height) != Some(&known[height])) {
            return Err(differs(height as u64, "the journal does not have that block"));
        }
        if known.len() + missing.len() != made.len() {
            return Err(differs(known.len() as u64, "the block is neither in the ledger nor in the journal any more"));
        }
        for (header, leaves) in missing {
            ledger.append(&header, leaves.records, leaves.orders)?;
        }
        let place = Place::Kept { host: Box::new(host), path: path.to_owned(), segment_bytes };
        Ok((Self { place, ledger: Arc::new(Mutex::new(ledger)), behind: false }, opened))
    }

    /// Does one command and returns the reply, once command and block are as safe as the durability says.
    ///
    /// # Errors
    /// Those of [`Host::submit`]; and where a block cannot be written: then the house has to be opened again, and the
    /// command is done.
    pub fn submit(&mut self, command: &[u8]) -> Result<Vec<u8>, StoreError> {
        if let Place::Kept { path, .. } = &self.place
            && self.behind
        {
            return Err(StoreError::Poisoned { path: path.clone() });
        }
        let reply = match &mut self.place {
            Place::Memory { exchange, clock } => {
                let mut reply = Vec::new();
                exchange.apply(clock.wall_ns().max(exchange.time_ns().saturating_add(1)), command, &mut reply);
                reply
            }
            Place::Kept { host, .. } => host.submit(&[command])?.into_reply(),
        };
        if let Some((header, leaves)) = sealed(&reply) {
            let appended = self.lock().append(&header, leaves.records, leaves.orders);
            self.behind = appended.is_err();
            appended?;
        }
        if let Place::Kept { host, segment_bytes, .. } = &mut self.place
            && host.bytes_since_snapshot() >= *segment_bytes
        {
            // The command is done and safe either way; a snapshot that fails poisons the host by itself.
            let _ = host.snapshot();
        }
        Ok(reply)
    }

    /// The exchange.
    pub fn exchange(&self) -> &Exchange {
        match &self.place {
            Place::Memory { exchange, .. } => exchange,
            Place::Kept { host, .. } => host.machine(),
        }
    }

    /// Its blocks, for reading: one that is sealed past the exchange would not be its own.
    pub fn ledger(&self) -> Arc<Mutex<Ledger>> {
        Arc::clone(&self.ledger)
    }

    /// Writes the state, so that less is replayed by the next opening.
    ///
    /// # Errors
    /// Those of [`Host::snapshot`].
    pub fn snapshot(&mut self) -> Result<(), StoreError> {
        match &mut self.place {
            Place::Memory { .. } => Ok(()),
            Place::Kept { path, .. } if self.behind => Err(StoreError::Poisoned { path: path.clone() }),
            Place::Kept { host, .. } => host.snapshot(),
        }
    }

    /// Says that this is the end, and lets go of the directory: whoever still reads the ledger finds it empty. Dropping
    /// a house loses nothing either.
    ///
    /// # Errors
    /// Those of [`Host::close`].
    pub fn close(self) -> Result<(), StoreError> {
        if matches!(self.place, Place::Kept { .. }) {
            *self.lock() = Ledger::in_memory(None, no_key());
        }
        match self.place {
            Place::Memory { .. } => Ok(()),
            Place::Kept { host, .. } => host.close(),
        }
    }

    /// Believes the clock at the next command, however far it has jumped.
    pub fn accept_clock_jump(&mut self) {
        if let Place::Kept { host, .. } = &mut self.place {
            host.accept_clock_jump();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The block of a reply that sealed one just now.
fn sealed(reply: &[u8]) -> Option<(Header, Leaves)> {
    if !Reply::has_leaves(reply) {
        return None;
    }
    let Reply { header, leaves, .. } = Reply::decode(reply).ok()?;
    header.zip(leaves)
}

/// The ledger makes no salts: blocks come with theirs.
const fn no_key() -> SaltKey {
    SaltKey::new([0; 32])
}

/// Whether an exchange was begun here.
fn has_snapshot(path: &Path) -> bool {
    let is_snapshot = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with("snapshot-"));
    std::fs::read_dir(path)
        .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|e| is_snapshot(&e.file_name()))))
}
