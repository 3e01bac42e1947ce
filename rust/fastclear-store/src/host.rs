//! Keeps a [`Machine`] in a directory: nothing that was answered is lost, whenever the power goes.
//!
//! # The whole of it
//! ```
//! use fastclear_core::machine::{LoadError, Machine};
//! use fastclear_store::{Host, Options, OsVfs, WallClock};
//!
//! /// Adds up what it is told.
//! struct Sum(u64);
//!
//! impl Machine for Sum {
//!     fn apply(&mut self, _time_ns: u64, command: &[u8], reply: &mut Vec<u8>) {
//!         self.0 += u64::from(command[0]);
//!         reply.extend(self.0.to_le_bytes());
//!     }
//!     fn save(&self, out: &mut Vec<u8>) {
//!         out.extend(self.0.to_le_bytes());
//!     }
//!     fn load(bytes: &[u8]) -> Result<Self, LoadError> {
//!         let wrong = |_| LoadError { at: 0, reason: "not 8 bytes".to_owned() };
//!         Ok(Self(u64::from_le_bytes(bytes.try_into().map_err(wrong)?)))
//!     }
//!     fn root(&self) -> [u8; 32] {
//!         let mut root = [0; 32];
//!         root[..8].copy_from_slice(&self.0.to_le_bytes());
//!         root
//!     }
//! }
//!
//! let dir = tempfile::tempdir().unwrap();
//! let open = |seen: &mut Vec<u64>| {
//!     let options = Options { segment_bytes: 1 << 16, ..Options::new("sum/1") };
//!     Host::open(OsVfs, WallClock::default(), dir.path(), options, || Sum(0), |replayed| {
//!         seen.push(replayed.lsn);
//!         Ok(())
//!     })
//! };
//! let (mut host, opened) = open(&mut vec![]).unwrap();
//! assert!(opened.is_new);
//! let answer = host.submit(&[[3], [4]]).unwrap(); // one frame, one sync, two commands
//! assert_eq!((answer.lsn(), answer.replies().nth(1)), (1, Some(&7_u64.to_le_bytes()[..])));
//! drop(host); // as good as a power cut
//!
//! let mut seen = vec![];
//! let (mut host, opened) = open(&mut seen).unwrap();
//! assert_eq!((host.machine().0, seen, opened.replayed_commands), (7, vec![1, 1], 2));
//! host.snapshot().unwrap(); // so that less is replayed the next time
//! host.close().unwrap(); // so that the next opening knows that this was the end
//! ```
//!
//! # What a caller builds on
//! - [`Host::open`] loads the newest snapshot that is whole, applies the frames of the journal after it, and shows each
//!   command with its engine time and its reply to a callback: what was written elsewhere from replies (blocks of a
//!   ledger, messages) can be completed there. A command may be shown again that was shown before; it always has the
//!   same lsn, index, time and reply. What a snapshot covers is not shown: bring what is written elsewhere up to date
//!   before [`Host::snapshot`].
//! - [`Host::submit`] takes a batch of commands: journal, sync, apply, replies. Where it fails no command was applied.
//!   After `DiskFull`, `TooLarge` and `ClockJump` the host goes on; after `Io` it is poisoned: it can be read, and a
//!   new one has to be opened. A batch whose writing failed may be found whole by the next opening and is applied
//!   then: commands need ids of their own if they are sent again.
//! - [`Host::machine`] is there to read; [`Host::root`] is its root.
//! - One host a directory, of all processes.

use std::ops::Range;
use std::path::{Path, PathBuf};

use fastclear_core::machine::Machine;

use crate::clock::{Clock, EngineTime};
use crate::files::failed;
use crate::journal::frame::{self, Kind, PAGE};
use crate::journal::recover::{self, Anchor, Tail};
use crate::journal::{self, Counts, Journal};
use crate::snapshot::{self, Meta};
use crate::vfs::Vfs;
use crate::{Durability, StoreError};

