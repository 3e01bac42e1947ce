//! A small book in 32 bits: read, checked and added up in one pass.

use crate::auction::book::{Book, Number};

/// Rows of one step: of what is longer than whole steps, the last one is filled up.
pub const STEP: usize = 16;

/// Competing prices, quantities and sides (−1 a bid, 0 an ask) in whole steps. Rows that fill up the last one are asks of
/// a price that occurs and of no quantity, which no sum and no search sees.
pub struct Rows<'a> {
    pub prices: &'a mut [i32],
    pub quantities: &'a mut [i32],
    pub sides: &'a mut [i32],
}

/// Memory for books that are longer than registers hold.
#[derive(Debug, Default)]
pub struct Room([Vec<i32>; 3]);

impl Room {
    /// So many rows, of any content.
    pub fn rows(&mut self, rows: usize) -> Rows<'_> {
        let [prices, quantities, sides] = self.0.each_mut().map(|column| {
            if column.len() < rows {
                column.resize(rows, 0);
            }
            &mut column[..rows]
        });
        Rows { prices, quantities, sides }
    }
}

/// What a book adds up to.
#[derive(Clone, Copy)]
pub struct Totals {
    pub bids: i32,
    pub bid_quantity: i32,
    /// All quantities and their predecessors, combined by or: no quantity is more, and the sign shows one below 1. It also
    /// shows a side, price or quantity that is none or does not fit.
    bits: i32,
}

/// All bits where it is so.
#[inline(always)]
pub fn mask(is_so: bool) -> i32 {
    i32::from(is_so).wrapping_neg()
}

/// Reads columns of one length.
#[inline(always)]
fn read_columns<P: Number, Q: Number>(
    fee: i32,
    (side, price, quantity): (&[u8], &[P], &[Q]),
    (prices, quantities, sides): (&mut [i32], &mut [i32], &mut [i32]),
) -> Totals {
    let mut totals = Totals { bids: 0, bid_quantity: 0, bits: 0 };
    let floor = i32::MIN.wrapping_add(fee); // that a bid less the fee stays above the least number
    let from = side.iter().zip(price).zip(quantity);
    let into = prices.iter_mut().zip(quantities).zip(sides);
    for (((&side, &price), &quantity), ((to_price, to_quantity), to_side)) in from.zip(into) {
        let (limit, lots): (i64, i64) = (price.into(), quantity.into());
        let (narrow_limit, narrow_lots) = (limit as i32, lots as i32);
        let is_bid = i32::from(side).wrapping_neg();
        let flaws = mask(side > 1)
            | mask(narrow_limit <= floor)
            | mask(limit != i64::from(narrow_limit))
            | mask(lots != i64::from(narrow_lots));
        totals.bits |= flaws | narrow_lots | narrow_lots.wrapping_sub(1);
        totals.bids = totals.bids.wrapping_sub(is_bid);
        totals.bid_quantity = totals.bid_quantity.wrapping_add(narrow_lots & is_bid);
        *to_price = narrow_limit.wrapping_sub(fee & is_bid);
        *to_quantity = narrow_lots;
        *to_side = is_bid;
    }
    totals
}

impl Rows<'_> {
    /// Reads a book of at least one order; `None` where it does not fit 32 bits, all quantities together included.
    #[inline(always)]
    pub fn read<P: Number, Q: Number>(&mut self, book: &Book<'_, P, Q>) -> Option<Totals> {
        let fee = i32::try_from(book.fee).ok().filter(|&fee| fee >= 0)?;
        let whole = self.prices.len() - STEP;
        let (prices, last_prices) = self.prices.split_at_mut(whole);
        let (quantities, last_quantities) = self.quantities.split_at_mut(whole);
        let (sides, last_sides) = self.sides.split_at_mut(whole);
        let (side, side_rest) = book.side.split_at(whole);
        let (price, price_rest) = book.price.split_at(whole);
        let (quantity, quantity_rest) = book.quantity.split_at(whole);
        let first = read_columns(fee, (side, price, quantity), (prices, quantities, sides));
        // The rest, filled up with copies of its first row, which are then taken back.
        let rest = side_rest.len();
        let (mut side, mut price, mut quantity) =
            ([side_rest[0]; STEP], [price_rest[0]; STEP], [quantity_rest[0]; STEP]);
        side[..rest].copy_from_slice(side_rest);
        price[..rest].copy_from_slice(price_rest);
        quantity[..rest].copy_from_slice(quantity_rest);
        let last = read_columns(fee, (&side, &price, &quantity), (last_prices, last_quantities, last_sides));
        let copies = (STEP - rest) as i32 & last_sides[0];
        let bids = first.bids.wrapping_add(last.bids).wrapping_sub(copies);
        let copied = copies.wrapping_mul(last_quantities[0]);
        let bid_quantity = first.bid_quantity.wrapping_add(last.bid_quantity).wrapping_sub(copied);
        for ((nth, quantity), side) in (0..).zip(last_quantities).zip(last_sides) {
            let is_row = mask(nth < rest);
            *quantity &= is_row;
            *side &= is_row;
        }
        let bits = first.bits | last.bits;
        let all_fit = u64::from(bits as u32) * (book.len() as u64) < 1 << 31;
        all_fit.then_some(Totals { bids, bid_quantity, bits })
    }
}
