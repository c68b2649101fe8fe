//! The types on uneven grids that each group can shift: iq2_k to iq6_k, iq2_ks to iq5_ks, iq4_kss; and iq2_kl and mxfp4.
//! Layouts: `quant::iqk`, `quant::iqkss`, `quant::nonlinear`. A shifted group is a group with a min: scale · (value + shift) = scale · value + scale · shift.

// Indices go over several arrays; iterators would be closures, which lose the vector instructions.
#![allow(clippy::needless_range_loop)]

use super::kquants::{bits_of, placed_pairs};
use super::legacy::{IQ4_OFFSET, IQ4_TOP, IQ4_VALUES, nibbles};
use super::weights::{
    CHUNK, Pattern, Patterns, Scales, Values, Weights, alternate, largest, repeat8, repeat16,
};
use crate::quant::Type;
use crate::quant::grid::{Iq2, Iq3, Iq4, Iq5, Iq6};
use crate::quant::iqkss::PAIRS;
use crate::simd::Simd;

/// The values of a grid of up to 16, as a table to look up.
const fn table<const N: usize>(values: &[i8; N], offset: i32) -> Values<16> {
    let mut out = [0; 16];
    let mut i = 0;
    while i < N {
        out[i] = values[i];
        i += 1;
    }
    Values::new(out, offset)
}

/// Offsets that make the grids' values unsigned, and the largest values with them.
const OFFSET2: i32 = 32;
const OFFSET3: i32 = 64;
const OFFSET: i32 = 128;
const TOP2: u8 = largest(&Iq2::VALUES, OFFSET2);
const TOP3: u8 = largest(&Iq3::VALUES, OFFSET3);
const TOP5: u8 = largest(&Iq5::VALUES, OFFSET);
const TOP6: u8 = largest(&Iq6::WHOLE, OFFSET);

static GRID5: Values<32> = Values::new(Iq5::VALUES, OFFSET);
static GRID6: Values<64> = Values::new(Iq6::WHOLE, OFFSET);

static BY1: Pattern<i32, 16> = repeat8([0, 1, 2, 3, 4, 5, 6, 7]);
static BY2: Pattern<i32, 16> = repeat8([0, 2, 4, 6, 8, 10, 12, 14]);
pub static BY4: Pattern<i32, 16> = repeat8([0, 4, 8, 12, 16, 20, 24, 28]);

/// Bytes of the word: first the low halves, then the high halves.
pub static BY_BYTE: Pattern<i32, 16> = repeat8([0, 8, 16, 24, 4, 12, 20, 28]);

/// Fields of `MASK` bits, eight of each of two words, in 16 lanes: field `i` is `word >> counts[i]`.
///
/// # Safety
/// `words` points to eight readable bytes.
#[inline(always)]
pub unsafe fn fields<S: Simd, const MASK: i32>(
    s: S,
    words: *const u8,
    counts: &'static Pattern<i32, 16>,
) -> [S::I; 2] {
    // SAFETY: the caller's promise.
    let mut x = unsafe { s.two_words(words) };
    for v in 0..2 {
        x[v] = s.and(s.shrv_i32(x[v], counts.get(s)), s.splat_i32(MASK));
    }
    x
}

/// Eight fields of `MASK` bits of the word at `p`: field `i` is `word >> counts[i]`.
///
/// # Safety
/// `p` points to four readable bytes.
#[inline(always)]
pub unsafe fn words8<H: Simd, const MASK: i32>(
    h: H,
    p: *const u8,
    counts: &'static Pattern<i32, 16>,
) -> H::I {
    // SAFETY: the caller's promise.
    let word = unsafe { p.cast::<i32>().read_unaligned() };
    h.and(
        h.shrv_i32(h.splat_i32(word), counts.get(h)),
        h.splat_i32(MASK),
    )
}

