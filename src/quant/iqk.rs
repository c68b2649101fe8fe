//! The 256-wide types on uneven grids that each group can shift: iq2_k, iq3_k, iq4_k, iq5_k, iq6_k (groups of 16, a half-float
//! scale per block) and iq2_ks, iq3_ks, iq4_ks, iq5_ks (groups of 32, a scale per row).

use std::sync::LazyLock;

use bytemuck::{Pod, Zeroable};

use super::grid::{Grid, Iq2, Iq3, Iq4, Iq5, Iq6};
use super::kquant::{add_high_bit, pack_high_bit};
use super::ladder::Free;
use super::search::Weighing;
use super::superblock::{
    BLOCK, Levels, Scaled, Symmetric, nibbles, pack_nibbles, pack_pairs, pairs,
};
use super::{BlockFormat, EncodeVectors, Half, Type, blocks, blocks_mut, search};
use crate::simd::Simd;

/// Decodes groups of `N` values; bit `j` of `shifts` says that group `j` uses the second grid.
#[inline(always)]
pub fn decode_groups<G: Grid, const N: usize>(
    grids: &[G; 2],
    codes: &[u8; BLOCK],
    d: f32,
    levels: &[i16],
    shifts: u16,
    out: &mut [f32; BLOCK],
) {
    let groups = out
        .as_chunks_mut::<N>()
        .0
        .iter_mut()
        .zip(codes.as_chunks::<N>().0);
    for (j, ((out, codes), level)) in groups.zip(levels).enumerate() {
        let scale = d * f32::from(*level);
        let grid = &grids[usize::from(shifts >> j & 1)];
        for (o, q) in out.iter_mut().zip(codes) {
            *o = scale * grid.value(*q);
        }
    }
}

/// The sixteen 6-bit levels of iq4_k and iq5_k, offset by 32: low nibbles and, four to a byte, high bits.
#[inline(always)]
fn six_bit_levels(low: &[u8; 8], high: &[u8; 4]) -> [i16; 16] {
    let mut levels = [0; 16];
    for (j, level) in levels.iter_mut().enumerate() {
        let l = (low[j / 2] >> (4 * (j % 2))) & 15;
        let h = (high[j / 4] >> (2 * (j % 4))) & 3;
        *level = i16::from(l | h << 4) - 32;
    }
    levels
}

/// The inverse of [`six_bit_levels`].
#[inline(always)]
fn pack_six_bit_levels(levels: &[i16; 16]) -> ([u8; 8], [u8; 4]) {
    let (mut low, mut high) = ([0; 8], [0; 4]);
    for (j, level) in levels.iter().enumerate() {
        let level = (level + 32) as u8;
        low[j / 2] |= (level & 15) << (4 * (j % 2));
        high[j / 4] |= (level >> 4) << (2 * (j % 4));
    }
    (low, high)
}

/// Two-bit codes; 4-bit levels, offset by 8.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq2_kBlock {
    pub d: Half,
    pub shifts: [u8; 2],
    pub scales: [u8; 8],
    pub qs: [u8; 64],
}

impl Iq2_kBlock {
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        pairs(&self.qs)
    }
    #[inline(always)]
    pub fn levels(&self) -> [i16; 16] {
        std::array::from_fn(|j| i16::from((self.scales[j / 2] >> (4 * (j % 2))) & 15) - 8)
    }
    #[inline(always)]
    fn new(fit: &Symmetric<16>) -> Iq2_kBlock {
        let mut scales = [0; 8];
        for (j, level) in fit.levels.iter().enumerate() {
            scales[j / 2] |= ((level + 8) as u8) << (4 * (j % 2));
        }
        Iq2_kBlock {
            d: fit.d,
            shifts: fit.shifts.to_le_bytes(),
            scales,
            qs: pack_pairs(&fit.codes),
        }
    }
}

/// Three-bit codes; odd levels of either sign.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq3_kBlock {
    pub d: Half,
    pub shifts: [u8; 2],
    /// Bit `j`: the level of group `j` is negative.
    pub signs: [u8; 2],
    pub scales: [u8; 8],
    pub qs: [u8; 64],
    pub qh: [u8; 32],
}

