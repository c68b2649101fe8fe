//! The 256-wide types with two levels of scales: q2_K, q3_K, q4_K, q5_K, q6_K, and their partner in products, q8_K.
//!
//! A block is made of groups of 16 or 32 values. `q2_K`, `q4_K`, `q5_K` have a scale and a minimum per group,
//! `x = d s q - dmin m`; `q3_K` and `q6_K` only a signed scale, `x = d s (q - 2^(bits-1))`.

use std::sync::LazyLock;

use bytemuck::{Pod, Zeroable};

use super::grid::Signed;
use super::ladder::Free;
use super::search::{self, Weighing};
use super::superblock::{self, BLOCK, Levels, Scaled, nibbles, pack_nibbles, pack_pairs, pairs};
use super::{BlockFormat, Encode, EncodeVectors, Half, Type, blocks, blocks_mut};
use crate::simd::Simd;

/// Adds bit `j / 32` of byte `j % 32` to code `j`, as bit `BIT`.
#[inline(always)]
pub fn add_high_bit<const BIT: u32>(codes: &mut [u8; BLOCK], high: &[u8; 32]) {
    for (run, codes) in codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for (q, h) in codes.iter_mut().zip(high) {
            *q |= ((h >> run) & 1) << BIT;
        }
    }
}

/// The inverse of [`add_high_bit`].
#[inline(always)]
pub fn pack_high_bit<const BIT: u32>(codes: &[u8; BLOCK]) -> [u8; 32] {
    let mut high = [0; 32];
    for (run, codes) in codes.as_chunks::<32>().0.iter().enumerate() {
        for (q, h) in codes.iter().zip(&mut high) {
            *h |= ((q >> BIT) & 1) << run;
        }
    }
    high
}

/// Decodes groups with a scale and a minimum.
#[inline(always)]
fn decode_affine<const N: usize>(
    codes: &[u8; BLOCK],
    scales: &[(f32, f32)],
    out: &mut [f32; BLOCK],
) {
    let groups = out
        .as_chunks_mut::<N>()
        .0
        .iter_mut()
        .zip(codes.as_chunks::<N>().0);
    for ((out, codes), (scale, min)) in groups.zip(scales) {
        for (o, q) in out.iter_mut().zip(codes) {
            *o = scale.mul_add(f32::from(*q), -min);
        }
    }
}

/// Decodes groups with a scale; `zero` is the code of 0.
#[inline(always)]
fn decode_signed<const N: usize>(
    codes: &[u8; BLOCK],
    zero: i16,
    scales: &[f32],
    out: &mut [f32; BLOCK],
) {
    let groups = out
        .as_chunks_mut::<N>()
        .0
        .iter_mut()
        .zip(codes.as_chunks::<N>().0);
    for ((out, codes), scale) in groups.zip(scales) {
        for (o, q) in out.iter_mut().zip(codes) {
            *o = scale * f32::from(i16::from(*q) - zero);
        }
    }
}

/// 16 groups of 16 values of 2 bits; 4-bit scales (low) and minimums (high).
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Q2_kBlock {
    pub scales: [u8; 16],
    pub qs: [u8; 64],
    pub d: Half,
    pub dmin: Half,
}

impl Q2_kBlock {
    /// The codes, `0..4`.
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        pairs(&self.qs)
    }
    /// Integer scale and minimum per group.
    #[inline(always)]
    pub fn levels(&self) -> [(u8, u8); 16] {
        self.scales.map(|s| (s & 15, s >> 4))
    }
    #[inline(always)]
    fn new(fit: superblock::Affine<16>) -> Q2_kBlock {
        Q2_kBlock {
            scales: fit.levels.map(|(scale, min)| scale | min << 4),
            qs: pack_pairs(&fit.codes),
            d: fit.d,
            dmin: fit.dmin,
        }
    }
}

/// 8 groups of 32 values of 4 bits; 6-bit scales and minimums.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Q4_kBlock {
    pub d: Half,
    pub dmin: Half,
    pub scales: [u8; 12],
    pub qs: [u8; 128],
}