/// The values of eight codes (in 32-bit lanes) on the grid of iq4_nl.
#[inline(always)]
pub fn eight_values<H: Simd>(h: H, codes: H::I) -> H::I {
    // Looked up with the offset added, so that they are extended with zeros.
    static RAISED: Pattern<i8, 64> = repeat16(Values::new(Iq4::VALUES, IQ4_OFFSET).0);
    let none = h.splat_i32(0x8080_8000u32 as i32);
    let raised = h.lookup16(RAISED.get(h), h.or(codes, none));
    h.sub_i32(raised, h.splat_i32(IQ4_OFFSET))
}

/// The scale in front of a row.
///
/// # Safety
/// `row` points to four readable bytes.
#[inline(always)]
pub unsafe fn row_f32(row: *const u8) -> f32 {
    // SAFETY: the caller's promise.
    unsafe { row.cast::<f32>().read_unaligned() }
}

/// The first group of vector `v` of two that have a lane per group: sixteen lanes, or eight and then eight.
const fn first_lane<S: Simd>(v: usize) -> usize {
    8 * v * (2 - S::HALVES)
}

/// Scales `d · level`, and mins of `scale · shift` where the bit of a group is 1.
#[inline(always)]
fn shifted<S: Simd>(s: S, d: S::F, level: [S::I; 2], bits: u32, shift: f32) -> Scales<S> {
    let mut scales = Scales::none(s);
    for v in 0..2 {
        scales.scale[v] = s.mul(d, s.to_f32(level[v]));
        let by = s.select_by_bits(bits, first_lane::<S>(v), s.splat(shift), s.zero());
        scales.min[v] = s.mul(scales.scale[v], by);
    }
    scales
}

/// As [`shifted`] for eight groups, in lanes 0 to 7 of a half.
#[inline(always)]
fn shifted8<S: Simd>(
    s: S,
    d: <S::Half as Simd>::F,
    level: <S::Half as Simd>::I,
    bits: u32,
    shift: f32,
) -> Scales<S> {
    let h = s.half();
    let scale = s.widen(h.mul(d, h.to_f32(level)));
    let by = s.select_by_bits(bits, 0, s.splat(shift), s.zero());
    Scales::eight_with_min(s, scale, s.mul(scale, by))
}

/// Indices of two bits, four groups of 32 to 32 bytes at `p`, from bit `AT` on; see [`bits_of`].
///
/// # Safety
/// `p` points to 64 readable bytes.
#[inline(always)]
unsafe fn pairs<S: Simd, const AT: i32>(s: S, p: *const u8, i: usize) -> S::I {
    // SAFETY: the caller's promise.
    unsafe { bits_of::<S, 2, AT>(s, p.add(32 * (S::HALVES * i / 4)), i) }
}

/// Nibbles, two groups of 32 to 32 bytes.
///
/// # Safety
/// `p` points to 128 readable bytes.
#[inline(always)]
unsafe fn fours<S: Simd>(s: S, p: *const u8, i: usize) -> S::I {
    // SAFETY: the caller's promise.
    unsafe { bits_of::<S, 4, 0>(s, p.add(32 * (S::HALVES * i / 2)), i) }
}

/// Values of iq2_k and iq2_ks, four groups of 32 to 32 bytes; see [`placed_pairs`].
///
/// # Safety
/// `p` points to 64 readable bytes.
#[inline(always)]
unsafe fn twos<S: Simd>(s: S, p: *const u8, i: usize) -> S::I {
    /// For indices, and for four times as large ones.
    static VALUES: Patterns<i8, 64> = {
        let v = table(&Iq2::VALUES, OFFSET2).0;
        let odd = [v[0], 0, 0, 0, v[1], 0, 0, 0, v[2], 0, 0, 0, v[3], 0, 0, 0];
        alternate(v, odd)
    };
    // SAFETY: the caller's promise.
    let indices = unsafe { placed_pairs(s, p, i) };
    s.lookup16(VALUES.get(s, i), indices)
}

