//! The exchange as a machine: the same commands give the same bytes, a refusal changes nothing, a saved state goes on as
//! if nothing had happened, and no bytes make it panic.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fastclear_core::auction::muda::Variant;
use fastclear_core::auction::price::{PairPrice, PairRule, PriceRound, Share};
use fastclear_core::auction::rationing::Rationing;
use fastclear_core::auction::{
    Discriminatory, Huang, Mechanism, Muda, MultiRound, RandomMatching, RankedRule, Rule, Sbba, TradeReduction,
    Uniform, Vickrey,
};
use fastclear_core::exchange::{
    Command, Event, EventKind, Exchange, Gate, Genesis, Name, OrderBatch, Phase, Reply, Status,
};
use fastclear_core::ledger::Chain;
use fastclear_core::machine::Machine;
use fastclear_core::settlement::accounts::FIRST_MEMBER;
use fastclear_core::settlement::{Imbalance, Owner, Shortfall, Tariff};
use proptest::prelude::*;

const SLOT: i64 = 1_000_000;

fn genesis() -> Genesis {
    Genesis {
        platform: "demo".to_owned(),
        tariff: Tariff::new(300, 50, 1, 2, 190_000).unwrap(),
        slot_ns: SLOT as u64,
        remember: 5,
        ..Genesis::default()
    }
}

fn mechanisms() -> Vec<Mechanism> {
    let pair = PairRule { price: PairPrice::Share(Share::HALF), price_round: PriceRound::Ceil };
    let ranked = |rule| Mechanism::from(Rule::Ranked(rule));
    let caps = (Some(-5), Some(900));
    vec![
        Uniform::default().into(),
        Uniform { rationing: Rationing::Lottery { seed: u64::MAX }, reserve: Some(-3), fee: 4, ..Uniform::default() }
            .into(),
        Mechanism { cap_low: caps.0, cap_high: caps.1, ..Uniform::default().into() },
        Discriminatory { rule: pair, fee: 1, reserve: None }.into(),
        ranked(RankedRule::Vickrey(Vickrey)),
        ranked(RankedRule::Huang(Huang)),
        Mechanism {
            cap_low: caps.0,
            cap_high: caps.1,
            rule: Rule::Ranked(RankedRule::TradeReduction(TradeReduction {
                use_p0: true,
                cap_low: caps.0,
                cap_high: caps.1,
                unit: 1,
            })),
        },
        ranked(RankedRule::Sbba(Sbba { seed: 3, unit: 1 })),
        ranked(RankedRule::Muda(Muda { variant: Variant::Lottery, seed: 9 })),
        ranked(RankedRule::RandomMatching(RandomMatching { rule: pair, seed: 1 })),
        ranked(RankedRule::MultiRound(MultiRound { buyer_step: 3, seller_step: 3, max_rounds: 50 })),
    ]
}

