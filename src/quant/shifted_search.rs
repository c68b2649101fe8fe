//! The search for vectors of -1, 0, 1 with a shift of an eighth up or down (iq1_s, iq1_m and their interleaved kin).
//!
//! A run of values has one scale. Its groups have a level each, and a shift or one per cell of eight; a cell is a vector of
//! the codebook. First each group's scale is estimated without the codebook, which makes the run's; then each group tries the
//! levels next to its own with all vectors, and the run's scale is fitted to what was chosen.

use std::sync::LazyLock;

use super::Half;
use super::codebook::{DELTA, IQ1_S, ONE};
use super::search::{self, inverse, limit, round_product};
use super::tiles::{LANES, Least, PARTS, Tile};
use super::vector_search::{Book, Near};
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

/// The vectors by pairs of neighbours: a pair is the number `first + 3 * second`, of 0 to 8, where values count from 0. So a table of 16
/// numbers tells what a pair adds to a sum.
static BOOK: LazyLock<Book<8, 4>> = LazyLock::new(|| {
    Book::new(&IQ1_S, &ONE, |v| {
        std::array::from_fn(|p| v[2 * p] + 1 + 3 * (v[2 * p + 1] + 1))
    })
});

/// For each pair, what a function makes of one of its values.
const fn of_pairs(second: bool, square: f32, linear: f32) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    let mut pair = 0;
    while pair < 9 {
        let v = if second { pair / 3 } else { pair % 3 } as f32 - 1.0;
        out[pair] = square * v * v + linear * v;
        pair += 1;
    }
    out
}

/// The sums that are looked up: `Σwxv`, and `Σw(v ± δ)²` less what is the same for all vectors.
const TERMS: [[[f32; LANES]; 2]; 3] = [
    [of_pairs(false, 0.0, 1.0), of_pairs(true, 0.0, 1.0)],
    [
        of_pairs(false, 1.0, 2.0 * DELTA),
        of_pairs(true, 1.0, 2.0 * DELTA),
    ],
    [
        of_pairs(false, 1.0, -2.0 * DELTA),
        of_pairs(true, 1.0, -2.0 * DELTA),
    ],
];

