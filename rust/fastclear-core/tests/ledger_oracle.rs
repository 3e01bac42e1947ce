//! Our trees and proofs against `ct-merkle`, which shares no code with them.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use fastclear_core::ledger::merkle::{self, Hash};
use sha2::Sha256;

fn tree(size: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    (0..size).for_each(|leaf| tree.push(leaf.to_le_bytes().to_vec()));
    tree
}

fn hashes(size: u64) -> Vec<Hash> {
    (0..size).map(|leaf| merkle::leaf_hash(&leaf.to_le_bytes())).collect()
}

#[test]
fn roots_and_inclusion_proofs_are_those_of_ct_merkle() {
    for size in 1..=40 {
        let (theirs, ours) = (tree(size), hashes(size));
        let root = theirs.root();
        assert_eq!(root.as_bytes().as_slice(), merkle::root(ours.clone()), "{size} leaves");
        for index in 0..size {
            let path = merkle::inclusion_proof(&ours, index).unwrap();
            assert_eq!(theirs.prove_inclusion(index as usize).as_bytes(), path.concat(), "leaf {index} of {size}");
            let proof = InclusionProof::<Sha256>::try_from_bytes(path.concat()).unwrap();
            root.verify_inclusion(&index.to_le_bytes().to_vec(), index, &proof).unwrap();
        }
    }
}

#[test]
fn consistency_proofs_are_those_of_ct_merkle() {
    for new in 2..=40 {
        let (theirs, ours) = (tree(new), hashes(new));
        for old in 1..new {
            let path = merkle::consistency_proof(&ours, old).unwrap();
            let proof = theirs.prove_consistency((new - old) as usize);
            assert_eq!(proof.as_bytes(), path.concat(), "{old} to {new}");
            let before: RootHash<Sha256> = tree(old).root();
            let proof = ConsistencyProof::<Sha256>::try_from_bytes(path.concat()).unwrap();
            theirs.root().verify_consistency(&before, &proof).unwrap();
            let (old_root, new_root) = (merkle::root(hashes(old)), merkle::root(ours.clone()));
            merkle::verify_consistency(old, new, &path, &old_root, &new_root).unwrap();
        }
    }
}
