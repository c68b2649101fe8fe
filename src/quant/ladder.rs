//! Scores of many scales at once, for types whose codes stand for values of a [`Grid`].
//!
//! A *ladder* holds what a grid makes of magnitudes that ascend by equal factors. So a number `x` under scales that ascend by
//! the same factors is a run of consecutive rungs, beginning at a place that the logarithm of `x` gives: to score sixteen scales
//! takes one load per number, and no rounding to the grid. Scores are those of codes that are right but for numbers within
//! half a rung of a border, where either code is as good.

use super::grid::Grid;
use super::search;
use super::superblock::Levels;
use crate::simd::Simd;

/// Scales that are scored at once.
pub const STEPS: usize = 16;

/// The binary logarithm of the magnitude at the lowest rung, at which numbers of all grids are next to zero.
const LOWEST: f32 = -2.0;
/// And beyond the highest: grids end below 128, and steps go further.
const HIGHEST: f32 = 7.5;

/// How rungs are numbered.
#[derive(Clone, Copy)]
pub struct Rungs {
    /// Rungs per factor of two.
    pub per_octave: f32,
    /// Rungs of each sign.
    pub count: usize,
}

impl Rungs {
    pub fn new(per_octave: f32) -> Rungs {
        Rungs {
            per_octave,
            count: ((HIGHEST - LOWEST) * per_octave) as usize + STEPS,
        }
    }

    /// The number that a rung stands for; those of negative ones follow the positive ones.
    fn number(self, rung: usize) -> f32 {
        let log = LOWEST + (rung % self.count) as f32 / self.per_octave;
        let magnitude = log.exp2();
        if rung < self.count {
            magnitude
        } else {
            -magnitude
        }
    }

    /// A table with a line for each rung of both signs.
    pub fn table(self, line: impl Fn(f32) -> f32) -> Vec<f32> {
        (0..2 * self.count)
            .map(|rung| line(self.number(rung)))
            .collect()
    }
}

/// `Σwxv` and `Σwv²` for some scales.
#[derive(Clone, Copy, Default)]
pub struct Sums {
    pub xv: [f32; STEPS],
    pub vv: [f32; STEPS],
}

/// A grid whose values for [`STEPS`] scales are found in tables.
pub trait Ladder {
    fn rungs(&self) -> Rungs;
    /// The least and the greatest value.
    fn ends(&self) -> [f32; 2];
    /// The sums for the scales under which number `i` lies on rung `at[i]` and those after it.
    fn sums<S: Simd, const N: usize>(
        &self,
        s: S,
        at: &[usize; N],
        x: &[f32; N],
        w: &[f32; N],
    ) -> Sums;
}

/// The ladder of a grid that leaves each value its own choice.
pub struct Free {
    rungs: Rungs,
    ends: [f32; 2],
    values: Vec<f32>,
}

impl Free {
    pub fn new<G: Grid>(grid: &G, per_octave: f32) -> Free {
        let rungs = Rungs::new(per_octave);
        Free {
            rungs,
            ends: [grid.value(0), grid.value((G::CODES - 1) as u8)],
            values: rungs.table(|t| grid.nearest(t, 1.0)),
        }
    }
}

impl Ladder for Free {
    #[inline(always)]
    fn rungs(&self) -> Rungs {
        self.rungs
    }
    #[inline(always)]
    fn ends(&self) -> [f32; 2] {
        self.ends
    }
    #[inline(always)]
    fn sums<S: Simd, const N: usize>(
        &self,
        s: S,
        at: &[usize; N],
        x: &[f32; N],
        w: &[f32; N],
    ) -> Sums {
        let mut sums = Sums::default();
        for part in 0..STEPS / S::N {
            // Two chains of additions, so that they overlap.
            let (mut xv, mut vv) = (s.zero(), s.zero());
            let (mut xv2, mut vv2) = (xv, vv);
            for i in (0..N).step_by(2) {
                let v = s.load_at(&self.values, at[i] + part * S::N);
                let v2 = s.load_at(&self.values, at[i + 1] + part * S::N);
                let (wv, wv2) = (s.mul(s.splat(w[i]), v), s.mul(s.splat(w[i + 1]), v2));
                xv = s.fma(s.splat(x[i]), wv, xv);
                vv = s.fma(wv, v, vv);
                xv2 = s.fma(s.splat(x[i + 1]), wv2, xv2);
                vv2 = s.fma(wv2, v2, vv2);
            }
            s.store_at(&mut sums.xv, part * S::N, s.add(xv, xv2));
            s.store_at(&mut sums.vv, part * S::N, s.add(vv, vv2));
        }
        sums
    }
}

