//! A battery that several members own: one energy account a member, in Wh, and what becomes of each step.
//!
//! What a member has is kept exactly, in parts of a Wh that both efficiencies divide: a Wh is
//! 10⁶ × `discharge_ppm` units, a Wh charged brings `charge_ppm` × `discharge_ppm` of them, a Wh discharged takes 10¹².
//! What is shown is whole Wh, rounded down; the rest is carried. So no way of splitting a step changes what it comes to,
//! and nobody can take out what it has not got.

mod words;

pub use words::{StorageCode, StorageError, StorageKind, StorageTerms};

use crate::auction::deal::split;

/// A million: efficiencies and losses are parts of it.
const MILLION: i64 = 1_000_000;
/// Units that a discharged Wh takes.
const DISCHARGED: i128 = 1_000_000_000_000;
/// No difference of two sums of this size leaves 64 bits.
const WH_MAX: i64 = i64::MAX / 2;
const DAY_NS: i64 = 86_400_000_000_000;
/// Stands for a member that is none, and for the operator in the log.
pub const NOBODY: u32 = u32::MAX;

/// One entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageEntry {
    /// When, ns since 1970 UTC; none where no slot was ever given.
    pub slot: Option<i64>,
    /// What happened.
    pub kind: StorageKind,
    /// Whose account; [`NOBODY`] is the operator's.
    pub member: u32,
    /// Who received stored energy, else [`NOBODY`].
    pub counterparty: u32,
    /// Wh as metered outside the battery, or stored Wh where they move inside.
    pub energy: i64,
    /// What `member` has more than before, in whole Wh.
    pub stored: i64,
}

/// A member's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    /// Units, never negative.
    energy: i128,
    /// Wh of the capacity.
    share: i64,
    /// Wh a slot of each power limit, and how many of them are used: charged, discharged.
    limit: [i64; 2],
    used: [i64; 2],
}

/// A member's account as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageBalance {
    /// Wh of the capacity.
    pub share: i64,
    /// Whole Wh stored.
    pub stored: i64,
    /// What is stored beyond them, 10⁻⁹ Wh, rounded down.
    pub carried: i64,
    /// The most that a charge may be now.
    pub chargeable: i64,
    /// The most that a discharge may be now.
    pub dischargeable: i64,
}

/// The accounts of one battery.
#[derive(Clone, Debug)]
pub struct Storage {
    terms: StorageTerms,
    members: Vec<Held>,
    /// Sum of the members' units.
    total: i128,
    /// Wh that a reading found beyond the members' accounts, where somebody owns the difference; may be negative.
    operator: Option<i64>,
    slot: Option<i64>,
    log: Vec<StorageEntry>,
}

