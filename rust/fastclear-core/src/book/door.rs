//! A door with a register of who came in, and with a cover if one is set.

use super::cover::{Charges, Cover};
use super::event::Event;
use super::register::{Heard, Note, Record, Register, Standing};
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
    /// Whether notes may wait: within a call, if no cover asks what the register knows.
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
}

impl Door {
    #[inline(always)]
    fn write(&mut self, note: &Note) {
        match &mut self.cover {
            Some(cover) => self.register.write(note, cover),
            None => self.register.write(note, &mut Nobody),
        }
    }

    #[inline(never)]
    fn write_all(&mut self) {
        self.register.write_all(&self.notes, &mut Nobody);
        self.notes.clear();
    }
}

impl Admission for Door {
    const GOES_STRAIGHT: bool = true;

    #[inline]
    fn admit(&mut self, request: &Request) -> Result<(), RejectReason> {
        if let Some(cover) = &mut self.cover {
            let replaced = request.replaces.and_then(|_| self.register.standing(request.order));
            cover.admit(request, replaced.map(|(_, standing)| standing))?;
        }
        self.register.ask(request);
        Ok(())
    }

    #[inline(always)]
    fn seen(&mut self, event: &Event) {
        let Some(note) = self.register.note(event) else { return };
        if self.waits {
            self.notes.push(note);
            if self.notes.len() == NOTES {
                self.write_all();
            }
        } else {
            self.write(&note);
        }
    }

    fn begin(&mut self) {
        self.waits = self.cover.is_none() && self.register.looks_ahead();
    }

    fn end(&mut self) {
        self.write_all();
        self.waits = false;
    }
}

/// Who covers nothing, and need not hear.
struct Nobody;

impl Heard for Nobody {
    fn stands(&mut self, _: u32, _: &Standing) {}
    fn leaves(&mut self, _: u32, _: &Standing) {}
    fn loses(&mut self, _: u32, _: u8, _: i64) {}
    fn dealt(&mut self, _: u32, _: u32, _: i64, _: i64) {}
}
