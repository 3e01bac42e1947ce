//! Many markets at once: lay them out side by side, clear each, put the results back in input order.
//!
//! Where the input is sorted by market and every order is sound, the columns are used as they stand. Where it is not
//! sorted, orders are dealt to bins of a few hundred markets each, which are cleared in cache one after the other
//! (`dealt.rs`). What needs a closer look, or a refusal, is gathered market by market first, and fills are scattered back.
//! Each market is cleared on its own, so the number of threads cannot change a byte.

mod codes;
mod dealt;
mod job;
mod layout;
mod market;
mod payment;
pub(crate) mod threads;

use crate::auction::Mechanism;
use crate::auction::book::Number;
use crate::order::{Columns, ColumnsError, Integers};
use crate::trade::{MarketDetail, MarketOutcome, Trades};

pub(crate) use layout::rows_by_market;
pub use payment::payments;

use job::{Done, Job};
use layout::{Gathered, Markets, Orders, need_no_gathering};

/// The result of clearing one set of orders.
#[derive(Clone, Debug)]
pub struct Clearing {
    /// One outcome a market, ascending ids.
    pub outcomes: Vec<MarketOutcome>,
    /// Reject code of each input row; `None` where all are accepted.
    pub reject: Option<Vec<u16>>,
    /// Payment of each input row, + pays, − receives.
    pub payment: Option<Vec<i64>>,
    /// The trades.
    pub trades: Option<Trades>,
    /// One a market, of mechanisms that rank a market first; else empty.
    pub details: Vec<MarketDetail>,
    /// All prices and money are over this: 2 where a price lies between two ticks, else 1.
    pub den: u8,
}

/// What to compute beside outcomes and fills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Payments by order.
    pub payment: bool,
    /// The list of trades.
    pub trades: bool,
    /// Outcomes alone: no fill is written, and there is no room for any.
    pub prices_only: bool,
}

/// Orders from which on a market that needs no fills is cleared without writing any.
const UNFILLED: usize = 4096;

/// Clears every market of `columns`, writing each order's filled quantity to `filled` in input order.
///
/// Uses up to `threads` threads where there are several markets and rows enough; no result depends on it.
///
/// # Errors
/// [`ColumnsError`] where the columns, or `filled`, do not fit together.
pub fn clear(
    columns: &Columns<'_>,
    mechanism: &Mechanism,
    want: Want,
    threads: usize,
    filled: &mut [i64],
) -> Result<Clearing, ColumnsError> {
    columns.check()?;
    let places = if want.prices_only { 0 } else { columns.len() };
    if filled.len() != places {
        return Err(ColumnsError::LengthDiffers { column: "out", len: filled.len(), expected: places });
    }
    // A market that is cleared without fills, if it can be; all others write them, and they are dropped.
    let needs_no_fills = columns.market.is_none()
        && columns.len() >= UNFILLED
        && mechanism.prices_need_no_fills()
        && !(want.payment || want.trades);
    let with_fills = || {
        let mut filled = vec![0; columns.len()];
        clear(columns, mechanism, Want { prices_only: false, ..want }, threads, &mut filled)
    };
    if want.prices_only && !needs_no_fills {
        return with_fills();
    }
    if columns.is_empty() {
        let no_trades = || Trades { one_price: mechanism.one_price_a_trade(), ..Trades::default() };
        let (payment, trades) = (want.payment.then(Vec::new), want.trades.then(no_trades));
        return Ok(Clearing { outcomes: Vec::new(), reject: None, payment, trades, details: Vec::new(), den: 1 });
    }
    let job = Job { mechanism, want, threads };
    let as_they_stand = need_no_gathering(columns, mechanism)
        .then(|| match (columns.price, columns.quantity) {
            (Integers::Narrow(price), Integers::Narrow(quantity)) => ungathered(columns, &job, price, quantity, filled),
            (Integers::Narrow(price), Integers::Wide(quantity)) => ungathered(columns, &job, price, quantity, filled),
            (Integers::Wide(price), Integers::Narrow(quantity)) => ungathered(columns, &job, price, quantity, filled),
            (Integers::Wide(price), Integers::Wide(quantity)) => ungathered(columns, &job, price, quantity, filled),
        })
        .flatten();
    if want.prices_only && as_they_stand.is_none() {
        return with_fills();
    }
    let (done, reject) = as_they_stand.map_or_else(|| clear_gathered(columns, &job, filled), |done| (done, None));
    let Done { outcomes, payment, trades, details } = done;
    let mut clearing = Clearing { outcomes, reject, payment, trades, details, den: 1 };
    if mechanism.is_halved() {
        clearing.choose_den();
    }
    Ok(clearing)
}

impl Clearing {
    /// Brings what came over 2 (prices, payments) and what did not (interval, best limits, welfare) to one denominator.
    fn choose_den(&mut self) {
        let odd = self.outcomes.iter().any(|market| market.is_odd);
        self.den = if odd { 2 } else { 1 };
        for market in &mut self.outcomes {
            if odd {
                market.price_low *= 2;
                market.price_high *= 2;
                // Where there is no bid or ask, the extreme that says so stays.
                market.best_bid = market.best_bid.saturating_mul(2);
                market.best_ask = market.best_ask.saturating_mul(2);
                market.welfare *= 2;
            } else {
                market.price_buy /= 2;
                market.price_sell /= 2;
                market.buyer_payment /= 2;
                market.seller_revenue /= 2;
            }
        }
        if !odd {
            for detail in &mut self.details {
                detail.half_prices = detail.half_prices.map(|price| price.map(|price| price / 2));
            }
            let halve = |column: &mut Vec<i64>| column.iter_mut().for_each(|value| *value /= 2);
            self.payment.iter_mut().for_each(halve);
            if let Some(trades) = &mut self.trades {
                halve(&mut trades.buy_price);
                halve(&mut trades.sell_price);
            }
        }
    }
}

/// Clears columns of which no order need be refused, unless a value is out of range or an id occurs twice: then `None`.
fn ungathered<P: Number, Q: Number>(
    columns: &Columns<'_>,
    job: &Job<'_>,
    price: &[P],
    quantity: &[Q],
    filled: &mut [i64],
) -> Option<Done> {
    match Markets::as_they_stand(columns, job.threads) {
        Some(markets) => job.run(&Orders::of(columns, job.mechanism, &markets), price, quantity, filled),
        None => dealt::clear(columns, job, price, quantity, filled),
    }
}

/// Refuses what must be refused, gathers the rest, clears, and scatters the results back to input order.
fn clear_gathered(columns: &Columns<'_>, job: &Job<'_>, filled: &mut [i64]) -> (Done, Option<Vec<u16>>) {
    let gathered = Gathered::of(columns, job.mechanism);
    let mut placed = vec![0; gathered.rows.len()];
    // What was gathered is in range, so that there is a result.
    let done = job.run(&gathered.orders(), &gathered.price, &gathered.quantity, &mut placed).unwrap_or_default();
    let scatter = |from: &[i64], to: &mut [i64]| {
        to.fill(0);
        for (&row, &value) in gathered.rows.iter().zip(from) {
            to[row as usize] = value;
        }
    };
    scatter(&placed, filled);
    let payment = done.payment.map(|placed| {
        let mut payment = vec![0; columns.len()];
        scatter(&placed, &mut payment);
        payment
    });
    let reject = gathered.reject.iter().any(|&code| code != 0).then_some(gathered.reject);
    (Done { payment, ..done }, reject)
}
