//! The 32-wide types with one scale per block: q4_0, q4_1, q5_0, q5_1, q6_0, q8_0, q8_1.
//!
//! Codes of 4 to 6 bits are split in a low part (a nibble: value `j` in the low half of byte `j`, value `j + 16` in the high
//! half) and a high part of 0, 1 or 2 bits per value. `_0` types are symmetric, `x = d (q - 2^(bits-1))`; `_1` types have a
//! minimum, `x = d q + m`.

use bytemuck::{Pod, Zeroable};

use super::search::{WIDE, Weighing};
use super::{BlockFormat, EncodeVectors, Half, Type, blocks, blocks_mut, search};
use crate::simd::Simd;

/// Values per block, here.
pub const BLOCK: usize = 32;

/// Codes of a block from its high bits (none, one or two per value) and its nibbles.
#[inline(always)]
fn unpack<const HIGH: usize>(high: &[u8; HIGH], low: &[u8; 16]) -> [u8; BLOCK] {
    let mut codes = [0; BLOCK];
    for j in 0..16 {
        codes[j] = low[j] & 15;
        codes[j + 16] = low[j] >> 4;
    }
    if HIGH == 4 {
        for j in 0..BLOCK {
            codes[j] |= ((high[j / 8] >> (j % 8)) & 1) << 4;
        }
    } else if HIGH == 8 {
        for j in 0..BLOCK {
            codes[j] |= ((high[j % 8] >> (4 * (j / 8 % 2) + 2 * (j / 16))) & 3) << 4;
        }
    }
    codes
}

/// The inverse of [`unpack`].
#[inline(always)]
fn pack<const HIGH: usize>(codes: &[u8; BLOCK]) -> ([u8; HIGH], [u8; 16]) {
    let mut high = [0; HIGH];
    let mut low = [0; 16];
    for j in 0..16 {
        low[j] = codes[j] & 15 | codes[j + 16] << 4;
    }
    if HIGH == 4 {
        for (high, codes) in high.iter_mut().zip(codes.as_chunks::<8>().0) {
            // Multiplied by 2^(56 - 7 i), bit 4 of byte `i`, moved to bit 0, comes to bit `i` of the top byte.
            let bits = u64::from_le_bytes(*codes) >> 4 & 0x0101_0101_0101_0101;
            *high = (bits.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8;
        }
    } else if HIGH == 8 {
        for j in 0..BLOCK {
            high[j % 8] |= (codes[j] >> 4) << (4 * (j / 8 % 2) + 2 * (j / 16));
        }
    }
    (high, low)
}

/// Defines a symmetric type.
macro_rules! symmetric {
    ($ty:ident, $block:ident, $name:literal, bits: $bits:literal, high: $high:literal, repacked: $repacked:expr,
     plain: $plain:expr, $(fast: $fast:expr,)? reference_is_fast: $reference:literal) => {
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Pod, Zeroable)]
        pub struct $block {
            pub d: Half,
            pub high: [u8; $high],
            pub low: [u8; 16],
        }
        impl $block {
            /// The codes, `0..2^bits`; the zero point is in the middle.
            #[inline(always)]
            pub fn codes(&self) -> [u8; BLOCK] {
                unpack(&self.high, &self.low)
            }

            #[inline(always)]
            fn new((d, codes): (f32, [u8; BLOCK])) -> $block {
                let (high, low) = pack(&codes);
                $block {
                    d: Half::saturating(d),
                    high,
                    low,
                }
            }
        }

        pub struct $ty;
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = BLOCK;
            type Block = $block;
            const ACTIVATION: Option<Type> = Some(Type::Q8_2_x4);
            const REPACKED: Option<Type> = Some($repacked);

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                for (block, out) in blocks::<Self>(row)
                    .iter()
                    .zip(out.as_chunks_mut::<BLOCK>().0)
                {
                    let d = block.d.get();
                    for (o, q) in out.iter_mut().zip(block.codes()) {
                        *o = f32::from(i16::from(q) - (1 << ($bits - 1))) * d;
                    }
                }
            }

            fn valid(row: &[u8]) -> bool {
                blocks::<Self>(row).iter().all(|b| b.d.is_finite())
            }
        }
        impl EncodeVectors for $ty {
            const REFERENCE_IS_FAST: bool = $reference;

            #[inline(always)]
            fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
                let (out, xs) = (blocks_mut::<Self>(out), values.as_chunks::<BLOCK>().0);
                match weights {
                    Some(weights) => {
                        for (i, (block, x)) in out.iter_mut().zip(xs).enumerate() {
                            let w = search::block_importance(s, x, Some(weights), i, Weighing::Importance);
                            *block = $block::new(search::symmetric::<BLOCK, $bits>(x, &w));
                        }
                    }
                    None => {
                        for (block, x) in out.iter_mut().zip(xs) {
                            *block = $block::new($plain(s, x));
                        }
                    }
                }
            }

            $(#[inline(always)]
            fn encode_fast(values: &[f32], out: &mut [u8]) {
                let out = blocks_mut::<Self>(out);
                for (block, x) in out.iter_mut().zip(values.as_chunks::<BLOCK>().0) {
                    *block = $block::new($fast(x));
                }
            })?
        }
    };
}

