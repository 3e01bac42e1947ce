//! Keys, consortia, checkpoints and replicas.
//!
//! | Python | Rust |
//! |---|---|
//! | `bytes` of 32 | secret seed, public key, hash |
//! | `(threshold, [(name, key), …])` | `Consortium` |
//! | `(origin, size, root)` | `Checkpoint` |
//!
//! A replica is shared behind a lock and replays detached.
#![allow(clippy::needless_pass_by_value, reason = "arguments of Python functions arrive by value")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use fastclear_core::ledger::consortium::{Validator, subchain_digest};
use fastclear_core::ledger::verify::Replay;
use fastclear_core::ledger::{Checkpoint, Consortium, Hash, LedgerError, Note, NoteError, merkle, note, signature};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::errors::Exception;

/// Adds this file's classes and functions to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Replica>()?;
    m.add_function(wrap_pyfunction!(ed25519_public_key, m)?)?;
    m.add_function(wrap_pyfunction!(ed25519_is_key, m)?)?;
    m.add_function(wrap_pyfunction!(ed25519_verify, m)?)?;
    m.add_function(wrap_pyfunction!(consortium_bytes, m)?)?;
    m.add_function(wrap_pyfunction!(consortium_parts, m)?)?;
    m.add_function(wrap_pyfunction!(consortium_hash, m)?)?;
    m.add_function(wrap_pyfunction!(sign_log, m)?)?;
    m.add_function(wrap_pyfunction!(cosign, m)?)?;
    m.add_function(wrap_pyfunction!(read_note, m)?)?;
    m.add_function(wrap_pyfunction!(note_signed_by_log, m)?)?;
    m.add_function(wrap_pyfunction!(subchain_hash, m)?)?;
    Ok(())
}

fn refused(error: LedgerError) -> PyErr {
    Exception::Ledger.with(error.to_string())
}

fn note_refused(error: NoteError) -> PyErr {
    Exception::Ledger.with(error.to_string())
}

/// The public key of 32 secret bytes.
#[pyfunction]
fn ed25519_public_key(py: Python<'_>, seed: [u8; 32]) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &signature::public_key(&seed))
}

/// Whether a key may sign: a point in its one encoding, not of small order.
#[pyfunction]
fn ed25519_is_key(key: [u8; 32]) -> bool {
    signature::is_key(&key)
}

/// Whether the signature is that of the key over the message, strictly.
#[pyfunction]
fn ed25519_verify(key: [u8; 32], message: &[u8], signature: [u8; 64]) -> bool {
    signature::verify(&key, message, &signature)
}

/// The bytes of a consortium; `threshold` None: more than two thirds.
#[pyfunction]
fn consortium_bytes(
    py: Python<'_>,
    validators: Vec<(String, [u8; 32])>,
    threshold: Option<u16>,
) -> PyResult<Bound<'_, PyBytes>> {
    let validators = validators.into_iter().map(|(name, key)| Validator { name, key }).collect();
    let consortium = Consortium::new(validators, threshold).map_err(refused)?;
    Ok(PyBytes::new(py, &consortium.encode()))
}

/// Threshold, and names and keys by name.
type Parts<'py> = (u16, Vec<(String, Bound<'py, PyBytes>)>);

/// What the bytes of a consortium say.
#[pyfunction]
fn consortium_parts<'py>(py: Python<'py>, encoded: &[u8]) -> PyResult<Parts<'py>> {
    let consortium = Consortium::decode(encoded).map_err(refused)?;
    let validators = consortium.validators().iter();
    Ok((consortium.threshold(), validators.map(|v| (v.name.clone(), PyBytes::new(py, &v.key))).collect()))
}

/// The validators hash of a consortium's bytes.
#[pyfunction]
fn consortium_hash<'py>(py: Python<'py>, encoded: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let consortium = Consortium::decode(encoded).map_err(refused)?;
    Ok(PyBytes::new(py, &consortium.hash()))
}

fn checkpoint_of(text: &str) -> PyResult<Checkpoint> {
    Checkpoint::decode(text).map_err(note_refused)
}

/// The signature line of a log.
#[pyfunction]
fn sign_log(name: &str, seed: [u8; 32], text: &str) -> PyResult<String> {
    Ok(note::sign_log(name, &seed, &checkpoint_of(text)?).encode())
}

/// The signature line of a validator at `time`, seconds since 1970 UTC.
#[pyfunction]
fn cosign(name: &str, seed: [u8; 32], text: &str, time: u64) -> PyResult<String> {
    if time >= 1 << 63 {
        return Err(Exception::Ledger.with(format!("time is {time}; give seconds since 1970, below 2^63")));
    }
    Ok(note::cosign(name, &seed, &checkpoint_of(text)?, time).encode())
}

