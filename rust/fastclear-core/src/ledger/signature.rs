//! Ed25519, strictly: one signature has one meaning, on every machine and in the light client.
//!
//! Beyond RFC 8032, what leaves room for dispute is refused: keys and nonces of small order (anybody can make a
//! signature that such a key "verifies"), encodings past the field's prime, and scalars past the group order. That is
//! `verify_strict` of `ed25519-dalek`, and the check of a key's encoding beside it.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// Bytes of a public key and of a secret seed.
pub const KEY_LEN: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;

/// The prime 2^255 - 19, little-endian.
const PRIME: [u8; KEY_LEN] = {
    let mut bytes = [0xFF; KEY_LEN];
    bytes[0] = 0xED;
    bytes[KEY_LEN - 1] = 0x7F;
    bytes
};

/// The public key of a secret seed.
pub fn public_key(seed: &[u8; KEY_LEN]) -> [u8; KEY_LEN] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// Signs a message (RFC 8032, deterministic).
pub fn sign(seed: &[u8; KEY_LEN], message: &[u8]) -> [u8; SIGNATURE_LEN] {
    SigningKey::from_bytes(seed).sign(message).to_bytes()
}

/// Whether these bytes are a public key that may sign: a point, in its one encoding, not of small order.
pub fn is_key(key: &[u8; KEY_LEN]) -> bool {
    is_canonical(key) && VerifyingKey::from_bytes(key).is_ok_and(|key| !key.is_weak())
}

/// Whether the signature is that of the key over the message.
pub fn verify(key: &[u8; KEY_LEN], message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
    is_canonical(key)
        && VerifyingKey::from_bytes(key)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

/// Whether the y coordinate is below the prime.
fn is_canonical(key: &[u8; KEY_LEN]) -> bool {
    let mut y = *key;
    y[KEY_LEN - 1] &= 0x7F;
    y.iter().rev().lt(PRIME.iter().rev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_seed_signs_its_key_verifies_and_no_flipped_bit_does() {
        let (seed, message) = ([7; 32], b"block 5");
        let (key, signature) = (public_key(&seed), sign(&seed, message));
        assert!(is_key(&key) && verify(&key, message, &signature));
        assert!(!verify(&key, b"block 6", &signature));
        for bit in 0..8 * SIGNATURE_LEN {
            let mut flipped = signature;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&key, message, &flipped), "signature bit {bit}");
        }
        for bit in 0..8 * KEY_LEN {
            let mut flipped = key;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&flipped, message, &signature), "key bit {bit}");
        }
    }

    #[test]
    fn keys_past_the_prime_are_no_keys() {
        assert!(!is_canonical(&PRIME));
        let mut below = PRIME;
        below[0] -= 1;
        assert!(is_canonical(&below));
        for y in 0..=18 {
            let mut key = PRIME;
            key[0] += y;
            assert!(!is_key(&key) && !verify(&key, b"", &[0; 64]), "p + {y}");
        }
    }
}
