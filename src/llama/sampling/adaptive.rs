//! The adaptive-p sampler: prefers tokens whose probability is near a target, and moves that target so that the probabilities
//! of the tokens it chose average to it (<https://github.com/MrJackSpade/adaptive-p-docs>).

use super::rng::Mt19937;
use super::{Candidates, weight};
use crate::ensure;
use crate::error::Result;
use crate::llama::params::{LLAMA_TOKEN_NULL, llama_token};

/// Logits this far below the largest count as impossible when the original probabilities are taken down.
const NEGLIGIBLE: f32 = 30.0;
/// The new logit of a candidate whose probability is the target.
const PEAK: f32 = 5.0;
/// Distances from the target are measured in these.
const WIDTH: f32 = 0.3;
const SHARPNESS: f32 = 10.0;

/// An exponentially weighted average, numerator and denominator.
#[derive(Clone, Copy, Debug)]
struct Average {
    sum: f32,
    weight: f32,
}

/// The state of an adaptive-p sampler, `llama_sampler_adaptive_p`.
#[derive(Clone, Debug)]
pub struct AdaptiveP {
    /// The probability to aim at; negative if the sampler is off.
    target: f32,
    /// How much of the average remains after a token.
    decay: f32,
    /// Whether the average is over the probabilities after the other samplers, or before all of them.
    of_current: bool,
    rng: Mt19937,
    /// The average after each token since the last [`AdaptiveP::review`].
    history: Vec<Average>,
    /// Per token, before all samplers; not divided by their sum.
    original: Vec<f32>,
    original_sum: f32,
    current_sum: f32,
    max_logit: f32,
}

impl AdaptiveP {
    pub fn new(n_vocab: usize, target: f32, decay: f32, of_current: bool, seed: u32) -> AdaptiveP {
        let decay = if decay.is_nan() {
            0.0
        } else {
            decay.clamp(0.0, 0.99)
        };
        AdaptiveP {
            target,
            decay,
            of_current,
            rng: Mt19937::new(seed),
            history: vec![Average {
                sum: target / (1.0 - decay),
                weight: 1.0 / (1.0 - decay),
            }],
            original: vec![0.0; n_vocab],
            original_sum: 1.0,
            current_sum: 1.0,
            max_logit: f32::NEG_INFINITY,
        }
    }

    fn off(&self) -> bool {
        self.target < 0.0
    }

    fn average(&self) -> Average {
        self.history[self.history.len() - 1]
    }

    /// Takes down the original probabilities. To be called with all tokens of the vocabulary in order, before any other sampler.
    pub fn prepare(&mut self, candidates: &Candidates) -> Result<()> {
        if self.of_current || self.off() {
            return Ok(());
        }
        ensure!(
            candidates.len() == self.original.len() && !candidates.sorted,
            "adaptive p: got {} candidates{} instead of the whole vocabulary of {}, before any other sampler",
            candidates.len(),
            if candidates.sorted { ", sorted," } else { "" },
            self.original.len()
        );
        let max = candidates.max_logit();
        self.original_sum = 0.0;
        for (to, c) in self.original.iter_mut().zip(candidates.data.iter()) {
            *to = if c.logit >= max - NEGLIGIBLE {
                weight(c.logit, max)
            } else {
                0.0
            };
            self.original_sum += *to;
        }
        Ok(())
    }

