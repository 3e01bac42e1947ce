//! The journal: batches of commands, each written once and synced once, in segments of a fixed size.
//!
//! A segment is made of zeros and put on disk with its directory entry before its first frame is written, so that a
//! frame changes neither the length of a file nor a directory, and one sync of its bytes is all it needs. Segments
//! whose frames no kept snapshot needs are used again; what is left in them has lower numbers and is told from the
//! end of the journal by that.

pub(crate) mod frame;
pub(crate) mod recover;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use crate::vfs::{Vfs, VfsFile};
use crate::{Durability, StoreError, files::failed};
use frame::{FrameHash, FrameHeader, HEADER_LEN, Kind, PAGE};

/// Zeros that are written at once.
const ZEROS: usize = 1 << 20;

/// What a journal has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames written.
    pub frames: u64,
    /// Bytes of frames, with headers and padding.
    pub frame_bytes: u64,
    /// Syncs of frames.
    pub frame_syncs: u64,
    /// Segments made; the zeros in them are not among `frame_bytes`.
    pub segments_made: u64,
    /// Segments used again.
    pub segments_reused: u64,
}

/// A segment behind the one that is written to.
#[derive(Clone, Copy, Debug)]
struct Full {
    number: u64,
    last_lsn: u64,
}

/// Where the next frame goes.
#[derive(Debug)]
struct Active<F> {
    file: F,
    number: u64,
    bytes: u64,
    used: u64,
}

/// The journal, open for writing.
pub(crate) struct Journal<V: Vfs> {
    vfs: V,
    dir: PathBuf,
    durability: Durability,
    segment_bytes: u64,
    store: u64,
    full: VecDeque<Full>,
    active: Active<V::File>,
    /// Numbers of segments that are there and hold nothing that is needed, in the order in which they are used.
    spare: VecDeque<u64>,
    last_lsn: u64,
    last_hash: FrameHash,
    last_kind: Kind,
    /// The frame that is being built: room for the header, then the payload.
    buffer: Vec<u8>,
    counts: Counts,
}

/// A segment's file.
pub(crate) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("journal-{number:010}.fcj"))
}

/// The number in a segment's name.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".fcj")?;
    (digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Makes a segment of zeros, on disk with its name when this returns.
pub(crate) fn make_segment<V: Vfs>(
    vfs: &V,
    dir: &Path,
    number: u64,
    bytes: u64,
    durability: Durability,
) -> Result<V::File, StoreError> {
    let (path, fresh) = (segment_path(dir, number), dir.join(format!("journal-{number:010}.tmp")));
    let made = (|| {
        let file = vfs.create(&fresh)?;
        zero(&file, 0, bytes)?;
        if durability.syncs() {
            file.sync_data()?;
        }
        vfs.rename(&fresh, &path)?;
        if durability.syncs() {
            vfs.sync_dir(dir)?;
        }
        Ok(file)
    })();
    made.map_err(|error| {
        // Nothing is in it yet, so that it is no loss, and its room is needed.
        let _ = vfs.remove(&fresh);
        if is_full(&error) {
            StoreError::DiskFull { path: dir.to_owned(), bytes }
        } else {
            failed("make", &path, error)
        }
    })
}

/// Writes zeros from `from` to `to`.
fn zero(file: &impl VfsFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS.min((to - from) as usize)];
    let mut at = from;
    while at < to {
        let part = zeros.len().min((to - at) as usize);
        file.write_at(at, &zeros[..part])?;
        at += part as u64;
    }
    Ok(())
}

impl<V: Vfs> Journal<V> {
    pub const fn last_lsn(&self) -> u64 {
        self.last_lsn
    }

    pub const fn last_hash(&self) -> FrameHash {
        self.last_hash
    }

    pub const fn store(&self) -> u64 {
        self.store
    }

    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether the last frame says that the store was closed.
    pub const fn is_closed(&self) -> bool {
        matches!(self.last_kind, Kind::Closed)
    }

    /// Begins a frame; the payload is appended to what this returns.
    pub fn begin(&mut self) -> &mut Vec<u8> {
        self.buffer.clear();
        self.buffer.resize(HEADER_LEN, 0);
        &mut self.buffer
    }

