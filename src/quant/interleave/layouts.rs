//! Where each field of a plain block goes in a group's block: one function per type. `i` counts values, `s` scales, `r` rows.

use super::engine::{At, Layout};

// Where values are in plain blocks. `i` counts values, `base` is where the field begins.

/// 4 bits, values `j` and `j + 16` of 32 in a byte.
fn nibble_of_32(base: usize) -> impl Fn(usize) -> At {
    move |i| (base + 16 * (i / 32) + i % 16, 4 * (i / 16 % 2))
}
/// 4 bits, values `j` and `j + 32` of 64 in a byte.
fn nibble_of_64(base: usize) -> impl Fn(usize) -> At {
    move |i| (base + 32 * (i / 64) + i % 32, 4 * (i / 32 % 2))
}
/// 2 bits, values `j`, `j + 32`, `j + 64`, `j + 96` of 128 in a byte.
fn pair_of_128(base: usize) -> impl Fn(usize) -> At {
    move |i| (base + 32 * (i / 128) + i % 32, 2 * (i / 32 % 4))
}
/// 1 bit, values `j + 32 b` of 256 in a byte.
fn bit_of_256(base: usize) -> impl Fn(usize) -> At {
    move |i| (base + i % 32, i / 32)
}

// Where values are in groups of four rows. Four values of a row are four bytes, then come those of the next row.

/// 4 bits: of 32 values 8 apart share a byte.
fn packed_nibble(base: usize) -> impl Fn(usize, usize) -> At {
    move |r, i| {
        let (block, j) = (i / 32, i % 32);
        (
            base + 64 * block + 16 * (2 * (j / 4 % 2) + j / 16) + 4 * r + j % 4,
            4 * (j / 8 % 2),
        )
    }
}
/// 2 bits: of 16 values 4 apart share a byte.
fn packed_pair(base: usize) -> impl Fn(usize, usize) -> At {
    move |r, i| (base + 16 * (i / 16) + 4 * r + i % 4, 2 * (i / 4 % 4))
}
/// 1 bit: of 32 values those 4 apart share a byte, at the place that `order` gives to `j / 4`.
fn packed_bit(base: usize, order: fn(usize) -> usize) -> impl Fn(usize, usize) -> At {
    move |r, i| (base + 16 * (i / 32) + 4 * r + i % 4, order(i % 32 / 4))
}
/// 4-bit scales: `bytes` of them, low nibbles first.
fn packed_scale(base: usize, bytes: usize, bits: usize) -> impl Fn(usize, usize) -> At {
    move |r, s| {
        let i = 4 * s + r;
        (base + i % bytes, bits * (i / bytes))
    }
}

pub fn iq4_nl(l: &mut Layout) {
    l.scale(0, 0);
    l.field(32, 4, nibble_of_32(2), packed_nibble(8));
}

pub fn q4_0(l: &mut Layout) {
    l.scale(0, 0);
    l.bytes(16, 2, 16, |r, i| 32 * (i / 4) + 4 * r + i % 4);
}

pub fn q8_0(l: &mut Layout) {
    l.scale(0, 0);
    l.bytes(32, 2, 16, |r, i| 32 * (i / 4) + 4 * r + i % 4);
}

pub fn q5_0(l: &mut Layout) {
    l.scale(0, 0);
    l.field(
        32,
        1,
        |i| (2 + i / 8, i % 8),
        |r, i| {
            (
                8 + 4 * r + i % 4,
                2 * (i / 4 % 2) + i / 16 + 4 * (i / 8 % 2),
            )
        },
    );
    l.field(32, 4, nibble_of_32(6), packed_nibble(24));
}

pub fn q6_0(l: &mut Layout) {
    l.scale(0, 0);
    l.field(
        32,
        2,
        |i| (2 + i % 8, 4 * (i / 8 % 2) + 2 * (i / 16)),
        |r, i| {
            (
                8 + 16 * (i / 16) + 4 * r + i % 4,
                2 * (i / 4 % 2) + 4 * (i / 8 % 2),
            )
        },
    );
    l.field(32, 4, nibble_of_32(10), packed_nibble(40));
}

pub fn q2_k(l: &mut Layout) {
    l.scale(80, 0);
    l.scale(82, 8);
    l.bytes(16, 0, 16, |r, i| 4 * i + r);
    l.field(256, 2, pair_of_128(16), packed_pair(80));
}

