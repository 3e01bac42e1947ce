//! Bytes by another name.

/// Signed bytes as the unsigned ones that they are: 1 and 0 stay, whatever is below 0 becomes more than 1.
#[allow(unsafe_code, reason = "see SAFETY")]
pub const fn unsigned(signs: &[i8]) -> &[u8] {
    // SAFETY: `i8` and `u8` have one layout, every byte is a value of both, and the slice is borrowed as it was.
    unsafe { std::slice::from_raw_parts(signs.as_ptr().cast(), signs.len()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn signs_keep_their_bytes() {
        assert_eq!(super::unsigned(&[0, 1, 2, -1, i8::MIN]), [0, 1, 2, 255, 128]);
        assert!(super::unsigned(&[]).is_empty());
    }
}
