//! The kernels on 8-bit codes: quantizing activations, unpacking weights to a panel, panel times many columns, rows times few.
//!
//! Layouts, with `N` the f32 lanes of the level:
//!
//! * *Panel*: `N` rows of weights. Per 32 values: 8 vectors of codes (lane `r` of vector `j`: values `4 j..4 j + 4` of row `r`),
//!   then a vector of scales per group, then a vector of mins per group if the type has them.
//! * *Column block*: up to `3 N / 4` columns of activations. Per 32 values: each column's 32 codes, each column's scale, then
//!   per group each column's sum: of codes times -bias (i32), to begin a dot product with; or of values (f32), to multiply a
//!   min with.
//! * *Natural*: one column of activations. Per [`CHUNK`]: codes, 16 scales, 16 sums of values, one per group, zeros beyond. If
//!   the column ends in a part of a chunk, the last chunk is that of its last 256 values, with zeros for those that the chunk
//!   before has already; so that weights can be decoded by whole chunks. Shorter columns are filled up with zeros.

// Loops over columns index several arrays; iterators would hide that and are closures, which lose the vector instructions.
#![allow(clippy::needless_range_loop)]

use std::marker::PhantomData;

use super::weights::{CHUNK, Scales, Weights};
use crate::simd::{Kernel, Simd};

/// Columns of the largest block at any level.
pub const MAX_COLS: usize = 12;
/// Rows of a panel at any level, at most.
pub const MAX_ROWS: usize = 16;
/// Bytes per chunk of a column in natural layout.
pub const NATURAL: usize = CHUNK + 2 * 16 * 4;
/// Longest block of a type with blocks of less than a chunk, in bytes per 32 values.
const MAX_TAIL: usize = 8 * 36;

/// What is added to the codes of a type in a dot product, so that they are unsigned where the instructions want them so.
pub const fn bias(signed: bool, offset: i32, vnni: bool) -> i32 {
    if signed {
        if vnni { 128 } else { 0 }
    } else {
        offset
    }
}

/// Scales and mins for codes that have [`bias`] added: where there are mins, they take it off again.
///
/// # Safety
/// As [`Weights::scales`].
#[inline(always)]
unsafe fn scales<S: Simd, W: Weights>(s: S, row: *const u8, chunk: *const u8) -> Scales<S> {
    // SAFETY: the caller's promise.
    let mut x = unsafe { W::scales(s, row, chunk) };
    let bias = bias(W::SIGNED, W::OFFSET, S::VNNI);
    if W::MIN && bias != 0 {
        for v in 0..2 {
            x.min[v] = s.fnma(s.splat(bias as f32), x.scale[v], x.min[v]);
        }
    }
    x
}

/// Codes as the dot product wants them.
#[inline(always)]
fn biased<S: Simd, W: Weights>(s: S, codes: S::I) -> S::I {
    if W::SIGNED && S::VNNI && !W::RAISED {
        s.xor(codes, s.splat_i8(-128))
    } else {
        codes
    }
}

/// Bytes per 32 values of a panel.
pub const fn panel_step(n: usize, group: usize, min: bool) -> usize {
    let groups = 32 / group;
    n * (32 + 4 * groups * if min { 2 } else { 1 })
}

/// Bytes per 32 values of a column block.
pub const fn block_step(cols: usize, group: usize) -> usize {
    cols * (32 + 4 + 4 * (32 / group))
}

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
}

/// Quantizes one column of activations to codes of -127..=127 with a scale per 32 values.
pub struct Quantize;

impl Kernel for Quantize {
    type Args = QuantizeArgs;

