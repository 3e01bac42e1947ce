//! Memory that clearings share.

use std::sync::Mutex;

use super::sample::Sample;
use crate::auction::lent::{self, Lend};
use crate::auction::rationing;
use crate::simd::{BINS, Candidates, Room};

/// Two tables of bins.
pub(super) type Tables = [[i64; BINS]; 2];

/// Memory of one clearing after the other.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Where small books are crossed.
    pub(super) room: Room,
    pub(super) sample: Sample,
    pub(super) candidates: Candidates,
    /// None, or two.
    tables: Vec<[i64; BINS]>,
    /// The candidates whose fills may be wrong.
    pub(super) near: Candidates,
    /// Those of them among which the level lies.
    pub(super) narrower: Candidates,
    /// What the candidates whose fills may be wrong get.
    pub(super) fills: Vec<u32>,
    /// Bids of the level.
    pub(super) bids: Vec<u32>,
    /// Asks of the level.
    pub(super) asks: Vec<u32>,
    /// What sharing the level takes.
    sharing: rationing::Scratch,
}

/// Tables out of their vector, which is filled when first asked for: small books need none.
pub(super) fn tables_in(tables: &mut Vec<[i64; BINS]>) -> &mut Tables {
    tables.resize(2, [0; BINS]);
    &mut tables.as_chunks_mut::<2>().0[0]
}

/// Parts of a scratch that are used at once.
pub(super) struct Parts<'a> {
    pub candidates: &'a Candidates,
    pub tables: &'a mut Vec<[i64; BINS]>,
    pub near: &'a mut Candidates,
    pub narrower: &'a mut Candidates,
    pub fills: &'a mut Vec<u32>,
    pub bids: &'a mut Vec<u32>,
    pub asks: &'a mut Vec<u32>,
    pub sharing: &'a mut rationing::Scratch,
}

impl Scratch {
    pub(super) fn tables(&mut self) -> &mut Tables {
        tables_in(&mut self.tables)
    }

    pub(super) fn sharing(&mut self) -> &mut rationing::Scratch {
        &mut self.sharing
    }

    /// A list for the orders of a level, beside what sharing it takes.
    pub(super) fn level(&mut self) -> (&mut Vec<u32>, &mut rationing::Scratch) {
        (&mut self.bids, &mut self.sharing)
    }

    /// The sample beside tables.
    pub(super) fn sampling(&mut self) -> (&mut Sample, &mut Tables) {
        (&mut self.sample, tables_in(&mut self.tables))
    }

    pub(super) fn parts(&mut self) -> Parts<'_> {
        let Self { candidates, tables, near, narrower, fills, bids, asks, sharing, .. } = self;
        Parts { candidates, tables, near, narrower, fills, bids, asks, sharing }
    }
}

impl Lend for Scratch {
    fn idle() -> &'static Mutex<Vec<Box<Self>>> {
        #[expect(clippy::vec_box, reason = "a scratch changes hands without being moved")]
        static IDLE: Mutex<Vec<Box<Scratch>>> = Mutex::new(Vec::new());
        &IDLE
    }

    fn bytes(&self) -> usize {
        self.candidates.bytes()
            + self.near.bytes()
            + self.narrower.bytes()
            + 4 * (self.fills.capacity() + self.bids.capacity() + self.asks.capacity())
            + self.sharing.bytes()
    }
}

/// A scratch on loan.
pub type Lent = lent::Lent<Scratch>;