symmetric!(Q4_0, Q4_0Block, "q4_0", bits: 4, high: 0, repacked: Type::Q4_0_r8,
    plain: extreme::<S, 4>, fast: refined_extreme::<4>, reference_is_fast: false);
symmetric!(Q5_0, Q5_0Block, "q5_0", bits: 5, high: 4, repacked: Type::Q5_0_r4,
    plain: extreme::<S, 5>, reference_is_fast: false);
symmetric!(Q6_0, Q6_0Block, "q6_0", bits: 6, high: 8, repacked: Type::Q6_0_r4,
    plain: square::<S, 6>, fast: refined_extreme::<6>, reference_is_fast: true);

/// [`search::symmetric_square`].
#[inline(always)]
fn square<S: Simd, const BITS: u32>(_: S, x: &[f32; BLOCK]) -> (f32, [u8; BLOCK]) {
    search::symmetric_square::<BLOCK, BITS>(x)
}

/// The values of a block in as many vectors as it takes; the others are zero.
#[inline(always)]
fn vectors<S: Simd>(s: S, x: &[f32; BLOCK]) -> [S::F; BLOCK / 8] {
    let mut v = [s.zero(); BLOCK / 8];
    for i in 0..BLOCK / S::N {
        v[i] = s.load_at(x, i * S::N);
    }
    v
}

/// The least and the greatest value.
#[inline(always)]
fn ends<S: Simd>(s: S, v: &[S::F; BLOCK / 8]) -> (f32, f32) {
    let (mut least, mut greatest) = (v[0], v[0]);
    for i in 1..BLOCK / S::N {
        least = s.min(v[i], least);
        greatest = s.max(v[i], greatest);
    }
    (-s.max_of(s.neg(least)), s.max_of(greatest))
}

/// The whole parts of numbers `v * inverse + offset`, limited to `0..=top`.
#[inline(always)]
fn whole<S: Simd>(s: S, v: &[S::F; BLOCK / 8], inverse: f32, offset: f32, top: f32) -> [u8; BLOCK] {
    let mut codes = [0i8; BLOCK];
    for i in 0..BLOCK / S::N {
        let t = s.fused(v[i], s.splat(inverse), s.splat(offset));
        // A NaN becomes zero.
        let t = s.min(s.max(t, s.zero()), s.splat(top));
        let rounded = s.round(t);
        let below = s.sub(rounded, s.splat(1.0));
        let code = s.select(s.lt(t, rounded), below, rounded);
        s.store_i8_at(&mut codes, i * S::N, s.to_i32(code));
    }
    bytemuck::cast(codes)
}