    /// `src` points to `k` values, `dst` to a block (or natural column) that has room for them.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: QuantizeArgs) {
        let groups = 32 / a.group;
        let (whole, skip) = last_chunk(a.k);
        for kb in 0..a.k / 32 {
            // SAFETY: the caller's promise; see the module for the layouts.
            unsafe {
                let src = a.src.add(32 * kb);
                if a.cols == 0 {
                    let chunk = a.dst.add(kb / 8 * NATURAL);
                    let b = kb % 8 + if kb / 8 == whole { skip } else { 0 };
                    let (scale, sums) = quantize_block(s, src, chunk.add(32 * b).cast());
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
                    let (scale, sums) = quantize_block(s, src, block.add(32 * a.col).cast());
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
                            at.cast::<i32>().write(-a.bias * sums[g]);
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

/// Quantizes 32 values; returns their scale and the sums of the first and last 16 codes.
///
/// # Safety
/// `src` points to 32 values, `dst` to 32 writable bytes.
#[inline(always)]
unsafe fn quantize_block<S: Simd>(s: S, src: *const f32, dst: *mut i8) -> (f32, [i32; 2]) {
    let n = 32 / S::N;
    let mut v = [s.zero(); 4];
    let mut top = s.zero();
    for i in 0..n {
        // SAFETY: the caller's promise.
        v[i] = unsafe { s.load(src.add(i * S::N)) };
        top = s.max(top, s.abs(v[i]));
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

#[derive(Clone, Copy)]
pub struct UnpackArgs {
    /// The first row, and the bytes from one to the next.
    pub rows: *const u8,
    pub stride: usize,
    /// Rows there are, `1..=N`; the last one is repeated to fill the panel.
    pub n_rows: usize,
    /// Values per row, a multiple of 32 and of the type's block.
    pub k: usize,
    pub panel: *mut u8,
}

/// Unpacks rows to a panel.
pub struct Unpack<W>(PhantomData<W>);

#[repr(align(64))]
struct Aligned<T>(T);

impl<W: Weights> Kernel for Unpack<W> {
    type Args = UnpackArgs;

    /// The pointers are as the fields say.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: UnpackArgs) {
        let groups = 32 / W::GROUP;
        let step = panel_step(S::N, W::GROUP, W::MIN);
        let bytes = CHUNK / W::BLOCK * W::BYTES;
        let mut tails = [[0u8; MAX_TAIL]; MAX_ROWS];
        let mut scale = Aligned([[0f32; 16]; MAX_ROWS]);
        let mut min = Aligned([[0f32; 16]; MAX_ROWS]);
        let mut codes = Aligned([[0u8; CHUNK]; MAX_ROWS]);
        for chunk in 0..a.k.div_ceil(CHUNK) {
            let blocks = (a.k / 32 - 8 * chunk).min(8);
            let mut at = [a.rows; MAX_ROWS];
            for r in 0..S::N {
                // SAFETY: the row is inside the matrix, the chunk (or its part) inside the row; a part fits in `tails`.
                unsafe {
                    let row = a.rows.add(a.stride * r.min(a.n_rows - 1));
                    at[r] = row.add(W::META + chunk * bytes);
                    if blocks < 8 {
                        let part = (blocks * 32 / W::BLOCK * W::BYTES).min(MAX_TAIL);
                        std::ptr::copy_nonoverlapping(at[r], tails[r].as_mut_ptr(), part);
                        at[r] = tails[r].as_ptr();
                    }
                    let to = codes.0[r].as_mut_ptr();
                    let all = W::chunk(s, at[r]);
                    for i in 0..CHUNK / (4 * S::N) {
                        s.store_int(to.add(4 * S::N * i), biased::<S, W>(s, all[i]));
                    }
                    let sc = scales::<S, W>(s, row, at[r]);
                    s.store(scale.0[r].as_mut_ptr(), sc.scale[0]);
                    if W::MIN {
                        s.store(min.0[r].as_mut_ptr(), sc.min[0]);
                    }
                    if S::N == 8 && groups == 2 {
                        s.store(scale.0[r].as_mut_ptr().add(8), sc.scale[1]);
                        if W::MIN {
                            s.store(min.0[r].as_mut_ptr().add(8), sc.min[1]);
                        }
                    }
                }
            }
            // SAFETY: the panel has room for every 32 values of `k`.
            unsafe {
                let out = a.panel.add(chunk * 8 * step);
                for v in 0..groups {
                    let offset = 32 * S::N;
                    scatter_groups(s, &scale.0, v, groups, blocks, out.add(offset), step);
                    if W::MIN {
                        let offset = offset + 4 * S::N * groups;
                        scatter_groups(s, &min.0, v, groups, blocks, out.add(offset), step);
                    }
                }
                for i in 0..blocks {
                    let mut m = [s.splat_i32(0); 8];
                    for r in 0..8 {
                        let (lo, hi) = (codes.0[r].as_ptr(), codes.0[(r + 8) % S::N].as_ptr());
                        m[r] = s.load_halves(lo.add(32 * i), hi.add(32 * i));
                    }
                    for (j, v) in s.transpose8(m).into_iter().enumerate() {
                        s.store_int(out.add(i * step + j * 4 * S::N), v);
                    }
                }
            }
        }
    }
}

/// Brings eight groups' scales (of all rows) to their places in the panel.
///
/// # Safety
/// `out` points to the place of group 0 of the chunk in a panel with room for `blocks` steps.
#[inline(always)]
unsafe fn scatter_groups<S: Simd>(
    s: S,
    values: &[[f32; 16]; MAX_ROWS],
    v: usize,
    groups: usize,
    blocks: usize,
    out: *mut u8,
    step: usize,
) {
    let h = s.half();
    let mut m = [s.splat_i32(0); 8];
    for r in 0..8 {
        // SAFETY: eight values from 0 or 8 on; rows beyond N are not used at levels with one half.
        unsafe {
            let lo = h.load_int(values[r].as_ptr().add(8 * v).cast());
            let hi = h.load_int(values[r + 8].as_ptr().add(8 * v).cast());
            m[r] = s.join(lo, hi);
        }
    }
    for (q, x) in s.transpose8(m).into_iter().enumerate() {
        let group = 8 * v + q;
        let block = group / groups;
        if block < blocks {
            // SAFETY: the caller's promise.
            unsafe { s.store_int(out.add(block * step + group % groups * 4 * S::N), x) };
        }
    }
}

#[derive(Clone, Copy)]
pub struct GemmArgs {
    pub panel: *const u8,
    pub block: *const u8,
    pub k: usize,
    /// Where each column's first row goes.
    pub dst: *const *mut f32,
    pub n_cols: usize,
    /// Rows to be stored, `1..=N`.
    pub n_rows: usize,
}

/// A panel times a column block of `U N / 4` columns.
pub struct Gemm<const GROUP: usize, const MIN: bool, const SIGNED: bool, const U: usize>;

impl<const GROUP: usize, const MIN: bool, const SIGNED: bool, const U: usize> Kernel
    for Gemm<GROUP, MIN, SIGNED, U>
{
    type Args = GemmArgs;

    /// Panel and block are of these parameters and of `k` values; `dst` has `n_cols` pointers, each to `n_rows` values.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: GemmArgs) {
        let cols = U * S::N / 4;
        let groups = 32 / GROUP;
        let (panel_step, block_step) = (panel_step(S::N, GROUP, MIN), block_step(cols, GROUP));
        let mut acc = [s.zero(); MAX_COLS];
        let (mut w, mut b) = (a.panel, a.block);
        for _ in 0..a.k / 32 {
            // SAFETY: inside the panel and the block, see the module for the layouts.
            unsafe {
                let scales = b.add(32 * cols).cast::<f32>();
                for g in 0..groups {
                    let sums = scales.add((1 + g) * cols);
                    let mut dot = [s.splat_i32(0); MAX_COLS];
                    if !MIN {
                        for c in 0..cols {
                            dot[c] = s.splat_i32(sums.add(c).cast::<i32>().read());
                        }
                    }
                    for j in 8 / groups * g..8 / groups * (g + 1) {
                        let codes = s.load_int(w.add(j * 4 * S::N));
                        for c in 0..cols {
                            let x = s.splat_i32(b.add(32 * c + 4 * j).cast::<i32>().read());
                            dot[c] = if SIGNED && !S::VNNI {
                                s.dot_signed(dot[c], codes, x)
                            } else {
                                s.dot(dot[c], codes, x)
                            };
                        }
                    }
                    let scale = s.load(w.add((32 + 4 * g) * S::N).cast());
                    for c in 0..cols {
                        let x = s.mul(s.to_f32(dot[c]), scale);
                        acc[c] = s.fma(x, s.splat(scales.add(c).read()), acc[c]);
                    }
                    if MIN {
                        let min = s.load(w.add((32 + 4 * groups + 4 * g) * S::N).cast());
                        for c in 0..cols {
                            acc[c] = s.fma(min, s.splat(sums.add(c).read()), acc[c]);
                        }
                    }
                }
                w = w.add(panel_step);
                b = b.add(block_step);
            }
        }
        for c in 0..cols {
            if c < a.n_cols {
                // SAFETY: the caller's promise.
                unsafe { s.store_part(a.dst.add(c).read(), acc[c], a.n_rows) };
            }
        }
    }
}

#[derive(Clone, Copy)]
pub struct GemvArgs {
    pub rows: *const u8,
    pub stride: usize,
    pub n_rows: usize,
    /// Values per row, a multiple of 32 and of the type's block.
    pub k: usize,
    /// The first column in natural layout, and the bytes from one to the next.
    pub cols: *const u8,
    pub col_stride: usize,
    /// Where each column's first row goes.
    pub dst: *const *mut f32,
}

/// Rows times `C` columns, weights decoded in registers.
pub struct Gemv<W, const C: usize>(PhantomData<W>);

impl<W: Weights, const C: usize> Kernel for Gemv<W, C> {
    type Args = GemvArgs;

    /// The pointers are as the fields say; `dst` has `C` pointers, each to `n_rows` values.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: GemvArgs) {
        let bytes = CHUNK / W::BLOCK * W::BYTES;
        let (whole, rest) = (a.k / CHUNK, a.k % CHUNK);
        for r in 0..a.n_rows {
            // SAFETY: the row is inside the matrix, chunks inside the row, `cols` has as many chunks, and `dst` as many rows.
            unsafe {
                let row = a.rows.add(a.stride * r);
                let mut sum = Sums::<S, C>::new(s);
                let mut at = row.add(W::META);
                let mut x = a.cols;
                for _ in 0..whole {
                    for line in 0..bytes.div_ceil(64) {
                        s.prefetch(at.wrapping_add(PREFETCH + 64 * line));
                    }
                    sum.chunk::<W>(s, row, at, x, a.col_stride);
                    at = at.add(bytes);
                    x = x.add(NATURAL);
                }
                if rest > 0 && whole > 0 {
                    let at = row.add(W::META + (a.k - CHUNK) / W::BLOCK * W::BYTES);
                    sum.chunk::<W>(s, row, at, x, a.col_stride);
                } else if rest > 0 {
                    let mut tail = [0u8; MAX_TAIL];
                    let part = (rest / W::BLOCK * W::BYTES).min(MAX_TAIL);
                    std::ptr::copy_nonoverlapping(at, tail.as_mut_ptr(), part);
                    sum.chunk::<W>(s, row, tail.as_ptr(), x, a.col_stride);
                }
                for c in 0..C {
                    a.dst.add(c).read().add(r).write(sum.total::<W>(s, c));
                }
            }
        }
    }
}

/// How far ahead of its use a row is fetched, in bytes.
const PREFETCH: usize = 8192;

/// The sums of one row with `C` columns.
struct Sums<S: Simd, const C: usize> {
    dot: [[S::F; 2]; C],
    /// Of scales (or mins) times sums of activations.
    corr: [S::F; C],
}

impl<S: Simd, const C: usize> Sums<S, C> {
    #[inline(always)]
    fn new(s: S) -> Self {
        Sums {
            dot: [[s.zero(); 2]; C],
            corr: [s.zero(); C],
        }
    }

    /// # Safety
    /// As for [`Weights::codes`]; `x` is a chunk in natural layout, of `C` columns `stride` apart.
    #[inline(always)]
    unsafe fn chunk<W: Weights>(
        &mut self,
        s: S,
        row: *const u8,
        chunk: *const u8,
        x: *const u8,
        stride: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let w = scales::<S, W>(s, row, chunk);
            // Vectors that the scales fill.
            let vectors = (CHUNK / W::GROUP).div_ceil(S::N);
            let has_bias = bias(W::SIGNED, W::OFFSET, S::VNNI) != 0;
            let mut scale = [[s.zero(); 2]; C];
            for c in 0..C {
                let x = x.add(c * stride + CHUNK).cast::<f32>();
                for v in 0..vectors {
                    scale[c][v] = s.mul(w.scale[v], s.load(x.add(v * S::N)));
                    if W::MIN {
                        self.corr[c] = s.fma(w.min[v], s.load(x.add(16 + v * S::N)), self.corr[c]);
                    } else if has_bias {
                        self.corr[c] =
                            s.fma(w.scale[v], s.load(x.add(16 + v * S::N)), self.corr[c]);
                    }
                }
            }
            let mut all = [s.splat_i32(0); 8];
            if W::WHOLE {
                all = W::chunk(s, chunk);
            }
            for i in 0..CHUNK / (4 * S::N) {
                let codes = if W::WHOLE {
                    all[i]
                } else {
                    W::codes(s, chunk, i)
                };
                let codes = biased::<S, W>(s, codes);
                for c in 0..C {
                    let x = s.load_int(x.add(c * stride + 4 * S::N * i));
                    let zero = s.splat_i32(0);
                    let dot = if W::SIGNED && !S::VNNI {
                        s.dot_signed(zero, codes, x)
                    } else {
                        s.dot(zero, codes, x)
                    };
                    let by = if W::GROUP == 32 {
                        s.spread::<8>(scale[c], i)
                    } else {
                        s.spread::<4>(scale[c], i)
                    };
                    self.dot[c][i % 2] = s.fma(s.to_f32(dot), by, self.dot[c][i % 2]);
                }
            }
        }
    }

    #[inline(always)]
    fn total<W: Weights>(&self, s: S, c: usize) -> f32 {
        let mut dot = s.add(self.dot[c][0], self.dot[c][1]);
        let bias = bias(W::SIGNED, W::OFFSET, S::VNNI);
        if W::MIN {
            dot = s.add(dot, self.corr[c]);
        } else if bias != 0 {
            dot = s.fnma(s.splat(bias as f32), self.corr[c], dot);
        }
        s.sum(dot)
    }
}
