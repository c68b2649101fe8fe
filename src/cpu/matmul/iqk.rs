//! The types on uneven grids that each group can shift: iq2_k to iq5_k, iq2_ks to iq5_ks; and mxfp4. Layouts: `quant::iqk`,
//! `quant::nonlinear`. A shifted group is a group with a min: scale · (value + shift) = scale · value + scale · shift.

// Indices go over several arrays; iterators would be closures, which lose the vector instructions.
#![allow(clippy::needless_range_loop)]

use super::kquants::bits_of;
use super::legacy::nibbles;
use super::weights::{Pattern, Scales, Weights, repeat8, repeat16, sixteen_lanes};
use crate::cpu::simd::Simd;
use crate::quant::Type;
use crate::quant::grid::{Iq2, Iq3, Iq4, Iq5};

/// The first 16 values of a grid (or as many as it has) from `first` on, as a table to look up.
const fn table<const N: usize>(values: &[i8; N], first: usize) -> Pattern<i8, 64> {
    let mut out = [0; 16];
    let mut i = 0;
    while i < 16 && first + i < N {
        out[i] = values[first + i];
        i += 1;
    }
    repeat16(out)
}

static GRID2: Pattern<i8, 64> = table(&Iq2::VALUES, 0);
static GRID3: Pattern<i8, 64> = table(&Iq3::VALUES, 0);
static GRID4: Pattern<i8, 64> = table(&Iq4::VALUES, 0);
static GRID5: [Pattern<i8, 64>; 2] = [table(&Iq5::VALUES, 0), table(&Iq5::VALUES, 16)];

static BY1: Pattern<i32, 16> = repeat8([0, 1, 2, 3, 4, 5, 6, 7]);
static BY2: Pattern<i32, 16> = repeat8([0, 2, 4, 6, 8, 10, 12, 14]);
static BY4: Pattern<i32, 16> = repeat8([0, 4, 8, 12, 16, 20, 24, 28]);

/// Fields of `MASK` bits, eight of each word, in 16 lanes: field `i` is `word >> counts[i]`.
#[inline(always)]
fn fields<S: Simd, const MASK: i32>(
    s: S,
    words: [u32; 2],
    counts: &'static Pattern<i32, 16>,
) -> [S::I; 2] {
    let h = s.half();
    let (lo, hi) = (h.splat_i32(words[0] as i32), h.splat_i32(words[1] as i32));
    let mut x = sixteen_lanes(s, lo, hi);
    for v in 0..2 {
        x[v] = s.and(s.shrv_i32(x[v], counts.get(s)), s.splat_i32(MASK));
    }
    x
}

/// Scales `d · level`, and mins of `scale · shift` where the bit of a group is 1.
#[inline(always)]
fn shifted<S: Simd>(s: S, d: f32, level: [S::I; 2], bit: [S::I; 2], shift: f32) -> Scales<S> {
    let (d, shift) = (s.splat(d), s.splat(shift));
    let mut scales = Scales::none(s);
    for v in 0..2 {
        scales.scale[v] = s.mul(d, s.to_f32(level[v]));
        scales.min[v] = s.mul(scales.scale[v], s.mul(shift, s.to_f32(bit[v])));
    }
    scales
}

/// As [`shifted`] for eight groups, in lanes 0 to 7 of a half.
#[inline(always)]
fn shifted8<S: Simd>(
    s: S,
    d: f32,
    level: <S::Half as Simd>::I,
    bit: <S::Half as Simd>::I,
    shift: f32,
) -> Scales<S> {
    let h = s.half();
    let scale = h.mul(h.splat(d), h.to_f32(level));
    let min = h.mul(scale, h.mul(h.splat(shift), h.to_f32(bit)));
    Scales::eight_with_min(s, s.widen(scale), s.widen(min))
}

