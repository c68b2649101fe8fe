//! The search for the vectors of a codebook that leave the least weighted squared error.
//!
//! For a vector `v` in place of values `x` under a scale `s` the error is `Σwx² - 2s Σwxv + s² Σwv²`. The two sums do not depend on
//! the scale: they are made once for a vector, and each scale that is tried only compares their combinations. Of a large
//! codebook only those vectors are looked at whose more important half is near the values'.

use super::Half;
use super::search::{self, inverse, limit};
use super::superblock::BLOCK;
use super::tiles::{Least, Tile};
use crate::simd::Simd;

/// A codebook of vectors of `W` values, which are kept as `V` numbers each.
pub struct Book<const W: usize, const V: usize = W> {
    /// The values that coordinates have, ascending.
    values: Vec<f32>,
    large: bool,
    /// Sorted by the first half of the coordinates, and by the second; a small codebook only once, and not by class.
    halves: Vec<Classes<V>>,
}

/// Vectors sorted by the values of half of their coordinates.
struct Classes<const V: usize> {
    /// The first tile of each class, and the number of tiles.
    starts: Vec<u32>,
    tiles: Vec<Tile<V>>,
}

/// Codebooks of up to so many vectors are looked through as a whole.
const SMALL: usize = 256;
/// In codebooks of more than so many, where classes are well filled, half as many classes are looked through.
const LARGE: usize = 1024;

impl<const W: usize, const V: usize> Book<W, V> {
    /// The codebook of these vectors, whose coordinates have `values`; `numbers` says what is kept of a vector.
    pub fn new(
        vectors: &[[i8; W]],
        values: &[i8],
        numbers: impl Fn(&[i8; W]) -> [i8; V],
    ) -> Book<W, V> {
        let sorted = |half: Option<usize>| {
            let n = half.map_or(1, |_| values.len().pow(W as u32 / 2));
            let mut members = vec![Vec::new(); n];
            for (code, vector) in vectors.iter().enumerate() {
                let coordinates = half.map_or(0..0, |half| half * W / 2..(half + 1) * W / 2);
                let class = vector[coordinates].iter().rev().fold(0, |class, v| {
                    class * values.len() + values.iter().filter(|value| *value < v).count()
                });
                members[class].push(code as u16);
            }
            let mut classes = Classes {
                starts: vec![0],
                tiles: Vec::new(),
            };
            for codes in members {
                classes.tiles.extend(Tile::all(&codes, |code| {
                    numbers(&vectors[usize::from(code)])
                }));
                classes.starts.push(classes.tiles.len() as u32);
            }
            classes
        };
        Book {
            values: values.iter().map(|v| f32::from(*v)).collect(),
            large: vectors.len() > LARGE,
            halves: if vectors.len() <= SMALL {
                vec![sorted(None)]
            } else {
                vec![sorted(Some(0)), sorted(Some(1))]
            },
        }
    }

    /// How many values of a coordinate are considered, so that 16 classes are looked through. In a large codebook it is only the nearest
    /// one for the coordinate whose second one costs most.
    const WAYS: usize = if W == 8 { 2 } else { 4 };

    /// The vectors that come into question for `x * scale`.
    #[inline(always)]
    pub fn near(&self, x: &[f32; W], w: &[f32; W], scale: f32) -> Near<'_, V> {
        let mut ranges = [(0, 0); 16];
        if let [all] = &self.halves[..] {
            ranges[0].1 = all.tiles.len();
            return Near {
                tiles: &all.tiles,
                ranges,
                n: 1,
                half: 0,
            };
        }
        let mut importance = [0f32; 2];
        for j in 0..W {
            importance[2 * j / W] += w[j] * x[j] * x[j];
        }
        let half = usize::from(importance[1] > importance[0]);
        let last = self.values.len() as i32 - 1;
        let mut ways = [[0i32; 4]; 4];
        let mut costliest = (0, -1f32);
        for j in 0..W / 2 {
            let i = half * W / 2 + j;
            let t = x[i] * scale;
            // The nearest value, and on which side of it `t` is.
            let (mut at, mut least) = (0i32, f32::INFINITY);
            for (i, v) in self.values.iter().enumerate() {
                let nearer = (t - v).abs() < least;
                least = if nearer { (t - v).abs() } else { least };
                at = if nearer { i as i32 } else { at };
            }
            let side = if t > self.values[at as usize] { 1 } else { -1 };
            ways[j] = [at, at + side, at - side, at + 2 * side];
            for way in &mut ways[j][..Self::WAYS] {
                // Instead of those beyond the ends, others that are not in the list yet.
                if *way < 0 {
                    *way += Self::WAYS as i32;
                } else if *way > last {
                    *way -= Self::WAYS as i32;
                }
            }
            let second = t - self.values[ways[j][1] as usize];
            let cost = w[i] * (second * second - least * least);
            if cost > costliest.1 {
                costliest = (j, cost);
            }
        }
        let mut classes = [0usize; 16];
        let (mut n, mut stride) = (1, 1);
        for j in 0..W / 2 {
            let ways = if self.large && j == costliest.0 {
                &ways[j][..1]
            } else {
                &ways[j][..Self::WAYS]
            };
            for (way, value) in ways.iter().enumerate().rev() {
                for k in 0..n {
                    classes[way * n + k] = classes[k] + *value as usize * stride;
                }
            }
            n *= ways.len();
            stride *= self.values.len();
        }
        let sorted = &self.halves[half];
        for (range, class) in ranges.iter_mut().zip(classes) {
            *range = (
                sorted.starts[class] as usize,
                sorted.starts[class + 1] as usize,
            );
        }
        Near {
            tiles: &sorted.tiles,
            ranges,
            n,
            half,
        }
    }
}

