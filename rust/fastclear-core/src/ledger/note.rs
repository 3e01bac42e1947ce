//! Checkpoints of the header log, and the signatures under them: C2SP signed notes.
//!
//! ```text
//! origin
//! size in decimal digits
//! base64 of the root
//!
//! — name base64(key id ‖ signature)
//! ```
//!
//! The three lines are a `tlog-checkpoint` without extension lines; a blank line and one line a signature make it a
//! `signed-note`. The log signs the three lines (type `0x01`), validators cosign them with the time (`cosignature/v1`,
//! type `0x04`). A key id is the first four bytes of SHA-256(name ‖ `\n` ‖ type ‖ key).
//!
//! Sources: <https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>, <https://c2sp.org/tlog-cosignature>.

use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::consortium::{Consortium, MAX_VALIDATORS};
use super::merkle::Hash;
use super::signature::{self, KEY_LEN, SIGNATURE_LEN};

/// Longest note in bytes.
pub const MAX_NOTE_LEN: usize = 1 << 16;
/// Most signature lines of a note.
pub const MAX_SIGNATURES: usize = 2 * MAX_VALIDATORS;
/// Signature type of a log over its own checkpoint.
pub const TYPE_LOG: u8 = 0x01;
/// Signature type of a timestamped cosignature.
pub const TYPE_COSIGNATURE: u8 = 0x04;

const DASH: &str = "\u{2014} ";

/// Why a note is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteError {
    /// Too long, no UTF-8, or a control character.
    Text,
    /// No blank line between text and signatures, or no newline at the end.
    Shape,
    /// A signature line that is not `— name base64`.
    SignatureLine {
        /// Which one, from 0.
        line: usize,
    },
    /// Other than three lines of text, or an empty origin.
    Lines,
    /// A size that is no decimal number below 2^63 in its shortest form.
    Size,
    /// A root that is not the base64 of 32 bytes.
    Root,
    /// A signature of a known key that does not verify.
    BadSignature {
        /// The key's name.
        name: String,
    },
    /// Too few validators have signed.
    Quorum {
        /// How many have.
        signed: usize,
        /// How many it takes.
        threshold: usize,
    },
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("the note is too long, not UTF-8, or holds a control character"),
            Self::Shape => f.write_str("the note is not lines of text, a blank line and lines of signatures"),
            Self::SignatureLine { line } => write!(f, "signature line {line} is not '— name base64'"),
            Self::Lines => f.write_str("the checkpoint is not three lines: origin, size, root"),
            Self::Size => f.write_str("the checkpoint's size is no number below 2^63 without leading zeros"),
            Self::Root => f.write_str("the checkpoint's root is not the base64 of 32 bytes"),
            Self::BadSignature { name } => write!(f, "the signature of {name} does not verify"),
            Self::Quorum { signed, threshold } => write!(f, "{signed} validators have signed, {threshold} have to"),
        }
    }
}

impl core::error::Error for NoteError {}

/// Where a header log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of headers.
    pub size: u64,
    /// Root over their hashes.
    pub root: Hash,
}

impl Checkpoint {
    /// The three lines.
    pub fn encode(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The checkpoint of three lines, strictly.
    ///
    /// # Errors
    /// [`NoteError::Text`], `Lines`, `Size` or `Root`.
    pub fn decode(text: &str) -> Result<Self, NoteError> {
        if !is_text(text) {
            return Err(NoteError::Text);
        }
        let lines: Vec<&str> = text.strip_suffix('\n').ok_or(NoteError::Lines)?.split('\n').collect();
        let [origin, size, root] = lines[..] else {
            return Err(NoteError::Lines);
        };
        if origin.is_empty() {
            return Err(NoteError::Lines);
        }
        let number = size.parse().ok().filter(|&number: &u64| number < 1 << 63 && number.to_string() == size);
        let root = unbase64(root).and_then(|root| root.try_into().ok()).ok_or(NoteError::Root)?;
        Ok(Self { origin: origin.to_owned(), size: number.ok_or(NoteError::Size)?, root })
    }
}

/// One line of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine {
    /// The key's name.
    pub name: String,
    /// First bytes of the hash over name, type and key.
    pub key_id: [u8; 4],
    /// What follows the key id.
    pub signature: Vec<u8>,
}

impl SignatureLine {
    /// The line with its newline.
    pub fn encode(&self) -> String {
        format!("{DASH}{} {}\n", self.name, STANDARD.encode([&self.key_id[..], &self.signature].concat()))
    }

