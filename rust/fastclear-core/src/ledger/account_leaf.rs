//! One account as 96 bytes, and the root over all of them.
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | 4 bytes | tag `FCA1` |
//! | 4 | u16 | asset: 0 = money, 1 = claims on members |
//! | 6 | u16 | bit 0: closed; the others zero |
//! | 8 | u64 | account |
//! | 16 | i128 | posted: credits minus debits, nano-currency |
//! | 32 | i128 | pending out |
//! | 48 | i128 | pending in |
//! | 64 | i128 | credit limit |
//! | 80 | u64 | version: postings that touched it |
//! | 88 | u64 | zero |

use super::bytes::put;
use super::merkle::{self, Hash};
use crate::settlement::accounts::{Account, Accounts};

/// Bytes of an account leaf.
pub const ACCOUNT_LEN: usize = 96;
/// First bytes of an account leaf.
pub const ACCOUNT_TAG: [u8; 4] = *b"FCA1";

/// The 96 bytes of an account.
pub fn encode(id: u64, account: &Account) -> [u8; ACCOUNT_LEN] {
    let mut out = [0_u8; ACCOUNT_LEN];
    put(&mut out, 0, ACCOUNT_TAG);
    put(&mut out, 4, account.asset.to_le_bytes());
    put(&mut out, 6, u16::from(account.closed).to_le_bytes());
    put(&mut out, 8, id.to_le_bytes());
    put(&mut out, 16, account.posted.to_le_bytes());
    put(&mut out, 32, account.pending_out.to_le_bytes());
    put(&mut out, 48, account.pending_in.to_le_bytes());
    put(&mut out, 64, account.limit.to_le_bytes());
    put(&mut out, 80, account.version.to_le_bytes());
    out
}

/// RFC 9162 root over the account leaves in ascending id; SHA-256 of nothing where there is no account.
pub fn state_root(accounts: &Accounts) -> Hash {
    merkle::root_of_entries(&leaves(accounts), ACCOUNT_LEN)
}

/// The account leaves in ascending id, one after another: what the state root is over.
pub fn leaves(accounts: &Accounts) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(accounts.len() * ACCOUNT_LEN);
    bytes.extend(accounts.iter().flat_map(|(id, account)| encode(id, account)));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_stands_at_its_place() {
        let account =
            Account { asset: 0x1314, closed: true, posted: -2, pending_out: 3, pending_in: 5, limit: 7, version: 11 };
        let bytes = encode(0x0102_0304_0506_0708, &account);
        assert_eq!(&bytes[..8], b"FCA1\x14\x13\x01\0");
        assert_eq!(bytes[8..16], [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!((bytes[16], &bytes[17..32]), (0xFE, &[0xFF; 15][..]));
        assert_eq!((bytes[32], bytes[48], bytes[64], bytes[80]), (3, 5, 7, 11));
        assert_eq!(bytes[88..], [0; 8]);
    }

    #[test]
    fn no_account_is_the_hash_of_nothing() {
        assert_eq!(state_root(&Accounts::new()), merkle::empty_root());
    }
}
