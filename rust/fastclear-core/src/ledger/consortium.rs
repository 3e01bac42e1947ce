//! Who vouches for the blocks: validators with their keys, and how many of them it takes.
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | 4 bytes | tag `FCV1` |
//! | 4 | u16 | version 1 |
//! | 6 | u16 | threshold: signatures that make a quorum |
//! | 8 | u16 | validators |
//! | 10 | 6 bytes | zero |
//! | 16 | | each validator, by name: u8 length of the name, the name, 32 bytes of Ed25519 key |
//!
//! SHA-256(`0x08` ‖ these bytes) is the header's validators hash. The consortium of a header is the one that cosigns
//! the log which that header ends. A membership record (kind 17, code 2) carries the hash of the next one, in force
//! from the next height on.

use sha2::{Digest, Sha256};

use super::LedgerError;
use super::bytes::{put, take, u16_at};
use super::merkle::Hash;
use super::record::VERSION;
use super::signature::{self, KEY_LEN};
use crate::settlement::hash_lines::{self, MEMBERSHIP_VALIDATORS};
use crate::settlement::posting::{Kind, Posting};

/// First bytes of a consortium.
pub const CONSORTIUM_TAG: [u8; 4] = *b"FCV1";
/// Most validators of a consortium.
pub const MAX_VALIDATORS: usize = 100;

const WHAT: &str = "consortium";
const HEAD_LEN: usize = 16;

/// One validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Its name: 1 to 255 visible ASCII characters without `+`.
    pub name: String,
    /// Its Ed25519 key.
    pub key: [u8; KEY_LEN],
}

/// Validators in ascending name, and the number of them that makes a quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consortium {
    threshold: u16,
    validators: Vec<Validator>,
}

impl Consortium {
    /// A consortium of these validators; without a threshold more than two thirds of them make a quorum.
    ///
    /// # Errors
    /// [`LedgerError::Field`] for a name or key that stands twice or is malformed, for none or more than
    /// [`MAX_VALIDATORS`] validators, and for a threshold of 0 or above their number.
    pub fn new(mut validators: Vec<Validator>, threshold: Option<u16>) -> Result<Self, LedgerError> {
        let count = validators.len();
        if count == 0 || count > MAX_VALIDATORS {
            return Err(field("validators", 8));
        }
        validators.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if !validators.iter().all(|validator| is_name(&validator.name))
            || validators.windows(2).any(|pair| pair[0].name == pair[1].name)
        {
            return Err(field("name", HEAD_LEN));
        }
        let mut keys: Vec<_> = validators.iter().map(|validator| validator.key).collect();
        keys.sort_unstable();
        // Ed25519 cosignatures do not name the cosigner: a key that stood twice could count twice.
        if !keys.iter().all(signature::is_key) || keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(field("key", HEAD_LEN));
        }
        let threshold = threshold.unwrap_or(2 * count as u16 / 3 + 1);
        if threshold == 0 || usize::from(threshold) > count {
            return Err(field("threshold", 6));
        }
        Ok(Self { threshold, validators })
    }

    /// How many signatures make a quorum.
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }

    /// The validators in ascending name.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0_u8; HEAD_LEN];
        put(&mut out, 0, CONSORTIUM_TAG);
        put(&mut out, 4, u16::from(VERSION).to_le_bytes());
        put(&mut out, 6, self.threshold.to_le_bytes());
        put(&mut out, 8, (self.validators.len() as u16).to_le_bytes());
        for validator in &self.validators {
            out.push(validator.name.len() as u8);
            out.extend_from_slice(validator.name.as_bytes());
            out.extend_from_slice(&validator.key);
        }
        out
    }

    /// The consortium of these bytes, strictly.
    ///
    /// # Errors
    /// [`LedgerError::Length`], `Tag`, `Version`, or `Field` as for [`Consortium::new`], and for validators that do
    /// not stand by name.
    pub fn decode(bytes: &[u8]) -> Result<Self, LedgerError> {
        let short = |expected| LedgerError::Length { what: WHAT, expected, got: bytes.len() };
        if bytes.len() < HEAD_LEN {
            return Err(short(HEAD_LEN));
        }
        if bytes[..4] != CONSORTIUM_TAG {
            return Err(LedgerError::Tag { what: WHAT });
        }
        let version = u16_at(bytes, 4);
        if version != u16::from(VERSION) {
            return Err(LedgerError::Version { what: WHAT, got: version });
        }
        if bytes[10..HEAD_LEN] != [0; 6] {
            return Err(field("padding", 10));
        }
        let (threshold, count) = (u16_at(bytes, 6), u16_at(bytes, 8));
        let mut validators = Vec::new();
        let mut at = HEAD_LEN;
        for _ in 0..count {
            let len = usize::from(*bytes.get(at).ok_or(short(at + 1))?);
            let end = at + 1 + len + KEY_LEN;
            if bytes.len() < end {
                return Err(short(end));
            }
            let name = str::from_utf8(&bytes[at + 1..at + 1 + len]).map_err(|_| field("name", at + 1))?;
            validators.push(Validator { name: name.to_owned(), key: take(bytes, at + 1 + len) });
            at = end;
        }
        if at != bytes.len() {
            return Err(short(at));
        }
        let sorted = validators.windows(2).all(|pair| pair[0].name < pair[1].name);
        let consortium = Self::new(validators, Some(threshold))?;
        if sorted { Ok(consortium) } else { Err(field("name", HEAD_LEN)) }
    }

    /// SHA-256(`0x08` ‖ bytes): the validators hash of a header.
    pub fn hash(&self) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update([0x08]);
        hasher.update(self.encode());
        hasher.finalize().into()
    }
}

