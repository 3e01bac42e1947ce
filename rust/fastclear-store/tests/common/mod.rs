//! A small bank as a machine, and what a run of it must leave behind.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use fastclear_core::machine::{LoadError, Machine};
use fastclear_store::sim::{SimClock, SimVfs};
use fastclear_store::{Durability, Host, Opened, Options, StoreError};

pub const SEGMENT: u64 = 4 * 4096;

/// Balances of 16 accounts, and the times at which commands came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bank {
    pub balances: [i64; 16],
    pub commands: u64,
    pub last_ns: u64,
}

impl Machine for Bank {
    fn apply(&mut self, time_ns: u64, command: &[u8], reply: &mut Vec<u8>) {
        assert!(time_ns > self.last_ns, "L-I6");
        self.last_ns = time_ns;
        self.commands += 1;
        let (from, to, amount) = (command[0] as usize % 16, command[1] as usize % 16, i64::from(command[2]));
        self.balances[from] -= amount;
        self.balances[to] += amount;
        reply.extend(self.commands.to_le_bytes());
    }

    fn save(&self, out: &mut Vec<u8>) {
        out.extend(self.balances.iter().flat_map(|balance| balance.to_le_bytes()));
        out.extend(self.commands.to_le_bytes());
        out.extend(self.last_ns.to_le_bytes());
    }

    fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        if bytes.len() != 18 * 8 {
            return Err(LoadError { at: bytes.len(), reason: "not a bank".to_owned() });
        }
        let word = |place: usize| u64::from_le_bytes(bytes[place * 8..][..8].try_into().unwrap());
        let mut balances = [0; 16];
        for (place, balance) in balances.iter_mut().enumerate() {
            *balance = word(place) as i64;
        }
        Ok(Self { balances, commands: word(16), last_ns: word(17) })
    }

    fn root(&self) -> [u8; 32] {
        let mut bytes = Vec::new();
        self.save(&mut bytes);
        let mut root = [0_u8; 32];
        for (place, byte) in bytes.iter().enumerate() {
            root[place % 32] = root[place % 32].wrapping_mul(31).wrapping_add(*byte);
        }
        root
    }
}

pub type SimHost = Host<Bank, SimVfs, SimClock>;

pub fn options() -> Options {
    Options { durability: Durability::Sync, segment_bytes: SEGMENT, store: Some(7), ..Options::new("bank/1") }
}

pub fn dir() -> PathBuf {
    PathBuf::from("/bank")
}

pub fn open(vfs: &SimVfs) -> Result<(SimHost, Opened), StoreError> {
    Host::open(vfs.clone(), SimClock::default(), &dir(), options(), Bank::default, |_| Ok(()))
}

/// The commands of batch `number`: one to three, some long, all different.
pub fn batch(number: u64) -> Vec<Vec<u8>> {
    (0..=number % 3)
        .map(|place| {
            let length = if number % 4 == 3 { 2500 } else { 3 + number as usize };
            let mut command = vec![(number * 7 + place) as u8; length];
            command[..3].copy_from_slice(&[number as u8, (number + 1 + place) as u8, 1 + (number % 200) as u8]);
            command
        })
        .collect()
}

/// The bank after so many batches.
pub fn bank_after(batches: u64) -> Bank {
    let mut bank = Bank::default();
    let mut time = 0;
    for number in 0..batches {
        for command in batch(number) {
            time += 1;
            bank.apply(time, &command, &mut Vec::new());
        }
    }
    bank
}

/// How many batches a bank has seen; it must be in the state after exactly these.
pub fn batches_in(bank: &Bank, most: u64) -> u64 {
    let found = (0..=most).find(|&batches| bank_after(batches).balances == bank.balances);
    let found = found.unwrap_or_else(|| panic!("no prefix of the batches gives {bank:?}"));
    assert_eq!(bank_after(found).commands, bank.commands, "a command was applied twice or left out");
    found
}

/// What a run did before it ended or failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Batches that were answered.
    pub acked: u64,
    /// Batches that were sent.
    pub sent: u64,
}

/// Opens, sends batches with a snapshot now and then, closes.
pub fn run(vfs: &SimVfs, batches: u64, snapshot_every: u64, close: bool) -> (Run, Result<(), StoreError>) {
    let mut run = Run::default();
    let result = (|| {
        let (mut host, _) = open(vfs)?;
        for number in 0..batches {
            run.sent += 1;
            host.submit(&batch(number))?;
            run.acked += 1;
            if run.acked.is_multiple_of(snapshot_every) {
                host.snapshot()?;
            }
        }
        if close { host.close() } else { Ok(()) }
    })();
    (run, result)
}

/// The only files of a disk that are journal or snapshot.
pub fn store_files(files: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
    let is_store =
        |path: &&PathBuf| path.extension() == Some("fcj".as_ref()) || path.extension() == Some("fcs".as_ref());
    files.keys().filter(is_store).cloned().collect()
}

/// The file of the journal that holds the last frame.
pub fn last_segment(files: &BTreeMap<PathBuf, Vec<u8>>) -> PathBuf {
    let used = |path: &&PathBuf| path.extension() == Some("fcj".as_ref()) && files[*path][..4] == *b"FCJ1";
    files.keys().rfind(used).unwrap().clone()
}

/// `name=number` of the environment, or a default.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
