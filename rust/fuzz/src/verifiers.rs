//! Any bytes for whatever the ledger reads from strangers: proofs, notes, consortia, records, headers, blocks.
//!
//! The first byte chooses the reader. No panic; whatever is accepted has one spelling, or is what a slow twin, written
//! from the definition in RFC 9162, finds too.

use fastclear_core::ledger::header::Header;
use fastclear_core::ledger::merkle::{self, Hash};
use fastclear_core::ledger::note::SignatureLine;
use fastclear_core::ledger::order_leaf::OrderLeaf;
use fastclear_core::ledger::signature;
use fastclear_core::ledger::verify::Replay;
use fastclear_core::ledger::{Consortium, Note, record};

/// How many readers there are.
pub const READERS: u8 = 8;

/// Gives the bytes to the reader that the first one names, and holds it to what it says.
pub fn check(bytes: &[u8]) -> bool {
    let Some((&reader, bytes)) = bytes.split_first() else { return false };
    match reader % READERS {
        0 => inclusion(bytes),
        1 => consistency(bytes),
        2 => Note::decode(bytes).is_ok_and(|note| {
            let lines: String = note.signatures.iter().map(SignatureLine::encode).collect();
            assert_eq!(format!("{}\n{lines}", note.checkpoint.encode()).as_bytes(), bytes);
            true
        }),
        3 => Consortium::decode(bytes).is_ok_and(|consortium| {
            assert_eq!(consortium.encode(), bytes);
            assert!(consortium.validators().iter().all(|validator| signature::is_key(&validator.key)));
            true
        }),
        4 => record::decode(bytes).is_ok_and(|posting| {
            assert_eq!(record::encode(&posting)[..], *bytes);
            true
        }),
        5 => Header::decode(bytes).is_ok_and(|header| {
            assert_eq!(header.encode()[..], *bytes);
            true
        }),
        6 => OrderLeaf::decode(bytes).is_ok_and(|leaf| {
            assert_eq!(leaf.encode()[..], *bytes);
            true
        }),
        _ => {
            let mut replay = Replay::new(b"{}");
            let whole = replay.append(bytes).is_ok();
            assert_eq!(replay.headers().len(), usize::from(whole));
            let position = replay.position().clone();
            assert!(replay.append(&bytes[..bytes.len() / 2]).is_err());
            assert_eq!((replay.headers().len(), replay.position()), (usize::from(whole), &position));
            whole
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

fn hash(bytes: &[u8], at: usize) -> Option<Hash> {
    bytes.get(at..at + 32)?.try_into().ok()
}

fn path(bytes: &[u8], from: usize) -> Vec<Hash> {
    bytes.get(from..).unwrap_or_default().chunks_exact(32).filter_map(|item| item.try_into().ok()).collect()
}

/// Index, size, leaf, root, path.
fn inclusion(bytes: &[u8]) -> bool {
    let (Some(index), Some(size)) = (word(bytes, 0), word(bytes, 8)) else { return false };
    let (Some(leaf), Some(root)) = (hash(bytes, 16), hash(bytes, 48)) else { return false };
    let path = path(bytes, 80);
    let holds = merkle::verify_inclusion(&leaf, index, size, &path, &root).is_ok();
    let twin = index < size && size < 1 << 63 && included(leaf, index, size, &path) == Some(root);
    assert_eq!(holds, twin);
    holds
}

/// Root of `size` leaves with `leaf` at `index`, by the definition: the last hash of the path is that of the other half.
fn included(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if size == 1 {
        return path.is_empty().then_some(leaf);
    }
    let (other, rest) = path.split_last()?;
    let left = 1 << (size - 1).ilog2();
    if index < left {
        Some(merkle::node_hash(&included(leaf, index, left, rest)?, other))
    } else {
        Some(merkle::node_hash(other, &included(leaf, index - left, size - left, rest)?))
    }
}

/// Old size, new size, old root, new root, path.
fn consistency(bytes: &[u8]) -> bool {
    let (Some(old), Some(new)) = (word(bytes, 0), word(bytes, 8)) else { return false };
    let (Some(old_root), Some(new_root)) = (hash(bytes, 16), hash(bytes, 48)) else { return false };
    let path = path(bytes, 80);
    let holds = merkle::verify_consistency(old, new, &path, &old_root, &new_root).is_ok();
    let twin =
        old > 0 && old <= new && new < 1 << 63 && grown(old, new, &path, old_root, true) == Some((old_root, new_root));
    assert_eq!(holds, twin);
    holds
}

/// Both roots, by the definition; `whole` while the old tree is the left edge, whose root the reader knows.
fn grown(old: u64, new: u64, path: &[Hash], old_root: Hash, whole: bool) -> Option<(Hash, Hash)> {
    if old == new {
        return if whole {
            path.is_empty().then_some((old_root, old_root))
        } else {
            path.first().filter(|_| path.len() == 1).map(|root| (*root, *root))
        };
    }
    let (other, rest) = path.split_last()?;
    let left = 1 << (new - 1).ilog2();
    if old <= left {
        let (before, after) = grown(old, left, rest, old_root, whole)?;
        Some((before, merkle::node_hash(&after, other)))
    } else {
        let (before, after) = grown(old - left, new - left, rest, old_root, false)?;
        Some((merkle::node_hash(other, &before), merkle::node_hash(other, &after)))
    }
}

/// Inputs that are accepted, one file each: what the fuzzer starts from.
pub fn corpus() -> Vec<(String, Vec<u8>)> {
    use fastclear_core::ledger::consortium::Validator;
    use fastclear_core::ledger::salt::SaltKey;
    use fastclear_core::ledger::{Checkpoint, Draft, note};

    let mut out: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add =
        |name: &str, reader: u8, parts: &[&[u8]]| out.push((name.to_owned(), [&[reader], &*parts.concat()].concat()));
    let leaves: Vec<Hash> = (0_u8..13).map(|leaf| merkle::leaf_hash(&[leaf])).collect();
    let words = |a: usize, b: usize| [(a as u64).to_le_bytes(), (b as u64).to_le_bytes()].concat();
    for (index, size) in [(0, 1), (0, 8), (5, 8), (6, 7), (12, 13)] {
        let root = merkle::root(leaves[..size].to_vec());
        let path = merkle::inclusion_proof(&leaves[..size], index as u64).unwrap_or_default().concat();
        add(&format!("inclusion-{index}-of-{size}"), 0, &[&words(index, size), &leaves[index], &root, &path]);
    }
    for (old, new) in [(1, 1), (1, 8), (6, 8), (7, 13), (12, 13)] {
        let (old_root, new_root) = (merkle::root(leaves[..old].to_vec()), merkle::root(leaves[..new].to_vec()));
        let path = merkle::consistency_proof(&leaves[..new], old as u64).unwrap_or_default().concat();
        add(&format!("consistency-{old}-of-{new}"), 1, &[&words(old, new), &old_root, &new_root, &path]);
    }
    let checkpoint = Checkpoint { origin: "market.example".to_owned(), size: 13, root: leaves[0] };
    let lines =
        [note::sign_log("market.example", &[1; 32], &checkpoint), note::cosign("ann", &[2; 32], &checkpoint, 7)];
    let text: String = lines.iter().map(SignatureLine::encode).collect();
    add("note", 2, &[checkpoint.encode().as_bytes(), b"\n", text.as_bytes()]);
    let validators = (1..4).map(|seed| Validator { name: format!("v{seed}"), key: signature::public_key(&[seed; 32]) });
    if let Ok(consortium) = Consortium::new(validators.collect(), None) {
        add("consortium", 3, &[&consortium.encode()]);
    }
    let chain = Replay::new(b"{}").into_chain(SaltKey::from_seed(1));
    let order = OrderLeaf {
        side: 1,
        kind: 0,
        reject: 0,
        order: 1,
        participant: 2,
        market: 3,
        price: 4,
        quantity: 5,
        time_ns: 6,
    };
    let posting = fastclear_core::ledger::consortium::posting_of(
        fastclear_core::settlement::posting::Kind::Membership,
        2,
        &leaves[1],
        0,
        1,
    );
    let draft = Draft { orders: vec![order], postings: &[posting], with_state: false, slot: 0, not_before: 0 };
    if let Ok(block) = chain.draft(draft) {
        add("record", 4, &[&record::encode(&posting)]);
        add("header", 5, &[&block.header.encode()]);
        add("order", 6, &[&order.encode()]);
        add("block", 7, &[&block.header.encode(), &block.records, &block.orders]);
    }
    out
}
