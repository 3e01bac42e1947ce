//! The faults that a store survives, one test each, on a disk that fails as asked.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod common;

use common::{Bank, SEGMENT, bank_after, batch, batches_in, dir, open, options, run, store_files};
use fastclear_core::machine::Machine;
use fastclear_store::sim::{Plan, SimClock, SimVfs};
use fastclear_store::{Durability, Host, STEP_MAX_NS, StoreError};

/// Opens, checks that everything acked and nothing that was not sent is there, and that the store goes on.
fn check(vfs: &SimVfs, acked: u64, sent: u64, what: &str) {
    let (mut host, _) = open(vfs).unwrap_or_else(|error| panic!("{what}: {error}"));
    let batches = batches_in(host.machine(), sent);
    assert!((acked..=sent).contains(&batches), "{what}: {batches} batches of {acked} acked and {sent} sent");
    host.submit(&batch(batches)).unwrap_or_else(|error| panic!("{what}: {error}"));
    drop(host);
    let (host, _) = open(vfs).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(host.machine().balances, bank_after(batches + 1).balances, "{what}");
}

#[test]
fn power_cut_at_every_call_and_again_while_recovering() {
    const BATCHES: u64 = 14;
    let whole = SimVfs::new();
    run(&whole, BATCHES, 4, true).1.unwrap();
    let calls = whole.calls();
    assert!(calls > 100, "the run is too short to be a test: {calls} calls");
    let mut recoveries = 0;
    for crash_at in 0..calls {
        let vfs = SimVfs::new();
        vfs.plan(Plan { crash_at: Some(crash_at), ..Plan::default() });
        let (done, result) = run(&vfs, BATCHES, 4, true);
        assert!(result.is_err(), "call {crash_at} was never reached");
        vfs.crash(crash_at);
        let left = vfs.files();
        let probe = SimVfs::with(&left);
        let _ = open(&probe).unwrap_or_else(|error| panic!("call {crash_at}: {error}"));
        for again_at in 0..probe.calls() {
            let vfs = SimVfs::with(&left);
            vfs.plan(Plan { crash_at: Some(again_at), ..Plan::default() });
            assert!(open(&vfs).is_err());
            vfs.crash(crash_at * 1000 + again_at);
            check(&vfs, done.acked, done.sent, &format!("calls {crash_at} and {again_at}"));
            recoveries += 1;
        }
    }
    assert!(recoveries > 2000, "only {recoveries} recoveries");
}

#[test]
fn torn_sectors_drop_a_frame_whole() {
    let (mut kept, mut dropped) = (0, 0);
    for seed in 0..400 {
        let vfs = SimVfs::new();
        run(&vfs, 1, 100, false).1.unwrap();
        let (mut host, _) = open(&vfs).unwrap();
        // A frame of two pages; the crash comes in the middle of its write, or between write and sync.
        vfs.plan(Plan { crash_at: Some(seed % 2), ..Plan::default() });
        assert!(matches!(host.submit(&[vec![9; 6000]]), Err(StoreError::Io { .. })), "seed {seed}");
        assert!(host.is_poisoned());
        drop(host);
        vfs.crash(seed);
        let (mut host, _) = open(&vfs).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        match host.machine().commands - bank_after(1).commands {
            0 => dropped += 1,
            1 => kept += 1,
            other => panic!("seed {seed}: {other} commands"),
        }
        // What is left of it is in nobody's way, however short the next frame is.
        let commands = host.machine().commands;
        host.submit(&batch(1)).unwrap();
        drop(host);
        assert_eq!(open(&vfs).unwrap().0.machine().commands, commands + 2, "seed {seed}");
    }
    assert!(kept > 20 && dropped > 200, "{kept} kept, {dropped} dropped: the disk is not hostile enough");
}

