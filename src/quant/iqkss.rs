//! Types whose codes depend on each other: iq4_kss, where the codes of four values have an even number of bits set in all, so that
//! the sixteenth bit is free for a piece of the group's level; and iq2_kl, where two neighbours share one of 32 pairs of values.

use std::sync::LazyLock;

use bytemuck::{Pod, Zeroable};

use super::grid::{Grid, Iq3, Iq4};
use super::iqk::{RowScale, decode_groups, odd_levels, odd_shifts, pack_odd_levels, row_scale};
use super::ladder::{Ladder, Rungs, STEPS, Sums};
use super::search::{LANES, Lanes, Weighing};
use super::superblock::{BLOCK, Levels, Scaled, Symmetric, nibbles, pack_nibbles};
use super::{BlockFormat, EncodeVectors, Half, Type, blocks, blocks_mut};
use crate::simd::Simd;

/// The grid of iq4_k under the condition of iq4_kss.
#[derive(Clone, Copy)]
pub struct EvenIq4(Iq4);

/// The values of [`Iq4`] whose codes have an even (`ODD` = 0) or odd number of bits set.
const fn by_parity<const ODD: u32>() -> [f32; 8] {
    let mut values = [0.0; 8];
    let (mut code, mut i) = (0u32, 0);
    while code < 16 {
        if code.count_ones() % 2 == ODD {
            values[i] = Iq4::VALUES[code as usize] as f32;
            i += 1;
        }
        code += 1;
    }
    values
}

/// The nearest of eight values.
#[inline(always)]
fn nearest_of(values: &[f32; 8], t: f32) -> f32 {
    let mut v = values[0];
    for k in 1..8 {
        let border = 0.5 * (values[k - 1] + values[k]);
        v += if t >= border {
            values[k] - values[k - 1]
        } else {
            0.0
        };
    }
    v
}

impl Grid for EvenIq4 {
    const CODES: usize = 16;
    const FREE: bool = false;
    #[inline(always)]
    fn value(&self, code: u8) -> f32 {
        self.0.value(code)
    }
    #[inline(always)]
    fn nearest(&self, a: f32, b: f32) -> f32 {
        self.0.nearest(a, b)
    }
    #[inline(always)]
    fn shift(&self) -> f32 {
        self.0.shift
    }
    #[inline(always)]
    fn round<S: Simd>(s: S, t: S::F) -> S::F {
        Iq4::round(s, t)
    }
    #[inline(always)]
    fn code(&self, t: f32) -> u8 {
        self.0.code(t)
    }

    /// The values whose nibbles make the `i`-th 16-bit word of a group of 32.
    #[inline(always)]
    fn quad(i: usize) -> [usize; 4] {
        [2 * i, 2 * i + 1, 2 * i + 16, 2 * i + 17]
    }

    /// Each value's nearest; if the number of bits is odd, the cheapest exchange for the nearest of the other parity.
    #[inline(always)]
    fn quad_values(&self, t: &[Lanes; 4], w: &[Lanes; 4]) -> [Lanes; 4] {
        const EVEN: [f32; 8] = by_parity::<0>();
        const ODD: [f32; 8] = by_parity::<1>();
        let mut values = [[0.0; LANES]; 4];
        let mut others = [[0.0; LANES]; 4];
        let mut losses = [[0.0; LANES]; 4];
        let mut least = [f32::INFINITY; LANES];
        let mut parity = [1f32; LANES];
        for k in 0..4 {
            for l in 0..LANES {
                let t = t[k][l] - self.0.shift;
                let (even, odd) = (nearest_of(&EVEN, t), nearest_of(&ODD, t));
                let worse = (t - odd) * (t - odd) - (t - even) * (t - even);
                let keep = worse >= 0.0;
                values[k][l] = if keep { even } else { odd };
                others[k][l] = if keep { odd } else { even };
                parity[l] = if keep { parity[l] } else { -parity[l] };
                let loss = w[k][l] * worse.abs();
                losses[k][l] = loss;
                least[l] = if loss < least[l] { loss } else { least[l] };
            }
        }
        for k in 0..4 {
            for l in 0..LANES {
                let exchange = parity[l] < 0.0 && losses[k][l] <= least[l];
                values[k][l] = if exchange { others[k][l] } else { values[k][l] } + self.0.shift;
                parity[l] = if exchange { 1.0 } else { parity[l] };
            }
        }
        values
    }
}

