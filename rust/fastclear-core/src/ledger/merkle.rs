//! The Merkle tree of RFC 9162 (the same tree as RFC 6962): roots, proofs and strict verifiers.
//!
//! Leaf hash SHA-256(`0x00` ‖ entry), node hash SHA-256(`0x01` ‖ left ‖ right), root of nothing SHA-256(""). The left
//! half of n leaves is the largest power of two below n; pairing hashes level by level and carrying an odd last one
//! up unchanged gives the same tree, in place and without an allocation a node.

use sha2::{Digest, Sha256};

use super::LedgerError;

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
    if level.is_empty() {
        return empty_root();
    }
    let mut count = level.len();
    while count > 1 {
        for pair in 0..count / 2 {
            level[pair] = node_hash(&level[2 * pair], &level[2 * pair + 1]);
        }
        if count % 2 == 1 {
            level[count / 2] = level[count - 1];
        }
        count = count.div_ceil(2);
    }
    level[0]
}

/// The leaf hashes of entries of `entry_len` bytes that stand one after another.
///
/// # Panics
/// Never: bytes beyond the last whole entry are ignored, a length of 0 gives no leaves.
pub fn leaf_hashes(entries: &[u8], entry_len: usize) -> Vec<Hash> {
    if entry_len == 0 {
        return Vec::new();
    }
    entries.chunks_exact(entry_len).map(leaf_hash).collect()
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