/// Scale and codes: the value of largest magnitude (the first such value) gets the lowest code.
#[inline(always)]
fn extreme<S: Simd, const BITS: u32>(s: S, x: &[f32; BLOCK]) -> (f32, [u8; BLOCK]) {
    let v = vectors(s, x);
    let (least, greatest) = ends(s, &v);
    let largest = if greatest > -least {
        greatest
    } else if greatest < -least {
        least
    } else {
        search::largest(x)
    };
    let half = (1 << (BITS - 1)) as f32;
    let d = largest / -half;
    let inverse = if d != 0.0 { 1.0 / d } else { 0.0 };
    (d, whole(s, &v, inverse, half + 0.5, 2.0 * half - 1.0))
}

/// The scale that puts the value of largest magnitude on the lowest code, and its inverse (0 for a block of zeros).
#[inline(always)]
fn extreme_scale<const BITS: u32>(x: &[f32; BLOCK]) -> (f32, f32) {
    let d = search::largest(x) / -((1 << (BITS - 1)) as f32);
    (d, if d != 0.0 { 1.0 / d } else { 0.0 })
}

/// As [`extreme`], then the scale is fitted to the codes, weighting each value by its square.
#[inline(always)]
fn refined_extreme<const BITS: u32>(x: &[f32; BLOCK]) -> (f32, [u8; BLOCK]) {
    let (d, inverse) = extreme_scale::<BITS>(x);
    let half = (1 << (BITS - 1)) as f32;
    let scaled = x.map(|v| v * inverse);
    let codes = scaled.map(|v| ((v + (half + 0.5)) as i32).clamp(0, (1 << BITS) - 1) as u8);
    let mut sum_qx = 0.0;
    let mut sum_qq = 0.0;
    for j in 0..BLOCK / 2 {
        let term = |j: usize| {
            let q = f32::from(codes[j]) - half;
            // Scaled values, whose squares cannot overflow, serve as well for weights.
            let w = scaled[j] * scaled[j];
            (w * x[j], w * q, q)
        };
        let ((wx0, wq0, q0), (wx1, wq1, q1)) = (term(j), term(j + BLOCK / 2));
        sum_qx += wx0.mul_add(q0, wx1 * q1);
        sum_qq += wq0.mul_add(q0, wq1 * q1);
    }
    let fitted = sum_qx / sum_qq;
    (if fitted.is_finite() { fitted } else { d }, codes)
}

/// Defines a type with a minimum.
macro_rules! affine {
    ($ty:ident, $block:ident, $name:literal, bits: $bits:literal, high: $high:literal) => {
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Pod, Zeroable)]
        pub struct $block {
            pub d: Half,
            pub m: Half,
            pub high: [u8; $high],
            pub low: [u8; 16],
        }
        impl $block {
            /// The codes, `0..2^bits`.
            #[inline(always)]
            pub fn codes(&self) -> [u8; BLOCK] {
                unpack(&self.high, &self.low)
            }

            #[inline(always)]
            fn new((d, m, codes): (f32, f32, [u8; BLOCK])) -> $block {
                let (high, low) = pack(&codes);
                $block {
                    d: Half::saturating(d),
                    m: Half::saturating(m),
                    high,
                    low,
                }
            }
        }

        pub struct $ty;
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = BLOCK;
            type Block = $block;
            const ACTIVATION: Option<Type> = Some(Type::Q8_2_x4);

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                for (block, out) in blocks::<Self>(row)
                    .iter()
                    .zip(out.as_chunks_mut::<BLOCK>().0)
                {
                    let (d, m) = (block.d.get(), block.m.get());
                    for (o, q) in out.iter_mut().zip(block.codes()) {
                        *o = f32::from(q).mul_add(d, m);
                    }
                }
            }

            fn valid(row: &[u8]) -> bool {
                blocks::<Self>(row)
                    .iter()
                    .all(|b| b.d.is_finite() && b.m.is_finite())
            }
        }
        impl EncodeVectors for $ty {
            #[inline(always)]
            fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
                let (out, xs) = (blocks_mut::<Self>(out), values.as_chunks::<BLOCK>().0);
                match weights {
                    Some(weights) => {
                        for (i, (block, x)) in out.iter_mut().zip(xs).enumerate() {
                            let w = search::block_importance(
                                s,
                                x,
                                Some(weights),
                                i,
                                Weighing::Importance,
                            );
                            *block = $block::new(fitted_range::<S, $bits>(s, x, &w));
                        }
                    }
                    None => {
                        for (block, x) in out.iter_mut().zip(xs) {
                            *block = $block::new(range::<S, $bits>(s, x));
                        }
                    }
                }
            }
        }
    };
}

