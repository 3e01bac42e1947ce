//! The worked examples of `tests/cases`, the same files that pytest reads, through the core: whatever a case states and
//! the core reports.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use common::{Cleared, Frame, Order};
use fastclear_core::auction::deal::Branch;
use fastclear_core::auction::maximal_volume::Walk;
use fastclear_core::auction::muda::Variant;
use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound, Share};
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::uniform::PriceRule;
use fastclear_core::auction::{
    Average, Discriminatory, Huang, MaximalVolume, Mechanism, Muda, MultiRound, RankedRule, Rule, Sbba, TradeReduction,
    Uniform, Vickrey,
};
use fastclear_core::trade::{MarketDetail, MarketOutcome};
use serde_json::{Map, Value, json};

/// Families whose cases go through the core.
const FAMILIES: [&str; 10] = [
    "average",
    "discriminatory",
    "huang",
    "maximal_volume",
    "muda",
    "multi_round",
    "sbba",
    "trade_reduction",
    "uniform",
    "vickrey",
];

/// Families that do not, and why.
const NOT_OF_THE_CORE: [(&str, &str); 7] = [
    ("bidders", "agents that bid, in Python; tests/test_bidders.py has them"),
    ("blocks", "sets of blocks are chosen in Python, around hours that the core clears as uniform"),
    ("book", "commands one after the other, no call; book/cases.rs has them"),
    ("coalitions", "shares of a gain, in Python; tests/test_metrics_coalitions.py has them"),
    ("sharing", "loads and no orders; sharing.rs has them"),
    (
        "preference",
        "stages, networks and negotiations, set up in Python; test_preference.py and its neighbours have them",
    ),
    ("settlement", "meter readings against positions, no auction; settlement_cases.rs has them"),
];

/// What a case states of its book alone: oracles of pytest's check it, the core does not report it.
const OF_THE_BOOK: [&str; 3] = ["supplied_units", "unit_prices_descending", "unfilled_quantity_willing_at_pair_price"];

/// Parameters of a mechanism, each to be taken once.
struct Parameters(Map<String, Value>);

impl Parameters {
    fn whole(&mut self, name: &str) -> Option<i64> {
        self.0.remove(name).map(|value| value.as_i64().unwrap())
    }

    fn flag(&mut self, name: &str, default: bool) -> bool {
        self.0.remove(name).map_or(default, |value| value.as_bool().unwrap())
    }

    fn word(&mut self, name: &str, default: &str) -> String {
        self.0.remove(name).map_or(default.to_owned(), |value| value.as_str().unwrap().to_owned())
    }

    fn unit(&mut self) -> i64 {
        self.whole("unit").unwrap_or(1)
    }

    fn seed(&mut self) -> u64 {
        self.whole("seed").unwrap_or(0) as u64
    }

    fn k(&mut self) -> Share {
        self.0.remove("k").map_or(Share::HALF, |k| {
            let (numerator, denominator) = fraction(&k);
            Share::new(numerator as i64, denominator as i64).unwrap()
        })
    }

    fn price_round(&mut self) -> PriceRound {
        match self.word("price_round", "floor").as_str() {
            "floor" => PriceRound::Floor,
            "ceil" => PriceRound::Ceil,
            "half_up" => PriceRound::HalfUp,
            other => panic!("price_round {other}"),
        }
    }

    fn pair_rule(&mut self) -> PairRule {
        let (k, price_round) = (self.k(), self.price_round());
        let price = match self.word("rule", "k").as_str() {
            "k" => PairPrice::Share(k),
            "bid" => PairPrice::Share(Share::new(1, 1).unwrap()),
            "ask" => PairPrice::Share(Share::new(0, 1).unwrap()),
            "earlier" => PairPrice::Earlier,
            other => panic!("rule {other}"),
        };
        PairRule { price, price_round }
    }
}

