//! The columns of commands, borrowed for as long as a call lasts.

use fastclear_core::book::Commands;
use pyo3::prelude::*;

use super::arguments::{Bytes, Wide, bytes, wide};
use crate::columns::IntegerColumn;

type Number<'py> = Option<IntegerColumn<'py>>;

/// What `fastclear.book.commands.encode` gives; what each is, see [`Commands`].
#[derive(FromPyObject)]
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

impl CommandColumns<'_> {
    /// As the core reads them.
    pub fn borrow(&self) -> PyResult<Commands<'_>> {
        fn number<'a>(column: &'a Number<'_>) -> PyResult<Option<fastclear_core::order::Integers<'a>>> {
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
