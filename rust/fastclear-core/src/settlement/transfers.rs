//! Transfers: the general door to [`Accounts`], one result code a transfer.
//!
//! Every accepted transfer becomes a posting that [`Accounts::apply`] folds, so the bank, the ledger's verifier and
//! this engine share one double-entry core and its invariants (L-I1, L-I2, L-I4, L-I5 at each posting). On top come
//! what a posting does not know: assets, closed accounts, the credit check (L-I3), ids that may be sent again, linked
//! chains that are all or nothing (L-I9), and reservations that expire by engine time.
//!
//! The model follows that of the `TigerBeetle` database, with these differences: an account has a credit limit, a
//! balance is signed, a transfer without an id (0) is allowed and then never recognised again, time advances only
//! through [`Transfers::advance`], a post names its amount, and there are no balancing transfers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::accounts::{Account, Accounts, Before, FoldError};
use super::posting::{Kind, Posting};

/// What a transfer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferKind {
    /// Moves money now.
    Single,
    /// Reserves it; needs an id.
    Pending,
    /// Moves all or part of what `reference` reserved and releases the rest.
    Post,
    /// Releases what `reference` reserved.
    Void,
}

/// One transfer. Money in the account's smallest unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Unique name, or 0 for none.
    pub id: u128,
    /// Who pays. 0 in a post or void: as reserved.
    pub debit: u64,
    /// Who receives. 0 in a post or void: as reserved.
    pub credit: u64,
    /// Above zero; 0 in a void: as reserved.
    pub amount: i64,
    /// What it does.
    pub kind: TransferKind,
    /// The reservation that a post or void resolves, else 0.
    pub reference: u128,
    /// How long a reservation holds, ns of engine time; 0 is for ever.
    pub timeout_ns: u64,
    /// The caller's own reason; compared when an id comes again.
    pub code: u16,
    /// Whether the next transfer shares its fate.
    pub linked: bool,
}

/// What became of a transfer. Of several faults the one with the lowest number is reported, but for
/// [`Code::LinkedEventFailed`], which another member of the chain causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // the names are the words; the rest is said where a word does not say it
pub enum Code {
    Ok = 0,
    /// Another transfer of its chain failed.
    LinkedEventFailed = 1,
    /// The last transfer of a batch is linked to nothing.
    LinkedEventChainOpen = 2,
    /// A reservation without an id could never be resolved.
    IdMustNotBeZero = 3,
    ExistsWithDifferentKind = 4,
    ExistsWithDifferentDebit = 5,
    ExistsWithDifferentCredit = 6,
    ExistsWithDifferentAmount = 7,
    ExistsWithDifferentRef = 8,
    ExistsWithDifferentTimeout = 9,
    ExistsWithDifferentCode = 10,
    ExistsWithDifferentLinked = 11,
    /// The same transfer was accepted before.
    Exists = 12,
    /// The id failed before for a reason that may pass (not found, closed, not available, out of range); use a new one.
    IdAlreadyFailed = 13,
    AmountMustBePositive = 14,
    RefMustBeZero = 15,
    RefMustNotBeZero = 16,
    /// Only a reservation expires.
    TimeoutMustBeZero = 17,
    /// The expiry would be past 2⁶⁴ ns.
    TimeoutOutOfRange = 18,
    ReservationNotFound = 19,
    ReservationAlreadyPosted = 20,
    ReservationAlreadyVoided = 21,
    ReservationExpired = 22,
    /// A post or void names another debit, credit, or (a void) amount than was reserved.
    ReservationDiffers = 23,
    ExceedsReservation = 24,
    DebitNotFound = 25,
    CreditNotFound = 26,
    AccountsMustDiffer = 27,
    AssetsDiffer = 28,
    DebitClosed = 29,
    CreditClosed = 30,
    /// The debit account has less available.
    ExceedsAvailable = 31,
    /// A balance would leave 2¹²⁶.
    OutOfRange = 32,
}

impl Code {
    /// Whether the same transfer may pass later, so that its id is burnt now.
    const fn transient(self) -> bool {
        matches!(
            self,
            Self::ReservationNotFound
                | Self::DebitNotFound
                | Self::CreditNotFound
                | Self::DebitClosed
                | Self::CreditClosed
                | Self::ExceedsAvailable
                | Self::OutOfRange
        )
    }
}

/// Why an account cannot be opened or changed, or time not advanced. Nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// Account 0 means "as reserved".
    ZeroAccount,
    /// A limit below zero.
    NegativeLimit(i64),
    /// Engine time before the present one.
    TimeBackwards {
        /// The time.
        time_ns: u64,
        /// The present one.
        now_ns: u64,
    },
    /// The account cannot be opened again, or was never opened.
    Fold(FoldError),
}