pub fn q3_k(l: &mut Layout) {
    l.scale(108, 0);
    let low = |s: usize| (96 + s % 8, 4 * (s / 8));
    let high = |s: usize| (104 + s % 4, 2 * (s / 4));
    l.field(16, 2, high, packed_scale(8, 16, 2));
    l.field(16, 4, low, packed_scale(24, 32, 4));
    l.field(256, 1, bit_of_256(0), packed_bit(56, |q| q));
    l.field(256, 2, pair_of_128(32), packed_pair(184));
}

/// Scales and mins of `q4_K` and `q5_K`: six bits each, the upper two of the last four in other bytes' free bits.
fn scales_and_mins(l: &mut Layout) {
    l.scale(0, 0);
    l.scale(2, 8);
    let low = |s: usize| if s < 4 { (4 + s, 0) } else { (8 + s, 0) };
    let low_min = |s: usize| if s < 4 { (8 + s, 0) } else { (8 + s, 4) };
    let high = |s: usize| if s < 4 { (4 + s, 4) } else { (s, 6) };
    let high_min = |s: usize| if s < 4 { (8 + s, 4) } else { (4 + s, 6) };
    let packed_high =
        |shift| move |r: usize, s: usize| (16 + (4 * s + r) % 16, 4 * ((4 * s + r) / 16) + shift);
    l.field(8, 2, high, packed_high(0));
    l.field(8, 2, high_min, packed_high(2));
    l.field(8, 4, low, |r, s| (32 + 4 * s + r, 0));
    l.field(8, 4, low_min, |r, s| (32 + 4 * s + r, 4));
}

pub fn q4_k(l: &mut Layout) {
    scales_and_mins(l);
    l.field(256, 4, nibble_of_64(16), packed_nibble(64));
}

pub fn q5_k(l: &mut Layout) {
    scales_and_mins(l);
    l.field(
        256,
        1,
        bit_of_256(16),
        packed_bit(64, |q| 4 * (q / 4) + 2 * (q % 2) + q / 2 % 2),
    );
    l.field(256, 4, nibble_of_64(48), packed_nibble(192));
}

pub fn q6_k(l: &mut Layout) {
    l.scale(208, 0);
    l.bytes(16, 192, 8, |r, s| 4 * s + r);
    l.field(256, 2, pair_of_128(128), |r, i| {
        (
            72 + 16 * (i / 16) + 4 * r + i % 4,
            2 * (i / 8 % 2) + 4 * (i / 4 % 2),
        )
    });
    l.field(
        256,
        4,
        |i| (64 * (i / 128) + i % 64, 4 * (i / 64 % 2)),
        packed_nibble(328),
    );
}

pub fn iq4_xs(l: &mut Layout) {
    l.scale(0, 0);
    let packed = |base: usize, bytes: usize, bits: usize| {
        move |r: usize, s: usize| (base + (8 * s + r) % bytes, bits * ((8 * s + r) / bytes))
    };
    l.field(8, 2, |s| (2 + s / 4, 2 * (s % 4)), packed(16, 16, 2));
    l.field(8, 4, |s| (4 + s / 2, 4 * (s % 2)), packed(32, 32, 4));
    l.field(256, 4, nibble_of_32(8), |r, i| {
        (64 + 32 * (i / 8) + 4 * r + i % 4, 4 * (i / 4 % 2))
    });
}

pub fn iq4_ks(l: &mut Layout) {
    l.bytes(8, 0, 0, |r, s| 4 * s + r);
    l.field(256, 4, nibble_of_32(8), packed_nibble(32));
}

/// The fifth bit in the five-bit types of this family.
fn fifth_bit(q: usize) -> usize {
    4 * (q % 2) + q / 2
}

pub fn iq5_ks(l: &mut Layout) {
    l.bytes(8, 0, 0, |r, s| 4 * s + r);
    l.field(256, 4, nibble_of_64(8), packed_nibble(32));
    l.field(256, 1, bit_of_256(136), packed_bit(544, fifth_bit));
}

/// Scale and shift bits of the `iq*_k` types.
fn scale_and_extra(l: &mut Layout) {
    l.scale(0, 0);
    l.field(
        16,
        1,
        |s| (2 + s / 8, s % 8),
        |r, s| (8 + r + 4 * (s % 2), s / 2),
    );
}