fn mechanism(case: &Value) -> Mechanism {
    let mut stated = Parameters(case["mechanism"].as_object().unwrap().clone());
    let (mut cap_low, mut cap_high) = (None, None);
    let rule = match stated.word("name", "").as_str() {
        "uniform" => Rule::Uniform(Uniform {
            k: stated.k(),
            rationing: match stated.word("rationing", "pro_rata").as_str() {
                "time" => Rationing::Time,
                "pro_rata" => Rationing::ProRata,
                "equal" => Rationing::Equal,
                other => panic!("rationing {other}"),
            },
            price_rule: match stated.word("price_rule", "interval").as_str() {
                "interval" => PriceRule::Interval,
                "last_pair_midpoint" => PriceRule::LastPairMidpoint,
                other => panic!("price_rule {other}"),
            },
            price_round: Some(stated.price_round()),
            zero_surplus: stated.flag("zero_surplus", true),
            ..Uniform::default()
        }),
        "discriminatory" => Rule::Discriminatory(Discriminatory { rule: stated.pair_rule(), fee: 0, reserve: None }),
        "maximal_volume" => Rule::Ranked(RankedRule::MaximalVolume(MaximalVolume {
            rule: stated.pair_rule(),
            walk: match stated.word("pairing", "ascending").as_str() {
                "ascending" => Walk::Ascending,
                "descending" => Walk::Descending,
                other => panic!("pairing {other}"),
            },
        })),
        "vickrey" => Rule::Ranked(RankedRule::Vickrey(Vickrey)),
        "trade_reduction" => {
            (cap_low, cap_high) = (stated.whole("cap_low"), stated.whole("cap_high"));
            let (use_p0, unit) = (stated.flag("use_p0", true), stated.unit());
            Rule::Ranked(RankedRule::TradeReduction(TradeReduction { use_p0, cap_low, cap_high, unit }))
        }
        "huang" => Rule::Ranked(RankedRule::Huang(Huang)),
        "sbba" => Rule::Ranked(RankedRule::Sbba(Sbba { seed: stated.seed(), unit: stated.unit() })),
        "muda" => {
            let variant = match stated.word("variant", "lottery").as_str() {
                "lottery" => Variant::Lottery,
                "vickrey" => Variant::Vickrey,
                other => panic!("variant {other}"),
            };
            for placed in ["partition", "permutation"] {
                stated.0.remove(placed); // into columns, `clear`
            }
            Rule::Ranked(RankedRule::Muda(Muda { variant, seed: stated.seed() }))
        }
        "average" => Rule::Ranked(RankedRule::Average(Average { unit: stated.unit() })),
        "multi_round" => Rule::Ranked(RankedRule::MultiRound(MultiRound {
            buyer_step: stated.whole("buyer_step").unwrap(),
            seller_step: stated.whole("seller_step").unwrap(),
            max_rounds: stated.whole("max_rounds").unwrap_or(100) as u32,
        })),
        other => panic!("mechanism {other}"),
    };
    assert!(stated.0.is_empty(), "parameters that nobody read: {:?}", stated.0);
    Mechanism { rule, cap_low, cap_high }
}

/// A stated number: an integer, or [numerator, denominator].
fn fraction(stated: &Value) -> (i128, i128) {
    let whole = |number: &Value| i128::from(number.as_i64().unwrap());
    stated.as_array().map_or_else(|| (whole(stated), 1), |parts| (whole(&parts[0]), whole(&parts[1])))
}

/// Whether `value / den` is what is stated; null states that there is none.
fn is_stated(stated: &Value, value: Option<i128>, den: i128) -> bool {
    value.map_or(stated.is_null(), |value| {
        !stated.is_null() && {
            let (numerator, denominator) = fraction(stated);
            value * denominator == numerator * den
        }
    })
}

fn orders(case: &Value) -> &[Value] {
    case["orders"].as_array().unwrap()
}

fn texts<'a>(case: &'a Value, column: &str) -> Vec<&'a str> {
    orders(case).iter().map(|order| order[column].as_str().unwrap()).collect()
}

/// Text ids enter the core as ranks of their bytes.
fn ranks(names: &[&str]) -> Vec<i64> {
    let known: BTreeSet<&str> = names.iter().copied().collect();
    names.iter().map(|name| known.iter().position(|ranked| ranked == name).unwrap() as i64).collect()
}

/// Place of each order's participant in a list of the mechanism's, its length where it is not in it.
fn places(case: &Value, list: &str) -> Option<Vec<usize>> {
    let listed: Vec<&str> =
        case["mechanism"].get(list)?.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let place = |name: &&str| listed.iter().position(|known| known == name).unwrap_or(listed.len());
    Some(texts(case, "participant").iter().map(place).collect())
}

