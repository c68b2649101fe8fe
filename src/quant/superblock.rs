//! Blocks of 256 values with an integer level (scale) per group under one floating-point scale: how codes are packed, and the
//! fit of both levels of scales.

use super::Half;
use super::grid::Grid;
use super::ladder::{self, Ladder, Scored};
use super::search::{self, WIDE, Weighing, inverse, limit, round_product};
use crate::simd::Simd;

/// Values per block, here.
pub const BLOCK: usize = 256;

/// Two-bit codes: in each half of 128, code `j` is in byte `j % 32`, at bit `2 (j / 32)`.
#[inline(always)]
pub fn pairs(bytes: &[u8; 64]) -> [u8; BLOCK] {
    let mut codes = [0; BLOCK];
    for (codes, bytes) in codes
        .as_chunks_mut::<128>()
        .0
        .iter_mut()
        .zip(bytes.as_chunks::<32>().0)
    {
        for (run, codes) in codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (q, b) in codes.iter_mut().zip(bytes) {
                *q = (b >> (2 * run)) & 3;
            }
        }
    }
    codes
}

/// The inverse of [`pairs`]; takes the two low bits of each code.
#[inline(always)]
pub fn pack_pairs(codes: &[u8; BLOCK]) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (codes, bytes) in codes
        .as_chunks::<128>()
        .0
        .iter()
        .zip(bytes.as_chunks_mut::<32>().0)
    {
        for (run, codes) in codes.as_chunks::<32>().0.iter().enumerate() {
            for (q, b) in codes.iter().zip(bytes.iter_mut()) {
                *b |= (q & 3) << (2 * run);
            }
        }
    }
    bytes
}

/// Four-bit codes: runs of `RUN` codes in the low halves of `RUN` bytes, the next `RUN` codes in the high halves.
#[inline(always)]
pub fn nibbles<const RUN: usize>(bytes: &[u8; 128]) -> [u8; BLOCK] {
    let mut codes = [0; BLOCK];
    for (codes, bytes) in codes
        .chunks_exact_mut(2 * RUN)
        .zip(bytes.as_chunks::<RUN>().0)
    {
        for (j, b) in bytes.iter().enumerate() {
            codes[j] = b & 15;
            codes[j + RUN] = b >> 4;
        }
    }
    codes
}

/// The inverse of [`nibbles`]; takes the four low bits of each code.
#[inline(always)]
pub fn pack_nibbles<const RUN: usize>(codes: &[u8; BLOCK]) -> [u8; 128] {
    let mut bytes = [0; 128];
    for (codes, bytes) in codes
        .chunks_exact(2 * RUN)
        .zip(bytes.as_chunks_mut::<RUN>().0)
    {
        for (j, b) in bytes.iter_mut().enumerate() {
            *b = codes[j] & 15 | codes[j + RUN] << 4;
        }
    }
    bytes
}

/// A copy of a row, and the weights of its values, `N` by `N`.
#[inline(always)]
pub fn weighted_row<S: Simd, const N: usize>(
    s: S,
    values: &[f32],
    weights: Option<&[f32]>,
    weighing: Weighing,
) -> (Vec<f32>, Vec<f32>) {
    let mut w = vec![0f32; values.len()];
    let blocks = values.as_chunks().0.iter();
    for (i, (x, w)) in blocks.zip(w.as_chunks_mut::<N>().0).enumerate() {
        *w = search::block_importance(s, x, weights, i, weighing);
    }
    (values.to_vec(), w)
}

/// A block with a scale and a minimum per group.
pub struct Affine<const GROUPS: usize> {
    pub d: Half,
    pub dmin: Half,
    pub levels: [(u8, u8); GROUPS],
    pub codes: [u8; BLOCK],
}

/// How often the levels of a block are chosen anew after its scale was fitted to them.
const PASSES: usize = 2;

/// A half float near `value`, and what it is in a block whose numbers were divided by `unit` (a power of two).
#[inline(always)]
fn rounded(value: f32, unit: f32) -> (Half, f32) {
    let half = Half::saturating(value * unit);
    (half, half.get() / unit)
}

/// The levels (integer scales) that groups can have: `lo, lo + step ..= hi`.
#[derive(Clone, Copy)]
pub struct Levels {
    pub lo: f32,
    pub hi: f32,
    pub step: f32,
}

impl Levels {
    /// All integers of so many bits, in two's complement.
    pub const fn signed(bits: u32) -> Levels {
        let lo = -((1 << (bits - 1)) as f32);
        Levels {
            lo,
            hi: -lo - 1.0,
            step: 1.0,
        }
    }

    /// The odd integers from `-top` to `top`.
    pub const fn odd(top: f32) -> Levels {
        Levels {
            lo: -top,
            hi: top,
            step: 2.0,
        }
    }