impl Iq3_kBlock {
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        let mut codes = pairs(&self.qs);
        add_high_bit::<2>(&mut codes, &self.qh);
        codes
    }
    #[inline(always)]
    pub fn levels(&self) -> [i16; 16] {
        let signs = u16::from_le_bytes(self.signs);
        std::array::from_fn(|j| {
            let level = 2 * i16::from((self.scales[j / 2] >> (4 * (j % 2))) & 15) + 1;
            if signs >> j & 1 == 1 { -level } else { level }
        })
    }
    #[inline(always)]
    fn new(fit: &Symmetric<16>) -> Iq3_kBlock {
        let (mut scales, mut signs) = ([0; 8], 0u16);
        for (j, level) in fit.levels.iter().enumerate() {
            scales[j / 2] |= ((level.abs() - 1) as u8 / 2) << (4 * (j % 2));
            signs |= u16::from(*level < 0) << j;
        }
        Iq3_kBlock {
            d: fit.d,
            shifts: fit.shifts.to_le_bytes(),
            signs: signs.to_le_bytes(),
            scales,
            qs: pack_pairs(&fit.codes),
            qh: pack_high_bit::<2>(&fit.codes),
        }
    }
}

/// Four-bit codes; 6-bit levels.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq4_kBlock {
    pub d: Half,
    pub shifts: [u8; 2],
    pub scales_h: [u8; 4],
    pub scales_l: [u8; 8],
    pub qs: [u8; 128],
}

impl Iq4_kBlock {
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        nibbles::<16>(&self.qs)
    }
    #[inline(always)]
    pub fn levels(&self) -> [i16; 16] {
        six_bit_levels(&self.scales_l, &self.scales_h)
    }
    #[inline(always)]
    fn new(fit: &Symmetric<16>) -> Iq4_kBlock {
        let (scales_l, scales_h) = pack_six_bit_levels(&fit.levels);
        Iq4_kBlock {
            d: fit.d,
            shifts: fit.shifts.to_le_bytes(),
            scales_h,
            scales_l,
            qs: pack_nibbles::<16>(&fit.codes),
        }
    }
}

/// Five-bit codes; 6-bit levels.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq5_kBlock {
    pub d: Half,
    pub shifts: [u8; 2],
    pub scales_h: [u8; 4],
    pub scales_l: [u8; 8],
    pub qs: [u8; 128],
    pub qh: [u8; 32],
}

impl Iq5_kBlock {
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        let mut codes = nibbles::<32>(&self.qs);
        add_high_bit::<4>(&mut codes, &self.qh);
        codes
    }
    #[inline(always)]
    pub fn levels(&self) -> [i16; 16] {
        six_bit_levels(&self.scales_l, &self.scales_h)
    }
    #[inline(always)]
    fn new(fit: &Symmetric<16>) -> Iq5_kBlock {
        let (scales_l, scales_h) = pack_six_bit_levels(&fit.levels);
        Iq5_kBlock {
            d: fit.d,
            shifts: fit.shifts.to_le_bytes(),
            scales_h,
            scales_l,
            qs: pack_nibbles::<32>(&fit.codes),
            qh: pack_high_bit::<4>(&fit.codes),
        }
    }
}

/// Six-bit codes; 8-bit levels.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq6_kBlock {
    pub d: Half,
    pub shifts: [u8; 2],
    pub scales: [i8; 16],
    pub qs: [u8; 128],
    pub qh: [u8; 64],
}

impl Iq6_kBlock {
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        let mut codes = nibbles::<32>(&self.qs);
        for (q, high) in codes.iter_mut().zip(pairs(&self.qh)) {
            *q |= high << 4;
        }
        codes
    }
    #[inline(always)]
    pub fn levels(&self) -> [i16; 16] {
        self.scales.map(i16::from)
    }
    #[inline(always)]
    fn new(fit: &Symmetric<16>) -> Iq6_kBlock {
        let (mut scales, mut high) = ([0; 16], [0; BLOCK]);
        for (s, level) in scales.iter_mut().zip(fit.levels) {
            *s = level as i8;
        }
        for (h, q) in high.iter_mut().zip(fit.codes) {
            *h = q >> 4;
        }
        Iq6_kBlock {
            d: fit.d,
            shifts: fit.shifts.to_le_bytes(),
            scales,
            qs: pack_nibbles::<32>(&fit.codes),
            qh: pack_pairs(&high),
        }
    }
}

