//! The 256-wide trellis types: iq1_kt, iq2_kt, iq3_kt, iq4_kt. A code is the start of a sequence of pseudo-random numbers, which
//! are the values of a group of eight (four in iq4_kt). A scale per row, a level per 32 values.

use std::sync::LazyLock;

use bytemuck::{Pod, Zeroable};

use super::grid::{Grid, Iq4};
use super::iqk::{RowScale, row_scale};
use super::search::Weighing;
use super::superblock::BLOCK;
use super::trellis_search::{Aim, Choice, Index, Trellis};
use super::{BlockFormat, EncodeVectors, Type, blocks, blocks_mut};
use crate::simd::Simd;

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

/// Borders between boxes of about equally many sequences: of signed values, of magnitudes, of values in four dimensions.
const SIGNED: [f32; 2] = [-16.0, 16.0];
const MAGNITUDES: [f32; 2] = [16.0, 36.0];
const HALVES: [f32; 1] = [0.0];
const FINE: [f32; 6] = [-40.0, -21.0, -7.0, 7.0, 21.0, 40.0];

static IQ1: LazyLock<Index<8>> = LazyLock::new(|| {
    Index::new(&HALVES, 7, [0.0, 0.0], (1 << 13) - 1, |c| {
        sequence(c + OFFSET)
    })
});
static IQ2: LazyLock<Index<8>> =
    LazyLock::new(|| Index::new(&SIGNED, 16, [0.0, 0.1], u16::MAX, |c| sequence(c + OFFSET)));
static IQ3: LazyLock<Index<8>> = LazyLock::new(|| {
    Index::new(&MAGNITUDES, 48, [0.4, 0.5], u16::MAX, |c| {
        sequence(c + OFFSET).map(f32::abs)
    })
});
static IQ4: LazyLock<[Index<4>; 2]> = LazyLock::new(|| {
    [OFFSET, OFFSET + 32768].map(|offset| {
        Index::new(&FINE, 2, [0.75, 0.9], (1 << 15) - 1, move |c| {
            sequence(c + offset)
        })
    })
});

/// What the levels stand for.
const UNEVEN: [f32; 16] = [
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0,
    89.0, 113.0,
];
const UNSIGNED: [f32; 16] = [
    0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0,
];
const SEVEN_BITS: [f32; 128] = {
    let mut levels = [0.0; 128];
    let mut i = 0;
    while i < 128 {
        levels[i] = i as f32 - 64.0;
        i += 1;
    }
    levels
};

impl Iq1_ktBlock {
    #[inline(always)]
    fn new(groups: &[Choice; 8], _x: &[f32; BLOCK]) -> Iq1_ktBlock {
        let mut block = Iq1_ktBlock::zeroed();
        for (g, choice) in groups.iter().enumerate() {
            block.sh[g] = choice.level as u8;
            for l in 0..4 {
                let (i, code) = (4 * g + l, choice.codes[l]);
                block.ql[i] = code as u8;
                block.qh[i % 16] |= ((code >> 8 & 15) as u8) << (4 * (i / 16));
                block.sh[g] |= ((code >> 12 & 1) as u8) << (4 + l);
            }
        }
        block
    }
}

impl Iq2_ktBlock {
    #[inline(always)]
    fn new(groups: &[Choice; 8], _x: &[f32; BLOCK]) -> Iq2_ktBlock {
        let mut block = Iq2_ktBlock::zeroed();
        for (g, choice) in groups.iter().enumerate() {
            block.scales[g % 4] |= (choice.level as u8) << (4 * (g / 4));
            for l in 0..4 {
                block.ql[4 * g + l] = choice.codes[l].to_le_bytes();
            }
        }
        block
    }
}

impl Iq3_ktBlock {
    #[inline(always)]
    fn new(groups: &[Choice; 8], x: &[f32; BLOCK]) -> Iq3_ktBlock {
        let mut block = Iq3_ktBlock::zeroed();
        for (g, choice) in groups.iter().enumerate() {
            block.scales[g % 4] |= (choice.level as u8) << (4 * (g / 4));
            for l in 0..4 {
                block.ql[4 * g + l] = choice.codes[l].to_le_bytes();
            }
            for j in 0..32 {
                block.signs[j] |= u8::from(x[32 * g + j] < 0.0) << g;
            }
        }
        block
    }
}

impl Iq4_ktBlock {
    #[inline(always)]
    fn new(groups: &[Choice; 8], _x: &[f32; BLOCK]) -> Iq4_ktBlock {
        let mut block = Iq4_ktBlock::zeroed();
        for (g, choice) in groups.iter().enumerate() {
            let mut sh = choice.range as u32 | (choice.level as u32) << 1;
            for l in 0..8 {
                let (i, code) = (8 * g + l, choice.codes[l]);
                block.ql[i] = code as u8;
                block.qh[i % 32] |= ((code >> 8 & 15) as u8) << (4 * (i / 32));
                sh |= u32::from(code >> 12 & 7) << (8 + 3 * l);
            }
            block.sh[g] = sh.to_le_bytes();
        }
        block
    }
}

/// Makes a type that can be written: from its indexes and levels; `magnitudes` where signs are stored apart.
macro_rules! encode {
    ($ty:ident, $block:ident, $indexes:expr, $levels:expr, aim: $aim:expr, weighing: $weighing:expr,
     magnitudes: $magnitudes:literal, tried: $tried:literal) => {
        impl EncodeVectors for $ty {
            #[inline(always)]
            fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
                let mut x = values.to_vec();
                if $magnitudes {
                    for v in &mut x {
                        *v = v.abs();
                    }
                }
                let store = |d: f32| <[u8; 4] as RowScale>::new(d).get();
                let trellis: Trellis<_, $tried> = Trellis {
                    indexes: $indexes,
                    levels: &$levels,
                    aim: $aim,
                    weighing: $weighing,
                };
                let (d, choices) = trellis.row(s, &x, weights, store);
                out[..4].copy_from_slice(&<[u8; 4] as RowScale>::new(d));
                let blocks = blocks_mut::<Self>(out)
                    .iter_mut()
                    .zip(choices.as_chunks::<8>().0);
                for ((block, groups), x) in blocks.zip(values.as_chunks::<BLOCK>().0) {
                    *block = $block::new(groups, x);
                }
            }
        }
    };
}
encode!(Iq1_kt, Iq1_ktBlock, &[&*IQ1], UNEVEN, aim: Aim::Spread(31.0, 46.0), weighing: Weighing::Importance,
    magnitudes: false, tried: 4);
encode!(Iq2_kt, Iq2_ktBlock, &[&*IQ2], UNEVEN, aim: Aim::Spread(31.0, 46.0), weighing: Weighing::Importance,
    magnitudes: false, tried: 4);
encode!(Iq3_kt, Iq3_ktBlock, &[&*IQ3], UNSIGNED, aim: Aim::Largest(74.0, 126.0), weighing: Weighing::Evened(4),
    magnitudes: true, tried: 6);
encode!(Iq4_kt, Iq4_ktBlock, &[&IQ4[0], &IQ4[1]], SEVEN_BITS, aim: Aim::Largest(76.0, 138.0), weighing: Weighing::Evened(4),
    magnitudes: false, tried: 8);
