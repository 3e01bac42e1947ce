//! Certificates of origin: whole Wh that a device generated in a slot, from issue to claim.
//!
//! A certificate is for so many Wh of one device and slot, and has one holder. What is handed on, claimed or taken back
//! in part is split off under a new id; ids count up from 0. For each device and slot
//!
//! active + cancelled + expired = what was issued and not taken back ≤ the latest reading,
//!
//! but for what had been cancelled before a lower reading came: that is owed.

mod words;

use std::collections::{BTreeSet, HashMap};

pub use words::{CertificateCode, CertificateError, Event, EventKind, Reading, State, Step, Use};

/// Stands for a name that is none.
pub const NOBODY: u32 = u32::MAX;
/// No reading reaches so many Wh, so that no sum of 2²³ certificates leaves 64 bits.
const ENERGY_END: i64 = 1 << 40;

/// One certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Who generated.
    pub device: u32,
    /// When, ns since 1970 UTC.
    pub slot: i64,
    /// Of which kind.
    pub source: u32,
    /// What else was said of it.
    pub attributes: u32,
    /// Whose it is, or was.
    pub owner: u32,
    /// Wh, above 0.
    pub energy: i64,
    /// Where it stands.
    pub state: State,
    /// The certificate that it was split off.
    pub parent: Option<u64>,
    /// Who claimed it, else [`NOBODY`].
    pub beneficiary: u32,
    /// The slot in which what it was claimed for was consumed, or the slot that it makes up for.
    pub used_for: Option<i64>,
    /// The device that it makes up for, else [`NOBODY`].
    pub compensates: u32,
    /// The certificate of the same device and slot before this one.
    earlier: Option<u64>,
}

/// What is known of one device in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Latest reading in whole Wh.
    pub metered: i64,
    /// Wh of its certificates that are active, cancelled or expired.
    pub standing: i64,
    /// Wh of other certificates that make up for what it owed.
    pub compensated: i64,
    source: u32,
    /// Its latest certificate.
    latest: Option<u64>,
}

impl Lot {
    /// Wh that were cancelled beyond the reading, and not made up for.
    pub fn owed(&self) -> i64 {
        (self.standing - self.metered - self.compensated).max(0)
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its code.
    pub code: CertificateCode,
    /// The certificate that was issued, or the one that the row was about: the new one, where it was split.
    pub id: Option<u64>,
    /// Wh that a reading issued, or took back (below 0).
    pub issued: i64,
}

impl From<CertificateCode> for Outcome {
    fn from(code: CertificateCode) -> Self {
        Self { code, id: None, issued: 0 }
    }
}

/// Every certificate, by id.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    all: Vec<Certificate>,
    lots: HashMap<(u32, i64), Lot>,
    /// Active certificates as (slot, owner, id): the oldest expire first, and a holder finds its own of a slot.
    active: BTreeSet<(i64, u32, u64)>,
    /// Wh that a beneficiary claimed for consumption in a slot.
    claimed: HashMap<(u32, i64), i128>,
    events: Vec<Event>,
    term_ns: Option<i64>,
    now_ns: Option<i64>,
}

impl Certificates {
    /// None yet. Certificates expire `term_ns` after the start of their slot, or never.
    ///
    /// # Errors
    /// A term of 0 or less.
    pub fn new(term_ns: Option<i64>) -> Result<Self, CertificateError> {
        match term_ns {
            Some(term_ns) if term_ns <= 0 => Err(CertificateError::BadTerm { term_ns }),
            _ => Ok(Self { term_ns, ..Self::default() }),
        }
    }

    /// Every certificate; its place is its id.
    pub fn all(&self) -> &[Certificate] {
        &self.all
    }

    /// Everything that happened, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Engine time, ns since 1970 UTC; none before it was first set.
    pub const fn now_ns(&self) -> Option<i64> {
        self.now_ns
    }

    /// Device, slot and what is known of them, ascending.
    pub fn lots(&self) -> Vec<(u32, i64, Lot)> {
        let mut lots: Vec<_> = self.lots.iter().map(|(&(device, slot), &lot)| (device, slot, lot)).collect();
        lots.sort_unstable_by_key(|&(device, slot, _)| (device, slot));
        lots
    }

    /// Whether certificates of `slot` have expired.
    fn is_over(&self, slot: i64) -> bool {
        match (self.term_ns, self.now_ns) {
            (Some(term), Some(now)) => i128::from(slot) + i128::from(term) <= i128::from(now),
            _ => false,
        }
    }