/// Origin, size, root, signature lines, and the cosigners with their times.
type Read<'py> = (String, u64, Bound<'py, PyBytes>, Vec<Line<'py>>, Vec<(usize, u64)>);
/// Name, key id and signature.
type Line<'py> = (String, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// What a note says, and which validators have cosigned it, if a consortium is given.
#[pyfunction]
#[pyo3(signature = (text, consortium=None, quorum=false))]
fn read_note<'py>(py: Python<'py>, text: &[u8], consortium: Option<&[u8]>, quorum: bool) -> PyResult<Read<'py>> {
    let note = Note::decode(text).map_err(note_refused)?;
    let consortium = consortium.map(Consortium::decode).transpose().map_err(refused)?;
    let cosigned = match &consortium {
        None => Vec::new(),
        Some(consortium) if quorum => note.quorum(consortium).map_err(note_refused)?,
        Some(consortium) => note.cosigners(consortium).map_err(note_refused)?,
    };
    let lines = note.signatures.iter();
    let lines = lines.map(|l| (l.name.clone(), PyBytes::new(py, &l.key_id), PyBytes::new(py, &l.signature)));
    let Checkpoint { origin, size, root } = &note.checkpoint;
    let cosigned = cosigned.iter().map(|found| (found.validator, found.time)).collect();
    Ok((origin.clone(), *size, PyBytes::new(py, root), lines.collect(), cosigned))
}

/// Whether the log with this name and key has signed a note.
#[pyfunction]
fn note_signed_by_log(text: &[u8], name: &str, key: [u8; 32]) -> PyResult<bool> {
    Note::decode(text).and_then(|note| note.signed_by_log(name, &key)).map_err(note_refused)
}

/// What a record in a main chain says of a sub-chain's header log.
#[pyfunction]
fn subchain_hash(py: Python<'_>, chain_id: [u8; 32], size: u64, root: [u8; 32]) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &subchain_digest(&chain_id, size, &root))
}

/// Replays the blocks of a ledger as they come: what a validator knows.
#[pyclass(frozen, module = "fastclear._core")]
pub struct Replica(Mutex<Replay>);

impl Replica {
    /// A panic while the lock was held leaves a replica that refuses the next block, at worst.
    fn lock(&self) -> MutexGuard<'_, Replay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Replica {
    /// Before the first block of a ledger with these parameters.
    #[new]
    fn new(params: &[u8]) -> Self {
        Self(Mutex::new(Replay::new(params)))
    }

    #[getter]
    fn height(&self) -> u64 {
        self.lock().headers().len() as u64
    }

    /// Replays the next block: header, records, orders. None, or `(height, record, file, offset, reason)` of what is
    /// wrong; then nothing has changed.
    fn append(&self, py: Python<'_>, block: &[u8]) -> Option<(u64, Option<u64>, &'static str, u64, String)> {
        let block = block.to_vec();
        let fault = py.detach(|| self.lock().append(&block)).err()?;
        Some((fault.height, fault.record, fault.part.file(), fault.offset, fault.reason.to_string()))
    }

    /// The header and its hash at one height.
    fn header<'py>(&self, py: Python<'py>, height: u64) -> Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let replay = self.lock();
        let header = replay.headers().get(height as usize)?;
        let hash = replay.hashes().get(height as usize)?;
        Some((PyBytes::new(py, &header.encode()), PyBytes::new(py, hash)))
    }

    /// Hash of the consortium that cosigns the next block, as the last block says; None before block 0.
    #[getter]
    fn validators<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.lock().validators().map(|hash| PyBytes::new(py, &hash))
    }

    /// Root over the first `size` headers; None if there are fewer.
    fn log_root<'py>(&self, py: Python<'py>, size: u64) -> Option<Bound<'py, PyBytes>> {
        let first = self.first(size)?;
        Some(PyBytes::new(py, &merkle::root(first)))
    }

    /// Proof that the first `old` headers are a prefix of the first `new` ones.
    fn prove_growth<'py>(&self, py: Python<'py>, old: u64, new: u64) -> PyResult<Bound<'py, PyList>> {
        let first = self.first(new).ok_or_else(|| Exception::Ledger.with(format!("there are no {new} blocks")))?;
        let path = merkle::consistency_proof(&first, old).map_err(refused)?;
        PyList::new(py, path.iter().map(|hash| PyBytes::new(py, hash)))
    }
}

impl Replica {
    fn first(&self, size: u64) -> Option<Vec<Hash>> {
        let replay = self.lock();
        let first = usize::try_from(size).ok().and_then(|size| replay.hashes().get(..size))?;
        Some(first.to_vec())
    }
}