/// Defines a type with a scale per block.
macro_rules! per_block {
    ($ty:ident, $block:ident, $name:literal, grid: $grid:ident + $shift:literal, levels: $levels:expr,
     rungs: $rungs:literal x $windows:literal, weighing: $weighing:expr, repacked: $repacked:expr) => {
        pub struct $ty;
        impl $ty {
            pub const GRIDS: [$grid; 2] = [$grid { shift: 0.0 }, $grid { shift: $shift }];

            fn ladders() -> &'static [Free; 2] {
                static LADDERS: LazyLock<[Free; 2]> =
                    LazyLock::new(|| $ty::GRIDS.map(|grid| Free::new(&grid, $rungs)));
                &LADDERS
            }
        }
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = BLOCK;
            type Block = $block;
            const ACTIVATION: Option<Type> = Some(Type::Q8_k);
            const REPACKED: Option<Type> = $repacked;

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                for (block, out) in blocks::<Self>(row)
                    .iter()
                    .zip(out.as_chunks_mut::<BLOCK>().0)
                {
                    let shifts = u16::from_le_bytes(block.shifts);
                    decode_groups::<_, 16>(
                        &Self::GRIDS,
                        &block.codes(),
                        block.d.get(),
                        &block.levels(),
                        shifts,
                        out,
                    );
                }
            }

            fn valid(row: &[u8]) -> bool {
                blocks::<Self>(row).iter().all(|b| b.d.is_finite())
            }
        }
        impl EncodeVectors for $ty {
            #[inline(always)]
            fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
                let scaled = Scaled {
                    grids: &Self::GRIDS,
                    ladders: Self::ladders(),
                    levels: $levels,
                    windows: [1, $windows],
                    weighing: $weighing,
                };
                let xs = values.as_chunks::<BLOCK>().0;
                for (i, (block, x)) in blocks_mut::<Self>(out).iter_mut().zip(xs).enumerate() {
                    *block = $block::new(&scaled.block::<_, 16, 16>(s, x, weights, i));
                }
            }
        }
    };
}

per_block!(Iq2_k, Iq2_kBlock, "iq2_k", grid: Iq2 + 5.0, levels: Levels::signed(4), rungs: 16.0 x 3, weighing: Weighing::Importance, repacked: Some(Type::Iq2_k_r4));
per_block!(Iq3_k, Iq3_kBlock, "iq3_k", grid: Iq3 + 4.0, levels: Levels::odd(31.0), rungs: 16.0 x 3, weighing: Weighing::Evened(2), repacked: Some(Type::Iq3_k_r4));
per_block!(Iq4_k, Iq4_kBlock, "iq4_k", grid: Iq4 + 4.0, levels: Levels::signed(6), rungs: 32.0 x 2, weighing: Weighing::Importance, repacked: Some(Type::Iq4_k_r4));
per_block!(Iq5_k, Iq5_kBlock, "iq5_k", grid: Iq5 + 2.0, levels: Levels::signed(6), rungs: 32.0 x 1, weighing: Weighing::Importance, repacked: Some(Type::Iq5_k_r4));
per_block!(Iq6_k, Iq6_kBlock, "iq6_k", grid: Iq6 + 1.0, levels: Levels::signed(8), rungs: 32.0 x 1, weighing: Weighing::Magnitude, repacked: None);

/// Two-bit codes; 5-bit levels, offset by 16.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq2_ksBlock {
    /// Low byte: bit `j` shifts group `j`. High byte: bit `j` is the high bit of its level.
    pub extra: [u8; 2],
    pub scales: [u8; 4],
    pub qs: [u8; 64],
}

impl Iq2_ksBlock {
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        pairs(&self.qs)
    }
    #[inline(always)]
    pub fn levels(&self) -> [i16; 8] {
        std::array::from_fn(|j| {
            let low = (self.scales[j / 2] >> (4 * (j % 2))) & 15;
            i16::from(low | (self.extra[1] >> j & 1) << 4) - 16
        })
    }
    #[inline(always)]
    pub fn shifts(&self) -> u16 {
        u16::from(self.extra[0])
    }
    #[inline(always)]
    fn new(fit: &Symmetric<8>) -> Iq2_ksBlock {
        let (mut scales, mut high) = ([0; 4], 0);
        for (j, level) in fit.levels.iter().enumerate() {
            let level = (level + 16) as u8;
            scales[j / 2] |= (level & 15) << (4 * (j % 2));
            high |= (level >> 4) << j;
        }
        Iq2_ksBlock {
            extra: [fit.shifts as u8, high],
            scales,
            qs: pack_pairs(&fit.codes),
        }
    }
}

