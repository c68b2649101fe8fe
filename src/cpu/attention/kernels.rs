//! Vector kernels of attention: a small matrix product, scores of few queries, a soft-max step, a transposition.

// Indices count registers in arrays and rows in memory alike.
#![allow(clippy::needless_range_loop)]

use half::{bf16, f16};

use crate::cpu::ops::tanh;
use crate::cpu::simd::Simd;
use crate::quant::legacy::Q8_0Block;

/// Keys and values that are worked on at a time. Scores of a query with them are a row of this many floats.
pub const TILE: usize = 64;

/// How scores become weights.
#[derive(Clone, Copy)]
pub struct Softening {
    pub scale: f32,
    /// 0 for none.
    pub softcap: f32,
    /// Factor of the mask.
    pub slope: f32,
    /// The mask of the first query and key, null for none.
    pub mask: *const u8,
    /// Bytes from one query's mask to the next.
    pub mask_stride: usize,
    /// Whether it is made of f16, else f32.
    pub mask_f16: bool,
}

/// The running result of queries: greatest score, sum of weights, weighted sum of values (`dv` floats each).
#[derive(Clone, Copy)]
pub struct State {
    pub max: *mut f32,
    pub sum: *mut f32,
    pub out: *mut f32,
    pub dv: usize,
}

crate::kernels! {
    /// Kernels of attention.
    pub struct Kernels {
        /// `c[m][n] = a[m][k] b[k][n]`, or `+=` if `accumulate`. The last dimension is dense, the strides in floats.
        fn gemm(
            m: usize, n: usize, k: usize, a: *const f32, lda: usize, b: *const f32, ldb: usize, c: *mut f32, ldc: usize,
            accumulate: bool,
        ) = gemm;
        /// Scores of `m` queries (dense, `d` floats each) with `n` keys: `s[i][j] = q[i] k[j]`, `s` with stride [`TILE`].
        fn scores(m: usize, n: usize, d: usize, q: *const f32, k: *const f32, ldk: usize, s: *mut f32) = scores;
        /// Turns `m` rows of `n` scores (stride [`TILE`]) into weights and brings the state up to date.
        fn soften(m: usize, n: usize, s: *mut f32, how: &Softening, state: &State) = soften;
        /// `t[d][TILE]` from `n` dense rows `k[n][d]`, zeros up to the next multiple of 8 rows.
        fn transpose(n: usize, d: usize, k: *const f32, ldk: usize, t: *mut f32) = transpose;
        /// Rows of `d` values of f16, bf16 or q8_0, `stride` bytes apart, as dense rows of floats.
        fn rows_f16(n: usize, d: usize, from: *const u8, stride: usize, to: *mut f32) = rows::<_, f16>;
        fn rows_bf16(n: usize, d: usize, from: *const u8, stride: usize, to: *mut f32) = rows::<_, bf16>;
        fn rows_q8_0(n: usize, d: usize, from: *const u8, stride: usize, to: *mut f32) = rows_q8_0;
        /// How many of the first `n` columns of the masks of `m` queries are in use: one more than the last not minus infinity.
        fn used(m: usize, n: usize, mask: *const f16, stride: usize) -> usize = used;
    }
}

/// # Safety
/// The matrices are there.
#[inline(always)]
unsafe fn gemm<S: Simd>(
    s: S,
    m: usize,
    n: usize,
    k: usize,
    a: *const f32,
    lda: usize,
    b: *const f32,
    ldb: usize,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
) {
    // SAFETY: the blocks cover the matrices and do not reach beyond them.
    unsafe {
        let mut i = 0;
        while i < m {
            let (a, c) = (a.add(i * lda), c.add(i * ldc));
            match m - i {
                1 => columns::<S, 1>(s, n, k, a, lda, b, ldb, c, ldc, accumulate),
                2 => columns::<S, 2>(s, n, k, a, lda, b, ldb, c, ldc, accumulate),
                3 => columns::<S, 3>(s, n, k, a, lda, b, ldb, c, ldc, accumulate),
                4 => columns::<S, 4>(s, n, k, a, lda, b, ldb, c, ldc, accumulate),
                5 => columns::<S, 5>(s, n, k, a, lda, b, ldb, c, ldc, accumulate),
                _ => columns::<S, 6>(s, n, k, a, lda, b, ldb, c, ldc, accumulate),
            }
            i += 6;
        }
    }
}

