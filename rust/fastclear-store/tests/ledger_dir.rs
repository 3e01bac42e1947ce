//! The ledger directory: locks, broken appends at every byte, corruption.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use fastclear_core::ledger::header::HEADER_LEN;
use fastclear_core::ledger::plain::{PlainTrade, trade_postings};
use fastclear_core::ledger::salt::SaltKey;
use fastclear_core::ledger::{Draft, OrderLeaf};
use fastclear_store::{Durability, LedgerDir, StoreError, verify_dir};

const FILES: [&str; 5] = ["params.json", "headers.bin", "records.bin", "orders.bin", "head"];

fn open(path: &Path) -> Result<LedgerDir, StoreError> {
    LedgerDir::open(path, None, SaltKey::from_seed(1), Durability::None)
}

fn seal(ledger: &mut LedgerDir) {
    let trade = PlainTrade {
        market: 1,
        buy_order: 2,
        sell_order: 3,
        quantity: 5,
        prices: Some((7, 7)),
        buy_amount: 35,
        sell_amount: 35,
        den: 1,
    };
    let postings = trade_postings(ledger.chain().position(), &[trade, trade], 100).unwrap();
    let order = |order, side| OrderLeaf {
        side,
        kind: 0,
        reject: 0,
        order,
        participant: 0,
        market: 1,
        price: 7,
        quantity: 5,
        time_ns: 0,
    };
    let draft = Draft { orders: vec![order(2, 1), order(3, 0)], postings: &postings, ..Draft::default() };
    ledger.seal(draft).unwrap();
}

/// The five files after `blocks` blocks.
fn files_after(blocks: usize) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path()).unwrap();
    (0..blocks).for_each(|_| seal(&mut ledger));
    FILES.iter().map(|name| fs::read(dir.path().join(name)).unwrap()).collect()
}

fn write(path: &Path, files: &[Vec<u8>]) {
    for (name, bytes) in FILES.iter().zip(files) {
        fs::write(path.join(name), bytes).unwrap();
    }
}

fn read(path: &Path) -> Vec<Vec<u8>> {
    FILES.iter().map(|name| fs::read(path.join(name)).unwrap()).collect()
}

#[test]
fn a_ledger_is_there_again_after_closing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/ledger");
    let mut ledger = LedgerDir::open(&path, None, SaltKey::from_seed(1), Durability::Sync).unwrap();
    (0..3).for_each(|_| seal(&mut ledger));
    let (head, records, orders) = (ledger.chain().head(), ledger.records(1).unwrap(), ledger.orders(2).unwrap());
    drop(ledger);
    let mut ledger = open(&path).unwrap();
    assert_eq!(ledger.chain().head(), head);
    assert_eq!((ledger.records(1).unwrap(), ledger.orders(2).unwrap()), (records, orders));
    assert!(matches!(ledger.records(3), Err(StoreError::NoBlock { height: 3, blocks: 3 })));
    seal(&mut ledger);
    assert_eq!(verify_dir(&path).unwrap().headers().len(), 4);
    drop(ledger);
    // Closing between two blocks leaves no trace in the bytes.
    assert_eq!(read(&path), files_after(4));
}

#[test]
fn a_second_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(StoreError::Locked { .. })));
    drop(first);
    assert!(open(dir.path()).is_ok());
}

#[test]
fn a_directory_with_other_content_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["notes.txt", "params.json"] {
        let path = dir.path().join(format!("with-{name}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join(name), b"mine").unwrap();
        assert!(matches!(open(&path), Err(StoreError::NotALedger { .. })), "{name}");
        assert!(matches!(verify_dir(&path), Err(StoreError::NotALedger { .. })), "{name}");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    }
    fs::write(dir.path().join("file"), b"").unwrap();
    assert!(open(&dir.path().join("file")).is_err());
    assert!(matches!(verify_dir(&dir.path().join("absent")), Err(StoreError::NotALedger { .. })));
}

#[test]
fn other_parameters_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let with =
        |params: &[u8]| LedgerDir::open(dir.path(), Some(params), SaltKey::from_seed(1), Durability::None).map(|_| ());
    with(b"{\"a\":1}").unwrap();
    with(b"{\"a\":1}").unwrap();
    assert!(matches!(with(b"{\"a\":2}"), Err(StoreError::OtherParams { .. })));
    assert_eq!(open(dir.path()).unwrap().params(), b"{\"a\":1}");
}

