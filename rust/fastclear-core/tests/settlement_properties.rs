//! The bank against a twin that is written to be obviously right: a map of balances, a list of what is held, one
//! function that moves money. Compared after every call: every posting, every code, every balance, every refusal.

use std::collections::HashMap;

use fastclear_core::settlement::tariff::TAX_PPM_MAX;
use fastclear_core::settlement::{Accounts, Bank, ClearedSlot, Kind, Meter, Orders, Posting, Tariff, bills};
use proptest::prelude::*;

type Key = (u64, u64, u64);
/// kind, code, debit, credit, amount, group.
type Line = (Kind, u16, u64, u64, i128, u64);

#[derive(Clone, Default)]
struct Twin {
    tariff: [i128; 5],
    cash: HashMap<u64, i128>,
    limit: HashMap<u64, i128>,
    held: Vec<(u64, Key, i128)>,
    lines: Vec<Line>,
    members: u64,
}

impl Twin {
    fn free(&self, account: u64) -> i128 {
        let held: i128 = self.held.iter().filter(|h| h.1.0 == account).map(|h| h.2).sum();
        self.cash[&account] + self.limit[&account] - held
    }

    fn note(&mut self, line: Line) -> u64 {
        self.lines.push(line);
        self.lines.len() as u64 - 1
    }

    /// Moves money and returns the seq; None if it does not fit a posting.
    fn pay(&mut self, kind: Kind, code: u16, (from, to): (u64, u64), amount: i128, group: Option<u64>) -> Option<u64> {
        let (from, to, amount) = if amount < 0 { (to, from, -amount) } else { (from, to, amount) };
        if amount > i128::from(i64::MAX) {
            return None;
        }
        *self.cash.entry(from).or_default() -= amount;
        *self.cash.entry(to).or_default() += amount;
        let seq = self.lines.len() as u64;
        Some(self.note((kind, code, from, to, amount, group.unwrap_or(seq))))
    }

    /// The nearest whole number to n / d, the even one of two: by looking at the candidates.
    fn tax(&self, base: i128) -> i128 {
        let n = base * self.tariff[4];
        let d = 1_000_000;
        let middle = n / d;
        (middle - 2..=middle + 2).min_by_key(|q| ((n - q * d).abs(), q.rem_euclid(2))).unwrap_or(0)
    }

    fn reserve(&mut self, orders: &Rows, codes: &mut [u16]) {
        for (row, code) in codes.iter_mut().enumerate() {
            let (price, quantity) = (orders.price[row], orders.quantity[row]);
            if orders.side[row] == 0 {
                continue;
            }
            let unit = i128::from(price) + self.tariff[2] + self.tariff[3];
            let mut tax = 0;
            while tax * 1_000_000 < unit * self.tariff[4] && unit < 1000 {
                tax += 1; // rounded up by counting; large units below
            }
            if unit >= 1000 {
                tax = (unit * self.tariff[4] + 999_999) / 1_000_000;
            }
            let cover = if unit > 0 { (unit + tax) * i128::from(quantity) } else { 0 };
            let account = orders.account[row];
            *code = match () {
                () if price.abs() >= 1 << 31 => 5,
                () if !(1..1 << 31).contains(&quantity) => 8,
                () if cover > self.free(account) || cover > i128::from(i64::MAX) => 13,
                () => {
                    let seq = self.lines.len() as u64;
                    self.note((Kind::Reserve, 0, account, 2, cover, seq));
                    self.held.push((seq, (account, orders.market[row], orders.order[row]), cover));
                    0
                }
            };
        }
    }

