//! Rows times few columns.

use std::marker::PhantomData;

use super::super::weights::{Signs, Weights};
use super::{CHUNK, MAX_TAIL, NATURAL, bias, biased, run_of, scales};
use crate::simd::{Cache, Kernel, Simd, fetches_in_two_steps, prefetch};

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

impl GemvArgs {
    /// Row `r` and the next; the last one stands in for one behind it.
    #[inline(always)]
    pub fn pair(&self, r: usize) -> [usize; 2] {
        [r, (r + 1).min(self.n_rows - 1)]
    }
}

/// Rows times `C` columns, weights decoded in registers.
pub struct Gemv<W, const C: usize>(PhantomData<W>);

impl<W: Weights, const C: usize> Kernel for Gemv<W, C> {
    type Args = GemvArgs;

    /// The pointers are as the fields say; `dst` has `C` pointers, each to `n_rows` values.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: GemvArgs) {
        // Two rows wait less for the second cache than one. Small codes take longer to decode than to come, and need the
        // registers.
        if C == 1 && S::FUSED && Self::large::<S>() && fetches_in_two_steps() {
            for r in (0..a.n_rows).step_by(2) {
                // SAFETY: the rows are inside the matrix.
                unsafe { Self::rows::<S, 2>(s, &a, a.pair(r)) };
            }
        } else {
            for r in 0..a.n_rows {
                // SAFETY: the row is inside the matrix.
                unsafe { Self::rows::<S, 1>(s, &a, [r]) };
            }
        }
    }
}

impl<W: Weights, const C: usize> Gemv<W, C> {
    /// Whether codes take longer to come from memory than to decode.
    const fn large<S: Simd>() -> bool {
        8 * W::BYTES >= if S::HALVES == 2 { 6 } else { 8 } * W::BLOCK
    }

    /// Multiplies the rows `r` with the columns.
    ///
    /// # Safety
    /// As for [`Gemv::run`], with `r` inside the matrix.
    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize>(s: S, a: &GemvArgs, r: [usize; R]) {
        let bytes = CHUNK / W::BLOCK * W::BYTES;
        let (whole, rest) = (a.k / CHUNK, a.k % CHUNK);
        // SAFETY: the rows are inside the matrix, chunks inside the rows, `cols` has as many chunks, and `dst` as many rows.
        unsafe {
            let mut rows = [a.rows; R];
            for i in 0..R {
                rows[i] = a.rows.add(a.stride * r[i]);
            }
            let two_steps = R > 1 || C > 1 && Self::large::<S>();
            let mut sums = [Sums::<S, C>::new(s); R];
            let (mut at, mut x) = (W::META, a.cols);
            for _ in 0..whole {
                for i in 0..R {
                    let from = rows[i].add(at);
                    ask_ahead(from, bytes, two_steps);
                    sums[i].chunk::<W>(s, rows[i], from, x, a.col_stride);
                }
                at += bytes;
                x = x.add(NATURAL);
            }
            for i in 0..R {
                if rest > 0 && whole > 0 {
                    let at = rows[i].add(W::META + (a.k - CHUNK) / W::BLOCK * W::BYTES);
                    sums[i].chunk::<W>(s, rows[i], at, x, a.col_stride);
                } else if rest > 0 {
                    let mut tail = [0u8; MAX_TAIL];
                    let part = (rest / W::BLOCK * W::BYTES).min(MAX_TAIL);
                    std::ptr::copy_nonoverlapping(rows[i].add(at), tail.as_mut_ptr(), part);
                    sums[i].chunk::<W>(s, rows[i], tail.as_ptr(), x, a.col_stride);
                }
                for c in 0..C {
                    a.dst
                        .add(c)
                        .read()
                        .add(r[i])
                        .write(sums[i].total::<W>(s, c));
                }
            }
        }
    }
}

/// Whether signs go over from codes to activations: where there is one column and no instruction for dot products. Codes need no offset then,
/// and are smaller.
const fn signs_go_over<S: Simd, W: Weights, const C: usize>() -> bool {
    W::SIGNS && C == 1 && !S::VNNI && S::FUSED
}

/// Whether sums of four products fit into 16 bits, where [`Simd::dot`] is more than one instruction: two vectors of them are then one.
const fn are_small<S: Simd, W: Weights, const C: usize>() -> bool {
    let top = match signs_go_over::<S, W, C>() {
        true => W::OFFSET as u8,
        false => W::TOP,
    };
    !S::VNNI && S::FUSED && run_of(top, W::GROUP) > 1
}

/// What codes have more than they stand for.
const fn excess<S: Simd, W: Weights, const C: usize>() -> i32 {
    match signs_go_over::<S, W, C>() {
        true => 0,
        false => bias::<W>(S::VNNI),
    }
}

/// How far ahead of its use a row is fetched, in bytes.
const AHEAD: usize = 8192;
/// The same in two steps: into the second cache, then into the first.
const FAR: usize = 16384;
const NEAR: usize = 1024;

/// Asks for what comes after `bytes` of a row.
#[inline(always)]
pub fn ask_ahead(at: *const u8, bytes: usize, two_steps: bool) {
    if two_steps {
        prefetch(at.wrapping_add(FAR), bytes, Cache::Second);
        prefetch(at.wrapping_add(NEAR), bytes, Cache::First);
    } else {
        prefetch(at.wrapping_add(AHEAD), bytes, Cache::First);
    }
}

/// The sums of one row with `C` columns.
#[derive(Clone, Copy)]
struct Sums<S: Simd, const C: usize> {
    dot: [[S::F; 2]; C],
    /// Of scales (or mins) times sums of activations.
    corr: [S::F; C],
}

