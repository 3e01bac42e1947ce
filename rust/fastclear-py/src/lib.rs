//! Python bindings of fastclear: types in, types out, no logic.
//!
//! # GIL policy
//! Columns that nobody can write (read-only numpy arrays, which is what polars and Arrow hand over) are borrowed and
//! read detached. Writable arrays are read while attached. Everything else that crosses `detach` is owned. State
//! machines (`Bank`, `Chain`) are short calls and stay attached.
//!
//! # Types
//! | Python | Rust |
//! |---|---|
//! | `numpy.ndarray[int64]`, one-dimensional, contiguous | `&[i64]` |
//! | `numpy.ndarray[uint64]` | `&[u64]` |
//! | `bytes` | `&[u8]` in, fresh `PyBytes` out |
//! | `int` | `i128`, `i64`, `u64` by range |
//! | exceptions of `fastclear.errors` | `errors::Exception` |
//!
//! Arrays that go out are fresh, owned by Python, and marked read-only by the Python layer.

use pyo3::prelude::*;

mod clearing;
mod errors;
mod ledger;
mod settlement;

/// Private half of `fastclear`; import the package, never this module.
#[pymodule(gil_used = true)]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add("DEBUG_BUILD", cfg!(debug_assertions))?;
    if std::env::var("FASTCLEAR_SIMD").is_ok_and(|path| path == "scalar") {
        fastclear_core::simd::force(fastclear_core::simd::Path::Scalar);
    }
    m.add("SIMD", fastclear_core::simd::name())?;
    clearing::register(m)?;
    settlement::register(m)?;
    ledger::register(m)?;
    Ok(())
}
