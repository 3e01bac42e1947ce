//! Slots that are provisional at first, and taken back or confirmed later.
//!
//! What a member earns in a slot, on balance, is set aside by a reservation of its own, so that it can be neither bid
//! with nor withdrawn. When the delay has passed the reservation is released and the slot is confirmed for good. Until
//! then the slot can be taken back: every line of it is posted once more the other way round, linked to what it takes
//! back, and the reservations of its orders are made again.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::accounts::{CLEARING, is_member};
use super::bank::Bank;
use super::draft::{Draft, Line};
use super::error::SettleError;
use super::open_orders::OrderKey;
use super::posting::{Kind, Posting};
use super::resettlement::{CORRECTION_REVERSED, SettledSlot};
use super::slot::Outcome;

/// `code` of a [`Kind::Reserve`]: what a member earned in a slot that is not confirmed.
pub const RESERVE_PROVISIONAL: u16 = 1;
/// `code` of a [`Kind::Reserve`]: the cover of an order whose slot was taken back.
pub const RESERVE_RESTORED: u16 = 2;
/// `code` of a [`Kind::Void`]: what was provisional is confirmed.
pub const VOID_CONFIRMED: u16 = 1;
/// `code` of a [`Kind::Void`]: what was provisional is counted anew, or taken back.
pub const VOID_TAKEN_BACK: u16 = 2;

/// Every line of a provisional slot that `code` tells apart within a kind, with its stable name.
pub const LINES: [(Kind, u16, &str); 4] = [
    (Kind::Reserve, RESERVE_PROVISIONAL, "provisional"),
    (Kind::Reserve, RESERVE_RESTORED, "restored"),
    (Kind::Void, VOID_CONFIRMED, "confirmed"),
    (Kind::Void, VOID_TAKEN_BACK, "taken_back"),
];

/// What a bank knows of all its provisional slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// How long a slot stays provisional, ns; 0: every slot is final at once, and nothing is kept.
    pub after_ns: u64,
    /// Slots that are not confirmed, in the order of settling, and when each is.
    pub queue: VecDeque<(u64, usize)>,
    /// Earnings that are not confirmed, by member.
    pub unconfirmed: BTreeMap<u64, i128>,
    /// Earnings of confirmed slots, by member, since the beginning.
    pub confirmed: BTreeMap<u64, i128>,
}

/// Where a slot stands.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// It stays.
    Final,
    /// It may be taken back.
    Provisional(Box<Provisional>),
    /// It was taken back.
    Reversed,
}

/// What taking a slot back needs.
#[derive(Clone, Debug)]
pub(super) struct Provisional {
    /// Its postings, of all versions, in order.
    lines: Vec<Posting>,
    /// Reservations that it drew or released, with the cover of each.
    closed: Vec<((OrderKey, u64), i64)>,
    /// ns since 1970 UTC.
    slot: Option<i64>,
    /// What each member earned, and the reservation of it.
    holds: BTreeMap<u64, (u64, i64)>,
}

impl Provisional {
    /// A slot that `draft` has just settled; sets aside what its members earned.
    pub fn new(draft: &mut Draft<'_>, outcome: &Outcome, slot: Option<i64>) -> Result<Self, SettleError> {
        let closed = outcome.closed.iter().copied().zip(outcome.covers.iter().copied()).collect();
        let mut provisional = Self { lines: draft.postings().to_vec(), closed, slot, holds: BTreeMap::new() };
        provisional.hold(draft)?;
        Ok(provisional)
    }

    /// Takes in the lines of a later version, which are all that `draft` has.
    pub fn add(&mut self, draft: &mut Draft<'_>) -> Result<(), SettleError> {
        self.lines.extend_from_slice(draft.postings());
        self.hold(draft)
    }

    /// What each member earned so far.
    fn earned(&self) -> BTreeMap<u64, i128> {
        let mut earned: BTreeMap<u64, i128> = BTreeMap::new();
        for p in self.lines.iter().filter(|p| moves(p.kind)) {
            for (account, amount) in [(p.debit, -i128::from(p.amount)), (p.credit, i128::from(p.amount))] {
                if is_member(account) {
                    *earned.entry(account).or_default() += amount;
                }
            }
        }
        earned.retain(|_, amount| *amount > 0);
        earned
    }

    /// Lets the reservations be of what was earned. Forced: it is no more than what has just come in.
    fn hold(&mut self, draft: &mut Draft<'_>) -> Result<(), SettleError> {
        let earned = self.earned();
        let changed: Vec<(u64, (u64, i64))> = self
            .holds
            .iter()
            .filter(|&(member, held)| earned.get(member) != Some(&held.1.into()))
            .map(|(&a, &b)| (a, b))
            .collect();
        for (member, (seq, amount)) in changed {
            release(draft, VOID_TAKEN_BACK, member, seq, amount)?;
            self.holds.remove(&member);
        }
        for (member, amount) in earned {
            if let Entry::Vacant(hold) = self.holds.entry(member) {
                let line = Line::new(Kind::Reserve, member, CLEARING, amount);
                let seq = draft.push(Line { code: RESERVE_PROVISIONAL, ..line })?;
                let held = draft.accounts().reservation(seq).map_or(0, |held| held.amount);
                hold.insert((seq, held));
            }
        }
        Ok(())
    }

    /// What is set aside, by member.
    pub fn held(&self) -> impl Iterator<Item = (u64, i128)> {
        self.holds.iter().map(|(&member, &(_, amount))| (member, i128::from(amount)))
    }

