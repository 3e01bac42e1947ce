//! Binding of staged matching; `fastclear/preference/` reads the columns.
//!
//! Columns are fresh arrays that the Python layer made for this call and does not write while it runs, and are borrowed
//! while attached.
//!
//! | Python | Rust |
//! |---|---|
//! | `dict` of `ndarray` by name, absent or `None` = no such column | [`Orders`] |
//! | `list` of `dict`, one a stage; `ndarray` columns of pairs within | [`Stage`] |
//! | deals out: `dict` of fresh `ndarray` | [`Deals`] |
//! | events of bilateral offers: `ndarray` a column; codes out: `ndarray[uint8]` | [`Event`], [`BilateralCode`] |
//! | [`PreferenceError`](fastclear_core::preference::PreferenceError) | `SchemaError` |

use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound, Share};
use fastclear_core::preference::bilateral::{
    Bilateral, BilateralCode, Event, EventKind, Offer, OfferState, OfferTerms,
};
use fastclear_core::preference::{
    Deals, Links, Orders, Pairs, Sharing, Stage, StagePrice, Zones, clear_with_fees as core_clear, match_stages,
};
use numpy::{Element, IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::columns::borrow;
use crate::errors::Exception;

/// A column of a mapping, if it is there.
fn optional<'py, T: Element>(columns: &Bound<'py, PyDict>, name: &str) -> PyResult<Option<PyReadonlyArray1<'py, T>>> {
    match columns.get_item(name)? {
        Some(column) if !column.is_none() => Ok(Some(borrow(column.cast::<PyArray1<T>>()?)?)),
        _ => Ok(None),
    }
}

fn column<'py, T: Element>(columns: &Bound<'py, PyDict>, name: &str) -> PyResult<PyReadonlyArray1<'py, T>> {
    optional(columns, name)?.ok_or_else(|| Exception::Schema.with(format!("column '{name}' is missing")))
}

fn slice<'a, T: Element>(column: Option<&'a PyReadonlyArray1<'_, T>>) -> PyResult<Option<&'a [T]>> {
    column.map(|column| Ok(column.as_slice()?)).transpose()
}

fn value<'py, T: FromPyObjectOwned<'py>>(stage: &Bound<'py, PyDict>, name: &str) -> PyResult<T> {
    let found = stage.get_item(name)?.ok_or_else(|| Exception::Mechanism.with(format!("stage without '{name}'")))?;
    found.extract().map_err(Into::into)
}

struct PairColumns<'py> {
    begins: Vec<usize>,
    source: PyReadonlyArray1<'py, u32>,
    integers: [PyReadonlyArray1<'py, i64>; 7],
}

impl<'py> PairColumns<'py> {
    fn of(stage: &Bound<'py, PyDict>) -> PyResult<Option<Self>> {
        let Some(begins) = optional::<i64>(stage, "begins")? else { return Ok(None) };
        let begins = begins.as_slice()?.iter().map(|&begin| usize::try_from(begin).unwrap_or(usize::MAX)).collect();
        let names = ["rank", "cap_price", "cap_quantity", "share_ppm", "price", "valid_from", "valid_to"];
        let [a, b, c, d, e, f, g] = names.map(|name| column(stage, name));
        Ok(Some(Self { begins, source: column(stage, "source")?, integers: [a?, b?, c?, d?, e?, f?, g?] }))
    }

    fn pairs(&self) -> PyResult<Pairs<'_>> {
        let [rank, cap_price, cap_quantity, share, price, from, to] = &self.integers;
        Ok(Pairs {
            begins: &self.begins,
            source: self.source.as_slice()?,
            rank: rank.as_slice()?,
            cap_price: cap_price.as_slice()?,
            cap_quantity: cap_quantity.as_slice()?,
            share: share.as_slice()?,
            price: price.as_slice()?,
            from: from.as_slice()?,
            to: to.as_slice()?,
        })
    }
}

fn price_of(stage: &Bound<'_, PyDict>) -> PyResult<StagePrice> {
    if let Some(rate) = value::<Option<i64>>(stage, "rate")? {
        return Ok(StagePrice::Rate(rate));
    }
    let (numerator, denominator): (i64, i64) = value(stage, "k")?;
    let share = Share::new(numerator, denominator)
        .ok_or_else(|| Exception::Mechanism.with(format!("k={numerator}/{denominator} is no share")))?;
    let price = if value(stage, "earlier")? { PairPrice::Earlier } else { PairPrice::Share(share) };
    Ok(StagePrice::Rule(PairRule { price, price_round: PriceRound::Floor }))
}

