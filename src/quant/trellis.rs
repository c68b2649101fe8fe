//! The 256-wide trellis types: iq1_kt, iq2_kt, iq3_kt, iq4_kt. A code is the start of a sequence of pseudo-random numbers, which
//! are the values of a group of eight (four in iq4_kt). A scale per row, a level per 32 values.

use bytemuck::{Pod, Zeroable};

use super::grid::{Grid, Iq4};
use super::iqk::row_scale;
use super::superblock::BLOCK;
use super::{BlockFormat, Type, blocks};

/// The values that a code stands for: sums of the four bytes (six bits of each) of a multiplicative sequence, less their mean.
#[inline(always)]
pub fn sequence<const N: usize>(start: u32) -> [f32; N] {
    let mut state = start;
    let mut values = [0.0; N];
    for value in &mut values {
        state = state.wrapping_mul(0xcbac_1fed);
        let bytes = (state & 0x3f3f_3f3f).to_le_bytes();
        let sum: i32 = bytes.iter().map(|b| i32::from(*b)).sum();
        *value = (sum - 126) as f32;
    }
    values
}

/// Added to a code to have the start of its sequence.
const OFFSET: u32 = 4096;

/// 13 bits of code per eight values (eight, four and one of them in different places), a level on the grid [`Iq4`] per 32.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq1_ktBlock {
    /// Per 32 values: the level, and above it the highest bits of the four codes.
    pub sh: [u8; 8],
    pub ql: [u8; 32],
    /// Bits 8 to 11 of the codes: of the first 16 in the low halves, of the others in the high halves.
    pub qh: [u8; 16],
}

impl Iq1_ktBlock {
    #[inline(always)]
    fn decode(&self, d: f32, out: &mut [f32; BLOCK]) {
        for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let sh = self.sh[i / 4];
            let scale = d * Iq4::PLAIN.value(sh & 15);
            let high = u32::from(self.qh[i % 16] >> (4 * (i / 16)) & 15) << 8;
            let top = u32::from(sh >> (4 + i % 4) & 1) << 12;
            let values = sequence::<8>((u32::from(self.ql[i]) | high | top) + OFFSET);
            for (o, v) in out.iter_mut().zip(values) {
                *o = scale * v;
            }
        }
    }
}

/// Levels of two groups of 32 in a byte: the first four groups in the low halves, the others in the high halves.
#[inline(always)]
fn half_byte(scales: &[u8; 4], group: usize) -> u8 {
    scales[group % 4] >> (4 * (group / 4)) & 15
}

/// 16 bits of code per eight values, a level on the grid [`Iq4`] per 32.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq2_ktBlock {
    pub scales: [u8; 4],
    pub ql: [[u8; 2]; 32],
}

impl Iq2_ktBlock {
    #[inline(always)]
    fn decode(&self, d: f32, out: &mut [f32; BLOCK]) {
        for (i, (code, out)) in self.ql.iter().zip(out.as_chunks_mut::<8>().0).enumerate() {
            let scale = d * Iq4::PLAIN.value(half_byte(&self.scales, i / 4));
            let values = sequence::<8>(u32::from(u16::from_le_bytes(*code)) + OFFSET);
            for (o, v) in out.iter_mut().zip(values) {
                *o = scale * v;
            }
        }
    }
}

/// 16 bits of code per eight magnitudes, eight signs, a 4-bit level per 32.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq3_ktBlock {
    pub scales: [u8; 4],
    pub ql: [[u8; 2]; 32],
    /// Bit `g` of byte `j`: value `j` of group `g` is negative.
    pub signs: [u8; 32],
}

impl Iq3_ktBlock {
    #[inline(always)]
    fn decode(&self, d: f32, out: &mut [f32; BLOCK]) {
        for (i, (code, out)) in self.ql.iter().zip(out.as_chunks_mut::<8>().0).enumerate() {
            let group = i / 4;
            let scale = d * f32::from(half_byte(&self.scales, group));
            let values = sequence::<8>(u32::from(u16::from_le_bytes(*code)) + OFFSET);
            for (j, (o, v)) in out.iter_mut().zip(values).enumerate() {
                let value = scale * v.abs();
                let negative = self.signs[8 * (i % 4) + j] >> group & 1 == 1;
                *o = if negative { -value } else { value };
            }
        }
    }
}

/// 15 bits of code per four values; a 7-bit level, offset by 64, and a choice between two ranges of sequences per 32.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq4_ktBlock {
    /// Per 32 values: the range, the level, and the highest three bits of the eight codes.
    pub sh: [[u8; 4]; 8],
    pub ql: [u8; 64],
    /// Bits 8 to 11 of the codes: of the first 32 in the low halves, of the others in the high halves.
    pub qh: [u8; 32],
}

impl Iq4_ktBlock {
    #[inline(always)]
    fn decode(&self, d: f32, out: &mut [f32; BLOCK]) {
        for (i, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let sh = u32::from_le_bytes(self.sh[i / 8]);
            let offset = OFFSET + if sh & 1 == 1 { 32768 } else { 0 };
            let scale = d * ((sh >> 1 & 127) as i32 - 64) as f32;
            let high = u32::from(self.qh[i % 32] >> (4 * (i / 32)) & 15) << 8;
            let top = (sh >> (8 + 3 * (i % 8)) & 7) << 12;
            let values = sequence::<4>((u32::from(self.ql[i]) | high | top) + offset);
            for (o, v) in out.iter_mut().zip(values) {
                *o = scale * v;
            }
        }
    }
}

/// Defines a type by its block.
macro_rules! trellis {
    ($ty:ident, $block:ident, $name:literal) => {
        pub struct $ty;
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = BLOCK;
            type Block = $block;
            const ROW_META: usize = 4;
            const ACTIVATION: Option<Type> = Some(Type::Q8_2_x4);

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                let d = row_scale::<[u8; 4]>(row);
                for (block, out) in blocks::<Self>(row)
                    .iter()
                    .zip(out.as_chunks_mut::<BLOCK>().0)
                {
                    block.decode(d, out);
                }
            }

            fn valid(row: &[u8]) -> bool {
                row_scale::<[u8; 4]>(row).is_finite()
            }
        }
    };
}

trellis!(Iq1_kt, Iq1_ktBlock, "iq1_kt");
trellis!(Iq2_kt, Iq2_ktBlock, "iq2_kt");
trellis!(Iq3_kt, Iq3_ktBlock, "iq3_kt");
trellis!(Iq4_kt, Iq4_ktBlock, "iq4_kt");
