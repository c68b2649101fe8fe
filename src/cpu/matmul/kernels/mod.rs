//! The kernels on 8-bit codes: quantizing activations, unpacking weights to a panel, panel times many columns, rows times few.
//!
//! Layouts, with `N` the f32 lanes of the level:
//!
//! * *Panel*: `N` rows of weights. Per 32 values: 8 vectors of codes (lane `r` of vector `j`: values `4 j..4 j + 4` of row `r`),
//!   then a vector of scales per group, then a vector of mins per group if the type has them.
//! * *Column block*: up to [`cols`] columns of activations. Per 32 values: 8 times four codes of each column, each column's scale, then
//!   per group each column's sum: of codes times -bias (i32) and [`EVEN`]'s bits, to begin a dot product with; or of values
//!   (f32), to multiply a min with.
//!   Types whose scales change less often have groups of [`WIDE`] values in both, filled up with zeros at the end.
//! * *Natural*: one column of activations. Per [`CHUNK`]: codes, 16 scales, 16 sums of values, one per group, zeros beyond. If
//!   the column ends in a part of a chunk, the last chunk is that of its last 256 values, with zeros for those that the chunk
//!   before has already; so that weights can be decoded by whole chunks. Shorter columns are filled up with zeros.

// Loops over columns index several arrays, here and in the modules below; iterators would hide that and are closures, which lose the vector
// instructions.
#![allow(clippy::needless_range_loop)]

mod gemm;
mod gemv;
mod panel;
mod quantize;

pub use gemm::{Ask, Gemm, GemmArgs};
pub use gemv::{Gemv, GemvArgs, ask_ahead};
pub use panel::{Aligned, Panel, Unpack, UnpackArgs, words_to_lanes};
pub use quantize::{Quantize, QuantizeArgs, QuantizeBlock, QuantizeBlockArgs};

use super::weights::{CHUNK, Scales, Weights};
use crate::simd::Simd;

/// Columns of the largest block, of codes or floats, whose sums are in registers of vectors.
pub const MAX_COLS: usize = 12;
/// Rows of a panel at any level, at most.
pub const MAX_ROWS: usize = 16;
/// Panels that are multiplied with a block at once, at most.
pub const MAX_PANELS: usize = 2;
/// Bytes per chunk of a column in natural layout.
pub const NATURAL: usize = CHUNK + 2 * 16 * 4;
/// Longest block of a type with blocks of less than a chunk, in bytes per 32 values.
pub const MAX_TAIL: usize = 8 * 36;

/// A float whose neighbours are one apart, as are those of all floats less than 2^22 from it. So a small integer added to its
/// bits is the same integer added to the float: a dot product that begins with these bits is a float already, and one fused
/// multiplication both takes this number off and scales it.
const EVEN: f32 = 12_582_912.0;

/// What the codes of a type have more in a dot product than they stand for, so that they are unsigned where the instructions want them so.
pub const fn bias<W: Weights>(vnni: bool) -> i32 {
    match W::SIGNED || vnni && W::RAISED {
        true => 128,
        false => W::OFFSET,
    }
}

/// Without [`Simd::VNNI`]: how many products of unsigned codes up to `top` with activations, two of them each, can be added up in 16
/// bits, rounded down to a power of two; but one at least, see [`tightness`].
pub const fn run_of(top: u8, group: usize) -> usize {
    let (fit, mut run) = (i16::MAX as usize / (2 * 127 * top as usize), 1);
    while 2 * run <= fit && 2 * run <= group / 4 && run < 8 {
        run *= 2;
    }
    run
}

/// Without [`Simd::VNNI`], products of unsigned codes and activations are added up in pairs as 16-bit numbers. Where codes are so large that
/// these could overflow, activations get a somewhat larger scale, as if the sum of two neighbours times this were one more of their values. So
/// they lose a fifth of a bit or a third; and a product takes three instructions, where it is four with signs that go over from codes to
/// activations. 0 if there is no need; no matter with [`Simd::VNNI`].
pub const fn tightness(top: u8) -> f32 {
    // What two activations may add up to; each is rounded up by a half at most.
    let most = i16::MAX as usize / top as usize;
    match most >= 2 * 127 {
        true => 0.0,
        false => 127.0 / (most - 1) as f32,
    }
}

/// Whether pairs of groups of 16 get one scale where activations are many: the codes of one with the smaller scale are rounded anew, to
/// eight bits. Where there are no dot products of unsigned bytes, codes so small that some products add up as 16-bit numbers are multiplied
/// faster as they are.
pub const fn shares<W: Weights>(vnni: bool) -> bool {
    let small = run_of(W::TOP, W::GROUP) > 1;
    W::UP > 0 && (vnni || !small)
}