/// Runs stages over markets; one row a deal, in the order in which they were made.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
fn match_preferences<'py>(
    py: Python<'py>,
    orders: &Bound<'py, PyDict>,
    zones: (usize, PyReadonlyArray1<'py, i64>, Option<PyReadonlyArray1<'py, i64>>),
    stages: Vec<Bound<'py, PyDict>>,
    participants: usize,
    markets: usize,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyDict>> {
    let (side, limit, left) = (column::<u8>(orders, "side")?, column(orders, "limit")?, column(orders, "left")?);
    let (market, time, order) =
        (column::<u32>(orders, "market")?, optional(orders, "time")?, optional(orders, "order")?);
    let (participant, zone) = (optional(orders, "participant")?, optional(orders, "zone")?);
    let (source, wants, flags) = (optional(orders, "source")?, optional(orders, "wants")?, optional(orders, "flags")?);
    let (reach, slot) = (optional(orders, "reach")?, optional(orders, "slot")?);
    let columns = Orders {
        side: side.as_slice()?,
        limit: limit.as_slice()?,
        left: left.as_slice()?,
        market: market.as_slice()?,
        time: slice(time.as_ref())?,
        order: slice(order.as_ref())?,
        participant: slice(participant.as_ref())?,
        zone: slice(zone.as_ref())?,
        source: slice(source.as_ref())?,
        wants: slice(wants.as_ref())?,
        flags: slice(flags.as_ref())?,
        reach: slice(reach.as_ref())?,
        slot: slice(slot.as_ref())?,
    };
    let (count, distance, fee) = &zones;
    let zones = Zones { count: *count, distance: distance.as_slice()?, fee: slice(fee.as_ref())? };
    let pairs: Vec<Option<PairColumns<'_>>> = stages.iter().map(PairColumns::of).collect::<PyResult<_>>()?;
    let mut plan = Vec::with_capacity(stages.len());
    for (stage, pairs) in stages.iter().zip(&pairs) {
        let links = match pairs {
            Some(pairs) => Links::Pairs(pairs.pairs()?),
            None => Links::Open { nearest: value(stage, "nearest")?, wanted: value(stage, "wanted")? },
        };
        plan.push(Stage {
            links,
            sharing: if value(stage, "equal")? { Sharing::Equal } else { Sharing::InTurn },
            price: price_of(stage)?,
            essential: value(stage, "essential")?,
            skips_strict: value(stage, "skips_strict")?,
        });
    }
    let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let deals = match_stages(&columns, &zones, &plan, participants, markets, threads)
        .map_err(|error| Exception::Schema.with(error.to_string()))?;
    columns_of(py, deals)
}

/// Clears an auction with fees from zone to zone inside; one row a deal.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
fn clear_with_fees<'py>(
    py: Python<'py>,
    orders: &Bound<'py, PyDict>,
    zones: (usize, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>),
    rule: &Bound<'py, PyDict>,
    markets: usize,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyDict>> {
    let (side, limit, left) = (column::<u8>(orders, "side")?, column(orders, "limit")?, column(orders, "left")?);
    let (market, time, order) =
        (column::<u32>(orders, "market")?, optional(orders, "time")?, optional(orders, "order")?);
    let zone = optional(orders, "zone")?;
    let columns = Orders {
        side: side.as_slice()?,
        limit: limit.as_slice()?,
        left: left.as_slice()?,
        market: market.as_slice()?,
        time: slice(time.as_ref())?,
        order: slice(order.as_ref())?,
        zone: slice(zone.as_ref())?,
        ..Orders::default()
    };
    let (count, distance, fee) = &zones;
    let zones = Zones { count: *count, distance: distance.as_slice()?, fee: Some(fee.as_slice()?) };
    let StagePrice::Rule(rule) = price_of(rule)? else {
        return Err(Exception::Mechanism.with("an auction has a rule and no rate"));
    };
    let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let deals = core_clear(&columns, &zones, rule, markets, threads)
        .map_err(|error| Exception::Schema.with(error.to_string()))?;
    columns_of(py, deals)
}

