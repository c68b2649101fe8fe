//! Four-bit codes of an uneven grid: iq4_nl (32-wide, one scale) and iq4_xs (256-wide, 6-bit scales by 32).

use std::sync::LazyLock;

use bytemuck::{Pod, Zeroable};

use super::grid::{Grid, Iq4};
use super::ladder::{Free, Scored};
use super::search::{self, Weighing};
use super::superblock::{self, BLOCK, Levels, Scaled, nibbles, pack_nibbles};
use super::{BlockFormat, EncodeVectors, Half, Type, blocks, blocks_mut};
use crate::simd::Simd;

static LADDERS: LazyLock<[Free; 1]> = LazyLock::new(|| [Free::new(&Iq4::PLAIN, 32.0)]);

/// Values per block of iq4_nl.
pub const SMALL: usize = 32;

/// Values of 16 nibbles: first the low halves, then the high ones.
#[inline(always)]
fn decode_nibbles(d: f32, qs: &[u8; 16], out: &mut [f32; SMALL]) {
    for (j, b) in qs.iter().enumerate() {
        out[j] = d * Iq4::PLAIN.value(b & 15);
        out[j + 16] = d * Iq4::PLAIN.value(b >> 4);
    }
}

/// 32 codes and a scale.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq4_nlBlock {
    pub d: Half,
    pub qs: [u8; 16],
}

impl Iq4_nlBlock {
    /// Rounds the scale, then the values to the grid under it.
    #[inline(always)]
    fn new(x: &[f32; SMALL], scale: f32) -> Iq4_nlBlock {
        let d = Half::saturating(scale);
        let inverse = search::inverse(d.get());
        let code = |j: usize| Iq4::PLAIN.code(x[j] * inverse);
        Iq4_nlBlock {
            d,
            qs: std::array::from_fn(|j| code(j) | code(j + 16) << 4),
        }
    }
}

pub struct Iq4_nl;
impl BlockFormat for Iq4_nl {
    const TYPE: Type = Type::Iq4_nl;
    const NAME: &'static str = "iq4_nl";
    const BLOCK: usize = SMALL;
    type Block = Iq4_nlBlock;
    const ACTIVATION: Option<Type> = Some(Type::Q8_2_x4);
    const REPACKED: Option<Type> = Some(Type::Iq4_nl_r4);

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        for (block, out) in blocks::<Self>(row).iter().zip(out.as_chunks_mut().0) {
            decode_nibbles(block.d.get(), &block.qs, out);
        }
    }

    fn valid(row: &[u8]) -> bool {
        blocks::<Self>(row).iter().all(|b| b.d.is_finite())
    }
}
impl EncodeVectors for Iq4_nl {
    const REFERENCE_IS_FAST: bool = true;

    #[inline(always)]
    fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        let windows = if weights.is_some() { 3 } else { 1 };
        let xs = values.as_chunks::<SMALL>().0;
        for (i, (block, x)) in blocks_mut::<Self>(out).iter_mut().zip(xs).enumerate() {
            let (mut scaled, mut w) = (
                *x,
                search::block_importance(s, x, weights, i, Weighing::Importance),
            );
            let Some(unit) = search::normalize(&mut scaled, &mut w) else {
                *block = Iq4_nlBlock::new(x, 0.0);
                continue;
            };
            let store = |d: f32| Half::saturating(d * unit).get() / unit;
            let scored = Scored::new(s, &*LADDERS, windows, &scaled, &w);
            let scale = scored.own_scale(s, Iq4::PLAIN, &scaled, &w, store);
            *block = Iq4_nlBlock::new(x, scale * unit);
        }
    }

    #[inline(always)]
    fn encode_fast(values: &[f32], out: &mut [u8]) {
        for (block, x) in blocks_mut::<Self>(out)
            .iter_mut()
            .zip(values.as_chunks::<SMALL>().0)
        {
            // The largest value on the end of the grid that reaches further, then the scale fitted.
            let inverse = search::inverse(search::largest(x) / Iq4::PLAIN.value(0));
            let scaled = x.map(|v| v * inverse);
            let (mut xv, mut vv) = (0f32, 0f32);
            for x in scaled {
                let v = Iq4::PLAIN.nearest(x, 1.0);
                xv += x * x * x * v;
                vv += x * x * v * v;
            }
            let scale = if vv > 0.0 { xv / vv } else { 0.0 };
            *block = Iq4_nlBlock::new(x, scale * search::inverse(inverse));
        }
    }
}