    fn settle(&mut self, o: &Rows, terms: Terms, trades: &[Trade], meter: &[(u64, i64)]) -> Option<()> {
        // rows of one key: the i-th takes the i-th reservation, rows beyond the last one share it
        let key = |row: usize| (o.account[row], o.market[row], o.order[row]);
        let mut bills: Vec<(Option<usize>, Vec<usize>)> = Vec::new(); // index into held, rows
        for row in (0..o.side.len()).filter(|&row| o.side[row] == 1) {
            let used = |i: &usize| bills.iter().any(|b| b.0 == Some(*i));
            let next = (0..self.held.len()).find(|i| self.held[*i].1 == key(row) && !used(i));
            let earlier = bills.iter().rposition(|b| key(b.1[0]) == key(row));
            match (next, earlier) {
                (None, Some(b)) => bills[b].1.push(row),
                _ => bills.push((next, vec![row])),
            }
        }
        let held = self.held.clone();
        let costs: Vec<Cost> = trades.iter().map(|t| self.cost(terms, t)).collect();
        let due = |rows: &[usize]| -> i128 {
            trades.iter().zip(&costs).filter(|(t, _)| rows.contains(&t.buy)).map(|(_, c)| c.base + c.tax).sum()
        };
        bills.sort_by_key(|b| b.0.map_or(u64::MAX, |i| held[i].0));
        let mut post_of = HashMap::new();
        for (index, rows) in &bills {
            let mine: Vec<&Trade> = trades.iter().filter(|t| rows.contains(&t.buy)).collect();
            let due = due(rows);
            let (account, ..) = key(rows[0]);
            let (seq, cover) = match index {
                Some(i) => (held[*i].0, held[*i].2),
                None if mine.is_empty() => continue,
                None if due > 0 && due > self.free(account) => return None,
                None => (self.note((Kind::Reserve, 0, account, 2, due.max(0), self.lines.len() as u64)), due.max(0)),
            };
            self.held.retain(|h| h.0 != seq);
            if mine.is_empty() {
                self.note((Kind::Void, 0, account, 2, cover, seq));
                continue;
            }
            if due > cover {
                return None;
            }
            let post = self.pay(Kind::Post, 0, (account, 2), due.max(0), Some(seq))?;
            if due < 0 {
                self.pay(Kind::Trade, 1, (2, account), -due, Some(post))?;
            }
            post_of.extend(rows.iter().map(|row| (*row, post)));
        }
        let mut contract: HashMap<u64, i128> = HashMap::new();
        for (t, cost) in trades.iter().zip(&costs) {
            let q = i128::from(t.quantity);
            let (buyer, seller) = (o.account[t.buy], o.account[t.sell]);
            *contract.entry(buyer).or_default() += q;
            *contract.entry(seller).or_default() -= q;
            let (buy, sell) = (halves(t.buy_amount, terms), halves(t.sell_amount, terms));
            let whole = |price: i64| terms.per_unit && price % terms.den == 0;
            let code = match (whole(t.sell_price), down(sell) < 0) {
                (true, _) => 0,
                (false, false) => 2,
                (false, true) => 3,
            };
            let trade = self.pay(Kind::Trade, code, (2, seller), down(sell), Some(post_of[&t.buy]))?;
            let lacks: i128 = trades
                .iter()
                .filter(|other| o.market[other.buy] == o.market[t.buy])
                .map(|other| halves(other.sell_amount, terms) - halves(other.buy_amount, terms))
                .sum();
            let between = down(buy - sell);
            let deficit = between < 0 && !(whole(t.sell_price) && whole(t.buy_price));
            for (kind, code, to, amount) in [
                (Kind::Fee, 1, 3, self.tariff[2] * q),
                (Kind::Fee, 2, 4, self.tariff[3] * q),
                (Kind::Tax, 1, 5, cost.tax),
                (Kind::Fee, if deficit { 5 } else { 3 }, if lacks > 0 { terms.deficit_to } else { 3 }, between),
                (Kind::Fee, 4, 7, cost.pays - down(sell) - between),
            ] {
                if amount != 0 {
                    self.pay(kind, code, (2, to), amount, Some(trade))?;
                }
            }
        }
        let mut meter = meter.to_vec();
        meter.sort_unstable();
        for (i, &(account, metered)) in meter.iter().enumerate() {
            if i > 0 && meter[i - 1].0 == account {
                return None;
            }
            let seq = self.note((Kind::Meter, 0, account, 0, 0, self.lines.len() as u64));
            let m = i128::from(metered);
            let d = m - contract.get(&account).copied().unwrap_or(0);
            let own = if d > 0 { d.min(m.max(0)) } else { d.max(m.min(0)) };
            for (code, energy, price, taxed) in [
                if d > 0 { (1, own, self.tariff[0], true) } else { (3, own, self.tariff[1], false) },
                if d > 0 { (2, d - own, self.tariff[0], false) } else { (4, d - own, self.tariff[1], false) },
            ] {
                if energy != 0 {
                    let direction = if d > 0 { (account, 6) } else { (6, account) };
                    let amount = price * energy.abs();
                    let line = self.pay(Kind::Imbalance, code, direction, amount, Some(seq))?;
                    let tax = if taxed { self.tax(amount) } else { 0 };
                    if tax != 0 {
                        self.pay(Kind::Tax, 2, (account, 5), tax, Some(line))?;
                    }
                }
            }
        }
        Some(())
    }

