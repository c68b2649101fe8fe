//! The parameters of a context once they are resolved: what the caller asked for, what the model says, and the limits.

use super::model::hparams::Hparams;
use super::params::{AttentionType, PoolingType, RopeScalingType, llama_context_params};
use crate::error::{Error, Result};
use crate::graph::KQ_MASK_PAD;
use crate::quant::Type;
use crate::{bail, ensure, log_warn};

/// See [`llama_context_params`] for the fields.
#[derive(Clone, Debug)]
pub struct Cparams {
    /// Cells of the KV cache.
    pub n_ctx: u32,
    pub n_batch: u32,
    pub n_ubatch: u32,
    pub n_seq_max: u32,
    pub n_threads: u32,
    pub n_threads_batch: u32,
    pub rope_freq_base: f32,
    pub rope_freq_scale: f32,
    pub n_ctx_orig_yarn: u32,
    pub yarn_ext_factor: f32,
    pub yarn_attn_factor: f32,
    pub yarn_beta_fast: f32,
    pub yarn_beta_slow: f32,
    pub defrag_thold: f32,
    pub embeddings: bool,
    pub logits_all: bool,
    pub causal_attn: bool,
    pub flash_attn: bool,
    pub fused_up_gate: bool,
    pub fused_moe_up_gate: bool,
    pub fused_mmad: bool,
    pub graph_reuse: bool,
    pub pooling: PoolingType,
    pub type_k: LayerTypes,
    pub type_v: LayerTypes,
    /// Keys (and queries), values are cached after a Hadamard transform of their heads, which spreads outliers before they are
    /// quantized.
    pub k_cache_hadamard: bool,
    pub v_cache_hadamard: bool,
}

/// The types of one of the caches: the first and the last layers may have their own.
#[derive(Clone, Copy, Debug)]
pub struct LayerTypes {
    pub ty: Type,
    first: (usize, Type),
    last: (usize, Type),
}

impl LayerTypes {
    /// The type of layer `il` of `n_layer`. The last layers count where both are meant.
    pub fn of(&self, il: usize, n_layer: usize) -> Type {
        let ((n_first, first), (n_last, last)) = (self.first, self.last);
        if il >= n_layer.saturating_sub(n_last) {
            last
        } else if il < n_first {
            first
        } else {
            self.ty
        }
    }

    fn resolve(
        what: &str,
        n_embd_head: u32,
        ty: i32,
        first: (i32, i32),
        last: (i32, i32),
    ) -> Result<LayerTypes> {
        let ty = cache_type(what, ty, n_embd_head)?;
        // A type that no layer has may be anything.
        let end = |(n, raw): (i32, i32)| -> Result<(usize, Type)> {
            match usize::try_from(n) {
                Ok(n) if n > 0 => Ok((n, cache_type(what, raw, n_embd_head)?)),
                _ => Ok((0, ty)),
            }
        };
        let (first, last) = (end(first)?, end(last)?);
        Ok(LayerTypes { ty, first, last })
    }

    fn all(&self) -> [Type; 3] {
        [self.ty, self.first.1, self.last.1]
    }
}

/// A parameter that is meant when it is not negative, and otherwise this.
fn or(value: f32, default: f32) -> f32 {
    if value >= 0.0 { value } else { default }
}

impl Cparams {
    pub fn resolve(p: &llama_context_params, hp: &Hparams) -> Result<Cparams> {
        ensure!(
            p.n_batch > 0 || p.n_ubatch > 0,
            "n_batch and n_ubatch cannot both be zero"
        );
        ensure!(
            p.n_threads > 0 && p.n_threads_batch > 0,
            "n_threads ({}) and n_threads_batch ({}) must not be zero",
            p.n_threads,
            p.n_threads_batch
        );
        let most = p.n_threads.max(p.n_threads_batch);
        ensure!(
            most <= i32::MAX as u32,
            "n_threads and n_threads_batch must not be negative ({})",
            most as i32
        );
        let mut c = Cparams {
            n_ctx: if p.n_ctx == 0 {
                hp.n_ctx_train
            } else {
                p.n_ctx
            },
            n_batch: p.n_batch,
            n_ubatch: 0,
            n_seq_max: p.n_seq_max.max(1),
            n_threads: p.n_threads,
            n_threads_batch: p.n_threads_batch,
            rope_freq_base: p.rope_freq_base,
            rope_freq_scale: p.rope_freq_scale,
            n_ctx_orig_yarn: p.yarn_orig_ctx,
            // The defaults are of the YaRN paper (arXiv 2309.00071); models do not say otherwise.
            yarn_ext_factor: p.yarn_ext_factor,
            yarn_attn_factor: or(p.yarn_attn_factor, 1.0) * hp.rope_attn_factor,
            yarn_beta_fast: or(p.yarn_beta_fast, 32.0),
            yarn_beta_slow: or(p.yarn_beta_slow, 1.0),
            defrag_thold: p.defrag_thold,
            embeddings: p.embeddings,
            logits_all: p.logits_all,
            causal_attn: hp.causal_attn,
            flash_attn: p.flash_attn,
            fused_up_gate: p.fused_up_gate,
            fused_moe_up_gate: p.fused_moe_up_gate,
            fused_mmad: p.fused_mmad,
            graph_reuse: p.graph_reuse,
            pooling: PoolingType::from_raw(p.pooling_type)
                .ok_or_else(|| Error(format!("unknown pooling type {}", p.pooling_type)))?,
            type_k: LayerTypes::resolve(
                "K",
                hp.n_embd_head_k,
                p.type_k,
                (p.n_k_first, p.type_k_first),
                (p.n_k_last, p.type_k_last),
            )?,
            type_v: LayerTypes::resolve(
                "V",
                hp.n_embd_head_v,
                p.type_v,
                (p.n_v_first, p.type_v_first),
                (p.n_v_last, p.type_v_last),
            )?,
            k_cache_hadamard: p.k_cache_hadamard,
            v_cache_hadamard: p.v_cache_hadamard,
        };
        if c.pooling == PoolingType::Unspecified {
            c.pooling = hp.pooling;
        }
        match AttentionType::from_raw(p.attention_type) {
            Some(AttentionType::Unspecified) => {}
            Some(asked) => c.causal_attn = asked == AttentionType::Causal,
            None => bail!("unknown attention type {}", p.attention_type),
        }
        ensure!(
            c.flash_attn
                || c.type_v
                    .all()
                    .iter()
                    .all(|ty| ty.info().is_some_and(|i| !i.quantized)),
            "a quantized V cache needs flash attention"
        );
        c.resolve_sizes(p)?;
        c.resolve_rope(p, hp)?;
        Ok(c)
    }

