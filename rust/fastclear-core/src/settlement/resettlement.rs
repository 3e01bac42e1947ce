//! A settled slot under later readings: estimated becomes measured, missing comes in, late is corrected.
//!
//! Trades stand; what moves is the imbalance. The lines after delivery follow from what the slot keeps (terms, contracts,
//! readings, and under [`Imbalance::ShortfallAllocation`] its trades), so they are worked out twice on accounts of their
//! own: under the readings that hold and under those that come. What differs is posted, line by line, as corrections.
//! So the first version and all differences sum to what the last readings would have come to at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::accounts::{Accounts, CLEARING, HOUSE};
use super::bank::Bank;
use super::credit::desk;
use super::delivery::{
    IMBALANCE_FEED_IN, IMBALANCE_NETTING, IMBALANCE_OVER_BOUGHT, IMBALANCE_PENALTY, IMBALANCE_PENALTY_SHARE,
    IMBALANCE_RESIDUAL, IMBALANCE_ROUNDING, IMBALANCE_SHORTFALL, IMBALANCE_UNDELIVERED, METER_LOSSES, Sale,
    TAX_RESIDUAL, TAX_UNDELIVERED, settle_meter,
};
use super::draft::{Draft, Line, Position};
use super::error::SettleError;
use super::imbalance::Imbalance;
use super::posting::{Kind, Posting};
use super::provisional::{Provisional, Standing};
use super::slot::{Meter, Outcome, check_member, quantity_of};
use super::terms::Terms;

/// `code` of a [`Kind::Meter`]: a reading that takes the place of an earlier one, or comes late.
pub const METER_REVISED: u16 = 2;
/// The `code` of a [`Kind::Correction`] that corrects a line is 100 × its kind + its code.
const OF_KIND: u16 = 100;
const IMBALANCE: u16 = OF_KIND * Kind::Imbalance as u16;
const TAX: u16 = OF_KIND * Kind::Tax as u16;

/// Every correction that `code` tells apart within a kind, with its stable name.
pub const LINES: [(Kind, u16, &str); 15] = [
    (Kind::Correction, CORRECTION_REVERSED, "reversed"),
    (Kind::Correction, CORRECTION_CENTS, "cents"),
    (Kind::Correction, CORRECTION_RULED, "ruled"),
    (Kind::Meter, METER_REVISED, "revised"),
    (Kind::Correction, IMBALANCE + IMBALANCE_RESIDUAL, "residual"),
    (Kind::Correction, IMBALANCE + IMBALANCE_SHORTFALL, "shortfall"),
    (Kind::Correction, IMBALANCE + IMBALANCE_FEED_IN, "feed_in"),
    (Kind::Correction, IMBALANCE + IMBALANCE_OVER_BOUGHT, "over_bought"),
    (Kind::Correction, IMBALANCE + IMBALANCE_PENALTY, "penalty"),
    (Kind::Correction, IMBALANCE + IMBALANCE_UNDELIVERED, "undelivered"),
    (Kind::Correction, IMBALANCE + IMBALANCE_NETTING, "netting"),
    (Kind::Correction, IMBALANCE + IMBALANCE_PENALTY_SHARE, "penalty_share"),
    (Kind::Correction, IMBALANCE + IMBALANCE_ROUNDING, "rounding"),
    (Kind::Correction, TAX + TAX_RESIDUAL, "tax_residual"),
    (Kind::Correction, TAX + TAX_UNDELIVERED, "tax_undelivered"),
];

/// `code` of a [`Kind::Correction`]: a line of a provisional slot, taken back.
pub const CORRECTION_REVERSED: u16 = 1;
/// `code` of a [`Kind::Correction`]: what rounding an invoice to cents changes.
pub const CORRECTION_CENTS: u16 = 2;
/// `code` of a [`Kind::Correction`]: what was ruled in a dispute.
pub const CORRECTION_RULED: u16 = 3;

/// Kind and code of the line that a correction of this code corrects, where it is one after delivery.
pub(super) const fn corrected(code: u16) -> Option<(Kind, u16)> {
    match code / OF_KIND * OF_KIND {
        IMBALANCE => Some((Kind::Imbalance, code % OF_KIND)),
        TAX => Some((Kind::Tax, code % OF_KIND)),
        _ => None,
    }
}

