//! Types of models that were trained with very few values: ternary iq1_bn, iq2_bn, i2_s (a scale per row or tensor times -1, 0, 1)
//! and binary q1_0_g128 (a scale per 128 times ±1).

use bytemuck::{Pod, Zeroable};

use super::iqk::{RowScale, row_scale};
use super::search;
use super::{BlockFormat, Encode, EncodeVectors, Half, Type, blocks, blocks_mut};
use crate::simd::Simd;

/// Values per block of iq1_bn and iq2_bn.
const BLOCK: usize = 64;

/// The digits (0, 1, 2) of values under a scale: halfway to it is the border of zero.
#[inline(always)]
fn digits(x: &[f32; BLOCK], scale: f32) -> [u8; BLOCK] {
    let border = 0.5 * scale;
    let mut digits = [1; BLOCK];
    for j in 0..BLOCK {
        let outer = if x[j] < 0.0 { 0 } else { 2 };
        digits[j] = if x[j].abs() < border { 1 } else { outer };
    }
    digits
}

/// A row whose values are brought to magnitudes below 2 by a power of two, and so its weights.
struct Row<'a> {
    x: &'a [f32],
    w: Option<&'a [f32]>,
    unit: [f32; 2],
}

impl Row<'_> {
    /// The mean magnitude of the values of magnitude `border` and more, found as its distance from `about`, and their weight.
    #[inline(always)]
    fn mean<S: Simd>(&self, s: S, border: f32, about: f32) -> (f32, f32) {
        const CHAINS: usize = 4;
        let (mut sums, mut weights) = ([s.zero(); CHAINS], [s.zero(); CHAINS]);
        let (unit, weigh) = (s.splat(self.unit[0]), s.splat(self.unit[1]));
        let (border, center) = (s.splat(border), s.splat(about));
        // Rows are whole blocks of 64 values.
        for i in (0..self.x.len()).step_by(CHAINS * S::N) {
            for c in 0..CHAINS {
                let j = i + c * S::N;
                let magnitude = s.mul(s.abs(s.load_at(self.x, j)), unit);
                let w = match self.w {
                    Some(w) => s.mul(s.load_at(w, j), weigh),
                    None => weigh,
                };
                let w = s.select(s.lt(magnitude, border), s.zero(), w);
                sums[c] = s.fma(w, s.sub(magnitude, center), sums[c]);
                weights[c] = s.add(weights[c], w);
            }
        }
        let [sum, weight] = [sums, weights];
        let sum = s.sum(s.add(s.add(sum[0], sum[1]), s.add(sum[2], sum[3])));
        let weight = s.sum(s.add(s.add(weight[0], weight[1]), s.add(weight[2], weight[3])));
        (about + sum / weight, weight)
    }

    /// The scale that steps from a border lead to, and by how much it lessens the weighted square.
    #[inline(always)]
    fn settle<S: Simd>(&self, s: S, mut border: f32) -> (f32, f32) {
        const STEPS: usize = 8;
        let (mut scale, mut gain) = (0.0, 0.0);
        for _ in 0..STEPS {
            let (mean, weight) = self.mean(s, border, scale);
            if !(weight > 0.0 && mean > 0.0) {
                break;
            }
            let change = (mean - scale).abs();
            (scale, gain) = (mean, mean * mean * weight);
            border = 0.5 * scale;
            if change <= scale / 64.0 {
                break;
            }
        }
        (scale, gain)
    }
}

/// The scale of a row of -1, 0 and 1 times it. Of rows that are just that it is their magnitude, as in the reference (which takes the
/// largest magnitude of any row). For others the squared error is least if it is the mean magnitude of the values that are not
/// zero, and these are the ones of half of it and more: steps lead there from all values, and from the largest if they are far away.
#[inline(always)]
fn scale<S: Simd>(s: S, x: &[f32], weights: Option<&[f32]>) -> f32 {
    const FAR: f32 = 4.0;
    let largest = search::magnitude(x);
    let unit = search::normalizer(largest);
    for w in [weights, None] {
        let weigh = w.map_or(1.0, |w| search::normalizer(search::range(w).1));
        let unit = [unit, weigh];
        let row = Row { x, w, unit };
        let (mut scale, mut gain) = row.settle(s, 0.0);
        let largest = largest * unit[0];
        if largest > FAR * scale {
            let high = row.settle(s, 0.5 * largest);
            if high.1 > gain {
                (scale, gain) = high;
            }
        }
        if gain > 0.0 {
            return scale / unit[0];
        }
    }
    largest
}