pub fn iq2_k(l: &mut Layout) {
    scale_and_extra(l);
    l.field(16, 4, |s| (4 + s / 2, 4 * (s % 2)), packed_scale(16, 32, 4));
    l.field(256, 2, pair_of_128(12), packed_pair(48));
}

pub fn iq3_k(l: &mut Layout) {
    scale_and_extra(l);
    l.field(16, 1, |s| (4 + s / 8, s % 8), packed_scale(16, 8, 1));
    l.field(16, 4, |s| (6 + s / 2, 4 * (s % 2)), packed_scale(24, 32, 4));
    l.field(256, 2, pair_of_128(14), packed_pair(56));
    l.field(256, 1, bit_of_256(78), packed_bit(312, |q| q));
}

/// Six-bit scales of `iq4_k` and `iq5_k`.
fn six_bit_scales(l: &mut Layout) {
    l.field(16, 2, |s| (4 + s / 4, 2 * (s % 4)), packed_scale(16, 16, 2));
    l.field(16, 4, |s| (8 + s / 2, 4 * (s % 2)), packed_scale(32, 32, 4));
}

pub fn iq4_k(l: &mut Layout) {
    scale_and_extra(l);
    six_bit_scales(l);
    l.field(256, 4, nibble_of_32(16), packed_nibble(64));
}

pub fn iq5_k(l: &mut Layout) {
    scale_and_extra(l);
    six_bit_scales(l);
    l.field(256, 4, nibble_of_64(16), packed_nibble(64));
    l.field(256, 1, bit_of_256(144), packed_bit(576, fifth_bit));
}

/// Seven signs (see [`flip_signs`]) and a scale bit in a byte.
fn signs_and_scale(l: &mut Layout, signs: impl Fn(usize) -> usize, packed: usize) {
    let word = |i: usize| 8 * signs(i / 4);
    let at = |bit: usize| (bit / 8, bit % 8);
    l.field(
        32,
        7,
        |i| at(word(i) + 7 * (i % 4)),
        |r, i| (packed + 4 * (4 * (i / 4) + r) + i % 4, 1),
    );
    l.field(
        32,
        1,
        |i| at(word(i) + 28 + i % 4),
        |r, i| (packed + 4 * (4 * (i / 4) + r) + i % 4, 0),
    );
}

pub fn iq2_xxs(l: &mut Layout) {
    l.scale(0, 0);
    signs_and_scale(l, |block| 2 + 8 * block + 4, 8);
    l.field(
        32,
        8,
        |i| (2 + 8 * (i / 4) + i % 4, 0),
        |r, i| (136 + 16 * (i / 4) + 4 * r + i % 4, 0),
    );
}

pub fn iq2_xs(l: &mut Layout) {
    l.scale(0, 0);
    l.bytes(64, 2, 8, |r, b| 32 * (b / 8) + 8 * r + b % 8);
    l.bytes(8, 66, 264, |r, s| 4 * s + r);
}

pub fn iq2_s(l: &mut Layout) {
    let by_four = |r: usize, i: usize| 16 * (i / 4) + 4 * r + i % 4;
    l.scale(0, 0);
    l.bytes(32, 2, 8, by_four);
    l.bytes(32, 34, 168, by_four);
    l.bytes(8, 66, 136, |r, s| 4 * s + r);
    l.bytes(8, 74, 296, |r, s| 4 * s + r);
}

pub fn iq3_xxs(l: &mut Layout) {
    l.scale(0, 0);
    signs_and_scale(l, |block| 66 + 4 * block, 8);
    l.bytes(64, 2, 136, |r, i| 32 * (i / 8) + 8 * r + i % 8);
}

pub fn iq3_s(l: &mut Layout) {
    l.scale(0, 0);
    l.bytes(64, 2, 8, |r, i| {
        32 * (i / 8) + 8 * (i % 4) + 4 * (i / 4 % 2) + r
    });
    l.bytes(8, 66, 264, |r, b| 4 * b + r);
    // Signs of values 4 apart share a byte.
    l.field(
        256,
        1,
        |i| (74 + i / 8, i % 8),
        |r, i| (296 + 16 * (i / 32) + 4 * r + i % 4, i / 4 % 8),
    );
    l.field(
        8,
        4,
        |s| (106 + s / 2, 4 * (s % 2)),
        packed_scale(424, 16, 4),
    );
}