/// The binary logarithm of a number from 1 to 2, to 2e-4 (Chebyshev).
const LOG: [f32; 5] = [
    -2.496_773_8,
    4.028_373,
    -2.081_060_2,
    0.628_815_7,
    -0.079_150_37,
];

/// Binary logarithms of magnitudes, to 2e-4; about -127 for zero.
#[inline(always)]
fn log2<S: Simd>(s: S, x: S::F) -> S::F {
    let bits = s.and(s.cast_i(x), s.splat_i32(i32::MAX));
    let exponent = s.to_f32(s.sub_i32(s.shr_i32::<23>(bits), s.splat_i32(127)));
    let one = s.splat_i32(0x3f80_0000);
    let m = s.cast_f(s.or(s.and(bits, s.splat_i32(0x7f_ffff)), one));
    let mut log = s.splat(LOG[4]);
    for c in [LOG[3], LOG[2], LOG[1], LOG[0]] {
        log = s.fma(log, m, s.splat(c));
    }
    s.add(exponent, log)
}

/// The binary logarithm of one magnitude, as [`log2`] gives it.
#[inline(always)]
fn log2_of(x: f32) -> f32 {
    let bits = x.to_bits() & 0x7fff_ffff;
    let m = f32::from_bits(bits & 0x7f_ffff | 0x3f80_0000);
    let mut log = LOG[4];
    for c in [LOG[3], LOG[2], LOG[1], LOG[0]] {
        log = log * m + c;
    }
    (bits >> 23) as f32 - 127.0 + log
}

/// Sets of scales that are scored for a group: with two grids, each under scales of either sign.
const SETS: usize = 4;

/// A group under many scales.
#[derive(Clone, Copy, Default)]
pub struct Scored {
    sets: [Sums; SETS],
    /// The place, in rungs, of the inverse of the first scale of each set: `per_octave * log2(1 / scale)`.
    first: [f32; SETS],
    /// The best scale of each set, for the codes that it leads to; 0 where there is none.
    ideal: [f32; SETS],
    /// `Σwx²`
    square: f32,
    /// The scale of all that lessens the error most.
    pub best: f32,
}

/// What is chosen for a group under a common scale.
#[derive(Clone, Copy)]
pub struct Chosen {
    pub level: f32,
    /// Which grid.
    pub grid: usize,
    pub error: f32,
    pub xv: f32,
    pub vv: f32,
}

impl Scored {
    /// Scores a group on some grids (at most two), under `windows` times [`STEPS`] scales of each sign. If under none, the scales are
    /// said to be best that put the largest value on an end of the grid.
    #[inline(always)]
    pub fn new<S: Simd, L: Ladder, const N: usize>(
        s: S,
        ladders: &[L],
        windows: usize,
        x: &[f32; N],
        w: &[f32; N],
    ) -> Scored {
        let mut scored = Scored::default();
        let (mut high, mut low) = (s.zero(), s.zero());
        let mut square = s.zero();
        for i in (0..N).step_by(S::N) {
            let v = s.load_at(x, i);
            high = s.max(high, v);
            low = s.max(low, s.neg(v));
            square = s.fma(s.mul(s.load_at(w, i), v), v, square);
        }
        scored.square = s.sum(square);
        let (high, low) = (s.max_of(high), s.max_of(low));
        let largest = if high >= low { high } else { -low };
        if largest.abs() < search::TINY {
            return scored;
        }
        let mut gain = 0f32;
        for (g, ladder) in ladders.iter().enumerate() {
            let rungs = ladder.rungs();
            for (e, end) in ladder.ends().into_iter().enumerate() {
                let inverse = end / largest;
                let first = (rungs.per_octave * log2_of(inverse)).round() - (STEPS / 2) as f32;
                let set = 2 * g + e;
                if windows == 0 {
                    scored.ideal[set] = 1.0 / inverse;
                    scored.best = scored.ideal[0];
                }
                let mut most = -1f32;
                for window in 0..windows {
                    let first = first + (window * STEPS) as f32;
                    let at = places(s, rungs, first, inverse < 0.0, x);
                    let sums = ladder.sums(s, &at, x, w);
                    let mut gains = [0f32; STEPS];
                    let mut top = s.zero();
                    for part in 0..STEPS / S::N {
                        let xv = s.load_at(&sums.xv, part * S::N);
                        let vv = s.load_at(&sums.vv, part * S::N);
                        let some = s.max(vv, s.splat(f32::MIN_POSITIVE));
                        let gain = s.div(s.mul(xv, xv), some);
                        top = s.max(top, gain);
                        s.store_at(&mut gains, part * S::N, gain);
                    }
                    let top = s.max_of(top);
                    if top > most {
                        most = top;
                        (scored.first[set], scored.sets[set]) = (first, sums);
                        let mut at = 0;
                        for (k, gain) in gains.iter().enumerate() {
                            at = if *gain == top { k } else { at };
                        }
                        if sums.vv[at] > 0.0 {
                            scored.ideal[set] = sums.xv[at] / sums.vv[at];
                        }
                    }
                }
                if most > gain {
                    (gain, scored.best) = (most, scored.ideal[set]);
                }
            }
        }
        scored
    }