/// What an account is beside its balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Unit of its money; a transfer stays inside one.
    pub asset: u16,
    /// Not held to its limit: a boundary through which money enters.
    pub unlimited: bool,
    /// Takes part in nothing but voids and expiries.
    pub closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Moved,
    Open,
    Posted,
    Voided,
    Expired,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    transfer: Transfer,
    seq: u64,
    expires_ns: u64,
    fate: Fate,
}

/// What one transfer of a chain changed, to be taken back.
struct Undo {
    before: Before,
    id: u128,
    resolved: Option<Record>,
}

/// Accounts, what was transferred under which id, and engine time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    accounts: Accounts,
    terms: BTreeMap<u64, Terms>,
    // Looked up, never walked in its own order.
    records: HashMap<u128, Record>,
    expiries: BTreeSet<(u64, u64, u128)>,
    seq: u64,
    now_ns: u64,
}

impl Transfers {
    /// No account, at time 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Balances, reservations and totals.
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// One account's balances.
    pub fn get(&self, id: u64) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// One account's terms.
    pub fn terms(&self, id: u64) -> Option<&Terms> {
        self.terms.get(&id)
    }

    /// Engine time.
    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn post(&mut self, kind: Kind, group: u64, debit: u64, credit: u64, amount: i64) -> Result<u64, FoldError> {
        let seq = self.seq;
        self.accounts.apply(&posting(seq, kind, group, (debit, credit), amount))?;
        self.seq += 1;
        Ok(seq)
    }

    /// Opens an account with a credit limit.
    ///
    /// # Errors
    /// Id 0, a negative limit, or an account that is open already.
    pub fn open(&mut self, id: u64, limit: i64, terms: Terms) -> Result<(), TransferError> {
        if id == 0 {
            return Err(TransferError::ZeroAccount);
        }
        if limit < 0 {
            return Err(TransferError::NegativeLimit(limit));
        }
        self.post(Kind::AccountOpened, 0, id, 0, 0).map_err(TransferError::Fold)?;
        self.terms.insert(id, terms);
        self.set_limit(id, limit)
    }

    /// Sets a credit limit. Below what is used, it refuses further debits and takes nothing back.
    ///
    /// # Errors
    /// A negative limit or an account that was never opened.
    pub fn set_limit(&mut self, id: u64, limit: i64) -> Result<(), TransferError> {
        if limit < 0 {
            return Err(TransferError::NegativeLimit(limit));
        }
        self.post(Kind::Limit, 0, id, 0, limit).map(drop).map_err(TransferError::Fold)
    }

    /// Closes an account, or opens it again.
    ///
    /// # Errors
    /// An account that was never opened.
    pub fn set_closed(&mut self, id: u64, closed: bool) -> Result<(), TransferError> {
        let unknown = FoldError::UnknownAccount { seq: self.seq, account: id };
        self.terms.get_mut(&id).ok_or(TransferError::Fold(unknown))?.closed = closed;
        Ok(())
    }

    /// Advances engine time and releases what has expired by then, in order of expiry, then of reservation.
    ///
    /// # Errors
    /// Time never goes back.
    pub fn advance(&mut self, time_ns: u64) -> Result<Vec<u128>, TransferError> {
        if time_ns < self.now_ns {
            return Err(TransferError::TimeBackwards { time_ns, now_ns: self.now_ns });
        }
        let mut expired = Vec::new();
        while let Some(&(expires_ns, seq, id)) = self.expiries.first() {
            if expires_ns > time_ns {
                break;
            }
            let t = self.records[&id].transfer;
            self.post(Kind::Void, seq, t.debit, t.credit, t.amount).map_err(TransferError::Fold)?;
            self.expiries.pop_first();
            self.records.entry(id).and_modify(|record| record.fate = Fate::Expired);
            expired.push(id);
        }
        self.now_ns = time_ns;
        Ok(expired)
    }

    /// Executes a batch in order. A bad transfer gets its code and fails nothing but its own chain.
    ///
    /// # Panics
    /// Where an invariant is broken: a fault of this library.
    pub fn submit(&mut self, batch: &[Transfer]) -> Vec<Code> {
        let mut codes = Vec::with_capacity(batch.len());
        while codes.len() < batch.len() {
            let start = codes.len();
            let rest = &batch[start..];
            let links = rest.iter().position(|t| !t.linked);
            let chain = &rest[..links.map_or(rest.len(), |last| last + 1)];
            self.submit_chain(chain, links.is_none(), &mut codes);
            assert_eq!(codes.len(), start + chain.len(), "one code a transfer");
        }
        assert!(self.accounts.totals().balanced(), "L-I1 and L-I2 hold after every batch");
        codes
    }

