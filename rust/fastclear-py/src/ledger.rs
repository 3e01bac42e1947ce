//! Columns of orders and postings in, sealed bytes out.
//!
//! `Chain` is shared behind a lock; sealing and reading run detached, because they may wait for a disk. Columns are
//! copied while attached.
#![allow(clippy::needless_pass_by_value, reason = "arguments of Python functions arrive by value")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastclear_core::ids::text_id;
use fastclear_core::ledger::chain::Position;
use fastclear_core::ledger::head::hex;
use fastclear_core::ledger::order_leaf::{ORDER_ENTRY_LEN, OrderLeaf, UNKNOWN};
use fastclear_core::ledger::plain::{PlainTrade, append_lines, hash_postings, trade_postings};
use fastclear_core::ledger::record::RECORD_ENTRY_LEN;
use fastclear_core::ledger::salt::SaltKey;
use fastclear_core::ledger::{Block, Draft, Hash, Header, account_leaf, erased, merkle};
use fastclear_core::settlement::amount::DENOMINATORS;
use fastclear_core::settlement::posting::{Kind, Posting};
use fastclear_store::{Durability, Ledger, StoreError, verify_dir};
use numpy::{Element, IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBytes, PyList};

use crate::errors::Exception;
use crate::proofs::Tree;
use crate::settlement::PyPostings;

/// Adds this file's classes and functions to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Chain>()?;
    m.add_function(wrap_pyfunction!(text_ids, m)?)?;
    m.add_function(wrap_pyfunction!(verify_ledger, m)?)?;
    m.add_function(wrap_pyfunction!(verify_inclusion, m)?)?;
    m.add_function(wrap_pyfunction!(verify_consistency, m)?)?;
    Ok(())
}

type Column<'py, T> = PyReadonlyArray1<'py, T>;

/// The orders of one clearing, ids as they enter the ledger.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct OrderColumns<'py> {
    side: Column<'py, u8>,
    kind: Column<'py, u8>,
    reject: Column<'py, u16>,
    order: Column<'py, u64>,
    participant: Column<'py, u64>,
    market: Column<'py, u64>,
    price: Column<'py, i64>,
    quantity: Column<'py, i64>,
    time_ns: Column<'py, i64>,
}

/// Postings, one column a field.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct PostingColumns<'py> {
    kind: Column<'py, u8>,
    flags: Column<'py, u8>,
    code: Column<'py, u16>,
    asset: Column<'py, u16>,
    seq: Column<'py, u64>,
    time_ns: Column<'py, u64>,
    market: Column<'py, u64>,
    buy_order: Column<'py, u64>,
    sell_order: Column<'py, u64>,
    debit: Column<'py, u64>,
    credit: Column<'py, u64>,
    quantity: Column<'py, i64>,
    price: Column<'py, i64>,
    amount: Column<'py, i64>,
    group: Column<'py, u64>,
}

/// Postings to be sealed: as a bank made them, which costs no copy, or as columns.
#[derive(FromPyObject)]
enum GivenPostings<'py> {
    Made(Bound<'py, PyPostings>),
    Columns(PostingColumns<'py>),
}

/// Trades of one clearing, ids as they enter the ledger.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct TradeColumns<'py> {
    market: Column<'py, u64>,
    buy_order: Column<'py, u64>,
    sell_order: Column<'py, u64>,
    quantity: Column<'py, i64>,
    buy_price: Column<'py, i64>,
    sell_price: Column<'py, i64>,
    buy_amount: Column<'py, i64>,
    sell_amount: Column<'py, i64>,
    den: i64,
    per_unit: bool,
}

/// A contiguous column of `n` values.
fn values<'a, T: Element>(column: &'a Column<'_, T>, n: usize, name: &str) -> PyResult<&'a [T]> {
    let slice = column.as_slice().map_err(|_| Exception::Schema.with(format!("column '{name}' is not contiguous")))?;
    if slice.len() != n {
        return Err(Exception::Schema
            .with(format!("column '{name}' has {} rows instead of {n}; give columns of one length", slice.len())));
    }
    Ok(slice)
}

