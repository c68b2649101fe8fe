//! What encoders search for: scales, minimums and codes of least weighted squared error.
//!
//! A code stands for a value of a [`Grid`](super::grid::Grid); a group of numbers `x` is approximated by a scale times grid values `v`. For given `v`
//! the best scale is `Σwxv / Σwv²` and leaves the error `Σwx² - (Σwxv)² / Σwv²`, so searches maximize `(Σwxv)² / Σwv²` over the
//! grid values to which a set of candidate scales rounds, then improve single codes. Candidates are tried eight at a time, one
//! in each lane, so that compilers make vector code of it.
//!
//! Everything is `inline(always)`: it is compiled into each codec, for each level of instructions. That is also why hot loops
//! are loops over indices: closures given to the standard library's functions are compiled for the baseline only.

use super::grid::{Grid, Signed};

/// Candidates tried at once.
pub const LANES: usize = 8;
/// One number per candidate.
pub type Lanes = [f32; LANES];

/// Below this magnitude a group counts as all zeros.
pub const TINY: f32 = 1e-15;

/// Added and subtracted, this rounds a float of magnitude below 2^22 to nearest, ties to even.
const ROUND: f32 = 12_582_912.0;

/// `t` limited to `lo..=hi`, in the form that becomes two vector instructions.
#[inline(always)]
pub fn limit(t: f32, lo: f32, hi: f32) -> f32 {
    let t = if t > lo { t } else { lo };
    if t < hi { t } else { hi }
}

/// `a * b` rounded to nearest (after exact multiplication), ties to even.
#[inline(always)]
pub fn round_product(a: f32, b: f32) -> f32 {
    a.mul_add(b, ROUND) - ROUND
}

/// The mean of the squares of a row.
#[inline(always)]
pub fn mean_square(x: &[f32]) -> f32 {
    let mut sum = [0f32; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (s, v) in sum.iter_mut().zip(chunk) {
            *s += v * v;
        }
    }
    let rest: f32 = rest.iter().map(|v| v * v).sum();
    let mean = (sum.iter().sum::<f32>() + rest) / x.len().max(1) as f32;
    if mean.is_finite() { mean } else { f32::MAX }
}

/// The magnitude of a value, smoothed by the mean square around it.
#[inline(always)]
fn smoothed(v: f32, sigma2: f32) -> f32 {
    limit(sigma2 + v * v, 0.0, f32::MAX).sqrt()
}

/// Weights for a group: the importance of each column times the magnitude of its value, smoothed by the row's.
#[inline(always)]
pub fn importance<const N: usize>(x: &[f32; N], weights: &[f32; N], sigma2: f32) -> [f32; N] {
    std::array::from_fn(|i| weights[i] * smoothed(x[i], sigma2))
}

/// The weights of block `i` of a row: column importance (1 without) times magnitude, smoothed by the block's.
#[inline(always)]
pub fn block_importance<const N: usize>(
    x: &[f32; N],
    weights: Option<&[f32]>,
    i: usize,
) -> [f32; N] {
    let sigma2 = 2.0 * mean_square(x);
    let magnitude = x.map(|v| smoothed(v, sigma2));
    match weights.and_then(|w| w.as_chunks::<N>().0.get(i)) {
        Some(w) => std::array::from_fn(|j| w[j] * magnitude[j]),
        None => magnitude,
    }
}

