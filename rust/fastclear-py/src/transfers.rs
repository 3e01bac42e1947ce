//! Binding of transfers and netting; `fastclear/transfers.py` and `fastclear/netting.py` read the columns.
//!
//! Every call stays attached, since columns are borrowed, writable or not, and state changes row by row.
//!
//! | Python | Rust |
//! |---|---|
//! | `ndarray[uint32]` or `[uint64]` accounts, both of one type | [`Ids`] |
//! | `ndarray[int64]` amounts, `[uint64]` halves of ids and timeouts, `[uint16]` assets and reasons, `[uint8]` kinds and flags | slices |
//! | `int` id | `u128` |
//! | money out: `ndarray[int64]` where all of it fits, else a list of `int` | `i128` |
//! | [`TransferError`], [`BadObligation`] | `SettlementError` |
//! | [`Broken`] | its words; the Python layer raises |

use std::fmt::Display;

use fastclear_core::settlement::netting::{self, Obligations, Positions};
use fastclear_core::settlement::transfers::{
    AccountId, Audit, Balance, Code, Columns, Leg, OnFailure, Terms, TransferKind, Transfers,
};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::errors::Exception;

/// A figure of a balance.
type Amount = fn(&Balance) -> i128;
pub(crate) type Column<'py, T> = PyReadonlyArray1<'py, T>;
pub(crate) type Fresh<'py, T> = Bound<'py, PyArray1<T>>;

fn settlement_error(error: impl Display) -> PyErr {
    Exception::Settlement.with(error.to_string())
}

pub(crate) fn slice<'a, T: numpy::Element>(column: Option<&'a Column<'_, T>>) -> PyResult<Option<&'a [T]>> {
    column.map(|column| Ok(column.as_slice()?)).transpose()
}

/// A column of accounts.
#[derive(FromPyObject)]
pub(crate) enum Ids<'py> {
    Wide(Column<'py, u64>),
    Narrow(Column<'py, u32>),
}

/// Runs something with the slices of two columns of accounts.
macro_rules! with_ids {
    ($one:expr, $other:expr, |$debit:ident, $credit:ident| $body:expr) => {
        match ($one, $other) {
            (Ids::Wide(one), Ids::Wide(other)) => {
                let ($debit, $credit) = (one.as_slice()?, other.as_slice()?);
                $body
            }
            (Ids::Narrow(one), Ids::Narrow(other)) => {
                let ($debit, $credit) = (one.as_slice()?, other.as_slice()?);
                $body
            }
            _ => Err(Exception::Schema.with("columns 'debit' and 'credit' are of different types; give both of one")),
        }
    };
}
pub(crate) use with_ids;

/// The columns of a submit beside its accounts.
macro_rules! submit_columns {
    ($amount:ident, $id:ident, $id_high:ident, $kind:ident, $reference:ident, $reference_high:ident, $timeout_ns:ident,
     $code:ident, $linked:ident) => {
        fastclear_core::settlement::transfers::Columns::<u64> {
            amount: $amount.as_slice()?,
            id: $crate::transfers::slice($id.as_ref())?,
            id_high: $crate::transfers::slice($id_high.as_ref())?,
            kind: $crate::transfers::slice($kind.as_ref())?,
            reference: $crate::transfers::slice($reference.as_ref())?,
            reference_high: $crate::transfers::slice($reference_high.as_ref())?,
            timeout_ns: $crate::transfers::slice($timeout_ns.as_ref())?,
            code: $crate::transfers::slice($code.as_ref())?,
            linked: $crate::transfers::slice($linked.as_ref())?,
            ..fastclear_core::settlement::transfers::Columns::default()
        }
    };
}
pub(crate) use submit_columns;

/// Money of any size: an int64 array where all of it fits, else a list.
fn money<'py>(py: Python<'py>, amounts: &[i128]) -> PyResult<Bound<'py, PyAny>> {
    let narrow: Result<Vec<i64>, _> = amounts.iter().map(|&amount| i64::try_from(amount)).collect();
    Ok(match narrow {
        Ok(narrow) => narrow.into_pyarray(py).into_any(),
        Err(_) => PyList::new(py, amounts)?.into_any(),
    })
}

/// Accounts and transfers between them.
#[pyclass(module = "fastclear._core", name = "Accounts")]
pub(crate) struct PyAccounts {
    transfers: Transfers,
}

impl From<Transfers> for PyAccounts {
    fn from(transfers: Transfers) -> Self {
        Self { transfers }
    }
}

