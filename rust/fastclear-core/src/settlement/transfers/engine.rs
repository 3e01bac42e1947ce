//! One transfer of any kind: judged, carried out, and taken back where its chain fails.

use super::plain::AccountId;
use super::records::{Fate, NONE, Record};
use super::{Code, Columns, Transfer, TransferError, TransferKind, Transfers};

/// How far ahead the balances of a transfer are asked for.
const AHEAD: usize = 24;

/// What an accepted transfer will do.
#[derive(Clone, Copy)]
struct Plan {
    debit: usize,
    credit: usize,
    amount: i64,
    /// The reservation that it resolves.
    held: Option<u32>,
    expires_ns: u64,
}

/// Where a chain began, to go back to.
#[derive(Clone, Copy)]
pub(super) struct Start {
    records: usize,
    reserved: i128,
}

impl<A: AccountId> Columns<'_, A> {
    /// Whether every row is two accounts and an amount, and nothing else.
    fn is_plain(&self) -> bool {
        let columns = [self.id, self.id_high, self.reference, self.reference_high, self.timeout_ns];
        columns.iter().all(Option::is_none) && self.kind.is_none() && self.linked.is_none()
    }

    /// One row; a kind that is none was refused before.
    #[inline]
    pub(super) fn row(&self, row: usize) -> Transfer {
        let wide = |low: Option<&[u64]>, high: Option<&[u64]>| {
            u128::from(high.map_or(0, |high| high[row])) << 64 | u128::from(low.map_or(0, |low| low[row]))
        };
        Transfer {
            id: wide(self.id, self.id_high),
            debit: self.debit[row].wide(),
            credit: self.credit[row].wide(),
            amount: self.amount[row],
            kind: TransferKind::ALL[usize::from(self.kind.map_or(0, |kind| kind[row]) & 3)],
            reference: wide(self.reference, self.reference_high),
            timeout_ns: self.timeout_ns.map_or(0, |timeout| timeout[row]),
            code: self.code.map_or(0, |code| code[row]),
            linked: self.linked.is_some_and(|linked| linked[row] != 0),
        }
    }

    /// Refuses columns of different lengths and unknown kinds.
    fn check(&self) -> Result<(), TransferError> {
        let rows = self.debit.len();
        let length = |column: Option<&[u64]>| column.map_or(rows, <[u64]>::len);
        for (column, length) in [
            ("credit", self.credit.len()),
            ("amount", self.amount.len()),
            ("id", length(self.id)),
            ("id_high", length(self.id_high)),
            ("kind", self.kind.map_or(rows, <[u8]>::len)),
            ("reference", length(self.reference)),
            ("reference_high", length(self.reference_high)),
            ("timeout_ns", length(self.timeout_ns)),
            ("code", self.code.map_or(rows, <[u16]>::len)),
            ("linked", self.linked.map_or(rows, <[u8]>::len)),
        ] {
            if length != rows {
                return Err(TransferError::Length { column, length, rows });
            }
        }
        let kinds = self.kind.unwrap_or_default();
        match kinds.iter().position(|&kind| usize::from(kind) >= TransferKind::ALL.len()) {
            Some(row) => Err(TransferError::UnknownKind { row, kind: kinds[row] }),
            None => Ok(()),
        }
    }
}

impl Transfers {
    /// Executes transfers in order, one code each. A bad transfer fails nothing but its own chain. O(rows).
    ///
    /// # Errors
    /// Columns of different lengths, an unknown kind, or more ids than can be kept: then nothing has happened.
    pub fn submit<A: AccountId>(&mut self, columns: &Columns<'_, A>) -> Result<Vec<u8>, TransferError> {
        columns.check()?;
        let rows = columns.debit.len();
        let mut codes = vec![Code::Ok as u8; rows];
        if columns.is_plain() {
            self.submit_plain(columns.debit, columns.credit, columns.amount, &mut codes);
            return Ok(codes);
        }
        if self.records.len().saturating_add(rows) >= NONE as usize {
            return Err(TransferError::TooManyIds);
        }
        if columns.id.is_some() || columns.id_high.is_some() {
            self.records.reserve(rows);
        }
        let mut row = 0;
        while row < rows {
            let linked = columns.linked.is_some_and(|linked| linked[row] != 0);
            if !linked {
                if let Some(ahead) = columns.debit.get(row + AHEAD) {
                    self.store.prefetch(ahead.wide());
                    self.store.prefetch(columns.credit[row + AHEAD].wide());
                }
                codes[row] = self.submit_one(&columns.row(row)) as u8;
                row += 1;
                continue;
            }
            let flags = &columns.linked.unwrap_or_default()[row..];
            let last = flags.iter().position(|&linked| linked == 0);
            let end = row + last.map_or(flags.len(), |last| last + 1);
            self.submit_chain(columns, row, last.is_none(), &mut codes[row..end]);
            row = end;
        }
        self.records.tidy();
        Ok(codes)
    }

