//! The Merkle tree of RFC 9162 (the same tree as RFC 6962): roots, proofs and strict verifiers.
//!
//! Leaf hash SHA-256(`0x00` ‖ entry), node hash SHA-256(`0x01` ‖ left ‖ right), root of nothing SHA-256(""). The left
//! half of n leaves is the largest power of two below n; pairing hashes level by level and carrying an odd last one
//! up unchanged gives the same tree. Leaves and levels are hashed several at once ([`crate::simd::sha256_each`]).

use sha2::{Digest, Sha256};

use super::LedgerError;
use super::account_leaf::ACCOUNT_LEN;
use super::header::HEADER_LEN;
use super::order_leaf::ORDER_ENTRY_LEN;
use super::record::RECORD_ENTRY_LEN;
use crate::simd::sha256_each;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Most leaves of a tree that a verifier takes: 2^63 - 1.
pub const MAX_SIZE: u64 = (1 << 63) - 1;

/// SHA-256(`0x00` ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(entry);
    hasher.finalize().into()
}

/// SHA-256(`0x01` ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut node = [0x01_u8; 65];
    node[1..33].copy_from_slice(left);
    node[33..].copy_from_slice(right);
    Sha256::digest(node).into()
}

/// SHA-256 of nothing: the root of a tree without leaves.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root over leaf hashes.
pub fn root(mut level: Vec<Hash>) -> Hash {
    let mut above = Vec::new();
    while level.len() > 1 {
        climb(&level, &mut above);
        core::mem::swap(&mut level, &mut above);
    }
    level.first().copied().unwrap_or_else(empty_root)
}

/// The level above: each pair's node, an odd last hash unchanged.
fn climb(level: &[Hash], above: &mut Vec<Hash>) {
    let pairs = level.len() / 2;
    above.clear();
    above.resize(pairs, Hash::default());
    sha256_each::<64>(0x01, level[..2 * pairs].as_flattened(), above);
    above.extend(&level[2 * pairs..]);
}

/// The leaf hashes of entries of `entry_len` bytes that stand one after another.
///
/// # Panics
/// Never: bytes beyond the last whole entry are ignored, a length of 0 gives no leaves.
pub fn leaf_hashes(entries: &[u8], entry_len: usize) -> Vec<Hash> {
    let mut hashes = Vec::new();
    leaf_hashes_into(entries, entry_len, &mut hashes);
    hashes
}

fn leaf_hashes_into(entries: &[u8], entry_len: usize, hashes: &mut Vec<Hash>) {
    let count = entries.len().checked_div(entry_len).unwrap_or(0);
    hashes.clear();
    hashes.resize(count, Hash::default());
    match entry_len {
        0 => {}
        RECORD_ENTRY_LEN => sha256_each::<RECORD_ENTRY_LEN>(0x00, entries, hashes),
        ORDER_ENTRY_LEN => sha256_each::<ORDER_ENTRY_LEN>(0x00, entries, hashes),
        ACCOUNT_LEN => sha256_each::<ACCOUNT_LEN>(0x00, entries, hashes),
        HEADER_LEN => sha256_each::<HEADER_LEN>(0x00, entries, hashes),
        _ => {
            for (hash, entry) in hashes.iter_mut().zip(entries.chunks_exact(entry_len)) {
                *hash = leaf_hash(entry);
            }
        }
    }
}

/// Leaves whose hashes and nodes stay in the first cache; a power of two, so that the trees over them are whole
/// subtrees.
const SUBTREE: usize = 512;

/// The root over the entries of `entry_len` bytes that stand one after another, without a tree being kept.
pub fn root_of_entries(entries: &[u8], entry_len: usize) -> Hash {
    if entry_len == 0 {
        return empty_root();
    }
    let whole = entries.len() - entries.len() % entry_len;
    let (mut level, mut above) = (Vec::new(), Vec::new());
    let mut roots = Vec::with_capacity(whole.div_ceil(SUBTREE * entry_len));
    for subtree in entries[..whole].chunks(SUBTREE * entry_len) {
        leaf_hashes_into(subtree, entry_len, &mut level);
        while level.len() > 1 {
            climb(&level, &mut above);
            core::mem::swap(&mut level, &mut above);
        }
        roots.extend(level.first());
    }
    root(roots)
}