/// Some of the vectors of a codebook: ranges of tiles.
pub struct Near<'a, const V: usize> {
    pub tiles: &'a [Tile<V>],
    pub ranges: [(usize, usize); 16],
    pub n: usize,
    /// Which half of its coordinates the vectors of a range have in common, if the codebook is not small.
    pub half: usize,
}

/// What a type's vectors and levels mean.
#[derive(Clone, Copy)]
pub struct Vectors {
    /// The largest magnitude of a group becomes this times 0.7 to 1.3 under the scales that are tried.
    pub top: f32,
    /// The scale of a block over the scale of a group at level `l`, times `2 l + 1`.
    pub divisor: f32,
    /// Only even numbers of negative values in eight.
    pub even: bool,
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

/// A block of vectors: the scale, a level per group, a vector's number per cell, eight signs per byte.
pub struct Fit {
    pub d: Half,
    pub levels: [u8; 16],
    pub codes: [u16; 64],
    pub signs: [u8; 32],
}

/// Scales that are tried for a group alone.
const SCALES: usize = 12;
/// The highest level, as the multiple of the unit that it stands for.
const TOP_LEVEL: f32 = 31.0;
/// Levels that are tried for a group under the block's scale.
const LEVELS: usize = 4;

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

/// A group under a scale: its vectors, and the sums `Σwxv`, `Σwv²`.
#[derive(Clone, Copy, Default)]
struct Scaled {
    codes: [u16; 8],
    xv: f32,
    vv: f32,
}

/// The search of a type: vectors of `W` values in groups of `GROUP` with a level each.
pub struct Search<'a, const W: usize, const GROUP: usize> {
    book: &'a Book<W>,
    meaning: Vectors,
}

