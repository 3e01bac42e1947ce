//! Each command: what it checks, what it changes, what it says.

use std::collections::BTreeSet;

use super::command::{Command, Name, OrderBatch};
use super::mechanism;
use super::members::Members;
use super::reply::{Event, EventKind, Leaves, Reply, Status};
use super::slot::{self, Gated, Phase, Slot, SlotOrder};
use super::state::Exchange;
use crate::ledger::salt::SaltKey;
use crate::ledger::{Chain, Draft};
use crate::reject::RejectReason;
use crate::settlement::{ClearedSlot, Meter, Orders, SettleError};
use crate::units::{PRICE_MAX, QUANTITY_MAX};

/// Why a command is refused; nothing has changed.
pub(super) struct Refusal {
    pub status: Status,
    pub message: String,
}

/// What came of a command.
type Answer = Result<Reply, Refusal>;

fn refuse<T>(status: Status, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { status, message: message.into() })
}

/// A refusal of the bank, with the member's name in front.
fn told(members: &Members, error: &SettleError) -> Refusal {
    let name = error.account().and_then(|account| members.name(account));
    let who = match name {
        Some(Name::Number(number)) => format!("participant {number}: "),
        Some(Name::Text(text)) => format!("participant {text}: "),
        None => error.account().map_or(String::new(), |account| format!("account {account}: ")),
    };
    Refusal { status: Status::Settlement, message: format!("{who}{error}") }
}

fn done(events: Vec<Event>) -> Reply {
    Reply { events, ..Reply::default() }
}

impl Exchange {
    pub(super) fn try_to(&mut self, command: &Command) -> Answer {
        match command {
            Command::Open { limit, names } => self.open(*limit, names),
            Command::Deposit { accounts, amounts } => {
                self.bank.deposit(accounts, amounts).map_err(|error| told(&self.members, &error))?;
                Ok(done(Vec::new()))
            }
            Command::Withdraw { accounts, amounts } => {
                self.bank.withdraw(accounts, amounts).map_err(|error| told(&self.members, &error))?;
                Ok(done(Vec::new()))
            }
            Command::SetLimit { account, limit } => {
                self.bank.set_limit(*account, *limit).map_err(|error| told(&self.members, &error))?;
                Ok(done(Vec::new()))
            }
            Command::Submit { slot, orders } => self.submit(*slot, orders),
            Command::Cancel { slot, markets, orders, accounts } => self.cancel(*slot, markets, orders, accounts),
            Command::CloseGate { slot } => self.close_gate(*slot),
            Command::Meter { slot, accounts, energy } => self.meter(*slot, accounts, energy),
            Command::Settle { slot, losses } => self.settle(*slot, *losses),
            Command::CloseCycle => {
                let cycle = self.bank.close_cycle(&[]).map_err(|error| told(&self.members, &error))?;
                Ok(Reply { cycle, events: vec![Event::new(EventKind::CycleClosed)], ..Reply::default() })
            }
            Command::Seal { slot, key } => self.seal(*slot, *key),
        }
    }

    fn open(&mut self, limit: i64, names: &[Name]) -> Answer {
        if let Some(name) = self.members.taken(names) {
            let name = match name {
                Name::Number(number) => number.to_string(),
                Name::Text(text) => format!("{text:?}"),
            };
            return refuse(Status::NameTaken, format!("participant {name} is open already; open each one once"));
        }
        let first = self.bank.open(names.len(), limit).map_err(|error| told(&self.members, &error))?;
        self.members.add(names);
        let opened =
            |row: usize| Event { row: row as u32, account: first + row as u64, ..Event::new(EventKind::Opened) };
        Ok(done((0..names.len()).map(opened).collect()))
    }

    fn check_slot(&self, slot: i64) -> Result<(), Refusal> {
        if self.genesis.is_slot(slot) {
            return Ok(());
        }
        let every = self.genesis.slot_ns;
        refuse(
            Status::NotASlot,
            format!("no slot starts at {slot}; give ns since 1970 UTC, a whole multiple of {every}"),
        )
    }

    /// Why an order of this time is not taken, by the gate of its slot alone; 0 where it is.
    fn at_gate(&self, slot: i64, time: i64) -> u16 {
        let closed =
            self.sealed.contains(&slot) || self.slots.get(&slot).is_some_and(|slot| slot.phase() != Phase::Open);
        let (open, close) = self.genesis.gate.map_or((i128::MIN, i128::MAX), |gate| gate.of(slot));
        match i128::from(time) {
            _ if closed => RejectReason::MarketClosed.code(),
            time if time < open => RejectReason::GateNotOpen.code(),
            time if time >= close => RejectReason::MarketClosed.code(),
            _ => 0,
        }
    }

