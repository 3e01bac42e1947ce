//! What matching asks of the orders of one market, however they are kept.

use crate::order::BUY;

/// Code of a participant of an order that is nobody's.
pub(super) const NOBODY: u32 = u32::MAX;

/// An order that rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resting {
    pub id: i64,
    pub price: i32,
    /// Open lots, never 0.
    pub quantity: u32,
    /// Code of its participant.
    pub owner: u32,
    /// Handle of its expiry.
    pub expiry: u32,
}

/// What an order that comes in took from one that rested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Met {
    pub id: i64,
    pub price: i32,
    /// Lots that trade.
    pub lots: u32,
    /// Lots that the order that came in has left.
    pub open: u32,
    /// Whether the one that rested is gone.
    pub is_gone: bool,
    /// Handle of its expiry.
    pub expiry: u32,
}

/// One price of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Ticks.
    pub price: i64,
    /// Open lots of all orders at this price.
    pub quantity: u64,
    /// How many they are.
    pub orders: u64,
}

/// The orders of one market. A place is where an order is, until it moves or goes.
pub(super) trait Layout {
    /// Price and place of the first order of a side: of the best price, and of those the one that came first.
    fn best(&self, side: u8) -> Option<(i32, u32)>;
    /// The order in a place.
    fn resting(&self, place: u32) -> Resting;
    /// Its side.
    fn side(&self, place: u32) -> u8;
    /// Takes lots out of an order that has more.
    fn take(&mut self, place: u32, lots: u32);
    /// Takes an order out.
    fn remove(&mut self, place: u32);
    /// Lets an order that comes in take what rests on a side, first to last, for as long as it has open lots and the price
    /// is within its limit. Stops before an order of whoever is barred. Gives what it has left.
    fn sweep(&mut self, side: u8, limit: i32, open: u32, barred: Option<u32>, met: impl FnMut(Met)) -> u32;
    /// Puts an order in behind all others of its side and price.
    fn insert(&mut self, side: u8, order: &Resting) -> u32;
    /// Shows the orders of a side, first to last, for as long as `go_on` says so.
    fn walk(&self, side: u8, go_on: impl FnMut(&Resting) -> bool);
    /// Shows the prices of a side, best first, for as long as `go_on` says so.
    fn levels(&self, side: u8, mut go_on: impl FnMut(Level) -> bool) {
        let mut level: Option<Level> = None;
        let mut stopped = false;
        self.walk(side, |order| {
            let price = i64::from(order.price);
            match &mut level {
                Some(level) if level.price == price => {
                    level.quantity += u64::from(order.quantity);
                    level.orders += 1;
                }
                other => {
                    let next = Level { price, quantity: u64::from(order.quantity), orders: 1 };
                    stopped = other.replace(next).is_some_and(|done| !go_on(done));
                }
            }
            !stopped
        });
        if let Some(last) = level
            && !stopped
        {
            go_on(last);
        }
    }
}

/// Whether an order that comes in with this limit trades at the price of one that rests on the other side.
#[inline(always)]
pub(super) fn crosses(side: u8, limit: i32, resting: i32) -> bool {
    // Turned round for a sell, without a branch: nobody can guess the side.
    let turn = i32::from(side) - i32::from(BUY);
    resting ^ turn <= limit ^ turn
}
