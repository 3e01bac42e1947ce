//! Columns borrowed from Python: straight from a mapping of plain arrays, or from what the Python layer encoded.

use std::ops::Range;

use fastclear_core::order::{Columns, Integers};
use fastclear_core::simd;
use numpy::{BorrowError, Element, PyArray1, PyArrayMethods, PyReadonlyArray1, dtype};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

use crate::errors::Exception;

/// A column of signs as bytes.
pub enum SideColumn<'py> {
    /// uint8
    Unsigned(PyReadonlyArray1<'py, u8>),
    /// int8
    Signed(PyReadonlyArray1<'py, i8>),
}

impl SideColumn<'_> {
    fn bytes(&self) -> PyResult<&[u8]> {
        Ok(match self {
            Self::Unsigned(column) => column.as_slice()?,
            Self::Signed(column) => simd::unsigned(column.as_slice()?),
        })
    }
}

/// An int32 or int64 column.
pub enum IntegerColumn<'py> {
    /// int64
    Wide(PyReadonlyArray1<'py, i64>),
    /// int32
    Narrow(PyReadonlyArray1<'py, i32>),
}

impl<'py> FromPyObject<'_, 'py> for IntegerColumn<'py> {
    type Error = PyErr;

    /// By hand, since a derived one words an error for the type that a column is not, and then drops it: 4 µs a call.
    fn extract(column: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(narrow) = column.cast::<PyArray1<i32>>() {
            return Ok(Self::Narrow(borrow(&narrow)?));
        }
        let wide = column.cast::<PyArray1<i64>>()?;
        Ok(Self::Wide(borrow(&wide)?))
    }
}

/// Borrows a column for reading.
pub fn borrow<'py, T: Element>(column: &Bound<'py, PyArray1<T>>) -> PyResult<PyReadonlyArray1<'py, T>> {
    column.try_readonly().map_err(|_| {
        Exception::Schema.with("a column is the `out` of another call that is still running; wait for it, or copy")
    })
}

/// Borrows a column that may not be there.
pub fn borrow_any<'py, T: Element>(
    column: Option<&Bound<'py, PyArray1<T>>>,
) -> PyResult<Option<PyReadonlyArray1<'py, T>>> {
    column.map(borrow).transpose()
}

impl IntegerColumn<'_> {
    /// The column as the core reads it.
    pub fn integers(&self) -> PyResult<Integers<'_>> {
        Ok(match self {
            Self::Wide(column) => Integers::Wide(column.as_slice()?),
            Self::Narrow(column) => Integers::Narrow(column.as_slice()?),
        })
    }

    /// Whether no Python code can write to it.
    pub fn is_frozen(&self) -> PyResult<bool> {
        match self {
            Self::Wide(column) => is_frozen(column),
            Self::Narrow(column) => is_frozen(column),
        }
    }
}

/// Columns that stay borrowed for as long as a call lasts; what each is, see [`Columns`].
pub struct Orders<'py> {
    pub side: SideColumn<'py>,
    pub price: IntegerColumn<'py>,
    pub quantity: IntegerColumn<'py>,
    pub market: Option<PyReadonlyArray1<'py, i64>>,
    pub order: Option<PyReadonlyArray1<'py, i64>>,
    pub time: Option<PyReadonlyArray1<'py, i64>>,
    pub is_market_order: Option<PyReadonlyArray1<'py, u8>>,
    pub participant: Option<PyReadonlyArray1<'py, i64>>,
    pub min_quantity: Option<PyReadonlyArray1<'py, i64>>,
    pub start_price: Option<PyReadonlyArray1<'py, i64>>,
    pub half: Option<PyReadonlyArray1<'py, u8>>,
    pub turn: Option<PyReadonlyArray1<'py, i64>>,
    pub refused: Option<PyReadonlyArray1<'py, u16>>,
}

/// uint8 as it is, int8 and bool as the bytes that they are.
pub fn sides<'py>(column: &Bound<'py, PyAny>) -> Option<SideColumn<'py>> {
    if let Some(signs) = plain(column) {
        return Some(SideColumn::Signed(signs));
    }
    if column.cast_exact::<PyArray1<bool>>().is_err() {
        return plain(column).map(SideColumn::Unsigned);
    }
    // As a view, since a byte of a bool column may be one that is no `bool` of Rust.
    let bytes = column.call_method1(intern!(column.py(), "view"), (dtype::<u8>(column.py()),)).ok()?;
    plain(&bytes).map(SideColumn::Unsigned)
}

fn slice<'a, T: Element>(column: Option<&'a PyReadonlyArray1<'_, T>>) -> PyResult<Option<&'a [T]>> {
    column.map(|column| Ok(column.as_slice()?)).transpose()
}

