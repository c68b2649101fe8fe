//! Choosing the next token: [`Candidates`] are thinned out and reordered by the filters here, until [`Sampler`] picks one.
//! Grammars and chat templates are not here.

mod adaptive;
mod dry;
mod mirostat;
mod pick;
mod rng;
mod sort;

use std::collections::HashMap;

use super::params::{llama_token, llama_token_data};
pub use adaptive::AdaptiveP;
pub use dry::{Breakers, Dry, DryParams, find_breakers};
pub use pick::{Sampler, greedy, pick_with};
pub use rng::Mt19937;

/// The candidates for the next token.
pub struct Candidates<'a> {
    pub data: &'a mut [llama_token_data],
    /// By descending logit.
    pub sorted: bool,
}

impl<'a> Candidates<'a> {
    pub fn new(data: &'a mut [llama_token_data], sorted: bool) -> Candidates<'a> {
        Candidates { data, sorted }
    }

    pub fn len(&self) -> usize {
        self.data.len()
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    fn truncate(&mut self, n: usize) {
        let data = std::mem::take(&mut self.data);
        let n = n.min(data.len());
        self.data = &mut data[..n];
    }

    fn skip(&mut self, n: usize) {
        self.data = &mut std::mem::take(&mut self.data)[n..];
    }

    /// Keeps those that satisfy `keep`, in their order.
    fn retain(&mut self, keep: impl Fn(&llama_token_data) -> bool) {
        let mut n = 0;
        for i in 0..self.len() {
            if keep(&self.data[i]) {
                self.data[n] = self.data[i];
                n += 1;
            }
        }
        self.truncate(n);
    }

    fn max_logit(&self) -> f32 {
        self.data.iter().fold(f32::MIN, |max, c| max.max(c.logit))
    }

    /// Sorts the candidates and computes their probabilities, divided by their sum if `normalize` says so.
    pub fn softmax(&mut self, normalize: bool) {
        self.sort();
        self.weigh();
        let sum: f32 = self.data.iter().map(|c| c.p).sum();
        if normalize && sum > 0.0 {
            self.data.iter_mut().for_each(|c| c.p /= sum);
        }
    }

    /// Computes the probabilities up to a factor: relative to the largest.
    fn weigh(&mut self) {
        let max = self.max_logit();
        self.data
            .iter_mut()
            .for_each(|c| c.p = weight(c.logit, max));
    }

    /// Keeps the `k` most probable; all if `k` is not positive.
    pub fn top_k(&mut self, k: i32, min_keep: usize) {
        let k = match usize::try_from(k) {
            Ok(k) if k > 0 => k.max(min_keep).min(self.len()),
            _ => self.len(),
        };
        self.keep_first(k);
    }

    /// Keeps the most probable whose probabilities add up to `p` (nucleus sampling, arXiv 1904.09751).
    pub fn top_p(&mut self, p: f32, min_keep: usize) {
        if p >= 1.0 {
            return;
        }
        if self.is_empty() {
            return;
        }
        self.weigh();
        let total: f64 = self.data.iter().map(|c| f64::from(c.p)).sum();
        let total = total as f32;
        self.data.iter_mut().for_each(|c| c.p /= total);
        let mut sum = 0.0;
        self.keep_until(|i, c| {
            sum += f64::from(c.p);
            sum >= f64::from(p) && i + 1 >= min_keep
        });
    }

    /// Keeps those at least `p` times as probable as the most probable one.
    pub fn min_p(&mut self, p: f32, min_keep: usize) {
        if p <= 0.0 || self.is_empty() {
            return;
        }
        let min_logit = self.max_logit() + p.ln();
        if !self.sorted {
            let enough = self.data.iter().filter(|c| c.logit >= min_logit).count();
            if enough >= min_keep {
                self.retain(|c| c.logit >= min_logit);
                return;
            }
        }
        self.sort();
        let n = self
            .data
            .iter()
            .enumerate()
            .skip(1)
            .position(|(i, c)| c.logit < min_logit && i >= min_keep);
        self.truncate(n.map_or(self.len(), |n| n + 1));
    }

    /// Tail-free sampling: cuts where the curvature of the sorted probabilities has been spent up to `z`.
    pub fn tail_free(&mut self, z: f32, min_keep: usize) {
        if z >= 1.0 || self.len() <= 2 {
            return;
        }
        self.softmax(true);
        let curvature: Vec<f32> = self
            .data
            .windows(3)
            .map(|c| ((c[0].p - c[1].p) - (c[1].p - c[2].p)).abs())
            .collect();
        let total: f32 = curvature.iter().sum();
        let mut sum = 0.0;
        let last = curvature.iter().enumerate().position(|(i, c)| {
            sum += if total > 1e-6 {
                c / total
            } else {
                1.0 / curvature.len() as f32
            };
            sum > z && i >= min_keep
        });
        self.truncate(last.unwrap_or(self.len()));
    }

    /// Locally typical sampling (arXiv 2202.00666): prefers those whose surprise is near the entropy.
    pub fn typical(&mut self, p: f32, min_keep: usize) {
        if p >= 1.0 || self.is_empty() {
            return;
        }
        self.softmax(true);
        let entropy = self.entropy_of_probabilities();
        let mut scored: Vec<(f32, llama_token_data)> = self
            .data
            .iter()
            .map(|c| ((-c.p.ln() - entropy).abs(), *c))
            .collect();
        scored.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut sum = 0.0;
        let last = scored.iter().enumerate().position(|(i, (_, c))| {
            sum += c.p;
            sum > p && i + 1 >= min_keep
        });
        self.truncate(last.map_or(scored.len(), |i| i + 1));
        for (to, (_, from)) in self.data.iter_mut().zip(scored) {
            *to = from;
        }
        self.sorted = false;
    }

    /// In nats.
    fn entropy_of_probabilities(&self) -> f32 {
        let terms = self.data.iter().filter(|c| c.p > 0.0);
        terms.map(|c| -c.p * c.p.ln()).sum()
    }

    /// Dynamic temperature (arXiv 2309.02772): between `min_temp` and `max_temp`, by the entropy relative to the largest possible.
    pub fn entropy(&mut self, min_temp: f32, max_temp: f32, exponent: f32) {
        if self.len() <= 1 {
            return;
        }
        let max_entropy = -(1.0 / self.len() as f32).ln();
        self.softmax(true);
        let entropy = self.entropy_of_probabilities();
        let temp = min_temp + (max_temp - min_temp) * (entropy / max_entropy).powf(exponent);
        self.temperature(temp);
        self.softmax(true);
    }

    /// Divides the logits.
    pub fn temperature(&mut self, temp: f32) {
        self.data.iter_mut().for_each(|c| c.logit /= temp);
    }

    /// Keeps those within `n` standard deviations of the largest logit (arXiv 2411.07641).
    pub fn top_n_sigma(&mut self, n: f32) {
        if n <= 0.0 || self.len() < 4 {
            return;
        }
        let (mut sum, mut squares, mut max, mut count) = (0.0, 0.0, f32::MIN, 0);
        for l in self.data.iter().map(|c| c.logit) {
            if l != f32::NEG_INFINITY {
                max = max.max(l);
                count += 1;
                sum += f64::from(l);
                squares += f64::from(l) * f64::from(l);
            }
        }
        let mean = sum / f64::from(count);
        let variance = squares / f64::from(count) - mean * mean;
        if count < 4 || variance.is_nan() || variance <= 0.0 {
            return;
        }
        let threshold = max - n * variance.sqrt() as f32;
        let before = self.len();
        self.retain(|c| c.logit >= threshold);
        if self.len() < before {
            self.softmax(true);
        }
    }

    /// Excludes the most probable above `threshold` but the last of them ("exclude top choices"), with probability `probability`.
    pub fn xtc(
        &mut self,
        probability: f32,
        threshold: f32,
        min_keep: usize,
        sampler: &mut Sampler,
    ) {
        if probability <= 0.0 || threshold > 0.5 || self.len() < 2 {
            return;
        }
        if probability < 1.0 && sampler.uniform() > probability {
            return;
        }
        self.softmax(true);
        let above = self.data.iter().take_while(|c| c.p >= threshold).count();
        let first = above.saturating_sub(1);
        if self.len() - first >= min_keep {
            self.skip(first);
        }
    }

    /// Makes tokens that occurred lately less likely: `repeat` divides (negative logits: multiplies, arXiv 1909.05858),
    /// `frequency` subtracts per occurrence, `presence` once.
    pub fn penalties(&mut self, last: &[llama_token], repeat: f32, frequency: f32, presence: f32) {
        if last.is_empty() || (repeat == 1.0 && frequency == 0.0 && presence == 0.0) {
            return;
        }
        let mut counts: HashMap<llama_token, u32> = HashMap::new();
        last.iter()
            .for_each(|&t| *counts.entry(t).or_default() += 1);
        for c in self.data.iter_mut() {
            if let Some(&count) = counts.get(&c.id) {
                if c.logit <= 0.0 {
                    c.logit *= repeat;
                } else {
                    c.logit /= repeat;
                }
                c.logit -= count as f32 * frequency + presence;
            }
        }
        self.sorted = false;
    }
}

/// The probability of a logit relative to that of the largest.
fn weight(logit: f32, max: f32) -> f32 {
    if logit == max {
        return 1.0; // also if both are infinite
    }
    let weight = (logit - max).exp();
    if weight.is_nan() { 0.0 } else { weight }
}

/// Classifier-free guidance (arXiv 2306.17806): moves `logits` away from `guidance` by `scale`; both become log-probabilities.
pub fn apply_guidance(logits: &mut [f32], guidance: &mut [f32], scale: f32) {
    log_softmax(logits);
    log_softmax(guidance);
    for (l, g) in logits.iter_mut().zip(guidance) {
        *l = scale * (*l - *g) + *g;
    }
}

fn log_softmax(values: &mut [f32]) {
    let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = values.iter().map(|v| (v - max).exp()).sum();
    values
        .iter_mut()
        .for_each(|v| *v = ((*v - max).exp() / sum).ln());
}

#[cfg(test)]
mod tests;
