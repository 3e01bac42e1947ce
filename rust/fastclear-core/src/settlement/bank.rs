//! The bank: who calls it, what it checks, and the history it keeps until someone takes it.
//!
//! Nothing here changes an account: every method makes postings, and [`super::Accounts::apply`] folds them. A method
//! that fails leaves no trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) mod kept;

use super::accounts::{Account, Accounts, BOUNDARY, CLEARING, FIRST_MEMBER, HOUSE, MONEY};
use super::credit::{Cover, Credit, desk};
use super::draft::{Draft, Line, Position};
use super::error::SettleError;
use super::imbalance::Imbalance;
use super::open_orders::OpenOrders;
use super::pool::PooledSlot;
use super::posting::{Kind, Posting};
use super::provisional::{Standing, Waiting};
use super::resettlement::SettledSlot;
use super::rules::Rules;
use super::slot::{self, ClearedSlot, Meter, check_member};
use super::subscription;
use super::tariff::Tariff;
use super::terms::Terms;
use crate::reject::RejectReason;
use crate::units::{price_in_range, quantity_in_range};

/// Orders to reserve cover for, as columns of one length.
#[derive(Clone, Copy, Debug, Default)]
pub struct Orders<'a> {
    /// 1 = buy, 0 = sell.
    pub side: &'a [u8],
    /// Ticks.
    pub price: &'a [i64],
    /// Lots.
    pub quantity: &'a [i64],
    /// Member account.
    pub account: &'a [u64],
    /// Market.
    pub market: &'a [u64],
    /// Order id, unique among the open orders of its member and market.
    pub order: &'a [u64],
    /// The most that a trade of the order can cost a unit on the network, in ticks; none: what the terms say for all.
    pub network_fee: Option<&'a [i64]>,
}

/// Runs of postings are joined up to this length.
const RUN: usize = 4096;

/// One account over one cycle, in nano-currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CycleLine {
    /// The account.
    pub account: u64,
    /// `posted` when the cycle began.
    pub opening: i128,
    /// Deposits less withdrawals.
    pub deposited: i128,
    /// What trading, fees, taxes and imbalance added; sums to 0 over all accounts.
    pub net: i128,
    /// `posted` now.
    pub closing: i128,
}

/// Accounts, reservations and the postings that made them.
#[derive(Clone, Debug)]
pub struct Bank {
    pub(super) accounts: Accounts,
    terms: Terms,
    pub(super) imbalance: Imbalance,
    pub(super) rules: Rules,
    /// `None` under the profile prepaid.
    pub(super) credit: Option<Credit>,
    pub(super) open: OpenOrders,
    pub(super) waiting: Waiting,
    /// Open reservations that no order made, by seq.
    pub(super) holds: BTreeSet<u64>,
    pub(super) next: Position,
    /// Where the clock was last set to.
    clock: u64,
    next_member: u64,
    /// Runs of postings that nobody has taken.
    untaken: Vec<Vec<Posting>>,
    /// Every slot that was settled, in order. Shared with copies of the bank until one of them changes it.
    pub(super) slots: Arc<Vec<Arc<SettledSlot>>>,
    /// Per account: `posted` at the start of the cycle, deposits less withdrawals since. Follows from the postings.
    cycle: BTreeMap<u64, (i128, i128)>,
}

impl Bank {
    /// A bank with its house accounts open and no member.
    ///
    /// # Errors
    /// None in practice: genesis is fixed.
    pub fn new(tariff: Tariff) -> Result<Self, SettleError> {
        let mut bank = Self {
            accounts: Accounts::new(),
            terms: tariff.into(),
            imbalance: Imbalance::default(),
            rules: Rules::default(),
            credit: None,
            open: OpenOrders::default(),
            waiting: Waiting::default(),
            holds: BTreeSet::new(),
            next: Position::default(),
            clock: 0,
            next_member: FIRST_MEMBER,
            untaken: Vec::new(),
            slots: Arc::default(),
            cycle: BTreeMap::new(),
        };
        let mut draft = Draft::new(&mut bank.accounts, bank.next);
        for (id, _) in HOUSE {
            draft.push(Line::new(Kind::AccountOpened, id, 0, 0))?;
        }
        let (postings, next) = draft.commit();
        bank.keep(postings, next);
        Ok(bank)
    }

    /// The same bank under another imbalance policy.
    #[must_use]
    pub fn with_imbalance(mut self, imbalance: Imbalance) -> Self {
        self.imbalance = imbalance;
        self
    }

    /// The accounts.
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The tariff of the terms that hold now.
    pub const fn tariff(&self) -> &Tariff {
        self.terms.tariff()
    }

