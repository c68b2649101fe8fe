//! The search for the vectors of a codebook that leave the least weighted squared error.
//!
//! For a vector `v` in place of values `x` under a scale `s` the error is `Σwx² - 2s Σwxv + s² Σwv²`. The two sums do not depend on
//! the scale: they are made once for all vectors of the codebook, and each scale that is tried only compares their combinations.

use super::Half;
use super::search::{self, LANES, inverse, limit, round_product};
use super::superblock::BLOCK;

/// A codebook coordinate by coordinate, and the squares of its values.
pub struct Searched<const W: usize, const N: usize> {
    values: [[f32; N]; W],
    squares: [[f32; N]; W],
}

impl<const W: usize, const N: usize> Searched<W, N> {
    pub const fn new(vectors: &[[i8; W]; N]) -> Searched<W, N> {
        Searched::shifted(vectors, 0.0)
    }

    /// With `shift` added to all values.
    pub const fn shifted(vectors: &[[i8; W]; N], shift: f32) -> Searched<W, N> {
        let mut out = Searched {
            values: [[0.0; N]; W],
            squares: [[0.0; N]; W],
        };
        let mut i = 0;
        while i < N * W {
            let v = vectors[i / W][i % W] as f32 + shift;
            out.values[i % W][i / W] = v;
            out.squares[i % W][i / W] = v * v;
            i += 1;
        }
        out
    }
}

/// What a type's vectors and levels mean.
#[derive(Clone, Copy)]
pub struct Vectors {
    /// The largest value in a vector.
    top: f32,
    /// The scale of a block over the scale of a group at level `l`, times `2 l + 1`.
    divisor: f32,
    /// Only even numbers of negative values in eight.
    even: bool,
}

impl Vectors {
    pub const fn even(top: f32, divisor: f32) -> Vectors {
        Vectors {
            top,
            divisor,
            even: true,
        }
    }
    pub const fn free(top: f32, divisor: f32) -> Vectors {
        Vectors {
            top,
            divisor,
            even: false,
        }
    }
}

/// A block of vectors: the scale, a 4-bit level per group, a vector's number per cell, eight signs per byte.
pub struct Fit {
    pub d: Half,
    pub levels: [u8; 16],
    pub codes: [u16; 64],
    pub signs: [u8; 32],
}

/// Scales that are tried for a group alone.
const SCALES: usize = 8;
/// Levels that are tried for a group under the block's scale.
const LEVELS: usize = 3;
/// The highest level, as the multiple of the unit that it stands for.
const TOP_LEVEL: f32 = 31.0;
/// How often the levels are chosen; the second time is worth its time for small codebooks.
const fn passes(n: usize) -> usize {
    if n <= 256 { 2 } else { 1 }
}

/// `Σwv²` and `Σwxv` for each vector.
#[inline(always)]
pub fn products<const W: usize, const N: usize>(
    vectors: &Searched<W, N>,
    x: &[f32; W],
    w: &[f32; W],
    vv: &mut [f32; N],
    xv: &mut [f32; N],
) {
    let mut wx = [0f32; W];
    for j in 0..W {
        wx[j] = w[j] * x[j];
    }
    for e in 0..N {
        let (mut a, mut b) = (0f32, 0f32);
        for j in 0..W {
            let (v, square) = (vectors.values[j][e], vectors.squares[j][e]);
            a = w[j].mul_add(square, a);
            b = wx[j].mul_add(v, b);
        }
        vv[e] = a;
        xv[e] = b;
    }
}

/// The vector of least error under an inverse scale.
#[inline(always)]
pub fn nearest<const N: usize>(vv: &[f32; N], xv: &[f32; N], inverse: f32) -> usize {
    let factor = -2.0 * inverse;
    let mut least = [f32::INFINITY; LANES];
    let mut at = [0u32; LANES];
    let chunks = vv
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(xv.as_chunks::<LANES>().0);
    for (i, (a, b)) in chunks.enumerate() {
        for l in 0..LANES {
            let score = factor.mul_add(b[l], a[l]);
            let better = score < least[l];
            least[l] = if better { score } else { least[l] };
            at[l] = if better { i as u32 } else { at[l] };
        }
    }
    let mut best = 0;
    for l in 1..LANES {
        if least[l] < least[best] {
            best = l;
        }
    }
    at[best] as usize * LANES + best
}

/// Takes the signs off. Where only even numbers of them are allowed, the least important value changes its own if need be.
#[inline(always)]
fn take_signs(x: &mut [f32; BLOCK], w: &[f32; BLOCK], even: bool) -> [u8; 32] {
    let mut signs = [0u8; 32];
    for (i, x) in x.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let (mut least, mut cheapest) = (f32::INFINITY, 0);
        for j in 0..8 {
            let cost = w[8 * i + j] * x[j] * x[j];
            if cost < least {
                (least, cheapest) = (cost, j);
            }
            if x[j] < 0.0 {
                signs[i] |= 1 << j;
                x[j] = -x[j];
            }
        }
        if even && signs[i].count_ones() % 2 == 1 {
            signs[i] ^= 1 << cheapest;
            x[cheapest] = -x[cheapest];
        }
    }
    signs
}

