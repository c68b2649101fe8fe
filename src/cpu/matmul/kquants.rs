//! Types with blocks of 256 values and integer sub-scales: q2_K to q6_K, iq4_xs.

// Indices go over several arrays; iterators would be closures, which lose the vector instructions.
#![allow(clippy::needless_range_loop)]

use super::legacy::{IQ4_OFFSET, IQ4_TOP, IQ4_VALUES, nibbles};
use super::weights::{Pattern, Patterns, Scales, Weights, alternate, repeat8, sixteen_lanes};
use crate::quant::Type;
use crate::simd::Simd;

/// Bytes shifted so that their bits from `WIDTH i` on are those from `AT` on, where `i` counts groups of 32 values, modulo
/// `8 / WIDTH`: a vector of two halves has two of them. Other bits are of no use.
///
/// # Safety
/// `p` points to 32 readable bytes.
#[inline(always)]
pub unsafe fn shifted_bits<S: Simd, const WIDTH: i32, const AT: i32>(
    s: S,
    p: *const u8,
    i: usize,
) -> S::I {
    static ONE: Pattern<i32, 16> = Pattern([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    let first = WIDTH * (S::HALVES * i) as i32 % 8 - AT;
    // SAFETY: the caller's promise.
    let bytes = unsafe { s.load_halves(p, p) };
    let counts = s.add_i32(
        s.splat_i32(first),
        s.mul_i32(s.splat_i32(WIDTH), ONE.get(s)),
    );
    // In one shift, to the right or to the left; with two halves, `AT` is even.
    if first < 0 {
        s.shlv_i32(bytes, s.sub_i32(s.splat_i32(0), counts))
    } else {
        s.shrv_i32(bytes, counts)
    }
}

/// As [`shifted_bits`], other bits being 0.
///
/// # Safety
/// As for [`shifted_bits`].
#[inline(always)]
pub unsafe fn bits_of<S: Simd, const WIDTH: i32, const AT: i32>(
    s: S,
    p: *const u8,
    i: usize,
) -> S::I {
    // SAFETY: the caller's promise.
    let bytes = unsafe { shifted_bits::<S, WIDTH, AT>(s, p, i) };
    s.and(bytes, s.splat_i8((((1 << WIDTH) - 1) << AT) as i8))
}

/// The eight 6-bit scales and mins of q4_K and q5_K, as vectors (lanes 0 to 7) of floats.
///
/// # Safety
/// `block` points to a block, which begins with d, dmin and twelve bytes of scales.
#[inline(always)]
unsafe fn scales_6bit<S: Simd>(s: S, block: *const u8) -> Scales<S> {
    let h = s.half();
    // SAFETY: the caller's promise.
    let ([d, m], [a, b, c]) = unsafe {
        (
            h.splat_two_f16(block),
            block.add(4).cast::<[u32; 3]>().read_unaligned(),
        )
    };
    const LOW6: u32 = 0x3f3f_3f3f;
    const LOW4: u32 = 0x0f0f_0f0f;
    const LOW2: u32 = 0x0303_0303;
    // Words of eight bytes, so that what is stored at once is loaded at once.
    let word = |low: u32, high: u32| u64::from(low) | (u64::from(high) << 32);
    let scale = word(a & LOW6, (c & LOW4) | (((a >> 6) & LOW2) << 4));
    let min = word(b & LOW6, ((c >> 4) & LOW4) | (((b >> 6) & LOW2) << 4));
    // SAFETY: both words have eight bytes.
    let (scale, min) = unsafe {
        (
            h.to_f32(h.load_u8((&raw const scale).cast())),
            h.to_f32(h.load_u8((&raw const min).cast())),
        )
    };
    Scales::eight_with_min(
        s,
        s.widen(h.mul(d, scale)),
        s.widen(h.fnma(m, min, h.zero())),
    )
}

/// Bytes shifted so that group `i` of 32 values has its two bits at bit 0 if `i` is even, at bit 2 if it is odd; other bits are 0. So two groups
/// of four need no shift, and the others the same. A vector of two halves has two groups.
///
/// # Safety
/// `p` points to 64 readable bytes, four groups to 32.
#[inline(always)]
pub unsafe fn placed_pairs<S: Simd>(s: S, p: *const u8, i: usize) -> S::I {
    static MASK: Patterns<i8, 64> = alternate([3; 16], [12; 16]);
    let first = S::HALVES * i;
    // SAFETY: the caller's promise.
    let mut bytes = unsafe {
        let p = p.add(32 * (first / 4));
        s.load_halves(p, p)
    };
    if first % 4 >= 2 {
        bytes = s.shr_i32::<4>(bytes);
    }
    s.and(bytes, MASK.get(s, i))
}

/// Codes of odd groups of 32 are four times as large as what they stand for, see [`placed_pairs`], and their scales a quarter.
pub struct Q2K;
impl Weights for Q2K {
    const TYPE: Type = Type::Q2_k;
    const BLOCK: usize = 256;
    const BYTES: usize = 84;
    const GROUP: usize = 16;
    const MIN: bool = true;
    const TOP: u8 = 12;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        // SAFETY: the caller's promise; the codes are bytes 16 to 80.
        unsafe { placed_pairs(s, chunk.add(16), i) }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        let (both, [d, m]) = unsafe {
            (
                [s.load_u8(chunk), s.load_u8(chunk.add(16 - S::N))],
                s.splat_two_f16(chunk.add(80)),
            )
        };
        static BY: Pattern<f32, 16> = Pattern([
            1.0, 1.0, 0.25, 0.25, 1.0, 1.0, 0.25, 0.25, 1.0, 1.0, 0.25, 0.25, 1.0, 1.0, 0.25, 0.25,
        ]);
        let d = s.mul(d, s.cast_f(BY.get(s)));
        let mut scales = Scales::none(s);
        for v in 0..2 {
            let (scale, min) = (s.and(both[v], s.splat_i32(15)), s.shr_i32::<4>(both[v]));
            scales.scale[v] = s.mul(d, s.to_f32(scale));
            scales.min[v] = s.fnma(m, s.to_f32(min), s.zero());
        }
        scales
    }
}

pub struct Q3K;
impl Weights for Q3K {
    const TYPE: Type = Type::Q3_k;
    const BLOCK: usize = 256;
    const BYTES: usize = 110;
    const GROUP: usize = 16;
    const OFFSET: i32 = 4;
    const UP: i16 = 31;
    const TOP: u8 = 7;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        let half = S::HALVES * i / 4;
        // SAFETY: the caller's promise; high bits are bytes 0 to 32, low ones 32 to 96.
        unsafe {
            let low = bits_of::<S, 2, 0>(s, chunk.add(32 + 32 * half), i);
            s.or(low, bits_of::<S, 1, 2>(s, chunk, i))
        }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        let (ab, c, d) = unsafe {
            (
                chunk.add(96).cast::<u64>().read_unaligned(),
                u64::from(chunk.add(104).cast::<u32>().read_unaligned()),
                s.f16_at(chunk.add(108)),
            )
        };
        const LOW4: u64 = 0x0f0f_0f0f_0f0f_0f0f;
        const LOW2: u64 = 0x0303_0303_0303_0303;
        // Two high bits of scales 0 to 3, 4 to 7, 8 to 11, 12 to 15 are at bits 0, 2, 4, 6 of four bytes.
        let c = c | (c << 30);
        let words = [
            (ab & LOW4) | ((c & LOW2) << 4),
            ((ab >> 4) & LOW4) | (((c >> 4) & LOW2) << 4),
        ];
        let h = s.half();
        // SAFETY: both words have eight bytes.
        let (lo, hi) = unsafe {
            (
                h.load_u8((&raw const words[0]).cast()),
                h.load_u8((&raw const words[1]).cast()),
            )
        };
        let x = sixteen_lanes(s, lo, hi);
        let mut scales = Scales::none(s);
        for v in 0..2 {
            let level = s.sub_i32(x[v], s.splat_i32(32));
            scales.scale[v] = s.mul(s.splat(d), s.to_f32(level));
        }
        scales
    }
}