/// A tree with all its levels kept, so that a path is read off and not hashed anew.
#[derive(Clone, Debug)]
pub struct Tree {
    /// From the leaves to the root; an odd last hash stands again in the level above.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// The tree over leaf hashes.
    pub fn new(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let mut above = Vec::with_capacity(level.len().div_ceil(2));
            climb(level, &mut above);
            levels.push(above);
        }
        Self { levels }
    }

    /// Number of leaves.
    pub fn len(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// Whether it has no leaf.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.levels.last().and_then(|top| top.first()).copied().unwrap_or_else(empty_root)
    }

    /// The hash of one leaf.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }

    /// What [`inclusion_proof`] gives, read off.
    ///
    /// # Errors
    /// [`LedgerError::Index`] if there is no such leaf.
    pub fn inclusion_proof(&self, index: u64) -> Result<Vec<Hash>, LedgerError> {
        let size = self.len() as u64;
        if index >= size {
            return Err(LedgerError::Index { index, size });
        }
        let mut place = index as usize;
        let mut path = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            path.extend(level.get(place ^ 1));
            place /= 2;
        }
        Ok(path)
    }
}

/// The hashes that lead from leaf `index` to the root, lowest first (RFC 9162 2.1.3.1).
///
/// # Errors
/// [`LedgerError::Index`] if there is no such leaf.
pub fn inclusion_proof(leaves: &[Hash], index: u64) -> Result<Vec<Hash>, LedgerError> {
    let size = leaves.len() as u64;
    if index >= size {
        return Err(LedgerError::Index { index, size });
    }
    let (mut leaves, mut index) = (leaves, index as usize);
    let mut path = Vec::new();
    while leaves.len() > 1 {
        let (left, right) = leaves.split_at(left_size(leaves.len()));
        if index < left.len() {
            path.push(root(right.to_vec()));
            leaves = left;
        } else {
            path.push(root(left.to_vec()));
            index -= left.len();
            leaves = right;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show that the first `old` leaves are a prefix of all (RFC 9162 2.1.4.1).
///
/// # Errors
/// [`LedgerError::Sizes`] unless 1 ≤ `old` ≤ number of leaves.
pub fn consistency_proof(leaves: &[Hash], old: u64) -> Result<Vec<Hash>, LedgerError> {
    let new = leaves.len() as u64;
    if old == 0 || old > new {
        return Err(LedgerError::Sizes { old, new });
    }
    let (mut leaves, mut old) = (leaves, old as usize);
    // While the old tree is whole on the left edge, the verifier knows its root and needs no copy of it.
    let mut on_left_edge = true;
    let mut path = Vec::new();
    while old != leaves.len() {
        let (left, right) = leaves.split_at(left_size(leaves.len()));
        if old <= left.len() {
            path.push(root(right.to_vec()));
            leaves = left;
        } else {
            path.push(root(left.to_vec()));
            old -= left.len();
            leaves = right;
            on_left_edge = false;
        }
    }
    if !on_left_edge {
        path.push(root(leaves.to_vec()));
    }
    path.reverse();
    Ok(path)
}

/// Checks that a leaf stands at `index` of a tree of `size` leaves with this root (RFC 9162 2.1.3.2).
///
/// # Errors
/// [`LedgerError::Index`], `ProofLength` (hashes missing or left over) or `RootMismatch`.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], expected: &Hash) -> Result<(), LedgerError> {
    if index >= size || size > MAX_SIZE {
        return Err(LedgerError::Index { index, size });
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return Err(LedgerError::ProofLength);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // An odd last node was carried up unchanged: skip the levels without a sibling.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(LedgerError::ProofLength);
    }
    if hash == *expected { Ok(()) } else { Err(LedgerError::RootMismatch) }
}

/// Checks that the tree of `old` leaves with root `old_root` is a prefix of the tree of `new` leaves (RFC 9162
/// 2.1.4.2).
///
/// # Errors
/// [`LedgerError::Sizes`] unless 1 ≤ `old` ≤ `new`, `ProofLength` or `RootMismatch`. Equal sizes need an empty proof
/// and equal roots.
pub fn verify_consistency(
    old: u64,
    new: u64,
    path: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), LedgerError> {
    if old == 0 || old > new || new > MAX_SIZE {
        return Err(LedgerError::Sizes { old, new });
    }
    if old == new {
        return match (path.is_empty(), old_root == new_root) {
            (false, _) => Err(LedgerError::ProofLength),
            (true, false) => Err(LedgerError::RootMismatch),
            (true, true) => Ok(()),
        };
    }
    // A complete old tree is its own first hash.
    let (first, rest) = if old.is_power_of_two() {
        (*old_root, path)
    } else {
        let (first, rest) = path.split_first().ok_or(LedgerError::ProofLength)?;
        (*first, rest)
    };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(LedgerError::ProofLength);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(LedgerError::ProofLength);
    }
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(LedgerError::RootMismatch) }
}