fn clear(case: &Value) -> Cleared {
    let (ids, participants) = (ranks(&texts(case, "order")), ranks(&texts(case, "participant")));
    let rows: Vec<Order> = orders(case)
        .iter()
        .zip(ids.into_iter().zip(&participants))
        .map(|(order, (id, &participant))| {
            let number = |name: &str| order[name].as_i64().unwrap();
            let (price, quantity, time) = (number("price"), number("quantity"), number("time"));
            let start = order.get("start_price").map_or(price, |start| start.as_i64().unwrap());
            Order { market: 0, id, participant, buy: order["side"] == "buy", price, quantity, time, start }
        })
        .collect();
    let mut frame = Frame::of(&rows);
    frame.participant = Some(participants);
    frame.start_price = Some(rows.iter().map(|order| order.start).collect());
    let size = |list: &str| case["mechanism"][list].as_array().map_or(0, Vec::len);
    frame.half = places(case, "partition")
        .map(|places| places.into_iter().map(|place| u8::from(place == size("partition"))).collect());
    frame.turn = places(case, "permutation").map(|places| places.into_iter().map(|place| place as i64).collect());
    let mechanism = mechanism(case);
    let cleared = frame.clear(&mechanism, 1);
    frame.check_universal(&mechanism, &cleared);
    cleared
}

/// The case's book, cleared by another mechanism at its defaults or by the same one after a change.
fn changed(case: &Value, change: impl FnOnce(&mut Value)) -> Cleared {
    let mut case = case.clone();
    change(&mut case);
    clear(&case)
}

fn outcome_of(case: &Value, mechanism: &str) -> MarketOutcome {
    changed(case, |case| case["mechanism"] = json!({ "name": mechanism })).clearing.outcomes[0]
}

/// Gain of every order over its limit in the case, over the denominator.
fn gains(case: &Value, cleared: &Cleared) -> Vec<i128> {
    let den = i128::from(cleared.clearing.den);
    orders(case)
        .iter()
        .zip(cleared.filled.iter().zip(cleared.payment()))
        .map(|(order, (&fill, &paid))| {
            let value = den * i128::from(order["price"].as_i64().unwrap()) * i128::from(fill);
            (if order["side"] == "buy" { value } else { -value }) - i128::from(paid)
        })
        .collect()
}

/// One case, cleared, beside what it states.
struct Checked<'a> {
    id: &'a str,
    case: &'a Value,
    names: Vec<&'a str>,
    cleared: Cleared,
    outcome: MarketOutcome,
    detail: MarketDetail,
    den: i128,
}

impl<'a> Checked<'a> {
    fn of(case: &'a Value) -> Self {
        let cleared = clear(case);
        let (outcome, den) = (cleared.clearing.outcomes[0], i128::from(cleared.clearing.den));
        let detail = cleared.clearing.details.first().copied().unwrap_or_default();
        Self { id: case["id"].as_str().unwrap(), case, names: texts(case, "order"), cleared, outcome, detail, den }
    }

    fn family(&self) -> &str {
        self.case["mechanism"]["name"].as_str().unwrap()
    }

    fn row(&self, name: &Value) -> usize {
        self.names.iter().position(|known| name == known).unwrap()
    }

    fn limit(&self, name: &Value) -> i128 {
        i128::from(orders(self.case)[self.row(name)]["price"].as_i64().unwrap())
    }

    /// A money figure or price, over the denominator.
    fn exact(&self, key: &str, stated: &Value, value: Option<i128>) {
        assert!(
            is_stated(stated, value, self.den),
            "{}: {key} is {value:?} over {} and not {stated}",
            self.id,
            self.den
        );
    }

    fn count(&self, key: &str, stated: &Value, value: i64) {
        assert_eq!(Some(value), stated.as_i64(), "{}: {key}", self.id);
    }

    /// Buyer, seller, lots of every trade.
    fn pairs(&self) -> Vec<Value> {
        let trades = self.cleared.trades();
        (0..trades.len())
            .map(|t| {
                let (buyer, seller) = (trades.buy_row[t] as usize, trades.sell_row[t] as usize);
                json!([self.names[buyer], self.names[seller], trades.quantity[t]])
            })
            .collect()
    }

    /// One side of every trade.
    fn traders(&self, side: usize) -> Vec<Value> {
        self.pairs().iter().map(|pair| pair[side].clone()).collect()
    }

    /// Compares trades, in order, with rows of [buy, sell, quantity] and the price of each.
    fn trades(&self, stated: &[(Vec<Value>, &Value)]) {
        let pairs: Vec<Value> = stated.iter().map(|(pair, _)| Value::from(pair.clone())).collect();
        assert_eq!(self.pairs(), pairs, "{}: trades", self.id);
        for (t, (_, price)) in stated.iter().enumerate() {
            let trades = self.cleared.trades();
            for paid in [trades.buy_price[t], trades.sell_prices()[t]] {
                self.exact("price of a trade", price, Some(i128::from(paid)));
            }
        }
    }