pub struct Q4K;
impl Weights for Q4K {
    const TYPE: Type = Type::Q4_k;
    const BLOCK: usize = 256;
    const BYTES: usize = 144;
    const GROUP: usize = 32;
    const MIN: bool = true;
    const TOP: u8 = 15;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        let pair = S::HALVES * i / 2;
        // SAFETY: the caller's promise; the codes are bytes 16 to 144.
        unsafe { bits_of::<S, 4, 0>(s, chunk.add(16 + 32 * pair), i) }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        unsafe { scales_6bit(s, chunk) }
    }
}

pub struct Q5K;
impl Weights for Q5K {
    const TYPE: Type = Type::Q5_k;
    const BLOCK: usize = 256;
    const BYTES: usize = 176;
    const GROUP: usize = 32;
    const MIN: bool = true;
    const TOP: u8 = 31;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        let pair = S::HALVES * i / 2;
        // SAFETY: the caller's promise; high bits are bytes 16 to 48, low ones 48 to 176.
        unsafe {
            let low = bits_of::<S, 4, 0>(s, chunk.add(48 + 32 * pair), i);
            s.or(low, bits_of::<S, 1, 4>(s, chunk.add(16), i))
        }
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        unsafe { scales_6bit(s, chunk) }
    }
}

pub struct Q6K;
impl Weights for Q6K {
    const TYPE: Type = Type::Q6_k;
    const BLOCK: usize = 256;
    const BYTES: usize = 210;
    const GROUP: usize = 16;
    const OFFSET: i32 = 32;
    const UP: i16 = 3;
    const TOP: u8 = 63;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        // In each half of the block, 64 bytes of nibbles hold values 0 to 63 (low) and 64 to 127 (high), and 32 bytes hold two
        // more bits of values l, l + 32, l + 64, l + 96.
        let first = S::HALVES * i;
        let half = first / 4;
        // SAFETY: the caller's promise; nibbles are bytes 0 to 128, high bits 128 to 192.
        let (low, high) = unsafe {
            let p = chunk.add(64 * half + 32 * (first % 2));
            (
                s.load_int(p),
                bits_of::<S, 2, 4>(s, chunk.add(128 + 32 * half), i),
            )
        };
        let low = if first % 4 < 2 {
            low
        } else {
            s.shr_i16::<4>(low)
        };
        s.or(s.and(low, s.splat_i8(15)), high)
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        let (scale, d) = unsafe {
            (
                &*chunk.add(192).cast::<[i8; 16]>(),
                s.f16_at(chunk.add(208)),
            )
        };
        Scales::sixteen(s, d, scale)
    }
}