/// Five ternary digits in a byte, as a fraction: the byte times 81, 27, 9, 3, 1 in turn has each digit at its top.
/// Of each 16 values 15 are in three bytes, and the last ones of the four are together in `extra`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq1_bnBlock {
    pub ql: [u8; 12],
    pub extra: u8,
}

/// The powers of three in the order of digits.
const POWERS: [u8; 5] = [81, 27, 9, 3, 1];

/// The `i`-th digit of a byte.
#[inline(always)]
fn ternary(byte: u8, i: usize) -> f32 {
    let v = byte.wrapping_mul(POWERS[i]);
    f32::from((u16::from(v) + u16::from(v >> 1)) >> 7) - 1.0
}

/// A byte of five digits.
#[inline(always)]
fn pack_ternary(digits: &[u8; 5]) -> u8 {
    let mut sum = 0u32;
    for j in 0..5 {
        sum += u32::from(digits[j]) * u32::from(POWERS[4 - j]);
    }
    (256 * sum).div_ceil(243) as u8
}

pub struct Iq1_bn;
impl BlockFormat for Iq1_bn {
    const TYPE: Type = Type::Iq1_bn;
    const NAME: &'static str = "iq1_bn";
    const BLOCK: usize = BLOCK;
    type Block = Iq1_bnBlock;
    const ROW_META: usize = 2;
    const ACTIVATION: Option<Type> = Some(Type::Q8_k64);

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        let d = row_scale::<Half>(row);
        for (block, out) in blocks::<Self>(row)
            .iter()
            .zip(out.as_chunks_mut::<BLOCK>().0)
        {
            for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                for (j, o) in out[..15].iter_mut().enumerate() {
                    *o = d * ternary(block.ql[3 * i + j / 5], j % 5);
                }
                out[15] = d * ternary(block.extra, i);
            }
        }
    }

    fn valid(row: &[u8]) -> bool {
        row_scale::<Half>(row).is_finite()
    }
}
impl EncodeVectors for Iq1_bn {
    #[inline(always)]
    fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        let scale = scale(s, values, weights);
        out[..2].copy_from_slice(bytemuck::bytes_of(&Half::saturating(scale)));
        for (block, x) in blocks_mut::<Self>(out)
            .iter_mut()
            .zip(values.as_chunks::<BLOCK>().0)
        {
            let digits = digits(x, scale);
            let mut last = [0; 5];
            for i in 0..BLOCK / 16 {
                let (fives, rest) = digits[16 * i..][..16].as_chunks::<5>();
                for k in 0..3 {
                    block.ql[3 * i + k] = pack_ternary(&fives[k]);
                }
                last[i] = rest[0];
            }
            block.extra = pack_ternary(&last);
        }
    }
}

/// Two bits per value: byte `j` holds values `j`, `j + 16`, `j + 32`, `j + 48`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq2_bnBlock {
    pub qs: [u8; 16],
}