/// The largest power of two below `count`, for `count` ≥ 2.
const fn left_size(count: usize) -> usize {
    1 << (usize::BITS - 1 - (count - 1).leading_zeros())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// RFC 9162 2.1.1, word by word.
    fn slow_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(left_size(leaves.len()));
                node_hash(&slow_root(left), &slow_root(right))
            }
        }
    }

    fn entries(count: usize, len: usize) -> Vec<u8> {
        (0..count * len).map(|i| (i * i % 251 + i / 7 % 5) as u8).collect()
    }

    #[test]
    fn every_way_to_a_root_is_the_one_of_the_standard() {
        for count in (0..70).chain([127, 128, 129, SUBTREE - 1, SUBTREE, SUBTREE + 1, 3 * SUBTREE + 5]) {
            for len in [RECORD_ENTRY_LEN, ORDER_ENTRY_LEN, ACCOUNT_LEN, HEADER_LEN, 33] {
                let mut bytes = entries(count, len);
                bytes.extend([1, 2, 3]); // no whole entry
                let leaves: Vec<Hash> = bytes.chunks_exact(len).map(leaf_hash).collect();
                assert_eq!(leaf_hashes(&bytes, len), leaves, "{count} of {len} bytes");
                let expected = slow_root(&leaves);
                assert_eq!(root(leaves.clone()), expected, "{count} of {len} bytes");
                assert_eq!(root_of_entries(&bytes, len), expected, "{count} of {len} bytes");
                assert_eq!(Tree::new(leaves).root(), expected, "{count} of {len} bytes");
            }
        }
        assert_eq!((root_of_entries(&[1, 2], 0), leaf_hashes(&[1, 2], 0).len()), (empty_root(), 0));
    }

    #[test]
    fn a_kept_tree_gives_the_paths_of_the_standard_and_they_verify() {
        for count in (1..40).chain([200, 513]) {
            let leaves = leaf_hashes(&entries(count, RECORD_ENTRY_LEN), RECORD_ENTRY_LEN);
            let tree = Tree::new(leaves.clone());
            for index in 0..count as u64 {
                let path = tree.inclusion_proof(index).unwrap();
                assert_eq!(path, inclusion_proof(&leaves, index).unwrap(), "leaf {index} of {count}");
                let leaf = tree.leaf(index).unwrap();
                verify_inclusion(&leaf, index, count as u64, &path, &tree.root()).unwrap();
            }
            assert!(tree.inclusion_proof(count as u64).is_err() && tree.leaf(count as u64).is_none());
        }
        assert!(Tree::new(Vec::new()).inclusion_proof(0).is_err());
    }
}
