//! One step of a simulation: what many agents do in many markets at once, in an order drawn by lot.
//!
//! Rows are actions. All that one agent does in one market is a turn; the turns of a market come in the order of a shuffle by
//! `ChaCha8` (key from the seed, stream = rank of the market in ascending id, begun anew at every step from the number of
//! the book's next event), and markets one after the other. Within a turn orders come by side, asks first, price, quantity,
//! kind and what else they ask for, so that no result depends on the order of rows: rows that say the same are served in theirs.

use std::collections::BTreeMap;

use super::command::{Commands, NULL, Op};
use super::door::Door;
use super::engine::OrderBook;
use super::event::{Events, Kind, Want};
use super::register::Record;
use crate::auction::lottery::Lottery;
use crate::order::{BUY, ColumnsError, Integers};

/// What a row came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acted {
    /// Id of its order, [`NULL`] of a row that did nothing or was refused.
    pub order: i64,
    /// Reject code.
    pub reject: u16,
    /// Lots that traded within the step, at once or while resting.
    pub traded: i64,
    /// Money for them in nano-currency: + received, − paid.
    pub cash: i64,
}

/// A market after the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Seen {
    /// Market id.
    pub market: i64,
    /// Best bid and its lots, 0 and 0 where there is none.
    pub bid: [i64; 2],
    /// Best ask and its lots, 0 and 0 where there is none.
    pub ask: [i64; 2],
    /// Price of the latest trade, of this step or before; `None` before the first.
    pub last_price: Option<i64>,
    /// Lots that traded in the step.
    pub volume: i64,
    /// Trades in the step.
    pub trades: i64,
}

/// An agent in one market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Agent {
    /// Market id.
    pub market: i64,
    /// Participant id.
    pub agent: i64,
    /// Lots bought in the step.
    pub bought: i64,
    /// Lots sold in the step.
    pub sold: i64,
    /// Money: + received, − paid.
    pub cash: i64,
}

/// What a step came to.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// One a row.
    pub acted: Vec<Acted>,
    /// Every market that a row names, ascending.
    pub seen: Vec<Seen>,
    /// Every agent that a row names or that traded, by market and id, ascending.
    pub agents: Vec<Agent>,
    /// What happened; [`super::Event::command`] is the row.
    pub events: Events,
    /// What it was about, for who settles.
    pub record: Record,
}

/// The rows of actions in the order of arrival, some of them twice, and what each is now.
#[derive(Default)]
struct Arrivals {
    row: Vec<u32>,
    op: Vec<u8>,
}

impl Arrivals {
    fn push(&mut self, row: usize, op: Op) {
        self.row.push(row as u32);
        self.op.push(op as u8);
    }

    fn gather<T: Copy>(&self, column: Option<&[T]>) -> Option<Vec<T>> {
        column.map(|column| self.row.iter().map(|&row| column[row as usize]).collect())
    }

    fn numbers(&self, column: Option<Integers<'_>>) -> Option<Vec<i64>> {
        column.map(|column| self.row.iter().map(|&row| column.get(row as usize)).collect())
    }

    /// Hands the columns of the actions, row for row as they arrive, to `obey`.
    fn obeyed<T>(&self, actions: &Commands<'_>, obey: impl FnOnce(&Commands<'_>) -> T) -> T {
        let wide = [actions.market, actions.participant, actions.expires].map(|column| self.gather(column));
        let bytes = [actions.side, actions.is_market_order, actions.tif, actions.flags, actions.peg]
            .map(|column| self.gather(column));
        let numbers =
            [actions.price, actions.quantity, actions.display, actions.min_quantity, actions.stop, actions.offset]
                .map(|column| self.numbers(column));
        let [market, participant, expires] = wide.each_ref().map(Option::as_deref);
        let [side, is_market_order, tif, flags, peg] = bytes.each_ref().map(Option::as_deref);
        let [price, quantity, display, min_quantity, stop, offset] =
            numbers.each_ref().map(|column| column.as_deref().map(Integers::Wide));
        let rows = self.row.len();
        // An action without a market is in market 0, and one without an agent is nobody's, which no order may be.
        let (in_0, nobodys) = (vec![0; rows], vec![NULL; rows]);
        obey(&Commands {
            rows,
            op: Some(&self.op),
            market: market.or(Some(&in_0)),
            participant: participant.or(Some(&nobodys)),
            side,
            is_market_order,
            tif,
            price,
            quantity,
            expires,
            flags,
            display,
            min_quantity,
            stop,
            peg,
            offset,
            ..Commands::default()
        })
    }
}

/// Rows by market, agent and what they say.
fn sorted(actions: &Commands<'_>) -> Vec<(i64, i64, usize)> {
    let wide = |column: Option<&[i64]>, none: i64, row: usize| column.map_or(none, |column| column[row]);
    let mut rows: Vec<_> = (0..actions.rows)
        .map(|row| (wide(actions.market, 0, row), wide(actions.participant, NULL, row), row))
        .collect();
    let says = |row: usize| {
        let cells = actions.row(row);
        let kind = (cells.is_market_order, cells.tif, cells.flags, cells.expires);
        let more = (cells.display, cells.min_quantity, cells.stop, cells.peg, cells.offset);
        (cells.side, cells.price, cells.quantity, kind, more, row)
    };
    rows.sort_unstable_by(|one, other| {
        (one.0, one.1).cmp(&(other.0, other.1)).then_with(|| says(one.2).cmp(&says(other.2)))
    });
    rows
}