    fn cost(&self, terms: Terms, t: &Trade) -> Cost {
        let pays = up(halves(t.buy_amount, terms));
        let base = pays + (self.tariff[2] + self.tariff[3]) * i128::from(t.quantity);
        Cost { pays, base, tax: self.tax(base) }
    }
}

struct Cost {
    pays: i128,
    base: i128,
    tax: i128,
}

/// What goes for all trades of a clearing.
#[derive(Clone, Copy, Debug)]
struct Terms {
    den: i64,
    per_unit: bool,
    deficit_to: u64,
}

fn halves(amount: i64, terms: Terms) -> i128 {
    i128::from(amount) * if terms.den == 1 { 2 } else { 1 }
}

/// The smallest whole number of at least so many halves, by looking.
fn up(halves: i128) -> i128 {
    (halves / 2 - 1..=halves / 2 + 1).find(|n| 2 * n >= halves).unwrap_or(0)
}

/// The largest whole number of at most so many halves, by looking.
fn down(halves: i128) -> i128 {
    (halves / 2 - 1..=halves / 2 + 1).rev().find(|n| 2 * n <= halves).unwrap_or(0)
}

#[derive(Clone, Debug, Default)]
struct Rows {
    side: Vec<u8>,
    price: Vec<i64>,
    quantity: Vec<i64>,
    account: Vec<u64>,
    market: Vec<u64>,
    order: Vec<u64>,
}

impl Rows {
    fn push(&mut self, side: u8, price: i64, quantity: i64, account: u64, market: u64, order: u64) {
        self.side.push(side);
        self.price.push(price);
        self.quantity.push(quantity);
        self.account.push(account);
        self.market.push(market);
        self.order.push(order);
    }

    fn first(&self, n: usize) -> Self {
        let mut rows = self.clone();
        rows.side.truncate(n);
        rows.price.truncate(n);
        rows.quantity.truncate(n);
        rows.account.truncate(n);
        rows.market.truncate(n);
        rows.order.truncate(n);
        rows
    }

    fn columns(&self) -> Orders<'_> {
        Orders {
            side: &self.side,
            price: &self.price,
            quantity: &self.quantity,
            account: &self.account,
            market: &self.market,
            order: &self.order,
            network_fee: None,
        }
    }
}

#[derive(Clone, Debug)]
struct Trade {
    buy: usize,
    sell: usize,
    quantity: i64,
    buy_price: i64,
    sell_price: i64,
    buy_amount: i64,
    sell_amount: i64,
}

impl Trade {
    fn new((buy, sell): (usize, usize), quantity: i64, buy_price: i64, sell_price: i64) -> Self {
        let (buy_amount, sell_amount) = (buy_price.saturating_mul(quantity), sell_price.saturating_mul(quantity));
        Self { buy, sell, quantity, buy_price, sell_price, buy_amount, sell_amount }
    }
}