/// One settlement of a slot: the first, or a later one by what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Engine time of its first posting.
    pub time_ns: u64,
    /// `seq` of its first posting, and one past its last.
    pub first_seq: u64,
    /// One past `seq` of its last posting.
    pub end_seq: u64,
    /// Readings that it brought.
    pub readings: usize,
    /// Money that its lines after delivery moved, nano-currency.
    pub moved: i128,
}

/// What later readings of a slot need.
#[derive(Clone, Debug)]
struct Kept {
    terms: Terms,
    /// `seq` of the first line after delivery, in the first version.
    delivery_seq: u64,
    /// Bought less sold, ascending account.
    contract: Vec<(u64, i64)>,
    sales: Vec<Sale>,
    /// Readings of the first version, ascending account.
    readings: Vec<(u64, i64)>,
    /// Whether members without a reading were noted.
    due: bool,
    /// What the network lost, Wh; those who traded share it, whatever later readings say.
    losses: i64,
    /// Later readings that hold, each with the `seq` of its posting.
    revised: BTreeMap<u64, (i64, u64)>,
}

/// A slot that was settled.
#[derive(Clone, Debug)]
pub struct SettledSlot {
    versions: Vec<Version>,
    /// `None` where its readings are final.
    kept: Option<Kept>,
    pub(super) standing: Standing,
}

impl SettledSlot {
    /// The slot that `draft` has just settled, with what later readings need of it.
    pub(super) fn new(
        draft: &mut Draft<'_>,
        terms: Terms,
        meter: &Meter<'_>,
        outcome: &Outcome,
        provisional: bool,
    ) -> Result<Self, SettleError> {
        let contract = outcome.contract.iter().map(|&(account, energy)| Ok((account, quantity_of(account, energy)?)));
        let mut readings: Vec<(u64, i64)> = meter.account.iter().copied().zip(meter.energy.iter().copied()).collect();
        readings.sort_unstable();
        let kept = Kept {
            terms,
            delivery_seq: outcome.delivery_seq,
            contract: contract.collect::<Result<_, SettleError>>()?,
            sales: outcome.sales.clone(),
            readings,
            due: meter.due,
            losses: meter.losses,
            revised: BTreeMap::new(),
        };
        let first = draft.postings().first().map_or(draft.next(), |p| Position { seq: p.seq, time_ns: p.time_ns });
        let lines = &draft.postings()[(outcome.delivery_seq - first.seq) as usize..];
        let version = Version {
            time_ns: first.time_ns,
            first_seq: first.seq,
            end_seq: draft.next().seq,
            readings: meter.account.len(),
            moved: lines.iter().map(|p| i128::from(p.amount)).sum(),
        };
        let standing = if provisional {
            Standing::Provisional(Box::new(Provisional::new(draft, outcome, terms.slot())?))
        } else {
            Standing::Final
        };
        Ok(Self { versions: vec![version], kept: Some(kept), standing })
    }

    /// Its versions, the first one first.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The readings that hold, by account; none where they are final.
    pub fn readings(&self) -> BTreeMap<u64, i64> {
        self.kept.as_ref().map(Kept::current).unwrap_or_default()
    }

    /// Whether its readings are final.
    pub const fn frozen(&self) -> bool {
        self.kept.is_none()
    }
}

/// What tells two lines of one slot apart: accounts (larger first), kind, code, the names of a trade, price a unit.
type Key = (u64, u64, u8, u16, [u64; 3], i64);

/// What the lines of one key come to: Wh, money from the larger account to the smaller.
#[derive(Clone, Copy, Default)]
struct Sum {
    energy: i128,
    money: i128,
    /// `seq` of the first of them.
    seq: u64,
    /// Whose reading they belong to.
    member: Option<u64>,
}

impl Kept {
    /// The readings that hold, ascending account.
    fn current(&self) -> BTreeMap<u64, i64> {
        let revised = self.revised.iter().map(|(&account, &(energy, _))| (account, energy));
        self.readings.iter().copied().chain(revised).collect()
    }

