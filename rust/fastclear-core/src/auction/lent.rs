//! Memory that calls share, so that neither a market nor a call of any size allocates again and again.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Most that are kept of one kind, and most bytes that a kept one may hold: more is given back to the system.
const IDLE_MOST: usize = 16;
const KEPT_BYTES_MOST: usize = 16 << 20;

/// What can be lent: it holds nothing between two uses, so that one which a panic interrupted is as good as any.
pub trait Lend: Default + 'static {
    /// Those that nobody uses now.
    fn idle() -> &'static Mutex<Vec<Self>>;

    /// Bytes that it holds, about.
    fn bytes(&self) -> usize;
}

/// A thing on loan: it goes back to the idle ones when it is dropped.
#[derive(Debug)]
pub struct Lent<T: Lend>(T);

impl<T: Lend> Default for Lent<T> {
    fn default() -> Self {
        Self(T::idle().lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default())
    }
}

impl<T: Lend> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Lend> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Lend> Drop for Lent<T> {
    fn drop(&mut self) {
        let lent = std::mem::take(&mut self.0);
        if lent.bytes() <= KEPT_BYTES_MOST {
            let mut idle = T::idle().lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_MOST {
                idle.push(lent);
            }
        }
    }
}