impl Q4_kBlock {
    /// The codes, `0..16`.
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        nibbles::<32>(&self.qs)
    }
    /// Integer scale and minimum per group.
    #[inline(always)]
    pub fn levels(&self) -> [(u8, u8); 8] {
        levels_of_twelve(&self.scales)
    }
    #[inline(always)]
    fn new(fit: superblock::Affine<8>) -> Q4_kBlock {
        Q4_kBlock {
            d: fit.d,
            dmin: fit.dmin,
            scales: twelve_of_levels(&fit.levels),
            qs: pack_nibbles::<32>(&fit.codes),
        }
    }
}

/// As [`Q4_kBlock`] with a fifth bit per value.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Q5_kBlock {
    pub d: Half,
    pub dmin: Half,
    pub scales: [u8; 12],
    pub qh: [u8; 32],
    pub qs: [u8; 128],
}

impl Q5_kBlock {
    /// The codes, `0..32`.
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        let mut codes = nibbles::<32>(&self.qs);
        add_high_bit::<4>(&mut codes, &self.qh);
        codes
    }
    /// Integer scale and minimum per group.
    #[inline(always)]
    pub fn levels(&self) -> [(u8, u8); 8] {
        levels_of_twelve(&self.scales)
    }
    #[inline(always)]
    fn new(fit: superblock::Affine<8>) -> Q5_kBlock {
        Q5_kBlock {
            d: fit.d,
            dmin: fit.dmin,
            scales: twelve_of_levels(&fit.levels),
            qh: pack_high_bit::<4>(&fit.codes),
            qs: pack_nibbles::<32>(&fit.codes),
        }
    }
}

/// Eight 6-bit scales and minimums in twelve bytes: the low nibbles of the last four pairs are in bytes 8..12, their high bits
/// on top of the first four pairs.
#[inline(always)]
fn levels_of_twelve(bytes: &[u8; 12]) -> [(u8, u8); 8] {
    std::array::from_fn(|j| {
        if j < 4 {
            (bytes[j] & 63, bytes[j + 4] & 63)
        } else {
            (
                bytes[j + 4] & 15 | (bytes[j - 4] >> 6) << 4,
                bytes[j + 4] >> 4 | (bytes[j] >> 6) << 4,
            )
        }
    })
}

/// The inverse of [`levels_of_twelve`].
#[inline(always)]
fn twelve_of_levels(levels: &[(u8, u8); 8]) -> [u8; 12] {
    std::array::from_fn(|i| match i {
        0..4 => levels[i].0 | (levels[i + 4].0 >> 4) << 6,
        4..8 => levels[i - 4].1 | (levels[i].1 >> 4) << 6,
        _ => levels[i - 4].0 & 15 | levels[i - 4].1 << 4,
    })
}

/// Defines a type whose groups have a minimum.
macro_rules! affine {
    ($ty:ident, $block:ident, $name:literal, bits: $bits:literal, groups: $groups:literal of $size:literal,
     level_bits: $level_bits:literal, activation: $activation:expr, repacked: $repacked:expr) => {
        pub struct $ty;
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = BLOCK;
            type Block = $block;
            const ACTIVATION: Option<Type> = Some($activation);
            const REPACKED: Option<Type> = Some($repacked);

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                for (block, out) in blocks::<Self>(row)
                    .iter()
                    .zip(out.as_chunks_mut::<BLOCK>().0)
                {
                    let (d, dmin) = (block.d.get(), block.dmin.get());
                    let scales = block
                        .levels()
                        .map(|(s, m)| (d * f32::from(s), dmin * f32::from(m)));
                    decode_affine::<$size>(&block.codes(), &scales, out);
                }
            }

            fn valid(row: &[u8]) -> bool {
                blocks::<Self>(row)
                    .iter()
                    .all(|b| b.d.is_finite() && b.dmin.is_finite())
            }
        }
        impl EncodeVectors for $ty {
            #[inline(always)]
            fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
                let xs = values.as_chunks().0;
                for (i, (block, x)) in blocks_mut::<Self>(out).iter_mut().zip(xs).enumerate() {
                    let w = search::block_importance(s, x, weights, i, Weighing::Importance);
                    *block =
                        $block::new(superblock::affine::<S, $groups, $size, $bits, $level_bits>(
                            s,
                            x,
                            &w,
                            weights.is_some(),
                        ));
                }
            }
        }
    };
}

