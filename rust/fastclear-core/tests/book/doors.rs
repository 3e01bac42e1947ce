//! A door beside a naive one, which counts anew what it is asked: with few orders, and with so many that what the register is
//! told waits.

use std::collections::BTreeMap;

use fastclear_core::book::{
    Admission, Bound, Caller, Card, Charges, Deal, Door, Event, Kind, Limits, NULL, OrderBook, Position, Record,
    Request, Rules, SelfTrade, Want,
};
use fastclear_core::reject::RejectReason;

use crate::flow::{Columns, Law, Mixed, command, phased, resting};
use crate::twin::Command;

const PRICE_MAX: i128 = (1 << 31) - 1;

/// An order that is there.
#[derive(Clone, Copy, Debug)]
struct Life {
    card: Card,
    limit: i64,
    open: i64,
}

/// Who came in and who may, by maps and sums.
#[derive(Clone, Debug, Default)]
struct Naive {
    lives: BTreeMap<i64, Life>,
    asked: Option<Request>,
    record: Record,
    next: u64,
    prices: BTreeMap<i64, i64>,
    charges: Charges,
    has_cover: bool,
    limits: BTreeMap<i64, Limits>,
    market_limits: BTreeMap<(i64, i64), Limits>,
    paid: BTreeMap<i64, i128>,
    traded: BTreeMap<(i64, i64), [i128; 2]>,
    refused: u64,
}

impl Naive {
    fn lot(&self, side: u8, limit: i64) -> i128 {
        let worst = if side == 1 { PRICE_MAX } else { -PRICE_MAX };
        let price = if limit == NULL { worst } else { i128::from(limit) };
        if side == 0 {
            return -price.min(0);
        }
        let base = price + i128::from(self.charges.fee);
        (base - (-base * i128::from(self.charges.tax_ppm)).div_euclid(1_000_000)).max(0)
    }

    fn of(&self, participant: i64) -> impl Iterator<Item = &Life> {
        self.lives.values().filter(move |life| life.card.participant == participant)
    }

    fn bound(&self, participant: i64) -> Bound {
        let at_stake =
            self.of(participant).map(|life| self.lot(life.card.side, life.limit) * i128::from(life.open)).sum();
        Bound { at_stake, paid: self.paid.get(&participant).copied().unwrap_or_default() }
    }

    fn position(&self, participant: i64, market: i64) -> Position {
        let open = |side| {
            let lives = self.of(participant).filter(|life| (life.card.market, life.card.side) == (market, side));
            lives.map(|life| i128::from(life.open)).sum()
        };
        let [sold, bought] = self.traded.get(&(participant, market)).copied().unwrap_or_default();
        Position { buying: open(1), selling: open(0), bought, sold }
    }

    /// Whether an order needs more than there is, and more than it stood for.
    fn is_over(&self, request: &Request) -> bool {
        let &Request { market, participant, side, quantity, .. } = request;
        let Some(own) = self.limits.get(&participant).filter(|_| participant != NULL) else { return true };
        let here = self.market_limits.get(&(participant, market)).copied().unwrap_or_default();
        let old = request.replaces.and_then(|_| self.lives.get(&request.order));
        let old_stake = old.map_or(0, |life| self.lot(life.card.side, life.limit) * i128::from(life.open));
        let old_lots = old.map_or(0, |life| i128::from(life.open));
        let stake = self.lot(side, request.price.unwrap_or(NULL)) * i128::from(quantity);
        let lots = i128::from(quantity) - old_lots;
        let (bound, has) = (self.bound(participant), self.position(participant, market));
        let (bids, asks) = (has.buying + has.bought, has.selling + has.sold);
        let net = if side == 1 { bids - has.sold } else { asks - has.bought };
        let over =
            |most: Option<i64>, now: i128, more: i128| more > 0 && most.is_some_and(|most| now + more > most.into());
        over(own.money, bound.at_stake + bound.paid, stake - old_stake)
            || (side == 0 && over(here.energy.or(own.energy), asks, lots))
            || over(here.position.or(own.position), net, lots)
    }

    fn write_down(&mut self, card: Card) {
        match self.record.cards.iter_mut().find(|known| known.number == card.number) {
            Some(known) => *known = card,
            None => self.record.cards.push(card),
        }
    }

    fn take_record(&mut self, times: &[i64]) -> Record {
        for card in &mut self.record.cards {
            if card.time == NULL {
                card.time = Some(times[card.command as usize]).filter(|&time| time != NULL).unwrap_or(0);
                if let Some(life) = self.lives.get_mut(&card.order).filter(|life| life.card.number == card.number) {
                    life.card.time = card.time;
                }
            }
        }
        std::mem::take(&mut self.record)
    }