/// Trades as columns.
struct Slot {
    rows: [Vec<i64>; 2],
    quantity: Vec<i64>,
    prices: [Vec<i64>; 2],
    amounts: [Vec<i64>; 2],
}

impl Slot {
    fn new(trades: &[Trade]) -> Self {
        let column = |f: fn(&Trade) -> i64| trades.iter().map(f).collect::<Vec<i64>>();
        Self {
            rows: [column(|t| t.buy as i64), column(|t| t.sell as i64)],
            quantity: column(|t| t.quantity),
            prices: [column(|t| t.buy_price), column(|t| t.sell_price)],
            amounts: [column(|t| t.buy_amount), column(|t| t.sell_amount)],
        }
    }

    fn cleared<'a>(&'a self, o: &'a Rows, terms: Terms) -> ClearedSlot<'a> {
        ClearedSlot {
            side: &o.side,
            account: &o.account,
            market: &o.market,
            order: &o.order,
            buy_row: &self.rows[0],
            sell_row: &self.rows[1],
            quantity: &self.quantity,
            buy_price: &self.prices[0],
            sell_price: &self.prices[1],
            buy_amount: &self.amounts[0],
            sell_amount: &self.amounts[1],
            network_fee: None,
            den: terms.den,
            per_unit: terms.per_unit,
            deficit_to: terms.deficit_to,
        }
    }
}

/// Makes sums of what was priced a unit: each account pays for a market what its trades came to, or less, at one price
/// a unit for all of them, no more than the lowest; divided by quantity.
fn share_out(o: &Rows, trades: &mut [Trade], less: i128) {
    for i in 0..trades.len() {
        let account = |t: &Trade| (o.account[t.buy], o.market[t.buy]);
        let rows: Vec<usize> = (0..trades.len()).filter(|&j| account(&trades[j]) == account(&trades[i])).collect();
        if rows[0] != i {
            continue;
        }
        let lots: i128 = rows.iter().map(|&j| i128::from(trades[j].quantity)).sum();
        let lowest = rows.iter().map(|&j| i128::from(trades[j].buy_price)).min().unwrap_or(0);
        let (total, mut upto) = (lowest * lots - less, 0);
        for &j in &rows {
            let before = (total * upto).div_euclid(lots.max(1));
            upto += i128::from(trades[j].quantity);
            trades[j].buy_amount = i64::try_from((total * upto).div_euclid(lots.max(1)) - before).unwrap_or(i64::MAX);
        }
    }
}

#[derive(Clone, Debug)]
enum Call {
    Open(u64, i64),
    Deposit(u64, i64),
    Withdraw(u64, i64),
    Slot {
        orders: Vec<(bool, i64, i64, u64, u64)>,
        reserve: u8,
        trades: Vec<(usize, usize, i64, u8, i64)>,
        meter: Vec<(u64, i64)>,
        terms: Terms,
    },
}

fn price() -> impl Strategy<Value = i64> {
    prop_oneof![6 => -3..40_i64, 1 => Just(0), 1 => Just((1_i64 << 31) - 1), 1 => Just(1 - (1_i64 << 31)), 1 => Just(1_i64 << 31)]
}

fn quantity() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 1..20_i64, 1 => Just((1_i64 << 31) - 1), 1 => -1..2_i64]
}

fn money() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0..3000_i64, 1 => Just(0), 1 => -5..0_i64, 2 => Just(i64::MAX / 8)]
}