#[test]
fn journal_cut_at_every_byte_of_its_last_three_frames() {
    let vfs = SimVfs::new();
    // Seven batches, a page each: four in the first segment, three in the second.
    run(&vfs, 7, 100, false).1.unwrap();
    let files = vfs.files();
    let path = common::last_segment(&files);
    let bytes = &files[&path];
    let frames: Vec<usize> = (0..bytes.len()).step_by(4096).filter(|&at| bytes[at..].starts_with(b"FCJ1")).collect();
    let first_batch = u64::from(bytes[16]) - 1; // the lsn of the first frame of the segment
    let end = frames.last().unwrap() + 4096;
    let from = frames[frames.len().saturating_sub(3)];
    for cut in from..=end {
        let last_payload =
            |at: usize| at + 64 + u32::from_le_bytes(bytes[at + 36..at + 40].try_into().unwrap()) as usize;
        for zeroed in [false, true] {
            let mut files = files.clone();
            let file = files.get_mut(&path).unwrap();
            file.truncate(cut);
            if zeroed {
                file.resize(bytes.len(), 0);
            }
            let (host, _) = open(&SimVfs::with(&files)).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            // A frame is there once its payload is; what it lacks are zeros.
            let whole = frames.iter().filter(|&&at| last_payload(at) <= cut).count() as u64;
            assert_eq!(batches_in(host.machine(), 7), first_batch + whole, "cut at {cut}");
        }
    }
    assert!(end - from > 8192, "fewer than three frames were cut");
}

/// Flips one bit in every byte of every file and opens.
fn flipped(close: bool, allowed: impl Fn(&Bank, &str)) -> (u64, u64) {
    let vfs = SimVfs::new();
    run(&vfs, 9, 4, close).1.unwrap();
    let files = vfs.files();
    let (mut refused, mut opened) = (0, 0);
    for path in store_files(&files) {
        for at in 0..files[&path].len() {
            let bit = (at * 5 + at / 8) % 8;
            let mut files = files.clone();
            files.get_mut(&path).unwrap()[at] ^= 1 << bit;
            let before = files.clone();
            let vfs = SimVfs::with(&files);
            match open(&vfs) {
                Ok((host, _)) => {
                    allowed(host.machine(), &format!("{} byte {at} bit {bit}", path.display()));
                    opened += 1;
                }
                Err(StoreError::Damaged { .. } | StoreError::OtherFormat { .. }) => {
                    let mut after = vfs.files();
                    after.retain(|path, _| before.contains_key(path));
                    assert_eq!(after, before, "a refused store was changed");
                    refused += 1;
                }
                Err(error) => panic!("{} byte {at} bit {bit}: {error}", path.display()),
            }
        }
    }
    (refused, opened)
}

#[test]
fn every_flipped_bit_of_a_closed_store_is_refused_or_harmless() {
    let (refused, opened) = flipped(true, |bank, what| assert_eq!(bank.balances, bank_after(9).balances, "{what}"));
    assert!(refused > 5_000 && opened > 5_000, "{refused} refused, {opened} opened");
}

#[test]
fn a_flipped_bit_of_a_store_that_was_not_closed_costs_at_most_the_last_frame() {
    // The last frame cannot be told from one that was never finished; no other balance ever comes out.
    let (refused, _) = flipped(false, |bank, what| {
        assert!(batches_in(bank, 9) >= 8, "{what}");
    });
    assert!(refused > 4_000, "{refused} refused");
}

#[test]
fn misdirected_writes_are_refused_or_harmless() {
    let (mut refused, mut opened) = (0, 0);
    for write in 0..40 {
        for page in 0..SEGMENT / 4096 {
            let vfs = SimVfs::new();
            vfs.plan(Plan { misdirect: Some((write, page * 4096)), ..Plan::default() });
            let (done, result) = run(&vfs, 9, 4, true);
            match open(&vfs) {
                Ok((host, _)) => {
                    let batches = batches_in(host.machine(), done.sent);
                    assert!(batches >= done.acked, "write {write} to page {page}: {batches} of {done:?}");
                    opened += 1;
                }
                Err(StoreError::Damaged { .. }) => refused += 1,
                Err(StoreError::NotAStore { .. } | StoreError::OtherFormat { .. }) if result.is_err() => refused += 1,
                Err(error) => panic!("write {write} to page {page}: {error}"),
            }
        }
    }
    assert!(refused >= 15 && opened >= 100, "{refused} refused, {opened} opened");
}

#[test]
fn a_failed_sync_poisons_and_reopening_finds_what_was_acked() {
    let whole = SimVfs::new();
    run(&whole, 9, 4, true).1.unwrap();
    let mut failed = 0;
    for sync in 0..60 {
        let vfs = SimVfs::new();
        vfs.plan(Plan { sync_fails: Some(sync), ..Plan::default() });
        let (done, result) = run(&vfs, 9, 4, true);
        let Err(error) = result else { break };
        assert!(matches!(error, StoreError::Io { .. }), "sync {sync}: {error}");
        failed += 1;
        vfs.crash(sync);
        check(&vfs, done.acked, done.sent, &format!("sync {sync}"));
    }
    assert!(failed >= 15, "{failed} syncs failed");
}