affine!(Q4_1, Q4_1Block, "q4_1", bits: 4, high: 0);
affine!(Q5_1, Q5_1Block, "q5_1", bits: 5, high: 4);

/// Scale, minimum and codes of least weighted error, given that both are stored as half floats.
#[inline(always)]
fn fitted_range<S: Simd, const BITS: u32>(
    s: S,
    x: &[f32; BLOCK],
    w: &[f32; BLOCK],
) -> (f32, f32, [u8; BLOCK]) {
    let Some(group) = search::Affine::new(x, w) else {
        return (0.0, 0.0, [0; BLOCK]);
    };
    let top = ((1 << BITS) - 1) as f32;
    let wide = group.search::<S, BITS>(s, 3);
    // What is best before rounding need not be best after it.
    let mut found = (0f32, 0f32, f32::INFINITY);
    for (d, min) in [wide, group.refit::<BITS>(wide, 4)] {
        let (mut scales, mut mins) = ([0f32; WIDE], [0f32; WIDE]);
        for l in 0..WIDE {
            // The nearest half floats first, and those next to them.
            let i = (l as i32 + 7) % 16;
            scales[l] = Half::saturating(d).away(i % 3 - 1).get();
            mins[l] = Half::saturating(-min).away(i / 3 - 2).get();
        }
        let (best, error) = search::best_pair(s, x, w, (&scales, &mins), top);
        if error < found.2 || found.2 == f32::INFINITY {
            found = (scales[best], mins[best], error);
        }
    }
    let (d, min, _) = found;
    let inverse = search::inverse(d);
    let mut codes = [0; BLOCK];
    for j in 0..BLOCK {
        codes[j] = search::limit(search::round_product(x[j] + min, inverse), 0.0, top) as u8;
    }
    (d, -min, codes)
}

/// Scale, minimum and codes that spread the codes evenly from the least to the largest value.
#[inline(always)]
fn range<S: Simd, const BITS: u32>(s: S, x: &[f32; BLOCK]) -> (f32, f32, [u8; BLOCK]) {
    let mut v = vectors(s, x);
    let (min, max) = ends(s, &v);
    let top = ((1 << BITS) - 1) as f32;
    let d = (max - min) / top;
    let inverse = if d != 0.0 { 1.0 / d } else { 0.0 };
    for v in &mut v {
        *v = s.sub(*v, s.splat(min));
    }
    (d, min, whole(s, &v, inverse, 0.5, top))
}

/// 32 signed bytes and a scale.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Q8_0Block {
    pub d: Half,
    pub qs: [i8; BLOCK],
}

/// As [`Q8_0Block`], with `s`: the scale times the sum of the codes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Q8_1Block {
    pub d: Half,
    pub s: Half,
    pub qs: [i8; BLOCK],
}

/// The largest magnitude of a block.
#[inline(always)]
fn amax<S: Simd>(s: S, v: &[S::F; BLOCK / 8]) -> f32 {
    let mut most = s.abs(v[0]);
    for i in 1..BLOCK / S::N {
        most = s.max(s.abs(v[i]), most);
    }
    s.max_of(most)
}