    /// Finds room for the frame that was begun.
    ///
    /// # Errors
    /// `TooLarge` or `DiskFull`, after which nothing has changed; `Io`, after which the journal is not to be used.
    pub fn make_room(&mut self) -> Result<(), StoreError> {
        let bytes = self.buffer.len().next_multiple_of(PAGE) as u64;
        let most = self.segment_bytes;
        if bytes > most || self.buffer.len() - HEADER_LEN > u32::MAX as usize {
            return Err(StoreError::TooLarge { bytes, most });
        }
        while self.active.used + bytes > self.active.bytes {
            let number = self.active.number + 1;
            let is_spare = self.spare.front() == Some(&number);
            // A spare one may be too small, where segments were smaller in an earlier life of the store.
            let spare = if is_spare { self.spare_of(number, bytes)? } else { None };
            let is_reused = spare.is_some();
            let (file, bytes) = match spare {
                Some(spare) => spare,
                None => {
                    let file = make_segment(&self.vfs, &self.dir, number, self.segment_bytes, self.durability)?;
                    (file, self.segment_bytes)
                }
            };
            self.counts.segments_reused += u64::from(is_reused);
            self.counts.segments_made += u64::from(!is_reused);
            if is_spare {
                self.spare.pop_front();
            }
            self.full.push_back(Full { number: self.active.number, last_lsn: self.last_lsn });
            self.active = Active { file, number, bytes, used: 0 };
        }
        Ok(())
    }

    /// A spare segment and its size, if a frame of this size fits in it.
    fn spare_of(&self, number: u64, frame_bytes: u64) -> Result<Option<(V::File, u64)>, StoreError> {
        let path = segment_path(&self.dir, number);
        let opened = self.vfs.open(&path).and_then(|file| Ok((file.len()?, file)));
        let (bytes, file) = opened.map_err(|error| failed("open", &path, error))?;
        Ok((bytes >= frame_bytes).then_some((file, bytes)))
    }

    /// Writes and syncs the frame that was begun, for which there is room.
    ///
    /// # Errors
    /// `Io`: what is on disk is then not known, and the journal is not to be used any more.
    pub fn append(&mut self, kind: Kind, time_ns: u64, count: u32, clock_jump: bool) -> Result<u64, StoreError> {
        let header = FrameHeader {
            kind,
            clock_jump,
            store: self.store,
            lsn: self.last_lsn + 1,
            time_ns,
            count,
            payload_len: (self.buffer.len() - HEADER_LEN) as u32,
            previous: self.last_hash,
            payload_crc: crc32c::crc32c(&self.buffer[HEADER_LEN..]),
        };
        self.buffer[..HEADER_LEN].copy_from_slice(&header.encode());
        let hash = frame::frame_hash(&self.buffer);
        self.buffer.resize(header.frame_len(), 0);
        let path = || segment_path(&self.dir, self.active.number);
        let file = &self.active.file;
        file.write_at(self.active.used, &self.buffer).map_err(|error| failed("write", &path(), error))?;
        if self.durability.syncs() {
            file.sync_data().map_err(|error| failed("sync", &path(), error))?;
            self.counts.frame_syncs += 1;
        }
        self.counts.frames += 1;
        self.counts.frame_bytes += self.buffer.len() as u64;
        self.active.used += self.buffer.len() as u64;
        (self.last_lsn, self.last_hash, self.last_kind) = (header.lsn, hash, kind);
        Ok(header.lsn)
    }

    /// Gives the segments up whose frames all come up to `lsn`: they are used again.
    ///
    /// # Errors
    /// `Io`.
    pub fn release(&mut self, lsn: u64) -> Result<(), StoreError> {
        let mut changed = false;
        while let Some(&Full { number, last_lsn }) = self.full.front()
            && last_lsn <= lsn
        {
            let next = self.spare.back().unwrap_or(&self.active.number) + 1;
            let path = segment_path(&self.dir, number);
            self.vfs.rename(&path, &segment_path(&self.dir, next)).map_err(|error| failed("rename", &path, error))?;
            self.full.pop_front();
            self.spare.push_back(next);
            changed = true;
        }
        if changed && self.durability.syncs() {
            self.vfs.sync_dir(&self.dir).map_err(|error| failed("sync", &self.dir, error))?;
        }
        Ok(())
    }
}
