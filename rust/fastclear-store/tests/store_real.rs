//! The store on the file system of the machine: killed processes, threads, a full disk, files of earlier versions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Bank, setting};
use fastclear_core::machine::Machine;
use fastclear_store::sim::{SimClock, SimVfs};
use fastclear_store::{Durability, GroupHost, Host, Options, OsVfs, StoreError, WallClock};

type OsHost = Host<Bank, OsVfs, WallClock>;

fn open(dir: &Path, durability: Durability) -> Result<OsHost, StoreError> {
    let options = Options { durability, segment_bytes: 1 << 16, ..Options::new("bank/1") };
    Host::open(OsVfs, WallClock::default(), dir, options, Bank::default, |_| Ok(())).map(|(host, _)| host)
}

/// Command `number` of the endless run of a child.
fn command(number: u64) -> Vec<u8> {
    let mut command = vec![number as u8, (number >> 3) as u8, (number % 251) as u8];
    command.resize(3 + (number % 97) as usize * 50, 1);
    command
}

fn balances_after(commands: u64) -> [i64; 16] {
    let mut bank = Bank::default();
    (0..commands).for_each(|number| bank.apply(number + 1, &command(number), &mut Vec::new()));
    bank.balances
}

/// Not a test by itself: what the killed process does.
#[test]
fn child_that_is_killed() {
    let Ok(dir) = std::env::var("FASTCLEAR_STORE_CHILD") else { return };
    let mut host = open(Path::new(&dir), Durability::Sync).unwrap();
    let mut out = std::io::stdout();
    loop {
        let number = host.machine().commands;
        host.submit(&[command(number)]).unwrap();
        writeln!(out, "acked {}", number + 1).unwrap();
        out.flush().unwrap();
        if number % 40 == 39 {
            host.snapshot().unwrap();
        }
    }
}

/// `FASTCLEAR_KILLS=200` for a longer run.
#[test]
fn killed_at_any_moment_nothing_acked_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let rounds = setting("FASTCLEAR_KILLS", 20);
    let mut all = 0;
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_is_killed", "--exact", "--nocapture", "--test-threads=1"])
            .env("FASTCLEAR_STORE_CHILD", dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            let acked = lines.filter_map(|line| line.split("acked ").nth(1)?.parse::<u64>().ok());
            let told = acked.inspect(|_| {
                let _ = begun.send(());
            });
            told.max().unwrap_or(0)
        });
        // Every fourth is killed at a moment after its start, mostly while it opens; the others while they work.
        if round % 4 != 3 {
            has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
        }
        std::thread::sleep(Duration::from_micros((round * 7_919) % 17_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let acked = reader.join().unwrap();
        let host = open(dir.path(), Durability::Sync).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let bank = host.machine();
        assert!(bank.commands >= acked.max(all), "round {round}: {} of {acked} commands", bank.commands);
        assert_eq!(bank.balances, balances_after(bank.commands), "round {round}");
        all = bank.commands;
    }
    assert!(all > rounds, "the children did nothing: {all} commands in {rounds} rounds");
}

#[test]
fn a_second_host_of_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let host = open(dir.path(), Durability::Sync).unwrap();
    assert!(matches!(open(dir.path(), Durability::Sync), Err(StoreError::Locked { .. })));
    host.close().unwrap();
    open(dir.path(), Durability::Sync).unwrap();
}

