//! Payments of markets with one price a side, from outcomes and fills: to clear again for them would cost more.

use crate::order::{BUY, Columns};
use crate::simd::{self, Paid};
use crate::trade::MarketOutcome;

/// Writes what each row pays (+) or receives (−) at the prices of its market.
///
/// `false` where the bids or the asks of a market were not filled as much as it traded: then `side`, `market` or
/// `filled` is not what was cleared, and `payment` means nothing.
pub fn payments(outcomes: &[MarketOutcome], columns: &Columns<'_>, filled: &[i64], payment: &mut [i64]) -> bool {
    let side = columns.side;
    match (outcomes, columns.market) {
        _ if filled.len() != side.len() || payment.len() != side.len() => false,
        ([], _) => filled.is_empty(),
        ([market], _) => fits(market, simd::pay(side, filled, (market.price_buy, market.price_sell), payment)),
        (_, None) => false,
        (_, Some(ids)) => side_by_side(outcomes, ids, side, filled, payment)
            .unwrap_or_else(|| scattered(outcomes, ids, side, filled, payment)),
    }
}

fn fits(market: &MarketOutcome, paid: Paid) -> bool {
    paid.bought == market.volume && paid.all.wrapping_sub(paid.bought) == market.volume
}

/// Markets whose rows lie together, ascending; `None` where they do not.
fn side_by_side(
    outcomes: &[MarketOutcome],
    ids: &[i64],
    side: &[u8],
    filled: &[i64],
    payment: &mut [i64],
) -> Option<bool> {
    let mut start = 0;
    let mut traded = true;
    for market in outcomes {
        let rest = &ids[start..];
        let rows = start..start + rest.iter().position(|&id| id != market.market).unwrap_or(rest.len());
        if rows.is_empty() {
            return None;
        }
        start = rows.end;
        let prices = (market.price_buy, market.price_sell);
        traded &= fits(market, simd::pay(&side[rows.clone()], &filled[rows.clone()], prices, &mut payment[rows]));
    }
    (start == ids.len()).then_some(traded)
}

/// A market's prices, and what was paid for at them.
#[derive(Clone, Copy, Debug, Default)]
struct Till {
    buy: i64,
    sell: i64,
    paid: Paid,
}

/// Markets that lie in any order.
fn scattered(outcomes: &[MarketOutcome], ids: &[i64], side: &[u8], filled: &[i64], payment: &mut [i64]) -> bool {
    let places = Places::of(outcomes);
    let mut tills = vec![Till::default(); places.len()];
    for market in outcomes {
        if let Some(place) = places.get(market.market) {
            tills[place] = Till { buy: market.price_buy, sell: market.price_sell, paid: Paid::default() };
        }
    }
    for (((payment, &filled), &side), &id) in payment.iter_mut().zip(filled).zip(side).zip(ids) {
        let Some(till) = places.get(id).and_then(|place| tills.get_mut(place)) else {
            *payment = 0;
            if filled != 0 {
                return false;
            }
            continue;
        };
        let is_bid = i64::from(side == BUY).wrapping_neg();
        *payment = filled.wrapping_mul((till.buy & is_bid) | (till.sell.wrapping_neg() & !is_bid));
        till.paid.bought = till.paid.bought.wrapping_add(filled & is_bid);
        till.paid.all = till.paid.all.wrapping_add(filled);
    }
    // What was filled at ids between those of the markets would show in the sum of all.
    let sum = |sum: i64, more: i64| sum.wrapping_add(more);
    let all = tills.iter().map(|till| till.paid.all).fold(0, sum);
    all == outcomes.iter().map(|market| market.volume.wrapping_mul(2)).fold(0, sum)
        && outcomes.iter().all(|market| places.get(market.market).is_some_and(|at| fits(market, tills[at].paid)))
}

/// Where the till of a market stands.
enum Places<'a> {
    /// Ids close together, as numbered zones and slots are: one place an id, from the least on.
    Close { least: i64, places: usize },
    /// Outcomes by ascending id.
    Far(&'a [MarketOutcome]),
}

impl<'a> Places<'a> {
    fn of(outcomes: &'a [MarketOutcome]) -> Self {
        let (Some(first), Some(last)) = (outcomes.first(), outcomes.last()) else {
            return Self::Far(outcomes);
        };
        match last.market.checked_sub(first.market) {
            Some(span) if (span as u64) < 4 * outcomes.len() as u64 => {
                Self::Close { least: first.market, places: span as usize + 1 }
            }
            _ => Self::Far(outcomes),
        }
    }

    const fn len(&self) -> usize {
        match self {
            Self::Close { places, .. } => *places,
            Self::Far(outcomes) => outcomes.len(),
        }
    }