/// A generator that needs no crate: the constants of Knuth's MMIX.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn account(&mut self) -> u64 {
        FIRST_MEMBER + self.below(6) // the last one is a stranger
    }

    fn slot(&mut self) -> i64 {
        (self.below(4) as i64) * SLOT + i64::from(self.below(40) == 0)
    }

    /// Any command, most of them sensible, in any order.
    fn command(&mut self) -> Command {
        match self.below(12) {
            0 => Command::Deposit { accounts: vec![self.account()], amounts: vec![self.below(1 << 20) as i64 - 9] },
            1 => Command::Withdraw { accounts: vec![self.account()], amounts: vec![self.below(1 << 12) as i64] },
            2 => Command::Cancel {
                slot: self.slot(),
                markets: vec![self.below(2); 2],
                orders: vec![self.below(12), self.below(12)],
                accounts: vec![self.account(), self.account()],
            },
            3 => Command::CloseGate { slot: self.slot() },
            4 => Command::Meter {
                slot: self.slot(),
                accounts: vec![self.account()],
                energy: vec![self.below(99) as i64 - 50],
            },
            5 => Command::Settle { slot: self.slot(), losses: i64::from(self.below(9) == 0) },
            6 => {
                let slot = (self.below(3) > 0).then(|| self.slot());
                Command::Seal { slot, key: [self.below(256) as u8; 32] }
            }
            7 if self.below(3) == 0 => Command::CloseCycle,
            8 if self.below(3) == 0 => Command::Open { limit: 5_000, names: vec![Name::Number(self.below(6) as i64)] },
            9 if self.below(3) == 0 => Command::SetLimit { account: self.account(), limit: self.below(1 << 14) as i64 },
            _ => {
                let n = self.below(6) as usize;
                let mut column = |of: &mut dyn FnMut(&mut Self) -> i64| (0..n).map(|_| of(self)).collect::<Vec<i64>>();
                let side = column(&mut |dice| dice.below(2) as i64);
                let price = column(&mut |dice| dice.below(60) as i64 - 2);
                let quantity = column(&mut |dice| dice.below(9) as i64);
                let account = column(&mut |dice| dice.account() as i64);
                let market = column(&mut |dice| dice.below(2) as i64);
                let orders = OrderBatch {
                    side: side.iter().map(|&side| side as u8).collect(),
                    price,
                    quantity,
                    account: account.iter().map(|&id| id as u64).collect(),
                    market: market.iter().map(|&id| id as u64).collect(),
                    order: if self.below(2) == 0 { Vec::new() } else { (0..n).map(|_| self.below(12)).collect() },
                    kind: if self.below(4) == 0 { vec![1; n] } else { Vec::new() },
                    min_quantity: if self.below(4) == 0 { vec![1; n] } else { Vec::new() },
                    ..OrderBatch::default()
                };
                Command::Submit { slot: self.slot(), orders }
            }
        }
    }

    /// The bytes of a command, some of them under a key that was used before.
    fn bytes(&mut self) -> Vec<u8> {
        let key = if self.below(3) == 0 { u128::from(self.below(8)) } else { 0 };
        self.command().encode(key)
    }
}

fn begun(genesis: Genesis) -> Exchange {
    let mut exchange = Exchange::new(genesis).unwrap();
    let names = (0..5).map(Name::Number).collect();
    assert_eq!(exchange.execute(1, &Command::Open { limit: 2_000, names }.encode(0)).status, Status::Done);
    exchange
}

fn saved(exchange: &Exchange) -> Vec<u8> {
    let mut state = Vec::new();
    exchange.save(&mut state);
    state
}

#[test]
fn any_history_goes_on_after_saving_and_a_refusal_changes_nothing() {
    let (mut refused, mut sealed, mut repeated) = (0, 0, 0);
    for (nth, mechanism) in mechanisms().into_iter().enumerate() {
        let gate = (nth % 2 == 1).then(|| Gate::new(2 * SLOT, -SLOT).unwrap());
        let terms = Genesis { mechanism, gate, ..genesis() };
        let (mut exchange, mut twin) = (begun(terms.clone()), begun(terms));
        let mut dice = Dice(nth as u64 + 1);
        let (mut time, mut last) = (1, Vec::new());
        for step in 0..300 {
            let bytes = if dice.below(8) == 0 && !last.is_empty() { last.clone() } else { dice.bytes() };
            last.clone_from(&bytes);
            time += dice.below(60_000);
            let mut idle = exchange.clone();
            let mut reply = Vec::new();
            exchange.apply(time, &bytes, &mut reply);
            let decoded = Reply::decode(&reply).unwrap();
            let mut again = Vec::new();
            decoded.encode(&mut again);
            assert_eq!(again, reply, "replies are canonical");
            // The twin lives from snapshot to snapshot.
            let mut its_reply = Vec::new();
            twin = Exchange::load(&saved(&twin)).unwrap();
            twin.apply(time, &bytes, &mut its_reply);
            assert_eq!(its_reply, reply, "step {step} of {mechanism:?}");
            assert_eq!(twin.root(), exchange.root());
            if decoded.status != Status::Done && (bytes[2..18] == [0; 16] || decoded.status == Status::KeyReused) {
                assert_eq!(idle.execute(time, b"").status, Status::Malformed);
                assert_eq!(saved(&idle), saved(&exchange), "{decoded:?}");
                assert!(!decoded.message.is_empty());
                refused += 1;
            }
            if decoded.repeated {
                assert!(decoded.postings.is_empty() || decoded.leaves.is_none());
                repeated += 1;
            }
            assert!(exchange.bank().accounts().audit());
            sealed += usize::from(decoded.leaves.is_some());
        }
    }
    assert!(refused > 300 && sealed > 30 && repeated > 30, "{refused} refused, {sealed} sealed, {repeated} repeated");
}

