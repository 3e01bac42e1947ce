//! Binding of the bank. Participants are account ids here; `fastclear/settlement.py` knows their names.
//!
//! Every call is short and stays attached, so columns are borrowed, writable or not.
//!
//! | Python | Rust |
//! |---|---|
//! | `ndarray[uint8]` sides, `[int64]` prices, quantities, rows, `[uint64]` accounts and ids | slices |
//! | tuple of arrays and of what goes for all of them | [`ClearedSlot`] |
//! | `int` money | `i64` in, `i128` out |
//! | [`SettleError`] | `SettlementError`, with the member's name in front |

use fastclear_core::settlement::accounts::{FIRST_MEMBER, HOUSE};
use fastclear_core::settlement::slot::LINES;
use fastclear_core::settlement::{
    Account, Bank, Bill, ClearedSlot, Imbalance, Kind, Meter, Orders, Posting, SettleError, Tariff, bills,
};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::Exception;

type Column<'py, T> = PyReadonlyArray1<'py, T>;
/// Account, opening, deposited, net, closing.
type CycleRow = (u64, i128, i128, i128, i128);
/// side, account, market, order, buy row, sell row, quantity, buy price, sell price, and of their money: buy amount,
/// sell amount, denominator, whether prices are per unit, account of a deficit.
type ClearedColumns<'py> = (
    Column<'py, u8>,
    Column<'py, u64>,
    Column<'py, u64>,
    Column<'py, u64>,
    Column<'py, i64>,
    Column<'py, i64>,
    Column<'py, i64>,
    Column<'py, i64>,
    Column<'py, i64>,
    (Column<'py, i64>, Column<'py, i64>, i64, bool, u64),
);

/// Accounts and reservations of one community.
#[pyclass(module = "fastclear._core", name = "Bank")]
struct PyBank {
    bank: Bank,
    /// Names of the members in order of opening, for messages.
    names: Vec<String>,
}

impl PyBank {
    fn error(&self, error: &SettleError) -> PyErr {
        let Some(account) = error.account() else {
            return Exception::Settlement.with(error.to_string());
        };
        let member = account.checked_sub(FIRST_MEMBER).and_then(|index| self.names.get(usize::try_from(index).ok()?));
        Exception::Settlement.with(match member {
            Some(name) => format!("participant {name}: {error}"),
            None => format!("account {account}: {error}"),
        })
    }
}

#[pymethods]
impl PyBank {
    /// `policy`: "backup", "single" or "dual"; `penalty`: ticks, dead band in Wh, account; read by "dual" only.
    #[new]
    fn new(tariff_values: (i64, i64, i64, i64, u32), policy: &str, penalty: (i64, i64, u64)) -> PyResult<Self> {
        let (retail, feed_in, platform_fee, network_fee, tax_ppm) = tariff_values;
        let imbalance = match policy {
            "single" => Imbalance::SinglePrice,
            "dual" => Imbalance::DualPrice { penalty: penalty.0, dead_band: penalty.1, to: penalty.2 },
            "backup" => Imbalance::Backup,
            _ => return Err(Exception::Settlement.with(format!("imbalance policy {policy:?} is unknown"))),
        };
        let tariff = tariff(retail, feed_in, platform_fee, network_fee, tax_ppm)?;
        let bank = Bank::new(tariff).map_err(|error| Exception::Settlement.with(error.to_string()))?;
        Ok(Self { bank: bank.with_imbalance(imbalance), names: Vec::new() })
    }

    /// Opens one account a name and returns the id of the first.
    fn open(&mut self, names: Vec<String>, limit: i64) -> PyResult<u64> {
        let first = self.bank.open(names.len(), limit).map_err(|error| self.error(&error))?;
        self.names.extend(names);
        Ok(first)
    }

    fn set_limit(&mut self, account: u64, limit: i64) -> PyResult<()> {
        self.bank.set_limit(account, limit).map_err(|error| self.error(&error))
    }

    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn deposit(&mut self, accounts: Column<'_, u64>, amounts: Column<'_, i64>) -> PyResult<()> {
        self.bank.deposit(accounts.as_slice()?, amounts.as_slice()?).map_err(|error| self.error(&error))
    }

    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn withdraw(&mut self, accounts: Column<'_, u64>, amounts: Column<'_, i64>) -> PyResult<()> {
        self.bank.withdraw(accounts.as_slice()?, amounts.as_slice()?).map_err(|error| self.error(&error))
    }