fn call() -> impl Strategy<Value = Call> {
    let order = (any::<bool>(), price(), quantity(), 0..6_u64, 0..3_u64);
    let trade = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), quantity(), 0..8_u8, -3..3_i64)
        .prop_map(|(b, s, q, how, spread)| (b.index(1 << 20), s.index(1 << 20), q, how, spread));
    let reading = (0..6_u64, prop_oneof![8 => -25..25_i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN + 1)]);
    prop_oneof![
        1 => (1..3_u64, prop_oneof![3 => Just(0_i64), 1 => money()]).prop_map(|(n, limit)| Call::Open(n, limit)),
        2 => (0..6_u64, money()).prop_map(|(m, a)| Call::Deposit(m, a)),
        1 => (0..6_u64, money()).prop_map(|(m, a)| Call::Withdraw(m, a)),
        5 => (
            prop::collection::vec(order, 0..8),
            0..4_u8,
            prop::collection::vec(trade, 0..5),
            prop::collection::vec(reading, 0..4),
            (1..=2_i64, any::<bool>(), prop::sample::select(vec![3_u64, 4, 6])),
        ).prop_map(|(orders, reserve, trades, meter, (den, per_unit, deficit_to))| {
            Call::Slot { orders, reserve, trades, meter, terms: Terms { den, per_unit, deficit_to } }
        }),
    ]
}

fn tariff() -> impl Strategy<Value = [i64; 5]> {
    let tax = prop_oneof![Just(0), Just(200_000), Just(500_000), Just(333_333), Just(i64::from(TAX_PPM_MAX))];
    (-5..40_i64, -5..20_i64, -2..3_i64, 0..4_i64, tax).prop_map(|(r, f, p, n, t)| [r, f, p, n, t])
}

fn line(p: &Posting) -> Line {
    (p.kind, p.code, p.debit, p.credit, i128::from(p.amount), p.group)
}