/// 8 groups of 32 values; 6-bit scales with an offset of 32.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq4_xsBlock {
    pub d: Half,
    pub scales_h: [u8; 2],
    pub scales_l: [u8; 4],
    pub qs: [u8; 128],
}

impl Iq4_xsBlock {
    /// The codes of [`Iq4`].
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        nibbles::<16>(&self.qs)
    }
    /// Integer scale per group.
    #[inline(always)]
    pub fn levels(&self) -> [i8; 8] {
        let high = u16::from_le_bytes(self.scales_h);
        std::array::from_fn(|j| {
            let low = (self.scales_l[j / 2] >> (4 * (j % 2))) & 15;
            (low | ((high >> (2 * j)) as u8 & 3) << 4) as i8 - 32
        })
    }
    #[inline(always)]
    fn new(fit: superblock::Symmetric<8>) -> Iq4_xsBlock {
        let mut scales_l = [0; 4];
        let mut scales_h = 0u16;
        for (j, level) in fit.levels.iter().enumerate() {
            let level = (level + 32) as u8;
            scales_l[j / 2] |= (level & 15) << (4 * (j % 2));
            scales_h |= u16::from(level >> 4) << (2 * j);
        }
        Iq4_xsBlock {
            d: fit.d,
            scales_h: scales_h.to_le_bytes(),
            scales_l,
            qs: pack_nibbles::<16>(&fit.codes),
        }
    }
}

pub struct Iq4_xs;
impl BlockFormat for Iq4_xs {
    const TYPE: Type = Type::Iq4_xs;
    const NAME: &'static str = "iq4_xs";
    const BLOCK: usize = BLOCK;
    type Block = Iq4_xsBlock;
    const ACTIVATION: Option<Type> = Some(Type::Q8_k);
    const REPACKED: Option<Type> = Some(Type::Iq4_xs_r8);

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        for (block, out) in blocks::<Self>(row)
            .iter()
            .zip(out.as_chunks_mut::<BLOCK>().0)
        {
            let d = block.d.get();
            let groups = block
                .qs
                .as_chunks::<16>()
                .0
                .iter()
                .zip(out.as_chunks_mut::<SMALL>().0);
            for ((qs, out), level) in groups.zip(block.levels()) {
                decode_nibbles(d * f32::from(level), qs, out);
            }
        }
    }

    fn valid(row: &[u8]) -> bool {
        blocks::<Self>(row).iter().all(|b| b.d.is_finite())
    }
}
impl EncodeVectors for Iq4_xs {
    #[inline(always)]
    fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        let scaled = Scaled {
            grids: &[Iq4::PLAIN],
            ladders: &*LADDERS,
            levels: Levels::signed(6),
            windows: [1, 3],
            weighing: Weighing::Importance,
        };
        let xs = values.as_chunks::<BLOCK>().0;
        for (i, (block, x)) in blocks_mut::<Self>(out).iter_mut().zip(xs).enumerate() {
            *block = Iq4_xsBlock::new(scaled.block::<_, 8, 32>(s, x, weights, i));
        }
    }
}

/// 32 four-bit floats (a sign, two bits of exponent, one of mantissa) under a power of two.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Mxfp4Block {
    /// The exponent of twice the scale, with the bias of single floats.
    pub e: u8,
    pub qs: [u8; 16],
}

/// What the codes stand for, doubled.
const MXFP4: [f32; 16] = [
    0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0,
];

impl Mxfp4Block {
    /// Half of the scale, which goes with doubled values.
    #[inline(always)]
    fn scale(e: u8) -> f32 {
        f32::from_bits(match e {
            0 => 0x0020_0000,
            1 => 0x0040_0000,
            _ => u32::from(e - 1) << 23,
        })
    }

    /// The doubled values nearest to magnitudes: they have one bit of mantissa from 2 on, and are whole below.
    #[inline(always)]
    fn round<S: Simd>(s: S, t: S::F) -> S::F {
        let t = s.min(t, s.splat(12.0));
        let power = s.and(s.cast_i(s.max(t, s.splat(2.0))), s.splat_i32(0x7f80_0000));
        // In a sum with this the last bit stands for half of the power of two.
        let large = s.cast_f(s.add_i32(power, s.splat_i32(22 << 23)));
        s.sub(s.add(t, large), large)
    }