    fn submit_chain(&mut self, chain: &[Transfer], open: bool, codes: &mut Vec<Code>) {
        let (start, seq) = (codes.len(), self.seq);
        let mut undo = Vec::with_capacity(chain.len());
        for (place, t) in chain.iter().enumerate() {
            let ended = open && place + 1 == chain.len();
            let code = if ended { Code::LinkedEventChainOpen } else { self.execute(t, &mut undo) };
            codes.push(code);
            if code == Code::Ok {
                continue;
            }
            for change in undo.iter().rev() {
                self.take_back(change);
            }
            self.seq = seq;
            // Only the transfer at fault burns its id: the others may come again alone.
            if code.transient() && t.id != 0 {
                let failed = Record { transfer: *t, seq: 0, expires_ns: 0, fate: Fate::Failed };
                self.records.insert(t.id, failed);
            }
            codes[start..start + place].fill(Code::LinkedEventFailed);
            codes.resize(start + chain.len(), Code::LinkedEventFailed);
            if open {
                codes[start + chain.len() - 1] = Code::LinkedEventChainOpen;
            }
            return;
        }
    }

    fn execute(&mut self, t: &Transfer, undo: &mut Vec<Undo>) -> Code {
        match self.judge(t) {
            Ok(plan) => self.carry_out(t, &plan, undo),
            Err(code) => code,
        }
    }

    /// The first fault in the order of the codes, or what to do. Changes nothing.
    fn judge(&self, t: &Transfer) -> Result<Plan, Code> {
        use TransferKind::{Pending, Post, Single, Void};
        let resolves = matches!(t.kind, Post | Void);
        let fail = |fault: bool, code: Code| if fault { Err(code) } else { Ok(()) };
        fail(t.kind == Pending && t.id == 0, Code::IdMustNotBeZero)?;
        if t.id != 0
            && let Some(record) = self.records.get(&t.id)
        {
            return Err(if record.fate == Fate::Failed { Code::IdAlreadyFailed } else { again(t, &record.transfer) });
        }
        fail(t.amount < 0 || (t.amount == 0 && t.kind != Void), Code::AmountMustBePositive)?;
        fail(!resolves && t.reference != 0, Code::RefMustBeZero)?;
        fail(resolves && t.reference == 0, Code::RefMustNotBeZero)?;
        fail(t.kind != Pending && t.timeout_ns != 0, Code::TimeoutMustBeZero)?;
        let expires_ns = match t.timeout_ns {
            0 => 0,
            timeout => self.now_ns.checked_add(timeout).ok_or(Code::TimeoutOutOfRange)?,
        };
        let mut plan = Plan { debit: t.debit, credit: t.credit, amount: t.amount, held: None, expires_ns };
        if resolves {
            let held = *self.records.get(&t.reference).ok_or(Code::ReservationNotFound)?;
            match held.fate {
                Fate::Moved | Fate::Failed => return Err(Code::ReservationNotFound),
                Fate::Posted => return Err(Code::ReservationAlreadyPosted),
                Fate::Voided => return Err(Code::ReservationAlreadyVoided),
                Fate::Expired => return Err(Code::ReservationExpired),
                Fate::Open => {}
            }
            let of = held.transfer;
            let other = (t.debit != 0 && t.debit != of.debit) || (t.credit != 0 && t.credit != of.credit);
            let whole = t.kind == Post || t.amount == 0 || t.amount == of.amount;
            fail(other || !whole, Code::ReservationDiffers)?;
            fail(t.amount > of.amount, Code::ExceedsReservation)?;
            let amount = if t.kind == Void { of.amount } else { t.amount };
            plan = Plan { debit: of.debit, credit: of.credit, amount, held: Some(held), expires_ns };
        }
        let payer = self.terms.get(&plan.debit).ok_or(Code::DebitNotFound)?;
        let payee = self.terms.get(&plan.credit).ok_or(Code::CreditNotFound)?;
        fail(plan.debit == plan.credit, Code::AccountsMustDiffer)?;
        fail(payer.asset != payee.asset, Code::AssetsDiffer)?;
        fail(payer.closed && t.kind != Void, Code::DebitClosed)?;
        fail(payee.closed && t.kind != Void, Code::CreditClosed)?;
        if matches!(t.kind, Single | Pending) && !payer.unlimited {
            let available = self.accounts.get(plan.debit).map_or(0, Account::available);
            fail(i128::from(t.amount) > available, Code::ExceedsAvailable)?;
        }
        Ok(plan)
    }

