//! Rotary position embedding (<https://arxiv.org/abs/2104.09864>): three ways to pair values, several positions per token
//! (multimodal), YaRN scaling (<https://arxiv.org/abs/2309.00071>). Angles are made once per token, for all its heads.

use super::rows::Rows;
use super::view::{View, share};
use super::{param_f32, param_i32, source, worker_buffer};
use crate::cpu::task::Task;
use crate::graph::{Op, Tensor};

const NEOX: i32 = 2;
const MROPE: i32 = 8;
const VISION: i32 = 24;
const IMROPE: i32 = 40;

/// How values are paired.
#[derive(Clone, Copy, PartialEq)]
enum Pairing {
    /// Neighbours.
    Neighbours,
    /// `i` and `i + n_dims / 2`.
    Halves,
    /// `i` and `i + n_dims`: two angles' worth of dimensions.
    Vision,
}

fn pairing(mode: i32) -> Pairing {
    match mode {
        VISION => Pairing::Vision,
        _ if mode & (NEOX | MROPE) != 0 => Pairing::Halves,
        _ => Pairing::Neighbours,
    }
}

/// What the parameters of a rope node say: the angle of pair `p` at a token is `position[stream(p)] * frequency(p)`.
struct Angles {
    n_dims: usize,
    mode: i32,
    sections: [usize; 4],
    freq_base: f32,
    freq_scale: f32,
    ext_factor: f32,
    /// Between which pairs YaRN goes from extrapolation to interpolation.
    ramp: [f32; 2],
    /// Factor of cosines and sines.
    magnitude: f32,
    factors: Option<*const f32>,
}

impl Angles {
    fn of(node: Tensor, factors: Option<Tensor>) -> Angles {
        let [
            freq_base,
            freq_scale,
            ext_factor,
            attn_factor,
            beta_fast,
            beta_slow,
        ] = [5, 6, 7, 8, 9, 10].map(|k| param_f32(node, k));
        let n_dims = param_i32(node, 1).max(0) as usize;
        let magnitude = if ext_factor != 0.0 {
            attn_factor * (1.0 + 0.1 * (1.0 / freq_scale).ln())
        } else {
            attn_factor
        };
        Angles {
            n_dims,
            mode: param_i32(node, 2),
            sections: [11, 12, 13, 14].map(|k| param_i32(node, k).max(0) as usize),
            freq_base,
            freq_scale,
            ext_factor,
            ramp: yarn_ramp(n_dims, param_i32(node, 4), freq_base, beta_fast, beta_slow),
            magnitude,
            factors: factors.map(|f| f.data() as *const f32),
        }
    }

    /// Which of a token's positions pair `p` turns with, and the pair its frequency counts from.
    fn stream(&self, p: usize) -> (usize, usize) {
        if self.mode & MROPE == 0 {
            return (0, 0);
        }
        let s = self.sections;
        let total = s.iter().sum::<usize>().max(1);
        let sector = p % total;
        let starts = [0, s[0], s[0] + s[1], s[0] + s[1] + s[2]];
        let stream = if self.mode == IMROPE {
            match sector % 3 {
                1 if sector < 3 * s[1] => 1,
                2 if sector < 3 * s[2] => 2,
                0 if sector < 3 * s[0] => 0,
                _ => 3,
            }
        } else {
            (0..4).rev().find(|&k| sector >= starts[k]).unwrap_or(0)
        };
        // For images each section starts at the highest frequency again.
        let from = if self.mode == VISION {
            p - sector + starts[stream]
        } else {
            0
        };
        (stream, from)
    }

    /// Fills in the frequencies of all pairs (radians per position).
    fn frequencies(&self, out: &mut [f64]) {
        let step = (self.freq_base as f64).powf(-2.0 / self.n_dims as f64);
        let mut power = 1.0;
        for (p, freq) in out.iter_mut().enumerate() {
            let (_, from) = self.stream(p);
            *freq = if from == 0 {
                power
            } else {
                step.powi((p - from) as i32)
            };
            power *= step;
            if let Some(factors) = self.factors {
                // SAFETY: the builder checked that there is a factor for each pair of `n_dims`; more pairs repeat the last.
                let factor = unsafe { *factors.add(p.min((self.n_dims / 2).saturating_sub(1))) };
                *freq /= factor as f64;
            }
            let mut scale = self.freq_scale as f64;
            if self.ext_factor != 0.0 {
                let [low, high] = self.ramp;
                let at = (p as f64 - low as f64) / (high - low).max(0.001) as f64;
                let mix = (1.0 - at.clamp(0.0, 1.0)) * self.ext_factor as f64;
                scale = scale * (1.0 - mix) + mix;
            }
            *freq *= scale;
        }
    }
}