fn arrange(actions: &Commands<'_>, rows: &[(i64, i64, usize)], seed: u64, step: u64, replaces: bool) -> Arrivals {
    let mut arrivals = Arrivals::default();
    let does = |row: usize| actions.quantity.is_some_and(|column| column.get(row) != 0);
    for (rank, market) in rows.chunk_by(|one, other| one.0 == other.0).enumerate() {
        let mut turns: Vec<_> = market.chunk_by(|one, other| one.1 == other.1).collect();
        Lottery::begun(seed, rank as u32, step).shuffle(&mut turns);
        for turn in turns {
            if replaces && turn[0].1 != NULL {
                arrivals.push(turn[0].2, Op::MassCancel);
            }
            for &(_, _, row) in turn.iter().filter(|&&(_, _, row)| does(row)) {
                arrivals.push(row, Op::New);
            }
        }
    }
    arrivals
}

impl OrderBook {
    /// Lets every agent act once: `actions` are new orders, of which those of no lots do nothing. With `replaces`, an
    /// agent's turn in a market begins with taking out all that it has there.
    ///
    /// # Errors
    /// [`ColumnsError`] where the columns do not fit together: nothing has happened then.
    pub fn step(
        &mut self,
        actions: &Commands<'_>,
        seed: u64,
        replaces: bool,
        door: &mut Door,
    ) -> Result<Step, ColumnsError> {
        actions.check()?;
        let rows = sorted(actions);
        let arrivals = arrange(actions, &rows, seed, self.next_seq(), replaces);
        let first = door.register().next_number();
        let mut events = arrivals.obeyed(actions, |commands| self.apply_admitted(commands, Want::Events, door))?;
        let record = door.take_record(None);
        let row_of = |command: u32| arrivals.row.get(command as usize).copied();
        let mut acted = vec![Acted { order: NULL, reject: 0, traded: 0, cash: 0 }; actions.rows];
        for event in &mut events.rows {
            let Some(row) = row_of(event.command) else { continue };
            let is_new = arrivals.op[event.command as usize] == Op::New as u8;
            if event.kind == Kind::Rejected && is_new {
                acted[row as usize].reject = event.reject;
            }
            event.command = row;
        }
        // Numbers count up, so that those of the step are places in a list.
        let mut row_of_number = vec![u32::MAX; (door.register().next_number() - first) as usize];
        for card in record.cards.iter().filter(|card| card.number >= first) {
            if let Some(row) = row_of(card.command) {
                acted[row as usize].order = card.order;
                row_of_number[(card.number - first) as usize] = row;
            }
        }
        let mut named: Vec<Agent> = Vec::new();
        for &(market, agent, _) in &rows {
            if named.last().is_none_or(|last| (last.market, last.agent) != (market, agent)) {
                named.push(Agent { market, agent, ..Agent::default() });
            }
        }
        let mut seen: Vec<Seen> = Vec::new();
        for market in rows.chunk_by(|one, other| one.0 == other.0) {
            seen.push(Seen { market: market[0].0, ..Seen::default() });
        }
        // Agents that did nothing in this step, of whose orders some traded.
        let mut others: BTreeMap<(i64, i64), Agent> = BTreeMap::new();
        for deal in &record.deals {
            let (market, money) = (deal.market, deal.price.saturating_mul(deal.quantity));
            if let Ok(place) = seen.binary_search_by_key(&market, |seen| seen.market) {
                seen[place].volume += deal.quantity;
                seen[place].trades += 1;
            }
            for (side, agent, number) in [(BUY, deal.buyer, deal.buy), (1 - BUY, deal.seller, deal.sell)] {
                let cash = if side == BUY { -money } else { money };
                let row = number.checked_sub(first).and_then(|nth| row_of_number.get(nth as usize));
                if let Some(acted) = row.and_then(|&row| acted.get_mut(row as usize)) {
                    acted.traded += deal.quantity;
                    acted.cash = acted.cash.saturating_add(cash);
                }
                let own = match named.binary_search_by_key(&(market, agent), |own| (own.market, own.agent)) {
                    Ok(place) => &mut named[place],
                    Err(_) => others.entry((market, agent)).or_insert(Agent { market, agent, ..Agent::default() }),
                };
                *(if side == BUY { &mut own.bought } else { &mut own.sold }) += deal.quantity;
                own.cash = own.cash.saturating_add(cash);
            }
        }
        let mut agents = named;
        if !others.is_empty() {
            agents.extend(others.into_values());
            agents.sort_unstable_by_key(|own| (own.market, own.agent));
        }
        for row in &mut seen {
            let mut best =
                |side| self.best(row.market, side).map_or([0, 0], |level| [level.price, level.quantity as i64]);
            (row.bid, row.ask) = (best(BUY), best(1 - BUY));
            row.last_price = door.register().last_price(row.market);
        }
        Ok(Step { acted, seen, agents, events, record })
    }
}