#[test]
fn a_poisoned_host_answers_reads_and_never_syncs_again() {
    let vfs = SimVfs::new();
    let (mut host, _) = open(&vfs).unwrap();
    host.submit(&batch(0)).unwrap();
    vfs.plan(Plan { sync_fails: Some(0), ..Plan::default() });
    assert!(matches!(host.submit(&batch(1)), Err(StoreError::Io { action: "sync", .. })));
    let calls = vfs.calls();
    assert!(matches!(host.submit(&batch(1)), Err(StoreError::Poisoned { .. })));
    assert!(matches!(host.snapshot(), Err(StoreError::Poisoned { .. })));
    assert_eq!(vfs.calls(), calls, "a poisoned host touched the disk");
    assert_eq!((host.machine().balances, host.root()), (bank_after(1).balances, host.machine().root()));
    assert!(host.close().is_ok());
}

#[test]
fn a_full_disk_refuses_stays_readable_and_goes_on() {
    let vfs = SimVfs::new();
    let (mut host, _) = open(&vfs).unwrap();
    vfs.plan(Plan { capacity: Some(SEGMENT + SEGMENT / 2), ..Plan::default() });
    let mut number = 0;
    while host.submit(&batch(number)).is_ok() {
        number += 1;
        assert!(number < 100, "the disk never filled");
    }
    for _ in 0..3 {
        let refused = host.submit(&batch(number)).unwrap_err();
        assert!(matches!(refused, StoreError::DiskFull { bytes: SEGMENT, .. }), "{refused}");
        assert!(refused.to_string().starts_with("disk_full"), "{refused}");
        assert_eq!((host.machine().balances, host.is_poisoned()), (bank_after(number).balances, false));
    }
    assert!(vfs.files().keys().all(|path| path.extension() != Some("tmp".as_ref())), "a broken segment takes room");
    vfs.plan(Plan::default());
    host.submit(&batch(number)).unwrap();
    drop(host);
    check(&vfs, number + 1, number + 1, "room again");
}

#[test]
fn a_snapshot_that_finds_no_room_changes_nothing() {
    let vfs = SimVfs::new();
    let (mut host, _) = open(&vfs).unwrap();
    host.submit(&batch(0)).unwrap();
    vfs.plan(Plan { capacity: Some(SEGMENT + 300), ..Plan::default() });
    assert!(matches!(host.snapshot(), Err(StoreError::DiskFull { .. })));
    host.submit(&batch(1)).unwrap();
    vfs.plan(Plan::default());
    host.snapshot().unwrap();
    drop(host);
    check(&vfs, 2, 2, "snapshot later");
}

#[test]
fn a_batch_beyond_a_segment_is_refused_and_one_of_a_segment_fits() {
    let vfs = SimVfs::new();
    let (mut host, _) = open(&vfs).unwrap();
    let most = SEGMENT as usize - 64 - 4;
    assert!(matches!(host.submit(&[vec![1; most + 1]]), Err(StoreError::TooLarge { most: SEGMENT, .. })));
    host.submit(&[vec![1; most]]).unwrap();
    host.submit(&[vec![1; most]]).unwrap();
    assert_eq!(host.submit::<Vec<u8>>(&[]).unwrap().replies().len(), 0);
    assert_eq!((host.counts().frames, host.counts().segments_made), (2, 1));
    drop(host);
    assert_eq!(open(&vfs).unwrap().0.machine().commands, 2);
}

#[test]
fn one_sync_a_batch_and_segments_are_used_again() {
    let vfs = SimVfs::new();
    let (mut host, _) = open(&vfs).unwrap();
    for number in 0..200 {
        host.submit(&batch(number)).unwrap();
        if number % 8 == 7 {
            host.snapshot().unwrap();
        }
    }
    let counts = host.counts();
    assert_eq!((counts.frames, counts.frame_syncs), (200, 200));
    assert!(counts.segments_reused > 3 * counts.segments_made, "{counts:?}");
    let files = vfs.files();
    assert!(files.len() < 14, "{:?}", files.keys());
    assert_eq!(files.keys().filter(|path| path.extension() == Some("fcs".as_ref())).count(), 2);
}