/// Indices of two bits, four groups of 32 to 32 bytes at `p`, see [`bits_of`].
///
/// # Safety
/// `p` points to 64 readable bytes.
#[inline(always)]
unsafe fn pairs<S: Simd>(s: S, p: *const u8, i: usize) -> S::I {
    // SAFETY: the caller's promise.
    let bits = unsafe { bits_of::<S, 2, 4>(s, p.add(32 * (S::HALVES * i / 4)), i) };
    s.and(bits, s.splat_i8(3))
}

/// Indices of three bits: [`pairs`] at `low`, and a high bit at `high`.
///
/// # Safety
/// `low` points to 64 readable bytes, `high` to 32.
#[inline(always)]
unsafe fn triples<S: Simd>(s: S, low: *const u8, high: *const u8, i: usize) -> S::I {
    // SAFETY: the caller's promise.
    let (low, high) = unsafe { (pairs(s, low, i), bits_of::<S, 1, 8>(s, high, i)) };
    s.or(low, s.shl_i16::<2>(s.and(high, s.splat_i8(1))))
}

/// Values of iq5_k and iq5_ks: nibbles, two groups of 32 to 32 bytes, at `low`, and a fifth bit at `high`.
///
/// # Safety
/// `low` points to 128 readable bytes, `high` to 32.
#[inline(always)]
unsafe fn fives<S: Simd>(s: S, low: *const u8, high: *const u8, i: usize) -> S::I {
    // SAFETY: the caller's promise.
    let (low, high) = unsafe {
        (
            bits_of::<S, 4, 2>(s, low.add(32 * (S::HALVES * i / 2)), i),
            bits_of::<S, 1, 8>(s, high, i),
        )
    };
    let low = s.and(low, s.splat_i8(15));
    let one = s.splat_i8(1);
    // A table gives 0 where the index has its top bit set.
    let not_first = s.eq_i8(s.and(high, one), one);
    let not_second = s.xor(not_first, s.splat_i8(-1));
    let top = s.splat_i8(-128);
    let first = s.lookup16(GRID5[0].get(s), s.or(low, s.and(not_first, top)));
    let second = s.lookup16(GRID5[1].get(s), s.or(low, s.and(not_second, top)));
    s.or(first, second)
}

/// Defines a type with groups of 16, and a half-float scale and the shifts of groups in front of each block.
macro_rules! per_block {
    ($name:ident, $ty:ident, bytes: $bytes:literal, shift: $shift:literal,
     |$s:ident, $p:ident, $i:ident| codes: $codes:expr, levels: $levels:expr) => {
        pub struct $name;
        impl Weights for $name {
            const TYPE: Type = Type::$ty;
            const BLOCK: usize = 256;
            const BYTES: usize = $bytes;
            const GROUP: usize = 16;
            const SIGNED: bool = true;
            const MIN: bool = true;

            #[inline(always)]
            unsafe fn codes<S: Simd>($s: S, $p: *const u8, $i: usize) -> S::I {
                // SAFETY: the caller's promise; offsets are the block's.
                unsafe { $codes }
            }
            #[inline(always)]
            unsafe fn scales<S: Simd>($s: S, _row: *const u8, $p: *const u8) -> Scales<S> {
                // SAFETY: the caller's promise; offsets are the block's.
                unsafe {
                    let bits = u32::from($p.add(2).cast::<u16>().read_unaligned());
                    let bit = fields::<S, 1>($s, [bits, bits >> 8], &BY1);
                    let levels: [S::I; 2] = $levels;
                    shifted($s, $s.f16_at($p), levels, bit, $shift)
                }
            }
        }
    };
}

/// Sixteen nibbles at `p`.
///
/// # Safety
/// `p` points to eight readable bytes.
#[inline(always)]
unsafe fn four_bits<S: Simd>(s: S, p: *const u8) -> [S::I; 2] {
    // SAFETY: the caller's promise.
    let words = unsafe { p.cast::<[u32; 2]>().read_unaligned() };
    fields::<S, 15>(s, words, &BY4)
}

