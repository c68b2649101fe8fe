//! How the weights of a tensor type become 8-bit codes and scales. A type's implementation of [`Weights`] is all that
//! matmul needs of it; the implementations are in `legacy`, `kquants`, `iqk`, `trellis`, `codebooks` and `ternary`.

// Indices go over several arrays; iterators would be closures, which lose the vector instructions.
#![allow(clippy::needless_range_loop)]

use crate::quant::Type;
use crate::simd::Simd;

/// Values per chunk: what is decoded together. A row whose blocks are smaller may end in a part of a chunk.
pub const CHUNK: usize = 256;

/// A quantized type as 8-bit codes: value = scale · (code - offset) + min, with a scale (and min) per group. What is subtracted is
/// told by `bias` in `kernels`.
pub trait Weights: 'static {
    const TYPE: Type;
    /// Values per block of the type: 32, 64, 128 or 256.
    const BLOCK: usize;
    /// Bytes per block.
    const BYTES: usize;
    /// Bytes in front of a row.
    const META: usize = 0;
    /// Values per scale: 16 or 32.
    const GROUP: usize;
    /// Codes come as signed bytes, and kernels add 128 to make them unsigned, as all others are.
    const SIGNED: bool = false;
    /// Subtracted from every unsigned code.
    const OFFSET: i32 = 0;
    /// With [`Simd::VNNI`], codes come with 128 added instead of the offset.
    const RAISED: bool = false;
    /// The largest unsigned code, without [`Simd::VNNI`]: products of small ones are first added up as 16-bit numbers.
    const TOP: u8 = 255;
    /// Scales don't change within 128 values: then one is enough for as many activations, if they are many.
    const WIDE: bool = false;
    /// Groups have mins.
    const MIN: bool = false;
    /// Of a type with groups of 16: codes (less the offset) times this are signed bytes, also if they include the mins, which then
    /// are a whole number of scales. So two groups can share a scale, see `shares` in `kernels`. 0 for other types.
    const UP: i16 = 0;

    /// Codes are decoded by whole chunks: the type has [`Weights::chunk`]. Other types have [`Weights::codes`].
    const WHOLE: bool = false;

    /// Codes `4 N i` and following of the chunk, in order.
    ///
    /// # Safety
    /// `chunk` points to the blocks of a whole chunk; `4 N (i + 1) <= CHUNK`.
    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        // SAFETY: the caller's promise.
        unsafe { Self::chunk(s, chunk)[i] }
    }

    /// All codes of the chunk, in order: 4 or 8 vectors.
    ///
    /// # Safety
    /// `chunk` points to the blocks of a whole chunk.
    #[inline(always)]
    unsafe fn chunk<S: Simd>(s: S, chunk: *const u8) -> [S::I; 8] {
        let mut out = [s.splat_i32(0); 8];
        for i in 0..CHUNK / (4 * S::N) {
            // SAFETY: the caller's promise.
            out[i] = unsafe { Self::codes(s, chunk, i) };
        }
        out
    }

    /// The type has [`Weights::sizes`].
    const SIGNS: bool = false;

    /// All values of the chunk without their signs, which make them codes as the offset is the largest; and the signs.
    ///
    /// # Safety
    /// As [`Weights::chunk`].
    #[inline(always)]
    unsafe fn sizes<S: Simd>(s: S, chunk: *const u8) -> ([S::I; 8], Signs<S>) {
        // SAFETY: the caller's promise.
        (unsafe { Self::chunk(s, chunk) }, Signs::none(s))
    }

    /// The scales (and mins) of the chunk's groups.
    ///
    /// # Safety
    /// `row` points to a row's first byte, `chunk` to the blocks of a whole chunk.
    unsafe fn scales<S: Simd>(s: S, row: *const u8, chunk: *const u8) -> Scales<S>;
}

/// Scales and mins of the 8 or 16 groups of a chunk, in one vector or two.
#[derive(Clone, Copy)]
pub struct Scales<S: Simd> {
    pub scale: [S::F; 2],
    pub min: [S::F; 2],
}

