//! Reading a journal after anything may have happened.
//!
//! Frames are read in order. Where the next one is not whole, the journal ends, if that can be the end: a frame is
//! written only after the one before is on disk, so a later one anywhere shows that what is missing was once there.
//! Then the store is damaged and refused. Else the rest is what a broken write has left, and is made zero.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::frame::{FrameHash, FrameHeader, NoHeader, PAGE, frame_hash, is_zero};
use super::{Active, Counts, Full, Journal, Kind, segment_number, segment_path, zero};
use crate::vfs::{Vfs, VfsFile};
use crate::{Durability, StoreError, files::failed};

/// From where the journal has to be there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    pub store: u64,
    pub lsn: u64,
    pub hash: FrameHash,
}

/// Where the frames end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Bytes that were not zero and no frame, and were made zero.
    pub cut_bytes: u64,
    /// Whether the last frame says that the store was closed.
    pub closed: bool,
}

/// A segment in memory; what is cut off at its end reads as zeros.
struct Loaded {
    number: u64,
    path: PathBuf,
    len: u64,
    bytes: Vec<u8>,
}

impl Loaded {
    fn read<V: Vfs>(vfs: &V, dir: &Path, number: u64, durability: Durability) -> Result<Self, StoreError> {
        let path = segment_path(dir, number);
        let read = vfs.open(&path).and_then(|file| {
            // What is read may be in memory alone, if the process died and the machine did not.
            if durability.syncs() {
                file.sync_data()?;
            }
            let len = file.len()?;
            let mut bytes = vec![0; (len as usize).next_multiple_of(PAGE)];
            file.read_at(0, &mut bytes[..len as usize])?;
            Ok((len, bytes))
        });
        let (len, bytes) = read.map_err(|error| failed("read", &path, error))?;
        Ok(Self { number, path, len, bytes })
    }

    /// What is to be done to it before it is written to again: everything from `used` on becomes zero, unless it is
    /// spare and begins with an old frame.
    fn rest(&self, used: usize, spare: bool, store: u64) -> Result<Rest, StoreError> {
        let old = self.frame(used, store)?.is_some();
        let dirty = match self.bytes.chunks(PAGE).rposition(|page| !is_zero(page)) {
            Some(page) if !(spare && old) => ((page + 1) * PAGE).max(used),
            _ => used,
        };
        Ok(Rest {
            number: self.number,
            path: self.path.clone(),
            len: self.len,
            used: used as u64,
            dirty: dirty as u64,
            cut: if old { 0 } else { (dirty - used) as u64 },
        })
    }

    fn damaged(&self, offset: usize, reason: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), offset: offset as u64, reason }
    }

    /// The frame at `at`, if it is whole and of this store.
    fn frame(&self, at: usize, store: u64) -> Result<Option<(FrameHeader, &[u8])>, StoreError> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        match FrameHeader::decode(rest) {
            Ok(header) if header.store == store => Ok(header.payload(rest).map(|payload| (header, payload))),
            Ok(_) | Err(NoHeader::Broken) => Ok(None),
            Err(NoHeader::Version(version)) => Err(StoreError::OtherFormat {
                path: self.path.clone(),
                found: format!("journal version {version}"),
                expected: format!("journal version {}", super::frame::VERSION),
            }),
        }
    }

    /// Refuses a frame that shows that one numbered `expected` was on disk.
    fn refuse_later(&self, from: usize, expected: u64, store: u64, end: &(PathBuf, usize)) -> Result<(), StoreError> {
        for at in (from..self.bytes.len()).step_by(PAGE) {
            let Ok(header) = FrameHeader::decode(&self.bytes[at..]) else { continue };
            // The number itself may stand in the header of a broken write, and only there; behind it nothing may.
            let whole = || header.payload(&self.bytes[at..]).is_some();
            if header.store == store && (header.lsn > expected || (header.lsn == expected && whole())) {
                let (path, offset) = end;
                let reason = format!(
                    "frame {expected} should stand here, and frame {} stands in {} at byte {at}",
                    header.lsn,
                    self.path.display()
                );
                return Err(StoreError::Damaged { path: path.clone(), offset: *offset as u64, reason });
            }
        }
        Ok(())
    }
}

