use pyo3::prelude::*;

/// Adds this file's classes and functions to `_core`.
pub fn register(_m: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
