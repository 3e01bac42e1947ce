//! The state of an exchange as bytes: equal states give equal bytes, and only what was saved is loaded.
//!
//! Accounts are saved as they were at the last block, with the postings since: what they are now follows, as it follows
//! for anyone who replays the ledger. What a gate came to is not saved either but cleared again, and held against a
//! digest.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::command::Name;
use super::genesis::Genesis;
use super::keys::Keys;
use super::members::Members;
use super::slot::Slot;
use super::state::{Exchange, params_hash};
use crate::bytes::{Malformed, Reader, put_count};
use crate::ledger::header::HEADER_LEN;
use crate::ledger::record::{self, RECORD_LEN};
use crate::ledger::salt::SaltKey;
use crate::ledger::{Chain, Hash, Header};
use crate::settlement::accounts::{Account, FIRST_MEMBER, Reservation};
use crate::settlement::bank::kept::Kept;
use crate::settlement::{Accounts, Bank};

/// First bytes of a saved exchange.
const TAG: [u8; 4] = *b"FCX1";
const ACCOUNT_SAVED: usize = 83;
const RESERVATION_SAVED: usize = 32;

impl Exchange {
    pub(super) fn save_whole(&self, out: &mut Vec<u8>) {
        let headers = self.chain.as_ref().map_or(&[][..], Chain::headers);
        out.extend(TAG);
        put_count(out, headers.len());
        for header in headers {
            out.extend(header.encode());
        }
        self.save_rest(out);
    }

    /// Everything but the headers, of which the last one speaks for all.
    pub(super) fn state_hash(&self) -> Hash {
        let mut bytes = TAG.to_vec();
        bytes.extend(self.chain.as_ref().map_or(0, Chain::height).to_le_bytes());
        bytes.extend(self.chain.as_ref().map(Chain::head).unwrap_or_default());
        self.save_rest(&mut bytes);
        Sha256::digest(&bytes).into()
    }

    fn save_rest(&self, out: &mut Vec<u8>) {
        self.genesis.encode(out);
        out.extend(self.time_ns.to_le_bytes());
        out.extend(self.next_order.to_le_bytes());
        let none = Accounts::new();
        let position = self.chain.as_ref().map(Chain::position);
        save_accounts(position.map_or(&none, |position| position.accounts()), out);
        let last_time = position.and_then(crate::ledger::chain::Position::last_time);
        out.push(u8::from(last_time.is_some()));
        out.extend(last_time.unwrap_or(0).to_le_bytes());
        put_count(out, self.unsealed.len());
        for posting in &self.unsealed {
            out.extend(record::encode(posting));
        }
        save_bank(&self.bank.kept(), out);
        put_count(out, self.members.names().len());
        self.members.names().iter().for_each(|name| name.encode(out));
        put_count(out, self.sealed.len());
        self.sealed.iter().for_each(|slot| out.extend(slot.to_le_bytes()));
        put_count(out, self.slots.len());
        for (start, slot) in &self.slots {
            out.extend(start.to_le_bytes());
            slot.save(out);
        }
        self.keys.save(out);
    }

    pub(super) fn load_whole(bytes: &[u8]) -> Result<Self, Malformed> {
        let r = &mut Reader::new(bytes);
        if r.array()? != TAG {
            return Err(Malformed { at: 0, reason: "it is no saved exchange, or one of another version" });
        }
        let header = |r: &mut Reader<'_>| {
            let at = r.at();
            Header::decode(r.slice(HEADER_LEN)?).map_err(|_| Malformed { at, reason: "a header is none" })
        };
        let headers: Vec<Header> = (0..r.count(HEADER_LEN)?).map(|_| header(r)).collect::<Result<_, _>>()?;
        let genesis = Genesis::decode(r)?;
        let (time_ns, next_order) = (r.u64()?, r.u64()?);
        let sealed_accounts = load_accounts(r)?;
        let (has_last, last) = (r.flag()?, r.u64()?);
        if !has_last && last != 0 {
            return Err(r.fault("there is no last record, and it has a time"));
        }
        let params_hash = params_hash(&genesis);
        let had_blocks = !headers.is_empty();
        if !had_blocks && (has_last || !sealed_accounts.is_empty()) {
            return Err(r.fault("there are accounts before the first block"));
        }
        let chain =
            Chain::restored(params_hash, SaltKey::new([0; 32]), headers, sealed_accounts, has_last.then_some(last))
                .ok_or(r.fault("headers do not follow each other, or the accounts are not those of the last one"))?;

        let mut now = chain.position().clone();
        let mut unsealed = Vec::new();
        for index in 0..r.count(RECORD_LEN)? {
            let at = r.at();
            let fault = Malformed { at, reason: "a posting does not follow from the accounts" };
            let posting = record::decode(r.slice(RECORD_LEN)?).map_err(|_| fault)?;
            now.admit(index as u64, &posting, true).map_err(|_| fault)?;
            unsealed.push(posting);
        }
        let kept = load_bank(r)?;
        let follows = kept.next_seq == now.next_seq()
            && now.last_time().is_none_or(|last| last < kept.time_ns)
            && kept.clock <= kept.time_ns
            && kept.open.iter().all(|&(account, _, _, seq, _)| {
                now.accounts().reservation(seq).is_some_and(|held| held.debit == account)
            })
            && kept.open.len() == now.accounts().reservations().len();
        if !follows {
            return Err(r.fault("the bank is not where its accounts are"));
        }
        let bank = Bank::restored(genesis.tariff, genesis.imbalance, now.accounts().clone(), &kept)
            .map_err(|_| r.fault("the bank cannot be opened"))?;

