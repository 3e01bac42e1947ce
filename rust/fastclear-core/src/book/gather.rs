//! What shards told, in the order of commands.

use std::ops::Range;

use super::event::Event;
use super::piece::{LATE, Piece};
use super::shard::Obeyed;
use crate::batch::threads::{at_once, ranges};

/// Events from which on another thread is worth it.
const EVENTS_A_THREAD: usize = 1 << 15;

/// Appends the events of a piece. Those of a command are side by side already, and each shard's are in order; whose turn it
/// is follows from where the row was dealt to, or it was obeyed late.
pub(super) fn gather(piece: &Piece, obeyed: &[Obeyed], late: &[Event], threads: usize, to: &mut Vec<Event>) {
    let streams: Vec<&[Event]> = obeyed.iter().flat_map(Obeyed::streams).collect();
    let all = streams.iter().map(|stream| stream.len()).sum::<usize>() + late.len();
    to.reserve(all);
    if streams.iter().all(|stream| stream.is_empty()) {
        to.extend_from_slice(late);
        return;
    }
    let parts = ranges(piece.rows(), threads.min(all / EVENTS_A_THREAD + 1));
    let each = all / parts.len() + all / 16;
    // The first part goes where all of them are to be, while the others are made.
    let mut own = Some(&mut *to);
    let others = at_once(parts.into_iter().map(|rows| {
        let (own, streams) = (own.take(), &streams);
        move || {
            let mut part = Vec::with_capacity(if own.is_some() { 0 } else { each });
            gather_rows(piece, rows, streams, late, own.unwrap_or(&mut part));
            part
        }
    }));
    for part in others {
        to.extend_from_slice(&part);
    }
}

/// Appends the events of some rows of a piece.
fn gather_rows(piece: &Piece, rows: Range<usize>, streams: &[&[Event]], late: &[Event], to: &mut Vec<Event>) {
    let first = (piece.from + rows.start) as u32;
    let begun = |stream: &[Event]| stream.partition_point(|event| event.command < first);
    let mut places: Vec<usize> = streams.iter().map(|stream| begun(stream)).collect();
    let mut late = &late[begun(late)..];
    for (row, &group) in (first..).zip(&piece.group_of[rows]) {
        if group != LATE {
            let (stream, place) = (streams[usize::from(group)], &mut places[usize::from(group)]);
            while let Some(event) = stream.get(*place)
                && event.command == row
            {
                to.push(*event);
                *place += 1;
            }
        }
        while let Some((event, others)) = late.split_first()
            && event.command == row
        {
            to.push(*event);
            late = others;
        }
    }
}
