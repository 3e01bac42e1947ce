//! Binding of certificates of origin; `fastclear/certificates.py` reads the columns.
//!
//! Every call stays attached, since columns are borrowed, writable or not, and state changes row by row.
//!
//! | Python | Rust |
//! |---|---|
//! | `ndarray[uint32]` names, `[int64]` Wh and slots, `[uint64]` ids | slices |
//! | codes, ids (2⁶⁴ − 1 is none) and Wh out: fresh arrays | [`Outcome`] |
//! | slots out: `ndarray[int64]`, the least is none | `Option<i64>` |
//! | [`CertificateError`](fastclear_core::settlement::certificates::CertificateError) | `SettlementError` |

use fastclear_core::settlement::certificates::{
    Certificate, CertificateCode, Certificates, EventKind, Outcome, Reading, State, Step, Use,
};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::Exception;

type Column<'py, T> = PyReadonlyArray1<'py, T>;
type Fresh<'py, T> = Bound<'py, PyArray1<T>>;
/// A field of a certificate.
type Field<T> = fn(&Certificate) -> T;
/// Codes, ids, Wh issued.
type Outcomes<'py> = (Fresh<'py, u8>, Fresh<'py, u64>, Fresh<'py, i64>);

fn settlement_error(error: impl std::fmt::Display) -> PyErr {
    Exception::Settlement.with(error.to_string())
}

fn slice<'a, T: numpy::Element>(column: Option<&'a Column<'_, T>>) -> PyResult<Option<&'a [T]>> {
    column.map(|column| Ok(column.as_slice()?)).transpose()
}

/// A column that has to have some rows.
fn rows<'a, T: numpy::Element>(name: &str, column: &'a Column<'_, T>, rows: usize) -> PyResult<&'a [T]> {
    let column = column.as_slice()?;
    if column.len() == rows {
        Ok(column)
    } else {
        Err(Exception::Schema.with(format!("column '{name}' has {} rows, not {rows}", column.len())))
    }
}