pub struct Iq2_bn;
impl BlockFormat for Iq2_bn {
    const TYPE: Type = Type::Iq2_bn;
    const NAME: &'static str = "iq2_bn";
    const BLOCK: usize = BLOCK;
    type Block = Iq2_bnBlock;
    const ROW_META: usize = 4;
    const ACTIVATION: Option<Type> = Some(Type::Q8_k64);
    const REPACKED: Option<Type> = Some(Type::Iq2_bn_r4);

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        let d = row_scale::<[u8; 4]>(row);
        for (block, out) in blocks::<Self>(row)
            .iter()
            .zip(out.as_chunks_mut::<BLOCK>().0)
        {
            for (k, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                for (o, q) in out.iter_mut().zip(&block.qs) {
                    *o = d * (f32::from(q >> (2 * k) & 3) - 1.0);
                }
            }
        }
    }

    fn valid(row: &[u8]) -> bool {
        row_scale::<[u8; 4]>(row).is_finite()
    }
}
impl EncodeVectors for Iq2_bn {
    #[inline(always)]
    fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        let scale = scale(s, values, weights);
        out[..4].copy_from_slice(&<[u8; 4] as RowScale>::new(scale));
        for (block, x) in blocks_mut::<Self>(out)
            .iter_mut()
            .zip(values.as_chunks::<BLOCK>().0)
        {
            let digits = digits(x, scale);
            for j in 0..16 {
                block.qs[j] =
                    digits[j] | digits[j + 16] << 2 | digits[j + 32] << 4 | digits[j + 48] << 6;
            }
        }
    }
}

/// Two bits per value, and behind them all one scale: a whole tensor is one row. The geometry that callers are told (a byte per
/// value) is the reference's, and larger than what is used. Only read: such files come from elsewhere.
pub struct I2_s;

/// Values that four bits of a byte apart belong to: 32 bytes hold 128 values.
const RUN: usize = 32;

impl BlockFormat for I2_s {
    const TYPE: Type = Type::I2_s;
    const NAME: &'static str = "i2_s";
    const BLOCK: usize = 1;
    type Block = u8;
    const ACTIVATION: Option<Type> = Some(Type::Q8_0);

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        let (codes, scale) = row.split_at((out.len() / 4).min(row.len()));
        let d = scale.first_chunk().map_or(0.0, |b| f32::from_le_bytes(*b));
        for (bytes, out) in codes
            .as_chunks::<RUN>()
            .0
            .iter()
            .zip(out.as_chunks_mut::<128>().0)
        {
            for (k, out) in out.as_chunks_mut::<RUN>().0.iter_mut().enumerate() {
                for (o, b) in out.iter_mut().zip(bytes) {
                    *o = d * (f32::from(b >> (6 - 2 * k) & 3) - 1.0);
                }
            }
        }
    }
}

/// A bit per value: set for values that are not negative.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Q1_0_g128Block {
    pub d: Half,
    pub qs: [u8; 16],
}

pub struct Q1_0_g128;
impl BlockFormat for Q1_0_g128 {
    const TYPE: Type = Type::Q1_0_g128;
    const NAME: &'static str = "q1_0_g128";
    const BLOCK: usize = 128;
    type Block = Q1_0_g128Block;
    const ACTIVATION: Option<Type> = Some(Type::Q8_2_x4);

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        for (block, out) in blocks::<Self>(row).iter().zip(out.as_chunks_mut::<128>().0) {
            let d = block.d.get();
            for (j, o) in out.iter_mut().enumerate() {
                *o = if block.qs[j / 8] >> (j % 8) & 1 == 1 {
                    d
                } else {
                    -d
                };
            }
        }
    }

    fn valid(row: &[u8]) -> bool {
        blocks::<Self>(row).iter().all(|b| b.d.is_finite())
    }
}
impl Encode for Q1_0_g128 {
    #[inline(always)]
    fn encode(values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        let xs = values.as_chunks::<128>().0;
        for (i, (block, x)) in blocks_mut::<Self>(out).iter_mut().zip(xs).enumerate() {
            // The mean magnitude is what leaves the least error.
            let (mut sum, mut weight) = (0f64, 0f64);
            let w = weights.and_then(|w| w.as_chunks::<128>().0.get(i));
            for (j, v) in x.iter().enumerate() {
                let w = w.map_or(1.0, |w| f64::from(w[j]));
                sum += w * f64::from(v.abs());
                weight += w;
            }
            let mean = if weight > 0.0 && weight.is_finite() {
                sum / weight
            } else {
                x.iter().map(|v| f64::from(v.abs())).sum::<f64>() / 128.0
            };
            block.d = Half::saturating(mean as f32);
            block.qs = [0; 16];
            for (j, v) in x.iter().enumerate() {
                block.qs[j / 8] |= u8::from(*v >= 0.0) << (j % 8);
            }
        }
    }
}