        let names: Vec<Name> = (0..r.count(2)?).map(|_| Name::decode(r)).collect::<Result<_, _>>()?;
        let mut members = Members::default();
        if members.taken(&names).is_some() || FIRST_MEMBER + names.len() as u64 != kept.next_member {
            return Err(r.fault("names and accounts of members do not go together"));
        }
        members.add(&names);
        let mut sealed = BTreeSet::new();
        for _ in 0..r.count(8)? {
            let slot = r.i64()?;
            if !genesis.is_slot(slot) || sealed.last().is_some_and(|&last| last >= slot) {
                return Err(r.fault("a sealed slot is none, or not in order"));
            }
            sealed.insert(slot);
        }
        let mut slots: BTreeMap<i64, Slot> = BTreeMap::new();
        for _ in 0..r.count(10)? {
            let start = r.i64()?;
            let sound = genesis.is_slot(start)
                && !sealed.contains(&start)
                && slots.last_key_value().is_none_or(|(&last, _)| last < start);
            if !sound {
                return Err(r.fault("a slot is none, sealed, or not in order"));
            }
            let slot = Slot::load(start, &genesis, r)?;
            if !slot.orders().iter().all(|order| members.has(order.account))
                || slot.readings().is_some_and(|readings| !readings.keys().all(|&account| members.has(account)))
            {
                return Err(r.fault("an order or reading of a slot is nobody's"));
            }
            slots.insert(start, slot);
        }
        let keys = Keys::load(genesis.remember, r)?;
        r.end()?;
        let chain = had_blocks.then_some(chain);
        Ok(Self { genesis, params_hash, bank, members, slots, sealed, next_order, unsealed, chain, keys, time_ns })
    }
}

fn save_accounts(accounts: &Accounts, out: &mut Vec<u8>) {
    put_count(out, accounts.len());
    for (id, held) in accounts.iter() {
        out.extend(id.to_le_bytes());
        out.extend(held.asset.to_le_bytes());
        out.push(u8::from(held.closed));
        for money in [held.posted, held.pending_out, held.pending_in, held.limit] {
            out.extend(money.to_le_bytes());
        }
        out.extend(held.version.to_le_bytes());
    }
    put_count(out, accounts.reservations().len());
    for (seq, held) in accounts.reservations() {
        for id in [seq, held.debit, held.credit] {
            out.extend(id.to_le_bytes());
        }
        out.extend(held.amount.to_le_bytes());
    }
}

fn load_accounts(r: &mut Reader<'_>) -> Result<Accounts, Malformed> {
    let mut accounts = Vec::new();
    for _ in 0..r.count(ACCOUNT_SAVED)? {
        let id = r.u64()?;
        let (asset, closed, posted) = (r.u16()?, r.flag()?, r.i128()?);
        let (pending_out, pending_in, limit) = (r.i128()?, r.i128()?, r.i128()?);
        let version = r.u64()?;
        accounts.push((id, Account { asset, closed, posted, pending_out, pending_in, limit, version }));
    }
    let mut reservations = Vec::new();
    for _ in 0..r.count(RESERVATION_SAVED)? {
        let seq = r.u64()?;
        reservations.push((seq, Reservation { debit: r.u64()?, credit: r.u64()?, amount: r.i64()? }));
    }
    Accounts::restored(&accounts, &reservations).ok_or(r.fault("the accounts do not balance"))
}

fn save_bank(kept: &Kept, out: &mut Vec<u8>) {
    for value in [kept.next_seq, kept.time_ns, kept.clock, kept.next_member] {
        out.extend(value.to_le_bytes());
    }
    put_count(out, kept.open.len());
    for &(account, market, order, seq, slot) in &kept.open {
        for id in [account, market, order, seq] {
            out.extend(id.to_le_bytes());
        }
        out.push(u8::from(slot.is_some()));
        out.extend(slot.unwrap_or(0).to_le_bytes());
    }
    put_count(out, kept.cycle.len());
    for &(account, opening, deposited) in &kept.cycle {
        out.extend(account.to_le_bytes());
        out.extend(opening.to_le_bytes());
        out.extend(deposited.to_le_bytes());
    }
}

fn load_bank(r: &mut Reader<'_>) -> Result<Kept, Malformed> {
    let (next_seq, time_ns, clock, next_member) = (r.u64()?, r.u64()?, r.u64()?, r.u64()?);
    let mut kept = Kept { next_seq, time_ns, clock, next_member, open: Vec::new(), cycle: Vec::new() };
    for _ in 0..r.count(41)? {
        let (account, market, order, seq) = (r.u64()?, r.u64()?, r.u64()?, r.u64()?);
        let (there, slot) = (r.flag()?, r.i64()?);
        let open = (account, market, order, seq, there.then_some(slot));
        if (!there && slot != 0) || kept.open.last().is_some_and(|last| *last >= open) {
            return Err(r.fault("open orders are not in order"));
        }
        kept.open.push(open);
    }
    for _ in 0..r.count(40)? {
        let line = (r.u64()?, r.i128()?, r.i128()?);
        if kept.cycle.last().is_some_and(|last| last.0 >= line.0) {
            return Err(r.fault("the lines of a cycle are not in order"));
        }
        kept.cycle.push(line);
    }
    Ok(kept)
}