pub struct Iq4Xs;
impl Weights for Iq4Xs {
    const TYPE: Type = Type::Iq4_xs;
    const BLOCK: usize = 256;
    const BYTES: usize = 136;
    const GROUP: usize = 32;
    const OFFSET: i32 = IQ4_OFFSET;
    const TOP: u8 = IQ4_TOP;

    #[inline(always)]
    unsafe fn codes<S: Simd>(s: S, chunk: *const u8, i: usize) -> S::I {
        // SAFETY: the caller's promise; the codes are bytes 8 to 136, 16 per group.
        let idx = unsafe { nibbles::<S, 16, 8>(s, chunk, i) };
        IQ4_VALUES.lookup(s, idx)
    }
    #[inline(always)]
    unsafe fn scales<S: Simd>(s: S, _row: *const u8, chunk: *const u8) -> Scales<S> {
        // SAFETY: the caller's promise.
        let (d, high, low) = unsafe {
            (
                s.f16_at(chunk),
                chunk.add(2).cast::<u16>().read_unaligned(),
                chunk.add(4).cast::<u32>().read_unaligned(),
            )
        };
        let h = s.half();
        static BY4: Pattern<i32, 16> = repeat8([0, 4, 8, 12, 16, 20, 24, 28]);
        static BY2: Pattern<i32, 16> = repeat8([0, 2, 4, 6, 8, 10, 12, 14]);
        let low = h.and(
            h.shrv_i32(h.splat_i32(low as i32), BY4.get(h)),
            h.splat_i32(15),
        );
        let high = h.shrv_i32(h.splat_i32(i32::from(high)), BY2.get(h));
        let high = h.shl_i32::<4>(h.and(high, h.splat_i32(3)));
        let scale = h.sub_i32(h.or(low, high), h.splat_i32(32));
        Scales::eight(s, s.widen(h.mul(h.splat(d), h.to_f32(scale))))
    }
}
