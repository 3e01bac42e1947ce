//! The order book: commands in as borrowed columns, events out as fresh ones. Many commands that nobody can write are obeyed
//! detached; whatever else is asked of the book meanwhile waits.

mod arguments;
mod commands;
mod data;
mod door;
mod events;
mod saved;
mod schedule;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};

use fastclear_core::book::{
    ALL_OR_NONE, Charges, Commands, Door, Kind, NULL, OFF_GRID, Op, OrderBook, POST_ONLY, Peg, Phase, Rules, SLIDE,
    SelfTrade, Single, Tif, Want,
};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict};

use self::arguments::Whole;
use self::commands::{CommandColumns, has_no_null};
use self::door::LimitColumns;
use self::events::PyEvents;
use self::saved::Restored;
use self::state::State;
use crate::clearing::ROWS_DETACHED;
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
#[pyclass(frozen, module = "fastclear._core", name = "OrderBook")]
pub struct PyOrderBook(Mutex<State>);

impl PyOrderBook {
    fn new_of(book: OrderBook, door: Option<Box<Door>>) -> Self {
        Self(Mutex::new(State { book, door }))
    }

    /// The book, once no other thread has it. Hand nothing to Python before it is given back: Python may ask for it again.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, State> {
        self.0.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    fn obeyed(
        slf: &Bound<'_, Self>,
        columns: &CommandColumns<'_>,
        commands: &Commands<'_>,
        trades_only: bool,
    ) -> PyResult<PyEvents> {
        let (py, own) = (slf.py(), slf.get());
        let want = if trades_only { Want::Trades } else { Want::Events };
        let is_detached = commands.rows >= ROWS_DETACHED && columns.nobody_writes()?;
        let obeyed = if is_detached {
            py.detach(|| own.0.lock().unwrap_or_else(PoisonError::into_inner).obey(commands, want))
        } else {
            own.lock(py).obey(commands, want)
        };
        let (events, record) = obeyed.map_err(|error| Exception::Schema.with(error.to_string()))?;
        Ok(PyEvents::new(slf.clone().unbind(), events, record))
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
        Ok(Self::new_of(OrderBook::new(Rules { small_max, ..rules }), door))
    }

    /// Obeys commands in the order of rows.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands columns over by value")]
    fn apply(slf: &Bound<'_, Self>, commands: CommandColumns<'_>, trades_only: bool) -> PyResult<PyEvents> {
        Self::obeyed(slf, &commands, &commands.borrow()?, trades_only)
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
        Self::obeyed(slf, &columns, &rows, trades_only).map(Some)
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
        let stepped = slf.get().lock(slf.py()).step(&actions.borrow()?, seed, replaces);
        let mut step = stepped.map_err(|why| Exception::Schema.with(why))?;
        let [acted, seen, agents] = door::stepped(slf.py(), &step)?;
        let (events, record) = (std::mem::take(&mut step.events), std::mem::take(&mut step.record));
        Ok((PyEvents::new(slf.clone().unbind(), events, Some(record)), acted, seen, agents))
    }

