//! The search for the sequences of the trellis types. Thousands of sequences stand for points in eight (or four) dimensions; an
//! index sorts them into boxes, and only boxes near the wanted point are looked through, cheapest first.

use super::search::{self, LANES, inverse};
use super::superblock::BLOCK;

/// Eight sequences, coordinate by coordinate.
struct Tile<const G: usize> {
    values: [[f32; LANES]; G],
    codes: [u32; LANES],
}

/// Stands where a tile has no more sequences: further away than any point that is looked for.
const FAR: f32 = 1e4;
/// Points are looked for within this distance from zero in each coordinate.
const LIMIT: f32 = 300.0;

/// Sequences sorted into boxes, the same intervals in each coordinate.
pub struct Index<const G: usize> {
    borders: &'static [f32],
    /// Boxes that are looked through at most for a point.
    boxes: u32,
    /// The first tile of each box, and the number of tiles.
    starts: Vec<u32>,
    tiles: Vec<Tile<G>>,
}

/// A sequence that was found.
#[derive(Clone, Copy)]
struct Found<const G: usize> {
    code: u32,
    values: [f32; G],
}

/// Most intervals of a coordinate.
const MOST_BINS: usize = 9;

impl<const G: usize> Index<G> {
    /// Sorts the sequences `values(0..n)`. For a point at most `boxes` boxes are looked through.
    pub fn new(
        borders: &'static [f32],
        boxes: u32,
        n: u32,
        values: impl Fn(u32) -> [f32; G],
    ) -> Index<G> {
        let bins = borders.len() + 1;
        let mut members = vec![Vec::new(); bins.pow(G as u32)];
        for code in 0..n {
            let mut number = 0;
            for v in values(code).iter().rev() {
                number = number * bins + borders.iter().filter(|b| *v > **b).count();
            }
            members[number].push(code);
        }
        let mut index = Index {
            borders,
            boxes,
            starts: vec![0],
            tiles: Vec::new(),
        };
        for codes in members {
            for codes in codes.chunks(LANES) {
                let mut tile = Tile {
                    values: [[FAR; LANES]; G],
                    codes: [codes[0]; LANES],
                };
                for (l, code) in codes.iter().enumerate() {
                    tile.codes[l] = *code;
                    for (j, v) in values(*code).into_iter().enumerate() {
                        tile.values[j][l] = v;
                    }
                }
                index.tiles.push(tile);
            }
            index.starts.push(index.tiles.len() as u32);
        }
        index
    }

    /// A sequence near `t`, each coordinate weighing `w`: the nearest of all in the boxes around.
    #[inline(always)]
    fn nearest(&self, t: &[f32; G], w: &[f32; G]) -> Found<G> {
        // For each coordinate its intervals, as the number they add to that of the box and what being there costs at least,
        // cheapest first: that is the one that `t` is in, at no cost.
        let bins = self.borders.len() + 1;
        let mut ways = [[(0f32, 0u32); MOST_BINS]; G];
        let mut stride = 1;
        for j in 0..G {
            for bin in 0..bins {
                let below = if bin > 0 {
                    self.borders[bin - 1] - t[j]
                } else {
                    0.0
                };
                let above = if bin + 1 < bins {
                    t[j] - self.borders[bin]
                } else {
                    0.0
                };
                let distance = search::limit(below, above, FAR);
                let distance = search::limit(distance, 0.0, FAR);
                let way = (w[j] * distance * distance, bin as u32 * stride);
                let mut at = bin;
                while at > 0 && ways[j][at - 1].0 > way.0 {
                    ways[j][at] = ways[j][at - 1];
                    at -= 1;
                }
                ways[j][at] = way;
            }
            stride *= bins as u32;
        }
        // The coordinates that are cheapest to leave change first.
        for j in 1..G {
            let mut at = j;
            while at > 0 && ways[at - 1][1].0 > ways[at][1].0 {
                ways.swap(at - 1, at);
                at -= 1;
            }
        }

        let mut least = [f32::INFINITY; LANES];
        let mut at = [0u32; LANES];
        let mut best = f32::INFINITY;
        let mut place = [0usize; G];
        let mut budget = self.boxes;
        let mut j = 0;
        while j < G {
            let (mut cost, mut number) = (0f32, 0);
            for k in 0..G {
                let way = ways[k][place[k]];
                cost += way.0;
                number += way.1;
            }
            if cost < best && budget > 0 {
                budget -= 1;
                let range = self.starts[number as usize]..self.starts[number as usize + 1];
                self.look(range, t, w, &mut least, &mut at);
                for l in least {
                    best = if l < best { l } else { best };
                }
                j = 0;
            } else {
                // Further along this coordinate it only gets worse.
                place[j] = 0;
                j += 1;
            }
            while j < G {
                place[j] += 1;
                if place[j] < bins {
                    break;
                }
                place[j] = 0;
                j += 1;
            }
        }
        if best == f32::INFINITY {
            self.look(0..self.tiles.len() as u32, t, w, &mut least, &mut at);
        }
        let mut lane = 0;
        for l in 1..LANES {
            if least[l] < least[lane] {
                lane = l;
            }
        }
        let tile = &self.tiles[at[lane] as usize];
        let mut values = [0.0; G];
        for (v, of_tile) in values.iter_mut().zip(&tile.values) {
            *v = of_tile[lane];
        }
        Found {
            code: tile.codes[lane],
            values,
        }
    }