/// The file that is locked.
const LOCK: &str = "lock";

/// How a store is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the machine and version of its state, at most 32 bytes: other ones are refused.
    pub machine: &'static str,
    /// When a batch is safe.
    pub durability: Durability,
    /// Size of a journal segment; a batch must fit in one. Rounded up to pages of 4,096 bytes.
    pub segment_bytes: u64,
    /// Number of a new store; random if left out. Stores that exchange no files may share one.
    pub store: Option<u64>,
}

impl Options {
    /// Synced batches, segments of 64 MiB.
    pub const fn new(machine: &'static str) -> Self {
        Self { machine, durability: Durability::Sync, segment_bytes: 64 << 20, store: None }
    }
}

/// A command that is applied again while a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Replayed<'a> {
    /// Frame that it stands in.
    pub lsn: u64,
    /// Place in the frame.
    pub index: u32,
    /// Engine time.
    pub time_ns: u64,
    /// The command.
    pub command: &'a [u8],
    /// What the machine answers.
    pub reply: &'a [u8],
}

/// What an opening has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Whether the store was begun.
    pub is_new: bool,
    /// Last frame of the snapshot that was loaded.
    pub snapshot_lsn: u64,
    /// Snapshots that were passed over because they are damaged.
    pub snapshots_damaged: u32,
    /// Frames that were applied again.
    pub replayed_frames: u64,
    /// Commands that were applied again.
    pub replayed_commands: u64,
    /// How the journal ended.
    pub tail: Tail,
}

/// Replies to a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    lsn: u64,
    time_ns: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Answer {
    /// Frame of the batch; 0 if there was no command.
    pub const fn lsn(&self) -> u64 {
        self.lsn
    }

    /// Engine time of the first command; the others follow, a nanosecond each.
    pub const fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// One reply a command.
    pub fn replies(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.ends.len()).map(|index| &self.bytes[self.range(index)])
    }

    /// The reply to the only command of a batch; nothing if there was none.
    pub fn into_reply(mut self) -> Vec<u8> {
        self.bytes.truncate(self.ends.first().copied().unwrap_or(0));
        self.bytes
    }

    fn range(&self, index: usize) -> Range<usize> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[index]
    }
}

/// A machine and the directory that it is kept in.
pub struct Host<M, V: Vfs, C> {
    machine: M,
    journal: Journal<V>,
    vfs: V,
    clock: C,
    time: EngineTime,
    dir: PathBuf,
    options: Options,
    /// Lsns of the snapshots that are known to be whole, ascending.
    snapshots: Vec<u64>,
    /// Lsns of those that are not; they go once there is a new one.
    damaged: Vec<u64>,
    /// Bytes of frames after the newest snapshot that were there at the opening; 0 once there is a newer one.
    replayed_bytes: u64,
    bytes_at_snapshot: u64,
    poisoned: bool,
    any_clock_step: bool,
    /// Held until everything else is gone.
    _lock: V::Lock,
}

