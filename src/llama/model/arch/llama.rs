//! `llama`: LLaMA (arXiv 2302.13971) and its many kin, Mistral and SmolLM among them; with experts, Mixtral (arXiv 2401.04088).

use super::{Architecture, Page};
use crate::ensure;
use crate::error::Result;
use crate::graph::{Tensor, UnaryOp};
use crate::llama::model::blocks::{Attention, Experts, FeedForward, Linear, Norm};
use crate::llama::model::build::Builder;
use crate::llama::model::hparams::{Hparams, Keys};
use crate::llama::model::load::Loader;
use crate::llama::params::RopeType;

pub const PAGE: Page = Page {
    name: "llama",
    rope_type: RopeType::Norm,
    hparams,
    size,
    load,
};

fn hparams(keys: &Keys, hp: &mut Hparams) -> Result<()> {
    hp.norm_rms_eps = keys.require_f32("attention.layer_norm_rms_epsilon")?;
    ensure!(
        hp.n_rot == hp.n_embd_head_k && hp.n_embd_head_v == hp.n_embd_head_k,
        "heads of {} values for keys and {} for values, of which {} are rotated: they must be equal",
        hp.n_embd_head_k,
        hp.n_embd_head_v,
        hp.n_rot
    );
    Ok(())
}

fn size(hp: &Hparams) -> &'static str {
    match (hp.n_expert, hp.n_layer) {
        (8, 32) => "8x7B",
        (8, 56) => "8x22B",
        (8, _) => "?B",
        (_, 22) => "1B",
        (_, 26) => "3B",
        (_, 32) if hp.n_vocab == 49152 => "3B",
        (_, 32) if hp.n_vocab < 40000 => "7B",
        (_, 32 | 36) => "8B",
        (_, 40) => "13B",
        (_, 48) => "34B",
        (_, 60) => "30B",
        (_, 80) if hp.n_head == hp.n_head_kv => "65B",
        (_, 80) => "70B",
        _ => "?B",
    }
}

struct Llama {
    tok_embd: Tensor,
    layers: Vec<Layer>,
    output_norm: Norm,
    output: Linear,
}

struct Layer {
    attention: Attention,
    ffn: Ffn,
}

enum Ffn {
    Dense(FeedForward),
    Moe(Experts),
}

fn load(l: &mut Loader, hp: &Hparams) -> Result<Box<dyn Architecture>> {
    let (n_embd, n_vocab) = (hp.n_embd, hp.n_vocab);
    let tok_embd = l.tensor("token_embd.weight", &[n_embd, n_vocab])?;
    let output = l.optional("output.weight", &[n_embd, n_vocab])?;
    let layer = |l: &mut Loader, il| {
        Ok(Layer {
            attention: Attention::load(l, hp, il)?,
            ffn: match hp.n_expert {
                0 => Ffn::Dense(FeedForward::load(l, hp, il, UnaryOp::Silu)?),
                _ => Ffn::Moe(Experts::load(l, hp, il, UnaryOp::Silu)?),
            },
        })
    };
    Ok(Box::new(Llama {
        tok_embd,
        layers: (0..hp.n_layer as usize)
            .map(|il| layer(l, il))
            .collect::<Result<_>>()?,
        output_norm: Norm::load(l, "output_norm", n_embd)?,
        output: Linear {
            w: output.unwrap_or(tok_embd),
            b: None,
        },
    }))
}

impl Architecture for Llama {
    fn build(&self, b: &mut Builder) -> Result<()> {
        let mut x = b.embeddings(self.tok_embd)?;
        for (il, layer) in self.layers.iter().enumerate() {
            let last = il + 1 == self.layers.len();
            match layer.attention.build(b, x, il, last)? {
                Some(y) => x = y,
                None => return Ok(()),
            }
            x = match &layer.ffn {
                Ffn::Dense(ffn) => ffn.build(b, x, il)?,
                Ffn::Moe(experts) => experts.build(b, x, il)?,
            };
            x = b.steer(x, il)?;
            b.name(x, "l_out", il);
        }
        b.output(x, &self.output_norm, &self.output)
    }

    fn rope_factors(&self, il: usize) -> Option<Tensor> {
        self.layers[il].attention.rope_factors()
    }
}