/// Clear, stop, settle: wherever a history is cut and loaded, it ends in the same state and the same blocks.
#[test]
fn a_cut_between_clearing_and_settling_ends_in_the_same_state() {
    let orders = |side: u8, price: i64, account: u64| OrderBatch {
        side: vec![side],
        price: vec![price],
        quantity: vec![10],
        account: vec![FIRST_MEMBER + account],
        ..OrderBatch::default()
    };
    let history: Vec<Vec<u8>> = [
        Command::Submit { slot: 0, orders: orders(1, 90, 0) },
        Command::Submit { slot: 0, orders: orders(0, 40, 1) },
        Command::CloseGate { slot: 0 },
        Command::Meter { slot: 0, accounts: vec![FIRST_MEMBER], energy: vec![12] },
        Command::Settle { slot: 0, losses: 0 },
        Command::Seal { slot: Some(0), key: [7; 32] },
    ]
    .iter()
    .map(|command| command.encode(0))
    .collect();
    let run = |cut: usize| {
        let mut exchange = begun(genesis());
        let mut replies = Vec::new();
        for (step, command) in history.iter().enumerate() {
            if step == cut {
                exchange = Exchange::load(&saved(&exchange)).unwrap();
            }
            exchange.apply(100 * (step as u64 + 1), command, &mut replies);
        }
        (exchange.root(), replies, exchange.chain().map(Chain::head))
    };
    let whole = run(history.len());
    assert!(whole.2.is_some());
    for cut in 0..history.len() {
        assert_eq!(run(cut), whole, "cut before command {cut}");
    }
}

#[test]
fn terms_are_read_as_they_were_written() {
    let owners = [Owner::Members, Owner::House(3)];
    let mut policies = vec![Imbalance::SinglePrice, Imbalance::Pooled];
    for to in owners {
        policies.push(Imbalance::Backup { residual_to: to });
        policies.push(Imbalance::DualPrice { penalty: 4, dead_band: 9, to });
        for rule in [Shortfall::BuyerMadeWhole, Shortfall::BuyerPaysRetail] {
            policies.push(Imbalance::ShortfallAllocation { rule, residual_to: to });
        }
    }
    let mut texts = std::collections::BTreeSet::new();
    for mechanism in mechanisms() {
        for &imbalance in &policies {
            let terms = Genesis { mechanism, imbalance, ..genesis() };
            let text = terms.text();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&json).unwrap(), text, "sorted keys, no space");
            assert!(texts.insert(text));
            let exchange = Exchange::new(terms.clone()).unwrap();
            assert_eq!(Exchange::load(&saved(&exchange)).unwrap().genesis(), &terms);
        }
    }
}

#[test]
fn terms_that_cannot_be_are_refused() {
    let refuse = |terms: Genesis| Exchange::new(terms).err().unwrap().reason;
    assert!(refuse(Genesis { platform: "A b".to_owned(), ..genesis() }).contains("platform"));
    assert!(refuse(Genesis { platform: "x".repeat(65), ..genesis() }).contains("platform"));
    assert!(refuse(Genesis { deficit_to: 5, ..genesis() }).contains("deficit"));
    assert!(refuse(Genesis { slot_ns: 0, ..genesis() }).contains("slot"));
    let to = Owner::House(BOUNDARY);
    assert!(refuse(Genesis { imbalance: Imbalance::Backup { residual_to: to }, ..genesis() }).contains("left over"));
    let dual = Imbalance::DualPrice { penalty: -1, dead_band: 0, to: Owner::Members };
    assert!(refuse(Genesis { imbalance: dual, ..genesis() }).contains("out of range"));
    let mechanism = Mechanism { cap_low: Some(9), cap_high: Some(1), ..Uniform::default().into() };
    assert!(refuse(Genesis { mechanism, ..genesis() }).contains("cap_low"));
    assert!(Gate::new(5, 5).is_none() && Gate::new(4, 5).is_none());
}
const BOUNDARY: u64 = fastclear_core::settlement::accounts::BOUNDARY;