    /// One reject code a row; `codes` holds those that are known already.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    #[allow(clippy::too_many_arguments, reason = "one a column")]
    fn reserve<'py>(
        &mut self,
        py: Python<'py>,
        side: Column<'py, u8>,
        price: Column<'py, i64>,
        quantity: Column<'py, i64>,
        account: Column<'py, u64>,
        market: Column<'py, u64>,
        order: Column<'py, u64>,
        codes: Column<'py, u16>,
    ) -> PyResult<Bound<'py, PyArray1<u16>>> {
        let orders = Orders {
            side: side.as_slice()?,
            price: price.as_slice()?,
            quantity: quantity.as_slice()?,
            account: account.as_slice()?,
            market: market.as_slice()?,
            order: order.as_slice()?,
        };
        let mut codes = codes.as_slice()?.to_vec();
        self.bank.reserve(&orders, &mut codes).map_err(|error| self.error(&error))?;
        Ok(codes.into_pyarray(py))
    }

    /// Settles one slot.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn settle(
        &mut self,
        clearings: Vec<ClearedColumns<'_>>,
        meter_account: Column<'_, u64>,
        meter_energy: Column<'_, i64>,
    ) -> PyResult<()> {
        let clearings = clearings
            .iter()
            .map(|c| {
                Ok(ClearedSlot {
                    side: c.0.as_slice()?,
                    account: c.1.as_slice()?,
                    market: c.2.as_slice()?,
                    order: c.3.as_slice()?,
                    buy_row: c.4.as_slice()?,
                    sell_row: c.5.as_slice()?,
                    quantity: c.6.as_slice()?,
                    buy_price: c.7.as_slice()?,
                    sell_price: c.8.as_slice()?,
                    buy_amount: c.9.0.as_slice()?,
                    sell_amount: c.9.1.as_slice()?,
                    den: c.9.2,
                    per_unit: c.9.3,
                    deficit_to: c.9.4,
                })
            })
            .collect::<PyResult<Vec<_>>>()?;
        let meter = Meter { account: meter_account.as_slice()?, energy: meter_energy.as_slice()? };
        self.bank.settle(&clearings, &meter).map_err(|error| self.error(&error))
    }

    /// Every posting since the last call.
    fn take(&mut self) -> PyPostings {
        PyPostings { postings: self.bank.take() }
    }

    /// Account, opening, deposited, net, closing: one tuple an account.
    fn close_cycle(&mut self) -> PyResult<Vec<CycleRow>> {
        let lines = self.bank.close_cycle().map_err(|error| self.error(&error))?;
        Ok(lines.iter().map(|l| (l.account, l.opening, l.deposited, l.net, l.closing)).collect())
    }

    fn advance(&mut self, time_ns: u64) -> PyResult<()> {
        self.bank.advance(time_ns).map_err(|error| self.error(&error))
    }

    /// Account, posted, pending out, pending in, available, limit, version: one tuple an account.
    fn balances(&self) -> Vec<(u64, i128, i128, i128, i128, i128, u64)> {
        let accounts = self.bank.accounts().iter();
        accounts.map(|(id, a)| (id, a.posted, a.pending_out, a.pending_in, a.available(), a.limit, a.version)).collect()
    }

    /// A bank of its own in the same state.
    fn copy(&self) -> Self {
        Self { bank: self.bank.clone(), names: self.names.clone() }
    }

    /// Available money of one account, None if it is not open.
    fn available(&self, account: u64) -> Option<i128> {
        self.bank.accounts().get(account).map(Account::available)
    }
}

/// A run of postings.
#[pyclass(frozen, module = "fastclear._core", name = "Postings")]
struct PyPostings {
    postings: Vec<Posting>,
}

#[pymethods]
impl PyPostings {
    fn __len__(&self) -> usize {
        self.postings.len()
    }

    /// One fresh array a field.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        macro_rules! column {
            ($($name:ident: $value:expr),+ $(,)?) => {
                $(columns.set_item(
                    stringify!($name),
                    self.postings.iter().map($value).collect::<Vec<_>>().into_pyarray(py),
                )?;)+
            };
        }
        column! {
            kind: |p| p.kind as u8,
            flags: |p| p.flags,
            code: |p| p.code,
            asset: |p| p.asset,
            seq: |p| p.seq,
            time_ns: |p| p.time_ns,
            market: |p| p.market,
            buy_order: |p| p.buy_order,
            sell_order: |p| p.sell_order,
            debit: |p| p.debit,
            credit: |p| p.credit,
            quantity: |p| p.quantity,
            price: |p| p.price,
            amount: |p| p.amount,
            group: |p| p.group,
        }
        Ok(columns)
    }

    /// The bill of every member touched, one fresh array a line.
    fn bills<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let bills = bills(&self.postings);
        let columns = PyDict::new(py);
        let accounts: Vec<u64> = bills.keys().copied().collect();
        columns.set_item("account", accounts.into_pyarray(py))?;
        macro_rules! line {
            ($($name:ident: $value:expr),+ $(,)?) => {
                $({
                    let line: Result<Vec<i64>, _> =
                        bills.values().map($value).map(i64::try_from).collect();
                    let line = line.map_err(|_| Exception::Settlement.with(concat!(
                        "a total of the line ", stringify!($name),
                        " leaves 64 bits; take receipts more often",
                    )))?;
                    columns.set_item(stringify!($name), line.into_pyarray(py))?;
                })+
            };
        }
        line! {
            energy: |b| b.energy,
            platform: |b| b.platform,
            network: |b| b.network,
            residual: |b| b.residual,
            feed_in: |b| b.feed_in,
            imbalance: |b| b.imbalance,
            tax: |b| b.tax,
            net: Bill::net,
        }
        Ok(columns)
    }
}

/// Refuses a tariff that cannot be.
#[pyfunction]
fn check_tariff(retail: i64, feed_in: i64, platform_fee: i64, network_fee: i64, tax_ppm: u32) -> PyResult<()> {
    tariff(retail, feed_in, platform_fee, network_fee, tax_ppm).map(|_| ())
}

fn tariff(retail: i64, feed_in: i64, platform_fee: i64, network_fee: i64, tax_ppm: u32) -> PyResult<Tariff> {
    Tariff::new(retail, feed_in, platform_fee, network_fee, tax_ppm)
        .map_err(|error| Exception::Settlement.with(error.to_string()))
}

/// Adds this file's classes and functions to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyBank>()?;
    m.add_class::<PyPostings>()?;
    m.add_function(wrap_pyfunction!(check_tariff, m)?)?;
    m.add("HOUSE_ACCOUNTS", HOUSE.to_vec())?;
    m.add("FIRST_MEMBER", FIRST_MEMBER)?;
    m.add("KIND_NAMES", Kind::ALL.map(|kind| (kind as u8, kind.name())).to_vec())?;
    m.add("LINE_NAMES", LINES.map(|(kind, code, name)| (kind as u8, code, name)).to_vec())?;
    Ok(())
}
