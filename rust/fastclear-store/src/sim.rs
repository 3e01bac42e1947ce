//! A disk that fails as asked, and clocks that run as asked.
//!
//! What is written is seen at once and is safe after a sync. A crash keeps any subset of the 512-byte sectors written
//! since, and any subset of the changes to names since the directory was synced, in their order: what ALICE (Pillai et
//! al., OSDI 2014) found file systems to do. A sync that fails forgets that there was anything to write, as Linux does
//! (Rebello et al., ATC 2020). Every call has a number, so that a test can crash a run at each of them.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::clock::Clock;
use crate::vfs::{Vfs, VfsFile};

/// What a disk writes whole or not at all.
pub const SECTOR: usize = 512;

/// What is to go wrong. Calls are counted from the last [`SimVfs::plan`] or [`SimVfs::crash`], from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The power goes at this call: it does half of its work or none, and no later one does anything.
    pub crash_at: Option<u64>,
    /// The sync of a file with this number fails, counted on its own.
    pub sync_fails: Option<u64>,
    /// Bytes that fit on the disk.
    pub capacity: Option<u64>,
    /// The write with this number, counted on its own, goes to another place of its file.
    pub misdirect: Option<(u64, u64)>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    seen: Vec<u8>,
    safe: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl Node {
    /// Makes a sector safe.
    fn keep(&mut self, sector: usize) {
        let (start, end) = (sector * SECTOR, self.seen.len().min((sector + 1) * SECTOR));
        if self.safe.len() < end {
            self.safe.resize(end, 0);
        }
        self.safe[start..end].copy_from_slice(&self.seen[start..end]);
    }
}

#[derive(Clone, Debug)]
enum Change {
    Name(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Name(path, node) => drop(names.insert(path.clone(), *node)),
            Self::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Self::Remove(path) => drop(names.remove(path)),
        }
    }

    fn dir(&self) -> Option<&Path> {
        let (Self::Name(path, _) | Self::Rename(_, path, _) | Self::Remove(path)) = self;
        path.parent()
    }
}

#[derive(Debug, Default)]
struct Disk {
    nodes: Vec<Node>,
    seen: BTreeMap<PathBuf, usize>,
    safe: BTreeMap<PathBuf, usize>,
    changes: Vec<Change>,
    locks: BTreeMap<PathBuf, u64>,
    plan: Plan,
    calls: u64,
    syncs: u64,
    writes: u64,
    /// How often the power went; what was opened before is of no use after.
    lives: u64,
    is_off: bool,
}

/// A file system in memory, shared by its clones.
#[derive(Clone, Debug, Default)]
pub struct SimVfs(Rc<RefCell<Disk>>);

/// An open file of a [`SimVfs`].
#[derive(Debug)]
pub struct SimFile {
    disk: Rc<RefCell<Disk>>,
    node: usize,
    life: u64,
}

/// A lock of a [`SimVfs`].
#[derive(Debug)]
pub struct SimLock {
    disk: Rc<RefCell<Disk>>,
    path: PathBuf,
    life: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = self.disk.borrow_mut();
        if disk.lives == self.life {
            disk.locks.remove(&self.path);
        }
    }
}

fn off() -> io::Error {
    io::Error::other("the power is off")
}

impl Disk {
    /// Counts a call; `true` where the power goes in the middle of it.
    fn call(&mut self) -> io::Result<bool> {
        if self.is_off {
            return Err(off());
        }
        let now = self.plan.crash_at == Some(self.calls);
        self.calls += 1;
        self.is_off |= now;
        Ok(now)
    }

    /// Counts a call that either happens or does not.
    fn whole(&mut self) -> io::Result<()> {
        if self.call()? { Err(off()) } else { Ok(()) }
    }

    fn used(&self) -> u64 {
        self.seen.values().map(|&node| self.nodes[node].seen.len() as u64).sum()
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.seen.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.changes.push(change);
    }
}

impl SimVfs {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn disk(&self) -> RefMut<'_, Disk> {
        self.0.borrow_mut()
    }

    /// What is to go wrong from now on; counting begins anew.
    pub fn plan(&self, plan: Plan) {
        let mut disk = self.disk();
        (disk.plan, disk.calls, disk.syncs, disk.writes) = (plan, 0, 0, 0);
    }

    /// Calls since the last plan or crash.
    pub fn calls(&self) -> u64 {
        self.disk().calls
    }

    /// Whether the power has gone.
    pub fn is_off(&self) -> bool {
        self.disk().is_off
    }

    /// The power goes, if it has not yet, and comes back: what was not synced is there in parts.
    pub fn crash(&self, seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut disk = self.disk();
        let disk = &mut *disk;
        // Sometimes nothing is kept, sometimes all, mostly a part.
        let odds = rng.next_u32() % 5;
        let mut kept = || match odds {
            0 => false,
            1 => true,
            _ => rng.next_u32().is_multiple_of(2),
        };
        for change in std::mem::take(&mut disk.changes) {
            if kept() {
                change.apply(&mut disk.safe);
            }
        }
        disk.seen.clone_from(&disk.safe);
        for node in &mut disk.nodes {
            for sector in std::mem::take(&mut node.dirty) {
                if kept() {
                    node.keep(sector);
                }
            }
            node.seen.clone_from(&node.safe);
        }
        disk.locks.clear();
        disk.lives += 1;
        disk.is_off = false;
        (disk.plan, disk.calls, disk.syncs, disk.writes) = (Plan::default(), 0, 0, 0);
    }

    /// Every file as it is seen.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let disk = self.disk();
        disk.seen.iter().map(|(path, &node)| (path.clone(), disk.nodes[node].seen.clone())).collect()
    }

    /// A disk with these files, all of them safe.
    pub fn with(files: &BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let mut disk = Disk::default();
        for (path, bytes) in files {
            disk.seen.insert(path.clone(), disk.nodes.len());
            disk.nodes.push(Node { seen: bytes.clone(), safe: bytes.clone(), dirty: BTreeSet::new() });
        }
        disk.safe.clone_from(&disk.seen);
        Self(Rc::new(RefCell::new(disk)))
    }
}