    /// Looks through some tiles for nearer sequences than those that the lanes have.
    #[inline(always)]
    fn look(
        &self,
        range: std::ops::Range<u32>,
        t: &[f32; G],
        w: &[f32; G],
        least: &mut [f32; LANES],
        at: &mut [u32; LANES],
    ) {
        for number in range {
            let tile = &self.tiles[number as usize];
            let mut distance = [0f32; LANES];
            for j in 0..G {
                for (distance, v) in distance.iter_mut().zip(&tile.values[j]) {
                    let miss = t[j] - v;
                    *distance = (w[j] * miss).mul_add(miss, *distance);
                }
            }
            for (l, distance) in distance.iter().enumerate() {
                let nearer = *distance < least[l];
                least[l] = if nearer { *distance } else { least[l] };
                at[l] = if nearer { number } else { at[l] };
            }
        }
    }
}

/// Values per group with a level.
const GROUP: usize = 32;
/// What a group is scaled to when its own best scale is looked for.
pub enum Aim {
    /// Its largest value becomes one of these.
    Largest(&'static [f32]),
    /// The root of its mean square becomes one of these.
    Spread(&'static [f32]),
}

/// Levels that are tried under the row's scale.
const LEVELS: usize = 3;
const PASSES: usize = 2;

/// The codes of a group (up to eight cells) under a scale, and the sums `Σwxv`, `Σwv²`.
#[inline(always)]
fn at_scale<const G: usize>(
    index: &Index<G>,
    x: &[f32; GROUP],
    w: &[f32; GROUP],
    inverse: f32,
) -> ([u32; 8], f32, f32) {
    let mut codes = [0; 8];
    let (mut xv, mut vv) = (0f32, 0f32);
    let cells = x.as_chunks::<G>().0.iter().zip(w.as_chunks::<G>().0);
    for (i, (x, w)) in cells.enumerate() {
        // Values without any weight would leave nothing to choose by.
        let mut weights = [0f32; G];
        let mut t = [0f32; G];
        for j in 0..G {
            t[j] = search::limit(x[j] * inverse, -LIMIT, LIMIT);
            weights[j] = w[j] + 1e-9;
        }
        let found = index.nearest(&t, &weights);
        codes[i % 8] = found.code;
        for j in 0..G {
            xv += w[j] * x[j] * found.values[j];
            vv += w[j] * found.values[j] * found.values[j];
        }
    }
    (codes, xv, vv)
}

/// What is chosen for a group.
#[derive(Clone, Copy, Default)]
pub struct Choice {
    /// The number of the level.
    pub level: usize,
    /// Which index.
    pub range: usize,
    /// The codes of its cells.
    pub codes: [u32; 8],
    ideal: f32,
}

/// Fits a row: a scale for all, and for each group of 32 one of the levels, one of the indexes and its codes. `values` are those
/// that sequences stand for (without signs, where these are stored apart). `aim` says which scales are tried to find the best one of a
/// group.
#[inline(always)]
pub fn row<const G: usize>(
    indexes: &[&Index<G>],
    values: &[f32],
    weights: Option<&[f32]>,
    levels: &[f32],
    aim: &Aim,
    store: impl Fn(f32) -> f32,
) -> (f32, Vec<Choice>) {
    let mut x = values.to_vec();
    let mut w = vec![0f32; x.len()];
    for (i, (x, w)) in x
        .as_chunks()
        .0
        .iter()
        .zip(w.as_chunks_mut::<BLOCK>().0)
        .enumerate()
    {
        *w = search::block_importance(x, weights, i);
    }
    let mut best = vec![Choice::default(); x.len() / GROUP];
    let Some(unit) = search::normalize(&mut x, &mut w) else {
        return (0.0, best);
    };
    let (xs, ws) = (x.as_chunks::<GROUP>().0, w.as_chunks::<GROUP>().0);

    let mut top = 0f32;
    for ((choice, x), w) in best.iter_mut().zip(xs).zip(ws) {
        let size = match aim {
            Aim::Largest(_) => search::largest(x).abs(),
            Aim::Spread(_) => search::mean_square(x).sqrt(),
        };
        let mut gain = 0f32;
        for (range, index) in indexes.iter().enumerate() {
            let (Aim::Largest(ends) | Aim::Spread(ends)) = aim;
            for end in *ends {
                let (_, xv, vv) = at_scale(*index, x, w, end * inverse(size));
                if vv > 0.0 && xv * xv > gain * vv {
                    (choice.ideal, choice.range) = (xv / vv, range);
                    gain = xv * choice.ideal;
                }
            }
        }
        if choice.ideal.abs() > top.abs() {
            top = choice.ideal;
        }
    }

    let highest = search::largest(levels);
    let mut d = store(top / highest * unit) / unit;
    let (mut least, mut best_d) = (f32::INFINITY, 0.0);
    let mut choices = best.clone();
    for _ in 0..PASSES {
        let (mut error, mut sum_lx, mut sum_ll) = (0f32, 0f32, 0f32);
        for ((choice, x), w) in choices.iter_mut().zip(xs).zip(ws) {
            let mut square = 0f32;
            for j in 0..GROUP {
                square += w[j] * x[j] * x[j];
            }
            let mut group_least = f32::INFINITY;
            let mut sums = (0f32, 0f32);
            for level in near_levels(levels, choice.ideal, d) {
                let scale = d * levels[level];
                let (codes, xv, vv) = at_scale(indexes[choice.range], x, w, inverse(scale));
                let e = square - 2.0 * scale * xv + scale * scale * vv;
                if e < group_least {
                    group_least = e;
                    (choice.level, choice.codes) = (level, codes);
                    sums = (levels[level] * xv, levels[level] * levels[level] * vv);
                }
            }
            error += group_least;
            sum_lx += sums.0;
            sum_ll += sums.1;
        }
        if error < least {
            (least, best_d) = (error, d);
            best.copy_from_slice(&choices);
        }
        if sum_ll <= 0.0 {
            break;
        }
        d = store(sum_lx / sum_ll * unit) / unit;
    }
    (best_d * unit, best)
}

/// The levels that come nearest to the ideal scale, or to its negative, which other sequences suit as well.
#[inline(always)]
fn near_levels(levels: &[f32], ideal: f32, d: f32) -> [usize; LEVELS] {
    let mut near = [(f32::INFINITY, 0); LEVELS];
    for (i, level) in levels.iter().enumerate() {
        let mut candidate = (((level * d).abs() - ideal.abs()).abs(), i);
        for place in &mut near {
            if candidate.0 < place.0 {
                std::mem::swap(place, &mut candidate);
            }
        }
    }
    let mut out = [0; LEVELS];
    for (o, (_, i)) in out.iter_mut().zip(near) {
        *o = i;
    }
    out
}