    fn decode(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
            return None;
        }
        let bytes = unbase64(encoded)?;
        let (key_id, signature) = bytes.split_first_chunk::<4>()?;
        (!signature.is_empty()).then(|| Self { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
    }
}

/// A checkpoint with signatures, none of them checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The signatures, in the note's order.
    pub signatures: Vec<SignatureLine>,
}

/// A cosignature that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// Which validator of the consortium, in its order.
    pub validator: usize,
    /// When it signed, seconds since 1970 UTC.
    pub time: u64,
}

impl Note {
    /// The note of these bytes, strictly.
    ///
    /// # Errors
    /// Every [`NoteError`] but `BadSignature` and `Quorum`.
    pub fn decode(bytes: &[u8]) -> Result<Self, NoteError> {
        let text = str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_NOTE_LEN && is_text(text));
        let text = text.ok_or(NoteError::Text)?;
        let (before, lines) = text.rsplit_once("\n\n").ok_or(NoteError::Shape)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Shape)?;
        let checkpoint = Checkpoint::decode(&format!("{before}\n"))?;
        let mut signatures = Vec::new();
        for (line, text) in lines.split('\n').enumerate() {
            let signature = SignatureLine::decode(text).filter(|_| line < MAX_SIGNATURES);
            signatures.push(signature.ok_or(NoteError::SignatureLine { line })?);
        }
        Ok(Self { checkpoint, signatures })
    }

    /// The validators that have cosigned, each once, in the consortium's order. Lines of unknown keys are passed over.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] if a line of a validator does not verify.
    pub fn cosigners(&self, consortium: &Consortium) -> Result<Vec<Cosigned>, NoteError> {
        let mut found = Vec::new();
        for (validator, known) in consortium.validators().iter().enumerate() {
            let id = key_id(&known.name, TYPE_COSIGNATURE, &known.key);
            let mut latest = None;
            for line in self.signatures.iter().filter(|line| line.key_id == id && line.name == known.name) {
                let time = cosignature_time(&known.key, &self.checkpoint, &line.signature);
                latest = latest.max(Some(time.ok_or_else(|| NoteError::BadSignature { name: known.name.clone() })?));
            }
            found.extend(latest.map(|time| Cosigned { validator, time }));
        }
        Ok(found)
    }

    /// The validators that have cosigned, if they make a quorum.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] or `Quorum`.
    pub fn quorum(&self, consortium: &Consortium) -> Result<Vec<Cosigned>, NoteError> {
        let found = self.cosigners(consortium)?;
        let threshold = usize::from(consortium.threshold());
        if found.len() < threshold {
            return Err(NoteError::Quorum { signed: found.len(), threshold });
        }
        Ok(found)
    }

    /// Whether the log with this name and key has signed.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] if a line of that key does not verify.
    pub fn signed_by_log(&self, name: &str, key: &[u8; KEY_LEN]) -> Result<bool, NoteError> {
        let id = key_id(name, TYPE_LOG, key);
        let text = self.checkpoint.encode();
        let mut signed = false;
        for line in self.signatures.iter().filter(|line| line.key_id == id && line.name == name) {
            let holds = <&[u8; SIGNATURE_LEN]>::try_from(&line.signature[..])
                .is_ok_and(|bytes| signature::verify(key, text.as_bytes(), bytes));
            if !holds {
                return Err(NoteError::BadSignature { name: name.to_owned() });
            }
            signed = true;
        }
        Ok(signed)
    }
}

