//! The state of a book as bytes, with what its caller knows beside it.

use fastclear_core::book::{Caller, Door, IdTexts, OrderBook, SMALL_MAX, has_door};
use pyo3::prelude::*;

use super::PyOrderBook;
use crate::errors::Exception;

/// A saved book, its units, and of markets, orders and participants the texts of ids: none if they are not text.
pub type Restored = (PyOrderBook, Option<[String; 3]>, [Option<bool>; 3], [Vec<String>; 3]);

/// The whole state. `are_texts` says of ids of markets, orders and participants whether they are text, and `texts` which;
/// None where none came yet.
pub fn save(
    book: &mut OrderBook,
    door: Option<&Door>,
    units: Option<[String; 3]>,
    are_texts: [Option<bool>; 3],
    texts: [Vec<String>; 3],
) -> Vec<u8> {
    let mut caller = Caller { units, ..Caller::default() };
    for ((ids, is_text), texts) in caller.ids.iter_mut().zip(are_texts).zip(texts) {
        *ids = match is_text {
            None => IdTexts::Unknown,
            Some(false) => IdTexts::Integers,
            Some(true) => IdTexts::Texts(texts),
        };
    }
    let mut state = book.save(&caller);
    if let Some(door) = door {
        state = door.save(&state);
    }
    state
}

/// The book that [`save`] wrote, and what it was given beside it.
pub fn restore(state: &[u8], small_max: Option<usize>) -> PyResult<Restored> {
    let small_max = small_max.unwrap_or(SMALL_MAX);
    let loaded = if has_door(state) {
        Door::load(state, small_max).map(|(book, caller, door)| (book, caller, Some(Box::new(door))))
    } else {
        OrderBook::load(state, small_max).map(|(book, caller)| (book, caller, None))
    };
    let (book, caller, door) = loaded
        .map_err(|fault| Exception::Schema.with(format!("this state of an order book cannot be read: {fault}")))?;
    let (mut are_texts, mut texts) = ([None; 3], [const { Vec::new() }; 3]);
    for ((ids, is_text), known) in caller.ids.into_iter().zip(&mut are_texts).zip(&mut texts) {
        *is_text = match ids {
            IdTexts::Unknown => None,
            IdTexts::Integers => Some(false),
            IdTexts::Texts(texts) => {
                *known = texts;
                Some(true)
            }
        };
    }
    Ok((PyOrderBook::new_of(book, door), caller.units, are_texts, texts))
}
