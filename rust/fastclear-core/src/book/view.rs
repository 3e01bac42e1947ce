//! What rests, as columns.

use super::command::NULL;
use super::engine::{CLOSED, HALTED, Market, OrderBook};
use super::ladder::OnLadder;
use super::layout::{Layout, Level};
use super::store::Kept;

/// Orders that rest, in the order in which they would trade: markets by ascending id, bids first, each side first to last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Market id.
    pub market: Vec<i64>,
    /// Order id.
    pub order: Vec<i64>,
    /// Participant id, [`NULL`] of an order that is nobody's.
    pub participant: Vec<i64>,
    /// 1 = buy, 0 = sell.
    pub side: Vec<u8>,
    /// Ticks.
    pub price: Vec<i64>,
    /// Open lots.
    pub quantity: Vec<i64>,
    /// When it expires, ns, [`NULL`] if it does not.
    pub expires: Vec<i64>,
}

/// State of a market beside its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketState {
    /// Market id.
    pub market: i64,
    /// When it closes, [`super::NO_GATE`] if it does not.
    pub gate: i64,
    /// Whether it is halted.
    pub halted: bool,
    /// Whether its gate has closed.
    pub closed: bool,
}

impl OrderBook {
    /// Prices of a side of a market, best first, at most so many; none of a market that nobody named.
    pub fn depth(&mut self, market: i64, side: u8, most: usize) -> Vec<Level> {
        let mut levels = Vec::new();
        let mut more = |level: Level| {
            if levels.len() < most {
                levels.push(level);
            }
            levels.len() < most
        };
        let place = self.market_places.get(market);
        let kept = place.map_or(Kept::Nowhere, |place| self.markets[place as usize].kept_of(side));
        if most > 0 && side <= 1 {
            super::store::kept!(self.store, kept, |layout| layout.levels(side, &mut more), {});
        }
        levels
    }

    /// The best price of a side of a market, and the lots of all orders there.
    pub fn best(&mut self, market: i64, side: u8) -> Option<Level> {
        self.depth(market, side, 1).first().copied()
    }

    /// Every market that was ever named, ascending.
    pub fn market_states(&self) -> Vec<MarketState> {
        let mut states: Vec<_> = self
            .markets
            .iter()
            .map(|market| MarketState {
                market: market.id,
                gate: market.gate,
                halted: market.is(HALTED),
                closed: market.is(CLOSED),
            })
            .collect();
        states.sort_unstable_by_key(|state| state.market);
        states
    }

    /// Every order that rests; of one market, if one is named.
    pub fn snapshot(&mut self, of_market: Option<i64>) -> Snapshot {
        let kept = |market: &Market| (market.id, [0, 1].map(|side| market.kept_of(side)));
        let mut markets: Vec<(i64, [Kept; 2])> = match of_market {
            Some(id) => {
                self.market_places.get(id).map(|place| kept(&self.markets[place as usize])).into_iter().collect()
            }
            None => self.markets.iter().map(kept).collect(),
        };
        markets.sort_unstable_by_key(|&(id, _)| id);
        let mut rows = Snapshot::default();
        let (store, desk) = (&mut self.store, &self.desk);
        for (market, kept) in markets {
            for side in [1, 0] {
                let mut show = |resting: &super::layout::Resting| {
                    rows.market.push(market);
                    rows.order.push(resting.id);
                    rows.participant.push(desk.owners.participant(resting.owner));
                    rows.side.push(side);
                    rows.price.push(i64::from(resting.price));
                    rows.quantity.push(i64::from(resting.quantity));
                    rows.expires.push(desk.expiries.at(resting.expiry).unwrap_or(NULL));
                    true
                };
                match kept[usize::from(side)] {
                    Kept::Nowhere => {}
                    Kept::Small(place) => store.smalls[place as usize].walk(side, &mut show),
                    Kept::Ladder(place) => {
                        let ladder = &mut store.ladders[place as usize];
                        OnLadder { ladder, pool: &mut store.pool }.walk(side, &mut show);
                    }
                }
            }
        }
        rows
    }
}