    /// What every participant pays, over the denominator, where that is not 0.
    fn net_payments(&self) -> BTreeMap<&str, i128> {
        let mut net = BTreeMap::new();
        for (agent, &paid) in texts(self.case, "participant").into_iter().zip(self.cleared.payment()) {
            *net.entry(agent).or_insert(0) += i128::from(paid);
        }
        net.retain(|_, paid| *paid != 0);
        net
    }

    /// What every participant pays, or does not receive, beyond the price at which its half trades, where not 0.
    fn fees(&self) -> BTreeMap<&str, i128> {
        let right: Vec<bool> = {
            let listed = self.case["mechanism"]["partition"].as_array().unwrap();
            orders(self.case).iter().map(|order| !listed.contains(&order["participant"])).collect()
        };
        let mut fees = BTreeMap::new();
        for (row, order) in orders(self.case).iter().enumerate() {
            let lots = self.cleared.filled[row];
            let lots = i128::from(if order["side"] == "buy" { lots } else { -lots });
            let price = i128::from(self.detail.half_prices[usize::from(!right[row])].unwrap());
            let paid = i128::from(self.cleared.payment()[row]);
            *fees.entry(order["participant"].as_str().unwrap()).or_insert(0) += paid - price * lots;
        }
        fees.retain(|_, fee| *fee != 0);
        fees
    }

    fn by_participant(&self, key: &str, stated: &Value, values: &BTreeMap<&str, i128>) {
        let stated = stated.as_object().unwrap();
        assert_eq!(values.len(), stated.len(), "{}: {key} are {values:?}", self.id);
        for (&name, &value) in values {
            self.exact(key, &stated[name], Some(value));
        }
    }

