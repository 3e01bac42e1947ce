//! Postings that are kept all together or not at all.
#![expect(clippy::inline_always, reason = "a line of a slot stays in registers from its trade to its posting")]

use super::accounts::{Accounts, MONEY};
use super::error::SettleError;
use super::posting::{Kind, Posting};

/// One line before it has its place in the history. The amount is signed: see [`Draft::push`].
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub kind: Kind,
    pub code: u16,
    pub asset: u16,
    pub market: u64,
    pub buy_order: u64,
    pub sell_order: u64,
    pub debit: u64,
    pub credit: u64,
    pub quantity: i64,
    pub price: i64,
    pub amount: i128,
    /// `None` where the line stands alone.
    pub group: Option<u64>,
}

impl Line {
    /// A line that moves `amount` from `debit` to `credit` and says nothing else.
    pub const fn new(kind: Kind, debit: u64, credit: u64, amount: i128) -> Self {
        Self {
            kind,
            code: 0,
            asset: MONEY,
            market: 0,
            buy_order: 0,
            sell_order: 0,
            debit,
            credit,
            quantity: 0,
            price: 0,
            amount,
            group: None,
        }
    }
}

/// Where the next posting stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub seq: u64,
    pub time_ns: u64,
}

/// A growing batch of postings, each already folded into the accounts; dropped without [`Draft::commit`], it takes
/// every one of them back.
pub(super) struct Draft<'a> {
    accounts: &'a mut Accounts,
    next: Position,
    postings: Vec<Posting>,
    /// What some postings replaced, for taking them back, in their order.
    replaced: Vec<i128>,
    /// Places to be left over for postings that were made before.
    spare: usize,
}

impl<'a> Draft<'a> {
    pub fn new(accounts: &'a mut Accounts, next: Position) -> Self {
        Self { accounts, next, postings: Vec::new(), replaced: Vec::new(), spare: 0 }
    }

    /// The accounts with everything pushed so far.
    pub fn accounts(&self) -> &Accounts {
        self.accounts
    }

    /// Folds one line in and returns its `seq`.
    pub fn push(&mut self, line: Line) -> Result<u64, SettleError> {
        self.push_here(line)
    }

    /// [`Draft::push`] for lines of which a slot has millions: its own code at each place, so that what the line does not
    /// say is not asked.
    ///
    /// A negative amount exchanges debit and credit: this is the only place where the sign rule lives.
    #[inline(always)]
    pub fn push_here(&mut self, line: Line) -> Result<u64, SettleError> {
        let (debit, credit) = if line.amount < 0 { (line.credit, line.debit) } else { (line.debit, line.credit) };
        let amount = i64::try_from(line.amount.unsigned_abs())
            .map_err(|_| SettleError::AmountOutOfRange { account: debit.max(credit) })?;
        let Position { seq, time_ns } = self.next;
        let posting = Posting {
            kind: line.kind,
            flags: 0,
            code: line.code,
            asset: line.asset,
            seq,
            time_ns,
            market: line.market,
            buy_order: line.buy_order,
            sell_order: line.sell_order,
            debit,
            credit,
            quantity: line.quantity,
            price: line.price,
            amount,
            group: line.group.unwrap_or(seq),
        };
        let replaced = self.accounts.replaced(&posting);
        self.accounts.apply_here(&posting)?;
        self.replaced.extend(replaced);
        self.postings.push(posting);
        self.next = Position { seq: seq + 1, time_ns: time_ns + 1 };
        Ok(seq)
    }

    /// Has so many places left over, whatever room is made.
    pub const fn leave(&mut self, spare: usize) {
        self.spare = spare;
    }

    /// Makes room for `more` postings.
    pub fn expect(&mut self, more: usize) {
        self.postings.reserve(more + self.spare);
    }

    /// The postings pushed so far.
    pub fn postings(&self) -> &[Posting] {
        &self.postings
    }

    /// Where the next posting stands.
    pub const fn next(&self) -> Position {
        self.next
    }

    /// When the next posting is made.
    pub const fn time_ns(&self) -> u64 {
        self.next.time_ns
    }

    /// Keeps everything.
    pub fn commit(mut self) -> (Vec<Posting>, Position) {
        (std::mem::take(&mut self.postings), self.next)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        while let Some(posting) = self.postings.pop() {
            let replaces = matches!(posting.kind, Kind::Limit | Kind::Post | Kind::Void);
            let replaced = if replaces { self.replaced.pop() } else { None };
            self.accounts.take_back(&posting, replaced);
        }
    }
}
