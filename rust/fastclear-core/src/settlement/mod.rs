//! Settlement: double-entry accounts, reservations, and the postings of a slot.

pub mod posting;