/// The pairs between which YaRN mixes: those that turn `beta_fast` and `beta_slow` times in the original context.
pub fn yarn_ramp(
    n_dims: usize,
    n_ctx_orig: i32,
    base: f32,
    beta_fast: f32,
    beta_slow: f32,
) -> [f32; 2] {
    let pair = |turns: f32| {
        let ratio = n_ctx_orig as f32 / (turns * 2.0 * std::f32::consts::PI);
        n_dims as f32 * ratio.ln() / (2.0 * base.ln())
    };
    [
        pair(beta_fast).floor().max(0.0),
        pair(beta_slow).ceil().min(n_dims as f32 - 1.0),
    ]
}

/// A worker's tables for `pairs` pairs of a token: frequencies, positions, angles, cosines, sines.
struct Tables {
    rows: &'static Rows,
    pairs: usize,
    freq: *mut f64,
    pos: *mut f64,
    angle: *mut f32,
    cos: *mut f32,
    sin: *mut f32,
}

/// Floats of work buffer that each worker needs for rows of `n` values.
pub fn work_floats(n: usize) -> usize {
    // Two f64 and one f32 per pair, a cosine and a sine per value, and a row.
    let pairs = n.div_ceil(2).next_multiple_of(16);
    2 * 2 * pairs + pairs + 4 * pairs + 2 * pairs
}

impl Tables {
    fn new(task: &Task, n: usize) -> Tables {
        let pairs = n.div_ceil(2).next_multiple_of(16);
        let base = worker_buffer(task, work_floats(n));
        Tables {
            rows: Rows::get(),
            pairs: n / 2,
            freq: base.cast(),
            pos: base.wrapping_add(2 * pairs).cast(),
            angle: base.wrapping_add(4 * pairs),
            cos: base.wrapping_add(5 * pairs),
            sin: base.wrapping_add(7 * pairs),
        }
    }

    /// A buffer for a row, behind the tables.
    fn row(&self) -> *mut f32 {
        self.sin.wrapping_add(2 * self.pairs.next_multiple_of(16))
    }

    fn set_frequencies(&self, angles: &Angles) {
        // SAFETY: the table holds `pairs` values.
        angles.frequencies(unsafe { std::slice::from_raw_parts_mut(self.freq, self.pairs) });
    }

    /// Cosines and sines of all pairs at a token, whose positions start at `pos`, `stride` apart.
    ///
    /// # Safety
    /// The positions that the mode needs are there.
    unsafe fn turn(&self, angles: &Angles, pos: *const i32, stride: usize) {
        let n = self.pairs;
        // SAFETY: the tables hold `pairs` values; the caller's promise about positions.
        unsafe {
            if angles.mode & MROPE == 0 {
                std::slice::from_raw_parts_mut(self.pos, n).fill(*pos as f64);
            } else {
                for p in 0..n {
                    *self.pos.add(p) = *pos.add(angles.stream(p).0 * stride) as f64;
                }
            }
            self.rows.angles(n, self.pos, self.freq, self.angle);
            self.rows.cos_sin(n, self.angle, self.cos, self.sin);
        }
    }

    /// Brings cosines and sines into the form that [`Tables::rotate`] needs, times `magnitude`.
    ///
    /// # Safety
    /// The tables are filled for `pairs`.
    unsafe fn arrange(&self, pairing: Pairing, magnitude: f32, sign: f32) {
        // SAFETY: the tables hold two values per pair.
        unsafe {
            let cos = std::slice::from_raw_parts_mut(self.cos, 2 * self.pairs);
            let sin = std::slice::from_raw_parts_mut(self.sin, 2 * self.pairs);
            if pairing == Pairing::Neighbours {
                for p in (0..self.pairs).rev() {
                    let (c, s) = (cos[p] * magnitude, sin[p] * magnitude * sign);
                    (cos[2 * p], cos[2 * p + 1]) = (c, c);
                    (sin[2 * p], sin[2 * p + 1]) = (-s, s);
                }
            } else {
                for p in 0..self.pairs {
                    cos[p] *= magnitude;
                    sin[p] *= magnitude * sign;
                }
            }
        }
    }

