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
use crate::simd::Simd;

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

/// The least weight, relative to the largest of a block.
const FLOOR: f32 = 1e-12;

/// What the error of a value counts, from the importance of its column. Which of them suits a type was found out by what whole
/// models make of it (docs/performance.md).
#[derive(Clone, Copy)]
pub enum Weighing {
    /// The importance.
    Importance,
    /// Its power of `1 - 1/2^n` (3/4 with 2): less trust in differences that come from a few texts.
    Evened(u8),
    /// Times the magnitude of the value, smoothed by the block's.
    Magnitude,
    /// Times the root of that.
    Root,
    /// As `Root`, but the importance's power of `1 + 1/2^n` (5/4 with 2).
    Sharpened(u8),
}

/// The weights of block `i` of a row: the importance of its columns. Without any, the root of the magnitude of its values, smoothed
/// by the block's: large values matter somewhat more.
#[inline(always)]
pub fn block_importance<S: Simd, const N: usize>(
    s: S,
    x: &[f32; N],
    weights: Option<&[f32]>,
    i: usize,
    weighing: Weighing,
) -> [f32; N] {
    let weights = weights.and_then(|w| w.as_chunks::<N>().0.get(i));
    let smooth = s.splat(match (weights, weighing) {
        (Some(_), Weighing::Importance | Weighing::Evened(_)) => 0.0,
        _ => 2.0 * mean_square(x),
    });
    // The square of each value's smoothed magnitude.
    let square = |j: usize| {
        let v = s.load_at(x, j);
        s.min(s.fma(v, v, smooth), s.splat(f32::MAX))
    };
    let mut w = [0f32; N];
    let Some(weights) = weights else {
        for j in (0..N).step_by(S::N) {
            s.store_at(&mut w, j, s.sqrt(s.sqrt(square(j))));
        }
        return w;
    };
    // The `2^n`-th root of a number.
    let root = |mut v: S::F, n: u8| {
        for _ in 0..n {
            v = s.sqrt(v);
        }
        v
    };
    // Groups without any importance are still approximated, and nothing is a NaN.
    let floor = s.splat((range(weights).1 * FLOOR).max(FLOOR * FLOOR));
    for j in (0..N).step_by(S::N) {
        let importance = s.max(s.load_at(weights, j), floor);
        let weight = match weighing {
            Weighing::Importance => importance,
            Weighing::Evened(n) => {
                let mut power = s.splat(1.0);
                for k in 1..=n {
                    power = s.mul(power, root(importance, k));
                }
                power
            }
            Weighing::Magnitude => s.mul(importance, root(square(j), 1)),
            Weighing::Root => s.mul(importance, root(square(j), 2)),
            Weighing::Sharpened(n) => {
                let root = s.mul(root(importance, n), root(square(j), 2));
                s.mul(importance, root)
            }
        };
        let weight = s.max(weight, s.splat(f32::MIN_POSITIVE));
        s.store_at(&mut w, j, s.min(weight, s.splat(f32::MAX)));
    }
    w
}

