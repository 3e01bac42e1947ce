//! The tree against published roots, against the recursive definition of RFC 6962, and against hostile proofs.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

use fastclear_core::ledger::head::hex;
use fastclear_core::ledger::merkle::{
    Hash, consistency_proof, empty_root, inclusion_proof, leaf_hash, node_hash, root, verify_consistency,
    verify_inclusion,
};

/// The eight leaves of the Certificate Transparency test vectors.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// Their published roots, by number of leaves.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// The definition in RFC 6962 section 2.1, word for word.
fn defined_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let mut k = 1;
            while 2 * k < leaves.len() {
                k *= 2;
            }
            node_hash(&defined_root(&leaves[..k]), &defined_root(&leaves[k..]))
        }
    }
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|i| leaf_hash(&i.to_le_bytes())).collect()
}

#[test]
fn the_published_roots_come_out() {
    let hashes: Vec<Hash> = LEAVES.iter().map(|leaf| leaf_hash(&unhex(leaf))).collect();
    for (count, expected) in ROOTS.iter().enumerate() {
        assert_eq!(hex(&root(hashes[..count].to_vec())), *expected, "{count} leaves");
    }
}

#[test]
fn the_array_tree_is_the_recursive_tree() {
    for count in 0..300 {
        let leaves = leaves(count);
        assert_eq!(root(leaves.clone()), defined_root(&leaves), "{count} leaves");
    }
}

#[test]
fn every_leaf_of_every_small_tree_is_proven_and_nothing_else() {
    for size in 1..=64 {
        let leaves = leaves(size);
        let root = root(leaves.clone());
        for index in 0..size {
            let path = inclusion_proof(&leaves, index).unwrap();
            let leaf = leaves[index as usize];
            let check = |index, size, path: &[Hash]| verify_inclusion(&leaf, index, size, path, &root);
            assert_eq!(check(index, size, &path), Ok(()));
            for other in (0..size).filter(|&other| other != index) {
                assert!(check(other, size, &path).is_err(), "{index} of {size} shown as {other}");
            }
            assert!(check(size, size, &path).is_err());
            assert!(check(index, 0, &path).is_err());
            let longer: Vec<Hash> = path.iter().copied().chain([root]).collect();
            assert!(check(index, size, &longer).is_err(), "an extra hash");
            if !path.is_empty() {
                assert!(check(index, size, &path[1..]).is_err(), "a missing hash");
                assert!(check(index, size, &path[..path.len() - 1]).is_err(), "a missing hash");
            }
            for level in 0..path.len() {
                let mut wrong = path.clone();
                wrong[level][level % 32] ^= 1;
                assert!(check(index, size, &wrong).is_err(), "a wrong hash");
            }
            let other_leaf = leaf_hash(b"another");
            assert!(verify_inclusion(&other_leaf, index, size, &path, &root).is_err());
        }
        assert!(inclusion_proof(&leaves, size).is_err());
    }
}

#[test]
fn every_prefix_of_every_small_tree_is_proven_and_nothing_else() {
    let all = leaves(64);
    let roots: Vec<Hash> = (0..=64).map(|size| root(all[..size].to_vec())).collect();
    for new in 1..=64_u64 {
        for old in 1..=new {
            let path = consistency_proof(&all[..new as usize], old).unwrap();
            let (old_root, new_root) = (roots[old as usize], roots[new as usize]);
            let check = |old, new, path: &[Hash]| verify_consistency(old, new, path, &old_root, &new_root);
            assert_eq!(check(old, new, &path), Ok(()), "{old} in {new}");
            let longer: Vec<Hash> = path.iter().copied().chain([new_root]).collect();
            assert!(check(old, new, &longer).is_err(), "an extra hash, {old} in {new}");
            for level in 0..path.len() {
                let mut wrong = path.clone();
                wrong[level][31] ^= 0x80;
                assert!(check(old, new, &wrong).is_err(), "a wrong hash, {old} in {new}");
                let mut fewer = path.clone();
                fewer.remove(level);
                assert!(check(old, new, &fewer).is_err(), "a missing hash, {old} in {new}");
            }
            if old != new {
                let swapped = verify_consistency(old, new, &path, &new_root, &old_root);
                assert!(swapped.is_err(), "roots exchanged, {old} in {new}");
                let forked = verify_consistency(old, new, &path, &leaf_hash(b"fork"), &new_root);
                assert!(forked.is_err(), "another history, {old} in {new}");
            }
        }
        assert!(consistency_proof(&all[..new as usize], 0).is_err());
        assert!(consistency_proof(&all[..new as usize], new + 1).is_err());
    }
    assert!(verify_consistency(0, 5, &[], &roots[0], &roots[5]).is_err());
    assert!(verify_consistency(6, 5, &[], &roots[6], &roots[5]).is_err());
    assert!(verify_consistency(5, 5, &[], &roots[5], &roots[4]).is_err());
}

#[test]
fn a_repeated_last_leaf_is_another_tree() {
    // The shape of CVE-2012-2459: trees that pair an odd last node with itself cannot tell these apart.
    for size in [3_u64, 5, 6, 7] {
        let plain = leaves(size);
        let mut repeated = plain.clone();
        repeated.push(plain[plain.len() - 1]);
        assert_ne!(root(plain), root(repeated));
    }
}

#[test]
fn a_node_does_not_pass_as_a_leaf() {
    let leaves = leaves(4);
    let root = root(leaves.clone());
    let (left, right) = (node_hash(&leaves[0], &leaves[1]), node_hash(&leaves[2], &leaves[3]));
    let entry: Vec<u8> = leaves[0].iter().chain(&leaves[1]).copied().collect();
    assert_ne!(leaf_hash(&entry), left);
    assert!(verify_inclusion(&leaf_hash(&entry), 0, 2, &[right], &root).is_err());
}