impl<M: Machine, V: Vfs, C: Clock> Host<M, V, C> {
    /// Opens the store in `dir`, or begins one with the machine that `begin` makes.
    ///
    /// # Errors
    /// `Locked`, `NotAStore`, `OtherFormat`, `Damaged` (with file and offset) or `Io`; and what `on_replay` returns. A
    /// refused directory has the same content as before.
    pub fn open(
        vfs: V,
        clock: C,
        dir: &Path,
        mut options: Options,
        begin: impl FnOnce() -> M,
        mut on_replay: impl FnMut(Replayed<'_>) -> Result<(), StoreError>,
    ) -> Result<(Self, Opened), StoreError> {
        options.segment_bytes = options.segment_bytes.max(1).next_multiple_of(PAGE as u64);
        options.machine = check_name(options.machine, dir)?;
        let syncs = options.durability.syncs();
        is_ours(&list(&vfs, dir)?, dir)?;
        vfs.create_dir(dir).map_err(|error| failed("create", dir, error))?;
        if syncs && let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            vfs.sync_dir(parent).map_err(|error| failed("sync", parent, error))?;
        }
        let lock = vfs.lock(&dir.join(LOCK)).map_err(|error| failed("lock", dir, error))?;
        let lock = lock.ok_or_else(|| StoreError::Locked { path: dir.to_owned() })?;
        // Only now that nobody else writes, the directory holds still.
        let mut names = list(&vfs, dir)?;
        is_ours(&names, dir)?;
        for name in names.iter().filter(|name| is_unfinished(name)) {
            let path = dir.join(name);
            vfs.remove(&path).map_err(|error| failed("remove", &path, error))?;
        }
        let is_new = snapshot::listed(&names).is_empty();
        if is_new {
            start(&vfs, dir, &names, &options, &begin())?;
            names = list(&vfs, dir)?;
        }
        let mut opened = Opened { is_new, ..Opened::default() };
        let (meta, mut machine, snapshots) = newest::<V, M>(&vfs, dir, &options, &names, &mut opened)?;
        let anchor = Anchor { store: meta.store, lsn: meta.lsn, hash: meta.hash };
        let mut last_ns = meta.time_ns;
        let mut replayed_bytes = 0;
        let mut reply = Vec::new();
        let (journal, tail) = recover::recover(
            &vfs,
            dir,
            &names,
            anchor,
            (options.durability, options.segment_bytes),
            &mut |header, payload, (path, offset)| {
                let damaged =
                    |reason: &str| StoreError::Damaged { path: path.to_owned(), offset, reason: reason.to_owned() };
                let commands =
                    frame::commands(payload, header.count).ok_or_else(|| damaged("the commands do not add up"))?;
                if header.time_ns <= last_ns {
                    return Err(damaged("engine time does not rise"));
                }
                for (index, command) in (0..).zip(&commands) {
                    let time_ns = header.time_ns + u64::from(index);
                    reply.clear();
                    machine.apply(time_ns, command, &mut reply);
                    on_replay(Replayed { lsn: header.lsn, index, time_ns, command, reply: &reply })?;
                }
                last_ns = header.time_ns + u64::from(header.count.saturating_sub(1));
                replayed_bytes += header.frame_len() as u64;
                opened.replayed_frames += u64::from(header.kind == Kind::Batch);
                opened.replayed_commands += commands.len() as u64;
                Ok(())
            },
        )?;
        opened.tail = tail;
        let time = EngineTime::resume(last_ns, &clock);
        let host = Self {
            machine,
            journal,
            vfs,
            clock,
            time,
            dir: dir.to_owned(),
            options,
            damaged: snapshot::listed(&names).into_iter().filter(|&lsn| lsn > meta.lsn).collect(),
            snapshots,
            replayed_bytes,
            bytes_at_snapshot: 0,
            poisoned: false,
            any_clock_step: false,
            _lock: lock,
        };
        Ok((host, opened))
    }

    /// Journals a batch of commands, applies it and returns the replies. One frame, and one sync at most.
    ///
    /// # Errors
    /// `DiskFull`, `TooLarge`, `ClockJump`: nothing has happened. `Io`, `Poisoned`: nothing was applied, and what is on
    /// disk only another opening can tell.
    pub fn submit<B: AsRef<[u8]>>(&mut self, commands: &[B]) -> Result<Answer, StoreError> {
        if commands.is_empty() {
            return Ok(Answer::default());
        }
        let lengths = commands.iter().map(|command| command.as_ref().len() as u64 + 4);
        let bytes = lengths.sum::<u64>() + frame::HEADER_LEN as u64;
        if bytes > self.options.segment_bytes {
            return Err(StoreError::TooLarge { bytes, most: self.options.segment_bytes });
        }
        let payload = self.journal.begin();
        for command in commands {
            frame::push_command(payload, command.as_ref());
        }
        let count = commands.len() as u32;
        let (lsn, time_ns) = self.append(Kind::Batch, count)?;
        let mut answer = Answer { lsn, time_ns, ..Answer::default() };
        for (time_ns, command) in (time_ns..).zip(commands) {
            self.machine.apply(time_ns, command.as_ref(), &mut answer.bytes);
            answer.ends.push(answer.bytes.len());
        }
        Ok(answer)
    }

