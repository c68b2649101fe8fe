//! The search for vectors of -1, 0, 1 with a shift of an eighth up or down (iq1_s, iq1_m and their interleaved kin).
//!
//! A run of values has one scale. Its groups have a level each, and a shift or one per cell of eight; a cell is a vector of
//! the codebook. First each group's scale is estimated without the codebook, which makes the run's; then each group tries the
//! levels next to its own with all vectors, and the run's scale is fitted to what was chosen.

use std::sync::LazyLock;

use super::Half;
use super::codebook::{DELTA, IQ1_S, ONE};
use super::search::{self, inverse, limit, round_product};
use super::tiles::{LANES, Least};
use super::vector_search::Book;
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
        let tables = tables(s, x, w);
        for (begin, end) in &near.ranges[..near.n] {
            for number in *begin..*end {
                let [xv, up, down] = near.tiles[number].looked_up(s, &tables);
                least[cell][0].offer(s, number, xv, up, &inverses);
                least[cell][1].offer(s, number, xv, down, &inverses);
            }
        }
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

/// What each pair of a cell adds to the sums of [`TERMS`].
#[inline(always)]
fn tables<S: Simd>(s: S, x: &[f32; 8], w: &[f32; 8]) -> [[[S::F; 2]; 4]; 3] {
    let mut tables = [[[s.zero(); 2]; 4]; 3];
    for p in 0..4 {
        for (t, term) in TERMS.iter().enumerate() {
            let [mut first, mut second] = [w[2 * p], w[2 * p + 1]];
            if t == 0 {
                (first, second) = (first * x[2 * p], second * x[2 * p + 1]);
            }
            for part in 0..LANES / S::N {
                let sum = s.mul(s.splat(first), s.load_at(&term[0], part * S::N));
                let second = s.splat(second);
                tables[t][p][part] = s.fma(second, s.load_at(&term[1], part * S::N), sum);
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
