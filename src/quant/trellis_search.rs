//! The search for the sequences of the trellis types. Thousands of sequences stand for points in eight (or four) dimensions. An
//! index sorts them into boxes; for a wanted point the boxes around it, those first that are cheapest to step into, give some
//! hundred candidates. For a sequence `v` in place of values `x` the error under a scale `s` is `Σwx² - 2s Σwxv + s² Σwv²`: both sums
//! are made once per candidate and serve all scales that are tried.

use super::search::{self, Weighing, inverse};
use super::superblock::{self, BLOCK};
use super::tiles::{Least, Tile};
use crate::simd::Simd;

/// Points are looked for within this distance from zero in each coordinate.
const LIMIT: f32 = 300.0;
/// Combinations of boxes around the one in which a point lies: two ways (to stay, or to step to the next box) in each of eight
/// coordinates, or four in each of four.
const WAYS: usize = 256;
/// The price of a way that does not exist.
const NEVER: f32 = 1e30;

/// Sequences sorted into boxes, the same intervals in each coordinate.
pub struct Index<const G: usize> {
    borders: &'static [f32],
    /// Which combinations of ways are looked at whatever they cost, the presumably cheapest first; coordinates in the order of what it
    /// costs to leave the interval of the point.
    order: Vec<u8>,
    /// The others: for each way of the second half of the coordinates a bit for each of the first.
    others: [u32; 16],
    /// Other boxes are looked at too if they are nearer than this times the distance of what has been found (both squared): at first,
    /// when a level is looked for, and at last.
    reach: [f32; 2],
    /// The first tile of each box, and the number of tiles.
    starts: Vec<u32>,
    tiles: Vec<Tile<G>>,
}

/// The boxes around a point: combination `a + 16 b` is the box whose number (and distance, squared) is the sum of one of the first list
/// and one of the second. Boxes that do not exist are replaced by others, and are infinitely far away.
#[derive(Default)]
struct Around {
    numbers: [[u32; 16]; 2],
    prices: [[f32; 16]; 2],
}

/// The ways from a point in one coordinate: what they add to the number of the box, and what they cost. The first is to stay.
#[derive(Clone, Copy, Default)]
struct Ways {
    steps: [i32; 4],
    costs: [f32; 4],
}

impl Around {
    #[inline(always)]
    fn number(&self, a: usize, b: usize) -> u32 {
        self.numbers[0][a % 16].wrapping_add(self.numbers[1][b % 16])
    }

    /// The combinations with `b` that are nearer than this: a bit for each `a`.
    #[inline(always)]
    fn nearer<S: Simd>(&self, s: S, b: usize, limit: f32) -> u32 {
        let limit = s.splat(limit - self.prices[1][b]);
        let mut bits = 0;
        for part in 0..16 / S::N {
            let near = s.lt(s.load_at(&self.prices[0], part * S::N), limit);
            bits |= s.bits_of(near) << (part * S::N);
        }
        bits
    }
}

/// A sequence that was found, and its sums.
#[derive(Clone, Copy, Default)]
struct Found {
    code: u16,
    xv: f32,
    vv: f32,
}

impl<const G: usize> Index<G> {
    /// How many ways there are in each coordinate.
    const STEPS: usize = if G == 8 { 2 } else { 4 };

    /// Sorts the sequences `values(0..n)`. For a point at least `boxes` boxes are looked through, see [`Index::reach`].
    pub fn new(
        borders: &'static [f32],
        boxes: usize,
        reach: [f32; 2],
        n: u16,
        values: impl Fn(u32) -> [f32; G],
    ) -> Index<G> {
        let bins = borders.len() + 1;
        let mut members = vec![Vec::new(); bins.pow(G as u32)];
        for code in 0..=n {
            let mut number = 0;
            for v in values(u32::from(code)).iter().rev() {
                number = number * bins + borders.iter().filter(|b| *v > **b).count();
            }
            members[number].push(code);
        }
        let order = Index::<G>::order(boxes);
        let mut others = [0xffff; 16];
        for combination in &order {
            others[usize::from(combination >> 4)] &= !(1 << (combination & 15));
        }
        let mut index = Index {
            borders,
            order,
            others,
            reach,
            starts: vec![0],
            tiles: Vec::new(),
        };
        for codes in members {
            let whole = |code| values(u32::from(code)).map(|v| v as i8);
            index.tiles.extend(Tile::all(&codes, whole));
            index.starts.push(index.tiles.len() as u32);
        }
        index
    }