/// Sixteen levels of six bits, offset by 32: high bits at `p`, nibbles after them.
///
/// # Safety
/// `p` points to 12 readable bytes.
#[inline(always)]
unsafe fn six_bits<S: Simd>(s: S, p: *const u8) -> [S::I; 2] {
    // SAFETY: the caller's promise.
    let (high, mut x) = unsafe { (p.cast::<u32>().read_unaligned(), four_bits(s, p.add(4))) };
    let high = fields::<S, 3>(s, [high, high >> 16], &BY2);
    for v in 0..2 {
        x[v] = s.sub_i32(s.or(x[v], s.shl_i32::<4>(high[v])), s.splat_i32(32));
    }
    x
}

per_block!(Iq2K, Iq2_k, bytes: 76, shift: 5.0, |s, p, i|
codes: s.lookup16(GRID2.get(s), pairs(s, p.add(12), i)),
levels: {
    let x = four_bits(s, p.add(4));
    [s.sub_i32(x[0], s.splat_i32(8)), s.sub_i32(x[1], s.splat_i32(8))]
});
per_block!(Iq3K, Iq3_k, bytes: 110, shift: 4.0, |s, p, i|
codes: s.lookup16(GRID3.get(s), triples(s, p.add(14), p.add(78), i)),
levels: {
    let signs = u32::from(p.add(4).cast::<u16>().read_unaligned());
    let negative = fields::<S, 1>(s, [signs, signs >> 8], &BY1);
    let mut x = four_bits(s, p.add(6));
    for v in 0..2 {
        let one = s.splat_i32(1);
        let sign = s.sub_i32(one, s.add_i32(negative[v], negative[v]));
        x[v] = s.mul_i32(s.add_i32(s.add_i32(x[v], x[v]), one), sign);
    }
    x
});
per_block!(Iq4K, Iq4_k, bytes: 144, shift: 4.0, |s, p, i|
    codes: s.lookup16(GRID4.get(s), nibbles::<S, 16, 16>(s, p, i)),
    levels: six_bits(s, p.add(4)));
per_block!(Iq5K, Iq5_k, bytes: 176, shift: 2.0, |s, p, i|
    codes: fives(s, p.add(16), p.add(144), i),
    levels: six_bits(s, p.add(4)));

/// Defines a type with groups of 32 and a scale in front of each row.
macro_rules! per_row {
    ($name:ident, $ty:ident, bytes: $bytes:literal, meta: $meta:literal, shift: $shift:literal,
     |$s:ident, $h:ident, $row:ident, $p:ident, $i:ident|
     codes: $codes:expr, scale: $scale:expr, levels: $levels:expr, shifts: $bits:expr) => {
        pub struct $name;
        impl Weights for $name {
            const TYPE: Type = Type::$ty;
            const BLOCK: usize = 256;
            const BYTES: usize = $bytes;
            const META: usize = $meta;
            const GROUP: usize = 32;
            const SIGNED: bool = true;
            const MIN: bool = true;

            #[inline(always)]
            unsafe fn codes<S: Simd>($s: S, $p: *const u8, $i: usize) -> S::I {
                // SAFETY: the caller's promise; offsets are the block's.
                unsafe { $codes }
            }
            #[inline(always)]
            unsafe fn scales<S: Simd>($s: S, $row: *const u8, $p: *const u8) -> Scales<S> {
                let $h = $s.half();
                // SAFETY: the caller's promise; offsets are the block's.
                unsafe { shifted8($s, $scale, $levels, $bits, $shift) }
            }
        }
    };
}

/// Bit `j` of a byte in lane `j`.
#[inline(always)]
fn bits<H: Simd>(h: H, byte: u8) -> H::I {
    let x = h.shrv_i32(h.splat_i32(i32::from(byte)), BY1.get(h));
    h.and(x, h.splat_i32(1))
}

/// Eight levels of five bits, offset by 16: nibbles of the word, shifted by `counts`, and the byte's bits above them.
#[inline(always)]
fn five_bits<H: Simd>(h: H, word: u32, counts: &'static Pattern<i32, 16>, high: u8) -> H::I {
    let low = h.shrv_i32(h.splat_i32(word as i32), counts.get(h));
    let low = h.and(low, h.splat_i32(15));
    let level = h.or(low, h.shl_i32::<4>(bits(h, high)));
    h.sub_i32(level, h.splat_i32(16))
}

