//! Vector kernels of attention: a small matrix product, scores of few queries, a soft-max step, a transposition.

// Indices count registers in arrays and rows in memory alike.
#![allow(clippy::needless_range_loop)]

use half::{bf16, f16};

use super::tiles;
use crate::cpu::ops::tanh;
use crate::quant::legacy::Q8_0Block;
use crate::simd::{Cache, Element, Simd, prefetch};

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

/// Rows in memory that are asked for while others are worked on, one for each of these. Rows of one head lie apart, which the
/// processor does not foresee.
#[derive(Clone, Copy)]
pub struct Ahead {
    pub rows: *const u8,
    /// Bytes from one to the next.
    pub stride: usize,
    /// Bytes of a row; 0 for none.
    pub bytes: usize,
}

impl Ahead {
    pub const NONE: Ahead = Ahead {
        rows: std::ptr::null(),
        stride: 0,
        bytes: 0,
    };

    #[inline(always)]
    pub fn ask(&self, row: usize) {
        let row = self.rows.wrapping_add(row * self.stride);
        prefetch(row, self.bytes, Cache::First);
    }
}

crate::kernels! {
    /// Kernels of attention.
    pub struct Kernels {
        /// `c[m][n] = a[m][k] b[k][n]`, or `+=` if `accumulate`. The last dimension is dense, the strides of `a` and `c` in
        /// floats, that of `b` in bytes. For each row of `b` one of `ahead` is asked for.
        fn gemm(
            m: usize, n: usize, k: usize, a: *const f32, lda: usize, b: *const u8, ldb: usize, c: *mut f32, ldc: usize,
            accumulate: bool, ahead: &Ahead,
        ) = gemm::<_, f32>;
        /// As [`Kernels::gemm`], with rows of `b` as the cache has them.
        fn gemm_f16(
            m: usize, n: usize, k: usize, a: *const f32, lda: usize, b: *const u8, ldb: usize, c: *mut f32, ldc: usize,
            accumulate: bool, ahead: &Ahead,
        ) = gemm::<_, f16>;
        fn gemm_bf16(
            m: usize, n: usize, k: usize, a: *const f32, lda: usize, b: *const u8, ldb: usize, c: *mut f32, ldc: usize,
            accumulate: bool, ahead: &Ahead,
        ) = gemm::<_, bf16>;
        fn gemm_q8_0(
            m: usize, n: usize, k: usize, a: *const f32, lda: usize, b: *const u8, ldb: usize, c: *mut f32, ldc: usize,
            accumulate: bool, ahead: &Ahead,
        ) = gemm::<_, Q8_0Block>;
        /// Scores of `m` queries (dense, `d` floats each) with `n` keys, `stride` bytes apart: `s[i][j] = q[i] k[j]`, `s` with
        /// stride [`TILE`]. For each key one of the rows of `ahead` is asked for.
        fn scores(
            m: usize, n: usize, d: usize, q: *const f32, k: *const u8, stride: usize, s: *mut f32, ahead: &Ahead,
        ) = scores::<_, f32>;
        /// As [`Kernels::scores`], with keys as the cache has them.
        fn scores_f16(
            m: usize, n: usize, d: usize, q: *const f32, k: *const u8, stride: usize, s: *mut f32, ahead: &Ahead,
        ) = scores::<_, f16>;
        fn scores_bf16(
            m: usize, n: usize, d: usize, q: *const f32, k: *const u8, stride: usize, s: *mut f32, ahead: &Ahead,
        ) = scores::<_, bf16>;
        fn scores_q8_0(
            m: usize, n: usize, d: usize, q: *const f32, k: *const u8, stride: usize, s: *mut f32, ahead: &Ahead,
        ) = scores::<_, Q8_0Block>;
        /// Rounds `d` values, a multiple of 32, to what q8_0 makes of them.
        fn round_to_q8_0(d: usize, x: *mut f32) = round_to_q8_0;
        /// Turns `m` rows of `n` scores (stride [`TILE`]) into weights and brings the state up to date.
        fn soften(m: usize, n: usize, s: *mut f32, how: &Softening, state: &State) = soften;
        /// `t[d][TILE]` from `n` dense rows `k[n][d]`, zeros up to the next multiple of 8 rows.
        fn transpose(n: usize, d: usize, k: *const f32, ldk: usize, t: *mut f32) = transpose;
        /// `n` rows of `d` floats, `n` at most [`TILE`], `d` a multiple of 16, as rows of the right matrix of a product in tiles: panels
        /// of 16 columns. Zeros follow, up to a multiple of 32 rows.
        fn tiles_of_rows(n: usize, d: usize, from: *const f32, stride: usize, tiles: *mut f32) = tiles::rows;
        /// Rows of `d` values of f16, bf16 or q8_0, `stride` bytes apart, as dense rows of floats.
        fn rows_f16(n: usize, d: usize, from: *const u8, stride: usize, to: *mut f32) = rows::<_, f16>;
        fn rows_bf16(n: usize, d: usize, from: *const u8, stride: usize, to: *mut f32) = rows::<_, bf16>;
        fn rows_q8_0(n: usize, d: usize, from: *const u8, stride: usize, to: *mut f32) = rows::<_, Q8_0Block>;
        /// How many of the first `n` columns of the masks of `m` queries are in use: one more than the last not minus infinity.
        fn used(m: usize, n: usize, mask: *const f16, stride: usize) -> usize = used;
    }
}

