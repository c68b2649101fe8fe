//! Types of models that were trained with very few values: ternary iq1_bn, iq2_bn, i2_s (a scale per row or tensor times -1, 0, 1)
//! and binary q1_0_g128 (a scale per 128 times ±1).

use bytemuck::{Pod, Zeroable};

use super::iqk::{RowScale, row_scale};
use super::{BlockFormat, Encode, Half, Type, blocks, blocks_mut};

/// Values per block of iq1_bn and iq2_bn.
const BLOCK: usize = 64;

/// The digit (0, 1, 2) of a value: halfway to the largest magnitude is the border of zero.
#[inline(always)]
fn digit(v: f32, largest: f32) -> u8 {
    if v.abs() < 0.5 * largest {
        1
    } else if v < 0.0 {
        0
    } else {
        2
    }
}

/// The scale of a row: its largest magnitude.
#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0f32, |m, v| m.max(v.abs()))
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

/// A byte of up to five digits.
#[inline(always)]
fn pack_ternary(digits: impl Iterator<Item = u8>) -> u8 {
    let mut sum = 0u32;
    for (digit, power) in digits.zip(POWERS.iter().rev()) {
        sum += u32::from(digit) * u32::from(*power);
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
impl Encode for Iq1_bn {
    #[inline(always)]
    fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
        let largest = largest(values);
        out[..2].copy_from_slice(bytemuck::bytes_of(&Half::saturating(largest)));
        for (block, x) in blocks_mut::<Self>(out)
            .iter_mut()
            .zip(values.as_chunks::<BLOCK>().0)
        {
            let sixteens = x.as_chunks::<16>().0;
            for (i, x) in sixteens.iter().enumerate() {
                for k in 0..3 {
                    block.ql[3 * i + k] =
                        pack_ternary((0..5).map(|j| digit(x[5 * k + j], largest)));
                }
            }
            block.extra = pack_ternary((0..4).map(|i| digit(sixteens[i][15], largest)));
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
impl Encode for Iq2_bn {
    #[inline(always)]
    fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
        let largest = largest(values);
        out[..4].copy_from_slice(&<[u8; 4] as RowScale>::new(largest));
        for (block, x) in blocks_mut::<Self>(out)
            .iter_mut()
            .zip(values.as_chunks::<BLOCK>().0)
        {
            block.qs = [0; 16];
            for (k, x) in x.as_chunks::<16>().0.iter().enumerate() {
                for (q, v) in block.qs.iter_mut().zip(x) {
                    *q |= digit(*v, largest) << (2 * k);
                }
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