/// First four bytes of SHA-256(name ‖ `\n` ‖ type ‖ key).
pub fn key_id(name: &str, kind: u8, key: &[u8; KEY_LEN]) -> [u8; 4] {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([b'\n', kind]);
    hasher.update(key);
    let hash: Hash = hasher.finalize().into();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The line of a log that signs its checkpoint.
pub fn sign_log(name: &str, seed: &[u8; KEY_LEN], checkpoint: &Checkpoint) -> SignatureLine {
    let signature = signature::sign(seed, checkpoint.encode().as_bytes()).to_vec();
    let key_id = key_id(name, TYPE_LOG, &signature::public_key(seed));
    SignatureLine { name: name.to_owned(), key_id, signature }
}

/// The line of a validator that cosigns a checkpoint at `time`, seconds since 1970 UTC (below 2^63).
pub fn cosign(name: &str, seed: &[u8; KEY_LEN], checkpoint: &Checkpoint, time: u64) -> SignatureLine {
    let signed = signature::sign(seed, cosigned_message(checkpoint, time).as_bytes());
    let key_id = key_id(name, TYPE_COSIGNATURE, &signature::public_key(seed));
    SignatureLine { name: name.to_owned(), key_id, signature: [&time.to_be_bytes()[..], &signed].concat() }
}

fn cosigned_message(checkpoint: &Checkpoint, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{}", checkpoint.encode())
}

/// The time of a cosignature, or `None` if it does not verify.
fn cosignature_time(key: &[u8; KEY_LEN], checkpoint: &Checkpoint, bytes: &[u8]) -> Option<u64> {
    let (time, signed) = bytes.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    let signed = <&[u8; SIGNATURE_LEN]>::try_from(signed).ok()?;
    let message = cosigned_message(checkpoint, time);
    (time < 1 << 63 && signature::verify(key, message.as_bytes(), signed)).then_some(time)
}

/// Whether the text holds no control character but newlines.
fn is_text(text: &str) -> bool {
    text.bytes().all(|byte| byte >= 0x20 || byte == b'\n')
}

/// The bytes of base64 in its one spelling.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::consortium::Validator;
    use super::*;

    fn consortium() -> Consortium {
        let validator = |name: &str, seed| Validator { name: name.to_owned(), key: signature::public_key(&[seed; 32]) };
        Consortium::new(vec![validator("a", 1), validator("b", 2), validator("c", 3)], Some(2)).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "log".to_owned(), size: 7, root: [9; 32] }
    }

    fn note(lines: &[SignatureLine]) -> Note {
        let text: String = lines.iter().map(SignatureLine::encode).collect();
        let note = Note::decode(format!("{}\n{text}", checkpoint().encode()).as_bytes()).unwrap();
        assert_eq!((&note.checkpoint, &note.signatures[..]), (&checkpoint(), lines));
        note
    }

    #[test]
    fn a_quorum_counts_each_validator_once_and_strangers_never() {
        let sign = |name, seed, time| cosign(name, &[seed; 32], &checkpoint(), time);
        let quorum = |lines: &[SignatureLine]| note(lines).quorum(&consortium());
        let short = |signed| Err(NoteError::Quorum { signed, threshold: 2 });
        let (a, b) = (Cosigned { validator: 0, time: 5 }, Cosigned { validator: 1, time: 4 });
        assert_eq!(quorum(&[sign("a", 1, 5), sign("b", 2, 4)]), Ok(vec![a, b]));
        assert_eq!(quorum(&[sign("b", 2, 4), sign("a", 1, 3), sign("a", 1, 5)]), Ok(vec![a, b]));
        assert_eq!(quorum(&[sign("a", 1, 5), sign("a", 1, 6), sign("eve", 4, 5), sign("b", 1, 5)]), short(1));
        assert_eq!(quorum(&[sign("eve", 4, 5)]), short(0));
        let mut broken = sign("b", 2, 4);
        broken.signature[20] ^= 1;
        assert_eq!(quorum(&[sign("a", 1, 5), broken]), Err(NoteError::BadSignature { name: "b".to_owned() }));
    }

    #[test]
    fn a_log_signs_its_own_text() {
        let line = sign_log("log", &[5; 32], &checkpoint());
        let (key, other) = (signature::public_key(&[5; 32]), signature::public_key(&[6; 32]));
        let mut signed = note(&[line]);
        assert_eq!(signed.signed_by_log("log", &key), Ok(true));
        assert_eq!(signed.signed_by_log("log", &other), Ok(false));
        assert_eq!(signed.signed_by_log("other", &key), Ok(false));
        signed.checkpoint.size = 8;
        assert!(signed.signed_by_log("log", &key).is_err());
    }

    #[test]
    fn sizes_have_one_spelling() {
        for (size, holds) in [
            ("0", true),
            ("7", true),
            ("9223372036854775807", true),
            ("9223372036854775808", false),
            ("007", false),
            ("+7", false),
            ("-0", false),
            ("", false),
            ("7 ", false),
            ("1e3", false),
        ] {
            let text = checkpoint().encode().replace("\n7\n", &format!("\n{size}\n"));
            assert_eq!(Checkpoint::decode(&text).is_ok(), holds, "{size:?}");
        }
    }
}
