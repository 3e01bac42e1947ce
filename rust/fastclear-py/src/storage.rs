//! Binding of storage accounts; `fastclear/storage.py` reads the columns.
//!
//! Every call stays attached, since columns are borrowed, writable or not, and state changes row by row.
//!
//! | Python | Rust |
//! |---|---|
//! | `ndarray[uint8]` kinds, `[uint32]` members, `[int64]` Wh | slices |
//! | `int` or `None` slot | `Option<i64>` |
//! | slots out: `ndarray[int64]`, and `ndarray[bool]` of those that are known | `Option<i64>` |
//! | [`StorageError`](fastclear_core::settlement::storage::StorageError) | `SettlementError` |

use fastclear_core::settlement::storage::{Storage, StorageCode, StorageKind, StorageTerms};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::Exception;

type Column<'py, T> = PyReadonlyArray1<'py, T>;

fn settlement_error(error: impl std::fmt::Display) -> PyErr {
    Exception::Settlement.with(error.to_string())
}

/// The accounts of a battery.
#[pyclass(module = "fastclear._core", name = "Storage")]
struct PyStorage {
    storage: Storage,
}

#[pymethods]
impl PyStorage {
    /// `terms`: capacity, virtual capacity, efficiencies of charge and discharge, self-discharge; `limits`: of charge and
    /// discharge.
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn new(
        terms: (i64, i64, i64, i64, i64),
        limits: (Option<i64>, Option<i64>),
        weights: Column<'_, i64>,
        operator: bool,
    ) -> PyResult<Self> {
        let (capacity, shared, charge_ppm, discharge_ppm, self_discharge_ppm) = terms;
        let (charge_limit, discharge_limit) = limits;
        let terms = StorageTerms {
            capacity,
            shared,
            charge_ppm,
            discharge_ppm,
            charge_limit,
            discharge_limit,
            self_discharge_ppm,
        };
        let storage = Storage::new(terms, weights.as_slice()?, operator).map_err(settlement_error)?;
        Ok(Self { storage })
    }

    #[getter]
    fn slot(&self) -> Option<i64> {
        self.storage.slot()
    }

    #[getter]
    fn operator(&self) -> Option<i64> {
        self.storage.operator()
    }

    #[getter]
    fn energy(&self) -> i128 {
        self.storage.energy()
    }

    /// One code a row.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn submit<'py>(
        &mut self,
        py: Python<'py>,
        slot: Option<i64>,
        kind: Column<'py, u8>,
        member: Column<'py, u32>,
        to: Column<'py, u32>,
        energy: Column<'py, i64>,
    ) -> PyResult<Bound<'py, PyArray1<u8>>> {
        self.storage
            .submit(slot, kind.as_slice()?, member.as_slice()?, to.as_slice()?, energy.as_slice()?)
            .map(|codes| codes.into_pyarray(py))
            .map_err(settlement_error)
    }

    fn reconcile(&mut self, slot: Option<i64>, physical: i64) -> PyResult<i64> {
        self.storage.reconcile(slot, physical).map_err(settlement_error)
    }

    /// One fresh column a field, in the order of the shares.
    fn balances<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let balances = self.storage.balances();
        let columns = PyDict::new(py);
        for (name, column) in [
            ("share_wh", balances.iter().map(|held| held.share).collect::<Vec<_>>()),
            ("stored_wh", balances.iter().map(|held| held.stored).collect()),
            ("carried_nwh", balances.iter().map(|held| held.carried).collect()),
            ("chargeable_wh", balances.iter().map(|held| held.chargeable).collect()),
            ("dischargeable_wh", balances.iter().map(|held| held.dischargeable).collect()),
        ] {
            columns.set_item(name, column.into_pyarray(py))?;
        }
        Ok(columns)
    }

    /// One fresh column a field of the log.
    fn log<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let log = self.storage.log();
        let columns = PyDict::new(py);
        columns.set_item("slot", log.iter().map(|e| e.slot.unwrap_or(0)).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("dated", log.iter().map(|e| e.slot.is_some()).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("kind", log.iter().map(|e| e.kind as u8).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("member", log.iter().map(|e| e.member).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("to", log.iter().map(|e| e.counterparty).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("energy_wh", log.iter().map(|e| e.energy).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("stored_wh", log.iter().map(|e| e.stored).collect::<Vec<_>>().into_pyarray(py))?;
        Ok(columns)
    }

    fn copy(&self) -> Self {
        Self { storage: self.storage.clone() }
    }
}

/// Name, number and meaning of every code.
#[pyfunction]
fn storage_codes() -> Vec<(&'static str, u8, &'static str)> {
    StorageCode::ALL
        .into_iter()
        .map(|code| {
            let (name, meaning) = code.told();
            (name, code as u8, meaning)
        })
        .collect()
}

/// Adds storage to the module.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("STORAGE_KINDS", StorageKind::ALL.map(StorageKind::name).to_vec())?;
    m.add_class::<PyStorage>()?;
    m.add_function(wrap_pyfunction!(storage_codes, m)?)?;
    Ok(())
}
