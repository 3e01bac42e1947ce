//! What was transferred under which id, and which reservations expire when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::{Code, Transfer, TransferKind};

/// Where a record is that does not exist.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Moved,
    Open,
    Posted,
    Voided,
    Expired,
    Failed,
}

/// A transfer that was accepted, or whose id is burnt; one line of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub id: u128,
    /// As it was given: 0 in a void that leaves it open.
    pub amount: i64,
    pub timeout_ns: u64,
    pub expires_ns: u64,
    /// Places of the accounts that it moved money between.
    pub debit: u32,
    pub credit: u32,
    /// Place of the reservation that a post or void resolved.
    pub reference: u32,
    pub code: u16,
    pub kind: TransferKind,
    pub fate: Fate,
    pub linked: bool,
    /// Whether debit and credit were given, and not left to the reservation.
    pub named: (bool, bool),
}

/// Records in the order in which they were made, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    rows: Vec<Record>,
    // Part of the hash, which spares a look at the record where ids differ and where the table grows, and the place.
    // Looked up, never walked: its order, which differs from run to run, reaches no result.
    places: HashTable<(u32, u32)>,
    hasher: RandomState,
    /// Expiry and place of reservations; those that were resolved or taken back are still in it.
    expiries: BinaryHeap<Reverse<(u64, u32)>>,
    /// How many open reservations expire.
    expiring: usize,
    open: usize,
}

impl Records {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn rows(&self) -> &[Record] {
        &self.rows
    }

    /// How many reservations are open.
    pub fn open(&self) -> usize {
        self.open
    }

    pub fn expiring(&self) -> usize {
        self.expiring
    }

    #[inline]
    fn tag(&self, id: u128) -> u32 {
        self.hasher.hash_one(id) as u32
    }

    #[inline]
    pub fn find(&self, id: u128) -> Option<u32> {
        let (rows, tag) = (&self.rows, self.tag(id));
        let is_it = |&(other, place): &(u32, u32)| other == tag && rows[place as usize].id == id;
        self.places.find(spread(tag), is_it).map(|&(_, place)| place)
    }

    #[inline]
    pub fn get(&self, place: u32) -> &Record {
        &self.rows[place as usize]
    }

    /// Makes room, so that no transfer of a call pays for it.
    pub fn reserve(&mut self, more: usize) {
        self.rows.reserve(more);
        self.places.reserve(more, |&(tag, _)| spread(tag));
    }

    /// Adds a record under an id that has none.
    #[inline]
    pub fn push(&mut self, record: Record) {
        let place = self.rows.len() as u32;
        if record.fate == Fate::Open {
            self.open += 1;
            if record.expires_ns != 0 {
                self.expiring += 1;
                self.expiries.push(Reverse((record.expires_ns, place)));
            }
        }
        let tag = self.tag(record.id);
        self.rows.push(record);
        self.places.insert_unique(spread(tag), (tag, place), |&(tag, _)| spread(tag));
    }

    /// Ends an open reservation, or opens it again.
    #[inline]
    pub fn set_fate(&mut self, place: u32, fate: Fate) {
        let record = &mut self.rows[place as usize];
        let expires = usize::from(record.expires_ns != 0);
        record.fate = fate;
        if fate == Fate::Open {
            self.open += 1;
            self.expiring += expires;
            if record.expires_ns != 0 {
                self.expiries.push(Reverse((record.expires_ns, place)));
            }
        } else {
            self.open -= 1;
            self.expiring -= expires;
        }
    }

    /// Forgets the records from `len` on.
    pub fn truncate(&mut self, len: usize) {
        for place in len..self.rows.len() {
            let record = self.rows[place];
            let hash = spread(self.tag(record.id));
            if let Ok(entry) = self.places.find_entry(hash, |&(_, other)| other as usize == place) {
                entry.remove();
            }
            if record.fate == Fate::Open {
                self.open -= 1;
                self.expiring -= usize::from(record.expires_ns != 0);
            }
        }
        self.rows.truncate(len);
    }

    /// The next open reservation that expires by then, in order of expiry, then of reservation; it stays open.
    pub fn next_expired(&mut self, time_ns: u64) -> Option<u32> {
        while let Some(&Reverse((expires_ns, place))) = self.expiries.peek() {
            if expires_ns > time_ns {
                break;
            }
            self.expiries.pop();
            // What was resolved is no more open; what was taken back may have left its place to another.
            if self.awaits(expires_ns, place) {
                return Some(place);
            }
        }
        None
    }

    /// Drops what is no more open where it is the larger part.
    pub fn tidy(&mut self) {
        const FEW: usize = 1 << 12;
        if self.expiries.len() > 2 * self.expiring + FEW {
            let mut kept = std::mem::take(&mut self.expiries).into_vec();
            kept.retain(|&Reverse((expires_ns, place))| self.awaits(expires_ns, place));
            self.expiries = kept.into();
        }
    }

    /// Whether this reservation is open and expires then.
    fn awaits(&self, expires_ns: u64, place: u32) -> bool {
        let awaits = |record: &Record| record.fate == Fate::Open && record.expires_ns == expires_ns;
        self.rows.get(place as usize).is_some_and(awaits)
    }

    /// Whether every open reservation that expires is among the expiries.
    pub fn expiries_complete(&self) -> bool {
        let mut listed: Vec<(u64, u32)> = self.expiries.iter().map(|&Reverse(entry)| entry).collect();
        listed.sort_unstable();
        (0..).zip(&self.rows).all(|(place, record)| {
            record.fate != Fate::Open
                || record.expires_ns == 0
                || listed.binary_search(&(record.expires_ns, place)).is_ok()
        })
    }

    /// What to say of an id that was accepted before: the first field that differs.
    pub fn again(&self, new: &Transfer, old: &Record, id_at: impl Fn(u32) -> u64) -> Code {
        let account = |named: bool, place: u32| if named { id_at(place) } else { 0 };
        let reference = if old.reference == NONE { 0 } else { self.get(old.reference).id };
        let fields = [
            (new.kind != old.kind, Code::ExistsWithDifferentKind),
            (new.debit != account(old.named.0, old.debit), Code::ExistsWithDifferentDebit),
            (new.credit != account(old.named.1, old.credit), Code::ExistsWithDifferentCredit),
            (new.amount != old.amount, Code::ExistsWithDifferentAmount),
            (new.reference != reference, Code::ExistsWithDifferentReference),
            (new.timeout_ns != old.timeout_ns, Code::ExistsWithDifferentTimeout),
            (new.code != old.code, Code::ExistsWithDifferentCode),
            (new.linked != old.linked, Code::ExistsWithDifferentLinked),
        ];
        fields.iter().find(|(differs, _)| *differs).map_or(Code::Exists, |&(_, code)| code)
    }
}

/// 64 bits of hash, of which a table uses the lowest and the highest, from 32.
#[inline]
const fn spread(tag: u32) -> u64 {
    (tag as u64) << 32 | tag as u64
}