/// Eight odd levels: seven bits of each byte, offset by 127.
///
/// # Safety
/// `p` points to eight readable bytes.
#[inline(always)]
unsafe fn odd<H: Simd>(h: H, p: *const u8) -> H::I {
    // SAFETY: the caller's promise.
    let x = h.and(unsafe { h.load_u8(p) }, h.splat_i32(254));
    h.sub_i32(x, h.splat_i32(127))
}

per_row!(Iq2Ks, Iq2_ks, bytes: 70, meta: 2, shift: 5.0, |s, h, row, p, i|
    codes: s.lookup16(GRID2.get(s), pairs(s, p.add(6), i)),
    scale: s.f16_at(row),
    levels: five_bits(h, p.add(2).cast::<u32>().read_unaligned(), &BY4, p.add(1).read()),
    shifts: bits(h, p.read()));
per_row!(Iq3Ks, Iq3_ks, bytes: 102, meta: 2, shift: 4.0, |s, h, row, p, i|
    codes: s.lookup16(GRID3.get(s), triples(s, p.add(6), p.add(70), i)),
    scale: s.f16_at(row),
    levels: {
        static LOW_THEN_HIGH: Pattern<i32, 16> = repeat8([0, 8, 16, 24, 4, 12, 20, 28]);
        five_bits(h, p.add(2).cast::<u32>().read_unaligned(), &LOW_THEN_HIGH, p.read())
    },
    shifts: bits(h, p.add(1).read()));
per_row!(Iq4Ks, Iq4_ks, bytes: 136, meta: 4, shift: 4.0, |s, h, row, p, i|
    codes: s.lookup16(GRID4.get(s), nibbles::<S, 16, 8>(s, p, i)),
    scale: row.cast::<f32>().read_unaligned(),
    levels: odd(h, p),
    shifts: h.and(h.load_u8(p), h.splat_i32(1)));
per_row!(Iq5Ks, Iq5_ks, bytes: 168, meta: 4, shift: 2.0, |s, h, row, p, i|
    codes: fives(s, p.add(8), p.add(136), i),
    scale: row.cast::<f32>().read_unaligned(),
    levels: odd(h, p),
    shifts: h.and(h.load_u8(p), h.splat_i32(1)));

pub struct Mxfp4;
impl Weights for Mxfp4 {
    const TYPE: Type = Type::Mxfp4;
    const BLOCK: usize = 32;
    const BYTES: usize = 17;
    const GROUP: usize = 32;
    const SIGNED: bool = true;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        // Four-bit floats, doubled.
        static DOUBLED: Pattern<i8, 64> =
            repeat16([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]);
        // SAFETY: the caller's promise.
        let idx = unsafe { nibbles::<S, 17, 1>(s, chunk, i) };
        s.lookup16(DOUBLED.get(s), idx)
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        let mut bytes = 0u64;
        for b in 0..8 {
            // SAFETY: the caller's promise.
            bytes |= u64::from(unsafe { chunk.add(17 * b).read() }) << (8 * b);
        }
        let h = s.half();
        // SAFETY: a word has eight bytes.
        let e = unsafe { h.load_u8((&raw const bytes).cast()) };
        // 2^(e - 128): half of the power that `e` stands for, in two factors of which each is a normal number.
        let power = h.cast_f(h.shl_i32::<23>(h.add_i32(e, h.splat_i32(1))));
        let scale = h.mul(power, h.splat(0.25));
        // e + 1 = 255 or 256 would not be a normal number; e - 1 is then.
        let large = h.cast_f(h.shl_i32::<23>(h.sub_i32(e, h.splat_i32(1))));
        let is_small = h.lt(h.to_f32(e), h.splat(200.0));
        Scales::eight(s, s.widen(h.select(is_small, scale, large)))
    }
}
