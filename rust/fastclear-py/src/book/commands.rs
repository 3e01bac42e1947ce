//! The columns of commands, borrowed for as long as a call lasts.

use fastclear_core::book::Commands;
use fastclear_core::order::Integers;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::arguments::{Bytes, Wide, bytes, wide};
use crate::columns::{IntegerColumn, SideColumn, is_frozen, plain, plain_integers, sides};

type Number<'py> = Option<IntegerColumn<'py>>;

/// What `fastclear.book.commands.encode` gives; what each is, see [`Commands`].
#[derive(Default, FromPyObject)]
#[pyo3(from_item_all)]
pub struct CommandColumns<'py> {
    rows: usize,
    op: Bytes<'py>,
    market: Wide<'py>,
    order: Wide<'py>,
    participant: Wide<'py>,
    side: Bytes<'py>,
    is_market_order: Bytes<'py>,
    tif: Bytes<'py>,
    price: Number<'py>,
    quantity: Number<'py>,
    expires: Wide<'py>,
    flags: Bytes<'py>,
    display: Number<'py>,
    min_quantity: Number<'py>,
    stop: Number<'py>,
    peg: Bytes<'py>,
    offset: Number<'py>,
    phase: Bytes<'py>,
    time: Wide<'py>,
}

impl<'py> CommandColumns<'py> {
    /// Borrows columns that need no reading: `None` unless every name is a column's own and every column an array that
    /// the core takes as it is. Whatever else there is to say about them, the Python layer says.
    pub fn plain(columns: &Bound<'py, PyDict>) -> Option<Self> {
        let mut found = Self::default();
        for (name, column) in columns {
            match name.cast_exact::<PyString>().ok()?.to_str().ok()? {
                "op" => found.op = Some(plain(&column)?),
                "market" => found.market = Some(plain(&column)?),
                "order" => found.order = Some(plain(&column)?),
                "participant" => found.participant = Some(plain(&column)?),
                "side" => match sides(&column)? {
                    SideColumn::Unsigned(sides) => found.side = Some(sides),
                    SideColumn::Signed(_) => return None,
                },
                "tif" => found.tif = Some(plain(&column)?),
                "price" => found.price = Some(plain_integers(&column)?),
                "quantity" => found.quantity = Some(plain_integers(&column)?),
                "expires" => found.expires = Some(plain(&column)?),
                "flags" => found.flags = Some(plain(&column)?),
                "time" => found.time = Some(plain(&column)?),
                _ => return None,
            }
            found.rows = column.len().ok()?;
        }
        Some(found)
    }
}

/// Whether no number of a column could be taken for a null: none is as small as half of what 64 bits hold.
pub fn has_no_null(column: Integers<'_>) -> bool {
    match column {
        Integers::Narrow(_) => true,
        // Of the two highest bits such a number has the first alone.
        Integers::Wide(cells) => cells.iter().fold(0, |bits, &cell| bits | (cell & !(cell << 1))) >= 0,
    }
}

impl CommandColumns<'_> {
    /// Whether no Python code can write to any of these columns.
    pub fn nobody_writes(&self) -> PyResult<bool> {
        let bytes = [&self.op, &self.side, &self.is_market_order, &self.tif, &self.flags, &self.peg, &self.phase];
        let wides = [&self.market, &self.order, &self.participant, &self.expires, &self.time];
        let numbers = [&self.price, &self.quantity, &self.display, &self.min_quantity, &self.stop, &self.offset];
        let bytes = bytes.into_iter().flatten().map(is_frozen);
        let wides = wides.into_iter().flatten().map(is_frozen);
        let numbers = numbers.into_iter().flatten().map(IntegerColumn::is_frozen);
        for is_frozen in bytes.chain(wides).chain(numbers) {
            if !is_frozen? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// As the core reads them.
    pub fn borrow(&self) -> PyResult<Commands<'_>> {
        fn number<'a>(column: &'a Number<'_>) -> PyResult<Option<Integers<'a>>> {
            column.as_ref().map(IntegerColumn::integers).transpose()
        }
        Ok(Commands {
            rows: self.rows,
            op: bytes(&self.op)?,
            market: wide(&self.market)?,
            order: wide(&self.order)?,
            participant: wide(&self.participant)?,
            side: bytes(&self.side)?,
            is_market_order: bytes(&self.is_market_order)?,
            tif: bytes(&self.tif)?,
            price: number(&self.price)?,
            quantity: number(&self.quantity)?,
            expires: wide(&self.expires)?,
            flags: bytes(&self.flags)?,
            display: number(&self.display)?,
            min_quantity: number(&self.min_quantity)?,
            stop: number(&self.stop)?,
            peg: bytes(&self.peg)?,
            offset: number(&self.offset)?,
            phase: bytes(&self.phase)?,
            time: wide(&self.time)?,
        })
    }
}