impl OrderColumns<'_> {
    fn append(&self, out: &mut Vec<OrderLeaf>) -> PyResult<()> {
        let n = self.side.len()?;
        let (side, kind) = (values(&self.side, n, "side")?, values(&self.kind, n, "type")?);
        let (reject, order) = (values(&self.reject, n, "reject")?, values(&self.order, n, "order")?);
        let participant = values(&self.participant, n, "participant")?;
        let market = values(&self.market, n, "market")?;
        let (price, quantity) = (values(&self.price, n, "price")?, values(&self.quantity, n, "quantity")?);
        let time_ns = values(&self.time_ns, n, "time")?;
        let known = |value: u8| if value <= 1 { value } else { UNKNOWN };
        out.extend((0..n).map(|i| OrderLeaf {
            side: known(side[i]),
            kind: known(kind[i]),
            reject: reject[i],
            order: order[i],
            participant: participant[i],
            market: market[i],
            price: price[i],
            quantity: quantity[i],
            time_ns: time_ns[i],
        }));
        Ok(())
    }
}

impl PostingColumns<'_> {
    fn postings(&self) -> PyResult<Vec<Posting>> {
        let n = self.kind.len()?;
        let (kind, flags) = (values(&self.kind, n, "kind")?, values(&self.flags, n, "flags")?);
        let (code, asset) = (values(&self.code, n, "code")?, values(&self.asset, n, "asset")?);
        let (seq, time_ns) = (values(&self.seq, n, "seq")?, values(&self.time_ns, n, "time_ns")?);
        let market = values(&self.market, n, "market")?;
        let buy_order = values(&self.buy_order, n, "buy_order")?;
        let sell_order = values(&self.sell_order, n, "sell_order")?;
        let (debit, credit) = (values(&self.debit, n, "debit")?, values(&self.credit, n, "credit")?);
        let (quantity, price) = (values(&self.quantity, n, "quantity")?, values(&self.price, n, "price")?);
        let (amount, group) = (values(&self.amount, n, "amount")?, values(&self.group, n, "group")?);
        let mut out = Vec::with_capacity(n);
        for i in 0..n {
            let kind = Kind::from_number(kind[i]).ok_or_else(|| {
                Exception::Ledger.with(format!("posting {i} has kind {}, which no record has", kind[i]))
            })?;
            out.push(Posting {
                kind,
                flags: flags[i],
                code: code[i],
                asset: asset[i],
                seq: seq[i],
                time_ns: time_ns[i],
                market: market[i],
                buy_order: buy_order[i],
                sell_order: sell_order[i],
                debit: debit[i],
                credit: credit[i],
                quantity: quantity[i],
                price: price[i],
                amount: amount[i],
                group: group[i],
            });
        }
        Ok(out)
    }
}

impl TradeColumns<'_> {
    fn append(&self, out: &mut Vec<PlainTrade>) -> PyResult<()> {
        let n = self.market.len()?;
        let market = values(&self.market, n, "market")?;
        let buy_order = values(&self.buy_order, n, "buy_order")?;
        let sell_order = values(&self.sell_order, n, "sell_order")?;
        let quantity = values(&self.quantity, n, "quantity")?;
        let buy_price = values(&self.buy_price, n, "buy_price")?;
        let sell_price = values(&self.sell_price, n, "sell_price")?;
        let buy_amount = values(&self.buy_amount, n, "buy_amount")?;
        let sell_amount = values(&self.sell_amount, n, "sell_amount")?;
        if !DENOMINATORS.contains(&self.den) {
            return Err(Exception::Ledger.with(format!("a clearing has money over {}; give 1 or 2", self.den)));
        }
        out.extend((0..n).map(|i| PlainTrade {
            market: market[i],
            buy_order: buy_order[i],
            sell_order: sell_order[i],
            quantity: quantity[i],
            prices: self.per_unit.then_some((buy_price[i], sell_price[i])),
            buy_amount: buy_amount[i],
            sell_amount: sell_amount[i],
            den: self.den,
        }));
        Ok(())
    }
}

