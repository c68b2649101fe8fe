//! Products of bf16 by AMX, for types that are decoded to codes, for bf16 and for f16. A core begins one product of two tiles in 16 cycles; that is
//! four times what its dot products of bytes do meanwhile, and sums stay where they are. (Tiles of bytes are twice as fast, but their sums
//! must be taken out and scaled 32 values after 32: no gain.) Weights are rounded to bf16 with their scales, activations too: to 8
//! significant bits each, where codes of activations have no more than that for the largest of 32 values.
//!
//! Weights of f16 are sums of two bf16, and activations are then rounded to such sums: 16 bits, for three products instead of one.
//!
//! Per [`STEP`] values:
//!
//! * *Panel*: a tile, 16 rows; per pair of values a vector (lane `r`: the pair of row `r`).
//! * *Column block*: one tile or two, 16 columns each: per column its 32 values.
//!
//! Of two `PARTS`, the tile of the second follows that of the first.

// Loops over vectors index several arrays, see `float`.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::float::PackArgs;
use super::kernels::{Aligned, GemmArgs, MAX_PANELS, UnpackArgs, words_to_lanes};
use super::weights::Weights;
use crate::simd::amx::{self, Out, Sums};
use crate::simd::{Element, Kernel, Level, Simd};

/// Columns of a whole block.
pub const COLS: usize = 32;
/// Columns, and rows, of a tile.
pub const LANES: usize = 16;
/// Values of a row or column in a tile.
pub const STEP: usize = 32;
/// Values of a tile, and their bytes.
const TILE: usize = LANES * STEP;
pub const BYTES: usize = TILE * size_of::<half::bf16>();
/// Values of a row that are multiplied at a time, so that panels can have many rows and stay in the second-level cache: each column is
/// read, from a cache further away, once for all of them. A multiple of [`CHUNK`](super::weights::CHUNK).
pub const DEPTH: usize = 2048;

/// Whether rows of `k` weights are multiplied so.
pub fn suit(level: Level, k: usize) -> bool {
    level == Level::Amx && k.is_multiple_of(STEP)
}

/// Stores [`STEP`] values as one bf16 each or, in the tile behind, a second one of what the first leaves.
///
/// # Safety
/// `src` points to the values, `dst` to a row of the first of `PARTS` tiles; the CPU has AVX512-BF16.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn store<T: Element, const PARTS: usize>(
    s: crate::simd::Zmm<true>,
    src: *const T,
    dst: *mut half::bf16,
) {
    use std::arch::x86_64::*;

    // SAFETY: the caller's promise; both vectors are of 16 values, and bf16 of both are as many bytes as one of them.
    unsafe {
        let mut x = [T::load(s, src, STEP), T::load(s, src.add(LANES), STEP)];
        if PARTS == 2 {
            let mut first = x;
            for i in 0..2 {
                // The upper half of a float, rounded, is a bf16.
                let up = _mm512_add_epi32(_mm512_castps_si512(x[i]), _mm512_set1_epi32(0x8000));
                first[i] = _mm512_castsi512_ps(_mm512_and_si512(up, _mm512_set1_epi32(!0xffff)));
                x[i] = _mm512_sub_ps(x[i], first[i]);
            }
            let first = _mm512_cvtne2ps_pbh(first[1], first[0]);
            dst.cast::<__m512bh>().write_unaligned(first);
        }
        let last = _mm512_cvtne2ps_pbh(x[1], x[0]);
        let dst = dst.add((PARTS - 1) * TILE);
        dst.cast::<__m512bh>().write_unaligned(last);
    }
}

/// Brings one column into a block of `cols` columns.
///
/// # Safety
/// The CPU has [`Level::Amx`]; `k` is a multiple of [`STEP`], and the block has room for it.
#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512bf16"
)]
pub unsafe fn pack<T: Element, const PARTS: usize>(a: PackArgs) {
    let (tile, row) = (a.col / LANES, a.col % LANES);
    // SAFETY: the caller's promise.
    unsafe {
        let s = crate::simd::Zmm::<true>::new();
        for at in (0..a.k).step_by(STEP) {
            let dst = a.dst.cast::<half::bf16>().add(PARTS * a.cols * at);
            let dst = dst.add(PARTS * TILE * tile + STEP * row);
            store::<T, PARTS>(s, a.src.cast::<T>().add(at), dst);
        }
    }
}

