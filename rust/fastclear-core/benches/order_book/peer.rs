//! The crate matchcore: one command, one outcome. It knows no participants, so that nothing is asked about self-trades.
//!
//! Its commands are made before the clock runs. It numbers orders by the command that brought them; what an id of ours is
//! there is worked out before, too, and what its trades are in ours after.
//!
//! - A replacement is an amendment if its price is another and it trades nothing. At the same price the order goes to the
//!   back here and not there, and is taken out and put in again.
//! - An order that trades at once and is left with lots trades there at any price, beyond its limit (0.4.0: after sells of 5
//!   at 101 and at 110, a buy of 8 at 101 pays 110). It is handed in as two: what it trades, and what rests. So it is also
//!   with what is left of an order that does not rest. [`Translated::split`] counts them.

use matchcore::{
    AmendCmd, AmendPatch, CancelCmd, Command, CommandKind, CommandMeta, CommandOutcome, CommandReport, LimitOrder,
    LimitOrderPatch, NewOrder, OrderBook, OrderFlags, OrderId, OrderKind, Price, Quantity, QuantityPolicy,
    SequenceNumber, Side, SubmitCmd, TimeInForce, Timestamp, Trade,
};

use crate::flow::{Contestant, Flow, cpu};
use crate::workloads::{Ask, Orders, Step, Tally, Textbook, obey as textbook};

/// Its commands, and of each order of ours where it is there.
#[derive(Default)]
struct Translated {
    commands: Vec<Command>,
    /// By command: the order of ours that it is about.
    ours: Vec<u32>,
    /// By order of ours: its id there, and the price that it has.
    theirs: Vec<(u64, i32)>,
    /// Says what each order trades.
    textbook: [Textbook; 1],
    orders: Orders,
    /// How many orders were handed in as two, or shortened.
    split: usize,
}

impl Translated {
    fn push(&mut self, id: u32, kind: CommandKind) {
        let meta = CommandMeta { sequence_number: SequenceNumber(self.commands.len() as u64), timestamp: Timestamp(0) };
        self.commands.push(Command { meta, kind });
        self.ours.push(id);
    }

    fn submit(&mut self, step: &Step, quantity: u32, stays: TimeInForce) {
        let at = step.id as usize;
        self.theirs.resize(self.theirs.len().max(at + 1), (0, 0));
        self.theirs[at] = (self.commands.len() as u64, step.price);
        let side = if step.side == 1 { Side::Buy } else { Side::Sell };
        let order = LimitOrder::new(Price(step.price as u64), lots(quantity), OrderFlags::new(side, false, stays));
        self.push(step.id, CommandKind::Submit(SubmitCmd { order: NewOrder::Limit(order) }));
    }

    /// An order that trades `traded` lots at once.
    fn enter(&mut self, step: &Step, traded: u32) {
        let rests = step.ask != Ask::Ioc;
        let stays = if rests { TimeInForce::Gtc } else { TimeInForce::Ioc };
        if traded == 0 || traded == step.quantity {
            return self.submit(step, step.quantity, stays);
        }
        self.split += 1;
        self.submit(step, traded, TimeInForce::Ioc);
        if rests {
            self.submit(step, step.quantity - traded, stays);
        }
    }

    fn cancel(&mut self, step: &Step) {
        let (id, _) = self.theirs[step.id as usize];
        self.push(step.id, CommandKind::Cancel(CancelCmd { order_id: OrderId(id), order_kind: OrderKind::Limit }));
    }

    fn replace(&mut self, step: &Step, traded: u32) {
        let (id, price) = self.theirs[step.id as usize];
        if traded > 0 || price == step.price {
            self.cancel(step);
            return self.enter(step, traded);
        }
        self.theirs[step.id as usize].1 = step.price;
        let patch =
            LimitOrderPatch::new().with_price(Price(step.price as u64)).with_quantity_policy(lots(step.quantity));
        let amend = AmendCmd { order_id: OrderId(id), patch: AmendPatch::Limit(patch) };
        self.push(step.id, CommandKind::Amend(amend));
    }

    fn add(&mut self, step: &Step) {
        let mut traded = 0;
        textbook(&mut self.textbook, &mut self.orders, step, |(_, _, _, lots)| traded += lots);
        match step.ask {
            Ask::Add | Ask::Ioc => self.enter(step, traded),
            Ask::Cancel => self.cancel(step),
            Ask::Replace => self.replace(step, traded),
        }
    }
}

fn lots(quantity: u32) -> QuantityPolicy {
    QuantityPolicy::Standard { quantity: Quantity(u64::from(quantity)) }
}

/// Obeys commands; trades with the number of the command that made them.
fn obey(book: &mut OrderBook, commands: &[Command], trades: &mut Vec<(u64, Trade)>) {
    for command in commands {
        let effects = match book.execute(command) {
            CommandOutcome::Applied(CommandReport::Submit(effects) | CommandReport::Amend(effects)) => effects,
            CommandOutcome::Applied(CommandReport::Cancel) => continue,
            CommandOutcome::Rejected(failure) => panic!("matchcore refused {command:?}: {failure}"),
        };
        if let Some(result) = effects.target_order().match_result() {
            let number = command.meta.sequence_number.0;
            trades.extend(result.trades().iter().map(|&trade| (number, trade)));
        }
    }
}

/// It is loaded anew in every round, as the textbook is.
pub fn contestant(flow: &Flow) -> Contestant<'_> {
    let mut all = Translated::default();
    flow.preload.iter().for_each(|step| all.add(step));
    let from = all.commands.len();
    flow.timed.iter().for_each(|step| all.add(step));
    eprintln!("{}: {} orders in other words for matchcore", flow.workload.name, all.split);
    let run = move || {
        let mut book = OrderBook::new("W");
        let mut trades = Vec::with_capacity(flow.made.trades as usize);
        obey(&mut book, &all.commands[..from], &mut trades);
        let start = cpu();
        obey(&mut book, &all.commands[from..], &mut trades);
        let seconds = cpu() - start;
        let mut tally = Tally::default();
        for (taker, trade) in trades {
            let (maker, taker) = (all.ours[trade.maker_order_id().0 as usize], all.ours[taker as usize]);
            tally.add(u64::from(maker), u64::from(taker), trade.price().0 as i32, trade.quantity().0 as u32);
        }
        (seconds, tally)
    };
    Contestant { name: "matchcore 0.4".into(), run: Box::new(run) }
}
