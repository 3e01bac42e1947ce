//! Books with orders of every kind: saved and loaded, and followed by their events.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod flow;
mod followed;
mod hostile;
mod saved;
