//! What rests, as columns.

use super::command::{NULL, Tif};
use super::desk::Desk;
use super::engine::{CLOSED, HALTED, OrderBook};
use super::event::NO_PRICE;
use super::layout::{Layout, Level};
use super::special::{Rich, Seen, Terms, WHOLE, listed};
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
    /// Ticks; [`NULL`] of an order that is not in the book yet and has no limit.
    pub price: Vec<i64>,
    /// Open lots, shown or not; 0 are shown of an order with a minimum, and of one that is not in the book yet.
    pub quantity: Vec<i64>,
    /// Lots that the levels count.
    pub shown: Vec<i64>,
    /// Lots that an iceberg shows at a time, [`NULL`] of any other order.
    pub display: Vec<i64>,
    /// Lots that it trades at one moment at least, `i64::MAX` for all, [`NULL`] of an order that takes any.
    pub min_quantity: Vec<i64>,
    /// Where it waits for the last price to come, [`NULL`] if it does not wait.
    pub stop: Vec<i64>,
    /// Code of the [`super::Peg`] that its price follows, 0 if it follows none.
    pub peg: Vec<u8>,
    /// Ticks by which it is less keen than what it follows, [`NULL`] if it follows none.
    pub offset: Vec<i64>,
    /// Worst price of a pegged order, [`NULL`] if it has none or follows none.
    pub limit: Vec<i64>,
    /// Code of [`super::Tif`].
    pub tif: Vec<u8>,
    /// 1 = market order that waits, 0 = limit order.
    pub is_market_order: Vec<u8>,
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

impl Snapshot {
    fn push(&mut self, market: i64, order: &Seen, rich: Option<&Rich>, desk: &Desk) {
        let whole = |lots: u32, all: i64| if lots == WHOLE { all } else { i64::from(lots) };
        let terms = rich.map(|rich| rich.terms);
        let peg = terms.and_then(|terms| terms.peg);
        let number = |cell: Option<i32>| cell.map_or(NULL, i64::from);
        let expires = desk.expiries.at(order.expiry);
        let rests = terms.is_none_or(|terms| terms.rests);
        self.market.push(market);
        self.order.push(order.id);
        self.participant.push(desk.owners.participant(order.owner));
        self.side.push(order.side);
        self.price.push(if order.price == NO_PRICE { NULL } else { i64::from(order.price) });
        self.quantity.push(i64::from(order.open));
        self.shown.push(i64::from(order.shown));
        self.display.push(terms.map_or(NULL, |terms| whole(terms.display, NULL)));
        self.min_quantity
            .push(terms.filter(Terms::is_conditional).map_or(NULL, |terms| whole(terms.minimum, i64::MAX)));
        self.stop.push(number(terms.and_then(|terms| terms.stop)));
        self.peg.push(peg.map_or(0, |(peg, _)| peg as u8));
        self.offset.push(peg.map_or(NULL, |(_, offset)| i64::from(offset)));
        self.limit.push(number(terms.filter(|_| peg.is_some()).and_then(|terms| terms.limit)));
        self.tif.push(match terms {
            Some(terms) if terms.is_fok => Tif::Fok,
            _ if expires.is_some() => Tif::Gtt,
            _ if rests => Tif::Gtc,
            _ => Tif::Ioc,
        } as u8);
        self.is_market_order.push(u8::from(terms.is_some_and(|terms| terms.is_market)));
        self.expires.push(expires.unwrap_or(NULL));
    }
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
        let mut places: Vec<(i64, usize)> = match of_market {
            Some(id) => self.market_places.get(id).map(|place| (id, place as usize)).into_iter().collect(),
            None => self.markets.iter().enumerate().map(|(place, market)| (market.id, place)).collect(),
        };
        places.sort_unstable();
        let mut rows = Snapshot::default();
        for (id, place) in places {
            let market = &self.markets[place];
            let special = market.special.as_deref();
            for side in [1, 0] {
                for order in listed(&mut self.store, market.kept_of(side), special, side) {
                    let rich = special.and_then(|special| special.rich.get(order.id));
                    rows.push(id, &order, rich, &self.desk);
                }
            }
        }
        rows
    }
}