    /// Sets what participants may have at stake, on offer and as a position; null is no limit.
    #[pyo3(signature = (participant, market, money, energy, position, fee, tax_ppm, settled))]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_cover(
        &self,
        py: Python<'_>,
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
        let set = self.lock(py).door().map(|door| door::set_cover(door, &columns, Charges { fee, tax_ppm }, settled));
        set.map_err(|why| Exception::Schema.with(why))
    }

    /// Money by participant and lots by participant and market; None without a cover.
    fn cover<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyDict>, Bound<'py, PyDict>)>> {
        let cover = self.lock(py).door.as_ref().and_then(|door| door.cover().cloned());
        cover.map(|cover| door::cover(py, &cover)).transpose()
    }

    /// Whether the book knows whose its orders are.
    #[getter]
    fn settles(&self, py: Python<'_>) -> bool {
        self.lock(py).door.is_some()
    }

    /// One new order: its id, its reject code, lots that traded, and lots that rest.
    #[pyo3(signature = (buys, price, quantity, market=Whole(0), participant=None, order=None, tif=0))]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    fn place(
        &self,
        py: Python<'_>,
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
        let placed = self.lock(py).place(&single);
        Ok((placed.order, placed.reject, placed.traded, placed.open))
    }

    /// One new order that may be more than plain, as the only row of its columns; gives what [`Self::place`] does.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands columns over by value")]
    fn place_row(&self, py: Python<'_>, order: CommandColumns<'_>) -> PyResult<(i64, u16, u64, u32)> {
        let row = order.borrow()?;
        let placed = self.lock(py).place_row(&row);
        let placed = placed.map_err(|error| Exception::Schema.with(error.to_string()))?;
        Ok((placed.order, placed.reject, placed.traded, placed.open))
    }

    /// Lets time go by.
    fn advance(slf: &Bound<'_, Self>, now: i64) -> PyEvents {
        let (events, record) = slf.get().lock(slf.py()).advance(now);
        PyEvents::new(slf.clone().unbind(), events, record)
    }

    /// Sets when markets close: all of them or, where one cannot be set, none.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_gates(
        &self,
        py: Python<'_>,
        market: PyReadonlyArray1<'_, i64>,
        gate: PyReadonlyArray1<'_, i64>,
    ) -> PyResult<()> {
        let (market, gate) = (market.as_slice()?, gate.as_slice()?);
        let set = schedule::set_gates(&mut self.lock(py).book, market, gate);
        set.map_err(|why| Exception::Schema.with(why))
    }

    /// Sets when markets change their phases, rows of one market side by side; the number behind the last phase closes
    /// it. All of them or, where one cannot be set, none.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn set_phases(
        &self,
        py: Python<'_>,
        market: PyReadonlyArray1<'_, i64>,
        time: PyReadonlyArray1<'_, i64>,
        phase: PyReadonlyArray1<'_, u8>,
    ) -> PyResult<()> {
        let (market, time, phase) = (market.as_slice()?, time.as_slice()?, phase.as_slice()?);
        let set = schedule::set_phases(&mut self.lock(py).book, market, time, phase);
        set.map_err(|why| Exception::Schema.with(why))
    }

    /// Sets the prices at which orders of a market are taken.
    fn set_collar(&self, py: Python<'_>, market: i64, low: Option<i64>, high: Option<i64>) -> PyResult<()> {
        let set = self.lock(py).book.set_collar(market, low, high);
        set.map_err(|error| Exception::Schema.with(schedule::session_error(market, &error)))
    }

    /// Sets how far a market may trade from its reference, and how long it pauses.
    fn set_breaker(&self, py: Python<'_>, market: i64, breaker: Option<(i64, i64)>) -> PyResult<()> {
        let set = self.lock(py).book.set_breaker(market, breaker);
        set.map_err(|error| Exception::Schema.with(schedule::session_error(market, &error)))
    }

    /// Price, volume and imbalance of the call as it stands.
    fn indicative(&self, py: Python<'_>, market: i64) -> Option<(i64, u64, i64)> {
        self.lock(py).book.indicative(market).map(|call| (call.price, call.volume, call.imbalance))
    }

    /// What a market does now; None if it has closed.
    fn phase(&self, py: Python<'_>, market: i64) -> Option<&'static str> {
        self.lock(py).book.phase(market).map(Phase::name)
    }

    /// Prices of a side, best first.
    fn depth<'py>(&self, py: Python<'py>, market: i64, side: u8, most: usize) -> data::Levels<'py> {
        let levels = self.lock(py).book.depth(market, side, most);
        data::levels(py, &levels)
    }

    /// Best prices of all markets, one fresh column a field; null where a side is empty.
    fn level1<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let quotes = self.lock(py).book.quotes();
        data::quotes(py, quotes)
    }

    /// Prices of all markets with their lots, one fresh column a field.
    fn level2<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyDict>> {
        let depths = self.lock(py).book.depths(most);
        data::depths(py, depths)
    }

    /// Price and lots of the best bid and of the best ask.
    fn best(&self, py: Python<'_>, market: i64) -> (BestLevel, BestLevel) {
        let book = &mut self.lock(py).book;
        let mut best = |side| book.best(market, side).map(|level| (level.price, level.quantity));
        (best(1), best(0))
    }

    /// What rests, one fresh column a field.
    fn snapshot<'py>(&self, py: Python<'py>, market: Option<i64>) -> PyResult<Bound<'py, PyDict>> {
        let resting = self.lock(py).book.snapshot(market);
        data::snapshot(py, resting)
    }

    /// Market, gate, halted, closed, one fresh column each; no gate is null.
    fn markets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let states = self.lock(py).book.market_states();
        data::markets(py, &states)
    }

    /// The latest time that the book has seen; None before the first.
    #[getter]
    fn clock(&self, py: Python<'_>) -> Option<i64> {
        Some(self.lock(py).book.clock()).filter(|&clock| clock != i64::MIN)
    }

    #[getter]
    fn next_seq(&self, py: Python<'_>) -> u64 {
        self.lock(py).book.next_seq()
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.lock(py).book.len()
    }

    /// A book of its own in the same state.
    fn copy(&self, py: Python<'_>) -> Self {
        Self(Mutex::new(self.lock(py).clone()))
    }

    /// The whole state as bytes. `are_texts` says of ids of markets, orders and participants whether they are text, and
    /// `texts` which; None where none came yet.
    fn save<'py>(
        &self,
        py: Python<'py>,
        units: Option<[String; 3]>,
        are_texts: [Option<bool>; 3],
        texts: [Vec<String>; 3],
    ) -> Bound<'py, PyBytes> {
        let state = {
            let State { book, door } = &mut *self.lock(py);
            saved::save(book, door.as_deref(), units, are_texts, texts)
        };
        PyBytes::new(py, &state)
    }

    /// The book that `save` wrote, and what it was given beside it.
    #[staticmethod]
    #[pyo3(signature = (state, small_max=None))]
    fn restore(state: &[u8], small_max: Option<usize>) -> PyResult<Restored> {
        saved::restore(state, small_max)
    }
}
