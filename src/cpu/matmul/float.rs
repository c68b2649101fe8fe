//! The kernels on floats: for f32, f16 and bf16 weights, and for types that have no [`Weights`](super::weights::Weights) and are
//! decoded to f32 first. Sums are kept over [`SPAN`] values at a time, so that long rows lose no more than short ones.
//!
//! * *Panel*: `N` rows; per value a vector (lane `r`: row `r`). Rows are filled up with zeros to a multiple of 8 values.
//! * *Column block*: up to `3 N / 4` columns; per value each column's. Filled up alike.

// Loops over columns index several arrays; iterators would hide that and are closures, which lose the vector instructions.
#![allow(clippy::needless_range_loop)]

use std::marker::PhantomData;

use super::kernels::{GemmArgs, GemvArgs, MAX_COLS, MAX_PANELS, UnpackArgs, ask_ahead};
use crate::simd::{Cache, Element, Kernel, Simd, fetches_in_two_steps, prefetch};

/// Values that are summed up before they are added to the total.
const SPAN: usize = 256;

/// Length of a row in panels and blocks.
pub const fn padded(k: usize) -> usize {
    k.next_multiple_of(8)
}

#[derive(Clone, Copy)]
pub struct PackArgs {
    /// One column of `k` values of the kernel's type.
    pub src: *const u8,
    pub k: usize,
    /// Columns of the block; 1 leaves values as neighbours.
    pub cols: usize,
    pub col: usize,
    pub dst: *mut f32,
}

/// Brings one column into a block; with `PAIRS` as pairs of bf16, for [`pairs`](super::pairs).
pub struct Pack<T, const PAIRS: bool>(PhantomData<T>);

impl<T: Element, const PAIRS: bool> Kernel for Pack<T, PAIRS> {
    type Args = PackArgs;

    /// The pointers are as the fields say; the block has room for `padded(k)` values (or `padded(k / 2)` pairs) per column.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: PackArgs) {
        let src = a.src.cast::<T>();
        // Values per word.
        let per = if PAIRS { 2 } else { 1 };
        let words = padded(a.k / per);
        let mut buf = [0f32; 16];
        let mut i = 0;
        while i < words {
            // SAFETY: the caller's promise.
            unsafe {
                let at = i * per;
                let values = T::load(s, src.add(at.min(a.k)), a.k.saturating_sub(at));
                if PAIRS {
                    s.store_bf16(buf.as_mut_ptr().cast(), values);
                } else {
                    s.store(buf.as_mut_ptr(), values);
                }
                for j in 0..(S::N / per).min(words - i) {
                    a.dst.add((i + j) * a.cols + a.col).write(buf[j]);
                }
            }
            i += S::N / per;
        }
    }
}

/// Brings rows into a panel.
pub struct Unpack<T>(PhantomData<T>);

impl<T: Element> Kernel for Unpack<T> {
    type Args = UnpackArgs;

    /// The pointers are as the fields say; the panel has room for `padded(k)` vectors.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: UnpackArgs) {
        let h = s.half();
        let panel = a.panel.cast::<f32>();
        for k in (0..a.k).step_by(8) {
            // A line of each of the next panel's rows.
            if k.is_multiple_of(64 / size_of::<T>()) {
                for r in S::N..2 * S::N {
                    let next = a.rows.wrapping_add(a.stride * r + k * size_of::<T>());
                    prefetch(next, 1, Cache::Second);
                }
            }
            let mut m = [s.splat_i32(0); 8];
            for r in 0..8 {
                // SAFETY: rows are inside the matrix, and no more than `k` values of them are read; the panel has room.
                unsafe {
                    let row = |r: usize| a.rows.add(a.stride * r.min(a.n_rows - 1)).cast::<T>();
                    let lo = T::load(h, row(r).add(k), a.k - k);
                    let hi = T::load(h, row((r + 8) % S::N).add(k), a.k - k);
                    m[r] = s.join(h.cast_i(lo), h.cast_i(hi));
                }
            }
            for (j, v) in s.transpose8(m).into_iter().enumerate() {
                // SAFETY: the panel has room for `padded(k)` vectors.
                unsafe { s.store_int(panel.add((k + j) * S::N).cast(), v) };
            }
        }
    }
}

/// Two panels times a column block of `U N / 4` columns.
pub struct Gemm<const U: usize>;

impl<const U: usize> Kernel for Gemm<U> {
    type Args = GemmArgs;

    /// Panels and block are of `padded(k)` values; `dst` has `n_cols` pointers, each to `n_rows` values.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: GemmArgs) {
        let cols = U * S::N / 4;
        let (mut w, mut b) = (a.panels(S::N), a.block.cast::<f32>());
        let none = [[s.zero(); MAX_COLS]; MAX_PANELS];
        let (mut total, mut acc) = (none, none);
        let mut left = padded(a.k);
        while left > 0 {
            let span = left.min(SPAN);
            for _ in 0..span {
                // SAFETY: inside the panels and the block.
                unsafe {
                    let x = w.map(|w| s.load(w.cast()));
                    for c in 0..cols {
                        let y = s.splat(b.add(c).read());
                        for p in 0..MAX_PANELS {
                            acc[p][c] = s.fma(x[p], y, acc[p][c]);
                        }
                    }
                    w = w.map(|w| w.add(4 * S::N));
                    b = b.add(cols);
                }
            }
            for p in 0..MAX_PANELS {
                for c in 0..cols {
                    total[p][c] = s.add(total[p][c], acc[p][c]);
                    acc[p][c] = s.zero();
                }
            }
            left -= span;
        }
        // SAFETY: the caller's promise.
        unsafe { a.store(s, cols, &total) };
    }
}

/// Rows times `C` columns of f32.
pub struct Gemv<T, const C: usize>(PhantomData<T>);

impl<T: Element, const C: usize> Kernel for Gemv<T, C> {
    type Args = GemvArgs;

    /// The pointers are as the fields say, columns are `k` values of f32; `dst` has `C` pointers, each to `n_rows` values.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: GemvArgs) {
        let two_steps = fetches_in_two_steps();
        for r in 0..a.n_rows {
            // SAFETY: the caller's promise.
            unsafe {
                let row = a.rows.add(a.stride * r).cast::<T>();
                let mut sum = [[s.zero(); 4]; C];
                let mut k = 0;
                while k + 4 * S::N <= a.k {
                    let line = row.add(k).cast::<u8>();
                    ask_ahead(line, 4 * S::N * size_of::<T>(), two_steps);
                    for u in 0..4 {
                        let w = T::load(s, row.add(k + u * S::N), S::N);
                        for c in 0..C {
                            let x = a.cols.add(c * a.col_stride).cast::<f32>();
                            sum[c][u] = s.fma(w, s.load(x.add(k + u * S::N)), sum[c][u]);
                        }
                    }
                    k += 4 * S::N;
                }
                while k < a.k {
                    let w = T::load(s, row.add(k), a.k - k);
                    for c in 0..C {
                        let x = a.cols.add(c * a.col_stride).cast::<f32>();
                        sum[c][0] = s.fma(w, s.load_part(x.add(k), a.k - k), sum[c][0]);
                    }
                    k += S::N;
                }
                for c in 0..C {
                    let [p, q, x, y] = sum[c];
                    let total = s.sum(s.add(s.add(p, q), s.add(x, y)));
                    a.dst.add(c).read().add(r).write(total);
                }
            }
        }
    }
}
