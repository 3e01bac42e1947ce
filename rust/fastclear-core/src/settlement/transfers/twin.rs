//! The twin of [`super::Transfers`]: the same rules over the fold of the bank, [`Accounts::apply`], and ordered maps.
//!
//! Every accepted transfer becomes a posting that the fold of bank and ledger verifier applies, so the comparison says
//! too that transfers and bank are one double-entry core.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Code, Terms, Transfer, TransferKind};
use crate::settlement::accounts::{Account, Accounts, FoldError};
use crate::settlement::posting::{Kind, Posting};

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

/// Accounts, what was transferred under which id, and engine time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Twin {
    accounts: Accounts,
    terms: BTreeMap<u64, Terms>,
    // Looked up, never walked in its own order.
    records: HashMap<u128, Record>,
    expiries: BTreeSet<(u64, u64, u128)>,
    seq: u64,
    now_ns: u64,
}

impl Twin {
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    pub fn terms(&self, id: u64) -> Option<&Terms> {
        self.terms.get(&id)
    }

    fn get(&self, id: u64) -> Option<&Account> {
        self.accounts.get(id)
    }

    fn post(&mut self, kind: Kind, group: u64, debit: u64, credit: u64, amount: i64) -> Result<u64, FoldError> {
        let seq = self.seq;
        self.accounts.apply(&posting(seq, kind, group, (debit, credit), amount))?;
        self.seq += 1;
        Ok(seq)
    }

    pub fn open(&mut self, id: u64, limit: i64, terms: Terms) {
        self.post(Kind::AccountOpened, 0, id, 0, 0).unwrap();
        self.terms.insert(id, terms);
        self.set_limit(id, limit);
    }

    pub fn set_limit(&mut self, id: u64, limit: i64) {
        self.post(Kind::Limit, 0, id, 0, limit).unwrap();
    }

    pub fn set_closed(&mut self, id: u64, closed: bool) {
        self.terms.get_mut(&id).unwrap().closed = closed;
    }

    pub fn advance(&mut self, time_ns: u64) -> Vec<u128> {
        let mut expired = Vec::new();
        while let Some(&(expires_ns, seq, id)) = self.expiries.first() {
            if expires_ns > time_ns {
                break;
            }
            let t = self.records[&id].transfer;
            self.post(Kind::Void, seq, t.debit, t.credit, t.amount).unwrap();
            self.expiries.pop_first();
            self.records.entry(id).and_modify(|record| record.fate = Fate::Expired);
            expired.push(id);
        }
        self.now_ns = time_ns;
        expired
    }

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

    /// The obvious way to make a chain atomic: try it on a copy, and keep the copy if all pass.
    fn submit_chain(&mut self, chain: &[Transfer], open: bool, codes: &mut Vec<Code>) {
        if let ([t], false) = (chain, open) {
            let code = self.execute(t).err().unwrap_or(Code::Ok);
            self.keep_failed(t, code);
            codes.push(code);
            return;
        }
        let mut copy = self.clone();
        // The end of a chain that never ends is not tried.
        let tried = if open { &chain[..chain.len() - 1] } else { chain };
        let fault = (0..).zip(tried).find_map(|(place, t)| Some((place, *t, copy.execute(t).err()?)));
        let start = codes.len();
        codes.resize(start + chain.len(), if open || fault.is_some() { Code::LinkedEventFailed } else { Code::Ok });
        match fault {
            None if !open => *self = copy,
            None => {}
            Some((place, transfer, code)) => {
                codes[start + place] = code;
                self.keep_failed(&transfer, code);
            }
        }
        if open {
            codes[start + chain.len() - 1] = Code::LinkedEventChainOpen;
        }
    }

    /// Only the transfer at fault burns its id: the others of a chain may come again alone.
    fn keep_failed(&mut self, t: &Transfer, code: Code) {
        if code.transient() && t.id != 0 {
            self.records.insert(t.id, Record { transfer: *t, seq: 0, expires_ns: 0, fate: Fate::Failed });
        }
    }

    fn execute(&mut self, t: &Transfer) -> Result<(), Code> {
        let plan = self.judge(t)?;
        self.carry_out(t, &plan)
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
        fail(!resolves && t.reference != 0, Code::ReferenceMustBeZero)?;
        fail(resolves && t.reference == 0, Code::ReferenceMustNotBeZero)?;
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

    fn carry_out(&mut self, t: &Transfer, plan: &Plan) -> Result<(), Code> {
        let (kind, fate) = match t.kind {
            TransferKind::Single => (Kind::Trade, Fate::Moved),
            TransferKind::Pending => (Kind::Reserve, Fate::Open),
            TransferKind::Post => (Kind::Post, Fate::Moved),
            TransferKind::Void => (Kind::Void, Fate::Moved),
        };
        let group = plan.held.map_or(0, |held| held.seq);
        let seq = match self.post(kind, group, plan.debit, plan.credit, plan.amount) {
            Ok(seq) => seq,
            Err(FoldError::OutOfRange { .. }) => return Err(Code::OutOfRange),
            Err(fault) => panic!("judged before: {fault}"),
        };
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
        Ok(())
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
        (new.reference != old.reference, Code::ExistsWithDifferentReference),
        (new.timeout_ns != old.timeout_ns, Code::ExistsWithDifferentTimeout),
        (new.code != old.code, Code::ExistsWithDifferentCode),
        (new.linked != old.linked, Code::ExistsWithDifferentLinked),
    ];
    fields.iter().find(|(differs, _)| *differs).map_or(Code::Exists, |&(_, code)| code)
}