/// Postings, balances, cover, totals, and the replay of the history from nothing.
fn agree(bank: &Bank, twin: &Twin, history: &[Posting]) -> Result<(), TestCaseError> {
    let lines: Vec<Line> = history.iter().map(line).collect();
    prop_assert_eq!(&lines, &twin.lines);
    for (id, account) in bank.accounts().iter() {
        prop_assert_eq!(account.posted, twin.cash.get(&id).copied().unwrap_or(0), "posted of {}", id);
        if id >= 1000 {
            prop_assert_eq!(account.available(), twin.free(id), "available of {}", id);
        }
    }
    prop_assert!(bank.accounts().audit());
    prop_assert_eq!(bank.accounts().get(2).map(|a| a.posted), Some(0), "the clearing house keeps nothing");
    let mut replayed = Accounts::new();
    for (i, p) in history.iter().enumerate() {
        prop_assert_eq!(p.seq, i as u64);
        prop_assert!(replayed.apply(p).is_ok());
    }
    prop_assert_eq!(&replayed, bank.accounts(), "state is a fold over postings");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_bank_is_its_twin(rates in tariff(), calls in prop::collection::vec(call(), 1..12)) {
        let checked = Tariff::new(rates[0], rates[1], rates[2], rates[3], rates[4] as u32);
        let mut bank = Bank::new(checked.map_err(|e| TestCaseError::fail(e.to_string()))?)
            .map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut twin = Twin { tariff: rates.map(i128::from), ..Twin::default() };
        for id in 1..=7 {
            twin.note((Kind::AccountOpened, 0, id, 0, 0, id - 1));
        }
        let mut history = bank.take();
        for call in [Call::Open(2, 0)].into_iter().chain(calls) {
            let before = (bank.clone(), twin.clone());
            let done = match &call {
                Call::Open(count, limit) => {
                    if *limit >= 0 {
                        for id in 1000 + twin.members..1000 + twin.members + count {
                            let seq = twin.lines.len() as u64;
                            twin.note((Kind::AccountOpened, 0, id, 0, 0, seq));
                            if *limit > 0 {
                                twin.note((Kind::Limit, 0, id, 0, i128::from(*limit), seq + 1));
                            }
                            twin.cash.insert(id, 0);
                            twin.limit.insert(id, i128::from(*limit));
                        }
                        twin.members += count;
                    }
                    (bank.open(*count as usize, *limit).is_ok(), *limit >= 0)
                }
                Call::Deposit(member, amount) => {
                    let ok = *amount >= 0 && *member < twin.members;
                    if ok && *amount > 0 {
                        twin.pay(Kind::Deposit, 0, (1, 1000 + member), i128::from(*amount), None);
                    }
                    (bank.deposit(&[1000 + member], &[*amount]).is_ok(), ok)
                }
                Call::Withdraw(member, amount) => {
                    let account = 1000 + member;
                    let ok = *amount >= 0
                        && *member < twin.members
                        && i128::from(*amount) <= twin.cash[&account].min(twin.free(account));
                    if ok && *amount > 0 {
                        twin.pay(Kind::Withdrawal, 0, (account, 1), i128::from(*amount), None);
                    }
                    (bank.withdraw(&[account], &[*amount]).is_ok(), ok)
                }
                Call::Slot { orders, reserve, trades, meter, terms } => {
                    let mut o = Rows::default();
                    for (buy, price, quantity, member, order) in orders {
                        o.push(u8::from(*buy), *price, *quantity, 1000 + member % twin.members, order % 2, *order);
                    }
                    let columns = o.columns();
                    if *reserve > 0 {
                        let (mut codes, mut expected) = (vec![0; o.side.len()], vec![0; o.side.len()]);
                        prop_assert!(bank.reserve(&columns, &mut codes).is_ok());
                        twin.reserve(&o, &mut expected);
                        prop_assert_eq!(codes, expected);
                        for (id, account) in bank.accounts().iter().filter(|(id, _)| *id >= 1000) {
                            prop_assert!(account.pending_out == 0 || account.available() >= 0
                                || before.0.accounts().get(id).is_some_and(|a| a.available() < 0),
                                "never reserves beyond cover");
                        }
                    }
                    let rows = |side| (0..o.side.len()).filter(|&i| o.side[i] == side).collect::<Vec<_>>();
                    let (buys, sells) = (rows(1), rows(0));
                    let mut trades: Vec<Trade> = trades.iter().filter(|_| !buys.is_empty() && !sells.is_empty())
                        .map(|&(b, s, quantity, how, spread)| {
                            let buy = buys[b % buys.len()];
                            let bid = o.price[buy];
                            // mostly within the bid; now and then any price at all
                            let buy_price = if how == 0 { bid + 7 } else { bid.saturating_sub(i64::from(how) - 1) };
                            let buy_price = buy_price * terms.den - i64::from(how % 3 == 1) * (terms.den - 1);
                            let quantity = if how == 7 { quantity } else { quantity.min(o.quantity[buy] / 2).max(1) };
                            Trade::new((buy, sells[s % sells.len()]), quantity, buy_price, buy_price - spread)
                        }).collect();
                    if !terms.per_unit {
                        share_out(&o, &mut trades, 0);
                    }
                    let meter: Vec<(u64, i64)> = meter.iter().map(|(m, e)| (1000 + m % twin.members, *e)).collect();
                    let columns = Slot::new(&trades);
                    let slot = columns.cleared(&o, *terms);
                    let (accounts, energy): (Vec<u64>, Vec<i64>) = meter.iter().copied().unzip();
                    let kept = (bank.clone(), twin.clone());
                    let done = bank.settle(&[slot], &Meter { account: &accounts, energy: &energy, due: false });
                    let sane = trades.iter().all(|t| (1..1 << 31).contains(&t.quantity)
                        && (!terms.per_unit || [t.buy_price, t.sell_price].iter()
                            .all(|price| price.abs() <= terms.den * ((1 << 31) - 1))));
                    let expected = sane && twin.settle(&o, *terms, &trades, &meter).is_some();
                    prop_assert_eq!(done.is_ok(), expected, "{:?}", done);
                    if !expected {
                        prop_assert_eq!(kept.0.accounts(), bank.accounts(), "a failed slot changes nothing");
                        prop_assert_eq!(kept.0.postings(), bank.postings());
                        twin = kept.1;
                    }
                    (true, true)
                }
            };
            prop_assert_eq!(done.0, done.1, "{:?}", call);
            if !done.1 {
                prop_assert_eq!(before.0.accounts(), bank.accounts(), "a failed call changes nothing");
                twin = before.1;
            }
            let taken = bank.take();
            let owed: i128 = bills(&taken).values().map(fastclear_core::settlement::Bill::net).sum();
            let house = |p: &Posting| i128::from(p.amount) * match (p.kind, p.debit, p.credit) {
                (Kind::Deposit | Kind::Withdrawal | Kind::Reserve | Kind::Void | Kind::Post, ..) => 0,
                (_, _, 3..=7) => 1,
                (_, 3..=7, _) => -1,
                _ => 0,
            };
            prop_assert_eq!(owed, taken.iter().map(house).sum::<i128>(), "what members pay, houses receive");
            history.extend(taken);
            agree(&bank, &twin, &history)?;
        }
        prop_assert!(bank.close_cycle(&[]).is_ok());
    }

    /// Second-price payments come to at most the lowest accepted bid a unit. Divided by quantity, to whole numbers over
    /// the denominator, the reservations cover them order by order, with fees and tax and every rounding.
    #[test]
    fn a_sum_within_the_bids_is_covered(
        rates in tariff(),
        den in 1..=2_i64,
        bids in prop::collection::vec((-3..40_i64, 1..9_i64, 0..2_u64, 0..2_u64), 1..7),
        fills in prop::collection::vec((any::<prop::sample::Index>(), 1..9_i64, 0..6_i64), 1..9),
        less in 0..20_i128,
        reserved in 0..8_usize,
    ) {
        let fail = |e: &dyn std::fmt::Display| TestCaseError::fail(e.to_string());
        let checked = Tariff::new(rates[0], rates[1], rates[2], rates[3], rates[4] as u32).map_err(|e| fail(&e))?;
        let mut bank = Bank::new(checked).map_err(|e| fail(&e))?;
        let mut twin = Twin { tariff: rates.map(i128::from), ..Twin::default() };
        for id in 1..=7 {
            twin.note((Kind::AccountOpened, 0, id, 0, 0, id - 1));
        }
        bank.open(3, 0).map_err(|e| fail(&e))?;
        for id in 1000..1003 {
            twin.note((Kind::AccountOpened, 0, id, 0, 0, id - 993));
            twin.cash.insert(id, 0);
            twin.limit.insert(id, 0);
        }
        for id in 1000..1002 {
            bank.deposit(&[id], &[1 << 40]).map_err(|e| fail(&e))?;
            twin.pay(Kind::Deposit, 0, (1, id), 1 << 40, None);
        }
        twin.members = 3;
        let mut o = Rows::default();
        for (order, &(price, quantity, member, market)) in bids.iter().enumerate() {
            o.push(1, price, quantity, 1000 + member, market, order as u64);
        }
        for market in 0..2 {
            o.push(0, 0, 1, 1002, market, 100);
        }
        // The first orders are reserved, the others pay on the spot; asks need nothing.
        let covered = o.first(reserved.min(bids.len()));
        let (mut codes, mut expected) = (vec![0; covered.side.len()], vec![0; covered.side.len()]);
        bank.reserve(&covered.columns(), &mut codes).map_err(|e| fail(&e))?;
        twin.reserve(&covered, &mut expected);
        prop_assert_eq!(codes, expected);

        let mut left: Vec<i64> = bids.iter().map(|bid| bid.1).collect();
        let mut trades = Vec::new();
        for (bid, quantity, below) in fills {
            let row = bid.index(bids.len());
            let quantity = quantity.min(left[row]);
            if quantity > 0 {
                left[row] -= quantity;
                let price = o.price[row] * den - below;
                trades.push(Trade::new((row, bids.len() + o.market[row] as usize), quantity, price, price - below % 3));
            }
        }
        share_out(&o, &mut trades, less);
        let terms = Terms { den, per_unit: false, deficit_to: 6 };
        let slot = Slot::new(&trades);
        let settled = bank.settle(&[slot.cleared(&o, terms)], &Meter::default());
        prop_assert!(settled.is_ok(), "{:?}", settled);
        prop_assert!(twin.settle(&o, terms, &trades, &[]).is_some());
        agree(&bank, &twin, &bank.clone().take())?;
    }
}
