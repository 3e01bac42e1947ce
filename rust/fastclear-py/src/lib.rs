//! Python bindings of fastclear: types in, types out, no logic.
//!
//! # GIL policy
//! Columns that nobody can write (read-only numpy arrays, which is what polars and Arrow hand over) are borrowed and
//! read detached, unless they are few rows, which are over in no time. Writable arrays are read while attached.
//! Everything else that crosses `detach` is owned, or behind a lock that is given back before Python goes on (`OrderBook`).
//! Other state machines (`Bank`, `Chain`) are short calls and stay attached.
//!
//! # Types
//! | Python | Rust |
//! |---|---|
//! | `numpy.ndarray[int64]`, one-dimensional, contiguous, aligned | `&[i64]` |
//! | `numpy.ndarray[int32]` of prices and quantities | `&[i32]` |
//! | `numpy.ndarray[uint8]`, and int8 or bool of sides | `&[u8]` |
//! | `numpy.ndarray[uint64]` | `&[u64]` |
//! | `bytes` | `&[u8]` in, fresh `PyBytes` out |
//! | `int` | `i128`, `i64`, `u64` by range |
//! | exceptions of `fastclear.errors` | `errors::Exception` |
//!
//! Arrays that go out are fresh, owned by Python, and marked read-only by the Python layer.

use std::ffi::CString;

use fastclear_core::memory::Pool;
use fastclear_core::simd;
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;

mod book;
mod certificates;
mod clearing;
mod columns;
mod consortium;
mod durable_transfers;
mod errors;
mod exchange;
mod ledger;
mod mechanism;
mod names;
mod preference;
mod proofs;
mod settlement;
mod sharing;
mod storage;
mod trades;
mod transfers;

/// Large columns are used again, whoever holds them.
#[global_allocator]
static POOL: Pool = Pool;

/// Private half of `fastclear`; import the package, never this module.
#[pymodule(gil_used = true)]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add("DEBUG_BUILD", cfg!(debug_assertions))?;
    let path = std::env::var("FASTCLEAR_SIMD").unwrap_or_default();
    if let Some(&allowed) = simd::Path::ALL.iter().find(|known| known.name() == path) {
        simd::allow(allowed);
    }
    let runs = simd::path().name();
    if !path.is_empty() && path != runs {
        let message = format!("FASTCLEAR_SIMD={path} is not available here; running {runs}\0");
        let message = CString::from_vec_with_nul(message.into_bytes()).unwrap_or_default();
        PyErr::warn(m.py(), &m.py().get_type::<PyRuntimeWarning>(), &message, 1)?;
    }
    m.add("SIMD", runs)?;
    book::register(m)?;
    clearing::register(m)?;
    names::register(m)?;
    settlement::register(m)?;
    sharing::register(m)?;
    transfers::register(m)?;
    durable_transfers::register(m)?;
    storage::register(m)?;
    certificates::register(m)?;
    ledger::register(m)?;
    consortium::register(m)?;
    proofs::register(m)?;
    exchange::register(m)?;
    preference::register(m)?;
    Ok(())
}
