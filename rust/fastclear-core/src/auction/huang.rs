//! The multi-unit double auction of Huang, Scheller-Wolf & Sycara (2002): the marginal bid and ask set the prices and do
//! not trade; the long side bears its excess in equal parts.

use super::deal::Outcome;
use super::ranked::{Market, Quote, Ranked, sweep};

/// Huang's mechanism: one order a participant, truthful in price, never in deficit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Huang;

impl Huang {
    /// Clears one market.
    pub fn clear(self, book: &Ranked, market: &Market<'_>, out: &mut Outcome) {
        let Ranked { bids, asks } = book;
        let Some(meeting) = sweep(bids, asks, |_, _, _| {}) else {
            return;
        };
        out.crossed(&meeting);
        let (buyers, sellers) = (&bids[..meeting.last_bid], &asks[..meeting.last_ask]);
        let total = |side: &[Quote]| side.iter().map(|quote| quote.quantity).sum::<i64>();
        let (demand, supply) = (total(buyers), total(sellers));
        if demand == 0 || supply == 0 {
            return;
        }
        let bought = carry(buyers, (demand - supply).max(0), market);
        let sold = carry(sellers, (supply - demand).max(0), market);
        let prices = (bids[meeting.last_bid].price, asks[meeting.last_ask].price);
        let fills = |side: &[Quote], fills: Vec<i64>| {
            side.iter().map(|quote| quote.order).zip(fills).collect::<Vec<(u32, i64)>>()
        };
        out.price = Some(prices);
        out.trade_at(fills(buyers, bought), fills(sellers, sold), prices);
    }
}

/// What each order of a side keeps that must give up `burden` lots in equal parts; one that has less than its part gives
/// up all it has. Lots that do not divide come one each from the latest.
fn carry(side: &[Quote], mut burden: i64, market: &Market<'_>) -> Vec<i64> {
    let mut keeps: Vec<i64> = side.iter().map(|quote| quote.quantity).collect();
    if burden == 0 {
        return keeps;
    }
    // Smallest first, the latest first among equals.
    let key = |&rank: &usize| market.priority.key(side[rank].order as usize);
    let mut ranks: Vec<usize> = (0..side.len()).collect();
    ranks.sort_unstable_by_key(|rank| (side[*rank].quantity, std::cmp::Reverse(key(rank))));
    let mut small = 0;
    while small < ranks.len() {
        let has = side[ranks[small]].quantity;
        if has * (ranks.len() - small) as i64 >= burden {
            break;
        }
        keeps[ranks[small]] = 0;
        burden -= has;
        small += 1;
    }
    let active = &mut ranks[small..];
    let (part, extra) = (burden / active.len() as i64, (burden % active.len() as i64) as usize);
    active.sort_unstable_by_key(|rank| std::cmp::Reverse(key(rank)));
    for (turn, &rank) in active.iter().enumerate() {
        keeps[rank] -= part + i64::from(turn < extra);
    }
    keeps
}