#[test]
fn threads_share_syncs_and_each_gets_its_own_reply() {
    const THREADS: u64 = 8;
    const CALLS: u64 = 25;
    let dir = tempfile::tempdir().unwrap();
    let durability = Durability::Group { wait_ms: 2 };
    let shared = GroupHost::new(open(dir.path(), durability).unwrap(), durability, 1 << 17);
    let mut replies: Vec<u64> = std::thread::scope(|scope| {
        let work = |thread| {
            let shared = &shared;
            scope.spawn(move || {
                let calls = (0..CALLS).map(|call| shared.submit(vec![thread as u8, 9, 1 + call as u8]).unwrap());
                calls.map(|reply| u64::from_le_bytes(reply.try_into().unwrap())).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..THREADS).map(work).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    replies.sort_unstable();
    assert!(replies.into_iter().eq(1..=THREADS * CALLS), "every command has one reply, its own");
    let counts = shared.with(|host| host.counts()).unwrap();
    assert_eq!(counts.frames, counts.frame_syncs);
    assert!(counts.frames < THREADS * CALLS / 2, "{} frames for {} calls", counts.frames, THREADS * CALLS);
    // An unusable call fails alone.
    assert!(matches!(shared.submit(vec![0; 1 << 17]), Err(StoreError::TooLarge { .. })));
    shared.submit(vec![1, 2, 3]).unwrap();
    shared.close().unwrap();
    assert_eq!(open(dir.path(), durability).unwrap().machine().commands, THREADS * CALLS + 1);
}

#[test]
fn a_panic_in_the_machine_leaves_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let shared = GroupHost::new(open(dir.path(), Durability::Sync).unwrap(), Durability::Sync, u64::MAX);
    shared.submit(vec![1, 2, 3]).unwrap();
    std::thread::scope(|scope| {
        // The bank of these tests reads three bytes, whatever there is.
        assert!(scope.spawn(|| shared.submit(vec![])).join().is_err());
    });
    assert!(matches!(shared.submit(vec![1, 2, 3]), Err(StoreError::Poisoned { .. })));
    assert!(matches!(shared.with(|host| host.lsn()), Err(StoreError::Poisoned { .. })));
}

/// A file system of 8 MiB, where this process may mount one.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m", "fastclear"]).arg(at).stderr(Stdio::null());
        let mounted = mount.status().is_ok_and(|status| status.success());
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_real_disk_that_is_full_refuses_stays_readable_and_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(place.path()) else {
        eprintln!("skipped: this process may not mount a file system (needs CAP_SYS_ADMIN)");
        return;
    };
    let options = Options { segment_bytes: 1 << 20, ..Options::new("bank/1") };
    let dir = place.path().join("store");
    let begin = || {
        Host::open(OsVfs, WallClock::default(), &dir, options.clone(), Bank::default, |_| Ok(())).map(|(host, _)| host)
    };
    let filler = place.path().join("filler");
    std::fs::write(&filler, vec![1; 4 << 20]).unwrap();
    let mut host = begin().unwrap();
    let big = vec![7; 500_000];
    let refused = loop {
        if let Err(error) = host.submit(&[&big]) {
            break error;
        }
        assert!(host.machine().commands < 100);
    };
    assert!(matches!(refused, StoreError::DiskFull { .. }), "{refused}");
    let (commands, root) = (host.machine().commands, host.root());
    assert!(matches!(host.submit(&[&big]), Err(StoreError::DiskFull { .. })));
    assert_eq!((host.machine().commands, host.root(), host.is_poisoned()), (commands, root, false));
    std::fs::remove_file(&filler).unwrap();
    host.submit(&[&big]).unwrap();
    drop(host);
    assert_eq!(begin().unwrap().machine().commands, commands + 1);
}

/// The store that the golden files are: two snapshots, two segments, closed.
fn golden() -> BTreeMap<PathBuf, Vec<u8>> {
    let (vfs, clock) = (SimVfs::new(), SimClock::default());
    clock.wall.set(1_767_225_600_000_000_000);
    let options = Options { segment_bytes: 8192, store: Some(0x5EED), ..Options::new("bank/1") };
    let dir = PathBuf::from("/store");
    let (mut host, _) = Host::open(vfs.clone(), clock, &dir, options, Bank::default, |_| Ok(())).unwrap();
    for number in 0..3 {
        host.submit(&common::batch(number)).unwrap();
        if number == 1 {
            host.snapshot().unwrap();
        }
    }
    host.close().unwrap();
    let mut files = vfs.files();
    files.retain(|path, _| path.extension().is_some());
    for bytes in files.values_mut() {
        // Zeros at the end are not kept: a store gives its files their length back.
        let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(used);
    }
    files
}

/// `FASTCLEAR_WRITE_GOLDEN=1` writes them anew, after a change of the format that bears another version.
#[test]
fn files_of_version_1_are_written_and_read_byte_by_byte() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    let files = golden();
    if setting("FASTCLEAR_WRITE_GOLDEN", 0) == 1 {
        std::fs::create_dir_all(&place).unwrap();
        for (path, bytes) in &files {
            std::fs::write(place.join(path.file_name().unwrap()), bytes).unwrap();
        }
    }
    let kept: BTreeMap<PathBuf, Vec<u8>> = std::fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (Path::new("/store").join(entry.file_name()), std::fs::read(entry.path()).unwrap()))
        .collect();
    assert_eq!(kept.len(), 4);
    assert_eq!(kept, files, "the format has changed: give it another version and read this one too");
    let options = Options { segment_bytes: 8192, ..Options::new("bank/1") };
    let (host, opened) =
        Host::open(SimVfs::with(&kept), SimClock::default(), Path::new("/store"), options, Bank::default, |_| Ok(()))
            .unwrap();
    assert_eq!(host.machine().balances, common::bank_after(3).balances);
    assert!(opened.tail.closed && opened.replayed_frames == 1 && opened.snapshot_lsn == 2);
}
