//! Trees kept for their proofs, and certificates of a clearing: bytes in, hashes and verdicts out.
//!
//! Hashing and checking run detached on bytes that nobody can write.
#![allow(clippy::needless_pass_by_value, reason = "arguments of Python functions arrive by value")]

use fastclear_core::auction::price::{PriceRound, Share};
use fastclear_core::ledger::certificate::{Certified, Evidence, Flaw, Pricing, Rule, Sharing, certify};
use fastclear_core::ledger::{Hash, merkle};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};

use crate::errors::Exception;

/// Adds this file's classes and functions to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Tree>()?;
    m.add_function(wrap_pyfunction!(merkle_root, m)?)?;
    m.add_function(wrap_pyfunction!(certify_block, m)?)?;
    Ok(())
}

/// An RFC 9162 tree with all its levels.
#[pyclass(frozen, module = "fastclear._core")]
pub struct Tree(pub merkle::Tree);

#[pymethods]
impl Tree {
    #[new]
    fn new(py: Python<'_>, hashes: PyBackedBytes) -> PyResult<Self> {
        let (leaves, rest) = hashes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(Exception::Ledger.with("the hashes are not a whole number of 32 bytes"));
        }
        Ok(Self(py.detach(|| merkle::Tree::new(leaves.to_vec()))))
    }

    /// The tree over the entries of `entry_len` bytes that stand one after another.
    #[staticmethod]
    fn of_entries(py: Python<'_>, entries: PyBackedBytes, entry_len: usize) -> PyResult<Self> {
        whole(&entries, entry_len)?;
        Ok(Self(py.detach(|| merkle::Tree::new(merkle::leaf_hashes(&entries, entry_len)))))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.root())
    }

    /// The hash of one leaf.
    fn leaf<'py>(&self, py: Python<'py>, index: u64) -> PyResult<Bound<'py, PyBytes>> {
        let size = self.0.len();
        let hash = self.0.leaf(index);
        let hash =
            hash.ok_or_else(|| Exception::Ledger.with(format!("there is no leaf {index}; the tree has {size}")))?;
        Ok(PyBytes::new(py, &hash))
    }

    /// Path from one leaf to the root, lowest first.
    fn prove<'py>(&self, py: Python<'py>, index: u64) -> PyResult<Bound<'py, PyList>> {
        let path = self.0.inclusion_proof(index).map_err(|error| Exception::Ledger.with(error.to_string()))?;
        PyList::new(py, path.iter().map(|hash: &Hash| PyBytes::new(py, hash)))
    }

    /// Paths from these leaves to the root, 32 bytes a hash, one after another, `depth` hashes a leaf; zeros behind
    /// shorter ones.
    fn prove_each<'py>(&self, py: Python<'py>, indices: Vec<u64>) -> PyResult<Bound<'py, PyBytes>> {
        let depth = (usize::BITS - self.0.len().saturating_sub(1).leading_zeros()) as usize;
        let paths = py.detach(|| {
            let mut paths = Vec::with_capacity(indices.len() * depth);
            for &index in &indices {
                let path = self.0.inclusion_proof(index)?;
                let end = paths.len() + depth;
                paths.extend(path);
                paths.resize(end, Hash::default());
            }
            Ok(paths)
        });
        let paths =
            paths.map_err(|error: fastclear_core::ledger::LedgerError| Exception::Ledger.with(error.to_string()))?;
        Ok(PyBytes::new(py, paths.as_flattened()))
    }
}

fn whole(entries: &[u8], entry_len: usize) -> PyResult<()> {
    if entry_len == 0 || !entries.len().is_multiple_of(entry_len) {
        let message = format!("{} bytes are no whole number of entries of {entry_len} bytes", entries.len());
        return Err(Exception::Ledger.with(message));
    }
    Ok(())
}

/// The root over the entries of `entry_len` bytes that stand one after another.
#[pyfunction]
fn merkle_root(py: Python<'_>, entries: PyBackedBytes, entry_len: usize) -> PyResult<Bound<'_, PyBytes>> {
    whole(&entries, entry_len)?;
    let root = py.detach(|| merkle::root_of_entries(&entries, entry_len));
    Ok(PyBytes::new(py, &root))
}

/// Market, price, volume, orders that took part, orders refused.
type MarketRow = (u64, Option<i64>, i64, u32, u32);

/// What certifying finds; Python tells the two apart by type.
#[derive(IntoPyObject)]
enum Verdict {
    Certified(Vec<MarketRow>),
    Flawed((&'static str, String)),
}

/// The rule, as the parameters state it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct RuleItems {
    pricing: String,
    k: (i64, i64),
    round: String,
    rationing: String,
    seed: u64,
    zero_surplus: bool,
    fee: i32,
    reserve: Option<i32>,
    cap_low: Option<i32>,
    cap_high: Option<i32>,
}

impl RuleItems {
    fn rule(&self) -> Option<Rule> {
        let sharing = match self.rationing.as_str() {
            "pro_rata" => Sharing::ProRata,
            "time" => Sharing::Time,
            "equal" => Sharing::Equal,
            "quantity" => Sharing::Quantity,
            "lottery" => Sharing::Lottery { seed: self.seed },
            _ => return None,
        };
        Some(Rule {
            pricing: match self.pricing.as_str() {
                "uniform" => Pricing::Uniform { sharing, zero_surplus: self.zero_surplus },
                "k" => Pricing::Pairs,
                "earlier" => Pricing::PairsEarlier,
                "apart" => Pricing::PairsApart,
                _ => return None,
            },
            k: Share::new(self.k.0, self.k.1)?,
            round: match self.round.as_str() {
                "floor" => PriceRound::Floor,
                "ceil" => PriceRound::Ceil,
                "half_up" => PriceRound::HalfUp,
                _ => return None,
            },
            fee: self.fee.into(),
            reserve: self.reserve.map(i64::from),
            caps: (self.cap_low.map(i64::from), self.cap_high.map(i64::from)),
        })
    }
}

/// Whether a block was cleared by the rule: a row a market, or the flaw's code and what is wrong.
#[pyfunction]
fn certify_block(
    py: Python<'_>,
    header: PyBackedBytes,
    params: PyBackedBytes,
    orders: PyBackedBytes,
    records: PyBackedBytes,
    rule: RuleItems,
) -> Verdict {
    let found = py.detach(|| {
        let rule = rule.rule().ok_or(Flaw::Unsupported("a rule with parameters out of range"))?;
        certify(&Evidence { header: &header, params: &params, orders: &orders, records: &records }, &rule)
    });
    match found {
        Ok(markets) => {
            let row = |found: Certified| (found.market, found.price, found.volume, found.orders.0, found.orders.1);
            Verdict::Certified(markets.into_iter().map(row).collect())
        }
        Err(flaw) => Verdict::Flawed((flaw.code(), flaw.to_string())),
    }
}