pub fn iq2_bn(l: &mut Layout) {
    // Plain: byte `j` of 16 has values j, j + 16, j + 32, j + 48.
    l.field(
        64,
        2,
        |i| (i % 16, 2 * (i / 16)),
        |r, i| (16 * (i / 16) + 4 * r + i % 4, 2 * (i / 4 % 4)),
    );
}

/// Runs of `RUN` bytes of the codes of `ROWS` rows in turn.
pub fn q4_0_runs<const ROWS: usize, const RUN: usize>(l: &mut Layout) {
    l.scale(0, 0);
    l.bytes(16, 2, 2 * ROWS, |r, i| {
        RUN * (ROWS * (i / RUN) + r) + i % RUN
    });
}

/// Four bytes of each row in turn.
pub fn q8_k<const ROWS: usize>(l: &mut Layout) {
    l.scale(0, 0);
    l.bytes(256, 2, 2 * ROWS, |r, i| 4 * (ROWS * (i / 4) + r) + i % 4);
}

pub fn q8_kv(l: &mut Layout) {
    l.bytes(32, 0, 0, |r, i| 32 * (i / 4) + 4 * r + i % 4);
}

/// Two values of each row in turn.
pub fn bf16(l: &mut Layout) {
    l.bytes(4, 0, 0, |r, i| 4 * r + i);
}

pub fn iq1_s(l: &mut Layout) {
    l.bytes(4, 0, 0, |r, i| 4 * i + r);
    l.scale(4, 16);
}

pub fn iq1_m(l: &mut Layout) {
    l.bytes(4, 0, 0, |r, i| 4 * i + r);
    l.bytes(2, 4, 16, |r, i| 4 * i + r);
    l.bytes(1, 6, 24, |r, _| r);
}

/// Codes of q4_0 as signed nibbles.
pub fn xor_nibbles(block: &mut [u8], _pack: bool) {
    for b in &mut block[2..] {
        *b ^= 0x88;
    }
}

/// Signed bytes with 128 added.
pub fn xor_signs(block: &mut [u8], _pack: bool) {
    for b in &mut block[2..] {
        *b ^= 0x80;
    }
}

/// Plain types whose eighth sign is implied store seven signs; interleaved they store running parities of them instead.
/// Four times seven bits, one after the other: to running parities or back.
fn change_signs(bits: u32, to_parities: bool) -> u32 {
    /// The first bit of each seven.
    const FIRST: u32 = 1 | 1 << 7 | 1 << 14 | 1 << 21;
    // Bits moved up by so many places within their seven.
    let up = |bits: u32, by: u32| {
        let kept = (0..by).fold(u32::MAX, |mask, i| mask & !(FIRST << i));
        (bits << by) & kept & 0x0fff_ffff
    };
    if to_parities {
        let pairs = bits ^ up(bits, 1);
        let fours = pairs ^ up(pairs, 2);
        fours ^ up(fours, 4)
    } else {
        bits ^ up(bits, 1)
    }
}

/// 28 bits of signs in a word.
fn change_word(word: &mut [u8; 4], to_parities: bool) {
    let bits = u32::from_le_bytes(*word);
    let signs = change_signs(bits & 0x0fff_ffff, to_parities);
    *word = (bits & 0xf000_0000 | signs).to_le_bytes();
}

pub fn iq2_xxs_signs(block: &mut [u8], to_parities: bool) {
    for pair in block[2..].as_chunks_mut::<4>().0.as_chunks_mut::<2>().0 {
        change_word(&mut pair[1], to_parities);
    }
}

pub fn iq3_xxs_signs(block: &mut [u8], to_parities: bool) {
    for word in block[66..].as_chunks_mut().0 {
        change_word(word, to_parities);
    }
}

pub fn iq2_xs_signs(block: &mut [u8], to_parities: bool) {
    for word in block[2..66].as_chunks_mut().0 {
        let bits = u16::from_le_bytes(*word);
        let signs = change_signs(u32::from(bits >> 9), to_parities) as u16;
        *word = (bits & 511 | signs << 9).to_le_bytes();
    }
}
