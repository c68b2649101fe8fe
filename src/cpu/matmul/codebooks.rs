//! The types whose codes are vectors of a codebook: iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, iq1_s, iq1_m. Layouts and codebooks:
//! `quant::codebook`.
//!
//! Where bytes can be looked up in large tables, a codebook is a table of bytes for each place in its vectors (or for each two
//! or four places, if values fit in nibbles or pairs of bits), and all of a chunk's vectors are looked up at once. Elsewhere
//! vectors are loaded from the codebook one by one; so are those of iq1_s and iq1_m also where gathers are slow. Negated values that are raised by 128 are so again, modulo 256.

// Indices go over several arrays; iterators would be closures, which lose the vector instructions.
#![allow(clippy::needless_range_loop)]

use super::iqk::{BY4, fields, four_bits, words8};
use super::weights::{CHUNK, Pattern, Patterns, Scales, Signs, Values, Weights, repeat16};
use crate::quant::Type;
use crate::quant::codebook;
use crate::simd::{Simd, gathers_fast};

/// A codebook of eight-vectors, on cache lines.
#[repr(align(64))]
struct Book<const N: usize>([[i8; 8]; N]);

static IQ2_XXS: Book<256> = Book(codebook::IQ2_XXS);
static IQ2_XS: Book<512> = Book(codebook::IQ2_XS);
static IQ2_S: Book<1024> = Book(codebook::IQ2_S);
/// Values count from the least, as do those of [`IQ1_S_NIBBLES`].
static IQ1_S: Book<2048> = Book({
    let mut out = codebook::IQ1_S;
    let mut i = 0;
    while i < 8 * 2048 {
        out[i / 8][i % 8] += 1;
        i += 1;
    }
    out
});

impl<const N: usize> Book<N> {
    /// A vector of eight-vectors; the first `4 HALVES` numbers are used.
    #[inline(always)]
    fn get<S: Simd>(&'static self, s: S, numbers: [u32; 8]) -> S::I {
        let mut within = numbers;
        for l in 0..4 * S::HALVES {
            // Too large a number, which there is not, would be another one.
            within[l] %= N as u32;
        }
        // SAFETY: there are `N` eight-vectors.
        unsafe { s.quads_at(self.0.as_ptr().cast(), within) }
    }
}

/// Codebooks of eight-vectors by bytes: the pairs of bits for the first four places, then for the last four; 256 vectors at a time.
#[repr(align(64))]
struct Planes<const T: usize>([[[u8; 256]; T]; 2]);

impl<const T: usize> Planes<T> {
    /// Each pair of bits is the number of one of [`TWO`].
    const fn new<const N: usize>(book: &[[i8; 8]; N]) -> Self {
        assert!(N == 256 * T);
        let mut out = [[[0; 256]; T]; 2];
        let mut i = 0;
        while i < 8 * N {
            let (number, place) = (i / 8, i % 8);
            let mut digit = 0;
            while TWO[digit] != book[number][place] {
                digit += 1;
            }
            out[place / 4][number / 256][number % 256] |= (digit as u8) << (2 * (place % 4));
            i += 1;
        }
        Planes(out)
    }

    /// The pairs of bits of 32 vectors, see [`Simd::pairs_of_halves`]: from the lowest eight bits of their numbers (in the lower
    /// half), and the bits above them, from bit 8 on.
    #[inline(always)]
    fn get<S: Simd>(&'static self, s: S, low: S::I, high: [u64; 2]) -> S::I {
        let mut halves = [low; 2];
        for j in 0..2 {
            let mut x = [low; 4];
            for t in 0..T {
                x[t] = s.lookup256(&self.0[j][t], low);
            }
            for b in 0..2 {
                let mask = s.mask_of_bits(high[b]);
                for t in 0..(T >> (b + 1)) {
                    x[t] = s.select_i8(mask, x[2 * t + 1], x[2 * t]);
                }
            }
            halves[j] = x[0];
        }
        s.join_lower(halves[0], halves[1])
    }
}