impl Vfs for SimVfs {
    type File = SimFile;
    type Lock = SimLock;

    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        self.disk().whole()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut disk = self.disk();
        disk.whole()?;
        let inside = disk.seen.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn open(&self, path: &Path) -> io::Result<SimFile> {
        let mut disk = self.disk();
        disk.whole()?;
        Ok(SimFile { disk: self.0.clone(), node: disk.find(path)?, life: disk.lives })
    }

    fn create(&self, path: &Path) -> io::Result<SimFile> {
        let mut disk = self.disk();
        disk.whole()?;
        let node = disk.nodes.len();
        disk.nodes.push(Node::default());
        disk.change(Change::Name(path.to_owned(), node));
        Ok(SimFile { disk: self.0.clone(), node, life: disk.lives })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let node = disk.find(from)?;
        let is_last = disk.call()?;
        disk.change(Change::Rename(from.to_owned(), to.to_owned(), node));
        if is_last { Err(off()) } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.find(path)?;
        let is_last = disk.call()?;
        disk.change(Change::Remove(path.to_owned()));
        if is_last { Err(off()) } else { Ok(()) }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.whole()?;
        let disk = &mut *disk;
        let safe = &mut disk.safe;
        disk.changes.retain(|change| {
            let here = change.dir() == Some(dir);
            if here {
                change.apply(safe);
            }
            !here
        });
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<SimLock>> {
        if !self.disk().seen.contains_key(path) {
            self.create(path)?;
        }
        let mut disk = self.disk();
        disk.whole()?;
        let life = disk.lives;
        let is_free = disk.locks.insert(path.to_owned(), life).is_none();
        Ok(is_free.then(|| SimLock { disk: self.0.clone(), path: path.to_owned(), life }))
    }
}

impl SimFile {
    fn disk(&self) -> io::Result<RefMut<'_, Disk>> {
        let disk = self.disk.borrow_mut();
        if disk.lives == self.life { Ok(disk) } else { Err(io::Error::other("opened before the crash")) }
    }
}

impl VfsFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let mut disk = self.disk()?;
        disk.whole()?;
        Ok(disk.nodes[self.node].seen.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut disk = self.disk()?;
        disk.whole()?;
        let start = offset as usize;
        let found = disk.nodes[self.node].seen.get(start..start + bytes.len());
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk()?;
        let is_last = disk.call()?;
        let number = disk.writes;
        disk.writes += 1;
        let start = match disk.plan.misdirect {
            Some((write, place)) if write == number => place as usize,
            _ => offset as usize,
        };
        let part = if is_last { &bytes[..bytes.len() / 2] } else { bytes };
        let end = start + part.len();
        let grows = end.saturating_sub(disk.nodes[self.node].seen.len()) as u64;
        if disk.plan.capacity.is_some_and(|capacity| disk.used() + grows > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let node = &mut disk.nodes[self.node];
        if node.seen.len() < end {
            node.seen.resize(end, 0);
        }
        node.seen[start..end].copy_from_slice(part);
        node.dirty.extend(start / SECTOR..end.div_ceil(SECTOR));
        if is_last { Err(off()) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk()?;
        disk.whole()?;
        let number = disk.syncs;
        disk.syncs += 1;
        let fails = disk.plan.sync_fails == Some(number);
        let node = &mut disk.nodes[self.node];
        let dirty = std::mem::take(&mut node.dirty);
        if fails {
            return Err(io::Error::other("EIO"));
        }
        for sector in dirty {
            node.keep(sector);
        }
        Ok(())
    }
}

/// Clocks that a test sets.
#[derive(Clone, Debug, Default)]
pub struct SimClock {
    /// The wall clock.
    pub wall: Rc<Cell<u64>>,
    /// The steady clock.
    pub steady: Rc<Cell<u64>>,
}

impl SimClock {
    /// Lets time go by on both.
    pub fn pass(&self, ns: u64) {
        self.wall.set(self.wall.get() + ns);
        self.steady.set(self.steady.get() + ns);
    }
}

impl Clock for SimClock {
    fn wall_ns(&self) -> u64 {
        self.wall.get()
    }

    fn steady_ns(&self) -> u64 {
        self.steady.get()
    }
}
