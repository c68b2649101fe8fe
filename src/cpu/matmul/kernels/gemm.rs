//! Panels times many columns.

use super::{EVEN, MAX_COLS, MAX_PANELS, block_step, cols, panel_step, panels, part, step};
use crate::simd::{Cache, Kernel, Simd, prefetch, prefetch_to_write};

/// How far ahead of their use codes of panels (from the second cache) and of blocks (from beyond it) are fetched, in bytes.
const NEAR: usize = 1024;
const FAR: usize = 1536;

#[derive(Clone, Copy)]
pub struct GemmArgs {
    /// The first panel, and the bytes from one to the next.
    pub panel: *const u8,
    pub panel_stride: usize,
    pub block: *const u8,
    pub k: usize,
    /// Where each column's first row goes.
    pub dst: *const *mut f32,
    pub n_cols: usize,
    /// Rows to be stored, `1..=N`, or up to `2 N` if the kernel takes two panels.
    pub n_rows: usize,
    /// What is asked for meanwhile, see [`Ask`].
    pub ask: Ask,
}

/// Memory that is brought to the second cache while panels are multiplied by dot products: for every [`Ask::EACH`] values of their rows a line,
/// and the next `stride` bytes further.
#[derive(Clone, Copy)]
pub struct Ask {
    pub at: *const u8,
    pub stride: usize,
}

impl Ask {
    pub const EACH: usize = 32;

    /// Nothing that is not there already.
    pub fn nothing(panel: *const u8) -> Ask {
        Ask {
            at: panel,
            stride: 0,
        }
    }
}

impl GemmArgs {
    /// Where the panels of `n` rows begin. The first one stands in for a second that is not there.
    #[inline(always)]
    pub fn panels(&self, n: usize) -> [*const u8; MAX_PANELS] {
        let second = if self.n_rows > n {
            self.panel_stride
        } else {
            0
        };
        [self.panel, self.panel.wrapping_add(second)]
    }

    /// Asks for the lines that results of `panels` are written to, in time: columns lie too far apart for a core to foresee them.
    ///
    /// # Safety
    /// `dst` has `n_cols` pointers.
    #[inline(always)]
    pub unsafe fn ask_for_results<S: Simd>(&self, panels: usize) {
        for c in 0..self.n_cols {
            // SAFETY: the caller's promise.
            let dst = unsafe { self.dst.add(c).read() };
            prefetch_to_write(dst.cast(), 4 * S::N * panels);
        }
    }

    /// Writes the results of panels and the first `cols` columns, as far as there are such rows and columns.
    ///
    /// # Safety
    /// `dst` has `n_cols` pointers, each to `n_rows` values.
    #[inline(always)]
    pub unsafe fn store<S: Simd, const C: usize>(
        &self,
        s: S,
        cols: usize,
        sums: &[[S::F; C]; MAX_PANELS],
    ) {
        for p in 0..MAX_PANELS {
            for c in 0..cols {
                if c < self.n_cols && self.n_rows > p * S::N {
                    // SAFETY: the caller's promise.
                    unsafe {
                        let dst = self.dst.add(c).read().add(p * S::N);
                        s.store_part(dst, sums[p][c], self.n_rows - p * S::N);
                    }
                }
            }
        }
    }
}

/// One or two panels (see [`panels`]) times a column block of `U` thirds of [`cols`] columns. `RUN` is [`run_of`] the type, of no matter with
/// [`Simd::VNNI`].
pub struct Gemm<const GROUP: usize, const MIN: bool, const RUN: usize, const U: usize>;

impl<const GROUP: usize, const MIN: bool, const RUN: usize, const U: usize> Kernel
    for Gemm<GROUP, MIN, RUN, U>
{
    type Args = GemmArgs;

    /// Panels and block are of these parameters and of `k` values; `dst` has `n_cols` pointers, each to `n_rows` values.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: GemmArgs) {
        let cols = part(cols(S::N, S::VNNI), U);
        let (step, panels) = (step(GROUP), panels(S::N, GROUP));
        let groups = step / GROUP;
        let (panel_step, block_step) = (panel_step(S::N, GROUP, MIN), block_step(cols, GROUP));
        // SAFETY: the caller's promise.
        unsafe { a.ask_for_results::<S>(panels) };
        let mut acc = [[s.zero(); MAX_COLS]; MAX_PANELS];
        let (mut w, mut b, mut ask) = (a.panels(S::N), a.block, a.ask.at);
        for _ in 0..a.k.div_ceil(step) {
            // SAFETY: inside the panels and the block, see the module for the layouts.
            unsafe {
                let scales = b.add(step * cols).cast::<f32>();
                for g in 0..groups {
                    let sums = scales.add((1 + g) * cols);
                    let mut dot = [[s.splat_i32(EVEN.to_bits() as i32); MAX_COLS]; MAX_PANELS];
                    if !MIN {
                        for c in 0..cols {
                            let sum = s.splat_i32(sums.add(c).cast::<i32>().read());
                            for p in 0..panels {
                                dot[p][c] = sum;
                            }
                        }
                    }
                    let j = GROUP / 4 * g;
                    let block = b.add(4 * cols * j);
                    let from = [w[0].add(4 * S::N * j), w[1].add(4 * S::N * j)];
                    Self::dots(s, &mut dot, cols, from, block);
                    for p in 0..panels {
                        let w = w[p].add(step * S::N + 4 * S::N * g);
                        let scale = s.load(w.cast());
                        let even = s.mul(scale, s.splat(-EVEN));
                        for c in 0..cols {
                            let x = if S::FUSED {
                                s.fma(s.cast_f(dot[p][c]), scale, even)
                            } else {
                                s.mul(s.sub(s.cast_f(dot[p][c]), s.splat(EVEN)), scale)
                            };
                            acc[p][c] = s.fma(x, s.splat(scales.add(c).read()), acc[p][c]);
                        }
                        if MIN {
                            let min = s.load(w.add(4 * S::N * groups).cast());
                            for c in 0..cols {
                                acc[p][c] = s.fma(min, s.splat(sums.add(c).read()), acc[p][c]);
                            }
                        }
                    }
                }
                w = [w[0].add(panel_step), w[1].add(panel_step)];
                b = b.add(block_step);
            }
            for _ in 0..step / Ask::EACH {
                prefetch(ask, 1, Cache::Second);
                ask = ask.wrapping_add(a.ask.stride);
            }
        }
        // SAFETY: the caller's promise.
        unsafe { a.store(s, cols, &acc) };
    }
}