/// Whether a validator may have this name.
pub fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.bytes().all(|byte| (0x21..=0x7E).contains(&byte) && byte != b'+')
}

/// SHA-256(`0x09` ‖ chain id ‖ size ‖ root): what a record in a main chain says of a sub-chain's header log.
pub fn subchain_digest(chain_id: &Hash, size: u64, root: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x09]);
    hasher.update(chain_id);
    hasher.update(size.to_le_bytes());
    hasher.update(root);
    hasher.finalize().into()
}

/// Whether a posting carries a hash instead of money.
pub fn carries_hash(posting: &Posting) -> bool {
    hash_lines::carries_hash(posting.kind, posting.code)
}

/// The hash that a posting carries: in the fields market, buy order, sell order and quantity, 8 bytes each.
pub fn hash_of(posting: &Posting) -> Hash {
    let mut hash = Hash::default();
    put(&mut hash, 0, posting.market.to_le_bytes());
    put(&mut hash, 8, posting.buy_order.to_le_bytes());
    put(&mut hash, 16, posting.sell_order.to_le_bytes());
    put(&mut hash, 24, posting.quantity.to_le_bytes());
    hash
}

/// The posting of this kind and code that carries a hash and stands alone.
pub fn posting_of(kind: Kind, code: u16, hash: &Hash, seq: u64, time_ns: u64) -> Posting {
    let (market, buy_order, sell_order, quantity) = hash_lines::fields(hash);
    Posting {
        kind,
        flags: 0,
        code,
        asset: 0,
        seq,
        time_ns,
        market,
        buy_order,
        sell_order,
        debit: 0,
        credit: 0,
        quantity,
        price: 0,
        amount: 0,
        group: seq,
    }
}

/// The validators hash of the header after one with `now` and these postings.
///
/// # Errors
/// [`LedgerError::Field`] for two changes in one block: whoever is shown one of them has to know that it counts.
pub fn next_validators(now: Hash, postings: &[Posting]) -> Result<Hash, LedgerError> {
    let changes = |posting: &&Posting| posting.kind == Kind::Membership && posting.code == MEMBERSHIP_VALIDATORS;
    let mut changes = postings.iter().filter(changes);
    let next = changes.next().map_or(now, hash_of);
    if changes.next().is_some() {
        return Err(LedgerError::Field { what: "block", field: "second change of validators", offset: 208 });
    }
    Ok(next)
}

const fn field(field: &'static str, offset: usize) -> LedgerError {
    LedgerError::Field { what: WHAT, field, offset }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn validator(name: &str, seed: u8) -> Validator {
        Validator { name: name.to_owned(), key: signature::public_key(&[seed; 32]) }
    }

    #[test]
    fn a_quorum_is_more_than_two_thirds() {
        for (count, quorum) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (10, 7), (100, 67)] {
            let validators = (0..count).map(|i| validator(&format!("v{i}"), i)).collect();
            let consortium = Consortium::new(validators, None).unwrap();
            assert_eq!(consortium.threshold(), quorum, "{count} validators");
            assert!(3 * u32::from(quorum) > 2 * u32::from(count));
        }
    }

    #[test]
    fn bytes_survive_the_round_trip_and_nothing_else_decodes() {
        let consortium =
            Consortium::new(vec![validator("b.example/2", 2), validator("a", 1), validator("c", 3)], Some(2)).unwrap();
        let bytes = consortium.encode();
        assert_eq!(Consortium::decode(&bytes).unwrap(), consortium);
        assert_eq!(bytes.len(), 16 + 3 * 33 + 1 + 11 + 1);
        for length in 0..bytes.len() {
            assert!(Consortium::decode(&bytes[..length]).is_err(), "{length} bytes");
        }
        assert!(Consortium::decode(&[&bytes[..], &[0]].concat()).is_err());
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = Consortium::decode(&flipped) {
                assert_ne!(other.hash(), consortium.hash(), "bit {bit}");
                assert_eq!(other.encode(), flipped, "bit {bit}");
            }
        }
    }

    #[test]
    fn what_could_count_twice_or_never_is_refused() {
        let new = |validators, threshold| Consortium::new(validators, threshold).err();
        assert_eq!(new(vec![], None), Some(field("validators", 8)));
        let many = (0..=100).map(|i| validator(&format!("v{i}"), i)).collect();
        assert_eq!(new(many, None), Some(field("validators", 8)));
        assert_eq!(new(vec![validator("a", 1), validator("a", 2)], None), Some(field("name", 16)));
        assert_eq!(new(vec![validator("a", 1), validator("b", 1)], None), Some(field("key", 16)));
        for name in ["", "a b", "a+b", "é", "a\n", &"x".repeat(256)] {
            assert_eq!(new(vec![validator(name, 1)], None), Some(field("name", 16)), "{name:?}");
        }
        let weak = Validator { name: "a".to_owned(), key: [0; 32] };
        assert_eq!(new(vec![weak], None), Some(field("key", 16)));
        for threshold in [0, 3] {
            assert_eq!(new(vec![validator("a", 1), validator("b", 2)], Some(threshold)), Some(field("threshold", 6)));
        }
    }

    #[test]
    fn a_posting_carries_every_bit_of_a_hash() {
        for bit in 0..256 {
            let mut hash = Hash::default();
            hash[bit / 8] = 1 << (bit % 8);
            let posting = posting_of(Kind::Membership, MEMBERSHIP_VALIDATORS, &hash, 3, 4);
            assert!(carries_hash(&posting));
            assert_eq!(hash_of(&posting), hash);
            assert_eq!(next_validators([9; 32], &[posting]), Ok(hash));
            assert!(next_validators([9; 32], &[posting, posting]).is_err());
        }
        assert_eq!(next_validators([9; 32], &[]), Ok([9; 32]));
    }
}