/// Scales and mins for codes that have [`bias`] added: where there are mins, they take it off again. If `rounded`, scales have
/// no more than 22 significant bits, so that they are exact when multiplied with [`EVEN`]; f16 values times integers are so.
///
/// # Safety
/// As [`Weights::scales`].
#[inline(always)]
unsafe fn scales<S: Simd, W: Weights>(
    s: S,
    row: *const u8,
    chunk: *const u8,
    rounded: bool,
) -> Scales<S> {
    // SAFETY: the caller's promise.
    let mut x = unsafe { W::scales(s, row, chunk) };
    if rounded {
        for v in 0..2 {
            x.scale[v] = rounded_22(s, x.scale[v]);
        }
    }
    let bias = bias::<W>(S::VNNI);
    if W::MIN && bias != 0 {
        for v in 0..2 {
            x.min[v] = s.fnma(s.splat(bias as f32), x.scale[v], x.min[v]);
        }
    }
    x
}

/// To 22 significant bits.
#[inline(always)]
fn rounded_22<S: Simd>(s: S, x: S::F) -> S::F {
    let bits = s.add_i32(s.cast_i(x), s.splat_i32(2));
    s.cast_f(s.and(bits, s.splat_i32(!3)))
}

/// The codes of a chunk as the dot product wants them, for pairs of groups that share a scale (see [`shares`]), and these eight scales.
///
/// # Safety
/// As [`Weights::scales`].
#[inline(always)]
unsafe fn shared<S: Simd, W: Weights>(s: S, row: *const u8, chunk: *const u8) -> ([S::I; 8], S::F) {
    // SAFETY: the caller's promise.
    let (mut codes, x) = unsafe { (W::chunk(s, chunk), W::scales(s, row, chunk)) };
    let last = 16 / S::N - 1;
    // Per group of 16, spread over its codes: what is added to them, and the fraction that is left of them.
    let (mut more, mut by) = ([s.zero(); 2], [s.zero(); 2]);
    for v in 0..=last {
        let size = s.abs(x.scale[v]);
        let top = s.max(size, s.swap_neighbours(size));
        let share = s.div(x.scale[v], s.max(top, s.splat(f32::MIN_POSITIVE)));
        let share = s.to_i32(s.mul(share, s.splat(32767.0)));
        let twice = s.or(s.and(share, s.splat_i32(0xffff)), s.shl_i32::<16>(share));
        by[v] = s.cast_f(twice);
        if W::MIN {
            let shift = s.and(s.to_i32(s.div(x.min[v], x.scale[v])), s.splat_i32(0xff));
            let twice = s.or(shift, s.shl_i32::<8>(shift));
            more[v] = s.cast_f(s.or(twice, s.shl_i32::<16>(twice)));
        }
    }
    let flip = s.splat_i8(-128);
    for i in 0..CHUNK / (4 * S::N) {
        let mut plain = codes[i];
        if !W::SIGNED {
            plain = s.sub_i8(plain, s.splat_i8(bias::<W>(S::VNNI) as i8));
        }
        if W::MIN {
            plain = s.add_i8(plain, s.cast_i(s.spread::<4>(more, i)));
        }
        let plain = s.scale_i8(plain, W::UP, s.cast_i(s.spread::<4>(by, i)));
        codes[i] = s.xor(plain, flip);
    }
    let size = [s.abs(x.scale[0]), s.abs(x.scale[last])];
    let (even, odd) = s.unzip_i32(s.cast_i(size[0]), s.cast_i(size[1]));
    let top = s.max(s.cast_f(even), s.cast_f(odd));
    (
        codes,
        rounded_22(s, s.mul(top, s.splat(1.0 / f32::from(W::UP)))),
    )
}

/// Codes as the dot product wants them.
#[inline(always)]
pub fn biased<S: Simd, W: Weights>(s: S, codes: S::I) -> S::I {
    if W::SIGNED {
        s.xor(codes, s.splat_i8(-128))
    } else {
        codes
    }
}

/// Values per step of a panel and a column block with groups of so many: 32, or [`WIDE`].
pub const fn step(group: usize) -> usize {
    if group > 32 { group } else { 32 }
}

/// Bytes per step of a panel.
pub const fn panel_step(n: usize, group: usize, min: bool) -> usize {
    let groups = step(group) / group;
    n * (step(group) + 4 * groups * if min { 2 } else { 1 })
}

/// Bytes per step of a column block.
pub const fn block_step(cols: usize, group: usize) -> usize {
    cols * (step(group) + 4 + 4 * (step(group) / group))
}

/// Values per group of types that are [`Weights::WIDE`], in panels and blocks.
pub const WIDE: usize = 128;

/// Columns of a whole block of codes. The dot products of two panels and eight columns, and most of their sums, are in 32 registers; a few sums
/// wait in memory.
pub const fn cols(n: usize, vnni: bool) -> usize {
    if n == 16 && vnni { 8 } else { 6 }
}

/// Columns of a block that has `thirds` of the columns of a whole one, or a little more: of 8 columns 4 and 6. (3 take as long as 4: each sum
/// waits for its last dot product.)
pub const fn part(cols: usize, thirds: usize) -> usize {
    (cols * thirds).div_ceil(3).next_multiple_of(2)
}

/// Panels of `n` rows that are multiplied with a block at once: with 32 registers there is room for the sums of two, and each load of
/// activations serves both.
pub const fn panels(n: usize, group: usize) -> usize {
    if n == 16 || group > 32 { 2 } else { 1 }
}