impl<const W: usize, const GROUP: usize> Search<'_, W, GROUP> {
    pub fn new(book: &Book<W>, meaning: Vectors) -> Search<'_, W, GROUP> {
        Search { book, meaning }
    }

    /// The best vectors of a group for each of the scales (given by their inverses), looked for near `x * near`.
    #[inline(always)]
    fn at_scales<S: Simd, const K: usize>(
        &self,
        s: S,
        x: &[f32; GROUP],
        w: &[f32; GROUP],
        near: f32,
        inverses: &[f32; K],
    ) -> [Scaled; K] {
        let mut out = [Scaled::default(); K];
        let cells = x.as_chunks::<W>().0.iter().zip(w.as_chunks::<W>().0);
        for (cell, (x, w)) in cells.enumerate() {
            let near = self.book.near(x, w, near);
            let mut wx = [0f32; W];
            for j in 0..W {
                wx[j] = w[j] * x[j];
            }
            let mut least = Least::<S, K>::new(s);
            for (begin, end) in &near.ranges[..near.n] {
                for number in *begin..*end {
                    let (xv, vv) = near.tiles[number].sums(s, &wx, w);
                    least.offer(s, number, xv, vv, inverses);
                }
            }
            for k in 0..K {
                let (lane, tile) = least.lane(s, k);
                let tile = &near.tiles[tile];
                let (xv, vv) = tile.sums_of(lane, &wx, w);
                out[k].codes[cell % 8] = tile.codes[lane];
                out[k].xv += xv;
                out[k].vv += vv;
            }
        }
        out
    }

    /// The best scale of a group alone, if each value could be any of those in the codebook.
    #[inline(always)]
    fn ideal<S: Simd>(&self, s: S, x: &[f32; GROUP], w: &[f32; GROUP]) -> f32 {
        let max = search::magnitude(x);
        if max < search::TINY {
            return 0.0;
        }
        let values = &self.book.values;
        let (mut scale, mut most) = (0.0, 0.0);
        for i in 0..SCALES {
            let inverse = self.meaning.top * (0.6 + 0.8 / SCALES as f32 * i as f32) / max;
            let (mut xv, mut vv) = (s.zero(), s.zero());
            for from in (0..GROUP).step_by(S::N) {
                let number = s.load_at(x, from);
                let t = s.mul(number, s.splat(inverse));
                let mut v = s.splat(values[0]);
                for pair in values.windows(2) {
                    let border = s.splat(0.5 * (pair[0] + pair[1]));
                    v = s.select(s.lt(border, t), s.splat(pair[1]), v);
                }
                let wv = s.mul(s.load_at(w, from), v);
                xv = s.fma(wv, number, xv);
                vv = s.fma(wv, v, vv);
            }
            let (xv, vv) = (s.sum(xv), s.sum(vv));
            if xv > 0.0 && vv > 0.0 && xv * xv > most * vv {
                scale = xv / vv;
                most = scale * xv;
            }
        }
        scale
    }

    /// A group, whose `Σwx²` is `square`, under the block's scale: its level, its vectors and sums.
    #[inline(always)]
    fn best_level<S: Simd>(
        &self,
        s: S,
        x: &[f32; GROUP],
        w: &[f32; GROUP],
        square: f32,
        d: f32,
        ideal: f32,
    ) -> (f32, Scaled) {
        let below = 2.0 * (ideal * inverse(d) * 0.5 - 0.5).floor() + 1.0;
        let first = limit(
            below - (LEVELS as f32 - 2.0),
            1.0,
            TOP_LEVEL - 2.0 * (LEVELS as f32 - 1.0),
        );
        let (mut tried, mut inverses) = ([0f32; LEVELS], [0f32; LEVELS]);
        for i in 0..LEVELS {
            tried[i] = first + 2.0 * i as f32;
            inverses[i] = inverse(d * tried[i]);
        }
        let near = inverses[LEVELS / 2 - 1];
        let scaled = self.at_scales(s, x, w, near, &inverses);
        let mut best = (f32::INFINITY, tried[0], scaled[0]);
        for (level, scaled) in tried.iter().zip(scaled) {
            let scale = d * level;
            let error = square - 2.0 * scale * scaled.xv + scale * scale * scaled.vv;
            if error < best.0 {
                best = (error, *level, scaled);
            }
        }
        (best.1, best.2)
    }

    /// Fits a block.
    #[inline(always)]
    pub fn fit<S: Simd>(&self, s: S, x: &[f32; BLOCK], w: &[f32; BLOCK]) -> Fit {
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
        out.signs = take_signs(&mut x, &w, self.meaning.even);
        let (xs, ws) = (x.as_chunks::<GROUP>().0, w.as_chunks::<GROUP>().0);
        let (groups, cells) = (BLOCK / GROUP, GROUP / W);

        let mut ideal = [0f32; 16];
        let mut top = 0f32;
        for g in 0..groups {
            ideal[g] = self.ideal(s, &xs[g], &ws[g]);
            top = top.max(ideal[g]);
        }
        let store = |d: f32| Half::saturating(d * self.meaning.divisor * unit);
        out.d = store(top / TOP_LEVEL);
        let d = out.d.get() / unit / self.meaning.divisor;
        let (mut sum_lx, mut sum_ll, mut sum_xx) = (0f32, 0f32, 0f32);
        for g in 0..groups {
            let square = search::square(&xs[g], &ws[g]);
            sum_xx += square;
            let (level, fit) = self.best_level(s, &xs[g], &ws[g], square, d, ideal[g]);
            sum_lx += level * fit.xv;
            sum_ll += level * level * fit.vv;
            out.levels[g] = (level as u8).saturating_sub(1) / 2;
            out.codes[g * cells..][..cells].copy_from_slice(&fit.codes[..cells]);
        }
        // For what was chosen the scale that suits it is better still.
        if sum_ll > 0.0 && sum_lx > 0.0 {
            out.d = store(search::raised(sum_lx, sum_ll, sum_xx));
        }
        out
    }
}
