//! SHA-256 of many short messages of one length, several at once.
//!
//! One message keeps a processor waiting for itself: each round needs the one before. Two kernels take several at once:
//! four through the SHA instructions ([`lanes`]), and sixteen through AVX-512, one in each 32-bit lane ([`wide`]). Which
//! is faster is a matter of the maker. On a Zen 4 the first does 57 million compressions a second and the second 46; on
//! a Sapphire Rapids, whose SHA unit has half that rate, it is 35 and about 45. Where the machine has neither, or scalar
//! passes are asked for, the `sha2` crate hashes message by message.
//!
//! The kernels count places instead of walking iterators: a step of an iterator that is not inlined hands vectors over
//! in memory.

#![allow(clippy::needless_range_loop, reason = "see above")]

use sha2::{Digest, Sha256};

#[cfg(target_arch = "x86_64")]
use super::{Path, path};

/// The digests SHA-256(`prefix` ‖ entry) of entries of `N` bytes that stand one after another, as many as both sides
/// have room for.
pub fn sha256_each<const N: usize>(prefix: u8, entries: &[u8], digests: &mut [[u8; 32]]) {
    const { assert!(N >= 16, "Invariant: the first vector of an entry is read whole") }
    let (entries, _) = entries.as_chunks::<N>();
    let count = entries.len().min(digests.len());
    let (entries, digests) = (&entries[..count], &mut digests[..count]);
    let done = at_once(prefix, entries, digests);
    for (entry, digest) in entries[done..].iter().zip(&mut digests[done..]) {
        *digest = one(prefix, entry);
    }
}

/// Hashes whole groups with the kernels that the machine has and that are allowed; says how many entries that were.
#[cfg(target_arch = "x86_64")]
fn at_once<const N: usize>(prefix: u8, entries: &[[u8; N]], digests: &mut [[u8; 32]]) -> usize {
    let best = path();
    let has_sha = std::is_x86_feature_detected!("sha")
        && std::is_x86_feature_detected!("ssse3")
        && std::is_x86_feature_detected!("sse4.1");
    let mut done = 0;
    if best == Path::Avx512 && (is_intel() || !has_sha) {
        let (groups, _) = entries.as_chunks::<{ wide::LANES }>();
        for (group, to) in groups.iter().zip(digests.as_chunks_mut().0) {
            // SAFETY: `path` asked the machine for the features that this was compiled with.
            #[allow(unsafe_code, reason = "see SAFETY")]
            unsafe {
                wide::digest(prefix, group, to);
            }
        }
        done = groups.len() * wide::LANES;
    }
    if best > Path::Scalar && has_sha {
        let (groups, _) = entries[done..].as_chunks::<{ lanes::LANES }>();
        for (group, to) in groups.iter().zip(digests[done..].as_chunks_mut().0) {
            // SAFETY: the machine was just asked for the features that this was compiled with.
            #[allow(unsafe_code, reason = "see SAFETY")]
            unsafe {
                lanes::digest(prefix, group, to);
            }
        }
        done += groups.len() * lanes::LANES;
    }
    done
}

/// Only x86-64 has kernels here.
#[cfg(not(target_arch = "x86_64"))]
const fn at_once<const N: usize>(_: u8, _: &[[u8; N]], _: &mut [[u8; 32]]) -> usize {
    0
}

/// Whether the processor calls itself `GenuineIntel`.
#[cfg(target_arch = "x86_64")]
fn is_intel() -> bool {
    use std::sync::LazyLock;
    static IS_INTEL: LazyLock<bool> = LazyLock::new(|| {
        // SAFETY: every x86-64 processor has the instruction, and this leaf.
        #[allow(unsafe_code, unused_unsafe, reason = "see SAFETY; newer compilers call it safe")]
        let maker = unsafe { std::arch::x86_64::__cpuid(0) };
        [maker.ebx, maker.edx, maker.ecx].map(u32::to_le_bytes).as_flattened() == b"GenuineIntel"
    });
    *IS_INTEL
}

/// SHA-256(`prefix` ‖ entry).
pub fn one(prefix: u8, entry: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update([prefix]);
    hasher.update(entry);
    hasher.finalize().into()
}

