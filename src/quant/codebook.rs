//! The 256-wide types whose codes are vectors of a codebook: iq2_xxs, iq2_xs, iq2_s (eight magnitudes of three values), iq3_xxs,
//! iq3_s (four magnitudes of eight values), iq1_s, iq1_m (eight values of -1, 0, 1, all shifted by an eighth).
//!
//! The codebooks are in `codebooks/`, packed by `scripts/codebooks.py`; they are unpacked at compile time. Signs of magnitudes are
//! stored as they are, or seven of them with the eighth chosen so that an even number is negative.

use std::sync::LazyLock;

use bytemuck::{Pod, Zeroable};

use super::shifted_search::{self, Format, Group};
use super::superblock::BLOCK;
use super::vector_search::{Book, Search, Vectors};
use super::{BlockFormat, EncodeVectors, Half, Type, blocks, blocks_mut};
use crate::simd::Simd;

/// Unpacks a codebook: vectors of `W` numbers of `BITS` bits, each the index of one of `values`.
const fn unpack<const W: usize, const BITS: usize, const N: usize>(
    packed: &[u8],
    values: &[i8],
) -> [[i8; W]; N] {
    assert!(packed.len() == 2 * N && W * BITS == 16);
    let mut out = [[0; W]; N];
    let mut i = 0;
    while i < N {
        let word = packed[2 * i] as usize | (packed[2 * i + 1] as usize) << 8;
        let mut j = 0;
        while j < W {
            out[i][j] = values[(word >> (BITS * j)) & ((1 << BITS) - 1)];
            j += 1;
        }
        i += 1;
    }
    out
}

pub(super) const ONE: [i8; 3] = [-1, 0, 1];
const TWO: [i8; 3] = [8, 25, 43];
const IQ3_XXS_VALUES: [i8; 8] = [4, 12, 20, 28, 36, 44, 52, 62];
const IQ3_S_VALUES: [i8; 8] = [1, 3, 5, 7, 9, 11, 13, 15];

/// Defines a codebook, and the same as it is searched.
macro_rules! vectors {
    ($name:ident, $book:ident, $n:literal of $width:literal, bits: $bits:literal, $file:literal, $values:expr) => {
        pub static $name: [[i8; $width]; $n] =
            unpack::<$width, $bits, $n>(include_bytes!(concat!("codebooks/", $file)), &$values);
        pub(super) static $book: LazyLock<Book<$width>> =
            LazyLock::new(|| Book::new(&$name, &$values, |vector| *vector));
    };
}

vectors!(IQ2_XXS, IQ2_XXS_BOOK, 256 of 8, bits: 2, "iq2_xxs.bin", TWO);
vectors!(IQ2_XS, IQ2_XS_BOOK, 512 of 8, bits: 2, "iq2_xs.bin", TWO);
vectors!(IQ2_S, IQ2_S_BOOK, 1024 of 8, bits: 2, "iq2_s.bin", TWO);
vectors!(IQ3_XXS, IQ3_XXS_BOOK, 256 of 4, bits: 4, "iq3_xxs.bin", IQ3_XXS_VALUES);
vectors!(IQ3_S, IQ3_S_BOOK, 512 of 4, bits: 4, "iq3_s.bin", IQ3_S_VALUES);

pub static IQ1_S: [[i8; 8]; 2048] =
    unpack::<8, 2, 2048>(include_bytes!("codebooks/iq1_s.bin"), &ONE);

/// What is added to, or taken from, all values of a group of iq1_s and iq1_m.
pub(super) const DELTA: f32 = 0.125;

/// Eight signs from the first seven: the last makes the number of negative ones even.
#[inline(always)]
fn signs_of_seven(bits: u32) -> u8 {
    let seven = (bits & 127) as u8;
    seven | (seven.count_ones() as u8 & 1) << 7
}

/// Eight values: two vectors of four, or one of eight, with signs.
#[inline(always)]
fn put_signed<const W: usize>(vectors: &[&[i8; W]], signs: u8, scale: f32, out: &mut [f32; 8]) {
    for (j, (o, v)) in out
        .iter_mut()
        .zip(vectors.iter().copied().flatten())
        .enumerate()
    {
        let value = scale * f32::from(*v);
        *o = if signs >> j & 1 == 1 { -value } else { value };
    }
}