    fn trade(&mut self, event: &Event) {
        let lots = i64::from(event.quantity);
        let cards = [event.order, event.counter].map(|order| {
            let life = self.lives.get_mut(&order).unwrap();
            life.open -= lots;
            life.card.traded += lots;
            let card = life.card;
            self.write_down(card);
            card
        });
        let [buy, sell] = if event.side == 1 { cards } else { [cards[1], cards[0]] };
        let price = i64::from(event.price);
        // Only what trades once there is a cover is counted.
        for card in if self.has_cover { vec![buy, sell] } else { Vec::new() } {
            *self.paid.entry(card.participant).or_default() += self.lot(card.side, price) * i128::from(lots);
            self.traded.entry((card.participant, card.market)).or_default()[usize::from(card.side)] += i128::from(lots);
        }
        self.prices.insert(buy.market, price);
        self.record.deals.push(Deal {
            market: buy.market,
            buy: buy.number,
            sell: sell.number,
            buyer: buy.participant,
            seller: sell.participant,
            price,
            quantity: lots,
        });
    }
}

impl Admission for Naive {
    fn admit(&mut self, request: &Request) -> Result<(), RejectReason> {
        if self.has_cover && self.is_over(request) {
            self.refused += 1;
            return Err(RejectReason::CreditExceeded);
        }
        self.asked = Some(*request);
        Ok(())
    }

    fn seen(&mut self, event: &Event) {
        let open = i64::from(event.remaining);
        match event.kind {
            Kind::Accepted => {
                let Request { market, order, participant, side, price, quantity, .. } = self.asked.take().unwrap();
                let (number, limit) = (self.next, price.unwrap_or(NULL));
                let (command, traded, time) = (event.command, 0, NULL);
                let card =
                    Card { number, market, order, participant, side, price: limit, quantity, traded, command, time };
                self.next += 1;
                self.lives.insert(order, Life { card, limit, open });
                self.write_down(card);
            }
            Kind::Replaced => {
                let asked = self.asked.take_if(|asked| asked.order == event.order);
                let life = self.lives.get_mut(&event.order).unwrap();
                if let Some(limit) = asked.and_then(|asked| asked.price) {
                    life.limit = limit;
                    let old = life.card.price;
                    let keenest = if life.card.side == 1 { old.max(limit) } else { old.min(limit) };
                    life.card.price = if old == NULL { NULL } else { keenest };
                }
                life.open = open;
                life.card.quantity = life.card.quantity.max(life.card.traded + open);
                let card = life.card;
                self.write_down(card);
            }
            Kind::Trade => self.trade(event),
            Kind::Filled | Kind::Cancelled | Kind::Expired if open == 0 => {
                self.lives.remove(&event.order);
            }
            Kind::Cancelled => self.lives.get_mut(&event.order).unwrap().open = open,
            _ => {}
        }
    }
}

/// Orders by nobody else, in a market of their own, of which most rest and some are taken out again.
fn crowd(orders: i64) -> Vec<Command> {
    let at = |nth: i64| Command {
        market: Some(-77),
        order: Some(5_000_000 + nth),
        participant: Some(7_777),
        side: 1,
        price: Some(nth % 50),
        quantity: Some(2),
        time: Some(-9),
        ..Command::default()
    };
    let gone = (0..orders / 9).map(|nth| Command { op: 1, ..at(nth * 7) });
    (0..orders).map(at).chain(gone).collect()
}

/// Sets limits for those who are in a law's sequences, and some that no order comes near to.
fn set_cover(random: &mut Mixed, law: &Law, door: &mut Door, naive: &mut Naive) {
    let charges =
        Charges { fee: random.of(&[0, 0, 7, -3, 1 << 40]), tax_ppm: random.of(&[0, 190_000, 1, 4_000_000_000]) };
    let cover = door.cover_with(charges);
    (naive.charges, naive.has_cover) = (charges, true);
    if random.one_in(3) {
        cover.settle();
        naive.paid.values_mut().for_each(|paid| *paid = 0);
        naive.traded.clear();
    }
    let draw = |random: &mut Mixed| Limits {
        money: random.of(&[None, None, None, Some(0), Some(9_000), Some(1 << 45), Some(i64::MAX)]),
        energy: random.of(&[None, None, Some(3), Some(40)]),
        position: random.of(&[None, None, Some(4), Some(60)]),
    };
    for nth in 0..law.participants.min(8) as i64 {
        let (participant, market) = (nth * (1 << 40) / 3, random.below(law.markets) as i64 * 1_000_000_007);
        if !random.one_in(9) {
            let limits = draw(random);
            cover.set(participant, None, limits);
            naive.limits.insert(participant, limits);
        }
        if random.one_in(3) {
            let limits = draw(random);
            cover.set(participant, Some(market), limits);
            naive.market_limits.insert((participant, market), limits);
        }
    }
}