/// One fresh column a field.
pub(crate) fn balance_columns<'py>(py: Python<'py>, balances: &[Balance]) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    columns.set_item("account", balances.iter().map(|b| b.account).collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("asset", balances.iter().map(|b| b.terms.asset).collect::<Vec<_>>().into_pyarray(py))?;
    let amounts: [(&str, Amount); 5] = [
        ("posted", |b| b.posted),
        ("pending_out", |b| b.pending_out),
        ("pending_in", |b| b.pending_in),
        ("available", Balance::available),
        ("limit", |b| i128::from(b.limit)),
    ];
    for (name, of) in amounts {
        columns.set_item(name, money(py, &balances.iter().map(of).collect::<Vec<_>>())?)?;
    }
    columns.set_item("unlimited", balances.iter().map(|b| b.terms.unlimited).collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("closed", balances.iter().map(|b| b.terms.closed).collect::<Vec<_>>().into_pyarray(py))?;
    Ok(columns)
}

/// What an audit counts, or what it finds broken.
pub(crate) fn audited(transfers: &Transfers) -> (Option<String>, (usize, usize, usize, usize, i128)) {
    match transfers.audit() {
        Ok(Audit { accounts, assets, ids, open, reserved }) => (None, (accounts, assets, ids, open, reserved)),
        Err(broken) => (Some(broken.to_string()), (0, 0, 0, 0, 0)),
    }
}

#[pymethods]
impl PyAccounts {
    #[new]
    fn new() -> Self {
        Self { transfers: Transfers::new() }
    }

    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn open(
        &mut self,
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
        self.transfers.open(&rows).map_err(settlement_error)
    }

    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_limits(&mut self, accounts: Column<'_, u64>, limit: Column<'_, i64>) -> PyResult<()> {
        let rows: Vec<_> = accounts.as_slice()?.iter().copied().zip(limit.as_slice()?.iter().copied()).collect();
        self.transfers.set_limits(&rows).map_err(settlement_error)
    }

    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_closed(&mut self, accounts: Column<'_, u64>, closed: bool) -> PyResult<()> {
        self.transfers.set_closed(accounts.as_slice()?, closed).map_err(settlement_error)
    }

    /// Low and high halves of the ids that have expired.
    fn advance<'py>(&mut self, py: Python<'py>, time_ns: u64) -> PyResult<(Fresh<'py, u64>, Fresh<'py, u64>)> {
        let expired = self.transfers.advance(time_ns).map_err(settlement_error)?;
        let low: Vec<u64> = expired.iter().map(|&id| id as u64).collect();
        let high: Vec<u64> = expired.iter().map(|&id| (id >> 64) as u64).collect();
        Ok((low.into_pyarray(py), high.into_pyarray(py)))
    }

    /// One code a row.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    #[allow(clippy::too_many_arguments, reason = "one a column")]
    fn submit<'py>(
        &mut self,
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
        let transfers = &mut self.transfers;
        with_ids!(&debit, &credit, |debit, credit| transfers
            .submit(&with_accounts(&rest, debit, credit))
            .map(|codes| codes.into_pyarray(py))
            .map_err(settlement_error))
    }

    /// Codes, payers and payees of the legs of one chain.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    #[allow(clippy::too_many_arguments, reason = "one a column")]
    #[allow(clippy::type_complexity, reason = "one a column")]
    fn settle_net<'py>(
        &mut self,
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
        let paid = self.transfers.settle_net(&legs, first_id, code, on_failure).map_err(settlement_error)?;
        Ok((paid.codes.into_pyarray(py), paid.payers.into_pyarray(py), paid.payees.into_pyarray(py)))
    }

    /// One fresh column a field, ascending account.
    fn balances<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        balance_columns(py, &self.transfers.balances())
    }

    /// What one account may spend, None if it is not open.
    fn available(&self, account: u64) -> Option<i128> {
        self.transfers.get(account).map(|balance| balance.available())
    }

    /// Accounts, assets, ids, open reservations and their sum; or which invariant does not hold.
    fn audit(&self) -> (Option<String>, (usize, usize, usize, usize, i128)) {
        audited(&self.transfers)
    }

    #[getter]
    fn time(&self) -> u64 {
        self.transfers.now_ns()
    }

    #[getter]
    fn ids(&self) -> usize {
        self.transfers.ids()
    }

    #[getter]
    fn open_reservations(&self) -> usize {
        self.transfers.open_reservations()
    }

    fn __len__(&self) -> usize {
        self.transfers.len()
    }

    /// Accounts of their own in the same state.
    fn copy(&self) -> Self {
        Self { transfers: self.transfers.clone() }
    }
}

