//! The feed-forward network with a gate: `down(op(gate x) * up x)`.

use super::{Linear, Norm};
use crate::error::Result;
use crate::graph::{Tensor, UnaryOp};
use crate::llama::model::build::Builder;
use crate::llama::model::hparams::Hparams;
use crate::llama::model::load::Loader;

pub struct FeedForward {
    norm: Norm,
    gate: Linear,
    up: Linear,
    down: Linear,
    op: UnaryOp,
}

impl FeedForward {
    pub fn load(l: &mut Loader, hp: &Hparams, il: usize, op: UnaryOp) -> Result<FeedForward> {
        let name = |part: &str| format!("blk.{il}.{part}");
        let (n_embd, n_ff) = (hp.n_embd, hp.n_ff[il]);
        Ok(FeedForward {
            norm: Norm::load(l, &name("ffn_norm"), n_embd)?,
            gate: Linear::load(l, &name("ffn_gate"), n_embd, n_ff)?,
            up: Linear::load(l, &name("ffn_up"), n_embd, n_ff)?,
            down: Linear::load(l, &name("ffn_down"), n_ff, n_embd)?,
            op,
        })
    }

    /// `input` plus what the network adds to it.
    pub fn build(&self, b: &Builder, input: Tensor, il: usize) -> Result<Tensor> {
        let x = self.norm.build(b, input)?;
        // the reference's name for the norm's input, which tools rely on
        b.name(input, "ffn_norm", il);
        let plain = self.up.b.is_none()
            && self.gate.b.is_none()
            && !b.is_adapted(&[self.up.w, self.gate.w]);
        let hidden = if b.cp.fused_up_gate && plain {
            let hidden = b.ctx.fused_up_gate(self.up.w, self.gate.w, x, self.op)?;
            b.name(hidden, "ffn_up_gate", il);
            hidden
        } else {
            let up = self.up.build(b, x)?;
            b.name(up, "ffn_up", il);
            let gate = self.gate.build(b, x)?;
            b.name(gate, "ffn_gate", il);
            b.ctx.fused_mul_unary(gate, up, self.op)?
        };
        let out = b.mul_mat(self.down.w, hidden)?;
        b.name(out, "ffn_down", il);
        let out = self.down.bias(b, out)?;
        let sum = b.ctx.add(out, input)?;
        b.name(sum, "ffn_out", il);
        Ok(sum)
    }
}