fn check(door: &Door, naive: &Naive, seed: u64) {
    assert_eq!(door.register().next_number(), naive.next, "seed {seed}");
    for (&market, &price) in &naive.prices {
        assert_eq!(door.register().last_price(market), Some(price), "seed {seed}");
    }
    let Some(cover) = door.cover() else { return };
    // The crowd is looked at where it is of one, which is enough.
    let of_crowd = |participant: i64| participant == 7_777;
    for participant in cover.participants().into_iter().filter(|&one| !of_crowd(one)) {
        assert_eq!(cover.bound(participant), naive.bound(participant), "seed {seed}: {participant}");
        assert_eq!(cover.limits(participant), naive.limits.get(&participant).copied(), "seed {seed}: {participant}");
    }
    let mut expected: Vec<_> = naive.lives.values().map(|life| (life.card.participant, life.card.market)).collect();
    expected.extend(naive.traded.keys().copied());
    expected.sort_unstable();
    expected.dedup();
    expected.retain(|&(participant, _)| !of_crowd(participant));
    let expected: Vec<_> = expected.into_iter().map(|key| (key, naive.position(key.0, key.1))).collect();
    let mut found = cover.positions();
    found.retain(|((participant, _), _)| !of_crowd(*participant));
    assert_eq!(found, expected, "seed {seed}");
}

/// One sequence, in calls of many commands, after a crowd has come in.
fn compare(seed: u64, crowded: &[Command], counts: &mut [u64; 3]) {
    let mut random = Mixed(seed ^ 0xD00_5000);
    let mut law = Law::draw(&mut random);
    law.hostile = random.of(&[200, 1 << 40]);
    if random.one_in(2) {
        (law.participants, law.width, law.passive) = (3, law.width.min(6), 50);
    }
    let is_rich = random.one_in(3);
    law.rich = [is_rich; 5];
    let rules =
        Rules { self_trade: random.of(&SelfTrade::ALL), erase_after_trade: false, small_max: random.of(&[0, 3, 64]) };
    let (mut book, mut door) = (OrderBook::new(rules), Door::default());
    let mut naive = Naive::default();
    let mut other = OrderBook::new(rules);
    let (mut calls, mut nth) = (vec![crowded.to_vec()], 0);
    while let Some(commands) = calls.pop() {
        let columns = Columns::of(&commands, true);
        let want = random.of(&[Want::Events, Want::Trades]);
        let events = book.apply_admitted(&columns.commands(), want, &mut door).unwrap();
        assert_eq!(events, other.apply_admitted(&columns.commands(), want, &mut naive).unwrap(), "seed {seed}");
        let record = door.take_record(columns.commands().time);
        let times: Vec<i64> = commands.iter().map(|command| command.time.unwrap_or(NULL)).collect();
        assert_eq!(record, naive.take_record(&times), "seed {seed}");
        check(&door, &naive, seed);
        counts[0] += record.deals.len() as u64;
        counts[1] += record.cards.len() as u64;
        if random.one_in(4) {
            set_cover(&mut random, &law, &mut door, &mut naive);
            check(&door, &naive, seed);
        }
        if random.one_in(3) {
            let bytes = door.save(&book.save(&Caller::default()));
            (book, _, door) = Door::load(&bytes, rules.small_max).unwrap();
            assert_eq!(door.save(&book.save(&Caller::default())), bytes, "seed {seed}");
            // In which row an order came is not kept.
            naive.lives.values_mut().for_each(|life| life.card.command = 0);
            check(&door, &naive, seed);
        }
        if nth < 400 {
            let named = resting(&mut book);
            let from = nth;
            nth += random.of(&[1, 20, 60, 150]);
            let next = |nth| {
                let mut next = command(&mut random, &law, nth, &named);
                if is_rich {
                    next = phased(&mut random, &law, next);
                } else if next.tif == 3 || next.is_market_order == 1 {
                    (next.tif, next.expires, next.is_market_order) = (0, None, 0);
                }
                next
            };
            calls.push((from..nth).map(next).collect());
        }
    }
    counts[2] += naive.refused;
}

#[test]
fn a_door_knows_and_stops_whom_a_naive_one_does() {
    let mut counts = [0; 3];
    for seed in 0..250 {
        compare(seed, &crowd(0), &mut counts);
    }
    let [deals, cards, refused] = counts;
    assert!(deals > 3_000 && cards > 15_000 && refused > 3_000, "{counts:?}");
}

/// With so many orders notes wait, and are written down while memory is fetched for others.
#[test]
fn a_door_that_has_many_orders_knows_the_same() {
    let (mut counts, crowded) = ([0; 3], crowd(75_000));
    for seed in 1_000..1_012 {
        compare(seed, &crowded, &mut counts);
    }
    let [deals, _, refused] = counts;
    assert!(deals > 80 && refused > 300, "{counts:?}");
}
