//! Mirostat (arXiv 2007.14966): holds the surprise of the chosen tokens at a target `tau` by steering `mu`.

use super::{Candidates, Sampler};
use crate::llama::params::llama_token;

impl Sampler {
    /// Version 1: estimates the exponent of the distribution's power law from the `m` most probable, and cuts to `k` candidates.
    pub fn mirostat(
        &mut self,
        candidates: &mut Candidates,
        n_vocab: usize,
        tau: f32,
        eta: f32,
        m: i32,
        mu: &mut f32,
    ) -> llama_token {
        candidates.softmax(true);
        let m = usize::try_from(m).unwrap_or(0);
        let (mut tb, mut tt) = (0.0, 0.0);
        for (i, pair) in candidates
            .data
            .windows(2)
            .take(m.saturating_sub(1))
            .enumerate()
        {
            let t = ((i + 2) as f32 / (i + 1) as f32).ln();
            tb += t * (pair[0].p / pair[1].p).ln();
            tt += t * t;
        }
        let s: f32 = tb / tt;
        let epsilon = s - 1.0;
        let k =
            (epsilon * 2.0f32.powf(*mu) / (1.0 - (n_vocab as f32).powf(-epsilon))).powf(1.0 / s);
        candidates.top_k(k as i32, 1);
        let token = self.pick(candidates);
        steer(candidates, token, tau, eta, mu);
        token
    }

    /// Version 2: cuts those more surprising than `mu`.
    pub fn mirostat_v2(
        &mut self,
        candidates: &mut Candidates,
        tau: f32,
        eta: f32,
        mu: &mut f32,
    ) -> llama_token {
        candidates.softmax(true);
        let n = candidates
            .data
            .iter()
            .take_while(|c| -c.p.log2() <= *mu)
            .count();
        candidates.truncate(n.max(1));
        candidates.softmax(true);
        let token = self.pick(candidates);
        steer(candidates, token, tau, eta, mu);
        token
    }
}

fn steer(candidates: &Candidates, token: llama_token, tau: f32, eta: f32, mu: &mut f32) {
    if let Some(c) = candidates.data.iter().find(|c| c.id == token) {
        *mu -= eta * (-c.p.log2() - tau);
    }
}