/// Brings rows of floats into a panel of two parts.
///
/// # Safety
/// The CPU has [`Level::Amx`]; the pointers are as the fields say, `k` is a multiple of [`STEP`].
#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512bf16"
)]
pub unsafe fn unpack_floats<T: Element>(a: UnpackArgs) {
    let mut rows = Aligned([half::bf16::ZERO; 2 * TILE]);
    // SAFETY: the rows are inside the matrix; the panel has room for all values, two bf16 each.
    unsafe {
        let s = crate::simd::Zmm::<true>::new();
        let mut out = a.panel;
        for at in (0..a.k).step_by(STEP) {
            for r in 0..LANES {
                let row = a.rows.add(a.stride * r.min(a.n_rows - 1)).cast::<T>();
                store::<T, 2>(s, row.add(at), rows.0.as_mut_ptr().add(STEP * r));
            }
            for part in 0..2 {
                let from = rows.0.as_ptr().add(TILE * part).cast::<u8>();
                for half in 0..2 {
                    words_to_lanes(s, from.add(STEP * half), 2 * STEP, out);
                    out = out.add(BYTES / 2);
                }
            }
        }
    }
}

/// Unpacks some values of rows of a type to a panel; the first is a multiple of [`DEPTH`].
///
/// # Safety
/// The CPU has [`Level::Amx`]; the pointers are as the fields say.
#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512bf16"
)]
pub unsafe fn unpack<W: Weights>(a: UnpackArgs, values: Range<usize>) {
    use super::kernels::MAX_TAIL;
    use super::weights::CHUNK;

    // SAFETY: the caller's promise.
    let s = unsafe { crate::simd::Zmm::<true>::new() };
    let mut rows = Aligned([[half::bf16::ZERO; CHUNK]; LANES]);
    let mut tail = [0; MAX_TAIL];
    let mut out = a.panel;
    let chunks = values.start / CHUNK..values.end.div_ceil(CHUNK);
    for chunk in chunks.clone() {
        let first = CHUNK * chunk;
        let pairs = CHUNK.min(values.end - first) / 2;
        // SAFETY: the rows are inside the matrix; the panel has room for all of these values.
        unsafe {
            for r in 0..LANES {
                ask::<W>(&a, r, chunk, &chunks);
                let (row, at) = a.chunk::<W>(r, chunk, &mut tail);
                decode::<W>(s, row, at, rows.0[r].as_mut_ptr());
            }
            for i in (0..pairs).step_by(8) {
                let from = rows.0.as_ptr().cast::<u8>().add(4 * i);
                words_to_lanes(s, from, 2 * CHUNK, out.add(4 * LANES * i));
            }
            out = out.add(4 * LANES * pairs);
        }
    }
}

/// Asks for the chunk of row `r` that is two further than `chunk` of those that are unpacked or, behind the last, for one of the row at its
/// place in the panel that follows. So many rows side by side are more than the CPU foresees.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn ask<W: Weights>(a: &UnpackArgs, r: usize, chunk: usize, chunks: &Range<usize>) {
    use super::weights::CHUNK;
    use crate::simd::{Cache, prefetch};

    let (mut row, mut chunk) = (r, chunk + 2);
    if chunk >= chunks.end {
        (row, chunk) = (r + LANES, chunks.start + chunk - chunks.end);
    }
    let bytes = CHUNK / W::BLOCK * W::BYTES;
    prefetch(a.place::<W>(row, chunk), bytes, Cache::First);
}

/// The values of a chunk.
///
/// # Safety
/// As for [`Weights::scales`]; the CPU has AVX512-BF16.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn decode<W: Weights>(
    s: crate::simd::Zmm<true>,
    row: *const u8,
    chunk: *const u8,
    out: *mut half::bf16,
) {
    use std::arch::x86_64::*;

    use super::kernels::{bias, biased};

    // SAFETY: the caller's promise.
    let (codes, x) = unsafe { (W::chunk(s, chunk), W::scales(s, row, chunk)) };
    // value = scale · (code - bias) + min
    let bias = s.splat(bias::<W>(true) as f32);
    let min = if W::MIN { x.min[0] } else { s.zero() };
    let (mut scale, mut less) = ([0f32; 16], [0f32; 16]);
    // SAFETY: arrays of 16 values; 32 values of two bytes are a vector, and there are eight times as many.
    unsafe {
        s.store(scale.as_mut_ptr(), x.scale[0]);
        s.store(less.as_mut_ptr(), s.fnma(bias, x.scale[0], min));
        let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        for v in 0..4 {
            let codes = biased::<_, W>(s, codes[v]);
            let mut x = [s.zero(); 4];
            for q in 0..4 {
                let place = _mm512_add_epi32(lanes, _mm512_set1_epi32(16 * q as i32));
                let code = _mm512_maskz_permutexvar_epi8(0x1111_1111_1111_1111, place, codes);
                let group = (64 * v + 16 * q) / W::GROUP;
                let [scale, less] = [_mm512_set1_ps(scale[group]), _mm512_set1_ps(less[group])];
                x[q] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(code), scale, less);
            }
            for h in 0..2 {
                let both = _mm512_cvtne2ps_pbh(x[2 * h + 1], x[2 * h]);
                let out = out.add(64 * v + STEP * h);
                out.cast::<__m512bh>().write_unaligned(both);
            }
        }
    }
}