#[test]
fn larger_segments_hold_from_the_next_one_on() {
    let vfs = SimVfs::new();
    run(&vfs, 40, 4, false).1.unwrap();
    let larger = || fastclear_store::Options { segment_bytes: 4 * SEGMENT, ..options() };
    let begin = || Host::open(vfs.clone(), SimClock::default(), &dir(), larger(), Bank::default, |_| Ok(())).unwrap().0;
    let mut host = begin();
    for _ in 0..10 {
        host.submit(&[vec![1; 2 * SEGMENT as usize]]).unwrap(); // larger than what is spare
        host.submit(&[vec![1; 3]]).unwrap();
    }
    assert!(host.counts().segments_made > 5, "{:?}", host.counts());
    let (commands, root) = (host.machine().commands, host.root());
    drop(host);
    let host = begin();
    assert_eq!((host.machine().commands, host.root()), (commands, root));
    assert!(commands == bank_after(40).commands + 20);
}

#[test]
fn a_damaged_snapshot_goes_once_there_is_a_new_one() {
    let vfs = SimVfs::new();
    run(&vfs, 9, 4, false).1.unwrap();
    let mut files = vfs.files();
    let newest = store_files(&files).into_iter().rfind(|path| path.extension() == Some("fcs".as_ref())).unwrap();
    files.get_mut(&newest).unwrap()[130] ^= 1;
    let vfs = SimVfs::with(&files);
    let (mut host, opened) = open(&vfs).unwrap();
    assert_eq!((opened.snapshots_damaged, opened.snapshot_lsn), (1, 4));
    host.snapshot().unwrap();
    assert!(!vfs.files().contains_key(&newest));
    drop(host);
    let (host, opened) = open(&vfs).unwrap();
    assert_eq!((opened.snapshots_damaged, host.machine().balances), (0, bank_after(9).balances));
}

#[test]
fn no_durability_syncs_nothing() {
    let vfs = SimVfs::new();
    let options = || fastclear_store::Options { durability: Durability::None, ..options() };
    let begin = |vfs: &SimVfs| {
        Host::open(vfs.clone(), SimClock::default(), &dir(), options(), Bank::default, |_| Ok(())).unwrap().0
    };
    vfs.plan(Plan { sync_fails: Some(0), ..Plan::default() });
    let mut host = begin(&vfs);
    (0..20).for_each(|number| drop(host.submit(&batch(number)).unwrap()));
    host.snapshot().unwrap();
    assert_eq!(host.counts().frame_syncs, 0);
    drop(host);
    assert_eq!(begin(&vfs).machine().balances, bank_after(20).balances);
}

