//! The trellis types: iq1_kt to iq4_kt. Layouts and the sequence: `quant::trellis`.
//!
//! A value is the sum of the four bytes of a state, each state is the one before times a constant. So the states of all of a
//! vector's lanes, one to four steps on from where each begins, are four multiplications; and the sum of bytes is a dot product
//! with ones, which adds each step's sums below those of the step after it.

// Indices go over several arrays; iterators would be closures, which lose the vector instructions.
#![allow(clippy::needless_range_loop)]

use super::iqk::{BY_BYTE, eight_values, row_f32, words8};
use super::kquants::shifted_bits;
use super::weights::{Pattern, Patterns, Scales, Weights};
use crate::quant::Type;
use crate::simd::Simd;

/// What a state is multiplied with in a step.
const STEP: u32 = 0xcbac_1fed;
/// Added to a code to have the start of its sequence.
const OFFSET: i32 = 4096;
/// Subtracted from the sum of a state's bytes, of six bits each.
const MEAN: i32 = 126;
/// Added to values to make them unsigned, and the largest then.
const RAISED: i32 = 128;
const TOP: u8 = (4 * 63 - MEAN + RAISED) as u8;

/// The multiplier that goes `step` steps on; in every second lane four steps further, if a code has eight values.
const fn power(step: usize, values: usize) -> Pattern<i32, 16> {
    let mut out = [0; 16];
    let mut l = 0;
    while l < 16 {
        let n = step + if values == 8 { l % 2 * 4 } else { 0 };
        let (mut x, mut i) = (1u32, 0);
        while i < n {
            x = x.wrapping_mul(STEP);
            i += 1;
        }
        out[l] = x as i32;
        l += 1;
    }
    Pattern(out)
}

static FOUR: [Pattern<i32, 16>; 4] = [power(1, 4), power(2, 4), power(3, 4), power(4, 4)];
static EIGHT: [Pattern<i32, 16>; 4] = [power(1, 8), power(2, 8), power(3, 8), power(4, 8)];

/// Four values from each lane, with `offset` added.
#[inline(always)]
fn values<S: Simd>(
    s: S,
    starts: S::I,
    powers: &'static [Pattern<i32, 16>; 4],
    offset: i32,
) -> S::I {
    let mut sums = s.splat_i32(0);
    for j in [3, 2, 1, 0] {
        let state = s.mul_i32(starts, powers[j].get(s));
        let state = s.and(state, s.splat_i32(0x3f3f_3f3f));
        sums = s.dot(s.shl_i32::<8>(sums), state, s.splat_i8(1));
    }
    s.sub_i8(sums, s.splat_i8((MEAN - offset) as i8))
}

/// For the lanes of a chunk, two to a code: bytes of the code's lowest 16 bits, of which 16 bytes are loaded.
static WORDS: Patterns<i8, 64> = Patterns({
    let mut from = [-1; 64];
    let mut lane = 0;
    while lane < 16 {
        from[4 * lane] = lane as i8 / 2 * 2;
        from[4 * lane + 1] = lane as i8 / 2 * 2 + 1;
        lane += 1;
    }
    from
});

/// Values of 16-bit codes with eight values each, with `offset` added.
///
/// # Safety
/// `codes` points to 64 bytes.
#[inline(always)]
unsafe fn by_words<S: Simd>(s: S, codes: *const u8, i: usize, offset: i32) -> S::I {
    // SAFETY: the caller's promise.
    let bytes = unsafe { s.load_128(codes.add(16 * (S::HALVES * i / 2))) };
    let starts = s.add_i32(s.lookup16(bytes, WORDS.get(s, i)), s.splat_i32(OFFSET));
    values(s, starts, &EIGHT, offset)
}

/// Defines a type with a scale per row and groups of 32.
macro_rules! trellis {
    ($name:ident, $ty:ident, bytes: $bytes:literal, |$s:ident, $h:ident, $p:ident, $i:ident|
     codes: $codes:expr, levels: $levels:expr) => {
        pub struct $name;
        impl Weights for $name {
            const TYPE: Type = Type::$ty;
            const BLOCK: usize = 256;
            const BYTES: usize = $bytes;
            const META: usize = 4;
            const GROUP: usize = 32;
            const OFFSET: i32 = RAISED;
            const TOP: u8 = TOP;

            #[inline(always)]
            unsafe fn codes<S: Simd>($s: S, $p: *const u8, $i: usize) -> S::I {
                // SAFETY: the caller's promise; offsets are the block's.
                unsafe { $codes }
            }
            #[inline(always)]
            unsafe fn scales<S: Simd>($s: S, row: *const u8, $p: *const u8) -> Scales<S> {
                let $h = $s.half();
                // SAFETY: the caller's promise; offsets are the block's.
                unsafe {
                    let levels: <S::Half as Simd>::I = $levels;
                    let scale = $h.mul($h.splat(row_f32(row)), $h.to_f32(levels));
                    Scales::eight($s, $s.widen(scale))
                }
            }
        }
    };
}