/// Every state that a crash within the append of the third block can leave: entries first, then the header, then
/// the head.
#[test]
fn an_append_broken_off_at_any_byte_is_cut_or_finished() {
    let (before, after) = (files_after(2), files_after(3));
    let dir = tempfile::tempdir().unwrap();
    let check = |files: &[Vec<u8>], expected: &[Vec<u8>], what: &str| {
        write(dir.path(), files);
        drop(open(dir.path()).unwrap_or_else(|error| panic!("{what}: {error}")));
        assert_eq!(read(dir.path()), expected, "{what}");
        assert!(verify_dir(dir.path()).is_ok());
    };
    for records in before[2].len()..=after[2].len() {
        for orders in [before[3].len(), before[3].len() + 1, after[3].len() - 1, after[3].len()] {
            let mut files = before.clone();
            files[2] = after[2][..records].to_vec();
            files[3] = after[3][..orders].to_vec();
            check(&files, &before, "entries");
        }
    }
    for headers in before[1].len()..after[1].len() {
        let mut files = after.clone();
        files[1] = after[1][..headers].to_vec();
        files[4].clone_from(&before[4]);
        check(&files, &before, "header");
    }
    let mut files = after.clone();
    files[4].clone_from(&before[4]);
    check(&files, &after, "all but the head");
    // A header that the disk has not written whole, though its length says so, or entries that it has lost.
    for (part, at) in [(1, after[1].len() - 1), (2, after[2].len() - 1), (3, before[3].len())] {
        let mut files = after.clone();
        files[4].clone_from(&before[4]);
        files[part][at] ^= 1;
        check(&files, &before, "unwritten bytes");
    }
}

#[test]
fn whatever_the_head_names_must_be_there() {
    let files = files_after(3);
    let dir = tempfile::tempdir().unwrap();
    for part in 0..5 {
        for len in 0..files[part].len() {
            let mut cut = files.clone();
            cut[part].truncate(len);
            write(dir.path(), &cut);
            assert!(matches!(open(dir.path()), Err(StoreError::Corrupt { .. })), "{} at {len}", FILES[part]);
            assert_eq!(read(dir.path()), cut, "a refused directory is unchanged");
            assert!(verify_dir(dir.path()).is_err());
        }
    }
    for name in FILES {
        write(dir.path(), &files);
        fs::remove_file(dir.path().join(name)).unwrap();
        assert!(open(dir.path()).is_err(), "without {name}");
        assert!(verify_dir(dir.path()).is_err(), "without {name}");
    }
}

#[test]
fn blocks_beyond_an_old_head_are_no_broken_append() {
    let mut files = files_after(3);
    files[4].clone_from(&files_after(1)[4]);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &files);
    let Err(StoreError::Corrupt { fault, .. }) = open(dir.path()) else { panic!("opened") };
    assert_eq!((fault.height, fault.offset), (1, HEADER_LEN as u64));
    assert_eq!(read(dir.path()), files);
}

#[test]
fn a_beginning_broken_off_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    let files = files_after(0);
    for missing in 1..FILES.len() {
        let path = dir.path().join(format!("{missing}"));
        fs::create_dir(&path).unwrap();
        // Files are made in the order headers, params, records, orders, head.
        for name in &["headers.bin", "params.json", "records.bin", "orders.bin", "head"][..missing] {
            let at = FILES.iter().position(|file| file == name).unwrap();
            fs::write(path.join(name), &files[at]).unwrap();
        }
        drop(open(&path).unwrap());
        assert_eq!(read(&path), files);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_failed_write_stops_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let mut ledger = open(&path).unwrap();
    seal(&mut ledger);
    // The head cannot be replaced in a directory that is gone.
    fs::rename(&path, dir.path().join("moved")).unwrap();
    assert!(matches!(ledger.seal(Draft::default()), Err(StoreError::Io { .. })));
    assert!(matches!(ledger.seal(Draft::default()), Err(StoreError::Poisoned { .. })));
    drop(ledger);
    let again = open(&dir.path().join("moved")).unwrap();
    assert_eq!(again.chain().height(), 2, "the block was whole: it is kept");
}