/// Per group of 32: four bytes of vectors, then 28 bits of signs and a 4-bit level.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq2_xxsBlock {
    pub d: Half,
    pub qs: [[u8; 8]; 8],
}

impl Iq2_xxsBlock {
    #[inline(always)]
    fn decode(&self, out: &mut [f32; BLOCK]) {
        let d = self.d.get();
        for (qs, out) in self.qs.iter().zip(out.as_chunks_mut::<32>().0) {
            let signs = u32::from_le_bytes([qs[4], qs[5], qs[6], qs[7]]);
            let scale = d * (0.5 + (signs >> 28) as f32) * 0.25;
            for (l, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
                let vector = &IQ2_XXS[usize::from(qs[l])];
                put_signed(&[vector], signs_of_seven(signs >> (7 * l)), scale, out);
            }
        }
    }
}

/// Nine bits of vector and seven signs per eight values; a 4-bit level per 16.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq2_xsBlock {
    pub d: Half,
    pub qs: [[u8; 2]; 32],
    pub scales: [u8; 8],
}

/// The scale of 16 values from a 4-bit level.
#[inline(always)]
fn quarter_scale(d: f32, scales: &[u8; 8], group: usize) -> f32 {
    let level = (scales[group / 2] >> (4 * (group % 2))) & 15;
    d * (0.5 + f32::from(level)) * 0.25
}

impl Iq2_xsBlock {
    #[inline(always)]
    fn decode(&self, out: &mut [f32; BLOCK]) {
        let d = self.d.get();
        for (i, (q, out)) in self.qs.iter().zip(out.as_chunks_mut().0).enumerate() {
            let q = u16::from_le_bytes(*q);
            let scale = quarter_scale(d, &self.scales, i / 2);
            let vector = &IQ2_XS[usize::from(q & 511)];
            put_signed(&[vector], signs_of_seven(u32::from(q >> 9)), scale, out);
        }
    }
}

/// Ten bits of vector (eight here, two in `qh`) and eight signs per eight values; a 4-bit level per 16.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq2_sBlock {
    pub d: Half,
    pub qs: [u8; 32],
    pub signs: [u8; 32],
    pub qh: [u8; 8],
    pub scales: [u8; 8],
}

impl Iq2_sBlock {
    #[inline(always)]
    fn decode(&self, out: &mut [f32; BLOCK]) {
        let d = self.d.get();
        for (i, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
            let high = self.qh[i / 4] >> (2 * (i % 4)) & 3;
            let vector = &IQ2_S[usize::from(self.qs[i]) | usize::from(high) << 8];
            let scale = quarter_scale(d, &self.scales, i / 2);
            put_signed(&[vector], self.signs[i], scale, out);
        }
    }
}

/// A byte of vector per four values; per 32 values 28 bits of signs and a 4-bit level.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq3_xxsBlock {
    pub d: Half,
    pub qs: [u8; 64],
    pub signs: [[u8; 4]; 8],
}

impl Iq3_xxsBlock {
    #[inline(always)]
    fn decode(&self, out: &mut [f32; BLOCK]) {
        let d = self.d.get();
        for (i, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
            let signs = u32::from_le_bytes(self.signs[i / 4]);
            let scale = d * (0.5 + (signs >> 28) as f32) * 0.5;
            let vector = |k: usize| &IQ3_XXS[usize::from(self.qs[2 * i + k])];
            let signs = signs_of_seven(signs >> (7 * (i % 4)));
            put_signed(&[vector(0), vector(1)], signs, scale, out);
        }
    }
}

/// Nine bits of vector (eight here, one in `qh`) and four signs per four values; a 4-bit level per 32.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq3_sBlock {
    pub d: Half,
    pub qs: [u8; 64],
    pub qh: [u8; 8],
    pub signs: [u8; 32],
    pub scales: [u8; 4],
}