/// The array itself where it is exactly a one-dimensional numpy array of this type that nobody is writing.
pub fn plain<'py, T: Element>(column: &Bound<'py, PyAny>) -> Option<PyReadonlyArray1<'py, T>> {
    column.cast_exact::<PyArray1<T>>().ok()?.try_readonly().ok()
}

/// As [`plain`], of either width.
pub fn plain_integers<'py>(column: &Bound<'py, PyAny>) -> Option<IntegerColumn<'py>> {
    plain(column).map(IntegerColumn::Narrow).or_else(|| plain(column).map(IntegerColumn::Wide))
}

impl<'py> Orders<'py> {
    /// Borrows columns that need no reading: `None` unless every name is a column's own and every column an array that
    /// the core takes as it is. Whatever else there is to say about them, the Python layer says.
    pub fn plain(columns: &Bound<'py, PyDict>) -> Option<Self> {
        let (mut side, mut price, mut quantity) = (None, None, None);
        let (mut market, mut order, mut time, mut participant) = (None, None, None, None);
        let (mut min_quantity, mut start_price) = (None, None);
        for (name, column) in columns {
            match name.cast_exact::<PyString>().ok()?.to_str().ok()? {
                "side" => side = Some(sides(&column)?),
                "price" => price = Some(plain_integers(&column)?),
                "quantity" => quantity = Some(plain_integers(&column)?),
                "market" => market = Some(plain(&column)?),
                "order" => order = Some(plain(&column)?),
                "time" => time = Some(plain(&column)?),
                "participant" => participant = Some(plain(&column)?),
                "min_quantity" => min_quantity = Some(plain(&column)?),
                "start_price" => start_price = Some(plain(&column)?),
                _ => return None,
            }
        }
        Some(Self {
            side: side?,
            price: price?,
            quantity: quantity?,
            market,
            order,
            time,
            is_market_order: None,
            participant,
            min_quantity,
            start_price,
            half: None,
            turn: None,
            refused: None,
        })
    }

    /// The columns as the core reads them.
    pub fn columns(&self) -> PyResult<Columns<'_>> {
        Ok(Columns {
            side: self.side.bytes()?,
            price: self.price.integers()?,
            quantity: self.quantity.integers()?,
            market: slice(self.market.as_ref())?,
            order: slice(self.order.as_ref())?,
            time: slice(self.time.as_ref())?,
            is_market_order: slice(self.is_market_order.as_ref())?,
            participant: slice(self.participant.as_ref())?,
            min_quantity: slice(self.min_quantity.as_ref())?,
            start_price: slice(self.start_price.as_ref())?,
            half: slice(self.half.as_ref())?,
            turn: slice(self.turn.as_ref())?,
            refused: slice(self.refused.as_ref())?,
        })
    }

    /// Whether no Python code can write to any of these columns.
    pub fn nobody_writes(&self) -> PyResult<bool> {
        let side = match &self.side {
            SideColumn::Signed(column) => is_frozen(column),
            SideColumn::Unsigned(column) => is_frozen(column),
        };
        if !side? || !self.price.is_frozen()? || !self.quantity.is_frozen()? {
            return Ok(false);
        }
        let ids = [&self.market, &self.order, &self.time, &self.participant, &self.min_quantity, &self.start_price];
        for column in ids.into_iter().flatten() {
            if !is_frozen(column)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether no Python code can write to a column that is borrowed for reading.
pub fn is_frozen<T: Element>(column: &PyReadonlyArray1<'_, T>) -> PyResult<bool> {
    static FROZEN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    // An array that may be written is not lent for that either, since it is borrowed, but for another reason.
    if !matches!(column.try_readwrite(), Err(BorrowError::NotWriteable)) {
        return Ok(false);
    }
    let (py, base) = (column.py(), column.getattr(intern!(column.py(), "base"))?);
    // The memory of another: what may be written there may be written here.
    Ok(base.is_none() || FROZEN.import(py, "fastclear.orders.memory", "frozen")?.call1((base,))?.extract()?)
}

/// Whether memory of any column is also that of `out`.
pub fn share_memory(columns: &Columns<'_>, out: &[i64]) -> bool {
    fn span<T>(rows: &[T]) -> Range<usize> {
        let Range { start, end } = rows.as_ptr_range();
        start.addr()..end.addr()
    }
    fn integers(column: Integers<'_>) -> Range<usize> {
        match column {
            Integers::Narrow(rows) => span(rows),
            Integers::Wide(rows) => span(rows),
        }
    }
    let out = span(out);
    let Columns { side, price, quantity, market, order, time, participant, min_quantity, start_price, .. } = *columns;
    let ids = [market, order, time, participant, min_quantity, start_price];
    let ids = ids.into_iter().flatten().map(span);
    let spans = [span(side), integers(price), integers(quantity)].into_iter().chain(ids);
    spans.into_iter().any(|column| column.start < out.end && out.start < column.end)
}