    fn append(&mut self, kind: Kind, count: u32) -> Result<(u64, u64), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned { path: self.dir.clone() });
        }
        let jump = self.any_clock_step && self.time.next(&self.clock, false).is_err();
        let time_ns = self.time.next(&self.clock, self.any_clock_step).map_err(StoreError::ClockJump)?;
        let room = self.journal.make_room();
        self.poisoned = matches!(room, Err(StoreError::Io { .. }));
        room?;
        let appended = self.journal.append(kind, time_ns, count, jump);
        self.poisoned = appended.is_err();
        let lsn = appended?;
        self.time.take(time_ns, u64::from(count), &self.clock);
        self.any_clock_step = false;
        Ok((lsn, time_ns))
    }

    /// Writes the state, so that less is replayed by the next opening; keeps the two newest snapshots, and gives up
    /// the part of the journal that both of them contain, once the new one has been read back.
    ///
    /// # Errors
    /// `DiskFull`: the store goes on as before. `Io`, `Damaged`: it is poisoned, and nothing is lost.
    pub fn snapshot(&mut self) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned { path: self.dir.clone() });
        }
        let lsn = self.journal.last_lsn();
        if self.snapshots.last() == Some(&lsn) {
            return Ok(());
        }
        let made = self.make_snapshot(lsn);
        self.poisoned = !matches!(made, Ok(()) | Err(StoreError::DiskFull { .. }));
        made
    }

    fn make_snapshot(&mut self, lsn: u64) -> Result<(), StoreError> {
        let (store, hash) = (self.journal.store(), self.journal.last_hash());
        let meta = Meta { store, lsn, time_ns: self.time.last_ns(), hash };
        let Options { machine: name, durability, .. } = self.options;
        snapshot::write(&self.vfs, &self.dir, name, meta, &self.machine, durability)?;
        self.snapshots.push(lsn);
        self.replayed_bytes = 0;
        self.bytes_at_snapshot = self.journal.counts().frame_bytes;
        self.damaged.retain(|&damaged| damaged != lsn);
        while let Some(&damaged) = self.damaged.last() {
            let path = snapshot::path_of(&self.dir, damaged);
            self.vfs.remove(&path).map_err(|error| failed("remove", &path, error))?;
            self.damaged.pop();
        }
        while self.snapshots.len() > 2 {
            let path = snapshot::path_of(&self.dir, self.snapshots[0]);
            self.vfs.remove(&path).map_err(|error| failed("remove", &path, error))?;
            self.snapshots.remove(0);
        }
        // With one snapshot alone the journal is the other copy of everything.
        if let [older, _] = self.snapshots[..] { self.journal.release(older) } else { Ok(()) }
    }

    /// Says in the journal that this is its end, so that a last frame that is damaged later is told from one that was
    /// never finished. Dropping a host loses nothing either.
    ///
    /// # Errors
    /// Those of [`Self::submit`].
    pub fn close(mut self) -> Result<(), StoreError> {
        if self.poisoned || self.journal.is_closed() || self.journal.last_lsn() == 0 {
            return Ok(());
        }
        // There is nothing in this frame that a wrong clock could spoil.
        self.any_clock_step = true;
        self.journal.begin();
        self.append(Kind::Closed, 0).map(|_| ())
    }

    /// The machine.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// Its root.
    pub fn root(&self) -> [u8; 32] {
        self.machine.root()
    }

    /// Engine time of the last command.
    pub const fn time_ns(&self) -> u64 {
        self.time.last_ns()
    }

    /// The last frame.
    pub const fn lsn(&self) -> u64 {
        self.journal.last_lsn()
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What was written since the store was opened.
    pub const fn counts(&self) -> Counts {
        self.journal.counts()
    }

    /// Bytes of frames since the newest snapshot: what the next opening will replay.
    pub const fn bytes_since_snapshot(&self) -> u64 {
        self.replayed_bytes + self.journal.counts().frame_bytes - self.bytes_at_snapshot
    }

    /// Most bytes of the commands of a batch, with four more for each.
    pub const fn payload_max(&self) -> usize {
        self.options.segment_bytes as usize - frame::HEADER_LEN
    }

    /// Whether a write has failed, so that the store has to be opened again.
    pub const fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Believes the clock at the next batch, however far it has jumped; the frame says so.
    pub const fn accept_clock_jump(&mut self) {
        self.any_clock_step = true;
    }
}

