//! Accounts of participants whose names are integers without gaps.

use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

use crate::columns::borrow;
use crate::errors::Exception;

/// Adds the function to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(looked_up, m)?)
}

/// What `table` has for each of some names, of which the first is `first`; its last item is for all that it does not have.
#[pyfunction]
fn looked_up<'py>(
    py: Python<'py>,
    names: &Bound<'py, PyArray1<i64>>,
    first: i64,
    table: &Bound<'py, PyArray1<u64>>,
) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let (names, table) = (borrow(names)?, borrow(table)?);
    let (names, table) = (names.as_slice()?, table.as_slice()?);
    let strangers = table.len().checked_sub(1).ok_or_else(|| Exception::Schema.with("a table of nothing"))?;
    // Names below the first wrap around and lie beyond the last.
    let place = |name: i64| (name.wrapping_sub(first) as u64).min(strangers as u64) as usize;
    Ok(names.iter().map(|&name| table[place(name)]).collect::<Vec<_>>().into_pyarray(py))
}
