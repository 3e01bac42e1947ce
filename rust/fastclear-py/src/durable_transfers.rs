//! Binding of transfers that are kept in a directory; the methods are those of `transfers.rs`.
//!
//! Columns are copied into a command while attached, and the command is owned; the journal is written and the machine
//! runs detached, so that the calls of several threads share a sync. [`StoreError`] becomes `StoreError`; what the
//! machine refuses, `SettlementError`.

use std::path::PathBuf;
use std::sync::RwLock;

use fastclear_core::machine::Machine;
use fastclear_core::settlement::transfers::machine::{self, MACHINE, TransferMachine};
use fastclear_core::settlement::transfers::{Leg, OnFailure, Terms};
use fastclear_store::{Durability, GroupHost, Host, Opened, Options, OsVfs, StoreError, WallClock};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::Exception;
use crate::transfers::{Column, Fresh, Ids, PyAccounts, audited, balance_columns, submit_columns, with_ids};

type Kept = GroupHost<TransferMachine, OsVfs, WallClock>;

fn raised(error: &StoreError) -> PyErr {
    Exception::Store.with(error.to_string())
}

/// Accounts in a directory, and transfers between them.
#[pyclass(frozen, module = "fastclear._core", name = "DurableAccounts")]
struct PyDurableAccounts {
    /// `None` once it is shut.
    kept: RwLock<Option<Kept>>,
    opened: Opened,
}

impl PyDurableAccounts {
    fn with<R: Send>(&self, py: Python<'_>, act: impl FnOnce(&Kept) -> PyResult<R> + Send) -> PyResult<R> {
        py.detach(|| {
            let kept =
                self.kept.read().map_err(|_| Exception::Store.with("a call has failed; open the store again"))?;
            let kept =
                kept.as_ref().ok_or_else(|| Exception::Store.with("these accounts were shut; open them again"))?;
            act(kept)
        })
    }

    fn read<R: Send>(&self, py: Python<'_>, read: impl FnOnce(&TransferMachine) -> R + Send) -> PyResult<R> {
        self.with(py, |kept| kept.with(|host| read(host.machine())).map_err(|error| raised(&error)))
    }

    /// The reply to a command, without its first byte.
    fn run(&self, py: Python<'_>, command: Vec<u8>) -> PyResult<Vec<u8>> {
        self.with(py, |kept| {
            let mut reply = kept.submit(command).map_err(|error| raised(&error))?;
            if reply.is_empty() {
                return Err(Exception::Store.with("an empty reply"));
            }
            let rest = reply.split_off(1);
            if reply == [0] { Ok(rest) } else { Err(Exception::Settlement.with(String::from_utf8_lossy(&rest))) }
        })
    }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)).collect()
}