/// `1 / scale`; 0 where there is none.
#[inline(always)]
pub fn inverse(scale: f32) -> f32 {
    let inverse = 1.0 / scale;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// The first value of largest magnitude.
#[inline(always)]
pub fn largest(x: &[f32]) -> f32 {
    let amax = x.iter().fold(0f32, |m, v| m.max(v.abs()));
    x.iter().copied().find(|v| v.abs() == amax).unwrap_or(0.0)
}

/// The power of two that brings `magnitude` to 1..2 (to below 2 for the tiniest).
#[inline(always)]
fn normalizer(magnitude: f32) -> f32 {
    let exponent = (magnitude.to_bits() >> 23) as i32 & 0xff;
    f32::from_bits(((254 - exponent).clamp(1, 254) as u32) << 23)
}

/// Brings values and weights to magnitudes around 1, where nothing over- or underflows, by powers of two, so that no bit is lost.
/// Returns what to multiply the values by to have the original back; `None` if all are zero. Weights that are all zero, or
/// not numbers, become equal.
#[inline(always)]
pub fn normalize(x: &mut [f32], w: &mut [f32]) -> Option<f32> {
    let magnitude = x.iter().fold(0f32, |m, v| m.max(v.abs()));
    if magnitude < TINY {
        return None;
    }
    let factor = normalizer(magnitude);
    let top = w.iter().fold(0f32, |m, v| m.max(*v));
    let usable = top > 0.0 && top.is_finite();
    let weigh = normalizer(top);
    for v in x.iter_mut() {
        *v *= factor;
    }
    for v in w.iter_mut() {
        *v = if usable { *v * weigh } else { 1.0 };
    }
    Some(1.0 / factor)
}

/// A group's scale on a grid, and by how much it lessens the weighted square of the group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fit {
    pub scale: f32,
    pub gain: f32,
}

/// The best scale for a group on a grid, and the codes it rounds to.
#[inline(always)]
pub fn on_grid<G: Grid, const N: usize>(grid: &G, x: &[f32; N], w: &[f32; N]) -> (Fit, [u8; N]) {
    let (mut x, mut w) = (*x, *w);
    let nothing = (Fit::default(), [grid.code(0.0); N]);
    let weight = w.iter().fold(0f32, |m, v| m.max(*v));
    let Some(unit) = normalize(&mut x, &mut w) else {
        return nothing;
    };
    let max = largest(&x);
    let (first, last) = (grid.value(0), grid.value((G::CODES - 1) as u8));

    // The largest value goes on (or near) either end of the grid.
    let step = (last - first) / (G::CODES - 1) as f32 * 0.1;
    let mut inverse = first / max;
    let mut candidates = [[inverse; LANES]; 5];
    for i in 0..38 {
        let offset = step * (i as i32 / 2 - 9) as f32;
        let end = if i % 2 == 0 {
            first - offset
        } else {
            last + offset
        };
        candidates[i / LANES][i % LANES] = end / max;
    }

    // Fused multiply-adds here and plain ones in the lanes, as compilers make of the reference: q6_0 is equal to the bit.
    let (mut sum_xv, mut sum_vv) = (0f32, 0f32);
    if G::FREE {
        for (x, w) in x.iter().zip(&w) {
            let v = grid.nearest(*x, inverse);
            sum_xv = (w * x).mul_add(v, sum_xv);
            sum_vv = (w * v).mul_add(v, sum_vv);
        }
    }
    let mut gain = if sum_vv > 0.0 {
        sum_xv / sum_vv * sum_xv
    } else {
        0.0
    };
    for batch in &candidates {
        let (xv, vv) = sums_of_lanes(grid, &x, &w, batch);
        for l in 0..LANES {
            if vv[l] > 0.0 && xv[l] * xv[l] > gain * vv[l] {
                (inverse, sum_xv, sum_vv) = (batch[l], xv[l], vv[l]);
                gain = xv[l] / vv[l] * xv[l];
            }
        }
    }
    if sum_vv <= 0.0 {
        return nothing;
    }
    let mut codes = codes_at(grid, &x, &w, inverse);
    if G::FREE {
        (sum_xv, sum_vv) = improve(grid, &x, &w, &mut codes, sum_xv, sum_vv);
    }
    let scale = sum_xv / sum_vv;
    let fit = Fit {
        scale: scale * unit,
        gain: scale * sum_xv * (unit * unit) * if weight > 0.0 { weight } else { 1.0 },
    };
    (fit, codes)
}

/// Four elements of a group.
#[inline(always)]
pub fn pick<const N: usize>(x: &[f32; N], at: [usize; 4]) -> [f32; 4] {
    [x[at[0]], x[at[1]], x[at[2]], x[at[3]]]
}