    fn release(&self, draft: &mut Draft<'_>, code: u16) -> Result<(), SettleError> {
        self.holds.iter().try_for_each(|(&member, &(seq, amount))| release(draft, code, member, seq, amount))
    }

    /// Posts every line the other way round, and makes the reservations again: returns those, by the new seq.
    fn reverse(&self, draft: &mut Draft<'_>) -> Result<Vec<(OrderKey, u64)>, SettleError> {
        self.release(draft, VOID_TAKEN_BACK)?;
        for p in self.lines.iter().rev().filter(|p| moves(p.kind) && (p.amount > 0 || p.quantity != 0)) {
            draft.push(Line {
                code: CORRECTION_REVERSED,
                market: p.market,
                buy_order: p.buy_order,
                sell_order: p.sell_order,
                quantity: p.quantity,
                price: p.price,
                group: Some(p.seq),
                ..Line::new(Kind::Correction, p.credit, p.debit, p.amount.into())
            })?;
        }
        let mut opened = Vec::with_capacity(self.closed.len());
        for &((key, seq), cover) in &self.closed {
            let (account, market, buy_order) = key;
            let line = Line::new(Kind::Reserve, account, CLEARING, cover.into());
            let again = draft.push(Line { code: RESERVE_RESTORED, market, buy_order, group: Some(seq), ..line })?;
            opened.push((key, again));
        }
        Ok(opened)
    }
}

/// Whether a posting of a slot moves money that is posted.
const fn moves(kind: Kind) -> bool {
    matches!(kind, Kind::Post | Kind::Trade | Kind::Fee | Kind::Tax | Kind::Imbalance | Kind::Correction)
}

fn release(draft: &mut Draft<'_>, code: u16, member: u64, seq: u64, amount: i64) -> Result<(), SettleError> {
    let line = Line::new(Kind::Void, member, CLEARING, amount.into());
    draft.push(Line { code, group: Some(seq), ..line }).map(drop)
}

impl Waiting {
    /// Adds what is set aside in a slot to what is not confirmed, or takes it out.
    pub fn count(&mut self, held: impl Iterator<Item = (u64, i128)>, sign: i128) {
        for (member, amount) in held {
            let left = self.unconfirmed.entry(member).or_default();
            *left += sign * amount;
            if *left == 0 {
                self.unconfirmed.remove(&member);
            }
        }
    }
}

impl Bank {
    /// Slots settled from now on are provisional for so long; call it on a new bank that gives no credit.
    pub const fn set_confirm_after(&mut self, ns: u64) {
        self.waiting.after_ns = ns;
    }

    /// What a member earned in slots that are not confirmed, nano-currency.
    pub fn unconfirmed(&self, account: u64) -> i128 {
        self.waiting.unconfirmed.get(&account).copied().unwrap_or_default()
    }

    /// What a member earned in slots since they can be confirmed, and were; nano-currency.
    pub fn confirmed_income(&self, account: u64) -> i128 {
        self.waiting.confirmed.get(&account).copied().unwrap_or_default()
    }

    /// Takes a provisional slot back: balances and reservations are what they would be without it.
    ///
    /// # Errors
    /// A slot that was never settled, is confirmed or was taken back, or an account that was closed since; then nothing
    /// has happened.
    pub fn reverse(&mut self, slot: usize) -> Result<(), SettleError> {
        let settled = self.slots.get(slot).ok_or(SettleError::UnknownSlot { slot })?;
        let provisional = match &settled.standing {
            Standing::Provisional(provisional) => provisional,
            Standing::Final => return Err(SettleError::ConfirmedSlot { slot }),
            Standing::Reversed => return Err(SettleError::ReversedSlot { slot }),
        };
        let mut draft = Draft::new(&mut self.accounts, self.next);
        let opened = provisional.reverse(&mut draft)?;
        let (postings, next) = draft.commit();
        self.waiting.count(provisional.held(), -1);
        for (order, seq) in opened {
            self.open.insert(order, seq, provisional.slot);
        }
        self.waiting.queue.retain(|&(_, waiting)| waiting != slot);
        if let Some(settled) = Arc::make_mut(&mut self.slots).get_mut(slot).map(Arc::make_mut) {
            settled.standing = Standing::Reversed;
        }
        self.keep(postings, next);
        Ok(())
    }

    /// Confirms what has waited long enough.
    pub(super) fn confirm(&mut self) -> Result<(), SettleError> {
        while let Some(&(due_ns, slot)) = self.waiting.queue.front() {
            if due_ns > self.next.time_ns {
                break;
            }
            let Some(settled) = self.slots.get(slot) else { break };
            if let Standing::Provisional(provisional) = &settled.standing {
                let mut draft = Draft::new(&mut self.accounts, self.next);
                provisional.release(&mut draft, VOID_CONFIRMED)?;
                let (postings, next) = draft.commit();
                self.waiting.count(provisional.held(), -1);
                for (member, amount) in provisional.held() {
                    *self.waiting.confirmed.entry(member).or_default() += amount;
                }
                self.keep(postings, next);
            }
            if let Some(settled) = Arc::make_mut(&mut self.slots).get_mut(slot).map(Arc::make_mut) {
                settled.standing = Standing::Final;
            }
            self.waiting.queue.pop_front();
        }
        Ok(())
    }
}

impl SettledSlot {
    /// Where it stands: `"provisional"`, `"confirmed"` or `"reversed"`.
    pub const fn standing(&self) -> &'static str {
        match self.standing {
            Standing::Final => "confirmed",
            Standing::Provisional(_) => "provisional",
            Standing::Reversed => "reversed",
        }
    }
}
