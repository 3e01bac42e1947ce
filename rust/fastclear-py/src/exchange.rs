//! Binding of the exchange. Participants are account ids here; `fastclear/exchange` knows their names.
//!
//! Commands are copied while attached and carried out detached, because they may wait for a disk.
//!
//! | Python | Rust |
//! |---|---|
//! | `ndarray[uint8]`, `[uint16]`, `[int64]`, `[uint64]` columns, empty where left out | [`OrderBatch`] and slices |
//! | `int` idempotency key | `u128` |
//! | `str` or `int` names | [`Name`] |
//! | `int` seed or 32 `bytes` | what salts come from |
//! | [`Reply`] with a column a field of its events | [`fastclear_core::exchange::Reply`] |
//! | [`StoreError`](fastclear_store::StoreError) | `StoreError`, `LedgerError` |
#![allow(clippy::needless_pass_by_value, reason = "arguments of Python functions arrive by value")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastclear_core::exchange::{
    self as core, Command, Event, EventKind, Exchange, Gate, Genesis, Name, OrderBatch, SlotOrder, Status,
};
use fastclear_core::machine::Machine;
use fastclear_core::settlement::accounts::is_member;
use fastclear_store::{Durability, ExchangeClock, House, Keeping};
use numpy::{IntoPyArray, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::Exception;
use crate::ledger::{Chain, Key, raised};
use crate::mechanism::PyMechanism;
use crate::settlement::{PyPostings, imbalance, tariff};

type Column<'py, T> = PyReadonlyArray1<'py, T>;
/// Account, opening, deposited, net, closing.
type CycleRow = (u64, i128, i128, i128, i128);
/// Account, posted, pending out, pending in, available, limit, version, status.
type BalanceRow = (u64, i128, i128, i128, i128, i128, u64, Option<&'static str>);
/// Start, phase, orders that stand, orders refused or taken back, readings.
type SlotRow = (i64, &'static str, usize, usize, usize);

/// A name as Python has it.
#[derive(FromPyObject, IntoPyObject)]
enum PyName {
    Number(i64),
    Text(String),
}

/// What an exchange answered.
#[pyclass(frozen, module = "fastclear._core", name = "ExchangeReply")]
struct PyReply {
    reply: core::Reply,
    bytes: Vec<u8>,
}

#[pymethods]
impl PyReply {
    /// The reply of these bytes.
    #[new]
    fn new(bytes: Vec<u8>) -> PyResult<Self> {
        let reply = core::Reply::decode(&bytes).map_err(|fault| Exception::Schema.with(fault.to_string()))?;
        Ok(Self { reply, bytes })
    }

    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.bytes)
    }

    #[getter]
    const fn repeated(&self) -> bool {
        self.reply.repeated
    }

    #[getter]
    const fn status(&self) -> &'static str {
        self.reply.status.name()
    }

    #[getter]
    fn message(&self) -> &str {
        &self.reply.message
    }

    /// Digest of the book of a gate.
    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.reply.digest.map(|digest| PyBytes::new(py, &digest))
    }

    /// Header of a block, and its hash.
    #[getter]
    fn header<'py>(&self, py: Python<'py>) -> Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let header = self.reply.header.as_ref()?;
        Some((PyBytes::new(py, &header.encode()), PyBytes::new(py, &header.hash())))
    }

    /// The postings that were made.
    fn postings(&self) -> PyPostings {
        PyPostings { postings: self.reply.postings.clone() }
    }

    fn cycle(&self) -> Vec<CycleRow> {
        self.reply
            .cycle
            .iter()
            .map(|line| (line.account, line.opening, line.deposited, line.net, line.closing))
            .collect()
    }

    /// One fresh array a field of the events of one kind, or of all.
    #[pyo3(signature = (kind=None))]
    fn events<'py>(&self, py: Python<'py>, kind: Option<&str>) -> PyResult<Bound<'py, PyDict>> {
        let of_kind = |event: &&Event| kind.is_none_or(|kind| event.kind.name() == kind);
        let events: Vec<&Event> = self.reply.events.iter().filter(of_kind).collect();
        let columns = PyDict::new(py);
        macro_rules! column {
            ($($name:ident: $value:expr),+ $(,)?) => {
                $(columns.set_item(
                    stringify!($name),
                    events.iter().map($value).collect::<Vec<_>>().into_pyarray(py),
                )?;)+
            };
        }
        column! {
            kind: |e| e.kind as u8,
            detail: |e| e.detail,
            code: |e| e.code,
            row: |e| e.row,
            market: |e| e.market,
            order: |e| e.order,
            counter_order: |e| e.counter_order,
            account: |e| e.account,
            price: |e| e.price,
            counter_price: |e| e.counter_price,
            quantity: |e| e.quantity,
            amount: |e| e.amount,
        }
        Ok(columns)
    }
}

