//! The clearing house: pure functions and one state machine over integer columns.
//!
//! Orders go in as columns ([`order`]), an auction crosses them ([`auction`], many markets at once through
//! [`batch`]), out come fills and trades ([`trade`]); settlement turns trades and meter readings into double-entry
//! postings ([`settlement`]); the ledger seals postings into Merkle-hashed, chained blocks ([`ledger`]).
//!
//! Data moves left to right and never back: a room imports only rooms to its left and the ground floor.
//!
//! | room | what lives there |
//! |---|---|
//! | [`units`], [`ids`], [`order`], [`reject`], [`bytes`] | ground floor: ranges, identifiers, one door for an order, one code per refusal, bytes read strictly |
//! | [`auction`], [`batch`] | the crossing, rationing, uniform and discriminatory pricing; many markets a call |
//! | [`sharing`] | pools without bids: bill sharing, mid-market rate, supply–demand ratio, fixed price, allocation keys |
//! | [`book`] | the continuous double auction: resting orders of many markets, commands in, events out |
//! | [`preference`] | staged matching by contract, named source, type and place; fees between zones; bilateral offers |
//! | [`trade`] | what an auction returns |
//! | [`simd`] | passes over whole columns, compiled for what the machine can |
//! | [`memory`] | an allocator for who installs it: large columns on large pages, used again |
//! | [`settlement`] | accounts, reservations, postings, the settlement of a slot |
//! | [`ledger`] | canonical bytes, RFC 9162 trees, blocks, chain, proofs |
//! | [`exchange`] | the whole house behind commands: state = fold(commands), nothing touches a disk |
//! | [`machine`] | what a store can keep: commands in, replies out, state = fold(commands) |
//!
//! # Invariants
//! - Nothing priced, metered or paid is a float. Prices are ticks, quantities are lots, money is ticks × lots.
//! - Same orders in any row order on any number of threads give the same bytes.
//! - No I/O, no clock, no randomness of its own: a time or a seed is an argument.
//! - No input panics: a bad order gets a [`reject::RejectReason`], a bad call a typed error.

pub mod auction;
pub mod batch;
pub mod book;
pub mod bytes;
pub mod exchange;
pub mod ids;
pub mod ledger;
pub mod machine;
pub mod memory;
pub mod order;
pub mod preference;
pub mod reject;
pub mod settlement;
pub mod sharing;
pub mod simd;
pub mod trade;
pub mod units;
