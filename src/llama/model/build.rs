//! Building a model's graph for one batch: the inputs, the ends, and what the blocks need to know.

use super::blocks::{Linear, Norm};
use super::hparams::Hparams;
use crate::bail;
use crate::error::Result;
use crate::graph::{Context, Graph, KQ_MASK_PAD, TENSOR_FLAG_INPUT, Tensor, params};
use crate::llama::adapter::{Factors, Overlay};
use crate::llama::cparams::Cparams;
use crate::llama::params::PoolingType;
use crate::quant::Type;

/// The KV cache as a graph sees it.
#[derive(Clone, Copy)]
pub struct KvView<'a> {
    /// Per layer, `[n_embd_k_gqa, cells]`.
    pub k: &'a [Tensor],
    /// Per layer, `[n_embd_v_gqa, cells]`, or transposed: `[cells, n_embd_v_gqa]`.
    pub v: &'a [Tensor],
    pub v_trans: bool,
    pub size: usize,
    /// The cell of the batch's first token.
    pub head: usize,
    /// How many cells attention looks at.
    pub n_kv: usize,
}

/// The size of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchShape {
    pub n_tokens: usize,
    /// How many tokens have an output.
    pub n_outputs: usize,
    /// The input is embeddings, not tokens.
    pub embd: bool,
}

/// The input tensors of a graph; the context fills them before it computes the graph.
#[derive(Clone, Copy, Default)]
pub struct Inputs {
    /// I32 `[n_tokens]`.
    pub tokens: Option<Tensor>,
    /// F32 `[n_embd, n_tokens]`.
    pub embd: Option<Tensor>,
    /// I32 `[n_tokens]`.
    pub pos: Option<Tensor>,
    /// I32 `[n_outputs]`: which tokens have an output.
    pub out_ids: Option<Tensor>,
    /// F16 or F32 `[n_kv, n_tokens padded]`: 0 where a token sees a cell, else minus infinity.
    pub kq_mask: Option<Tensor>,
    /// F32 `[n_tokens, n_tokens]`: the weight of each token in each sequence's mean.
    pub mean: Option<Tensor>,
    /// I32 `[n_tokens]`: the token that stands for each sequence.
    pub cls: Option<Tensor>,
}

/// The nodes of a graph that hold its results, those that it has.
#[derive(Clone, Copy, Default)]
pub struct Results {
    /// `[n_vocab, n_outputs]`.
    pub logits: Option<Tensor>,
    /// `[n_embd, n_outputs]`.
    pub embd: Option<Tensor>,
    /// `[n_embd, n_tokens]`, of which there is a row for each sequence.
    pub pooled: Option<Tensor>,
}

/// A node that stores keys or values into the cache, and how many bytes a cell takes there: with that the same graph can
/// store to another cell.
#[derive(Clone, Copy)]
pub struct CacheStore {
    pub copy: Tensor,
    pub step: usize,
}

/// A graph under construction.
pub struct Builder<'a> {
    pub ctx: &'a Context,
    pub graph: Graph,
    pub hp: &'a Hparams,
    pub cp: &'a Cparams,
    pub kv: KvView<'a>,
    pub overlay: &'a Overlay,
    pub batch: BatchShape,
    /// All experts are used, to load them from disk.
    pub warmup: bool,
    pub inputs: Inputs,
    pub results: Results,
    pub stores: Vec<CacheStore>,
}

impl<'a> Builder<'a> {
    /// Names a tensor as tools that watch graphs expect it: `Qcur-3` in layer 3.
    pub fn name(&self, t: Tensor, name: &str, il: usize) {
        t.format_name(format_args!("{name}-{il}"));
    }

    pub fn n_tokens(&self) -> i64 {
        self.batch.n_tokens as i64
    }

    /// Adds a tensor and what it depends on to the graph now, which fixes the order.
    pub fn expand(&self, t: Tensor) -> Result<()> {
        self.graph.build_forward_expand(t)
    }

    /// A matrix of the model, with what adapters add to it, times columns.
    pub fn mul_mat(&self, w: Tensor, x: Tensor) -> Result<Tensor> {
        let product = |w, x| self.ctx.mul_mat(w, x);
        self.adapted(w, x, product)
    }

    /// As [`Builder::mul_mat`], with the matrix of the expert that `ids` names for each column.
    pub fn mul_mat_id(&self, w: Tensor, x: Tensor, ids: Tensor) -> Result<Tensor> {
        let product = |w, x| self.ctx.mul_mat_id(w, x, ids);
        self.adapted(w, x, product)
    }

