//! One sync for the calls of many threads.
//!
//! Who comes first leads: it waits for company as long as it was told to, takes what is queued, journals it as one
//! frame and gives every caller its reply. Who comes meanwhile is queued for the next frame. There is no thread of its
//! own, and a single caller that does not wait pays nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastclear_core::machine::Machine;

use crate::clock::Clock;
use crate::host::Host;
use crate::vfs::Vfs;
use crate::{Durability, StoreError};

/// Most commands of a frame.
const COMMANDS_MAX: usize = 8192;
/// No command joins others that have this many bytes already.
const BYTES_MAX: usize = 1 << 20;

struct State<M, V: Vfs, C> {
    /// Away while somebody leads.
    host: Option<Box<Host<M, V, C>>>,
    queue: VecDeque<(u64, Vec<u8>)>,
    queued_bytes: usize,
    answers: HashMap<u64, Result<Vec<u8>, StoreError>>,
    tickets: u64,
    /// Whether a leader has panicked: the host does not come back.
    is_lost: bool,
}

/// A [`Host`] that many threads use.
pub struct GroupHost<M, V: Vfs, C> {
    state: Mutex<State<M, V, C>>,
    changed: Condvar,
    wait: Duration,
    snapshot_bytes: u64,
}

type Guard<'a, M, V, C> = MutexGuard<'a, State<M, V, C>>;

impl<M: Machine, V: Vfs, C: Clock> GroupHost<M, V, C> {
    /// Takes a host over. With `Durability::Group` a leader waits for others; after so many bytes of journal it makes a
    /// snapshot.
    pub fn new(host: Host<M, V, C>, durability: Durability, snapshot_bytes: u64) -> Self {
        let wait = match durability {
            Durability::Group { wait_ms } => Duration::from_millis(u64::from(wait_ms)),
            Durability::Sync | Durability::None => Duration::ZERO,
        };
        let state = State {
            host: Some(Box::new(host)),
            queue: VecDeque::new(),
            queued_bytes: 0,
            answers: HashMap::new(),
            tickets: 0,
            is_lost: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), wait, snapshot_bytes }
    }

    fn lock(&self) -> Guard<'_, M, V, C> {
        // A panic of another thread leaves the host where it was, or away for good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep<'a>(&self, state: Guard<'a, M, V, C>) -> Guard<'a, M, V, C> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Journals a command, with those of other threads that are there by then, and returns its reply.
    ///
    /// # Errors
    /// Those of [`Host::submit`].
    pub fn submit(&self, command: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let mut state = self.lock();
        state.tickets += 1;
        let ticket = state.tickets;
        state.queued_bytes += command.len();
        state.queue.push_back((ticket, command));
        self.changed.notify_all(); // a leader that waits for company
        loop {
            if let Some(answer) = state.answers.remove(&ticket) {
                return answer;
            }
            state = match state.host.take() {
                Some(host) => self.lead(state, host),
                None if state.is_lost => return Err(lost()),
                None => self.sleep(state),
            };
        }
    }

    fn lead<'a>(&'a self, mut state: Guard<'a, M, V, C>, mut host: Box<Host<M, V, C>>) -> Guard<'a, M, V, C> {
        if !self.wait.is_zero() {
            let lonely =
                |state: &mut State<M, V, C>| state.queue.len() < COMMANDS_MAX && state.queued_bytes < BYTES_MAX;
            let waited = self.changed.wait_timeout_while(state, self.wait, lonely);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let (mut tickets, mut commands, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some((_, next)) = state.queue.front()
            && (commands.is_empty()
                || (bytes + next.len() + 4 <= BYTES_MAX.min(host.payload_max()) && commands.len() < COMMANDS_MAX))
            && let Some((ticket, command)) = state.queue.pop_front()
        {
            bytes += command.len() + 4;
            state.queued_bytes -= command.len();
            tickets.push(ticket);
            commands.push(command);
        }
        drop(state);
        let away = Away(self);
        let answered = host.submit(&commands);
        if answered.is_ok() && host.bytes_since_snapshot() >= self.snapshot_bytes {
            // What was asked for is done and safe. Without room it is tried again at the next call; any other failure
            // has poisoned the host, which the next call is told.
            let _ = host.snapshot();
        }
        drop(away);
        let mut state = self.lock();
        match answered {
            Ok(answer) => {
                for (ticket, reply) in tickets.into_iter().zip(answer.replies()) {
                    state.answers.insert(ticket, Ok(reply.to_vec()));
                }
            }
            Err(error) => {
                for ticket in tickets {
                    state.answers.insert(ticket, Err(error.again()));
                }
            }
        }
        state.host = Some(host);
        self.changed.notify_all();
        state
    }

    /// Does something with the host once nobody else is at it; what is queued waits.
    ///
    /// # Errors
    /// `Poisoned` where another thread has panicked in the middle of a batch.
    pub fn with<R>(&self, act: impl FnOnce(&mut Host<M, V, C>) -> R) -> Result<R, StoreError> {
        let mut state = self.lock();
        loop {
            if let Some(host) = state.host.as_mut() {
                return Ok(act(host));
            }
            if state.is_lost {
                return Err(lost());
            }
            state = self.sleep(state);
        }
    }

    /// Ends the journal, see [`Host::close`].
    ///
    /// # Errors
    /// Those of [`Host::close`].
    pub fn close(self) -> Result<(), StoreError> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.host.map_or(Ok(()), |host| host.close())
    }
}

/// Tells the others where the thread that has the host panics.
struct Away<'a, M: Machine, V: Vfs, C: Clock>(&'a GroupHost<M, V, C>);

impl<M: Machine, V: Vfs, C: Clock> Drop for Away<'_, M, V, C> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().is_lost = true;
            self.0.changed.notify_all();
        }
    }
}

fn lost() -> StoreError {
    StoreError::Poisoned { path: "the directory whose machine has panicked".into() }
}