    /// The orders of a batch with what it leaves out filled in, and the code that each is refused with so far.
    fn read(&self, slot: i64, batch: &OrderBatch, next_order: &mut u64) -> Vec<(SlotOrder, u16)> {
        let now = self.time_ns as i64;
        let known = self.slots.get(&slot);
        let mut taken: BTreeSet<(u64, u64)> = BTreeSet::new();
        let mut read = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let mut order = SlotOrder {
                side: batch.side[row],
                kind: batch.kind.get(row).copied().unwrap_or(0),
                reject: 0,
                market: batch.market.get(row).copied().unwrap_or(0),
                order: batch.order.get(row).copied().unwrap_or(0),
                account: batch.account[row],
                price: batch.price[row],
                quantity: batch.quantity[row],
                time: batch.time.get(row).copied().unwrap_or(now),
                min_quantity: batch.min_quantity.get(row).copied().unwrap_or(0),
            };
            let stands = |order: &SlotOrder, taken: &BTreeSet<(u64, u64)>| {
                taken.contains(&(order.market, order.order))
                    || known.is_some_and(|slot| slot.row(order.market, order.order).is_some())
            };
            if batch.order.is_empty() {
                loop {
                    order.order = *next_order;
                    *next_order = next_order.wrapping_add(1);
                    if !stands(&order, &taken) {
                        break;
                    }
                }
            }
            let border = batch.refused.get(row).copied().unwrap_or(0);
            let border = if border == 0 || RejectReason::ALL.iter().any(|reason| reason.code() == border) {
                border
            } else {
                RejectReason::InstructionsInvalid.code()
            };
            let gate = self.at_gate(slot, order.time);
            let own = match slot::refuse(&order, border, &self.genesis.mechanism) {
                0 if order.kind > 1 => RejectReason::UnknownType.code(),
                own => own,
            };
            order.reject = match (gate, own) {
                (0, 0) if !self.members.has(order.account) => RejectReason::UnknownParticipant.code(),
                (0, 0) if stands(&order, &taken) => RejectReason::DuplicateOrder.code(),
                (0, own) => own,
                (gate, _) => gate,
            };
            if order.reject == 0 {
                taken.insert((order.market, order.order));
            }
            read.push((order, gate));
        }
        read
    }

    fn submit(&mut self, slot: i64, batch: &OrderBatch) -> Answer {
        self.check_slot(slot)?;
        let mut next_order = self.next_order;
        let mut read = self.read(slot, batch, &mut next_order);
        let sound: Vec<usize> = (0..read.len()).filter(|&row| read[row].0.reject == 0).collect();
        let column = |of: &dyn Fn(&SlotOrder) -> u64| sound.iter().map(|&row| of(&read[row].0)).collect::<Vec<u64>>();
        let (account, market, order) =
            (column(&|order| order.account), column(&|order| order.market), column(&|order| order.order));
        let side: Vec<u8> = sound.iter().map(|&row| read[row].0.side).collect();
        // A market order may pay whatever price there is.
        let worst = |order: &SlotOrder| if order.kind == 1 { PRICE_MAX } else { order.price };
        let price: Vec<i64> = sound.iter().map(|&row| worst(&read[row].0)).collect();
        let quantity: Vec<i64> = sound.iter().map(|&row| read[row].0.quantity).collect();
        let terms = self.terms(slot);
        // What no account can ever cover is one order's fault, not the batch's.
        let network_fee = self.genesis.tariff.network_fee();
        let too_much =
            |nth: usize| side[nth] == 1 && i64::try_from(terms.cover(price[nth], quantity[nth], network_fee)).is_err();
        let exceeded = RejectReason::CreditExceeded.code();
        let mut codes: Vec<u16> = (0..sound.len()).map(|nth| if too_much(nth) { exceeded } else { 0 }).collect();
        let orders = Orders {
            side: &side,
            price: &price,
            quantity: &quantity,
            account: &account,
            market: &market,
            order: &order,
            network_fee: None,
        };
        self.bank.set_terms(terms);
        self.bank.reserve(&orders, &mut codes).map_err(|error| told(&self.members, &error))?;
        for (&row, &code) in sound.iter().zip(&codes) {
            read[row].0.reject = code;
        }
        self.next_order = next_order;
        let mut events = Vec::with_capacity(read.len());
        for (row, (order, gate)) in read.into_iter().enumerate() {
            let kind = if order.reject == 0 { EventKind::Accepted } else { EventKind::Rejected };
            events.push(Event {
                detail: order.side,
                code: order.reject,
                row: row as u32,
                market: order.market,
                order: order.order,
                account: order.account,
                price: order.price,
                quantity: order.quantity,
                ..Event::new(kind)
            });
            // What came outside of the gate never was in its book.
            if gate == 0 {
                let slot = self.slots.entry(slot).or_default();
                if order.reject == 0 { slot.accept(order) } else { slot.refuse(order) }
            }
        }
        Ok(done(events))
    }

    fn cancel(&mut self, start: i64, markets: &[u64], orders: &[u64], accounts: &[u64]) -> Answer {
        self.check_slot(start)?;
        let gate = self.at_gate(start, self.time_ns as i64);
        let mut events = Vec::with_capacity(orders.len());
        let mut rows: Vec<usize> = Vec::new();
        let mut taken = BTreeSet::new();
        for nth in 0..orders.len() {
            let row = self.slots.get(&start).and_then(|slot| slot.row(markets[nth], orders[nth]));
            let own = row.filter(|&row| self.slots[&start].orders()[row].account == accounts[nth]);
            let code = match own {
                _ if gate != 0 => gate,
                Some(row) if taken.insert(row) => {
                    rows.push(row);
                    0
                }
                _ => RejectReason::UnknownOrder.code(),
            };
            let kind = if code == 0 { EventKind::Cancelled } else { EventKind::Rejected };
            events.push(Event {
                code,
                row: nth as u32,
                market: markets[nth],
                order: orders[nth],
                account: accounts[nth],
                ..Event::new(kind)
            });
        }
        self.bank.set_terms(self.terms(start));
        if let Some(slot) = self.slots.get_mut(&start) {
            let columns = OrderColumns::of(rows.iter().map(|&row| &slot.orders()[row]));
            let released = self.bank.release(&Orders {
                side: &columns.side,
                account: &columns.account,
                market: &columns.market,
                order: &columns.order,
                ..Orders::default()
            });
            released.map_err(|error| told(&self.members, &error))?;
            for row in rows {
                slot.cancel(row);
            }
        }
        Ok(done(events))
    }

    fn close_gate(&mut self, start: i64) -> Answer {
        self.check_slot(start)?;
        if self.sealed.contains(&start) || self.slots.get(&start).is_some_and(|slot| slot.phase() != Phase::Open) {
            return refuse(Status::GateClosed, format!("the gate of slot {start} is closed already"));
        }
        if let Some(gate) = self.genesis.gate {
            let (_, close) = gate.of(start);
            if i128::from(self.time_ns) < close {
                let now = self.time_ns;
                return refuse(
                    Status::GateOpen,
                    format!("the gate of slot {start} is open until {close}, and it is {now}; close it then"),
                );
            }
        }
        let slot = self.slots.entry(start).or_default();
        let (digest, mut events) = slot.close(start, &self.genesis);
        let stood = slot.gated().map_or(0, |gated| gated.rows.len());
        events.push(Event { quantity: stood as i64, ..Event::new(EventKind::GateClosed) });
        Ok(Reply { events, digest: Some(digest), ..Reply::default() })
    }

    fn meter(&mut self, start: i64, accounts: &[u64], energy: &[i64]) -> Answer {
        self.check_slot(start)?;
        let phase = self.slots.get(&start).map(Slot::phase);
        if self.sealed.contains(&start) || phase == Some(Phase::Settled) {
            return refuse(
                Status::SlotSettled,
                format!("slot {start} is settled; bring its readings before it is settled"),
            );
        }
        for (&account, &wh) in accounts.iter().zip(energy) {
            if !self.members.has(account) {
                return refuse(Status::Settlement, format!("account {account} is no member's; open it first"));
            }
            if wh.unsigned_abs() > QUANTITY_MAX.unsigned_abs() {
                return refuse(
                    Status::ReadingOutOfRange,
                    format!(
                        "account {account} has a reading of {wh} Wh; keep it between -2^31 and 2^31, both excluded"
                    ),
                );
            }
        }
        self.slots.entry(start).or_default().read(accounts, energy);
        let metered = accounts.iter().zip(energy).enumerate().map(|(row, (&account, &quantity))| Event {
            row: row as u32,
            account,
            quantity,
            ..Event::new(EventKind::Metered)
        });
        Ok(done(metered.collect()))
    }

    fn settle(&mut self, start: i64, losses: i64) -> Answer {
        self.check_slot(start)?;
        match self.slots.get(&start).map_or(Phase::Open, Slot::phase) {
            _ if self.sealed.contains(&start) => {
                return refuse(Status::SlotSettled, format!("slot {start} is settled and sealed already"));
            }
            Phase::Open => {
                return refuse(Status::GateNotClosed, format!("the gate of slot {start} is open; close it first"));
            }
            Phase::Settled => return refuse(Status::SlotSettled, format!("slot {start} is settled already")),
            Phase::Cleared => {}
        }
        self.bank.set_terms(self.terms(start));
        let deficit_to = self.genesis.deficit_to;
        let per_unit = !mechanism::of_slot(self.genesis.mechanism, start).pays_sums();
        let Some(slot) = self.slots.get_mut(&start) else {
            return refuse(Status::GateNotClosed, format!("nothing is known of slot {start}; close its gate first"));
        };
        let (mut columns, mut trades) = (OrderColumns::default(), TradeSums::default());
        let mut den = 1;
        if let Some(Gated { rows, clearing, .. }) = slot.gated() {
            columns = OrderColumns::of(rows.iter().map(|&row| &slot.orders()[row]));
            den = i64::from(clearing.den);
            if let Some(list) = &clearing.trades {
                trades = TradeSums {
                    buy_row: list.buy_row.clone(),
                    sell_row: list.sell_row.clone(),
                    quantity: list.quantity.clone(),
                    buy_price: list.buy_price.clone(),
                    sell_price: list.sell_prices().to_vec(),
                    amounts: (0..list.len()).map(|trade| list.amounts(trade)).unzip(),
                };
            }
        }
        let cleared = ClearedSlot {
            side: &columns.side,
            account: &columns.account,
            market: &columns.market,
            order: &columns.order,
            buy_row: &trades.buy_row,
            sell_row: &trades.sell_row,
            quantity: &trades.quantity,
            buy_price: &trades.buy_price,
            sell_price: &trades.sell_price,
            buy_amount: &trades.amounts.0,
            sell_amount: &trades.amounts.1,
            network_fee: None,
            den,
            per_unit,
            deficit_to,
        };
        let (accounts, energy): (Vec<u64>, Vec<i64>) =
            slot.readings().into_iter().flatten().map(|(&account, &energy)| (account, energy)).unzip();
        let meter = Meter { account: &accounts, energy: &energy, due: slot.readings().is_some(), losses };
        self.bank.settle_for_good(&[cleared], &meter).map_err(|error| told(&self.members, &error))?;
        slot.settled();
        Ok(done(vec![Event::new(EventKind::Settled)]))
    }

    fn seal(&mut self, start: Option<i64>, key: [u8; 32]) -> Answer {
        let mut orders = Vec::new();
        if let Some(start) = start {
            self.check_slot(start)?;
            match self.slots.get(&start) {
                _ if self.sealed.contains(&start) => {
                    return refuse(Status::SlotSealed, format!("slot {start} is sealed already"));
                }
                Some(slot) if slot.phase() == Phase::Settled => orders = slot.leaves(),
                _ => {
                    return refuse(Status::SlotNotSettled, format!("slot {start} is not settled; settle it first"));
                }
            }
        }
        let key = SaltKey::new(key);
        let draft = Draft {
            orders,
            postings: &self.unsealed,
            with_state: true,
            slot: start.unwrap_or(0) as u64,
            not_before: self.time_ns,
        };
        let fresh;
        let chain = if let Some(chain) = &self.chain {
            chain
        } else {
            fresh = Chain::new(self.params_hash, key.clone());
            &fresh
        };
        let block = match chain.draft_salted(draft, &key) {
            Ok(block) => block,
            Err(error) => return refuse(Status::Ledger, error.to_string()),
        };
        let chain = self.chain.get_or_insert_with(|| Chain::new(self.params_hash, key));
        if let Err(error) = chain.push(&block) {
            return refuse(Status::Ledger, error.to_string());
        }
        self.unsealed.clear();
        if let Some(start) = start {
            self.slots.remove(&start);
            self.sealed.insert(start);
        }
        let height = block.header.height as i64;
        Ok(Reply {
            events: vec![Event { quantity: height, ..Event::new(EventKind::Sealed) }],
            header: Some(block.header),
            leaves: Some(Leaves { records: block.records, orders: block.orders }),
            ..Reply::default()
        })
    }
}

/// Orders as a bank looks at them.
#[derive(Default)]
struct OrderColumns {
    side: Vec<u8>,
    account: Vec<u64>,
    market: Vec<u64>,
    order: Vec<u64>,
}

impl OrderColumns {
    fn of<'a>(orders: impl Iterator<Item = &'a SlotOrder>) -> Self {
        let mut columns = Self::default();
        for order in orders {
            columns.side.push(order.side);
            columns.account.push(order.account);
            columns.market.push(order.market);
            columns.order.push(order.order);
        }
        columns
    }
}

/// Trades as a bank looks at them.
#[derive(Default)]
struct TradeSums {
    buy_row: Vec<i64>,
    sell_row: Vec<i64>,
    quantity: Vec<i64>,
    buy_price: Vec<i64>,
    sell_price: Vec<i64>,
    /// Of the buyer, and of the seller.
    amounts: (Vec<i64>, Vec<i64>),
}