    /// The cheapest combinations, if the price of a step grows with the square of its rank and of its length.
    fn order(boxes: usize) -> Vec<u8> {
        let price = |combination: usize| {
            let (mut price, mut rest) = (0, combination);
            for rank in 1..=G {
                let way = rest % Self::STEPS;
                price += [0, 4, 8, 16][way] * (rank + 1) * (rank + 1);
                rest /= Self::STEPS;
            }
            price
        };
        let mut order: Vec<usize> = (0..WAYS).collect();
        order.sort_by_key(|combination| price(*combination));
        order.iter().take(boxes).map(|c| *c as u8).collect()
    }

    /// The box of a point `t`, and the ways from it in each coordinate, those first where leaving the interval costs least.
    #[inline(always)]
    fn ways<S: Simd>(&self, s: S, t: &[f32; G], w: &[f32; G]) -> (i32, [Ways; G]) {
        let h = s.half();
        let (mut x, mut weights, mut strides) = ([0f32; 8], [NEVER; 8], [0f32; 8]);
        let mut stride = 1;
        for j in 0..G {
            (x[j], weights[j], strides[j]) = (t[j], w[j], stride as f32);
            stride *= self.borders.len() + 1;
        }
        let (x, weights) = (h.load_at(&x, 0), h.load_at(&weights, 0));
        let strides = h.load_at(&strides, 0);
        // What it costs to go one interval down, two down, one up, two up.
        let never = h.splat(NEVER);
        let (mut down, mut two_down, mut up, mut two_up) = (never, never, never, never);
        let mut bin = h.zero();
        // They ascend.
        for border in self.borders {
            let border = h.splat(*border);
            let distance = h.sub(x, border);
            let cost = h.mul(weights, h.mul(distance, distance));
            let above = h.lt(border, x);
            bin = h.add(bin, h.select(above, h.splat(1.0), h.zero()));
            two_down = h.select(above, down, two_down);
            down = h.select(above, cost, down);
            let second = h.select(h.lt(up, never), h.min(two_up, cost), never);
            two_up = h.select(above, never, second);
            up = h.select(above, never, h.min(up, cost));
        }
        let near = h.select(h.lt(down, up), h.splat(-1.0), h.splat(1.0));
        let far = h.select(h.lt(two_down, two_up), h.splat(-2.0), h.splat(2.0));
        let ways = [
            (h.min(down, up), near),
            (h.max(down, up), h.sub(h.zero(), near)),
            (h.min(two_down, two_up), far),
        ];
        let (mut costs, mut steps) = ([[0f32; 8]; 3], [[0f32; 8]; 3]);
        for k in 0..Self::STEPS - 1 {
            let (cost, step) = ways[k];
            let step = h.select(h.lt(cost, never), step, h.zero());
            h.store_at(&mut costs[k], 0, cost);
            h.store_at(&mut steps[k], 0, h.mul(step, strides));
        }
        // No two keys are the same, so that each coordinate has a rank of its own.
        let lanes: [i32; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
        // SAFETY: half a vector has eight lanes.
        let lanes = unsafe { h.load_int(lanes.as_ptr().cast()) };
        let keys = h.cast_f(h.or(h.and(h.cast_i(ways[0].0), h.splat_i32(!7)), lanes));
        let (mut key, mut ranks) = ([0f32; 8], [0f32; 8]);
        h.store_at(&mut key, 0, keys);
        let mut rank = h.zero();
        for j in 0..G {
            let cheaper = h.lt(h.splat(key[j]), keys);
            rank = h.add(rank, h.select(cheaper, h.splat(1.0), h.zero()));
        }
        h.store_at(&mut ranks, 0, rank);
        let mut by_rank = [Ways::default(); G];
        for j in 0..G {
            let ways = &mut by_rank[ranks[j] as usize % G];
            for k in 0..Self::STEPS - 1 {
                (ways.steps[k + 1], ways.costs[k + 1]) = (steps[k][j] as i32, costs[k][j]);
            }
        }
        (h.sum(h.mul(bin, strides)) as i32, by_rank)
    }

    /// The boxes around `t`, each coordinate weighing `w`.
    #[inline(always)]
    fn around<S: Simd>(&self, s: S, t: &[f32; G], w: &[f32; G]) -> Around {
        let (base, by_rank) = self.ways(s, t, w);
        let mut around = Around::default();
        around.numbers[0][0] = base as u32;
        for half in 0..2 {
            let (numbers, prices) = (&mut around.numbers[half], &mut around.prices[half]);
            let mut n = 1;
            for ways in &by_rank[half * G / 2..][..G / 2] {
                for way in 1..Self::STEPS {
                    for k in 0..n {
                        numbers[way * n + k] = numbers[k].wrapping_add(ways.steps[way] as u32);
                        prices[way * n + k] = prices[k] + ways.costs[way];
                    }
                }
                n *= Self::STEPS;
            }
        }
        around
    }

    /// Looks through a box.
    #[inline(always)]
    fn look<S: Simd, const K: usize>(
        &self,
        s: S,
        number: u32,
        wx: &[f32; G],
        ww: &[f32; G],
        inverses: &[f32; K],
        least: &mut Least<S, K>,
    ) {
        let (begin, end) = (
            self.starts[number as usize],
            self.starts[number as usize + 1],
        );
        for number in begin..end {
            let (xv, vv) = self.tiles[number as usize].sums(s, wx, ww);
            least.offer(s, number as usize, xv, vv, inverses);
        }
    }

    /// For each of the scales (given by their inverses) the best sequence near `x / near`.
    #[inline(always)]
    fn nearest<S: Simd, const K: usize>(
        &self,
        s: S,
        x: &[f32; G],
        w: &[f32; G],
        near: f32,
        inverses: &[f32; K],
        last: bool,
    ) -> [Found; K] {
        let reach = self.reach[usize::from(last)];
        let (mut t, mut wx, mut ww) = ([0f32; G], [0f32; G], [0f32; G]);
        for j in 0..G {
            t[j] = search::limit(x[j] * near, -LIMIT, LIMIT);
            // Values without any weight would leave nothing to choose by.
            ww[j] = w[j] + 1e-9;
            wx[j] = ww[j] * x[j];
        }
        let around = self.around(s, &t, &ww);
        let mut least = Least::<S, K>::new(s);
        for combination in &self.order {
            let (a, b) = (usize::from(combination & 15), usize::from(combination >> 4));
            self.look(s, around.number(a, b), &wx, &ww, inverses, &mut least);
        }
        if reach > 0.0 {
            let mut square = 0f32;
            for j in 0..G {
                square += wx[j] * x[j];
            }
            let mut farthest = 0f32;
            for k in 0..K {
                let distance = least.score(s, k) + inverses[k] * inverses[k] * square;
                farthest = farthest.max(distance);
            }
            let limit = reach * farthest;
            for b in 0..16 {
                let mut near = around.nearer(s, b, limit) & self.others[b];
                while near != 0 {
                    let a = near.trailing_zeros() as usize;
                    near &= near - 1;
                    self.look(s, around.number(a, b), &wx, &ww, inverses, &mut least);
                }
            }
        }
        let mut found = [Found::default(); K];
        for i in 0..K {
            let (lane, tile) = least.lane(s, i);
            let tile = &self.tiles[tile];
            found[i].code = tile.codes[lane];
            (found[i].xv, found[i].vv) = tile.sums_of(lane, &wx, &ww);
        }
        found
    }
}

/// Values per group with a level.
const GROUP: usize = 32;
/// Scales that are tried to find the best one of a group.
const SCALES: usize = 8;
const PASSES: usize = 2;
/// Scales that are tried as the common one of a row.
const COMMON: usize = 32;

/// What a group is scaled to when its own best scale is looked for.
pub enum Aim {
    /// Its largest value becomes a number of this range.
    Largest(f32, f32),
    /// The root of its mean square becomes a number of this range.
    Spread(f32, f32),
}

/// What the levels stand for, those of one sign, ascending by magnitude: number and value.
type Levels = Vec<(u8, f32)>;

/// How the rows of a type are fitted: `LEVELS` levels of one sign are tried for a group under the row's scale.
pub struct Trellis<'a, const G: usize, const LEVELS: usize> {
    pub indexes: &'a [&'a Index<G>],
    /// What the levels stand for.
    pub levels: &'a [f32],
    pub aim: Aim,
    pub weighing: Weighing,
}