    /// The terms of the calls that follow. Reservations keep the slot that the terms named when they were made.
    pub const fn set_terms(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// Engine time of the next posting.
    pub const fn now(&self) -> u64 {
        self.next.time_ns
    }

    /// How many postings there have been.
    pub const fn postings(&self) -> u64 {
        self.next.seq
    }

    /// Opens `count` member accounts with a credit `limit` each and returns the id of the first; the others follow.
    ///
    /// # Errors
    /// A negative limit.
    pub fn open(&mut self, count: usize, limit: i64) -> Result<u64, SettleError> {
        let first = self.next_member;
        if limit < 0 {
            return Err(SettleError::NegativeAmount { account: first, amount: limit });
        }
        let mut draft = Draft::new(&mut self.accounts, self.next);
        let end = first + count as u64;
        for id in first..end {
            draft.push(Line::new(Kind::AccountOpened, id, 0, 0))?;
            if limit > 0 {
                draft.push(Line::new(Kind::Limit, id, 0, i128::from(limit)))?;
            }
        }
        let (postings, next) = draft.commit();
        self.next_member = end;
        self.keep(postings, next);
        Ok(first)
    }

    /// Sets a member's credit limit. One above 0 ends a default.
    ///
    /// # Errors
    /// A stranger or a negative limit.
    pub fn set_limit(&mut self, account: u64, limit: i64) -> Result<(), SettleError> {
        self.move_each(&[account], &[limit], |_, account, amount| Ok(Line::new(Kind::Limit, account, 0, amount)))?;
        if let Some(credit) = self.credit.as_mut().filter(|_| limit > 0) {
            credit.forgive(account);
        }
        Ok(())
    }

    /// Brings money in, one row a deposit; a row of 0 leaves no posting. What is overdue is paid out of it.
    ///
    /// # Errors
    /// A stranger or a negative amount; then no row is done.
    pub fn deposit(&mut self, accounts: &[u64], amounts: &[i64]) -> Result<(), SettleError> {
        self.move_each(accounts, amounts, |_, account, amount| Ok(Line::new(Kind::Deposit, BOUNDARY, account, amount)))
    }

    /// Pays money out, one row a withdrawal. A member may take what is posted and not reserved: credit is for trading.
    ///
    /// # Errors
    /// A stranger, a negative amount, or more than is free; then no row is done.
    pub fn withdraw(&mut self, accounts: &[u64], amounts: &[i64]) -> Result<(), SettleError> {
        let lends = self.credit.as_ref().is_some_and(|credit| credit.lends);
        let unconfirmed = self.waiting.unconfirmed.clone();
        self.move_each(accounts, amounts, |(held, available), account, amount| {
            // What is reserved would have to be borrowed if it were taken out now.
            let own = if lends { held.posted - held.pending_out } else { held.posted };
            let free = available.min(own - unconfirmed.get(&account).copied().unwrap_or_default());
            if amount > free {
                return Err(SettleError::WithdrawalTooLarge { account, amount: amount as i64, free });
            }
            Ok(Line::new(Kind::Withdrawal, account, BOUNDARY, amount))
        })
    }

    /// One line a row, all or none.
    fn move_each(
        &mut self,
        accounts: &[u64],
        amounts: &[i64],
        line: impl Fn((&Account, i128), u64, i128) -> Result<Line, SettleError>,
    ) -> Result<(), SettleError> {
        same_length(accounts.len(), &[("amount", amounts.len())])?;
        let on_hand = Cover::of_one(self.credit.as_ref()).keeping(self.rules.minimum_holding);
        let mut draft = Draft::new(&mut self.accounts, self.next);
        for (&account, &amount) in accounts.iter().zip(amounts) {
            check_member(&draft, account)?;
            if amount < 0 {
                return Err(SettleError::NegativeAmount { account, amount });
            }
            let held = draft.accounts().get(account).copied().unwrap_or_default();
            let available = on_hand.available(draft.accounts(), account);
            let line = line((&held, available), account, i128::from(amount))?;
            if amount > 0 || line.kind == Kind::Limit {
                draft.push(line)?;
            }
        }
        let (postings, next) = desk::commit(draft, &mut self.credit)?;
        self.keep(postings, next);
        Ok(())
    }

    /// Sets cover aside for each buy order, in row order, and writes one code a row: 0 where the order may go to the
    /// market, else a [`RejectReason`]. Rows whose code is not 0 on entry are passed over; asks need no cover.
    ///
    /// # Errors
    /// Columns of different lengths, or a stranger; then nothing is reserved.
    pub fn reserve(&mut self, orders: &Orders<'_>, codes: &mut [u16]) -> Result<(), SettleError> {
        let n = orders.side.len();
        same_length(
            n,
            &[
                ("price", orders.price.len()),
                ("quantity", orders.quantity.len()),
                ("participant", orders.account.len()),
                ("market", orders.market.len()),
                ("order", orders.order.len()),
                ("codes", codes.len()),
                ("network_fee", orders.network_fee.map_or(n, <[i64]>::len)),
            ],
        )?;
        let day = self.today();
        let mut draft = Draft::new(&mut self.accounts, self.next);
        let mut on_hand = Cover::new(self.credit.as_ref(), draft.accounts()).keeping(self.rules.minimum_holding);
        let mut bonds = BTreeMap::new();
        let mut opened = Vec::new();
        let mut results = codes.to_vec(); // the caller's codes change only if the whole call succeeds
        for (row, result) in results.iter_mut().enumerate() {
            if *result != 0 {
                continue;
            }
            let account = orders.account[row];
            match check_member(&draft, account) {
                Err(SettleError::ClosedMember { .. }) => {
                    *result = RejectReason::AccountBlocked.code();
                    continue;
                }
                known => known?,
            }
            let (price, quantity) = (orders.price[row], orders.quantity[row]);
            let blocked = |credit: &Credit| credit.is_defaulted(account) || credit.is_overdue(account, day);
            let refused = match orders.side[row] {
                0 if self.rules.can_bond(&on_hand, draft.accounts(), (account, price, quantity), &mut bonds) => {
                    continue;
                }
                0 => Some(RejectReason::CreditExceeded),
                1 if !price_in_range(price) => Some(RejectReason::PriceOutOfRange),
                1 if !quantity_in_range(quantity) => Some(RejectReason::QuantityOutOfRange),
                1 if self.credit.as_ref().is_some_and(blocked) => Some(RejectReason::AccountBlocked),
                1 => None,
                _ => Some(RejectReason::UnknownSide),
            };
            if let Some(reason) = refused {
                *result = reason.code();
                continue;
            }
            let network_fee = orders.network_fee.map_or(self.terms.tariff().network_fee(), |fees| fees[row]);
            let bond = self.rules.bond(i128::from(price) * i128::from(quantity));
            let cover = self.terms.cover(price, quantity, network_fee) + bond;
            // A member below zero is restricted even for an order that needs no cover.
            if !on_hand.allows(draft.accounts(), account, cover) {
                *result = RejectReason::CreditExceeded.code();
                continue;
            }
            on_hand.take(draft.accounts(), account, cover);
            let seq = draft.push(Line {
                market: orders.market[row],
                buy_order: orders.order[row],
                quantity,
                price,
                ..Line::new(Kind::Reserve, account, CLEARING, cover)
            })?;
            opened.push(((account, orders.market[row], orders.order[row]), seq));
        }
        let (postings, next) = draft.commit();
        for (order, seq) in opened {
            self.open.insert(order, seq, self.terms.slot());
        }
        codes.copy_from_slice(&results);
        self.keep(postings, next);
        Ok(())
    }

    /// Settles one slot: draws reservations, pays trades out, prices what was metered against what was traded.
    ///
    /// # Errors
    /// Anything that makes no sense, and a buyer who is not covered; then nothing has happened.
    pub fn settle(&mut self, clearings: &[ClearedSlot<'_>], meter: &Meter<'_>) -> Result<(), SettleError> {
        self.settle_with_pools(clearings, &[], meter)
    }

    /// [`Bank::settle`] of a slot in which pools without bids were settled too; the lines of those come after all trades.
    ///
    /// # Errors
    /// Those of [`Bank::settle`], and a pool that is not paid for to the last unit, or is under escrow.
    pub fn settle_with_pools(
        &mut self,
        clearings: &[ClearedSlot<'_>],
        pools: &[PooledSlot<'_>],
        meter: &Meter<'_>,
    ) -> Result<(), SettleError> {
        let mut draft = Draft::new(&mut self.accounts, self.next);
        draft.leave(self.untaken.last().map_or(0, Vec::len)); // see `store`
        let credit = self.credit.as_ref();
        let house = slot::House { terms: &self.terms, policy: self.imbalance, credit, rules: &self.rules };
        let outcome = slot::settle(&mut draft, &self.open, &house, clearings, pools, meter)?;
        let provisional = self.waiting.after_ns > 0;
        let settled = SettledSlot::new(&mut draft, self.terms, meter, &outcome, provisional)?;
        let (postings, next) = desk::commit(draft, &mut self.credit)?;
        self.open.close(&outcome.closed);
        if let Standing::Provisional(provisional) = &settled.standing {
            let due_ns = self.next.time_ns.saturating_add(self.waiting.after_ns);
            self.waiting.queue.push_back((due_ns, self.slots.len()));
            self.waiting.count(provisional.held(), 1);
        }
        Arc::make_mut(&mut self.slots).push(Arc::new(settled));
        self.store(postings, next);
        Ok(())
    }

    /// Charges each member a fixed amount and the tax of `tax_ppm` on it, one row a charge. These postings are forced:
    /// what a member has does not matter.
    ///
    /// # Errors
    /// A stranger or a negative amount; then no row is done.
    pub fn charge(&mut self, accounts: &[u64], amounts: &[i64], tax_ppm: &[u32]) -> Result<(), SettleError> {
        same_length(accounts.len(), &[("amount", amounts.len()), ("tax_ppm", tax_ppm.len())])?;
        let mut draft = Draft::new(&mut self.accounts, self.next);
        subscription::charge(&mut draft, accounts, amounts, tax_ppm)?;
        let (postings, next) = desk::commit(draft, &mut self.credit)?;
        self.keep(postings, next);
        Ok(())
    }

    /// Every posting since the last call.
    pub fn take(&mut self) -> Vec<Posting> {
        let mut runs = std::mem::take(&mut self.untaken);
        if runs.len() == 1 { runs.swap_remove(0) } else { runs.concat() }
    }

    /// What each account that holds money gained since the cycle began, in ascending id.
    pub(super) fn cycle_lines(&self) -> Vec<CycleLine> {
        let money = self.accounts.iter().filter(|(_, account)| account.asset == MONEY);
        money
            .map(|(id, account)| {
                let (opening, deposited) = self.cycle.get(&id).copied().unwrap_or_default();
                let closing = account.posted;
                CycleLine { account: id, opening, deposited, net: closing - opening - deposited, closing }
            })
            .collect()
    }

    /// Starts the next cycle with the balances as they are.
    pub(super) fn begin_cycle(&mut self) {
        self.cycle = self.accounts.iter().map(|(id, account)| (id, (account.posted, 0))).collect();
    }

    /// Moves the engine clock forward to `time_ns`. Engine time rises by 1 ns or more with every posting; where that
    /// has taken it past `time_ns` already, nothing changes. Loans are charged for the days that have passed, and what
    /// is due is collected.
    ///
    /// # Errors
    /// A time past 2⁶³ ns, or before the one set last; interest beyond 64 bits.
    pub fn advance(&mut self, time_ns: u64) -> Result<(), SettleError> {
        if i64::try_from(time_ns).is_err() {
            return Err(SettleError::TimeOutOfRange { time_ns });
        }
        if time_ns < self.clock {
            return Err(SettleError::TimeBackwards { time_ns, last: self.clock });
        }
        let before = self.next.time_ns;
        self.next.time_ns = before.max(time_ns);
        let done = self.collect_due();
        match done {
            Ok(()) => {
                self.clock = time_ns;
                self.confirm()?;
            }
            Err(_) => self.next.time_ns = before,
        }
        done
    }

    /// Charges loans up to today and takes what is due from members that have it.
    fn collect_due(&mut self) -> Result<(), SettleError> {
        let day = self.today();
        match &self.credit {
            Some(credit) if credit.is_behind(day) || credit.any_due(day) => self.with_credit(|draft, credit| {
                credit.charge(draft)?;
                credit.collect(draft)
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn keep(&mut self, postings: Vec<Posting>, next: Position) {
        for p in &postings {
            let outside = match p.kind {
                Kind::Deposit => i128::from(p.amount),
                Kind::Withdrawal => -i128::from(p.amount),
                _ => continue,
            };
            let (member, boundary) = if outside > 0 { (p.credit, p.debit) } else { (p.debit, p.credit) };
            self.cycle.entry(member).or_default().1 += outside;
            self.cycle.entry(boundary).or_default().1 -= outside;
        }
        self.store(postings, next);
    }

    /// Keeps postings among which nothing was brought in or paid out.
    fn store(&mut self, mut postings: Vec<Posting>, next: Position) {
        self.next = next;
        match self.untaken.last_mut() {
            Some(last) if last.len() + postings.len() <= RUN => last.extend(postings),
            // A large slot's are not copied behind those of its orders: these go before it, where there is room.
            Some(last) if postings.capacity() - postings.len() >= last.len() && last.len() <= postings.len() => {
                postings.splice(0..0, last.drain(..));
                *last = postings;
            }
            _ => self.untaken.push(postings),
        }
    }
}

/// Refuses columns whose lengths differ from `expected`.
pub(super) fn same_length(expected: usize, columns: &[(&'static str, usize)]) -> Result<(), SettleError> {
    match columns.iter().find(|(_, len)| *len != expected) {
        Some(&(column, len)) => Err(SettleError::Length { column, len, expected }),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "bank_tests.rs"]
mod tests;