impl<const GROUP: usize, const MIN: bool, const RUN: usize, const U: usize>
    Gemm<GROUP, MIN, RUN, U>
{
    /// Whether there are dot products enough to each load that others can be asked for.
    const fn asks_ahead<S: Simd>() -> bool {
        S::N == 16 && GROUP > 32
    }

    /// Whether [`Simd::dots_2x8`] is what is needed.
    const fn is_8_wide<S: Simd>() -> bool {
        S::VNNI && panels(S::N, GROUP) == 2 && part(cols(S::N, S::VNNI), U) == 8
    }

    /// Asks for what comes after words `j` of a group: a line of each panel and, in four steps, those of the block.
    #[inline(always)]
    fn ask_ahead(cols: usize, w: [*const u8; MAX_PANELS], b: *const u8, j: usize) {
        for w in w {
            prefetch(w.wrapping_add(64 * j + NEAR), 1, Cache::First);
        }
        let line = j % 4;
        if line < cols / 4 {
            let at = b.wrapping_add(4 * cols * (j - line) + 64 * line);
            prefetch(at.wrapping_add(FAR), 1, Cache::First);
        }
    }

    /// Adds the products of a group.
    ///
    /// # Safety
    /// `w` and `b` point to the codes of the group in a step of panels and block.
    #[inline(always)]
    unsafe fn dots<S: Simd>(
        s: S,
        dot: &mut [[S::I; MAX_COLS]; MAX_PANELS],
        cols: usize,
        w: [*const u8; MAX_PANELS],
        b: *const u8,
    ) {
        let panels = panels(S::N, GROUP);
        if Self::is_8_wide::<S>() {
            let mut sums = [[s.splat_i32(0); 8]; 2];
            for p in 0..2 {
                sums[p].copy_from_slice(&dot[p][..8]);
            }
            for j in (0..GROUP / 4).step_by(4) {
                // SAFETY: the level has VNNI; the rest is the caller's promise.
                unsafe {
                    let from = w.map(|w| w.add(j * 4 * S::N));
                    sums = s.dots_2x8(sums, from, b.cast::<i32>().add(8 * j));
                }
                if Self::asks_ahead::<S>() {
                    for j in j..j + 4 {
                        Self::ask_ahead(cols, w, b, j);
                    }
                }
            }
            for p in 0..2 {
                dot[p][..8].copy_from_slice(&sums[p]);
            }
            return;
        }
        // So many turns of the loop are written out.
        let run = if S::VNNI { 4 } else { RUN };
        for first in (0..GROUP / 4).step_by(run) {
            let mut sum = [[s.splat_i32(0); MAX_COLS]; MAX_PANELS];
            for j in first..first + run {
                // SAFETY: the caller's promise.
                unsafe {
                    let mut codes = [s.splat_i32(0); MAX_PANELS];
                    for p in 0..panels {
                        codes[p] = s.load_int(w[p].add(j * 4 * S::N));
                    }
                    if Self::asks_ahead::<S>() {
                        Self::ask_ahead(cols, w, b, j);
                    }
                    for c in 0..cols {
                        let x = b.cast::<i32>().add(cols * j + c).read();
                        let x = s.splat_i32(x);
                        for p in 0..panels {
                            if S::VNNI {
                                dot[p][c] = s.dot(dot[p][c], codes[p], x);
                            } else {
                                sum[p][c] = s.add_i16(sum[p][c], s.pairs(codes[p], x));
                            }
                        }
                    }
                }
            }
            if !S::VNNI {
                for p in 0..panels {
                    for c in 0..cols {
                        dot[p][c] = s.add_pairs(dot[p][c], sum[p][c]);
                    }
                }
            }
        }
    }
}
