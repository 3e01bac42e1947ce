//! Little-endian bytes of commands, replies and saved states: written by appending, read strictly from left to right.

use std::fmt;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where in the bytes.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.at)
    }
}

impl std::error::Error for Malformed {}

/// A cursor that never reads past the end.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub const fn at(&self) -> usize {
        self.at
    }

    /// The fault `reason`, where the cursor stands.
    pub const fn fault(&self, reason: &'static str) -> Malformed {
        Malformed { at: self.at, reason }
    }

    pub fn slice(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let rest = &self.bytes[self.at..];
        if rest.len() < len {
            return Err(self.fault("it ends too early"));
        }
        self.at += len;
        Ok(&rest[..len])
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut out = [0_u8; N];
        out.copy_from_slice(self.slice(N)?);
        Ok(out)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn u128(&mut self) -> Result<u128, Malformed> {
        self.array().map(u128::from_le_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    pub fn i128(&mut self) -> Result<i128, Malformed> {
        self.array().map(i128::from_le_bytes)
    }

    /// A byte that is 0 or 1.
    pub fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed { at: self.at - 1, reason: "a flag is neither 0 nor 1" }),
        }
    }

    /// A count of things of at least `least` bytes each: never more than there are bytes for, so that a count by itself
    /// cannot make anyone ask for memory.
    pub fn count(&mut self, least: usize) -> Result<usize, Malformed> {
        let count = self.u32()? as usize;
        if count.saturating_mul(least) > self.bytes.len() - self.at {
            return Err(Malformed { at: self.at - 4, reason: "a count exceeds the bytes that follow" });
        }
        Ok(count)
    }

    /// A column of `n` values of `N` bytes.
    pub fn column<T, const N: usize>(&mut self, n: usize, value: fn([u8; N]) -> T) -> Result<Vec<T>, Malformed> {
        let len = n.checked_mul(N).ok_or(self.fault("a column is too long"))?;
        let chunks = self.slice(len)?.chunks_exact(N);
        Ok(chunks
            .map(|chunk| {
                let mut bytes = [0_u8; N];
                bytes.copy_from_slice(chunk);
                value(bytes)
            })
            .collect())
    }

    /// Refuses whatever is left.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.fault("bytes are left over")) }
    }
}

/// Appends a count.
pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) {
    // Nothing here holds 2³² of anything: rows are bounded by the commands that brought them.
    out.extend((count as u32).to_le_bytes());
}

/// Appends a column.
pub(crate) fn put_column<T: Copy, const N: usize>(out: &mut Vec<u8>, column: &[T], bytes: fn(T) -> [u8; N]) {
    out.reserve(column.len() * N);
    for &value in column {
        out.extend(bytes(value));
    }
}