/// The segments of a directory, ascending.
pub(crate) fn segments(names: &[String]) -> Vec<u64> {
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    numbers
}

/// What is to be done to a segment.
struct Rest {
    number: u64,
    path: PathBuf,
    len: u64,
    used: u64,
    dirty: u64,
    cut: u64,
}

impl Rest {
    /// Makes the end of the segment zero and gives it its length back where it was cut off.
    fn repair<V: Vfs>(&self, vfs: &V, durability: Durability, whole: u64) -> Result<Active<V::File>, StoreError> {
        let is_cut_off = self.len == 0 || !self.len.is_multiple_of(PAGE as u64);
        let bytes = if is_cut_off { whole.max(self.len.next_multiple_of(PAGE as u64)) } else { self.len };
        let clean = if is_cut_off { bytes } else { self.dirty };
        let repaired = vfs.open(&self.path).and_then(|file| {
            if clean > self.used {
                zero(&file, self.used, clean)?;
                if durability.syncs() {
                    file.sync_data()?;
                }
            }
            Ok(file)
        });
        let file = repaired.map_err(|error| failed("repair", &self.path, error))?;
        Ok(Active { file, number: self.number, bytes, used: self.used })
    }
}

/// Is shown each frame after the snapshot: header, payload, file and offset.
pub(crate) type Visit<'a> = dyn FnMut(&FrameHeader, &[u8], (&Path, u64)) -> Result<(), StoreError> + 'a;

/// Where reading stands.
struct Walk<'a, 'v> {
    anchor: Anchor,
    /// Number and hash of the last frame, if there was one.
    last: Option<(u64, FrameHash)>,
    kind: Kind,
    visit: &'a mut Visit<'v>,
}

impl Walk<'_, '_> {
    /// Reads the frames of one segment and returns where they end.
    fn segment(&mut self, segment: &Loaded) -> Result<usize, StoreError> {
        let mut at = 0;
        while let Some((header, payload)) = segment.frame(at, self.anchor.store)? {
            let Anchor { lsn: kept, hash: kept_hash, .. } = self.anchor;
            match self.last {
                None if header.lsn > kept + 1 => {
                    let reason = format!("the journal begins with frame {} and not with {}", header.lsn, kept + 1);
                    return Err(segment.damaged(at, reason));
                }
                None if header.lsn == kept + 1 && header.previous != kept_hash => {
                    return Err(segment.damaged(at, "the frame does not follow the snapshot".to_owned()));
                }
                Some((lsn, _)) if header.lsn <= lsn => break, // left from an earlier use of the segment
                Some((lsn, hash)) if header.lsn > lsn + 1 || header.previous != hash => {
                    let reason = format!("frame {} does not follow frame {lsn}", header.lsn);
                    return Err(segment.damaged(at, reason));
                }
                None | Some(_) => {}
            }
            let end = at + super::frame::HEADER_LEN + payload.len();
            let hash = frame_hash(&segment.bytes[at..end]);
            if header.lsn == kept && hash != kept_hash {
                return Err(
                    segment.damaged(at, format!("frame {kept} is not the one that the snapshot was made after"))
                );
            }
            if header.lsn > kept {
                (self.visit)(&header, payload, (&segment.path, at as u64))?;
            }
            (self.last, self.kind) = (Some((header.lsn, hash)), header.kind);
            at += header.frame_len();
        }
        Ok(at)
    }
}

