//! The door of an order book: who came in, who is covered, and steps of a simulation. Fresh columns out.

use fastclear_core::book::{Card, Charges, Cover, Deal, Door, Limits, NULL, Record, Step};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A column of some rows: its name, and what each row has in it.
type Field<T> = (&'static str, fn(&T) -> i64);

/// A fresh column a field of some rows.
fn fill<T>(columns: &Bound<'_, PyDict>, rows: &[T], fields: &[Field<T>]) -> PyResult<()> {
    for &(name, value) in fields {
        columns.set_item(name, rows.iter().map(value).collect::<Vec<i64>>().into_pyarray(columns.py()))?;
    }
    Ok(())
}

const CARDS: [Field<Card>; 9] = [
    ("number", |card| card.number as i64),
    ("market", |card| card.market),
    ("order", |card| card.order),
    ("participant", |card| card.participant),
    ("side", |card| i64::from(card.side)),
    ("price", |card| card.price),
    ("quantity", |card| card.quantity),
    ("traded", |card| card.traded),
    ("time", |card| card.time),
];
const DEALS: [Field<Deal>; 5] = [
    ("market", |deal| deal.market),
    ("buy", |deal| deal.buy as i64),
    ("sell", |deal| deal.sell as i64),
    ("price", |deal| deal.price),
    ("quantity", |deal| deal.quantity),
];

/// Orders and trades of a call, as two mappings of columns.
pub fn record<'py>(py: Python<'py>, record: &Record) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>)> {
    let (cards, deals) = (PyDict::new(py), PyDict::new(py));
    fill(&cards, &record.cards, &CARDS)?;
    fill(&deals, &record.deals, &DEALS)?;
    Ok((cards, deals))
}

/// Limits as columns, null where there is none; a market that is null is all of them.
pub struct LimitColumns<'a> {
    pub participant: &'a [i64],
    pub market: &'a [i64],
    pub money: &'a [i64],
    pub energy: &'a [i64],
    pub position: &'a [i64],
}

/// Sets limits; `settled` says that what traded so far counts no more.
pub fn set_cover(door: &mut Door, columns: &LimitColumns<'_>, charges: Charges, settled: bool) {
    let cover = door.cover_with(charges);
    if settled {
        cover.settle();
    }
    let some = |value: i64| (value != NULL).then_some(value);
    for (row, &participant) in columns.participant.iter().enumerate() {
        let limits = Limits {
            money: some(columns.money[row]),
            energy: some(columns.energy[row]),
            position: some(columns.position[row]),
        };
        cover.set(participant, some(columns.market[row]), limits);
    }
}

/// What participants may have and have: money by participant; lots by participant and market.
pub fn cover<'py>(py: Python<'py>, cover: &Cover) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>)> {
    let (money, lots) = (PyDict::new(py), PyDict::new(py));
    let capped = |value: i128| value.min(i128::from(i64::MAX)) as i64;
    let rows: Vec<[i64; 4]> = cover
        .participants()
        .into_iter()
        .map(|participant| {
            let bound = cover.bound(participant);
            let money = cover.limits(participant).map_or(0, |limits| limits.money.unwrap_or(NULL));
            [participant, money, capped(bound.at_stake), capped(bound.paid)]
        })
        .collect();
    fill(
        &money,
        &rows,
        &[("participant", |row| row[0]), ("money", |row| row[1]), ("at_stake", |row| row[2]), ("paid", |row| row[3])],
    )?;
    let rows: Vec<[i64; 6]> = cover
        .positions()
        .into_iter()
        .map(|((participant, market), has)| {
            let [buying, selling, bought, sold] = [has.buying, has.selling, has.bought, has.sold].map(capped);
            [participant, market, buying, selling, bought, sold]
        })
        .collect();
    fill(
        &lots,
        &rows,
        &[
            ("participant", |row| row[0]),
            ("market", |row| row[1]),
            ("buying", |row| row[2]),
            ("selling", |row| row[3]),
            ("bought", |row| row[4]),
            ("sold", |row| row[5]),
        ],
    )?;
    Ok((money, lots))
}

/// What a step came to: by row, by market, by agent and market.
pub fn stepped<'py>(py: Python<'py>, step: &Step) -> PyResult<[Bound<'py, PyDict>; 3]> {
    let (acted, seen, agents) = (PyDict::new(py), PyDict::new(py), PyDict::new(py));
    fill(
        &acted,
        &step.acted,
        &[
            ("order", |row| row.order),
            ("reject", |row| i64::from(row.reject)),
            ("traded", |row| row.traded),
            ("cash", |row| row.cash),
        ],
    )?;
    fill(
        &seen,
        &step.seen,
        &[
            ("market", |row| row.market),
            ("bid", |row| row.bid[0]),
            ("bid_quantity", |row| row.bid[1]),
            ("ask", |row| row.ask[0]),
            ("ask_quantity", |row| row.ask[1]),
            ("last_price", |row| row.last_price.unwrap_or(0)),
            ("has_price", |row| i64::from(row.last_price.is_some())),
            ("volume", |row| row.volume),
            ("trades", |row| row.trades),
        ],
    )?;
    fill(
        &agents,
        &step.agents,
        &[
            ("market", |row| row.market),
            ("agent", |row| row.agent),
            ("bought", |row| row.bought),
            ("sold", |row| row.sold),
            ("cash", |row| row.cash),
        ],
    )?;
    Ok([acted, seen, agents])
}
