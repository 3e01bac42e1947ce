//! The call of the slow book: every price is tried, every order looked at.

use super::{Rests, Stands, Twin};

/// Price, volume and imbalance of a call.
pub type Called = (i64, i64, i64);

impl Twin {
    /// The first order of a side of the book.
    fn best(&self, market: i64, buys: bool) -> Option<Rests> {
        let here = |order: &&Rests| order.market == market && order.buys == buys && order.stands == Stands::Book;
        self.orders.iter().filter(here).min_by_key(|order| order.place()).copied()
    }

    /// Tries every price at which anything changes, and the reference.
    pub fn call(&self, market: i64) -> Option<Called> {
        let (bid, ask) = (self.best(market, true)?, self.best(market, false)?);
        if bid.price < ask.price {
            return None;
        }
        let here = |order: &&Rests| order.market == market && order.stands == Stands::Book;
        let orders: Vec<&Rests> = self.orders.iter().filter(here).collect();
        let lots = |wanted: &dyn Fn(&Rests) -> bool| -> i64 {
            orders.iter().filter(|order| wanted(order)).map(|order| order.open).sum()
        };
        let demand = |price: i64| lots(&|order| order.buys && order.price >= price);
        let supply = |price: i64| lots(&|order| !order.buys && order.price <= price);
        let mut prices: Vec<i64> =
            orders.iter().flat_map(|order| [order.price - 1, order.price, order.price + 1]).collect();
        prices.sort_unstable();
        prices.dedup();
        let volume = prices.iter().map(|&price| demand(price).min(supply(price))).max()?;
        // Where nobody is left over who is better than the price.
        prices.retain(|&price| demand(price + 1) <= supply(price) && demand(price) >= supply(price - 1));
        let (low, high) = (prices[0], *prices.last().unwrap());
        let middle = (low + high).div_euclid(2);
        let reference = self.markets[&market].last_price.unwrap_or(middle);
        prices.extend([middle, reference.clamp(low, high)]);
        let left = |price: i64| demand(price) - supply(price);
        let price =
            prices.into_iter().min_by_key(|&price| (left(price).abs(), (price - reference).abs(), price)).unwrap();
        assert_eq!(demand(price).min(supply(price)), volume, "a clearing price has the largest volume");
        Some((price, volume, left(price)))
    }

    /// Trades the best bid with the best ask at the price of the call, icebergs with all that they have.
    pub(super) fn end_call(&mut self, market: i64) {
        let called = self.call(market);
        self.tell_phase(market, "continuous", called.map(|(price, ..)| price));
        let (price, mut left, _) = called.unwrap_or_default();
        let (mut has_traded, mut in_part) = (false, None);
        while left > 0 {
            let (bid, ask) = (self.best(market, true).unwrap(), self.best(market, false).unwrap());
            let lots = bid.open.min(ask.open).min(left);
            left -= lots;
            let (buyer, seller) = (bid.order, ask.order);
            let (mut bid, mut ask) = (self.shrink(buyer, lots), self.shrink(seller, lots));
            in_part = [(bid, seller), (ask, buyer)].into_iter().find(|(order, _)| order.open > 0);
            if self.is_own(bid.participant, ask.participant) {
                self.tell("cancelled", &bid, Some(seller), lots, "self_trade");
                self.tell("cancelled", &ask, Some(buyer), lots, "self_trade");
                continue;
            }
            has_traded = true;
            (bid.price, ask.price) = (price, price);
            self.tell("trade", &bid, Some(seller), lots, "");
            self.set_off(market, price);
            if ask.open == 0 {
                self.tell("filled", &ask, Some(buyer), lots, "");
            }
            if bid.open == 0 {
                self.tell("filled", &bid, Some(seller), lots, "");
            }
        }
        if let Some((order, met)) = in_part {
            self.show_again(&order, met);
        }
        let state = self.market(market);
        if has_traded {
            state.last_price = Some(price);
        }
        if let Some(breaker) = &mut state.breaker {
            breaker.reference = has_traded.then_some(price);
        }
        if has_traded && self.erases {
            self.erase(market);
        }
    }

    /// What a call left of an iceberg keeps its place.
    fn show_again(&mut self, order: &Rests, met: i64) {
        if let Some(display) = order.display {
            let at = self.find(order.order).unwrap();
            self.orders[at].shown = display.min(order.open);
            let now = self.orders[at];
            self.tell("replaced", &now, Some(met), now.shown, "");
        }
    }
}