    fn check(&self, key: &str, stated: &Value) {
        let (outcome, id) = (&self.outcome, self.id);
        let one_price = outcome.has_price && outcome.price_buy == outcome.price_sell;
        let priced = |shown: bool, price: i64| shown.then_some(i128::from(price));
        let half = |half: usize| self.detail.half_prices[half].map(i128::from);
        let interval = [outcome.price_low, outcome.price_high].map(i128::from);
        match key {
            "volume" => self.count(key, stated, outcome.volume),
            "rounds" => self.count(key, stated, i64::from(self.detail.rounds)),
            "den" => self.count(key, stated, self.den as i64),
            "deals" => {
                self.count(key, stated, outcome.volume);
                self.count(key, stated, self.cleared.trades().len() as i64);
            }
            "welfare" => self.exact(key, stated, Some(outcome.welfare)),
            "surplus" => self.exact(key, stated, Some(outcome.buyer_payment - outcome.seller_revenue)),
            "price" => self.exact(key, stated, priced(one_price, outcome.price_sell)),
            "price_low" => self.exact(key, stated, priced(one_price, outcome.price_low)),
            "price_high" => self.exact(key, stated, priced(one_price, outcome.price_high)),
            "price_buy" => self.exact(key, stated, priced(outcome.has_price, outcome.price_buy)),
            "price_sell" => self.exact(key, stated, priced(outcome.has_price, outcome.price_sell)),
            "price_left" | "price_used_right" => self.exact(key, stated, half(0)),
            "price_right" | "price_used_left" => self.exact(key, stated, half(1)),
            "branch" => {
                let branch = match stated.as_str().unwrap() {
                    "all_trade" => Branch::AllTrade,
                    "reduced" => Branch::Reduced,
                    "seller_sets_price" => Branch::SellerSetsPrice,
                    "buyer_sets_price" => Branch::BuyerSetsPrice,
                    other => panic!("branch {other}"),
                };
                assert_eq!(self.detail.branch, branch, "{id}");
            }
            "fills" => {
                assert_eq!(stated.as_object().unwrap().len(), self.names.len(), "{id}: fills of every order");
                for (name, &fill) in self.names.iter().zip(&self.cleared.filled) {
                    self.count(key, &stated[name], fill);
                }
            }
            "payments" => {
                for (name, stated) in stated.as_object().unwrap() {
                    let row = self.row(&json!(name));
                    self.exact(key, stated, Some(i128::from(self.cleared.payment()[row])));
                }
            }
            "trades" => {
                let rows =
                    stated.as_array().unwrap().iter().map(|row| (row.as_array().unwrap()[..3].to_vec(), &row[3]));
                self.trades(&rows.collect::<Vec<_>>());
            }
            "pairs" => assert_eq!(&self.pairs(), stated.as_array().unwrap(), "{id}"),
            "buyers" => assert_eq!(&self.traders(0), stated.as_array().unwrap(), "{id}"),
            "sellers" => {
                if let Some(sellers) = stated.as_array() {
                    assert_eq!(&self.traders(1), sellers, "{id}");
                }
            }
            "lottery_pool" => {
                let (pool, sellers) = (stated.as_array().unwrap(), self.traders(1));
                if !pool.is_empty() {
                    assert!(sellers.len() < pool.len() && sellers.iter().all(|seller| pool.contains(seller)), "{id}");
                }
            }
            "seats" => {
                let sellers = self.traders(1);
                let different: BTreeSet<usize> = sellers.iter().map(|name| self.row(name)).collect();
                assert_eq!(different.len(), sellers.len(), "{id}: sellers are drawn once");
                self.count(key, stated, sellers.len() as i64);
            }
            "expected_utilities" => self.expected_utilities(stated),
            "indicative" => {
                assert_eq!(outcome.volume, 0, "{id}");
                assert_eq!(&json!([outcome.best_bid, outcome.best_ask]), stated, "{id}");
            }
            "utility" => {
                let row = self.row(&stated["order"]);
                let value = fraction(&stated["value"]).0 * i128::from(self.cleared.filled[row]) * self.den;
                let gain = value - i128::from(self.cleared.payment()[row]);
                self.exact(key, &stated["utility"], Some(gain));
            }
            "net_payments" => self.by_participant(key, stated, &self.net_payments()),
            "fees" => {
                self.by_participant(key, stated, &self.fees());
                let kept: i128 = self.fees().values().sum();
                assert_eq!(kept, outcome.buyer_payment - outcome.seller_revenue, "{id}: the surplus is fees");
            }
            "marginal" => {
                let [bid, ask] = [&stated[0], &stated[1]];
                for name in [bid, ask] {
                    assert_eq!(self.cleared.filled[self.row(name)], 0, "{id}: {name} is marginal");
                }
                let prices = [outcome.price_buy, outcome.price_sell].map(i128::from);
                assert_eq!(prices, [self.limit(bid) * self.den, self.limit(ask) * self.den], "{id}: {key}");
            }
            "history" => self.history(stated.as_array().unwrap()),
            "unmatched" => {
                assert_eq!(stated.as_object().unwrap().len(), self.names.len(), "{id}: {key}");
                for (order, &fill) in orders(self.case).iter().zip(&self.cleared.filled) {
                    let left = order["quantity"].as_i64().unwrap() - fill;
                    self.count(key, &stated[order["order"].as_str().unwrap()], left);
                }
            }
            "equilibrium_interval" => {
                for (stated, end) in stated.as_array().unwrap().iter().zip(interval) {
                    self.exact(key, stated, Some(end));
                }
            }
            "price_in_equilibrium_interval" => {
                let price = i128::from(outcome.price_sell);
                assert_eq!(stated.as_bool(), Some((interval[0]..=interval[1]).contains(&price)), "{id}: {key}");
            }
            "best_misreport" => {
                let row = self.row(&stated["order"]);
                let lied = changed(self.case, |case| case["orders"][row]["price"] = stated["report"].clone());
                // Halves make no difference to a gain over 2.
                let twice = |cleared: &Cleared| gains(self.case, cleared)[row] * 2 / i128::from(cleared.clearing.den);
                assert!(is_stated(&stated["gain"], Some(twice(&lied) - twice(&self.cleared)), 2), "{id}: {key}");
            }
            // What another mechanism of the core makes of the same book.
            "k" => self.count(key, stated, outcome_of(self.case, "average").volume),
            "max_volume" => {
                self.count(key, stated, outcome_of(self.case, "maximal_volume").volume);
                let mechanism = json!({ "name": "maximal_volume", "pairing": "descending" });
                let descending = changed(self.case, |case| case["mechanism"] = mechanism);
                self.count(key, stated, descending.clearing.outcomes[0].volume);
            }
            "first_best" => {
                assert!(is_stated(stated, Some(outcome_of(self.case, "uniform").welfare), 1), "{id}: {key}");
                assert!(fraction(stated).0 * self.den >= outcome.welfare, "{id}: {key}");
            }
            "first_best_volume" | "one_shot_volume" => {
                self.count(key, stated, outcome_of(self.case, "uniform").volume);
            }
            "pair_midpoint_price" => {
                let rule = changed(self.case, |case| case["mechanism"]["price_rule"] = json!("last_pair_midpoint"));
                self.count(key, stated, rule.clearing.outcomes[0].price_sell);
            }
            known if OF_THE_BOOK.contains(&known) => {}
            unknown => panic!("{id} of {} states {unknown}, which nobody checks", self.family()),
        }
    }