/// Three-bit codes; 5-bit levels, offset by 16.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq3_ksBlock {
    /// Low byte: bit `j` is the high bit of the level of group `j`. High byte: bit `j` shifts it.
    pub extra: [u8; 2],
    pub scales: [u8; 4],
    pub qs: [u8; 64],
    pub qh: [u8; 32],
}

impl Iq3_ksBlock {
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        let mut codes = pairs(&self.qs);
        add_high_bit::<2>(&mut codes, &self.qh);
        codes
    }
    #[inline(always)]
    pub fn levels(&self) -> [i16; 8] {
        std::array::from_fn(|j| {
            let low = (self.scales[j % 4] >> (4 * (j / 4))) & 15;
            i16::from(low | (self.extra[0] >> j & 1) << 4) - 16
        })
    }
    #[inline(always)]
    pub fn shifts(&self) -> u16 {
        u16::from(self.extra[1])
    }
    #[inline(always)]
    fn new(fit: &Symmetric<8>) -> Iq3_ksBlock {
        let (mut scales, mut high) = ([0; 4], 0);
        for (j, level) in fit.levels.iter().enumerate() {
            let level = (level + 16) as u8;
            scales[j % 4] |= (level & 15) << (4 * (j / 4));
            high |= (level >> 4) << j;
        }
        Iq3_ksBlock {
            extra: [high, fit.shifts as u8],
            scales,
            qs: pack_pairs(&fit.codes),
            qh: pack_high_bit::<2>(&fit.codes),
        }
    }
}

/// Odd levels from -127 to 127 in the upper seven bits of a byte, the choice of grid in the lowest.
#[inline(always)]
pub fn odd_levels(scales: &[u8; 8]) -> [i16; 8] {
    scales.map(|s| i16::from(s & 254) - 127)
}

/// Which of the groups of [`odd_levels`] are shifted.
#[inline(always)]
pub fn odd_shifts(scales: &[u8; 8]) -> u16 {
    (0..8).map(|j| u16::from(scales[j] & 1) << j).sum()
}

/// The inverse of [`odd_levels`] and [`odd_shifts`].
#[inline(always)]
pub fn pack_odd_levels(fit: &Symmetric<8>) -> [u8; 8] {
    std::array::from_fn(|j| (fit.levels[j] + 127) as u8 | (fit.shifts >> j & 1) as u8)
}

/// Four-bit codes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq4_ksBlock {
    pub scales: [u8; 8],
    pub qs: [u8; 128],
}

impl Iq4_ksBlock {
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        nibbles::<16>(&self.qs)
    }
    #[inline(always)]
    pub fn levels(&self) -> [i16; 8] {
        odd_levels(&self.scales)
    }
    #[inline(always)]
    pub fn shifts(&self) -> u16 {
        odd_shifts(&self.scales)
    }
    #[inline(always)]
    fn new(fit: &Symmetric<8>) -> Iq4_ksBlock {
        Iq4_ksBlock {
            scales: pack_odd_levels(fit),
            qs: pack_nibbles::<16>(&fit.codes),
        }
    }
}

/// Five-bit codes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq5_ksBlock {
    pub scales: [u8; 8],
    pub qs: [u8; 128],
    pub qh: [u8; 32],
}

impl Iq5_ksBlock {
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        let mut codes = nibbles::<32>(&self.qs);
        add_high_bit::<4>(&mut codes, &self.qh);
        codes
    }
    #[inline(always)]
    pub fn levels(&self) -> [i16; 8] {
        odd_levels(&self.scales)
    }
    #[inline(always)]
    pub fn shifts(&self) -> u16 {
        odd_shifts(&self.scales)
    }
    #[inline(always)]
    fn new(fit: &Symmetric<8>) -> Iq5_ksBlock {
        Iq5_ksBlock {
            scales: pack_odd_levels(fit),
            qs: pack_nibbles::<32>(&fit.codes),
            qh: pack_high_bit::<4>(&fit.codes),
        }
    }
}