/// An exchange in memory or in a directory.
#[pyclass(frozen, module = "fastclear._core", name = "House")]
struct PyHouse {
    /// `None` once it is closed.
    house: Mutex<Option<House>>,
    chain: Arc<Mutex<fastclear_store::Ledger>>,
    clock: Option<Arc<AtomicU64>>,
    replayed: u64,
}

/// The terms of an exchange, checked.
#[pyclass(frozen, module = "fastclear._core", name = "Genesis")]
struct PyGenesis(Genesis);

#[pymethods]
impl PyGenesis {
    /// `prices`: retail, feed-in, platform fee, network fee, tax ppm; `policy` and `terms` as of `Bank`; `gate`: ns
    /// before the start of a slot at which it opens and closes.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "one a term")]
    fn new(
        platform: String,
        mechanism: &PyMechanism,
        deficit_to: u64,
        prices: (i64, i64, i64, i64, u32),
        policy: &str,
        terms: (i64, i64, u64),
        slot_ns: u64,
        gate: Option<(i64, i64)>,
        remember: u32,
    ) -> PyResult<Self> {
        let (retail, feed_in, platform_fee, network_fee, tax_ppm) = prices;
        let gate = match gate {
            None => None,
            Some((opens, closes)) => Some(Gate::new(opens, closes).ok_or_else(|| {
                Exception::Exchange.with("a gate closes after it opens; let it open earlier, or close later")
            })?),
        };
        let genesis = Genesis {
            platform,
            mechanism: mechanism.0,
            deficit_to,
            tariff: tariff(retail, feed_in, platform_fee, network_fee, tax_ppm)?,
            imbalance: imbalance(policy, terms)?,
            slot_ns,
            gate,
            remember,
        };
        genesis.check().map_err(|fault| Exception::Exchange.with(fault.reason))?;
        Ok(Self(genesis))
    }

    /// The canonical text.
    #[getter]
    fn text(&self) -> String {
        self.0.text()
    }
}

fn closed() -> PyErr {
    Exception::Store.with("this exchange is closed; open its directory again")
}

fn name_of(name: &Name) -> PyName {
    match name {
        Name::Number(number) => PyName::Number(*number),
        Name::Text(text) => PyName::Text(text.clone()),
    }
}

impl PyHouse {
    fn lock(&self) -> MutexGuard<'_, Option<House>> {
        self.house.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, of: impl FnOnce(&Exchange) -> T) -> PyResult<T> {
        self.lock().as_ref().map(|house| of(house.exchange())).ok_or_else(closed)
    }

    fn of(house: House, clock: Option<Arc<AtomicU64>>, replayed: u64) -> Self {
        let chain = house.ledger();
        Self { house: Mutex::new(Some(house)), chain, clock, replayed }
    }

    fn execute_bytes(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<Vec<u8>> {
        let done = py.detach(|| self.lock().as_mut().map(|house| house.submit(bytes)));
        done.ok_or_else(closed)?.map_err(|error| raised(&error))
    }

    fn obey(&self, py: Python<'_>, command: &Command, key: u128) -> PyResult<PyReply> {
        PyReply::new(self.execute_bytes(py, &command.encode(key))?)
    }
}