fn check_name(name: &'static str, dir: &Path) -> Result<&'static str, StoreError> {
    if name.len() <= snapshot::NAME_MAX && !name.is_empty() && !name.contains('\0') {
        return Ok(name);
    }
    Err(StoreError::OtherFormat {
        path: dir.to_owned(),
        found: format!("machine {name:?}"),
        expected: format!("a name of 1 to {} bytes", snapshot::NAME_MAX),
    })
}

fn list<V: Vfs>(vfs: &V, dir: &Path) -> Result<Vec<String>, StoreError> {
    match vfs.list(dir) {
        Ok(names) => Ok(names),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed("read", dir, error)),
    }
}

fn is_unfinished(name: &str) -> bool {
    name == "snapshot.tmp"
        || name.strip_suffix(".tmp").is_some_and(|name| journal::segment_number(&format!("{name}.fcj")).is_some())
}

/// Refuses a directory with anything that looks like something else than a store. Other files beside a store are fine.
fn is_ours(names: &[String], dir: &Path) -> Result<(), StoreError> {
    let ours = |name: &String| name == LOCK || is_unfinished(name) || journal::segment_number(name).is_some();
    let is_store = !snapshot::listed(names).is_empty() || names.iter().any(ours);
    if names.is_empty() || is_store { Ok(()) } else { Err(StoreError::NotAStore { path: dir.to_owned() }) }
}

/// Begins a store: one segment, then the snapshot of nothing, with which it exists.
fn start<V: Vfs, M: Machine>(
    vfs: &V,
    dir: &Path,
    names: &[String],
    options: &Options,
    machine: &M,
) -> Result<(), StoreError> {
    let Options { segment_bytes, durability, machine: name, store } = *options;
    for number in recover::segments(names) {
        recover::must_be_empty(vfs, dir, number)?;
    }
    journal::make_segment(vfs, dir, 1, segment_bytes, durability)?;
    // The hasher's keys are random; a number need only differ from that of other stores.
    let random = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), dir);
    let store = store.unwrap_or_else(random);
    let meta = Meta { store, lsn: 0, time_ns: 0, hash: frame::frame_hash(&store.to_le_bytes()) };
    snapshot::write(vfs, dir, name, meta, machine, durability)
}

/// The newest snapshot that is whole, and the lsns of those that are.
fn newest<V: Vfs, M: Machine>(
    vfs: &V,
    dir: &Path,
    options: &Options,
    names: &[String],
    opened: &mut Opened,
) -> Result<(Meta, M, Vec<u64>), StoreError> {
    let mut first_error = None;
    let lsns = snapshot::listed(names);
    for (place, &lsn) in lsns.iter().enumerate().rev() {
        match snapshot::read::<V, M>(vfs, dir, options.machine, lsn) {
            Ok((meta, machine)) => {
                opened.snapshot_lsn = lsn;
                // An older one was whole when it was written; only this one is known to be so now.
                return Ok((meta, machine, lsns[..=place].to_vec()));
            }
            Err(error @ StoreError::Damaged { .. }) => {
                opened.snapshots_damaged += 1;
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(first_error.unwrap_or_else(|| StoreError::NotAStore { path: dir.to_owned() }))
}