fn outcomes(py: Python<'_>, outcomes: impl Iterator<Item = Outcome>) -> Outcomes<'_> {
    let (mut codes, mut ids, mut issued) = (Vec::new(), Vec::new(), Vec::new());
    for outcome in outcomes {
        codes.push(outcome.code as u8);
        ids.push(outcome.id.unwrap_or(u64::MAX));
        issued.push(outcome.issued);
    }
    (codes.into_pyarray(py), ids.into_pyarray(py), issued.into_pyarray(py))
}

/// Certificates of origin.
#[pyclass(module = "fastclear._core", name = "Certificates")]
struct PyCertificates {
    certificates: Certificates,
}

#[pymethods]
impl PyCertificates {
    #[new]
    fn new(term_ns: Option<i64>) -> PyResult<Self> {
        Ok(Self { certificates: Certificates::new(term_ns).map_err(settlement_error)? })
    }

    fn __len__(&self) -> usize {
        self.certificates.all().len()
    }

    #[getter]
    fn time(&self) -> Option<i64> {
        self.certificates.now_ns()
    }

    fn advance(&mut self, time_ns: i64) -> PyResult<i128> {
        self.certificates.advance(time_ns).map_err(settlement_error)
    }

    /// One outcome a reading.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    #[allow(clippy::too_many_arguments, reason = "one a column")]
    fn read<'py>(
        &mut self,
        py: Python<'py>,
        device: Column<'py, u32>,
        slot: Column<'py, i64>,
        generated: Column<'py, i64>,
        owner: Column<'py, u32>,
        source: Column<'py, u32>,
        attributes: Column<'py, u32>,
    ) -> PyResult<Outcomes<'py>> {
        let device = device.as_slice()?;
        let n = device.len();
        let (slot, generated) = (rows("slot", &slot, n)?, rows("generated_wh", &generated, n)?);
        let (owner, source) = (rows("owner", &owner, n)?, rows("source", &source, n)?);
        let attributes = rows("attributes", &attributes, n)?;
        let certificates = &mut self.certificates;
        let read = (0..n).map(|row| {
            certificates.read(&Reading {
                device: device[row],
                slot: slot[row],
                generated: generated[row],
                owner: owner[row],
                source: source[row],
                attributes: attributes[row],
            })
        });
        Ok(outcomes(py, read))
    }

    /// One outcome a row; `kind`: `"transfer"` to `name`, `"cancel"` for beneficiary `name`, `"compensate"` device `name`.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    #[allow(clippy::too_many_arguments, reason = "one a column")]
    fn step<'py>(
        &mut self,
        py: Python<'py>,
        kind: &str,
        certificate: Column<'py, u64>,
        energy: Option<Column<'py, i64>>,
        owner: Option<Column<'py, u32>>,
        name: Column<'py, u32>,
        slot: Option<Column<'py, i64>>,
    ) -> PyResult<Outcomes<'py>> {
        let id = certificate.as_slice()?;
        let name = rows("name", &name, id.len())?;
        let (energy, owner, slot) = (slice(energy.as_ref())?, slice(owner.as_ref())?, slice(slot.as_ref())?);
        for (column, length) in [("energy_wh", energy.map(<[_]>::len)), ("slot", slot.map(<[_]>::len))] {
            if length.is_some_and(|length| length != id.len()) {
                return Err(Exception::Schema.with(format!("column '{column}' has not {} rows", id.len())));
            }
        }
        if owner.is_some_and(|owner| owner.len() != id.len()) {
            return Err(Exception::Schema.with(format!("column 'owner' has not {} rows", id.len())));
        }
        let certificates = &mut self.certificates;
        let stepped = (0..id.len()).map(|row| {
            let slot = slot.map(|slot| slot[row]);
            let then = match kind {
                "transfer" => Use::Transfer { to: name[row] },
                "cancel" => Use::Cancel { beneficiary: name[row], slot },
                _ => Use::Compensate { device: name[row], slot: slot.unwrap_or(0) },
            };
            let (energy, owner) = (energy.map(|energy| energy[row]), owner.map(|owner| owner[row]));
            certificates.step(&Step { id: id[row], energy, owner, then })
        });
        Ok(outcomes(py, stepped))
    }

    /// Wh claimed, a row.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn match_slots<'py>(
        &mut self,
        py: Python<'py>,
        holder: Column<'py, u32>,
        slot: Column<'py, i64>,
        consumed: Column<'py, i64>,
    ) -> PyResult<Fresh<'py, i64>> {
        let holder = holder.as_slice()?;
        let (slot, consumed) = (rows("slot", &slot, holder.len())?, rows("consumed_wh", &consumed, holder.len())?);
        let matched: Vec<i64> =
            (0..holder.len()).map(|row| self.certificates.match_slot(holder[row], slot[row], consumed[row])).collect();
        Ok(matched.into_pyarray(py))
    }

    /// One fresh column a field, by id.
    fn all<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = self.certificates.all();
        let columns = PyDict::new(py);
        let names: [(&str, Field<u32>); 6] = [
            ("device", |c| c.device),
            ("owner", |c| c.owner),
            ("source", |c| c.source),
            ("attributes", |c| c.attributes),
            ("beneficiary", |c| c.beneficiary),
            ("compensates", |c| c.compensates),
        ];
        for (name, of) in names {
            columns.set_item(name, all.iter().map(of).collect::<Vec<_>>().into_pyarray(py))?;
        }
        let numbers: [(&str, Field<i64>); 3] =
            [("slot", |c| c.slot), ("energy_wh", |c| c.energy), ("used_for", |c| c.used_for.unwrap_or(i64::MIN))];
        for (name, of) in numbers {
            columns.set_item(name, all.iter().map(of).collect::<Vec<_>>().into_pyarray(py))?;
        }
        columns.set_item("state", all.iter().map(|c| c.state as u8).collect::<Vec<_>>().into_pyarray(py))?;
        let parents = all.iter().map(|c| c.parent.unwrap_or(u64::MAX)).collect::<Vec<_>>();
        columns.set_item("parent", parents.into_pyarray(py))?;
        Ok(columns)
    }

    /// Device, slot, metered, compensated and owed Wh, ascending.
    #[allow(clippy::type_complexity, reason = "one a column")]
    fn lots<'py>(
        &self,
        py: Python<'py>,
    ) -> (Fresh<'py, u32>, Fresh<'py, i64>, Fresh<'py, i64>, Fresh<'py, i64>, Fresh<'py, i64>) {
        let lots = self.certificates.lots();
        (
            lots.iter().map(|lot| lot.0).collect::<Vec<_>>().into_pyarray(py),
            lots.iter().map(|lot| lot.1).collect::<Vec<_>>().into_pyarray(py),
            lots.iter().map(|lot| lot.2.metered).collect::<Vec<_>>().into_pyarray(py),
            lots.iter().map(|lot| lot.2.compensated).collect::<Vec<_>>().into_pyarray(py),
            lots.iter().map(|lot| lot.2.owed()).collect::<Vec<_>>().into_pyarray(py),
        )
    }

    /// One fresh column a field of what happened.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let events = self.certificates.events();
        let columns = PyDict::new(py);
        let times = events.iter().map(|e| e.time_ns.unwrap_or(i64::MIN)).collect::<Vec<_>>();
        columns.set_item("time", times.into_pyarray(py))?;
        columns.set_item("kind", events.iter().map(|e| e.kind as u8).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("id", events.iter().map(|e| e.id).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("energy_wh", events.iter().map(|e| e.energy).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("from", events.iter().map(|e| e.from).collect::<Vec<_>>().into_pyarray(py))?;
        columns.set_item("to", events.iter().map(|e| e.to).collect::<Vec<_>>().into_pyarray(py))?;
        Ok(columns)
    }

    fn copy(&self) -> Self {
        Self { certificates: self.certificates.clone() }
    }
}

/// Name, number and meaning of every code.
#[pyfunction]
fn certificate_codes() -> Vec<(&'static str, u8, &'static str)> {
    CertificateCode::ALL
        .into_iter()
        .map(|code| {
            let (name, meaning) = code.told();
            (name, code as u8, meaning)
        })
        .collect()
}

/// Adds certificates to the module.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("CERTIFICATE_EVENTS", EventKind::ALL.map(EventKind::name).to_vec())?;
    m.add("CERTIFICATE_STATES", State::ALL.map(State::name).to_vec())?;
    m.add_class::<PyCertificates>()?;
    m.add_function(wrap_pyfunction!(certificate_codes, m)?)?;
    Ok(())
}
