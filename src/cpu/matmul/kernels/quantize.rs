//! Quantizing activations.

use super::{Aligned, CHUNK, EVEN, MAX_ROWS, NATURAL, block_step, step};
use crate::simd::{Cache, Kernel, Simd, prefetch};

#[derive(Clone, Copy)]
pub struct QuantizeArgs {
    /// One column.
    pub src: *const f32,
    /// Values, a multiple of 32.
    pub k: usize,
    pub dst: *mut u8,
    /// Values per sum, 16 or 32.
    pub group: usize,
    /// See [`tightness`].
    pub tight: f32,
}

/// Quantizes one column of activations, in natural layout, to codes of -127..=127 with a scale per 32 values.
pub struct Quantize;

impl Kernel for Quantize {
    type Args = QuantizeArgs;

    /// `src` points to `k` values, `dst` to a natural column that has room for them.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: QuantizeArgs) {
        let groups = 32 / a.group;
        let (whole, skip) = last_chunk(a.k);
        for kb in 0..a.k / 32 {
            // SAFETY: the caller's promise; see the module for the layout.
            unsafe {
                let chunk = a.dst.add(kb / 8 * NATURAL);
                let b = kb % 8 + if kb / 8 == whole { skip } else { 0 };
                let to = chunk.add(32 * b).cast();
                let (scale, sums) = quantize_32(s, a.src.add(32 * kb), a.tight, to);
                let scales = chunk.add(CHUNK).cast::<f32>();
                if groups == 1 {
                    scales.add(b).write(scale);
                    scales.add(16 + b).write(scale * (sums[0] + sums[1]) as f32);
                } else {
                    for g in 0..2 {
                        scales.add(2 * b + g).write(scale);
                        scales.add(16 + 2 * b + g).write(scale * sums[g] as f32);
                    }
                }
            }
        }
        // SAFETY: the caller's promise.
        unsafe { clear_unused(a.dst, a.k, groups) };
    }
}

#[derive(Clone, Copy)]
pub struct QuantizeBlockArgs {
    /// Where each of some columns is.
    pub src: *const *const f32,
    /// How many they are, `1..=N`.
    pub n: usize,
    /// Values, a multiple of 32.
    pub k: usize,
    /// Columns of the block, and the place of the first of these among them.
    pub cols: usize,
    pub col: usize,
    pub dst: *mut u8,
    pub group: usize,
    /// See [`bias`].
    pub bias: i32,
    /// The sums are of values rather than of codes.
    pub min: bool,
    /// See [`tightness`].
    pub tight: f32,
}

/// Quantizes columns of activations for a block, to codes of -127..=127 with a scale per 32 values, or per group if that is more.
pub struct QuantizeBlock;

impl Kernel for QuantizeBlock {
    type Args = QuantizeBlockArgs;

    /// `src` points to `n` pointers to `k` values each, `dst` to a block with room for `cols` columns.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: QuantizeBlockArgs) {
        let step = step(a.group);
        let groups = step / a.group;
        let times = s.splat_i8(if a.min { 1 } else { a.bias as i8 });
        let (mut scale, mut inverse) = (Aligned([0f32; MAX_ROWS]), [0f32; MAX_ROWS]);
        let mut codes = Aligned([[0i8; 32]; MAX_ROWS]);
        for at in (0..a.k).step_by(step) {
            let n = step.min(a.k - at);
            // SAFETY: the caller's promise; see the module for the layout. `N` is no more than `MAX_ROWS`.
            unsafe {
                let block = a.dst.add(at / step * block_step(a.cols, a.group));
                for c in 0..a.n {
                    let src = a.src.add(c).read().add(at);
                    // So many columns side by side are more than a core foresees.
                    prefetch(src.wrapping_add(step).cast(), 4 * step, Cache::First);
                    let mut top = s.zero();
                    for i in (0..n).step_by(S::N) {
                        top = s.max(top, largest(s, s.load(src.add(i)), a.tight));
                    }
                    let top = s.max_of(top);
                    inverse[c] = if top > 0.0 { 127.0 / top } else { 0.0 };
                    scale.0[c] = top / 127.0;
                }
                let mut sums = [s.splat_i32(0); 2];
                for b in 0..step / 32 {
                    for c in 0..a.n {
                        let to = codes.0[c].as_mut_ptr();
                        if 32 * b >= n {
                            to.write_bytes(0, 32);
                            continue;
                        }
                        let src = a.src.add(c).read().add(at + 32 * b);
                        for i in (0..32).step_by(S::N) {
                            let x = s.mul(s.load(src.add(i)), s.splat(inverse[c]));
                            s.store_i8(to.add(i), s.to_i32(x));
                        }
                    }
                    // Four codes of every column, eight times.
                    let words = s.load_transposed(codes.0.as_ptr().cast(), 32);
                    for j in 0..8 {
                        let to = block.cast::<f32>().add((8 * b + j) * a.cols + a.col);
                        s.store_part(to, s.cast_f(words[j]), a.n);
                        sums[j / 4] = s.dot(sums[j / 4], times, words[j]);
                    }
                }
                if groups == 1 {
                    sums[0] = s.add_i32(sums[0], sums[1]);
                }
                let scale = s.load(scale.0.as_ptr());
                let scales = block.add(step * a.cols).cast::<f32>().add(a.col);
                s.store_part(scales, scale, a.n);
                for g in 0..groups {
                    let sum = if a.min {
                        s.mul(scale, s.to_f32(sums[g]))
                    } else {
                        s.cast_f(s.sub_i32(s.splat_i32(EVEN.to_bits() as i32), sums[g]))
                    };
                    s.store_part(scales.add((1 + g) * a.cols), sum, a.n);
                }
            }
        }
    }
}

