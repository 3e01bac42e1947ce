//! Erasing in place: what is to stand there is written beside first, so that a crash in between is finished on opening.
//!
//! `erasing` holds the file's letter (`r` or `o`), the offset as u64, the entries, and the SHA-256 of all that. It never
//! holds what is erased. A file that is not whole was not finished before anything was overwritten, and is dropped.

use std::fs;
use std::path::Path;

use fastclear_core::ledger::erased::erase;
use fastclear_core::ledger::order_leaf::ORDER_ENTRY_LEN;
use fastclear_core::ledger::record::RECORD_ENTRY_LEN;
use fastclear_core::ledger::verify::Part;
use fastclear_core::ledger::{Hash, LedgerError, merkle};

use crate::StoreError;
use crate::files::{self, Named};

const NAME: &str = "erasing";
const OFFSET_END: usize = 9;
const HASH_LEN: usize = 32;

/// The entries of a block with those at `indices` erased, and the leaf hashes of these.
pub fn erased_entries(mut entries: Vec<u8>, orders: bool, indices: &[u64]) -> Result<(Vec<u8>, Vec<Hash>), StoreError> {
    let len = if orders { ORDER_ENTRY_LEN } else { RECORD_ENTRY_LEN };
    let size = (entries.len() / len) as u64;
    let mut hashes = Vec::with_capacity(indices.len());
    for &index in indices {
        let entry = usize::try_from(index).ok().and_then(|index| entries.chunks_exact_mut(len).nth(index));
        hashes.push(erase(entry.ok_or(LedgerError::Index { index, size })?)?);
    }
    Ok((entries, hashes))
}

/// What is to stand in one of the files.
pub struct Begun {
    part: Part,
    offset: usize,
    entries: Vec<u8>,
}

impl Begun {
    /// Puts it in the place of what was read.
    pub fn lay_over(&self, records: &mut [u8], orders: &mut [u8]) {
        let file = if self.part == Part::Records { records } else { orders };
        let place = self.offset.checked_add(self.entries.len()).and_then(|end| file.get_mut(self.offset..end));
        if let Some(place) = place {
            place.copy_from_slice(&self.entries);
        }
    }
}

/// Writes down what is to stand there, before anything is overwritten.
pub fn begin(path: &Path, part: Part, offset: u64, entries: &[u8]) -> Result<(), StoreError> {
    let letter = if part == Part::Records { b'r' } else { b'o' };
    let mut text = [&[letter], offset.to_le_bytes().as_slice(), entries].concat();
    text.extend(merkle::leaf_hash(&text));
    files::replace(&path.join(NAME), &text, true)?;
    files::sync_dir(path)
}

/// What was begun and not finished, if there is such a thing.
pub fn read(path: &Path) -> Result<Option<Begun>, StoreError> {
    let Some(text) = files::read_if_there(&path.join(NAME))? else {
        return Ok(None);
    };
    let Some((content, hash)) = text.split_last_chunk::<HASH_LEN>().filter(|(content, _)| content.len() >= OFFSET_END)
    else {
        return Ok(None);
    };
    let part = match content[0] {
        b'r' => Part::Records,
        b'o' => Part::Orders,
        _ => return Ok(None),
    };
    let offset = content[1..].first_chunk().and_then(|bytes| usize::try_from(u64::from_le_bytes(*bytes)).ok());
    let whole = merkle::leaf_hash(content) == *hash;
    Ok(offset.filter(|_| whole).map(|offset| Begun { part, offset, entries: content[OFFSET_END..].to_vec() }))
}

/// Overwrites what was begun, and forgets about it.
pub fn finish(path: &Path) -> Result<(), StoreError> {
    if let Some(Begun { part, offset, entries }) = read(path)? {
        let mut file = Named::open(path.join(part.file()), false)?;
        let len = file.file().metadata().map_err(|source| files::failed("read", path, source))?.len();
        // A file that is too short for it is another trouble, which verifying names.
        if offset as u64 + entries.len() as u64 <= len {
            file.write_at(offset as u64, &entries)?;
            file.sync()?;
        }
    }
    let begun = path.join(NAME);
    match fs::remove_file(&begun) {
        Ok(()) => files::sync_dir(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(files::failed("remove", &begun, source)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_is_finished_and_what_is_not_whole_is_dropped() {
        let dir = std::env::temp_dir().join(format!("fastclear-erasing-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let orders = dir.join(Part::Orders.file());
        fs::write(&orders, [1; 300]).unwrap();
        begin(&dir, Part::Orders, 80, &[2; 160]).unwrap();
        let whole = fs::read(dir.join(NAME)).unwrap();
        for cut in 0..whole.len() {
            fs::write(dir.join(NAME), &whole[..cut]).unwrap();
            finish(&dir).unwrap();
            assert!(!dir.join(NAME).exists() && fs::read(&orders).unwrap() == [1; 300], "cut at {cut}");
        }
        // However much of it had been overwritten when the power went.
        for done in [0, 1, 80, 159, 160] {
            let mut torn = vec![1; 300];
            torn[80..80 + done].fill(2);
            fs::write(&orders, &torn).unwrap();
            fs::write(dir.join(NAME), &whole).unwrap();
            let mut read_only = torn.clone();
            read(&dir).unwrap().unwrap().lay_over(&mut [], &mut read_only);
            finish(&dir).unwrap();
            let expected = [vec![1; 80], vec![2; 160], vec![1; 60]].concat();
            assert_eq!((fs::read(&orders).unwrap(), read_only), (expected.clone(), expected));
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
