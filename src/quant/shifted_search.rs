//! The search for vectors of -1, 0, 1 with a shift of an eighth up or down (iq1_s, iq1_m and their interleaved kin).
//!
//! A run of values has one scale. Its groups have a level each, and a shift or one per cell of eight; a cell is a vector of
//! the codebook. First each group's scale is estimated without the codebook, which makes the run's; then each group tries the
//! levels next to its own with all vectors, and the run's scale is fitted to what was chosen.

use super::Half;
use super::codebook::{DELTA, IQ1_S_BOOK};
use super::search::{self, inverse, limit, round_product};
use super::tiles::{LANES, Least};
use crate::simd::Simd;

/// Levels that are tried for a group.
const LEVELS: usize = 3;
/// Scales that are tried for a group without the codebook.
const SCALES: usize = 12;

/// How levels and shifts are stored.
#[derive(Clone, Copy)]
pub struct Format {
    /// A level `l` stands for `step * l + offset`.
    pub step: f32,
    pub offset: f32,
    /// The highest level.
    pub top: f32,
    /// The cells of a group have the same shift.
    pub shared: bool,
}

/// Two or four cells.
#[derive(Clone, Copy, Default)]
pub struct Group {
    pub level: u8,
    pub codes: [u16; 4],
    /// Cells that are shifted down.
    pub down: [bool; 4],
}

/// What a group's cells sum up to at one level.
#[derive(Clone, Copy, Default)]
struct Sums {
    xv: f32,
    vv: f32,
    codes: [u16; 4],
    down: [bool; 4],
}

impl Sums {
    fn error(&self, scale: f32) -> f32 {
        scale * (scale * self.vv - 2.0 * self.xv)
    }

    fn add(&mut self, cell: usize, xv: f32, vv: f32, code: u16, down: bool) {
        self.xv += xv;
        self.vv += vv;
        self.codes[cell] = code;
        self.down[cell] = down;
    }
}

/// The scale at which values rounded to -1, 0, 1 and shifted leave the least error.
#[inline(always)]
fn estimate<S: Simd, const GROUP: usize>(s: S, x: &[f32; GROUP], w: &[f32; GROUP]) -> f32 {
    let top = search::magnitude(x);
    let (one, minus_one) = (s.splat(1.0), s.splat(-1.0));
    let mut best = (0f32, 0f32);
    for shift in [DELTA, -DELTA] {
        let shift = s.splat(shift);
        for i in 0..SCALES {
            let inverse = s.splat(inverse(top * (0.3 + 0.06 * i as f32)));
            let (mut xv, mut vv) = (s.zero(), s.zero());
            for j in (0..GROUP).step_by(S::N) {
                let number = s.load_at(x, j);
                let t = s.round(s.sub(s.mul(number, inverse), shift));
                let v = s.add(s.min(s.max(t, minus_one), one), shift);
                let wv = s.mul(s.load_at(w, j), v);
                xv = s.fma(wv, number, xv);
                vv = s.fma(wv, v, vv);
            }
            let (xv, vv) = (s.sum(xv), s.sum(vv));
            if xv > 0.0 && xv * xv > best.0 * vv {
                best = (xv * xv / vv, xv / vv);
            }
        }
    }
    best.1
}