/// 16-bit words of four codes each, Gray-coded, whose lowest bits hold the level: one bit of it in each word of a group.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq4_kssBlock {
    pub qs: [[u8; 2]; 64],
}

impl Iq4_kssBlock {
    /// The byte of each group's level and grid, as in iq4_ks.
    #[inline(always)]
    pub fn scales(&self) -> [u8; 8] {
        let mut scales = [0; 8];
        for (words, s) in self.qs.as_chunks::<8>().0.iter().zip(&mut scales) {
            for (k, word) in words.iter().enumerate() {
                *s |= (word[0] & 1) << k;
            }
        }
        scales
    }
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        let mut bytes = [0u8; 128];
        for (word, bytes) in self.qs.iter().zip(bytes.as_chunks_mut().0) {
            let word = u16::from_le_bytes(*word) & 0xfffe;
            *bytes = (word ^ word >> 1).to_le_bytes();
        }
        nibbles::<16>(&bytes)
    }
    #[inline(always)]
    fn new(fit: &Symmetric<8>) -> Iq4_kssBlock {
        let scales = pack_odd_levels(fit);
        let bytes = pack_nibbles::<16>(&fit.codes);
        let mut qs = [[0; 2]; 64];
        for (i, (to, bytes)) in qs.iter_mut().zip(bytes.as_chunks().0).enumerate() {
            let mut word = u16::from_le_bytes(*bytes);
            for shift in [1, 2, 4, 8] {
                word ^= word >> shift;
            }
            // The lowest bit is now the parity of the codes' bits, 0.
            *to = (word & 0xfffe | u16::from(scales[i / 8] >> (i % 8) & 1)).to_le_bytes();
        }
        Iq4_kssBlock { qs }
    }
}

pub struct Iq4_kss;
impl Iq4_kss {
    pub const GRIDS: [Iq4; 2] = [Iq4 { shift: 0.0 }, Iq4 { shift: 4.0 }];
}
impl BlockFormat for Iq4_kss {
    const TYPE: Type = Type::Iq4_kss;
    const NAME: &'static str = "iq4_kss";
    const BLOCK: usize = BLOCK;
    type Block = Iq4_kssBlock;
    const ROW_META: usize = 4;
    const ACTIVATION: Option<Type> = Some(Type::Q8_k);

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        let d = row_scale::<[u8; 4]>(row);
        for (block, out) in blocks::<Self>(row)
            .iter()
            .zip(out.as_chunks_mut::<BLOCK>().0)
        {
            let scales = block.scales();
            let (levels, shifts) = (odd_levels(&scales), odd_shifts(&scales));
            decode_groups::<_, 32>(&Self::GRIDS, &block.codes(), d, &levels, shifts, out);
        }
    }

    fn valid(row: &[u8]) -> bool {
        row_scale::<[u8; 4]>(row).is_finite()
    }
}
impl EncodeVectors for Iq4_kss {
    #[inline(always)]
    fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        static LADDERS: LazyLock<[EvenLadder; 2]> =
            LazyLock::new(|| Iq4_kss::GRIDS.map(|grid| EvenLadder::new(EvenIq4(grid), 32.0)));
        let scaled = Scaled {
            grids: &Self::GRIDS.map(EvenIq4),
            ladders: &*LADDERS,
            levels: Levels::odd(127.0),
            windows: [1, 2],
            weighing: Weighing::Root,
        };
        let store = |d| <[u8; 4] as RowScale>::new(d).get();
        let (d, fits) = scaled.row::<_, 8, 32>(s, values, weights, store);
        out[..4].copy_from_slice(&<[u8; 4] as RowScale>::new(d));
        for (block, fit) in blocks_mut::<Self>(out).iter_mut().zip(fits) {
            *block = Iq4_kssBlock::new(&fit);
        }
    }
}

/// [`EvenIq4`] as a ladder.
struct EvenLadder {
    rungs: Rungs,
    ends: [f32; 2],
    /// For each rung the nearest value, what leads from it to the nearest of the other parity, by how much the square of the
    /// miss grows on the way, and the value's parity (-1 if odd).
    values: Vec<f32>,
    exchanges: Vec<f32>,
    losses: Vec<f32>,
    parities: Vec<f32>,
}

