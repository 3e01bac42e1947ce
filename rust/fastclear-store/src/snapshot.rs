//! The whole state as one file, so that the journal before it is no longer needed.
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | 4 bytes | magic `FCS1` |
//! | 4 | u16 | version of this format: 1 |
//! | 6 | u16 | zero |
//! | 8 | u64 | number of the store |
//! | 16 | u64 | lsn of the last frame that is in the state; 0 is none |
//! | 24 | u64 | engine time of its last command |
//! | 32 | 16 bytes | hash of that frame |
//! | 48 | 32 bytes | name of the machine and version of its state, zeros behind it |
//! | 80 | 32 bytes | root that the machine gives for the state |
//! | 112 | u64 | bytes of state |
//! | 120 | | state |
//! | end | 32 bytes | SHA-256 of everything before |

use std::path::{Path, PathBuf};

use fastclear_core::machine::Machine;
use sha2::{Digest, Sha256};

use crate::journal::frame::FrameHash;
use crate::vfs::{Vfs, VfsFile};
use crate::{Durability, StoreError, files::failed};

const MAGIC: [u8; 4] = *b"FCS1";
const VERSION: u16 = 1;
const HEAD: usize = 120;
const TRAILER: usize = 32;
/// Most bytes of a machine's name.
pub(crate) const NAME_MAX: usize = 32;

/// What a snapshot says beside the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub store: u64,
    pub lsn: u64,
    pub time_ns: u64,
    pub hash: FrameHash,
}

/// The file of a snapshot.
pub(crate) fn path_of(dir: &Path, lsn: u64) -> PathBuf {
    dir.join(format!("snapshot-{lsn:020}.fcs"))
}

/// Lsns of the snapshots of a directory, ascending.
pub(crate) fn listed(names: &[String]) -> Vec<u64> {
    let lsn = |name: &String| {
        let digits = name.strip_prefix("snapshot-")?.strip_suffix(".fcs")?;
        (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
    };
    let mut found: Vec<u64> = names.iter().filter_map(lsn).collect();
    found.sort_unstable();
    found
}

/// Writes a snapshot and reads it back; it counts only from then on.
pub(crate) fn write<V: Vfs, M: Machine>(
    vfs: &V,
    dir: &Path,
    name: &str,
    meta: Meta,
    machine: &M,
    durability: Durability,
) -> Result<(), StoreError> {
    let mut bytes = Vec::with_capacity(HEAD);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0, 0]);
    for field in [meta.store, meta.lsn, meta.time_ns] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&meta.hash);
    let mut padded = [0; NAME_MAX];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    bytes.extend_from_slice(&padded);
    bytes.extend_from_slice(&machine.root());
    bytes.extend_from_slice(&[0; 8]);
    machine.save(&mut bytes);
    let state = (bytes.len() - HEAD) as u64;
    bytes[HEAD - 8..HEAD].copy_from_slice(&state.to_le_bytes());
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);

    let (path, fresh) = (path_of(dir, meta.lsn), dir.join("snapshot.tmp"));
    let written = (|| {
        let file = vfs.create(&fresh)?;
        file.write_at(0, &bytes)?;
        if durability.syncs() {
            file.sync_data()?;
        }
        vfs.rename(&fresh, &path)?;
        if durability.syncs() { vfs.sync_dir(dir) } else { Ok(()) }
    })();
    written.map_err(|error| {
        // Nobody reads it under that name, and its room may be what is missing.
        let _ = vfs.remove(&fresh);
        let full = crate::journal::is_full(&error);
        let bytes = bytes.len() as u64;
        if full { StoreError::DiskFull { path: dir.to_owned(), bytes } } else { failed("write", &path, error) }
    })?;
    if read_bytes(vfs, &path)? != bytes {
        let reason = "what was written is not what is read".to_owned();
        return Err(StoreError::Damaged { path, offset: 0, reason });
    }
    Ok(())
}

/// Reads a snapshot and the machine in it.
pub(crate) fn read<V: Vfs, M: Machine>(vfs: &V, dir: &Path, name: &str, lsn: u64) -> Result<(Meta, M), StoreError> {
    let path = path_of(dir, lsn);
    let bytes = read_bytes(vfs, &path)?;
    let damaged = |offset: usize, reason: &str| StoreError::Damaged {
        path: path.clone(),
        offset: offset as u64,
        reason: reason.to_owned(),
    };
    if bytes.len() < HEAD + TRAILER || bytes[..4] != MAGIC {
        return Err(damaged(0, "this is no snapshot"));
    }
    let (body, trailer) = bytes.split_at(bytes.len() - TRAILER);
    if Sha256::digest(body)[..] != *trailer {
        return Err(damaged(body.len(), "the SHA-256 of the snapshot does not fit"));
    }
    let other = |found: String, expected: String| StoreError::OtherFormat { path: path.clone(), found, expected };
    let version = u16::from_le_bytes(take(body, 4));
    if version != VERSION {
        return Err(other(format!("snapshot version {version}"), format!("snapshot version {VERSION}")));
    }
    let written = String::from_utf8_lossy(&body[48..48 + NAME_MAX]);
    let written = written.trim_end_matches('\0');
    if written != name {
        return Err(other(format!("machine {written:?}"), format!("machine {name:?}")));
    }
    let u64_at = |offset| u64::from_le_bytes(take(body, offset));
    let meta = Meta { store: u64_at(8), lsn: u64_at(16), time_ns: u64_at(24), hash: take(body, 32) };
    if meta.lsn != lsn {
        return Err(damaged(16, "the snapshot is that of another frame"));
    }
    if u64_at(112) != (body.len() - HEAD) as u64 {
        return Err(damaged(112, "the snapshot is longer or shorter than it says"));
    }
    let machine = M::load(&body[HEAD..]).map_err(|error| damaged(HEAD + error.at, &error.reason))?;
    if machine.root()[..] != body[80..112] {
        return Err(damaged(80, "the state does not have the root that the snapshot says"));
    }
    Ok((meta, machine))
}

fn take<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[offset..offset + N]);
    out
}

fn read_bytes<V: Vfs>(vfs: &V, path: &Path) -> Result<Vec<u8>, StoreError> {
    let read = vfs.open(path).and_then(|file| {
        let mut bytes = vec![0; file.len()? as usize];
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    });
    read.map_err(|error| failed("read", path, error))
}
