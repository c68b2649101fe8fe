//! Picking a token: by the largest logit, or by chance with a generator whose numbers are those of C++'s `std::mt19937`, so
//! that a seed gives the same tokens as with the C++ libraries.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::rng::Mt19937;
use super::{Candidates, weight};
use crate::llama::params::{LLAMA_DEFAULT_SEED, LLAMA_TOKEN_NULL, llama_token};

/// The random numbers of a context, and how long sampling took.
pub struct Sampler {
    pub rng: Mt19937,
    pub t_sample_us: i64,
    pub n_sample: i32,
}

impl Sampler {
    pub fn new(seed: u32) -> Sampler {
        Sampler {
            rng: Mt19937::new(resolve(seed)),
            t_sample_us: 0,
            n_sample: 0,
        }
    }

    pub fn set_seed(&mut self, seed: u32) {
        self.rng = Mt19937::new(resolve(seed));
    }

    /// A number in `0.0..1.0`, as `std::uniform_real_distribution<float>` makes it.
    pub(super) fn uniform(&mut self) -> f32 {
        (self.rng.next_u32() as f32 / 4294967296.0).min(1.0f32.next_down())
    }

    /// Picks by the probabilities that the logits mean.
    pub fn pick(&mut self, candidates: &Candidates) -> llama_token {
        self.n_sample += 1;
        pick_with(candidates, &mut self.rng)
    }

    /// The first token of the largest logit.
    pub fn greedy(&mut self, candidates: &Candidates) -> llama_token {
        self.n_sample += 1;
        greedy(candidates)
    }

    /// Runs `f` and adds its time to the sampling time.
    pub fn timed<T>(&mut self, f: impl FnOnce(&mut Sampler) -> T) -> T {
        let start = Instant::now();
        let result = f(self);
        self.t_sample_us += start.elapsed().as_micros() as i64;
        result
    }
}

/// Picks by the probabilities that the logits mean.
pub fn pick_with(candidates: &Candidates, rng: &mut Mt19937) -> llama_token {
    match &*candidates.data {
        [] => LLAMA_TOKEN_NULL,
        [one] => one.id,
        data => {
            let max = candidates.max_logit();
            choose(candidates, max, rng).map_or(LLAMA_TOKEN_NULL, |i| data[i].id)
        }
    }
}

/// The index of a candidate chosen with probability proportional to `exp(logit - max)`; `None` if there are none.
pub(super) fn choose(candidates: &Candidates, max: f32, rng: &mut Mt19937) -> Option<usize> {
    let mut sum = 0.0;
    let cumulative: Vec<f32> = candidates
        .data
        .iter()
        .map(|c| {
            sum += weight(c.logit, max);
            sum
        })
        .collect();
    let at = sum * rng.next_u32() as f32 / u32::MAX as f32;
    let i = cumulative.partition_point(|&c| c <= at);
    (i < candidates.len())
        .then_some(i)
        .or(candidates.len().checked_sub(1))
}

fn resolve(seed: u32) -> u32 {
    if seed != LLAMA_DEFAULT_SEED {
        return seed;
    }
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |t| t.as_nanos() as u32)
}

/// The first token of the largest logit.
pub fn greedy(candidates: &Candidates) -> llama_token {
    let mut best: Option<&crate::llama::params::llama_token_data> = None;
    for c in candidates.data.iter() {
        if best.is_none_or(|b| c.logit > b.logit || b.logit.is_nan()) {
            best = Some(c);
        }
    }
    best.map_or(LLAMA_TOKEN_NULL, |c| c.id)
}