/// The scale in front of a row.
pub trait RowScale: Pod {
    fn get(self) -> f32;
    /// Rounds; never infinite.
    fn new(value: f32) -> Self;
}
impl RowScale for Half {
    #[inline(always)]
    fn get(self) -> f32 {
        Half::get(self)
    }
    #[inline(always)]
    fn new(value: f32) -> Half {
        Half::saturating(value)
    }
}
impl RowScale for [u8; 4] {
    #[inline(always)]
    fn get(self) -> f32 {
        f32::from_le_bytes(self)
    }
    #[inline(always)]
    fn new(value: f32) -> [u8; 4] {
        // What it is multiplied by, levels times values of the grid, must not make it infinite.
        search::limit(value, -1e34, 1e34).to_le_bytes()
    }
}

/// The scale of a row.
#[inline(always)]
pub fn row_scale<S: RowScale>(row: &[u8]) -> f32 {
    bytemuck::pod_read_unaligned::<S>(&row[..size_of::<S>()]).get()
}

/// Defines a type with a scale per row.
macro_rules! per_row {
    ($ty:ident, $block:ident, $name:literal, scale: $scale:ty, grid: $grid:ident + $shift:literal, levels: $levels:expr,
     rungs: $rungs:literal x $windows:literal, weighing: $weighing:expr, repacked: $repacked:expr) => {
        pub struct $ty;
        impl $ty {
            pub const GRIDS: [$grid; 2] = [$grid { shift: 0.0 }, $grid { shift: $shift }];

            fn ladders() -> &'static [Free; 2] {
                static LADDERS: LazyLock<[Free; 2]> =
                    LazyLock::new(|| $ty::GRIDS.map(|grid| Free::new(&grid, $rungs)));
                &LADDERS
            }
        }
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = BLOCK;
            type Block = $block;
            const ROW_META: usize = size_of::<$scale>();
            const ACTIVATION: Option<Type> = Some(Type::Q8_k);
            const REPACKED: Option<Type> = $repacked;

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                let d = row_scale::<$scale>(row);
                for (block, out) in blocks::<Self>(row)
                    .iter()
                    .zip(out.as_chunks_mut::<BLOCK>().0)
                {
                    decode_groups::<_, 32>(
                        &Self::GRIDS,
                        &block.codes(),
                        d,
                        &block.levels(),
                        block.shifts(),
                        out,
                    );
                }
            }

            fn valid(row: &[u8]) -> bool {
                row_scale::<$scale>(row).is_finite()
            }
        }
        impl EncodeVectors for $ty {
            #[inline(always)]
            fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
                let scaled = Scaled {
                    grids: &Self::GRIDS,
                    ladders: Self::ladders(),
                    levels: $levels,
                    windows: [1, $windows],
                    weighing: $weighing,
                };
                let store = |d| <$scale as RowScale>::new(d).get();
                let (d, fits) = scaled.row::<_, 8, 32>(s, values, weights, store);
                let d = <$scale as RowScale>::new(d);
                out[..Self::ROW_META].copy_from_slice(bytemuck::bytes_of(&d));
                for (block, fit) in blocks_mut::<Self>(out).iter_mut().zip(fits) {
                    *block = $block::new(&fit);
                }
            }
        }
    };
}

per_row!(Iq2_ks, Iq2_ksBlock, "iq2_ks", scale: Half, grid: Iq2 + 5.0, levels: Levels::signed(5), rungs: 16.0 x 3, weighing: Weighing::Sharpened(2), repacked: None);
per_row!(Iq3_ks, Iq3_ksBlock, "iq3_ks", scale: Half, grid: Iq3 + 4.0, levels: Levels::signed(5), rungs: 16.0 x 3, weighing: Weighing::Importance, repacked: None);
per_row!(Iq4_ks, Iq4_ksBlock, "iq4_ks", scale: [u8; 4], grid: Iq4 + 4.0, levels: Levels::odd(127.0), rungs: 32.0 x 2, weighing: Weighing::Importance,
    repacked: Some(Type::Iq4_ks_r4));
per_row!(Iq5_ks, Iq5_ksBlock, "iq5_ks", scale: [u8; 4], grid: Iq5 + 2.0, levels: Levels::odd(127.0), rungs: 32.0 x 1, weighing: Weighing::Magnitude,
    repacked: Some(Type::Iq5_ks_r4));
