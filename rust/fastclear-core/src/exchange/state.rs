//! The exchange, and how it is a machine.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::command::Command;
use super::genesis::Genesis;
use super::keys::Keys;
use super::members::Members;
use super::obey::Refusal;
use super::reply::{Reply, Status};
use super::slot::Slot;
use crate::bytes::Malformed;
use crate::ledger::{Chain, Hash};
use crate::machine::{LoadError, Machine};
use crate::settlement::posting::Posting;
use crate::settlement::{Bank, Tariff, TaxRates, Terms};

/// A clearing house: accounts, books of slots, and a chain of blocks, changed by commands alone.
///
/// # Examples
/// ```
/// use fastclear_core::auction::{Mechanism, Uniform};
/// use fastclear_core::exchange::{Command, Exchange, Genesis, Name, Reply, Status};
/// use fastclear_core::machine::Machine;
/// use fastclear_core::settlement::{Imbalance, Tariff, accounts::PLATFORM};
///
/// let genesis = Genesis {
///     platform: "demo".to_owned(),
///     mechanism: Mechanism::from(Uniform::default()),
///     deficit_to: PLATFORM,
///     tariff: Tariff::new(300_000, 50_000, 0, 0, 0)?,
///     imbalance: Imbalance::default(),
///     slot_ns: 900_000_000_000,
///     gate: None,
///     remember: 10,
/// };
/// let mut exchange = Exchange::new(genesis)?;
/// let open = Command::Open { limit: 0, names: vec![Name::Text("Ada".to_owned())] };
/// let mut reply = Vec::new();
/// exchange.apply(1, &open.encode(0), &mut reply);
/// assert_eq!(Reply::decode(&reply)?.status, Status::Done);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Exchange {
    pub(super) genesis: Genesis,
    pub(super) params_hash: Hash,
    pub(super) bank: Bank,
    pub(super) members: Members,
    /// Slots that are not sealed yet.
    pub(super) slots: BTreeMap<i64, Slot>,
    /// Slots that are.
    pub(super) sealed: BTreeSet<i64>,
    /// Next id that the exchange gives to an order without one.
    pub(super) next_order: u64,
    /// Postings since the last block.
    pub(super) unsealed: Vec<Posting>,
    /// `None` before the first block, whose key decides which chain it is.
    pub(super) chain: Option<Chain>,
    pub(super) keys: Keys,
    /// Engine time of the last command.
    pub(super) time_ns: u64,
}

impl Exchange {
    /// A new exchange under these terms.
    ///
    /// # Errors
    /// [`Malformed`] for terms that cannot be.
    pub fn new(genesis: Genesis) -> Result<Self, Malformed> {
        genesis.check()?;
        let bank = Bank::new(genesis.tariff)
            .map_err(|_| Malformed { at: 0, reason: "the house accounts cannot be opened" })?;
        let mut bank = bank.with_imbalance(genesis.imbalance);
        let unsealed = bank.take();
        Ok(Self {
            params_hash: params_hash(&genesis),
            keys: Keys::new(genesis.remember),
            genesis,
            bank,
            members: Members::default(),
            slots: BTreeMap::new(),
            sealed: BTreeSet::new(),
            next_order: 1,
            unsealed,
            chain: None,
            time_ns: 0,
        })
    }

    /// The terms.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The accounts.
    pub const fn bank(&self) -> &Bank {
        &self.bank
    }

    /// Who has which account.
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// A slot that is not sealed yet and of which something is known.
    pub fn slot(&self, slot: i64) -> Option<&Slot> {
        self.slots.get(&slot)
    }

    /// Every such slot, ascending.
    pub fn slots(&self) -> impl Iterator<Item = (i64, &Slot)> {
        self.slots.iter().map(|(&start, slot)| (start, slot))
    }

    /// Whether a slot is sealed.
    pub fn is_sealed(&self, slot: i64) -> bool {
        self.sealed.contains(&slot)
    }

    /// The chain; none before the first block.
    pub const fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    /// Number of postings since the last block.
    pub fn unsealed(&self) -> usize {
        self.unsealed.len()
    }

    /// Engine time of the last command, ns.
    pub const fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// The terms of a slot: reservations made under them are for that slot.
    pub(super) fn terms(&self, slot: i64) -> Terms {
        let tariff: &Tariff = &self.genesis.tariff;
        let ppm = tariff.tax_ppm();
        let rates = TaxRates { energy: ppm, platform: ppm, network: ppm, residual: ppm };
        // A tariff whose tax is in range has terms in every slot.
        Terms::new(tariff, slot, rates, Default::default()).unwrap_or_else(|_| Terms::from(*tariff))
    }

    /// Does one command and says what came of it.
    pub fn execute(&mut self, time_ns: u64, bytes: &[u8]) -> Reply {
        if let Err(error) = self.bank.advance(time_ns.max(self.time_ns)) {
            return Reply::refusal(Status::TimeOutOfRange, error.to_string());
        }
        self.time_ns = time_ns.max(self.time_ns);
        let (key, command) = match Command::decode(bytes) {
            Ok(decoded) => decoded,
            Err(fault) => return Reply::refusal(Status::Malformed, format!("the bytes are no command: {fault}")),
        };
        if key == 0 {
            return self.obey(&command);
        }
        let asked = command.digest();
        match self.keys.get(key) {
            Some((known, answer)) if *known == asked => {
                // What was remembered was encoded here, and is looked at when it is loaded.
                return Reply::decode(answer)
                    .unwrap_or_else(|fault| Reply::refusal(Status::Malformed, fault.to_string()));
            }
            Some(_) => {
                return Reply::refusal(
                    Status::KeyReused,
                    format!("key {key:#x} was used for another command; give every command a key of its own"),
                );
            }
            None => {}
        }
        let reply = self.obey(&command);
        self.keys.remember(key, asked, &reply);
        reply
    }

    /// Obeys a command; a refusal has changed nothing.
    fn obey(&mut self, command: &Command) -> Reply {
        let mut reply = match self.try_to(command) {
            Ok(reply) => reply,
            Err(Refusal { status, message }) => Reply::refusal(status, message),
        };
        reply.postings = self.bank.take();
        self.unsealed.extend_from_slice(&reply.postings);
        reply
    }
}

/// SHA-256 of the canonical text.
pub(super) fn params_hash(genesis: &Genesis) -> Hash {
    Sha256::digest(genesis.text().as_bytes()).into()
}

impl Machine for Exchange {
    fn apply(&mut self, time_ns: u64, command: &[u8], reply: &mut Vec<u8>) {
        self.execute(time_ns, command).encode(reply);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.save_whole(out);
    }

    fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        Self::load_whole(bytes).map_err(|Malformed { at, reason }| LoadError { at, reason: reason.to_owned() })
    }

    fn root(&self) -> [u8; 32] {
        self.state_hash()
    }
}