    fn history(&self, rounds: &[Value]) {
        let mut rows = Vec::new();
        let mut volume = 0;
        for round in rounds {
            let pairs = round["pairs"].as_array().unwrap();
            assert_eq!(round["price"].is_null(), pairs.is_empty(), "{}: price of a round", self.id);
            let lots: i64 = pairs.iter().map(|pair| pair[2].as_i64().unwrap()).sum();
            assert_eq!(Some(lots), round["volume"].as_i64(), "{}: volume of a round", self.id);
            volume += lots;
            rows.extend(pairs.iter().map(|pair| (pair.as_array().unwrap().clone(), &round["price"])));
        }
        self.trades(&rows);
        assert_eq!((self.outcome.volume, self.detail.rounds as usize), (volume, rounds.len()), "{}", self.id);
    }

    /// Every outcome of the lottery is as likely as any other: their mean is what is stated.
    fn expected_utilities(&self, stated: &Value) {
        let mut outcomes = BTreeMap::new();
        for seed in 0..40 {
            let cleared = changed(self.case, |case| case["mechanism"]["seed"] = json!(seed));
            assert_eq!(cleared.clearing.den, 1, "{}: a price that is no tick", self.id);
            outcomes.insert(cleared.filled.clone(), gains(self.case, &cleared));
        }
        let pool = self.case["expected"]["lottery_pool"].as_array().unwrap().len();
        assert_eq!(outcomes.len(), pool.max(1), "{}: outcomes of the lottery", self.id);
        for (row, name) in self.names.iter().enumerate() {
            let sum = outcomes.values().map(|gains| gains[row]).sum();
            assert!(is_stated(&stated[name], Some(sum), outcomes.len() as i128), "{}: mean gain of {name}", self.id);
        }
    }
}

fn check(case: &Value) {
    let checked = Checked::of(case);
    assert!(checked.cleared.clearing.reject.is_none(), "{}: every order is sound", checked.id);
    for (key, stated) in case["expected"].as_object().unwrap() {
        checked.check(key, stated);
    }
}

/// Folders in a folder, by name.
fn folders(folder: &Path) -> BTreeMap<String, PathBuf> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path.join("case.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_case_comes_out() {
    for family in FAMILIES {
        let cases = folders(&root().join(family));
        assert!(!cases.is_empty(), "no case of {family}");
        for (id, path) in cases {
            let case = read(&path);
            assert_eq!((&case["id"], &case["mechanism"]["name"]), (&json!(id), &json!(family)), "{}", path.display());
            check(&case);
        }
    }
}

#[test]
fn every_family_is_known() {
    let known: BTreeSet<&str> = FAMILIES.into_iter().chain(NOT_OF_THE_CORE.map(|(family, _)| family)).collect();
    let found = folders(&root());
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "check a new family, or say why not");
}

/// Changes one stated number and expects the check to fail.
fn must_fail(family: &str, id: &str, change: impl FnOnce(&mut Value)) {
    let mut case = read(&root().join(family).join(id));
    change(&mut case["expected"]);
    let failed = std::panic::catch_unwind(|| check(&case)).is_err();
    assert!(failed, "{family} {id} passes with a wrong number");
}

#[test]
fn a_wrong_number_is_found() {
    must_fail("vickrey", "D03", |expected| expected["payments"]["s1"] = json!(-121));
    must_fail("multi_round", "I03", |expected| expected["history"][2]["price"] = json!(20));
    must_fail("muda", "G06", |expected| expected["fees"]["B1"] = json!(41));
    must_fail("sbba", "G02", |expected| expected["expected_utilities"]["s1"] = json!([35, 3]));
    must_fail("huang", "F01", |expected| expected["price"] = json!(33));
    must_fail("maximal_volume", "B07", |expected| expected["pairs"][0][2] = json!(2));
    must_fail("trade_reduction", "E02", |expected| expected["branch"] = json!("all_trade"));
    must_fail("average", "H01", |expected| expected["best_misreport"]["gain"] = json!(6));
    must_fail("average", "H01", |expected| expected["unheard_of"] = json!(0));
}