/// The exception of a store error: what does not verify is a `LedgerError`, what cannot be read a `StoreError`.
pub fn raised(error: &StoreError) -> PyErr {
    let class = match error {
        StoreError::Ledger(_)
        | StoreError::Corrupt { .. }
        | StoreError::OtherParams { .. }
        | StoreError::NothingToSign
        | StoreError::Origin { .. }
        | StoreError::OtherOrigin { .. }
        | StoreError::Inconsistent { .. }
        | StoreError::LedgerDiffers { .. }
        | StoreError::NoBlock { .. } => Exception::Ledger,
        _ => Exception::Store,
    };
    class.with(error.to_string())
}

fn refused(error: &fastclear_core::ledger::LedgerError) -> PyErr {
    Exception::Ledger.with(error.to_string())
}

fn hashes<'py>(py: Python<'py>, path: &[Hash]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, path.iter().map(|hash| PyBytes::new(py, hash)))
}

/// A ledger in memory or in a directory.
#[pyclass(frozen, module = "fastclear._core")]
pub struct Chain(pub Arc<Mutex<Ledger>>);

impl Chain {
    /// A panic while the lock was held would leave a poisoned, but whole, ledger: the store marks broken writes.
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seal_draft<'py>(&self, py: Python<'py>, draft: Draft<'_>) -> PyResult<Sealed<'py>> {
        let block = py.detach(|| self.lock().seal(draft)).map_err(|error| raised(&error))?;
        Ok(sealed_bytes(py, &block))
    }
}

fn sealed_bytes<'py>(py: Python<'py>, block: &Block) -> Sealed<'py> {
    (PyBytes::new(py, &block.header.encode()), PyBytes::new(py, &block.hash))
}

/// The four files of a ledger.
type Contents<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);
/// Header and header hash.
type Sealed<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

#[pymethods]
impl Chain {
    /// `key` is a seed, or 32 random bytes.
    #[new]
    fn new(py: Python<'_>, path: Option<PathBuf>, params: Option<Vec<u8>>, key: Key, sync: bool) -> PyResult<Self> {
        let key = key.salts();
        let durability = if sync { Durability::Sync } else { Durability::None };
        let opened = py.detach(|| match path {
            Some(path) => Ledger::open(&path, params.as_deref(), key, durability),
            None => Ok(Ledger::in_memory(params.as_deref(), key)),
        });
        opened.map(|ledger| Self(Arc::new(Mutex::new(ledger)))).map_err(|error| raised(&error))
    }

    /// The ledger in memory whose [`Chain::contents`] these are; every block is verified.
    #[staticmethod]
    fn restore(
        py: Python<'_>,
        params: &[u8],
        headers: &[u8],
        records: &[u8],
        orders: &[u8],
        key: Key,
    ) -> PyResult<Self> {
        let restored = py.detach(|| Ledger::restore(params, headers, records, orders, key.salts()));
        restored.map(|ledger| Self(Arc::new(Mutex::new(ledger)))).map_err(|error| raised(&error))
    }

