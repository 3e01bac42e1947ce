//! Postings of a clearing that no bank has settled: the trades themselves, between accounts 0.

use super::chain::Position;
use crate::settlement::posting::{Kind, Posting};

/// Fee line of a spread between what a buyer pays and what a seller receives.
pub const FEE_SPREAD: u16 = 3;

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
    /// What the buyer pays, ticks.
    pub buy_price: i64,
    /// What the seller receives, ticks.
    pub sell_price: i64,
}

/// A trade posting each, at the seller's price, and a spread fee posting in its group where the buyer pays another
/// price. `price` keeps the sign; `amount` is |price × quantity|. Times count up in ns from `not_before`, or from
/// the record before if that is later.
///
/// Returns `None` if an amount, `seq` or time leaves 64 bits, which prices and quantities in range cannot reach.
pub fn trade_postings(position: &Position, trades: &[PlainTrade], not_before: u64) -> Option<Vec<Posting>> {
    let mut seq = position.next_seq();
    let mut time_ns = match position.last_time() {
        Some(last) => last.checked_add(1)?.max(not_before),
        None => not_before,
    };
    let mut out = Vec::with_capacity(trades.len());
    for trade in trades {
        let group = seq;
        let spread = trade.buy_price.checked_sub(trade.sell_price)?;
        let lines = [(Kind::Trade, 0, trade.sell_price), (Kind::Fee, FEE_SPREAD, spread)];
        for (kind, code, price) in lines {
            if kind == Kind::Fee && price == 0 {
                continue;
            }
            let amount = price.checked_mul(trade.quantity)?.checked_abs()?;
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
                amount,
                group,
            });
            seq = seq.checked_add(1)?;
            time_ns = time_ns.checked_add(1)?;
        }
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_trade_is_one_posting_and_a_spread_another() {
        let even = PlainTrade { market: 1, buy_order: 2, sell_order: 3, quantity: 10, buy_price: -5, sell_price: -5 };
        let spread = PlainTrade { buy_price: 7, sell_price: 4, ..even };
        let postings = trade_postings(&Position::default(), &[even, spread], 100).unwrap();
        let lines: Vec<_> =
            postings.iter().map(|p| (p.kind, p.code, p.seq, p.time_ns, p.price, p.amount, p.group)).collect();
        assert_eq!(
            lines,
            [
                (Kind::Trade, 0, 0, 100, -5, 50, 0),
                (Kind::Trade, 0, 1, 101, 4, 40, 1),
                (Kind::Fee, FEE_SPREAD, 2, 102, 3, 30, 1),
            ]
        );
    }

    #[test]
    fn what_leaves_64_bits_is_refused() {
        let trade =
            PlainTrade { market: 0, buy_order: 0, sell_order: 0, quantity: 2, buy_price: 0, sell_price: i64::MAX };
        assert_eq!(trade_postings(&Position::default(), &[trade], 0), None);
        assert_eq!(trade_postings(&Position::default(), &[PlainTrade { sell_price: 0, ..trade }], u64::MAX), None);
    }
}