affine!(Q2_k, Q2_kBlock, "q2_K", bits: 2, groups: 16 of 16, level_bits: 4,
    activation: Type::Q8_k, repacked: Type::Q2_k_r4);
affine!(Q4_k, Q4_kBlock, "q4_K", bits: 4, groups: 8 of 32, level_bits: 6,
    activation: Type::Q8_2_x4, repacked: Type::Q4_k_r4);
affine!(Q5_k, Q5_kBlock, "q5_K", bits: 5, groups: 8 of 32, level_bits: 6,
    activation: Type::Q8_2_x4, repacked: Type::Q5_k_r4);

/// 16 groups of 16 values of 3 bits; 6-bit scales with an offset of 32.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Q3_kBlock {
    pub high: [u8; 32],
    pub qs: [u8; 64],
    pub scales: [u8; 12],
    pub d: Half,
}

impl Q3_kBlock {
    /// The codes, `0..8`; 4 stands for 0.
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        let mut codes = pairs(&self.qs);
        add_high_bit::<2>(&mut codes, &self.high);
        codes
    }
    /// Integer scale per group. The low nibbles of groups `j` and `j + 8` are in byte `j`, the high bits of groups
    /// `j % 4` in byte `8 + j % 4`.
    #[inline(always)]
    pub fn levels(&self) -> [i8; 16] {
        std::array::from_fn(|j| {
            let low = (self.scales[j % 8] >> (4 * (j / 8))) & 15;
            let high = (self.scales[8 + j % 4] >> (2 * (j / 4))) & 3;
            (low | high << 4) as i8 - 32
        })
    }
    #[inline(always)]
    fn new(fit: superblock::Symmetric<16>) -> Q3_kBlock {
        let mut scales = [0; 12];
        for (j, level) in fit.levels.iter().enumerate() {
            let level = (level + 32) as u8;
            scales[j % 8] |= (level & 15) << (4 * (j / 8));
            scales[8 + j % 4] |= (level >> 4) << (2 * (j / 4));
        }
        Q3_kBlock {
            high: pack_high_bit::<2>(&fit.codes),
            qs: pack_pairs(&fit.codes),
            scales,
            d: fit.d,
        }
    }
}

/// 16 groups of 16 values of 6 bits; 8-bit scales.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Q6_kBlock {
    pub ql: [u8; 128],
    pub qh: [u8; 64],
    pub scales: [i8; 16],
    pub d: Half,
}

impl Q6_kBlock {
    /// The codes, `0..64`; 32 stands for 0.
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        let mut codes = nibbles::<64>(&self.ql);
        for (q, high) in codes.iter_mut().zip(pairs(&self.qh)) {
            *q |= high << 4;
        }
        codes
    }
    /// Integer scale per group.
    #[inline(always)]
    pub fn levels(&self) -> [i8; 16] {
        self.scales
    }
    #[inline(always)]
    fn new(fit: superblock::Symmetric<16>) -> Q6_kBlock {
        Q6_kBlock {
            ql: pack_nibbles::<64>(&fit.codes),
            qh: pack_pairs(&fit.codes.map(|q| q >> 4)),
            scales: fit.levels.map(|level| level as i8),
            d: fit.d,
        }
    }
}