/// Scale and codes with the largest magnitude on ±127, ties away from zero.
#[inline(always)]
fn bytes_exact<S: Simd>(s: S, x: &[f32; BLOCK]) -> (f32, [i8; BLOCK]) {
    let v = vectors(s, x);
    let d = amax(s, &v) / 127.0;
    let inverse = if d != 0.0 { 1.0 / d } else { 0.0 };
    let mut codes = [0; BLOCK];
    for i in 0..BLOCK / S::N {
        let t = s.mul(v[i], s.splat(inverse));
        let magnitude = s.abs(t);
        let rounded = s.round(magnitude);
        // A tie that went down to the even number.
        let up = s.lt(s.sub(magnitude, rounded), s.splat(0.5));
        let rounded = s.select(up, rounded, s.add(rounded, s.splat(1.0)));
        let sign = s.and(s.cast_i(t), s.splat_i32(i32::MIN));
        let signed = s.cast_f(s.or(s.cast_i(rounded), sign));
        s.store_i8_at(&mut codes, i * S::N, s.to_i32(signed));
    }
    (d, codes)
}

/// Scale and codes with the largest magnitude on ±127, ties to even, as vector units round.
#[inline(always)]
fn bytes_fast(x: &[f32; BLOCK]) -> (f32, [i8; BLOCK]) {
    let amax = x.iter().fold(0f32, |m, v| m.max(v.abs()));
    let inverse = if amax != 0.0 { 127.0 / amax } else { 0.0 };
    let codes = x.map(|v| (v * inverse).round_ties_even() as i32 as i8);
    (amax / 127.0, codes)
}

impl Q8_0Block {
    #[inline(always)]
    fn new((d, qs): (f32, [i8; BLOCK])) -> Q8_0Block {
        Q8_0Block {
            d: Half::saturating(d),
            qs,
        }
    }
}

impl Q8_1Block {
    #[inline(always)]
    fn new((d, qs): (f32, [i8; BLOCK])) -> Q8_1Block {
        let sum: i32 = qs.iter().map(|q| i32::from(*q)).sum();
        Q8_1Block {
            d: Half::saturating(d),
            s: Half::saturating(sum as f32 * d),
            qs,
        }
    }
}

/// Defines a type of signed bytes.
macro_rules! bytes {
    ($ty:ident, $block:ident, $name:literal, activation: $activation:expr, repacked: $repacked:expr) => {
        pub struct $ty;
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = BLOCK;
            type Block = $block;
            const ACTIVATION: Option<Type> = Some($activation);
            const REPACKED: Option<Type> = $repacked;

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                for (block, out) in blocks::<Self>(row)
                    .iter()
                    .zip(out.as_chunks_mut::<BLOCK>().0)
                {
                    let d = block.d.get();
                    for (o, q) in out.iter_mut().zip(&block.qs) {
                        *o = f32::from(*q) * d;
                    }
                }
            }

            fn valid(row: &[u8]) -> bool {
                blocks::<Self>(row).iter().all(|b| b.d.is_finite())
            }
        }
        impl EncodeVectors for $ty {
            #[inline(always)]
            fn encode<S: Simd>(s: S, values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
                let out = blocks_mut::<Self>(out);
                for (block, x) in out.iter_mut().zip(values.as_chunks::<BLOCK>().0) {
                    *block = $block::new(bytes_exact(s, x));
                }
            }

            #[inline(always)]
            fn encode_fast(values: &[f32], out: &mut [u8]) {
                let out = blocks_mut::<Self>(out);
                for (block, x) in out.iter_mut().zip(values.as_chunks::<BLOCK>().0) {
                    *block = $block::new(bytes_fast(x));
                }
            }
        }
    };
}

bytes!(Q8_0, Q8_0Block, "q8_0", activation: Type::Q8_2_x4, repacked: Some(Type::Q8_0_r8));
bytes!(Q8_1, Q8_1Block, "q8_1", activation: Type::Q8_1, repacked: None);