impl EvenLadder {
    fn new(EvenIq4(grid): EvenIq4, per_octave: f32) -> EvenLadder {
        let rungs = Rungs::new(per_octave);
        let two = |t: f32| {
            let t = t - grid.shift;
            let (even, odd) = (
                nearest_of(&by_parity::<0>(), t),
                nearest_of(&by_parity::<1>(), t),
            );
            let worse = (t - odd) * (t - odd) - (t - even) * (t - even);
            (even, odd, worse)
        };
        EvenLadder {
            rungs,
            ends: [grid.value(0), grid.value(15)],
            values: rungs.table(|t| {
                let (even, odd, worse) = two(t);
                grid.shift + if worse >= 0.0 { even } else { odd }
            }),
            exchanges: rungs.table(|t| {
                let (even, odd, worse) = two(t);
                if worse >= 0.0 { odd - even } else { even - odd }
            }),
            losses: rungs.table(|t| two(t).2.abs()),
            parities: rungs.table(|t| if two(t).2 >= 0.0 { 1.0 } else { -1.0 }),
        }
    }
}

impl Ladder for EvenLadder {
    #[inline(always)]
    fn rungs(&self) -> Rungs {
        self.rungs
    }
    #[inline(always)]
    fn ends(&self) -> [f32; 2] {
        self.ends
    }
    #[inline(always)]
    fn sums<S: Simd, const N: usize>(
        &self,
        s: S,
        at: &[usize; N],
        x: &[f32; N],
        w: &[f32; N],
    ) -> Sums {
        let mut sums = Sums::default();
        for part in 0..STEPS / S::N {
            let (mut xv, mut vv) = (s.zero(), s.zero());
            for quad in 0..N / 4 {
                let members = EvenIq4::quad(quad);
                let mut losses = [s.zero(); 4];
                let (mut least, mut parity) = (s.splat(f32::INFINITY), s.splat(1.0));
                for k in 0..4 {
                    let (i, from) = (members[k], at[members[k]] + part * S::N);
                    losses[k] = s.mul(s.splat(w[i]), s.load_at(&self.losses, from));
                    least = s.min(least, losses[k]);
                    parity = s.mul(parity, s.load_at(&self.parities, from));
                }
                // Nothing is cheap enough to be exchanged where the number of bits is even as it is.
                let least = s.select(s.lt(parity, s.zero()), least, s.splat(-1.0));
                for k in 0..4 {
                    let (i, from) = (members[k], at[members[k]] + part * S::N);
                    let value = s.load_at(&self.values, from);
                    let other = s.add(value, s.load_at(&self.exchanges, from));
                    let v = s.select(s.lt(least, losses[k]), value, other);
                    let wv = s.mul(s.splat(w[i]), v);
                    xv = s.fma(s.splat(x[i]), wv, xv);
                    vv = s.fma(wv, v, vv);
                }
            }
            s.store_at(&mut sums.xv, part * S::N, xv);
            s.store_at(&mut sums.vv, part * S::N, vv);
        }
        sums
    }
}

/// The codes in [`Iq3`] of the 32 pairs of iq2_kl.
pub const PAIRS: [[u8; 2]; 32] = [
    [0, 2],
    [0, 5],
    [1, 0],
    [1, 3],
    [1, 5],
    [1, 7],
    [2, 1],
    [2, 2],
    [2, 4],
    [2, 5],
    [2, 6],
    [3, 0],
    [3, 4],
    [3, 5],
    [3, 7],
    [4, 2],
    [4, 3],
    [4, 4],
    [4, 5],
    [4, 6],
    [5, 1],
    [5, 2],
    [5, 3],
    [5, 4],
    [5, 5],
    [6, 0],
    [6, 2],
    [6, 4],
    [6, 6],
    [6, 7],
    [7, 2],
    [7, 5],
];

/// Added to weights, which are around 1.
const NEXT_TO_NOTHING: f32 = 1e-20;

/// The number of each pair of codes; 0 for pairs that there are not.
const fn pair_numbers() -> [[u8; 8]; 8] {
    let mut numbers = [[0; 8]; 8];
    let mut i = 0;
    while i < 32 {
        numbers[PAIRS[i][0] as usize][PAIRS[i][1] as usize] = i as u8;
        i += 1;
    }
    numbers
}

const fn pair_values() -> [[f32; 2]; 32] {
    let mut values = [[0.0; 2]; 32];
    let mut i = 0;
    while i < 32 {
        values[i][0] = Iq3::VALUES[PAIRS[i][0] as usize] as f32;
        values[i][1] = Iq3::VALUES[PAIRS[i][1] as usize] as f32;
        i += 1;
    }
    values
}

/// The grid of iq3_k under the condition of iq2_kl.
#[derive(Clone, Copy)]
pub struct PairedIq3;

