//! Work cut into parts for several threads.

use std::ops::Range;

/// Rows below which a second thread costs more than it brings.
const ROWS_A_THREAD: usize = 1 << 15;

/// How many of `most` threads so many rows are worth.
pub(crate) fn worth(rows: usize, most: usize) -> usize {
    most.min(rows / ROWS_A_THREAD + 1).max(1)
}

/// `0..len` in so many ranges, as even as they can be.
pub(crate) fn ranges(len: usize, parts: usize) -> Vec<Range<usize>> {
    (0..parts).map(|part| len * part / parts..len * (part + 1) / parts).collect()
}

/// Runs all tasks at the same time, the first on this thread; results in the order of tasks.
pub(crate) fn at_once<T: Send, F: FnOnce() -> T + Send>(tasks: impl IntoIterator<Item = F>) -> Vec<T> {
    let mut tasks: Vec<F> = tasks.into_iter().collect();
    if tasks.len() < 2 {
        return tasks.into_iter().map(|task| task()).collect();
    }
    let first = tasks.remove(0);
    std::thread::scope(|scope| {
        let others: Vec<_> = tasks.into_iter().map(|task| scope.spawn(task)).collect();
        let mut results = vec![first()];
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

/// Cuts a slice into pieces of the given lengths, one after the other.
pub(crate) fn pieces<T>(mut rest: &mut [T], lengths: impl IntoIterator<Item = usize>) -> Vec<&mut [T]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, others) = rest.split_at_mut(length);
        pieces.push(piece);
        rest = others;
    }
    pieces
}