/// Values of iq3_k and iq3_ks: two bits as for [`twos`] at `low`; a third one at `high`, which comes to bit 2 if the group is even, to bit 1 if it is odd:
/// two groups without a shift, and each two of the others with the same.
///
/// # Safety
/// `low` points to 64 readable bytes, `high` to 32.
#[inline(always)]
unsafe fn threes<S: Simd>(s: S, low: *const u8, high: *const u8, i: usize) -> S::I {
    static MASK: Patterns<i8, 64> = alternate([1 << 2; 16], [1 << 1; 16]);
    static VALUES: Patterns<i8, 64> = {
        let v = table(&Iq3::VALUES, OFFSET3).0;
        // Four low values' places, each with the third bit clear and set.
        let odd = [
            v[0], 0, v[4], 0, v[1], 0, v[5], 0, v[2], 0, v[6], 0, v[3], 0, v[7], 0,
        ];
        alternate(v, odd)
    };
    // The second half has an odd group, whose bit goes further.
    static FURTHER: Pattern<i32, 16> = Pattern([0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2]);
    let first = (S::HALVES * i) as i32;
    let count = first - if first % 2 == 0 { 2 } else { 1 };
    // SAFETY: the caller's promise.
    let (pairs, bytes) = unsafe { (placed_pairs(s, low, i), s.load_halves(high, high)) };
    let bits = match first {
        0 => s.shlv_i32(bytes, s.sub_i32(s.splat_i32(2), FURTHER.get(s))),
        _ => s.shrv_i32(bytes, s.add_i32(s.splat_i32(count), FURTHER.get(s))),
    };
    let indices = s.or(pairs, s.and(bits, MASK.get(s, i)));
    s.lookup16(VALUES.get(s, i), indices)
}

/// Values of iq5_k and iq5_ks: [`fours`] at `low`, and a fifth bit at `high`.
///
/// # Safety
/// `low` points to 128 readable bytes, `high` to 32.
#[inline(always)]
unsafe fn fives<S: Simd>(s: S, low: *const u8, high: *const u8, i: usize) -> S::I {
    // SAFETY: the caller's promise.
    let (low, high) = unsafe { (fours(s, low, i), bits_of::<S, 1, 4>(s, high, i)) };
    s.lookup32(&GRID5.0, s.or(low, high))
}

/// Values of iq6_k: [`fours`] at `low`, [`pairs`] above them at `high`.
///
/// # Safety
/// `low` points to 128 readable bytes, `high` to 64.
#[inline(always)]
unsafe fn sixes<S: Simd>(s: S, low: *const u8, high: *const u8, i: usize) -> S::I {
    // SAFETY: the caller's promise.
    let (low, high) = unsafe { (fours(s, low, i), pairs::<S, 4>(s, high, i)) };
    s.lookup64(&GRID6.0, s.or(low, high))
}