impl Grid for PairedIq3 {
    const CODES: usize = 8;
    const FREE: bool = false;
    #[inline(always)]
    fn value(&self, code: u8) -> f32 {
        Iq3::PLAIN.value(code)
    }
    #[inline(always)]
    fn nearest(&self, a: f32, b: f32) -> f32 {
        Iq3::PLAIN.nearest(a, b)
    }
    #[inline(always)]
    fn round<S: Simd>(s: S, t: S::F) -> S::F {
        Iq3::round(s, t)
    }
    #[inline(always)]
    fn code(&self, t: f32) -> u8 {
        Iq3::PLAIN.code(t)
    }

    /// Two pairs, each the best of all.
    #[inline(always)]
    fn quad_values(&self, t: &[Lanes; 4], w: &[Lanes; 4]) -> [Lanes; 4] {
        const VALUES: [[f32; 2]; 32] = pair_values();
        let mut values = [[0.0; LANES]; 4];
        for k in [0, 2] {
            let mut least = [f32::INFINITY; LANES];
            for pair in &VALUES {
                for l in 0..LANES {
                    let (a, b) = (t[k][l] - pair[0], t[k + 1][l] - pair[1]);
                    // Where both have no weight, nearness decides.
                    let (wa, wb) = (w[k][l] + NEXT_TO_NOTHING, w[k + 1][l] + NEXT_TO_NOTHING);
                    let error = (wa * a).mul_add(a, wb * b * b);
                    let better = error < least[l];
                    least[l] = if better { error } else { least[l] };
                    values[k][l] = if better { pair[0] } else { values[k][l] };
                    values[k + 1][l] = if better { pair[1] } else { values[k + 1][l] };
                }
            }
        }
        values
    }
}

/// 128 numbers of pairs, of five bits; 6-bit levels, offset by 32.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Iq2_klBlock {
    pub scales_h: [u8; 2],
    pub scales_l: [u8; 4],
    pub qs: [u8; 64],
    pub qh: [u8; 16],
}

impl Iq2_klBlock {
    /// The codes of the pairs' values in [`Iq3`].
    #[inline(always)]
    pub fn codes(&self) -> [u8; BLOCK] {
        let mut codes = [0; BLOCK];
        for (g, codes) in codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (p, pair) in codes.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                let low = (self.qs[16 * (g / 2) + p] >> (4 * (g % 2))) & 15;
                *pair = PAIRS[usize::from(low | (self.qh[p] >> g & 1) << 4)];
            }
        }
        codes
    }
    #[inline(always)]
    pub fn levels(&self) -> [i16; 8] {
        let high = u16::from_le_bytes(self.scales_h);
        std::array::from_fn(|j| {
            let low = (self.scales_l[j % 4] >> (4 * (j / 4))) & 15;
            i16::from(low | ((high >> (2 * j) & 3) as u8) << 4) - 32
        })
    }
    #[inline(always)]
    fn new(fit: &Symmetric<8>) -> Iq2_klBlock {
        const NUMBERS: [[u8; 8]; 8] = pair_numbers();
        let (mut scales_h, mut scales_l) = (0u16, [0; 4]);
        for (j, level) in fit.levels.iter().enumerate() {
            let level = (level + 32) as u8;
            scales_l[j % 4] |= (level & 15) << (4 * (j / 4));
            scales_h |= u16::from(level >> 4) << (2 * j);
        }
        let (mut qs, mut qh) = ([0; 64], [0; 16]);
        for (g, codes) in fit.codes.as_chunks::<32>().0.iter().enumerate() {
            for (p, [a, b]) in codes.as_chunks::<2>().0.iter().enumerate() {
                let number = NUMBERS[usize::from(*a & 7)][usize::from(*b & 7)];
                qs[16 * (g / 2) + p] |= (number & 15) << (4 * (g % 2));
                qh[p] |= (number >> 4) << g;
            }
        }
        Iq2_klBlock {
            scales_h: scales_h.to_le_bytes(),
            scales_l,
            qs,
            qh,
        }
    }
}

