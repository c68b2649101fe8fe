//! Quantizing activations.

use super::{CHUNK, EVEN, NATURAL, block_step};
use crate::simd::{Kernel, Simd};

#[derive(Clone, Copy)]
pub struct QuantizeArgs {
    /// One column.
    pub src: *const f32,
    /// Values, a multiple of 32.
    pub k: usize,
    /// 0 for the natural layout, else columns of the block.
    pub cols: usize,
    /// The column's place in the block.
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

/// Quantizes one column of activations to codes of -127..=127 with a scale per 32 values, or per group in blocks of wide ones.
pub struct Quantize;

impl Kernel for Quantize {
    type Args = QuantizeArgs;

    /// `src` points to `k` values, `dst` to a block (or natural column) that has room for them.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: QuantizeArgs) {
        if a.group > 32 && a.cols > 0 {
            // SAFETY: the caller's promise.
            return unsafe { quantize_wide(s, a) };
        }
        let groups = 32 / a.group.min(32);
        let (whole, skip) = last_chunk(a.k);
        for kb in 0..a.k / 32 {
            // SAFETY: the caller's promise; see the module for the layouts.
            unsafe {
                let src = a.src.add(32 * kb);
                if a.cols == 0 {
                    let chunk = a.dst.add(kb / 8 * NATURAL);
                    let b = kb % 8 + if kb / 8 == whole { skip } else { 0 };
                    let to = chunk.add(32 * b).cast();
                    let (scale, sums) = quantize_block(s, src, a.tight, to, 1);
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
                } else {
                    let block = a.dst.add(kb * block_step(a.cols, a.group));
                    let to = block.cast::<u32>().add(a.col);
                    let (scale, sums) = quantize_block(s, src, a.tight, to, a.cols);
                    let scales = block.add(32 * a.cols).cast::<f32>().add(a.col);
                    scales.write(scale);
                    let sums = if groups == 1 {
                        [sums[0] + sums[1], 0]
                    } else {
                        sums
                    };
                    for g in 0..groups {
                        let at = scales.add((1 + g) * a.cols);
                        if a.min {
                            at.write(scale * sums[g] as f32);
                        } else {
                            at.cast::<i32>()
                                .write(EVEN.to_bits() as i32 - a.bias * sums[g]);
                        }
                    }
                }
            }
        }
        if a.cols == 0 {
            // SAFETY: the caller's promise.
            unsafe { clear_unused(a.dst, a.k, groups) };
        }
    }
}

/// Quantizes a column for a block with groups of more than 32 values.
///
/// # Safety
/// As for [`Quantize`].
#[inline(always)]
unsafe fn quantize_wide<S: Simd>(s: S, a: QuantizeArgs) {
    for g in 0..a.k.div_ceil(a.group) {
        let n = a.group.min(a.k - g * a.group);
        // SAFETY: the caller's promise; see the module for the layout.
        unsafe {
            let src = a.src.add(g * a.group);
            let block = a.dst.add(g * block_step(a.cols, a.group));
            let codes = block.cast::<u32>().add(a.col);
            let mut top = s.zero();
            for i in (0..n).step_by(S::N) {
                top = s.max(top, largest(s, s.load(src.add(i)), a.tight));
            }
            let top = s.max_of(top);
            let inverse = s.splat(if top > 0.0 { 127.0 / top } else { 0.0 });
            let mut sum = s.splat_i32(0);
            for i in (0..n).step_by(S::N) {
                let q = s.to_i32(s.mul(s.load(src.add(i)), inverse));
                sum = s.add_i32(sum, q);
                store_codes(s, q, codes.add(i / 4 * a.cols), a.cols);
            }
            for word in n / 4..a.group / 4 {
                codes.add(word * a.cols).write(0);
            }
            let scales = block.add(a.group * a.cols).cast::<f32>().add(a.col);
            scales.write(top / 127.0);
            let sum = EVEN.to_bits() as i32 - a.bias * s.sum_i32(sum);
            scales.add(a.cols).cast::<i32>().write(sum);
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

/// Writes codes, four to a word, of which there is one every so many words.
///
/// # Safety
/// `dst` points to the first of these words.
#[inline(always)]
unsafe fn store_codes<S: Simd>(s: S, codes: S::I, dst: *mut u32, every: usize) {
    let mut words = [0; 4];
    // SAFETY: there are 16 codes at most; the rest is the caller's promise.
    unsafe {
        s.store_i8(words.as_mut_ptr().cast(), codes);
        for (i, word) in words[..S::N / 4].iter().enumerate() {
            dst.add(i * every).write(*word);
        }
    }
}

/// Quantizes 32 values, see [`tightness`]; returns their scale and the sums of the first and last 16 codes.
///
/// # Safety
/// `src` points to 32 values, `dst` to the first of 8 words of four codes, one every so many words.
#[inline(always)]
unsafe fn quantize_block<S: Simd>(
    s: S,
    src: *const f32,
    tight: f32,
    dst: *mut u32,
    every: usize,
) -> (f32, [i32; 2]) {
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
        unsafe { store_codes(s, q, dst.add(i * S::N / 4 * every), every) };
    }
    (top / 127.0, sums)
}