    /// The best level and grid under the common scale `d`, whose place in rungs (as [`Scored::first`]) is `place`; `logs` are
    /// those of the magnitudes of levels, in rungs.
    #[inline(always)]
    pub fn choose(
        &self,
        sets: usize,
        d: f32,
        place: f32,
        logs: &[f32; 256],
        levels: Levels,
    ) -> Chosen {
        let zero = levels.nearest(0.0);
        let mut chosen = Chosen {
            level: zero,
            grid: 0,
            error: f32::INFINITY,
            xv: 0.0,
            vv: 0.0,
        };
        let inverse = search::inverse(d);
        for set in 0..sets {
            let near = levels.nearest(self.ideal[set] * inverse);
            for i in 0..TRIED {
                let level = near + levels.step * (i as f32 - (TRIED / 2) as f32);
                let level = search::limit(level, levels.lo, levels.hi);
                let step = place - logs[level.abs() as usize % 256] - self.first[set];
                let step = search::limit(step + 0.5, 0.0, STEPS as f32 - 1.0) as usize % STEPS;
                let (xv, vv) = (self.sets[set].xv[step], self.sets[set].vv[step]);
                let scale = d * level;
                let error = self.square + scale * (scale * vv - 2.0 * xv);
                if error < chosen.error {
                    chosen = Chosen {
                        level,
                        grid: set / 2,
                        error,
                        xv,
                        vv,
                    };
                }
            }
        }
        chosen
    }
}

impl Scored {
    /// As [`Scored::choose`] for grids that leave each value its own choice, but with the exact errors of [`STEPS`] pairs of level
    /// and grid. Where few columns have nearly all importance, the scale that happens to suit them leaves a tiny error,
    /// which differences of sums cannot tell from none.
    #[inline(always)]
    pub fn choose_exactly<S: Simd, G: Grid, const N: usize>(
        &self,
        s: S,
        grids: &[G],
        x: &[f32; N],
        w: &[f32; N],
        d: f32,
        levels: Levels,
    ) -> Chosen {
        let inverse_d = search::inverse(d);
        let each = STEPS / (2 * grids.len());
        let mut tried = [0f32; STEPS];
        let (mut scales, mut shifts) = (tried, tried);
        for set in 0..2 * grids.len() {
            let near = levels.nearest(self.ideal[set] * inverse_d);
            for i in 0..each {
                let l = (set * each + i) % STEPS;
                let level = near + levels.step * (i as f32 - (each / 2) as f32);
                tried[l] = search::limit(level, levels.lo, levels.hi);
                scales[l] = d * tried[l];
                shifts[l] = grids[set / 2].shift();
            }
        }
        let (errors, sums) = exact_errors::<S, G, N>(s, x, w, &scales, &shifts);
        let mut best = search::least(s, &errors);
        if errors[each / 2] == errors[best] {
            best = each / 2;
        }
        Chosen {
            level: tried[best],
            grid: best / each / 2,
            error: errors[best],
            xv: sums.xv[best],
            vv: sums.vv[best],
        }
    }
}