pub struct Iq2_kl;
impl BlockFormat for Iq2_kl {
    const TYPE: Type = Type::Iq2_kl;
    const NAME: &'static str = "iq2_kl";
    const BLOCK: usize = BLOCK;
    type Block = Iq2_klBlock;
    const ROW_META: usize = 2;
    const ACTIVATION: Option<Type> = Some(Type::Q8_k);

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        let d = row_scale::<Half>(row);
        let grids = [Iq3::PLAIN; 2];
        for (block, out) in blocks::<Self>(row)
            .iter()
            .zip(out.as_chunks_mut::<BLOCK>().0)
        {
            decode_groups::<_, 32>(&grids, &block.codes(), d, &block.levels(), 0, out);
        }
    }

    fn valid(row: &[u8]) -> bool {
        row_scale::<Half>(row).is_finite()
    }
}
impl EncodeVectors for Iq2_kl {
    #[inline(always)]
    fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        static LADDERS: LazyLock<[PairLadder; 1]> = LazyLock::new(|| [PairLadder::new(16.0)]);
        let scaled = Scaled {
            grids: &[PairedIq3],
            ladders: &*LADDERS,
            levels: Levels::signed(6),
            windows: [1, 1],
            weighing: Weighing::Importance,
        };
        let store = |d| Half::saturating(d).get();
        let (d, fits) = scaled.row::<_, 8, 32>(s, values, weights, store);
        out[..2].copy_from_slice(bytemuck::bytes_of(&Half::saturating(d)));
        for (block, fit) in blocks_mut::<Self>(out).iter_mut().zip(fits) {
            *block = Iq2_klBlock::new(&fit);
        }
    }
}

/// [`PairedIq3`] as a ladder.
struct PairLadder {
    rungs: Rungs,
    /// For each first value of a pair: at each rung the square of its miss.
    firsts: [Vec<f32>; 8],
    /// For each first value of a pair: at each rung the best second value that goes with it, and the square of its miss.
    seconds: [Vec<f32>; 8],
    misses: [Vec<f32>; 8],
}

impl PairLadder {
    fn new(per_octave: f32) -> PairLadder {
        let rungs = Rungs::new(per_octave);
        let square = |t: f32, code: u8| (t - Iq3::PLAIN.value(code)).powi(2);
        let second = |a: usize, t: f32| {
            let seconds = PAIRS.iter().filter(|pair| usize::from(pair[0]) == a);
            let best = seconds.min_by(|p, q| square(t, p[1]).total_cmp(&square(t, q[1])));
            best.map_or(0, |pair| pair[1])
        };
        PairLadder {
            rungs,
            firsts: std::array::from_fn(|a| rungs.table(|t| square(t, a as u8))),
            seconds: std::array::from_fn(|a| rungs.table(|t| Iq3::PLAIN.value(second(a, t)))),
            misses: std::array::from_fn(|a| rungs.table(|t| square(t, second(a, t)))),
        }
    }
}

impl Ladder for PairLadder {
    #[inline(always)]
    fn rungs(&self) -> Rungs {
        self.rungs
    }
    #[inline(always)]
    fn ends(&self) -> [f32; 2] {
        [Iq3::PLAIN.value(0), Iq3::PLAIN.value(7)]
    }
    #[inline(always)]
    fn sums<S: Simd, const N: usize>(
        &self,
        s: S,
        at: &[usize; N],
        x: &[f32; N],
        w: &[f32; N],
    ) -> Sums {
        let mut sums = Sums::default();
        for part in 0..STEPS / S::N {
            let (mut xv, mut vv) = (s.zero(), s.zero());
            for i in (0..N).step_by(2) {
                let (from, next) = (at[i] + part * S::N, at[i + 1] + part * S::N);
                let (wa, wb) = (s.splat(w[i]), s.splat(w[i + 1]));
                let mut least = s.splat(f32::INFINITY);
                let (mut a, mut b) = (s.zero(), s.zero());
                for code in 0..8 {
                    let miss = s.mul(wb, s.load_at(&self.misses[code], next));
                    let error = s.fma(wa, s.load_at(&self.firsts[code], from), miss);
                    let better = s.lt(error, least);
                    least = s.select(better, error, least);
                    a = s.select(better, s.splat(Iq3::PLAIN.value(code as u8)), a);
                    b = s.select(better, s.load_at(&self.seconds[code], next), b);
                }
                let (wva, wvb) = (s.mul(wa, a), s.mul(wb, b));
                xv = s.fma(s.splat(x[i]), wva, s.fma(s.splat(x[i + 1]), wvb, xv));
                vv = s.fma(wva, a, s.fma(wvb, b, vv));
            }
            s.store_at(&mut sums.xv, part * S::N, xv);
            s.store_at(&mut sums.vv, part * S::N, vv);
        }
        sums
    }
}