trellis!(Iq1Kt, Iq1_kt, bytes: 56, |s, h, p, i|
codes: {
    // Lane l of the chunk has a half of code l / 2: its lowest byte from 32 at 8, four bits from 16 at 40, the top bit from
    // one of the first eight.
    static LOW: Patterns<i8, 128> = halves_of_codes(0);
    static HIGH: Patterns<i8, 128> = halves_of_codes(1);
    static TOP: Patterns<i8, 256> = Patterns({
        let mut from = [-1; 256];
        let mut lane = 0;
        while lane < 64 {
            from[4 * lane] = lane as i8 / 8;
            lane += 1;
        }
        from
    });
    static TO_TOP: Pattern<i32, 16> = Pattern([8, 8, 7, 7, 6, 6, 5, 5, 8, 8, 7, 7, 6, 6, 5, 5]);
    let upper = S::HALVES * i / 4;
    let low = s.lookup16(s.load_128(p.add(8 + 16 * upper)), LOW.get(s, i));
    let high = s.lookup16(s.load_128(p.add(40)), HIGH.get(s, i));
    let high = if upper == 0 { high } else { s.shr_i32::<4>(high) };
    let high = s.and(high, s.splat_i32(0xf00));
    let top = s.lookup16(s.load_128(p), TOP.get(s, i));
    let top = s.and(s.shlv_i32(top, TO_TOP.get(s)), s.splat_i32(0x1000));
    let code = s.or(s.or(low, high), top);
    values(s, s.add_i32(code, s.splat_i32(OFFSET)), &EIGHT, RAISED)
},
levels: eight_values(h, h.and(h.load_u8(p), h.splat_i32(15))));

/// Byte `at` of every lane from byte `l / 2` of 16, for 32 lanes.
const fn halves_of_codes(at: usize) -> Patterns<i8, 128> {
    let mut from = [-1; 128];
    let mut lane = 0;
    while lane < 32 {
        from[4 * lane + at] = lane as i8 / 2;
        lane += 1;
    }
    Patterns(from)
}

trellis!(Iq2Kt, Iq2_kt, bytes: 68, |s, h, p, i|
    codes: by_words(s, p.add(4), i, RAISED),
    levels: eight_values(h, words8::<_, 15>(h, p, &BY_BYTE)));

trellis!(Iq3Kt, Iq3_kt, bytes: 100, |s, h, p, i|
    codes: {
        let signs = shifted_bits::<S, 1, 0>(s, p.add(68), i);
        let x = s.abs_i8(by_words(s, p.add(4), i, 0));
        // What is 128 more keeps being so if it changes its sign.
        s.negate_where(s.xor(x, s.splat_i8(-128)), signs, s.splat_i8(1))
    },
    levels: words8::<_, 15>(h, p, &BY_BYTE));

trellis!(Iq4Kt, Iq4_kt, bytes: 128, |s, h, p, i|
codes: {
    static TOP: Pattern<i32, 16> =
        Pattern([8, 11, 14, 17, 20, 23, 26, 29, 8, 11, 14, 17, 20, 23, 26, 29]);
    let lane = S::N * i;
    // The group's word, in every lane.
    let words = [s.widen(h_cast(s, p)), s.zero()];
    let word = s.cast_i(s.spread::<8>(words, i));
    let low = s.load_u8(p.add(32 + lane));
    let high = s.load_u8(p.add(96 + lane % 32));
    let high = if lane < 32 {
        s.shl_i32::<8>(s.and(high, s.splat_i32(15)))
    } else {
        s.shl_i32::<4>(s.and(high, s.splat_i32(240)))
    };
    let top = s.shl_i32::<12>(s.and(s.shrv_i32(word, TOP.get(s)), s.splat_i32(7)));
    let range = s.and(s.shl_i32::<15>(word), s.splat_i32(32768));
    let code = s.or(s.or(low, high), top);
    values(s, s.add_i32(code, s.add_i32(range, s.splat_i32(OFFSET))), &FOUR, RAISED)
},
levels: {
    let level = h.and(h.shr_i32::<1>(h.load_int(p)), h.splat_i32(127));
    h.sub_i32(level, h.splat_i32(64))
});

/// 32 bytes as half a vector of floats.
///
/// # Safety
/// `p` points to 32 readable bytes.
#[inline(always)]
unsafe fn h_cast<S: Simd>(s: S, p: *const u8) -> <S::Half as Simd>::F {
    let h = s.half();
    // SAFETY: the caller's promise.
    h.cast_f(unsafe { h.load_int(p) })
}
