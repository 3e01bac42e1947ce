//! What the methods of a book take: columns that may be missing, and integers that stand for themselves.

use fastclear_core::book::{NULL, OFF_GRID};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};

/// A column of small numbers, if it is there.
pub type Bytes<'py> = Option<PyReadonlyArray1<'py, u8>>;
/// A column of integers, if it is there.
pub type Wide<'py> = Option<PyReadonlyArray1<'py, i64>>;

/// Its cells.
pub fn bytes<'a>(column: &'a Bytes<'_>) -> PyResult<Option<&'a [u8]>> {
    column.as_ref().map(|column| Ok(column.as_slice()?)).transpose()
}

/// Its cells.
pub fn wide<'a>(column: &'a Wide<'_>) -> PyResult<Option<&'a [i64]>> {
    column.as_ref().map(|column| Ok(column.as_slice()?)).transpose()
}

/// An integer that is no truth value, and not what stands for a null.
#[derive(Clone, Copy, Debug)]
pub struct Whole(pub i64);

impl<'py> FromPyObject<'_, 'py> for Whole {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if !object.is_exact_instance_of::<PyInt>() && object.is_instance_of::<PyBool>() {
            return Err(PyTypeError::new_err("a truth value is no integer"));
        }
        match object.extract() {
            Ok(NULL | OFF_GRID) => Err(PyTypeError::new_err("the least integers of 64 bits stand for something else")),
            other => other.map(Self),
        }
    }
}