/// All columns of `M` rows.
///
/// # Safety
/// The matrices are there.
#[inline(always)]
unsafe fn columns<S: Simd, const M: usize>(
    s: S,
    n: usize,
    k: usize,
    a: *const f32,
    lda: usize,
    b: *const f32,
    ldb: usize,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
) {
    let mut j = 0;
    // SAFETY: blocks of columns up to `n`.
    unsafe {
        // Six rows of four 512-bit vectors, or of two 256-bit ones, and what they are made of fit the registers.
        while S::N == 16 && j + 4 * S::N <= n {
            let (b, c) = (b.add(j), c.add(j));
            block::<S, M, 4>(s, S::N, k, a, lda, b, ldb, c, ldc, accumulate);
            j += 4 * S::N;
        }
        while j + 2 * S::N <= n {
            let (b, c) = (b.add(j), c.add(j));
            block::<S, M, 2>(s, S::N, k, a, lda, b, ldb, c, ldc, accumulate);
            j += 2 * S::N;
        }
        while j < n {
            let (b, c) = (b.add(j), c.add(j));
            block::<S, M, 1>(s, (n - j).min(S::N), k, a, lda, b, ldb, c, ldc, accumulate);
            j += S::N;
        }
    }
}

/// `M` rows by `V` vectors of columns, of which the last has `last` values.
///
/// # Safety
/// The matrices are there.
#[inline(always)]
unsafe fn block<S: Simd, const M: usize, const V: usize>(
    s: S,
    last: usize,
    k: usize,
    a: *const f32,
    lda: usize,
    b: *const f32,
    ldb: usize,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
) {
    let whole = last == S::N;
    let mut acc = [[s.zero(); V]; M];
    // SAFETY: `M` rows and `V` vectors of columns are inside the matrices, the last one in part.
    unsafe {
        if accumulate {
            for i in 0..M {
                for v in 0..V {
                    let at = c.add(i * ldc + v * S::N);
                    acc[i][v] = if whole {
                        s.load(at)
                    } else {
                        s.load_part(at, last)
                    };
                }
            }
        }
        for p in 0..k {
            let mut row = [s.zero(); V];
            for v in 0..V {
                let at = b.add(p * ldb + v * S::N);
                row[v] = if whole {
                    s.load(at)
                } else {
                    s.load_part(at, last)
                };
            }
            for i in 0..M {
                let x = s.splat(*a.add(i * lda + p));
                for v in 0..V {
                    acc[i][v] = s.fma(x, row[v], acc[i][v]);
                }
            }
        }
        for i in 0..M {
            for v in 0..V {
                let at = c.add(i * ldc + v * S::N);
                if whole {
                    s.store(at, acc[i][v]);
                } else {
                    s.store_part(at, acc[i][v], last);
                }
            }
        }
    }
}

/// # Safety
/// The queries and keys are there, and `s` has room for `m` rows.
#[inline(always)]
unsafe fn scores<S: Simd>(
    s: S,
    m: usize,
    n: usize,
    d: usize,
    q: *const f32,
    k: *const f32,
    ldk: usize,
    out: *mut f32,
) {
    let half = s.half();
    for i in 0..m {
        let mut j = 0;
        while j < n {
            // Eight keys at a time; behind the last one the last is taken again, its place in the row is free.
            let mut rows = [k; 8];
            for (r, row) in rows.iter_mut().enumerate() {
                *row = k.wrapping_add((j + r).min(n - 1) * ldk);
            }
            let mut acc = [s.zero(); 8];
            let mut p = 0;
            // SAFETY: the queries and keys have `d` floats.
            unsafe {
                let q = q.add(i * d);
                while p + S::N <= d {
                    let x = s.load(q.add(p));
                    for r in 0..8 {
                        acc[r] = s.fma(x, s.load(rows[r].add(p)), acc[r]);
                    }
                    p += S::N;
                }
                if p < d {
                    let x = s.load_part(q.add(p), d - p);
                    for r in 0..8 {
                        acc[r] = s.fma(x, s.load_part(rows[r].add(p), d - p), acc[r]);
                    }
                }
            }
            let mut lanes = [s.splat_i32(0); 8];
            for r in 0..8 {
                lanes[r] = s.cast_i(acc[r]);
            }
            let lanes = s.transpose8(lanes);
            let mut sum = [s.zero(); 4];
            for r in 0..4 {
                sum[r] = s.add(s.cast_f(lanes[r]), s.cast_f(lanes[r + 4]));
            }
            let sum = s.add(s.add(sum[0], sum[2]), s.add(sum[1], sum[3]));
            let mut sums = [0f32; 16];
            // SAFETY: a vector has at most 16 floats; rows of scores have a multiple of 8.
            unsafe {
                s.store(sums.as_mut_ptr(), sum);
                let mut total = half.load(sums.as_ptr());
                if S::N == 16 {
                    total = half.add(total, half.load(sums.as_ptr().add(8)));
                }
                half.store(out.add(i * TILE + j), total);
            }
            j += 8;
        }
    }
}

