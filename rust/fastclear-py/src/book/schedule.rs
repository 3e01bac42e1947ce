//! When markets change their phases and close. Checked first, then set: all of them, or none.

use fastclear_core::book::{GateError, OrderBook, Phase, SessionError};

/// When a market changes its phase, and when it closes.
struct Day {
    market: i64,
    phases: Vec<(i64, Phase)>,
    gate: Option<i64>,
}

/// Why a market cannot have that.
pub fn session_error(market: i64, error: &dyn std::fmt::Display) -> String {
    format!("market {market}: {error}")
}

/// Sets when markets close.
pub fn set_gates(book: &mut OrderBook, market: &[i64], gate: &[i64]) -> Result<(), String> {
    if market.len() != gate.len() {
        return Err("'market' and 'gate' have different lengths; give one gate a market".to_owned());
    }
    let refused = |row: usize, error: GateError| format!("column 'gate', row {row}: market {}: {error}", market[row]);
    for (row, (&market, &gate)) in market.iter().zip(gate).enumerate() {
        book.check_gate(market, gate).map_err(|error| refused(row, error))?;
    }
    for (row, (&market, &gate)) in market.iter().zip(gate).enumerate() {
        book.set_gate(market, gate).map_err(|error| refused(row, error))?;
    }
    Ok(())
}

/// Sets when markets change their phases, rows of one market side by side; the number behind the last phase closes it.
pub fn set_phases(book: &mut OrderBook, market: &[i64], time: &[i64], phase: &[u8]) -> Result<(), String> {
    if market.len() != time.len() || market.len() != phase.len() {
        return Err("'market', 'time' and 'phase' have different lengths".to_owned());
    }
    let mut days: Vec<Day> = Vec::new();
    for (row, &id) in market.iter().enumerate() {
        if row == 0 || market[row - 1] != id {
            days.push(Day { market: id, phases: Vec::new(), gate: None });
        }
        let Some(day) = days.last_mut() else { continue };
        match Phase::ALL.get(usize::from(phase[row])) {
            _ if day.gate.is_some() => return Err(session_error(id, &"nothing comes after its end")),
            Some(&phase) => day.phases.push((time[row], phase)),
            None => day.gate = Some(time[row]),
        }
    }
    for day in &days {
        book.check_phases(day.market, &day.phases).map_err(|error| session_error(day.market, &error))?;
        let last = day.phases.last().map_or(i64::MIN, |&(at, _)| at);
        if let Some(gate) = day.gate {
            book.check_gate(day.market, gate).map_err(|error| session_error(day.market, &error))?;
            if gate <= last {
                return Err(session_error(day.market, &SessionError::Unordered { at: gate }));
            }
        }
    }
    for day in &days {
        book.set_phases(day.market, &day.phases).map_err(|error| session_error(day.market, &error))?;
        if let Some(gate) = day.gate {
            book.set_gate(day.market, gate).map_err(|error| session_error(day.market, &error))?;
        }
    }
    Ok(())
}