    /// The lines after delivery under `readings`, with the `seq` they would have had in the first version. The accounts
    /// of the bank have no part in it: who has left since, or owes, changes nothing.
    fn lines(&self, policy: Imbalance, readings: &BTreeMap<u64, i64>) -> Result<Vec<Posting>, SettleError> {
        let parties = self.sales.iter().flat_map(|sale| [sale.buyer, sale.seller]);
        let contract: BTreeMap<u64, i128> =
            self.contract.iter().map(|&(account, energy)| (account, energy.into())).collect();
        let members: BTreeSet<u64> = contract.keys().chain(readings.keys()).copied().chain(parties).collect();
        let mut accounts = Accounts::new();
        let mut opening = Draft::new(&mut accounts, Position::default());
        for id in HOUSE.iter().map(|&(id, _)| id).chain(members) {
            opening.push(Line::new(Kind::AccountOpened, id, 0, 0))?;
        }
        opening.commit();
        let (account, energy): (Vec<u64>, Vec<i64>) =
            readings.iter().map(|(&account, &energy)| (account, energy)).unzip();
        let meter = Meter { account: &account, energy: &energy, due: self.due, losses: self.losses };
        let mut draft = Draft::new(&mut accounts, Position { seq: self.delivery_seq, time_ns: 0 });
        settle_meter(&mut draft, (&self.terms, policy), &meter, (&contract, &self.sales))?;
        Ok(draft.commit().0)
    }
}

/// Whether it is a reading, or the note of one that is missing: what a later reading takes the place of.
fn is_reading(p: &Posting) -> bool {
    p.kind == Kind::Meter && p.code != METER_LOSSES
}

/// Sums of the lines that move money or energy, by key.
fn sums(lines: &[Posting]) -> BTreeMap<Key, Sum> {
    let mut sums: BTreeMap<Key, Sum> = BTreeMap::new();
    let mut member_of = BTreeMap::new();
    for p in lines {
        if p.kind == Kind::Meter {
            member_of.insert(p.seq, p.debit);
            continue;
        }
        let member = member_of.get(&p.group).copied();
        member_of.extend(member.map(|member| (p.seq, member))); // a tax line belongs to the line that it taxes
        let (high, low) = (p.debit.max(p.credit), p.debit.min(p.credit));
        let names = [p.market, p.buy_order, p.sell_order];
        let key = (high, low, p.kind as u8, p.code, names, p.price);
        let sum = sums.entry(key).or_insert(Sum { seq: p.seq, member, ..Sum::default() });
        sum.energy += i128::from(p.quantity);
        sum.money += i128::from(if p.debit == high { p.amount } else { -p.amount });
    }
    sums
}

/// Posts what later readings change; `None` where they change nothing. Forced, as all metering is.
fn resettle(
    draft: &mut Draft<'_>,
    kept: &Kept,
    policy: Imbalance,
    meter: &Meter<'_>,
) -> Result<Option<(Kept, Version)>, SettleError> {
    let expected = meter.account.len();
    if meter.energy.len() != expected {
        return Err(SettleError::Length { column: "energy_wh", len: meter.energy.len(), expected });
    }
    let mut given = BTreeMap::new();
    for (&account, &energy) in meter.account.iter().zip(meter.energy) {
        match check_member(draft, account) {
            Ok(()) | Err(SettleError::ClosedMember { .. }) => {} // it may have left since
            Err(error) => return Err(error),
        }
        if given.insert(account, energy).is_some() {
            return Err(SettleError::DuplicateMeter { account });
        }
    }
    let before = kept.current();
    given.retain(|account, energy| before.get(account) != Some(energy));
    if given.is_empty() {
        return Ok(None);
    }
    let mut after = before.clone();
    after.extend(given.iter().map(|(&account, &energy)| (account, energy)));
    let first_version = kept.lines(policy, &kept.readings.iter().copied().collect())?;
    let noted: BTreeMap<u64, u64> = first_version.iter().filter(|p| is_reading(p)).map(|p| (p.debit, p.seq)).collect();
    let first_version = sums(&first_version);
    let (old, new) = (sums(&kept.lines(policy, &before)?), sums(&kept.lines(policy, &after)?));

    let start = draft.next();
    let mut kept = kept.clone();
    for (&account, &energy) in &given {
        let own = kept.revised.get(&account).map(|&(_, seq)| seq).or_else(|| noted.get(&account).copied());
        // A member's first reading corrects none, and belongs to the first reading of the slot.
        let any = || noted.values().copied().chain(kept.revised.values().map(|&(_, seq)| seq)).min();
        let earlier = own.or_else(any);
        let line = Line::new(Kind::Meter, account, 0, 0);
        let seq = draft.push(Line { code: METER_REVISED, quantity: energy, group: earlier, ..line })?;
        kept.revised.insert(account, (energy, seq));
    }
    let keys: BTreeSet<Key> = old.keys().chain(new.keys()).copied().collect();
    let mut moved = 0;
    for key in keys {
        let (high, low, kind, code, [market, buy_order, sell_order], price) = key;
        let of = |sums: &BTreeMap<Key, Sum>| sums.get(&key).copied().unwrap_or_default();
        let (was, is) = (of(&old), of(&new));
        let (energy, money) = (is.energy - was.energy, is.money - was.money);
        if (energy, money) == (0, 0) {
            continue;
        }
        let reading = is
            .member
            .or(was.member)
            .and_then(|member| kept.revised.get(&member).map(|&(_, seq)| seq).or_else(|| noted.get(&member).copied()));
        draft.push(Line {
            code: OF_KIND * u16::from(kind) + code,
            market,
            buy_order,
            sell_order,
            quantity: quantity_of(high, energy)?,
            price,
            group: first_version.get(&key).map(|sum| sum.seq).or(reading),
            ..Line::new(Kind::Correction, high, low, money)
        })?;
        moved += money.abs();
    }
    let left = draft.accounts().get(CLEARING).map_or(0, |account| account.posted);
    if left != 0 {
        return Err(SettleError::ClearingNotEmpty { posted: left });
    }
    let version = Version {
        time_ns: start.time_ns,
        first_seq: start.seq,
        end_seq: draft.next().seq,
        readings: given.len(),
        moved,
    };
    Ok(Some((kept, version)))
}