    fn adapted(
        &self,
        w: Tensor,
        x: Tensor,
        product: impl Fn(Tensor, Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let mut y = product(w, x)?;
        for (Factors { a, b }, scale) in self.overlay.factors(w) {
            let more = product(b, product(a, x)?)?;
            y = self.ctx.add(y, self.ctx.scale(more, scale)?)?;
        }
        Ok(y)
    }

    /// Whether an adapter adds to one of these matrices, so that no operator may use them as they are.
    pub fn is_adapted(&self, weights: &[Tensor]) -> bool {
        weights
            .iter()
            .any(|w| self.overlay.factors(*w).next().is_some())
    }

    /// A layer's output, turned to where a control vector wants it.
    pub fn steer(&self, x: Tensor, il: usize) -> Result<Tensor> {
        let control = self.overlay.control.as_ref();
        match control.and_then(|c| c.direction(il)) {
            Some(direction) => self.ctx.add(x, direction),
            None => Ok(x),
        }
    }

    fn input(&self, name: &str, ty: Type, ne: &[i64]) -> Result<Tensor> {
        let t = self.ctx.new_tensor(ty, ne)?;
        t.set_flags(t.flags() | TENSOR_FLAG_INPUT);
        Ok(t.set_name(name))
    }

    /// The embeddings of the batch's tokens, or the batch's embeddings: `[n_embd, n_tokens]`.
    pub fn embeddings(&mut self, tok_embd: Tensor) -> Result<Tensor> {
        let n = self.n_tokens();
        if self.batch.embd {
            let ne = [self.hp.n_embd.into(), n];
            let t = self.input("inp_embd", Type::F32, &ne)?;
            self.inputs.embd = Some(t);
            return Ok(t);
        }
        let tokens = self.input("inp_tokens", Type::I32, &[n])?;
        self.inputs.tokens = Some(tokens);
        Ok(self.ctx.get_rows(tok_embd, tokens)?.set_name("inp_embd"))
    }

    /// The tokens' positions.
    pub fn pos(&mut self) -> Result<Tensor> {
        if let Some(t) = self.inputs.pos {
            return Ok(t);
        }
        let t = self.input("inp_pos", Type::I32, &[self.n_tokens()])?;
        self.inputs.pos = Some(t);
        Ok(t)
    }

    /// Which cells each token sees.
    pub fn kq_mask(&mut self) -> Result<Tensor> {
        if let Some(t) = self.inputs.kq_mask {
            return Ok(t);
        }
        let ty = if self.cp.flash_attn {
            Type::F16
        } else {
            Type::F32
        };
        let rows = (self.n_tokens() as u64).next_multiple_of(KQ_MASK_PAD as u64) as i64;
        let t = self.input("KQ_mask", ty, &[self.kv.n_kv as i64, rows])?;
        self.inputs.kq_mask = Some(t);
        Ok(t)
    }

    /// Keeps the rows of tokens that have an output; all, if all have one.
    pub fn output_rows(&mut self, t: Tensor) -> Result<Tensor> {
        let BatchShape {
            n_tokens,
            n_outputs,
            ..
        } = self.batch;
        if n_outputs == n_tokens {
            return Ok(t);
        }
        let ids = match self.inputs.out_ids {
            Some(ids) => ids,
            None => {
                let ids = self.input("inp_out_ids", Type::I32, &[n_outputs as i64])?;
                *self.inputs.out_ids.insert(ids)
            }
        };
        self.ctx.get_rows(t, ids)
    }

    /// The parameters of the rotation.
    pub fn rope(&self) -> params::Rope {
        rope_params(self.hp, self.cp)
    }

    /// The model's end: logits (`result_output`), or in embeddings mode the embeddings (`result_norm`, and if the context pools,
    /// `result_embd_pooled`). `hidden` has a row for each output.
    pub fn output(&mut self, hidden: Tensor, norm: &Norm, head: &Linear) -> Result<()> {
        let normed = norm.build(self, hidden)?.set_name("result_norm");
        if !self.cp.embeddings {
            let logits = head.build(self, normed)?.set_name("result_output");
            self.results.logits = Some(logits);
            return self.expand(logits);
        }
        self.results.embd = Some(normed);
        self.expand(normed)?;
        let n = self.n_tokens();
        let pooled = match self.cp.pooling {
            PoolingType::None => return Ok(()),
            PoolingType::Mean => {
                let mean = self.input("inp_mean", Type::F32, &[n, n])?;
                self.inputs.mean = Some(mean);
                let columns = self.ctx.cont(self.ctx.transpose(normed)?)?;
                self.ctx.mul_mat(columns, mean)?
            }
            PoolingType::Cls | PoolingType::Last => {
                let cls = self.input("inp_cls", Type::I32, &[n])?;
                self.inputs.cls = Some(cls);
                self.ctx.get_rows(normed, cls)?
            }
            PoolingType::Unspecified => bail!("the pooling type is not specified"),
        };
        self.results.pooled = Some(pooled);
        self.expand(pooled.set_name("result_embd_pooled"))
    }
}

/// The parameters of the rotation of a model's heads in a context.
pub fn rope_params(hp: &Hparams, cp: &Cparams) -> params::Rope {
    params::Rope {
        n_dims: hp.n_rot as i32,
        mode: hp.rope_type as i32,
        n_ctx_orig: cp.n_ctx_orig_yarn as i32,
        freq_base: cp.rope_freq_base,
        freq_scale: cp.rope_freq_scale,
        ext_factor: cp.yarn_ext_factor,
        attn_factor: cp.yarn_attn_factor,
        beta_fast: cp.yarn_beta_fast,
        beta_slow: cp.yarn_beta_slow,
        sections: [0; 4],
    }
}

/// The Hadamard transform of heads of `n_embd_head` values, in pieces as long as the power of two that divides that.
pub fn hadamard(ctx: &Context, x: Tensor, n_embd_head: u32) -> Result<Tensor> {
    match n_embd_head & n_embd_head.wrapping_neg() {
        0 | 1 => Ok(x),
        piece => ctx.hadamard(x, piece as i32),
    }
}
