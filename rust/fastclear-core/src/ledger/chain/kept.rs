//! A chain whose blocks are made in one place and written in another, and one that is saved.

use super::super::account_leaf::state_root;
use super::super::consortium::next_validators;
use super::super::merkle::{self, Hash};
use super::super::order_leaf::{ORDER_ENTRY_LEN, ORDER_LEN, OrderLeaf};
use super::super::record::{self, RECORD_ENTRY_LEN, RECORD_LEN};
use super::super::salt::SaltKey;
use super::super::{Header, LedgerError};
use super::{Block, Chain, Position, gross};
use crate::settlement::accounts::Accounts;
use crate::settlement::posting::Posting;

impl Chain {
    /// The chain with these headers, each the next of the one before, and accounts after the last of them.
    ///
    /// `None` where they do not follow each other, or end in other account states.
    pub(crate) fn restored(
        params_hash: Hash,
        key: SaltKey,
        headers: Vec<Header>,
        accounts: Accounts,
        last_time: Option<u64>,
    ) -> Option<Self> {
        let mut hashes: Vec<Hash> = Vec::with_capacity(headers.len());
        let (mut next_seq, mut last_header_time) = (0_u64, None);
        let id = headers.first().map_or_else(|| key.chain_id(&params_hash), |first| first.chain_id);
        for (height, header) in headers.iter().enumerate() {
            let follows = header.height == height as u64
                && header.prev == hashes.last().copied().unwrap_or_default()
                && header.chain_id == id
                && header.params_hash == params_hash
                && header.first_seq == next_seq
                && last_header_time < Some(header.time_ns);
            if !follows {
                return None;
            }
            next_seq = next_seq.checked_add(u64::from(header.records))?;
            last_header_time = Some(header.time_ns);
            hashes.push(header.hash());
        }
        let ends_there = headers.last().is_none_or(|last| !last.has_state || last.state_root == state_root(&accounts));
        let position = Position { accounts, next_seq, last_time };
        // What is saved holds no block that changes who cosigns: the last header says it of the next one, too.
        let validators = headers.last().map_or_else(Hash::default, |last| last.validators_hash);
        ends_there.then_some(Self { params_hash, id, key, headers, hashes, position, validators })
    }

    /// The block of this header and these leaf entries, checked as a verifier checks it; it may be pushed then. The
    /// first block of a chain says itself which chain it is.
    ///
    /// # Errors
    /// A leaf that is none, what [`Position::admit`] refuses, or [`LedgerError::NotNext`] for a header that does not
    /// follow or does not fit its leaves.
    pub fn next_block(&self, header: &Header, records: Vec<u8>, orders: Vec<u8>) -> Result<Block, LedgerError> {
        let first = self.height() == 0;
        let last = self.headers.last();
        let mut after = self.position.clone();
        let mut postings: Vec<Posting> = Vec::with_capacity(records.len() / RECORD_ENTRY_LEN);
        for (index, entry) in records.chunks(RECORD_ENTRY_LEN).enumerate() {
            let posting = record::decode(entry.get(..RECORD_LEN).unwrap_or(entry))?;
            after.admit(index as u64, &posting, header.has_state)?;
            postings.push(posting);
        }
        let leaves =
            orders.chunks(ORDER_ENTRY_LEN).map(|entry| OrderLeaf::decode(entry.get(..ORDER_LEN).unwrap_or(entry)));
        let leaves = leaves.collect::<Result<Vec<_>, _>>()?;
        let whole = records.len().is_multiple_of(RECORD_ENTRY_LEN) && orders.len().is_multiple_of(ORDER_ENTRY_LEN);
        let follows = header.height == self.height()
            && header.prev == self.head()
            && (first || header.chain_id == self.id)
            && last.is_none_or(|last| last.time_ns < header.time_ns && last.has_state == header.has_state)
            && header.params_hash == self.params_hash
            && header.first_seq == self.position.next_seq
            && (first || header.validators_hash == self.validators)
            && after.last_time.is_none_or(|time| time <= header.time_ns);
        let fits = whole
            && leaves.windows(2).all(|pair| pair[0].order(&pair[1]).is_le())
            && header.records as usize == postings.len()
            && header.orders as usize == leaves.len()
            && header.records_root == merkle::root_of_entries(&records, RECORD_ENTRY_LEN)
            && header.orders_root == merkle::root_of_entries(&orders, ORDER_ENTRY_LEN)
            && header.state_root == if header.has_state { state_root(&after.accounts) } else { Hash::default() }
            && header.gross == gross(&postings)?;
        if !(follows && fits) {
            return Err(LedgerError::NotNext);
        }
        let validators_after = next_validators(header.validators_hash, &postings)?;
        Ok(Block { hash: header.hash(), header: *header, records, orders, after, validators_after })
    }

    /// [`Chain::push`] of a block that [`Chain::next_block`] has checked.
    ///
    /// # Errors
    /// [`LedgerError::NotNext`] for any other block.
    pub fn push_next(&mut self, block: &Block) -> Result<(), LedgerError> {
        if self.headers.is_empty() {
            self.id = block.header.chain_id;
        }
        self.push(block)
    }
}