impl Bank {
    /// Every slot that was settled, in order.
    pub fn slots(&self) -> impl ExactSizeIterator<Item = &SettledSlot> {
        self.slots.iter().map(Arc::as_ref)
    }

    /// Slots whose first version begins within these places of the history, counted from 0.
    pub fn slots_between(&self, first_seq: u64, end_seq: u64) -> Range<usize> {
        let from = |seq| self.slots.partition_point(|slot| slot.versions.first().is_some_and(|v| v.first_seq < seq));
        from(first_seq)..from(end_seq)
    }

    /// Settles a slot anew under later readings, by what they change; readings that are not given stay. The terms and
    /// the policy are those it was settled under. Nothing is posted where nothing changes.
    ///
    /// # Errors
    /// A slot that was never settled or is frozen, a stranger, two readings of one member, or money to be moved on a
    /// closed account; then nothing has happened.
    pub fn resettle(&mut self, slot: usize, meter: &Meter<'_>) -> Result<(), SettleError> {
        let settled = self.slots.get(slot).ok_or(SettleError::UnknownSlot { slot })?;
        let kept = settled.kept.as_ref().ok_or(SettleError::FrozenSlot { slot })?;
        let mut draft = Draft::new(&mut self.accounts, self.next);
        let Some((kept, version)) = resettle(&mut draft, kept, self.imbalance, meter)? else { return Ok(()) };
        let mut standing = settled.standing.clone();
        match &mut standing {
            Standing::Final => {}
            Standing::Provisional(provisional) => provisional.add(&mut draft)?,
            Standing::Reversed => return Err(SettleError::ReversedSlot { slot }),
        }
        let (postings, next) = desk::commit(draft, &mut self.credit)?;
        for (standing, sign) in [(&settled.standing, -1), (&standing, 1)] {
            if let Standing::Provisional(provisional) = standing {
                self.waiting.count(provisional.held(), sign);
            }
        }
        if let Some(settled) = Arc::make_mut(&mut self.slots).get_mut(slot).map(Arc::make_mut) {
            settled.kept = Some(kept);
            settled.versions.push(version);
            settled.standing = standing;
        }
        self.keep(postings, next);
        Ok(())
    }

    /// Makes the readings of these slots final, and forgets what only later ones would need.
    ///
    /// # Errors
    /// A slot that was never settled; then none is frozen.
    pub fn freeze(&mut self, slots: &[usize]) -> Result<(), SettleError> {
        if let Some(&slot) = slots.iter().find(|&&slot| slot >= self.slots.len()) {
            return Err(SettleError::UnknownSlot { slot });
        }
        let settled = Arc::make_mut(&mut self.slots);
        for &slot in slots {
            if let Some(settled) = settled.get_mut(slot).filter(|settled| !settled.frozen()) {
                Arc::make_mut(settled).kept = None;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "resettlement_tests.rs"]
mod tests;
