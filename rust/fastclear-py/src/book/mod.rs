//! The order book: commands in as borrowed columns, events out as fresh ones. Calls hold the interpreter.

mod arguments;
mod commands;
mod data;
mod door;
mod events;
mod saved;
mod schedule;

use fastclear_core::book::{
    ALL_OR_NONE, Charges, Commands, Door, Events, Everybody, Kind, NULL, OFF_GRID, Op, OrderBook, POST_ONLY, Peg,
    Phase, Record, Rules, SLIDE, SelfTrade, Single, Tif, Want,
};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use self::arguments::Whole;
use self::commands::{CommandColumns, has_no_null};
use self::door::LimitColumns;
use self::events::PyEvents;
use self::saved::Restored;
use crate::errors::Exception;

/// Adds the classes and constants to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyOrderBook>()?;
    m.add_class::<PyEvents>()?;
    m.add_class::<data::PyBookView>()?;
    m.add("BOOK_NULL", NULL)?;
    m.add("BOOK_OFF_GRID", OFF_GRID)?;
    m.add("BOOK_FLAGS", vec![("post_only", POST_ONLY), ("slide", SLIDE), ("all_or_none", ALL_OR_NONE)])?;
    m.add("BOOK_PEGS", Peg::ALL.map(|peg| (peg as u8, peg.name())).to_vec())?;
    m.add("BOOK_PHASES", Phase::ALL.map(Phase::name).to_vec())?;
    m.add("BOOK_OPS", Op::ALL.map(Op::name).to_vec())?;
    m.add("BOOK_TIFS", Tif::ALL.map(Tif::name).to_vec())?;
    m.add("BOOK_KINDS", Kind::ALL.map(|kind| (kind as u8, kind.name())).to_vec())?;
    m.add("BOOK_SELF_TRADE", SelfTrade::ALL.map(SelfTrade::name).to_vec())?;
    Ok(())
}

/// See `fastclear.OrderBook`.
#[pyclass(module = "fastclear._core", name = "OrderBook")]
pub struct PyOrderBook {
    book: OrderBook,
    /// Of a book whose trades are settled, or whose participants are covered; any other lets everybody in.
    door: Option<Box<Door>>,
}

impl PyOrderBook {
    fn obey(&mut self, commands: &Commands<'_>, want: Want) -> PyResult<(Events, Option<Record>)> {
        let obeyed = match &mut self.door {
            None => self.book.apply(commands, want).map(|events| (events, None)),
            Some(door) => self
                .book
                .apply_admitted(commands, want, door.as_mut())
                .map(|events| (events, Some(door.take_record(commands.time)))),
        };
        obeyed.map_err(|error| Exception::Schema.with(error.to_string()))
    }

    fn obeyed(slf: &Bound<'_, Self>, commands: &Commands<'_>, trades_only: bool) -> PyResult<PyEvents> {
        let want = if trades_only { Want::Trades } else { Want::Events };
        let (events, record) = slf.try_borrow_mut()?.obey(commands, want)?;
        Ok(PyEvents::new(slf.clone().unbind(), events, record))
    }

    /// The door, which a book gets only while it has seen no order.
    fn door(&mut self) -> PyResult<&mut Door> {
        if self.door.is_none() && (!self.book.is_empty() || self.book.next_seq() > 0) {
            return Err(Exception::Schema
                .with("this book does not know whose its orders are; make it with fc.OrderBook(settles=True)"));
        }
        Ok(self.door.get_or_insert_default())
    }
}

/// Price and lots.
type BestLevel = Option<(i64, u64)>;

#[pymethods]
impl PyOrderBook {
    #[new]
    #[pyo3(signature = (self_trade, erase_after_trade, small_max=None, settles=false))]
    fn new(self_trade: &str, erase_after_trade: bool, small_max: Option<usize>, settles: bool) -> PyResult<Self> {
        let self_trade = SelfTrade::ALL
            .into_iter()
            .find(|rule| rule.name() == self_trade)
            .ok_or_else(|| PyValueError::new_err(format!("self_trade={self_trade:?} is no rule")))?;
        let rules = Rules { self_trade, erase_after_trade, ..Rules::default() };
        let small_max = small_max.unwrap_or(rules.small_max);
        let door = settles.then(Box::default);
        Ok(Self { book: OrderBook::new(Rules { small_max, ..rules }), door })
    }

    /// Obeys commands in the order of rows.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands columns over by value")]
    fn apply(slf: &Bound<'_, Self>, commands: CommandColumns<'_>, trades_only: bool) -> PyResult<PyEvents> {
        Self::obeyed(slf, &commands.borrow()?, trades_only)
    }