/// The best scale of a group alone.
#[inline(always)]
fn group_scale<const W: usize, const N: usize, const GROUP: usize>(
    vectors: &Searched<W, N>,
    x: &[f32; GROUP],
    w: &[f32; GROUP],
    top: f32,
) -> f32 {
    let max = search::largest(x).abs();
    if max < search::TINY {
        return 0.0;
    }
    let (mut vv, mut xv) = ([0f32; N], [0f32; N]);
    let mut sums = [(0f32, 0f32); SCALES];
    for (x, w) in x.as_chunks::<W>().0.iter().zip(w.as_chunks::<W>().0) {
        products(vectors, x, w, &mut vv, &mut xv);
        for (i, sum) in sums.iter_mut().enumerate() {
            // The largest value from 0.65 to 1.35 times the largest of the vectors.
            let e = nearest(&vv, &xv, top * (0.65 + 0.1 * i as f32) / max);
            sum.0 += xv[e];
            sum.1 += vv[e];
        }
    }
    let (mut scale, mut gain) = (0.0, 0.0);
    for (xv, vv) in sums {
        if xv > 0.0 && vv > 0.0 && xv * xv > gain * vv {
            scale = xv / vv;
            gain = scale * xv;
        }
    }
    scale
}

/// A group under the block's scale: its level, its vectors, its error, and the sums for the block's scale.
struct Leveled {
    level: f32,
    error: f32,
    xv: f32,
    vv: f32,
    codes: [u16; 8],
}

#[inline(always)]
fn best_level<const W: usize, const N: usize, const GROUP: usize>(
    vectors: &Searched<W, N>,
    x: &[f32; GROUP],
    w: &[f32; GROUP],
    d: f32,
    near: f32,
) -> Leveled {
    let mut tried = [0f32; LEVELS];
    for (i, level) in tried.iter_mut().enumerate() {
        *level = limit(near + 2.0 * (i as f32 - 1.0), 1.0, TOP_LEVEL);
    }
    let (mut vv, mut xv) = ([0f32; N], [0f32; N]);
    let mut sums = [(0f32, 0f32); LEVELS];
    let mut codes = [[0u16; 8]; LEVELS];
    let mut square = 0f32;
    for (cell, (x, w)) in x
        .as_chunks::<W>()
        .0
        .iter()
        .zip(w.as_chunks::<W>().0)
        .enumerate()
    {
        products(vectors, x, w, &mut vv, &mut xv);
        for i in 0..LEVELS {
            let e = nearest(&vv, &xv, inverse(d * tried[i]));
            sums[i].0 += xv[e];
            sums[i].1 += vv[e];
            codes[i][cell % 8] = e as u16;
        }
        for j in 0..W {
            square += w[j] * x[j] * x[j];
        }
    }
    let mut best = (0, f32::INFINITY);
    for i in 0..LEVELS {
        let scale = d * tried[i];
        let error = square - 2.0 * scale * sums[i].0 + scale * scale * sums[i].1;
        if error < best.1 {
            best = (i, error);
        }
    }
    Leveled {
        level: tried[best.0],
        error: best.1,
        xv: sums[best.0].0,
        vv: sums[best.0].1,
        codes: codes[best.0],
    }
}

/// Fits a block: groups of `GROUP` values have a level each; their cells of `W` values are vectors.
#[inline(always)]
pub fn fit<const W: usize, const N: usize, const GROUP: usize>(
    vectors: &Searched<W, N>,
    x: &[f32; BLOCK],
    w: &[f32; BLOCK],
    meaning: Vectors,
) -> Fit {
    let (mut x, mut w) = (*x, *w);
    let mut out = Fit {
        d: Half::default(),
        levels: [0; 16],
        codes: [0; 64],
        signs: [0; 32],
    };
    let Some(unit) = search::normalize(&mut x, &mut w) else {
        return out;
    };
    out.signs = take_signs(&mut x, &w, meaning.even);
    let (xs, ws) = (x.as_chunks::<GROUP>().0, w.as_chunks::<GROUP>().0);
    let (groups, cells) = (BLOCK / GROUP, GROUP / W);

    let mut ideal = [0f32; 16];
    let mut top = 0f32;
    for g in 0..groups {
        ideal[g] = group_scale::<W, N, GROUP>(vectors, &xs[g], &ws[g], meaning.top);
        top = top.max(ideal[g]);
    }
    let store = |d: f32| Half::saturating(d * meaning.divisor * unit);
    let mut half = store(top / TOP_LEVEL);
    let mut least = f32::INFINITY;
    for _ in 0..passes(N) {
        let d = half.get() / unit / meaning.divisor;
        let id = inverse(d);
        let (mut error, mut sum_lx, mut sum_ll) = (0f32, 0f32, 0f32);
        let (mut levels, mut codes) = ([0; 16], [0; 64]);
        for g in 0..groups {
            let near = 2.0 * round_product(ideal[g] * id - 1.0, 0.5) + 1.0;
            let fit =
                best_level::<W, N, GROUP>(vectors, &xs[g], &ws[g], d, limit(near, 1.0, TOP_LEVEL));
            error += fit.error;
            sum_lx += fit.level * fit.xv;
            sum_ll += fit.level * fit.level * fit.vv;
            levels[g] = (fit.level as u8 - 1) / 2;
            codes[g * cells..][..cells].copy_from_slice(&fit.codes[..cells]);
        }
        if error < least {
            least = error;
            (out.d, out.levels, out.codes) = (half, levels, codes);
        }
        if !(sum_ll > 0.0 && sum_lx > 0.0) {
            break;
        }
        half = store(sum_lx / sum_ll);
    }
    out
}
