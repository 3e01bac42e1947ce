//! What the log signed last: the rule that it never signs two histories.
//!
//! Before a signature leaves the ledger, the checkpoint under it is on disk. Every later one has to contain it.

use fastclear_core::ledger::verify::{Fault, Part, Reason};
use fastclear_core::ledger::{Checkpoint, Hash, merkle};

use crate::StoreError;

/// The checkpoint of all headers, if the log may sign it after `signed`.
pub fn next(origin: &str, hashes: &[Hash], signed: Option<&Checkpoint>) -> Result<Checkpoint, StoreError> {
    if hashes.is_empty() {
        return Err(StoreError::NothingToSign);
    }
    let checkpoint =
        Checkpoint { origin: origin.to_owned(), size: hashes.len() as u64, root: merkle::root(hashes.to_vec()) };
    // What cannot be read back must not be written.
    if Checkpoint::decode(&checkpoint.encode()).as_ref() != Ok(&checkpoint) {
        return Err(StoreError::Origin { origin: origin.to_owned() });
    }
    if let Some(signed) = signed {
        if signed.origin != origin {
            return Err(StoreError::OtherOrigin { origin: signed.origin.clone() });
        }
        if !holds(signed, hashes) {
            return Err(StoreError::Inconsistent { size: signed.size });
        }
    }
    Ok(checkpoint)
}

/// The checkpoint in the file `signed`, if it is one of these headers.
pub fn check(text: &[u8], hashes: &[Hash]) -> Result<Checkpoint, Fault> {
    let height = hashes.len().saturating_sub(1) as u64;
    let fault = |height, reason| Fault { height, record: None, part: Part::Signed, offset: 0, reason };
    let checkpoint = str::from_utf8(text).ok().and_then(|text| Checkpoint::decode(text).ok());
    let checkpoint = checkpoint.ok_or(fault(height, Reason::SignedMalformed))?;
    if holds(&checkpoint, hashes) {
        return Ok(checkpoint);
    }
    // The first header that is missing; where none is, any of them may be another.
    let first = if checkpoint.size > hashes.len() as u64 { hashes.len() as u64 } else { 0 };
    Err(fault(first, Reason::SignedDiffers))
}

fn holds(signed: &Checkpoint, hashes: &[Hash]) -> bool {
    let first = usize::try_from(signed.size).ok().and_then(|size| hashes.get(..size));
    first.is_some_and(|first| merkle::root(first.to_vec()) == signed.root)
}
