//! A prepaid bank as an exchange keeps it: settled slots are final and forgotten, and the rest can be saved.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::draft::{Draft, Position};
use super::super::imbalance::Imbalance;
use super::super::slot::{self, ClearedSlot, Meter};
use super::super::tariff::Tariff;
use super::super::{Accounts, SettleError};
use super::{Bank, Orders};

/// One open reservation of an order: account, market, order, seq, and the slot that it was made for.
pub(crate) type OpenOrder = (u64, u64, u64, u64, Option<i64>);

/// What of a prepaid bank does not follow from its accounts and terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub next_seq: u64,
    pub time_ns: u64,
    pub clock: u64,
    pub next_member: u64,
    /// Ascending.
    pub open: Vec<OpenOrder>,
    /// Account, `posted` at the start of the cycle, deposits less withdrawals since; ascending.
    pub cycle: Vec<(u64, i128, i128)>,
}

impl Bank {
    /// Releases the reservations of orders that will not trade; of the columns, side, account, market and order count.
    ///
    /// # Errors
    /// An order that was reserved for another slot than that of the terms; then nothing is released.
    pub(crate) fn release(&mut self, orders: &Orders<'_>) -> Result<(), SettleError> {
        let Orders { side, account, market, order, .. } = *orders;
        let untraded = [ClearedSlot { side, account, market, order, ..ClearedSlot::default() }];
        let mut draft = Draft::new(&mut self.accounts, self.next);
        let credit = self.credit.as_ref();
        let house = slot::House { terms: &self.terms, policy: self.imbalance, credit, rules: &self.rules };
        let outcome = slot::settle(&mut draft, &self.open, &house, &untraded, &[], &Meter::default())?;
        let (postings, next) = draft.commit();
        self.open.close(&outcome.closed);
        self.store(postings, next);
        Ok(())
    }

    /// [`Bank::settle`] of a slot that nobody will settle again: nothing of it is kept.
    ///
    /// # Errors
    /// Those of [`Bank::settle`].
    pub(crate) fn settle_for_good(
        &mut self,
        clearings: &[ClearedSlot<'_>],
        meter: &Meter<'_>,
    ) -> Result<(), SettleError> {
        self.settle(clearings, meter)?;
        Arc::make_mut(&mut self.slots).pop();
        Ok(())
    }

    /// What is to be saved beside the accounts.
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            next_seq: self.next.seq,
            time_ns: self.next.time_ns,
            clock: self.clock,
            next_member: self.next_member,
            open: self.open.sorted(),
            cycle: self.cycle.iter().map(|(&id, &(opening, deposited))| (id, opening, deposited)).collect(),
        }
    }

    /// A prepaid bank with these accounts.
    ///
    /// # Errors
    /// None in practice: genesis is fixed.
    pub(crate) fn restored(
        tariff: Tariff,
        imbalance: Imbalance,
        accounts: Accounts,
        kept: &Kept,
    ) -> Result<Self, SettleError> {
        let mut bank = Self::new(tariff)?.with_imbalance(imbalance);
        bank.accounts = accounts;
        bank.untaken.clear();
        bank.next = Position { seq: kept.next_seq, time_ns: kept.time_ns };
        bank.clock = kept.clock;
        bank.next_member = kept.next_member;
        for &(account, market, order, seq, slot) in &kept.open {
            bank.open.insert((account, market, order), seq, slot);
        }
        bank.cycle =
            kept.cycle.iter().map(|&(id, opening, deposited)| (id, (opening, deposited))).collect::<BTreeMap<_, _>>();
        Ok(bank)
    }
}