impl<S: Simd> Scales<S> {
    /// All zero.
    #[inline(always)]
    pub fn none(s: S) -> Self {
        Scales {
            scale: [s.zero(); 2],
            min: [s.zero(); 2],
        }
    }

    /// Eight scales, in the first lanes of the vector.
    #[inline(always)]
    pub fn eight(s: S, scale: S::F) -> Self {
        Scales {
            scale: [scale, s.zero()],
            min: [s.zero(); 2],
        }
    }

    /// Eight scales and mins.
    #[inline(always)]
    pub fn eight_with_min(s: S, scale: S::F, min: S::F) -> Self {
        Scales {
            scale: [scale, s.zero()],
            min: [min, s.zero()],
        }
    }

    /// Sixteen scales, `d` times integers.
    #[inline(always)]
    pub fn sixteen(s: S, d: f32, scale: &[i8; 16]) -> Self {
        Scales {
            scale: scaled(s, d, scale),
            min: [s.zero(); 2],
        }
    }
}

#[inline(always)]
fn scaled<S: Simd>(s: S, d: f32, x: &[i8; 16]) -> [S::F; 2] {
    let d = s.splat(d);
    // SAFETY: N is 8 or 16; the second vector is at most the array's second half.
    let parts = unsafe { [s.load_i8(x.as_ptr()), s.load_i8(x.as_ptr().add(16 - S::N))] };
    [s.mul(d, s.to_f32(parts[0])), s.mul(d, s.to_f32(parts[1]))]
}

/// Two times eight lanes as the one or two vectors of [`Scales`].
#[inline(always)]
pub fn sixteen_lanes<S: Simd>(
    s: S,
    lo: <S::Half as Simd>::I,
    hi: <S::Half as Simd>::I,
) -> [S::I; 2] {
    if S::HALVES == 2 {
        [s.join(lo, hi); 2]
    } else {
        [s.join(lo, lo), s.join(hi, hi)]
    }
}

/// Sign bits of a chunk's 256 values.
pub struct Signs<S: Simd> {
    /// With two halves, as words.
    words: [u32; 8],
    /// Else four words in each 128-bit lane.
    lanes: [S::I; 2],
}

impl<S: Simd> Signs<S> {
    /// No signs.
    #[inline(always)]
    pub fn none(s: S) -> Self {
        Signs {
            words: [0; 8],
            lanes: [s.splat_i32(0); 2],
        }
    }

    #[inline(always)]
    pub fn new(s: S, bits: <S::Half as Simd>::I) -> Self {
        let mut words = [0; 8];
        let p = words.as_mut_ptr().cast::<u8>();
        // SAFETY: half a vector has eight words.
        unsafe {
            s.half().store_int(p, bits);
            let lanes = [s.load_128(p), s.load_128(p.add(16))];
            Signs { words, lanes }
        }
    }

    /// Negates the values of vector `i` whose bits are set.
    #[inline(always)]
    pub fn negate(&self, s: S, x: S::I, i: usize) -> S::I {
        if S::HALVES == 2 {
            let bits = u64::from(self.words[2 * i]) | u64::from(self.words[2 * i + 1]) << 32;
            return s.negate_by_bits(x, bits);
        }
        // A byte for each of eight values: of the words 0 to 3 of a lane.
        static BYTE: Patterns<i8, 128> = Patterns({
            let (mut out, mut i) = ([0; 128], 0);
            while i < 128 {
                out[i] = (i / 8) as i8;
                i += 1;
            }
            out
        });
        static BIT: Pattern<i8, 64> = Pattern({
            let (mut out, mut i) = ([0; 64], 0);
            while i < 64 {
                out[i] = (1u8 << (i % 8)) as i8;
                i += 1;
            }
            out
        });
        let bytes = s.lookup16(self.lanes[i / 4 % 2], BYTE.get(s, i));
        s.negate_where(x, bytes, BIT.get(s))
    }

