//! The plain rows of types that exist only interleaved: what their groups are when taken apart.

use bytemuck::{Pod, Zeroable};

use crate::quant::codebook::{DELTA, IQ1_S, put_shifted};
use crate::quant::iqk::row_scale;
use crate::quant::kquant::Q8_kBlock;
use crate::quant::search::Weighing;
use crate::quant::shifted_search::{self, Format, Group};
use crate::quant::superblock::weighted_row;
use crate::quant::{BlockFormat, Encode, EncodeVectors, Half, Type, blocks, blocks_mut};
use crate::simd::Simd;

/// 256 bytes and their scale.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Q8_kRowBlock {
    pub d: Half,
    pub qs: [i8; 256],
}

/// Defines the rows of a type as those of q8_K, with a 16-bit scale and without sums.
macro_rules! like_q8_k {
    ($row:ident, $ty:ident, $name:literal) => {
        pub struct $row;
        impl BlockFormat for $row {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = 256;
            type Block = Q8_kRowBlock;

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                for (block, out) in blocks::<Self>(row).iter().zip(out.as_chunks_mut::<256>().0) {
                    let d = block.d.get();
                    for (o, q) in out.iter_mut().zip(&block.qs) {
                        *o = d * f32::from(*q);
                    }
                }
            }

            fn valid(row: &[u8]) -> bool {
                blocks::<Self>(row).iter().all(|b| b.d.is_finite())
            }
        }
        impl Encode for $row {
            #[inline(always)]
            fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
                for (block, x) in blocks_mut::<Self>(out).iter_mut().zip(values.as_chunks().0) {
                    let whole = Q8_kBlock::new(x);
                    *block = Q8_kRowBlock {
                        d: Half::saturating(f32::from_le_bytes(whole.d)),
                        qs: whole.qs,
                    };
                }
            }
        }
    };
}

like_q8_k!(Q8_k_r8Row, Q8_k_r8, "q8_k_r8");
like_q8_k!(Q8_k_r16Row, Q8_k_r16, "q8_k_r16");

/// A scale, then bytes.
pub struct Q8_kv_r8Row;
impl BlockFormat for Q8_kv_r8Row {
    const TYPE: Type = Type::Q8_kv_r8;
    const NAME: &'static str = "q8_KV_r8";
    const BLOCK: usize = 32;
    type Block = [i8; 32];
    const ROW_META: usize = 4;

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        let d = row_scale::<[u8; 4]>(row);
        for (o, q) in out.iter_mut().zip(blocks::<Self>(row).as_flattened()) {
            *o = d * f32::from(*q);
        }
    }

    fn valid(row: &[u8]) -> bool {
        row_scale::<[u8; 4]>(row).is_finite()
    }
}
impl Encode for Q8_kv_r8Row {
    #[inline(always)]
    fn encode(values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        // As q8_KV, which has the sum of the bytes behind the scale.
        use crate::quant::activation::Q8_kv;
        let mut row = vec![0; Q8_kv::ROW_META + values.len()];
        Q8_kv::encode(values, weights, &mut row);
        let (scale, bytes) = out.split_at_mut(Self::ROW_META);
        scale.copy_from_slice(&row[..Self::ROW_META]);
        bytes.copy_from_slice(&row[Q8_kv::ROW_META..]);
    }
}

/// 16-bit floats of the upper half of an f32's bits, which are cut off, not rounded, as the reference does it.
pub struct Bf16_r16Row;
impl BlockFormat for Bf16_r16Row {
    const TYPE: Type = Type::Bf16;
    const NAME: &'static str = "bf16";
    const BLOCK: usize = 1;
    type Block = [u8; 2];
    const QUANTIZED: bool = false;

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        for (o, b) in out.iter_mut().zip(blocks::<Self>(row)) {
            *o = f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16);
        }
    }

    fn valid(row: &[u8]) -> bool {
        blocks::<Self>(row)
            .iter()
            .all(|b| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16).is_finite())
    }
}
impl Encode for Bf16_r16Row {
    #[inline(always)]
    fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
        for (b, v) in blocks_mut::<Self>(out).iter_mut().zip(values) {
            *b = ((v.to_bits() >> 16) as u16).to_le_bytes();
        }
    }
}

/// Per 32 values four vectors of eight: their numbers' low bytes; then their numbers' upper three bits each, a 3-bit level and the
/// sign of the shift.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq1_sRowBlock {
    pub qs: [u8; 4],
    pub qh: [u8; 2],
}