/// The round constants of FIPS 180-4, section 4.2.2.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The initial hash value of FIPS 180-4, section 5.3.3.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const START: [u32; 8] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

#[cfg(target_arch = "x86_64")]
mod lanes {
    #![expect(clippy::many_single_char_names, reason = "the names of FIPS 180-4")]

    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_or_si128, _mm_set_epi32,
        _mm_set_epi64x, _mm_setzero_si128, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
        _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_slli_si128, _mm_storeu_si128,
    };

    use super::{K, START};

    /// Messages hashed at once. Two fill Intel's unit, three AMD's; a fourth costs nothing and suits trees, whose levels
    /// are even.
    pub const LANES: usize = 4;

    type Vectors = [__m128i; LANES];

    /// The digests of [`LANES`] messages `prefix` ‖ entry.
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub fn digest<const N: usize>(prefix: u8, entries: &[[u8; N]; LANES], digests: &mut [[u8; 32]; LANES]) {
        let [a, b, c, d, e, f, g, h] = START.map(|word| word as i32);
        let mut state = [[_mm_set_epi32(a, b, e, f); LANES], [_mm_set_epi32(c, d, g, h); LANES]];
        let blocks = (N + 1 + 9).div_ceil(64);
        for block in 0..blocks {
            let mut words = [[_mm_setzero_si128(); LANES]; 4];
            for quarter in 0..4 {
                for lane in 0..LANES {
                    words[quarter][lane] = word_of(prefix, &entries[lane], 4 * block + quarter);
                }
            }
            compress(&mut state, words);
        }
        let [abef, cdgh] = state;
        let to_big_endian = big_endian();
        for lane in 0..LANES {
            let [abef, cdgh] = [abef[lane], cdgh[lane]];
            let feba = _mm_shuffle_epi32(abef, 0x1B);
            let dchg = _mm_shuffle_epi32(cdgh, 0xB1);
            let dcba = _mm_blend_epi16(feba, dchg, 0xF0);
            let hgfe = _mm_alignr_epi8(dchg, feba, 8);
            let (low, high) = digests[lane].split_at_mut(16);
            // SAFETY: each half of a digest has 16 bytes.
            #[allow(unsafe_code, reason = "see SAFETY")]
            unsafe {
                _mm_storeu_si128(low.as_mut_ptr().cast(), _mm_shuffle_epi8(dcba, to_big_endian));
                _mm_storeu_si128(high.as_mut_ptr().cast(), _mm_shuffle_epi8(hgfe, to_big_endian));
            }
        }
    }

    /// Reverses the bytes of each of four words.
    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn big_endian() -> __m128i {
        _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203)
    }

    /// Bytes 16·i to 16·i + 16 of the padded message `prefix` ‖ entry, as four words.
    #[inline]
    #[target_feature(enable = "ssse3,sse4.1")]
    fn word_of<const N: usize>(prefix: u8, entry: &[u8; N], i: usize) -> __m128i {
        let bytes = if i == 0 {
            let first = _mm_slli_si128(load(entry, 0), 1);
            _mm_or_si128(first, _mm_set_epi64x(0, i64::from(prefix)))
        } else if 16 * i + 15 <= N {
            load(entry, 16 * i - 1)
        } else {
            // The end: what is left of the entry, a one bit, and in the last vector the length in bits.
            let mut end = [0_u8; 16];
            let from = 16 * i - 1;
            if from <= N {
                let rest = N - from;
                end[..rest].copy_from_slice(&entry[from..]);
                end[rest] = 0x80;
            }
            if i == 4 * (N + 1 + 9).div_ceil(64) - 1 {
                end[8..].copy_from_slice(&(8 * (N as u64 + 1)).to_be_bytes());
            }
            load(&end, 0)
        };
        _mm_shuffle_epi8(bytes, big_endian())
    }

    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn load<const N: usize>(bytes: &[u8; N], from: usize) -> __m128i {
        assert!(from + 16 <= N, "Invariant: a vector lies inside the entry");
        // SAFETY: just asked.
        #[allow(unsafe_code, reason = "see SAFETY")]
        unsafe {
            _mm_loadu_si128(bytes.as_ptr().add(from).cast())
        }
    }

    /// The 64 rounds of FIPS 180-4, section 6.2.2, four at a time, in every lane. Spelled out, since only with fixed
    /// places can everything stay in registers.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn compress(state: &mut [Vectors; 2], words: [Vectors; 4]) {
        let [mut abef, mut cdgh] = *state;
        let [mut m0, mut m1, mut m2, mut m3] = words;
        rounds::<0>(&mut abef, &mut cdgh, &m0);
        extend(&mut m0, &m1, &m2, &m3);
        rounds::<1>(&mut abef, &mut cdgh, &m1);
        extend(&mut m1, &m2, &m3, &m0);
        rounds::<2>(&mut abef, &mut cdgh, &m2);
        extend(&mut m2, &m3, &m0, &m1);
        rounds::<3>(&mut abef, &mut cdgh, &m3);
        extend(&mut m3, &m0, &m1, &m2);
        rounds::<4>(&mut abef, &mut cdgh, &m0);
        extend(&mut m0, &m1, &m2, &m3);
        rounds::<5>(&mut abef, &mut cdgh, &m1);
        extend(&mut m1, &m2, &m3, &m0);
        rounds::<6>(&mut abef, &mut cdgh, &m2);
        extend(&mut m2, &m3, &m0, &m1);
        rounds::<7>(&mut abef, &mut cdgh, &m3);
        extend(&mut m3, &m0, &m1, &m2);
        rounds::<8>(&mut abef, &mut cdgh, &m0);
        extend(&mut m0, &m1, &m2, &m3);
        rounds::<9>(&mut abef, &mut cdgh, &m1);
        extend(&mut m1, &m2, &m3, &m0);
        rounds::<10>(&mut abef, &mut cdgh, &m2);
        extend(&mut m2, &m3, &m0, &m1);
        rounds::<11>(&mut abef, &mut cdgh, &m3);
        extend(&mut m3, &m0, &m1, &m2);
        rounds::<12>(&mut abef, &mut cdgh, &m0);
        rounds::<13>(&mut abef, &mut cdgh, &m1);
        rounds::<14>(&mut abef, &mut cdgh, &m2);
        rounds::<15>(&mut abef, &mut cdgh, &m3);
        for lane in 0..LANES {
            state[0][lane] = _mm_add_epi32(state[0][lane], abef[lane]);
            state[1][lane] = _mm_add_epi32(state[1][lane], cdgh[lane]);
        }
    }

    /// Rounds 4·FOUR to 4·FOUR + 3.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn rounds<const FOUR: usize>(abef: &mut Vectors, cdgh: &mut Vectors, words: &Vectors) {
        let [k0, k1, k2, k3] = [K[4 * FOUR], K[4 * FOUR + 1], K[4 * FOUR + 2], K[4 * FOUR + 3]];
        let constants = _mm_set_epi32(k3 as i32, k2 as i32, k1 as i32, k0 as i32);
        let mut inputs = *words;
        for lane in 0..LANES {
            inputs[lane] = _mm_add_epi32(inputs[lane], constants);
            cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], inputs[lane]);
        }
        for lane in 0..LANES {
            abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], _mm_shuffle_epi32(inputs[lane], 0x0E));
        }
    }

    /// Replaces the oldest four words of the schedule by the next four.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn extend(oldest: &mut Vectors, second: &Vectors, third: &Vectors, newest: &Vectors) {
        for lane in 0..LANES {
            let late = _mm_alignr_epi8(newest[lane], third[lane], 4);
            let sum = _mm_add_epi32(_mm_sha256msg1_epu32(oldest[lane], second[lane]), late);
            oldest[lane] = _mm_sha256msg2_epu32(sum, newest[lane]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    #![expect(clippy::many_single_char_names, reason = "the names of FIPS 180-4")]
    #![expect(clippy::large_types_passed_by_value, reason = "inlined, so that vectors stay in registers")]

    use std::arch::x86_64::{
        __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_or_si512, _mm512_ror_epi32,
        _mm512_set_epi8, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i32x4,
        _mm512_srli_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
        _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };

    use super::{K, START};

    /// Messages hashed at once.
    pub const LANES: usize = 16;

    /// Three-operand logic, by its truth table: x ⊕ y ⊕ z.
    const XOR: i32 = 0x96;
    /// x chooses y or z.
    const CHOOSE: i32 = 0xCA;
    /// What most of x, y and z are.
    const MAJORITY: i32 = 0xE8;

    /// The digests of sixteen messages `prefix` ‖ entry, message i in lane i of each vector.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub fn digest<const N: usize>(prefix: u8, entries: &[[u8; N]; LANES], digests: &mut [[u8; 32]; LANES]) {
        let mut state = [_mm512_setzero_si512(); 8];
        for i in 0..8 {
            state[i] = _mm512_set1_epi32(START[i] as i32);
        }
        let blocks = (N + 1 + 9).div_ceil(64);
        for block in 0..blocks {
            let padding = padding::<N>(prefix, block);
            let mut words = [_mm512_setzero_si512(); 16];
            for i in 0..LANES {
                words[i] = _mm512_or_si512(block_of(&entries[i], block), padding);
            }
            compress(&mut state, swap_bytes(transpose(words)));
        }
        let zero = _mm512_setzero_si512();
        let [a, b, c, d, e, f, g, h] = state;
        // Row i of the transpose holds message i's digest in its first half.
        let rows = swap_bytes(transpose([a, b, c, d, e, f, g, h, zero, zero, zero, zero, zero, zero, zero, zero]));
        for i in 0..LANES {
            let mut bytes = [0_u8; 64];
            // SAFETY: `bytes` has the 64 bytes of a vector.
            #[allow(unsafe_code, reason = "see SAFETY")]
            unsafe {
                _mm512_storeu_si512(bytes.as_mut_ptr().cast(), rows[i]);
            }
            digests[i].copy_from_slice(&bytes[..32]);
        }
    }

    /// What stands around an entry in one block: the prefix, the one bit behind the end, the length in bits.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn padding<const N: usize>(prefix: u8, block: usize) -> __m512i {
        let mut bytes = [0_u8; 64];
        if block == 0 {
            bytes[0] = prefix;
        }
        if (N + 1) / 64 == block {
            bytes[(N + 1) % 64] = 0x80;
        }
        if block + 1 == (N + 1 + 9).div_ceil(64) {
            bytes[56..].copy_from_slice(&(8 * (N as u64 + 1)).to_be_bytes());
        }
        // SAFETY: `bytes` has the 64 bytes of a vector.
        #[allow(unsafe_code, reason = "see SAFETY")]
        unsafe {
            _mm512_loadu_si512(bytes.as_ptr().cast())
        }
    }

    /// The bytes of an entry that fall into one block of `prefix` ‖ entry, zero around them.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn block_of<const N: usize>(entry: &[u8; N], block: usize) -> __m512i {
        // Byte i of the block is byte 64·block + i − 1 of the entry.
        let ahead = usize::from(block == 0);
        let behind = (N + 1).saturating_sub(64 * block).min(64);
        let all = if behind == 64 { u64::MAX } else { (1 << behind) - 1 };
        let mask = all & !(ahead as u64);
        // SAFETY: only bytes under the mask are read, and those lie inside the entry.
        #[allow(unsafe_code, reason = "see SAFETY")]
        unsafe {
            _mm512_maskz_loadu_epi8(mask, entry.as_ptr().wrapping_add(64 * block).wrapping_sub(1).cast())
        }
    }

    /// Reverses the bytes of each word.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn swap_bytes(mut words: [__m512i; 16]) -> [__m512i; 16] {
        let reversed = _mm512_set_epi8(
            12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3,
            12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3,
        );
        for i in 0..16 {
            words[i] = _mm512_shuffle_epi8(words[i], reversed);
        }
        words
    }

    /// Rows become columns: word j of vector i goes to word i of vector j.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
        let mut by_four = [_mm512_setzero_si512(); 16];
        for four in [0, 4, 8, 12] {
            // Within each quarter of a vector, four rows of four words are turned.
            let [r0, r1, r2, r3] = [rows[four], rows[four + 1], rows[four + 2], rows[four + 3]];
            let [low0, high0] = [_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1)];
            let [low1, high1] = [_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3)];
            by_four[four] = _mm512_unpacklo_epi64(low0, low1);
            by_four[four + 1] = _mm512_unpackhi_epi64(low0, low1);
            by_four[four + 2] = _mm512_unpacklo_epi64(high0, high1);
            by_four[four + 3] = _mm512_unpackhi_epi64(high0, high1);
        }
        let mut out = [_mm512_setzero_si512(); 16];
        for column in 0..4 {
            // Quarter q of these four vectors belongs to word 4q + column: turn four rows of four quarters.
            let [r0, r1, r2, r3] = [by_four[column], by_four[4 + column], by_four[8 + column], by_four[12 + column]];
            let [a, b] = [_mm512_shuffle_i32x4(r0, r1, 0x88), _mm512_shuffle_i32x4(r2, r3, 0x88)];
            let [c, d] = [_mm512_shuffle_i32x4(r0, r1, 0xDD), _mm512_shuffle_i32x4(r2, r3, 0xDD)];
            out[column] = _mm512_shuffle_i32x4(a, b, 0x88);
            out[4 + column] = _mm512_shuffle_i32x4(c, d, 0x88);
            out[8 + column] = _mm512_shuffle_i32x4(a, b, 0xDD);
            out[12 + column] = _mm512_shuffle_i32x4(c, d, 0xDD);
        }
        out
    }

    /// The 64 rounds of FIPS 180-4, section 6.2.2. Sixteen are spelled out, so that the schedule and the state, which is
    /// back in its places after eight, stay in registers.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn compress(state: &mut [__m512i; 8], mut w: [__m512i; 16]) {
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
        macro_rules! round {
            ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $turn:expr, $i:literal) => {
                let sum = _mm512_add_epi32(_mm512_add_epi32($h, w[$i]), _mm512_set1_epi32(K[16 * $turn + $i] as i32));
                let choice = _mm512_ternarylogic_epi32::<CHOOSE>($e, $f, $g);
                let sum = _mm512_add_epi32(_mm512_add_epi32(sum, choice), turned::<6, 11, 25>($e));
                $d = _mm512_add_epi32($d, sum);
                let most = _mm512_ternarylogic_epi32::<MAJORITY>($a, $b, $c);
                $h = _mm512_add_epi32(_mm512_add_epi32(sum, most), turned::<2, 13, 22>($a));
            };
        }
        macro_rules! extend {
            ($($i:literal)*) => { $(
                let late = shifted::<17, 19, 10>(w[($i + 14) % 16]);
                let sum = _mm512_add_epi32(shifted::<7, 18, 3>(w[($i + 1) % 16]), w[($i + 9) % 16]);
                w[$i] = _mm512_add_epi32(_mm512_add_epi32(w[$i], sum), late);
            )* };
        }
        for turn in 0..4 {
            if turn > 0 {
                extend!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            }
            round!(a b c d e f g h, turn, 0);
            round!(h a b c d e f g, turn, 1);
            round!(g h a b c d e f, turn, 2);
            round!(f g h a b c d e, turn, 3);
            round!(e f g h a b c d, turn, 4);
            round!(d e f g h a b c, turn, 5);
            round!(c d e f g h a b, turn, 6);
            round!(b c d e f g h a, turn, 7);
            round!(a b c d e f g h, turn, 8);
            round!(h a b c d e f g, turn, 9);
            round!(g h a b c d e f, turn, 10);
            round!(f g h a b c d e, turn, 11);
            round!(e f g h a b c d, turn, 12);
            round!(d e f g h a b c, turn, 13);
            round!(c d e f g h a b, turn, 14);
            round!(b c d e f g h a, turn, 15);
        }
        let added = [a, b, c, d, e, f, g, h];
        for i in 0..8 {
            state[i] = _mm512_add_epi32(state[i], added[i]);
        }
    }

    /// The exclusive or of three rotations.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn turned<const A: i32, const B: i32, const C: i32>(x: __m512i) -> __m512i {
        let [first, second] = [_mm512_ror_epi32::<A>(x), _mm512_ror_epi32::<B>(x)];
        _mm512_ternarylogic_epi32::<XOR>(first, second, _mm512_ror_epi32::<C>(x))
    }

    /// The exclusive or of two rotations and a shift.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn shifted<const A: i32, const B: i32, const SHIFT: u32>(x: __m512i) -> __m512i {
        let [first, second] = [_mm512_ror_epi32::<A>(x), _mm512_ror_epi32::<B>(x)];
        _mm512_ternarylogic_epi32::<XOR>(first, second, _mm512_srli_epi32::<SHIFT>(x))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agrees<const N: usize>(prefix: u8, bytes: &[u8]) {
        let count = bytes.len() / N;
        let mut found = vec![[0; 32]; count];
        sha256_each::<N>(prefix, bytes, &mut found);
        let expected: Vec<[u8; 32]> = bytes.chunks_exact(N).map(|entry| one(prefix, entry)).collect();
        assert_eq!(found, expected, "{count} entries of {N} bytes");
    }

    /// Every length in use, and those around the ends of vectors and blocks.
    fn agrees_at_every_length(prefix: u8, bytes: &[u8]) {
        macro_rules! lengths {
            ($($n:literal)*) => { $(agrees::<$n>(prefix, bytes);)* };
        }
        lengths!(16 17 30 31 32 33 46 47 48 53 54 55 56 62 63 64 65 79 80 81 95 96 111 112 113 117 118 119 126 127 128 280);
    }

    #[test]
    fn the_standard_s_example_comes_out() {
        // SHA-256 of 0x00 and 16 times 0x00 … is checked against `sha2`; that `sha2` is SHA-256, against FIPS 180-4's "abc".
        let abc = one(b'a', b"bc");
        assert_eq!(abc[..8], [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea]);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn each_kernel_hashes_as_sha2_does_where_the_machine_has_it() {
        fn of<const N: usize>(bytes: &[u8]) {
            let entries = bytes.as_chunks::<N>().0;
            let expected: Vec<[u8; 32]> = entries[..16].iter().map(|entry| one(9, entry)).collect();
            let mut found = vec![[0; 32]; 16];
            if std::is_x86_feature_detected!("sha") {
                for (group, to) in entries[..16].as_chunks().0.iter().zip(found.as_chunks_mut().0) {
                    // SAFETY: asked; every processor with these has SSE4.1.
                    #[allow(unsafe_code, reason = "see SAFETY")]
                    unsafe {
                        lanes::digest(9, group, to);
                    }
                }
                assert_eq!(found, expected, "SHA instructions, {N} bytes");
            }
            if path() == Path::Avx512 {
                found.fill([0; 32]);
                // SAFETY: asked.
                #[allow(unsafe_code, reason = "see SAFETY")]
                unsafe {
                    wide::digest(
                        9,
                        entries[..16].as_chunks().0.first().unwrap(),
                        found.as_chunks_mut().0.first_mut().unwrap(),
                    );
                }
                assert_eq!(found, expected, "AVX-512, {N} bytes");
            }
        }
        let bytes: Vec<u8> = (0..16 * 280_u32).map(|i| (i * i % 251) as u8).collect();
        of::<64>(&bytes);
        of::<80>(&bytes);
        of::<96>(&bytes);
        of::<112>(&bytes);
        of::<280>(&bytes);
        of::<54>(&bytes);
        of::<55>(&bytes);
        of::<63>(&bytes);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_digest_is_that_of_sha2(bytes in prop::collection::vec(any::<u8>(), 0..1500), prefix: u8) {
            agrees_at_every_length(prefix, &bytes);
        }
    }

    #[test]
    fn bytes_beyond_the_last_entry_and_entries_without_room_are_let_be() {
        let bytes: Vec<u8> = (0..=255).cycle().take(112 * 9 + 50).collect();
        let mut few = [[7; 32]; 6];
        sha256_each::<112>(0, &bytes, &mut few[..5]);
        assert_eq!(few[4], one(0, &bytes[4 * 112..5 * 112]));
        assert_eq!(few[5], [7; 32]);
        let mut many = [[7; 32]; 11];
        sha256_each::<112>(0, &bytes, &mut many);
        assert_eq!(many[8], one(0, &bytes[8 * 112..9 * 112]));
        assert_eq!(many[9..], [[7; 32]; 2]);
    }
}