    /// Values as the level wants them, negated where bits are set; `offset` is [`Weights::OFFSET`].
    #[inline(always)]
    pub fn raised(&self, s: S, values: S::I, i: usize, offset: i32) -> S::I {
        if S::VNNI {
            self.negate(s, s.xor(values, s.splat_i8(-128)), i)
        } else {
            s.add_i8(self.negate(s, values, i), s.splat_i8(offset as i8))
        }
    }
}

/// 64 bytes that a vector is loaded from.
#[repr(align(64))]
pub struct Pattern<T, const N: usize>(pub [T; N]);

impl<T, const N: usize> Pattern<T, N> {
    /// The first bytes as a vector.
    #[inline(always)]
    pub fn get<S: Simd>(&'static self, s: S) -> S::I {
        const { assert!(size_of::<T>() * N == 64) };
        // SAFETY: the pattern has 64 bytes, no vector more.
        unsafe { s.load_int(self.0.as_ptr().cast()) }
    }
}

/// A pattern of 16 bytes, repeated.
pub const fn repeat16(x: [i8; 16]) -> Pattern<i8, 64> {
    let mut out = [0; 64];
    let mut i = 0;
    while i < 64 {
        out[i] = x[i % 16];
        i += 1;
    }
    Pattern(out)
}

/// Two patterns of 16 bytes, each twice: for groups of 32 with even and with odd numbers.
pub const fn alternate(even: [i8; 16], odd: [i8; 16]) -> Patterns<i8, 64> {
    let mut out = [0; 64];
    let mut i = 0;
    while i < 64 {
        out[i] = if i < 32 { even } else { odd }[i % 16];
        i += 1;
    }
    Patterns(out)
}

/// A pattern of 8 ints, repeated.
pub const fn repeat8(x: [i32; 8]) -> Pattern<i32, 16> {
    let mut out = [0; 16];
    let mut i = 0;
    while i < 16 {
        out[i] = x[i % 8];
        i += 1;
    }
    Pattern(out)
}

/// Signed values that are looked up, with an offset (see [`Weights::OFFSET`]) that makes them unsigned.
pub struct Values<const N: usize>(pub [i8; N]);

impl<const N: usize> Values<N> {
    pub const fn new(values: [i8; N], offset: i32) -> Self {
        let mut out = values;
        let mut i = 0;
        while i < N {
            out[i] = values[i].wrapping_add(offset as i8);
            i += 1;
        }
        Values(out)
    }
}

/// The largest of values with an offset, which makes all of them unsigned.
pub const fn largest(values: &[i8], offset: i32) -> u8 {
    let (mut top, mut i) = (0, 0);
    while i < values.len() {
        let value = values[i] as i32 + offset;
        assert!(0 <= value && value < 256);
        if value > top {
            top = value;
        }
        i += 1;
    }
    top as u8
}

impl Values<16> {
    /// Looks up the lowest four bits of bytes, of which the top one is clear.
    #[inline(always)]
    pub fn lookup<S: Simd>(&'static self, s: S, idx: S::I) -> S::I {
        // SAFETY: the table has 16 bytes.
        let table = unsafe { s.load_128(self.0.as_ptr().cast()) };
        s.lookup16(table, idx)
    }
}

/// Patterns that lie one after the other, for vectors of one or two halves.
#[repr(align(64))]
pub struct Patterns<T, const N: usize>(pub [T; N]);

impl<T, const N: usize> Patterns<T, N> {
    /// The vector that begins at `4 N i` bytes, where `i` is taken modulo how many there are.
    #[inline(always)]
    pub fn get<S: Simd>(&'static self, s: S, i: usize) -> S::I {
        const { assert!((size_of::<T>() * N).is_multiple_of(64)) };
        let at = 4 * S::N * i % (size_of::<T>() * N);
        // SAFETY: the patterns are a whole number of vectors.
        unsafe { s.load_int(self.0.as_ptr().cast::<u8>().add(at)) }
    }
}
