//! A state machine that a store can keep: commands in, replies out, state = fold(commands).
//!
//! The store (`fastclear-store`) writes a command to its journal before it applies it, gives the reply out after the
//! journal is safe, and after a crash applies what the journal holds to the newest snapshot. That works for any
//! machine whose [`Machine::apply`] depends on nothing but the state, the time and the command: no clock, no
//! randomness, no address, no hash-map order. A command that makes no sense is not an error of the machine: it is
//! refused in the reply, and it is refused again in the same words when the journal is replayed.

use std::fmt;

/// A deterministic state machine over bytes.
pub trait Machine: Sized {
    /// Applies one command at an engine time and appends the reply. Engine times rise strictly from call to call.
    ///
    /// A command that is refused says so in the reply and leaves the state as it was (apart from the time).
    fn apply(&mut self, time_ns: u64, command: &[u8], reply: &mut Vec<u8>);

    /// Appends the whole state: equal states give equal bytes.
    fn save(&self, out: &mut Vec<u8>);

    /// The machine that [`Machine::save`] wrote.
    ///
    /// # Errors
    /// [`LoadError`] for anything that `save` does not write. Never panics, whatever the bytes.
    fn load(bytes: &[u8]) -> Result<Self, LoadError>;

    /// A hash over the state: equal exactly where the states are equal. A snapshot is checked against it.
    fn root(&self) -> [u8; 32];
}

/// Why bytes are no saved state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Where in the bytes.
    pub at: usize,
    /// What is wrong there.
    pub reason: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no saved state: {} at byte {}", self.reason, self.at)
    }
}

impl std::error::Error for LoadError {}