/// Defines a type whose groups have only a scale.
macro_rules! symmetric {
    ($ty:ident, $block:ident, $name:literal, bits: $bits:literal, level_bits: $level_bits:literal, rungs: $rungs:literal,
     windows: $windows:expr, weighing: $weighing:expr, activation: $activation:expr, repacked: $repacked:expr) => {
        pub struct $ty;
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = BLOCK;
            type Block = $block;
            const ACTIVATION: Option<Type> = Some($activation);
            const REPACKED: Option<Type> = Some($repacked);

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                for (block, out) in blocks::<Self>(row)
                    .iter()
                    .zip(out.as_chunks_mut::<BLOCK>().0)
                {
                    let d = block.d.get();
                    let scales = block.levels().map(|s| d * f32::from(s));
                    decode_signed::<16>(&block.codes(), 1 << ($bits - 1), &scales, out);
                }
            }

            fn valid(row: &[u8]) -> bool {
                blocks::<Self>(row).iter().all(|b| b.d.is_finite())
            }
        }
        impl EncodeVectors for $ty {
            #[inline(always)]
            fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
                static LADDERS: LazyLock<[Free; 1]> =
                    LazyLock::new(|| [Free::new(&Signed::<$bits>, $rungs)]);
                let scaled = Scaled {
                    grids: &[Signed::<$bits>],
                    ladders: &*LADDERS,
                    levels: Levels::signed($level_bits),
                    windows: $windows,
                    weighing: $weighing,
                };
                let xs = values.as_chunks::<BLOCK>().0;
                for (i, (block, x)) in blocks_mut::<Self>(out).iter_mut().zip(xs).enumerate() {
                    *block = $block::new(scaled.block::<_, 16, 16>(s, x, weights, i));
                }
            }
        }
    };
}

symmetric!(Q3_k, Q3_kBlock, "q3_K", bits: 3, level_bits: 6, rungs: 20.0,
    windows: [0, 3], weighing: Weighing::Importance, activation: Type::Q8_k, repacked: Type::Q3_k_r4);
symmetric!(Q6_k, Q6_kBlock, "q6_K", bits: 6, level_bits: 8, rungs: 48.0,
    windows: [1, 3], weighing: Weighing::Importance, activation: Type::Q8_2_x4, repacked: Type::Q6_k_r4);

/// 256 signed bytes and a scale. `sum` is the scale times the sum of all codes, `bsums` are the sums of codes by 16.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Q8_kBlock {
    pub d: [u8; 4],
    pub sum: [u8; 4],
    pub qs: [i8; BLOCK],
    pub bsums: [[u8; 2]; 16],
}

impl Q8_kBlock {
    #[inline(always)]
    pub fn new(x: &[f32; BLOCK]) -> Q8_kBlock {
        // 127 times the scale must not round to infinity.
        let amax = x.iter().fold(0f32, |m, v| m.max(v.abs())).min(3.4e38);
        let d = amax / 127.0;
        // A denormal maximum would make the inverse infinite.
        let inverse = if amax > f32::MIN_POSITIVE {
            127.0 / amax
        } else {
            0.0
        };
        let qs = x.map(|v| (v * inverse).round_ties_even() as i32 as i8);
        let (groups, _) = qs.as_chunks::<16>();
        let bsums: [i16; 16] =
            std::array::from_fn(|i| groups[i].iter().map(|q| i16::from(*q)).sum());
        let sum: i32 = bsums.iter().map(|s| i32::from(*s)).sum();
        Q8_kBlock {
            d: d.to_le_bytes(),
            sum: (d * sum as f32).to_le_bytes(),
            qs,
            bsums: bsums.map(i16::to_le_bytes),
        }
    }
}

pub struct Q8_k;
impl BlockFormat for Q8_k {
    const TYPE: Type = Type::Q8_k;
    const NAME: &'static str = "q8_K";
    const BLOCK: usize = BLOCK;
    type Block = Q8_kBlock;
    const REPACKED: Option<Type> = Some(Type::Q8_k_r8);

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        for (block, out) in blocks::<Self>(row)
            .iter()
            .zip(out.as_chunks_mut::<BLOCK>().0)
        {
            let d = f32::from_le_bytes(block.d);
            for (o, q) in out.iter_mut().zip(&block.qs) {
                *o = d * f32::from(*q);
            }
        }
    }

    fn valid(row: &[u8]) -> bool {
        blocks::<Self>(row)
            .iter()
            .all(|b| f32::from_le_bytes(b.d).is_finite())
    }
}
impl Encode for Q8_k {
    #[inline(always)]
    fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
        for (block, x) in blocks_mut::<Self>(out).iter_mut().zip(values.as_chunks().0) {
            *block = Q8_kBlock::new(x);
        }
    }
}
