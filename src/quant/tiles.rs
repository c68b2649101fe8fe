//! Vectors sixteen at a time, and the search among them for those that suit several scales best. Shared by the codebook types
//! and the trellis types, which differ in which vectors they look at.

use super::search;
use crate::simd::Simd;

/// Vectors in a tile.
pub const LANES: usize = 16;
/// Parts of a tile that instructions work on, at most.
pub const PARTS: usize = 2;

/// Sixteen vectors of `W` values, coordinate by coordinate.
#[derive(Clone, Copy)]
pub struct Tile<const W: usize> {
    values: [[i8; LANES]; W],
    pub codes: [u16; LANES],
}

impl<const W: usize> Tile<W> {
    /// `W` coordinates, from `from` on, of the first vector of each of these ranges of tiles; zeros for a range of none.
    #[inline(always)]
    pub fn of_firsts<const V: usize>(
        tiles: &[Tile<V>],
        ranges: &[(usize, usize)],
        from: usize,
    ) -> Tile<W> {
        let mut firsts = Tile {
            values: [[0; LANES]; W],
            codes: [0; LANES],
        };
        for (l, (begin, end)) in ranges.iter().enumerate() {
            if begin < end {
                for j in 0..W {
                    firsts.values[j][l % LANES] = tiles[*begin].values[from + j][0];
                }
            }
        }
        firsts
    }

    /// Tiles of the vectors with these codes; the last one repeats its first vector, if need be.
    pub fn all(codes: &[u16], vector: impl Fn(u16) -> [i8; W]) -> Vec<Tile<W>> {
        let tile = |codes: &[u16]| {
            let mut tile = Tile {
                values: [[0; LANES]; W],
                codes: [0; LANES],
            };
            for l in 0..LANES {
                let code = *codes.get(l).unwrap_or(&codes[0]);
                tile.codes[l] = code;
                for (j, v) in vector(code).into_iter().enumerate() {
                    tile.values[j][l] = v;
                }
            }
            tile
        };
        codes.chunks(LANES).map(tile).collect()
    }

    /// `Σwxv` and `Σwv²` of each vector.
    #[inline(always)]
    pub fn sums<S: Simd>(
        &self,
        s: S,
        wx: &[f32; W],
        w: &[f32; W],
    ) -> ([S::F; PARTS], [S::F; PARTS]) {
        let (mut xv, mut vv) = ([s.zero(); PARTS], [s.zero(); PARTS]);
        for j in 0..W {
            let (wx, w) = (s.splat(wx[j]), s.splat(w[j]));
            for part in 0..LANES / S::N {
                let v = s.load_i8_at(&self.values[j], part * S::N);
                xv[part] = s.fma(wx, v, xv[part]);
                vv[part] = s.fma(s.mul(w, v), v, vv[part]);
            }
        }
        (xv, vv)
    }

    /// Adds to sums what `tables` say of the values of `P` coordinates, from `first` on, of each vector.
    #[inline(always)]
    pub fn looked_up<S: Simd, const T: usize, const P: usize>(
        &self,
        s: S,
        first: usize,
        tables: &[[[S::F; 2]; P]; T],
        mut sums: [[S::F; PARTS]; T],
    ) -> [[S::F; PARTS]; T] {
        for part in 0..LANES / S::N {
            for j in 0..P {
                let values = s.load_i8_int_at(&self.values[first + j], part * S::N);
                for t in 0..T {
                    let of = s.lookup16_f32(tables[t][j], values);
                    sums[t][part] = s.add(sums[t][part], of);
                }
            }
        }
        sums
    }

    /// `Σwxv` and `Σwv²` of one vector.
    #[inline(always)]
    pub fn sums_of(&self, lane: usize, wx: &[f32; W], w: &[f32; W]) -> (f32, f32) {
        let (mut xv, mut vv) = (0f32, 0f32);
        for j in 0..W {
            let v = f32::from(self.values[j][lane]);
            xv += wx[j] * v;
            vv += w[j] * v * v;
        }
        (xv, vv)
    }
}

/// The least score of each lane for each of `K` scales, and the tile that has it.
#[derive(Clone, Copy)]
pub struct Least<S: Simd, const K: usize> {
    scores: [[S::F; PARTS]; K],
    tiles: [[S::I; PARTS]; K],
}

impl<S: Simd, const K: usize> Least<S, K> {
    #[inline(always)]
    pub fn new(s: S) -> Least<S, K> {
        Least {
            scores: [[s.splat(f32::INFINITY); PARTS]; K],
            tiles: [[s.splat_i32(0); PARTS]; K],
        }
    }

    /// Considers a tile, given its sums; scales are given by their inverses.
    #[inline(always)]
    pub fn offer(
        &mut self,
        s: S,
        tile: usize,
        xv: [S::F; PARTS],
        vv: [S::F; PARTS],
        inverses: &[f32; K],
    ) {
        let label = s.splat_i32(tile as i32);
        for k in 0..K {
            let slope = s.splat(-2.0 * inverses[k]);
            for part in 0..LANES / S::N {
                let score = s.fma(slope, xv[part], vv[part]);
                let (old, tile) = (self.scores[k][part], self.tiles[k][part]);
                let better = s.lt(score, old);
                self.scores[k][part] = s.select(better, score, old);
                self.tiles[k][part] = s.select_i32(better, label, tile);
            }
        }
    }

    /// The least score for a scale.
    #[inline(always)]
    pub fn score(&self, s: S, scale: usize) -> f32 {
        search::first_least(s, &self.scores[scale]).0
    }

    /// The lane that has the least score for a scale (of those the first), and its tile.
    #[inline(always)]
    pub fn lane(&self, s: S, scale: usize) -> (usize, usize) {
        let (_, lane) = search::first_least(s, &self.scores[scale]);
        let mut tiles = [0f32; LANES];
        for part in 0..LANES / S::N {
            s.store_at(&mut tiles, part * S::N, s.cast_f(self.tiles[scale][part]));
        }
        (lane, tiles[lane].to_bits() as usize)
    }
}