    /// The block with this exponent.
    #[inline(always)]
    fn new<S: Simd>(s: S, x: &[f32; SMALL], e: u8) -> Mxfp4Block {
        let inverse = s.splat(search::inverse(Mxfp4Block::scale(e)));
        let mut codes = [0i8; SMALL];
        for i in (0..SMALL).step_by(S::N) {
            let x = s.load_at(x, i);
            let v = Mxfp4Block::round(s, s.abs(s.mul(x, inverse)));
            // From 2 on codes count exponents and mantissas; below they are the values.
            let float = s.sub_i32(s.shr_i32::<22>(s.cast_i(v)), s.splat_i32(254));
            let code = s.select_i32(s.lt(v, s.splat(2.0)), s.to_i32(v), float);
            let negative = s.select(s.lt(x, s.zero()), v, s.zero());
            let other = s.or(code, s.splat_i32(8));
            let code = s.select_i32(s.lt(s.zero(), negative), other, code);
            s.store_i8_at(&mut codes, i, code);
        }
        let mut qs = [0; 16];
        for j in 0..16 {
            qs[j] = codes[j] as u8 | (codes[j + 16] as u8) << 4;
        }
        Mxfp4Block { e, qs }
    }

    /// The weighted error under an exponent, of normalized values.
    #[inline(always)]
    fn error<S: Simd>(s: S, x: &[f32; SMALL], w: &[f32; SMALL], e: u8) -> f32 {
        let scale = Mxfp4Block::scale(e);
        let inverse = s.splat(search::inverse(scale));
        let mut error = s.zero();
        for i in (0..SMALL).step_by(S::N) {
            let magnitude = s.abs(s.load_at(x, i));
            let v = Mxfp4Block::round(s, s.mul(magnitude, inverse));
            let miss = s.fnma(s.splat(scale), v, magnitude);
            error = s.fma(s.mul(s.load_at(w, i), miss), miss, error);
        }
        s.sum(error)
    }
}

pub struct Mxfp4;
impl BlockFormat for Mxfp4 {
    const TYPE: Type = Type::Mxfp4;
    const NAME: &'static str = "mxfp4";
    const BLOCK: usize = SMALL;
    type Block = Mxfp4Block;
    const ACTIVATION: Option<Type> = Some(Type::Q8_2_x4);

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        for (block, out) in blocks::<Self>(row)
            .iter()
            .zip(out.as_chunks_mut::<SMALL>().0)
        {
            let d = Mxfp4Block::scale(block.e);
            for (j, b) in block.qs.iter().enumerate() {
                out[j] = d * MXFP4[usize::from(b & 15)];
                out[j + 16] = d * MXFP4[usize::from(b >> 4)];
            }
        }
    }
}
impl EncodeVectors for Mxfp4 {
    #[inline(always)]
    fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        let xs = values.as_chunks::<SMALL>().0;
        for (i, (block, x)) in blocks_mut::<Self>(out).iter_mut().zip(xs).enumerate() {
            let (mut scaled, mut w) = (
                *x,
                search::block_importance(s, x, weights, i, Weighing::Importance),
            );
            let Some(unit) = search::normalize(&mut scaled, &mut w) else {
                *block = Mxfp4Block::zeroed();
                continue;
            };
            // The largest value is 1 to 2 units, so it is 6 to 12 times a scale of 2^-2 or 2^-3; the neighbours of these may be better
            // where columns weigh differently.
            let shifts = if weights.is_some() { -4..=0 } else { -3..=-2 };
            let exponent = (unit.to_bits() >> 23) as i32;
            let (mut best, mut best_e) = (f32::INFINITY, 0);
            for shift in shifts {
                // 252 is the last exponent under which no value is infinite.
                let e = (exponent + 1 + shift).clamp(0, 252) as u8;
                let inner = (127 + 1 + shift) as u8;
                let error = Mxfp4Block::error(s, &scaled, &w, inner);
                if error < best {
                    (best, best_e) = (error, e);
                }
            }
            *block = Mxfp4Block::new(s, x, best_e);
        }
    }
}