    #[inline]
    fn get(&self, id: i64) -> Option<usize> {
        match self {
            Self::Close { least, places } => {
                let place = id.wrapping_sub(*least) as u64;
                (place < *places as u64).then_some(place as usize)
            }
            Self::Far(outcomes) => outcomes.binary_search_by_key(&id, |market| market.market).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auction::{Mechanism, Uniform};
    use crate::batch::{Want, clear};
    use crate::order::Integers;

    /// A book of `rows` orders over markets `ids`, drawn by a small generator.
    fn book(rows: usize, ids: &[i64]) -> (Vec<u8>, Vec<i64>, Vec<i64>, Vec<i64>) {
        let mut state = 12345_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        (0..rows)
            .map(|_| (draw(2) as u8, draw(20) as i64 - 3, draw(9) as i64, ids[draw(ids.len() as u64) as usize]))
            .fold(
                Default::default(),
                |(mut sides, mut prices, mut lots, mut markets): (Vec<_>, Vec<_>, Vec<_>, Vec<_>),
                 (side, price, lot, id)| {
                    sides.push(side);
                    prices.push(price);
                    lots.push(lot);
                    markets.push(id);
                    (sides, prices, lots, markets)
                },
            )
    }

    #[test]
    fn payments_are_those_of_the_clearing() {
        let rule = Mechanism::from(Uniform { fee: 2, ..Uniform::default() });
        let (close, far) =
            ((0..40).collect::<Vec<i64>>(), (0..40).map(|id| id * id * id - 9_000).collect::<Vec<i64>>());
        for (ids, sorted) in
            [(&close, false), (&close, true), (&far, false), (&far, true), (&vec![i64::MIN, i64::MAX], false)]
        {
            let (side, price, quantity, mut market) = book(2_000, ids);
            if sorted {
                market.sort_unstable();
            }
            let columns = Columns {
                side: &side,
                price: Integers::Wide(&price),
                quantity: Integers::Wide(&quantity),
                market: Some(&market),
                ..Columns::default()
            };
            let mut filled = vec![0; side.len()];
            let want = Want { payment: true, ..Want::default() };
            let done = clear(&columns, &rule, want, 1, &mut filled).expect("columns of one length");
            let mut payment = vec![7; side.len()];
            assert!(payments(&done.outcomes, &columns, &filled, &mut payment));
            assert_eq!(Some(&payment), done.payment.as_ref());
            assert!(payment.iter().any(|&money| money > 0));
            let row = filled.iter().position(|&lots| lots > 0).expect("something trades");
            let mut elsewhere = filled.clone();
            elsewhere[row] += 1;
            assert!(!payments(&done.outcomes, &columns, &elsewhere, &mut payment));
            let mut turned = side.clone();
            turned[row] = 1 - side[row];
            assert!(!payments(&done.outcomes, &Columns { side: &turned, ..columns }, &filled, &mut payment));
            let mut moved = market.clone();
            moved[row] = 77_777_777;
            assert!(!payments(&done.outcomes, &Columns { market: Some(&moved), ..columns }, &filled, &mut payment));
            assert!(!payments(&done.outcomes, &Columns { market: None, ..columns }, &filled, &mut payment));
        }
    }

    #[test]
    fn what_was_filled_between_the_markets_is_noticed() {
        let outcomes = [3, 5].map(|market| MarketOutcome { market, ..MarketOutcome::default() });
        let columns = Columns { side: &[1, 0, 1], market: Some(&[5, 4, 3]), ..Columns::default() };
        assert!(payments(&outcomes, &columns, &[0, 0, 0], &mut [7; 3]));
        assert!(!payments(&outcomes, &columns, &[0, 1, 0], &mut [7; 3]));
        assert!(!payments(&outcomes, &columns, &[0, 0], &mut [7; 3]));
    }

    #[test]
    fn one_market_and_none() {
        let rule = Mechanism::from(Uniform::default());
        let (side, price, quantity, _) = book(300, &[0]);
        for market in [None, Some(vec![5; 300])] {
            let columns = Columns {
                side: &side,
                price: Integers::Wide(&price),
                quantity: Integers::Wide(&quantity),
                market: market.as_deref(),
                ..Columns::default()
            };
            let mut filled = vec![0; 300];
            let want = Want { payment: true, ..Want::default() };
            let done = clear(&columns, &rule, want, 1, &mut filled).expect("columns of one length");
            let mut payment = vec![7; 300];
            assert!(payments(&done.outcomes, &columns, &filled, &mut payment));
            assert_eq!(Some(&payment), done.payment.as_ref());
        }
        assert!(payments(&[], &Columns::default(), &[], &mut []));
    }
}