/// What no account can ever cover is that order's fault; the others of its batch are taken.
#[test]
fn one_order_beyond_all_money_fails_alone() {
    let tariff = Tariff::new(300, 50, 1, 2, 1_000_000).unwrap(); // a tax that doubles the price
    let mut exchange = begun(Genesis { tariff, ..genesis() });
    let open = Command::Open { limit: i64::MAX, names: vec![Name::Text("rich".to_owned())] };
    exchange.execute(2, &open.encode(0));
    let rich = FIRST_MEMBER + 5;
    exchange.execute(3, &Command::Deposit { accounts: vec![rich; 2], amounts: vec![i64::MAX; 2] }.encode(0));
    let most = (1 << 31) - 1;
    let orders = OrderBatch {
        side: vec![1, 1],
        price: vec![most, 5],
        quantity: vec![most, 1],
        account: vec![rich; 2],
        ..OrderBatch::default()
    };
    let reply = exchange.execute(4, &Command::Submit { slot: 0, orders }.encode(0));
    let codes: Vec<(EventKind, u16)> = reply.events.iter().map(|event: &Event| (event.kind, event.code)).collect();
    assert_eq!(codes, [(EventKind::Rejected, 13), (EventKind::Accepted, 0)]);
    assert_eq!(exchange.slot(0).unwrap().phase(), Phase::Open);
}

#[test]
fn a_saved_state_with_any_byte_changed_is_refused_or_another_state() {
    let mut exchange = begun(genesis());
    let mut dice = Dice(77);
    for step in 0..120 {
        exchange.execute(10 + step * 5_000, &dice.bytes());
    }
    let state = saved(&exchange);
    let mut refused = 0;
    for at in 0..state.len() {
        let mut changed = state.clone();
        changed[at] ^= 1 << (at % 8);
        match Exchange::load(&changed) {
            Ok(other) => {
                assert_eq!(saved(&other), changed, "byte {at}: what is loaded is what was saved");
                assert_ne!(other.root(), exchange.root());
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > state.len() / 4, "{refused} of {}", state.len());
    for len in 0..state.len() {
        assert!(Exchange::load(&state[..len]).is_err(), "cut at {len}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), number in 0_u8..13, time: u64) {
        let mut exchange = begun(genesis());
        let mut command = vec![1, number];
        command.extend([0; 16]);
        command.extend(&bytes);
        for candidate in [&bytes, &command] {
            if let Ok((key, decoded)) = Command::decode(candidate) {
                prop_assert_eq!(&decoded.encode(key), candidate);
            }
            let reply = exchange.execute(time, candidate);
            let mut encoded = Vec::new();
            reply.encode(&mut encoded);
            prop_assert_eq!(Reply::decode(&encoded).unwrap(), reply);
            let _ = (Reply::decode(candidate), Exchange::load(candidate));
        }
    }

    /// A good command with a few bytes changed: taken as another command, or refused.
    #[test]
    fn commands_are_canonical(seed: u64, flips in prop::collection::vec((any::<u16>(), any::<u8>()), 0..4)) {
        let mut dice = Dice(seed);
        for _ in 0..8 {
            let mut bytes = dice.bytes();
            let (key, command) = Command::decode(&bytes).unwrap();
            prop_assert_eq!(&command.encode(key), &bytes);
            for &(at, value) in &flips {
                let len = bytes.len();
                bytes[usize::from(at) % len] = value;
            }
            if let Ok((key, command)) = Command::decode(&bytes) {
                prop_assert_eq!(command.encode(key), bytes);
            }
        }
    }
}