impl Storage {
    /// An empty battery, shared by weight with largest remainders, ties to the first. With `operator`, an account of
    /// its own has what readings differ from the members'; without, they share it.
    ///
    /// # Errors
    /// A figure outside its range, or shares that are none.
    pub fn new(terms: StorageTerms, weights: &[i64], operator: bool) -> Result<Self, StorageError> {
        let within = |name, value, least, most| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(StorageError::OutOfRange { name, value, least, most })
            }
        };
        within("capacity_wh", terms.capacity, 1, WH_MAX)?;
        within("virtual_capacity_wh", terms.shared, terms.capacity, WH_MAX)?;
        within("charge_efficiency_ppm", terms.charge_ppm, 1, MILLION)?;
        within("discharge_efficiency_ppm", terms.discharge_ppm, 1, MILLION)?;
        within("self_discharge_ppm", terms.self_discharge_ppm, 0, MILLION)?;
        within("charge_limit_wh", terms.charge_limit.unwrap_or(0), 0, WH_MAX)?;
        within("discharge_limit_wh", terms.discharge_limit.unwrap_or(0), 0, WH_MAX)?;
        let sum: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
        if sum <= 0 || weights.iter().any(|&weight| weight < 0) || weights.len() >= NOBODY as usize {
            return Err(StorageError::BadShares);
        }
        let mut members = vec![Held::default(); weights.len()];
        let mut parts = Vec::new();
        split(terms.shared.into(), weights, &mut parts);
        for (held, &share) in members.iter_mut().zip(&parts) {
            held.share = share;
        }
        for (way, limit) in [terms.charge_limit, terms.discharge_limit].into_iter().enumerate() {
            split(limit.unwrap_or(0).into(), weights, &mut parts);
            for (held, &part) in members.iter_mut().zip(&parts) {
                held.limit[way] = if limit.is_some() { part } else { i64::MAX };
            }
        }
        Ok(Self { terms, members, total: 0, operator: operator.then_some(0), slot: None, log: Vec::new() })
    }

    /// The slot that the storage is in.
    pub const fn slot(&self) -> Option<i64> {
        self.slot
    }

    /// Wh of the operator's account, where there is one.
    pub const fn operator(&self) -> Option<i64> {
        self.operator
    }

    /// Everything that happened, in order.
    pub fn log(&self) -> &[StorageEntry] {
        &self.log
    }

    /// Whole Wh that the battery holds by its accounts, rounded down once, the operator's with it.
    pub fn energy(&self) -> i128 {
        self.total.div_euclid(self.whole()) + i128::from(self.operator.unwrap_or(0))
    }

    /// Units of a Wh.
    fn whole(&self) -> i128 {
        i128::from(MILLION) * i128::from(self.terms.discharge_ppm)
    }

    /// Units that a charged Wh brings.
    fn gain(&self) -> i128 {
        i128::from(self.terms.charge_ppm) * i128::from(self.terms.discharge_ppm)
    }

    /// Units that the battery as a whole has room for; below zero where a reading found more than the members leave.
    fn room(&self) -> i128 {
        let free = i128::from(self.terms.capacity) - i128::from(self.operator.unwrap_or(0));
        free * self.whole() - self.total
    }

    /// Units that the battery as a whole has; less than its members where a reading found less.
    fn there(&self) -> i128 {
        self.total + i128::from(self.operator.unwrap_or(0)) * self.whole()
    }

    /// Whole Wh of an account.
    fn stored(&self, held: &Held) -> i64 {
        held.energy.div_euclid(self.whole()) as i64 // at most the share
    }

    /// Every account, in the order of the shares.
    pub fn balances(&self) -> Vec<StorageBalance> {
        let (whole, gain, room, there) = (self.whole(), self.gain(), self.room(), self.there());
        let least = |bounds: [i128; 3]| bounds.into_iter().min().unwrap_or(0).max(0) as i64; // one of them is 64 bits
        self.members
            .iter()
            .map(|held| {
                let left = |way: usize| i128::from(held.limit[way] - held.used[way]);
                let free = i128::from(held.share) * whole - held.energy;
                StorageBalance {
                    share: held.share,
                    stored: self.stored(held),
                    carried: (held.energy.rem_euclid(whole) * 1_000_000_000 / whole) as i64,
                    chargeable: least([left(0), free.div_euclid(gain), room.div_euclid(gain)]),
                    dischargeable: least([left(1), held.energy / DISCHARGED, there.div_euclid(DISCHARGED)]),
                }
            })
            .collect()
    }

    /// One code a row, each row seeing what the rows before it left.
    ///
    /// # Errors
    /// Columns of different lengths, a number that is no kind, a slot that is missing or before the present one.
    pub fn submit(
        &mut self,
        slot: Option<i64>,
        kinds: &[u8],
        members: &[u32],
        counterparties: &[u32],
        energy: &[i64],
    ) -> Result<Vec<u8>, StorageError> {
        let rows = kinds.len();
        for (column, length) in [("member", members.len()), ("to", counterparties.len()), ("energy_wh", energy.len())] {
            if length != rows {
                return Err(StorageError::Length { column, length, rows });
            }
        }
        if let Some(row) = kinds.iter().position(|&kind| kind > StorageKind::Transfer as u8) {
            return Err(StorageError::UnknownKind { row, kind: kinds[row] });
        }
        self.enter(slot)?;
        let codes = (0..rows).map(|row| {
            let (member, to, energy) = (members[row], counterparties[row], energy[row]);
            let code = match kinds[row] {
                0 => self.charge(member, energy),
                1 => self.discharge(member, energy),
                _ => self.transfer(member, to, energy),
            };
            code as u8
        });
        Ok(codes.collect())
    }

    /// Goes on to `slot`: power may be used anew, and what is lost with time is lost.
    fn enter(&mut self, slot: Option<i64>) -> Result<(), StorageError> {
        let StorageTerms { charge_limit, discharge_limit, self_discharge_ppm, .. } = self.terms;
        let needed = charge_limit.is_some() || discharge_limit.is_some() || self_discharge_ppm > 0;
        let (slot, now) = match (slot, self.slot) {
            (None, None) if needed => return Err(StorageError::NoSlot),
            (None, _) => return Ok(()),
            (Some(slot), None) => {
                self.slot = Some(slot);
                return Ok(());
            }
            (Some(slot), Some(now)) => (slot, now),
        };
        if slot < now {
            return Err(StorageError::SlotBackwards { slot, now });
        }
        if slot > now {
            self.slot = Some(slot);
            for held in &mut self.members {
                held.used = [0; 2];
            }
            self.age(slot.div_euclid(DAY_NS) - now.div_euclid(DAY_NS));
        }
        Ok(())
    }

    /// Takes from every account what is lost in some days, midnight by midnight, what is left rounded down to a unit.
    fn age(&mut self, midnights: i64) {
        let kept = i128::from(MILLION - self.terms.self_discharge_ppm);
        if kept == i128::from(MILLION) {
            return;
        }
        for member in 0..self.members.len() {
            let before = self.members[member];
            let mut energy = before.energy;
            for _ in 0..midnights {
                if energy == 0 {
                    break;
                }
                energy = energy * kept / i128::from(MILLION);
            }
            self.set(member, energy);
            let lost = self.stored(&self.members[member]) - self.stored(&before);
            if lost != 0 {
                self.note(StorageKind::SelfDischarge, member as u32, NOBODY, -lost, lost);
            }
        }
    }

    fn set(&mut self, member: usize, energy: i128) {
        let held = &mut self.members[member];
        self.total += energy - held.energy;
        held.energy = energy;
    }

    fn note(&mut self, kind: StorageKind, member: u32, counterparty: u32, energy: i64, stored: i64) {
        self.log.push(StorageEntry { slot: self.slot, kind, member, counterparty, energy, stored });
    }

    fn charge(&mut self, member: u32, energy: i64) -> StorageCode {
        let Some(&held) = self.members.get(member as usize) else { return StorageCode::UnknownMember };
        if energy <= 0 {
            return StorageCode::EnergyMustBePositive;
        }
        if energy > held.limit[0] - held.used[0] {
            return StorageCode::OverPower;
        }
        let gained = i128::from(energy) * self.gain();
        if held.energy + gained > i128::from(held.share) * self.whole() {
            return StorageCode::OverShare;
        }
        if gained > self.room() {
            return StorageCode::OverCapacity;
        }
        self.step(StorageKind::Charge, member, energy, held.energy + gained)
    }

    fn discharge(&mut self, member: u32, energy: i64) -> StorageCode {
        let Some(&held) = self.members.get(member as usize) else { return StorageCode::UnknownMember };
        if energy <= 0 {
            return StorageCode::EnergyMustBePositive;
        }
        if energy > held.limit[1] - held.used[1] {
            return StorageCode::OverPower;
        }
        let taken = i128::from(energy) * DISCHARGED;
        if taken > held.energy.min(self.there()) {
            return StorageCode::Empty;
        }
        self.step(StorageKind::Discharge, member, energy, held.energy - taken)
    }

    /// Carries out a charge or discharge that brings an account to `after` units.
    fn step(&mut self, kind: StorageKind, member: u32, energy: i64, after: i128) -> StorageCode {
        let place = member as usize;
        let before = self.stored(&self.members[place]);
        self.set(place, after);
        let way = kind as usize;
        if self.members[place].limit[way] != i64::MAX {
            self.members[place].used[way] += energy; // within the limit
        }
        let stored = self.stored(&self.members[place]) - before;
        self.note(kind, member, NOBODY, energy, stored);
        StorageCode::Ok
    }

    fn transfer(&mut self, member: u32, to: u32, energy: i64) -> StorageCode {
        let Some(&from) = self.members.get(member as usize) else { return StorageCode::UnknownMember };
        let Some(&into) = self.members.get(to as usize) else { return StorageCode::UnknownCounterparty };
        if member == to {
            return StorageCode::MembersMustDiffer;
        }
        if energy <= 0 {
            return StorageCode::EnergyMustBePositive;
        }
        let moved = i128::from(energy) * self.whole();
        if moved > from.energy {
            return StorageCode::Empty;
        }
        if into.energy + moved > i128::from(into.share) * self.whole() {
            return StorageCode::OverShare;
        }
        self.set(member as usize, from.energy - moved);
        self.set(to as usize, into.energy + moved);
        self.note(StorageKind::Transfer, member, to, energy, -energy);
        StorageCode::Ok
    }

    /// Brings the accounts to what the battery was found to hold, and says how many Wh that are more than they said.
    ///
    /// An operator's account takes the difference, and members keep what they have. Without one the reading overrules
    /// what is carried: parts of a Wh are dropped, and members share the difference to their whole Wh in proportion to
    /// these, as far as their shares have room.
    ///
    /// # Errors
    /// A reading below 0 or above the capacity, a slot that is missing or before the present one.
    pub fn reconcile(&mut self, slot: Option<i64>, physical: i64) -> Result<i64, StorageError> {
        let most = self.terms.capacity;
        if !(0..=most).contains(&physical) {
            return Err(StorageError::OutOfRange { name: "physical_wh", value: physical, least: 0, most });
        }
        self.enter(slot)?;
        let whole = self.whole();
        if let Some(had) = self.operator {
            let members = self.total.div_euclid(whole) as i64; // at most what is shared, which has 64 bits
            let difference = physical - members - had;
            self.operator = Some(physical - members);
            if difference != 0 {
                self.note(StorageKind::Difference, NOBODY, NOBODY, difference, difference);
            }
            return Ok(difference);
        }
        let stored: Vec<i64> = self.members.iter().map(|held| self.stored(held)).collect();
        let difference = physical - stored.iter().sum::<i64>();
        let parts = self.divided(difference, &stored);
        for (member, (stored, part)) in stored.into_iter().zip(parts).enumerate() {
            self.set(member, i128::from(stored + part) * whole);
            if part != 0 {
                self.note(StorageKind::Difference, member as u32, NOBODY, part, part);
            }
        }
        Ok(difference)
    }

    /// `difference` in proportion to what is stored, never beyond a share: what does not fit goes to the others, and
    /// where nobody who has something stored has room left, to all in proportion to the room they have.
    fn divided(&self, difference: i64, stored: &[i64]) -> Vec<i64> {
        let mut parts = vec![0; stored.len()];
        if difference < 0 {
            split(difference.into(), stored, &mut parts);
            return parts;
        }
        let rooms: Vec<i64> = self.members.iter().zip(stored).map(|(held, stored)| held.share - stored).collect();
        let mut given = Vec::new();
        let mut left = difference;
        while left > 0 {
            let free: Vec<i64> = rooms.iter().zip(&parts).map(|(room, part)| room - part).collect();
            let mut weights: Vec<i64> =
                stored.iter().zip(&free).map(|(&stored, &free)| if free > 0 { stored } else { 0 }).collect();
            if weights.iter().all(|&weight| weight == 0) {
                weights.clone_from(&free); // what is shared is at least the capacity, so that all of it fits
            }
            split(left.into(), &weights, &mut given);
            for ((part, &given), &free) in parts.iter_mut().zip(&given).zip(&free) {
                let taken = given.min(free);
                *part += taken;
                left -= taken;
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests;