    fn resolve_sizes(&mut self, p: &llama_context_params) -> Result<()> {
        let padding = self.kv_padding();
        self.n_ctx = match self.n_ctx.checked_next_multiple_of(padding) {
            Some(n) if n <= i32::MAX as u32 => n,
            _ => bail!("n_ctx of {} is too large", self.n_ctx),
        };
        if self.causal_attn {
            self.n_batch = self.n_batch.min(self.n_ctx);
        }
        if self.n_batch < KQ_MASK_PAD as u32 {
            log_warn!("n_batch is raised from {} to {KQ_MASK_PAD}", self.n_batch);
            self.n_batch = KQ_MASK_PAD as u32;
        }
        ensure!(
            self.n_batch <= i32::MAX as u32,
            "n_batch of {} is too large",
            self.n_batch
        );
        let n_ubatch = if p.n_ubatch == 0 {
            p.n_batch
        } else {
            p.n_ubatch
        };
        self.n_ubatch = n_ubatch.min(self.n_batch);
        Ok(())
    }

    fn resolve_rope(&mut self, p: &llama_context_params, hp: &Hparams) -> Result<()> {
        let scaling = match RopeScalingType::from_raw(p.rope_scaling_type) {
            Some(RopeScalingType::Unspecified) => hp.rope_scaling,
            Some(asked) => asked,
            None => bail!("unknown rope scaling type {}", p.rope_scaling_type),
        };
        if self.rope_freq_base == 0.0 {
            self.rope_freq_base = hp.rope_freq_base;
        }
        if self.rope_freq_scale == 0.0 {
            self.rope_freq_scale = hp.rope_freq_scale;
        }
        if scaling == RopeScalingType::None {
            self.rope_freq_scale = 1.0;
        }
        if self.n_ctx_orig_yarn == 0 {
            self.n_ctx_orig_yarn = match hp.n_ctx_orig_yarn {
                0 => hp.n_ctx_train,
                n => n,
            };
        }
        if self.yarn_ext_factor < 0.0 {
            self.yarn_ext_factor = if scaling == RopeScalingType::Yarn {
                1.0
            } else {
                0.0
            };
        }
        Ok(())
    }

    /// Attention looks at a number of cells that is a multiple of this.
    pub fn kv_padding(&self) -> u32 {
        if self.flash_attn { 256 } else { 32 }
    }

    /// Whether the outputs are one embedding for each sequence.
    pub fn is_pooled(&self) -> bool {
        self.embeddings && self.pooling != PoolingType::None
    }
}

/// The type of a cache whose rows consist of heads of `n_embd_head` values.
fn cache_type(what: &str, raw: i32, n_embd_head: u32) -> Result<Type> {
    let Some((ty, info)) = Type::from_raw(raw).and_then(|ty| Some((ty, ty.info()?))) else {
        bail!("type {raw} of the {what} cache is not supported");
    };
    ensure!(
        info.row_meta == 0
            && info.rows == 1
            && info.encode.is_some()
            && (info.quantized || matches!(ty, Type::F32 | Type::F16 | Type::Bf16)),
        "{} cannot be the type of the {what} cache",
        info.name
    );
    ensure!(
        (n_embd_head as usize).is_multiple_of(info.block),
        "the {what} cache cannot be {}: heads of {n_embd_head} values are not whole blocks of {}",
        info.name,
        info.block
    );
    Ok(ty)
}
