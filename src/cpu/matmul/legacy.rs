//! Types with blocks of 32 values and f16 scales: q4_0, q4_1, q5_0, q5_1, q6_0, q8_0, iq4_nl. Layouts: `quant::legacy`.

use super::weights::{Pattern, Scales, Values, Weights, largest, repeat8, repeat16};
use crate::quant::Type;
use crate::quant::grid::Iq4;
use crate::simd::Simd;

/// Pointers to `OFFSET` bytes into the blocks that a vector's lanes 0, 1 and 2, 3 come from.
#[inline(always)]
fn blocks<S: Simd, const BYTES: usize, const OFFSET: usize>(
    chunk: *const u8,
    i: usize,
) -> [*const u8; 2] {
    let first = chunk.wrapping_add(S::HALVES * i * BYTES + OFFSET);
    [first, first.wrapping_add(BYTES)]
}

/// Nibbles of blocks: low halves of 16 bytes, then the high halves.
///
/// # Safety
/// As [`Weights::codes`], with 16 bytes at `OFFSET` of each block.
#[inline(always)]
pub unsafe fn nibbles<S: Simd, const BYTES: usize, const OFFSET: usize>(
    s: S,
    chunk: *const u8,
    i: usize,
) -> S::I {
    static SHIFT: Pattern<i32, 16> = repeat8([0, 0, 0, 0, 4, 4, 4, 4]);
    let [p, q] = blocks::<S, BYTES, OFFSET>(chunk, i);
    // SAFETY: the caller's promise.
    let bytes = unsafe { s.load_lanes([p, p, q, q]) };
    s.and(s.shrv_i32(bytes, SHIFT.get(s)), s.splat_i8(15))
}

/// The fifth bits of blocks, in place: 32 bits in value order.
///
/// # Safety
/// As [`Weights::codes`], with the bits at `OFFSET` of each block.
#[inline(always)]
unsafe fn fifth_bits<S: Simd, const BYTES: usize, const OFFSET: usize>(
    s: S,
    chunk: *const u8,
    i: usize,
) -> S::I {
    let [p, q] = blocks::<S, BYTES, OFFSET>(chunk, i);
    // SAFETY: the caller's promise.
    let bits = unsafe {
        let mut bits = u64::from(p.cast::<u32>().read_unaligned());
        if S::HALVES == 2 {
            bits |= u64::from(q.cast::<u32>().read_unaligned()) << 32;
        }
        bits
    };
    s.and(s.mask_of_bits(bits), s.splat_i8(16))
}

pub struct Q4_0;
impl Weights for Q4_0 {
    const TYPE: Type = Type::Q4_0;
    const BLOCK: usize = 32;
    const BYTES: usize = 18;
    const GROUP: usize = 32;
    const OFFSET: i32 = 8;
    const TOP: u8 = 15;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        // SAFETY: the caller's promise.
        unsafe { nibbles::<S, 18, 2>(s, chunk, i) }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        Scales::eight(s, unsafe { s.gather_f16::<18>(chunk) })
    }
}

pub struct Q4_1;
impl Weights for Q4_1 {
    const TYPE: Type = Type::Q4_1;
    const BLOCK: usize = 32;
    const BYTES: usize = 20;
    const GROUP: usize = 32;
    const MIN: bool = true;
    const TOP: u8 = 15;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        // SAFETY: the caller's promise.
        unsafe { nibbles::<S, 20, 4>(s, chunk, i) }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        let [d, m] = unsafe { s.gather_f16_pairs::<20>(chunk) };
        Scales::eight_with_min(s, d, m)
    }
}

pub struct Q5_0;
impl Weights for Q5_0 {
    const TYPE: Type = Type::Q5_0;
    const BLOCK: usize = 32;
    const BYTES: usize = 22;
    const GROUP: usize = 32;
    const OFFSET: i32 = 16;
    const TOP: u8 = 31;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        // SAFETY: the caller's promise.
        unsafe {
            let low = nibbles::<S, 22, 6>(s, chunk, i);
            s.or(low, fifth_bits::<S, 22, 2>(s, chunk, i))
        }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        Scales::eight(s, unsafe { s.gather_f16::<22>(chunk) })
    }
}

pub struct Q5_1;
impl Weights for Q5_1 {
    const TYPE: Type = Type::Q5_1;
    const BLOCK: usize = 32;
    const BYTES: usize = 24;
    const GROUP: usize = 32;
    const MIN: bool = true;
    const TOP: u8 = 31;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        // SAFETY: the caller's promise.
        unsafe {
            let low = nibbles::<S, 24, 8>(s, chunk, i);
            s.or(low, fifth_bits::<S, 24, 4>(s, chunk, i))
        }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        let [d, m] = unsafe { s.gather_f16_pairs::<24>(chunk) };
        Scales::eight_with_min(s, d, m)
    }
}