/// No other CPU [`suit`]s.
#[cfg(not(target_arch = "x86_64"))]
mod none {
    use super::*;

    pub unsafe fn pack<T: Element, const PARTS: usize>(_: PackArgs) {}
    pub unsafe fn unpack_floats<T: Element>(_: UnpackArgs) {}
    pub unsafe fn unpack<W: Weights>(_: UnpackArgs, _: Range<usize>) {}
}
#[cfg(not(target_arch = "x86_64"))]
pub use none::*;

#[derive(Clone, Copy)]
pub struct PieceArgs {
    /// Panels, block and `k` are of some values of rows.
    pub piece: GemmArgs,
    /// Whether sums are added to those that are there, of values before.
    pub add: bool,
}

/// One panel or two times a column block of one tile or two.
pub struct Gemm<const PARTS: usize>;

impl<const PARTS: usize> Kernel for Gemm<PARTS> {
    type Args = PieceArgs;

    /// [`Tiles`](crate::simd::amx::Tiles) live on this thread. Panels and block are filled for such a block and `k` values, a multiple of
    /// [`STEP`]; `dst` has `n_cols` pointers, each to `n_rows` values.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, PieceArgs { piece: a, add }: PieceArgs) {
        let blocks = a.n_cols.div_ceil(LANES);
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(stride) = stride(&a) {
                let mut tiles = [a.dst.read(); 4];
                for (i, tile) in tiles[..2 * blocks].iter_mut().enumerate() {
                    let (p, q) = (i / blocks, i % blocks);
                    *tile = a.dst.add(LANES * q).read().wrapping_add(LANES * p);
                }
                return Self::products(&a, &Out { tiles, stride, add });
            }
            let mut sums = [const { Sums([[0.0; LANES]; LANES]) }; 4];
            if add {
                move_sums::<S, false>(s, &a, &mut sums);
            }
            let mut tiles = [std::ptr::null_mut(); 4];
            for (tile, sums) in tiles.iter_mut().zip(&mut sums) {
                *tile = sums.0.as_mut_ptr().cast();
            }
            let stride = 4 * LANES;
            Self::products(&a, &Out { tiles, stride, add });
            move_sums::<S, true>(s, &a, &mut sums);
        }
    }
}

impl<const PARTS: usize> Gemm<PARTS> {
    /// # Safety
    /// As for [`Gemm::run`]; all tiles of `out` that belong to the panels and the block are writable.
    #[inline(always)]
    unsafe fn products(a: &GemmArgs, out: &Out) {
        let (steps, panels) = (a.k / STEP, a.panels(LANES));
        // SAFETY: the caller's promise.
        unsafe {
            match a.n_cols.div_ceil(LANES) {
                1 => amx::products::<1, PARTS>(steps, a.block, panels, out),
                _ => amx::products::<2, PARTS>(steps, a.block, panels, out),
            }
        }
    }
}

/// How many bytes results of columns lie apart, if all are whole tiles and lie evenly: tiles are then stored where they belong.
///
/// # Safety
/// `dst` has `n_cols` pointers.
#[inline(always)]
unsafe fn stride(a: &GemmArgs) -> Option<usize> {
    if a.n_rows != MAX_PANELS * LANES || !a.n_cols.is_multiple_of(LANES) {
        return None;
    }
    // SAFETY: the caller's promise.
    let dst = unsafe { std::slice::from_raw_parts(a.dst, a.n_cols) };
    let stride = dst[1].addr().wrapping_sub(dst[0].addr());
    let even = |pair: &[*mut f32]| pair[1].addr().wrapping_sub(pair[0].addr()) == stride;
    dst.windows(2).all(even).then_some(stride)
}

/// Brings sums to where the results belong or, if not `OUT`, from there.
///
/// # Safety
/// `dst` has `n_cols` pointers, each to `n_rows` values; `sums` are those of two panels, one after the other.
#[inline(always)]
unsafe fn move_sums<S: Simd, const OUT: bool>(s: S, a: &GemmArgs, sums: &mut [Sums; 4]) {
    let blocks = a.n_cols.div_ceil(LANES);
    for r in (0..a.n_rows).step_by(S::N) {
        for c in 0..a.n_cols {
            let tile = &mut sums[blocks * (r / LANES) + c / LANES];
            // SAFETY: the caller's promise; a tile has whole vectors.
            unsafe {
                let sum = tile.0[c % LANES].as_mut_ptr().add(r % LANES);
                let dst = a.dst.add(c).read().add(r);
                match OUT {
                    true => s.store_part(dst, s.load(sum), a.n_rows - r),
                    false => s.store(sum, s.load_part(dst, a.n_rows - r)),
                }
            }
        }
    }
}