/// The codes of a group under an inverse scale.
#[inline(always)]
pub fn codes_at<G: Grid, const N: usize>(
    grid: &G,
    x: &[f32; N],
    w: &[f32; N],
    inverse: f32,
) -> [u8; N] {
    let mut codes = [0; N];
    if G::FREE {
        for i in 0..N {
            codes[i] = grid.code(x[i] * inverse);
        }
        return codes;
    }
    for i in 0..N / 4 {
        let at = G::quad(i);
        let v = grid.quad_values(&pick(x, at), &pick(w, at), &[inverse; LANES]);
        for k in 0..4 {
            codes[at[k]] = grid.code(v[k][0]);
        }
    }
    codes
}

/// `Σwxv` and `Σwv²` for eight candidate inverse scales.
#[inline(always)]
fn sums_of_lanes<G: Grid, const N: usize>(
    grid: &G,
    x: &[f32; N],
    w: &[f32; N],
    inverse: &Lanes,
) -> (Lanes, Lanes) {
    let mut xv = [0f32; LANES];
    let mut vv = [0f32; LANES];
    for i in 0..N / 4 {
        let at = G::quad(i);
        let v = grid.quad_values(&pick(x, at), &pick(w, at), inverse);
        for k in 0..4 {
            let w = w[at[k]];
            let wx = w * x[at[k]];
            for l in 0..LANES {
                xv[l] += wx * v[k][l];
                vv[l] += (w * v[k][l]) * v[k][l];
            }
        }
    }
    (xv, vv)
}

/// Moves single codes to a neighbour, steepest descent first, as long as that lessens the error. Returns the sums `Σwxv`, `Σwv²`.
#[inline(always)]
fn improve<G: Grid, const N: usize>(
    grid: &G,
    x: &[f32; N],
    w: &[f32; N],
    codes: &mut [u8; N],
    mut sum_xv: f32,
    mut sum_vv: f32,
) -> (f32, f32) {
    for _ in 0..N * G::CODES {
        let scale = sum_xv / sum_vv;
        let mut best = 0f32;
        let mut found = None;
        for (j, code) in codes.iter().enumerate() {
            let v = grid.value(*code);
            let slope = scale * w[j] * (-scale).mul_add(v, x[j]);
            let to = match slope {
                s if s > 0.0 && usize::from(*code) + 1 < G::CODES => code + 1,
                s if s < 0.0 && *code > 0 => code - 1,
                _ => continue,
            };
            let steepness = slope / (grid.value(to) - v);
            if steepness > best {
                best = steepness;
                found = Some((j, to));
            }
        }
        let Some((j, to)) = found else { break };
        let (old, new) = (grid.value(codes[j]), grid.value(to));
        let xv = sum_xv + w[j] * x[j] * (new - old);
        let vv = w[j].mul_add(new * new - old * old, sum_vv);
        if !(vv > 0.0 && xv * xv > scale * sum_xv * vv) {
            break;
        }
        (sum_xv, sum_vv) = (xv, vv);
        codes[j] = to;
    }
    (sum_xv, sum_vv)
}

/// [`on_grid`] for signed integers.
#[inline(always)]
pub fn symmetric<const N: usize, const BITS: u32>(x: &[f32; N], w: &[f32; N]) -> (f32, [u8; N]) {
    let (fit, codes) = on_grid(&Signed::<BITS>, x, w);
    (fit.scale, codes)
}

/// [`symmetric`] where each value weighs its square.
#[inline(always)]
pub fn symmetric_square<const N: usize, const BITS: u32>(x: &[f32; N]) -> (f32, [u8; N]) {
    symmetric::<N, BITS>(x, &x.map(|v| v * v))
}

/// Sums over a group of codes `q`, from which the best scale and minimum follow.
#[derive(Clone, Copy, Default)]
struct Line {
    w: f32,
    x: f32,
    q: f32,
    qq: f32,
    qx: f32,
}