pub struct Q6_0;
impl Weights for Q6_0 {
    const TYPE: Type = Type::Q6_0;
    const BLOCK: usize = 32;
    const BYTES: usize = 26;
    const GROUP: usize = 32;
    const OFFSET: i32 = 32;
    const TOP: u8 = 63;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        // Byte j of the 8 high bytes holds the bits of values j, j + 16, j + 8, j + 24, from the lowest up.
        static TWICE: Pattern<i8, 64> = repeat16([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
        static SHIFT: Pattern<i32, 16> = repeat8([0, 0, 4, 4, 2, 2, 6, 6]);
        let [p, q] = blocks::<S, 26, 2>(chunk, i);
        // SAFETY: the caller's promise; 16 bytes from the second on are inside the block.
        let (low, bits) = unsafe {
            let low = nibbles::<S, 26, 10>(s, chunk, i);
            (low, s.load_lanes([p, p, q, q]))
        };
        let bits = s.shrv_i32(s.lookup16(bits, TWICE.get(s)), SHIFT.get(s));
        let high = s.shl_i16::<4>(s.and(bits, s.splat_i8(3)));
        s.or(low, high)
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        Scales::eight(s, unsafe { s.gather_f16::<26>(chunk) })
    }
}

pub struct Q8_0;
impl Weights for Q8_0 {
    const TYPE: Type = Type::Q8_0;
    const BLOCK: usize = 32;
    const BYTES: usize = 34;
    const GROUP: usize = 32;
    const SIGNED: bool = true;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        let [p, q] = blocks::<S, 34, 2>(chunk, i);
        // SAFETY: the caller's promise.
        unsafe { s.load_halves(p, q) }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        Scales::eight(s, unsafe { s.gather_f16::<34>(chunk) })
    }
}

/// The values of iq4_nl's and iq4_xs's codes with an offset, and the largest of them.
pub static IQ4_VALUES: Values<16> = Values::new(Iq4::VALUES, IQ4_OFFSET);
pub const IQ4_OFFSET: i32 = 128;
pub const IQ4_TOP: u8 = largest(&Iq4::VALUES, IQ4_OFFSET);

pub struct Iq4Nl;
impl Weights for Iq4Nl {
    const TYPE: Type = Type::Iq4_nl;
    const BLOCK: usize = 32;
    const BYTES: usize = 18;
    const GROUP: usize = 32;
    const OFFSET: i32 = IQ4_OFFSET;
    const TOP: u8 = IQ4_TOP;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        // SAFETY: the caller's promise.
        let idx = unsafe { nibbles::<S, 18, 2>(s, chunk, i) };
        IQ4_VALUES.lookup(s, idx)
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        Scales::eight(s, unsafe { s.gather_f16::<18>(chunk) })
    }
}

/// Defines a type whose codes are bytes in order, from byte `$from` of a block, with the scale that `$scale` reads.
macro_rules! bytes {
    ($name:ident, $ty:ident, block: $block:literal in $bytes:literal bytes, meta: $meta:literal, from: $from:literal,
     scale: |$s:ident, $row:ident, $chunk:ident| $scale:expr) => {
        pub struct $name;
        impl Weights for $name {
            const TYPE: Type = Type::$ty;
            const BLOCK: usize = $block;
            const BYTES: usize = $bytes;
            const META: usize = $meta;
            const GROUP: usize = 32;
            const SIGNED: bool = true;
            const WIDE: bool = true;

            #[inline(always)]
            unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
                // SAFETY: the caller's promise.
                unsafe { s.load_int(chunk.add($from + 4 * S::N * i)) }
            }
            #[inline(always)]
            unsafe fn scales<S: Simd>($s: S, $row: *const u8, $chunk: *const u8) -> Scales<S> {
                // SAFETY: the caller's promise.
                let d: f32 = unsafe { $scale };
                Scales::eight($s, $s.splat(d))
            }
        }
    };
}

// The plain rows of interleaved types, and q8_KV, whose rows have the sum of their codes behind the scale.
bytes!(Q8KR8, Q8_k_r8, block: 256 in 258 bytes, meta: 0, from: 2, scale: |s, _row, chunk| s.f16_at(chunk));
bytes!(Q8KR16, Q8_k_r16, block: 256 in 258 bytes, meta: 0, from: 2, scale: |s, _row, chunk| s.f16_at(chunk));
bytes!(Q8KvR8, Q8_kv_r8, block: 32 in 32 bytes, meta: 4, from: 0, scale: |s, row, _chunk| row.cast::<f32>().read_unaligned());
bytes!(Q8Kv, Q8_kv, block: 32 in 32 bytes, meta: 8, from: 0, scale: |s, row, _chunk| row.cast::<f32>().read_unaligned());