/// A group at one level.
#[derive(Clone, Copy, Default)]
struct Fitted {
    level: usize,
    codes: [u16; 4],
    down: [bool; 4],
    xv: f32,
    vv: f32,
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

/// The best vectors and shifts of a group at the best of some scales.
#[inline(always)]
fn vectors<S: Simd, const GROUP: usize>(
    s: S,
    x: &[f32; GROUP],
    w: &[f32; GROUP],
    scales: [f32; LEVELS],
    shared: bool,
) -> Fitted {
    let mut inverses = [0f32; LEVELS];
    for i in 0..LEVELS {
        inverses[i] = inverse(scales[i]);
    }
    let (xs, ws) = (x.as_chunks::<8>().0, w.as_chunks::<8>().0);
    let none = [Least::<S, LEVELS>::new(s), Least::<S, LEVELS>::new(s)];
    let mut least = [none; 4];
    let mut tiles = [&[][..]; 4];
    // The errors of cells by shift and level, over the square of the scale, less what is the same for all levels.
    let mut errors = [[[0f32; LEVELS]; 2]; 4];
    let cells = xs.len().min(4);
    for cell in 0..cells {
        let (x, w) = (&xs[cell], &ws[cell]);
        let near = BOOK.near(x, w, inverses[LEVELS / 2]);
        look_through(s, &near, x, w, &inverses, &mut least[cell]);
        tiles[cell] = near.tiles;
        let (mut weight, mut sum) = (0f32, 0f32);
        for j in 0..8 {
            weight += w[j];
            sum += w[j] * x[j];
        }
        for down in 0..2 {
            let shift = if down == 1 { -DELTA } else { DELTA };
            for i in 0..LEVELS {
                let rest = shift * (shift * weight - 2.0 * inverses[i] * sum);
                errors[cell][down][i] = least[cell][down].score(s, i) + rest;
            }
        }
    }
    let mut best = (f32::INFINITY, Fitted::default());
    for level in 0..LEVELS {
        let mut fitted = Fitted {
            level,
            ..Fitted::default()
        };
        let mut both = [0f32; 2];
        for cell in 0..cells {
            both[0] += errors[cell][0][level];
            both[1] += errors[cell][1][level];
        }
        let mut error = 0f32;
        for cell in 0..cells {
            let pair = [errors[cell][0][level], errors[cell][1][level]];
            let [up, down] = if shared { both } else { pair };
            fitted.down[cell] = down < up;
            error += pair[usize::from(down < up)];
        }
        let error = scales[level] * scales[level] * error;
        if error < best.0 {
            best = (error, fitted);
        }
    }
    let mut fitted = best.1;
    for cell in 0..cells {
        let down = fitted.down[cell];
        let (lane, tile) = least[cell][usize::from(down)].lane(s, fitted.level);
        let code = tiles[cell][tile].codes[lane];
        fitted.codes[cell] = code;
        for j in 0..8 {
            let v = f32::from(IQ1_S[usize::from(code)][j]) + if down { -DELTA } else { DELTA };
            fitted.xv += ws[cell][j] * xs[cell][j] * v;
            fitted.vv += ws[cell][j] * v * v;
        }
    }
    fitted
}

/// Finds the best vectors of a cell, shifted up and down, for each of some scales. The vectors of a range have half of their values in
/// common, and so what these add to the sums. Ranges are left out that hold nothing better even if the other half suits perfectly.
#[inline(always)]
fn look_through<S: Simd>(
    s: S,
    near: &Near<'_, 4>,
    x: &[f32; 8],
    w: &[f32; 8],
    inverses: &[f32; LEVELS],
    least: &mut [Least<S, LEVELS>; 2],
) {
    let (common, other) = (2 * near.half, 2 - 2 * near.half);
    let (of_common, of_other) = (tables(s, common, x, w), tables(s, other, x, w));
    let none = [[s.zero(); PARTS]; 3];
    let firsts = Tile::<2>::of_firsts(near.tiles, &near.ranges[..near.n], common);
    let all = firsts.looked_up(s, 0, &of_common, none);
    let mut sums = [[0f32; LANES]; 3];
    for (sums, all) in sums.iter_mut().zip(&all) {
        for part in 0..LANES / S::N {
            s.store_at(sums, part * S::N, all[part]);
        }
    }
    let mut slopes = [0f32; 8];
    for i in 0..LEVELS {
        slopes[i] = -2.0 * inverses[i];
    }
    let mut left = (1u32 << near.n) - 1;
    let mut is_first = true;
    while left != 0 {
        let range = left.trailing_zeros() as usize % LANES;
        left &= left - 1;
        let mut from = none;
        for (from, sums) in from.iter_mut().zip(&sums) {
            *from = [s.splat(sums[range]); PARTS];
        }
        for number in near.ranges[range].0..near.ranges[range].1 {
            let [xv, up, down] = near.tiles[number].looked_up(s, other, &of_other, from);
            least[0].offer(s, number, xv, up, inverses);
            least[1].offer(s, number, xv, down, inverses);
        }
        if is_first {
            is_first = false;
            let mut better = 0;
            for (shift, least) in least.iter().enumerate() {
                let rest = least_of_half(s, other, x, w, &slopes, shift == 1);
                for i in 0..LEVELS {
                    let limit = s.splat(least.score(s, i) - rest[i]);
                    for part in 0..LANES / S::N {
                        let of_range =
                            s.fma(s.splat(slopes[i]), all[0][part], all[1 + shift][part]);
                        better |= s.bits_of(s.lt(of_range, limit)) << (part * S::N);
                    }
                }
            }
            left &= better;
        }
    }
}

/// The least that the values of two pairs, from pair `first` on, can add to the scores of these slopes, if any may be -1, 0 or 1.
#[inline(always)]
fn least_of_half<S: Simd>(
    s: S,
    first: usize,
    x: &[f32; 8],
    w: &[f32; 8],
    slopes: &[f32; 8],
    down: bool,
) -> [f32; 8] {
    let h = s.half();
    let slopes = h.load_at(slopes, 0);
    let shift = h.splat(if down { -2.0 * DELTA } else { 2.0 * DELTA });
    let mut sum = h.zero();
    for j in 2 * first..2 * first + 4 {
        let w = h.splat(w[j]);
        let linear = h.mul(w, h.fma(slopes, h.splat(x[j]), shift));
        sum = h.add(sum, h.min(h.sub(w, h.abs(linear)), h.zero()));
    }
    let mut least = [0f32; 8];
    h.store_at(&mut least, 0, sum);
    least
}

/// What each of two pairs of a cell, from pair `first` on, adds to the sums of [`TERMS`].
#[inline(always)]
fn tables<S: Simd>(s: S, first: usize, x: &[f32; 8], w: &[f32; 8]) -> [[[S::F; 2]; 2]; 3] {
    let mut tables = [[[s.zero(); 2]; 2]; 3];
    for p in 0..2 {
        let at = 2 * (first + p);
        for (t, term) in TERMS.iter().enumerate() {
            let [mut one, mut two] = [w[at], w[at + 1]];
            if t == 0 {
                (one, two) = (one * x[at], two * x[at + 1]);
            }
            for part in 0..LANES / S::N {
                let sum = s.mul(s.splat(one), s.load_at(&term[0], part * S::N));
                let two = s.splat(two);
                tables[t][p][part] = s.fma(two, s.load_at(&term[1], part * S::N), sum);
            }
        }
    }
    tables
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
    let (mut sum_lx, mut sum_ll, mut sum_xx) = (0f64, 0f64, 0f64);
    for (((group, ideal), x), w) in groups.iter_mut().zip(&ideal).zip(xs).zip(ws) {
        let near = round_product(ideal * inverse(d) - format.offset, 1.0 / format.step);
        let (mut levels, mut scales) = ([0f32; LEVELS], [0f32; LEVELS]);
        for i in 0..LEVELS {
            levels[i] = limit(near + i as f32 - 1.0, 0.0, format.top);
            scales[i] = d * multiple(levels[i]);
        }
        let fitted = vectors(s, x, w, scales, format.shared);
        *group = Group {
            level: levels[fitted.level] as u8,
            codes: fitted.codes,
            down: fitted.down,
        };
        let m = f64::from(multiple(levels[fitted.level]));
        sum_lx += m * f64::from(fitted.xv);
        sum_ll += m * m * f64::from(fitted.vv);
        for j in 0..GROUP {
            sum_xx += f64::from(w[j] * x[j] * x[j]);
        }
    }
    if sum_lx > 0.0 && sum_ll > 0.0 {
        store(search::raised(sum_lx as f32, sum_ll as f32, sum_xx as f32))
    } else {
        half
    }
}
