//! A book weighed at a few prices at once.

#[cfg(target_arch = "x86_64")]
mod avx512;

use super::near::{BLOCK, Near};
use super::on_every_path;
use super::sweep::SMALL_QUANTITY;
use crate::auction::book::{Book, Number};

/// Prices at which a book is weighed in one pass.
pub const PIVOTS: usize = 8;
/// Pivots of one look at a block: as many sums as there are registers for on every path.
const GROUP: usize = 4;

/// What a book weighs at some prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reached {
    /// Quantity of all bids.
    pub bid_quantity: i64,
    /// Quantity of all orders priced at or below each of the prices.
    pub reached: [i64; PIVOTS],
}

#[inline(always)]
fn weigh_body<P: Number, Q: Number>(book: &Book<'_, P, Q>, pivots: &[i64; PIVOTS]) -> Option<Reached> {
    let mut near = Near::new(book, pivots[PIVOTS / 2]);
    let pivots = pivots.map(|price| near.of(price));
    let mut sums = Reached::default();
    let mut quantity_bits = 0_u64;
    let mut lots = [0_u32; BLOCK];
    for start in (0..book.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(book.len());
        let rows = book.side[start..end].iter().zip(&book.quantity[start..end]);
        let mut bids = 0_u32;
        for (to, (&side, &quantity)) in lots.iter_mut().zip(rows) {
            let quantity: i64 = quantity.into();
            quantity_bits |= quantity as u64;
            *to = quantity as u32;
            bids = bids.wrapping_add(if side != 0 { quantity as u32 } else { 0 });
        }
        sums.bid_quantity = sums.bid_quantity.wrapping_add(bids.into());
        let prices = near.rows(start, end).1;
        let groups = pivots.as_chunks::<GROUP>().0.iter().zip(sums.reached.as_chunks_mut::<GROUP>().0);
        for (&[first, second, third, fourth], reached) in groups {
            let mut here = [0_u32; GROUP];
            for (&price, &lots) in prices.iter().zip(&lots) {
                here[0] = here[0].wrapping_add(if price <= first { lots } else { 0 });
                here[1] = here[1].wrapping_add(if price <= second { lots } else { 0 });
                here[2] = here[2].wrapping_add(if price <= third { lots } else { 0 });
                here[3] = here[3].wrapping_add(if price <= fourth { lots } else { 0 });
            }
            for (sum, here) in reached.iter_mut().zip(here) {
                *sum = sum.wrapping_add(here.into());
            }
        }
    }
    // Sums over a block then stayed within 32 bits.
    (quantity_bits < SMALL_QUANTITY).then_some(sums)
}

on_every_path! {
    /// See [`weigh_at`]; in loops that the compiler turns into vectors.
    fn weigh_loops<P: Number, Q: Number>(book: &Book<'_, P, Q>, pivots: &[i64; PIVOTS]) -> Option<Reached> = weigh_body
}

/// Weighs a book at some prices; `None` where a quantity is too large for it. Columns are not checked: where one holds
/// what no order may carry, weights mean nothing.
pub fn weigh_at<P: Number, Q: Number>(book: &Book<'_, P, Q>, pivots: &[i64; PIVOTS]) -> Option<Reached> {
    #[cfg(target_arch = "x86_64")]
    if super::path() == super::Path::Avx512 {
        // SAFETY: `path` asked the machine for the features that the kernel needs.
        #[allow(unsafe_code, reason = "see SAFETY")]
        return unsafe { avx512::weigh(book, pivots) };
    }
    weigh_loops(book, pivots)
}

#[cfg(test)]
mod tests {
    use super::super::{Path, allow};
    use super::*;

    #[test]
    fn every_path_agrees_with_a_row_at_a_time() {
        for path in Path::ALL {
            allow(path);
            for rows in [1, 15, 16, 17, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
                for fee in [0, 3] {
                    check(rows, fee, SMALL_QUANTITY as i64 - 1);
                }
            }
        }
    }

    fn check(rows: usize, fee: i64, largest: i64) {
        let side: Vec<u8> = (0..rows).map(|i| (i % 3 == 0).into()).collect();
        let price: Vec<i32> = (0..rows as i32).map(|i| i.wrapping_mul(0x1E37_79B9) % 1000).collect();
        let mut quantity: Vec<i64> = (0..rows as i64).map(|i| if i % 2 == 0 { largest } else { 1 + i }).collect();
        let pivots = [-990, -500, -500, -3, 0, 4, 500, 999];
        let book = Book { side: &side[..], price: &price[..], quantity: &quantity[..], fee };
        let sum = |is_of: &dyn Fn(usize) -> bool| (0..rows).filter(|&i| is_of(i)).map(|i| quantity[i]).sum::<i64>();
        let expected = Reached {
            bid_quantity: sum(&|i| book.is_bid(i)),
            reached: pivots.map(|pivot| sum(&|i| book.competing_price(i) <= pivot)),
        };
        assert_eq!(weigh_at(&book, &pivots), Some(expected), "{rows} rows, fee {fee}");
        let wide: Vec<i64> = price.iter().map(|&price| price.into()).collect();
        let mut narrow: Vec<i32> = quantity.iter().map(|&quantity| quantity as i32).collect();
        let other = Book { side: &side[..], price: &wide[..], quantity: &narrow[..], fee };
        assert_eq!(weigh_at(&other, &pivots), Some(expected), "{rows} rows, fee {fee}, of the other widths");
        for flaw in [largest + 1, -1, 1 << 40] {
            quantity[rows / 2] = flaw;
            let book = Book { side: &side[..], price: &price[..], quantity: &quantity[..], fee };
            assert_eq!(weigh_at(&book, &pivots), None, "a sum over a block may take more than 32 bits");
        }
        for flaw in [largest as i32 + 1, -1] {
            narrow[rows / 2] = flaw;
            let other = Book { side: &side[..], price: &wide[..], quantity: &narrow[..], fee };
            assert_eq!(weigh_at(&other, &pivots), None, "the same in 32 bits");
        }
    }
}