/// Reads a journal from `anchor` on, shows every frame after it to `visit`, and opens it for writing.
///
/// Nothing is written before all of it has been read and found good.
pub(crate) fn recover<V: Vfs>(
    vfs: &V,
    dir: &Path,
    names: &[String],
    anchor: Anchor,
    (durability, segment_bytes): (Durability, u64),
    visit: &mut Visit<'_>,
) -> Result<(Journal<V>, Tail), StoreError> {
    let numbers = segments(names);
    let Some(&first) = numbers.first() else {
        let reason = "the journal is missing".to_owned();
        return Err(StoreError::Damaged { path: segment_path(dir, 1), offset: 0, reason });
    };
    let mut walk = Walk { anchor, last: None, kind: Kind::Batch, visit };
    // Where the next frame would have stood: the end of the last segment that has one.
    let mut end: Option<(Loaded, usize)> = None;
    let mut full: VecDeque<Full> = VecDeque::new();
    let mut spare: Vec<Rest> = Vec::new();
    for number in numbers {
        let segment = Loaded::read(vfs, dir, number, durability)?;
        let before = walk.last;
        let used = if spare.is_empty() { walk.segment(&segment)? } else { 0 };
        if used == 0 && number != first {
            // Spare, or the place of a broken write at its start.
            let expected = walk.last.map_or(anchor.lsn, |(lsn, _)| lsn) + 1;
            let place = end.as_ref().map_or((segment.path.clone(), 0), |(last, used)| (last.path.clone(), *used));
            segment.refuse_later(0, expected, anchor.store, &place)?;
            spare.push(segment.rest(0, true, anchor.store)?);
            continue;
        }
        if let Some((last, used)) = end.replace((segment, used)) {
            let (lsn, _) = before.unwrap_or_default();
            // The segment that follows begins with the next frame, so that nothing else may be behind this one.
            last.refuse_later(used, lsn + 1, anchor.store, &(last.path.clone(), used))?;
            full.push_back(Full { number: last.number, last_lsn: lsn });
        }
    }
    let (last_lsn, last_hash) = walk.last.unwrap_or((anchor.lsn, anchor.hash));
    let Some((last, used)) = end else {
        let reason = "the journal has no segment".to_owned();
        return Err(StoreError::Damaged { path: segment_path(dir, first), offset: 0, reason });
    };
    if last_lsn < anchor.lsn || (walk.last.is_none() && anchor.lsn > 0) {
        let reason = format!("the journal ends before frame {}, after which the snapshot was made", anchor.lsn);
        return Err(last.damaged(used, reason));
    }
    last.refuse_later(used, last_lsn + 1, anchor.store, &(last.path.clone(), used))?;

    // All of it is good. What comes now may be broken off and is then done again.
    let rest = last.rest(used, false, anchor.store)?;
    let cut_bytes = rest.cut + spare.iter().map(|rest| rest.cut).sum::<u64>();
    for rest in &spare {
        rest.repair(vfs, durability, segment_bytes)?;
    }
    let active = rest.repair(vfs, durability, segment_bytes)?;
    if durability.syncs() {
        vfs.sync_dir(dir).map_err(|error| failed("sync", dir, error))?;
    }
    let journal = Journal {
        vfs: vfs.clone(),
        dir: dir.to_owned(),
        durability,
        segment_bytes,
        store: anchor.store,
        full,
        active,
        spare: spare.into_iter().map(|rest| rest.number).collect(),
        last_lsn,
        last_hash,
        last_kind: walk.kind,
        buffer: Vec::new(),
        counts: Counts::default(),
    };
    Ok((journal, Tail { cut_bytes, closed: walk.kind == Kind::Closed }))
}

/// Refuses a segment with anything but zeros in it, which a store without a snapshot cannot have.
pub(crate) fn must_be_empty<V: Vfs>(vfs: &V, dir: &Path, number: u64) -> Result<(), StoreError> {
    let segment = Loaded::read(vfs, dir, number, Durability::None)?;
    match segment.bytes.chunks(PAGE).position(|page| !is_zero(page)) {
        Some(page) => Err(segment.damaged(page * PAGE, "there is a journal and no snapshot".to_owned())),
        None => Ok(()),
    }
}
