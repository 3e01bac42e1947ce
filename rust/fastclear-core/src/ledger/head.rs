//! The head: a short text that names the last block, so that its header is covered as well.
//!
//! ```text
//! fastclear ledger 1
//! height 672
//! header 5d41…        (64 hex digits; zeros before the first block)
//! params 9c1e…
//! ```
//! `height` is the number of sealed blocks. The text has exactly one form; every other byte is refused.

use super::merkle::Hash;

/// What the head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of sealed blocks.
    pub height: u64,
    /// Hash of the last header, zero before the first block.
    pub header: Hash,
    /// SHA-256 of the parameters' text.
    pub params: Hash,
}

impl Head {
    /// The text.
    pub fn encode(&self) -> String {
        let (header, params) = (hex(&self.header), hex(&self.params));
        format!("fastclear ledger 1\nheight {}\nheader {header}\nparams {params}\n", self.height)
    }

    /// Reads the text; `None` unless it is exactly what [`Head::encode`] writes.
    pub fn decode(text: &[u8]) -> Option<Self> {
        let body = core::str::from_utf8(text).ok()?.strip_prefix("fastclear ledger 1\nheight ")?;
        let (height, rest) = body.split_once("\nheader ")?;
        let (header, params) = rest.split_once("\nparams ")?;
        let head =
            Self { height: height.parse().ok()?, header: unhex(header)?, params: unhex(params.strip_suffix('\n')?)? };
        // Leading zeros, plus signs and capital digits would parse: only the one form counts.
        (head.encode().as_bytes() == text).then_some(head)
    }
}

/// 64 lower-case hex digits.
pub fn hex(hash: &Hash) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    hash.iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

fn unhex(text: &str) -> Option<Hash> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut out = [0_u8; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_head_has_one_form() {
        let head = Head { height: 42, header: [0xAB; 32], params: [0x0F; 32] };
        let text = head.encode();
        assert_eq!(Head::decode(text.as_bytes()).unwrap(), head);
        for broken in [
            text.replace("42", "042"),
            text.replace("42", "+42"),
            text.replace("42", ""),
            text.replace("ab", "AB"),
            text.replace('\n', "\r\n"),
            format!("{text}\n"),
            text.trim_end().to_owned(),
            String::new(),
        ] {
            assert_eq!(Head::decode(broken.as_bytes()), None, "{broken:?}");
        }
        for length in 0..text.len() {
            assert_eq!(Head::decode(&text.as_bytes()[..length]), None);
        }
    }

    #[test]
    fn every_flipped_bit_changes_what_the_head_says() {
        let head = Head { height: 42, header: [0xAB; 32], params: [0x0F; 32] };
        let text = head.encode().into_bytes();
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Head::decode(&flipped), Some(head));
        }
    }
}