/// Scaled, capped and masked scores.
///
/// # Safety
/// `left` scores and masks are there.
#[inline(always)]
unsafe fn shaped<S: Simd>(
    s: S,
    x: *const f32,
    mask: *const u8,
    at: usize,
    left: usize,
    how: &Softening,
) -> S::F {
    let whole = left >= S::N;
    // SAFETY: the caller's promise.
    unsafe {
        let mut v = if whole {
            s.load(x.add(at))
        } else {
            s.load_part(x.add(at), left)
        };
        v = s.mul(v, s.splat(how.scale));
        if how.softcap != 0.0 {
            v = s.mul(s.splat(how.softcap), tanh(s, v));
        }
        if !mask.is_null() {
            let m = if how.mask_f16 {
                let mask = mask.cast::<f16>().add(at);
                if whole {
                    s.load_f16(mask)
                } else {
                    s.load_f16_part(mask, left)
                }
            } else {
                s.load_part(mask.cast::<f32>().add(at), left)
            };
            v = s.fma(s.splat(how.slope), m, v);
        }
        if whole {
            v
        } else {
            // What is not there gets no weight.
            let mut index = [0f32; 16];
            for (k, i) in index.iter_mut().enumerate() {
                *i = k as f32;
            }
            let there = s.lt(s.load(index.as_ptr()), s.splat(left as f32));
            s.select(there, v, s.splat(f32::NEG_INFINITY))
        }
    }
}

/// # Safety
/// The scores, masks and the state of `m` rows are there; rows of scores have room for [`TILE`] floats.
#[inline(always)]
unsafe fn soften<S: Simd>(
    s: S,
    m: usize,
    n: usize,
    scores: *mut f32,
    how: &Softening,
    state: &State,
) {
    let none = s.splat(f32::NEG_INFINITY);
    for i in 0..m {
        let x = scores.wrapping_add(i * TILE);
        let mask = if how.mask.is_null() {
            how.mask
        } else {
            how.mask.wrapping_add(i * how.mask_stride)
        };
        // SAFETY: `n` scores and masks, and the state of row `i`.
        unsafe {
            let mut most = none;
            let mut j = 0;
            while j < n {
                let v = shaped(s, x, mask, j, n - j, how);
                most = s.max(v, most);
                s.store(x.add(j), v);
                j += S::N;
            }
            let before = *state.max.add(i);
            let max = s.max_of(most).max(before);
            if max == f32::NEG_INFINITY {
                j = 0;
                while j < n {
                    s.store(x.add(j), s.zero());
                    j += S::N;
                }
                continue;
            }
            if max > before {
                let shrink = (before - max).exp();
                *state.max.add(i) = max;
                *state.sum.add(i) *= shrink;
                let out = state.out.add(i * state.dv);
                let mut j = 0;
                while j < state.dv {
                    let left = state.dv - j;
                    let v = s.mul(s.load_part(out.add(j), left), s.splat(shrink));
                    s.store_part(out.add(j), v, left);
                    j += S::N;
                }
            }
            let mut sum = s.zero();
            j = 0;
            while j < n {
                let w = s.exp(s.sub(s.load(x.add(j)), s.splat(max)));
                // The exponential of minus infinity is only nearly zero.
                let w = s.select(s.lt(none, s.load(x.add(j))), w, s.zero());
                sum = s.add(sum, w);
                s.store(x.add(j), w);
                j += S::N;
            }
            *state.sum.add(i) += s.sum(sum);
        }
    }
}

/// # Safety
/// The rows are there, and `t` has room for `d` rows of [`TILE`] floats; `n` is at most [`TILE`].
#[inline(always)]
unsafe fn transpose<S: Simd>(s: S, n: usize, d: usize, k: *const f32, ldk: usize, t: *mut f32) {
    let h = s.half();
    let mut j = 0;
    while j < n {
        let mut p = 0;
        while p < d {
            let mut rows = [h.splat_i32(0); 8];
            // SAFETY: rows below `n`, in part where `d` ends.
            unsafe {
                if j + 8 <= n && p + 8 <= d {
                    for r in 0..8 {
                        rows[r] = h.cast_i(h.load(k.add((j + r) * ldk + p)));
                    }
                } else {
                    for r in 0..8.min(n - j) {
                        rows[r] = h.cast_i(h.load_part(k.add((j + r) * ldk + p), d - p));
                    }
                }
                let rows = h.transpose8(rows);
                for r in 0..8.min(d - p) {
                    h.store(t.add((p + r) * TILE + j), h.cast_f(rows[r]));
                }
            }
            p += 8;
        }
        j += 8;
    }
}