/// The best vectors of a group at each of some scales.
#[inline(always)]
fn vectors<S: Simd, const GROUP: usize>(
    s: S,
    x: &[f32; GROUP],
    w: &[f32; GROUP],
    scales: [f32; LEVELS],
    shared: bool,
) -> [Sums; LEVELS] {
    let mut inverses = [0f32; LEVELS];
    for i in 0..LEVELS {
        inverses[i] = inverse(scales[i]);
    }
    let mut by_shift = [[Sums::default(); LEVELS]; 2];
    let mut free = [Sums::default(); LEVELS];
    let cells = x.as_chunks::<8>().0.iter().zip(w.as_chunks::<8>().0);
    for (cell, (x, w)) in cells.enumerate() {
        let near = IQ1_S_BOOK.near(x, w, inverses[LEVELS / 2]);
        let mut wx = [0f32; 8];
        for j in 0..8 {
            wx[j] = w[j] * x[j];
        }
        // `Σw(v ± δ)²` is `Σwv² ± 2δ Σwv` and what is the same for all vectors.
        let mut least = [Least::<S, LEVELS>::new(s), Least::<S, LEVELS>::new(s)];
        for (begin, end) in &near.ranges[..near.n] {
            for number in *begin..*end {
                let tile = &near.tiles[number];
                let [xv, vv, wv] = tile.three_sums(s, &wx, w);
                let (mut up, mut down) = (vv, vv);
                for part in 0..LANES / S::N {
                    up[part] = s.fma(s.splat(2.0 * DELTA), wv[part], vv[part]);
                    down[part] = s.fma(s.splat(-2.0 * DELTA), wv[part], vv[part]);
                }
                least[0].offer(s, number, xv, up, &inverses);
                least[1].offer(s, number, xv, down, &inverses);
            }
        }
        for i in 0..LEVELS {
            let mut found = [(0f32, 0f32, 0u16); 2];
            for (down, found) in found.iter_mut().enumerate() {
                let (lane, tile) = least[down].lane(s, i);
                let tile = &near.tiles[tile];
                let shift = if down == 1 { -DELTA } else { DELTA };
                let (xv, vv) = tile.sums_of(lane, shift, &wx, w);
                *found = (xv, vv, tile.codes[lane]);
            }
            for (down, (xv, vv, code)) in found.into_iter().enumerate() {
                by_shift[down][i].add(cell, xv, vv, code, down == 1);
            }
            let error = |(xv, vv, _): (f32, f32, u16)| scales[i] * (scales[i] * vv - 2.0 * xv);
            let down = error(found[1]) < error(found[0]);
            let (xv, vv, code) = found[usize::from(down)];
            free[i].add(cell, xv, vv, code, down);
        }
    }
    if !shared {
        return free;
    }
    let mut best = by_shift[0];
    for i in 0..LEVELS {
        if by_shift[1][i].error(scales[i]) < best[i].error(scales[i]) {
            best[i] = by_shift[1][i];
        }
    }
    best
}

/// Fits a run of groups of `GROUP` values; `x` and `w` are changed. Returns the run's scale.
#[inline(always)]
pub fn fit<S: Simd, const GROUP: usize>(
    s: S,
    x: &mut [f32],
    w: &mut [f32],
    format: Format,
    groups: &mut [Group],
) -> Half {
    groups.fill(Group::default());
    let Some(unit) = search::normalize(x, w) else {
        return Half::default();
    };
    let (xs, ws) = (x.as_chunks::<GROUP>().0, w.as_chunks::<GROUP>().0);
    let multiple = |level: f32| format.step * level + format.offset;
    let mut ideal = vec![0f32; xs.len()];
    for ((ideal, x), w) in ideal.iter_mut().zip(xs).zip(ws) {
        *ideal = estimate(s, x, w);
    }
    let top = ideal.iter().fold(0f32, |m, v| m.max(*v));
    let store = |d: f32| Half::saturating(d * unit);
    let half = store(top / multiple(format.top));
    let d = half.get() / unit;
    let (mut sum_lx, mut sum_ll) = (0f64, 0f64);
    for (((group, ideal), x), w) in groups.iter_mut().zip(&ideal).zip(xs).zip(ws) {
        let near = round_product(ideal * inverse(d) - format.offset, 1.0 / format.step);
        let (mut levels, mut scales) = ([0f32; LEVELS], [0f32; LEVELS]);
        for i in 0..LEVELS {
            levels[i] = limit(near + i as f32 - 1.0, 0.0, format.top);
            scales[i] = d * multiple(levels[i]);
        }
        let sums = vectors(s, x, w, scales, format.shared);
        let mut best = 0;
        for i in 1..LEVELS {
            if sums[i].error(scales[i]) < sums[best].error(scales[best]) {
                best = i;
            }
        }
        *group = Group {
            level: levels[best] as u8,
            codes: sums[best].codes,
            down: sums[best].down,
        };
        let m = f64::from(multiple(levels[best]));
        sum_lx += m * f64::from(sums[best].xv);
        sum_ll += m * m * f64::from(sums[best].vv);
    }
    if sum_lx > 0.0 && sum_ll > 0.0 {
        store((sum_lx / sum_ll) as f32)
    } else {
        half
    }
}
