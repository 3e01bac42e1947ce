//! Postings of a clearing that no bank has settled: the trades themselves, between accounts 0.

use super::chain::Position;
use super::consortium;
use super::merkle::Hash;
use crate::settlement::amount::{owed, received, whole_price};
use crate::settlement::posting::{Kind, Posting};
use crate::settlement::slot::{FEE_DEFICIT, FEE_ROUNDING, FEE_SPREAD, TRADE_SELLER, TRADE_SUM, TRADE_SUM_PAID};

/// One trade of a clearing, ids as they enter the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainTrade {
    /// Market.
    pub market: u64,
    /// Buy order.
    pub buy_order: u64,
    /// Sell order.
    pub sell_order: u64,
    /// Energy in lots.
    pub quantity: i64,
    /// What the buyer pays and the seller receives a unit, in ticks over `den`; `None` where it is no price a unit.
    pub prices: Option<(i64, i64)>,
    /// What the buyer pays, nano-currency over `den`.
    pub buy_amount: i64,
    /// What the seller receives, nano-currency over `den`.
    pub sell_amount: i64,
    /// Denominator of the money: 1 or 2.
    pub den: i64,
}

/// Kind, code, price and signed amount.
type Line = (Kind, u16, i64, i128);

impl PlainTrade {
    /// The trade with what the seller receives, what lies between that and what the buyer pays, and what rounding
    /// leaves.
    fn lines(&self) -> Option<[Line; 3]> {
        let times = |price: i64| i128::from(price) * i128::from(self.quantity);
        let (buy, sell) = (i128::from(self.buy_amount), i128::from(self.sell_amount));
        if self.prices.is_some_and(|(buy_price, sell_price)| (times(buy_price), times(sell_price)) != (buy, sell)) {
            return None;
        }
        let whole = |side: fn((i64, i64)) -> i64| whole_price(side(self.prices?), self.den);
        let (seller, spread) = (received(sell, self.den), received(buy - sell, self.den));
        let rounding = owed(buy, self.den) - seller - spread;
        let sell_price = whole(|(_, sell)| sell);
        let (code, price) = match sell_price {
            Some(price) => (TRADE_SELLER, price),
            None if seller < 0 => (TRADE_SUM_PAID, 0),
            None => (TRADE_SUM, 0),
        };
        let (between, spread_price) = match (whole(|(buy, _)| buy), sell_price) {
            (Some(buy), Some(sell)) => (FEE_SPREAD, buy.checked_sub(sell)?),
            _ if spread < 0 => (FEE_DEFICIT, 0),
            _ => (FEE_SPREAD, 0),
        };
        Some([
            (Kind::Trade, code, price, seller),
            (Kind::Fee, between, spread_price, spread),
            (Kind::Fee, FEE_ROUNDING, 0, rounding),
        ])
    }
}

/// A trade posting each, with what the seller receives, and fee postings in its group where the buyer pays another
/// amount or rounding leaves something. Where there is a price a unit in whole ticks, `price` keeps its sign and
/// `amount` is |price × quantity|; else `price` is 0 and the code tells who pays. Times count up in ns from
/// `not_before`, or from the record before if that is later.
///
/// Returns `None` if an amount, `seq` or time leaves 64 bits, which prices and quantities in range cannot reach, or an
/// amount is not price × quantity.
pub fn trade_postings(position: &Position, trades: &[PlainTrade], not_before: u64) -> Option<Vec<Posting>> {
    let (mut seq, mut time_ns) = next(position, not_before)?;
    let mut out = Vec::with_capacity(trades.len());
    for trade in trades {
        let group = seq;
        for (kind, code, price, amount) in trade.lines()? {
            if kind == Kind::Fee && amount == 0 {
                continue;
            }
            out.push(Posting {
                kind,
                flags: 0,
                code,
                asset: 0,
                seq,
                time_ns,
                market: trade.market,
                buy_order: trade.buy_order,
                sell_order: trade.sell_order,
                debit: 0,
                credit: 0,
                quantity: trade.quantity,
                price,
                amount: i64::try_from(amount.unsigned_abs()).ok()?,
                group,
            });
            seq = seq.checked_add(1)?;
            time_ns = time_ns.checked_add(1)?;
        }
    }
    Some(out)
}

/// Gives lines of clearings without pairs, which count from 0 in `seq` and `group`, their places behind `postings`.
///
/// Returns `None` if `seq` or time leaves 64 bits.
pub fn append_lines(
    position: &Position,
    postings: &mut Vec<Posting>,
    lines: &[Posting],
    not_before: u64,
) -> Option<()> {
    let (first, start) = match postings.last() {
        Some(last) => (last.seq.checked_add(1)?, last.time_ns.checked_add(1)?),
        None => next(position, not_before)?,
    };
    for (line, row) in lines.iter().zip(0_u64..) {
        postings.push(Posting {
            seq: first.checked_add(row)?,
            time_ns: start.checked_add(row)?,
            group: first.checked_add(line.group)?,
            ..*line
        });
    }
    Some(())
}

/// The postings that carry hashes, one each; `None` if seq or engine time would leave 64 bits.
pub fn hash_postings(position: &Position, rows: &[(Kind, u16, Hash)], not_before: u64) -> Option<Vec<Posting>> {
    let (seq, time_ns) = next(position, not_before)?;
    let rows = rows.iter().zip(0_u64..);
    rows.map(|((kind, code, hash), row)| {
        Some(consortium::posting_of(*kind, *code, hash, seq.checked_add(row)?, time_ns.checked_add(row)?))
    })
    .collect()
}