    /// Replaces the logits by how near the probabilities are to the adapted target. To be called after all other samplers.
    pub fn apply(&mut self, candidates: &mut Candidates) {
        if self.off() {
            return candidates.softmax(true);
        }
        let max = candidates.max_logit();
        self.current_sum = 0.0;
        for c in candidates.data.iter_mut() {
            c.p = weight(c.logit, max);
            self.current_sum += c.p;
        }
        let Average { sum, weight: total } = self.average();
        let target = self.target.clamp(0.0, 1.0);
        let adapted = if total == 0.0 {
            target
        } else {
            2.0 * target - sum / total
        };
        let inverse_width = 1.0 / WIDTH;
        let at = adapted.clamp(0.0, 1.0) * inverse_width;
        let scale = inverse_width / self.current_sum;
        self.max_logit = f32::NEG_INFINITY;
        for c in candidates.data.iter_mut() {
            // quadratic near the target, so that it is smooth; linear far from it
            let distance = (c.p * scale - at).abs();
            c.logit = PEAK - SHARPNESS * distance * distance / (1.0 + distance);
            self.max_logit = self.max_logit.max(c.logit);
        }
        candidates.sorted = false;
    }

    /// Picks a token after [`AdaptiveP::apply`], and averages its probability in.
    pub fn pick(&mut self, candidates: &Candidates) -> llama_token {
        let Some(i) = super::pick::choose(candidates, self.max_logit, &mut self.rng) else {
            return LLAMA_TOKEN_NULL;
        };
        let picked = candidates.data[i];
        let p = if self.of_current {
            picked.p / self.current_sum
        } else {
            let index = usize::try_from(picked.id).unwrap_or(usize::MAX);
            self.original.get(index).unwrap_or(&0.0) / self.original_sum
        };
        if p > 0.0 {
            let Average { sum, weight } = self.average();
            self.history.push(Average {
                sum: self.decay * sum + p,
                weight: self.decay * weight + 1.0,
            });
        }
        picked.id
    }

    /// Shortens the history to the last `n_unsent` tokens; or, if they were taken back, to what came before the others.
    /// Nothing happens while that would spare less than half.
    pub fn review(&mut self, n_unsent: usize, rewind: bool) {
        let n = n_unsent.saturating_add(1);
        if self.off() || n >= self.history.len() / 2 {
            return;
        }
        if rewind {
            self.history.truncate(n);
        } else {
            self.history.drain(..self.history.len() - n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llama::params::llama_token_data;

    fn data(p: &[f32]) -> Vec<llama_token_data> {
        let candidate = |(id, p): (usize, &f32)| llama_token_data {
            id: id as i32,
            logit: p.ln(),
            p: 0.0,
        };
        p.iter().enumerate().map(candidate).collect()
    }

    #[test]
    fn prefers_tokens_near_the_target() {
        let mut sampler = AdaptiveP::new(4, 0.2, 0.9, false, 1);
        let mut data = data(&[0.7, 0.2, 0.09, 0.01]);
        let mut c = Candidates::new(&mut data, false);
        sampler.prepare(&c).unwrap();
        sampler.apply(&mut c);
        assert_eq!(super::super::greedy(&c), 1);
    }

    #[test]
    fn the_average_follows_the_target() {
        let p = [0.5, 0.25, 0.15, 0.07, 0.02, 0.01];
        for of_current in [false, true] {
            let average = |target| {
                let mut sampler = AdaptiveP::new(6, target, 0.98, of_current, 7);
                let mut sum = 0.0;
                for _ in 0..2000 {
                    let mut data = data(&p);
                    let mut c = Candidates::new(&mut data, false);
                    sampler.prepare(&c).unwrap();
                    sampler.apply(&mut c);
                    sum += p[sampler.pick(&c) as usize];
                }
                sampler.review(3, false);
                assert_eq!(sampler.history.len(), 4);
                sum / 2000.0
            };
            for target in [0.1, 0.3, 0.4] {
                assert!((average(target) - target).abs() < 0.05, "{target}");
            }
        }
    }

    #[test]
    fn wrong_candidates_are_an_error() {
        let mut sampler = AdaptiveP::new(4, 0.2, 0.9, false, 1);
        let mut data = data(&[0.5, 0.5]);
        assert!(sampler.prepare(&Candidates::new(&mut data, false)).is_err());
        let none = &mut [];
        assert_eq!(
            sampler.pick(&Candidates::new(none, false)),
            LLAMA_TOKEN_NULL
        );
    }
}