    /// Advances engine time, and says how many Wh have expired.
    ///
    /// # Errors
    /// Time never goes back.
    pub fn advance(&mut self, time_ns: i64) -> Result<i128, CertificateError> {
        if let Some(now_ns) = self.now_ns.filter(|&now| time_ns < now) {
            return Err(CertificateError::TimeBackwards { time_ns, now_ns });
        }
        self.now_ns = Some(time_ns);
        let mut expired = Vec::new();
        while let Some(&(slot, owner, id)) = self.active.first().filter(|&&(slot, ..)| self.is_over(slot)) {
            self.active.remove(&(slot, owner, id));
            expired.push((slot, id, owner));
        }
        expired.sort_unstable();
        let mut energy = 0;
        for (_, id, owner) in expired {
            self.all[id as usize].state = State::Expired;
            energy += i128::from(self.all[id as usize].energy);
            self.note(EventKind::Expire, id, owner, NOBODY);
        }
        Ok(energy)
    }

    /// Takes a reading: issues what it says beyond those before it, or takes back what is beyond it, the
    /// latest certificates first, active or expired. What is cancelled stays, and is owed.
    pub fn read(&mut self, reading: &Reading) -> Outcome {
        let Reading { device, slot, generated, owner, source, attributes } = *reading;
        if device == NOBODY {
            return CertificateCode::UnknownDevice.into();
        }
        if owner == NOBODY {
            return CertificateCode::UnknownHolder.into();
        }
        if !(0..ENERGY_END).contains(&generated) {
            return CertificateCode::EnergyOutOfRange.into();
        }
        let known = self.lots.get(&(device, slot)).copied();
        if known.is_some_and(|lot| lot.source != source) {
            return CertificateCode::SourceDiffers.into();
        }
        let mut lot = known.unwrap_or(Lot { metered: 0, standing: 0, compensated: 0, source, latest: None });
        let more = generated - lot.standing;
        if more > 0 && self.is_over(slot) {
            return CertificateCode::TermIsOver.into();
        }
        lot.metered = generated;
        let mut outcome = Outcome::from(CertificateCode::Ok);
        if more > 0 {
            let id = self.all.len() as u64;
            self.all.push(Certificate {
                device,
                slot,
                source,
                attributes,
                owner,
                energy: more,
                state: State::Active,
                parent: None,
                beneficiary: NOBODY,
                used_for: None,
                compensates: NOBODY,
                earlier: lot.latest,
            });
            self.active.insert((slot, owner, id));
            self.note(EventKind::Issue, id, NOBODY, owner);
            lot.latest = Some(id);
            lot.standing = generated;
            outcome = Outcome { id: Some(id), issued: more, ..outcome };
            self.lots.insert((device, slot), lot);
            return outcome;
        }
        self.lots.insert((device, slot), lot);
        outcome.issued = -self.take_back((device, slot), -more);
        let owed = self.lots.get(&(device, slot)).is_some_and(|lot| lot.owed() > 0);
        outcome.code = match (owed, outcome.issued) {
            (true, _) => CertificateCode::Owed,
            (false, 0) => CertificateCode::Unchanged,
            (false, _) => CertificateCode::Revoked,
        };
        outcome
    }

    /// Takes back up to `energy` Wh of a device and slot, and says how many.
    fn take_back(&mut self, key: (u32, i64), energy: i64) -> i64 {
        let mut left = energy;
        let mut next = self.lots.get(&key).and_then(|lot| lot.latest);
        while let Some(id) = next.filter(|_| left > 0) {
            let certificate = self.all[id as usize];
            next = certificate.earlier;
            if matches!(certificate.state, State::Active | State::Expired) {
                let taken = certificate.energy.min(left);
                let id = self.split(id, taken);
                self.retire(id, State::Revoked);
                self.note(EventKind::Revoke, id, certificate.owner, NOBODY);
                left -= taken;
            }
        }
        if let Some(lot) = self.lots.get_mut(&key) {
            lot.standing -= energy - left;
        }
        energy - left
    }

    /// Splits `energy` Wh off a certificate, and says under which id they are: its own where that is all of it.
    fn split(&mut self, id: u64, energy: i64) -> u64 {
        let certificate = self.all[id as usize];
        if energy == certificate.energy {
            return id;
        }
        let new = self.all.len() as u64;
        let lot = self.lots.get_mut(&(certificate.device, certificate.slot));
        let earlier = lot.and_then(|lot| lot.latest.replace(new));
        self.all[id as usize].energy -= energy;
        self.all.push(Certificate { energy, parent: Some(id), earlier, ..certificate });
        if certificate.state == State::Active {
            self.active.insert((certificate.slot, certificate.owner, new));
        }
        new
    }

    /// Ends a certificate.
    fn retire(&mut self, id: u64, state: State) -> &mut Certificate {
        let certificate = &mut self.all[id as usize];
        self.active.remove(&(certificate.slot, certificate.owner, id));
        certificate.state = state;
        certificate
    }