    /// Executes one transfer that is linked to nothing.
    #[inline]
    fn submit_one(&mut self, t: &Transfer) -> Code {
        match self.judge(t).and_then(|plan| self.carry_out(t, &plan)) {
            Ok(()) => Code::Ok,
            Err(code) => {
                self.burn(t, code);
                code
            }
        }
    }

    /// Executes a chain that starts at a row of the columns; `open` where it never ends.
    fn submit_chain<A: AccountId>(&mut self, columns: &Columns<'_, A>, first: usize, open: bool, codes: &mut [u8]) {
        let start = self.begin();
        for place in 0..codes.len() {
            let t = columns.row(first + place);
            let code = if open && place + 1 == codes.len() { Code::LinkedEventChainOpen } else { self.link(&t) };
            if code == Code::Ok {
                continue;
            }
            self.go_back(start);
            self.burn(&t, code);
            codes.fill(Code::LinkedEventFailed as u8);
            codes[place] = code as u8;
            if open {
                codes[codes.len() - 1] = Code::LinkedEventChainOpen as u8;
            }
            return;
        }
    }

    /// Begins a chain.
    pub(super) fn begin(&mut self) -> Start {
        self.undo.balances.clear();
        self.undo.resolved.clear();
        Start { records: self.records.len(), reserved: self.store.reserved }
    }

    /// Executes one transfer of a chain, and keeps what it changes.
    pub(super) fn link(&mut self, t: &Transfer) -> Code {
        let plan = match self.judge(t) {
            Ok(plan) => plan,
            Err(code) => return code,
        };
        let saved = [self.store.save(plan.debit), self.store.save(plan.credit)];
        if let Err(code) = self.carry_out(t, &plan) {
            return code;
        }
        self.undo.balances.extend(saved);
        self.undo.resolved.extend(plan.held);
        Code::Ok
    }

    /// Takes back everything since the chain began.
    pub(super) fn go_back(&mut self, start: Start) {
        for saved in self.undo.balances.iter().rev() {
            self.store.put_back(saved);
        }
        for &reservation in self.undo.resolved.iter().rev() {
            self.records.set_fate(reservation, Fate::Open);
        }
        self.records.truncate(start.records);
        self.store.reserved = start.reserved;
    }

    /// Keeps the id of a transfer that failed for a reason that may pass: it must not succeed later by a retry.
    pub(super) fn burn(&mut self, t: &Transfer, code: Code) {
        if !code.transient() || t.id == 0 {
            return;
        }
        self.records.push(Record {
            id: t.id,
            amount: 0,
            timeout_ns: 0,
            expires_ns: 0,
            debit: NONE,
            credit: NONE,
            reference: NONE,
            code: 0,
            kind: t.kind,
            fate: Fate::Failed,
            linked: false,
            named: (false, false),
        });
    }

    /// The first fault in the order of the codes, or what to do. Changes nothing.
    #[inline]
    fn judge(&self, t: &Transfer) -> Result<Plan, Code> {
        use TransferKind::{Pending, Post, Single, Void};
        let resolves = matches!(t.kind, Post | Void);
        let fail = |fault: bool, code: Code| if fault { Err(code) } else { Ok(()) };
        fail(t.kind == Pending && t.id == 0, Code::IdMustNotBeZero)?;
        if t.id != 0
            && let Some(place) = self.records.find(t.id)
        {
            return Err(self.again(t, place));
        }
        fail(t.amount < 0 || (t.amount == 0 && t.kind != Void), Code::AmountMustBePositive)?;
        fail(!resolves && t.reference != 0, Code::ReferenceMustBeZero)?;
        fail(resolves && t.reference == 0, Code::ReferenceMustNotBeZero)?;
        fail(t.kind != Pending && t.timeout_ns != 0, Code::TimeoutMustBeZero)?;
        let expires_ns = match t.timeout_ns {
            0 => 0,
            timeout => self.now_ns.checked_add(timeout).ok_or(Code::TimeoutOutOfRange)?,
        };
        let plan = if resolves {
            self.resolution(t)?
        } else {
            let debit = self.store.place(t.debit).ok_or(Code::DebitNotFound)?;
            let credit = self.store.place(t.credit).ok_or(Code::CreditNotFound)?;
            Plan { debit, credit, amount: t.amount, held: None, expires_ns }
        };
        fail(plan.debit == plan.credit, Code::AccountsMustDiffer)?;
        fail(!self.store.same_asset(plan.debit, plan.credit), Code::AssetsDiffer)?;
        fail(self.store.is_closed(plan.debit) && t.kind != Void, Code::DebitClosed)?;
        fail(self.store.is_closed(plan.credit) && t.kind != Void, Code::CreditClosed)?;
        let debits = matches!(t.kind, Single | Pending);
        fail(debits && !self.store.covers(plan.debit, t.amount), Code::ExceedsAvailable)?;
        Ok(plan)
    }