impl Iq3_sBlock {
    #[inline(always)]
    fn decode(&self, out: &mut [f32; BLOCK]) {
        let d = self.d.get();
        for (i, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
            let group = i / 4;
            let level = (self.scales[group / 2] >> (4 * (group % 2))) & 15;
            let scale = d * f32::from(1 + 2 * level);
            let vector = |k: usize| {
                let high = self.qh[group] >> (2 * (i % 4) + k) & 1;
                &IQ3_S[usize::from(self.qs[2 * i + k]) | usize::from(high) << 8]
            };
            put_signed(&[vector(0), vector(1)], self.signs[i], scale, out);
        }
    }
}

/// Eleven bits of vector (eight here, three in `qh`) per eight values; per 32 a 3-bit level and the sign of the shift in `qh`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq1_sBlock {
    pub d: Half,
    pub qs: [u8; 32],
    pub qh: [[u8; 2]; 8],
}

/// Eight values of a vector and a shift.
#[inline(always)]
pub(super) fn put_shifted(vector: &[i8; 8], delta: f32, scale: f32, out: &mut [f32; 8]) {
    for (o, v) in out.iter_mut().zip(vector) {
        *o = scale * (f32::from(*v) + delta);
    }
}

impl Iq1_sBlock {
    #[inline(always)]
    fn decode(&self, out: &mut [f32; BLOCK]) {
        let d = self.d.get();
        for (i, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
            let high = u16::from_le_bytes(self.qh[i / 4]);
            let scale = d * f32::from(2 * (high >> 12 & 7) + 1);
            let delta = if high & 0x8000 != 0 { -DELTA } else { DELTA };
            let number = usize::from(self.qs[i]) | usize::from(high >> (3 * (i % 4)) & 7) << 8;
            put_shifted(&IQ1_S[number], delta, scale, out);
        }
    }
}

/// Eleven bits of vector (eight here, three in `qh`) and the sign of a shift (in `qh`) per eight values; 3-bit levels per 16 in
/// the lower 12 bits of four words, whose upper four bits make the scale.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq1_mBlock {
    pub qs: [u8; 32],
    pub qh: [u8; 16],
    pub scales: [[u8; 2]; 4],
}

impl Iq1_mBlock {
    #[inline(always)]
    fn d(&self) -> Half {
        let mut bits = 0;
        for (i, word) in self.scales.iter().enumerate() {
            bits |= (u16::from_le_bytes(*word) >> 12) << (4 * i);
        }
        bytemuck::cast(bits.to_le_bytes())
    }

    #[inline(always)]
    fn decode(&self, out: &mut [f32; BLOCK]) {
        let d = self.d().get();
        for (i, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
            let group = i / 2;
            let level = u16::from_le_bytes(self.scales[group / 4]) >> (3 * (group % 4)) & 7;
            let high = self.qh[group] >> (4 * (i % 2));
            let delta = if high & 8 != 0 { -DELTA } else { DELTA };
            let number = usize::from(self.qs[i]) | usize::from(high & 7) << 8;
            put_shifted(&IQ1_S[number], delta, d * f32::from(2 * level + 1), out);
        }
    }
}

/// Defines a type by its block.
macro_rules! codebook {
    ($ty:ident, $block:ident, $name:literal, needs_imatrix: $needs:literal, repacked: $repacked:expr,
     scale: $scale:expr) => {
        pub struct $ty;
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = BLOCK;
            type Block = $block;
            const NEEDS_IMATRIX: bool = $needs;
            const ACTIVATION: Option<Type> = Some(Type::Q8_k);
            const REPACKED: Option<Type> = $repacked;

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                for (block, out) in blocks::<Self>(row)
                    .iter()
                    .zip(out.as_chunks_mut::<BLOCK>().0)
                {
                    block.decode(out);
                }
            }

            fn valid(row: &[u8]) -> bool {
                let scale: fn(&$block) -> Half = $scale;
                blocks::<Self>(row).iter().all(|b| scale(b).is_finite())
            }
        }
    };
}