/// A group under some scales: its codes and the sums `Σwxv`, `Σwv²`.
#[derive(Clone, Copy, Default)]
struct Scaled {
    codes: [u16; 8],
    xv: f32,
    vv: f32,
}

/// The best codes of a group for each of the scales, looking near the scale `1 / near`.
#[inline(always)]
fn at_scales<S: Simd, const G: usize, const K: usize>(
    s: S,
    index: &Index<G>,
    x: &[f32; GROUP],
    w: &[f32; GROUP],
    near: f32,
    inverses: &[f32; K],
    last: bool,
) -> [Scaled; K] {
    let mut out = [Scaled::default(); K];
    let cells = x.as_chunks::<G>().0.iter().zip(w.as_chunks::<G>().0);
    for (i, (x, w)) in cells.enumerate() {
        let found = index.nearest(s, x, w, near, inverses, last);
        for (out, found) in out.iter_mut().zip(found) {
            out.codes[i % 8] = found.code;
            out.xv += found.xv;
            out.vv += found.vv;
        }
    }
    out
}

/// What is chosen for a group.
#[derive(Clone, Copy, Default)]
pub struct Choice {
    /// The number of the level.
    pub level: usize,
    /// Which index.
    pub range: usize,
    /// The codes of its cells.
    pub codes: [u16; 8],
    /// The best scale of the group alone, and how steeply the error grows with the square of the distance from it.
    ideal: f32,
    steepness: f32,
    error: f32,
    /// Sums for the common scale.
    lx: f32,
    ll: f32,
}

