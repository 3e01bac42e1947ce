//! Where time comes from, and engine time, which strictly rises whatever the clock does.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How far the wall clock may run ahead of the steady one before a batch is refused: an hour.
pub const STEP_MAX_NS: u64 = 3_600_000_000_000;

/// Two clocks: one that says what time it is, one that says how much has gone by.
pub trait Clock {
    /// Nanoseconds since 1970 UTC. May step in either direction.
    fn wall_ns(&self) -> u64;

    /// Nanoseconds since some moment. Never steps.
    fn steady_ns(&self) -> u64;
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug)]
pub struct WallClock(Instant);

impl Default for WallClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for WallClock {
    fn wall_ns(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
    }

    fn steady_ns(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// The wall clock has run ahead of the steady one by more than [`STEP_MAX_NS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// What the wall clock says.
    pub wall_ns: u64,
    /// What it said when it was last believed, and what has gone by since.
    pub expected_ns: u64,
}

/// Engine time: `max(last + 1, wall clock)`. A step back of the clock stalls it at one nanosecond a command.
#[derive(Clone, Copy, Debug)]
pub struct EngineTime {
    last_ns: u64,
    /// Wall and steady clock when the wall clock was last believed.
    believed: (u64, u64),
}

impl EngineTime {
    /// Goes on after `last_ns`. The clock is believed: how long the store was closed is not known.
    pub fn resume(last_ns: u64, clock: &impl Clock) -> Self {
        Self { last_ns, believed: (clock.wall_ns(), clock.steady_ns()) }
    }

    /// The last time given out.
    pub const fn last_ns(&self) -> u64 {
        self.last_ns
    }

    /// The first of `count` times, one nanosecond apart; given out only once [`Self::take`] is called.
    ///
    /// # Errors
    /// [`Jump`] unless `any_step`.
    pub fn next(&self, clock: &impl Clock, any_step: bool) -> Result<u64, Jump> {
        let (wall, steady) = (clock.wall_ns(), clock.steady_ns());
        let expected_ns = self.believed.0.saturating_add(steady.saturating_sub(self.believed.1));
        if wall > expected_ns.saturating_add(STEP_MAX_NS) && wall > self.last_ns && !any_step {
            return Err(Jump { wall_ns: wall, expected_ns });
        }
        // The end of time leaves room for the commands of many batches.
        Ok(wall.min(u64::MAX / 2).max(self.last_ns.saturating_add(1)))
    }

    /// Gives out `count` times from `first_ns` on.
    pub fn take(&mut self, first_ns: u64, count: u64, clock: &impl Clock) {
        self.last_ns = first_ns.saturating_add(count.saturating_sub(1));
        self.believed = (clock.wall_ns(), clock.steady_ns());
    }
}