/// A chunk of weights and of `C` columns, `stride` apart.
struct Loaded<S: Simd, const C: usize> {
    chunk: *const u8,
    /// The codes, of types that are decoded by whole chunks, and the signs if they [go over](signs_go_over).
    all: [S::I; 8],
    signs: Signs<S>,
    x: *const u8,
    stride: usize,
    /// Scales of both.
    scale: [[S::F; 2]; C],
}

impl<S: Simd, const C: usize> Loaded<S, C> {
    /// Vector `i` of the codes.
    ///
    /// # Safety
    /// As for [`Sums::part`].
    #[inline(always)]
    unsafe fn codes<W: Weights>(&self, s: S, i: usize) -> S::I {
        let codes = if W::WHOLE {
            self.all[i]
        } else {
            // SAFETY: the caller's promise.
            unsafe { W::codes(s, self.chunk, i) }
        };
        biased::<S, W>(s, codes)
    }

    /// Vector `i` of a column.
    ///
    /// # Safety
    /// As for [`Sums::part`].
    #[inline(always)]
    unsafe fn column<W: Weights>(&self, s: S, c: usize, i: usize) -> S::I {
        // SAFETY: the caller's promise.
        let x = unsafe { s.load_int(self.x.add(c * self.stride + 4 * S::N * i)) };
        match signs_go_over::<S, W, C>() {
            true => self.signs.negate(s, x, i),
            false => x,
        }
    }
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
            let w = scales::<S, W>(s, row, chunk, false);
            // Vectors that the scales fill.
            let vectors = (CHUNK / W::GROUP).div_ceil(S::N);
            let has_bias = excess::<S, W, C>() != 0;
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
            let (mut all, mut signs) = ([s.splat_i32(0); 8], Signs::none(s));
            if signs_go_over::<S, W, C>() {
                (all, signs) = W::sizes(s, chunk);
            } else if W::WHOLE {
                all = W::chunk(s, chunk);
            }
            let parts = CHUNK / (4 * S::N);
            let loaded = Loaded {
                chunk,
                all,
                signs,
                x,
                stride,
                scale,
            };
            // The loop is written out: shifts, tables and sums depend on `i`, and the compiler keeps the loop of longer types.
            // (Without vectors it gains nothing.)
            if S::FUSED {
                self.four::<W, 0>(s, &loaded);
                if parts == 8 {
                    self.four::<W, 4>(s, &loaded);
                }
            } else {
                for i in 0..parts {
                    self.part::<W>(s, &loaded, i);
                }
            }
        }
    }

    /// Parts `FIRST` to `FIRST + 3` of a chunk.
    ///
    /// # Safety
    /// As for [`Sums::part`].
    #[inline(always)]
    unsafe fn four<W: Weights, const FIRST: usize>(&mut self, s: S, loaded: &Loaded<S, C>) {
        // SAFETY: the caller's promise.
        unsafe {
            if are_small::<S, W, C>() {
                self.two_parts::<W>(s, loaded, FIRST);
                self.two_parts::<W>(s, loaded, FIRST + 2);
                return;
            }
            self.part::<W>(s, loaded, FIRST);
            self.part::<W>(s, loaded, FIRST + 1);
            self.part::<W>(s, loaded, FIRST + 2);
            self.part::<W>(s, loaded, FIRST + 3);
        }
    }

    /// Part `i` of a chunk: a vector of codes.
    ///
    /// # Safety
    /// As for [`Sums::chunk`]; `i` is less than the chunk's number of vectors.
    #[inline(always)]
    unsafe fn part<W: Weights>(&mut self, s: S, loaded: &Loaded<S, C>, i: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let codes = loaded.codes::<W>(s, i);
            for c in 0..C {
                let dot = s.dot(s.splat_i32(0), codes, loaded.column::<W>(s, c, i));
                let by = if W::GROUP == 32 {
                    s.spread::<8>(loaded.scale[c], i)
                } else {
                    s.spread::<4>(loaded.scale[c], i)
                };
                self.dot[c][i % 2] = s.fma(s.to_f32(dot), by, self.dot[c][i % 2]);
            }
        }
    }

    /// Parts `i`, which is even, and `i + 1` of a chunk, if [`are_small`].
    ///
    /// # Safety
    /// As for [`Sums::part`].
    #[inline(always)]
    unsafe fn two_parts<W: Weights>(&mut self, s: S, loaded: &Loaded<S, C>, i: usize) {
        let zero = s.splat_i32(0);
        // SAFETY: the caller's promise.
        unsafe {
            let codes = [loaded.codes::<W>(s, i), loaded.codes::<W>(s, i + 1)];
            for c in 0..C {
                let mut sums = [zero; 2];
                for part in 0..2 {
                    let x = loaded.column::<W>(s, c, i + part);
                    sums[part] = s.add_pairs(zero, s.pairs(codes[part], x));
                }
                let dot = s.add_pairs(zero, s.pack_i32(sums[0], sums[1]));
                let by = if W::GROUP == 32 {
                    s.spread_two::<8>(loaded.scale[c], i)
                } else {
                    s.spread_two::<4>(loaded.scale[c], i)
                };
                let sum = &mut self.dot[c][i / 2 % 2];
                *sum = s.fma(s.to_f32(dot), by, *sum);
            }
        }
    }

    #[inline(always)]
    fn total<W: Weights>(&self, s: S, c: usize) -> f32 {
        let mut dot = s.add(self.dot[c][0], self.dot[c][1]);
        let bias = excess::<S, W, C>();
        if W::MIN {
            dot = s.add(dot, self.corr[c]);
        } else if bias != 0 {
            dot = s.fnma(s.splat(bias as f32), self.corr[c], dot);
        }
        s.sum(dot)
    }
}