    /// The level nearest to `t`.
    #[inline(always)]
    pub fn nearest(self, t: f32) -> f32 {
        let steps = round_product(t - self.lo, 1.0 / self.step);
        limit(self.lo + self.step * steps, self.lo, self.hi)
    }
}

/// What is chosen for a group: its level, which of the grids, and the codes on it.
#[derive(Clone, Copy, Debug)]
pub struct Choice<const N: usize> {
    pub level: f32,
    pub grid: usize,
    pub codes: [u8; N],
}

/// A level and a grid that are tried for a group.
#[derive(Clone, Copy, Default)]
struct Tried {
    level: f32,
    grid: usize,
}

/// Grids, the same as ladders, and the levels that scale them.
pub struct Scaled<'a, G, L> {
    pub grids: &'a [G],
    pub ladders: &'a [L],
    pub levels: Levels,
    /// How many times [`ladder::STEPS`] scales are scored without and with weights. If few columns have nearly all importance,
    /// scales may be best that are far too small for the others. Without weights none need be, where levels are coarse.
    pub windows: [usize; 2],
    pub weighing: Weighing,
}

impl<G: Grid, L: Ladder> Scaled<'_, G, L> {
    /// What a group of zeros gets.
    #[inline(always)]
    fn nothing<const N: usize>(&self) -> Choice<N> {
        Choice {
            level: self.levels.nearest(0.0),
            grid: 0,
            codes: [self.grids[0].code(0.0); N],
        }
    }

    /// Fits groups with levels under a common scale: scores many scales of each group, then in turn the levels to the common
    /// scale and the common scale to the levels; last the codes. Values and weights are normalized (see [`search::normalize`]);
    /// `round` is how the common scale is stored. Returns the common scale. `scored`, `tried` and `out` have as many elements as groups.
    #[inline(always)]
    fn fit<S: Simd, const N: usize>(
        &self,
        s: S,
        xs: &[[f32; N]],
        ws: &[[f32; N]],
        weighted: bool,
        round: impl Fn(f32) -> f32,
        scored: &mut [Scored],
        tried: &mut [Tried],
        out: &mut [Choice<N>],
    ) -> f32 {
        let windows = self.windows[usize::from(weighted)];
        // Without importance a second pass gains a thousandth.
        let passes = if weighted { PASSES } else { 1 };
        let mut top = 0f32;
        for ((scored, x), w) in scored.iter_mut().zip(xs).zip(ws) {
            *scored = Scored::new(s, self.ladders, windows, x, w);
            if scored.best.abs() > top.abs() {
                top = scored.best;
            }
        }
        let rungs = self.ladders[0].rungs();
        let logs = if G::FREE {
            [0.0; 256]
        } else {
            ladder::level_logs(rungs)
        };
        let sets = 2 * self.ladders.len();
        let mut d = round(top / self.levels.lo);
        let mut best = (f32::INFINITY, d);
        for _ in 0..passes {
            let place = ladder::place(rungs, d);
            let (mut error, mut sum_lx, mut sum_ll) = (0f32, 0f32, 0f32);
            for (((choice, scored), x), w) in tried.iter_mut().zip(scored.iter()).zip(xs).zip(ws) {
                let chosen = if G::FREE {
                    scored.choose_exactly(s, self.grids, x, w, d, self.levels)
                } else {
                    scored.choose(sets, d, place, &logs, self.levels)
                };
                error += chosen.error;
                sum_lx += chosen.level * chosen.xv;
                sum_ll += chosen.level * chosen.level * chosen.vv;
                (choice.level, choice.grid) = (chosen.level, chosen.grid);
            }
            if error < best.0 {
                best = (error, d);
                for (choice, tried) in out.iter_mut().zip(tried.iter()) {
                    (choice.level, choice.grid) = (tried.level, tried.grid);
                }
            }
            if sum_ll > 0.0 {
                d = round(sum_lx / sum_ll);
            }
        }
        d = best.1;
        let (mut sum_lx, mut sum_ll, mut sum_xx) = (0f32, 0f32, 0f32);
        for ((choice, x), w) in out.iter_mut().zip(xs).zip(ws) {
            let grid = &self.grids[choice.grid];
            choice.codes = search::codes_at(grid, x, w, inverse(d * choice.level));
            let mut values = [0f32; N];
            for i in 0..N {
                values[i] = grid.value(choice.codes[i]);
            }
            let (mut xv, mut vv, mut xx) = (s.zero(), s.zero(), s.zero());
            for i in (0..N).step_by(S::N) {
                let (v, x, w) = (s.load_at(&values, i), s.load_at(x, i), s.load_at(w, i));
                let wv = s.mul(w, v);
                xv = s.fma(wv, x, xv);
                vv = s.fma(wv, v, vv);
                xx = s.fma(s.mul(w, x), x, xx);
            }
            sum_lx += choice.level * s.sum(xv);
            sum_ll += choice.level * choice.level * s.sum(vv);
            sum_xx += s.sum(xx);
        }
        if sum_ll > 0.0 {
            d = round(search::raised(sum_lx, sum_ll, sum_xx));
        }
        d
    }

    /// Fits block `i` of a row with its own scale. `weights`: the importance of the row's columns, if it is known.
    #[inline(always)]
    pub fn block<S: Simd, const GROUPS: usize, const N: usize>(
        &self,
        s: S,
        x: &[f32; BLOCK],
        weights: Option<&[f32]>,
        i: usize,
    ) -> Symmetric<GROUPS> {
        let mut w = search::block_importance(s, x, weights, i, self.weighing);
        let (mut x, weighted) = (*x, weights.is_some());
        let mut choices = [self.nothing::<N>(); GROUPS];
        let mut half = Half::default();
        if let Some(unit) = search::normalize(&mut x, &mut w) {
            let (xs, ws) = (x.as_chunks::<N>().0, w.as_chunks::<N>().0);
            let mut scored = [Scored::default(); GROUPS];
            let round = |d| rounded(d, unit).1;
            let mut tried = [Tried::default(); GROUPS];
            let d = self.fit(
                s,
                xs,
                ws,
                weighted,
                round,
                &mut scored,
                &mut tried,
                &mut choices,
            );
            half = rounded(d, unit).0;
        }
        Symmetric::new(half, &choices)
    }

    /// Fits a row of blocks under one scale; `store` rounds a scale to what the row can hold. The blocks' own scales are left
    /// zero.
    #[inline(always)]
    pub fn row<S: Simd, const GROUPS: usize, const N: usize>(
        &self,
        s: S,
        values: &[f32],
        weights: Option<&[f32]>,
        store: impl Fn(f32) -> f32,
    ) -> (f32, Vec<Symmetric<GROUPS>>) {
        let (mut x, mut w) = weighted_row::<S, BLOCK>(s, values, weights, self.weighing);
        let weighted = weights.is_some();
        let mut choices = vec![self.nothing::<N>(); x.len() / N];
        let mut d = 0.0;
        if let Some(unit) = search::normalize(&mut x, &mut w) {
            let (xs, ws) = (x.as_chunks::<N>().0, w.as_chunks::<N>().0);
            let mut scored = vec![Scored::default(); choices.len()];
            let round = |d: f32| store(d * unit) / unit;
            let mut tried = vec![Tried::default(); choices.len()];
            d = unit
                * self.fit(
                    s,
                    xs,
                    ws,
                    weighted,
                    round,
                    &mut scored,
                    &mut tried,
                    &mut choices,
                );
        }
        let blocks = choices.as_chunks::<GROUPS>().0.iter();
        (
            d,
            blocks.map(|c| Symmetric::new(Half::default(), c)).collect(),
        )
    }
}

