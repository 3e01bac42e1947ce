//! The orders of one market, side by side in memory.

use crate::order::BUY;

mod sealed {
    pub trait Sealed {}
    impl Sealed for i32 {}
    impl Sealed for i64 {}
}

/// A column element: `i32` and `i64` columns are read as they come. Sealed, since kernels load them by width.
pub trait Number: Copy + Into<i64> + Send + Sync + sealed::Sealed {
    /// The column itself where it is 32 bits wide.
    fn as_narrow(column: &[Self]) -> Option<&[i32]>;
}
impl Number for i32 {
    fn as_narrow(column: &[Self]) -> Option<&[i32]> {
        Some(column)
    }
}
impl Number for i64 {
    fn as_narrow(_: &[Self]) -> Option<&[i32]> {
        None
    }
}

/// The accepted orders of one market, as equally long slices.
#[derive(Clone, Copy, Debug)]
pub struct Book<'a, P, Q> {
    /// 1 = buy, 0 = sell.
    pub side: &'a [u8],
    /// Limit price in ticks.
    pub price: &'a [P],
    /// Quantity in lots.
    pub quantity: &'a [Q],
    /// Fee a unit that the buyer pays on top of the seller's price; bids compete at `price − fee`.
    pub fee: i64,
}

impl<P: Number, Q: Number> Book<'_, P, Q> {
    /// Number of orders.
    #[inline]
    pub fn len(&self) -> usize {
        self.side.len()
    }

    /// Whether the market has no order.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.side.is_empty()
    }

    /// Whether order `i` is a bid.
    #[inline]
    pub fn is_bid(&self, i: usize) -> bool {
        self.side[i] == BUY
    }

    /// The price at which order `i` competes: a bid's limit less the fee, an ask's limit.
    #[inline]
    pub fn competing_price(&self, i: usize) -> i64 {
        let price: i64 = self.price[i].into();
        price - self.fee * i64::from(self.side[i])
    }

    /// Limit of order `i`.
    #[inline]
    pub fn limit(&self, i: usize) -> i64 {
        self.price[i].into()
    }

    /// Quantity of order `i`.
    #[inline]
    pub fn quantity(&self, i: usize) -> i64 {
        self.quantity[i].into()
    }
}

/// Who comes first among equals: time, then id.
#[derive(Clone, Copy, Debug)]
pub struct Priority<'a> {
    /// Time of each order of the book, if any has one.
    pub time: Option<&'a [i64]>,
    /// Id of each order of the book; without ids the position, which is the row order, counts.
    pub order: Option<&'a [i64]>,
    /// Rank of the market in ascending id: the stream of its lotteries.
    pub market_rank: u32,
}

impl Priority<'_> {
    /// The key by which orders of equal price are ranked, lowest first.
    #[inline]
    pub fn key(&self, i: usize) -> (i64, i64, usize) {
        (self.time.map_or(0, |time| time[i]), self.order.map_or(0, |order| order[i]), i)
    }

    /// Whether positions alone decide, so that ascending positions are in priority order already.
    pub const fn is_position(&self) -> bool {
        self.time.is_none() && self.order.is_none()
    }

    /// Puts orders of equal price in priority order.
    pub fn sort(&self, orders: &mut [u32]) {
        if self.is_position() {
            orders.sort_unstable();
        } else {
            orders.sort_unstable_by_key(|&i| self.key(i as usize));
        }
    }
}