/// # Safety
/// The matrices are there.
#[inline(always)]
unsafe fn gemm<S: Simd, T: Stored>(
    s: S,
    m: usize,
    n: usize,
    k: usize,
    a: *const f32,
    lda: usize,
    b: *const u8,
    ldb: usize,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
    ahead: &Ahead,
) {
    // SAFETY: the blocks cover the matrices and do not reach beyond them.
    unsafe {
        let mut i = 0;
        while i < m {
            let ahead = if i == 0 { ahead } else { &Ahead::NONE };
            let (a, c) = (a.add(i * lda), c.add(i * ldc));
            match m - i {
                1 => columns::<S, T, 1>(s, n, k, a, lda, b, ldb, c, ldc, accumulate, ahead),
                2 => columns::<S, T, 2>(s, n, k, a, lda, b, ldb, c, ldc, accumulate, ahead),
                3 => columns::<S, T, 3>(s, n, k, a, lda, b, ldb, c, ldc, accumulate, ahead),
                4 => columns::<S, T, 4>(s, n, k, a, lda, b, ldb, c, ldc, accumulate, ahead),
                5 => columns::<S, T, 5>(s, n, k, a, lda, b, ldb, c, ldc, accumulate, ahead),
                _ => columns::<S, T, 6>(s, n, k, a, lda, b, ldb, c, ldc, accumulate, ahead),
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
unsafe fn columns<S: Simd, T: Stored, const M: usize>(
    s: S,
    n: usize,
    k: usize,
    a: *const f32,
    lda: usize,
    b: *const u8,
    ldb: usize,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
    ahead: &Ahead,
) {
    let mut j = 0;
    let ahead = |j: usize| if j == 0 { ahead } else { &Ahead::NONE };
    // SAFETY: blocks of columns up to `n`.
    unsafe {
        // Six rows of four 512-bit vectors, or of two 256-bit ones, and what they are made of fit the registers.
        while S::N == 16 && j + 4 * S::N <= n {
            let c = c.add(j);
            let ahead = ahead(j);
            block::<S, T, M, 4>(s, j, S::N, k, a, lda, b, ldb, c, ldc, accumulate, ahead);
            j += 4 * S::N;
        }
        while j + 2 * S::N <= n {
            let c = c.add(j);
            let ahead = ahead(j);
            block::<S, T, M, 2>(s, j, S::N, k, a, lda, b, ldb, c, ldc, accumulate, ahead);
            j += 2 * S::N;
        }
        while j < n {
            let c = c.add(j);
            block::<S, T, M, 1>(
                s,
                j,
                (n - j).min(S::N),
                k,
                a,
                lda,
                b,
                ldb,
                c,
                ldc,
                accumulate,
                ahead(j),
            );
            j += S::N;
        }
    }
}

/// `M` rows by `V` vectors of columns from `first` on, of which the last has `last` values.
///
/// # Safety
/// The matrices are there.
#[inline(always)]
unsafe fn block<S: Simd, T: Stored, const M: usize, const V: usize>(
    s: S,
    first: usize,
    last: usize,
    k: usize,
    a: *const f32,
    lda: usize,
    b: *const u8,
    ldb: usize,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
    ahead: &Ahead,
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
            let from = b.add(p * ldb);
            ahead.ask(p);
            let mut row = [s.zero(); V];
            for v in 0..V {
                let left = if whole { S::N } else { last };
                row[v] = T::load(s, from, first + v * S::N, left);
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

/// Keys whose scores are computed together; as many queries on 16 lanes, half of them on 8, fit the registers with them.
const KEYS: usize = 4;

/// # Safety
/// The queries and keys are there, and `s` has room for `m` rows.
#[inline(always)]
unsafe fn scores<S: Simd, T: Stored>(
    s: S,
    m: usize,
    n: usize,
    d: usize,
    q: *const f32,
    k: *const u8,
    stride: usize,
    out: *mut f32,
    ahead: &Ahead,
) {
    let mut i = 0;
    while i < m {
        // As many as fit the registers.
        let rows = (m - i).min(if S::N == 16 { 4 } else { 2 });
        let (q, out) = (q.wrapping_add(i * d), out.wrapping_add(i * TILE));
        let ahead = if i == 0 { ahead } else { &Ahead::NONE };
        // SAFETY: the queries that are left.
        unsafe {
            match rows {
                1 => scores_of::<S, T, 1>(s, n, d, q, k, stride, out, ahead),
                2 => scores_of::<S, T, 2>(s, n, d, q, k, stride, out, ahead),
                3 => scores_of::<S, T, 3>(s, n, d, q, k, stride, out, ahead),
                _ => scores_of::<S, T, 4>(s, n, d, q, k, stride, out, ahead),
            }
        }
        i += rows;
    }
}

/// Scores of `M` queries.
///
/// # Safety
/// As for [`scores`].
#[inline(always)]
unsafe fn scores_of<S: Simd, T: Stored, const M: usize>(
    s: S,
    n: usize,
    d: usize,
    q: *const f32,
    k: *const u8,
    stride: usize,
    out: *mut f32,
    ahead: &Ahead,
) {
    let half = s.half();
    let mut j = 0;
    while j < n {
        // Behind the last key the last is taken again, its place in the row is free.
        let mut rows = [k; KEYS];
        for r in 0..KEYS {
            rows[r] = k.wrapping_add((j + r).min(n - 1) * stride);
            ahead.ask(j + r);
        }
        let mut acc = [[s.zero(); KEYS]; M];
        let mut p = 0;
        while p < d {
            let left = (d - p).min(S::N);
            // SAFETY: queries and keys have `d` values.
            unsafe {
                let mut key = [s.zero(); KEYS];
                for r in 0..KEYS {
                    key[r] = T::load(s, rows[r], p, left);
                }
                for i in 0..M {
                    let x = <f32 as Stored>::load(s, q.add(i * d).cast(), p, left);
                    for r in 0..KEYS {
                        acc[i][r] = s.fma(x, key[r], acc[i][r]);
                    }
                }
            }
            p += S::N;
        }
        // Two queries' sums at a time.
        let mut i = 0;
        while i < M {
            let mut lanes = [s.splat_i32(0); 8];
            for r in 0..KEYS {
                lanes[r] = s.cast_i(acc[i][r]);
                lanes[KEYS + r] = s.cast_i(acc[(i + 1).min(M - 1)][r]);
            }
            let lanes = s.transpose8(lanes);
            let mut sum = [s.zero(); 4];
            for r in 0..4 {
                sum[r] = s.add(s.cast_f(lanes[r]), s.cast_f(lanes[r + 4]));
            }
            let sum = s.add(s.add(sum[0], sum[2]), s.add(sum[1], sum[3]));
            let mut sums = [0f32; 16];
            // SAFETY: a vector has at most 16 floats; rows of scores have a multiple of `KEYS`.
            unsafe {
                s.store(sums.as_mut_ptr(), sum);
                if S::N == 16 {
                    let total = half.add(half.load(sums.as_ptr()), half.load(sums.as_ptr().add(8)));
                    half.store(sums.as_mut_ptr(), total);
                }
                let to = out.add(i * TILE + j);
                std::ptr::copy_nonoverlapping(sums.as_ptr(), to, KEYS);
                if i + 1 < M {
                    std::ptr::copy_nonoverlapping(sums.as_ptr().add(KEYS), to.add(TILE), KEYS);
                }
            }
            i += 2;
        }
        j += KEYS;
    }
}

/// Scaled, capped and masked scores. `PLAIN`: not capped, and with a mask of f16.
///
/// # Safety
/// `left` scores and masks are there.
#[inline(always)]
unsafe fn shaped<S: Simd, const PLAIN: bool>(
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
        if !PLAIN && how.softcap != 0.0 {
            v = s.mul(s.splat(how.softcap), tanh(s, v));
        }
        if PLAIN || !mask.is_null() {
            let m = if PLAIN || how.mask_f16 {
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
            // Most models need no branches here.
            if how.softcap == 0.0 && how.mask_f16 {
                while j + S::N <= n {
                    let v = shaped::<S, true>(s, x, mask, j, S::N, how);
                    most = s.max(v, most);
                    s.store(x.add(j), v);
                    j += S::N;
                }
            }
            while j < n {
                let v = shaped::<S, false>(s, x, mask, j, n - j, how);
                most = s.max(v, most);
                s.store(x.add(j), v);
                j += S::N;
            }
            let before = *state.max.add(i);
            let max = s.max_of(most).max(before);
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
        }
    }
    // A loop of its own: a row's weights wait long for its maximum.
    for i in 0..m {
        let x = scores.wrapping_add(i * TILE);
        // SAFETY: as above.
        unsafe {
            let max = *state.max.add(i);
            if max == f32::NEG_INFINITY {
                std::ptr::write_bytes(x, 0, n.next_multiple_of(S::N));
                continue;
            }
            let mut sum = s.zero();
            let mut j = 0;
            while j < n {
                let w = s.exp(s.sub(s.load(x.add(j)), s.splat(max)));
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

/// How many rows ahead memory is asked for, where few lines may be on their way at a time, and when rows are converted.
pub const AHEAD: usize = 16;

/// What rows of keys, values and of other matrices can be made of.
trait Stored {
    /// Bytes of `n` values.
    fn bytes(n: usize) -> usize;
    /// Values `i` and following, a multiple of `N`, of a row; `left` of them are there (at most N).
    ///
    /// # Safety
    /// They are.
    unsafe fn load<S: Simd>(s: S, row: *const u8, i: usize, left: usize) -> S::F;
}

impl<T: Element> Stored for T {
    fn bytes(n: usize) -> usize {
        n * size_of::<T>()
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, row: *const u8, i: usize, left: usize) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { Element::load(s, row.cast::<T>().add(i), left) }
    }
}

impl Stored for Q8_0Block {
    fn bytes(n: usize) -> usize {
        n / 32 * size_of::<Q8_0Block>()
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, row: *const u8, i: usize, _left: usize) -> S::F {
        // SAFETY: the caller's promise; a block is made of bytes, has 32 codes, and N divides 32.
        unsafe {
            let block = &*row.cast::<Q8_0Block>().add(i / 32);
            let codes = s.load_i8(block.qs.as_ptr().add(i % 32));
            s.mul(
                s.to_f32(codes),
                s.splat(s.f16_at((&raw const block.d).cast())),
            )
        }
    }
}

/// # Safety
/// The rows are there, and `to` has room.
#[inline(always)]
unsafe fn rows<S: Simd, T: Stored>(
    s: S,
    n: usize,
    d: usize,
    from: *const u8,
    stride: usize,
    to: *mut f32,
) {
    for r in 0..n {
        let row = from.wrapping_add(r * stride);
        prefetch(row.wrapping_add(AHEAD * stride), T::bytes(d), Cache::First);
        let mut i = 0;
        while i < d {
            // SAFETY: at most the values that are left of the row.
            unsafe {
                let v = T::load(s, row, i, d - i);
                Element::store(s, to.add(r * d + i), v, d - i);
            }
            i += S::N;
        }
    }
}

/// # Safety
/// The values are there.
#[inline(always)]
unsafe fn round_to_q8_0<S: Simd>(s: S, d: usize, x: *mut f32) {
    let mut b = 0;
    while b + 32 <= d {
        // SAFETY: a block of 32 values.
        unsafe {
            let x = x.add(b);
            let mut top = s.zero();
            let mut i = 0;
            while i < 32 {
                top = s.max(top, s.abs(s.load(x.add(i))));
                i += S::N;
            }
            let scale = s.max_of(top) / 127.0;
            let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
            let stored = s.splat(f16::from_f32(scale).to_f32());
            i = 0;
            while i < 32 {
                let code = s.round(s.mul(s.load(x.add(i)), s.splat(inverse)));
                s.store(x.add(i), s.mul(code, stored));
                i += S::N;
            }
        }
        b += 32;
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
