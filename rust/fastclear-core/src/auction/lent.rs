//! Memory that calls share, so that neither a market nor a call of any size allocates again and again.

use std::sync::{Mutex, PoisonError};

/// Most that are kept of one kind, and most bytes that a kept one may hold: more is given back to the system.
const IDLE_MOST: usize = 16;
const KEPT_BYTES_MOST: usize = 16 << 20;

/// What can be lent: it holds nothing between two uses, so that one which a panic interrupted is as good as any.
pub trait Lend: Default + 'static {
    /// Those that nobody uses now, in boxes: they change hands without being moved.
    fn idle() -> &'static Mutex<Vec<Box<Self>>>;

    /// Bytes that it holds, about.
    fn bytes(&self) -> usize;
}

/// A thing on loan from when it is first asked for: it goes back to the idle ones when this is dropped.
#[derive(Debug)]
pub struct Lent<T: Lend>(Option<Box<T>>);

impl<T: Lend> Default for Lent<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Lend> Lent<T> {
    /// The thing itself.
    pub fn get(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| T::idle().lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default())
    }
}

impl<T: Lend> Drop for Lent<T> {
    fn drop(&mut self) {
        if let Some(lent) = self.0.take()
            && lent.bytes() <= KEPT_BYTES_MOST
        {
            let mut idle = T::idle().lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_MOST {
                idle.push(lent);
            }
        }
    }
}
