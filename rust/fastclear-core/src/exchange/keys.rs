//! What was answered under which idempotency key, for so many of the last keyed commands.

use std::collections::{BTreeMap, VecDeque};

use super::reply::Reply;
use crate::bytes::{Malformed, Reader, put_count};
use crate::ledger::Hash;

/// The remembered answers, oldest first. An answer is kept as its bytes, without the leaves of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    most: u32,
    answers: BTreeMap<u128, (Hash, Vec<u8>)>,
    order: VecDeque<u128>,
}

impl Keys {
    pub fn new(most: u32) -> Self {
        Self { most, ..Self::default() }
    }

    /// What was asked for under a key, and the answer.
    pub fn get(&self, key: u128) -> Option<(&Hash, &[u8])> {
        self.answers.get(&key).map(|(asked, answer)| (asked, &answer[..]))
    }

    /// Remembers an answer under a key that is not known; forgets the oldest beyond the limit.
    pub fn remember(&mut self, key: u128, asked: Hash, reply: &Reply) {
        let mut answer = Vec::new();
        reply.encode_again(&mut answer);
        self.put(key, asked, answer);
    }

    fn put(&mut self, key: u128, asked: Hash, answer: Vec<u8>) {
        self.answers.insert(key, (asked, answer));
        self.order.push_back(key);
        while self.order.len() > self.most as usize {
            if let Some(oldest) = self.order.pop_front() {
                self.answers.remove(&oldest);
            }
        }
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        put_count(out, self.order.len());
        for key in &self.order {
            if let Some((asked, answer)) = self.answers.get(key) {
                out.extend(key.to_le_bytes());
                out.extend(asked);
                put_count(out, answer.len());
                out.extend(answer);
            }
        }
    }

    pub fn load(most: u32, r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut keys = Self::new(most);
        let count = r.count(52)?;
        if count > most as usize {
            return Err(r.fault("more answers are remembered than the terms say"));
        }
        for _ in 0..count {
            let (key, asked, len) = (r.u128()?, r.array()?, r.count(1)?);
            let answer = r.slice(len)?;
            if key == 0 || keys.answers.contains_key(&key) || Reply::decode(answer).is_err() {
                return Err(r.fault("an answer is remembered under no key, or twice, or is none"));
            }
            keys.put(key, asked, answer.to_vec());
        }
        Ok(keys)
    }
}