fn manual(is_manual: bool) -> (ExchangeClock, Option<Arc<AtomicU64>>) {
    if !is_manual {
        return (ExchangeClock::Wall, None);
    }
    let time = Arc::new(AtomicU64::new(0));
    (ExchangeClock::Manual(Arc::clone(&time)), Some(time))
}

fn same_length(expected: usize, columns: &[(&str, usize)]) -> PyResult<()> {
    match columns.iter().find(|(_, len)| *len != expected) {
        Some((name, len)) => Err(Exception::Schema
            .with(format!("column '{name}' has {len} rows instead of {expected}; give columns of one length"))),
        None => Ok(()),
    }
}

#[pymethods]
impl PyHouse {
    #[staticmethod]
    fn in_memory(genesis: &PyGenesis, manual_clock: bool) -> PyResult<Self> {
        let (clock, time) = manual(manual_clock);
        let house = House::in_memory(genesis.0.clone(), clock);
        Ok(Self::of(house.map_err(|fault| Exception::Exchange.with(fault.reason))?, time, 0))
    }

    /// `durability`: `sync` or `none`.
    #[staticmethod]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        genesis: Option<&PyGenesis>,
        sync: bool,
        manual_clock: bool,
        segment_bytes: u64,
    ) -> PyResult<Self> {
        let durability = if sync { Durability::Sync } else { Durability::None };
        let (clock, time) = manual(manual_clock);
        let keeping = Keeping { durability, segment_bytes, clock };
        let genesis = genesis.map(|genesis| genesis.0.clone());
        let opened = py.detach(|| House::open(&path, genesis.as_ref(), keeping));
        let (house, opened) = opened.map_err(|error| raised(&error))?;
        if let Some(time) = &time {
            time.store(house.exchange().time_ns(), Ordering::Relaxed);
        }
        Ok(Self::of(house, time, opened.replayed_commands))
    }

    /// Commands that opening applied again.
    #[getter]
    const fn replayed(&self) -> u64 {
        self.replayed
    }

    /// Any command as its bytes; returns the bytes of the reply.
    fn execute<'py>(&self, py: Python<'py>, command: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.execute_bytes(py, command)?))
    }

    fn open_accounts(&self, py: Python<'_>, names: Vec<PyName>, limit: i64, key: u128) -> PyResult<PyReply> {
        let name = |name| match name {
            PyName::Number(number) => Ok(Name::Number(number)),
            PyName::Text(text) if (1..=core::command::NAME_MOST).contains(&text.len()) => Ok(Name::Text(text)),
            PyName::Text(text) => Err(Exception::Exchange.with(format!(
                "a name of {} bytes; give 1 to {} bytes of text, or an integer",
                text.len(),
                core::command::NAME_MOST
            ))),
        };
        let names = names.into_iter().map(name).collect::<PyResult<_>>()?;
        self.obey(py, &Command::Open { limit, names }, key)
    }

    fn set_limit(&self, py: Python<'_>, account: u64, limit: i64, key: u128) -> PyResult<PyReply> {
        self.obey(py, &Command::SetLimit { account, limit }, key)
    }

    fn deposit(
        &self,
        py: Python<'_>,
        accounts: Column<'_, u64>,
        amounts: Column<'_, i64>,
        key: u128,
    ) -> PyResult<PyReply> {
        let (accounts, amounts) = (accounts.as_slice()?.to_vec(), amounts.as_slice()?.to_vec());
        same_length(accounts.len(), &[("amount", amounts.len())])?;
        self.obey(py, &Command::Deposit { accounts, amounts }, key)
    }

    fn withdraw(
        &self,
        py: Python<'_>,
        accounts: Column<'_, u64>,
        amounts: Column<'_, i64>,
        key: u128,
    ) -> PyResult<PyReply> {
        let (accounts, amounts) = (accounts.as_slice()?.to_vec(), amounts.as_slice()?.to_vec());
        same_length(accounts.len(), &[("amount", amounts.len())])?;
        self.obey(py, &Command::Withdraw { accounts, amounts }, key)
    }

    /// Optional columns are empty where they are left out.
    #[expect(clippy::too_many_arguments, reason = "one a column")]
    fn submit(
        &self,
        py: Python<'_>,
        slot: i64,
        side: Column<'_, u8>,
        price: Column<'_, i64>,
        quantity: Column<'_, i64>,
        account: Column<'_, u64>,
        market: Column<'_, u64>,
        order: Column<'_, u64>,
        time: Column<'_, i64>,
        kind: Column<'_, u8>,
        min_quantity: Column<'_, i64>,
        refused: Column<'_, u16>,
        key: u128,
    ) -> PyResult<PyReply> {
        let orders = OrderBatch {
            side: side.as_slice()?.to_vec(),
            price: price.as_slice()?.to_vec(),
            quantity: quantity.as_slice()?.to_vec(),
            account: account.as_slice()?.to_vec(),
            market: market.as_slice()?.to_vec(),
            order: order.as_slice()?.to_vec(),
            time: time.as_slice()?.to_vec(),
            kind: kind.as_slice()?.to_vec(),
            min_quantity: min_quantity.as_slice()?.to_vec(),
            refused: refused.as_slice()?.to_vec(),
        };
        let n = orders.len();
        let or_none = |len: usize| if len == 0 { n } else { len };
        same_length(
            n,
            &[
                ("price", orders.price.len()),
                ("quantity", orders.quantity.len()),
                ("participant", orders.account.len()),
                ("market", or_none(orders.market.len())),
                ("order", or_none(orders.order.len())),
                ("time", or_none(orders.time.len())),
                ("type", or_none(orders.kind.len())),
                ("min_quantity", or_none(orders.min_quantity.len())),
                ("refused", or_none(orders.refused.len())),
            ],
        )?;
        self.obey(py, &Command::Submit { slot, orders }, key)
    }

    fn cancel(
        &self,
        py: Python<'_>,
        slot: i64,
        market: Column<'_, u64>,
        order: Column<'_, u64>,
        account: Column<'_, u64>,
        key: u128,
    ) -> PyResult<PyReply> {
        let (markets, orders) = (market.as_slice()?.to_vec(), order.as_slice()?.to_vec());
        let accounts = account.as_slice()?.to_vec();
        same_length(orders.len(), &[("market", markets.len()), ("participant", accounts.len())])?;
        self.obey(py, &Command::Cancel { slot, markets, orders, accounts }, key)
    }

    fn close_gate(&self, py: Python<'_>, slot: i64, key: u128) -> PyResult<PyReply> {
        self.obey(py, &Command::CloseGate { slot }, key)
    }

    fn meter(
        &self,
        py: Python<'_>,
        slot: i64,
        accounts: Column<'_, u64>,
        energy: Column<'_, i64>,
        key: u128,
    ) -> PyResult<PyReply> {
        let (accounts, energy) = (accounts.as_slice()?.to_vec(), energy.as_slice()?.to_vec());
        same_length(accounts.len(), &[("energy_wh", energy.len())])?;
        self.obey(py, &Command::Meter { slot, accounts, energy }, key)
    }

    fn settle(&self, py: Python<'_>, slot: i64, losses: i64, key: u128) -> PyResult<PyReply> {
        self.obey(py, &Command::Settle { slot, losses }, key)
    }

    fn close_cycle(&self, py: Python<'_>, key: u128) -> PyResult<PyReply> {
        self.obey(py, &Command::CloseCycle, key)
    }

    fn seal(&self, py: Python<'_>, slot: Option<i64>, salts: Key, key: u128) -> PyResult<PyReply> {
        self.obey(py, &Command::Seal { slot, key: salts.salts().bytes() }, key)
    }

    // -- what there is

    #[getter]
    fn params(&self) -> PyResult<String> {
        self.read(|exchange| exchange.genesis().text())
    }

    #[getter]
    fn time_ns(&self) -> PyResult<u64> {
        self.read(Exchange::time_ns)
    }

    /// Sets a clock that is set by hand; whether there is one.
    fn set_time(&self, time_ns: u64) -> bool {
        self.clock.as_ref().is_some_and(|clock| {
            clock.fetch_max(time_ns, Ordering::Relaxed);
            true
        })
    }

    #[getter]
    fn names(&self) -> PyResult<Vec<PyName>> {
        self.read(|exchange| exchange.members().names().iter().map(name_of).collect())
    }

    #[getter]
    fn unsealed(&self) -> PyResult<usize> {
        self.read(Exchange::unsealed)
    }

    /// Hash over the whole state.
    fn root<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.read(Machine::root)?))
    }

    /// The whole state.
    fn save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut state = Vec::new();
        self.read(|exchange| exchange.save(&mut state))?;
        Ok(PyBytes::new(py, &state))
    }

    /// Account, posted, pending out, pending in, available, limit, version, status: one tuple an account.
    fn balances(&self) -> PyResult<Vec<BalanceRow>> {
        self.read(|exchange| {
            let bank = exchange.bank();
            let row = |(id, held): (u64, &fastclear_core::settlement::Account)| {
                let member = is_member(id);
                let available = if member { bank.available(id) } else { held.available() };
                let status = member.then(|| bank.status(id).name());
                (id, held.posted, held.pending_out, held.pending_in, available, held.limit, held.version, status)
            };
            bank.accounts().iter().map(row).collect()
        })
    }

    /// Slots that are not sealed yet.
    fn slots(&self) -> PyResult<Vec<SlotRow>> {
        self.read(|exchange| {
            exchange
                .slots()
                .map(|(start, slot)| {
                    let standing = slot.orders().iter().filter(|order| order.reject == 0).count();
                    let refused = slot.orders().len() - standing + slot.refused().len();
                    let readings = slot.readings().map_or(0, std::collections::BTreeMap::len);
                    (start, slot.phase().name(), standing, refused, readings)
                })
                .collect()
        })
    }

    /// Every order of a slot that is not sealed yet, accepted ones first; none where nothing is known of it.
    fn orders<'py>(&self, py: Python<'py>, slot: i64) -> PyResult<Option<Bound<'py, PyDict>>> {
        let orders: Option<Vec<SlotOrder>> = self.read(|exchange| {
            let slot = exchange.slot(slot)?;
            Some(slot.orders().iter().chain(slot.refused()).copied().collect())
        })?;
        let Some(orders) = orders else { return Ok(None) };
        let columns = PyDict::new(py);
        macro_rules! column {
            ($($name:ident: $value:expr),+ $(,)?) => {
                $(columns.set_item(
                    stringify!($name),
                    orders.iter().map($value).collect::<Vec<_>>().into_pyarray(py),
                )?;)+
            };
        }
        column! {
            side: |o| o.side,
            kind: |o| o.kind,
            reject: |o| o.reject,
            market: |o| o.market,
            order: |o| o.order,
            account: |o| o.account,
            price: |o| o.price,
            quantity: |o| o.quantity,
            time: |o| o.time,
            min_quantity: |o| o.min_quantity,
        }
        Ok(Some(columns))
    }

    /// The blocks, for reading.
    fn chain(&self) -> Chain {
        Chain(Arc::clone(&self.chain))
    }

    fn snapshot(&self, py: Python<'_>) -> PyResult<()> {
        let done = py.detach(|| self.lock().as_mut().map(House::snapshot));
        done.ok_or_else(closed)?.map_err(|error| raised(&error))
    }

    fn accept_clock_jump(&self) -> PyResult<()> {
        self.lock().as_mut().map(House::accept_clock_jump).ok_or_else(closed)
    }

    /// Closes it; nothing happens the second time.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(house) = self.lock().take() else { return Ok(()) };
        py.detach(|| house.close()).map_err(|error| raised(&error))
    }
}

/// Adds this file's classes to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyHouse>()?;
    m.add_class::<PyReply>()?;
    m.add_class::<PyGenesis>()?;
    m.add("EXCHANGE_EVENTS", EventKind::ALL.map(|kind| (kind as u8, kind.name())).to_vec())?;
    m.add("EXCHANGE_STATUSES", Status::ALL.map(|status| (status as u16, status.name())).to_vec())?;
    Ok(())
}