#[test]
fn the_older_snapshot_and_a_longer_journal_give_the_same_state() {
    let vfs = SimVfs::new();
    run(&vfs, 11, 4, true).1.unwrap();
    let mut files = vfs.files();
    let newest = store_files(&files).into_iter().rfind(|path| path.extension() == Some("fcs".as_ref())).unwrap();
    files.get_mut(&newest).unwrap()[150] ^= 4;
    let (host, opened) = open(&SimVfs::with(&files)).unwrap();
    assert_eq!((opened.snapshots_damaged, host.machine().balances), (1, bank_after(11).balances));
    // And without both there is nothing to go on from.
    for path in store_files(&files) {
        if path.extension() == Some("fcs".as_ref()) {
            *files.get_mut(&path).unwrap().last_mut().unwrap() ^= 1;
            files.get_mut(&newest).unwrap()[150] ^= 4;
        }
    }
    let mut without = files.clone();
    without.retain(|path, _| path.extension() != Some("fcs".as_ref()));
    assert!(matches!(open(&SimVfs::with(&without)), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_segment_that_is_missing_is_refused() {
    let vfs = SimVfs::new();
    run(&vfs, 11, 100, true).1.unwrap();
    let files = vfs.files();
    let segments: Vec<_> = store_files(&files).into_iter().filter(|p| p.extension() == Some("fcj".as_ref())).collect();
    assert!(segments.len() >= 3);
    for gone in &segments[..segments.len() - 1] {
        let mut files = files.clone();
        files.remove(gone);
        assert!(matches!(open(&SimVfs::with(&files)), Err(StoreError::Damaged { .. })), "{}", gone.display());
    }
}

#[test]
fn engine_time_rises_while_the_clock_goes_back_stands_or_jumps() {
    let (vfs, clock) = (SimVfs::new(), SimClock::default());
    let open =
        || Host::open(vfs.clone(), clock.clone(), &dir(), options(), Bank::default, |_| Ok(())).map(|(host, _)| host);
    clock.wall.set(1_000_000);
    let mut host = open().unwrap();
    assert_eq!(host.submit(&[[1, 2, 3]; 3]).unwrap().time_ns(), 1_000_000);
    assert_eq!(host.time_ns(), 1_000_002);
    assert_eq!(host.submit(&[[1, 2, 3]]).unwrap().time_ns(), 1_000_003); // stuck
    clock.wall.set(5);
    assert_eq!(host.submit(&[[1, 2, 3]]).unwrap().time_ns(), 1_000_004); // back
    clock.pass(2_000_000);
    assert_eq!(host.submit(&[[1, 2, 3]]).unwrap().time_ns(), 2_000_005); // its own pace again
    clock.pass(10 * STEP_MAX_NS); // a quiet night is no jump
    assert_eq!(host.submit(&[[1, 2, 3]]).unwrap().time_ns(), 10 * STEP_MAX_NS + 2_000_005);
    let before = host.machine().clone();
    clock.wall.set(clock.wall.get() + STEP_MAX_NS + 1);
    for _ in 0..2 {
        assert!(matches!(host.submit(&[[1, 2, 3]]), Err(StoreError::ClockJump(_))));
    }
    assert_eq!((host.machine(), host.is_poisoned()), (&before, false));
    host.accept_clock_jump();
    let jumped = host.submit(&[[1, 2, 3]]).unwrap().time_ns();
    assert_eq!(jumped, clock.wall.get());
    let flags: Vec<u8> = vfs.files()[&dir().join("journal-0000000001.fcj")].chunks(4096).map(|page| page[6]).collect();
    // Ended in another segment: frames of one page, four a segment.
    let second = &vfs.files()[&dir().join("journal-0000000002.fcj")];
    assert_eq!((flags, second[4096 + 6], second[8192 + 6]), (vec![0; 4], 1, 0));
    // After a restart time goes on, even where the clock is then behind.
    drop(host);
    clock.wall.set(9);
    let mut host = open().unwrap();
    assert_eq!(host.submit(&[[1, 2, 3]]).unwrap().time_ns(), jumped + 1);
}

#[test]
fn a_second_host_is_refused_until_the_first_is_gone() {
    let vfs = SimVfs::new();
    let (host, _) = open(&vfs).unwrap();
    assert!(matches!(open(&vfs), Err(StoreError::Locked { .. })));
    drop(host);
    assert!(open(&vfs).is_ok());
}

#[test]
fn another_machine_another_version_and_another_directory_are_refused() {
    let vfs = SimVfs::new();
    run(&vfs, 3, 100, true).1.unwrap();
    let other = fastclear_store::Options { machine: "bank/2", ..options() };
    let refused = Host::open(vfs.clone(), SimClock::default(), &dir(), other, Bank::default, |_| Ok(()));
    assert!(matches!(refused, Err(StoreError::OtherFormat { .. })));
    let files = vfs.files();
    // A journal of version 2 with a right checksum is another format, not damage.
    let mut newer = files.clone();
    let bytes = newer.get_mut(&dir().join("journal-0000000001.fcj")).unwrap();
    bytes[4] = 2;
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(open(&SimVfs::with(&newer)), Err(StoreError::OtherFormat { .. })));
    let foreign = [(dir().join("holiday.jpg"), vec![1, 2, 3])].into();
    assert!(matches!(open(&SimVfs::with(&foreign)), Err(StoreError::NotAStore { .. })));
    // A frame of another store does not count, wherever it stands.
    let mut mixed = files.clone();
    let theirs = SimVfs::new();
    let options = fastclear_store::Options { store: Some(8), ..options() };
    let mut host =
        Host::open(theirs.clone(), SimClock::default(), &dir(), options, Bank::default, |_| Ok(())).unwrap().0;
    (0..9).for_each(|number| drop(host.submit(&batch(number)).unwrap()));
    let segment = dir().join("journal-0000000002.fcj");
    mixed.insert(segment.clone(), theirs.files()[&segment].clone());
    assert_eq!(open(&SimVfs::with(&mixed)).unwrap().0.machine().balances, bank_after(3).balances);
}

#[test]
fn what_is_replayed_is_what_was_answered() {
    let vfs = SimVfs::new();
    let (mut host, _) = open(&vfs).unwrap();
    let mut answered = Vec::new();
    for number in 0..7 {
        let (commands, answer) = (batch(number), host.submit(&batch(number)).unwrap());
        for (index, (command, reply)) in (0..).zip(commands.iter().zip(answer.replies())) {
            answered.push((answer.lsn(), index, answer.time_ns() + u64::from(index), command.clone(), reply.to_vec()));
        }
    }
    drop(host);
    let mut seen = Vec::new();
    let (_, opened) = Host::open(vfs, SimClock::default(), &dir(), options(), Bank::default, |again| {
        seen.push((again.lsn, again.index, again.time_ns, again.command.to_vec(), again.reply.to_vec()));
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, answered);
    assert_eq!((opened.replayed_frames, opened.replayed_commands), (7, answered.len() as u64));
}

/// Opens accounts, then transfers of every kind, one batch a command.
fn transfer_commands() -> Vec<Vec<u8>> {
    use fastclear_core::settlement::transfers::machine::{advance_command, open_command, submit_command};
    use fastclear_core::settlement::transfers::{Columns, Terms};
    let unlimited = Terms { unlimited: true, ..Terms::default() };
    let mut commands = vec![open_command(&[(1, 0, unlimited), (2, 50, Terms::default()), (3, 5, Terms::default())])];
    for number in 0..24_u64 {
        let ids: Vec<u64> = (0..5).map(|row| 1 + (number * 4 + row) % 80).collect(); // some come again
        let kinds = [0, 1, 2, 3, 0];
        let references = [0, 0, ids[1], 1 + number, 0];
        commands.push(submit_command(&Columns {
            debit: &[1_u64, 2, 0, 0, 3],
            credit: &[2, 3, 0, 0, 1],
            amount: &[9, 4 + number as i64 % 3, 3, 0, 2],
            id: Some(&ids),
            kind: Some(&kinds),
            reference: Some(&references),
            timeout_ns: Some(&[0, 7, 0, 0, 0]),
            ..Columns::default()
        }));
        commands.push(advance_command(number + 1));
    }
    commands
}

#[test]
fn transfers_come_back_to_the_same_root() {
    use fastclear_core::settlement::transfers::machine::{MACHINE, TransferMachine};
    let commands = transfer_commands();
    let mut twin = TransferMachine::default();
    let mut roots = vec![twin.root()];
    for (time_ns, command) in (1..).zip(&commands) {
        let mut reply = Vec::new();
        twin.apply(time_ns, command, &mut reply);
        assert_eq!(reply[0], 0, "{}", String::from_utf8_lossy(&reply));
        roots.push(twin.root());
    }
    let options = || fastclear_store::Options {
        segment_bytes: SEGMENT,
        store: Some(3),
        ..fastclear_store::Options::new(MACHINE)
    };
    let begin = |vfs: &SimVfs| {
        Host::open(vfs.clone(), SimClock::default(), &dir(), options(), TransferMachine::default, |_| Ok(()))
            .map(|(host, _)| host)
    };
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..150 {
        let vfs = SimVfs::new();
        vfs.plan(Plan { crash_at: Some(10 + seed * 2), ..Plan::default() });
        let mut acked = 0;
        // Ends with the power cut, or with the last command.
        let _ = begin(&vfs).and_then(|mut host| {
            for command in &commands {
                host.submit(&[command])?;
                acked += 1;
                if acked % 6 == 0 {
                    host.snapshot()?;
                }
            }
            Ok(())
        });
        vfs.crash(seed);
        let mut host = begin(&vfs).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = roots.iter().position(|root| *root == host.root());
        let found = found.unwrap_or_else(|| panic!("seed {seed}: a state that never was"));
        assert!(found == acked || found == acked + 1, "seed {seed}: {found} commands, {acked} acked");
        host.machine().transfers().audit().unwrap();
        for command in &commands[found..] {
            host.submit(&[command]).unwrap();
        }
        assert_eq!(host.root(), twin.root(), "seed {seed}");
        seen.insert(found);
    }
    assert!(seen.len() > 20, "the power went at {} places only", seen.len());
}
