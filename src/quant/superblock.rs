//! Blocks of 256 values with an integer level (scale) per group under one floating-point scale: how codes are packed, and the
//! fit of both levels of scales.

use super::Half;
use super::search::{self, Grid, LANES, Lanes, inverse, limit, round_product};

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

/// The weights of block `i` of a row: column importance alone; squares of values without.
#[inline(always)]
pub fn plain_importance(x: &[f32; BLOCK], weights: Option<&[f32]>, i: usize) -> [f32; BLOCK] {
    match weights.and_then(|w| w.as_chunks::<BLOCK>().0.get(i)) {
        Some(w) => *w,
        None => x.map(|v| v * v),
    }
}

/// A block with a scale per group.
pub struct Symmetric<const GROUPS: usize> {
    pub d: Half,
    pub levels: [i8; GROUPS],
    pub codes: [u8; BLOCK],
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

/// Of eight levels around `level`, limited to `lo..=hi`, the one that leaves the least error; and that error.
#[inline(always)]
fn best_level<G: Grid, const N: usize>(
    x: &[f32; N],
    w: &[f32; N],
    d: f32,
    level: f32,
    (lo, hi): (f32, f32),
) -> (f32, f32) {
    let levels: Lanes = std::array::from_fn(|l| limit(level + l as f32 - 4.0, lo, hi));
    let scales = levels.map(|level| d * level);
    let inverses = scales.map(inverse);
    let mut errors = [0f32; LANES];
    for (x, w) in x.iter().zip(w) {
        for l in 0..LANES {
            let miss = (-scales[l]).mul_add(G::nearest(*x, inverses[l]), *x);
            errors[l] = (w * miss).mul_add(miss, errors[l]);
        }
    }
    let mut best = (levels[4], errors[4]);
    for l in 0..LANES {
        if errors[l] < best.1 {
            best = (levels[l], errors[l]);
        }
    }
    best
}

/// Fits a block of groups with signed scales: the best scale of each group alone, then a common scale and levels for them, then
/// in turn the common scale to the levels and the levels to the common scale.
#[inline(always)]
pub fn symmetric<G: Grid, const GROUPS: usize, const N: usize, const LEVEL_BITS: u32>(
    x: &[f32; BLOCK],
    w: &[f32; BLOCK],
) -> Symmetric<GROUPS> {
    let zero = Symmetric {
        d: Half::default(),
        levels: [0; GROUPS],
        codes: [G::code(0.0); BLOCK],
    };
    let Some(block) = search::Scaled::new(x, w, search::largest(x)) else {
        return zero;
    };
    let (xs, ws) = (block.x.as_chunks::<N>().0, block.w.as_chunks::<N>().0);
    let mut ideal = [0f32; GROUPS];
    for j in 0..GROUPS {
        ideal[j] = search::on_grid::<G, N>(&xs[j], &ws[j]).0;
    }
    let lo = -((1 << (LEVEL_BITS - 1)) as f32);
    let range = (lo, -lo - 1.0);

    let (mut half, mut d) = rounded(search::largest(&ideal) / lo, block.unit);
    let mut best = (f32::INFINITY, half, d, [0f32; GROUPS]);
    for _ in 0..PASSES {
        let id = inverse(d);
        let (mut error, mut sum_lx, mut sum_ll) = (0.0, 0.0, 0.0);
        let mut levels = [0f32; GROUPS];
        for j in 0..GROUPS {
            let near = limit(round_product(ideal[j], id), range.0, range.1);
            let (level, e) = best_level::<G, N>(&xs[j], &ws[j], d, near, range);
            let (xv, vv) = search::sums::<G, N>(&xs[j], &ws[j], inverse(d * level));
            error += e;
            sum_lx += level * xv;
            sum_ll += level * level * vv;
            levels[j] = level;
        }
        if error < best.0 {
            best = (error, half, d, levels);
        }
        if sum_ll <= 0.0 {
            break;
        }
        (half, d) = rounded(sum_lx / sum_ll, block.unit);
    }

    let (_, half, d, levels) = best;
    let mut fit = zero;
    fit.d = half;
    for j in 0..GROUPS {
        fit.levels[j] = levels[j] as i8;
        let inverse = inverse(d * levels[j]);
        for (q, x) in fit.codes.as_chunks_mut::<N>().0[j].iter_mut().zip(&xs[j]) {
            *q = G::code(G::nearest(*x, inverse));
        }
    }
    fit
}

/// Codes of a group with a scale and a minimum.
#[inline(always)]
fn affine_code(x: f32, min: f32, inverse: f32, top: f32) -> f32 {
    limit(round_product(x + min, inverse), 0.0, top)
}

/// Of sixteen pairs of levels around `levels`, the one that leaves the least error; and that error.
#[inline(always)]
fn best_levels<const N: usize>(
    x: &[f32; N],
    w: &[f32; N],
    (d, dmin): (f32, f32),
    levels: (f32, f32),
    (top, top_level): (f32, f32),
) -> ((f32, f32), f32) {
    let mut best = (levels, f32::INFINITY);
    for batch in 0..2 {
        // Three scales by five minimums, and the given pair first.
        let mut scales = [levels.0; LANES];
        let mut mins = [levels.1; LANES];
        for l in 0..LANES {
            if batch * LANES + l > 0 {
                let i = (batch * LANES + l - 1) as u32;
                scales[l] = limit(levels.0 + (i % 3) as f32 - 1.0, 0.0, top_level);
                mins[l] = limit(levels.1 + (i / 3) as f32 - 2.0, 0.0, top_level);
            }
        }
        let scale = scales.map(|level| d * level);
        let min = mins.map(|level| dmin * level);
        let inverses = scale.map(inverse);
        let mut errors = [0f32; LANES];
        for (x, w) in x.iter().zip(w) {
            for l in 0..LANES {
                let q = affine_code(*x, min[l], inverses[l], top);
                let miss = scale[l].mul_add(q, -min[l]) - x;
                errors[l] = (w * miss).mul_add(miss, errors[l]);
            }
        }
        for l in 0..LANES {
            if errors[l] < best.1 {
                best = ((scales[l], mins[l]), errors[l]);
            }
        }
    }
    best
}

/// Fits a block of groups with scales and minimums, in the steps of [`symmetric`].
#[inline(always)]
pub fn affine<const GROUPS: usize, const N: usize, const BITS: u32, const LEVEL_BITS: u32>(
    x: &[f32; BLOCK],
    w: &[f32; BLOCK],
) -> Affine<GROUPS> {
    let mut fit = Affine {
        d: Half::default(),
        dmin: Half::default(),
        levels: [(0, 0); GROUPS],
        codes: [0; BLOCK],
    };
    let Some(block) = search::Scaled::new(x, w, search::largest(x)) else {
        return fit;
    };
    let (xs, ws) = (block.x.as_chunks::<N>().0, block.w.as_chunks::<N>().0);
    let mut ideal = [(0f32, 0f32); GROUPS];
    for j in 0..GROUPS {
        let (scale, min, _) = search::affine::<N, BITS>(&xs[j], &ws[j]);
        ideal[j] = (scale, min);
    }
    let top = ((1u32 << BITS) - 1) as f32;
    let top_level = ((1u32 << LEVEL_BITS) - 1) as f32;

    let max = ideal
        .iter()
        .fold((0f32, 0f32), |m, i| (m.0.max(i.0), m.1.max(i.1)));
    let (mut half, mut d) = rounded(max.0 / top_level, block.unit);
    let (mut half_min, mut dmin) = rounded(max.1 / top_level, block.unit);
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
            let (level, e) = best_levels::<N>(&xs[j], &ws[j], (d, dmin), near, (top, top_level));
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
        (half, d) = rounded(next, block.unit);
        (half_min, dmin) = rounded(next_min, block.unit);
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