impl Scored {
    /// The best scale of a group that has one of its own: `store` rounds it to what is stored. Scales close to the best ones of either
    /// sign are tried, then those close to what suits the codes best.
    #[inline(always)]
    pub fn own_scale<S: Simd, G: Grid, const N: usize>(
        &self,
        s: S,
        grid: G,
        x: &[f32; N],
        w: &[f32; N],
        store: impl Fn(f32) -> f32,
    ) -> f32 {
        const NEAR: f32 = 0.008;
        let shifts = [grid.shift(); STEPS];
        let mut best = (f32::INFINITY, self.best);
        let mut near = [self.ideal[0], self.ideal[1]];
        for step in [NEAR, 0.25 * NEAR] {
            let mut scales = [0f32; STEPS];
            for (l, scale) in scales.iter_mut().enumerate() {
                let half = STEPS / 2;
                *scale =
                    store(near[l / half] * (1.0 + step * ((l % half) as f32 - half as f32 * 0.5)));
            }
            let (errors, sums) = exact_errors::<S, G, N>(s, x, w, &scales, &shifts);
            let at = search::least(s, &errors);
            if errors[at] < best.0 {
                best = (errors[at], scales[at]);
            }
            let suited = sums.xv[at] * search::inverse(sums.vv[at]);
            near = [suited, suited * (1.0 + step)];
        }
        best.1
    }
}

/// The exact errors of a group under some scales, each with what it adds to the grid's values; and the sums.
#[inline(always)]
fn exact_errors<S: Simd, G: Grid, const N: usize>(
    s: S,
    x: &[f32; N],
    w: &[f32; N],
    scales: &[f32; STEPS],
    shifts: &[f32; STEPS],
) -> ([f32; STEPS], Sums) {
    let mut inverses = [0f32; STEPS];
    for l in 0..STEPS {
        inverses[l] = search::inverse(scales[l]);
    }
    let (mut errors, mut sums) = ([0f32; STEPS], Sums::default());
    for from in (0..STEPS).step_by(S::N) {
        let (scale, inverse) = (s.load_at(scales, from), s.load_at(&inverses, from));
        let shift = s.load_at(shifts, from);
        let (mut error, mut xv, mut vv) = (s.zero(), s.zero(), s.zero());
        for i in 0..N {
            let (number, weight) = (s.splat(x[i]), s.splat(w[i]));
            let mut t = s.mul(number, inverse);
            if G::SHIFTED {
                t = s.sub(t, shift);
            }
            let mut v = G::round(s, t);
            if G::SHIFTED {
                v = s.add(v, shift);
            }
            let miss = s.fnma(scale, v, number);
            error = s.fma(s.mul(weight, miss), miss, error);
            let wv = s.mul(weight, v);
            xv = s.fma(wv, number, xv);
            vv = s.fma(wv, v, vv);
        }
        s.store_at(&mut errors, from, error);
        s.store_at(&mut sums.xv, from, xv);
        s.store_at(&mut sums.vv, from, vv);
    }
    (errors, sums)
}

/// Levels that are tried around the best one of each set.
const TRIED: usize = 3;

/// The rungs (with those of negative numbers after the positive ones) of the numbers of a group under the first scale of a set.
#[inline(always)]
fn places<S: Simd, const N: usize>(
    s: S,
    rungs: Rungs,
    first: f32,
    negative: bool,
    x: &[f32; N],
) -> [usize; N] {
    let mut rung = [0f32; N];
    let last = (rungs.count - STEPS) as f32;
    let per_octave = s.splat(rungs.per_octave);
    let from = s.splat(first - LOWEST * rungs.per_octave);
    for i in (0..N).step_by(S::N) {
        let place = s.fma(log2(s, s.load_at(x, i)), per_octave, from);
        let place = s.min(s.max(place, s.zero()), s.splat(last));
        s.store_at(&mut rung, i, s.cast_f(s.to_i32(place)));
    }
    let mut at = [0usize; N];
    for i in 0..N {
        let other = (x[i] < 0.0) != negative;
        at[i] = rung[i].to_bits() as usize + if other { rungs.count } else { 0 };
    }
    at
}

/// The logarithms of all levels' magnitudes, in rungs.
#[inline(always)]
pub fn level_logs(rungs: Rungs) -> [f32; 256] {
    let mut logs = [0f32; 256];
    for (level, log) in logs.iter_mut().enumerate() {
        *log = rungs.per_octave * log2_of(level as f32);
    }
    logs
}

/// The place of the inverse of a scale, in rungs.
#[inline(always)]
pub fn place(rungs: Rungs, scale: f32) -> f32 {
    -rungs.per_octave * log2_of(scale)
}