    /// Rotates one row of `n` values, of which the first `n_dims` turn.
    ///
    /// # Safety
    /// The rows are inside their tensors; the tables are arranged.
    unsafe fn rotate(&self, pairing: Pairing, n_dims: usize, x: &View, y: &View, i: [usize; 3]) {
        let n = y.ne[0];
        // SAFETY: the caller's promise; the buffer holds a row.
        unsafe {
            let from = x.load(i, 0, n, self.row());
            let to = y.target(i, 0, self.row());
            let turned = match pairing {
                Pairing::Neighbours => {
                    self.rows.rotate_pairs(n_dims, from, self.cos, self.sin, to);
                    n_dims
                }
                Pairing::Halves => {
                    self.rows
                        .rotate_halves(n_dims / 2, from, self.cos, self.sin, to);
                    n_dims
                }
                Pairing::Vision => {
                    self.rows.rotate_halves(n / 2, from, self.cos, self.sin, to);
                    n
                }
            };
            if !std::ptr::eq(from, to) {
                std::ptr::copy(from.add(turned), to.add(turned), n - turned);
            }
            y.store(i, 0, n, to);
        }
    }
}

/// `rope`, `rope_back`: x is [head size, heads, tokens, batch], src 1 the positions, src 2 optional frequency factors.
pub fn rope(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let pos = source(node, 1).data() as *const i32;
    let angles = Angles::of(node, node.src(2));
    let sign = if node.op() == Op::Rope_back {
        -1.0
    } else {
        1.0
    };
    let pairing = pairing(angles.mode);
    let tables = Tables::new(task, y.ne[0]);
    tables.set_frequencies(&angles);
    share(task, y.ne[2] * y.ne[3], 1, |k| {
        let (token, batch) = (k % y.ne[2], k / y.ne[2]);
        // SAFETY: the builder checked that there are positions for all tokens; the shapes are equal.
        unsafe {
            tables.turn(&angles, pos.add(token), y.ne[2]);
            tables.arrange(pairing, angles.magnitude, sign);
            for head in 0..y.ne[1] {
                tables.rotate(pairing, angles.n_dims, &x, &y, [head, token, batch]);
            }
        }
    });
}

/// `rope_cache`: rows of cosine and sine of each pair, one row per position in src 0; src 1 optional frequency factors.
pub fn rope_cache(task: &Task, node: Tensor) {
    let y = View::of(node);
    let pos = source(node, 0).data() as *const i32;
    let angles = Angles::of(node, node.src(1));
    let tables = Tables::new(task, y.ne[0]);
    tables.set_frequencies(&angles);
    share(task, y.ne[1], 4, |token| {
        let to = y.row([token, 0, 0]).cast::<f32>();
        // SAFETY: there is a position for each row, and a row has two values per pair.
        unsafe {
            tables.turn(&angles, pos.add(token), y.ne[1]);
            for p in 0..tables.pairs {
                *to.add(2 * p) = *tables.cos.add(p) * angles.magnitude;
                *to.add(2 * p + 1) = *tables.sin.add(p) * angles.magnitude;
            }
        }
    });
}

/// `rope_fast`: rotates with the rows that `rope_cache` made (src 1).
pub fn rope_fast(task: &Task, node: Tensor) {
    let (x, cache, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let n_dims = param_i32(node, 0).max(0) as usize;
    let pairing = pairing(param_i32(node, 1));
    let tables = Tables::new(task, y.ne[0]);
    share(task, y.ne[2] * y.ne[3], 1, |k| {
        let (token, batch) = (k % y.ne[2], k / y.ne[2]);
        let row = cache.row([token, 0, 0]).cast::<f32>();
        // SAFETY: the cache has a row per token, with two values for each pair of a row of `x`.
        unsafe {
            for p in 0..tables.pairs {
                *tables.cos.add(p) = *row.add(2 * p);
                *tables.sin.add(p) = *row.add(2 * p + 1);
            }
            tables.arrange(pairing, 1.0, 1.0);
            for head in 0..y.ne[1] {
                tables.rotate(pairing, n_dims, &x, &y, [head, token, batch]);
            }
        }
    });
}
