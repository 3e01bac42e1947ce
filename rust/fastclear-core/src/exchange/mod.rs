//! The whole house behind commands: orders in at a gate, trades, postings and blocks out.
//!
//! An [`Exchange`] is a [`crate::machine::Machine`]: it changes by commands alone, so that whoever keeps the commands
//! keeps the exchange. It composes what the other rooms do: [`crate::batch`] clears, [`crate::settlement`] sets money
//! aside and settles, [`crate::ledger`] seals. Nothing here touches a disk, a clock or a source of randomness.
//!
//! | file | what lives there |
//! |---|---|
//! | [`genesis`] | the terms: mechanism, tariff, gate; their canonical text |
//! | `mechanism` | a mechanism as integers and as text |
//! | [`command`] | what can be asked for, byte by byte |
//! | [`reply`] | statuses, events and what else an answer holds, byte by byte |
//! | [`slot`] | the book of a slot from its first order to its block |
//! | [`members`] | names and accounts |
//! | `keys` | idempotency: the same answer to the same command |
//! | `state` | the exchange, and its machine |
//! | `obey` | each command |
//! | `saved` | the state as bytes |
//! | `bytes` | reading and writing them |
//!
//! # Rules
//! - A gate is the half-open interval [open, close) of UTC nanoseconds: an order before it is refused with
//!   `gate_not_open`, one at its end or after with `market_closed`.
//! - The worst case of a bid is set aside when it is taken, so that whatever trades is paid.
//! - A command is done or refused as a whole, but for batches of orders: those have one code a row.
//! - One idempotency key stands for one command: asked again it is answered again, and nothing happens twice.

pub mod command;
pub mod genesis;
mod keys;
mod mechanism;
pub mod members;
mod obey;
pub mod reply;
mod saved;
pub mod slot;
mod state;

pub use crate::bytes::Malformed;
pub use command::{Command, Name, OrderBatch};
pub use genesis::{Gate, Genesis};
pub use members::Members;
pub use reply::{Event, EventKind, Reply, Status};
pub use slot::{Phase, Slot, SlotOrder};
pub use state::Exchange;