/// A block of groups with a level each under a half-float scale.
pub struct Symmetric<const GROUPS: usize> {
    pub d: Half,
    pub levels: [i16; GROUPS],
    /// Bit `j`: group `j` uses the second grid.
    pub shifts: u16,
    pub codes: [u8; BLOCK],
}

impl<const GROUPS: usize> Symmetric<GROUPS> {
    #[inline(always)]
    fn new<const N: usize>(d: Half, choices: &[Choice<N>; GROUPS]) -> Symmetric<GROUPS> {
        let mut block = Symmetric {
            d,
            levels: [0; GROUPS],
            shifts: 0,
            codes: [0; BLOCK],
        };
        for (j, choice) in choices.iter().enumerate() {
            block.levels[j] = choice.level as i16;
            block.shifts |= (choice.grid as u16) << j;
            block.codes.as_chunks_mut::<N>().0[j] = choice.codes;
        }
        block
    }
}

/// Codes of a group with a scale and a minimum.
#[inline(always)]
fn affine_code(x: f32, min: f32, inverse: f32, top: f32) -> f32 {
    limit(round_product(x + min, inverse), 0.0, top)
}

/// Of sixteen pairs of levels around `levels`, the one that leaves the least error; and that error.
#[inline(always)]
fn best_levels<S: Simd, const N: usize>(
    s: S,
    x: &[f32; N],
    w: &[f32; N],
    (d, dmin): (f32, f32),
    levels: (f32, f32),
    (top, top_level): (f32, f32),
) -> ((f32, f32), f32) {
    let (mut scales, mut mins) = ([0f32; WIDE], [0f32; WIDE]);
    let mut tried = [levels; WIDE];
    for l in 0..WIDE {
        // The given pair first, then three scales by five minimums.
        if l > 0 {
            let i = l as u32 - 1;
            tried[l].0 = limit(levels.0 + (i % 3) as f32 - 1.0, 0.0, top_level);
            tried[l].1 = limit(levels.1 + (i / 3) as f32 - 2.0, 0.0, top_level);
        }
        scales[l] = d * tried[l].0;
        mins[l] = dmin * tried[l].1;
    }
    let (best, error) = search::best_pair(s, x, w, (&scales, &mins), top);
    (tried[best], error)
}

