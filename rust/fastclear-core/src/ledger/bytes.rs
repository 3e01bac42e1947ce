//! Little-endian fields at fixed offsets. Callers have checked the length: an offset outside is a bug, not bad input.

/// Copies `N` bytes from `offset`.
pub(super) fn take<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut out = [0_u8; N];
    out.copy_from_slice(&bytes[offset..offset + N]);
    out
}

/// Writes `value` at `offset`.
#[inline]
pub(super) fn put<const N: usize>(bytes: &mut [u8], offset: usize, value: [u8; N]) {
    bytes[offset..offset + N].copy_from_slice(&value);
}

pub(super) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(take(bytes, offset))
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(take(bytes, offset))
}

pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(take(bytes, offset))
}

pub(super) fn i64_at(bytes: &[u8], offset: usize) -> i64 {
    i64::from_le_bytes(take(bytes, offset))
}