/// How many rows ahead memory is asked for: rows of one head lie apart, which the processor does not foresee.
const AHEAD: usize = 16;

/// Asks for the row that comes [`AHEAD`] rows later.
#[inline(always)]
fn ask_ahead<S: Simd>(s: S, row: *const u8, stride: usize, bytes: usize) {
    let mut at = 0;
    while at < bytes {
        s.prefetch(row.wrapping_add(AHEAD * stride + at));
        at += 64;
    }
}

/// 16-bit floats.
trait Float16: Copy {
    /// # Safety
    /// `p` points to `n.min(N)` values.
    unsafe fn load<S: Simd>(s: S, p: *const Self, n: usize) -> S::F;
}
macro_rules! float16 {
    ($t:ty, $load:ident, $load_part:ident) => {
        impl Float16 for $t {
            #[inline(always)]
            unsafe fn load<S: Simd>(s: S, p: *const $t, n: usize) -> S::F {
                // SAFETY: the caller's promise.
                unsafe {
                    if n >= S::N {
                        s.$load(p)
                    } else {
                        s.$load_part(p, n)
                    }
                }
            }
        }
    };
}
float16!(f16, load_f16, load_f16_part);
float16!(bf16, load_bf16, load_bf16_part);

/// # Safety
/// The rows are there, and `to` has room.
#[inline(always)]
unsafe fn rows<S: Simd, T: Float16>(
    s: S,
    n: usize,
    d: usize,
    from: *const u8,
    stride: usize,
    to: *mut f32,
) {
    for r in 0..n {
        let row = from.wrapping_add(r * stride);
        ask_ahead(s, row, stride, 2 * d);
        let mut i = 0;
        while i < d {
            // SAFETY: at most the values that are left of the row.
            unsafe {
                let v = T::load(s, row.cast::<T>().add(i), d - i);
                let to = to.add(r * d + i);
                if i + S::N <= d {
                    s.store(to, v)
                } else {
                    s.store_part(to, v, d - i)
                }
            }
            i += S::N;
        }
    }
}

/// # Safety
/// The rows are there, and `to` has room.
#[inline(always)]
unsafe fn rows_q8_0<S: Simd>(
    s: S,
    n: usize,
    d: usize,
    from: *const u8,
    stride: usize,
    to: *mut f32,
) {
    for r in 0..n {
        let row = from.wrapping_add(r * stride);
        ask_ahead(s, row, stride, d / 32 * size_of::<Q8_0Block>());
        for b in 0..d / 32 {
            // SAFETY: inside the row; a block is made of bytes and has 32 codes.
            unsafe {
                let block = &*row.cast::<Q8_0Block>().add(b);
                let scale = s.splat(block.d.get());
                let mut i = 0;
                while i < 32 {
                    let codes = s.to_f32(s.load_i8(block.qs.as_ptr().add(i)));
                    s.store(to.add(r * d + 32 * b + i), s.mul(codes, scale));
                    i += S::N;
                }
            }
        }
    }
}

/// # Safety
/// The masks are there.
#[inline(always)]
unsafe fn used<S: Simd>(s: S, m: usize, n: usize, mask: *const f16, stride: usize) -> usize {
    let mut last = 0;
    for i in 0..m {
        let row = mask.cast::<u8>().wrapping_add(i * stride).cast::<f16>();
        // From the end, as far as nothing earlier was found.
        let mut j = n.next_multiple_of(S::N);
        while j > last {
            j -= S::N;
            // SAFETY: the row has `n` values.
            let v = unsafe {
                if j + S::N <= n {
                    s.load_f16(row.add(j))
                } else {
                    s.load_f16_part(row.add(j), n - j)
                }
            };
            let part = (n - j).min(S::N);
            if s.max_of(v) == f32::NEG_INFINITY {
                continue;
            }
            // Behind the end the vector has zeros, so there may be nothing yet.
            // SAFETY: as above.
            let found = (0..part)
                .rev()
                .find(|&l| unsafe { *row.add(j + l) } != f16::NEG_INFINITY);
            if let Some(l) = found {
                last = last.max(j + l + 1);
                break;
            }
        }
    }
    last
}