/// As iq1_s, in blocks of 32 with a scale per row.
pub struct Iq1_s_r4Row;
impl BlockFormat for Iq1_s_r4Row {
    const TYPE: Type = Type::Iq1_s_r4;
    const NAME: &'static str = "iq1_s_r4";
    const BLOCK: usize = 32;
    type Block = Iq1_sRowBlock;
    const ROW_META: usize = 2;

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        let d = row_scale::<Half>(row);
        for (block, out) in blocks::<Self>(row).iter().zip(out.as_chunks_mut::<32>().0) {
            let high = u16::from_le_bytes(block.qh);
            let scale = d * f32::from(2 * (high >> 12 & 7) + 1);
            let delta = if high & 0x8000 != 0 { -DELTA } else { DELTA };
            for (i, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
                let number = usize::from(block.qs[i]) | usize::from(high >> (3 * i) & 7) << 8;
                put_shifted(&IQ1_S[number], delta, scale, out);
            }
        }
    }

    fn valid(row: &[u8]) -> bool {
        row_scale::<Half>(row).is_finite()
    }
}

impl EncodeVectors for Iq1_s_r4Row {
    #[inline(always)]
    fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        let format = Format {
            step: 2.0,
            offset: 1.0,
            top: 7.0,
            shared: true,
        };
        let (d, groups) = fit_row::<S, 32>(s, values, weights, format);
        out[..2].copy_from_slice(bytemuck::bytes_of(&d));
        for (block, group) in blocks_mut::<Self>(out).iter_mut().zip(&groups) {
            let mut high = u16::from(group.level) << 12 | u16::from(group.down[0]) << 15;
            for (i, code) in group.codes.iter().enumerate() {
                block.qs[i] = *code as u8;
                high |= (code >> 8) << (3 * i);
            }
            block.qh = high.to_le_bytes();
        }
    }
}

/// Fits a row that has one scale, in groups of `GROUP`.
#[inline(always)]
fn fit_row<S: Simd, const GROUP: usize>(
    s: S,
    values: &[f32],
    weights: Option<&[f32]>,
    format: Format,
) -> (Half, Vec<Group>) {
    let (mut x, mut w) = weighted_row::<S, 32>(s, values, weights, Weighing::Importance);
    let mut groups = vec![Group::default(); values.len() / GROUP];
    let d = shifted_search::fit::<S, GROUP>(s, &mut x, &mut w, format, &mut groups);
    (d, groups)
}

/// Per 32 values four vectors of eight: their numbers' low bytes; per vector the upper three bits and the sign of its shift; a 4-bit
/// level per 16 values.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq1_mRowBlock {
    pub qs: [u8; 4],
    pub qh: [u8; 2],
    pub scales: u8,
}

/// As iq1_m, in blocks of 32 with a scale per row.
pub struct Iq1_m_r4Row;
impl BlockFormat for Iq1_m_r4Row {
    const TYPE: Type = Type::Iq1_m_r4;
    const NAME: &'static str = "iq1_m_r4";
    const BLOCK: usize = 32;
    type Block = Iq1_mRowBlock;
    const ROW_META: usize = 2;

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        let d = row_scale::<Half>(row);
        for (block, out) in blocks::<Self>(row).iter().zip(out.as_chunks_mut::<32>().0) {
            for (i, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
                let scale = d * f32::from(block.scales >> (4 * (i / 2)) & 15);
                let high = block.qh[i / 2] >> (4 * (i % 2));
                let delta = if high & 8 != 0 { -DELTA } else { DELTA };
                let number = usize::from(block.qs[i]) | usize::from(high & 7) << 8;
                put_shifted(&IQ1_S[number], delta, scale, out);
            }
        }
    }

    fn valid(row: &[u8]) -> bool {
        row_scale::<Half>(row).is_finite()
    }
}
impl EncodeVectors for Iq1_m_r4Row {
    #[inline(always)]
    fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        let format = Format {
            step: 1.0,
            offset: 0.0,
            top: 15.0,
            shared: false,
        };
        let (d, groups) = fit_row::<S, 16>(s, values, weights, format);
        out[..2].copy_from_slice(bytemuck::bytes_of(&d));
        let pairs = groups.as_chunks::<2>().0;
        for (block, pair) in blocks_mut::<Self>(out).iter_mut().zip(pairs) {
            block.scales = pair[0].level | pair[1].level << 4;
            for (half, group) in pair.iter().enumerate() {
                block.qh[half] = 0;
                for i in 0..2 {
                    block.qs[2 * half + i] = group.codes[i] as u8;
                    let high = (group.codes[i] >> 8) as u8 | u8::from(group.down[i]) << 3;
                    block.qh[half] |= high << (4 * i);
                }
            }
        }
    }
}
