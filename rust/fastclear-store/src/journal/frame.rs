//! One batch of commands as bytes: a header of 64 bytes, the payload, zeros up to a page.
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | 4 bytes | magic `FCJ1` |
//! | 4 | u8 | version of this format: 1 |
//! | 5 | u8 | kind: 1 batch, 2 the store was closed |
//! | 6 | u8 | flags: bit 0, a jump of the clock was accepted |
//! | 7 | u8 | zero |
//! | 8 | u64 | number of the store, in every frame of it and in no other |
//! | 16 | u64 | lsn, dense from 1 |
//! | 24 | u64 | engine time of the first command; the others follow, a nanosecond each |
//! | 32 | u32 | commands |
//! | 36 | u32 | bytes of payload |
//! | 40 | 16 bytes | first half of SHA-256 over header and payload of the frame before |
//! | 56 | u32 | CRC32C of the payload |
//! | 60 | u32 | CRC32C of the 60 bytes before |
//!
//! The payload is each command's length (u32) and bytes. Everything is little-endian.

use sha2::{Digest, Sha256};

/// Bytes of a frame's header.
pub const HEADER_LEN: usize = 64;
/// Frames begin and end at multiples of this, so that no write touches a page of an older frame.
pub const PAGE: usize = 4096;
/// Version of the journal's format.
pub const VERSION: u8 = 1;
const MAGIC: [u8; 4] = *b"FCJ1";

/// First half of a SHA-256.
pub type FrameHash = [u8; 16];

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Commands.
    Batch = 1,
    /// Nothing: that it stands there says that the frame before is the last one, and whole.
    Closed = 2,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame is.
    pub kind: Kind,
    /// Whether a jump of the clock was accepted.
    pub clock_jump: bool,
    /// Number of the store.
    pub store: u64,
    /// Place in the order of all frames, from 1.
    pub lsn: u64,
    /// Engine time of the first command.
    pub time_ns: u64,
    /// Commands.
    pub count: u32,
    /// Bytes of payload.
    pub payload_len: u32,
    /// Hash of the frame before.
    pub previous: FrameHash,
    /// CRC32C of the payload.
    pub payload_crc: u32,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHeader {
    /// Nothing that was ever written whole.
    Broken,
    /// A header of another version.
    Version(u8),
}

fn take<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[offset..offset + N]);
    out
}

impl FrameHeader {
    /// Its 64 bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..4].copy_from_slice(&MAGIC);
        out[4..8].copy_from_slice(&[VERSION, self.kind as u8, u8::from(self.clock_jump), 0]);
        out[8..16].copy_from_slice(&self.store.to_le_bytes());
        out[16..24].copy_from_slice(&self.lsn.to_le_bytes());
        out[24..32].copy_from_slice(&self.time_ns.to_le_bytes());
        out[32..36].copy_from_slice(&self.count.to_le_bytes());
        out[36..40].copy_from_slice(&self.payload_len.to_le_bytes());
        out[40..56].copy_from_slice(&self.previous);
        out[56..60].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c::crc32c(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the header at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, NoHeader> {
        let Some(bytes) = bytes.get(..HEADER_LEN) else { return Err(NoHeader::Broken) };
        let crc = u32::from_le_bytes(take(bytes, 60));
        if bytes[..4] != MAGIC || crc32c::crc32c(&bytes[..60]) != crc {
            return Err(NoHeader::Broken);
        }
        if bytes[4] != VERSION {
            return Err(NoHeader::Version(bytes[4]));
        }
        let kind = match bytes[5] {
            1 => Kind::Batch,
            2 => Kind::Closed,
            _ => return Err(NoHeader::Broken),
        };
        Ok(Self {
            kind,
            clock_jump: bytes[6] & 1 != 0,
            store: u64::from_le_bytes(take(bytes, 8)),
            lsn: u64::from_le_bytes(take(bytes, 16)),
            time_ns: u64::from_le_bytes(take(bytes, 24)),
            count: u32::from_le_bytes(take(bytes, 32)),
            payload_len: u32::from_le_bytes(take(bytes, 36)),
            previous: take(bytes, 40),
            payload_crc: u32::from_le_bytes(take(bytes, 56)),
        })
    }

    /// Bytes of the whole frame.
    pub const fn frame_len(&self) -> usize {
        frame_len(self.payload_len as usize)
    }

    /// The payload, where it is all there and is what the header says.
    pub fn payload<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let payload = frame.get(HEADER_LEN..HEADER_LEN + self.payload_len as usize)?;
        // Zeros behind it are part of the frame: what is not zero there was not written by this library.
        let padding = frame.get(HEADER_LEN + payload.len()..self.frame_len())?;
        (crc32c::crc32c(payload) == self.payload_crc && is_zero(padding)).then_some(payload)
    }
}

/// Bytes of a frame with this much payload.
pub const fn frame_len(payload: usize) -> usize {
    (HEADER_LEN + payload).next_multiple_of(PAGE)
}

/// The hash that the next frame carries, over header and payload.
pub fn frame_hash(header_and_payload: &[u8]) -> FrameHash {
    take(&Sha256::digest(header_and_payload), 0)
}

/// Whether there is nothing but zeros.
pub fn is_zero(bytes: &[u8]) -> bool {
    // Chunks, so that the usual page costs a few wide compares.
    bytes.chunks(64).all(|chunk| chunk.iter().fold(0, |any, &byte| any | byte) == 0)
}

/// Appends a command to a payload.
pub fn push_command(payload: &mut Vec<u8>, command: &[u8]) {
    payload.extend_from_slice(&(command.len() as u32).to_le_bytes());
    payload.extend_from_slice(command);
}

/// The commands of a payload, or `None` where their lengths do not add up to it.
pub fn commands(mut payload: &[u8], count: u32) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while let Some((length, rest)) = payload.split_first_chunk::<4>() {
        let (command, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        found.push(command);
        payload = rest;
    }
    (payload.is_empty() && found.len() == count as usize).then_some(found)
}
