//! What encoders search for: scales, minimums and codes of least weighted squared error.
//!
//! A code stands for a value of a [`Grid`]; a group of numbers `x` is approximated by a scale times grid values `v`. For given `v`
//! the best scale is `Σwxv / Σwv²` and leaves the error `Σwx² - (Σwxv)² / Σwv²`, so searches maximize `(Σwxv)² / Σwv²` over the
//! grid values to which a set of candidate scales rounds, then improve single codes. Candidates are tried eight at a time, one
//! in each lane, so that compilers make vector code of it.
//!
//! Everything is `inline(always)`: it is compiled into each codec, for each level of instructions.

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

/// The values that codes stand for, ascending.
pub trait Grid {
    const CODES: usize;
    fn value(code: u8) -> f32;
    /// The grid value nearest to `a * b`.
    fn nearest(a: f32, b: f32) -> f32;
    /// The code of the grid value nearest to `t`.
    fn code(t: f32) -> u8;
}

/// `-2^(BITS-1) ..= 2^(BITS-1) - 1`; code 0 is the least.
pub struct Signed<const BITS: u32>;

impl<const BITS: u32> Grid for Signed<BITS> {
    const CODES: usize = 1 << BITS;
    #[inline(always)]
    fn value(code: u8) -> f32 {
        f32::from(i16::from(code) - (1 << (BITS - 1)))
    }
    #[inline(always)]
    fn nearest(a: f32, b: f32) -> f32 {
        let half = (1 << (BITS - 1)) as f32;
        limit(round_product(a, b), -half, half - 1.0)
    }
    #[inline(always)]
    fn code(t: f32) -> u8 {
        (Self::nearest(t, 1.0) as i32 + (1 << (BITS - 1))) as u8
    }
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

/// A group brought to magnitudes around 1, where nothing over- or underflows. The factors are powers of two, so no bit is lost.
pub struct Scaled<const N: usize> {
    pub x: [f32; N],
    pub w: [f32; N],
    /// `x` times this (a power of two) is the original.
    pub unit: f32,
}

impl<const N: usize> Scaled<N> {
    /// `None` if the group is all zeros. Weights that are all zero, or not numbers, count as equal.
    #[inline(always)]
    pub fn new(x: &[f32; N], w: &[f32; N], magnitude: f32) -> Option<Scaled<N>> {
        if magnitude.abs() < TINY {
            return None;
        }
        let factor = normalizer(magnitude.abs());
        let top = w.iter().fold(0f32, |m, v| m.max(*v));
        let usable = top > 0.0 && top.is_finite();
        let weigh = normalizer(top);
        Some(Scaled {
            x: x.map(|v| v * factor),
            w: w.map(|v| if usable { v * weigh } else { 1.0 }),
            unit: 1.0 / factor,
        })
    }
}

/// The scale and codes of a group on a grid, with weights.
#[inline(always)]
pub fn on_grid<G: Grid, const N: usize>(x: &[f32; N], w: &[f32; N]) -> (f32, [u8; N]) {
    let max = largest(x);
    let Some(group) = Scaled::new(x, w, max) else {
        return (0.0, [0; N]);
    };
    let max = max / group.unit;
    let (first, last) = (G::value(0), G::value((G::CODES - 1) as u8));

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
    for (x, w) in group.x.iter().zip(&group.w) {
        let v = G::nearest(*x, inverse);
        sum_xv = (w * x).mul_add(v, sum_xv);
        sum_vv = (w * v).mul_add(v, sum_vv);
    }
    let mut score = if sum_vv > 0.0 {
        sum_xv / sum_vv * sum_xv
    } else {
        0.0
    };
    for batch in &candidates {
        let (xv, vv) = sums_of_lanes::<G, N>(&group, batch);
        for l in 0..LANES {
            if vv[l] > 0.0 && xv[l] * xv[l] > score * vv[l] {
                (inverse, sum_xv, sum_vv) = (batch[l], xv[l], vv[l]);
                score = xv[l] / vv[l] * xv[l];
            }
        }
    }
    if sum_vv <= 0.0 {
        return (0.0, [G::code(0.0); N]);
    }
    let mut codes = [0; N];
    for (q, x) in codes.iter_mut().zip(&group.x) {
        *q = G::code(G::nearest(*x, inverse));
    }
    let scale = improve::<G, N>(&group, &mut codes, sum_xv, sum_vv);
    (scale * group.unit, codes)
}

/// `Σwxv` and `Σwv²` for eight candidate inverse scales.
#[inline(always)]
fn sums_of_lanes<G: Grid, const N: usize>(group: &Scaled<N>, inverse: &Lanes) -> (Lanes, Lanes) {
    let mut xv = [0f32; LANES];
    let mut vv = [0f32; LANES];
    for i in 0..N {
        let (x, w) = (group.x[i], group.w[i]);
        let wx = w * x;
        for l in 0..LANES {
            let v = G::nearest(x, inverse[l]);
            xv[l] += wx * v;
            vv[l] += (w * v) * v;
        }
    }
    (xv, vv)
}

/// `Σwxv` and `Σwv²` for one inverse scale.
#[inline(always)]
pub fn sums<G: Grid, const N: usize>(x: &[f32; N], w: &[f32; N], inverse: f32) -> (f32, f32) {
    let mut xv = [0f32; LANES];
    let mut vv = [0f32; LANES];
    let (xs, ws) = (x.as_chunks::<LANES>().0, w.as_chunks::<LANES>().0);
    for (x, w) in xs.iter().zip(ws) {
        for l in 0..LANES {
            let v = G::nearest(x[l], inverse);
            xv[l] = (w[l] * x[l]).mul_add(v, xv[l]);
            vv[l] = (w[l] * v).mul_add(v, vv[l]);
        }
    }
    (xv.iter().sum(), vv.iter().sum())
}

/// Moves single codes to a neighbour, steepest descent first, as long as that lessens the error. Returns the best scale.
#[inline(always)]
fn improve<G: Grid, const N: usize>(
    group: &Scaled<N>,
    codes: &mut [u8; N],
    mut sum_xv: f32,
    mut sum_vv: f32,
) -> f32 {
    let mut scale = sum_xv / sum_vv;
    for _ in 0..N * G::CODES {
        let mut best = 0f32;
        let mut found = None;
        for j in 0..N {
            let v = G::value(codes[j]);
            let slope = scale * group.w[j] * (-scale).mul_add(v, group.x[j]);
            let to = match slope {
                s if s > 0.0 && usize::from(codes[j]) + 1 < G::CODES => codes[j] + 1,
                s if s < 0.0 && codes[j] > 0 => codes[j] - 1,
                _ => continue,
            };
            let steepness = slope / (G::value(to) - v);
            if steepness > best {
                best = steepness;
                found = Some((j, to));
            }
        }
        let Some((j, to)) = found else { break };
        let (old, new) = (G::value(codes[j]), G::value(to));
        let xv = (group.w[j] * (new - old)).mul_add(group.x[j], sum_xv);
        let vv = group.w[j].mul_add(new * new - old * old, sum_vv);
        if !(vv > 0.0 && xv * xv > scale * sum_xv * vv) {
            break;
        }
        (sum_xv, sum_vv) = (xv, vv);
        scale = xv / vv;
        codes[j] = to;
    }
    scale
}

/// [`on_grid`] for signed integers.
#[inline(always)]
pub fn symmetric<const N: usize, const BITS: u32>(x: &[f32; N], w: &[f32; N]) -> (f32, [u8; N]) {
    on_grid::<Signed<BITS>, N>(x, w)
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
    let magnitude = largest(x);
    let Some(group) = Scaled::new(x, w, magnitude) else {
        return (0.0, 0.0, [0; N]);
    };
    let low = group.x.iter().fold(0f32, |m, v| m.min(*v));
    let high = group.x.iter().fold(f32::MIN, |m, v| m.max(*v));
    if high - low < 1e-10 {
        return (0.0, -low * group.unit, [0; N]);
    }
    let mut total = Line::default();
    for (x, w) in group.x.iter().zip(&group.w) {
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
            let (x, w) = (group.x[i], group.w[i]);
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
    for (q, x) in codes.iter_mut().zip(&group.x) {
        *q = limit(round_product(x - low, inverse), 0.0, top) as u8;
    }

    // Single codes: the one furthest from its value first.
    let mut last = None;
    for _ in 0..N * 4 {
        let (scale, min, gain) = best;
        let mut worst = 0.0;
        let mut found = None;
        for j in 0..N {
            let miss = group.x[j] - scale * f32::from(codes[j]) - min;
            let room = if miss > 0.0 {
                f32::from(codes[j]) < top
            } else {
                codes[j] > 0
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
        let (w, x, old) = (group.w[j], group.x[j], f32::from(codes[j]));
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
    (best.0 * group.unit, -best.1 * group.unit, codes)
}