/// Fits a block of groups with scales and minimums, in the steps of [`Scaled::block`]. `weighted`: the weights come from an
/// importance matrix.
#[inline(always)]
pub fn affine<
    S: Simd,
    const GROUPS: usize,
    const N: usize,
    const BITS: u32,
    const LEVEL_BITS: u32,
>(
    s: S,
    x: &[f32; BLOCK],
    w: &[f32; BLOCK],
    weighted: bool,
) -> Affine<GROUPS> {
    let mut fit = Affine {
        d: Half::default(),
        dmin: Half::default(),
        levels: [(0, 0); GROUPS],
        codes: [0; BLOCK],
    };
    let (mut x, mut w) = (*x, *w);
    let Some(unit) = search::normalize(&mut x, &mut w) else {
        return fit;
    };
    let (xs, ws) = (x.as_chunks::<N>().0, w.as_chunks::<N>().0);
    let mut ideal = [(0f32, 0f32); GROUPS];
    for j in 0..GROUPS {
        if let Some(group) = search::Affine::new(&xs[j], &ws[j]) {
            let (scale, min) = group.search::<S, BITS>(s, if weighted { 3 } else { 1 });
            ideal[j] = (scale, -min);
        }
    }
    let top = ((1u32 << BITS) - 1) as f32;
    let top_level = ((1u32 << LEVEL_BITS) - 1) as f32;

    let max = ideal
        .iter()
        .fold((0f32, 0f32), |m, i| (m.0.max(i.0), m.1.max(i.1)));
    let (mut half, mut d) = rounded(max.0 / top_level, unit);
    let (mut half_min, mut dmin) = rounded(max.1 / top_level, unit);
    let mut best = (
        f32::INFINITY,
        (half, half_min),
        (d, dmin),
        [(0f32, 0f32); GROUPS],
    );
    for _ in 0..PASSES {
        let (id, idmin) = (inverse(d), inverse(dmin));
        // Sums of products of levels, codes and values, for the common scales that suit the levels best.
        let (mut qq, mut qm, mut mm, mut qx, mut mx) = (0f32, 0f32, 0f32, 0f32, 0f32);
        let mut error = 0.0;
        let mut levels = [(0f32, 0f32); GROUPS];
        for j in 0..GROUPS {
            let near = (
                limit(round_product(ideal[j].0, id), 0.0, top_level),
                limit(round_product(ideal[j].1, idmin), 0.0, top_level),
            );
            let (level, e) =
                best_levels::<S, N>(s, &xs[j], &ws[j], (d, dmin), near, (top, top_level));
            error += e;
            levels[j] = level;
            let (s, m) = level;
            let (min, inverse) = (dmin * m, inverse(d * s));
            for (x, w) in xs[j].iter().zip(&ws[j]) {
                let q = s * affine_code(*x, min, inverse, top);
                qq += w * q * q;
                qm += w * q * m;
                mm += w * m * m;
                qx += w * q * x;
                mx += w * m * x;
            }
        }
        if error < best.0 {
            best = (error, (half, half_min), (d, dmin), levels);
        }
        let det = qq * mm - qm * qm;
        let (next, next_min) = if det > 0.0 {
            ((qx * mm - mx * qm) / det, (qx * qm - mx * qq) / det)
        } else if qq > 0.0 {
            ((qx + dmin * qm) / qq, dmin)
        } else {
            break;
        };
        if !(next > 0.0 && next_min >= 0.0) {
            break;
        }
        (half, d) = rounded(next, unit);
        (half_min, dmin) = rounded(next_min, unit);
    }

    let (_, halves, (d, dmin), levels) = best;
    (fit.d, fit.dmin) = halves;
    for j in 0..GROUPS {
        let (s, m) = levels[j];
        fit.levels[j] = (s as u8, m as u8);
        let (min, inverse) = (dmin * m, inverse(d * s));
        for (q, x) in fit.codes.as_chunks_mut::<N>().0[j].iter_mut().zip(&xs[j]) {
            *q = affine_code(*x, min, inverse, top) as u8;
        }
    }
    fit
}
