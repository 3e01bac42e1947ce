//! A door with a register of who came in, and with a cover if one is set.

use super::cover::{Charges, Cover, Whose};
use super::event::Event;
use super::register::{Heard, Note, Record, Register};
use super::rules::{Admission, Request};
use crate::reject::RejectReason;

/// An [`Admission`] that knows whose each order is, and stops those that are not covered.
#[derive(Clone, Debug, Default)]
pub struct Door {
    register: Register,
    cover: Option<Cover>,
    /// What is yet to be written into the register, many things at once: memory is then fetched for some while others are
    /// written. Nothing between calls.
    notes: Vec<Note>,
    /// Whether notes may wait: within a call.
    waits: bool,
}

/// As many notes wait at most: what stays close to the processor.
const NOTES: usize = 256;

impl Door {
    pub(super) fn of(register: Register, cover: Option<Cover>) -> Self {
        Self { register, cover, ..Self::default() }
    }

    /// The register.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// What the call that is over was about: see [`Register::take_record`].
    pub fn take_record(&mut self, times: Option<&[i64]>) -> Record {
        self.register.take_record(times)
    }

    /// A call is over whose record is taken with that of the next: see [`Register::stamp`].
    pub fn stamp(&mut self, times: Option<&[i64]>) {
        self.register.stamp(times);
    }

    /// The cover; without one everybody is let in.
    pub fn cover(&self) -> Option<&Cover> {
        self.cover.as_ref()
    }

    /// The cover, which is there from now on: who has no limits in it is let in no more.
    pub fn cover_with(&mut self, charges: Charges) -> &mut Cover {
        let cover = self.cover.get_or_insert_with(|| Cover::over(charges, self.register.standings()));
        cover.set_charges(charges, self.register.standings());
        cover
    }

    /// Whether the cover lets an order in. As long as notes wait it counts as bound what they will give back, and no less: who
    /// is let in then is let in; who is not is looked at again when they are written.
    fn is_covered(&mut self, request: &Request) -> Result<(), RejectReason> {
        let Some(cover) = &mut self.cover else { return Ok(()) };
        if request.replaces.is_none() && cover.admit(request, None).is_ok() {
            return Ok(());
        }
        self.write_all();
        let replaced = request.replaces.and_then(|_| self.register.standing(request.order));
        let Some(cover) = &mut self.cover else { return Ok(()) };
        cover.admit(request, replaced.map(|(_, standing)| standing))
    }

    #[inline(never)]
    fn write_all(&mut self) {
        match &mut self.cover {
            Some(cover) => self.register.write_all(&self.notes, cover),
            None => self.register.write_all(&self.notes, &mut Nobody),
        }
        self.notes.clear();
    }
}

impl Admission for Door {
    const GOES_STRAIGHT: bool = true;

    #[inline]
    fn admit(&mut self, request: &Request) -> Result<(), RejectReason> {
        if self.cover.is_some() {
            self.is_covered(request)?;
        }
        self.register.ask(request);
        Ok(())
    }

    #[inline(always)]
    fn seen(&mut self, event: &Event) {
        let Some(note) = self.register.note(event, self.cover.as_mut()) else { return };
        if self.waits {
            self.notes.push(note);
            if self.notes.len() == NOTES || note.is_urgent() {
                self.write_all();
            }
            return;
        }
        match &mut self.cover {
            Some(cover) => self.register.write(&note, cover),
            None => self.register.write(&note, &mut Nobody),
        }
    }

    fn begin(&mut self) {
        self.waits = self.register.looks_ahead();
    }

    fn end(&mut self) {
        self.write_all();
        self.waits = false;
    }
}

/// Who covers nothing, and need not hear.
struct Nobody;

impl Heard for Nobody {
    fn stands(&mut self, _: u32, _: Whose, _: u8, _: i64) {}
    fn changes(&mut self, _: u32, _: u8, _: [u32; 2], _: i64) {}
    fn loses(&mut self, _: u32, _: u8, _: i64) {}
    fn dealt(&mut self, _: u32, _: u32, _: i64, _: i64) {}
    fn fetch_stake(&self, _: usize) {}
    fn fetch(&self, _: usize) {}
}