#[pymethods]
impl PyDurableAccounts {
    /// `wait_ms` below 0: nothing is synced.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, wait_ms: i64, segment_bytes: u64, snapshot_bytes: u64) -> PyResult<Self> {
        let durability = match wait_ms {
            ..0 => Durability::None,
            0 => Durability::Sync,
            _ => Durability::Group { wait_ms: wait_ms as u32 },
        };
        let options = Options { durability, segment_bytes, ..Options::new(MACHINE) };
        let (host, opened) = py
            .detach(|| Host::open(OsVfs, WallClock::default(), &path, options, TransferMachine::default, |_| Ok(())))
            .map_err(|error| raised(&error))?;
        let kept = RwLock::new(Some(GroupHost::new(host, durability, snapshot_bytes)));
        Ok(Self { kept, opened })
    }

    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn open(
        &self,
        py: Python<'_>,
        accounts: Column<'_, u64>,
        limit: Column<'_, i64>,
        asset: Column<'_, u16>,
        unlimited: Column<'_, u8>,
    ) -> PyResult<()> {
        let terms = asset.as_slice()?.iter().zip(unlimited.as_slice()?);
        let rows: Vec<_> = accounts
            .as_slice()?
            .iter()
            .zip(limit.as_slice()?)
            .zip(terms)
            .map(|((&account, &limit), (&asset, &unlimited))| {
                (account, limit, Terms { asset, unlimited: unlimited != 0, closed: false })
            })
            .collect();
        self.run(py, machine::open_command(&rows)).map(drop)
    }

    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_limits(&self, py: Python<'_>, accounts: Column<'_, u64>, limit: Column<'_, i64>) -> PyResult<()> {
        let rows: Vec<_> = accounts.as_slice()?.iter().copied().zip(limit.as_slice()?.iter().copied()).collect();
        self.run(py, machine::set_limits_command(&rows)).map(drop)
    }

    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_closed(&self, py: Python<'_>, accounts: Column<'_, u64>, closed: bool) -> PyResult<()> {
        self.run(py, machine::set_closed_command(accounts.as_slice()?, closed)).map(drop)
    }

    /// Low and high halves of the ids that have expired.
    fn advance<'py>(&self, py: Python<'py>, time_ns: u64) -> PyResult<(Fresh<'py, u64>, Fresh<'py, u64>)> {
        let halves = words(&self.run(py, machine::advance_command(time_ns))?);
        let low: Vec<u64> = halves.iter().step_by(2).copied().collect();
        let high: Vec<u64> = halves.iter().skip(1).step_by(2).copied().collect();
        Ok((low.into_pyarray(py), high.into_pyarray(py)))
    }

    /// One code a row.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    #[allow(clippy::too_many_arguments, reason = "one a column")]
    fn submit<'py>(
        &self,
        py: Python<'py>,
        debit: Ids<'py>,
        credit: Ids<'py>,
        amount: Column<'py, i64>,
        id_low: Option<Column<'py, u64>>,
        id_high: Option<Column<'py, u64>>,
        kind: Option<Column<'py, u8>>,
        reference_low: Option<Column<'py, u64>>,
        reference_high: Option<Column<'py, u64>>,
        timeout_ns: Option<Column<'py, u64>>,
        code: Option<Column<'py, u16>>,
        linked: Option<Column<'py, u8>>,
    ) -> PyResult<Fresh<'py, u8>> {
        let rest =
            submit_columns!(amount, id_low, id_high, kind, reference_low, reference_high, timeout_ns, code, linked);
        let command: Vec<u8> = with_ids!(&debit, &credit, |debit, credit| Ok::<_, PyErr>(machine::submit_command(
            &crate::transfers::with_accounts(&rest, debit, credit)
        )))?;
        let mut reply = self.run(py, command)?;
        Ok(reply.split_off(32).into_pyarray(py))
    }

    /// Codes, payers and payees of the legs of one chain.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    #[allow(clippy::too_many_arguments, reason = "one a column")]
    #[allow(clippy::type_complexity, reason = "one a column")]
    fn settle_net<'py>(
        &self,
        py: Python<'py>,
        debit: Column<'py, u64>,
        credit: Column<'py, u64>,
        amount: Column<'py, i64>,
        asset: Column<'py, u16>,
        first_id: u128,
        code: u16,
        operator: Option<u64>,
    ) -> PyResult<(Fresh<'py, u8>, Fresh<'py, u64>, Fresh<'py, u64>)> {
        let accounts = debit.as_slice()?.iter().zip(credit.as_slice()?);
        let amounts = amount.as_slice()?.iter().zip(asset.as_slice()?);
        let legs: Vec<Leg> = accounts
            .zip(amounts)
            .map(|((&debit, &credit), (&amount, &asset))| Leg { asset, debit, credit, amount })
            .collect();
        let on_failure = operator.map_or(OnFailure::Chain, OnFailure::Operator);
        let mut reply = self.run(py, machine::settle_net_command(&legs, first_id, code, on_failure))?.split_off(32);
        let mut payers = words(&reply.split_off(legs.len()));
        let payees = payers.split_off(legs.len());
        Ok((reply.into_pyarray(py), payers.into_pyarray(py), payees.into_pyarray(py)))
    }

    /// One fresh column a field, ascending account.
    fn balances<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        balance_columns(py, &self.read(py, |machine| machine.transfers().balances())?)
    }

    /// What one account may spend, None if it is not open.
    fn available(&self, py: Python<'_>, account: u64) -> PyResult<Option<i128>> {
        self.read(py, |machine| machine.transfers().get(account).map(|balance| balance.available()))
    }

    /// Accounts, assets, ids, open reservations and their sum; or which invariant does not hold.
    #[allow(clippy::type_complexity, reason = "as in memory")]
    fn audit(&self, py: Python<'_>) -> PyResult<(Option<String>, (usize, usize, usize, usize, i128))> {
        self.read(py, |machine| audited(machine.transfers()))
    }

    #[getter]
    fn time(&self, py: Python<'_>) -> PyResult<u64> {
        self.read(py, |machine| machine.transfers().now_ns())
    }

    #[getter]
    fn ids(&self, py: Python<'_>) -> PyResult<usize> {
        self.read(py, |machine| machine.transfers().ids())
    }

    #[getter]
    fn open_reservations(&self, py: Python<'_>) -> PyResult<usize> {
        self.read(py, |machine| machine.transfers().open_reservations())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.read(py, |machine| machine.transfers().len())
    }

    /// Accounts in memory in the same state.
    fn copy(&self, py: Python<'_>) -> PyResult<PyAccounts> {
        self.read(py, |machine| PyAccounts::from(machine.transfers().clone()))
    }

    /// Batches and transfers sealed, the last root and the chain.
    #[allow(clippy::type_complexity, reason = "four figures")]
    fn seal<'py>(&self, py: Python<'py>) -> PyResult<(u64, u64, Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let seal = self.read(py, |machine| *machine.seal())?;
        Ok((seal.batch, seal.transfers, PyBytes::new(py, &seal.root), PyBytes::new(py, &seal.chain)))
    }

    fn root<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.read(py, Machine::root)?))
    }

    fn snapshot(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |kept| kept.with(Host::snapshot).flatten().map_err(|error| raised(&error)))
    }

    fn accept_clock_jump(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |kept| kept.with(Host::accept_clock_jump).map_err(|error| raised(&error)))
    }

    /// What was written since the opening, what the opening found.
    fn counts(&self, py: Python<'_>) -> PyResult<Vec<(&'static str, u64)>> {
        let counts = self.with(py, |kept| kept.with(|host| host.counts()).map_err(|error| raised(&error)))?;
        let opened = &self.opened;
        Ok(vec![
            ("frames", counts.frames),
            ("frame_bytes", counts.frame_bytes),
            ("frame_syncs", counts.frame_syncs),
            ("segments_made", counts.segments_made),
            ("segments_reused", counts.segments_reused),
            ("replayed_frames", opened.replayed_frames),
            ("snapshots_damaged", u64::from(opened.snapshots_damaged)),
            ("cut_bytes", opened.tail.cut_bytes),
        ])
    }

    /// Ends the journal and lets the directory go; a second time does nothing.
    fn shut(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| {
            let mut kept = self.kept.write().map_err(|_| Exception::Store.with("a call has failed"))?;
            kept.take().map_or(Ok(()), |kept| kept.close().map_err(|error| raised(&error)))
        })
    }
}

/// Adds this file's class to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDurableAccounts>()
}