    /// Hands on, cancels, or makes up with it: one row.
    pub fn step(&mut self, step: &Step) -> Outcome {
        match self.fault(step) {
            Err(code) => code.into(),
            Ok(energy) => {
                let id = self.split(step.id, energy);
                match step.then {
                    Use::Transfer { to } => self.hand(id, to),
                    Use::Cancel { beneficiary, slot } => self.claim(id, beneficiary, slot),
                    Use::Compensate { device, slot } => {
                        let certificate = self.retire(id, State::Cancelled);
                        (certificate.compensates, certificate.used_for) = (device, Some(slot));
                        let owner = certificate.owner;
                        self.note(EventKind::Compensate, id, owner, NOBODY);
                        if let Some(lot) = self.lots.get_mut(&(device, slot)) {
                            lot.compensated += energy; // at most what is owed
                        }
                    }
                }
                Outcome { id: Some(id), ..CertificateCode::Ok.into() }
            }
        }
    }

    /// The Wh that a row is about, or its fault.
    fn fault(&self, step: &Step) -> Result<i64, CertificateCode> {
        let owing = match step.then {
            Use::Compensate { device, slot } => {
                Some(self.lots.get(&(device, slot)).ok_or(CertificateCode::UnknownDevice)?.owed())
            }
            _ => None,
        };
        if step.then == (Use::Transfer { to: NOBODY }) {
            return Err(CertificateCode::UnknownHolder);
        }
        let place = usize::try_from(step.id).ok();
        let certificate = place.and_then(|place| self.all.get(place)).ok_or(CertificateCode::UnknownCertificate)?;
        let energy = step.energy.unwrap_or(certificate.energy);
        if !(1..ENERGY_END).contains(&energy) {
            return Err(CertificateCode::EnergyOutOfRange);
        }
        match certificate.state {
            State::Active => {}
            State::Cancelled => return Err(CertificateCode::AlreadyCancelled),
            State::Expired => return Err(CertificateCode::Expired),
            State::Revoked => return Err(CertificateCode::AlreadyRevoked),
        }
        if step.owner.is_some_and(|owner| owner != certificate.owner) {
            return Err(CertificateCode::NotOwner);
        }
        if step.then == (Use::Transfer { to: certificate.owner }) {
            return Err(CertificateCode::OwnersMustDiffer);
        }
        if energy > certificate.energy {
            return Err(CertificateCode::ExceedsCertificate);
        }
        if owing.is_some_and(|owed| energy > owed) {
            return Err(CertificateCode::ExceedsOwed);
        }
        Ok(energy)
    }

    fn note(&mut self, kind: EventKind, id: u64, from: u32, to: u32) {
        let energy = self.all[id as usize].energy;
        self.events.push(Event { time_ns: self.now_ns, kind, id, energy, from, to });
    }

    fn hand(&mut self, id: u64, to: u32) {
        let certificate = &mut self.all[id as usize];
        let from = certificate.owner;
        self.active.remove(&(certificate.slot, from, id));
        certificate.owner = to;
        self.active.insert((certificate.slot, to, id));
        self.note(EventKind::Transfer, id, from, to);
    }

    /// Cancels a certificate for `beneficiary` and its consumption in `slot`.
    fn claim(&mut self, id: u64, beneficiary: u32, slot: Option<i64>) {
        let certificate = self.retire(id, State::Cancelled);
        let beneficiary = if beneficiary == NOBODY { certificate.owner } else { beneficiary };
        let slot = slot.unwrap_or(certificate.slot);
        (certificate.beneficiary, certificate.used_for) = (beneficiary, Some(slot));
        let (owner, energy) = (certificate.owner, i128::from(certificate.energy));
        self.note(EventKind::Cancel, id, owner, beneficiary);
        *self.claimed.entry((beneficiary, slot)).or_default() += energy;
    }

    /// Cancels what `holder` has of `slot` against what it consumed then, the oldest id first, and says how many Wh
    /// it has claimed for that slot in all, at most what it consumed.
    ///
    /// The same consumption again cancels nothing more.
    pub fn match_slot(&mut self, holder: u32, slot: i64, consumed: i64) -> i64 {
        let had = self.claimed.get(&(holder, slot)).copied().unwrap_or(0);
        let mut left = i128::from(consumed) - had;
        while left > 0 && holder != NOBODY {
            let Some(&(_, _, id)) = self.active.range((slot, holder, 0)..=(slot, holder, u64::MAX)).next() else {
                break;
            };
            let taken = left.min(i128::from(self.all[id as usize].energy)) as i64; // at most what 64 bits held
            let id = self.split(id, taken);
            self.claim(id, holder, Some(slot));
            left -= i128::from(taken);
        }
        let claimed = self.claimed.get(&(holder, slot)).copied().unwrap_or(0);
        claimed.min(i128::from(consumed.max(0))) as i64 // at most what was consumed
    }
}

#[cfg(test)]
mod tests;