/// Seq and engine time of the next posting.
fn next(position: &Position, not_before: u64) -> Option<(u64, u64)> {
    let time_ns = match position.last_time() {
        Some(last) => last.checked_add(1)?.max(not_before),
        None => not_before,
    };
    Some((position.next_seq(), time_ns))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn trade(quantity: i64, buy_price: i64, sell_price: i64) -> PlainTrade {
        PlainTrade {
            market: 1,
            buy_order: 2,
            sell_order: 3,
            quantity,
            prices: Some((buy_price, sell_price)),
            buy_amount: buy_price.wrapping_mul(quantity),
            sell_amount: sell_price.wrapping_mul(quantity),
            den: 1,
        }
    }

    type Found = (Kind, u16, u64, u64, i64, i64, u64);

    fn lines(trades: &[PlainTrade]) -> Vec<Found> {
        let postings = trade_postings(&Position::default(), trades, 100).unwrap();
        postings.iter().map(|p| (p.kind, p.code, p.seq, p.time_ns, p.price, p.amount, p.group)).collect()
    }

    #[test]
    fn a_trade_is_one_posting_and_a_spread_another() {
        assert_eq!(
            lines(&[trade(10, -5, -5), trade(10, 7, 4)]),
            [
                (Kind::Trade, 0, 0, 100, -5, 50, 0),
                (Kind::Trade, 0, 1, 101, 4, 40, 1),
                (Kind::Fee, FEE_SPREAD, 2, 102, 3, 30, 1),
            ]
        );
    }

    #[test]
    fn half_units_leave_a_line_of_rounding() {
        let halves = PlainTrade { den: 2, ..trade(3, 15, 15) };
        let whole = PlainTrade { den: 2, ..trade(3, 14, 12) };
        let mixed = PlainTrade { den: 2, ..trade(3, 15, 12) };
        assert_eq!(
            lines(&[halves, whole, mixed]),
            [
                (Kind::Trade, TRADE_SUM, 0, 100, 0, 22, 0),
                (Kind::Fee, FEE_ROUNDING, 1, 101, 0, 1, 0),
                (Kind::Trade, 0, 2, 102, 6, 18, 2),
                (Kind::Fee, FEE_SPREAD, 3, 103, 1, 3, 2),
                (Kind::Trade, 0, 4, 104, 6, 18, 4),
                (Kind::Fee, FEE_SPREAD, 5, 105, 0, 4, 4),
                (Kind::Fee, FEE_ROUNDING, 6, 106, 0, 1, 4),
            ]
        );
    }

    #[test]
    fn sums_tell_who_pays_by_their_code() {
        let sum = |buy_amount, sell_amount| PlainTrade { prices: None, buy_amount, sell_amount, ..trade(3, 0, 0) };
        assert_eq!(
            lines(&[sum(10, 17), sum(-4, -9), sum(0, 0)]),
            [
                (Kind::Trade, TRADE_SUM, 0, 100, 0, 17, 0),
                (Kind::Fee, FEE_DEFICIT, 1, 101, 0, 7, 0),
                (Kind::Trade, TRADE_SUM_PAID, 2, 102, 0, 9, 2),
                (Kind::Fee, FEE_SPREAD, 3, 103, 0, 5, 2),
                (Kind::Trade, TRADE_SUM, 4, 104, 0, 0, 4),
            ]
        );
    }

    #[test]
    fn lines_take_their_places_behind_the_trades() {
        let pool = Posting { kind: Kind::Trade, code: 4, seq: 9, time_ns: 9, group: 0, ..row() };
        let fee = Posting { kind: Kind::Fee, code: 13, group: 1, ..row() };
        for before in [&[][..], &[trade(10, 7, 7)]] {
            let mut postings = trade_postings(&Position::default(), before, 100).unwrap();
            append_lines(&Position::default(), &mut postings, &[pool, fee, pool], 100).unwrap();
            let n = before.len() as u64;
            let places: Vec<_> =
                postings[before.len()..].iter().map(|p| (p.seq, p.time_ns, p.group, p.amount)).collect();
            assert_eq!(places, [(n, 100 + n, n, 7), (n + 1, 101 + n, n + 1, 7), (n + 2, 102 + n, n, 7)]);
        }
        let late = u64::MAX;
        assert_eq!(append_lines(&Position::default(), &mut Vec::new(), &[pool, pool], late), None);
    }

    fn row() -> Posting {
        Posting {
            kind: Kind::Fee,
            flags: 0,
            code: 0,
            asset: 0,
            seq: 0,
            time_ns: 0,
            market: 1,
            buy_order: 2,
            sell_order: 3,
            debit: 0,
            credit: 0,
            quantity: -5,
            price: 0,
            amount: 7,
            group: 0,
        }
    }

    #[test]
    fn what_leaves_64_bits_is_refused() {
        let big = trade(2, 0, i64::MAX);
        assert_eq!(trade_postings(&Position::default(), &[big], 0), None);
        assert_eq!(trade_postings(&Position::default(), &[trade(2, 0, 0)], u64::MAX), None);
        let wrong = PlainTrade { buy_amount: 21, ..trade(2, 10, 10) };
        assert_eq!(trade_postings(&Position::default(), &[wrong], 0), None, "an amount is price × quantity");
    }
}
