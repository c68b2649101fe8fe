//! The kernels on floats: for f32, f16 and bf16 weights, and for types that have no [`Weights`](super::weights::Weights) and are
//! decoded to f32 first. Sums are kept over [`SPAN`] values at a time, so that long rows lose no more than short ones.
//!
//! * *Panel*: `N` rows; per value a vector (lane `r`: row `r`). Rows are filled up with zeros to a multiple of 8 values.
//! * *Column block*: up to `3 N / 4` columns; per value each column's. Filled up alike.

// Loops over columns index several arrays; iterators would hide that and are closures, which lose the vector instructions.
#![allow(clippy::needless_range_loop)]

use std::marker::PhantomData;

use super::kernels::{GemmArgs, GemvArgs, MAX_COLS, MAX_PANELS, UnpackArgs, ask_ahead};
use crate::simd::{Element, Kernel, Simd, fetches_in_two_steps};

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
        // Several columns are loaded once for two rows. Of one, rows take longer to come than to multiply.
        let step = if C > 1 { 2 } else { 1 };
        for r in (0..a.n_rows).step_by(step) {
            // SAFETY: the rows are inside the matrix.
            unsafe {
                match (C, S::N) {
                    (1, _) => Self::rows::<S, 1, 4>(s, &a, [r]),
                    (2, 16) => Self::rows::<S, 2, 4>(s, &a, a.pair(r)),
                    (2, _) | (3..=4, 16) => Self::rows::<S, 2, 2>(s, &a, a.pair(r)),
                    _ => Self::rows::<S, 2, 1>(s, &a, a.pair(r)),
                }
            }
        }
    }
}

impl<T: Element, const C: usize> Gemv<T, C> {
    /// Multiplies rows with the columns, each with `U` sums that don't wait for each other.
    ///
    /// # Safety
    /// As for [`Gemv::run`], with the rows inside the matrix.
    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize, const U: usize>(s: S, a: &GemvArgs, r: [usize; R]) {
        let two_steps = fetches_in_two_steps();
        // SAFETY: the caller's promise.
        unsafe {
            let mut rows = [a.rows.cast::<T>(); R];
            for i in 0..R {
                rows[i] = a.rows.add(a.stride * r[i]).cast::<T>();
            }
            let columns = a.cols.cast::<f32>();
            let column = a.col_stride / 4;
            let mut sum = [[[s.zero(); U]; C]; R];
            let mut k = 0;
            while k + 4 * S::N <= a.k {
                for i in 0..R {
                    ask_ahead(rows[i].add(k).cast(), 4 * S::N * size_of::<T>(), two_steps);
                }
                for u in 0..4 {
                    let k = k + u * S::N;
                    let mut w = [s.zero(); R];
                    for i in 0..R {
                        w[i] = T::load(s, rows[i].add(k), S::N);
                    }
                    for c in 0..C {
                        let x = s.load(columns.add(c * column + k));
                        for i in 0..R {
                            sum[i][c][u % U] = s.fma(w[i], x, sum[i][c][u % U]);
                        }
                    }
                }
                k += 4 * S::N;
            }
            while k < a.k {
                for i in 0..R {
                    let w = T::load(s, rows[i].add(k), a.k - k);
                    for c in 0..C {
                        let x = s.load_part(columns.add(c * column + k), a.k - k);
                        sum[i][c][0] = s.fma(w, x, sum[i][c][0]);
                    }
                }
                k += S::N;
            }
            for i in 0..R {
                for c in 0..C {
                    let mut total = sum[i][c];
                    let mut n = U;
                    while n > 1 {
                        n /= 2;
                        for u in 0..n {
                            total[u] = s.add(total[u], total[u + n]);
                        }
                    }
                    a.dst.add(c).read().add(r[i]).write(s.sum(total[0]));
                }
            }
        }
    }
}