    fn carry_out(&mut self, t: &Transfer, plan: &Plan, undo: &mut Vec<Undo>) -> Code {
        let (kind, fate) = match t.kind {
            TransferKind::Single => (Kind::Trade, Fate::Moved),
            TransferKind::Pending => (Kind::Reserve, Fate::Open),
            TransferKind::Post => (Kind::Post, Fate::Moved),
            TransferKind::Void => (Kind::Void, Fate::Moved),
        };
        let group = plan.held.map_or(0, |held| held.seq);
        let (debit, credit, amount) = (plan.debit, plan.credit, plan.amount);
        let before = self.accounts.before(&posting(self.seq, kind, group, (debit, credit), amount));
        match self.post(kind, group, debit, credit, amount) {
            Ok(seq) => {
                undo.push(Undo { before, id: t.id, resolved: plan.held });
                if let Some(held) = plan.held {
                    let fate = if t.kind == TransferKind::Post { Fate::Posted } else { Fate::Voided };
                    self.records.insert(t.reference, Record { fate, ..held });
                    self.expiries.remove(&(held.expires_ns, held.seq, t.reference));
                }
                if t.id != 0 {
                    self.records.insert(t.id, Record { transfer: *t, seq, expires_ns: plan.expires_ns, fate });
                }
                if plan.expires_ns != 0 {
                    self.expiries.insert((plan.expires_ns, seq, t.id));
                }
                Code::Ok
            }
            Err(FoldError::OutOfRange { .. }) => Code::OutOfRange,
            Err(fault) => unreachable!("judged before: {fault}"),
        }
    }

    fn take_back(&mut self, change: &Undo) {
        if let Some(record) = self.records.remove(&change.id) {
            self.expiries.remove(&(record.expires_ns, record.seq, change.id));
        }
        if let Some(held) = change.resolved {
            self.records.insert(held.transfer.id, held);
            if held.expires_ns != 0 {
                self.expiries.insert((held.expires_ns, held.seq, held.transfer.id));
            }
        }
        self.accounts.restore(&change.before);
    }

    /// Everything recomputed: totals (L-I1, L-I2), each asset's sum, and that open records, open reservations and
    /// expiries are the same set (L-I5). O(accounts + ids).
    pub fn audit(&self) -> bool {
        let mut by_asset: BTreeMap<u16, i128> = BTreeMap::new();
        for (id, terms) in &self.terms {
            *by_asset.entry(terms.asset).or_insert(0) += self.get(*id).map_or(0, |account| account.posted);
        }
        let open = || self.records.values().filter(|record| record.fate == Fate::Open);
        let same = open().all(|record| {
            let t = record.transfer;
            self.accounts
                .reservation(record.seq)
                .is_some_and(|r| (r.debit, r.credit, r.amount) == (t.debit, t.credit, t.amount))
                && (record.expires_ns == 0 || self.expiries.contains(&(record.expires_ns, record.seq, t.id)))
        });
        self.accounts.audit()
            && by_asset.values().all(|&sum| sum == 0)
            && self.terms.len() == self.accounts.len()
            && same
            && open().count() == self.accounts.reservations().len()
            && open().filter(|record| record.expires_ns != 0).count() == self.expiries.len()
    }
}

/// A posting with what the fold reads; the rest belongs to the market's records.
const fn posting(seq: u64, kind: Kind, group: u64, (debit, credit): (u64, u64), amount: i64) -> Posting {
    let (time_ns, market, buy_order, sell_order, quantity, price) = (0, 0, 0, 0, 0, 0);
    let (flags, code, asset) = (0, 0, 0);
    Posting {
        kind,
        flags,
        code,
        asset,
        seq,
        time_ns,
        market,
        buy_order,
        sell_order,
        debit,
        credit,
        quantity,
        price,
        amount,
        group,
    }
}

/// What an accepted transfer will do.
struct Plan {
    debit: u64,
    credit: u64,
    amount: i64,
    held: Option<Record>,
    expires_ns: u64,
}

/// An id that was accepted before: the first field that differs.
fn again(new: &Transfer, old: &Transfer) -> Code {
    let fields = [
        (new.kind != old.kind, Code::ExistsWithDifferentKind),
        (new.debit != old.debit, Code::ExistsWithDifferentDebit),
        (new.credit != old.credit, Code::ExistsWithDifferentCredit),
        (new.amount != old.amount, Code::ExistsWithDifferentAmount),
        (new.reference != old.reference, Code::ExistsWithDifferentRef),
        (new.timeout_ns != old.timeout_ns, Code::ExistsWithDifferentTimeout),
        (new.code != old.code, Code::ExistsWithDifferentCode),
        (new.linked != old.linked, Code::ExistsWithDifferentLinked),
    ];
    fields.iter().find(|(differs, _)| *differs).map_or(Code::Exists, |&(_, code)| code)
}

#[cfg(test)]
#[path = "transfers_tests.rs"]
mod tests;