    /// Parameters, headers, records and orders, whole.
    fn contents<'py>(&self, py: Python<'py>) -> PyResult<Contents<'py>> {
        let contents = py.detach(|| self.lock().contents()).map_err(|error| raised(&error))?;
        let [params, headers, records, orders] = contents.map(|bytes| PyBytes::new(py, &bytes));
        Ok((params, headers, records, orders))
    }

    #[getter]
    fn height(&self) -> u64 {
        self.lock().chain().height()
    }

    #[getter]
    fn head<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.lock().chain().head())
    }

    #[getter]
    fn next_seq(&self) -> u64 {
        self.lock().chain().position().next_seq()
    }

    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.lock().params())
    }

    /// Seals orders and postings, folding the postings into account states.
    fn seal<'py>(
        &self,
        py: Python<'py>,
        orders: Vec<OrderColumns<'py>>,
        postings: GivenPostings<'py>,
        slot: u64,
        not_before: u64,
    ) -> PyResult<Sealed<'py>> {
        let mut leaves = Vec::new();
        orders.iter().try_for_each(|columns| columns.append(&mut leaves))?;
        let read;
        let postings = match &postings {
            GivenPostings::Made(made) => &made.get().postings,
            GivenPostings::Columns(columns) => {
                read = columns.postings()?;
                &read
            }
        };
        let draft = Draft { orders: leaves, postings, with_state: true, slot, not_before };
        self.seal_draft(py, draft)
    }

    /// Seals orders, bare trades, and lines of clearings without pairs, without account states.
    fn seal_plain<'py>(
        &self,
        py: Python<'py>,
        orders: Vec<OrderColumns<'py>>,
        trades: Vec<TradeColumns<'py>>,
        lines: Vec<PostingColumns<'py>>,
        slot: u64,
        not_before: u64,
    ) -> PyResult<Sealed<'py>> {
        let (mut leaves, mut rows) = (Vec::new(), Vec::new());
        orders.iter().try_for_each(|columns| columns.append(&mut leaves))?;
        trades.iter().try_for_each(|columns| columns.append(&mut rows))?;
        let lines = lines.iter().map(PostingColumns::postings).collect::<PyResult<Vec<_>>>()?;
        // One lock for both steps: another thread's block in between would take the place that these records have.
        let sealed = py.detach(|| {
            let mut ledger = self.lock();
            let mut postings = trade_postings(ledger.chain().position(), &rows, not_before)?;
            for lines in &lines {
                append_lines(ledger.chain().position(), &mut postings, lines, not_before)?;
            }
            let draft = Draft { orders: leaves, postings: &postings, with_state: false, slot, not_before };
            Some(ledger.seal(draft))
        });
        let block = sealed
            .ok_or_else(|| {
                Exception::Ledger.with(
                    "an amount is not price × quantity, or an amount, seq or engine time leaves 64 bits; seal a result \
                     of fc.clear as it is",
                )
            })?
            .map_err(|error| raised(&error))?;
        Ok(sealed_bytes(py, &block))
    }

    /// Seals postings that carry hashes, `(kind, code, hash)` each, without account states.
    fn seal_hashes<'py>(
        &self,
        py: Python<'py>,
        rows: Vec<(u8, u16, Hash)>,
        slot: u64,
        not_before: u64,
    ) -> PyResult<Sealed<'py>> {
        let rows = rows.into_iter().map(|(kind, code, hash)| Some((Kind::from_number(kind)?, code, hash)));
        let rows: Option<Vec<_>> = rows.collect();
        let rows = rows.ok_or_else(|| Exception::Ledger.with("a kind that no record has".to_owned()))?;
        let sealed = py.detach(|| {
            let mut ledger = self.lock();
            let postings = hash_postings(ledger.chain().position(), &rows, not_before)?;
            let draft = Draft { orders: Vec::new(), postings: &postings, with_state: false, slot, not_before };
            Some(ledger.seal(draft))
        });
        let block = sealed
            .ok_or_else(|| Exception::Ledger.with("seq or engine time would leave 64 bits".to_owned()))?
            .map_err(|error| raised(&error))?;
        Ok(sealed_bytes(py, &block))
    }

    /// The chain's id.
    #[getter]
    fn chain_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.lock().chain().id())
    }

    /// Hash of the consortium that cosigns the next block, zero where there is none.
    #[getter]
    fn validators<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.lock().chain().validators())
    }

    /// Sets the validators hash of block 0.
    fn found(&self, validators: Hash) -> PyResult<()> {
        self.lock().found(validators).map_err(|error| refused(&error))
    }

    /// The three lines of a checkpoint of all blocks, for the log to sign; they are kept before this returns.
    fn release(&self, py: Python<'_>, origin: &str) -> PyResult<String> {
        let released = py.detach(|| self.lock().release(origin)).map_err(|error| raised(&error))?;
        Ok(released.encode())
    }

    /// The three lines that the log signed last.
    #[getter]
    fn signed(&self) -> Option<String> {
        self.lock().signed().map(fastclear_core::ledger::Checkpoint::encode)
    }

    /// Gives a copy in memory what the log had signed.
    fn restore_signed(&self, text: &[u8]) -> PyResult<()> {
        self.lock().restore_signed(text).map_err(|error| raised(&error))
    }

    /// The 280 bytes of each header, one after another.
    fn headers<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes: Vec<u8> = self.lock().chain().headers().iter().flat_map(Header::encode).collect();
        PyBytes::new(py, &bytes)
    }

    /// The header and its hash at one height.
    fn header<'py>(&self, py: Python<'py>, height: u64) -> Option<Sealed<'py>> {
        let ledger = self.lock();
        let header = ledger.chain().headers().get(height as usize)?;
        let hash = ledger.chain().hashes().get(height as usize)?;
        Some((PyBytes::new(py, &header.encode()), PyBytes::new(py, hash)))
    }

    /// The record entries of one block, 112 bytes each.
    fn records<'py>(&self, py: Python<'py>, height: u64) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.lock().records(height)).map_err(|error| raised(&error))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The order entries of one block, 80 bytes each.
    fn orders<'py>(&self, py: Python<'py>, height: u64) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.lock().orders(height)).map_err(|error| raised(&error))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The tree over the records (or orders) of one block, to be kept for its paths.
    fn tree(&self, py: Python<'_>, height: u64, order: bool) -> PyResult<Tree> {
        let tree = py.detach(|| {
            let mut ledger = self.lock();
            let (bytes, len) = if order {
                (ledger.orders(height)?, ORDER_ENTRY_LEN)
            } else {
                (ledger.records(height)?, RECORD_ENTRY_LEN)
            };
            drop(ledger);
            Ok(merkle::Tree::new(erased::leaf_hashes(&bytes, len)))
        });
        tree.map(Tree).map_err(|error: StoreError| raised(&error))
    }

    /// Takes the content out of entries of one block, for good; gives their leaf hashes.
    fn erase<'py>(&self, py: Python<'py>, height: u64, order: bool, indices: Vec<u64>) -> PyResult<Bound<'py, PyList>> {
        let erased = py.detach(|| self.lock().erase(height, order, &indices)).map_err(|error| raised(&error))?;
        hashes(py, &erased)
    }

    /// The 96 bytes of every account after the block at `height`, ascending; replayed from the first record on.
    fn account_leaves<'py>(&self, py: Python<'py>, height: u64) -> PyResult<Bound<'py, PyBytes>> {
        let leaves = py.detach(|| {
            let mut ledger = self.lock();
            if height + 1 == ledger.chain().height() {
                return Ok(account_leaf::leaves(ledger.chain().position().accounts()));
            }
            let mut position = Position::default();
            for block in 0..=height {
                let entries = ledger.records(block)?;
                position.admit_entries(&entries)?;
            }
            Ok(account_leaf::leaves(position.accounts()))
        });
        let leaves = leaves.map_err(|error: StoreError| raised(&error))?;
        Ok(PyBytes::new(py, &leaves))
    }

    /// Root of the header log over the first `size` headers.
    fn log_root<'py>(&self, py: Python<'py>, size: u64) -> PyResult<Bound<'py, PyBytes>> {
        let log = self.log(size)?;
        Ok(PyBytes::new(py, &merkle::root(log)))
    }

    /// Path from a header to the root of the first `size` headers.
    fn prove_header<'py>(&self, py: Python<'py>, height: u64, size: u64) -> PyResult<Bound<'py, PyList>> {
        let path = merkle::inclusion_proof(&self.log(size)?, height).map_err(|error| refused(&error))?;
        hashes(py, &path)
    }

    /// Proof that the first `old` headers are a prefix of the first `new` ones.
    fn prove_growth<'py>(&self, py: Python<'py>, old: u64, new: u64) -> PyResult<Bound<'py, PyList>> {
        let path = merkle::consistency_proof(&self.log(new)?, old).map_err(|error| refused(&error))?;
        hashes(py, &path)
    }
}