fn columns_of(py: Python<'_>, deals: Deals) -> PyResult<Bound<'_, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("market", deals.market.into_pyarray(py))?;
    out.set_item("stage", deals.stage.into_pyarray(py))?;
    out.set_item("buy_row", deals.buy_row.into_pyarray(py))?;
    out.set_item("sell_row", deals.sell_row.into_pyarray(py))?;
    out.set_item("quantity", deals.quantity.into_pyarray(py))?;
    out.set_item("price", deals.price.into_pyarray(py))?;
    out.set_item("fee", deals.fee.into_pyarray(py))?;
    Ok(out)
}

/// Bilateral offers.
#[pyclass(module = "fastclear._core", name = "Bilateral")]
struct PyBilateral {
    desk: Bilateral,
}

#[pymethods]
impl PyBilateral {
    #[new]
    fn new() -> Self {
        Self { desk: Bilateral::default() }
    }

    /// One code a row; `terms`: price, quantity, share, begin and end of delivery, expiry.
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn apply<'py>(
        &mut self,
        py: Python<'py>,
        kind: PyReadonlyArray1<'py, u8>,
        time: PyReadonlyArray1<'py, i64>,
        offer: PyReadonlyArray1<'py, i64>,
        party: PyReadonlyArray1<'py, i64>,
        counterparty: PyReadonlyArray1<'py, i64>,
        sells: PyReadonlyArray1<'py, u8>,
        terms: [PyReadonlyArray1<'py, i64>; 6],
    ) -> PyResult<Bound<'py, PyArray1<u8>>> {
        let (kind, time, offer) = (kind.as_slice()?, time.as_slice()?, offer.as_slice()?);
        let (party, counterparty, sells) = (party.as_slice()?, counterparty.as_slice()?, sells.as_slice()?);
        let mut columns = [&[][..]; 6];
        for (column, given) in columns.iter_mut().zip(&terms) {
            *column = given.as_slice()?;
        }
        let lengths = [time.len(), offer.len(), party.len(), counterparty.len(), sells.len()];
        if lengths.iter().chain(&columns.map(<[i64]>::len)).any(|&len| len != kind.len()) {
            return Err(Exception::Schema.with("columns of events differ in length"));
        }
        let codes: Vec<u8> = (0..kind.len())
            .map(|row| {
                let [price, quantity, share_ppm, valid_from, valid_to, expires] = columns.map(|column| column[row]);
                let event = Event {
                    kind: EventKind::ALL.get(usize::from(kind[row])).copied(),
                    time: time[row],
                    offer: offer[row],
                    party: party[row],
                    counterparty: counterparty[row],
                    sells: sells[row] == 1,
                    terms: OfferTerms { price, quantity, share_ppm, valid_from, valid_to, expires },
                };
                self.desk.apply(&event) as u8
            })
            .collect();
        Ok(codes.into_pyarray(py))
    }

    fn advance(&mut self, time: i64) -> bool {
        self.desk.advance(time)
    }

    #[getter]
    fn clock(&self) -> Option<i64> {
        self.desk.clock()
    }

    /// One fresh column a field, in the order in which offers were made.
    fn offers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        type Field = fn(&Offer) -> i64;
        let fields: [(&str, Field); 13] = [
            ("offer", |offer| offer.id),
            ("buyer", |offer| offer.buyer),
            ("seller", |offer| offer.seller),
            ("seller_waits", |offer| i64::from(offer.seller_waits)),
            ("state", |offer| offer.state as i64),
            ("price", |offer| offer.terms.price),
            ("quantity", |offer| offer.terms.quantity),
            ("share_ppm", |offer| offer.terms.share_ppm),
            ("valid_from", |offer| offer.terms.valid_from),
            ("valid_to", |offer| offer.terms.valid_to),
            ("expires", |offer| offer.terms.expires),
            ("since", |offer| offer.since),
            ("rounds", |offer| offer.rounds),
        ];
        let out = PyDict::new(py);
        for (name, field) in fields {
            out.set_item(name, self.desk.offers().map(|offer| field(&offer)).collect::<Vec<_>>().into_pyarray(py))?;
        }
        Ok(out)
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(match_preferences, m)?)?;
    m.add_function(wrap_pyfunction!(clear_with_fees, m)?)?;
    m.add("BILATERAL_KINDS", EventKind::ALL.map(EventKind::name).to_vec())?;
    m.add("BILATERAL_STATES", OfferState::ALL.map(OfferState::name).to_vec())?;
    m.add("BILATERAL_CODES", BilateralCode::ALL.map(BilateralCode::name).to_vec())?;
    m.add_class::<PyBilateral>()
}