codebook!(Iq2_xxs, Iq2_xxsBlock, "iq2_xxs", needs_imatrix: true, repacked: Some(Type::Iq2_xxs_r4), scale: |b| b.d);
codebook!(Iq2_xs, Iq2_xsBlock, "iq2_xs", needs_imatrix: true, repacked: Some(Type::Iq2_xs_r4), scale: |b| b.d);
codebook!(Iq2_s, Iq2_sBlock, "iq2_s", needs_imatrix: false, repacked: Some(Type::Iq2_s_r4), scale: |b| b.d);
codebook!(Iq3_xxs, Iq3_xxsBlock, "iq3_xxs", needs_imatrix: false, repacked: Some(Type::Iq3_xxs_r4), scale: |b| b.d);
codebook!(Iq3_s, Iq3_sBlock, "iq3_s", needs_imatrix: false, repacked: Some(Type::Iq3_s_r4), scale: |b| b.d);
codebook!(Iq1_s, Iq1_sBlock, "iq1_s", needs_imatrix: true, repacked: None, scale: |b| b.d);
codebook!(Iq1_m, Iq1_mBlock, "iq1_m", needs_imatrix: false, repacked: None, scale: |b| b.d());

impl Iq2_xxsBlock {
    #[inline(always)]
    fn encode<S: Simd>(s: S, x: &[f32; BLOCK], w: &[f32; BLOCK]) -> Iq2_xxsBlock {
        let fit = Search::<8, 32>::new(&IQ2_XXS_BOOK, Vectors::even(43.0, 8.0)).fit(s, x, w);
        let mut qs = [[0; 8]; 8];
        for (g, qs) in qs.iter_mut().enumerate() {
            let mut signs = u32::from(fit.levels[g]) << 28;
            for (l, q) in qs[..4].iter_mut().enumerate() {
                *q = fit.codes[4 * g + l] as u8;
                signs |= u32::from(fit.signs[4 * g + l] & 127) << (7 * l);
            }
            qs[4..].copy_from_slice(&signs.to_le_bytes());
        }
        Iq2_xxsBlock { d: fit.d, qs }
    }
}

/// Levels of two groups in a byte.
#[inline(always)]
fn pack_levels<const N: usize>(levels: &[u8; 16]) -> [u8; N] {
    let mut scales = [0; N];
    for (i, s) in scales.iter_mut().enumerate() {
        *s = levels[2 * i] | levels[2 * i + 1] << 4;
    }
    scales
}

impl Iq2_xsBlock {
    #[inline(always)]
    fn encode<S: Simd>(s: S, x: &[f32; BLOCK], w: &[f32; BLOCK]) -> Iq2_xsBlock {
        let fit = Search::<8, 16>::new(&IQ2_XS_BOOK, Vectors::even(43.0, 8.0)).fit(s, x, w);
        let mut qs = [[0; 2]; 32];
        for (i, q) in qs.iter_mut().enumerate() {
            *q = (fit.codes[i] | u16::from(fit.signs[i] & 127) << 9).to_le_bytes();
        }
        Iq2_xsBlock {
            d: fit.d,
            qs,
            scales: pack_levels(&fit.levels),
        }
    }
}

impl Iq2_sBlock {
    #[inline(always)]
    fn encode<S: Simd>(s: S, x: &[f32; BLOCK], w: &[f32; BLOCK]) -> Iq2_sBlock {
        let fit = Search::<8, 16>::new(&IQ2_S_BOOK, Vectors::free(43.0, 8.0)).fit(s, x, w);
        let (mut qs, mut qh) = ([0; 32], [0; 8]);
        for i in 0..32 {
            qs[i] = fit.codes[i] as u8;
            qh[i / 4] |= ((fit.codes[i] >> 8) as u8) << (2 * (i % 4));
        }
        Iq2_sBlock {
            d: fit.d,
            qs,
            signs: fit.signs,
            qh,
            scales: pack_levels(&fit.levels),
        }
    }
}

impl Iq3_xxsBlock {
    #[inline(always)]
    fn encode<S: Simd>(s: S, x: &[f32; BLOCK], w: &[f32; BLOCK]) -> Iq3_xxsBlock {
        let fit = Search::<4, 32>::new(&IQ3_XXS_BOOK, Vectors::even(62.0, 4.0)).fit(s, x, w);
        let (mut qs, mut signs) = ([0; 64], [[0; 4]; 8]);
        for (q, code) in qs.iter_mut().zip(fit.codes) {
            *q = code as u8;
        }
        for (g, signs) in signs.iter_mut().enumerate() {
            let mut word = u32::from(fit.levels[g]) << 28;
            for l in 0..4 {
                word |= u32::from(fit.signs[4 * g + l] & 127) << (7 * l);
            }
            *signs = word.to_le_bytes();
        }
        Iq3_xxsBlock {
            d: fit.d,
            qs,
            signs,
        }
    }
}