    /// As [`Self::apply`], of a mapping of plain arrays. `None` where anything needs a closer look; nothing has happened
    /// then.
    fn apply_plain(
        slf: &Bound<'_, Self>,
        commands: &Bound<'_, PyDict>,
        trades_only: bool,
    ) -> PyResult<Option<PyEvents>> {
        let Some(columns) = CommandColumns::plain(commands) else { return Ok(None) };
        let Ok(rows) = columns.borrow() else { return Ok(None) };
        if rows.check().is_err() || ![rows.price, rows.quantity].into_iter().flatten().all(has_no_null) {
            return Ok(None);
        }
        Self::obeyed(slf, &rows, trades_only).map(Some)
    }

    /// Lets agents act, in an order drawn by lot: events, and what came of it by row, by market and by agent.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands columns over by value")]
    #[expect(clippy::type_complexity, reason = "events and three mappings of columns")]
    fn step<'py>(
        slf: &Bound<'py, Self>,
        actions: CommandColumns<'_>,
        seed: u64,
        replaces: bool,
    ) -> PyResult<(PyEvents, Bound<'py, PyDict>, Bound<'py, PyDict>, Bound<'py, PyDict>)> {
        let mut own = slf.try_borrow_mut()?;
        own.door()?;
        let Self { book, door } = &mut *own;
        let door = door.get_or_insert_default();
        let stepped = book.step(&actions.borrow()?, seed, replaces, door);
        let mut step = stepped.map_err(|error| Exception::Schema.with(error.to_string()))?;
        drop(own);
        let [acted, seen, agents] = door::stepped(slf.py(), &step)?;
        let (events, record) = (std::mem::take(&mut step.events), std::mem::take(&mut step.record));
        Ok((PyEvents::new(slf.clone().unbind(), events, Some(record)), acted, seen, agents))
    }

    /// Sets what participants may have at stake, on offer and as a position; null is no limit.
    #[pyo3(signature = (participant, market, money, energy, position, fee, tax_ppm, settled))]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_cover(
        &mut self,
        participant: PyReadonlyArray1<'_, i64>,
        market: PyReadonlyArray1<'_, i64>,
        money: PyReadonlyArray1<'_, i64>,
        energy: PyReadonlyArray1<'_, i64>,
        position: PyReadonlyArray1<'_, i64>,
        fee: i64,
        tax_ppm: u32,
        settled: bool,
    ) -> PyResult<()> {
        let columns = LimitColumns {
            participant: participant.as_slice()?,
            market: market.as_slice()?,
            money: money.as_slice()?,
            energy: energy.as_slice()?,
            position: position.as_slice()?,
        };
        let rows = columns.participant.len();
        if [columns.market, columns.money, columns.energy, columns.position].iter().any(|column| column.len() != rows) {
            return Err(Exception::Schema.with("columns of a cover differ in length; give one cell a participant"));
        }
        door::set_cover(self.door()?, &columns, Charges { fee, tax_ppm }, settled);
        Ok(())
    }

    /// Money by participant and lots by participant and market; None without a cover.
    fn cover<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyDict>, Bound<'py, PyDict>)>> {
        let cover = self.door.as_ref().and_then(|door| door.cover());
        cover.map(|cover| door::cover(py, cover)).transpose()
    }

    /// Whether the book knows whose its orders are.
    #[getter]
    fn settles(&self) -> bool {
        self.door.is_some()
    }

    /// One new order: its id, its reject code, lots that traded, and lots that rest.
    #[pyo3(signature = (buys, price, quantity, market=Whole(0), participant=None, order=None, tif=0))]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    fn place(
        &mut self,
        buys: bool,
        price: Option<Whole>,
        quantity: Whole,
        market: Whole,
        participant: Option<Whole>,
        order: Option<Whole>,
        tif: u8,
    ) -> PyResult<(i64, u16, u64, u32)> {
        let [gtc, ioc, fok, _] = Tif::ALL;
        let tif = *[gtc, ioc, fok]
            .get(usize::from(tif))
            .ok_or_else(|| Exception::Schema.with(format!("tif={tif} is none; give 0 (gtc), 1 (ioc) or 2 (fok)")))?;
        let single = Single {
            market: market.0,
            order: order.map(|order| order.0),
            participant: participant.map(|participant| participant.0),
            side: u8::from(buys),
            price: price.map(|price| price.0),
            quantity: quantity.0,
            tif,
        };
        let placed = match &mut self.door {
            None => self.book.place(&single),
            Some(door) => {
                let placed = self.book.place_admitted(&single, door.as_mut());
                door.stamp(None); // its record comes with that of the next call that returns events
                placed
            }
        };
        Ok((placed.order, placed.reject, placed.traded, placed.open))
    }

    /// One new order that may be more than plain, as the only row of its columns; gives what [`Self::place`] does.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands columns over by value")]
    fn place_row(&mut self, order: CommandColumns<'_>) -> PyResult<(i64, u16, u64, u32)> {
        let row = order.borrow()?;
        let placed = match &mut self.door {
            None => self.book.place_row(&row, &mut Everybody),
            Some(door) => {
                let placed = self.book.place_row(&row, door.as_mut());
                door.stamp(None);
                placed
            }
        };
        let placed = placed.map_err(|error| Exception::Schema.with(error.to_string()))?;
        Ok((placed.order, placed.reject, placed.traded, placed.open))
    }

    /// Lets time go by.
    fn advance(slf: &Bound<'_, Self>, now: i64) -> PyResult<PyEvents> {
        let mut own = slf.try_borrow_mut()?;
        let Self { book, door } = &mut *own;
        let (events, record) = match door {
            None => (book.advance(now, &mut Everybody), None),
            Some(door) => {
                let events = book.advance(now, door.as_mut());
                (events, Some(door.take_record(None)))
            }
        };
        drop(own);
        Ok(PyEvents::new(slf.clone().unbind(), events, record))
    }

    /// Sets when markets close: all of them or, where one cannot be set, none.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_gates(&mut self, market: PyReadonlyArray1<'_, i64>, gate: PyReadonlyArray1<'_, i64>) -> PyResult<()> {
        schedule::set_gates(&mut self.book, market.as_slice()?, gate.as_slice()?)
    }

    /// Sets when markets change their phases, rows of one market side by side; the number behind the last phase closes
    /// it. All of them or, where one cannot be set, none.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_phases(
        &mut self,
        market: PyReadonlyArray1<'_, i64>,
        time: PyReadonlyArray1<'_, i64>,
        phase: PyReadonlyArray1<'_, u8>,
    ) -> PyResult<()> {
        schedule::set_phases(&mut self.book, market.as_slice()?, time.as_slice()?, phase.as_slice()?)
    }

    /// Sets the prices at which orders of a market are taken.
    fn set_collar(&mut self, market: i64, low: Option<i64>, high: Option<i64>) -> PyResult<()> {
        self.book.set_collar(market, low, high).map_err(|error| schedule::session_error(market, &error))
    }

    /// Sets how far a market may trade from its reference, and how long it pauses.
    fn set_breaker(&mut self, market: i64, breaker: Option<(i64, i64)>) -> PyResult<()> {
        self.book.set_breaker(market, breaker).map_err(|error| schedule::session_error(market, &error))
    }

    /// Price, volume and imbalance of the call as it stands.
    fn indicative(&mut self, market: i64) -> Option<(i64, u64, i64)> {
        self.book.indicative(market).map(|call| (call.price, call.volume, call.imbalance))
    }

    /// What a market does now; None if it has closed.
    fn phase(&self, market: i64) -> Option<&'static str> {
        self.book.phase(market).map(Phase::name)
    }

    /// Prices of a side, best first.
    fn depth<'py>(&mut self, py: Python<'py>, market: i64, side: u8, most: usize) -> data::Levels<'py> {
        data::levels(py, &self.book.depth(market, side, most))
    }

    /// Best prices of all markets, one fresh column a field; null where a side is empty.
    fn level1<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        data::quotes(py, self.book.quotes())
    }

    /// Prices of all markets with their lots, one fresh column a field.
    fn level2<'py>(&mut self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyDict>> {
        data::depths(py, self.book.depths(most))
    }

    /// Price and lots of the best bid and of the best ask.
    fn best(&mut self, market: i64) -> (BestLevel, BestLevel) {
        let mut best = |side| self.book.best(market, side).map(|level| (level.price, level.quantity));
        (best(1), best(0))
    }

    /// What rests, one fresh column a field.
    fn snapshot<'py>(&mut self, py: Python<'py>, market: Option<i64>) -> PyResult<Bound<'py, PyDict>> {
        data::snapshot(py, self.book.snapshot(market))
    }

    /// Market, gate, halted, closed, one fresh column each; no gate is null.
    fn markets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        data::markets(py, &self.book.market_states())
    }

    /// The latest time that the book has seen; None before the first.
    #[getter]
    fn clock(&self) -> Option<i64> {
        Some(self.book.clock()).filter(|&clock| clock != i64::MIN)
    }

    #[getter]
    fn next_seq(&self) -> u64 {
        self.book.next_seq()
    }

    fn __len__(&self) -> usize {
        self.book.len()
    }

    /// A book of its own in the same state.
    fn copy(&self) -> Self {
        Self { book: self.book.clone(), door: self.door.clone() }
    }

    /// The whole state as bytes. `are_texts` says of ids of markets, orders and participants whether they are text, and
    /// `texts` which; None where none came yet.
    fn save<'py>(
        &mut self,
        py: Python<'py>,
        units: Option<[String; 3]>,
        are_texts: [Option<bool>; 3],
        texts: [Vec<String>; 3],
    ) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &saved::save(&mut self.book, self.door.as_deref(), units, are_texts, texts))
    }

    /// The book that `save` wrote, and what it was given beside it.
    #[staticmethod]
    #[pyo3(signature = (state, small_max=None))]
    fn restore(state: &[u8], small_max: Option<usize>) -> PyResult<Restored> {
        saved::restore(state, small_max)
    }
}