impl Chain {
    fn log(&self, size: u64) -> PyResult<Vec<Hash>> {
        let ledger = self.lock();
        let hashes = ledger.chain().hashes();
        let log = usize::try_from(size)
            .ok()
            .and_then(|size| hashes.get(..size))
            .ok_or_else(|| Exception::Ledger.with(format!("the ledger has {} blocks, not {size}", hashes.len())))?;
        Ok(log.to_vec())
    }
}

/// Where salts come from.
#[derive(FromPyObject)]
pub enum Key {
    Seed(u64),
    Random([u8; 32]),
}

impl Key {
    /// The key that they stand for.
    pub fn salts(self) -> SaltKey {
        match self {
            Self::Seed(seed) => SaltKey::from_seed(seed),
            Self::Random(bytes) => SaltKey::new(bytes),
        }
    }
}

/// The 64-bit ids under which texts enter the ledger.
#[pyfunction]
fn text_ids(py: Python<'_>, texts: Vec<PyBackedStr>) -> Bound<'_, PyArray1<u64>> {
    texts.iter().map(|text| text_id(text)).collect::<Vec<_>>().into_pyarray(py)
}

/// `(height, record, file, offset, message)` of the first bad block.
type Bad = (u64, Option<u64>, &'static str, u64, String);
/// `(blocks, records, orders, accounts, head, has_state)` of a ledger that verifies.
type Good = (u64, u64, u64, u64, String, bool);

/// Verifies a directory: what it holds, or what is wrong first.
#[pyfunction]
fn verify_ledger(py: Python<'_>, path: PathBuf) -> PyResult<Verdict> {
    match py.detach(|| verify_dir(&path)) {
        Ok(replay) => {
            let headers = replay.headers();
            Ok(Verdict::Good((
                headers.len() as u64,
                replay.position().next_seq(),
                headers.iter().map(|header| u64::from(header.orders)).sum(),
                replay.position().accounts().len() as u64,
                hex(&replay.head().header),
                headers.last().is_some_and(|header| header.has_state),
            )))
        }
        Err(StoreError::Corrupt { fault, .. }) => {
            Ok(Verdict::Bad((fault.height, fault.record, fault.part.file(), fault.offset, fault.reason.to_string())))
        }
        Err(error) => Err(raised(&error)),
    }
}

/// One or the other tuple; Python tells them apart by length.
#[derive(IntoPyObject)]
enum Verdict {
    Good(Good),
    Bad(Bad),
}

/// Whether the entry stands at `index` of the tree with this root.
#[pyfunction]
fn verify_inclusion(entry: &[u8], index: u64, size: u64, path: Vec<[u8; 32]>, root: [u8; 32]) -> bool {
    merkle::verify_inclusion(&merkle::leaf_hash(entry), index, size, &path, &root).is_ok()
}

/// Whether the first tree is a prefix of the second.
#[pyfunction]
fn verify_consistency(old: u64, new: u64, path: Vec<[u8; 32]>, old_root: [u8; 32], new_root: [u8; 32]) -> bool {
    merkle::verify_consistency(old, new, &path, &old_root, &new_root).is_ok()
}