/// `1 / scale`; 0 where there is none.
#[inline(always)]
pub fn inverse(scale: f32) -> f32 {
    let inverse = 1.0 / scale;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// The bits of a float as an integer of the same order, and back.
#[inline(always)]
fn ordered(bits: i32) -> i32 {
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

/// The least and the greatest of some values. (Integers are compared, because compilers may change the order of that.)
#[inline(always)]
pub fn range(x: &[f32]) -> (f32, f32) {
    let (mut least, mut greatest) = (i32::MAX, i32::MIN);
    for v in x {
        let v = ordered(v.to_bits() as i32);
        least = if v < least { v } else { least };
        greatest = if v > greatest { v } else { greatest };
    }
    (
        f32::from_bits(ordered(least) as u32),
        f32::from_bits(ordered(greatest) as u32),
    )
}

/// The largest magnitude; 0 for no values.
#[inline(always)]
pub fn magnitude(x: &[f32]) -> f32 {
    let mut largest = 0;
    for v in x {
        let bits = v.to_bits() & 0x7fff_ffff;
        largest = if bits > largest { bits } else { largest };
    }
    f32::from_bits(largest)
}

/// The first value of largest magnitude; 0 for no values.
#[inline(always)]
pub fn largest(x: &[f32]) -> f32 {
    let largest = magnitude(x);
    for v in x {
        if v.abs() == largest {
            return *v;
        }
    }
    0.0
}

/// The byte nearest to a product that fits in one: ties to even.
#[inline(always)]
pub fn byte(product: f32) -> i8 {
    whole(product) as i8
}

/// The whole number nearest to a product of magnitude below 2^22: ties to even.
#[inline(always)]
pub fn whole(product: f32) -> i32 {
    ((product + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32)
}

/// The power of two that brings `magnitude` to 1..2 (to below 2 for the tiniest).
#[inline(always)]
pub fn normalizer(magnitude: f32) -> f32 {
    let exponent = (magnitude.to_bits() >> 23) as i32 & 0xff;
    f32::from_bits(((254 - exponent).clamp(1, 254) as u32) << 23)
}

/// Brings values and weights to magnitudes around 1, where nothing over- or underflows, by powers of two, so that no bit is lost.
/// Returns what to multiply the values by to have the original back; `None` if all are zero. Weights that are all zero, or
/// not numbers, become equal.
#[inline(always)]
pub fn normalize(x: &mut [f32], w: &mut [f32]) -> Option<f32> {
    let magnitude = magnitude(x);
    if magnitude < TINY {
        return None;
    }
    let factor = normalizer(magnitude);
    let top = range(w).1;
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

/// Scales that [`on_grid`] tries.
const ENDS: usize = 38;

/// The best scale for a group on a grid that leaves each value its own choice, and the codes it rounds to.
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
    for i in 0..ENDS {
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
    for (x, w) in x.iter().zip(&w) {
        let v = grid.nearest(*x, inverse);
        sum_xv = (w * x).mul_add(v, sum_xv);
        sum_vv = (w * v).mul_add(v, sum_vv);
    }
    let mut gain = if sum_vv > 0.0 {
        sum_xv / sum_vv * sum_xv
    } else {
        0.0
    };
    for (b, batch) in candidates.iter().enumerate() {
        let (xv, vv) = sums_of_lanes(grid, &x, &w, batch);
        // Not again the first one, which rounding could make better than itself.
        for l in 0..LANES.min(ENDS - b * LANES) {
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
    (sum_xv, sum_vv) = improve(grid, &x, &w, &mut codes, sum_xv, sum_vv);
    let scale = sum_xv / sum_vv;
    let fit = Fit {
        scale: scale * unit,
        gain: scale * sum_xv * (unit * unit) * if weight > 0.0 { weight } else { 1.0 },
    };
    (fit, codes)
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
            codes[i] = grid.code_of(x[i], inverse);
        }
        return codes;
    }
    for first in (0..N / 4).step_by(LANES) {
        let quads = LANES.min(N / 4 - first);
        let (mut t, mut weights) = ([[0f32; LANES]; 4], [[0f32; LANES]; 4]);
        for l in 0..quads {
            let at = G::quad(first + l);
            for k in 0..4 {
                t[k][l] = x[at[k]] * inverse;
                weights[k][l] = w[at[k]];
            }
        }
        let v = grid.quad_values(&t, &weights);
        for l in 0..quads {
            let at = G::quad(first + l);
            for k in 0..4 {
                codes[at[k]] = grid.code(v[k][l]);
            }
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
    for i in 0..N {
        let wx = w[i] * x[i];
        for l in 0..LANES {
            let v = grid.nearest(x[i], inverse[l]);
            xv[l] += wx * v;
            vv[l] += (w[i] * v) * v;
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
    if magnitude(x) < TINY {
        // Any codes would do; these are the reference's.
        return (0.0, [0; N]);
    }
    let (fit, codes) = on_grid(&Signed::<BITS>, x, w);
    (fit.scale, codes)
}

/// [`symmetric`] where each value weighs its square.
#[inline(always)]
pub fn symmetric_square<const N: usize, const BITS: u32>(x: &[f32; N]) -> (f32, [u8; N]) {
    symmetric::<N, BITS>(x, &x.map(|v| v * v))
}

/// A group for which a scale and a minimum are wanted, `x ≈ scale * code + min` with codes `0..2^BITS` and `min` at most 0.
pub struct Affine<const N: usize> {
    x: [f32; N],
    w: [f32; N],
    /// What values were divided by.
    unit: f32,
    low: f32,
    high: f32,
    /// Of the weights.
    total: f32,
    /// Of the values, weighted. Sums are taken around it: where one column has nearly all importance, what it adds would
    /// otherwise swallow the others.
    mean: f32,
}

impl<const N: usize> Affine<N> {
    /// `None` for a group of zeros.
    #[inline(always)]
    pub fn new(x: &[f32; N], w: &[f32; N]) -> Option<Affine<N>> {
        let (mut x, mut w) = (*x, *w);
        let unit = normalize(&mut x, &mut w)?;
        let (low, high) = range(&x);
        let (mut total, mut moment) = (0f64, 0f64);
        for i in 0..N {
            total += f64::from(w[i]);
            moment += f64::from(w[i]) * f64::from(x[i]);
        }
        Some(Affine {
            x,
            w,
            unit,
            low: low.min(0.0),
            high,
            total: total as f32,
            mean: (moment / total) as f32,
        })
    }

    /// The best of the pairs of scale and minimum that `candidates` (times [`WIDE`]) scales lead to.
    #[inline(always)]
    pub fn search<S: Simd, const BITS: u32>(&self, s: S, candidates: usize) -> (f32, f32) {
        let Affine {
            x,
            w,
            low,
            high,
            total,
            mean,
            ..
        } = self;
        let (low, total, mean) = (*low, *total, *mean);
        let top = ((1u32 << BITS) - 1) as f32;
        if high - low < 1e-10 {
            return (0.0, low * self.unit);
        }
        let mut best = (0f32, low, -1f32);
        let n = (candidates * WIDE) as f32;
        for batch in 0..candidates {
            let mut inverses = [0f32; WIDE];
            for (l, inverse) in inverses.iter_mut().enumerate() {
                let t = (batch * WIDE + l) as f32 - 0.5 * (n - 1.0);
                *inverse = (top + 2.0 * t / n) / (high - low);
            }
            let mut sums = [[0f32; WIDE]; 4];
            for from in (0..WIDE).step_by(S::N) {
                let inverse = s.load_at(&inverses, from);
                let center = code(s, s.splat(mean - low), inverse, top);
                let (mut q1, mut qq, mut qx) = (s.zero(), s.zero(), s.zero());
                for i in 0..N {
                    let q = s.sub(code(s, s.splat(x[i] - low), inverse, top), center);
                    let wq = s.mul(s.splat(w[i]), q);
                    q1 = s.add(q1, wq);
                    qq = s.fma(wq, q, qq);
                    qx = s.fma(wq, s.splat(x[i] - mean), qx);
                }
                for (to, sum) in sums.iter_mut().zip([q1, qq, qx, center]) {
                    s.store_at(to, from, sum);
                }
            }
            for l in 0..WIDE {
                let (q1, qq, qx, center) = (sums[0][l], sums[1][l], sums[2][l], sums[3][l]);
                let det = total * qq - q1 * q1;
                if det <= 0.0 {
                    continue;
                }
                let mut scale = total * qx / det;
                let mut offset = -q1 * qx / det;
                if mean + offset - scale * center > 0.0 {
                    // Without a minimum: `x = scale q`, that is `x - mean = scale (q - center) + scale center - mean`.
                    let all = qq + center * (2.0 * q1 + center * total);
                    let with = qx + mean * (q1 + center * total);
                    if all <= 0.0 {
                        continue;
                    }
                    scale = with / all;
                    offset = scale * center - mean;
                }
                let gain = 2.0 * (scale * qx - scale * offset * q1)
                    - scale * scale * qq
                    - offset * offset * total;
                if scale > 0.0 && (gain > best.2 || best.0 == 0.0) {
                    best = (scale, mean + offset - scale * center, gain);
                }
            }
        }
        (best.0 * self.unit, best.1.min(0.0) * self.unit)
    }

    /// Fits scale and minimum to the codes that they lead to, up to so many times.
    #[inline(always)]
    pub fn refit<const BITS: u32>(&self, pair: (f32, f32), times: usize) -> (f32, f32) {
        let top = ((1u32 << BITS) - 1) as f32;
        let (mut scale, mut min) = (pair.0 / self.unit, pair.1 / self.unit);
        for _ in 0..times {
            let inverse = inverse(scale);
            let (mut q1, mut qq, mut qx, mut x1) = (0f64, 0f64, 0f64, 0f64);
            for i in 0..N {
                let q = limit(round_product(self.x[i] - min, inverse), 0.0, top);
                let (q, w) = (f64::from(q), f64::from(self.w[i]));
                let x = f64::from(self.x[i] - self.mean);
                q1 += w * q;
                qq += w * q * q;
                qx += w * q * x;
                x1 += w * x;
            }
            let total = f64::from(self.total);
            let det = total * qq - q1 * q1;
            let next = (total * qx - x1 * q1) / det;
            let next_min = f64::from(self.mean) + (qq * x1 - q1 * qx) / det;
            if !(det > 0.0 && next > 0.0 && next_min <= 0.0) {
                break;
            }
            (scale, min) = (next as f32, next_min as f32);
        }
        (scale * self.unit, min * self.unit)
    }
}

/// Pairs of scale and minimum that are tried at once.
pub const WIDE: usize = 16;

/// The whole number of `0..=top` nearest to `x * inverse`.
#[inline(always)]
fn code<S: Simd>(s: S, x: S::F, inverse: S::F, top: f32) -> S::F {
    s.min(s.max(s.round(s.mul(x, inverse)), s.zero()), s.splat(top))
}

/// Of some pairs of scale and minus minimum the one that leaves the least error, and that.
#[inline(always)]
pub fn best_pair<S: Simd, const N: usize>(
    s: S,
    x: &[f32; N],
    w: &[f32; N],
    (scales, mins): (&[f32; WIDE], &[f32; WIDE]),
    top: f32,
) -> (usize, f32) {
    let (mut errors, mut inverses) = ([0f32; WIDE], [0f32; WIDE]);
    for l in 0..WIDE {
        inverses[l] = inverse(scales[l]);
    }
    for from in (0..WIDE).step_by(S::N) {
        let (scale, min) = (s.load_at(scales, from), s.load_at(mins, from));
        let inverse = s.load_at(&inverses, from);
        let mut error = s.zero();
        for i in 0..N {
            let shifted = s.add(s.splat(x[i]), min);
            let miss = s.fnma(scale, code(s, shifted, inverse, top), shifted);
            error = s.fma(s.mul(s.splat(w[i]), miss), miss, error);
        }
        s.store_at(&mut errors, from, error);
    }
    let best = least(s, &errors);
    (best, errors[best])
}

/// The place of the least of some errors, as [`first_least`] finds it.
#[inline(always)]
pub fn least<S: Simd>(s: S, errors: &[f32; WIDE]) -> usize {
    let mut parts = [s.zero(); WIDE / 8];
    for part in 0..WIDE / S::N {
        parts[part] = s.load_at(errors, part * S::N);
    }
    first_least(s, &parts).1
}

/// The least of [`WIDE`] numbers in vectors, and the first place where it is; the first of all if it is not a number.
#[inline(always)]
pub fn first_least<S: Simd>(s: S, parts: &[S::F; WIDE / 8]) -> (f32, usize) {
    let mut least = parts[0];
    for part in 1..WIDE / S::N {
        least = s.min(least, parts[part]);
    }
    let least = -s.max_of(s.neg(least));
    let mut above = 0;
    for part in 0..WIDE / S::N {
        above |= s.bits_of(s.lt(s.splat(least), parts[part])) << (part * S::N);
    }
    (least, (above as u16).trailing_ones() as usize % WIDE)
}

/// `Σwx²`
#[inline(always)]
pub fn square<const N: usize>(x: &[f32; N], w: &[f32; N]) -> f32 {
    let mut square = 0f32;
    for j in 0..N {
        square += w[j] * x[j] * x[j];
    }
    square
}

/// The common scale of an approximation `l v` (levels times values) of values `x`, from `Σlwxv`, `Σl²wv²` and `Σwx²`. Their quotient has the
/// least error, but makes everything smaller: the approximation's square is less than that of `x` by just the error. With a bit
/// more the error hardly grows, and models of few bits are better for it; of three bits and more they are not (docs/performance.md).
#[inline(always)]
pub fn raised(lx: f32, ll: f32, xx: f32) -> f32 {
    let scale = lx / ll;
    let kept = if xx > 0.0 { scale * lx / xx } else { 1.0 };
    let lost = 1.0 - limit(kept, 0.5, 1.0);
    scale * (1.0 + lost * (4.0 * lost).min(0.4))
}