/// Defines a type with groups of 16, and a half-float scale and the shifts of groups in front of each block.
macro_rules! per_block {
    ($name:ident, $ty:ident, bytes: $bytes:literal, offset: $offset:ident, top: $top:ident, shift: $shift:literal, up: $up:literal,
     |$s:ident, $p:ident, $i:ident| codes: $codes:expr, levels: $levels:expr) => {
        pub struct $name;
        impl Weights for $name {
            const TYPE: Type = Type::$ty;
            const BLOCK: usize = 256;
            const BYTES: usize = $bytes;
            const GROUP: usize = 16;
            const OFFSET: i32 = $offset;
            const TOP: u8 = $top;
            const MIN: bool = true;
            const UP: i16 = $up;

            #[inline(always)]
            unsafe fn codes<S: Simd>($s: S, $p: *const u8, $i: usize) -> S::I {
                // SAFETY: the caller's promise; offsets are the block's.
                unsafe { $codes }
            }
            #[inline(always)]
            unsafe fn scales<S: Simd>($s: S, _row: *const u8, $p: *const u8) -> Scales<S> {
                // SAFETY: the caller's promise; offsets are the block's.
                unsafe {
                    // Two bytes of them.
                    let bits = $p.add(2).cast::<u32>().read_unaligned();
                    let levels: [S::I; 2] = $levels;
                    shifted($s, $s.splat_f16($p), levels, bits, $shift)
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
pub unsafe fn four_bits<S: Simd>(s: S, p: *const u8) -> [S::I; 2] {
    // SAFETY: the caller's promise.
    unsafe { fields::<S, 15>(s, p, &BY4) }
}

/// Sixteen levels of six bits, offset by 32: high bits at `p`, nibbles after them.
///
/// # Safety
/// `p` points to 12 readable bytes.
#[inline(always)]
unsafe fn six_bits<S: Simd>(s: S, p: *const u8) -> [S::I; 2] {
    // SAFETY: the caller's promise.
    let (high, mut x) = unsafe { (p.cast::<u32>().read_unaligned(), four_bits(s, p.add(4))) };
    // The first eight fields of this word, the next eight of the second.
    let words = [high, high >> 16];
    // SAFETY: two words.
    let high = unsafe { fields::<S, 3>(s, words.as_ptr().cast(), &BY2) };
    for v in 0..2 {
        x[v] = s.sub_i32(s.or(x[v], s.shl_i32::<4>(high[v])), s.splat_i32(32));
    }
    x
}

per_block!(Iq2K, Iq2_k, bytes: 76, offset: OFFSET2, top: TOP2, shift: 5.0, up: 3, |s, p, i|
codes: twos(s, p.add(12), i),
levels: {
    let x = four_bits(s, p.add(4));
    [s.sub_i32(x[0], s.splat_i32(8)), s.sub_i32(x[1], s.splat_i32(8))]
});
per_block!(Iq3K, Iq3_k, bytes: 110, offset: OFFSET3, top: TOP3, shift: 4.0, up: 2, |s, p, i|
codes: threes(s, p.add(14), p.add(78), i),
levels: {
    // Two bytes of them.
    let signs = p.add(4).cast::<u32>().read_unaligned();
    let mut x = four_bits(s, p.add(6));
    for v in 0..2 {
        let level = s.or(s.shl_i32::<1>(x[v]), s.splat_i32(1));
        let all = s.cast_f(s.splat_i32(-1));
        let negative = s.cast_i(s.select_by_bits(signs, first_lane::<S>(v), all, s.zero()));
        x[v] = s.sub_i32(s.xor(level, negative), negative);
    }
    x
});
per_block!(Iq4K, Iq4_k, bytes: 144, offset: IQ4_OFFSET, top: IQ4_TOP, shift: 4.0, up: 1, |s, p, i|
    codes: IQ4_VALUES.lookup(s, nibbles::<S, 16, 16>(s, p, i)),
    levels: six_bits(s, p.add(4)));
per_block!(Iq5K, Iq5_k, bytes: 176, offset: OFFSET, top: TOP5, shift: 2.0, up: 1, |s, p, i|
    codes: fives(s, p.add(16), p.add(144), i),
    levels: six_bits(s, p.add(4)));
per_block!(Iq6K, Iq6_k, bytes: 212, offset: OFFSET, top: TOP6, shift: 1.0, up: 1, |s, p, i|
codes: sixes(s, p.add(20), p.add(148), i),
levels: {
    let levels = p.add(4).cast::<i8>();
    [s.load_i8(levels), s.load_i8(levels.add(16 - S::N))]
});

/// Defines a type with groups of 32 and a scale in front of each row.
macro_rules! per_row {
    ($name:ident, $ty:ident, bytes: $bytes:literal, meta: $meta:literal, offset: $offset:ident, top: $top:ident, shift: $shift:literal,
     |$s:ident, $h:ident, $row:ident, $p:ident, $i:ident|
     codes: $codes:expr, scale: $scale:expr, levels: $levels:expr, shifts: $bits:expr) => {
        pub struct $name;
        impl Weights for $name {
            const TYPE: Type = Type::$ty;
            const BLOCK: usize = 256;
            const BYTES: usize = $bytes;
            const META: usize = $meta;
            const GROUP: usize = 32;
            const OFFSET: i32 = $offset;
            const TOP: u8 = $top;
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

per_row!(Iq2Ks, Iq2_ks, bytes: 70, meta: 2, offset: OFFSET2, top: TOP2, shift: 5.0, |s, h, row, p, i|
    codes: twos(s, p.add(6), i),
    scale: h.splat_f16(row),
    levels: five_bits(h, p.add(2).cast::<u32>().read_unaligned(), &BY4, p.add(1).read()),
    shifts: u32::from(p.read()));
per_row!(Iq3Ks, Iq3_ks, bytes: 102, meta: 2, offset: OFFSET3, top: TOP3, shift: 4.0, |s, h, row, p, i|
    codes: threes(s, p.add(6), p.add(70), i),
    scale: h.splat_f16(row),
    levels: {
        five_bits(h, p.add(2).cast::<u32>().read_unaligned(), &BY_BYTE, p.read())
    },
    shifts: u32::from(p.add(1).read()));
per_row!(Iq4Ks, Iq4_ks, bytes: 136, meta: 4, offset: IQ4_OFFSET, top: IQ4_TOP, shift: 4.0, |s, h, row, p, i|
    codes: IQ4_VALUES.lookup(s, nibbles::<S, 16, 8>(s, p, i)),
    scale: h.splat(row_f32(row)),
    levels: odd(h, p),
    shifts: low_bits(p.cast::<u64>().read_unaligned()));
per_row!(Iq5Ks, Iq5_ks, bytes: 168, meta: 4, offset: OFFSET, top: TOP5, shift: 2.0, |s, h, row, p, i|
    codes: fives(s, p.add(8), p.add(136), i),
    scale: h.splat(row_f32(row)),
    levels: odd(h, p),
    shifts: low_bits(p.cast::<u64>().read_unaligned()));

/// The bytes of the levels and shifts of iq4_kss: the lowest bits of its words.
///
/// # Safety
/// `block` points to a block.
#[inline(always)]
unsafe fn level_bytes<S: Simd>(s: S, block: *const u8) -> u64 {
    let mut bytes = 0u64;
    for v in 0..32 / S::N {
        // SAFETY: the caller's promise.
        let words = unsafe { s.load_int(block.add(4 * S::N * v)) };
        bytes |= u64::from(s.top_bits_i16(s.shl_i16::<15>(words))) << (2 * S::N * v);
    }
    bytes
}

/// The lowest bits of eight bytes.
#[inline(always)]
fn low_bits(bytes: u64) -> u32 {
    // Each product's bit lands on a place of its own in the top byte.
    ((bytes & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

per_row!(Iq4Kss, Iq4_kss, bytes: 128, meta: 4, offset: IQ4_OFFSET, top: IQ4_TOP, shift: 4.0, |s, h, row, p, i|
    codes: {
        // Words are Gray-coded, but for the lowest bit.
        static SHIFT: Pattern<i32, 16> = repeat8([0, 0, 0, 0, 4, 4, 4, 4]);
        let p = p.add(32 * (S::HALVES * i / 2) + 16 * (S::HALVES * i % 2));
        let gray = s.and(s.load_lanes([p, p, p.add(16), p.add(16)]), s.splat_i32(0xfffe_fffeu32 as i32));
        let words = s.xor(gray, s.shr_i16::<1>(gray));
        let idx = s.and(s.shrv_i32(words, SHIFT.get(s)), s.splat_i8(15));
        IQ4_VALUES.lookup(s, idx)
    },
    scale: h.splat(row_f32(row)),
    levels: {
        let bytes = level_bytes(s, p);
        odd(h, (&raw const bytes).cast())
    },
    shifts: low_bits(level_bytes(s, p)));

/// First and second values of the pairs of iq2_kl.
static PAIR_VALUES: [Values<32>; 2] = [pair_values(0), pair_values(1)];

const fn pair_values(place: usize) -> Values<32> {
    let mut values = [0; 32];
    let mut i = 0;
    while i < 32 {
        values[i] = Iq3::VALUES[PAIRS[i][place] as usize];
        i += 1;
    }
    Values::new(values, OFFSET3)
}

pub struct Iq2Kl;
impl Weights for Iq2Kl {
    const TYPE: Type = Type::Iq2_kl;
    const BLOCK: usize = 256;
    const BYTES: usize = 86;
    const META: usize = 2;
    const GROUP: usize = 32;
    const OFFSET: i32 = OFFSET3;
    const TOP: u8 = TOP3;

    const WHOLE: bool = true;

    #[inline(always)]
    unsafe fn chunk<S: Simd>(s: S, chunk: *const u8) -> [S::I; 8] {
        // A group's 16 pairs in each 128-bit lane.
        static SHIFT: Patterns<i32, 16> =
            Patterns([0, 0, 0, 0, 4, 4, 4, 4, 0, 0, 0, 0, 4, 4, 4, 4]);
        static GROUP: Patterns<i32, 32> = Patterns({
            let mut group = [0; 32];
            let mut j = 0;
            while j < 32 {
                group[j] = j as i32 / 4;
                j += 1;
            }
            group
        });
        let mut out = [s.splat_i32(0); 8];
        // SAFETY: the caller's promise; nibbles are bytes 6 to 70, high bits 70 to 86.
        let high = unsafe { s.load_128(chunk.add(70)) };
        for k in 0..CHUNK / (8 * S::N) {
            // SAFETY: as above.
            let low = unsafe {
                let p = chunk.add(6 + 16 * S::HALVES * k);
                let q = p.add(16 * (S::HALVES - 1));
                s.load_lanes([p, p, q, q])
            };
            let low = s.and(s.shrv_i32(low, SHIFT.get(s, 0)), s.splat_i8(15));
            let high = s.and(s.shrv_i32(high, GROUP.get(s, k)), s.splat_i8(1));
            let pairs = s.or(low, s.shl_i16::<4>(high));
            let first = s.lookup32(&PAIR_VALUES[0].0, pairs);
            let second = s.lookup32(&PAIR_VALUES[1].0, pairs);
            (out[2 * k], out[2 * k + 1]) = s.zip_i8(first, second);
        }
        out
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, row: *const u8, chunk: *const u8) -> Scales<S> {
        let h = s.half();
        // SAFETY: the caller's promise; offsets are the block's.
        let (d, low, high) = unsafe {
            (
                s.f16_at(row),
                words8::<_, 15>(h, chunk.add(2), &BY_BYTE),
                i32::from(chunk.cast::<u16>().read_unaligned()),
            )
        };
        let high = h.and(h.shrv_i32(h.splat_i32(high), BY2.get(h)), h.splat_i32(3));
        let level = h.sub_i32(h.or(low, h.shl_i32::<4>(high)), h.splat_i32(32));
        Scales::eight(s, s.widen(h.mul(h.splat(d), h.to_f32(level))))
    }
}

/// Four-bit floats, doubled.
const FLOATS: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

pub struct Mxfp4;
impl Weights for Mxfp4 {
    const TYPE: Type = Type::Mxfp4;
    const BLOCK: usize = 32;
    const BYTES: usize = 17;
    const GROUP: usize = 32;
    const OFFSET: i32 = 12;
    const TOP: u8 = largest(&FLOATS, Self::OFFSET);

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        static DOUBLED: Values<16> = Values::new(FLOATS, Mxfp4::OFFSET);
        // SAFETY: the caller's promise.
        let idx = unsafe { nibbles::<S, 17, 1>(s, chunk, i) };
        DOUBLED.lookup(s, idx)
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        let h = s.half();
        // SAFETY: the caller's promise.
        let e = unsafe { s.gather_u8::<17>(chunk) };
        // 2^(e - 128): half of the power that `e` stands for, in two factors of which each is a normal number. What is less than
        // any normal number counts as zero: blocks of zeros have such scales, with which products take a hundred times as long.
        let power = h.cast_f(h.shl_i32::<23>(h.add_i32(e, h.splat_i32(1))));
        let is_normal = h.lt(h.splat(1.5), h.to_f32(e));
        let scale = h.mul(h.select(is_normal, power, h.zero()), h.splat(0.25));
        // e + 1 = 255 or 256 would not be a normal number; e - 1 is then.
        let large = h.cast_f(h.shl_i32::<23>(h.sub_i32(e, h.splat_i32(1))));
        let is_small = h.lt(h.to_f32(e), h.splat(200.0));
        Scales::eight(s, s.widen(h.select(is_small, scale, large)))
    }
}
