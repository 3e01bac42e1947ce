//! The continuous double auction: orders rest in a book and trade as others come in.
//!
//! One [`OrderBook`] holds any number of markets. [`Commands`] go in as columns and are obeyed one after the other, row by
//! row; [`Events`] come out, numbered without a gap over the life of the book. There is no clock, no I/O and no randomness:
//! the same commands give the same events, however they are cut into calls.
//!
//! # What a command does
//! - **new**. An order that comes in trades with the best orders of the other side for as long as they are at its limit or
//!   better: the best price first, of one price the order that came first. The price is that of the order that rested.
//!   What is left rests behind all others of its price (`gtc`; `gtt` until `expires`) or is cancelled
//!   (`ioc`; market orders always). `fok` trades all of its quantity or nothing. A market order takes any price; one with
//!   a price, none worse (its protection). `post_only` is refused where any of it would meet the other side at once.
//! - **cancel** takes an order out; **reduce** takes `quantity` lots out and leaves it in its place, or takes it out where
//!   it has no more.
//! - **replace** sets price or open quantity or both; null leaves what there is. Fewer lots at the same price keep their
//!   place. Anything else goes to the back, and first trades like an order that comes in. Participant and expiry stay.
//! - **`mass_cancel`** takes out all orders of a market, or those of one participant there: bids, then asks, each side first
//!   to last. **halt** and **resume**: a halted market refuses orders and replacements, and takes the rest.
//!
//! A command may say in which market or by which participant an order is; one that is not there is unknown. The id of an
//! order that is gone may be used again. Orders without an id get the number after the largest that was ever seen.
//!
//! # Time
//! The clock is the latest `time` of all commands so far, or of [`OrderBook::advance`]; an earlier one counts as now. An
//! order is there before its `expires`, and no longer from then on; a market is open before its gate
//! ([`OrderBook::set_gate`]). What is past goes before the command is obeyed: by time, at one time orders of their own
//! before markets, then by id.
//!
//! # Trades with oneself
//! Where bid and ask are of one participant, [`SelfTrade`] says what happens, each time the two meet. A fill-or-kill order
//! counts what it would get under that rule: orders of its own that would be cancelled are passed over, and under every
//! other rule it is killed where one of its own stands before its last lot. An order without a participant is its own.
//!
//! # Richer orders
//! - **`display`**: an iceberg. It comes in with all of its quantity; what rests shows so many lots, and as many again, last of
//!   its price, each time that they have traded.
//! - **`min_quantity`**, or all of it ([`ALL_OR_NONE`]): it trades at least so many lots, or all that it has open if that is
//!   less, at one moment. Coming in, it does where the walk gives it so many before it meets an order of its own; resting, it
//!   stands beside the layout, behind all others of its price, and is passed over by what is too small for it. What crosses an
//!   order that came to rest is tried again afterwards.
//! - **`stop`**: it waits outside until a trade is at its stop, or beyond.
//! - **`peg`**: its price follows that of orders in the book that have neither peg nor minimum; without one it waits outside.
//! - [`SLIDE`]: post-only, one tick short of what it would meet.
//!
//! In a call icebergs take part with all that they have, in their places; stops, pegs and minimums wait until it is over. A
//! collar and a breaker bound orders of every kind.
//!
//! What a command sets off comes after it: stops, then pegs, then minimums, until nothing moves; see `special/mod.rs`, also
//! for why that ends. What waits for its stop is not in the book, and stays when a market is erased.
//!
//! # Order of events
//! `accepted` or `replaced`; then for every order met, best first: `trade`, then `filled` of the order that rested if
//! nothing of it is left, or `cancelled` by the rule against trades with oneself (the order that rested, then the one that
//! came in); `filled` of the order that came in; or `cancelled` of its rest if it does not rest. A market that is erased
//! after a trade is `cancelled` last, bids then asks. A refused command is one `rejected` and changes nothing. `remaining`
//! is what `order` has open afterwards, so that quantities can be followed from the events alone; what is shown, too: all of an
//! order but where `replaced` says less, and it grows with nothing else.
//!
//! # Which reason a refusal has
//! The first one in the order of [`RejectReason::ALL`](crate::reject::RejectReason::ALL) that a command asks about: what it
//! is, side, type, `tif`, price, quantity, ids, time, instructions, expiry, gate, the order itself (there already, or not
//! there), halt, post-only, and last the [`Admission`].
//!
//! # How it is kept
//! A market of up to [`SMALL_MAX`] orders a side at close prices is one piece of memory, and another one for a side that has
//! many (`small.rs`, `smalls.rs`); any other is a ladder of prices with chains of pooled orders (`ladder.rs`, `levels.rs`). It
//! moves from one to the other when it must, and stays. When orders expire is kept beside both (`expiry.rs`). Matching
//! is written once over both (`matching.rs`), and no result depends on which it is. Rows are read some dozens at a time
//! (`block.rs`), so that memory can be asked for before it is needed (`ahead.rs`); plain ones of one ladder that follow each
//! other go in one loop (`straight.rs`).

#![expect(
    clippy::inline_always,
    reason = "an order that crosses a call in memory waits for every store before it, which may be to memory far away"
)]

mod ahead;
mod block;
mod command;
mod cover;
mod desk;
mod door;
mod door_saved;
mod engine;
mod event;
mod expiry;
mod ids;
mod ladder;
mod layout;
mod levels;
mod matching;
mod obey;
mod quotes;
mod register;
mod replica;
mod rules;
mod saved;
mod single;
mod small;
mod smalls;
mod special;
mod step;
mod store;
mod straight;
mod view;

pub use command::{ALL_OR_NONE, Commands, NULL, OFF_GRID, Op, POST_ONLY, Peg, Phase, SLIDE, Tif};
pub use cover::{Bound, Charges, Cover, Limits, Position};
pub use door::Door;
pub use door_saved::has_door;
pub use engine::{GateError, NO_GATE, NO_SIDE, OrderBook};
pub use event::{Event, Events, Kind, NO_PRICE, NOWHERE, Want};
pub use layout::Level;
pub use quotes::{Depths, Quotes};
pub use register::{Card, Deal, Record, Register};
pub use replica::{Followed, Replica, ReplicaError, Update};
pub use rules::{Admission, Everybody, Request, Rules, SMALL_MAX, SelfTrade};
pub use saved::{Caller, IdTexts};
pub use single::{Placed, Single};
pub use special::{Call, SessionError};
pub use step::{Acted, Agent, Seen, Step};
pub use view::{MarketState, Snapshot};
