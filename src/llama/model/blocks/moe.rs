//! A mixture of experts: a router picks a few feed-forward networks for each token and weighs what they give.

use super::Norm;
use crate::error::Result;
use crate::graph::{Tensor, UnaryOp};
use crate::llama::model::build::Builder;
use crate::llama::model::hparams::Hparams;
use crate::llama::model::load::Loader;

pub struct Experts {
    norm: Norm,
    router: Tensor,
    /// `[n_embd, n_ff, n_expert]`, as `up`.
    gate: Tensor,
    up: Tensor,
    /// `[n_ff, n_embd, n_expert]`.
    down: Tensor,
    op: UnaryOp,
}

impl Experts {
    pub fn load(l: &mut Loader, hp: &Hparams, il: usize, op: UnaryOp) -> Result<Experts> {
        let name = |part: &str| format!("blk.{il}.{part}");
        let (n_embd, n_ff, n) = (hp.n_embd, hp.n_ff[il], hp.n_expert);
        let mut experts = |part: &str, n_in, n_out| {
            let merged = name(&format!("ffn_{part}_exps.weight"));
            // old files have a tensor for each expert
            let single = |x| name(&format!("ffn_{part}.{x}.weight"));
            l.experts(&merged, single, &[n_in, n_out, n])
        };
        Ok(Experts {
            gate: experts("gate", n_embd, n_ff)?,
            up: experts("up", n_embd, n_ff)?,
            down: experts("down", n_ff, n_embd)?,
            norm: Norm::load(l, &name("ffn_norm"), n_embd)?,
            router: l.tensor(&name("ffn_gate_inp.weight"), &[n_embd, n])?,
            op,
        })
    }

    /// `input` plus what the experts add to it. The router's probabilities are a soft-max over all experts, and those of the
    /// experts in use add up to one.
    pub fn build(&self, b: &Builder, input: Tensor, il: usize) -> Result<Tensor> {
        let c = b.ctx;
        let x = self.norm.build(b, input)?;
        b.name(x, "ffn_norm", il);
        let [n_embd, n_tokens, ..] = x.ne();
        let n_expert = i64::from(b.hp.n_expert);
        let n_used = if b.warmup {
            b.hp.n_expert
        } else {
            b.hp.n_expert_used
        };
        let used = i64::from(n_used);

        let logits = b.mul_mat(self.router, x)?;
        b.name(logits, "ffn_moe_logits", il);
        let probs = c.soft_max(logits)?;
        b.name(probs, "ffn_moe_probs", il);
        let selected = c.top_k(probs, n_used as i32)?;
        b.name(selected, "ffn_moe_topk", il);
        let weights = c.get_rows(c.reshape_3d(probs, 1, n_expert, n_tokens)?, selected)?;
        b.name(weights, "ffn_moe_weights", il);
        let weights = c.reshape_2d(weights, used, n_tokens)?;
        let sum = c.sum_rows(weights)?;
        b.name(sum, "ffn_moe_weights_sum", il);
        let weights = c.div(weights, sum)?;
        b.name(weights, "ffn_moe_weights_norm", il);
        let weights = c.reshape_3d(weights, 1, used, n_tokens)?;
        b.expand(weights)?;

        let x = c.reshape_3d(x, n_embd, 1, n_tokens)?;
        let hidden = if b.cp.fused_moe_up_gate && !b.is_adapted(&[self.up, self.gate]) {
            c.moe_up_gate(self.up, Some(self.gate), x, selected, None, None, self.op)?
        } else {
            let up = b.mul_mat_id(self.up, x, selected)?;
            b.name(up, "ffn_moe_up", il);
            let gate = b.mul_mat_id(self.gate, x, selected)?;
            b.name(gate, "ffn_moe_gate", il);
            c.fused_mul_unary(gate, up, self.op)?
        };
        b.name(hidden, "ffn_moe_gate_par", il);
        let out = b.mul_mat_id(self.down, hidden, selected)?;
        b.name(out, "ffn_moe_down", il);
        let out = if b.cp.fused_mmad {
            let out = c.mul_multi_add(out, weights)?;
            b.name(out, "ffn_moe_weighted", il);
            out
        } else {
            let out = c.mul(out, weights)?;
            b.name(out, "ffn_moe_weighted", il);
            self.sum_experts(b, out, n_used as i32)?
        };
        let sum = c.add(out, input)?;
        b.name(sum, "ffn_moe_out", il);
        Ok(sum)
    }

    /// Adds up the experts of `[n_embd, used, tokens]`.
    fn sum_experts(&self, b: &Builder, out: Tensor, n_used: i32) -> Result<Tensor> {
        let [n_embd, _, n_tokens, _] = out.ne();
        let first = b.ctx.view_2d(out, n_embd, n_tokens, out.nb()[2], 0)?;
        match n_used {
            1 => b.ctx.cont(first),
            _ => b.ctx.multi_add(first, n_used),
        }
    }
}