impl Line {
    /// Scale, minimum, and by how much they lessen `Σwx²`. The minimum is at most `highest`.
    #[inline(always)]
    fn fit(&self, highest: f32) -> (f32, f32, f32) {
        let det = self.w * self.qq - self.q * self.q;
        let (mut scale, mut min) = if det > 0.0 {
            (
                (self.w * self.qx - self.x * self.q) / det,
                (self.qq * self.x - self.q * self.qx) / det,
            )
        } else {
            (0.0, f32::INFINITY)
        };
        if min > highest {
            min = highest;
            scale = if self.qq > 0.0 {
                (self.qx - min * self.q) / self.qq
            } else {
                0.0
            };
        }
        let gain = 2.0 * (scale * self.qx + min * self.x - scale * min * self.q)
            - scale * scale * self.qq
            - min * min * self.w;
        (scale, min, gain)
    }
}

/// Scale, minus the minimum (at least 0) and codes `0..2^BITS` of a group, with weights: `x ≈ scale * code - min`.
#[inline(always)]
pub fn affine<const N: usize, const BITS: u32>(x: &[f32; N], w: &[f32; N]) -> (f32, f32, [u8; N]) {
    let top = ((1u32 << BITS) - 1) as f32;
    let (mut x, mut w) = (*x, *w);
    let Some(unit) = normalize(&mut x, &mut w) else {
        return (0.0, 0.0, [0; N]);
    };
    let low = x.iter().fold(0f32, |m, v| m.min(*v));
    let high = x.iter().fold(f32::MIN, |m, v| m.max(*v));
    if high - low < 1e-10 {
        return (0.0, -low * unit, [0; N]);
    }
    let mut total = Line::default();
    for (x, w) in x.iter().zip(&w) {
        total.w += w;
        total.x += w * x;
    }

    let mut best = (0.0, low, f32::MIN);
    let mut codes = [0u8; N];
    let mut line = total;
    let mut inverse = 0.0;
    for batch in 0..5 {
        let candidates: Lanes = std::array::from_fn(|l| {
            (top + 0.05 * ((batch * LANES + l) as f32 - 19.5)) / (high - low)
        });
        let mut sums = [[0f32; LANES]; 3];
        for i in 0..N {
            let (x, w) = (x[i], w[i]);
            for l in 0..LANES {
                let q = limit(round_product(x - low, candidates[l]), 0.0, top);
                let wq = w * q;
                sums[0][l] += wq;
                sums[1][l] = wq.mul_add(q, sums[1][l]);
                sums[2][l] = wq.mul_add(x, sums[2][l]);
            }
        }
        for l in 0..LANES {
            let this = Line {
                q: sums[0][l],
                qq: sums[1][l],
                qx: sums[2][l],
                ..total
            };
            let fit = this.fit(0.0);
            if fit.2 > best.2 && fit.0 > 0.0 {
                (best, line, inverse) = (fit, this, candidates[l]);
            }
        }
    }
    for (q, x) in codes.iter_mut().zip(&x) {
        *q = limit(round_product(x - low, inverse), 0.0, top) as u8;
    }

    // Single codes: the one furthest from its value first.
    let mut last = None;
    for _ in 0..N * 4 {
        let (scale, min, gain) = best;
        let mut worst = 0.0;
        let mut found = None;
        for (j, code) in codes.iter().enumerate() {
            let miss = x[j] - scale * f32::from(*code) - min;
            let room = if miss > 0.0 {
                f32::from(*code) < top
            } else {
                *code > 0
            };
            if room && miss.abs() > worst {
                worst = miss.abs();
                found = Some((j, miss > 0.0));
            }
        }
        let Some((j, up)) = found else { break };
        if last == Some((j, !up)) {
            break;
        }
        last = found;
        let (w, x, old) = (w[j], x[j], f32::from(codes[j]));
        let new = if up { old + 1.0 } else { old - 1.0 };
        let next = Line {
            q: line.q + w * (new - old),
            qq: line.qq + w * (new * new - old * old),
            qx: line.qx + w * x * (new - old),
            ..total
        };
        let fit = next.fit(0.0);
        if !(fit.2 > gain && fit.0 > 0.0) {
            break;
        }
        (best, line) = (fit, next);
        codes[j] = new as u8;
    }
    (best.0 * unit, -best.1 * unit, codes)
}