const TWO: [i8; 3] = [8, 25, 43];
static TWO_VALUES: Values<16> =
    Values::new([8, 25, 43, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 128);
static IQ2_XXS_PLANES: Planes<1> = Planes::new(&codebook::IQ2_XXS);
static IQ2_XS_PLANES: Planes<2> = Planes::new(&codebook::IQ2_XS);
static IQ2_S_PLANES: Planes<4> = Planes::new(&codebook::IQ2_S);

/// Where a bit of each of a chunk's 32 codes is among 16 bytes.
struct Places {
    byte: Pattern<i8, 64>,
    bit: Pattern<i8, 64>,
}

impl Places {
    /// Code `i`'s at bit `stride (i / per) + width (i % per) + first`.
    const fn new(stride: usize, per: usize, width: usize, first: usize) -> Places {
        let (mut byte, mut bit) = ([0; 64], [0; 64]);
        let mut i = 0;
        while i < 64 {
            let at = stride * (i % 32 / per) + width * (i % per) + first;
            byte[i] = (at / 8) as i8;
            bit[i] = (1u8 << (at % 8)) as i8;
            i += 1;
        }
        Places {
            byte: Pattern(byte),
            bit: Pattern(bit),
        }
    }

    /// # Safety
    /// `p` points to 16 readable bytes.
    #[inline(always)]
    unsafe fn get<S: Simd>(&'static self, s: S, p: *const u8) -> u64 {
        let h = s.half();
        // SAFETY: the caller's promise.
        let bytes = unsafe { h.load_128(p) };
        let bit = self.bit.get(h);
        let set = h.eq_i8(h.and(h.lookup16(bytes, self.byte.get(h)), bit), bit);
        h.top_bits_i8(set) & 0xffff_ffff
    }
}

/// Bytes of eight signs from seven: the last one makes the number of negative ones even.
#[inline(always)]
fn even<H: Simd>(h: H, seven: H::I) -> H::I {
    static ODD: Pattern<i8, 64> = repeat16([
        0, -128, -128, 0, -128, 0, 0, -128, -128, 0, 0, -128, 0, -128, -128, 0,
    ]);
    let nibbles = h.xor(seven, h.shr_i16::<4>(seven));
    h.or(
        seven,
        h.lookup16(ODD.get(h), h.and(nibbles, h.splat_i8(15))),
    )
}

/// Signs from the lower 28 bits of words, seven for eight values.
#[inline(always)]
fn signs_of_words<H: Simd>(h: H, words: H::I) -> H::I {
    let a = h.and(words, h.splat_i32(0x7f));
    let b = h.and(h.shl_i32::<1>(words), h.splat_i32(0x7f00));
    let c = h.and(h.shl_i32::<2>(words), h.splat_i32(0x7f_0000));
    let d = h.and(h.shl_i32::<3>(words), h.splat_i32(0x7f00_0000));
    even(h, h.or(h.or(a, b), h.or(c, d)))
}

/// `(level + 1/2) · by · d` for eight groups.
#[inline(always)]
fn half_levels<S: Simd>(s: S, d: f32, by: f32, levels: <S::Half as Simd>::I) -> Scales<S> {
    let h = s.half();
    let levels = h.add(h.to_f32(levels), h.splat(0.5));
    Scales::eight(s, s.widen(h.mul(h.splat(d * by), levels)))
}

/// `(level + 1/2) / 4 · d` for sixteen groups, whose levels are nibbles at `levels`.
///
/// # Safety
/// `block` begins with the scale, `levels` points to eight bytes.
#[inline(always)]
unsafe fn quarter_levels<S: Simd>(s: S, block: *const u8, levels: *const u8) -> Scales<S> {
    // SAFETY: the caller's promise.
    let (d, levels) = unsafe { (s.f16_at(block), four_bits(s, levels)) };
    let mut scales = Scales::none(s);
    for v in 0..2 {
        let level = s.add(s.to_f32(levels[v]), s.splat(0.5));
        scales.scale[v] = s.mul(s.splat(0.25 * d), level);
    }
    scales
}

/// Vector `i` of values from [`Planes::get`].
#[inline(always)]
fn by_pairs<S: Simd>(s: S, pairs: S::I, i: usize) -> S::I {
    TWO_VALUES.lookup(s, s.and(s.pairs_of_halves(pairs, i), s.splat_i8(3)))
}

/// Defines a type by its codes for whole chunks and its scales; the offset is the largest value, and minus the least. Or by the values' signs
/// and sizes, also raised by 128 from tables of bytes.
macro_rules! codebook {
    ($name:ident, $ty:ident, bytes: $bytes:literal, group: $group:literal, offset: $offset:literal, $(up: $up:literal,)? |$s:ident, $p:ident, $i:ident|
     before: { $($before:tt)* }, signs: $signs:ident, $(tables: { $($tables:tt)* },)? raised: $raised:expr, sizes: $sizes:expr, scales: $scales:expr) => {
        codebook!($name, $ty, bytes: $bytes, group: $group, offset: $offset, $(up: $up,)? |$s, $p, $i|
        before: { $($before)* $($($tables)*)? },
        codes: if S::BYTE_TABLES {
            $signs.negate($s, $raised, $i)
        } else {
            $signs.raised($s, $sizes, $i, $offset)
        },
        scales: $scales,
        also: {
            const SIGNS: bool = true;

            #[inline(always)]
            unsafe fn sizes<S: Simd>($s: S, $p: *const u8) -> ([S::I; 8], Signs<S>) {
                let mut out = [$s.splat_i32(0); 8];
                // SAFETY: the caller's promise; offsets are the block's.
                unsafe {
                    $($before)*
                    for $i in 0..CHUNK / (4 * S::N) {
                        out[$i] = $sizes;
                    }
                    (out, $signs)
                }
            }
        });
    };
    ($name:ident, $ty:ident, bytes: $bytes:literal, group: $group:literal, offset: $offset:literal, $(up: $up:literal,)? |$s:ident, $p:ident, $i:ident|
     before: { $($before:tt)* }, codes: $codes:expr, scales: $scales:expr $(, also: { $($also:tt)* })?) => {
        pub struct $name;
        impl Weights for $name {
            const TYPE: Type = Type::$ty;
            const BLOCK: usize = 256;
            const BYTES: usize = $bytes;
            const GROUP: usize = $group;
            const RAISED: bool = true;
            const OFFSET: i32 = $offset;
            const TOP: u8 = 2 * $offset;
            const WHOLE: bool = true;
            $(const UP: i16 = $up;)?

            #[inline(always)]
            unsafe fn chunk<S: Simd>($s: S, $p: *const u8) -> [S::I; 8] {
                let mut out = [$s.splat_i32(0); 8];
                // SAFETY: the caller's promise; offsets are the block's.
                unsafe {
                    $($before)*
                    for $i in 0..CHUNK / (4 * S::N) {
                        out[$i] = $codes;
                    }
                }
                out
            }
            #[inline(always)]
            unsafe fn scales<S: Simd>($s: S, _row: *const u8, $p: *const u8) -> Scales<S> {
                // SAFETY: the caller's promise; offsets are the block's.
                unsafe { $scales }
            }
            $($($also)*)?
        }
    };
}

/// The words of signs and levels of iq2_xxs, every second one of sixteen.
///
/// # Safety
/// `block` points to a block.
#[inline(always)]
unsafe fn odd_words<H: Simd>(h: H, block: *const u8) -> H::I {
    // SAFETY: the caller's promise.
    unsafe {
        h.unzip_i32(h.load_int(block.add(2)), h.load_int(block.add(34)))
            .1
    }
}

codebook!(Iq2Xxs, Iq2_xxs, bytes: 66, group: 32, offset: 43, |s, p, i|
before: {
    let h = s.half();
    let signs = Signs::new(s, signs_of_words(h, odd_words(h, p)));
},
signs: signs,
tables: {
    let mut pairs = s.splat_i32(0);
    if S::BYTE_TABLES {
        let low = h.unzip_i32(h.load_int(p.add(2)), h.load_int(p.add(34))).0;
        pairs = IQ2_XXS_PLANES.get(s, s.join(low, low), [0; 2]);
    }
},
raised: by_pairs(s, pairs, i),
sizes: {
    let mut numbers = [0; 8];
    for l in 0..4 * S::HALVES {
        let group = S::HALVES * i + l / 4;
        // Otherwise the compiler would take most of them out of the vector with the signs, which takes longer.
        numbers[l] = u32::from(p.add(2 + 8 * group + l % 4).read_volatile());
    }
    IQ2_XXS.get(s, numbers)
},
scales: half_levels(s, s.f16_at(p), 0.25, {
    let h = s.half();
    h.shr_i32::<28>(odd_words(h, p))
}));

codebook!(Iq2Xs, Iq2_xs, bytes: 74, group: 16, offset: 43, up: 2, |s, p, i|
before: {
    let h = s.half();
    let words = [h.load_int(p.add(2)), h.load_int(p.add(34))];
    let seven = h.narrow_i16(h.shr_i16::<9>(words[0]), h.shr_i16::<9>(words[1]));
    let signs = Signs::new(s, even(h, seven));
},
signs: signs,
tables: {
    let mut pairs = s.splat_i32(0);
    if S::BYTE_TABLES {
        let byte = h.splat_i32(0x00ff_00ff);
        let low = h.narrow_i16(h.and(words[0], byte), h.and(words[1], byte));
        let ninth = u64::from(h.top_bits_i16(h.shl_i16::<7>(words[0])))
            | u64::from(h.top_bits_i16(h.shl_i16::<7>(words[1]))) << 16;
        pairs = IQ2_XS_PLANES.get(s, s.join(low, low), [ninth, 0]);
    }
},
raised: by_pairs(s, pairs, i),
sizes: {
    let mut numbers = [0; 8];
    for l in 0..4 * S::HALVES {
        let word = p.add(2 + 2 * (4 * S::HALVES * i + l)).cast::<u16>().read_unaligned();
        numbers[l] = u32::from(word & 511);
    }
    IQ2_XS.get(s, numbers)
},
scales: quarter_levels(s, p, p.add(66)));

codebook!(Iq2S, Iq2_s, bytes: 82, group: 16, offset: 43, up: 2, |s, p, i|
before: {
    let h = s.half();
    let signs = Signs::new(s, h.load_int(p.add(34)));
},
signs: signs,
tables: {
    static HIGH: [Places; 2] = [Places::new(2, 1, 0, 0), Places::new(2, 1, 0, 1)];
    let mut pairs = s.splat_i32(0);
    if S::BYTE_TABLES {
        let low = h.load_int(p.add(2));
        let high = [HIGH[0].get(s, p.add(66)), HIGH[1].get(s, p.add(66))];
        pairs = IQ2_S_PLANES.get(s, s.join(low, low), high);
    }
},
raised: by_pairs(s, pairs, i),
sizes: {
    let mut numbers = [0; 8];
    for l in 0..4 * S::HALVES {
        let at = 4 * S::HALVES * i + l;
        let high = u32::from(p.add(66 + at / 4).read());
        numbers[l] = u32::from(p.add(2 + at).read()) | high << (8 - 2 * (at % 4)) & 0x300;
    }
    IQ2_S.get(s, numbers)
},
scales: quarter_levels(s, p, p.add(74)));

/// Where three bits of each of a chunk's 32 codes are among 16 bytes, four codes' in every two: those above the lowest eight of
/// their numbers.
struct High {
    each: usize,
    bytes: Patterns<i8, 128>,
    counts: Patterns<i32, 32>,
}

impl High {
    /// They begin every `each` bits.
    const fn new(each: usize) -> High {
        let (mut bytes, mut counts) = ([-1; 128], [0; 32]);
        let mut i = 0;
        while i < 32 {
            let at = 16 * (i / 4) + each * (i % 4);
            bytes[4 * i] = (at / 8) as i8;
            if at % 8 > 5 {
                bytes[4 * i + 1] = (at / 8 + 1) as i8;
            }
            counts[i] = (at % 8) as i32;
            i += 1;
        }
        High {
            each,
            bytes: Patterns(bytes),
            counts: Patterns(counts),
        }
    }

    /// The numbers of a chunk's vectors, the lowest eight bits of which are the bytes at `low`; in two or four vectors.
    ///
    /// # Safety
    /// `low` points to 32 readable bytes, `high` to 16.
    #[inline(always)]
    unsafe fn numbers<S: Simd>(&'static self, s: S, low: *const u8, high: *const u8) -> [S::I; 4] {
        let mut out = [s.splat_i32(0); 4];
        // SAFETY: the caller's promise.
        let bytes = unsafe { s.load_128(high) };
        for v in 0..32 / S::N {
            let bits = s.lookup16(bytes, self.bytes.get(s, v));
            let bits = s.and(s.shrv_i32(bits, self.counts.get(s, v)), s.splat_i32(7));
            // SAFETY: the caller's promise.
            let low = unsafe { s.load_u8(low.add(S::N * v)) };
            out[v] = s.or(low, s.shl_i32::<8>(bits));
        }
        out
    }

    /// The same in scalar registers.
    ///
    /// # Safety
    /// As [`High::numbers`].
    #[inline(always)]
    unsafe fn scalars<S: Simd>(&'static self, s: S, low: *const u8, high: *const u8) -> [u32; 32] {
        const LANES: u64 = 0x0001_0001_0001_0001;
        let mut out = [0; 32];
        for j in 0..8 {
            // SAFETY: the caller's promise.
            let (low, high) = unsafe {
                (
                    low.cast::<u32>().add(j).read_unaligned(),
                    high.cast::<u16>().add(j).read_unaligned(),
                )
            };
            let low = s.deposit(low.into(), 0xff * LANES);
            let high = s.deposit(high.into(), (((1 << self.each) - 1) << 8) * LANES);
            let four = low | high & (0x700 * LANES);
            for l in 0..4 {
                out[4 * j + l] = (four >> (16 * l)) as u32 & 0x7ff;
            }
        }
        out
    }
}

/// The codebook of iq1_s with a nibble for each value, which counts from the least.
static IQ1_S_NIBBLES: Words = {
    let mut out = [0; 2048];
    let mut i = 0;
    while i < 8 * 2048 {
        out[i / 8] |= (IQ1_S.0[i / 8][i % 8] as u32) << (4 * (i % 8));
        i += 1;
    }
    Words(out)
};

/// 2048 words on cache lines.
#[repr(align(64))]
struct Words([u32; 2048]);

/// The values of a chunk's vectors of iq1_s or iq1_m, which count from the least: 0, 1, 2. See [`High::numbers`].
///
/// # Safety
/// As [`High::numbers`].
#[inline(always)]
unsafe fn vectors<S: Simd>(s: S, high: &'static High, at: [*const u8; 2]) -> [S::I; 8] {
    let mut out = [s.splat_i32(0); 8];
    let n = CHUNK / (4 * S::N);
    let mut numbers = [0; 32];
    // SAFETY: the caller's promise; numbers have eleven bits.
    unsafe {
        if S::DEPOSITS && !(S::BYTE_TABLES && gathers_fast()) {
            numbers = high.scalars(s, at[0], at[1]);
        } else {
            let by_vectors = high.numbers(s, at[0], at[1]);
            if S::BYTE_TABLES {
                for v in 0..n / 2 {
                    let words = s.gather_i32(IQ1_S_NIBBLES.0.as_ptr().cast(), by_vectors[v]);
                    for upper in 0..2 {
                        let nibbles = s.nibbles_of_words(words, upper == 1);
                        out[2 * v + upper] = s.and(nibbles, s.splat_i8(15));
                    }
                }
                return out;
            }
            for v in 0..32 / S::N {
                s.store_int(numbers.as_mut_ptr().add(S::N * v).cast(), by_vectors[v]);
            }
        }
        let table = IQ1_S.0.as_ptr().cast::<u8>();
        for i in 0..n {
            let (mut eight, mut places) = ([0; 8], [table; 8]);
            for l in 0..4 * S::HALVES {
                eight[l] = numbers[4 * S::HALVES * i + l];
                places[l] = table.wrapping_add(8 * eight[l] as usize);
            }
            // Numbers are in registers, or come from memory.
            out[i] = match S::DEPOSITS {
                true => s.quads_at(table, eight),
                false => s.load_quads(places),
            };
        }
    }
    out
}

/// Eight times vector `i` of the values, with the shift of an eighth, up or (where a code's bit is set) down; raised where the
/// level wants it.
#[inline(always)]
fn shifted<S: Simd>(s: S, values: S::I, down: u64, i: usize) -> S::I {
    let down = (down >> (4 * S::HALVES * i)) as u32;
    // Eight is taken off that the values had too much, and the offset added, of 128 or 9.
    let by = if S::VNNI { [119, 121] } else { [0, 2] };
    s.add_i8(
        s.shl_i16::<3>(values),
        s.select_i64(down, s.splat_i8(by[0]), s.splat_i8(by[1])),
    )
}

/// The values count from 0, so that they need no offset; the rest of them, of which a shift of an eighth is a part, is the min.
pub struct Iq1S;
impl Weights for Iq1S {
    const TYPE: Type = Type::Iq1_s;
    const BLOCK: usize = 256;
    const BYTES: usize = 50;
    const GROUP: usize = 32;
    const MIN: bool = true;
    const TOP: u8 = 2;
    const WHOLE: bool = true;

    #[inline(always)]
    unsafe fn chunk<S: Simd>(s: S, chunk: *const u8) -> [S::I; 8] {
        static HIGH: High = High::new(3);
        // SAFETY: the caller's promise; offsets are the block's.
        unsafe { vectors(s, &HIGH, [chunk.add(2), chunk.add(34)]) }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // Eight words of the same 16 bytes, four in each 128-bit lane.
        static WORDS: Pattern<i8, 64> = Pattern({
            let mut out = [-1; 64];
            let mut i = 0;
            while i < 16 {
                (out[4 * i], out[4 * i + 1]) = ((2 * i % 16) as i8, (2 * i % 16 + 1) as i8);
                i += 1;
            }
            out
        });
        let h = s.half();
        // SAFETY: the caller's promise; offsets are the block's.
        let (words, d) = unsafe { (h.load_128(chunk.add(34)), s.f16_at(chunk)) };
        let words = h.lookup16(words, WORDS.get(h));
        let levels = h.and(h.shr_i32::<12>(words), h.splat_i32(7));
        let levels = h.fma(h.to_f32(levels), h.splat(2.0), h.splat(1.0));
        let scale = h.mul(h.splat(d), levels);
        let down = h.to_f32(h.shr_i32::<15>(words));
        let by = h.fma(down, h.splat(-0.25), h.splat(-0.875));
        Scales::eight_with_min(s, s.widen(scale), s.widen(h.mul(scale, by)))
    }
}

codebook!(Iq1M, Iq1_m, bytes: 56, group: 16, offset: 9, up: 14, |s, p, i|
before: {
    static HIGH: High = High::new(4);
    static DOWN: Places = Places::new(4, 1, 0, 3);
    let values = vectors(s, &HIGH, [p, p.add(32)]);
    let down = DOWN.get(s, p.add(32));
},
codes: shifted(s, values[i], down, i),
scales: {
    static BY3: Pattern<i32, 16> = Pattern([0, 3, 6, 9, 16, 19, 22, 25, 0, 3, 6, 9, 16, 19, 22, 25]);
    let words = p.add(48).cast::<[u32; 2]>().read_unaligned();
    let (a, b) = (words[0], words[1]);
    let bits = (a >> 12 & 15 | a >> 24 & 0xf0 | (b >> 12 & 15) << 8 | (b >> 28) << 12) as u16;
    let d = s.f16_at((&raw const bits).cast());
    let levels = fields::<S, 7>(s, p.add(48), &BY3);
    let mut scales = Scales::none(s);
    for v in 0..2 {
        let level = s.add(s.to_f32(levels[v]), s.splat(0.5));
        scales.scale[v] = s.mul(s.splat(0.25 * d), level);
    }
    scales
});

/// Byte `j` of all four-vectors of a codebook, raised.
const fn plane(book: &[[i8; 4]; 256], j: usize) -> [u8; 256] {
    let mut out = [0; 256];
    let mut i = 0;
    while i < 256 {
        out[i] = book[i][j] as u8 + 128;
        i += 1;
    }
    out
}

/// Bytes `2 j` and `2 j + 1` of 256 four-vectors from `first` on, as the low and high halves of bytes.
const fn nibble_plane(book: &[[i8; 4]; 512], first: usize, j: usize) -> [u8; 256] {
    let mut out = [0; 256];
    let mut i = 0;
    while i < 256 {
        let vector = book[first + i];
        out[i] = vector[2 * j] as u8 | (vector[2 * j + 1] as u8) << 4;
        i += 1;
    }
    out
}

codebook!(Iq3Xxs, Iq3_xxs, bytes: 98, group: 32, offset: 62, |s, p, i|
before: {
    static PLANES: Pattern<[u8; 256], 4> = Pattern([
        plane(&codebook::IQ3_XXS, 0),
        plane(&codebook::IQ3_XXS, 1),
        plane(&codebook::IQ3_XXS, 2),
        plane(&codebook::IQ3_XXS, 3),
    ]);
    static BOOK: [[i8; 4]; 256] = codebook::IQ3_XXS;
    let h = s.half();
    let signs = Signs::new(s, signs_of_words(h, h.load_int(p.add(66))));
    let mut quads = [s.splat_i32(0); 8];
    if S::BYTE_TABLES {
        for v in 0..2 / S::HALVES {
            let idx = s.deal_i32(s.load_int(p.add(2 + 4 * S::N * v)));
            let zipped = s.zip4_i8([
                s.lookup256(&PLANES.0[0], idx),
                s.lookup256(&PLANES.0[1], idx),
                s.lookup256(&PLANES.0[2], idx),
                s.lookup256(&PLANES.0[3], idx),
            ]);
            for j in 0..4 {
                quads[4 * v + j] = zipped[j];
            }
        }
    } else {
        let gathers = gathers_fast();
        for i in 0..CHUNK / (4 * S::N) {
            let from = p.add(2 + S::N * i);
            quads[i] = if gathers {
                s.gather_i32(BOOK.as_ptr().cast(), s.load_u8(from))
            } else {
                s.words_at(BOOK.as_ptr().cast(), from)
            };
        }
    }
},
signs: signs,
raised: quads[i],
sizes: quads[i],
scales: half_levels(s, s.f16_at(p), 0.5, {
    let h = s.half();
    h.shr_i32::<28>(h.load_int(p.add(66)))
}));

codebook!(Iq3S, Iq3_s, bytes: 110, group: 32, offset: 15, |s, p, i|
before: {
    static PLANES: Pattern<[[u8; 256]; 2], 2> = Pattern([
        [nibble_plane(&codebook::IQ3_S, 0, 0), nibble_plane(&codebook::IQ3_S, 256, 0)],
        [nibble_plane(&codebook::IQ3_S, 0, 1), nibble_plane(&codebook::IQ3_S, 256, 1)],
    ]);
    static BOOK: [[i8; 4]; 512] = codebook::IQ3_S;
    let signs = Signs::new(s, s.half().load_int(p.add(74)));
    let mut quads = [s.splat_i32(0); 8];
    if S::BYTE_TABLES {
        let (low, up) = (s.splat_i8(15), s.splat_i8(-128));
        for v in 0..2 / S::HALVES {
            let idx = s.deal_i32(s.load_int(p.add(2 + 4 * S::N * v)));
            let ninth = p.add(66 + S::N / 2 * v).cast::<u64>().read_unaligned();
            let ninth = s.deal_i32(s.mask_of_bits(ninth));
            let mut bytes = [idx; 4];
            for j in 0..2 {
                let [a, b] = &PLANES.0[j];
                let x = s.select_i8(ninth, s.lookup256(b, idx), s.lookup256(a, idx));
                bytes[2 * j] = s.or(s.and(x, low), up);
                bytes[2 * j + 1] = s.or(s.and(s.shr_i16::<4>(x), low), up);
            }
            let zipped = s.zip4_i8(bytes);
            for j in 0..4 {
                quads[4 * v + j] = zipped[j];
            }
        }
    } else if gathers_fast() {
        static LANE: Pattern<i32, 16> =
            Pattern([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        for i in 0..CHUNK / (4 * S::N) {
            let ninth = p.add(66 + S::HALVES * i);
            let ninth = if S::HALVES == 2 {
                i32::from(ninth.cast::<u16>().read_unaligned())
            } else {
                i32::from(ninth.read())
            };
            let ninth = s.shrv_i32(s.splat_i32(ninth << 8), LANE.get(s));
            let idx = s.load_u8(p.add(2 + S::N * i));
            let idx = s.or(idx, s.and(ninth, s.splat_i32(256)));
            quads[i] = s.gather_i32(BOOK.as_ptr().cast(), idx);
        }
    } else {
        let mut numbers = [0u16; 64];
        for v in 0..2 / S::HALVES {
            let ninth = p.add(66 + S::N / 2 * v).cast::<u64>().read_unaligned();
            let ninth = s.and(s.mask_of_bits(ninth), s.splat_i8(1));
            let (a, b) = s.zip_i8(s.load_int(p.add(2 + 4 * S::N * v)), ninth);
            let to = numbers.as_mut_ptr().add(4 * S::N * v);
            s.store_int(to.cast(), a);
            s.store_int(to.add(2 * S::N).cast(), b);
        }
        // Otherwise the compiler would take each number out of the vectors, which takes longer than to load it.
        std::hint::black_box(&mut numbers);
        for i in 0..CHUNK / (4 * S::N) {
            quads[i] = s.words_at(BOOK.as_ptr().cast(), numbers.as_ptr().add(S::N * i));
        }
    }
},
signs: signs,
raised: quads[i],
sizes: quads[i],
scales: {
    let h = s.half();
    half_levels(s, s.f16_at(p), 2.0, words8::<_, 15>(h, p.add(106), &BY4))
});
