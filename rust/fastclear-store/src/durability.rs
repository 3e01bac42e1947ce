//! When what was written is safe.

/// When a sealed block or a batch of commands is safe from a power cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Before the call returns.
    #[default]
    Sync,
    /// Before the call returns, which waits this long for the calls of other threads to share its sync.
    Group {
        /// How long, in milliseconds.
        wait_ms: u32,
    },
    /// When the operating system gets to it: for simulations.
    None,
}

impl Durability {
    /// Whether anything is synced at all.
    pub const fn syncs(self) -> bool {
        !matches!(self, Self::None)
    }
}