impl Iq3_sBlock {
    #[inline(always)]
    fn encode<S: Simd>(s: S, x: &[f32; BLOCK], w: &[f32; BLOCK]) -> Iq3_sBlock {
        let fit = Search::<4, 32>::new(&IQ3_S_BOOK, Vectors::free(15.0, 1.0)).fit(s, x, w);
        let (mut qs, mut qh) = ([0; 64], [0; 8]);
        for i in 0..64 {
            qs[i] = fit.codes[i] as u8;
            qh[i / 8] |= ((fit.codes[i] >> 8) as u8) << (i % 8);
        }
        Iq3_sBlock {
            d: fit.d,
            qs,
            qh,
            signs: fit.signs,
            scales: pack_levels(&fit.levels),
        }
    }
}

impl Iq1_sBlock {
    #[inline(always)]
    fn encode<S: Simd>(s: S, x: &[f32; BLOCK], w: &[f32; BLOCK]) -> Iq1_sBlock {
        let mut groups = [Group::default(); 8];
        let format = Format {
            step: 2.0,
            offset: 1.0,
            top: 7.0,
            shared: true,
        };
        let d = shifted_search::fit::<S, 32>(s, &mut { *x }, &mut { *w }, format, &mut groups);
        let (mut qs, mut qh) = ([0; 32], [[0; 2]; 8]);
        for (g, group) in groups.iter().enumerate() {
            let mut high = u16::from(group.level) << 12 | u16::from(group.down[0]) << 15;
            for (i, code) in group.codes.iter().enumerate() {
                qs[4 * g + i] = *code as u8;
                high |= (code >> 8) << (3 * i);
            }
            qh[g] = high.to_le_bytes();
        }
        Iq1_sBlock { d, qs, qh }
    }
}

impl Iq1_mBlock {
    #[inline(always)]
    fn encode<S: Simd>(s: S, x: &[f32; BLOCK], w: &[f32; BLOCK]) -> Iq1_mBlock {
        let mut groups = [Group::default(); 16];
        let format = Format {
            step: 2.0,
            offset: 1.0,
            top: 7.0,
            shared: false,
        };
        let d = shifted_search::fit::<S, 16>(s, &mut { *x }, &mut { *w }, format, &mut groups);
        let (mut qs, mut qh) = ([0; 32], [0; 16]);
        let d: u16 = bytemuck::cast(d);
        let mut scales: [u16; 4] = std::array::from_fn(|i| (d >> (4 * i) & 15) << 12);
        for (g, group) in groups.iter().enumerate() {
            scales[g / 4] |= u16::from(group.level) << (3 * (g % 4));
            for i in 0..2 {
                qs[2 * g + i] = group.codes[i] as u8;
                let high = (group.codes[i] >> 8) as u8 | u8::from(group.down[i]) << 3;
                qh[g] |= high << (4 * i);
            }
        }
        Iq1_mBlock {
            qs,
            qh,
            scales: scales.map(u16::to_le_bytes),
        }
    }
}

/// Makes types that can be written of blocks that have `encode`.
macro_rules! encode {
    ($($ty:ident: $block:ident),*) => { $(
        impl EncodeVectors for $ty {
            #[inline(always)]
            fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
                let xs = values.as_chunks::<BLOCK>().0;
                for (i, (block, x)) in blocks_mut::<Self>(out).iter_mut().zip(xs).enumerate() {
                    let weighing = super::search::Weighing::Importance;
                    let w = super::search::block_importance(s, x, weights, i, weighing);
                    *block = $block::encode(s, x, &w);
                }
            }
        }
    )* };
}
encode!(
    Iq2_xxs: Iq2_xxsBlock, Iq2_xs: Iq2_xsBlock, Iq2_s: Iq2_sBlock, Iq3_xxs: Iq3_xxsBlock, Iq3_s: Iq3_sBlock,
    Iq1_s: Iq1_sBlock, Iq1_m: Iq1_mBlock
);