/// The other columns of a batch beside its accounts.
pub(crate) fn with_accounts<'a, A: AccountId>(
    rest: &Columns<'a, u64>,
    debit: &'a [A],
    credit: &'a [A],
) -> Columns<'a, A> {
    let Columns { amount, id, id_high, kind, reference, reference_high, timeout_ns, code, linked, .. } = *rest;
    Columns { debit, credit, amount, id, id_high, kind, reference, reference_high, timeout_ns, code, linked }
}

/// What a netting found: who receives, who owes.
#[pyclass(frozen, module = "fastclear._core", name = "Positions")]
struct PyPositions {
    positions: Positions,
}

#[pymethods]
impl PyPositions {
    fn __len__(&self) -> usize {
        self.positions.iter().count()
    }

    /// Asset, participant, amount.
    #[allow(clippy::type_complexity, reason = "one a column")]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<(Fresh<'py, u16>, Fresh<'py, u64>, Bound<'py, PyAny>)> {
        let asset: Vec<u16> = self.positions.iter().map(|p| p.asset).collect();
        let participant: Vec<u64> = self.positions.iter().map(|p| p.participant).collect();
        let amounts: Vec<i128> = self.positions.iter().map(|p| p.amount).collect();
        Ok((asset.into_pyarray(py), participant.into_pyarray(py), money(py, &amounts)?))
    }

    /// The payments of multilateral netting.
    fn multilateral<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        legs(py, &netting::split(&netting::multilateral(&self.positions)))
    }

    /// The payments of bilateral netting of the columns that these positions were made from.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn bilateral<'py>(
        &self,
        py: Python<'py>,
        debit: Ids<'py>,
        credit: Ids<'py>,
        amount: Column<'py, i64>,
        asset: Option<Column<'py, u16>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (amount, asset) = (amount.as_slice()?, slice(asset.as_ref())?);
        let payments = with_ids!(&debit, &credit, |debit, credit| netting::bilateral(&Obligations {
            debit,
            credit,
            amount,
            asset
        })
        .map_err(settlement_error))?;
        let payments = netting::split(&payments);
        // The columns belong to the caller, who may have written to them since.
        let columns = (
            payments.iter().map(|leg| leg.debit).collect::<Vec<_>>(),
            payments.iter().map(|leg| leg.credit).collect::<Vec<_>>(),
            payments.iter().map(|leg| leg.amount).collect::<Vec<_>>(),
            payments.iter().map(|leg| leg.asset).collect::<Vec<_>>(),
        );
        let again = Obligations { debit: &columns.0, credit: &columns.1, amount: &columns.2, asset: Some(&columns.3) };
        if !netting::positions(&again).map_err(settlement_error)?.iter().eq(self.positions.iter()) {
            return Err(Exception::Settlement.with("the columns have changed since fc.net read them; net them again"));
        }
        legs(py, &payments)
    }
}

/// One fresh array a field.
fn legs<'py>(py: Python<'py>, legs: &[Leg]) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    columns.set_item("debit", legs.iter().map(|leg| leg.debit).collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("credit", legs.iter().map(|leg| leg.credit).collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("amount", legs.iter().map(|leg| leg.amount).collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("asset", legs.iter().map(|leg| leg.asset).collect::<Vec<_>>().into_pyarray(py))?;
    Ok(columns)
}

/// Sums what everybody owes everybody.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
#[pyo3(signature = (debit, credit, amount, asset))]
fn net(
    debit: Ids<'_>,
    credit: Ids<'_>,
    amount: Column<'_, i64>,
    asset: Option<Column<'_, u16>>,
) -> PyResult<PyPositions> {
    let (amount, asset) = (amount.as_slice()?, slice(asset.as_ref())?);
    let positions =
        with_ids!(&debit, &credit, |debit, credit| netting::positions(&Obligations { debit, credit, amount, asset })
            .map_err(settlement_error))?;
    Ok(PyPositions { positions })
}

/// Name, number and meaning of every code.
#[pyfunction]
fn transfer_codes() -> Vec<(&'static str, u8, &'static str)> {
    Code::ALL
        .map(|code| {
            let (name, meaning) = code.meaning();
            (name, code as u8, meaning)
        })
        .to_vec()
}

/// Adds this file's classes and functions to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyAccounts>()?;
    m.add_class::<PyPositions>()?;
    m.add_function(wrap_pyfunction!(net, m)?)?;
    m.add_function(wrap_pyfunction!(transfer_codes, m)?)?;
    m.add("TRANSFER_KINDS", TransferKind::ALL.map(TransferKind::name).to_vec())?;
    Ok(())
}