    fn again(&self, t: &Transfer, place: u32) -> Code {
        let record = self.records.get(place);
        match record.fate {
            Fate::Failed => Code::IdAlreadyFailed,
            _ => self.records.again(t, record, |place| self.store.id(place as usize)),
        }
    }

    /// What a post or void will do with the reservation that it names.
    fn resolution(&self, t: &Transfer) -> Result<Plan, Code> {
        let held = self.records.find(t.reference).ok_or(Code::ReservationNotFound)?;
        let of = self.records.get(held);
        match of.fate {
            Fate::Moved | Fate::Failed => return Err(Code::ReservationNotFound),
            Fate::Posted => return Err(Code::ReservationAlreadyPosted),
            Fate::Voided => return Err(Code::ReservationAlreadyVoided),
            Fate::Expired => return Err(Code::ReservationExpired),
            Fate::Open => {}
        }
        let (debit, credit) = (of.debit as usize, of.credit as usize);
        let other = |account: u64, place: usize| account != 0 && account != self.store.id(place);
        let is_void = t.kind == TransferKind::Void;
        let part = is_void && t.amount != 0 && t.amount != of.amount;
        if other(t.debit, debit) || other(t.credit, credit) || part {
            return Err(Code::ReservationDiffers);
        }
        if t.amount > of.amount {
            return Err(Code::ExceedsReservation);
        }
        let amount = if is_void { 0 } else { t.amount };
        Ok(Plan { debit, credit, amount, held: Some(held), expires_ns: 0 })
    }

    /// Moves the money and keeps the record, or changes nothing where a balance would leave its range.
    #[inline]
    fn carry_out(&mut self, t: &Transfer, plan: &Plan) -> Result<(), Code> {
        let &Plan { debit, credit, amount, held, expires_ns } = plan;
        let (posted, pending, fate) = match (t.kind, held) {
            (TransferKind::Pending, _) => (0, i128::from(amount), Fate::Open),
            (_, Some(held)) => (amount, -i128::from(self.records.get(held).amount), Fate::Moved),
            (_, None) => (amount, 0, Fate::Moved),
        };
        if !self.store.shift(debit, credit, posted, pending) {
            return Err(Code::OutOfRange);
        }
        if let Some(held) = held {
            self.records.set_fate(held, if t.kind == TransferKind::Post { Fate::Posted } else { Fate::Voided });
        }
        if t.id != 0 {
            self.records.push(Record {
                id: t.id,
                amount: t.amount,
                timeout_ns: t.timeout_ns,
                expires_ns,
                debit: debit as u32,
                credit: credit as u32,
                reference: held.unwrap_or(NONE),
                code: t.code,
                kind: t.kind,
                fate,
                linked: t.linked,
                named: (t.debit != 0, t.credit != 0),
            });
        }
        Ok(())
    }

    /// Releases a reservation whose time has come, and returns its id.
    pub(super) fn expire(&mut self, place: u32) -> u128 {
        let &Record { id, debit, credit, amount, .. } = self.records.get(place);
        // Less is reserved afterwards and no balance changes, so that nothing can leave its range.
        self.store.shift(debit as usize, credit as usize, 0, -i128::from(amount));
        self.records.set_fate(place, Fate::Expired);
        id
    }

    /// One transfer of two accounts and an amount, by the rules for all.
    pub(super) fn submit_exact(&mut self, debit: u64, credit: u64, amount: i64) -> Code {
        let kind = TransferKind::Single;
        let (id, reference, timeout_ns, code, linked) = (0, 0, 0, 0, false);
        self.submit_one(&Transfer { id, debit, credit, amount, kind, reference, timeout_ns, code, linked })
    }
}