/// How many chunks are whole, and at which 32 values of the next the rest of a column begins.
#[inline(always)]
fn last_chunk(k: usize) -> (usize, usize) {
    let (whole, rest) = (k / CHUNK, k % CHUNK / 32);
    (whole, if whole > 0 && rest > 0 { 8 - rest } else { 0 })
}

/// Clears what a natural column has no values for: lanes of scales, and a part of the last chunk.
///
/// # Safety
/// `dst` is a natural column of `k` values.
#[inline(always)]
unsafe fn clear_unused(dst: *mut u8, k: usize, groups: usize) {
    let (whole, skip) = last_chunk(k);
    for chunk in 0..k.div_ceil(CHUNK) {
        let (first, n) = if chunk == whole {
            (skip, k % CHUNK / 32)
        } else {
            (0, 8)
        };
        // SAFETY: see the module for the layout.
        unsafe {
            let at = dst.add(chunk * NATURAL);
            at.write_bytes(0, 32 * first);
            at.add(32 * (first + n))
                .write_bytes(0, 32 * (8 - first - n));
            let scales = at.add(CHUNK).cast::<f32>();
            for s in [scales, scales.add(16)] {
                s.write_bytes(0, groups * first);
                let used = groups * (first + n);
                s.add(used).write_bytes(0, 16 - used);
            }
        }
    }
}

/// The sizes of values, each of two neighbours the size of their sum times `tight` if that is larger, see [`tightness`]. (Two of different
/// signs add up to less than one of them.)
#[inline(always)]
fn largest<S: Simd>(s: S, x: S::F, tight: f32) -> S::F {
    let size = s.abs(x);
    if S::VNNI {
        return size;
    }
    let sum = s.abs(s.add(x, s.swap_neighbours(x)));
    s.max(size, s.mul(sum, s.splat(tight)))
}

/// Quantizes 32 values, see [`tightness`]; returns their scale and the sums of the first and last 16 codes.
///
/// # Safety
/// `src` points to 32 values, `dst` to as many codes.
#[inline(always)]
unsafe fn quantize_32<S: Simd>(s: S, src: *const f32, tight: f32, dst: *mut i8) -> (f32, [i32; 2]) {
    let n = 32 / S::N;
    let mut v = [s.zero(); 4];
    let mut top = s.zero();
    for i in 0..n {
        // SAFETY: the caller's promise.
        v[i] = unsafe { s.load(src.add(i * S::N)) };
        top = s.max(top, largest(s, v[i], tight));
    }
    let top = s.max_of(top);
    let inverse = if top > 0.0 { 127.0 / top } else { 0.0 };
    let mut sums = [0; 2];
    for i in 0..n {
        let q = s.to_i32(s.mul(v[i], s.splat(inverse)));
        sums[i * 2 / n] += s.sum_i32(q);
        // SAFETY: the caller's promise.
        unsafe { s.store_i8(dst.add(i * S::N), q) };
    }
    (top / 127.0, sums)
}