impl<const G: usize, const LEVELS: usize> Trellis<'_, G, LEVELS> {
    /// The best scale of a group alone, and [`Choice::steepness`].
    #[inline(always)]
    fn ideal<S: Simd>(&self, s: S, x: &[f32; GROUP], w: &[f32; GROUP]) -> (f32, f32) {
        let (size, from, to) = match self.aim {
            Aim::Largest(from, to) => (search::magnitude(x), from, to),
            Aim::Spread(from, to) => (search::mean_square(x).sqrt(), from, to),
        };
        let mut inverses = [0f32; SCALES];
        for (i, v) in inverses.iter_mut().enumerate() {
            *v = (from + (to - from) / (SCALES - 1) as f32 * i as f32) * inverse(size);
        }
        let near = 0.5 * (from + to) * inverse(size);
        let (mut ideal, mut steepness, mut gain) = (0f32, 0f32, 0f32);
        for scaled in at_scales(s, self.indexes[0], x, w, near, &inverses, false) {
            if scaled.vv > 0.0 && scaled.xv * scaled.xv > gain * scaled.vv {
                ideal = scaled.xv / scaled.vv;
                steepness = scaled.vv;
                gain = scaled.xv * ideal;
            }
        }
        (ideal, steepness)
    }

    /// The common scale under which some level is near the best scale of each group, as far as errors depend on it.
    #[inline(always)]
    fn common(&self, choices: &[Choice], magnitudes: &[f32]) -> f32 {
        let mut top = 0f32;
        for choice in choices {
            top = top.max(choice.ideal);
        }
        let largest = magnitudes[magnitudes.len() - 1];
        let (mut least, mut best) = (f32::INFINITY, 0.0);
        // The largest scale need not be met: it may be below the highest level, or above.
        for i in 0..COMMON {
            let d = top / largest * (1.2 - 0.8 / COMMON as f32 * i as f32);
            let inverse = inverse(d);
            let mut error = 0f32;
            for choice in choices {
                let wanted = choice.ideal * inverse;
                let above = magnitudes
                    .partition_point(|level| *level < wanted)
                    .min(magnitudes.len() - 1);
                let below = magnitudes[above.saturating_sub(1)];
                let distance = (magnitudes[above] - wanted)
                    .abs()
                    .min((below - wanted).abs());
                error += choice.steepness * (distance * d) * (distance * d);
            }
            if error < least {
                (least, best) = (error, d);
            }
        }
        best
    }

    /// Tries some levels of one sign for a group under the common scale `d`.
    #[inline(always)]
    fn try_levels<S: Simd>(
        &self,
        s: S,
        range: usize,
        levels: &[(u8, f32)],
        x: &[f32; GROUP],
        w: &[f32; GROUP],
        d: f32,
        last: bool,
        choice: &mut Choice,
    ) {
        // The first of the levels around the ideal one; they ascend.
        let wanted = choice.ideal * inverse(d).abs();
        let mut above = 0;
        for (_, level) in levels {
            above += usize::from(level.abs() < wanted);
        }
        let first = above
            .saturating_sub(LEVELS / 2)
            .min(levels.len().saturating_sub(LEVELS));
        let mut tried = [(0u8, 0f32); LEVELS];
        for (i, t) in tried.iter_mut().enumerate() {
            *t = levels[(first + i).min(levels.len() - 1)];
        }
        let mut inverses = [0f32; LEVELS];
        for i in 0..LEVELS {
            inverses[i] = inverse(d * tried[i].1);
        }
        let sign = tried[LEVELS - 1].1 * d;
        let near = inverse(choice.ideal).copysign(sign);
        let square = search::square(x, w);
        let scaled = at_scales(s, self.indexes[range], x, w, near, &inverses, last);
        for ((number, level), scaled) in tried.into_iter().zip(scaled) {
            let scale = d * level;
            let error = square - 2.0 * scale * scaled.xv + scale * scale * scaled.vv;
            if error < choice.error {
                choice.error = error;
                (choice.level, choice.range, choice.codes) = (number.into(), range, scaled.codes);
                (choice.lx, choice.ll) = (level * scaled.xv, level * level * scaled.vv);
            }
        }
    }

    /// Fits a row: a scale for all, and for each group of 32 one of the levels, one of the indexes and its codes. `values` are those
    /// that sequences stand for (without signs, where these are stored apart); `store` rounds a scale to what the row can hold.
    #[inline(always)]
    pub fn row<S: Simd>(
        &self,
        s: S,
        values: &[f32],
        weights: Option<&[f32]>,
        store: impl Fn(f32) -> f32,
    ) -> (f32, Vec<Choice>) {
        let (mut x, mut w) =
            superblock::weighted_row::<S, BLOCK>(s, values, weights, self.weighing);
        let mut best = vec![Choice::default(); x.len() / GROUP];
        let Some(unit) = search::normalize(&mut x, &mut w) else {
            return (0.0, best);
        };
        let (xs, ws) = (x.as_chunks::<GROUP>().0, w.as_chunks::<GROUP>().0);
        for ((choice, x), w) in best.iter_mut().zip(xs).zip(ws) {
            (choice.ideal, choice.steepness) = self.ideal(s, x, w);
        }

        let signs = [self.levels_of(1.0), self.levels_of(-1.0)];
        let mut magnitudes: Vec<f32> = self.levels.iter().map(|level| level.abs()).collect();
        magnitudes.sort_by(f32::total_cmp);
        magnitudes.dedup();
        let mut d = self
            .common(&best, &magnitudes)
            .copysign(search::largest(self.levels));
        d = store(d * unit) / unit;
        let mut sum_xx = 0f32;
        for (x, w) in xs.iter().zip(ws) {
            sum_xx += search::square(x, w);
        }
        let (mut least, mut best_d) = (f32::INFINITY, 0.0);
        let mut choices = best.clone();
        for pass in 0..PASSES {
            let last = pass + 1 == PASSES;
            let (mut error, mut sum_lx, mut sum_ll) = (0f32, 0f32, 0f32);
            for ((choice, x), w) in choices.iter_mut().zip(xs).zip(ws) {
                let chosen = (choice.range, usize::from(self.levels[choice.level] < 0.0));
                choice.error = f32::INFINITY;
                for range in 0..self.indexes.len() {
                    for (sign, levels) in signs.iter().enumerate() {
                        // Then again, but only where the best were.
                        if !levels.is_empty() && (pass == 0 || (range, sign) == chosen) {
                            self.try_levels(s, range, levels, x, w, d, last, choice);
                        }
                    }
                }
                error += choice.error;
                sum_lx += choice.lx;
                sum_ll += choice.ll;
            }
            let fitted = sum_ll > 0.0;
            if error < least {
                least = error;
                best_d = match fitted {
                    true => search::raised(sum_lx, sum_ll, sum_xx),
                    false => d,
                };
                best.copy_from_slice(&choices);
            }
            if !fitted || last {
                break;
            }
            // For what was chosen the scale that suits it is better still.
            d = store(sum_lx / sum_ll * unit) / unit;
        }
        (best_d * unit, best)
    }

    /// The levels of one sign; zero counts as positive.
    fn levels_of(&self, sign: f32) -> Levels {
        let of_sign = |level: f32| {
            if sign > 0.0 {
                level >= 0.0
            } else {
                level < 0.0
            }
        };
        let numbered = self
            .levels
            .iter()
            .enumerate()
            .map(|(i, level)| (i as u8, *level));
        let mut levels: Levels = numbered.filter(|(_, level)| of_sign(*level)).collect();
        levels.sort_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        levels
    }
}
